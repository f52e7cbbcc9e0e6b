//! Per agent: where it looked, what is there, how the newest sessions read, what is off.

use std::collections::HashMap;

use rayon::prelude::*;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::super::client::on_path;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::{count, home_relative, short_id, when};
use super::{Finding, Section, hooks, path};
use crate::event::EventType;
use crate::source::{Report, SOURCES, Source, Transcript};

/// One section for each agent, or for the one that is named.
pub(super) fn sections(ctx: &Context, only: Option<&str>) -> anyhow::Result<Vec<Section>> {
    let asked: Vec<_> = SOURCES.iter().filter(|s| only.is_none_or(|o| o == s.agent())).collect();
    if asked.is_empty() {
        let names: Vec<_> = SOURCES.iter().map(|s| s.agent()).collect();
        let message = format!("no agent {:?}", only.unwrap_or(""));
        return Err(Failure::new(message).hint(format!("agents: {}", names.join(", "))).into());
    }
    Ok(asked.par_iter().map(|s| section(ctx, **s)).collect())
}

fn section(ctx: &Context, source: &dyn Source) -> Section {
    let roots = source.roots(&ctx.env);
    let found = source.discover(&ctx.env);
    let program = program(source.agent()).and_then(|p| on_path(ctx, p));
    let mut facts = Map::new();
    let looked: Vec<Value> =
        roots.iter().map(|r| json!({"path": r.display().to_string(), "exists": r.exists()})).collect();
    facts.insert("looked_in".to_owned(), looked.into());
    facts.insert("installed".to_owned(), program.as_ref().map(|p| p.display().to_string()).into());
    facts.insert("sessions".to_owned(), found.len().into());
    let mut findings = Vec::new();
    let there: Vec<_> = roots.iter().filter(|r| r.exists()).map(|r| path(ctx, r)).collect();
    let newest = found.iter().max_by_key(|t| t.modified);
    match newest {
        Some(t) => {
            let places = match there.len() {
                0 => String::new(),
                1 | 2 => format!(" in {}", there.join(" and ")),
                n => format!(" in {} and {} more folders", there[0], n - 1),
            };
            let time = t.modified.map(|m| format!(", newest {}", when(m, ctx.now))).unwrap_or_default();
            findings.push(Finding::good(format!("{}{places}{time}", count(found.len(), "transcript"))));
            findings.extend(newest_sessions(ctx, source, &found, &mut facts));
        }
        None if there.is_empty() => {
            let looked: Vec<_> = roots.iter().take(3).map(|r| path(ctx, r)).collect();
            let more = roots.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more places") } else { String::new() };
            let looked =
                if looked.is_empty() { String::new() } else { format!(" (looked in {}{more})", looked.join(", ")) };
            findings.push(Finding::note(format!("no sessions{looked}")));
        }
        None => findings.push(Finding::note(format!("no sessions yet in {}", there.join(", ")))),
    }
    if let Some(p) = &program {
        findings.push(Finding::note(format!("installed: {}", path(ctx, p))));
    }
    let present = newest.is_some() || program.is_some();
    findings.extend(hooks::findings(ctx, source.agent(), present));
    if present {
        findings.extend(source.switched_off(&ctx.env).into_iter().map(|off| Finding::note(off.what).fix(off.on)));
    }
    Section { name: source.agent().to_owned(), title: source.title().to_owned(), facts, findings }
}

fn program(agent: &str) -> Option<&'static str> {
    Some(match agent {
        "claude-code" => "claude",
        "codex" => "codex",
        "opencode" => "opencode",
        "aider" => "aider",
        "continue" => "cn",
        "copilot" => "copilot",
        _ => return None,
    })
}

/// Sessions before the newest that are read too: one alone may be an exception.
const BEFORE: usize = 4;

/// Bytes of a file of one of those; a larger one would take too long.
const LARGEST: u64 = 32 << 20;

/// How a session reads.
struct Fidelity {
    session: Option<String>,
    version: Option<String>,
    report: Report,
    calls: usize,
    /// Calls with parents that ids prove.
    proven: usize,
}

impl Fidelity {
    /// Reads a session on the spot.
    fn of(source: &dyn Source, t: &Transcript) -> anyhow::Result<Self> {
        // a call comes again with its result: what counts is what all its lines say together
        let mut calls: HashMap<u64, bool> = HashMap::new();
        let (mut version, mut session) = (None, t.session_id.clone());
        let report = source.read(t, &mut |e| {
            if e.is_call() {
                *calls.entry(xxh3_64(e.event_id.as_bytes())).or_default() |= !e.parents.is_empty();
            } else if e.event_type == EventType::Session {
                session = session.take().or_else(|| Some(e.session_id.clone()));
                version = e.extra.get("version").and_then(Value::as_str).map(str::to_owned).or(version.take());
            }
        })?;
        let proven = calls.values().filter(|p| **p).count();
        Ok(Self { session, version, report, calls: calls.len(), proven })
    }

    /// What was read of what.
    fn told(&self) -> String {
        let share = match self.calls {
            0 => String::new(),
            n => format!("; causes of {}% are proven by ids", 100 * self.proven / n),
        };
        let events = usize::try_from(self.report.events).unwrap_or(usize::MAX);
        let (events, calls) = (count(events, "event"), count(self.calls, "call"));
        format!("{events} of {} records, {calls}{share}", self.report.records)
    }
}

/// Reads the newest sessions.
fn newest_sessions(
    ctx: &Context,
    source: &dyn Source,
    found: &[Transcript],
    facts: &mut Map<String, Value>,
) -> Vec<Finding> {
    let mut all: Vec<&Transcript> = found.iter().collect();
    all.sort_by_key(|t| std::cmp::Reverse(t.modified));
    let Some((newest, older)) = all.split_first() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut report = Report::default();
    let unreadable = |what: &str, t: &Transcript, e: &anyhow::Error| {
        let file = home_relative(ctx, &t.path.display().to_string());
        Finding::bad(format!("{what} cannot be read: {e:#}")).fix(format!("ls -l {file}"))
    };
    match Fidelity::of(source, newest) {
        Ok(read) => {
            facts.insert(
                "newest".to_owned(),
                json!({
                    "session_id": read.session, "path": newest.path.display().to_string(), "version": read.version,
                    "report": read.report, "calls": read.calls, "calls_with_proven_parents": read.proven,
                }),
            );
            let id = read.session.as_deref().map(short_id).unwrap_or("?");
            let version = read.version.as_deref().map(|v| format!(" by version {v}")).unwrap_or_default();
            findings.push(Finding::good(format!("session {id}{version}: {}", read.told())));
            report.merge(read.report);
        }
        Err(e) => findings.push(unreadable("the newest session", newest, &e)),
    }
    let small = |t: &&&Transcript| std::fs::metadata(&t.path).is_ok_and(|m| m.len() <= LARGEST);
    let older: Vec<&Transcript> = older.iter().filter(small).take(BEFORE).copied().collect();
    let read: Vec<_> = older.into_par_iter().map(|t| (t, Fidelity::of(source, t))).collect();
    let mut sum: Option<(usize, Fidelity)> = None;
    for (t, outcome) in read {
        match (outcome, &mut sum) {
            (Ok(read), Some((n, sum))) => {
                *n += 1;
                sum.report.merge(read.report);
                sum.calls += read.calls;
                sum.proven += read.proven;
            }
            (Ok(read), None) => sum = Some((1, read)),
            (Err(e), _) => findings.push(unreadable("a session", t, &e)),
        }
    }
    if let Some((n, sum)) = sum {
        facts.insert(
            "before".to_owned(),
            json!({
                "sessions": n, "report": sum.report, "calls": sum.calls, "calls_with_proven_parents": sum.proven,
            }),
        );
        findings.push(Finding::good(format!("{} before it: {}", count(n, "session"), sum.told())));
        report.merge(sum.report);
    }
    findings.extend(reading(ctx, &report));
    findings
}

/// What reading came across that somebody may want to know.
fn reading(ctx: &Context, report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    if !report.unknown.is_empty() {
        let kinds: Vec<_> = report.unknown.iter().take(6).map(|(k, n)| format!("{k} ({n})")).collect();
        let more = report.unknown.len().saturating_sub(6);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("kinds of record that this version does not know: {}{more}", kinds.join(", "));
        findings.push(Finding::note(text));
    }
    if report.bad_count > 0 {
        let first = report
            .bad
            .first()
            .map(|b| format!(", the first at {}:{}: {}", home_relative(ctx, &b.file), b.line, b.reason));
        let text = format!(
            "{} that could not be read{}",
            count(number(report.bad_count), "record"),
            first.unwrap_or_default()
        );
        findings.push(Finding::note(text));
    }
    if report.unanswered > 0 {
        let text = format!("{} without a recorded result", count(number(report.unanswered), "call"));
        findings.push(Finding::note(text));
    }
    if report.orphans > 0 {
        findings.push(Finding::note(format!("{} whose call is not recorded", count(number(report.orphans), "result"))));
    }
    findings
}
