//! The first line of a script, as the kernel reads it.

use crate::layer::EntryPath;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// The first line of a script behind `#!`; `None` for another file, and for a line that is longer than what the kernel reads
/// of it.
pub(super) fn first_line(head: &[u8]) -> Option<&str> {
    let line = head.strip_prefix(b"#!")?;
    std::str::from_utf8(&line[..memchr::memchr(b'\n', line)?]).ok()
}

/// The finding about the line ends of Windows in a script with this head.
pub(super) fn line_ends(path: &EntryPath, head: &[u8]) -> Option<Finding> {
    let line = first_line(head)?.strip_suffix('\r')?.trim_matches([' ', '\t']);
    let shown_part = |part: &str| shown(format!("{part}\r").as_bytes());
    let read = match line.split_once([' ', '\t']) {
        None => format!("the interpreter of `{path}` would be `{}`", shown_part(line)),
        Some((interpreter, argument)) => format!(
            "`{}`, the interpreter of `{path}`, would be given `{}`",
            shown(interpreter.as_bytes()),
            shown_part(argument.trim_start())
        ),
    };
    let message = format!("`{path}` has line ends of Windows: {read}, with the carriage return");
    let hint = "save it with line ends of Unix: `sed -i 's/\\r$//' FILE`, or `eol=lf` in `.gitattributes`";
    Some(Finding::not_met(Rule::EntrypointNoShell, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriage_return_belongs_to_the_last_word() {
        let path = EntryPath::new(b"/app/run").expect("a path");
        let said = |head: &[u8]| line_ends(&path, head).map(|finding| finding.message);
        for (head, says) in [
            (&b"#!/bin/sh\r\n"[..], "the interpreter of `/app/run` would be `/bin/sh\\r`"),
            (
                b"#! /usr/bin/python3 -u\r\n",
                "`/usr/bin/python3`, the interpreter of `/app/run`, would be given `-u\\r`",
            ),
        ] {
            let message = said(head).expect("a finding");
            assert!(message.contains(says), "{message}");
        }
        for sound in [&b"#!/bin/sh\n\r\n"[..], b"#!/bin/sh", b"echo\r\n", b""] {
            assert_eq!(said(sound), None);
        }
    }
}
