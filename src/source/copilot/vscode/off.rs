//! The debug log that VS Code's Copilot would keep if it were told to.

use std::path::Path;

use super::places;
use crate::plain;
use crate::source::{Env, SwitchedOff};

/// The setting (extension 0.37 and later; off by default).
const LOG: &str = "\"github.copilot.chat.agentDebugLog.fileLogging.enabled\"";

/// The agent debug log, where Copilot was at work in VS Code or what is built from it and the user's settings do not ask for it.
/// Settings of a workspace are not looked at; those of a server stand with its client, on another machine.
pub(super) fn switched_off(env: &Env) -> Vec<SwitchedOff> {
    let mut clients = places::roots(env).into_iter().filter(|root| !root.ends_with("data/User"));
    let off = clients.find(|root| places::is_used(root) && !is_on(&root.join("settings.json")));
    let tell = |root: std::path::PathBuf| {
        let file = root.join("settings.json");
        let shown =
            file.strip_prefix(&env.home).map_or_else(|_| file.display().to_string(), |f| format!("~/{}", f.display()));
        SwitchedOff {
            what: format!("VS Code's agent debug log is off, which ties calls to model requests; in {shown}:"),
            on: format!("{LOG}: true"),
        }
    };
    off.map(tell).into_iter().collect()
}

/// Whether settings, JSON with comments, switch the log on.
fn is_on(settings: &Path) -> bool {
    let text = plain::text_up_to(settings, plain::SETTINGS).unwrap_or_default();
    let lines = text.lines().map(str::trim_start).filter(|l| !l.starts_with("//"));
    let value = lines.filter_map(|l| l.split_once(LOG)?.1.trim_start().strip_prefix(':')).next_back();
    value.is_some_and(|v| v.trim_start().starts_with("true"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_log_is_missed_only_where_copilot_is_used_and_it_is_off() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env { home: dir.path().to_owned(), ..Env::default() };
        let user = dir.path().join(".config/Code - Insiders/User");
        fs::create_dir_all(&user).unwrap();
        assert_eq!(switched_off(&env), [], "VS Code without Copilot");
        fs::create_dir_all(user.join("workspaceStorage/0f/chatSessions")).unwrap();
        let off = switched_off(&env);
        assert!(off.len() == 1 && off[0].what.ends_with("in ~/.config/Code - Insiders/User/settings.json:"), "{off:?}");
        for (text, on) in [
            (format!("{{\n  {LOG}: true\n}}"), true),
            (format!("{{{LOG} : true}}"), true),
            (format!("{{\n  {LOG}: false,\n}}"), false),
            (format!("{{\n  // {LOG}: true\n}}"), false),
            ("{}".to_owned(), false),
        ] {
            fs::write(user.join("settings.json"), &text).unwrap();
            assert_eq!(switched_off(&env).is_empty(), on, "{text}");
        }
    }
}
