//! `causetrace import`.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::catalog::{Catalog, as_path};
use super::context::Context;
use super::failure::Failure;
use super::sync::Readable;
use crate::render::{Tone, text};
use crate::source::{SOURCES, by_name, claim};

/// Take sessions into the store: of all agents, of one, or from a file
///
/// Reading commands import what they need by themselves; this takes everything, so that it stays when an agent deletes its
/// history. Importing again adds only what is new.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An agent (claude-code, codex, opencode, aider, continue, copilot) or the path of an agent's file
    #[arg(value_name = "AGENT|PATH")]
    what: Option<String>,
    /// Wait until the file has stood still for a moment: an agent may run its hook before it has written all that the hook tells of
    #[arg(long, hide = true)]
    settle: bool,
}

/// A file that has not grown for this long has been written. Copilot CLI 1.0.102 writes up to a quarter of a second late.
const STILL: Duration = Duration::from_millis(600);

/// Longest wait for a file to stand still.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// The file is no agent's, or the store cannot be written.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let mut catalog = Catalog::gather(ctx);
    let news = match args.what.as_deref() {
        None => catalog.sync_all(ctx),
        Some(name) if by_name(name).is_some() => {
            let all: Vec<Readable> = catalog.transcripts().iter().filter(|(s, _)| s.agent() == name).cloned().collect();
            catalog.sync_changed(ctx, &all)
        }
        Some(path) => {
            let names: Vec<_> = SOURCES.iter().map(|s| s.agent()).collect();
            let Some(file) = as_path(ctx, path).filter(|p| p.exists()) else {
                return Err(Failure::new(format!("{path:?} is neither a file nor an agent"))
                    .hint(format!("agents: {}", names.join(", ")))
                    .into());
            };
            if args.settle {
                settle(&file);
            }
            let Some((source, transcripts)) = claim(&file)? else {
                return Err(Failure::new(format!("{} is no session file of any agent", file.display()))
                    .hint(format!("agents: {}", names.join(", ")))
                    .into());
            };
            let all: Vec<Readable> = transcripts.into_iter().map(|t| (source, t)).collect();
            catalog.sync_changed(ctx, &all)
        }
    };
    if ctx.json {
        ctx.out.json(&json!({
            "read": news.read, "events": news.events, "sessions": news.sessions, "problems": news.problems,
            "report": news.report,
        }))?;
    } else {
        let term = ctx.out.term;
        if news.read == 0 {
            ctx.out.line("nothing new");
        } else {
            let sessions = super::count(news.sessions.len(), "session");
            let files = super::count(news.read, "transcript");
            let events = super::count(usize::try_from(news.events).unwrap_or(usize::MAX), "new event");
            ctx.out.line(format!("{events} in {sessions} from {files}"));
        }
        let bad = &news.report.bad;
        for b in bad.iter().take(5) {
            let place = text::name(&b.file).into_owned();
            ctx.out.line(format!(
                "{} {place}:{}: {}",
                term.paint(Tone::Warn, "bad record"),
                b.line,
                text::name(&b.reason)
            ));
        }
        if news.report.bad_count > 5 {
            ctx.out.line(format!("and {} more bad records: `causetrace doctor` names them", news.report.bad_count - 5));
        }
        for p in &news.problems {
            ctx.out.line(format!("{} {}", term.paint(Tone::Bad, "problem"), text::name(p)));
        }
    }
    Ok(u8::from(!news.problems.is_empty()))
}

fn settle(file: &Path) {
    let length = || std::fs::metadata(file).map(|m| m.len()).ok();
    let begun = Instant::now();
    let (mut last, mut since) = (length(), begun);
    while since.elapsed() < STILL && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        let now = length();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
