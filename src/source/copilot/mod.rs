//! GitHub Copilot: the command line client, and the chat of VS Code.
//!
//! `cli` reads `events.jsonl` of Copilot CLI, which VS Code's Copilot harness (2026) writes as well; `vscode` reads what VS Code
//! itself keeps of its chats. A transcript belongs to the one that `vscode::owns` says.
//!
//! # Ids, the same from hooks and files
//! - a call: [`crate::id::call`] of the `toolCallId` (VS Code's hooks say `tool_use_id`; an ending `__vscode-<n>` is cut off).

mod cli;
pub(crate) mod hook;
mod tools;
mod vscode;

use std::path::{Path, PathBuf};

use super::{Env, Report, Sink, Source, SwitchedOff, Transcript};
use crate::action::Action;
use crate::event::Event;

/// The agent's name in events.
const AGENT: &str = "copilot";

/// GitHub Copilot.
pub struct Copilot;

impl Source for Copilot {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "GitHub Copilot"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let mut roots = cli::roots(env);
        roots.extend(vscode::roots(env));
        roots
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        let mut found = cli::discover(env);
        found.extend(vscode::discover(env));
        found
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        let found = vscode::claim(path, head);
        if found.is_empty() { cli::claim(path, head) } else { found }
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        if vscode::owns(&transcript.path) { vscode::cwd(transcript) } else { cli::cwd(transcript) }
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        if vscode::owns(&transcript.path) { vscode::read(transcript, sink) } else { cli::read(transcript, sink) }
    }

    fn switched_off(&self, env: &Env) -> Vec<SwitchedOff> {
        vscode::switched_off(env)
    }

    fn action(&self, event: &Event) -> Action {
        // both have an `apply_patch`; VS Code tells the changes of some calls without their input
        let own = tools::action(event).filter(|a| !matches!(a, Action::Edit(files) if files.is_empty()));
        own.or_else(|| vscode::tools::action(event)).unwrap_or_default()
    }
}
