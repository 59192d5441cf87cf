//! No output has the text of a secret, wherever an input has it.

use std::os::unix::fs::symlink;

use crate::support::{Project, tree_on};

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

/// Runs all commands, and looks for the token in what they print and write.
fn nothing_tells(place: &str, project: &Project) {
    for command in COMMANDS {
        let outcome = project.pack(command).run();
        assert_ne!(outcome.code, Some(70), "{place}: {command}: {}", outcome.stderr);
        for (name, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            assert!(!text.contains(NEEDLE), "{place}: {command} prints it to {name}: {text}");
        }
        for file in ["timings.html", "timings.json"] {
            let text = std::fs::read_to_string(project.path(file)).unwrap_or_default();
            assert!(!text.contains(NEEDLE), "{place}: {command} writes it to {file}");
            let _ = std::fs::remove_file(project.path(file));
        }
    }
}

/// A tree with these lines after its build file.
fn tree(lines: &str) -> Project {
    let project = Project::with(&tree_on("scratch"));
    project.write("files/page.html", "a page");
    project.append("build.toml", &lines.replace("TOKEN", &token()));
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
        "\n[[layer]]\nname = \"TOKEN\"\nfiles = [{ from = \"no\", to = \"/x\" }]\n",
        "\n[[layer]]\nname = \"TOKEN\"\nlinks = [{ path = \"/l\", to = \"a\" }]\n",
        "\n[[layer]]\nlinks = [{ path = \"/l\", to = \"/home/joe/TOKEN\" }]\n",
        "\n[[layer]]\nfiles = [{ from = \"TOKEN\", to = \"/x\" }]\n",
        "\n[[layer]]\ndirectories = [{ path = \"/TOKEN\", owner = \"TOKEN\" }]\n",
        "\n[[user]]\nname = \"TOKEN\"\nuid = 1000\n",
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
