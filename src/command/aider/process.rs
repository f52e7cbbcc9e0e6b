//! Runs a program in this terminal and process group, and ends like it.

use std::io;
use std::process::{Command, ExitStatus};

/// How a program ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    /// Its exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        Self { code: status.code(), signal }
    }
}

/// Runs it until it ends. Ctrl-C reaches the whole process group by itself: here it is only outlived. What is sent to this process
/// alone is passed on.
#[cfg(unix)]
pub(super) fn run(command: &mut Command) -> io::Result<Ending> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;
    // handlers, not "ignore": what is ignored here would be ignored in the child too
    let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP])?;
    let handle = signals.handle();
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let status = std::thread::scope(|scope| {
        scope.spawn(move || {
            for signal in signals.forever() {
                let passed_on = match signal {
                    SIGTERM => Some(rustix::process::Signal::TERM),
                    SIGHUP => Some(rustix::process::Signal::HUP),
                    _ => None,
                };
                if let (Some(pid), Some(signal)) = (pid, passed_on) {
                    // it may have ended meanwhile
                    rustix::process::kill_process(pid, signal).ok();
                }
            }
        });
        let status = child.wait();
        handle.close();
        status
    });
    Ok(status?.into())
}

/// Runs it until it ends, and outlives ctrl-C, which reaches all programs of the console.
#[cfg(not(unix))]
pub(super) fn run(command: &mut Command) -> io::Result<Ending> {
    signal_hook::flag::register(signal_hook::consts::SIGINT, std::sync::Arc::default())?;
    Ok(command.status()?.into())
}

/// Ends this process by the signal that ended the program, as a shell would see it without the wrapper; else its exit code.
pub(super) fn end_like(ending: Ending) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = ending.signal {
        // comes back only where a signal cannot be raised or ends nothing
        signal_hook::low_level::emulate_default_handler(signal).ok();
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    // exit codes are a byte where there are signals
    ending.code.and_then(|c| u8::try_from(c & 0xff).ok()).unwrap_or(1)
}
