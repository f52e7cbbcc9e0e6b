//! How lines and responses hang together: which inputs a response had that the response before it of the same agent and
//! branch had not.
//!
//! `parentUuid` is the tree of lines, not of causes: within one response it chains the blocks one to the next, results may
//! stand between them (a slow stream), and the next response points at only one of several results. So the chain is walked
//! up only from the first line of a response, to the response before it; all results of that response's calls are its
//! inputs, and so is what else stands on the way.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// What a line with a uuid is.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Part of a response.
    Response(usize),
    /// A prompt or injected text: the event.
    Input(String),
    /// Results, or anything that says nothing.
    Passed,
}

/// One response of the model: all lines with one `message.id`.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// What was new in its context.
    pub inputs: Vec<String>,
    /// Its first text or thought.
    pub hub: Option<String>,
    /// Events of its calls.
    pub calls: Vec<String>,
    /// Its usage is on an event already.
    pub counted: bool,
}

/// The lines and responses of one file.
#[derive(Debug, Default)]
pub(super) struct Chain {
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
    /// Notes a line.
    pub(super) fn note(&mut self, uuid: &str, parent: Option<&str>, node: Node) {
        self.lines.insert(key(uuid), (node, parent.map(key)));
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
        let inputs = self.inputs_above(parent);
        self.responses.push(Response { inputs, ..Response::default() });
        self.by_message.insert(key(message), self.responses.len() - 1);
        (self.responses.len() - 1, true)
    }

    /// A response by its number.
    pub(super) fn at(&mut self, r: usize) -> &mut Response {
        &mut self.responses[r]
    }

    /// What is new above a line, up to the response before.
    fn inputs_above(&self, from: Option<&str>) -> Vec<String> {
        let mut inputs = Vec::new();
        let mut at = from.map(key);
        // a damaged file may chain lines in a circle
        let mut steps = self.lines.len() + 1;
        while let Some((node, parent)) = at.and_then(|k| self.lines.get(&k)) {
            match node {
                Node::Response(r) => {
                    inputs.reverse();
                    let mut all = self.responses[*r].calls.clone();
                    // a response without calls ended a turn: its own words are what a next response follows
                    if all.is_empty() && inputs.is_empty() {
                        all.extend(self.responses[*r].hub.clone());
                    }
                    all.append(&mut inputs);
                    return all;
                }
                Node::Input(event) => inputs.push(event.clone()),
                Node::Passed => {}
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
        let mut at = from.map(key);
        let mut steps = self.lines.len() + 1;
        while let Some((node, parent)) = at.and_then(|k| self.lines.get(&k)) {
            match node {
                Node::Response(r) => {
                    let response = &self.responses[*r];
                    return response.hub.clone().filter(|_| response.calls.is_empty());
                }
                Node::Input(_) => return None,
                Node::Passed => at = *parent,
            }
            steps -= 1;
            if steps == 0 {
                break;
            }
        }
        None
    }
}
