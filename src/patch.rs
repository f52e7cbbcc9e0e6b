//! Reads patch texts into [`FileEdit`]s (the `*** Begin Patch` form that Codex and others use, and unified diffs), and what
//! events have recorded of a change.

use serde_json::{Map, Value};

use crate::action::{Change, FileEdit, Hunk};

/// The change that the agent recorded of a call (`patch`), file by file.
pub fn recorded(patch: Option<&Value>) -> Vec<FileEdit> {
    fn list(v: Option<&Value>) -> impl Iterator<Item = &Value> {
        v.and_then(Value::as_array).into_iter().flatten()
    }
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let hunk = |h: &Value| Hunk {
        line: h.get("line").and_then(Value::as_u64),
        before: text(h, "before"),
        after: text(h, "after"),
    };
    let file = |f: &Value| {
        let change = match f.get("change").and_then(Value::as_str) {
            Some("add") => Change::Write,
            Some("delete") => Change::Delete,
            _ => Change::Edit,
        };
        let moved_to = f.get("moved_to").and_then(Value::as_str).map(str::to_owned);
        let path = f.get("path")?.as_str()?.to_owned();
        Some(FileEdit {
            path,
            change,
            moved_to,
            hunks: list(f.get("hunks")).map(hunk).collect(),
            ..FileEdit::default()
        })
    };
    list(patch).filter_map(file).collect()
}

/// A file of a recorded change.
pub fn recorded_file(path: &str, hunks: Vec<Value>) -> Value {
    // made by hand: `json!` would copy each text once more
    let mut file = Map::with_capacity(2);
    file.insert("path".to_owned(), path.into());
    file.insert("hunks".to_owned(), hunks.into());
    Value::Object(file)
}

/// A changed place of a recorded change, with the line at which it stood, `null` where that is not known.
pub fn recorded_hunk(line: Option<Value>, before: String, after: String) -> Value {
    let mut hunk = Map::with_capacity(3);
    hunk.insert("line".to_owned(), line.unwrap_or_default());
    hunk.insert("before".to_owned(), before.into());
    hunk.insert("after".to_owned(), after.into());
    Value::Object(hunk)
}

/// The line at which the text that a hunk replaces stood, from the change that the agent recorded of the same call (`patch`).
pub fn first_changed_line(patch: Option<&Value>, hunk: &Hunk) -> Option<u64> {
    let recorded = patch?.get(0)?.get("hunks")?.get(0)?;
    let line = recorded.get("line")?.as_u64()?;
    let before = recorded.get("before")?.as_str()?;
    let first = hunk.before.lines().next()?;
    let at = before.lines().position(|l| l == first)?;
    u64::try_from(at).ok().and_then(|at| line.checked_add(at))
}

/// The files changed by a `*** Begin Patch` text; empty where the text is no such patch. Tolerant: a torn patch gives
/// what could be read.
pub fn parse_apply_patch(text: &str) -> Vec<FileEdit> {
    let mut files: Vec<FileEdit> = Vec::new();
    let Some(begin) = text.find("*** Begin Patch") else {
        return files;
    };
    for line in text[begin..].lines().skip(1) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(path) = line.strip_prefix("*** Add File: ") {
            files.push(FileEdit {
                path: path.trim().to_owned(),
                change: Change::Write,
                hunks: vec![Hunk::default()],
                ..FileEdit::default()
            });
        } else if let Some(path) = line.strip_prefix("*** Update File: ") {
            files.push(FileEdit { path: path.trim().to_owned(), ..FileEdit::default() });
        } else if let Some(path) = line.strip_prefix("*** Delete File: ") {
            files.push(FileEdit { path: path.trim().to_owned(), change: Change::Delete, ..FileEdit::default() });
        } else if let Some(path) = line.strip_prefix("*** Move to: ") {
            if let Some(f) = files.last_mut() {
                f.moved_to = Some(path.trim().to_owned());
            }
        } else if line.starts_with("*** End Patch") {
            break;
        } else if line.starts_with("*** ") {
            continue;
        } else if let Some(f) = files.last_mut() {
            hunk_line(f, line);
        }
    }
    files
}

/// The hunks of one file in a unified diff, with their line numbers; header lines are passed over.
pub fn parse_unified(diff: &str) -> Vec<Hunk> {
    let mut file = FileEdit::default();
    for line in diff.lines() {
        if line.starts_with("@@") || !file.hunks.is_empty() {
            hunk_line(&mut file, line);
        }
    }
    file.hunks
}

fn hunk_line(file: &mut FileEdit, line: &str) {
    if let Some(rest) = line.strip_prefix("@@") {
        // `@@ -12,3 +12,4 @@ …`; the short form `@@ fn name` has no numbers
        let first = rest.trim_start().strip_prefix('-').and_then(|r| r.split([',', ' ']).next());
        file.hunks.push(Hunk { line: first.and_then(|n| n.parse().ok()), ..Hunk::default() });
        return;
    }
    if file.hunks.is_empty() {
        file.hunks.push(Hunk::default());
    }
    let Some(hunk) = file.hunks.last_mut() else { return };
    let mut put = |before: bool, after: bool, text: &str| {
        for (wanted, side) in [(before, &mut hunk.before), (after, &mut hunk.after)] {
            if wanted {
                side.push_str(text);
                side.push('\n');
            }
        }
    };
    match line.as_bytes().first() {
        Some(b'+') => put(false, true, &line[1..]),
        Some(b'-') => put(true, false, &line[1..]),
        Some(b' ') => put(true, true, &line[1..]),
        None => put(true, true, ""),
        // `\ No newline at end of file` and anything else that is no line of the file
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_becomes_edits() {
        let text = "*** Begin Patch\n*** Add File: a.txt\n+one\n+two\n*** Update File: b.rs\n*** Move to: c.rs\n@@ fn f\n let x;\n-old\n+new\n@@\n-gone\n*** Delete File: d\n*** End Patch";
        let files = parse_apply_patch(text);
        assert_eq!(files.len(), 3);
        assert_eq!((files[0].change, files[0].hunks[0].after.as_str()), (Change::Write, "one\ntwo\n"));
        assert_eq!(files[1].moved_to.as_deref(), Some("c.rs"));
        assert_eq!(
            files[1].hunks[0],
            Hunk { line: None, before: "let x;\nold\n".into(), after: "let x;\nnew\n".into() }
        );
        assert_eq!((files[1].hunks[1].before.as_str(), files[1].hunks[1].after.as_str()), ("gone\n", ""));
        assert_eq!(files[2].change, Change::Delete);
    }

    #[test]
    fn a_unified_diff_keeps_its_line_numbers() {
        let hunks =
            parse_unified("--- a/x\n+++ b/x\n@@ -12,2 +12,2 @@ fn f\n a\n-b\n+c\n\\ No newline at end of file\n");
        assert_eq!(hunks, [Hunk { line: Some(12), before: "a\nb\n".into(), after: "a\nc\n".into() }]);
    }
}
