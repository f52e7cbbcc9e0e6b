//! Tokens: which response they were spent on.

use super::Reader;
use super::response::Boundary;
use crate::event::Usage;
use crate::source::Sink;
use crate::source::codex::wire::Tokens;

impl Reader {
    /// Tokens of a `token_count`: of the response before it, or (0.50) of the one whose items follow. A response that has its
    /// tokens was followed by a compaction's.
    pub(super) fn counted(&mut self, u: Usage, sink: Sink<'_>) {
        let waits =
            self.fresh && self.boundary == Boundary::Contexts || self.responses.last().is_none_or(|r| r.counted);
        if waits {
            self.spent = Some(u).filter(|u| u.output > Some(0));
        } else {
            self.usage(u, sink);
        }
    }

    pub(super) fn usage(&mut self, u: Usage, sink: Sink<'_>) {
        let Some(r) = self.responses.last_mut() else { return };
        r.counted = true;
        let Some(first) = r.first else { return };
        let mut e = self.later(first);
        e.usage = Some(u);
        sink(e);
    }
}

pub(super) fn used(u: Tokens) -> Usage {
    Usage {
        input: u.input_tokens.map(|n| n.saturating_sub(u.cached_input_tokens.unwrap_or(0))),
        output: u.output_tokens,
        cache_read: u.cached_input_tokens,
        cache_write: u.cache_write_input_tokens,
        reasoning: u.reasoning_output_tokens.filter(|n| *n > 0),
    }
}
