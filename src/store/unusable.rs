//! What `hook` was given and could not use: a small file for `doctor`, so that silence is not loss.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Store, append};
use crate::plain;

/// Beyond this size, in bytes, the file begins anew.
const LARGEST: u64 = 64 * 1024;

/// Bytes of a payload that are kept.
const HEAD: usize = 200;

/// A payload that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// When it came.
    pub timestamp: String,
    /// Why it was of no use.
    pub reason: String,
    /// Its length in bytes.
    pub bytes: usize,
    /// Its beginning.
    pub head: String,
}

/// Keeps a payload's beginning and the reason. Best effort: there is nobody to tell.
pub fn keep(store: &Store, now: DateTime<Utc>, reason: &str, payload: &[u8]) {
    let head = String::from_utf8_lossy(&payload[..payload.len().min(HEAD)]).into_owned();
    let timestamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let entry = Unusable { timestamp, reason: reason.to_owned(), bytes: payload.len(), head };
    let Ok(mut line) = serde_json::to_vec(&entry) else { return };
    line.push(b'\n');
    let path = path(store);
    if std::fs::metadata(&path).is_ok_and(|m| m.len() > LARGEST) {
        append::replace(&path, &line).ok();
    } else {
        append::append(&path, &line).ok();
    }
}

/// What has been kept, oldest first.
pub fn kept(store: &Store) -> Vec<Unusable> {
    let text = plain::end(&path(store), 4 * LARGEST).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

/// The file.
pub fn path(store: &Store) -> std::path::PathBuf {
    store.root().join("unusable-hooks.jsonl")
}
