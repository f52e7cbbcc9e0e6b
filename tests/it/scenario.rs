//! What tests of several readers share: events folded as the store folds them, outlines for goldens, and the structure that a
//! script of the model says a recording must have.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::action::{Action, FileEdit};
use causetrace::event::{Event, EventType, Status};
use causetrace::source::{Report, Source, Transcript};
use expect_test::expect_file;
use serde_json::Value;

pub fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of recordings or published sessions, where it is at hand.
pub fn shared(path: &str) -> Option<PathBuf> {
    Some(package().join("../shared").join(path)).filter(|p| p.is_dir())
}

/// What is in a folder, in order.
pub fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    found.sort();
    found
}

/// All files below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(children(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The transcripts of a file or folder, as a user would name it.
pub fn claim(source: &dyn Source, path: &Path) -> Vec<Transcript> {
    use std::io::Read as _;
    let mut head = Vec::new();
    if path.is_file() {
        fs::File::open(path).unwrap().take(64 * 1024).read_to_end(&mut head).unwrap();
    }
    source.claim(path, &head)
}

/// The events of a transcript in the order in which they are first met.
pub fn read(source: &dyn Source, transcript: &Transcript) -> (Vec<Event>, Report) {
    let mut events: Vec<Event> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let report = source
        .read(transcript, &mut |e| match known.get(&e.event_id) {
            Some(&i) => events[i].fold(e),
            None => {
                known.insert(e.event_id.clone(), events.len());
                events.push(e);
            }
        })
        .unwrap();
    (events, report)
}

/// Checks an agent's fixtures: every case has a golden beside it, which is what the reader makes of it, each edge by number.
pub fn check_goldens(fixtures: &Path, least: usize, sessions: impl Fn(&Path) -> Vec<Vec<Event>>) {
    let cases: Vec<_> = children(fixtures).into_iter().filter(|c| !c.join("hooks.jsonl").exists()).collect();
    for case in &cases {
        expect_file![case.join("events.txt")].assert_eq(&outline(&sessions(case)));
    }
    assert!(cases.len() >= least, "only {}", cases.len());
}

/// Events as lines of a golden: number, kind, what, how it ended, parents by number.
pub fn outline(sessions: &[Vec<Event>]) -> String {
    let events: Vec<&Event> = sessions.iter().flatten().collect();
    let numbers: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let number = |id: &str| numbers.get(id).map_or_else(|| format!("?{id}"), ToString::to_string);
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let mut line = format!("{} {}", i + 1, e.event_type.as_str());
        line.extend(e.agent_id.iter().map(|a| format!(" ({a})")));
        line.extend(e.tool_name.iter().map(|t| format!(" {t}")));
        line.push_str(&format!(" {:.60}", e.input_text().replace('\n', "\\n")));
        line.extend(e.status.map(|s| format!(" [{}]", s.as_str())));
        line.extend(e.exit_code.map(|c| format!(" exit {c}")));
        line.extend(e.duration_ms.map(|d| format!(" {d} ms")));
        line.extend(e.usage.map(|u| format!(" tokens {}/{}", u.input.unwrap_or(0), u.output.unwrap_or(0))));
        for key in [
            "by_user",
            "compaction",
            "dead_branch",
            "error",
            "changed_files",
            "patch",
            "version",
            "spawned",
            "instructs",
            "background_task",
            "rolled_back",
            "api_error",
            "copied_from",
            "forked_from",
        ] {
            line.extend(e.extra.get(key).map(|v| format!(" {key}={v}")));
        }
        if let Some(from) = e.extra.get("returned_from").and_then(Value::as_str) {
            line.push_str(&format!(" returned_from={}", number(from)));
        }
        line.extend(e.parent_session_id.iter().map(|p| format!(" of {p}")));
        let parents: Vec<_> = e.parents.iter().map(|p| number(p)).collect();
        out.push_str(&format!("{} <- {}\n", line.trim_end(), parents.join(",")));
    }
    out
}

// ---- what a script says

/// One answer of the scripted model.
#[derive(Debug, Default)]
pub struct Turn {
    pub thinking: String,
    pub text: String,
    pub calls: Vec<Value>,
    /// The prompt that it is the first to answer.
    pub prompt: Option<String>,
    /// Output tokens that the model claimed, where the answer was sent to its end.
    pub output: Option<u64>,
    /// The model refused for ever: nothing is recorded.
    pub refused: bool,
}

impl Turn {
    fn of(v: &Value, prompt: Option<String>) -> Self {
        let mut t = Turn { prompt, ..Turn::default() };
        // thought, words, listed blocks, calls: in this order, and no more than were sent
        let mut left = v["cut"].as_u64().unwrap_or(u64::MAX);
        let mut take = || {
            let more = left > 0;
            left = left.saturating_sub(1);
            more
        };
        let words = |key: &str| v[key].as_str().filter(|s| !s.is_empty());
        if let Some(s) = words("thinking").filter(|_| take()) {
            t.thinking.push_str(s);
        }
        if let Some(s) = words("text").filter(|_| take()) {
            t.text.push_str(s);
        }
        for b in list(&v["blocks"]) {
            match b["type"].as_str() {
                _ if !take() => {}
                Some("thinking") => t.thinking.push_str(b["thinking"].as_str().unwrap()),
                Some("text") => t.text.push_str(b["text"].as_str().unwrap()),
                Some(_) => {}
                None => t.calls.push(b["call"].clone()),
            }
        }
        for c in list(&v["calls"]) {
            if take() {
                t.calls.push(c.clone());
            }
        }
        // items that the client does not know are never written
        t.calls.extend(list(&v["items"]).iter().filter(|i| i["type"] != "some_future_item").cloned());
        let whole = v.get("cut").is_none() && v.get("stall").is_none();
        t.output = Some(v["usage"]["out"].as_u64().unwrap_or(40 + python_json(v) / 4)).filter(|_| whole);
        let says_nothing = t.text.is_empty() && t.calls.is_empty();
        t.refused = v["times"].as_u64().is_some_and(|n| n > 5) || v.get("status").is_some() && says_nothing;
        t
    }
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

/// The length of a value as Python's `json.dumps` writes it: with spaces, ASCII only.
fn python_json(v: &Value) -> u64 {
    match v {
        Value::Array(a) => 2 + a.iter().map(python_json).sum::<u64>() + 2 * (a.len() as u64).saturating_sub(1),
        Value::Object(o) => {
            let inner: u64 = o.iter().map(|(k, v)| python_json(&k.as_str().into()) + 2 + python_json(v)).sum();
            2 + inner + 2 * (o.len() as u64).saturating_sub(1)
        }
        Value::String(s) => {
            let ascii: u64 =
                s.chars().filter(|c| !c.is_ascii()).map(|c| 6 * c.len_utf16() as u64 - c.len_utf8() as u64).sum();
            v.to_string().len() as u64 + ascii
        }
        other => other.to_string().len() as u64,
    }
}

/// The model's answers in the main conversation, or to the sub-agent of that name.
pub fn script(scenario: &Value, subagent: Option<&str>) -> Vec<Turn> {
    if let Some(name) = subagent {
        return list(&scenario["subagents"][name]).iter().map(|v| Turn::of(v, None)).collect();
    }
    let mut turns = Vec::new();
    for p in list(&scenario["prompts"]) {
        for (i, v) in list(&p["turns"]).iter().enumerate() {
            let prompt = p["prompt"].as_str().filter(|_| i == 0).map(str::to_owned);
            turns.push(Turn::of(v, prompt));
        }
    }
    turns
}

// ---- what was recorded

/// One response of the model as it was read.
#[derive(Debug, Default)]
pub struct Response<'a> {
    pub events: Vec<&'a Event>,
    /// What came into the context before it, since the response before.
    pub new: Vec<&'a Event>,
}

impl Response<'_> {
    pub fn text(&self, kind: &EventType) -> String {
        self.events.iter().filter(|e| e.event_type == *kind).map(|e| e.input_text()).collect()
    }

    pub fn calls(&self) -> impl Iterator<Item = &&Event> {
        self.events.iter().filter(|e| e.is_call())
    }
}

fn flag(e: &Event, key: &str) -> bool {
    e.extra.contains_key(key)
}

/// Text that the client shows and keeps from the model.
fn aside(e: &Event) -> bool {
    flag(e, "api_error") || flag(e, "rolled_back") || e.input_text() == "No response requested."
}

/// The responses of one agent (its events only, in the order of reading). Rewound branches are left out, and so are calls
/// that a program made.
pub fn responses<'a>(events: &[&'a Event]) -> Vec<Response<'a>> {
    let mut found: Vec<Response<'_>> = Vec::new();
    let mut new = Vec::new();
    for e in events.iter().filter(|e| e.event_type != EventType::Session && !aside(e) && !flag(e, "dead_branch")) {
        match (&e.turn_id, found.last_mut()) {
            (None, _) if e.is_call() => {}
            (None, _) => new.push(*e),
            (turn, Some(last)) if last.events[0].turn_id == *turn => last.events.push(e),
            _ => found.push(Response { events: vec![e], new: std::mem::take(&mut new) }),
        }
    }
    found
}

/// Whether a call's result is recorded.
fn answered(e: &Event) -> bool {
    e.tool_output.is_some() || e.status == Some(Status::Ok)
}

/// Checks every parent of one agent's events. The inputs of a response (the results of the response before, then what came in
/// between; from a compaction on, that and what came after it) are the parents of its first words, these of the rest; where
/// it has no words, each call has the inputs. `more` are the parents of a call beyond these.
pub fn check_parents(events: &[&Event], place: &str, more: impl Fn(&Event) -> Vec<String>) {
    let mut before: Option<Response<'_>> = None;
    let ids = |events: &[&Event]| -> Vec<String> { events.iter().map(|e| e.event_id.clone()).collect() };
    for r in responses(events) {
        let mut inputs: Vec<&Event> = before.iter().flat_map(|b| b.calls().copied()).filter(|e| answered(e)).collect();
        let words = before.as_ref().and_then(|b| b.events.iter().find(|e| !e.is_call()));
        let silent = before.as_ref().is_none_or(|b| b.calls().next().is_none());
        for (i, e) in r.new.iter().enumerate() {
            let follows = inputs.is_empty() && silent && before.is_some();
            if flag(e, "compaction") {
                if !inputs.iter().any(|e| flag(e, "compaction")) {
                    inputs.clear();
                }
            } else if e.event_type == EventType::UserInput && (i > 0 || before.is_some()) {
                // a prompt follows the answer that ended the turn before
                let answer = words.filter(|_| follows && i == 0).map(|w| w.event_id.clone());
                assert_eq!(e.parents, Vec::from_iter(answer), "{place}: {:?}", e.input_text());
            }
            inputs.push(e);
        }
        let mut inputs = ids(&inputs);
        if inputs.is_empty() {
            inputs.extend(words.map(|w| w.event_id.clone()));
        }
        let hub = r.events.iter().find(|e| !e.is_call()).filter(|hub| hub.event_id == r.events[0].event_id);
        for e in &r.events {
            let mut expected = match hub {
                Some(hub) if hub.event_id != e.event_id => vec![hub.event_id.clone()],
                _ => inputs.clone(),
            };
            for id in more(e) {
                if !expected.contains(&id) {
                    expected.push(id);
                }
            }
            assert_eq!(e.parents, expected, "{place}: {:?}", e.input_text());
        }
        before = Some(r);
    }
}

/// Whether a field of the input is this text, or a list that ends with it.
fn input_says(call: &Event, key: &str, text: &str) -> bool {
    let field = call.tool_input.as_ref().and_then(|i| i.get(key));
    let last = field.and_then(Value::as_array).and_then(|a| a.last()).or(field);
    last.and_then(Value::as_str) == Some(text)
}

/// Whether a call is what the script asked for, in the neutral words that both know.
fn is_call(source: &dyn Source, call: &Event, wanted: &Value) -> bool {
    let action = source.action(call);
    let said = |key: &str| wanted[key].as_str().unwrap_or_default();
    let runs = |test: &dyn Fn(&str) -> bool| matches!(&action, Action::Run { command, .. } if test(command));
    let edits = |test: &dyn Fn(&FileEdit) -> bool| matches!(&action, Action::Edit(files) if files.iter().any(test));
    match wanted["tool"].as_str() {
        // models of code mode get at commands through a program
        Some("bash") => {
            // a patch handed to the shell is an edit
            let patch = || said("command").starts_with("apply_patch <<") && edits(&|_| true);
            let cmd = |e: &Event| ["cmd", "command"].iter().any(|k| input_says(e, k, said("command")));
            runs(&|c| c == said("command"))
                || patch() && cmd(call)
                || call.tool_name.as_deref() == Some("exec") && call.input_text().contains(said("command"))
        }
        Some("patch") => call.input_text() == said("input") && matches!(action, Action::Edit(_)),
        Some("read") => {
            matches!(&action, Action::Read { path, .. } if path.ends_with(said("path")))
                || runs(&|c| c == format!("cat '{}'", said("path")))
        }
        Some("grep") => {
            matches!(&action, Action::Search { pattern, .. } if pattern == said("pattern"))
                || runs(&|c| c.starts_with("grep") && c.contains(said("pattern")))
        }
        Some("glob") => matches!(action, Action::List { .. }) || runs(&|c| c.starts_with("ls ")),
        Some("edit") => {
            edits(&|f| f.path.ends_with(said("path")) && f.hunks.iter().any(|h| h.before == said("old")))
                || runs(&|c| c.contains(said("path")))
        }
        Some("write") => {
            edits(&|f| f.path.ends_with(said("path")) && f.hunks.iter().any(|h| h.after == said("content")))
                || runs(&|c| c.contains(said("path")))
        }
        Some("task") => matches!(&action, Action::Spawn { prompt } if prompt == said("prompt")),
        Some("todo") => action == Action::Plan || runs(&|c| c == "true"),
        Some("raw") => {
            let name = call.tool_name.as_deref().unwrap_or_default();
            let args = &wanted["args"];
            // some name ids that only the run knew
            let open = args.to_string().contains("{{") || args.to_string().contains("$AGENT");
            let same = call.tool_input.as_ref() == Some(args)
                || args.get("input").is_some() && call.tool_input.as_ref() == args.get("input");
            (name == said("name") || name.ends_with(&format!("__{}", said("name")))) && (open || same)
        }
        Some(name) => call.tool_name.as_deref() == Some(name),
        // an item in the protocol's own words
        None => {
            Some(call.tool_name.as_deref().unwrap_or_default())
                == wanted["type"].as_str().unwrap().strip_suffix("_call")
        }
    }
}

fn is_turn(source: &dyn Source, r: &Response<'_>, turn: &Turn) -> bool {
    r.text(&EventType::Message) == turn.text
        && r.text(&EventType::Reasoning) == turn.thinking
        && r.calls().count() == turn.calls.len()
        && turn.calls.iter().all(|wanted| r.calls().any(|call| is_call(source, call, wanted)))
}

/// Compares the responses of one agent with what the script of the model says: each is one turn of it, in its order; it
/// follows from the prompt of that turn; its tokens are counted on its first event alone. `seen` marks the turns met (all
/// sessions of a recording answer the same script).
pub fn check_turns(source: &dyn Source, responses: &[Response<'_>], script: &[Turn], seen: &mut [bool], place: &str) {
    let mut at = 0;
    for r in responses {
        let text = r.text(&EventType::Message);
        // beyond the script, or what a review found, shown in its parent
        if text == "Nothing is left to do." || text == "fine" || r.events.iter().all(|e| flag(e, "copied_from")) {
            continue;
        }
        let found = script.iter().enumerate().skip(at).find(|(_, turn)| is_turn(source, r, turn));
        let Some((i, turn)) = found else {
            panic!(
                "{place}: no turn after {at} is {:?} {:?}",
                text,
                r.calls().map(|c| c.input_text()).collect::<Vec<_>>()
            );
        };
        at = i + 1;
        seen[i] = true;
        let prompts: Vec<_> =
            r.new.iter().filter(|e| e.event_type == EventType::UserInput).map(|e| e.input_text()).collect();
        // where the model answers whatever is asked next, its turns are not bound to prompts
        let free =
            ["background", "cut-", "0.130.0/codex-resume-fork", "0.50.0/codex-resume-fork", "0.130.0/codex-review"];
        let bound = !free.iter().any(|p| place.starts_with(p)) && !text.starts_with("SUMMARY");
        match turn.prompt.as_ref().filter(|_| bound) {
            // the prompts of turns that left nothing come before it
            Some(p) => assert!(prompts.iter().any(|told| told.ends_with(p.as_str())), "{place}: {p}: {prompts:?}"),
            None => {
                let of_script = |told: &str| script.iter().any(|t| t.prompt.as_deref() == Some(told));
                assert!(!bound || !prompts.iter().any(|told| of_script(told)), "{place}: {text:?} follows {prompts:?}");
            }
        }
        let counted: Vec<_> = r.events.iter().filter_map(|e| e.usage?.output).collect();
        if let Some(output) = turn.output {
            // 2.1.50 never wrote the final number
            assert!(
                counted == [output] || counted == [1] && place.contains("2.1.50"),
                "{place}: tokens of {text:?}: {counted:?}"
            );
        }
        assert!(r.events[1..].iter().all(|e| e.usage.is_none()), "{place}: {text:?}");
    }
}

/// Checks each recording and names all that differ.
pub fn each(places: &[PathBuf], check: impl Fn(&Path)) {
    let fails = |p: &&PathBuf| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(p))).is_err();
    let failed: Vec<_> = places.iter().filter(fails).collect();
    assert!(failed.is_empty(), "these differ: {failed:#?}");
}
