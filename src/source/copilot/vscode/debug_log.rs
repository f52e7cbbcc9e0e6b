//! The extension's debug log of a session: `debug-logs/<session>/main.jsonl` and a file for each sub-agent, written where
//! `github.copilot.chat.agentDebugLog.fileLogging.enabled` is set.
//!
//! Entries are spans, written when they end: `llm_request` and, named after it (`agent-msg-<span>`), `agent_response` with the calls
//! that the response asked for; then one `tool_call` for each, below the same span, without the call's id. Span ids repeat after a
//! restart of the client: `rIdx` numbers its runs. Long texts are cut at 5,000 characters.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use super::super::AGENT;
use super::align::{Mark, align};
use super::timing::{Fact, Timing};
use super::wire::{list, number, plain_id, text};
use crate::event::{Event, EventType, Origin, Status, Usage, time_from_ms};
use crate::id;
use crate::plain;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, first_line};

/// A span, within one run of the client.
type Span = (i64, String);

/// A response of a model with the calls that came of it.
#[derive(Default)]
struct Turn {
    line: u64,
    span: Option<Span>,
    /// When it was asked for and how long it took, in milliseconds.
    started: Option<i64>,
    took: Option<u64>,
    model: Option<String>,
    usage: Option<Usage>,
    words: String,
    thoughts: String,
    /// Why it failed.
    error: Option<String>,
    /// What the response asked for: id, tool, input.
    asked: Vec<(String, String, Option<Value>)>,
    calls: Vec<SpanCall>,
}

/// A call that was run.
struct SpanCall {
    line: u64,
    span: Span,
    name: String,
    fact: Fact,
    /// Its id, where the response tells it surely.
    id: Option<String>,
}

/// What a log tells, in order.
enum Told {
    Version(String),
    Prompt {
        line: u64,
        span: Span,
        at: Option<i64>,
        words: String,
    },
    Turn(Box<Turn>),
    /// The log file of the sub-agent that the call with that span began.
    Child {
        span: Span,
        file: String,
    },
}

/// Walks through a log and gives what it tells.
fn walk(reader: impl BufRead, file: &str, report: &mut Report, tell: &mut dyn FnMut(Told)) -> std::io::Result<()> {
    let mut lines = Lines::new(reader);
    let mut scratch = String::new();
    // the open response of each agent's span, and the requests whose response is still to come
    let mut open: Vec<(Span, Turn)> = Vec::new();
    let mut asked: HashMap<Span, Turn> = HashMap::new();
    while let Some(line) = lines.next()? {
        report.records += 1;
        let n = line.number;
        let Some(bytes) = line.bytes else {
            report.bad(file, n, "line too long");
            continue;
        };
        let entries = match records::<Value>(bytes, &mut scratch) {
            Ok(entries) => entries,
            Err(reason) => {
                report.bad(file, n, reason);
                continue;
            }
        };
        for entry in entries {
            let run = number(&entry, "rIdx").unwrap_or(0);
            let span = |key: &str| text(&entry, key).map(|s| (run, s.to_owned()));
            let attrs = entry.get("attrs").unwrap_or(&Value::Null);
            let own = span("spanId").unwrap_or_default();
            let parent = span("parentSpanId").unwrap_or_default();
            let failed = text(&entry, "status") == Some("error");
            let (started, took) = (number(&entry, "ts"), number(&entry, "dur").and_then(|d| u64::try_from(d).ok()));
            match text(&entry, "type").unwrap_or_default() {
                "session_start" => {
                    if let Some(version) = text(attrs, "copilotVersion") {
                        tell(Told::Version(version.to_owned()));
                    }
                }
                "user_message" => {
                    // the prompt stands on the span of the agent's run: what is open there is over
                    close(&mut open, &own, tell);
                    let words = text(attrs, "content").unwrap_or_default().to_owned();
                    tell(Told::Prompt { line: n, span: own, at: started, words });
                }
                "llm_request" => {
                    let turn = Turn {
                        line: n,
                        span: Some(own.clone()),
                        started,
                        took,
                        model: text(attrs, "model").map(str::to_owned),
                        usage: usage(attrs),
                        error: failed.then(|| text(attrs, "error").unwrap_or("failed").to_owned()),
                        ..Turn::default()
                    };
                    if failed {
                        close(&mut open, &parent, tell);
                        tell(Told::Turn(Box::new(turn)));
                    } else {
                        asked.insert(own, turn);
                    }
                }
                "agent_response" => {
                    close(&mut open, &parent, tell);
                    let of = own.1.strip_prefix("agent-msg-").map(|s| (run, s.to_owned()));
                    let mut turn = of.and_then(|s| asked.remove(&s)).unwrap_or_default();
                    turn.line = n;
                    turn.span.get_or_insert(own);
                    respond(&mut turn, attrs, report);
                    if turn.words.is_empty() && turn.thoughts.is_empty() && turn.asked.is_empty() {
                        report.pass_over("response without words");
                    }
                    open.push((parent, turn));
                }
                "tool_call" => {
                    let input = text(attrs, "args").map(|a| serde_json::from_str(a).unwrap_or_else(|_| a.into()));
                    let output = text(attrs, "result").or_else(|| text(attrs, "error")).map(str::to_owned);
                    let fact = Fact { started, took, ok: Some(!failed), input, output };
                    let name = text(&entry, "name").unwrap_or_default().to_owned();
                    let call = SpanCall { line: n, span: own, name, fact, id: None };
                    match open.iter_mut().rev().take(64).find(|(p, _)| *p == parent) {
                        Some((_, turn)) => turn.calls.push(call),
                        None => {
                            // its response was cut off from the head of the log, or is not told
                            open.push((parent, Turn { line: n, calls: vec![call], ..Turn::default() }));
                        }
                    }
                }
                "child_session_ref" => {
                    if let (Some(at), Some(file)) = (span("parentSpanId"), text(attrs, "childLogFile")) {
                        tell(Told::Child { span: at, file: file.to_owned() });
                    }
                }
                kind @ ("turn_start" | "turn_end" | "discovery" | "generic" | "hook" | "subagent") => {
                    report.pass_over(kind);
                }
                "" => report.bad(file, n, "an entry without a type"),
                other => report.unknown(other),
            }
            // agents run side by side, but not many
            if open.len() > 64 {
                let (_, turn) = open.remove(0);
                tell(Told::Turn(Box::new(joined(turn))));
            }
        }
    }
    for (_, turn) in open {
        tell(Told::Turn(Box::new(joined(turn))));
    }
    Ok(())
}

fn close(open: &mut Vec<(Span, Turn)>, agent: &Span, tell: &mut dyn FnMut(Told)) {
    if let Some(at) = open.iter().rposition(|(p, _)| p == agent) {
        let (_, turn) = open.remove(at);
        tell(Told::Turn(Box::new(joined(turn))));
    }
}

/// Takes the words and the calls out of a response: a list of messages as JSON, whole where it is not cut.
fn respond(turn: &mut Turn, attrs: &Value, report: &mut Report) {
    turn.thoughts = text(attrs, "reasoning").unwrap_or_default().to_owned();
    let response = text(attrs, "response").unwrap_or_default();
    let Ok(messages) = serde_json::from_str::<Value>(response) else {
        turn.words = cut_words(response);
        return;
    };
    for part in messages.as_array().into_iter().flatten().flat_map(|m| list(m, "parts")) {
        match text(part, "type") {
            Some("text") => match text(part, "content") {
                Some(words) => turn.words.push_str(words),
                None => report.pass_over("response part without words"),
            },
            Some("reasoning") if turn.thoughts.is_empty() => {
                turn.thoughts.push_str(text(part, "content").unwrap_or_default());
            }
            Some("tool_call") => {
                let input = match part.get("arguments") {
                    Some(Value::String(s)) => Some(serde_json::from_str(s).unwrap_or_else(|_| s.as_str().into())),
                    other => other.cloned(),
                };
                let (id, name) = (text(part, "id").unwrap_or_default(), text(part, "name").unwrap_or_default());
                turn.asked.push((plain_id(id).to_owned(), name.to_owned(), input));
            }
            Some("reasoning") => {}
            None => report.pass_over("response part without a type"),
            Some(other) => report.unknown(&format!("response part {other}")),
        }
    }
}

/// The words at the head of a response that was cut: its first text, as far as it goes.
fn cut_words(response: &str) -> String {
    let Some((_, rest)) = response.split_once("\"type\":\"text\",\"content\":\"") else { return String::new() };
    let mut end = rest.len();
    let mut escaped = false;
    for (i, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                end = i;
                break;
            }
            _ => {}
        }
    }
    let words = rest.get(..end).unwrap_or_default().trim_end_matches('\\');
    serde_json::from_str(&format!("\"{words}\"")).unwrap_or_else(|_| words.to_owned())
}

fn usage(attrs: &Value) -> Option<Usage> {
    let n = |key: &str| number(attrs, key).and_then(|n| u64::try_from(n).ok());
    let cached = n("cachedTokens");
    let input = n("inputTokens")?;
    Some(Usage {
        input: Some(input.saturating_sub(cached.unwrap_or(0))),
        output: n("outputTokens"),
        cache_read: cached,
        ..Usage::default()
    })
}

/// Gives the calls that were run the ids that the response asked for them with: by tool and input, else by tool and order.
fn joined(mut turn: Turn) -> Turn {
    let keyed =
        |name: &str, input: Option<&Value>| format!("{name}\0{}", input.map(Value::to_string).unwrap_or_default());
    let asked: Vec<String> = turn.asked.iter().map(|(_, name, input)| keyed(name, input.as_ref())).collect();
    let run: Vec<String> = turn.calls.iter().map(|c| keyed(&c.name, c.fact.input.as_ref())).collect();
    let marks = |all: &[String]| -> Vec<usize> { all.iter().enumerate().map(|(i, _)| i).collect() };
    let pair = |calls: &[usize], others: &[usize], by_input: bool| -> Vec<Option<usize>> {
        let left = |i: &usize| {
            if by_input { run.get(*i).map(String::as_str) } else { turn.calls.get(*i).map(|c| c.name.as_str()) }
        };
        let right = |i: &usize| {
            if by_input { asked.get(*i).map(String::as_str) } else { turn.asked.get(*i).map(|a| a.1.as_str()) }
        };
        let mark = |name: Option<&str>| -> String { name.unwrap_or_default().to_owned() };
        let (l, r): (Vec<String>, Vec<String>) =
            (calls.iter().map(|i| mark(left(i))).collect(), others.iter().map(|i| mark(right(i))).collect());
        fn of(names: &[String]) -> Vec<Mark<'_>> {
            names.iter().map(|name| Mark { id: "", name }).collect()
        }
        align(&of(&l), &of(&r)).into_iter().map(|at| at.and_then(|a| others.get(a).copied())).collect()
    };
    let (all_run, all_asked) = (marks(&run), marks(&asked));
    let mut found = pair(&all_run, &all_asked, true);
    if found.iter().any(Option::is_none) {
        let taken: HashSet<usize> = found.iter().flatten().copied().collect();
        let left: Vec<usize> = all_run.iter().copied().filter(|i| found.get(*i).is_some_and(Option::is_none)).collect();
        let right: Vec<usize> = all_asked.iter().copied().filter(|i| !taken.contains(i)).collect();
        for (i, at) in left.iter().zip(pair(&left, &right, false)) {
            if let Some(slot) = found.get_mut(*i) {
                *slot = at;
            }
        }
    }
    for (call, at) in turn.calls.iter_mut().zip(found) {
        call.id = at.and_then(|a| turn.asked.get(a)).map(|(id, _, _)| id.clone()).filter(|id| !id.is_empty());
    }
    turn
}

/// Gathers the facts about calls from a session's log and from those of its sub-agents.
///
/// # Errors
/// A file cannot be read on.
pub(super) fn timing(files: &[std::path::PathBuf], timing: &mut Timing) -> std::io::Result<()> {
    let Some((main, others)) = files.split_first() else { return Ok(()) };
    let mut children: HashMap<Span, String> = HashMap::new();
    let mut begun: Vec<(String, String)> = Vec::new();
    let open = |path: &Path| Ok::<_, std::io::Error>(std::io::BufReader::new(plain::open(path)?));
    walk(open(main)?, "", &mut Report::default(), &mut |told| match told {
        Told::Version(version) => timing.version = Some(version),
        Told::Child { span, file } => {
            children.insert(span, file);
        }
        Told::Turn(turn) => {
            if let Some(usage) = turn.usage {
                timing.spent(turn.asked.first().map(|(id, _, _)| id.as_str()), &turn.words, usage);
            }
            for call in turn.calls {
                let Some(id) = call.id else { continue };
                if let Some(file) = children.remove(&call.span) {
                    begun.push((id.clone(), file));
                }
                // the chat has the whole input and output
                *timing.of(&id) = Fact { input: None, output: None, ..call.fact };
            }
        }
        Told::Prompt { .. } => {}
    })?;
    for (call, file) in begun {
        let Some(path) = others.iter().find(|o| super::places::name(o) == file) else { continue };
        let mut calls = Vec::new();
        walk(open(path)?, "", &mut Report::default(), &mut |told| {
            if let Told::Turn(turn) = told {
                calls.extend(turn.calls.into_iter().map(|c| (c.name, c.fact)));
            }
        })?;
        timing.children.insert(call, calls);
    }
    Ok(())
}

/// Reads a session's log and those of its sub-agents into events.
///
/// # Errors
/// The log cannot be read on.
pub(super) fn read(
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
        if let Some(path) = others.iter().find(|o| super::places::name(o) == file) {
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
