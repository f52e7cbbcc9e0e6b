//! The linker against the labelled sessions, where they lie beside the project: the figures reached must not slip.

use std::path::Path;
use std::process::Command;

/// Reached on all ten, less 0.02: edge F1, primary, first cause among the labelled ones.
const FLOORS: [(&str, f64); 3] = [("edge F1", 0.822), ("primary", 0.837), ("first-in-causes", 0.907)];
/// Edge F1 of the least session, less 0.02.
const LEAST: f64 = 0.728;

#[test]
fn the_figures_reached_do_not_slip() {
    let scorer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/gold/score.py");
    if !scorer.is_file() {
        return;
    }
    let out = Command::new("python3").arg(scorer).arg(env!("CARGO_BIN_EXE_causetrace")).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let all = text.lines().find(|l| l.starts_with("ALL")).expect("a line for all sessions");
    for (name, floor) in FLOORS {
        let (_, rest) = all.split_once(&format!("{name} ")).expect(name);
        let value: f64 = rest.split_whitespace().next().unwrap().parse().unwrap();
        assert!(value >= floor, "{name} is {value}, below {floor}:\n{text}");
    }
    for session in text.lines().filter(|l| l.starts_with('D')) {
        let (_, rest) = session.split_once("edge F1 ").expect("a figure for each session");
        let value: f64 = rest.split_whitespace().next().unwrap().parse().unwrap();
        assert!(value >= LEAST, "below {LEAST}: {session}");
    }
}
