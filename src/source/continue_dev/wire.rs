//! The JSON of a session: what is in it, told apart from what is not needed, whatever it looks like.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::event::{Usage, parse_time, time_from_ms};
use crate::source::jsonl::{document, repair, trim};

/// A session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) id: Option<String>,
    pub(super) title: Option<String>,
    /// The folder it works in: a path, from an address where an extension wrote it.
    pub(super) workspace: Option<String>,
    pub(super) model: Option<String>,
    pub(super) history: Vec<Item>,
}

/// One item of the history.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) role: String,
    /// `message.id`; none in `cn`.
    pub(super) id: Option<String>,
    pub(super) text: String,
    /// Parts of the content that are no text.
    pub(super) images: u64,
    pub(super) calls: Vec<Call>,
    /// `toolCallId` of a result that is an item of its own.
    pub(super) answers: Option<String>,
    pub(super) attached: Vec<Attached>,
    pub(super) thought: Option<Thought>,
    pub(super) summary: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
}

/// A tool call with what is known of its end.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Option<Value>,
    /// `generating`, `generated`, `calling`, `done`, `errored`, `canceled`; none where only the call is recorded.
    pub(super) status: Option<String>,
    pub(super) output: Option<String>,
    /// What the client says of a command's end, beside its output.
    pub(super) said: Option<String>,
}

/// Text that the user put beside a prompt.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) content: String,
}

/// A thought within an item, with its times in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Thought {
    pub(super) text: String,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

fn string(v: &Value, key: &str) -> Option<String> {
    v.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn list_of<'a>(v: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    v.get(key).and_then(Value::as_array).into_iter().flatten()
}

impl Item {
    fn of(v: &Value) -> Self {
        let none = Value::Null;
        let message = v.get("message").unwrap_or(&none);
        let (text, images) = content(message.get("content").unwrap_or(&none));
        let usage = message.get("usage").unwrap_or(&none);
        let log = list_of(v, "promptLogs").next();
        let logged = |key: &str| log.and_then(|l| string(l, key));
        let named = log.and_then(|l| l.get("completionOptions")).and_then(|o| string(o, "model"));
        Self {
            role: string(message, "role").unwrap_or_default(),
            id: string(message, "id").filter(|id| !id.is_empty()),
            text,
            images,
            calls: calls(v, message),
            answers: string(message, "toolCallId"),
            attached: list_of(v, "contextItems").filter_map(attached).collect(),
            thought: v.get("reasoning").and_then(thought),
            summary: string(v, "conversationSummary").filter(|s| !s.trim().is_empty()),
            usage: tokens(usage),
            model: string(usage, "model").or(named).or_else(|| logged("modelTitle")),
            provider: logged("modelProvider"),
        }
    }
}

/// The text of a content, and how many parts of it are none.
fn content(v: &Value) -> (String, u64) {
    match v {
        Value::String(s) => (s.clone(), 0),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|p| p.get("text")?.as_str()).collect();
            (texts.join("\n"), (parts.len() - texts.len()) as u64)
        }
        _ => (String::new(), 0),
    }
}

fn attached(v: &Value) -> Option<Attached> {
    let content = string(v, "content").filter(|c| !c.is_empty())?;
    let name = string(v, "name").or_else(|| string(v, "description")).unwrap_or_default();
    Some(Attached { name, content })
}

fn thought(v: &Value) -> Option<Thought> {
    let text = string(v, "text").filter(|t| !t.trim().is_empty())?;
    let ms = |key: &str| v.get(key).and_then(Value::as_i64);
    Some(Thought { text, start: ms("startAt"), end: ms("endAt") })
}

/// The calls of an item: `toolCalls` of the message, joined by id with `toolCallStates` (one `toolCallState` before 1.0).
fn calls(item: &Value, message: &Value) -> Vec<Call> {
    let states: Vec<&Value> =
        list_of(item, "toolCallStates").chain(item.get("toolCallState").filter(|s| s.is_object())).collect();
    let mut found: Vec<Call> = list_of(message, "toolCalls").map(call).collect();
    let mut at: HashMap<String, usize> = found.iter().enumerate().map(|(i, c)| (c.id.clone(), i)).collect();
    for state in states {
        let told = state.get("toolCall").map(call).unwrap_or_default();
        let id = string(state, "toolCallId").unwrap_or(told.id);
        let i = *at.entry(id.clone()).or_insert_with(|| {
            found.push(Call { id, name: told.name, input: told.input, ..Call::default() });
            found.len() - 1
        });
        let Some(call) = found.get_mut(i) else { continue };
        let input = state.get("parsedArgs").filter(|a| a.is_object());
        if !call.input.as_ref().is_some_and(Value::is_object) && input.is_some() {
            call.input = input.cloned();
        }
        call.status = string(state, "status");
        let texts: Vec<&str> = list_of(state, "output").filter_map(|o| o.get("content")?.as_str()).collect();
        call.output = (!texts.is_empty()).then(|| texts.join("\n\n"));
        call.said = list_of(state, "output").find_map(|o| string(o, "status"));
    }
    found
}

fn call(v: &Value) -> Call {
    let function = v.get("function").unwrap_or(&Value::Null);
    let input = function.get("arguments").map(|a| match a {
        Value::String(s) => serde_json::from_str(s).unwrap_or_else(|_| a.clone()),
        other => other.clone(),
    });
    Call {
        id: string(v, "id").unwrap_or_default(),
        name: string(function, "name").unwrap_or_default(),
        input: input.filter(|i| *i != Value::String(String::new())),
        ..Call::default()
    }
}

/// Tokens: `prompt_tokens` of `cn`, `promptTokens` of the extensions; the prompt's count holds the cached ones.
fn tokens(usage: &Value) -> Option<Usage> {
    let n = |v: &Value, snake: &str, camel: &str| v.get(snake).or_else(|| v.get(camel)).and_then(Value::as_u64);
    let details = usage.get("prompt_tokens_details").or_else(|| usage.get("promptTokensDetails"));
    let cached = |snake: &str, camel: &str| details.and_then(|d| n(d, snake, camel));
    let (read, write) = (cached("cached_tokens", "cachedTokens"), cached("cache_write_tokens", "cacheWriteTokens"));
    let input = n(usage, "prompt_tokens", "promptTokens");
    let output = n(usage, "completion_tokens", "completionTokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    let apart = read.unwrap_or(0).saturating_add(write.unwrap_or(0));
    let input = input.map(|i| i.saturating_sub(apart));
    Some(Usage { input, output, cache_read: read, cache_write: write, reasoning: None })
}

/// A path from an address as VS Code writes it; paths stay as they are.
fn path_of(workspace: &str) -> String {
    let Some((scheme, rest)) = workspace.split_once("://") else { return workspace.to_owned() };
    let path = rest.find('/').map_or("", |i| rest.get(i..).unwrap_or(""));
    let path = percent_decoded(path);
    // file:///c%3A/Users
    let drive = path.get(1..).filter(|p| scheme == "file" && p.as_bytes().get(1) == Some(&b':'));
    drive.map_or(path.clone(), str::to_owned)
}

fn percent_decoded(s: &str) -> String {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((b, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *b == b'%').and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or(&[]);
            }
            None => {
                out.push(*b);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A session of a file, with what is wrong with it. Of a torn file the whole items are given.
pub(super) fn parse(bytes: &[u8]) -> (Session, Option<String>) {
    let bytes = trim(bytes);
    let mut session = Session::default();
    let first = match from_slice(bytes, &mut session) {
        Ok(()) => return (session, None),
        Err(e) => e,
    };
    let mut text = String::new();
    repair(bytes, &mut text);
    let mut repaired = Session::default();
    let whole = from_slice(text.as_bytes(), &mut repaired).is_ok();
    if whole || repaired.history.len() > session.history.len() {
        session = repaired;
    }
    let said = first.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    (session, (!whole).then(|| if first.is_eof() { format!("torn: {said}") } else { said.to_owned() }))
}

fn from_slice(bytes: &[u8], session: &mut Session) -> serde_json::Result<()> {
    let result = serde_json::Deserializer::from_slice(bytes).deserialize_map(Top(session));
    session.workspace = session.workspace.take().map(|w| path_of(&w));
    result
}

struct Top<'a>(&'a mut Session);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let session = self.0;
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.as_str() {
                "sessionId" => &mut session.id,
                "title" => &mut session.title,
                "workspaceDirectory" => &mut session.workspace,
                "chatModelTitle" => &mut session.model,
                "history" => {
                    map.next_value_seed(History(&mut session.history))?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = map.next_value::<Value>()?.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
        }
        Ok(())
    }
}

struct History<'a>(&'a mut Vec<Item>);

impl<'de> DeserializeSeed<'de> for History<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for History<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a history")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Value>()? {
            self.0.push(Item::of(&item));
        }
        Ok(())
    }
}

/// Whether a file that begins like this is a session.
pub(super) fn is_session(head: &[u8]) -> bool {
    let head = trim(head);
    let has = |key: &str| memchr::memmem::find(head, format!("\"{key}\"").as_bytes()).is_some();
    head.starts_with(b"{")
        && has("history")
        && (has("workspaceDirectory") || has("contextItems"))
        && (has("sessionId") || has("message"))
}

/// The workspace in a part of a session's file.
pub(super) fn workspace_in(part: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"workspaceDirectory\"";
    let at = memchr::memmem::rfind(part, KEY)?;
    let value = part.get(at + KEY.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(value);
    String::deserialize(&mut values).ok().filter(|w| !w.is_empty()).map(|w| path_of(&w))
}

/// When each session was first saved: `dateCreated` is milliseconds as a string, an ISO time in old entries.
pub(super) fn list(bytes: &[u8]) -> HashMap<String, DateTime<Utc>> {
    let entries: Vec<Value> = document(bytes).unwrap_or_default();
    let one = |e: &Value| {
        let id = string(e, "sessionId").or_else(|| string(e, "session_id"))?;
        let date = e.get("dateCreated").or_else(|| e.get("date_created"))?;
        let ms = date.as_i64().or_else(|| date.as_str()?.parse().ok());
        Some((id, ms.and_then(time_from_ms).or_else(|| parse_time(date.as_str()?))?))
    };
    entries.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_are_paths() {
        let cases = [
            ("/home/dev/x y", "/home/dev/x y"),
            ("C:\\Users\\dev", "C:\\Users\\dev"),
            ("file:///home/dev/x%20y", "/home/dev/x y"),
            ("file:///c%3A/Users/dev", "c:/Users/dev"),
            ("vscode-remote://dev-container%2B7b/workspaces/p", "/workspaces/p"),
            ("file:///100%/é", "/100%/é"),
        ];
        for (written, meant) in cases {
            assert_eq!(path_of(written), meant);
        }
        assert_eq!(workspace_in(br#""x","workspaceDirectory": "file:///a","hi"#).as_deref(), Some("/a"));
        assert_eq!(workspace_in(br#""workspaceDirectory": "file:/"#), None);
    }
}
