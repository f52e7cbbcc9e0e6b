//! `cargo bench --bench hook`: what a hook costs as a whole process, beside `/bin/true`, in turns; alone and 100 at once.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 400;
const AT_ONCE: usize = 100;

fn spawn(program: &str, home: &Path, payload: &[u8]) -> Child {
    let mut command = Command::new(program);
    command.arg("hook").env_clear().env("HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    // /bin/true does not read
    child.stdin.take().expect("a pipe").write_all(payload).ok();
    child
}

fn once(program: &str, home: &Path, payload: &[u8]) -> Duration {
    let begun = Instant::now();
    spawn(program, home, payload).wait().expect("it ends");
    begun.elapsed()
}

fn at(times: &[Duration], share: f64) -> f64 {
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6
}

fn main() {
    let home = tempfile::tempdir().expect("a folder");
    let (ours, nothing) = (env!("CARGO_BIN_EXE_causetrace"), "/bin/true");
    let payload = serde_json::json!({
        "session_id": "bench", "transcript_path": "/t.jsonl", "cwd": "/p", "hook_event_name": "PostToolUse",
        "tool_name": "Read", "tool_input": {"file_path": "/x"}, "tool_use_id": "toolu_1",
        "tool_response": {"type": "text", "file": {"content": "y".repeat(1500)}},
    })
    .to_string()
    .into_bytes();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(once(nothing, home.path(), &payload));
        b.push(once(ours, home.path(), &payload));
    }
    a.sort();
    b.sort();
    println!("{:<18} {:>10} {:>10} {:>10}", "µs", "min", "median", "p99");
    for (name, times) in [("/bin/true", &a), ("causetrace hook", &b)] {
        println!("{name:<18} {:>10.0} {:>10.0} {:>10.0}", at(times, 0.0), at(times, 0.5), at(times, 0.99));
    }
    println!("median {:.2} x /bin/true (budget 2.5)", at(&b, 0.5) / at(&a, 0.5));

    let mut ends: Vec<Duration> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| once(ours, home.path(), &payload))).collect();
        all.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    ends.sort();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (median, most) = (at(&ends, 0.5), at(&ends, 0.99));
    println!("{AT_ONCE} at once on {cores} cores, each from its own start: median {median:.0}, p99 {most:.0} µs");
}
