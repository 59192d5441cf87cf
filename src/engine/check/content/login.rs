//! Logins in the files of tools, which have a form of their own.

use super::role::FileRole;
use super::sighting::{Sighting, What};
use crate::types::secret::text::{LineCounter, is_placeholder, lines, unquoted};
use crate::types::secret::{SecretKind, is_secret_variable};

/// The secrets that the form of a tool's file shows.
pub(super) fn find(role: FileRole, text: &[u8], into: &mut Vec<Sighting>) {
    match role {
        FileRole::Environment => environment(text, into),
        FileRole::Npm => npm(text, into),
        FileRole::Pypi => pypi(text, into),
        FileRole::Maven => maven(text, into),
        FileRole::Docker => {
            json_values(text, &[b"auth", b"identitytoken", b"registrytoken"], SecretKind::DockerLogin, into);
        }
        FileRole::Kubernetes => kubernetes(text, into),
        FileRole::Git | FileRole::GitCredentials => git(text, into),
        FileRole::Netrc => netrc(text, into),
        FileRole::SshKey => whole(SecretKind::PrivateKeyName, text, into),
        FileRole::Terraform => whole(SecretKind::TerraformState, text, into),
        FileRole::KeyStore => key_store(text, into),
        FileRole::Text | FileRole::Settings | FileRole::Paths | FileRole::Jar | FileRole::Skipped => {}
    }
}

fn push(kind: SecretKind, line: u32, value: &[u8], into: &mut Vec<Sighting>) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    into.push(Sighting { line, what: What::Secret { kind, length } });
}

/// The file as a whole.
fn whole(kind: SecretKind, text: &[u8], into: &mut Vec<Sighting>) {
    push(kind, 0, text, into);
}

/// Whether a value is a secret: it is there, and is no placeholder.
fn is_secret(value: &[u8]) -> bool {
    value.len() >= 4 && !is_placeholder(value)
}

fn environment(text: &[u8], into: &mut Vec<Sighting>) {
    let before = into.len();
    for (number, line) in lines(text) {
        let line = line.strip_prefix(b"export ").unwrap_or(line);
        let Some(equals) = memchr::memchr(b'=', line).filter(|_| !line.starts_with(b"#")) else { continue };
        let value = unquoted(&line[equals + 1..]);
        if is_secret_variable(line[..equals].trim_ascii(), value) {
            push(SecretKind::EnvironmentValue, number, value, into);
        }
    }
    if into.len() == before && lines(text).any(|(_, line)| !line.is_empty() && !line.starts_with(b"#")) {
        whole(SecretKind::EnvironmentFile, text, into);
    }
}

fn npm(text: &[u8], into: &mut Vec<Sighting>) {
    for (number, line) in lines(text) {
        let Some(equals) = memchr::memchr(b'=', line).filter(|_| !b";#".contains(&line[0])) else { continue };
        let name = line[..equals].trim_ascii_end();
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
        let value = unquoted(&line[equals + 1..]);
        if matches!(name, b"_authToken" | b"_password" | b"_auth") && is_secret(value) {
            push(SecretKind::NpmLogin, number, value, into);
        }
    }
}

fn pypi(text: &[u8], into: &mut Vec<Sighting>) {
    for (number, line) in lines(text) {
        let Some(rest) = line.strip_prefix(b"password") else { continue };
        let rest = rest.trim_ascii_start();
        let Some(value) = rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":")) else { continue };
        let value = unquoted(value);
        if is_secret(value) {
            push(SecretKind::PypiLogin, number, value, into);
        }
    }
}

/// A longer element is no password.
const MAX_PASSWORD: usize = 4 << 10;

/// Passwords of Maven's settings: `{…}` is one that is encrypted with a master password elsewhere.
fn maven(text: &[u8], into: &mut Vec<Sighting>) {
    if memchr::memmem::find(text, b"<settings").is_none() {
        return;
    }
    for element in ["password", "passphrase"] {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let mut lines = LineCounter::new(text);
        for start in memchr::memmem::find_iter(text, open.as_bytes()) {
            let start = start + open.len();
            let rest = &text[start..text.len().min(start + MAX_PASSWORD)];
            // An element in it is none of ours, and each place is searched for one alone.
            let Some(length) = memchr::memchr(b'<', rest) else { continue };
            #[cfg(test)]
            crate::types::secret::text::steps::add(length);
            if !rest[length..].starts_with(close.as_bytes()) {
                continue;
            }
            let value = text[start..start + length].trim_ascii();
            if is_secret(value) {
                push(SecretKind::MavenPassword, lines.at(start), value, into);
            }
        }
    }
}

/// String values of these keys in JSON. The text need not be JSON as a whole.
fn json_values(text: &[u8], keys: &[&[u8]], kind: SecretKind, into: &mut Vec<Sighting>) {
    for key in keys {
        let key = [b"\"", *key, b"\""].concat();
        let mut lines = LineCounter::new(text);
        for start in memchr::memmem::find_iter(text, &key) {
            let rest = text[start + key.len()..].trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b":") else { continue };
            let Some(rest) = rest.trim_ascii_start().strip_prefix(b"\"") else { continue };
            let value = &rest[..memchr::memchr(b'"', rest).unwrap_or(rest.len())];
            if is_secret(value) {
                push(kind, lines.at(start), value, into);
            }
        }
    }
}

fn kubernetes(text: &[u8], into: &mut Vec<Sighting>) {
    for (number, line) in lines(text) {
        for key in [&b"client-key-data:"[..], b"token:", b"password:", b"id-token:", b"refresh-token:"] {
            let Some(value) = line.strip_prefix(key) else { continue };
            let value = unquoted(value);
            if is_secret(value) {
                push(SecretKind::KubernetesLogin, number, value, into);
            }
        }
    }
    json_values(text, &[b"client-key-data", b"token"], SecretKind::KubernetesLogin, into);
}

/// Addresses with a user and a password before the host.
fn git(text: &[u8], into: &mut Vec<Sighting>) {
    for (number, line) in lines(text) {
        let Some(at) = memchr::memmem::find(line, b"://") else { continue };
        let rest = &line[at + 3..];
        let authority = &rest[..rest.iter().position(|byte| b"/ \t\"".contains(byte)).unwrap_or(rest.len())];
        let Some(user) = memchr::memrchr(b'@', authority).map(|at| &authority[..at]) else { continue };
        let Some(colon) = memchr::memchr(b':', user) else { continue };
        let password = &user[colon + 1..];
        if is_secret(password) {
            push(SecretKind::GitLogin, number, password, into);
        }
    }
}

fn netrc(text: &[u8], into: &mut Vec<Sighting>) {
    for (number, line) in lines(text) {
        if line.starts_with(b"#") {
            continue;
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let value = words.find(|word| *word == b"password").and_then(|_| words.next());
        if let Some(value) = value.filter(|value| is_secret(value)) {
            push(SecretKind::NetrcLogin, number, value, into);
        }
    }
}

/// A store with a private key. A store of certificates alone, as Java trusts them, has none.
fn key_store(bytes: &[u8], into: &mut Vec<Sighting>) {
    // JKS: magic, version, number of entries, then the kind of the first entry; 1 is a private key.
    let is_jks = bytes.starts_with(b"\xfe\xed\xfe\xed") && bytes.get(12..16) == Some(&[0, 0, 0, 1]);
    // PKCS#12: a sequence that begins with the version 3.
    let is_pkcs12 = matches!(
        bytes,
        [0x30, 0x80, 2, 1, 3, ..]
            | [0x30, 0x81, _, 2, 1, 3, ..]
            | [0x30, 0x82, _, _, 2, 1, 3, ..]
            | [0x30, 0x83, _, _, _, 2, 1, 3, ..]
    );
    if is_jks || is_pkcs12 {
        whole(SecretKind::KeyStore, bytes, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(role: FileRole, text: &str) -> Vec<(SecretKind, u32)> {
        let mut sightings = Vec::new();
        find(role, text.as_bytes(), &mut sightings);
        let kind = |sighting: Sighting| match sighting.what {
            What::Secret { kind, .. } => (kind, sighting.line),
            _ => unreachable!(),
        };
        sightings.into_iter().map(kind).collect()
    }

    #[test]
    fn logins_of_tools_are_found_and_placeholders_are_not() {
        let cases = [
            (FileRole::Environment, "# x\nDB_PASSWORD='hunter2!'\n", SecretKind::EnvironmentValue, 2),
            (FileRole::Environment, "PORT=80\n", SecretKind::EnvironmentFile, 0),
            (FileRole::Npm, "registry=x\n//r.example/:_authToken=k3jsd8fj2lk\n", SecretKind::NpmLogin, 2),
            (FileRole::Pypi, "[pypi]\nusername = a\npassword = k3jsd8fj\n", SecretKind::PypiLogin, 3),
            (
                FileRole::Maven,
                "<settings>\n<server><password>k3jsd8fj</password></server>",
                SecretKind::MavenPassword,
                2,
            ),
            (
                FileRole::Docker,
                "{\"auths\": {\"r\": {\n\"auth\": \"dXNlcjpwYXNz\"}}}",
                SecretKind::DockerLogin,
                2,
            ),
            (
                FileRole::Kubernetes,
                "users:\n- user:\n    token: eyJhbGci0iJSUz\n",
                SecretKind::KubernetesLogin,
                3,
            ),
            (
                FileRole::Git,
                "[remote]\n\turl = https://me:k3jsd8fj@git.test/a.git\n",
                SecretKind::GitLogin,
                2,
            ),
            (FileRole::Netrc, "machine a login b password k3jsd8fj", SecretKind::NetrcLogin, 1),
            (FileRole::Terraform, "{}", SecretKind::TerraformState, 0),
        ];
        for (role, text, kind, line) in cases {
            assert_eq!(found(role, text), [(kind, line)], "{text}");
        }
        for (role, text) in [
            (FileRole::Environment, "# DB_PASSWORD=hunter2!\n\n"),
            (FileRole::Npm, "//r.example/:_authToken=${NPM_TOKEN}\n#//r/:_authToken=k3jsd8fj2lk\n"),
            (FileRole::Pypi, "[pypi]\npassword = \n"),
            (
                FileRole::Maven,
                "<settings><password>${env.P}</password><password>{COQLCE6DU6GtcS5P=}</password>",
            ),
            (FileRole::Maven, "<web-app><password>k3jsd8fj</password>"),
            (FileRole::Docker, "{\"auths\": {\"r\": {}}, \"credsStore\": \"desktop\"}"),
            (FileRole::Kubernetes, "token: ${TOKEN}\nclient-certificate-data: QUJDREVG\n"),
            (FileRole::Git, "[remote]\n\turl = https://me@git.test/a.git\n\turl = git@git.test:a.git\n"),
            (FileRole::Netrc, "machine a login b"),
            (FileRole::KeyStore, "text"),
        ] {
            assert_eq!(found(role, text), [], "{text}");
        }
    }

    #[test]
    fn key_stores_of_certificates_alone_have_no_key() {
        let jks = |kind: u8| [&b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0"[..], &[kind]].concat();
        for (bytes, count) in [(jks(1), 1), (jks(2), 0), (vec![0x30, 0x82, 9, 9, 2, 1, 3], 1)] {
            let mut sightings = Vec::new();
            find(FileRole::KeyStore, &bytes, &mut sightings);
            assert_eq!(sightings.len(), count);
        }
    }
}
