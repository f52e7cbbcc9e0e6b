//! A story of causes as text.

use std::collections::HashSet;

use super::detail::title;
use super::label::plain;
use super::text::cut;
use super::{Term, Tone};
use crate::causality::Kind;
use crate::graph::Graph;
use crate::query::why::{Reason, Story};

/// The lines of a story: each step with its reasons and their evidence. Evidence that was shown is not repeated.
pub fn story(term: &Term, graph: &Graph, story: &Story, reverse: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown: HashSet<(usize, String)> = HashSet::new();
    let mut steps: Vec<_> = story.steps.iter().collect();
    if reverse {
        steps.reverse();
    }
    for (n, step) in steps.into_iter().enumerate() {
        if n > 0 {
            lines.push(String::new());
        }
        lines.push(title(term, graph, step.event));
        for r in &step.reasons {
            lines.push(format!("    {}", reason(term, graph, r, &mut shown)));
        }
    }
    if story.left_out > 0 {
        let text =
            format!("… and {} more steps that bear less on it (--depth and --primary narrow the view)", story.left_out);
        lines.push(String::new());
        lines.push(term.paint(Tone::Dim, &cut(&text, term.width)));
    }
    lines
}

/// One reason: how it led here, how sure that is, the evidence, and the cause where it is not told as a step of its own.
fn reason(term: &Term, graph: &Graph, r: &Reason, shown: &mut HashSet<(usize, String)>) -> String {
    let number = term.paint(Tone::Number, &format!("#{}", r.event + 1));
    let room = term.width.saturating_sub(14);
    let Some(kind) = r.kind else {
        let how = term.paint(Tone::Good, "proven");
        let what = if r.told {
            String::new()
        } else {
            format!(
                "  {}",
                plain(&graph.events[r.event], &graph.actions[r.event], graph.cwd(), room.saturating_sub(12))
            )
        };
        return format!("← {number} {how}{what}");
    };
    let words = match kind {
        Kind::Content => "gave what it uses",
        Kind::Verify => "made what it checks",
        Kind::Retry => "went wrong, this answers it",
        Kind::Plan => "was the step before it",
        Kind::Prompt => "asked for it",
        Kind::Order => "came just before; nothing else speaks for it",
    };
    let tone = if kind == Kind::Order { Tone::Dim } else { Tone::Plain };
    let share = format!("{}%", (r.confidence * 100.0).round());
    let mut line = format!("← {number} {} {}", term.paint(tone, words), term.paint(Tone::Dim, &share));
    let used = words.len() + 12;
    match &r.evidence {
        Some(e) if shown.insert((r.event, e.text.clone())) => {
            let place = format!(" ({})", e.place);
            let text = super::cause::evidence(&e.text, room.saturating_sub(used + place.len() + 2).max(16));
            line.push_str(&format!(
                ": {}{}",
                term.paint(Tone::Evidence, &format!("“{text}”")),
                term.paint(Tone::Dim, &place)
            ));
        }
        _ if !r.told => {
            let what = plain(&graph.events[r.event], &graph.actions[r.event], graph.cwd(), room.saturating_sub(used));
            line.push_str(&format!("  {what}"));
        }
        _ => {}
    }
    line
}
