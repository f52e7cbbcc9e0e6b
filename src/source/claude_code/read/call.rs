//! Calls and their results, paired by the call id.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{Place, Reader};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::Sink;
use crate::source::claude_code::AGENT;
use crate::source::claude_code::chain::{Chain, Told};
use crate::source::claude_code::outcome::{ending, exit_code, hunks, recorded};
use crate::source::claude_code::wire::{Block, Line};

/// A call that has been met.
pub(super) struct Call {
    pub(super) event: Uuid,
    answered: bool,
    /// The sub-agent ([`agent_key`]).
    agent: u64,
    file: u32,
    /// The response that issued it, within its file, and which of its events it is.
    response: u32,
    number: u32,
}

/// By what a call is found: a hash of its id.
pub(super) fn key(call_id: &str) -> u64 {
    xxh3_64(call_id.as_bytes())
}

/// What stands for a sub-agent, or for the session's own agent.
pub(super) fn agent_key(agent: Option<&str>) -> u64 {
    agent.map_or(0, |a| xxh3_64(a.as_bytes()))
}

impl Reader {
    /// A call of a response, as its next event.
    pub(super) fn call(
        &mut self,
        wire: &Line<'_>,
        b: Block<'_>,
        place: &Place<'_>,
        turn: &str,
        r: u32,
        number: u32,
    ) -> Option<Event> {
        let Some(call_id) = b.id.as_deref() else {
            self.report.unknown("tool_use without id");
            return None;
        };
        if self.calls.contains_key(&key(call_id)) {
            self.report.pass_over("repeated call");
            return None;
        }
        let mut e = self.event(place, EventType::ToolCall, |s| id::call(AGENT, s, call_id));
        e.tool_name = Some(b.name.as_deref().unwrap_or("").to_owned());
        e.tool_input = b.input;
        e.call_id = Some(call_id.to_owned());
        e.turn_id = Some(turn.to_owned());
        e.cwd = wire.cwd.as_deref().map(str::to_owned);
        let answered = self.early.remove(call_id);
        e.status = Some(Status::Running).filter(|_| !answered);
        self.report.calls += 1;
        let call = Call {
            event: id::compact(&e.event_id),
            answered,
            agent: agent_key(place.agent.as_deref()),
            file: self.files,
            response: r,
            number,
        };
        self.calls.insert(key(call_id), call);
        Some(e)
    }

    /// Gives a result; the response whose call it answers, where that stands in this file.
    pub(super) fn result(
        &mut self,
        wire: &Line<'_>,
        block: Block<'_>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) -> Option<u32> {
        let Some(call_id) = block.tool_use_id.as_deref() else {
            self.report.unknown("tool_result without tool_use_id");
            return None;
        };
        let text = block.result();
        let mut e = Event {
            event_id: match self.calls.get(&key(call_id)) {
                Some(call) => call.event.to_string(),
                None => id::call(AGENT, &self.session, call_id),
            },
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            call_id: Some(call_id.to_owned()),
            source: place.origin.clone(),
            ..Event::default()
        };
        let failed = block.is_error == Some(true);
        e.status = Some(ending(&text, failed, wire.tool_denial_kind.as_deref()));
        e.exit_code = if failed { exit_code(&text) } else { None };
        e.tool_output = Some(text.into());
        if let Some(t) = place.time {
            e.extra.insert("ended_at".to_owned(), t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
        }
        if let Some(r) = &wire.tool_use_result {
            e.duration_ms = r.duration_ms;
            if let Some(agent) = &r.agent_id {
                self.spawned_by.entry(agent.clone()).or_insert_with(|| call_id.to_owned());
            }
            if let Some(run) = &r.run_id {
                self.runs.entry(run.clone()).or_insert_with(|| call_id.to_owned());
            }
            if let Some(task) = &r.background_task_id {
                e.extra.insert("background_task".to_owned(), task.as_str().into());
            }
            if let (Some(patch), Some(path)) = (&r.structured_patch, &r.file_path) {
                let hunks = hunks(patch);
                if !hunks.is_empty() {
                    e.extra.insert("patch".to_owned(), recorded(path, hunks));
                }
            }
        }
        let refused = e.status == Some(Status::Denied) && wire.tool_denial_before_run != Some(true);
        let told = if refused { Told::Refused } else { Told::Known };
        let mut answers = None;
        match self.calls.get_mut(&key(call_id)) {
            Some(c) => {
                c.answered = true;
                if c.file == self.files {
                    chain.at(c.response).answer(c.number, told);
                    answers = Some(c.response);
                }
            }
            None => {
                self.early.insert(call_id.to_owned());
            }
        }
        sink(e);
        answers
    }

    /// What is known only at the end: calls that will get no result, what sub-agents returned.
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        let mut open: Vec<_> = self.calls.values().filter(|c| !c.answered).collect();
        open.sort_by_key(|c| c.event);
        for call in &open {
            self.report.unanswered += 1;
            // the same agent went on to another response: the result will not come
            let newest = self.newest.get(&(call.file, call.agent));
            if newest.is_some_and(|n| *n > call.response) {
                sink(self.patch(call.event, EventType::ToolCall, |e| e.status = Some(Status::Interrupted)));
            }
        }
        self.report.orphans += self.early.len() as u64;
        for (agent, words) in &self.last_words {
            if let Some(call) = self.spawned_by.get(agent).and_then(|c| self.calls.get(&key(c))) {
                sink(self.patch(call.event, EventType::ToolCall, |e| {
                    e.extra.insert("returned_from".to_owned(), words.as_str().into());
                    e.extra.insert("spawned".to_owned(), agent.as_str().into());
                }));
            }
        }
        for (event, task, call) in &self.notifications {
            if let Some(words) = self.last_words.get(task) {
                let call = call.as_ref().and_then(|c| Some(self.calls.get(&key(c))?.event.to_string()));
                let parents = std::iter::once(words.clone()).chain(call).collect();
                sink(self.patch(id::compact(event), EventType::ContextUpdate, |e| e.parents = parents));
            }
        }
    }
}
