//! What VS Code keeps of Copilot's chats.

mod align;
mod chat;
mod parts;
mod places;
mod replay;
mod result;
mod timing;
pub(super) mod tools;
mod wire;

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::source::jsonl::document;
use crate::source::{Env, Report, Sink, Transcript};
use replay::{Replayed, replay};
use timing::Timing;
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
}

impl Kind {
    /// Told by the folder, else by the first bytes.
    fn of(path: &Path, head: &[u8]) -> Option<Self> {
        let log = places::ends_with(path, ".jsonl");
        if places::chat_id(path).is_some() {
            return Some(if log { Self::Log } else { Self::Document });
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let has = |mark: &str| memchr::memmem::find(head, mark.as_bytes()).is_some();
        if log {
            return (head.starts_with(b"{\"kind\":") && has("\"v\":{")).then_some(Self::Log);
        }
        let chat = has("\"requests\"") && (has("\"responderUsername\"") || has("\"requesterUsername\""));
        (places::ends_with(path, ".json") && head.starts_with(b"{") && chat).then_some(Self::Document)
    }
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(path) {
        // what cannot be read is nobody's
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    head
}

/// Whether this reader is the one for a file.
pub(super) fn owns(path: &Path) -> bool {
    !places::ends_with(path, "events.jsonl") && Kind::of(path, &head(path)).is_some()
}

pub(super) fn roots(env: &Env) -> Vec<PathBuf> {
    let all = places::roots(env);
    let own = all.iter().position(|r| r.is_dir()).unwrap_or(0);
    let (own, rest) = (all.get(own).cloned(), all.iter().skip(own + 1));
    own.into_iter().chain(rest.filter(|r| r.is_dir()).cloned()).collect()
}

pub(super) fn discover(env: &Env) -> Vec<Transcript> {
    places::sessions(env)
}

pub(super) fn claim(path: &Path, head: &[u8]) -> Vec<Transcript> {
    if path.is_dir() || Kind::of(path, head).is_none() {
        return Vec::new();
    }
    let session = places::chat_id(path);
    let found = match &session {
        Some(id) => places::transcript(path, id),
        None => Transcript::of_file(super::AGENT, path, None),
    };
    found.into_iter().collect()
}

pub(super) fn cwd(transcript: &Transcript) -> Option<String> {
    places::cwd(&transcript.path)
}

pub(super) fn read(transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    let path = &transcript.path;
    let name = path.display().to_string();
    let mut report = Report::default();
    let shown = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(shown)?;
    let chat = match Kind::of(path, &head(path)) {
        Some(Kind::Log) => replay(BufReader::with_capacity(256 * 1024, file), &name, &mut report).with_context(shown)?,
        _ => {
            let mut bytes = Vec::new();
            BufReader::new(file).read_to_end(&mut bytes).with_context(shown)?;
            match document(&bytes) {
                Ok(state) => Replayed::whole(state),
                Err(reason) => {
                    // the client writes the whole file anew: a torn one is being written
                    report.records += 1;
                    report.bad(&name, 1, reason);
                    return Ok(report);
                }
            }
        }
    };
    let session = session_of(path, transcript.session_id.as_deref(), &chat.state);
    let chat = chat::Chat {
        session: &session,
        file: &name,
        state: &chat.state,
        removed: &chat.removed,
        cwd: places::cwd(path),
        timing: Timing::default(),
    };
    Ok(chat::read(chat, report, sink))
}

/// The session's id: what the client says, else (an exported chat has none) what the extension calls the conversation, else the first
/// request, else the file.
fn session_of(path: &Path, known: Option<&str>, state: &Value) -> String {
    let said = known.or_else(|| text(state, "sessionId").filter(|id| !id.is_empty()));
    let requests = || list(state, "requests").iter().map(|r| Request(r));
    let conversation = || requests().find_map(Request::conversation);
    let first = || requests().find_map(Request::id).map(|id| id.strip_prefix("request_").unwrap_or(id));
    said.or_else(conversation).or_else(first).map_or_else(|| places::stem(path), str::to_owned)
}
