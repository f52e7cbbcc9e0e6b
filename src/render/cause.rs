//! Why a call was made, in one line.

use super::text::{columns, cut, cut_path, one_line};
use super::{Term, Tone};
use crate::causality::{Cause, Kind};
use crate::graph::Graph;

/// A reason in a few words: a strong part and one of lesser interest.
pub struct Short {
    main: String,
    rest: String,
    weak: bool,
}

impl Short {
    /// Columns it takes in full.
    pub fn columns(&self) -> usize {
        columns(&self.main) + columns(&self.rest)
    }

    /// In at most `width` columns.
    pub fn paint(&self, term: &Term, width: usize) -> String {
        let tone = if self.weak { Tone::Dim } else { Tone::Evidence };
        let main = cut(&self.main, width);
        let rest = cut(&self.rest, width.saturating_sub(columns(&main)));
        format!("{}{}", term.paint(tone, &main), term.paint(Tone::Dim, &rest))
    }
}

/// The reasons of an event: the primary cause with its evidence, the others by number; with `proven`, the proven parents.
pub fn short(graph: &Graph, i: usize, proven: bool, min_confidence: f32) -> Short {
    let mut main = String::new();
    let mut rest = String::new();
    let mut weak = false;
    if proven {
        let parents: Vec<_> = graph.parents[i].iter().map(|p| format!("#{}", p + 1)).collect();
        if !parents.is_empty() {
            main = format!("← {}", few(&parents));
        }
        return Short { main, rest, weak };
    }
    let causes: Vec<_> = graph.causes[i].iter().filter(|c| c.confidence >= min_confidence).collect();
    if let Some((first, others)) = causes.split_first() {
        main = format!("← {}", because(first));
        weak = first.kind == Kind::Order;
        let others: Vec<_> = others.iter().map(|c| format!("#{}", c.event + 1)).collect();
        if !others.is_empty() {
            rest = format!(", {}", few(&others));
        }
    }
    Short { main, rest, weak }
}

/// At most four, and how many more.
fn few(all: &[String]) -> String {
    let more = all.len().saturating_sub(4);
    let shown = all[..all.len() - more].join(" ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Evidence on one line of at most `width` columns: of a path the end is kept, of other text the beginning.
pub fn evidence(text: &str, width: usize) -> String {
    let path = text.contains('/') && !text.contains(char::is_whitespace);
    if path { cut_path(&one_line(text, text.len().max(1)), width) } else { one_line(text, width) }
}

/// A cause in words: `“src/utils.py” in #4:3`, `checks #6`.
pub fn because(cause: &Cause) -> String {
    let number = cause.event + 1;
    let line = cause.evidence.as_ref().and_then(|e| e.place.strip_prefix("output:")).map(|l| format!(":{l}"));
    let text = cause.evidence.as_ref().map(|e| evidence(&e.text, 48)).filter(|t| !t.is_empty());
    let place = format!("#{number}{}", line.unwrap_or_default());
    match (cause.kind, text) {
        (Kind::Content, Some(t)) => format!("“{t}” in {place}"),
        (Kind::Content, None) => format!("uses {place}"),
        (Kind::Verify, _) => format!("checks #{number}"),
        (Kind::Retry, Some(t)) => format!("after “{t}” in {place}"),
        (Kind::Retry, None) => format!("reacts to {place}"),
        (Kind::Plan, Some(t)) => format!("planned: “{t}” in {place}"),
        (Kind::Plan, None) => format!("planned in #{number}"),
        (Kind::Prompt, Some(t)) => format!("asked: “{t}” in #{number}"),
        (Kind::Prompt, None) => format!("asked in #{number}"),
        (Kind::Order, _) => format!("after #{number}, by order only"),
    }
}
