//! `causetrace graph`.

use super::context::Context;
use super::filter::{self, Only};
use super::look::Extent as _;
use super::view;
use crate::graph::{Graph, Whole};
use crate::render::lanes::lanes;

/// Show a session as a graph with all causes, newest first
///
/// Each event with lines to everything that led to it, as `git log --graph` draws commits. Dashed lines are of mere order:
/// nothing better is known.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    session: Option<String>,
    /// Only one kind of call, with the prompts
    #[arg(long, value_enum, value_name = "KIND")]
    only: Option<Only>,
    /// The agent's words, thoughts and all injected text too
    #[arg(long)]
    full: bool,
    /// Only what the agent's own ids prove
    #[arg(long)]
    proven: bool,
    /// Leave out causes below this confidence (0 to 1)
    #[arg(long, value_name = "X", default_value_t = 0.0, hide_default_value = true)]
    min_confidence: f32,
}

/// Runs the command.
///
/// # Errors
/// The session does not exist or cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    if ctx.json {
        let session = Whole::look(ctx, args.session.as_deref())?;
        return view::json(ctx, &session.graph);
    }
    let session = Graph::look(ctx, args.session.as_deref())?;
    let graph = session.graph;
    for line in view::heading(ctx, &graph, &session.id) {
        ctx.out.line(line);
    }
    ctx.out.line("");
    let visible = filter::visible(&graph, args.only, args.full || args.proven);
    for row in lanes(&ctx.out.term, &graph, &visible, args.proven, args.min_confidence) {
        ctx.out.line(row);
    }
    ctx.out.line("");
    let line = view::edges(ctx, &graph);
    ctx.out.line(line);
    Ok(0)
}
