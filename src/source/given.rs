//! What a reader keeps of an event that it has given: a long session has hundreds of thousands.

use uuid::Uuid;

use crate::event::{Event, EventType};
use crate::id;

/// An event that was given, in 17 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// Its id.
    pub(super) event: Uuid,
    kind: Kind,
}

/// The types of event that readers come back to.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Prompt,
    Words,
    Thoughts,
    Call,
    Context,
}

impl Given {
    /// What is kept of an event.
    pub(super) fn of(e: &Event) -> Self {
        let kind = match e.event_type {
            EventType::UserInput => Kind::Prompt,
            EventType::Message => Kind::Words,
            EventType::Reasoning => Kind::Thoughts,
            EventType::ToolCall => Kind::Call,
            // a header is never come back to by what is kept here
            EventType::ContextUpdate | EventType::Session | EventType::Other(_) => Kind::Context,
        };
        Self { event: id::compact(&e.event_id), kind }
    }

    /// Its type.
    pub(super) fn event_type(self) -> EventType {
        match self.kind {
            Kind::Prompt => EventType::UserInput,
            Kind::Words => EventType::Message,
            Kind::Thoughts => EventType::Reasoning,
            Kind::Call => EventType::ToolCall,
            Kind::Context => EventType::ContextUpdate,
        }
    }

    /// Whether it is a call.
    pub(super) fn is_call(self) -> bool {
        matches!(self.kind, Kind::Call)
    }
}

/// The ids as they are written.
pub(super) fn written(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}
