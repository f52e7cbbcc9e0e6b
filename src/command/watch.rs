//! `causetrace watch`, and `tree --follow`.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use xxhash_rust::xxh3::xxh3_64;

use super::catalog::{Catalog, as_path};
use super::context::Context;
use super::failure::Failure;
use super::{filter, view};
use crate::event::{Event, EventType, Status};
use crate::graph::{Graph, Whole};
use crate::plain;
use crate::render::label::{ending, label, mark};
use crate::render::{Tone, cause, text};
use crate::source::{self, SOURCES, claim};

/// Looked at least this often, where the system tells of no change: databases change in place, network folders tell nothing.
const POLL: Duration = Duration::from_millis(300);

/// A burst of changes is read once.
const SETTLE: Duration = Duration::from_millis(40);

/// Follow running sessions of any agent: each event once, with its causes
///
/// What is seen lands in the store. A call that was shown while it ran gets a second line (`└`) when it ends; with --json it comes
/// again with its result. Ends with ctrl-C.
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
    let Some(selector) = args.session.as_deref() else { return follow(ctx, Scope::default(), None) };
    let scope = match as_path(ctx, selector) {
        Some(file) => Scope { only: ids_of(&file)?, file: Some(file) },
        None => Scope { only: HashSet::from([Catalog::gather(ctx).select(ctx, Some(selector))?]), file: None },
    };
    follow(ctx, scope, None)
}

/// What is followed; the default is all there is.
#[derive(Debug, Default)]
pub struct Scope {
    /// Sessions, with those that they spawn.
    pub only: HashSet<String>,
    /// A file that may lie outside the agents' folders.
    pub file: Option<PathBuf>,
}

impl Scope {
    /// Takes in the sessions that the followed ones spawned; whether `id` is followed.
    fn holds(&mut self, id: &str, parent: Option<&str>) -> bool {
        if self.only.is_empty() {
            return true;
        }
        if parent.is_some_and(|p| self.only.contains(p)) {
            self.only.insert(id.to_owned());
        }
        self.only.contains(id)
    }
}

/// The sessions in a file that the user named.
fn ids_of(file: &Path) -> anyhow::Result<HashSet<String>> {
    let found = claim(file)?;
    let mut ids = HashSet::new();
    for (source, t) in found.iter().flat_map(|(s, all)| all.iter().map(move |t| (s, t))) {
        match &t.session_id {
            Some(id) => {
                ids.insert(id.clone());
            }
            None => {
                source.read(t, &mut |e| {
                    ids.insert(e.session_id);
                })?;
            }
        }
    }
    if ids.is_empty() {
        return Err(Failure::new(format!("{} is no session file of any agent", file.display()))
            .hint("`causetrace watch` without a file follows all sessions")
            .into());
    }
    Ok(ids)
}

/// What was shown of one session.
#[derive(Default)]
struct Shown {
    /// Length of its file in the store when it was looked at last.
    length: u64,
    /// Hashes of the ids of its events that were there before, or were shown.
    ids: HashSet<u64>,
    /// Words that a hook told: the agent's file tells them again, under another id.
    told: HashSet<u64>,
    /// Calls that were running when they were met.
    running: HashSet<u64>,
    /// What was there before has been looked at.
    begun: bool,
}

impl Shown {
    /// Takes in what stands in the first `length` bytes of a file of the store.
    fn begin(&mut self, file: &Path) {
        if std::mem::replace(&mut self.begun, true) || self.length == 0 {
            return;
        }
        let Ok(open) = plain::open(file) else { return };
        let mut reader = BufReader::with_capacity(256 * 1024, open.take(self.length));
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if let Ok(e) = serde_json::from_slice::<Event>(line.trim_ascii())
                && !self.is_new(&e)
            {
                self.has_ended(&e);
            }
            line.clear();
        }
    }

    /// Whether an event is to be shown; notes that it was. A call of which only the tool is known is not yet.
    fn is_new(&mut self, e: &Event) -> bool {
        if is_unwritten(e) {
            return false;
        }
        let id = xxh3_64(e.event_id.as_bytes());
        if !self.ids.insert(id) {
            return false;
        }
        if e.is_call() && e.status == Some(Status::Running) {
            self.running.insert(id);
        }
        if !matches!(e.event_type, EventType::UserInput | EventType::ContextUpdate | EventType::Message) {
            return true;
        }
        let words = xxh3_64(format!("{:?}\0{}", e.agent_id, e.input_text().trim()).as_bytes());
        if e.from_hook() {
            self.told.insert(words);
            return true;
        }
        !self.told.remove(&words)
    }

    /// Whether a call that was met while it ran has ended since.
    fn has_ended(&mut self, e: &Event) -> bool {
        e.status != Some(Status::Running) && self.running.remove(&xxh3_64(e.event_id.as_bytes()))
    }
}

/// Whether the model is still writing the input of a call.
fn is_unwritten(e: &Event) -> bool {
    let empty = e.tool_input.as_ref().is_none_or(|i| i.as_object().is_some_and(serde_json::Map::is_empty));
    e.is_call() && e.status == Some(Status::Running) && e.tool_output.is_none() && empty
}

/// Shows what comes from now on; of the sessions of which `before` was shown, what is not among it.
///
/// # Errors
/// Output cannot be written.
pub fn follow(ctx: &mut Context, mut scope: Scope, before: Option<&Whole>) -> anyhow::Result<u8> {
    // the system is asked to tell before the store is read: nothing falls between
    let (_watcher, changes) = listen(ctx, scope.file.as_deref());
    let mut problems: HashSet<String> = HashSet::new();
    let mut all: HashMap<String, Shown> = HashMap::new();
    let mut catalog = Catalog::gather(ctx);
    take_in(ctx, &mut catalog, &scope, &mut problems);
    for s in catalog.summaries() {
        let length = length(&ctx.store.path(&s.session_id));
        all.insert(s.session_id.clone(), Shown { length, ..Shown::default() });
    }
    for e in before.into_iter().flat_map(|b| &b.events) {
        let shown = all.entry(e.session_id.clone()).or_default();
        (shown.length, shown.begun) = (0, true);
        shown.is_new(e);
    }
    // only now: before, nothing is lost by ending at once; and whoever asks twice does not want to wait
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ended))?;
        flag::register(signal, Arc::clone(&ended))?;
    }
    let what = if scope.only.is_empty() { "all sessions" } else { "the session" };
    ctx.out.note(&format!("following {what}; ctrl-C ends"));
    while !ended.load(Ordering::Relaxed) && !ctx.out.is_closed() {
        wait(&changes);
        catalog.look_again(ctx);
        take_in(ctx, &mut catalog, &scope, &mut problems);
        for s in catalog.summaries() {
            if !scope.holds(&s.session_id, s.parent_session_id.as_deref()) {
                continue;
            }
            let file = ctx.store.path(&s.session_id);
            let shown = all.entry(s.session_id.clone()).or_default();
            let now = length(&file);
            if now == shown.length {
                continue;
            }
            shown.begin(&file);
            shown.length = now;
            let Ok(Some(stored)) = ctx.store.read(&s.session_id) else { continue };
            let graph = Graph::new(stored.events, &source::action);
            let whose = if scope.only.len() == 1 {
                String::new()
            } else {
                format!("{} {} ", s.agent, super::short_id(&s.session_id))
            };
            show(ctx, &graph, shown, &whose);
        }
        ctx.out.flush()?;
    }
    Ok(0)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |m| m.len())
}

/// Brings the store up to date; each problem is told once.
fn take_in(ctx: &Context, catalog: &mut Catalog, scope: &Scope, problems: &mut HashSet<String>) {
    let mut found = catalog.sync_all(ctx).problems;
    if let Some(Ok(Some((source, transcripts)))) = scope.file.as_deref().map(claim) {
        let readable: Vec<_> = transcripts.into_iter().map(|t| (source, t)).collect();
        found.extend(catalog.sync_changed(ctx, &readable).problems);
    }
    for problem in found {
        if problems.insert(problem.clone()) {
            ctx.out.note(&text::clean(&problem));
        }
    }
}

/// Asks the system to tell of changes in the folders of all agents and of the store.
fn listen(ctx: &Context, file: Option<&Path>) -> (Option<notify::RecommendedWatcher>, Receiver<()>) {
    let (tell, changes) = channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // what is only opened and read, by this command too, has not changed: a write is told of by itself
        if event.is_ok_and(|e| e.kind.is_access()) {
            return;
        }
        // nobody listens any more when the command ends
        tell.send(()).ok();
    });
    let mut watcher = watcher.ok();
    let file = file.map(|f| f.parent().unwrap_or(f).to_owned());
    let roots = SOURCES.iter().flat_map(|s| s.roots(&ctx.env)).chain([ctx.store.data()]);
    for root in roots.chain(file) {
        // a folder in which somebody works may hold far more than sessions
        let work = root == ctx.env.cwd || root.join(".git").exists();
        let mode = if work { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
        if let Some(w) = watcher.as_mut() {
            // a folder that is not there yet is found by looking
            w.watch(&root, mode).ok();
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

/// Shows the events that are new, in the order of the session.
fn show(ctx: &mut Context, graph: &Whole, shown: &mut Shown, whose: &str) {
    let visible = filter::visible(graph, None, false);
    let events = if ctx.json { view::events_json(graph) } else { Vec::new() };
    for i in (0..graph.events.len()).filter(|i| visible[*i]) {
        let e = &graph.events[i];
        let new = shown.is_new(e);
        if !new && !shown.has_ended(e) {
            continue;
        }
        let line = match events.get(i) {
            Some(event) => text::json(json!(event).to_string()),
            None if new => begun(ctx, graph, i, whose),
            None => done(ctx, graph, i, whose),
        };
        ctx.out.line(line);
    }
}

/// When, whose, which number.
fn head(ctx: &Context, graph: &Graph, i: usize, whose: &str) -> String {
    let term = ctx.out.term;
    let time = graph.events[i].timestamp.map(|t| t.with_timezone(&chrono::Local).format("%H:%M:%S").to_string());
    format!(
        "{} {}{}",
        term.paint(Tone::Dim, &format!("{:8}", time.unwrap_or_default())),
        term.paint(Tone::Dim, &text::name(whose)),
        term.paint(Tone::Number, &format!("{:>4}", i + 1)),
    )
}

/// The line of an event.
fn begun(ctx: &Context, graph: &Graph, i: usize, whose: &str) -> String {
    let (term, e) = (ctx.out.term, &graph.events[i]);
    let (sign, tone) = mark(e);
    let end = ending(e).filter(|_| e.tool_output.is_some()).map(|e| format!("  {e}")).unwrap_or_default();
    let used = 9 + text::columns(whose) + 7 + text::columns(&end);
    let room = term.width.saturating_sub(used).max(20);
    let why = cause::short(graph, i, false, 0.0);
    let reason = (room * 2 / 5).min(why.columns() + 2);
    let what = label(&term, e, &graph.actions[i], graph.cwd(), room.saturating_sub(reason));
    let why = if reason > 8 { format!("  {}", why.paint(&term, reason - 2)) } else { String::new() };
    format!(
        "{} {} {what}{}{why}",
        head(ctx, graph, i, whose),
        term.paint(tone, &sign.to_string()),
        term.paint(Tone::Bad, &end)
    )
}

/// The line of a call that was shown before, and has ended.
fn done(ctx: &Context, graph: &Graph, i: usize, whose: &str) -> String {
    let (term, e) = (ctx.out.term, &graph.events[i]);
    let (said, tone) = ending(e).map_or(("ok".to_owned(), Tone::Dim), |end| (end, Tone::Bad));
    let took = e.duration_ms.and_then(|ms| i64::try_from(ms).ok()).map(super::duration);
    let took = took.map(|t| format!(" after {t}")).unwrap_or_default();
    format!("{} └ {}", head(ctx, graph, i, whose), term.paint(tone, &format!("{said}{took}")))
}
