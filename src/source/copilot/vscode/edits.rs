//! What the client recorded of the changes of a call: its edits with their lines, beside the places that the call says.

use serde_json::{Map, Value, json};

use super::parts::Edited;
use super::tools::action;
use super::wire::text;
use crate::action::{Action, Hunk};
use crate::event::Event;

/// Most bytes that are looked through for the places of one call.
const MOST_LOOKED_AT: usize = 64 << 20;

/// One file under two spellings of its path: VS Code writes drive letters small.
pub(super) fn same_file(a: &str, b: &str) -> bool {
    a == b || a.len() == b.len() && a.replace('\\', "/").eq_ignore_ascii_case(&b.replace('\\', "/"))
}

/// Tells a call what the client recorded of its changes: the line at which each place stood where the call says the places,
/// else the new text.
pub(super) fn changes(e: &mut Event, edited: &[Edited<'_>]) {
    if edited.is_empty() {
        return;
    }
    let said = match action(e) {
        Some(Action::Edit(files)) => files,
        _ => Vec::new(),
    };
    let mut patch = Vec::new();
    for file in edited {
        let hunks = match said.iter().find(|f| same_file(&f.path, &file.path)) {
            Some(f) if f.change == crate::action::Change::Edit => located(&f.hunks, file.edits),
            // a file that is written whole is known by its content
            Some(_) => None,
            None => {
                let (hunks, added) = new_text(file.edits);
                if added {
                    patch.push(json!({"path": file.path, "change": "add", "hunks": hunks}));
                } else if !hunks.is_empty() {
                    patch.push(json!({"path": file.path, "hunks": hunks}));
                }
                continue;
            }
        };
        if let Some(hunks) = hunks {
            patch.push(json!({"path": said_path(&said, &file.path), "hunks": hunks}));
        }
    }
    if !patch.is_empty() {
        e.extra.insert("patch".to_owned(), patch.into());
    }
}

fn said_path(said: &[crate::action::FileEdit], path: &str) -> String {
    said.iter().find(|f| same_file(&f.path, path)).map_or_else(|| path.to_owned(), |f| f.path.clone())
}

fn edits_of(groups: &[Value]) -> impl Iterator<Item = (u64, u64, &str)> {
    groups.iter().flat_map(|g| g.as_array().map(Vec::as_slice).unwrap_or_default()).filter_map(|edit| {
        let range = edit.get("range")?;
        let line = |key: &str| range.get(key).and_then(Value::as_u64);
        Some((line("startLineNumber")?, line("endLineNumber")?, text(edit, "text")?))
    })
}

/// The places of a call with the lines at which they begin: where the new text stands once in the recorded edit. None where one is not
/// found so, or the file was changed by several edits, which move each other's lines.
fn located(hunks: &[Hunk], groups: &[Value]) -> Option<Vec<Value>> {
    let mut edits = edits_of(groups);
    let (Some((first, _, new)), None) = (edits.next(), edits.next()) else { return None };
    // each place is looked for in the whole text
    if hunks.len().saturating_mul(new.len()) > MOST_LOOKED_AT {
        return None;
    }
    // of several places, those above move the ones below
    let mut moved = 0i64;
    let mut out = Vec::with_capacity(hunks.len());
    for hunk in hunks {
        let wanted = hunk.after.trim_end_matches('\n');
        let mut found = new.match_indices(wanted);
        let (false, Some((at, _)), None) = (wanted.is_empty(), found.next(), found.next()) else { return None };
        let before = new.get(..at)?.matches('\n').count();
        let line = i64::try_from(first).ok()? + i64::try_from(before).ok()? - moved;
        let lines = |s: &str| i64::try_from(s.matches('\n').count()).unwrap_or(0);
        moved += lines(&hunk.after) - lines(&hunk.before);
        let mut m = Map::new();
        m.insert("line".to_owned(), line.max(1).into());
        m.insert("before".to_owned(), hunk.before.as_str().into());
        m.insert("after".to_owned(), hunk.after.as_str().into());
        out.push(Value::Object(m));
    }
    Some(out)
}

/// The new text of edits whose call tells no input, and whether they wrote a new file from its first line on.
fn new_text(groups: &[Value]) -> (Vec<Value>, bool) {
    let edits: Vec<_> = edits_of(groups).collect();
    let grows = edits.first().is_some_and(|(first, last, _)| *first == 1 && *last == 1)
        && edits.windows(2).all(|w| matches!(w, [(_, a, _), (b, c, _)] if a < b && b == c));
    if grows && edits.len() > 1 {
        let whole: String = edits.iter().map(|(_, _, t)| *t).collect();
        return (vec![json!({"line": 1, "after": whole})], true);
    }
    (edits.iter().map(|(line, _, t)| json!({"line": line, "after": t})).collect(), false)
}
