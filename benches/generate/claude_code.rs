//! A session as Claude Code 2.1 writes it, one JSON object a line.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Call, Random, Response, Session, Work, begins, rfc3339};

/// How much to write.
#[derive(Clone, Copy)]
pub enum Until {
    Bytes(u64),
    /// Prompts, words, thoughts and calls.
    Events(usize),
}

/// Writes a session; how many events are in it.
pub fn write(out: &mut dyn Write, session: &Session<'_>, until: Until) -> io::Result<usize> {
    let expected = match until {
        Until::Bytes(b) => b as usize / 4700,
        Until::Events(n) => n,
    };
    let mut work = Work::new(session, expected);
    let mut lines = Lines {
        out,
        random: session.random(0xcc),
        session: session.id(),
        cwd: session.cwd,
        parent: Value::Null,
        time: begins(session.number),
        written: 0,
        events: 0,
    };
    let enough = |l: &Lines<'_>| match until {
        Until::Bytes(b) => l.written >= b,
        Until::Events(n) => l.events >= n,
    };
    while !enough(&lines) {
        let turn = work.turn();
        let prompt = lines.random.uuid();
        lines.quiet("permission-mode", json!({"permissionMode": "default"}))?;
        lines.event("user", json!({"promptId": prompt, "message": {"role": "user", "content": turn.prompt}, "permissionMode": "default"}))?;
        lines.events += 1;
        for response in turn.responses {
            lines.response(response, &prompt)?;
            if enough(&lines) {
                break;
            }
        }
        lines.quiet("last-prompt", json!({"lastPrompt": turn.prompt.chars().take(200).collect::<String>()}))?;
        lines.quiet("ai-title", json!({"aiTitle": "Work on the project"}))?;
    }
    Ok(lines.events)
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    random: Random,
    session: String,
    cwd: &'a str,
    parent: Value,
    time: i64,
    written: u64,
    events: usize,
}

impl Lines<'_> {
    fn line(&mut self, value: &Value) -> io::Result<()> {
        let text = serde_json::to_vec(value)?;
        self.written += text.len() as u64 + 1;
        self.out.write_all(&text)?;
        self.out.write_all(b"\n")
    }

    /// A line that says nothing of what was done.
    fn quiet(&mut self, kind: &str, fields: Value) -> io::Result<()> {
        let mut line = json!({"type": kind});
        join(&mut line, fields);
        join(&mut line, json!({"sessionId": self.session}));
        self.line(&line)
    }

    /// A line with a uuid, below the one before.
    fn event(&mut self, kind: &str, fields: Value) -> io::Result<()> {
        let uuid = self.random.uuid();
        self.time += 900;
        let mut line = json!({"parentUuid": self.parent, "isSidechain": false});
        join(&mut line, fields);
        let rest = json!({
            "type": kind, "uuid": uuid, "timestamp": rfc3339(self.time), "userType": "external", "entrypoint": "cli",
            "cwd": self.cwd, "sessionId": self.session, "version": "2.1.260", "gitBranch": "main",
        });
        join(&mut line, rest);
        self.parent = uuid.into();
        self.line(&line)
    }

    fn response(&mut self, response: Response, prompt: &str) -> io::Result<()> {
        let (id, request) = (self.random.id("msg_01"), self.random.id("req_01"));
        let mut blocks = Vec::new();
        if let Some(t) = response.thought {
            self.events += 1;
            blocks.push(json!({"type": "thinking", "thinking": t, "signature": self.random.id("Er").repeat(16)}));
        }
        if let Some(t) = response.words {
            self.events += 1;
            blocks.push(json!({"type": "text", "text": t}));
        }
        let ids: Vec<String> = response.calls.iter().map(|_| self.random.id("toolu_01")).collect();
        for (call, id) in response.calls.iter().zip(&ids) {
            self.events += 1;
            blocks.push(json!({"type": "tool_use", "id": id, "name": call.tool, "input": call.input, "caller": {"type": "direct"}}));
        }
        let stop = if ids.is_empty() { "end_turn" } else { "tool_use" };
        let usage = json!({
            "input_tokens": 6, "cache_creation_input_tokens": 1067, "cache_read_input_tokens": 46556, "output_tokens": 148,
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0}, "service_tier": "standard",
            "cache_creation": {"ephemeral_1h_input_tokens": 1067, "ephemeral_5m_input_tokens": 0}, "inference_geo": "",
            "iterations": [{"input_tokens": 6, "output_tokens": 148, "cache_read_input_tokens": 46556,
                "cache_creation_input_tokens": 1067, "type": "message"}], "speed": "standard",
        });
        for block in blocks {
            let message = json!({
                "model": "claude-opus-4-7", "id": id, "type": "message", "role": "assistant", "content": [block],
                "stop_reason": stop, "stop_sequence": null, "stop_details": null, "usage": usage,
            });
            self.event("assistant", json!({"message": message, "requestId": request}))?;
        }
        for (call, id) in response.calls.iter().zip(&ids) {
            self.result(call, id, prompt)?;
        }
        Ok(())
    }

    fn result(&mut self, call: &Call, id: &str, prompt: &str) -> io::Result<()> {
        if self.random.chance(0.26) {
            let progress = json!({"data": {"type": "hook_progress", "hookEvent": "PreToolUse", "hookName": "PreToolUse:Bash",
                "command": "lint --changed"}, "parentToolUseID": id, "toolUseID": id});
            self.event("progress", progress)?;
        }
        let result = json!({"tool_use_id": id, "type": "tool_result", "content": call.output, "is_error": call.failed});
        let source = self.parent.clone();
        self.event(
            "user",
            json!({
                "promptId": prompt, "message": {"role": "user", "content": [result]}, "toolUseResult": twin(call),
                "sourceToolAssistantUUID": source,
            }),
        )?;
        if call.edited.is_some() && self.random.chance(0.6) {
            let message = self.random.uuid();
            let backup =
                json!({"backupFileName": "0123456789abcdef@v2", "version": 2, "backupTime": rfc3339(self.time)});
            self.quiet("file-history-snapshot", json!({"messageId": message, "snapshot": {"messageId": message,
                "trackedFileBackups": {"src/a.rs": backup, "src/b.rs": backup, "src/c.rs": backup}}, "isSnapshotUpdate": true}))?;
        }
        if self.random.chance(0.15) {
            self.event("system", json!({"subtype": "stop_hook_summary", "hookCount": 1, "hookErrors": [],
                "hookInfos": [{"command": "notify", "durationMs": 31}], "preventedContinuation": false, "level": "suggestion"}))?;
        }
        if self.random.chance(0.14) {
            let bytes = self.random.size([150.0, 7000.0, 21_000.0, 49_000.0]);
            self.event("attachment", json!({"attachment": {"type": "hook_success", "hookName": "PostToolUse", "toolUseID": id,
                "hookEvent": "PostToolUse", "content": "", "stdout": "checked ok\n".repeat(bytes / 11 + 1), "stderr": "", "exitCode": 0}}))?;
        }
        Ok(())
    }
}

/// The structured twin of a result.
fn twin(call: &Call) -> Value {
    let text = |key: &str| call.input[key].as_str().unwrap_or("");
    match call.tool {
        _ if call.failed => format!("Error: {}", call.output).into(),
        "Read" => {
            let content: String = call.output.lines().map(|l| format!("{}\n", l.get(7..).unwrap_or(""))).collect();
            let lines = call.output.lines().count();
            json!({"type": "text", "file": {"filePath": text("file_path"), "content": content, "numLines": lines,
                "startLine": 1, "totalLines": lines}})
        }
        "Edit" => {
            let (original, line) = call.edited.as_ref().map_or(("", 1), |(o, l)| (o.as_str(), *l));
            let (before, after) = (text("old_string"), text("new_string"));
            let (old, new): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
            let lines: Vec<String> = old
                .iter()
                .zip(&new)
                .flat_map(|(a, b)| if a == b { vec![format!(" {a}")] } else { vec![format!("-{a}"), format!("+{b}")] })
                .collect();
            json!({"filePath": text("file_path"), "oldString": before, "newString": after, "originalFile": original,
                "structuredPatch": [{"oldStart": line, "oldLines": old.len(), "newStart": line, "newLines": new.len(), "lines": lines}],
                "userModified": false, "replaceAll": false})
        }
        "Write" => {
            json!({"type": "create", "filePath": text("file_path"), "content": text("content"), "structuredPatch": [],
            "originalFile": null})
        }
        "Grep" => json!({"mode": "content", "numFiles": 0, "filenames": [], "content": call.output, "numLines": 9}),
        "TodoWrite" => json!({"oldTodos": [], "newTodos": call.input["todos"]}),
        _ => {
            json!({"stdout": call.output, "stderr": "", "interrupted": false, "isImage": false, "noOutputExpected": false})
        }
    }
}

fn join(line: &mut Value, fields: Value) {
    if let (Value::Object(line), Value::Object(fields)) = (line, fields) {
        line.extend(fields);
    }
}
