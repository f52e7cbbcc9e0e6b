//! A chat's JSON without what is never read: rendered results are kept as their text, and what the client repeats in each request
//! is left out. A large chat takes a fraction of the memory that its whole tree would.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Keys of a request or of its parts that say nothing here.
const UNREAD: [&str; 10] = [
    "baseUri",
    "codeBlocks",
    "codeCitations",
    "contentReferences",
    "followups",
    "originMessage",
    "renderedGlobalContext",
    "responderAvatarIconUri",
    "requesterAvatarIconUri",
    "slashCommands",
];

/// A value that was slimmed while it was read.
pub(super) struct Slim(pub(super) Value);

impl<'de> Deserialize<'de> for Slim {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Tree(Place::Chat).deserialize(d).map(Slim)
    }
}

/// Where in a chat a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In what the client wrote of itself.
    Chat,
    /// In the results of calls.
    Results,
    /// In the input of a tool, which is kept as it is.
    Input,
}

struct Tree(Place);

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(v) = seq.next_element_seed(Tree(self.0))? {
            list.push(v);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0 == Place::Chat && UNREAD.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = match (self.0, key.as_str()) {
                (Place::Results, "node") => {
                    let mut text = String::new();
                    map.next_value_seed(Node(&mut text))?;
                    Value::String(text)
                }
                (Place::Chat, "toolCallResults") => map.next_value_seed(Tree(Place::Results))?,
                (Place::Chat, "rawInput") => map.next_value_seed(Tree(Place::Input))?,
                (place, _) => map.next_value_seed(Tree(place))?,
            };
            out.insert(key, value);
        }
        Ok(out.into())
    }
}

/// A tree of prompt elements, read as its text: nodes have children or text. A line break before a text is one where a line is open.
struct Node<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a prompt element")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Node(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut text, mut breaks) = (Value::Null, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "text" => text = map.next_value_seed(Tree(Place::Input))?,
                "lineBreakBefore" => breaks = map.next_value_seed(Tree(Place::Input))? == Value::Bool(true),
                "children" => map.next_value_seed(Node(&mut *self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let Some(text) = text.as_str() {
            if breaks && !self.0.is_empty() && !self.0.ends_with('\n') {
                self.0.push('\n');
            }
            self.0.push_str(text);
        }
        Ok(())
    }
}
