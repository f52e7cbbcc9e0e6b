//! What the extension's own files (transcripts, debug logs) add to the calls of a chat: when they ran, for how long, and
//! whether they failed.

use std::collections::HashMap;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::align::{Mark, align};
use crate::event::{Event, Status, Usage, time_from_ms};

/// Facts about calls, by their ids.
#[derive(Default)]
pub(super) struct Timing {
    /// Version of the extension.
    pub(super) version: Option<String>,
    /// What sub-agents ran, in order: tool and facts, by the call that began the sub-agent.
    pub(super) children: HashMap<String, Vec<(String, Fact)>>,
    calls: HashMap<String, Fact>,
    /// Tokens of responses, by their first call, else by their words; none where two responses had the same words.
    usage: HashMap<String, Option<Usage>>,
}

/// What is known of one call from elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Fact {
    /// When it began, in milliseconds.
    pub(super) started: Option<i64>,
    /// How long it took, in milliseconds.
    pub(super) took: Option<u64>,
    /// Whether it went well.
    pub(super) ok: Option<bool>,
    /// Its input, for calls whose own record has none.
    pub(super) input: Option<Value>,
    /// Its output, likewise.
    pub(super) output: Option<String>,
}

impl Timing {
    /// What is known of the call of that id; empty at first.
    pub(super) fn of(&mut self, call: &str) -> &mut Fact {
        self.calls.entry(call.to_owned()).or_default()
    }

    /// Takes note of the tokens of a response.
    pub(super) fn spent(&mut self, first_call: Option<&str>, words: &str, usage: Usage) {
        let known = self.usage.entry(response_key(first_call, words));
        known.and_modify(|u| *u = None).or_insert(Some(usage));
    }

    /// The tokens of a response.
    pub(super) fn usage(&self, first_call: Option<&str>, words: &str) -> Option<Usage> {
        *self.usage.get(&response_key(first_call, words))?
    }

    /// Gives what a sub-agent ran to the shown parts of it: their ids and tools, in order.
    pub(super) fn adopt(&mut self, begun_by: &str, parts: &[Mark<'_>]) {
        let Some(run) = self.children.remove(begun_by) else { return };
        let marks: Vec<Mark<'_>> = run.iter().map(|(name, _)| Mark { id: "", name }).collect();
        let found = align(parts, &marks);
        for (part, at) in parts.iter().zip(found) {
            if let Some((_, fact)) = at.and_then(|a| run.get(a)) {
                self.calls.insert(part.id.to_owned(), fact.clone());
            }
        }
    }

    /// Adds to a call what is known of it, where its own record does not say.
    pub(super) fn tell(&self, e: &mut Event) {
        let ids = [e.call_id.as_deref(), e.native_id.as_deref()];
        let Some(fact) = ids.into_iter().flatten().find_map(|id| self.calls.get(id)) else { return };
        e.timestamp = e.timestamp.or_else(|| fact.started.and_then(time_from_ms));
        e.duration_ms = e.duration_ms.or(fact.took);
        if e.tool_input.is_none() {
            e.tool_input.clone_from(&fact.input);
        }
        // a list of places is what the client shows, not what the model got
        if e.tool_output.as_ref().is_none_or(Value::is_array) && fact.output.is_some() {
            e.tool_output = fact.output.clone().map(Value::from);
        }
        match (fact.ok, e.status) {
            (Some(false), None | Some(Status::Ok | Status::Running)) => e.status = Some(Status::Error),
            (Some(true), None | Some(Status::Running)) => e.status = Some(Status::Ok),
            _ => {}
        }
    }
}

fn response_key(first_call: Option<&str>, words: &str) -> String {
    first_call.map_or_else(|| format!("words:{:016x}", xxh3_64(words.trim().as_bytes())), |c| format!("call:{c}"))
}
