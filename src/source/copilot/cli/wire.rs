//! Records of `events.jsonl` (schema of Copilot CLI 1.0.102; fields that versions since 0.0.354 write).
//!
//! The type says how the data is to be read, so data stays raw until it is known to be of use.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::Text;

/// One record.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub timestamp: Option<Text<'a>>,
    /// The sub-agent (1.0.102; before, `parentToolCallId` in the data is all there is).
    #[serde(borrow)]
    pub agent_id: Option<Text<'a>>,
    /// Of what `--output-format json` prints and the file does not hold.
    pub ephemeral: Option<bool>,
}

/// `session.start`, and `session.resume` with less.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Start {
    pub session_id: Option<String>,
    pub copilot_version: Option<String>,
    pub start_time: Option<Value>,
    pub selected_model: Option<String>,
    pub context: Option<Place>,
    pub detached_from_spawning_parent_session_id: Option<String>,
}

/// Where a session works; the whole data of `session.context_changed`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Place {
    pub cwd: Option<String>,
    pub branch: Option<String>,
    pub head_commit: Option<String>,
}

/// `user.message`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct User {
    pub content: String,
    pub message_id: Option<String>,
    /// Who wrote it, where that is not the user: `agent-<id>`, `skill-<name>`.
    pub source: Option<String>,
    pub is_autopilot_continuation: Option<bool>,
    pub parent_tool_call_id: Option<String>,
}

/// `assistant.message`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Assistant {
    pub message_id: Option<String>,
    /// The prompt that it answers; none on a message that the client made up (1.0.102).
    pub originating_message_id: Option<String>,
    pub interaction_id: Option<String>,
    pub model: Option<String>,
    pub content: Option<String>,
    pub tool_requests: Option<Vec<Request>>,
    pub reasoning_text: Option<String>,
    pub output_tokens: Option<u64>,
    /// The provider's id of the response, which its chunks share.
    pub api_call_id: Option<String>,
    pub parent_tool_call_id: Option<String>,
}

/// A call that a message asks for.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request {
    pub tool_call_id: Option<String>,
    pub name: Option<String>,
    /// An object; text in VS Code's transcripts, and for tools that take a text.
    pub arguments: Option<Value>,
}

/// `assistant.reasoning`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reasoning {
    pub content: Option<String>,
    pub parent_tool_call_id: Option<String>,
}

/// `tool.execution_start` and `tool.user_requested`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ToolStart {
    pub tool_call_id: Option<String>,
    pub tool_name: Option<String>,
    pub arguments: Option<Value>,
    pub parent_tool_call_id: Option<String>,
}

/// `tool.execution_complete`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ToolEnd {
    pub tool_call_id: Option<String>,
    pub success: Option<bool>,
    pub result: Option<ToolResult>,
    pub error: Option<Value>,
    pub shell_execution: Option<ShellExecution>,
    pub file_edits: Option<Vec<FileEdited>>,
    pub parent_tool_call_id: Option<String>,
}

/// What a call gave.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ToolResult {
    /// What the model saw.
    pub content: Option<Value>,
    /// What the terminal showed: of edits a diff.
    pub detailed_content: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ShellExecution {
    pub exit_code: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct FileEdited {
    pub path: String,
    pub kind: Option<String>,
}

/// `permission.completed`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Permission {
    pub tool_call_id: Option<String>,
    pub result: Option<Kind>,
}

/// Something with a kind; `system.notification` names the shell or agent in it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Kind {
    pub kind: Option<String>,
}

/// `subagent.started`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Subagent {
    pub tool_call_id: Option<String>,
}

/// `system.notification`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Notification {
    pub content: Option<String>,
    pub kind: Option<Notified>,
}

/// What a notification is about.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Notified {
    pub agent_id: Option<String>,
    pub shell_id: Option<String>,
}

/// `skill.invoked`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Skill {
    pub name: Option<String>,
    pub content: Option<String>,
}

/// `session.compaction_complete`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Compaction {
    pub success: Option<bool>,
    pub summary_content: Option<String>,
}

/// `session.info`, `session.error`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Info {
    pub info_type: Option<String>,
    pub message: Option<String>,
    pub originating_message_id: Option<String>,
}

/// `session.model_change`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ModelChange {
    pub new_model: Option<String>,
}

/// `session.usage_record`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct UsageRecord {
    pub usage: Option<Tokens>,
}

/// Tokens of one response; the whole data of `assistant.usage`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Tokens {
    pub api_call_id: Option<String>,
    /// With those read from and written to a cache.
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_write_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
}

/// `result`, the last line of `--output-format json`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Last {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub session_id: Option<String>,
}
