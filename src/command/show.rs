//! `causetrace show`.

use super::context::Context;
use super::{event_selector, view};
use crate::graph::Whole;
use crate::render::Tone;
use crate::render::detail::{self, Extent};

/// Look at one event in full
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The event
    event: String,
    /// The session of the event
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The event does not exist.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let (graph, i) = event_selector::open::<Whole>(ctx, &args.event, args.session.as_deref())?;
    if ctx.json {
        let events = view::events_json(&graph);
        ctx.out.json(&events[i])?;
        return Ok(0);
    }
    let term = ctx.out.term;
    ctx.out.line(detail::title(&term, &graph, i));
    for line in detail::facts(&term, &graph, i) {
        ctx.out.line(format!("  {line}"));
    }
    let reasons = detail::reasons(&term, &graph, i);
    if !reasons.is_empty() {
        ctx.out.line(term.paint(Tone::Bold, "because"));
        for line in reasons {
            ctx.out.line(format!("  {line}"));
        }
    }
    let effects: Vec<_> = graph.effects(i).iter().map(|e| format!("#{}", e + 1)).collect();
    if !effects.is_empty() {
        ctx.out.line(term.paint(Tone::Bold, "led to"));
        ctx.out.line(format!("  {}", effects.join(" ")));
    }
    ctx.out.line("");
    for line in detail::body(&term, &graph, i, Extent::Full) {
        ctx.out.line(line);
    }
    Ok(0)
}
