//! A value of a record as it stands in its line, looked at only where it is used.
//!
//! A parser makes a text with escapes in a buffer that it lets grow, and copies it out: with outputs of tens of kilobytes that
//! was a third of reading. Here the parser only finds where the value ends, and the text is made in one go.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::jsonl::repair;

/// A value as it stands in its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(d).map(|raw| Self(raw.get()))
    }
}

impl<'a> Raw<'a> {
    /// The text of a string; none where it is something else.
    pub(super) fn text(self) -> Option<String> {
        self.0.strip_prefix('"')?.strip_suffix('"').map(unescaped)
    }

    /// The value itself.
    pub(super) fn value(self) -> Value {
        self.text().map(Value::String).or_else(|| serde_json::from_str(self.0).ok()).unwrap_or_else(|| {
            // what a parser does not take only inside: deep nesting, lone surrogates
            let mut repaired = String::new();
            repair(self.0.as_bytes(), &mut repaired);
            serde_json::from_str(&repaired).unwrap_or_default()
        })
    }

    /// The value as a type; none where it does not fit.
    pub(super) fn parsed<T: Deserialize<'a>>(self) -> Option<T> {
        serde_json::from_str(self.0).ok()
    }

    /// Whether it is an array.
    pub(super) fn is_list(self) -> bool {
        self.0.starts_with('[')
    }
}

/// What stands between the quotes of a JSON string that a parser has passed over, without its escapes. Half of a surrogate pair
/// becomes U+FFFD.
fn unescaped(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        let (c, length) = escaped(escape);
        out.push(c);
        rest = escape.get(length..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// The character of an escape, and the bytes of it.
fn escaped(escape: &str) -> (char, usize) {
    let c = match escape.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(escape),
        Some(other @ (b'"' | b'\\' | b'/')) => char::from(*other),
        // no parser lets any other pass
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (c, 2)
}

fn unicode(escape: &str) -> (char, usize) {
    let unit = |from: usize| {
        let hex = escape.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(hex, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
            let c = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
        (None, _) => (char::REPLACEMENT_CHARACTER, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_a_parser_makes_of_it() {
        for text in ["", "plain", "\u{e9}\n\t\r\u{8}\u{c}\"\\/ \u{1}\u{1f600}\u{fffd}", "\\u0041", "end\\"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<Raw<'_>>(&json).unwrap().text().unwrap(), text);
        }
        let raw = |json| serde_json::from_str::<Raw<'_>>(json).unwrap();
        assert_eq!(raw(r#" "\u00e9\ud83d\ude00\/" "#).text().unwrap(), "\u{e9}\u{1f600}/");
        assert_eq!(raw(r#""\ud83d\u0041\ude00 \ud83d""#).text().unwrap(), "\u{fffd}A\u{fffd} \u{fffd}");
        assert_eq!(raw("[1]").text(), None);
    }

    #[test]
    fn a_value_is_what_a_repaired_line_gives() {
        let raw = |json: &str| serde_json::from_str::<Raw<'_>>(json).unwrap().value();
        assert_eq!(raw(r#"{"a":["x\ud83d"],"n":1e400}"#).to_string(), "{\"a\":[\"x\u{fffd}\"],\"n\":null}");
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        assert!(raw(&deep).is_array());
        assert!(serde_json::from_str::<Option<Raw<'_>>>("null").unwrap().is_none());
    }
}
