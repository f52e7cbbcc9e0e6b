//! Lines of a Claude Code transcript, as clients 1.0 to 2.1.330 write them. Borrowed, one pass; what is not named here is
//! skipped.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::source::raw::Raw;
pub(super) use crate::text::Text;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub subtype: Option<Text<'a>>,
    #[serde(borrow)]
    pub uuid: Option<Text<'a>>,
    #[serde(borrow)]
    pub parent_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    pub session_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    pub version: Option<Text<'a>>,
    #[serde(borrow)]
    pub cwd: Option<Text<'a>>,
    #[serde(borrow)]
    pub git_branch: Option<Text<'a>>,
    #[serde(borrow)]
    pub agent_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub prompt_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub tool_denial_kind: Option<Text<'a>>,
    /// The user refused a call that had not begun (2.1.330).
    pub tool_denial_before_run: Option<bool>,
    /// The response whose running calls the user cut off (2.1.80 and later).
    #[serde(borrow)]
    pub interrupted_message_id: Option<Text<'a>>,
    /// Of a compaction: the last line before it.
    #[serde(borrow)]
    pub logical_parent_uuid: Option<Text<'a>>,
    /// The call whose skill text this is.
    #[serde(borrow, rename = "sourceToolUseID")]
    pub source_tool_use_id: Option<Text<'a>>,
    /// On lines that a fork copied (2.1.330): the session that made the request.
    #[serde(borrow)]
    pub request_session_id: Option<Text<'a>>,
    pub is_sidechain: Option<bool>,
    pub is_meta: Option<bool>,
    pub is_compact_summary: Option<bool>,
    pub is_api_error_message: Option<bool>,
    #[serde(borrow)]
    pub origin: Option<Named<'a>>,
    #[serde(borrow)]
    pub forked_from: Option<Forked<'a>>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    #[serde(borrow)]
    pub attachment: Option<Box<Attachment<'a>>>,
    pub tool_use_result: Option<Box<ToolUseResult>>,
    #[serde(borrow)]
    pub summary: Option<Text<'a>>,
    #[serde(borrow)]
    pub ai_title: Option<Text<'a>>,
    #[serde(borrow)]
    pub custom_title: Option<Text<'a>>,
    #[serde(borrow)]
    pub compact_metadata: Option<Box<CompactMetadata<'a>>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub kind: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Forked<'a> {
    #[serde(borrow)]
    pub session_id: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompactMetadata<'a> {
    #[serde(borrow)]
    pub trigger: Option<Text<'a>>,
    pub pre_tokens: Option<u64>,
    #[serde(borrow)]
    pub preserved_segment: Option<Segment<'a>>,
}

/// The lines that a compaction keeps word by word.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment<'a> {
    /// The last of them.
    #[serde(borrow)]
    pub tail_uuid: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub model: Option<Text<'a>>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    pub usage: Option<Box<Usage>>,
}

#[derive(Deserialize, Default)]
pub(super) struct Usage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize, Default)]
pub(super) struct OutputDetails {
    pub thinking_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
pub(super) struct Attachment<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    /// Of `queued_command`: what the user typed, or blocks with images.
    #[serde(borrow)]
    pub prompt: Option<Content<'a>>,
    #[serde(borrow, rename = "commandMode")]
    pub command_mode: Option<Text<'a>>,
    #[serde(borrow)]
    pub origin: Option<Named<'a>>,
    #[serde(borrow)]
    pub filename: Option<Text<'a>>,
    #[serde(borrow)]
    pub snippet: Option<Text<'a>>,
    #[serde(borrow)]
    pub stdout: Option<Text<'a>>,
    #[serde(borrow, rename = "planContent")]
    pub plan_content: Option<Text<'a>>,
}

/// `content`: a string or a list of blocks; anything else is empty.
#[derive(Default)]
pub(super) enum Content<'a> {
    #[default]
    None,
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

#[derive(Deserialize, Default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Raw<'a>>,
    /// Where a bare string stands in the place of a block of text.
    #[serde(skip)]
    bare: Option<String>,
    #[serde(borrow)]
    thinking: Option<Raw<'a>>,
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    pub input: Option<Value>,
    #[serde(borrow)]
    pub tool_use_id: Option<Text<'a>>,
    /// Of a `tool_result`: like a message's content.
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    pub is_error: Option<bool>,
    /// Of a `tool_reference`.
    #[serde(borrow)]
    pub tool_name: Option<Text<'a>>,
}

impl Block<'_> {
    /// Its text.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        self.bare.as_deref().map(Cow::Borrowed).or_else(|| self.text?.text().map(Cow::Owned))
    }

    /// What the model thought.
    pub(super) fn thinking(&self) -> Option<String> {
        self.thinking?.text()
    }

    /// The text of a result.
    pub(super) fn result(&self) -> String {
        let Some(content) = self.content else { return String::new() };
        content.text().or_else(|| content.parsed::<Content<'_>>().map(Content::into_text)).unwrap_or_else(|| {
            let repaired = content.value().to_string();
            serde_json::from_str::<Content<'_>>(&repaired).map(Content::into_text).unwrap_or_default()
        })
    }
}

impl Content<'_> {
    /// The text: of a list the texts of its blocks, a line each; an image as a mark.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(t) => t.into_owned(),
            Self::Blocks(blocks) => {
                let mut out = String::new();
                for b in &blocks {
                    let part = match (b.text(), b.kind.as_deref(), &b.tool_name) {
                        (Some(t), ..) => t,
                        (None, Some("image"), _) => "[image]".into(),
                        (None, Some("document"), _) => "[document]".into(),
                        (None, _, Some(name)) => Cow::Borrowed(&**name),
                        _ => continue,
                    };
                    if !out.is_empty() {
                        out.push('\n');
                    }
                    out.push_str(&part);
                }
                out
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Content<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or blocks")
            }

            fn visit_borrowed_str<E: de::Error>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(s.into()))
            }

            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(s.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(item) = seq.next_element::<Item<'a>>()? {
                    blocks.extend(item.0);
                }
                Ok(Content::Blocks(blocks))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Content::None)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Content::None)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Content::None)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Content::None)
            }
        }
        d.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// One item of a list of blocks: a block, or a bare string.
struct Item<'a>(Option<Block<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Item<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block")
            }

            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                let bare = Some(s.to_owned());
                Ok(Item(Some(Block { kind: Some("text".into()), bare, ..Block::default() })))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Block::deserialize(de::value::MapAccessDeserializer::new(map)).map(|b| Item(Some(b)))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Item(None))
            }
        }
        d.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// What is kept of `toolUseResult`, the structured twin of a result: an object, a string on error, a list for MCP, or absent.
#[derive(Default)]
pub(super) struct ToolUseResult {
    pub agent_id: Option<String>,
    pub background_task_id: Option<String>,
    /// Of a workflow.
    pub run_id: Option<String>,
    pub structured_patch: Option<Value>,
    pub file_path: Option<String>,
    pub duration_ms: Option<u64>,
}

impl<'de> Deserialize<'de> for ToolUseResult {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = ToolUseResult;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool result")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut r = ToolUseResult::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    match &*key {
                        "agentId" | "resumedAgentId" => r.agent_id = text(map.next_value()?).or(r.agent_id),
                        "backgroundTaskId" => r.background_task_id = text(map.next_value()?),
                        "runId" => r.run_id = text(map.next_value()?),
                        "filePath" => r.file_path = text(map.next_value()?),
                        "structuredPatch" => r.structured_patch = map.next_value()?,
                        "totalDurationMs" | "durationMs" => {
                            r.duration_ms = map.next_value::<Value>()?.as_f64().map(|ms| ms.max(0.0) as u64);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(r)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(ToolUseResult::default())
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(ToolUseResult::default())
            }
        }
        d.deserialize_any(Any)
    }
}

fn text(v: Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s),
        _ => None,
    }
}

/// `agent-<id>.meta.json` beside a sub-agent's transcript (2.1.33 and later; `toolUseId` from 2.1.197).
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub tool_use_id: Option<String>,
    pub agent_type: Option<String>,
}
