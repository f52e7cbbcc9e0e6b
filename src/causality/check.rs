//! Causes of a test, lint, format or build run: the edits it verifies, the failure it answers, the words that ask for it.

use std::collections::{BTreeSet, HashMap};

use super::act::{Act, Group};
use super::files::{base, ending, is_test_file, within};
use super::hash::{ByStep, Hashes};
use super::lane::Lane;
use super::poll::still_running;
use super::rules::Rule;
use super::shell::{Category, Check};
use super::tokens::{squeeze, start};

/// The checks so far.
#[derive(Default)]
pub(super) struct Checks {
    pub all: Vec<(usize, Check)>,
    /// Those that failed and did not pass since.
    pub open: Vec<(usize, BTreeSet<Category>)>,
    /// Of a check, the edits that it verified.
    pub verified: ByStep<Vec<usize>>,
    /// Words of how to run things that commands used.
    pub how_known: Hashes,
}

impl Checks {
    /// A call is over; `categories`: those of the check that it runs or asks about.
    pub(super) fn enter(&mut self, n: usize, a: &Act, text: &str, categories: BTreeSet<Category>) {
        self.all.extend(a.checks.iter().map(|c| (n, c.clone())));
        if !a.looks() && a.group != Group::Edit {
            self.how_known.extend(how_words(a).into_iter().map(|(h, _)| h));
        }
        if categories.is_empty() {
            return;
        }
        if a.failed {
            self.open.push((n, categories));
        } else if !still_running(text) {
            self.open.retain(|(_, c)| c.is_disjoint(&categories));
        }
    }
}

impl<'a> Lane<'a> {
    pub(super) fn check_rules(&mut self, n: usize, a: &'a Act, previous: &[usize]) {
        let (verified, inherited) = self.verified(n, a);
        let main = self.main_edit(&verified);
        let categories = a.categories();
        let just_failed =
            previous.iter().any(|m| self.is(*m, |b| b.failed && !b.categories().is_disjoint(&categories)));
        let inherited = inherited || just_failed;
        for &m in &verified {
            let rule = match (inherited, Some(m) == main) {
                (true, _) => Rule::VerifyInherit,
                (false, true) => Rule::VerifyMain,
                (false, false) => Rule::Verify,
            };
            let span = self.act(m).and_then(|b| b.edits.first()).map(|e| e.path.clone());
            self.put(m, rule, 1.0, span);
        }
        self.told(a, &verified);
        self.how(a, previous);
        if verified.is_empty() || inherited {
            let newest = verified.last().copied();
            if let Some((m, c)) = self.checks.open.last().cloned()
                && !c.is_disjoint(&categories)
                && !previous.contains(&m)
                && newest.is_none_or(|v| m > v)
            {
                let span = self.failure_line(m);
                self.put(m, Rule::OpenCheck, 1.0, span);
            }
        }
        for &m in previous {
            let Some(b) = self.act(m).filter(|b| b.failed) else { continue };
            let span = self.failure_line(m);
            if !b.checks.is_empty() && !b.categories().is_disjoint(&categories) || verified.is_empty() {
                self.put(m, if b.checks.is_empty() { Rule::Reacts } else { Rule::Retry }, 1.0, span);
            } else if verified.last().is_some_and(|v| m > *v) {
                self.put(m, Rule::ReactsCheck, 1.0, span);
            }
        }
        if self.proposed().is_empty() {
            self.judges();
        }
    }

    /// A check with no edit to verify, after a look at changes that others made: it judges those.
    fn judges(&mut self) {
        let Some(prompt) = self.last_prompt() else { return };
        let shows = |m: &usize| {
            *m > prompt
                && self.is(*m, |b| {
                    b.is_inspect() && b.git.iter().any(|g| g == "diff" || g == "show")
                        || b.norm.starts_with("gh pr diff")
                })
        };
        // the widest of them
        let Some(m) = self.recent(40).filter(shows).max_by_key(|m| (self.steps[*m].text.len(), *m)) else { return };
        self.put(m, Rule::VerifyShown, 1.0, None);
        self.put(prompt, Rule::ChecksGiven, 1.0, None);
    }

    /// The edits that a check verifies, and whether they were those of a run before.
    fn verified(&mut self, n: usize, a: &Act) -> (Vec<usize>, bool) {
        let categories = a.categories();
        let last = self
            .checks
            .all
            .iter()
            .rev()
            .take(400)
            .find(|(_, old)| a.checks.iter().any(|c| covers(old, c)))
            .map(|(m, _)| *m);
        let mut edits: Vec<usize> =
            self.changes.edits.iter().rev().take(80).copied().take_while(|m| last.is_none_or(|l| *m > l)).collect();
        edits.reverse();
        let mut inherited = false;
        if edits.is_empty()
            && let Some(before) = last.and_then(|l| self.checks.verified.get(&l))
        {
            edits.clone_from(before);
            inherited = true;
        }
        let prompt = self.last_prompt();
        let asked = prompt.and_then(|p| self.prompts.about.get(&p)).is_some_and(|p| !p.asks.is_disjoint(&categories));
        let targets: Vec<&String> = a
            .checks
            .iter()
            .flat_map(|c| &c.targets)
            .filter(|t| !t.trim_matches(['.', '/']).is_empty() && !t.starts_with("/dev"))
            .collect();
        let format_only = categories.len() == 1 && categories.contains(&Category::Format);
        edits.retain(|m| {
            let Some(b) = self.act(*m) else { return false };
            if self.changes.gone.contains(m) || asked && prompt.is_some_and(|p| *m < p) {
                return false;
            }
            let tests_only = b.edits.iter().all(|e| is_test_file(base(&e.path)));
            let aimed = targets.is_empty() || targets.iter().any(|t| b.edits.iter().any(|e| within(t, &e.path)));
            aimed || !(format_only || tests_only)
        });
        if categories.len() == 1 && categories.contains(&Category::Build) {
            // a build leaves the tests out, and what the tests passed builds
            let tests = |m: &usize| self.is(*m, |b| b.edits.iter().all(|e| is_test_file(base(&e.path))));
            let code: Vec<usize> = edits.iter().copied().filter(|m| !tests(m)).collect();
            if !code.is_empty() {
                edits = code;
            }
        }
        let all = edits.clone();
        let is_code = |m: &usize| {
            self.is(*m, |b| !b.edits.iter().all(|e| matches!(ending(&e.path), "md" | "txt" | "rst" | "yml" | "yaml")))
        };
        if edits.iter().any(is_code) {
            edits.retain(is_code);
        }
        // a program that an edited file is named after is run to check that file
        let programs: Vec<&str> = a
            .checks
            .iter()
            .filter(|c| c.category == Category::Lint)
            .filter_map(|c| c.command.split_whitespace().next())
            .map(base)
            .filter(|p| p.len() >= 5)
            .collect();
        let named = |m: &usize| {
            self.is(*m, |b| b.edits.iter().any(|e| programs.iter().any(|p| base(&e.path).to_lowercase().contains(p))))
        };
        if all.iter().any(named) {
            edits = all.iter().copied().filter(named).collect();
        }
        let from = edits.len().saturating_sub(6);
        self.checks.verified.insert(n, edits.clone());
        (edits.split_off(from), inherited)
    }

    /// The first of the edits that share the reason of the last one.
    fn main_edit(&self, verified: &[usize]) -> Option<usize> {
        let mut tail = *verified.last()?;
        for _ in 0..verified.len() {
            match self.changes.follows.get(&tail).filter(|e| verified.contains(e)) {
                Some(e) => tail = *e,
                None => break,
            }
        }
        let endings = |m: usize| self.act(m).map(|b| b.edits.iter().map(|e| ending(&e.path)).collect::<Vec<_>>());
        let own = endings(tail)?;
        let reason = self.changes.reason.get(&tail);
        let shares = |m: &usize| {
            reason.is_some()
                && self.changes.reason.get(m) == reason
                && endings(*m).is_some_and(|es| es.iter().any(|e| own.contains(e)))
        };
        verified.iter().copied().find(|m| *m == tail || shares(m))
    }

    fn told(&mut self, a: &Act, verified: &[usize]) {
        let Some(last) = self.last_prompt() else { return };
        let categories = a.categories();
        let ran = self.checks.all.iter().rev().take(200).find(|(m, c)| *m > last && categories.contains(&c.category));
        let ran = ran.map(|(m, _)| *m);
        let failed = ran.is_some_and(|m| self.is(m, |b| b.failed));
        let first = self.prompts.all.first().copied().filter(|p| *p >= self.view);
        let mut found = Vec::new();
        for c in &a.checks {
            let command = squeeze(&c.command);
            if command.len() < 8 || !command.contains(' ') || failed {
                continue;
            }
            for p in [Some(last), first].into_iter().flatten() {
                if self.prompts.about.get(&p).is_some_and(|x| x.squeezed.contains(&command)) {
                    found.push((p, command));
                    break;
                }
            }
        }
        for (p, command) in found {
            self.put(p, Rule::Told, if ran.is_none() { 1.0 } else { 0.56 }, Some(command));
        }
        let asks = self.prompts.about.get(&last).is_some_and(|p| !p.asks.is_disjoint(&categories));
        if verified.is_empty() && asks && ran.is_none() {
            self.put(last, Rule::Asked, 1.0, None);
        }
    }

    /// A step that showed how to run it: settings, the place of the program.
    fn how(&mut self, a: &Act, previous: &[usize]) {
        if self.wordings.has(a) {
            return;
        }
        let mut best: HashMap<usize, (f32, String)> = HashMap::new();
        for (hash, word) in how_words(a) {
            if self.checks.how_known.contains(&hash) {
                continue;
            }
            let Some(h) = self.index.holders(hash) else { continue };
            for m in h.steps.iter().rev().take(6).map(|m| *m as usize) {
                if self.is(m, |b| !b.same_kind(a)) && self.shown(m).contains(&word) {
                    let near = if previous.contains(&m) { 0.1 } else { 0.0 };
                    let v = self.index.rarity(hash, 1.3) + near;
                    best.entry(m).or_insert((0.0, word.clone())).0 += v;
                }
            }
        }
        if let Some((m, (_, word))) = best.into_iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(x.0.cmp(&y.0))) {
            self.put(m, Rule::How, 1.0, Some(word));
        }
    }
}

/// Whether an earlier run tells what a later one would.
fn covers(old: &Check, new: &Check) -> bool {
    if old.category != new.category {
        return false;
    }
    if old.command == new.command {
        return true;
    }
    let narrower =
        !old.targets.is_empty() && (new.targets.is_empty() || new.targets.iter().any(|t| !old.targets.contains(t)));
    !old.filtered && !narrower && old.command.split_whitespace().next() == new.command.split_whitespace().next()
}

/// Settings (`NAME=value`) and long paths in a command: what somebody had to find out.
pub(super) fn how_words(a: &Act) -> Vec<(u64, String)> {
    let need = start(&a.need, 4000);
    let mut out = Vec::new();
    for word in need.split_whitespace() {
        let setting = word.split_once('=').is_some_and(|(n, v)| {
            n.len() >= 4 && !v.is_empty() && n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        });
        if setting || word.starts_with('/') && word.len() > 20 {
            for part in word.split(['=', ':', ',']).filter(|p| p.len() >= 5) {
                out.push((xxhash_rust::xxh3::xxh3_64(part.as_bytes()), part.to_owned()));
            }
        }
    }
    out
}
