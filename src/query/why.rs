//! The backward slice of an event as a story: what led to it, and what led to that, to the prompt.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use serde::Serialize;

use crate::causality::{Evidence, Kind};
use crate::graph::Graph;

/// Steps told where no depth is asked for; of a longer slice those that bear most on the event.
const MOST: usize = 16;

/// What of the slice is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// So many steps back, and all of them; where none is given, those that bear most on the event.
    pub depth: Option<usize>,
    /// Only the primary cause of each step.
    pub primary: bool,
    /// Only what ids prove.
    pub proven: bool,
    /// Only causes of at least this confidence.
    pub min_confidence: f32,
}

/// A reason of a step.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// Index of the cause.
    pub event: usize,
    /// How it led here; none for a proven edge.
    pub kind: Option<Kind>,
    /// 0 to 1; 1 for a proven edge.
    pub confidence: f32,
    /// What shows it.
    pub evidence: Option<Evidence>,
    /// It is told further down, as a step of its own.
    pub told: bool,
}

/// A step of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Index of the event.
    pub event: usize,
    /// How much it bears on the event asked about: the product of confidences on the best way there.
    pub weight: f32,
    /// What led to it.
    pub reasons: Vec<Reason>,
}

/// Why an event happened.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// The steps, the event asked about first, then back in time.
    pub steps: Vec<Step>,
    /// Events of the slice that are not told, in order.
    pub left_out: Vec<usize>,
}

/// The story of an event.
pub fn why(graph: &Graph, event: usize, options: Options) -> Story {
    // best first: the step that bears most on the event is told before others
    let mut weight: BTreeMap<usize, f32> = BTreeMap::new();
    let mut heap: BinaryHeap<(Weight, usize, usize)> = BinaryHeap::new();
    heap.push((Weight(1.0), event, 0));
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let most = if options.depth.is_some() { usize::MAX } else { MOST };
    while let Some((Weight(w), i, depth)) = heap.pop() {
        if weight.contains_key(&i) {
            continue;
        }
        weight.insert(i, w);
        // a prompt is where a story begins; what was answered before it is another
        let begins = i != event && !options.proven && graph.is_persons(i);
        if told.len() < most && !begins {
            told.insert(i);
        }
        if begins || options.depth.is_some_and(|d| depth >= d) {
            continue;
        }
        for r in reasons(graph, i, options) {
            heap.push((Weight(w * r.confidence.max(0.05)), r.event, depth + 1));
        }
    }
    // a prompt is told where a step that is told answers it
    let asked = |i: &usize| reasons(graph, *i, options).into_iter().map(|r| r.event);
    let prompts: Vec<usize> =
        told.iter().flat_map(asked).filter(|p| graph.is_persons(*p) && weight.contains_key(p)).collect();
    told.extend(prompts);
    // the event itself comes first even where the clock of a cause is later
    told.remove(&event);
    let order: Vec<usize> = std::iter::once(event).chain(told.iter().rev().copied()).collect();
    told.insert(event);
    let steps = order.iter().map(|i| {
        let mut reasons = reasons(graph, *i, options);
        for r in &mut reasons {
            r.told = told.contains(&r.event);
        }
        Step { event: *i, weight: weight.get(i).copied().unwrap_or(1.0), reasons }
    });
    let left_out = weight.keys().copied().filter(|i| !told.contains(i)).collect();
    Story { steps: steps.collect(), left_out }
}

fn reasons(graph: &Graph, i: usize, options: Options) -> Vec<Reason> {
    if graph.is_persons(i) && !options.proven {
        return Vec::new();
    }
    let proven = |p: &usize| Reason { event: *p, kind: None, confidence: 1.0, evidence: None, told: false };
    let most = if options.primary { 1 } else { usize::MAX };
    if options.proven || graph.causes[i].is_empty() {
        return graph.parents[i].iter().take(most).map(proven).collect();
    }
    let causes = graph.causes[i].iter().filter(|c| c.confidence >= options.min_confidence);
    causes
        .take(most)
        .map(|c| Reason {
            event: c.event,
            kind: Some(c.kind),
            confidence: c.confidence,
            evidence: c.evidence.clone(),
            told: false,
        })
        .collect()
}

/// A weight in a heap.
#[derive(PartialEq)]
struct Weight(f32);

impl Eq for Weight {}

impl PartialOrd for Weight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Weight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
