//! The changes in a reply: SEARCH/REPLACE blocks (older: ORIGINAL/UPDATED), unified diffs, `*** Begin Patch`, whole files.
//!
//! Follows `editblock_coder.py` of Aider 0.86 (five to nine signs, the path on one of the three lines before), but never
//! fails: a torn block gives nothing.

/// One change, as the reply has it.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    /// Text to be found, and what replaces it.
    Replace { path: String, before: String, after: String },
    /// A unified diff of one file.
    Diff { path: String, diff: String },
    /// A `*** Begin Patch` text of any number of files.
    Patch(String),
}

/// A line of nothing but five to nine `sign`s and then `word`.
fn is_mark(line: &str, sign: char, words: &[&str]) -> bool {
    let line = line.trim();
    let rest = line.trim_start_matches(sign);
    let signs = line.len() - rest.len();
    (5..=9).contains(&signs) && words.contains(&rest.trim())
}

fn head(line: &str) -> bool {
    is_mark(line, '<', &["SEARCH", "SEARCH>", "ORIGINAL"])
}

fn divider(line: &str) -> bool {
    is_mark(line, '=', &[""])
}

fn tail(line: &str) -> bool {
    is_mark(line, '>', &["REPLACE", "UPDATED"])
}

fn fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("<source>")
}

/// All changes of a reply that name their file in it, in order.
pub(super) fn blocks(reply: &str) -> Vec<Block> {
    let lines: Vec<&str> = reply.lines().collect();
    let mut found = Vec::new();
    let mut path: Option<String> = None;
    let mut i = 0;
    while let Some(line) = lines.get(i) {
        if head(line) {
            let named = lines.get(i.saturating_sub(3)..i).and_then(file_name);
            path = named.or(path);
            let Some((before, after, next)) = sides(&lines, i + 1) else {
                i += 1;
                continue;
            };
            if let Some(path) = &path {
                found.push(Block::Replace { path: path.clone(), before, after });
            }
            i = next;
        } else if line.trim() == "```diff" {
            let end = end_of_fence(&lines, i + 1);
            let body = lines.get(i + 1..end).unwrap_or_default();
            found.extend(diffs(body));
            i = end + 1;
        } else if line.trim() == "*** Begin Patch" {
            let end = lines.iter().skip(i).position(|l| l.trim() == "*** End Patch").map_or(lines.len(), |n| i + n + 1);
            found.push(Block::Patch(lines.get(i..end).unwrap_or_default().join("\n")));
            i = end;
        } else {
            i += 1;
        }
    }
    found
}

/// What stands between the marks from line `i` on, and the line behind them.
fn sides(lines: &[&str], mut i: usize) -> Option<(String, String, usize)> {
    let (mut before, mut after) = (String::new(), String::new());
    for (side, last) in [(&mut before, false), (&mut after, true)] {
        loop {
            let line = lines.get(i)?;
            i += 1;
            if divider(line) || last && tail(line) {
                break;
            }
            side.push_str(line);
            side.push('\n');
        }
    }
    Some((before, after, i))
}

/// The path on the lines before a block: the nearest that is no bare fence.
fn file_name(lines: &[&str]) -> Option<String> {
    let mut best: Option<String> = None;
    for line in lines.iter().rev() {
        if let Some(name) = stripped(line) {
            let better = best.as_ref().is_none_or(|b| !b.contains('.') && name.contains('.'));
            if better {
                best = Some(name);
            }
        }
        if !fence(line) {
            break;
        }
    }
    best
}

fn stripped(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("```") {
        return (rest.contains('.') || rest.contains('/')).then(|| rest.trim().to_owned());
    }
    let name = line.trim_end_matches(':').trim_start_matches('#').trim().trim_matches('`').trim_matches('*');
    (!name.is_empty() && name != "...").then(|| name.to_owned())
}

fn end_of_fence(lines: &[&str], from: usize) -> usize {
    lines.iter().skip(from).position(|l| l.starts_with("```")).map_or(lines.len(), |n| from + n)
}

/// The files of a fenced unified diff.
fn diffs(lines: &[&str]) -> Vec<Block> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let (Some(old), Some(new)) = (lines.get(i), lines.get(i + 1)) else { break };
        let (Some(old), Some(new)) = (old.strip_prefix("--- "), new.strip_prefix("+++ ")) else {
            i += 1;
            continue;
        };
        let body = i + 2;
        let end = lines
            .iter()
            .enumerate()
            .skip(body)
            .find(|(n, l)| l.starts_with("--- ") && lines.get(n + 1).is_some_and(|next| next.starts_with("+++ ")));
        let end = end.map_or(lines.len(), |(n, _)| n);
        let name = if new.trim() == "/dev/null" { old } else { new };
        let name = name.trim();
        let path = name.strip_prefix("b/").or_else(|| name.strip_prefix("a/")).unwrap_or(name);
        let diff = lines.get(body..end).unwrap_or_default().join("\n");
        found.push(Block::Diff { path: path.to_owned(), diff });
        i = end;
    }
    found
}

/// The content of a file that a reply gives whole: the fenced text behind a line with its path.
pub(super) fn whole(reply: &str, path: &str) -> Option<String> {
    let lines: Vec<&str> = reply.lines().collect();
    let base = path.rsplit('/').next().unwrap_or(path);
    let named = |i: usize| {
        let name = i.checked_sub(1).and_then(|i| lines.get(i)).and_then(|l| stripped(l));
        let inside = lines.get(i).and_then(|l| stripped(l));
        [name, inside].into_iter().flatten().any(|n| n == path || n == base)
    };
    // the last one counts: it is what was written
    let start = (0..lines.len()).rev().find(|i| lines.get(*i).is_some_and(|l| l.starts_with("```")) && named(*i))?;
    let end = end_of_fence(&lines, start + 1);
    let body = lines.get(start + 1..end)?;
    let mut text = body.join("\n");
    if !body.is_empty() {
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_forms_are_found() {
        let reply = "Text.\n\nsrc/a.py\n```python\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n```\n\n```python\n<<<<<<< SEARCH\n=======\nmore\n>>>>>>> REPLACE\n```\n```html\nindex.html\n<<<<<<< ORIGINAL\nx\n=======\ny\n>>>>>>> UPDATED\n```\n```diff\n--- a/b.rs\n+++ b/b.rs\n@@ ... @@\n-1\n+2\n```\n<<<<<<< SEARCH\ntorn";
        let path = |b: Block| match b {
            Block::Replace { path, .. } | Block::Diff { path, .. } => Some(path),
            Block::Patch(_) => None,
        };
        let paths: Vec<_> = blocks(reply).into_iter().filter_map(path).collect();
        assert_eq!(paths, ["src/a.py", "src/a.py", "index.html", "b.rs"]);
        let Block::Replace { before, after, .. } = &blocks(reply)[0] else { panic!() };
        assert_eq!((before.as_str(), after.as_str()), ("old\n", "new\n"));
    }

    #[test]
    fn a_whole_file_is_found_by_its_name() {
        let reply = "Here:\n\nsrc/a.py\n```\nold\n```\n\nsrc/a.py\n```python\none\ntwo\n```\nrest";
        assert_eq!(whole(reply, "src/a.py").as_deref(), Some("one\ntwo\n"));
        assert_eq!(whole(reply, "b.py"), None);
    }
}
