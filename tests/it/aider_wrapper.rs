//! `causetrace aider` around a script that stands for Aider.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A repository with a fake Aider before everything else on PATH.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["home", "bin", "repo"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let place = Self { dir };
        let program = place.path("bin/aider");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for args in [&["init", "-q"][..], &["commit", "-q", "--allow-empty", "-m", "Start"]] {
            assert!(place.git(args).status.success());
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command
            .env_clear()
            .current_dir(self.path("repo"))
            .env("HOME", self.path("home"))
            .env("PATH", path)
            .env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn git(&self, args: &[&str]) -> Output {
        let name = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"];
        self.command("git").args(name).args(args).output().unwrap()
    }

    fn causetrace(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_causetrace"));
        command.args(args);
        command
    }

    fn aider(&self, args: &[&str]) -> Output {
        self.causetrace(&[&["aider", "--"], args].concat()).output().unwrap()
    }

    /// The folders of the runs.
    fn runs(&self) -> Vec<PathBuf> {
        let list = |dir: &Path| -> Vec<PathBuf> { fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect() };
        let histories = list(&self.path("home/.causetrace/aider"));
        histories.iter().flat_map(|h| list(h)).filter(|p| p.is_dir()).collect()
    }

    /// What was written of the only run.
    fn run(&self) -> Value {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        let text = fs::read_to_string(runs[0].join("run.jsonl")).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Waits until `done`, at most ten seconds.
fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn arguments_output_and_exit_code_pass_through() {
    let place = Place::new("printf '%s|' \"$@\"; echo problem >&2; exit 7");
    let out = place.aider(&["--model", "a b", "--json", "x.py", "--", "-y"]);
    assert_eq!((text(&out.stdout), text(&out.stderr)), ("--model|a b|--json|x.py|--|-y|", "problem\n"));
    assert_eq!(out.status.code(), Some(7));
    let run = place.run();
    assert_eq!((&run["exit_code"], &run["signal"]), (&7.into(), &Value::Null));
    assert_eq!(run["args"][1], "a b");
}

#[test]
fn what_the_user_has_not_set_goes_to_private_files() {
    let place = Place::new(
        "echo \"$AIDER_LLM_HISTORY_FILE\"; echo \"$AIDER_ANALYTICS_LOG\"; echo \"$GIT_TRACE2_EVENT\"; umask 0; echo x >> \"$AIDER_LLM_HISTORY_FILE\"",
    );
    let out = place.aider(&[]);
    let folder = place.runs().remove(0);
    let expected = ["llm.history", "analytics.jsonl", "git.trace2.jsonl"].map(|n| folder.join(n));
    assert_eq!(text(&out.stdout).lines().map(PathBuf::from).collect::<Vec<_>>(), expected);
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    for file in &expected {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    for dir in folder.ancestors().take_while(|d| *d != place.path("home")) {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    let left: Vec<_> = fs::read_dir(place.path("repo")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".git"], "nothing is left in the repository");
}

#[test]
fn the_users_own_settings_stay() {
    let place =
        Place::new("echo \"${AIDER_LLM_HISTORY_FILE-unset} ${AIDER_ANALYTICS_LOG-unset} ${GIT_TRACE2_EVENT-unset}\"");
    fs::write(place.path("repo/.aider.conf.yml"), "llm-history-file: mine.llm\n").unwrap();
    let mut command = place.causetrace(&["aider", "--", "--analytics-log", "mine.jsonl"]);
    let out = command.env("GIT_TRACE2_EVENT", "/dev/null").output().unwrap();
    assert_eq!(text(&out.stdout), "unset unset /dev/null\n");
    let run = place.run();
    let own = |name: &str| place.path("repo").join(name).to_string_lossy().into_owned();
    assert_eq!((&run["llm"], &run["analytics"]), (&own("mine.llm").into(), &own("mine.jsonl").into()));
}

#[test]
fn a_missing_aider_is_said() {
    let place = Place::new("");
    fs::remove_file(place.path("bin/aider")).unwrap();
    let git = Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    let git = Path::new(text(&git).trim()).parent().unwrap().to_owned();
    if git.join("aider").exists() {
        return;
    }
    let out = place.causetrace(&["aider", "--", "x"]).env("PATH", git).output().unwrap();
    assert_eq!(out.status.code(), Some(127));
    assert!(text(&out.stderr).starts_with("error: aider is not on PATH\nhint: install it"), "{}", text(&out.stderr));
    assert!(!place.path("home/.causetrace").exists());
}

#[test]
fn signals_pass_through() {
    // ended by a signal: so is the wrapper
    let place = Place::new("kill -INT $$");
    assert_eq!(place.aider(&[]).status.signal(), Some(2));
    assert_eq!(place.run()["signal"], 2);
    let place = Place::new("kill -KILL $$");
    let status = place.aider(&[]).status;
    assert!(status.signal() == Some(9) || status.code() == Some(137), "{status:?}");

    // sent to the wrapper alone: passed on; the program decides
    let place = Place::new(
        "trap 'echo bye; exit 3' TERM; trap 'echo up' HUP; echo ready > ready; while :; do sleep 0.05; done",
    );
    let child = place.causetrace(&["aider", "--"]).spawn().unwrap();
    until("the script runs", || place.path("repo/ready").exists());
    send(&child, "-HUP");
    send(&child, "-INT");
    std::thread::sleep(Duration::from_millis(300));
    send(&child, "-TERM");
    let out = child.wait_with_output().unwrap();
    assert_eq!((text(&out.stdout), out.status.code()), ("up\nbye\n", Some(3)));
}

/// Ctrl-C goes to the whole group: Aider outlives the first one, and so does the wrapper.
#[test]
fn it_stays_in_the_process_group_and_outlives_ctrl_c() {
    use std::os::unix::process::CommandExt as _;
    let place = Place::new(
        "trap 'echo once' INT; ps -o pgid= -p $$ | tr -d ' ' > group; while [ ! -e stop ]; do sleep 0.05; done; exit 4",
    );
    let mut command = place.causetrace(&["aider", "--"]);
    let child = command.process_group(0).spawn().unwrap();
    let group = place.path("repo/group");
    until("the script runs", || fs::read_to_string(&group).is_ok_and(|t| t.ends_with('\n')));
    assert_eq!(fs::read_to_string(&group).unwrap().trim(), child.id().to_string());
    assert!(Command::new("kill").args(["-INT", "--", &format!("-{}", child.id())]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(200));
    // stopped and continued as a group, as ctrl-Z and fg do
    for signal in ["-TSTP", "-CONT"] {
        assert!(Command::new("kill").args([signal, "--", &format!("-{}", child.id())]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(100));
    }
    fs::write(place.path("repo/stop"), "").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!((text(&out.stdout), out.status.code()), ("once\n", Some(4)));
}

/// A whole run: what Aider and git write becomes one session, before the wrapper is back; reading it again adds nothing.
#[test]
fn a_run_lands_in_the_store() {
    let script = r##"
now=$(date -u +%Y-%m-%d\ %H:%M:%S)
{ printf '\n# aider chat started at %s\n\n' "$now"
  printf '> /bin/aider  \n> Aider v0.86.2  \n> Main model: m with diff edit format  \n\n#### Add a.  \n\n'; } >> .aider.chat.history.md
printf '\n# %s.000001\n+Add a.\n' "$now" >> .aider.input.history
stamp=$(date -u +%Y-%m-%dT%H:%M:%S)
printf 'TO LLM %s\n-------\nSYSTEM s\n-------\nUSER Add a.\n' "$stamp" >> "$AIDER_LLM_HISTORY_FILE"
printf '{"event":"message_send_starting","properties":{},"time":%s}\n' "$(date +%s)" >> "$AIDER_ANALYTICS_LOG"
reply='Here.\n\na.py\n```\n<<<<<<< SEARCH\n=======\na = 1\n>>>>>>> REPLACE\n```'
printf "LLM RESPONSE $stamp\n" >> "$AIDER_LLM_HISTORY_FILE"
printf "$reply\n" | sed 's/^/ASSISTANT /' >> "$AIDER_LLM_HISTORY_FILE"
printf '{"event":"message_send","properties":{"prompt_tokens":20,"completion_tokens":7,"cost":0.5},"time":1}\n' >> "$AIDER_ANALYTICS_LOG"
printf "$reply\n\n" >> .aider.chat.history.md
echo 'a = 1' > a.py
git add a.py; git -c user.name=Dev -c user.email=d@e commit -q -m 'feat: add a' -m 'Co-authored-by: aider'
printf '> Applied edit to a.py  \n> Commit %s feat: add a  \n' "$(git rev-parse --short HEAD)" >> .aider.chat.history.md
"##;
    let place = Place::new(script);
    let out = place.aider(&[]);
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), ""));
    let stored = || -> Vec<PathBuf> {
        fs::read_dir(place.path("home/.causetrace/data")).unwrap().map(|e| e.unwrap().path()).collect()
    };
    assert_eq!(stored().len(), 1);
    let before = fs::read_to_string(&stored()[0]).unwrap();

    let tree = place.causetrace(&["tree", "--json"]).output().unwrap();
    let tree: Value = serde_json::from_slice(&tree.stdout).unwrap();
    let events = tree.as_array().unwrap();
    let is = |e: &Value, kind: &str| e["event_type"] == kind || e["tool_name"] == kind;
    let of = |kind: &str| events.iter().find(|e| is(e, kind)).unwrap_or_else(|| panic!("{kind}: {tree:#}"));
    let (prompt, message, edit, commit) = (of("user_input"), of("message"), of("edit"), of("commit"));
    assert_eq!(message["parent_event_id"], prompt["event_id"]);
    assert_eq!(message["usage"]["input"], 20);
    assert_eq!((&edit["parent_event_id"], &edit["status"]), (&message["event_id"], &"ok".into()));
    assert_eq!(commit["parent_event_id"], edit["event_id"]);
    for e in events {
        assert!(e["timestamp"].is_string(), "{e}");
    }
    let head = text(&place.git(&["rev-parse", "HEAD"]).stdout).trim().to_owned();
    assert_eq!(commit["commit"], head.as_str());
    assert_eq!(place.run()["head_after"], head.as_str());

    for hash in [&head[..], &head[..7], &head[..12]] {
        let why = place.causetrace(&["why", hash]).output().unwrap();
        let why = text(&why.stdout);
        assert!(why.starts_with(&format!("commit {hash} was made by")) && why.contains("Add a."), "{why}");
    }
    let blame = place.causetrace(&["blame", "a.py"]).output().unwrap();
    assert!(text(&blame.stdout).contains("aider"), "{}", text(&blame.stdout));
    let again = place.causetrace(&["import", "aider"]).output().unwrap();
    assert_eq!(text(&again.stdout), "nothing new\n");
    assert_eq!(fs::read_to_string(&stored()[0]).unwrap(), before);
}

/// An Aider that was started and left is not what somebody looks for, and one belongs to its whole repository.
#[test]
fn the_newest_session_with_something_in_it_wherever_in_the_repository() {
    let place = Place::new("exit 0");
    let history = place.path("repo/.aider.chat.history.md");
    let sub = place.path("repo/deep/sub");
    fs::create_dir_all(&sub).unwrap();
    let asked = "\n# aider chat started at 2026-01-01 10:00:00\n\n#### Asked of Aider.  \n\nDone.\n\n";
    let empty = "\n# aider chat started at 2026-01-01 11:00:00\n\n> Aider v0.86.2  \n";
    fs::write(&history, format!("{asked}{empty}")).unwrap();
    let input = place.path("repo/.aider.input.history");
    fs::write(&input, "\n# 2026-01-01 10:00:05.000000\n+Asked of Aider.\n").unwrap();
    // its last entry was written by the clock of its time: so the zone is known, and the times are
    let typed = std::time::UNIX_EPOCH + Duration::from_secs(1_767_261_605);
    fs::File::options().write(true).open(&input).unwrap().set_modified(typed).unwrap();
    let tree = |folder: &Path| {
        let out = place.causetrace(&["tree"]).current_dir(folder).output().unwrap();
        (text(&out.stdout).to_owned(), text(&out.stderr).to_owned())
    };
    for folder in [place.path("repo"), sub.clone()] {
        let (out, note) = tree(&folder);
        assert!(out.contains("Asked of Aider.") && note.is_empty(), "{out}{note}");
    }
    // an older session of another agent in the very folder
    let line = serde_json::json!({"type": "user", "uuid": "u", "sessionId": "0a1b2c3d-0000-4000-8000-000000000001",
        "cwd": fs::canonicalize(&sub).unwrap(), "timestamp": "2020-01-01T00:00:00Z", "message": {"role": "user", "content": "Asked of Claude."}});
    let session = place.path("home/.claude/projects/-sub/0a1b2c3d-0000-4000-8000-000000000001.jsonl");
    fs::create_dir_all(session.parent().unwrap()).unwrap();
    fs::write(&session, format!("{line}\n")).unwrap();
    fs::File::options()
        .write(true)
        .open(&session)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_577_836_800))
        .unwrap();
    let (out, _) = tree(&sub);
    assert!(out.contains("Asked of Aider."), "{out}");
    // where there is nothing else, the empty one is shown
    fs::write(&history, empty).unwrap();
    let (out, _) = tree(&place.path("repo"));
    assert!(out.contains("aider"), "{out}");
}
