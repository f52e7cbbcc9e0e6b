//! Figures of a session: what was called, how it went, how the causes are known, what led nowhere.

use std::collections::{BTreeMap, HashMap, HashSet};

use aho_corasick::{AhoCorasick, PatternID};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::impact::{Effect, effect};
use crate::action::Action;
use crate::event::{Event, EventType, Status, Usage};
use crate::graph::{Graph, Whole};

/// Calls of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Calls.
    pub calls: usize,
    /// Those that did not succeed.
    pub failures: usize,
    /// Recorded time in milliseconds; none where no call recorded one.
    pub duration_ms: Option<u64>,
}

/// Tokens; those of a kind that was never recorded are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Input that no cache served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Input from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
}

/// A call that was made several times with the same result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// The first.
    pub event: usize,
    /// All of them.
    pub times: usize,
}

/// Figures of a session.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Events by type.
    pub events: BTreeMap<String, usize>,
    /// By number of calls.
    pub tools: Vec<Tool>,
    /// Responses of the model.
    pub responses: usize,
    /// None where the agent recorded none.
    pub tokens: Option<Tokens>,
    /// From the first to the last recorded time, in milliseconds.
    pub span_ms: Option<u64>,
    /// Events on the longest chain of primary causes.
    pub longest_chain: usize,
    /// Edges that ids prove.
    pub proven: usize,
    /// Inferred edges by kind.
    pub inferred: BTreeMap<&'static str, usize>,
    /// Calls by their number of causes.
    pub fan_in: BTreeMap<usize, usize>,
    /// Calls from which no edit, commit or answer follows.
    pub dead: Vec<usize>,
    /// Their recorded time in milliseconds; none where none was recorded.
    pub dead_ms: Option<u64>,
    /// Tokens of the responses that made only such calls; none where none were recorded.
    pub dead_tokens: Option<Tokens>,
    /// Calls that look into a file whose name nothing before them shows: no prompt, no output, no earlier input.
    pub guessed: Vec<usize>,
    /// The same call with the same result.
    pub loops: Vec<Loop>,
}

/// What only the texts of whole events tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromTexts {
    /// Calls that look into a file whose name nothing before them shows: no prompt, no output, no earlier input.
    guessed: Vec<usize>,
    /// The same call with the same result: the first of them, and how many.
    loops: Vec<(usize, usize)>,
}

impl FromTexts {
    /// Looks through all texts of a session.
    pub fn of(graph: &Whole) -> Self {
        Self { guessed: guessed(graph), loops: loops(graph) }
    }

    /// Whether all events that it names are in the graph: it may have been kept, and damaged.
    pub fn is_of(&self, graph: &Graph) -> bool {
        let known = |i: &usize| *i < graph.events.len();
        self.guessed.iter().all(known) && self.loops.iter().all(|(i, _)| known(i))
    }
}

/// The figures.
pub fn stats(graph: &Graph, from_texts: &FromTexts) -> Stats {
    let mut s = Stats::default();
    let mut tools: HashMap<&str, Tool> = HashMap::new();
    let mut responses = HashSet::new();
    for (i, e) in graph.events.iter().enumerate() {
        *s.events.entry(e.event_type.as_str().to_owned()).or_default() += 1;
        if let Some(t) = &e.turn_id {
            responses.insert((t, &e.agent_id, &e.session_id));
        }
        if let Some(u) = e.usage.filter(recorded) {
            s.tokens.get_or_insert_default().add(u);
        }
        s.proven += graph.parents[i].len();
        if e.is_call() {
            let tool = tools.entry(e.tool_name.as_deref().unwrap_or("")).or_default();
            tool.calls += 1;
            tool.failures += usize::from(failed(e.status, e.exit_code));
            tool.duration_ms = add(tool.duration_ms, e.duration_ms);
            *s.fan_in.entry(graph.causes[i].len()).or_default() += 1;
        }
        for c in &graph.causes[i] {
            *s.inferred.entry(c.kind.as_str()).or_default() += 1;
        }
    }
    s.responses = responses.len();
    s.tools = tools.into_iter().map(|(name, t)| Tool { name: name.to_owned(), ..t }).collect();
    s.tools.sort_by(|a, b| b.calls.cmp(&a.calls).then(a.name.cmp(&b.name)));
    let times = graph.events.iter().filter_map(|e| e.timestamp);
    s.span_ms = times.clone().min().zip(times.max()).and_then(|(a, b)| u64::try_from((b - a).num_milliseconds()).ok());
    s.longest_chain = longest_chain(graph);
    s.dead = dead(graph);
    for &i in &s.dead {
        s.dead_ms = add(s.dead_ms, graph.events[i].duration_ms);
    }
    s.dead_tokens = dead_tokens(graph, &s.dead);
    s.guessed.clone_from(&from_texts.guessed);
    s.loops = from_texts.loops.iter().map(|&(event, times)| Loop { event, times }).collect();
    s
}

impl Tokens {
    fn add(&mut self, u: Usage) {
        let sums = [&mut self.input, &mut self.output, &mut self.cache_read, &mut self.cache_write];
        for (sum, more) in sums.into_iter().zip([u.input, u.output, u.cache_read, u.cache_write]) {
            *sum = add(*sum, more);
        }
    }
}

/// Whether a usage tells a number of [`Tokens`].
fn recorded(u: &Usage) -> bool {
    [u.input, u.output, u.cache_read, u.cache_write].iter().any(Option::is_some)
}

fn failed(status: Option<Status>, exit_code: Option<i64>) -> bool {
    matches!(status, Some(Status::Error | Status::Denied | Status::Interrupted)) || exit_code.is_some_and(|c| c != 0)
}

fn add(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (sum, more) {
        (None, None) => None,
        // a damaged file may hold any number
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    }
}

fn longest_chain(graph: &Graph) -> usize {
    let mut length = vec![1usize; graph.events.len()];
    for i in 0..length.len() {
        // parents stand before their children
        if let Some(p) = graph.tree_parent(i).filter(|p| *p < i) {
            length[i] = length[p] + 1;
        }
    }
    length.into_iter().max().unwrap_or(0)
}

/// Calls from which nothing that lasts follows.
fn dead(graph: &Graph) -> Vec<usize> {
    let n = graph.events.len();
    let mut lasting = vec![false; n];
    for i in (0..n).rev() {
        let own = matches!(effect(graph, i), Effect::Edit | Effect::Commit | Effect::Answer);
        lasting[i] |= own;
        if lasting[i] {
            for p in graph.reasons(i) {
                lasting[p] = true;
            }
            // an answer rests on all results that the response had
            for &p in &graph.parents[i] {
                lasting[p] |= graph.events[i].event_type == EventType::Message;
            }
        }
    }
    (0..n).filter(|i| graph.events[*i].is_call() && !lasting[*i]).collect()
}

/// Tokens of responses all of whose calls led nowhere.
fn dead_tokens(graph: &Graph, dead: &[usize]) -> Option<Tokens> {
    type Response<'a> = (&'a str, Option<&'a str>, &'a str);
    let response = |i: usize| -> Option<Response<'_>> {
        let e = &graph.events[i];
        Some((e.turn_id.as_deref()?, e.agent_id.as_deref(), &e.session_id))
    };
    let mut live: HashMap<Response<'_>, bool> = HashMap::new();
    for i in (0..graph.events.len()).filter(|i| graph.events[*i].is_call()) {
        if let Some(r) = response(i) {
            *live.entry(r).or_default() |= dead.binary_search(&i).is_err();
        }
    }
    let mut sum: Option<Tokens> = None;
    for (i, e) in graph.events.iter().enumerate() {
        if let (Some(u), Some(false)) = (e.usage.filter(recorded), response(i).and_then(|r| live.get(&r))) {
            sum.get_or_insert_default().add(u);
        }
    }
    sum
}

/// Calls that look into a file of whose name nothing before them tells.
fn guessed(graph: &Whole) -> Vec<usize> {
    let looked = |i: usize| {
        let path = match &graph.actions[i] {
            Action::Read { path, .. } => path,
            Action::Search { path: Some(path), .. } | Action::List { path: Some(path), .. } => path,
            _ => return None,
        };
        path.rsplit(['/', '\\']).next().filter(|name| name.len() > 2)
    };
    let names: HashSet<&str> = (0..graph.events.len()).filter_map(looked).collect();
    let names: Vec<&str> = names.into_iter().collect();
    // one pass over all texts finds where each name stands first
    let Ok(any) = AhoCorasick::new(&names) else { return Vec::new() };
    // what the agent says by itself shows nothing to it
    let told = |e: &Event| !matches!(e.event_type, EventType::Message | EventType::Reasoning);
    let all: Vec<usize> = (0..graph.events.len()).collect();
    let shown = all.par_chunks(256).map(|some| {
        let mut shown: HashMap<PatternID, usize> = HashMap::new();
        for i in some.iter().copied().filter(|i| told(&graph.events[*i])) {
            let e = &graph.events[i];
            for text in [e.input_text(), e.output_text()] {
                for name in any.find_overlapping_iter(text.as_bytes()) {
                    shown.entry(name.pattern()).or_insert(i);
                }
            }
        }
        shown
    });
    let mut first: HashMap<&str, usize> = HashMap::new();
    // in order: the first that shows a name stays
    for (name, i) in shown.collect::<Vec<_>>().into_iter().flatten() {
        first.entry(names[name]).or_insert(i);
    }
    all.into_iter().filter(|i| looked(*i).is_some_and(|name| first.get(name).is_none_or(|at| at >= i))).collect()
}

fn loops(graph: &Whole) -> Vec<(usize, usize)> {
    // by hash: the texts of a session stand in memory once
    let mut seen: HashMap<u128, (usize, usize)> = HashMap::new();
    // where the agent did not record the input, calls with the same result may well differ
    let told = |e: &Event| e.is_call() && e.tool_input.is_some() && e.tool_output.is_some();
    for (i, e) in graph.events.iter().enumerate().filter(|(_, e)| told(e)) {
        let mut key = Xxh3Default::new();
        for text in [e.tool_name.as_deref().unwrap_or_default(), &e.input_text(), &e.output_text()] {
            key.update(&(text.len() as u64).to_le_bytes());
            key.update(text.as_bytes());
        }
        seen.entry(key.digest128()).or_insert((i, 0)).1 += 1;
    }
    let mut all: Vec<(usize, usize)> = seen.into_values().filter(|(_, times)| *times > 1).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph(lines: &[serde_json::Value]) -> Whole {
        let events = lines.iter().map(|l| serde_json::from_value(l.clone()).unwrap()).collect();
        Graph::new(events, &|_| Action::Other)
    }

    #[test]
    fn calls_repeat_only_where_their_input_is_known() {
        let call = |id: &str, input: serde_json::Value| {
            json!({"event_id": id, "session_id": "s", "agent": "x", "event_type": "tool_call", "tool_name": "Bash",
                "tool_input": input, "tool_output": "ok"})
        };
        let (none, ls) = (json!(null), json!({"command": "ls"}));
        let g = graph(&[call("1", none.clone()), call("2", none), call("3", ls.clone()), call("4", ls)]);
        assert!(g.events[0].tool_input.is_none());
        assert_eq!(stats(&g, &FromTexts::of(&g)).loops, [Loop { event: 2, times: 2 }]);
    }

    #[test]
    fn tokens_that_nobody_recorded_are_absent() {
        let said = |id: &str, usage: Usage| Event {
            event_id: id.to_owned(),
            event_type: EventType::Message,
            usage: Some(usage),
            ..Event::default()
        };
        let output = |n: u64| Usage { output: Some(n), ..Usage::default() };
        let cached = Usage { cache_read: Some(0), ..output(u64::MAX) };
        let of = |events: Vec<Event>| {
            let graph = Graph::new(events, &|_| Action::Other);
            serde_json::to_value(stats(&graph, &FromTexts::of(&graph)).tokens).unwrap()
        };
        assert_eq!(of(vec![said("1", output(3)), said("2", output(4))]), json!({"output": 7}));
        assert_eq!(of(vec![said("1", output(3)), said("2", cached)]), json!({"output": u64::MAX, "cache_read": 0}));
        assert_eq!(of(vec![said("1", Usage::default())]), json!(null));
    }
}
