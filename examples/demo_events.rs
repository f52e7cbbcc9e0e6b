//! Writes the lines of the store for one session file: how `fixtures/demo/events.jsonl` is made.
//! `cargo run --example demo_events -- fixtures/demo/rollout.jsonl > fixtures/demo/events.jsonl`

use std::io::Write as _;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let path = PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    let (source, transcripts) = causetrace::source::claim(&path)?.ok_or_else(|| anyhow::anyhow!("no session file"))?;
    let mut out = std::io::stdout().lock();
    for t in &transcripts {
        source.read(t, &mut |event| {
            writeln!(out, "{}", event.to_line()).ok();
        })?;
    }
    Ok(())
}
