//! The changes that the end of a patch tells, file by file.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::patch::{parse_unified, recorded_hunk};
use crate::source::raw::Raw;
use crate::text::Text;

/// `changes` of a patch's end: what was done to each file, in the order of the record.
pub(super) struct Changes<'a>(Vec<(Text<'a>, Change<'a>)>);

/// What was done to a file.
#[derive(Deserialize)]
struct Change<'a> {
    /// `add`, `update` or `delete`.
    #[serde(borrow, rename = "type")]
    kind: Option<Raw<'a>>,
    #[serde(borrow)]
    unified_diff: Option<Raw<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    move_path: Option<Raw<'a>>,
    // 0.118 and before nest: {"update": {"unified_diff": …}}
    #[serde(borrow)]
    add: Option<Raw<'a>>,
    #[serde(borrow)]
    update: Option<Raw<'a>>,
    #[serde(borrow)]
    delete: Option<Raw<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Changes<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Files;
        impl<'de> Visitor<'de> for Files {
            type Value = Changes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("changes by file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut changes = Vec::new();
                while let Some(change) = map.next_entry()? {
                    changes.push(change);
                }
                Ok(Changes(changes))
            }
        }
        d.deserialize_map(Files)
    }
}

impl Changes<'_> {
    /// The names of the files, as input of a call that has none of its own.
    pub(super) fn files(&self) -> Value {
        let files: Vec<&str> = self.0.iter().map(|(path, _)| &**path).collect();
        json!({ "files": files })
    }

    /// The files with hunks and line numbers.
    pub(super) fn recorded(&self) -> Option<Value> {
        let files: Option<Vec<Value>> = self.0.iter().map(|(path, change)| change.recorded(path)).collect();
        files.filter(|f| !f.is_empty()).map(Value::Array)
    }
}

impl Change<'_> {
    fn recorded(&self, path: &str) -> Option<Value> {
        if let Some(kind) = self.kind.and_then(Raw::text) {
            return Some(self.file(path, kind));
        }
        let nested = [("add", self.add), ("update", self.update), ("delete", self.delete)];
        let (kind, body) = nested.into_iter().find_map(|(kind, body)| Some((kind, body?)))?;
        Some(body.parsed::<Change<'_>>()?.file(path, kind.to_owned()))
    }

    fn file(&self, path: &str, kind: String) -> Value {
        let content = || self.content.map(Raw::value).unwrap_or_default();
        let hunks: Vec<Value> = match (self.unified_diff.and_then(Raw::text), kind.as_str()) {
            (Some(diff), _) => parse_unified(&diff)
                .into_iter()
                .map(|h| recorded_hunk(h.line.map(Value::from), h.before, h.after))
                .collect(),
            (None, "add") => vec![json!({"before": "", "after": content()})],
            (None, _) => vec![json!({"before": content(), "after": ""})],
        };
        let mut file = Map::with_capacity(4);
        file.insert("path".to_owned(), path.into());
        file.insert("change".to_owned(), kind.into());
        if let Some(to) = self.move_path.and_then(Raw::text) {
            file.insert("moved_to".to_owned(), to.into());
        }
        file.insert("hunks".to_owned(), hunks.into());
        Value::Object(file)
    }
}
