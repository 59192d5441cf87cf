//! Stamps, which tell without reading a file whether it changed.

use serde::{Deserialize, Serialize};

/// The result of `lstat` that tells whether a file changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Change time, nanoseconds since the epoch.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
}

impl Stamp {
    /// The stamp of what `metadata` describes.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// The same of what the system itself says.
    #[must_use]
    #[allow(clippy::unnecessary_cast, reason = "widths differ between processors")]
    pub fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: stat.st_size as u64,
            mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino,
            device: stat.st_dev,
        }
    }

    /// Whether a change after `now`, in nanoseconds since the epoch, must show in the stamp: git's
    /// racy-timestamp rule. File systems tick: most every few milliseconds, some (those whose times are whole
    /// milliseconds or coarser) every one or two seconds.
    #[must_use]
    pub const fn is_settled(&self, now: i64) -> bool {
        let latest = if self.mtime_ns > self.ctime_ns { self.mtime_ns } else { self.ctime_ns };
        let tick = if self.ctime_ns % 1_000_000 == 0 { 2_000_000_000 } else { 20_000_000 };
        latest < now - tick
    }
}

const fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_touched_just_now_is_not_trusted() {
        let stamp = |ns| Stamp { size: 0, mtime_ns: 5, ctime_ns: ns, inode: 1, device: 1 };
        let now = 10_000_000_123;
        assert!(stamp(now - 30_000_000).is_settled(now));
        assert!(!stamp(now - 10_000_000).is_settled(now));
        assert!(!stamp(now + 1).is_settled(now));
        assert!(!stamp(9_000_000_000).is_settled(now), "whole seconds: a coarse clock");
    }
}
