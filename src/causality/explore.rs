//! Causes of looking, running and everything else: the effect of edits, where it looks, what it uses; and the same again.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::act::{Act, Group, Kind};
use super::asked::SAID;
use super::files::{base, compat, folders_above, is_file, subject};
use super::hash::Hashes;
use super::index::name_key;
use super::link::{Lane, What, last_of, norm_key, norm_words, squeeze};
use super::rules::Rule;
use super::shell::{GIT_CHANGES, Kind as ShellKind};
use super::tokens::{Word, is_opaque, line_hash, literals, source_line, without_paths, words};

/// Git subcommands that look at the work.
const LOOKS: &[&str] = &["status", "log", "diff", "show", "stash-list"];

impl<'a> Lane<'a> {
    pub(super) fn repeat_rules(&mut self, a: &Act, previous: &[usize], fresh: bool) {
        if a.group == Group::Edit || a.looks() {
            return;
        }
        if !matches!(a.kind, Kind::Shell(_) | Kind::Other) {
            return;
        }
        let key = norm_key(&a.norm);
        let mut likeness = 1.0;
        let mut before = self.norm.get(&key).copied();
        if before.is_none() {
            let own = norm_words(&a.norm);
            likeness = 0.0;
            for (other, norm) in &self.recent_norms {
                let common = own.intersection(other).count();
                let all = own.len() + other.len() - common;
                let j = common as f32 / all.max(1) as f32;
                if common >= 2 && j >= likeness {
                    likeness = j;
                    before = self.norm.get(norm).copied();
                }
            }
            let check = a.group == Group::Check;
            if likeness < if check { 0.8 } else { 0.55 } || check && before.is_some_and(|m| !self.is(m, |b| b.failed)) {
                before = None;
            }
        }
        let Some(m) = before else { return };
        let polls = self.polls.get(&m).into_iter().flatten().rev().take(64);
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
        let bare = match asked(a) {
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
        let asked = |(r, x, _): &super::link::Proposal| *r == Rule::Id || *r == Rule::Phrase && *x >= 0.9;
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
                    || self.poll_source.get(&m).is_some_and(|s| self.is(*s, |c| c.group == Group::Check)));
            // nor does an edit that went well, where another step gives the reason
            let edited = b.group == Group::Edit && !b.failed && elsewhere;
            let x = if listed || passed || edited || bare { 0.6 } else { 1.0 };
            self.put(m, rule, if b.empty { 0.7 * x } else { x }, None);
        }
        self.prompt_rules(a, previous, &need, open);
        if a.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str())) {
            let after = self.last_prompt().unwrap_or(0);
            let changed = |m: &&usize| self.is(**m, |b| b.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str())));
            let before = self.changes.iter().rev().take(40).find(changed).copied();
            if let Some(m) = before.filter(|m| *m > after) {
                self.put(m, Rule::VcsStep, 1.0, None);
            }
        }
    }

    /// A step of a task for version control that the prompt, or the skill that it loads, sets. Each such step answers to it;
    /// what it rests on besides are the looks at the work and the step that made it possible.
    fn vcs_task(&mut self, a: &Act, previous: &[usize], fresh: bool) -> bool {
        let hub = a.is_shell(&[ShellKind::Fetch]) && a.norm.starts_with("gh ");
        if fresh || a.git.is_empty() && !hub {
            return false;
        }
        let prompt = self.last_prompt();
        let meta = self.metas.last().copied().filter(|m| *m >= self.view && prompt.is_none_or(|p| *m > p));
        let sets = |m: &usize| self.about.get(m).is_some_and(|p| p.vcs);
        // a long text that speaks of commits is about them; a short one is an order
        let orders = |m: &usize| self.about.get(m).is_some_and(|p| p.vcs && p.short);
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
        let changed_since = self.edits.last().is_some_and(|e| *e > task);
        let changes = |b: &Act| b.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str()));
        let acts = hub || changes(a);
        // the very step that the order names answers to it, whatever came between
        let names = |word: &str| self.about.get(&task).is_some_and(|p| p.plain.contains(word));
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
            Some(lane.polls.get(&m).and_then(|q| q.last()).copied().unwrap_or(m))
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
    fn looks_at_effects(&mut self, n: usize, a: &Act, previous: &[usize], fresh: bool) -> bool {
        if fresh {
            return false;
        }
        let after = self.last_prompt().map_or(0, |p| p + 1);
        if a.is_inspect() && a.git.iter().any(|g| matches!(g.as_str(), "diff" | "status")) {
            let Some(&last) = self.changes.last().filter(|m| **m >= after) else {
                // nothing changed it since the prompt: it is the state that the user speaks of
                if let Some(prompt) = self
                    .last_prompt()
                    .filter(|_| a.paths.is_empty() && a.git.iter().all(|g| matches!(g.as_str(), "diff" | "status")))
                {
                    self.put(prompt, Rule::PromptState, 1.0, None);
                }
                return false;
            };
            if self.edits.contains(&last) {
                // what an earlier such look showed already needs no other, unless nothing came since
                let looked = |b: &Act| b.is_inspect() && b.git.iter().any(|g| matches!(g.as_str(), "diff" | "status"));
                let before = self.recent(60).filter(|m| self.is(*m, looked)).max();
                let since = before.filter(|b| last > *b).map_or(after, |b| b.max(after));
                let mut edits: Vec<usize> = self
                    .edits
                    .iter()
                    .rev()
                    .take(60)
                    .copied()
                    .filter(|m| *m >= since && !self.gone.contains(m))
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
            let ops: Vec<usize> = self.moved.iter().rev().take(6).copied().filter(|m| *m >= from).collect();
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
        if !a.looks() || !self.open.is_empty() {
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
    fn uses(&mut self, a: &Act, need: &[Word<'_>]) {
        if !a.is_search() {
            return;
        }
        let after = self.last_prompt().map_or(0, |p| p + 1);
        if self.search_again(a) {
            return;
        }
        let pattern = a.searches.first().map(|s| s.0.as_str()).unwrap_or("");
        let names: Vec<String> = literals(pattern).filter(|l| is_file(l)).collect();
        let ops: Vec<usize> = self.moved.iter().rev().take(6).copied().filter(|m| *m >= after).collect();
        for m in ops {
            let name = self.act(m).and_then(|b| names.iter().find(|l| b.paths.iter().any(|p| base(p) == l.as_str())));
            if let Some(name) = name.cloned() {
                self.put(m, Rule::Moved, 1.0, Some(name));
            }
        }
        let recent: Vec<usize> = self.edits.iter().rev().take(3).copied().filter(|m| *m >= after).collect();
        let found = need.iter().filter(|w| w.weight >= 1.0).find_map(|w| {
            let m = *self.wrote.get(&w.hash)?;
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
        let edits: Vec<usize> = self.edits.iter().rev().take(6).copied().take_while(|m| *m > before).collect();
        let first = edits.last().copied();
        for m in &edits {
            self.put(*m, Rule::SearchAgain, if Some(*m) == first { 1.0 } else { 0.95 }, None);
        }
        if !edits.is_empty() {
            self.put(before, Rule::SearchAgain, 0.9, Some(pattern.to_owned()));
        }
        !edits.is_empty()
    }

    /// A program run: the edits since the last such run.
    fn verify_run(&mut self, n: usize, a: &Act, fresh: bool) {
        if fresh || !a.is_shell(&[ShellKind::Build, ShellKind::Run]) {
            return;
        }
        let build = a.is_shell(&[ShellKind::Build]);
        let program = if build { "#".to_owned() } else { a.norm.split_whitespace().next().unwrap_or("").to_owned() };
        let same = self.thrown.get(&program).copied();
        let bound = match same {
            Some(m) => Some(m),
            None if build => None,
            None => self.last_prompt().into_iter().chain(self.ran_at.last().copied()).max(),
        };
        let mut edits: Vec<usize> = self
            .edits
            .iter()
            .rev()
            .take(60)
            .copied()
            .take_while(|m| bound.is_none_or(|b| *m > b))
            .filter(|m| !self.gone.contains(m))
            .take(6)
            .collect();
        edits.reverse();
        let last = edits.last().copied();
        for m in edits {
            let span = self.act(m).and_then(|b| b.edits.first()).map(|e| e.path.clone());
            self.put(m, Rule::VerifyRun, if Some(m) == last { 1.0 } else { 0.8 }, span);
        }
        self.thrown.insert(program, n);
    }

    /// One best source for each path. True where one was surely found.
    fn where_it_looks(&mut self, a: &Act, previous: &[usize], fresh: bool) -> bool {
        let mut sure = false;
        let last_prompt = self.last_prompt();
        let since = self.since().len();
        let open = self.open.last().map(|(m, _)| *m);
        for p in a.paths.iter().take(12) {
            let file = is_file(p) || a.reads.iter().any(|r| r.0 == *p);
            let x = if file { 1.0 } else { 0.35 };
            let range = a.reads.iter().find(|r| r.0 == *p).map(|r| (r.1, r.2));
            let (from, to) = range.unwrap_or((None, None));
            let mut shown = self.index.showers(p);
            if shown.is_empty() && !file {
                shown = self.shown_above(p);
            }
            let now: Vec<usize> = shown.iter().copied().filter(|m| previous.contains(m)).collect();
            let in_range: Vec<(usize, u64)> = match from {
                Some(from) => {
                    let until = to.unwrap_or(from.saturating_add(300)).saturating_add(3);
                    self.index.hits(p, from.saturating_sub(3)..=until)
                }
                None => Vec::new(),
            };
            if let Some(prompt) = last_prompt.filter(|_| fresh || since <= 2) {
                if let Some((_, line)) = in_range.iter().find(|(m, _)| *m == prompt) {
                    self.put(prompt, Rule::PromptLine, 1.0, Some(format!("{}:{line}", base(p))));
                } else if shown.contains(&prompt) && !self.used_since(p, usize::MAX) {
                    self.put(prompt, Rule::PromptPath, x, Some(base(p).to_owned()));
                }
            }
            if fresh {
                if last_prompt.is_some_and(|l| shown.contains(&l)) {
                    continue;
                }
                if !a.looks() && !file && !p.starts_with('/') && p.split('/').count() == 2 {
                    // not a file: the name of a repository, an image, a branch, that somebody had to find out
                    if let Some(&first) = shown.first() {
                        self.put(first, Rule::WordsOnly, 0.9, Some(p.clone()));
                    }
                    continue;
                }
            }
            let mut hits: Vec<(usize, u64)> = in_range.iter().copied().filter(|(m, _)| previous.contains(m)).collect();
            // a line that matched says more than one shown around it: `12:` and `12-`
            hits.sort_by_key(|(m, line)| !self.shown(*m).contains(&format!("{line}:")));
            if !hits.is_empty() {
                for (m, line) in hits {
                    self.put(m, Rule::LinePrev, 1.0, Some(self.hit_text(m, p, line)));
                }
                sure = true;
                continue;
            }
            let goes_on = self.index.reads.get(&name_key(p)).into_iter().flatten().rev().take(32).find(|r| {
                let near = |end: u64| lo_of(range).is_some_and(|lo| lo + 5 >= end && lo <= end + 30);
                a.is_read() && previous.contains(&(r.0 as usize)) && compat(p, r.3) > 0 && r.2.is_some_and(near)
            });
            let hit =
                in_range.iter().any(|(m, _)| self.is(*m, |b| b.is_search()) && last_prompt.is_none_or(|p| *m > p));
            if let Some(m) = goes_on.map(|r| r.0 as usize).filter(|_| !hit) {
                self.put(m, Rule::ReadOnPrev, 1.0, None);
                sure = true;
                continue;
            }
            if !now.is_empty() && file && !a.looks() && since <= 4 && last_prompt.is_some_and(|l| shown.contains(&l)) {
                // the prompt itself names what is to be done with the file
                sure = true;
                continue;
            }
            // a line that a search found says more than a mention of the file just before
            let led = hit && a.is_read() && lo_of(range).is_some();
            if !now.is_empty() && file && !led {
                // what is done with a file may come from elsewhere; a look at it comes from where it was named
                // and of a search the pattern is the point, more than the place
                let share = if a.is_search() {
                    0.6
                } else if a.looks() {
                    1.0
                } else {
                    0.75
                } / (now.len() as f32).sqrt();
                for m in now {
                    let span = self.path_text(m, p);
                    self.put(m, Rule::PathPrev, share, Some(span));
                }
                sure = true;
                continue;
            }
            let failed_edit = previous.iter().rev().copied().find(|m| {
                self.is(*m, |b| b.group == Group::Edit && b.failed && b.edits.iter().any(|e| compat(p, &e.path) > 0))
            });
            if let Some(m) = failed_edit {
                self.put(m, Rule::Retry, 1.0, None);
                sure = true;
                continue;
            }
            let same: Vec<(usize, Option<u64>, Option<u64>)> = if a.is_read() {
                let all = self.index.reads.get(&name_key(p)).into_iter().flatten();
                all.filter(|r| compat(p, r.3) > 0).map(|r| (r.0 as usize, r.1, r.2)).collect()
            } else {
                Vec::new()
            };
            let (lo, hi) = (from, to);
            let overlaps = |r: &&(usize, Option<u64>, Option<u64>)| {
                hi.is_none_or(|h| r.1.unwrap_or(1) <= h) && (r.2.is_none() || lo.is_none() || r.2 >= lo)
            };
            let continued = |r: &&(usize, Option<u64>, Option<u64>)| match (lo, r.2) {
                (Some(lo), Some(end)) => {
                    let gap = lo as i64 - end as i64;
                    let before = hi.zip(r.1).is_some_and(|(h, l)| (-5..=40).contains(&(l as i64 - h as i64)));
                    (-40..=30).contains(&gap) || before
                }
                _ => false,
            };
            let whole = |r: &&(usize, Option<u64>, Option<u64>)| {
                r.1.unwrap_or(1) <= lo.unwrap_or(1) && r.2.is_none_or(|e| e >= hi.or(lo).unwrap_or(1))
            };
            let covered = same.iter().filter(overlaps).map(|r| r.0).next_back();
            let next = same.iter().filter(continued).map(|r| r.0).next_back();
            let full = same.iter().filter(overlaps).any(|r| whole(&r));
            let start_of_file = lo.is_none_or(|l| l <= 1) && hi.unwrap_or(999) >= 100;
            // an edit of the file since moved its lines
            let edited = self.index.edited.get(&name_key(p)).into_iter().flatten().rev().find(|e| compat(p, e.1) > 0);
            let older = in_range.iter().copied().filter(|(m, _)| {
                !start_of_file && self.is(*m, |b| !b.is_read()) && edited.is_none_or(|e| e.0 as usize <= *m)
            });
            let narrow = lo.zip(hi).is_some_and(|(lo, hi)| hi < lo + 60);
            let seen = |m: usize, line: u64| {
                let mut since = same.iter().filter(|r| r.0 > m);
                since.any(|r| !narrow || r.1.unwrap_or(1) <= line && r.2.is_none_or(|e| e >= line))
            };
            if let Some((m, line)) = older.max()
                && !seen(m, line)
                && !full
            {
                self.put(m, Rule::Line, 1.0, Some(self.hit_text(m, p, line)));
                sure = true;
                continue;
            }
            if let Some(m) = next {
                self.put(m, Rule::ReadOn, 1.0, Some(base(p).to_owned()));
            } else if fresh {
                continue;
            } else if let Some(m) = covered {
                self.put(m, Rule::Reread, 1.0, Some(base(p).to_owned()));
            } else if let Some(r) = same.last() {
                self.put(r.0, Rule::SameFile, 1.0, Some(base(p).to_owned()));
            }
            if let Some(m) = open.filter(|_| a.is_read()) {
                let span = self.failure_line(m);
                self.put(m, Rule::OpenFail, 1.0, span);
            }
            if shown.is_empty() && file && a.looks() {
                self.guessed(p, previous);
            }
            if !same.is_empty() || shown.is_empty() {
                continue;
            }
            if let ([one], false, false) = (shown.as_slice(), file, a.looks())
                && self.steps[*one].what == What::Prompt
            {
                // an address, the name of a repository, an image, a branch, that the user alone gave
                self.put(*one, Rule::WordsOnly, 0.9, Some(p.clone()));
                continue;
            }
            if file && shown.iter().all(|m| self.act(*m).is_none()) && shown.last().copied() != last_prompt {
                self.put(shown[shown.len() - 1], Rule::PathKnown, 1.0, Some(base(p).to_owned()));
            }
            if let Some(m) = self.subject_read(p).filter(|_| !fresh && !self.used_since(p, 40)) {
                self.put(m, Rule::TestsOf, 1.0, None);
            }
            // a text that names the file in full, with its folder, lists it as well as a listing does
            let in_full = p.split('/').rev().take(2).collect::<Vec<_>>();
            let in_full = (in_full.len() == 2).then(|| format!("{}/{}", in_full[1], in_full[0]));
            let names = |m: usize| in_full.as_ref().is_some_and(|f| self.shown(m).contains(f.as_str()));
            let lists: Vec<usize> = shown
                .iter()
                .copied()
                .filter(|m| self.is(*m, |b| b.group != Group::Edit && (!b.is_read() || names(*m))))
                .collect();
            if let Some(&last) = lists.last()
                && (a.is_read() || file && !self.used_since(p, 3))
            {
                let turn = self.steps[last].turn;
                let first = lists.iter().copied().find(|m| self.steps[*m].turn == turn).unwrap_or(last);
                let span = self.path_text(first, p);
                self.put(first, Rule::PathListed, if a.is_read() { x } else { x * 0.5 }, Some(span));
            }
        }
        sure
    }

    /// The steps that showed the longest part of an address which somebody showed: a page below it was made up from it.
    fn shown_above(&self, p: &str) -> Vec<usize> {
        let mut shown = folders_above(p).map(|above| self.index.showers(above));
        shown.find(|s| !s.is_empty()).unwrap_or_default()
    }

    /// The newest read, since the prompt, of the file whose tests these are.
    fn subject_read(&self, p: &str) -> Option<usize> {
        let subject = subject(p)?;
        let after = self.last_prompt().unwrap_or(0);
        let key = name_key(&subject);
        let read = self.index.reads.get(&key).and_then(|all| all.last()).map(|r| r.0 as usize);
        let edited = self.index.edited.get(&key).and_then(|all| all.last()).map(|r| r.0 as usize);
        // what was changed there is the better reason
        edited.filter(|m| *m > after).or(read.filter(|m| *m > after))
    }

    /// What the agent says in the turn points to the call just before that alone of them showed it.
    fn said(&mut self, n: usize, previous: &[usize], fresh: bool) {
        if fresh || previous.len() < 2 {
            return;
        }
        let Some(list) = self.said.get(&n) else { return };
        let mut votes: HashMap<usize, (f32, f32, String)> = HashMap::new();
        let mut total = 0.0;
        for e in list {
            let text = self.events[*e].input_text();
            let tail = &text[..super::tokens::floor(&text, SAID)];
            for w in words(tail).into_iter().filter(|w| w.weight >= 1.0) {
                let Some(h) = self.index.holders(w.hash) else { continue };
                let now: Vec<usize> = previous.iter().copied().filter(|m| h.steps.contains(&(*m as u32))).collect();
                if now.is_empty() || now.len() == previous.len() {
                    continue;
                }
                let rarity = self.index.rarity(w.hash, w.weight);
                total += rarity;
                for m in &now {
                    let v = rarity / now.len() as f32;
                    let e = votes.entry(*m).or_insert((0.0, 0.0, String::new()));
                    e.0 += v;
                    if v > e.1 {
                        e.1 = v;
                        e.2 = w.text.to_owned();
                    }
                }
            }
        }
        let best = votes.into_iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(x.0.cmp(&y.0)));
        if let Some((m, (v, _, word))) = best.filter(|(_, (v, _, _))| *v >= 0.5 * total && *v > 0.4) {
            self.put(m, Rule::Said, v / total, Some(word));
        }
    }

    /// A file that nothing showed: the agent expects it beside others. The calls just before that looked into its folder, else
    /// the first that did.
    fn guessed(&mut self, p: &str, previous: &[usize]) {
        let cwd = self.event(self.now()).cwd.as_deref().unwrap_or("");
        let own = below(p, cwd);
        let mut folder = own.rsplit_once('/').map(|x| x.0);
        while let Some(f) = folder.filter(|f| f.contains('/')) {
            let lies = |m: &usize| {
                self.is(*m, |b| {
                    b.paths
                        .iter()
                        .any(|q| below(q, cwd).strip_prefix(f).is_some_and(|r| r.is_empty() || r.starts_with('/')))
                })
            };
            let near: Vec<usize> = previous.iter().copied().filter(lies).collect();
            let near = if near.is_empty() {
                let recent: Vec<usize> = self.recent(40).filter(lies).collect();
                recent.into_iter().min().into_iter().collect()
            } else {
                near
            };
            if !near.is_empty() {
                let share = 1.0 / (near.len() as f32).sqrt();
                for m in near {
                    self.put(m, Rule::Folder, share, Some(f.to_owned()));
                }
                return;
            }
            folder = f.rsplit_once('/').map(|x| x.0);
        }
    }

    /// Whether a call of the last `turns` turns since the prompt names the path.
    fn used_since(&self, p: &str, turns: usize) -> bool {
        let names = |m: &usize| self.is(*m, |b| b.paths.iter().any(|q| compat(p, q) > 0));
        self.since().iter().rev().take(turns).any(|t| last_of(t).iter().any(names))
    }

    /// The text of a hit, as the step shows it: `path:12`, else the number and what follows.
    fn hit_text(&self, m: usize, path: &str, line: u64) -> String {
        let text = self.shown(m);
        let named = format!("{}:{line}", base(path));
        if text.contains(&named) {
            return named;
        }
        let numbered =
            text.lines().find(|l| l.strip_prefix(&line.to_string()).is_some_and(|r| r.starts_with([':', '-'])));
        numbered.map_or(named, |l| l.chars().take(100).collect())
    }

    /// A path, as the step shows it: in full where it does, else its name.
    fn path_text(&self, m: usize, path: &str) -> String {
        if self.shown(m).contains(path) { path.to_owned() } else { base(path).to_owned() }
    }

    /// After a prompt: telling words that an edit wrote, or one step alone showed.
    fn words_when_fresh(&mut self, need: &[Word<'_>]) {
        let Some(prompt) = self.last_prompt() else { return };
        let mut votes: HashMap<usize, (f32, String)> = HashMap::new();
        for w in need {
            let in_prompt = self.about.get(&prompt).is_some_and(|p| p.words.contains(&w.hash));
            let writer = self.wrote.get(&w.hash).copied();
            let holder = self.index.holders(w.hash);
            let m = match in_prompt {
                true => writer.filter(|_| w.weight >= 1.3),
                false if w.weight < 1.0 => None,
                false => writer
                    .or_else(|| holder.filter(|h| h.count == 1).and_then(|h| h.steps.first()).map(|m| *m as usize)),
            };
            if let Some(m) = m.filter(|_| holder.is_some()) {
                votes.entry(m).or_insert((0.0, w.text.to_owned())).0 += w.weight;
            }
        }
        for (m, (v, word)) in votes {
            self.put(m, Rule::WordsOnly, v / 1.3, Some(word));
        }
    }

    /// Each word is explained by the turn before where that holds it, else by its only or its last holder.
    fn word_rules(&mut self, previous: &[usize], need: &[Word<'_>]) {
        let mut given: Hashes = Hashes::default();
        for &m in previous {
            if let Some(b) = self.act(m) {
                given.extend(words(&b.bare).iter().map(|w| w.hash));
            }
        }
        let mut total = 0.0;
        let mut ids = Vec::new();
        let mut votes: HashMap<(Rule, usize), (f32, f32, String)> = HashMap::new();
        let vote = |votes: &mut HashMap<_, (f32, f32, String)>, rule, m, v: f32, weight: f32, text: &str| {
            let e = votes.entry((rule, m)).or_insert((0.0, 0.0, String::new()));
            e.0 += v;
            if weight > e.1 {
                e.1 = weight;
                e.2 = text.to_owned();
            }
        };
        for w in need {
            let Some(h) = self.index.holders(w.hash) else { continue };
            let rarity = self.index.rarity(w.hash, w.weight);
            if is_opaque(w.text) {
                // nobody guesses such a value: it comes from the step that showed it last
                let shown = |m: &usize| self.is(*m, |b| b.group != Group::Edit) || self.act(*m).is_none();
                let last = h.steps.iter().rev().map(|m| *m as usize).find(shown);
                let near = h.steps.iter().map(|m| *m as usize).rfind(|m| previous.contains(m));
                if let Some(m) = near.or(last) {
                    ids.push((m, w.text.to_owned()));
                    continue;
                }
            }
            total += rarity;
            let now: Vec<usize> = previous.iter().copied().filter(|m| h.steps.contains(&(*m as u32))).collect();
            if !now.is_empty() {
                for m in &now {
                    vote(&mut votes, Rule::WordsPrev, *m, rarity / (now.len() as f32).sqrt(), rarity, w.text);
                }
            } else if !given.contains(&w.hash) {
                let (rule, m) = match (h.count, h.steps.first(), h.steps.last()) {
                    (1, Some(m), _) => (Rule::WordsOnly, *m as usize),
                    (_, _, Some(m)) => (Rule::WordsLast, *m as usize),
                    _ => continue,
                };
                vote(&mut votes, rule, m, rarity, rarity, w.text);
            }
        }
        for (m, id) in ids {
            let known = self.given.contains(&xxhash_rust::xxh3::xxh3_64(id.as_bytes()));
            self.put(m, if known { Rule::IdKnown } else { Rule::Id }, 1.0, Some(id));
        }
        for ((rule, m), (v, _, text)) in votes {
            if v > 0.3 {
                let floor = if rule == Rule::WordsPrev { 0.9 } else { 1.215 };
                self.put(m, rule, (v / total.max(floor)).min(1.0).sqrt(), Some(text));
            }
        }
    }

    /// What a tool of no known kind is given, as it stands in the turn before, else in one of the last that showed it: the
    /// reference of an element, an address, a name.
    fn values(&mut self, a: &Act, previous: &[usize]) {
        if a.kind != Kind::Other {
            return;
        }
        let prompt = self.last_prompt();
        for value in a.need.lines().map(str::trim).filter(|v| is_value(v)).take(16) {
            let tail = address_tail(value);
            let holds = |m: &usize| {
                let text = self.shown(*m);
                stands(text, value) || tail.is_some_and(|t| stands(text, t))
            };
            let near = previous.iter().copied().rfind(holds);
            let found = near.or_else(|| self.recent(12).filter(|m| !previous.contains(m)).take(32).find(holds));
            // what the prompt itself gives needs no other source
            let told = prompt.is_some_and(|p| stands(self.shown(p), value));
            let again = previous.iter().any(|m| self.is(*m, |b| b.need.lines().any(|l| l.trim() == value)));
            let rare = value.len() >= 8 || value.bytes().any(|b| b.is_ascii_digit());
            if let (Some(p), true) = (prompt, told) {
                self.put(p, Rule::Value, 0.7, Some(value.to_owned()));
            } else if let Some(m) = found.filter(|_| !again) {
                let span = tail.filter(|_| !stands(self.shown(m), value)).unwrap_or(value);
                self.put(m, Rule::Value, if rare { 1.0 } else { 0.75 }, Some(span.to_owned()));
            }
        }
    }

    /// Literal alternatives of a search pattern: the last step that shows them.
    fn phrases(&mut self, a: &Act, previous: &[usize]) {
        let Some((pattern, _)) = a.searches.first() else { return };
        let literals: Vec<String> = literals(pattern).collect();
        let mut votes: HashMap<usize, (u32, String)> = HashMap::new();
        for x in literals.iter().filter(|x| x.len() >= 8) {
            let rarest = words(x)
                .into_iter()
                .filter(|w| self.index.is_held(w.hash))
                .max_by(|p, q| self.index.rarity(p.hash, p.weight).total_cmp(&self.index.rarity(q.hash, q.weight)));
            let Some(h) = rarest.and_then(|w| self.index.holders(w.hash)) else { continue };
            let holders: Vec<usize> =
                h.steps.iter().map(|m| *m as usize).filter(|m| self.shown(*m).contains(x.as_str())).collect();
            let m = holders.iter().rev().find(|m| previous.contains(m)).or(holders.last()).copied();
            if let Some(m) = m {
                votes.entry(m).or_insert((0, x.clone())).0 += 1;
            }
        }
        for (m, (v, x)) in votes {
            self.put(m, Rule::Phrase, (v as f32 / literals.len().max(1) as f32).sqrt(), Some(x));
        }
    }

    /// The prompt speaks of what is looked at: its plain words are in the file's name or in the pattern.
    fn speaks(&mut self, a: &Act, prompt: usize, since: usize) {
        let Some(about) = self.about.get(&prompt) else { return };
        // to a part of a file leads what showed that part; a file from its top is chosen by its name, too
        if a.reads.iter().any(|r| r.1.is_some_and(|from| from > 1)) {
            return;
        }
        // while a failure is open, that is what one looks into
        if !self.open.is_empty() {
            return;
        }
        let says = |w: &str| {
            let w = w.to_lowercase();
            let one = w.strip_suffix('s').unwrap_or(&w);
            w.len() >= 4
                && (about.plain.contains(&w) || about.plain.contains(one) || about.plain.contains(&format!("{w}s")))
        };
        let names = a.paths.iter().map(|p| base(p)).chain(a.searches.iter().map(|s| s.0.as_str()));
        let mut parts = names.flat_map(|n| n.split(|c: char| !c.is_alphanumeric()));
        let word = parts
            .find(|w| !matches!(*w, "func" | "type" | "file" | "from" | "with" | "this" | "that") && says(w))
            .map(str::to_owned);
        if word.is_some() {
            self.put(prompt, Rule::PromptSpeaks, if since <= 1 { 1.0 } else { 0.9 }, word);
        }
    }

    /// What comes from the prompt itself, when it is near.
    fn prompt_rules(&mut self, a: &Act, previous: &[usize], need: &[Word<'_>], open: f32) {
        let Some(prompt) = self.last_prompt() else { return };
        let since = self.since().len();
        if !a.looks() && !a.norm.is_empty() && since <= 8 && !self.norm.contains_key(&norm_key(&a.norm)) {
            let text = self.about.get(&prompt).map(|p| p.squeezed.as_str()).unwrap_or("");
            let told = a
                .norm
                .split(" && ")
                .map(squeeze)
                .find(|c| c.len() >= 10 && c.matches(' ').count() >= 2 && text.contains(c.as_str()));
            if let Some(c) = told {
                self.put(prompt, Rule::Told, 1.0, Some(c));
            }
        }
        if since <= 2 && a.looks() {
            self.speaks(a, prompt, since);
        }
        if since > 4 {
            return;
        }
        let held = |hash: u64, m: usize| self.index.holders(hash).is_some_and(|h| h.steps.contains(&(m as u32)));
        let mut value = 0.0;
        let mut best: (f32, String) = (0.0, String::new());
        for w in need {
            if held(w.hash, prompt) && !previous.iter().any(|m| held(w.hash, *m)) {
                let rarity = self.index.rarity(w.hash, w.weight);
                value += rarity;
                if rarity > best.0 {
                    best = (rarity, w.text.to_owned());
                }
            }
        }
        for p in a.paths.iter().filter(|p| p.contains('/')) {
            let shown = self.index.showers(p);
            if shown.contains(&prompt) && !shown.iter().any(|m| previous.contains(m)) && !self.used_since(p, usize::MAX)
            {
                value += 1.0;
                best = (2.0, base(p).to_owned());
            }
        }
        if value > 0.5 {
            let x = (1.0 - (-value).exp()) * if since <= 2 { 1.0 } else { 0.7 };
            self.put(prompt, Rule::PromptWords, x, Some(best.1));
        }
        let explained = self.proposed().iter().any(|(m, list)| {
            *m > prompt && self.act(*m).is_some() && list.iter().any(|(r, x, _)| r.weights().p * x >= 0.55)
        });
        if since <= 2 && open > 0.4 && !explained {
            self.put(prompt, Rule::PromptOnly, if since == 1 { 1.0 } else { 0.7 }, None);
        }
    }
}

/// The text of a call whose words are to be explained: of a search what is searched for; of commands not what they print
/// between their outputs, nor the marks around a text handed to them.
fn asked(a: &Act) -> Cow<'_, str> {
    if a.is_search() && !a.searches.is_empty() {
        return a.searches.iter().map(|s| s.0.as_str()).collect::<Vec<_>>().join("\n").into();
    }
    if !matches!(a.kind, Kind::Shell(_)) || !["echo", "printf", "EOF"].iter().any(|w| a.need.contains(w)) {
        return a.need.as_str().into();
    }
    let prints = |c: &str| {
        matches!(c.split_whitespace().next(), Some("echo" | "printf")) && !c.contains('>') && !c.contains('$')
    };
    let parts = a.need.split(['\n', ';', '&', '|']).filter(|c| !prints(c));
    parts.collect::<Vec<_>>().join("\n").replace("EOF", "").into()
}

/// Whether a value given to a tool is one that has to come from somewhere: more than a plain word, a small number, a yes.
fn is_value(v: &str) -> bool {
    let telling = v.bytes().any(|b| b.is_ascii_alphabetic())
        && v.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'#' | b' '));
    // the folder that one works in is no finding
    let folder = v.starts_with(['/', '~']) && !is_file(v);
    !folder && (2..=300).contains(&v.len()) && (telling || v.len() >= 5 && v.bytes().all(|b| b.is_ascii_digit()))
}

/// The end of an address that a page shows as a link: `runs/123` of `https://host/owner/name/runs/123`.
fn address_tail(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let rest = rest.trim_end_matches('/');
    let (before, _) = rest.rsplit_once('/')?;
    let from = before.rfind('/').map_or(0, |i| i + 1);
    let tail = &rest[from..];
    (from > 0 && tail.len() >= 8 && tail.bytes().any(|b| b.is_ascii_digit())).then_some(tail)
}

/// Whether a value stands in a text as a whole, not within a longer word.
fn stands(text: &str, value: &str) -> bool {
    let inner = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(value).take(64).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + value.len()..].chars().next());
        !inner(before) && !inner(after)
    })
}

/// A path below a folder without that folder; else without its root.
fn below<'a>(path: &'a str, folder: &str) -> &'a str {
    let inner = path.strip_prefix(folder).filter(|r| !folder.is_empty() && r.starts_with('/'));
    inner.unwrap_or(path).trim_start_matches('/')
}

/// The first line of a range that does not begin at the top.
fn lo_of(range: Option<(Option<u64>, Option<u64>)>) -> Option<u64> {
    range.and_then(|r| r.0).filter(|lo| *lo > 1)
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
