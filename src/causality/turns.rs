//! The turns of an agent, and the stretches of them that rules look at.

use super::act::Kind;
use super::lane::Lane;
use super::step::Step;

/// The calls of each turn that is over and had any.
#[derive(Default)]
pub(super) struct Turns {
    all: Vec<Vec<usize>>,
    /// How many there were when the latest prompt came.
    before_prompt: usize,
}

impl Turns {
    /// A call is over.
    pub(super) fn enter(&mut self, n: usize, steps: &[Step<'_>]) {
        match self.all.last_mut() {
            Some(t) if t.first().is_some_and(|m| steps[*m].turn == steps[n].turn) => t.push(n),
            _ => self.all.push(vec![n]),
        }
    }

    /// A prompt comes.
    pub(super) fn prompt(&mut self) {
        self.before_prompt = self.all.len();
    }

    /// How many came after a step, up to three.
    pub(super) fn after(&self, n: usize) -> usize {
        self.all.iter().rev().take_while(|t| t.first().is_some_and(|m| *m > n)).take(3).count()
    }
}

impl Lane<'_> {
    /// The calls of the last so many turns, the newest turn first; of a wide turn only its last ones.
    pub(super) fn recent(&self, turns: usize) -> impl Iterator<Item = usize> {
        self.turns.all.iter().rev().take(turns).flat_map(|t| last_of(t).iter().copied())
    }

    /// Turns with calls since the latest prompt.
    pub(super) fn since(&self) -> &[Vec<usize>] {
        &self.turns.all[self.turns.before_prompt..]
    }

    /// The calls of the turn before, seen through bookkeeping; the bookkeeping itself where nothing else came.
    pub(super) fn previous(&self) -> Vec<usize> {
        let since = self.since();
        let worked = |t: &Vec<usize>| t.iter().any(|m| self.is(*m, |a| a.kind != Kind::Todo));
        match since.iter().rev().take(64).find(|t| worked(t)) {
            Some(turn) => last_of(turn).iter().copied().filter(|m| self.is(*m, |a| a.kind != Kind::Todo)).collect(),
            None => since.last().map(|t| last_of(t).to_vec()).unwrap_or_default(),
        }
    }

    /// Nothing but bookkeeping came since the prompt.
    pub(super) fn is_fresh(&self) -> bool {
        !self.since().iter().rev().take(64).any(|t| t.iter().any(|m| self.is(*m, |a| a.kind != Kind::Todo)))
    }
}

/// The last calls of a turn: more than that nobody chooses from.
pub(super) fn last_of(turn: &[usize]) -> &[usize] {
    &turn[turn.len().saturating_sub(64)..]
}
