//! Where VS Code and what is built from it keep chats, and which files tell of one session.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::AGENT;
use crate::plain;
use crate::source::jsonl::document;
use crate::source::{Env, Transcript};

/// Products with a user data folder of their own.
const PRODUCTS: [&str; 6] =
    ["Code", "Code - Insiders", "VSCodium", "VSCodium - Insiders", "Code - OSS", "Code - Exploration"];

/// Data folders of the servers that remote windows, containers and Codespaces run.
const SERVERS: [&str; 5] =
    [".vscode-server", ".vscode-server-insiders", ".vscode-remote", ".vscodium-server", ".vscode-server-oss"];

/// Folders of chat sessions below a workspace's storage and below the global storage.
const CHATS: [&str; 3] = ["chatSessions", "emptyWindowChatSessions", "transferredChatSessions"];

/// The extension's folder below a workspace's storage.
const EXTENSION: [&str; 2] = ["GitHub.copilot-chat", "github.copilot-chat"];

/// A chat file of at most this size is looked into at discovery: most are sessions in which nothing was ever said.
const PERHAPS_EMPTY: u64 = 8 * 1024;

/// The user data folders, whether or not they exist; the client's own of this system first.
pub(super) fn roots(env: &Env) -> Vec<PathBuf> {
    let mut bases = Vec::new();
    if let Some(portable) = env.var("VSCODE_PORTABLE") {
        bases.push(env.cwd.join(portable).join("user-data"));
    }
    let config = env.dir("XDG_CONFIG_HOME", ".config");
    let roaming = env.var("APPDATA").map(|d| env.cwd.join(d));
    let mac = env.home.join("Library/Application Support");
    for folder in roaming.into_iter().chain([config, mac]) {
        bases.extend(PRODUCTS.iter().map(|p| folder.join(p)));
    }
    bases.extend(SERVERS.iter().map(|s| env.home.join(s).join("data")));
    bases.into_iter().map(|b| b.join("User")).collect()
}

/// The sessions below all user data folders. What several files tell of one session is one transcript: the chat's own file
/// where it is there, else the extension's.
pub(super) fn sessions(env: &Env) -> Vec<Transcript> {
    let mut found = Vec::new();
    for root in roots(env).into_iter().filter(|r| r.is_dir()) {
        let global = root.join("globalStorage");
        for folder in &CHATS[1..] {
            found.extend(in_storage(&global.join(folder), &[]).into_values());
        }
        for workspace in entries(&root.join("workspaceStorage")) {
            let extension: Vec<PathBuf> = EXTENSION.iter().map(|e| workspace.join(e)).collect();
            found.extend(in_storage(&workspace.join(CHATS[0]), &extension).into_values());
        }
    }
    found
}

/// Whether Copilot was ever at work below a user data folder.
pub(super) fn is_used(root: &Path) -> bool {
    let within = |storage: &Path| CHATS.iter().chain(&EXTENSION).any(|name| storage.join(name).is_dir());
    within(&root.join("globalStorage")) || entries(&root.join("workspaceStorage")).iter().any(|w| within(w))
}

/// The sessions of one workspace, by id.
fn in_storage(chats: &Path, extension: &[PathBuf]) -> BTreeMap<String, Transcript> {
    let mut found = BTreeMap::new();
    for file in entries(chats) {
        let Some(id) = chat_id(&file) else { continue };
        // an older client left the document; the log is the one that goes on
        let log = file.with_extension("jsonl");
        if file.extension().is_some_and(|e| e == "json") && log.is_file() || never_used(&file) {
            continue;
        }
        found.extend(transcript(&file, &id).map(|t| (id, t)));
    }
    for folder in extension {
        for file in entries(&folder.join("transcripts")).into_iter().filter(|f| ends_with(f, ".jsonl")) {
            let id = stem(&file);
            if !found.contains_key(&id) {
                found.extend(transcript(&file, &id).map(|t| (id, t)));
            }
        }
        for session in entries(&folder.join("debug-logs")) {
            let id = name(&session);
            let main = session.join("main.jsonl");
            if !found.contains_key(&id) && main.is_file() {
                found.extend(transcript(&main, &id).map(|t| (id, t)));
            }
        }
    }
    found
}

/// A transcript whose fingerprint covers all files that tell of its session.
pub(super) fn transcript(file: &Path, session: &str) -> Option<Transcript> {
    let mut t = Transcript::of_file(AGENT, file, Some(session.to_owned()))?;
    let companions = Companions::of(file, session);
    for other in companions.transcript.iter().chain(companions.debug.iter()).filter(|c| c.as_path() != file) {
        if let Some(c) = Transcript::of_file(AGENT, other, None) {
            t.fingerprint.push('+');
            t.fingerprint.push_str(&c.fingerprint);
            t.modified = t.modified.max(c.modified);
        }
    }
    Some(t)
}

/// The extension's files of a session.
#[derive(Default)]
pub(super) struct Companions {
    /// Written only where hooks are configured.
    pub(super) transcript: Option<PathBuf>,
    /// `main.jsonl` first, then those of sub-agents; written only where the setting is on.
    pub(super) debug: Vec<PathBuf>,
}

impl Companions {
    /// Those beside a file of the session; none for a file that lies elsewhere.
    pub(super) fn of(file: &Path, session: &str) -> Self {
        let Some(storage) = workspace_of(file) else { return Self::default() };
        let mut found = Self::default();
        for folder in EXTENSION.iter().map(|e| storage.join(e)) {
            let transcript = folder.join("transcripts").join(format!("{session}.jsonl"));
            if found.transcript.is_none() && transcript.is_file() {
                found.transcript = Some(transcript);
            }
            if found.debug.is_empty() {
                found.debug = debug_files(&folder.join("debug-logs").join(session));
            }
        }
        found
    }
}

/// The logs of a session's folder, its own first. Titles and the like are asked of a model too, and say nothing here.
pub(super) fn debug_files(folder: &Path) -> Vec<PathBuf> {
    let main = folder.join("main.jsonl");
    if !main.is_file() {
        return Vec::new();
    }
    let others = entries(folder).into_iter().filter(|f| ends_with(f, ".jsonl") && *f != main);
    [main.clone()].into_iter().chain(others).collect()
}

/// The storage folder of the workspace that a session's file belongs to.
fn workspace_of(file: &Path) -> Option<&Path> {
    file.ancestors().skip(1).take(5).find(|a| a.parent().is_some_and(|p| name(p) == "workspaceStorage"))
}

/// Whether the chats themselves are kept where an extension's file lies: they are not on a server's side.
pub(super) fn has_chats(file: &Path) -> bool {
    workspace_of(file).is_some_and(|w| w.join(CHATS[0]).is_dir())
}

/// The folder that a session ran in, from `workspace.json`. A workspace of several folders names none.
pub(super) fn cwd(file: &Path) -> Option<String> {
    let bytes = plain::read(&workspace_of(file)?.join("workspace.json")).ok()?;
    let workspace: Value = document(&bytes).ok()?;
    path_of_uri(workspace.get("folder")?.as_str()?)
}

/// The path in a `file:` or `vscode-remote:` address, decoded; Windows paths as Windows writes them.
pub(super) fn path_of_uri(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let path = match scheme {
        "file" => match rest.find('/')? {
            0 => decoded(rest),
            // a share: `file://server/share`
            _ => format!("//{}", decoded(rest)),
        },
        "vscode-remote" => decoded(rest.get(rest.find('/')?..)?),
        _ => return None,
    };
    Some(native(path))
}

/// `/c:/dir` as `c:\dir`.
pub(super) fn native(path: String) -> String {
    let bytes = path.as_bytes();
    let drive = bytes.len() > 2 && bytes.first() == Some(&b'/') && bytes.get(2) == Some(&b':');
    match path.get(1..).filter(|_| drive && bytes.get(1).is_some_and(u8::is_ascii_alphabetic)) {
        Some(windows) => windows.replace('/', "\\"),
        None => path,
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let code = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                out.push(code);
                bytes = rest.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The session of a file in a folder of chats.
pub(super) fn chat_id(file: &Path) -> Option<String> {
    let folder = file.parent().map(name)?;
    let chat = CHATS.contains(&folder.as_str()) && (ends_with(file, ".json") || ends_with(file, ".jsonl"));
    chat.then(|| stem(file))
}

/// A small file without a single request.
fn never_used(file: &Path) -> bool {
    let small = fs::metadata(file).is_ok_and(|m| m.is_file() && m.len() <= PERHAPS_EMPTY);
    let mut text = Vec::new();
    let read = small && plain::open(file).is_ok_and(|f| f.take(PERHAPS_EMPTY).read_to_end(&mut text).is_ok());
    read && memchr::memmem::find(&text, b"\"requestId\"").is_none()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    found.sort_unstable();
    found
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn ends_with(path: &Path, ending: &str) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_paths() {
        let path = |uri| path_of_uri(uri).unwrap_or_default();
        assert_eq!(path("file:///home/dev/my%20app"), "/home/dev/my app");
        assert_eq!(path("file:///c%3A/Users/dev/app"), "c:\\Users\\dev\\app");
        assert_eq!(path("vscode-remote://ssh-remote%2Bhost/home/dev/app"), "/home/dev/app");
        assert_eq!(path("file://server/share/app"), "//server/share/app");
        assert_eq!(path_of_uri("untitled:Untitled-1"), None);
        assert_eq!(path("file:///a%zz%4"), "/a%zz%4");
    }
}
