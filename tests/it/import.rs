//! `import` takes what is new of all agents, once.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn import(home: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causetrace"));
    let out = command.args(["import", "--json"]).current_dir(home).env_clear().env("HOME", home).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn prompt(text: &str) -> Value {
    json!({"message": {"role": "user", "content": text}})
}

#[test]
fn only_what_grew_is_read_and_only_what_is_new_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let file = home.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    let session = |history: &[Value]| json!({"workspaceDirectory": "/w", "history": history}).to_string();
    let claude = |n: u32| {
        json!({"type": "user", "uuid": format!("u{n}"), "sessionId": "s", "cwd": "/w", "message": {"role": "user", "content": format!("words {n}")}})
            .to_string()
            + "\n"
    };
    write(".continue/sessions/one.json", session(&[prompt("go")]));
    write(".continue/sessions/two.json", session(&[prompt("go")]));
    write(".claude/projects/-w/11111111-1111-4111-8111-111111111111.jsonl", claude(1));
    let first = import(home.path());
    assert_eq!((&first["read"], first["sessions"].as_array().unwrap().len()), (&json!(3), 3), "{first}");
    let second = import(home.path());
    assert_eq!((&second["read"], &second["events"]), (&json!(0), &json!(0)), "{second}");

    write(".continue/sessions/two.json", session(&[prompt("go"), prompt("on")]));
    let third = import(home.path());
    assert_eq!(
        (&third["read"], &third["events"], &third["sessions"]),
        (&json!(1), &json!(1), &json!(["two"])),
        "{third}"
    );

    // what an agent deleted stays, and a file that only moved brings nothing
    fs::remove_file(home.path().join(".continue/sessions/one.json")).unwrap();
    let projects = home.path().join(".claude/projects");
    fs::rename(projects.join("-w"), projects.join("-moved")).unwrap();
    let fourth = import(home.path());
    assert_eq!(fourth["events"], json!(0), "{fourth}");
    assert_eq!(fs::read_dir(home.path().join(".causetrace/data")).unwrap().count(), 3);
}

#[test]
fn what_the_store_lost_is_read_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".continue/sessions");
    fs::create_dir_all(&folder).unwrap();
    for name in ["one", "two"] {
        let text = json!({"workspaceDirectory": "/w", "history": [prompt("go")]}).to_string();
        fs::write(folder.join(name).with_extension("json"), text).unwrap();
    }
    assert_eq!(import(home.path())["read"], json!(2));
    let lost = home.path().join(".causetrace/data/one.jsonl");
    let before = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let again = import(home.path());
    assert_eq!((&again["read"], &again["sessions"]), (&json!(1), &json!(["one"])), "{again}");
    assert_eq!(fs::read(&lost).unwrap(), before);
    assert_eq!(import(home.path())["read"], json!(0));

    fs::remove_dir_all(home.path().join(".causetrace/data")).unwrap();
    assert_eq!(import(home.path())["sessions"], json!(["one", "two"]));
}
