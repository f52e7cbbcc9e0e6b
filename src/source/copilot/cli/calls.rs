//! Calls: asked for, begun, allowed, ended, cut off; and the sub-agents that they spawn.

use std::collections::BTreeSet;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::outcome::{is_shell, outcome};
use super::read::{At, Call, Reader};
use super::wire::{Permission, Request, Subagent, ToolEnd, ToolStart};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::Sink;
use crate::source::copilot::AGENT;

impl Reader {
    /// A call that a message asks for.
    pub(super) fn request(&mut self, request: Request, at: &At<'_>) -> Option<Event> {
        let call_id = request.tool_call_id.filter(|c| !c.is_empty())?;
        let mut e = self.event(EventType::ToolCall, format!("call:{call_id}"), at);
        e.tool_name.clone_from(&request.name);
        e.tool_input = request.arguments.map(arguments);
        e.status = Some(Status::Running);
        e.cwd = self.cwd.clone().filter(|c| self.header.cwd.as_ref() != Some(c));
        self.note(&e);
        let response = self.standing(at.agent.as_ref()).count;
        let call = self.calls.entry(call_id.clone()).or_insert_with(|| Call {
            tool: String::new(),
            agent: at.agent.clone(),
            begun: at.time,
            answered: false,
            asked: false,
            response,
        });
        if call.asked {
            self.report.pass_over("call asked for again");
            return None;
        }
        call.asked = true;
        call.response = response;
        let first = call.tool.is_empty();
        call.tool = request.name.unwrap_or_default();
        call.answered |= self.early.remove(&call_id);
        if !call.answered {
            self.open.insert(call_id.clone());
        }
        self.report.calls += u64::from(first);
        self.report.events += u64::from(first);
        if let Some(r) = &mut self.standing(at.agent.as_ref()).response {
            r.calls.push(call_id.clone());
        }
        e.call_id = Some(call_id);
        Some(e)
    }

    /// Remembers what a call names that a later record may name too.
    pub(super) fn note(&mut self, e: &Event) {
        let text = |key: &str| e.tool_input.as_ref().and_then(|i| i.get(key)).and_then(Value::as_str);
        match e.tool_name.as_deref() {
            Some("skill") => {
                if let Some(skill) = text("skill") {
                    self.skills.insert(skill.to_owned(), e.event_id.clone());
                    self.given_skills.remove(skill);
                }
            }
            Some("write_agent") => {
                if let (Some(agent), Some(message)) = (text("agent_id"), text("message")) {
                    self.mail.insert((agent.to_owned(), xxh3_64(message.trim().as_bytes())), e.event_id.clone());
                }
            }
            Some("read_agent") => {
                if let Some(agent) = text("agent_id") {
                    self.asked.insert(e.event_id.clone(), agent.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Calls that the client made up to show the model what a notification tells: no decision of the model's.
    pub(super) fn client_calls(&mut self, requests: Vec<Request>, at: &At<'_>, sink: Sink<'_>) {
        let notice = self.standing(at.agent.as_ref()).notice.clone();
        for request in requests {
            // its place among the calls of the response before would make it one of them
            let response = self.standing(at.agent.as_ref()).response.take();
            let made = self.request(request, at);
            self.standing(at.agent.as_ref()).response = response;
            let Some(mut e) = made else { continue };
            e.parents = notice.iter().cloned().collect();
            e.extra.insert("by_client".to_owned(), true.into());
            self.remember(&e, at);
            self.standing(at.agent.as_ref()).put_in(&e.event_id);
            sink(e);
        }
    }

    pub(super) fn tool_start(&mut self, start: ToolStart, mut at: At<'_>, by_user: bool, sink: Sink<'_>) {
        at.of_call(start.parent_tool_call_id);
        let Some(call_id) = start.tool_call_id.filter(|c| !c.is_empty()) else {
            self.report.pass_over("tool.execution_start without an id");
            return;
        };
        if let Some(call) = self.calls.get_mut(&call_id) {
            call.begun = at.time.or(call.begun);
            return;
        }
        // the user's own command; or a start that stands before its message (0.0.420)
        let mut e = self.event(EventType::ToolCall, format!("call:{call_id}"), &at);
        e.tool_name.clone_from(&start.tool_name);
        e.tool_input = start.arguments.map(arguments);
        e.status = Some(Status::Running);
        e.call_id = Some(call_id.clone());
        e.cwd = self.cwd.clone().filter(|c| self.header.cwd.as_ref() != Some(c));
        if by_user {
            e.extra.insert("by_user".to_owned(), true.into());
        }
        let answered = self.early.remove(&call_id);
        let tool = start.tool_name.unwrap_or_default();
        if !answered {
            self.open.insert(call_id.clone());
        }
        let call = Call { tool, agent: at.agent.clone(), begun: at.time, answered, asked: by_user, response: 0 };
        self.calls.insert(call_id, call);
        if by_user {
            // the next request to the model shows it
            self.standing(at.agent.as_ref()).put_in(&e.event_id);
        }
        self.report.calls += 1;
        self.report.events += 1;
        self.remember(&e, &at);
        sink(e);
    }

    pub(super) fn tool_end(&mut self, end: ToolEnd, at: &At<'_>, sink: Sink<'_>) {
        let Some(call_id) = end.tool_call_id.clone().filter(|c| !c.is_empty()) else {
            self.report.pass_over("tool.execution_complete without an id");
            return;
        };
        let mut e = self.patch(&id::call(AGENT, &self.session, &call_id), EventType::ToolCall);
        e.call_id = Some(call_id.clone());
        let call = self.calls.get_mut(&call_id);
        if let Some(call) = &call {
            e.duration_ms = call.begun.zip(at.time).and_then(|(a, b)| u64::try_from((b - a).num_milliseconds()).ok());
        }
        let tool = call.as_ref().map(|c| c.tool.clone()).unwrap_or_default();
        let agent = call.as_ref().and_then(|c| c.agent.clone());
        self.open.remove(&call_id);
        match call {
            Some(call) => call.answered = true,
            None => {
                e.source = at.origin();
                self.early.insert(call_id);
            }
        }
        self.standing(agent.as_ref()).close();
        let told = outcome(end, &tool);
        e.status = Some(told.status);
        e.exit_code = told.exit_code;
        e.tool_output = told.output;
        if let Some(patch) = told.patch {
            e.extra.insert("patch".to_owned(), patch);
        }
        let output = e.tool_output.as_ref().and_then(Value::as_str).filter(|_| is_shell(&tool));
        if let Some(shell) = output.and_then(shell_left_running).map(str::to_owned) {
            // as the text says it: the bare number would be found anywhere
            e.extra.insert("background_task".to_owned(), format!("shellId: {shell}").into());
            self.shells.insert(shell, e.event_id.clone());
        }
        if let Some(words) = self.returned(&e.event_id) {
            e.extra.insert("returned_from".to_owned(), words.into());
        }
        sink(e);
    }

    /// What a sub-agent said last, where this is the result of its call, or of one that asks for its answer.
    pub(super) fn returned(&self, call: &str) -> Option<String> {
        let agent = self.asked.get(call).or_else(|| self.spawns.get(call))?;
        self.agents.get(&Some(agent.clone()))?.answer()
    }

    pub(super) fn permission(&mut self, p: &Permission, at: &At<'_>, sink: Sink<'_>) {
        let decision = p.result.as_ref().and_then(|r| r.kind.as_deref()).unwrap_or("");
        if let Some((call_id, call)) = p.tool_call_id.as_ref().and_then(|c| Some((c, self.calls.get_mut(c)?))) {
            if decision.starts_with("denied") {
                // mostly its end says so too; after a refusal that aborts the turn there is none
                call.answered = true;
                self.open.remove(call_id);
                let mut e = self.patch(&id::call(AGENT, &self.session, call_id), EventType::ToolCall);
                e.status = Some(Status::Denied);
                sink(e);
            } else if decision.starts_with("approved") {
                // the time that the user took is no time of the call
                call.begun = at.time.or(call.begun);
            }
        }
        self.report.pass_over("permission.completed");
    }

    pub(super) fn spawned(&mut self, s: &Subagent, at: &At<'_>, sink: Sink<'_>) {
        let Some(call_id) = &s.tool_call_id else { return };
        let call = id::call(AGENT, &self.session, call_id);
        let agent = at.agent.clone().unwrap_or_else(|| call_id.clone());
        self.spawned.insert(agent.clone(), call.clone());
        self.spawns.insert(call.clone(), agent.clone());
        let mut e = self.patch(&call, EventType::ToolCall);
        e.extra.insert("spawned".to_owned(), agent.into());
        sink(e);
        self.report.pass_over("subagent.started");
    }

    /// Calls without a result of a turn, or of a process, that has ended.
    pub(super) fn interrupt(&mut self, by: Option<&str>, sink: Sink<'_>) {
        let own = by == Some("abort");
        let calls = &self.calls;
        let ends = |call_id: &String| !own || calls.get(call_id).is_none_or(|c| c.agent.is_none());
        let (ended, open): (BTreeSet<String>, BTreeSet<String>) =
            std::mem::take(&mut self.open).into_iter().partition(ends);
        self.open = open;
        for call_id in ended {
            let mut e = self.patch(&id::call(AGENT, &self.session, &call_id), EventType::ToolCall);
            e.status = Some(Status::Interrupted);
            sink(e);
        }
        for standing in self.agents.values_mut() {
            standing.close();
        }
    }
}

/// The input of a call: JSON where it is a JSON text, else as it is.
fn arguments(v: Value) -> Value {
    match &v {
        Value::String(s) => serde_json::from_str(s).ok().filter(Value::is_object).unwrap_or(v),
        _ => v,
    }
}

/// The shell that goes on while the agent does, as the client's own line in a result names it: `<command started in background with
/// shellId: 0>`, `<command with shellId: 0 moved to background …`.
fn shell_left_running(output: &str) -> Option<&str> {
    let line = output.lines().find(|l| l.starts_with('<') && l.contains("shellId: ") && !l.contains("completed"))?;
    let rest = line.split_once("shellId: ")?.1;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).unwrap_or(rest.len());
    rest.get(..end).filter(|s| !s.is_empty())
}
