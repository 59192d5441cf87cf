//! Real applications that run: no rule finds fault with them.

use super::super::tools::Pack;
use super::super::{inputs, say, scratch};
use super::bases::Base;

/// An application that runs on a base.
struct Sound {
    /// The input.
    path: &'static str,
    base: Base,
    /// Arguments of the command.
    more: &'static [&'static str],
    /// The rules with a finding that is right, and why it is.
    right: &'static [(&'static str, &'static str)],
}

const fn on(base: Base, path: &'static str) -> Sound {
    Sound { path, base, more: &[], right: &[] }
}

fn all() -> Vec<Sound> {
    let site = |path| Sound {
        more: &["--set", "app.kind=site", "--root", "/srv/site"],
        right: &[("no-entrypoint", "the base has no web server")],
        ..on(Base::Debian, path)
    };
    vec![
        on(Base::Tomcat, "artifacts/examples.war"),
        on(Base::Tomcat, "artifacts/examples"),
        on(Base::Tomcat, "artifacts/sample.war"),
        on(Base::Tomcat, "bench/war-small.war"),
        on(Base::Tomcat, "activemq/console.war"),
        on(Base::Java, "boot/shop.jar"),
        on(Base::Java, "boot/shop.war"),
        on(Base::Java, "quarkus/fast-jar"),
        on(Base::Java, "quarkus/uber-jar/shop-1.0-runner.jar"),
        on(Base::Java, "quarkus/mutable-jar"),
        on(Base::Debian, "artifacts/dash"),
        on(Base::Scratch, "artifacts/busybox-static"),
        Sound {
            right: &[("ca-certificates", "it can fetch by TLS, and nothing has no certificates")],
            ..on(Base::Scratch, "esbuild/amd64/bin/esbuild")
        },
        on(Base::Debian, "esbuild/amd64/bin/esbuild"),
        on(Base::Scratch, "ruff/ruff"),
        on(Base::Debian, "tools/docker-registry"),
        on(Base::Debian, "crane/crane"),
        on(Base::Debian, "distribution/registry"),
        on(Base::Debian, "buildkit/buildctl"),
        site("artifacts/site"),
        site("swagger-ui/site"),
    ]
}

#[test]
fn applications_that_run_have_no_finding() {
    let Some(inputs) = inputs(&["base/debian", "base/jre", "base/tomcat", "artifacts"]) else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files are root's");
        return;
    }
    let directory = scratch();
    let pack = Pack::new(&directory.path().join("home"));
    for base in [Base::Debian, Base::Java, Base::Tomcat] {
        base.make(&pack, &inputs, directory.path());
    }
    let mut wrong = Vec::new();
    for Sound { path, base, more, right } in all() {
        let artifact = inputs.join(path);
        if !artifact.exists() {
            say(&format!("not run: `{path}` is missing; `tests/run --peers` prepares it"));
            continue;
        }
        let base = base.reference(directory.path());
        let artifact = artifact.to_str().expect("is text");
        let check = ["check", artifact, "--base", &base, "--name", "localhost/sound", "--json"];
        let said = pack.run(&[&check[..], more].concat());
        let report: serde_json::Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", said.stderr));
        let findings = report["findings"].as_array().expect("is a list").iter();
        let heavy = findings.filter(|finding| matches!(finding["level"].as_str(), Some("warning" | "error")));
        let mut expected: Vec<&str> = right.iter().map(|(rule, _)| *rule).collect();
        for finding in heavy {
            let rule = finding["rule"].as_str().expect("has a rule");
            match right.iter().find(|(expected, _)| *expected == rule) {
                Some(_) => expected.retain(|expected| *expected != rule),
                None => wrong.push(format!("{path} on {base}: {rule}: {}", finding["message"])),
            }
        }
        wrong.extend(expected.iter().map(|rule| format!("{path}: no finding of {rule}, which is right")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
