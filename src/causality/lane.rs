//! The pass over one agent's steps: each call's rules are asked for proposals, and a step whose turn is over leaves behind what
//! later ones may follow from.

use std::collections::{HashMap, VecDeque};

use rayon::prelude::*;

use super::act::{Act, Group, Kind, body};
use super::asked::Asked;
use super::changes::Changes;
use super::check::Checks;
use super::decide::{FLOOR, Proposal};
use super::hash::{ByStep, Hashes};
use super::index::Index;
use super::poll::Polls;
use super::prompt::Prompts;
use super::repeat::Wordings;
use super::rules::Rule;
use super::runs::Runs;
use super::step::{Seen, Step, What};
use super::tokens::{LIMIT, line_hash, start};
use super::turns::Turns;
use super::{Cause, answer};
use crate::event::Event;

/// At most so many causes beside verified edits and sources of replaced text.
const CAP: usize = 4;
/// So many steps are read at once, ahead of the pass.
const AHEAD: usize = 64;

/// One agent's steps, and what those that are over left behind.
pub(super) struct Lane<'a> {
    pub events: &'a [Event],
    pub steps: &'a [Step<'a>],
    acts: &'a [Option<Act>],
    asked: &'a Asked,
    /// Events with the agent's own words in the turn of a call.
    pub said: HashMap<usize, Vec<usize>>,
    /// What was shown and written.
    pub index: Index<'a>,
    /// The first step that is still in the context.
    pub view: usize,
    pub turns: Turns,
    pub prompts: Prompts,
    pub changes: Changes,
    pub checks: Checks,
    pub runs: Runs,
    pub polls: Polls,
    pub wordings: Wordings,
    /// Hashes of the words that calls used.
    pub given: Hashes,
    /// The primary cause of each call.
    pub primary: ByStep<usize>,
    /// Those for the call that is looked at.
    pub proposals: Vec<(usize, Vec<Proposal>)>,
    now: usize,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        events: &'a [Event],
        acts: &'a [Option<Act>],
        asked: &'a Asked,
        steps: &'a [Step<'a>],
        said: HashMap<usize, Vec<usize>>,
    ) -> Self {
        Self {
            events,
            steps,
            acts,
            asked,
            said,
            index: Index::new(asked),
            view: 0,
            turns: Turns::default(),
            prompts: Prompts::default(),
            changes: Changes::default(),
            checks: Checks::default(),
            runs: Runs::default(),
            polls: Polls::default(),
            wordings: Wordings::default(),
            given: Hashes::default(),
            primary: ByStep::default(),
            proposals: Vec::new(),
            now: 0,
        }
    }

    /// The act of a call; of other steps none.
    pub(super) fn act(&self, n: usize) -> Option<&'a Act> {
        self.acts.get(self.steps[n].event)?.as_ref()
    }

    /// Whether a call's output is what a sub-agent reports.
    pub(super) fn is_report(&self, n: usize) -> bool {
        self.is(self.polls.source(n).unwrap_or(n), |b| b.kind == Kind::Spawn && !b.failed)
    }

    /// Whether a step is a call that satisfies `f`.
    pub(super) fn is(&self, n: usize, f: impl Fn(&Act) -> bool) -> bool {
        self.act(n).is_some_and(f)
    }

    pub(super) fn event(&self, n: usize) -> &'a Event {
        &self.events[self.steps[n].event]
    }

    /// The output of a call without its header, the text of another step.
    pub(super) fn shown(&self, n: usize) -> &str {
        let text = &self.steps[n].text;
        let text = start(text, LIMIT);
        if self.steps[n].what == What::Call { body(text) } else { text }
    }

    /// The call that is looked at.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// The causes of its calls; `apart`: with other threads reading ahead.
    pub(super) fn run(mut self, apart: bool) -> Vec<(usize, Vec<Cause>)> {
        let mut out = Vec::new();
        let mut queue: VecDeque<(usize, Seen<'a>)> = VecDeque::new();
        let (steps, events, acts, asked) = (self.steps, self.events, self.acts, self.asked);
        let seen = |s: &'a Step<'a>| Seen::of(s, &events[s.event], acts.get(s.event).and_then(Option::as_ref), asked);
        if !apart {
            for (n, step) in steps.iter().enumerate() {
                self.step(n, seen(step), &mut queue, &mut out);
            }
            return out;
        }
        let mut chunks = steps.chunks(AHEAD);
        let mut read = || chunks.next().unwrap_or_default().par_iter().map(seen).collect::<Vec<_>>();
        let mut now = read();
        let mut n = 0;
        while !now.is_empty() {
            let pass = || {
                for seen in now {
                    self.step(n, seen, &mut queue, &mut out);
                    n += 1;
                }
            };
            now = rayon::join(pass, &mut read).1;
        }
        out
    }

    fn step(
        &mut self,
        n: usize,
        mut seen: Seen<'a>,
        queue: &mut VecDeque<(usize, Seen<'a>)>,
        out: &mut Vec<(usize, Vec<Cause>)>,
    ) {
        while let Some((m, seen)) = queue.pop_front_if(|(m, _)| self.steps[*m].turn < self.steps[n].turn) {
            self.enter(m, seen);
        }
        self.now = n;
        self.proposals.clear();
        match self.steps[n].what {
            What::Call => {
                queue.push_back((n, seen));
                self.propose(n);
                out.push((self.steps[n].event, self.decide(n, CAP)));
            }
            // what the agent says is no observation: nothing later uses it
            What::Answer => {
                self.answer(n);
                let mut causes = self.decide(n, answer::CAP);
                causes.retain(|c| c.confidence >= FLOOR);
                out.push((self.steps[n].event, causes));
            }
            What::Prompt | What::Meta | What::Noise => {
                let about = seen.about.take();
                queue.push_back((n, seen));
                self.prompt(n, about);
            }
        }
    }

    /// A step whose turn is over enters the index, and leaves its mark on the state.
    fn enter(&mut self, n: usize, seen: Seen<'a>) {
        self.enter_texts(n, &seen);
        if let Some(a) = self.act(n) {
            self.remember(n, a, seen);
        }
    }

    fn enter_texts(&mut self, n: usize, seen: &Seen<'a>) {
        let Some(a) = self.act(n) else { return self.index.show(&seen.shown, n) };
        if a.kind != Kind::Todo {
            self.index.coin(&seen.need, n, true);
            for p in &a.paths {
                if !self.index.knows_path(p) {
                    self.index.add_path(p, n);
                }
            }
        }
        self.index.coin(&seen.new, n, false);
        if !(a.failed && a.kind == Kind::Edit) {
            for e in &a.edits {
                self.index.edit(&e.path, n);
                for l in &e.added {
                    self.index.add_line(line_hash(l), n, false);
                }
            }
        }
        self.index.show(&seen.shown, n);
        for (_, place) in &a.searches {
            self.index.show_numbers(place, body(&self.steps[n].text), n);
        }
        for (path, from, to) in &a.reads {
            self.index.read(path, *from, *to, n);
        }
    }

    fn remember(&mut self, n: usize, a: &'a Act, seen: Seen<'a>) {
        let text: &str = &self.steps[n].text;
        self.turns.enter(n, self.steps);
        self.changes.enter(n, a, seen.wrote);
        // what a poll tells is of the call that it asks about
        let of = self.polls.source(n).unwrap_or(n);
        let checked = self.act(of).map(Act::categories).unwrap_or_default();
        self.runs.enter(n, a, text, !checked.is_empty(), self.is_report(n));
        self.checks.enter(n, a, text, checked);
        self.wordings.enter(n, a);
        self.polls.enter(n, seen.ids);
        self.given.extend(seen.need);
        if a.kind == Kind::Ask && !a.failed {
            self.prompts.questions.push(n);
        }
    }

    fn propose(&mut self, n: usize) {
        let Some(a) = self.act(n) else { return };
        // a command of the user's own, and a call that the client made up, follow from nothing that the model saw
        let flag = |key: &str| self.event(n).extra.get(key).and_then(serde_json::Value::as_bool) == Some(true);
        if flag("by_user") || flag("by_client") {
            return;
        }
        let last_prompt = self.last_prompt();
        let after_prompt = |m: &usize| last_prompt.is_none_or(|p| *m > p);
        let meta = self.prompts.metas.last().copied().filter(after_prompt).filter(|m| *m >= self.view);
        let fresh = self.is_fresh();
        let previous = self.previous();
        if let Some(meta) = meta {
            let turns = self.turns.after(meta);
            if let Some(p) = last_prompt.filter(|p| turns <= 1 && self.prompt_names(*p, meta, a)) {
                self.put(p, Rule::PromptFirst, if turns == 0 { 1.0 } else { 0.8 }, None);
            } else if turns <= 1 {
                self.put(meta, Rule::Meta, if turns == 0 { 1.0 } else { 0.8 }, None);
            }
            if turns == 0 {
                return;
            }
        } else if let (true, Some(p)) = (fresh, last_prompt) {
            self.put(p, Rule::PromptFirst, 1.0, None);
        }
        if a.kind == Kind::Poll && self.poll(n, a) {
            return;
        }
        if a.kind == Kind::Todo {
            self.bookkeeping(&previous, fresh);
            return;
        }
        if let [.., last] = self.since()
            && let [one] = last.as_slice()
            && self.is(*one, |a| a.kind == Kind::Todo)
            && !fresh
        {
            let one = *one;
            self.put(one, Rule::TodoPlan, 1.0, None);
        }
        match a.group {
            Group::Edit => self.edit_rules(n, a, &previous),
            Group::Check => self.check_rules(n, a, &previous),
            Group::Explore => {}
        }
        self.repeat_rules(a, &previous, fresh);
        // a check that verifies nothing, and that nothing asked for, is a look like any other
        if a.group == Group::Explore || a.group == Group::Check && self.proposals.is_empty() {
            self.explore_rules(n, a, &previous, fresh);
        }
        self.mark_gone(a);
        if self.proposals.is_empty() {
            match (previous.last(), last_prompt) {
                (Some(&m), _) => self.put(m, Rule::PrevSingle, 1.0, None),
                (None, Some(p)) => self.put(p, Rule::PromptFirst, 1.0, None),
                (None, None) => {}
            }
        }
    }

    fn bookkeeping(&mut self, previous: &[usize], fresh: bool) {
        let done: Vec<usize> = previous.to_vec();
        let last = done.last().copied();
        if fresh {
            if let Some(list) = self.since().last().and_then(|t| t.last()).copied() {
                self.put(list, Rule::Todo, 1.0, None);
            }
            return;
        }
        for m in done {
            self.put(m, Rule::Todo, if Some(m) == last { 1.0 } else { 0.5 }, None);
        }
    }
}
