//! Sessions of OpenCode 2.x in the same database: `session_v2` and `session_message`, one row a message with all its
//! contents, in the order of `seq`. After public captures of beta-19381 and 2.0.26; no part table, no `parentID`: the turn is
//! the user's row before.

use rusqlite::Connection;
use serde_json::Value;

use super::rows::{columns, session, text, wanted};
use super::wire::{Message, Part, Record, Records, Session, State, Task, Time};

/// Kinds of row that say nothing about causes.
const PASSED_OVER: &[&str] = &["system", "idle", "agent-switched", "model-switched", "location-switched"];

/// Whether the database holds sessions of 2.x.
pub(super) fn is_there(db: &Connection) -> bool {
    columns(db, "session_v2").is_ok_and(|c| c.contains("id"))
        && columns(db, "session_message").is_ok_and(|c| c.contains("seq"))
}

/// Whether this session is one of them.
pub(super) fn has(db: &Connection, id: &str) -> bool {
    is_there(db) && db.query_row("select 1 from session_v2 where id = ?1", [id], |_| Ok(())).is_ok()
}

/// Id, last change and fingerprint of the sessions of 2.x.
pub(super) fn sessions(db: &Connection) -> rusqlite::Result<Vec<(String, Option<i64>, String)>> {
    if !is_there(db) {
        return Ok(Vec::new());
    }
    let have = columns(db, "session_v2")?;
    let sql = format!(
        "select s.id, {}, (select count(*) from session_message where session_id = s.id),
            (select max(time_updated) from session_message where session_id = s.id) from session_v2 s",
        wanted(&have, &["time_updated"])
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map([], |r| {
        let (updated, count, changed): (Option<i64>, i64, Option<i64>) = (r.get(1)?, r.get(2)?, r.get(3)?);
        let print = format!("v2:{}:{count}:{}", updated.unwrap_or(-1), changed.unwrap_or(-1));
        Ok((r.get(0)?, updated.max(changed), print))
    })?;
    rows.collect()
}

/// One session of 2.x.
pub(super) struct Second<'a> {
    pub(super) connection: &'a Connection,
    pub(super) id: &'a str,
}

impl Records for Second<'_> {
    fn session(&self) -> anyhow::Result<Session> {
        session(self.connection, "session_v2", self.id)
    }

    fn each(&self, take: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        let mut statement = self
            .connection
            .prepare("select id, type, data from session_message where session_id = ?1 order by seq, id")?;
        let mut rows = statement.query([self.id])?;
        let mut prompt = None;
        while let Some(row) = rows.next()? {
            let id = text(row, 0)?.unwrap_or_default();
            let kind = text(row, 1)?.unwrap_or_default();
            let body = text(row, 2)?.unwrap_or_default();
            let record = match serde_json::from_str::<Value>(&body) {
                Ok(data) => convert(&id, &kind, &data, prompt.as_deref()),
                Err(e) => Record { problems: vec![format!("message {id}: {e}")], ..Record::default() },
            };
            if record.message.role == "user" {
                prompt = Some(id);
            }
            take(record);
        }
        Ok(())
    }

    fn tasks(&self, parent: &str, child: &str) -> Vec<Task> {
        let mut found = Vec::new();
        let other = Second { connection: self.connection, id: parent };
        // a parent that cannot be read names no calls
        let _ = other.each(&mut |record| {
            for part in record.parts {
                let state = part.state.unwrap_or_default();
                let session = state.metadata.get("sessionID").or_else(|| state.metadata.get("sessionId"));
                if session.and_then(Value::as_str) == Some(child) {
                    let start = state.time.start.unwrap_or(0);
                    let prompt = state.input.as_ref().and_then(|i| i.get("prompt")?.as_str()).map(str::to_owned);
                    found.push(Task { part: part.id, start, end: state.time.end, prompt });
                }
            }
        });
        found
    }

    fn said(&self, session: &str) -> Vec<(i64, String)> {
        let mut found = Vec::new();
        let other = Second { connection: self.connection, id: session };
        // a sub-agent that cannot be read has said nothing
        let _ = other.each(&mut |record| {
            if record.message.role != "assistant" {
                return;
            }
            let time = record.message.time.end.or(record.message.time.created).unwrap_or(0);
            found.extend(record.parts.into_iter().filter(|p| p.kind == "text").map(|p| (time, p.id)));
        });
        found
    }
}

fn convert(id: &str, kind: &str, data: &Value, prompt: Option<&str>) -> Record {
    let time = |v: &Value, key: &str| v.get("time").and_then(|t| t.get(key)).and_then(Value::as_i64);
    let string = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let created = time(data, "created");
    let mut record = Record::default();
    record.message.id = id.to_owned();
    record.message.time = Time { created, start: created, end: time(data, "completed") };
    let text_part = |synthetic: bool, text: Option<String>| Part {
        id: id.to_owned(),
        kind: "text".to_owned(),
        text,
        synthetic,
        ..Part::default()
    };
    match kind {
        "user" | "synthetic" => {
            record.message.role = "user".to_owned();
            record.parts.push(text_part(kind == "synthetic", string(data, "text")));
            let files = data.get("files").and_then(Value::as_array).into_iter().flatten();
            record.parts.extend(files.map(|f| Part {
                kind: "file".to_owned(),
                filename: string(f, "name").or_else(|| string(f, "filename")),
                ..Part::default()
            }));
        }
        "compaction" => {
            record.message.role = "assistant".to_owned();
            record.message.summary = Value::Bool(true);
            record.parts.push(text_part(false, string(data, "summary")));
        }
        "shell" => {
            record.message.role = "assistant".to_owned();
            record.message.by_user = true;
            let output = data.get("output").cloned();
            let status = if record.message.time.end.is_some() || output.is_some() { "completed" } else { "running" };
            record.parts.push(Part {
                id: id.to_owned(),
                kind: "tool".to_owned(),
                tool: Some("shell".to_owned()),
                call_id: string(data, "callID"),
                state: Some(State {
                    status: status.to_owned(),
                    input: Some(serde_json::json!({"command": data.get("command")})),
                    output,
                    metadata: serde_json::json!({"exit": data.get("exit").and_then(Value::as_i64).unwrap_or(0)}),
                    time: record.message.time,
                    error: None,
                }),
                ..Part::default()
            });
        }
        "assistant" => {
            record.message = assistant(record.message, data, prompt);
            let content = data.get("content").and_then(Value::as_array).into_iter().flatten();
            record.parts = content.enumerate().map(|(i, c)| content_part(format!("{id}:{i}"), c)).collect();
        }
        kind if PASSED_OVER.contains(&kind) => record.passed_over.push(kind.to_owned()),
        other => record.unknown.push(other.to_owned()),
    }
    record
}

fn assistant(mut message: Message, data: &Value, prompt: Option<&str>) -> Message {
    let model = |key: &str| data.get("model")?.get(key)?.as_str().map(str::to_owned);
    message.role = "assistant".to_owned();
    message.parent_id = prompt.map(str::to_owned);
    message.model_id = model("id").or_else(|| model("modelID"));
    message.provider_id = model("providerID");
    message.tokens = data.get("tokens").cloned().unwrap_or_default();
    message.error = data.get("error").cloned().unwrap_or_default();
    message
}

fn content_part(id: String, content: &Value) -> Part {
    let string = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut part = Part { id, kind: string(content, "type").unwrap_or_default(), ..Part::default() };
    part.text = string(content, "text");
    if part.kind != "tool" {
        return part;
    }
    part.tool = string(content, "name");
    part.call_id = string(content, "id");
    let time = |key: &str| content.get("time").and_then(|t| t.get(key)).and_then(Value::as_i64);
    let state = content.get("state").cloned().unwrap_or_default();
    let shown = state.get("content").and_then(Value::as_array).into_iter().flatten();
    let shown: Vec<String> = shown.filter_map(|c| string(c, "text")).collect();
    let error = state.get("error").filter(|e| !e.is_null());
    part.state = Some(State {
        status: string(&state, "status").unwrap_or_default(),
        input: state.get("input").cloned(),
        output: (!shown.is_empty()).then(|| shown.join("\n").into()),
        error: error.map(|e| e.get("message").unwrap_or(e).clone()),
        metadata: state.get("metadata").cloned().unwrap_or_default(),
        time: Time { created: time("created"), start: time("ran").or_else(|| time("created")), end: time("completed") },
    });
    part
}
