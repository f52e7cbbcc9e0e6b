//! `causetrace blame`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use super::catalog::Catalog;
use super::context::Context;
use super::failure::Failure;
use super::git;
use super::history::{self, Change};
use crate::event::Event;
use crate::plain;
use crate::query::blame::{Edit, Line, blame};
use crate::render::{Tone, text};

/// Largest file, in bytes, whose lines are looked for: sources are smaller.
const LARGEST: u64 = 256 << 20;

/// Which event wrote each line that stands in a file now
///
/// Over all sessions of all agents. Where no recorded event surely wrote a line (it was written by hand, by a shell command,
/// or before), git's commit stands there, dim, and below the session that made it, where one did.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, or lines of it
    #[arg(value_name = "FILE[:LINE[-LINE]]")]
    file: String,
}

/// The lines of a file with the recorded changes that wrote them (`edit` is an index into the changes).
///
/// # Errors
/// The file cannot be read.
pub fn lines(ctx: &Context, path: &Path) -> anyhow::Result<(Vec<Line>, Vec<Change>)> {
    super::why::must_exist(path, &path.display().to_string())?;
    let bytes =
        plain::read_up_to(path, LARGEST).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    let content = String::from_utf8_lossy(&bytes);
    let mut catalog = Catalog::gather(ctx);
    catalog.sync_all(ctx);
    let changes = history::changes(ctx, &catalog, path);
    let edits: Vec<Edit> = changes.iter().enumerate().map(|(id, c)| Edit { id, change: c.edit.clone() }).collect();
    Ok((blame(&content, &edits), changes))
}

/// Runs the command.
///
/// # Errors
/// The file does not exist or the range is none.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let (file, range) = split(&args.file)?;
    let path = history::absolute(file, &ctx.env.cwd);
    let (lines, changes) = lines(ctx, &path)?;
    let (from, to) = range.unwrap_or((1, u64::MAX));
    let wanted: Vec<&Line> = lines.iter().filter(|l| l.number >= from && l.number <= to).collect();
    if wanted.is_empty() && range.is_some() {
        return Err(Failure::new(format!("{file} has {}", super::count(lines.len(), "line"))).into());
    }
    let commits = commits(ctx, &path, &wanted);
    if ctx.json {
        let rows: Vec<_> = wanted
            .iter()
            .map(|l| {
                let c = l.edit.map(|e| &changes[e].event);
                let (git, by) = commits.get(&l.number).map(|(c, e)| (Some(c), e.as_ref())).unwrap_or_default();
                json!({
                    "line": l.number, "text": l.text,
                    "event_id": c.map(|e| &e.event_id), "session_id": c.map(|e| &e.session_id),
                    "agent": c.map(|e| &e.agent), "timestamp": c.and_then(|e| e.timestamp),
                    "git": git.map(|c| json!({
                        "commit": c.hash, "author": c.author, "time": c.time, "subject": c.subject,
                        "event_id": by.map(|e| &e.event_id), "session_id": by.map(|e| &e.session_id),
                    })),
                })
            })
            .collect();
        ctx.out.json(&rows)?;
        return Ok(0);
    }
    let term = ctx.out.term;
    let digits = lines.len().max(1).to_string().len();
    let mut before = None;
    for l in &wanted {
        let git = commits.get(&l.number).map(|(c, _)| c);
        let (who, tone) = match (l.edit, git) {
            (Some(e), _) => {
                let e = &changes[e].event;
                let when = e.timestamp.map(|t| super::when(t, ctx.now)).unwrap_or_default();
                let id = super::short_event(&e.event_id);
                (format!("{id} {} {}", text::pad(&e.agent, 11), text::pad(&when, 12)), Tone::Evidence)
            }
            (None, Some(c)) => {
                let when = c.time.map(|t| super::when(t, ctx.now)).unwrap_or_default();
                let author = text::pad(&text::one_line(&c.author, 11), 11);
                (format!("{} {author} {when}", c.short()), Tone::Dim)
            }
            (None, None) => ("unknown".to_owned(), Tone::Dim),
        };
        // the same event on the lines below is not named again
        let shown = if before.as_ref() == Some(&who) { "│" } else { &who };
        let room = term.width.saturating_sub(33 + 1 + digits + 2);
        ctx.out.line(format!(
            "{} {}  {}",
            term.paint(tone, &text::pad(&text::name(shown), 33)),
            term.paint(Tone::Number, &format!("{:>digits$}", l.number)),
            text::cut(&text::clean(&l.text), room.max(20))
        ));
        before = Some(who);
    }
    let known = wanted.iter().filter(|l| l.edit.is_some()).count();
    ctx.out.line("");
    let note = format!(
        "{known} of {} by {}; `causetrace why {file}:LINE` tells why",
        super::count(wanted.len(), "line"),
        super::count(changes.len(), "recorded edit")
    );
    ctx.out.line(term.paint(Tone::Dim, &text::one_line(&note, term.width)));
    let mut told: Vec<&str> = Vec::new();
    for (c, e) in commits.values().filter_map(|(c, e)| Some((c, e.as_ref()?))) {
        if !told.contains(&c.short()) {
            told.push(c.short());
            let id = super::short_event(&e.event_id);
            let note = format!("commit {} was made by {id} of {}: {}", c.short(), e.agent, c.subject);
            ctx.out.line(term.paint(Tone::Dim, &text::one_line(&note, term.width)));
        }
    }
    Ok(0)
}

/// For lines that no recorded event wrote, by number: git's commit, and the event that made it.
fn commits(ctx: &Context, path: &Path, lines: &[&Line]) -> BTreeMap<u64, (git::Commit, Option<Event>)> {
    let unknown: BTreeSet<u64> = lines.iter().filter(|l| l.edit.is_none()).map(|l| l.number).collect();
    let (Some(from), Some(to)) = (unknown.first(), unknown.last()) else { return BTreeMap::new() };
    let mut commits = git::blame(path, *from, *to);
    commits.retain(|c| unknown.contains(&c.line));
    let hashes: BTreeSet<String> = commits.iter().map(|c| c.hash.clone()).collect();
    let made = if hashes.is_empty() {
        Vec::new()
    } else {
        history::commits(ctx, &Catalog::gather(ctx), &hashes.into_iter().collect::<Vec<_>>())
    };
    let by = |c: &git::Commit| made.iter().find(|m| c.hash.starts_with(&m.hash)).map(|m| m.event.clone());
    commits.into_iter().map(|c| (c.line, (c.clone(), by(&c)))).collect()
}

/// The file and the range of `FILE:12` and `FILE:12-20`.
fn split(text: &str) -> anyhow::Result<(&str, Option<(u64, u64)>)> {
    let Some((file, range)) = text.rsplit_once(':').filter(|(_, r)| r.starts_with(|c: char| c.is_ascii_digit())) else {
        return Ok((text, None));
    };
    let wrong = || Failure::usage(format!("{range:?} is no line and no range")).hint("FILE:12 or FILE:12-20");
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let from: u64 = from.parse().map_err(|_| wrong())?;
    let to: u64 = to.parse().map_err(|_| wrong())?;
    if from == 0 || to < from {
        return Err(wrong().into());
    }
    Ok((file, Some((from, to))))
}
