//! Programs that were run, for what they do or tell: the edits that a run shows the effect of.

use std::collections::HashMap;

use super::act::{Act, Kind, body};
use super::lane::Lane;
use super::rules::Rule;
use super::shell::Kind as ShellKind;

/// The runs so far.
#[derive(Default)]
pub(super) struct Runs {
    /// Programs, tests, linters and builds.
    pub all: Vec<usize>,
    /// Runs of what checks nothing, whose output tells something, and reports of sub-agents.
    pub telling: Vec<usize>,
    /// By program, its last run that showed the effect of edits.
    programs: HashMap<String, usize>,
}

impl Runs {
    /// A call is over; `checked`: it tells how a check went; `reports`: it tells what a sub-agent found.
    pub(super) fn enter(&mut self, n: usize, a: &Act, text: &str, checked: bool, reports: bool) {
        if a.is_shell(&[ShellKind::Run, ShellKind::Test, ShellKind::Lint, ShellKind::Build]) {
            self.all.push(n);
        }
        let quiet = |g: &String| matches!(g.as_str(), "status" | "branch" | "commit" | "log" | "diff");
        let tells = a.is_shell(&[ShellKind::Run, ShellKind::Inspect, ShellKind::FileOp])
            || a.kind == Kind::Other
            || reports
            || a.failed && a.is_shell(&[ShellKind::Vcs]);
        if !checked && tells && !a.git.iter().any(quiet) && body(text).trim().len() > 30 {
            self.telling.push(n);
        }
    }
}

impl Lane<'_> {
    /// A program run: the edits since the last such run.
    pub(super) fn verify_run(&mut self, n: usize, a: &Act, fresh: bool) {
        if fresh || !a.is_shell(&[ShellKind::Build, ShellKind::Run]) {
            return;
        }
        let build = a.is_shell(&[ShellKind::Build]);
        let program = if build { "#".to_owned() } else { a.norm.split_whitespace().next().unwrap_or("").to_owned() };
        let same = self.runs.programs.get(&program).copied();
        let bound = match same {
            Some(m) => Some(m),
            None if build => None,
            None => self.last_prompt().into_iter().chain(self.runs.all.last().copied()).max(),
        };
        let mut edits: Vec<usize> = self
            .changes
            .edits
            .iter()
            .rev()
            .take(60)
            .copied()
            .take_while(|m| bound.is_none_or(|b| *m > b))
            .filter(|m| !self.changes.gone.contains(m))
            .take(6)
            .collect();
        edits.reverse();
        let last = edits.last().copied();
        for m in edits {
            let span = self.act(m).and_then(|b| b.edits.first()).map(|e| e.path.clone());
            self.put(m, Rule::VerifyRun, if Some(m) == last { 1.0 } else { 0.8 }, span);
        }
        self.runs.programs.insert(program, n);
    }
}
