//! Databases that are damaged, huge or none: read or refused in time, and never a file left beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::fuzz::Random;
use super::places::ends;
use super::samples::{Form, SAMPLES};

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn nothing_is_left_beside_a_damaged_database() {
    for s in SAMPLES.iter().filter(|s| s.form == Form::Database) {
        let good = (s.content)();
        let mut r = Random::new(11);
        let mut cases: Vec<(String, Vec<u8>)> = vec![
            ("empty".into(), Vec::new()),
            ("text".into(), b"dear diary\n".repeat(500)),
            ("its head alone".into(), good[..100].to_vec()),
            ("its first page alone".into(), good[..512].to_vec()),
            ("zeros after its head".into(), [&good[..100], &[0; 8000]].concat()),
            ("another page size".into(), [&good[..16], &[1, 0], &good[18..]].concat()),
            ("an unknown format".into(), [&good[..18], &[9, 9], &good[20..]].concat()),
            ("write-ahead, no log".into(), [&good[..18], &[2, 2], &good[20..]].concat()),
        ];
        for n in 0..10 {
            let mut bytes = good.clone();
            for _ in 0..1 + n % 20 {
                let at = r.below(bytes.len());
                bytes[at] = r.next() as u8;
            }
            cases.push((format!("damage {n}"), bytes));
        }
        for (what, bytes) in cases {
            let p = s.plant();
            let folder = p.file.parent().unwrap().to_owned();
            // as if a client had died: its logs are there, and junk
            for (ending, content) in
                [("", &b""[..]), ("-wal", b"junk"), ("-journal", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7junk")]
            {
                fs::write(&p.file, &bytes).unwrap();
                let beside = folder.join(format!("{}{ending}", p.file.file_name().unwrap().to_str().unwrap()));
                if !ending.is_empty() {
                    fs::write(&beside, content).unwrap();
                }
                let before = names(&folder);
                p.look_at();
                p.read();
                assert_eq!(before, names(&folder), "{what}{ending}");
                assert_eq!(fs::read(&p.file).unwrap(), bytes, "{what}{ending}: the database was written to");
                if !ending.is_empty() {
                    assert_eq!(fs::read(&beside).unwrap(), content, "{what}{ending}");
                    fs::remove_file(&beside).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_huge_database_is_read_where_it_says_something() {
    for s in SAMPLES.iter().filter(|s| s.form == Form::Database) {
        let p = s.plant();
        let whole = p.read().0.len();
        // sparse: five gigabytes that nobody wrote
        fs::OpenOptions::new().write(true).open(&p.file).unwrap().set_len(5 << 30).unwrap();
        let (events, report) = ends("a huge database", move || {
            p.look_at();
            p.read()
        });
        assert_eq!(events.len(), whole, "{report:?}");
    }
}
