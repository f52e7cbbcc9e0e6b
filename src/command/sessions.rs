//! `causetrace sessions`.

use chrono::{DateTime, Local, TimeDelta, Utc};

use super::catalog::Catalog;
use super::context::Context;
use super::failure::Failure;
use crate::render::{Tone, text};
use crate::store::Summary;

/// List the sessions of all agents, newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only sessions of this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only sessions that ran in this directory or below it
    #[arg(long, value_name = "DIR")]
    cwd: Option<std::path::PathBuf>,
    /// Only sessions that went on after this: a date (2026-11-24) or an age (3d, 12h, 2w)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// `--since` is no date and no age.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let since = args.since.as_deref().map(|s| parse_since(s, ctx.now)).transpose()?;
    let mut catalog = Catalog::gather(ctx);
    let news = catalog.sync_all(ctx);
    for problem in &news.problems {
        ctx.out.note(problem);
    }
    let dir = args.cwd.as_ref().map(|d| ctx.env.cwd.join(d)).map(|d| std::fs::canonicalize(&d).unwrap_or(d));
    let wanted = |s: &&Summary| {
        args.agent.as_ref().is_none_or(|a| *a == s.agent)
            && since.is_none_or(|t| s.ended.is_some_and(|e| e >= t))
            && dir.as_ref().is_none_or(|d| s.cwd.as_ref().is_some_and(|c| std::path::Path::new(c).starts_with(d)))
    };
    let rows: Vec<&Summary> = catalog.summaries().into_iter().filter(wanted).collect();
    if ctx.json {
        ctx.out.json(&rows)?;
    } else if rows.is_empty() {
        ctx.out.line("no sessions found; `causetrace doctor` shows where it looked");
    } else {
        for line in table(ctx, &rows) {
            ctx.out.line(line);
        }
    }
    Ok(0)
}

/// A date (local midnight) or an age.
fn parse_since(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    let wrong =
        || Failure::usage(format!("--since {text:?} is no time")).hint("a date (2026-11-24) or an age (3d, 12h, 2w)");
    if let Ok(day) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let local = day.and_hms_opt(0, 0, 0).and_then(|t| t.and_local_timezone(Local).earliest());
        return Ok(local.ok_or_else(wrong)?.with_timezone(&Utc));
    }
    if let Some(t) = crate::event::parse_time(text) {
        return Ok(t);
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let n: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 24 * 7,
        _ => return Err(wrong().into()),
    };
    let age = n.checked_mul(hours).and_then(TimeDelta::try_hours).ok_or_else(wrong)?;
    now.checked_sub_signed(age).ok_or_else(|| wrong().into())
}

/// The rows as an aligned table that fits the width.
fn table(ctx: &Context, rows: &[&Summary]) -> Vec<String> {
    let term = ctx.out.term;
    let ids = unique_prefixes(rows);
    let wide = term.width >= 110;
    let agent_width = rows.iter().map(|s| s.agent.len()).max().unwrap_or(5).max(5);
    let id_width = ids.iter().map(String::len).max().unwrap_or(8);
    let dir_width = if wide { (term.width / 5).min(36) } else { 14 };
    let fixed = id_width + 2 + agent_width + 2 + 12 + 2 + 6 + 2 + 5 + 2 + 4 + 2 + dir_width + 2;
    let title_width = term.width.saturating_sub(fixed).max(10);
    let head = format!(
        "{:id_width$}  {:agent_width$}  {:12}  {:>6}  {:>5}  {:>4}  {}  title",
        "session",
        "agent",
        "last active",
        "took",
        "calls",
        "fail",
        text::pad("directory", dir_width)
    );
    let mut lines = vec![term.paint(Tone::Dim, &text::cut(&head, term.width))];
    for (s, id) in rows.iter().zip(&ids) {
        let took = s.started.zip(s.ended).map(|(a, b)| super::duration((b - a).num_milliseconds()));
        let dir = s.cwd.as_deref().map(|d| super::home_relative(ctx, d)).unwrap_or_default();
        let failed = if s.failures == 0 { String::new() } else { s.failures.to_string() };
        let title = text::one_line(s.title.as_deref().unwrap_or(""), title_width.saturating_sub(2));
        let nested = if s.parent_session_id.is_some() { "└ " } else { "" };
        lines.push(
            format!(
                "{}  {:agent_width$}  {:12}  {:>6}  {:>5}  {}  {}  {nested}{}",
                term.paint(Tone::Number, &text::pad(&text::clean(id), id_width)),
                text::clean(&s.agent),
                s.ended.map(|t| super::when(t, ctx.now)).unwrap_or_default(),
                took.unwrap_or_default(),
                s.calls,
                term.paint(Tone::Bad, &format!("{failed:>4}")),
                term.paint(Tone::Path, &text::pad(&text::cut_path(&text::clean(&dir), dir_width), dir_width)),
                title
            )
            .trim_end()
            .to_owned(),
        );
    }
    lines
}

/// The shortest prefixes (at least eight characters) that name each session; ids that share a long head keep it.
fn unique_prefixes(rows: &[&Summary]) -> Vec<String> {
    let mut sorted: Vec<&str> = rows.iter().map(|s| s.session_id.as_str()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let common = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let needed = |id: &str| {
        let Ok(i) = sorted.binary_search(&id) else { return id.chars().count() };
        let before = i.checked_sub(1).map_or(0, |j| common(sorted[j], id));
        let after = sorted.get(i + 1).map_or(0, |next| common(next, id));
        before.max(after) + 1
    };
    rows.iter().map(|s| s.session_id.chars().take(needed(&s.session_id).clamp(8, 24)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_dates_and_ages() {
        let now = crate::event::parse_time("2026-11-24T12:00:00Z").unwrap();
        assert_eq!(parse_since("3d", now).unwrap().to_rfc3339(), "2026-11-21T12:00:00+00:00");
        assert_eq!(parse_since("2026-11-01T00:00:00Z", now).unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
        for bad in ["", "x", "3y", "99999999999999d", "ü"] {
            assert!(parse_since(bad, now).is_err(), "{bad}");
        }
    }
}
