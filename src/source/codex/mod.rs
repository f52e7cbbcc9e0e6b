//! Codex CLI rollouts, clients of 2025 to 0.169.
//!
//! `$CODEX_HOME` (default `~/.codex`) `/sessions/YYYY/MM/DD/rollout-<local time>-<thread id>.jsonl`, also
//! `archived_sessions/` (flat) and `.jsonl.zst`; where a plain and a compressed file exist, the plain one counts. What a line
//! means is decided by its own fields: a file may be continued by another version.
//!
//! # Ids, the same from hooks and rollouts
//! - a call: [`crate::id::call`] of the `call_id` (a hook's `tool_use_id`);
//! - a prompt: `prompt_id` of the turn where the client tells it (0.118 and later).

pub(crate) mod hook;
mod output;
mod read;
mod tools;
mod wire;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Env, Report, Sink, Source, Transcript};
use crate::action::Action;
use crate::event::Event;
use crate::id;

/// The agent's name in events.
pub(crate) const AGENT: &str = "codex";

/// Codex CLI.
pub struct Codex;

/// The event id of the first prompt of a turn.
pub(crate) fn prompt_id(session: &str, turn: &str) -> String {
    id::event_id(AGENT, session, &format!("prompt:{turn}"))
}

impl Source for Codex {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn title(&self) -> &'static str {
        "Codex CLI"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let home = env.dir("CODEX_HOME", ".codex");
        vec![home.join("sessions"), home.join("archived_sessions")]
    }

    fn discover(&self, env: &Env) -> Vec<Transcript> {
        let mut files = Vec::new();
        let mut todo = self.roots(env);
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(t) if t.is_dir() => todo.push(path),
                    _ => files.push(path),
                }
            }
        }
        let plain: HashSet<PathBuf> = files.iter().filter(|f| has_ending(f, ".jsonl")).cloned().collect();
        files.retain(|f| {
            has_ending(f, ".jsonl") || has_ending(f, ".jsonl.zst") && !plain.contains(&f.with_extension(""))
        });
        files.iter().filter_map(|f| Transcript::of_file(AGENT, f, thread_of(f))).collect()
    }

    fn claim(&self, path: &Path, head: &[u8]) -> Vec<Transcript> {
        let has = |mark: &str| memchr::memmem::find(head, mark.as_bytes()).is_some();
        let wrapped = has("\"session_meta\"") || has("\"response_item\"") && has("\"payload\"");
        let bare = has("\"record_type\":\"state\"");
        let zst = has_ending(path, ".jsonl.zst") && head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        if !(zst || has_ending(path, ".jsonl") && (wrapped || bare)) {
            return Vec::new();
        }
        Transcript::of_file(AGENT, path, thread_of(path)).into_iter().collect()
    }

    fn cwd(&self, transcript: &Transcript) -> Option<String> {
        let mut first = Vec::new();
        let reader = open(&transcript.path).ok()?;
        // the first line holds the client's instructions too: some 20 kB
        BufReader::new(reader.take(1 << 20)).read_until(b'\n', &mut first).ok()?;
        let line: wire::Line<'_> = serde_json::from_slice(&first).ok()?;
        line.payload?.0.cwd.map(crate::text::Text::into_owned)
    }

    fn read(&self, transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
        read::read(transcript, sink)
    }

    fn action(&self, event: &Event) -> Action {
        tools::action(event)
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending))
}

/// The thread id at the end of a rollout's name.
fn thread_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?;
    let id = stem.get(stem.len().checked_sub(36)?..)?;
    uuid::Uuid::try_parse(id).is_ok().then(|| id.to_owned())
}

/// A rollout, decompressed where it is compressed (0.169 compresses files older than a week; one zstd frame). `ruzstd` is pure
/// Rust: a C library would double the build for files that are rare.
fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    use anyhow::Context;
    let file = crate::plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if has_ending(path, ".zst") {
        let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file))
            .map_err(|e| anyhow::anyhow!("cannot decompress {}: {e}", path.display()))?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(file))
}
