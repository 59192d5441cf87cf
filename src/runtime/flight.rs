//! Single flight: values that are made once, however many ask for them at the same time.
//!
//! The first that asks for a key makes its value; all others wait for it. An error goes to the one who made it alone,
//! and the next of those who wait tries in its turn. Waiting ends when the user interrupts. Threads and tasks can wait
//! for the same key: nothing here needs an asynchronous runtime.
//!
//! A turn is a value that is dropped with its holder, so it ends whether the holder finishes, fails, panics or is
//! dropped in the middle. Its end wakes all who wait and not one of them: the one that was chosen may be dropped itself
//! before it runs. The maker of a value must not ask for the same key, because it would wait for itself.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::interrupt::{Interrupt, Interrupted};

/// How often one who waits looks for an interrupt.
const LOOK: Duration = Duration::from_millis(50);

/// Values by key, each made once.
#[derive(Debug)]
pub struct Flight<K: Ord, V> {
    slots: Mutex<BTreeMap<K, FlightSlot<V>>>,
    changed: Condvar,
}

#[derive(Debug)]
enum FlightSlot<V> {
    /// It is being made; these tasks wait.
    Running(Vec<Waker>),
    Done(V),
}

/// The turn to make the value of a key. Dropping it without a value gives the turn to the next.
struct FlightTurn<'a, K: Ord, V> {
    flight: &'a Flight<K, V>,
    key: Option<K>,
}

impl<K: Ord, V> Default for Flight<K, V> {
    fn default() -> Self {
        Self { slots: Mutex::default(), changed: Condvar::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Flight<K, V> {
    /// The value of a key: as it is, as another thread makes it, or made by `make`.
    ///
    /// # Errors
    /// The error of `make`, or an interrupt while another thread makes the value.
    pub fn get<E: From<Interrupted>>(
        &self,
        key: &K,
        interrupt: &Interrupt,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let mut slots = self.lock();
        loop {
            match slots.get(key) {
                Some(FlightSlot::Done(value)) => return Ok(value.clone()),
                None => break,
                Some(FlightSlot::Running(_)) => {
                    interrupt.check()?;
                    slots = self.changed.wait_timeout(slots, LOOK).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        slots.insert(key.clone(), FlightSlot::Running(Vec::new()));
        drop(slots);
        let turn = FlightTurn { flight: self, key: Some(key.clone()) };
        let value = make()?;
        turn.finish(value.clone());
        Ok(value)
    }

    /// As [`Flight::get`], for tasks. One that is dropped while it makes the value gives the turn to the next.
    ///
    /// # Errors
    /// The error of `make`.
    pub async fn get_async<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: &K,
        make: impl FnOnce() -> F,
    ) -> Result<V, E> {
        match poll_fn(|context| self.poll_turn(key, context)).await {
            Ok(value) => Ok(value),
            Err(turn) => {
                let value = make().await?;
                turn.finish(value.clone());
                Ok(value)
            }
        }
    }

    /// The value, or the turn to make it.
    fn poll_turn(&self, key: &K, context: &Context<'_>) -> Poll<Result<V, FlightTurn<'_, K, V>>> {
        let mut slots = self.lock();
        match slots.get_mut(key) {
            Some(FlightSlot::Done(value)) => Poll::Ready(Ok(value.clone())),
            Some(FlightSlot::Running(waiting)) => {
                if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
            None => {
                slots.insert(key.clone(), FlightSlot::Running(Vec::new()));
                Poll::Ready(Err(FlightTurn { flight: self, key: Some(key.clone()) }))
            }
        }
    }

    /// The value of a key, if it is made. Does not wait.
    pub fn known(&self, key: &K) -> Option<V> {
        match self.lock().get(key) {
            Some(FlightSlot::Done(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Forgets the value of a key if it is one of these, so that it is made again. A value that is being made is newer
    /// than any that the caller can mean, and stays.
    pub fn forget(&self, key: &K, is_stale: impl FnOnce(&V) -> bool) {
        let mut slots = self.lock();
        let forgotten = match slots.get(key) {
            Some(FlightSlot::Done(value)) if is_stale(value) => slots.remove(key),
            _ => None,
        };
        // A value is dropped without the lock: it may come back here.
        drop(slots);
        drop(forgotten);
    }
}

impl<K: Ord, V> Flight<K, V> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, FlightSlot<V>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a turn, with or without a value.
    fn end(&self, key: K, value: Option<V>) {
        let mut slots = self.lock();
        let before = match value {
            Some(value) => slots.insert(key, FlightSlot::Done(value)),
            None => slots.remove(&key),
        };
        drop(slots);
        self.changed.notify_all();
        if let Some(FlightSlot::Running(waiting)) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl<K: Ord, V> FlightTurn<'_, K, V> {
    fn finish(mut self, value: V) {
        if let Some(key) = self.key.take() {
            self.flight.end(key, Some(value));
        }
    }
}

impl<K: Ord, V> Drop for FlightTurn<'_, K, V> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.flight.end(key, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Error {
        Own(usize),
        Interrupted,
    }

    impl From<Interrupted> for Error {
        fn from(_: Interrupted) -> Self {
            Self::Interrupted
        }
    }

    #[test]
    fn many_threads_make_a_value_once() {
        let (flight, made) = (Flight::default(), AtomicUsize::new(0));
        let interrupt = Interrupt::default();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for key in 0..50 {
                        let make = || Ok::<_, Error>((made.fetch_add(1, Ordering::Relaxed), key));
                        assert_eq!(flight.get(&key, &interrupt, make).expect("made").1, key);
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 50);
    }

    #[test]
    fn an_error_is_one_caller_s_and_the_next_tries() {
        let flight = Flight::default();
        let interrupt = Interrupt::default();
        let (begun, has_begun) = channel();
        let (fail, failing) = channel::<()>();
        thread::scope(|scope| {
            let (flight, interrupt) = (&flight, &interrupt);
            let first = scope.spawn(move || {
                flight.get(&1, interrupt, || {
                    begun.send(()).expect("heard");
                    failing.recv().expect("told");
                    Err::<usize, _>(Error::Own(1))
                })
            });
            has_begun.recv().expect("begun");
            let second = scope.spawn(move || flight.get(&1, interrupt, || Ok::<_, Error>(2)));
            fail.send(()).expect("heard");
            assert_eq!(first.join().expect("no panic"), Err(Error::Own(1)));
            assert_eq!(second.join().expect("no panic"), Ok(2));
        });
        assert_eq!(flight.get(&1, &interrupt, || Err(Error::Own(3))), Ok(2), "it is there");
        flight.forget(&1, |value| *value == 7);
        assert_eq!(flight.get(&1, &interrupt, || Err(Error::Own(4))), Ok(2), "it is another one");
        flight.forget(&1, |value| *value == 2);
        assert_eq!(flight.get(&1, &interrupt, || Err(Error::Own(5))), Err(Error::Own(5)));
    }

    #[test]
    fn waiting_ends_with_an_interrupt_and_a_panic() {
        let flight = Flight::default();
        let interrupt = Interrupt::default();
        let (begun, has_begun) = channel();
        let (go_on, going_on) = channel::<()>();
        thread::scope(|scope| {
            let (flight, interrupt) = (&flight, &interrupt);
            let first = scope.spawn(move || {
                flight.get(&1, &Interrupt::default(), || {
                    begun.send(()).expect("heard");
                    going_on.recv().expect("told");
                    panic!("on purpose");
                    #[allow(unreachable_code, reason = "it has a type")]
                    Ok::<usize, Error>(1)
                })
            });
            has_begun.recv().expect("begun");
            let waiting = scope.spawn(move || flight.get(&1, interrupt, || Ok::<_, Error>(2)));
            thread::sleep(Duration::from_millis(10));
            interrupt.trigger();
            assert_eq!(waiting.join().expect("no panic"), Err(Error::Interrupted));
            go_on.send(()).expect("heard");
            assert!(first.join().is_err());
        });
        assert_eq!(flight.get(&1, &interrupt, || Ok::<_, Error>(3)), Ok(3));
    }

    #[test]
    fn a_task_that_is_dropped_gives_its_turn_to_the_next() {
        let flight: Flight<u8, u8> = Flight::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut second = pin!(flight.get_async(&1, || async { Ok::<_, Error>(2) }));
        {
            let mut first = pin!(flight.get_async(&1, || async {
                std::future::pending::<()>().await;
                Ok::<_, Error>(1)
            }));
            assert!(first.as_mut().poll(&mut context).is_pending());
            assert!(second.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(Ok(2)));
        assert_eq!(flight.get(&1, &Interrupt::default(), || Err(Error::Own(1))), Ok(2));
    }
}
