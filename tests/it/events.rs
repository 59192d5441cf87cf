//! Events after a push: who is told, what a crash loses, what a receiver can do to a push, and which texts must not be readable.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pack_test_registry::{Action, Fake, Fault, Kind};

use crate::hooks::{Hook, HookAnswer};
use crate::real::peers::peer;
use crate::support::{Project, files_below, text, tree_on};

/// A small project that is pushed to `registry`, with these lines after its settings.
fn project(registry: &Fake, lines: &str) -> Project {
    let name = format!("{}/shop/app", registry.address());
    let project = Project::with(&tree_on("scratch").replace("localhost/tree", &name));
    project.append("build.toml", lines).write("files/a.txt", "a\n");
    project
}

fn webhook(hook: &Hook, more: &str) -> String {
    format!("[[webhook]]\nurl = \"http://{}/hook\"\n{more}\n", hook.address())
}

/// The files in the outbox.
fn outbox(project: &Project) -> Vec<String> {
    let directory = project.cache().join("outbox");
    let files = if directory.exists() { files_below(&directory) } else { Vec::new() };
    let mut names: Vec<String> =
        files.iter().map(|path| path.extension().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_push_is_told_once_and_no_change_is_not_told() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    let built = project.pack("build --push --allow-retag --json").ok().json();
    let messages = hook.take();
    assert_eq!(messages.len(), 1);
    let event = messages[0].json();
    assert_eq!((text(&event["kind"]), text(&event["digest"])), ("push".to_owned(), text(&built["digest"])));
    assert_eq!(event["image"], format!("{}/shop/app", registry.address()));
    assert_eq!((&event["tags"][0], &messages[0].headers["webhook-id"]), (&"1".into(), &text(&event["id"])));
    assert_eq!(messages[0].target, "/hook");
    assert!(!messages[0].headers.contains_key("webhook-signature"));
    // All of it is there: no tag moves.
    project.pack("build --push --allow-retag").ok();
    assert_eq!(hook.take().len(), 0);
    // Another content is another event, in the same chain.
    project.write("files/a.txt", "b\n").pack("build --push --allow-retag").ok();
    let second = hook.take()[0].json();
    assert_ne!((&second["id"], &second["digest"]), (&event["id"], &event["digest"]));
    // A build that stays here tells nothing.
    project.write("files/a.txt", "c\n").pack("build").ok();
    assert_eq!((hook.take().len(), outbox(&project)), (0, Vec::new()));
}

/// A copy, a tag and a rebase into the project's own repository are told as a push is; into another one they are not.
#[test]
fn other_ways_into_the_repository_are_told() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    let name = format!("{}/shop/app", registry.address());
    let bases = [("old", "one\n"), ("new", "two\n")];
    for (tag, content) in bases {
        let base = Project::with(&tree_on("scratch"));
        base.write("files/base.txt", content)
            .pack("build -o")
            .arg(format!("oci:{}:1", project.path(tag).display()))
            .ok();
    }
    let told = || -> Vec<(String, Vec<String>, String)> {
        let tags = |tags: &serde_json::Value| tags.as_array().unwrap().iter().map(text).collect();
        let event = |message: crate::hooks::HookMessage| {
            let event = message.json();
            (text(&event["kind"]), tags(&event["tags"]), text(&event["digest"]))
        };
        hook.take().into_iter().map(event).collect()
    };
    let digest = |tag: &str| registry.tag("shop/app", tag).unwrap().to_string();
    let event = |tag: &str| vec![("push".to_owned(), vec![tag.to_owned()], digest(tag))];
    project.pack("build --base oci:old:1 --push --tag 1").ok();
    assert_eq!(told(), event("1"));
    project.pack(&format!("tag {name}:1 2")).ok();
    assert_eq!(told(), event("2"));
    project.pack(&format!("tag {name}:1 2")).ok();
    assert_eq!(told(), [], "nothing moved");
    project.pack(&format!("copy oci:old:1 {name}:3")).ok();
    assert_eq!(told(), event("3"));
    project.pack(&format!("rebase {name}:1 --old-base oci:old:1 --base oci:new:1 -t 4")).ok();
    assert_eq!(told(), event("4"));
    assert_ne!(digest("4"), digest("1"));
    project.pack(&format!("copy {name}:1 {}/other/app:1", registry.address())).ok();
    assert_eq!(told(), [], "another repository");
    // Settings that cannot be read stop no copy.
    project.write("build.toml", "[image\n");
    let said = project.pack(&format!("tag {name}:1 5")).ok();
    assert!(
        said.stderr.contains("no receiver is told") && registry.tag("shop/app", "5").is_some(),
        "{said:?}"
    );
    assert_eq!(told(), []);
}

#[test]
fn receivers_get_what_they_asked_for() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let forms = ["webhook", "cloudevents", "cloudevents-structured", "cdevents", "cdevents-0.4", "registry"];
    let each =
        forms.map(|form| webhook(&hook, &format!("form = \"{form}\"")).replace("/hook", &format!("/{form}")));
    let other = webhook(&hook, "on = [\"promotion\", \"rollback\"]").replace("/hook", "/other");
    let project = project(&registry, &(each.concat() + &other));
    project.pack("build --push --allow-retag").ok();
    let mut messages = hook.take();
    messages.sort_by_key(|message| message.target.clone());
    let mut targets: Vec<String> = forms.iter().map(|form| format!("/{form}")).collect();
    targets.sort();
    assert_eq!(messages.iter().map(|message| message.target.clone()).collect::<Vec<_>>(), targets);
    for message in messages {
        let kind = message.headers["content-type"].as_str();
        match message.target.as_str() {
            "/cloudevents-structured" => assert_eq!(kind, "application/cloudevents+json"),
            "/registry" => {
                assert_eq!(kind, "application/vnd.docker.distribution.events.v1+json");
                assert_eq!(message.json()["events"][0]["target"]["repository"], "shop/app");
            }
            _ => assert_eq!(kind, "application/json"),
        }
        let type_of = message.headers.get("ce-type").map(String::as_str);
        match message.target.as_str() {
            "/cloudevents" => assert_eq!(type_of, Some("pack.image.pushed.v1")),
            "/cdevents" => assert_eq!(type_of, Some("dev.cdevents.artifact.published.0.3.0")),
            "/cdevents-0.4" => assert_eq!(type_of, Some("dev.cdevents.artifact.published.0.2.0")),
            _ => assert_eq!(type_of, None),
        }
    }
}

/// Starts a push whose tag is not answered, and kills it with a signal that nothing can catch.
fn kill_at_the_tag(registry: &Fake, project: &Project, action: Action) {
    registry.fault(Fault::always("PUT", Kind::Manifest, action));
    let _ = registry.take_log();
    let mut child: Child = project.pack("build --push --allow-retag").command().spawn().unwrap();
    let begun = Instant::now();
    while !registry.take_log().iter().any(|logged| logged.method == "PUT" && logged.kind == Kind::Manifest) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no tag is set");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The registry does what it was asked to.
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    registry.heal();
}

#[test]
fn a_crash_after_the_tag_moved_loses_no_event() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    kill_at_the_tag(&registry, &project, Action::Delay(Duration::from_secs(20)));
    assert!(registry.tag("shop/app", "1").is_some());
    assert_eq!((hook.take().len(), outbox(&project)), (0, vec!["intent".to_owned()]));
    let listed = project.pack("events list --json").ok().json();
    assert_eq!((&listed[0]["isConfirmed"], &listed[0]["kind"]), (&false.into(), &"push".into()));
    project.pack("events flush").ok();
    let event = hook.take()[0].json();
    assert_eq!(text(&event["digest"]), registry.tag("shop/app", "1").unwrap().to_string());
    assert_eq!((event["id"].clone(), outbox(&project)), (listed[0]["id"].clone(), Vec::new()));
}

#[test]
fn a_crash_before_the_tag_moved_tells_nothing() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    kill_at_the_tag(&registry, &project, Action::Stall(Duration::from_secs(20)));
    assert_eq!(
        (registry.tag("shop/app", "1").is_some(), outbox(&project)),
        (false, vec!["intent".to_owned()])
    );
    // As long as the registry cannot be asked, it is not known.
    for method in ["HEAD", "GET"] {
        let answer = pack_test_registry::Reply::new(403);
        registry.fault(Fault::always(method, Kind::Manifest, Action::Answer(answer)));
    }
    project.pack("events flush").fails(3).says(&["cannot ask whether it happened"]);
    assert_eq!(outbox(&project), ["intent"]);
    registry.heal();
    project.pack("events flush").ok().says(&["no event is sent of an interrupted push"]);
    assert_eq!((hook.take().len(), outbox(&project)), (0, Vec::new()));
}

#[test]
fn damaged_files_of_the_outbox_are_named_and_not_followed() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    hook.answers(vec![HookAnswer::Status(503, String::new()); 3]);
    project.pack("build --push --allow-retag").ok();
    hook.take();
    let directory = project.cache().join("outbox");
    let waiting =
        files_below(&directory).into_iter().find(|path| path.extension().unwrap() == "event").unwrap();
    let elsewhere = project.beside("elsewhere");
    std::fs::copy(&waiting, &elsewhere).unwrap();
    std::fs::write(directory.join("1-cut.event"), "{").unwrap();
    std::os::unix::fs::symlink(&elsewhere, directory.join("2-link.event")).unwrap();
    assert!(
        std::process::Command::new("mkfifo").arg(directory.join("3-pipe.event")).status().unwrap().success()
    );
    let says =
        ["3 entries of the outbox are damaged", "1-cut.event", "2-link.event", "3-pipe.event", "remove them"];
    let listed = project.pack("events list --json").ok().says(&says);
    assert_eq!(listed.json().as_array().unwrap().len(), 1);
    let said = project.pack("events flush --json").run().has_code(1).says(&says);
    assert_eq!((&said.json()["delivered"], &said.json()["damaged"]), (&1.into(), &3.into()));
    assert_eq!(hook.take().len(), 1, "that of the link is told by nobody");
    project.write("files/a.txt", "b\n").pack("build --push --allow-retag").ok().says(&says);
    hook.take();
    for name in ["1-cut", "2-link", "3-pipe"] {
        std::fs::remove_file(directory.join(format!("{name}.event"))).unwrap();
    }
    let said = project.pack("events flush").ok();
    assert!(!said.stderr.contains("damaged"), "{said:?}");
}

#[test]
fn a_receiver_that_fails_fails_no_push_and_gets_the_same_event_later() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, "timeout = \"4s\""));
    hook.answers(vec![HookAnswer::Status(503, String::new()); 3]);
    project.pack("build --push --allow-retag").ok().says(&["was not told", "503", "pack events flush"]);
    let tries = hook.take();
    assert_eq!((tries.len(), outbox(&project)), (3, vec!["event".to_owned(), "tries".to_owned()]));
    // The next push is told after it, and not before it is due.
    project
        .write("files/a.txt", "b\n")
        .pack("build --push --allow-retag")
        .ok()
        .says(&["the next try is due"]);
    assert_eq!(hook.take().len(), 0);
    assert!(project.pack("events list").ok().stdout.contains("503"));
    project.pack("events flush").ok().says(&["2 events delivered"]);
    let later = hook.take();
    assert_eq!(later[0].json(), tries[0].json());
    let ids: Vec<&String> = tries.iter().chain(&later[..1]).map(|it| &it.headers["webhook-id"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!((later.len(), outbox(&project)), (2, Vec::new()));
}

#[test]
fn a_receiver_says_when_to_come_again() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    hook.answers([HookAnswer::Status(429, "retry-after: 1\r\n".to_owned())]);
    let begun = Instant::now();
    project.pack("build --push --allow-retag").ok();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(hook.take().len(), 2);
    // More than a push waits for.
    hook.answers([HookAnswer::Status(503, "retry-after: 3600\r\n".to_owned())]);
    project.write("files/a.txt", "b\n").pack("build --push --allow-retag").ok().says(&["was not told"]);
    assert_eq!(hook.take().len(), 1);
    let listed = project.pack("events list --json").ok().json();
    assert_eq!(listed[0]["tries"], 1);
    // No time at all: the sum has no value.
    hook.answers([HookAnswer::Status(503, format!("retry-after: {}\r\n", i64::MAX))]);
    project.pack("events flush").fails(3);
    assert_eq!(hook.take().len(), 1);
    // A message that it refuses for good is not tried again in the same run, and a redirect is not followed.
    let elsewhere = Hook::start();
    hook.answers([HookAnswer::Status(307, format!("location: http://{}/\r\n", elsewhere.address()))]);
    project.pack("events flush").fails(3).says(&["a redirect is not followed"]);
    assert_eq!((hook.take().len(), elsewhere.take().len()), (1, 0));
}

/// A clock that was wrong by years keeps no event waiting for years.
#[test]
fn a_try_that_is_due_in_years_is_due_now() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, "timeout = \"1s\""));
    hook.answers([HookAnswer::Status(400, String::new())]);
    project.pack("build --push --allow-retag").ok().says(&["was not told"]);
    hook.take();
    let files = files_below(&project.cache().join("outbox"));
    let tries = files.iter().find(|file| file.extension().unwrap() == "tries").unwrap();
    let mut told = crate::support::json(&std::fs::read_to_string(tries).unwrap());
    told["notBefore"] = (told["notBefore"].as_u64().unwrap() + 400 * 24 * 3_600_000).into();
    std::fs::write(tries, told.to_string()).unwrap();
    project.write("files/a.txt", "b\n").pack("build --push --allow-retag").ok();
    assert_eq!((hook.take().len(), outbox(&project)), (2, Vec::new()));
}

#[test]
fn a_receiver_that_hangs_costs_its_time_and_no_more() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let other = Hook::start();
    let lines = webhook(&hook, "timeout = \"2s\"") + &webhook(&other, "");
    let project = project(&registry, &lines);
    hook.answers([HookAnswer::Silence]);
    let begun = Instant::now();
    project.pack("build --push --allow-retag").ok().says(&["was not told", "timed out"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!((hook.take().len(), other.take().len(), outbox(&project).len()), (1, 1, 2));
}

#[test]
fn a_required_receiver_is_reached_before_anything_is_pushed() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lines = format!("[[webhook]]\nurl = \"http://{gone}/hook\"\nrequired = true\ntimeout = \"1s\"\n");
    let refused = project(&registry, &lines);
    refused.pack("build --push --allow-retag").fails(3).says(&["which is required"]).hints();
    assert!(!registry.take_log().iter().any(|logged| logged.method == "PUT"), "something was pushed");
    // A build that pushes nothing needs no receiver.
    refused.pack("build").ok();
    // Any answer says that it is there. After the tag moved, the push has not failed, whatever it says.
    let project = project(&registry, &webhook(&hook, "required = true\ntimeout = \"1s\""));
    hook.answers([HookAnswer::Status(400, String::new())]);
    project.pack("build --push --allow-retag").ok().says(&["the required receiver", "was not told"]);
    project.pack("events flush").ok();
    assert_eq!(outbox(&project), Vec::<String>::new());
    // Nor is anything pushed if the event could not survive a crash.
    std::fs::write(project.cache().join("outbox/blocked"), "").unwrap();
    std::fs::remove_dir_all(project.cache().join("outbox")).unwrap();
    std::fs::write(project.cache().join("outbox"), "a file").unwrap();
    project
        .write("files/a.txt", "b\n")
        .pack("build --push --allow-retag")
        .fails(1)
        .says(&["required receiver"])
        .hints();
    let project = self::project(&registry, &webhook(&hook, ""));
    std::fs::create_dir_all(project.cache()).unwrap();
    std::fs::write(project.cache().join("outbox"), "a file").unwrap();
    hook.take();
    project
        .write("files/a.txt", "c\n")
        .pack("build --push --allow-retag")
        .ok()
        .says(&["is lost if this run is killed"]);
    assert_eq!(hook.take().len(), 1);
}

#[test]
fn no_secret_is_printed_or_kept() {
    const NEEDLE: &str = "zQWBuTSOo";
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let secret_file = format!("whsec_{}\n", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let lines = format!(
        "[[webhook]]\nurl = \"http://user:{NEEDLE}@{0}/{NEEDLE}?token={NEEDLE}\"\nsecret-env = \"HOOK\"\n\
         [[webhook]]\nurl = \"http://{0}/file\"\nsecret-file = \"hook.secret\"\n",
        hook.address()
    );
    let project = project(&registry, &lines);
    project.write("hook.secret", &secret_file);
    project.pack("build --push --allow-retag").fails(1).says(&["`HOOK` is not set"]).hints();
    assert!(!registry.take_log().iter().any(|logged| logged.method == "PUT"));
    let secret = format!("secret-{NEEDLE}");
    hook.answers(vec![HookAnswer::Status(400, String::new()); 2]);
    let mut said = String::new();
    for command in [
        "build --push --allow-retag -vv --json --timings=t.json",
        "events list",
        "events list --json",
        "events flush -vv",
    ] {
        let outcome = project.pack(command).env("HOOK", &secret).run();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        said += &(outcome.stdout + &outcome.stderr);
    }
    said += &std::fs::read_to_string(project.path("t.json")).unwrap();
    assert!(!said.contains(NEEDLE), "{said}");
    assert!(said.contains("/…"), "{said}");
    assert!(!said.contains("v1,"), "a signature is printed: {said}");
    let messages = hook.take();
    assert_eq!(messages.len(), 4);
    let login = messages.iter().filter(|message| message.headers.contains_key("authorization"));
    assert_eq!(login.count(), 2);
    for message in &messages {
        for name in
            ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256", "x-signature"]
        {
            assert!(message.headers.contains_key(name), "{name}: {message:?}");
        }
        let all = format!("{:?} {}", message.headers, String::from_utf8_lossy(&message.body));
        assert!(!all.contains(&secret), "{all}");
    }
    // The outbox has the address and the name of the variable, and never its value.
    hook.answers(vec![HookAnswer::Status(400, String::new()); 2]);
    project.write("files/a.txt", "b\n").pack("build --push --allow-retag").env("HOOK", &secret).ok();
    for path in files_below(&project.cache()) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }
    project.pack("events flush").fails(3).says(&["`HOOK` is not set"]);
    // An error that points at the line shows no password.
    project.write("build.toml", format!("[[webhook]]\nurl = \"ftp://user:{NEEDLE}@h/x\"\n"));
    let outcome = project.pack("build --push --allow-retag").fails(1);
    assert!(!outcome.stderr.contains(NEEDLE), "{}", outcome.stderr);
}

#[test]
fn a_strangers_build_file_names_no_receiver() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, ""));
    let name = format!("{}/shop/app", registry.address());
    let build = format!("build --push --allow-retag --untrusted --name {name} --tag 2");
    project.pack(&build).fails(4).says(&["sending events to", "--untrusted"]).hints();
    assert_eq!(hook.take().len(), 0);
}

#[test]
fn settings_of_receivers_that_cannot_be_are_refused() {
    let registry = Fake::start().unwrap();
    for (lines, said) in [
        ("url = \"https://h/x\"\nsecret = \"s\"", "secret-env"),
        ("url = \"https://h/x\"\nsecret-env = \"A\"\nsecret-file = \"b\"", "contradict"),
        ("url = \"https://h/x\"\ntimeout = \"6m\"", "at most 5 minutes"),
        ("url = \"h/x\"", "no URL"),
        ("url = \"https://h/x\"\nform = \"cdevent\"", "did you mean `cdevents`?"),
        ("url = \"https://h/x\"\non = [\"deploy\"]", "unknown kind of event"),
        ("form = \"webhook\"", "`webhook.url` is missing"),
    ] {
        let project = project(&registry, &format!("[[webhook]]\n{lines}\n"));
        project.pack("build --push --allow-retag").fails(1).says(&[said]);
    }
}

#[test]
fn events_wait_in_the_order_in_which_they_happened() {
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let project = project(&registry, &webhook(&hook, "timeout = \"500ms\""));
    hook.answers(vec![HookAnswer::Status(400, String::new()); 1]);
    let mut digests = Vec::new();
    for content in ["1\n", "2\n", "3\n"] {
        project.write("files/a.txt", content);
        digests.push(text(&project.pack("build --push --allow-retag --json").ok().json()["digest"]));
    }
    hook.take();
    project.pack("events flush").ok();
    let told: Vec<String> = hook.take().iter().map(|message| text(&message.json()["digest"])).collect();
    assert_eq!(told, digests);
    // A prune leaves the outbox alone.
    hook.answers([HookAnswer::Status(400, String::new())]);
    project.write("files/a.txt", "4\n").pack("build --push --allow-retag").ok();
    project.pack("cache prune --all").ok();
    assert_eq!(outbox(&project), ["event", "tries"]);
}

/// Gives a text to a program, which must accept it; its output.
fn judged(command: &mut std::process::Command, input: &str) -> String {
    use std::io::Write as _;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The library of CloudEvents for JavaScript reads the events, and that of Standard Webhooks for Python the signatures.
#[test]
fn other_libraries_read_events_and_signatures() {
    const READ: &str = "const { HTTP } = require('cloudevents'); let text = ''; process.stdin.on('data', part => text += part)
        .on('end', () => { const event = HTTP.toEvent(JSON.parse(text)); event.validate();
        console.log([event.id, event.type, event.source, event.data.digest ?? event.data.customData.digest].join(' ')); })";
    const VERIFY: &str = "import json, sys; from standardwebhooks.webhooks import Webhook
message = json.load(sys.stdin)
Webhook(sys.argv[1]).verify(message['body'], message['headers'])";
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (reader, verifier) = (peer("cloudevents/node_modules"), peer("webhooks/python"));
    if reader.is_none() && verifier.is_none() {
        return;
    }
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let forms = ["cloudevents", "cloudevents-structured", "cdevents", "cdevents-0.4"];
    let each = forms.map(|form| webhook(&hook, &format!("form = \"{form}\"\nsecret-env = \"HOOK\"")));
    let project = project(&registry, &each.concat());
    let built = project.pack("build --push --allow-retag --json").env("HOOK", KEY).ok().json();
    let messages = hook.take();
    assert_eq!(messages.len(), forms.len());
    for message in messages {
        let body = String::from_utf8(message.body.clone()).unwrap();
        let input = serde_json::json!({ "headers": message.headers, "body": body }).to_string();
        if let Some(reader) = &reader {
            let mut command = std::process::Command::new("node");
            let said = judged(command.args(["-e", READ]).env("NODE_PATH", reader), &input);
            let words: Vec<&str> = said.split_whitespace().collect();
            let source = format!("oci://{}/shop/app", registry.address());
            assert_eq!((words[0], words[2]), (message.headers["webhook-id"].as_str(), source.as_str()));
            assert_eq!(words[3], text(&built["digest"]));
        }
        if let Some(verifier) = &verifier {
            let mut command = std::process::Command::new("python3");
            judged(command.args(["-c", VERIFY, KEY]).env("PYTHONPATH", verifier), &input);
        }
    }
}

/// The library of CDEvents for Go, which has the schemas of all events, takes each of ours in both versions.
#[test]
fn the_schemas_of_cdevents_take_the_events() {
    let Some(judge) = peer("judges/judge") else { return };
    let (registry, hook) = (Fake::start().unwrap(), Hook::start());
    let forms = ["cdevents", "cdevents-0.4"];
    let each = forms.map(|form| webhook(&hook, &format!("form = \"{form}\"")));
    let project = project(&registry, &each.concat());
    let pack = |arguments: &str| {
        project.pack(&arguments.replace("NAME", &format!("{}/shop/app", registry.address()))).ok();
    };
    let mut judged = Vec::new();
    for (number, arguments) in [
        "build --push --allow-retag",
        "promote NAME:1 --to prod",
        "build --push --allow-retag",
        "promote NAME:1 --to prod",
        "rollback prod",
    ]
    .into_iter()
    .enumerate()
    {
        project.write("files/a.txt", format!("{}\n", number / 2));
        pack(arguments);
        let messages = hook.take();
        assert_eq!(messages.len(), forms.len(), "{arguments}");
        for message in messages {
            project.write("event.json", &message.body);
            let mut command = std::process::Command::new(&judge);
            let said = command.arg("cdevents").arg(project.path("event.json")).output().unwrap();
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            let body = String::from_utf8_lossy(&message.body).into_owned();
            assert!(said.status.success(), "{body}\n{}", String::from_utf8_lossy(&said.stderr));
            judged.push(text.trim().to_owned());
        }
    }
    judged.sort_unstable();
    judged.dedup();
    let kinds: Vec<&str> = judged.iter().filter_map(|line| line.split(' ').next()).collect();
    let subjects = ["artifact.published", "service.deployed", "service.rolledback", "service.upgraded"];
    let expected =
        subjects.iter().flat_map(|it| ["0.2.0", "0.3.0"].map(|of| format!("dev.cdevents.{it}.{of}")));
    assert_eq!(kinds, expected.collect::<Vec<_>>());
    assert!(judged.iter().all(|line| line.contains(" https://cdevents.dev/0.")), "{judged:#?}");
}
