//! Turns the items of one session into events with their proven parents.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::AGENT;
use super::beside::{Answer, Found, text_key};
use super::tools::{ending, patch};
use super::wire::{Attached, Call, Item, Session};
use crate::event::{Event, EventType, Origin, Status, time_from_ms};
use crate::id;
use crate::source::{Report, Sink, first_line};

/// Reads all of `session`; `file` is where it comes from, `created` when it was first saved.
pub(super) fn read(
    session: &Session,
    id: &str,
    created: Option<DateTime<Utc>>,
    found: &Found,
    file: &str,
    report: Report,
    sink: Sink<'_>,
) -> anyhow::Result<Report> {
    let mut reader = Reader {
        session: id,
        cwd: session.workspace.as_deref(),
        found,
        file,
        report,
        position: 0,
        chain: 0,
        pending: Vec::new(),
        open: None,
        used: HashMap::new(),
        given: HashMap::new(),
    };
    reader.header(session, created, sink);
    for item in &session.history {
        reader.item(item, sink);
    }
    Ok(reader.report)
}

struct Reader<'a> {
    session: &'a str,
    cwd: Option<&'a str>,
    found: &'a Found,
    file: &'a str,
    report: Report,
    /// Of the item, from 1.
    position: u64,
    /// Names all items up to this one.
    chain: u64,
    /// What the next response has newly in its context.
    pending: Vec<String>,
    /// A response of which only thoughts were met.
    open: Option<Response>,
    /// How often each call id was used.
    used: HashMap<String, u32>,
    /// Events of calls whose result is still to come, by call id.
    given: HashMap<String, String>,
}

/// One response while its items are read.
struct Response {
    turn: String,
    inputs: Vec<String>,
    /// Its first message or thought.
    hub: Option<String>,
    answer: Option<Answer>,
}

impl Reader<'_> {
    fn event(&self, kind: EventType, native: &str) -> Event {
        Event {
            event_id: id::event_id(AGENT, self.session, native),
            session_id: self.session.to_owned(),
            agent: AGENT.to_owned(),
            event_type: kind,
            source: Origin { file: Some(self.file.to_owned()), line: Some(self.position), hook: None },
            ..Event::default()
        }
    }

    fn put(&mut self, e: Event, sink: Sink<'_>) {
        self.report.events += 1;
        if e.is_call() {
            self.report.calls += 1;
            self.report.unanswered += u64::from(e.status == Some(Status::Running));
        }
        sink(e);
    }

    fn header(&mut self, session: &Session, created: Option<DateTime<Utc>>, sink: Sink<'_>) {
        let mut e = self.event(EventType::Session, "session");
        e.source.line = None;
        let prompt = session.history.iter().find(|i| i.role == "user").map(|i| first_line(&i.text));
        let title = session.title.as_deref().filter(|t| !matches!(*t, "Untitled Session" | "New Session"));
        e.tool_input = title.or(prompt).filter(|t| !t.is_empty()).map(Value::from);
        e.cwd = session.workspace.clone();
        e.model = session.history.iter().find_map(|i| i.model.clone()).or_else(|| session.model.clone());
        // a session of `cn -p` is saved once, at its end
        let calls = self.found.calls.values().flat_map(|t| [t.began, t.ended]);
        let answers = self.found.answers.values().map(|a| Some(a.at));
        e.timestamp = created.into_iter().chain(calls.chain(answers).flatten()).min();
        if let Some(version) = &self.found.version {
            e.extra.insert("version".to_owned(), version.clone().into());
        }
        self.put(e, sink);
    }

    /// The name of an item: its own id, else that of all items up to it.
    fn name(&mut self, item: &Item) -> String {
        let mut key = self.chain.to_le_bytes().to_vec();
        key.extend_from_slice(item.role.as_bytes());
        for part in [item.id.as_deref().unwrap_or(""), &item.text].into_iter().chain(item.calls.iter().map(|c| &*c.id))
        {
            key.push(0);
            key.extend_from_slice(part.as_bytes());
        }
        self.chain = xxh3_64(&key);
        item.id.clone().unwrap_or_else(|| format!("{:016x}", self.chain))
    }

    fn item(&mut self, item: &Item, sink: Sink<'_>) {
        self.position += 1;
        self.report.records += 1;
        let name = self.name(item);
        for _ in 0..item.images {
            self.report.pass_over("image");
        }
        match item.role.as_str() {
            "assistant" => self.assistant(item, &name, sink),
            "thinking" => self.thinking(item, &name, sink),
            "tool" => self.result(item, sink),
            "user" => {
                self.open = None;
                self.user(item, name, sink);
            }
            "system" => self.report.pass_over("system message"),
            other => self.report.unknown(&format!("role {other}")),
        }
    }

    fn user(&mut self, item: &Item, mut name: String, sink: Sink<'_>) {
        if item.id.is_some() {
            name = format!("{name}:{:016x}", text_key(&item.text));
        }
        let mut prompt = None;
        if item.text.trim().is_empty() {
            self.report.pass_over("empty prompt");
        } else {
            let mut e = self.event(EventType::UserInput, &format!("prompt:{name}"));
            e.tool_input = Some(item.text.clone().into());
            e.native_id = item.id.clone();
            prompt = Some(e.event_id.clone());
            self.pending.push(e.event_id.clone());
            self.put(e, sink);
        }
        for (i, Attached { name: title, content }) in item.attached.iter().enumerate() {
            let mut e = self.event(EventType::ContextUpdate, &format!("context:{name}:{i}"));
            e.tool_input = Some(content.clone().into());
            e.native_id = item.id.clone();
            e.parents = prompt.iter().cloned().collect();
            if !title.is_empty() {
                e.extra.insert("title".to_owned(), title.clone().into());
            }
            self.pending.push(e.event_id.clone());
            self.put(e, sink);
        }
        self.summary(item, &name, sink);
    }

    /// The response that an item belongs to: the one that its thoughts began, or a new one.
    fn response(&mut self, name: &str) -> Response {
        self.open.take().unwrap_or_else(|| Response {
            turn: name.to_owned(),
            inputs: std::mem::take(&mut self.pending),
            hub: None,
            answer: None,
        })
    }

    /// Gives an event its place in a response.
    fn place(&mut self, response: &mut Response, mut e: Event, item: &Item, sink: Sink<'_>) {
        e.parents = response.hub.as_ref().map_or_else(|| response.inputs.clone(), |hub| vec![hub.clone()]);
        if response.hub.is_none() && !e.is_call() {
            response.hub = Some(e.event_id.clone());
        }
        e.turn_id = Some(response.turn.clone());
        e.native_id = item.id.clone();
        let answer = response.answer.as_ref();
        e.model = item.model.clone().or_else(|| answer?.model.clone());
        e.provider = item.provider.clone().or_else(|| answer?.provider.clone());
        self.put(e, sink);
    }

    fn thinking(&mut self, item: &Item, name: &str, sink: Sink<'_>) {
        if item.text.trim().is_empty() && item.thought.is_none() {
            self.report.pass_over("empty thought");
            return;
        }
        let mut response = self.response(name);
        let mut e = self.event(EventType::Reasoning, &format!("reasoning:{name}"));
        let thought = item.thought.as_ref();
        let text = if item.text.trim().is_empty() { thought.map_or("", |t| &t.text) } else { &item.text };
        e.tool_input = Some(text.into());
        e.timestamp = thought.and_then(|t| t.start).and_then(time_from_ms);
        e.duration_ms = thought.and_then(|t| span(t.start, t.end));
        self.place(&mut response, e, item, sink);
        self.open = Some(response);
    }

    fn assistant(&mut self, item: &Item, name: &str, sink: Sink<'_>) {
        let summed_up = item.summary.as_deref().is_some_and(|s| s.trim() == item.text.trim());
        let says = !item.text.trim().is_empty() && !summed_up;
        if !says && item.calls.is_empty() && item.thought.is_none() {
            // the extensions keep one beside the item with the calls
            if item.summary.is_none() {
                self.report.pass_over("empty answer");
            }
            self.summary(item, name, sink);
            return;
        }
        let mut response = self.response(name);
        response.answer = self.found.answers.get(&text_key(&item.text)).filter(|_| says).cloned();
        let mut usage = item.usage;
        if let Some(thought) = &item.thought {
            let mut e = self.event(EventType::Reasoning, &format!("reasoning:{name}"));
            e.tool_input = Some(thought.text.clone().into());
            e.timestamp = thought.start.and_then(time_from_ms);
            e.duration_ms = span(thought.start, thought.end);
            e.usage = usage.take();
            self.place(&mut response, e, item, sink);
        }
        if says {
            let mut e = self.event(EventType::Message, &format!("message:{name}"));
            e.tool_input = Some(item.text.clone().into());
            e.timestamp = response.answer.as_ref().map(|a| a.at);
            e.usage = usage.take();
            self.place(&mut response, e, item, sink);
        }
        let mut results = Vec::new();
        for call in &item.calls {
            let mut e = self.call(call);
            e.usage = usage.take();
            e.timestamp = e.timestamp.or_else(|| response.answer.as_ref().map(|a| a.at));
            if e.status == Some(Status::Running) && e.tool_output.is_none() {
                self.given.insert(call.id.clone(), e.event_id.clone());
            } else {
                results.push(e.event_id.clone());
            }
            self.place(&mut response, e, item, sink);
        }
        self.pending.splice(0..0, results);
        self.summary(item, name, sink);
    }

    fn call(&mut self, call: &Call) -> Event {
        let n = self.used.entry(call.id.clone()).or_default();
        *n += 1;
        let (n, mut native) = (*n, format!("call:{}", call.id));
        if n > 1 {
            native.push_str(&format!("#{n}"));
        }
        let mut e = self.event(EventType::ToolCall, &native);
        e.tool_name = Some(call.name.clone());
        e.tool_input = call.input.clone();
        e.tool_output = call.output.clone().map(Value::from);
        e.call_id = Some(call.id.clone()).filter(|id| !id.is_empty());
        e.cwd = self.cwd.map(str::to_owned);
        let times = self.found.calls.get(&call.id).filter(|_| n == 1);
        let (status, exit_code) = ending(call, times.and_then(|t| t.succeeded));
        e.status = Some(status);
        e.exit_code = exit_code;
        if let Some(patch) = patch(call) {
            e.extra.insert("patch".to_owned(), patch);
        }
        if let Some(times) = times {
            e.timestamp = times.began;
            let ended = times.ended.filter(|_| status != Status::Running);
            e.duration_ms = times.began.zip(ended).and_then(|(b, e)| u64::try_from((e - b).num_milliseconds()).ok());
            if let Some(ended) = ended {
                let ended = ended.to_rfc3339_opts(SecondsFormat::Millis, true);
                e.extra.insert("ended_at".to_owned(), ended.into());
            }
        }
        e
    }

    /// A result that is an item of its own (the extensions): mostly the call tells it too.
    fn result(&mut self, item: &Item, sink: Sink<'_>) {
        let Some(call) = item.answers.as_deref().filter(|c| self.used.contains_key(*c)) else {
            self.report.orphans += 1;
            return;
        };
        let Some(event_id) = self.given.remove(call) else {
            self.report.pass_over("result that the call tells too");
            return;
        };
        let mut e = self.event(EventType::ToolCall, "");
        e.event_id.clone_from(&event_id);
        e.tool_output = Some(item.text.clone().into());
        e.status = Some(Status::Ok);
        self.report.unanswered = self.report.unanswered.saturating_sub(1);
        self.pending.push(event_id);
        sink(e);
    }

    /// The summary that replaces all that stands before it in the context.
    fn summary(&mut self, item: &Item, name: &str, sink: Sink<'_>) {
        let Some(summary) = &item.summary else { return };
        let mut e = self.event(EventType::ContextUpdate, &format!("context:{name}:summary"));
        e.tool_input = Some(summary.clone().into());
        e.native_id = item.id.clone();
        e.parents = std::mem::take(&mut self.pending);
        e.extra.insert("compaction".to_owned(), true.into());
        self.open = None;
        self.pending.push(e.event_id.clone());
        self.put(e, sink);
    }
}

fn span(start: Option<i64>, end: Option<i64>) -> Option<u64> {
    u64::try_from(end?.checked_sub(start?)?).ok()
}
