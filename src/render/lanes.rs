//! The graph with all causes as lanes, newest first, as `git log --graph` and `jj log` draw history: several effects of one
//! cause share a lane. The one file that knows the drawing crate.

use renderdag::{Ancestor, GraphRowRenderer, Renderer as _};

use super::label::{ending, label, mark};
use super::text::{columns, cut};
use super::{Term, Tone, cause};
use crate::causality::Kind;
use crate::graph::Graph;

/// Lanes beyond this share of the width are cut on the right, so that labels keep room.
const LANES_SHARE: usize = 2;

/// Events that a lane reaches back at most. What was seen longer ago is named in the row only: hundreds of lanes side by side show
/// nobody anything, and each row would cost them all.
const REACH: usize = 2000;

/// The rows of the graph: visible events with edges to all their causes within reach; with `proven` to their proven parents.
/// Edges of mere order are dashed. A hidden event is looked through.
pub fn lanes(term: &Term, graph: &Graph, visible: &[bool], proven: bool, min_confidence: f32) -> Vec<String> {
    let edges = edges(graph, visible, proven, min_confidence);
    let mut renderer = GraphRowRenderer::new().output().with_min_row_height(1).build_box_drawing();
    let width = graph.events.len().max(1).to_string().len();
    let mut rows = Vec::new();
    for i in (0..graph.events.len()).rev().filter(|i| visible[*i]) {
        let event = &graph.events[i];
        let near = edges[i].iter().filter(|(p, _)| i - p <= REACH);
        let ancestors = near.map(|(p, weak)| match weak {
            true => Ancestor::Ancestor(*p),
            false => Ancestor::Parent(*p),
        });
        let (sign, tone) = mark(event);
        // the message is laid out after the lanes are known: the drawing gets a placeholder
        let drawn = renderer.next_row(i, ancestors.collect(), sign.to_string(), "\u{1}".to_owned());
        for line in drawn.lines() {
            let most = term.width / LANES_SHARE;
            match line.split_once('\u{1}') {
                Some((lanes, _)) => {
                    let lanes = cut(lanes.trim_end(), most);
                    let used = columns(&lanes) + 2 + width + 1;
                    let end = ending(event).map(|e| format!("  {e}")).unwrap_or_default();
                    let why = cause::short(graph, i, proven, min_confidence);
                    let room = term.width.saturating_sub(used + columns(&end)).max(10);
                    let reason = (room * 2 / 5).max(room.saturating_sub(48)).min(why.columns() + 2);
                    let what = label(term, event, &graph.actions[i], graph.cwd(), room.saturating_sub(reason));
                    let why = if reason > 8 { format!("  {}", why.paint(term, reason - 2)) } else { String::new() };
                    let painted = lanes.replacen(sign, &term.paint(tone, &sign.to_string()), 1);
                    rows.push(format!(
                        "{painted}  {} {what}{}{why}",
                        term.paint(Tone::Number, &format!("{:>width$}", i + 1)),
                        term.paint(Tone::Bad, &end)
                    ));
                }
                None => rows.push(term.paint(Tone::Dim, &cut(line.trim_end(), most))),
            }
        }
    }
    rows
}

/// Per event its visible causes, and whether each is known by order only.
fn edges(graph: &Graph, visible: &[bool], proven: bool, min_confidence: f32) -> Vec<Vec<(usize, bool)>> {
    let mut edges: Vec<Vec<(usize, bool)>> = Vec::with_capacity(graph.events.len());
    for i in 0..graph.events.len() {
        let parents = graph.parents[i].iter().map(|p| (*p, false));
        let kept = graph.causes[i].iter().filter(|c| c.confidence >= min_confidence);
        let causes = kept.map(|c| (c.event, c.kind == Kind::Order));
        let direct: Vec<(usize, bool)> = match (proven || graph.causes[i].is_empty(), graph.events[i].is_call()) {
            (true, _) => parents.collect(),
            (false, true) => causes.collect(),
            // an answer follows from what came last, and tells of what came before
            (false, false) => parents.chain(causes).collect(),
        };
        let mut seen: Vec<(usize, bool)> = Vec::new();
        for (p, weak) in direct.into_iter().filter(|(p, _)| *p < i) {
            // causes stand before their effects: what a hidden one leads back to is known
            let through = if visible[p] { vec![(p, weak)] } else { edges[p].clone() };
            for edge in through {
                if !seen.iter().any(|(q, _)| *q == edge.0) && seen.len() < 64 {
                    seen.push(edge);
                }
            }
        }
        edges.push(seen);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::event::{Event, EventType};

    #[test]
    fn a_lane_reaches_back_only_so_far() {
        let lines = |from: usize| {
            let event = |i: usize| Event {
                event_id: format!("{i:05}"),
                event_type: EventType::ContextUpdate,
                parents: if i == REACH + 1 { vec![format!("{from:05}")] } else { Vec::new() },
                ..Event::default()
            };
            let graph = Graph::new((0..=REACH + 1).map(event).collect(), &|_| Action::Other);
            let rows = lanes(&Term::default(), &graph, &vec![true; REACH + 2], false, 0.0);
            rows.iter().filter(|r| r.contains('│')).count()
        };
        assert!(lines(1) >= REACH - 1);
        assert_eq!(lines(0), 0);
    }
}
