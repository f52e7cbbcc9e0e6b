//! What a settings file held before `install` changed it, so that `uninstall` can give it back byte for byte.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{Store, append, file_name};
use crate::plain;

/// A settings file before and after.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its text without our entries; none where there was no file.
    pub before: Option<String>,
    /// Hash of its text with them.
    after: String,
}

impl Backup {
    /// Whether `text` is what was written then: nobody changed it since.
    pub fn is_untouched(&self, text: &str) -> bool {
        self.after == hash(text)
    }
}

fn hash(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

fn place(store: &Store, path: &Path) -> PathBuf {
    let name = file_name(&path.to_string_lossy());
    store.root().join("backups").join(name).with_extension("json")
}

/// Keeps the text of a settings file before it changes to `after`.
///
/// # Errors
/// The store cannot be written.
pub fn keep(store: &Store, path: &Path, before: Option<&str>, after: &str) -> anyhow::Result<()> {
    let backup = Backup { path: path.to_owned(), before: before.map(str::to_owned), after: hash(after) };
    let text = serde_json::to_vec_pretty(&backup).context("cannot write the backup")?;
    append::replace(&place(store, path), &text)
}

/// The backup of a settings file, whose text stands in it with escapes.
pub fn load(store: &Store, path: &Path) -> Option<Backup> {
    let text = plain::read_up_to(&place(store, path), 8 * plain::SETTINGS).ok()?;
    serde_json::from_slice(&text).ok().filter(|b: &Backup| b.path == path)
}

/// Forgets a backup that has served.
pub fn forget(store: &Store, path: &Path) {
    std::fs::remove_file(place(store, path)).ok();
}
