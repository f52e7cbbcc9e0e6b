//! The same call again, or nearly the same.

use std::collections::VecDeque;

use super::act::{Act, Group, Kind};
use super::hash::{ByHash, Hashes};
use super::lane::Lane;
use super::rules::Rule;
use super::tokens::squeeze;

/// So many wordings are compared with a new one.
const COMPARED: usize = 60;

/// How calls were worded so far.
#[derive(Default)]
pub(super) struct Wordings {
    /// The last call of each wording.
    last: ByHash<usize>,
    /// The words of the newest wordings, and their hashes.
    recent: VecDeque<(Hashes, u64)>,
}

impl Wordings {
    /// A call is over.
    pub(super) fn enter(&mut self, n: usize, a: &Act) {
        let norm = norm_key(&a.norm);
        if self.last.insert(norm, n).is_none() {
            self.recent.push_back((norm_words(&a.norm), norm));
            if self.recent.len() > COMPARED {
                self.recent.pop_front();
            }
        }
    }

    /// Whether a call of the same wording is over.
    pub(super) fn has(&self, a: &Act) -> bool {
        self.last.contains_key(&norm_key(&a.norm))
    }
}

impl Lane<'_> {
    pub(super) fn repeat_rules(&mut self, a: &Act, previous: &[usize], fresh: bool) {
        if a.group == Group::Edit || a.looks() {
            return;
        }
        if !matches!(a.kind, Kind::Shell(_) | Kind::Other) {
            return;
        }
        let key = norm_key(&a.norm);
        let mut likeness = 1.0;
        let mut before = self.wordings.last.get(&key).copied();
        if before.is_none() {
            let own = norm_words(&a.norm);
            likeness = 0.0;
            for (other, norm) in &self.wordings.recent {
                let common = own.intersection(other).count();
                let all = own.len() + other.len() - common;
                let j = common as f32 / all.max(1) as f32;
                if common >= 2 && j >= likeness {
                    likeness = j;
                    before = self.wordings.last.get(norm).copied();
                }
            }
            let check = a.group == Group::Check;
            if likeness < if check { 0.8 } else { 0.55 } || check && before.is_some_and(|m| !self.is(m, |b| b.failed)) {
                before = None;
            }
        }
        let Some(m) = before else { return };
        let polls = self.polls.of(m).iter().rev().take(64);
        let polled = polls.copied().any(|q| self.is(q, |b| b.failed));
        let failed = polled || self.is(m, |b| b.failed);
        let check = a.group == Group::Check;
        let x = 0.5 + likeness / 2.0;
        if fresh && !check {
            return;
        }
        if failed && previous.contains(&m) {
            let span = self.failure_line(m);
            self.put(m, Rule::Retry, x, span);
        } else if failed {
            self.put(m, Rule::AgainFailed, x, None);
        } else {
            let glance = a.is_inspect() && a.git.len() == 1 && matches!(a.git[0].as_str(), "status" | "diff");
            if !glance {
                self.put(m, Rule::Again, x, None);
            }
        }
    }
}

/// The wording of a call, whatever its blanks.
pub(super) fn norm_key(norm: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(squeeze(norm).as_bytes())
}

pub(super) fn norm_words(norm: &str) -> Hashes {
    let parts = norm.split(|c: char| !(c.is_alphanumeric() || "_./-".contains(c))).filter(|w| !w.is_empty());
    parts.map(|w| xxhash_rust::xxh3::xxh3_64(w.as_bytes())).collect()
}
