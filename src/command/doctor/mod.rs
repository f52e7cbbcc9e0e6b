//! `causetrace doctor`: what is there, what is missing, and the command that mends it.

mod agents;
mod hooks;
mod store;

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::context::Context;
use crate::render::{Term, Tone, text};

/// Check agents, hooks and the store, and say what mends them
///
/// Per agent: where its sessions are, how the newest one reads, whether the hook is registered and runs, what deletes history.
/// Exits with 1 where something needs mending.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this agent (claude-code, codex, opencode, aider, continue, copilot)
    agent: Option<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Good,
    /// To know; nothing is wrong.
    Note,
    /// Needs mending.
    Bad,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    level: Level,
    text: String,
    /// The command, or what to write where, that mends or changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { level: Level::Good, text: text.into(), fix: None }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { level: Level::Note, text: text.into(), fix: None }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { level: Level::Bad, text: text.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// What belongs together.
#[derive(Clone, Debug, Serialize)]
struct Section {
    /// An agent's name, or `store`.
    name: String,
    title: String,
    /// What was measured, for programs.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    facts: serde_json::Map<String, serde_json::Value>,
    findings: Vec<Finding>,
}

/// Runs the command.
///
/// # Errors
/// The agent is unknown.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let mut sections = agents::sections(ctx, args.agent.as_deref())?;
    if args.agent.is_none() {
        sections.push(store::section(ctx));
    }
    let bad = sections.iter().flat_map(|s| &s.findings).filter(|f| f.level == Level::Bad).count();
    if ctx.json {
        ctx.out.json(&json!({"healthy": bad == 0, "sections": sections}))?;
        return Ok(u8::from(bad > 0));
    }
    let term = ctx.out.term;
    for section in &sections {
        for line in shown(&term, section) {
            ctx.out.line(line);
        }
        ctx.out.line("");
    }
    ctx.out.line(match bad {
        0 => term.paint(Tone::Good, "nothing needs mending"),
        1 => term.paint(Tone::Bad, "1 thing needs mending"),
        n => term.paint(Tone::Bad, &format!("{n} things need mending")),
    });
    Ok(u8::from(bad > 0))
}

fn shown(term: &Term, section: &Section) -> Vec<String> {
    let mut lines = vec![term.paint(Tone::Bold, &section.title)];
    for f in &section.findings {
        let (mark, tone) = match f.level {
            Level::Good => ("✓", Tone::Good),
            Level::Note => ("·", Tone::Dim),
            Level::Bad => ("✗", Tone::Bad),
        };
        let width = term.width.min(100).saturating_sub(4);
        for (i, line) in text::wrap(&text::clean(&f.text), width).into_iter().enumerate() {
            let head = if i == 0 { term.paint(tone, mark) } else { " ".to_owned() };
            lines.push(format!("  {head} {line}"));
        }
        // a command stays on one line, so that it can be copied
        if let Some(fix) = &f.fix {
            lines.push(format!("      {}", term.paint(Tone::Path, &text::name(fix))));
        }
    }
    lines
}

/// A path for people.
fn path(ctx: &Context, path: &Path) -> String {
    super::home_relative(ctx, &path.display().to_string())
}
