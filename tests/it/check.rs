//! The frame of the checks: one policy decides what a finding means, in every command and every form.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::artifacts::{AMD64, base, elf, layout, war};
use crate::real::peers::peer;
use crate::registry::Served;
use crate::support::{Outcome, Project, REPOSITORY, chmod, files_below, json, tree_on, without_codes};
use crate::verdicts::{GLIBC, TEN, lock_of};

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
        assert_eq!(without_codes(&said.stderr).matches("error: ").count(), 2, "{command}: {said:?}");
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
    let line = said.stderr.lines().find(|line| line.starts_with("error[check-failed]: ")).unwrap();
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
    let project = Project::with(&tree_on(&layout(&old)));
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
    let allow = "no-entrypoint=the base is a sketch";
    let said = project.pack("plan --json --strict").arg("--allow").arg(allow).ok();
    let is_wrong = |finding: &&Value| finding["answer"] != "met" && finding["level"] != "note";
    assert_eq!(findings(&said).iter().filter(is_wrong).count(), 0, "{said:?}");
}

/// All files below a directory, with their content.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(directory).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_check_tells_all_and_ends_with_the_verdict() {
    let (_on, project) = two_errors();
    let said = project.pack("check").run().has_code(1);
    assert!(!said.stderr.contains("error"), "{said:?}");
    for text in [
        "error[user-unknown]: the user nosuch",
        "build.toml:12:8",
        "error[entrypoint-missing]: the image lacks `launch`",
        "warning[below-volume]: `/data/app/a` would be below `/data`",
        "note[no-healthcheck]: ",
        "  hint: ",
        "localhost/app: 2 errors, 1 warning, 1 note, ",
    ] {
        assert!(said.stdout.contains(text), "{text}: {said:?}");
    }
    assert!(!said.stdout.contains("met["), "{said:?}");
    let verbose = project.pack("check -v").run().has_code(1);
    assert!(verbose.stdout.contains("met[runs-as-root]: the image runs as the user `nosuch`"), "{verbose:?}");
    assert!(verbose.stdout.contains("  evidence: "), "{verbose:?}");
    let json = project.pack("check --json").run().has_code(1);
    assert_eq!(json.json()["summary"]["errors"], 2);
    assert_eq!(finding(&json, "user-unknown")["setting"]["line"], 12);
    // The remedy that it names works.
    project.append("build.toml", "\n[check]\nlevels = { \"below-volume\" = \"off\" }\n");
    let fixed = project.pack("check --set config.user=1000 --set config.entrypoint=[]").ok();
    assert!(fixed.stdout.contains("localhost/app: 0 errors, 0 warnings"), "{fixed:?}");
}

#[test]
fn a_check_writes_nothing() {
    let on = base(&["linux/amd64"], "", &[GLIBC]);
    let served = Served::start();
    served.add("base", &on.path("layout"));
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\n\n[app]\npath = \"server\"\n",
        served.name("base")
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"]));
    let before = content(&project.root());
    for command in ["check", "check --deep", "check --push --json", "check --format sarif"] {
        served.take_log();
        let said = project.pack(command).run();
        assert!(matches!(said.code, Some(0 | 1)), "{command}: {said:?}");
        assert_eq!(content(&project.root()), before, "{command}");
        let asked = served.take_log();
        let writes =
            |line: &&String| ["POST ", "PUT ", "PATCH ", "DELETE "].iter().any(|verb| line.contains(verb));
        assert_eq!(asked.iter().find(writes), None, "{command}");
    }
    let info = project.pack("cache info --json").ok().json();
    assert_eq!(info["usage"]["images"], serde_json::json!([]), "a check sets no name");
    // The file that is asked for is the only one.
    project.pack("check --sarif found.sarif").run();
    let mut files: BTreeSet<PathBuf> = content(&project.root()).into_keys().collect();
    assert!(files.remove(&project.path("found.sarif")));
    assert_eq!(files, before.into_keys().collect());
}

#[test]
fn a_deep_check_reads_the_layers_of_the_base() {
    let on = base(&["linux/amd64"], "", &[GLIBC]);
    let served = Served::start();
    served.add("base", &on.path("layout"));
    let name = served.name("base");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{name}\"\n\n[app]\npath = \"server\"\n"
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"])).write("build.lock", lock_of(&name));
    let lock = fs::read(project.path("build.lock")).unwrap();
    let blobs = || served.take_log().into_iter().filter(|line| line.contains("/blobs/")).count();
    blobs();
    let open = project.pack("check --json").ok();
    assert_eq!(finding(&open, "elf-library")["answer"], "unknown");
    assert_eq!(blobs(), 0, "no layer is read");
    project.pack("check --strict").run().has_code(1);
    let deep = project.pack("check --deep --json").run().has_code(1);
    assert_eq!(finding(&deep, "elf-library")["answer"], "not-met");
    assert!(blobs() > 0);
    assert_eq!(fs::read(project.path("build.lock")).unwrap(), lock);
}

#[test]
fn what_cannot_be_assembled_is_no_finding() {
    let project = Project::small();
    project.write("build.toml", tree_on("scratch").replace("\"files\"", "\"nothing-there\""));
    for command in ["check", "check --json", "check --format sarif"] {
        let said = project.pack(command).fails(1);
        assert!(said.stdout.is_empty(), "{said:?}");
    }
}

#[test]
fn rules_are_listed_and_explained() {
    let project = Project::new();
    let all = project.pack("check --rules --json").ok().json();
    let names: Vec<String> =
        all.as_array().unwrap().iter().map(|rule| crate::support::text(&rule["rule"])).collect();
    assert!(names.len() > 30, "{names:?}");
    let text = project.pack("check --rules").ok().stdout;
    for name in names {
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(&name)), "{name}: {text}");
        let said = project.pack("check --explain").arg(&name).ok();
        assert!(said.stdout.starts_with(&name), "{said:?}");
    }
    project.pack("check --explain secrets").fails(2).says(&["did you mean `secret`?"]);
    project.pack("check --rules --deep").fails(2);
}

/// The required properties of the SARIF schema, and the rules of the standard that no schema can say.
#[test]
fn the_log_is_sarif() {
    let (_on, project) = two_errors();
    project.append("build.toml", "\n[check]\nallow = { \"user-unknown\" = \"made when it starts\" }\n");
    let said = project.pack("check --format sarif --sarif found.sarif").run().has_code(1);
    let log = said.json();
    assert_eq!(json(&fs::read_to_string(project.path("found.sarif")).unwrap()), log);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "pack");
    let rules = driver["rules"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for rule in rules {
        assert!(ids.insert(rule["id"].as_str().unwrap()), "{rule}");
        for key in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[key]["text"].as_str().unwrap().ends_with('.'), "{rule}");
        }
        assert!(
            ["note", "warning", "error"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
        );
        assert!(!rule.to_string().contains("://"), "{rule}");
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 3, "{log:#}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let (kind, level) = (result["kind"].as_str().unwrap(), result["level"].as_str().unwrap());
        assert!(["fail", "open"].contains(&kind) && ["none", "note", "warning", "error"].contains(&level));
        assert!(kind == "fail" || level == "none", "only a failure has a level: {result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with('/') && !uri.contains(' '), "{uri}");
        if let Some(region) = location["region"].as_object() {
            assert!(region["startLine"].as_u64() > Some(0) && region["startColumn"].as_u64() > Some(0));
        }
        let prints = result["partialFingerprints"].as_object().unwrap();
        assert!(prints.values().all(|print| print.as_str().is_some_and(|print| print.len() == 32)));
        for suppression in result["suppressions"].as_array().into_iter().flatten() {
            assert_eq!(suppression["kind"], "external");
        }
    }
    let of = |rule: &str| results.iter().find(|result| result["ruleId"] == rule).unwrap();
    let user = of("user-unknown");
    assert_eq!(user["suppressions"][0]["justification"], "made when it starts");
    assert_eq!(user["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "build.toml");
    assert_eq!(user["locations"][0]["physicalLocation"]["region"]["startLine"], 12);
    assert!(of("entrypoint-missing")["suppressions"].is_null());
    // A line more above changes the line and no fingerprint.
    let text = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", format!("# A comment.\n{text}"));
    let later = project.pack("check --format sarif").run().has_code(1).json();
    let print = |log: &Value| {
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(print(&later), print(&log));
    assert_ne!(later["runs"][0]["results"], log["runs"][0]["results"]);
    let shown = project.pack("check --rules --format sarif").fails(2);
    shown.hints();
}

/// Errors of a document by the schema, each in a line, as a library of Python finds them.
pub(crate) fn schema_errors(python: &Path, schema: &Path, document: &Value) -> String {
    const JUDGE: &str = "import json, sys\n\
        sys.path.insert(0, sys.argv[1])\n\
        from jsonschema import validators\n\
        schema = json.load(open(sys.argv[2]))\n\
        validator = validators.validator_for(schema)\n\
        validator.check_schema(schema)\n\
        for error in validator(schema).iter_errors(json.load(sys.stdin)):\n\
        \x20   print(error.json_path, error.message)\n";
    let mut judge = Command::new("python3")
        .args(["-c", JUDGE])
        .arg(python)
        .arg(schema)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let said = judge.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// The schema of OASIS takes the logs. It checks no forms of texts, such as those of URIs: `the_log_is_sarif` does.
#[test]
fn the_schema_of_the_standard_takes_the_log() {
    let Some(schema) = peer("sarif/schema.json") else { return };
    let schema_errors =
        |schema: &Path, log: &Value| schema_errors(&schema.with_file_name("python"), schema, log);
    let (_on, errors) = two_errors();
    errors.append("build.toml", "\n[check]\nallow = { \"user-unknown\" = \"made when it starts\" }\n");
    let (on, program) = one_error();
    // Questions that stay open, a secret in a file, and no finding at all.
    let served = Served::start();
    served.add("base", &on.path("layout"));
    let open = Project::with(&tree_on(&served.name("base")));
    open.write("files/a", "").pack("build").ok();
    fs::remove_dir_all(open.cache()).unwrap();
    let secret = Project::small();
    secret.write("files/.npmrc", "//r.test/:_authToken=k3jsd8fj2lk\n");
    let clean = Project::small();
    let mut kinds = BTreeSet::new();
    for (project, line) in [
        (&errors, "check --format sarif"),
        (&program, "check --format sarif"),
        (&open, "check --format sarif --set config.entrypoint=[\"/bin/serve\"]"),
        (&secret, "check --format sarif"),
        (&clean, "check --format sarif --allow no-entrypoint=data"),
    ] {
        let log = project.pack(line).run().json();
        assert_eq!(schema_errors(&schema, &log), "", "{log:#}");
        let results = log["runs"][0]["results"].as_array().unwrap();
        kinds.extend(results.iter().map(|result| result["kind"].as_str().unwrap().to_owned()));
        // The schema is strict: what it does not have is told.
        let mut wrong = log.clone();
        wrong["runs"][0]["tool"]["driver"]["rule"] = Value::Null;
        assert!(schema_errors(&schema, &wrong).starts_with("$.runs[0].tool.driver "));
    }
    assert!(kinds.contains("fail") && kinds.contains("open"), "{kinds:?}");
}

/// Text, JSON and SARIF say the same of one finding.
#[test]
fn all_forms_say_the_same() {
    let (_on, project) = one_error();
    let text = project.pack("check").run().has_code(1).stdout;
    let of_json = finding(&project.pack("check --json").run().has_code(1), "elf-library");
    let log = project.pack("check --format sarif").run().has_code(1).json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["ruleId"] == "elf-library").unwrap();
    let message = of_json["message"].as_str().unwrap();
    assert!(text.contains(&format!("error[elf-library]: {message}\n")), "{text}");
    assert!(result["message"]["text"].as_str().unwrap().starts_with(message));
    assert_eq!((&of_json["level"], &result["level"]), (&"error".into(), &"error".into()));
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "server");
    let refused = project.pack("build").fails(1);
    assert!(refused.stderr.contains(&format!("error[check-failed]: {message} [elf-library]")), "{refused:?}");
}

/// A program that wants another loader, whose path is as long as the usual one.
fn with_loader(loader: &str) -> Vec<u8> {
    const USUAL: &[u8] = b"/lib64/ld-linux-x86-64.so.2";
    assert_eq!(loader.len(), USUAL.len());
    let mut program = elf(AMD64, &["libshop.so.1"]);
    let at = program.windows(USUAL.len()).position(|part| part == USUAL).unwrap();
    program[at..at + USUAL.len()].copy_from_slice(loader.as_bytes());
    program
}

#[test]
fn a_loader_is_a_program_that_the_user_may_start() {
    let (_on, project) = one_error();
    let library = ("usr/lib/libshop.so.1", "");
    let on = base(&["linux/amd64"], "", &[GLIBC, library, ("usr/share/texts/ld-text.tx", "a text\n")]);
    let base = format!("--base {}", layout(&on));
    project.pack("check").args(&base).ok();
    // The files of a base that are not named as libraries are not looked into.
    project.write("server", with_loader("/usr/share/texts/ld-text.tx"));
    let said = project.pack("check --json").args(&base).ok();
    let found = finding(&said, "elf-interpreter");
    assert_eq!(found["answer"], "unknown", "{found}");
    let said = project.pack("check").args(&base).ok();
    assert!(said.stdout.contains("`/usr/share/texts/ld-text.tx` of the base"), "{said:?}");
    project.pack("build --strict").args(&base).fails(1).says(&["[elf-interpreter]"]);
    project.write("server", with_loader("/lib64/ld-linux-x86-64.so.2"));
    for (mode, user, fits) in
        [(0o644, "0", false), (0o644, "1000", false), (0o700, "0", true), (0o755, "1000", true)]
    {
        chmod(&on.path(&format!("files/{}", GLIBC.0)), mode);
        on.pack("build -o oci:layout").ok();
        let run = project.pack("build").args(&base).arg("--set").arg(format!("config.user=\"{user}\"")).run();
        assert_eq!(run.code == Some(0), fits, "{mode:o}: {run:?}");
        if !fits {
            run.says(&["[elf-interpreter]", "not executable for the user"]);
        }
    }
}

#[test]
fn what_no_container_can_start_is_found() {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/run", elf(AMD64, &[]));
    let mut empty = elf(AMD64, &[]);
    empty[56..58].copy_from_slice(&[0, 0]);
    project.write("files/empty", &empty);
    let at = |number: usize| 64 + number * 56;
    let mut nothing = elf(AMD64, &[]);
    for number in 0..3 {
        if nothing[at(number)..at(number) + 4] == [1, 0, 0, 0] {
            nothing[at(number)] = 4;
        }
    }
    let mut askew = elf(AMD64, &[]);
    for number in 0..3 {
        if askew[at(number)..at(number) + 4] == [1, 0, 0, 0] {
            askew[at(number) + 16] ^= 8;
        }
    }
    assert!(nothing != askew && nothing != elf(AMD64, &[]) && askew != elf(AMD64, &[]));
    project.write("files/nothing", &nothing).write("files/askew", &askew);
    for name in ["run", "empty", "nothing", "askew"] {
        chmod(&project.path(&format!("files/{name}")), 0o755);
    }
    let root = project.pack("plan --json").ok().json();
    assert!(root["images"].is_array());
    for (set, says) in [
        ("config.entrypoint=[\"/srv/run\"]", None),
        ("config.entrypoint=[\"/srv/run/\"]", Some("`/srv/run/`, the program that starts it, ends as only")),
        ("config.entrypoint=[\"/srv/run/.\"]", Some("ends as only the path of a directory may")),
        ("config.entrypoint=[\"/srv/empty\"]", Some("has no program headers")),
        ("config.entrypoint=[\"/srv/nothing\"]", Some("has no segments that the kernel can load")),
        ("config.entrypoint=[\"/srv/askew\"]", Some("has no segments that the kernel can load")),
        ("config.workdir=\"/srv\"", None),
        ("config.workdir=\"/nowhere\"", None),
        (
            "config.workdir=\"/srv/run\"",
            Some("`/srv/run`, the directory in which a container starts, is a file"),
        ),
        (
            "config.workdir=\"/srv/run/x/y\"",
            Some(
                "`/srv/run/x/y`, the directory in which a container starts, is below a file in the image: `/srv/run`",
            ),
        ),
    ] {
        let run = project.pack("build").arg("--set").arg(set).run();
        match says {
            None => assert_eq!(run.code, Some(0), "{set}: {run:?}"),
            Some(says) => {
                run.has_code(1).says(&[says, "[entrypoint-missing]"]).hints();
            }
        }
    }
}

#[test]
fn a_program_whose_headers_are_not_understood_cannot_be_known() {
    let project = Project::with(&tree_on("scratch"));
    let mut strange = elf(AMD64, &[]);
    // Program headers of another length than this format has.
    strange[54..56].copy_from_slice(&57_u16.to_le_bytes());
    project.write("files/run", &strange);
    chmod(&project.path("files/run"), 0o755);
    let run = |command: &str| project.pack(command).arg("--set").arg("config.entrypoint=[\"/srv/run\"]");
    let said = run("check --json").ok();
    let found = finding(&said, "entrypoint-not-executable");
    assert_eq!((&found["answer"], &found["level"]), (&"unknown".into(), &"warning".into()), "{found}");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("its ELF headers are not understood"), "{message}");
    run("build").ok().says(&["warning", "[entrypoint-not-executable]"]);
    run("build --strict").fails(1).says(&["[entrypoint-not-executable]"]).hints();
    run("build --strict").arg("--allow").arg("entrypoint-not-executable=it runs").ok();
}

#[test]
fn a_program_in_a_volume_cannot_be_known() {
    let on = base(&["linux/amd64"], "volumes = [\"/base\"]\n", &[("x", "")]);
    let project = Project::with(&tree_on(&layout(&on)));
    project.write("files/script", "#!/data/bin/python\n").write("files/run", elf(AMD64, &[]));
    for name in ["script", "run"] {
        chmod(&project.path(&format!("files/{name}")), 0o755);
    }
    std::os::unix::fs::symlink("/data/bin/x", project.path("files/link")).unwrap();
    let run = |command: &str, entrypoint: &str, more: &str| {
        let run = project.pack(command).arg("--set").arg(format!("config.entrypoint={entrypoint}"));
        let run = run.arg("--set").arg("config.volumes=[\"/data\", \"/var/run\"]");
        if more.is_empty() { run } else { run.arg("--set").arg(more.to_owned()) }
    };
    for (entrypoint, more, volume) in [
        ("[\"/data/run.sh\"]", "", "/data"),
        ("[\"/base/x/run.sh\"]", "", "/base"),
        ("[\"run.sh\"]", "config.env={ PATH = \"/bin:/data/bin\" }", "/data"),
        ("[\"./run.sh\"]", "config.workdir=\"/data\"", "/data"),
        ("[\"/srv/script\"]", "", "/data"),
        ("[\"/srv/run\"]", "config.healthcheck={ cmd = [\"/data/check\"] }", "/data"),
    ] {
        run("build --strict", entrypoint, more).ok();
        let said = findings(&run("check --json", entrypoint, more).ok());
        let unknown: Vec<&Value> = said.iter().filter(|finding| finding["answer"] == "unknown").collect();
        let [one] = unknown[..] else { panic!("{entrypoint}: {said:#?}") };
        assert_eq!(one["level"], "note");
        let message = one["message"].as_str().unwrap();
        assert!(message.contains(&format!("in the volume `{volume}`")), "{message}");
    }
    // Of a link that leads there, no more is known.
    run("build", "[\"/srv/link\"]", "").ok();
    for missing in ["[\"/data2/run.sh\"]", "[\"/srv/run.sh\"]"] {
        run("build", missing, "").fails(1).says(&["[entrypoint-missing]"]);
    }
}

#[test]
fn the_program_of_a_health_check_is_in_the_image() {
    let on = base(&["linux/amd64"], "", &[("bin/sh", "a shell"), ("usr/bin/wget", "a program")]);
    for program in ["bin/sh", "usr/bin/wget"] {
        chmod(&on.path(&format!("files/{program}")), 0o755);
    }
    on.pack("build -o oci:layout").ok();
    let project = Project::with(&tree_on(&layout(&on)));
    project.write("files/a", "");
    for (command, lacks) in [
        ("[\"curl\", \"-f\", \"http://localhost\"]", Some("curl")),
        ("[\"wget\", \"http://localhost\"]", None),
        ("\"curl -f http://localhost || exit 1\"", Some("curl")),
        ("\"wget -q http://localhost || exit 1\"", None),
        ("\"test -e /srv/a\"", None),
        ("\"X=1 curl http://localhost\"", None),
        ("[\"/srv/check\"]", Some("/srv/check")),
    ] {
        let set = format!("config.healthcheck={{ cmd = {command} }}");
        let said = project.pack("build").arg("--set").arg(&set).ok();
        let says = lacks.map(|program| {
            format!("warning: the image lacks `{program}`, the program of `config.healthcheck`")
        });
        match says {
            Some(says) => {
                said.says(&[&says, "[entrypoint-missing]; use a base that has it"]);
            }
            None => assert!(!said.stderr.contains("entrypoint-missing"), "{command}: {said:?}"),
        }
    }
}

/// A tree on a base with this configuration, started by a program.
fn started(config: &str) -> (Project, Project) {
    let program = "\n[[layer]]\nname = \"program\"\nfiles = [{ from = \"files/run\", to = \"/bin/run\", mode = \"0755\" }]\n";
    let on = base(&["linux/amd64"], &format!("{config}{program}"), &[("run", "#!/bin/run\n")]);
    let project = Project::with(&tree_on(&layout(&on)));
    project.write("files/a.txt", "a\n");
    (on, project)
}

const PROGRAM: &str = "entrypoint = [\"/bin/run\"]\n";

/// The answer of a rule about the configuration, with these settings; `None` where the rule says nothing.
fn answer(project: &Project, rule: &str, set: &[&str]) -> Option<String> {
    let mut run = project.pack("check --json");
    for set in set {
        run = run.arg("--set").arg(*set);
    }
    let all = findings(&run.ok());
    let found = all.iter().find(|finding| finding["rule"] == rule)?;
    assert!(found["answer"] == "met" || found["level"] == "note", "{found}");
    found["answer"].as_str().map(str::to_owned)
}

#[test]
fn an_image_that_runs_as_root_is_noted() {
    let (_on, project) = started(PROGRAM);
    let rule = "runs-as-root";
    for user in ["0", "0:0", "00"] {
        let set = format!("config.user={user}");
        assert_eq!(answer(&project, rule, &[&set]).as_deref(), Some("not-met"), "{user}");
    }
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("not-met"));
    for user in ["1000", "1000:0"] {
        assert_eq!(answer(&project, rule, &[&format!("config.user={user}")]).as_deref(), Some("met"));
    }
    // The user of the base counts.
    let (_on, project) = started(&format!("{PROGRAM}user = \"1000\"\n"));
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("met"));
    assert_eq!(answer(&project, rule, &["config.user=0"]).as_deref(), Some("not-met"));
    // Data alone runs as no user.
    assert_eq!(answer(&Project::small(), rule, &[]), None);
}

#[test]
fn an_image_without_a_health_check_is_noted() {
    let (_on, project) = started(PROGRAM);
    let rule = "no-healthcheck";
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("not-met"));
    assert_eq!(answer(&project, rule, &["config.healthcheck={ cmd = \"true\" }"]).as_deref(), Some("met"));
    assert_eq!(answer(&project, rule, &["config.healthcheck=false"]).as_deref(), Some("met"));
    let (_on, project) = started(&format!("{PROGRAM}healthcheck = {{ cmd = [\"/bin/run\"] }}\n"));
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("met"));
}

#[test]
fn a_port_that_only_root_may_listen_on_is_noted() {
    let (_on, project) = started(PROGRAM);
    let rule = "privileged-port";
    assert_eq!(answer(&project, rule, &[]), None);
    assert_eq!(answer(&project, rule, &["config.ports=[80]"]).as_deref(), Some("met"), "as root");
    let user = "config.user=1000";
    assert_eq!(answer(&project, rule, &[user, "config.ports=[8080, 80]"]).as_deref(), Some("not-met"));
    assert_eq!(answer(&project, rule, &[user, "config.ports=[\"1023-1025\"]"]).as_deref(), Some("not-met"));
    assert_eq!(answer(&project, rule, &[user, "config.ports=[1024, 8080]"]).as_deref(), Some("met"));
    let (_on, project) = started(&format!("{PROGRAM}ports = [80]\n"));
    assert_eq!(answer(&project, rule, &[user]).as_deref(), Some("not-met"), "a port of the base");
}

#[test]
fn an_image_that_starts_nothing_is_warned_of() {
    let rule = "no-entrypoint";
    let (_on, project) = started(PROGRAM);
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("met"));
    let data = Project::small();
    let found = finding(&data.pack("check --json").ok(), rule);
    assert_eq!((found["answer"].as_str(), found["level"].as_str()), (Some("not-met"), Some("warning")));
    data.pack("plan --strict")
        .fails(1)
        .says(&["a container of the image starts nothing", "[no-entrypoint]"])
        .hints();
    // The ways out work.
    data.pack("plan --strict").arg("--allow").arg("no-entrypoint=it holds data").ok();
    data.pack("plan --strict").arg("--set").arg("config.entrypoint=[]").ok();
    data.pack("plan --strict").arg("--allow").arg("entrypoint-missing=x").fails(1);
    data.write("files/run", "#!/run\n");
    let set = "config.entrypoint=[\"/run\"]";
    data.pack("plan --strict --set app.root=/ --set app.mode=0755").arg("--set").arg(set).ok();
    // So is one of layers alone.
    let layers = "[image]\nname = \"localhost/x\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n\
                  [[layer]]\nname = \"x\"\nfiles = [{ from = \"a.txt\", to = \"/a.txt\" }]\n";
    let layers = Project::with(layers);
    layers.write("a.txt", "a");
    layers.pack("build --strict").fails(1).says(&["[no-entrypoint]"]);
    layers.pack("build").ok().says(&["warning", "starts nothing"]);
}

#[test]
fn a_base_without_a_version_is_noted() {
    let on = base(&["linux/amd64"], "", &[]);
    let served = Served::start();
    served.add("base", &on.path("layout"));
    served.add_tag("base", "latest", &on.path("layout"));
    let rule = "base-latest";
    let (version, latest) = (served.name("base"), served.name("base").replace("/base:1", "/base:latest"));
    let project = Project::with(&tree_on(&latest));
    project.write("files/a.txt", "a\n");
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("not-met"));
    let bare = latest.trim_end_matches(":latest");
    assert_eq!(answer(&project, rule, &[&format!("image.base={bare}")]).as_deref(), Some("not-met"));
    assert_eq!(answer(&project, rule, &[&format!("image.base={version}")]).as_deref(), Some("met"));
    // The hint works.
    project.pack("update").ok();
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("met"), "the lock holds it");
    fs::remove_file(project.path("build.lock")).unwrap();
    assert_eq!(answer(&project, rule, &[]).as_deref(), Some("not-met"));
    assert_eq!(answer(&project, rule, &[&format!("image.base={}", layout(&on))]), None, "on this machine");
    assert_eq!(answer(&Project::small(), rule, &[]), None, "no base");
}

/// Notes of advice do not disturb a build, and can be made to.
#[test]
fn advice_is_quiet_in_a_build_unless_it_is_raised() {
    let (_on, project) = started(PROGRAM);
    let built = project.pack("build").ok();
    assert!(!built.stderr.contains("root") && !built.stderr.contains("health"), "{built:?}");
    project.pack("plan").ok().says(&["note: the image runs as root", "[runs-as-root]"]);
    let all = findings(&project.pack("build --json").ok());
    assert!(all.iter().any(|finding| finding["rule"] == "runs-as-root" && finding["level"] == "note"));
    let raised = |level: &str| {
        project.pack("build").arg("--set").arg(format!("check.levels={{ runs-as-root = \"{level}\" }}"))
    };
    raised("warning").ok().says(&["warning: the image runs as root"]);
    raised("error").fails(1).says(&["[runs-as-root]"]).hints();
}

/// A build of the same inputs checks nothing: what it says is remembered.
#[test]
fn an_unchanged_build_checks_nothing() {
    let (_on, project) = started(PROGRAM);
    let build = || {
        let said = project.pack("build --json --timings=t.json").ok();
        let times = fs::read_to_string(project.path("t.json")).unwrap();
        (findings(&said), times.matches("checks of one family").count(), times)
    };
    for file in files_below(&project.root()) {
        crate::support::settle(&file);
    }
    let (first, checks, times) = build();
    assert!(checks > 3, "{times}");
    for family in ["configuration", "user", "files that artifacts need"] {
        assert!(times.contains(family), "{family}: {times}");
    }
    let mut last = build();
    // The first build writes the lock, which is an input of the second.
    if last.1 > 0 {
        last = build();
    }
    let (again, checks, times) = last;
    assert_eq!(checks, 0, "{times}");
    assert_eq!(again, first);
}

/// Each rule and the tests on real files that show it: one in which it fires, and one in which it does not. A test is
/// `FILE::NAME`, of a file in `tests/it` or of a path in the repository.
const TESTED: &[(&str, &str, &str)] = &[
    ("elf-architecture", MATRIX, MATRIX),
    ("elf-interpreter", MATRIX, MATRIX),
    ("elf-libc", MATRIX, MATRIX),
    ("elf-library", MATRIX, "verdicts::libraries_are_found_where_a_loader_looks"),
    ("elf-symbol-version", MATRIX, MATRIX),
    ("servlet-api", MATRIX, MATRIX),
    (
        "servlet-container",
        "verdicts::a_rebase_says_the_same_whatever_the_store_holds",
        "src/release/rebase/tests.rs::what_excludes_each_other",
    ),
    ("java-missing", "verdicts::a_base_without_java_is_named_with_one_that_has_it", MATRIX),
    ("java-version", MATRIX, "verdicts::the_newest_class_of_an_application_decides"),
    ("python-version", PYTHON, PYTHON),
    ("python-abi", MATRIX, MATRIX),
    ("node-version", MATRIX, MATRIX),
    ("node-abi", MATRIX, MATRIX),
    ("module-missing", MATRIX, "node::what_a_bundle_loads_only_now_and_then_is_not_asked_for"),
    ("entrypoint-missing", MATRIX, MATRIX),
    ("no-entrypoint", NOTHING, NOTHING),
    ("entrypoint-not-executable", STARTED, STARTED),
    ("entrypoint-no-shell", SHELL, SHELL),
    ("user-cannot-read", READ, READ),
    ("user-cannot-write", WRITE, WRITE),
    (
        "user-unknown",
        "artifacts::a_user_is_one_that_the_image_has",
        "artifacts::a_user_is_one_that_the_image_has",
    ),
    ("ca-certificates", CERTIFICATES, CERTIFICATES),
    (
        "below-volume",
        "artifacts::a_file_below_a_volume_of_the_base_is_warned_of",
        "artifacts::a_file_below_a_volume_of_the_base_is_warned_of",
    ),
    (
        "secret",
        "check_content::secrets_are_refused_and_never_told",
        "check_content::placeholders_public_keys_and_examples_are_no_secrets",
    ),
    ("build-path", BUILD_PATH, BUILD_PATH),
    ("mutable-data", DATA, DATA),
    ("baked-address", DATA, DATA),
    ("clobbers-base", CLOBBERS, CLOBBERS),
    ("duplicate-library", LIBRARIES, LIBRARIES),
    ("jar-signature", JARS, JARS),
    ("jar-duplicate", JARS, JARS),
    ("case-clash", CASE, CASE),
    ("privileged-port", PORT, PORT),
    ("runs-as-root", ROOT, ROOT),
    ("no-healthcheck", HEALTH, HEALTH),
    ("base-latest", LATEST, LATEST),
];

/// Tests that show both.
const MATRIX: &str = "verdicts::build_and_plan_say_the_same_whatever_the_store_holds";
const PYTHON: &str = "python::a_base_needs_the_python_of_the_environment";
const STARTED: &str = "verdicts::the_program_that_starts_an_image_can";
const SHELL: &str = "users::a_start_script_needs_its_shell_and_line_ends_of_unix";
const READ: &str = "users::files_that_the_user_cannot_read_are_told";
const WRITE: &str = "users::directories_that_the_user_cannot_write_to_are_told";
const CERTIFICATES: &str = "src/artifact/tests.rs::a_client_without_certificates_is_warned_of";
const BUILD_PATH: &str = "check_content::paths_of_the_build_machine_are_told_where_they_are_read";
const DATA: &str = "check_content::data_and_addresses_are_told_outside_of_volumes_and_packages";
const CLOBBERS: &str = "check_content::replaced_files_of_the_base_are_told";
const LIBRARIES: &str = "check_content::two_versions_of_a_library_are_told_and_classifiers_are_not";
const JARS: &str = "check_content::jars_that_java_refuses_are_told";
const CASE: &str = "check_content::names_that_differ_by_case_are_told";
const PORT: &str = "check::a_port_that_only_root_may_listen_on_is_noted";
const ROOT: &str = "check::an_image_that_runs_as_root_is_noted";
const HEALTH: &str = "check::an_image_without_a_health_check_is_noted";
const NOTHING: &str = "check::an_image_that_starts_nothing_is_warned_of";
const LATEST: &str = "check::a_base_without_a_version_is_noted";

/// Rules of the catalogue that no check has findings of yet.
const NOT_YET: &[&str] = &[];

/// The rules and their levels.
fn all_rules() -> Vec<(String, String)> {
    let all = Project::new().pack("check --rules --json").ok().json();
    let text = crate::support::text;
    all.as_array().unwrap().iter().map(|rule| (text(&rule["rule"]), text(&rule["level"]))).collect()
}

/// Whether a source outside of the table of rules names the variant of a rule.
fn is_used(rule: &str, sources: &[String]) -> bool {
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let variant = format!("Rule::{}", rule.split('-').map(capital).collect::<String>());
    let is_word = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric());
    sources.iter().any(|source| source.split(&variant).skip(1).any(is_word))
}

#[test]
fn each_rule_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let folders = ["src/engine/check", "src/artifact", "src/release"];
    let files = folders.iter().flat_map(|folder| files_below(&Path::new(REPOSITORY).join(folder)));
    let sources: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let rules: BTreeSet<String> = all_rules().into_iter().map(|(rule, _)| rule).collect();
    for rule in &rules {
        let is_tested = TESTED.iter().any(|(tested, _, _)| tested == rule);
        let is_left = NOT_YET.contains(&rule.as_str());
        assert!(
            is_tested || (is_left && !is_used(rule, &sources)),
            "`{rule}` has findings: take it out of `NOT_YET`, and add a row to `TESTED` with a test in which it fires \
             and one in which it does not; its row in docs/checks.md, \"Rules\", has its level in the second column"
        );
        assert!(!(is_tested && is_left), "`{rule}` is tested: take it out of `NOT_YET`");
    }
    for (rule, positive, negative) in TESTED {
        assert!(rules.contains(*rule), "there is no rule `{rule}`");
        for test in [positive, negative] {
            let (file, name) = test.rsplit_once("::").unwrap();
            let path = if file.contains('/') { file.to_owned() } else { format!("tests/it/{file}.rs") };
            let text = fs::read_to_string(Path::new(REPOSITORY).join(&path)).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "`{rule}`: {path} has no test `{name}`");
        }
    }
}

#[test]
fn each_rule_has_its_row_in_the_documentation() {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("docs/checks.md")).unwrap();
    let section = text.split("\n## Rules\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: BTreeMap<&str, &str> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.trim_end_matches('`'), cells.next()?))
        })
        .collect();
    for (rule, level) in all_rules() {
        match rows.get(rule.as_str()) {
            Some(found) => assert_eq!(*found, level, "docs/checks.md: the level of `{rule}`"),
            None => assert!(
                NOT_YET.contains(&rule.as_str()),
                "docs/checks.md, \"Rules\", needs a row `| \u{60}{rule}\u{60} | {level} | requirement | looked for in |`"
            ),
        }
    }
}

/// A directory of the base is told of only where its files could shine through, and that is no finding.
#[test]
fn an_empty_directory_of_the_base_is_not_told_of() {
    let full = base(&["linux/amd64"], "", &[("srv/old.txt", "old")]);
    let empty = Project::with(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n",
    );
    fs::create_dir_all(empty.path("files/srv")).unwrap();
    empty.write("files/etc/base", "");
    empty.pack("build -o oci:layout").ok();
    for (on, is_told) in [(&full, true), (&empty, false)] {
        let project = Project::with(&tree_on(&layout(on)));
        project.write("files/a", "");
        // The second time with a lock.
        for command in ["build", "build", "check", "plan"] {
            let said = project.pack(command).args("--strict --allow=no-entrypoint=data").ok();
            assert_eq!(
                said.stderr.contains("note: the base has /srv already"),
                is_told,
                "{command}: {said:?}"
            );
            assert!(said.warnings().is_empty(), "{command}: {said:?}");
        }
    }
    // A base in a registry, of which no layer is read: it cannot be told.
    let served = Served::start();
    served.add("base", &empty.path("layout"));
    let project = Project::with(&tree_on(&served.name("base")));
    project.write("files/a", "").pack("build").ok();
    fs::remove_dir_all(project.cache()).unwrap();
    project.pack("plan").ok().says(&["note: the base has /srv already"]);
    let said = project.pack("check --deep").ok();
    assert!(!said.stderr.contains("/srv already"), "{said:?}");
}
