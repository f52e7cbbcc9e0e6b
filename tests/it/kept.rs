//! What is kept of a look: views of it are those of a first look to the byte, and whatever is wrong with it costs only time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::event::Event;
use causetrace::graph::Graph;
use causetrace::source::{self, claim};
use causetrace::store::Store;
use causetrace::store::kept::{self, BUILD};
use proptest::prelude::*;
use rayon::prelude::*;

use crate::attack::machine::{Machine, Said};

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut inside: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    inside.sort();
    for path in inside {
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Lines of the store for every session of all fixtures.
fn sessions() -> BTreeMap<String, String> {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut all);
    let mut sessions: BTreeMap<String, String> = BTreeMap::new();
    for file in all {
        let Ok(Some((source, transcripts))) = claim(&file) else { continue };
        for t in transcripts {
            let mut take = |e: Event| {
                let lines = sessions.entry(e.session_id.clone()).or_default();
                lines.push_str(&e.to_line());
                lines.push('\n');
            };
            source.read(&t, &mut take).ok();
        }
    }
    sessions
}

/// A machine with these sessions in its store; if nothing can be kept there, a file stands where the folder would.
fn machine(sessions: &BTreeMap<String, String>, keeps: bool) -> Machine {
    let m = Machine::new();
    for (id, lines) in sessions {
        m.store().append(id, lines.as_bytes()).unwrap();
    }
    if !keeps {
        fs::write(m.path().join("store/kept"), "").unwrap();
    }
    m
}

/// What a command said, without the folder that it said it in.
fn says(m: &Machine, args: &[&str]) -> (String, Option<i32>) {
    let Said { out, err, code } = m.run(args);
    ((out + &err).replace(m.path().to_str().unwrap(), "~"), code)
}

#[test]
fn a_further_look_shows_what_the_first_showed() {
    let mut all = sessions();
    assert!(all.len() > 40, "{}", all.len());
    for (n, lines) in all.values_mut().enumerate() {
        // a third of them with lines that cannot be read
        if n % 3 == 0 {
            lines.push_str("{\"event_id\":\n{\"event_id\":\"x\",\"tool_output\":\"\\ud800\"}\n");
        }
    }
    let (first, further) = (machine(&all, false), machine(&all, true));
    for m in [&first, &further] {
        assert_eq!(m.run(&["sessions"]).code, Some(0));
    }
    let store = further.store();
    let looked: Vec<usize> = all
        .par_iter()
        .map(|(id, _)| {
            let last = store.read(id).unwrap().unwrap().events.len().to_string();
            // what is kept of a session that another spawned is kept with that
            says(&further, &["tree", id]);
            let kept = kept::path(&store, id);
            let before = fs::read(&kept).unwrap_or_else(|e| panic!("{id}: {e}"));
            let views: [&[&str]; 8] = [
                &["tree", id, "--full"],
                &["graph", id],
                &["timeline", id, "--full"],
                &["why", &last, "--session", id, "--depth", "20"],
                &["impact", "2", "--session", id],
                &["replay", id],
                &["tree", id, "--json"],
                // the last, because it keeps what the texts tell as well
                &["stats", id],
            ];
            for view in views {
                assert_eq!(fs::read(&kept).unwrap(), before, "{view:?}: it was used");
                assert_eq!(says(&first, view), says(&further, view), "{view:?}");
            }
            assert_ne!(fs::read(&kept).unwrap(), before);
            assert_eq!(says(&first, &["stats", id, "--json"]), says(&further, &["stats", id, "--json"]));
            1
        })
        .collect();
    assert_eq!(looked.len(), all.len());
    // what is kept is nobody's business
    assert_eq!(says(&first, &["validate"]), says(&further, &["validate"]));
    let doctor = |m: &Machine| says(m, &["doctor"]);
    assert_eq!(doctor(&first), doctor(&further));
}

/// The longest of the fixtures' sessions.
fn longest() -> (String, String) {
    sessions().into_iter().max_by_key(|(_, lines)| lines.lines().count()).unwrap()
}

#[test]
fn what_grew_or_was_spawned_since_is_seen() {
    let (id, lines) = longest();
    let m = machine(&BTreeMap::from([(id.clone(), lines.clone())]), true);
    let holds = || kept::open(&m.store(), &id, BUILD).is_some();
    let before = says(&m, &["tree", &id]).0;
    assert!(holds());
    let first: Event = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let news = Event {
        event_id: "news".into(),
        session_id: id.clone(),
        agent: first.agent.clone(),
        tool_input: Some("a word of the user".into()),
        event_type: causetrace::event::EventType::UserInput,
        ..Event::default()
    };
    m.store().append(&id, (news.to_line() + "\n").as_bytes()).unwrap();
    let grown = says(&m, &["tree", &id]).0;
    assert!(!before.contains("a word of the user") && grown.contains("a word of the user"));
    let spawned = Event {
        event_id: "child".into(),
        session_id: "child".into(),
        parent_session_id: Some(id.clone()),
        tool_input: Some("a word to the child".into()),
        ..news.clone()
    };
    m.store().append("child", (spawned.to_line() + "\n").as_bytes()).unwrap();
    // a header says whose child it is
    let header = Event { event_type: causetrace::event::EventType::Session, event_id: "head".into(), ..spawned };
    m.store().append("child", (header.to_line() + "\n").as_bytes()).unwrap();
    assert!(says(&m, &["tree", &id]).0.contains("a word to the child"));
    let again = says(&m, &["tree", &id]);
    fs::remove_dir_all(m.path().join("store/kept")).unwrap();
    assert_eq!(again, says(&m, &["tree", &id]));
    // a session that is deleted leaves nothing
    assert!(holds());
    fs::remove_file(m.store().path(&id)).unwrap();
    m.run(&["sessions"]);
    assert!(!kept::path(&m.store(), &id).exists());
}

#[test]
fn damage_and_other_builds_cost_only_time() {
    let (id, lines) = longest();
    let m = machine(&BTreeMap::from([(id.clone(), lines)]), true);
    let wanted = says(&m, &["tree", &id]);
    let store = m.store();
    let path = kept::path(&store, &id);
    let whole = fs::read(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let kept = kept::open(&store, &id, BUILD).unwrap();
    let sources = kept.sources().clone();
    let blocks: Vec<Vec<u8>> = kept.blocks().collect();
    assert!(kept::open(&store, &id, "another build").is_none());
    let mut bad: Vec<Vec<u8>> = vec![Vec::new(), whole[..whole.len() / 2].to_vec(), vec![0xff; 500]];
    for at in (0..whole.len()).step_by(whole.len() / 10) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        bad.push(flipped);
    }
    for content in bad {
        fs::write(&path, content).unwrap();
        assert_eq!(says(&m, &["tree", &id]), wanted);
        // and is put right
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    // whole to look at, but of another build, or with blocks that are none
    kept::keep(&store, &id, "another build", &sources, &[vec![1], vec![2]]);
    assert_eq!(says(&m, &["tree", &id]), wanted);
    assert_eq!(fs::read(&path).unwrap(), whole);
    for i in 0..blocks.len() {
        let mut made_up = blocks.clone();
        made_up[i] = vec![0x7f; 40];
        kept::keep(&store, &id, BUILD, &sources, &made_up);
        assert_eq!(says(&m, &["tree", &id]), wanted);
    }
    #[cfg(unix)]
    {
        fs::remove_file(&path).unwrap();
        crate::attack::places::pipe(&path);
        assert_eq!(says(&m, &["tree", &id]), wanted);
    }
}

#[test]
fn looks_while_others_write_end_with_all_there_is() {
    let m = machine(&BTreeMap::new(), true);
    let event = |n: usize| {
        let id = format!("e{n:03}");
        let words = format!("word {n}");
        Event {
            event_id: id,
            session_id: "s".into(),
            agent: "codex".into(),
            tool_input: Some(words.into()),
            event_type: causetrace::event::EventType::UserInput,
            ..Event::default()
        }
    };
    let write = |m: &Machine, n: usize| m.store().append("s", (event(n).to_line() + "\n").as_bytes()).unwrap();
    write(&m, 0);
    std::thread::scope(|s| {
        for half in 0..2 {
            let m = &m;
            s.spawn(move || (1..20).for_each(|n| write(m, 2 * n + half)));
            s.spawn(move || (0..5).for_each(|_| assert_eq!(m.run(&["tree", "s"]).code, Some(0))));
        }
    });
    let seen = says(&m, &["tree", "s"]);
    fs::remove_dir_all(m.path().join("store/kept")).unwrap();
    assert_eq!(seen, says(&m, &["tree", "s"]));
    assert!((2..40).all(|n| seen.0.contains(&format!("word {n}"))));
}

/// The blocks of the longest session's graph.
fn blocks() -> &'static [Vec<u8>] {
    static BLOCKS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    BLOCKS.get_or_init(|| {
        let events = longest().1.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        Graph::new(events, &source::action).to_blocks()
    })
}

proptest! {
    #[test]
    fn whatever_the_bytes_no_index_points_beyond(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut all = blocks().to_vec();
        for (block, at, byte) in &changes {
            let block = block.get_mut(&mut all);
            let at = at.index(block.len());
            block[at] = *byte;
        }
        if let Some(g) = Graph::from_blocks(all.into_iter()) {
            let n = g.events.len();
            prop_assert!([g.actions.len(), g.parents.len(), g.missing.len(), g.causes.len()].iter().all(|l| *l == n));
            for i in 0..n {
                prop_assert!(g.parents[i].iter().chain(g.causes[i].iter().map(|c| &c.event)).all(|p| *p < i));
                prop_assert!(g.effects(i).len() <= n);
                let _ = g.is_answer(i);
            }
            prop_assert!(g.cut.iter().all(|(a, b)| *a < n && *b < n));
        }
    }
}

#[test]
fn a_store_elsewhere_is_another() {
    // a copy of a store is as good as the store, but what was kept of it is of other files
    let (id, lines) = longest();
    let (a, b) = (machine(&BTreeMap::from([(id.clone(), lines)]), true), Machine::new());
    let wanted = says(&a, &["tree", &id]);
    let store = Store::new(b.path().join("store"));
    fs::create_dir_all(store.data()).unwrap();
    fs::create_dir_all(kept::path(&store, &id).parent().unwrap()).unwrap();
    fs::copy(a.store().path(&id), store.path(&id)).unwrap();
    fs::copy(kept::path(&a.store(), &id), kept::path(&store, &id)).unwrap();
    assert_eq!(says(&b, &["tree", &id]), wanted);
}

/// The index of a copied store is stale as a whole: whoever looks first puts it right, where it can be written at all.
#[test]
fn a_stale_index_is_brought_up_to_date_once() {
    let (id, lines) = longest();
    let m = machine(&BTreeMap::from([(id, lines)]), true);
    let index = m.path().join("store/index.json");
    let wanted = m.run(&["sessions"]).out;
    let stale = fs::read_to_string(&index).unwrap();
    for file in m.store().files() {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
        fs::File::options().append(true).open(file).unwrap().set_modified(then).unwrap();
    }
    // a view that reads nothing into the store
    assert_eq!(m.run(&["stats"]).code, Some(0));
    let fresh = fs::read_to_string(&index).unwrap();
    assert!(fresh != stale && fresh.len() == stale.len(), "the times of the files alone are others");
    let unchanged = fs::metadata(&index).unwrap().modified().unwrap();
    assert_eq!(m.run(&["sessions"]).out, wanted);
    assert_eq!(
        fs::metadata(&index).unwrap().modified().unwrap(),
        unchanged,
        "nothing was new, and it is written again"
    );
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    for view in ["sessions", "tree", "stats"] {
        assert_eq!(m.run(&[view]).code, Some(0), "{view} cannot write, and fails");
    }
    assert_eq!(m.run(&["sessions"]).out, wanted);
}
