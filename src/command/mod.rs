//! The command line: one file a subcommand, each its arguments (their doc comments are the help) and one function.

pub mod aider;
mod blame;
mod catalog;
mod client;
mod completions;
pub mod context;
mod demo;
pub mod doctor;
mod event_selector;
mod export;
mod failure;
mod filter;
mod git;
mod graph;
mod history;
pub mod hook;
mod impact;
mod import;
pub mod install;
mod look;
mod man;
mod progress;
mod replay;
mod sessions;
mod show;
mod stats;
mod sync;
mod timeline;
mod tree;
mod validate;
mod view;
mod watch;
mod why;

use clap::{CommandFactory, Parser, Subcommand};

pub use catalog::{Catalog, Session, read_path};
pub use context::{Color, Context};
pub use failure::Failure;

/// What coding agents did, as causes and effects.
///
/// causetrace reads the sessions of Claude Code, Codex CLI, OpenCode, Aider, Continue and GitHub Copilot, and answers why:
/// which grep hit, failing test or words of the user led to which call, with the evidence. It needs no set-up.
#[derive(Debug, Parser)]
#[command(name = "causetrace", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
SESSION is an id or a unique prefix of one, `latest`, `@2` (the second newest), or the path of an agent's own file; left \
out, it is the newest session of the current directory, else of its repository, else the newest of all.
EVENT is the number that a view shows (`12`; `SESSION#12` for another session) or a unique prefix of its id.
Exit codes: 0 success, 1 what was asked for does not exist or a check failed, 2 wrong usage.")]
pub struct Cli {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = false)]
    color: Color,
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    Sessions(sessions::Args),
    Tree(tree::Args),
    Graph(graph::Args),
    Timeline(timeline::Args),
    Why(why::Args),
    Impact(impact::Args),
    Blame(blame::Args),
    Replay(replay::Args),
    Show(show::Args),
    Stats(stats::Args),
    Import(import::Args),
    Watch(watch::Args),
    Aider(aider::Args),
    Install(install::InstallArgs),
    Uninstall(install::UninstallArgs),
    Hook(hook::Args),
    Doctor(doctor::Args),
    Validate(validate::Args),
    Export(export::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command line of this process; its exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return misused(&e),
    };
    let mut ctx = Context::of_process(cli.json, cli.color);
    let result = run(&mut ctx, cli.command);
    let shown = ctx.out.finish();
    match result {
        Ok(code) => match shown {
            Ok(()) => code,
            Err(e) => complain(&ctx, &anyhow::Error::from(e).context("cannot write the output")),
        },
        Err(e) => complain(&ctx, &e),
    }
}

fn run(ctx: &mut Context, command: Subcommands) -> anyhow::Result<u8> {
    match command {
        Subcommands::Sessions(a) => sessions::run(ctx, &a),
        Subcommands::Tree(a) => tree::run(ctx, &a),
        Subcommands::Graph(a) => graph::run(ctx, &a),
        Subcommands::Timeline(a) => timeline::run(ctx, &a),
        Subcommands::Why(a) => why::run(ctx, &a),
        Subcommands::Impact(a) => impact::run(ctx, &a),
        Subcommands::Blame(a) => blame::run(ctx, &a),
        Subcommands::Replay(a) => replay::run(ctx, &a),
        Subcommands::Show(a) => show::run(ctx, &a),
        Subcommands::Stats(a) => stats::run(ctx, &a),
        Subcommands::Import(a) => import::run(ctx, &a),
        Subcommands::Watch(a) => watch::run(ctx, &a),
        Subcommands::Aider(a) => aider::run(ctx, &a),
        Subcommands::Install(a) => install::install(ctx, &a),
        Subcommands::Uninstall(a) => install::uninstall(ctx, &a),
        Subcommands::Hook(a) => hook::run(ctx, &a),
        Subcommands::Doctor(a) => doctor::run(ctx, &a),
        Subcommands::Validate(a) => validate::run(ctx, &a),
        Subcommands::Export(a) => export::run(ctx, &a),
        Subcommands::Demo(a) => demo::run(ctx, &a),
        Subcommands::Completions(a) => completions::run(ctx, &a),
        Subcommands::Man(a) => man::run(ctx, &a),
    }
}

/// The command as clap knows it, for completions, the manual page and tests.
pub fn clap_command() -> clap::Command {
    Cli::command()
}

/// The beginning of a session id: enough to be told apart and to be typed.
fn short_id(id: &str) -> &str {
    let end = id.char_indices().nth(13).map_or(id.len(), |(i, _)| i);
    &id[..end]
}

/// The beginning of an event id, as `blame` shows it: enough to be told apart and to be typed.
fn short_event(id: &str) -> &str {
    let end = id.char_indices().nth(8).map_or(id.len(), |(i, _)| i);
    &id[..end]
}

/// `1 session`, `2 sessions`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A path below the home folder with `~`.
fn home_relative(ctx: &Context, path: &str) -> String {
    let home = ctx.env.home.to_string_lossy();
    match path.strip_prefix(home.as_ref()) {
        Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => format!("~{rest}"),
        _ => path.to_owned(),
    }
}

/// Milliseconds as people say them: `850ms`, `12s`, `3m20s`, `2h05m`, `3d`.
fn duration(ms: i64) -> String {
    let s = ms / 1000;
    match ms {
        ..0 => String::new(),
        0..1000 => format!("{ms}ms"),
        1000..10_000 if ms % 1000 >= 100 => format!("{}.{}s", s, ms % 1000 / 100),
        1000..60_000 => format!("{s}s"),
        60_000..3_600_000 => format!("{}m{:02}s", s / 60, s % 60),
        3_600_000..172_800_000 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d", s / 86400),
    }
}

/// A time as people say it, in the local zone: `14:02` today, `Nov 23 14:02` this year, `2025-11-23` before.
fn when(t: chrono::DateTime<chrono::Utc>, now: chrono::DateTime<chrono::Utc>) -> String {
    use chrono::Datelike as _;
    let (t, now) = (t.with_timezone(&chrono::Local), now.with_timezone(&chrono::Local));
    if t.date_naive() == now.date_naive() {
        t.format("%H:%M").to_string()
    } else if t.year() == now.year() {
        t.format("%b %d %H:%M").to_string()
    } else {
        t.format("%Y-%m-%d").to_string()
    }
}

/// Says what is wrong with the command line, which may hold whatever somebody pasted; help and version are clap's own words.
fn misused(error: &clap::Error) -> u8 {
    use std::io::Write as _;

    use clap::error::ErrorKind;

    use crate::render::{Tone, text};
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        error.exit();
    }
    let term = Context::of_process(false, Color::default()).out.term;
    let mut message = String::new();
    for line in error.render().to_string().lines() {
        let line = text::clean(line);
        match line.strip_prefix("error:").filter(|_| message.is_empty()) {
            Some(rest) => message.push_str(&format!("{}{rest}\n", term.paint(Tone::Bad, "error:"))),
            None => message.push_str(&format!("{line}\n")),
        }
    }
    std::io::stderr().write_all(term.fit(message).as_bytes()).ok();
    2
}

fn complain(ctx: &Context, error: &anyhow::Error) -> u8 {
    use std::io::Write as _;

    use crate::render::{Tone, text};
    let term = ctx.out.term;
    let mut message = format!("{} {}\n", term.paint(Tone::Bad, "error:"), text::clean(&format!("{error:#}")));
    let failure = error.chain().find_map(|e| e.downcast_ref::<Failure>());
    if let Some(hint) = failure.and_then(Failure::hint_text) {
        message.push_str(&format!("{} {}\n", term.paint(Tone::Warn, "hint:"), text::clean(hint)));
    }
    std::io::stderr().write_all(term.fit(message).as_bytes()).ok();
    failure.map_or(1, Failure::code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::clap_command().debug_assert();
    }
}
