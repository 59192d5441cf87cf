//! A receiver of events that answers as it is told, and keeps what came.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::registry::serve_each;

/// The receiver's way with a message.
#[derive(Clone, Debug)]
pub(crate) enum HookAnswer {
    /// This status, and these lines of headers.
    Status(u16, String),
    /// Nothing, for a long time.
    Silence,
}

/// A message that came.
#[derive(Clone, Debug)]
pub(crate) struct HookMessage {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names are in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl HookMessage {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver; it ends with the test.
pub(crate) struct Hook {
    address: String,
    state: Arc<HookState>,
}

#[derive(Default)]
struct HookState {
    answers: Mutex<VecDeque<HookAnswer>>,
    messages: Mutex<Vec<HookMessage>>,
}

impl Hook {
    /// A receiver that takes everything.
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    /// The same at an address that is free.
    pub(crate) fn at(address: &str) -> Self {
        let state = Arc::new(HookState::default());
        let address = serve_each(address, &state, HookState::serve);
        Self { address, state }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How the next messages are answered; those after them are taken.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = HookAnswer>) {
        *self.state.answers.lock().unwrap() = answers.into_iter().collect();
    }

    /// Every message until now, but for questions whether it is there.
    pub(crate) fn take(&self) -> Vec<HookMessage> {
        let messages = std::mem::take(&mut *self.state.messages.lock().unwrap());
        messages.into_iter().filter(|message| message.method == "POST").collect()
    }

    /// Waits until so many messages came, and returns them.
    #[track_caller]
    pub(crate) fn wait(&self, count: usize) -> Vec<HookMessage> {
        let begun = Instant::now();
        while self.state.messages.lock().unwrap().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(60), "no message");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.take()
    }
}

impl HookState {
    fn serve(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut line, mut headers) = (String::new(), BTreeMap::new());
            if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            let mut words = line.split_whitespace().map(str::to_owned);
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            loop {
                let mut line = String::new();
                if !reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    break;
                }
                if let Some((name, value)) = line.split_once(':') {
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
            }
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let is_message = method == "POST";
            self.messages.lock().unwrap().push(HookMessage { method, target, headers, body });
            let next = if is_message { self.answers.lock().unwrap().pop_front() } else { None };
            let (status, more) = match next {
                Some(HookAnswer::Silence) => {
                    std::thread::sleep(Duration::from_secs(60));
                    return;
                }
                Some(HookAnswer::Status(status, more)) => (status, more),
                None => (204, String::new()),
            };
            let answer = format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
