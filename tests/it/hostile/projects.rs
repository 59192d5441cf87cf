//! Build files and trees that were made to fill memory or to take for ever. Growth is counted, not timed.

use std::fmt::Write as _;

use crate::node::config_of;
use crate::support::{Project, tree_on};

/// Lines, each with its number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

fn with(settings: &str) -> Project {
    let project = Project::with(&(tree_on("scratch") + settings));
    project.write("files/a", "a");
    project
}

/// The sentences of the findings of a rule.
fn findings(project: &Project, rule: &str) -> Vec<String> {
    let report = project.pack("check --json").run().json();
    let all = report["findings"].as_array().unwrap().iter();
    let of_rule = all.filter(|finding| finding["rule"] == rule && finding["answer"] != "met");
    of_rule.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn secrets_of_many_variables_and_labels_are_told_in_part() {
    let form = ["ghp_", "8aspm4G7VmSUfOoD6V1vrORcmn0iSH", "2JWh3d"].concat();
    for table in ["env", "labels"] {
        let values = lines(3_000, |number| format!("A{number} = \"{form}\""));
        let told = findings(&with(&format!("[config.{table}]\n{values}")), "secret");
        assert_eq!(told.len(), 1_001, "{table}");
        assert_eq!(told[1_000], "there are 2000 more findings of the rule `secret`");
    }
}

/// The key of a build has a range as it is written, not each port of it: as many as here would be 650 million.
#[test]
fn many_ranges_of_all_ports_are_one() {
    let ranges = lines(10_000, |_| "\"1-65535\",".to_owned());
    let project = with(&format!("[config]\nports = [\n{ranges}]\n"));
    project.pack("build -o oci:out").ok();
    let config = config_of(&project);
    assert_eq!(config["ExposedPorts"].as_object().unwrap().len(), 65_535);
}

#[test]
fn a_hidden_file_is_told_of_many_volumes_in_part() {
    let volumes = lines(3_000, |number| format!("\"/srv/{number}\","));
    let base = Project::with(&format!(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\n[[layer]]\nname = \"l\"\ndirectories = [{{ path = \"/d\" }}]\n\
         [config]\nvolumes = [\n{volumes}]\n"
    ));
    base.pack("build -o oci:out").ok();
    let project = Project::with(&tree_on(&format!("oci:{}", base.path("out").display())));
    for number in 0..3_000 {
        project.write(&format!("files/{number}/a"), "a");
    }
    let told = findings(&project, "below-volume");
    assert_eq!(told.len(), 1_001);
    assert_eq!(told[1_000], "there are 2000 more findings of the rule `below-volume`");
}

/// A checkout of few bytes may have them: all files are one.
#[test]
fn long_paths_of_many_files_are_refused() {
    let project = with("");
    let files = project.path("files");
    let mut deep = std::fs::File::open(&files).unwrap();
    let name = "d".repeat(250);
    for _ in 0..14 {
        rustix::fs::mkdirat(&deep, &name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        deep = rustix::fs::openat(&deep, &name, flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let make = |range: std::ops::Range<usize>| {
        for number in range {
            rustix::fs::openat(&deep, number.to_string(), flags, rustix::fs::Mode::RUSR).unwrap();
        }
    };
    make(0..20_000);
    project.pack("plan").ok();
    make(20_000..30_000);
    let said = project.pack("plan").fails(1);
    said.says(&["the paths in `", "files` take more than 100 MiB"]).hints();
}

#[test]
fn one_tree_is_not_copied_without_end() {
    let project = Project::new();
    let copies = lines(3_000, |number| format!("{{ from = \"files/\", to = \"/q{number}/\" }},"));
    let head = "[image]\nname = \"localhost/a\"\nbase = \"scratch\"\n[[layer]]\nname = \"l\"\n";
    project.write("build.toml", format!("{head}files = [\n{copies}]\n"));
    for number in 0..1_000 {
        project.write(&format!("files/{number}"), "a");
    }
    project.pack("plan").fails(1).says(&["files/` take more than 100 MiB"]).hints();
}
