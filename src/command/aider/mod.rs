//! `causetrace aider`: runs Aider as if nobody were there, and keeps what it leaves.
//!
//! Aider inherits the terminal and the process group, so ctrl-C, ctrl-Z and the size of the window reach it as ever. What its own
//! histories do not hold comes from its LLM history, its analytics log and git's trace, which are switched on through the
//! environment in a private folder ([`crate::source::aider::run`]) – each only where the user has not set his own, for a variable
//! would hide the setting in his configuration file.

mod process;
mod settings;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Local, Utc};

use super::catalog::Catalog;
use super::client::on_path;
use super::context::Context;
use super::failure::Failure;
use crate::source::Source as _;
use crate::source::aider::{Aider, real_path, root_of, run};
use crate::store;
use process::Ending;
use settings::Settings;

/// How often the chat history is looked at while Aider runs: what was written since was written now.
const LOOK: Duration = Duration::from_millis(100);

/// Run Aider and record what it does
///
/// Everything behind `--` goes to Aider. It runs as without causetrace: same terminal, same exit code, nothing of its configuration
/// changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  causetrace aider -- --model sonnet src/utils.py
  alias aider='causetrace aider --'")]
pub struct Args {
    /// Arguments for Aider
    #[arg(trailing_var_arg = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// Runs the command.
///
/// # Errors
/// Aider is not installed. What cannot be recorded is said afterwards and changes nothing.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let Some(program) = on_path(ctx, "aider") else {
        return Err(Failure::with_code(127, "aider is not on PATH")
            .hint("install it (`python -m pip install aider-install && aider-install`), or add its folder to PATH")
            .into());
    };
    let mut command = Command::new(&program);
    command.args(&args.args);
    let recorded = Recording::begin(ctx, &args.args, &mut command);
    let ending = match &recorded {
        Ok(recording) => recording.watch(|| process::run(&mut command)),
        Err(_) => process::run(&mut command),
    };
    let ending = ending.map_err(|e| {
        let code = if e.kind() == std::io::ErrorKind::PermissionDenied { 126 } else { 127 };
        Failure::with_code(code, format!("cannot run {}: {e}", program.display())).hint("try it without causetrace")
    })?;
    match recorded.and_then(|r| r.end(ctx, ending)) {
        Ok(problems) => problems.iter().for_each(|p| ctx.out.note(p)),
        Err(e) => ctx.out.note(&format!("this run of Aider is not recorded in full: {e:#}")),
    }
    Ok(process::end_like(ending))
}

/// What is written down of one run.
struct Recording {
    /// The folder of all runs that went to this chat history.
    history: PathBuf,
    folder: PathBuf,
    run: run::Run,
}

impl Recording {
    /// Notes where everything stands, and adds to the command what the user has not set himself.
    fn begin(ctx: &Context, args: &[OsString], command: &mut Command) -> anyhow::Result<Self> {
        let settings = Settings::find(&ctx.env, args);
        let chat = real_path(&settings.chat);
        let history = run::folder(&run::root(&ctx.env), &chat);
        let started = Utc::now();
        let folder = history.join(format!("{}-{}", started.format("%Y%m%dT%H%M%S%.3f"), std::process::id()));
        let own =
            |set: &Option<PathBuf>, name: &str, variable: &str, command: &mut Command| -> anyhow::Result<PathBuf> {
                if let Some(path) = set {
                    return Ok(path.clone());
                }
                let path = folder.join(name);
                store::append(&path, b"")?;
                command.env(variable, &path);
                Ok(path)
            };
        let llm = own(&settings.llm, "llm.history", "AIDER_LLM_HISTORY_FILE", command)?;
        let analytics = own(&settings.analytics, "analytics.jsonl", "AIDER_ANALYTICS_LOG", command)?;
        let git_trace = match settings.git_trace {
            Some(set) => set,
            None => own(&None, "git.trace2.jsonl", "GIT_TRACE2_EVENT", command)?,
        };
        let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
        let run = run::Run {
            args: args.iter().map(|a| a.to_string_lossy().into_owned()).collect(),
            cwd: ctx.env.cwd.clone(),
            chat_from: size(&chat),
            input: settings.input,
            llm_from: size(&llm),
            llm,
            analytics_from: size(&analytics),
            analytics,
            git_trace,
            started,
            utc_offset: started.with_timezone(&Local).offset().local_minus_utc(),
            head_before: git(&ctx.env.cwd, &["rev-parse", "HEAD"]),
            chat,
            ..run::Run::default()
        };
        if !history.join(run::CHAT).is_file() {
            store::append(&history.join(run::CHAT), format!("{}\n", run.chat.display()).as_bytes())?;
        }
        let recording = Self { history, folder, run };
        recording.write()?;
        Ok(recording)
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&self.run)?;
        line.push(b'\n');
        store::append(&self.folder.join(run::RUN), &line)
    }

    /// Notes, while `work` goes on, when the chat history grew: its lines have no times.
    fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut known = self.run.chat_from;
                while !over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(LOOK);
                    let size = fs::metadata(&self.run.chat).map_or(known, |m| m.len());
                    if size != known {
                        known = size;
                        let line = serde_json::json!({"at": Utc::now(), "size": size}).to_string() + "\n";
                        // a line that is missing costs a time, nothing else
                        store::append(&self.folder.join(run::SEEN), line.as_bytes()).ok();
                    }
                }
            });
            let result = work();
            over.store(true, Ordering::Relaxed);
            result
        })
    }

    /// Notes how it ended, and takes it into the store; what could not be read.
    fn end(mut self, ctx: &Context, ending: Ending) -> anyhow::Result<Vec<String>> {
        self.run.ended = Some(Utc::now());
        self.run.exit_code = ending.code;
        self.run.signal = ending.signal;
        self.run.head_after = git(&ctx.env.cwd, &["rev-parse", "HEAD"]);
        self.run.commits = self.commits(&root_of(&ctx.env.cwd));
        self.write()?;
        let transcripts: Vec<_> =
            Aider.claim(&self.history, &[]).into_iter().map(|t| (&Aider as &dyn crate::source::Source, t)).collect();
        if transcripts.is_empty() {
            // Aider that only told its version has written nothing
            return Ok(Vec::new());
        }
        let problems = Catalog::gather(ctx).sync_changed(ctx, &transcripts).problems;
        if problems.is_empty() {
            store::append(&self.folder.join(run::STORED), b"")?;
        }
        Ok(problems)
    }

    /// The commits that were made meanwhile.
    fn commits(&self, root: &Path) -> Vec<(String, DateTime<Utc>)> {
        let Some(after) = &self.run.head_after else { return Vec::new() };
        if self.run.head_before.as_ref() == Some(after) {
            return Vec::new();
        }
        let range = self.run.head_before.as_ref().map_or_else(|| after.clone(), |before| format!("{before}..{after}"));
        let log = git(root, &["log", "--max-count=1000", "--format=%H %cI", &range]).unwrap_or_default();
        let commit = |line: &str| {
            let (hash, time) = line.split_once(' ')?;
            Some((hash.to_owned(), DateTime::parse_from_rfc3339(time).ok()?.with_timezone(&Utc)))
        };
        log.lines().filter_map(commit).collect()
    }
}

/// What git prints; none where it fails.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("git")
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
