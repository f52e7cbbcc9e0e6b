//! Which event wrote each line that stands in a file now.
//!
//! The recorded edits are taken back from the present content, newest first: the text that an edit left is looked for in
//! the file, its added lines are attributed, and the text that it replaced is put back for the next older edit. What
//! cannot be found, or stands in several places, is left alone: a wrong attribution is worse than none. Lines that somebody
//! changed by hand since are found nowhere and so stay unknown.

use std::borrow::Cow;

use imara_diff::{Algorithm, Diff, InternedInput};
use serde::Serialize;

use crate::action::{Action, Change, FileEdit, Hunk};
use crate::causality;
use crate::event::Status;
use crate::graph::Whole;
use crate::patch::recorded;

/// One edit of the file, of any session.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Whatever names the event to the caller.
    pub id: usize,
    /// The change of this one file.
    pub change: FileEdit,
}

/// A line of the file and the edit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Number, from 1.
    pub number: u64,
    /// Its text.
    pub text: String,
    /// The edit, by its id; none where no recorded edit wrote it.
    pub edit: Option<usize>,
}

/// The successful edits of a file in a graph, in causal order: their events and changes. Those that moved the file to another
/// name are of the file that it was.
pub fn edits_of(graph: &Whole, is_file: &dyn Fn(&str, Option<&str>) -> bool) -> Vec<(usize, FileEdit)> {
    let mut out = Vec::new();
    for (i, e) in graph.events.iter().enumerate() {
        if matches!(e.status, Some(Status::Error | Status::Denied | Status::Interrupted | Status::Running)) {
            continue;
        }
        let (files, cwd) = changes(graph, i);
        for f in files.iter() {
            let target = f.moved_to.as_deref().unwrap_or(&f.path);
            if !is_file(target, cwd) {
                continue;
            }
            let known = recorded(e.extra.get("patch")).into_iter().find(|k| is_file(&k.path, e.cwd.as_deref()));
            let mut change = f.clone();
            // the recorded hunks have line numbers and context; a whole write is better known by its content
            if let (Change::Edit, Some(k)) = (f.change, known.filter(|k| !k.hunks.is_empty())) {
                change.hunks = k.hunks;
            }
            out.push((i, change));
        }
    }
    out
}

/// The changes of files by an event, and the directory in which it ran: those of an edit, and what a command surely wrote.
pub(super) fn changes(graph: &Whole, i: usize) -> (Cow<'_, [FileEdit]>, Option<&str>) {
    let own = graph.events[i].cwd.as_deref();
    match &graph.actions[i] {
        Action::Edit(files) => (Cow::Borrowed(files), own),
        Action::Run { command, cwd } => (Cow::Owned(causality::written(command)), cwd.as_deref().or(own)),
        _ => (Cow::Borrowed(&[]), own),
    }
}

/// Attributes the lines of `content`. `edits` are in the order in which they were made.
pub fn blame(content: &str, edits: &[Edit]) -> Vec<Line> {
    let now: Vec<&str> = content.lines().collect();
    let mut wrote: Vec<Option<usize>> = vec![None; now.len()];
    // the file as it was before the edits taken back so far: text, and which present line it is
    let mut then: Then = now.iter().enumerate().map(|(i, l)| ((*l).to_owned(), Some(i))).collect();
    for edit in edits.iter().rev() {
        match edit.change.change {
            Change::Delete => break,
            Change::Write => {
                let content = edit.change.hunks.first().map(|h| h.after.as_str()).unwrap_or("");
                take_write(&then, content, edit.id, &mut wrote);
                // what stood there before is not known
                break;
            }
            Change::Edit => {
                for hunk in edit.change.hunks.iter().rev() {
                    take_back(&mut then, hunk, edit.id, &mut wrote);
                }
            }
        }
    }
    let line = |(i, text): (usize, &&str)| Line { number: i as u64 + 1, text: (*text).to_owned(), edit: wrote[i] };
    now.iter().enumerate().map(line).collect()
}

/// Lines of the file on the way back: text, and which present line each is.
type Then = Vec<(String, Option<usize>)>;

/// Attributes what an edit added and puts back what it replaced.
fn take_back(then: &mut Then, hunk: &Hunk, id: usize, wrote: &mut [Option<usize>]) {
    let whole = (hunk.before.lines().map(str::to_owned).collect(), hunk.after.lines().map(str::to_owned).collect());
    let (before, after): (Vec<String>, Vec<String>) = whole;
    let (at, before, after) = match place(then, &after, hunk.line) {
        Some(at) => (at, before, after),
        None => match place_within(then, hunk) {
            Some(found) => found,
            None => return,
        },
    };
    let kept = kept(&before, &after);
    let mut old: Then = before.into_iter().map(|l| (l, None)).collect();
    for (j, from) in kept.iter().enumerate() {
        let present = then[at + j].1;
        match from {
            Some(b) => old[*b].1 = present,
            None => {
                if let Some(i) = present {
                    wrote[i].get_or_insert(id);
                }
            }
        }
    }
    then.splice(at..at + after.len(), old);
}

/// Where a block of whole lines stands: the only place, or of several the one at the recorded line. A block of trivial lines
/// is found nowhere.
fn place(then: &Then, block: &[String], line: Option<u64>) -> Option<usize> {
    if block.is_empty() || block.len() > then.len() || !block.iter().any(|l| is_telling(l)) {
        return None;
    }
    let fits = |at: usize| block.iter().zip(&then[at..]).all(|(l, (text, _))| l == text);
    let recorded = line.and_then(|n| usize::try_from(n).ok()).and_then(|n| n.checked_sub(1));
    if let Some(at) = recorded.filter(|at| at + block.len() <= then.len() && fits(*at)) {
        return Some(at);
    }
    let mut places = (0..=then.len() - block.len()).filter(|at| fits(*at));
    places.next().filter(|_| places.next().is_none())
}

/// Where the text that an edit left stands, if it begins or ends within a line and stands once: the first line, and the lines
/// before and after the edit made whole.
fn place_within(then: &Then, hunk: &Hunk) -> Option<(usize, Vec<String>, Vec<String>)> {
    // a short word may stand once by chance
    if hunk.after.bytes().filter(u8::is_ascii_alphanumeric).count() < 6 {
        return None;
    }
    let text: String = then.iter().flat_map(|(l, _)| [l.as_str(), "\n"]).collect();
    let mut places = memchr::memmem::find_iter(text.as_bytes(), hunk.after.as_bytes());
    let begin = places.next().filter(|_| places.next().is_none())?;
    let end = begin + hunk.after.len();
    let head = text[..begin].rfind('\n').map_or(0, |n| n + 1);
    // an edit that ends with a line's end does not touch the next line, unless it joined or split lines there
    let closed = hunk.after.ends_with('\n') && (hunk.before.ends_with('\n') || hunk.before.is_empty() && head == begin);
    let tail = if closed { end } else { text[end..].find('\n').map_or(text.len(), |n| end + n) };
    let at = text[..head].bytes().filter(|b| *b == b'\n').count();
    let lines = |t: &str| t.lines().map(str::to_owned).collect::<Vec<_>>();
    let before = format!("{}{}{}", &text[head..begin], hunk.before, &text[end..tail]);
    Some((at, lines(&before), lines(&text[head..tail])))
}

fn is_telling(line: &str) -> bool {
    line.bytes().filter(u8::is_ascii_alphanumeric).count() >= 3 || !line.is_ascii()
}

/// For each line of `after`, the line of `before` that it is, where it was kept.
fn kept<S: AsRef<str>>(before: &[S], after: &[S]) -> Vec<Option<usize>> {
    let mut input = InternedInput::default();
    input.update_before(before.iter().map(AsRef::as_ref));
    input.update_after(after.iter().map(AsRef::as_ref));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_no_heuristic(&input);
    let mut map = vec![None; after.len()];
    let (mut b, mut a) = (0usize, 0usize);
    for h in diff.hunks() {
        while a < h.after.start as usize {
            map[a] = Some(b);
            a += 1;
            b += 1;
        }
        a = h.after.end as usize;
        b = h.before.end as usize;
    }
    while a < after.len() && b < before.len() {
        map[a] = Some(b);
        a += 1;
        b += 1;
    }
    map
}

/// Attributes lines that a whole write left and that still stand: all where nothing changed, else runs with a telling line.
fn take_write(then: &Then, content: &str, id: usize, wrote: &mut [Option<usize>]) {
    let written: Vec<&str> = content.lines().collect();
    let present: Vec<&str> = then.iter().map(|(l, _)| l.as_str()).collect();
    let map = kept(&written, &present);
    let mut at = 0;
    while at < map.len() {
        let mut end = at;
        while end < map.len() && map[end].is_some() {
            end += 1;
        }
        if present[at..end].iter().any(|l| is_telling(l)) {
            for (_, line) in &then[at..end] {
                if let Some(i) = line {
                    wrote[*i].get_or_insert(id);
                }
            }
        }
        at = end.max(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(id: usize, before: &str, after: &str) -> Edit {
        let hunks = vec![Hunk { line: None, before: before.into(), after: after.into() }];
        Edit { id, change: FileEdit { path: "f".into(), hunks, ..FileEdit::default() } }
    }

    fn write(id: usize, content: &str) -> Edit {
        let hunks = vec![Hunk { line: None, before: String::new(), after: content.into() }];
        Edit { id, change: FileEdit { path: "f".into(), change: Change::Write, hunks, ..FileEdit::default() } }
    }

    fn who(content: &str, edits: &[Edit]) -> Vec<Option<usize>> {
        blame(content, edits).into_iter().map(|l| l.edit).collect()
    }

    #[test]
    fn lines_are_attributed_through_later_edits() {
        let edits = [
            write(1, "fn one() {}\nfn two() {}\nfn three() {}\n"),
            edit(2, "fn two() {}", "fn two() {\n    body();\n}"),
            edit(3, "    body();", "    better();"),
        ];
        let now = "fn one() {}\nfn two() {\n    better();\n}\nfn three() {}\n";
        assert_eq!(who(now, &edits), [Some(1), Some(2), Some(3), Some(2), Some(1)]);
    }

    #[test]
    fn parts_of_lines_are_found_where_they_stand_once() {
        // a rename within a line: the line is the edit's, as with git
        assert_eq!(who("x = new_name(1)\ny = 2\n", &[edit(1, "old_name(", "new_name(")]), [Some(1), None]);
        assert_eq!(who("new_name(new_name(1))\n", &[edit(1, "old_name(", "new_name(")]), [None]);
        // what the earlier edit wrote around the part is still its own
        let edits = [edit(1, "pass", "a = 1\n    b = compute(a)\n    return b"), edit(2, "compute", "recompute")];
        assert_eq!(
            who("def f():\n    a = 1\n    b = recompute(a)\n    return b\n", &edits),
            [None, Some(1), Some(2), Some(1)]
        );
        // whole lines with their end, put in front of a line that stays
        assert_eq!(who("import os\nimport sys\n", &[edit(1, "", "import os\n")]), [Some(1), None]);
        // two lines made one
        assert_eq!(who("the first second\nlast\n", &[edit(1, "the first\n", "the first ")]), [Some(1), None]);
    }

    #[test]
    fn what_nobody_recorded_is_unknown() {
        // a line changed by hand, a line added by hand
        let edits = [write(1, "alpha one\nbeta two\ngamma three\n")];
        assert_eq!(who("alpha one\nbeta 2\ngamma three\nby hand\n", &edits), [Some(1), None, Some(1), None]);
        assert_eq!(who("some text\n", &[edit(2, "other", "another thing")]), [None]);
        // twice the same text: which one is not known
        assert_eq!(who("same line\nx\nsame line\n", &[edit(2, "old line", "same line")]), [None, None, None]);
        // an edit of `}` alone says nothing
        assert_eq!(who("a b c\n}\n", &[edit(2, "]", "}")]), [None, None]);
    }
}
