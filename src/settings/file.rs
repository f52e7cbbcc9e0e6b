//! Reading a settings file and putting a new one in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::plain;

/// A settings file as it was found.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// The file itself: a symlink is followed and stays.
    pub target: PathBuf,
    /// Its text; none where there is no file.
    pub text: Option<String>,
}

/// Reads a settings file.
///
/// # Errors
/// It cannot be read, is no text, or a symlink that leads nowhere.
pub fn load(path: &Path) -> anyhow::Result<SettingsFile> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_symlink()) {
                bail!("{} is a symlink that leads nowhere", path.display());
            }
            return Ok(SettingsFile { target: path.to_owned(), text: None });
        }
        Err(e) => return Err(e).with_context(|| format!("cannot open {}", path.display())),
    };
    let bytes =
        plain::read_up_to(&target, plain::SETTINGS).with_context(|| format!("cannot read {}", path.display()))?;
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("{} is not UTF-8 text", path.display());
    };
    Ok(SettingsFile { target, text: Some(text) })
}

impl SettingsFile {
    /// Puts `text` in its place: a temporary file beside it, synced, with the same mode and owner, renamed over it.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn replace(&self, text: &str) -> anyhow::Result<()> {
        let folder = self.target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mark = self.sweep();
        let temporary = folder.join(format!("{mark}{}", std::process::id()));
        let done = self.write(&temporary, text).and_then(|()| fs::rename(&temporary, &self.target));
        if done.is_err() {
            fs::remove_file(&temporary).ok();
        }
        done.with_context(|| format!("cannot write {}", self.target.display()))
    }

    /// Removes the temporary files that processes which were killed left beside it, that of an earlier bearer of our number too;
    /// how the names of such files begin.
    fn sweep(&self) -> String {
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        let mark = format!(".{name}.causetrace-");
        for entry in self.target.parent().and_then(|p| fs::read_dir(p).ok()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|n| n.strip_prefix(&mark)?.parse::<u32>().ok());
            if number.is_some_and(|n| n == std::process::id() || !is_running(n)) {
                fs::remove_file(entry.path()).ok();
            }
        }
        mark
    }

    fn write(&self, temporary: &Path, text: &str) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(temporary)?;
        file.write_all(text.as_bytes())?;
        self.same_rights(&file)?;
        file.sync_all()
    }

    #[cfg(unix)]
    fn same_rights(&self, file: &File) -> std::io::Result<()> {
        use std::os::unix::fs::{MetadataExt, fchown};
        // a new file stays private
        let Ok(old) = fs::metadata(&self.target) else { return Ok(()) };
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(old.permissions())
    }

    #[cfg(not(unix))]
    fn same_rights(&self, _file: &File) -> std::io::Result<()> {
        Ok(())
    }

    /// Removes the file.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        self.sweep();
        fs::remove_file(&self.target).with_context(|| format!("cannot remove {}", self.target.display()))
    }
}

#[cfg(unix)]
fn is_running(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // somebody else's may not be sent signals
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Nobody tells: one that is at work here at this very moment finds its file gone, says so and changes nothing.
#[cfg(not(unix))]
fn is_running(_process: u32) -> bool {
    false
}
