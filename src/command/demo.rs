//! `causetrace demo`, and the built-in session behind it.

use super::catalog::Session;
use super::context::Context;
use super::{filter, view};
use crate::event::Event;
use crate::graph::Graph;
use crate::render::Tone;
use crate::render::tree::{Shown, tree};
use crate::source;

/// A session recorded with OpenCode 1.18.33 on a small scripted task, as lines of the store.
const RECORDED: &str = include_str!("../../fixtures/demo/events.jsonl");

/// The name by which reading commands take the built-in session.
pub const NAME: &str = "demo";

/// Show the built-in recorded session
///
/// Every command that takes a SESSION takes `demo` for it.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The built-in session.
pub fn session() -> Session {
    let mut folded = super::catalog::Folded::default();
    for line in RECORDED.lines() {
        if let Ok(event) = serde_json::from_str::<Event>(line) {
            folded.take(event);
        }
    }
    let id = folded.events.first().map(|e| e.session_id.clone()).unwrap_or_default();
    Session { id, agent: "opencode".to_owned(), events: folded.events, problems: Vec::new(), sources: None }
}

/// Runs the command.
///
/// # Errors
/// None.
pub fn run(ctx: &mut Context, _args: &Args) -> anyhow::Result<u8> {
    let session = session();
    let graph = Graph::new(session.events, &source::action);
    if ctx.json {
        return view::json(ctx, &graph);
    }
    for line in view::heading(ctx, &graph, &session.id) {
        ctx.out.line(line);
    }
    let term = ctx.out.term;
    ctx.out.line(term.paint(Tone::Warn, "a recorded session built into causetrace, not one of yours"));
    ctx.out.line("");
    let shown = Shown {
        visible: filter::visible(&graph, None, false),
        from: None,
        depth: None,
        proven: false,
        min_confidence: 0.0,
    };
    for row in tree(&term, &graph, &shown) {
        ctx.out.line(row);
    }
    ctx.out.line("");
    for line in [
        "Ask on:",
        "  causetrace why 14 --session demo                        why was that edit made?",
        "  causetrace why --removed 'return n' --session demo      why did that line go?",
        "  causetrace impact 9 --session demo                      what rests on that reading?",
    ] {
        ctx.out.line(term.paint(Tone::Dim, line));
    }
    Ok(0)
}
