//! Calls and their results, paired by the call id.

use serde_json::Value;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::response::{Boundary, name_of};
use super::{Place, Reader};
use crate::event::{EventType, Status};
use crate::id;
use crate::source::Sink;
use crate::source::codex::AGENT;
use crate::source::codex::output::outcome;
use crate::source::codex::wire::Payload;
use crate::source::raw::Raw;

/// A call that has been met.
pub(super) struct Call {
    pub(super) event: Uuid,
    pub(super) answered: bool,
    /// The response that issued it, and which of its calls it is; none for a call that a program made.
    pub(super) response: u32,
    pub(super) number: Option<u32>,
    /// How it ended, as far as that was told: its output and the record of its end tell different parts.
    pub(super) told: Option<Status>,
}

/// By what a call is found: a hash of its id.
pub(super) fn key(call_id: &str) -> u64 {
    xxh3_64(call_id.as_bytes())
}

/// A place in a list, in half the bytes. No file has four thousand million calls.
pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Reader {
    pub(super) fn call(&mut self, kind: &str, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        let r = self.response(place.sampled);
        // a web search has no call id, and its result is its own record
        let own = p.call_id.as_deref().or(p.id.as_deref());
        let call_id = own.map_or_else(|| format!("{}:{}", name_of(r), self.responses[r].calls.len()), str::to_owned);
        let key = key(&call_id);
        if self.calls.contains_key(&key) {
            self.report.pass_over("repeated call");
            return;
        }
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.session, &call_id), place);
        let name = p.name.take();
        let name = name.as_deref().unwrap_or(kind.trim_end_matches("_call"));
        e.tool_name = Some(match p.namespace.as_deref() {
            // hooks glue the same way; the built-in namespace is left out
            Some(ns) if ns.starts_with("mcp__") => format!("{}__{name}", ns.trim_end_matches('_')),
            _ => name.to_owned(),
        });
        e.tool_input = Some(input(p));
        e.native_id = p.id.as_deref().map(str::to_owned);
        e.cwd.clone_from(&self.cwd);
        let answered = self.early.remove(&call_id) || p.call_id.is_none() && kind != "local_shell_call";
        e.call_id = Some(call_id);
        e.status = Some(if answered { Status::Ok } else { Status::Running });
        // input to, or a look at, a process that an earlier call began: its id says so
        let input = e.tool_input.as_ref().filter(|_| !self.running.is_empty());
        let target = input.and_then(|i| i.get("session_id").or_else(|| i.get("cell_id")));
        let target = target.map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned));
        if let Some(begun_by) = target.and_then(|t| self.running.get(&t)) {
            e.parents.push(begun_by.clone());
        }
        if name == "exec" && kind == "custom_tool_call" {
            self.cells.push(e.event_id.clone());
        }
        self.report.calls += 1;
        let nth = Some(number(self.responses[r].calls.len()));
        let event = self.give(e, r, sink);
        self.calls.insert(key, Call { event, answered, response: number(r), number: nth, told: None });
    }

    pub(super) fn result(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        if self.boundary == Boundary::Runs {
            self.fresh = true;
        }
        let Some(call_id) = p.call_id.as_deref() else { return };
        let o = outcome(p.output);
        let event_id = match self.calls.get(&key(call_id)) {
            Some(call) => call.event.to_string(),
            None => id::call(AGENT, &self.session, call_id),
        };
        let mut e = self.patch(&event_id, EventType::ToolCall);
        e.source = place.origin.clone();
        e.call_id = Some(call_id.to_owned());
        e.status = o.status;
        e.exit_code = o.exit_code;
        e.duration_ms = o.duration_ms;
        if let Some(t) = place.time() {
            e.extra.insert("ended_at".to_owned(), t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
        }
        if let Some(child) = spawned(&o.text) {
            self.running.insert(child.clone(), event_id.clone());
            e.extra.insert("spawned".to_owned(), child.into());
        }
        match &o.running {
            Some(number) => {
                self.running.entry(number.clone()).or_insert_with(|| event_id.clone());
            }
            // a program that did not yield has ended
            None => self.cells.retain(|c| *c != event_id),
        }
        e.tool_output = Some(o.text.into());
        match self.calls.get_mut(&key(call_id)) {
            Some(c) => {
                c.answered = true;
                if c.told == Some(Status::Error) && e.status == Some(Status::Ok) {
                    // MCP: the record of its end came first, and the text of an error looks like any other
                    e.status = None;
                } else {
                    c.told = e.status;
                }
                let calls = self.responses.get_mut(c.response as usize).map(|r| &mut r.calls);
                if let Some(made) = calls.zip(c.number).and_then(|(calls, n)| calls.get_mut(n as usize)) {
                    made.1 = true;
                }
            }
            None => {
                self.early.insert(call_id.to_owned());
            }
        }
        sink(e);
    }

    /// Calls that will get no result.
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        let mut open: Vec<_> = self.calls.values().filter(|c| !c.answered).collect();
        open.sort_by_key(|c| c.event);
        self.report.unanswered += open.len() as u64;
        self.report.orphans += self.early.len() as u64;
        let last = number(self.responses.len().saturating_sub(1));
        for call in open.into_iter().filter(|c| self.aborted || c.response < last) {
            let mut e = self.patch(&call.event.to_string(), EventType::ToolCall);
            e.status = Some(Status::Interrupted);
            sink(e);
        }
    }
}

/// The input of a call: JSON where it is a JSON string, else as it is.
fn input(p: &Payload<'_>) -> Value {
    let parse = |raw: Raw<'_>| match raw.text() {
        Some(s) => serde_json::from_str(&s).ok().filter(Value::is_object).unwrap_or(Value::String(s)),
        None => raw.value(),
    };
    p.arguments.map(parse).or_else(|| p.input.or(p.action).map(Raw::value)).unwrap_or_default()
}

/// The thread that a `spawn_agent` began: its output is `{"agent_id": …, "nickname": …}`.
pub(super) fn spawned(text: &str) -> Option<String> {
    if !text.starts_with('{') || !text.contains("\"agent_id\"") {
        return None;
    }
    let v: Value = serde_json::from_str(text).ok()?;
    v.get("agent_id")?.as_str().map(str::to_owned)
}
