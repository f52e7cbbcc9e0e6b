//! Lines of a Codex rollout, clients 2025 to 0.169. One struct holds the union of the fields of all payload types: which
//! stand there is decided line by line, never by version. Lines are short (half have less than 500 bytes), so the struct is
//! kept small: what few lines have is boxed or left as it stands.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::source::raw::Raw;
use crate::text::Text;

#[derive(Deserialize, Default)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub timestamp: Option<Text<'a>>,
    pub ordinal: Option<u64>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub payload: Option<Boxed<'a>>,
    pub metadata: Option<Metadata>,
    /// Of lines of 2025 without a wrapper.
    #[serde(borrow)]
    pub record_type: Option<Text<'a>>,
}

/// Metadata of items (0.155 and later).
#[derive(Deserialize, Default)]
pub(super) struct Metadata {
    /// Number of the item in the thread's history.
    pub history_sequence: Option<u64>,
    /// Highest number that was in the request which produced the item: equal means one response.
    pub sampled_through_sequence: Option<u64>,
    /// On the summary that a compaction uses.
    pub compaction_output: Option<bool>,
}

#[derive(Default)]
pub(super) struct Payload<'a> {
    pub kind: Option<Text<'a>>,
    pub id: Option<Text<'a>>,
    // session_meta
    pub timestamp: Option<Text<'a>>,
    pub cwd: Option<Text<'a>>,
    pub cli_version: Option<Text<'a>>,
    pub originator: Option<Text<'a>>,
    pub model_provider: Option<Text<'a>>,
    pub parent_thread_id: Option<Text<'a>>,
    pub forked_from_id: Option<Text<'a>>,
    pub agent_nickname: Option<Text<'a>>,
    pub subagent_history_start_ordinal: Option<u64>,
    pub source: Option<Raw<'a>>,
    pub git: Option<Raw<'a>>,
    // turn_context, task_started, turn_aborted, thread_settings_applied
    pub turn_id: Option<Text<'a>>,
    pub thread_id: Option<Text<'a>>,
    pub thread_name: Option<Text<'a>>,
    pub model: Option<Text<'a>>,
    pub num_turns: Option<u64>,
    pub turn_attribution: Option<Attribution>,
    // items
    pub role: Option<Text<'a>>,
    pub content: Option<Raw<'a>>,
    pub summary: Option<Raw<'a>>,
    pub name: Option<Text<'a>>,
    pub namespace: Option<Text<'a>>,
    pub arguments: Option<Raw<'a>>,
    pub input: Option<Raw<'a>>,
    pub call_id: Option<Text<'a>>,
    pub output: Option<Raw<'a>>,
    pub action: Option<Raw<'a>>,
    // events
    /// Of `user_message`, `agent_message`, `compacted`; only the last needs it.
    pub message: Option<Raw<'a>>,
    pub info: Option<Box<Info>>,
    pub usage: Option<Box<Tokens>>,
    pub item: Option<Box<Item<'a>>>,
    pub exit_code: Option<i64>,
    pub duration: Option<Raw<'a>>,
    pub success: Option<bool>,
    pub changes: Option<Raw<'a>>,
    pub result: Option<Raw<'a>>,
    pub command: Option<Raw<'a>>,
    /// A copy of what the output holds: needed only where there is no other record of the call.
    pub aggregated_output: Option<Raw<'a>>,
    pub started_at_ms: Option<i64>,
    pub completed_at_ms: Option<i64>,
    pub author: Option<Text<'a>>,
}

/// A payload where it was put together: it is large, and a derived reader would move it from hand to hand.
pub(super) struct Boxed<'a>(pub Box<Payload<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Boxed<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Boxed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a payload: one JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut p = Box::<Payload<'de>>::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    match &*key {
                        "type" => p.kind = map.next_value()?,
                        "call_id" => p.call_id = map.next_value()?,
                        "output" => p.output = map.next_value()?,
                        "name" => p.name = map.next_value()?,
                        "arguments" => p.arguments = map.next_value()?,
                        "input" => p.input = map.next_value()?,
                        "role" => p.role = map.next_value()?,
                        "content" => p.content = map.next_value()?,
                        "summary" => p.summary = map.next_value()?,
                        "info" => p.info = map.next_value()?,
                        "turn_id" => p.turn_id = map.next_value()?,
                        "exit_code" => p.exit_code = map.next_value()?,
                        "duration" => p.duration = map.next_value()?,
                        "success" => p.success = map.next_value()?,
                        "changes" => p.changes = map.next_value()?,
                        "command" => p.command = map.next_value()?,
                        "aggregated_output" => p.aggregated_output = map.next_value()?,
                        "result" => p.result = map.next_value()?,
                        "message" => p.message = map.next_value()?,
                        "id" => p.id = map.next_value()?,
                        "timestamp" => p.timestamp = map.next_value()?,
                        "cwd" => p.cwd = map.next_value()?,
                        "cli_version" => p.cli_version = map.next_value()?,
                        "originator" => p.originator = map.next_value()?,
                        "model_provider" => p.model_provider = map.next_value()?,
                        "parent_thread_id" => p.parent_thread_id = map.next_value()?,
                        "forked_from_id" => p.forked_from_id = map.next_value()?,
                        "agent_nickname" => p.agent_nickname = map.next_value()?,
                        "subagent_history_start_ordinal" => p.subagent_history_start_ordinal = map.next_value()?,
                        "source" => p.source = map.next_value()?,
                        "git" => p.git = map.next_value()?,
                        "thread_id" => p.thread_id = map.next_value()?,
                        "thread_name" => p.thread_name = map.next_value()?,
                        "model" => p.model = map.next_value()?,
                        "num_turns" => p.num_turns = map.next_value()?,
                        "turn_attribution" => p.turn_attribution = map.next_value()?,
                        "namespace" => p.namespace = map.next_value()?,
                        "action" => p.action = map.next_value()?,
                        "usage" => p.usage = map.next_value()?,
                        "item" => p.item = map.next_value()?,
                        "started_at_ms" => p.started_at_ms = map.next_value()?,
                        "completed_at_ms" => p.completed_at_ms = map.next_value()?,
                        "author" => p.author = map.next_value()?,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(Boxed(p))
            }
        }
        d.deserialize_map(Fields)
    }
}

#[derive(Deserialize, Default)]
pub(super) struct Attribution {
    pub turn_id: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Info {
    pub total_token_usage: Option<Tokens>,
    pub last_token_usage: Option<Tokens>,
}

#[derive(Deserialize, Default, PartialEq, Eq, Clone, Copy)]
pub(super) struct Tokens {
    pub input_tokens: Option<u64>,
    pub cached_input_tokens: Option<u64>,
    pub cache_write_input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub reasoning_output_tokens: Option<u64>,
    pub total_tokens: Option<u64>,
}

/// `item_completed.item` (0.151 and later).
#[derive(Deserialize, Default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub command: Option<Raw<'a>>,
    #[serde(borrow)]
    pub cwd: Option<Text<'a>>,
    #[serde(borrow)]
    pub status: Option<Text<'a>>,
    #[serde(borrow)]
    pub aggregated_output: Option<Raw<'a>>,
    pub exit_code: Option<i64>,
    #[serde(borrow)]
    pub duration: Option<Raw<'a>>,
    #[serde(borrow)]
    pub changes: Option<Raw<'a>>,
    pub server: Option<String>,
    pub tool: Option<String>,
    #[serde(borrow)]
    pub arguments: Option<Raw<'a>>,
    #[serde(borrow)]
    pub result: Option<Raw<'a>>,
    pub agent_thread_id: Option<String>,
    pub agent_path: Option<String>,
    pub receiver_thread_ids: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn a_payload_stays_small() {
        // what an allocator keeps at hand for the next line
        assert!(size_of::<Payload<'_>>() <= 1024, "{}", size_of::<Payload<'_>>());
    }
}
