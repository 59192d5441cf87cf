//! `pack completions SHELL`: completions from the one definition of the arguments.

use clap::{Command, CommandFactory as _};

use super::args::Cli;
use super::topics::TOPICS;
use crate::types::error_code::ErrorCode;

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
    command.mut_subcommand("help", |help| help.subcommands(topics.chain(codes)))
}

fn word(name: &'static str, about: &'static str) -> Command {
    // It comes too late to get the last name from the parser.
    Command::new(name).about(about).bin_name(format!("pack help {name}"))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_gets_the_commands() {
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).expect("text");
            assert!(script.contains("metadata-file") && script.contains("history"), "{shell}");
            let topics = TOPICS.iter().map(|topic| topic.name);
            for word in topics.chain(ErrorCode::ALL.iter().map(|code| code.name())) {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
