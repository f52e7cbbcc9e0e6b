//! Runs of whole processes in turns, their medians, and the table.

use std::process::{Command, Stdio};
use std::time::Instant;

use wait4::Wait4;

/// What a process cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of the processor, in the program and in the kernel for it, all threads together.
    pub cpu: f64,
    /// Most memory at any time (resident set), in MB.
    pub peak: f64,
}

/// A command whose cost is told by [`cost`]: a small process between starts it. Without that the peak would be that of this
/// program, which a process has until it is replaced.
pub fn measured(program: &str) -> Command {
    let mut command = this(&["cost", program]);
    command.stderr(Stdio::null());
    command
}

/// This program again, for one step in a process of its own.
pub fn this(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("child").args(args);
    command
}

/// Runs a [`measured`] command to its end.
pub fn cost(command: &mut Command) -> Cost {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().filter_map(|n| n.parse().ok());
    let mut next = || numbers.next().unwrap_or_else(|| panic!("{command:?} failed: {text}"));
    Cost { wall: next(), cpu: next(), peak: next() }
}

/// The process between: runs a command, its output thrown away, and prints what it cost.
pub fn tell_cost(program: &str, args: &[&str]) {
    let begun = Instant::now();
    let child = Command::new(program).args(args).stdout(Stdio::null()).spawn().expect("the program starts");
    let ended = child.wait4().expect("it ends");
    let wall = begun.elapsed().as_secs_f64();
    assert!(ended.status.success(), "{}", ended.status);
    let used = ended.rusage;
    println!("{wall} {} {}", (used.utime + used.stime).as_secs_f64(), used.maxrss as f64 / 1e6);
}

/// Runs each in turn, this many rounds; the median cost of each.
pub fn in_turns<const N: usize>(rounds: usize, mut all: [&mut dyn FnMut() -> Cost; N]) -> [Cost; N] {
    let mut costs: [Vec<Cost>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (run, into) in all.iter_mut().zip(&mut costs) {
            into.push(run());
        }
    }
    costs.map(|c| Cost { wall: median(&c, |c| c.wall), cpu: median(&c, |c| c.cpu), peak: median(&c, |c| c.peak) })
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    at(&mut costs.iter().map(of).collect::<Vec<_>>(), 0.5)
}

/// The value below which this share of the values is.
pub fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// The head of a table.
pub fn head(title: &str) {
    println!("\n{title:<52} {:>10} {:>10} {:>9}", "wall ms", "cpu ms", "peak MB");
}

/// A row: the costs, and what they mean.
pub fn row(name: &str, cost: Cost, says: &str) {
    let line = format!("{name:<52} {:>10.1} {:>10.1} {:>9.1}  {says}", cost.wall * 1e3, cost.cpu * 1e3, cost.peak);
    println!("{}", line.trim_end());
}

/// `12.3 (budget ≤ 60: met)`.
pub fn at_most(value: f64, budget: f64, unit: &str) -> String {
    let met = if value <= budget { "met" } else { "MISSED" };
    format!("{value:.2} {unit} (budget ≤ {budget}: {met})")
}

/// `0.61 (budget ≥ 0.5: met)`.
pub fn at_least(value: f64, budget: f64, unit: &str) -> String {
    let met = if value >= budget { "met" } else { "MISSED" };
    format!("{value:.2} {unit} (budget ≥ {budget}: {met})")
}
