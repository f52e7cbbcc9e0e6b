//! What `causetrace aider` writes down of each run, in a private folder: which chat history it went to, from where on, and the
//! records that Aider and git kept meanwhile.
//!
//! `<causetrace home>/aider/<chat history>/<run>/run.jsonl`, where the first folder is named after the path of the chat history,
//! which stands in its file `chat`. A chat history with such a folder is read through it. Files are only appended to: of the
//! lines of `run.jsonl` the last one counts.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::zone::Zone;
use crate::plain;
use crate::source::Env;

/// Name of an empty file: all of the run is in the store. What was taken once is not read again, for LLM histories are large.
pub const STORED: &str = "stored";

/// Name of the file that describes a run.
pub const RUN: &str = "run.jsonl";

/// Name of the file that says when the chat history had which size: lines `{"at": …, "size": …}`.
pub const SEEN: &str = "seen.jsonl";

/// Name of the file with the path of the chat history.
pub const CHAT: &str = "chat";

/// One run of Aider under the wrapper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Arguments, the program left out.
    pub args: Vec<String>,
    /// Where it ran.
    pub cwd: PathBuf,
    /// The chat history.
    pub chat: PathBuf,
    /// Its size in bytes when the run began.
    pub chat_from: u64,
    /// The input history.
    pub input: PathBuf,
    /// The LLM history; the user's own where he keeps one.
    pub llm: PathBuf,
    /// Its size in bytes when the run began.
    pub llm_from: u64,
    /// The analytics log.
    pub analytics: PathBuf,
    /// Its size in bytes when the run began.
    pub analytics_from: u64,
    /// git's trace.
    pub git_trace: PathBuf,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// Offset of the local clock from UTC then, in seconds.
    pub utc_offset: i32,
    /// When it ended; none while it runs.
    pub ended: Option<DateTime<Utc>>,
    /// Exit code, where it ended by itself.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// The commit that stood before and after.
    pub head_before: Option<String>,
    /// The commit that stood after it.
    pub head_after: Option<String>,
    /// The commits in between, newest first: full id, and time.
    pub commits: Vec<(String, DateTime<Utc>)>,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

#[derive(Deserialize)]
struct Look {
    at: DateTime<Utc>,
    size: u64,
}

impl Run {
    /// When it ended, on its clock; none while it runs.
    pub(super) fn ended_locally(&self) -> Option<NaiveDateTime> {
        let offset = FixedOffset::east_opt(self.utc_offset)?;
        Some(self.ended?.with_timezone(&offset).naive_local())
    }

    /// Whether it is in the store, and none of these that is not was at work at the same time.
    pub(super) fn is_stored(&self, all: &[Self]) -> bool {
        let stored = |run: &Self| run.folder.join(STORED).is_file();
        let beside = |other: &Self| {
            self.ended.is_none_or(|end| other.started <= end) && other.ended.is_none_or(|end| end >= self.started)
        };
        stored(self) && all.iter().filter(|r| beside(r)).all(stored)
    }

    /// When the chat history was seen to have grown to which size.
    pub(super) fn seen(&self) -> Vec<(u64, DateTime<Utc>)> {
        let text = plain::read_to_string(&self.folder.join(SEEN)).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str::<Look>(l).ok()).map(|l| (l.size, l.at)).collect()
    }

    /// Its clock.
    pub(super) fn zone(&self) -> Zone {
        let Some(offset) = FixedOffset::east_opt(self.utc_offset) else { return Zone::Unknown };
        let local = self.started.with_timezone(&offset).naive_local();
        Zone::between(local, self.started, chrono::TimeDelta::zero())
    }
}

/// Where the folders of all runs are.
pub fn root(env: &Env) -> PathBuf {
    env.dir("CAUSETRACE_HOME", ".causetrace").join("aider")
}

/// The folder of the runs that went to a chat history.
pub fn folder(root: &Path, chat: &Path) -> PathBuf {
    root.join(format!("{:016x}", xxh3_64(chat.as_os_str().as_encoded_bytes())))
}

/// The chat history of such a folder.
pub(super) fn chat_of(folder: &Path) -> Option<PathBuf> {
    let path = plain::read_to_string(&folder.join(CHAT)).ok()?;
    let path = PathBuf::from(path.trim_end_matches('\n'));
    path.is_absolute().then_some(path)
}

/// The runs of a folder, oldest first; what cannot be read is passed over.
pub(super) fn runs(folder: &Path) -> Vec<Run> {
    let mut found: Vec<Run> =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|e| read(&e.path())).collect();
    found.sort_by_key(|r| r.started);
    found
}

fn read(folder: &Path) -> Option<Run> {
    let text = plain::read_to_string(&folder.join(RUN)).ok()?;
    let mut run: Run = text.lines().rev().find_map(|l| serde_json::from_str(l).ok())?;
    run.folder = folder.to_owned();
    Some(run)
}
