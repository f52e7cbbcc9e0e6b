//! Continue.

use std::path::{Path, PathBuf};

use super::{Env, Report, Sink, Source, Transcript};
use crate::action::Action;
use crate::event::Event;

/// Continue.
pub struct Continue;

impl Source for Continue {
    fn agent(&self) -> &'static str {
        "continue"
    }

    fn title(&self) -> &'static str {
        "Continue"
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
