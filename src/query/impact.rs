//! The forward slice of an event: what rests on it, and what rests on nothing else.

use serde::Serialize;

use super::commits;
use crate::action::Action;
use crate::event::EventType;
use crate::graph::Graph;

/// What a later event is, for a reader who asks what an output led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// A change of files.
    Edit,
    /// A git commit.
    Commit,
    /// The agent's words that no call followed.
    Answer,
    /// Any other call.
    Call,
    /// Anything else: prompts, injected text, words on the way.
    Other,
}

/// One event that follows.
#[derive(Clone, Debug, Serialize)]
pub struct Affected {
    /// Index of the event.
    pub event: usize,
    /// What it is.
    pub effect: Effect,
    /// It would lose all its support without the event asked about.
    pub only_through: bool,
}

/// What follows from an event, in causal order.
pub fn impact(graph: &Graph, event: usize) -> Vec<Affected> {
    let after = graph.descendants(event);
    let mut rests = vec![false; graph.events.len()];
    rests[event] = true;
    let mut out = Vec::with_capacity(after.len());
    for i in after {
        // causes stand before their effects, so one pass in order is enough
        let reasons = graph.reasons(i);
        rests[i] = !reasons.is_empty() && reasons.iter().all(|r| rests[*r]);
        out.push(Affected { event: i, effect: effect(graph, i), only_through: rests[i] });
    }
    out
}

/// Files that the edits among these changed, and the lines that they added and removed in all.
pub fn changed(graph: &Graph, affected: &[Affected]) -> (usize, usize, usize) {
    let edits = affected.iter().filter_map(|a| match &graph.actions[a.event] {
        Action::Edit(files) if a.effect == Effect::Edit => Some(files),
        _ => None,
    });
    let mut paths = std::collections::HashSet::new();
    let mut lines = (0, 0);
    for f in edits.flatten() {
        paths.insert(f.path.as_str());
        let (added, removed) = f.lines();
        lines = (lines.0 + added, lines.1 + removed);
    }
    (paths.len(), lines.0, lines.1)
}

/// What an event is.
pub fn effect(graph: &Graph, i: usize) -> Effect {
    let e = &graph.events[i];
    match (&e.event_type, &graph.actions[i]) {
        (EventType::ToolCall, Action::Edit(_)) => Effect::Edit,
        (EventType::ToolCall, action) if commits(action) => Effect::Commit,
        (EventType::ToolCall, _) => Effect::Call,
        (EventType::Message, _) if graph.is_answer(i) => Effect::Answer,
        _ => Effect::Other,
    }
}
