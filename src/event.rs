//! The one Event type, its JSON line, and how later lines fold into earlier ones.
//!
//! An event is one JSON object on one line. Unknown keys are kept in [`Event::extra`] and written back. The file format
//! version is [`SCHEMA_VERSION`]; lines of the Python causetrace (`"0.1"`) are read as well: their ids, comma-separated
//! parents, missing `session_id` and naive timestamps (taken as UTC).

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDateTime, SecondsFormat, Utc};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::text::Text;

/// The version that this program writes into each line.
pub const SCHEMA_VERSION: &str = "1.0";

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum EventType {
    /// Header of a session: cwd, title, version, git, source file, parent session.
    Session,
    /// The user's own words.
    UserInput,
    /// The agent's words.
    Message,
    /// The agent's recorded thoughts.
    Reasoning,
    /// A tool call with, once known, its result.
    #[default]
    ToolCall,
    /// Text put into the context by the client: injected reminders, compaction summaries, attachments, notifications.
    ContextUpdate,
    /// A type that a newer version wrote; kept as it is.
    Other(String),
}

impl EventType {
    /// The name in the file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Session => "session",
            Self::UserInput => "user_input",
            Self::Message => "message",
            Self::Reasoning => "reasoning",
            Self::ToolCall => "tool_call",
            Self::ContextUpdate => "context_update",
            Self::Other(s) => s,
        }
    }

    /// The type of that name.
    pub fn from_name(s: &str) -> Self {
        match s {
            "session" => Self::Session,
            "user_input" => Self::UserInput,
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "tool_call" => Self::ToolCall,
            "context_update" => Self::ContextUpdate,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It succeeded.
    Ok,
    /// It ran, or was tried, and failed.
    Error,
    /// The user, a rule or a policy refused it.
    Denied,
    /// It was cut off: by the user, a kill, or the end of the session.
    Interrupted,
    /// No result is recorded (yet).
    Running,
}

impl Status {
    /// The name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
            Self::Interrupted => "interrupted",
            Self::Running => "running",
        }
    }

    /// The status of that name.
    pub fn from_name(s: &str) -> Option<Self> {
        Some(match s {
            "ok" => Self::Ok,
            "error" => Self::Error,
            "denied" => Self::Denied,
            "interrupted" => Self::Interrupted,
            "running" => Self::Running,
            _ => return None,
        })
    }
}

/// Tokens of one model response, by kind, where the agent recorded them. Set on one event of the response only, so that
/// a sum over events counts each response once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Output tokens, thinking included.
    pub output: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the provider's cache.
    pub cache_write: Option<u64>,
    /// The part of `output` that was thinking.
    pub reasoning: Option<u64>,
}

/// Where an event was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The agent's file, absolute; or none for a hook payload.
    pub file: Option<String>,
    /// Line in that file (from 1), or row position in a database.
    pub line: Option<u64>,
    /// Name of the hook event, where the event came from a hook and not from a file.
    pub hook: Option<String>,
}

/// One thing that happened in a session. See DESIGN in the crate documentation for the meaning of each key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// UUIDv5 of agent, session and native id (see [`crate::id`]); any free string in `"0.1"` lines.
    pub event_id: String,
    /// The agent's own session id.
    pub session_id: String,
    /// `claude-code`, `codex`, `opencode`, `aider`, `continue`, `copilot`.
    pub agent: String,
    /// What it is.
    pub event_type: EventType,
    /// The tool's name as the agent says it.
    pub tool_name: Option<String>,
    /// Input of a call as JSON; for prompts, messages, thoughts and injected text: the text.
    pub tool_input: Option<Value>,
    /// Output of a call: text as the model saw it, or JSON.
    pub tool_output: Option<Value>,
    /// How the call ended.
    pub status: Option<Status>,
    /// Exit code of a command, where one is known.
    pub exit_code: Option<i64>,
    /// When it began; absent where the agent records no time.
    pub timestamp: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The proven parents: ids of events in the same or another session.
    pub parents: Vec<String>,
    /// The agent's id of the call.
    pub call_id: Option<String>,
    /// Id of the model response that issued it: events that share it (and the agent id) are siblings.
    pub turn_id: Option<String>,
    /// The agent's id of the record.
    pub native_id: Option<String>,
    /// Sub-agent within the session.
    pub agent_id: Option<String>,
    /// Session that spawned this one.
    pub parent_session_id: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// Tokens of the model response.
    pub usage: Option<Usage>,
    /// Where it ran.
    pub cwd: Option<String>,
    /// Keys that are none of the above, kept as they are.
    pub extra: Map<String, Value>,
    /// Where it was read from. Always the last key of a line.
    pub source: Origin,
}

impl Event {
    /// The input as text: the string itself, or compact JSON.
    pub fn input_text(&self) -> std::borrow::Cow<'_, str> {
        value_text(self.tool_input.as_ref())
    }

    /// The output as text: the string itself, or compact JSON.
    pub fn output_text(&self) -> std::borrow::Cow<'_, str> {
        value_text(self.tool_output.as_ref())
    }

    /// The output as text without the lines on duration and exit code that Codex (0.50 to 0.169) puts before what a command
    /// printed.
    pub fn output_body(&self) -> std::borrow::Cow<'_, str> {
        use std::borrow::Cow;
        match self.output_text() {
            Cow::Borrowed(text) => Cow::Borrowed(&text[header(text)..]),
            Cow::Owned(mut text) => Cow::Owned(text.split_off(header(&text))),
        }
    }

    /// True where the event was told by a hook and by no file yet.
    pub fn from_hook(&self) -> bool {
        self.source.hook.is_some()
    }

    /// True for a tool call.
    pub fn is_call(&self) -> bool {
        self.event_type == EventType::ToolCall
    }

    /// Takes over what a later line of the same event says.
    ///
    /// Later fields win, with two exceptions: what a hook said only fills gaps of what the agent's own file said (the
    /// file holds the text that the model saw), and `running` never replaces an ending.
    pub fn fold(&mut self, later: Event) {
        let fill_only = later.from_hook() && !self.from_hook();
        let ended = |s: Option<Status>| s.is_some_and(|s| s != Status::Running);
        if ended(later.status) && (!fill_only || !ended(self.status)) || self.status.is_none() {
            self.status = later.status;
        }
        macro_rules! take {
            ($($field:ident),*) => {$(
                if later.$field.is_some() && !(fill_only && self.$field.is_some()) {
                    self.$field = later.$field;
                }
            )*};
        }
        take!(
            tool_name,
            tool_input,
            tool_output,
            exit_code,
            timestamp,
            duration_ms,
            call_id,
            turn_id,
            native_id,
            agent_id,
            parent_session_id,
            model,
            provider,
            usage,
            cwd
        );
        if !later.parents.is_empty() && (!fill_only || self.parents.is_empty()) {
            self.parents = later.parents;
        }
        for (key, value) in later.extra {
            if !(fill_only && self.extra.contains_key(&key)) {
                self.extra.insert(key, value);
            }
        }
        if !fill_only {
            // the first position stays: it is where the event stands in the agent's file
            if self.from_hook() || self.source == Origin::default() {
                self.source = later.source;
            }
            self.event_type = later.event_type;
        }
    }

    /// Writes the event as one line of the store, without the newline, to the end of `out`.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        // a map of strings and JSON values always serialises, and memory takes it
        serde_json::to_writer(out, self).ok();
    }

    /// The event as one line of the store, without the newline.
    pub fn to_line(&self) -> String {
        // a map of strings and JSON values always serialises
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Length of the header that Codex puts before an output.
fn header(output: &str) -> usize {
    const MARK: &str = "\nOutput:\n";
    let codex = ["Chunk ID:", "Exit code:", "Wall time:"].iter().any(|h| output.starts_with(h));
    let at = output.find(MARK).filter(|at| codex && *at < 400);
    at.map_or(0, |at| at + MARK.len())
}

fn value_text(v: Option<&Value>) -> std::borrow::Cow<'_, str> {
    match v {
        None | Some(Value::Null) => "".into(),
        Some(Value::String(s)) => s.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}

/// Reads RFC 3339, and the naive ISO times of `"0.1"` lines as UTC.
pub fn parse_time(s: &str) -> Option<DateTime<Utc>> {
    if let Ok(t) = DateTime::parse_from_rfc3339(s) {
        return sayable(t.with_timezone(&Utc));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(s, f).ok())
        .and_then(|t| sayable(t.and_utc()))
}

/// Time from milliseconds since 1970; none beyond what RFC 3339 can say.
pub fn time_from_ms(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms).and_then(sayable)
}

/// A time whose year has four digits, in every time zone: others cannot be written and read back, nor shown.
fn sayable(t: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1..=9999).contains(&t.year()).then_some(t)
}

impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut m = s.serialize_map(None)?;
        let all = [
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("reasoning", self.reasoning),
        ];
        for (key, n) in all {
            if let Some(n) = n {
                m.serialize_entry(key, &n)?;
            }
        }
        m.end()
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut m = s.serialize_map(None)?;
        if let Some(f) = &self.file {
            m.serialize_entry("file", f)?;
        }
        if let Some(n) = self.line {
            m.serialize_entry("line", &n)?;
        }
        if let Some(h) = &self.hook {
            m.serialize_entry("hook", h)?;
        }
        m.end()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut m = s.serialize_map(None)?;
        m.serialize_entry("schema_version", SCHEMA_VERSION)?;
        m.serialize_entry("event_id", &self.event_id)?;
        m.serialize_entry("session_id", &self.session_id)?;
        m.serialize_entry("agent", &self.agent)?;
        m.serialize_entry("event_type", self.event_type.as_str())?;
        macro_rules! some {
            ($($field:ident),*) => {$(
                if let Some(v) = &self.$field {
                    m.serialize_entry(stringify!($field), v)?;
                }
            )*};
        }
        some!(tool_name, tool_input, tool_output);
        if let Some(v) = self.status {
            m.serialize_entry("status", v.as_str())?;
        }
        some!(exit_code);
        if let Some(t) = &self.timestamp {
            m.serialize_entry("timestamp", &t.to_rfc3339_opts(SecondsFormat::AutoSi, true))?;
        }
        some!(duration_ms);
        if !self.parents.is_empty() {
            m.serialize_entry("parent_event_id", &self.parents.join(","))?;
        }
        some!(call_id, turn_id, native_id, agent_id, parent_session_id, model, provider, usage, cwd);
        for (key, value) in &self.extra {
            m.serialize_entry(key, value)?;
        }
        if self.source != Origin::default() {
            m.serialize_entry("source", &self.source)?;
        }
        m.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event: one JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let mut e = Event::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    match &*key {
                        "schema_version" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        "event_id" => e.event_id = map.next_value()?,
                        "session_id" => e.session_id = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "agent" => e.agent = map.next_value::<Option<String>>()?.unwrap_or_default(),
                        "event_type" => {
                            e.event_type = EventType::from_name(&map.next_value::<Text<'_>>()?);
                        }
                        "tool_name" => e.tool_name = map.next_value()?,
                        "tool_input" => e.tool_input = map.next_value()?,
                        "tool_output" => e.tool_output = map.next_value()?,
                        "status" => {
                            e.status = map.next_value::<Option<Text<'_>>>()?.and_then(|s| Status::from_name(&s));
                        }
                        "exit_code" => e.exit_code = map.next_value()?,
                        "timestamp" => {
                            e.timestamp = map.next_value::<Option<Text<'_>>>()?.and_then(|s| parse_time(&s));
                        }
                        // "0.1" lines hold fractions of a millisecond
                        "duration_ms" => {
                            let ms: Option<serde_json::Number> = map.next_value()?;
                            let rounded = |ms: f64| (ms >= 0.0).then_some(ms.round() as u64);
                            e.duration_ms = ms.and_then(|n| n.as_u64().or_else(|| n.as_f64().and_then(rounded)));
                        }
                        "parent_event_id" => {
                            let joined = map.next_value::<Option<String>>()?.unwrap_or_default();
                            let ids = joined.split(',').map(str::trim).filter(|s| !s.is_empty());
                            e.parents = ids.map(str::to_owned).collect();
                        }
                        "call_id" => e.call_id = map.next_value()?,
                        "turn_id" => e.turn_id = map.next_value()?,
                        "native_id" => e.native_id = map.next_value()?,
                        "agent_id" => e.agent_id = map.next_value()?,
                        "parent_session_id" => e.parent_session_id = map.next_value()?,
                        "model" => e.model = map.next_value()?,
                        "provider" => e.provider = map.next_value()?,
                        "usage" => e.usage = usage_from(&map.next_value::<Value>()?),
                        "cwd" => e.cwd = map.next_value()?,
                        "source" => match map.next_value::<Value>()? {
                            v @ Value::Object(_) => e.source = origin_from(&v),
                            other => {
                                e.extra.insert(key.into_owned(), other);
                            }
                        },
                        _ => {
                            let v = map.next_value()?;
                            e.extra.insert(key.into_owned(), v);
                        }
                    }
                }
                if e.event_id.is_empty() {
                    return Err(de::Error::missing_field("event_id"));
                }
                Ok(e)
            }
        }
        d.deserialize_map(Fields)
    }
}

fn usage_from(v: &Value) -> Option<Usage> {
    v.as_object()?;
    let n = |key: &str| v.get(key).and_then(Value::as_u64);
    Some(Usage {
        input: n("input"),
        output: n("output"),
        cache_read: n("cache_read"),
        cache_write: n("cache_write"),
        reasoning: n("reasoning"),
    })
}

fn origin_from(v: &Value) -> Origin {
    let s = |key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    Origin { file: s("file"), line: v.get("line").and_then(Value::as_u64), hook: s("hook") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_types_survive_a_round_trip() {
        let line = r#"{"schema_version":"1.0","event_id":"e","session_id":"s","agent":"codex","event_type":"new_kind","tool_input":{"b":1,"a":[1.5,null]},"status":"ok","timestamp":"2026-01-02T03:04:05.678Z","parent_event_id":"p,q","usage":{"input":1},"later_key":{"x":"y"},"source":{"file":"/f","line":3}}"#;
        let e: Event = serde_json::from_str(line).unwrap();
        assert_eq!(e.event_type, EventType::Other("new_kind".into()));
        assert_eq!(e.parents, ["p", "q"]);
        assert_eq!(e.to_line(), line);
    }

    #[test]
    fn the_header_of_an_output_is_no_part_of_its_body() {
        let out = |text: &str| Event { tool_output: Some(text.into()), ..Event::default() };
        let codex = out("Chunk ID: a1\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\nOutput:\nx");
        assert_eq!(codex.output_body(), "Output:\nx");
        assert_eq!(out("said\nOutput:\nx").output_body(), "said\nOutput:\nx");
    }

    #[test]
    fn lines_of_the_python_tool_are_read() {
        let line = r#"{"schema_version":"0.1","event_id":"demo-fix","tool_name":"Edit","tool_input":{"file_path":"a"},"tool_output":null,"timestamp":"2026-05-14T10:11:12.5","duration_ms":12.6,"parent_event_id":"a, b","caused_by":"user"}"#;
        let e: Event = serde_json::from_str(line).unwrap();
        assert_eq!((e.event_type.as_str(), e.session_id.as_str(), e.duration_ms), ("tool_call", "", Some(13)));
        assert_eq!(e.parents, ["a", "b"]);
        assert_eq!(e.timestamp.unwrap().to_rfc3339(), "2026-05-14T10:11:12.500+00:00");
        assert_eq!(e.extra["caused_by"], "user");
    }

    #[test]
    fn times_are_those_that_can_be_written_and_read_back() {
        for text in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z"] {
            let t = parse_time(text).unwrap();
            assert_eq!(parse_time(&t.to_rfc3339_opts(SecondsFormat::AutoSi, true)), Some(t), "{text}");
        }
        for beyond in
            ["+262142-12-31T23:59:59.9", "-0005-01-01T00:00:00", "0000-01-01T00:00:00Z", "+10000-01-01 00:00:00"]
        {
            assert_eq!(parse_time(beyond), None, "{beyond}");
        }
        assert_eq!((time_from_ms(i64::MAX), time_from_ms(253_402_300_800_000)), (None, None));
    }

    #[test]
    fn a_hook_fills_gaps_and_a_file_wins() {
        let hook = |status, out: &str| Event {
            status: Some(status),
            tool_output: Some(out.into()),
            duration_ms: Some(5),
            source: Origin { hook: Some("PostToolUse".into()), ..Origin::default() },
            ..Event::default()
        };
        let file = |status, out: Option<&str>| Event {
            status: Some(status),
            tool_output: out.map(Into::into),
            source: Origin { file: Some("/t".into()), line: Some(1), ..Origin::default() },
            ..Event::default()
        };
        let mut e = file(Status::Running, None);
        e.fold(hook(Status::Ok, "structured"));
        assert_eq!((e.status, e.tool_output.clone()), (Some(Status::Ok), Some("structured".into())));
        let mut e = hook(Status::Ok, "structured");
        e.fold(file(Status::Running, None));
        e.fold(file(Status::Error, Some("text")));
        e.fold(hook(Status::Ok, "structured"));
        assert_eq!((e.status, e.tool_output.clone()), (Some(Status::Error), Some("text".into())));
        assert_eq!((e.duration_ms, e.from_hook()), (Some(5), false));
    }
}
