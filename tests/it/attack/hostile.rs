//! Hostile text in everything that is recorded: nothing reaches the terminal but text, JSON stays JSON, and nothing is written
//! outside the store.

use std::fs;

use serde_json::{Value, json};

use super::machine::{Machine, Said};

/// What a terminal would obey, or a reader be misled by.
const EVIL: &str = "\u{1b}[2J\u{1b}]8;;http://x\u{1b}\\link\u{1b}]52;c;aGk=\u{7}\u{1b}P1;2|x\u{1b}\\\u{9b}31m\u{9d}0;t\u{9c}\u{202e}gnp.exe\u{2066}\u{61c}\u{200f}\u{206a}\u{200b}\u{2060}\u{ad}\u{feff}\u{e0041}\u{7f}\r\u{8}\u{85}\u{2028}\u{2029}עברית 日本語";

/// The same, as part of file names.
const NAME: &str = "\u{1b}[2J\u{9b}31m\u{202e}x";

/// A machine on which everything that agents wrote is hostile.
fn machine() -> Machine {
    let m = Machine::new();
    let mut all = Vec::new();
    let sessions = ["--help", "../../x", "a\nb\u{1b}[2J", "a\u{1b}]0;t\u{7}", &"long".repeat(100), "."];
    for (n, session) in sessions.iter().enumerate() {
        // one session has words of a megabyte
        let big = "w".repeat(if n == 1 { 1 << 20 } else { 300 });
        let mut lines = String::new();
        let id = |k: usize| format!("{n}{k}{EVIL}/../..");
        let place = format!("/w/{NAME}\n{n}.py");
        let mut add = |k: usize, mut e: Value| {
            let map = e.as_object_mut().unwrap();
            for (key, value) in [
                ("schema_version", json!("1.0")),
                ("event_id", json!(id(k))),
                ("session_id", json!(session)),
                ("timestamp", json!(format!("2026-01-02T03:04:0{k}Z"))),
                ("cwd", json!(format!("/w{EVIL}"))),
                ("native_id", json!(EVIL)),
                ("call_id", json!(format!("{EVIL}{k}"))),
                ("turn_id", json!(format!("t{EVIL}{k}"))),
                ("agent_id", if k > 6 { json!(EVIL) } else { Value::Null }),
                ("model", json!(EVIL)),
                ("source", json!({"file": format!("/f{EVIL}\n"), "line": k})),
            ] {
                map.insert(key.to_owned(), value);
            }
            map.entry("agent").or_insert(json!(if n == 0 { EVIL } else { "claude-code" }));
            // the version stands first, as this program writes it
            let version = map.shift_remove("schema_version").unwrap();
            let rest = serde_json::to_string(&map).unwrap();
            lines.push_str(&format!("{{\"schema_version\":{version},{}\n", &rest[1..]));
        };
        let version = json!({"event_type": "session", "tool_input": EVIL, "version": EVIL, "git_branch": EVIL});
        add(0, version);
        add(1, json!({"event_type": "user_input", "tool_input": format!("{EVIL} fix src/evil.py: {big}")}));
        let grep = json!({"pattern": format!("def {EVIL}"), "path": place});
        let hit = format!("{place}:3:def {EVIL} src/evil.py");
        add(
            2,
            json!({"event_type": "tool_call", "tool_name": "Grep", "tool_input": grep, "tool_output": hit, "status": "ok", "parent_event_id": id(1)}),
        );
        let edit =
            json!({"file_path": place, "old_string": format!("old {EVIL}\nx"), "new_string": format!("new {EVIL}\ny")});
        add(
            3,
            json!({"event_type": "tool_call", "tool_name": "Edit", "tool_input": edit, "tool_output": EVIL, "status": "error", "parent_event_id": format!("{},missing{EVIL}", id(2))}),
        );
        let run = json!({"command": format!("cat '{place}' {EVIL} && pytest")});
        add(
            4,
            json!({"event_type": "tool_call", "tool_name": "Bash", "tool_input": run, "tool_output": format!("{EVIL}\n{big}"), "exit_code": 1, "status": "error"}),
        );
        add(
            5,
            json!({"event_type": "tool_call", "tool_name": format!("tool\n{EVIL}"), "tool_input": {EVIL: {EVIL: [EVIL]}}, "tool_output": {"a": EVIL}}),
        );
        add(6, json!({"event_type": EVIL, "tool_input": EVIL, "status": EVIL}));
        add(7, json!({"event_type": "message", "tool_input": format!("{EVIL}{big}"), EVIL: EVIL}));
        let write =
            json!({"file_path": m.path().join("evil.txt").display().to_string(), "content": format!("line {EVIL}\n")});
        add(
            8,
            json!({"event_type": "tool_call", "tool_name": "Write", "tool_input": write, "tool_output": EVIL, "status": "denied"}),
        );
        add(9, json!({"event_type": "context_update", "tool_input": EVIL, "compaction": true}));
        lines.push_str(&format!("{{\"event_id\": \"{EVIL}\n"));
        m.store().append(session, lines.as_bytes()).unwrap();
        all.push(lines);
    }
    fs::write(m.path().join("evil.txt"), format!("line {EVIL}\nmore\n")).unwrap();
    fs::write(m.path().join(format!("{NAME}.jsonl")), &all[1]).unwrap();
    // agents' own files, in folders with such names, with lines that cannot be read
    let project = m.path().join(".claude/projects").join(NAME);
    fs::create_dir_all(&project).unwrap();
    let line = json!({"type": "user", "uuid": EVIL, "parentUuid": null, "sessionId": EVIL, "cwd": EVIL, "version": EVIL,
        "timestamp": "2026-01-02T03:04:05Z", "message": {"role": "user", "content": format!("{EVIL} do it")}});
    let unknown = json!({"type": EVIL, "uuid": "u2", "sessionId": EVIL});
    let file = project.join("0a1b2c3d-0000-4000-8000-000000000002.jsonl");
    fs::write(file, format!("{line}\n{unknown}\n{{\"type\":\"{EVIL}\n{{\"{NAME}\": nope}}\n")).unwrap();
    m
}

/// All ways to ask.
fn questions() -> Vec<Vec<String>> {
    let mut all: Vec<&str> = vec![
        "sessions",
        "sessions --agent claude-code",
        "doctor",
        "validate",
        "import claude-code",
        "import ./nothing",
        "stats",
        "tree",
        "tree --full",
        "tree --proven --full",
        "tree --depth 1",
        "tree --from 3",
        "graph",
        "graph --full",
        "graph --proven",
        "timeline",
        "timeline --full",
        "replay",
        "replay --full",
        "tree @2",
        "tree @3",
        "timeline @3",
        "tree a",
        "tree lon",
        "stats @4",
        "export",
        "export --format jsonl",
        "export --no-redact",
        "blame evil.txt",
        "why evil.txt:1",
        "why evil.txt:2",
        "why --removed old",
        "why --removed nothing",
        "validate ..",
        "show zzz",
        "show 0",
        "tree nothing-there",
        "impact zzz",
    ]
    .into_iter()
    .collect();
    let numbered: Vec<String> = (1..=10).flat_map(|n| ["show", "why", "impact"].map(|c| format!("{c} {n}"))).collect();
    all.extend(numbered.iter().map(String::as_str));
    let mut all: Vec<Vec<String>> = all.iter().map(|q| q.split(' ').map(str::to_owned).collect()).collect();
    // what the user hands over is shown again in errors and hints
    for command in
        ["tree", "show", "why", "impact", "blame", "why --removed", "sessions --agent", "sessions --since", "doctor"]
    {
        all.push(command.split(' ').map(str::to_owned).chain([EVIL.replace('\0', "")]).collect());
    }
    for command in [
        "validate",
        "import",
        "stats",
        "export --format",
        "install",
        "completions",
        "replay",
        "tree --only",
        "no-such",
        "tree --",
    ] {
        all.push(command.split(' ').map(str::to_owned).chain([format!("{EVIL}/x.py:3")]).collect());
    }
    all.push(vec![EVIL.to_owned()]);
    all.push(vec!["tree".to_owned(), format!("--{EVIL}")]);
    for named in [format!("./{NAME}.jsonl"), format!("./{NAME}/nothing.jsonl")] {
        all.extend(["tree", "validate", "import", "stats"].map(|c| vec![c.to_owned(), named.clone()]));
    }
    all
}

/// What moves a cursor, starts a sequence, reorders what is read or is not seen. In words of its own: what the program holds for
/// harmful is what is tested.
pub fn is_harmful(c: char) -> bool {
    let invisible = ['\u{ad}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}'];
    c.is_control()
        || invisible.contains(&c)
        || ['\u{202a}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e007f}'].iter().any(|r| r.contains(&c))
}

/// Only text, newlines, and (where colour was asked for) looks.
fn only_text(said: &Said, color: bool, what: &str) {
    for stream in [&said.out, &said.err] {
        let mut bare = String::new();
        let mut rest = stream.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[").filter(|_| color) {
            bare.push_str(before);
            let end = after.find('m').unwrap_or_else(|| panic!("{what}: no look: {after:.20}"));
            let look = &after[..end];
            assert!(look.bytes().all(|b| b.is_ascii_digit() || b == b';'), "{what}: no look: {look:?}");
            rest = &after[end + 1..];
        }
        bare.push_str(rest);
        for line in bare.split('\n') {
            assert!(!line.contains(is_harmful), "{what}: {:?}", line.chars().take(200).collect::<String>());
        }
    }
}

#[test]
fn nothing_reaches_the_terminal_but_text() {
    let m = machine();
    let before = m.outside();
    for (k, q) in questions().into_iter().enumerate() {
        for (extra, color) in [("--color=never", false), ("--color=always", true)] {
            if color && k % 6 != 0 {
                continue;
            }
            let mut args = q.clone();
            args.push(extra.to_owned());
            let said = m.run(&args);
            only_text(&said, color, &format!("{args:?}"));
            assert!(matches!(said.code, Some(0..=2)), "{args:?}: {:?} {}", said.code, said.err);
        }
    }
    assert!(m.outside() == before, "something was written outside the store");
}

/// Each of them, alone among harmless ones.
#[test]
fn no_harmful_character_passes_alone() {
    use causetrace::render::text::{clean, json, name, one_line};
    let harmful: Vec<char> = ('\0'..=char::MAX).filter(|c| is_harmful(*c)).collect();
    assert!(harmful.len() > 200);
    for c in harmful.into_iter().filter(|c| *c != '\n') {
        let text = format!("a{c}b");
        for shown in [clean(&text).into_owned(), name(&text).into_owned(), one_line(&text, 40)] {
            assert!(!shown.contains(is_harmful), "{c:?} as {shown:?}");
        }
        let written = json(serde_json::to_string(&text).unwrap());
        assert!(!written.contains(is_harmful), "{c:?} as {written:?}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
    let harmless = "é עברית 日本語 👩\u{200d}💻 e\u{301}";
    assert_eq!((clean(harmless), json(harmless.to_owned())), (harmless.into(), harmless.to_owned()));
}

/// An id or a path with a newline in it makes no row of its own.
#[test]
fn a_name_stays_on_its_line() {
    let m = machine();
    let listed = m.run(&["sessions"]).out;
    assert_eq!(listed.lines().count(), 1 + 7, "{listed}");
    assert!(listed.contains("a␊b␛"), "{listed}");
    let ambiguous = m.run(&["tree", "a"]).err;
    assert!(ambiguous.contains("  a␊b␛"), "{ambiguous}");
    let shown = m.run(&["show", "4", "--session=--help"]).out;
    assert!(shown.contains("x␊0.py"), "{shown}");
}

#[test]
fn json_stays_json_and_moves_no_cursor() {
    let m = machine();
    for mut q in questions().into_iter().step_by(2) {
        q.push("--json".to_owned());
        let said = m.run(&q);
        only_text(&said, false, &format!("{q:?}"));
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&said.out).into_iter().collect();
        assert!(
            values.is_ok_and(|v| said.code == Some(2) || said.code == Some(1) || !v.is_empty()),
            "{q:?}: {}",
            said.err
        );
    }
    // and it says what was recorded, character by character
    let said = m.run(&["export", "./\u{1b}[2J\u{9b}31m\u{202e}x.jsonl"]);
    let events: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {:.300}", said.out));
    assert!(events.as_array().unwrap().iter().any(|e| e["tool_input"] == EVIL));
}

#[test]
fn watch_shows_only_text() {
    let m = Machine::new();
    for extra in ["--color=never", "--json"] {
        let mut child = m.command().args(["watch", extra]).spawn().unwrap();
        // the first may come before it looks
        for n in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let payload = json!({"session_id": format!("{EVIL}{extra}"), "hook_event_name": "UserPromptSubmit", "prompt": EVIL, "prompt_id": format!("{EVIL}{n}")});
            assert!(m.hook(payload.to_string().as_bytes()));
        }
        std::thread::sleep(std::time::Duration::from_millis(800));
        child.kill().unwrap();
        let said = super::machine::wait(child, "watch");
        assert!(said.out.contains("link"), "no event is shown: {}{}", said.out, said.err);
        only_text(&said, false, extra);
    }
}

#[test]
fn completions_and_the_manual_hold_nothing_recorded() {
    let (hostile, empty) = (machine(), Machine::new());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = hostile.run(&["completions", shell]);
        assert!(
            said.code == Some(0) && said.out.len() > 500 && said.out == empty.run(&["completions", shell]).out,
            "{shell}"
        );
    }
    assert_eq!(hostile.run(&["man"]).out, empty.run(&["man"]).out);
}

#[test]
fn hooks_write_nothing_outside_the_store() {
    let m = Machine::new();
    fs::write(m.path().join("x.jsonl"), "mine\n").unwrap();
    let before = m.outside();
    let long = "x".repeat(5000);
    let absolute = m.path().join("x").display().to_string();
    let ids = [
        "../../x",
        "..",
        ".",
        "/etc/x",
        &absolute,
        "--help",
        "-",
        "a\0b",
        "a\nb",
        "CON",
        "x/../../..",
        "~",
        "$HOME",
        "*",
        &long,
        EVIL,
    ];
    for id in ids {
        let payload = json!({"session_id": id, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": "ls"}});
        assert!(m.hook(payload.to_string().as_bytes()));
    }
    assert!(m.outside() == before);
    let store = m.store();
    assert_eq!(store.files().len(), ids.len());
    for id in ids {
        let stored = store.read(id).unwrap().unwrap_or_else(|| panic!("{id:.40} is lost"));
        assert_eq!(stored.events[0].session_id, *id);
        assert!(store.path(id).parent() == Some(&store.data()));
    }
}

/// Names of folders, of the authors and subjects of commits, settings of agents, and what the wrapper of Aider has to say.
#[cfg(unix)]
#[test]
fn what_others_wrote_is_only_text() {
    use std::os::unix::fs::PermissionsExt;
    let m = Machine::new();
    let repo = m.path().join(format!("repo {NAME}"));
    fs::create_dir_all(repo.join(".claude")).unwrap();
    fs::write(repo.join("evil.txt"), format!("line {EVIL}\nmore\n")).unwrap();
    let git = |args: &[&str]| {
        let mut c = m.command_of(std::path::Path::new("git"));
        c.current_dir(&repo).env("GIT_AUTHOR_NAME", EVIL).env("GIT_COMMITTER_NAME", EVIL);
        c.env("GIT_AUTHOR_EMAIL", "a@example.com").env("GIT_COMMITTER_EMAIL", "a@example.com").args(args);
        assert_eq!(super::machine::wait(c.spawn().unwrap(), "git").code, Some(0), "{args:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "evil.txt"]);
    git(&["commit", "-q", "-m", &format!("{EVIL} subject")]);
    let hooks = json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": EVIL}]}]}, EVIL: EVIL});
    fs::write(repo.join(".claude/settings.json"), format!("{{\n  \"a\": 1,{}", &hooks.to_string()[1..])).unwrap();
    fs::create_dir_all(m.path().join("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\nprintf '%s' '\n# aider chat started at 2026-01-01 10:00:00\n\n#### {EVIL}  \n\n> {EVIL}  \n' >> .aider.chat.history.md\n"
    );
    for program in ["aider", "claude"] {
        fs::write(m.path().join("bin").join(program), &script).unwrap();
        fs::set_permissions(m.path().join("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", m.path().join("bin").display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str], store: &str| {
        let mut c = m.command();
        c.current_dir(&repo).env("PATH", &path).env("CAUSETRACE_HOME", repo.join(store)).args(args);
        let said = super::machine::wait(c.spawn().unwrap(), args[0]);
        only_text(&said, false, &format!("{args:?}"));
        said
    };
    let blamed = run(&["blame", "evil.txt"], "store");
    assert!(blamed.out.contains("link") && blamed.out.contains("more"), "{}{}", blamed.out, blamed.err);
    assert!(run(&["blame", "evil.txt", "--json"], "store").out.contains("subject"));
    run(&["why", "evil.txt:1"], "store");
    for agent in ["claude-code", "codex", "copilot"] {
        for more in [&["--dry-run"][..], &[]] {
            run(&[&["install", agent, "--project"], more].concat(), "store");
        }
        run(&["doctor", agent], "store");
        run(&["uninstall", agent, "--project", "--dry-run"], "store");
        run(&["uninstall", agent, "--project"], "store");
    }
    run(&["aider", "--", EVIL], "store");
    let tree = run(&["tree"], "store");
    assert!(tree.out.contains("link"), "{}{}", tree.out, tree.err);
    run(&["doctor"], "store");
    // nothing can be kept: the wrapper says so, with the folder's name
    fs::write(repo.join("closed"), "").unwrap();
    let said = run(&["aider", "--", EVIL], "closed");
    assert!(said.err.contains("not recorded in full"), "{}{}", said.out, said.err);
    run(&["import"], "closed");
    run(&["sessions"], "closed");
    fs::remove_file(m.path().join("bin/aider")).unwrap();
    let said = run(&["aider", "--", EVIL], "store");
    assert!(said.code == Some(127) || !said.err.is_empty() || said.out.is_empty());
}
