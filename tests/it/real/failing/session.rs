//! Running the cases: what `pack` says, what reaches the registry, and what containers say.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::server::{Server, free_port};
use super::super::tools::{Pack, Podman, Said};
use super::super::{http, inputs, project, say, scratch, tell};
use super::bases::Base;
use super::case::{Case, Found, Image, Make, Place};

const NEEDED: [&str; 8] = [
    "base/debian",
    "base/jre",
    "base/tomcat",
    "runtimes/node",
    "runtimes/python",
    "artifacts/busybox",
    "failing",
    "tools/docker-registry",
];
/// Two are enough to use the time in which a container starts.
const THREADS: usize = 3;
const REPOSITORY: &str = "failing/app";
/// How long a container may take: a machine with few cores that runs other tests as well is slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// Shows of each case that `pack` refuses the image with the fault, that its container fails, and that the mended one runs.
pub(super) fn show(cases: &[Case], bases: &[Base]) {
    let Some(inputs) = inputs(&NEEDED) else { return };
    if !rustix::process::geteuid().is_root() {
        say("not run: a base's files, and running it, are root's");
        return;
    }
    let mut clock = Instant::now();
    let directory = scratch();
    let mut server =
        Server::start(&inputs.join("tools/docker-registry"), &directory.path().join("registry"), false);
    let session = Session {
        directory: directory.path().to_owned(),
        host: server.host(),
        pack: Pack::new(&directory.path().join("home")),
        podman: Podman::new(directory.path()),
        registry: RwLock::new(()),
        inputs,
    };
    for base in bases {
        base.make(&session.pack, &session.inputs, &session.directory);
    }
    tell(&mut clock, &format!("{} bases made", bases.len()));

    session.all(cases, |case| session.refused(case));
    let changes: Vec<_> =
        server.requests().into_iter().filter(|request| !matches!(&*request.method, "GET" | "HEAD")).collect();
    assert!(changes.is_empty(), "a refused image reached the registry: {changes:#?}");
    tell(&mut clock, &format!("{} images refused", cases.len()));

    session.all(cases, |case| session.fails(case));
    tell(&mut clock, "and none of them runs");
    session.all(cases, |case| session.runs(case));
    tell(&mut clock, "without the fault, each runs");
}

struct Session {
    directory: PathBuf,
    inputs: PathBuf,
    host: String,
    pack: Pack,
    podman: Podman,
    /// A push is alone in the registry, and pulls are without a push. `docker-registry` empties a file before it writes it again,
    /// and many cases have the same image without their faults: its answer is 500 if one pulls it while another pushes it.
    registry: RwLock<()>,
}

impl Session {
    /// Runs `check` for all cases in a few threads; all that failed are told of together.
    fn all(&self, cases: &[Case], check: impl Fn(&Case) + Sync) {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // The panic is printed where it happens.
                        if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
                            failed.lock().expect("is whole").push(case.name);
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().expect("is whole");
        assert!(failed.is_empty(), "these cases are not as they should be: {failed:?}");
    }

    /// The directory of an image's project, made anew.
    fn project(&self, case: &Case, variant: &str, make: Make) -> (String, Image) {
        let place = Place {
            directory: self.directory.join("cases").join(case.name).join(variant),
            inputs: self.inputs.clone(),
        };
        if place.path().exists() {
            std::fs::remove_dir_all(place.path()).expect("can be removed");
        }
        std::fs::create_dir_all(place.path()).expect("can be made");
        let image = make(&place);
        let text = format!(
            "[image]\nname = \"{}/{REPOSITORY}\"\nbase = \"{}\"\ntags = [\"{}-{variant}\"]\ncompression = \"none\"\n\
             platforms = [\"linux/amd64\"]\n{}",
            self.host,
            image.base.reference(&self.directory),
            case.name,
            image.text
        );
        (project(place.path(), &text), image)
    }

    /// Builds the image, pushes it and pulls it again, and gives its name in the registry.
    fn pushed(&self, case: &Case, variant: &str, make: Make, allow: &[&str]) -> (String, Image, Value) {
        let (path, image) = self.project(case, variant, make);
        let allow = allow
            .iter()
            .flat_map(|rule| ["--allow".to_owned(), format!("{rule}=it is started all the same")]);
        let mut arguments: Vec<String> = vec!["build".into(), path, "--push".into(), "--json".into()];
        arguments.extend(allow);
        let name = format!("{}/{REPOSITORY}:{}-{variant}", self.host, case.name);
        // A case that failed leaves the registry as it should be.
        let said = {
            let _alone = self.registry.write().unwrap_or_else(PoisonError::into_inner);
            self.pack.run(&arguments)
        };
        assert_eq!(said.code, Some(0), "{} {variant}: {}", case.name, said.stderr);
        let pulled = {
            let _beside_others = self.registry.read().unwrap_or_else(PoisonError::into_inner);
            self.said(&format!("pull -q --tls-verify=false {name}"))
        };
        assert_eq!(pulled.code, Some(0), "{} {variant}: {}", case.name, pulled.stderr);
        let report = serde_json::from_str(&said.stdout).expect("is JSON");
        (name, image, report)
    }

    /// Runs podman to its end.
    fn said(&self, words: &str) -> Said {
        self.podman.line(words).output().expect("podman starts").into()
    }

    /// The image with the fault is refused, and nothing is written.
    fn refused(&self, case: &Case) {
        let (path, _) = self.project(case, "faulty", case.faulty);
        let layout = self.directory.join("cases").join(case.name).join("layout");
        let said = self.pack.run(&["build", &path, "--push", "-o", &format!("oci:{}", layout.display())]);
        let shown = format!("{}: {}", case.name, said.stderr);
        assert_eq!(said.code, Some(1), "{shown}");
        assert_eq!(said.stdout, "", "{shown}");
        assert!(!layout.exists(), "something of it was written: {shown}");
        match &case.found {
            Found::Rules(rules) => {
                let rules: BTreeSet<&str> = rules.iter().copied().collect();
                assert_eq!(errors(&said.stderr), rules, "{shown}");
                let checked = self.pack.run(&["check", &path, "--json"]);
                assert_eq!(checked.code, Some(1), "{shown}");
                let report: Value = serde_json::from_str(&checked.stdout).expect("is JSON");
                assert_eq!(of_level(&report, &["error"]), rules, "{shown}");
            }
            Found::Refused { says, .. } => assert!(said.stderr.contains(says), "{shown}"),
        }
    }

    /// The image with the fault does not run, if it is built all the same.
    fn fails(&self, case: &Case) {
        let (name, image, report) = match &case.found {
            Found::Rules(rules) => self.pushed(case, "faulty", case.faulty, rules),
            Found::Refused { by_hand, .. } => self.pushed(case, "faulty", *by_hand, &["entrypoint-missing"]),
        };
        if let Found::Rules(rules) = &case.found {
            let allowed = |finding: &&Value| finding["answer"] == "not-met" && finding["allowed"].is_string();
            let findings = report["findings"].as_array().expect("is a list");
            let found: BTreeSet<&str> =
                findings.iter().filter(allowed).filter_map(|finding| finding["rule"].as_str()).collect();
            assert_eq!(found, rules.iter().copied().collect(), "{}: {report:#}", case.name);
        }
        let container = self.container(case, &name, &image);
        let (all, runs) = (container.output(), container.runs(case));
        assert!(!runs, "{} runs: {all}", case.name);
        assert!(all.contains(case.fails), "{} fails otherwise: {all}", case.name);
    }

    /// The image without the fault runs, and nothing is said of it.
    fn runs(&self, case: &Case) {
        let (name, image, report) = self.pushed(case, "mended", case.mended, &[]);
        let found = of_level(&report, &["warning", "error"]);
        assert!(found.is_empty(), "{}: {found:?} {report:#}", case.name);
        let container = self.container(case, &name, &image);
        assert!(container.runs(case), "{}: {}", case.name, container.output());
    }

    fn container(&self, case: &Case, name: &str, image: &Image) -> Container {
        let run = "--ulimit nofile=1024:1024 --ulimit nproc=8192:8192 --pull=never";
        let Some(page) = image.page else {
            let seconds = PATIENCE.as_secs();
            return Container::Ended(
                self.said(&format!("run -q --rm --timeout {seconds} --network=none {run} {name}")),
            );
        };
        let port = free_port();
        let mut podman = self.podman.line(&format!("run -q -d --name {} --network=host {run}", case.name));
        podman.arg("-e").arg(format!("CATALINA_OPTS=-Dhttp.port={port} -Dhttp.address=127.0.0.1"));
        let started: Said = podman.arg(name).output().expect("podman starts").into();
        let answer = (started.code == Some(0)).then(|| first_answer(port, page)).flatten();
        let logs = self.said(&format!("logs {}", case.name));
        self.said(&format!("rm -f -t 0 {}", case.name));
        Container::Served { answer, said: [started.stderr, logs.stdout, logs.stderr].concat() }
    }
}

/// The deeds of a container.
enum Container {
    Ended(Said),
    Served {
        /// The status of the page, and the page.
        answer: Option<(u16, String)>,
        said: String,
    },
}

impl Container {
    fn output(&self) -> String {
        match self {
            Self::Ended(said) => format!("{}{}(exit code {:?})", said.stdout, said.stderr, said.code),
            Self::Served { answer, said } => format!("{answer:?}\n{said}"),
        }
    }

    fn runs(&self, case: &Case) -> bool {
        match self {
            Self::Ended(said) => said.code == Some(0) && said.stdout.contains(case.runs),
            Self::Served { answer, .. } => {
                answer.as_ref().is_some_and(|(status, page)| *status == 200 && page.contains(case.runs))
            }
        }
    }
}

/// The first answer of a server, which does not listen before its applications are there.
fn first_answer(port: u16, page: &str) -> Option<(u16, String)> {
    let begun = Instant::now();
    loop {
        match http::get(port, page) {
            None if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
}

/// The rules with findings of these levels.
fn of_level<'a>(report: &'a Value, levels: &[&str]) -> BTreeSet<&'a str> {
    let findings = report["findings"].as_array().expect("is a list").iter();
    let found =
        findings.filter(|finding| finding["level"].as_str().is_some_and(|level| levels.contains(&level)));
    found.filter_map(|finding| finding["rule"].as_str()).collect()
}

/// The rules of the lines that are errors.
fn errors(said: &str) -> BTreeSet<&str> {
    let lines = said.lines().filter(|line| crate::support::is_error(line));
    lines.filter_map(|line| line.rsplit_once(" [")?.1.split_once(']')).map(|(rule, _)| rule).collect()
}
