//! Claude Code transcripts, clients 1.0 to 2.1.330.
//!
//! `<config>/projects/<cwd with every non-alphanumeric as ->/<session>.jsonl`, where config is `$CLAUDE_CONFIG_DIR` or
//! `~/.claude` (old Linux builds also `~/.config/claude`). Sub-agents: `<session>/subagents/**/agent-<id>.jsonl` (by 2.1.33),
//! before that `agent-<hex>.jsonl` beside the session, before that lines with `isSidechain` within it.
//!
//! # Ids, the same from hooks and transcripts
//! - a call: [`id::call`] of the `tool_use` id (a hook's `tool_use_id`);
//! - a prompt: `prompt_id`;
//! - everything else by the uuid of its line.

mod chain;
mod client_text;
pub(crate) mod hook;
mod outcome;
mod read;
mod tools;
mod wire;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{Env, Report, Sink, Source, Transcript};
use crate::action::Action;
use crate::event::Event;
use crate::id;
use crate::plain;

/// The agent's name in events.
pub(crate) const AGENT: &str = "claude-code";

/// Claude Code.
pub struct ClaudeCode;

/// The event id of a prompt: by the client's prompt id (in hooks from 2.1.196 on, as `promptId` in transcripts), else by its
/// text, with which hooks and transcripts of older clients still meet.
pub(crate) fn prompt_id(session: &str, prompt_id: Option<&str>, text: &str) -> String {
    match prompt_id {
        Some(p) => id::event_id(AGENT, session, &format!("prompt:{p}")),
        None => {
            let hash = xxhash_rust::xxh3::xxh3_64(text.trim().as_bytes());
            id::event_id(AGENT, session, &format!("prompt-text:{hash:016x}"))
        }
    }
}

impl Source for ClaudeCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "Claude Code"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        match env.var("CLAUDE_CONFIG_DIR") {
            Some(dir) => vec![env.cwd.join(dir).join("projects")],
            None => vec![env.home.join(".claude/projects"), env.home.join(".config/claude/projects")],
        }
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        let mut found = Vec::new();
        for root in self.roots(env) {
            for project in folders(&root) {
                let files = files(&project);
                let beside = agent_files_beside(&files);
                found.extend(files.iter().filter_map(|f| transcript(f, &beside)));
            }
        }
        found
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        let own = |marks: &[&str]| marks.iter().any(|m| memchr::memmem::find(head, m.as_bytes()).is_some());
        let jsonl = path.extension().is_some_and(|x| x == "jsonl");
        let is_line = own(&["\"parentUuid\"", "\"type\":\"file-history-snapshot\"", "\"leafUuid\""])
            || own(&["\"sessionId\""])
                && own(&[
                    "\"type\":\"queue-operation\"",
                    "\"permission-mode\"",
                    "\"type\":\"user\"",
                    "\"type\":\"mode\"",
                ]);
        if !jsonl || !is_line {
            return Vec::new();
        }
        // a sub-agent's file may be named too
        let beside = agent_files_beside(&files(path.parent().unwrap_or(path)));
        transcript(path, &beside).or_else(|| Transcript::of_file(AGENT, path, None)).into_iter().collect()
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        let file = plain::open(&transcript.path).ok()?;
        let reader = BufReader::new(file.take(256 * 1024));
        reader.lines().map_while(Result::ok).find_map(|line| {
            let line: wire::Line<'_> = serde_json::from_str(&line).ok()?;
            line.cwd.map(crate::text::Text::into_owned)
        })
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        read::read(transcript, sink)
    }

    fn action(&self, event: &Event) -> Action {
        tools::action(event)
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.is_dir()).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

/// The transcript of a session's main file; none for other files and for sub-agents' files, which belong to their session.
fn transcript(path: &Path, beside: &Beside) -> Option<Transcript> {
    let stem = path.file_stem()?.to_str()?;
    if path.extension()? != "jsonl" || stem.starts_with("agent-") || stem == "history" || stem == "journal" {
        return None;
    }
    // a file that somebody renamed is known by the id in its lines
    let session = uuid::Uuid::try_parse(stem).is_ok().then(|| stem.to_owned());
    let mut t = Transcript::of_file(AGENT, path, session)?;
    let parts = agent_files(path, stem, beside);
    for file in &parts {
        if let Ok(meta) = fs::metadata(file) {
            let modified = meta.modified().ok().map(DateTime::<Utc>::from);
            t.modified = t.modified.max(modified);
            t.fingerprint.push_str(&format!("+{}", meta.len()));
        }
    }
    // a renamed file tells its session only when it is read
    t.parts = t.session_id.is_some().then_some(parts);
    Some(t)
}

/// Sub-agents' files that stand beside the sessions' own (2.0.x), by the session that their lines name.
type Beside = HashMap<String, Vec<PathBuf>>;

fn agent_files_beside(files: &[PathBuf]) -> Beside {
    let mut found = Beside::new();
    for path in files.iter().filter(|p| is_agent_file(p)) {
        if let Some(session) = session_of(path) {
            found.entry(session).or_default().push(path.clone());
        }
    }
    found
}

/// The files of the sub-agents of a session in an order that does not change: of its own folder, and those beside it.
fn agent_files(main: &Path, session: &str, beside: &Beside) -> Vec<PathBuf> {
    let mut found = beside.get(session).cloned().unwrap_or_default();
    let mut todo = vec![main.with_extension("").join("subagents")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            // links to folders are not followed: they may lead in a circle
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                todo.push(path);
            } else if is_agent_file(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_agent_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.starts_with("agent-") && name.ends_with(".jsonl")
}

/// The session that the first lines of a sub-agent's file name.
fn session_of(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    plain::open(path).and_then(|f| f.take(4096).read_to_end(&mut head)).ok()?;
    let head = String::from_utf8_lossy(&head);
    head.split_once("\"sessionId\":\"")?.1.split_once('"').map(|(id, _)| id.to_owned())
}
