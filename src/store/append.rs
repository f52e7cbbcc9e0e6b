//! Appending: one buffer, one write, under a lock, private.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

/// Appends `lines` (whole lines with their newlines) to a file of the store in one write.
///
/// The file is made with mode 0600 and its missing folders with 0700, whatever the umask. A torn last line (a process that was
/// killed, a full disk) is ended first, so that it costs only itself. No fsync: the page cache survives the process.
///
/// # Errors
/// The file is a symlink or no plain file, belongs to someone else, holds lines of a newer major format version, or cannot
/// be written.
pub fn append(path: &Path, lines: &[u8]) -> anyhow::Result<()> {
    let mut file = open(path)?;
    // the lock covers short writes and network file systems; it goes with the handle
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    let length = file.seek(SeekFrom::End(0)).with_context(|| format!("cannot read {}", path.display()))?;
    let mut last = [b'\n'];
    if length > 0 {
        let tail = ends(&mut file, length).with_context(|| format!("cannot read {}", path.display()))?;
        refuse_newer(&tail, path)?;
        last = [tail.last().copied().unwrap_or(b'\n')];
    }
    let written = if last == [b'\n'] {
        file.write_all(lines)
    } else {
        let mut joined = Vec::with_capacity(lines.len() + 1);
        joined.push(b'\n');
        joined.extend_from_slice(lines);
        file.write_all(&joined)
    };
    written.with_context(|| format!("cannot write to {}", path.display()))
}

/// Bytes that are looked at of either end of a file.
const END: u64 = 8192;

/// The beginning and the end of a file.
fn ends(file: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    // room for all of it: a hook should not read in many small steps
    let mut ends = Vec::with_capacity(3 * END as usize);
    file.seek(SeekFrom::Start(0))?;
    if length > 2 * END {
        Read::take(&mut *file, 48).read_to_end(&mut ends)?;
        file.seek(SeekFrom::Start(length - END))?;
    }
    Read::take(&mut *file, length).read_to_end(&mut ends)?;
    Ok(ends)
}

/// A file that a newer format version began, or went on with, is left as it is: what that version relies on is not known here.
fn refuse_newer(ends: &[u8], path: &Path) -> anyhow::Result<()> {
    let newer = |line: &[u8]| {
        let version = line.strip_prefix(br#"{"schema_version":"#).map(<[u8]>::trim_ascii_start);
        let digits = version.and_then(|v| v.strip_prefix(b"\"")).and_then(|v| v.split(|b| !b.is_ascii_digit()).next());
        let major = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse::<u64>().ok());
        major.is_some_and(|m| m > super::WRITABLE_MAJOR)
    };
    if ends.split(|b| *b == b'\n').any(newer) {
        bail!(
            "{} was written by a newer causetrace: it is read, but not written to; update causetrace",
            path.display()
        );
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(NOFOLLOW);
    }
    let file = match options.open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            make_folder(path.parent().unwrap_or(path))?;
            options.open(path)
        }
        other => other,
    };
    let file = match file {
        Ok(f) => f,
        Err(_) if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_symlink()) => {
            bail!("{} is a symlink: remove it, the store writes only to files of its own", path.display())
        }
        Err(e) => return Err(e).with_context(|| format!("cannot open {}", path.display())),
    };
    check(&file, path)?;
    Ok(file)
}

/// `O_NOFOLLOW`: opening a symlink fails instead of writing to where it points.
#[cfg(target_os = "linux")]
const NOFOLLOW: i32 = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 };
#[cfg(all(unix, not(target_os = "linux")))]
const NOFOLLOW: i32 = 0x0100;

#[cfg(unix)]
fn check(file: &File, path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let meta = file.metadata()?;
    if !meta.is_file() {
        bail!("{} is no plain file", path.display());
    }
    // root may repair anybody's store; anybody else writes only to what is theirs
    let me = rustix::process::geteuid();
    if !me.is_root() && me.as_raw() != meta.uid() {
        bail!("{} belongs to another user: set CAUSETRACE_HOME to a folder of your own", path.display());
    }
    if meta.permissions().mode() & 0o077 != 0 {
        // a file of the Python tool (0644), or one somebody opened up
        file.set_permissions(fs::Permissions::from_mode(0o600)).ok();
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(_file: &File, _path: &Path) -> anyhow::Result<()> {
    Ok(())
}

/// Makes a folder of the store and the missing ones above it, private.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a whole file of the store by way of a temporary file beside it: readers see the old or the new one, never half.
///
/// # Errors
/// The folder cannot be made or the file not written.
pub(super) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    replace_with(path, |file| file.write_all(content))
}

/// The same, with a file that `write` fills.
///
/// # Errors
/// The folder cannot be made or the file not written.
pub(super) fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    make_folder(folder)?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    // what a process that was killed left, of the same number too
    fs::remove_file(&temporary).ok();
    sweep(folder, path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(NOFOLLOW);
    }
    let written = options.open(&temporary).and_then(|mut f| write(&mut f));
    let done = written.and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        fs::remove_file(&temporary).ok();
    }
    done.with_context(|| format!("cannot write {}", path.display()))
}

/// Nobody writes a temporary file for longer than this.
const STALE: Duration = Duration::from_secs(600);

/// Removes the temporary files that processes which were killed left beside `path`.
fn sweep(folder: &Path, path: &Path) {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix(stem)?.strip_prefix(".tmp"));
        let ours = number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if ours && age().is_some_and(|age| age > STALE) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_torn_line_is_ended_and_files_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home/data/s.jsonl");
        append(&path, b"one\n").unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        append(&path, b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntorn\ntwo\n");
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_file_of_a_newer_version_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        let line = "{\"schema_version\":\"2.0\",\"event_id\":\"a\"}\n";
        fs::write(&path, line).unwrap();
        assert!(format!("{:#}", append(&path, b"x\n").unwrap_err()).contains("newer causetrace"));
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
    }

    #[test]
    fn what_killed_processes_left_is_swept_up() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, minutes: u64| {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
        };
        for name in ["index.tmp1", "index.tmp23", "index.tmp", "index.tmpx", "other.tmp1", "index.json.tmp1"] {
            make(name, 11);
        }
        make("index.tmp4", 1);
        // of a process that was killed and had our number
        make(&format!("index.tmp{}", std::process::id()), 1);
        replace(&dir.path().join("index.json"), b"new").unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["index.json", "index.json.tmp1", "index.tmp", "index.tmp4", "index.tmpx", "other.tmp1"]);
        assert_eq!(fs::read(dir.path().join("index.json")).unwrap(), b"new");
    }

    #[test]
    fn a_symlink_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        let path = dir.path().join("s.jsonl");
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let message = format!("{:#}", append(&path, b"x\n").unwrap_err());
        assert!(message.contains("is a symlink"), "{message}");
        assert_eq!(fs::read(&elsewhere).unwrap(), b"");
    }
}
