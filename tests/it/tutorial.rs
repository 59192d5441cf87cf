//! Sessions of documents, from their first command to their last, with the output that they show: `docs/tutorial.md`, and that of
//! `README.md`.

use std::fs;
use std::path::Path;
use std::process::Command;

use pack_test_registry::Fake;

use crate::prose::shell_words;
use crate::support::{Outcome, Project, REPOSITORY, Run, copy_tree};

/// A command of a page, and the lines that it shows below.
struct ShownCommand {
    line: String,
    output: Vec<String>,
}

/// A document of the repository.
fn document(name: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(name)).unwrap()
}

/// The commands of the blocks of a text that begin with `fence`.
fn commands(text: &str, fence: &str) -> Vec<ShownCommand> {
    let mut found: Vec<ShownCommand> = Vec::new();
    let (opening, mut rest) = (format!("\n{fence}\n"), text);
    while let Some((_, block)) = rest.split_once(&opening) {
        let (block, after) = block.split_once("\n```").unwrap();
        rest = after;
        for line in block.lines().filter(|line| !line.is_empty()) {
            match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(line), _) => found.push(ShownCommand { line: line.to_owned(), output: Vec::new() }),
                (None, Some(command)) => command.output.push(line.to_owned()),
                (None, None) => panic!("output before the first command: {line}"),
            }
        }
    }
    found
}

impl ShownCommand {
    /// Runs the command in the project with `address` in place of the registry's; `None` if it is none of `pack`.
    fn run(&self, project: &Project, address: &str) -> Option<Outcome> {
        let Some(arguments) = self.line.strip_prefix("pack ") else {
            let shell =
                Command::new("sh").args(["-c", &self.line]).current_dir(project.root()).status().unwrap();
            assert!(shell.success(), "{}", self.line);
            return None;
        };
        let words = shell_words(&arguments.replace("localhost:5000", address));
        let run = words.into_iter().fold(project.pack(""), Run::arg);
        // As of diff(1).
        let expected = if arguments.starts_with("diff ") { 1 } else { 0 };
        Some(run.env("USER", "alice").run().has_code(expected))
    }

    /// Asserts that each line that is shown was printed.
    fn shows(&self, printed: &str, address: &str) {
        let lines: Vec<String> = printed.lines().map(|line| plain(line, address)).collect();
        for shown in &self.output {
            let line = &self.line;
            assert!(
                lines.contains(&plain(shown, "localhost:5000")),
                "`{line}` does not print {shown:?}:\n{printed}"
            );
        }
    }
}

/// A line without what differs from run to run: widths of columns, times, the address of the registry.
fn plain(line: &str, address: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_time = word.ends_with('Z') && word.starts_with("20") && word.contains('T');
        // A duration has a figure and a unit.
        if matches!(word, "ms" | "s") && words.last().is_some_and(|last| last.parse::<f64>().is_ok()) {
            words.pop();
        }
        words.push(match word {
            "ms" | "s" => "TIME".to_owned(),
            _ if is_time => "TIME".to_owned(),
            _ => word.replace(address, "localhost:5000"),
        });
    }
    words.join(" ")
}

#[test]
fn the_tutorial_runs_from_its_first_line_to_its_last() {
    let fake = Fake::start().unwrap();
    let address = fake.address().to_string();
    let project = Project::bookstore();
    let file = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", file.replace("localhost:5000", &address));
    let commands = commands(&document("docs/tutorial.md"), "```console");
    assert!(commands.len() > 12, "{}", commands.len());
    for command in commands {
        if let Some(said) = command.run(&project, &address) {
            command.shows(&said.stdout, &address);
        }
    }
    assert_eq!(fake.tags("shop/app").len(), 0);
    let prod = fake.tag("shop/bookstore", "prod").expect("the environment");
    assert_eq!(Some(prod), fake.tag("shop/bookstore", "1.0"), "after the rollback");
}

/// The session ran outside a git repository, and a base beside the project needs no registry.
#[test]
fn the_session_of_the_readme_prints_what_it_shows() {
    let project = Project::new();
    copy_tree(&Path::new(REPOSITORY).join("fixtures/bookstore"), &project.path("fixtures/bookstore"));
    let readme = document("README.md");
    let session = readme.split("\n## ").find(|section| section.starts_with("A session\n")).unwrap();
    let commands = commands(session, "```");
    assert!(
        commands.len() > 3
            && commands
                .iter()
                .all(|command| command.line.starts_with("echo ") != command.line.starts_with("pack "))
    );
    for command in commands {
        if let Some(said) = command.run(&project, "localhost:5000") {
            command.shows(&format!("{}\n{}", said.stdout, said.stderr), "localhost:5000");
        }
    }
}
