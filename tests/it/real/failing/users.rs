//! Users, and what they may do.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, config, tree};
use super::session::show;

const SCRIPT: &str = "#!/bin/sh\ncat /app/page.txt\n";
const PAGE: &str = "a page for all";

/// A script that reads a page as `user`.
fn read_by(place: &Place, user: &str, more: &str) -> Image {
    place.program("app/start", SCRIPT).write("app/page.txt", PAGE);
    Image::on(
        Base::Debian,
        tree("app", "/app") + &config(&["/app/start"], &format!("user = \"{user}\"")) + more,
    )
}

/// The script in a layer with these settings of its files.
fn in_a_layer(place: &Place, files: &str) -> Image {
    place.write("app/page.txt", PAGE).program("script", SCRIPT);
    let layer = format!(
        "[[layer]]\nname = \"script\"\nfiles = [{{ from = \"script\", to = \"/opt/start\", {files} }}]\n"
    );
    Image::on(Base::Debian, tree("app", "/app") + &config(&["/opt/start"], "user = \"1000\"") + &layer)
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "user-unknown",
            found: Found::Rules(&["user-unknown"]),
            faulty: |place| read_by(place, "shop", ""),
            mended: |place| read_by(place, "www-data", ""),
            fails: "unable to find user shop",
            runs: PAGE,
        },
        Case {
            name: "group-unknown",
            found: Found::Rules(&["user-unknown"]),
            faulty: |place| read_by(place, "www-data:shop", ""),
            mended: |place| read_by(place, "www-data:staff", ""),
            fails: "unable to find group shop",
            runs: PAGE,
        },
        Case {
            name: "user-cannot-execute",
            found: Found::Rules(&["entrypoint-not-executable"]),
            faulty: |place| in_a_layer(place, "mode = \"0744\""),
            mended: |place| in_a_layer(place, "mode = \"0744\", owner = \"1000:1000\""),
            fails: "permission denied",
            runs: PAGE,
        },
    ]
}

#[test]
fn users_without_rights_are_found() {
    show(&cases(), &[Base::Debian]);
}
