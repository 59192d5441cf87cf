//! The programs of a Python environment: scripts whose first line names the Python of the machine that they were installed
//! on.

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::read_item;
use crate::layer::scan::{FoundKind, TreeItem};

/// Scripts of installers have some lines; larger files are programs.
const MAX_SCRIPT: u64 = 256 << 10;

/// The longest first line that every kernel runs.
pub(super) const MAX_INTERPRETER: usize = 125;

/// The second line of a script for interpreters with a long name or blanks: text to Python, a command to a shell.
const EXEC: &[u8] = b"'''exec' ";

/// The script with `interpreter` in its first line; `None` where it is no script of Python.
pub(super) fn with_interpreter(item: &TreeItem, interpreter: &str) -> Result<Option<Vec<u8>>, ArtifactError> {
    if !matches!(item.kind, FoundKind::File { .. }) || item.stamp.size > MAX_SCRIPT {
        return Ok(None);
    }
    Ok(rewritten(&read_item(item, MAX_SCRIPT)?, interpreter))
}

fn rewritten(script: &[u8], interpreter: &str) -> Option<Vec<u8>> {
    let rest = script.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (first, mut body) = (&rest[..end], &rest[end + 1..]);
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    if first.trim_ascii() == b"/bin/sh" {
        body = body.strip_prefix(EXEC)?;
        // The text ends in the next line.
        let close = memchr::memmem::find(body, b"'''\n")?;
        body = &body[close + 4..];
    } else {
        let program = first.trim_ascii().split(|byte| *byte == b' ').next()?;
        let name = program.rsplit(|byte| *byte == b'/').next()?;
        // `env` looks for a Python in the image.
        if !program.starts_with(b"/") || !name.starts_with(b"python") {
            return None;
        }
    }
    Some([b"#!", interpreter.as_bytes(), b"\n", body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_of_all_installers() {
        let of = |script: &str| {
            rewritten(script.as_bytes(), "/app/.venv/bin/python")
                .map(|bytes| String::from_utf8(bytes).expect("text"))
        };
        let expected = Some("#!/app/.venv/bin/python\nimport x\n".to_owned());
        for script in [
            "#!/home/me/shop/.venv/bin/python3.11\nimport x\n",
            "#!/home/me/shop/.venv/bin/python\r\nimport x\n",
            "#!/usr/bin/python3 -I\nimport x\n",
            "#!/bin/sh\n'''exec' \"/home/my user/.venv/bin/python\" \"$0\" \"$@\"\n' '''\nimport x\n",
            "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\nimport x\n",
        ] {
            assert_eq!(of(script), expected, "{script}");
        }
        for script in [
            "#!/bin/sh\necho\n",
            "#!/usr/bin/env python3\n",
            "import x\n",
            "#!/usr/bin/perl\n",
            "#!python\n",
            "\x7fELF",
        ] {
            assert_eq!(of(script), None, "{script}");
        }
    }
}
