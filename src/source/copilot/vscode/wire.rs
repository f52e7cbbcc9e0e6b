//! The records of a chat as VS Code writes them: views of JSON that never fail. What is missing or of another type is absent.

use serde_json::Value;

use super::places::{native, path_of_uri};

/// Text under a key.
pub(super) fn text<'a>(v: &'a Value, key: &str) -> Option<&'a str> {
    v.get(key)?.as_str()
}

/// List under a key.
pub(super) fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Number under a key; the client writes whole numbers as fractions at times.
pub(super) fn number(v: &Value, key: &str) -> Option<i64> {
    let n = v.get(key)?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    n.as_i64().or_else(|| n.as_f64().map(|f| f as i64))
}

/// A text, or the text of a markdown object.
pub(super) fn words(v: &Value) -> Option<&str> {
    v.as_str().or_else(|| text(v, "value"))
}

/// The path of an address: of a file as the system writes it, else of any scheme but the web's.
pub(super) fn path(uri: &Value) -> Option<String> {
    if let Some(s) = uri.as_str() {
        return path_of_uri(s);
    }
    if let Some(fs) = text(uri, "fsPath") {
        return Some(fs.to_owned());
    }
    match text(uri, "scheme") {
        Some("http" | "https") => None,
        _ => text(uri, "path").filter(|p| !p.is_empty()).map(|p| native(p.to_owned())),
    }
}

/// A call id without the ending that the client adds to make it unique.
pub(super) fn plain_id(id: &str) -> &str {
    id.split("__vscode-").next().unwrap_or(id)
}

/// One prompt with all that came of it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a>(pub(super) &'a Value);

impl<'a> Request<'a> {
    pub(super) fn id(self) -> Option<&'a str> {
        text(self.0, "requestId").filter(|id| !id.is_empty())
    }

    /// When it was sent, in milliseconds.
    pub(super) fn sent(self) -> Option<i64> {
        number(self.0, "timestamp")
    }

    pub(super) fn prompt(self) -> Option<&'a str> {
        let message = self.0.get("message")?;
        message.as_str().or_else(|| text(message, "text"))
    }

    /// What the user attached: paths, else names. What the client attaches by itself is left out.
    pub(super) fn attachments(self) -> Vec<String> {
        let variables = self.0.get("variableData").map(|d| list(d, "variables")).unwrap_or_default();
        let chosen = variables.iter().filter(|v| v.get("automaticallyAdded").and_then(Value::as_bool) != Some(true));
        let name = |v: &Value| {
            let value = v.get("value");
            let place = value.and_then(|v| path(v).or_else(|| path(v.get("uri")?)));
            place.or_else(|| text(v, "name").map(str::to_owned))
        };
        chosen.filter_map(name).filter(|n| n != "implicit").collect()
    }

    /// `copilot/claude-sonnet-4.5`: provider and model.
    pub(super) fn model(self) -> Option<(&'a str, &'a str)> {
        let id = text(self.0, "modelId").filter(|m| !m.is_empty())?;
        Some(id.split_once('/').unwrap_or(("", id)))
    }

    pub(super) fn version(self) -> Option<&'a str> {
        text(self.0.get("agent")?, "extensionVersion")
    }

    pub(super) fn parts(self) -> &'a [Value] {
        list(self.0, "response")
    }

    fn result(self) -> Option<&'a Value> {
        self.0.get("result")
    }

    fn metadata(self) -> Option<&'a Value> {
        self.result()?.get("metadata")
    }

    /// The responses of the model, in order; only there once the request has ended.
    pub(super) fn rounds(self) -> &'a [Value] {
        self.metadata().map(|m| list(m, "toolCallRounds")).unwrap_or_default()
    }

    /// The result of a call of a round, by the id that the round has.
    pub(super) fn result_of(self, call: &str) -> Option<&'a Value> {
        let results = self.metadata()?.get("toolCallResults")?;
        results.get(call).or_else(|| results.get(plain_id(call)))
    }

    /// The id that the extension gives the conversation.
    pub(super) fn conversation(self) -> Option<&'a str> {
        text(self.metadata()?, "sessionId")
    }

    /// Addresses of the workspace's folders.
    pub(super) fn folders(self) -> Option<&'a str> {
        text(self.metadata()?, "cacheKey")
    }

    /// A summary that took the place of all up to the round of that id.
    pub(super) fn summary(self) -> Option<(&'a str, &'a str)> {
        let summary = self.metadata()?.get("summary")?;
        Some((text(summary, "toolCallRoundId")?, text(summary, "text")?))
    }

    /// The message as the model got it, with what the client put around the user's words.
    pub(super) fn rendered(self) -> String {
        let parts = self.metadata().map(|m| list(m, "renderedUserMessage")).unwrap_or_default();
        parts.iter().filter_map(|p| text(p, "text")).collect()
    }

    /// Why the request failed: code and message.
    pub(super) fn failure(self) -> Option<(&'a str, &'a str)> {
        let details = self.result()?.get("errorDetails")?;
        Some((text(details, "code").unwrap_or("error"), text(details, "message")?))
    }

    /// When the response was whole, in milliseconds.
    pub(super) fn completed(self) -> Option<i64> {
        let state = self.0.get("modelState").and_then(|s| number(s, "completedAt"));
        let took = || number(self.result()?.get("timings")?, "totalElapsed");
        state.or_else(|| self.sent()?.checked_add(took()?))
    }

    /// The user stopped it.
    pub(super) fn cancelled(self) -> bool {
        self.state() == Some(2) || self.0.get("isCanceled").and_then(Value::as_bool) == Some(true)
    }

    /// It has ended, in whatever way.
    pub(super) fn ended(self) -> bool {
        let said = matches!(self.state(), Some(1..=3)) || self.cancelled();
        said || self.metadata().is_some() || self.failure().is_some()
    }

    fn state(self) -> Option<i64> {
        number(self.0.get("modelState")?, "value")
    }
}

/// A part of a response that stands for a tool call.
#[derive(Clone, Copy)]
pub(super) struct Tool<'a>(pub(super) &'a Value);

impl<'a> Tool<'a> {
    pub(super) fn id(self) -> &'a str {
        text(self.0, "toolCallId").map(plain_id).unwrap_or_default()
    }

    /// The tool as VS Code names it.
    pub(super) fn tool(self) -> &'a str {
        text(self.0, "toolId").unwrap_or_default()
    }

    pub(super) fn data(self) -> Option<&'a Value> {
        self.0.get("toolSpecificData")
    }

    fn data_of(self, kind: &str) -> Option<&'a Value> {
        self.data().filter(|d| text(d, "kind") == Some(kind))
    }

    /// The call of a sub-agent's run that it belongs to, where the client says so (late 2025 and later).
    pub(super) fn sub_agent(self) -> Option<&'a str> {
        text(self.0, "subAgentInvocationId").map(plain_id)
    }

    /// It belongs to a sub-agent (clients of 2025 say no more).
    pub(super) fn of_some_sub_agent(self) -> bool {
        self.0.get("fromSubAgent").and_then(Value::as_bool) == Some(true)
    }

    /// The user refused it, or chose to go on without it.
    pub(super) fn denied(self) -> bool {
        match self.0.get("isConfirmed") {
            Some(Value::Bool(confirmed)) => !confirmed,
            Some(reason) => matches!(number(reason, "type"), Some(0 | 5)),
            None => false,
        }
    }

    /// What the client shows of the result, where it is an input and an output.
    pub(super) fn details(self) -> Option<&'a Value> {
        self.0.get("resultDetails").filter(|d| !d.is_null())
    }

    pub(super) fn failed(self) -> bool {
        self.details().and_then(|d| d.get("isError")).and_then(Value::as_bool) == Some(true)
    }

    /// Something tells that it came to an end.
    pub(super) fn has_ended(self) -> bool {
        let said = |key: &str| self.0.get(key).is_some_and(|v| !v.is_null());
        said("pastTenseMessage") || said("resultDetails") || self.exit_code().is_some()
    }

    fn command_state(self) -> Option<&'a Value> {
        self.data_of("terminal")?.get("terminalCommandState")
    }

    pub(super) fn exit_code(self) -> Option<i64> {
        number(self.command_state()?, "exitCode")
    }

    /// When the command began, in milliseconds.
    pub(super) fn started(self) -> Option<i64> {
        number(self.command_state()?, "timestamp")
    }

    /// How long the command took, in milliseconds.
    pub(super) fn took(self) -> Option<u64> {
        number(self.command_state()?, "duration").and_then(|d| u64::try_from(d).ok())
    }

    pub(super) fn cwd(self) -> Option<String> {
        path(self.data_of("terminal")?.get("cwd")?)
    }

    /// The input as far as the part tells it: the command, the raw input of a server's tool, a list of things to do, a
    /// sub-agent's task, or the one file that its message links to.
    pub(super) fn input(self) -> Option<Value> {
        let of = |pairs: &[(&str, Option<&str>)]| {
            let known = pairs.iter().filter_map(|(k, v)| Some(((*k).to_owned(), Value::from((*v)?))));
            let map: serde_json::Map<String, Value> = known.collect();
            (!map.is_empty()).then_some(Value::Object(map))
        };
        if let Some(data) = self.data() {
            let found = match text(data, "kind") {
                Some("terminal") => {
                    let line = data.get("commandLine");
                    let command = ["userEdited", "original"].iter().find_map(|k| text(line?, k));
                    of(&[("command", command.or_else(|| text(data, "command")))])
                }
                Some("input") => data.get("rawInput").filter(|v| !v.is_null()).cloned(),
                Some("todoList") => data.get("todoList").map(|l| serde_json::json!({ "todoList": l })),
                Some("subagent") => of(&[
                    ("prompt", text(data, "prompt")),
                    ("description", text(data, "description")),
                    ("agentName", text(data, "agentName")),
                ]),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        if let Some(input) = self.details().and_then(|d| text(d, "input")) {
            return Some(serde_json::from_str(input).unwrap_or_else(|_| input.into()));
        }
        let uris = self.0.get("invocationMessage")?.get("uris")?.as_object()?;
        let (1, Some(uri)) = (uris.len(), uris.values().next()) else { return None };
        let mut input = serde_json::Map::new();
        let key = if self.tool() == "copilot_listDirectory" { "path" } else { "filePath" };
        input.insert(key.to_owned(), path(uri)?.into());
        // the fragment is no range of lines: `#1-1` stands for lines 1 to 31 (0.34)
        Some(Value::Object(input))
    }

    /// The output as far as the part tells it: a server's words, a command's output, the places that were found, a
    /// sub-agent's last words.
    pub(super) fn output(self) -> Option<Value> {
        if let Some(data) = self.data() {
            let terminal = data.get("terminalCommandOutput").and_then(|o| text(o, "text"));
            let said = terminal.or_else(|| self.data_of("subagent").and_then(|d| text(d, "result")));
            if let Some(said) = said {
                return Some(said.into());
            }
        }
        match self.details()? {
            Value::Array(places) => {
                let shown = |p: &Value| {
                    let uri = p.get("uri").unwrap_or(p);
                    let place = path(uri).or_else(|| text(uri, "external").map(str::to_owned))?;
                    let line = p.get("range").and_then(|r| number(r, "startLineNumber"));
                    Some(Value::from(line.map_or_else(|| place.clone(), |l| format!("{place}:{l}"))))
                };
                Some(Value::Array(places.iter().filter_map(shown).collect()))
            }
            details => {
                let output = details.get("output")?;
                let all: Vec<&str> = output.as_array()?.iter().filter_map(|o| text(o, "value")).collect();
                let texts =
                    output.as_array()?.iter().filter(|o| o.get("isText").and_then(Value::as_bool) != Some(false));
                let texts: Vec<&str> = texts.filter_map(|o| text(o, "value")).collect();
                // pictures are base64: what is left of them is nothing to read
                (!all.is_empty()).then(|| texts.join("\n").into())
            }
        }
    }
}
