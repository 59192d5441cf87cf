//! Where the links of a tree lead, one through the other.
//!
//! The text of a link does not say it: after `up -> ..`, a link to `up/..` leads one directory higher than it reads. Links
//! are followed as the kernel follows them. Any name that is no link of the tree counts as a directory: it may become
//! one in the image.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::slice::Split;

/// Links that lead from one to the next; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// The links of a tree by their places.
#[derive(Debug)]
pub(crate) struct LinkChains<'a> {
    /// The links and the directories above them; the root first.
    nodes: Vec<LinkNode<'a>>,
    /// How many texts of links were begun.
    #[cfg(test)]
    texts: usize,
}

#[derive(Debug, Default)]
struct LinkNode<'a> {
    above: usize,
    below: BTreeMap<&'a [u8], usize>,
    /// The text of the link.
    target: Option<&'a [u8]>,
    /// The chain that it begins, once it was walked or while it is.
    chain: Option<WalkedChain>,
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
    /// Nowhere that the tree decides: it is a circle or too long, or an absolute path of the image.
    Nowhere,
}

/// A chain that was walked to its end.
#[derive(Clone, Copy, Debug)]
struct WalkedChain {
    end: ChainEnd,
    /// How many links it has.
    links: usize,
}

/// The end of a link that is still walked: a circle comes back to it.
const UNDER_WAY: WalkedChain = WalkedChain { end: ChainEnd::Nowhere, links: 0 };

/// The names of a path, one after the other.
type PathNames<'a> = Split<'a, u8, fn(&u8) -> bool>;

/// A link whose text is followed, as far as that was done.
struct OpenLink<'a> {
    node: usize,
    /// The rest of its text, from the name that is followed next.
    names: Peekable<PathNames<'a>>,
    at: ChainPlace,
    links: usize,
}

impl<'a> LinkChains<'a> {
    /// The chains of `links`, each a path below the root with the text of the link.
    pub(crate) fn new(links: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut chains = Self {
            nodes: vec![LinkNode::default()],
            #[cfg(test)]
            texts: 0,
        };
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
            chains.nodes[at].target = Some(target);
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
        self.chain(node).end == ChainEnd::Outside
    }

    /// Where the link `start` leads. The text of each link is read once, however many links lead through it: those on the way
    /// wait in a list for the end of the one that they lead to.
    fn chain(&mut self, start: usize) -> WalkedChain {
        let mut open: Vec<OpenLink<'a>> = self.open(start).into_iter().collect();
        while let Some(link) = open.last_mut() {
            match self.follow(link) {
                Ok(chain) => {
                    self.nodes[link.node].chain = Some(chain);
                    open.pop();
                }
                Err(next) => open.extend(self.open(next)),
            }
        }
        self.nodes[start].chain.unwrap_or(UNDER_WAY)
    }

    /// Begins with the link `node`, if it is one that was not walked.
    fn open(&mut self, node: usize) -> Option<OpenLink<'a>> {
        let LinkNode { above, target, chain, .. } = &mut self.nodes[node];
        if chain.is_some() {
            return None;
        }
        let is_slash: fn(&u8) -> bool = |byte| *byte == b'/';
        let names = (*target)?.split(is_slash).peekable();
        *chain = Some(UNDER_WAY);
        #[cfg(test)]
        {
            self.texts += 1;
        }
        Some(OpenLink { node, names, at: ChainPlace { node: *above, below: 0 }, links: 1 })
    }

    /// Follows the text of a link to its end, or to a link that has to be walked first.
    fn follow(&self, link: &mut OpenLink<'a>) -> Result<WalkedChain, usize> {
        let ended = |end, links| Ok(WalkedChain { end, links });
        if self.nodes[link.node].target.is_some_and(|target| target.starts_with(b"/")) {
            return ended(ChainEnd::Nowhere, link.links);
        }
        while let Some(name) = link.names.peek() {
            let at = &mut link.at;
            match *name {
                b"" | b"." => {}
                b".." if at.below > 0 => at.below -= 1,
                b".." if at.node == 0 => return ended(ChainEnd::Outside, link.links),
                b".." => at.node = self.nodes[at.node].above,
                _ if at.below > 0 => at.below += 1,
                name => match self.nodes[at.node].below.get(name).copied() {
                    None => at.below = 1,
                    Some(next) if self.nodes[next].target.is_none() => at.node = next,
                    Some(next) => {
                        let chain = self.nodes[next].chain.ok_or(next)?;
                        link.links += chain.links;
                        match chain.end {
                            _ if link.links > MAX_LINKS => return ended(ChainEnd::Nowhere, link.links),
                            ChainEnd::Inside(place) => *at = place,
                            end => return ended(end, link.links),
                        }
                    }
                },
            }
            link.names.next();
        }
        ended(ChainEnd::Inside(link.at), link.links)
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

    /// In a chain of so many links, each has more names in its text than the kernel follows links.
    #[test]
    fn a_long_chain_is_read_once() {
        let links: Vec<(String, String)> =
            (0..50_000).map(|it| (format!("l{it}"), format!("{}l{}", "d/../".repeat(100), it + 1))).collect();
        let mut chains =
            LinkChains::new(links.iter().map(|(path, target)| (path.as_bytes(), target.as_bytes())));
        assert!(links.iter().all(|(path, _)| !chains.leave(path.as_bytes())));
        assert_eq!(chains.texts, links.len(), "texts read");
    }
}
