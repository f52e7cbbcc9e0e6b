//! What the views of one session share: its heading, its JSON.

use serde_json::{Value, json};

use super::context::Context;
use crate::causality::Kind;
use crate::event::{Event, EventType};
use crate::graph::{Graph, Whole};
use crate::render::{Tone, text};

/// Says which lines could not be read: a few, and how many more.
pub fn notes(ctx: &Context, problems: &[String]) {
    for p in problems.iter().take(3) {
        ctx.out.note(&text::clean(p));
    }
    if problems.len() > 3 {
        ctx.out.note(&format!("and {} more such lines: `causetrace validate` names all", problems.len() - 3));
    }
}

/// Two lines that say which session this is.
pub fn heading(ctx: &Context, graph: &Graph, session_id: &str) -> Vec<String> {
    let term = ctx.out.term;
    let own = |e: &&Event| e.session_id == session_id;
    let header = graph.events.iter().filter(own).find(|e| e.event_type == EventType::Session);
    let prompt = graph.events.iter().filter(own).find(|e| e.event_type == EventType::UserInput);
    let title = header
        .map(|h| h.input_text().into_owned())
        .filter(|t| !t.trim().is_empty())
        .or_else(|| prompt.map(|p| p.input_text().into_owned()))
        .unwrap_or_default();
    let agent = graph.events.iter().find(own).map(|e| e.agent.clone()).unwrap_or_default();
    let extra = |key: &str| header.and_then(|h| h.extra.get(key)).and_then(Value::as_str).map(str::to_owned);
    let times = graph.events.iter().filter_map(|e| e.timestamp);
    let (from, until) = (times.clone().min(), times.max());
    let calls = graph.events.iter().filter(|e| e.is_call()).count();
    let failed = graph.events.iter().filter(|e| e.is_call() && crate::render::label::ending(e).is_some()).count();
    let mut about = vec![match extra("version") {
        Some(v) => format!("{agent} {v}"),
        None => agent,
    }];
    let place = about.len();
    about.extend(extra("git_branch"));
    if let Some(t) = from {
        let begun = t.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M");
        // one time alone says nothing of how long it took
        let took = until.filter(|u| *u > t).map(|u| format!(" ({})", super::duration((u - t).num_milliseconds())));
        about.push(format!("{begun}{}", took.unwrap_or_default()));
    }
    let failed = if failed == 0 { String::new() } else { format!(", {failed} not successful") };
    about.push(format!("{}{failed}", super::count(calls, "call")));
    if let Some(dir) = graph.cwd() {
        // the path takes what the rest leaves
        let rest: usize = about.iter().map(|a| text::columns(a) + 3).sum();
        let room = term.width.saturating_sub(rest).max(12);
        about.insert(place, text::cut_path(&super::home_relative(ctx, dir), room));
    }
    let about = text::one_line(&about.join(" · "), term.width);
    let mut lines = vec![
        term.paint(Tone::Bold, &text::one_line(&title, term.width)),
        term.paint(Tone::Dim, &about),
        term.paint(Tone::Dim, &text::one_line(&format!("session {session_id}"), term.width)),
    ];
    if title.trim().is_empty() {
        lines.remove(0);
    }
    lines
}

/// One line that says how the causes are known.
pub fn edges(ctx: &Context, graph: &Graph) -> String {
    let mut evidenced = 0usize;
    let mut order = 0usize;
    for c in graph.causes.iter().flatten() {
        if c.kind == Kind::Order {
            order += 1;
        } else {
            evidenced += 1;
        }
    }
    let proven: usize = graph.parents.iter().map(Vec::len).sum();
    let proven = super::count(proven, "edge");
    let text =
        |more: &str| format!("{proven} proven by ids{more}, {evidenced} inferred with evidence, {order} by order only");
    // a narrow terminal has no room for how to see the proven ones
    let whole = text(" (--proven shows them)");
    let text = if text::columns(&whole) <= ctx.out.term.width { whole } else { text("") };
    ctx.out.term.paint(Tone::Dim, &text::one_line(&text, ctx.out.term.width))
}

/// Every event with its number and causes, as JSON.
pub fn events_json(graph: &Whole) -> Vec<Value> {
    let one = |i: usize| {
        let mut value = serde_json::to_value(&graph.events[i]).unwrap_or_default();
        let causes: Vec<Value> = graph.causes[i]
            .iter()
            .map(|c| {
                json!({
                    "event_id": graph.events[c.event].event_id,
                    "number": c.event + 1,
                    "kind": c.kind,
                    "confidence": (f64::from(c.confidence) * 1000.0).round() / 1000.0,
                    "rule": c.rule,
                    "evidence": c.evidence,
                })
            })
            .collect();
        if let Value::Object(map) = &mut value {
            map.insert("number".to_owned(), json!(i + 1));
            if graph.events[i].is_call() || !causes.is_empty() {
                map.insert("causes".to_owned(), Value::Array(causes));
            }
        }
        value
    };
    (0..graph.events.len()).map(one).collect()
}

/// Writes every event with its causes as one JSON array.
///
/// # Errors
/// An event cannot be serialised.
pub fn json(ctx: &mut Context, graph: &Whole) -> anyhow::Result<u8> {
    ctx.out.json(&events_json(graph))?;
    Ok(0)
}
