//! Cells that are not an operation with a fault: what only one place can do, whole registries, two machines,
//! two pushers.

use super::Play::{Both, Chunked, Fixed, Index, Pull, Push, Race, Twice};
use super::*;
use crate::registry::fake::Action::{Answer, Instead, Lose};
use crate::registry::fake::Kind::{Blob as BlobKind, Cdn, Manifest, Session, Start, Token};
use crate::registry::fake::{Action, At, End, Mount, PROFILES, Place, Quirks, Replicas, Reply};

/// All of them.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for add in [lookups, places, uploads, shapes, manifests, documents, downloads, logins] {
        add(&mut cells);
    }
    for add in [profiles, replicas, pushers, fixed_tags] {
        add(&mut cells);
    }
    cells
}

/// A cell with faults that are made in its scene.
fn cell(
    cells: &mut Vec<Cell>,
    play: Play,
    name: &str,
    outcome: Outcome,
    faults: impl Fn(&Scene) -> Vec<Fault> + Send + Sync + 'static,
) {
    prepared(cells, play, name, outcome, move |scene| {
        faults(scene).into_iter().for_each(|fault| scene.fake.fault(fault));
    });
}

fn prepared(
    cells: &mut Vec<Cell>,
    play: Play,
    name: &str,
    outcome: Outcome,
    prepare: impl Fn(&Scene) + Send + Sync + 'static,
) {
    let name = format!("{play:?}/{name}");
    cells.push(Cell::new(name, (play, Protocol::Http1), outcome, prepare));
}

/// The registry of the latest cell loses data.
fn loses(cells: &mut [Cell]) {
    if let Some(cell) = cells.last_mut() {
        cell.loses = true;
    }
}

fn fails(text: &'static str) -> Outcome {
    Fails(vec![text])
}

fn status(status: u16) -> Action {
    Answer(Reply::new(status))
}

fn set(name: &'static str, value: Option<String>) -> Action {
    Action::edit(move |reply| reply.set(name, value.as_deref()))
}

/// Turns `Location: /path` into another spelling of it.
fn respell(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Action {
    Action::edit(move |reply| {
        let old = reply.get("Location").map(&change);
        reply.set("Location", old.as_deref());
    })
}

fn lookups(cells: &mut Vec<Cell>) {
    cell(cells, Push, "HEAD blob/200 to everything", Succeeds, |_| {
        vec![Fault::once("HEAD", BlobKind, status(200))]
    });
    cell(cells, Push, "HEAD blob/another size", Succeeds, |_| {
        vec![Fault::once("HEAD", BlobKind, Answer(Reply::new(200).header("Content-Length", "1")))]
    });
    cell(cells, Push, "HEAD blob/another digest", Succeeds, |_| {
        let other = Digest::of(b"x").to_string();
        vec![Fault::once("HEAD", BlobKind, Answer(Reply::new(200).header("Docker-Content-Digest", other)))]
    });
    cell(cells, Push, "HEAD blob/lies that it is there, once", Succeeds, |scene| {
        let reply = Reply::new(200).header("Content-Length", scene.size().to_string());
        vec![Fault::once("HEAD", BlobKind, Answer(reply))]
    });
    cell(cells, Push, "HEAD blob/lies for ever", Succeeds, |scene| {
        let reply = Reply::new(200).header("Content-Length", scene.size().to_string());
        vec![Fault::always("HEAD", BlobKind, Answer(reply))]
    });
    cell(cells, Push, "HEAD blob/says for ever that it is not there", Succeeds, |_| {
        vec![Fault::always("HEAD", BlobKind, status(404))]
    });
    cell(cells, Push, "HEAD tag/without digest", Succeeds, |_| {
        vec![Fault::always("HEAD", Manifest, set("Docker-Content-Digest", None))]
    });
    cell(cells, Push, "HEAD tag/with nonsense for a digest", Succeeds, |_| {
        vec![Fault::always("HEAD", Manifest, set("Docker-Content-Digest", Some("sha256:../../x".into())))]
    });
    cell(cells, Push, "GET previous manifest/is another", Succeeds, |_| {
        vec![Fault::always("GET", Manifest, Answer(Reply::new(200).body("{}")))]
    });
}

fn places(cells: &mut Vec<Cell>) {
    let fixed = [
        ("none", "", "no `Location`"),
        ("blank", " ", "no `Location`"),
        ("a metadata service", "http://169.254.169.254/x", "inside a network"),
        ("a private address", "https://10.1.2.3/x", "inside a network"),
        ("a shared address", "https://100.64.0.1/x", "inside a network"),
        ("a file", "file:///etc/passwd", "`file` address"),
        ("a password in it", "http://u:p@127.0.0.1:1/x", "with a password in the address"),
        ("no address", "http://[", "no valid address"),
    ];
    for (name, location, text) in fixed {
        for play in [Push, Chunked, Both] {
            cell(cells, play, &format!("POST/Location: {name}"), fails(text), move |_| {
                let location = (!location.is_empty()).then(|| location.to_owned());
                vec![Fault::always("POST", Start, set("Location", location))]
            });
        }
    }
    let spellings =
        [Place::Path, Place::Address, Place::Relative, Place::State, Place::Singular, Place::Elsewhere];
    for place in spellings {
        for play in [Push, Chunked, Index, Both] {
            prepared(cells, play, &format!("POST/Location as {place:?}"), Succeeds, move |scene| {
                scene.fake.set_quirks(Quirks { place, ..Quirks::default() });
            });
        }
    }
    cell(cells, Push, "POST/Location with odd bytes in its query", Succeeds, |_| {
        vec![Fault::always("POST", Start, respell(|path| format!("{path}?_state=a%2Bb%3D&x&y=%7e")))]
    });
    cell(cells, Push, "POST/Location with a fragment", Succeeds, |_| {
        vec![Fault::always("POST", Start, respell(|path| format!("{path}#part")))]
    });
    for status in [200, 201, 204] {
        cell(cells, Push, &format!("POST/{status} instead of 202"), Succeeds, move |_| {
            vec![Fault::always("POST", Start, Action::edit(move |reply| reply.status = status))]
        });
    }
    cell(cells, Push, "POST/orphan session", Succeeds, |_| vec![Fault::once("POST", Start, Lose)]);
    cell(cells, Push, "DELETE/session is not given up", Succeeds, |_| {
        vec![Fault::once("PUT", Session, status(500)), Fault::always("DELETE", Session, status(500))]
    });
    cell(cells, Push, "DELETE/resets", fails("uploading blob"), |_| {
        let reset = Action::Cut(At::Start, End::Reset);
        vec![Fault::always("PUT", Session, status(413)), Fault::always("DELETE", Session, reset)]
    });
    for (name, mount) in [
        ("declined", Mount::Declined),
        ("400", Mount::Refused(400)),
        ("401", Mount::Refused(401)),
        ("403", Mount::Refused(403)),
        ("404", Mount::Refused(404)),
        ("500", Mount::Refused(500)),
    ] {
        prepared(cells, Both, &format!("mount/always {name}"), Succeeds, move |scene| {
            scene.fake.set_quirks(Quirks { mount, ..Quirks::default() });
        });
    }
    for (name, action) in
        [("201, not done", status(201)), ("202 without Location", status(202)), ("lost", Lose)]
    {
        cell(cells, Both, &format!("mount/{name}"), Succeeds, move |_| {
            vec![Fault::always("POST", Kind::Mount, action.clone())]
        });
        loses(cells);
    }
}

fn uploads(cells: &mut Vec<Cell>) {
    for status in [200, 201, 202, 204] {
        cell(cells, Push, &format!("PUT blob/{status} without digest, stored"), Succeeds, move |_| {
            vec![Fault::always("PUT", Session, Instead(Reply::new(status)))]
        });
        cell(
            cells,
            Push,
            &format!("PUT blob/{status} without digest, not stored once"),
            Succeeds,
            move |_| vec![Fault::once("PUT", Session, Answer(Reply::new(status)))],
        );
        cell(
            cells,
            Push,
            &format!("PUT blob/{status} without digest, never stored"),
            fails("does not have it"),
            move |_| vec![Fault::always("PUT", Session, Answer(Reply::new(status)))],
        );
    }
    cell(cells, Push, "PUT blob/201 with another digest", Succeeds, |_| {
        vec![Fault::once("PUT", Session, set("Docker-Content-Digest", Some(Digest::of(b"x").to_string())))]
    });
    for (status, code) in [
        (404, "BLOB_UPLOAD_UNKNOWN"),
        (404, "BLOB_UNKNOWN"),
        (400, "BLOB_UPLOAD_INVALID"),
        (416, "BLOB_UPLOAD_INVALID"),
        (400, "DIGEST_INVALID"),
        (409, "CONFLICT"),
        (500, "UNKNOWN"),
    ] {
        for (name, stored) in [("present", true), ("absent", false)] {
            for (when, times) in [("once", 1), ("twice", 2)] {
                let both = [Push, Chunked];
                for play in both.into_iter().filter(|play| *play == Push || times == 1) {
                    cell(
                        cells,
                        play,
                        &format!("PUT blob/{status} {code}, {name}, {when}"),
                        Succeeds,
                        move |_| {
                            let reply = Reply::error(status, code, "");
                            let action = if stored { Instead(reply) } else { Answer(reply) };
                            vec![Fault::nth("PUT", Session, 1, times, action)]
                        },
                    );
                }
            }
        }
    }
    cell(cells, Push, "PUT blob/stored and lost", Succeeds, |_| vec![Fault::once("PUT", Session, Lose)]);
    loses(cells);
    cell(cells, Push, "PUT blob/always lost", fails("MANIFEST_BLOB_UNKNOWN"), |_| {
        vec![Fault::always("PUT", Session, Lose)]
    });
    loses(cells);
    cell(cells, Push, "PUT blob/slower than the limit each time, stored", Succeeds, |_| {
        vec![Fault::always("PUT", Session, Action::Delay(Duration::from_secs(310)))]
    });
    for status in [301, 302, 303, 307, 308] {
        cell(
            cells,
            Push,
            &format!("PUT blob/{status} to another host"),
            fails("uploading blob"),
            move |scene| {
                let away = format!("http://{}/x", scene.fake.foreign_address());
                vec![Fault::always("PUT", Session, Answer(Reply::new(status).header("Location", away)))]
            },
        );
    }
}

fn shapes(cells: &mut Vec<Cell>) {
    for status in [400, 404, 405, 411, 415, 501] {
        prepared(
            cells,
            Push,
            &format!("PUT blob/whole blobs are refused with {status}"),
            Succeeds,
            move |scene| {
                scene
                    .fake
                    .set_quirks(Quirks { refuses_whole: Some((status, "UNSUPPORTED")), ..Quirks::default() });
            },
        );
    }
    let with = |play, name, outcome, quirks: fn() -> Quirks, cells: &mut Vec<Cell>| {
        prepared(cells, play, name, outcome, move |scene| scene.fake.set_quirks(quirks()));
    };
    with(
        Chunked,
        "PATCH/201 and a Range that stands still",
        Succeeds,
        || Quirks { patched: 201, stuck_range: true, ..Quirks::default() },
        cells,
    );
    with(Chunked, "PATCH/204", Succeeds, || Quirks { patched: 204, ..Quirks::default() }, cells);
    with(
        Chunked,
        "PATCH/pieces must have 18,000 bytes",
        Succeeds,
        || Quirks { chunk_minimum: Some(18_000), ..Quirks::default() },
        cells,
    );
    with(
        Chunked,
        "PATCH/pieces must have 1 GB",
        Succeeds,
        || Quirks { chunk_minimum: Some(1 << 30), ..Quirks::default() },
        cells,
    );
    with(
        Chunked,
        "PATCH/pieces may have 10,000 bytes",
        fails("uploading blob"),
        || Quirks { range_limit: Some(10_000), ..Quirks::default() },
        cells,
    );
    with(
        Chunked,
        "PATCH/ranges are refused",
        Succeeds,
        || Quirks { refuses_ranges: true, ..Quirks::default() },
        cells,
    );
    cell(cells, Chunked, "PATCH/416 with the real offset", Succeeds, |_| {
        let reply = Reply::error(416, "RANGE_INVALID", "").header("Range", "0-99");
        vec![Fault::nth("PATCH", Session, 2, 1, Answer(reply))]
    });
    cell(cells, Chunked, "PATCH/without Location", Succeeds, |_| {
        vec![Fault::always("PATCH", Session, set("Location", None))]
    });
    cell(cells, Chunked, "PATCH/Location to a metadata service", fails("inside a network"), |_| {
        vec![Fault::always("PATCH", Session, set("Location", Some("http://169.254.169.254/x".into())))]
    });
    for (name, action) in [
        ("reset", Action::Cut(At::Middle, End::Reset)),
        ("416", status(416)),
        ("500", status(500)),
        ("done and 500", Instead(Reply::new(500))),
        ("201 instead of 202", Action::edit(|reply| reply.status = 201)),
        ("lost", Lose),
    ] {
        cell(cells, Push, &format!("PUT blob refused, PATCH/{name}"), Succeeds, move |_| {
            vec![Fault::once("PUT", Session, status(415)), Fault::once("PATCH", Session, action.clone())]
        });
    }
    cell(cells, Push, "PUT blob refused, PATCH/refused too", fails("405 Method Not Allowed"), |_| {
        vec![Fault::always("PUT", Session, status(405)), Fault::always("PATCH", Session, status(405))]
    });
}

fn manifests(cells: &mut Vec<Cell>) {
    let unknown = |digest: Digest| {
        Answer(Reply::error(404, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown: {digest}")))
    };
    for play in [Push, Chunked] {
        cell(cells, play, "PUT manifest/blob unknown once", Succeeds, move |scene| {
            vec![Fault::once("PUT", Manifest, unknown(scene.layers().0))]
        });
        loses(cells);
        cell(
            cells,
            play,
            "PUT manifest/blob unknown for ever",
            fails("MANIFEST_BLOB_UNKNOWN"),
            move |scene| vec![Fault::always("PUT", Manifest, unknown(scene.layers().0))],
        );
        loses(cells);
    }
    cell(cells, Both, "PUT manifest/mounted blob unknown once", Succeeds, move |scene| {
        vec![Fault::once("PUT", Manifest, unknown(scene.layers().1))]
    });
    loses(cells);
    for play in [Push, Both, Index] {
        cell(cells, play, "PUT manifest/nameless blob unknown once", Succeeds, |_| {
            vec![Fault::once("PUT", Manifest, Answer(Reply::error(400, "MANIFEST_BLOB_UNKNOWN", "")))]
        });
        loses(cells);
    }
    let misread = || Answer(Reply::error(400, "DIGEST_INVALID", ""));
    for play in [Push, Index] {
        cell(cells, play, "PUT manifest/400 DIGEST_INVALID, twice", Succeeds, move |_| {
            vec![Fault::nth("PUT", Manifest, 1, 2, misread())]
        });
    }
    cell(cells, Push, "PUT manifest/400 DIGEST_INVALID for ever", fails("DIGEST_INVALID"), move |_| {
        vec![Fault::always("PUT", Manifest, misread())]
    });
    cell(cells, Push, "PUT manifest/invalid", fails("MANIFEST_INVALID"), |_| {
        vec![Fault::always("PUT", Manifest, Answer(Reply::error(400, "MANIFEST_INVALID", "")))]
    });
    let words: [(u16, &str, &str); 6] = [
        (
            400,
            "TAG_INVALID",
            "the image tag already exists and cannot be overwritten because the repository is immutable",
        ),
        (400, "ImageTagAlreadyExistsException", "The image tag '1.0' already exists in the repository"),
        (403, "DENIED", "immutable tag cannot be overwritten"),
        (405, "UNSUPPORTED", "tag is immutable"),
        (409, "CONFLICT", "manifest already exists"),
        (412, "PRECONDITION", "configured as immutable, cannot be updated"),
    ];
    for (status, code, why) in words {
        let reply = move || Reply::error(status, code, why);
        cell(
            cells,
            Push,
            &format!("PUT manifest/immutable, other, {status} {code}"),
            fails("does not let it move"),
            move |_| vec![Fault::always("PUT", Manifest, Answer(reply()))],
        );
        cell(cells, Push, &format!("PUT manifest/immutable, same, {status} {code}"), Succeeds, move |_| {
            vec![Fault::once("PUT", Manifest, Instead(reply()))]
        });
    }
    for status in [200, 201, 202, 204] {
        cell(cells, Push, &format!("PUT manifest/{status} without digest, stored"), Succeeds, move |_| {
            vec![Fault::once("PUT", Manifest, Instead(Reply::new(status)))]
        });
        cell(
            cells,
            Push,
            &format!("PUT manifest/{status}, never stored"),
            fails("does not have it"),
            move |_| vec![Fault::always("PUT", Manifest, Answer(Reply::new(status)))],
        );
    }
    cell(cells, Push, "PUT manifest/201 with another digest", Succeeds, |_| {
        vec![Fault::once("PUT", Manifest, set("Docker-Content-Digest", Some(Digest::of(b"x").to_string())))]
    });
    cell(cells, Index, "PUT manifest/child is lost", Succeeds, |_| {
        vec![Fault::nth("PUT", Manifest, 2, 1, Lose)]
    });
    for status in [301, 307] {
        cell(cells, Push, &format!("PUT manifest/{status} to another host"), Any, move |scene| {
            let away = format!("http://{}/v2/shop/app/manifests/1.0", scene.fake.foreign_address());
            vec![Fault::always("PUT", Manifest, Answer(Reply::new(status).header("Location", away)))]
        });
    }
}

fn documents(cells: &mut Vec<Cell>) {
    let text = |body: &str| Reply::new(200).body(body);
    let html = text("<html>").header("Content-Type", "text/html; charset=utf-8");
    let long = Reply::new(200).header("Content-Length", "5242880");
    let empty = Digest::of(b"");
    let kind = MediaType::ImageManifest;
    let config = format!(r#"{{"mediaType":"x/y","digest":"{empty}","size":0}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[]}}"#);
    let other = text(&manifest).header("Content-Type", MediaType::ImageIndex.as_ref());
    let twice = r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#;
    let cases = [
        ("HTML", html, "HTML page"),
        ("schema 1", text(r#"{"schemaVersion":1,"fsLayers":[]}"#), "schema 1"),
        ("manifest and index at once", text(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#), "at once"),
        ("duplicate keys", text(twice), "occurs twice"),
        ("no JSON", text("x"), "not valid JSON"),
        ("nothing", text(""), "not valid JSON"),
        ("5 MiB", text(&" ".repeat(5 << 20)), "more than 4194304 bytes"),
        ("says that it has 5 MiB", long, "more than 4194304 bytes"),
        ("deep", text(&"[".repeat(100_000)), "not valid JSON"),
        ("another type than announced", other, "announced as"),
    ];
    for (name, reply, text) in cases {
        for play in [Pull, Both] {
            let reply = reply.clone();
            cell(cells, play, &format!("GET manifest/{name}"), fails(text), move |_| {
                vec![Fault::always("GET", Manifest, Answer(reply.clone()))]
            });
        }
    }
    cell(cells, Pull, "GET manifest/cut without a word", fails("pulling the manifest"), |_| {
        vec![Fault::always("GET", Manifest, Action::Truncate(20))]
    });
    cell(cells, Pull, "GET manifest/cut once", Succeeds, |_| {
        vec![Fault::once("GET", Manifest, Action::Truncate(20))]
    });
    cell(cells, Pull, "GET manifest/digest header lies", Succeeds, |_| {
        vec![Fault::always("GET", Manifest, set("Docker-Content-Digest", Some(Digest::of(b"x").to_string())))]
    });
}

fn downloads(cells: &mut Vec<Cell>) {
    let flip = || {
        Action::edit(|reply: &mut Reply| {
            if let Some(byte) = reply.body.last_mut() {
                *byte ^= 1;
            }
        })
    };
    cell(cells, Pull, "GET blob/flipped for ever", fails("pulling blob shop/base@sha256:"), move |_| {
        vec![Fault::always("GET", BlobKind, flip())]
    });
    cell(cells, Pull, "GET blob/longer", fails("pulling blob shop/base@sha256:"), |_| {
        vec![Fault::always("GET", BlobKind, Action::edit(|reply| reply.body.push(0)))]
    });
    cell(cells, Pull, "GET blob/empty for ever", fails("ended early"), |_| {
        vec![Fault::always("GET", BlobKind, Action::edit(|reply| reply.body.clear()))]
    });
    for length in [0, 1, 100, 9_999] {
        for (when, times) in [("once", 1), ("thrice", 3)] {
            cell(cells, Pull, &format!("GET blob/ends after {length}, {when}"), Succeeds, move |_| {
                vec![Fault::nth("GET", BlobKind, 1, times, Action::Truncate(length))]
            });
        }
    }
    let then: [(&str, Action); 7] = [
        ("a range that is another", set("Content-Range", Some("bytes 0-4/5".into()))),
        ("a range without end", set("Content-Range", Some("bytes 5-".into()))),
        ("no Content-Range", set("Content-Range", None)),
        ("416", status(416)),
        ("503", status(503)),
        ("reset", Action::Cut(At::Start, End::Reset)),
        ("stall", Action::Stall(Duration::from_secs(80))),
    ];
    for (name, action) in then {
        cell(cells, Pull, &format!("GET blob/ends, resumed with {name}"), Succeeds, move |_| {
            vec![
                Fault::nth("GET", BlobKind, 2, 1, Action::Truncate(1_000)),
                Fault::nth("GET", BlobKind, 3, 1, action.clone()),
            ]
        });
    }
    cell(cells, Pull, "GET blob/ends, resumed from the start", Succeeds, |_| {
        let whole = Action::edit(|reply| {
            reply.status = 206;
            reply.set("Content-Range", Some("bytes 1000-29999/30000"));
        });
        vec![
            Fault::nth("GET", BlobKind, 2, 1, Action::Truncate(1_000)),
            Fault::nth("GET", BlobKind, 3, 1, whole),
        ]
    });
    cell(cells, Pull, "GET blob/redirected in a circle", fails("more than 10 times"), |_| {
        vec![Fault::always("GET", BlobKind, Answer(Reply::new(302).header("Location", "?again")))]
    });
    for (name, to, text) in [
        ("a metadata service", "http://169.254.169.254/x", "inside a network"),
        ("a private address", "http://192.168.1.1/x", "inside a network"),
        ("a file", "file:///etc/passwd", "`file` address"),
        ("nowhere", "http://[", "no valid address"),
    ] {
        cell(cells, Pull, &format!("GET blob/redirected to {name}"), fails(text), move |_| {
            vec![Fault::always("GET", BlobKind, Answer(Reply::new(307).header("Location", to)))]
        });
    }
    let elsewhere: [(&str, Vec<Fault>, Outcome); 6] = [
        ("", vec![], Succeeds),
        (", whose address has expired", vec![Fault::once("GET", Cdn, status(403))], Succeeds),
        (", which is never allowed", vec![Fault::always("GET", Cdn, status(403))], fails("said 403")),
        (", cut", vec![Fault::nth("GET", Cdn, 1, 2, Action::Truncate(500))], Succeeds),
        (", 503", vec![Fault::once("GET", Cdn, status(503))], Succeeds),
        (
            ", asked for a login",
            vec![Fault::always(
                "GET",
                Cdn,
                Answer(Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\"")),
            )],
            fails("said 401"),
        ),
    ];
    for (name, faults, outcome) in elsewhere {
        for play in [Pull, Both] {
            let (faults, outcome) = (faults.clone(), outcome.clone());
            prepared(
                cells,
                play,
                &format!("GET blob/redirected to another host{name}"),
                outcome,
                move |scene| {
                    scene.fake.set_quirks(Quirks { redirects: true, ..Quirks::default() });
                    faults.iter().cloned().for_each(|fault| scene.fake.fault(fault));
                },
            );
        }
    }
}

fn logins(cells: &mut Vec<Cell>) {
    let login = || Auth { bearer: true, login: Some(("alice".into(), "hunter2".into())), ..Auth::default() };
    for realm in [
        "http://169.254.169.254/token",
        "http://10.0.0.1/token",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/",
        "null://x/token",
        "",
    ] {
        let texts = ["cannot authenticate", "401"];
        for play in [Push, Pull] {
            prepared(cells, play, &format!("token/realm `{realm}`"), Fails(texts.to_vec()), move |scene| {
                scene.fake.set_auth(Auth { realm: Some(realm.to_owned()), ..login() });
            });
        }
    }
    prepared(cells, Push, "token/realm is a path", Succeeds, move |scene| {
        scene.fake.set_auth(Auth { realm: Some("/token".to_owned()), ..login() });
    });
    for uses in [1, 2, 3, 4, 5, 7, 8] {
        for play in [Push, Pull, Both, Chunked, Index] {
            // A token that ends before one blob is sent cannot be helped by a new one, which ends as well.
            let enough = match play {
                Pull => 1,
                Chunked => 7,
                _ => 3,
            };
            let outcome = if uses < enough { Any } else { Succeeds };
            prepared(cells, play, &format!("token/good for {uses} requests"), outcome, move |scene| {
                scene.fake.set_auth(Auth { uses: Some(uses), ..login() });
            });
        }
    }
    for (name, expires_in) in
        [("0", "0"), ("1", "1"), ("null", "null"), ("a very long time", "18446744073709551615")]
    {
        for play in [Push, Pull, Both] {
            prepared(cells, play, &format!("token/expires in {name}"), Succeeds, move |scene| {
                scene.fake.set_auth(Auth { expires_in: Some(expires_in), ..login() });
            });
        }
    }
    // The token server's clock is wrong, and time passes while a blob is sent.
    for (method, kind) in [("PUT", Session), ("HEAD", BlobKind), ("POST", Start), ("PUT", Manifest)] {
        for play in [Push, Both] {
            let outcome = if kind == Start { fails("401") } else { Succeeds };
            prepared(
                cells,
                play,
                &format!("token/ends before it says, at {method} {kind:?}"),
                outcome,
                move |scene| {
                    let lifetime = Some(Duration::from_secs(20));
                    scene.fake.set_auth(Auth { lifetime, expires_in: Some("3600"), ..login() });
                    scene.fake.fault(Fault::always(method, kind, Action::Delay(Duration::from_secs(30))));
                },
            );
        }
    }
    let answers: [(&str, Reply, &str); 6] = [
        ("oversized", Reply::new(200).body(vec![b' '; 100_000]), "more than 65536 bytes"),
        ("empty", Reply::new(200).body(r#"{"token":""}"#), "without a token"),
        ("with a line break", Reply::new(200).body(r#"{"token":"a\nb"}"#), "no valid token"),
        (
            "expires before it begins",
            Reply::new(200).body(r#"{"token":"x","expires_in":-5}"#),
            "other than JSON",
        ),
        ("no object", Reply::new(200).body("[]"), "JSON"),
        ("refused", Reply::error(403, "DENIED", "no"), "DENIED"),
    ];
    for (name, reply, text) in answers {
        for play in [Push, Pull] {
            let reply = reply.clone();
            cell(cells, play, &format!("token/{name}"), fails(text), move |_| {
                vec![Fault::always("GET", Token, Answer(reply.clone()))]
            });
        }
    }
    cell(cells, Push, "token/redirected to another host", fails("getting a token"), |scene| {
        let away = format!("http://{}/token", scene.fake.foreign_address());
        vec![Fault::always("GET", Token, Answer(Reply::new(307).header("Location", away)))]
    });
    let challenges = [
        ("after another scheme", "Negotiate, Bearer realm=\"REALM\",service=\"fake\""),
        ("without quotes", "bearer realm=REALM"),
        ("with odd spaces", "Bearer  realm = \"REALM\" , service=\"a\\\"b\""),
        ("with Basic before it", "Basic realm=\"x\", Bearer realm=\"REALM\""),
    ];
    for (name, challenge) in challenges {
        prepared(cells, Push, &format!("token/challenge {name}"), Succeeds, move |scene| {
            let realm = format!("http://{}/token", scene.fake.address());
            scene.fake.set_auth(Auth { challenge: Some(challenge.replace("REALM", &realm)), ..login() });
        });
    }
}

/// The five faults that are met most.
fn common() -> [(&'static str, Fault); 5] {
    let slow = Reply::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", "7");
    [
        ("PUT blob 500", Fault::once("PUT", Session, status(500))),
        ("POST 503", Fault::once("POST", Start, status(503))),
        ("PUT blob reset when done", Fault::once("PUT", Session, Action::Unanswered(End::Reset))),
        ("429 on HEAD and GET", Fault::nth("*", BlobKind, 2, 1, Answer(slow))),
        ("PUT manifest 502, done", Fault::once("PUT", Manifest, Instead(Reply::new(502)))),
    ]
}

fn profiles(cells: &mut Vec<Cell>) {
    for profile in &PROFILES {
        for play in [Push, Pull, Both, Chunked, Index] {
            let faults =
                [("no fault", None)].into_iter().chain(common().map(|(name, fault)| (name, Some(fault))));
            for (name, fault) in faults {
                prepared(cells, play, &format!("{}/{name}", profile.name), Succeeds, move |scene| {
                    scene.fake.become_like(profile);
                    fault.iter().cloned().for_each(|fault| scene.fake.fault(fault));
                });
            }
        }
    }
}

fn replicas(cells: &mut Vec<Cell>) {
    for every in [1, 2, 3, 5, 7] {
        for lag in [0, 1, 4, 9] {
            for play in [Push, Both, Chunked, Index, Pull] {
                let outcome = match (play, every) {
                    (Pull, _) | (Push | Both | Index, 5..) | (Chunked, 7..) => Succeeds,
                    // A client that meets another machine with each request never finds a session that it opened.
                    (_, 1) => fails("BLOB_UPLOAD_UNKNOWN"),
                    _ => Any,
                };
                let name = format!("two machines/every {every}, {lag} behind");
                prepared(cells, play, &name, outcome, move |scene| {
                    scene.fake.set_replicas(Replicas { every, lag });
                });
                loses(cells);
            }
        }
    }
}

/// Tags that may be made and not moved.
fn fixed_tags(cells: &mut Vec<Cell>) {
    prepared(cells, Fixed, "no fault", Succeeds, |_| ());
    for (name, fault) in common() {
        cell(cells, Fixed, name, Succeeds, move |_| vec![fault.clone()]);
        loses(cells);
    }
    for profile in &PROFILES {
        prepared(cells, Fixed, profile.name, Succeeds, |scene| scene.fake.become_like(profile));
    }
    // Another client makes the tag after the first look; the fourth is after the push.
    for look in [2, 3] {
        cell(cells, Fixed, &format!("HEAD {look} finds another image"), fails("is taken"), move |scene| {
            let refused = Fault::always("PUT", Manifest, status(412));
            vec![Fault::nth("HEAD", Manifest, look, usize::MAX, found(scene)), refused]
        });
    }
    let refusals: [(u16, &str); 5] =
        [(412, ""), (409, "CONFLICT"), (400, "TAG_INVALID"), (403, "DENIED"), (405, "UNSUPPORTED")];
    for (status, code) in refusals {
        let reply = move || Reply::error(status, code, "no");
        cell(cells, Fixed, &format!("PUT {status}, other"), fails("is taken"), move |scene| {
            let refused = Fault::always("PUT", Manifest, Answer(reply()));
            vec![Fault::nth("HEAD", Manifest, 3, usize::MAX, found(scene)), refused]
        });
        cell(cells, Fixed, &format!("PUT {status}, same"), Succeeds, move |_| {
            vec![Fault::once("PUT", Manifest, Instead(reply()))]
        });
    }
    cell(cells, Fixed, "PUT 201, never stored", fails("does not have it"), |_| {
        vec![Fault::always("PUT", Manifest, status(201))]
    });
}

/// The old image in the place of what a tag resolves to.
fn found(scene: &Scene) -> Action {
    let old = scene.old().to_string();
    Action::edit(move |reply| {
        reply.status = 200;
        reply.set("Docker-Content-Digest", Some(&old));
        reply.set("Content-Type", Some("application/vnd.oci.image.manifest.v1+json"));
        reply.set("Content-Length", Some("400"));
    })
}

fn pushers(cells: &mut Vec<Cell>) {
    for play in [Twice, Race] {
        prepared(cells, play, "two pushers/no fault", Succeeds, |_| ());
        loses(cells);
        for (name, fault) in common() {
            cell(cells, play, &format!("two pushers/{name}"), Succeeds, move |_| vec![fault.clone()]);
            loses(cells);
        }
        for profile in &PROFILES {
            prepared(cells, play, &format!("two pushers/{}", profile.name), Succeeds, |scene| {
                scene.fake.become_like(profile);
            });
            loses(cells);
        }
    }
}
