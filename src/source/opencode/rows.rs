//! Sessions in `opencode.db`, clients 1.2 to 1.18: tables `session`, `message` and `part`, and where it is filled (1.17 and
//! later) the log `event`, in which messages that a revert removed survive.
//!
//! Only columns that exist are named, so older and newer schemas are read alike. Tables that hold tokens (`account`,
//! `control_account`, `credential`, `session_share`) are never touched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::database::Database;
use super::second;
use super::wire::{Message, Part, Record, Records, Session, Task, Time};
use super::{AGENT, ends_with};
use crate::event::time_from_ms;
use crate::source::Transcript;

/// Calls of any version that name the session that worked for them.
const CHILD: &str =
    "coalesce(json_extract(data, '$.state.metadata.sessionId'), json_extract(data, '$.state.metadata.sessionID'))";

/// One session of an open database.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) id: &'a str,
}

/// A text column, whatever it is stored as.
pub(super) fn text(row: &Row<'_>, i: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(i)? {
        ValueRef::Text(b) | ValueRef::Blob(b) => Some(match str::from_utf8(b) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(b).into_owned(),
        }),
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(_) | ValueRef::Null => None,
    })
}

/// A time column in milliseconds.
fn ms(row: &Row<'_>, i: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(i)? {
        ValueRef::Integer(n) => Some(n),
        // no time is beyond what fits
        ValueRef::Real(n) => Some(n as i64),
        _ => None,
    })
}

/// The columns of a table; none where there is no such table.
pub(super) fn columns(db: &Connection, table: &str) -> rusqlite::Result<HashSet<String>> {
    db.prepare("select name from pragma_table_info(?1)")?.query_map([table], |r| r.get(0))?.collect()
}

/// The columns that exist, `null` for the others.
pub(super) fn wanted(have: &HashSet<String>, names: &[&str]) -> String {
    let pick: Vec<String> =
        names.iter().map(|n| if have.contains(*n) { format!("s.{n}") } else { "null".to_owned() }).collect();
    pick.join(", ")
}

/// The sessions of a database, with what changes whenever one of them does.
pub(super) fn sessions(db: &Database, path: &Path) -> anyhow::Result<Vec<Transcript>> {
    let db = &db.connection;
    let mut found = BTreeMap::new();
    let have = columns(db, "session")?;
    if have.contains("id") && !columns(db, "part")?.is_empty() {
        let log = if columns(db, "event")?.contains("aggregate_id") {
            "(select max(seq) from event where aggregate_id = s.id)"
        } else {
            "null"
        };
        // only the last messages can still have parts that change in place
        let sql = format!(
            "select s.id, {}, (select count(*) from message where session_id = s.id),
                (select count(*) from part where session_id = s.id),
                (select max(time_updated) from part where message_id in
                    (select id from message where session_id = s.id order by time_created desc, id desc limit 3)), {log}
             from session s",
            wanted(&have, &["time_updated"])
        );
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(id) = text(row, 0)? else { continue };
            let (updated, changed) = (ms(row, 1)?, ms(row, 4)?);
            let n = |i: usize| ms(row, i).map(|n| n.unwrap_or(-1));
            let fingerprint =
                format!("{}:{}:{}:{}:{}", updated.unwrap_or(-1), n(2)?, n(3)?, changed.unwrap_or(-1), n(5)?);
            found.insert(id.clone(), transcript(path, id, updated.max(changed), fingerprint));
        }
    }
    // where both tell of a session, the old rows are a stale copy
    for (id, updated, fingerprint) in second::sessions(db)? {
        found.insert(id.clone(), transcript(path, id, updated, fingerprint));
    }
    Ok(found.into_values().collect())
}

fn transcript(path: &Path, id: String, updated: Option<i64>, fingerprint: String) -> Transcript {
    Transcript {
        agent: AGENT,
        session_id: Some(id),
        path: path.to_owned(),
        modified: updated.and_then(time_from_ms),
        fingerprint,
        ..Transcript::default()
    }
}

/// Whether a database is OpenCode's: other programs name theirs alike (the older Go program of that name did).
pub(super) fn is_ours(db: &Connection) -> bool {
    let has = |table: &str, column: &str| columns(db, table).is_ok_and(|c| c.contains(column));
    has("session", "directory") && has("part", "message_id") || second::is_there(db)
}

/// The working directory of a session.
pub(super) fn directory(db: &Connection, id: &str) -> Option<String> {
    for table in ["session_v2", "session"] {
        if columns(db, table).ok()?.contains("directory") {
            let sql = format!("select directory from {table} where id = ?1");
            if let Some(directory) = db.query_row(&sql, [id], |r| text(r, 0)).optional().ok()?.flatten() {
                return Some(directory);
            }
        }
    }
    None
}

/// The header of a session from `table`.
pub(super) fn session(db: &Connection, table: &str, id: &str) -> anyhow::Result<Session> {
    let names = ["parent_id", "directory", "title", "version", "revert", "time_created"];
    let have = columns(db, table)?;
    let sql = format!("select {} from {table} s where s.id = ?1", wanted(&have, &names));
    let found = db
        .query_row(&sql, [id], |row| {
            Ok(Session {
                id: id.to_owned(),
                parent_id: text(row, 0)?,
                directory: text(row, 1)?,
                title: text(row, 2)?,
                version: text(row, 3)?,
                revert: text(row, 4)?.and_then(|t| serde_json::from_str(&t).ok()),
                time: Time { created: ms(row, 5)?, ..Time::default() },
            })
        })
        .optional()?;
    found.with_context(|| format!("no session {id} in the database"))
}

/// Times and ids of messages, in order.
type Order = Vec<(i64, String)>;

/// A message that is only in the log any more, in its last state.
struct Removed {
    body: String,
    /// Ids and last states of its parts.
    parts: Vec<(String, String)>,
}

impl Rows<'_> {
    /// Times and ids of the messages in order, and those among them that were removed.
    fn order(&self) -> anyhow::Result<(Order, BTreeMap<String, Removed>)> {
        let mut order: Order = self
            .connection
            .prepare("select time_created, id from message where session_id = ?1")?
            .query_map([self.id], |r| Ok((ms(r, 0)?.unwrap_or(0), r.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let removed = self.removed(&order)?;
        for (id, message) in &removed {
            let created = serde_json::from_str::<Message>(&message.body).ok().and_then(|m| m.time.created);
            order.push((created.unwrap_or(0), id.clone()));
        }
        order.sort_unstable();
        Ok((order, removed))
    }

    fn removed(&self, there: &[(i64, String)]) -> anyhow::Result<BTreeMap<String, Removed>> {
        let mut removed: BTreeMap<String, Removed> = BTreeMap::new();
        if !columns(self.connection, "event")?.contains("aggregate_id") {
            return Ok(removed);
        }
        let there: HashSet<&str> = there.iter().map(|(_, id)| id.as_str()).collect();
        self.log("message.updated*", "$.info.id", "$.info", |id, _, body| {
            if !there.contains(id.as_str()) {
                removed.entry(id).or_insert_with(|| Removed { body: String::new(), parts: Vec::new() }).body = body;
            }
        })?;
        if removed.is_empty() {
            return Ok(removed);
        }
        self.log("message.part.updated*", "$.part.messageID", "$.part", |message, part, body| {
            let Some(message) = removed.get_mut(&message) else { return };
            match message.parts.iter_mut().find(|(known, _)| *known == part) {
                Some(known) => known.1 = body,
                None => message.parts.push((part, body)),
            }
        })?;
        Ok(removed)
    }

    /// Gives each entry of the log of a kind, in order: its key, the id in its body, its body.
    fn log(
        &self,
        kind: &str,
        key: &str,
        body: &str,
        mut take: impl FnMut(String, String, String),
    ) -> anyhow::Result<()> {
        let mut statement = self.connection.prepare(
            "select json_extract(data, ?3), json_extract(data, ?4 || '.id'), json_extract(data, ?4)
             from event where aggregate_id = ?1 and type glob ?2 and json_valid(data) order by seq",
        )?;
        let mut rows = statement.query([self.id, kind, key, body])?;
        while let Some(row) = rows.next()? {
            if let (Some(key), Some(id), Some(body)) = (text(row, 0)?, text(row, 1)?, text(row, 2)?) {
                take(key, id, body);
            }
        }
        Ok(())
    }
}

/// Parses the bodies of a message and its parts; their ids are columns.
fn record(id: String, body: &str, parts: Vec<(String, String)>, dead: bool) -> Record {
    let mut record = Record { dead, ..Record::default() };
    match serde_json::from_str::<Message>(body) {
        Ok(message) => record.message = message,
        Err(e) => record.problems.push(format!("message {id}: {e}")),
    }
    record.message.id = id;
    for (id, body) in parts {
        match serde_json::from_str::<Part>(&body) {
            Ok(part) => record.parts.push(Part { id, ..part }),
            Err(e) => record.problems.push(format!("part {id}: {e}")),
        }
    }
    record
}

impl Records for Rows<'_> {
    fn session(&self) -> anyhow::Result<Session> {
        session(self.connection, "session", self.id)
    }

    fn each(&self, take: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        // short queries, one message in memory at a time: a long read would hold up the client's checkpoints
        let (order, mut removed) = self.order()?;
        let mut one = self.connection.prepare("select data from message where id = ?1")?;
        let mut parts =
            self.connection.prepare("select id, data from part where message_id = ?1 order by time_created, id")?;
        for (_, id) in order {
            if let Some(gone) = removed.remove(&id) {
                take(record(id, &gone.body, gone.parts, true));
                continue;
            }
            let body: Option<String> = one.query_row([&id], |r| text(r, 0)).optional()?.flatten();
            // none: removed since the order was asked for
            if let Some(body) = body {
                let bodies = parts.query_map([&id], |r| Ok((r.get(0)?, text(r, 1)?.unwrap_or_default())))?;
                let bodies = bodies.collect::<Result<_, _>>()?;
                take(record(id, &body, bodies, false));
            }
        }
        Ok(())
    }

    fn tasks(&self, parent: &str, child: &str) -> Vec<Task> {
        let sql = format!(
            "select id, json_extract(data, '$.state.time.start'), json_extract(data, '$.state.time.end'),
                json_extract(data, '$.state.input.prompt') from part where session_id = ?1 and case when instr(data, ?2) > 0 and json_valid(data) then {CHILD} end = ?2
             order by time_created, id"
        );
        let found = self.connection.prepare(&sql).and_then(|mut s| {
            s.query_map([parent, child], |r| {
                Ok(Task { part: r.get(0)?, start: ms(r, 1)?.unwrap_or(0), end: ms(r, 2)?, prompt: text(r, 3)? })
            })?
            .collect()
        });
        found.unwrap_or_default()
    }

    fn said(&self, session: &str) -> Vec<(i64, String)> {
        let found = self
            .connection
            .prepare(
                "select p.time_created, p.id from part p join message m on m.id = p.message_id
                 where p.session_id = ?1 and json_valid(p.data) and json_valid(m.data)
                    and json_extract(p.data, '$.type') = 'text' and json_extract(p.data, '$.text') <> ''
                    and json_extract(m.data, '$.role') = 'assistant'
                 order by p.time_created, p.id",
            )
            .and_then(|mut s| s.query_map([session], |r| Ok((ms(r, 0)?.unwrap_or(0), r.get(1)?)))?.collect());
        found.unwrap_or_default()
    }

    /// A fork is not recorded as such (before 2.x), but its messages are older than the session, and stand with the same
    /// times in the one that it was copied from, there with other ids.
    fn copies(&self) -> HashMap<String, (String, String)> {
        self.copied().unwrap_or_default()
    }
}

impl Rows<'_> {
    fn copied(&self) -> rusqlite::Result<HashMap<String, (String, String)>> {
        let db = self.connection;
        let mut found = HashMap::new();
        let mut own = db.prepare(
            "select m.id, json_extract(m.data, '$.time.created'), json_extract(m.data, '$.role') from message m
             join session s on s.id = m.session_id
             where s.id = ?1 and json_valid(m.data) and json_extract(m.data, '$.time.created') < s.time_created",
        )?;
        let own: HashMap<(i64, String), String> = own
            .query_map([self.id], |r| Ok(((r.get(1)?, text(r, 2)?.unwrap_or_default()), r.get(0)?)))?
            .collect::<Result<_, _>>()?;
        if own.is_empty() {
            return Ok(found);
        }
        let mut others = db.prepare(
            "select s.id, m.id, json_extract(m.data, '$.time.created'), json_extract(m.data, '$.role') from session s
             join message m on m.session_id = s.id join session fork on fork.id = ?1
             where s.id <> fork.id and s.time_created <= fork.time_created and s.directory is fork.directory
                and json_valid(m.data) and m.time_created <= fork.time_created
             order by s.time_created, s.id",
        )?;
        let mut rows = others.query([self.id])?;
        while let Some(row) = rows.next()? {
            let key = (ms(row, 2)?.unwrap_or(0), text(row, 3)?.unwrap_or_default());
            let Some(mine) = own.get(&key).filter(|mine| !found.contains_key(*mine)) else { continue };
            let (session, theirs): (String, String) = (row.get(0)?, row.get(1)?);
            for ((mine, kind), (part, other)) in self.kinds(mine)?.into_iter().zip(self.kinds(&theirs)?) {
                if kind == other {
                    found.insert(mine, (session.clone(), part));
                }
            }
            found.insert(mine.clone(), (session, theirs));
        }
        Ok(found)
    }

    /// The parts of a message in order: id, and kind with call id.
    fn kinds(&self, message: &str) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare(
            "select id, case when json_valid(data) then
                json_extract(data, '$.type') || coalesce(json_extract(data, '$.callID'), '') end
             from part where message_id = ?1 order by time_created, id",
        )?;
        statement.query_map([message], |r| Ok((r.get(0)?, text(r, 1)?.unwrap_or_default())))?.collect()
    }
}

/// The databases of all channels in a data folder.
pub(super) fn databases(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|e| e.path())
        .filter(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or("");
            name == "opencode.db" || name.starts_with("opencode-") && ends_with(p, ".db")
        })
        .collect();
    found.sort();
    found
}
