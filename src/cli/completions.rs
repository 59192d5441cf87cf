//! `pack completions SHELL`: completions from the one definition of the arguments.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory as _};

use super::args::Cli;
use super::schemas::SCHEMAS;
use super::topics::TOPICS;
use crate::descriptors::DescriptorFormat;
use crate::project::config::CompressionSetting;
use crate::types::error_code::ErrorCode;
use crate::types::rule::Rule;

/// The completion script for a shell.
#[must_use]
pub fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "pack", &mut script);
    script
}

/// The commands, and below `help`, which the parser adds by itself, the topics.
fn command() -> Command {
    let mut command = Cli::command();
    command.build();
    let topics = TOPICS.iter().map(|topic| word(topic.name, topic.title));
    let codes = ErrorCode::ALL.iter().map(|code| word(code.name(), code.title()));
    command
        .mut_subcommands(|command| command.mut_args(with_values))
        .mut_subcommand("schema", |schema| schema.mut_arg("name", |name| name.value_parser(first_words())))
        .mut_subcommand("help", |help| help.subcommands(topics.chain(codes)))
}

/// Adds the values of an argument that the parser takes as text.
fn with_values(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        "compression" => argument.value_parser(PossibleValuesParser::new(CompressionSetting::NAMES)),
        "explain" => {
            argument.value_parser(PossibleValuesParser::new(Rule::ALL.iter().map(|rule| rule.name())))
        }
        "format_of_files" => argument.value_parser(PossibleValuesParser::new(DescriptorFormat::names())),
        _ => argument,
    }
}

/// The words that names of schemas begin with.
fn first_words() -> PossibleValuesParser {
    let words =
        SCHEMAS.iter().map(|schema| schema.name.split_once(' ').map_or(schema.name, |(first, _)| first));
    let mut words: Vec<&str> = words.collect();
    words.dedup();
    PossibleValuesParser::new(words)
}

fn word(name: &'static str, about: &'static str) -> Command {
    // It comes too late to get the last name from the parser.
    Command::new(name).about(about).bin_name(format!("pack help {name}"))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_gets_the_commands() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).expect("text");
            assert!(script.contains("metadata-file") && script.contains("history"), "{shell}");
            let topics = TOPICS.iter().map(|topic| topic.name);
            for word in topics.chain(ErrorCode::ALL.iter().map(|code| code.name())) {
                assert!(script.contains(word), "{shell}: {word}");
            }
            // The scripts for these have no values.
            if matches!(shell, Shell::Elvish | Shell::PowerShell) {
                continue;
            }
            for value in ["estargz", Rule::ALL[0].name(), DescriptorFormat::names()[0], SCHEMAS[0].name] {
                assert!(script.contains(value), "{shell}: {value}");
            }
        }
    }
}
