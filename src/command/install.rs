//! `causetrace install` and `causetrace uninstall`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::client::{Hooked, Scope, Version, command_line, has_vs_code, own_path, version};
use super::context::Context;
use super::failure::Failure;
use crate::event::EventType;
use crate::render::diff::diff;
use crate::render::{Tone, text};
use crate::settings::file::{SettingsFile, load};
use crate::settings::hooks::{Wanted, handlers, is_own, is_python, with, without};
use crate::source::by_name;
use crate::store::backup;

/// Oldest Codex whose hooks are known.
const CODEX_HOOKS: Version = (0, 130, 0);

/// Register the hook with an agent, so that its sessions are recorded as they happen
///
/// Needed only for what session files do not keep: sessions that the agent deletes or rewinds, and times of each call. The
/// settings file keeps everything else as it is; `uninstall` gives it back as it was.
#[derive(Debug, clap::Args)]
pub struct InstallArgs {
    /// The agent
    #[arg(value_enum)]
    agent: Hooked,
    #[command(flatten)]
    whose: Whose,
    /// Take out the hook of the Python causetrace, which answers every permission question with yes
    #[arg(long)]
    replace_python: bool,
    /// Show the change and make none
    #[arg(long)]
    dry_run: bool,
}

/// Take the hook out of an agent's settings
#[derive(Debug, clap::Args)]
pub struct UninstallArgs {
    /// The agent
    #[arg(value_enum)]
    agent: Hooked,
    #[command(flatten)]
    whose: Whose,
    /// Show the change and make none
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Whose {
    /// In the user's settings, for all projects (default)
    #[arg(long)]
    user: bool,
    /// In the settings of the project in the current directory, which others share
    #[arg(long)]
    project: bool,
    /// In your own settings of the project in the current directory
    #[arg(long)]
    local: bool,
}

impl Whose {
    fn scope(&self) -> Scope {
        match (self.project, self.local) {
            (true, _) => Scope::Project,
            (_, true) => Scope::Local,
            _ => Scope::User,
        }
    }
}

/// Runs `install`.
///
/// # Errors
/// The settings file is not strict JSON or not of the expected form, or cannot be written.
pub fn install(ctx: &mut Context, args: &InstallArgs) -> anyhow::Result<u8> {
    let scope = args.whose.scope();
    let path = file_of(ctx, args.agent, scope)?;
    let version = version(ctx, args.agent).or_else(|| last_seen(ctx, args.agent));
    if args.agent == Hooked::Codex
        && let Some(v) = version.filter(|v| *v < CODEX_HOOKS)
    {
        return Err(Failure::new(format!("Codex {} has no hooks that are known", dotted(v)))
            .hint("its rollouts are read without any set-up; hooks work from 0.130 on")
            .into());
    }
    let program = if scope == Scope::Project { None } else { own_path(ctx) };
    let events = args.agent.wanted(ctx, version);
    let handler = args.agent.handler(&command_line(program.as_deref()));
    let wanted = Wanted { form: args.agent.form(), events: &events, handler };
    let file = load(&path)?;
    let before = file.text.as_deref().unwrap_or("");
    let replaced = |h: &serde_json::Value| args.replace_python && is_python(h);
    let after = with(before, &wanted, &replaced).map_err(|e| refused(&path, &e))?;
    let changed = after != before;
    if changed && !args.dry_run {
        let clean = match &file.text {
            Some(t) if !t.trim().is_empty() => {
                let out = |h: &serde_json::Value| is_own(h) || replaced(h);
                Some(without(t, wanted.form, &out).map_err(|e| refused(&path, &e))?)
            }
            other => other.clone(),
        };
        // where our own entries are renewed, what was there before them is still known
        let known = backup::load(&ctx.store, &file.target).filter(|b| b.is_untouched(before));
        let clean = if let (Some(b), false) = (known, args.replace_python) { b.before } else { clean };
        backup::keep(&ctx.store, &file.target, clean.as_deref(), &after)?;
        file.replace(&after)?;
    }
    let python = handlers(&after, wanted.form).is_ok_and(|all| all.iter().any(|f| is_python(&f.handler)));
    if ctx.json {
        ctx.out.json(&json!({
            "agent": args.agent.agent(), "file": path.display().to_string(), "events": events,
            "client_version": version.map(dotted), "changed": changed && !args.dry_run, "python_hook": python,
        }))?;
        return Ok(0);
    }
    if args.dry_run {
        return show_change(ctx, &path, before, &after);
    }
    let term = ctx.out.term;
    let shown = term.paint(Tone::Path, &text::name(&super::home_relative(ctx, &path.display().to_string())));
    let client = format!("{}{}", args.agent.title(), version.map(|v| format!(" {}", dotted(v))).unwrap_or_default());
    let count = super::count(events.len(), "event");
    ctx.out.line(match changed {
        true => format!("{} {client}: {count} in {shown}", term.paint(Tone::Good, "registered")),
        false => format!("{client}: {count} already registered in {shown}"),
    });
    if version.is_none() && args.agent != Hooked::Copilot {
        ctx.out.note(&format!(
            "`{}` was not found, so only events that every version knows were registered; install again once it is there",
            args.agent.program()
        ));
    }
    if python {
        ctx.out.note(
            "the Python causetrace's hook is registered too; it answers every permission question with yes: \
             `causetrace install claude-code --replace-python` takes it out",
        );
    }
    if args.agent == Hooked::Codex && changed {
        ctx.out.note("Codex runs a hook only once you trust it: start `codex`, type /hooks, and trust causetrace");
    }
    if args.agent == Hooked::Copilot && scope == Scope::Project && changed {
        ctx.out.note("Copilot CLI runs a project's hooks only in a folder that it trusts");
    }
    if args.agent == Hooked::Copilot && changed && has_vs_code(ctx) {
        ctx.out
            .note("VS Code's agent reads that file too: it tells when each call is made, which its own files do not");
    }
    Ok(0)
}

/// Runs `uninstall`.
///
/// # Errors
/// The settings file is not strict JSON or cannot be written.
pub fn uninstall(ctx: &mut Context, args: &UninstallArgs) -> anyhow::Result<u8> {
    let path = file_of(ctx, args.agent, args.whose.scope())?;
    let file = load(&path)?;
    let before = file.text.clone().unwrap_or_default();
    let kept = backup::load(&ctx.store, &file.target).filter(|b| b.is_untouched(&before));
    let after: Option<String> = match kept {
        Some(backup) => backup.before,
        None if file.text.is_none() => None,
        None => Some(without(&before, args.agent.form(), &is_own).map_err(|e| refused(&path, &e))?),
    };
    let changed = after.as_deref().unwrap_or("") != before || after.is_none() && file.text.is_some();
    if args.dry_run && !ctx.json {
        return show_change(ctx, &path, &before, after.as_deref().unwrap_or(""));
    }
    if changed && !args.dry_run {
        put(&file, after.as_deref())?;
    }
    if !args.dry_run {
        backup::forget(&ctx.store, &file.target);
    }
    if ctx.json {
        let changed = changed && !args.dry_run;
        let all = json!({"agent": args.agent.agent(), "file": path.display().to_string(), "changed": changed});
        ctx.out.json(&all)?;
        return Ok(0);
    }
    let term = ctx.out.term;
    let shown = term.paint(Tone::Path, &text::name(&super::home_relative(ctx, &path.display().to_string())));
    ctx.out.line(match changed {
        true => format!("{} {}: {shown}", term.paint(Tone::Good, "removed"), args.agent.title()),
        false => format!("{}: nothing of causetrace in {shown}", args.agent.title()),
    });
    Ok(0)
}

fn put(file: &SettingsFile, text: Option<&str>) -> anyhow::Result<()> {
    match text {
        Some(text) => file.replace(text),
        None => file.remove(),
    }
}

fn show_change(ctx: &mut Context, path: &Path, before: &str, after: &str) -> anyhow::Result<u8> {
    let shown = text::name(&super::home_relative(ctx, &path.display().to_string())).into_owned();
    if before == after {
        ctx.out.line(format!("{shown}: nothing to change"));
        return Ok(0);
    }
    ctx.out.line(ctx.out.term.paint(Tone::Bold, &shown));
    for line in diff(&ctx.out.term, before, after) {
        ctx.out.line(line);
    }
    Ok(0)
}

fn file_of(ctx: &Context, agent: Hooked, scope: Scope) -> anyhow::Result<PathBuf> {
    agent.file(ctx, scope).ok_or_else(|| {
        let message = format!("{} has no settings of a project that are yours alone", agent.title());
        Failure::usage(message).hint("--user or --project").into()
    })
}

fn refused(path: &Path, reason: &str) -> anyhow::Error {
    Failure::new(format!("{} is left as it is: {reason}", path.display()))
        .hint("the agent ignores such a file as a whole: mend it, then install again")
        .into()
}

fn dotted(v: Version) -> String {
    format!("{}.{}.{}", v.0, v.1, v.2)
}

/// The version of the client that wrote the newest session, where the program itself is not found.
fn last_seen(ctx: &Context, agent: Hooked) -> Option<Version> {
    let source = by_name(agent.agent())?;
    let newest = source.discover(&ctx.env).into_iter().max_by_key(|t| t.modified)?;
    let mut seen = None;
    let mut look = |e: crate::event::Event| {
        if e.event_type == EventType::Session {
            let told = e.extra.get("version").and_then(|v| v.as_str()).and_then(super::client::parse_version);
            seen = seen.or(told);
        }
    };
    source.read(&newest, &mut look).ok()?;
    seen
}
