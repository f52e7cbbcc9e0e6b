//! `causetrace timeline`.

use super::context::Context;
use super::filter::{self, Only};
use super::look::Extent as _;
use super::view;
use crate::graph::{Graph, Whole};
use crate::render::label::{ending, label, mark};
use crate::render::{Tone, cause, text};

/// Show a session in the order of time, with durations
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
    let term = ctx.out.term;
    for line in view::heading(ctx, &graph, &session.id) {
        ctx.out.line(line);
    }
    ctx.out.line("");
    let visible = filter::visible(&graph, args.only, args.full);
    let mut order: Vec<usize> = (0..graph.events.len()).filter(|i| visible[*i]).collect();
    // an event without a time stays behind the one before it
    let mut last = None;
    let mut times = vec![None; graph.events.len()];
    for (i, e) in graph.events.iter().enumerate() {
        last = e.timestamp.or(last);
        times[i] = last;
    }
    order.sort_by_key(|i| (times[*i], *i));
    let width = graph.events.len().max(1).to_string().len();
    let begun = order.iter().find_map(|i| graph.events[*i].timestamp);
    let mut day = None;
    for i in order {
        let e = &graph.events[i];
        let local = e.timestamp.map(|t| t.with_timezone(&chrono::Local));
        if let Some(d) = local.map(|t| t.date_naive())
            && day.replace(d) != Some(d)
        {
            ctx.out.line(term.paint(Tone::Dim, &d.format("%A, %Y-%m-%d").to_string()));
        }
        let clock = local.map_or_else(|| "        ".to_owned(), |t| t.format("%H:%M:%S").to_string());
        let since = e.timestamp.zip(begun).map(|(t, b)| (t - b).num_milliseconds()).filter(|ms| *ms >= 0);
        let since = since.map(|ms| format!("+{}", super::duration(ms))).unwrap_or_default();
        let took = e.duration_ms.map(|ms| super::duration(i64::try_from(ms).unwrap_or(i64::MAX))).unwrap_or_default();
        let (sign, tone) = mark(e);
        let end = ending(e).map(|e| format!("  {e}")).unwrap_or_default();
        let used = 8 + 1 + 8 + 1 + 7 + 1 + width + 3;
        let why = cause::short(&graph, i, false, 0.0);
        let room = term.width.saturating_sub(used + text::columns(&end));
        let reason = if term.width >= 100 { (why.columns() + 2).min(room * 2 / 5) } else { 0 };
        let what = label(&term, e, &graph.actions[i], graph.cwd(), room.saturating_sub(reason));
        let why = if reason > 8 { format!("  {}", why.paint(&term, reason - 2)) } else { String::new() };
        ctx.out.line(format!(
            "{} {} {} {} {} {what}{}{why}",
            term.paint(Tone::Dim, &clock),
            term.paint(Tone::Dim, &format!("{since:<8}")),
            format_args!("{took:>7}"),
            term.paint(Tone::Number, &format!("{:>width$}", i + 1)),
            term.paint(tone, &sign.to_string()),
            term.paint(Tone::Bad, &end),
        ));
    }
    Ok(0)
}
