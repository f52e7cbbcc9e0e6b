//! Continue: `cn` 1.5 and the extensions for VS Code and JetBrains 0.9 to 1.3.
//!
//! Folder: `$CONTINUE_GLOBAL_DIR`, else `~/.continue`, on every system. In it `sessions/<id>.json`, one session each, rewritten
//! whole at every change (truncated first: a reader often finds it empty), and `sessions/sessions.json`, the list of them.
//!
//! # Ids
//! - a call: [`crate::id::call`] of its `toolCallId`; where a session uses one again, `<id>#2` and so on;
//! - items of the history: their `message.id` (extensions since 2024). An edited prompt keeps its id, so a prompt is named after
//!   its id and its text. `cn` writes no ids: its items are named after a hash of all items up to and including them. So an
//!   item keeps its name however often the file is rewritten, and what stands where an item was cut off gets a new one.
//!
//! # What proves the parents
//! The order of the history is the protocol: an item of the assistant is one response of the model, made from all that stands
//! before it. A thought (an item of its own) belongs to the item after it. Nothing says which session a fork was copied from,
//! and the calls of a sub-agent are in no file.
//!
//! # Times
//! A session has none but those of thoughts. The list of sessions says when one was first saved. Other files beside it say more,
//! and are joined by ids only (see `beside.rs`).

mod beside;
mod read;
mod tools;
mod wire;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::{Env, Report, Sink, Source, SwitchedOff, Transcript};
use crate::action::Action;
use crate::event::Event;
use crate::plain;

/// The agent's name in events.
const AGENT: &str = "continue";

/// The list of all sessions.
const LIST: &str = "sessions.json";

/// Largest file that is read, in bytes: the client itself cannot hold a longer text.
const LARGEST: u64 = 512 << 20;

/// Continue.
pub struct Continue;

/// The folder of a session's file (`<folder>/sessions/<id>.json`).
fn folder_of(file: &Path) -> Option<&Path> {
    file.parent().filter(|p| p.ends_with("sessions")).and_then(Path::parent)
}

fn transcript(file: &Path, listed: Option<&DateTime<Utc>>) -> Option<Transcript> {
    let id = file.file_stem()?.to_str()?.to_owned();
    let mut t = Transcript::of_file(AGENT, file, Some(id))?;
    let created = listed.map_or(0, DateTime::timestamp_millis);
    let beside = folder_of(file).zip(t.modified).map(|(f, m)| beside::stamp(f, m)).unwrap_or_default();
    t.fingerprint = format!("{}:{created}{beside}", t.fingerprint);
    Some(t)
}

fn sessions_in(folder: &Path) -> Vec<Transcript> {
    let listed = beside::listed(folder);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let files = names.filter(|n| n != LIST && n.ends_with(".json"));
    files.filter_map(|n| transcript(&folder.join(&n), listed.get(n.strip_suffix(".json")?))).collect()
}

impl Source for Continue {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "Continue"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        vec![env.dir("CONTINUE_GLOBAL_DIR", ".continue").join("sessions")]
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        self.roots(env).iter().flat_map(|r| sessions_in(r)).collect()
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        if path.is_dir() {
            let inner = path.join("sessions");
            let folder = if inner.join(LIST).is_file() { inner } else { path.to_owned() };
            return if folder.join(LIST).is_file() { sessions_in(&folder) } else { Vec::new() };
        }
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name == LIST || !name.ends_with(".json") || !wire::is_session(head) {
            return Vec::new();
        }
        let listed = path.parent().map(beside::listed).unwrap_or_default();
        let id = name.strip_suffix(".json").unwrap_or(name);
        transcript(path, listed.get(id)).into_iter().collect()
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        // before the history in newer files, after it in older ones
        let mut part = Vec::new();
        plain::open(&transcript.path).ok()?.take(4096).read_to_end(&mut part).ok()?;
        wire::workspace_in(&part).or_else(|| wire::workspace_in(&plain::end(&transcript.path, 4096).ok()?))
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        let path = &transcript.path;
        let mut file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let size = file.limit();
        anyhow::ensure!(size <= LARGEST, "{} is too large to be a session ({size} bytes)", path.display());
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.to_string_lossy();
        let mut report = Report::default();
        if bytes.trim_ascii().is_empty() {
            report.pass_over("file just being rewritten");
            return Ok(report);
        }
        let (session, problem) = wire::parse(&bytes);
        if let Some(problem) = problem {
            report.bad(&name, session.history.len() as u64 + 1, problem);
        }
        let id = transcript.session_id.clone().or_else(|| session.id.clone()).unwrap_or_default();
        let found = folder_of(path).map(|f| beside::of(f, &id, &session.history)).unwrap_or_default();
        let created = path.parent().and_then(|p| beside::listed(p).get(&id).copied());
        read::read(&session, &id, created, &found, &name, report, sink)
    }

    fn action(&self, event: &Event) -> Action {
        tools::action(event)
    }

    fn switched_off(&self, env: &Env) -> Vec<SwitchedOff> {
        let folder = env.dir("CONTINUE_GLOBAL_DIR", ".continue");
        let what = "cn's log has no calls in it, the only record of when each one ran; on for one run:";
        let off = folder.join("logs/cn.log").is_file() && !beside::logs_calls(&folder);
        off.then(|| SwitchedOff { what: what.to_owned(), on: "cn --verbose".to_owned() }).into_iter().collect()
    }
}
