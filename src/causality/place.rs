//! Where a call looks: the best source of each path and range that it names.

use super::act::{Act, Group};
use super::files::{base, compat, folders_above, is_file, subject};
use super::index::name_key;
use super::lane::Lane;
use super::rules::Rule;
use super::step::What;
use super::turns::last_of;

impl<'a> Lane<'a> {
    /// One best source for each path. True where one was surely found.
    pub(super) fn where_it_looks(&mut self, a: &Act, previous: &[usize], fresh: bool) -> bool {
        let mut sure = false;
        let last_prompt = self.last_prompt();
        let since = self.since().len();
        let open = self.checks.open.last().map(|(m, _)| *m);
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
    pub(super) fn used_since(&self, p: &str, turns: usize) -> bool {
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
