//! The fault table of pushing.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::fake::Action::{Answer, CloseAfter, CloseUnanswered, Delay, Instead, Lose, Raw, Truncate};
use super::super::fake::Kind::{Blob as BlobKind, Manifest, Session, Start};
use super::super::fake::{Action, Fault, Reply};
use super::*;

enum Expect {
    /// It succeeds, with every blob uploaded to the end at most once.
    Done,
    /// It succeeds; the registry lost data, so a blob may be uploaded to the end more often.
    Again,
    /// It fails and says this.
    Fails(&'static str),
    /// The same, where the registry lost data.
    FailsAgain(&'static str),
}
use Expect::{Again, Done, Fails, FailsAgain};

fn status(status: u16) -> Action {
    Answer(Reply::new(status))
}

fn error(status: u16, code: &str) -> Action {
    Answer(Reply::error(status, code, "because"))
}

fn location(to: &'static str) -> Action {
    Action::edit(move |reply| reply.set("Location", (!to.is_empty()).then_some(to)))
}

/// Turns `Location: /path` into another spelling of it.
fn respell(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Action {
    Action::edit(move |reply| {
        let old = reply.headers.iter().find(|(name, _)| name == "Location").map(|(_, value)| value.clone());
        reply.set("Location", old.map(|old| change(&old)).as_deref());
    })
}

fn table(bench: &Bench) -> Vec<(&'static str, Vec<Fault>, Expect)> {
    let once = |method, kind, action| vec![Fault::once(method, kind, action)];
    let always = |method, kind, action| vec![Fault::always(method, kind, action)];
    let foreign = bench.fake.foreign_address();
    let own = bench.fake.address();
    let size = bench.blobs[1].descriptor.size.to_string();
    let false_present = Reply::new(200).header("Content-Length", size);
    let unknown = |digest: Digest| {
        Answer(Reply::error(404, "MANIFEST_BLOB_UNKNOWN", &format!("blob unknown: {digest}")))
    };
    let later =
        |wait: &str| Answer(Reply::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", wait));
    let immutable = || Reply::error(400, "TAG_INVALID", "the tag is immutable");
    vec![
        ("nothing", vec![], Done),
        // Looking for the blob.
        ("HEAD blob 403", always("HEAD", BlobKind, status(403)), Done),
        ("HEAD blob 405", always("HEAD", BlobKind, status(405)), Done),
        ("HEAD blob says 404", always("HEAD", BlobKind, status(404)), Done),
        ("HEAD blob 200 to everything", once("HEAD", BlobKind, status(200)), Done),
        (
            "HEAD blob with another size",
            once("HEAD", BlobKind, Answer(Reply::new(200).header("Content-Length", "1"))),
            Done,
        ),
        ("HEAD blob lies that it is there", once("HEAD", BlobKind, Answer(false_present)), Done),
        ("HEAD blob 500 once", once("HEAD", BlobKind, status(500)), Done),
        ("HEAD blob 500 for ever", always("HEAD", BlobKind, status(500)), Fails("checking blob")),
        ("HEAD blob reset", once("HEAD", BlobKind, CloseAfter(0)), Done),
        ("HEAD blob 524", once("HEAD", BlobKind, status(524)), Done),
        ("HEAD blob 429 at once", once("HEAD", BlobKind, later("0")), Done),
        (
            "HEAD blob 429 with a date gone by",
            once("HEAD", BlobKind, later("Tue, 01 Jul 2025 10:00:00 GMT")),
            Done,
        ),
        ("HEAD blob 429 with nonsense", once("HEAD", BlobKind, later("soon")), Done),
        ("HEAD blob late", once("HEAD", BlobKind, Delay(Duration::from_millis(900))), Done),
        (
            "HEAD blob is no HTTP",
            always("HEAD", BlobKind, Raw(b"SSH-2.0-x\r\n\r\n".to_vec())),
            Fails("not HTTP"),
        ),
        // Opening the upload.
        ("POST 500 once", once("POST", Start, status(500)), Done),
        ("POST 502 for ever", always("POST", Start, status(502)), Fails("502 Bad Gateway")),
        ("POST 403", always("POST", Start, error(403, "DENIED")), Fails("DENIED")),
        ("POST 404", always("POST", Start, error(404, "NAME_UNKNOWN")), Fails("NAME_UNKNOWN")),
        ("POST reset", once("POST", Start, CloseUnanswered), Done),
        ("POST 429 too long", always("POST", Start, later("3600")), Fails("wait 3600 s, more than the 2 s")),
        (
            "POST 503 with Retry-After",
            once("POST", Start, Answer(Reply::new(503).header("Retry-After", "1"))),
            Done,
        ),
        (
            "POST HTML",
            always("POST", Start, Answer(Reply::new(418).header("Content-Type", "text/html").body("<p>"))),
            Fails("an HTML page"),
        ),
        ("POST without Location", always("POST", Start, location("")), Fails("no `Location`")),
        ("POST with an orphan session", once("POST", Start, Lose), Done),
        (
            "POST to a relative path",
            always("POST", Start, respell(|path| path.rsplit('/').next().unwrap_or("").to_owned())),
            Done,
        ),
        (
            "POST to an absolute address",
            always("POST", Start, respell(move |path| format!("http://{own}{path}"))),
            Done,
        ),
        (
            "POST to an address with a query",
            always("POST", Start, respell(|path| format!("{path}?_state=a%2Bb%3D&x"))),
            Done,
        ),
        (
            "POST to another host",
            always("POST", Start, respell(move |path| format!("http://{foreign}{path}"))),
            Done,
        ),
        (
            "POST to a metadata service",
            always("POST", Start, location("http://169.254.169.254/x")),
            Fails("inside a network"),
        ),
        (
            "POST to a private address",
            always("POST", Start, location("https://10.1.2.3/x")),
            Fails("inside a network"),
        ),
        (
            "POST to another scheme",
            always("POST", Start, location("file:///etc/passwd")),
            Fails("`file` address"),
        ),
        ("POST 200 instead of 202", always("POST", Start, Action::edit(|reply| reply.status = 200)), Done),
        ("POST 201 instead of 202", always("POST", Start, Action::edit(|reply| reply.status = 201)), Done),
        // Sending the blob.
        ("PUT reset at byte 0", once("PUT", Session, CloseAfter(0)), Done),
        ("PUT reset at byte 1", once("PUT", Session, CloseAfter(1)), Done),
        ("PUT reset in the middle", once("PUT", Session, CloseAfter(150_000)), Done),
        ("PUT reset at the last byte", once("PUT", Session, CloseAfter(299_999)), Done),
        ("PUT reset at the end", once("PUT", Session, CloseAfter(300_000)), Done),
        ("PUT reset after commit", once("PUT", Session, CloseUnanswered), Done),
        ("PUT reset always", always("PUT", Session, CloseAfter(1000)), Fails("uploading blob")),
        ("PUT committed later than the limit", once("PUT", Session, Delay(Duration::from_millis(900))), Done),
        ("PUT 500, not stored", once("PUT", Session, status(500)), Done),
        ("PUT 500, stored", once("PUT", Session, Instead(Reply::new(500))), Done),
        ("PUT 504, stored", once("PUT", Session, Instead(Reply::new(504))), Done),
        ("PUT 404, absent", once("PUT", Session, error(404, "BLOB_UPLOAD_UNKNOWN")), Done),
        (
            "PUT 404, present",
            once("PUT", Session, Instead(Reply::error(404, "BLOB_UPLOAD_UNKNOWN", ""))),
            Done,
        ),
        (
            "PUT 400 race, present",
            once("PUT", Session, Instead(Reply::error(400, "DIGEST_INVALID", ""))),
            Done,
        ),
        ("PUT 400, absent", once("PUT", Session, error(400, "BLOB_UPLOAD_INVALID")), Done),
        ("PUT 409, absent", once("PUT", Session, error(409, "CONFLICT")), Done),
        ("PUT 416, present", once("PUT", Session, Instead(Reply::new(416))), Done),
        ("PUT 413", always("PUT", Session, status(413)), Fails("hint: a limit of the registry")),
        ("PUT 403", always("PUT", Session, error(403, "DENIED")), Fails("DENIED")),
        ("PUT 200 without digest, stored", always("PUT", Session, Instead(Reply::new(200))), Done),
        ("PUT 201 without digest, stored", always("PUT", Session, Instead(Reply::new(201))), Done),
        ("PUT 204, stored", always("PUT", Session, Instead(Reply::new(204))), Done),
        ("PUT 200, not stored, once", once("PUT", Session, status(200)), Done),
        ("PUT 200, never stored", always("PUT", Session, status(200)), Fails("does not have it")),
        (
            "PUT 201 with another digest",
            once(
                "PUT",
                Session,
                Action::edit(|reply| reply.set("Docker-Content-Digest", Some(&Digest::of(b"x").to_string()))),
            ),
            Done,
        ),
        ("PUT stored and lost", once("PUT", Session, Lose), Again),
        // The other shape.
        ("PUT refused, PATCH taken", vec![Fault::once("PUT", Session, status(405))], Done),
        ("PUT with length refused", vec![Fault::once("PUT", Session, status(411))], Done),
        (
            "PATCH 201 instead of 202",
            vec![
                Fault::once("PUT", Session, status(415)),
                Fault::always("PATCH", Session, Action::edit(|reply| reply.status = 201)),
            ],
            Done,
        ),
        (
            "PATCH without Location",
            vec![Fault::once("PUT", Session, status(415)), Fault::always("PATCH", Session, location(""))],
            Done,
        ),
        (
            "PATCH reset",
            vec![Fault::once("PUT", Session, status(415)), Fault::once("PATCH", Session, CloseAfter(99))],
            Done,
        ),
        (
            "PATCH 416",
            vec![Fault::once("PUT", Session, status(415)), Fault::once("PATCH", Session, status(416))],
            Done,
        ),
        (
            "neither shape",
            vec![Fault::always("PUT", Session, status(405)), Fault::always("PATCH", Session, status(405))],
            Fails("405 Method Not Allowed"),
        ),
        // The manifest.
        ("PUT manifest 500, not stored", once("PUT", Manifest, status(500)), Done),
        ("PUT manifest 500, stored", once("PUT", Manifest, Instead(Reply::new(500))), Done),
        ("PUT manifest 500 for ever", always("PUT", Manifest, status(500)), Fails("pushing the manifest")),
        ("PUT manifest reset", once("PUT", Manifest, CloseAfter(3)), Done),
        ("PUT manifest reset after commit", once("PUT", Manifest, CloseUnanswered), Done),
        ("PUT manifest late", once("PUT", Manifest, Delay(Duration::from_millis(2000))), Done),
        ("PUT manifest blob unknown once", once("PUT", Manifest, unknown(bench.added())), Again),
        (
            "PUT manifest blob unknown, nameless",
            once("PUT", Manifest, error(400, "MANIFEST_BLOB_UNKNOWN")),
            Again,
        ),
        (
            "PUT manifest blob unknown for ever",
            always("PUT", Manifest, unknown(bench.added())),
            FailsAgain("MANIFEST_BLOB_UNKNOWN"),
        ),
        (
            "PUT manifest invalid",
            always("PUT", Manifest, error(400, "MANIFEST_INVALID")),
            Fails("MANIFEST_INVALID"),
        ),
        ("PUT manifest 413", always("PUT", Manifest, status(413)), Fails("413")),
        (
            "PUT manifest, immutable and other",
            always("PUT", Manifest, Answer(immutable())),
            Fails("does not let it move"),
        ),
        ("PUT manifest, immutable and same", once("PUT", Manifest, Instead(immutable())), Done),
        ("PUT manifest 200 without digest", once("PUT", Manifest, Instead(Reply::new(200))), Done),
        ("PUT manifest 200, not stored", always("PUT", Manifest, status(200)), Fails("does not have it")),
        ("PUT manifest answers part", once("PUT", Manifest, Truncate(0)), Done),
        // The tag.
        ("HEAD tag 500 once", once("HEAD", Manifest, status(500)), Done),
        ("HEAD tag 405", always("HEAD", Manifest, status(405)), Done),
        (
            "HEAD tag without digest",
            always("HEAD", Manifest, Action::edit(|reply| reply.set("Docker-Content-Digest", None))),
            Done,
        ),
        ("GET old manifest 500 for ever", always("GET", Manifest, status(500)), Done),
        ("GET old manifest is another", always("GET", Manifest, Answer(Reply::new(200).body("{}"))), Done),
    ]
}

#[test]
fn every_fault_of_pushing() {
    let count = table(&Bench::new()).len();
    assert!(count > 60, "{count}");
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::SeqCst));
        let rows = numbers.take_while(|number| *number < count);
        rows.filter_map(|number| cell(number).err()).collect::<Vec<_>>()
    };
    // Most of the time is spent waiting, so more at once than there are processors.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(wrong.is_empty(), "{} of {count} rows:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// One row of the table, with a registry of its own; says what is wrong with it.
fn cell(number: usize) -> Result<(), String> {
    let bench = Bench::new();
    bench.fake.set_auth(Auth {
        bearer: true,
        login: Some(("alice".into(), "hunter2".into())),
        ..Auth::default()
    });
    let (name, faults, expect) = table(&bench).swap_remove(number);
    for fault in faults {
        bench.fake.fault(fault);
    }
    let settings = || {
        let mut settings = quick();
        let login = Some(("alice".to_owned(), Secret::new("hunter2")));
        let own = RegistrySettings { login, ..RegistrySettings::default() };
        settings.registries.insert(bench.repository.registry().clone(), own);
        settings
    };
    let start = Instant::now();
    let result = bench.push(&client(settings())).map_err(|error| shown(&error));
    let took = start.elapsed();
    let log = bench.fake.take_log();
    let check = |good: bool, what: String| {
        let requests = || log.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    ");
        if good { Ok(()) } else { Err(format!("{name}: {what}\n    {}", requests())) }
    };
    match (&result, &expect) {
        (Ok(()), Done | Again) => check(bench.holds_the_image(), "success, but no image".to_owned())?,
        (Err(error), Fails(text) | FailsAgain(text)) => {
            check(error.contains(text), format!("should say `{text}`: {error}"))?;
            check(error.contains(&bench.fake.address()), format!("does not name the registry: {error}"))?;
            check(!error.contains("hunter2"), format!("prints the password: {error}"))?;
            check(bench.fake.tag("shop/app", TAG) == Some(bench.old), "the old tag is gone".to_owned())?;
        }
        (Ok(()), _) => check(false, "succeeds".to_owned())?,
        (Err(error), _) => check(false, error.clone())?,
    }
    let most = bench.fake.commits().into_values().max().unwrap_or(0);
    check(most <= 1 || matches!(expect, Again | FailsAgain(_)), format!("a blob was uploaded {most} times"))?;
    let leaks = log.iter().any(|request| request.foreign && request.authorization.is_some());
    check(!leaks, "another host saw a token".to_owned())?;
    check(log.len() <= 60, format!("{} requests", log.len()))?;
    check(took < Duration::from_secs(15), format!("{took:?}"))?;
    bench.fake.heal();
    let again = bench.push(&client(settings())).map_err(|error| shown(&error));
    check(again.is_ok() && bench.holds_the_image(), format!("running again: {again:?}"))
}
