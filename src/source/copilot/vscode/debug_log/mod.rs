//! The extension's debug log of a session: `debug-logs/<session>/main.jsonl` and a file for each sub-agent, written where
//! `github.copilot.chat.agentDebugLog.fileLogging.enabled` is set.
//!
//! Entries are spans, written when they end: `llm_request` and, named after it (`agent-msg-<span>`), `agent_response` with the calls
//! that the response asked for; then one `tool_call` for each, below the same span, without the call's id. Span ids repeat after a
//! restart of the client: `rIdx` numbers its runs. Long texts are cut at 5,000 characters.

mod events;
mod spans;

use std::collections::HashMap;
use std::path::Path;

use super::places;
use super::timing::{Fact, Timing};
use crate::plain;
use crate::source::Report;
pub(super) use events::read;
use spans::{Span, Told, walk};

/// Gathers the facts about calls from a session's log and from those of its sub-agents.
///
/// # Errors
/// A file cannot be read on.
pub(super) fn timing(files: &[std::path::PathBuf], timing: &mut Timing) -> std::io::Result<()> {
    let Some((main, others)) = files.split_first() else { return Ok(()) };
    let mut children: HashMap<Span, String> = HashMap::new();
    let mut begun: Vec<(String, String)> = Vec::new();
    let open = |path: &Path| Ok::<_, std::io::Error>(std::io::BufReader::new(plain::open(path)?));
    walk(open(main)?, "", &mut Report::default(), &mut |told| match told {
        Told::Version(version) => timing.version = Some(version),
        Told::Child { span, file } => {
            children.insert(span, file);
        }
        Told::Turn(turn) => {
            if let Some(usage) = turn.usage {
                timing.spent(turn.asked.first().map(|(id, _, _)| id.as_str()), &turn.words, usage);
            }
            for call in turn.calls {
                let Some(id) = call.id else { continue };
                if let Some(file) = children.remove(&call.span) {
                    begun.push((id.clone(), file));
                }
                // the chat has the whole input and output
                *timing.of(&id) = Fact { input: None, output: None, ..call.fact };
            }
        }
        Told::Prompt { .. } => {}
    })?;
    for (call, file) in begun {
        let Some(path) = others.iter().find(|o| places::name(o) == file) else { continue };
        let mut calls = Vec::new();
        walk(open(path)?, "", &mut Report::default(), &mut |told| {
            if let Told::Turn(turn) = told {
                calls.extend(turn.calls.into_iter().map(|c| (c.name, c.fact)));
            }
        })?;
        timing.children.insert(call, calls);
    }
    Ok(())
}
