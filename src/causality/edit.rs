//! Causes of an edit: who showed or wrote the text that is replaced, and the reason to change it.

use std::collections::{HashMap, HashSet};

use super::act::{Act, Group, Kind};
use super::files::{base, compat};
use super::hash::{ByStep, Hashes};
use super::index::name_key;
use super::lane::Lane;
use super::rules::Rule;
use super::shell::Kind as ShellKind;
use super::step::What;
use super::tokens::{line_hash, scan, words};

impl<'a> Lane<'a> {
    pub(super) fn edit_rules(&mut self, n: usize, a: &'a Act, previous: &[usize]) {
        let sources = self.sources(a, previous);
        self.reason(n, a, previous, &sources);
    }

    /// The steps that showed what is replaced.
    fn sources(&mut self, a: &Act, previous: &[usize]) -> Vec<usize> {
        let mut sources = Vec::new();
        for e in &a.edits {
            let mut seen = Hashes::default();
            let hashed = e.removed.iter().map(|l| (line_hash(l), l));
            let lines: Vec<(u64, &String)> = hashed.filter(|(hash, _)| seen.insert(*hash)).collect();
            let mut shown: ByStep<(f32, &str)> = ByStep::default();
            let mut wrote: ByStep<(u32, &str)> = ByStep::default();
            // most lines stand in the same few steps
            let (mut may, mut did): (ByStep<bool>, ByStep<bool>) = Default::default();
            let mut total = 0.0;
            for &(hash, line) in &lines {
                let posts = self.index.line(hash);
                let all: Vec<usize> = posts.iter().filter(|(_, s)| *s).map(|(m, _)| *m as usize).collect();
                let weight = 1.0 / (1.0 + 0.5 * all.len().saturating_sub(1) as f32);
                total += weight;
                let shows = |m: &usize| *may.entry(*m).or_insert_with(|| self.may_show(*m, &e.path));
                let near: Vec<usize> = all.iter().copied().filter(shows).collect();
                let direct: Vec<usize> =
                    near.iter().copied().filter(|m| !self.is(*m, |b| b.is_search() || b.is_inspect())).collect();
                let newest = direct.last().or(near.last()).or(all.last()).copied();
                let writes = |m: &usize| {
                    let of_file = |b: &Act| b.edits.iter().any(|x| compat(&e.path, &x.path) > 0);
                    *did.entry(*m).or_insert_with(|| self.is(*m, of_file))
                };
                let writer = posts.iter().rev().filter(|(_, s)| !*s).map(|(m, _)| *m as usize).find(writes);
                let newest = newest.or_else(|| self.shown_within(line, &e.path));
                if let Some(m) = newest.filter(|m| writer.is_none_or(|w| w <= *m)) {
                    shown.entry(m).or_insert((0.0, line)).0 += weight;
                }
                if let Some(w) = writer {
                    wrote.entry(w).or_insert((0, line)).0 += 1;
                }
            }
            let top = shown.iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(x.0.cmp(y.0))).map(|(m, _)| *m);
            let mut votes: Vec<(usize, f32, String)> =
                shown.iter().map(|(m, (v, l))| (*m, *v, (*l).to_owned())).collect();
            votes.sort_by_key(|(m, ..)| *m);
            let newest_shown = votes.last().map(|(m, ..)| *m);
            // what the agent wrote there itself since is what it has before its eyes
            let rewritten =
                wrote.iter().any(|(w, (v, _))| newest_shown.is_some_and(|s| s < *w) && *v as usize * 2 >= lines.len());
            for (m, v, line) in votes {
                if rewritten {
                    self.put(m, Rule::OldShown, 0.1 + v / total.max(0.001), Some(line));
                    sources.push(m);
                    continue;
                }
                if Some(m) == top || v >= 0.25 * total && v >= 0.9 {
                    self.put(m, Rule::OldShown, 0.6 + v / total.max(0.001), Some(line));
                    sources.push(m);
                }
            }
            let writer = wrote.iter().max_by_key(|(m, (v, _))| (*v, **m)).map(|(m, (v, l))| (*m, *v, (*l).to_owned()));
            if let Some((m, v, line)) = writer.filter(|(_, v, _)| f64::from(*v) >= 0.34 * lines.len() as f64) {
                let rule = if newest_shown.is_some_and(|s| s > m) { Rule::OldWroteShown } else { Rule::OldWrote };
                self.put(m, rule, 0.4 + v as f32 / lines.len().max(1) as f32, Some(line));
            }
            for &m in previous {
                if self.is(m, |b| (b.is_read() || b.is_search()) && b.paths.iter().any(|q| compat(&e.path, q) > 0)) {
                    // where another step showed all that is replaced, this one was read for something else
                    let other = !shown.is_empty() && !shown.contains_key(&m);
                    self.put(m, Rule::PrevRead, if other { 0.5 } else { 1.0 }, Some(base(&e.path).to_owned()));
                    sources.push(m);
                }
            }
            if lines.is_empty() {
                let reads = self.index.reads.get(&name_key(&e.path)).into_iter().flatten();
                let last = reads.filter(|r| compat(&e.path, r.3) > 0).map(|r| r.0 as usize).next_back();
                if let Some(m) = last {
                    self.put(m, Rule::OldShown, 0.7, Some(base(&e.path).to_owned()));
                    sources.push(m);
                }
            }
        }
        sources
    }

    /// The newest read of a file that shows a part of a line: an edit may name less than whole lines.
    fn shown_within(&self, part: &str, path: &str) -> Option<usize> {
        let reads = self.index.reads.get(&name_key(path)).into_iter().flatten().rev();
        let near = reads.filter(|r| compat(path, r.3) > 0).take(6).map(|r| r.0 as usize);
        near.filter(|m| *m >= self.view).find(|m| self.shown(*m).contains(part))
    }

    /// Whether a step may have shown lines of that file: it names it, names none, or is of a kind that prints what it does not
    /// name.
    fn may_show(&self, m: usize, path: &str) -> bool {
        let Some(b) = self.act(m) else { return true };
        b.paths.is_empty()
            || b.paths.iter().any(|q| compat(path, q) > 0)
            || b.kind == Kind::Poll
            || b.is_shell(&[ShellKind::Test, ShellKind::Lint, ShellKind::Build, ShellKind::Inspect, ShellKind::Run])
    }

    /// The reason: the most recent of an open failure, an informative run, the prompt, the end of the chain of readings.
    fn reason(&mut self, n: usize, a: &'a Act, previous: &[usize], sources: &[usize]) {
        let last_prompt = self.last_prompt();
        let after = last_prompt.map_or(0, |p| p + 1);
        let mut candidates: Vec<(usize, Rule, Option<String>)> = Vec::new();
        candidates.extend(last_prompt.map(|p| (p, Rule::ReasonPrompt, None)));
        if let Some((m, _)) = self.checks.open.last().cloned() {
            candidates.push((m, Rule::ReasonFail, self.failure_line(m)));
            self.broke(m, a);
        }
        // a new text is written because it was asked for; what it says is drawn from what was read
        let new_file = a.edits.iter().all(|e| e.removed.is_empty());
        if new_file {
            self.drawn_from(a, after);
        } else if let Some((m, word)) = self.reason_words(a, after, sources) {
            candidates.push((m, Rule::ReasonWords, Some(word)));
        }
        if let Some(&m) = self.prompts.questions.last().filter(|m| **m >= after) {
            candidates.push((m, Rule::ReasonPlan, None));
        }
        let removed: HashSet<&str> = a.edits.iter().flat_map(|e| &e.removed).map(String::as_str).collect();
        if let Some((m, line)) = self.failed_try(a, after) {
            candidates.push((m, Rule::EditAgain, line));
        }
        for &m in previous {
            let Some(b) = self.act(m).filter(|b| b.group == Group::Edit && self.checks.open.is_empty()) else {
                continue;
            };
            let added: HashSet<&str> = b.edits.iter().flat_map(|e| &e.added).map(String::as_str).collect();
            let common: Vec<&&str> = added.intersection(&removed).collect();
            if !removed.is_empty() && common.len() * 2 >= removed.len() {
                let span = common.iter().min().map(|l| (**l).to_owned());
                candidates.push((m, Rule::FixOwn, span));
            }
        }
        if let Some((run, shared)) = self.told_by_run(a, after, new_file) {
            candidates.push((run, Rule::ReasonRun, Some(shared)));
        }
        if let Some(&from) = sources.iter().max() {
            let newest = candidates.iter().map(|c| c.0).max();
            if let Some((link, edit)) = self.chain(from).filter(|(_, e)| newest.is_none_or(|m| *e > m)) {
                candidates.push((link, Rule::ReasonChain, None));
                if self.is(edit, |b| b.group == Group::Edit) {
                    self.put(edit, Rule::ReasonEdit, 1.0, None);
                    self.changes.follows.insert(n, edit);
                }
            }
        }
        // of two at one step the later kind says more
        let Some((m, rule, span)) = candidates.into_iter().max_by_key(|c| c.0) else { return };
        self.put(m, rule, 1.0, span);
        self.changes.reason.insert(n, m);
        if rule == Rule::ReasonRun
            && let Some((open, _)) = self.checks.open.last().cloned()
        {
            self.put(open, Rule::Again, 1.0, None);
        }
        if rule == Rule::ReasonPrompt
            && self.prompts.about.get(&m).is_some_and(|p| p.agrees)
            && let [.., before, _] = self.prompts.all.as_slice()
        {
            let before = *before;
            if !self.offered(a, before) {
                self.put(before, Rule::PromptYes, 1.0, None);
            }
        }
    }

    /// The newest run that tells something, or one beside it, if it has to do with the edit. A run before other edits counts
    /// where the last of them was made for it; the report of a sub-agent is acted on in several edits.
    fn told_by_run(&self, a: &Act, after: usize, new_file: bool) -> Option<(usize, String)> {
        let telling = &self.runs.telling;
        let turn = self.steps[*telling.last()?].turn;
        let last_edit = self.changes.edits.last().copied();
        let follows = |run: usize| {
            last_edit.is_none_or(|e| run > e || self.changes.reason.get(&e) == Some(&run)) || self.is_report(run)
        };
        let beside = telling.iter().rev().copied().take(16).take_while(|m| *m >= after && self.steps[*m].turn == turn);
        beside
            .filter(|m| follows(*m) && !(new_file && self.is_report(*m)))
            .find_map(|run| Some((run, self.shares(run, a)?)))
    }

    /// What the output of a run shares with an edit: the file's name, or a telling word of the new text. An experiment that
    /// says nothing of what is changed is not the reason to change it.
    fn shares(&self, run: usize, a: &Act) -> Option<String> {
        let shown = self.shown(run);
        // a question put to the state of things is asked for what is done next; a run may only set something up
        if self.is(run, Act::is_inspect) {
            return Some(shown.lines().next().unwrap_or("").trim().to_owned());
        }
        if let Some(name) = a.edits.iter().map(|e| base(&e.path)).find(|n| shown.contains(n)) {
            return Some(name.to_owned());
        }
        let mut known = self.index.asked_of(shown);
        // what a sub-agent was told is no finding
        let given = self.act(run).filter(|b| b.kind != Kind::Spawn);
        known.extend(given.into_iter().flat_map(|b| words(&b.need)).map(|w| w.hash));
        let shared = |w: &super::tokens::Word<'_>| w.weight >= 1.0 && !w.path && known.contains(&w.hash);
        words(&a.new).into_iter().find(shared).map(|w| w.text.to_owned())
    }

    /// The latest try at an edit of the same file that failed, where none of that file succeeded since.
    fn failed_try(&self, a: &Act, after: usize) -> Option<(usize, Option<String>)> {
        let same = |b: &Act| a.edits.iter().any(|e| b.edits.iter().any(|x| compat(&e.path, &x.path) > 0));
        let tries = self.recent(4).filter(|m| *m >= after);
        let last = tries.filter(|m| self.is(*m, |b| b.group == Group::Edit && same(b))).max()?;
        self.is(last, |b| b.failed)
            .then(|| (last, self.shown(last).lines().map(str::trim).find(|l| l.len() > 3).map(str::to_owned)))
    }

    /// The line of an output that tells of the failure.
    pub(super) fn failure_line(&self, m: usize) -> Option<String> {
        const WEAK: &[&str] =
            &["Error", "error", "FAIL", "failed", "expected", "Exception", "not ok", "warning", "No such"];
        let strong = |l: &&str| {
            ["error", "FAIL", "--- FAIL", "E  ", "assert ", "not ok", "Error", "fatal:"]
                .iter()
                .any(|h| l.starts_with(h))
                || ["panicked at", "Error: ", "AssertionError", "<tool_use_error>", "command not found"]
                    .iter()
                    .any(|m| l.contains(m))
        };
        let lines =
            || self.shown(m).lines().take(4000).map(str::trim).filter(|l| l.len() > 3 && !l.starts_with("Traceback"));
        // a line of several words says what went wrong; a bare `AssertionError` only that something did
        let telling = |l: &&str| l.contains(' ') && l.len() < 400;
        let best = lines()
            .find(|l| strong(l) && telling(l))
            .or_else(|| lines().find(strong))
            .or_else(|| lines().find(|l| telling(l) && WEAK.iter().any(|k| l.contains(k))));
        best.map(str::to_owned)
    }

    /// Edits that the failed run was to verify and that wrote what is changed now.
    fn broke(&mut self, failed: usize, a: &Act) {
        let source = self.polls.source(failed).unwrap_or(failed);
        let Some(verified) = self.checks.verified.get(&source) else { return };
        let same_file = |b: &Act| a.edits.iter().any(|e| b.edits.iter().any(|x| compat(&e.path, &x.path) > 0));
        let passed = self
            .checks
            .all
            .iter()
            .rev()
            .take(200)
            .filter(|(x, _)| *x < failed && !self.is(*x, |b| b.failed))
            .map(|(x, _)| *x);
        let last_passed = passed.max();
        let in_file: Vec<usize> = verified.iter().copied().filter(|m| self.is(*m, same_file)).collect();
        let removed: HashSet<&str> = a.edits.iter().flat_map(|e| &e.removed).map(String::as_str).collect();
        let mine =
            |m: &&usize| self.is(**m, |b| b.edits.iter().any(|e| e.added.iter().any(|l| removed.contains(l.as_str()))));
        let wrote_it = in_file.iter().rfind(mine).copied();
        let alive = |m: &&usize| !self.changes.gone.contains(*m) && last_passed.is_none_or(|x| **m > x);
        let found = wrote_it.or_else(|| in_file.iter().rfind(alive).copied());
        if let Some(m) = found {
            self.put(m, Rule::Broke, 1.0, None);
        }
    }

    /// The exploration since the prompt that holds most new words of the edit, first seen since the prompt.
    fn reason_words(&self, a: &Act, after: usize, sources: &[usize]) -> Option<(usize, String)> {
        let prompt = self.last_prompt()?;
        if self.since().len() < 4 || !self.checks.open.is_empty() {
            return None;
        }
        let mut old = HashSet::new();
        for e in &a.edits {
            for l in &e.removed {
                scan(l, |w| {
                    old.insert(w.hash);
                });
            }
        }
        let about = self.prompts.about.get(&prompt)?;
        let fresh: Vec<_> = words(&a.new).into_iter().filter(|w| w.weight >= 1.0 && !old.contains(&w.hash)).collect();
        if fresh.iter().any(|w| about.words.contains(&w.hash)) {
            return None;
        }
        let explores = |m: usize| {
            self.is(m, |b| {
                b.is_read()
                    || b.is_search()
                    || b.is_inspect()
                    || matches!(b.kind, Kind::Fetch | Kind::Spawn)
                    || b.is_shell(&[
                        ShellKind::Run,
                        ShellKind::Test,
                        ShellKind::Lint,
                        ShellKind::Build,
                        ShellKind::Fetch,
                    ])
            })
        };
        let mut votes: HashMap<usize, (f32, &str)> = HashMap::new();
        for w in &fresh {
            let Some(h) = self.index.holders(w.hash) else { continue };
            if h.steps.first().is_none_or(|f| (*f as usize) < after) {
                continue;
            }
            // a look at the place that is changed shows what is replaced, not why
            if let Some(m) = h.steps.iter().rev().map(|m| *m as usize).find(|m| explores(*m) && !sources.contains(m)) {
                votes.entry(m).or_insert((0.0, w.text)).0 += w.weight;
            }
        }
        let (m, (v, word)) = votes.into_iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(x.0.cmp(&y.0)))?;
        (v >= 1.0 && self.changes.edits.last().is_none_or(|e| m > *e)).then(|| (m, word.to_owned()))
    }

    /// What the user agreed to came out of calls before the "yes": the one that holds most of the new words.
    fn offered(&mut self, a: &Act, after: usize) -> bool {
        let removed: Hashes = a.edits.iter().flat_map(|e| &e.removed).flat_map(|l| words(l)).map(|w| w.hash).collect();
        let mut votes: HashMap<usize, (f32, &str)> = HashMap::new();
        for w in words(&a.new).into_iter().filter(|w| w.weight >= 1.0 && !removed.contains(&w.hash)) {
            let Some(h) = self.index.holders(w.hash) else { continue };
            let explores = |m: &usize| *m > after && self.is(*m, |b| b.group != Group::Edit);
            if let Some(m) = h.steps.iter().map(|m| *m as usize).find(explores) {
                votes.entry(m).or_insert((0.0, w.text)).0 += w.weight;
            }
        }
        let best = votes.into_iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(y.0.cmp(&x.0)));
        let Some((m, (_, word))) = best else { return false };
        let word = word.to_owned();
        self.put(m, Rule::Offered, 1.0, Some(word));
        true
    }

    /// What a new text draws on: the explorations since the prompt that first showed its telling words.
    fn drawn_from(&mut self, a: &Act, after: usize) {
        let Some(prompt) = self.last_prompt() else { return };
        let mut votes: HashMap<usize, (f32, String)> = HashMap::new();
        let mut total = 0.0;
        for w in words(&a.new).into_iter().filter(|w| w.weight >= 1.0) {
            if self.prompts.about.get(&prompt).is_some_and(|p| p.words.contains(&w.hash)) {
                continue;
            }
            let Some(first) = self.index.holders(w.hash).and_then(|h| h.steps.first()).map(|m| *m as usize) else {
                continue;
            };
            if first < after || !self.is(first, |b| b.group != Group::Edit) {
                continue;
            }
            total += w.weight;
            votes.entry(first).or_insert((0.0, w.text.to_owned())).0 += w.weight;
        }
        let mut votes: Vec<(usize, f32, String)> = votes.into_iter().map(|(m, (v, t))| (m, v, t)).collect();
        votes.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
        for (m, v, word) in votes.into_iter().take(4).filter(|(_, v, _)| *v >= 2.5 && *v >= 0.1 * total) {
            self.put(m, Rule::Drawn, 0.8 + v / total, Some(word));
        }
    }

    /// From a reading back through what led to it, to an edit: the last link before it, and the edit.
    fn chain(&self, from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        for _ in 0..8 {
            let next = *self.primary.get(&at)?;
            if self.steps[next].what != What::Call || next >= at {
                return None;
            }
            let b = self.act(next)?;
            if b.looks() || b.group == Group::Edit && b.failed {
                at = next;
            } else if self.changes.moved.binary_search(&next).is_ok() {
                return Some((at, next));
            } else {
                return (b.group == Group::Edit).then_some((at, next));
            }
        }
        None
    }
}
