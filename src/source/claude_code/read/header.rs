//! What lines tell about the session: the session's event.

use serde_json::Value;

use super::Reader;
use crate::event::{Origin, parse_time};
use crate::id;
use crate::source::Sink;
use crate::source::claude_code::AGENT;
use crate::source::claude_code::wire::Line;

impl Reader {
    /// Takes what a line says of the session and gives the header whenever something new is known.
    pub(super) fn see_header(&mut self, wire: &Line<'_>, origin: &Origin, sink: Sink<'_>) {
        let first = self.header.event_id.is_empty();
        let mut news = false;
        if first {
            self.header.event_id = id::session(AGENT, &self.session);
            self.header.session_id.clone_from(&self.session);
            self.header.source = Origin { line: Some(1), ..origin.clone() };
        }
        if self.header.cwd.is_none() && wire.cwd.is_some() {
            self.header.cwd = wire.cwd.as_deref().map(str::to_owned);
            self.header.timestamp = wire.timestamp.as_deref().and_then(parse_time);
            for (key, value) in [("version", &wire.version), ("git_branch", &wire.git_branch)] {
                if let Some(v) = value {
                    self.header.extra.insert(key.to_owned(), Value::from(&**v));
                }
            }
            news = true;
        }
        if let Some(from) = wire.forked_from.as_ref().and_then(|f| f.session_id.as_deref())
            && !self.header.extra.contains_key("forked_from")
        {
            self.header.extra.insert("forked_from".to_owned(), from.into());
            news = true;
        }
        let title = wire.custom_title.as_ref().or(wire.ai_title.as_ref());
        let title = title.or(wire.summary.as_ref().filter(|_| !self.titled));
        // 2.0 took the failure of its first request for a summary
        let title = title.filter(|t| !t.starts_with("API Error"));
        if let Some(t) = title {
            self.titled = true;
            let t = Value::from(&**t);
            news |= self.header.tool_input.as_ref() != Some(&t);
            self.header.tool_input = Some(t);
        }
        if news {
            self.report.events += u64::from(!std::mem::replace(&mut self.given, true));
            sink(self.header.clone());
        }
    }
}
