//! `causetrace impact`.

use serde_json::json;

use super::context::Context;
use super::{event_selector, view};
use crate::graph::{Graph, Whole};
use crate::query::impact::{Effect, changed, impact};
use crate::render::{Tone, detail};

/// What followed from an event: calls, edits, commits and answers that rest on it
///
/// `!` marks what would lose all its support without it.
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
    if ctx.json {
        let (graph, i) = event_selector::open::<Whole>(ctx, &args.event, args.session.as_deref())?;
        let affected = impact(&graph, i);
        let events = view::events_json(&graph);
        let rows: Vec<_> = affected
            .iter()
            .map(|a| json!({"number": a.event + 1, "effect": a.effect, "only_through": a.only_through, "event": events[a.event]}))
            .collect();
        let (files, added, removed) = changed(&graph, &affected);
        let changed = json!({"files": files, "lines_added": added, "lines_removed": removed});
        ctx.out.json(&json!({"event": events[i], "affected": rows, "changed": changed}))?;
        return Ok(0);
    }
    let (graph, i) = event_selector::open::<Graph>(ctx, &args.event, args.session.as_deref())?;
    let affected = impact(&graph, i);
    let term = ctx.out.term;
    ctx.out.line(detail::title(&term, &graph, i));
    ctx.out.line("");
    let count = |e: Effect| affected.iter().filter(|a| a.effect == e).count();
    let only = affected.iter().filter(|a| a.only_through && a.effect != Effect::Other).count();
    for a in affected.iter().filter(|a| a.effect != Effect::Other) {
        let mark = if a.only_through { term.paint(Tone::Warn, "!") } else { " ".to_owned() };
        ctx.out.line(format!("{mark} {}", detail::title(&term, &graph, a.event)));
    }
    if affected.is_empty() {
        ctx.out.line("nothing recorded rests on it");
        return Ok(0);
    }
    ctx.out.line("");
    let (files, added, removed) = changed(&graph, &affected);
    let edits = match files {
        0 => "0 edits".to_owned(),
        n => format!(
            "{} (+{added} −{removed} in {})",
            super::count(count(Effect::Edit), "edit"),
            super::count(n, "file")
        ),
    };
    let text = format!(
        "{edits}, {}, {}, {} rest on it; {only} of all on nothing else (!)",
        super::count(count(Effect::Commit), "commit"),
        super::count(count(Effect::Answer), "answer"),
        super::count(count(Effect::Call), "other call"),
    );
    ctx.out.line(term.paint(Tone::Dim, &text));
    Ok(0)
}
