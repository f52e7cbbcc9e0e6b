//! Secrets in a session: none of them leaves with an export, and the views keep what the agent kept.
//!
//! The examples are others than those beside the rules: a rule that is taken out takes its own with it.

use serde_json::json;

use super::machine::Machine;

/// What stands around a secret and the secret itself, in halves that no scanner takes for a leak.
const SECRETS: &[(&str, [&str; 2], &str)] = &[
    ("key ", ["sk-a", "nt-api03-ZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["sk-p", "roj-ZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["sk-", "ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRq"], ""),
    ("key ", ["gsk", "_ZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["xai", "-ZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["r8", "_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRq"], ""),
    ("key ", ["gho", "_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRqp"], ""),
    ("key ", ["github", "_pat_ZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["glp", "at-ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["ASI", "AZYXWVUTSRQPONMLK"], ""),
    ("aws_secret_access_key=", ["ZYXwvuTSRqponMLKjihg", "FEDcbaZYXwvuTSRqponM"], ""),
    ("AccountKey=", ["ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRq", "ponMLKjihgFEDcbaZYXwvuTSRqpo=="], ";"),
    ("key ", ["AIz", "aZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSR"], ""),
    ("key ", ["GOCS", "PX-ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["xox", "p-1234567890-ZYXwvuTSRq"], ""),
    ("https://hooks.slack.com/services/", ["T11111111/B11111111/", "ZYXwvuTSRqpo"], ""),
    ("key ", ["rk_l", "ive_ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["SG.", "ZYXwvuTSRqponMLKjihg.ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["npm", "_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRq"], ""),
    ("key ", ["pyp", "i-ZYXwvuTSRqponMLKjihgFEDcbaZYXwvuTSRqponMLKjihgFEDcba"], ""),
    ("key ", ["dckr", "_pat_ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["hvb", ".ZYXwvuTSRqponMLKjihg"], ""),
    ("key ", ["dap", "i9876543210fedcba9876543210fedcba"], ""),
    ("key ", ["doo", "_v1_9876543210fedcba9876543210fedcba9876543210fedcba9876543210fedcba"], ""),
    ("key ", ["shp", "ca_9876543210fedcba9876543210fedcba"], ""),
    ("key ", ["lin_", "api_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvu"], ""),
    ("key ", ["ntn", "_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvu"], ""),
    ("key ", ["hf", "_ZYXwvuTSRqponMLKjihgFEDcbaZYXwvu"], ""),
    ("key ", ["AGE-SEC", "RET-KEY-1ZYXWVUTSRQPONMLKJIHGFEDCBAZYXWVUTSRQPONMLKJIHGFEDCBA"], ""),
    ("key ", ["eyJ", "ZYXwvuTSRq.eyJZYXwvuTSRq.ZYXwvuTSRqpo"], ""),
    ("", ["-----BEGIN EC PRIV", "ATE KEY-----\nZYXwvuTSRq\n-----END EC PRIVATE KEY-----"], ""),
    ("", ["-----BEGIN PGP PRIV", "ATE KEY BLOCK-----\nZYXwvuTSRq, and no end"], ""),
    ("authorization: Basic ", ["dXNlcjpo", "dW50ZXIyc2VjcmV0"], ""),
    ("X-Auth-Token: ", ["ZYXwvu", "TSRqponM"], ""),
    ("mysql://root:", ["corr3ct", "-h0rse"], "@db.example.com/x"),
    ("export DB_PASSWORD=", ["corr3ct", "-battery!"], ""),
    ("\"clientSecret\": \"", ["ZYXwvuTSRq", "ponMLKjihg"], "\""),
];

#[test]
fn no_secret_leaves_with_an_export() {
    for (before, secret, after) in SECRETS {
        let m = Machine::new();
        let secret = secret.concat();
        let text = format!("{before}{secret}{after}");
        let mut lines = String::new();
        for (n, (kind, mut e)) in [
            ("user_input", json!({"tool_input": text})),
            (
                "tool_call",
                json!({"tool_name": "Bash", "tool_input": {"command": format!("echo '{text}'")}, "tool_output": text}),
            ),
            ("message", json!({"tool_input": "done", "new_key": {"deep": [text]}})),
        ]
        .into_iter()
        .enumerate()
        {
            e["event_type"] = kind.into();
            e["session_id"] = "s".into();
            e["agent"] = "codex".into();
            lines.push_str(&format!("{{\"schema_version\":\"1.0\",\"event_id\":\"e{n}\",{}\n", &e.to_string()[1..]));
        }
        m.store().append("s", lines.as_bytes()).unwrap();
        // as JSON writes it
        let written = serde_json::to_string(&secret).unwrap();
        let written = written.trim_matches('"');
        for format in ["json", "jsonl"] {
            let said = m.run(&["export", "s", "--format", format]);
            assert!(!said.out.contains(written) && said.out.contains("[masked "), "{text}:\n{}", said.out);
            // the prompt, the command, the output and the key that nobody knows
            assert!(said.err.contains("4 secrets masked"), "{text}: {}", said.err);
            let said = m.run(&["export", "s", "--format", format, "--no-redact"]);
            assert!(said.out.matches(written).count() >= 4 && said.err.is_empty(), "{text}: {}{}", said.out, said.err);
        }
        assert!(std::fs::read_to_string(m.store().path("s")).unwrap().contains(written));
    }
}
