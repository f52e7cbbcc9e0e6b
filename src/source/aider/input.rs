//! The input history (prompt_toolkit's `FileHistory`): what the user typed, with the local time in microseconds.

use std::collections::HashMap;
use std::io::BufRead;

use chrono::NaiveDateTime;
use xxhash_rust::xxh3::xxh3_64;

use super::lines::Lines;

/// When each text was typed.
#[derive(Default)]
pub(super) struct Inputs {
    times: HashMap<u64, Vec<NaiveDateTime>>,
    /// The time of the last entry.
    pub last: Option<NaiveDateTime>,
}

impl Inputs {
    pub(super) fn read(reader: impl BufRead) -> Self {
        let mut all = Self::default();
        let mut lines = Lines::new(reader);
        let mut now: Option<NaiveDateTime> = None;
        let mut text: Option<String> = None;
        while let Some(line) = lines.next() {
            if let Some(more) = line.text.strip_prefix('+') {
                match &mut text {
                    Some(t) => {
                        t.push('\n');
                        t.push_str(more);
                    }
                    None => text = Some(more.to_owned()),
                }
                continue;
            }
            all.put(now, text.take());
            if let Some(time) = line.text.strip_prefix("# ") {
                now = NaiveDateTime::parse_from_str(time.trim(), "%Y-%m-%d %H:%M:%S%.f").ok();
            }
        }
        all.put(now, text);
        all
    }

    fn put(&mut self, at: Option<NaiveDateTime>, text: Option<String>) {
        let (Some(at), Some(text)) = (at, text) else { return };
        self.last = self.last.max(Some(at));
        self.times.entry(key(&text)).or_default().push(at);
    }

    /// The first time at which `text` was typed from `after` on and before `until`.
    pub(super) fn typed(
        &self,
        text: &str,
        after: NaiveDateTime,
        until: Option<NaiveDateTime>,
    ) -> Option<NaiveDateTime> {
        let times = self.times.get(&key(text))?;
        let first = times.partition_point(|t| *t < after);
        times.get(first).copied().filter(|t| until.is_none_or(|u| *t < u))
    }
}

fn key(text: &str) -> u64 {
    xxh3_64(text.trim().as_bytes())
}
