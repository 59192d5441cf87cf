//! `pack completions SHELL`: completions from the one definition of the arguments.

use clap::CommandFactory as _;

use super::args::Cli;

/// The completion script for a shell.
#[must_use]
pub fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pack", &mut script);
    script
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
        }
    }
}
