//! Sessions as OpenCode 1.18 keeps them: a SQLite database in WAL mode, closed.

use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{Call, Random, Session, Work, begins};

const SCHEMA: &str = "
create table session (id text primary key, project_id text, parent_id text, slug text, directory text, title text, version text,
    revert text, time_created integer, time_updated integer);
create table message (id text primary key, session_id text, time_created integer, time_updated integer, data text);
create table part (id text primary key, message_id text, session_id text, time_created integer, time_updated integer, data text);
create index message_session on message (session_id, time_created, id);
create index part_message on part (message_id, id);
create index part_session on part (session_id);";

/// Writes a database with sessions of about this many bytes in all.
pub fn write(path: &Path, bytes: u64) -> rusqlite::Result<()> {
    let mut db = Connection::open(path)?;
    db.execute_batch("pragma journal_mode = wal;")?;
    db.execute_batch(SCHEMA)?;
    let transaction = db.transaction()?;
    let mut rows = Rows {
        db: &transaction,
        random: Session::mixed(0).random(0x0c),
        session: String::new(),
        time: 0,
        next: 0,
        written: 0,
    };
    let mut n = 0;
    while rows.written < bytes {
        rows.session(n, bytes.min(rows.written + 2_000_000))?;
        n += 1;
    }
    transaction.commit()
}

struct Rows<'a> {
    db: &'a Connection,
    random: Random,
    session: String,
    time: i64,
    next: u64,
    written: u64,
}

impl Rows<'_> {
    /// An id whose order is that of its making.
    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}_{:012x}{}", self.next + 0x1000_0000_0000, &self.random.id("")[..14])
    }

    fn session(&mut self, n: u64, until: u64) -> rusqlite::Result<()> {
        let session = Session::mixed(n);
        self.session = self.id("ses");
        self.time = begins(n);
        let begun = self.time;
        let mut work = Work::new(&session, 800);
        while self.written < until {
            let turn = work.turn();
            let user = self.id("msg");
            let asked = json!({"role": "user", "time": {"created": self.time}, "agent": "build", "model": {"providerID": "lab", "modelID": "m"}});
            self.message(&user, &asked)?;
            self.part(&user, &json!({"type": "text", "text": turn.prompt}))?;
            for response in turn.responses {
                let id = self.id("msg");
                let message = json!({
                    "role": "assistant", "parentID": user, "modelID": "m", "providerID": "lab", "mode": "build", "cost": 0,
                    "path": {"cwd": session.cwd, "root": session.cwd}, "time": {"created": self.time, "completed": self.time + 900},
                    "tokens": {"input": 900, "output": 82, "reasoning": 0, "cache": {"read": 8000, "write": 0}}, "finish": "tool-calls",
                });
                self.message(&id, &message)?;
                self.part(&id, &json!({"type": "step-start", "snapshot": "06fd2be72dff56953c7303f99fcd6e071c12102e"}))?;
                if let Some(t) = response.thought {
                    self.part(
                        &id,
                        &json!({"type": "reasoning", "text": t, "time": {"start": self.time, "end": self.time + 9}}),
                    )?;
                }
                if let Some(t) = response.words {
                    self.part(
                        &id,
                        &json!({"type": "text", "text": t, "time": {"start": self.time, "end": self.time + 9}}),
                    )?;
                }
                for call in &response.calls {
                    let tool = self.tool(call);
                    self.part(&id, &tool)?;
                }
                self.part(
                    &id,
                    &json!({"type": "step-finish", "reason": "tool-calls", "cost": 0,
                    "tokens": {"input": 900, "output": 82, "reasoning": 0, "cache": {"read": 8000, "write": 0}}}),
                )?;
            }
        }
        self.db.execute(
            "insert into session values (?1, 'p', null, 'calm-river', ?2, 'Work on the project', '1.18.33', null, ?3, ?4)",
            params![self.session, session.cwd, begun, self.time],
        )?;
        Ok(())
    }

    fn message(&mut self, id: &str, data: &Value) -> rusqlite::Result<()> {
        self.time += 1000;
        let data = data.to_string();
        self.written += data.len() as u64;
        self.db.prepare("insert into message values (?1, ?2, ?3, ?3, ?4)")?.execute(params![
            id,
            self.session,
            self.time,
            data
        ])?;
        Ok(())
    }

    fn part(&mut self, message: &str, data: &Value) -> rusqlite::Result<()> {
        self.time += 50;
        let (id, data) = (self.id("prt"), data.to_string());
        self.written += data.len() as u64;
        self.db.prepare("insert into part values (?1, ?2, ?3, ?4, ?4, ?5)")?.execute(params![
            id,
            message,
            self.session,
            self.time,
            data
        ])?;
        Ok(())
    }

    fn tool(&mut self, call: &Call) -> Value {
        let text = |key: &str| call.input[key].clone();
        let (tool, input) = match call.tool {
            "Read" => ("read", json!({"filePath": text("file_path")})),
            "Grep" => ("grep", json!({"pattern": text("pattern"), "path": text("path")})),
            "Glob" => ("glob", json!({"pattern": text("pattern")})),
            "Edit" => (
                "edit",
                json!({"filePath": text("file_path"), "oldString": text("old_string"), "newString": text("new_string")}),
            ),
            "Write" => ("write", json!({"filePath": text("file_path"), "content": text("content")})),
            "TodoWrite" => ("todowrite", json!({"todos": text("todos")})),
            _ => ("bash", json!({"command": text("command"), "description": text("description")})),
        };
        let metadata = match (call.tool, &call.edited) {
            ("Edit", Some((original, _))) => {
                json!({"filediff": {"before": original, "after": original, "additions": 1, "deletions": 1}})
            }
            ("Bash", _) => json!({"output": call.output, "exit": i64::from(call.failed), "truncated": false}),
            _ => json!({"preview": call.output.chars().take(400).collect::<String>(), "truncated": false}),
        };
        json!({"type": "tool", "tool": tool, "callID": self.random.id("call_"), "state": {
            "status": "completed", "input": input, "output": call.output, "title": call.tool, "metadata": metadata,
            "time": {"start": self.time, "end": self.time + 60},
        }})
    }
}
