//! `events.jsonl` of Copilot CLI (0.0.354 to 1.0.102), of VS Code's Copilot harness and of programs built on its SDK.
//!
//! `$COPILOT_HOME` (default `~/.copilot`) `/session-state/<id>/events.jsonl`, with `workspace.yaml` beside it; to 0.0.420
//! `session-state/<id>.jsonl`, before that `history-session-state/`. Where a session has both forms, the folder counts. What `copilot -p
//! --output-format json` prints is read as well: the same records, and passing ones between them.
//!
//! # What proves what
//! A record's `parentId` is only the record before. Proven are: `toolCallId` (from request to result, permission and sub-agent),
//! `agentId` (whose record it is; `parentToolCallId` before 1.0.102), `apiCallId` (chunks of one response, usage), `originatingMessageId`
//! (a failed request's prompt), the shell or agent in a notification. What fed a response is what came into the context of its agent
//! since that agent's response before; the requests that the client sent to a model bear this out (1.0.102).
//!
//! # Ids
//! Events are named by the record's `id`, calls by their `toolCallId`. A fork copies records with their ids; only the sentence of a
//! `session.info` names the session that they come from.

mod calls;
mod kinds;
mod outcome;
mod read;
mod standing;
mod wire;
mod words;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::plain;
use crate::source::{Env, Report, Sink, Transcript};

use super::AGENT;

/// Longest first line looked at for the working directory.
const FIRST_LINE: u64 = 1 << 20;

pub(super) fn roots(env: &Env) -> Vec<PathBuf> {
    let mut homes = vec![env.dir("COPILOT_HOME", ".copilot")];
    // builds of 2025
    homes.extend(env.var("XDG_STATE_HOME").map(|dir| env.cwd.join(dir).join(".copilot")));
    homes.iter().flat_map(|home| [home.join("session-state"), home.join("history-session-state")]).collect()
}

pub(super) fn discover(env: &Env) -> Vec<Transcript> {
    let mut known = HashSet::new();
    let found = roots(env).into_iter().flat_map(|root| sessions_in(&root));
    found.filter(|t| t.session_id.as_ref().is_none_or(|id| known.insert(id.clone()))).collect()
}

/// The sessions in a folder of them.
fn sessions_in(root: &Path) -> Vec<Transcript> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for path in fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path()) {
        let events = path.join("events.jsonl");
        if path.extension().is_some_and(|e| e == "jsonl") {
            files.push(path);
        } else if events.is_file() {
            folders.push(events);
        }
    }
    // a folder wins over a file of the same session
    let mut known = HashSet::new();
    let found = folders.iter().chain(&files).filter_map(|f| Transcript::of_file(AGENT, f, session_of(f)));
    found.filter(|t| t.session_id.as_ref().is_none_or(|id| known.insert(id.clone()))).collect()
}

fn is_events(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n == "events.jsonl")
}

/// The session that a file's place names.
fn session_of(path: &Path) -> Option<String> {
    let named = if is_events(path) { path.parent()?.file_name()? } else { path.file_stem()? };
    named.to_str().map(str::to_owned)
}

pub(super) fn claim(path: &Path, head: &[u8]) -> Vec<Transcript> {
    if path.is_dir() {
        let own = path.join("events.jsonl");
        if own.is_file() {
            return Transcript::of_file(AGENT, &own, session_of(&own)).into_iter().collect();
        }
        return sessions_in(&path.join("session-state"));
    }
    let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let has = |line: &[u8], mark: &str| memchr::memmem::find(line, mark.as_bytes()).is_some();
    let is_record =
        ["\"session.", "\"user.message\"", "\"assistant.", "\"tool.", "\"mcp.", "\"hook.", "\"system.message\""];
    let ours = has(first, "\"type\"") && has(first, "\"data\"") && is_record.iter().any(|m| has(first, m));
    if !ours {
        return Vec::new();
    }
    // as much as was handed over may end within the line
    let started =
        serde_json::from_slice::<wire::Line<'_>>(first).ok().filter(|l| l.kind.as_deref() == Some("session.start"));
    let start = started.and_then(|l| serde_json::from_str::<wire::Start>(l.data?.get()).ok());
    let session = start.and_then(|s| s.session_id).or_else(|| last_word(path));
    Transcript::of_file(AGENT, path, session.or_else(|| session_of(path))).into_iter().collect()
}

/// The session that the last line of `--output-format json` names.
fn last_word(path: &Path) -> Option<String> {
    let tail = plain::end(path, 64 * 1024).ok()?;
    let last = tail.trim_ascii_end().rsplit(|b| *b == b'\n').next()?;
    let last: wire::Last = serde_json::from_slice(last).ok()?;
    last.session_id.filter(|_| last.kind.as_deref() == Some("result"))
}

pub(super) fn cwd(transcript: &Transcript) -> Option<String> {
    let mut first = Vec::new();
    let file = plain::open(&transcript.path).ok()?;
    BufReader::new(file.take(FIRST_LINE)).read_until(b'\n', &mut first).ok()?;
    let line: wire::Line<'_> = serde_json::from_slice(first.trim_ascii_end()).ok()?;
    let start: Option<wire::Start> = line.data.and_then(|d| serde_json::from_str(d.get()).ok());
    let told = start.and_then(|s| s.context).and_then(|c| c.cwd);
    told.or_else(|| beside(&transcript.path, "cwd"))
}

pub(super) fn read(transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    // a name that is not the user's is the first prompt's
    let named = beside(&transcript.path, "user_named").as_deref() == Some("true");
    let title = named.then(|| beside(&transcript.path, "name")).flatten();
    read::read(transcript, title, sink)
}

/// A plain value of the `workspace.yaml` beside `events.jsonl`.
fn beside(path: &Path, key: &str) -> Option<String> {
    let file = plain::open(&path.parent().filter(|_| is_events(path))?.join("workspace.yaml")).ok()?;
    let mut text = String::new();
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim();
    match value.as_bytes() {
        [b'"', ..] => serde_json::from_str(value).ok(),
        [b'\'', .., b'\''] if value.len() > 1 => Some(value[1..value.len() - 1].replace("''", "'")),
        // a text over several lines begins with its sign
        [] | [b'|' | b'>', ..] => None,
        _ => Some(value.to_owned()),
    }
}
