//! Calls that look at what was done or go on with it: the steps of git, the effect of edits, the same search again.

use std::collections::{HashMap, HashSet};

use super::act::{Act, Kind};
use super::files::{base, compat, is_file};
use super::index::name_key;
use super::lane::Lane;
use super::rules::Rule;
use super::shell::{GIT_CHANGES, Kind as ShellKind};
use super::tokens::{Word, line_hash, literals, source_line};

/// Git subcommands that look at the work.
const LOOKS: &[&str] = &["status", "log", "diff", "show", "stash-list"];

impl<'a> Lane<'a> {
    /// A step of a task for version control that the prompt, or the skill that it loads, sets. Each such step answers to it;
    /// what it rests on besides are the looks at the work and the step that made it possible.
    pub(super) fn vcs_task(&mut self, a: &Act, previous: &[usize], fresh: bool) -> bool {
        let hub = a.is_shell(&[ShellKind::Fetch]) && a.norm.starts_with("gh ");
        if fresh || a.git.is_empty() && !hub {
            return false;
        }
        let prompt = self.last_prompt();
        let meta = self.prompts.metas.last().copied().filter(|m| *m >= self.view && prompt.is_none_or(|p| *m > p));
        let sets = |m: &usize| self.prompts.about.get(m).is_some_and(|p| p.vcs);
        // a long text that speaks of commits is about them; a short one is an order
        let orders = |m: &usize| self.prompts.about.get(m).is_some_and(|p| p.vcs && p.short);
        let ordered = prompt.filter(orders);
        let Some(task) = meta.filter(|m| sets(m) || ordered.is_some()).or(ordered) else { return false };
        // where most of the work since is something else, git is only asked for it
        let aside = |m: &usize| {
            self.is(*m, |b| {
                b.git.is_empty() && !b.norm.starts_with("gh ") && b.kind != Kind::Poll && b.kind != Kind::Todo
            })
        };
        let others = self.recent(40).filter(|m| *m > task).filter(aside).count();
        let of_work = |g: &String| {
            GIT_CHANGES.contains(&g.as_str()) || LOOKS.contains(&g.as_str()) || g == "branch" || g == "remote"
        };
        let changed_since = self.changes.edits.last().is_some_and(|e| *e > task);
        let changes = |b: &Act| b.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str()));
        let acts = hub || changes(a);
        // the very step that the order names answers to it, whatever came between
        let names = |word: &str| self.prompts.about.get(&task).is_some_and(|p| p.plain.contains(word));
        let named = hub && (names("pr") || names("pull"))
            || a.git.iter().any(|g| names(if g == "add" { "commit" } else { g.as_str() }));
        if others > 2 && !(acts && named) || !hub && !a.git.iter().any(of_work) {
            return false;
        }
        // after edits of its own a look is at their effect
        if changed_since && !acts {
            return false;
        }
        if !acts {
            // a look after a step of the task is at what that step did
            let step = previous.iter().copied().find(|m| self.is(*m, changes));
            if let Some(m) = step.filter(|_| a.git.iter().any(|g| LOOKS.contains(&g.as_str()))) {
                self.put(m, Rule::VerifyMain, 1.0, None);
                return true;
            }
        }
        self.put(task, Rule::PromptTask, 1.0, None);
        let mut recent: Vec<usize> = self.recent(8).filter(|m| *m > task).collect();
        recent.sort_unstable();
        let did = |lane: &Self, step: &str| {
            let m = recent.iter().rev().copied().find(|m| lane.is(*m, |b| b.git.iter().any(|g| g == step)))?;
            // where it went on in the background, what it came to was told later
            Some(lane.polls.of(m).last().copied().unwrap_or(m))
        };
        let is = |step: &str| a.git.iter().any(|g| g == step);
        let rests_on = match () {
            () if hub => did(self, "push"),
            () if is("push") => did(self, "commit"),
            () if is("commit") && !is("add") => did(self, "add"),
            () => None,
        };
        if let Some(m) = rests_on {
            self.put(m, Rule::VcsStep, 1.0, None);
        }
        let stages = ["add", "stash", "rm", "restore"].iter().any(|s| is(s));
        for &m in &recent {
            let looked = |kind: &str| self.is(m, |b| !changes(b) && b.git.iter().any(|g| g == kind));
            let names = a.paths.iter().any(|p| self.shown(m).contains(base(p)));
            let showed_work = stages && looked("status")
                || is("commit") && looked("diff") && !self.is(m, |b| b.norm.contains("--stat"));
            if showed_work || is("diff") && looked("status") && names {
                self.put(m, Rule::TaskLook, 1.0, None);
            }
        }
        true
    }

    /// A look at what edits did. True where that is the whole reason.
    pub(super) fn looks_at_effects(&mut self, n: usize, a: &Act, previous: &[usize], fresh: bool) -> bool {
        if fresh {
            return false;
        }
        let after = self.last_prompt().map_or(0, |p| p + 1);
        if a.is_inspect() && a.git.iter().any(|g| matches!(g.as_str(), "diff" | "status")) {
            let Some(&last) = self.changes.all.last().filter(|m| **m >= after) else {
                // nothing changed it since the prompt: it is the state that the user speaks of
                if let Some(prompt) = self
                    .last_prompt()
                    .filter(|_| a.paths.is_empty() && a.git.iter().all(|g| matches!(g.as_str(), "diff" | "status")))
                {
                    self.put(prompt, Rule::PromptState, 1.0, None);
                }
                return false;
            };
            if self.changes.edits.contains(&last) {
                // what an earlier such look showed already needs no other, unless nothing came since
                let looked = |b: &Act| b.is_inspect() && b.git.iter().any(|g| matches!(g.as_str(), "diff" | "status"));
                let before = self.recent(60).filter(|m| self.is(*m, looked)).max();
                let since = before.filter(|b| last > *b).map_or(after, |b| b.max(after));
                let mut edits: Vec<usize> = self
                    .changes
                    .edits
                    .iter()
                    .rev()
                    .take(60)
                    .copied()
                    .filter(|m| *m >= since && !self.changes.gone.contains(m))
                    .take(6)
                    .collect();
                edits.reverse();
                let first = edits.first().copied();
                for m in edits {
                    let span = self.act(m).and_then(|b| b.edits.first()).map(|e| e.path.clone());
                    self.put(m, if Some(m) == first { Rule::VerifyMain } else { Rule::Verify }, 1.0, span);
                }
            } else {
                self.put(last, Rule::VerifyMain, 1.0, None);
            }
            return true;
        }
        if a.is_list() {
            let listed = |b: &Act| b.is_list() && a.paths.iter().any(|p| b.paths.iter().any(|q| compat(p, q) > 0));
            let before = self.recent(60).filter(|m| self.is(*m, listed)).max();
            let from = before.map_or(after, |b| b.max(after));
            let ops: Vec<usize> = self.changes.moved.iter().rev().take(6).copied().filter(|m| *m >= from).collect();
            let mut any = false;
            for m in ops {
                let inside = self.is(m, |b| b.paths.iter().any(|p| a.paths.iter().any(|d| super::files::within(d, p))));
                if inside {
                    self.put(m, Rule::Moved, 1.0, None);
                    any = true;
                }
            }
            if any {
                return true;
            }
        }
        if a.is_search() && self.search_again(a) {
            return true;
        }
        if !a.looks() || !self.checks.open.is_empty() {
            return false;
        }
        let mut edited: HashSet<usize> = HashSet::new();
        for p in &a.paths {
            let all = self.index.edited.get(&name_key(p)).into_iter().flatten().rev().take(64);
            edited.extend(all.filter(|(_, q)| compat(p, q) > 0).map(|(m, _)| *m as usize).filter(|m| *m >= after));
        }
        let Some(&newest) = edited.iter().max() else { return false };
        if previous.contains(&newest) {
            let span = self.act(newest).and_then(|b| b.edits.first()).map(|e| e.path.clone());
            self.put(newest, Rule::LookFile, 1.0, span);
            return true;
        }
        if !a.is_read() {
            return false;
        }
        let mut count: HashMap<usize, (u32, String)> = HashMap::new();
        let mut seen = HashSet::new();
        for line in self.shown(n).lines().take(4000) {
            let l = source_line(line);
            let hash = line_hash(l);
            let posts = self.index.line(hash);
            if !posts.is_empty() && seen.insert(hash) {
                for (m, shown) in posts.iter().rev().take(8) {
                    if !shown && edited.contains(&(*m as usize)) {
                        count.entry(*m as usize).or_insert((0, l.to_owned())).0 += 1;
                    }
                }
            }
        }
        let any = !count.is_empty();
        let mut count: Vec<_> = count.into_iter().collect();
        count.sort_by_key(|(m, _)| *m);
        for (m, (c, line)) in count {
            self.put(m, Rule::LookEdit, 0.6 + c as f32 / 6.0, Some(line));
        }
        any
    }

    /// A search for a name that one of the last edits since the prompt wrote.
    pub(super) fn uses(&mut self, a: &Act, need: &[Word<'_>]) {
        if !a.is_search() {
            return;
        }
        let after = self.last_prompt().map_or(0, |p| p + 1);
        if self.search_again(a) {
            return;
        }
        let pattern = a.searches.first().map(|s| s.0.as_str()).unwrap_or("");
        let names: Vec<String> = literals(pattern).filter(|l| is_file(l)).collect();
        let ops: Vec<usize> = self.changes.moved.iter().rev().take(6).copied().filter(|m| *m >= after).collect();
        for m in ops {
            let name = self.act(m).and_then(|b| names.iter().find(|l| b.paths.iter().any(|p| base(p) == l.as_str())));
            if let Some(name) = name.cloned() {
                self.put(m, Rule::Moved, 1.0, Some(name));
            }
        }
        let recent: Vec<usize> = self.changes.edits.iter().rev().take(3).copied().filter(|m| *m >= after).collect();
        let found = need.iter().filter(|w| w.weight >= 1.0).find_map(|w| {
            let m = *self.changes.wrote.get(&w.hash)?;
            recent.contains(&m).then(|| (m, w.text.to_owned()))
        });
        if let Some((m, word)) = found {
            self.put(m, Rule::LookUses, 1.0, Some(word));
        }
    }

    /// The same search after edits: whether they changed all that it had found.
    fn search_again(&mut self, a: &Act) -> bool {
        let after = self.last_prompt().map_or(0, |p| p + 1);
        let pattern = a.searches.first().map(|s| s.0.as_str()).unwrap_or("");
        let same = |b: &Act| b.is_search() && b.searches.iter().any(|s| s.0 == pattern);
        let before = self.recent(40).filter(|m| *m >= after && self.is(*m, same)).max();
        let Some(before) = before.filter(|_| pattern.len() >= 3) else { return false };
        let edits: Vec<usize> = self.changes.edits.iter().rev().take(6).copied().take_while(|m| *m > before).collect();
        let first = edits.last().copied();
        for m in &edits {
            self.put(*m, Rule::SearchAgain, if Some(*m) == first { 1.0 } else { 0.95 }, None);
        }
        if !edits.is_empty() {
            self.put(before, Rule::SearchAgain, 0.9, Some(pattern.to_owned()));
        }
        !edits.is_empty()
    }
}
