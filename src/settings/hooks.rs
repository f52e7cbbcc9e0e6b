//! Our handlers in a hooks file: which they are, putting them in, taking them out.
//!
//! Each event gets one entry of its own; foreign ones are never edited or merged into. Own handlers are known by the command
//! that they run, not by a mark: agents rewrite these files and drop keys that they do not know.

use serde_json::{Value, json};

use super::json::{Node, append, parse, remove};

/// How handlers stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `hooks.EVENT: [{hooks: [handler]}]`: Claude Code and Codex.
    Grouped,
    /// `hooks.EVENT: [handler]`: Copilot CLI, with a `version` beside `hooks`.
    Flat,
}

/// What shall stand in a file.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Of the file.
    pub form: Form,
    /// The events.
    pub events: &'a [&'a str],
    /// The handler of each of them.
    pub handler: Value,
}

/// A handler that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The event.
    pub event: String,
    /// The handler.
    pub handler: Value,
}

/// Whether a handler runs `causetrace hook`: told by the command's file name.
pub fn is_own(handler: &Value) -> bool {
    let text = |key: &str| handler.get(key).and_then(Value::as_str);
    let args = handler.get("args").and_then(Value::as_array);
    if let (Some(command), Some(args)) = (text("command"), args.filter(|a| !a.is_empty())) {
        return names_us(command) && args[0] == "hook";
    }
    ["command", "bash", "powershell"].iter().filter_map(|k| text(k)).any(|command| {
        let words: Vec<&str> = command.split(|c: char| c.is_whitespace() || c == ';').collect();
        words.windows(2).any(|w| names_us(w[0]) && w[1] == "hook")
    })
}

fn names_us(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'']);
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name == "causetrace" || name == "causetrace.exe"
}

/// Whether a handler runs the hook of the Python causetrace (0.1 to 0.3), which answers every permission question with yes.
pub fn is_python(handler: &Value) -> bool {
    handler.get("command").and_then(Value::as_str).is_some_and(|c| c.contains("causetrace.hooks"))
}

/// All handlers of a file.
///
/// # Errors
/// The text is no strict JSON.
pub fn handlers(text: &str, form: Form) -> Result<Vec<Found>, String> {
    let root = parse(text)?;
    let mut found = Vec::new();
    for (event, at) in places(&root, form) {
        found.push(Found { event, handler: at.node.value(text) });
    }
    Ok(found)
}

/// A handler with the containers that would be empty without it.
struct Place<'a> {
    node: &'a Node,
    /// Container and number of what to take out: the handler itself, or the largest thing that holds nothing else.
    from: &'a Node,
    child: usize,
}

fn places(root: &Node, form: Form) -> Vec<(String, Place<'_>)> {
    let mut out = Vec::new();
    let Some((h, hooks)) = root.members().iter().enumerate().rfind(|(_, m)| m.key == "hooks") else { return out };
    let hooks = (h, &hooks.value);
    for (e, event) in hooks.1.members().iter().enumerate() {
        for (g, entry) in event.value.items().iter().enumerate() {
            let lists: Vec<(&Node, usize)> = match form {
                Form::Flat => vec![(entry, 0)],
                Form::Grouped => match entry.get("hooks") {
                    Some(list) => list.items().iter().enumerate().map(|(i, n)| (n, i)).collect(),
                    None => Vec::new(),
                },
            };
            let alone = lists.len() == 1;
            for (node, i) in lists {
                let (from, child) = match (form, entry.get("hooks")) {
                    (Form::Grouped, Some(list)) if !alone => (list, i),
                    _ if event.value.items().len() > 1 => (&event.value, g),
                    _ if hooks.1.members().len() > 1 => (hooks.1, e),
                    _ => (root, hooks.0),
                };
                out.push((event.key.clone(), Place { node, from, child }));
            }
        }
    }
    out
}

/// The text with all handlers taken out that `which` names, and with what they leave empty.
///
/// # Errors
/// The text is no strict JSON.
pub fn without(text: &str, form: Form, which: &dyn Fn(&Value) -> bool) -> Result<String, String> {
    let mut text = text.to_owned();
    loop {
        let root = parse(&text)?;
        let next = places(&root, form).into_iter().find(|(_, p)| which(&p.node.value(&text)));
        match next {
            Some((_, place)) => text = remove(&text, place.from, place.child),
            None => return Ok(text),
        }
    }
}

/// The text with what is wanted, and without other handlers of ours or that `replaced` names. The same text where all is
/// there already.
///
/// # Errors
/// The text is no strict JSON, or not of a form that can be added to.
pub fn with(text: &str, wanted: &Wanted<'_>, replaced: &dyn Fn(&Value) -> bool) -> Result<String, String> {
    let start = if text.trim_start_matches('\u{feff}').trim().is_empty() { "{}\n" } else { text };
    check(start, wanted)?;
    let found = handlers(start, wanted.form)?;
    let own: Vec<&Found> = found.iter().filter(|f| is_own(&f.handler)).collect();
    let there =
        wanted.events.iter().all(|e| own.iter().filter(|f| f.event == *e && f.handler == wanted.handler).count() == 1);
    if there && own.len() == wanted.events.len() && !found.iter().any(|f| replaced(&f.handler)) {
        return Ok(text.to_owned());
    }
    let mut text = without(start, wanted.form, &|h| is_own(h) || replaced(h))?;
    if wanted.form == Form::Flat && parse(&text)?.get("version").is_none() {
        let root = parse(&text)?;
        text = append(&text, &root, &root, Some("version"), &json!(1));
    }
    let entry = match wanted.form {
        Form::Grouped => json!({"hooks": [wanted.handler]}),
        Form::Flat => wanted.handler.clone(),
    };
    for event in wanted.events {
        let root = parse(&text)?;
        text = match (root.get("hooks"), root.get("hooks").and_then(|h| h.get(event))) {
            (Some(_), Some(list)) => append(&text, &root, list, None, &entry),
            (Some(hooks), None) => append(&text, &root, hooks, Some(event), &json!([entry])),
            (None, _) => append(&text, &root, &root, Some("hooks"), &json!({*event: [entry]})),
        };
    }
    Ok(text)
}

/// Refuses what cannot be added to without changing what others wrote.
fn check(text: &str, wanted: &Wanted<'_>) -> Result<(), String> {
    let root = parse(text)?;
    if !root.is_object() {
        return Err("it is not a JSON object".to_owned());
    }
    let Some(hooks) = root.get("hooks") else { return Ok(()) };
    if !hooks.is_object() {
        return Err("its \"hooks\" is not an object".to_owned());
    }
    match wanted.events.iter().find(|e| hooks.get(e).is_some_and(|list| !list.is_array())) {
        Some(event) => Err(format!("its \"hooks.{event}\" is not an array")),
        None => Ok(()),
    }
}
