//! The record of the end of a command, patch or MCP call, which tells what the call's own result does not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, key, number};
use super::patch::Changes;
use super::{Place, Reader};
use crate::event::{EventType, Status, time_from_ms};
use crate::id;
use crate::source::Sink;
use crate::source::codex::wire::Item;
use crate::source::codex::{AGENT, tools};
use crate::source::given::Given;
use crate::source::raw::Raw;

impl Reader {
    /// The end of a command, patch or MCP call: more about a call that is known, or a call that a program of code mode made.
    pub(super) fn ended(&mut self, item: &Item<'_>, took: Option<(i64, i64)>, place: &Place<'_>, sink: Sink<'_>) {
        let kind = item.kind.as_deref().unwrap_or("(no type)");
        self.report.pass_over(&format!("end of {kind}"));
        let tool = match kind {
            "CommandExecution" | "exec_command_end" => "exec_command",
            "FileChange" | "patch_apply_end" => "file_change",
            "McpToolCall" | "mcp_tool_call_end" | "DynamicToolCall" => "mcp",
            "SubAgentActivity" | "CollabAgentToolCall" => {
                let child =
                    item.agent_thread_id.clone().or_else(|| item.receiver_thread_ids.as_ref()?.first().cloned());
                if let (Some(id), Some(child)) = (&item.id, child)
                    && let Some(call) = self.calls.get(&key(id))
                {
                    let event = call.event.to_string();
                    // later calls that address the same thread did not begin it
                    let begun_by = self.running.entry(child.clone()).or_insert_with(|| event.clone());
                    if *begun_by != event {
                        return;
                    }
                    if let Some(path) = &item.agent_path {
                        self.running.insert(path.clone(), event.clone());
                    }
                    let mut e = self.patch(&event, EventType::ToolCall);
                    e.extra.insert("spawned".to_owned(), child.into());
                    sink(e);
                }
                return;
            }
            _ => return,
        };
        let Some(own) = &item.id else { return };
        let changes = item.changes.and_then(Raw::parsed::<Changes<'_>>);
        let known = self.calls.get(&key(own)).map(|c| (c.event.to_string(), c.told));
        let mut e = match &known {
            Some((event, _)) => self.patch(event, EventType::ToolCall),
            None => {
                let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.session, own), place);
                e.call_id = Some(own.to_string());
                e.tool_name = Some(match (tool, &item.server, &item.tool) {
                    ("mcp", Some(s), Some(t)) => format!("mcp__{s}__{t}"),
                    _ => tool.to_owned(),
                });
                e.tool_input = Some(match &item.command {
                    Some(c) => json!({"cmd": tools::command_line(&c.value())}),
                    None => {
                        let files = || changes.as_ref().map_or_else(|| json!({"files": []}), Changes::files);
                        item.arguments.map(Raw::value).unwrap_or_else(files)
                    }
                });
                e.tool_output = item.aggregated_output.map(Raw::value);
                e.timestamp = took.and_then(|(from, _)| time_from_ms(from)).or(e.timestamp);
                e.cwd = item.cwd.as_deref().map(|c| c.strip_prefix("file://").unwrap_or(c).to_owned());
                // a call without a record of its own was made by a program: by which one is sure only while one was open
                match self.cells.as_slice() {
                    [one] => e.parents = vec![one.clone()],
                    [] => {
                        // a command that the user ran (`!`)
                        e.extra.insert("by_user".to_owned(), true.into());
                    }
                    _ => {}
                }
                self.events.push(Given::of(&e));
                self.report.events += 1;
                self.report.calls += 1;
                let response = number(self.responses.len().saturating_sub(1));
                let event = id::compact(&e.event_id);
                self.calls.insert(key(own), Call { event, answered: true, response, number: None, told: None });
                e
            }
        };
        e.exit_code = item.exit_code;
        e.duration_ms = item.duration.and_then(Raw::parsed::<Took>).and_then(Took::ms).filter(|ms| *ms > 0);
        let failed = item.status.as_deref() == Some("failed")
            || item.exit_code.is_some_and(|c| c != 0)
            || item
                .result
                .map(Raw::value)
                .is_some_and(|r| r.get("Err").is_some() || r.pointer("/Ok/isError") == Some(&true.into()));
        e.status = Some(match item.status.as_deref() {
            Some("declined") => Status::Denied,
            // what a killed process is given in place of a code
            _ if item.exit_code == Some(-1) => Status::Interrupted,
            _ if failed => Status::Error,
            _ => Status::Ok,
        });
        if let Some((_, told)) = known {
            // an aborted call keeps its interruption, and an error of MCP is told by its text alone
            if self.aborted || told == Some(Status::Interrupted) || tool == "mcp" && item.status.is_none() && !failed {
                e.status = None;
            } else if let Some(call) = self.calls.get_mut(&key(own)) {
                call.told = e.status;
            }
        }
        if let Some(patch) = changes.as_ref().and_then(Changes::recorded) {
            e.extra.insert("patch".to_owned(), patch);
        }
        sink(e);
    }
}

/// `duration` of an end.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Took {
    secs: Value,
    nanos: Value,
}

impl Took {
    fn ms(self) -> Option<u64> {
        let nanos = self.nanos.as_f64().unwrap_or(0.0);
        Some((self.secs.as_f64()?.max(0.0) * 1000.0 + nanos / 1e6).round() as u64)
    }
}
