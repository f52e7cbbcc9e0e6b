//! Sessions of great depth: no recursion, nothing that takes for ever. The stack is small here, so that any recursion over the
//! depth ends the process; `CAUSETRACE_DEEP=100000` makes the chain as long as the promise is.

use std::path::Path;

use serde_json::json;

use super::machine::{Machine, wait};

#[cfg(unix)]
#[test]
fn a_chain_through_every_command() {
    let n: usize = std::env::var("CAUSETRACE_DEEP").ok().and_then(|n| n.parse().ok()).unwrap_or(700);
    let m = Machine::new();
    let mut text = String::new();
    let mut add = |k: usize, mut e: serde_json::Value| {
        let parent = if k == 0 { String::new() } else { format!(r#""parent_event_id":"e{}","#, k - 1) };
        let map = e.as_object_mut().unwrap();
        map.insert("session_id".to_owned(), "s".into());
        map.insert("agent".to_owned(), "claude-code".into());
        text.push_str(&format!("{{\"schema_version\":\"1.0\",\"event_id\":\"e{k}\",{parent}{}\n", &e.to_string()[1..]));
    };
    add(0, json!({"event_type": "user_input", "tool_input": "Walk through file000000.txt"}));
    for k in 1..n {
        // each file names the next
        let read = json!({"event_type": "tool_call", "tool_name": "Read", "tool_input": {"file_path": format!("/w/file{:06}.txt", k - 1)},
            "tool_output": format!("go on with /w/file{k:06}.txt"), "status": "ok", "turn_id": format!("t{k}")});
        let edit = json!({"event_type": "tool_call", "tool_name": "Edit", "status": "ok", "turn_id": format!("t{k}"),
            "tool_input": {"file_path": "/w/x.py", "old_string": format!("a{k}"), "new_string": format!("b{k}")}});
        add(k, if k % 10 == 0 { edit } else { read });
    }
    m.store().append("s", text.as_bytes()).unwrap();
    std::fs::write(m.path().join("x.py"), "b10\nb20\n").unwrap();
    let last = n.to_string();
    let questions = [
        "sessions",
        "tree s",
        "tree s --proven --full",
        "graph s",
        "graph s --proven",
        "timeline s",
        "replay s",
        "stats s",
        "export s --format jsonl",
        "validate",
        &format!("why {last} --session s"),
        &format!("why {last} --session s --depth 1000000"),
        &format!("why {last} --session s --proven"),
        "impact 1 --session s",
        &format!("show {last} --session s"),
        "why --removed a10 --session s",
        "tree s --from 2 --depth 5",
    ];
    for q in questions {
        let mut c = m.command_of(Path::new("bash"));
        c.args(["-c", "ulimit -s 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_causetrace")]);
        let said = wait(c.args(q.split(' ')).spawn().unwrap(), q);
        assert_eq!(said.code, Some(0), "{q}: {}", said.err);
        assert!(!said.out.is_empty(), "{q}");
    }
}

/// JSON as deep as a parser takes it, in inputs and outputs.
#[test]
fn deep_json_in_a_call() {
    let m = Machine::new();
    let deep = format!("{}1{}", "{\"a\":[".repeat(60), "]}".repeat(60));
    let line = format!(
        "{{\"schema_version\":\"1.0\",\"event_id\":\"e\",\"session_id\":\"s\",\"agent\":\"codex\",\"event_type\":\"tool_call\",\"tool_name\":\"x\",\"tool_input\":{deep},\"tool_output\":{deep}}}\n"
    );
    m.store().append("s", line.as_bytes()).unwrap();
    for q in ["tree s", "show 1 --session s", "export s", "stats s", "replay s"] {
        let said = m.run(&q.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, Some(0), "{q}: {}", said.err);
    }
    let payload = format!(
        "{{\"session_id\":\"d\",\"hook_event_name\":\"PreToolUse\",\"tool_use_id\":\"t\",\"tool_name\":\"X\",\"tool_input\":{}1{}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    assert!(m.hook(payload.as_bytes()));
    // what was too deep to be read is kept as text, and the call with it
    let stored = m.store().read("d").unwrap().unwrap();
    assert!(stored.problems.is_empty() && stored.events[0].call_id.as_deref() == Some("t"), "{:?}", stored.problems);
}
