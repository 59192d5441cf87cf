//! The JSON Schemas of this version: of `build.toml`, and of the documents that commands print with `--json`.
//!
//! That of `build.toml` is made from the table of its keys. The others are written by hand beside the types that they
//! describe: the integration tests hold every document that they see to its schema, which allows no key that it does
//! not name.

/// A schema: what it describes, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedSchema {
    /// A file, or the words of a command.
    pub name: &'static str,
    /// JSON Schema of draft 7.
    pub text: &'static str,
}

/// Lists the schemas by their names and files.
macro_rules! schemas {
    ($($name:literal $file:literal,)+) => {
        /// All of them: the file first, then the commands in the order of their list.
        pub const SCHEMAS: &[NamedSchema] = &[$(NamedSchema {
            name: $name,
            text: include_str!(concat!("../../docs/schema/", $file, ".json")),
        }),+];
    };
}

schemas! {
    "build.toml" "build.toml",
    "build" "build",
    "plan" "plan",
    "check" "check",
    "deps" "deps",
    "merge" "merge",
    "update" "update",
    "inspect" "inspect",
    "history" "history",
    "verify" "verify",
    "images" "images",
    "rm" "rm",
    "copy" "copy",
    "tag" "tag",
    "diff" "diff",
    "rebase" "rebase",
    "promote" "promote",
    "releases" "releases",
    "rollback" "rollback",
    "sign" "sign",
    "attach" "attach",
    "referrers" "referrers",
    "key generate" "key-generate",
    "key public" "key-public",
    "events list" "events-list",
    "events flush" "events-flush",
    "resolve" "resolve",
    "render" "render",
    "login" "login",
    "logout" "logout",
    "doctor" "doctor",
    "cache info" "cache-info",
    "cache prune" "cache-prune",
    "cache verify" "cache-verify",
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::args::Cli;
    use super::*;

    /// The words of the commands below `command` that print JSON.
    fn with_json(command: &clap::Command, words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for below in command.get_subcommands() {
            let words = [words, &[below.get_name()]].concat();
            if below.get_arguments().any(|argument| argument.get_id() == "json") {
                found.push(words.join(" "));
            }
            found.extend(with_json(below, &words));
        }
        found
    }

    #[test]
    fn every_command_that_prints_json_has_a_schema() {
        let named: Vec<&str> = SCHEMAS.iter().skip(1).map(|schema| schema.name).collect();
        assert_eq!(named, with_json(&Cli::command(), &[]));
    }

    #[test]
    fn a_schema_says_its_command_and_its_version() {
        for NamedSchema { name, text } in SCHEMAS.iter().skip(1) {
            let schema: serde_json::Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(schema["title"], format!("pack {name} --json"));
            assert_eq!(schema["$id"], format!("urn:pack:{}:1", name.replace(' ', "-")));
        }
    }
}
