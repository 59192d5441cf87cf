//! Single flight with many callers that are dropped, fail and panic at any point. A caller that is never woken hangs: that
//! is a failure here, which says who waits for which key.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use super::super::wire::lock::lock;
use super::*;
use crate::runtime::flight::Flight;
use crate::runtime::interrupt::Interrupted;

const TASKS: usize = 60;
const THREADS: usize = 4;
const ROUNDS: usize = 150;
const KEYS: usize = 4;
const LIMIT: Duration = Duration::from_secs(20);

/// Numbers as luck has them, the same for one seed (splitmix64).
struct Luck(u64);

impl Luck {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below the bound")
    }
}

#[derive(Debug)]
struct OnPurpose;

impl From<Interrupted> for OnPurpose {
    fn from(_: Interrupted) -> Self {
        Self
    }
}

/// The values and what is known of their callers.
#[derive(Default)]
struct Table {
    flight: Flight<usize, usize>,
    making: [AtomicUsize; KEYS],
    made: AtomicUsize,
    shared: AtomicUsize,
    dropped: AtomicUsize,
    panicked: AtomicUsize,
    /// The key that each caller waits for.
    waiting: Mutex<BTreeMap<usize, usize>>,
}

/// The one that makes the value of a key.
struct Maker<'a>(&'a AtomicUsize);

impl<'a> Maker<'a> {
    fn new(making: &'a AtomicUsize) -> Self {
        assert_eq!(making.fetch_add(1, Ordering::SeqCst), 0, "two make the same value");
        Self(making)
    }
}

impl Drop for Maker<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Table {
    /// How it ends once the work is done.
    fn end(&self, key: usize, fate: usize) -> Result<usize, OnPurpose> {
        match fate {
            0 => Err(OnPurpose),
            // Without a word: the hook for panics is not called.
            1 => resume_unwind(Box::new(OnPurpose)),
            _ => {
                self.made.fetch_add(1, Ordering::Relaxed);
                Ok(key)
            }
        }
    }

    async fn make(&self, key: usize, fate: usize, pauses: usize) -> Result<usize, OnPurpose> {
        let _maker = Maker::new(&self.making[key]);
        for _ in 0..pauses {
            tokio::task::yield_now().await;
        }
        if pauses == 0 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        self.end(key, fate)
    }

    /// One question of a task; it may end by a panic.
    async fn ask(&self, key: usize, [fate, pauses, patience]: [usize; 3]) {
        let before = self.made.load(Ordering::Relaxed);
        let question = self.flight.get_async(&key, || self.make(key, fate, pauses));
        let answer = if patience < 10 {
            let over = async {
                for _ in 0..patience {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = over => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                answer = question => answer,
            }
        } else {
            // Nothing else wakes it.
            question.await
        };
        if let Ok(value) = answer {
            assert_eq!(value, key, "the value of another key");
            if self.made.load(Ordering::Relaxed) == before {
                self.shared.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn task(self: Arc<Self>, number: usize, mut luck: Luck) {
        for _ in 0..ROUNDS {
            let key = luck.below(KEYS);
            let choice = [luck.below(6), luck.below(4), luck.below(24)];
            lock(&self.waiting).insert(number, key);
            let table = Arc::clone(&self);
            // A task of its own, so that its panic ends nothing else.
            let asked = tokio::spawn(async move { table.ask(key, choice).await }).await;
            if let Err(error) = asked {
                let payload = error.into_panic();
                assert!(payload.is::<OnPurpose>(), "{payload:?}");
                self.panicked.fetch_add(1, Ordering::Relaxed);
            }
            lock(&self.waiting).remove(&number);
            if luck.below(2) == 0 {
                self.flight.forget(&luck.below(KEYS), |value| *value < KEYS);
            }
            if luck.below(3) == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn thread(&self, number: usize, mut luck: Luck) {
        let interrupt = Interrupt::default();
        for _ in 0..ROUNDS {
            let (key, fate) = (luck.below(KEYS), luck.below(6));
            lock(&self.waiting).insert(number, key);
            let ask = || {
                self.flight.get(&key, &interrupt, || {
                    let _maker = Maker::new(&self.making[key]);
                    thread::yield_now();
                    self.end(key, fate)
                })
            };
            match catch_unwind(AssertUnwindSafe(ask)) {
                Ok(answer) => assert!(answer.is_ok_and(|value| value == key) || fate == 0),
                Err(payload) => assert!(payload.is::<OnPurpose>()),
            }
            lock(&self.waiting).remove(&number);
            self.flight.forget(&key, |_| true);
        }
    }
}

#[test]
fn no_caller_waits_for_ever_while_others_are_dropped_fail_or_panic() {
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let (runtime, table) = (runtime.expect("threads"), Arc::new(Table::default()));
    let (done, is_done) = mpsc::channel();
    let luck = |number: usize| Luck(seed.wrapping_add(number as u64));
    for number in 0..TASKS {
        let (task, done) = (Arc::clone(&table).task(number, luck(number)), done.clone());
        runtime.spawn(async move {
            task.await;
            done.send(()).expect("heard");
        });
    }
    for number in TASKS..TASKS + THREADS {
        let (table, luck, done) = (Arc::clone(&table), luck(number), done.clone());
        thread::spawn(move || {
            table.thread(number, luck);
            done.send(()).expect("heard");
        });
    }
    drop(done);
    let end = Instant::now() + LIMIT;
    for count in 0..TASKS + THREADS {
        let left = end.saturating_duration_since(Instant::now());
        if is_done.recv_timeout(left).is_err() {
            let waiting = lock(&table.waiting).clone();
            let flight = format!("{:?}", table.flight);
            runtime.shutdown_background();
            panic!(
                "{count} of {} callers ended in {LIMIT:?} (seed {seed}); caller: key that it waits for: {waiting:?}; {flight}",
                TASKS + THREADS
            );
        }
    }
    let counts = [&table.made, &table.shared, &table.dropped, &table.panicked];
    let counts = counts.map(|count| count.load(Ordering::Relaxed));
    assert!(counts.iter().all(|count| *count > 50), "something was not tried: {counts:?}");
    for key in 0..KEYS {
        let value = table.flight.get(&key, &Interrupt::default(), || Ok::<_, OnPurpose>(key));
        assert_eq!(value.expect("no turn is left behind"), key);
    }
}
