//! What stands where a session file is expected: folders, pipes, links in a circle, files that change while they are read.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use causetrace::event::Event;
use causetrace::source;
use causetrace::store::Store;

use super::samples::{Form, Planted, SAMPLES};

/// Runs something that must come to an end.
pub fn ends<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(run()).ok());
    told.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|e| panic!("{what}: {e}"))
}

#[cfg(unix)]
pub fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Reads and looks, in time; what was read.
fn all_of(what: &str, planted: Planted) -> (Vec<Event>, Option<source::Report>, Planted) {
    ends(what, move || {
        planted.look_at();
        let (events, report) = planted.read();
        (events, report, planted)
    })
}

#[test]
fn a_folder_where_a_file_is_expected() {
    for s in SAMPLES {
        let p = s.plant();
        fs::remove_file(&p.file).unwrap();
        fs::create_dir(&p.file).unwrap();
        let (events, report, _) = all_of(s.path, p);
        assert!(events.is_empty() && report.is_none(), "{}", s.path);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_where_a_file_is_expected() {
    for s in SAMPLES {
        let p = s.plant();
        fs::remove_file(&p.file).unwrap();
        pipe(&p.file);
        let (events, report, p) = all_of(s.path, p);
        assert!(events.is_empty() && report.is_none(), "{}", s.path);
        // what the user names is refused with a reason
        let error = ends("claim", move || format!("{:#}", source::claim(&p.file).map(drop).unwrap_err()));
        assert!(error.contains("no plain file"), "{error}");
    }
}

/// Files that belong to sessions, below the home folder.
const COMPANIONS: &[&str] = &[
    ".aider.input.history",
    ".aider.llm.history",
    ".aider.conf.yml",
    ".causetrace/aider/x/chat",
    ".continue/sessions/sessions.json",
    ".continue/logs/cn.log",
    ".continue/dev_data/0.2.0/toolUsage.jsonl",
    ".continue/dev_data/0.2.0/chatInteraction.jsonl",
    ".copilot/session-state/3b8fabca-aeb7-4d18-8969-a1c72c5a3b4d/workspace.yaml",
    ".config/Code/User/workspaceStorage/0f/workspace.json",
    ".config/Code/User/workspaceStorage/0f/GitHub.copilot-chat/transcripts/aaaaaaaa-0000-4000-8000-00000000000a.jsonl",
    ".config/Code/User/workspaceStorage/0f/GitHub.copilot-chat/debug-logs/aaaaaaaa-0000-4000-8000-00000000000a/main.jsonl",
    ".config/Code/User/workspaceStorage/0f/GitHub.copilot-chat/debug-logs/aaaaaaaa-0000-4000-8000-00000000000a/runSubagent-a.jsonl",
];

/// Pipes beside the files that belong to a session: of sub-agents, of a database's log, of what says when things happened.
#[cfg(unix)]
#[test]
fn pipes_beside_the_file() {
    for s in SAMPLES {
        let p = s.plant();
        let folder = p.file.parent().unwrap().to_owned();
        let agents = p.file.with_extension("").join("subagents");
        fs::create_dir_all(&agents).unwrap();
        let name = p.file.file_name().unwrap().to_str().unwrap().to_owned();
        for beside in [folder.join("agent-x.jsonl"), agents.join("agent-y.jsonl"), folder.join("z.jsonl")] {
            pipe(&beside);
        }
        for beside in COMPANIONS.iter().map(|c| p.home.path().join(c)).filter(|c| !c.exists()) {
            fs::create_dir_all(beside.parent().unwrap()).unwrap();
            pipe(&beside);
        }
        fs::write(agents.join("agent-w.jsonl"), "").unwrap();
        pipe(&agents.join("agent-w.meta.json"));
        if s.form == Form::Database {
            for ending in ["-wal", "-shm", "-journal"] {
                pipe(&folder.join(format!("{name}{ending}")));
            }
        }
        let (events, report, _) = all_of(s.path, p);
        assert!(events.len() > 4 && report.is_some(), "{}: {}", s.path, events.len());
    }
}

/// A folder that contains itself, twice: following the links would take for ever.
#[cfg(unix)]
#[test]
fn links_in_a_circle() {
    use std::os::unix::fs::symlink;
    for s in SAMPLES {
        let p = s.plant();
        let agents = p.file.with_extension("").join("subagents");
        fs::create_dir_all(&agents).unwrap();
        let mut folders = vec![agents];
        folders.extend(p.file.ancestors().skip(1).take_while(|a| *a != p.home.path()).map(Path::to_owned));
        for folder in &folders {
            symlink(folder, folder.join("round")).unwrap();
            symlink(folder, folder.join("and round")).unwrap();
            symlink("nowhere.jsonl", folder.join("nowhere.jsonl")).unwrap();
        }
        let (events, _, p) = all_of(s.path, p);
        assert!(events.len() > 4, "{}", s.path);
        fs::remove_file(&p.file).unwrap();
        symlink(&p.file, &p.file).unwrap();
        let (events, report, _) = all_of(s.path, p);
        assert!(events.is_empty() && report.is_none(), "{}", s.path);
    }
}

/// A file without permission, seen by root (who may read it) and by others (who are told).
#[cfg(unix)]
#[test]
fn a_file_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    for s in SAMPLES {
        let p = s.plant();
        fs::set_permissions(&p.file, fs::Permissions::from_mode(0o000)).unwrap();
        let readable = fs::File::open(&p.file).is_ok();
        let (events, report, p) = all_of(s.path, p);
        assert_eq!((!events.is_empty(), report.is_some()), (readable, readable), "{}", s.path);
        assert!(readable || format!("{:#}", source::claim(&p.file).map(drop).unwrap_err()).contains("cannot open"));
    }
}

/// While one thread changes the file, another reads it again and again.
fn while_changing(change: fn(&Path, &[u8], u64)) {
    for s in SAMPLES {
        let p = s.plant();
        let (whole, _) = p.read();
        let (file, content) = (p.file.clone(), p.content.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let changer = std::thread::spawn(move || {
            // not for ever where the reader fails
            for n in 0..100_000 {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                change(&file, &content, n);
            }
        });
        let p = ends(s.path, move || {
            for _ in 0..8 {
                p.look_at();
                p.read();
            }
            p
        });
        stop.store(true, Ordering::Relaxed);
        changer.join().unwrap();
        // and after all that it is what it was
        let (now, report) = p.read_as(&p.content);
        assert_eq!((now.len(), report.unwrap().bad_count), (whole.len(), 0), "{}", s.path);
    }
}

#[test]
fn a_file_that_grows_while_it_is_read() {
    while_changing(|file, content, n| {
        // ever faster than it can be read, up to what a disk should bear
        if n < 30 {
            let mut f = fs::OpenOptions::new().append(true).open(file).unwrap();
            f.write_all(&content.repeat(8)).unwrap();
        }
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_read() {
    while_changing(|file, content, n| {
        let f = fs::OpenOptions::new().write(true).open(file).unwrap();
        if n % 5 == 4 {
            fs::write(file, content.repeat(5)).unwrap();
        } else {
            f.set_len(content.len() as u64 * (4 - n % 5) / 5).unwrap();
        }
    });
}

#[test]
fn a_file_that_is_replaced_while_it_is_read() {
    while_changing(|file, content, n| {
        let new = file.with_extension("new");
        fs::write(&new, if n % 2 == 0 { content } else { b"{}\n" }).unwrap();
        fs::rename(&new, file).unwrap();
    });
}

/// A reader that never comes to the end of a file that somebody fills.
#[test]
fn what_is_added_meanwhile_is_left_for_the_next_time() {
    for s in SAMPLES.iter().filter(|s| s.form == Form::JsonLines) {
        let p = s.plant();
        let before = fs::metadata(&p.file).unwrap().len();
        let mut told = 0;
        let mut grow = fs::OpenOptions::new().append(true).open(&p.file).unwrap();
        let (mut lines, copies) = (0u64, 3000);
        // each event that is told adds the whole file once more
        p.source
            .read(&p.transcripts[0], &mut |_| {
                told += 1;
                if lines < copies {
                    lines += 1;
                    grow.write_all(&p.content).unwrap();
                }
            })
            .unwrap();
        assert!(fs::metadata(&p.file).unwrap().len() > 2 * before);
        assert!(told < 30, "{}: {told} events of a file that grew while it was read", s.path);
    }
}

/// Ids in a storage folder that lead out of it.
#[test]
fn ids_with_separators_stay_in_their_folder() {
    let home = tempfile::tempdir().unwrap();
    let storage = home.path().join("storage");
    let other = home.path().join("private");
    for dir in [&storage.join("session/p"), &storage.join("message/ses_1"), &storage.join("part"), &other] {
        fs::create_dir_all(dir).unwrap();
    }
    let secret = r#"{"id":"prt_1","type":"text","text":"private words"}"#;
    fs::write(other.join("x.json"), secret).unwrap();
    fs::write(storage.join("session/p/ses_1.json"), r#"{"id":"ses_1","directory":"/w"}"#).unwrap();
    for id in ["../../private", other.to_str().unwrap(), "..", "."] {
        let message = serde_json::json!({"id": id, "role": "user", "time": {"created": 1}});
        fs::write(storage.join("message/ses_1/m.json"), message.to_string()).unwrap();
        let (source, transcripts) = source::claim(&storage).unwrap().unwrap();
        let mut said = String::new();
        source.read(&transcripts[0], &mut |e| said.push_str(&e.to_line())).unwrap();
        assert!(said.contains("ses_1") && !said.contains("private words"), "{id}: {said}");
    }
}

/// The store's own folder with things in it that are no files.
#[cfg(unix)]
#[test]
fn a_store_with_pipes_and_folders_in_it() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(home.path());
    store.append("good", b"{\"schema_version\":\"1.0\",\"event_id\":\"a\"}\n").unwrap();
    pipe(&store.path("pipe"));
    fs::create_dir(store.path("folder")).unwrap();
    let (files, read, refused, folder) = ends("a pipe in the store", move || {
        let refused = format!("{:#}", store.append("pipe", b"x\n").unwrap_err());
        let folder = store.append("folder", b"x\n").is_err();
        (store.files().len(), format!("{:#}", store.read("pipe").unwrap_err()), refused, folder)
    });
    assert_eq!(files, 1);
    assert!(read.contains("no plain file") && refused.contains("no plain file") && folder, "{read} {refused}");
}

/// Settings, indexes and sources that are looked at besides session files, below the home folder.
#[cfg(unix)]
const ELSEWHERE: &[&str] = &[
    "store/index.json",
    "store/unusable-hooks.jsonl",
    ".claude/settings.json",
    ".codex/hooks.json",
    ".codex/config.toml",
    ".copilot/hooks/causetrace.json",
    ".config/Code/User/settings.json",
    ".aider.conf.yml",
    ".env",
    "a.py",
];

/// What looks at them.
#[cfg(unix)]
const LOOKS: &[&str] = &[
    "sessions",
    "import",
    "doctor",
    "tree",
    "validate",
    "hook",
    "blame a.py",
    "why a.py:1",
    "why --removed x",
    "why 1234567",
    "show 12345678-",
    "install claude-code",
    "install codex",
    "uninstall claude-code",
    "uninstall codex",
    "aider -- x.py",
];

/// A machine with sessions of all agents, and a program that stands for Aider.
#[cfg(unix)]
fn filled() -> super::machine::Machine {
    use std::os::unix::fs::PermissionsExt;
    let m = super::machine::Machine::new();
    for s in SAMPLES {
        let file = m.path().join(s.path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, (s.content)()).unwrap();
    }
    fs::create_dir_all(m.path().join("store")).unwrap();
    fs::create_dir(m.path().join("bin")).unwrap();
    for program in ["aider", "claude", "codex", "copilot"] {
        fs::write(m.path().join("bin").join(program), "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(m.path().join("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    m
}

/// Runs a command with at most so many megabytes of memory.
#[cfg(unix)]
fn looks(m: &super::machine::Machine, command: &str, megabytes: u32) -> super::machine::Said {
    let mut c = m.command_of(Path::new("bash"));
    let path = format!("{}:{}", m.path().join("bin").display(), std::env::var("PATH").unwrap());
    let script = format!("ulimit -v {}; exec \"$0\" {command}", megabytes * 1024);
    c.env("PATH", path).args(["-c", &script, env!("CARGO_BIN_EXE_causetrace")]);
    super::machine::wait(c.spawn().unwrap(), command)
}

/// A line that nobody wrote by intent: passed over, named, and not held; what stands behind it is read.
#[cfg(unix)]
#[test]
fn a_line_without_an_end() {
    let m = super::machine::Machine::new();
    let file = m.path().join(SAMPLES[0].path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut f = fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
    f.set_len(600 << 20).unwrap();
    f.write_all(b"\n").unwrap();
    f.write_all(&(SAMPLES[0].content)()).unwrap();
    let said = looks(&m, "import", 1100);
    assert!(said.out.contains(":1: the line is longer than 256 MiB"), "{}{}", said.out, said.err);
    let p = SAMPLES[0].plant();
    let ids: std::collections::BTreeSet<_> = p.read().0.into_iter().map(|e| e.event_id).collect();
    let stored = m.store().read(file.file_stem().unwrap().to_str().unwrap()).unwrap().unwrap();
    assert_eq!(stored.events.len(), ids.len(), "{}", said.out);
}

/// Pipes, devices, folders, and files of many gigabytes in those places: each command ends, in bounded memory, with an answer.
#[cfg(unix)]
#[test]
fn odd_things_where_settings_and_indexes_are_expected() {
    type Put = fn(&Path);
    let kinds: [(&str, Put); 4] = [
        ("a pipe", pipe),
        ("a folder", |p| fs::create_dir(p).unwrap()),
        ("an endless device", |p| std::os::unix::fs::symlink("/dev/zero", p).unwrap()),
        ("a giant", |p| fs::File::create(p).unwrap().set_len(40 << 30).unwrap()),
    ];
    for (kind, put) in kinds {
        for command in LOOKS {
            // a new machine each time: commands put files in order
            let m = filled();
            for place in ELSEWHERE {
                let path = m.path().join(place);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                put(&path);
            }
            let said = looks(&m, command, 1500);
            let what = format!("{command}: {kind}: {}{}", said.out, said.err);
            assert!(matches!(said.code, Some(0..=2)), "{what} {:?}", said.code);
            match *command {
                "sessions" | "tree" | "hook" | "aider -- x.py" | "why --removed x" => {
                    assert!(said.code != Some(2), "{what}")
                }
                "blame a.py" | "why a.py:1" => {
                    assert_eq!(said.code, Some(1), "{what}");
                    assert!(kind != "a giant" || said.err.contains("larger than 256 MB"), "{what}");
                }
                c if c.starts_with("install") => assert_eq!(said.code, Some(1), "{what}"),
                "doctor" => assert!(said.out.contains("cannot read") || said.out.contains("no plain file"), "{what}"),
                _ => {}
            }
        }
    }
}

/// The same in the place of a session of the store, and of what `install` keeps.
#[cfg(unix)]
#[test]
fn odd_things_where_the_stores_own_files_are_expected() {
    let m = filled();
    let run = |command: &str| looks(&m, command, 1500);
    assert_eq!(run("install claude-code").code, Some(0));
    for file in fs::read_dir(m.path().join("store/backups")).unwrap() {
        let file = file.unwrap().path();
        fs::remove_file(&file).unwrap();
        pipe(&file);
    }
    // without the backup the entries are taken out one by one
    let said = run("uninstall claude-code");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    // Codex's trust in a hook of ours
    let hook = r#"{"hooks":{"PreToolUse":[{"hooks":[{"type":"command","command":"causetrace hook"}]}]}}"#;
    fs::create_dir_all(m.path().join(".codex")).unwrap();
    fs::write(m.path().join(".codex/hooks.json"), hook).unwrap();
    pipe(&m.path().join(".codex/config.toml"));
    let said = run("doctor codex");
    assert!(said.out.contains("hook registered in"), "{}{}", said.out, said.err);
    assert_eq!(run("import").code, Some(0));
    let session = fs::read_dir(m.path().join("store/data")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&session).unwrap();
    pipe(&session);
    for command in
        ["sessions", "tree", "blame a.py", "why --removed x", "show 12345678-", "doctor", "validate", "import"]
    {
        let said = run(command);
        assert!(matches!(said.code, Some(0 | 1)), "{command}: {}{}", said.out, said.err);
    }
    let mut watch = m.command().arg("watch").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    watch.kill().unwrap();
    watch.wait().unwrap();
}
