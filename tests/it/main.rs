//! One binary for all integration tests: one link, and `cargo test --test it NAME` runs a part.

mod aider;
mod aider_wrapper;
mod architecture;
mod attack;
mod blame;
mod claude_code;
mod codex;
mod console;
mod continue_dev;
mod copilot;
mod copilot_vscode;
mod doctor;
mod hook;
mod import;
mod install;
mod kept;
mod linker;
mod opencode;
mod scenario;
mod score;
mod watch;
