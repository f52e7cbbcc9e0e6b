//! `cargo bench`: every budget measured over made-up sessions (`../generate`), whole processes in turns, medians.
//!
//! `cargo bench -- hook read` runs these sections only. `BENCH_MB` (64) is the size of what is read and imported,
//! `BENCH_EVENTS` (10000) the longest session that is looked at: `BENCH_MB=1024 BENCH_EVENTS=100000 cargo bench` is the full
//! run of some minutes. `cargo bench -- write DIR` writes the sessions for other tools (`../compare`).

#[path = "../generate/mod.rs"]
mod generate;
mod hook;
mod import;
mod large;
mod measure;
mod place;
mod read;
mod sessions;
mod views;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // a process of its own for what the program has no command for
        ["child", "cost", program, args @ ..] => return measure::tell_cost(program, args),
        ["child", "scan", path] => return read::scan(path),
        ["child", "read", agent, path] => return read::read(agent, path),
        ["child", "link", path] => return views::link(path),
        ["write", dir] => return place::write_for_others(std::path::Path::new(dir)),
        _ => {}
    }
    let sections: [(&str, fn()); 6] = [
        ("hook", hook::measure),
        ("read", read::measure),
        ("import", import::measure),
        ("sessions", sessions::measure),
        ("views", views::measure),
        ("large", large::measure),
    ];
    for (name, measure) in sections {
        if args.is_empty() || args.iter().any(|a| a == name) {
            measure();
        }
    }
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// The size of what is read and imported, in MB.
fn megabytes() -> u64 {
    setting("BENCH_MB", 64)
}
