//! `causetrace watch`, and `tree --follow`.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use serde_json::json;

use super::catalog::Catalog;
use super::context::Context;
use super::{filter, view};
use crate::graph::Graph;
use crate::render::label::{ending, label, mark};
use crate::render::{Tone, cause, text};
use crate::source::SOURCES;

/// Looked at least this often, where the system tells of no change: databases change in place, network folders tell nothing.
const POLL: Duration = Duration::from_millis(300);

/// A burst of changes is read once.
const SETTLE: Duration = Duration::from_millis(40);

/// Follow running sessions of any agent: each event once, with its causes
///
/// What is seen lands in the store. Ends with ctrl-C.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this session and those it spawns
    session: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The session does not exist, or output cannot be written.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let only = match args.session.as_deref() {
        Some(s) => Some(Catalog::gather(ctx).select(ctx, Some(s))?.id),
        None => None,
    };
    follow(ctx, only.as_deref())
}

/// Shows what comes from now on, of one session or of all.
///
/// # Errors
/// Output cannot be written.
pub fn follow(ctx: &mut Context, only: Option<&str>) -> anyhow::Result<u8> {
    // the system is asked to tell before the store is read: nothing falls between
    let (_watcher, changes) = listen(ctx);
    let mut catalog = Catalog::gather(ctx);
    catalog.sync_all(ctx);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for s in catalog.summaries() {
        seen.insert(s.session_id.clone(), usize::try_from(s.events).unwrap_or(usize::MAX));
    }
    let mut given: HashSet<String> = HashSet::new();
    loop {
        wait(&changes);
        let mut catalog = Catalog::gather(ctx);
        for problem in catalog.sync_all(ctx).problems {
            ctx.out.note(&text::clean(&problem));
        }
        let grown: Vec<(String, String)> = catalog
            .summaries()
            .into_iter()
            .filter(|s| only.is_none_or(|o| s.session_id == o || s.parent_session_id.as_deref() == Some(o)))
            .filter(|s| seen.get(&s.session_id).is_none_or(|n| (*n as u64) < s.events))
            .map(|s| (s.session_id.clone(), s.agent.clone()))
            .collect();
        for (session, agent) in grown {
            let Ok(Some(stored)) = ctx.store.read(&session) else { continue };
            let before = seen.insert(session.clone(), stored.events.len()).unwrap_or(0);
            let fresh: HashSet<String> = stored.events.iter().skip(before).map(|e| e.event_id.clone()).collect();
            let graph = view::graph(stored.events);
            show(ctx, &graph, &fresh, &mut given, (only.is_none()).then_some((&agent, &session)))?;
        }
        ctx.out.flush()?;
        if ctx.out.is_closed() {
            return Ok(0);
        }
    }
}

/// Asks the system to tell of changes in the folders of all agents and of the store.
fn listen(ctx: &Context) -> (Option<notify::RecommendedWatcher>, Receiver<()>) {
    let (tell, changes) = channel();
    let watcher = notify::recommended_watcher(move |_event| {
        // nobody listens any more when the command ends
        tell.send(()).ok();
    });
    let mut watcher = watcher.ok();
    let roots = SOURCES.iter().flat_map(|s| s.roots(&ctx.env)).chain([ctx.store.data()]);
    for root in roots {
        if let Some(w) = watcher.as_mut() {
            // a folder that is not there yet is found by looking
            w.watch(&root, RecursiveMode::Recursive).ok();
        }
    }
    (watcher, changes)
}

/// Until something changed, or it is time to look.
fn wait(changes: &Receiver<()>) {
    match changes.recv_timeout(POLL) {
        Ok(()) => {
            std::thread::sleep(SETTLE);
            while changes.try_recv().is_ok() {}
        }
        Err(RecvTimeoutError::Timeout) => {}
        // no watcher on this system: looking is all there is
        Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL),
    }
}

/// Shows the events that are new, in causal order.
fn show(
    ctx: &mut Context,
    graph: &Graph,
    fresh: &HashSet<String>,
    given: &mut HashSet<String>,
    session: Option<(&String, &String)>,
) -> anyhow::Result<()> {
    let visible = filter::visible(graph, None, false);
    let events = if ctx.json { view::events_json(graph) } else { Vec::new() };
    let term = ctx.out.term;
    for i in (0..graph.events.len()).filter(|i| visible[*i]) {
        let e = &graph.events[i];
        if !fresh.contains(&e.event_id) || !given.insert(e.event_id.clone()) {
            continue;
        }
        if ctx.json {
            ctx.out.line(json!(events[i]).to_string());
            continue;
        }
        let clock =
            e.timestamp.map(|t| t.with_timezone(&chrono::Local).format("%H:%M:%S").to_string()).unwrap_or_default();
        let whose = session.map(|(agent, id)| format!("{agent} {} ", super::short_id(id))).unwrap_or_default();
        let (sign, tone) = mark(e);
        let end = ending(e).filter(|_| e.tool_output.is_some()).map(|e| format!("  {e}")).unwrap_or_default();
        let used = 9 + text::columns(&whose) + 7 + text::columns(&end);
        let room = term.width.saturating_sub(used).max(20);
        let why = cause::short(graph, i, false, 0.0);
        let reason = (room * 2 / 5).min(why.columns() + 2);
        let what = label(&term, e, &graph.actions[i], graph.cwd(), room.saturating_sub(reason));
        let why = if reason > 8 { format!("  {}", why.paint(&term, reason - 2)) } else { String::new() };
        ctx.out.line(format!(
            "{} {}{} {} {what}{}{why}",
            term.paint(Tone::Dim, &format!("{clock:8}")),
            term.paint(Tone::Dim, &text::clean(&whose)),
            term.paint(Tone::Number, &format!("{:>4}", i + 1)),
            term.paint(tone, &sign.to_string()),
            term.paint(Tone::Bad, &end),
        ));
    }
    Ok(())
}
