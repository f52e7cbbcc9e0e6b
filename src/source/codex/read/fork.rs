//! A forked child's file begins with its parent's history: where that ends.

use super::Reader;
use crate::source::codex::wire::{Line, Payload};

impl Reader {
    /// Whether the history copied from the parent ends before this line: told by ordinal, by the child's own settings, by
    /// the first turn whose id (UUIDv7, so ordered) is newer than the child's.
    pub(super) fn copy_ends(&self, wire: &Line<'_>, kind: &str, p: &Payload<'_>) -> bool {
        if let (Some(start), Some(at)) = (self.copy_until, wire.ordinal) {
            return at >= start;
        }
        let own_settings = p.kind.as_deref() == Some("thread_settings_applied")
            && p.thread_id.as_deref() == Some(self.session.as_str());
        let turn = p.turn_id.as_deref().or(p.turn_attribution.as_ref().and_then(|t| t.turn_id.as_deref()));
        let begins = kind == "turn_context" || p.kind.as_deref() == Some("task_started");
        own_settings || begins && turn.is_some_and(|t| t > self.session.as_str())
    }
}
