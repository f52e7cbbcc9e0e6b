//! Session ids as file names.

use xxhash_rust::xxh3::xxh3_128;

/// Longest encoded id that is used as it is.
const LONGEST: usize = 120;

/// The file name of a session: the id itself with `.jsonl` wherever that is a harmless name on every system, so that files of
/// the Python causetrace are found; otherwise other bytes as `%XX`, and a hash in place of the rest of a very long id.
pub fn file_name(session_id: &str) -> String {
    let mut name = String::with_capacity(session_id.len() + 6);
    for (i, b) in session_id.bytes().enumerate() {
        // a leading dot hides a file, a leading dash looks like an option, `%` would make two ids share a name
        let plain = b.is_ascii_alphanumeric() || b == b'_' || (i > 0 && (b == b'.' || b == b'-'));
        if plain {
            name.push(char::from(b));
        } else {
            name.push_str(&format!("%{b:02X}"));
        }
    }
    if name.is_empty() || is_reserved(&name) || name.ends_with('.') {
        name.push('%');
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST - 40);
        name.push_str(&format!("%~{:032x}", xxh3_128(session_id.as_bytes())));
    }
    name + ".jsonl"
}

/// Device names of Windows, with or without an ending.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    let numbered =
        |p: &str| stem.strip_prefix(p).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_ids_are_harmless_and_plain_ones_stay() {
        for (id, name) in [
            ("8c1f-00_a.b", "8c1f-00_a.b.jsonl"),
            ("../../x", "%2E.%2F..%2Fx.jsonl"),
            ("", "%.jsonl"),
            ("CON", "CON%.jsonl"),
            ("lpt1.x", "lpt1.x%.jsonl"),
            ("a\0b", "a%00b.jsonl"),
            ("--help", "%2D-help.jsonl"),
            ("a/b\\c:d", "a%2Fb%5Cc%3Ad.jsonl"),
        ] {
            assert_eq!(file_name(id), name, "{id:?}");
        }
        let long = file_name(&"x".repeat(300));
        assert!(long.len() < 130 && long != file_name(&"x".repeat(301)));
    }

    proptest! {
        #[test]
        fn names_are_safe_and_never_shared(a in ".{0,40}", b in ".{0,40}") {
            let name = file_name(&a);
            prop_assert!(name.len() < 200 && !name.starts_with(['.', '-']));
            prop_assert!(name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-%~".contains(&c)));
            prop_assert_eq!(a == b, name == file_name(&b));
        }
    }
}
