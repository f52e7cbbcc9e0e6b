//! The fixed words in which Aider tells what it does (0.4x to 0.86).

use serde_json::Value;

use crate::event::{Event, Usage};
use crate::patch::parse_apply_patch;

/// A command of the user: its name without the sign, and the rest.
pub(super) fn command(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('!') {
        return Some(("!", rest));
    }
    let rest = text.strip_prefix('/')?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (name, args) = rest.split_at(end);
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_');
    plain.then_some((in_full(name), args))
}

/// Aider takes a command by the beginning of its name where only one begins so (0.86's commands).
fn in_full(name: &str) -> &str {
    const COMMANDS: &str = "add architect ask chat-mode clear code commit context copy copy-context diff drop edit editor \
        editor-model exit git help lint load ls map map-refresh model models multiline-mode paste quit read-only \
        reasoning-effort report reset run save settings test think-tokens tokens undo voice weak-model web";
    let mut matching = COMMANDS.split_whitespace().filter(|c| c.starts_with(name));
    match (matching.next(), matching.next()) {
        (Some(one), None) => one,
        _ => name,
    }
}

/// Whether a line is no more of what is told of blocks that did not fit.
pub(super) fn ends_failure(text: &str) -> bool {
    const NEXT: [&str; 9] = [
        "Applied edit to ",
        "Tokens: ",
        "^C",
        "Only ",
        "Add file to the chat?",
        "You can use /undo",
        "Attempt to fix ",
        "Committing ",
        "Skipping edits to ",
    ];
    NEXT.iter().any(|n| text.starts_with(n)) || text.strip_prefix("Commit ").and_then(hash).is_some()
}

/// Whether `text` is the question of the command `prompt` (`/ask …`), which Aider repeats as if it had been typed.
pub(super) fn repeats(prompt: &str, text: &str) -> bool {
    match command(prompt) {
        Some(("ask" | "code" | "architect" | "context", rest)) => rest.trim() == text.trim(),
        Some(("help", rest)) => text.strip_prefix("# Question: ").is_some_and(|t| t.starts_with(rest.trim())),
        _ => false,
    }
}

/// Whether a line is how the program was called: the first of a session.
pub(super) fn program(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or("");
    first.contains("aider") || first.contains("python") || first.ends_with("__main__.py")
}

/// A model and its edit format.
pub(super) struct Model<'a> {
    pub name: &'a str,
    pub format: &'a str,
}

/// `Main model: X with diff edit format`, `Model: …`, `Models: X with diff edit format, weak model Y`.
pub(super) fn model(text: &str) -> Option<Model<'_>> {
    let rest = ["Main model: ", "Models: ", "Model: "].iter().find_map(|p| text.strip_prefix(p))?;
    let (name, rest) = rest.split_once(" with ")?;
    // some versions put a sign between the two
    let format = rest.split(" edit format").next()?.rsplit(' ').next()?;
    Some(Model { name: name.trim(), format })
}

/// The file in `Added P to the chat`, `Added P to the chat.`, `Added P to the chat (read-only).`, `Added P to read-only files.`.
pub(super) fn added(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("Added ")?;
    let end = rest.trim_end_matches('.');
    let path =
        [" to the chat (read-only)", " to the chat", " to read-only files"].iter().find_map(|e| end.strip_suffix(e))?;
    // `Added 7 lines of output to the chat.`
    (!path.ends_with(" of output")).then_some(path)
}

/// The number in `Added 7 lines of output to the chat.`.
pub(super) fn lines_added(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("Added ")?.trim_end_matches('.').strip_suffix(" of output to the chat")?;
    rest.split(' ').next()?.parse().ok()
}

/// How a question that begins with `question` was answered; none where the text is another.
pub(super) fn answer(text: &str, question: &str) -> Option<bool> {
    let rest = text.strip_prefix(question)?;
    let last = rest.rsplit(|c: char| c.is_whitespace()).next()?.to_ascii_lowercase();
    Some(matches!(last.as_str(), "y" | "yes" | "a" | "all"))
}

/// A short commit id and what stands behind it.
pub(super) fn hash(text: &str) -> Option<(&str, &str)> {
    let (hash, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    ((7..=40).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some((hash, rest.trim()))
}

/// The commit in `I committed the changes with git hash H & commit msg: …`.
pub(super) fn committed(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("I committed the changes with git hash ")?;
    hash(rest).map(|(h, _)| h)
}

/// A command that was run, and its output.
pub(super) struct Ran<'a> {
    pub command: &'a str,
    pub output: &'a str,
}

/// `I ran this command: … And got this output: …`.
pub(super) fn ran(text: &str) -> Option<Ran<'_>> {
    let rest = text.strip_prefix("I ran this command:\n\n")?;
    let (command, output) = rest.split_once("\n\nAnd got this output:\n\n")?;
    Some(Ran { command, output: output.trim_end() })
}

/// The files in `I added these files to the chat: P, Q`.
pub(super) fn files_added(text: &str) -> Option<Vec<&str>> {
    let (_, rest) = text.split_once("I added these files to the chat: ")?;
    Some(rest.lines().next()?.split(", ").map(str::trim).collect())
}

/// The command that a lint report names.
pub(super) fn lint_command(text: &str) -> Option<&str> {
    text.lines().find_map(|l| l.trim().strip_prefix("## Running: "))
}

/// An error of the model's API, as litellm tells it.
pub(super) fn api_error(text: &str) -> bool {
    text.starts_with("litellm.")
        || text.starts_with("Unexpected error: litellm.")
        || text.starts_with("Retrying in ") && text.ends_with("...") && text.len() > 200
}

/// The exact counts in `2,835 sent, 78 received. …`; a rounded one (`2.8k`) is left out.
pub(super) fn usage(text: &str) -> Option<Usage> {
    let mut usage = Usage::default();
    for part in text.split('.').next().unwrap_or("").split(", ").chain(text.split(", ")) {
        let mut words = part.trim().split(' ');
        let (Some(n), Some(kind)) = (words.next(), words.next()) else { continue };
        let plain = n.replace(',', "");
        let Ok(n) = plain.parse::<u64>() else { continue };
        match kind.trim_end_matches('.') {
            "sent" => usage.input = Some(n),
            "received" => usage.output = Some(n),
            _ => {}
        }
    }
    // what was sent includes what came from a cache, in an unknown share
    if text.contains("cache") {
        usage.input = None;
    }
    (usage != Usage::default()).then_some(usage)
}

/// The file of an edit that was not made: ignored by git, or in a dry run.
pub(super) fn not_applied(text: &str) -> Option<&str> {
    let ignored = || text.strip_prefix("Skipping edits to ")?.split(" that matches gitignore").next();
    text.strip_prefix("Did not apply edit to ").and_then(|r| r.strip_suffix(" (--dry-run)")).or_else(ignored)
}

/// The files that an edit names.
pub(super) fn edits(e: &Event) -> Vec<String> {
    let input = e.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str);
    match (text("path"), text("patch")) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(patch)) => parse_apply_patch(patch).into_iter().map(|f| f.path).collect(),
        (None, None) => Vec::new(),
    }
}

/// Whether the path in a reply is the file that Aider names: a reply may give its last part only.
pub(super) fn same_path(named: &str, file: &str) -> bool {
    named == file || file.strip_suffix(named).is_some_and(|rest| rest.ends_with('/'))
}

/// Whether a failure speaks of this edit: it repeats the text that was not found.
pub(super) fn names_failed(text: &str, e: &Event) -> bool {
    let input = e.tool_input.as_ref().unwrap_or(&Value::Null);
    let get = |key: &str| input.get(key).and_then(Value::as_str);
    if let (Some(path), Some(before)) = (get("path"), get("before")) {
        return text.contains(path) && text.contains(&format!("<<<<<<< SEARCH\n{before}======="));
    }
    if let (Some(path), Some(_)) = (get("path"), get("diff")) {
        return text.contains(path) || text.contains("UnifiedDiff");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_words_are_understood() {
        assert_eq!(added("Added src/a b.py to the chat"), Some("src/a b.py"));
        assert_eq!(added("Added /x/t.py to read-only files."), Some("/x/t.py"));
        assert_eq!(
            (added("Added 7 lines of output to the chat."), lines_added("Added 7 lines of output to the chat.")),
            (None, Some(7))
        );
        assert_eq!(
            answer("Attempt to fix test errors? (Y)es/(N)o [Yes]: y", "Attempt to fix test errors?"),
            Some(true)
        );
        assert_eq!(answer("Attempt to fix lint errors? n", "Attempt to fix lint errors?"), Some(false));
        let m = model("Models: claude-3 with ♾️ diff edit format, weak model haiku").unwrap();
        assert_eq!((m.name, m.format), ("claude-3", "diff"));
        assert_eq!(command("/read-only a b"), Some(("read-only", " a b")));
        assert_eq!(command("/Users/x is my home"), None);
        assert_eq!((command("/ex"), command("/c x")), (Some(("exit", "")), Some(("c", " x"))));
        assert_eq!(hash("cf9610b fix: it"), Some(("cf9610b", "fix: it")));
        assert_eq!(hash("message"), None);
    }

    #[test]
    fn only_exact_counts_are_tokens() {
        let of = |t: &str| usage(t).map(|u| (u.input, u.output));
        assert_eq!(of("9,869 sent, 0 received. Cost: $0.03 message"), Some((Some(9869), Some(0))));
        assert_eq!(of("2.8k sent, 78 received. Cost: $0.0031 message, $0.0031 session."), Some((None, Some(78))));
        assert_eq!(of("12k sent, 9,1k received."), None);
        assert_eq!(of("14,321 sent, 9,000 cached, 312 received."), Some((None, Some(312))));
    }
}
