//! The calls of sub-agents, by the call that began them.

use std::collections::HashMap;

use super::parts::{By, Shown};

/// The calls of sub-agents, by the call that began them, each given once.
pub(super) struct SubAgents {
    of: HashMap<usize, Vec<usize>>,
    unknown: Vec<usize>,
}

impl SubAgents {
    pub(super) fn of(shown: &Shown<'_>) -> Self {
        let mut all = Self { of: HashMap::new(), unknown: Vec::new() };
        for (i, call) in shown.calls.iter().enumerate() {
            match call.by {
                By::Main => {}
                By::SubAgent(by) => all.of.entry(by).or_default().push(i),
                By::SomeSubAgent => all.unknown.push(i),
            }
        }
        all
    }

    pub(super) fn has(&self, call: usize) -> bool {
        self.of.contains_key(&call)
    }

    /// The calls of the sub-agent that a call began, and of those that it began in turn.
    pub(super) fn take(&mut self, call: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut todo = vec![call];
        while let Some(call) = todo.pop() {
            let calls = self.of.remove(&call).unwrap_or_default();
            todo.extend(calls.iter().rev());
            out.extend(calls);
        }
        out
    }

    pub(super) fn rest(self) -> Vec<usize> {
        let mut out: Vec<usize> = self.of.into_values().flatten().chain(self.unknown).collect();
        out.sort_unstable();
        out
    }
}
