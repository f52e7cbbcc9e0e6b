//! Where each agent of a session stands: its current response, and what is new in its context since.

use crate::event::{Event, EventType, Usage};

/// One response of the model.
#[derive(Default)]
pub(super) struct Response {
    /// Its id in events.
    pub name: String,
    /// The provider's id, which its chunks share.
    pub api: Option<String>,
    /// What was new in its context.
    inputs: Vec<String>,
    /// Its first message or thought.
    hub: Option<String>,
    /// The agent's ids of its calls.
    pub calls: Vec<String>,
    /// Its first event, which carries the usage.
    pub first: Option<(String, EventType)>,
    /// Its usage, until the first event takes it.
    pub usage: Option<Usage>,
    /// Its message has come: before, there are only thoughts.
    pub said: bool,
    /// Hash of its thoughts, where they stood in the message.
    pub thought: Option<u64>,
    /// More of it may come.
    pub open: bool,
}

/// Where one agent of the session stands.
#[derive(Default)]
pub(super) struct Standing {
    /// The response that is being met, or was met last.
    pub response: Option<Response>,
    /// How many there were.
    pub count: u64,
    /// Events that came into its context since that response began.
    pub pending: Vec<String>,
    /// The last notification among them.
    pub notice: Option<String>,
    /// Its last message.
    pub last_words: Option<String>,
    /// The call that spawned it.
    pub spawned_by: Option<String>,
    /// Anything of it was met.
    pub begun: bool,
    /// Usage of a response whose message has not come yet, by the provider's id.
    pub usage: Option<(String, Usage)>,
}

impl Standing {
    /// Puts something into its context.
    pub fn put_in(&mut self, event_id: &str) {
        self.begun = true;
        self.pending.push(event_id.to_owned());
    }

    /// Whether a message with this id of the provider goes on with the current response.
    pub fn goes_on(&self, api: Option<&str>) -> bool {
        self.response.as_ref().is_some_and(|r| r.open && (!r.said || api.is_some() && r.api.as_deref() == api))
    }

    /// Begins a response; `results` are the answered calls of the one before.
    pub fn begin(&mut self, name: &str, results: Vec<String>) {
        let mut inputs = results;
        inputs.append(&mut self.pending);
        if inputs.is_empty() && !self.begun {
            inputs.extend(self.spawned_by.clone());
        }
        if inputs.is_empty() {
            // it goes on by itself
            inputs.extend(self.response.as_ref().and_then(|r| r.hub.clone()));
        }
        self.begun = true;
        self.count += 1;
        self.notice = None;
        self.response = Some(Response { name: name.to_owned(), inputs, open: true, ..Response::default() });
    }

    /// Makes an event one of the current response: its parents, its siblings, the usage on the first.
    pub fn join(&mut self, e: &mut Event) {
        let Some(r) = &mut self.response else { return };
        e.parents = r.hub.as_ref().map_or_else(|| r.inputs.clone(), |hub| vec![hub.clone()]);
        e.turn_id = Some(r.name.clone());
        if !e.is_call() && r.hub.is_none() && r.calls.is_empty() {
            r.hub = Some(e.event_id.clone());
        }
        if r.first.is_none() {
            r.first = Some((e.event_id.clone(), e.event_type.clone()));
            e.usage = r.usage.take();
        }
        if e.event_type == EventType::Message {
            self.last_words = Some(e.event_id.clone());
        }
    }

    /// What is all that stands at the end of its context: the last words of a response, else its calls.
    pub fn end(&self) -> Option<String> {
        self.response.as_ref().and_then(|r| r.hub.clone())
    }

    /// Its answer, where its last response is one: words and no call.
    pub fn answer(&self) -> Option<String> {
        self.response.as_ref().filter(|r| r.calls.is_empty())?;
        self.last_words.clone()
    }

    /// No more of the current response comes.
    pub fn close(&mut self) {
        if let Some(r) = &mut self.response {
            r.open = false;
        }
    }
}
