//! Runs of whole processes in turns, their medians, and the table.

use std::io::Write;
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

/// Runs a command to its end, its output thrown away. `input` is given to it.
pub fn cost(command: &mut Command, input: &[u8]) -> Cost {
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() }).stdout(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    if let Some(mut stdin) = child.stdin.take() {
        // /bin/true does not read
        stdin.write_all(input).ok();
    }
    let ended = child.wait4().expect("it ends");
    let wall = begun.elapsed().as_secs_f64();
    assert!(ended.status.success(), "{command:?}: {}", ended.status);
    let used = ended.rusage;
    Cost { wall, cpu: (used.utime + used.stime).as_secs_f64(), peak: used.maxrss as f64 / 1e6 }
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
