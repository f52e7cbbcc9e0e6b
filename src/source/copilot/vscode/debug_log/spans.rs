//! What a log tells, span by span: prompts, responses with the calls that came of them, logs of sub-agents.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use serde_json::Value;

use super::super::align::{Mark, align};
use super::super::timing::Fact;
use super::super::wire::{list, number, plain_id, text};
use crate::event::Usage;
use crate::source::Report;
use crate::source::jsonl::{Lines, records};

/// A span, within one run of the client.
pub(super) type Span = (i64, String);

/// A response of a model with the calls that came of it.
#[derive(Default)]
pub(super) struct Turn {
    pub line: u64,
    pub span: Option<Span>,
    /// When it was asked for and how long it took, in milliseconds.
    pub started: Option<i64>,
    pub took: Option<u64>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub words: String,
    pub thoughts: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What the response asked for: id, tool, input.
    pub asked: Vec<(String, String, Option<Value>)>,
    pub calls: Vec<SpanCall>,
}

/// A call that was run.
pub(super) struct SpanCall {
    pub line: u64,
    pub span: Span,
    pub name: String,
    pub fact: Fact,
    /// Its id, where the response tells it surely.
    pub id: Option<String>,
}

/// What a log tells, in order.
pub(super) enum Told {
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
pub(super) fn walk(
    reader: impl BufRead,
    file: &str,
    report: &mut Report,
    tell: &mut dyn FnMut(Told),
) -> std::io::Result<()> {
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
