//! Where the links of a tree lead, one through the other.
//!
//! The text of a link does not say it: after `up -> ..`, a link to `up/..` leads one directory higher than it reads. Links
//! are followed as the kernel follows them. Any name that is no link of the tree counts as a directory: it may become
//! one in the image.

use std::collections::BTreeMap;

/// Links that lead from one to the next; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// The links of a tree by their places.
#[derive(Debug)]
pub(crate) struct LinkChains<'a> {
    /// The links and the directories above them; the root first.
    nodes: Vec<LinkNode<'a>>,
}

#[derive(Debug, Default)]
struct LinkNode<'a> {
    above: usize,
    below: BTreeMap<&'a [u8], usize>,
    link: Option<(&'a [u8], Option<WalkedChain>)>,
}

/// A place in a tree: the last node on the way to it, and how many names below that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChainPlace {
    node: usize,
    below: usize,
}

/// The end of a chain of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChainEnd {
    /// Somewhere in the tree.
    Inside(ChainPlace),
    /// Above the root of the tree.
    Outside,
    /// Nowhere that the tree decides: it is a circle, or an absolute path of the image.
    Nowhere,
}

/// A chain that was walked to its end.
#[derive(Clone, Copy, Debug)]
struct WalkedChain {
    end: ChainEnd,
    /// How many links it has.
    links: usize,
}

impl<'a> LinkChains<'a> {
    /// The chains of `links`, each a path below the root with the text of the link.
    pub(crate) fn new(links: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut chains = Self { nodes: vec![LinkNode::default()] };
        for (path, target) in links {
            let mut at = 0;
            for name in path.split(|byte| *byte == b'/') {
                let next = chains.nodes.len();
                let below = *chains.nodes[at].below.entry(name).or_insert(next);
                if below == next {
                    chains.nodes.push(LinkNode { above: at, ..LinkNode::default() });
                }
                at = below;
            }
            chains.nodes[at].link = Some((target, None));
        }
        chains
    }

    /// Whether the link at `path` leads above the root on its way.
    pub(crate) fn leave(&mut self, path: &[u8]) -> bool {
        let mut node = 0;
        for name in path.split(|byte| *byte == b'/') {
            let Some(next) = self.nodes[node].below.get(name) else { return false };
            node = *next;
        }
        self.chain(node, MAX_LINKS).is_some_and(|chain| chain.end == ChainEnd::Outside)
    }

    /// Where the link `node` leads, if that takes at most `most` links. Each is walked once.
    fn chain(&mut self, node: usize, most: usize) -> Option<WalkedChain> {
        let (target, known) = self.nodes[node].link?;
        if let Some(known) = known {
            return (known.links <= most).then_some(known);
        }
        let rest = most.checked_sub(1)?;
        // A circle comes back here.
        self.nodes[node].link = Some((target, Some(WalkedChain { end: ChainEnd::Nowhere, links: 0 })));
        let chain = self.walk(self.nodes[node].above, target, rest);
        self.nodes[node].link = Some((target, chain));
        chain
    }

    fn walk(&mut self, from: usize, target: &'a [u8], most: usize) -> Option<WalkedChain> {
        let mut links = 1;
        let ended = |end, links| Some(WalkedChain { end, links });
        if target.starts_with(b"/") {
            return ended(ChainEnd::Nowhere, links);
        }
        let mut at = ChainPlace { node: from, below: 0 };
        for name in target.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." if at.below > 0 => at.below -= 1,
                b".." if at.node == 0 => return ended(ChainEnd::Outside, links),
                b".." => at.node = self.nodes[at.node].above,
                _ if at.below > 0 => at.below += 1,
                name => match self.nodes[at.node].below.get(name).copied() {
                    None => at.below = 1,
                    Some(next) if self.nodes[next].link.is_none() => at.node = next,
                    Some(next) => {
                        let chain = self.chain(next, most + 1 - links)?;
                        links += chain.links;
                        match chain.end {
                            ChainEnd::Inside(place) => at = place,
                            end => return ended(end, links),
                        }
                    }
                },
            }
        }
        ended(ChainEnd::Inside(at), links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaving(links: &[(&str, &str)]) -> Vec<String> {
        let pairs = || links.iter().map(|(path, target)| (path.as_bytes(), target.as_bytes()));
        let mut chains = LinkChains::new(pairs());
        let all = pairs().filter(|(path, _)| chains.leave(path));
        all.map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn a_link_leaves_through_another() {
        assert_eq!(leaving(&[("d/u", ".."), ("e", "d/u/../etc")]), ["e"]);
        assert_eq!(leaving(&[("d/u", ".."), ("e", "d/u/etc")]), Vec::<String>::new());
        assert_eq!(leaving(&[("a/b/up", "../.."), ("a/c", "b/up/.."), ("x", "a/c")]), ["a/c", "x"]);
        // By its text this one leaves, and by its way it does not.
        assert_eq!(leaving(&[("d", "a/b/c"), ("e", "d/../../../x")]), Vec::<String>::new());
        assert_eq!(leaving(&[("out", ".."), ("in", "a/../b")]), ["out"]);
        assert_eq!(leaving(&[("absolute", "/etc"), ("e", "absolute/../..")]), Vec::<String>::new());
    }

    #[test]
    fn circles_end_and_long_chains_are_those_of_the_kernel() {
        assert_eq!(leaving(&[("a", "b"), ("b", "a/.."), ("c", "a/../..")]), Vec::<String>::new());
        let name = |number: usize| format!("l{number:02}");
        let mut links: Vec<(String, String)> = (0..60).map(|it| (name(it), name(it + 1))).collect();
        links.push((name(60), "..".to_owned()));
        let links: Vec<(&str, &str)> = links.iter().map(|(path, target)| (&**path, &**target)).collect();
        // The kernel follows 40 of them, in whatever order they are asked for.
        let expected: Vec<String> = (21..=60).map(name).collect();
        assert_eq!(leaving(&links), expected);
        let backwards: Vec<(&str, &str)> = links.iter().rev().copied().collect();
        let mut left = leaving(&backwards);
        left.sort();
        assert_eq!(left, expected);
    }
}
