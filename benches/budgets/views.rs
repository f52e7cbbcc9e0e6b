//! The views of one session by shape and length, and how they grow: at a first look, for which the session is linked, and at
//! further ones, for which that is kept.

use std::fs;
use std::path::Path;
use std::time::Instant;

use causetrace::{causality, graph::Graph, source, store};

use crate::generate::{Session, Shape};
use crate::measure::{Cost, at_most, head, in_turns, row, this};
use crate::place::Place;

pub fn measure() {
    let most = crate::setting("BENCH_EVENTS", 10_000) as usize;
    let only = std::env::var("BENCH_SHAPE").ok();
    for (number, shape) in (2000u64..).zip(Shape::ALL) {
        if only.as_deref().is_some_and(|o| o != shape.name()) {
            continue;
        }
        let mut before: Option<Vec<Cost>> = None;
        for events in [1000, 10_000, 100_000].into_iter().filter(|n| *n <= most) {
            let costs = one(Session { shape, ..Session::mixed(number) }, events, before.as_deref());
            before = Some(costs);
        }
    }
}

/// Measures the views of a session of this many events; `before` is what one of a tenth cost.
fn one(session: Session<'_>, events: usize, before: Option<&[Cost]>) -> Vec<Cost> {
    let place = Place::new();
    let path = place.stored(&session, events);
    let stored = store::read_file(&path).expect("it can be read");
    let number = stored.events.len().to_string();
    drop(stored);
    let size = std::fs::metadata(&path).expect("it is there").len() as f64 / 1e6;
    head(&format!("{} of {events} events, {size:.1} MB stored", session.shape.name()));
    let (id, path) = (session.id(), path.to_str().expect("a path"));
    // the first look at the store makes its index
    place.cost(&["sessions"]);
    let rounds = if events > 10_000 { 5 } else { 9 };
    let views: [(&str, Vec<&str>); 4] = [
        ("tree", vec!["tree", &id]),
        ("why", vec!["why", &number, "--session", &id]),
        ("stats", vec!["stats", &id]),
        ("graph", vec!["graph", &id]),
    ];
    let budget = |name: &str, cost: Cost| match (name, events) {
        ("graph", _) => String::new(),
        (_, 10_000) => at_most(cost.wall * 1e3, 60.0, "ms"),
        (_, 100_000) => format!("{}, {}", at_most(cost.wall, 0.6, "s"), at_most(cost.peak, 300.0, "MB")),
        _ => String::new(),
    };
    let mut costs = Vec::new();
    let mut show = |name: &str, look: &str, cost: Cost| {
        let growth = before.and_then(|b| b.get(costs.len())).map(|b| at_most(cost.wall / b.wall, 12.0, "× a tenth"));
        let says: Vec<String> = [budget(name, cost)].into_iter().chain(growth).filter(|s| !s.is_empty()).collect();
        let name = if look.is_empty() { name.to_owned() } else { format!("{name}, {look}") };
        row(&name, cost, &says.join(", "));
        costs.push(cost);
    };
    for (name, args) in views {
        let [cost] = in_turns(
            rounds,
            [&mut || {
                fs::remove_dir_all(place.store().join("kept")).ok();
                place.cost(&args)
            }],
        );
        show(name, "first look", cost);
        let [cost] = in_turns(rounds, [&mut || place.cost(&args)]);
        show(name, "further looks", cost);
    }
    let kept = fs::read_dir(place.store().join("kept")).expect("it is kept").flatten();
    let kept: u64 = kept.map(|e| e.metadata().map_or(0, |m| m.len())).sum();
    println!("kept for further looks: {:.1} MB", kept as f64 / 1e6);
    let [linked] = in_turns(
        rounds,
        [&mut || {
            let output = this(&["link", path]).output().expect("the program starts");
            let wall = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
            Cost { wall, cpu: wall, peak: 0.0 }
        }],
    );
    show("linking alone, in the process", "", linked);
    costs
}

/// Links the events of a stored session; prints the seconds that this alone took.
pub fn link(path: &str) {
    let stored = store::read_file(Path::new(path)).expect("it can be read");
    let ordered = Graph::unlinked(stored.events, &source::action).into_heads().events;
    let begun = Instant::now();
    let links = causality::link(&ordered, &source::action);
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(links.len(), ordered.len());
    println!("{took}");
}
