//! Reads every session file below the given folders and prints what each held: events, calls, calls without a result, results
//! without a call, unknown kinds of record, bad records. `cargo run --example survey -- DIR…`

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;

use causetrace::source::{Report, claim};

fn main() -> std::process::ExitCode {
    let mut todo: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut files = Vec::new();
    while let Some(path) = todo.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => todo.extend(entries.flatten().map(|e| e.path())),
            Err(_) => files.push(path),
        }
    }
    files.sort();
    let mut out = std::io::stdout().lock();
    let mut totals: BTreeMap<&str, (usize, Report)> = BTreeMap::new();
    let mut failed = false;
    for file in files {
        let (source, transcripts) = match claim(&file) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(e) => {
                failed = true;
                writeln!(out, "{}: {e:#}", file.display()).ok();
                continue;
            }
        };
        for t in transcripts {
            let (mut ids, mut lines) = (HashSet::new(), 0u64);
            let mut take = |e: causetrace::event::Event| {
                lines += 1;
                ids.insert(e.event_id);
            };
            match source.read(&t, &mut take) {
                Ok(r) => {
                    let line = format!(
                        "{:11} {:>6} records {:>6} events {:>5} calls {:>3} unanswered {:>3} orphans {:>3} bad  {}",
                        t.agent,
                        r.records,
                        ids.len(),
                        r.calls,
                        r.unanswered,
                        r.orphans,
                        r.bad_count,
                        file.display(),
                    );
                    writeln!(out, "{line}").ok();
                    for (kind, n) in &r.unknown {
                        writeln!(out, "    unknown {kind}: {n}").ok();
                    }
                    for b in &r.bad {
                        writeln!(out, "    bad {}:{}: {}", b.file, b.line, b.reason).ok();
                    }
                    let total = totals.entry(t.agent).or_default();
                    total.0 += 1;
                    total.1.merge(r);
                }
                Err(e) => {
                    failed = true;
                    writeln!(out, "{}: {e:#}", file.display()).ok();
                }
            }
        }
    }
    for (agent, (n, r)) in totals {
        writeln!(
            out,
            "{agent}: {n} transcripts, {} records, {} events, {} calls, {} unanswered, {} orphans, {} bad, unknown {:?}",
            r.records, r.events, r.calls, r.unanswered, r.orphans, r.bad_count, r.unknown
        )
        .ok();
    }
    std::process::ExitCode::from(u8::from(failed))
}
