//! Aider: chat histories, alone and with what stands beside them; LLM histories.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use causetrace::action::Action;
use causetrace::event::{Event, EventType, Status};
use causetrace::source::aider::Aider;
use causetrace::source::{Env, Report, Source, Transcript};
use expect_test::expect_file;
use serde_json::Value;

use crate::scenario::{self, package};

const CHAT: &str = ".aider.chat.history.md";

fn fixture(case: &str) -> PathBuf {
    package().join("fixtures/aider").join(case)
}

fn claim(path: &Path) -> Vec<Transcript> {
    scenario::claim(&Aider, path)
}

fn read(transcript: &Transcript) -> (Vec<Event>, Report) {
    scenario::read(&Aider, transcript)
}

fn read_path(path: &Path) -> (Vec<Event>, Report) {
    let found = claim(path);
    assert_eq!(found.len(), 1, "{}", path.display());
    read(&found[0])
}

/// Events as lines of a golden: number, kind, what, how it ended, what it says, parents by number.
fn outline(events: &[Event]) -> String {
    let numbers: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let mut line = format!("{} {}", i + 1, e.event_type.as_str());
        line.extend(e.tool_name.iter().map(|t| format!(" {t}")));
        line.push_str(&format!(" {:.70}", e.input_text().replace('\n', "\\n")));
        line.extend(e.status.map(|s| format!(" [{}]", s.as_str())));
        line.extend(e.duration_ms.map(|d| format!(" {d} ms")));
        line.extend(e.usage.map(|u| format!(" tokens {:?}/{:?}", u.input, u.output)));
        line.extend(e.model.iter().map(|m| format!(" {m}")));
        for (key, value) in e.extra.iter().filter(|(k, _)| *k != "command_line") {
            line.push_str(&format!(" {key}={value}"));
        }
        if e.tool_output.is_some() {
            line.push_str(&format!(" -> {:.60}", e.output_text().replace('\n', "\\n")));
        }
        let parents: Vec<_> = e
            .parents
            .iter()
            .map(|p| numbers.get(p.as_str()).map_or_else(|| format!("?{p}"), ToString::to_string))
            .collect();
        out.push_str(&format!("{} <- {}\n", line.trim_end(), parents.join(",")));
    }
    out
}

fn check(case: &str) {
    // a file's time of change may prove a zone; that of a checkout must not do so by chance
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    for file in fs::read_dir(fixture(case)).unwrap().map(|e| e.unwrap().path()).filter(|f| f.is_file()) {
        fs::File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();
    }
    let (events, report) = read_path(&fixture(case).join(CHAT));
    assert!(report.bad.is_empty() && report.unknown.is_empty(), "{case}: {report:?}");
    assert_eq!(report.events, events.len() as u64, "{case}");
    expect_file![fixture(case).join("events.txt")].assert_eq(&outline(&events));
}

#[test]
fn commands_of_the_user_an_undo_and_tests() {
    check("0.86.2-terminal");
}

#[test]
fn an_llm_history_beside_it_proves_what_each_reply_answers() {
    check("0.86.2-fix-counter");
}

#[test]
fn a_block_that_does_not_fit_is_tried_again() {
    check("0.86.2-failed-match");
}

#[test]
fn an_architect_and_its_editor() {
    check("0.86.2-architect");
}

#[test]
fn a_lint_report_is_answered() {
    check("0.86.2-lint");
}

#[test]
fn a_suggested_command_and_its_output() {
    check("0.86.2-shell");
}

#[test]
fn two_sessions_in_one_file() {
    check("0.86.2-two-runs");
}

/// A reply that looks like a prompt, an applied edit and the beginning of a session is a reply, with and without the LLM
/// history; so is the prompt in the line that tells how the program was called.
#[test]
fn a_look_alike_is_no_fact() {
    check("0.86.2-lookalike");
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture("0.86.2-lookalike").join(CHAT), dir.path().join(CHAT)).unwrap();
    let (events, _) = read_path(&dir.path().join(CHAT));
    let count = |kind: EventType| events.iter().filter(|e| e.event_type == kind).count();
    assert_eq!((count(EventType::Session), count(EventType::UserInput), count(EventType::Message)), (1, 1, 2));
    let edits = events.iter().filter(|e| matches!(Aider.action(e), Action::Edit(_))).count();
    assert_eq!(edits, 0);

    // with the blanks that Aider puts behind its own lines only the LLM history tells
    let text = fs::read_to_string(fixture("0.86.2-lookalike").join(CHAT)).unwrap();
    let text = text.replace("> Applied edit to src/main.py\n", "> Applied edit to src/main.py  \n");
    fs::write(dir.path().join(CHAT), &text).unwrap();
    let llm = fs::read_to_string(fixture("0.86.2-lookalike").join(".aider.llm.history")).unwrap();
    let llm = llm.replace("> Applied edit to src/main.py\n", "> Applied edit to src/main.py  \n");
    fs::write(dir.path().join(".aider.llm.history"), llm).unwrap();
    let (events, _) = read_path(&dir.path().join(CHAT));
    assert_eq!(events.iter().filter(|e| matches!(Aider.action(e), Action::Edit(_))).count(), 0);
}

/// A chat history cut at every byte is read without a panic, and never tells more sessions than the whole.
#[test]
fn a_torn_file_is_read_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(CHAT);
    let whole = fs::read(fixture("0.86.2-failed-match").join(CHAT)).unwrap();
    let mut before = 0;
    for end in 0..=whole.len() {
        fs::write(&file, &whole[..end]).unwrap();
        let transcript = Transcript { agent: "aider", path: file.clone(), ..Transcript::default() };
        let (events, _) = read(&transcript);
        before = before.max(events.len());
    }
    let (all, _) = read_path(&file);
    assert!(before <= all.len() + 2, "{before} {}", all.len());
    let llm = fs::read(fixture("0.86.2-lookalike").join(".aider.llm.history")).unwrap();
    let file = dir.path().join("llm.history");
    for end in 0..=llm.len() {
        fs::write(&file, &llm[..end]).unwrap();
        let session_id = Some("s".to_owned());
        read(&Transcript { agent: "aider", session_id, path: file.clone(), ..Transcript::default() });
    }
    for junk in [
        &b"\xff\xfe\0\0\n> \n#### \n"[..],
        b"# aider chat started at 2026-13-40 99:00:00\n\n> x",
        b"TO LLM \n\n-------\nX",
    ] {
        fs::write(dir.path().join(CHAT), junk).unwrap();
        read(&Transcript { agent: "aider", path: dir.path().join(CHAT), ..Transcript::default() });
    }
}

/// What was told of a history that grew is told again in the same lines.
#[test]
fn ids_stay_when_the_file_grows_and_when_its_beginning_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(CHAT);
    let text = fs::read_to_string(fixture("0.86.2-two-runs").join(CHAT)).unwrap();
    let second = text.rfind("\n# aider chat started").unwrap();
    let ids = |text: &str| -> Vec<String> {
        fs::write(&file, text).unwrap();
        read_path(&file).0.into_iter().map(|e| e.event_id).collect()
    };
    let all = ids(&text);
    let first = ids(&text[..second]);
    assert_eq!(all[..first.len()], first[..]);
    assert_eq!(all[first.len()..], ids(&text[second..])[..]);
}

/// Local times are points in time only where the input history was written by the clock of its last entry.
#[test]
fn times_are_claimed_only_where_the_zone_is_known() {
    let dir = tempfile::tempdir().unwrap();
    for name in [CHAT, ".aider.input.history"] {
        fs::copy(fixture("0.86.2-failed-match").join(name), dir.path().join(name)).unwrap();
    }
    let of = || read_path(&dir.path().join(CHAT)).0;
    let input = dir.path().join(".aider.input.history");
    let set = |seconds: u64| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::options().write(true).open(&input).unwrap().set_modified(time).unwrap();
    };
    let last = fs::read_to_string(&input).unwrap();
    let last = last.lines().rfind(|l| l.starts_with("# ")).unwrap()[2..].to_owned();
    let local = chrono::NaiveDateTime::parse_from_str(&last, "%Y-%m-%d %H:%M:%S%.f").unwrap();
    let utc = u64::try_from(local.and_utc().timestamp()).unwrap();
    set(utc + 100);
    assert!(of().iter().all(|e| e.timestamp.is_none()));
    assert!(of()[0].extra.contains_key("local_time"));
    // three hours east, wherever this runs
    set(utc - 3 * 3600);
    let events = of();
    let prompt = events.iter().find(|e| e.event_type == EventType::UserInput).unwrap();
    assert_eq!(prompt.timestamp.unwrap().timestamp(), i64::try_from(utc).unwrap() - 3 * 3600);
    assert!(events[0].timestamp.is_some() && !events[0].extra.contains_key("local_time"));
}

#[test]
fn histories_are_found_from_the_current_directory_up_to_the_repository() {
    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repo");
    let cwd = repository.join("a/b");
    fs::create_dir_all(&cwd).unwrap();
    fs::create_dir(repository.join(".git")).unwrap();
    let text = fs::read_to_string(fixture("0.86.2-lint").join(CHAT)).unwrap();
    fs::write(dir.path().join(CHAT), &text).unwrap();
    let found = |cwd: &Path| -> Vec<PathBuf> {
        let env = Env { home: dir.path().join("home"), cwd: cwd.to_owned(), ..Env::default() };
        Aider.discover(&env).into_iter().map(|t| t.path).collect()
    };
    assert!(found(&cwd).is_empty(), "a history above the repository belongs to none");
    fs::write(repository.join(CHAT), &text).unwrap();
    let own = fs::canonicalize(repository.join(CHAT)).unwrap();
    assert_eq!(found(&cwd), std::slice::from_ref(&own));
    assert_eq!(Aider.cwd(&claim(&own)[0]).unwrap(), own.parent().unwrap().to_str().unwrap());
    assert_eq!(claim(&repository).len(), 1, "the folder stands for its history");
    fs::write(repository.join(".aider.input.history"), "\n# 2026-01-01 10:00:00.000000\n+x\n").unwrap();
    assert_eq!(claim(&repository.join(".aider.input.history"))[0].path, repository.join(CHAT));
    assert!(claim(&package().join("README.md")).is_empty());
}

/// Four thousand sessions take no more than forty times as long as a hundred.
#[test]
fn reading_is_linear() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(CHAT);
    let one = fs::read_to_string(fixture("0.86.2-terminal").join(CHAT)).unwrap();
    let (first, rest) = one.split_once("22:13:47").unwrap();
    let time = |n: usize| {
        let text: String =
            (0..n).map(|i| format!("{first}{:02}:{:02}:{:02}{rest}", i / 3600 % 24, i / 60 % 60, i % 60)).collect();
        fs::write(&file, text).unwrap();
        let begun = std::time::Instant::now();
        let mut sessions = 0;
        let transcript = claim(&file).remove(0);
        Aider
            .read(&transcript, &mut |e| sessions += usize::from(e.event_type == EventType::Session && e.cwd.is_some()))
            .unwrap();
        assert_eq!(sessions, n);
        begun.elapsed().as_secs_f64()
    };
    let (small, large) = (time(100), time(2000));
    assert!(large < small.max(0.01) * 20.0 * 4.0, "{small} {large}");
}

/// A run under the wrapper that began in this second, with the prompts and replies of its LLM history; its folder.
fn wrapped(folder: &Path, chat: &Path, second: u32, calls: &[(&str, &str)]) -> PathBuf {
    use causetrace::source::aider::run;
    let of = folder.join(second.to_string());
    fs::create_dir_all(&of).unwrap();
    let line = serde_json::json!({"chat": chat, "llm": of.join("llm"), "git_trace": of.join("trace"), "analytics": of.join("analytics"),
        "started": format!("2026-01-01T10:00:0{second}Z"), "ended": "2026-01-01T10:00:03Z"});
    fs::write(of.join(run::RUN), line.to_string()).unwrap();
    let mut llm = String::new();
    for (n, (prompt, reply)) in calls.iter().enumerate() {
        let reply: String = reply.lines().map(|l| format!("ASSISTANT {l}\n")).collect();
        let at = format!("2026-01-01T10:01:0{n}");
        llm += &format!("TO LLM {at}\n-------\nSYSTEM s\n-------\nUSER {prompt}\nLLM RESPONSE {at}\n{reply}");
    }
    fs::write(of.join("llm"), llm).unwrap();
    fs::write(folder.join(run::CHAT), format!("{}\n", chat.display())).unwrap();
    of
}

/// Two processes that append to one chat history under the wrapper: each reply, and what became of it, goes to the session whose
/// LLM history holds it.
#[test]
fn two_processes_in_one_file_do_not_mix() {
    use causetrace::source::aider::run;
    let dir = tempfile::tempdir().unwrap();
    let home = fs::canonicalize(dir.path()).unwrap();
    let chat = home.join(CHAT);
    let head =
        |s: u32, name: &str| format!("\n# aider chat started at 2026-01-01 10:00:0{s}\n\n> /bin/aider {name}  \n");
    let said = |words: &str, file: &str| {
        let block = format!("{words}\n\n{file}\n```\n<<<<<<< SEARCH\n=======\n{words}\n>>>>>>> REPLACE\n```");
        (block.clone(), format!("\n{block}\n\n> Tokens: 9 sent, 9 received.  \n> Applied edit to {file}  \n"))
    };
    let (one, told_one) = said("One.", "one.py");
    let (two, told_two) = said("Two.", "two.py");
    let (three, told_three) = said("Three.", "three.py");
    let text = [
        head(0, "a"),
        head(1, "b"),
        "\n#### First.  \n\n#### Second.  \n".to_owned(),
        told_two,
        told_one,
        "\n#### Third.  \n".to_owned(),
        told_three,
    ];
    fs::write(&chat, text.concat()).unwrap();
    let root = home.join("causetrace/aider");
    let folder = run::folder(&root, &chat);
    wrapped(&folder, &chat, 0, &[("First.", &one), ("Third.", &three)]);
    wrapped(&folder, &chat, 1, &[("Second.", &two)]);
    let (events, _) = read_path(&folder);
    let sessions: Vec<&str> =
        events.iter().filter(|e| e.event_type == EventType::Session).map(|e| e.session_id.as_str()).collect();
    let of = |id: &str| -> Vec<String> {
        let mine = events.iter().filter(|e| e.session_id == id && e.event_type != EventType::Session);
        mine.map(|e| format!("{} {:.7} {:?}", e.event_type.as_str(), e.input_text(), e.status)).collect()
    };
    let edit = |path: &str| format!("tool_call {{\"path\" Some({path})");
    assert_eq!(sessions.len(), 2);
    let a = of(sessions[0]);
    assert_eq!(
        a,
        [
            "user_input First. None",
            "message One.\n\no None",
            &edit("Ok"),
            "user_input Third. None",
            "message Three.\n None",
            &edit("Ok")
        ]
    );
    assert_eq!(of(sessions[1]), ["user_input Second. None", "message Two.\n\nt None", &edit("Ok")]);
    let env = Env {
        home: home.clone(),
        cwd: home.join("elsewhere"),
        vars: [("CAUSETRACE_HOME".to_owned(), home.join("causetrace").display().to_string())].into(),
    };
    assert!(Aider.discover(&env).iter().any(|t| t.path == folder), "a wrapped run is found from anywhere");
}

#[test]
fn what_older_clients_told_line_by_line_is_one_failure() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(CHAT);
    let text = fs::read_to_string(fixture("0.86.2-failed-match").join(CHAT)).unwrap();
    let (before, rest) = text.split_once("> # 1 SEARCH").unwrap();
    let (failure, after) = rest.split_once("> Commit").unwrap();
    let lines: String = failure.lines().map(|l| format!("> {}  \n", l.trim_end())).collect();
    fs::write(&file, format!("{before}{}> Commit{after}", lines.replacen("> ", "> # 1 SEARCH", 1))).unwrap();
    let ends = |events: &[Event]| -> Vec<Option<Status>> {
        events.iter().filter(|e| e.tool_name.as_deref() == Some("edit")).map(|e| e.status).collect()
    };
    let (now, _) = read_path(&file);
    assert_eq!(ends(&now), [Some(Status::Ok), Some(Status::Error), Some(Status::Ok)]);
}

/// The recorded scenarios, from the files beside this package: what the scripted model said is what is read.
#[test]
fn recorded_scenarios() {
    let shared = package().join("../shared");
    let Ok(entries) = fs::read_dir(shared.join("recordings/aider")) else { return };
    let mut seen = 0;
    for folder in entries.map(|e| e.unwrap().path()) {
        let case = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let scenario = shared.join("agentlab/scenarios").join(format!("aider-{case}.json"));
        let (Ok(text), true) = (fs::read_to_string(scenario), folder.join("llm.history").is_file()) else { continue };
        let scenario: Value = serde_json::from_str(&text).unwrap();
        let (events, report) = read_path(&folder.join("llm.history"));
        assert!(report.bad.is_empty() && report.unknown.is_empty(), "{case}: {report:?}");
        structure(&case, &scenario, &events);
        if folder.join("workspace").join(CHAT).is_file() {
            let (events, _) = read_path(&folder.join("workspace").join(CHAT));
            structure(&case, &scenario, &events);
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

fn structure(case: &str, scenario: &Value, events: &[Event]) {
    let by_id: BTreeMap<&str, &Event> = events.iter().map(|e| (e.event_id.as_str(), e)).collect();
    assert_eq!(by_id.len(), events.len(), "{case}");
    for e in events {
        for p in &e.parents {
            assert!(by_id.contains_key(p.as_str()), "{case}: {p} of {e:?}");
        }
    }
    let said: Vec<String> = events
        .iter()
        .filter(|e| e.event_type == EventType::Message)
        .map(|e| e.input_text().trim().to_owned())
        .collect();
    let mut turns = 0;
    for turn in scenario["prompts"].as_array().unwrap().iter().flat_map(|p| p["turns"].as_array().into_iter().flatten())
    {
        let Some(text) = turn["text"].as_str().map(str::trim).filter(|t| !t.is_empty()) else { continue };
        // what was cut off or never reached is not there whole
        if turn.get("error").is_none() && turn.get("slow").is_none() && said.iter().any(|s| s.contains(text)) {
            turns += 1;
        }
    }
    assert!(turns > 0 || case.contains("api-error"), "{case}: {said:?}");
    // every edit and suggested command hangs below the reply that holds it
    for e in events.iter().filter(|e| matches!(e.tool_name.as_deref(), Some("edit" | "shell"))) {
        let parent = by_id[e.parents[0].as_str()];
        assert!(matches!(parent.event_type, EventType::Message | EventType::Reasoning), "{case}: {e:?}");
        assert_eq!(parent.turn_id, e.turn_id, "{case}");
    }
    for e in events.iter().filter(|e| e.event_type == EventType::Message && e.status != Some(Status::Error)) {
        assert!(!e.parents.is_empty(), "{case}: a reply answers something: {e:?}");
    }
    let made = |e: &&Event| e.tool_name.as_deref() == Some("commit") && e.status == Some(Status::Ok);
    for e in events.iter().filter(made) {
        let hash = e.extra["commit"].as_str().unwrap();
        assert!(hash.len() >= 7, "{case}");
    }
}

/// Two processes at once in one repository: a commit goes to the one whose git told of it; where both or neither did, nothing is
/// claimed.
#[test]
fn commits_of_two_processes_have_the_right_parents_or_none() {
    use causetrace::source::aider::run;
    let head = |s: u32| format!("\n# aider chat started at 2026-01-01 10:00:0{s}\n\n");
    let block = |words: &str, file: &str| {
        format!("{words}\n\n{file}\n```\n<<<<<<< SEARCH\n=======\n{words}\n>>>>>>> REPLACE\n```")
    };
    let told =
        |block: &str, file: &str| format!("\n{block}\n\n> Tokens: 9 sent, 9 received.  \n> Applied edit to {file}  \n");
    let (one, two) = (block("One.", "one.py"), block("Two.", "two.py"));
    // what the git of a and of b told, and the edit that is the parent of each commit
    type Case = (&'static [&'static str], &'static [&'static str], [Option<&'static str>; 2]);
    let cases: [Case; 4] = [
        (&["feat: one"], &["feat: two"], [Some("one.py"), Some("two.py")]),
        (&["feat: one"], &[], [Some("one.py"), None]),
        (&["feat: one", "feat: two"], &["feat: one", "feat: two"], [None, None]),
        (&[], &[], [None, None]),
    ];
    for (of_a, of_b, wanted) in cases {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        let chat = home.join(CHAT);
        let text = [
            head(0),
            head(1),
            "\n#### First.  \n\n#### Second.  \n".to_owned(),
            told(&one, "one.py"),
            told(&two, "two.py"),
            // told behind the other's edit
            "> Commit 1111111 feat: one  \n> Commit 2222222 feat: two  \n".to_owned(),
            // much later, alone
            head(5),
            format!("\n#### Third.  \n{}> Commit 3333333 feat: three  \n", told(&one, "one.py")),
        ];
        fs::write(&chat, text.concat()).unwrap();
        let folder = run::folder(&home.join("causetrace/aider"), &chat);
        for (second, prompt, reply, commits) in [(0, "First.", &one, of_a), (1, "Second.", &two, of_b)] {
            let of = wrapped(&folder, &chat, second, &[(prompt, reply)]);
            let start = |s: &&str| {
                serde_json::json!({"event": "start", "time": "2026-01-01T10:00:02.5Z", "argv": ["git", "commit", "-m", s]}).to_string() + "\n"
            };
            fs::write(of.join("trace"), commits.iter().map(start).collect::<String>()).unwrap();
        }
        let (events, _) = read_path(&folder);
        let commits: Vec<_> = events.iter().filter(|e| e.tool_name.as_deref() == Some("commit")).collect();
        let parents = |e: &Event| -> Vec<String> {
            let named = e.parents.iter().map(|p| events.iter().find(|o| o.event_id == *p).unwrap());
            named.map(|p| p.tool_input.as_ref().unwrap()["path"].as_str().unwrap().to_owned()).collect()
        };
        let found = ["1111111", "2222222", "3333333"]
            .map(|hash| parents(commits.iter().find(|e| e.extra["commit"] == *hash).unwrap()).pop());
        let [first, second] = wanted.map(|w| w.map(str::to_owned));
        assert_eq!(found, [first, second, Some("one.py".to_owned())], "{of_a:?} {of_b:?}");
        let sessions: HashMap<&str, usize> = commits.iter().map(|e| (e.session_id.as_str(), 0)).collect();
        assert!(of_b.len() != 1 || sessions.len() == 3, "each commit stands in the session of its process");
    }
}

/// What became of a reply goes to the one process of several that can tell it; where more can, edits have no parents and no ends,
/// and tokens are nobody's.
#[test]
fn outcomes_of_two_processes_go_to_the_right_one_or_to_none() {
    use causetrace::source::aider::run;
    let head = |s: u32| format!("\n# aider chat started at 2026-01-01 10:00:0{s}\n\n");
    let block = |words: &str, file: &str| {
        format!("{words}\n\n{file}\n```\n<<<<<<< SEARCH\n=======\n{words}\n>>>>>>> REPLACE\n```")
    };
    // the files that both change, the tokens that each was sent, and what is told of a's edit and of b's edit and reply
    type Case = ([&'static str; 2], [u64; 2], [&'static str; 2], [Option<&'static str>; 2]);
    let cases: [Case; 3] = [
        (["one.py", "two.py"], [8, 9], ["Ok", "Ok"], [Some("8 sent, 1 received."), Some("9 sent, 1 received.")]),
        (
            ["one.py", "one.py"],
            [8, 9],
            ["Running", "Running"],
            [Some("8 sent, 1 received."), Some("9 sent, 1 received.")],
        ),
        // the first that is told may be of either, and so may the second
        (["one.py", "two.py"], [9, 9], ["Ok", "Ok"], [None, None]),
    ];
    for (files, sent, ends, tokens) in cases {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        let chat = home.join(CHAT);
        let replies = [block("One.", files[0]), block("Two.", files[1])];
        let mut text = head(0) + &head(1) + "\n#### First.  \n\n#### Second.  \n";
        replies.iter().for_each(|r| text += &format!("\n{r}\n"));
        // all that a tells comes behind the reply of b
        for n in 0..2 {
            text += &format!("\n> Tokens: {} sent, 1 received.  \n> Applied edit to {}  \n", sent[n], files[n]);
        }
        fs::write(&chat, text).unwrap();
        let folder = run::folder(&home.join("causetrace/aider"), &chat);
        for (n, prompt) in ["First.", "Second."].into_iter().enumerate() {
            let of = wrapped(&folder, &chat, n as u32, &[(prompt, &replies[n])]);
            let [begun, ended] = ["message_send_starting", "message_send"].map(|event| {
                let properties = serde_json::json!({"prompt_tokens": sent[n], "completion_tokens": 1});
                serde_json::json!({"event": event, "properties": properties}).to_string() + "\n"
            });
            fs::write(of.join("analytics"), begun + &ended).unwrap();
        }
        let mut folded: Vec<Event> = Vec::new();
        for e in read_path(&folder).0 {
            match folded.iter_mut().find(|f| f.event_id == e.event_id) {
                Some(f) => f.fold(e),
                None => folded.push(e),
            }
        }
        let reply = |n: usize| {
            folded.iter().find(|e| e.event_type == EventType::Message && e.input_text().trim() == replies[n]).unwrap()
        };
        let edit = |n: usize| folded.iter().find(|e| e.is_call() && e.parents.contains(&reply(n).event_id)).unwrap();
        assert_ne!(reply(0).session_id, reply(1).session_id);
        for n in 0..2 {
            assert_eq!(format!("{:?}", edit(n).status.unwrap()), ends[n], "{files:?}");
            assert_eq!(reply(n).extra.get("tokens").and_then(Value::as_str), tokens[n], "{files:?} {sent:?}");
            assert_eq!(reply(n).usage.as_ref().and_then(|u| u.input), Some(sent[n]));
        }
        let calls: Vec<_> = folded.iter().filter(|e| e.is_call()).collect();
        let of_nobody =
            calls.iter().filter(|e| e.parents.is_empty() && e.status == Some(causetrace::event::Status::Ok));
        assert_eq!(
            (calls.len() - of_nobody.clone().count(), of_nobody.count()),
            (2, if ends[0] == "Ok" { 0 } else { 2 })
        );
    }
}
