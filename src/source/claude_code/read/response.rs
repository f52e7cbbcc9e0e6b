//! Responses of the model: words, thoughts and calls, with their parents and what they cost.

use std::borrow::Cow;

use super::call::agent_key;
use super::{Place, Reader, own_id};
use crate::event::{Event, EventType, Usage};
use crate::source::Sink;
use crate::source::claude_code::chain::{Chain, Node, Told};
use crate::source::claude_code::wire::{self, Content, Line, Message};
use crate::source::given::Given;

impl Reader {
    pub(super) fn assistant(
        &mut self,
        wire: &Line<'_>,
        content: Option<Content<'_>>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) {
        let Some(message) = &wire.message else {
            self.report.unknown("assistant line without message");
            return;
        };
        let made = wire.is_api_error_message == Some(true) || message.model.as_deref() == Some("<synthetic>");
        if made {
            // written by the client, no answer of the model: a failed request, "No response requested."
            let text = content.map(Content::into_text).unwrap_or_default();
            let mut e = self.event(place, EventType::ContextUpdate, |s| own_id(s, "context", place.uuid));
            e.tool_input = Some(text.into());
            if wire.is_api_error_message == Some(true) {
                e.extra.insert("api_error".to_owned(), true.into());
            }
            chain.note(place.uuid, place.parent, Node::Passed);
            self.report.events += 1;
            sink(e);
            return;
        }
        let turn = message.id.as_deref().unwrap_or(place.uuid).to_owned();
        let (r, begun) = chain.response(&turn, place.parent);
        chain.note(place.uuid, place.parent, Node::Response(r));
        if begun {
            self.newest.insert((self.files, agent_key(place.agent.as_deref())), r);
        }
        let blocks = match content {
            Some(Content::Blocks(b)) => b,
            Some(Content::Text(t)) => {
                let e = self.said(EventType::Message, "message", t.into_owned(), place, &turn, 0);
                self.give(e, message, r, chain, sink);
                return;
            }
            _ => {
                self.report.unknown("assistant line without content");
                Vec::new()
            }
        };
        let told = |t: Option<String>| t.filter(|t| !t.trim().is_empty());
        for (n, b) in blocks.into_iter().enumerate() {
            let e = match b.kind.as_deref() {
                Some("text") => match told(b.text().map(Cow::into_owned)) {
                    Some(t) => self.said(EventType::Message, "message", t, place, &turn, n),
                    None => {
                        self.report.pass_over("block without text");
                        continue;
                    }
                },
                Some("thinking" | "redacted_thinking") => match told(b.thinking()) {
                    Some(t) => self.said(EventType::Reasoning, "reasoning", t, place, &turn, n),
                    None => {
                        self.report.pass_over("block without text");
                        continue;
                    }
                },
                Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
                    let number = chain.at(r).next();
                    match self.call(wire, b, place, &turn, r, number) {
                        Some(e) => e,
                        None => continue,
                    }
                }
                Some(kind) if kind.ends_with("tool_result") => {
                    // results of tools that the provider runs stand in the response itself
                    self.result(wire, b, place, chain, sink);
                    continue;
                }
                Some("fallback" | "image") => continue,
                other => {
                    self.report.unknown(&format!("block {}", other.unwrap_or("(no type)")));
                    continue;
                }
            };
            self.give(e, message, r, chain, sink);
        }
    }

    fn said(&self, kind: EventType, name: &str, text: String, place: &Place<'_>, turn: &str, block: usize) -> Event {
        let key = if block == 0 { place.uuid.to_owned() } else { format!("{}/{block}", place.uuid) };
        let mut e = self.event(place, kind, |s| own_id(s, name, &key));
        e.tool_input = Some(text.into());
        e.turn_id = Some(turn.to_owned());
        e
    }

    /// Gives an event of a response: its parents, and once the usage.
    fn give(&mut self, mut e: Event, message: &Message<'_>, r: u32, chain: &mut Chain, sink: Sink<'_>) {
        let response = chain.at(r);
        e.parents = response.parents();
        // a call without a status has been answered already
        let result = Some(Told::Known).filter(|_| e.is_call() && e.status.is_none());
        let number = response.take(Given::of(&e), result);
        e.model = message.model.as_deref().map(str::to_owned);
        // a fork's copies were paid for by the session they come from
        if let Some(u) = message.usage.as_ref().filter(|_| !e.extra.contains_key("copied_from")) {
            let output = u.output_tokens.unwrap_or(0);
            match &mut response.counted {
                None => {
                    response.counted = Some((number, output));
                    e.usage = Some(used(u));
                }
                // lines written while the response was under way tell less than the last one
                Some((first, told)) if *told < output => {
                    *told = output;
                    if let Some(first) = response.given.get(*first as usize).map(|p| p.given) {
                        sink(self.patch(first.event, first.event_type(), |e| e.usage = Some(used(u))));
                    }
                }
                Some(_) => {}
            }
        }
        if e.event_type == EventType::Message
            && let Some(agent) = &e.agent_id
        {
            self.last_words.insert(agent.clone(), e.event_id.clone());
        }
        self.report.events += 1;
        sink(e);
    }
}

fn used(u: &wire::Usage) -> Usage {
    Usage {
        input: u.input_tokens,
        output: u.output_tokens,
        cache_read: u.cache_read_input_tokens,
        cache_write: u.cache_creation_input_tokens,
        reasoning: u.output_tokens_details.as_ref().and_then(|d| d.thinking_tokens).filter(|n| *n > 0),
    }
}
