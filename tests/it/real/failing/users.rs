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

/// A program that reads a page of a layer with these settings of its files.
fn secret_page(place: &Place, user: &str, files: &str) -> Image {
    place.program("app/start", "#!/bin/sh\ncat /opt/page.txt\n").write("page.txt", PAGE);
    let layer =
        format!("[[layer]]\nname = \"page\"\nfiles = [{{ from = \"page.txt\", to = \"/opt/\", {files} }}]\n");
    let config = config(&["/app/start"], &format!("user = \"{user}\""));
    Image::on(Base::Debian, tree("app", "/app") + &config + &layer)
}

/// The page in a directory of this mode.
fn in_a_directory(place: &Place, mode: &str) -> Image {
    place.program("app/start", "#!/bin/sh\ncat /opt/pages/page.txt\n").write("page.txt", PAGE);
    let layer = format!(
        "[[layer]]\nname = \"page\"\nfiles = [{{ from = \"page.txt\", to = \"/opt/pages/\" }}]\n\
         directories = [{{ path = \"/opt/pages\", mode = \"{mode}\" }}]\n"
    );
    Image::on(Base::Debian, tree("app", "/app") + &config(&["/app/start"], "user = \"1000\"") + &layer)
}

/// A program that writes to a directory that was made for that. A warning is an error here.
fn writes(place: &Place, owner: &str) -> Image {
    let script = "#!/bin/sh\nset -e\necho 'a page for all' > /var/lib/shop/page\ncat /var/lib/shop/page\n";
    place.program("app/start", script);
    let more = format!(
        "[[layer]]\nname = \"data\"\ndirectories = [{{ path = \"/var/lib/shop\"{owner} }}]\n\
         [check]\nlevels = {{ user-cannot-write = \"error\" }}\n"
    );
    Image::on(Base::Debian, tree("app", "/app") + &config(&["/app/start"], "user = \"1000\"") + &more)
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
        Case {
            name: "user-cannot-read",
            found: Found::Rules(&["user-cannot-read"]),
            faulty: |place| secret_page(place, "1000", "mode = \"0600\""),
            mended: |place| secret_page(place, "1000", "mode = \"0600\", owner = \"1000:1000\""),
            fails: "Permission denied",
            runs: PAGE,
        },
        Case {
            name: "group-cannot-read",
            found: Found::Rules(&["user-cannot-read"]),
            faulty: |place| secret_page(place, "www-data:www-data", "mode = \"0640\", owner = \"0:50\""),
            mended: |place| secret_page(place, "www-data:staff", "mode = \"0640\", owner = \"0:50\""),
            fails: "Permission denied",
            runs: PAGE,
        },
        Case {
            name: "user-cannot-enter",
            found: Found::Rules(&["user-cannot-read"]),
            faulty: |place| in_a_directory(place, "0700"),
            mended: |place| in_a_directory(place, "0711"),
            fails: "Permission denied",
            runs: PAGE,
        },
        Case {
            name: "user-cannot-write",
            found: Found::Rules(&["user-cannot-write"]),
            faulty: |place| writes(place, ""),
            mended: |place| writes(place, ", owner = \"1000:1000\""),
            fails: "Permission denied",
            runs: PAGE,
        },
    ]
}

#[test]
fn users_without_rights_are_found() {
    show(&cases(), &[Base::Debian]);
}
