//! What reading a transcript came across.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{Event, Status};

/// Bad records that are kept one by one; beyond that they are only counted.
const KEPT: usize = 20;

/// A record that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The file.
    pub file: String,
    /// Line in it, from 1 (row position in a database).
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What reading a transcript came across: `doctor` shows it, and format drift is visible in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records (lines, rows) read.
    pub records: u64,
    /// Distinct events they became.
    pub events: u64,
    /// Tool calls among them.
    pub calls: u64,
    /// Calls for which no result is recorded.
    pub unanswered: u64,
    /// Results whose call is not there.
    pub orphans: u64,
    /// Known kinds of record that say nothing about causes, by name.
    pub passed_over: BTreeMap<String, u64>,
    /// Kinds of record that this version does not know, by name.
    pub unknown: BTreeMap<String, u64>,
    /// The first bad records.
    pub bad: Vec<Bad>,
    /// How many there are in all.
    pub bad_count: u64,
}

impl Report {
    /// Counts a bad record and keeps the first of them.
    pub fn bad(&mut self, file: &str, line: u64, reason: impl Into<String>) {
        self.bad_count += 1;
        if self.bad.len() < KEPT {
            self.bad.push(Bad { file: file.to_owned(), line, reason: reason.into() });
        }
    }

    /// Counts an event that is given for the first time.
    pub fn count(&mut self, e: &Event) {
        self.events += 1;
        if e.is_call() {
            self.calls += 1;
            self.unanswered += u64::from(e.status == Some(Status::Running));
        }
    }

    /// Counts a record of an unknown kind.
    pub fn unknown(&mut self, kind: &str) {
        count(&mut self.unknown, kind);
    }

    /// Counts a record of a kind that is known to say nothing about causes.
    pub fn pass_over(&mut self, kind: &str) {
        count(&mut self.passed_over, kind);
    }

    /// Adds what another file of the same transcript gave.
    pub fn merge(&mut self, other: Report) {
        self.records += other.records;
        self.events += other.events;
        self.calls += other.calls;
        self.unanswered += other.unanswered;
        self.orphans += other.orphans;
        self.bad_count += other.bad_count;
        for (kind, n) in other.passed_over {
            *self.passed_over.entry(kind).or_default() += n;
        }
        for (kind, n) in other.unknown {
            *self.unknown.entry(kind).or_default() += n;
        }
        let room = KEPT.saturating_sub(self.bad.len());
        self.bad.extend(other.bad.into_iter().take(room));
    }
}

fn count(map: &mut BTreeMap<String, u64>, kind: &str) {
    match map.get_mut(kind) {
        Some(n) => *n += 1,
        None => {
            map.insert(kind.to_owned(), 1);
        }
    }
}
