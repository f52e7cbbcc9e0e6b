//! How lines and responses hang together: which inputs a response had that the response before it of the same agent and
//! branch had not.
//!
//! `parentUuid` is the tree of lines, not of causes: within one response it chains the blocks one to the next, results may
//! stand between them (a slow stream), and the next response points at only one of several results. So the chain is walked
//! up only from the first line of a response, to the response before it; all results of that response's calls are its
//! inputs, and so is what else stands on the way.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::source::given::{Given, written};

/// What a line with a uuid is. A file may have millions of them: what is more than a number stands elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// Part of a response.
    Response(u32),
    /// A prompt or injected text ([`Chain::input`]).
    Input(u32),
    /// Results of calls of a response.
    Results(u32),
    /// Anything that says nothing.
    Passed,
}

/// One response of the model: all lines with one `message.id`.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// What was new in its context.
    pub inputs: Box<[Uuid]>,
    /// Its events, in order.
    pub given: Vec<Part>,
    /// Which of them carries its usage, and the output tokens told so far.
    pub counted: Option<(u32, u64)>,
}

/// An event of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub given: Given,
    /// What the result of a call told, once it is there.
    pub result: Option<Told>,
}

/// What the result of a call told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The user refused it, or cut it off: the same words stand for both.
    Refused,
    /// Anything else.
    Known,
}

impl Response {
    /// Its first text or thought, where no call stands before it.
    pub(super) fn hub(&self) -> Option<Uuid> {
        self.given.first().map(|first| first.given).filter(|first| !first.is_call()).map(|first| first.event)
    }

    /// The parents of its next event.
    pub(super) fn parents(&self) -> Vec<String> {
        match self.hub() {
            Some(hub) => vec![hub.to_string()],
            None => written(&self.inputs),
        }
    }

    /// The calls that the user refused or cut off.
    pub(super) fn refused(&self) -> impl Iterator<Item = Uuid> {
        self.given.iter().filter(|p| p.result == Some(Told::Refused)).map(|p| p.given.event)
    }

    /// The calls whose results came back.
    fn results(&self) -> impl Iterator<Item = Uuid> {
        self.given.iter().filter(|p| p.result.is_some()).map(|p| p.given.event)
    }

    /// The number of its next event.
    pub(super) fn next(&self) -> u32 {
        number(self.given.len())
    }

    /// Takes an event of it; its number.
    pub(super) fn take(&mut self, given: Given, result: Option<Told>) -> u32 {
        // most have one or two
        if self.given.is_empty() {
            self.given.reserve_exact(1);
        }
        let n = self.next();
        self.given.push(Part { given, result });
        n
    }

    /// Notes the result of its call of that number.
    pub(super) fn answer(&mut self, call: u32, told: Told) {
        if let Some(part) = self.given.get_mut(call as usize) {
            part.result = Some(told);
        }
    }
}

/// A place in a list. No file has four thousand million lines, and what would be told wrongly of one is a link.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The lines and responses of one file.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The file is one sub-agent's: its lines are one conversation without branches. Clients before 2.1 leave out lines that
    /// others name as their parents; there the line before is the parent.
    one_agent: bool,
    /// The last line.
    last: Option<u64>,
    /// Below a line: the prompts that follow it. Several mean that the user went back.
    prompts: HashMap<u64, Vec<u64>>,
    /// By hash of the uuid.
    lines: HashMap<u64, Seen>,
    /// Prompts and injected texts.
    inputs: Vec<Given>,
    /// By hash of the message id.
    by_message: HashMap<u64, u32>,
    responses: Vec<Response>,
}

/// A line that has been met: what it is, and the hash of its parent's uuid, [`NONE`] for none.
#[derive(Clone, Copy, Debug)]
struct Seen {
    node: Node,
    parent: u64,
}

/// The hash that stands for no line.
const NONE: u64 = 0;

impl Seen {
    fn parent(self) -> Option<u64> {
        Some(self.parent).filter(|p| *p != NONE)
    }
}

fn key(id: &str) -> u64 {
    xxh3_64(id.as_bytes()).max(NONE + 1)
}

impl Chain {
    /// The lines of a file, of one sub-agent or of a session.
    pub(super) fn new(one_agent: bool) -> Self {
        Self { one_agent, ..Self::default() }
    }

    /// Notes a line.
    pub(super) fn note(&mut self, uuid: &str, parent: Option<&str>, node: Node) {
        let parent = self.parent(parent).unwrap_or(NONE);
        self.lines.insert(key(uuid), Seen { node, parent });
        self.last = Some(key(uuid));
    }

    /// Notes a prompt of the user or an injected text.
    pub(super) fn note_input(&mut self, uuid: &str, parent: Option<&str>, input: Given) {
        self.inputs.push(input);
        self.note(uuid, parent, Node::Input(number(self.inputs.len() - 1)));
    }

    /// Notes a prompt of the user.
    pub(super) fn note_prompt(&mut self, uuid: &str, parent: Option<&str>, prompt: Given) {
        if let Some(p) = parent {
            self.prompts.entry(key(p)).or_default().push(key(uuid));
        }
        self.note_input(uuid, parent, prompt);
    }

    fn parent(&self, parent: Option<&str>) -> Option<u64> {
        let parent = key(parent?);
        if self.one_agent && !self.lines.contains_key(&parent) { self.last } else { Some(parent) }
    }

    fn input(&self, n: u32) -> Option<Given> {
        self.inputs.get(n as usize).copied()
    }

    /// Whether a line with this uuid has been met: a copy adds nothing.
    pub(super) fn knows(&self, uuid: &str) -> bool {
        self.lines.contains_key(&key(uuid))
    }

    /// The response of a line, begun where this is its first. Also whether it was.
    pub(super) fn response(&mut self, message: &str, parent: Option<&str>) -> (u32, bool) {
        if let Some(&r) = self.by_message.get(&key(message)) {
            return (r, false);
        }
        let inputs = self.inputs_above(parent, None).into();
        self.responses.push(Response { inputs, ..Response::default() });
        let r = number(self.responses.len() - 1);
        self.by_message.insert(key(message), r);
        (r, true)
    }

    /// A response by its number.
    pub(super) fn at(&mut self, r: u32) -> &mut Response {
        &mut self.responses[r as usize]
    }

    /// The response with that message id.
    pub(super) fn by_message(&self, message: &str) -> Option<&Response> {
        self.responses.get(*self.by_message.get(&key(message))? as usize)
    }

    /// The event of a line that is an input.
    pub(super) fn input_at(&self, uuid: Option<&str>) -> Option<Uuid> {
        match self.lines.get(&key(uuid?))?.node {
            Node::Input(n) => self.input(n).map(|input| input.event),
            _ => None,
        }
    }

    /// What is new above a line (`from`, or the other where that is not there), up to the response before.
    pub(super) fn inputs_above(&self, from: Option<&str>, or: Option<&str>) -> Vec<Uuid> {
        let mut inputs = Vec::new();
        let mut at = self.parent(from).filter(|k| self.lines.contains_key(k)).or(or.map(key));
        // a damaged file may chain lines in a circle
        let mut steps = self.lines.len() + 1;
        while let Some(seen) = at.and_then(|k| self.lines.get(&k)) {
            let reached = match seen.node {
                Node::Response(r) => Some(r),
                // the line between is not in the file: the call's id says what is answered
                Node::Results(r) if seen.parent().is_some_and(|p| !self.lines.contains_key(&p)) => Some(r),
                Node::Input(n) => {
                    inputs.extend(self.input(n).map(|input| input.event));
                    None
                }
                Node::Results(_) | Node::Passed => None,
            };
            if let Some(response) = reached.and_then(|r| self.responses.get(r as usize)) {
                inputs.reverse();
                let mut all: Vec<Uuid> = response.results().collect();
                // a response without calls ended a turn: its own words are what a next response follows
                if all.is_empty() && inputs.is_empty() {
                    all.extend(response.hub());
                }
                all.append(&mut inputs);
                return all;
            }
            at = seen.parent();
            steps -= 1;
            if steps == 0 {
                break;
            }
        }
        inputs.reverse();
        inputs
    }

    /// The last event of the response that stands above a line, where nothing but it stands between: what a prompt follows.
    pub(super) fn answer_above(&self, from: Option<&str>) -> Option<Uuid> {
        let mut at = self.parent(from);
        let mut steps = self.lines.len() + 1;
        while let Some(seen) = at.and_then(|k| self.lines.get(&k)) {
            match seen.node {
                Node::Response(r) => {
                    let response = self.responses.get(r as usize)?;
                    return response.hub().filter(|_| !response.given.iter().any(|p| p.given.is_call()));
                }
                Node::Input(_) => return None,
                Node::Results(_) | Node::Passed => at = seen.parent(),
            }
            steps -= 1;
            if steps == 0 {
                break;
            }
        }
        None
    }

    /// The events of branches that the user left by going back (`/rewind`, Esc twice): what hangs below a prompt whose
    /// parent has a later prompt, and that the last line does not follow.
    pub(super) fn left_branches(&self) -> Vec<Given> {
        if self.prompts.values().all(|p| p.len() < 2) {
            return Vec::new();
        }
        let mut live = HashSet::new();
        let mut at = self.last;
        while let Some(k) = at.filter(|k| live.insert(*k)) {
            at = self.lines.get(&k).and_then(|seen| seen.parent());
        }
        let rivals = self.prompts.values().filter(|p| p.len() > 1).flatten();
        // line → whether it is on such a branch
        let mut left: HashMap<u64, bool> = rivals.filter(|p| !live.contains(p)).map(|p| (*p, true)).collect();
        let mut events = Vec::new();
        for (line, seen) in &self.lines {
            let mut path = Vec::new();
            let mut at = Some(*line);
            let found = loop {
                match at {
                    None => break false,
                    Some(k) => match left.get(&k) {
                        Some(known) => break *known,
                        None => {
                            // for the time being, so that a circle ends
                            left.insert(k, false);
                            path.push(k);
                            at = self.lines.get(&k).and_then(|seen| seen.parent());
                        }
                    },
                }
            };
            left.extend(path.into_iter().map(|k| (k, found)));
            match seen.node {
                _ if !found => {}
                Node::Input(n) => events.extend(self.input(n)),
                Node::Response(r) => {
                    let given = self.responses.get(r as usize).into_iter().flat_map(|r| &r.given);
                    events.extend(given.map(|p| p.given));
                }
                Node::Results(_) | Node::Passed => {}
            }
        }
        // an order that does not change from run to run; a response stands on several lines
        events.sort_unstable_by_key(|e| e.event);
        events.dedup_by_key(|e| e.event);
        events
    }
}
