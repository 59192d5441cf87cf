//! How the application runs: its user, signal, variables and arguments.

use std::collections::BTreeMap;

use super::super::decode::{Decode, Decoder, FromText, Wrong, text_values};
use super::super::node::{TomlNode, TomlValue};
use super::super::source::Spanned;
use super::numbers::decimal;
use super::permissions::MAX_ACCOUNT;
use crate::types::error::nearest;

/// A user, and maybe a group: names or numbers. Written `1000`, `"1000:1000"` or `"app"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(String);

impl User {
    /// As image configurations have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for User {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let name = |name: &str| {
            !name.is_empty()
                && name.chars().all(|character| !character.is_whitespace() && !character.is_control())
        };
        let (user, group) = text.split_once(':').unwrap_or((text, "0"));
        let is_too_large = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part.parse::<u64>().map_or(true, |number| number > MAX_ACCOUNT)
        };
        if let Some(number) = [user, group].into_iter().find(is_too_large) {
            let wrong = Wrong::new(format!("engines start no container with the number `{number}`"));
            return Err(wrong.hint(format!("write a number of 0 to {MAX_ACCOUNT}")));
        }
        if name(user) && name(group) && !group.contains(':') {
            Ok(Self(text.to_owned()))
        } else {
            Err(Wrong::new(format!("`{text}` is not a user"))
                .hint("write `\"1000\"`, `\"1000:1000\"` or a name that the base knows"))
        }
    }
}

impl Decode for User {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            TomlValue::Integer(_) => decoder.number(node, MAX_ACCOUNT).map(|uid| Self(uid.to_string())),
            _ => decoder.text(node),
        }
    }
}

/// A signal: `"SIGTERM"`, `"SIGRTMIN+3"` or a number of 1 to 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(String);

impl Signal {
    /// As image configurations have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

impl FromText for Signal {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let realtime = |rest: &str, sign| match rest.strip_prefix(sign) {
            Some(offset) => decimal(offset).is_some_and(|offset: u8| (1..=30).contains(&offset)),
            None => rest.is_empty(),
        };
        let known = SIGNALS.contains(&text)
            || text.strip_prefix("SIGRTMIN").is_some_and(|rest| realtime(rest, '+'))
            || text.strip_prefix("SIGRTMAX").is_some_and(|rest| realtime(rest, '-'))
            || decimal(text).is_some_and(|number: u8| (1..=64).contains(&number));
        if known {
            return Ok(Self(text.to_owned()));
        }
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        let hint = match nearest(&full, SIGNALS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name such as `\"SIGTERM\"`, or a number of 1 to 64".to_owned(),
        };
        Err(Wrong::new(format!("`{text}` is not a signal")).hint(hint))
    }
}

impl Decode for Signal {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Integer(number) => match Self::from_text(&number.to_string()) {
                Ok(signal) => Some(signal),
                Err(wrong) => decoder.wrong(node.span, wrong),
            },
            _ => decoder.text(node),
        }
    }
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for EnvName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains(['=', '\0']) {
            return Err(Wrong::new(format!("`{text}` is not the name of a variable"))
                .hint("a name is not empty and has no `=`"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The value of an environment variable: a string, or a whole number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvValue(String);

impl EnvValue {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for EnvValue {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        String::from_text(text).map(Self)
    }
}

impl Decode for EnvValue {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Integer(number) if !decoder.sources.is_typed(node.span) => {
                Some(Self(number.to_string()))
            }
            TomlValue::Boolean(boolean) if !decoder.sources.is_typed(node.span) => {
                let hint = format!("write `\"{boolean}\"`; `unset-env` removes a variable of the base");
                decoder.mismatch(node, "a string", Some(hint))
            }
            _ => decoder.text(node),
        }
    }
}

/// Arguments that are run without a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments; empty to have none where the base has some.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl Decode for Arguments {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        if let TomlValue::String(text) = &node.value {
            let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
            let hint = format!("no shell splits it: write `[{}]`", words.join(", "));
            return decoder.mismatch(node, "an array of strings", Some(hint));
        }
        Vec::decode(node, decoder).map(Self)
    }
}

/// A table by names of variables.
pub type EnvTable = BTreeMap<EnvName, Spanned<EnvValue>>;

text_values!(EnvName);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn users_and_signals() {
        for text in ["1000", "app", "app:staff", "1000:0", "2147483647:2147483647"] {
            assert_eq!(ok::<User>(text).as_str(), text);
        }
        all_wrong::<User>(&[
            "2147483648",
            "app:99999999999999999999",
            "",
            ":",
            "a:",
            ":a",
            "a b",
            "a:b:c",
            "a\n",
        ]);
        for text in ["SIGTERM", "15", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX-14"] {
            assert_eq!(ok::<Signal>(text).as_str(), text);
        }
        all_wrong::<Signal>(&["", "TERM", "sigterm", "0", "65", "SIGRTMIN+31", "SIGRTMAX+1"]);
    }
}
