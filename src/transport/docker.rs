//! A running Docker or Podman: images are loaded into it through the socket of its programming interface.
//!
//! Three requests are needed, one connection each, so this speaks HTTP/1.0 (RFC 1945) over the socket: an answer ends
//! with its connection, and the size of what is sent is known before it begins. The engine's answer is read to its
//! end, because it may report a failure after a status of 200.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, carry, code_behind, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, excerpt, shown_path};

/// How long an engine may neither take nor say anything; unpacking a large layer takes a while.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same where it only has to say that it is there.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may let a connection wait: its system keeps some in a queue, and then none.
const CONNECTING: Duration = Duration::from_secs(10);
/// How often the user's wish to stop is looked for.
const GLANCE: Duration = Duration::from_millis(100);
/// The longest answer of an engine that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// An engine that answered.
#[derive(Debug)]
pub struct Engine {
    socket: PathBuf,
    interrupt: Interrupt,
}

/// Why an image cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` leads elsewhere.
    #[error("`DOCKER_HOST` is `{0}`, and only a socket, `unix://PATH`, can be loaded into")]
    NotASocket(String),
    /// No engine answers.
    #[error("no Docker or Podman answers at {}", .tried.iter().map(|(path, why)| format!("`{}` ({why})", shown_path(path))).collect::<Vec<_>>().join(", "))]
    NoAnswer {
        /// Where it was looked for, and what happened.
        tried: Vec<(PathBuf, io::Error)>,
    },
    /// The connection broke.
    #[error("{} `{}`: {source}", .doing, shown_path(.socket))]
    Broken {
        /// The step.
        doing: &'static str,
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It answers, but not as an engine does.
    #[error("`{}` does not answer as Docker or Podman do: `{}`", shown_path(.socket), Foreign::new(said))]
    NoEngine {
        /// The socket.
        socket: PathBuf,
        /// The beginning of what it said.
        said: String,
    },
    /// It does not want the image.
    #[error("the engine at `{}` refused: {} (status {status})", shown_path(.socket), Foreign::new(said))]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// The HTTP status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// It has another image than the one that was sent.
    #[error("after loading, `{name}` is {} at `{}`, not {expected}", Foreign::new(found), shown_path(.socket))]
    OtherImage {
        /// The socket.
        socket: PathBuf,
        /// The image's name there.
        name: String,
        /// The engine's ID of the image.
        found: String,
        /// The digest of its configuration.
        expected: Digest,
    },
}

impl Explain for EngineError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotASocket(_) => Kind::Input,
            Self::Broken { source, .. } => kind_behind(source, Kind::Registry),
            _ => Kind::Registry,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broken { source, .. } => code_behind(source, ErrorCode::EngineUnreachable),
            _ => Some(ErrorCode::EngineUnreachable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotASocket(_) => {
                Some("`-o docker-archive:image.tar` and `docker load -i image.tar` do it".to_owned())
            }
            Self::NoAnswer { tried } if tried.iter().any(|(_, why)| why.kind() == io::ErrorKind::PermissionDenied) => {
                Some("the socket is there, but not for this user: be in its group, or set DOCKER_HOST".to_owned())
            }
            Self::NoAnswer { tried } if tried.iter().any(|(_, why)| why.kind() == io::ErrorKind::TimedOut) => Some(
                "start the engine again, or set DOCKER_HOST to the socket of another one; without either, \
                 `-o docker-archive:image.tar` writes a file to load later"
                    .to_owned(),
            ),
            Self::NoAnswer { .. } => Some(
                "start Docker or `podman system service`, or set DOCKER_HOST to `unix://PATH`; without either, \
                 `-o docker-archive:image.tar` writes a file to load later"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The path in `unix://PATH`, which is what `DOCKER_HOST` may be here.
///
/// # Errors
/// When it is anything else.
pub fn socket_of(docker_host: &str) -> Result<PathBuf, EngineError> {
    match docker_host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(EngineError::NotASocket(docker_host.to_owned())),
    }
}

/// The complaint in one line of the stream that loading answers with.
struct LoadMessage(Option<String>);

impl FromJson for LoadMessage {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut line = Object::open(value, &["error", "errorDetail", "message"])?;
        let error: Option<String> = line.take("error")?;
        // Docker says it twice; either is enough.
        let detail = line.take("errorDetail")?.map(|LoadMessage(words)| words.unwrap_or_default());
        let message: Option<String> = line.take("message")?;
        Ok(Self(error.or(detail).or(message)))
    }
}

/// An image as an engine describes it.
struct EngineImage {
    id: String,
}

impl FromJson for EngineImage {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        Ok(Self { id: Object::open(value, &["Id"])?.require("Id")? })
    }
}

/// The answer of an engine.
#[derive(Debug, PartialEq, Eq)]
struct EngineAnswer {
    status: u16,
    body: String,
}

impl Engine {
    /// The first of `sockets` that somebody listens on.
    ///
    /// # Errors
    /// When no engine answers.
    pub fn find(
        sockets: impl IntoIterator<Item = PathBuf>,
        interrupt: &Interrupt,
    ) -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for socket in sockets {
            match connect(&socket, interrupt, CONNECTING) {
                Err(source) if interrupt.is_triggered() => {
                    return Err(EngineError::Broken { doing: "connecting to", socket, source });
                }
                Ok(_) => return Ok(Self { socket, interrupt: interrupt.clone() }),
                Err(error) => tried.push((socket, error)),
            }
        }
        Err(EngineError::NoAnswer { tried })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks whether it answers as an engine does, which it has to do soon.
    ///
    /// # Errors
    /// When it does not.
    pub fn ping(&self) -> Result<(), EngineError> {
        let mut stream = self.connect()?;
        stream.patience = SHORT_PATIENCE;
        let request = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n";
        stream.write_all(request).map_err(self.broken("asking"))?;
        let answer = self.answer(&mut stream)?;
        if answer.status == 200 { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// The ID of the image with this name or ID, as the engine spells it; `None` if it has none.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub fn image_id(&self, name: &str) -> Result<Option<String>, EngineError> {
        let mut stream = self.connect()?;
        let request = format!("GET /images/{name}/json HTTP/1.0\r\nHost: docker\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(self.broken("asking"))?;
        let answer = self.answer(&mut stream)?;
        match answer.status {
            404 => Ok(None),
            200 => match json::decode::<EngineImage>(answer.body.as_bytes()) {
                Ok(image) => Ok(Some(image.id)),
                Err(_) => Err(self.no_engine(&answer.body)),
            },
            _ => Err(self.refused(&answer)),
        }
    }

    /// Begins to load an archive of `size` bytes.
    ///
    /// # Errors
    /// When the engine cannot be reached.
    pub fn load(&self, size: u64) -> Result<EngineLoad<'_>, EngineError> {
        let mut loading = EngineLoad { engine: self, stream: self.connect()? };
        let head = format!(
            "POST /images/load?quiet=1 HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\n\
             Content-Length: {size}\r\n\r\n"
        );
        loading.send(head.as_bytes())?;
        Ok(loading)
    }

    fn connect(&self) -> Result<EngineStream, EngineError> {
        let stream =
            connect(&self.socket, &self.interrupt, CONNECTING).map_err(self.broken("connecting to"))?;
        let limits = stream.set_read_timeout(Some(GLANCE)).and(stream.set_write_timeout(Some(GLANCE)));
        limits.map_err(self.broken("connecting to"))?;
        Ok(EngineStream { stream, interrupt: self.interrupt.clone(), patience: PATIENCE })
    }

    fn answer(&self, stream: &mut EngineStream) -> Result<EngineAnswer, EngineError> {
        let mut bytes = Vec::new();
        let read = stream.take(MAX_ANSWER).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        match (read, parse(&text)) {
            (Ok(_), Some(answer)) => Ok(answer),
            (Ok(_), None) => Err(self.no_engine(&text)),
            // Who refuses may hang up with bytes on their way, and has given its reason before.
            (Err(_), Some(answer)) if answer.is_refusal() => Ok(answer),
            (Err(error), _) => Err(self.broken("reading from")(error)),
        }
    }

    fn broken(&self, doing: &'static str) -> impl Fn(io::Error) -> EngineError + '_ {
        move |source| EngineError::Broken { doing, socket: self.socket.clone(), source }
    }

    fn no_engine(&self, said: &str) -> EngineError {
        EngineError::NoEngine { socket: self.socket.clone(), said: excerpt(said, 80) }
    }

    fn refused(&self, answer: &EngineAnswer) -> EngineError {
        let said = complaint(&answer.body).unwrap_or_else(|| excerpt(answer.body.trim(), 400));
        EngineError::Refused { socket: self.socket.clone(), status: answer.status, said }
    }
}

/// Connects to `socket` within `patience`, unless the user wants to stop. The system has no bound for it, so another thread waits.
fn connect(socket: &Path, interrupt: &Interrupt, patience: Duration) -> io::Result<UnixStream> {
    let (sender, connected) = mpsc::channel();
    let path = socket.to_owned();
    // A connection that comes too late is closed with the channel.
    thread::Builder::new().spawn(move || drop(sender.send(UnixStream::connect(path))))?;
    let begun = Instant::now();
    loop {
        interrupt.check().map_err(carry)?;
        match connected.recv_timeout(GLANCE) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() >= patience => {
                let message = format!("it takes no connection for {} s", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// A connection that waits for the engine as long as it has patience, unless the user wants to stop.
#[derive(Debug)]
struct EngineStream {
    stream: UnixStream,
    interrupt: Interrupt,
    patience: Duration,
}

impl EngineStream {
    fn patiently(&mut self, mut work: impl FnMut(&mut UnixStream) -> io::Result<usize>) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            self.interrupt.check().map_err(carry)?;
            match work(&mut self.stream) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                result => return result,
            }
            if begun.elapsed() >= self.patience {
                let message = format!("it does nothing for {} s", self.patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        }
    }
}

impl Read for EngineStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.read(buffer))
    }
}

impl Write for EngineStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl EngineAnswer {
    fn is_refusal(&self) -> bool {
        self.status != 200 || complaint(&self.body).is_some()
    }
}

/// An archive on its way into an engine.
#[derive(Debug)]
pub struct EngineLoad<'a> {
    engine: &'a Engine,
    stream: EngineStream,
}

impl EngineLoad<'_> {
    /// Sends the next bytes.
    ///
    /// # Errors
    /// When the engine takes no more; with its reason, if it gave one.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.stream.write_all(bytes).map_err(|error| match self.engine.answer(&mut self.stream) {
            Ok(answer) if answer.is_refusal() => self.engine.refused(&answer),
            _ => self.engine.broken("sending to")(error),
        })
    }

    /// Waits until the engine has loaded all.
    ///
    /// # Errors
    /// When it has not.
    pub fn finish(mut self) -> Result<(), EngineError> {
        let answer = self.engine.answer(&mut self.stream)?;
        if answer.is_refusal() { Err(self.engine.refused(&answer)) } else { Ok(()) }
    }
}

/// Status and body of a whole answer.
fn parse(text: &str) -> Option<EngineAnswer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let status = words.next().filter(|version| version.starts_with("HTTP/1.")).and(words.next())?;
    Some(EngineAnswer { status: status.parse().ok()?, body: body.to_owned() })
}

/// The first error in a stream of JSON values. A value that can be read in two ways may be one; what is no JSON is none.
fn complaint(body: &str) -> Option<String> {
    json::sequence(body.as_bytes()).find_map(|value| match value {
        Ok(value) if value.kind() != json::JsonKind::Object => None,
        Ok(value) => LoadMessage::decode(value)
            .map_or_else(|error| Some(error.to_string()), |LoadMessage(words)| words),
        Err(error) if error.position().is_none() => Some(error.to_string()),
        Err(_) => None,
    })
}

/// The digest in an image's ID, which Docker spells with its algorithm and Podman, in places, without.
#[must_use]
pub fn digest_of_id(id: &str) -> Option<Digest> {
    if id.contains(':') { id.parse().ok() } else { format!("sha256:{id}").parse().ok() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// An engine that takes `take` bytes of a request and answers; then it hears the rest, or hangs up. The request
    /// that it received.
    fn engine(
        take: usize,
        hangs_up: bool,
        says: &'static str,
    ) -> (Engine, tempfile::TempDir, thread::JoinHandle<Vec<u8>>) {
        let directory = tempfile::tempdir().expect("can be made");
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).expect("can listen");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("is found");
            drop(stream);
            (stream, _) = listener.accept().expect("somebody comes");
            let mut heard = vec![0; take];
            let mut length = 0;
            while length < take {
                let read = stream.read(&mut heard[length..]).expect("can be read");
                if read == 0 {
                    break;
                }
                length += read;
            }
            heard.truncate(length);
            let _ = stream.write_all(says.as_bytes());
            if !hangs_up {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            }
            heard
        });
        let engine =
            Engine::find([directory.path().join("absent"), socket], &Interrupt::default()).expect("listens");
        (engine, directory, server)
    }

    fn load(says: &'static str) -> Result<(), EngineError> {
        let (engine, _directory, server) = engine(140, false, says);
        let mut loading = engine.load(1 << 20)?;
        loading.send(&[7; 1000])?;
        let result = loading.finish();
        let heard = server.join().expect("ends");
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(heard.starts_with("POST /images/load?quiet=1 HTTP/1.0\r\n"), "{heard}");
        assert!(heard.contains("\r\nContent-Length: 1048576\r\n\r\n"), "{heard}");
        result
    }

    #[test]
    fn a_failure_after_200_is_a_failure() {
        load("HTTP/1.0 200 OK\r\n\r\n{\"stream\":\"Loaded image: a\"}\n").expect("is loaded");
        let said = "HTTP/1.0 200 OK\r\n\r\n{\"stream\":\"x\"}\n{\"errorDetail\":{\"message\":\"full\"},\"error\":\"full\"}";
        let error = load(said).expect_err("is not");
        assert!(matches!(&error, EngineError::Refused { said, .. } if said == "full"), "{error}");
        let error = load("HTTP/1.0 500 Oh\r\n\r\n{\"message\":\"no\"}").expect_err("is not");
        assert!(matches!(&error, EngineError::Refused { said, status: 500, .. } if said == "no"), "{error}");
        let error = load("hello").expect_err("is no engine");
        assert!(matches!(&error, EngineError::NoEngine { .. }), "{error}");
        let error = load("").expect_err("says nothing");
        assert!(matches!(&error, EngineError::NoEngine { .. } | EngineError::Broken { .. }), "{error}");
    }

    #[test]
    fn a_complaint_is_found_however_it_is_written() {
        for (body, expected) in [
            ("{\"stream\":\"x\"}\r\n{\"error\":null}{\"aux\":{\"error\":\"x\"}}", None),
            ("loaded", None),
            ("{\"stream\":\"x\"}{\"error\":\"full\"}", Some("full")),
            ("[\"x\"] 7 {\"error\":\"full\"}", Some("full")),
            ("{\"errorDetail\":{\"code\":1,\"message\":\"full\"}}", Some("full")),
            ("{\"errorDetail\":{}}", Some("")),
            ("{\"error\":\"full\",\"error\":null}", Some("the key `error` occurs twice")),
            (
                "{\"error\":{\"$serde_json::private::RawValue\":\"x\"}}",
                Some("`error` is an object; it must be a string"),
            ),
        ] {
            assert_eq!(complaint(body).as_deref(), expected, "{body}");
        }
        let folded = complaint("{\"Error\":\"full\"}").expect("Docker's own client takes it for one");
        assert!(folded.starts_with("the key `Error` is `error` to tools"), "{folded}");
        for body in
            ["{\"Id\":\"a\",\"ID\":\"b\"}", "{\"Id\":\"a\",\"Id\":\"b\"}", "{\"id\":\"a\"}", "[\"a\"]"]
        {
            assert!(json::decode::<EngineImage>(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_engine_that_hangs_up_is_asked_why() {
        let (engine, _directory, server) =
            engine(10, true, "HTTP/1.0 507 Full\r\n\r\n{\"message\":\"disk\"}");
        let mut loading = engine.load(u64::MAX).expect("begins");
        let error = loop {
            if let Err(error) = loading.send(&[0; 1 << 16]) {
                break error;
            }
        };
        server.join().expect("ends");
        assert!(
            matches!(&error, EngineError::Refused { status: 507, said, .. } if said == "disk"),
            "{error}"
        );
    }

    #[test]
    fn an_image_has_its_id() {
        let hex = "ab".repeat(32);
        let (engine, _directory, server) =
            engine(30, false, "HTTP/1.0 200 OK\r\n\r\n{\"Id\":\"sha256:abc\",\"X\":1}");
        assert_eq!(engine.image_id("a/b:1").expect("answers").as_deref(), Some("sha256:abc"));
        assert!(
            server.join().expect("ends").starts_with(b"GET /images/a/b:1/json HTTP/1.0\r\n"[..30].as_ref())
        );
        assert_eq!(digest_of_id(&hex), digest_of_id(&format!("sha256:{hex}")));
        assert_eq!((digest_of_id(&hex).is_some(), digest_of_id("abc")), (true, None));
    }

    #[test]
    fn the_wish_to_stop_ends_waiting_for_an_engine() {
        let directory = tempfile::tempdir().expect("can be made");
        let socket = directory.path().join("s");
        // Connections wait in its queue for ever.
        let _listener = UnixListener::bind(&socket).expect("can listen");
        let interrupt = Interrupt::default();
        let engine = Engine::find([socket], &interrupt).expect("listens");
        let stopper = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            interrupt.trigger();
        });
        let error = engine.image_id("a").expect_err("no answer");
        assert_eq!(error.kind(), Kind::Interrupted, "{error}");
        stopper.join().expect("ends");
        let engine = Engine { interrupt: Interrupt::default(), ..engine };
        let mut stream = engine.connect().expect("listens");
        stream.patience = Duration::from_millis(200);
        let error = engine.answer(&mut stream).expect_err("no answer");
        assert!(error.to_string().contains("it does nothing for"), "{error}");
    }

    #[test]
    fn an_engine_that_takes_no_connection_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("can be made");
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).expect("can listen");
        let full = socket.clone();
        // Closed connections stay in the queue of a listener that takes none.
        let filler = thread::spawn(move || while UnixStream::connect(&full).is_ok() {});
        let interrupt = Interrupt::default();
        let begun = Instant::now();
        let error = loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "the queue is never full");
            if let Err(error) = connect(&socket, &interrupt, GLANCE) {
                break error;
            }
        };
        assert!(error.to_string().contains("takes no connection"), "{error}");
        let tried = vec![(socket.clone(), error)];
        let hint = EngineError::NoAnswer { tried }.hint().expect("a hint");
        assert!(hint.contains("start the engine again"), "{hint}");
        interrupt.trigger();
        let error = Engine::find([socket], &interrupt).expect_err("the user wants to stop");
        assert_eq!(error.kind(), Kind::Interrupted, "{error}");
        drop(listener);
        filler.join().expect("ends");
    }

    #[test]
    fn only_sockets_are_loaded_into() {
        assert_eq!(socket_of("unix:///run/a.sock").ok(), Some(PathBuf::from("/run/a.sock")));
        for other in ["tcp://127.0.0.1:2375", "ssh://host", "unix://", "unix://relative", "/run/a.sock", ""] {
            let error = socket_of(other).expect_err(other);
            assert!(error.to_string().contains(other) && error.hint().is_some(), "{error}");
        }
        let error =
            Engine::find([PathBuf::from("/nonexistent/s")], &Interrupt::default()).expect_err("no engine");
        assert!(error.to_string().contains("`/nonexistent/s`") && error.hint().is_some(), "{error}");
    }
}
