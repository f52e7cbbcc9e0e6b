//! How lines and responses hang together: which inputs a response had that the response before it of the same agent and
//! branch had not.
//!
//! `parentUuid` is the tree of lines, not of causes: within one response it chains the blocks one to the next, results may
//! stand between them (a slow stream), and the next response points at only one of several results. So the chain is walked
//! up only from the first line of a response, to the response before it; all results of that response's calls are its
//! inputs, and so is what else stands on the way.

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::event::EventType;

/// What a line with a uuid is.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Part of a response.
    Response(usize),
    /// A prompt or injected text: the event, and its type.
    Input(String, EventType),
    /// Results of calls of a response.
    Results(usize),
    /// Anything that says nothing.
    Passed,
}

/// One response of the model: all lines with one `message.id`.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// What was new in its context.
    pub inputs: Vec<String>,
    /// Its first text or thought.
    pub hub: Option<String>,
    /// All its texts and thoughts.
    pub said: Vec<(String, EventType)>,
    pub calls: Vec<Made>,
    /// The event that carries its usage, and the output tokens told so far.
    pub counted: Option<(String, EventType, u64)>,
}

/// A call of a response.
#[derive(Debug)]
pub(super) struct Made {
    pub event: String,
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
    /// The calls whose results came back.
    fn results(&self) -> Vec<String> {
        self.calls.iter().filter(|c| c.result.is_some()).map(|c| c.event.clone()).collect()
    }

    /// Notes a call's result.
    pub(super) fn answer(&mut self, event: &str, told: Told) {
        if let Some(call) = self.calls.iter_mut().find(|c| c.event == event) {
            call.result = Some(told);
        }
    }
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
    /// By hash of the uuid: what it is, and the hash of its parent's.
    lines: HashMap<u64, (Node, Option<u64>)>,
    /// By hash of the message id.
    by_message: HashMap<u64, usize>,
    responses: Vec<Response>,
}

fn key(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

impl Chain {
    /// The lines of a file, of one sub-agent or of a session.
    pub(super) fn new(one_agent: bool) -> Self {
        Self { one_agent, ..Self::default() }
    }

    /// Notes a line.
    pub(super) fn note(&mut self, uuid: &str, parent: Option<&str>, node: Node) {
        let parent = self.parent(parent);
        self.lines.insert(key(uuid), (node, parent));
        self.last = Some(key(uuid));
    }

    /// Notes a prompt of the user.
    pub(super) fn note_prompt(&mut self, uuid: &str, parent: Option<&str>, event: String) {
        if let Some(p) = parent {
            self.prompts.entry(key(p)).or_default().push(key(uuid));
        }
        self.note(uuid, parent, Node::Input(event, EventType::UserInput));
    }

    fn parent(&self, parent: Option<&str>) -> Option<u64> {
        let parent = key(parent?);
        if self.one_agent && !self.lines.contains_key(&parent) { self.last } else { Some(parent) }
    }

    /// Whether a line with this uuid has been met: a copy adds nothing.
    pub(super) fn knows(&self, uuid: &str) -> bool {
        self.lines.contains_key(&key(uuid))
    }

    /// The response of a line, begun where this is its first. Also whether it was.
    pub(super) fn response(&mut self, message: &str, parent: Option<&str>) -> (usize, bool) {
        if let Some(&r) = self.by_message.get(&key(message)) {
            return (r, false);
        }
        let inputs = self.inputs_above(parent, None);
        self.responses.push(Response { inputs, ..Response::default() });
        self.by_message.insert(key(message), self.responses.len() - 1);
        (self.responses.len() - 1, true)
    }

    /// A response by its number.
    pub(super) fn at(&mut self, r: usize) -> &mut Response {
        &mut self.responses[r]
    }

    /// The response with that message id.
    pub(super) fn by_message(&self, message: &str) -> Option<&Response> {
        self.responses.get(*self.by_message.get(&key(message))?)
    }

    /// The event of a line that is an input.
    pub(super) fn input_at(&self, uuid: Option<&str>) -> Option<String> {
        match self.lines.get(&key(uuid?)) {
            Some((Node::Input(event, _), _)) => Some(event.clone()),
            _ => None,
        }
    }

    /// What is new above a line (`from`, or the other where that is not there), up to the response before.
    pub(super) fn inputs_above(&self, from: Option<&str>, or: Option<&str>) -> Vec<String> {
        let mut inputs = Vec::new();
        let mut at = self.parent(from).filter(|k| self.lines.contains_key(k)).or(or.map(key));
        // a damaged file may chain lines in a circle
        let mut steps = self.lines.len() + 1;
        while let Some((node, parent)) = at.and_then(|k| self.lines.get(&k)) {
            let reached = match node {
                Node::Response(r) => Some(*r),
                // the line between is not in the file: the call's id says what is answered
                Node::Results(r) if parent.is_some_and(|p| !self.lines.contains_key(&p)) => Some(*r),
                Node::Input(event, _) => {
                    inputs.push(event.clone());
                    None
                }
                Node::Results(_) | Node::Passed => None,
            };
            if let Some(response) = reached.and_then(|r| self.responses.get(r)) {
                inputs.reverse();
                let mut all = response.results();
                // a response without calls ended a turn: its own words are what a next response follows
                if all.is_empty() && inputs.is_empty() {
                    all.extend(response.hub.clone());
                }
                all.append(&mut inputs);
                return all;
            }
            at = *parent;
            steps -= 1;
            if steps == 0 {
                break;
            }
        }
        inputs.reverse();
        inputs
    }

    /// The last event of the response that stands above a line, where nothing but it stands between: what a prompt follows.
    pub(super) fn answer_above(&self, from: Option<&str>) -> Option<String> {
        let mut at = self.parent(from);
        let mut steps = self.lines.len() + 1;
        while let Some((node, parent)) = at.and_then(|k| self.lines.get(&k)) {
            match node {
                Node::Response(r) => {
                    let response = &self.responses[*r];
                    return response.hub.clone().filter(|_| response.calls.is_empty());
                }
                Node::Input(..) => return None,
                Node::Results(_) | Node::Passed => at = *parent,
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
    pub(super) fn left_branches(&self) -> BTreeMap<String, EventType> {
        if self.prompts.values().all(|p| p.len() < 2) {
            return BTreeMap::new();
        }
        let mut live = HashSet::new();
        let mut at = self.last;
        while let Some(k) = at.filter(|k| live.insert(*k)) {
            at = self.lines.get(&k).and_then(|(_, parent)| *parent);
        }
        let rivals = self.prompts.values().filter(|p| p.len() > 1).flatten();
        // line → whether it is on such a branch
        let mut left: HashMap<u64, bool> = rivals.filter(|p| !live.contains(p)).map(|p| (*p, true)).collect();
        let mut events = BTreeMap::new();
        for (line, (node, _)) in &self.lines {
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
                            at = self.lines.get(&k).and_then(|(_, parent)| *parent);
                        }
                    },
                }
            };
            left.extend(path.into_iter().map(|k| (k, found)));
            match node {
                _ if !found => {}
                Node::Input(event, kind) => _ = events.insert(event.clone(), kind.clone()),
                Node::Response(r) => {
                    let r = &self.responses[*r];
                    events.extend(r.said.iter().cloned());
                    events.extend(r.calls.iter().map(|c| (c.event.clone(), EventType::ToolCall)));
                }
                Node::Results(_) | Node::Passed => {}
            }
        }
        events
    }
}
