//! Which event removed a text.

use serde::Serialize;
use serde_json::Value;

use crate::action::{Action, FileEdit, Hunk};
use crate::event::Status;
use crate::graph::Graph;

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
pub fn removed(graph: &Graph, text: &str, is_file: &dyn Fn(&str, Option<&str>) -> bool) -> Vec<Removal> {
    let mut found = Vec::new();
    for i in (0..graph.events.len()).rev() {
        let event = &graph.events[i];
        if matches!(event.status, Some(Status::Error | Status::Denied | Status::Interrupted)) {
            continue;
        }
        let Action::Edit(files) = &graph.actions[i] else { continue };
        let recorded = recorded(event.extra.get("patch"));
        // the record knows what a whole write replaced; the call itself does not
        for f in files.iter().chain(&recorded) {
            if is_file(&f.path, event.cwd.as_deref())
                && let Some((line, number)) = f.hunks.iter().find_map(|h| lost(h, text))
            {
                found.push(Removal { event: i, path: f.path.clone(), line, number });
                break;
            }
        }
    }
    found
}

/// The line of a hunk that holds the text and is gone after it.
fn lost(hunk: &Hunk, text: &str) -> Option<(String, Option<u64>)> {
    let holds = |side: &str| side.matches(text).count();
    if holds(&hunk.before) <= holds(&hunk.after) {
        return None;
    }
    let after: Vec<&str> = hunk.after.lines().collect();
    let mut lines = hunk.before.lines().enumerate().filter(|(_, l)| l.contains(text.lines().next().unwrap_or(text)));
    let gone = lines.clone().find(|(_, l)| !after.contains(l)).or_else(|| lines.next())?;
    Some((gone.1.to_owned(), hunk.line.map(|n| n + gone.0 as u64)))
}

/// The recorded change of an edit (`patch`).
pub(super) fn recorded(patch: Option<&Value>) -> Vec<FileEdit> {
    let files = patch.and_then(Value::as_array).into_iter().flatten();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    files
        .map(|f| {
            let hunks = f.get("hunks").and_then(Value::as_array).into_iter().flatten();
            let hunks = hunks.map(|h| Hunk {
                line: h.get("line").and_then(Value::as_u64),
                before: text(h, "before"),
                after: text(h, "after"),
            });
            FileEdit { path: text(f, "path"), hunks: hunks.collect(), ..FileEdit::default() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_stays_is_not_removed() {
        let h = |b: &str, a: &str| Hunk { line: Some(10), before: b.into(), after: a.into() };
        assert_eq!(lost(&h("a\n  x = 1\nb\n", "a\nb\n"), "x = 1"), Some(("  x = 1".into(), Some(11))));
        assert_eq!(lost(&h("x = 1\n", "x = 1\ny\n"), "x = 1"), None);
        assert_eq!(lost(&h("x = 1\n", "x = 12\n"), "x = 1\n").map(|l| l.1), Some(Some(10)));
    }
}
