//! `causetrace blame`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::catalog::Catalog;
use super::context::Context;
use super::failure::Failure;
use super::history::{self, Change};
use crate::query::blame::{Edit, Line, blame};
use crate::render::{Tone, text};

/// Which event wrote each line that stands in a file now
///
/// Over all sessions of all agents. A line that no recorded event surely wrote is left blank: it was written by hand, by a
/// shell command, or before.
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
    let bytes = std::fs::read(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
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
        return Err(Failure::new(format!("{file} has {} lines", lines.len())).into());
    }
    if ctx.json {
        let rows: Vec<_> = wanted
            .iter()
            .map(|l| {
                let c = l.edit.map(|e| &changes[e].event);
                json!({
                    "line": l.number, "text": l.text,
                    "event_id": c.map(|e| &e.event_id), "session_id": c.map(|e| &e.session_id),
                    "agent": c.map(|e| &e.agent), "timestamp": c.and_then(|e| e.timestamp),
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
        let who = l.edit.map(|e| {
            let e = &changes[e].event;
            let when = e.timestamp.map(|t| super::when(t, ctx.now)).unwrap_or_default();
            format!("{} {} {}", &e.event_id[..e.event_id.len().min(8)], text::pad(&e.agent, 11), text::pad(&when, 12))
        });
        // the same event on the lines below is not named again
        let shown = if before == Some(l.edit) && l.edit.is_some() { String::new() } else { who.unwrap_or_default() };
        before = Some(l.edit);
        let room = term.width.saturating_sub(33 + 1 + digits + 2);
        ctx.out.line(format!(
            "{} {}  {}",
            term.paint(Tone::Evidence, &text::pad(&text::clean(&shown), 33)),
            term.paint(Tone::Number, &format!("{:>digits$}", l.number)),
            text::cut(&text::clean(&l.text), room.max(20))
        ));
    }
    let known = wanted.iter().filter(|l| l.edit.is_some()).count();
    ctx.out.line("");
    let note = format!(
        "{known} of {} by {}; `causetrace why {file}:LINE` tells why",
        super::count(wanted.len(), "line"),
        super::count(changes.len(), "recorded edit")
    );
    ctx.out.line(term.paint(Tone::Dim, &text::one_line(&note, term.width)));
    Ok(0)
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

/// What git says of a line: commit, author, subject; none outside a repository.
pub fn commit_of(path: &Path, line: u64) -> Option<String> {
    let dir = path.parent()?;
    let range = format!("{line},{line}");
    let name = path.file_name()?;
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["--no-optional-locks", "blame", "--porcelain", "-L", &range, "--"])
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let hash = text.split_whitespace().next()?.get(..10)?.to_owned();
    if hash.bytes().all(|b| b == b'0') {
        return Some("not committed yet".to_owned());
    }
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("").trim().to_owned();
    Some(format!("commit {hash} by {}: {}", field("author "), field("summary ")))
}
