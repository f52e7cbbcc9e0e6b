//! The agents: where each keeps its sessions, how they are read into events, and what its tools do.
//!
//! A source is one unit struct in one file or folder and one entry in [`SOURCES`]; every listing (help, `doctor`,
//! completions, tests) reads that slice. `README.md` beside this file says how to add one.
//!
//! Invariants: a source never touches the store, the terminal or another source, and never writes into an agent's folder.

pub mod aider;
pub mod claude_code;
pub mod codex;
pub mod continue_dev;
pub mod copilot;
mod given;
pub mod hook;
pub mod jsonl;
pub mod opencode;
mod raw;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::action::Action;
use crate::event::Event;
use crate::plain;
pub use report::{Bad, Report};

/// All agents, in the order in which they are listed.
pub static SOURCES: &[&dyn Source] = &[
    &claude_code::ClaudeCode,
    &codex::Codex,
    &opencode::OpenCode,
    &aider::Aider,
    &continue_dev::Continue,
    &copilot::Copilot,
];

/// What surrounds the process, passed in so that tests and other machines' folders can be read.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// The user's home folder.
    pub home: PathBuf,
    /// The current directory.
    pub cwd: PathBuf,
    /// Environment variables (only `main` fills it from the process).
    pub vars: BTreeMap<String, String>,
}

impl Env {
    /// A variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|s| !s.is_empty())
    }

    /// A folder named by a variable, else `default` below the home folder.
    pub fn dir(&self, name: &str, default: &str) -> PathBuf {
        self.var(name).map_or_else(|| self.home.join(default), |v| self.cwd.join(v))
    }
}

/// One thing a source can read: a file, or one session of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The agent ([`Source::agent`]).
    pub agent: &'static str,
    /// The session in it, where that is known without reading; none for a file that holds many.
    pub session_id: Option<String>,
    /// The file (or database) to read.
    pub path: PathBuf,
    /// Other files that belong to it (Claude Code: its sub-agents'); none where nobody has looked for them.
    pub parts: Option<Vec<PathBuf>>,
    /// When it last changed.
    pub modified: Option<DateTime<Utc>>,
    /// Changes whenever the transcript or one of the files that belong to it (sub-agents') does: size and time, or what a
    /// database says. Equal means: nothing to read.
    pub fingerprint: String,
}

impl Transcript {
    /// A transcript that is one file, with its size and time as fingerprint; none where it cannot be looked at.
    pub fn of_file(agent: &'static str, path: &Path, session_id: Option<String>) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let modified = meta.modified().ok().map(DateTime::<Utc>::from);
        let stamp = modified.map_or(0, |t| t.timestamp_micros());
        let fingerprint = format!("{}:{stamp}", meta.len());
        Some(Self { agent, session_id, path: path.to_owned(), parts: None, modified, fingerprint })
    }
}

/// A record that an agent keeps only when it is told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedOff {
    /// What is off and what it would prove, ending in a colon: [`SwitchedOff::on`] follows.
    pub what: String,
    /// The command or setting that switches it on.
    pub on: String,
}

/// Takes the events as they are read. The same `event_id` may come again with what became known later.
pub type Sink<'a> = &'a mut dyn FnMut(Event);

/// One agent.
pub trait Source: Sync {
    /// The name in events and on the command line.
    fn agent(&self) -> &'static str;

    /// The name that people use.
    fn title(&self) -> &'static str;

    /// Where it keeps its sessions on this system, whether or not the folders exist.
    fn roots(&self, env: &Env) -> Vec<PathBuf>;

    /// What is there to read, in any order, without reading it. Folders that cannot be read are passed over.
    fn discover(&self, env: &Env) -> Vec<Transcript>;

    /// The transcripts in a file that the user named, where it is this agent's: told by its name and its first bytes
    /// (`head`, at most 64 KiB). Empty where it is not.
    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript>;

    /// The working directory of a transcript, read as cheaply as possible.
    fn cwd(&self, transcript: &Transcript) -> Option<String>;

    /// Whether a session belongs to its whole repository: the agent keeps no note of where in it somebody started it.
    fn is_of_repository(&self) -> bool {
        false
    }

    /// Reads a transcript from its beginning and gives each event to `sink`. Fails only where nothing could be read at
    /// all; everything else is in the report.
    ///
    /// # Errors
    /// The file or database cannot be opened.
    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report>;

    /// What a tool call of this agent does.
    fn action(&self, event: &Event) -> Action;

    /// Records that the agent would keep if it were told to, and that would prove more than what it keeps now.
    fn switched_off(&self, _env: &Env) -> Vec<SwitchedOff> {
        Vec::new()
    }
}

/// The source of that name.
pub fn by_name(agent: &str) -> Option<&'static dyn Source> {
    SOURCES.iter().copied().find(|s| s.agent() == agent)
}

/// What a tool call does, asked of the source that knows its agent; [`Action::Other`] for agents without a source and for
/// events that are no calls.
pub fn action(event: &Event) -> Action {
    if !event.is_call() {
        return Action::Other;
    }
    // lines of the Python tool and of unknown agents mostly use Claude Code's tool names
    by_name(&event.agent).unwrap_or(&claude_code::ClaudeCode).action(event)
}

/// The transcripts of a file that the user named, with the source that reads them.
///
/// # Errors
/// The file cannot be opened.
pub fn claim(path: &Path) -> anyhow::Result<Option<(&'static dyn Source, Vec<Transcript>)>> {
    use std::io::Read as _;

    use anyhow::Context as _;
    let mut head = Vec::new();
    if !path.is_dir() {
        let file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        file.take(64 * 1024).read_to_end(&mut head).with_context(|| format!("cannot read {}", path.display()))?;
    }
    for source in SOURCES {
        let found = source.claim(path, &head);
        if !found.is_empty() {
            return Ok(Some((*source, found)));
        }
    }
    Ok(None)
}

/// The first line of a text that says something: a title where the agent gives none.
fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("")
}
