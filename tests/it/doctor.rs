//! `doctor` over homes in all states: golden text in 80 columns.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use expect_test::expect;
use serde_json::Value;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_causetrace"));
        command.args(args).env_clear().env("HOME", self.0.path()).env("COLUMNS", "80").current_dir(self.0.path());
        command.env("PATH", self.path("bin"));
        command
    }

    /// Output with what differs between machines replaced, and the exit code.
    fn run(&self, args: &[&str]) -> (String, i32) {
        let out = self.command(args).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap();
        (text, out.status.code().unwrap())
    }

    fn session(&self) {
        let line = |n: u32, more: &str| {
            format!(
                "{{\"type\":\"user\",\"uuid\":\"u{n}\",\"sessionId\":\"0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b\",\"version\":\"2.1.330\",\"cwd\":\"/p\",{more}}}\n"
            )
        };
        let call = r#"{"type":"assistant","uuid":"a1","parentUuid":"u1","sessionId":"0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b","message":{"id":"m1","role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}}]}}"#;
        let text = line(1, r#""message":{"role":"user","content":"hi"}"#)
            + call
            + "\n{\"type\":\"not-yet-invented\"}\n{\"torn\":\n";
        self.write(".claude/projects/-p/0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b.jsonl", &text);
    }
}

/// The section of that title.
fn section(text: &str, title: &str) -> String {
    let section = text.split("\n\n").find(|s| s.starts_with(title)).unwrap_or_else(|| panic!("{text}"));
    let newest = section.find(", newest ").map(|at| (at, section[at..].find('\n').unwrap() + at));
    match newest {
        Some((from, to)) => format!("{}, newest NOW{}\n", &section[..from], &section[to..]),
        None => format!("{section}\n"),
    }
}

#[test]
fn an_empty_home_needs_no_mending() {
    let home = Home::new();
    let (text, code) = home.run(&["doctor"]);
    assert_eq!(code, 0, "{text}");
    expect![[r#"
        Claude Code
          · no sessions (looked in ~/.claude/projects, ~/.config/claude/projects)
    "#]]
    .assert_eq(&section(&text, "Claude Code"));
    expect![[r#"
        Store
          · ~/.causetrace does not exist yet: the first session that is read makes it
    "#]]
    .assert_eq(&section(&text, "Store"));
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    assert!(!home.path(".causetrace").exists(), "doctor writes nothing");
}

#[test]
fn the_newest_session_is_read_and_its_oddities_are_named() {
    let home = Home::new();
    home.session();
    let (text, code) = home.run(&["doctor", "claude-code"]);
    assert_eq!(code, 0, "{text}");
    expect![[r#"
        Claude Code
          ✓ 1 transcript in ~/.claude/projects, newest NOW
          ✓ session 0b7e2f4a-5c1d by version 2.1.330: 3 events of 4 records, 1 call;
            causes of 100% are proven by ids
          · kinds of record that this version does not know: not-yet-invented (1)
          · 1 record that could not be read, the first at
            ~/.claude/projects/-p/0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b.jsonl:4: torn:
            EOF while parsing a value
          · 1 call without a recorded result
          · no hook registered: sessions are read from the agent's own files; to record
            them as they happen:
              causetrace install claude-code
          · Claude Code deletes sessions after 30 days; the store keeps what was
            imported before:
              causetrace import
    "#]]
    .assert_eq(&section(&text, "Claude Code"));
}

#[test]
fn what_is_broken_is_named_with_what_mends_it() {
    let home = Home::new();
    home.session();
    let settings = r#"{
  "cleanupPeriodDays": 3,
  "disableAllHooks": true,
  "hooks": {
    "PreToolUse": [
      {"hooks": [{"type": "command", "command": "[ -x '/gone/causetrace' ] && exec '/gone/causetrace' hook; exit 0"}]},
      {"hooks": [{"type": "command", "command": "python3 -m causetrace.hooks.claude_code"}]}
    ]
  }
}"#;
    home.write(".claude/settings.json", settings);
    home.write(".causetrace/active/s_last_event_id", "x");
    let (text, code) = home.run(&["doctor"]);
    assert_eq!(code, 1, "{text}");
    let hooks = section(&text, "Claude Code");
    let from = hooks.find("  ✗").unwrap();
    expect![[r#"
        Claude Code
          ✗ ~/.claude/settings.json runs the hook of the Python causetrace, which
            answers every permission question with yes
              causetrace install claude-code --replace-python
          ✗ hook registered in ~/.claude/settings.json, but the program that it names
            is gone
              causetrace install claude-code
          ✗ ~/.claude/settings.json switches all hooks off: take out "disableAllHooks"
              ${EDITOR:-vi} ~/.claude/settings.json
          · no event from a hook yet: start a new session, its first prompt is one
          ✗ Claude Code deletes sessions after 3 days; in ~/.claude/settings.json:
              "cleanupPeriodDays": 365
    "#]]
    .assert_eq(&format!("Claude Code\n{}", &hooks[from..]));
    assert!(text.contains("rm -r ~/.causetrace/active") && text.contains("4 things need mending"), "{text}");
    home.write(".claude/settings.json", "{ // mine\n}");
    let (text, code) = home.run(&["doctor"]);
    assert!(code == 1 && text.contains("is no strict JSON"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_registered_hook_is_run_and_its_last_event_found() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.session();
    assert_eq!(home.run(&["install", "claude-code"]).1, 0);
    let mut child = home.command(&["hook"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let payload = r#"{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt":"hello"}"#;
    child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let mut junk = home.command(&["hook"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    junk.stdin.take().unwrap().write_all(b"junk").unwrap();
    assert!(junk.wait().unwrap().success());
    let (text, code) = home.run(&["doctor"]);
    assert_eq!(code, 0, "{text}");
    let hooks = section(&text, "Claude Code");
    assert!(
        hooks.contains("✓ hook registered for 8 events") || hooks.contains("✓ hook registered for 10 events"),
        "{hooks}"
    );
    assert!(hooks.contains("✓ last event from a hook: "), "{hooks}");
    assert!(
        text.contains("1 payload that the hook could not use") && text.contains("rm ~/.causetrace/unusable"),
        "{text}"
    );
    // an open store
    for dir in [".causetrace", ".causetrace/data"] {
        fs::set_permissions(home.path(dir), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (text, code) = home.run(&["doctor"]);
    assert!(code == 1 && text.contains("chmod -R go= ~/.causetrace"), "{text}");
}

/// Of a session of gigabytes the end is read, which is what tells of the last event.
#[cfg(unix)]
#[test]
fn the_last_event_of_a_huge_session_is_found() {
    use std::io::Write;
    let home = Home::new();
    home.session();
    assert_eq!(home.run(&["install", "claude-code"]).1, 0);
    let file = home.write(".causetrace/data/s.jsonl", "");
    let mut file = fs::File::options().append(true).open(file).unwrap();
    file.set_len(8 << 30).unwrap();
    let line = r#"{"event_id":"a","session_id":"s","agent":"claude-code","event_type":"user_input","timestamp":"2026-01-02T03:04:05Z","source":{"hook":"UserPromptSubmit"}}"#;
    file.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    let mut c = Command::new("bash");
    c.args(["-c", "ulimit -v 1500000; exec \"$0\" doctor claude-code", env!("CARGO_BIN_EXE_causetrace")]);
    let out = c.env_clear().env("HOME", home.path("")).env("PATH", "/usr/bin:/bin").env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("last event from a hook: Jan 02"), "{text}");
}

#[test]
fn json_says_the_same() {
    let home = Home::new();
    home.session();
    let (text, code) = home.run(&["doctor", "--json"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &value["healthy"]), (0, &Value::Bool(true)));
    let claude = &value["sections"][0];
    assert_eq!(claude["name"], "claude-code");
    assert_eq!(claude["facts"]["newest"]["report"]["unknown"]["not-yet-invented"], 1);
    assert_eq!(value["sections"].as_array().unwrap().len(), 7);
    assert_eq!(home.run(&["doctor", "emacs"]).1, 1);
}

#[test]
fn what_is_off_is_named_with_what_switches_it_on() {
    let home = Home::new();
    for program in ["aider", "cn", "copilot"] {
        let file = home.write(&format!("bin/{program}"), "");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let _ = file;
    }
    home.write(".aider.conf.yml", "analytics-log: x\n# llm-history-file: y\n");
    home.write(".config/Code/User/settings.json", "{}");
    home.write(".config/Code/User/globalStorage/github.copilot-chat/x", "");
    home.write(".continue/logs/cn.log", "2026-11-22 23:03:25.566 [90da1a5b] [info]: Latest version: 1.5.47\n");
    let (text, _) = home.run(&["doctor"]);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "its LLM history is off",
        "causetrace aider -- ARGS",
        "VS Code's agent debug log is off, which ties calls to model requests; in ~/.config/Code/User/settings.json:",
        "\"github.copilot.chat.agentDebugLog.fileLogging.enabled\": true",
        "cn's log has no calls in it",
        "cn --verbose",
    ] {
        assert!(flat.contains(said), "{said} in {text}");
    }
    assert!(!flat.contains("analytics log is off"), "{text}");
    home.write(".continue/logs/cn.log", "2026-11-22 23:03:25.566 [90da1a5b] [debug]: Updated tool call state {}\n");
    assert!(!home.run(&["doctor", "continue"]).0.contains("cn --verbose"));
}

#[cfg(unix)]
#[test]
fn a_store_that_others_can_look_into_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.session();
    home.run(&["sessions"]);
    let data = home.path(".causetrace/data");
    let session = fs::read_dir(&data).unwrap().next().unwrap().unwrap().path();
    let mode = |root: u32, folder: u32, file: u32| {
        for (path, mode) in [(&home.path(".causetrace"), root), (&data, folder), (&session, file)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let (text, code) = home.run(&["doctor"]);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let open =
            text.contains("✗ other users of this machine can look into ~/.causetrace chmod -R go= ~/.causetrace");
        (open, text.contains("readable by others if the folder around is opened"), code)
    };
    assert_eq!(mode(0o700, 0o700, 0o600), (false, false, 0));
    assert_eq!(mode(0o755, 0o755, 0o600), (true, false, 1), "names tell much");
    assert_eq!(mode(0o755, 0o700, 0o600), (false, false, 0), "what is inside is closed");
    assert_eq!(mode(0o700, 0o755, 0o644), (false, true, 0), "closed from outside");
    assert_eq!(mode(0o711, 0o711, 0o644), (true, false, 1));
}

/// One session may be an exception: those before it are read too.
#[test]
fn the_sessions_before_the_newest_are_read_too() {
    let home = Home::new();
    home.session();
    let session =
        fs::read_to_string(home.path(".claude/projects/-p/0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b.jsonl")).unwrap();
    for n in 0..6 {
        let id = format!("{n}b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6c");
        let text = session.replace("0b7e2f4a-5c1d-4e8f-9a3b-1c2d3e4f5a6b", &id).replace("not-yet-invented", "odd");
        let file = home.write(&format!(".claude/projects/-p/{id}.jsonl"), &text);
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(60 * (n + 1));
        fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
    }
    let (text, code) = home.run(&["doctor", "claude-code"]);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, 0, "{text}");
    for said in [
        "✓ session 0b7e2f4a-5c1d by version 2.1.330: 3 events of 4 records, 1 call",
        "✓ 4 sessions before it: 12 events of 16 records, 4 calls; causes of 100% are proven by ids",
        "does not know: not-yet-invented (1), odd (4)",
        "5 records that could not be read, the first at ~/.claude/projects/-p/0b7e2f4a",
        "5 calls without a recorded result",
    ] {
        assert!(flat.contains(said), "{said}: {text}");
    }
}
