//! Reads `events.jsonl` into events, record by record.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::BufReader;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::kinds::passed_over;
use super::standing::Standing;
use super::wire::{Info, Line, ModelChange, Place, Start, UsageRecord};
use crate::event::{Event, EventType, Origin, Status, parse_time};
use crate::id;
use crate::plain;
use crate::source::copilot::AGENT;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript};

pub(super) fn read(transcript: &Transcript, title: Option<String>, sink: Sink<'_>) -> anyhow::Result<Report> {
    let name = transcript.path.to_string_lossy().into_owned();
    let file = plain::open(&transcript.path).with_context(|| format!("cannot open {name}"))?;
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
pub(super) struct At<'a> {
    /// Its id, or its place where it has none.
    pub(super) id: String,
    pub(super) native: Option<String>,
    pub(super) time: Option<DateTime<Utc>>,
    /// The sub-agent.
    pub(super) agent: Option<String>,
    pub(super) file: &'a str,
    pub(super) line: u64,
}

impl At<'_> {
    pub(super) fn origin(&self) -> Origin {
        Origin { file: Some(self.file.to_owned()), line: Some(self.line), hook: None }
    }

    /// Sub-agents of clients before 1.0.102 are known by the call that spawned them.
    pub(super) fn of_call(&mut self, parent_tool_call_id: Option<String>) {
        if self.agent.is_none() {
            self.agent = parent_tool_call_id;
        }
    }
}

/// A call that has been met.
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) agent: Option<String>,
    /// When it began: once allowed, where that was asked.
    pub(super) begun: Option<DateTime<Utc>>,
    pub(super) answered: bool,
    /// A message asked for it.
    pub(super) asked: bool,
    /// Number of the response that did, among its agent's.
    pub(super) response: u64,
}

pub(super) struct Reader {
    pub(super) session: String,
    pub(super) report: Report,
    pub(super) header: Event,
    /// When the session began: events before were copied by a fork.
    pub(super) started: Option<DateTime<Utc>>,
    pub(super) cwd: Option<String>,
    pub(super) agents: HashMap<Option<String>, Standing>,
    pub(super) calls: HashMap<String, Call>,
    /// Those without a result of a turn that goes on.
    pub(super) open: BTreeSet<String>,
    pub(super) early: HashSet<String>,
    /// Agent → the call that spawned it, and back.
    pub(super) spawned: HashMap<String, String>,
    pub(super) spawns: HashMap<String, String>,
    /// Call that asks for an agent's answer → the agent.
    pub(super) asked: HashMap<String, String>,
    /// Shell → the call that runs in it.
    pub(super) shells: HashMap<String, String>,
    /// Agent and text → the call that sent it.
    pub(super) mail: HashMap<(String, u64), String>,
    /// Skill → the call that loaded it.
    pub(super) skills: HashMap<String, String>,
    /// Skills whose text was given.
    pub(super) given_skills: HashSet<String>,
    /// Message id of a prompt → its event.
    pub(super) prompts: HashMap<String, String>,
    /// Events copied by a fork, with their native ids.
    pub(super) copies: Vec<(String, String, EventType)>,
    /// Time of the last record of the session's own agent, and what its sub-agents did since.
    pub(super) last_own: Option<DateTime<Utc>>,
    pub(super) since_own: Vec<String>,
    /// What was rewound, as the header tells it.
    pub(super) rewound: Vec<Value>,
    pub(super) titled: bool,
}

impl Reader {
    pub(super) fn new(transcript: &Transcript, title: Option<String>) -> Self {
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
            open: BTreeSet::new(),
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
            rewound: Vec::new(),
        }
    }

    pub(super) fn line(&mut self, wire: &Line<'_>, file: &str, number: u64, sink: Sink<'_>) -> Result<(), String> {
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

    pub(super) fn start(&mut self, start: &Start, at: &At<'_>, sink: Sink<'_>) {
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

    pub(super) fn moved(&mut self, place: Option<Place>) {
        if let Some(cwd) = place.and_then(|p| p.cwd) {
            self.cwd = Some(cwd);
        }
    }

    pub(super) fn give_header(&mut self, at: &At<'_>, sink: Sink<'_>) {
        if self.header.source == Origin::default() {
            self.header.source = at.origin();
            self.report.events += 1;
        }
        sink(self.header.clone());
    }

    pub(super) fn info(&mut self, info: &Info, at: &At<'_>, sink: Sink<'_>) {
        let message = info.message.as_deref().unwrap_or("");
        match info.info_type.as_deref() {
            Some("rewind") => {
                // the rewound turns are gone from the file; what the store has of them can be told by its time
                self.rewound.push(json!({
                    "after": self.last_own.map(|t| t.to_rfc3339()),
                    "until": at.time.map(|t| t.to_rfc3339()),
                    "kept": std::mem::take(&mut self.since_own),
                }));
            }
            Some("fork") if message.starts_with("Forked from ") && !self.header.extra.contains_key("forked_from") => {
                if let Some(parent) = session_named_in(message, &self.session) {
                    self.forked(&parent, at, sink);
                }
            }
            _ => {}
        }
        self.report.pass_over("session.info");
    }

    /// What stands in a fork's file from before its beginning is a copy, with the ids of the session that it came from.
    pub(super) fn forked(&mut self, parent: &str, at: &At<'_>, sink: Sink<'_>) {
        self.header.extra.insert("forked_from".to_owned(), parent.into());
        self.give_header(at, sink);
        for (event_id, native, kind) in std::mem::take(&mut self.copies) {
            let mut e = self.patch(&event_id, kind);
            e.extra.insert("copied_from".to_owned(), id::event_id(AGENT, parent, &native).into());
            sink(e);
        }
    }

    pub(super) fn error(&mut self, error: Info, at: &At<'_>, sink: Sink<'_>) {
        let prompt = error.originating_message_id.and_then(|m| self.prompts.get(&m));
        if let (Some(prompt), Some(message)) = (prompt, error.message) {
            let mut e = self.patch(prompt, EventType::UserInput);
            e.extra.insert("error".to_owned(), message.into());
            sink(e);
        }
        self.standing(at.agent.as_ref()).close();
        self.report.pass_over("session.error");
    }

    /// Where an agent stands.
    pub(super) fn standing(&mut self, agent: Option<&String>) -> &mut Standing {
        self.agents.entry(agent.cloned()).or_default()
    }

    /// An event of its own record.
    pub(super) fn event(&self, kind: EventType, native: String, at: &At<'_>) -> Event {
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
    pub(super) fn patch(&self, event_id: &str, kind: EventType) -> Event {
        Event {
            event_id: event_id.to_owned(),
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            ..Event::default()
        }
    }

    /// Gives an event of the current response.
    pub(super) fn give(&mut self, mut e: Event, at: &At<'_>, sink: Sink<'_>) {
        self.standing(at.agent.as_ref()).join(&mut e);
        self.report.events += u64::from(!e.is_call());
        self.remember(&e, at);
        sink(e);
    }

    /// Gives a text that enters the context.
    pub(super) fn put_in(&mut self, e: Event, at: &At<'_>, sink: Sink<'_>) {
        self.standing(at.agent.as_ref()).put_in(&e.event_id);
        self.report.events += 1;
        self.remember(&e, at);
        sink(e);
    }

    pub(super) fn is_copy(&self, at: &At<'_>) -> bool {
        at.time.zip(self.started).is_some_and(|(t, started)| t < started)
    }

    /// Notes an event that a fork may have copied, or that a rewind may keep.
    pub(super) fn remember(&mut self, e: &Event, at: &At<'_>) {
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
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        if !self.rewound.is_empty() {
            self.header.extra.insert("rewound".to_owned(), std::mem::take(&mut self.rewound).into());
            sink(self.header.clone());
        }
        self.report.unanswered += self.calls.values().filter(|c| !c.answered).count() as u64;
        self.report.orphans += self.early.len() as u64;
        // the agent went on without it
        let passed = |call_id: &String| {
            let call = self.calls.get(call_id).filter(|c| c.asked)?;
            self.agents.get(&call.agent).filter(|s| call.response < s.count)
        };
        let passed: Vec<String> = self.open.iter().filter(|id| passed(id).is_some()).cloned().collect();
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
    Ok(records::<T>(data.get().as_bytes(), &mut scratch)?.next().unwrap_or_default())
}

/// The session that the sentence of a fork names (no field does): the id in brackets that is not its own.
fn session_named_in(message: &str, own: &str) -> Option<String> {
    let ids = message.split(['(', ')']).filter(|part| uuid::Uuid::try_parse(part).is_ok());
    ids.into_iter().find(|id| *id != own).map(str::to_owned)
}
