//! The word that starts an image, and scripts.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, config, tree};
use super::session::show;

const SCRIPT: &str = "#!/bin/sh\necho hello from a script\n";
const HELLO: &str = "hello from a script";

/// A directory with this script, started by these words.
fn script(place: &Place, base: Base, text: &str, entrypoint: &[&str]) -> Image {
    place.program("app/start", text);
    Image::on(base, tree("app", "/app") + &config(entrypoint, ""))
}

fn debian(place: &Place, text: &str) -> Image {
    script(place, Base::Debian, text, &["/app/start"])
}

fn good(place: &Place) -> Image {
    debian(place, SCRIPT)
}

/// The good script, started by other words.
fn started(place: &Place, entrypoint: &[&str], more: &str) -> Image {
    place.program("app/start", SCRIPT);
    Image::on(Base::Debian, tree("app", "/app") + &config(entrypoint, more))
}

fn cases() -> Vec<Case> {
    let one = |name, rule, faulty, fails| Case {
        name,
        found: Found::Rules(rule),
        faulty,
        mended: good,
        fails,
        runs: HELLO,
    };
    vec![
        Case {
            mended: |place| script(place, Base::Musl, SCRIPT, &["/app/start"]),
            ..one(
                "no-bash",
                &["entrypoint-no-shell"],
                |place| script(place, Base::Musl, "#!/bin/bash\necho hello from a script\n", &["/app/start"]),
                "no such file or directory",
            )
        },
        one(
            "env-without-the-program",
            &["entrypoint-no-shell"],
            |place| debian(place, "#!/usr/bin/env node\nconsole.log('hello')\n"),
            "No such file or directory",
        ),
        one(
            "line-ends-of-windows",
            &["entrypoint-no-shell"],
            |place| debian(place, "#!/bin/sh\r\necho hello from a script\r\n"),
            "no such file or directory",
        ),
        one(
            "no-first-line",
            &["entrypoint-not-executable"],
            |place| debian(place, "echo hello from a script\n"),
            "exec format error",
        ),
        one(
            "interpreter-not-executable",
            &["entrypoint-not-executable"],
            |place| {
                place.write("app/run", SCRIPT);
                debian(place, "#!/app/run\n")
            },
            "permission denied",
        ),
        Case {
            mended: |place| script(place, Base::Musl, SCRIPT, &["/bin/sh", "-c", "/app/start"]),
            ..one(
                "no-shell",
                &["entrypoint-no-shell"],
                |place| script(place, Base::Scratch, SCRIPT, &["/bin/sh", "-c", "/app/start"]),
                "no such file or directory",
            )
        },
        one(
            "not-on-the-path",
            &["entrypoint-missing"],
            |place| started(place, &["start"], ""),
            "executable file not found in $PATH",
        ),
        one(
            "entrypoint-elsewhere",
            &["entrypoint-missing"],
            |place| started(place, &["/app/bin/start"], ""),
            "no such file or directory",
        ),
        Case {
            mended: |place| started(place, &["./start"], "workdir = \"/app\""),
            ..one(
                "relative-to-another-directory",
                &["entrypoint-missing"],
                |place| started(place, &["./start"], "workdir = \"/srv\""),
                "no such file or directory",
            )
        },
        one(
            "entrypoint-is-a-directory",
            &["entrypoint-not-executable"],
            |place| started(place, &["/app"], ""),
            "permission denied",
        ),
        one(
            "not-executable",
            &["entrypoint-not-executable"],
            |place| {
                place.write("app/start", SCRIPT);
                Image::on(Base::Debian, tree("app", "/app") + &config(&["/app/start"], ""))
            },
            "permission denied",
        ),
        Case {
            mended: |place| {
                place.link("app/main", "start");
                started(place, &["/app/main"], "")
            },
            ..one(
                "link-to-nothing",
                &["entrypoint-missing"],
                |place| {
                    place.link("app/main", "gone");
                    started(place, &["/app/main"], "")
                },
                "no such file or directory",
            )
        },
        one(
            "link-to-itself",
            &["entrypoint-missing"],
            |place| {
                place.link("app/main", "main");
                started(place, &["/app/main"], "")
            },
            "too many levels of symbolic links",
        ),
    ]
}

#[test]
fn scripts_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Musl]);
}
