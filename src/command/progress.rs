//! One line on standard error that says how far a long import is, on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Shown only after this long, so that a quick import stays silent.
const PATIENCE: Duration = Duration::from_millis(400);

/// The progress of one import.
pub struct Progress {
    begun: Instant,
    shown: AtomicBool,
    wanted: bool,
}

impl Progress {
    /// Progress over `total` transcripts.
    pub fn new(total: usize) -> Self {
        let wanted = total > 1 && std::io::stderr().is_terminal();
        Self { begun: Instant::now(), shown: AtomicBool::new(false), wanted }
    }

    /// `done` of `of` are read.
    pub fn at(&self, done: usize, of: usize) {
        let step = (of / 100).max(1);
        if self.wanted && self.begun.elapsed() > PATIENCE && done.is_multiple_of(step) {
            self.shown.store(true, Ordering::Relaxed);
            write!(std::io::stderr(), "\rreading sessions: {done} of {of}").ok();
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.shown.load(Ordering::Relaxed) {
            write!(std::io::stderr(), "\r\x1b[K").ok();
        }
    }
}
