//! Settings files before and after `install` and `uninstall`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use causetrace::settings::hooks::{Form, Wanted, is_own, is_python, with, without};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

fn wanted(form: Form) -> Wanted<'static> {
    let handler = json!({"type": "command", "command": "/bin/causetrace hook", "timeout": 10});
    Wanted { form, events: &["PreToolUse", "Stop"], handler }
}

fn installed(text: &str) -> String {
    with(text, &wanted(Form::Grouped), &|_| false).unwrap()
}

/// Installs, compares with the golden text, and takes it out again: the same bytes as before, unless they were odd.
fn check(before: &str, golden: &Expect) {
    let after = installed(before);
    golden.assert_eq(&after.replace('\r', "␍").replace('\u{feff}', "<BOM>"));
    assert_eq!(installed(&after), after, "installing again changes nothing");
    let strict: Value = serde_json::from_str(after.trim_start_matches('\u{feff}')).unwrap();
    assert!(strict["hooks"]["Stop"].is_array());
    assert_eq!(without(&after, Form::Grouped, &is_own).unwrap(), before);
}

#[test]
fn a_file_without_hooks() {
    check(
        "{\n    \"model\": \"opus\",\n    \"permissions\": { \"allow\": [\"Bash\"] }\n}\n",
        &expect![[r#"
            {
                "model": "opus",
                "permissions": { "allow": ["Bash"] },
                "hooks": {
                    "PreToolUse": [
                        {
                            "hooks": [
                                {
                                    "type": "command",
                                    "command": "/bin/causetrace hook",
                                    "timeout": 10
                                }
                            ]
                        }
                    ],
                    "Stop": [
                        {
                            "hooks": [
                                {
                                    "type": "command",
                                    "command": "/bin/causetrace hook",
                                    "timeout": 10
                                }
                            ]
                        }
                    ]
                }
            }
        "#]],
    );
}

#[test]
fn foreign_hooks_stay_and_order_too() {
    check(
        r#"{
	"hooks": {
		"PreToolUse": [
			{"matcher": "Bash", "hooks": [{"type": "command", "command": "lint é \u00e9", "x": 1.50}]}
		],
		"Odd": 5
	},
	"z": 1, "a": 2
}"#,
        &expect![[r#"
            {
            	"hooks": {
            		"PreToolUse": [
            			{"matcher": "Bash", "hooks": [{"type": "command", "command": "lint é \u00e9", "x": 1.50}]},
            			{
            				"hooks": [
            					{
            						"type": "command",
            						"command": "/bin/causetrace hook",
            						"timeout": 10
            					}
            				]
            			}
            		],
            		"Odd": 5,
            		"Stop": [
            			{
            				"hooks": [
            					{
            						"type": "command",
            						"command": "/bin/causetrace hook",
            						"timeout": 10
            					}
            				]
            			}
            		]
            	},
            	"z": 1, "a": 2
            }"#]],
    );
}

#[test]
fn byte_order_mark_and_windows_lines_stay() {
    check(
        "\u{feff}{\r\n  \"a\": 1\r\n}\r\n",
        &expect![[r#"
            <BOM>{␍
              "a": 1,␍
              "hooks": {␍
                "PreToolUse": [␍
                  {␍
                    "hooks": [␍
                      {␍
                        "type": "command",␍
                        "command": "/bin/causetrace hook",␍
                        "timeout": 10␍
                      }␍
                    ]␍
                  }␍
                ],␍
                "Stop": [␍
                  {␍
                    "hooks": [␍
                      {␍
                        "type": "command",␍
                        "command": "/bin/causetrace hook",␍
                        "timeout": 10␍
                      }␍
                    ]␍
                  }␍
                ]␍
              }␍
            }␍
        "#]],
    );
}

#[test]
fn a_file_on_one_line_stays_on_one_line() {
    check(
        r#"{"a":[],"b":{}}"#,
        &expect![[
            r#"{"a":[],"b":{},"hooks":{"PreToolUse":[{"hooks":[{"type":"command","command":"/bin/causetrace hook","timeout":10}]}],"Stop":[{"hooks":[{"type":"command","command":"/bin/causetrace hook","timeout":10}]}]}}"#
        ]],
    );
}

#[test]
fn copilot_handlers_stand_without_groups() {
    let after = with("", &wanted(Form::Flat), &|_| false).unwrap();
    let value: Value = serde_json::from_str(&after).unwrap();
    assert_eq!((&value["version"], &value["hooks"]["Stop"][0]["timeout"]), (&json!(1), &json!(10)));
    assert_eq!(without(&after, Form::Flat, &is_own).unwrap(), "{\n  \"version\": 1\n}\n");
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (text, why) in [
        ("{\n  // mine\n  \"a\": 1\n}", "a comment?"),
        ("{\n  \"a\": 1,\n}", "a comma after the last entry?"),
        ("{\"a\": 1", "EOF"),
        ("[]", "not a JSON object"),
        ("{\"hooks\": null}", "not an object"),
        ("{\"hooks\": {\"Stop\": {}}}", "\"hooks.Stop\" is not an array"),
        ("{\"a\": NaN}", "expected value"),
    ] {
        let reason = with(text, &wanted(Form::Grouped), &|_| false).unwrap_err();
        assert!(reason.contains(why), "{text}: {reason}");
    }
    let deep = "[".repeat(100_000);
    assert!(with(&deep, &wanted(Form::Grouped), &|_| false).is_err());
}

#[test]
fn own_and_python_handlers_are_known_by_their_command() {
    for own in [
        json!({"command": "causetrace hook"}),
        json!({"command": "/opt/x y/causetrace", "args": ["hook"]}),
        json!({"command": "[ -x '/a/causetrace' ] && exec '/a/causetrace' hook; exit 0"}),
        json!({"command": "C:\\bin\\causetrace.exe hook"}),
        json!({"bash": "exec causetrace hook;exit 0"}),
    ] {
        assert!(is_own(&own), "{own}");
    }
    for other in [
        json!({"command": "causetrace sessions"}),
        json!({"command": "echo hook causetrace"}),
        json!({"command": "my-causetrace hook"}),
        json!({"type": "http"}),
        json!("causetrace hook"),
        json!({"command": "python3 -m causetrace.hooks.claude_code"}),
    ] {
        assert!(!is_own(&other), "{other}");
    }
    assert!(is_python(&json!({"command": "python3 -m causetrace.hooks.claude_code"})));
}

fn settings() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    let any = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..4)
                .prop_map(|m| m.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    let group = prop::collection::vec(("[a-z]{1,5}", any.clone()), 0..3)
        .prop_map(|m| m.into_iter().collect::<serde_json::Map<_, _>>());
    let group = (group, "[a-z ]{0,9}").prop_map(|(mut g, command)| {
        g.insert("hooks".into(), json!([{"type": "command", "command": command}]));
        Value::from(g)
    });
    let event = prop::sample::select(vec!["PreToolUse", "Stop", "Other"]);
    let hooks = prop::collection::btree_map(event, prop::collection::vec(group, 1..3), 1..3);
    (prop::collection::vec((".{0,6}", any), 0..4), prop::option::of(hooks)).prop_map(|(members, hooks)| {
        let mut map: serde_json::Map<_, _> = members.into_iter().filter(|(k, _)| k != "hooks").collect();
        if let Some(h) = hooks {
            map.insert("hooks".into(), json!(h));
        }
        map.into()
    })
}

proptest! {
    /// Whatever stands in a file and however it is written: in and out again gives the same bytes.
    #[test]
    fn in_and_out_gives_the_same_bytes(value in settings(), pretty in any::<bool>(), crlf in any::<bool>(), end in any::<bool>()) {
        let mut text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        if end {
            text.push('\n');
        }
        let after = installed(&text);
        let parsed: Value = serde_json::from_str(&after).unwrap();
        for (key, v) in value.as_object().unwrap().iter().filter(|(k, _)| *k != "hooks") {
            prop_assert_eq!(&parsed[key], v);
        }
        prop_assert_eq!(installed(&after), after.clone());
        prop_assert_eq!(without(&after, Form::Grouped, &is_own).unwrap(), text);
    }
}

/// A home with a client that tells its version.
struct Home(tempfile::TempDir);

impl Home {
    fn new(claude: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.path(".claude")).unwrap();
        fs::create_dir_all(home.path("bin")).unwrap();
        for program in ["claude", "codex"] {
            home.script(program, &format!("#!/bin/sh\necho '{claude} (client)'\n"));
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_causetrace"))
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    }
}

fn events(file: &Path) -> Vec<String> {
    let value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    value["hooks"].as_object().map(|h| h.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(unix)]
#[test]
fn through_a_symlink_with_mode_kept_and_back_byte_for_byte() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new("2.1.330");
    let (real, link) = (home.path("dotfiles.json"), home.path(".claude/settings.json"));
    let before = "{ \"a\": 1,\n\t\"hooks\": {} }";
    fs::write(&real, before).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let said = home.ok(&["install", "claude-code"]);
    assert!(said.contains("Claude Code 2.1.330: 10 events in ~/.claude/settings.json"), "{said}");
    assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(events(&real).contains(&"PostToolBatch".to_owned()));
    let after = fs::read(&real).unwrap();
    assert!(home.ok(&["install", "claude-code"]).contains("already registered"));
    assert_eq!(fs::read(&real).unwrap(), after);
    home.ok(&["uninstall", "claude-code"]);
    assert_eq!(fs::read_to_string(&real).unwrap(), before);
    assert!(home.ok(&["uninstall", "claude-code"]).contains("nothing of causetrace"));
    // no temporary file stays, and no copy of the settings
    assert_eq!(fs::read_dir(home.path(".claude")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(home.path(".causetrace/backups")).unwrap().count(), 0);
}

/// Killed while it writes: the settings are what they were, and what lies beside them goes with the next change.
#[cfg(unix)]
#[test]
fn what_a_killed_install_left_is_swept_up() {
    let home = Home::new("2.1.330");
    let settings = home.path(".claude/settings.json");
    fs::write(&settings, "{}").unwrap();
    let names = || {
        let entries = fs::read_dir(home.path(".claude")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    // no file may grow beyond one kilobyte: the backup does not, the settings do
    let killed = Command::new("bash")
        .args(["-c", "ulimit -f 1; exec \"$0\" install claude-code", env!("CARGO_BIN_EXE_causetrace")])
        .env_clear()
        .env("HOME", home.path(""))
        .env("PATH", format!("{}:/usr/bin:/bin", home.path("bin").display()))
        .status()
        .unwrap();
    assert!(killed.code().is_none() && names().len() == 2, "{killed} {:?}", names());
    assert_eq!(fs::read_to_string(&settings).unwrap(), "{}");
    // of a process that is at work, and of nobody
    let ours = format!(".settings.json.causetrace-{}", std::process::id());
    for name in [&ours, ".settings.json.causetrace-x", ".other.json.causetrace-999999999"] {
        fs::write(home.path(".claude").join(name), "").unwrap();
    }
    home.ok(&["install", "claude-code"]);
    assert!(events(&settings).contains(&"PostToolBatch".to_owned()));
    assert_eq!(names(), [".other.json.causetrace-999999999", &ours, ".settings.json.causetrace-x", "settings.json"]);
    fs::write(home.path(".claude/.settings.json.causetrace-999999999"), "").unwrap();
    home.ok(&["uninstall", "claude-code"]);
    assert_eq!(fs::read_to_string(&settings).unwrap(), "{}");
    assert_eq!(names(), [".other.json.causetrace-999999999", &ours, ".settings.json.causetrace-x", "settings.json"]);
}

#[test]
fn an_old_client_gets_only_what_it_knows() {
    let home = Home::new("2.1.100");
    home.ok(&["install", "claude-code"]);
    let known = events(&home.path(".claude/settings.json"));
    assert!(!known.contains(&"PostToolBatch".to_owned()) && known.contains(&"PostToolUseFailure".to_owned()));
    home.ok(&["uninstall", "claude-code"]);
    assert!(!home.path(".claude/settings.json").exists(), "there was no file before");
}

#[test]
fn a_changed_file_loses_only_our_entries() {
    let home = Home::new("2.1.330");
    let file = home.path(".claude/settings.json");
    fs::write(&file, "{\n  \"a\": 1\n}\n").unwrap();
    home.ok(&["install", "claude-code"]);
    let text = fs::read_to_string(&file).unwrap().replace("\"a\": 1", "\"a\": 2");
    fs::write(&file, text).unwrap();
    home.ok(&["uninstall", "claude-code"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"a\": 2\n}\n");
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let home = Home::new("2.1.330");
    let file = home.path(".claude/settings.json");
    fs::write(&file, "{\n  \"a\": 1\n}\n").unwrap();
    let said = home.ok(&["install", "claude-code", "--dry-run"]);
    assert!(said.contains("- \"a\": 1") || said.contains("-   \"a\": 1"), "{said}");
    assert!(said.contains("+     \"PreToolUse\": ["), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\n  \"a\": 1\n}\n");
    assert!(!home.path(".causetrace").exists());
}

#[test]
fn a_file_with_comments_is_refused_with_a_clear_message() {
    let home = Home::new("2.1.330");
    let file = home.path(".claude/settings.json");
    let text = "{\n  // my settings\n  \"a\": 1\n}\n";
    fs::write(&file, text).unwrap();
    let out = home.run(&["install", "claude-code"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("is left as it is") && said.contains("line 2 column 3: a comment?"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn the_python_tools_hook_goes_when_asked() {
    let home = Home::new("2.1.330");
    let file = home.path(".claude/settings.json");
    let python = json!({"hooks": {"PreToolUse": [{"matcher": "*", "hooks": [
        {"type": "command", "command": "/usr/bin/python3 -m causetrace.hooks.claude_code", "timeout": 5},
        {"type": "command", "command": "mine"}
    ]}]}});
    fs::write(&file, serde_json::to_string_pretty(&python).unwrap()).unwrap();
    assert!(home.ok(&["install", "claude-code"]).contains("--replace-python"));
    assert!(fs::read_to_string(&file).unwrap().contains("causetrace.hooks"));
    let said = home.ok(&["install", "claude-code", "--replace-python"]);
    assert!(said.contains("registered"), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("causetrace.hooks") && text.contains("\"mine\""));
    home.ok(&["uninstall", "claude-code"]);
    assert!(!fs::read_to_string(&file).unwrap().contains("causetrace"));
}

#[test]
fn codex_and_copilot_have_files_of_their_own() {
    let home = Home::new("0.169.0");
    let said = home.ok(&["install", "codex"]);
    assert!(said.contains("/hooks") && said.contains("0.169.0"), "{said}");
    assert!(events(&home.path(".codex/hooks.json")).contains(&"SessionEnd".to_owned()));
    home.ok(&["install", "copilot"]);
    assert_eq!(events(&home.path(".copilot/hooks/causetrace.json")), ["agentStop"]);
    home.ok(&["install", "copilot", "--project"]);
    let project = fs::read_to_string(home.path(".github/hooks/causetrace.json")).unwrap();
    assert!(project.contains("exec causetrace hook") && !project.contains("/target/"), "{project}");
    for agent in ["codex", "copilot"] {
        home.ok(&["uninstall", agent]);
    }
    assert!(!home.path(".codex/hooks.json").exists() && !home.path(".copilot/hooks/causetrace.json").exists());
    assert_eq!(home.run(&["install", "codex", "--local"]).status.code(), Some(2));
}

#[test]
fn vs_code_reads_the_hooks_of_copilot_cli() {
    let home = Home::new("1.0.102");
    let user = home.path(".config/Code/User");
    fs::create_dir_all(&user).unwrap();
    let said = home.ok(&["install", "copilot"]);
    let file = home.path(".copilot/hooks/causetrace.json");
    assert!(said.contains("VS Code"), "{said}");
    assert_eq!(events(&file), ["agentStop", "userPromptSubmitted", "preToolUse", "postToolUse"]);
    home.ok(&["uninstall", "copilot"]);
    assert!(!file.exists());
}

#[test]
fn an_old_codex_is_refused() {
    let home = Home::new("0.98.0");
    let out = home.run(&["install", "codex"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(!home.path(".codex/hooks.json").exists());
}

/// The command line that is written really records, and says nothing once the program is gone.
#[cfg(unix)]
#[test]
fn the_written_command_records_and_survives_the_programs_end() {
    use std::io::Write;
    use std::process::Stdio;
    let home = Home::new("2.1.330");
    let program = home.path("bin/causetrace");
    // by another process: what another thread starts meanwhile would inherit the copy, open for writing, which cannot be run
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_causetrace")).arg(&program).status().unwrap().success());
    let out = Command::new(&program)
        .args(["install", "claude-code"])
        .env("HOME", home.0.path())
        .env("PATH", format!("{}:/usr/bin:/bin", home.path("bin").display()))
        .output()
        .unwrap();
    assert!(out.status.success());
    let value: Value = serde_json::from_slice(&fs::read(home.path(".claude/settings.json")).unwrap()).unwrap();
    let command = value["hooks"]["Stop"][0]["hooks"][0]["command"].as_str().unwrap();
    let run = |payload: &[u8]| {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env_remove("CAUSETRACE_HOME")
            .env("HOME", home.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(payload).ok();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success() && out.stdout.is_empty() && out.stderr.is_empty(), "{out:?}");
    };
    run(br#"{"session_id":"s","hook_event_name":"UserPromptSubmit","prompt":"hello","prompt_id":"p"}"#);
    assert!(fs::read_to_string(home.path(".causetrace/data/s.jsonl")).unwrap().contains("hello"));
    fs::remove_file(&program).unwrap();
    run(b"{}");
}
