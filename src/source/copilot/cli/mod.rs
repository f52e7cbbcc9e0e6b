//! Copilot CLI's `events.jsonl`.

use std::path::{Path, PathBuf};

use crate::source::{Env, Report, Sink, Transcript};

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
