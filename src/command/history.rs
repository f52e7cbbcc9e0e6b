//! The recorded changes of one file, over all sessions of all agents.

use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use super::catalog::Catalog;
use super::context::Context;
use crate::action::FileEdit;
use crate::event::Event;
use crate::graph::Graph;
use crate::query::{blame, removed};
use crate::source;
use crate::store::read_file;

/// A recorded change of the file.
pub struct Change {
    /// The event.
    pub event: Event,
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

/// All changes of a file, in the order of time.
pub fn changes(ctx: &Context, catalog: &Catalog, file: &Path) -> Vec<Change> {
    let found = graphs(ctx, catalog, file.file_name().and_then(|n| n.to_str()).unwrap_or("")).flat_map_iter(|graph| {
        let edits = blame::edits_of(&graph, &|path, cwd| is_file(path, cwd.or(graph.cwd()), file));
        edits.into_iter().map(move |(i, edit)| Change { event: graph.events[i].clone(), edit }).collect::<Vec<_>>()
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

/// The graphs, without causes, of stored sessions whose file holds a word.
fn graphs(ctx: &Context, catalog: &Catalog, word: &str) -> impl ParallelIterator<Item = Graph> {
    let paths: Vec<PathBuf> = catalog.summaries().iter().map(|s| ctx.store.path(&s.session_id)).collect();
    let word = word.to_owned();
    paths.into_par_iter().filter_map(move |path| {
        let bytes = std::fs::read(&path).ok()?;
        memchr::memmem::find(&bytes, word.as_bytes())?;
        drop(bytes);
        let stored = read_file(&path).ok()?;
        Some(Graph::unlinked(stored.events, &source::action))
    })
}
