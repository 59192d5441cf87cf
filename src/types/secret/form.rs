//! Tokens and keys of services, by their forms. The forms are facts that gitleaks collects; checksums and alphabets are
//! checked where a form has them, so that text that merely looks like a token is none.

use std::ops::Range;

use super::kind::SecretKind;
use super::pem;
use super::text::{begins_word, distinct, is_placeholder, run};

/// The secret at a place in a text: where it begins, its length and its kind.
type TokenCheck = fn(&[u8], usize) -> Option<(usize, usize, SecretKind)>;

/// Where a token begins, and how it is checked.
struct TokenForm {
    start: &'static [u8],
    check: TokenCheck,
}

const FORMS: &[TokenForm] = &[
    TokenForm { start: b"PRIVATE KEY", check: pem::private_key },
    TokenForm { start: PUTTY, check: putty },
    TokenForm { start: b"AKIA", check: aws },
    TokenForm { start: b"ASIA", check: aws },
    TokenForm { start: b"aws_secret_access_key", check: aws_secret },
    TokenForm { start: b"AWS_SECRET_ACCESS_KEY", check: aws_secret },
    TokenForm { start: b"AccountKey=", check: azure },
    TokenForm { start: b"ghp_", check: github },
    TokenForm { start: b"gho_", check: github },
    TokenForm { start: b"ghu_", check: github },
    TokenForm { start: b"ghs_", check: github },
    TokenForm { start: b"ghr_", check: github },
    TokenForm { start: b"github_pat_", check: github_fine_grained },
    TokenForm { start: b"glpat-", check: gitlab },
    TokenForm { start: b"xoxb-", check: slack },
    TokenForm { start: b"xoxp-", check: slack },
    TokenForm { start: b"sk_live_", check: stripe },
    TokenForm { start: b"rk_live_", check: stripe },
    TokenForm { start: b"npm_", check: npm },
    TokenForm { start: b"pypi-AgE", check: pypi },
];

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSecret {
    /// Its bytes.
    pub(crate) bytes: Range<usize>,
    /// The length of its beginning that all secrets of the form have.
    pub(crate) start: usize,
    pub(crate) kind: SecretKind,
}

/// Looks for secrets, all forms at once.
pub(crate) struct SecretFinder(aho_corasick::AhoCorasick);

impl SecretFinder {
    /// `None` where the searcher cannot be made, which its patterns do not let happen.
    pub(crate) fn new() -> Option<Self> {
        // Only for a leftmost match may the searcher look for all beginnings with wide registers.
        let mut builder = aho_corasick::AhoCorasick::builder();
        builder
            .match_kind(aho_corasick::MatchKind::LeftmostFirst)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA));
        builder.build(FORMS.iter().map(|form| form.start)).ok().map(Self)
    }

    /// All secrets in `text`, in their order.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<FoundSecret> {
        let mut secrets: Vec<FoundSecret> = Vec::new();
        let (mut end, mut is_google) = (0, None);
        for found in self.0.find_iter(text) {
            let form = &FORMS[found.pattern().as_usize()];
            // In a key that is found already.
            if found.start() < end {
                continue;
            }
            let Some((start, length, mut kind)) = (form.check)(text, found.start()) else { continue };
            if start < end {
                continue;
            }
            end = start + length;
            let is_account = || memchr::memmem::find(text, b"\"service_account\"").is_some();
            if matches!(kind, SecretKind::PrivateKey | SecretKind::EncryptedPrivateKey)
                && *is_google.get_or_insert_with(is_account)
            {
                kind = SecretKind::GoogleAccount;
            }
            let known = [form.start, pem::BEGIN].into_iter().find(|known| text[start..].starts_with(known));
            secrets.push(FoundSecret { bytes: start..end, start: known.map_or(0, <[u8]>::len), kind });
        }
        secrets
    }
}

/// A key file of PuTTY is shorter.
const MAX_PUTTY: usize = 64 << 10;
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

fn putty(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let file = &text[at..text.len().min(at + MAX_PUTTY)];
    // The next file ends this one, so that no byte is searched for two.
    let rest = &file[PUTTY.len().min(file.len())..];
    let file = &file[..memchr::memmem::find(rest, PUTTY).map_or(file.len(), |next| PUTTY.len() + next)];
    #[cfg(test)]
    super::text::steps::add(file.len());
    let has = |word: &[u8]| memchr::memmem::find(file, word);
    let end = has(b"\nPrivate-MAC: ")?;
    has(b"\nPrivate-Lines: ").filter(|private| *private < end)?;
    let is_plain = has(b"\nEncryption: none").is_some_and(|plain| plain < end);
    Some((at, end, if is_plain { SecretKind::PuttyKey } else { SecretKind::EncryptedPrivateKey }))
}

/// A word of `alphabet` behind `start` at `at`, of a length between these, that is no placeholder.
fn word(
    text: &[u8],
    at: usize,
    start: usize,
    lengths: std::ops::RangeInclusive<usize>,
    alphabet: fn(u8) -> bool,
) -> Option<&[u8]> {
    if !begins_word(text, at) {
        return None;
    }
    // One more byte shows that it is too long.
    let value = run(&text[..text.len().min(at + start + lengths.end() + 1)], at + start, alphabet);
    let is_token = lengths.contains(&value.len()) && distinct(value) >= 8 && !is_placeholder(value);
    is_token.then_some(value)
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn is_name_byte(byte: u8) -> bool {
    is_word_byte(byte) || byte == b'-'
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn aws(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let value = word(text, at, 4, 16..=16, is_word_byte)?;
    let is_base32 = value.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    let is_temporary = text[at..].starts_with(b"ASIA");
    // Letters alone are words.
    let is_random = !is_temporary || value.iter().any(u8::is_ascii_digit);
    let kind = if is_temporary { SecretKind::AwsTemporaryKeyId } else { SecretKind::AwsKeyId };
    (is_base32 && is_random).then_some((at, 20, kind))
}

fn aws_secret(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let name = "aws_secret_access_key".len();
    let between = run(&text[..text.len().min(at + name + 8)], at + name, |byte| b" \t\"':=>".contains(&byte));
    let start = at + name + between.len();
    let value = run(&text[..text.len().min(start + 41)], start, is_base64);
    let is_key = (1..8).contains(&between.len())
        && value.len() == 40
        && distinct(value) >= 16
        && !is_placeholder(value);
    is_key.then_some((start, 40, SecretKind::AwsSecretKey))
}

/// The beginnings of keys that all emulators of Azure have, as their documentation says.
const EMULATORS: [&[u8]; 2] = [b"Eby8vdM02xNOcqFl", b"C2y6yDjf5/R+ob0N"];

fn azure(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let start = at + "AccountKey=".len();
    let value = run(&text[..text.len().min(start + 87)], start, is_base64);
    let is_key = value.len() == 86
        && text[start + 86..].starts_with(b"==")
        && distinct(value) >= 20
        && !EMULATORS.iter().any(|emulator| value.starts_with(emulator))
        && !is_placeholder(value);
    is_key.then_some((start, 88, SecretKind::AzureKey))
}

/// The last six characters are the CRC-32 of the thirty before them, in base 62.
fn has_checksum(value: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((value, checksum)) = value.split_at_checked(30) else { return false };
    let mut number = crc32fast::hash(value);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    checksum == digits
}

/// A token whose checksum proves it, in whatever word it stands.
fn with_checksum(text: &[u8], at: usize, kind: SecretKind) -> Option<(usize, usize, SecretKind)> {
    let value = text.get(at + 4..at + 40)?;
    let is_token = value.iter().all(u8::is_ascii_alphanumeric)
        && distinct(value) >= 8
        && has_checksum(value)
        && !is_placeholder(value);
    is_token.then_some((at, 40, kind))
}

fn github(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    with_checksum(text, at, SecretKind::GitHubToken)
}

fn npm(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    with_checksum(text, at, SecretKind::NpmToken)
}

fn github_fine_grained(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let value = word(text, at, 11, 82..=82, is_word_byte)?;
    (value[22] == b'_').then_some((at, 93, SecretKind::GitHubToken))
}

fn gitlab(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let value = word(text, at, 6, 20..=300, |byte| is_name_byte(byte) || byte == b'.')?;
    let is_random = distinct(value) >= 10 && value.iter().any(u8::is_ascii_digit);
    is_random.then_some((at, 6 + value.len(), SecretKind::GitLabToken))
}

/// Numbers of a team and of a user, then the secret itself.
fn slack(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let value = word(text, at, 5, 40..=120, |byte| byte.is_ascii_alphanumeric() || byte == b'-')?;
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'-').collect();
    let (secret, numbers) = parts.split_last()?;
    let is_number = |part: &&[u8]| (9..=14).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let is_token =
        numbers.len() >= 2 && numbers.iter().all(is_number) && secret.len() >= 20 && distinct(secret) >= 8;
    is_token.then_some((at, 5 + value.len(), SecretKind::SlackToken))
}

fn stripe(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    let value = word(text, at, 8, 24..=120, |byte| byte.is_ascii_alphanumeric())?;
    let is_key = value.iter().any(u8::is_ascii_digit);
    is_key.then_some((at, 8 + value.len(), SecretKind::StripeKey))
}

/// A macaroon of `pypi.org` or `test.pypi.org`.
fn pypi(text: &[u8], at: usize) -> Option<(usize, usize, SecretKind)> {
    const OF: [&[u8]; 2] = [b"AgEIcHlwaS5vcmc", b"AgENdGVzdC5weXBpLm9yZw"];
    if !OF.iter().any(|start| text[at + 5..].starts_with(start)) {
        return None;
    }
    let value = word(text, at, 5, 70..=1000, is_name_byte)?;
    Some((at, 5 + value.len(), SecretKind::PypiToken))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::pem::tests::{der, pem};
    use super::*;

    fn found(text: &str) -> Vec<SecretKind> {
        let found = SecretFinder::new().expect("patterns").find(text.as_bytes());
        found.into_iter().map(|secret| secret.kind).collect()
    }

    /// A token with a right checksum, put together here so that no text of a token is in this repository.
    pub(crate) fn with_checksum(start: &str) -> String {
        let value = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        format!("{start}{value}{}", "0mLq17")
    }

    #[test]
    fn tokens_of_each_form_are_found() {
        let random = "Zx81kQv93LmTr0aBcDy7HnWp45JfUgE2";
        for (text, kind) in [
            (with_checksum("ghp_"), SecretKind::GitHubToken),
            (with_checksum("token = ghs_"), SecretKind::GitHubToken),
            (with_checksum("a_ghp_") + "_old", SecretKind::GitHubToken),
            (with_checksum("//registry/:_authToken=npm_"), SecretKind::NpmToken),
            (format!("github_pat_{}_{}{}", &random[..22], random, &random[..27]), SecretKind::GitHubToken),
            (format!("glpat-{}", &random[..20]), SecretKind::GitLabToken),
            (format!("xoxb-{}-{}-{}", "781236542736", "2364535789652", &random[..24]), SecretKind::SlackToken),
            (format!("sk_live_{}", &random[..24]), SecretKind::StripeKey),
            (format!("pypi-AgEIcHlwaS5vcmc{random}{random}"), SecretKind::PypiToken),
            (format!("id = AKIA{}", "QYLPMN5HHHFPZAM2"), SecretKind::AwsKeyId),
            (format!("\"ASIA{}\"", "QYLPMN5HHHFPZAM2"), SecretKind::AwsTemporaryKeyId),
            (format!("aws_secret_access_key = {random}{}", &random[..8]), SecretKind::AwsSecretKey),
            (format!("AccountName=a;AccountKey={random}{random}{}==;", &random[..22]), SecretKind::AzureKey),
            (pem("EC PRIVATE KEY", &der(120)), SecretKind::PrivateKey),
            (
                format!("{{\"type\": \"service_account\", \"private_key\": \"{}\"}}", pem("PRIVATE KEY", &der(120)).replace('\n', "\\n")),
                SecretKind::GoogleAccount,
            ),
            (
                "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 00".to_owned(),
                SecretKind::PuttyKey,
            ),
        ] {
            assert_eq!(found(&text), [kind], "{kind:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        let wrong = with_checksum("ghp_").replace("0mLq17", "0mLq18");
        for text in [
            wrong.as_str(),
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAXXXXXXXXXXXXXXXX",
            "TODAYINASIAASACKOFRICEFELLOVER",
            "npm_config_registry",
            "sk_live_your_key_goes_here_please",
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
            "xoxb-not-a-token",
            "glpat-xxxxxxxxxxxxxxxxxxxx",
            &format!("x{}", "glpat-Zx81kQv93LmTr0aBcDy7"),
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
