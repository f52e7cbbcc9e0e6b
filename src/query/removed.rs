//! Which event removed a text.

use serde::Serialize;

use super::blame::changes;
use crate::action::Hunk;
use crate::event::Status;
use crate::graph::Whole;
use crate::patch::recorded;

/// A removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Index of the event.
    pub event: usize,
    /// The file.
    pub path: String,
    /// The removed line that holds the text.
    pub line: String,
    /// Its number before the change, where recorded.
    pub number: Option<u64>,
}

/// The events that removed `text`, newest first. `is_file` says whether a path that an edit names, with the directory in
/// which it ran, is the file asked about.
pub fn removed(graph: &Whole, text: &str, is_file: &dyn Fn(&str, Option<&str>) -> bool) -> Vec<Removal> {
    let mut found = Vec::new();
    for i in (0..graph.events.len()).rev() {
        let event = &graph.events[i];
        if matches!(event.status, Some(Status::Error | Status::Denied | Status::Interrupted)) {
            continue;
        }
        let (files, cwd) = changes(graph, i);
        let recorded = recorded(event.extra.get("patch"));
        // the record knows what a whole write replaced; the call itself does not
        for f in files.iter().chain(&recorded) {
            if is_file(&f.path, cwd)
                && let Some((line, number)) = f.hunks.iter().find_map(|h| lost(h, text))
            {
                found.push(Removal { event: i, path: f.path.clone(), line, number });
                break;
            }
        }
    }
    found
}

/// The line of a hunk that holds the text and is gone after it; of several, one after which the text itself is gone too.
fn lost(hunk: &Hunk, text: &str) -> Option<(String, Option<u64>)> {
    let first = text.lines().next().unwrap_or(text);
    if !hunk.before.contains(text) {
        return None;
    }
    let after: std::collections::HashSet<&str> = hunk.after.lines().map(str::trim_end).collect();
    let gone = hunk.before.lines().enumerate().filter(|(_, l)| l.contains(first) && !after.contains(l.trim_end()));
    let (at, line) = gone.min_by_key(|(_, l)| l.len())?;
    Some((line.to_owned(), hunk.line.and_then(|n| n.checked_add(at as u64))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_stays_is_not_removed() {
        let h = |b: &str, a: &str| Hunk { line: Some(10), before: b.into(), after: a.into() };
        assert_eq!(lost(&h("a\n  x = 1\nb\n", "a\nb\n"), "x = 1"), Some(("  x = 1".into(), Some(11))));
        assert_eq!(lost(&h("x = 1\n", "x = 1\ny\n"), "x = 1"), None);
        // the line was changed into another that holds the text too
        assert_eq!(lost(&h("x = 1\n", "x = 12\n"), "x = 1"), Some(("x = 1".into(), Some(10))));
    }
}
