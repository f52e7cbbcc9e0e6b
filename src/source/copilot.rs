//! GitHub Copilot.

pub(crate) mod hook;

use std::path::{Path, PathBuf};

use super::{Env, Report, Sink, Source, Transcript};
use crate::action::Action;
use crate::event::Event;

/// GitHub Copilot.
pub struct Copilot;

impl Source for Copilot {
    fn agent(&self) -> &'static str {
        "copilot"
    }

    fn title(&self) -> &'static str {
        "GitHub Copilot"
    }

    fn roots(&self, _env: &Env) -> Vec<PathBuf> {
        Vec::new()
    }

    fn discover(&self, _env: &Env) -> Vec<Transcript> {
        Vec::new()
    }

    fn claim(&self, _path: &Path, _head: &[u8]) -> Vec<Transcript> {
        Vec::new()
    }

    fn cwd(&self, _transcript: &Transcript) -> Option<String> {
        None
    }

    fn read(&self, _transcript: &Transcript, _sink: Sink<'_>) -> anyhow::Result<Report> {
        Ok(Report::default())
    }

    fn action(&self, _event: &Event) -> Action {
        Action::Other
    }
}
