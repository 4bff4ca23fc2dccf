//! What tells, without reading it, that a file is still the one that was read.

use std::{fs::Metadata, time::UNIX_EPOCH};

/// A file that was changed less than that before it was read, in nanoseconds, proves nothing by its stamp: a second change
/// within the granularity of its file system's clock would go unseen.
pub(crate) const RACY: i64 = 2_000_000_000;

/// Size, time of change and number of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Number of the file in its file system; 0 where there are none.
    pub(crate) inode: u64,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        let modified = metadata.modified().map_or(i64::MAX, |time| {
            let (duration, sign) = match time.duration_since(UNIX_EPOCH) {
                Ok(after) => (after, 1),
                Err(before) => (before.duration(), -1),
            };
            i64::try_from(duration.as_nanos()).map_or(i64::MAX, |nanoseconds| sign * nanoseconds)
        });
        Self { bytes: metadata.len(), modified, inode }
    }

    /// All of it, little-endian.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.modified.to_le_bytes());
        bytes[16..].copy_from_slice(&self.inode.to_le_bytes());
        bytes
    }
}
