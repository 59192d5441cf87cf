//! Flags in hints: each is one of the command that runs, or stands with a command that has it.
//!
//! The library writes hints without knowing which command calls it: "give `--allow-retag`" is right for `pack build`, and no
//! help for a command without that flag. So the words between backticks are looked at where an error is printed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::CommandFactory as _;

use super::args::Cli;
use super::error::CommandError;
use super::usage::command_of;

/// The command whose flags are meant where the running one has none of that name, before all others.
const USUAL: &str = "build";

/// The commands with their flags, and which of them runs.
#[derive(Clone, Debug)]
pub struct HintFlags {
    running: String,
    commands: Vec<(String, BTreeSet<String>)>,
}

impl HintFlags {
    /// Those of the command line `words`, without the program's name.
    #[must_use]
    pub fn of(words: &[OsString]) -> Self {
        let root = Cli::command();
        let mut commands = Vec::new();
        let flags_of_all = flags(&root);
        add(&mut commands, "pack", &root, &flags_of_all);
        // The usual one first; the others in their order.
        commands.sort_by_key(|(name, _)| *name != format!("pack {USUAL}"));
        Self { running: command_of(words), commands }
    }

    /// The error with hints that name the commands of their flags.
    #[must_use]
    pub fn applied(&self, error: &CommandError) -> CommandError {
        let mut error = error.clone();
        error.hints.iter_mut().for_each(|hint| *hint = self.named(hint).into_owned());
        error.chain.iter_mut().for_each(|message| *message = self.in_report(message));
        error
    }

    /// A message, of which the lines with hints are changed.
    fn in_report(&self, message: &str) -> String {
        if !message.contains(REPORTED) {
            return message.to_owned();
        }
        let line = |line: &str| match line.trim_start().starts_with(REPORTED) {
            true => self.named(line).into_owned(),
            false => line.to_owned(),
        };
        message.split('\n').map(line).collect::<Vec<_>>().join("\n")
    }

    /// A hint in which a flag that the running command lacks has its command before it.
    fn named<'t>(&self, hint: &'t str) -> Cow<'t, str> {
        if !hint.contains("`--") {
            return Cow::Borrowed(hint);
        }
        let word = |(number, part): (usize, &str)| match (number % 2 == 1).then(|| self.command_for(part)) {
            Some(Some(command)) => format!("{command} {part}"),
            _ => part.to_owned(),
        };
        Cow::Owned(hint.split('`').enumerate().map(word).collect::<Vec<_>>().join("`"))
    }

    /// The command to write before a flag; `None` where it needs none, or is no flag of `pack`.
    fn command_for(&self, part: &str) -> Option<&str> {
        let flag =
            part.split([' ', '=', '[']).next().filter(|flag| flag.starts_with("--") && flag.len() > 2)?;
        let has = |(_, flags): &&(String, BTreeSet<String>)| flags.contains(flag);
        let own = self.commands.iter().find(|(name, _)| *name == self.running);
        if own.as_ref().is_some_and(has) {
            return None;
        }
        self.commands.iter().find(has).map(|(name, _)| name.as_str())
    }
}

/// The beginning of a hint in a report of settings.
const REPORTED: &str = "= hint: ";

fn add(
    commands: &mut Vec<(String, BTreeSet<String>)>,
    name: &str,
    command: &clap::Command,
    of_all: &BTreeSet<String>,
) {
    commands.push((name.to_owned(), flags(command).union(of_all).cloned().collect()));
    for below in command.get_subcommands() {
        add(commands, &format!("{name} {}", below.get_name()), below, of_all);
    }
}

/// The long flags of a command.
fn flags(command: &clap::Command) -> BTreeSet<String> {
    let own = command
        .get_arguments()
        .flat_map(|argument| argument.get_long_and_visible_aliases().unwrap_or_default());
    own.chain(["help", "version"]).map(|flag| format!("--{flag}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::error::ExitStatus;
    use super::*;

    fn of(line: &str) -> HintFlags {
        HintFlags::of(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_flag_of_another_command_has_that_command_before_it() {
        let hint = "give `--allow-retag`, `--tag 2` or `--quiet`, or run `pack build --push` with `--no-deps` and `-p`";
        assert_eq!(of("build --push").named(hint), hint);
        assert_eq!(
            of("verify a:1").named(hint),
            "give `pack build --allow-retag`, `pack build --tag 2` or `--quiet`, or run `pack build --push` with `--no-deps` and `-p`"
        );
        assert_eq!(of("events list").named("`--max-age 3d`"), "`pack cache prune --max-age 3d`");
        assert_eq!(of("cache prune").named("`--max-age=3d` and `--"), "`--max-age=3d` and `--");
    }

    #[test]
    fn hints_of_reports_are_hints_as_well() {
        let report = "`a` lies outside\n --> build.toml:1:2\n  |\n1 | `--tag`\n  = hint: give it by `--tag`";
        let error = CommandError::new(ExitStatus::Policy, report).context("`--tag` stays here");
        let named = of("verify a").applied(&error.hint("`--tag`"));
        assert_eq!(named.chain[0], "`--tag` stays here");
        assert_eq!(named.chain[1], report.replace("by `--tag`", "by `pack build --tag`"));
        assert_eq!(named.hints, ["`pack build --tag`"]);
    }

    /// A hint that names a flag which no command has cannot be followed at all.
    #[test]
    fn each_flag_in_a_message_of_the_library_is_one_of_a_command() {
        // Flags of other programs, which hints say to run.
        const OF_OTHERS: [&str; 3] = ["--no-deps", "--release", "--x"];
        let all = of("build").commands.into_iter().flat_map(|(_, flags)| flags).collect::<BTreeSet<_>>();
        let mut files = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut unknown = Vec::new();
        let mut found = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                let entries = std::fs::read_dir(&path).expect("a directory");
                files.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("hint_flags.rs") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines =
                code.lines().filter(|line| !line.trim_start().starts_with("//") && line.contains('"'));
            for flag in lines.flat_map(|line| line.split("`--").skip(1)) {
                let end = flag.find(|character: char| !character.is_ascii_lowercase() && character != '-');
                let flag = format!("--{}", &flag[..end.unwrap_or(flag.len())]);
                found += 1;
                if flag.contains(char::is_alphabetic) && !all.contains(&flag) && !OF_OTHERS.contains(&&*flag)
                {
                    unknown.push(format!("{flag} in {}", path.display()));
                }
            }
        }
        assert!(found > 80, "{found}");
        assert_eq!(unknown, Vec::<String>::new());
    }
}
