//! Sessions in files: the JSON storage of clients before 1.2, and what `opencode export` writes.
//!
//! `storage/session/<project>/<session>.json`, `storage/message/<session>/<message>.json`,
//! `storage/part/<message>/<part>.json`: the same JSON as in the database, with the ids inside. Client 1.2.1 takes them over
//! into the database and leaves them in place.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::{Message, Part, Record, Records, Session, Task, after};
use super::{AGENT, ends_with};
use crate::plain;
use crate::source::Transcript;
use crate::source::jsonl::document;

/// How coarse the clocks of file systems are.
const TICK: Duration = Duration::from_secs(2);

/// One session of a storage folder.
pub(super) struct Storage {
    folder: PathBuf,
    file: PathBuf,
    flat: OnceCell<Arc<Flat>>,
}

/// The parts of the published layout that has them all in one folder: only reading a file tells whose part it is.
#[derive(Default)]
struct Flat {
    /// Files by message.
    files: HashMap<String, Vec<PathBuf>>,
    /// Files that tell no message.
    problems: Vec<String>,
}

impl Flat {
    /// The parts in a folder. Whose part a file is never changes: the folder is read again only when files came or went, not for
    /// each session.
    fn of(folder: &Path) -> Arc<Self> {
        static LAST: Mutex<Option<(PathBuf, SystemTime, Arc<Flat>)>> = Mutex::new(None);
        let changed = fs::metadata(folder).and_then(|m| m.modified()).ok();
        // held while the folder is read: other sessions of it wait for the same
        let Ok(mut last) = LAST.lock() else { return Arc::new(Self::read(folder)) };
        if let Some((of, at, flat)) = &*last
            && of == folder
            && Some(*at) == changed
        {
            return Arc::clone(flat);
        }
        let flat = Arc::new(Self::read(folder));
        // what comes within the same tick of the clock would be missed, and a damaged file may be half written
        let settled = |at: &SystemTime| at.elapsed().is_ok_and(|ago| ago > TICK) && flat.problems.is_empty();
        if let Some(at) = changed.filter(settled) {
            *last = Some((folder.to_owned(), at, Arc::clone(&flat)));
        }
        flat
    }

    fn read(folder: &Path) -> Self {
        #[derive(Deserialize)]
        struct Owner {
            #[serde(rename = "messageID")]
            message: Option<String>,
        }
        let mut flat = Self::default();
        for file in json_files(folder) {
            match parse::<Owner>(&file) {
                Ok(Owner { message: Some(id) }) => flat.files.entry(id).or_default().push(file),
                Ok(_) => {}
                Err(e) => flat.problems.push(e),
            }
        }
        flat
    }
}

/// The JSON files in a folder, by name.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|e| e.path()).filter(|p| ends_with(p, ".json")).collect();
    files.sort();
    files
}

fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, String> {
    let name = || file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = plain::read(file).map_err(|e| format!("{}: {e}", name()))?;
    document(&bytes).map_err(|e| format!("{}: {e}", name()))
}

impl Storage {
    /// The session of a file `storage/session/<project>/<session>.json`; none where it does not stand in such a folder.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let sessions = file.parent()?.parent()?;
        let folder = sessions.parent()?;
        (sessions.file_name()? == "session" && folder.join("message").is_dir()).then(|| Self {
            folder: folder.to_owned(),
            file: file.to_owned(),
            flat: OnceCell::new(),
        })
    }

    /// The files of the messages of a session, or of the parts of a message.
    fn files_of(&self, kind: &str, id: &str) -> Vec<PathBuf> {
        // an id with separators would lead out of the folder
        let mut parts = Path::new(id).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) => json_files(&self.folder.join(kind).join(name)),
            _ => Vec::new(),
        }
    }

    /// Messages of a session in order, with the bad ones apart.
    fn messages(&self, session: &str) -> (Vec<Message>, Vec<String>) {
        let mut problems = Vec::new();
        let mut messages: Vec<Message> = Vec::new();
        for file in self.files_of("message", session) {
            match parse::<Message>(&file) {
                Ok(m) => messages.push(m),
                Err(e) => problems.push(e),
            }
        }
        messages.sort_by(|a, b| (a.time.created, &a.id).cmp(&(b.time.created, &b.id)));
        (messages, problems)
    }

    /// The files of the parts of a message, wherever they lie.
    fn part_files(&self, message: &str) -> Vec<PathBuf> {
        let files = self.files_of("part", message);
        if files.is_empty() { self.flat().files.get(message).cloned().unwrap_or_default() } else { files }
    }

    fn flat(&self) -> &Flat {
        self.flat.get_or_init(|| Flat::of(&self.folder.join("part")))
    }

    fn parts(&self, message: &str, problems: &mut Vec<String>) -> Vec<Part> {
        let mut parts = Vec::new();
        for file in self.part_files(message) {
            match parse::<Part>(&file) {
                Ok(part) => parts.push(part),
                Err(e) => problems.push(e),
            }
        }
        parts.sort_by_cached_key(|p| after(message, &p.id));
        parts
    }

    /// Size and time of the session's file, of its newest messages and of their parts.
    fn fingerprint(&self, session: &str) -> String {
        let stamp = |p: &Path| {
            let meta = fs::metadata(p).ok()?;
            Some((meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros(), meta.len()))
        };
        let files = self.files_of("message", session);
        let count = files.len();
        let mut newest: Vec<_> = files.into_iter().filter_map(|f| Some((stamp(&f)?, f))).collect();
        newest.sort_unstable();
        let last = newest.last().map_or(0, |((time, _), _)| *time);
        let recent = newest.iter().rev().take(3).filter_map(|(_, f)| f.file_stem()?.to_str());
        let parts: Vec<_> = recent.flat_map(|id| self.part_files(id)).filter_map(|p| stamp(&p)).collect();
        let (time, size) = stamp(&self.file).unwrap_or_default();
        let changed = parts.iter().map(|(t, _)| *t).max().unwrap_or(0);
        format!("{size}:{time}:{count}:{last}:{}:{changed}", parts.len())
    }
}

/// The sessions of a storage folder whose ids `known` does not say to be elsewhere.
pub(super) fn stored(storage: &Path, known: impl Fn(&str) -> bool) -> Vec<Transcript> {
    let projects = fs::read_dir(storage.join("session")).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for file in projects.flat_map(|project| json_files(&project.path())) {
        let id = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !known(&id) {
            found.extend(stored_session(&file));
        }
    }
    found
}

/// The session of one file of a storage folder.
pub(super) fn stored_session(file: &Path) -> Option<Transcript> {
    let storage = Storage::of(file)?;
    let session = parse::<Session>(file).ok().filter(|s| !s.id.is_empty())?;
    let mut transcript = Transcript::of_file(AGENT, file, Some(session.id.clone()))?;
    transcript.fingerprint = storage.fingerprint(&session.id);
    Some(transcript)
}

impl Records for Storage {
    fn session(&self) -> anyhow::Result<Session> {
        parse(&self.file).map_err(anyhow::Error::msg)
    }

    fn each(&self, take: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        let (messages, problems) = self.messages(&self.session()?.id);
        if !problems.is_empty() {
            take(Record { problems, ..Record::default() });
        }
        for message in messages {
            let mut problems = Vec::new();
            let parts = self.parts(&message.id, &mut problems);
            take(Record { message, parts, problems, ..Record::default() });
        }
        // looked at only if a message has no folder of parts
        let problems = self.flat.get().map(|f| f.problems.clone()).unwrap_or_default();
        if !problems.is_empty() {
            take(Record { problems, ..Record::default() });
        }
        Ok(())
    }

    fn tasks(&self, parent: &str, child: &str) -> Vec<Task> {
        let (messages, _) = self.messages(parent);
        let mut found = Vec::new();
        for part in messages.iter().flat_map(|m| self.parts(&m.id, &mut Vec::new())) {
            let Some(state) = part.state else { continue };
            if state.metadata.get("sessionId").and_then(Value::as_str) == Some(child) {
                let prompt = state.input.as_ref().and_then(|i| i.get("prompt")?.as_str()).map(str::to_owned);
                let start = state.time.start.unwrap_or(0);
                found.push(Task { part: part.id, start, end: state.time.end, prompt });
            }
        }
        found
    }

    fn said(&self, session: &str) -> Vec<(i64, String)> {
        let (messages, _) = self.messages(session);
        let agents = messages.iter().filter(|m| m.role == "assistant");
        let parts = agents.flat_map(|m| self.parts(&m.id, &mut Vec::new()).into_iter().map(|p| (m.time.created, p)));
        parts
            .filter(|(_, p)| p.kind == "text" && p.text.as_deref().is_some_and(|t| !t.is_empty()))
            .map(|(created, p)| (p.time.and_then(|t| t.start).or(created).unwrap_or(0), p.id))
            .collect()
    }
}

/// A file written by `opencode export`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ExportFile {
    info: Value,
    messages: Vec<ExportMessage>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExportMessage {
    info: Value,
    parts: Vec<Value>,
}

/// A session that `opencode export` wrote: it alone, without the sessions of its sub-agents.
pub(super) struct Export {
    session: Value,
    messages: Vec<ExportMessage>,
}

/// Whether the first bytes of a file are an export's. The order of keys is the client's.
pub(super) fn is_export(head: &[u8]) -> bool {
    let has = |mark: &str| memchr::memmem::find(head, mark.as_bytes()).is_some();
    head.trim_ascii_start().starts_with(b"{") && has("\"info\"") && has("\"messages\"") && has("\"projectID\"")
}

impl Export {
    pub(super) fn open(file: &Path) -> anyhow::Result<Self> {
        let bytes = plain::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let parsed: ExportFile = document(&bytes).map_err(anyhow::Error::msg)?;
        Ok(Self { session: parsed.info, messages: parsed.messages })
    }
}

impl Records for Export {
    fn session(&self) -> anyhow::Result<Session> {
        Session::deserialize(&self.session).context("no session in the export")
    }

    fn each(&self, take: &mut dyn FnMut(Record)) -> anyhow::Result<()> {
        let created = |m: &ExportMessage| m.info["time"]["created"].as_i64();
        let mut order: Vec<&ExportMessage> = self.messages.iter().collect();
        // stable: equal times keep the order of the file
        order.sort_by_key(|m| created(m));
        for exported in order {
            let mut record = Record::default();
            match Message::deserialize(&exported.info) {
                Ok(message) => record.message = message,
                Err(e) => record.problems.push(format!("message: {e}")),
            }
            for part in &exported.parts {
                match Part::deserialize(part) {
                    Ok(part) => record.parts.push(part),
                    Err(e) => record.problems.push(format!("part: {e}")),
                }
            }
            take(record);
        }
        Ok(())
    }

    fn tasks(&self, _parent: &str, _child: &str) -> Vec<Task> {
        Vec::new()
    }

    fn said(&self, _session: &str) -> Vec<(i64, String)> {
        Vec::new()
    }
}
