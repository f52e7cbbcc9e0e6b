//! The tree: each event below its primary cause.
//!
//! Rules:
//! 1. The child with most effects goes on in its parent's column, so a chain runs straight down; the others branch off one
//!    column to the right, above it. So no tree of n events is deeper than log2 n columns.
//! 2. A sub-agent always branches off.
//! 3. A person's words begin a tree of their own.
//! 4. Events that are not shown are looked through: what they led to hangs below what led to them.

use rayon::prelude::*;

use super::label::{ending, label, mark};
use super::text::{columns, cut};
use super::{Term, Tone, cause};
use crate::graph::Graph;

/// What of a session is shown.
pub struct Shown {
    /// The events, by index.
    pub visible: Vec<bool>,
    /// Only what follows from this event.
    pub from: Option<usize>,
    /// At most this many steps below a root.
    pub depth: Option<usize>,
    /// Only proven structure.
    pub proven: bool,
    /// Weaker edges are left out of the annotations.
    pub min_confidence: f32,
}

/// The rows of the tree.
pub fn tree(term: &Term, graph: &Graph, shown: &Shown) -> Vec<String> {
    let shape = Shape::of(graph, shown);
    let width = digits(graph.events.len());
    let cwd = graph.cwd();
    let parallel = parallel(graph);
    let draw = |row: Row| {
        let event = &graph.events[row.event];
        let (sign, tone) = mark(event);
        let number = term.paint(Tone::Number, &format!("{:>width$}", row.event + 1));
        let gutter = term.paint(Tone::Dim, &row.gutter);
        let sign = term.paint(tone, &sign.to_string());
        let batch = if parallel[row.event] { term.paint(Tone::Dim, "∥ ") } else { String::new() };
        let agent = shape.begins_agent(graph, row.event).map(|a| format!("[{}] ", agent_name(a)));
        let agent = term.paint(Tone::Evidence, &agent.unwrap_or_default());
        let used = width + 1 + columns(&row.gutter) + 2;
        let room = term.width.saturating_sub(used);
        let why = cause::short(graph, row.event, shown.proven, shown.min_confidence);
        let end = ending(event).map(|e| term.paint(Tone::Bad, &format!("  {e}"))).unwrap_or_default();
        let shown_columns = |text: &str| if term.color { columns(&strip(text)) } else { columns(text) };
        let extra = shown_columns(&end) + shown_columns(&batch) + shown_columns(&agent);
        // the reason gets what the label leaves, at least two fifths
        let reason_room = (room * 2 / 5).max(room.saturating_sub(extra + 48)).min(why.columns() + 2);
        let label_room = room.saturating_sub(extra + reason_room).max(8);
        let text = label(term, event, &graph.actions[row.event], cwd, label_room);
        let mut line = format!("{number} {gutter}{sign} {batch}{agent}{text}{end}");
        let taken = used + extra + shown_columns(&text);
        let left = term.width.saturating_sub(taken + 2);
        if left >= 6 && why.columns() > 0 {
            line.push_str("  ");
            line.push_str(&why.paint(term, left));
        }
        line.truncate(line.trim_end().len());
        let more = (row.hidden > 0).then(|| {
            let blank = " ".repeat(width + 1);
            let more = format!("{blank}{}  … {} more below: --from {}", row.below, row.hidden, row.event + 1);
            term.paint(Tone::Dim, &cut(&more, term.width))
        });
        (line, more)
    };
    // each row is drawn by itself: of 100,000 that takes longer than all else
    let drawn: Vec<_> = shape.rows().into_par_iter().with_min_len(256).map(draw).collect();
    drawn.into_iter().flat_map(|(line, more)| std::iter::once(line).chain(more)).collect()
}

/// Whether each event is one of several calls of one model response.
pub fn parallel(graph: &Graph) -> Vec<bool> {
    let mut count = std::collections::HashMap::new();
    type Response<'a> = (&'a str, Option<&'a str>, &'a str);
    fn key(e: &crate::event::Event) -> Option<Response<'_>> {
        let turn = e.turn_id.as_deref().filter(|_| e.is_call())?;
        Some((turn, e.agent_id.as_deref(), &e.session_id))
    }
    for e in &graph.events {
        if let Some(k) = key(e) {
            *count.entry(k).or_insert(0u32) += 1;
        }
    }
    graph.events.iter().map(|e| key(e).is_some_and(|k| count.get(&k).is_some_and(|n| *n > 1))).collect()
}

/// A sub-agent's name; of a mere id its beginning.
fn agent_name(agent: &str) -> String {
    let is_id = agent.len() >= 16 && agent.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    cut(&super::text::name(agent), if is_id { 9 } else { 20 })
}

fn digits(n: usize) -> usize {
    n.max(1).to_string().len()
}

/// Without colour codes.
pub(super) fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

struct Shape {
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    size: Vec<usize>,
    parent: Vec<Option<usize>>,
    /// Goes on in its parent's column.
    straight: Vec<bool>,
    depth: Option<usize>,
}

struct Row {
    event: usize,
    gutter: String,
    /// The gutter of a row right below it.
    below: String,
    /// Events below that are cut off by the depth limit.
    hidden: usize,
}

impl Shape {
    fn of(graph: &Graph, shown: &Shown) -> Self {
        let n = graph.events.len();
        let (mut children, mut roots) = (vec![Vec::new(); n], Vec::new());
        let mut above: Vec<Option<usize>> = vec![None; n];
        let mut kept = vec![false; n];
        let mut parent = vec![None; n];
        for i in 0..n {
            // parents stand before their children, so what a hidden parent hangs below is known already
            let up = if shown.proven { graph.proven_parent(i) } else { graph.tree_parent(i) };
            let up = up.filter(|p| *p < i);
            let near = up.and_then(|p| if kept[p] { Some(p) } else { above[p] });
            above[i] = near;
            let inside = match shown.from {
                Some(from) => i == from || near.is_some_and(|p| kept[p]),
                None => true,
            };
            kept[i] = inside && (shown.visible[i] || shown.from == Some(i));
            if !kept[i] {
                continue;
            }
            parent[i] = near;
            match near {
                Some(p) if shown.from != Some(i) => children[p].push(i),
                _ => roots.push(i),
            }
        }
        let mut size = vec![1usize; n];
        for i in (0..n).rev() {
            if let Some(p) = parent[i] {
                size[p] += size[i];
            }
        }
        let mut straight = vec![false; n];
        for list in &mut children {
            // the heaviest child last, others in order; a sub-agent is never the one that goes on
            let heavy = list
                .iter()
                .copied()
                .filter(|c| parent[*c].is_none_or(|p| graph.events[p].agent_id == graph.events[*c].agent_id))
                .filter(|c| parent[*c].is_none_or(|p| graph.events[p].session_id == graph.events[*c].session_id))
                .max_by_key(|c| (size[*c], std::cmp::Reverse(*c)));
            if let Some(h) = heavy {
                list.retain(|c| *c != h);
                list.push(h);
                straight[h] = true;
            }
        }
        Self { children, roots, size, parent, straight, depth: shown.depth }
    }

    /// The sub-agent that begins with this event.
    fn begins_agent<'a>(&self, graph: &'a Graph, i: usize) -> Option<&'a str> {
        let e = &graph.events[i];
        let above = self.parent[i].map(|p| &graph.events[p]);
        let same = above.is_some_and(|a| a.agent_id == e.agent_id && a.session_id == e.session_id);
        if same {
            return None;
        }
        let spawned = above.is_some_and(|a| a.session_id != e.session_id);
        e.agent_id.as_deref().or(spawned.then_some(e.session_id.as_str()))
    }

    fn rows(&self) -> Vec<Row> {
        struct Todo {
            event: usize,
            /// Gutter of the columns left of this event's own.
            left: String,
            /// How its row begins.
            gutter: String,
            step: usize,
        }
        let mut rows = Vec::new();
        let mut stack: Vec<Todo> = self
            .roots
            .iter()
            .rev()
            .map(|r| Todo { event: *r, left: String::new(), gutter: String::new(), step: 0 })
            .collect();
        while let Some(todo) = stack.pop() {
            let children = &self.children[todo.event];
            let cut_here = self.depth.is_some_and(|d| todo.step >= d) && !children.is_empty();
            let hidden = if cut_here { self.size[todo.event] - 1 } else { 0 };
            let below = todo.left.clone();
            rows.push(Row { event: todo.event, gutter: todo.gutter, below, hidden });
            if cut_here {
                continue;
            }
            let straight = children.last().filter(|c| self.straight[**c]);
            for (at, child) in children.iter().enumerate().rev() {
                let next = if straight == Some(child) {
                    Todo { event: *child, left: todo.left.clone(), gutter: todo.left.clone(), step: todo.step + 1 }
                } else {
                    let last = straight.is_none() && at + 1 == children.len();
                    let arm = if last { "╰─" } else { "├─" };
                    let rail = if last { "  " } else { "│ " };
                    Todo {
                        event: *child,
                        left: format!("{}{rail}", todo.left),
                        gutter: format!("{}{arm}", todo.left),
                        step: todo.step + 1,
                    }
                };
                stack.push(next);
            }
        }
        rows
    }
}
