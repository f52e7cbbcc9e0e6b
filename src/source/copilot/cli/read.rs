//! Reads `events.jsonl` into events, record by record.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::kinds::passed_over;
use super::outcome::{is_shell, outcome};
use super::standing::Standing;
use super::wire::{
    Assistant, Compaction, Info, Line, ModelChange, Notification, Permission, Place, Reasoning, Request, Skill, Start,
    Subagent, Tokens, ToolEnd, ToolStart, UsageRecord, User,
};
use crate::event::{Event, EventType, Origin, Status, Usage, parse_time};
use crate::id;
use crate::source::copilot::AGENT;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript, first_line};

pub(super) fn read(transcript: &Transcript, title: Option<String>, sink: Sink<'_>) -> anyhow::Result<Report> {
    let name = transcript.path.to_string_lossy().into_owned();
    let file = File::open(&transcript.path).with_context(|| format!("cannot open {name}"))?;
    let mut lines = Lines::new(BufReader::with_capacity(256 * 1024, file));
    let mut state = Reader::new(transcript, title);
    let mut scratch = String::new();
    while let Some(line) = lines.next().with_context(|| format!("cannot read {name}"))? {
        state.report.records += 1;
        let Some(bytes) = line.bytes else {
            state.report.bad(&name, line.number, "the line is longer than 256 MiB");
            continue;
        };
        match records::<Line<'_>>(bytes, &mut scratch) {
            Ok(found) => {
                for wire in found {
                    if let Err(reason) = state.line(&wire, &name, line.number, sink) {
                        state.report.bad(&name, line.number, reason);
                    }
                }
            }
            Err(reason) => state.report.bad(&name, line.number, reason),
        }
    }
    state.end(sink);
    Ok(state.report)
}

/// What a record says about itself.
struct At<'a> {
    /// Its id, or its place where it has none.
    id: String,
    native: Option<String>,
    time: Option<DateTime<Utc>>,
    /// The sub-agent.
    agent: Option<String>,
    file: &'a str,
    line: u64,
}

impl At<'_> {
    fn origin(&self) -> Origin {
        Origin { file: Some(self.file.to_owned()), line: Some(self.line), hook: None }
    }

    /// Sub-agents of clients before 1.0.102 are known by the call that spawned them.
    fn of_call(&mut self, parent_tool_call_id: Option<String>) {
        if self.agent.is_none() {
            self.agent = parent_tool_call_id;
        }
    }
}

/// A call that has been met.
struct Call {
    tool: String,
    agent: Option<String>,
    /// When it began: once allowed, where that was asked.
    begun: Option<DateTime<Utc>>,
    answered: bool,
    /// A message asked for it.
    asked: bool,
}

struct Reader {
    session: String,
    report: Report,
    header: Event,
    /// When the session began: events before were copied by a fork.
    started: Option<DateTime<Utc>>,
    cwd: Option<String>,
    agents: HashMap<Option<String>, Standing>,
    calls: HashMap<String, Call>,
    early: HashSet<String>,
    /// Agent → the call that spawned it, and back.
    spawned: HashMap<String, String>,
    spawns: HashMap<String, String>,
    /// Call that asks for an agent's answer → the agent.
    asked: HashMap<String, String>,
    /// Shell → the call that runs in it.
    shells: HashMap<String, String>,
    /// Agent and text → the call that sent it.
    mail: HashMap<(String, u64), String>,
    /// Skill → the call that loaded it.
    skills: HashMap<String, String>,
    /// Skills whose text was given.
    given_skills: HashSet<String>,
    /// Message id of a prompt → its event.
    prompts: HashMap<String, String>,
    /// Events copied by a fork, with their native ids.
    copies: Vec<(String, String, EventType)>,
    /// Time of the last record of the session's own agent, and what its sub-agents did since.
    last_own: Option<DateTime<Utc>>,
    since_own: Vec<String>,
    titled: bool,
}

impl Reader {
    fn new(transcript: &Transcript, title: Option<String>) -> Self {
        let stem = transcript.path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let session = transcript.session_id.clone().or(stem).unwrap_or_default();
        let header = Event {
            event_type: EventType::Session,
            agent: AGENT.to_owned(),
            event_id: id::session(AGENT, &session),
            session_id: session.clone(),
            native_id: Some(session.clone()),
            tool_input: title.map(Value::from),
            ..Event::default()
        };
        Self {
            session,
            report: Report::default(),
            titled: header.tool_input.is_some(),
            header,
            started: None,
            cwd: None,
            agents: HashMap::new(),
            calls: HashMap::new(),
            early: HashSet::new(),
            spawned: HashMap::new(),
            spawns: HashMap::new(),
            asked: HashMap::new(),
            shells: HashMap::new(),
            mail: HashMap::new(),
            skills: HashMap::new(),
            given_skills: HashSet::new(),
            prompts: HashMap::new(),
            copies: Vec::new(),
            last_own: None,
            since_own: Vec::new(),
        }
    }

    fn line(&mut self, wire: &Line<'_>, file: &str, number: u64, sink: Sink<'_>) -> Result<(), String> {
        let kind = wire.kind.as_deref().unwrap_or("(no type)");
        let native = wire.id.as_deref().filter(|s| !s.is_empty()).map(str::to_owned);
        let at = At {
            id: native.clone().unwrap_or_else(|| format!("line:{number}")),
            native,
            time: wire.timestamp.as_deref().and_then(parse_time),
            agent: wire.agent_id.as_deref().filter(|s| !s.is_empty()).map(str::to_owned),
            file,
            line: number,
        };
        let data = wire.data;
        let own = at.agent.is_none().then_some(at.time).flatten();
        match kind {
            "session.start" => self.start(&parse(data)?, &at, sink),
            "session.resume" => {
                let resumed: Start = parse(data)?;
                self.moved(resumed.context);
                self.interrupt(None, sink);
                self.report.pass_over(kind);
            }
            "session.context_changed" => {
                let place: Place = parse(data)?;
                self.moved(Some(place));
                self.report.pass_over(kind);
            }
            "session.model_change" => {
                let change: ModelChange = parse(data)?;
                if at.agent.is_none() && self.header.model.is_none() && change.new_model.is_some() {
                    self.header.model = change.new_model;
                    self.give_header(&at, sink);
                }
                self.report.pass_over(kind);
            }
            "session.info" => self.info(&parse(data)?, &at, sink),
            "session.error" => self.error(parse(data)?, &at, sink),
            "session.shutdown" | "abort" => {
                // an abort ends the turn of the session's own agent; others may work on in the background
                self.interrupt(Some(kind), sink);
                self.report.pass_over(kind);
            }
            "session.context_cleared" => {
                let standing = self.standing(None);
                *standing = Standing { begun: true, ..Standing::default() };
                self.report.pass_over(kind);
            }
            "session.compaction_complete" => self.compacted(parse(data)?, &at, sink),
            "session.usage_record" => {
                let record: UsageRecord = parse(data)?;
                self.usage(record.usage.unwrap_or_default(), &at, sink);
            }
            "assistant.usage" => self.usage(parse(data)?, &at, sink),
            "user.message" => self.user(parse(data)?, at, sink),
            "assistant.message" => self.assistant(parse(data)?, at, sink),
            "assistant.reasoning" => self.reasoning(parse(data)?, at, sink),
            "assistant.turn_end" => {
                self.standing(at.agent.as_ref()).close();
                self.report.pass_over(kind);
            }
            "tool.execution_start" => self.tool_start(parse(data)?, at, false, sink),
            "tool.user_requested" => self.tool_start(parse(data)?, at, true, sink),
            "tool.execution_complete" => self.tool_end(parse(data)?, &at, sink),
            "permission.completed" => self.permission(&parse(data)?, &at, sink),
            "subagent.started" => self.spawned(&parse(data)?, &at, sink),
            "system.notification" => self.notified(parse(data)?, &at, sink),
            "skill.invoked" => self.skill(parse(data)?, &at, sink),
            k if passed_over(k) || wire.ephemeral == Some(true) => self.report.pass_over(k),
            other => self.report.unknown(other),
        }
        if own.is_some() {
            self.last_own = own;
            self.since_own.clear();
        }
        Ok(())
    }

    fn start(&mut self, start: &Start, at: &At<'_>, sink: Sink<'_>) {
        if self.header.extra.contains_key("version") {
            self.report.pass_over("session.start again");
            return;
        }
        let place = start.context.as_ref();
        self.started = at.time;
        self.cwd = place.and_then(|p| p.cwd.clone());
        let h = &mut self.header;
        h.timestamp = start.start_time.as_ref().and_then(Value::as_str).and_then(parse_time).or(at.time);
        h.cwd.clone_from(&self.cwd);
        h.model = start.selected_model.clone().filter(|m| m != "auto");
        let parent = start.detached_from_spawning_parent_session_id.clone();
        h.parent_session_id = parent.filter(|p| *p != self.session);
        let mut put = |key: &str, v: Option<&String>| {
            if let Some(v) = v.filter(|v| !v.is_empty()) {
                h.extra.insert(key.to_owned(), v.as_str().into());
            }
        };
        put("version", start.copilot_version.as_ref());
        put("git_branch", place.and_then(|p| p.branch.as_ref()));
        put("git_commit", place.and_then(|p| p.head_commit.as_ref()));
        self.give_header(at, sink);
    }

    fn moved(&mut self, place: Option<Place>) {
        if let Some(cwd) = place.and_then(|p| p.cwd) {
            self.cwd = Some(cwd);
        }
    }

    fn give_header(&mut self, at: &At<'_>, sink: Sink<'_>) {
        if self.header.source == Origin::default() {
            self.header.source = at.origin();
            self.report.events += 1;
        }
        sink(self.header.clone());
    }

    fn info(&mut self, info: &Info, at: &At<'_>, sink: Sink<'_>) {
        let message = info.message.as_deref().unwrap_or("");
        match info.info_type.as_deref() {
            Some("rewind") => {
                // the rewound turns are gone from the file; what the store has of them can be told by its time
                let span = json!({
                    "after": self.last_own.map(|t| t.to_rfc3339()),
                    "until": at.time.map(|t| t.to_rfc3339()),
                    "kept": self.since_own,
                });
                let spans = self.header.extra.entry("rewound").or_insert_with(|| Value::Array(Vec::new()));
                if let Some(spans) = spans.as_array_mut() {
                    spans.push(span);
                }
                self.give_header(at, sink);
            }
            Some("fork") if message.starts_with("Forked from ") => {
                if let Some(parent) = session_named_in(message, &self.session) {
                    self.forked(&parent, at, sink);
                }
            }
            _ => {}
        }
        self.report.pass_over("session.info");
    }

    /// What stands in a fork's file from before its beginning is a copy, with the ids of the session that it came from.
    fn forked(&mut self, parent: &str, at: &At<'_>, sink: Sink<'_>) {
        self.header.extra.insert("forked_from".to_owned(), parent.into());
        self.give_header(at, sink);
        for (event_id, native, kind) in std::mem::take(&mut self.copies) {
            let mut e = self.patch(&event_id, kind);
            e.extra.insert("copied_from".to_owned(), id::event_id(AGENT, parent, &native).into());
            sink(e);
        }
    }

    fn error(&mut self, error: Info, at: &At<'_>, sink: Sink<'_>) {
        let prompt = error.originating_message_id.and_then(|m| self.prompts.get(&m));
        if let (Some(prompt), Some(message)) = (prompt, error.message) {
            let mut e = self.patch(prompt, EventType::UserInput);
            e.extra.insert("error".to_owned(), message.into());
            sink(e);
        }
        self.standing(at.agent.as_ref()).close();
        self.report.pass_over("session.error");
    }

    fn user(&mut self, m: User, mut at: At<'_>, sink: Sink<'_>) {
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

    fn assistant(&mut self, mut m: Assistant, mut at: At<'_>, sink: Sink<'_>) {
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
    fn told_usage(&mut self, m: &Assistant, at: &At<'_>) -> Option<Usage> {
        let copied = self.is_copy(at);
        let told = self.standing(at.agent.as_ref()).usage.take().filter(|(api, _)| Some(api) == m.api_call_id.as_ref());
        let own = m.output_tokens.map(|n| Usage { output: Some(n), ..Usage::default() });
        told.map(|(_, usage)| usage).or(own).filter(|_| !copied)
    }

    /// Thoughts in a record of their own: before the message (as versions before 1.0 write them), or after it, where they
    /// mostly say what the message said.
    fn reasoning(&mut self, m: Reasoning, mut at: At<'_>, sink: Sink<'_>) {
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
    fn begin(&mut self, name: &str, at: &At<'_>) {
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

    /// A call that a message asks for.
    fn request(&mut self, request: Request, at: &At<'_>) -> Option<Event> {
        let call_id = request.tool_call_id.filter(|c| !c.is_empty())?;
        let mut e = self.event(EventType::ToolCall, format!("call:{call_id}"), at);
        e.tool_name.clone_from(&request.name);
        e.tool_input = request.arguments.map(arguments);
        e.status = Some(Status::Running);
        e.cwd = self.cwd.clone().filter(|c| self.header.cwd.as_ref() != Some(c));
        self.note(&e);
        let call = self.calls.entry(call_id.clone()).or_insert_with(|| Call {
            tool: String::new(),
            agent: at.agent.clone(),
            begun: at.time,
            answered: false,
            asked: false,
        });
        if call.asked {
            self.report.pass_over("call asked for again");
            return None;
        }
        call.asked = true;
        let first = call.tool.is_empty();
        call.tool = request.name.unwrap_or_default();
        call.answered |= self.early.remove(&call_id);
        self.report.calls += u64::from(first);
        self.report.events += u64::from(first);
        if let Some(r) = &mut self.standing(at.agent.as_ref()).response {
            r.calls.push(call_id.clone());
        }
        e.call_id = Some(call_id);
        Some(e)
    }

    /// Remembers what a call names that a later record may name too.
    fn note(&mut self, e: &Event) {
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
    fn client_calls(&mut self, requests: Vec<Request>, at: &At<'_>, sink: Sink<'_>) {
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

    fn tool_start(&mut self, start: ToolStart, mut at: At<'_>, by_user: bool, sink: Sink<'_>) {
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
        self.calls.insert(call_id, Call { tool, agent: at.agent.clone(), begun: at.time, answered, asked: by_user });
        if by_user {
            // the next request to the model shows it
            self.standing(at.agent.as_ref()).put_in(&e.event_id);
        }
        self.report.calls += 1;
        self.report.events += 1;
        self.remember(&e, &at);
        sink(e);
    }

    fn tool_end(&mut self, end: ToolEnd, at: &At<'_>, sink: Sink<'_>) {
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
    fn returned(&self, call: &str) -> Option<String> {
        let agent = self.asked.get(call).or_else(|| self.spawns.get(call))?;
        self.agents.get(&Some(agent.clone()))?.answer()
    }

    fn permission(&mut self, p: &Permission, at: &At<'_>, sink: Sink<'_>) {
        let decision = p.result.as_ref().and_then(|r| r.kind.as_deref()).unwrap_or("");
        if let Some((call_id, call)) = p.tool_call_id.as_ref().and_then(|c| Some((c, self.calls.get_mut(c)?))) {
            if decision.starts_with("denied") {
                // mostly its end says so too; after a refusal that aborts the turn there is none
                call.answered = true;
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

    fn spawned(&mut self, s: &Subagent, at: &At<'_>, sink: Sink<'_>) {
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

    fn notified(&mut self, n: Notification, at: &At<'_>, sink: Sink<'_>) {
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

    fn skill(&mut self, s: Skill, at: &At<'_>, sink: Sink<'_>) {
        let (Some(name), Some(content)) = (s.name, s.content.filter(|c| !c.trim().is_empty())) else {
            self.report.pass_over("skill.invoked");
            return;
        };
        self.instruct(&name, content, at, sink);
        self.given_skills.insert(name);
    }

    /// The text of a skill.
    fn instruct(&mut self, skill: &str, text: String, at: &At<'_>, sink: Sink<'_>) {
        let mut e = self.event(EventType::ContextUpdate, format!("context:{}", at.id), at);
        e.parents = self.skills.get(skill).cloned().into_iter().collect();
        e.tool_input = Some(text.into());
        e.extra.insert("instructs".to_owned(), true.into());
        self.put_in(e, at, sink);
    }

    fn compacted(&mut self, c: Compaction, at: &At<'_>, sink: Sink<'_>) {
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

    fn usage(&mut self, t: Tokens, at: &At<'_>, sink: Sink<'_>) {
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

    /// Calls without a result of a turn, or of a process, that has ended.
    fn interrupt(&mut self, by: Option<&str>, sink: Sink<'_>) {
        let own = by == Some("abort");
        let open = self.calls.iter_mut().filter(|(_, c)| !c.answered && (!own || c.agent.is_none()));
        let mut ended: Vec<String> = open.map(|(call_id, _)| call_id.clone()).collect();
        ended.sort();
        for call_id in ended {
            let mut e = self.patch(&id::call(AGENT, &self.session, &call_id), EventType::ToolCall);
            e.status = Some(Status::Interrupted);
            sink(e);
        }
        for standing in self.agents.values_mut() {
            standing.close();
        }
    }

    /// Where an agent stands.
    fn standing(&mut self, agent: Option<&String>) -> &mut Standing {
        self.agents.entry(agent.cloned()).or_default()
    }

    /// An event of its own record.
    fn event(&self, kind: EventType, native: String, at: &At<'_>) -> Event {
        Event {
            event_id: id::event_id(AGENT, &self.session, &native),
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: at.time,
            native_id: at.native.clone(),
            agent_id: at.agent.clone(),
            source: at.origin(),
            ..Event::default()
        }
    }

    /// What became known later of an event.
    fn patch(&self, event_id: &str, kind: EventType) -> Event {
        Event {
            event_id: event_id.to_owned(),
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            ..Event::default()
        }
    }

    /// Gives an event of the current response.
    fn give(&mut self, mut e: Event, at: &At<'_>, sink: Sink<'_>) {
        self.standing(at.agent.as_ref()).join(&mut e);
        self.report.events += u64::from(!e.is_call());
        self.remember(&e, at);
        sink(e);
    }

    /// Gives a text that enters the context.
    fn put_in(&mut self, e: Event, at: &At<'_>, sink: Sink<'_>) {
        self.standing(at.agent.as_ref()).put_in(&e.event_id);
        self.report.events += 1;
        self.remember(&e, at);
        sink(e);
    }

    fn is_copy(&self, at: &At<'_>) -> bool {
        at.time.zip(self.started).is_some_and(|(t, started)| t < started)
    }

    /// Notes an event that a fork may have copied, or that a rewind may keep.
    fn remember(&mut self, e: &Event, at: &At<'_>) {
        if at.agent.is_some() {
            self.since_own.push(e.event_id.clone());
        }
        if self.is_copy(at) {
            let native = match (&e.event_type, &e.call_id) {
                (EventType::ToolCall, Some(call)) => format!("call:{call}"),
                (EventType::UserInput, _) => format!("prompt:{}", at.id),
                (EventType::ContextUpdate, _) => format!("context:{}", at.id),
                (kind, _) => format!("{}:{}", kind.as_str(), at.id),
            };
            self.copies.push((e.event_id.clone(), native, e.event_type.clone()));
        }
    }

    /// Calls that will get no result, and the counts of the report.
    fn end(&mut self, sink: Sink<'_>) {
        let mut open: Vec<(&String, &Call)> = self.calls.iter().filter(|(_, c)| !c.answered).collect();
        open.sort_by_key(|(call_id, _)| *call_id);
        self.report.unanswered += open.len() as u64;
        self.report.orphans += self.early.len() as u64;
        let passed = |call_id: &String, c: &Call| {
            let current = self.agents.get(&c.agent).and_then(|s| s.response.as_ref());
            current.is_some_and(|r| c.asked && !r.calls.contains(call_id))
        };
        let passed: Vec<String> = open.into_iter().filter(|(id, c)| passed(id, c)).map(|(id, _)| id.clone()).collect();
        for call_id in passed {
            let mut e = self.patch(&id::call(AGENT, &self.session, &call_id), EventType::ToolCall);
            e.status = Some(Status::Interrupted);
            sink(e);
        }
    }
}

/// The data of a record, repaired like a line.
fn parse<T: DeserializeOwned + Default>(data: Option<&RawValue>) -> Result<T, String> {
    let Some(data) = data else { return Ok(T::default()) };
    if let Ok(value) = serde_json::from_str(data.get()) {
        return Ok(value);
    }
    let mut scratch = String::new();
    Ok(records::<T>(data.get().as_bytes(), &mut scratch)?.into_iter().next().unwrap_or_default())
}

/// The input of a call: JSON where it is a JSON text, else as it is.
fn arguments(v: Value) -> Value {
    match &v {
        Value::String(s) => serde_json::from_str(s).ok().filter(Value::is_object).unwrap_or(v),
        _ => v,
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

/// The shell that goes on while the agent does, as the client's own line in a result names it: `<command started in background with
/// shellId: 0>`, `<command with shellId: 0 moved to background …`.
fn shell_left_running(output: &str) -> Option<&str> {
    let line = output.lines().find(|l| l.starts_with('<') && l.contains("shellId: ") && !l.contains("completed"))?;
    let rest = line.split_once("shellId: ")?.1;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).unwrap_or(rest.len());
    rest.get(..end).filter(|s| !s.is_empty())
}

/// The session that the sentence of a fork names (no field does): the id in brackets that is not its own.
fn session_named_in(message: &str, own: &str) -> Option<String> {
    let ids = message.split(['(', ')']).filter(|part| uuid::Uuid::try_parse(part).is_ok());
    ids.into_iter().find(|id| *id != own).map(str::to_owned)
}
