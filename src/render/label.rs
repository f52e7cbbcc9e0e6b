//! An event in a few words.

use serde_json::Value;

use super::text::{columns, cut, cut_path, name, one_line};
use super::{Term, Tone};
use crate::action::{Action, Change, FileEdit};
use crate::event::{Event, EventType, Status};

/// The sign before an event, by what it is and how it ended.
pub fn mark(event: &Event) -> (char, Tone) {
    match (&event.event_type, event.status) {
        (EventType::UserInput, _) => ('◆', Tone::Prompt),
        (EventType::Message, _) => ('“', Tone::Words),
        (EventType::Reasoning, _) => ('‘', Tone::Dim),
        (EventType::ContextUpdate, _) => ('◇', Tone::Dim),
        (EventType::ToolCall, Some(Status::Error)) => ('✗', Tone::Bad),
        (EventType::ToolCall, Some(Status::Denied)) => ('⊘', Tone::Bad),
        (EventType::ToolCall, Some(Status::Interrupted | Status::Running)) => ('◌', Tone::Warn),
        (EventType::ToolCall, _) => ('●', Tone::Good),
        _ => ('·', Tone::Dim),
    }
}

/// How a call ended, where it did not simply succeed: `exit 1`, `failed`, `denied`, `no result`. Of a prompt, why it got no answer.
pub fn ending(event: &Event) -> Option<String> {
    if event.event_type == EventType::UserInput {
        let error = event.extra.get("error").and_then(Value::as_str);
        return error.map(|e| format!("failed: {}", one_line(e, 60)));
    }
    if !event.is_call() {
        return None;
    }
    match (event.status, event.exit_code) {
        (_, Some(code)) if code != 0 => Some(format!("exit {code}")),
        (Some(Status::Error), _) => Some("failed".to_owned()),
        (Some(Status::Denied), _) => Some("denied".to_owned()),
        (Some(Status::Interrupted), _) => Some("interrupted".to_owned()),
        (Some(Status::Running), _) => Some("no result".to_owned()),
        _ => None,
    }
}

/// The event in one line of at most `width` columns, painted. `cwd` shortens paths below it.
pub fn label(term: &Term, event: &Event, action: &Action, cwd: Option<&str>, width: usize) -> String {
    const TAKEN_BACK: &str = "rewound: ";
    if event.extra.get("dead_branch").and_then(Value::as_bool) != Some(true) {
        return said(term, event, action, cwd, width);
    }
    let rest = said(term, event, action, cwd, width.saturating_sub(TAKEN_BACK.len()));
    format!("{}{rest}", term.paint(Tone::Dim, &cut(TAKEN_BACK, width)))
}

fn said(term: &Term, event: &Event, action: &Action, cwd: Option<&str>, width: usize) -> String {
    let (name, object, tone) = parts(event, action, cwd);
    if name.is_empty() {
        return term.paint(tone, &one_line(&object, width));
    }
    let name = cut(&one_line(&name, 28), width);
    let room = width.saturating_sub(columns(&name) + 1);
    let object = match tone {
        Tone::Path => path_line(&object, room),
        _ => one_line(&object, room),
    };
    let name = term.paint(Tone::Tool, &name);
    if object.is_empty() || room == 0 { name } else { format!("{name} {}", term.paint(tone, &object)) }
}

/// The event in one line without looks, for lists and JSON.
pub fn plain(event: &Event, action: &Action, cwd: Option<&str>, width: usize) -> String {
    label(&Term { color: false, ..Term::default() }, event, action, cwd, width)
}

/// A path with what follows it (`:1-5`, `+2 -1`), cut in the path where it is too long.
fn path_line(object: &str, width: usize) -> String {
    let object = one_line(object, object.len().max(1));
    if columns(&object) <= width {
        return object;
    }
    let (path, rest) = object.split_once(' ').map_or((object.as_str(), ""), |(p, r)| (p, r));
    let room = width.saturating_sub(columns(rest) + usize::from(!rest.is_empty()));
    if room < 8 {
        return cut(&object, width);
    }
    let path = cut_path(path, room);
    if rest.is_empty() { path } else { format!("{path} {rest}") }
}

fn parts(event: &Event, action: &Action, cwd: Option<&str>) -> (String, String, Tone) {
    match &event.event_type {
        EventType::ToolCall => {
            let (object, tone) = object(event, action, cwd);
            // every agent has another name for its shell, and a command needs none
            let tool = event.tool_name.clone().unwrap_or_else(|| "call".to_owned());
            match action {
                // a tool that runs something fixed has only its own name
                Action::Run { command, .. } if *command == tool => (tool, String::new(), tone),
                Action::Run { command, .. } if !command.trim().is_empty() => ("$".to_owned(), object, tone),
                _ => (tool, object, tone),
            }
        }
        EventType::UserInput => (String::new(), event.input_text().into_owned(), Tone::Prompt),
        EventType::Message => (String::new(), event.input_text().into_owned(), Tone::Words),
        EventType::Reasoning => (String::new(), event.input_text().into_owned(), Tone::Dim),
        EventType::ContextUpdate => (String::new(), injected(event), Tone::Dim),
        EventType::Session => ("session".to_owned(), event.input_text().into_owned(), Tone::Plain),
        EventType::Other(kind) => (kind.clone(), event.input_text().into_owned(), Tone::Dim),
    }
}

fn injected(event: &Event) -> String {
    let compacted = event.extra.get("compaction").and_then(Value::as_bool) == Some(true);
    let text = event.input_text();
    if compacted { format!("context compacted: {text}") } else { format!("injected: {text}") }
}

fn object(event: &Event, action: &Action, cwd: Option<&str>) -> (String, Tone) {
    let short = |p: &str| relative(p, cwd);
    match action {
        Action::Read { path, lines } => {
            let range = lines.map(|(a, b)| if b == u64::MAX { format!(":{a}-") } else { format!(":{a}-{b}") });
            (short(path) + &range.unwrap_or_default(), Tone::Path)
        }
        Action::Search { pattern, path } => {
            let place = path.as_deref().map(|p| format!(" in {}", short(p))).unwrap_or_default();
            let pattern = if pattern.is_empty() { String::new() } else { format!("“{pattern}”") };
            (format!("{pattern}{place}").trim().to_owned(), Tone::Plain)
        }
        Action::List { path, pattern } => {
            let all: Vec<_> = pattern.iter().cloned().chain(path.as_deref().map(short)).collect();
            (all.join(" in "), Tone::Path)
        }
        Action::Edit(files) => (edits(files, cwd), Tone::Path),
        Action::Run { command, .. } => (lines_joined(here(command, cwd)), Tone::Plain),
        Action::Poll { ids } => (ids.join(" "), Tone::Plain),
        Action::Spawn { prompt } => (format!("“{prompt}”"), Tone::Plain),
        Action::Skill { name } => (name.clone(), Tone::Plain),
        Action::Fetch { target } => (target.clone(), Tone::Path),
        Action::Plan | Action::Ask | Action::Other => (inputs(event), Tone::Plain),
    }
}

/// A command without a change to the directory in which the session is anyway.
fn here<'a>(command: &'a str, cwd: Option<&str>) -> &'a str {
    let Some(after) = command.strip_prefix("cd ") else { return command };
    let Some(end) = after.find(['&', ';', '\n']) else { return command };
    let (dir, rest) = after.split_at(end);
    let rest = rest.strip_prefix("&&").or_else(|| rest.strip_prefix([';', '\n'])).unwrap_or_default().trim_start();
    let dir = dir.trim().trim_matches(['"', '\'']).trim_end_matches('/');
    let same = !dir.is_empty() && cwd.is_some_and(|c| c.trim_end_matches('/') == dir);
    if same && !rest.is_empty() { rest } else { command }
}

/// The lines of a command on one, with a sign where each ended: joined by blanks they would read as one command.
fn lines_joined(command: &str) -> String {
    let whole = command.replace("\\\n", " ");
    let lines: Vec<_> = whole.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    lines.join(" ⏎ ")
}

/// The changed files with the number of lines removed and added.
fn edits(files: &[FileEdit], cwd: Option<&str>) -> String {
    let mut out = Vec::new();
    for f in files.iter().take(3) {
        let path = relative(&f.path, cwd);
        let moved = f.moved_to.as_deref().map(|m| format!(" → {}", relative(m, cwd))).unwrap_or_default();
        let (added, removed) = f.lines();
        let size = match f.change {
            Change::Delete => " deleted".to_owned(),
            Change::Write => format!(" {added} lines"),
            Change::Edit => format!(" +{added} −{removed}"),
        };
        out.push(format!("{path}{moved}{size}"));
    }
    if files.len() > 3 {
        out.push(format!("and {} more files", files.len() - 3));
    }
    out.join(", ")
}

/// The inputs of a call that says nothing else about itself: its strings and numbers, names first where there are several.
fn inputs(event: &Event) -> String {
    match &event.tool_input {
        Some(Value::Object(map)) => {
            let shown = |v: &Value| match v {
                Value::String(s) => Some(super::text::head(s, 200).to_owned()),
                Value::Number(n) => Some(n.to_string()),
                Value::Bool(b) => Some(b.to_string()),
                Value::Array(items) => Some(format!("[{}]", items.len())),
                Value::Object(_) => Some("{…}".to_owned()),
                Value::Null => None,
            };
            let all: Vec<_> = map.iter().filter_map(|(k, v)| Some((k, shown(v)?))).take(4).collect();
            match all.as_slice() {
                [(_, one)] => one.clone(),
                many => many.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "),
            }
        }
        _ => event.input_text().into_owned(),
    }
}

/// A path below `cwd` without it.
pub fn relative(path: &str, cwd: Option<&str>) -> String {
    let below = cwd.filter(|c| !c.is_empty()).and_then(|c| path.strip_prefix(c.trim_end_matches('/')));
    match below {
        Some(rest) if rest.starts_with('/') && rest.len() > 1 => name(&rest[1..]).into_owned(),
        Some("" | "/") => ".".to_owned(),
        _ => name(path).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Hunk;

    #[test]
    fn labels_fit_and_say_what_matters() {
        let call = Event { tool_name: Some("Edit".into()), ..Event::default() };
        let edit = Action::Edit(vec![FileEdit {
            path: "/p/src/counter.py".into(),
            hunks: vec![Hunk { line: None, before: "a\nb\nc\n".into(), after: "a\nx\ny\nc\n".into() }],
            ..FileEdit::default()
        }]);
        assert_eq!(plain(&call, &edit, Some("/p"), 60), "Edit src/counter.py +2 −1");
        assert_eq!(plain(&call, &edit, Some("/p"), 20), "Edit …unter.py +2 −1");
        let run = Action::Run { command: "pytest -q\n  --x".into(), cwd: None };
        assert_eq!(plain(&call, &run, None, 60), "$ pytest -q ⏎ --x");
        let run = |command: &str| Action::Run { command: command.into(), cwd: None };
        assert_eq!(plain(&call, &run("cd '/p/' && ls"), Some("/p"), 60), "$ ls");
        assert_eq!(plain(&call, &run("cd /p/x && ls"), Some("/p"), 60), "$ cd /p/x && ls");
        assert_eq!(plain(&call, &run("cd /p\nls \\\n  -l\npwd"), Some("/p"), 60), "$ ls -l ⏎ pwd");
        assert_eq!(plain(&call, &run("cd /p & ls"), Some("/p"), 60), "$ cd /p & ls");
    }
}
