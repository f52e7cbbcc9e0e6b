//! OpenCode, clients before 1.2 (JSON files), 1.2 to 1.18 (SQLite) and, after public captures, 2.x.
//!
//! Data folder: `$XDG_DATA_HOME/opencode`, else `~/.local/share/opencode` on Linux, macOS and Windows alike; also
//! `%LOCALAPPDATA%\opencode` and `~/Library/Application Support/opencode`, where other builds put it. In it `opencode.db`, or
//! `opencode-<channel>.db`; `OPENCODE_DB` moves it. Each session of a database is a [`Transcript`] of its own, sub-agents'
//! sessions too. Nothing is ever written beside a database.
//!
//! # Ids
//! Call ids repeat (across turns with some models, and in forks), so events are named after parts:
//! - a call: [`crate::id::call`] of the id of its part; its `call_id` is the client's `callID`;
//! - a prompt: `prompt_id` of the user's message; words of the agent: `message_id` of their part.
//!
//! # What proves the parents
//! One message of the assistant is one response of the model; it names the user's message it belongs to. It saw all results
//! of its session before it. A sub-agent's session is named in the call that started it, and names its parent.

mod database;
mod files;
mod read;
mod rows;
mod second;
mod tools;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Env, Report, Sink, Source, Transcript};
use crate::action::Action;
use crate::event::Event;
use crate::id;
use database::Database;
use files::{Export, Storage};
use rows::Rows;
use second::Second;

/// The agent's name in events.
const AGENT: &str = "opencode";

/// First bytes of every SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// OpenCode.
pub struct OpenCode;

/// The event id of a prompt.
fn prompt_id(session: &str, message: &str) -> String {
    id::event_id(AGENT, session, &format!("prompt:{message}"))
}

/// The event id of words of the agent.
fn message_id(session: &str, part: &str) -> String {
    id::event_id(AGENT, session, &format!("message:{part}"))
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending))
}

/// The data folders, the client's own first.
fn folders(env: &Env) -> Vec<PathBuf> {
    let mut found = vec![match env.var("XDG_DATA_HOME") {
        Some(data) => env.cwd.join(data).join("opencode"),
        None => env.home.join(".local/share/opencode"),
    }];
    found.extend(env.var("LOCALAPPDATA").map(|d| env.cwd.join(d).join("opencode")));
    found.push(env.home.join("Library/Application Support/opencode"));
    found
}

/// The database that the user named: absolute, or below the data folder.
fn named(env: &Env) -> Option<PathBuf> {
    let name = env.var("OPENCODE_DB").filter(|n| *n != ":memory:")?;
    Some(folders(env).first()?.join(name))
}

/// The sessions of databases and of the storage folder that an older client left beside them.
fn sessions_of(databases: &[PathBuf], storage: Option<&Path>) -> Vec<Transcript> {
    let mut found: BTreeMap<Option<String>, Transcript> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for path in databases {
        let Ok(sessions) = database::with(path, |db| rows::sessions(db, path)) else {
            // stands for all that is in it: reading it says why there is nothing
            unreadable.extend(Transcript::of_file(AGENT, path, None));
            continue;
        };
        for session in sessions {
            let known = found.get(&session.session_id);
            // of a database that was copied to another channel, the one that went on counts
            if known.is_none_or(|known| known.modified < session.modified) {
                found.insert(session.session_id.clone(), session);
            }
        }
    }
    for session in storage.map(|s| files::stored(s, |id| found.contains_key(&Some(id.to_owned())))).unwrap_or_default()
    {
        found.insert(session.session_id.clone(), session);
    }
    found.into_values().chain(unreadable).collect()
}

impl Source for OpenCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "OpenCode"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let mut roots = folders(env);
        // a folder that only other systems have would be noise in a listing
        let own = roots.remove(0);
        roots.retain(|r| r.is_dir());
        roots.insert(0, own);
        roots.extend(named(env).filter(|db| !roots.iter().any(|r| db.parent() == Some(r))));
        roots
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        let mut found = Vec::new();
        let named = named(env);
        let folders = folders(env);
        for folder in &folders {
            found.extend(sessions_of(&rows::databases(folder), Some(&folder.join("storage"))));
        }
        if let Some(db) = named.filter(|db| db.is_file()) {
            let known: HashSet<_> = found.iter().map(|t| t.path.clone()).collect();
            if !known.contains(&db) {
                found.extend(sessions_of(&[db], None));
            }
        }
        found
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        if path.is_dir() {
            let storage = if path.join("session").is_dir() { path.to_owned() } else { path.join("storage") };
            return sessions_of(&rows::databases(path), Some(&storage));
        }
        if head.starts_with(SQLITE) {
            let found = database::with(path, |db| {
                Ok(if rows::is_ours(&db.connection) { rows::sessions(db, path)? } else { Vec::new() })
            });
            return found.unwrap_or_default();
        }
        if !ends_with(path, ".json") {
            return Vec::new();
        }
        if let Some(session) = files::stored_session(path) {
            return vec![session];
        }
        if !files::is_export(head) {
            return Vec::new();
        }
        let id = Export::open(path).and_then(|e| wire::Records::session(&e)).map(|s| s.id).ok();
        Transcript::of_file(AGENT, path, id.filter(|id| !id.is_empty())).into_iter().collect()
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        if ends_with(&transcript.path, ".json") {
            return open_file(&transcript.path).ok()?.session().ok()?.directory;
        }
        let id = transcript.session_id.as_deref()?;
        let db = Database::open(&transcript.path).ok()?;
        rows::directory(&db.connection, id)
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        let path = &transcript.path;
        let name = path.to_string_lossy();
        if ends_with(path, ".json") {
            return read::read(open_file(path)?.as_ref(), &name, sink);
        }
        let Some(id) = transcript.session_id.as_deref() else {
            database::with(path, |db| rows::sessions(db, path)).with_context(|| format!("cannot read {name}"))?;
            anyhow::bail!("{name} is read session by session");
        };
        let result = database::with(path, |db| {
            let connection = &db.connection;
            if second::has(connection, id) {
                read::read(&Second { connection, id }, &name, sink)
            } else {
                read::read(&Rows { connection, id }, &name, sink)
            }
        });
        let result = result.map(|mut report| {
            if database::is_cut_off(path) {
                report.bad(&name, 0, "the database is cut off");
            }
            report
        });
        result.with_context(|| format!("cannot read {name}"))
    }

    fn action(&self, event: &Event) -> Action {
        tools::action(event)
    }
}

/// The session of a JSON file: one of a storage folder, or an export.
fn open_file(path: &Path) -> anyhow::Result<Box<dyn wire::Records>> {
    Ok(match Storage::of(path) {
        Some(storage) => Box::new(storage),
        None => Box::new(Export::open(path)?),
    })
}
