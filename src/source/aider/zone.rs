//! From Aider's times on the local clock, which name no zone, to points in time.
//!
//! A file says which clock it was written by where its time of change is that of its last entry: the difference is the zone's
//! offset. A file that was copied tells nothing, and then no times are claimed.

use std::path::Path;

use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};

/// What is known of the local clock of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Zone {
    /// Nothing.
    #[default]
    Unknown,
    /// It is this machine's.
    Local,
    /// This offset at least from that local time on.
    Fixed(FixedOffset, NaiveDateTime),
}

impl Zone {
    /// The zone of a file whose last entry was written at `last`.
    pub(super) fn of(path: &Path, last: Option<NaiveDateTime>) -> Self {
        let written = std::fs::metadata(path).and_then(|m| m.modified()).ok().map(DateTime::<Utc>::from);
        match (written, last) {
            (Some(written), Some(last)) => Self::between(last, written, TimeDelta::seconds(2)),
            _ => Self::Unknown,
        }
    }

    /// The zone in which `local` and `utc` are the same moment, give or take `slack`.
    pub(super) fn between(local: NaiveDateTime, utc: DateTime<Utc>, slack: TimeDelta) -> Self {
        let seconds = (local - utc.naive_utc()).num_milliseconds();
        // zones differ by quarters of an hour
        let quarter = 900_000;
        let rounded = (seconds + seconds.signum() * quarter / 2) / quarter * quarter;
        if (seconds - rounded).abs() > slack.num_milliseconds() || rounded.abs() > 14 * 3_600_000 {
            return Self::Unknown;
        }
        let Some(offset) = i32::try_from(rounded / 1000).ok().and_then(FixedOffset::east_opt) else {
            return Self::Unknown;
        };
        if Local.offset_from_utc_datetime(&utc.naive_utc()).fix() == offset {
            return Self::Local;
        }
        Self::Fixed(offset, local)
    }

    /// The point in time of a time on the local clock.
    pub(super) fn time(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self {
            Self::Unknown => None,
            Self::Local => Local.from_local_datetime(&local).single().map(|t| t.with_timezone(&Utc)),
            Self::Fixed(offset, since) if local >= since => {
                offset.from_local_datetime(&local).single().map(|t| t.with_timezone(&Utc))
            }
            Self::Fixed(..) => None,
        }
    }

    /// The same offset from an earlier local time on.
    pub(super) fn since(self, local: NaiveDateTime) -> Self {
        match self {
            Self::Fixed(offset, since) => Self::Fixed(offset, since.min(local)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
    }

    #[test]
    fn only_a_file_written_with_its_last_entry_tells_its_zone() {
        let utc = at("2026-03-01 10:00:00").and_utc();
        let slack = TimeDelta::seconds(2);
        let india = Zone::between(at("2026-03-01 15:29:59.7"), utc, slack);
        assert_eq!(india.time(at("2026-03-01 15:30:00")), Some(utc), "{india:?}");
        assert_eq!(india.time(at("2026-02-01 15:30:00")), None);
        assert_eq!(Zone::between(at("2026-03-01 15:36:00"), utc, slack), Zone::Unknown);
        assert_eq!(Zone::between(at("2026-03-03 10:00:00"), utc, slack), Zone::Unknown);
    }
}
