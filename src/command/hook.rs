//! `causetrace hook`: takes what an agent tells and stores it; never felt, never heard.
//!
//! It runs twice per tool call, so it starts before the argument parser, reads standard input once, opens one file, writes
//! once. It prints nothing and ends with 0 whatever happens: any byte on its output would land in the user's session, and
//! another exit code would stop the agent. What it cannot use it keeps for `doctor`.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};

use super::context::{Context, store_root};
use crate::event::EventType;
use crate::source::{Env, hook};
use crate::store::{Store, unusable};

/// Longest payload that is taken, in bytes: an edit of a file sends the whole file, twice.
const LONGEST: u64 = 256 << 20;

/// Store what an agent tells on standard input (called by agents; see `install`)
///
/// Prints nothing and always exits with 0.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// None.
pub fn run(_ctx: &mut Context, _args: &Args) -> anyhow::Result<u8> {
    receive();
    Ok(0)
}

/// Takes one payload from standard input.
pub fn receive() {
    // runs before the process aborts: even a mistake in here must not be seen by the agent
    std::panic::set_hook(Box::new(|_| std::process::exit(0)));
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return;
    }
    let mut bytes = Vec::new();
    // what came before an error is looked at: an agent that is killed closes the pipe early
    let read = stdin.by_ref().take(LONGEST).read_to_end(&mut bytes);
    let Some(store) = store() else { return };
    let now = Utc::now();
    if read.is_err() && bytes.is_empty() {
        return;
    }
    let outcome = take(&store, &bytes, now);
    if let Err(reason) = outcome {
        unusable::keep(&store, now, &reason, &bytes);
    }
}

fn store() -> Option<Store> {
    let vars = std::env::var("CAUSETRACE_HOME").ok().map(|v| ("CAUSETRACE_HOME".to_owned(), v)).into_iter().collect();
    let env =
        Env { home: dirs::home_dir().unwrap_or_default(), cwd: std::env::current_dir().unwrap_or_default(), vars };
    Some(store_root(&env)).filter(|root| root.is_absolute()).map(Store::new)
}

fn take(store: &Store, bytes: &[u8], now: DateTime<Utc>) -> Result<(), String> {
    let received = hook::receive(bytes, now)?;
    if let Some(first) = received.events.first() {
        // the end of a session of which nothing is known (a resume that failed) says nothing
        let end = first.event_type == EventType::Session && first.extra.contains_key("ended_at");
        if !end || store.path(&first.session_id).exists() {
            let mut lines = String::with_capacity(bytes.len() + 512);
            for e in &received.events {
                lines.push_str(&e.to_line());
                lines.push('\n');
            }
            store.append(&first.session_id, lines.as_bytes()).map_err(|e| format!("{e:#}"))?;
        }
    }
    if let Some(path) = received.transcript {
        import(&path);
    }
    Ok(())
}

/// Has a session file read into the store by a process of its own, which nobody waits for.
fn import(path: &Path) {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("causetrace"));
    let mut command = Command::new(program);
    command.arg("import").arg("--settle").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    // the next command that reads sessions finds what this one could not
    command.spawn().ok();
}
