//! Opening what stands in an agent's folder: plain files only, so that a pipe or a device under a session's name blocks nobody.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Take};
use std::path::Path;

/// Opens a file up to the length that it has now: one that is written to faster than it is read still comes to an end, and
/// what is added is read the next time.
///
/// # Errors
/// It cannot be opened, or is no plain file (nor a link to one).
pub fn open(path: &Path) -> io::Result<Take<File>> {
    // looked at before it is opened: opening a pipe waits for its writer
    let plain = |meta: fs::Metadata| {
        if meta.is_file() { Ok(meta.len()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file")) }
    };
    plain(fs::metadata(path)?)?;
    let file = File::open(path)?;
    let length = plain(file.metadata()?)?;
    Ok(file.take(length))
}

/// The same from a place in it on, in bytes; nothing where it is shorter.
///
/// # Errors
/// Those of [`open`].
pub fn open_from(path: &Path, from: u64) -> io::Result<Take<File>> {
    let file = open(path)?;
    let rest = file.limit().saturating_sub(from);
    let mut file = file.into_inner();
    file.seek(SeekFrom::Start(from))?;
    Ok(file.take(rest))
}

/// The last `most` bytes of a file.
///
/// # Errors
/// Those of [`read`].
pub fn end(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let from = open(path)?.limit().saturating_sub(most);
    let mut bytes = Vec::new();
    open_from(path, from)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole content of a file that is UTF-8.
///
/// # Errors
/// Those of [`read`], or it is no UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The whole content of a file.
///
/// # Errors
/// It cannot be opened or read, or is no plain file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
