//! Lines of a Codex rollout, clients 2025 to 0.169. One struct holds the union of the fields of all payload types: which
//! stand there is decided line by line, never by version. Lines are short (half have less than 500 bytes), so the struct is
//! kept small: what few lines have is boxed or left as it stands.

use serde::Deserialize;

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
    pub payload: Option<Box<Payload<'a>>>,
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

#[derive(Deserialize, Default)]
pub(super) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    // session_meta
    #[serde(borrow)]
    pub timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    pub cwd: Option<Text<'a>>,
    #[serde(borrow)]
    pub cli_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub originator: Option<Text<'a>>,
    #[serde(borrow)]
    pub model_provider: Option<Text<'a>>,
    #[serde(borrow)]
    pub parent_thread_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub forked_from_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub agent_nickname: Option<Text<'a>>,
    pub subagent_history_start_ordinal: Option<u64>,
    #[serde(borrow)]
    pub source: Option<Raw<'a>>,
    #[serde(borrow)]
    pub git: Option<Raw<'a>>,
    // turn_context, task_started, turn_aborted, thread_settings_applied
    #[serde(borrow)]
    pub turn_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub thread_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub thread_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub model: Option<Text<'a>>,
    pub num_turns: Option<u64>,
    pub turn_attribution: Option<Attribution>,
    // items
    #[serde(borrow)]
    pub role: Option<Text<'a>>,
    #[serde(borrow)]
    pub content: Option<Raw<'a>>,
    #[serde(borrow)]
    pub summary: Option<Raw<'a>>,
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub arguments: Option<Raw<'a>>,
    #[serde(borrow)]
    pub input: Option<Raw<'a>>,
    #[serde(borrow)]
    pub call_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub output: Option<Raw<'a>>,
    #[serde(borrow)]
    pub action: Option<Raw<'a>>,
    // events
    /// Of `user_message`, `agent_message`, `compacted`; only the last needs it.
    #[serde(borrow)]
    pub message: Option<Raw<'a>>,
    pub info: Option<Box<Info>>,
    pub usage: Option<Box<Tokens>>,
    #[serde(borrow)]
    pub item: Option<Box<Item<'a>>>,
    pub exit_code: Option<i64>,
    #[serde(borrow)]
    pub duration: Option<Raw<'a>>,
    pub success: Option<bool>,
    #[serde(borrow)]
    pub changes: Option<Raw<'a>>,
    #[serde(borrow)]
    pub result: Option<Raw<'a>>,
    #[serde(borrow)]
    pub command: Option<Raw<'a>>,
    /// A copy of what the output holds: needed only where there is no other record of the call.
    #[serde(borrow)]
    pub aggregated_output: Option<Raw<'a>>,
    pub started_at_ms: Option<i64>,
    pub completed_at_ms: Option<i64>,
    #[serde(borrow)]
    pub author: Option<Text<'a>>,
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
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub id: Option<String>,
    #[serde(borrow)]
    pub command: Option<Raw<'a>>,
    pub cwd: Option<String>,
    pub status: Option<String>,
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
