//! `causetrace tree`.

use super::context::Context;
use super::filter::{self, Only};
use super::look::Extent as _;
use super::{event_selector, view};
use crate::graph::{Graph, Whole};
use crate::render::tree::{Shown, tree};

/// Show a session as causes and effects
///
/// Each call stands below the cause that best explains it, with the evidence: `← “src/utils.py” in #4:3` reads: that text,
/// in line 3 of the output of event 4, led to this. What goes on straight down is the chain with most effects; side
/// branches stand to the right of where they began. `∥` marks calls of one model response.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    session: Option<String>,
    /// At most N steps below the beginning
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Only what follows from this event
    #[arg(long, value_name = "EVENT")]
    from: Option<String>,
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
    /// Go on as the session grows
    #[arg(long)]
    follow: bool,
}

/// Runs the command.
///
/// # Errors
/// The session or event does not exist or cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let selector = args.session.as_deref();
    if ctx.json {
        return view::json(ctx, &Whole::look(ctx, selector)?.graph);
    }
    if args.follow {
        let session = Whole::look(ctx, selector)?;
        show(ctx, args, &session.id, &session.graph)?;
        ctx.out.flush()?;
        let only = [session.id].into();
        return super::watch::follow(ctx, super::watch::Scope { only, file: None }, Some(&session.graph));
    }
    let session = Graph::look(ctx, selector)?;
    show(ctx, args, &session.id, &session.graph)?;
    Ok(0)
}

fn show(ctx: &mut Context, args: &Args, id: &str, graph: &Graph) -> anyhow::Result<()> {
    let from = args.from.as_deref().map(|e| event_selector::find(graph, e)).transpose()?;
    let shown = Shown {
        visible: filter::visible(graph, args.only, args.full),
        from,
        depth: args.depth,
        proven: args.proven,
        min_confidence: args.min_confidence,
    };
    for line in view::heading(ctx, graph, id) {
        ctx.out.line(line);
    }
    ctx.out.line("");
    let rows = tree(&ctx.out.term, graph, &shown);
    for row in rows {
        ctx.out.line(row);
    }
    ctx.out.line("");
    let line = view::edges(ctx, graph);
    ctx.out.line(line);
    Ok(())
}
