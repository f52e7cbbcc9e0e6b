//! The DAG of a session: events in causal order, proven parents, inferred causes.
//!
//! Causal order is the order of time where times are known, moved as little as needed so that every proven parent stands
//! before its children. An event without a time keeps its place behind the one before it. The number that views show is the
//! position in this order, from 1.

mod kept;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Deref;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};

use crate::action::Action;
use crate::causality::{self, Cause, Links};
use crate::event::{Event, EventType};

/// A session, or several that spawned each other, as a graph. Its events may be heads only (see [`Graph::from_blocks`]); what
/// needs them whole takes a [`Whole`].
#[derive(Debug, Default)]
pub struct Graph {
    /// The events in causal order: at least their heads.
    pub events: Vec<Event>,
    /// What each event does ([`Action::Other`] for what is no call); with heads, edits are without their texts.
    pub actions: Vec<Action>,
    /// The proven parents of each event that are in the graph, in the order the agent gives them.
    pub parents: Vec<Vec<usize>>,
    /// Ids of proven parents that are not in the graph.
    pub missing: Vec<Vec<String>>,
    /// The inferred causes of each call and answer, the primary first. They always stand before their effect.
    pub causes: Links,
    /// Proven edges (parent, child) that were left out because they would close a cycle.
    pub cut: Vec<(usize, usize)>,
    /// For each event, those it led to: as a cause, or as the proven parent of what has no cause of its own.
    effects: OnceLock<Vec<Vec<usize>>>,
    /// Messages that no call of the same response follows or precedes.
    answers: Vec<bool>,
    /// Asked for with every row: looking for it each time made views of sessions that record none quadratic.
    cwd: Option<String>,
}

/// A graph whose events are whole: with their inputs, outputs and all that was recorded of them.
#[derive(Debug, Default)]
pub struct Whole(Graph);

impl Whole {
    /// The graph, of which nobody will ask more than heads.
    pub fn into_heads(self) -> Graph {
        self.0
    }

    fn build(events: Vec<Event>, action_of: &dyn Fn(&Event) -> Action, link: impl FnOnce(&[Event]) -> Links) -> Self {
        let mut events = folded(events);
        join(&mut events);
        let (events, parents, missing, cut) = ordered(events);
        let actions: Vec<Action> = events.iter().map(action_of).collect();
        let causes = link(&events);
        Self(Graph {
            effects: OnceLock::new(),
            answers: answers(&events),
            cwd: directory(&events),
            events,
            actions,
            parents,
            missing,
            causes,
            cut,
        })
    }
}

impl AsRef<Graph> for Whole {
    fn as_ref(&self) -> &Graph {
        &self.0
    }
}

impl AsRef<Graph> for Graph {
    fn as_ref(&self) -> &Graph {
        self
    }
}

impl Deref for Whole {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.0
    }
}

impl Graph {
    /// Orders and links the events. Of several with one id the later folds into the first. Near linear in their number.
    #[expect(clippy::new_ret_no_self, reason = "a graph that is made of events is one of whole events")]
    pub fn new(events: Vec<Event>, action_of: &(dyn Fn(&Event) -> Action + Sync)) -> Whole {
        Whole::build(events, action_of, |events| causality::link(events, action_of))
    }

    /// The same without inferred causes, where only order and actions are asked for.
    pub fn unlinked(events: Vec<Event>, action_of: &dyn Fn(&Event) -> Action) -> Whole {
        Whole::build(events, action_of, |events| vec![Vec::new(); events.len()])
    }

    /// Whether a message is an answer: its response made no call.
    pub fn is_answer(&self, i: usize) -> bool {
        self.answers[i]
    }

    /// The working directory of the session: of its header, else the first recorded.
    pub fn cwd(&self) -> Option<&str> {
        self.cwd.as_deref()
    }

    /// The primary cause of a call.
    pub fn primary(&self, i: usize) -> Option<&Cause> {
        self.causes[i].first()
    }

    /// Whether an event is a person's own words. What the agent did before is what they answer, not what made them: no story
    /// goes back beyond them. The prompt that a call gives to a sub-agent is no person's.
    pub fn is_persons(&self, i: usize) -> bool {
        let e = &self.events[i];
        let elsewhere = |p: &usize| {
            let other = &self.events[*p];
            (&other.agent_id, &other.session_id) != (&e.agent_id, &e.session_id)
        };
        e.event_type == EventType::UserInput && e.agent_id.is_none() && !self.parents[i].iter().any(elsewhere)
    }

    /// What led to an event: its causes; where it has none (injected text), its proven parents; for the agent's words both, for
    /// these follow from what it saw last and tell of what it saw before. Nothing in the session led to a person's words.
    pub fn reasons(&self, i: usize) -> Vec<usize> {
        if self.is_persons(i) {
            return Vec::new();
        }
        let mut all: Vec<usize> = self.causes[i].iter().map(|c| c.event).collect();
        if all.is_empty() || !self.events[i].is_call() {
            let more = self.parents[i].iter().filter(|p| !all.contains(p));
            let more: Vec<usize> = more.copied().collect();
            all.extend(more);
        }
        all
    }

    /// What an event led to, in order.
    pub fn effects(&self, i: usize) -> &[usize] {
        // most views ask for none
        let all = self.effects.get_or_init(|| {
            let mut effects = vec![Vec::new(); self.events.len()];
            for i in 0..self.events.len() {
                for p in self.reasons(i) {
                    effects[p].push(i);
                }
            }
            effects
        });
        &all[i]
    }

    /// The event below which this one hangs in the tree: the primary cause of a call, else the first proven parent; none for a
    /// person's words.
    pub fn tree_parent(&self, i: usize) -> Option<usize> {
        self.primary(i)
            .filter(|_| self.events[i].is_call())
            .map(|c| c.event)
            .or_else(|| self.proven_parent(i).filter(|_| !self.is_persons(i)))
    }

    /// The first proven parent.
    pub fn proven_parent(&self, i: usize) -> Option<usize> {
        self.parents[i].first().copied()
    }

    /// All events from which this one follows, in order, itself left out.
    pub fn ancestors(&self, i: usize) -> Vec<usize> {
        self.reach(i, |g, n| g.reasons(n))
    }

    /// All events that follow from this one, in order, itself left out.
    pub fn descendants(&self, i: usize) -> Vec<usize> {
        self.reach(i, |g, n| g.effects(n).to_vec())
    }

    fn reach(&self, start: usize, next: impl Fn(&Self, usize) -> Vec<usize>) -> Vec<usize> {
        let mut seen = vec![false; self.events.len()];
        let mut todo = vec![start];
        while let Some(n) = todo.pop() {
            for m in next(self, n) {
                if !std::mem::replace(&mut seen[m], true) {
                    todo.push(m);
                }
            }
        }
        seen[start] = false;
        (0..seen.len()).filter(|n| seen[*n]).collect()
    }
}

/// Ties a spawned session to the call that began it, where only the call's record names the session (`spawned`): its first
/// prompt follows from that call.
fn join(events: &mut [Event]) {
    let spawned = |e: &Event| Some((e.extra.get("spawned")?.as_str()?.to_owned(), e.event_id.clone()));
    let calls: HashMap<String, String> = events.iter().filter(|e| e.is_call()).filter_map(spawned).collect();
    if calls.is_empty() {
        return;
    }
    let mut begun = std::collections::HashSet::new();
    for e in events.iter_mut().filter(|e| matches!(e.event_type, EventType::UserInput | EventType::ContextUpdate)) {
        let own = calls.get(&e.session_id).filter(|_| e.agent_id.is_none());
        if let Some(call) = own
            && begun.insert(e.session_id.clone())
            && e.parents.is_empty()
        {
            e.parents.push(call.clone());
        }
    }
}

/// The working directory of a session's events.
fn directory(events: &[Event]) -> Option<String> {
    let header = events.iter().find(|e| e.event_type == EventType::Session && e.cwd.is_some());
    header.or_else(|| events.iter().find(|e| e.cwd.is_some())).and_then(|e| e.cwd.clone())
}

/// Messages of responses that made no call.
fn answers(events: &[Event]) -> Vec<bool> {
    type Response<'a> = (&'a str, Option<&'a str>, &'a str);
    fn response(e: &Event) -> Option<Response<'_>> {
        Some((&e.session_id, e.agent_id.as_deref(), e.turn_id.as_deref()?))
    }
    let working: std::collections::HashSet<_> = events.iter().filter(|e| e.is_call()).filter_map(response).collect();
    let answer = |e: &Event| e.event_type == EventType::Message && response(e).is_none_or(|k| !working.contains(&k));
    events.iter().map(answer).collect()
}

/// One event per id.
fn folded(events: Vec<Event>) -> Vec<Event> {
    let mut at: HashMap<String, usize> = HashMap::with_capacity(events.len());
    let mut out: Vec<Event> = Vec::with_capacity(events.len());
    for e in events {
        match at.get(&e.event_id) {
            Some(&i) => out[i].fold(e),
            None => {
                at.insert(e.event_id.clone(), out.len());
                out.push(e);
            }
        }
    }
    out
}

type Ordered = (Vec<Event>, Vec<Vec<usize>>, Vec<Vec<String>>, Vec<(usize, usize)>);

/// The events in causal order with their parents resolved.
fn ordered(events: Vec<Event>) -> Ordered {
    let n = events.len();
    let index: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i)).collect();
    let mut missing: Vec<Vec<String>> = vec![Vec::new(); n];
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); n];
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); n];
    let mut cut = Vec::new();
    for (i, e) in events.iter().enumerate() {
        for id in &e.parents {
            match index.get(id.as_str()) {
                Some(&p) if p == i => cut.push((i, i)),
                Some(&p) if !parents[i].contains(&p) => {
                    parents[i].push(p);
                    children[p].push(i);
                }
                Some(_) => {}
                None => missing[i].push(id.clone()),
            }
        }
    }
    let keys = keys(&events);
    let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<(&Key, usize)>> =
        (0..n).filter(|i| waiting[*i] == 0).map(|i| Reverse((&keys[i], i))).collect();
    let mut order = Vec::with_capacity(n);
    let mut placed = vec![false; n];
    while order.len() < n {
        let Some(Reverse((_, next))) = ready.pop() else {
            // only cycles are left, and what follows from them
            let closing = closing(&parents, &placed, &keys);
            if closing.is_empty() {
                break;
            }
            for &(p, c) in &closing {
                parents[c].retain(|x| *x != p);
                children[p].retain(|x| *x != c);
                waiting[c] = waiting[c].saturating_sub(1);
                if waiting[c] == 0 {
                    ready.push(Reverse((&keys[c], c)));
                }
            }
            cut.extend(closing);
            continue;
        };
        if std::mem::replace(&mut placed[next], true) {
            continue;
        }
        order.push(next);
        for &c in &children[next] {
            waiting[c] = waiting[c].saturating_sub(1);
            if waiting[c] == 0 && !placed[c] {
                ready.push(Reverse((&keys[c], c)));
            }
        }
    }
    let mut place = vec![0; n];
    for (at, &i) in order.iter().enumerate() {
        place[i] = at;
    }
    let moved = |list: Vec<usize>| list.into_iter().map(|p| place[p]).collect::<Vec<_>>();
    type Slot = Option<(Event, Vec<usize>, Vec<String>)>;
    let mut slots: Vec<Slot> =
        events.into_iter().zip(parents).zip(missing).map(|((e, p), m)| Some((e, p, m))).collect();
    let mut out = (Vec::with_capacity(n), Vec::with_capacity(n), Vec::with_capacity(n), Vec::new());
    for i in order {
        if let Some((e, p, m)) = slots[i].take() {
            out.0.push(e);
            out.1.push(moved(p));
            out.2.push(m);
        }
    }
    out.3 = cut.into_iter().map(|(a, b)| (place[a], place[b])).collect();
    out.3.sort_unstable();
    out.3.dedup();
    out
}

/// The edges (parent, child) that close cycles among the events that are not placed: of each cycle the one that leads from its
/// latest event back.
fn closing(parents: &[Vec<usize>], placed: &[bool], keys: &[Key]) -> Vec<(usize, usize)> {
    let mut latest: Vec<usize> = (0..parents.len()).filter(|i| !placed[*i]).collect();
    latest.sort_by(|a, b| keys[*b].cmp(&keys[*a]));
    let (mut open, mut done) = (vec![false; parents.len()], placed.to_vec());
    let mut found = Vec::new();
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in latest {
        if !done[start] {
            open[start] = true;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            match parents[at].get(*next) {
                Some(&p) => {
                    *next += 1;
                    if open[p] {
                        found.push((p, at));
                    } else if !done[p] {
                        open[p] = true;
                        path.push((p, 0));
                    }
                }
                None => {
                    (open[at], done[at]) = (false, true);
                    path.pop();
                }
            }
        }
    }
    found
}

/// What decides the order where no parent does.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time: Option<DateTime<Utc>>,
    /// Headers stand before what happened at the same moment.
    header: bool,
    file: usize,
    line: u64,
    position: usize,
}

/// Each event's key: its time, else the time of the event before it in the same file; then its place in the file.
fn keys(events: &[Event]) -> Vec<Key> {
    let mut files: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    let mut keys = Vec::with_capacity(events.len());
    for (position, e) in events.iter().enumerate() {
        let next = files.len();
        let file = *files.entry((e.session_id.as_str(), e.source.file.as_deref())).or_insert(next);
        let header = e.event_type != EventType::Session;
        keys.push(Key { time: e.timestamp, header, file, line: e.source.line.unwrap_or(0), position });
    }
    // the lines of a file may have been stored in another order
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|i| (keys[*i].line, *i));
    let mut last: Vec<Option<DateTime<Utc>>> = vec![None; files.len()];
    for i in order {
        let key = &mut keys[i];
        key.time = key.time.or(last[key.file]);
        last[key.file] = key.time;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, at: i64, parents: &[&str]) -> Event {
        Event {
            event_id: id.into(),
            session_id: "s".into(),
            timestamp: DateTime::from_timestamp(at, 0),
            parents: parents.iter().map(|p| (*p).to_owned()).collect(),
            ..Event::default()
        }
    }

    fn ids(g: &Graph) -> String {
        g.events.iter().map(|e| e.event_id.as_str()).collect()
    }

    #[test]
    fn parents_stand_before_children_and_cycles_are_cut() {
        // the clock of b went backwards
        let g =
            Graph::new(vec![event("a", 5, &[]), event("b", 1, &["a"]), event("c", 6, &["b", "x"])], &|_| Action::Other);
        assert_eq!((ids(&g).as_str(), &g.parents[2], &g.missing[2]), ("abc", &vec![1], &vec!["x".to_owned()]));
        let g = Graph::new(vec![event("a", 1, &["c"]), event("b", 2, &["a"]), event("c", 3, &["b", "c"])], &|_| {
            Action::Other
        });
        assert_eq!((ids(&g).as_str(), g.cut.as_slice()), ("abc", &[(2, 0), (2, 2)][..]));
        assert_eq!(g.parents, [vec![], vec![0], vec![1]]);
    }
}
