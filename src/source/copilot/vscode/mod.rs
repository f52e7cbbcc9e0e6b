//! What VS Code keeps of Copilot's chats.

pub(super) mod tools;

use std::path::{Path, PathBuf};

use crate::source::{Env, Report, Sink, Transcript};

/// Whether this reader is the one for a file, by the shape of its path.
pub(super) fn owns(_path: &Path) -> bool {
    false
}

pub(super) fn roots(_env: &Env) -> Vec<PathBuf> {
    Vec::new()
}

pub(super) fn discover(_env: &Env) -> Vec<Transcript> {
    Vec::new()
}

pub(super) fn claim(_path: &Path, _head: &[u8]) -> Vec<Transcript> {
    Vec::new()
}

pub(super) fn cwd(_transcript: &Transcript) -> Option<String> {
    None
}

pub(super) fn read(_transcript: &Transcript, _sink: Sink<'_>) -> anyhow::Result<Report> {
    Ok(Report::default())
}
