//! A program that has the key: of a KMS, an HSM or a service. It gets the bytes to sign on standard input and prints the
//! signature, in base64 or DER. It runs without a shell, in a process group of its own, for a limited time.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::AttachError;
use crate::attest::{PublicKey, Signature, Signer};
use crate::runtime::interrupt::Interrupt;
use crate::types::error::BoxedError;
use crate::types::secret::redact_message;

/// It may take so long: a person may have to touch a token.
const TIME: Duration = Duration::from_secs(120);
/// A signature has fewer bytes than this in any form.
const MOST_OUTPUT: u64 = 4 << 10;
/// How often waiting looks.
const GLANCE: Duration = Duration::from_millis(10);
/// How long the output of a program that has ended is waited for.
const LINGER: Duration = Duration::from_millis(500);

/// A program that signs, and the key that checks what it prints.
#[derive(Clone, Debug)]
pub struct ExternalSigner {
    program: String,
    arguments: Vec<String>,
    public: PublicKey,
    time: Duration,
    interrupt: Interrupt,
}

impl ExternalSigner {
    /// The program and its arguments, separated by blanks; `None` where there is no program.
    #[must_use]
    pub fn new(command: &str, public: PublicKey, interrupt: Interrupt) -> Option<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = words.next()?;
        Some(Self { program, arguments: words.collect(), public, time: TIME, interrupt })
    }

    /// With another time.
    #[cfg(test)]
    pub(super) fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    fn run(&self, message: &[u8]) -> Result<Vec<u8>, AttachError> {
        let failed = |why: String| AttachError::Failed { program: self.program.clone(), why };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| AttachError::Start { program: self.program.clone(), why: error.to_string() })?;
        if let Some(mut stdin) = child.stdin.take() {
            let message = message.to_vec();
            // One that does not read it may still answer.
            thread::spawn(move || stdin.write_all(&message));
        }
        let (output, complaint) = (listen(child.stdout.take()), listen(child.stderr.take()));
        let ended = self.wait(&mut child);
        let linger = Instant::now() + LINGER;
        let rest = |pipe: Receiver<Vec<u8>>| {
            pipe.recv_timeout(linger.saturating_duration_since(Instant::now())).unwrap_or_default()
        };
        let output = rest(output);
        // Whatever it left behind ends with it. The group may be gone.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let complaint = rest(complaint);
        let _ = child.wait();
        let said = || {
            let text = redact_message(&String::from_utf8_lossy(&complaint)).trim().to_owned();
            if text.is_empty() { String::new() } else { format!(": {text}") }
        };
        match ended? {
            None => Err(failed(format!("it was ended after {} s{}", self.time.as_secs_f64(), said()))),
            Some(status) if status.success() => Ok(output),
            Some(status) => Err(failed(format!("it ended with {status}{}", said()))),
        }
    }

    fn wait(&self, child: &mut Child) -> Result<Option<std::process::ExitStatus>, AttachError> {
        let end = Instant::now() + self.time;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(Some(status)),
                Ok(None) => {}
                Err(error) => {
                    return Err(AttachError::Failed {
                        program: self.program.clone(),
                        why: error.to_string(),
                    });
                }
            }
            let stopped = self.interrupt.check();
            if stopped.is_err() || Instant::now() >= end {
                let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
                stopped?;
                return Ok(None);
            }
            thread::sleep(GLANCE);
        }
    }
}

/// Reads a pipe on a thread, up to a limit.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver): (Sender<Vec<u8>>, _) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // The part before a failure may still be a signature.
            let _ = pipe.take(MOST_OUTPUT).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

impl Signer for ExternalSigner {
    fn sign(&self, message: &[u8]) -> Result<Signature, BoxedError> {
        let output = self.run(message)?;
        let refuse = |what| AttachError::NoSignature { program: self.program.clone(), what };
        let text = std::str::from_utf8(&output).map(str::trim).ok();
        let signature = Signature::from_der(&output).or_else(|| Signature::from_base64(text?));
        let signature = signature.ok_or_else(|| refuse("no signature"))?;
        match self.public.has_signed(message, &signature) {
            true => Ok(signature),
            false => Err(refuse("a signature that does not fit the key").into()),
        }
    }

    fn public(&self) -> &PublicKey {
        &self.public
    }
}
