//! Files that may be anybody's: read with a limit that holds before memory is taken, and repeated in messages by a few
//! characters only.
//!
//! A suite may come from a stranger and names files that only its reader may read; what he then shows of an error to the
//! stranger should not give them away.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::Path,
};

/// Characters of a file that a message repeats at most.
const SHOWN: usize = 24;

/// Quoted pieces of a parser's message that are shown, of however many.
const PIECES: usize = 12;

/// What the file system says of a plain file; to open anything else (a device, a pipe that nobody fills) may never end.
///
/// # Errors
/// When it is no plain file, or not there.
pub fn plain_file(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let what = if metadata.is_dir() { "it is a folder" } else { "it is no plain file" };
    Err(io::Error::other(what))
}

/// The bytes of a plain file.
///
/// # Errors
/// When it is something else, has more than `limit` bytes, or can't be read.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = |bytes: u64| {
        io::Error::other(format!("its {bytes} bytes are more than the {limit} that are read"))
    };
    let length = plain_file(path)?.len();
    if length > limit {
        return Err(too_large(length));
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile, and files of some file systems say that they are empty.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        length if length > limit => Err(too_large(length)),
        _ => Ok(bytes),
    }
}

/// The text of a plain file.
///
/// # Errors
/// As [`read`], and when it is no UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| io::Error::other("it is no UTF-8"))
}

/// The beginning of a text, with what commands a terminal made visible.
pub fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() { shown + "…" } else { shown }
}

/// A parser's message on one line, of whatever it quotes only the beginning.
pub fn abridged(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message.trim();
    for _ in 0..PIECES {
        let Some(start) = rest.find(['`', '"']) else { break };
        let quote = char::from(rest.as_bytes()[start]);
        let (before, quoted) = (&rest[..start], &rest[start + 1..]);
        let Some(end) = quoted.find(quote) else { break };
        out.push_str(&on_one_line(before));
        out.push(quote);
        out.push_str(&excerpt(&quoted[..end]));
        out.push(quote);
        rest = &quoted[end + 1..];
    }
    let shown: String = rest.chars().take(4 * SHOWN).collect();
    out.push_str(&on_one_line(&shown));
    out
}

fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(read_text(&path, 4).unwrap(), "four");
        let refused = |path: &Path, limit| read(path, limit).unwrap_err().to_string();
        assert_eq!(refused(&path, 3), "its 4 bytes are more than the 3 that are read");
        assert_eq!(refused(folder.path(), 3), "it is a folder");
        assert!(refused(&folder.path().join("absent"), 3).contains("No such file"));
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "it is no UTF-8");
        #[cfg(unix)]
        {
            // Endless, and of no length by its metadata.
            assert_eq!(refused(Path::new("/dev/zero"), 3), "it is no plain file");
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
            assert_eq!(refused(&link, 3), "it is no plain file");
        }
    }

    #[test]
    fn messages_repeat_the_beginning_of_what_they_quote() {
        let secret = "password-of-mine-that-nobody-else-should-see";
        assert_eq!(excerpt(secret), "password-of-mine-that-no…");
        assert_eq!(excerpt("a\u{1b}b"), "a\\u{1b}b");
        let said = format!("invalid type: string \"{secret}\", expected a number\nin `{secret}`");
        assert_eq!(
            abridged(&said),
            "invalid type: string \"password-of-mine-that-no…\", expected a number in `password-of-mine-that-no…`"
        );
        assert_eq!(
            abridged("unknown field `rate`, expected `rates`"),
            "unknown field `rate`, expected `rates`"
        );
        assert!(abridged(&secret.repeat(100)).len() <= 100);
        assert!(abridged(&format!("`{}", secret.repeat(100))).len() <= 100);
    }
}
