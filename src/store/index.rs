//! The index: which transcripts have been read, and a summary of each session file.
//!
//! All of it can be derived again; a missing, damaged or older index only costs time.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Store, Summary, append, file_name, kept, skim};
use crate::plain;

/// Written into the file; another number makes a new index.
const VERSION: u32 = 1;

/// Bytes of the index of hundreds of thousands of sessions; a larger one is made anew.
const LARGEST: u64 = 256 << 20;

/// What is known of the store and of what was read into it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Index {
    version: u32,
    /// Fingerprint of each transcript when it was last read, by key.
    transcripts: BTreeMap<String, Read>,
    /// Summary of each session file with the size and time it had then, by file name.
    files: BTreeMap<String, Filed>,
    #[serde(skip)]
    changed: bool,
}

/// A transcript that has been read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Read {
    /// Its fingerprint then.
    pub fingerprint: String,
    /// The sessions that were in it.
    pub sessions: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Filed {
    stamp: String,
    summary: Summary,
}

impl Index {
    /// Loads the index of a store; an empty one where there is none that can be used.
    pub fn load(store: &Store) -> Self {
        let text = plain::read_up_to(&path(store), LARGEST).unwrap_or_default();
        let index: Self = serde_json::from_slice(&text).unwrap_or_default();
        if index.version == VERSION { index } else { Self { version: VERSION, ..Self::default() } }
    }

    /// Writes it back where it changed. Two processes at once: the last one wins, and the other's news are found again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn save(&mut self, store: &Store) -> anyhow::Result<()> {
        if self.changed {
            let text = serde_json::to_vec(self).context("cannot write the index")?;
            append::replace(&path(store), &text)?;
            self.changed = false;
        }
        Ok(())
    }

    /// What is known of a transcript, if it is still as it was and the files of its sessions were there when
    /// [`Self::summaries`] last looked.
    pub fn read_already(&self, key: &str, fingerprint: &str) -> Option<&Read> {
        let read = self.transcripts.get(key).filter(|r| r.fingerprint == fingerprint)?;
        read.sessions.iter().all(|s| self.files.contains_key(&file_name(s))).then_some(read)
    }

    /// Notes that a transcript has been read.
    pub fn note_read(&mut self, key: String, fingerprint: String, sessions: Vec<String>) {
        self.transcripts.insert(key, Read { fingerprint, sessions });
        self.changed = true;
    }

    /// A summary of every session in the store; files that changed since are read again.
    pub fn summaries(&mut self, store: &Store) -> Vec<Summary> {
        let present: Vec<_> = store.files().into_iter().filter_map(|p| Some((name(&p)?, stamp(&p)?, p))).collect();
        let stale: Vec<_> =
            present.par_iter().filter(|(n, s, _)| self.files.get(n).is_none_or(|f| f.stamp != *s)).collect();
        let fresh: Vec<_> = stale
            .into_par_iter()
            .map(|(name, stamp, path)| {
                let summary = skim::summary(path).unwrap_or_default();
                (name.clone(), Filed { stamp: stamp.clone(), summary })
            })
            .collect();
        let known: std::collections::BTreeSet<_> = present.into_iter().map(|(n, ..)| n).collect();
        let before = self.files.len();
        self.files.retain(|n, _| known.contains(n));
        if before == 0 || self.files.len() != before {
            kept::forget(store, &known);
        }
        self.changed |= !fresh.is_empty() || self.files.len() != before;
        self.files.extend(fresh);
        let filled = self.files.values().filter(|f| f.summary.events > 0);
        filled.map(|f| f.summary.clone()).collect()
    }
}

fn path(store: &Store) -> std::path::PathBuf {
    store.root().join("index.json")
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn stamp(path: &Path) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    let since = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(format!("{}:{}", meta.len(), since.as_micros()))
}
