//! The changes that the end of a patch tells, file by file.

use serde_json::{Map, Value, json};

use crate::patch::{parse_unified, recorded_hunk};

/// The names of changed files, as input of a call that has none of its own.
pub(super) fn files_of(changes: Option<&Value>) -> Value {
    let files: Vec<&String> = changes.and_then(Value::as_object).map(|m| m.keys().collect()).unwrap_or_default();
    json!({ "files": files })
}

/// `changes` of a patch's end as files with hunks and line numbers.
pub(super) fn recorded_patch(changes: &Value) -> Option<Value> {
    let mut files = Vec::new();
    for (path, change) in changes.as_object()? {
        let text = |key: &str| change.get(key).and_then(Value::as_str);
        // 0.118 and before nest: {"update": {"unified_diff": …}}
        let (kind, body) = match text("type") {
            Some(kind) => (kind, change),
            None => {
                let (kind, body) = change.as_object()?.iter().next()?;
                (kind.as_str(), body)
            }
        };
        let hunks: Vec<Value> = match (body.get("unified_diff").and_then(Value::as_str), kind) {
            (Some(diff), _) => parse_unified(diff)
                .into_iter()
                .map(|h| recorded_hunk(h.line.map(Value::from), h.before, h.after))
                .collect(),
            (None, "add") => vec![json!({"before": "", "after": body.get("content")})],
            (None, _) => vec![json!({"before": body.get("content"), "after": ""})],
        };
        let mut file = Map::new();
        file.insert("path".to_owned(), path.as_str().into());
        file.insert("change".to_owned(), kind.into());
        if let Some(to) = body.get("move_path").filter(|m| m.is_string()) {
            file.insert("moved_to".to_owned(), to.clone());
        }
        file.insert("hunks".to_owned(), hunks.into());
        files.push(Value::Object(file));
    }
    (!files.is_empty()).then_some(Value::Array(files))
}
