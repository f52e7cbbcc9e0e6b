//! `causetrace sessions`.

use std::collections::{HashMap, HashSet};

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
        for line in table(ctx, &below_parents(&rows)) {
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

/// The sessions with those that each spawned right below it, and how deep each stands. One whose parent is not among them
/// stands by itself.
fn below_parents<'a>(rows: &[&'a Summary]) -> Vec<(&'a Summary, usize)> {
    let ids: HashSet<&str> = rows.iter().map(|s| s.session_id.as_str()).collect();
    let parent = |s: &'a Summary| s.parent_session_id.as_deref().filter(|p| ids.contains(p) && *p != s.session_id);
    let mut spawned: HashMap<&str, Vec<&Summary>> = HashMap::new();
    for s in rows {
        if let Some(p) = parent(s) {
            spawned.entry(p).or_default().push(s);
        }
    }
    let mut out = Vec::with_capacity(rows.len());
    let mut todo: Vec<(&Summary, usize)> = rows.iter().rev().filter(|s| parent(s).is_none()).map(|s| (*s, 0)).collect();
    while let Some((s, depth)) = todo.pop() {
        out.push((s, depth));
        // taken out, so that nothing is listed twice
        let children = spawned.remove(s.session_id.as_str()).unwrap_or_default();
        todo.extend(children.into_iter().rev().map(|c| (c, depth + 1)));
    }
    // damaged records may name each other as parents
    out.extend(rows.iter().filter(|s| parent(s).is_some_and(|p| spawned.contains_key(p))).map(|s| (*s, 0)));
    out
}

/// Columns of the longest agent's name.
const AGENT: usize = 16;

/// The rows as an aligned table that fits the width.
fn table(ctx: &Context, rows: &[(&Summary, usize)]) -> Vec<String> {
    let term = ctx.out.term;
    let mut ids = unique_prefixes(&rows.iter().map(|(s, _)| *s).collect::<Vec<_>>());
    ids.iter_mut().for_each(|id| *id = text::name(id).into_owned());
    // agents of others' making may have any name
    let agent = |agent: &str| text::cut(&text::name(agent), AGENT);
    let wide = term.width >= 110;
    let agent_width = rows.iter().map(|(s, _)| text::columns(&agent(&s.agent))).max().unwrap_or(5).max(5);
    let id_width = ids.iter().map(|id| text::columns(id)).max().unwrap_or(8);
    let dir_width = if wide { (term.width / 5).min(36) } else { 12 };
    // a narrow terminal has no room for the time that a session took
    let took_width = if wide { 8 } else { 0 };
    let fixed = id_width + 2 + agent_width + 2 + 12 + took_width + 2 + 5 + 2 + 4 + 2 + dir_width + 2;
    let title_width = term.width.saturating_sub(fixed).max(10);
    let head = format!(
        "{:id_width$}  {:agent_width$}  {:12}{:>took_width$}  {:>5}  {:>4}  {}  title",
        "session",
        "agent",
        "last active",
        if wide { "took" } else { "" },
        "calls",
        "fail",
        text::pad("directory", dir_width)
    );
    let mut lines = vec![term.paint(Tone::Dim, &text::cut(&head, term.width))];
    for ((s, depth), id) in rows.iter().zip(&ids) {
        let took = s.started.zip(s.ended).filter(|_| wide).map(|(a, b)| super::duration((b - a).num_milliseconds()));
        let dir = s.cwd.as_deref().map(|d| super::home_relative(ctx, d)).unwrap_or_default();
        // where there is little room, the folder's own name says most
        let dir = if wide { dir.as_str() } else { dir.rsplit(['/', '\\']).find(|d| !d.is_empty()).unwrap_or(&dir) };
        let failed = if s.failures == 0 { String::new() } else { s.failures.to_string() };
        let nested = if *depth > 0 { "  ".repeat((depth - 1).min(4)) + "└ " } else { String::new() };
        let title =
            text::one_line(s.title.as_deref().unwrap_or(""), title_width.saturating_sub(text::columns(&nested)));
        lines.push(
            format!(
                "{}  {}  {:12}{:>took_width$}  {:>5}  {}  {}  {nested}{}",
                term.paint(Tone::Number, &text::pad(id, id_width)),
                text::pad(&agent(&s.agent), agent_width),
                s.ended.map(|t| super::when(t, ctx.now)).unwrap_or_default(),
                took.unwrap_or_default(),
                s.calls,
                term.paint(Tone::Bad, &format!("{failed:>4}")),
                term.paint(Tone::Path, &text::pad(&text::cut_path(&text::name(dir), dir_width), dir_width)),
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
    fn spawned_sessions_stand_below_their_parents() {
        let row = |id: &str, parent: Option<&str>| Summary {
            session_id: id.into(),
            parent_session_id: parent.map(str::to_owned),
            ..Summary::default()
        };
        let all = [
            row("c", Some("b")),
            row("x", Some("gone")),
            row("a", None),
            row("b", Some("a")),
            row("p", Some("q")),
            row("q", Some("p")),
        ];
        let rows = below_parents(&all.iter().collect::<Vec<_>>());
        let said: Vec<_> = rows.iter().map(|(s, depth)| (s.session_id.as_str(), *depth)).collect();
        assert_eq!(said, [("x", 0), ("a", 0), ("b", 1), ("c", 2), ("p", 0), ("q", 0)]);
    }

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
