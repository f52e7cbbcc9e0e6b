//! What stands beside the sessions and says when things happened, joined by ids that both sides wrote.
//!
//! - `dev_data/<version>/toolUsage.jsonl` (the extensions, always on): one line at the end of a call, with its `toolCallId`;
//! - `dev_data/<version>/chatInteraction.jsonl`: one line at the end of a response, with its session and its whole text;
//! - `logs/cn.log`, with `cn --verbose` only: each change of a call's state, with its `toolCallId`, in local time without a
//!   zone. The zone is taken from the log itself: the chunks of a model's answer say when they were made, in seconds since
//!   1970. Where they do not, the times are left out.
//!
//! An id that is told of twice in different ways, and a text that was said twice, join nothing. These files are shared by all
//! sessions and grow for ever, so what was read of them is kept while the program runs, and only what is new is read.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use memchr::memmem;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::LIST;
use super::wire::{self, Item};
use crate::event::parse_time;
use crate::plain;
use crate::source::jsonl::{Lines, records};

/// A file that changed later than this after a session says nothing more about it.
const LATER: TimeDelta = TimeDelta::seconds(2);

/// What is known of the calls and responses of one session.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) calls: HashMap<String, CallTimes>,
    /// Ends of responses, by [`text_key`].
    pub(super) answers: HashMap<u64, Answer>,
    /// Of the extension that wrote it.
    pub(super) version: Option<String>,
}

/// When a call ran, and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CallTimes {
    pub(super) began: Option<DateTime<Utc>>,
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) succeeded: Option<bool>,
}

/// The end of a response.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) at: DateTime<Utc>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
}

/// A name for the text of a response.
pub(super) fn text_key(text: &str) -> u64 {
    xxh3_64(text.trim().as_bytes())
}

/// When each session was first saved, by id.
pub(super) type Listed = HashMap<String, DateTime<Utc>>;

/// All that was read of one folder.
#[derive(Default)]
struct Known {
    /// The list of sessions, with the size and time that it had.
    list: Option<(String, Arc<Listed>)>,
    read: HashMap<PathBuf, u64>,
    calls: HashMap<String, Told>,
    answers: HashMap<String, Answers>,
    /// What the zone of each process of `cn` adds to UTC.
    zones: HashMap<String, TimeDelta>,
}

#[derive(Default)]
struct Told {
    times: CallTimes,
    /// Process of `cn`, where its log tells of the call.
    process: Option<String>,
    unsure: bool,
}

#[derive(Default)]
struct Answers {
    by_text: HashMap<u64, Option<Answer>>,
    version: Option<String>,
}

static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Known>>> = LazyLock::new(Mutex::default);

fn with<T>(folder: &Path, f: impl FnOnce(&mut Known) -> T) -> T {
    let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    f(all.entry(folder.to_owned()).or_default())
}

/// The logs of `cn` (the newest and those that were set aside) and the lines of the extensions.
fn files(folder: &Path) -> Vec<PathBuf> {
    let within = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let named = |p: &PathBuf, start: &str, end: &str| {
        p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(start) && n.ends_with(end))
    };
    let mut found: Vec<_> = within(folder.join("logs")).filter(|p| named(p, "cn", ".log")).collect();
    let dev_data = folder.join("dev_data");
    for place in within(dev_data.clone()).filter(|p| p.is_dir()).chain([dev_data.clone()]) {
        found.extend(["toolUsage.jsonl", "chatInteraction.jsonl"].map(|name| place.join(name)));
    }
    found.retain(|f| f.is_file());
    found.sort();
    found
}

/// Changes when these files may say something new about a session that changed at `modified`.
pub(super) fn stamp(folder: &Path, modified: DateTime<Utc>) -> String {
    let mut stamp = String::new();
    for file in files(folder) {
        let Ok(meta) = fs::metadata(&file) else { continue };
        let changed = meta.modified().map(DateTime::<Utc>::from).unwrap_or(modified);
        stamp.push(':');
        if changed <= modified + LATER {
            stamp.push_str(&meta.len().to_string());
        }
    }
    stamp
}

/// When each session of a folder was first saved, as the list says.
pub(super) fn listed(sessions: &Path) -> Arc<Listed> {
    let file = sessions.join(LIST);
    let Ok(meta) = fs::metadata(&file) else { return Arc::default() };
    let changed = meta.modified().ok().and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    let stamp = format!("{}:{}", meta.len(), changed.unwrap_or_default().as_micros());
    with(sessions, |known| match &known.list {
        Some((read, list)) if *read == stamp => Arc::clone(list),
        _ => {
            let list = Arc::new(plain::read(&file).map(|bytes| wire::list(&bytes)).unwrap_or_default());
            known.list = Some((stamp, Arc::clone(&list)));
            list
        }
    })
}

/// What the files of a folder say about a session.
pub(super) fn of(folder: &Path, session: &str, history: &[Item]) -> Found {
    let files = files(folder);
    if files.is_empty() {
        return Found::default();
    }
    with(folder, |known| {
        files.iter().for_each(|f| known.read_on(f));
        let mut found = Found::default();
        for call in history.iter().flat_map(|item| &item.calls) {
            if let Some(told) = known.calls.get(&call.id).filter(|t| !t.unsure) {
                found.calls.insert(call.id.clone(), told.times.clone());
            }
        }
        let Some(answers) = known.answers.get(session) else { return found };
        let (mut said, mut twice) = (HashSet::new(), HashSet::new());
        for item in history.iter().filter(|i| i.role == "assistant") {
            let key = text_key(&item.text);
            if !said.insert(key) {
                twice.insert(key);
            }
        }
        for key in said.into_iter().filter(|k| !twice.contains(k)) {
            if let Some(Some(answer)) = answers.by_text.get(&key) {
                found.answers.insert(key, answer.clone());
            }
        }
        found.version = answers.version.clone();
        found
    })
}

/// Whether a log of `cn` tells of calls, judged by its end.
pub(super) fn logs_calls(folder: &Path) -> bool {
    const END: u64 = 1 << 20;
    plain::end(&folder.join("logs/cn.log"), END).is_ok_and(|end| memmem::find(&end, b"[debug]: ").is_some())
}

impl Known {
    /// Reads what a file has more than when it was read last; all of it where it is shorter now.
    fn read_on(&mut self, file: &Path) {
        let known = self.read.get(file).copied().unwrap_or(0);
        let Ok(length) = plain::open(file).map(|f| f.limit()) else { return };
        let from = if known <= length { known } else { 0 };
        if from == length {
            return;
        }
        let Ok(open) = plain::open_from(file, from) else { return };
        let length = from + open.limit();
        let mut upto = from;
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let mut lines = Lines::new(BufReader::with_capacity(256 * 1024, open));
        while let Ok(Some(line)) = lines.next() {
            if !line.complete {
                // read again once it is whole
                upto = from + line.offset;
                self.read.insert(file.to_owned(), upto);
                return;
            }
            let Some(bytes) = line.bytes else { continue };
            match name {
                "toolUsage.jsonl" => self.usage(bytes),
                "chatInteraction.jsonl" => self.interaction(bytes),
                _ => self.logged(bytes),
            }
        }
        upto = upto.max(length);
        self.read.insert(file.to_owned(), upto);
    }

    fn usage(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Usage {
            timestamp: String,
            tool_call_id: String,
            succeeded: Option<bool>,
        }
        for u in records::<Usage>(line, &mut String::new()).into_iter().flatten() {
            let times = CallTimes { began: None, ended: parse_time(&u.timestamp), succeeded: u.succeeded };
            let told = self.calls.entry(u.tool_call_id).or_default();
            told.unsure |= told.times != CallTimes::default() && told.times != times;
            told.times = times;
        }
    }

    fn interaction(&mut self, line: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Interaction {
            timestamp: String,
            session_id: String,
            completion: String,
            #[serde(default)]
            user_agent: Option<String>,
            #[serde(default)]
            model_name: Option<String>,
            #[serde(default)]
            model_provider: Option<String>,
        }
        for i in records::<Interaction>(line, &mut String::new()).into_iter().flatten() {
            let answers = self.answers.entry(i.session_id).or_default();
            // `Visual Studio Code/1.110.1 (Continue/1.2.16)`
            let version = i.user_agent.as_deref().and_then(|a| a.split("(Continue/").nth(1)?.strip_suffix(')'));
            answers.version = version.map(str::to_owned).or(answers.version.take());
            let Some(at) = parse_time(&i.timestamp).filter(|_| !i.completion.trim().is_empty()) else { continue };
            let answer = Answer { at, model: i.model_name, provider: i.model_provider };
            let known = answers.by_text.entry(text_key(&i.completion)).or_insert_with(|| Some(answer.clone()));
            if known.as_ref() != Some(&answer) {
                *known = None;
            }
        }
    }

    /// `2026-11-22 23:02:56.826 [8fd71062] [debug]: …`: the name in brackets is one process.
    fn logged(&mut self, line: &[u8]) {
        let Some((head, text)) = line.split_at_checked(35) else { return };
        let Some((time, process)) = std::str::from_utf8(head).ok().and_then(|h| h.split_once(" [")) else { return };
        let process = process.trim_end_matches([' ', ']', '[']);
        if let Some(at) = memmem::find(text, b"Updated tool call state {") {
            let Some(zone) = self.zones.get(process) else { return };
            let Some(utc) = naive(time).and_then(|t| t.and_utc().checked_sub_signed(*zone)) else { return };
            self.state(process, utc, text.get(at + 24..).unwrap_or(&[]));
        } else if !self.zones.contains_key(process)
            && let Some(at) = memmem::find(text, b"\"created\":")
            && let Some(zone) = naive(time).and_then(|t| zone(t, text.get(at + 10..)?))
        {
            self.zones.insert(process.to_owned(), zone);
        }
    }

    fn state(&mut self, process: &str, at: DateTime<Utc>, json: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Update {
            tool_call_id: String,
            updates: Updates,
        }
        #[derive(Deserialize)]
        struct Updates {
            #[serde(default)]
            status: Option<String>,
        }
        let Ok(update) = serde_json::from_slice::<Update>(json) else { return };
        let told = self.calls.entry(update.tool_call_id).or_default();
        told.unsure |= told.process.as_deref().is_some_and(|p| p != process)
            || told.process.is_none() && told.times != CallTimes::default();
        told.process = Some(process.to_owned());
        match update.updates.status.as_deref() {
            Some("calling") => told.times.began = told.times.began.or(Some(at)),
            Some("done" | "errored" | "canceled") => told.times.ended = Some(at),
            _ => {}
        }
    }
}

fn naive(time: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.3f").ok()
}

/// What a local time is ahead of UTC, told by a time since 1970 (in seconds or milliseconds) that was written at the same moment.
/// None where the two do not fit any zone: zones differ by quarters of an hour, clocks by less than two minutes.
fn zone(local: NaiveDateTime, since_1970: &[u8]) -> Option<TimeDelta> {
    let digits = since_1970.iter().take_while(|b| b.is_ascii_digit()).count();
    let n: i64 = std::str::from_utf8(since_1970.get(..digits)?).ok()?.parse().ok()?;
    let made = DateTime::from_timestamp_millis(if n < 100_000_000_000 { n.checked_mul(1000)? } else { n })?;
    let apart = local.and_utc().signed_duration_since(made).num_seconds();
    let quarters = apart.checked_add(450)?.div_euclid(900);
    let off = apart.checked_sub(quarters.checked_mul(900)?)?;
    (off.abs() < 120 && quarters.abs() <= 14 * 4).then(|| TimeDelta::seconds(quarters * 900))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_told_by_the_log_itself() {
        let at = |time| naive(time).unwrap();
        let zone = |time, made: &str| zone(at(time), made.as_bytes()).map(|z| z.num_minutes());
        assert_eq!(zone("2026-11-22 23:04:48.512", "1795388688,"), Some(0));
        assert_eq!(zone("2026-11-22 15:04:50.512", "1795388688}"), Some(-480));
        assert_eq!(zone("2026-11-23 04:49:48.512", "1795388688123,"), Some(345));
        // an hour that fits no zone, a server without a clock
        assert_eq!(zone("2026-11-22 23:09:48.512", "1795388688,"), None);
        assert_eq!(zone("2026-11-22 23:04:48.512", "0,"), None);
        assert_eq!(zone("2026-11-22 23:04:48.512", ","), None);
    }
}
