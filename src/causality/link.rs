//! The pass: one lane per agent, its steps in order, each call's rules asked for proposals.
//!
//! A call's candidates are steps of earlier turns of the same agent that are still in its context. What decides is (a) the
//! turn, (b) what kind of act the call is, (c) for each kind a few exact questions to the index: which edits came since the
//! last such run, who last showed the text that is replaced, who showed `path:line`, what was the latest reason to act.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use rayon::prelude::*;

use super::act::{Act, Group, Kind, body};
use super::asked::Asked;
use super::decide::FLOOR;
use super::files::{base, compat};
use super::hash::{ByHash, ByStep, Hashes};
use super::index::{Index, Shown, coined};
use super::prompt::Prompt;
use super::rules::Rule;
use super::shell::{Category, Check, GIT_CHANGES, Kind as ShellKind};
use super::tokens::line_hash;
use super::{Cause, Links};
use crate::action::Action;
use crate::event::{Event, EventType};

/// At most so many causes beside verified edits and sources of replaced text.
const CAP: usize = 4;
/// A lane of more events is long.
const LONG: usize = 256;
/// So many steps are read at once, ahead of the pass.
const AHEAD: usize = 64;

/// The causes of every tool call. `events` are folded and in causal order; `action_of` says what a call does.
pub fn link(events: &[Event], action_of: &(dyn Fn(&Event) -> Action + Sync)) -> Links {
    let mut links: Links = vec![Vec::new(); events.len()];
    let acts: Vec<Option<Act>> = events.par_iter().map(|e| e.is_call().then(|| Act::of(e, &action_of(e)))).collect();
    let asked = Asked::of(events, &acts);
    let mut lanes: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
    for (i, e) in events.iter().enumerate() {
        lanes.entry((&e.session_id, e.agent_id.as_deref())).or_default().push(i);
    }
    // a long lane has both threads to itself, and many short ones share them: never one within another, so that no thread
    // that waits for its lane begins the next
    let (long, short): (Vec<_>, Vec<_>) = lanes.into_values().partition(|members| members.len() > LONG);
    let run = |members: &[usize], apart: bool| -> Vec<(usize, Vec<Cause>)> {
        let dead = |i: &usize| events[*i].extra.get("dead_branch").and_then(serde_json::Value::as_bool) == Some(true);
        let live: Vec<usize> = members.iter().copied().filter(|i| !dead(i)).collect();
        let mut decided = lane(events, &acts, &asked, &live, apart);
        if live.len() < members.len() {
            // what the user took back is out of view of all that came after, but had its own reasons
            let all = lane(events, &acts, &asked, members, apart);
            decided.extend(all.into_iter().filter(|(i, _)| dead(i)));
        }
        decided
    };
    let mut decided: Vec<_> = long.iter().map(|members| run(members, true)).collect();
    decided.par_extend(short.par_iter().map(|members| run(members, false)));
    for (i, causes) in decided.into_iter().flatten() {
        // what a client does by itself has no other causes than its proven parents
        if !automatic(&events[i]) {
            links[i] = causes;
        }
    }
    links
}

fn automatic(e: &Event) -> bool {
    !e.parents.is_empty() && e.extra.get("automatic").is_some_and(|v| v == true)
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The user's words.
    Prompt,
    /// Injected text that instructs: a skill, a command, the summary of a compaction.
    Meta,
    /// Injected text that only tells something.
    Noise,
    /// The agent's words that no call followed.
    Answer,
    Call,
}

/// A step of a lane.
pub(super) struct Step<'a> {
    pub event: usize,
    pub what: What,
    pub turn: usize,
    pub text: std::borrow::Cow<'a, str>,
}

/// What the pass asks of a step's texts. It depends on no other step.
struct Seen<'a> {
    shown: Shown<'a>,
    /// Hashes of the words of what a call needs, and of what it writes.
    need: Vec<u64>,
    new: Vec<u64>,
    /// Those of `new` that a later use would be known by.
    wrote: Vec<u64>,
    /// Ids under which it can be asked about.
    ids: Vec<String>,
    about: Option<Prompt>,
}

impl<'a> Seen<'a> {
    fn of(step: &'a Step<'_>, event: &Event, act: Option<&Act>, asked: &Asked) -> Self {
        let text: &str = &step.text;
        let Some(a) = act else {
            // nothing later uses what the agent says
            let shown = if step.what == What::Answer { Shown::default() } else { Shown::of(text, true, asked) };
            let about = matches!(step.what, What::Prompt | What::Meta).then(|| Prompt::of(text, &shown));
            return Self { shown, need: Vec::new(), new: Vec::new(), wrote: Vec::new(), ids: Vec::new(), about };
        };
        let (new, wrote) = coined(&a.new, asked);
        let ids = poll_ids(event, text);
        let shown = Shown::of(body(text), false, asked);
        Self { shown, need: coined(&a.need, asked).0, new, wrote, ids, about: None }
    }
}

/// A proposal: the rule, how strongly it applies (0 to 1), and the text it rests on.
pub(super) type Proposal = (Rule, f32, Option<String>);

/// The causes of an agent's calls; `apart`: with other threads reading ahead.
fn lane(
    events: &[Event],
    acts: &[Option<Act>],
    asked: &Asked,
    members: &[usize],
    apart: bool,
) -> Vec<(usize, Vec<Cause>)> {
    let (steps, said) = steps(events, members);
    Lane::new(events, acts, asked, &steps, said).run(apart)
}

/// An agent's steps, and the events with its own words in the turn of each call.
fn steps<'a>(events: &'a [Event], members: &[usize]) -> (Vec<Step<'a>>, HashMap<usize, Vec<usize>>) {
    let mut steps: Vec<Step<'a>> = Vec::new();
    let mut turn = 0;
    let mut last: Option<&str> = None;
    let calls = members.iter().map(|i| &events[*i]).filter(|e| e.is_call());
    let working: HashSet<&str> = calls.filter_map(|e| e.turn_id.as_deref()).collect();
    let mut said: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut words: Vec<usize> = Vec::new();
    for &i in members {
        let e = &events[i];
        let what = match &e.event_type {
            EventType::ToolCall => What::Call,
            EventType::UserInput => What::Prompt,
            EventType::ContextUpdate if instructs(e) => What::Meta,
            EventType::ContextUpdate => What::Noise,
            EventType::Message if e.turn_id.as_deref().is_none_or(|t| !working.contains(t)) => What::Answer,
            EventType::Message | EventType::Reasoning => {
                // words of a response keep its turn open
                words.push(i);
                if words.len() > 8 {
                    words.remove(0);
                }
                continue;
            }
            _ => continue,
        };
        let same = what == What::Call && e.turn_id.is_some() && e.turn_id.as_deref() == last;
        if what != What::Call {
            words.clear();
        } else if same && words.is_empty() {
            if let Some(before) = said.get(&(steps.len() - 1)).cloned() {
                said.insert(steps.len(), before);
            }
        } else if !words.is_empty() {
            said.insert(steps.len(), std::mem::take(&mut words));
        }
        if !same {
            turn += 1;
        }
        last = if what == What::Call { e.turn_id.as_deref() } else { None };
        let text = if what == What::Call { decoded(e) } else { e.input_text() };
        steps.push(Step { event: i, what, turn, text });
    }
    (steps, said)
}

/// One agent's steps.
pub(super) struct Lane<'a> {
    pub events: &'a [Event],
    pub steps: &'a [Step<'a>],
    acts_all: &'a [Option<Act>],
    asked: &'a Asked,
    pub index: Index<'a>,
    /// The first step that is still in the context.
    pub view: usize,
    // what finished calls left behind
    pub turns: Vec<Vec<usize>>,
    /// Number of turns when the latest prompt came.
    pub turns_before_prompt: usize,
    pub prompts: Vec<usize>,
    pub metas: Vec<usize>,
    pub about: ByStep<Prompt>,
    pub checks: Vec<(usize, Check)>,
    /// The last call of each wording.
    pub norm: ByHash<usize>,
    /// The words of the last wordings.
    pub recent_norms: VecDeque<(Hashes, u64)>,
    pub edits: Vec<usize>,
    pub changes: Vec<usize>,
    pub verified_by: ByStep<Vec<usize>>,
    pub gone: HashSet<usize>,
    pub runs: Vec<usize>,
    pub open: Vec<(usize, BTreeSet<Category>)>,
    pub poll_source: ByStep<usize>,
    /// The polls of a call, in order.
    pub polls: ByStep<Vec<usize>>,
    pub poll_ids: HashMap<String, usize>,
    pub reason: ByStep<usize>,
    pub follows: ByStep<usize>,
    pub how_known: Hashes,
    /// Words that calls used.
    pub given: Hashes,
    pub wrote: ByHash<usize>,
    pub asks: Vec<usize>,
    pub ran_at: Vec<usize>,
    pub thrown: HashMap<String, usize>,
    pub primary: ByStep<usize>,
    /// Calls that moved or removed files.
    pub moved: Vec<usize>,
    /// Events with the agent's own words in the turn of a call.
    pub said: HashMap<usize, Vec<usize>>,
    proposals: Vec<(usize, Vec<Proposal>)>,
    now: usize,
}

impl<'a> Lane<'a> {
    fn new(
        events: &'a [Event],
        acts: &'a [Option<Act>],
        asked: &'a Asked,
        steps: &'a [Step<'a>],
        said: HashMap<usize, Vec<usize>>,
    ) -> Self {
        Self {
            events,
            steps,
            acts_all: acts,
            asked,
            index: Index::new(asked),
            view: 0,
            turns: Vec::new(),
            turns_before_prompt: 0,
            prompts: Vec::new(),
            metas: Vec::new(),
            about: ByStep::default(),
            checks: Vec::new(),
            norm: ByHash::default(),
            recent_norms: VecDeque::new(),
            edits: Vec::new(),
            changes: Vec::new(),
            verified_by: ByStep::default(),
            gone: HashSet::new(),
            runs: Vec::new(),
            open: Vec::new(),
            poll_source: ByStep::default(),
            polls: ByStep::default(),
            poll_ids: HashMap::new(),
            reason: ByStep::default(),
            follows: ByStep::default(),
            how_known: Hashes::default(),
            given: Hashes::default(),
            wrote: ByHash::default(),
            asks: Vec::new(),
            ran_at: Vec::new(),
            thrown: HashMap::new(),
            primary: ByStep::default(),
            moved: Vec::new(),
            said,
            proposals: Vec::new(),
            now: 0,
        }
    }

    /// The act of a call; of other steps none.
    pub(super) fn act(&self, n: usize) -> Option<&'a Act> {
        self.acts_all.get(self.steps[n].event)?.as_ref()
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
        let text = &text[..super::tokens::floor(text, super::tokens::LIMIT)];
        if self.steps[n].what == What::Call { body(text) } else { text }
    }

    /// Proposes a cause of the call that is looked at.
    pub(super) fn put(&mut self, cause: usize, rule: Rule, strength: f32, span: Option<String>) {
        if cause < self.view || self.steps[cause].turn >= self.steps[self.now].turn || strength <= 0.0 {
            return;
        }
        let strength = strength.min(1.0);
        let at = match self.proposals.iter().position(|(c, _)| *c == cause) {
            Some(at) => at,
            None => {
                self.proposals.push((cause, Vec::new()));
                self.proposals.len() - 1
            }
        };
        let list = &mut self.proposals[at].1;
        match list.iter_mut().find(|(r, ..)| *r == rule) {
            Some(old) if old.1 < strength => *old = (rule, strength, span),
            Some(_) => {}
            None => list.push((rule, strength, span)),
        }
    }

    /// Makes what a rule says of all steps but one weaker.
    pub(super) fn weaken(&mut self, keep: usize, rule: Rule, factor: f32) {
        for (_, list) in self.proposals.iter_mut().filter(|(m, _)| *m != keep) {
            for (_, x, _) in list.iter_mut().filter(|(r, ..)| *r == rule) {
                *x *= factor;
            }
        }
    }

    /// The call that is looked at.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// The proposals so far.
    pub(super) fn proposed(&self) -> &[(usize, Vec<Proposal>)] {
        &self.proposals
    }

    fn run(mut self, apart: bool) -> Vec<(usize, Vec<Cause>)> {
        let mut out = Vec::new();
        let mut queue: VecDeque<(usize, Seen<'a>)> = VecDeque::new();
        let (steps, events, acts, asked) = (self.steps, self.events, self.acts_all, self.asked);
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
                let mut causes = self.decide(n, super::answer::CAP);
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

    /// A prompt or an injected text comes into the context.
    fn prompt(&mut self, n: usize, about: Option<Prompt>) {
        let e = self.event(n);
        if e.extra.get("compaction").and_then(serde_json::Value::as_bool) == Some(true) {
            // what came before is no longer seen; the summary stands for it
            self.view = n;
            self.open.clear();
        }
        match self.steps[n].what {
            What::Prompt => {
                let mut about = about;
                let answer = n.checked_sub(1).filter(|m| self.steps[*m].what == What::Answer);
                if let (Some(a), Some(m)) = (about.as_mut().filter(|a| a.agrees), answer) {
                    // a "yes" says what the agent offered
                    let text = &self.steps[m].text;
                    let from = text.len().saturating_sub(600);
                    let from = (from..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
                    a.squeezed.push(' ');
                    a.squeezed.push_str(&squeeze(&text[from..]));
                }
                self.about.extend(about.map(|a| (n, a)));
                self.prompts.push(n);
                self.open.clear();
                self.turns_before_prompt = self.turns.len();
            }
            What::Meta => {
                self.about.extend(about.map(|a| (n, a)));
                self.metas.push(n);
            }
            What::Noise | What::Answer | What::Call => {}
        }
    }

    /// The calls of the last so many turns, the newest turn first; of a wide turn only its last ones.
    pub(super) fn recent(&self, turns: usize) -> impl Iterator<Item = usize> {
        self.turns.iter().rev().take(turns).flat_map(|t| last_of(t).iter().copied())
    }

    /// The latest prompt that is still in view.
    pub(super) fn last_prompt(&self) -> Option<usize> {
        self.prompts.last().copied().filter(|p| *p >= self.view && self.steps[*p].turn < self.steps[self.now].turn)
    }

    /// Turns with calls since the latest prompt.
    pub(super) fn since(&self) -> &[Vec<usize>] {
        let from = if self.prompts.is_empty() { 0 } else { self.turns_before_prompt };
        &self.turns[from.min(self.turns.len())..]
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
        for c in &a.checks {
            self.checks.push((n, c.clone()));
        }
        let norm = norm_key(&a.norm);
        if self.norm.insert(norm, n).is_none() {
            self.recent_norms.push_back((norm_words(&a.norm), norm));
            if self.recent_norms.len() > 60 {
                self.recent_norms.pop_front();
            }
        }
        let failed_edit = a.failed && a.kind == Kind::Edit;
        if !(a.edits.is_empty() || failed_edit || a.scratch) {
            self.edits.push(n);
            for hash in seen.wrote {
                self.wrote.insert(hash, n);
            }
        }
        let changes_git = a.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str()));
        if a.group == Group::Edit || a.is_shell(&[ShellKind::Vcs]) || changes_git {
            self.changes.push(n);
        }
        let moves = a.git.iter().any(|g| matches!(g.as_str(), "mv" | "rm"))
            || a.is_shell(&[ShellKind::FileOp])
                && a.norm.split(" && ").any(|c| matches!(c.split_whitespace().next(), Some("mv" | "rm")));
        if moves && !a.failed {
            self.moved.push(n);
        }
        let turn = self.steps[n].turn;
        match self.turns.last_mut() {
            Some(t) if t.first().is_some_and(|m| self.steps[*m].turn == turn) => t.push(n),
            _ => self.turns.push(vec![n]),
        }
        if a.kind == Kind::Ask && !a.failed {
            self.asks.push(n);
        }
        if a.is_shell(&[ShellKind::Run, ShellKind::Test, ShellKind::Lint, ShellKind::Build]) {
            self.ran_at.push(n);
        }
        if !a.looks() && a.group != Group::Edit {
            self.how_known.extend(super::check::how_words(a).into_iter().map(|(h, _)| h));
        }
        self.given.extend(seen.need.iter().copied());
        for id in seen.ids {
            self.poll_ids.entry(id).or_insert(n);
        }
        let source = self.poll_source.get(&n).copied().unwrap_or(n);
        let categories = self.act(source).map(Act::categories).unwrap_or_default();
        if !categories.is_empty() {
            if a.failed {
                self.open.push((n, categories));
            } else if !still_running(text) {
                self.open.retain(|(_, c)| c.is_disjoint(&categories));
            }
        } else {
            let quiet = |g: &String| matches!(g.as_str(), "status" | "branch" | "commit" | "log" | "diff");
            let tells = a.is_shell(&[ShellKind::Run, ShellKind::Inspect, ShellKind::FileOp])
                || a.kind == Kind::Other
                || a.failed && a.is_shell(&[ShellKind::Vcs]);
            if tells && !a.git.iter().any(quiet) && body(text).trim().len() > 30 {
                self.runs.push(n);
            }
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
        let meta = self.metas.last().copied().filter(after_prompt).filter(|m| *m >= self.view);
        let fresh = self.is_fresh();
        let previous = self.previous();
        if let Some(meta) = meta {
            let turns = self.turns.iter().rev().take_while(|t| t.first().is_some_and(|m| *m > meta)).take(3).count();
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

    /// Whether the prompt, and not the text that was loaded after it, speaks of what a call looks at.
    fn prompt_names(&self, prompt: usize, meta: usize, a: &Act) -> bool {
        let (Some(p), Some(m)) = (self.about.get(&prompt), self.about.get(&meta)) else { return false };
        let stems =
            a.paths.iter().flat_map(|p| base(p).split(['.', '-', '_']).map(str::to_lowercase).collect::<Vec<_>>());
        stems.filter(|s| s.len() >= 4).any(|s| p.plain.contains(&s) && !m.plain.contains(&s))
    }

    fn poll(&mut self, n: usize, a: &Act) -> bool {
        let mut found = false;
        for id in a.poll.iter().filter(|id| id.len() > 1) {
            let Some(&source) = self.poll_ids.get(id).filter(|m| self.steps[**m].turn < self.steps[n].turn) else {
                continue;
            };
            self.put(source, Rule::Poll, 1.0, Some(id.clone()));
            if self.poll_source.insert(n, source) != Some(source) {
                self.polls.entry(source).or_default().push(n);
            }
            let polls_it = |m: &usize| self.poll_source.get(m) == Some(&source) && *m != n;
            let recent = self.recent(3).filter(polls_it).max();
            if let Some(again) = recent {
                self.put(again, Rule::PollAgain, 1.0, Some(id.clone()));
            }
            found = true;
        }
        found && !self.proposals.is_empty()
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

    /// Edits whose text this one took away again count no longer.
    fn mark_gone(&mut self, a: &Act) {
        if a.failed {
            return;
        }
        let mut gone = Vec::new();
        for e in &a.edits {
            let added: HashSet<&str> = e.added.iter().map(String::as_str).collect();
            let taken: HashSet<&str> = e.removed.iter().map(String::as_str).filter(|l| !added.contains(l)).collect();
            if taken.is_empty() {
                continue;
            }
            for &m in self.edits.iter().rev().take(12) {
                if let Some([other]) = self.act(m).map(|b| b.edits.as_slice())
                    && compat(&e.path, &other.path) > 0
                    && !other.added.is_empty()
                {
                    let lines: HashSet<&str> = other.added.iter().map(String::as_str).collect();
                    let left = lines.iter().filter(|l| taken.contains(**l)).count();
                    if left * 10 >= lines.len() * 6 {
                        gone.push(m);
                    }
                }
            }
        }
        self.gone.extend(gone);
    }
}

/// The output of a call, the strings of a value in it as they would be printed: tools of no known kind answer with JSON, in
/// which a line ends with `\n` and the path behind it would not be seen.
fn decoded(e: &Event) -> std::borrow::Cow<'_, str> {
    let text = e.output_text();
    if !text.contains("\\n") || !body(&text).trim_start().starts_with(['{', '[']) {
        return text;
    }
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"").into()
}

/// Whether injected text instructs the agent, as a skill or a command of the user does.
fn instructs(e: &Event) -> bool {
    let flag = |key: &str| e.extra.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    flag("instructs") || flag("compaction") && e.input_text().len() > 200
}

/// With single blanks.
pub(super) fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for w in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(w);
    }
    out
}

/// The last calls of a turn: more than that nobody chooses from.
pub(super) fn last_of(turn: &[usize]) -> &[usize] {
    &turn[turn.len().saturating_sub(64)..]
}

/// The wording of a call, whatever its blanks.
pub(super) fn norm_key(norm: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(squeeze(norm).as_bytes())
}

pub(super) fn norm_words(norm: &str) -> Hashes {
    let parts = norm.split(|c: char| !(c.is_alphanumeric() || "_./-".contains(c))).filter(|w| !w.is_empty());
    parts.map(|w| xxhash_rust::xxh3::xxh3_64(w.as_bytes())).collect()
}

fn still_running(text: &str) -> bool {
    let head = &text[..super::tokens::floor(text, 400)];
    ["running with session", "running in background", "Command running", "still running"]
        .iter()
        .any(|s| head.contains(s))
}

/// Ids under which something that a call started can be asked about later: what the source recorded, and the ids in the head
/// of its output.
fn poll_ids(e: &Event, text: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        ["background_task", "spawned"].iter().filter_map(|k| e.extra.get(*k)?.as_str().map(str::to_owned)).collect();
    let head = &text[..super::tokens::floor(text, 4000)];
    for mark in [
        "session ID ",
        "cell ID ",
        "with ID: ",
        "ID: ",
        "agent_id\":\"",
        "agentId: ",
        "shellId: ",
        "task_id\":\"",
        "id=\"",
    ] {
        for (at, _) in head.match_indices(mark) {
            let rest = &head[at + mark.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).unwrap_or(rest.len());
            if end > 0 {
                ids.push(rest[..end].to_owned());
            }
        }
    }
    ids
}
