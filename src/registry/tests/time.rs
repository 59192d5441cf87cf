//! Answers that come a byte at a time: each is given up within a time that can be told.

use std::io::Read;

use super::super::fake::{Action, Auth, Fake, Fault, Kind, Reply};
use super::*;
use crate::oci::MAX_DOCUMENT;
use crate::types::reference::Reference;

/// A byte just before the idle time-out is over.
const DRIP: Duration = Duration::from_secs(59);
/// All tries together, pauses included. They take some ten minutes; a machine that is busy sees the end of a limit late, while
/// the peer goes on moving the clock. Without a limit it would be 59 s for each of hundreds of bytes, six times.
const AT_MOST: Duration = Duration::from_secs(2 * 60 * 60);

/// A registry and a client whose time is moved by what is waited for.
struct Slow {
    fake: Fake,
    clock: Clock,
    repository: Repository,
}

impl Slow {
    fn new() -> Self {
        let clock = Clock::standing();
        let fake = Fake::with_clock(clock.clone()).expect("ports");
        let repository = format!("{}/shop/app", fake.address()).parse().expect("valid");
        Self { fake, clock, repository }
    }

    fn client(&self) -> Client {
        client(ClientSettings { clock: self.clock.clone(), ..ClientSettings::default() })
    }

    fn put_image(&self) {
        let image = image(&[]);
        self.fake.put_manifest("shop/app", TAG, image.raw().media_type.as_ref(), &image.raw().bytes);
    }

    fn tagged(&self) -> Reference {
        self.repository.at_tag(TAG.parse().expect("valid"))
    }

    /// That something fails, in time and with few requests.
    fn fails<T>(&self, name: &str, result: Result<T, RegistryError>) -> String {
        let error = result.err().unwrap_or_else(|| panic!("{name} succeeds")).to_string();
        let (elapsed, requests) = (self.clock.elapsed(), self.fake.take_log().len());
        assert!(elapsed < AT_MOST, "{name}: {elapsed:?}");
        assert!(requests <= 14, "{name}: {requests} requests");
        error
    }
}

#[test]
fn a_document_has_a_time_in_all() {
    let slow = Slow::new();
    slow.put_image();
    slow.fake.fault(Fault::always("GET", Kind::Manifest, Action::Trickle(DRIP)));
    let error = slow.fails("document", slow.client().document(&slow.repository, TAG, None));
    assert!(error.contains("timed out"), "{error}");
}

#[test]
fn a_token_has_a_time_in_all() {
    let slow = Slow::new();
    slow.put_image();
    slow.fake.set_auth(Auth { bearer: true, ..Auth::default() });
    slow.fake.fault(Fault::always("GET", Kind::Token, Action::Trickle(DRIP)));
    let error = slow.fails("token", slow.client().resolve(&slow.tagged()));
    assert!(error.contains("getting a token") && error.contains("timed out"), "{error}");
}

#[test]
fn a_list_of_referrers_has_a_time_in_all() {
    let slow = Slow::new();
    slow.put_image();
    slow.fake.fault(Fault::always("GET", Kind::Referrers, Action::Trickle(DRIP)));
    slow.fails("referrers", slow.client().referrers(&slow.repository, &Digest::of(b"subject"), None));
}

/// The status is known before the body: its rest is worth little time.
#[test]
fn the_body_of_an_error_has_a_time_in_all() {
    let slow = Slow::new();
    // There is no such manifest, which an error with a body says.
    slow.fake.fault(Fault::always("*", Kind::Manifest, Action::Trickle(Duration::from_secs(3))));
    let found = slow.client().resolve(&slow.tagged());
    assert!(matches!(found, Ok(None)), "{found:?}");
    assert!(slow.clock.elapsed() < Duration::from_secs(240), "{:?}", slow.clock.elapsed());
    // Nor is one asked for that is refused: what came of its words is said.
    let slow = Slow::new();
    slow.fake.set_auth(Auth { login: Some(("user".to_owned(), "password".to_owned())), ..Auth::default() });
    slow.fake.fault(Fault::always("*", Kind::Manifest, Action::Trickle(Duration::from_secs(3))));
    let error = slow.fails("refused", slow.client().document(&slow.repository, TAG, None));
    assert!(error.contains("401 Unauthorized"), "{error}");
    assert!(slow.clock.elapsed() < Duration::from_secs(240), "{:?}", slow.clock.elapsed());
}

#[test]
fn a_configuration_and_a_layer_must_come_on() {
    for size in [2_000, MAX_DOCUMENT as usize + 1] {
        let slow = Slow::new();
        let bytes = vec![7; size];
        slow.fake.put_blob("shop/app", &bytes);
        slow.fake.fault(Fault::always("GET", Kind::Blob, Action::Trickle(DRIP)));
        let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
        let read = match slow.client().blob(&slow.repository, &descriptor) {
            Err(error) => Err(error),
            Ok(mut stream) => match stream.read_to_end(&mut Vec::new()) {
                Ok(_) => Ok(()),
                Err(error) => {
                    let error = crate::types::error::uncarry(error).expect("the registry's own");
                    assert_eq!(error.kind(), crate::types::error::Kind::Registry);
                    let context = Box::new(Context {
                        registry: slow.repository.registry().clone(),
                        step: RequestStep::PullBlob,
                        subject: String::new(),
                    });
                    Err(RegistryError::Source { context, inner: error })
                }
            },
        };
        let error = slow.fails(&format!("a blob of {size} bytes"), read);
        assert!(error.contains("timed out"), "{error}");
    }
}

/// A byte for each request is no progress that deserves another six tries.
#[test]
fn a_blob_in_pieces_of_a_byte_is_given_up() {
    let slow = Slow::new();
    let bytes = vec![7; 100_000];
    slow.fake.put_blob("shop/app", &bytes);
    slow.fake.fault(Fault::always("GET", Kind::Blob, Action::Truncate(1)));
    let descriptor = Descriptor::of(MediaType::ImageLayerGzip, &bytes);
    let error = slow.fails("a byte at a time", slow.client().blob(&slow.repository, &descriptor).map(drop));
    assert!(error.contains("the connection broke"), "{error}");
}

/// `Retry-After: 0`, and a date that is over, mean a pause as without any.
#[test]
fn no_time_to_wait_is_not_no_pause() {
    for value in ["0", "Tue, 01 Jul 2025 09:00:00 GMT"] {
        let slow = Slow::new();
        let reply =
            Reply::new(503).header("Retry-After", value).header("Date", "Tue, 01 Jul 2025 10:00:00 GMT");
        slow.fake.fault(Fault::always("*", Kind::Manifest, Action::Answer(reply)));
        let error = slow.fails(value, slow.client().resolve(&slow.tagged()));
        assert!(error.contains("503"), "{error}");
        // Five pauses of up to 0.5, 1, 2, 4 and 8 s: less than this is one in ten thousand million.
        assert!(slow.clock.elapsed() > Duration::from_millis(50), "{value}: {:?}", slow.clock.elapsed());
    }
}

/// A peer on a busy machine begins to wait only after the clock was moved: it is moved again.
#[test]
fn a_stalled_answer_outlasts_who_waits_late() {
    use std::io::Write as _;
    let slow = Slow::new();
    slow.put_image();
    let stall = Duration::from_secs(80);
    slow.fake.fault(Fault::always("GET", Kind::Manifest, Action::StallAnswer(stall)));
    let mut peer = std::net::TcpStream::connect(slow.fake.address()).expect("connects");
    write!(peer, "GET /v2/shop/app/manifests/{TAG} HTTP/1.1\r\nHost: here\r\n\r\n").expect("sends");
    peer.read_exact(&mut [0; 16]).expect("the answer begins");
    let end = std::time::Instant::now() + Duration::from_secs(15);
    while slow.clock.elapsed() < 2 * stall {
        assert!(std::time::Instant::now() < end, "{:?}", slow.clock.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
}
