//! `causetrace why`.

use std::path::Path;

use serde_json::json;

use super::catalog::Catalog;
use super::context::Context;
use super::failure::Failure;
use super::look::{Extent, Held};
use super::{blame, event_selector, git, history, view};
use crate::graph::{Graph, Whole};
use crate::query::why::{Options, why};
use crate::render::{Tone, story, text};

/// Why was this done? Of an event, a line of a file, a removed text or a commit
///
/// Tells the steps from the event back to the prompt, each with its reasons and the evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  causetrace why 14                      event 14 of the newest session here
  causetrace why src/utils.py:12         the edit that wrote this line, of whatever session
  causetrace why --removed 'assert x'    the edit that removed this text
  causetrace why 4f2a91c                 the call that made this commit")]
pub struct Args {
    /// An event, FILE:LINE, or a commit; with --removed the file (left out: any)
    what: Option<String>,
    /// Ask for the event that removed this text
    #[arg(long, value_name = "TEXT")]
    removed: Option<String>,
    /// The session of the event
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// All causes up to N steps back (left out: those that bear most on it)
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Only the primary cause of each step
    #[arg(long)]
    primary: bool,
    /// The prompt first
    #[arg(long)]
    reverse: bool,
    /// Only what the agent's own ids prove
    #[arg(long)]
    proven: bool,
    /// Leave out causes below this confidence (0 to 1)
    #[arg(long, value_name = "X", default_value_t = 0.0, hide_default_value = true)]
    min_confidence: f32,
}

/// Runs the command.
///
/// # Errors
/// What was asked about is not recorded.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let options =
        Options { depth: args.depth, primary: args.primary, proven: args.proven, min_confidence: args.min_confidence };
    if ctx.json {
        let (graph, event, about) = find::<Whole>(ctx, args)?;
        let told = why(&graph, event, options);
        let events = view::events_json(&graph);
        let steps: Vec<_> = told
            .steps
            .iter()
            .map(|s| json!({"number": s.event + 1, "weight": s.weight, "event": events[s.event]}))
            .collect();
        ctx.out.json(&json!({"about": about, "steps": steps, "left_out": told.left_out.len()}))?;
        return Ok(0);
    }
    let (graph, event, about) = find::<Graph>(ctx, args)?;
    let told = why(&graph, event, options);
    let term = ctx.out.term;
    if let Some(about) = about {
        ctx.out.line(term.paint(Tone::Bold, &text::one_line(&about, term.width)));
        ctx.out.line("");
    }
    for line in story::story(&term, &graph, &told, args.reverse) {
        ctx.out.line(line);
    }
    Ok(0)
}

/// The graph, the event that was asked about in it, and how it was found.
type Answer<G> = (Held<G>, usize, Option<String>);

/// The graph and the event that was asked about, with a line on how it was found.
fn find<G: Extent>(ctx: &Context, args: &Args) -> anyhow::Result<Answer<G>> {
    if let Some(wanted) = &args.removed {
        return find_removed(ctx, wanted, args.what.as_deref(), args.session.as_deref());
    }
    let Some(what) = args.what.as_deref() else {
        return Err(Failure::usage("what was it that needs an answer?")
            .hint("give an event's number, FILE:LINE, a commit, or --removed TEXT")
            .into());
    };
    if let Some((file, line)) = what.rsplit_once(':')
        && let Ok(line) = line.parse::<u64>()
        && args.session.is_none()
    {
        return find_line(ctx, file, line);
    }
    let looks_like_commit = (7..=40).contains(&what.len()) && what.bytes().all(|b| b.is_ascii_hexdigit());
    match event_selector::open(ctx, what, args.session.as_deref()) {
        Ok((graph, i)) => Ok((graph, i, None)),
        Err(e) if looks_like_commit => find_commit(ctx, what).unwrap_or(Err(e)),
        Err(e) => Err(e),
    }
}

/// Opens a session and finds an event in it by id.
fn open<G: Extent>(ctx: &Context, session: &str, event_id: &str) -> anyhow::Result<(Held<G>, usize)> {
    let graph = G::look(ctx, Some(session))?.graph;
    let i = event_selector::find((*graph).as_ref(), event_id)?;
    Ok((graph, i))
}

fn find_removed<G: Extent>(
    ctx: &Context,
    wanted: &str,
    file: Option<&str>,
    session: Option<&str>,
) -> anyhow::Result<Answer<G>> {
    let path = file.map(|f| history::absolute(f, &ctx.env.cwd));
    let missing = || {
        let place = file.map(|f| format!(" from {f}")).unwrap_or_default();
        Failure::new(format!("no recorded edit removed {wanted:?}{place}"))
            .hint("text removed by a shell command or by hand is not recorded; --session names another session")
    };
    if let Some(session) = session {
        let graph = Whole::look(ctx, Some(session))?.graph;
        let removals = crate::query::removed::removed(&graph, wanted, &|p, cwd| {
            path.as_ref()
                .is_none_or(|f| history::is_file(p, cwd.or(graph.cwd()), f) || file.is_some_and(|n| p.ends_with(n)))
        });
        let first = removals.first().ok_or_else(missing)?;
        let about = described(&first.line, &first.path, first.number);
        let i = first.event;
        return Ok((Held::new(G::of(Held::into_inner(graph))), i, Some(about)));
    }
    let mut catalog = Catalog::gather(ctx);
    catalog.sync_all(ctx);
    let removals = history::removals(ctx, &catalog, wanted, path.as_deref());
    let newest = removals.first().ok_or_else(missing)?;
    if removals.len() > 1 {
        ctx.out.note(&format!("removed {} times; this is the newest", removals.len()));
    }
    let about = described(&newest.what.line, &newest.what.path, newest.what.number);
    let (graph, i) = open(ctx, &newest.event.session_id, &newest.event.event_id)?;
    Ok((graph, i, Some(about)))
}

fn described(line: &str, path: &str, number: Option<u64>) -> String {
    let number = number.map(|n| format!(":{n}")).unwrap_or_default();
    format!("“{}” was removed from {path}{number} by", line.trim())
}

fn find_line<G: Extent>(ctx: &Context, file: &str, number: u64) -> anyhow::Result<Answer<G>> {
    let path = history::absolute(file, &ctx.env.cwd);
    let (lines, changes) = blame::lines(ctx, &path)?;
    let line = usize::try_from(number)
        .ok()
        .and_then(|n| lines.get(n.checked_sub(1)?))
        .ok_or_else(|| Failure::new(format!("{file} has no line {number}: it has {}", lines.len())))?;
    let Some(change) = line.edit.and_then(|e| changes.get(e)) else {
        let failure = Failure::new(format!("no recorded event surely wrote {file}:{number}"));
        let by_hand = "it was written by hand, by a shell command, or before agents were recorded";
        let Some(commit) = git::blame(&path, number, number).into_iter().next() else {
            return Err(failure.hint(by_hand).into());
        };
        let mut catalog = Catalog::gather(ctx);
        catalog.sync_all(ctx);
        let made = history::commits(ctx, &catalog, std::slice::from_ref(&commit.hash)).into_iter().next();
        let hint = match made {
            Some(m) => format!(
                "git: {commit}; {} made that commit: causetrace why {}",
                m.event.agent,
                super::short_event(&m.event.event_id)
            ),
            None => format!("git: {commit}; {by_hand}"),
        };
        return Err(failure.hint(hint).into());
    };
    let about = format!("“{}” ({file}:{number}) was written by", line.text.trim());
    let (graph, i) = open(ctx, &change.event.session_id, &change.event.event_id)?;
    Ok((graph, i, Some(about)))
}

/// The call that made a commit.
fn find_commit<G: Extent>(ctx: &Context, hash: &str) -> Option<anyhow::Result<Answer<G>>> {
    let mut catalog = Catalog::gather(ctx);
    catalog.sync_all(ctx);
    let made = history::commits(ctx, &catalog, &[hash.to_owned()]).into_iter().next()?;
    let about = Some(format!("commit {hash} was made by"));
    Some(open(ctx, &made.event.session_id, &made.event.event_id).map(|(g, i)| (g, i, about)))
}

/// Whether a file exists: a hint for commands that take one.
pub(super) fn must_exist(path: &Path, name: &str) -> anyhow::Result<()> {
    if path.is_file() {
        return Ok(());
    }
    Err(Failure::new(format!("there is no file {name}"))
        .hint("the file must stand there now; --removed asks about what is gone")
        .into())
}
