//! Causes of looking, running and everything else, and of the same again: which questions are asked, in which order. The questions
//! stand in `effect`, `place` and `wording`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::act::{Act, Group, Kind};
use super::files::{base, compat, is_file};
use super::hash::Hashes;
use super::lane::Lane;
use super::rules::Rule;
use super::shell::GIT_CHANGES;
use super::tokens::{Word, without_paths, words};
use super::wording::to_explain;

impl<'a> Lane<'a> {
    /// Another look after one that found nothing.
    fn looks_again(&mut self, a: &Act, previous: &[usize], sure: bool) {
        if !a.looks() {
            return;
        }
        for &m in previous {
            let Some(b) = self.act(m).filter(|b| b.failed || b.empty) else { continue };
            let same_file = a.paths.iter().any(|p| is_file(p) && b.paths.iter().any(|q| compat(p, q) > 0));
            let other_way = b.empty && b.is_search() && (a.is_read() || a.is_search()) && same_file;
            // what is not where it was expected is looked for around that place
            let around = b.failed
                && b.is_read()
                && !a.is_read()
                && b.paths
                    .iter()
                    .any(|q| q.rsplit_once('/').is_some_and(|(f, _)| a.paths.iter().any(|p| compat(p, f) > 0)));
            if other_way || around || b.same_kind(a) && alike(a, b) {
                // what another call just showed needs no failure to lead there
                self.put(m, Rule::Retry, if sure && !same_file { 0.6 } else { 1.0 }, None);
            }
        }
    }

    pub(super) fn explore_rules(&mut self, n: usize, a: &'a Act, previous: &[usize], fresh: bool) {
        if self.vcs_task(a, previous, fresh) || self.looks_at_effects(n, a, previous, fresh) {
            return;
        }
        self.verify_run(n, a, fresh);
        let sure = self.where_it_looks(a, previous, fresh);
        self.looks_again(a, previous, sure);
        self.values(a, previous);
        let bare = match to_explain(a) {
            Cow::Borrowed(_) => Cow::Borrowed(a.bare.as_str()),
            Cow::Owned(text) => Cow::Owned(without_paths(&text)),
        };
        let names: HashSet<&str> = a.paths.iter().map(|p| base(p)).collect();
        let need: Vec<Word<'_>> = words(&bare).into_iter().filter(|w| !names.contains(w.text)).collect();
        if fresh {
            self.words_when_fresh(&need);
            return;
        }
        if !(sure && a.is_read()) {
            self.word_rules(previous, &need);
            if a.is_search() {
                self.phrases(a, previous);
            }
        }
        // what is asked says more than where it is asked
        let asked = |(r, x, _): &super::decide::Proposal| *r == Rule::Id || *r == Rule::Phrase && *x >= 0.9;
        if let Some(m) = self.proposed().iter().find(|(_, list)| list.iter().any(asked)).map(|(m, _)| *m) {
            self.weaken(m, Rule::PathPrev, 0.6);
        }
        let mut open = 1.0f32;
        for (m, list) in self.proposed() {
            if previous.contains(m) {
                for (rule, x, _) in list {
                    open *= 1.0 - rule.weights().p * x;
                }
            }
        }
        self.uses(a, &need);
        if let [one] = previous
            && self.is(*one, |b| b.kind == Kind::Skill)
            && let Some(before) = self.since().iter().rev().nth(1).and_then(|t| t.last()).copied()
        {
            // loading a tool is a step on the way: what came before it is the reason
            self.put(before, Rule::PrevSingle, 0.95, None);
        }
        // where another step surely showed the place, coming just before says little
        let listed = self.proposed().iter().any(|(m, list)| {
            !previous.contains(m)
                && list.iter().any(|(r, x, _)| matches!(r, Rule::PathListed | Rule::Line) && *x >= 0.9)
        });
        let elsewhere = self
            .proposed()
            .iter()
            .any(|(m, list)| !previous.contains(m) && list.iter().any(|(r, x, _)| r.weights().p * x >= 0.7));
        self.said(n, previous, fresh);
        for &m in previous {
            let Some(b) = self.act(m) else { continue };
            // the state of the work is no answer to a failure
            let glance = a.is_inspect()
                && a.git.iter().all(|g| matches!(g.as_str(), "diff" | "status" | "log"))
                && !a.git.is_empty();
            if b.failed
                && !glance
                && !(sure && a.looks())
                && (b.group == Group::Check || b.kind == Kind::Poll || b.same_kind(a))
            {
                let span = self.failure_line(m);
                self.put(m, Rule::Reacts, 1.0, span);
            }
            let rule = if previous.len() == 1 { Rule::PrevSingle } else { Rule::Prev };
            let bare = previous.len() == 1 && (a.looks() || a.is_inspect()) && {
                !self.proposed().iter().any(|(c, _)| *c == m)
                    && self
                        .proposed()
                        .iter()
                        .any(|(_, list)| list.iter().any(|(r, x, _)| *r != Rule::Folder && r.weights().p * x >= 0.5))
            };
            // a check that passed asks for nothing
            let passed = !b.failed
                && (b.group == Group::Check
                    || self.polls.source(m).is_some_and(|s| self.is(s, |c| c.group == Group::Check)));
            // nor does an edit that went well, where another step gives the reason
            let edited = b.group == Group::Edit && !b.failed && elsewhere;
            let x = if listed || passed || edited || bare { 0.6 } else { 1.0 };
            self.put(m, rule, if b.empty { 0.7 * x } else { x }, None);
        }
        self.prompt_rules(a, previous, &need, open);
        if a.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str())) {
            let after = self.last_prompt().unwrap_or(0);
            let changed = |m: &&usize| self.is(**m, |b| b.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str())));
            let before = self.changes.all.iter().rev().take(40).find(changed).copied();
            if let Some(m) = before.filter(|m| *m > after) {
                self.put(m, Rule::VcsStep, 1.0, None);
            }
        }
    }
}

/// Whether two calls share half of their words, folders left out.
fn alike(a: &Act, b: &Act) -> bool {
    let of = |x: &Act| -> Hashes {
        let mut all: Hashes = words(&x.bare).iter().map(|w| w.hash).collect();
        all.extend(x.paths.iter().map(|p| xxhash_rust::xxh3::xxh3_64(base(p).as_bytes())));
        all
    };
    let (x, y) = (of(a), of(b));
    !x.is_empty() && !y.is_empty() && x.intersection(&y).count() * 2 >= x.len().min(y.len())
}
