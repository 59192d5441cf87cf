//! Files sorted into layers, each with the directories that its own files need, so that a layer's bytes depend on
//! nothing but its own files.

use std::collections::{BTreeMap, BTreeSet};

/// The members of one layer: paths, each with its index in the caller's list if it is listed there.
pub(super) type LayerMembers<'a> = Vec<(&'a [u8], Option<usize>)>;

/// Sorts files and directories, given by path, into groups by `group_of` a file's path. Groups without any are left out.
///
/// A directory is in each group that has a file below it; one without any counts as `rest`.
pub(super) fn grouped<'a, G: Ord + Clone>(
    names: impl Iterator<Item = (&'a [u8], bool)>,
    group_of: impl Fn(&[u8]) -> G,
    rest: &G,
) -> BTreeMap<G, LayerMembers<'a>> {
    let names: Vec<(&[u8], bool)> = names.collect();
    let mut directories: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (index, (name, directory)) in names.iter().enumerate() {
        if *directory {
            directories.insert(name, index);
        }
    }
    let mut parents: BTreeSet<&[u8]> = BTreeSet::new();
    for (name, _) in &names {
        for parent in ancestors(name) {
            if !parents.insert(parent) {
                break;
            }
        }
    }
    let mut groups: BTreeMap<G, (BTreeSet<&[u8]>, LayerMembers<'a>)> = BTreeMap::new();
    for (index, (name, directory)) in names.iter().enumerate() {
        if *directory && parents.contains(name) {
            continue;
        }
        let group = if *directory { rest.clone() } else { group_of(name) };
        let (needed, members) = groups.entry(group).or_default();
        members.push((name, Some(index)));
        for parent in ancestors(name).take_while(|parent| needed.insert(parent)) {
            members.push((parent, directories.get(parent).copied()));
        }
    }
    let sorted = groups.into_iter().map(|(group, (_, mut members))| {
        members.sort_unstable();
        (group, members)
    });
    sorted.collect()
}

/// The directories above `name`, innermost first.
fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.map(move |(at, _)| &name[..at])
}
