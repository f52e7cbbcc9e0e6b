//! What is asked over 1,000 sessions: `sessions`, `import` and `blame`.

use crate::generate::claude_code::Until;
use crate::generate::{Project, Session, Shape};
use crate::measure::{at_most, head, in_turns, row};
use crate::place::Place;

const SESSIONS: u64 = 1000;
const ROUNDS: usize = 9;

pub fn measure() {
    let place = Place::new();
    let project = place.path().join("project");
    let cwd = project.to_str().expect("a path");
    let mut size = 0;
    for n in 0..SESSIONS {
        let session = Session { number: n, shape: Shape::Mixed, cwd };
        let (path, _) = place.claude_code(&session, Until::Events(25));
        size += std::fs::metadata(path).expect("it is there").len();
    }
    let file = &Project::new(cwd, 1).files[0];
    let path = std::path::Path::new(&file.path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, file.lines.join("\n")).expect("a file");

    head(&format!("{SESSIONS} sessions, {:.0} MB", size as f64 / 1e6));
    let first = place.cost(&["sessions"]);
    row("sessions, the first time (reads all)", first, "");
    let run = |args: &[&str]| place.cost(args);
    let [listed] = in_turns(ROUNDS, [&mut || run(&["sessions"])]);
    row("sessions, nothing new", listed, &at_most(listed.wall * 1e3, 50.0, "ms"));
    let [imported] = in_turns(ROUNDS, [&mut || run(&["import"])]);
    row("import, nothing new", imported, &at_most(imported.wall * 1e3, 50.0, "ms"));
    let [newest] = in_turns(ROUNDS, [&mut || run(&["tree", "latest"])]);
    row("tree of the newest", newest, "");
    let [blamed] = in_turns(ROUNDS, [&mut || run(&["blame", &file.path])]);
    row("blame of a file", blamed, "");
}
