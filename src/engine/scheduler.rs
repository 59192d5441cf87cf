//! Walks the graph of a run: takes what may begin and fits, on as many threads as have something to do.
//!
//! The thread that starts the walk works, too; others are started one by one, when there is work that fits and that
//! no waiting thread takes. So a build that has one thing to do at a time starts none.
//!
//! The nodes that fit:
//! - As many nodes at a time as there are workers look at files, plan and derive.
//! - Two layers are under way at a time, and the second begins when all of the first is handed to the workers. Only
//!   the last bodies, two hashes and the file system then remain of the first.
//! - Each destination takes so many blobs at a time, and so does each host, for all images together.
//! - An image begins when what is held in memory of those under way is within the budget, or none is under way.
//!
//! A blob that is sent while it is made waits for its maker. Such waits are left to other threads than the first, so
//! that there is always one that gets on with the work, whatever the number of threads that the system gives.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use super::graph::{Graph, Node};
use crate::runtime::events::ImageId;
use crate::runtime::workers;

/// How many layers are under way at a time.
const LAYERS: usize = 2;
/// How many images may be under way, however little they hold: each has a thread for a question.
const MAX_IMAGES: usize = 16;
/// The bytes that an image counts for before it is planned.
const UNPLANNED: u64 = 1 << 20;
/// How many blobs go to one host at a time, for all images together.
const MAX_SENDS: usize = 16;
/// How many blobs go to one host while they are made, for all images together.
const MAX_FOLLOWS: usize = 16;

/// The resources that a node needs while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// A processor, and memory for an image.
    Image(ImageId),
    /// A processor.
    Processor,
    /// The workers, for a layer.
    Workers,
    /// Nothing but a thread: it waits for a network.
    Waiting,
    /// The same, once the image is under way.
    WaitingOf(ImageId),
    /// One of the blobs that a destination, and its host, take at a time.
    Lane(Lane),
    /// A place for a blob that is sent while it is made, by the node that makes it.
    Follow(usize, Node),
}

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// The number of the host.
    pub(super) host: usize,
    /// The destination: of an image, by number.
    pub(super) destination: (ImageId, usize),
    /// How many blobs the destination takes at a time.
    pub(super) width: usize,
}

/// How the work of a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkResult {
    /// It is over.
    Done,
    /// It is to be begun once more, for another image.
    Again,
}

/// The work at the nodes.
pub(super) trait NodeWork: Sync {
    /// The resources of a node. Called under the scheduler's lock.
    fn demand(&self, node: Node) -> Demand;

    /// Does the work of a node.
    fn work(&self, node: Node) -> WorkResult;

    /// Called after a node ended, for each image that wanted it and has no work left.
    fn settled(&self, image: ImageId);

    /// Called for a node whose work panicked, which has not ended yet.
    fn panicked(&self, node: Node);
}

/// A graph and what is in use.
pub(super) struct Scheduler {
    state: Mutex<SchedulerState>,
    changed: Condvar,
    processors: usize,
    /// Bytes that may be held of images under way.
    budget: u64,
}

#[derive(Default)]
struct SchedulerState {
    graph: Graph,
    processors: usize,
    layers: usize,
    /// The layer that is being handed to the workers.
    handing: Option<Node>,
    sends: BTreeMap<usize, usize>,
    sends_to: BTreeMap<(ImageId, usize), usize>,
    follows: BTreeMap<usize, usize>,
    /// The images under way, and what each holds.
    images: BTreeMap<ImageId, u64>,
    /// Threads that wait for something to do, but for the first.
    idle: usize,
    is_first_idle: bool,
}

impl Scheduler {
    pub(super) fn new(processors: usize, budget: u64) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), processors: processors.max(1), budget }
    }

    fn state(&self) -> MutexGuard<'_, SchedulerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the graph or changes it.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Graph) -> T) -> T {
        let result = change(&mut self.state().graph);
        self.changed.notify_all();
        result
    }

    /// Says that all of a layer is handed to the workers.
    pub(super) fn handed_out(&self, node: Node) {
        let mut state = self.state();
        if state.handing == Some(node) {
            state.handing = None;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Says how many bytes are held of an image.
    pub(super) fn hold(&self, image: ImageId, bytes: u64) {
        if let Some(held) = self.state().images.get_mut(&image) {
            *held = bytes;
        }
        self.changed.notify_all();
    }

    /// Says that nothing is held of an image any more.
    pub(super) fn release(&self, image: ImageId) {
        self.state().images.remove(&image);
        self.changed.notify_all();
    }

    /// Does all work of the graph; returns when none is left.
    pub(super) fn walk(&self, work: &dyn NodeWork) {
        thread::scope(|scope| self.walk_on(scope, work, true));
    }

    fn walk_on<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        work: &'scope dyn NodeWork,
        is_first: bool,
    ) {
        let mut state = self.state();
        loop {
            if let Some((node, demand)) = self.next(&state, work, is_first) {
                state.take(node, demand);
                let wants_thread = self.wants_thread(&state, work, demand);
                drop(state);
                if wants_thread {
                    // Where the system gives no thread, those that there are do the work.
                    let _ = workers::spawn(scope, "walker", move || self.walk_on(scope, work, false));
                }
                let ended = catch_unwind(AssertUnwindSafe(|| work.work(node)));
                let ended = ended.unwrap_or_else(|_| {
                    work.panicked(node);
                    WorkResult::Done
                });
                let settled = self.state().put_back(node, demand, ended);
                settled.into_iter().for_each(|image| work.settled(image));
                self.changed.notify_all();
                state = self.state();
            } else if state.graph.is_empty() {
                drop(state);
                self.changed.notify_all();
                return;
            } else {
                state.set_idle(is_first, true);
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.set_idle(is_first, false);
            }
        }
    }

    /// Whether another thread has something to do, and none waits for it. While a layer is built there always is one more:
    /// the next layer begins in the middle of it.
    fn wants_thread(&self, state: &SchedulerState, work: &dyn NodeWork, taken: Demand) -> bool {
        if state.idle > 0 {
            self.changed.notify_all();
            return false;
        }
        let has_more_layers = || state.graph.ready().any(|node| matches!(node, Node::Layer(_)));
        if taken == Demand::Workers && has_more_layers() {
            return true;
        }
        let first_does_it = state.is_first_idle && self.next(state, work, true).is_some();
        !first_does_it && self.next(state, work, false).is_some()
    }

    /// The next node that fits: the first thread prefers what needs a processor, others what waits for a network.
    fn next(&self, state: &SchedulerState, work: &dyn NodeWork, is_first: bool) -> Option<(Node, Demand)> {
        let mut second = None;
        for node in state.graph.ready() {
            let demand = work.demand(node);
            if !self.fits(state, demand, is_first) {
                // The nodes that begin images come last, and where one does not fit, no other does.
                if matches!(demand, Demand::Image(_)) {
                    break;
                }
                continue;
            }
            let waits = matches!(
                demand,
                Demand::Waiting | Demand::WaitingOf(_) | Demand::Lane(_) | Demand::Follow(..)
            );
            if waits != is_first {
                return Some((node, demand));
            }
            second = second.or(Some((node, demand)));
        }
        second
    }

    fn fits(&self, state: &SchedulerState, demand: Demand, is_first: bool) -> bool {
        let used = |of: &BTreeMap<usize, usize>, host| of.get(&host).copied().unwrap_or(0);
        match demand {
            Demand::Waiting => true,
            Demand::WaitingOf(image) => state.images.contains_key(&image),
            Demand::Processor => state.processors < self.processors,
            Demand::Image(image) => {
                let held: u64 = state.images.values().sum();
                let has_room = state.images.len() < MAX_IMAGES && held + UNPLANNED <= self.budget;
                let is_under_way = state.images.contains_key(&image);
                state.processors < self.processors && (state.images.is_empty() || is_under_way || has_room)
            }
            Demand::Workers => state.layers < LAYERS && state.handing.is_none(),
            Demand::Lane(Lane { host, destination, width }) => {
                used(&state.sends, host) < MAX_SENDS
                    && state.sends_to.get(&destination).copied().unwrap_or(0) < width.max(1)
            }
            // A node that has been made is not waited for.
            Demand::Follow(host, maker) => {
                let is_made = !state.graph.contains(maker);
                is_made || !is_first && used(&state.follows, host) < MAX_FOLLOWS
            }
        }
    }
}

impl SchedulerState {
    fn set_idle(&mut self, is_first: bool, is_idle: bool) {
        match (is_first, is_idle) {
            (true, _) => self.is_first_idle = is_idle,
            (false, true) => self.idle += 1,
            (false, false) => self.idle -= 1,
        }
    }

    fn take(&mut self, node: Node, demand: Demand) {
        self.graph.begin(node);
        match demand {
            Demand::Waiting | Demand::WaitingOf(_) => {}
            Demand::Processor => self.processors += 1,
            Demand::Image(image) => {
                self.processors += 1;
                self.images.entry(image).or_insert(UNPLANNED);
            }
            Demand::Workers => {
                self.layers += 1;
                self.handing = Some(node);
            }
            Demand::Lane(Lane { host, destination, .. }) => {
                *self.sends.entry(host).or_default() += 1;
                *self.sends_to.entry(destination).or_default() += 1;
            }
            Demand::Follow(host, _) => *self.follows.entry(host).or_default() += 1,
        }
    }

    /// Ends a node; the images that wanted it and have no work left.
    fn put_back(&mut self, node: Node, demand: Demand, ended: WorkResult) -> Vec<ImageId> {
        match demand {
            Demand::Waiting | Demand::WaitingOf(_) => {}
            Demand::Processor | Demand::Image(_) => self.processors -= 1,
            Demand::Workers => {
                self.layers -= 1;
                self.handing = self.handing.filter(|handing| *handing != node);
            }
            Demand::Lane(Lane { host, destination, .. }) => {
                reduce(&mut self.sends, &host);
                reduce(&mut self.sends_to, &destination);
            }
            Demand::Follow(host, _) => reduce(&mut self.follows, &host),
        }
        if ended == WorkResult::Again && self.graph.again(node) {
            return Vec::new();
        }
        let wanted_by = self.graph.end(node);
        wanted_by.into_iter().filter(|image| !self.graph.has_work_for(*image)).collect()
    }
}

fn reduce<K: Ord + Copy>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::graph::{LayerId, SendId};
    use super::*;

    /// Counts how many of each kind are under way.
    struct Counter<'s> {
        scheduler: &'s Scheduler,
        layers: AtomicUsize,
        most_layers: AtomicUsize,
        handing: AtomicUsize,
        sends: AtomicUsize,
        most_sends: AtomicUsize,
        done: AtomicUsize,
        settled: Mutex<Vec<ImageId>>,
        panics: AtomicUsize,
    }

    impl<'s> Counter<'s> {
        fn new(scheduler: &'s Scheduler) -> Self {
            let zero = AtomicUsize::default;
            Self {
                scheduler,
                layers: zero(),
                most_layers: zero(),
                handing: zero(),
                sends: zero(),
                most_sends: zero(),
                done: zero(),
                settled: Mutex::default(),
                panics: zero(),
            }
        }
    }

    const IMAGE: ImageId = ImageId(0);

    impl NodeWork for Counter<'_> {
        fn demand(&self, node: Node) -> Demand {
            match node {
                Node::Layer(_) => Demand::Workers,
                Node::Send(SendId(number)) if number >= 100 => Demand::Follow(0, Node::Layer(LayerId(0))),
                Node::Send(_) => Demand::Lane(Lane { host: 0, destination: (IMAGE, 0), width: 3 }),
                Node::Scan(image) => Demand::Image(image),
                _ => Demand::Processor,
            }
        }

        fn work(&self, node: Node) -> WorkResult {
            match node {
                Node::Layer(_) => {
                    assert_eq!(self.handing.fetch_add(1, Ordering::SeqCst), 0, "one is handed out at a time");
                    let layers = self.layers.fetch_add(1, Ordering::SeqCst) + 1;
                    self.most_layers.fetch_max(layers, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    self.handing.fetch_sub(1, Ordering::SeqCst);
                    self.scheduler.handed_out(node);
                    std::thread::sleep(Duration::from_millis(10));
                    self.layers.fetch_sub(1, Ordering::SeqCst);
                }
                Node::Send(SendId(number)) if number >= 100 => {
                    // It waits for its maker, which another thread must get on with.
                    while self.scheduler.with(|graph| graph.contains(Node::Layer(LayerId(0)))) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Node::Send(_) => {
                    let sends = self.sends.fetch_add(1, Ordering::SeqCst) + 1;
                    self.most_sends.fetch_max(sends, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(3));
                    self.sends.fetch_sub(1, Ordering::SeqCst);
                }
                Node::Plan(_) => panic!("a plan that panics"),
                _ => {}
            }
            self.done.fetch_add(1, Ordering::SeqCst);
            WorkResult::Done
        }

        fn settled(&self, image: ImageId) {
            self.settled.lock().expect("no panic").push(image);
        }

        fn panicked(&self, _: Node) {
            self.panics.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_more_is_under_way_than_fits_and_all_of_it_is_done() {
        let scheduler = Scheduler::new(2, 1 << 20);
        let work = Counter::new(&scheduler);
        scheduler.with(|graph| {
            for number in 0..6 {
                graph.add(Node::Layer(LayerId(number)), IMAGE);
                graph.add(Node::Send(SendId(number)), IMAGE);
                graph.add(Node::Send(SendId(100 + number)), IMAGE);
            }
        });
        scheduler.walk(&work);
        assert_eq!(work.done.load(Ordering::SeqCst), 18);
        assert_eq!(
            work.most_layers.load(Ordering::SeqCst),
            2,
            "the second begins in the middle of the first"
        );
        assert!(work.most_sends.load(Ordering::SeqCst) <= 3);
        assert_eq!(*work.settled.lock().expect("no panic"), [IMAGE]);
    }

    #[test]
    fn images_begin_one_by_one_where_memory_allows_no_more() {
        let scheduler = Scheduler::new(8, 0);
        let work = Counter::new(&scheduler);
        scheduler.with(|graph| {
            graph.add(Node::Scan(ImageId(0)), ImageId(0));
            graph.add(Node::Scan(ImageId(1)), ImageId(1));
        });
        let mut state = scheduler.state();
        let first = scheduler.next(&state, &work, true).expect("one always begins");
        assert_eq!(first.0, Node::Scan(ImageId(0)));
        state.take(first.0, first.1);
        assert!(scheduler.next(&state, &work, true).is_none());
        state.put_back(first.0, first.1, WorkResult::Done);
        assert!(scheduler.next(&state, &work, true).is_none(), "what it holds is still held");
        drop(state);
        scheduler.release(ImageId(0));
        assert!(scheduler.next(&scheduler.state(), &work, true).is_some());
    }

    #[test]
    fn a_node_that_panics_is_told_of_and_ends() {
        let scheduler = Scheduler::new(1, 1 << 20);
        let work = Counter::new(&scheduler);
        scheduler.with(|graph| {
            graph.add(Node::Plan(IMAGE), IMAGE);
            graph.add(Node::Document(IMAGE), IMAGE);
            graph.wait(Node::Document(IMAGE), Node::Plan(IMAGE));
        });
        scheduler.walk(&work);
        assert_eq!((work.panics.load(Ordering::SeqCst), work.done.load(Ordering::SeqCst)), (1, 1));
    }
}
