//! `causetrace replay`.

use std::io::BufRead as _;
use std::time::Duration;

use super::context::Context;
use super::look::Extent as _;
use super::{filter, view};
use crate::graph::Whole;
use crate::render::Term;
use crate::render::detail::{self, Extent};

/// Lines of each text that are shown.
const HEAD: usize = 8;

/// Longest pause between two events, whatever the record says.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Go through a session in causal order: what caused each event, what it did, what came out
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    session: Option<String>,
    /// Wait for Enter after each event, on a terminal
    #[arg(long)]
    step: bool,
    /// Keep the recorded pace, N times as fast (pauses are at most five seconds)
    #[arg(long, value_name = "N", conflicts_with = "step")]
    speed: Option<f64>,
    /// The agent's words, thoughts and all injected text too
    #[arg(long)]
    full: bool,
}

/// Runs the command.
///
/// # Errors
/// The session does not exist or cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let session = Whole::look(ctx, args.session.as_deref())?;
    let graph = session.graph;
    if ctx.json {
        return view::json(ctx, &graph);
    }
    let term = ctx.out.term;
    let visible = filter::visible(&graph, None, args.full);
    for line in view::heading(ctx, &graph, &session.id) {
        ctx.out.line(line);
    }
    let live = ctx.out.is_terminal() && (args.step || args.speed.is_some());
    let mut before = None;
    for i in (0..graph.events.len()).filter(|i| visible[*i]) {
        let event = &graph.events[i];
        if live {
            if let (Some(speed), Some(a), Some(b)) = (args.speed, before, event.timestamp) {
                let pause: chrono::TimeDelta = b - a;
                let seconds = pause.as_seconds_f64() / speed.max(0.001);
                std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_PAUSE.as_secs_f64())));
            }
            before = event.timestamp.or(before);
        }
        ctx.out.line("");
        ctx.out.line(detail::title(&term, &graph, i));
        if event.is_call() {
            for c in &graph.causes[i] {
                let text = format!("  ← {} ({}%)", crate::render::cause::because(c), (c.confidence * 100.0).round());
                ctx.out.line(term.paint(crate::render::Tone::Evidence, &crate::render::text::cut(&text, term.width)));
            }
        }
        let inner = Term { width: term.width.saturating_sub(4), ..term };
        for line in detail::body(&inner, &graph, i, Extent::Head(HEAD)) {
            ctx.out.line(format!("    {line}"));
        }
        if live {
            ctx.out.flush()?;
            if ctx.out.is_closed() {
                break;
            }
            if args.step {
                let mut key = String::new();
                if std::io::stdin().lock().read_line(&mut key)? == 0 || key.trim() == "q" {
                    break;
                }
            }
        }
    }
    Ok(0)
}
