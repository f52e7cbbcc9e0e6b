//! Opening the client's SQLite database without leaving a trace beside it.
//!
//! The client writes in WAL mode. Measured with SQLite 3.51 (rusqlite 0.42) and OpenCode 1.18: a `mode=ro` connection to a
//! closed database creates `-wal` and `-shm` and leaves them; `immutable=1` does not see what is only in the `-wal`, and
//! straight after the client's end everything may be there. So the way in depends on what stands beside the file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags};

use crate::plain;

/// How long a database that another process has locked is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a database that changes while it is copied is copied again.
const TRIES: usize = 5;

/// An open database.
pub(super) struct Database {
    // closed before the copy is removed: fields are dropped in this order
    pub(super) connection: Connection,
    _copy: Option<PrivateCopy>,
    path: PathBuf,
    /// What stood there when it was opened without locks; none where SQLite guards against changes.
    unguarded: Option<[Stamp; 2]>,
}

impl Database {
    /// Opens it for reading in the way that changes nothing in its folder.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        // SQLite would wait for the writer of a pipe
        let meta = fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        if !meta.is_file() {
            bail!("{} is no plain file", path.display());
        }
        let stamps = [stamp(path), stamp(&beside(path, "-wal"))];
        let (connection, copy, unguarded) = match way(path) {
            Way::Immutable => (connect(path, "immutable=1", false)?, None, Some(stamps)),
            Way::ReadOnly => (connect(path, "mode=ro", false)?, None, None),
            Way::Copy => {
                let copy = PrivateCopy::of(path)?;
                (connect(&copy.file, "mode=rw", true)?, Some(copy), None)
            }
        };
        connection.busy_timeout(PATIENCE)?;
        Ok(Self { connection, _copy: copy, path: path.to_owned(), unguarded })
    }

    /// A client began to write while the file was read without locks: what was read may not fit together.
    pub(super) fn was_disturbed(&self) -> bool {
        self.unguarded.as_ref().is_some_and(|s| *s != [stamp(&self.path), stamp(&beside(&self.path, "-wal"))])
    }
}

/// Runs `read` on the database, once more where a client began to write meanwhile.
pub(super) fn with<T>(path: &Path, mut read: impl FnMut(&Database) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let first = Database::open(path)?;
    let got = read(&first);
    if first.was_disturbed() {
        drop(first);
        return read(&Database::open(path)?);
    }
    got
}

/// Whether the end of the file is missing: SQLite takes what is missing of the last page for zeros, and rows vanish.
pub(super) fn is_cut_off(path: &Path) -> bool {
    let mut head = [0; 18];
    let Ok(mut file) = plain::open(path) else { return false };
    let length = file.limit();
    // the size of a page stands in bytes 16 and 17; 1 is 65,536
    let page = match std::io::Read::read_exact(&mut file, &mut head) {
        Ok(()) => u64::from(head[16]) << 8 | u64::from(head[17]),
        Err(_) => return true,
    };
    let page = if page == 1 { 65_536 } else { page };
    page > 0 && length % page != 0
}

#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// All is in the one file and nobody writes: no locks, nothing beside it.
    Immutable,
    /// A client has it open, or left its `-wal` and `-shm`.
    ReadOnly,
    /// SQLite would have to write beside it.
    Copy,
}

fn way(path: &Path) -> Way {
    let size = |ending: &str| fs::metadata(beside(path, ending)).map(|m| m.len()).ok();
    // a rollback journal: a torn transaction that only a writer can take back
    if size("-journal").is_some_and(|n| n > 0) {
        return Way::Copy;
    }
    if size("-wal").is_none_or(|n| n == 0) {
        return Way::Immutable;
    }
    let shm = beside(path, "-shm");
    // opened for writing, not written: where that is refused, SQLite could not take its read lock
    let lockable = shm.is_file() && fs::OpenOptions::new().write(true).open(&shm).is_ok();
    let folder = path.parent().and_then(|p| fs::metadata(p).ok());
    let writable = folder.is_none_or(|m| !m.permissions().readonly());
    if lockable && writable { Way::ReadOnly } else { Way::Copy }
}

fn connect(path: &Path, mode: &str, write: bool) -> anyhow::Result<Connection> {
    let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Some(name) = path.to_str() else { bail!("{} is no UTF-8 path", path.display()) };
    Connection::open_with_flags(uri(name, mode), flags).with_context(|| format!("cannot open {name}"))
}

/// The path as SQLite's `file:` URI.
fn uri(path: &str, mode: &str) -> String {
    let mut out = String::from("file:");
    // `C:\x` is `file:///C:/x`
    let slashed = if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() };
    if slashed.as_bytes().get(1) == Some(&b':') {
        out.push_str("///");
    }
    for c in slashed.chars() {
        match c {
            '%' => out.push_str("%25"),
            '?' => out.push_str("%3f"),
            '#' => out.push_str("%23"),
            c => out.push(c),
        }
    }
    out.push('?');
    out.push_str(mode);
    out
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

type Stamp = Option<(u64, SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.len(), meta.modified().ok()?))
}

/// A copy of a database in a folder that only this user can look into; removed when dropped. It holds whatever the
/// database holds, credentials too.
struct PrivateCopy {
    folder: PathBuf,
    file: PathBuf,
}

impl PrivateCopy {
    fn of(path: &Path) -> anyhow::Result<Self> {
        Self::made(path, &|from, to| fs::copy(from, to))
    }

    /// The same with another way to copy a file.
    fn made(path: &Path, copied: &dyn Fn(&Path, &Path) -> std::io::Result<u64>) -> anyhow::Result<Self> {
        let folder = private_folder()?;
        let copy = Self { file: folder.join("copy.db"), folder };
        let parts = ["", "-wal", "-journal"];
        let stamps = || parts.map(|ending| stamp(&beside(path, ending)));
        for _ in 0..TRIES {
            let before = stamps();
            for (ending, there) in parts.iter().zip(&before) {
                let to = beside(&copy.file, ending);
                if there.is_some() {
                    copied(&beside(path, ending), &to).with_context(|| format!("cannot copy {}", path.display()))?;
                    make_writable(&to)?;
                } else {
                    // a leftover of the try before
                    let _ = fs::remove_file(&to);
                }
            }
            if stamps() == before {
                return Ok(copy);
            }
        }
        bail!("{} changes faster than it can be copied", path.display())
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        // nothing can be done about a failure here, and nothing depends on it
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn private_folder() -> anyhow::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = std::env::temp_dir();
    sweep(&base);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for _ in 0..100 {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = base.join(format!("causetrace-{}-{n}", std::process::id()));
        // fails where anything of that name exists, a link of somebody else too
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).with_context(|| format!("cannot create {}", folder.display())),
        }
    }
    bail!("no free folder name in {}", base.display())
}

/// No copy is worked on for longer than this.
const STALE: Duration = Duration::from_secs(3600);

/// Removes the copies that processes which were killed left: what is in them is private.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|n| n.strip_prefix("causetrace-")?.split_once('-'));
        let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        let age = || entry.metadata().ok().filter(fs::Metadata::is_dir)?.modified().ok()?.elapsed().ok();
        if numbers.is_some_and(|(a, b)| number(a) && number(b)) && age().is_some_and(|age| age > STALE) {
            // another user's stays
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `fs::copy` takes the permissions over; SQLite must be able to work on the copy.
fn make_writable(file: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    {
        let mut permissions = fs::metadata(file)?.permissions();
        permissions.set_readonly(false);
        fs::set_permissions(file, permissions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_a_killed_process_left_are_swept_up() {
        let base = tempfile::tempdir().unwrap();
        for (name, hours) in [("causetrace-1-0", 2), ("causetrace-2-0", 0), ("causetrace-x-0", 2), ("causetrace-3", 2)]
        {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("copy.db"), "").unwrap();
            let then = SystemTime::now() - Duration::from_secs(hours * 3700);
            fs::File::open(&folder).unwrap().set_modified(then).unwrap();
        }
        sweep(base.path());
        let mut left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["causetrace-2-0", "causetrace-3", "causetrace-x-0"]);
    }

    #[test]
    fn what_was_read_while_a_client_wrote_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.db");
        let client = Connection::open(&file).unwrap();
        client.execute_batch("create table t (n); insert into t values (1)").unwrap();
        let mut looks = 0;
        let count = with(&file, |db| {
            looks += 1;
            let count = || Ok(db.connection.query_row("select count(*) from t", [], |r| r.get::<_, i64>(0))?);
            if looks == 1 {
                let before = count()?;
                client.execute_batch("insert into t values (2)")?;
                return Ok(before);
            }
            count()
        });
        assert_eq!((count.unwrap(), looks), (2, 2));
    }

    #[test]
    fn a_copy_is_of_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.db");
        fs::write(&file, "old").unwrap();
        let count = AtomicU32::new(0);
        // a client that writes each time after it was copied, for so long
        let until = |last: u32| {
            PrivateCopy::made(&file, &|from, to| {
                let n = fs::copy(from, to);
                if count.fetch_add(1, Ordering::Relaxed) < last {
                    fs::write(from, "new ".repeat(count.load(Ordering::Relaxed) as usize))?;
                }
                n
            })
        };
        let copy = until(2).unwrap();
        assert_eq!(fs::read(&copy.file).unwrap(), fs::read(&file).unwrap());
        let Err(e) = until(u32::MAX) else { panic!("torn, and taken for whole") };
        assert!(e.to_string().contains("changes faster"), "{e}");
    }

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("/a b/c?d#e%f.db", "mode=ro"), "file:/a b/c%3fd%23e%25f.db?mode=ro");
        assert_eq!(uri("C:/x.db", "immutable=1"), "file:///C:/x.db?immutable=1");
    }
}
