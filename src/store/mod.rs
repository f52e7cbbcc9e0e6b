//! The store: one append-only file of event lines a session, below `~/.causetrace` (`CAUSETRACE_HOME` moves it).
//!
//! - [`append`](Store::append): one buffer, one write, under a lock; folders 0700, files 0600, never through a symlink.
//! - [`read`](Store::read): events folded, with every problem by line.
//! - [`backup`]: settings files as they were before `install`.
//! - [`unusable`]: what `hook` was given and could not use, for `doctor`.
//! - [`index`]: what has been read from where, and a summary of each session; a cache that can be deleted at any time.
//! - [`kept`]: what a look at a session found, causes too, so that the next one need not find it again; a cache as well.
//!
//! Invariant: only this module writes, and nothing outside the store's folder.

mod append;
pub mod backup;
mod file_name;
mod hooked;
pub mod index;
pub mod kept;
mod read;
mod rewound;
mod skim;
mod summary;
pub mod unusable;

use std::path::{Path, PathBuf};

pub use append::append;
pub use file_name::file_name;
pub use read::{Problem, Stored, line_key, read_file};
pub use summary::Summary;

/// Format versions that this program may append to. A file with lines of a newer major version is read, not written to.
pub const WRITABLE_MAJOR: u64 = 1;

/// The store's folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store below `root`. Nothing is made or looked at before it is needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the session files.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The file of a session, whether or not it exists.
    pub fn path(&self, session_id: &str) -> PathBuf {
        self.data().join(file_name(session_id))
    }

    /// Appends lines (each with its newline) to the file of a session.
    ///
    /// # Errors
    /// The folder or file cannot be made, is a symlink or not ours, or cannot be written.
    pub fn append(&self, session_id: &str, lines: &[u8]) -> anyhow::Result<()> {
        append(&self.path(session_id), lines)
    }

    /// The stored events of a session, folded, with what was wrong; none where nothing is stored.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub fn read(&self, session_id: &str) -> anyhow::Result<Option<Stored>> {
        let path = self.path(session_id);
        if path.exists() { read_file(&path).map(Some) } else { Ok(None) }
    }

    /// All session files, in no order; none where there is no store yet.
    pub fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.data()) else {
            return Vec::new();
        };
        let paths = entries.filter_map(|e| Some(e.ok()?.path()));
        paths.filter(|p| p.extension().is_some_and(|x| x == "jsonl") && p.is_file()).collect()
    }
}
