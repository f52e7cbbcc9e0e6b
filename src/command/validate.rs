//! `causetrace validate`.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::json;

use super::catalog::as_path;
use super::context::Context;
use super::failure::Failure;
use crate::graph::Graph;
use crate::render::{Tone, text};
use crate::store::read_file;

/// Check the store: torn lines, unknown parents, duplicate ids, cycles
///
/// Exits with 1 where something is wrong, and names file and line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A stored session or a file of the store; left out, all of them
    session: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The session is not stored or its file cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let files = files(ctx, args.session.as_deref())?;
    let mut known: HashSet<String> = HashSet::new();
    let mut read = Vec::new();
    let mut findings: Vec<(PathBuf, u64, String)> = Vec::new();
    // parents may stand in another session: all ids are gathered first
    let everything = if args.session.is_some() { ctx.store.files() } else { Vec::new() };
    for file in everything.iter().filter(|f| !files.contains(f)) {
        if let Ok(stored) = read_file(file) {
            known.extend(stored.events.into_iter().map(|e| e.event_id));
        }
    }
    for file in &files {
        let stored = read_file(file)?;
        known.extend(stored.events.iter().map(|e| e.event_id.clone()));
        read.push((file.clone(), stored));
    }
    let (mut events, sessions) = (0usize, read.len());
    for (file, stored) in read {
        let add = |findings: &mut Vec<_>, line, reason| findings.push((file.clone(), line, reason));
        for p in stored.problems {
            add(&mut findings, p.line, p.reason);
        }
        events += stored.events.len();
        for (e, line) in stored.events.iter().zip(&stored.lines) {
            for p in e.parents.iter().filter(|p| !known.contains(*p)) {
                add(&mut findings, *line, format!("unknown parent {p} of {}", e.event_id));
            }
            if e.parents.contains(&e.event_id) {
                add(&mut findings, *line, format!("{} is its own parent", e.event_id));
            }
        }
        let line_of: std::collections::HashMap<String, u64> =
            stored.events.iter().zip(&stored.lines).map(|(e, l)| (e.event_id.clone(), *l)).collect();
        let graph = Graph::unlinked(stored.events, &crate::source::action);
        for (from, to) in &graph.cut {
            let (a, b) = (&graph.events[*from].event_id, &graph.events[*to].event_id);
            let line = line_of.get(b).copied().unwrap_or(0);
            add(&mut findings, line, format!("cycle: {b} has the parent {a}, which follows from it"));
        }
    }
    if ctx.json {
        let all: Vec<_> = findings
            .iter()
            .map(|(file, line, reason)| json!({"file": file.display().to_string(), "line": line, "reason": reason}))
            .collect();
        ctx.out.json(&json!({"sessions": sessions, "events": events, "findings": all}))?;
    } else {
        let term = ctx.out.term;
        for (file, line, reason) in &findings {
            let place = format!("{}:{line}:", text::name(&file.display().to_string()));
            ctx.out.line(format!("{} {}", term.paint(Tone::Path, &place), text::name(reason)));
        }
        let all = format!("{} in {}", super::count(events, "event"), super::count(sessions, "session"));
        ctx.out.line(match findings.len() {
            0 => term.paint(Tone::Good, &format!("{all}: nothing wrong")),
            n => term.paint(Tone::Bad, &format!("{all}: {}", super::count(n, "finding"))),
        });
    }
    Ok(u8::from(!findings.is_empty()))
}

fn files(ctx: &Context, selector: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let Some(selector) = selector else {
        let mut all = ctx.store.files();
        all.sort();
        return Ok(all);
    };
    if let Some(path) = as_path(ctx, selector).filter(|p| p.is_file()) {
        return Ok(vec![path]);
    }
    let exact = ctx.store.path(selector);
    if exact.is_file() {
        return Ok(vec![exact]);
    }
    let stem = |p: &PathBuf| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let matching: Vec<_> = ctx.store.files().into_iter().filter(|p| stem(p).starts_with(selector)).collect();
    match matching.len() {
        1 => Ok(matching),
        0 => {
            Err(Failure::new(format!("no stored session {selector:?}")).hint("`causetrace sessions` lists all").into())
        }
        n => {
            Err(Failure::new(format!("{n} stored sessions begin with {selector:?}")).hint("give more of the id").into())
        }
    }
}
