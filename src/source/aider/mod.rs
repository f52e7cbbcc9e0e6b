//! Aider, clients of 2023 to 0.86.
//!
//! It keeps its history in the repository: `.aider.chat.history.md` and `.aider.input.history` at its root (without git in the
//! current directory), and where the user asks for them an LLM history (`.aider.llm.history`, or any name) and an analytics
//! log. One chat history holds many sessions, which it appends to for ever. `causetrace aider` runs Aider so that all of them
//! are kept ([`run`]).
//!
//! # Ids
//! Aider has none. A session is named after the path of its chat history and the time at which it began (the second one in the
//! same second is the second one); an event after its line in the session. So older sessions may be cut off the file.
//!
//! # Times
//! The chat history has the time at which a session began, the input history that of each input, in local time without a zone.
//! They are points in time only where something says which zone it is (`zone.rs`); else the header has the extra key `local_time`.
//! Under the wrapper, what has no time of its own has the one at which it was seen to be written (`time_seen`).
//!
//! # Extra keys
//! `command_line`, `tokens` (as Aider rounds them), `cost_usd`, `role` (`architect`, `editor`, `ask`, `context`), `commit`,
//! `removed_commit` (of an undo), `by_user` (a commit of changes that the user made).

mod analytics;
mod blocks;
mod chat;
mod input;
mod lines;
mod llm;
mod off;
mod read;
pub mod run;
mod session;
mod tools;
mod trace;
mod words;
mod zone;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Env, Report, Sink, Source, SwitchedOff, Transcript};
use crate::action::Action;
use crate::event::Event;
use crate::id;
use read::History;

/// The agent's name in events.
const AGENT: &str = "aider";

/// Name of the chat history.
pub const CHAT_HISTORY: &str = ".aider.chat.history.md";

/// Name of the input history.
pub const INPUT_HISTORY: &str = ".aider.input.history";

/// Aider.
pub struct Aider;

/// The folder in which Aider keeps its histories when it is started in `cwd`: the root of the repository, else `cwd` itself.
pub fn root_of(cwd: &Path) -> PathBuf {
    cwd.ancestors().find(|d| d.join(".git").exists()).unwrap_or(cwd).to_owned()
}

/// The chat histories around the current directory, whether or not they exist.
fn near(env: &Env) -> Vec<PathBuf> {
    let root = root_of(&env.cwd);
    let mut found: Vec<PathBuf> = env.var("AIDER_CHAT_HISTORY_FILE").map(|f| env.cwd.join(f)).into_iter().collect();
    found.extend(env.cwd.ancestors().take_while(|d| d.starts_with(&root)).map(|d| d.join(CHAT_HISTORY)));
    found
}

/// The path that names a chat history, whatever way leads to it.
pub fn real_path(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|p| fs::canonicalize(p).ok());
    match (fs::canonicalize(path), folder, path.file_name()) {
        (Ok(real), _, _) => real,
        // it does not exist yet
        (Err(_), Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The history behind a transcript's path: a chat history, or the folder of the runs that went to one.
fn history(path: &Path) -> Option<History> {
    if path.is_dir() {
        return Some(History { chat: run::chat_of(path)?, runs: run::runs(path) });
    }
    Some(History { chat: real_path(path), runs: Vec::new() })
}

/// The transcript of a history; its fingerprint is that of all files that belong to it.
fn transcript(path: PathBuf, history: &History) -> Option<Transcript> {
    let mut t = Transcript::of_file(AGENT, &history.chat, None)?;
    for file in history.files().iter().filter(|f| **f != history.chat) {
        if let Some(other) = Transcript::of_file(AGENT, file, None) {
            t.fingerprint.push(' ');
            t.fingerprint.push_str(&other.fingerprint);
        }
    }
    t.path = path;
    Some(t)
}

fn is_chat(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    text.lines().any(|l| chat::started(l).is_some())
}

fn is_llm(head: &[u8]) -> bool {
    head.starts_with(b"TO LLM 20") && head.iter().skip(27).take(8).eq(b"-------\n".iter())
}

/// The id of the one session of an LLM history without a chat history.
fn llm_session(path: &Path) -> String {
    id::event_id(AGENT, &real_path(path).to_string_lossy(), "llm history")
}

impl Source for Aider {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "Aider"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        vec![root_of(&env.cwd).join(CHAT_HISTORY), run::root(env)]
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        let root = run::root(env);
        let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for chat in near(env).iter().filter(|c| c.is_file()).map(|c| real_path(c)) {
            found.insert(chat.clone(), chat);
        }
        for folder in fs::read_dir(&root).into_iter().flatten().flatten().map(|e| e.path()) {
            if let Some(chat) = run::chat_of(&folder) {
                found.insert(chat, folder);
            }
        }
        found.into_values().filter_map(|path| transcript(path.clone(), &history(&path)?)).collect()
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let chat = path.with_file_name(CHAT_HISTORY);
        let beside = matches!(name, INPUT_HISTORY | ".aider.llm.history") && chat.is_file();
        let path = if path.is_dir() && !path.join(run::CHAT).is_file() {
            path.join(CHAT_HISTORY)
        } else if beside {
            chat
        } else if path.is_dir() || is_chat(head) {
            path.to_owned()
        } else if is_llm(head) {
            return Transcript::of_file(AGENT, path, Some(llm_session(path))).into_iter().collect();
        } else {
            return Vec::new();
        };
        history(&path).and_then(|h| transcript(path, &h)).into_iter().collect()
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        let history = history(&transcript.path)?;
        history.chat.parent().map(|p| p.to_string_lossy().into_owned())
    }

    fn is_of_repository(&self) -> bool {
        true
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        if let Some(id) = transcript.session_id.as_deref() {
            return read::llm_only(&transcript.path, id, sink);
        }
        let history = history(&transcript.path)
            .ok_or_else(|| anyhow::anyhow!("{} names no chat history", transcript.path.display()))?;
        history.read(sink)
    }

    fn action(&self, event: &Event) -> Action {
        tools::action(event)
    }

    fn switched_off(&self, env: &Env) -> Vec<SwitchedOff> {
        off::switched_off(env)
    }
}
