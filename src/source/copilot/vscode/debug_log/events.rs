//! A log turned into events, where it is all that there is of a session.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::super::super::AGENT;
use super::super::places;
use super::spans::{Span, Told, Turn, walk};
use crate::event::{Event, EventType, Origin, Status, time_from_ms};
use crate::id;
use crate::plain;
use crate::source::{Report, Sink, first_line};

/// Reads a session's log and those of its sub-agents into events.
///
/// # Errors
/// The log cannot be read on.
pub(in crate::source::copilot::vscode) fn read(
    files: &[std::path::PathBuf],
    session: &str,
    cwd: Option<String>,
    beside_chats: bool,
    sink: Sink<'_>,
) -> std::io::Result<Report> {
    let mark = beside_chats.then(|| "debug log".to_owned());
    let mut r = Reader { session, cwd, mark, report: Report::default(), begun: Vec::new(), children: HashMap::new() };
    let Some((main, others)) = files.split_first() else { return Ok(r.report) };
    let log = plain::open(main)?;
    let header = r.event(EventType::Session, id::session(AGENT, session), main, 1, None);
    r.put(header, sink);
    r.log(main, log, None, sink)?;
    let mut next = 0;
    // a sub-agent may begin others: the list grows
    while let Some((call, file, said_by)) = r.begun.get(next).cloned() {
        next += 1;
        if let Some(path) = others.iter().find(|o| places::name(o) == file) {
            // a log that is not there, or torn, says less
            let _ = plain::open(path).and_then(|log| r.log(path, log, Some((call, said_by)), sink));
        }
    }
    Ok(r.report)
}

struct Reader<'a> {
    session: &'a str,
    cwd: Option<String>,
    mark: Option<String>,
    report: Report,
    /// Sub-agents' logs with the calls that began them: event, file, agent.
    begun: Vec<(String, String, String)>,
    children: HashMap<Span, String>,
}

impl Reader<'_> {
    fn event(&self, kind: EventType, event_id: String, file: &Path, line: u64, ms: Option<i64>) -> Event {
        Event {
            event_id,
            session_id: self.session.to_owned(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: ms.and_then(time_from_ms),
            cwd: self.cwd.clone(),
            source: Origin { file: Some(file.display().to_string()), line: Some(line), hook: self.mark.clone() },
            ..Event::default()
        }
    }

    fn put(&mut self, e: Event, sink: Sink<'_>) {
        self.report.events += 1;
        self.report.calls += u64::from(e.is_call());
        sink(e);
    }

    /// Reads one log: of the session, or of the sub-agent that a call began.
    fn log(
        &mut self,
        file: &Path,
        log: impl std::io::Read,
        begun_by: Option<(String, String)>,
        sink: Sink<'_>,
    ) -> std::io::Result<()> {
        let reader = std::io::BufReader::new(log);
        let name = file.display().to_string();
        let (mut pending, agent) = match begun_by {
            Some((call, agent)) => (vec![call], Some(agent)),
            None => (Vec::new(), None),
        };
        let call = pending.first().cloned();
        let mut last_words = None;
        let mut titled = agent.is_some();
        let mut report = Report::default();
        walk(reader, &name, &mut report, &mut |told| match told {
            Told::Version(version) if agent.is_none() => {
                let mut e = self.event(EventType::Session, id::session(AGENT, self.session), file, 1, None);
                e.extra.insert("version".to_owned(), version.into());
                e.extra.insert("client".to_owned(), "vscode".into());
                sink(e);
            }
            Told::Version(_) => {}
            Told::Child { span, file } => {
                self.children.insert(span, file);
            }
            Told::Prompt { line, span, at, words } => {
                if !titled {
                    titled = true;
                    let mut e = self.event(EventType::Session, id::session(AGENT, self.session), file, 1, at);
                    e.tool_input = Some(first_line(&words).into());
                    sink(e);
                }
                let native = self.native("prompt", &agent, &span);
                let mut e = self.event(EventType::UserInput, native, file, line, at);
                e.tool_input = Some(words.into());
                e.native_id = Some(span.1);
                e.agent_id.clone_from(&agent);
                if agent.is_some() {
                    e.parents = std::mem::take(&mut pending);
                }
                pending.push(e.event_id.clone());
                self.put(e, sink);
            }
            Told::Turn(turn) => {
                if let Some(words) = self.turn(*turn, file, &agent, &mut pending, sink) {
                    last_words = Some(words);
                }
            }
        })?;
        self.report.merge(report);
        if let (Some(call), Some(words)) = (call, last_words) {
            let mut e = self.event(EventType::ToolCall, call, file, 1, None);
            e.extra.insert("returned_from".to_owned(), words.into());
            sink(e);
        }
        Ok(())
    }

    /// The id of an event that is named after its span.
    fn native(&self, kind: &str, agent: &Option<String>, span: &Span) -> String {
        let agent = agent.as_deref().unwrap_or_default();
        id::event_id(AGENT, self.session, &format!("{kind}:{agent}:{}:{}", span.0, span.1))
    }

    /// Gives a response and its calls; the id of its words.
    fn turn(
        &mut self,
        turn: Turn,
        file: &Path,
        agent: &Option<String>,
        pending: &mut Vec<String>,
        sink: Sink<'_>,
    ) -> Option<String> {
        let span = turn.span.clone().unwrap_or_else(|| (0, format!("line {}", turn.line)));
        let turn_id = turn.span.as_ref().map(|(run, s)| format!("{run}:{s}"));
        let silent = turn.words.trim().is_empty() && turn.thoughts.trim().is_empty() && turn.calls.is_empty();
        // a request that failed brought nothing: the next one has the same inputs
        let inputs = if silent { pending.clone() } else { std::mem::take(pending) };
        let (mut hub, mut usage, mut said) = (None, turn.usage, None);
        let texts = [
            (EventType::Reasoning, "reasoning", turn.thoughts.as_str(), None),
            (EventType::Message, "message", turn.words.as_str(), None),
            (EventType::Message, "failure", turn.error.as_deref().unwrap_or_default(), Some(Status::Error)),
        ];
        for (kind, name, words, failed) in texts {
            if words.trim().is_empty() {
                continue;
            }
            let is_message = kind == EventType::Message;
            let mut e = self.event(kind, self.native(name, agent, &span), file, turn.line, turn.started);
            e.tool_input = Some(words.into());
            e.status = failed;
            e.duration_ms = turn.took;
            e.native_id = Some(span.1.clone());
            e.turn_id.clone_from(&turn_id);
            e.agent_id.clone_from(agent);
            e.model.clone_from(&turn.model);
            e.parents = hub.as_ref().map_or_else(|| inputs.clone(), |h: &String| vec![h.clone()]);
            e.usage = usage.take();
            if failed.is_some() {
                e.extra.insert("error".to_owned(), "request failed".into());
            } else {
                hub.get_or_insert(e.event_id.clone());
            }
            if is_message {
                said = Some(e.event_id.clone());
            }
            self.put(e, sink);
        }
        for call in turn.calls {
            let native = call.id.clone().unwrap_or_else(|| format!("{}:{}", call.span.0, call.span.1));
            let mut e = self.event(
                EventType::ToolCall,
                id::call(AGENT, self.session, &native),
                file,
                call.line,
                call.fact.started,
            );
            e.tool_name = Some(call.name);
            e.tool_input = call.fact.input;
            e.tool_output = call.fact.output.map(Value::from);
            e.duration_ms = call.fact.took;
            e.status = Some(if call.fact.ok == Some(false) { Status::Error } else { Status::Ok });
            e.call_id.clone_from(&call.id);
            e.native_id = Some(call.span.1.clone());
            e.turn_id.clone_from(&turn_id);
            e.agent_id.clone_from(agent);
            e.model.clone_from(&turn.model);
            e.parents = hub.as_ref().map_or_else(|| inputs.clone(), |h| vec![h.clone()]);
            e.usage = usage.take();
            if let Some(child) = self.children.remove(&call.span) {
                e.extra.insert("spawned".to_owned(), native.clone().into());
                self.begun.push((e.event_id.clone(), child, native));
            }
            pending.push(e.event_id.clone());
            self.put(e, sink);
        }
        said
    }
}
