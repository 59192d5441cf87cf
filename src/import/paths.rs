//! Paths of a project, as descriptions write them.

/// A path without `.` in it; empty for the project itself. It does not lead out of the project, as builders do not let it.
pub(super) fn plain_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
