//! Per agent: where it looked, what is there, how the newest session reads, what is off.

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
use crate::plain;
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
            findings.extend(newest_session(ctx, source, t, &mut facts));
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
        findings.extend(switched_off(ctx, source.agent()));
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

/// Reads the newest session on the spot.
fn newest_session(ctx: &Context, source: &dyn Source, t: &Transcript, facts: &mut Map<String, Value>) -> Vec<Finding> {
    // a call comes again with its result: what counts is what all its lines say together
    let mut calls: HashMap<u64, bool> = HashMap::new();
    let (mut version, mut session) = (None, t.session_id.clone());
    let outcome = source.read(t, &mut |e| {
        if e.is_call() {
            *calls.entry(xxh3_64(e.event_id.as_bytes())).or_default() |= !e.parents.is_empty();
        } else if e.event_type == EventType::Session {
            session = session.take().or_else(|| Some(e.session_id.clone()));
            version = e.extra.get("version").and_then(Value::as_str).map(str::to_owned).or(version.take());
        }
    });
    let file = home_relative(ctx, &t.path.display().to_string());
    let report = match outcome {
        Ok(report) => report,
        Err(e) => {
            return vec![
                Finding::bad(format!("the newest session cannot be read: {e:#}")).fix(format!("ls -l {file}")),
            ];
        }
    };
    let proven = calls.values().filter(|p| **p).count();
    facts.insert(
        "newest".to_owned(),
        json!({
            "session_id": session, "path": t.path.display().to_string(), "version": version, "report": report,
            "calls": calls.len(), "calls_with_proven_parents": proven,
        }),
    );
    let mut findings = Vec::new();
    let id = session.as_deref().map(short_id).unwrap_or("?");
    let version = version.map(|v| format!(" by version {v}")).unwrap_or_default();
    let share = match calls.len() {
        0 => String::new(),
        n => format!("; causes of {}% are proven by ids", 100 * proven / n),
    };
    let events = usize::try_from(report.events).unwrap_or(usize::MAX);
    findings.push(Finding::good(format!(
        "session {id}{version}: {} of {} records, {}{share}",
        count(events, "event"),
        report.records,
        count(calls.len(), "call")
    )));
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

/// Records of an agent that would prove more and are not switched on, where the source does not say it itself.
#[expect(clippy::single_match, reason = "one of several until the last has moved to its source")]
fn switched_off(ctx: &Context, agent: &str) -> Vec<Finding> {
    let env = &ctx.env;
    let mut findings = Vec::new();
    match agent {
        "copilot" => {
            let user = [".config/Code/User", "Library/Application Support/Code/User", "AppData/Roaming/Code/User"];
            let settings = user.iter().map(|u| env.home.join(u).join("settings.json")).find(|f| f.is_file());
            if let Some(file) = settings {
                let text = plain::text_up_to(&file, plain::SETTINGS).unwrap_or_default();
                if !text.contains("agentDebugLog.fileLogging.enabled") {
                    let shown = path(ctx, &file);
                    let text =
                        format!("VS Code's agent debug log is off, which ties calls to model requests; in {shown}:");
                    findings.push(
                        Finding::note(text).fix("\"github.copilot.chat.agentDebugLog.fileLogging.enabled\": true"),
                    );
                }
            }
        }
        _ => {}
    }
    findings
}
