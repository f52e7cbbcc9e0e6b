//! Words: of the user, the model and the client, and which response they belong to.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::read::{At, Reader};
use super::wire::{Assistant, Compaction, Notification, Reasoning, Request, Skill, Tokens, User};
use crate::event::{EventType, Usage};
use crate::id;
use crate::source::copilot::AGENT;
use crate::source::{Sink, first_line};

impl Reader {
    pub(super) fn user(&mut self, m: User, mut at: At<'_>, sink: Sink<'_>) {
        at.of_call(m.parent_tool_call_id);
        let source = m.source.as_deref().unwrap_or("");
        if let Some(skill) = source.strip_prefix("skill-") {
            if self.given_skills.contains(skill) {
                self.report.pass_over("user.message of a skill");
            } else {
                self.instruct(skill, m.content, &at, sink);
            }
            return;
        }
        let words = matches!(source, "" | "user") && m.is_autopilot_continuation != Some(true);
        // a sub-agent is told by another agent what to do
        if !words && at.agent.is_none() {
            let mut e = self.event(EventType::ContextUpdate, format!("context:{}", at.id), &at);
            e.tool_input = Some(m.content.into());
            self.put_in(e, &at, sink);
            return;
        }
        let native = format!("prompt:{}", at.id);
        let mut e = self.event(EventType::UserInput, native, &at);
        if let Some(agent) = &at.agent {
            let first = !self.standing(Some(agent)).begun;
            let sent = self.mail.remove(&(agent.clone(), xxh3_64(m.content.trim().as_bytes())));
            e.parents = if first { self.spawned.get(agent).cloned() } else { sent }.into_iter().collect();
        } else if !std::mem::replace(&mut self.titled, true) {
            self.header.tool_input = Some(first_line(&m.content).into());
            self.give_header(&at, sink);
        }
        if let Some(message) = m.message_id {
            self.prompts.insert(message, e.event_id.clone());
        }
        e.tool_input = Some(m.content.into());
        self.put_in(e, &at, sink);
    }

    pub(super) fn assistant(&mut self, mut m: Assistant, mut at: At<'_>, sink: Sink<'_>) {
        at.of_call(m.parent_tool_call_id.take());
        let requests = m.tool_requests.take().unwrap_or_default();
        let thought = m.reasoning_text.take().filter(|t| !t.trim().is_empty());
        let words = m.content.take().filter(|t| !t.trim().is_empty());
        if thought.is_none() && words.is_none() && requests.is_empty() {
            self.report.pass_over("empty message");
            return;
        }
        if is_by_client(&m, &requests) {
            self.client_calls(requests, &at, sink);
            return;
        }
        let name = m.message_id.clone().unwrap_or_else(|| at.id.clone());
        if !self.standing(at.agent.as_ref()).goes_on(m.api_call_id.as_deref()) {
            self.begin(&name, &at);
        }
        let usage = self.told_usage(&m, &at);
        let mut late = None;
        if let Some(r) = &mut self.standing(at.agent.as_ref()).response {
            r.said = true;
            r.api.clone_from(&m.api_call_id);
            r.thought = thought.as_deref().map(|t| xxh3_64(t.trim().as_bytes())).or(r.thought);
            match &r.first {
                Some(first) => late = usage.map(|u| (first.clone(), u)),
                None => r.usage = usage,
            }
        }
        if let Some(((first, kind), usage)) = late {
            // thoughts came before the message that tells it
            let mut e = self.patch(&first, kind);
            e.usage = Some(usage);
            sink(e);
        }
        for (kind, text) in [(EventType::Reasoning, thought), (EventType::Message, words)] {
            if let Some(text) = text {
                let mut e = self.event(kind.clone(), format!("{}:{}", kind.as_str(), at.id), &at);
                e.tool_input = Some(text.into());
                e.model.clone_from(&m.model);
                self.give(e, &at, sink);
            }
        }
        for request in requests {
            if let Some(mut e) = self.request(request, &at) {
                e.model.clone_from(&m.model);
                self.give(e, &at, sink);
            }
        }
    }

    /// The usage of a response: told before its message, else what the message itself says (all that clients before 1.0.102 record).
    pub(super) fn told_usage(&mut self, m: &Assistant, at: &At<'_>) -> Option<Usage> {
        let copied = self.is_copy(at);
        let told = self.standing(at.agent.as_ref()).usage.take().filter(|(api, _)| Some(api) == m.api_call_id.as_ref());
        let own = m.output_tokens.map(|n| Usage { output: Some(n), ..Usage::default() });
        told.map(|(_, usage)| usage).or(own).filter(|_| !copied)
    }

    /// Thoughts in a record of their own: before the message (as versions before 1.0 write them), or after it, where they
    /// mostly say what the message said.
    pub(super) fn reasoning(&mut self, m: Reasoning, mut at: At<'_>, sink: Sink<'_>) {
        at.of_call(m.parent_tool_call_id);
        let Some(text) = m.content.filter(|t| !t.trim().is_empty()) else {
            self.report.pass_over("encrypted reasoning");
            return;
        };
        let response = self.standing(at.agent.as_ref()).response.as_ref().filter(|r| r.open);
        match response {
            Some(r) if r.thought == Some(xxh3_64(text.trim().as_bytes())) => {
                self.report.pass_over("reasoning told in the message");
                return;
            }
            Some(_) => {}
            None => self.begin(&at.id, &at),
        }
        let mut e = self.event(EventType::Reasoning, format!("reasoning:{}", at.id), &at);
        e.tool_input = Some(text.into());
        self.give(e, &at, sink);
    }

    /// Begins a response of the agent of a record.
    pub(super) fn begin(&mut self, name: &str, at: &At<'_>) {
        let before = self.agents.get(&at.agent).and_then(|s| s.response.as_ref());
        let asked = before.map(|r| r.calls.as_slice()).unwrap_or_default();
        let answered = asked.iter().filter(|c| self.calls.get(*c).is_some_and(|c| c.answered));
        let results = answered.map(|c| id::call(AGENT, &self.session, c)).collect();
        // of clients before 1.0.102 the agent is the call
        let by = at.agent.as_ref().map(|a| {
            let known = self.spawned.get(a).cloned();
            known.unwrap_or_else(|| id::call(AGENT, &self.session, a))
        });
        let standing = self.standing(at.agent.as_ref());
        if standing.spawned_by.is_none() {
            standing.spawned_by = by;
        }
        standing.begin(name, results);
    }

    pub(super) fn notified(&mut self, n: Notification, at: &At<'_>, sink: Sink<'_>) {
        let mut e = self.event(EventType::ContextUpdate, format!("context:{}", at.id), at);
        let about = n.kind.unwrap_or_default();
        if let Some(agent) = about.agent_id {
            let words = self.agents.get(&Some(agent.clone())).and_then(|s| s.last_words.clone());
            e.parents.extend(words);
            e.parents.extend(self.spawned.get(&agent).cloned());
            e.extra.insert("task".to_owned(), agent.into());
        } else if let Some(shell) = about.shell_id {
            e.parents.extend(self.shells.get(&shell).cloned());
            e.extra.insert("task".to_owned(), shell.into());
        }
        e.tool_input = n.content.map(Value::from);
        self.standing(at.agent.as_ref()).notice = Some(e.event_id.clone());
        self.put_in(e, at, sink);
    }

    pub(super) fn skill(&mut self, s: Skill, at: &At<'_>, sink: Sink<'_>) {
        let (Some(name), Some(content)) = (s.name, s.content.filter(|c| !c.trim().is_empty())) else {
            self.report.pass_over("skill.invoked");
            return;
        };
        self.instruct(&name, content, at, sink);
        self.given_skills.insert(name);
    }

    /// The text of a skill.
    pub(super) fn instruct(&mut self, skill: &str, text: String, at: &At<'_>, sink: Sink<'_>) {
        let mut e = self.event(EventType::ContextUpdate, format!("context:{}", at.id), at);
        e.parents = self.skills.get(skill).cloned().into_iter().collect();
        e.tool_input = Some(text.into());
        e.extra.insert("instructs".to_owned(), true.into());
        self.put_in(e, at, sink);
    }

    pub(super) fn compacted(&mut self, c: Compaction, at: &At<'_>, sink: Sink<'_>) {
        let summary = c.summary_content.filter(|s| c.success != Some(false) && !s.trim().is_empty());
        let Some(summary) = summary else {
            self.report.pass_over("compaction that failed");
            return;
        };
        let mut e = self.event(EventType::ContextUpdate, format!("context:{}", at.id), at);
        e.tool_input = Some(summary.into());
        e.extra.insert("compaction".to_owned(), true.into());
        let standing = self.standing(at.agent.as_ref());
        e.parents = standing.end().into_iter().collect();
        // what came before is no longer in the context of the next response; prompts that wait still are
        standing.response = None;
        standing.pending.insert(0, e.event_id.clone());
        standing.begun = true;
        self.report.events += 1;
        self.remember(&e, at);
        sink(e);
    }

    pub(super) fn usage(&mut self, t: Tokens, at: &At<'_>, sink: Sink<'_>) {
        self.report.pass_over("usage");
        if self.is_copy(at) {
            return;
        }
        let (read, written) = (t.cache_read_tokens, t.cache_write_tokens);
        let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
        let usage = Usage {
            input: t.input_tokens.map(|n| n.saturating_sub(cached)),
            output: t.output_tokens,
            cache_read: read,
            cache_write: written,
            reasoning: t.reasoning_tokens.filter(|n| *n > 0),
        };
        let standing = self.standing(at.agent.as_ref());
        let same = standing.response.as_ref().filter(|r| r.open && r.api.is_some() && r.api == t.api_call_id);
        match same.and_then(|r| r.first.clone()) {
            // it mostly stands before its message
            None => standing.usage = t.api_call_id.map(|api| (api, usage)),
            Some((first, kind)) => {
                let mut e = self.patch(&first, kind);
                e.usage = Some(usage);
                sink(e);
            }
        }
    }
}

/// Whether a message is the client's own: it has no model, answers no prompt, and its calls have ids that no provider gave.
fn is_by_client(m: &Assistant, requests: &[Request]) -> bool {
    let minted = |r: &Request| r.tool_call_id.as_deref().is_some_and(|c| uuid::Uuid::try_parse(c).is_ok());
    m.model.is_none()
        && m.originating_message_id.is_none()
        && m.api_call_id.is_none()
        && m.interaction_id.is_none()
        && !requests.is_empty()
        && requests.iter().all(minted)
}
