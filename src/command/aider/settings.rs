//! Which of Aider's files the user has set himself: on the command line, in `.env` files, in the environment, in configuration
//! files – in this order of power (Aider 0.86: `.env` files are loaded over the environment).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::plain::{SETTINGS, text_up_to};
use crate::source::Env;
use crate::source::aider::{CHAT_HISTORY, INPUT_HISTORY, root_of};

/// Where Aider will keep its files.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// The chat history.
    pub chat: PathBuf,
    /// The input history.
    pub input: PathBuf,
    /// The LLM history, where the user has set one.
    pub llm: Option<PathBuf>,
    /// The analytics log, where the user has set one.
    pub analytics: Option<PathBuf>,
    /// git's trace, where the user has set one; an empty path where it goes to no file.
    pub git_trace: Option<PathBuf>,
}

/// An option of Aider: its name, its shortest unique form, its variable.
const CHAT: [&str; 3] = ["--chat-history-file", "--chat-h", "AIDER_CHAT_HISTORY_FILE"];
const INPUT: [&str; 3] = ["--input-history-file", "--inp", "AIDER_INPUT_HISTORY_FILE"];
const LLM: [&str; 3] = ["--llm-history-file", "--ll", "AIDER_LLM_HISTORY_FILE"];
const ANALYTICS: [&str; 3] = ["--analytics-log", "--analytics-l", "AIDER_ANALYTICS_LOG"];
const ENV_FILE: [&str; 3] = ["--env-file", "--env", "AIDER_ENV_FILE"];
const CONFIG: [&str; 3] = ["--config", "--conf", "AIDER_CONFIG_FILE"];

impl Settings {
    /// Looks at all places.
    pub(super) fn find(env: &Env, args: &[OsString]) -> Self {
        let args: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let root = root_of(&env.cwd);
        let places = [env.home.clone(), root.clone(), env.cwd.clone()];
        let file = |name: Option<String>| name.map(|n| env.cwd.join(n));
        let texts = |name: &str, named: Option<PathBuf>| -> Vec<String> {
            // the last one has the last word
            let files = places.iter().map(|p| p.join(name)).chain(named);
            files.filter_map(|f| text_up_to(&f, SETTINGS).ok()).collect()
        };
        let dotenv = texts(".env", file(argument(&args, ENV_FILE).or_else(|| env.var(ENV_FILE[2]).map(str::to_owned))));
        let short = args.iter().position(|a| a == "-c").and_then(|i| args.get(i + 1).cloned());
        let conf = texts(".aider.conf.yml", file(argument(&args, CONFIG).or(short)));
        let value = |option: [&str; 3]| -> Option<PathBuf> {
            let found = argument(&args, option)
                .or_else(|| dotenv.iter().rev().find_map(|t| assigned(t, option[2])))
                .or_else(|| env.var(option[2]).map(str::to_owned))
                .or_else(|| conf.iter().rev().find_map(|t| configured(t, option[0].trim_start_matches('-'))));
            found.filter(|v| !v.is_empty()).map(|v| env.cwd.join(v))
        };
        Self {
            chat: value(CHAT).unwrap_or_else(|| root.join(CHAT_HISTORY)),
            input: value(INPUT).unwrap_or_else(|| root.join(INPUT_HISTORY)),
            llm: value(LLM),
            analytics: value(ANALYTICS),
            git_trace: git_trace(env, &dotenv),
        }
    }
}

/// The last value of an option on the command line, in full or shortened.
fn argument(args: &[String], option: [&str; 3]) -> Option<String> {
    let mut found = None;
    for (i, arg) in args.iter().enumerate() {
        if arg == "--" {
            break;
        }
        let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
        if option[0].starts_with(name) && name.starts_with(option[1]) {
            found = value.map(str::to_owned).or_else(|| args.get(i + 1).cloned());
        }
    }
    found
}

/// The last value of a variable in a `.env` file.
fn assigned(text: &str, variable: &str) -> Option<String> {
    let value = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=')?;
        (name.trim() == variable).then(|| plain(value))
    };
    text.lines().filter_map(value).next_back()
}

/// The value of a key at the top of a YAML file.
fn configured(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim_end().trim_matches(['"', '\'']) == key && value.starts_with([' ', '\t'])).then(|| plain(value))
    };
    text.lines().filter_map(value).next_back()
}

/// A value without its quotes, or without the comment behind it.
fn plain(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.split(quote).next()) {
            return inner.to_owned();
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end().to_owned()
}

/// git's trace that the user has set: in the environment, or for git itself, which the environment would hide.
fn git_trace(env: &Env, dotenv: &[String]) -> Option<PathBuf> {
    let name = "GIT_TRACE2_EVENT";
    let set = dotenv.iter().rev().find_map(|t| assigned(t, name)).or_else(|| env.var(name).map(str::to_owned));
    let set = set.or_else(|| super::git(&env.cwd, &["config", "trace2.eventtarget"]).filter(|v| !v.is_empty()))?;
    let path = PathBuf::from(set);
    // a number, a socket or a folder is no file to read
    Some(if path.is_absolute() && !is_folder(&path) { path } else { PathBuf::new() })
}

fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_users_own_settings_are_found_wherever_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        let cwd = dir.path().join("repo/sub");
        fs::create_dir_all(&cwd).unwrap();
        fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        fs::create_dir_all(&home).unwrap();
        let mut env = Env { home: home.clone(), cwd: cwd.clone(), ..Env::default() };
        env.vars.insert("GIT_TRACE2_EVENT".into(), "0".into());
        let find = |env: &Env, args: &[&str]| Settings::find(env, &args.iter().map(OsString::from).collect::<Vec<_>>());

        let none = find(&env, &["--model", "x"]);
        assert_eq!((none.llm, none.analytics), (None, None));
        assert_eq!(none.chat, dir.path().join("repo").join(CHAT_HISTORY));
        assert_eq!(none.git_trace, Some(PathBuf::new()));

        fs::write(
            home.join(".aider.conf.yml"),
            "# llm-history-file: no\nmodel: x\nllm-history-file: \"home.llm\" # mine\n",
        )
        .unwrap();
        assert_eq!(find(&env, &[]).llm, Some(cwd.join("home.llm")));
        fs::write(dir.path().join("repo/.aider.conf.yml"), "llm-history-file: repo.llm\n").unwrap();
        assert_eq!(find(&env, &[]).llm, Some(cwd.join("repo.llm")));
        env.vars.insert("AIDER_LLM_HISTORY_FILE".into(), "variable.llm".into());
        assert_eq!(find(&env, &[]).llm, Some(cwd.join("variable.llm")));
        fs::write(cwd.join(".env"), "export AIDER_LLM_HISTORY_FILE='/x/env.llm'\nAIDER_ANALYTICS_LOG=a.jsonl # all\n")
            .unwrap();
        assert_eq!(find(&env, &[]).llm, Some(PathBuf::from("/x/env.llm")));
        assert_eq!(find(&env, &[]).analytics, Some(cwd.join("a.jsonl")));
        assert_eq!(find(&env, &["--llm-history=given", "--", "--llm-history-file=file"]).llm, Some(cwd.join("given")));
        assert_eq!(find(&env, &["--analytics"]).analytics, Some(cwd.join("a.jsonl")), "another option");
        assert_eq!(find(&env, &["--chat-history-file", "/c.md"]).chat, PathBuf::from("/c.md"));
    }
}
