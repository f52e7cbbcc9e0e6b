//! Brings the store up to date with what agents wrote: reads transcripts that are new or have changed and appends the lines
//! that the store does not have.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::Event;
use crate::plain;
use crate::source::{Report, Source, Transcript};
use crate::store::index::Index;
use crate::store::{Store, line_key};

/// Lines gathered before they are written.
const BATCH: usize = 1 << 20;

/// A transcript with the source that reads it.
pub type Readable = (&'static dyn Source, Transcript);

/// What a synchronisation found.
#[derive(Debug, Default)]
pub struct News {
    /// Transcripts that were read.
    pub read: usize,
    /// Events that the store did not have.
    pub events: u64,
    /// Sessions that got something new.
    pub sessions: BTreeSet<String>,
    /// What went wrong, by transcript.
    pub problems: Vec<String>,
    /// What reading came across, all transcripts together.
    pub report: Report,
}

/// The key of a transcript in the index.
fn key(t: &Transcript) -> String {
    format!("{}:{}#{}", t.agent, t.path.display(), t.session_id.as_deref().unwrap_or(""))
}

/// Whether a transcript has not been read as it is now, or the store lost what it gave.
pub fn is_unread(index: &Index, transcript: &Transcript) -> bool {
    index.read_already(&key(transcript), &transcript.fingerprint).is_none()
}

/// The transcripts among `all` that have not been read as they are now.
pub fn unread(index: &Index, all: &[Readable]) -> Vec<Readable> {
    all.iter().filter(|(_, t)| is_unread(index, t)).cloned().collect()
}

/// Reads `transcripts` into the store, several at a time; `progress` is told how many are done.
pub fn sync(
    store: &Store,
    index: &mut Index,
    transcripts: &[Readable],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> News {
    let all = Mutex::new((News::default(), 0usize));
    let results: Vec<_> = transcripts
        .par_iter()
        .map(|(source, t)| {
            let mut writer = Writer::new(store);
            let outcome = source.read(t, &mut |event| writer.take(event));
            let taken = writer.finish();
            if let Ok(mut guard) = all.lock() {
                guard.1 += 1;
                progress(guard.1, transcripts.len());
            }
            (t, outcome, taken)
        })
        .collect();
    let mut news = all.into_inner().map(|(n, _)| n).unwrap_or_default();
    for (t, outcome, taken) in results {
        news.read += 1;
        match outcome {
            Ok(report) if taken.problem.is_none() => {
                news.report.merge(report);
                index.note_read(key(t), t.fingerprint.clone(), taken.sessions);
            }
            Ok(report) => news.report.merge(report),
            Err(e) => news.problems.push(format!("{}: {e:#}", t.path.display())),
        }
        news.problems.extend(taken.problem);
        news.events += taken.new_events;
        news.sessions.extend(taken.fresh);
    }
    news
}

/// What remains of a [`Writer`] once its transcript is done: the keys of the lines would fill the memory.
struct Taken {
    /// The sessions that were in it.
    sessions: Vec<String>,
    /// Those that got something new.
    fresh: Vec<String>,
    new_events: u64,
    problem: Option<String>,
}

/// Takes the events of one transcript and appends those lines that the store does not have.
struct Writer<'a> {
    store: &'a Store,
    sessions: HashMap<String, Pending>,
    new_events: u64,
    problem: Option<String>,
}

#[derive(Default)]
struct Pending {
    /// Keys of the lines that are stored.
    known: HashSet<u64>,
    /// Hashes of the event ids that got a new line.
    ids: HashSet<u64>,
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, sessions: HashMap::new(), new_events: 0, problem: None }
    }

    fn take(&mut self, mut event: Event) {
        if self.problem.is_some() {
            return;
        }
        // a record that stands twice in a file comes after itself
        event.parents.retain(|p| *p != event.event_id);
        if !self.sessions.contains_key(&event.session_id) {
            let known = stored_keys(&self.store.path(&event.session_id));
            self.sessions.insert(event.session_id.clone(), Pending { known, ..Pending::default() });
        }
        let Some(pending) = self.sessions.get_mut(&event.session_id) else { return };
        let before = pending.buffer.len();
        event.write_line(&mut pending.buffer);
        let known = pending.buffer.get(before..).is_none_or(|line| !pending.known.insert(line_key(line)));
        if known {
            pending.buffer.truncate(before);
            return;
        }
        self.new_events += u64::from(pending.ids.insert(xxh3_64(event.event_id.as_bytes())));
        pending.buffer.push(b'\n');
        if pending.buffer.len() >= BATCH {
            self.write(&event.session_id);
        }
    }

    fn write(&mut self, session: &str) {
        let Some(pending) = self.sessions.get_mut(session).filter(|p| !p.buffer.is_empty()) else { return };
        if let Err(e) = self.store.append(session, &pending.buffer) {
            self.problem = Some(format!("{e:#}"));
        }
        pending.buffer.clear();
        // what one large line took is given back
        pending.buffer.shrink_to(2 * BATCH);
    }

    /// Writes what is left.
    fn finish(mut self) -> Taken {
        let mut sessions: Vec<_> = self.sessions.keys().cloned().collect();
        // an order that does not change from run to run
        sessions.sort_unstable();
        for id in &sessions {
            self.write(id);
        }
        let fresh = self.sessions.into_iter().filter(|(_, s)| !s.ids.is_empty()).map(|(id, _)| id).collect();
        Taken { sessions, fresh, new_events: self.new_events, problem: self.problem }
    }
}

/// The keys of all lines of a session file; none where there is no file.
fn stored_keys(path: &Path) -> HashSet<u64> {
    let mut keys = HashSet::new();
    let Ok(file) = plain::open(path) else { return keys };
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        keys.insert(line_key(&line));
        line.clear();
    }
    keys
}
