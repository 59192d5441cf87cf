//! Applications of Node.js.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, app, config, tree};
use super::native::for_machine;
use super::session::show;
use crate::artifacts::ARM64;
use crate::node::{ANSWER, NPM};

fn npm(place: &Place, base: Base) -> Image {
    place.files("app/", NPM);
    Image::on(base, app("app"))
}

/// An application that says the text of an addon.
fn addon(place: &Place, addon: &[u8]) -> Image {
    place
        .write(
            "app/package.json",
            r#"{"name":"hello","version":"1.0.0","main":"server.js","dependencies":{"word":"1"}}"#,
        )
        .write("app/server.js", "console.log('hello from', require('word').text)\n")
        .write(
            "app/node_modules/word/package.json",
            r#"{"name":"word","version":"1.0.0","main":"build/Release/word.node"}"#,
        )
        .write("app/node_modules/word/build/Release/word.node", addon);
    Image::on(Base::Node, app("app"))
}

fn good_addon(place: &Place) -> Image {
    addon(place, &place.input("failing/node/napi.node"))
}

fn of_arm(place: &Place) -> Vec<u8> {
    for_machine(place.input("failing/node/napi.node"), ARM64)
}

/// The directory of an application as it is.
fn by_hand(image: Image) -> Image {
    let text = tree("app", "/app") + &config(&["node", "/app/server.js"], "workdir = \"/app\"");
    Image { text, ..image }
}

fn cases() -> Vec<Case> {
    let addon_fails = |name, rules, faulty, fails| Case {
        name,
        found: Found::Rules(rules),
        faulty,
        mended: good_addon,
        fails,
        runs: "hello from an addon",
    };
    vec![
        Case {
            name: "node-missing",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| npm(place, Base::Debian),
            mended: |place| npm(place, Base::Node),
            fails: "executable file not found in $PATH",
            runs: ANSWER,
        },
        addon_fails(
            "addon-of-musl",
            &["elf-libc"],
            |place| addon(place, &place.input("failing/node/musl.node")),
            "libc.musl-x86_64.so.1: cannot open shared object file",
        ),
        Case {
            name: "addon-for-another-processor",
            found: Found::Refused {
                says: "word.node` is for linux/arm64, and the base for linux/amd64",
                by_hand: |place| by_hand(addon(place, &of_arm(place))),
            },
            faulty: |place| addon(place, &of_arm(place)),
            mended: good_addon,
            fails: "cannot open shared object file",
            runs: "hello from an addon",
        },
        addon_fails(
            "addon-without-its-library",
            &["elf-library"],
            |place| addon(place, &place.input("failing/node/library.node")),
            "libdeep.so.1: cannot open shared object file",
        ),
    ]
}

#[test]
fn applications_of_node_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Node]);
}
