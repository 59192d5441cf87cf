//! `WWW-Authenticate` (RFC 9110, 11.6.1): what a registry asks for before it answers.
//!
//! One header may hold several challenges and there may be several headers. Commas separate both
//! challenges and parameters, so a word belongs to the parameters only if `=` follows it.

use std::collections::BTreeMap;

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Challenge {
    /// The scheme, lower case.
    pub(in crate::registry) scheme: String,
    /// The parameters, names lower case.
    pub(in crate::registry) parameters: BTreeMap<String, String>,
}

impl Challenge {
    pub(in crate::registry) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// All challenges of all headers; what cannot be understood is skipped.
pub(in crate::registry) fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    headers.into_iter().flat_map(parse_header).collect()
}

fn parse_header(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = ChallengeScanner(header);
    loop {
        rest.skip(|character| character.is_whitespace() || character == ',');
        if rest.0.is_empty() {
            return challenges;
        }
        let word = rest.token();
        if word.is_empty() {
            // Not a token: skip one character, so that parsing always ends.
            rest.advance();
            continue;
        }
        let spaced = rest.skip(char::is_whitespace);
        let parameter = rest.0.starts_with('=') && !rest.0.starts_with("==");
        match challenges.last_mut() {
            Some(challenge) if parameter => {
                rest.advance();
                rest.skip(char::is_whitespace);
                let value = rest.value();
                challenge.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            _ => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
                // A scheme may be followed by one token68, as Negotiate has it; it is no parameter.
                if spaced {
                    rest.skip_token68();
                }
            }
        }
    }
}

struct ChallengeScanner<'a>(&'a str);

impl<'a> ChallengeScanner<'a> {
    fn skip(&mut self, matches: impl Fn(char) -> bool) -> bool {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches(matches);
        self.0.len() != before
    }

    fn advance(&mut self) -> Option<char> {
        let mut characters = self.0.chars();
        let first = characters.next();
        self.0 = characters.as_str();
        first
    }

    fn take(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|character| !matches(character)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn token(&mut self) -> &'a str {
        self.take(|character| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character))
    }

    /// A quoted string, or everything up to a comma or space: some registries forget the quotes.
    fn value(&mut self) -> String {
        if !self.0.starts_with('"') {
            return self.take(|character| character != ',' && !character.is_whitespace()).to_owned();
        }
        self.advance();
        let mut value = String::new();
        while let Some(character) = self.advance() {
            match character {
                '"' => break,
                '\\' => value.extend(self.advance()),
                other => value.push(other),
            }
        }
        value
    }

    /// `realm="x"` starts like a token68; what tells them apart is the comma or end after the latter.
    fn skip_token68(&mut self) {
        let word = self.0.trim_start_matches(|character: char| {
            character.is_ascii_alphanumeric() || "-._~+/".contains(character)
        });
        let after = word.trim_start_matches('=').trim_start();
        if after.is_empty() || after.starts_with(',') {
            self.0 = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(header: &str) -> Challenge {
        let mut challenges = parse([header]);
        assert_eq!(challenges.len(), 1, "{header}: {challenges:?}");
        challenges.remove(0)
    }

    #[test]
    fn reads_what_registries_send() {
        let hub = one(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push",error="invalid_token""#,
        );
        assert_eq!(hub.scheme, "bearer");
        assert_eq!(hub.get("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(hub.get("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(hub.get("error"), Some("invalid_token"));

        let spaced = one(r#"BEARER  Realm = "/token" , Service=plain"#);
        assert_eq!((spaced.get("realm"), spaced.get("service")), (Some("/token"), Some("plain")));

        assert_eq!(one("Basic").parameters.len(), 0);
        assert_eq!(one(r#"Basic realm="a \"quoted\" name""#).get("realm"), Some(r#"a "quoted" name"#));
        assert_eq!(one(r#"Bearer realm="unterminated"#).get("realm"), Some("unterminated"));
    }

    #[test]
    fn reads_several_in_one_header_and_in_several() {
        let names = |headers: &[&str]| {
            parse(headers.iter().copied()).into_iter().map(|challenge| challenge.scheme).collect::<Vec<_>>()
        };
        assert_eq!(names(&[r#"Basic realm="r", Bearer realm="https://t",service="s""#]), ["basic", "bearer"]);
        assert_eq!(names(&["Negotiate YWJj==, Basic"]), ["negotiate", "basic"]);
        assert_eq!(names(&["Negotiate", r#"Bearer realm="x""#]), ["negotiate", "bearer"]);
        assert_eq!(names(&["", ",,", "\"\""]), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn never_fails_to_end(header in "[ -~]{0,80}") {
            let _ = parse([header.as_str()]);
        }

        #[test]
        fn any_value_survives_quoting(realm in "[ -~]{1,40}", scope in "[ -~]{1,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!(r#"Bearer realm="{}", scope="{}""#, quote(&realm), quote(&scope));
            let challenge = one(&header);
            prop_assert_eq!(challenge.get("realm"), Some(realm.as_str()));
            prop_assert_eq!(challenge.get("scope"), Some(scope.as_str()));
        }
    }
}
