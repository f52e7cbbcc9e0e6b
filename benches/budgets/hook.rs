//! What a hook costs beside `/bin/true`: alone, in turns, and 100 at once.

use std::process::Command;

use crate::measure::{Cost, at, at_most, cost};
use crate::place::{PROGRAM, Place};

const ROUNDS: usize = 400;
const AT_ONCE: usize = 100;

pub fn measure() {
    let place = Place::new();
    // a static build, or any other, may be measured in the place of the one built here
    let program = std::env::var("BENCH_HOOK").unwrap_or_else(|_| PROGRAM.to_owned());
    let payload = serde_json::json!({
        "session_id": "bench", "transcript_path": "/t.jsonl", "cwd": "/p", "hook_event_name": "PostToolUse",
        "tool_name": "Read", "tool_input": {"file_path": "/x"}, "tool_use_id": "toolu_1",
        "tool_response": {"type": "text", "file": {"content": "y".repeat(1500)}},
    })
    .to_string()
    .into_bytes();
    let once = |program: &str| -> Cost {
        let mut command = Command::new(program);
        command.arg("hook").env_clear().env("HOME", place.path()).stderr(std::process::Stdio::null());
        cost(&mut command, &payload)
    };
    let (mut nothing, mut ours) = (Vec::new(), Vec::new());
    let mut peak = 0f64;
    for _ in 0..ROUNDS {
        nothing.push(once("/bin/true").wall * 1e6);
        let cost = once(&program);
        ours.push(cost.wall * 1e6);
        peak = peak.max(cost.peak);
    }
    println!("\n{:<24} {:>8} {:>8} {:>8}", "hook, a whole process, µs", "min", "median", "p99");
    for (name, times) in [("/bin/true", &mut nothing), ("causetrace hook", &mut ours)] {
        println!("{name:<24} {:>8.0} {:>8.0} {:>8.0}", at(times, 0.0), at(times, 0.5), at(times, 0.99));
    }
    let ratio = at(&mut ours, 0.5) / at(&mut nothing, 0.5);
    println!("{}, peak {peak:.1} MB", at_most(ratio, if program == PROGRAM { 2.5 } else { 1.5 }, "× /bin/true"));

    let mut all: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| once(&program).wall * 1e3)).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    let lines = std::fs::read_to_string(place.path().join(".causetrace/data/bench.jsonl")).expect("it was recorded");
    let whole = lines.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()).count();
    assert_eq!(whole, ROUNDS + AT_ONCE, "none lost, none garbled");
    let p99 = at_most(at(&mut all, 0.99), 15.0, "ms p99");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{AT_ONCE} at once on {cores} cores: median {:.1} ms, {p99}; none lost, none garbled", at(&mut all, 0.5));
}
