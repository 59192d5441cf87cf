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

/// A path from a directory of the project; none where it leads out.
pub(super) fn below(directory: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_the_project() {
        assert_eq!(plain_path("a/./../../b/"), "b");
        assert_eq!(below("a", "../b/./c").as_deref(), Some("b/c"));
        for out in ["../../b", "/b", "b/../../.."] {
            assert_eq!(below("a", out), None, "{out}");
        }
    }
}
