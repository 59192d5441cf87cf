//! That a build says truly what it reused and why not the rest, and where its time went.
#![allow(clippy::disallowed_methods, reason = "tests compare the clock with the times of files")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::real::inputs;
use crate::real::server::Server;
use crate::support::{Outcome, Project, chmod, json, prose, settle, skipped, text, tree_on};

/// A project of one layer with files that are old enough.
fn project() -> Project {
    let project = Project::with(&tree_on("scratch"));
    for number in 0..20 {
        project.write(&format!("files/{number:02}.txt"), prose(number, 100_000));
    }
    settle(&project.path("files/19.txt"));
    project
}

/// A build that explains itself, verified, as JSON; and the same said again in words by the plan before it.
struct Explained {
    value: Value,
    planned: String,
}

impl Explained {
    fn of(project: &Project) -> Self {
        let planned = project.pack("plan --explain").ok().stdout;
        let value = project.pack("build --explain --json").ok().json();
        project.pack("verify localhost/tree:1").ok();
        Self { value: value["explanation"].clone(), planned }
    }

    fn outcome(&self) -> &Value {
        &self.value["outcome"]
    }

    fn layer(&self) -> &Value {
        &self.value["images"][0]["layers"][0]
    }

    /// Whether the file memo says exactly this, and nothing else of any file.
    #[track_caller]
    fn files(&self, expected: &[(&str, u64)]) {
        let counted = ["remembered", "new", "restamped", "touched", "changed", "untrusted", "young"];
        let memo = &self.layer()["fileMemo"];
        for name in counted {
            let number = expected.iter().find(|(of, _)| *of == name).map_or(0, |(_, number)| *number);
            assert_eq!(memo[name], number, "{name} in {memo}");
        }
    }

    #[track_caller]
    fn memo(&self, expected: &str) {
        assert_eq!(self.layer()["memo"], expected, "{}", self.layer());
    }

    #[track_caller]
    fn plans(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.planned.contains(text), "no `{text}` in:\n{}", self.planned);
        }
    }
}

#[test]
fn a_first_build_knows_nothing() {
    let explained = Explained::of(&project());
    assert_eq!(explained.outcome()["state"], "new");
    explained.memo("nothing-known");
    explained.files(&[("new", 20)]);
    let work = &explained.layer()["work"];
    assert_eq!(work["bodies"], work["encoded"]);
    explained.plans(&["build: not known: nothing is remembered of this project", "20 not seen before"]);
}

#[test]
fn nothing_changed_and_nothing_is_looked_at() {
    let project = project();
    project.build("");
    let explained = Explained::of(&project);
    assert_eq!(explained.outcome()["state"], "known");
    explained.memo("not-asked");
    assert!(explained.layer()["work"].is_null() && explained.layer()["fileMemo"].is_null());
    assert_eq!(explained.value["destinations"][0]["current"], true);
    explained.plans(&["build: known: all inputs are those of an earlier build", "20 not read"]);
    let said = project.pack("build --explain").ok().stderr;
    assert!(said.contains("not looked up: the whole build was known"), "{said}");
}

#[test]
fn one_file_changed() {
    let project = project();
    project.build("");
    project.append("files/07.txt", "more\n");
    settle(&project.path("files/07.txt"));
    let explained = Explained::of(&project);
    let inputs = &explained.outcome()["inputs"];
    assert_eq!(inputs.as_array().unwrap().len(), 1);
    assert_eq!(inputs[0]["input"], "path");
    assert!(text(&inputs[0]["path"]).ends_with("/files"));
    explained.memo("changed");
    explained.files(&[("remembered", 19), ("changed", 1)]);
    assert_eq!(explained.layer()["fileMemo"]["readBytes"], 100_005);
    let difference = &explained.layer()["difference"];
    assert_eq!((&difference["paths"], &difference["content"]), (&1.into(), &1.into()));
    assert_eq!(difference["first"][0]["path"], "/srv/07.txt");
    assert_eq!(difference["first"][0]["changes"], serde_json::json!([{ "what": "content" }]));
    let work = &explained.layer()["work"];
    assert!(work["encoded"].as_u64() < work["bodies"].as_u64(), "{work}");
    assert_eq!(work["lost"], 0);
    explained.plans(&["/srv/07.txt: content", "1 with another content", "19 not read"]);
}

#[test]
fn only_the_mode_changed() {
    let project = project();
    project.build("");
    chmod(&project.path("files/07.txt"), 0o755);
    settle(&project.path("files/07.txt"));
    let explained = Explained::of(&project);
    explained.memo("changed");
    // The mode is in the stamp by the change time, so that the file is read, and found to be the same.
    explained.files(&[("remembered", 19), ("touched", 1)]);
    let difference = &explained.layer()["difference"];
    assert_eq!((&difference["paths"], &difference["metadata"]), (&1.into(), &1.into()));
    explained.plans(&["/srv/07.txt: mode 0644 to 0755", "1 touched"]);
}

#[test]
fn only_touched() {
    let project = project();
    let built = project.build("");
    let path = project.path("files/07.txt");
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    settle(&path);
    let explained = Explained::of(&project);
    assert_eq!(explained.outcome()["state"], "changed");
    explained.memo("known");
    explained.files(&[("remembered", 19), ("touched", 1)]);
    assert!(explained.layer()["difference"].is_null() && explained.layer()["work"].is_null());
    explained
        .plans(&["1 touched: other times, size or inode, and the same content", "known: an earlier build"]);
    assert_eq!(project.build("").digest(), built.digest());
}

#[test]
fn the_cache_was_deleted() {
    let project = project();
    let built = project.build("");
    fs::remove_dir_all(project.cache()).unwrap();
    let explained = Explained::of(&project);
    assert_eq!(explained.outcome()["state"], "new");
    explained.memo("nothing-known");
    assert_eq!(project.build("").digest(), built.digest());
}

#[test]
fn parts_of_the_cache_were_deleted() {
    let project = project();
    project.build("");
    for memo in ["outcome", "layer"] {
        project.forget(memo);
    }
    let explained = Explained::of(&project);
    assert_eq!(explained.outcome()["state"], "lost");
    explained.memo("lost");
    assert_eq!(explained.layer()["work"]["encoded"], 0, "the bodies were all there");
    // A blob that is gone takes its bodies with it.
    let digest = text(&explained.layer()["facts"]["digest"]);
    fs::remove_file(project.cache().join("blobs/sha256").join(&digest[7..])).unwrap();
    project.forget("layer");
    project.append("files/07.txt", "more\n");
    let work = Explained::of(&project).layer()["work"].clone();
    assert!(work["lost"].as_u64() > Some(0) && work["lost"].as_u64() < work["encoded"].as_u64(), "{work}");
}

#[test]
fn a_lost_blob_is_made_again_and_told() {
    let project = project();
    let built = project.build("");
    let layer = built.layers()[0].blob.clone();
    fs::remove_file(project.cache().join("blobs/sha256").join(&layer[7..])).unwrap();
    let value = project.pack("build --explain --json -o oci:out").ok().json();
    project.pack("verify oci:out").ok();
    let explained = &value["explanation"];
    assert_eq!(explained["outcome"]["state"], "not-there");
    let layer = &explained["images"][0]["layers"][0];
    assert_eq!(layer["memo"], "known");
    assert!(layer["work"].is_null() && layer["remade"]["encoded"].as_u64() > Some(0), "{layer}");
}

#[test]
fn a_file_that_is_too_young_is_read_again() {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/old.txt", "old\n");
    settle(&project.path("files/old.txt"));
    project.write("files/new.txt", "new\n");
    // Times in the future are those of a file that is written right now, however slow the machine is.
    let file = fs::File::options().append(true).open(project.path("files/new.txt")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    project.build("");
    let explained = Explained::of(&project);
    assert_eq!(explained.outcome()["state"], "untrusted");
    explained.memo("known");
    explained.files(&[("remembered", 1), ("untrusted", 1), ("young", 1)]);
}

#[test]
fn settings_that_changed_are_named() {
    let project = project();
    project.append("build.toml", "mtime = 1\n");
    project.build("");
    project.append("build.toml", "# a comment\n");
    assert_eq!(Explained::of(&project).outcome()["inputs"], serde_json::json!([{ "input": "text" }]));
    let text_now = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", text_now.replace("mtime = 1", "mtime = 7") + "\n[config]\nuser = \"7\"\n");
    let explained = Explained::of(&project);
    let names: Vec<String> =
        explained.outcome()["inputs"].as_array().unwrap().iter().map(|input| text(&input["name"])).collect();
    assert_eq!(names, ["app", "config"]);
    let times = serde_json::json!({ "from": 1, "to": 7, "paths": 21 });
    assert_eq!(explained.layer()["difference"]["times"], times);
    assert_eq!(explained.layer()["difference"]["metadata"], 21, "20 files and their directory");
    explained.plans(&["the setting `app`", "the time that 21 paths have in the image, 1 to 7"]);
    let value = project.pack("build --explain --json --compression zstd").ok().json();
    let layer = &value["explanation"]["images"][0]["layers"][0];
    assert_eq!(layer["memo"], "changed");
    assert_eq!(layer["difference"]["paths"], 0);
    assert_eq!(layer["difference"]["encoder"][1], "zstd:3, layer format 1");
}

#[test]
fn the_base_was_updated() {
    let project = Project::new();
    for (base, content) in [("one", "1\n"), ("two", "2\n")] {
        let build = format!(
            "[image]\nname = \"localhost/{base}\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n\
             [[layer]]\nname = \"base\"\nfiles = [{{ from = \"{base}\", to = \"/etc/\" }}]\n"
        );
        project.write("base.toml", build).write(&format!("{base}/base"), content);
        project.pack(&format!("build -f base.toml -o oci:{base}.layout:1")).ok();
    }
    symlink("one.layout", project.path("base")).unwrap();
    project.write("build.toml", tree_on("oci:base:1")).write("files/a.txt", "a\n");
    settle(&project.path("files/a.txt"));
    let built = project.build("");
    fs::remove_file(project.path("base")).unwrap();
    symlink("two.layout", project.path("base")).unwrap();
    project.pack("update").ok();
    let explained = Explained::of(&project);
    let inputs = explained.outcome()["inputs"].as_array().unwrap().clone();
    let base = inputs.iter().find(|input| input["input"] == "base").unwrap();
    assert_ne!(base["from"], base["to"]);
    assert!(base["from"].is_string() && base["to"].is_string(), "{base}");
    explained.memo("known");
    assert_ne!(project.build("").digest(), built.digest());
}

#[test]
fn the_text_is_on_stderr_and_quiet_is_quiet() {
    let project = project();
    let Outcome { stdout, stderr, .. } = project.pack("build --explain").ok();
    assert_eq!(stdout.lines().count(), 1);
    for said in ["build: not known", "layer app: built", "bodies", "there    the local store: "] {
        assert!(stderr.contains(said), "no `{said}` in:\n{stderr}");
    }
    assert_eq!(project.pack("build --explain --quiet").ok().stderr, "");
}

#[test]
fn timings_are_a_page_or_json() {
    let project = project();
    project.build("--timings -o oci:out");
    let page = fs::read_to_string(project.path("pack-timings.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("build app: built") && page.contains(env!("CARGO_PKG_VERSION")), "{page}");
    project.append("files/07.txt", "more\n");
    let built = project.build("--timings=t.json --quiet -o oci:out");
    let trace = json(&fs::read_to_string(project.path("t.json")).unwrap());
    let slices = slices_of(&trace);
    let of = |activity: &str| slices.iter().filter(|slice| slice["cat"] == activity).collect::<Vec<_>>();
    for (activity, number) in [("look", 2), ("plan", 1), ("layer", 1), ("look-up", 1), ("conclude", 1)] {
        assert_eq!(of(activity).len(), number, "{activity}");
    }
    let end = trace["otherData"]["elapsed"].as_u64().unwrap();
    assert!(slices.iter().all(|slice| number(slice, "ts") + number(slice, "dur") <= end));
    let encoded = of("body").iter().filter(|slice| slice["args"]["outcome"] == "encoded").count();
    let work = &built.metadata["images"][0]["layers"][0]["work"];
    assert_eq!(
        (of("body").len(), encoded),
        (number(work, "bodies") as usize, number(work, "encoded") as usize)
    );
    assert_eq!(of("layer")[0]["args"]["digest"], built.metadata["images"][0]["layers"][0]["facts"]["digest"]);
}

/// A number of a JSON object.
#[track_caller]
fn number(object: &serde_json::Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {object}"))
}

/// The slices of a trace, which is one that follows the rules of Google's "Trace Event Format".
#[track_caller]
fn slices_of(trace: &serde_json::Value) -> Vec<serde_json::Value> {
    let events = trace["traceEvents"].as_array().unwrap();
    let track = |event: &serde_json::Value| (number(event, "pid"), number(event, "tid"));
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).cloned().collect::<Vec<_>>();
    let (names, slices) = (of("M"), of("X"));
    let (starts, ends) = (of("s"), of("f"));
    assert_eq!(names.len() + slices.len() + starts.len() + ends.len(), events.len(), "no other events");
    // Times never go back.
    let times: Vec<u64> =
        events.iter().filter(|event| event["ph"] != "M").map(|event| number(event, "ts")).collect();
    assert!(times.is_sorted(), "{times:?}");
    // Slices of one thread follow each other, and thread and process have a name.
    let named = |what: &str, pid: u64, tid: u64| {
        names
            .iter()
            .any(|name| name["name"] == what && track(name) == (pid, tid) && name["args"]["name"].is_string())
    };
    let mut free = std::collections::BTreeMap::new();
    for slice in &slices {
        let (pid, tid) = track(slice);
        assert!(named("process_name", pid, 0) && named("thread_name", pid, tid), "{slice}");
        assert!(
            slice["name"].is_string() && slice["cat"].is_string() && slice["args"].is_object(),
            "{slice}"
        );
        let before = free.insert((pid, tid), number(slice, "ts") + number(slice, "dur")).unwrap_or(0);
        assert!(before <= number(slice, "ts"), "{slice} begins before {before}");
    }
    // Arrows begin and end in slices.
    let is_in_slice = |event: &serde_json::Value| {
        let at = number(event, "ts");
        let is_around = |slice: &serde_json::Value| {
            track(slice) == track(event)
                && (number(slice, "ts")..=number(slice, "ts") + number(slice, "dur")).contains(&at)
        };
        slices.iter().any(is_around)
    };
    assert_eq!(starts.len(), ends.len());
    for start in &starts {
        let end = ends.iter().find(|end| end["id"] == start["id"]).unwrap();
        assert!(
            number(start, "ts") <= number(end, "ts")
                && (&start["name"], &start["cat"]) == (&end["name"], &end["cat"])
        );
        assert!(end["bp"] == "e" && is_in_slice(start) && is_in_slice(end), "{start} {end}");
    }
    slices
}

/// Requests stand in the process of their host, and an arrow leads from the layer to its upload.
#[test]
fn each_host_is_a_process_of_the_trace() {
    const REGISTRY: &str = "tools/docker-registry";
    let Some(inputs) = inputs(&[REGISTRY]) else { return };
    let project = project();
    let server = Server::start(&inputs.join(REGISTRY), &project.beside("registry"), false);
    let push = format!("--timings=t.json --push --name {}/shop -o oci:out", server.host());
    project.pack("build").args(&push).ok();
    let trace = json(&fs::read_to_string(project.path("t.json")).unwrap());
    let slices = slices_of(&trace);
    let processes: Vec<String> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["name"] == "process_name")
        .map(|event| text(&event["args"]["name"]))
        .collect();
    assert!(processes[0].starts_with("pack build ") && processes[1..] == [server.host()], "{processes:?}");
    let requests: Vec<_> = slices.iter().filter(|slice| slice["cat"] == "request").collect();
    assert!(
        !requests.is_empty() && requests.iter().all(|request| number(request, "pid") == 2),
        "{requests:?}"
    );
    let arrows = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "s").count();
    assert_eq!(arrows, 2, "to the registry, and to the layout");
}

#[test]
fn timings_do_not_get_into_the_image() {
    let project = project();
    project.pack("build --timings=files/t.html").fails(1).says(&["t.html", "goes into the image"]).hints();
    fs::create_dir(project.path("files/sub")).unwrap();
    symlink("files/sub", project.path("link")).unwrap();
    project.pack("build --timings=link/t.html").fails(1).says(&["goes into the image"]);
    assert!(!project.path("files/t.html").exists());
}

/// Looks at the page with a browser, if there is one.
#[test]
fn a_browser_shows_the_page() {
    const BROWSER: &str = "/usr/bin/chromium";
    if !Path::new(BROWSER).exists() {
        return skipped("the page of timings in a browser", "no chromium; `tests/run --peers` installs it");
    }
    let project = project();
    project.write("files/<img src=x onerror=alert(1)>.txt", "x\n");
    project.build("--timings -o oci:out");
    let browser = |how: &str| {
        let mut command = Command::new(BROWSER);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--enable-logging=stderr", "--window-size=1200,1400", how]);
        command.arg(format!("--user-data-dir={}", project.beside("browser").display()));
        command.arg(format!("file://{}", project.path("pack-timings.html").display()));
        command.env("HOME", project.beside("home")).current_dir(project.beside("tmp")).output().unwrap()
    };
    let shown = browser("--dump-dom");
    let dom = String::from_utf8_lossy(&shown.stdout);
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success(), "{said}");
    // The page's log, errors of scripts and of its policy included.
    assert!(!said.contains("CONSOLE"), "{said}");
    assert_eq!(dom.matches("<h1>").count(), 1, "{dom}");
    for lane in [">build</span>", ">layers</span>", ">looking up</span>", ">worker 0</span>", ">write</span>"]
    {
        assert!(dom.contains(lane), "no {lane} in {dom}");
    }
    assert!(dom.matches("<rect").count() > 10 && !dom.contains("<img") && !dom.contains("<script"), "{dom}");
    let picture = project.beside("page.png");
    let shown = browser(&format!("--screenshot={}", picture.display()));
    assert!(shown.status.success() && fs::metadata(&picture).unwrap().len() > 10_000);
}
