//! Reading each agent's files into events, beside the scan for newlines, which is the limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use causetrace::source::{by_name, claim};

use crate::generate::Session;
use crate::generate::claude_code::Until;
use crate::measure::{at_least, cost, head, in_turns, measured, row};
use crate::place::Place;

const ROUNDS: usize = 7;

pub fn measure() {
    let place = Place::new();
    let bytes = crate::megabytes() << 20;
    let session = Session::mixed(1);
    head(&format!("reading {} MB into events", crate::megabytes()));
    let files = [
        ("claude-code", place.claude_code(&session, Until::Bytes(bytes)).0, Some(0.5)),
        ("codex", place.codex(&session, bytes), Some(0.5)),
        ("opencode", place.opencode(bytes), None),
    ];
    for (agent, path, budget) in files {
        let size = std::fs::metadata(&path).expect("it is there").len() as f64 / 1e9;
        let path = path.to_str().expect("a path");
        let [scanned, read] =
            in_turns(ROUNDS, [&mut || cost(step("scan").arg(path)), &mut || cost(step("read").args([agent, path]))]);
        row(&format!("{agent}: newlines"), scanned, &format!("{:.2} GB per CPU-second", size / scanned.cpu));
        let speed = size / read.cpu;
        let says = match budget {
            Some(b) => at_least(speed, b, "GB per CPU-second"),
            None => format!("{speed:.2} GB per CPU-second"),
        };
        row(&format!("{agent}: events"), read, &format!("{says}, {:.0}% of the scan", scanned.cpu / read.cpu * 100.0));
    }
}

/// A step of this program, measured.
fn step(name: &str) -> Command {
    let this = std::env::current_exe().expect("this program");
    let mut command = measured(this.to_str().expect("a path"));
    command.args(["child", name]);
    command
}

/// Counts the newlines of a file.
pub fn scan(path: &str) {
    let mut file = File::open(path).expect("it is there");
    let mut buffer = vec![0; 256 * 1024];
    let mut lines = 0;
    loop {
        match file.read(&mut buffer).expect("it can be read") {
            0 => break,
            n => lines += memchr::memchr_iter(b'\n', &buffer[..n]).count(),
        }
    }
    println!("{lines} lines");
}

/// Reads a file into events, which are dropped.
pub fn read(agent: &str, path: &str) {
    let (_, transcripts) = claim(Path::new(path)).expect("it can be read").expect("a session");
    let source = by_name(agent).expect("an agent");
    let mut events = 0;
    for t in &transcripts {
        source.read(t, &mut |_| events += 1).expect("it can be read");
    }
    println!("{events} lines");
}
