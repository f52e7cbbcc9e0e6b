//! Calls and their results, paired by the call id.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Reader;
use super::response::Boundary;
use crate::event::{EventType, Origin, Status};
use crate::id;
use crate::source::Sink;
use crate::source::codex::AGENT;
use crate::source::codex::output::outcome;
use crate::source::codex::wire::Payload;

/// A call that has been met.
pub(super) struct Call {
    pub(super) event: String,
    pub(super) answered: bool,
    pub(super) response: usize,
    /// How it ended, as far as that was told: its output and the record of its end tell different parts.
    pub(super) told: Option<Status>,
}

impl Reader {
    pub(super) fn call(
        &mut self,
        kind: &str,
        p: &mut Payload<'_>,
        time: Option<DateTime<Utc>>,
        sampled: Option<u64>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        let r = self.response(sampled);
        // a web search has no call id, and its result is its own record
        let own = p.call_id.as_deref().or(p.id.as_deref());
        let call_id =
            own.map_or_else(|| format!("{}:{}", self.responses[r].name, self.responses[r].calls.len()), str::to_owned);
        if self.calls.contains_key(&call_id) {
            self.report.pass_over("repeated call");
            return;
        }
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.session, &call_id), time, origin);
        let name = p.name.take();
        let name = name.as_deref().unwrap_or(kind.trim_end_matches("_call"));
        e.tool_name = Some(match p.namespace.as_deref() {
            // hooks glue the same way; the built-in namespace is left out
            Some(ns) if ns.starts_with("mcp__") => format!("{}__{name}", ns.trim_end_matches('_')),
            _ => name.to_owned(),
        });
        e.tool_input = Some(input(p));
        e.call_id = Some(call_id.clone());
        e.native_id = p.id.as_deref().map(str::to_owned);
        e.cwd.clone_from(&self.cwd);
        let answered = self.early.remove(&call_id) || p.call_id.is_none() && kind != "local_shell_call";
        e.status = Some(if answered { Status::Ok } else { Status::Running });
        // input to, or a look at, a process that an earlier call began: its id says so
        let target = e.tool_input.as_ref().and_then(|i| i.get("session_id").or_else(|| i.get("cell_id")));
        let target = target.map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned));
        if let Some(begun_by) = target.and_then(|t| self.running.get(&t)) {
            e.parents.push(begun_by.clone());
        }
        if name == "exec" && kind == "custom_tool_call" {
            self.cells.push(e.event_id.clone());
        }
        self.report.calls += 1;
        self.calls.insert(call_id, Call { event: e.event_id.clone(), answered, response: r, told: None });
        self.give(e, r, sink);
    }

    pub(super) fn result(&mut self, p: &mut Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
        if self.boundary == Boundary::Runs {
            self.fresh = true;
        }
        let Some(call_id) = p.call_id.as_deref() else { return };
        let o = outcome(p.output.take().unwrap_or_default());
        let event_id = match self.calls.get(call_id) {
            Some(call) => call.event.clone(),
            None => id::call(AGENT, &self.session, call_id),
        };
        let mut e = self.patch(&event_id, EventType::ToolCall);
        e.source = origin.clone();
        e.call_id = Some(call_id.to_owned());
        e.status = o.status;
        e.exit_code = o.exit_code;
        e.duration_ms = o.duration_ms;
        if let Some(t) = time {
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
        match self.calls.get_mut(call_id) {
            Some(c) => {
                c.answered = true;
                if c.told == Some(Status::Error) && e.status == Some(Status::Ok) {
                    // MCP: the record of its end came first, and the text of an error looks like any other
                    e.status = None;
                } else {
                    c.told = e.status;
                }
                let calls = self.responses.get_mut(c.response).map(|r| &mut r.calls);
                if let Some(made) = calls.into_iter().flatten().find(|(event, _)| *event == c.event) {
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
        open.sort_by(|a, b| a.event.cmp(&b.event));
        self.report.unanswered += open.len() as u64;
        self.report.orphans += self.early.len() as u64;
        let last = self.responses.len().saturating_sub(1);
        for call in open.into_iter().filter(|c| self.aborted || c.response < last) {
            let mut e = self.patch(&call.event, EventType::ToolCall);
            e.status = Some(Status::Interrupted);
            sink(e);
        }
    }
}

/// The input of a call: JSON where it is a JSON string, else as it is.
pub(super) fn input(p: &mut Payload<'_>) -> Value {
    let parse = |v: Value| match v {
        Value::String(s) => serde_json::from_str(&s).ok().filter(Value::is_object).unwrap_or(Value::String(s)),
        other => other,
    };
    p.arguments.take().map(parse).or_else(|| p.input.take()).or_else(|| p.action.take()).unwrap_or_default()
}

/// The thread that a `spawn_agent` began: its output is `{"agent_id": …, "nickname": …}`.
pub(super) fn spawned(text: &str) -> Option<String> {
    if !text.starts_with('{') || !text.contains("\"agent_id\"") {
        return None;
    }
    let v: Value = serde_json::from_str(text).ok()?;
    v.get("agent_id")?.as_str().map(str::to_owned)
}
