//! What a hook costs beside `/bin/true`: alone, in turns, and 100 at once.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::measure::{at, at_most};
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
    // seconds of one run; straight from here, so that nothing but the program itself is measured
    let once = |program: &str| -> f64 {
        let mut command = Command::new(program);
        command.arg("hook").env_clear().env("HOME", place.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
        // /bin/true does not read
        child.stdin.take().expect("a pipe").write_all(&payload).ok();
        child.wait().expect("it ends");
        begun.elapsed().as_secs_f64()
    };
    let (mut nothing, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        nothing.push(once("/bin/true") * 1e6);
        ours.push(once(&program) * 1e6);
    }
    println!("\n{:<24} {:>8} {:>8} {:>8}", "hook, a whole process, µs", "min", "median", "p99");
    for (name, times) in [("/bin/true", &mut nothing), ("causetrace hook", &mut ours)] {
        println!("{name:<24} {:>8.0} {:>8.0} {:>8.0}", at(times, 0.0), at(times, 0.5), at(times, 0.99));
    }
    let ratio = at(&mut ours, 0.5) / at(&mut nothing, 0.5);
    println!("{}", at_most(ratio, if program == PROGRAM { 2.5 } else { 1.5 }, "× /bin/true"));

    let at_once = |program: &str| -> Vec<f64> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| once(program) * 1e3)).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        })
    };
    let (mut nothing, mut ours) = (at_once("/bin/true"), at_once(&program));
    let lines = std::fs::read_to_string(place.path().join(".causetrace/data/bench.jsonl")).expect("it was recorded");
    let whole = lines.lines().filter(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()).count();
    assert_eq!(whole, ROUNDS + AT_ONCE, "none lost, none garbled");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n{:<24} {:>8} {:>8}", format!("{AT_ONCE} at once, {cores} cores, ms"), "median", "p99");
    for (name, times) in [("/bin/true", &mut nothing), ("causetrace hook", &mut ours)] {
        println!("{name:<24} {:>8.1} {:>8.1}", at(times, 0.5), at(times, 0.99));
    }
    println!("{}; none lost, none garbled", at_most(at(&mut ours, 0.99), 15.0, "ms p99"));
}
