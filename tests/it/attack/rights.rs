//! Who may read and write what: a private store under any umask, nobody else's files, no links elsewhere.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::{Machine, Said, wait};
use super::places::ends;
use super::samples::SAMPLES;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const PAYLOAD: &str = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"ls"}}"#;

#[test]
fn everything_that_is_stored_is_private_under_any_umask() {
    for mask in ["000", "077", "777"] {
        let m = Machine::new();
        for s in SAMPLES {
            let file = m.path().join(s.path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, (s.content)()).unwrap();
        }
        fs::write(m.path().join("junk"), "junk").unwrap();
        let run = "umask $0; \"$1\" import; \"$1\" hook < junk; \"$1\" sessions; \"$1\" install claude-code; timeout 1 \"$1\" watch; true";
        let mut c = m.command_of(Path::new("bash"));
        let said = wait(c.args(["-c", run, mask, env!("CARGO_BIN_EXE_causetrace")]).spawn().unwrap(), mask);
        assert_eq!(mode(&m.path().join(".claude/settings.json")) & !0o600, 0, "{mask}: {}{}", said.out, said.err);
        let mut todo = vec![m.path().join("store")];
        let mut files = 0;
        while let Some(dir) = todo.pop() {
            assert_eq!(mode(&dir) & !0o700, 0, "{mask}: {}", dir.display());
            for entry in fs::read_dir(&dir).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    todo.push(entry.path());
                } else {
                    files += 1;
                    assert_eq!(mode(&entry.path()) & !0o600, 0, "{mask}: {}", entry.path().display());
                }
            }
        }
        assert!(files >= 3 || mask == "777", "{mask}: {files} {}{}", said.out, said.err);
    }
}

/// Not even for the moment between the making of a file and the first look at its mode: who opens it then reads what comes later.
#[test]
fn a_file_is_private_from_its_first_moment() {
    let m = Machine::new();
    let (store, made) = (m.store(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            loop {
                let n = made.load(Ordering::Relaxed);
                if n == 3000 {
                    return seen;
                }
                if let Ok(meta) = fs::metadata(store.path(&n.to_string())) {
                    assert_eq!(meta.permissions().mode() & 0o077, 0, "file {n}");
                    seen += 1;
                }
            }
        });
        for n in 0..3000 {
            store.append(&n.to_string(), b"{}\n").unwrap();
            made.store(n + 1, Ordering::Relaxed);
        }
        assert!(watcher.join().unwrap() > 0);
    });
}

/// One of the Python tool, or that somebody opened up.
#[test]
fn an_open_file_is_closed_to_others_when_it_is_written_to() {
    let m = Machine::new();
    let file = m.store().path("s");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(m.hook(PAYLOAD.as_bytes()));
    assert_eq!((mode(&file), fs::read_to_string(&file).unwrap().lines().count()), (0o600, 1));
}

#[test]
fn a_link_in_the_store_is_not_followed() {
    let m = Machine::new();
    let elsewhere = m.path().join("mine.txt");
    fs::write(&elsewhere, "mine\n").unwrap();
    let sample = &SAMPLES[0];
    let file = m.path().join(sample.path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, (sample.content)()).unwrap();
    let store = m.store();
    fs::create_dir_all(store.data()).unwrap();
    let session = file.file_stem().unwrap().to_str().unwrap();
    for path in [
        store.path("s"),
        store.path(session),
        m.path().join("store/index.json"),
        m.path().join("store/unusable-hooks.jsonl"),
    ] {
        symlink(&elsewhere, path).unwrap();
    }
    assert!(m.hook(PAYLOAD.as_bytes()) && m.hook(b"junk"));
    let said = m.run(&["import"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("is a symlink: remove it"), "{}{}", said.out, said.err);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine\n");
    // a link that dangles would make a file elsewhere
    let dangling = m.path().join("made.txt");
    symlink(&dangling, store.path("d")).unwrap();
    assert!(m.hook(PAYLOAD.replace("\"s\"", "\"d\"").as_bytes()));
    assert!(!dangling.exists());
}

/// The program where a user who is nobody can run it.
fn program(m: &Machine) -> Option<PathBuf> {
    let root = fs::metadata("/proc/self").is_ok_and(|p| p.uid() == 0);
    let setpriv = std::process::Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
    // only root can leave files of another user
    if !root || !setpriv.is_ok_and(|s| s.success()) {
        return None;
    }
    let to = m.path().join("causetrace");
    // by another process: one that another thread starts meanwhile would inherit the open copy, and what is open for writing
    // cannot be run
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_causetrace")).arg(&to).status().unwrap().success());
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(m.path(), fs::Permissions::from_mode(0o777)).unwrap();
    Some(to)
}

/// Runs it as that user.
fn nobody(m: &Machine, program: &Path, args: &[&str], input: &str) -> Said {
    let mut c = m.command_of(Path::new("setpriv"));
    c.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(args).stdin(Stdio::piped());
    let mut child = c.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).ok();
    wait(child, "as nobody")
}

#[test]
fn a_session_file_that_this_user_may_not_read_costs_only_itself() {
    // an export is nowhere looked for
    for s in SAMPLES.iter().skip(1).filter(|s| s.path != "session.json") {
        let m = Machine::new();
        let Some(program) = program(&m) else { return };
        for each in [&SAMPLES[0], s] {
            let file = m.path().join(each.path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, (each.content)()).unwrap();
        }
        fs::set_permissions(m.path().join(s.path), fs::Permissions::from_mode(0o000)).unwrap();
        let said = nobody(&m, &program, &["import"], "");
        let name = Path::new(s.path).file_name().unwrap().to_str().unwrap();
        assert!(said.code == Some(1) && said.out.contains(name), "{}: {}{}", s.path, said.out, said.err);
        assert_eq!(m.store().files().len(), 1, "{}: {}{}", s.path, said.out, said.err);
        let said = nobody(&m, &program, &["doctor", s.agent], "");
        assert!(said.out.contains("cannot be read"), "{}: {}{}", s.path, said.out, said.err);
    }
}

#[test]
fn a_store_of_another_user_is_refused() {
    let m = Machine::new();
    let Some(program) = program(&m) else { return };
    let nobody = |args: &[&str], input: &str| nobody(&m, &program, args, input);
    let sample = &SAMPLES[0];
    let file = m.path().join(sample.path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, (sample.content)()).unwrap();
    let open = |p: &Path, mode: u32| fs::set_permissions(p, fs::Permissions::from_mode(mode)).unwrap();
    let store = m.store();
    let session = file.file_stem().unwrap().to_str().unwrap();
    for id in ["s", session] {
        store.append(id, b"{\"schema_version\":\"1.0\",\"event_id\":\"a\"}\n").unwrap();
        open(&store.path(id), 0o666);
    }
    for dir in [m.path().join("store"), store.data()] {
        open(&dir, 0o777);
    }
    let said = nobody(&["import"], "");
    assert!(said.code == Some(1) && said.out.contains("belongs to another user"), "{}{}", said.out, said.err);
    let said = nobody(&["hook"], PAYLOAD);
    assert!(said.code == Some(0) && said.out.is_empty() && said.err.is_empty());
    for id in ["s", session] {
        assert_eq!(fs::read(store.path(id)).unwrap().len(), 40, "{id} was written to");
    }
    assert!(nobody(&["doctor"], "").out.contains("belongs to another user"));
    // a file that this user may not read costs only itself
    open(&file, 0o000);
    let said = nobody(&["sessions"], "");
    assert!(said.code == Some(0) && said.err.contains("cannot open"), "{}{}", said.out, said.err);
}

/// A store that cannot be written at all: reading goes on, and says so.
#[test]
fn a_store_that_is_a_file() {
    let m = Machine::new();
    fs::write(m.path().join("store"), "").unwrap();
    let sample = &SAMPLES[0];
    let file = m.path().join(sample.path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, (sample.content)()).unwrap();
    let said = ends("import", move || {
        assert!(m.hook(PAYLOAD.as_bytes()));
        m.run(&["import"])
    });
    assert!(said.code == Some(1) && said.out.contains("problem"), "{}{}", said.out, said.err);
}
