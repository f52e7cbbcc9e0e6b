//! Secrets masked in what leaves the machine.
//!
//! One table: each shape with an example that it masks and one that it leaves. Patterns are ASCII (`(?-u)`): with Unicode
//! classes the same rules run a hundred times slower.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

/// A shape of a secret.
struct Shape {
    name: &'static str,
    /// The pattern; where it has a group, only that is masked.
    pattern: &'static str,
    #[cfg(test)]
    masks: &'static str,
    #[cfg(test)]
    leaves: &'static str,
}

macro_rules! shapes {
    ($({ $name:literal, $pattern:literal, masks: $masks:expr, leaves: $leaves:expr })*) => {
        &[$(Shape { name: $name, pattern: $pattern, #[cfg(test)] masks: $masks, #[cfg(test)] leaves: $leaves }),*]
    };
}

// the examples are put together from two halves, so that no scanner takes this file for a leak
static SHAPES: &[Shape] = shapes![
    { "anthropic-key", r"sk-ant-[A-Za-z0-9_-]{20,}", masks: concat!("sk-", "ant-api03-abcdefghijklmnopqrstuv"), leaves: "sk-ant-short" }
    { "openai-key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}", masks: concat!("sk-", "proj-abcdefghijklmnopqrstuvwx"), leaves: "task-list-of-things-to-do" }
    { "github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})", masks: concat!("gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"), leaves: "ghp_short" }
    { "gitlab-token", r"\bglpat-[A-Za-z0-9_-]{20,}", masks: concat!("gl", "pat-abcdefghij0123456789"), leaves: "glpat-x" }
    { "aws-key-id", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", masks: concat!("AK", "IAABCDEFGHIJKLMNOP"), leaves: "AKIANOTLONG" }
    { "aws-secret", r#"(?i-u:aws_?secret_?access_?key)["']?\s*[=:]\s*["']?([A-Za-z0-9/+=]{40})"#, masks: concat!("aws_secret_access_key = ", "abcdefghijklmnopqrstuvwxyz0123456789ABCD"), leaves: "aws_secret_access_key = $KEY" }
    { "google-key", r"\bAIza[A-Za-z0-9_-]{35}", masks: concat!("AI", "zaabcdefghijklmnopqrstuvwxyz012345678"), leaves: "AIzaShort" }
    { "slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", masks: concat!("xo", "xb-1234567890-abcdef"), leaves: "xoxb-1" }
    { "stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}", masks: concat!("sk", "_live_abcdefghij0123456789"), leaves: "sk_live_x" }
    { "npm-token", r"\bnpm_[A-Za-z0-9]{36}", masks: concat!("np", "m_abcdefghijklmnopqrstuvwxyz0123456789"), leaves: "npm_install" }
    { "pypi-token", r"\bpypi-[A-Za-z0-9_-]{50,}", masks: concat!("py", "pi-AgEIcHlwaS5vcmcabcdefghijklmnopqrstuvwxyz0123456789abcd"), leaves: "pypi-simple" }
    { "huggingface-token", r"\bhf_[A-Za-z0-9]{30,}", masks: concat!("h", "f_abcdefghijklmnopqrstuvwxyz01234567"), leaves: "hf_hub_download" }
    { "jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", masks: concat!("ey", "JhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4"), leaves: "eyJhbGciOiJIUzI1" }
    { "private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)", masks: concat!("-----BEGIN RSA ", "PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"), leaves: "-----BEGIN PUBLIC KEY-----" }
    { "authorization", r"(?i-u:authorization)[^A-Za-z0-9\n]{1,6}(?i-u:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{8,})", masks: concat!("Authorization: Bearer ", "abcdefgh12345678"), leaves: "Authorization: Bearer $TOKEN" }
    { "url-password", r#"\b[a-z][a-z0-9+.-]{1,12}://[^\s:/@"'<>]{1,64}:([^\s/@"'<>$\{]{3,128})@"#, masks: concat!("postgres://", "user:hunter2secret@db/x"), leaves: "http://localhost:8080/@x" }
    { "assignment", r#"\b[A-Za-z0-9_]*(?:API_KEY|SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE_KEY|api_key|secret|token|password)["']?\s*[=:]\s*["']?([A-Za-z0-9_+/.~-]{16,})"#, masks: concat!("MY_API_KEY=", "abcdef0123456789abcdef"), leaves: "max_tokens = 4096" }
];

/// One pattern of all shapes: alternatives share one pass.
static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all: Vec<_> = SHAPES.iter().map(|s| format!("(?:{})", s.pattern)).collect();
    regex::bytes::RegexBuilder::new(&format!("(?-u){}", all.join("|"))).dfa_size_limit(64 << 20).build().ok()
});

/// Each shape alone, to tell which one matched.
static EACH: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let one = |s: &Shape| Some((s.name, Regex::new(&format!("(?-u){}", s.pattern)).ok()?));
    SHAPES.iter().filter_map(one).collect()
});

/// The text with secrets masked, and how many there were.
pub fn mask(text: &str) -> (Cow<'_, str>, usize) {
    let Some(any) = ANY.as_ref() else { return (Cow::Borrowed(text), 0) };
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut from, mut count) = (0, 0);
    for found in any.find_iter(bytes) {
        let part = &bytes[found.range()];
        let Some((name, secret)) = EACH.iter().find_map(|(name, r)| {
            let c = r.captures(part)?;
            c.get(1).or(c.get(0)).map(|m| (*name, m.range()))
        }) else {
            continue;
        };
        let (start, end) = (found.start() + secret.start, found.start() + secret.end);
        // ASCII patterns match whole characters; a cut inside one would be a mistake of a rule
        if let (Some(before), true) = (text.get(from..start), text.is_char_boundary(end)) {
            out.push_str(before);
            out.push_str(&format!("[masked {name}]"));
            from = end;
            count += 1;
        }
    }
    if count == 0 {
        return (Cow::Borrowed(text), 0);
    }
    out.push_str(text.get(from..).unwrap_or(""));
    (Cow::Owned(out), count)
}

/// Masks secrets in every string of the events, keys included in no case; how many there were.
pub fn redact(events: &mut [Value]) -> usize {
    let mut count = 0;
    let mut todo: Vec<&mut Value> = events.iter_mut().collect();
    while let Some(value) = todo.pop() {
        match value {
            Value::String(s) => {
                let (masked, n) = mask(s);
                if n > 0 {
                    let masked = masked.into_owned();
                    *s = masked;
                    count += n;
                }
            }
            Value::Array(items) => todo.extend(items),
            Value::Object(map) => todo.extend(map.values_mut()),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_masks_its_example_and_leaves_the_other() {
        assert_eq!(EACH.len(), SHAPES.len(), "a pattern does not compile");
        for s in SHAPES {
            let text = format!("é before {} after", s.masks);
            let (masked, n) = mask(&text);
            assert_eq!(n, 1, "{}: {masked}", s.name);
            assert!(masked.contains(&format!("[masked {}]", s.name)), "{}: {masked}", s.name);
            let (left, n) = mask(s.leaves);
            assert_eq!((left.as_ref(), n), (s.leaves, 0), "{}", s.name);
        }
    }

    #[test]
    fn strings_at_any_depth_are_masked() {
        let mut events = vec![serde_json::json!({"a": [{"b": concat!("gl", "pat-abcdefghij0123456789")}], "n": 1})];
        assert_eq!(redact(&mut events), 1);
        assert_eq!(events[0]["a"][0]["b"], "[masked gitlab-token]");
    }
}
