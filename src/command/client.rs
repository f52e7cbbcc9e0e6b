//! The agents' own programs: where they are, which version, and what their hooks know.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::context::Context;
use crate::settings::hooks::Form;

/// Longest wait for a program to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// An agent whose hooks `install` can register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Hooked {
    /// Claude Code.
    ClaudeCode,
    /// Codex CLI.
    Codex,
    /// GitHub Copilot CLI.
    Copilot,
}

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The user's, for all projects.
    User,
    /// The project's, shared with others who work on it.
    Project,
    /// The project's, for this user only.
    Local,
}

/// Version of a client: major, minor, patch.
pub type Version = (u32, u32, u32);

impl Hooked {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::Copilot];

    /// The agent's name in events.
    pub fn agent(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Copilot => "copilot",
        }
    }

    /// The name that people use.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex CLI",
            Self::Copilot => "Copilot CLI",
        }
    }

    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::Copilot => "copilot",
        }
    }

    /// How handlers stand in its hooks file.
    pub fn form(self) -> Form {
        if self == Self::Copilot { Form::Flat } else { Form::Grouped }
    }

    /// Its hooks file; none where it has no such scope.
    pub fn file(self, ctx: &Context, scope: Scope) -> Option<PathBuf> {
        let env = &ctx.env;
        Some(match (self, scope) {
            (Self::ClaudeCode, Scope::User) => env.dir("CLAUDE_CONFIG_DIR", ".claude").join("settings.json"),
            (Self::ClaudeCode, Scope::Project) => env.cwd.join(".claude/settings.json"),
            (Self::ClaudeCode, Scope::Local) => env.cwd.join(".claude/settings.local.json"),
            (Self::Codex, Scope::User) => env.dir("CODEX_HOME", ".codex").join("hooks.json"),
            (Self::Codex, Scope::Project) => env.cwd.join(".codex/hooks.json"),
            (Self::Copilot, Scope::User) => env.dir("COPILOT_HOME", ".copilot").join("hooks/causetrace.json"),
            (Self::Copilot, Scope::Project) => env.cwd.join(".github/hooks/causetrace.json"),
            (Self::Codex | Self::Copilot, Scope::Local) => return None,
        })
    }

    /// The events that a client of that version knows and that say something. An unknown name makes Claude Code before
    /// 2.1.101 ignore its whole settings file, permissions included, so nothing is guessed.
    pub fn events(self, version: Option<Version>) -> Vec<&'static str> {
        let at_least = |v: Version| version.is_some_and(|have| have >= v);
        match self {
            Self::ClaudeCode => {
                let mut events = vec!["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"];
                if at_least((2, 0, 76)) {
                    events.push("PostToolUseFailure");
                }
                if at_least((2, 1, 101)) {
                    events.extend(["PostToolBatch", "PermissionDenied"]);
                }
                events.extend(["SubagentStop", "Stop", "SessionEnd"]);
                events
            }
            Self::Codex => {
                let mut events = vec!["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"];
                if at_least((0, 169, 0)) {
                    events.push("SubagentStop");
                }
                events.push("Stop");
                if at_least((0, 169, 0)) {
                    events.push("SessionEnd");
                }
                events
            }
            // its hooks tell no call ids: the end of a turn is when its session file is read
            Self::Copilot => vec!["agentStop"],
        }
    }

    /// [`Self::events`], and those of other programs that read the same hooks file.
    pub fn wanted(self, ctx: &Context, version: Option<Version>) -> Vec<&'static str> {
        let mut events = self.events(version);
        if self == Self::Copilot && has_vs_code(ctx) {
            // its own agent tells hooks the ids of calls, and when they are made, which its session files do not (1.109)
            events.extend(["userPromptSubmitted", "preToolUse", "postToolUse"]);
        }
        events
    }

    /// The handler that runs `causetrace hook`.
    pub fn handler(self, command: &str) -> Value {
        match self {
            Self::Copilot if cfg!(windows) => json!({"type": "command", "powershell": command, "timeoutSec": 10}),
            Self::Copilot => json!({"type": "command", "bash": command, "timeoutSec": 10}),
            _ => json!({"type": "command", "command": command, "timeout": 10}),
        }
    }
}

/// Whether VS Code, or an editor made of it, is at home here: it keeps its users' data in these folders.
pub fn has_vs_code(ctx: &Context) -> bool {
    let config = ctx.env.dir("XDG_CONFIG_HOME", ".config");
    let mac = ctx.env.home.join("Library/Application Support");
    let roaming = ctx.env.var("APPDATA").map(PathBuf::from);
    let places = [config, mac].into_iter().chain(roaming);
    places.flat_map(|p| ["Code", "Code - Insiders"].map(|name| p.join(name).join("User"))).any(|user| user.is_dir())
}

/// The command line of the hook: nothing happens, and nothing is said, where the program has gone. The form with `args` would
/// save a shell, but clients before 2.1.139 ignore that key and would run the program without arguments.
pub fn command_line(program: Option<&Path>) -> String {
    let Some(program) = program else {
        return "command -v causetrace >/dev/null && exec causetrace hook; exit 0".to_owned();
    };
    let path = program.to_string_lossy();
    if cfg!(windows) {
        return format!("\"{path}\" hook");
    }
    let quoted = format!("'{}'", path.replace('\'', r"'\''"));
    format!("[ -x {quoted} ] && exec {quoted} hook; exit 0")
}

/// This program as a path that outlives an upgrade: its name on PATH where that leads here, else its own place.
pub fn own_path(ctx: &Context) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    let real = std::fs::canonicalize(&exe).ok();
    let found = on_path(ctx, if cfg!(windows) { "causetrace.exe" } else { "causetrace" });
    found.filter(|f| std::fs::canonicalize(f).ok() == real).or(Some(exe))
}

/// The program of that name on PATH.
pub fn on_path(ctx: &Context, name: &str) -> Option<PathBuf> {
    let dirs = ctx.env.var("PATH")?;
    let names: &[String] =
        if cfg!(windows) { &[format!("{name}.exe"), format!("{name}.cmd")] } else { &[name.to_owned()] };
    std::env::split_paths(dirs)
        .filter(|d| d.is_absolute())
        .flat_map(|d| names.iter().map(move |n| d.join(n)))
        .find(|p| p.is_file())
}

/// The version that a client's program tells.
pub fn version(ctx: &Context, hooked: Hooked) -> Option<Version> {
    let program = on_path(ctx, hooked.program()).or_else(|| {
        Some(ctx.env.home.join(".claude/local/claude")).filter(|p| hooked == Hooked::ClaudeCode && p.is_file())
    })?;
    parse_version(&ask(&program, "--version")?)
}

/// What a program prints for one argument; none where it fails or takes too long.
pub fn ask(program: &Path, argument: &str) -> Option<String> {
    let mut child = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill().ok();
                child.wait().ok();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    child.stdout.take()?.take(4096).read_to_string(&mut said).ok()?;
    status.success().then_some(said)
}

/// The first `1.2.3` in a text.
pub fn parse_version(text: &str) -> Option<Version> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut parts = word.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_clients_say() {
        assert_eq!(parse_version("2.1.330 (Claude Code)"), Some((2, 1, 330)));
        assert_eq!(parse_version("codex-cli 0.169.0\n"), Some((0, 169, 0)));
        assert_eq!(parse_version("GitHub Copilot CLI 1.0.102."), Some((1, 0, 102)));
        assert_eq!(parse_version("none"), None);
    }

    #[test]
    fn only_known_events_are_registered() {
        let of = |v| Hooked::ClaudeCode.events(v).join(" ");
        assert!(!of(Some((2, 1, 100))).contains("PostToolBatch") && of(Some((2, 1, 101))).contains("PostToolBatch"));
        assert!(!of(None).contains("PostToolUseFailure"));
        assert!(!Hooked::Codex.events(Some((0, 130, 0))).contains(&"SessionEnd"));
    }

    #[test]
    fn odd_paths_are_quoted() {
        let line = command_line(Some(Path::new("/a b/it's/causetrace")));
        assert_eq!(line, r"[ -x '/a b/it'\''s/causetrace' ] && exec '/a b/it'\''s/causetrace' hook; exit 0");
        assert!(crate::settings::hooks::is_own(&Hooked::Codex.handler(&line)));
        assert!(crate::settings::hooks::is_own(&Hooked::Copilot.handler(&command_line(None))));
        assert!(!crate::settings::hooks::is_own(&json!({"command": "echo causetrace hooks"})));
    }
}
