//! Reads a rollout into events, line by line: what a line is, and the state that lines leave to later ones. What each kind of
//! line means stands in the files beside this one.

mod call;
mod call_end;
mod compaction;
mod context;
mod fork;
mod head;
mod passed_over;
mod patch;
mod response;
mod usage;

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use self::call::Call;
use self::compaction::Mark;
use self::passed_over::PASSED_OVER;
use self::response::{Boundary, Response};
use self::usage::used;
use super::output::text_of;
use super::wire::{Boxed, Item, Line, Payload, Tokens};
use super::{AGENT, open};
use crate::event::{Event, EventType, Origin, Usage, parse_time};
use crate::id;
use crate::source::given::Given;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript};

pub(super) fn read(transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    let name = transcript.path.to_string_lossy().into_owned();
    let reader = open(&transcript.path)?;
    let mut lines = Lines::new(reader);
    let mut state = Reader::new(transcript.session_id.clone());
    let mut origin = Origin { file: Some(name.clone()), ..Origin::default() };
    let (mut scratch, mut scratch2) = (String::new(), String::new());
    while let Some(line) = lines.next().with_context(|| format!("cannot read {name}"))? {
        state.report.records += 1;
        let Some(bytes) = line.bytes else {
            state.report.bad(&name, line.number, "the line is longer than 256 MiB");
            continue;
        };
        origin.line = Some(line.number);
        match records::<Line<'_>>(bytes, &mut scratch) {
            Ok(found) => {
                for wire in found {
                    // lines of 2025 have no wrapper: the line itself is the payload
                    if wire.payload.is_some() || wire.record_type.is_some() {
                        state.line(wire, &origin, sink);
                    } else {
                        match records::<Boxed<'_>>(bytes, &mut scratch2) {
                            Ok(bare) => bare.for_each(|mut p| state.bare(&mut p.0, &origin, sink)),
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

/// What all events of a line share.
struct Place<'a> {
    timestamp: Option<&'a str>,
    /// Where an item stands in the thread's history, and up to where the request held it which produced it (0.155 and later).
    sequence: Option<u64>,
    sampled: Option<u64>,
    origin: &'a Origin,
}

impl Place<'_> {
    /// Its time, looked at only where it is used: most lines repeat what another says.
    fn time(&self) -> Option<DateTime<Utc>> {
        self.timestamp.and_then(parse_time)
    }
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
    events: Vec<Given>,
    marks: Vec<Mark>,
    /// Tokens told before what they were spent on (a response of 0.50, a compaction).
    spent: Option<Usage>,
    /// Prompts and injected texts since the last response began, with their place in the history.
    pending: Vec<(Uuid, Option<u64>)>,
    /// By [`call::key`] of the id.
    calls: HashMap<u64, Call>,
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
        let p = &mut *wire.payload.take().map(|b| b.0).unwrap_or_default();
        let wire = &wire;
        let kind = wire.kind.as_deref().or(wire.record_type.as_deref()).unwrap_or("(no type)");
        let meta = wire.metadata.as_ref();
        let place = &Place {
            timestamp: wire.timestamp.as_deref(),
            sequence: meta.and_then(|m| m.history_sequence),
            sampled: meta.and_then(|m| m.sampled_through_sequence),
            origin,
        };
        if kind == "session_meta" {
            self.meta(p, place, sink);
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
            "turn_context" => self.turn_context(p, place, sink),
            "response_item" if meta.is_some_and(|m| m.compaction_output == Some(true)) => self.sum_up(p, place, sink),
            "response_item" => self.item(p, place, sink),
            "event_msg" => self.event_msg(p, place, sink),
            "compacted" => self.compacted(p, place, sink),
            "token_usage_record" => {
                self.records_tell_usage = true;
                if let Some(u) = &p.usage {
                    self.usage(used(**u), sink);
                }
            }
            k if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            other => self.report.unknown(other),
        }
    }

    /// A line without a wrapper: the head, or an item.
    fn bare(&mut self, p: &mut Payload<'_>, origin: &Origin, sink: Sink<'_>) {
        let place = &Place { timestamp: None, sequence: None, sampled: None, origin };
        match p.kind.as_deref() {
            Some(_) => self.item(p, place, sink),
            None if p.id.is_some() => self.meta(p, place, sink),
            None => self.report.unknown("(no type)"),
        }
    }

    fn event(&self, kind: EventType, event_id: String, place: &Place<'_>) -> Event {
        Event {
            event_id,
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: place.time(),
            source: place.origin.clone(),
            ..Event::default()
        }
    }

    fn item(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        if !self.given {
            self.header.source = place.origin.clone();
            self.give_header(sink);
        }
        let kind = p.kind.take();
        let kind = kind.as_deref().unwrap_or("(no type)");
        match (kind, p.role.as_deref()) {
            ("message", Some("assistant")) => {
                let text = p.content.map(text_of).unwrap_or_default();
                self.said(EventType::Message, text, p, place, sink);
            }
            ("message", Some("user")) => self.user(p, place, sink),
            ("message", _) => self.report.pass_over("instructions"),
            ("reasoning", _) => {
                let mut text = p.summary.map(text_of).unwrap_or_default();
                if text.trim().is_empty() {
                    text = p.content.map(text_of).unwrap_or_default();
                }
                if text.trim().is_empty() {
                    self.report.pass_over("encrypted reasoning");
                    // it is part of the response all the same
                    self.response(place.sampled);
                } else {
                    self.said(EventType::Reasoning, text, p, place, sink);
                }
            }
            ("agent_message", _) => self.mail(p, place, sink),
            (k, _) if k.ends_with("_output") && p.call_id.is_some() => self.result(p, place, sink),
            (k, _) if k.ends_with("_call") => self.call(k, p, place, sink),
            (k, _) if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            (other, _) => self.report.unknown(other),
        }
    }

    /// Gives an event that is met for the first time.
    fn first(&mut self, e: Event, given: Given, sink: Sink<'_>) {
        self.events.push(given);
        self.report.events += 1;
        sink(e);
    }

    /// What became known of an event that has been given.
    fn later(&self, given: Given) -> Event {
        self.patch(&given.event.to_string(), given.event_type())
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

    fn event_msg(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
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
                let mut e = self.event(EventType::ContextUpdate, event_id, place);
                e.tool_input = Some(format!("rolled back {} turn(s)", p.num_turns.unwrap_or(0)).into());
                e.extra.insert("rolled_back".to_owned(), p.num_turns.unwrap_or(0).into());
                self.roll_back(p.num_turns.unwrap_or(0), sink);
                let given = Given::of(&e);
                self.first(e, given, sink);
            }
            "exec_command_end" | "patch_apply_end" | "mcp_tool_call_end" => {
                let item = Item {
                    id: p.call_id.take(),
                    exit_code: p.exit_code,
                    duration: p.duration,
                    changes: p.changes,
                    result: p.result,
                    command: p.command,
                    aggregated_output: p.aggregated_output,
                    status: p.success.map(|s| if s { "completed" } else { "failed" }.into()),
                    kind: Some(kind.into()),
                    ..Item::default()
                };
                self.ended(&item, None, place, sink);
            }
            "item_completed" => match &p.item {
                Some(item) => {
                    let took = p.started_at_ms.zip(p.completed_at_ms);
                    self.ended(item, took, place, sink);
                }
                None => self.report.unknown("item_completed without item"),
            },
            k if PASSED_OVER.contains(&k) => self.report.pass_over(k),
            other => self.report.unknown(&format!("event {other}")),
        }
    }
}
