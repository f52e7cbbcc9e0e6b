//! A story of causes as text.

use std::collections::HashSet;

use super::detail::title;
use super::label::plain;
use super::text::cut;
use super::{Term, Tone};
use crate::causality::Kind;
use crate::graph::Graph;
use crate::query::impact::{self, Effect};
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
        for together in folded(&step.reasons) {
            lines.push(format!("    {}", reason(term, graph, &together, &mut shown)));
        }
    }
    if !story.left_out.is_empty() {
        let text = format!("… and {} further back (--depth N tells all of N steps)", counted(graph, &story.left_out));
        lines.push(String::new());
        lines.push(term.paint(Tone::Dim, &cut(&text, term.width)));
    }
    lines
}

/// Reasons that say the same, together: edits that one check verifies need one line.
fn folded(reasons: &[Reason]) -> Vec<Vec<&Reason>> {
    let mut all: Vec<Vec<&Reason>> = Vec::new();
    for r in reasons {
        let alike = |group: &&mut Vec<&Reason>| r.kind == Some(Kind::Verify) && group[0].kind == r.kind;
        match all.iter_mut().find(alike) {
            Some(group) => group.push(r),
            None => all.push(vec![r]),
        }
    }
    all
}

/// Events by what they are: `3 prompts, 12 edits, 30 other calls`.
fn counted(graph: &Graph, events: &[usize]) -> String {
    let count = |effect: Effect| events.iter().filter(|i| impact::effect(graph, **i) == effect).count();
    let kinds = [
        (count(Effect::Edit), "edit"),
        (count(Effect::Commit), "commit"),
        (count(Effect::Call), "other call"),
        (count(Effect::Answer) + count(Effect::Other), "prompt or message"),
    ];
    let said = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| match (n, *what) {
        (1, what) => format!("1 {what}"),
        (n, "prompt or message") => format!("{n} prompts or messages"),
        (n, what) => format!("{n} {what}s"),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Reasons that say the same: how they led here, how sure that is, the evidence, and the cause where it is not told as a step
/// of its own.
fn reason(term: &Term, graph: &Graph, all: &[&Reason], shown: &mut HashSet<(usize, String)>) -> String {
    let r = all[0];
    let numbers: Vec<_> = all.iter().map(|r| format!("#{}", r.event + 1)).collect();
    let number = term.paint(Tone::Number, &numbers.join(" "));
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
    let percent = |c: f32| (c * 100.0).round();
    let (low, high) =
        all.iter().fold((r.confidence, r.confidence), |(l, h), r| (l.min(r.confidence), h.max(r.confidence)));
    let share = if percent(low) == percent(high) {
        format!("{}%", percent(high))
    } else {
        format!("{}–{}%", percent(low), percent(high))
    };
    let mut line = format!("← {number} {} {}", term.paint(tone, words), term.paint(Tone::Dim, &share));
    let used = words.len() + share.len() + numbers.join(" ").len() + 5;
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
