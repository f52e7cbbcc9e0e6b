//! Lines of files and their events, over a repository in which an agent, a person and git were at work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

/// A home with one repository and the transcripts of Claude Code.
struct Machine {
    dir: tempfile::TempDir,
}

/// One session as Claude Code 2.1 writes it.
struct Session {
    id: &'static str,
    day: u32,
    cwd: PathBuf,
    lines: Vec<Value>,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir_all(machine.repo()).unwrap();
        machine.git(&["init", "-q", "-b", "main", "."]);
        machine
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.repo().join(name), content).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        let out = Command::new("git")
            .args(["-c", "user.name=Ann Example", "-c", "user.email=ann@example.org", "-c", "core.abbrev=7"])
            .args(args)
            .current_dir(self.repo())
            .env("HOME", self.dir.path())
            .env("GIT_AUTHOR_DATE", "2025-11-03T10:00:00Z")
            .env("GIT_COMMITTER_DATE", "2025-11-03T10:00:00Z")
            .output()
            .unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    fn session(&self, id: &'static str, day: u32) -> Session {
        Session { id, day, cwd: self.repo(), lines: Vec::new() }
    }

    /// The program in the repository.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_causetrace"));
        command
            .args(args)
            .current_dir(self.repo())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TZ", "UTC")
            .env("COLUMNS", "100");
        command
    }

    /// Runs it; the path of this machine is replaced.
    fn run(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        let mut text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap();
        if !out.status.success() {
            text.push_str(&format!("[exit {}]\n", out.status.code().unwrap()));
        }
        text.replace(self.dir.path().to_str().unwrap(), "~").lines().map(|l| l.trim_end().to_owned() + "\n").collect()
    }

    fn check(&self, args: &[&str], expected: &Expect) {
        expected.assert_eq(&self.run(args));
    }
}

impl Session {
    fn line(&mut self, mut record: Value) {
        let n = self.lines.len();
        let before = n.checked_sub(1).map(|p| format!("{}-{p}", self.id));
        let common = json!({"parentUuid": before, "uuid": format!("{}-{n}", self.id), "sessionId": self.id, "version": "2.1.197",
            "cwd": self.cwd, "timestamp": format!("2025-01-{:02}T10:{:02}:{:02}.000Z", self.day, n / 60, n % 60), "isSidechain": false});
        record.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        self.lines.push(record);
    }

    fn prompt(&mut self, text: &str) {
        self.line(json!({"type": "user", "message": {"role": "user", "content": text}}));
    }

    /// A call with its result.
    fn call(&mut self, tool: &str, input: &Value, output: &str, failed: bool) {
        let id = format!("toolu_{}_{}", self.id, self.lines.len());
        self.line(
            json!({"type": "assistant", "message": {"id": format!("msg_{id}"), "role": "assistant", "model": "m",
            "content": [{"type": "tool_use", "id": id, "name": tool, "input": input}]}}),
        );
        self.line(json!({"type": "user", "message": {"role": "user",
            "content": [{"type": "tool_result", "tool_use_id": id, "content": output, "is_error": failed}]}}));
    }

    /// An edit, made on the file too.
    fn edit(&mut self, file: &str, old: &str, new: &str) {
        let path = self.cwd.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&path, text.replacen(old, new, 1)).unwrap();
        self.call("Edit", &json!({"file_path": path, "old_string": old, "new_string": new}), "updated", false);
    }

    fn save(self, home: &Path) {
        let dir = home.join(".claude/projects/repo");
        fs::create_dir_all(&dir).unwrap();
        let text: String = self.lines.iter().map(|l| format!("{l}\n")).collect();
        fs::write(dir.join(format!("{}.jsonl", self.id)), text).unwrap();
    }
}

/// The story that the project began with: an agent deletes a line because of a failing test; days later somebody asks why.
fn story() -> Machine {
    let m = Machine::new();
    m.write(
        "total.py",
        "def total(items):\n    items = sorted(items)\n    del items[0]\n    return sum(items)\n\n\ndef mean(items):\n    return total(items) / len(items)\n",
    );
    m.git(&["add", "."]);
    m.git(&["commit", "-q", "-m", "Begin"]);
    let mut s = m.session("aaaa1111", 5);
    s.prompt("The totals on the invoices are too low. Please fix that.");
    let path = m.repo().join("total.py");
    s.call("Grep", &json!({"pattern": "def total"}), "total.py:1:def total(items):", false);
    s.call("Bash", &json!({"command": "python3 -m pytest tests/test_total.py"}), "tests/test_total.py:4: in test_total\n    assert total([1, 2, 3]) == 6\nE   assert 5 == 6\nFAILED tests/test_total.py::test_total - assert 5 == 6", true);
    s.call("Read", &json!({"file_path": path}), "     1\tdef total(items):\n     2\t    items = sorted(items)\n     3\t    del items[0]\n     4\t    return sum(items)", false);
    s.edit("total.py", "    del items[0]\n", "");
    s.call("Bash", &json!({"command": "python3 -m pytest tests/test_total.py"}), "1 passed", false);
    s.edit("total.py", "sum(items)", "sum(items, start=0)");
    // a person's change that goes into the agent's commit
    let text = fs::read_to_string(&path).unwrap();
    m.write("total.py", &text.replace("sorted(items)", "list(items)"));
    m.git(&["commit", "-q", "-a", "-m", "Totals hold all items"]);
    let hash = m.git(&["rev-parse", "--short=7", "HEAD"]);
    let said = format!("[main {hash}] Totals hold all items\n 1 file changed, 1 insertion(+), 2 deletions(-)");
    s.call("Bash", &json!({"command": "git commit -am 'Totals hold all items'"}), &said, false);
    s.save(m.dir.path());
    m
}

#[test]
fn why_did_it_delete_this_line() {
    let m = story();
    m.check(
        &["why", "--removed", "del items[0]"],
        &expect![[r#"
            “del items[0]” was removed from ~/repo/total.py by

            6 ● Edit total.py +0 −1
                ← #4 went wrong, this answers it 93%: “assert total([1, 2, 3]) == 6” (output:2)
                ← #5 gave what it uses 98%: “del items[0]” (output:3)

            5 ● Read total.py
                ← #4 went wrong, this answers it 98%
                ← #3 gave what it uses 80%: “total.py” (output:1)

            4 ✗ $ python3 -m pytest tests/test_total.py  failed
                ← #3 came just before; nothing else speaks for it 62%

            3 ● Grep “def total”
                ← #2 asked for it 97%

            2 ◆ The totals on the invoices are too low. Please fix that.
        "#]],
    );
}

#[test]
fn lines_name_their_edit_and_what_no_event_wrote_its_commit() {
    let m = story();
    // a person's line that is not committed, and one that git knows
    let text = fs::read_to_string(m.repo().join("total.py")).unwrap();
    m.write("total.py", &text.replace("def mean", "# by hand\ndef mean"));
    let text = m.run(&["blame", "total.py"]);
    // the README shows this very output
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("$ causetrace blame total.py\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    assert_eq!(text, shown);
    let commits = m.git(&["log", "--format=%H"]);
    let named = commits.lines().zip(["<2nd...>", "<1st...>"]);
    let text = named.fold(text, |t, (hash, name)| t.replace(&hash[..8], name));
    expect![[r#"
        <1st...> Ann Example 2025-11-03   1  def total(items):
        <2nd...> Ann Example 2025-11-03   2      items = list(items)
        24daf119 claude-code 2025-01-05   3      return sum(items, start=0)
        <1st...> Ann Example 2025-11-03   4
        │                                 5
        unknown                           6  # by hand
        <1st...> Ann Example 2025-11-03   7  def mean(items):
        │                                 8      return total(items) / len(items)

        1 of 8 lines by 2 recorded edits; `causetrace why total.py:LINE` tells why
        commit <2nd...> was made by 6ecd129a of claude-code: Totals hold all items
    "#]]
    .assert_eq(&text);
    m.check(
        &["why", "total.py:3"],
        &expect![[r#"
            “return sum(items, start=0)” (total.py:3) was written by

            8 ● Edit total.py +1 −1
                ← #2 asked for it 95%
                ← #5 gave what it uses 88%: “sum(items)” (output:4)

            5 ● Read total.py
                ← #4 went wrong, this answers it 98%: “assert total([1, 2, 3]) == 6” (output:2)
                ← #3 gave what it uses 80%: “total.py” (output:1)

            4 ✗ $ python3 -m pytest tests/test_total.py  failed
                ← #3 came just before; nothing else speaks for it 62%

            3 ● Grep “def total”
                ← #2 asked for it 97%

            2 ◆ The totals on the invoices are too low. Please fix that.
        "#]],
    );
    // negative controls: a person's lines, one of them in a commit that the agent made
    let text = m.run(&["why", "total.py:2"]);
    assert!(text.starts_with("error: no recorded event surely wrote total.py:2\n"), "{text}");
    assert!(text.contains("claude-code made that commit: causetrace why "), "{text}");
    let text = m.run(&["why", "total.py:6"]);
    assert!(
        text.starts_with("error: no recorded event surely wrote total.py:6\n") && text.ends_with("[exit 1]\n"),
        "{text}"
    );
}

#[test]
fn files_that_no_agent_touched_have_no_events() {
    let m = story();
    // the same text in another file, and a file of the same name elsewhere
    fs::create_dir(m.repo().join("other")).unwrap();
    m.write("other/total.py", "def total(items):\n    return sum(items, start=0)\n");
    m.write("copy.py", "    return sum(items, start=0)\n");
    for file in ["other/total.py", "copy.py"] {
        let rows: Value = serde_json::from_str(&m.run(&["blame", "--json", file])).unwrap();
        let rows = rows.as_array().unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|r| r["event_id"].is_null()), "{file}: {rows:?}");
    }
}

#[test]
fn an_id_that_blame_shows_is_taken_by_all_commands() {
    let m = story();
    let rows: Value = serde_json::from_str(&m.run(&["blame", "--json", "total.py:3"])).unwrap();
    let id = rows[0]["event_id"].as_str().unwrap().to_owned();
    // a newer session of the same directory
    let mut s = m.session("bbbb2222", 9);
    s.prompt("hello");
    s.save(m.dir.path());
    assert!(m.run(&["tree"]).contains("hello"));
    let shown = m.run(&["show", &id[..8]]);
    assert!(shown.contains("aaaa1111") && shown.contains("start=0"), "{shown}");
}

#[test]
fn a_session_of_the_repository_is_found_from_a_folder_of_it() {
    let m = story();
    let mut s = Session { cwd: m.dir.path().to_owned(), ..m.session("cccc3333", 20) };
    s.prompt("elsewhere, and newer");
    s.save(m.dir.path());
    fs::create_dir(m.repo().join("deep")).unwrap();
    let out = m.command(&["tree"]).current_dir(m.repo().join("deep")).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("aaaa1111") && out.stderr.is_empty(), "{text}");
}

#[test]
fn a_file_keeps_its_history_through_a_renaming_patch() {
    let m = Machine::new();
    let dir = m.dir.path().join(".codex/sessions/2026/01/05");
    fs::create_dir_all(&dir).unwrap();
    let meta = json!({"timestamp": "2026-01-05T10:00:00.000Z", "type": "session_meta", "payload": {"id": "019b0000-0000-7000-8000-000000000001",
        "timestamp": "2026-01-05T10:00:00.000Z", "cwd": m.repo(), "originator": "codex_cli_rs", "cli_version": "0.130.0"}});
    let mut lines = vec![meta];
    let patches = [
        "*** Begin Patch\n*** Add File: old.py\n+def first_of(items):\n+    return items[0]\n*** End Patch\n",
        "*** Begin Patch\n*** Update File: old.py\n*** Move to: new.py\n@@\n def first_of(items):\n-    return items[0]\n+    return next(iter(items))\n*** End Patch\n",
        "*** Begin Patch\n*** Add File: old.py\n+def first_of(items):\n+    raise NotImplementedError\n*** End Patch\n",
    ];
    for (n, patch) in patches.iter().enumerate() {
        let at = |s: usize| format!("2026-01-05T10:0{n}:0{s}.000Z");
        let id = format!("call_{n}");
        lines.push(json!({"timestamp": at(1), "type": "response_item", "payload": {"type": "custom_tool_call", "call_id": id, "name": "apply_patch", "input": patch, "status": "completed"}}));
        lines.push(json!({"timestamp": at(2), "type": "response_item", "payload": {"type": "custom_tool_call_output", "call_id": id, "output": "Success."}}));
    }
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    fs::write(dir.join("rollout-2026-01-05T10-00-00-019b0000-0000-7000-8000-000000000001.jsonl"), text).unwrap();
    m.write("new.py", "def first_of(items):\n    return next(iter(items))\n");
    let rows: Value = serde_json::from_str(&m.run(&["blame", "--json", "new.py"])).unwrap();
    let ids: Vec<_> = rows.as_array().unwrap().iter().map(|r| r["event_id"].clone()).collect();
    let event = |n: usize| {
        Value::from(causetrace::id::call("codex", "019b0000-0000-7000-8000-000000000001", &format!("call_{n}")))
    };
    assert_eq!(ids, [event(0), event(1)]);
}

#[test]
fn what_a_command_wrote_is_its_own_where_the_command_holds_the_text() {
    let m = Machine::new();
    let mut s = m.session("dddd4444", 6);
    s.prompt("Set it up.");
    let run = |s: &mut Session, command: &str| {
        let done = Command::new("bash").args(["-c", command]).current_dir(m.repo()).output().unwrap();
        s.call("Bash", &json!({ "command": command }), "", !done.status.success());
    };
    run(&mut s, "mkdir src && cat > src/old.py <<'EOF'\nlimit = 10\ndef over(n):\n    return n > limit\nEOF");
    run(&mut s, "sed -i 's/limit = 10/limit = 12/' src/old.py");
    run(&mut s, "cd src\ncat >> old.py <<'EOF'\ndef under(n):\n    return not over(n)\nEOF");
    run(&mut s, "git mv src/old.py src/new.py || mv src/old.py src/new.py");
    // the same text by a command that failed
    s.call("Bash", &json!({"command": "cat > copy.py <<'EOF'\nlimit = 12\nEOF"}), "denied", true);
    s.save(m.dir.path());
    m.write("copy.py", "limit = 12\n");
    let text = m.run(&["blame", "src/new.py"]);
    let ids: Vec<&str> = text.lines().map(|l| l.split_whitespace().next().unwrap_or("")).take(5).collect();
    let event =
        |n: usize| causetrace::id::call("claude-code", "dddd4444", &format!("toolu_dddd4444_{n}"))[..8].to_owned();
    assert_eq!(ids, [event(3).as_str(), &event(1), "│", &event(5), "│"], "{text}");
    assert!(m.run(&["blame", "copy.py"]).contains("0 of 1 line by 0 recorded edits"));
}
