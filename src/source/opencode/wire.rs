//! The JSON of messages and parts, the same in the `data` columns, in the files of versions before 1.2 and in exports.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A session: `info` of an export, or a file below `storage/session`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) id: String,
    #[serde(rename = "parentID")]
    pub(super) parent_id: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) title: Option<String>,
    pub(super) version: Option<String>,
    pub(super) revert: Option<Value>,
    pub(super) time: Time,
}

impl Session {
    /// The first message that a revert hides until the next prompt deletes it. A revert in the middle of a message
    /// (`partID`) hides no whole message.
    pub(super) fn hidden_from(&self) -> Option<&str> {
        let revert = self.revert.as_ref().filter(|r| r.get("partID").is_none_or(Value::is_null))?;
        revert.get("messageID").and_then(Value::as_str)
    }
}

/// Times in milliseconds since 1970: `created`, `completed` and `updated` of messages, `start` and `end` of parts.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Time {
    pub(super) created: Option<i64>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

/// A message: one prompt, or one response of the model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) role: String,
    /// The user's message that a response belongs to.
    #[serde(rename = "parentID")]
    pub(super) parent_id: Option<String>,
    #[serde(rename = "modelID")]
    pub(super) model_id: Option<String>,
    #[serde(rename = "providerID")]
    pub(super) provider_id: Option<String>,
    /// `{cwd, root}`.
    pub(super) path: Value,
    pub(super) tokens: Value,
    /// `{name, data: {message}}`.
    pub(super) error: Value,
    /// `true` on the response that sums up before a compaction; an object on prompts.
    pub(super) summary: Value,
    pub(super) time: Time,
    /// Where the message holds a command that the user ran himself, and the record says so (2.x).
    #[serde(skip)]
    pub(super) by_user: bool,
}

/// A part of a message. Which fields are set depends on `kind`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    /// The client's words, not the user's.
    pub(super) synthetic: bool,
    pub(super) time: Option<Time>,
    pub(super) tool: Option<String>,
    #[serde(rename = "callID")]
    pub(super) call_id: Option<String>,
    pub(super) state: Option<State>,
    /// Files that a step changed (`patch`).
    pub(super) files: Vec<Value>,
    /// Name of an attached file.
    pub(super) filename: Option<String>,
    /// What a sub-task that the user starts is told (`subtask`).
    pub(super) prompt: Option<String>,
    /// A compaction that the client began by itself.
    pub(super) auto: Option<bool>,
    /// Why a request is tried again (`retry`).
    pub(super) error: Value,
}

/// State of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) status: String,
    pub(super) input: Option<Value>,
    pub(super) output: Option<Value>,
    pub(super) error: Option<Value>,
    #[serde(deserialize_with = "used_metadata")]
    pub(super) metadata: Value,
    pub(super) time: Time,
}

/// What is used of the metadata of a call. The rest is passed over: copies of the output, whole files before and after an edit.
const USED: &[&str] = &["exit", "files", "filediff", "diff", "sessionId", "sessionID"];

/// What is used of `filediff`.
const USED_OF_FILE: &[&str] = &["patch", "file"];

fn used_metadata<'de, D: Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
    Used(USED).deserialize(d)
}

/// The keys of an object that are kept; anything but an object is nothing.
struct Used(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Used {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Used {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if !self.0.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = if key == "filediff" { map.next_value_seed(Used(USED_OF_FILE))? } else { map.next_value()? };
            kept.insert(key, value);
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// One message with its parts, in order.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) message: Message,
    pub(super) parts: Vec<Part>,
    /// Reverted: the model no longer sees it.
    pub(super) dead: bool,
    /// Why parts of it, or the whole, could not be read.
    pub(super) problems: Vec<String>,
    /// Kinds that are known to say nothing about causes.
    pub(super) passed_over: Vec<String>,
    /// Kinds that this version does not know.
    pub(super) unknown: Vec<String>,
}

/// A call that started, or went on with, a session of its own.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) part: String,
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    /// What the sub-agent was told.
    pub(super) prompt: Option<String>,
}

/// Where the records of a session come from.
pub(super) trait Records {
    /// The session itself.
    fn session(&self) -> anyhow::Result<Session>;

    /// Its messages in order, one at a time.
    fn each(&self, take: &mut dyn FnMut(Record)) -> anyhow::Result<()>;

    /// The calls of `parent` that `child` worked for, in order.
    fn tasks(&self, parent: &str, child: &str) -> Vec<Task>;

    /// When a session's agent said what, as ids of parts, in order.
    fn said(&self, session: &str) -> Vec<(i64, String)>;

    /// Where the messages and parts of a fork were copied from: their ids to session and id there.
    fn copies(&self) -> HashMap<String, (String, String)> {
        HashMap::new()
    }
}

/// Key that sorts parts (and messages without a time) whose ids carry 48 bits of milliseconds × 4096 and so wrap every 795
/// days (last on 2026-08-14): the distance from `base`, an id made shortly before.
pub(super) fn after(base: &str, id: &str) -> u64 {
    let bits = |id: &str| u64::from_str_radix(id.split_once('_')?.1.get(..12)?, 16).ok();
    match (bits(base), bits(id)) {
        (Some(base), Some(id)) => id.wrapping_sub(base) & ((1 << 48) - 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn ids_sort_across_the_wrap() {
        let base = "msg_ffffffffff00abc";
        assert!(after(base, "prt_ffffffffffffxyz") < after(base, "prt_000000000001xyz"));
        assert_eq!(after("m_small", "p_1"), 0);
    }
}
