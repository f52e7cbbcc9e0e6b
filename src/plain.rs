//! Opening what stands on the disk: plain files only, so that a pipe or a device under a file's name blocks nobody.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Take};
use std::path::Path;

/// Opens a file up to the length that it has now: one that is written to faster than it is read still comes to an end, and
/// what is added is read the next time.
///
/// # Errors
/// It cannot be opened, or is no plain file (nor a link to one).
pub fn open(path: &Path) -> io::Result<Take<File>> {
    // looked at before it is opened: to open a pipe lets its writer go on, who then writes to nobody
    length(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // a pipe that came into its place meanwhile is not waited for
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    taken(options.open(path)?)
}

/// An open file up to its length; looked at once more, for another may have taken its place before it was opened.
fn taken(file: File) -> io::Result<Take<File>> {
    let length = length(&file.metadata()?)?;
    Ok(file.take(length))
}

/// The length of a plain file.
fn length(meta: &fs::Metadata) -> io::Result<u64> {
    if meta.is_file() { Ok(meta.len()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain file")) }
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

/// Largest file, in bytes, that people or agents keep settings in.
pub const SETTINGS: u64 = 16 << 20;

/// The whole content of a file that nobody needs longer than `most` bytes: what is larger by mistake must not fill the memory.
///
/// # Errors
/// Those of [`read`], or it is longer.
pub fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    if file.limit() > most {
        let message = format!("larger than {} MB", most >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of a file that is UTF-8.
///
/// # Errors
/// Those of [`read_up_to`], or it is no UTF-8.
pub fn text_up_to(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_up_to(path, most)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Bytes that are held at a time where a file is only looked through.
const PART: usize = 1 << 20;

/// Whether `test` holds for a part of a file; nothing up to `longest` bytes long is torn by the parts. A file that cannot be read
/// holds nothing.
pub fn any_part(path: &Path, longest: usize, mut test: impl FnMut(&[u8]) -> bool) -> bool {
    let Ok(mut file) = open(path) else { return false };
    let (mut part, mut kept) = (vec![0; PART + longest], 0);
    while let Ok(n) = file.read(&mut part[kept..]) {
        let filled = kept + n;
        if test(&part[..filled]) {
            return true;
        }
        if n == 0 {
            break;
        }
        kept = filled.min(longest);
        part.copy_within(filled - kept..filled, 0);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_after_opening_is_left_and_ends_are_short() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        fs::write(&file, "one two").unwrap();
        let opened = [open(&file), open_from(&file, 4), open_from(&file, 40)];
        File::options().append(true).open(&file).unwrap().write_all(b" three").unwrap();
        let texts = opened.map(|o| io::read_to_string(o.unwrap()).unwrap());
        assert_eq!(texts, ["one two", "two", ""]);
        assert_eq!(end(&file, 5).unwrap(), b"three");
        assert_eq!(end(&file, 500).unwrap(), b"one two three");
        assert_eq!(read_up_to(&file, 13).unwrap(), b"one two three");
        assert_eq!(read_up_to(&file, 12).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_neither_waited_for_nor_disturbed_even_where_it_takes_the_place_of_a_file() {
        use std::process::Command;
        use std::time::{Duration, Instant};
        let dir = tempfile::tempdir().unwrap();
        let [path, file, pipe, next] = ["x", "file", "pipe", "next"].map(|name| dir.path().join(name));
        fs::write(&file, "text").unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut writer = Command::new("sh").args(["-c", "echo x > \"$0\""]).arg(&pipe).spawn().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            assert_eq!(open(&pipe).unwrap_err().to_string(), "no plain file");
            assert!(writer.try_wait().unwrap().is_none(), "the writer of the pipe was let go on");
        }
        writer.kill().unwrap();
        writer.wait().unwrap();

        // the one and the other by turns
        fs::hard_link(&file, &path).unwrap();
        let place = path.clone();
        let reader = std::thread::spawn(move || (0..20_000).filter_map(|_| open(&place).ok()).count());
        let begun = Instant::now();
        for from in [&pipe, &file].into_iter().cycle() {
            if reader.is_finished() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "a pipe is waited for");
            fs::hard_link(from, &next).unwrap();
            fs::rename(&next, &path).unwrap();
        }
        assert!(reader.join().unwrap() > 100);
        // what came into its place is no file, however it was opened
        for other in [File::open(dir.path()), File::options().read(true).write(true).open(&pipe)] {
            assert_eq!(taken(other.unwrap()).unwrap_err().to_string(), "no plain file");
        }
    }

    #[test]
    fn a_word_across_two_parts_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        let holds =
            |word: &str| any_part(&file, word.len(), |part| memchr::memmem::find(part, word.as_bytes()).is_some());
        for at in (PART - 8)..=(PART + 8) {
            let mut text = vec![b'.'; 2 * PART + 100];
            text[at..at + 4].copy_from_slice(b"word");
            fs::write(&file, &text).unwrap();
            assert!(holds("word") && !holds("wordy"), "{at}");
        }
        fs::write(&file, "").unwrap();
        assert!(!holds("word") && holds(""), "every file that can be read holds nothing");
        assert!(!any_part(dir.path(), 1, |_| true));
    }
}
