//! The recorded changes of one file, over all sessions of all agents.

use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use super::catalog::Catalog;
use super::context::Context;
use crate::action::FileEdit;
use crate::event::Event;
use crate::graph::{Graph, Whole};
use crate::plain;
use crate::query::{blame, removed};
use crate::source;
use crate::store::read_file;

/// A recorded change of the file.
pub struct Change {
    /// The event.
    pub event: Event,
    /// Where it ran.
    cwd: Option<String>,
    /// What it did to the file.
    pub edit: FileEdit,
}

/// A recorded removal.
pub struct Removal {
    /// The event.
    pub event: Event,
    /// What it removed.
    pub what: removed::Removal,
}

/// A path made absolute against `base`, without `.` and `..`.
pub fn absolute(path: &str, base: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// Whether a path that an event names is `file`, which is absolute. A relative one counts only with the directory in which
/// the event ran: two files of one name must not be taken for one another.
pub fn is_file(path: &str, cwd: Option<&str>, file: &Path) -> bool {
    match (Path::new(path).is_absolute(), cwd) {
        (true, _) => absolute(path, Path::new("/")) == file,
        (false, Some(cwd)) => absolute(path, Path::new(cwd)) == file,
        (false, None) => false,
    }
}

/// Names that a file had before, followed back at most.
const NAMES: usize = 8;

/// All changes of a file, in the order of time; those made under an earlier name too, up to the change that renamed it.
pub fn changes(ctx: &Context, catalog: &Catalog, file: &Path) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    let mut name: Option<(PathBuf, Option<DateTime<Utc>>)> = Some((file.to_owned(), None));
    for _ in 0..NAMES {
        let Some((file, until)) = name.take() else { break };
        let mut found = changes_of_name(ctx, catalog, &file);
        found.retain(|c| until.is_none_or(|u| c.event.timestamp.is_some_and(|t| t < u)));
        let moved = |c: &Change| c.edit.moved_to.is_some() && !is_file(&c.edit.path, c.cwd.as_deref(), &file);
        // what was done to a file of this name before it was moved here was done to another
        if let Some(at) = found.iter().rposition(moved) {
            found.drain(..at);
            let before = absolute(&found[0].edit.path, Path::new(found[0].cwd.as_deref().unwrap_or("/")));
            name = found[0].event.timestamp.map(|t| (before, Some(t)));
        }
        found.append(&mut all);
        all = found;
    }
    all
}

fn changes_of_name(ctx: &Context, catalog: &Catalog, file: &Path) -> Vec<Change> {
    let found = graphs(ctx, catalog, file.file_name().and_then(|n| n.to_str()).unwrap_or("")).flat_map_iter(|graph| {
        let edits = blame::edits_of(&graph, &|path, cwd| is_file(path, cwd.or(graph.cwd()), file));
        let change = |(i, edit): (usize, FileEdit)| {
            let event = graph.events[i].clone();
            let cwd = event.cwd.clone().or_else(|| graph.cwd().map(str::to_owned));
            Change { event, cwd, edit }
        };
        edits.into_iter().map(change).collect::<Vec<_>>()
    });
    let mut all: Vec<Change> = found.collect();
    all.sort_by(|a, b| (a.event.timestamp, &a.event.session_id).cmp(&(b.event.timestamp, &b.event.session_id)));
    all
}

/// All removals of a text, newest first; with a file only there, else in files below the current directory.
pub fn removals(ctx: &Context, catalog: &Catalog, text: &str, file: Option<&Path>) -> Vec<Removal> {
    let here = ctx.env.cwd.clone();
    // the text stands in the JSON with escapes; its longest plain word is enough to pass over sessions without it
    let word = text.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|w| w.len()).unwrap_or("");
    let found = graphs(ctx, catalog, word).flat_map_iter(|graph| {
        let wanted = |path: &str, cwd: Option<&str>| match file {
            Some(f) => is_file(path, cwd.or(graph.cwd()), f),
            None => absolute(path, Path::new(cwd.or(graph.cwd()).unwrap_or("/"))).starts_with(&here),
        };
        let all = removed::removed(&graph, text, &wanted);
        all.into_iter().map(|what| Removal { event: graph.events[what.event].clone(), what }).collect::<Vec<_>>()
    });
    let mut all: Vec<Removal> = found.collect();
    all.sort_by(|a, b| (b.event.timestamp, &b.event.session_id).cmp(&(a.event.timestamp, &a.event.session_id)));
    all
}

/// A call that made a git commit.
pub struct Commit {
    /// What the hash that was asked for begins with.
    pub hash: String,
    /// The call.
    pub event: Event,
}

/// The calls that made these commits: by the hash that the agent recorded, or by what `git commit` printed. Hashes of at least
/// seven digits.
pub fn commits(ctx: &Context, catalog: &Catalog, hashes: &[String]) -> Vec<Commit> {
    let short: Vec<&str> = hashes.iter().filter_map(|h| h.get(..7)).collect();
    // hexadecimal digits only, so the pattern is as it is meant; one pass over a file for all of them
    let hex = |h: &&&str| h.bytes().all(|b| b.is_ascii_hexdigit());
    let pattern = short.iter().filter(hex).copied().collect::<Vec<_>>().join("|");
    let Ok(any) = regex::bytes::Regex::new(&pattern) else { return Vec::new() };
    let files: Vec<PathBuf> = catalog.summaries().iter().map(|s| ctx.store.path(&s.session_id)).collect();
    let made_by = |e: &Event| {
        let recorded = e.extra.get("commit").and_then(serde_json::Value::as_str);
        let commits = crate::query::commits(&source::action(e));
        let printed = e.output_text().into_owned();
        let said = |h: &str| commits && printed.lines().any(|l| l.starts_with('[') && l.contains(h));
        short.iter().find(|h| recorded.is_some_and(|c| c.starts_with(**h)) || said(h)).map(|h| (*h).to_owned())
    };
    let found = files.into_par_iter().flat_map_iter(|path| {
        let inside = plain::any_part(&path, 7, |part| any.is_match(part));
        let events = if inside { read_file(&path).map(|s| s.events).unwrap_or_default() } else { Vec::new() };
        events.into_iter().filter_map(|event| made_by(&event).map(|hash| Commit { hash, event }))
    });
    found.collect()
}

/// The stored events whose id begins with `prefix`: their sessions and whole ids, at most a few.
pub fn events_with_prefix(ctx: &Context, prefix: &str) -> Vec<(String, String)> {
    let needle = format!("\"event_id\":\"{prefix}");
    let found = ctx.store.files().into_par_iter().flat_map_iter(|path| {
        if !holds(&path, &needle) {
            return Vec::new();
        }
        let events = read_file(&path).map(|s| s.events).unwrap_or_default();
        let named = events.into_iter().filter(|e| e.event_id.starts_with(prefix));
        named.map(|e| (e.session_id, e.event_id)).collect::<Vec<_>>()
    });
    found.collect()
}

/// Whether a text stands in a file, which may be larger than the memory.
fn holds(path: &Path, text: &str) -> bool {
    plain::any_part(path, text.len(), |part| memchr::memmem::find(part, text.as_bytes()).is_some())
}

/// The graphs, without causes, of stored sessions whose file holds a word.
fn graphs(ctx: &Context, catalog: &Catalog, word: &str) -> impl ParallelIterator<Item = Whole> {
    let paths: Vec<PathBuf> = catalog.summaries().iter().map(|s| ctx.store.path(&s.session_id)).collect();
    let word = word.to_owned();
    paths.into_par_iter().filter_map(move |path| {
        let stored = holds(&path, &word).then(|| read_file(&path).ok()).flatten()?;
        Some(Graph::unlinked(stored.events, &source::action))
    })
}
