//! What the client puts into the context: attachments and compactions.

use super::passed_over::TELLING_ATTACHMENTS;
use super::{Place, Reader, own_id};
use crate::event::EventType;
use crate::source::Sink;
use crate::source::claude_code::chain::{Chain, Node};
use crate::source::claude_code::client_text::is_client_text;
use crate::source::claude_code::wire::{Attachment, Line};
use crate::source::given::{Given, written};

impl Reader {
    pub(super) fn attachment(&mut self, mut a: Attachment<'_>, place: &Place<'_>, chain: &mut Chain, sink: Sink<'_>) {
        let text = attached(&mut a);
        let kind = a.kind.as_deref().unwrap_or("(no type)");
        if !TELLING_ATTACHMENTS.contains(&kind) || text.trim().is_empty() {
            self.report.pass_over(&format!("attachment {kind}"));
            chain.note(place.uuid, place.parent, Node::Passed);
            return;
        }
        let human = kind == "queued_command"
            && a.origin.as_ref().and_then(|o| o.kind.as_deref()).is_none_or(|k| k == "human")
            && a.command_mode.as_deref().is_none_or(|m| m == "prompt")
            && !is_client_text(&text);
        let event_type = if human { EventType::UserInput } else { EventType::ContextUpdate };
        let mut e = self.event(place, event_type, |s| own_id(s, "context", place.uuid));
        if text.trim_start().starts_with("<task-notification>") {
            self.notification(&text, &mut e);
        }
        e.tool_input = Some(text.into());
        chain.note_input(place.uuid, place.parent, Given::of(&e));
        self.report.events += 1;
        sink(e);
    }

    pub(super) fn system(&mut self, wire: &Line<'_>, place: &Place<'_>, chain: &mut Chain, sink: Sink<'_>) {
        let subtype = wire.subtype.as_deref().unwrap_or("(no subtype)");
        if subtype == "compact_boundary" {
            let mut e = self.event(place, EventType::ContextUpdate, |s| own_id(s, "context", place.uuid));
            let meta = wire.compact_metadata.as_ref();
            let trigger = meta.and_then(|m| m.trigger.as_deref()).unwrap_or("unknown");
            e.tool_input = Some(format!("compaction ({trigger})").into());
            let kept = meta.and_then(|m| m.preserved_segment.as_ref()?.tail_uuid.as_deref());
            let inputs = chain.inputs_above(wire.logical_parent_uuid.as_deref(), kept);
            e.parents = written(&inputs);
            e.extra.insert("compaction".to_owned(), true.into());
            if let Some(n) = meta.and_then(|m| m.pre_tokens) {
                e.extra.insert("tokens_before".to_owned(), n.into());
            }
            chain.note_input(place.uuid, place.parent, Given::of(&e));
            self.report.events += 1;
            sink(e);
            return;
        }
        self.report.pass_over(&format!("system {subtype}"));
        chain.note(place.uuid, place.parent, Node::Passed);
    }
}

/// What an attachment tells.
fn attached(a: &mut Attachment<'_>) -> String {
    if let Some(p) = a.prompt.take() {
        return p.into_text();
    }
    let parts = [&a.filename, &a.snippet, &a.stdout, &a.plan_content];
    let parts: Vec<&str> = parts.into_iter().flatten().map(|t| &**t).collect();
    parts.join("\n")
}
