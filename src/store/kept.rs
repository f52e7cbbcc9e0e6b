//! What a look at a session found, kept for the next look: a cache of bytes, each piece of which this module only checks.
//!
//! It holds for the files that were read, as they were then, and for the build that worked it out. Whatever else is found here
//! (a torn file, another build's, one that somebody made up) is as good as nothing. Nobody is told where it cannot be written:
//! the next look takes longer, and that is all.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Take, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Store, append, file_name};
use crate::plain;

/// How a file begins; another format has another number.
const MAGIC: &[u8] = b"causetrace kept 1\n";

/// What this program was built from: what another build worked out is not used.
pub const BUILD: &str = env!("CAUSETRACE_BUILD");

/// A file of the store as it was when it was read. It only grows: with the same stamp it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The session.
    session: String,
    length: u64,
    /// Time of the last change, in nanoseconds since 1970.
    modified: u128,
    /// Its number in the file system; 0 where there is none.
    inode: u64,
}

impl Stamp {
    /// The stamp of a session's file now; none where it cannot be had.
    pub fn of(store: &Store, session: &str) -> Option<Self> {
        let meta = std::fs::metadata(store.path(session)).ok().filter(std::fs::Metadata::is_file)?;
        let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { session: session.to_owned(), length: meta.len(), modified, inode })
    }
}

/// What was read for the look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The files of the session and of those that it spawned, in the order in which they were read.
    pub files: Vec<Stamp>,
    /// Sessions that calls of it began, whether or not there is anything of them.
    pub spawned: Vec<String>,
    /// What was wrong with lines of them, as it is told.
    pub problems: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    build: String,
    sources: Sources,
}

/// What is kept of a session, with all but its head unread.
pub struct Kept {
    sources: Sources,
    rest: BufReader<Take<File>>,
    /// Bytes that are left in the file.
    left: u64,
}

/// What is kept of a session by this `build`; none where there is nothing that can be used.
pub fn open(store: &Store, session: &str, build: &str) -> Option<Kept> {
    let file = plain::open(&path(store, session)).ok()?;
    let left = file.limit().checked_sub(MAGIC.len() as u64)?;
    let mut kept = Kept { sources: Sources::default(), rest: BufReader::new(file), left };
    let mut magic = [0; MAGIC.len()];
    kept.rest.read_exact(&mut magic).ok().filter(|()| magic == MAGIC)?;
    let head: Head = serde_json::from_slice(&kept.block()?).ok()?;
    kept.sources = head.sources;
    (head.build == build).then_some(kept)
}

impl Kept {
    /// What it was worked out from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The blocks, up to the first that is damaged; that none is missing is for the reader to know.
    pub fn blocks(mut self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::from_fn(move || self.block())
    }

    fn block(&mut self) -> Option<Vec<u8>> {
        let mut number = || {
            let mut bytes = [0; 8];
            self.left = self.left.checked_sub(8)?;
            self.rest.read_exact(&mut bytes).ok().map(|()| u64::from_le_bytes(bytes))
        };
        let (length, hash) = (number()?, number()?);
        // no more than there is: a made-up length costs no memory
        self.left = self.left.checked_sub(length)?;
        let mut block = vec![0; usize::try_from(length).ok()?];
        self.rest.read_exact(&mut block).ok()?;
        (xxh3_64(&block) == hash).then_some(block)
    }
}

/// Keeps what a look found, in place of what was kept before; best effort.
pub fn keep(store: &Store, session: &str, build: &str, sources: &Sources, blocks: &[Vec<u8>]) {
    let head = Head { build: build.to_owned(), sources: sources.clone() };
    let Ok(head) = serde_json::to_vec(&head) else { return };
    let parts = std::iter::once(head.as_slice()).chain(blocks.iter().map(Vec::as_slice));
    let written = append::replace_with(&path(store, session), |file| {
        file.write_all(MAGIC)?;
        for block in parts {
            file.write_all(&(block.len() as u64).to_le_bytes())?;
            file.write_all(&xxh3_64(block).to_le_bytes())?;
            file.write_all(block)?;
        }
        Ok(())
    });
    // nothing that a view could say of it would help
    written.ok();
}

/// Removes what is kept of sessions whose files are gone: whoever deletes a session wants nothing of it to stay.
pub(super) fn forget(store: &Store, present: &BTreeSet<String>) {
    for entry in std::fs::read_dir(folder(store)).into_iter().flatten().flatten() {
        let path = entry.path();
        let of = path.file_stem().map(|s| format!("{}.jsonl", s.to_string_lossy()));
        if of.is_some_and(|of| !present.contains(&of)) {
            std::fs::remove_file(path).ok();
        }
    }
}

fn folder(store: &Store) -> PathBuf {
    store.root().join("kept")
}

/// The file, whether or not it exists.
pub fn path(store: &Store, session: &str) -> PathBuf {
    folder(store).join(Path::new(&file_name(session)).with_extension("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_made_up_or_of_another_build_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("home"));
        store.append("s", b"{\"event_id\":\"a\"}\n").unwrap();
        let files = vec![Stamp::of(&store, "s").unwrap()];
        let sources = Sources { files, spawned: vec!["t".into()], problems: vec!["p".into()] };
        let blocks = [b"one".to_vec(), vec![7; 3000]];
        keep(&store, "s", "build", &sources, &blocks);
        let read = |build: &str| {
            let kept = open(&store, "s", build)?;
            Some((kept.sources().clone(), kept.blocks().collect::<Vec<_>>()))
        };
        let written = Some((sources.clone(), blocks.to_vec()));
        assert_eq!(read("build"), written);
        assert_eq!(read("newer"), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path(&store, "s")), mode(&folder(&store))), (0o600, 0o700));
        }
        let whole = std::fs::read(path(&store, "s")).unwrap();
        for at in 0..whole.len() {
            std::fs::write(path(&store, "s"), &whole[..at]).unwrap();
            assert_ne!(read("build"), written, "cut at {at}");
        }
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x41;
            std::fs::write(path(&store, "s"), &flipped).unwrap();
            assert_ne!(read("build"), written, "flipped at {at}");
        }
        std::fs::write(path(&store, "s"), [MAGIC, &u64::MAX.to_le_bytes(), &[0; 8]].concat()).unwrap();
        assert_eq!(read("build"), None);
        // a file that grew, and one that another took the place of
        store.append("s", b"{\"event_id\":\"b\"}\n").unwrap();
        assert_ne!(Stamp::of(&store, "s").as_ref(), sources.files.first());
        forget(&store, &BTreeSet::from(["s.jsonl".to_owned()]));
        assert!(path(&store, "s").exists());
        forget(&store, &BTreeSet::new());
        assert!(!path(&store, "s").exists());
    }
}
