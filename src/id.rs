//! Event ids and their short forms.
//!
//! An id is a UUIDv5 of agent, session and native id. So importing twice, or hook and transcript telling of the same
//! call, give the same event, and one session can name an event of another without reading it.

use uuid::Uuid;

/// Namespace of all event ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6361_7573_6574_5261_8365_0000_0000_0001);

/// Id of the record that the agent knows as `native` (a kind and an id, as in `call:toolu_1`) in `session`.
pub fn event_id(agent: &str, session: &str, native: &str) -> String {
    // NUL cannot stand in an id, so no two triples share a name
    let name = [agent, "\0", session, "\0", native].concat();
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// An id of [`event_id`] in its 16 bytes: what a reader keeps of events by the hundred thousand. (Any other text gives the nil
/// id.)
pub fn compact(event_id: &str) -> Uuid {
    Uuid::try_parse(event_id).unwrap_or_default()
}

/// Id of a tool call: every source and hook that knows the agent's own call id uses this.
pub fn call(agent: &str, session: &str, call_id: &str) -> String {
    event_id(agent, session, &["call:", call_id].concat())
}

/// Id of a session's header event.
pub fn session(agent: &str, session: &str) -> String {
    event_id(agent, session, "session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_distinct() {
        // written down: a change here would make every stored event a stranger
        assert_eq!(call("codex", "s", "call_1"), event_id("codex", "s", "call:call_1"));
        assert_ne!(event_id("a", "b", "c"), event_id("a", "bc", ""));
        assert_eq!(session("codex", "s"), session("codex", "s"));
        assert_eq!(compact(&call("codex", "s", "c")).to_string(), call("codex", "s", "c"));
    }
}
