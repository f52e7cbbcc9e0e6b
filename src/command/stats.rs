//! `causetrace stats`.

use super::context::Context;
use super::{look, view};
use crate::query::stats::stats;
use crate::render::{Term, Tone, detail, text};

/// Figures of a session: calls by tool, failures, tokens, how causes are known, what led nowhere
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    session: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The session does not exist or cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let (session, from_texts) = look::with_texts(ctx, args.session.as_deref())?;
    let graph = session.graph;
    let s = stats(&graph, &from_texts);
    if ctx.json {
        ctx.out.json(&s)?;
        return Ok(0);
    }
    let term = ctx.out.term;
    for line in view::heading(ctx, &graph, &session.id) {
        ctx.out.line(line);
    }
    ctx.out.line("");
    let calls: usize = s.tools.iter().map(|t| t.calls).sum();
    let mut row = |name: &str, value: String| {
        let value = text::one_line(&value, term.width.saturating_sub(16));
        ctx.out.line(format!("{}{value}", term.paint(Tone::Dim, &format!("{name:16}"))));
    };
    row("events", s.events.iter().map(|(k, n)| format!("{n} {k}")).collect::<Vec<_>>().join(", "));
    row("responses", s.responses.to_string());
    if let Some(t) = s.tokens {
        let kinds = [
            (t.input, "in"),
            (t.output, "out"),
            (t.cache_read, "read from cache"),
            (t.cache_write, "written to cache"),
        ];
        let recorded: Vec<_> =
            kinds.iter().filter_map(|(n, kind)| Some(format!("{} {kind}", text::grouped((*n)?)))).collect();
        row("tokens", recorded.join(", "));
    }
    if let Some(ms) = s.span_ms {
        row("span", super::duration(i64::try_from(ms).unwrap_or(i64::MAX)));
    }
    row("longest chain", super::count(s.longest_chain, "event"));
    let inferred: usize = s.inferred.values().sum();
    let order = s.inferred.get("order").copied().unwrap_or(0);
    let all = (s.proven + inferred).max(1);
    let share = |n: usize| format!("{}%", (n * 100 + all / 2) / all);
    row(
        "edges",
        format!(
            "{} proven by ids, {} with evidence, {} by order only",
            share(s.proven),
            share(inferred - order),
            share(order)
        ),
    );
    row("inferred", s.inferred.iter().map(|(k, n)| format!("{n} {k}")).collect::<Vec<_>>().join(", "));
    row("causes a call", s.fan_in.iter().map(|(k, n)| format!("{n}× {k}")).collect::<Vec<_>>().join(", "));
    let dead_time = s.dead_ms.map(|ms| format!(", {}", super::duration(i64::try_from(ms).unwrap_or(i64::MAX))));
    let dead_tokens =
        s.dead_tokens.and_then(|t| t.output).map(|n| format!(", {} tokens written for them", text::grouped(n)));
    let spent = dead_time.unwrap_or_default() + &dead_tokens.unwrap_or_default();
    row("led nowhere", format!("{} of {calls} calls{}{spent}", s.dead.len(), numbers(&s.dead)));
    if !s.guessed.is_empty() {
        row("guessed", format!("{}{}", super::count(s.guessed.len(), "file name"), numbers(&s.guessed)));
    }
    ctx.out.line("");
    let width = s.tools.iter().map(|t| text::columns(&t.name)).max().unwrap_or(4).clamp(4, 32);
    ctx.out.line(term.paint(Tone::Dim, &format!("{}  calls  failed      time", text::pad("tool", width))));
    for t in &s.tools {
        let took = t.duration_ms.map(|ms| super::duration(i64::try_from(ms).unwrap_or(i64::MAX))).unwrap_or_default();
        let failures = if t.failures == 0 { String::new() } else { t.failures.to_string() };
        let name = text::pad(&text::one_line(&t.name, width), width);
        ctx.out.line(
            format!(
                "{}  {:>5}  {}  {took:>8}",
                term.paint(Tone::Tool, &name),
                t.calls,
                term.paint(Tone::Bad, &format!("{failures:>6}"))
            )
            .trim_end(),
        );
    }
    if !s.loops.is_empty() {
        ctx.out.line("");
        ctx.out.line(term.paint(Tone::Dim, "the same call with the same result"));
        for l in s.loops.iter().take(10) {
            let times = format!("  {}×  ", l.times);
            let inner = Term { width: term.width.saturating_sub(text::columns(&times)), ..term };
            ctx.out.line(format!("{times}{}", detail::title(&inner, &graph, l.event)));
        }
    }
    Ok(0)
}

/// ` (#3 #8)`, the first six; nothing where there are none.
fn numbers(events: &[usize]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let first: Vec<_> = events.iter().take(6).map(|i| format!("#{}", i + 1)).collect();
    format!(" ({}{})", first.join(" "), if events.len() > first.len() { " …" } else { "" })
}
