//! What the extension's own files (transcripts, debug logs) add to the calls of a chat: when they ran, for how long, and
//! whether they failed.

use std::collections::HashMap;

use crate::event::Event;

/// Facts about calls, by their ids.
#[derive(Default)]
pub(super) struct Timing {
    /// Version of the extension.
    pub(super) version: Option<String>,
    calls: HashMap<String, ()>,
}

impl Timing {
    /// Adds to a call what is known of it.
    pub(super) fn tell(&self, _e: &mut Event) {
        let _ = &self.calls;
    }
}
