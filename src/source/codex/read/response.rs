//! Responses of the model: where one ends and the next begins, what was new in its context, and the events that it holds.

use uuid::Uuid;

use super::{Place, Reader};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::Sink;
use crate::source::codex::AGENT;
use crate::source::codex::wire::Payload;
use crate::source::given::{Given, written};

/// One response of the model.
#[derive(Default)]
pub(super) struct Response {
    /// What was new in its context.
    inputs: Box<[Uuid]>,
    /// Its first message or thought.
    pub(super) hub: Option<Uuid>,
    /// Events of its calls, and whether the output came back.
    pub(super) calls: Vec<(Uuid, bool)>,
    /// It sums up what a compaction drops (0.169).
    pub(super) sums_up: bool,
    /// Its first event, which carries the usage.
    pub(super) first: Option<Given>,
    pub(super) counted: bool,
    /// Events so far without an id of their own.
    unnamed: u32,
}

/// The id in events of the response of that number.
pub(super) fn name_of(response: usize) -> String {
    format!("response-{}", response + 1)
}

/// How the end of a response is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// An output or a message of the user stands between (0.98 to 0.144, and before 0.50).
    Runs,
    /// A `turn_context` stands before each request (0.50, 0.98: those without a turn id).
    Contexts,
    /// Each item names the request that it came from (0.155 and later).
    Sequence,
}

impl Reader {
    /// The response to which a model item belongs, begun where it is a new one.
    pub(super) fn response(&mut self, sampled: Option<u64>) -> usize {
        let new = match sampled {
            Some(_) => {
                self.boundary = Boundary::Sequence;
                self.sampled != sampled || self.responses.is_empty()
            }
            None => self.fresh || self.responses.is_empty(),
        };
        if new {
            let inputs = self.inputs(sampled);
            self.begin(inputs);
        }
        self.fresh = false;
        self.sampled = sampled;
        self.responses.len() - 1
    }

    pub(super) fn begin(&mut self, inputs: Vec<Uuid>) {
        // in 0.50 the tokens of a response stand before its items, everywhere else a compaction took these
        if self.boundary != Boundary::Contexts {
            self.spent = None;
        }
        self.last = Some(self.responses.len());
        self.responses.push(Response { inputs: inputs.into(), ..Response::default() });
    }

    /// The last response in the context.
    pub(super) fn last(&self) -> Option<&Response> {
        self.responses.get(self.last?)
    }

    /// What is new since the last response, for a request that held the history up to `through`.
    pub(super) fn inputs(&mut self, through: Option<u64>) -> Vec<Uuid> {
        let results = self.last().into_iter().flat_map(|r| &r.calls).filter(|(_, answered)| *answered);
        let mut inputs: Vec<Uuid> = results.map(|(event, _)| *event).collect();
        // what came into the history after the request was sent belongs to a later one
        let (seen, later) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|(_, at)| at.zip(through).is_none_or(|(at, through)| at <= through));
        self.pending = later;
        inputs.extend(seen.into_iter().map(|(event, _)| event));
        if inputs.is_empty() {
            inputs.extend(self.last().and_then(|r| r.hub));
        }
        inputs
    }

    /// Gives an event of a response with its parents; its id in brief.
    pub(super) fn give(&mut self, mut e: Event, r: usize, sink: Sink<'_>) -> Uuid {
        let given = Given::of(&e);
        let response = &mut self.responses[r];
        let mut parents = match &response.hub {
            Some(hub) => vec![hub.to_string()],
            None => written(&response.inputs),
        };
        let more: Vec<_> = e.parents.drain(..).filter(|p| !parents.contains(p)).collect();
        parents.extend(more);
        e.parents = parents;
        e.turn_id = Some(name_of(r));
        if e.is_call() {
            let answered = e.status != Some(Status::Running);
            response.calls.push((given.event, answered));
        } else if response.hub.is_none() && response.calls.is_empty() {
            response.hub = Some(given.event);
        }
        if response.first.is_none() {
            response.first = Some(given);
            e.usage = self.spent.take();
            response.counted = e.usage.is_some();
        }
        e.model.clone_from(&self.model);
        self.first(e, given, sink);
        given.event
    }

    pub(super) fn said(&mut self, kind: EventType, text: String, p: &Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        let r = self.response(place.sampled);
        self.say(kind, text, p, r, place, sink);
    }

    pub(super) fn say(
        &mut self,
        kind: EventType,
        text: String,
        p: &Payload<'_>,
        r: usize,
        place: &Place<'_>,
        sink: Sink<'_>,
    ) {
        let response = &mut self.responses[r];
        response.unnamed += 1;
        let own = p.id.as_deref().map_or_else(|| format!("{}:{}", name_of(r), response.unnamed), str::to_owned);
        let event_id = id::event_id(AGENT, &self.session, &format!("{}:{own}", kind.as_str()));
        let mut e = self.event(kind, event_id, place);
        e.tool_input = Some(text.into());
        e.native_id = p.id.as_deref().map(str::to_owned);
        self.give(e, r, sink);
    }
}
