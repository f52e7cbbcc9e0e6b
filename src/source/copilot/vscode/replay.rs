//! The mutation log of a chat session (VS Code 1.109 and later, `<id>.jsonl`): the state that its entries lead to.
//!
//! `{"kind":0,"v":STATE}` begins anew, `{"kind":1,"k":PATH,"v":…}` sets, `{"kind":2,"k":PATH,"v":[…],"i":N}` cuts a list at N
//! and adds to it, `{"kind":3,"k":PATH}` removes. After 1,024 entries the client replaces the file by a new state.

use std::collections::HashMap;
use std::io::BufRead;

use serde_json::Value;

use super::slim::Slim;
use crate::source::Report;
use crate::source::jsonl::{Lines, records};

/// What a log holds.
#[derive(Default)]
pub(super) struct Replayed {
    /// The state after its last entry; null where there is none.
    pub(super) state: Value,
    /// Requests that an entry took away, with the place at which they stood: the user went back to an earlier one. What an
    /// entry only moved stands in the state again.
    pub(super) removed: Vec<(usize, Value)>,
    /// Where in `removed` a request is, by its id.
    known: HashMap<String, usize>,
}

/// Replays a log. Entries of unknown kinds are counted, entries that fit nowhere are bad; the others count.
pub(super) fn replay(reader: impl BufRead, file: &str, report: &mut Report) -> std::io::Result<Replayed> {
    let mut lines = Lines::new(reader);
    let mut scratch = String::new();
    let mut log = Replayed::default();
    while let Some(line) = lines.next()? {
        let number = line.number;
        report.records += 1;
        let Some(bytes) = line.bytes else {
            report.bad(file, number, "line too long");
            continue;
        };
        match records::<Slim>(bytes, &mut scratch) {
            Ok(entries) => {
                for Slim(entry) in entries {
                    if let Err(reason) = log.apply(entry, report) {
                        report.bad(file, number, reason);
                    }
                }
            }
            Err(reason) => report.bad(file, number, reason),
        }
    }
    Ok(log)
}

impl Replayed {
    /// A state that was written whole.
    pub(super) fn whole(state: Value) -> Self {
        Self { state, ..Self::default() }
    }

    fn apply(&mut self, mut entry: Value, report: &mut Report) -> Result<(), String> {
        let Some(kind) = entry.get("kind").and_then(Value::as_u64) else {
            let name = entry.get("kind").and_then(Value::as_str).unwrap_or("none");
            report.unknown(&format!("log entry {name}"));
            return Ok(());
        };
        let value = entry.get_mut("v").map(Value::take);
        if kind == 0 {
            self.keep_removed(0);
            self.state = value.unwrap_or_default();
            return Ok(());
        }
        if kind > 3 {
            report.unknown(&format!("log entry {kind}"));
            return Ok(());
        }
        if self.state.is_null() {
            return Err("an entry before the first state".to_owned());
        }
        let path = entry.get("k").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let Some((last, parents)) = path.split_last() else {
            return Err("an entry without a path".to_owned());
        };
        if path.len() == 1 && last.as_str() == Some("requests") {
            let cut = entry.get("i").and_then(Value::as_u64).map(|i| usize::try_from(i).unwrap_or(usize::MAX));
            match kind {
                2 => cut.map_or((), |cut| self.keep_removed(cut)),
                _ => self.keep_removed(0),
            }
        }
        let mut at = &mut self.state;
        for key in parents {
            at = step(at, key).ok_or_else(|| format!("nothing at {}", shown(path)))?;
        }
        match kind {
            1 => set(at, last, value.unwrap_or_default()),
            2 => push(at, last, value, entry.get("i").and_then(Value::as_u64)),
            _ => remove(at, last),
        }
        .ok_or_else(|| format!("nothing to change at {}", shown(path)))
    }

    /// Keeps the requests from `first` on, which an entry is about to cut off.
    fn keep_removed(&mut self, first: usize) {
        let requests = self.state.get_mut("requests").and_then(Value::as_array_mut);
        for (i, request) in requests.into_iter().flatten().enumerate().skip(first) {
            let Some(id) = request.get("requestId").and_then(Value::as_str).map(str::to_owned) else { continue };
            let kept = (i, request.take());
            match self.known.get(&id).and_then(|at| self.removed.get_mut(*at)) {
                Some(older) => *older = kept,
                None => {
                    self.known.insert(id, self.removed.len());
                    self.removed.push(kept);
                }
            }
        }
    }
}

fn index(key: &Value) -> Option<usize> {
    key.as_u64().and_then(|i| usize::try_from(i).ok())
}

fn step<'a>(at: &'a mut Value, key: &Value) -> Option<&'a mut Value> {
    match at {
        Value::Array(list) => list.get_mut(index(key)?),
        Value::Object(map) => map.get_mut(key.as_str()?),
        _ => None,
    }
}

fn set(at: &mut Value, key: &Value, value: Value) -> Option<()> {
    match at {
        Value::Array(list) => {
            let i = index(key)?;
            let end = list.len();
            match list.get_mut(i) {
                Some(old) => *old = value,
                None if i == end => list.push(value),
                None => return None,
            }
        }
        Value::Object(map) => {
            map.insert(key.as_str()?.to_owned(), value);
        }
        _ => return None,
    }
    Some(())
}

fn push(at: &mut Value, key: &Value, items: Option<Value>, cut: Option<u64>) -> Option<()> {
    if step(at, key).is_none_or(|v| v.is_null()) {
        set(at, key, Value::Array(Vec::new()))?;
    }
    let list = step(at, key)?.as_array_mut()?;
    if let Some(cut) = cut {
        list.truncate(usize::try_from(cut).unwrap_or(usize::MAX));
    }
    if let Some(Value::Array(items)) = items {
        list.extend(items);
    }
    Some(())
}

fn remove(at: &mut Value, key: &Value) -> Option<()> {
    match at {
        Value::Array(list) => *list.get_mut(index(key)?)? = Value::Null,
        Value::Object(map) => {
            map.swap_remove(key.as_str()?);
        }
        _ => return None,
    }
    Some(())
}

fn shown(path: &[Value]) -> String {
    let keys: Vec<String> =
        path.iter().take(8).map(|k| k.as_str().map_or_else(|| k.to_string(), str::to_owned)).collect();
    keys.join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replayed(log: &str) -> (Replayed, Report) {
        let mut report = Report::default();
        let log = replay(log.as_bytes(), "f", &mut report).unwrap();
        (log, report)
    }

    #[test]
    fn entries_lead_to_the_state() {
        let (log, report) = replayed(
            r#"{"kind":0,"v":{"requests":[{"requestId":"a"}],"t":"x"}}
{"kind":2,"k":["requests",0,"response"],"v":[1,2]}
{"kind":2,"k":["requests",0,"response"],"v":[3],"i":1}
{"kind":1,"k":["requests",0,"result"],"v":{"ok":true}}
{"kind":3,"k":["t"]}
{"kind":1,"k":["hasPendingEdits"],"v":false}"#,
        );
        let wanted = json!({"requests": [{"requestId": "a", "response": [1, 3], "result": {"ok": true}}], "hasPendingEdits": false});
        assert_eq!((log.state, report.bad_count, report.records), (wanted, 0, 6));
    }

    #[test]
    fn what_is_cut_off_is_kept_apart() {
        let (log, _) = replayed(
            r#"{"kind":0,"v":{"requests":[{"requestId":"a"},{"requestId":"b"}]}}
{"kind":2,"k":["requests"],"v":[{"requestId":"c"}],"i":1}"#,
        );
        assert_eq!(log.state, json!({"requests": [{"requestId": "a"}, {"requestId": "c"}]}));
        assert_eq!(log.removed, [(1, json!({"requestId": "b"}))]);
    }

    #[test]
    fn what_fits_nowhere_is_reported() {
        let (log, report) = replayed(
            "{\"kind\":1,\"k\":[\"x\"],\"v\":1}\n{\"kind\":0,\"v\":{\"a\":[]}}\n{\"kind\":9}\n{\"kind\":\"new\"}\n{\"kind\":1,\"k\":[\"no\",0],\"v\":1}\n\
             {\"kind\":1,\"k\":[\"a\",5],\"v\":1}\n{\"kind\":1,\"k\":[]}\n{\"kind\":2,\"k\":[\"a\",\"b\"],\"v\":[1]}\n[1]\n{\"kind\":2,\"k\":[\"a\"],\"v\":[7]}\n{\"kind\":1,\"k\":[\"a\"",
        );
        assert_eq!(log.state, json!({"a": [7]}));
        assert_eq!((report.bad_count, report.unknown.len()), (6, 3));
        assert!(report.bad.last().unwrap().reason.starts_with("torn"));
    }
}
