//! Compaction and rollback: what takes the history, or its end, out of the context.

use super::{Place, Reader};
use crate::event::EventType;
use crate::id;
use crate::source::Sink;
use crate::source::codex::AGENT;
use crate::source::codex::output::text_of;
use crate::source::codex::wire::Payload;
use crate::source::given::written;

/// Where a prompt stands: what a rollback goes back to.
pub(super) struct Mark {
    pub(super) given: usize,
    pub(super) last: Option<usize>,
}

impl Reader {
    /// The model's summary, which a compaction puts in the place of the history (0.169): a response of its own, whatever
    /// request its metadata name.
    pub(super) fn sum_up(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        let inputs = self.inputs(None);
        self.begin(inputs);
        self.sampled = None;
        if let Some(r) = self.responses.last_mut() {
            r.sums_up = true;
        }
        let r = self.responses.len() - 1;
        let text = p.content.map(text_of).unwrap_or_default();
        self.say(EventType::Message, text, p, r, place, sink);
    }

    pub(super) fn compacted(&mut self, p: &Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        self.contexts += 1;
        let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
        let mut e = self.event(EventType::ContextUpdate, event_id, place);
        let text = p.message.map(text_of).unwrap_or_default();
        e.tool_input = Some(text.into());
        e.extra.insert("compaction".to_owned(), true.into());
        // it holds what the model wrote for it, else (to 0.144) stands for that itself
        let summary = self.last().filter(|r| r.sums_up).and_then(|r| r.hub);
        e.parents = written(&summary.map_or_else(|| self.inputs(None), |s| vec![s]));
        e.usage = self.spent.take();
        self.fresh = true;
        self.pending.clear();
        // what came before is no longer in the context of the next response
        self.begin(Vec::new());
        self.put_in(e, None, sink);
    }

    /// Takes the last prompts and what followed them out of the context (to 0.144).
    pub(super) fn roll_back(&mut self, prompts: u64, sink: Sink<'_>) {
        let kept = self.marks.len().saturating_sub(usize::try_from(prompts).unwrap_or(usize::MAX));
        let Some(mark) = self.marks.drain(kept..).next() else { return };
        self.last = mark.last;
        self.pending.clear();
        self.fresh = true;
        for given in self.events.get(mark.given..).unwrap_or_default() {
            let mut e = self.later(*given);
            e.extra.insert("dead_branch".to_owned(), true.into());
            sink(e);
        }
    }
}
