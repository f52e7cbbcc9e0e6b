//! Exports of the extension's request log (`*.chatreplay.json`): every request to a model with all its messages, and every call.
//!
//! A prompt comes once for each response that it took. The export has no session: it is named after the id of its first request, which
//! is the same for all responses to one prompt. The messages of a request name the results that it was given (`toolCallId`).

use std::collections::HashSet;

use serde_json::Value;

use super::super::AGENT;
use super::result::status;
use super::round::{arguments_text, usage};
use super::wire::{list, number, plain_id, text};
use crate::event::{Event, EventType, Origin, Status, parse_time};
use crate::id;
use crate::source::{Report, Sink, first_line};

/// Reads an export. `known` is the session's id, where the caller has one.
pub(super) fn read(export: &Value, file: &str, known: Option<&str>, sink: Sink<'_>) -> Report {
    // one prompt may be exported alone
    let alone = [export.clone()];
    let prompts = if export.get("prompts").is_some() { list(export, "prompts") } else { &alone };
    let requests = || prompts.iter().flat_map(|p| list(p, "logs")).filter(|l| text(l, "kind") == Some("request"));
    let first = requests().find_map(|l| request_id(l));
    let session = known.or(first).unwrap_or("chatreplay");
    let mut r = Reader {
        session,
        file,
        report: Report::default(),
        position: 0,
        prompt: None,
        seen: HashSet::new(),
        calls: HashSet::new(),
        turn: None,
        hub: None,
        inputs: Vec::new(),
        asked: false,
    };
    let start = requests().find_map(|l| text(l.get("metadata")?, "startTime"));
    let mut header = r.event(EventType::Session, id::session(AGENT, session), start);
    header.tool_input = prompts.iter().find_map(|p| text(p, "prompt")).map(|p| first_line(p).into());
    header.model = requests().find_map(|l| text(l.get("metadata")?, "model")).map(str::to_owned);
    header.extra.insert("client".to_owned(), "vscode".into());
    r.put(header, sink);
    for prompt in prompts {
        let words = text(prompt, "prompt").unwrap_or_default();
        for log in list(prompt, "logs") {
            r.position += 1;
            r.report.records += 1;
            match text(log, "kind").unwrap_or_default() {
                "request" => r.request(log, words, sink),
                "toolCall" => r.call(log, sink),
                "element" => r.report.pass_over("element"),
                other => r.report.unknown(&format!("log {other}")),
            }
        }
    }
    r.report
}

fn request_id(log: &Value) -> Option<&str> {
    let meta = log.get("metadata")?;
    ["ourRequestId", "requestId"].iter().find_map(|k| text(meta, k)).filter(|id| !id.is_empty())
}

struct Reader<'a> {
    session: &'a str,
    file: &'a str,
    report: Report,
    position: u64,
    /// The prompt that is answered.
    prompt: Option<String>,
    /// Results that a request was given.
    seen: HashSet<String>,
    /// Calls that are told.
    calls: HashSet<String>,
    turn: Option<String>,
    hub: Option<String>,
    inputs: Vec<String>,
    /// The prompt was in the context of a response.
    asked: bool,
}

impl Reader<'_> {
    fn event(&self, kind: EventType, event_id: String, at: Option<&str>) -> Event {
        Event {
            event_id,
            session_id: self.session.to_owned(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: at.and_then(parse_time),
            source: Origin { file: Some(self.file.to_owned()), line: Some(self.position), hook: None },
            ..Event::default()
        }
    }

    fn put(&mut self, e: Event, sink: Sink<'_>) {
        self.report.events += 1;
        self.report.calls += u64::from(e.is_call());
        sink(e);
    }

    fn request(&mut self, log: &Value, words: &str, sink: Sink<'_>) {
        let name = text(log, "name").unwrap_or_default();
        if !name.starts_with("panel/") && !name.starts_with("tool/") {
            // titles and the like
            self.report.pass_over("request beside the chat");
            return;
        }
        let meta = log.get("metadata").unwrap_or(&Value::Null);
        let log_id = text(log, "id").unwrap_or_default();
        let started = text(meta, "startTime");
        let native = format!("prompt:{}", request_id(log).unwrap_or(log_id));
        let prompt = id::event_id(AGENT, self.session, &native);
        if self.prompt.as_deref() != Some(&prompt) {
            let mut e = self.event(EventType::UserInput, prompt.clone(), started);
            e.tool_input = Some(words.into());
            e.native_id = request_id(log).map(str::to_owned);
            self.put(e, sink);
            self.prompt = Some(prompt.clone());
            self.asked = false;
        }
        // what is new in the context: the prompt once, and the results that the messages name
        let mut inputs: Vec<String> = if self.asked { Vec::new() } else { vec![prompt] };
        self.asked = true;
        let messages = log.get("requestMessages");
        let messages = messages.and_then(|m| m.as_array().or_else(|| m.get("messages")?.as_array()));
        for message in messages.into_iter().flatten() {
            let Some(call) = text(message, "toolCallId").map(plain_id) else { continue };
            if self.seen.insert(call.to_owned()) && self.calls.contains(call) {
                inputs.push(id::call(AGENT, self.session, call));
            }
        }
        self.turn = Some(log_id.to_owned());
        self.hub = None;
        let response = log.get("response").unwrap_or(&Value::Null);
        let failed = text(response, "type").is_some_and(|t| t != "success");
        let said: String = match response.get("message") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            other => other.and_then(Value::as_str).or_else(|| text(response, "reason")).unwrap_or_default().to_owned(),
        };
        self.inputs = inputs;
        if !said.trim().is_empty() {
            let key = if failed { "failure" } else { "message" };
            let mut e =
                self.event(EventType::Message, id::event_id(AGENT, self.session, &format!("{key}:{log_id}")), started);
            e.tool_input = Some(said.into());
            e.duration_ms = number(meta, "duration").and_then(|d| u64::try_from(d).ok());
            e.native_id = Some(log_id.to_owned());
            e.usage = usage(meta);
            self.place(&mut e, meta);
            if failed {
                e.status = Some(Status::Error);
                e.extra.insert("error".to_owned(), text(response, "type").unwrap_or("failed").into());
            } else {
                self.hub = Some(e.event_id.clone());
            }
            self.put(e, sink);
        }
    }

    fn place(&self, e: &mut Event, meta: &Value) {
        e.turn_id.clone_from(&self.turn);
        e.model = text(meta, "model").map(str::to_owned);
        e.parents = self.hub.as_ref().map_or_else(|| self.inputs.clone(), |hub| vec![hub.clone()]);
    }

    fn call(&mut self, log: &Value, sink: Sink<'_>) {
        let full = text(log, "id").unwrap_or_default();
        let call = plain_id(full);
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.session, call), text(log, "time"));
        e.tool_name = text(log, "tool").map(str::to_owned);
        e.tool_input = text(log, "args").map(arguments_text).or_else(|| log.get("args").cloned());
        let said: Option<String> = match log.get("response") {
            Some(Value::Array(all)) => Some(all.iter().filter_map(Value::as_str).collect()),
            Some(Value::String(s)) => Some(s.clone()),
            _ => None,
        };
        let tool = e.tool_name.as_deref().unwrap_or_default();
        (e.status, e.exit_code) = status(tool, None, said.as_deref(), true, false);
        e.tool_output = said.map(Value::from);
        e.call_id = Some(call.to_owned());
        e.native_id = Some(full.to_owned());
        self.place(&mut e, &Value::Null);
        self.calls.insert(call.to_owned());
        self.report.unanswered += u64::from(e.status == Some(Status::Running));
        self.put(e, sink);
    }
}
