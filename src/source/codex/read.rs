//! Reads a rollout into events, line by line.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::output::{outcome, text_of};
use super::wire::{Item, Line, Payload, Tokens};
use super::{AGENT, open, prompt_id};
use crate::event::{Event, EventType, Origin, Status, Usage, parse_time, time_from_ms};
use crate::id;
use crate::patch::parse_unified;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript};

/// Kinds of line and event that say nothing about causes or repeat an item.
const PASSED_OVER: &[&str] = &[
    "world_state",
    "dynamic_tools_updated",
    "inter_agent_communication_metadata",
    "inter_agent_communication",
    "security_risk_score",
    "realtime_item",
    "retained_context",
    "state",
    "agent_message",
    "agent_reasoning",
    "agent_reasoning_raw_content",
    "agent_reasoning_section_break",
    "user_message",
    "thread_settings_applied",
    "entered_review_mode",
    "exited_review_mode",
    "context_compacted",
    "error",
    "warning",
    "stream_error",
    "ghost_snapshot",
    "additional_tools",
    "sub_agent_activity",
    "task_complete",
    "session_configured",
    "turn_diff",
    "plan_update",
    "background_event",
    "image_generation_end",
    "web_search_end",
    "exec_command_begin",
    "exec_command_output_delta",
    "mcp_tool_call_begin",
    "patch_apply_begin",
    "web_search_begin",
    "view_image_tool_call",
    "raw_response_item",
    "thread_goal_updated",
    "item_started",
    "model_reroute",
    "compaction",
    "context_compaction",
    "compaction_trigger",
    "deprecation_notice",
    "collab_agent_spawn_begin",
    "collab_agent_spawn_end",
    "collab_agent_interaction_begin",
    "collab_agent_interaction_end",
    "collab_waiting_begin",
    "collab_waiting_end",
    "collab_close_begin",
    "collab_close_end",
    "collab_resume_begin",
    "collab_resume_end",
    "guardian_assessment",
    "request_user_input",
    "memory_citation",
    "hook_started",
    "hook_completed",
    "undo_completed",
    // told by the call's own items as well
    "dynamic_tool_call_request",
    "dynamic_tool_call_response",
];

pub(super) fn read(transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    let name = transcript.path.to_string_lossy().into_owned();
    let reader = open(&transcript.path)?;
    let mut lines = Lines::new(reader);
    let mut state = Reader::new(transcript.session_id.clone());
    let (mut scratch, mut scratch2) = (String::new(), String::new());
    while let Some(line) = lines.next().with_context(|| format!("cannot read {name}"))? {
        state.report.records += 1;
        let Some(bytes) = line.bytes else {
            state.report.bad(&name, line.number, "the line is longer than 256 MiB");
            continue;
        };
        let origin = Origin { file: Some(name.clone()), line: Some(line.number), hook: None };
        match records::<Line<'_>>(bytes, &mut scratch) {
            Ok(found) => {
                for wire in found {
                    // lines of 2025 have no wrapper: the line itself is the payload
                    if wire.payload.is_some() || wire.record_type.is_some() {
                        state.line(wire, &origin, sink);
                    } else {
                        match records::<Payload<'_>>(bytes, &mut scratch2) {
                            Ok(bare) => bare.into_iter().for_each(|mut p| state.bare(&mut p, &origin, sink)),
                            Err(reason) => state.report.bad(&name, line.number, reason),
                        }
                    }
                }
            }
            Err(reason) => state.report.bad(&name, line.number, reason),
        }
    }
    state.end(sink);
    Ok(state.report)
}

/// A call that has been met.
struct Call {
    event: String,
    answered: bool,
    response: usize,
    /// How it ended, as far as that was told: its output and the record of its end tell different parts.
    told: Option<Status>,
}

/// One response of the model.
#[derive(Default)]
struct Response {
    /// Its id in events.
    name: String,
    /// What was new in its context.
    inputs: Vec<String>,
    /// Its first message or thought.
    hub: Option<String>,
    /// Events of its calls, and whether the output came back.
    calls: Vec<(String, bool)>,
    /// It sums up what a compaction drops (0.169).
    sums_up: bool,
    /// Its first event, which carries the usage.
    first: Option<(String, EventType)>,
    counted: bool,
    /// Events so far without an id of their own.
    unnamed: usize,
}

/// Where a prompt stands: what a rollback goes back to.
struct Mark {
    given: usize,
    last: Option<usize>,
}

/// How the end of a response is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Boundary {
    /// An output or a message of the user stands between (0.98 to 0.144, and before 0.50).
    Runs,
    /// A `turn_context` stands before each request (0.50, 0.98: those without a turn id).
    Contexts,
    /// Each item names the request that it came from (0.155 and later).
    Sequence,
}

struct Reader {
    session: String,
    known_session: bool,
    report: Report,
    header: Event,
    given: bool,
    boundary: Boundary,
    /// Where the next model item begins a new response.
    fresh: bool,
    /// Number of the request of the current response.
    sampled: Option<u64>,
    responses: Vec<Response>,
    /// The last response in the context: not the last of all after a rollback.
    last: Option<usize>,
    /// All events given, in order.
    events: Vec<(String, EventType)>,
    marks: Vec<Mark>,
    /// Tokens told before what they were spent on (a response of 0.50, a compaction).
    spent: Option<Usage>,
    /// Prompts and injected texts since the last response began, with their place in the history.
    pending: Vec<(String, Option<u64>)>,
    calls: HashMap<String, Call>,
    early: BTreeSet<String>,
    /// Number of a running process, or cell → its call.
    running: HashMap<String, String>,
    /// Programs of code mode that have not ended.
    cells: Vec<String>,
    turn: Option<String>,
    model: Option<String>,
    cwd: Option<String>,
    prompts: usize,
    prompt_turns: BTreeSet<String>,
    contexts: usize,
    /// While a forked child's file repeats its parent's history.
    copying: bool,
    copy_until: Option<u64>,
    records_tell_usage: bool,
    total: Option<Tokens>,
    aborted: bool,
    titled: bool,
}

impl Reader {
    fn new(session: Option<String>) -> Self {
        Self {
            known_session: session.is_some(),
            session: session.unwrap_or_default(),
            report: Report::default(),
            header: Event { event_type: EventType::Session, agent: AGENT.to_owned(), ..Event::default() },
            given: false,
            boundary: Boundary::Runs,
            fresh: true,
            sampled: None,
            responses: Vec::new(),
            last: None,
            events: Vec::new(),
            marks: Vec::new(),
            spent: None,
            pending: Vec::new(),
            calls: HashMap::new(),
            early: BTreeSet::new(),
            running: HashMap::new(),
            cells: Vec::new(),
            turn: None,
            model: None,
            cwd: None,
            prompts: 0,
            prompt_turns: BTreeSet::new(),
            contexts: 0,
            copying: false,
            copy_until: None,
            records_tell_usage: false,
            total: None,
            aborted: false,
            titled: false,
        }
    }

    fn line(&mut self, mut wire: Line<'_>, origin: &Origin, sink: Sink<'_>) {
        // bodies are moved, not copied
        let mut payload = wire.payload.take().unwrap_or_default();
        let p = &mut *payload;
        let wire = &wire;
        let kind = wire.kind.as_deref().or(wire.record_type.as_deref()).unwrap_or("(no type)");
        let time = wire.timestamp.as_deref().and_then(parse_time);
        if kind == "session_meta" {
            self.meta(p, time, origin, sink);
            return;
        }
        if self.copying {
            if !self.copy_ends(wire, kind, p) {
                self.report.pass_over("history copied from the parent");
                return;
            }
            self.copying = false;
        }
        match kind {
            "turn_context" => self.turn_context(p, origin, sink),
            "response_item" => {
                let meta = wire.metadata.as_ref();
                let sampled = meta.and_then(|m| m.sampled_through_sequence);
                let sequence = meta.and_then(|m| m.history_sequence);
                if meta.is_some_and(|m| m.compaction_output == Some(true)) {
                    self.sum_up(p, time, origin, sink);
                    return;
                }
                self.item(p, time, sampled, sequence, origin, sink);
            }
            "event_msg" => self.event_msg(p, time, origin, sink),
            "compacted" => self.compacted(p, time, origin, sink),
            "token_usage_record" => {
                self.records_tell_usage = true;
                if let Some(u) = p.usage {
                    self.usage(used(u), sink);
                }
            }
            k if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            other => self.report.unknown(other),
        }
    }

    /// A line without a wrapper: the head, or an item.
    fn bare(&mut self, p: &mut Payload<'_>, origin: &Origin, sink: Sink<'_>) {
        match p.kind.as_deref() {
            Some(_) => self.item(p, None, None, None, origin, sink),
            None if p.id.is_some() => self.meta(p, p.timestamp.as_deref().and_then(parse_time), origin, sink),
            None => self.report.unknown("(no type)"),
        }
    }

    fn meta(&mut self, p: &Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
        if self.given {
            // the parent's head in a forked child's file: its history follows
            if p.id.as_deref().is_some_and(|id| id != self.session) {
                self.copying = true;
            }
            self.report.pass_over("session_meta of the parent");
            return;
        }
        if let Some(id) = p.id.as_deref().filter(|_| !self.known_session) {
            self.session = id.to_owned();
        }
        self.copy_until = p.subagent_history_start_ordinal;
        let spawned = p.source.as_ref().and_then(|s| s.pointer("/subagent/thread_spawn/parent_thread_id"));
        let parent = p.parent_thread_id.as_deref().or(spawned.and_then(Value::as_str));
        self.cwd = p.cwd.as_deref().map(str::to_owned);
        let h = &mut self.header;
        h.event_id = id::session(AGENT, &self.session);
        h.session_id.clone_from(&self.session);
        h.native_id = Some(self.session.clone());
        h.timestamp = p.timestamp.as_deref().and_then(parse_time).or(time);
        h.cwd.clone_from(&self.cwd);
        h.provider = p.model_provider.as_deref().map(str::to_owned);
        h.parent_session_id = parent.filter(|x| *x != self.session).map(str::to_owned);
        h.source = origin.clone();
        let mut put = |key: &str, v: Option<&str>| {
            if let Some(v) = v {
                h.extra.insert(key.to_owned(), v.into());
            }
        };
        put("version", p.cli_version.as_deref());
        put("originator", p.originator.as_deref());
        put("forked_from", p.forked_from_id.as_deref());
        put("nickname", p.agent_nickname.as_deref());
        let git = |key: &str| p.git.as_ref().and_then(|g| g.get(key)).and_then(Value::as_str);
        put("git_branch", git("branch"));
        put("git_commit", git("commit_hash"));
        self.give_header(sink);
    }

    fn give_header(&mut self, sink: Sink<'_>) {
        if self.header.event_id.is_empty() {
            // no head in the file: what the name says
            self.header.event_id = id::session(AGENT, &self.session);
            self.header.session_id.clone_from(&self.session);
        }
        self.report.events += u64::from(!std::mem::replace(&mut self.given, true));
        sink(self.header.clone());
    }

    /// Whether the history copied from the parent ends before this line: told by ordinal, by the child's own settings, by
    /// the first turn whose id (UUIDv7, so ordered) is newer than the child's.
    fn copy_ends(&self, wire: &Line<'_>, kind: &str, p: &Payload<'_>) -> bool {
        if let (Some(start), Some(at)) = (self.copy_until, wire.ordinal) {
            return at >= start;
        }
        let own_settings = p.kind.as_deref() == Some("thread_settings_applied")
            && p.thread_id.as_deref() == Some(self.session.as_str());
        let turn = p.turn_id.as_deref().or(p.turn_attribution.as_ref().and_then(|t| t.turn_id.as_deref()));
        let begins = kind == "turn_context" || p.kind.as_deref() == Some("task_started");
        own_settings || begins && turn.is_some_and(|t| t > self.session.as_str())
    }

    fn turn_context(&mut self, p: &Payload<'_>, origin: &Origin, sink: Sink<'_>) {
        self.report.pass_over("turn_context");
        if p.turn_id.is_none() && self.boundary == Boundary::Runs {
            self.boundary = Boundary::Contexts;
        }
        if self.boundary == Boundary::Contexts {
            self.fresh = true;
        }
        self.turn = p.turn_id.as_deref().map(str::to_owned).or(self.turn.take());
        self.model = p.model.as_deref().map(str::to_owned).or(self.model.take());
        if let Some(cwd) = p.cwd.as_deref() {
            self.cwd = Some(cwd.to_owned());
        }
        if self.header.cwd.is_none() || self.header.model.is_none() {
            if self.header.source == Origin::default() {
                self.header.source = origin.clone();
            }
            self.header.cwd = self.header.cwd.take().or_else(|| self.cwd.clone());
            self.header.model.clone_from(&self.model);
            self.give_header(sink);
        }
    }

    fn event(&self, kind: EventType, event_id: String, time: Option<DateTime<Utc>>, origin: &Origin) -> Event {
        Event {
            event_id,
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: time,
            source: origin.clone(),
            ..Event::default()
        }
    }

    fn item(
        &mut self,
        p: &mut Payload<'_>,
        time: Option<DateTime<Utc>>,
        sampled: Option<u64>,
        sequence: Option<u64>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        if !self.given {
            self.header.source = origin.clone();
            self.give_header(sink);
        }
        let kind = p.kind.take();
        let kind = kind.as_deref().unwrap_or("(no type)");
        match (kind, p.role.as_deref()) {
            ("message", Some("assistant")) => {
                let text = p.content.take().map(text_of).unwrap_or_default();
                self.said(EventType::Message, text, p, time, sampled, origin, sink);
            }
            ("message", Some("user")) => self.user(p, time, sequence, origin, sink),
            ("message", _) => self.report.pass_over("instructions"),
            ("reasoning", _) => {
                let mut text = p.summary.take().map(text_of).unwrap_or_default();
                if text.trim().is_empty() {
                    text = p.content.take().map(text_of).unwrap_or_default();
                }
                if text.trim().is_empty() {
                    self.report.pass_over("encrypted reasoning");
                    // it is part of the response all the same
                    self.response(sampled);
                } else {
                    self.said(EventType::Reasoning, text, p, time, sampled, origin, sink);
                }
            }
            ("agent_message", _) => self.mail(p, time, sequence, origin, sink),
            (k, _) if k.ends_with("_output") && p.call_id.is_some() => self.result(p, time, origin, sink),
            (k, _) if k.ends_with("_call") => self.call(k, p, time, sampled, origin, sink),
            (k, _) if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            (other, _) => self.report.unknown(other),
        }
    }

    /// The response to which a model item belongs, begun where it is a new one.
    fn response(&mut self, sampled: Option<u64>) -> usize {
        let new = match sampled {
            Some(_) => {
                self.boundary = Boundary::Sequence;
                self.sampled != sampled || self.responses.is_empty()
            }
            None => self.fresh || self.responses.is_empty(),
        };
        if new {
            let inputs = self.inputs(sampled);
            self.begin(inputs);
        }
        self.fresh = false;
        self.sampled = sampled;
        self.responses.len() - 1
    }

    fn begin(&mut self, inputs: Vec<String>) {
        // in 0.50 the tokens of a response stand before its items, everywhere else a compaction took these
        if self.boundary != Boundary::Contexts {
            self.spent = None;
        }
        let name = format!("response-{}", self.responses.len() + 1);
        self.last = Some(self.responses.len());
        self.responses.push(Response { name, inputs, ..Response::default() });
    }

    /// The last response in the context.
    fn last(&self) -> Option<&Response> {
        self.responses.get(self.last?)
    }

    /// What is new since the last response, for a request that held the history up to `through`.
    fn inputs(&mut self, through: Option<u64>) -> Vec<String> {
        let results = self.last().into_iter().flat_map(|r| &r.calls).filter(|(_, answered)| *answered);
        let mut inputs: Vec<String> = results.map(|(event, _)| event.clone()).collect();
        // what came into the history after the request was sent belongs to a later one
        let (seen, later) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, at)| at.zip(through).is_none_or(|(at, through)| at <= through));
        self.pending = later;
        inputs.extend(seen.into_iter().map(|(event, _)| event));
        if inputs.is_empty() {
            inputs.extend(self.last().and_then(|r| r.hub.clone()));
        }
        inputs
    }

    /// The model's summary, which a compaction puts in the place of the history (0.169): a response of its own, whatever
    /// request its metadata name.
    fn sum_up(&mut self, p: &mut Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
        let inputs = self.inputs(None);
        self.begin(inputs);
        self.sampled = None;
        if let Some(r) = self.responses.last_mut() {
            r.sums_up = true;
        }
        let r = self.responses.len() - 1;
        let text = p.content.take().map(text_of).unwrap_or_default();
        self.say(EventType::Message, text, p, time, r, origin, sink);
    }

    /// Gives an event that is met for the first time.
    fn first(&mut self, e: Event, sink: Sink<'_>) {
        self.events.push((e.event_id.clone(), e.event_type.clone()));
        self.report.events += 1;
        sink(e);
    }

    /// Gives an event of a response with its parents.
    fn give(&mut self, mut e: Event, r: usize, sink: Sink<'_>) {
        let response = &mut self.responses[r];
        let mut parents = match &response.hub {
            Some(hub) => vec![hub.clone()],
            None => response.inputs.clone(),
        };
        let more: Vec<_> = e.parents.drain(..).filter(|p| !parents.contains(p)).collect();
        parents.extend(more);
        e.parents = parents;
        e.turn_id = Some(response.name.clone());
        if e.is_call() {
            let answered = e.status != Some(Status::Running);
            response.calls.push((e.event_id.clone(), answered));
        } else if response.hub.is_none() && response.calls.is_empty() {
            response.hub = Some(e.event_id.clone());
        }
        if response.first.is_none() {
            response.first = Some((e.event_id.clone(), e.event_type.clone()));
            e.usage = self.spent.take();
            response.counted = e.usage.is_some();
        }
        e.model.clone_from(&self.model);
        self.first(e, sink);
    }

    #[expect(clippy::too_many_arguments, reason = "what a line says, and where it stands")]
    fn said(
        &mut self,
        kind: EventType,
        text: String,
        p: &Payload<'_>,
        time: Option<DateTime<Utc>>,
        sampled: Option<u64>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        let r = self.response(sampled);
        self.say(kind, text, p, time, r, origin, sink);
    }

    #[expect(clippy::too_many_arguments, reason = "what a line says, and where it stands")]
    fn say(
        &mut self,
        kind: EventType,
        text: String,
        p: &Payload<'_>,
        time: Option<DateTime<Utc>>,
        r: usize,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        let response = &mut self.responses[r];
        response.unnamed += 1;
        let own = p.id.as_deref().map_or_else(|| format!("{}:{}", response.name, response.unnamed), str::to_owned);
        let event_id = id::event_id(AGENT, &self.session, &format!("{}:{own}", kind.as_str()));
        let mut e = self.event(kind, event_id, time, origin);
        e.tool_input = Some(text.into());
        e.native_id = p.id.as_deref().map(str::to_owned);
        self.give(e, r, sink);
    }

    fn user(
        &mut self,
        p: &mut Payload<'_>,
        time: Option<DateTime<Utc>>,
        sequence: Option<u64>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        let text = p.content.take().map(text_of).unwrap_or_default();
        if self.boundary != Boundary::Contexts {
            self.fresh = true;
        }
        let trimmed = text.trim_start();
        if trimmed.starts_with("<environment_context") || trimmed.starts_with("<permissions") || trimmed.is_empty() {
            if self.cwd.is_none() {
                // the only place where files of 2025 tell the directory
                self.cwd = between(trimmed, "<cwd>", "</cwd>").map(str::to_owned);
                self.header.cwd.clone_from(&self.cwd);
                self.give_header(sink);
            }
            self.report.pass_over("environment context");
            return;
        }
        if is_client_text(trimmed) {
            self.contexts += 1;
            let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
            let mut e = self.event(EventType::ContextUpdate, event_id, time, origin);
            e.native_id = p.id.as_deref().map(str::to_owned);
            if trimmed.starts_with("<subagent_notification>") {
                e.parents = self.spawner(trimmed).into_iter().collect();
            }
            e.tool_input = Some(text.into());
            self.put_in(e, sequence, sink);
            return;
        }
        self.prompts += 1;
        let turn = self.turn.clone().filter(|t| self.prompt_turns.insert(t.clone()));
        let event_id = match turn {
            Some(turn) => prompt_id(&self.session, &turn),
            None => id::event_id(AGENT, &self.session, &format!("prompt-number:{}", self.prompts)),
        };
        if !std::mem::replace(&mut self.titled, true) && self.header.tool_input.is_none() {
            self.header.tool_input = Some(title(&text).into());
            self.give_header(sink);
        }
        let mut e = self.event(EventType::UserInput, event_id, time, origin);
        e.native_id = p.id.as_deref().map(str::to_owned);
        e.tool_input = Some(text.into());
        // a prompt follows the answer that ended the turn before
        self.marks.push(Mark { given: self.events.len(), last: self.last });
        let last = self.last().filter(|r| r.calls.is_empty());
        if self.pending.is_empty() {
            e.parents = last.and_then(|r| r.hub.clone()).into_iter().collect();
        }
        self.put_in(e, sequence, sink);
    }

    /// Gives a text that enters the context.
    fn put_in(&mut self, e: Event, sequence: Option<u64>, sink: Sink<'_>) {
        self.pending.push((e.event_id.clone(), sequence));
        self.first(e, sink);
    }

    /// The call that spawned the thread which a notification names.
    fn spawner(&self, text: &str) -> Option<String> {
        self.running
            .iter()
            .find(|(thread, _)| thread.len() > 8 && text.contains(thread.as_str()))
            .map(|(_, e)| e.clone())
    }

    /// A message of another agent (0.169).
    fn mail(
        &mut self,
        p: &mut Payload<'_>,
        time: Option<DateTime<Utc>>,
        sequence: Option<u64>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        self.contexts += 1;
        self.fresh = true;
        let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
        let mut e = self.event(EventType::ContextUpdate, event_id, time, origin);
        let from = p.author.as_deref().unwrap_or("another agent");
        let text = p.content.take().map(text_of).unwrap_or_default();
        e.tool_input = Some(format!("message from {from}: {text}").into());
        e.native_id = p.id.as_deref().map(str::to_owned);
        // what a sub-agent writes comes back from the call that began it
        e.parents = p.author.as_deref().and_then(|a| self.running.get(a)).cloned().into_iter().collect();
        self.put_in(e, sequence, sink);
    }

    fn call(
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

    fn patch(&self, event_id: &str, kind: EventType) -> Event {
        Event {
            event_id: event_id.to_owned(),
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            ..Event::default()
        }
    }

    fn result(&mut self, p: &mut Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
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

    fn event_msg(&mut self, p: &mut Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
        let kind = p.kind.take();
        let kind = kind.as_deref().unwrap_or("(no type)");
        match kind {
            "task_started" => {
                self.report.pass_over(kind);
                let turn = p.turn_id.as_deref().or(p.turn_attribution.as_ref().and_then(|t| t.turn_id.as_deref()));
                self.turn = turn.map(str::to_owned);
                self.aborted = false;
            }
            "turn_aborted" => {
                self.report.pass_over(kind);
                self.aborted = true;
            }
            "token_count" => {
                self.report.pass_over(kind);
                let info = p.info.as_ref();
                let total = info.and_then(|i| i.total_token_usage);
                // repeated whenever rate limits are told
                if !self.records_tell_usage && total.is_some() && total != self.total {
                    self.total = total;
                    if let Some(u) = info.and_then(|i| i.last_token_usage) {
                        self.counted(used(u), sink);
                    }
                }
            }
            "thread_name_updated" => {
                self.report.pass_over(kind);
                if let Some(name) = p.thread_name.as_deref() {
                    self.header.tool_input = Some(name.into());
                    self.give_header(sink);
                }
            }
            "thread_rolled_back" => {
                self.contexts += 1;
                let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
                let mut e = self.event(EventType::ContextUpdate, event_id, time, origin);
                e.tool_input = Some(format!("rolled back {} turn(s)", p.num_turns.unwrap_or(0)).into());
                e.extra.insert("rolled_back".to_owned(), p.num_turns.unwrap_or(0).into());
                self.roll_back(p.num_turns.unwrap_or(0), sink);
                self.first(e, sink);
            }
            "exec_command_end" | "patch_apply_end" | "mcp_tool_call_end" => {
                let item = Item {
                    id: p.call_id.as_deref().map(str::to_owned),
                    exit_code: p.exit_code,
                    duration: p.duration.take(),
                    changes: p.changes.take(),
                    result: p.result.take(),
                    command: p.command.take(),
                    aggregated_output: p.aggregated_output,
                    status: p.success.map(|s| if s { "completed" } else { "failed" }.to_owned()),
                    kind: Some(kind.to_owned()),
                    ..Item::default()
                };
                self.ended(&item, None, time, origin, sink);
            }
            "item_completed" => match &p.item {
                Some(item) => {
                    let took = p.started_at_ms.zip(p.completed_at_ms);
                    self.ended(item, took, time, origin, sink);
                }
                None => self.report.unknown("item_completed without item"),
            },
            k if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            other => self.report.unknown(&format!("event {other}")),
        }
    }

    /// The end of a command, patch or MCP call: more about a call that is known, or a call that a program of code mode made.
    fn ended(
        &mut self,
        item: &Item<'_>,
        took: Option<(i64, i64)>,
        time: Option<DateTime<Utc>>,
        origin: &Origin,
        sink: Sink<'_>,
    ) {
        let kind = item.kind.as_deref().unwrap_or("(no type)");
        self.report.pass_over(&format!("end of {kind}"));
        let tool = match kind {
            "CommandExecution" | "exec_command_end" => "exec_command",
            "FileChange" | "patch_apply_end" => "file_change",
            "McpToolCall" | "mcp_tool_call_end" | "DynamicToolCall" => "mcp",
            "SubAgentActivity" | "CollabAgentToolCall" => {
                let child =
                    item.agent_thread_id.clone().or_else(|| item.receiver_thread_ids.as_ref()?.first().cloned());
                if let (Some(id), Some(child)) = (&item.id, child)
                    && let Some(call) = self.calls.get(id)
                {
                    let event = call.event.clone();
                    // later calls that address the same thread did not begin it
                    let begun_by = self.running.entry(child.clone()).or_insert_with(|| event.clone());
                    if *begun_by != event {
                        return;
                    }
                    if let Some(path) = &item.agent_path {
                        self.running.insert(path.clone(), event.clone());
                    }
                    let mut e = self.patch(&event, EventType::ToolCall);
                    e.extra.insert("spawned".to_owned(), child.into());
                    sink(e);
                }
                return;
            }
            _ => return,
        };
        let Some(own) = &item.id else { return };
        let known = self.calls.get(own).map(|c| (c.event.clone(), c.told));
        let mut e = match &known {
            Some((event, _)) => self.patch(event, EventType::ToolCall),
            None => {
                let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.session, own), time, origin);
                e.call_id = Some(own.clone());
                e.tool_name = Some(match (tool, &item.server, &item.tool) {
                    ("mcp", Some(s), Some(t)) => format!("mcp__{s}__{t}"),
                    _ => tool.to_owned(),
                });
                e.tool_input = Some(match &item.command {
                    Some(c) => json!({"cmd": super::tools::command_line(c)}),
                    None => item.arguments.clone().unwrap_or_else(|| files_of(item.changes.as_ref())),
                });
                e.tool_output = item.aggregated_output.and_then(|o| serde_json::from_str(o.get()).ok());
                e.timestamp = took.and_then(|(from, _)| time_from_ms(from)).or(time);
                e.cwd = item.cwd.as_deref().map(|c| c.strip_prefix("file://").unwrap_or(c).to_owned());
                // a call without a record of its own was made by a program: by which one is sure only while one was open
                match self.cells.as_slice() {
                    [one] => e.parents = vec![one.clone()],
                    [] => {
                        // a command that the user ran (`!`)
                        e.extra.insert("by_user".to_owned(), true.into());
                    }
                    _ => {}
                }
                self.events.push((e.event_id.clone(), EventType::ToolCall));
                self.report.events += 1;
                self.report.calls += 1;
                let response = self.responses.len().saturating_sub(1);
                let call = Call { event: e.event_id.clone(), answered: true, response, told: None };
                self.calls.insert(own.clone(), call);
                e
            }
        };
        e.exit_code = item.exit_code;
        e.duration_ms = item.duration.as_ref().and_then(duration_ms).filter(|ms| *ms > 0);
        let failed = item.status.as_deref() == Some("failed")
            || item.exit_code.is_some_and(|c| c != 0)
            || item
                .result
                .as_ref()
                .is_some_and(|r| r.get("Err").is_some() || r.pointer("/Ok/isError") == Some(&true.into()));
        e.status = Some(match item.status.as_deref() {
            Some("declined") => Status::Denied,
            // what a killed process is given in place of a code
            _ if item.exit_code == Some(-1) => Status::Interrupted,
            _ if failed => Status::Error,
            _ => Status::Ok,
        });
        if let Some((_, told)) = known {
            // an aborted call keeps its interruption, and an error of MCP is told by its text alone
            if self.aborted || told == Some(Status::Interrupted) || tool == "mcp" && item.status.is_none() && !failed {
                e.status = None;
            } else if let Some(call) = self.calls.get_mut(own) {
                call.told = e.status;
            }
        }
        if let Some(patch) = item.changes.as_ref().and_then(recorded_patch) {
            e.extra.insert("patch".to_owned(), patch);
        }
        sink(e);
    }

    fn compacted(&mut self, p: &Payload<'_>, time: Option<DateTime<Utc>>, origin: &Origin, sink: Sink<'_>) {
        self.contexts += 1;
        let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
        let mut e = self.event(EventType::ContextUpdate, event_id, time, origin);
        let text = p.message.and_then(|m| serde_json::from_str(m.get()).ok()).map(text_of).unwrap_or_default();
        e.tool_input = Some(text.into());
        e.extra.insert("compaction".to_owned(), true.into());
        // it holds what the model wrote for it, else (to 0.144) stands for that itself
        let summary = self.last().filter(|r| r.sums_up).and_then(|r| r.hub.clone());
        e.parents = summary.map_or_else(|| self.inputs(None), |s| vec![s]);
        e.usage = self.spent.take();
        self.fresh = true;
        self.pending.clear();
        // what came before is no longer in the context of the next response
        self.begin(Vec::new());
        self.put_in(e, None, sink);
    }

    /// Takes the last prompts and what followed them out of the context (to 0.144).
    fn roll_back(&mut self, prompts: u64, sink: Sink<'_>) {
        let kept = self.marks.len().saturating_sub(usize::try_from(prompts).unwrap_or(usize::MAX));
        let Some(mark) = self.marks.drain(kept..).next() else { return };
        self.last = mark.last;
        self.pending.clear();
        self.fresh = true;
        for (event, kind) in self.events.get(mark.given..).unwrap_or_default() {
            let mut e = self.patch(event, kind.clone());
            e.extra.insert("dead_branch".to_owned(), true.into());
            sink(e);
        }
    }

    /// Tokens of a `token_count`: of the response before it, or (0.50) of the one whose items follow. A response that has its
    /// tokens was followed by a compaction's.
    fn counted(&mut self, u: Usage, sink: Sink<'_>) {
        let waits =
            self.fresh && self.boundary == Boundary::Contexts || self.responses.last().is_none_or(|r| r.counted);
        if waits {
            self.spent = Some(u).filter(|u| u.output > Some(0));
        } else {
            self.usage(u, sink);
        }
    }

    fn usage(&mut self, u: Usage, sink: Sink<'_>) {
        let Some(r) = self.responses.last_mut() else { return };
        r.counted = true;
        let Some((event, kind)) = r.first.clone() else { return };
        let mut e = self.patch(&event, kind);
        e.usage = Some(u);
        sink(e);
    }

    /// Calls that will get no result.
    fn end(&mut self, sink: Sink<'_>) {
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
fn input(p: &mut Payload<'_>) -> Value {
    let parse = |v: Value| match v {
        Value::String(s) => serde_json::from_str(&s).ok().filter(Value::is_object).unwrap_or(Value::String(s)),
        other => other,
    };
    p.arguments.take().map(parse).or_else(|| p.input.take()).or_else(|| p.action.take()).unwrap_or_default()
}

/// Text of the client in a message of role user.
fn is_client_text(text: &str) -> bool {
    const HEADS: &[&str] = &[
        "# AGENTS.md instructions",
        "<user_instructions",
        "<skills_instructions",
        "<multi_agent",
        "<turn_aborted",
        "<subagent_notification",
        "<user_shell_command",
        "<skill>",
        "<hook_prompt",
        "<INSTRUCTIONS",
        "<collaboration_mode",
        "<goal_context",
        "<model_switch",
        "<personality",
        "<apps_instructions",
        "<plugins_instructions",
        "<user_action>",
        "Warning: apply_patch was requested via exec_command",
        "Warning: The maximum number of unified exec processes",
    ];
    HEADS.iter().any(|h| text.starts_with(h))
}

/// The thread that a `spawn_agent` began: its output is `{"agent_id": …, "nickname": …}`.
fn spawned(text: &str) -> Option<String> {
    if !text.starts_with('{') || !text.contains("\"agent_id\"") {
        return None;
    }
    let v: Value = serde_json::from_str(text).ok()?;
    v.get("agent_id")?.as_str().map(str::to_owned)
}

fn used(u: Tokens) -> Usage {
    Usage {
        input: u.input_tokens.map(|n| n.saturating_sub(u.cached_input_tokens.unwrap_or(0))),
        output: u.output_tokens,
        cache_read: u.cached_input_tokens,
        cache_write: u.cache_write_input_tokens,
        reasoning: u.reasoning_output_tokens.filter(|n| *n > 0),
    }
}

/// The first line of a prompt that is the user's: images stand before the words.
fn title(text: &str) -> &str {
    let lines = text.lines().map(str::trim);
    let mut own = lines.filter(|l| !l.starts_with("<image") && !l.starts_with("</image") && !l.starts_with("[image"));
    own.find(|l| !l.is_empty()).unwrap_or("")
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner.trim())
}

fn duration_ms(v: &Value) -> Option<u64> {
    let secs = v.get("secs").and_then(Value::as_f64)?;
    let nanos = v.get("nanos").and_then(Value::as_f64).unwrap_or(0.0);
    Some((secs.max(0.0) * 1000.0 + nanos / 1e6).round() as u64)
}

/// The names of changed files, as input of a call that has none of its own.
fn files_of(changes: Option<&Value>) -> Value {
    let files: Vec<&String> = changes.and_then(Value::as_object).map(|m| m.keys().collect()).unwrap_or_default();
    json!({ "files": files })
}

/// `changes` of a patch's end as files with hunks and line numbers.
fn recorded_patch(changes: &Value) -> Option<Value> {
    let mut files = Vec::new();
    for (path, change) in changes.as_object()? {
        let text = |key: &str| change.get(key).and_then(Value::as_str);
        // 0.118 and before nest: {"update": {"unified_diff": …}}
        let (kind, body) = match text("type") {
            Some(kind) => (kind.to_owned(), change.clone()),
            None => {
                let (kind, body) = change.as_object()?.iter().next()?;
                (kind.clone(), body.clone())
            }
        };
        let hunks: Vec<Value> = match (body.get("unified_diff").and_then(Value::as_str), kind.as_str()) {
            (Some(diff), _) => parse_unified(diff)
                .into_iter()
                .map(|h| json!({"line": h.line, "before": h.before, "after": h.after}))
                .collect(),
            (None, "add") => vec![json!({"before": "", "after": body.get("content")})],
            (None, _) => vec![json!({"before": body.get("content"), "after": ""})],
        };
        let mut file = Map::new();
        file.insert("path".to_owned(), path.as_str().into());
        file.insert("change".to_owned(), kind.into());
        if let Some(to) = body.get("move_path").filter(|m| m.is_string()) {
            file.insert("moved_to".to_owned(), to.clone());
        }
        file.insert("hunks".to_owned(), hunks.into());
        files.push(Value::Object(file));
    }
    (!files.is_empty()).then_some(Value::Array(files))
}
