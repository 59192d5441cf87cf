//! No output has the text of a secret, wherever an input has it.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::node::base_with;
use crate::support::{Project, Zip, chmod, tree_on};

/// A part of the token that nothing else has.
const NEEDLE: &str = "zQWBuTSOo";

/// A token of GitHub with a right checksum, put together here so that no text of a token is in the repository.
fn token() -> String {
    ["ghp_", NEEDLE, "Ri4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat()
}

/// The commands that tell most of an input, each with another form of output.
const COMMANDS: [&str; 7] = [
    "check -vv",
    "check --json",
    "check --format sarif",
    "plan -vv",
    "build -vv --json --timings=timings.html",
    "build -vv --timings=timings.json",
    "init --force --base scratch",
];

/// Runs all commands, and looks for the token in what they print and write. One of them has to tell of the place.
fn nothing_tells(place: &str, project: &Project) {
    let mut all = String::new();
    for command in COMMANDS {
        let outcome = project.pack(command).run();
        assert_ne!(outcome.code, Some(70), "{place}: {command}: {}", outcome.stderr);
        for (name, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            assert!(!text.contains(NEEDLE), "{place}: {command} prints it to {name}: {text}");
            all.push_str(text);
        }
        for file in ["timings.html", "timings.json"] {
            let text = std::fs::read_to_string(project.path(file)).unwrap_or_default();
            assert!(!text.contains(NEEDLE), "{place}: {command} writes it to {file}");
            let _ = std::fs::remove_file(project.path(file));
        }
    }
    let cut = ["ghp_…", "ghp\\u005f…", "[secret]"];
    assert!(cut.iter().any(|cut| all.contains(cut)), "{place}: nothing tells of it: {all}");
}

/// A tree with these lines after its build file.
fn tree(lines: &str) -> Project {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/page.html", "a page");
    project.append(
        "build.toml",
        &lines.replace("ESCAPED", &token().replace('_', "\\u005f")).replace("TOKEN", &token()),
    );
    project
}

#[test]
fn no_setting_with_a_secret_is_printed() {
    let cases = [
        "\n[config]\nenv = { X = \"TOKEN\"\n",
        "\n[config]\nenvv = { X = \"TOKEN\" }\n",
        "\n[config]\nenv = { X = [\"TOKEN\"] }\n",
        "\n[config]\nenv = { X = \"TOKEN\\u0000\" }\n",
        "\n[config]\nenv = { X = \"a\" } TOKEN\n",
        "\n[config]\nuser = \"TOKEN\"\nworkdir = 7 # TOKEN\n",
        "\n[config]\nlabels = { a = \"TOKEN {nope}\" }\n",
        "\n[config]\nlabels = { a = \"TOKEN\" }\n",
        "\n[config]\nlabels = { TOKEN = \"a\" }\n",
        "\n[config]\nenv = { TOKEN = \"a\" }\n",
        "\n[config]\nenv = { X = \"x_TOKEN_y\" }\n",
        "\n[config]\nenv = { DB = \"postgres://me:TOKEN@db/shop\" }\n",
        "\n[config]\nentrypoint = [\"/bin/TOKEN\"]\n",
        "\n[config]\ncmd = [\"sh\", \"-c\", \"TOKEN\"]\n",
        "\n[config]\nworkdir = \"/srv/TOKEN\"\n",
        "\n[config]\nvolumes = [\"/srv/TOKEN\"]\n",
        "\n[config]\nstop_signal = \"TOKEN\"\n",
        "\n[config]\nports = [\"TOKEN\"]\n",
        "\n[config]\nentrypoint = [\"/srv/page.html\"]\nhealthcheck = { cmd = [\"/srv/page.html\", \"TOKEN\"] }\n",
        "\n[config]\nhealthcheck = { cmd = \"curl TOKEN\" }\n",
        "\n[config]\nhealthcheck = { cmd = \"true\", interval = \"TOKEN\" }\n",
        "\n[image.annotations]\na = \"TOKEN\"\n",
        "\n[image.annotations]\na = \"{env.TOKEN}\"\n",
        "\n[[layer]]\nname = \"TOKEN\"\nlinks = [{ path = \"/l\", to = \"a\" }]\n",
        "\n[[layer]]\nname = \"n\"\nlinks = [{ path = \"/l\", to = \"/home/joe/TOKEN\" }]\n",
        "\n[[layer]]\nname = \"n\"\nfiles = [{ from = \"TOKEN\", to = \"/x\" }]\n",
        "\n[[layer]]\nname = \"n\"\ndirectories = [{ path = \"/TOKEN\", owner = \"TOKEN\" }]\n",
        "\n[[user]]\nname = \"TOKEN\"\nuid = 1000\n",
        "\n[config]\nuser = [\"TOKEN\"] # \\u005f\n",
        "\n[config]\nuser = [\"ESCAPED\"]\n",
        "\n[config]\nuser = \"ESCAPED:::\"\n",
        "\n[config]\nenv = { X = \"ESCAPED\" }\n",
        "\n[check]\nallow = { secret = \"TOKEN\", nope = \"TOKEN\" }\n",
    ];
    for lines in cases {
        nothing_tells(lines.trim(), &tree(lines));
    }
    let project = Project::with(&tree_on(&format!("host.test/{}:1@x", token())));
    nothing_tells("the base", &project);
    let project = tree("");
    for (flag, value) in [("--set", "config.user=[\"TOKEN\"]"), ("--base", "https://me:TOKEN@host.test/a:1")]
    {
        let outcome = project.pack("check").arg(flag).arg(value.replace("TOKEN", &token())).run();
        assert!(!outcome.stderr.contains(NEEDLE) && outcome.stderr.contains("ghp_…"), "{}", outcome.stderr);
    }
    let outcome = project.pack("check").env("PACK_BASE", &format!("{}:{0}", token())).run();
    assert!(!outcome.stderr.contains(NEEDLE) && outcome.code == Some(2), "{outcome:?}");
}

#[test]
fn no_file_with_a_secret_in_its_name_or_text_is_printed() {
    let token = token();
    let cases = [
        (format!("{token}.sqlite"), "SQLite format 3\0rest".to_owned()),
        (format!("{token}.log"), "x".to_owned()),
        ("a.pth".to_owned(), format!("/home/joe/{token}\n")),
        ("b.pc".to_owned(), format!("prefix=/home/joe/{}/{token}\n", "x".repeat(165))),
        ("run".to_owned(), format!("#!/home/joe/{token}\n")),
        ("a.properties".to_owned(), format!("url=http://me:{token}@db.internal/\n")),
        (format!("{token}/A.txt"), "a".to_owned()),
        ("wide.env".to_owned(), String::new()),
    ];
    for (name, text) in cases {
        let project = tree("");
        project.write(&format!("files/{name}"), text).write(&format!("files/{}", name.to_uppercase()), "b");
        project.write("files/token.txt", &token);
        nothing_tells(&name, &project);
    }
    let project = tree("");
    symlink(format!("/home/joe/{token}"), project.path("files/link")).unwrap();
    nothing_tells("a link", &project);
}

/// A password that has no form of its own.
const PASSWORD: &str = "hunter2hunter2Zq9";

/// Runs commands that fail or tell of the password, and looks for it in what they print.
fn no_password_is_told(place: &str, project: &Project) {
    for command in ["check -vv", "check --json", "check --format sarif", "plan -v", "build -vv"] {
        let outcome = project.pack(command).run();
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.to_lowercase().contains(&PASSWORD.to_lowercase()), "{place}: {command}: {all}");
        // One that is refused before for the missing program tells of that alone.
        let told = ["…", "secret", "[entrypoint-missing]"];
        assert!(told.iter().any(|told| all.contains(told)), "{place}: {command}: {all}");
    }
}

#[test]
fn no_password_that_a_name_or_a_place_shows_is_told() {
    for lines in [
        "env = { DB_PASSWORD = \"PW\", Y = [x] }",
        "env = { DB_PASSWORD = [\"PW\"] }",
        "env = { DB_PASSWORD = \"PW\" }\nuser = 7 # DB_PASSWORD=PW",
        "labels = { \"db.password\" = \"PW {nope}\" }",
        "user = \"joe:PW@host:x\"",
    ] {
        no_password_is_told(lines, &tree(&format!("\n[config]\n{}\n", lines.replace("PW", PASSWORD))));
    }
    let mirrors = format!("\n[registry.\"host.test\"]\nmirrors = [\"https://joe:{PASSWORD}@h/x\"]\n");
    no_password_is_told("a mirror", &tree(&mirrors));
    for base in ["https://joe:PW@h.test/x", "joe:PW@localhost:1/x", "joe:PW@h.test/x:1"] {
        no_password_is_told(base, &Project::with(&tree_on(&base.replace("PW", PASSWORD))));
        let project = Project::with(&tree_on("scratch"));
        let outcome = project.pack("check --name").arg(base.replace("PW", PASSWORD)).run();
        assert!(!outcome.stderr.to_lowercase().contains(&PASSWORD.to_lowercase()), "{}", outcome.stderr);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    }
    for script in
        ["DB_PASSWORD=PW node server.js", "DB_PASSWORD=PW npm run x", "node server.js --password=PW && q"]
    {
        let project =
            Project::with("[image]\nname = \"localhost/a\"\nbase = \"scratch\"\n[app]\npath = \"app\"\n");
        let script = script.replace("PW", PASSWORD);
        project.write("app/server.js", "").write("app/node_modules/.keep", "").write(
            "app/package.json",
            format!("{{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {{\"start\": \"{script}\"}}}}"),
        );
        no_password_is_told(&script, &project);
    }
}

#[test]
fn no_start_script_with_a_secret_is_printed() {
    for scripts in [
        r#""start": "node server.js --token=TOKEN""#,
        r#""start": "node server.js", "prestart": "x TOKEN""#,
        r#""start": "FOO=TOKEN npm run x""#,
        r#""start": "node x && TOKEN""#,
        r#""start": "TOKEN""#,
    ] {
        let project =
            Project::with("[image]\nname = \"localhost/a\"\nbase = \"scratch\"\n[app]\npath = \"app\"\n");
        project.write("app/server.js", "").write("app/node_modules/.keep", "").write(
            "app/package.json",
            format!("{{\"name\": \"a\", \"version\": \"1.0.0\", \"scripts\": {{{scripts}}}}}")
                .replace("TOKEN", &token()),
        );
        nothing_tells(scripts, &project);
    }
}

/// The findings about secrets: the message, the file, and the lines of the file and of the setting.
fn places(project: &Project, arguments: &str) -> Vec<(String, Value, Value, Value)> {
    let report = project.pack("check --json").args(arguments).run().json();
    let found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "secret");
    let text = |finding: &Value| finding["message"].as_str().unwrap().to_owned();
    let place = |finding: &Value| {
        (text(finding), finding["file"].clone(), finding["line"].clone(), finding["setting"]["line"].clone())
    };
    found.map(place).collect()
}

#[test]
fn settings_and_names_are_searched_and_findings_tell_their_line() {
    for (lines, noun) in [
        ("env = { X = \"TOKEN\" }", "the variable `X`"),
        ("env = { TOKEN = \"x\" }", "the variable `ghp_…`"),
        ("labels = { a = \"TOKEN\" }", "the label `a`"),
        ("labels = { TOKEN = \"a\" }", "the label `ghp_…`"),
        ("entrypoint = [\"/srv/page.html\", \"TOKEN\"]", "`entrypoint`"),
        ("cmd = [\"TOKEN\"]", "`cmd`"),
        ("healthcheck = { cmd = \"curl -H TOKEN\" }", "`healthcheck`"),
        ("healthcheck = { cmd = [\"curl\", \"TOKEN\"] }", "`healthcheck`"),
        ("volumes = [\"/v/TOKEN\"]", "`volumes`"),
        ("workdir = \"/srv/TOKEN\"", "`workdir`"),
        ("[image.annotations]\na = \"TOKEN\"", "the annotation `a`"),
        ("[[layer]]\nname = \"TOKEN\"\nlinks = [{ path = \"/l\", to = \"a\" }]", "the name of a layer"),
    ] {
        let section = if lines.starts_with('[') { "" } else { "[config]\n" };
        let project = tree(&format!("\n{section}{lines}\n"));
        std::fs::rename(project.path("build.toml"), project.path("other.toml")).unwrap();
        let found = places(&project, "-f other.toml");
        let [(message, _, _, line)] = &found[..] else { panic!("{lines}: {found:?}") };
        assert!(message.starts_with(&format!("{noun} of the image has a token of GitHub")), "{message}");
        assert_eq!(*line, json!(12), "{lines}");
        let sarif = project.pack("check -f other.toml --format sarif").run().json();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let result = results.iter().find(|result| result["ruleId"] == "secret").unwrap();
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
            (&json!("other.toml"), &json!(12))
        );
    }
}

#[test]
fn the_name_and_the_tags_are_searched() {
    let tag = format!("tags = [\"{}\"]", token());
    let project = Project::with(&tree_on("scratch").replace("tags = [\"1\"]", &tag));
    project.write("files/page.html", "a page");
    let found = places(&project, "");
    assert!(found[0].0.starts_with("`tags` of the image has a token of GitHub"), "{found:?}");
    nothing_tells("tags", &project);
    let outcome = project.pack("build --allow secret=tests -o oci:out").run();
    assert!(!outcome.stderr.contains(NEEDLE) && outcome.stderr.contains("ghp_…"), "{}", outcome.stderr);
}

/// A zipapp stays packed in the image, and is looked into.
#[test]
fn a_zipapp_is_looked_into() {
    let (_base, layout) = base_with("usr/bin/python3", "");
    let project = Project::new();
    let mut zip = Zip::default();
    zip.stored("__main__.py", format!("key = '{}'\n", token()).as_bytes());
    project.write("hello.pyz", zip.stored(".env", format!("DB_PASSWORD={PASSWORD}\n").as_bytes()).finish());
    let found = places(&project, &format!("hello.pyz --base {layout} --name localhost/x"));
    let says = |text: &str| found.iter().any(|finding| finding.0.starts_with(text));
    assert!(says("`/app/hello.pyz/__main__.py`, line 1, has a token of GitHub"), "{found:?}");
    assert!(says("`/app/hello.pyz/.env`, line 1, has"), "{found:?}");
}

#[test]
fn files_names_and_links_with_a_secret_are_found_at_their_place() {
    let project = tree("\n[[layer]]\nname = \"links\"\nlinks = [{ path = \"/l\", to = \"/TOKEN\" }]\n");
    project.write("files/a.txt", format!("a\n{}\n", token())).write(&format!("files/{}/b.txt", token()), "b");
    let found = places(&project, "");
    assert_eq!(found.len(), 3, "{found:?}");
    let of = |start: &str| found.iter().find(|finding| finding.0.starts_with(start)).expect(start);
    let file = of("`/srv/a.txt`, line 2, has");
    let link = of("the target of the link `/l` has a token of GitHub");
    of("the path `/srv/ghp_…` has a token of GitHub");
    assert_eq!(file.2, 2);
    assert_eq!(file.1, project.path("files/a.txt").to_str().unwrap());
    assert_eq!(link.1, project.path("files").to_str().unwrap(), "the artifact, where nothing else tells");
    let sarif = project.pack("check --format sarif").run().json();
    let results = sarif["runs"][0]["results"].as_array().unwrap().iter();
    let places = results.map(|result| &result["locations"][0]["physicalLocation"]);
    let lines: Vec<&Value> = places
        .filter(|place| place["artifactLocation"]["uri"] == "files/a.txt")
        .map(|place| &place["region"])
        .collect();
    assert_eq!(lines, [&json!({ "startLine": 2 })]);
}

#[test]
fn a_key_of_aws_in_a_variable_is_an_error_as_in_a_file() {
    let key = "Zx81kQv93LmTr0aBcDy7HnWp45JfUgE2Zx81kQv9";
    let project = tree(&format!("\n[config]\nenv = {{ AWS_SECRET_ACCESS_KEY = \"{key}\" }}\n"));
    let outcome = project.pack("check").run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stdout.contains("error[secret]: the variable `AWS_SECRET_ACCESS_KEY` of the image has a secret key of AWS (40 bytes)"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains(key));
}

#[test]
fn no_part_of_a_secret_is_left_where_a_text_is_cut() {
    let project = Project::new();
    for length in (0..60).step_by(3) {
        let run = format!("RUN fetch {} {} > /x", "a".repeat(length), token());
        project.write(
            "Dockerfile",
            format!("FROM example.com/a\n{run}\nEXPOSE {}{}\n", "b".repeat(length), token()),
        );
        let said = project.pack("init --force --from Dockerfile").run();
        let file = std::fs::read_to_string(project.path("build.toml")).unwrap_or_default();
        let part = &NEEDLE[..5];
        assert!(!said.stderr.contains(part) && !file.contains(part), "{length}: {said:?} {file}");
    }
    // A column and a line that are cut within a secret.
    for length in (150..2_100).step_by(150) {
        let label = format!("{} {}", "a ".repeat(length / 2), token());
        let layout = |name: &str, word: &str| {
            let settings = format!("\n[config]\nentrypoint = [\"/srv/a\", \"{word}\"]\n");
            project.write("build.toml", tree_on("scratch") + &settings).write("files/a", "#!/srv/a\n");
            chmod(&project.path("files/a"), 0o755);
            let run = project.pack("build --allow secret=test -o").arg(format!("oci:{name}"));
            run.ok();
        };
        layout("one", "b");
        layout("two", &label);
        for command in
            ["inspect oci:two", "history oci:two", "diff oci:one oci:two", "diff oci:one oci:two --html -"]
        {
            let said = project.pack(command).run();
            assert!(!said.stdout.contains(&NEEDLE[..5]), "{command}, {length}: {}", said.stdout);
        }
    }
}
