//! `import` all the way into the store: cold, and again with nothing new; many files, and one.

use crate::generate::Session;
use crate::generate::claude_code::Until;
use crate::measure::{Cost, at_least, at_most, head, in_turns, row};
use crate::place::Place;

const ROUNDS: usize = 3;

pub fn measure() {
    let megabytes = crate::megabytes();
    head(&format!("import of {megabytes} MB of Claude Code"));
    for (name, files) in [("files of 4 MB", megabytes.div_ceil(4)), ("one file", 1)] {
        let place = Place::new();
        let mut size = 0;
        for n in 0..files {
            let (path, _) = place.claude_code(&Session::mixed(n), Until::Bytes((megabytes << 20) / files));
            size += std::fs::metadata(path).expect("it is there").len();
        }
        let mut cold = || -> Cost {
            std::fs::remove_dir_all(place.store()).ok();
            place.cost(&["import"])
        };
        let [cost] = in_turns(ROUNDS, [&mut cold]);
        let (speed, peak) = (size as f64 / 1e6 / cost.wall, cost.peak);
        // one file is read by one thread: the budget is for two
        let speed = if files > 1 { at_least(speed, 250.0, "MB/s") } else { format!("{speed:.0} MB/s") };
        row(&format!("{name}, cold"), cost, &format!("{speed}, {}", at_most(peak, 150.0, "MB")));
        let [again] = in_turns(ROUNDS, [&mut || place.cost(&["import"])]);
        row(&format!("{name}, nothing new"), again, "");
    }
}
