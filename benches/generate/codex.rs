//! A session as Codex CLI 0.118 writes it: rollout lines.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Call, Random, Response, Session, Work, begins, rfc3339};

/// The file name of a session.
pub fn file_name(session: &Session<'_>) -> String {
    format!("rollout-2026-01-01T00-00-00-{}.jsonl", session.id())
}

/// Writes a session of about this many bytes.
pub fn write(out: &mut dyn Write, session: &Session<'_>, bytes: u64) -> io::Result<()> {
    let mut work = Work::new(session, bytes as usize / 2700);
    let mut lines =
        Lines { out, random: session.random(0xcd), cwd: session.cwd, time: begins(session.number), written: 0 };
    lines.line(
        "session_meta",
        json!({
            "id": session.id(), "timestamp": rfc3339(lines.time), "cwd": session.cwd, "originator": "codex-tui",
            "cli_version": "0.118.0", "source": "cli", "model_provider": "openai",
            "base_instructions": {"text": "Be brief. Be exact.\n".repeat(700)},
            "git": {"commit_hash": "06fd2be72dff56953c7303f99fcd6e071c12102e", "branch": "main"},
        }),
    )?;
    while lines.written < bytes {
        let turn = work.turn();
        let id = lines.random.uuid();
        lines.line("event_msg", json!({"type": "task_started", "turn_id": id, "model_context_window": 258400}))?;
        lines.line("turn_context", json!({"turn_id": id, "cwd": session.cwd, "approval_policy": "on-request", "model": "gpt-5.4",
            "sandbox_policy": {"type": "workspace-write", "writable_roots": [], "network_access": false},
            "collaboration_mode": {"mode": "default", "settings": {"developer_instructions": "Keep to the plan.\n".repeat(50)}}}))?;
        lines.line(
            "response_item",
            json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": turn.prompt}]}),
        )?;
        lines.line(
            "event_msg",
            json!({"type": "user_message", "message": turn.prompt, "images": [], "text_elements": []}),
        )?;
        for response in turn.responses {
            lines.response(response, &id)?;
            if lines.written >= bytes {
                break;
            }
        }
        lines.line("event_msg", json!({"type": "task_complete", "turn_id": id, "last_agent_message": "Done."}))?;
    }
    Ok(())
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    random: Random,
    cwd: &'a str,
    time: i64,
    written: u64,
}

impl Lines<'_> {
    fn line(&mut self, kind: &str, payload: Value) -> io::Result<()> {
        self.time += 400;
        let text = serde_json::to_vec(&json!({"timestamp": rfc3339(self.time), "type": kind, "payload": payload}))?;
        self.written += text.len() as u64 + 1;
        self.out.write_all(&text)?;
        self.out.write_all(b"\n")
    }

    fn response(&mut self, response: Response, turn: &str) -> io::Result<()> {
        if response.thought.is_some() || self.random.chance(0.3) {
            let secret = self.random.id("gAAAA").repeat(response.thought.map_or(5, |t| t.len() / 20));
            self.line(
                "response_item",
                json!({"type": "reasoning", "summary": [], "content": null, "encrypted_content": secret}),
            )?;
        }
        if let Some(words) = response.words {
            self.line("event_msg", json!({"type": "agent_message", "message": words, "phase": "commentary"}))?;
            self.line(
                "response_item",
                json!({"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": words}], "phase": "commentary"}),
            )?;
        }
        let ids: Vec<String> = response.calls.iter().map(|_| self.random.id("call_")).collect();
        for (call, id) in response.calls.iter().zip(&ids) {
            let patch = patch(call);
            let item = match &patch {
                Some(p) => {
                    json!({"type": "custom_tool_call", "status": "completed", "call_id": id, "name": "apply_patch", "input": p})
                }
                None => json!({"type": "function_call", "name": "exec_command", "call_id": id,
                    "arguments": json!({"cmd": command(call), "workdir": self.cwd, "yield_time_ms": 1000}).to_string()}),
            };
            self.line("response_item", item)?;
        }
        let tokens = json!({"input_tokens": 60000, "cached_input_tokens": 58000, "output_tokens": 150, "reasoning_output_tokens": 20,
            "total_tokens": 60150});
        self.line(
            "event_msg",
            json!({"type": "token_count", "info": {"total_token_usage": tokens, "last_token_usage": tokens,
            "model_context_window": 258400}, "rate_limits": {"limit_id": "codex", "primary": null, "secondary": null}}),
        )?;
        for (call, id) in response.calls.iter().zip(&ids) {
            self.result(call, id, turn)?;
        }
        Ok(())
    }

    fn result(&mut self, call: &Call, id: &str, turn: &str) -> io::Result<()> {
        let code = i64::from(call.failed) * 101;
        if patch(call).is_some() {
            let path = call.input["file_path"].as_str().unwrap_or("");
            self.line("event_msg", json!({"type": "patch_apply_end", "call_id": id, "turn_id": turn, "stdout": "Success.", "stderr": "",
                "success": true, "changes": {path: {"type": "update", "unified_diff": diff(call), "move_path": null}}, "status": "completed"}))?;
            let output = json!({"output": format!("Success. Updated the following files:\nM {path}\n"),
                "metadata": {"exit_code": 0, "duration_seconds": 0.1}})
            .to_string();
            return self
                .line("response_item", json!({"type": "custom_tool_call_output", "call_id": id, "output": output}));
        }
        if self.random.chance(0.4) {
            self.line("event_msg", json!({"type": "exec_command_end", "call_id": id, "process_id": "50456", "turn_id": turn,
                "command": ["/bin/bash", "-lc", command(call)], "cwd": self.cwd, "parsed_cmd": [{"type": "unknown", "cmd": command(call)}],
                "source": "unified_exec_startup", "stdout": "", "stderr": "", "aggregated_output": call.output, "exit_code": code,
                "duration": {"secs": 0, "nanos": 3_541_000}, "formatted_output": "", "status": "completed"}))?;
        }
        let output = format!(
            "Chunk ID: 0a1b2c\nWall time: 0.0512 seconds\nProcess exited with code {code}\nOriginal token count: 99\nOutput:\n{}",
            call.output
        );
        self.line("response_item", json!({"type": "function_call_output", "call_id": id, "output": output}))
    }
}

fn command(call: &Call) -> String {
    let text = |key: &str| call.input[key].as_str().unwrap_or("");
    match call.tool {
        "Read" => format!("sed -n '1,400p' {}", text("file_path")),
        "Grep" => format!("rg -n '{}' src", text("pattern")),
        "Bash" => text("command").to_owned(),
        _ => "git status --short".to_owned(),
    }
}

fn diff(call: &Call) -> String {
    let text = |key: &str| call.input[key].as_str().unwrap_or("");
    let (old, new): (Vec<_>, Vec<_>) =
        (text("old_string").split('\n').collect(), text("new_string").split('\n').collect());
    let line = call.edited.as_ref().map_or(1, |(_, l)| *l);
    let mut out = format!("@@ -{line},{} +{line},{} @@\n", old.len(), new.len());
    for (a, b) in old.iter().zip(&new) {
        out.push_str(&if a == b { format!(" {a}\n") } else { format!("-{a}\n+{b}\n") });
    }
    out
}

fn patch(call: &Call) -> Option<String> {
    let path = call.input["file_path"].as_str()?;
    match call.tool {
        "Edit" => Some(format!("*** Begin Patch\n*** Update File: {path}\n{}*** End Patch\n", diff(call))),
        "Write" => {
            let content = call.input["content"].as_str()?;
            let added: String = content.lines().map(|l| format!("+{l}\n")).collect();
            Some(format!("*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch\n"))
        }
        _ => None,
    }
}
