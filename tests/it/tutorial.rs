//! `docs/tutorial.md`, from its first command to its last, with the output that it shows.

use std::fs;
use std::path::Path;
use std::process::Command;

use pack_test_registry::Fake;

use crate::prose::shell_words;
use crate::support::{Project, REPOSITORY, Run};

/// A command of the page, and the lines that it shows below.
struct ShownCommand {
    line: String,
    output: Vec<String>,
}

fn commands() -> Vec<ShownCommand> {
    let page = fs::read_to_string(Path::new(REPOSITORY).join("docs/tutorial.md")).unwrap();
    let mut found: Vec<ShownCommand> = Vec::new();
    for block in page.split("\n```console\n").skip(1) {
        for line in block.split("\n```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(line), _) => found.push(ShownCommand { line: line.to_owned(), output: Vec::new() }),
                (None, Some(command)) => command.output.push(line.to_owned()),
                (None, None) => panic!("output before the first command: {line}"),
            }
        }
    }
    assert!(found.len() > 12, "{}", found.len());
    found
}

/// A line without what differs from run to run: widths of columns, times, the address of the registry.
fn plain(line: &str, address: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let is_time = word.ends_with('Z') && word.starts_with("20") && word.contains('T');
        if is_time { "TIME".to_owned() } else { word.replace(address, "localhost:5000") }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_tutorial_runs_from_its_first_line_to_its_last() {
    let fake = Fake::start().unwrap();
    let address = fake.address().to_string();
    let project = Project::bookstore();
    let file = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", file.replace("localhost:5000", &address));
    for ShownCommand { line, output } in commands() {
        let Some(arguments) = line.strip_prefix("pack ") else {
            let done = Command::new("sh").args(["-c", &line]).current_dir(project.root()).status().unwrap();
            assert!(done.success(), "{line}");
            continue;
        };
        let words = shell_words(&arguments.replace("localhost:5000", &address));
        let run = words.into_iter().fold(project.pack(""), Run::arg);
        let said = run.env("USER", "alice").run();
        // As of diff(1).
        let expected = if arguments.starts_with("diff ") { 1 } else { 0 };
        let said = said.has_code(expected);
        let printed: Vec<String> = said.stdout.lines().map(|line| plain(line, &address)).collect();
        for shown in output {
            assert!(
                printed.contains(&plain(&shown, "localhost:5000")),
                "`{line}` does not print {shown:?}: {said:?}"
            );
        }
    }
    assert_eq!(fake.tags("shop/app").len(), 0);
    let prod = fake.tag("shop/bookstore", "prod").expect("the environment");
    assert_eq!(Some(prod), fake.tag("shop/bookstore", "1.0"), "after the rollback");
}
