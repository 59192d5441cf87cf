//! A registry that was made to cost a client time, memory or a secret.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::fake::{Action, Fault, Kind, Reply};
use super::*;
use crate::oci::{Index, to_json};

/// All tries of a request together, on a busy machine.
const AT_MOST: Duration = Duration::from_secs(20);

/// A list that a client reads page by page.
#[derive(Clone, Copy, Debug)]
enum List {
    Tags,
    Referrers,
}

impl List {
    const ALL: [Self; 2] = [Self::Tags, Self::Referrers];

    fn read(self, client: &Client, repository: &Repository) -> Result<usize, RegistryError> {
        match self {
            Self::Tags => client.tags(repository).map(|tags| tags.len()),
            Self::Referrers => match client.referrers(repository, &Digest::of(b"subject"), None)? {
                Referrers::Api(listed) | Referrers::Tag(listed, _) => Ok(listed.len()),
                Referrers::Nothing => Ok(0),
            },
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Tags => Kind::Tags,
            Self::Referrers => Kind::Referrers,
        }
    }

    /// A page with one entry of so many bytes.
    fn page(self, bytes: usize) -> Reply {
        let text = "x".repeat(bytes);
        match self {
            Self::Tags => Reply::new(200).body(format!(r#"{{"name":"{text}","tags":["a"]}}"#)),
            Self::Referrers => {
                let mut entry = Descriptor::of(MediaType::ImageManifest, b"referrer");
                entry.annotations.insert("text".to_owned(), text);
                let index = Index { manifests: vec![entry], ..crate::store::empty_index() };
                let body = to_json("index", &index).expect("written");
                Reply::new(200).header("Content-Type", MediaType::ImageIndex.as_ref()).body(body)
            }
        }
    }

    /// Pages without an entry and without end.
    fn endless_empty(self) -> Action {
        let page = match self {
            Self::Tags => Reply::new(200).body(r#"{"name":"shop/app","tags":[]}"#),
            Self::Referrers => {
                let body = to_json("index", &crate::store::empty_index()).expect("written");
                Reply::new(200).header("Content-Type", MediaType::ImageIndex.as_ref()).body(body)
            }
        };
        Self::without_end(page, || ())
    }

    /// Pages of so many bytes without end, each of which links to another; `before` happens before each.
    fn endless(self, bytes: usize, before: impl Fn() + Send + Sync + 'static) -> Action {
        Self::without_end(self.page(bytes), before)
    }

    fn without_end(page: Reply, before: impl Fn() + Send + Sync + 'static) -> Action {
        let number = AtomicUsize::new(0);
        Action::edit(move |reply| {
            before();
            *reply = page.clone();
            let number = number.fetch_add(1, Ordering::Relaxed);
            reply.set("Link", Some(&format!("<?last={number}>; rel=\"next\"")));
        })
    }
}

#[test]
fn a_list_leads_nowhere_else_and_not_back() {
    for list in List::ALL {
        let away = |bench: &Bench| format!("http://{}/v2/shop/app/x", bench.fake.foreign_address());
        type Link = Box<dyn Fn(&Bench) -> String>;
        let links: [(Link, &str); 6] = [
            (Box::new(away), "goes on at another host"),
            (Box::new(|_| "file:///etc/passwd".to_owned()), "`file` address"),
            (Box::new(|_| "http://169.254.169.254/x".to_owned()), "inside a network"),
            (Box::new(|_| "http://u:p@127.0.0.1:1/x".to_owned()), "with a password in the address"),
            (Box::new(|_| "?".to_owned()), "goes round in a circle"),
            (Box::new(|_| "?last=same".to_owned()), "goes round in a circle"),
        ];
        for (link, why) in links {
            let bench = Bench::new();
            let link = format!("<{}>; rel=\"next\"", link(&bench));
            let reply = list.page(1).header("Link", link.clone());
            bench.fake.fault(Fault::always("GET", list.kind(), Action::Answer(reply)));
            let error = list.read(&client(quick()), &bench.repository).expect_err(&link).to_string();
            assert!(error.contains(why), "{list:?}, {link}: {error}");
            let asked = bench.fake.take_log();
            assert!(asked.len() <= 3 && asked.iter().all(|request| !request.foreign), "{list:?}, {link}");
        }
    }
}

#[test]
fn a_list_is_bounded_in_bytes_in_pages_and_in_time() {
    for list in List::ALL {
        let bench = Bench::new();
        bench.fake.fault(Fault::always("GET", list.kind(), list.endless(3 << 20, || ())));
        let error = list.read(&client(quick()), &bench.repository).expect_err("it is too large").to_string();
        assert!(error.contains("more than 16777216 bytes"), "{list:?}: {error}");
        assert!(bench.fake.take_log().len() <= 6, "{list:?}");

        let bench = Bench::new();
        bench.fake.fault(Fault::always("GET", list.kind(), list.endless(1, || ())));
        let error = list.read(&client(quick()), &bench.repository).expect_err("it has no end").to_string();
        assert!(error.contains("16 pages of") && error.contains("and no end"), "{list:?}: {error}");
        assert!(bench.fake.take_log().len() <= 16, "{list:?}");

        let clock = Clock::standing();
        let fake = Fake::with_clock(clock.clone()).expect("ports");
        let repository: Repository = format!("{}/shop/app", fake.address()).parse().expect("valid");
        let slow = clock.clone();
        let drip = list.endless(1, move || slow.advance(Duration::from_secs(50)));
        fake.fault(Fault::always("GET", list.kind(), drip));
        let settings = ClientSettings { clock: clock.clone(), ..ClientSettings::default() };
        let error = list.read(&client(settings), &repository).expect_err("it takes too long").to_string();
        assert!(error.contains("timed out while reading the whole list"), "{list:?}: {error}");
        // It is read once: a second time would be as long.
        assert!(clock.elapsed() < Duration::from_secs(3 * 60), "{list:?}: {:?}", clock.elapsed());
    }
}

/// Pages without entries lead on for ever; the error tells the registry and the list.
#[test]
fn a_list_of_empty_pages_is_given_up() {
    for list in List::ALL {
        let (bench, begun) = (Bench::new(), Instant::now());
        bench.fake.fault(Fault::always("GET", list.kind(), list.endless_empty()));
        let error = list.read(&client(quick()), &bench.repository).expect_err("it has no end").to_string();
        let what = if matches!(list, List::Tags) { "tags" } else { "referrers" };
        let says =
            [bench.fake.address(), format!("listing the {what} of shop/app"), format!("0 {what} in all")];
        assert!(says.iter().all(|says| error.contains(says)), "{list:?}: {error}");
        assert!(bench.fake.take_log().len() <= 16, "{list:?}");
        assert!(begun.elapsed() < AT_MOST, "{list:?}: {:?}", begun.elapsed());
    }
}

/// A registry with small pages is read to the end.
#[test]
fn many_pages_with_many_entries_are_read() {
    let bench = Bench::new();
    let number = AtomicUsize::new(0);
    let page = Action::edit(move |reply| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let tags: Vec<String> = (0..50).map(|tag| format!("\"t{number:03}-{tag}\"")).collect();
        *reply = Reply::new(200).body(format!("{{\"name\":\"shop/app\",\"tags\":[{}]}}", tags.join(",")));
        reply.set("Link", (number < 99).then(|| format!("<?last={number}>; rel=\"next\"")).as_deref());
    });
    bench.fake.fault(Fault::always("GET", Kind::Tags, page));
    assert_eq!(client(quick()).tags(&bench.repository).expect("listed").len(), 5_000);
}

#[test]
fn a_head_without_end_is_given_up() {
    let long = |line: &str, count: usize| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
        bytes.extend(line.as_bytes().iter().cycle().take(count));
        Action::Raw(bytes)
    };
    for action in [long("x", 64 << 20), long("x\r\ny: ", 8 << 20)] {
        for (kind, auth) in [(Kind::Manifest, false), (Kind::Token, true), (Kind::Tags, false)] {
            let (bench, begun) = (Bench::new(), Instant::now());
            bench.fake.set_auth(Auth { bearer: true, login: None, ..Auth::default() });
            bench.fake.fault(Fault::always("*", kind, action.clone()));
            let client = client(quick());
            let result = match kind {
                Kind::Tags => client.tags(&bench.repository).map(drop),
                _ => client.document(&bench.repository, TAG, None).map(drop),
            };
            let error = result.expect_err("it has no end").to_string();
            assert!(error.contains(&bench.fake.address()), "{kind:?}: {error}");
            assert!(error.len() < 1_000, "{kind:?}: {} bytes", error.len());
            assert_eq!(error.contains("getting a token"), auth, "{kind:?}: {error}");
            assert!(begun.elapsed() < AT_MOST, "{kind:?}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_token_of_100_mb_is_not_read() {
    let (bench, begun) = (Bench::new(), Instant::now());
    bench.fake.set_auth(Auth { bearer: true, login: None, ..Auth::default() });
    let mut body = br#"{"token":""#.to_vec();
    body.resize(100_000_000, b'x');
    for reply in [Reply::new(200).body(body.clone()), Reply::new(403).body(body)] {
        bench.fake.fault(Fault::always("GET", Kind::Token, Action::Answer(reply)));
        let error =
            client(quick()).document(&bench.repository, TAG, None).expect_err("too large").to_string();
        assert!(
            error.contains("getting a token") && error.len() < 1_000,
            "{} bytes: {error:.500}",
            error.len()
        );
        bench.fake.heal();
    }
    assert!(begun.elapsed() < AT_MOST, "{:?}", begun.elapsed());
}

#[test]
fn what_a_registry_says_of_itself_is_not_believed() {
    let bench = Bench::new();
    let client = client(quick());
    let bytes = [7; 100_000];
    let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
    let read = || -> Result<Vec<u8>, String> {
        let mut read = Vec::new();
        let mut stream = client.blob(&bench.repository, &descriptor).map_err(|error| error.to_string())?;
        io::Read::read_to_end(&mut stream, &mut read).map_err(|error| error.to_string())?;
        Ok(read)
    };
    let lies: [(&str, Action); 5] = [
        ("longer", Action::edit(|reply| reply.set("Content-Length", Some("18446744073709551615")))),
        ("shorter", Action::edit(|reply| reply.set("Content-Length", Some("10")))),
        ("twice", Action::edit(|reply| reply.headers.push(("Content-Length".into(), "1".into())))),
        ("a part", Action::edit(|reply| reply.status = 206)),
        ("packed", Action::edit(|reply| reply.set("Content-Encoding", Some("gzip")))),
    ];
    for (name, action) in lies {
        let begun = Instant::now();
        bench.fake.fault(Fault::always("GET", Kind::Blob, action));
        match read() {
            Ok(read) => assert_eq!(read, bytes, "{name}"),
            Err(error) => assert!(error.contains(&bench.fake.address()), "{name}: {error}"),
        }
        assert!(begun.elapsed() < AT_MOST, "{name}: {:?}", begun.elapsed());
        bench.fake.heal();
    }
    assert_eq!(read().expect("it is well again"), bytes);
}
