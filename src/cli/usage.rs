//! Faults of a command line, in the form of all other errors: one sentence, and a hint that works.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::error::CommandError;

/// The error of a command line that the parser refused; `None` where it was asked for help or its own words are
/// better, which say more than one sentence.
#[must_use]
pub(super) fn explain(error: &clap::Error) -> Option<CommandError> {
    let command = command_of(error);
    let lists = |what: &str| format!("`{command} --help` lists {what}");
    let (message, hint) = match error.kind() {
        ErrorKind::ValueValidation => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let (value, why) = (text(error, ContextKind::InvalidValue)?, error.source()?.to_string());
            // Most reasons quote the value themselves.
            let message = match why.contains(&value) {
                true => format!("`{argument}`: {why}"),
                false => format!("`{argument}`: `{value}`: {why}"),
            };
            (message, None)
        }
        ErrorKind::InvalidValue => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let known = list(error, ContextKind::ValidValue).join("`, `");
            let message = match text(error, ContextKind::InvalidValue)?.as_str() {
                "" => format!("`{argument}` needs a value"),
                value => format!("`{argument}`: `{value}` is not one of `{known}`"),
            };
            let near = text(error, ContextKind::SuggestedValue);
            (message, near.map(|near| format!("did you mean `{near}`?")))
        }
        ErrorKind::UnknownArgument => {
            let argument = text(error, ContextKind::InvalidArg)?;
            let what = if argument.starts_with('-') { "flag" } else { "argument" };
            let near = text(error, ContextKind::SuggestedArg);
            let hint = near
                .map_or_else(|| lists("all flags and arguments"), |near| format!("did you mean `{near}`?"));
            (format!("`{command}` has no {what} `{argument}`"), Some(hint))
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand)?;
            let near = list(error, ContextKind::SuggestedSubcommand).into_iter().next();
            let hint = near.map_or_else(|| lists("the commands"), |near| format!("did you mean `{near}`?"));
            (format!("there is no command `{name}`"), Some(hint))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = list(error, ContextKind::InvalidArg);
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let usage = usage_of(error)?;
            (format!("`{}` {verb} missing", missing.join("`, `")), Some(format!("write `{usage}`")))
        }
        ErrorKind::ArgumentConflict => {
            let (one, other) = (text(error, ContextKind::InvalidArg)?, list(error, ContextKind::PriorArg));
            let message = match other.first() {
                Some(other) if *other != one => format!("`{one}` and `{other}` cannot be given together"),
                _ => format!("`{one}` can be given once only"),
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

/// The command's words, such as `pack cache prune`.
fn command_of(error: &clap::Error) -> String {
    let usage = usage_of(error).unwrap_or_else(|| "pack".to_owned());
    let is_word = |word: &&str| !word.starts_with(['-', '[', '<']);
    usage.split(' ').take_while(is_word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::Cli;
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
        ];
        let mut shown = String::new();
        for line in lines {
            let words = std::iter::once("pack").chain(line.split(' '));
            let error = Cli::try_parse_from(words).expect_err(line);
            let rendered = match explain(&error) {
                Some(explained) => explained.render(str::to_owned),
                None => format!("(clap) {error}"),
            };
            shown.push_str(&format!("$ pack {line}\n{rendered}"));
        }
        insta::assert_snapshot!("usage", shown);
    }

    #[test]
    fn help_is_no_error() {
        for line in ["pack --help", "pack", "pack --version", "pack build -h", "pack cache"] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert!(explain(&error).is_none(), "{line}");
        }
    }
}
