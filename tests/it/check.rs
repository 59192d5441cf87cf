//! The frame of the checks: one policy decides what a finding means, in every command and every form.

use serde_json::Value;

use crate::artifacts::{AMD64, base, elf, layout, war};
use crate::support::{Outcome, Project};
use crate::verdicts::{GLIBC, TEN};

/// A tree on a base that has no such user and no such program: two findings that are errors, and a warning.
fn two_errors() -> (Project, Project) {
    let on = base(&["linux/amd64"], "volumes = [\"/data\"]\n", &[("etc/passwd", "root:x:0:0::/:/bin/sh\n")]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"files\"\nkind = \"tree\"\n\
         root = \"/data/app\"\n\n[config]\nuser = \"nosuch\"\nentrypoint = [\"launch\"]\n",
        layout(&on)
    ));
    project.write("files/a", "");
    (on, project)
}

/// A program on a base that lacks a library.
fn one_error() -> (Project, Project) {
    let on = base(&["linux/amd64"], "", &[GLIBC]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
        layout(&on)
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"]));
    (on, project)
}

fn findings(outcome: &Outcome) -> Vec<Value> {
    outcome.json()["findings"].as_array().unwrap().clone()
}

/// The finding of this rule that is not met or not known.
#[track_caller]
fn finding(outcome: &Outcome, rule: &str) -> Value {
    let all = findings(outcome);
    let of_rule = |finding: &&Value| finding["rule"] == rule && finding["answer"] != "met";
    all.iter().find(of_rule).unwrap_or_else(|| panic!("{rule}: {all:#?}")).clone()
}

#[test]
fn one_error_lists_all_findings_that_are_errors() {
    let (_on, project) = two_errors();
    for command in ["build", "plan", "update"] {
        let said = project.pack(command).fails(1);
        assert_eq!(said.stderr.matches("error: ").count(), 2, "{command}: {said:?}");
        said.says(&[
            "the user nosuch in `config.user` is not in `/etc/passwd`",
            "[user-unknown]",
            "build.toml:12:8",
            "user = \"nosuch\"",
            "lacks `launch`, the program that starts it [entrypoint-missing]",
            "build.toml:13:14",
            "hint: ",
        ]);
    }
}

#[test]
fn a_single_finding_is_one_line_and_a_hint() {
    let (_on, project) = one_error();
    let said = project.pack("build").fails(1);
    let line = said.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(line.contains("`libshop.so.1`") && line.ends_with("[elf-library]"), "{line}");
    said.hints();
}

#[test]
fn a_rule_is_allowed_for_a_reason() {
    let (_on, project) = two_errors();
    let allowed = "\n[check]\nallow = { \"user-unknown\" = \"made when it starts\", \"entrypoint-missing\" = \"mounted\" }\n";
    project.append("build.toml", allowed);
    for command in ["build --json", "plan --json"] {
        let said = project.pack(command).ok();
        let user = finding(&said, "user-unknown");
        assert_eq!((user["level"].as_str(), user["answer"].as_str()), (Some("note"), Some("not-met")));
        assert_eq!(user["allowed"], "made when it starts");
        assert_eq!(user["setting"]["line"], 12);
    }
    project.pack("update").ok();
    // A build says nothing of it, a plan says the reason.
    let built = project.pack("build").ok();
    assert!(!built.stderr.contains("user-unknown"), "{built:?}");
    project
        .pack("plan")
        .ok()
        .says(&["note: the user nosuch", "[user-unknown], which is allowed: made when it starts"]);
}

#[test]
fn what_is_allowed_in_vain_is_said() {
    let project = Project::small();
    project.append("build.toml", "\n[check]\nallow = { \"secret\" = \"a key for tests\" }\n");
    for command in ["build", "build", "plan"] {
        let said = project.pack(command).ok();
        said.says(&[
            "note: `secret` is allowed (",
            "build.toml:",
            "), and no finding needs that: it can be removed",
        ]);
    }
    let said = project.pack("plan").args("--allow").arg("case-clash=a test").ok();
    said.says(&["`case-clash` is allowed (--allow case-clash=a test), and no finding"]);
}

#[test]
fn flags_allow_rules_and_take_warnings_for_errors() {
    let (_on, project) = two_errors();
    let mut run = project.pack("build");
    for rule in ["user-unknown", "entrypoint-missing"] {
        run = run.args("--allow").arg(format!("{rule}=a test"));
    }
    run.ok().says(&["warning: `/data/app/a` would be below `/data`"]);
    let mut run = project.pack("build --strict");
    for rule in ["user-unknown", "entrypoint-missing"] {
        run = run.args("--allow").arg(format!("{rule}=a test"));
    }
    run.fails(1).says(&["error: `/data/app/a` would be below `/data`", "[below-volume]"]).hints();
    for (wrong, text) in [
        ("nothing=x", "unknown rule `nothing`"),
        ("secrets=x", "did you mean `secret`?"),
        ("secret", "--allow \"secret=WHY\""),
        ("secret= ", "--allow \"secret=WHY\""),
    ] {
        project.pack("build").args("--allow").arg(wrong).fails(2).says(&[text]);
    }
}

#[test]
fn levels_decide_what_a_finding_is() {
    let (_on, project) = two_errors();
    let levels = |levels: &str| {
        let set = format!("check.levels={{ {levels} }}");
        project.pack("build --json").args("--set").arg(set)
    };
    let both = "user-unknown = \"warning\", entrypoint-missing = \"note\"";
    let said = levels(both).ok();
    assert_eq!(finding(&said, "user-unknown")["level"], "warning");
    assert_eq!(finding(&said, "entrypoint-missing")["level"], "note");
    assert_eq!(finding(&said, "below-volume")["level"], "warning");
    levels(&format!("{both}, below-volume = \"error\"")).fails(1).says(&["[below-volume]"]);
    let said = levels("user-unknown = \"off\", entrypoint-missing = \"off\", below-volume = \"off\"").ok();
    let none = |finding: &Value| finding["rule"] != "user-unknown" && finding["rule"] != "below-volume";
    assert!(findings(&said).iter().all(none), "{said:?}");
}

#[test]
fn a_wrong_policy_points_to_its_line() {
    let project = Project::small();
    let text = std::fs::read_to_string(project.path("build.toml")).unwrap();
    let line = text.lines().count() + 3;
    for (check, says) in [
        ("allow = { \"secrets\" = \"x\" }", "did you mean `secret`?"),
        ("allow = { \"secret\" = \"\" }", "a rule is allowed for a reason"),
        ("allow = { \"secret\" = true }", "must be a string"),
        ("levels = { \"nothing-like-it\" = \"off\" }", "`pack check --rules` lists the rules"),
        ("levels = { \"secret\" = \"warn\" }", "unknown level `warn`"),
    ] {
        project.write("build.toml", format!("{text}\n[check]\n{check}\n"));
        project.pack("build").fails(1).says(&[says, &format!("build.toml:{line}:")]).hints();
    }
}

/// An answer that is not known is a warning, unless the user wants certainty.
#[test]
fn certainty_can_be_asked_for() {
    let on = base(&["linux/amd64"], "", &[]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\n\n[app]\npath = \"shop.war\"\nroot = \"/srv/shop\"\n",
        layout(&on)
    ));
    project.write(
        "shop.war",
        war(&[("WEB-INF/classes/A.class", crate::artifacts::JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")]),
    );
    let level = |rule: &str, level: &str| {
        project.pack("plan --json").args("--set").arg(format!(
            "check.levels={{ {rule} = \"{level}\", java-version = \"off\", java-missing = \"off\" }}"
        ))
    };
    let said = level("servlet-api", "warning").ok();
    let servlet = finding(&said, "servlet-api");
    assert_eq!((servlet["answer"].as_str(), servlet["level"].as_str()), (Some("unknown"), Some("note")));
    level("servlet-api", "error").fails(1).says(&["[servlet-api]"]).hints();
}

#[test]
fn a_rebase_follows_the_same_policy_with_its_own_exit_code() {
    let old = base(&["linux/amd64"], "env = { JAVA_VERSION = \"21\" }\n", &[]);
    let new = base(&["linux/amd64"], "env = { JAVA_VERSION = \"17\" }\n", &[]);
    let project = Project::with(&crate::support::tree_on(&layout(&old)));
    project.write("files/a.txt", "a\n");
    project.pack("build -o oci:image").ok();
    let rebase = |more: &str| {
        project
            .pack("rebase oci:image:1 -t 2 --json")
            .arg("--base")
            .arg(layout(&new))
            .arg("--old-base")
            .arg(layout(&old))
            .args(more)
    };
    rebase("").fails(4).says(&["the new one Java 17 [java-version]", "--force"]);
    let said = rebase("--allow java-version=no-classes").ok();
    assert_eq!(finding(&said, "java-version")["allowed"], "no-classes");
    rebase("--force").ok().says(&["done all the same"]);
    let said = rebase("--allow java-version=x --allow secret=y").ok();
    said.says(&["`secret` is allowed (--allow secret=y), and no finding needs that"]);
}

#[test]
fn a_container_of_the_right_generation_has_no_finding() {
    let on = base(&["linux/amd64"], TEN, &[]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\n\n[app]\npath = \"shop.war\"\n",
        layout(&on)
    ));
    project.write(
        "shop.war",
        war(&[("WEB-INF/classes/A.class", crate::artifacts::JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")]),
    );
    let said = project.pack("plan --json --strict").ok();
    let is_wrong = |finding: &&Value| finding["answer"] != "met" && finding["level"] != "note";
    assert_eq!(findings(&said).iter().filter(is_wrong).count(), 0, "{said:?}");
}
