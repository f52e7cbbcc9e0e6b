//! Secrets masked in what leaves the machine.
//!
//! One table: each shape with an example that it masks and one that it leaves. Patterns are ASCII (`(?-u)`): with Unicode
//! classes the same rules run a hundred times slower.

use std::borrow::Cow;
use std::collections::BTreeMap;
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
    { "openai-key", r"\bsk-(?:(?:proj|svcacct|admin|or-v1|lf)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})", masks: concat!("sk-", "proj-abcdefghijklmnopqrstuvwx"), leaves: "sk-cube-grid-animation-delay-of-a-style-sheet" }
    { "groq-key", r"\bgsk_[A-Za-z0-9]{20,}", masks: concat!("gs", "k_abcdefghijklmnopqrstuvwx"), leaves: "gsk_test_name" }
    { "xai-key", r"\bxai-[A-Za-z0-9]{20,}", masks: concat!("xa", "i-abcdefghijklmnopqrstuvwx"), leaves: "xai-sdk-python" }
    { "replicate-token", r"\br8_[A-Za-z0-9]{30,}", masks: concat!("r8", "_abcdefghijklmnopqrstuvwxyz0123456789A"), leaves: "r8_short" }
    { "github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})", masks: concat!("gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"), leaves: "ghp_short" }
    { "gitlab-token", r"\bgl(?:pat|dt|rt|ptt|oas|cbt|ft|soat)-[A-Za-z0-9_-]{20,}", masks: concat!("gl", "pat-abcdefghij0123456789"), leaves: "glpat-x" }
    { "aws-key-id", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", masks: concat!("AK", "IAABCDEFGHIJKLMNOP"), leaves: "AKIANOTLONG" }
    { "aws-secret", r#"(?i-u:aws_?secret_?access_?key)(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?([A-Za-z0-9/+=]{40})"#, masks: concat!("aws_secret_access_key = ", "abcdefghijklmnopqrstuvwxyz0123456789ABCD"), leaves: "aws_secret_access_key = $KEY" }
    { "azure-key", r"\bAccountKey=([A-Za-z0-9+/=]{60,})", masks: concat!("Account", "Key=abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789=="), leaves: "AccountKey=<your key>" }
    { "google-key", r"\bAIza[A-Za-z0-9_-]{35}", masks: concat!("AI", "zaabcdefghijklmnopqrstuvwxyz012345678"), leaves: "AIzaShort" }
    { "google-oauth", r"\b(?:ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})", masks: concat!("ya", "29.a0AfB_abcdefghijklmnop"), leaves: "ya29.short" }
    { "slack-token", r"\b(?:xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,})", masks: concat!("xo", "xb-1234567890-abcdef"), leaves: "xoxb-1" }
    { "slack-webhook", r"\bhooks\.slack\.com/services/([A-Za-z0-9_/]{20,})", masks: concat!("https://hooks.slack.", "com/services/T00000000/B00000000/abcdefghijklmnop"), leaves: "https://hooks.slack.com/services/" }
    { "stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}", masks: concat!("sk", "_live_abcdefghij0123456789"), leaves: "sk_live_x" }
    { "sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}", masks: concat!("S", "G.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789abcdefg"), leaves: "SG.a.b" }
    { "npm-token", r"\bnpm_[A-Za-z0-9]{36}", masks: concat!("np", "m_abcdefghijklmnopqrstuvwxyz0123456789"), leaves: "npm_install" }
    { "pypi-token", r"\bpypi-[A-Za-z0-9_-]{50,}", masks: concat!("py", "pi-AgEIcHlwaS5vcmcabcdefghijklmnopqrstuvwxyz0123456789abcd"), leaves: "pypi-simple" }
    { "docker-token", r"\bdckr_pat_[A-Za-z0-9_-]{20,}", masks: concat!("dckr", "_pat_abcdefghijklmnopqrstuvwx"), leaves: "dckr_pat_x" }
    { "vault-token", r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}", masks: concat!("hv", "s.abcdefghijklmnopqrstuvwx"), leaves: "hvs.short" }
    { "databricks-token", r"\bdapi[a-f0-9]{32}", masks: concat!("da", "pi0123456789abcdef0123456789abcdef"), leaves: "dapi0123" }
    { "digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}", masks: concat!("do", "p_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), leaves: "dop_v1_x" }
    { "shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", masks: concat!("shp", "at_0123456789abcdef0123456789abcdef"), leaves: "shpat_x" }
    { "linear-key", r"\blin_api_[A-Za-z0-9]{30,}", masks: concat!("lin", "_api_abcdefghijklmnopqrstuvwxyz0123456789ABCD"), leaves: "lin_api_x" }
    { "notion-token", r"\bntn_[A-Za-z0-9]{30,}", masks: concat!("nt", "n_abcdefghijklmnopqrstuvwxyz0123456789ABCD"), leaves: "ntn_x" }
    { "huggingface-token", r"\bhf_[A-Za-z0-9]{30,}", masks: concat!("h", "f_abcdefghijklmnopqrstuvwxyz01234567"), leaves: "hf_hub_download" }
    { "age-key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}", masks: concat!("AGE-SECRET", "-KEY-1ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ012345"), leaves: "AGE-SECRET-KEY-1" }
    { "jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", masks: concat!("ey", "JhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4"), leaves: "eyJhbGciOiJIUzI1" }
    { "private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)", masks: concat!("-----BEGIN RSA ", "PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"), leaves: "-----BEGIN PUBLIC KEY-----" }
    { "authorization", r"(?i-u:authorization)[^A-Za-z0-9\n]{1,8}(?i-u:bearer|basic|token|digest|apikey)\s+([A-Za-z0-9._~+/=-]{8,})", masks: concat!("Proxy-Authorization: Bearer ", "abcdefgh12345678"), leaves: "Authorization: Bearer $TOKEN" }
    { "key-header", r#"(?i-u:\b(?:x-)?(?:api-key|auth-token|access-token|private-token))(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?([A-Za-z0-9._~+/=-]{12,})"#, masks: concat!("X-Api-Key: ", "abcdefgh12345678"), leaves: "X-Api-Key: $KEY" }
    { "url-password", r#"\b[a-z][a-z0-9+.-]{1,12}://[^\s:/@"'<>]{0,64}:([^\s/@"'<>$\{]{3,128})@"#, masks: concat!("postgres://", "user:hunter2secret@db/x"), leaves: "http://localhost:8080/@x" }
    { "env-assignment", r#"\b(?:[A-Z][A-Z0-9_]*_)?(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|SECRET_KEY|SECRET_KEY_BASE|PRIVATE_KEY|ENCRYPTION_KEY|AUTH_KEY|CREDENTIALS?)=(?:\\?["'])?([^\s"'`$<>{}()\[\];,&|\\]{6,})"#, masks: concat!("DB_", "PASSWORD=hunter2!"), leaves: "DB_PASSWORD=$PASSWORD MAX_TOKENS=4096000" }
    { "assignment", r#"\b[A-Za-z0-9_]*(?:API_KEY|SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE_KEY|api_key|secret|token|password|apiKey|Token|Secret|Password)(?:\\?["'])?\s*[=:]\s*(?:\\?["'])?([A-Za-z0-9_+/.~-]{16,})"#, masks: concat!("\"api_key\\\": \\\"", "abcdef0123456789abcdef"), leaves: "max_tokens = 4096" }
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

/// Shortest secret that is masked wherever it stands, in bytes: a shorter one may be a common word.
const TELLING: usize = 8;

/// A secret in a text: where, and its shape.
type Found = (std::ops::Range<usize>, &'static str);

/// The secrets of a text, in order.
fn find(text: &str) -> Vec<Found> {
    let Some(any) = ANY.as_ref() else { return Vec::new() };
    let bytes = text.as_bytes();
    let one = |found: regex::bytes::Match<'_>| {
        let part = &bytes[found.range()];
        let (name, secret) = EACH.iter().find_map(|(name, r)| {
            let c = r.captures(part)?;
            c.get(1).or(c.get(0)).map(|m| (*name, m.range()))
        })?;
        Some((found.start() + secret.start..found.start() + secret.end, name))
    };
    any.find_iter(bytes).filter_map(one).collect()
}

/// The text with these parts masked.
fn masked(text: &str, found: &[Found]) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let (mut from, mut count) = (0, 0);
    for (secret, name) in found {
        // ASCII patterns match whole characters; a cut inside one would be a mistake of a rule
        if let (Some(before), true) = (text.get(from..secret.start), text.is_char_boundary(secret.end)) {
            out.push_str(before);
            out.push_str(&format!("[masked {name}]"));
            from = secret.end;
            count += 1;
        }
    }
    out.push_str(text.get(from..).unwrap_or(""));
    (out, count)
}

/// The text with secrets masked, and how many there were.
pub fn mask(text: &str) -> (Cow<'_, str>, usize) {
    let found = find(text);
    if found.is_empty() {
        return (Cow::Borrowed(text), 0);
    }
    let (out, count) = masked(text, &found);
    (Cow::Owned(out), count)
}

/// Masks secrets in every string of the events (keys are left); how many there were. What was found once is masked wherever it
/// stands, without the words around it that told what it is: a command that uses a password, evidence that quotes it.
pub fn redact(events: &mut [Value]) -> usize {
    let mut count = 0;
    let mut known: BTreeMap<String, &'static str> = BTreeMap::new();
    each_string(events, |s| {
        let found = find(s);
        if found.is_empty() {
            return;
        }
        let secrets = found.iter().filter_map(|(range, name)| Some((s.get(range.clone())?, *name)));
        known.extend(secrets.filter(|(s, _)| s.len() >= TELLING).map(|(s, name)| (s.to_owned(), name)));
        let (text, n) = masked(s, &found);
        *s = text;
        count += n;
    });
    if known.is_empty() {
        return count;
    }
    // a longer one first: one may begin with another
    let mut all: Vec<_> = known.keys().map(|k| regex::escape(k)).collect();
    all.sort_by_key(|k| std::cmp::Reverse(k.len()));
    let Ok(again) = regex::bytes::RegexBuilder::new(&format!("(?-u){}", all.join("|"))).size_limit(256 << 20).build()
    else {
        return count;
    };
    each_string(events, |s| {
        let name = |m: &regex::bytes::Match<'_>| known.get(s.get(m.range())?).copied();
        let found: Vec<Found> = again.find_iter(s.as_bytes()).filter_map(|m| Some((m.range(), name(&m)?))).collect();
        if !found.is_empty() {
            let (text, n) = masked(s, &found);
            *s = text;
            count += n;
        }
    });
    count
}

/// Gives every string below the values, at any depth.
fn each_string(events: &mut [Value], mut take: impl FnMut(&mut String)) {
    let mut todo: Vec<&mut Value> = events.iter_mut().collect();
    while let Some(value) = todo.pop() {
        match value {
            Value::String(s) => take(s),
            Value::Array(items) => todo.extend(items),
            Value::Object(map) => todo.extend(map.values_mut()),
            _ => {}
        }
    }
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

    #[test]
    fn what_was_found_once_is_masked_everywhere() {
        let mut events = vec![
            serde_json::json!({"input": {"command": "psql -p 'correct-horse!' é"}, "evidence": "correct-horse!"}),
            serde_json::json!({"output": concat!("DB_", "PASSWORD=correct-horse!\nTOKEN=short1")}),
            serde_json::json!({"input": "a short1 word"}),
        ];
        assert_eq!(redact(&mut events), 4);
        let text = serde_json::to_string(&events).unwrap();
        assert!(!text.contains("horse") && text.contains("a short1 word"), "{text}");
    }
}
