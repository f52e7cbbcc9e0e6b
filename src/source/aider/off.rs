//! Records that Aider would keep if it were told to.

use super::root_of;
use crate::plain;
use crate::source::{Env, SwitchedOff};

/// The LLM history and the analytics log, where neither the environment nor a configuration file (home, root of the repository,
/// current directory) asks for them. The command line of a running Aider is not known here.
pub(super) fn switched_off(env: &Env) -> Vec<SwitchedOff> {
    let root = root_of(&env.cwd);
    let files = [&env.home, &root, &env.cwd].map(|dir| dir.join(".aider.conf.yml"));
    let texts: Vec<String> = files.iter().filter_map(|f| plain::text_up_to(f, plain::SETTINGS).ok()).collect();
    let asked = |key: &str| {
        texts
            .iter()
            .flat_map(|t| t.lines())
            .any(|line| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':')))
    };
    let off = |variable: &str, key: &str, what: &str| {
        let on = env.var(variable).is_some() || asked(key);
        (!on).then(|| SwitchedOff { what: what.to_owned(), on: "causetrace aider -- ARGS".to_owned() })
    };
    let llm = "its LLM history is off, the only record of what each model call had in view; on for one run:";
    let analytics = "its analytics log is off, the only record of exact tokens and of commands; on for one run:";
    [off("AIDER_LLM_HISTORY_FILE", "llm-history-file", llm), off("AIDER_ANALYTICS_LOG", "analytics-log", analytics)]
        .into_iter()
        .flatten()
        .collect()
}
