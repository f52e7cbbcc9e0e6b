//! Whether the hook is registered, really runs, and what else is in the way.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::client::{Hooked, Scope, ask, on_path};
use super::super::context::Context;
use super::super::{count, when};
use super::{Finding, path};
use crate::event::{Event, parse_time};
use crate::plain;
use crate::settings::file::load;
use crate::settings::hooks::{Found, handlers, is_own, is_python};
use crate::settings::json::parse;

/// Days after which Claude Code deletes sessions, where nothing is set.
const CLEANUP_DAYS: u64 = 30;

/// Fewer days than this are worth a word.
const SOON: u64 = 7;

/// Bytes at the end of a session file in which the last hook event is looked for.
const TAIL: u64 = 256 * 1024;

/// Session files that are looked into, newest first.
const FILES: usize = 50;

/// The findings about the hooks and settings of an agent.
pub(super) fn findings(ctx: &Context, agent: &str, present: bool) -> Vec<Finding> {
    let Some(hooked) = Hooked::ALL.into_iter().find(|h| h.agent() == agent) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut registered = false;
    let mut seen: Vec<PathBuf> = Vec::new();
    for scope in [Scope::User, Scope::Project, Scope::Local] {
        let Some(file) = hooked.file(ctx, scope) else { continue };
        let real = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        let own = in_file(ctx, hooked, &file, scope, &mut findings);
        registered |= own;
    }
    if registered {
        if let Some(t) = last_event(ctx, agent) {
            findings.push(Finding::good(format!("last event from a hook: {}", when(t, ctx.now))));
        } else if hooked != Hooked::Copilot {
            findings.push(Finding::note("no event from a hook yet: start a new session, its first prompt is one"));
        }
    } else if present {
        let text = "no hook registered: sessions are read from the agent's own files; to record them as they happen:";
        findings.push(Finding::note(text).fix(format!("causetrace install {agent}")));
    }
    if hooked == Hooked::ClaudeCode && present {
        findings.extend(cleanup(ctx));
    }
    findings
}

/// Looks into one settings file; whether our hook is registered there.
fn in_file(ctx: &Context, hooked: Hooked, file: &Path, scope: Scope, findings: &mut Vec<Finding>) -> bool {
    let shown = path(ctx, file);
    let text = match load(file) {
        Ok(f) => f.text,
        Err(e) => {
            findings.push(Finding::bad(format!("{e:#}")).fix(format!("ls -l {shown}")));
            return false;
        }
    };
    let Some(text) = text.filter(|t| !t.trim().is_empty()) else { return false };
    let found = match handlers(&text, hooked.form()) {
        Ok(found) => found,
        Err(e) => {
            let text = format!("{shown} is no strict JSON, so {} ignores all of it: {e}", hooked.title());
            findings.push(Finding::bad(text).fix(format!("${{EDITOR:-vi}} {shown}")));
            return false;
        }
    };
    if found.iter().any(|f| is_python(&f.handler)) {
        let text =
            format!("{shown} runs the hook of the Python causetrace, which answers every permission question with yes");
        findings.push(Finding::bad(text).fix(format!(
            "causetrace install {} --replace-python{}",
            hooked.agent(),
            flag(scope)
        )));
    }
    let own: Vec<&Found> = found.iter().filter(|f| is_own(&f.handler)).collect();
    let Some(first) = own.first() else { return false };
    match program(ctx, &first.handler) {
        Some(program) if ask(&program, "--version").is_some_and(|v| v.contains("causetrace")) => {
            findings.push(Finding::good(format!(
                "hook registered for {} in {shown}, and it runs",
                count(own.len(), "event")
            )));
        }
        Some(program) => {
            let text = format!("hook registered in {shown}, but {} does not run", path(ctx, &program));
            findings.push(Finding::bad(text).fix(format!("causetrace install {}{}", hooked.agent(), flag(scope))));
        }
        None => {
            let text = format!("hook registered in {shown}, but the program that it names is gone");
            findings.push(Finding::bad(text).fix(format!("causetrace install {}{}", hooked.agent(), flag(scope))));
        }
    }
    if parse(&text).is_ok_and(|root| root.get("disableAllHooks").is_some_and(|v| v.value(&text) == Value::Bool(true))) {
        let text = format!("{shown} switches all hooks off: take out \"disableAllHooks\"");
        findings.push(Finding::bad(text).fix(format!("${{EDITOR:-vi}} {shown}")));
    }
    if hooked == Hooked::Codex && !trusted(ctx, file) {
        let text = "Codex runs a hook only once it is trusted: in codex, type /hooks and trust causetrace";
        findings.push(Finding::bad(text).fix("codex"));
    }
    true
}

fn flag(scope: Scope) -> &'static str {
    match scope {
        Scope::User => "",
        Scope::Project => " --project",
        Scope::Local => " --local",
    }
}

/// The program that a handler of ours runs, where it is there.
fn program(ctx: &Context, handler: &Value) -> Option<PathBuf> {
    let command = ["command", "bash", "powershell"].iter().find_map(|k| handler.get(k)?.as_str())?;
    // the last path before `hook`; quotes keep blanks together
    let before = command.rsplit_once(" hook").map_or(command, |(b, _)| b).trim_end();
    let named = match before.chars().last() {
        Some(quote @ ('\'' | '"')) => {
            let inner = before.strip_suffix(quote)?;
            // `'\''` is how a shell writes a quote within quotes
            let from = inner.replace("'\\''", "\0\0\0\0").rfind(quote).map_or(0, |i| i + 1);
            inner.get(from..)?.replace("'\\''", "'")
        }
        _ => before.rsplit([' ', ';', '&']).next()?.to_owned(),
    };
    if named.contains(['/', '\\']) { Some(PathBuf::from(named)).filter(|p| p.is_file()) } else { on_path(ctx, &named) }
}

/// Whether Codex's configuration knows a hash for a hook of that file (0.130 to 0.169: `[hooks.state."<file>:<event>:0:0"]`).
fn trusted(ctx: &Context, file: &Path) -> bool {
    let config = ctx.env.dir("CODEX_HOME", ".codex").join("config.toml");
    let text = plain::text_up_to(&config, plain::SETTINGS).unwrap_or_default();
    text.contains("trusted_hash") && text.contains(&*file.to_string_lossy())
}

/// When Claude Code deletes sessions.
fn cleanup(ctx: &Context) -> Option<Finding> {
    let file = Hooked::ClaudeCode.file(ctx, Scope::User)?;
    let text = plain::text_up_to(&file, plain::SETTINGS).unwrap_or_default();
    let set = parse(&text).ok().and_then(|root| root.get("cleanupPeriodDays")?.value(&text).as_u64());
    let days = set.unwrap_or(CLEANUP_DAYS);
    if days < SOON {
        let text = format!(
            "Claude Code deletes sessions after {}; in {}:",
            count(usize::try_from(days).ok()?, "day"),
            path(ctx, &file)
        );
        return Some(Finding::bad(text).fix("\"cleanupPeriodDays\": 365"));
    }
    if days > 365 {
        return None;
    }
    let text = format!("Claude Code deletes sessions after {days} days; the store keeps what was imported before:");
    Some(Finding::note(text).fix("causetrace import"))
}

/// When a hook last told of this agent.
fn last_event(ctx: &Context, agent: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let modified = |p: &PathBuf| fs::metadata(p).and_then(|m| m.modified()).ok();
    let mut files = ctx.store.files();
    files.sort_by_key(|p| std::cmp::Reverse(modified(p)));
    let marks = [format!("\"agent\":\"{agent}\""), "\"hook\":\"".to_owned()];
    files.iter().take(FILES).find_map(|file| {
        let tail = plain::end(file, TAIL).ok()?;
        let tail = String::from_utf8_lossy(&tail);
        let lines = tail.lines().rev().filter(|l| marks.iter().all(|m| l.contains(m.as_str())));
        let events = lines.filter_map(|l| serde_json::from_str::<Event>(l).ok()).filter(Event::from_hook);
        events
            .filter_map(|e| e.extra.get("ended_at").and_then(Value::as_str).and_then(parse_time).or(e.timestamp))
            .next()
    })
}
