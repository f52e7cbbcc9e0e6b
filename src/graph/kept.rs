//! A graph of heads as bytes and back, for the store to keep between two looks.
//!
//! A head is all that the views of many events show of one: an event without its output, without the input of a call whose
//! action says it, and without what only its own record tells (model, directory, place in the agent's file, patches). It is made
//! up again as an [`Event`] in which these are missing; that is why only [`Whole`] has what needs them.
//!
//! The bytes come from a file that anybody may have written: each index is checked, and a cause stands before its effect.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::DateTime;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Graph, Whole};
use crate::action::Action;
use crate::causality::{Cause, Evidence, Kind, rule_named};
use crate::event::{Event, EventType, Status, Usage};

/// Events of a block: enough to be read at once, and few enough to be held beside the graph.
const BLOCK: usize = 256;

/// What is not of one event.
#[derive(Serialize, Deserialize)]
struct Table<'a> {
    events: usize,
    cut: Vec<(usize, usize)>,
    cwd: Option<&'a str>,
    /// Names that many events share: of sessions, agents, tools, types, rules.
    #[serde(borrow)]
    names: Vec<&'a str>,
}

/// One event. Names are indices into the table.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    event_id: &'a str,
    session: usize,
    agent: usize,
    event_type: usize,
    tool: Option<usize>,
    agent_id: Option<usize>,
    call_id: Option<&'a str>,
    turn_id: Option<&'a str>,
    native_id: Option<&'a str>,
    status: Option<usize>,
    exit_code: Option<i64>,
    /// Seconds since 1970, and nanoseconds of the second.
    timestamp: Option<(i64, u32)>,
    duration_ms: Option<u64>,
    usage: Option<[Option<u64>; 5]>,
    #[serde(borrow)]
    input: Input<'a>,
    /// Plain values of further keys, as JSON; empty where there are none.
    #[serde(borrow)]
    extra: Cow<'a, str>,
    action: Action,
    answer: bool,
    parents: Vec<usize>,
    missing: Vec<&'a str>,
    causes: Vec<CauseRow<'a>>,
}

#[derive(Serialize, Deserialize)]
enum Input<'a> {
    None,
    Text(&'a str),
    #[serde(borrow)]
    Json(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
struct CauseRow<'a> {
    event: usize,
    kind: Kind,
    confidence: f32,
    rule: usize,
    /// Text and place.
    #[serde(borrow)]
    evidence: Option<(&'a str, &'a str)>,
}

impl Graph {
    /// The heads of the graph, in blocks of bytes.
    pub fn to_blocks(&self) -> Vec<Vec<u8>> {
        let mut names = Names::default();
        for e in &self.events {
            let all = [e.session_id.as_str(), &e.agent, e.event_type.as_str()].into_iter();
            let some = [e.tool_name.as_deref(), e.agent_id.as_deref(), e.status.map(Status::as_str)];
            all.chain(some.into_iter().flatten()).for_each(|n| names.add(n));
        }
        self.causes.iter().flatten().for_each(|c| names.add(c.rule));
        let table =
            Table { events: self.events.len(), cut: self.cut.clone(), cwd: self.cwd(), names: names.all.clone() };
        let all: Vec<usize> = (0..self.events.len()).collect();
        let rows = all.par_chunks(BLOCK).map(|block| {
            let row = |bytes: Vec<u8>, i: &usize| postcard::to_extend(&self.row(*i, &names), bytes).unwrap_or_default();
            block.iter().fold(Vec::new(), row)
        });
        std::iter::once(postcard::to_stdvec(&table).unwrap_or_default()).chain(rows.collect::<Vec<_>>()).collect()
    }

    fn row<'a>(&'a self, i: usize, names: &Names<'a>) -> Row<'a> {
        let e = &self.events[i];
        let input = match &self.actions[i] {
            Action::Other | Action::Plan | Action::Ask => e.tool_input.as_ref(),
            // the action says it
            _ => None,
        };
        let plain = e.extra.iter().filter(|(_, v)| !v.is_array() && !v.is_object());
        let extra: Map<String, Value> = plain.map(|(k, v)| (k.clone(), v.clone())).collect();
        let cause = |c: &'a Cause| CauseRow {
            event: c.event,
            kind: c.kind,
            confidence: c.confidence,
            rule: names.of(c.rule),
            evidence: c.evidence.as_ref().map(|e| (e.text.as_str(), e.place.as_str())),
        };
        Row {
            event_id: &e.event_id,
            session: names.of(&e.session_id),
            agent: names.of(&e.agent),
            event_type: names.of(e.event_type.as_str()),
            tool: e.tool_name.as_deref().map(|n| names.of(n)),
            agent_id: e.agent_id.as_deref().map(|n| names.of(n)),
            call_id: e.call_id.as_deref(),
            turn_id: e.turn_id.as_deref(),
            native_id: e.native_id.as_deref(),
            status: e.status.map(|s| names.of(s.as_str())),
            exit_code: e.exit_code,
            timestamp: e.timestamp.map(|t| (t.timestamp(), t.timestamp_subsec_nanos())),
            duration_ms: e.duration_ms,
            usage: e.usage.map(|u| [u.input, u.output, u.cache_read, u.cache_write, u.reasoning]),
            input: match input {
                None => Input::None,
                Some(Value::String(text)) => Input::Text(text),
                Some(other) => Input::Json(other.to_string().into()),
            },
            extra: if extra.is_empty() { "".into() } else { Value::Object(extra).to_string().into() },
            action: self.actions[i].head(),
            answer: self.answers[i],
            parents: self.parents[i].clone(),
            missing: self.missing[i].iter().map(String::as_str).collect(),
            causes: self.causes[i].iter().map(cause).collect(),
        }
    }

    /// The graph of which these are the blocks; none where they are of no graph. Each block is dropped as soon as it is read.
    pub fn from_blocks(mut blocks: impl Iterator<Item = Vec<u8>>) -> Option<Self> {
        let table = blocks.next()?;
        let table: Table<'_> = postcard::from_bytes(&table).ok()?;
        let n = table.events;
        if table.cut.iter().any(|(a, b)| *a >= n || *b >= n) {
            return None;
        }
        let names: Vec<Name<'_>> = table.names.iter().map(|n| Name::of(n)).collect();
        let mut graph = Self { cut: table.cut, cwd: table.cwd.map(str::to_owned), ..Self::default() };
        // a made-up number of events costs no memory
        graph.reserve(n.min(1 << 20));
        for block in blocks {
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let (row, behind) = postcard::take_from_bytes::<Row<'_>>(rest).ok()?;
                graph.push(row, &names)?;
                rest = behind;
            }
        }
        (graph.events.len() == n).then_some(graph)
    }

    fn reserve(&mut self, events: usize) {
        self.events.reserve_exact(events);
        self.actions.reserve_exact(events);
        self.parents.reserve_exact(events);
        self.missing.reserve_exact(events);
        self.causes.reserve_exact(events);
        self.answers.reserve_exact(events);
    }

    /// Adds the head of the next event.
    fn push(&mut self, row: Row<'_>, names: &[Name<'_>]) -> Option<()> {
        let i = self.events.len();
        let name = |at: usize| names.get(at).map(|n| n.text.to_owned());
        let some = |at: Option<usize>| at.map_or(Some(None), |at| name(at).map(Some));
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut event = Event {
            event_id: row.event_id.to_owned(),
            session_id: name(row.session)?,
            agent: name(row.agent)?,
            event_type: EventType::from_name(names.get(row.event_type)?.text),
            tool_name: some(row.tool)?,
            agent_id: some(row.agent_id)?,
            call_id: owned(row.call_id),
            turn_id: owned(row.turn_id),
            native_id: owned(row.native_id),
            exit_code: row.exit_code,
            duration_ms: row.duration_ms,
            ..Event::default()
        };
        if let Some(at) = row.status {
            event.status = Some(Status::from_name(names.get(at)?.text)?);
        }
        if let Some((seconds, nanos)) = row.timestamp {
            event.timestamp = Some(DateTime::from_timestamp(seconds, nanos)?);
        }
        event.usage = row.usage.map(|[input, output, cache_read, cache_write, reasoning]| Usage {
            input,
            output,
            cache_read,
            cache_write,
            reasoning,
        });
        event.tool_input = match row.input {
            Input::None => None,
            Input::Text(text) => Some(text.into()),
            Input::Json(json) => Some(serde_json::from_str(&json).ok()?),
        };
        if !row.extra.is_empty() {
            event.extra = serde_json::from_str(&row.extra).ok()?;
        }
        let cause = |c: CauseRow<'_>| {
            let evidence = c.evidence.map(|(text, place)| Evidence { text: text.to_owned(), place: place.to_owned() });
            let rule = names.get(c.rule)?.rule?;
            (c.event < i).then_some(Cause { event: c.event, kind: c.kind, confidence: c.confidence, rule, evidence })
        };
        self.causes.push(row.causes.into_iter().map(cause).collect::<Option<_>>()?);
        self.parents.push(Some(row.parents).filter(|p| p.iter().all(|p| *p < i))?);
        self.missing.push(row.missing.into_iter().map(str::to_owned).collect());
        self.actions.push(row.action);
        self.answers.push(row.answer);
        self.events.push(event);
        Some(())
    }
}

impl Whole {
    /// The graph of whole events with the causes of a graph of their heads; links them where that is of other events.
    pub fn with_causes(events: Vec<Event>, action_of: &(dyn Fn(&Event) -> Action + Sync), heads: Graph) -> Self {
        Self::build(events, action_of, |events| {
            fn ids(all: &[Event]) -> impl Iterator<Item = &str> {
                all.iter().map(|e| e.event_id.as_str())
            }
            match ids(events).eq(ids(&heads.events)) {
                true => heads.causes,
                false => crate::causality::link(events, action_of),
            }
        })
    }
}

/// A shared name.
struct Name<'a> {
    text: &'a str,
    /// The rule of that name.
    rule: Option<&'static str>,
}

impl<'a> Name<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, rule: rule_named(text) }
    }
}

/// Names and their numbers, while they are gathered.
#[derive(Default)]
struct Names<'a> {
    all: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str) {
        if !self.numbers.contains_key(name) {
            self.numbers.insert(name, self.all.len());
            self.all.push(name);
        }
    }

    fn of(&self, name: &str) -> usize {
        // one that was not gathered is none in the table either
        self.numbers.get(name).copied().unwrap_or(usize::MAX)
    }
}
