//! What VS Code keeps of Copilot's chats: clients of 2025 and 2026, after their sources and published files.
//!
//! Below the user data folder (`~/.config/Code/User` and alike, [`places`]), for each workspace: `chatSessions/<id>.json`, since 1.109 a
//! log of mutations `<id>.jsonl`; from the extension `GitHub.copilot-chat/transcripts/<id>.jsonl` and `debug-logs/<id>/*.jsonl`, where they
//! are switched on. All of them are one transcript: the chat has the say, the others add times, tokens, endings and what the chat
//! does not tell yet. Where the chat is not there (a remote server's side) they are read alone. Exported chats and
//! `.chatreplay.json` are read where the user names them.
//!
//! # Ids
//! - a call: [`crate::id::call`] of the shown part's id, which since 2026 is that of the model's stream without `__vscode-<n>`, as hooks,
//!   transcripts and debug logs have it. Clients of 2025 gave parts ids of their own, and the rounds with the model's ids come only
//!   when a request has ended: so the part's id, which is there from the beginning, names the event. `call_id` is always the model's.
//! - a prompt: `prompt:<requestId>`; words and thoughts: `message:<requestId>:<n>`, `reasoning:<requestId>:<n>`, the n-th of the request.
//! - what only a transcript or a debug log tells: after their own records.
//!
//! # What proves the parents
//! A request holds its prompt and, in order, the rounds of the model with the calls of each and their results by id: each round saw
//! the results of the one before. A sub-agent's calls name the call that began it (clients of 2025 only say that they are a
//! sub-agent's: then it is the one begun last, unless two were begun together). Of a request that runs or was stopped only the shown parts
//! are there: its events have the prompt as parent.

mod align;
mod chat;
mod chat_replay;
mod debug_log;
mod edits;
mod off;
mod parts;
mod places;
mod replay;
mod result;
mod round;
mod slim;
mod sub_agents;
mod timing;
pub(super) mod tools;
mod transcript;
mod wire;

use std::fs::File;
use std::io::{BufReader, Read as _, Take};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::plain;
use crate::source::jsonl::document;
use crate::source::{Env, Report, Sink, SwitchedOff, Transcript};
use chat::Chat;
use replay::{Replayed, replay};
use slim::Slim;
use timing::Timing;
use transcript::Told;
use wire::{Request, list, text};

/// How much of a file is looked at to tell what it is.
const HEAD: u64 = 64 * 1024;

/// What a file of VS Code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One JSON document: a session of a client before 1.109, or an exported chat.
    Document,
    /// A mutation log.
    Log,
    /// The extension's transcript.
    Transcript,
    /// The extension's debug log.
    DebugLog,
    /// An export of the extension's request log.
    ChatReplay,
}

impl Kind {
    /// Told by the folder, else by the first bytes.
    fn of(path: &Path, head: &[u8]) -> Option<Self> {
        let log = places::ends_with(path, ".jsonl");
        if places::name(path) == "events.jsonl" {
            return None;
        }
        if places::chat_id(path).is_some() {
            return Some(if log { Self::Log } else { Self::Document });
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let has = |mark: &str| memchr::memmem::find(head, mark.as_bytes()).is_some();
        if log && head.starts_with(b"{\"kind\":") && has("\"v\":{") {
            return Some(Self::Log);
        }
        if log {
            let folder = path.parent().map(places::name).unwrap_or_default();
            let of_extension =
                folder == "transcripts" && path.to_string_lossy().to_ascii_lowercase().contains("copilot-chat");
            if folder == "debug-logs" || path.ancestors().nth(2).map(places::name).as_deref() == Some("debug-logs") {
                return places::ends_with(path, "main.jsonl").then_some(Self::DebugLog);
            }
            // Copilot CLI's have the same producer, but no version of VS Code
            let said = has("\"session.start\"") && has("\"vscodeVersion\"");
            if of_extension || said {
                return Some(Self::Transcript);
            }
            return (has("\"spanId\"") && has("\"sid\"") && has("\"attrs\"")).then_some(Self::DebugLog);
        }
        if places::ends_with(path, ".chatreplay.json") && has("\"logs\"") {
            return Some(Self::ChatReplay);
        }
        let chat = has("\"requests\"") && (has("\"responderUsername\"") || has("\"requesterUsername\""));
        (places::ends_with(path, ".json") && head.starts_with(b"{") && chat).then_some(Self::Document)
    }
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = plain::open(path) {
        // what cannot be read is nobody's
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    head
}

/// Whether this reader is the one for a file.
pub(super) fn owns(path: &Path) -> bool {
    Kind::of(path, &head(path)).is_some()
}

pub(super) fn roots(env: &Env) -> Vec<PathBuf> {
    let all = places::roots(env);
    let own = all.iter().position(|r| r.is_dir()).unwrap_or(0);
    let (own, rest) = (all.get(own).cloned(), all.iter().skip(own + 1));
    own.into_iter().chain(rest.filter(|r| r.is_dir()).cloned()).collect()
}

pub(super) fn switched_off(env: &Env) -> Vec<SwitchedOff> {
    off::switched_off(env)
}

pub(super) fn discover(env: &Env) -> Vec<Transcript> {
    places::sessions(env)
}

pub(super) fn claim(path: &Path, head: &[u8]) -> Vec<Transcript> {
    let Some(kind) = Kind::of(path, head).filter(|_| !path.is_dir()) else { return Vec::new() };
    let session = match kind {
        Kind::Transcript => Some(places::stem(path)),
        Kind::DebugLog => path.parent().map(places::name),
        Kind::Document | Kind::Log | Kind::ChatReplay => places::chat_id(path),
    };
    let found = match &session {
        Some(id) => places::transcript(path, id),
        None => Transcript::of_file(super::AGENT, path, None),
    };
    found.into_iter().collect()
}

pub(super) fn cwd(transcript: &Transcript) -> Option<String> {
    places::cwd(&transcript.path)
}

pub(super) fn read(found: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    let path = &found.path;
    let name = path.display().to_string();
    let shown = || format!("cannot read {}", path.display());
    match Kind::of(path, &head(path)) {
        Some(Kind::Transcript) => {
            let session = found.session_id.clone().unwrap_or_else(|| places::stem(path));
            let beside = places::has_chats(path);
            transcript::read(open(path)?, &name, &session, places::cwd(path), None, beside, sink).with_context(shown)
        }
        Some(Kind::DebugLog) => {
            let session =
                found.session_id.clone().unwrap_or_else(|| path.parent().map(places::name).unwrap_or_default());
            let mut files = path.parent().map(places::debug_files).unwrap_or_default();
            if files.first() != Some(path) {
                files = vec![path.clone()];
            }
            debug_log::read(&files, &session, places::cwd(path), places::has_chats(path), sink).with_context(shown)
        }
        Some(Kind::Log) => {
            let mut report = Report::default();
            let chat = replay(open(path)?, &name, &mut report).with_context(shown)?;
            read_chat(found, &chat, report, sink)
        }
        kind => {
            let mut bytes = Vec::new();
            open(path)?.read_to_end(&mut bytes).with_context(shown)?;
            let mut report = Report::default();
            match document(&bytes).map(|Slim(state)| state) {
                Ok(export) if kind == Some(Kind::ChatReplay) => {
                    Ok(chat_replay::read(&export, &name, found.session_id.as_deref(), sink))
                }
                Ok(state) => {
                    drop(bytes);
                    read_chat(found, &Replayed::whole(state), report, sink)
                }
                Err(reason) => {
                    // the client writes the whole file anew: a torn one is being written
                    report.records += 1;
                    report.bad(&name, 1, reason);
                    Ok(report)
                }
            }
        }
    }
}

fn open(path: &Path) -> anyhow::Result<BufReader<Take<File>>> {
    let file = plain::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(BufReader::with_capacity(256 * 1024, file))
}

/// A chat with what the extension's files add to it.
fn read_chat(found: &Transcript, chat: &Replayed, report: Report, sink: Sink<'_>) -> anyhow::Result<Report> {
    let path = &found.path;
    let name = path.display().to_string();
    let session = session_of(path, found.session_id.as_deref(), &chat.state);
    let companions = places::Companions::of(path, &session);
    let mut timing = Timing::default();
    // a companion that cannot be read adds nothing
    let beside = companions
        .transcript
        .as_deref()
        .filter(|t| open(t).is_ok_and(|reader| transcript::timing(reader, &mut timing).is_ok()));
    let _ = debug_log::timing(&companions.debug, &mut timing);
    let cwd = places::cwd(path);
    let mut told = Told::default();
    let chat =
        Chat { session: &session, file: &name, state: &chat.state, removed: &chat.removed, cwd: cwd.clone(), timing };
    let mut report = chat::read(chat, report, &mut |e| {
        told.note(&e);
        sink(e);
    });
    if let Some(beside) = beside {
        let file = beside.display().to_string();
        let rest = transcript::read(open(beside)?, &file, &session, cwd, Some(&told), true, sink);
        report.merge(rest.with_context(|| format!("cannot read {}", beside.display()))?);
    }
    Ok(report)
}

/// The session's id: what the client says, else (an exported chat has none) what the extension calls the conversation, else the first
/// request, else the file.
fn session_of(path: &Path, known: Option<&str>, state: &Value) -> String {
    let said = known.or_else(|| text(state, "sessionId").filter(|id| !id.is_empty()));
    let requests = || list(state, "requests").iter().map(Request);
    let conversation = || requests().find_map(Request::conversation);
    let first = || requests().find_map(Request::id).map(|id| id.strip_prefix("request_").unwrap_or(id));
    said.or_else(conversation).or_else(first).map_or_else(|| places::stem(path), str::to_owned)
}
