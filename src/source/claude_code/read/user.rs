//! The user's lines: prompts, texts that the client put in their place, results of calls.

use uuid::Uuid;

use super::call::key;
use super::{Place, Reader, own_id};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::Sink;
use crate::source::claude_code::chain::{Chain, Node, Response};
use crate::source::claude_code::client_text::{is_client_text, tag, typed};
use crate::source::claude_code::wire::{Block, Content, Line};
use crate::source::claude_code::{AGENT, prompt_id};
use crate::source::given::Given;

impl Reader {
    pub(super) fn user(
        &mut self,
        wire: &Line<'_>,
        content: Option<Content<'_>>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) {
        let mut results = 0;
        let mut answered = None;
        let text = match content {
            Some(Content::Blocks(blocks)) => {
                let text = words(&blocks);
                for b in blocks.into_iter().filter(|b| b.kind.as_deref() == Some("tool_result")) {
                    results += 1;
                    answered = self.result(wire, b, place, chain, sink);
                }
                text
            }
            Some(other) => other.into_text(),
            None => String::new(),
        };
        if text.trim().is_empty() {
            if results == 0 {
                self.report.pass_over("user line without text");
            }
            chain.note(place.uuid, place.parent, answered.map_or(Node::Passed, Node::Results));
            return;
        }
        let event = self.words_in(wire, text, place, chain);
        if event.event_type == EventType::UserInput {
            chain.note_prompt(place.uuid, place.parent, Given::of(&event));
        } else {
            chain.note_input(place.uuid, place.parent, Given::of(&event));
        }
        if let Some(message) = wire.interrupted_message_id.as_deref() {
            self.cut_off(message, chain, sink);
        }
        self.report.events += 1;
        sink(event);
    }

    /// A user line's own text: the human's words, or what the client put in.
    fn words_in(&mut self, wire: &Line<'_>, text: String, place: &Place<'_>, chain: &Chain) -> Event {
        let origin = wire.origin.as_ref().and_then(|o| o.kind.as_deref());
        let made = wire.is_meta == Some(true)
            || wire.is_compact_summary == Some(true)
            || origin.is_some_and(|k| k != "human")
            || is_client_text(&text);
        let text = typed(&text).filter(|_| !made).unwrap_or(text);
        let first_of_agent = place.agent.is_some() && place.parent.is_none();
        let notification = text.trim_start().starts_with("<task-notification>");
        let event_type = if made && !first_of_agent { EventType::ContextUpdate } else { EventType::UserInput };
        let mut event = self.event(place, event_type, |s| own_id(s, "context", place.uuid));
        if place.agent.is_none() && wire.is_meta != Some(true) && (!made || notification) {
            event.event_id = self.prompt_event(wire, &text, place.uuid);
            // a fork gives its copies new prompt ids
            event.extra.remove("copied_from");
        }
        if wire.is_compact_summary == Some(true) {
            event.extra.insert("compaction".to_owned(), true.into());
        }
        if wire.is_meta == Some(true) && !is_client_text(&text) {
            event.extra.insert("instructs".to_owned(), true.into());
        }
        let by_call = wire.source_tool_use_id.as_deref().map(|c| id::call(AGENT, &self.session, c));
        if let Some(call) = by_call {
            event.parents = vec![call];
        } else if notification {
            self.notification(&text, &mut event);
        } else if wire.is_compact_summary == Some(true) {
            event.parents = chain.input_at(place.parent).iter().map(Uuid::to_string).collect();
        } else if first_of_agent {
            let call = place.agent.as_deref().and_then(|a| self.spawned_by.get(a));
            event.parents = call.map(|c| id::call(AGENT, &self.session, c)).into_iter().collect();
        } else {
            event.parents = chain.answer_above(place.parent).iter().map(Uuid::to_string).collect();
        }
        event.tool_input = Some(text.into());
        event
    }

    fn prompt_event(&mut self, wire: &Line<'_>, text: &str, uuid: &str) -> String {
        // before 2.1.196 hooks did not have the prompt id, so the text is what hook and transcript share
        let by_id = wire.prompt_id.as_deref().filter(|_| wire.version.as_deref().is_none_or(hooks_tell_prompt_id));
        let event_id = prompt_id(&self.session, by_id, text);
        if self.prompts.insert(id::compact(&event_id)) { event_id } else { own_id(&self.session, "prompt", uuid) }
    }

    /// A background task's end: its parents are the call that started it and, where a sub-agent was it, its last words.
    pub(super) fn notification(&mut self, text: &str, event: &mut Event) {
        let call = tag(text, "tool-use-id").map(str::to_owned);
        if let Some(c) = call.as_ref().and_then(|c| self.calls.get(&key(c))) {
            event.parents = vec![c.event.to_string()];
        }
        if let Some(task) = tag(text, "task-id") {
            self.notifications.push((event.event_id.clone(), task.to_owned(), call));
        }
    }

    /// The user cut off a response: its calls that end with a refusal had begun.
    fn cut_off(&self, message: &str, chain: &Chain, sink: Sink<'_>) {
        for call in chain.by_message(message).into_iter().flat_map(Response::refused) {
            sink(self.patch(call, EventType::ToolCall, |e| e.status = Some(Status::Interrupted)));
        }
    }
}

/// The texts among the blocks of a user line.
fn words(blocks: &[Block<'_>]) -> String {
    let mut out = String::new();
    for b in blocks {
        let part = match b.kind.as_deref() {
            Some("text") => b.text().unwrap_or_default(),
            Some("image") => "[image]".into(),
            Some("document") => "[document]".into(),
            _ => continue,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&part);
    }
    out
}

/// Whether hooks of this client version carry `prompt_id` (2.1.196 and later).
fn hooks_tell_prompt_id(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version >= (2, 1, 196)
}
