//! The work of a run as data: what there is to do, for which images, and what waits for what.
//!
//! The graph grows while it is walked: which layers an image has is known when it is planned, and what is sent is
//! known when a layer is begun. An edge orders and carries no result. A failure takes its image out of the graph, and
//! with it all work that no other image wants.
//!
//! Invariants: a node may begin when all that it waits for has ended; a node is taken once, unless its taker asks
//! for it [again](Graph::again); ready nodes are taken in the order of [`Node`]: what ends an image comes before what
//! begins another, so that few images are under way at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::runtime::events::ImageId;

/// The number of a layer that is built in a run, in the order in which layers are to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LayerId(pub(super) usize);

/// The number of a blob on its way to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SendId(pub(super) usize);

/// One piece of work. The order is that in which ready nodes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// Stores an image's manifests, and moves its tags.
    Tag(ImageId),
    /// Derives an image's configurations and manifests from its layers.
    Document(ImageId),
    /// Builds a layer, for all images that have it.
    Layer(LayerId),
    /// Brings a blob to a destination.
    Send(SendId),
    /// Takes the targets' answer, what their tags mean now.
    Look(ImageId),
    /// Makes the plan of an image.
    Plan(ImageId),
    /// Opens the base of an image.
    Open(ImageId),
    /// Looks at the inputs of an image from outside.
    Scan(ImageId),
}

/// The work that is left.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: BTreeMap<Node, NodeEntry>,
    ready: BTreeSet<Node>,
    /// How many nodes each image wants.
    wanted: BTreeMap<ImageId, usize>,
}

#[derive(Debug, Default)]
struct NodeEntry {
    wanted_by: BTreeSet<ImageId>,
    waits_for: BTreeSet<Node>,
    waited_for_by: Vec<Node>,
    is_running: bool,
}

impl Graph {
    /// Adds work for an image; work that is there already is for this image, too.
    pub(super) fn add(&mut self, node: Node, image: ImageId) {
        let entry = self.nodes.entry(node).or_insert_with(|| {
            self.ready.insert(node);
            NodeEntry::default()
        });
        if entry.wanted_by.insert(image) {
            *self.wanted.entry(image).or_default() += 1;
        }
    }

    /// Counts one node less for an image.
    fn unwant(&mut self, image: ImageId) {
        if let Some(count) = self.wanted.get_mut(&image) {
            *count -= 1;
            if *count == 0 {
                self.wanted.remove(&image);
            }
        }
    }

    /// Has `node`, which has not begun, wait for `other`. A node that is not in the graph has ended.
    pub(super) fn wait(&mut self, node: Node, other: Node) {
        if node == other || !self.nodes.contains_key(&node) {
            return;
        }
        let Some(before) = self.nodes.get_mut(&other) else { return };
        before.waited_for_by.push(node);
        if let Some(after) = self.nodes.get_mut(&node)
            && !after.is_running
        {
            after.waits_for.insert(other);
            self.ready.remove(&node);
        }
    }

    /// The nodes that may begin.
    pub(super) fn ready(&self) -> impl Iterator<Item = Node> {
        self.ready.iter().copied()
    }

    /// Begins a node that is ready.
    pub(super) fn begin(&mut self, node: Node) {
        self.ready.remove(&node);
        if let Some(entry) = self.nodes.get_mut(&node) {
            entry.is_running = true;
        }
    }

    /// Ends a node that has begun; the images that wanted it.
    pub(super) fn end(&mut self, node: Node) -> BTreeSet<ImageId> {
        let Some(entry) = self.nodes.remove(&node) else { return BTreeSet::new() };
        self.ready.remove(&node);
        for after in entry.waited_for_by {
            self.release(after, node);
        }
        entry.wanted_by.iter().for_each(|image| self.unwant(*image));
        entry.wanted_by
    }

    /// Has a node that has begun begin once more; what waits for it goes on waiting. Whether it was there.
    pub(super) fn again(&mut self, node: Node) -> bool {
        let Some(entry) = self.nodes.get_mut(&node) else { return false };
        entry.is_running = false;
        self.ready.insert(node);
        true
    }

    /// Takes out all work that only this image wants and that has not begun; the nodes of it that have begun and that no
    /// other image wants. Those stay until they end.
    pub(super) fn abandon(&mut self, image: ImageId) -> Vec<Node> {
        let mut running = Vec::new();
        let mut gone = Vec::new();
        let mut left = 0_usize;
        for (node, entry) in &mut self.nodes {
            if !entry.wanted_by.contains(&image) {
                continue;
            }
            if entry.wanted_by.len() > 1 {
                entry.wanted_by.remove(&image);
                left += 1;
            } else if entry.is_running {
                running.push(*node);
            } else {
                gone.push(*node);
            }
        }
        (0..left).for_each(|_| self.unwant(image));
        for node in gone {
            self.end(node);
        }
        running
    }

    /// The images that want a node.
    pub(super) fn wanted_by(&self, node: Node) -> BTreeSet<ImageId> {
        self.nodes.get(&node).map(|entry| entry.wanted_by.clone()).unwrap_or_default()
    }

    /// Whether there is any work left for an image.
    pub(super) fn has_work_for(&self, image: ImageId) -> bool {
        self.wanted.contains_key(&image)
    }

    /// Whether a node has not ended.
    pub(super) fn contains(&self, node: Node) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Whether a layer may still have to be built.
    pub(super) fn has_layers_ahead(&self) -> bool {
        let may_lead_to_a_layer = |node: &Node| match node {
            Node::Layer(_) | Node::Look(_) | Node::Plan(_) | Node::Open(_) | Node::Scan(_) => true,
            Node::Tag(_) | Node::Document(_) | Node::Send(_) => false,
        };
        self.nodes.keys().any(may_lead_to_a_layer)
    }

    /// Whether all is done.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn release(&mut self, node: Node, ended: Node) {
        if let Some(entry) = self.nodes.get_mut(&node)
            && entry.waits_for.remove(&ended)
            && entry.waits_for.is_empty()
            && !entry.is_running
        {
            self.ready.insert(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ImageId = ImageId(0);
    const B: ImageId = ImageId(1);

    fn ready(graph: &Graph) -> Vec<Node> {
        graph.ready().collect()
    }

    fn layer(number: usize) -> Node {
        Node::Layer(LayerId(number))
    }

    #[test]
    fn a_node_begins_when_all_that_it_waits_for_has_ended() {
        let mut graph = Graph::default();
        graph.add(Node::Document(A), A);
        for number in 0..2 {
            graph.add(layer(number), A);
            graph.wait(Node::Document(A), layer(number));
        }
        // A node that is not there has ended.
        graph.wait(Node::Document(A), layer(7));
        assert_eq!(ready(&graph), [layer(0), layer(1)]);
        graph.begin(layer(0));
        assert_eq!(ready(&graph), [layer(1)]);
        graph.end(layer(0));
        graph.begin(layer(1));
        assert_eq!(ready(&graph), []);
        graph.end(layer(1));
        assert_eq!(ready(&graph), [Node::Document(A)]);
        graph.begin(Node::Document(A));
        graph.end(Node::Document(A));
        assert!(graph.is_empty());
    }

    #[test]
    fn an_image_is_ended_before_another_is_begun() {
        let mut graph = Graph::default();
        graph.add(Node::Scan(B), B);
        graph.add(Node::Plan(B), B);
        graph.add(layer(0), A);
        graph.add(Node::Tag(A), A);
        assert_eq!(ready(&graph), [Node::Tag(A), layer(0), Node::Plan(B), Node::Scan(B)]);
    }

    #[test]
    fn an_image_that_fails_takes_only_its_own_work_along() {
        let mut graph = Graph::default();
        for image in [A, B] {
            graph.add(Node::Document(image), image);
            graph.add(layer(0), image);
            graph.wait(Node::Document(image), layer(0));
        }
        graph.add(layer(1), A);
        graph.wait(Node::Document(A), layer(1));
        graph.begin(layer(1));
        assert_eq!(graph.abandon(A), [layer(1)], "it has begun, and B does not want it");
        assert!(graph.has_work_for(A), "until it has ended");
        graph.end(layer(1));
        assert!(!graph.has_work_for(A));
        graph.begin(layer(0));
        assert_eq!(graph.end(layer(0)), BTreeSet::from([B]));
        assert_eq!(ready(&graph), [Node::Document(B)]);
    }

    #[test]
    fn what_begins_again_lets_others_wait() {
        let mut graph = Graph::default();
        graph.add(layer(0), A);
        graph.add(Node::Document(A), A);
        graph.wait(Node::Document(A), layer(0));
        graph.begin(layer(0));
        graph.again(layer(0));
        assert_eq!(ready(&graph), [layer(0)]);
        graph.begin(layer(0));
        graph.end(layer(0));
        assert_eq!(ready(&graph), [Node::Document(A)]);
    }

    #[test]
    fn every_order_of_taking_ends_all_work_and_keeps_the_order_of_the_edges() {
        let mut state = 11_u64;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..100 {
            let mut graph = Graph::default();
            let count = 1 + next(12);
            let mut edges = Vec::new();
            for number in 0..count {
                graph.add(layer(number), ImageId(next(3)));
                for before in 0..number {
                    if next(3) == 0 {
                        graph.wait(layer(number), layer(before));
                        edges.push((before, number));
                    }
                }
            }
            let mut ended = Vec::new();
            let mut running: Vec<Node> = Vec::new();
            while !graph.is_empty() {
                let ready: Vec<Node> = graph.ready().collect();
                if !ready.is_empty() && (running.is_empty() || next(2) == 0) {
                    let node = ready[next(ready.len())];
                    graph.begin(node);
                    running.push(node);
                } else {
                    let node = running.swap_remove(next(running.len()));
                    graph.end(node);
                    ended.push(node);
                }
            }
            assert_eq!(ended.len(), count);
            let place = |number| ended.iter().position(|node| *node == layer(number)).expect("ended");
            assert!(edges.iter().all(|&(before, after)| place(before) < place(after)));
        }
    }
}
