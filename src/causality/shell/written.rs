//! The files that a command surely wrote, with text that stands in the command itself, or renamed.
//!
//! The linker asks what a command touches, and may guess; whoever names the author of a line may not. So this takes only what
//! the shell hands on as it stands: the body of a heredoc in which nothing is expanded, and replacements of plain text.

use super::split;
use crate::action::{Change, FileEdit, Hunk};

/// Signs of a regular expression; a pattern with one of them is no text that stood in the file.
const PATTERN: &[char] = &['*', '+', '?', '[', ']', '^', '$', '|', '(', ')', '{', '}'];

/// The changes of files that `command` made, where it succeeded. Paths are as the command gives them, below the folder that
/// it changed to first.
pub fn written(command: &str) -> Vec<FileEdit> {
    if !["<<", "-i", "replace(", "--in-place", "mv "].iter().any(|sign| command.contains(sign)) {
        return Vec::new();
    }
    let script = split::unwrapped(command);
    let (text, docs) = split::heredocs(&script);
    let commands = split::split(&text);
    let moves = |s: &&split::Simple| s.words.first().is_some_and(|w| matches!(w.as_str(), "cd" | "pushd" | "popd"));
    let moved = commands.iter().filter(moves).count();
    // after a first `cd` the rest runs there; where a later one led, nobody says
    let below = match commands.first().filter(moves) {
        Some(first) if moved == 1 => first.words.get(1).map(String::as_str),
        _ => None,
    };
    let place = |path: &str| match below {
        _ if path.starts_with('~') || path.contains(['$', '*', '?']) => None,
        _ if path.starts_with('/') => Some(path.to_owned()),
        Some(dir) => Some(format!("{}/{path}", dir.trim_end_matches('/'))).filter(|p| !p.starts_with('~')),
        None => (moved == 0).then(|| path.to_owned()),
    };
    let mut out = Vec::new();
    for simple in &commands {
        let words: Vec<&str> = simple.words.iter().map(String::as_str).collect();
        if let ["git", "mv", from, to] | ["mv", from, to] = words.as_slice()
            && let (Some(path), Some(to)) = (place(from), place(to))
        {
            out.push(FileEdit { path, moved_to: Some(to), ..FileEdit::default() });
        }
    }
    for w in super::read(command).writes {
        let Some(path) = place(&w.path) else { continue };
        let doc = docs.iter().find(|d| d.body == w.text && d.line.contains(&w.path));
        let (change, hunk) = match doc {
            Some(doc) if w.before.is_empty() && is_literal(&doc.line, &doc.body) => {
                let change =
                    if doc.line.contains(">>") || doc.line.contains("tee -a") { Change::Edit } else { Change::Write };
                (change, Hunk { line: None, before: String::new(), after: w.text.clone() })
            }
            None if !w.before.is_empty()
                && !w.text.is_empty()
                && !w.before.contains(PATTERN)
                && !w.text.contains('&') =>
            {
                (Change::Edit, Hunk { line: None, before: w.before.clone(), after: w.text.clone() })
            }
            _ => continue,
        };
        out.push(FileEdit { path, change, hunks: vec![hunk], ..FileEdit::default() });
    }
    out
}

/// Whether the shell hands on this body as it stands: the word that ends it is quoted, or nothing in it would be expanded.
fn is_literal(line: &str, body: &str) -> bool {
    let Some((_, word)) = line.split_once("<<") else { return false };
    // `<<-` takes away tabs
    !word.starts_with('-') && (word.trim_start().starts_with(['\'', '"', '\\']) || !body.contains(['$', '`', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(command: &str) -> Vec<(String, Change, String, String)> {
        let flat = |f: FileEdit| (f.path, f.change, f.hunks[0].before.clone(), f.hunks[0].after.clone());
        written(command).into_iter().map(flat).collect()
    }

    #[test]
    fn what_stands_in_the_command_is_what_it_wrote() {
        let whole = |path: &str, change, text: &str| vec![(path.to_owned(), change, String::new(), text.to_owned())];
        assert_eq!(told("cat > a.py <<'EOF'\nx = $1\nEOF\n"), whole("a.py", Change::Write, "x = $1\n"));
        assert_eq!(told("cd sub && cat >> a.py <<EOF\nx = 1\nEOF\n"), whole("sub/a.py", Change::Edit, "x = 1\n"));
        assert_eq!(told("cd sub\ntee -a /w/a.py <<\"E\"\nx = 1\nE\n"), whole("/w/a.py", Change::Edit, "x = 1\n"));
        let replaced = vec![("a.rs".to_owned(), Change::Edit, "old_name".to_owned(), "new_name".to_owned())];
        assert_eq!(told("sed -i 's/old_name/new_name/g' a.rs"), replaced);
        assert_eq!(told("sed -i '' 's/old_name/new_name/g' a.rs"), replaced);
    }

    #[test]
    fn a_move_names_both_files() {
        let moves = |command: &str| {
            let all = written(command).into_iter();
            all.map(|f| (f.path, f.moved_to.unwrap_or_default(), f.hunks.len())).collect::<Vec<_>>()
        };
        assert_eq!(moves("cd src && git mv a.rs b.rs"), [("src/a.rs".to_owned(), "src/b.rs".to_owned(), 0)]);
        assert_eq!(moves("mv *.rs old"), []);
        assert_eq!(moves("mv -f a b"), []);
    }

    #[test]
    fn what_the_shell_would_change_is_not_claimed() {
        for command in [
            "cat > a.py <<EOF\nx = $HOME\nEOF\n",
            "cat > a.py <<-'EOF'\n\tx = 1\n\tEOF\n",
            "cd a; cd b; cat > a.py <<'EOF'\nx = 1\nEOF\n",
            "cat > ~/a.py <<'EOF'\nx = 1\nEOF\n",
            "cat > $D/a.py <<'EOF'\nx = 1\nEOF\n",
            "sed -i 's/old.*name/new_name/' a.rs",
            "sed -i 's/old_name/new_&/' a.rs",
            "ls > a.py",
        ] {
            assert_eq!(told(command), [], "{command}");
        }
    }
}
