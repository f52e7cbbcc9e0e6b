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
