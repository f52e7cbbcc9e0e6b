//! Junk in session files: never a panic, never a neighbour lost, and the report names file and line.

use std::collections::BTreeMap;

use causetrace::event::{Event, EventType};
use causetrace::source::Report;

use super::fuzz::Random;
use super::samples::{Form, Planted, SAMPLES, Sample};

/// What is told, by the line it came from: kind, tool, input, output. Lines that patch an event name no line.
fn told(events: &[Event]) -> BTreeMap<(String, String), usize> {
    let mut out = BTreeMap::new();
    // a header is given again by later lines that tell more of the session
    let own = |e: &&Event| e.source.line.is_some() && e.event_type != EventType::Session;
    for e in events.iter().filter(own) {
        let text = format!("{:?} {:?} {} {}", e.event_type, e.tool_name, e.input_text(), e.output_text());
        *out.entry((e.source.line.unwrap().to_string(), text)).or_insert(0) += 1;
    }
    out
}

/// The same without the lines' numbers.
fn texts(events: &[Event]) -> Vec<String> {
    let mut all: Vec<_> = told(events).into_keys().map(|(_, text)| text).collect();
    all.sort();
    all
}

/// The events of the lines that were not touched are all there.
fn neighbours_stay(whole: &[Event], now: &[Event], touched: &[u64], what: &str) {
    let now = texts(now);
    for ((line, text), _) in told(whole) {
        let line: u64 = line.parse().unwrap();
        assert!(touched.contains(&line) || now.contains(&text), "{what}: line {line} is lost: {text}");
    }
}

/// Whether the report says that something at this line was of no use.
fn names(report: &Report, p: &Planted, line: u64) -> bool {
    report.bad.iter().any(|b| b.line == line && b.file == p.file.to_string_lossy() && !b.reason.is_empty())
}

fn line_at(content: &[u8], at: usize) -> u64 {
    content[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1
}

fn each(test: impl Fn(&Sample, &Planted, &[Event])) {
    for s in SAMPLES {
        let p = s.plant();
        let (events, report) = p.read();
        let report = report.unwrap();
        assert!(events.len() > 4 && report.bad.is_empty() && report.unknown.is_empty(), "{}: {report:?}", s.path);
        test(s, &p, &events);
    }
}

#[test]
fn a_file_cut_off_at_every_byte() {
    each(|s, p, whole| {
        // pages of a database are read whole
        let step = if s.form == Form::Database { 97 } else { 1 };
        for at in (0..p.content.len()).step_by(step) {
            let (events, report) = p.read_as(&p.content[..at]);
            if s.form != Form::JsonLines {
                // one document: torn, it is no use, and that is said
                let (now, before) = (texts(&events), texts(whole));
                // a text or a log of changes that is cut off between records is a shorter one
                let shorter = matches!(s.form, Form::Text | Form::Mutations);
                let said = report.is_none_or(|r| r.bad_count > 0 || !r.passed_over.is_empty());
                assert!(said || now == before || shorter, "{} at {at}: {now:#?}", s.path);
                continue;
            }
            let line = line_at(&p.content, at);
            let later: Vec<u64> = (line..100).collect();
            neighbours_stay(whole, &events, &later, &format!("{} cut at {at}", s.path));
            let report = report.unwrap();
            let rest = p.content[..at].rsplit(|b| *b == b'\n').next().unwrap();
            let torn = !rest.is_empty() && serde_json::from_slice::<serde_json::Value>(rest).is_err();
            assert_eq!(report.bad_count, u64::from(torn), "{} cut at {at}", s.path);
            assert!(!torn || names(&report, p, line), "{} cut at {at}: {:?}", s.path, report.bad);
        }
        p.look_at();
    });
}

#[test]
fn flipped_bytes() {
    each(|s, p, whole| {
        let mut r = Random::new(7);
        for n in 0..300 {
            let at = r.below(p.content.len());
            let mut content = p.content.clone();
            let bit = r.below(8);
            content[at] ^= if n % 3 == 0 { r.next() as u8 | 1 } else { 1 << bit };
            let (events, report) = p.read_as(&content);
            if s.form == Form::JsonLines {
                let line = line_at(&p.content, at);
                // a newline that is gone joins two lines
                let touched = if p.content[at] == b'\n' { vec![line, line + 1] } else { vec![line] };
                neighbours_stay(whole, &events, &touched, &format!("{} byte {at}", s.path));
                let report = report.unwrap();
                let there = events.iter().any(|e| e.source.line == Some(line));
                let had = whole.iter().any(|e| e.source.line == Some(line));
                let said = report.bad_count + report.unknown.len() as u64 + report.passed_over.len() as u64 > 0;
                assert!(there || !had || said, "{} byte {at}: line {line} vanishes without a word", s.path);
            }
            if n % 50 == 0 {
                p.look_at();
            }
        }
    });
}

/// Lines that say nothing, and whether they are bad records.
fn junk_lines() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(200), close.repeat(200)).into_bytes();
    vec![
        ("invalid UTF-8", b"\xff\xfe\x80\xc3(".to_vec()),
        ("an overlong encoding", b"{\"type\":\"\xc0\xaf\"}".to_vec()),
        ("a surrogate alone", br#"{"type":"\ud83d","uuid":"\udfff"}"#.to_vec()),
        ("NUL bytes", vec![0; 64]),
        ("a byte order mark", b"\xef\xbb\xbf".to_vec()),
        ("NaN", br#"{"type":"user","timestamp":NaN}"#.to_vec()),
        ("Infinity", br#"{"type":"user","payload":{"id":-Infinity}}"#.to_vec()),
        ("200 arrays deep", deep("[", "]")),
        ("200 objects deep", deep("{\"a\":", "}")),
        ("100,000 arrays deep", vec![b'['; 100_000]),
        ("twice the same key", br#"{"type":"x","type":"y","payload":{"type":1,"type":2}}"#.to_vec()),
        (
            "a number beyond range",
            br#"{"type":"x","ordinal":1e400,"payload":{"exit_code":99999999999999999999999}}"#.to_vec(),
        ),
        ("negative counts", br#"{"type":"x","message":{"usage":{"input_tokens":-5}}}"#.to_vec()),
        ("two objects on a line", br#"{"type":"x"}{"type":"y"}"#.to_vec()),
        ("no object", b"[1,2]".to_vec()),
        ("a bare number", b"7".to_vec()),
        ("a bare text", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("a line torn in a text", br#"{"type":"user","uuid":"tor"#.to_vec()),
        ("a line torn in an escape", b"{\"type\":\"user\\u00".to_vec()),
        ("wrong types everywhere", br#"{"type":[],"uuid":{},"payload":3,"message":"x","timestamp":1}"#.to_vec()),
        ("a word of a megabyte", [b"{\"type\":\"", vec![b'w'; 1 << 20].as_slice(), b"\"}"].concat()),
        ("a carriage return alone", b"\r".to_vec()),
    ]
}

#[test]
fn junk_lines_between_good_ones() {
    each(|s, p, whole| {
        if s.form != Form::JsonLines {
            return;
        }
        let lines: Vec<&[u8]> = p.content.split_inclusive(|b| *b == b'\n').collect();
        for (what, junk) in junk_lines() {
            for at in [0, 1, lines.len() / 2, lines.len()] {
                let content = [&lines[..at].concat(), junk.as_slice(), b"\n", &lines[at..].concat()].concat();
                let (events, report) = p.read_as(&content);
                neighbours_stay(whole, &events, &[], &format!("{}: {what} as line {}", s.path, at + 1));
                let report = report.unwrap();
                assert!(report.bad.iter().all(|b| b.line == at as u64 + 1), "{what}: {:?}", report.bad);
                let torn = ["invalid UTF-8", "100,000 arrays deep", "a line torn in a text"];
                assert!(!torn.contains(&what) || names(&report, p, at as u64 + 1), "{what}: {report:?}");
            }
            p.look_at();
        }
    });
}

/// Damage within the records of a file: the records stay.
#[test]
fn damaged_texts_within_records() {
    let replace = |content: &[u8], from: &[u8], to: &[u8]| -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = content;
        while let Some(at) = memchr::memmem::find(rest, from) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(to);
            rest = &rest[at + from.len()..];
        }
        out.extend_from_slice(rest);
        out
    };
    each(|s, p, whole| {
        if matches!(s.form, Form::Database | Form::Text) {
            return;
        }
        let kinds = |events: &[Event]| -> Vec<String> {
            let mut all: Vec<_> = events.iter().map(|e| format!("{:?} {:?}", e.event_type, e.tool_name)).collect();
            all.sort();
            all
        };
        let crab = "🦀".as_bytes();
        let mut cases = vec![
            ("half a character", replace(&p.content, crab, b"\xf0\x9f")),
            ("invalid UTF-8", replace(&p.content, "öß".as_bytes(), b"\xff\xfe")),
            ("control bytes", replace(&p.content, crab, b"\x01\x02\x1b")),
            ("NUL", replace(&p.content, crab, b"\0")),
            ("NUL padding at the end", [&p.content[..], &[0; 4096]].concat()),
            ("a byte order mark", [b"\xef\xbb\xbf", &p.content[..]].concat()),
            ("CRLF", replace(&p.content, b"\n", b"\r\n")),
            ("empty lines", replace(&p.content, b"\n", b"\n\n \t\n")),
            ("no newline at the end", p.content.trim_ascii_end().to_vec()),
        ];
        if s.form != Form::Text {
            cases.extend([
                ("half a surrogate pair", replace(&p.content, crab, br"\ud83d")),
                ("the other half", replace(&p.content, crab, br"\ude00 \\ud83d")),
                ("200 deep in an unknown key", replace(&p.content, b"\"type\":", &deep_key())),
                ("1e400 in an unknown key", replace(&p.content, b"\"type\":", b"\"zz\":1e400,\"type\":")),
                ("the same key twice", replace(&p.content, b"\"type\":", b"\"type\":\"zz\",\"type\":")),
            ]);
        }
        if s.form == Form::JsonLines {
            cases.push(("all on one line", replace(&p.content, b"\n", b"")));
        }
        for (what, content) in cases {
            assert_ne!(content, p.content, "{what} changes nothing in {}", s.path);
            let (events, report) = p.read_as(&content);
            assert_eq!(kinds(&events), kinds(whole), "{}: {what}: {report:?}", s.path);
            // around a record there is nothing to repair
            let around =
                ["NUL padding at the end", "a byte order mark", "CRLF", "empty lines", "no newline at the end"];
            assert!(!around.contains(&what) || report.as_ref().is_some_and(|r| r.bad_count == 0), "{what}: {report:?}");
        }
    });
}

/// Of several records on a line those before a damaged one are used.
#[test]
fn a_record_of_the_wrong_form_costs_only_itself() {
    #[derive(serde::Deserialize)]
    struct Record {
        n: u32,
    }
    let mut scratch = String::new();
    let mut read = |line: &str| -> Result<Vec<u32>, String> {
        Ok(causetrace::source::jsonl::records::<Record>(line.as_bytes(), &mut scratch)?.map(|r| r.n).collect())
    };
    assert_eq!(read(r#"{"n":1}{"n":2}{"n":"three"}{"n":4}"#), Ok(vec![1, 2]));
    assert_eq!(read(r#"{"n":1}{"n":"#), Ok(vec![1]));
    assert!(read(r#"{"n":"one"}{"n":2}"#).is_err());
}

fn deep_key() -> Vec<u8> {
    format!("\"zz\":{}{},\"type\":", "[".repeat(200), "]".repeat(200)).into_bytes()
}
