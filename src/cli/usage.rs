//! Faults of a command line, in the form of all other errors: one sentence, and a hint that works.

use std::error::Error as _;
use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Cli, ValueFault};
use super::error::CommandError;
use super::other_words;
use super::topics::TOPICS;
use crate::types::error::nearest;
use crate::types::error_code::ErrorCode;

/// The error of a command line that the parser refused; `None` where it was asked for help or its own words are
/// better, which say more than one sentence. `words` are those of the command line, without the program's name.
#[must_use]
pub(super) fn explain(error: &clap::Error, words: &[OsString]) -> Option<CommandError> {
    let command = command_of(words);
    let lists = |what: &str| format!("`{command} --help` lists {what}");
    let takes = |argument: &str| Some(format!("`{command} --help` says what `{}` takes", flag_of(argument)));
    let (message, hint) = match error.kind() {
        ErrorKind::ValueValidation => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let (value, source) = (text(error, ContextKind::InvalidValue)?, error.source()?);
            let why = source.to_string();
            // Most reasons quote the value themselves.
            let message = match why.contains(&format!("`{value}`")) {
                _ if value.is_empty() => format!("`{argument}` needs a value"),
                true => format!("`{argument}`: {why}"),
                false => format!("`{argument}`: `{value}`: {why}"),
            };
            (message, ValueFault::hint_of(source).or_else(|| takes(&argument)))
        }
        ErrorKind::InvalidValue => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let known = list(error, ContextKind::ValidValue).join("`, `");
            let message = match text(error, ContextKind::InvalidValue)?.as_str() {
                "" => format!("`{argument}` needs a value"),
                value => format!("`{argument}`: `{value}` is not one of `{known}`"),
            };
            let near = text(error, ContextKind::SuggestedValue);
            (message, near.map(|near| format!("did you mean `{near}`?")).or_else(|| takes(&argument)))
        }
        ErrorKind::TooManyValues => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let value = text(error, ContextKind::InvalidValue)?;
            (
                format!("`{argument}` takes no value, and `{value}` was given"),
                Some(format!("write `{argument}`")),
            )
        }
        ErrorKind::UnknownArgument => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let what = if argument.starts_with('-') { "flag" } else { "argument" };
            let other = other_words::for_flag(&command, flag_of(&argument)).map(str::to_owned);
            let near =
                || text(error, ContextKind::SuggestedArg).map(|near| format!("did you mean `{near}`?"));
            let hint = other.or_else(near).unwrap_or_else(|| lists("all flags and arguments"));
            (format!("`{command}` has no {what} `{argument}`"), Some(hint))
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand)?;
            let near = list(error, ContextKind::SuggestedSubcommand).into_iter().next();
            // Words after the wrong one may be commands themselves.
            let before: Vec<OsString> = words.iter().take_while(|word| **word != *name).cloned().collect();
            let parent = parent_of(&before);
            let other = match parent.as_str() {
                "pack" if other_words::is_path(&name) => Some(format!("write `pack build {name}`")),
                "pack" => other_words::for_command(&name).map(str::to_owned),
                _ => None,
            };
            let near = || near.map(|near| format!("did you mean `{near}`?"));
            let hint = other.or_else(near).unwrap_or_else(|| format!("`{parent} --help` lists the commands"));
            (format!("there is no command `{name}`"), Some(hint))
        }
        ErrorKind::MissingSubcommand => {
            let version = if command == "pack" { "; `pack --version` prints the version" } else { "" };
            let hint = format!("`{command} --help` lists the commands{version}");
            (format!("`{command}` needs a command, and no word is one"), Some(hint))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = list(error, ContextKind::InvalidArg);
            let missing: Vec<&str> = missing.iter().map(|argument| once(argument)).collect();
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let usage = usage_of(error)?;
            (format!("`{}` {verb} missing", missing.join("`, `")), Some(format!("write `{usage}`")))
        }
        ErrorKind::ArgumentConflict => {
            let (one, other) = (text(error, ContextKind::InvalidArg)?, list(error, ContextKind::PriorArg));
            let message = match other.first() {
                Some(other) if *other != one => {
                    format!("`{}` and `{}` cannot be given together", once(&one), once(other))
                }
                _ => format!("`{}` can be given once only", once(&one)),
            };
            (message, Some(lists("what each is for")))
        }
        _ => return None,
    };
    let error = CommandError::usage(message);
    Some(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

/// The word behind `pack help` that is no command.
#[must_use]
pub(super) fn asked_topic(error: &clap::Error, words: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let name = text(error, ContextKind::InvalidSubcommand)?;
    let before: Vec<OsString> = words.iter().take_while(|word| **word != *name).cloned().collect();
    let is_help = before.last().is_some_and(|word| word == "help") && parent_of(&before) == "pack";
    is_help.then_some(name)
}

/// The error about a word that is neither a command nor a topic nor a code.
#[must_use]
pub(super) fn unknown_word(word: &str) -> CommandError {
    let error = CommandError::usage(format!("there is no command, topic or error code `{word}`"));
    error.hint(match nearest_word(word) {
        Some(near) => format!("did you mean `pack help {near}`?"),
        None => "`pack help` lists the commands and topics, `pack help errors` the codes".to_owned(),
    })
}

/// The word of a command, topic or code that is nearest to `word`.
fn nearest_word(word: &str) -> Option<String> {
    let command = Cli::command();
    let commands = command.get_subcommands().map(clap::Command::get_name);
    let topics = TOPICS.iter().map(|topic| topic.name);
    let codes = ErrorCode::ALL.iter().map(|code| code.name());
    nearest(word, commands.chain(topics).chain(codes)).map(str::to_owned)
}

/// The parser's text about an error, if it is one text or the first of several.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    list(error, kind).into_iter().next()
}

fn list(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// How the command is written, such as `pack copy <SRC> <DST>`.
fn usage_of(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => {
            let usage = usage.to_string();
            usage.lines().next()?.strip_prefix("Usage: ").map(str::to_owned)
        }
        _ => None,
    }
}

/// An argument without the mark that it may be repeated.
fn once(argument: &str) -> &str {
    argument.trim_end_matches("...")
}

/// A flag without its value, such as `--jobs`; an argument as it is.
fn flag_of(argument: &str) -> &str {
    argument.split([' ', '[', '=']).next().filter(|flag| flag.starts_with('-')).unwrap_or(argument)
}

/// The command's words, such as `pack cache prune`: those of a command line that are commands.
pub(super) fn command_of(words: &[OsString]) -> String {
    command_among(words, |_| true)
}

/// The same up to the last command that has commands itself.
fn parent_of(words: &[OsString]) -> String {
    command_among(words, clap::Command::has_subcommands)
}

fn command_among(words: &[OsString], is_one: impl Fn(&clap::Command) -> bool) -> String {
    let (mut command, mut found) = (&Cli::command(), "pack".to_owned());
    for word in words.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str()) {
        if let Some(below) = command.find_subcommand(word).filter(|below| is_one(below)) {
            found.push(' ');
            found.push_str(below.get_name());
            command = below;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_wrong_command_line_is_one_sentence_and_a_hint() {
        let lines = [
            "build --jobs x",
            "build --jobs 0",
            "build --platform linux",
            "build --layout x",
            "build --layout explodde",
            "build --color",
            "build --pussh",
            "build --xyz",
            "build a b",
            "build --push --offline",
            "build -f a -f b",
            "-q -v build",
            "biuld",
            "xyz",
            "cache prnue",
            "cache prune --max-size 10XB",
            "copy a",
            "copy",
            "rebase a",
            "login r.example --password-stdin",
            "doctor http://r.example",
            "build --name localhost:5801/Shop/x",
            "build --name Shop/x:1",
            "build --name shop/x:1",
            "build --cache-repo localhost:5801/Shop/x",
            "build --cache-repo shop/x:1",
            "build --plain-http https://r.example:5000/",
            "init --name localhost:5801/Shop/x",
            "login localhost:5801/Team",
            "build --tagg x",
            "build --platfrom linux/amd64",
            "build -z",
            "build -tz --nope",
            "build --jobs",
            "build --base",
            "build --base=",
            "build --jobs=",
            "build --jobs -1",
            "build --jobs 99999999999999999999",
            "build --jobs=3.5",
            "build --push=yes",
            "build --color rainbow",
            "build --color=",
            "build --set",
            "build --set novalue",
            "build --compression rar",
            "build --compression gzip:99",
            "build --timings",
            "build --timings=",
            "build -- --push x",
            "build -- -t",
            "build --",
            "--",
            "-- build --nope",
            "--nope",
            "-x",
            "build --cache-verify 101",
            "build --cache-verify x",
            "build a b c",
            "inspect",
            "inspect a b",
            "copy a b c",
            "copy --platform",
            "copy a b --platform x/y/z/w",
            "rebase a --base b",
            "rebase a -t",
            "rebase a --base b -t bad/tag",
            "tag",
            "tag a",
            "rm",
            "rm --all",
            "images extra",
            "cache",
            "cache foo bar",
            "cache info extra",
            "cache prune --max-age 3",
            "cache prune --max-age=",
            "cache prune --max-size -1",
            "completions",
            "completions tcsh",
            "completions basch",
            "help nope",
            "help build extra",
            "login",
            "login r.example -u",
            "login r.example -u a -p b --password-stdin",
            "update --check --locked",
            "verify a --jobs x",
            "diff a",
            "history a --platform linux",
            "plan --json=1",
            "build --quiet --verbose",
            "build -vq",
            "build --version",
            "build -V",
            "BUILD",
            "build\u{a0}",
            "build --naïve",
            "build --\u{1b}[31mred",
            "build --jobs \u{1b}[31m",
        ];
        let mut shown = String::new();
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let all = std::iter::once("pack".into()).chain(words.clone());
            // Some lines are right; the snapshot says which, so that a new refusal is seen.
            let Err(error) = Cli::try_parse_from(all) else {
                shown.push_str(&format!("$ pack {}\n(is understood)\n", line.escape_debug()));
                continue;
            };
            let rendered = match explain(&error, &words) {
                Some(explained) => explained.render(str::to_owned),
                None => "(is answered with help)\n".to_owned(),
            };
            let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
            assert_eq!(rendered.contains("with help"), is_help, "pack {line}: {error}");
            assert!(is_help || rendered.contains("hint: "), "pack {line}: {rendered}");
            assert!(!rendered.contains("tip:") && error.exit_code() == 2, "pack {line}: {rendered}");
            shown.push_str(&format!("$ pack {}\n{rendered}", line.escape_debug()));
        }
        insta::assert_snapshot!("usage", shown);
    }

    #[test]
    fn flags_without_a_command_are_answered_as_wrong_flags_are() {
        for (line, hint) in [
            ("-v", "`pack --help` lists the commands; `pack --version` prints the version"),
            ("--quiet", "`pack --help` lists the commands; `pack --version` prints the version"),
            ("cache -v", "`pack cache --help` lists the commands"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let all = std::iter::once("pack".into()).chain(words.clone());
            let error = Cli::try_parse_from(all).expect_err(line);
            let explained = explain(&error, &words).expect(line).render(str::to_owned);
            let command = hint.split('`').nth(1).unwrap_or_default().trim_end_matches(" --help");
            assert_eq!(
                explained,
                format!("error: `{command}` needs a command, and no word is one\nhint: {hint}\n"),
            );
        }
    }

    #[test]
    fn help_is_no_error() {
        let lines = ["pack --help", "pack", "pack --version", "pack build -h", "pack cache", "pack help"];
        for line in
            lines.into_iter().chain(["pack help build", "pack help cache prune", "pack cache help prune"])
        {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert!(explain(&error, &[]).is_none(), "{line}");
        }
    }

    #[test]
    fn a_topic_takes_no_command_s_place_and_no_code_s() {
        let command = Cli::command();
        let mut words: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        words.push("help");
        words.extend(ErrorCode::ALL.iter().map(|code| code.name()));
        words.extend(TOPICS.iter().map(|topic| topic.name));
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count, "each word means one thing");
    }

    #[test]
    fn what_was_meant_is_found_among_all_words() {
        assert_eq!(nearest_word("biuld").as_deref(), Some("build"));
        assert_eq!(nearest_word("enviroment").as_deref(), Some("environment"));
        assert_eq!(nearest_word("tag-takn").as_deref(), Some("tag-taken"));
        assert_eq!(nearest_word("xyzxyz"), None);
    }
}
