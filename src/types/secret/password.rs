//! Passwords before a host: `https://user:password@host`, `user:password@host/repository`.

use std::ops::Range;

use super::text::{is_placeholder, run};

/// A longer login is none.
const MOST_BEFORE: usize = 1200;

/// Words before `:` and a name with `@` that are no user.
const OTHER_STARTS: [&[u8]; 4] = [b"npm", b"jsr", b"mailto", b"workspace"];

/// The passwords in a text, in their order.
pub(super) fn passwords(text: &[u8]) -> Vec<Range<usize>> {
    let mut passwords = Vec::new();
    let mut end = 0;
    for at in memchr::memchr_iter(b'@', text) {
        if at < end {
            continue;
        }
        let before = &text[end.max(at.saturating_sub(MOST_BEFORE))..at];
        let start = at - before.iter().rev().take_while(|byte| is_authority_byte(**byte)).count();
        let rest = run(text, at, is_authority_byte);
        end = at + rest.len();
        // A password may have an `@` itself.
        let authority = &text[start..end];
        let Some(login) = memchr::memrchr(b'@', authority).map(|last| &authority[..last]) else { continue };
        passwords.extend(password(text, start, login, &authority[login.len() + 1..]));
    }
    passwords
}

fn password(text: &[u8], start: usize, login: &[u8], host: &[u8]) -> Option<Range<usize>> {
    let colon = memchr::memchr(b':', login)?;
    let (user, password) = (&login[..colon], &login[colon + 1..]);
    let is_url = text[..start].ends_with(b"://");
    let is_host = host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[');
    // The digest of an image is no host.
    let is_digest = host.starts_with(b"sha256:") || host.starts_with(b"sha512:");
    let is_login = is_url || (is_host && !user.is_empty() && !OTHER_STARTS.contains(&user));
    // `NAME[:TAG][@DIGEST]` is a pattern.
    let is_pattern = password.ends_with(b"[");
    let is_secret =
        !password.is_empty() && !is_pattern && is_login && !is_digest && !is_placeholder(password);
    is_secret.then(|| start + colon + 1..start + login.len())
}

fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"/?#\"'<>`(),;{}".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stand_before_a_host() {
        for text in [
            "https://joe:PW@host/x",
            "https://:PW@host/x",
            "https://joe:PW@",
            "joe:PW@host/x",
            "`joe:PW@localhost:1/x` is no name",
            "mirrors=[\"joe:PW@h/x\"]",
            "joe:PW@[::1]:5000/x",
            "joe:PW@x@host",
        ] {
            let text = text.replace("PW", "hunter2!Zq9");
            let found: Vec<&str> = passwords(text.as_bytes()).into_iter().map(|range| &text[range]).collect();
            assert!(matches!(found[..], ["hunter2!Zq9" | "hunter2!Zq9@x"]), "{text}: {found:?}");
        }
        for text in [
            "app@sha256:0123",
            "localhost:5000/app:latest@sha256:0123",
            "debian:bookworm@sha256:0123",
            "git@github.com:x/y.git",
            "npm:string-width@4.2.0",
            "https://host:8080/@scope/a",
            "alpine:latest@…",
            "NAME[:TAG][@DIGEST]",
            "a 12:30 @ noon",
        ] {
            assert!(passwords(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
