//! The extension's transcript of a session: `transcripts/<session>.jsonl`, written where hooks are configured.
//!
//! Records have Copilot CLI's words, but other shapes: arguments are JSON in a string, `turnId` repeats with each prompt, and
//! `parentId` is the record before. It is flushed while a request runs, before the chat's own file is; a file that was begun late has the
//! history of the session replayed at its head, without the runs of calls.
//!
//! Where the chat's own file is there, it has the say: this one adds times, and what the chat does not tell yet.

use std::collections::HashMap;
use std::io::BufRead;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::super::AGENT;
use super::round::arguments;
use super::timing::Timing;
use super::wire::{list, plain_id, text};
use crate::event::{Event, EventType, Origin, Status, parse_time};
use crate::id;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink};

/// What the chat's own file told, so that it is not told again.
#[derive(Default)]
pub(super) struct Told {
    /// Events by the words that they have.
    words: HashMap<u64, String>,
    /// Ids of events of calls.
    calls: HashMap<String, String>,
}

impl Told {
    /// Takes note of an event.
    pub(super) fn note(&mut self, e: &Event) {
        match e.event_type {
            EventType::UserInput | EventType::Message | EventType::Reasoning => {
                self.words.entry(key(&e.input_text())).or_insert_with(|| e.event_id.clone());
            }
            EventType::ToolCall => {
                for id in [&e.call_id, &e.native_id].into_iter().flatten() {
                    self.calls.insert(plain_id(id).to_owned(), e.event_id.clone());
                }
            }
            _ => {}
        }
    }
}

fn key(words: &str) -> u64 {
    xxh3_64(words.trim().as_bytes())
}

/// Gathers the times and endings of calls.
///
/// # Errors
/// The file cannot be read on.
pub(super) fn timing(reader: impl BufRead, timing: &mut Timing) -> std::io::Result<()> {
    let mut lines = Lines::new(reader);
    let mut scratch = String::new();
    while let Some(line) = lines.next()? {
        let Some(bytes) = line.bytes else { continue };
        for record in records::<Value>(bytes, &mut scratch).into_iter().flatten() {
            let data = record.get("data").unwrap_or(&Value::Null);
            let at = text(&record, "timestamp").and_then(parse_time).map(|t| t.timestamp_millis());
            let call = text(data, "toolCallId").map(plain_id);
            match (text(&record, "type"), call) {
                (Some("session.start"), _) => {
                    timing.version = text(data, "copilotVersion").map(str::to_owned);
                }
                (Some("tool.execution_start"), Some(call)) => timing.of(call).started = at,
                (Some("tool.execution_complete"), Some(call)) => {
                    let fact = timing.of(call);
                    fact.took = fact.started.zip(at).and_then(|(from, to)| u64::try_from(to.checked_sub(from)?).ok());
                    fact.ok = data.get("success").and_then(Value::as_bool);
                    fact.output = data.get("result").and_then(|r| text(r, "content")).map(str::to_owned);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Reads a transcript into events: all, or what the chat did not tell. `beside_chats` says that a chat's own file may come, which then
/// has the say: the words are marked as those of a hook are, which give way to the file's.
///
/// # Errors
/// The file cannot be read on.
pub(super) fn read(
    reader: impl BufRead,
    file: &str,
    session: &str,
    cwd: Option<String>,
    told: Option<&Told>,
    beside_chats: bool,
    sink: Sink<'_>,
) -> std::io::Result<Report> {
    let mut t = Reader {
        file,
        session,
        cwd,
        told,
        mark: (told.is_some() || beside_chats).then(|| "transcript".to_owned()),
        report: Report::default(),
        line: 0,
        inputs: Vec::new(),
        pending: Vec::new(),
        turn: None,
        hub: None,
        prompt: None,
        starts: HashMap::new(),
    };
    let mut lines = Lines::new(reader);
    let mut scratch = String::new();
    while let Some(line) = lines.next()? {
        t.line = line.number;
        t.report.records += 1;
        let Some(bytes) = line.bytes else {
            t.report.bad(file, t.line, "line too long");
            continue;
        };
        match records::<Value>(bytes, &mut scratch) {
            Ok(all) => all.for_each(|r| t.record(&r, sink)),
            Err(reason) => t.report.bad(file, t.line, reason),
        }
    }
    Ok(t.report)
}

struct Reader<'a> {
    file: &'a str,
    session: &'a str,
    cwd: Option<String>,
    told: Option<&'a Told>,
    mark: Option<String>,
    report: Report,
    line: u64,
    /// What the response that is met has newly in its context.
    inputs: Vec<String>,
    /// The same for the next one.
    pending: Vec<String>,
    turn: Option<String>,
    /// First message or thought of the response.
    hub: Option<String>,
    /// A prompt that is given once something comes of it that the chat does not tell.
    prompt: Option<Event>,
    /// Starts of calls that run.
    starts: HashMap<String, i64>,
}

impl Reader<'_> {
    fn event(&self, kind: EventType, event_id: String, record: &Value) -> Event {
        Event {
            event_id,
            session_id: self.session.to_owned(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: text(record, "timestamp").and_then(parse_time),
            cwd: self.cwd.clone(),
            source: Origin { file: Some(self.file.to_owned()), line: Some(self.line), hook: self.mark.clone() },
            ..Event::default()
        }
    }

    fn put(&mut self, e: Event, sink: Sink<'_>) {
        if let Some(prompt) = self.prompt.take() {
            self.report.events += 1;
            sink(prompt);
        }
        self.report.events += 1;
        sink(e);
    }

    fn record(&mut self, record: &Value, sink: Sink<'_>) {
        let data = record.get("data").unwrap_or(&Value::Null);
        let id = text(record, "id").unwrap_or_default();
        match text(record, "type").unwrap_or_default() {
            "session.start" => self.start(record, data, sink),
            "user.message" => self.user(record, data, id, sink),
            "assistant.turn_start" => {
                self.turn = Some(id.to_owned());
                self.hub = None;
                self.inputs = std::mem::take(&mut self.pending);
            }
            "assistant.message" => self.message(record, data, id, sink),
            "tool.execution_start" => {
                let call = text(data, "toolCallId").map(plain_id).unwrap_or_default();
                let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.session, call), record);
                if let Some(t) = e.timestamp {
                    self.starts.insert(call.to_owned(), t.timestamp_millis());
                }
                if self.told.is_none_or(|t| !t.calls.contains_key(call)) {
                    e.status = Some(Status::Running);
                    sink(e);
                }
            }
            "tool.execution_complete" => self.complete(record, data, sink),
            "assistant.turn_end" => self.report.pass_over("assistant.turn_end"),
            "" => self.report.bad(self.file, self.line, "a record without a type"),
            other => self.report.unknown(other),
        }
    }

    fn start(&mut self, record: &Value, data: &Value, sink: Sink<'_>) {
        if self.told.is_some() {
            return;
        }
        if self.cwd.is_none() {
            self.cwd = data.get("context").and_then(|c| text(c, "cwd")).map(str::to_owned);
        }
        let mut e = self.event(EventType::Session, id::session(AGENT, self.session), record);
        e.timestamp = text(data, "startTime").and_then(parse_time).or(e.timestamp);
        if let Some(version) = text(data, "copilotVersion") {
            e.extra.insert("version".to_owned(), version.into());
        }
        e.extra.insert("client".to_owned(), "vscode".into());
        self.report.events += 1;
        sink(e);
    }

    /// The event with these words that the chat told.
    fn known(&self, words: &str) -> Option<String> {
        self.told?.words.get(&key(words)).cloned()
    }

    fn user(&mut self, record: &Value, data: &Value, id: &str, sink: Sink<'_>) {
        let words = text(data, "content").unwrap_or_default();
        self.turn = None;
        if let Some(known) = self.known(words) {
            self.prompt = None;
            self.pending = vec![known];
            return;
        }
        let mut e =
            self.event(EventType::UserInput, id::event_id(AGENT, self.session, &format!("prompt:{id}")), record);
        e.tool_input = Some(words.into());
        e.native_id = Some(id.to_owned());
        let attached = list(data, "attachments");
        let attached: Vec<&str> = attached.iter().filter_map(|a| a.as_str().or_else(|| text(a, "path"))).collect();
        if !attached.is_empty() {
            e.extra.insert("attachments".to_owned(), attached.into());
        }
        if self.told.is_some() {
            // the chat knows it, with other words: it is no parent here
            self.pending = vec![e.event_id.clone()];
            self.prompt = Some(e);
            return;
        }
        self.pending.push(e.event_id.clone());
        self.put(e, sink);
    }

    fn message(&mut self, record: &Value, data: &Value, id: &str, sink: Sink<'_>) {
        let message = text(data, "messageId").unwrap_or(id);
        if self.turn.is_none() {
            self.turn = Some(id.to_owned());
            self.hub = None;
            self.inputs = std::mem::take(&mut self.pending);
        }
        let said = [
            (EventType::Reasoning, "reasoning", text(data, "reasoningText")),
            (EventType::Message, "message", text(data, "content")),
        ];
        for (kind, name, words) in said {
            let Some(words) = words.filter(|w| !w.trim().is_empty()) else { continue };
            if let Some(known) = self.known(words) {
                self.prompt = None;
                self.hub.get_or_insert(known);
                continue;
            }
            let native = format!("{name}:{message}");
            let mut e = self.event(kind, id::event_id(AGENT, self.session, &native), record);
            e.tool_input = Some(words.into());
            e.native_id = Some(message.to_owned());
            self.place(&mut e);
            self.hub.get_or_insert(e.event_id.clone());
            self.put(e, sink);
        }
        for request in list(data, "toolRequests") {
            let call = text(request, "toolCallId").map(plain_id).unwrap_or_default();
            if let Some(known) = self.told.and_then(|t| t.calls.get(call)) {
                self.prompt = None;
                self.pending.push(known.clone());
                continue;
            }
            let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.session, call), record);
            e.timestamp = None;
            e.tool_name = text(request, "name").map(str::to_owned);
            e.tool_input = arguments(request);
            e.call_id = Some(call.to_owned());
            e.native_id = Some(call.to_owned());
            e.status = Some(Status::Running);
            self.place(&mut e);
            self.pending.push(e.event_id.clone());
            self.report.calls += 1;
            self.report.unanswered += 1;
            self.put(e, sink);
        }
    }

    fn place(&self, e: &mut Event) {
        e.turn_id.clone_from(&self.turn);
        e.parents = self.hub.as_ref().map_or_else(|| self.inputs.clone(), |hub| vec![hub.clone()]);
    }

    fn complete(&mut self, record: &Value, data: &Value, sink: Sink<'_>) {
        let call = text(data, "toolCallId").map(plain_id).unwrap_or_default();
        let started = self.starts.remove(call);
        if self.told.is_some_and(|t| t.calls.contains_key(call)) {
            return;
        }
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.session, call), record);
        let ended = e.timestamp.take().map(|t| t.timestamp_millis());
        e.duration_ms = started.zip(ended).and_then(|(from, to)| u64::try_from(to.checked_sub(from)?).ok());
        let success = data.get("success").and_then(Value::as_bool);
        e.status = success.map(|ok| if ok { Status::Ok } else { Status::Error });
        e.tool_output = data.get("result").and_then(|r| text(r, "content")).map(Value::from);
        if started.is_none() {
            self.report.orphans += 1;
        }
        self.report.unanswered = self.report.unanswered.saturating_sub(1);
        sink(e);
    }
}
