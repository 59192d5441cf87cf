//! The walk over a document that finds its images.
//!
//! A collection is walked once in each context, wherever aliases lead, so that the time is bounded by the number of
//! values.

use std::collections::{BTreeMap, BTreeSet};

use super::error::DescriptorError;
use super::found::FoundImages;
use super::limits::MAX_PART;
use super::lines::positions;
use super::overlooked::OverlookedReason;
use super::place::{
    ImageParts, ImagePlace, NAME_KEYS, SCHEME, SplitImage, WrittenImage, is_written_name, written,
};
use super::selector::{ImageSelector, SelectorStep};
use super::shape::{FIXED, Lead, ShapeContext, is_image_key, names_images, next};
use super::slot::ScalarSlot;
use super::tree::{NodeId, NodeKind, ValueTree};

/// Adds the images of the places that the format of a document has.
///
/// # Errors
/// When there are too many, or one is a part of another.
pub(super) fn places(
    tree: &ValueTree<'_>,
    context: ShapeContext,
    selectors: &[ImageSelector],
    found: &mut FoundImages,
) -> Result<(), DescriptorError> {
    let mut walk = DescriptorWalk::new(tree, selectors, found);
    walk.waiting.extend(tree.root().map(|root| (root, context, false)));
    while let Some((at, context, is_image)) = walk.waiting.pop() {
        walk.collection(at, context, is_image)?;
    }
    Ok(())
}

/// Adds all values that are `pack://NAME`, and says which aliases take an image.
///
/// # Errors
/// As for [`places`], and when one map has two such values of one key.
pub(super) fn members(tree: &ValueTree<'_>, found: &mut FoundImages) -> Result<(), DescriptorError> {
    let mut walk = DescriptorWalk::new(tree, &[], found);
    walk.members()?;
    if walk.has_aliases() {
        walk.name_aliases();
    }
    Ok(())
}

/// A step of a selector.
struct Selected<'s> {
    /// The number of the selector.
    selector: usize,
    /// The kind, at the first step.
    kind: Option<&'s str>,
    step: &'s SelectorStep,
    is_last: bool,
}

impl<'s> Selected<'s> {
    fn steps((at, selector): (usize, &'s ImageSelector)) -> impl Iterator<Item = Self> {
        let last = selector.steps.len().saturating_sub(1);
        selector.steps.iter().enumerate().map(move |(number, step)| Self {
            selector: at,
            kind: (number == 0).then_some(selector.kind.as_str()),
            step,
            is_last: number == last,
        })
    }
}

struct DescriptorWalk<'t> {
    tree: &'t ValueTree<'t>,
    steps: Vec<Selected<'t>>,
    /// The contexts that each value was walked in, as bits.
    seen: Vec<u64>,
    /// Collections to walk, their contexts, and whether a key with `image` leads there.
    waiting: Vec<(NodeId, ShapeContext, bool)>,
    /// The values that a selector was asked about, by its step.
    selected: BTreeSet<(NodeId, u8)>,
    /// The keys of maps whose values are names of images of this project, as parts of an image.
    named: BTreeSet<(NodeId, &'static str)>,
    /// Whether a scalar that aliases take is `pack://NAME`.
    aliased: BTreeMap<NodeId, bool>,
    /// Whether a map has a key for a tag.
    tagged: BTreeMap<NodeId, bool>,
    /// Whether a map says how Compose builds its image, and the maps that are merged into it.
    builds: BTreeMap<NodeId, (bool, Vec<NodeId>)>,
    found: &'t mut FoundImages,
}

/// The maps that are looked at for what is merged into one.
const MAX_MERGES: usize = 64;

/// The group of the kustomizations of Flux, whose `spec` has what a kustomization has.
const FLUX: &str = "kustomize.toolkit.fluxcd.io/";

impl<'t> DescriptorWalk<'t> {
    fn new(tree: &'t ValueTree<'t>, selectors: &'t [ImageSelector], found: &'t mut FoundImages) -> Self {
        Self {
            tree,
            steps: selectors.iter().enumerate().flat_map(Selected::steps).collect(),
            seen: vec![0; tree.nodes.len()],
            waiting: Vec::new(),
            selected: BTreeSet::new(),
            named: BTreeSet::new(),
            aliased: BTreeMap::new(),
            tagged: BTreeMap::new(),
            builds: BTreeMap::new(),
            found,
        }
    }

    fn collection(
        &mut self,
        at: NodeId,
        context: ShapeContext,
        is_image: bool,
    ) -> Result<(), DescriptorError> {
        let tree = self.tree;
        let Some(at) = tree.resolved(at) else { return Ok(()) };
        let context = match context {
            ShapeContext::Values if is_image => ShapeContext::ImageValues,
            context => context,
        };
        let bit = 1_u64.checked_shl(context.bit()).unwrap_or_default();
        match self.seen.get_mut(at as usize) {
            Some(seen) if *seen & bit == 0 => *seen |= bit,
            _ => return Ok(()),
        }
        if let ShapeContext::Selected(step) = context {
            return self.select(at, step);
        }
        if tree.is_list(at) {
            for item in tree.children(at) {
                self.waiting.push((item, context, is_image));
            }
            return Ok(());
        }
        if !tree.is_map(at) {
            return Ok(());
        }
        match context {
            ShapeContext::Kubernetes => self.object(at),
            ShapeContext::Patch => return self.patch(at),
            ShapeContext::KustomizedImage => return self.kustomized(at),
            ShapeContext::Values | ShapeContext::ImageValues => {
                if let Some(split) = self.split_values(at, context == ShapeContext::ImageValues) {
                    self.add(ImageParts::Split(split))?;
                    return Ok(());
                }
            }
            _ => {}
        }
        let is_built = context == ShapeContext::Service && self.is_built(at);
        for (key, value) in tree.entries(at) {
            let Some(key) = tree.text_of(key) else { continue };
            let Some(target) = tree.resolved(value) else { continue };
            // A merge: the keys of another map, or of several.
            if key == "<<" {
                self.waiting.push((target, context, is_image));
                continue;
            }
            let is_collection = tree.is_map(target) || tree.is_list(target);
            match next(context, &key) {
                Lead::To(inner) => {
                    let is_image = context == ShapeContext::ImageValues || names_images(&key);
                    self.waiting.push((target, inner, is_image));
                }
                Lead::Items(inner) if tree.is_list(target) => self.waiting.push((target, inner, false)),
                // `containers` of a schema is a map.
                Lead::Items(_) if context == ShapeContext::Kubernetes => {
                    self.waiting.push((target, ShapeContext::Kubernetes, false));
                }
                Lead::PerhapsImage if is_collection => {
                    let inner =
                        if context == ShapeContext::Variables { context } else { ShapeContext::Values };
                    self.waiting.push((target, inner, true));
                }
                Lead::Image if is_built => self.built(target)?,
                Lead::Image => drop(self.whole(target)?),
                Lead::PerhapsImage if self.looks_like_image(target, context) => drop(self.whole(target)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// The parts of an object of Kubernetes that its kind decides.
    fn object(&mut self, at: NodeId) {
        let tree = self.tree;
        let Some(kind) = tree.get_text(at, "kind") else { return };
        self.found.add_kind(&kind);
        let version = tree.get_text(at, "apiVersion").unwrap_or_default();
        let context = match &*kind {
            "HelmRelease" => Some(ShapeContext::Release),
            "Kustomization" if version.starts_with(FLUX) => Some(ShapeContext::Kustomization),
            _ => None,
        };
        if let (Some(context), Some(spec)) = (context, tree.get(at, "spec")) {
            self.waiting.push((spec, context, false));
        }
        for (number, step) in self.steps.iter().enumerate() {
            if step.kind == Some(&*kind)
                && let Ok(number) = u8::try_from(number)
            {
                if let Some(used) = self.found.selectors.get_mut(step.selector) {
                    used.has_kind = true;
                }
                self.waiting.push((at, ShapeContext::Selected(number), false));
            }
        }
    }

    /// One step of a selector.
    fn select(&mut self, at: NodeId, number: u8) -> Result<(), DescriptorError> {
        let tree = self.tree;
        let Some(Selected { selector, step, is_last, .. }) = self.steps.get(usize::from(number)) else {
            return Ok(());
        };
        let (selector, is_last) = (*selector, *is_last);
        let targets: Vec<NodeId> = match step {
            SelectorStep::Key(key) => tree.get(at, key).into_iter().collect(),
            SelectorStep::Each if tree.is_map(at) => {
                tree.entries(at).filter_map(|(_, value)| tree.resolved(value)).collect()
            }
            SelectorStep::Each => tree.children(at).filter_map(|item| tree.resolved(item)).collect(),
        };
        for target in targets {
            // Many aliases may lead to one value.
            if !self.selected.insert((target, number)) {
                continue;
            }
            if !is_last {
                self.waiting.push((target, ShapeContext::Selected(number + 1), false));
                continue;
            }
            let has_image = match self.split_values(target, true) {
                Some(split) => {
                    self.add(ImageParts::Split(split))?;
                    true
                }
                None => self.whole(target)?,
            };
            if let Some(used) = self.found.selectors.get_mut(selector) {
                used.has_image |= has_image;
            }
        }
        Ok(())
    }

    /// An operation of a JSON patch (RFC 6902), as kustomizations have them.
    fn patch(&mut self, at: NodeId) -> Result<(), DescriptorError> {
        let tree = self.tree;
        let (Some(path), Some(value)) = (tree.get_text(at, "path"), tree.get(at, "value")) else {
            return Ok(());
        };
        let mut names = path.rsplit('/').filter(|name| *name != "-" && name.parse::<u32>().is_err());
        match names.next() {
            Some("image") if !tree.is_map(value) => self.whole(value).map(drop),
            Some(name) => {
                match next(ShapeContext::Kubernetes, name) {
                    Lead::To(inner) | Lead::Items(inner) => self.waiting.push((value, inner, false)),
                    _ => {}
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether Compose builds the image of a service.
    fn is_built(&mut self, service: NodeId) -> bool {
        let tree = self.tree;
        let mut left = vec![service];
        for _ in 0..MAX_MERGES {
            let Some(at) = left.pop() else { break };
            let (builds, merged) = self.builds.entry(at).or_insert_with(|| {
                let is_given = |value: NodeId| !tree.is_null(value);
                let mut merged = Vec::new();
                if let Some(target) = tree.get(at, "<<") {
                    merged.push(target);
                    if tree.is_list(target) {
                        let items = tree.children(target).filter_map(|item| tree.resolved(item));
                        merged = items.take(MAX_MERGES).collect();
                    }
                }
                (tree.get(at, "build").is_some_and(is_given), merged)
            });
            if *builds {
                return true;
            }
            left.extend(merged.iter());
        }
        false
    }

    /// The image of a service that Compose builds: a name for it, which can have no digest.
    fn built(&mut self, at: NodeId) -> Result<(), DescriptorError> {
        let Some(slot) = self.slot(at) else { return Ok(()) };
        let is_left = match written(slot.value.trim()) {
            WrittenImage::Foreign { digest, .. } => digest.is_none(),
            WrittenImage::Unknown(text) => !text.is_empty() && !text.starts_with(SCHEME),
            WrittenImage::Member(_) => false,
        };
        match is_left {
            true => self.found.overlook(ImagePlace::new(ImageParts::Whole(slot)), OverlookedReason::Built),
            false => self.whole(at).map(drop),
        }
    }

    /// A map of Helm's values with the parts of an image.
    fn split_values(&self, at: NodeId, is_image: bool) -> Option<SplitImage> {
        let tree = self.tree;
        let slot = |key: &str| self.slot(tree.get(at, key)?);
        let (tag, digest) = (slot("tag"), slot("digest"));
        if let Some(repository) = slot("repository") {
            let text = repository.value.trim();
            let is_member = text.starts_with(SCHEME);
            let is_other = text.is_empty() || (text.contains("://") && !is_member);
            let is_known = tag.is_some() || digest.is_some() || is_image || is_member;
            return (is_known && !is_other).then(|| SplitImage {
                registry: slot("registry"),
                repository,
                tag,
                digest,
                digest_key: "digest",
            });
        }
        let Some(image) = slot("image") else {
            return self.named_values(at, is_image, tag.as_ref(), digest.as_ref());
        };
        // Older charts: `image: nginx` and `tag: "1"`, or `imageTag: "1"`.
        let tag = tag.or_else(|| slot("imageTag"));
        (tag.is_some() && is_bare(&image)).then(|| SplitImage {
            registry: slot("registry").or_else(|| slot("imageRegistry")),
            repository: image,
            tag,
            digest,
            digest_key: "digest",
        })
    }

    /// A map with `name` or `repo` in the place of `repository`. Much has a name and a tag: below a key that is about
    /// images it is one, and where the name is `pack://NAME`.
    fn named_values(
        &self,
        at: NodeId,
        is_image: bool,
        tag: Option<&ScalarSlot>,
        digest: Option<&ScalarSlot>,
    ) -> Option<SplitImage> {
        if tag.is_none() && digest.is_none() {
            return None;
        }
        let tree = self.tree;
        let slot = |key: &str| self.slot(tree.get(at, key)?);
        let is_known = |name: &ScalarSlot| is_image || name.value.trim().starts_with(SCHEME);
        let mut names = NAME_KEYS.iter().filter_map(|key| slot(key));
        let repository = names.find(|name| is_known(name) && is_bare(name))?;
        Some(SplitImage {
            registry: slot("registry"),
            repository,
            tag: tag.cloned(),
            digest: digest.cloned(),
            digest_key: "digest",
        })
    }

    /// An entry of the images of a kustomization.
    fn kustomized(&mut self, at: NodeId) -> Result<(), DescriptorError> {
        let tree = self.tree;
        let slot = |key: &str| self.slot(tree.get(at, key)?);
        let repository = slot("newName").filter(|name| !name.value.is_empty()).or_else(|| slot("name"));
        let (tag, digest) = (slot("newTag"), slot("digest"));
        let Some(repository) = repository else { return Ok(()) };
        // An entry that changes the name alone keeps the tag of each image: there is nothing to pin here.
        if tag.is_none() && digest.is_none() && !repository.value.starts_with(SCHEME) {
            return Ok(());
        }
        self.add(ImageParts::Split(SplitImage {
            registry: None,
            repository,
            tag,
            digest,
            digest_key: "digest",
        }))
    }

    /// Whether a scalar where an image may stand is one.
    fn looks_like_image(&self, at: NodeId, context: ShapeContext) -> bool {
        let Some(text) = self.tree.text_of(at).filter(|text| text.len() <= MAX_PART) else { return false };
        match written(text.trim()) {
            WrittenImage::Member(_) => true,
            WrittenImage::Foreign { reference, .. } => {
                // Names of images of machines are words, too.
                context != ShapeContext::Variables
                    || reference.tag().is_some()
                    || reference.digest().is_some()
            }
            WrittenImage::Unknown(_) => text.contains("${") || text.starts_with(SCHEME),
        }
    }

    fn slot(&self, at: NodeId) -> Option<ScalarSlot> {
        let (spelling, value) = self.tree.scalar(at)?;
        let value = match value.len() <= MAX_PART {
            true => value.into_owned(),
            // No reference, and with its end no beginning of one either.
            false => format!("{}…", &value[..value.floor_char_boundary(MAX_PART)]),
        };
        Some(ScalarSlot { range: self.tree.range(at), value, spelling })
    }

    /// A scalar that is an image, unless it is empty; whether it is one.
    fn whole(&mut self, at: NodeId) -> Result<bool, DescriptorError> {
        match self.slot(at) {
            Some(slot) if !slot.value.trim().is_empty() && slot.range.start < slot.range.end => {
                self.add(ImageParts::Whole(slot))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn add(&mut self, parts: ImageParts) -> Result<(), DescriptorError> {
        self.found.add(ImagePlace::new(parts), self.tree.text)
    }

    /// All values that are `pack://NAME`, wherever they stand.
    fn members(&mut self) -> Result<(), DescriptorError> {
        let tree = self.tree;
        // The maps and lists around a value, and for a map whether a key comes next.
        let mut around: Vec<(NodeId, Option<NodeId>)> = Vec::new();
        for at in 0..NodeId::try_from(tree.nodes.len()).unwrap_or(NodeId::MAX) {
            let Some(node) = tree.node(at) else { break };
            while around
                .last()
                .is_some_and(|(outer, _)| tree.node(*outer).is_some_and(|outer| outer.after <= at))
            {
                around.pop();
            }
            let mut key = None;
            if let Some((outer, expects)) = around.last_mut()
                && tree.is_map(*outer)
            {
                key = expects.take();
                if key.is_none() {
                    *expects = Some(at);
                    if !matches!(node.kind, NodeKind::Map | NodeKind::List) {
                        continue;
                    }
                    around.push((at, None));
                    continue;
                }
            }
            let of = key.and_then(|key| Some((around.last()?.0, key)));
            match node.kind {
                NodeKind::Map | NodeKind::List => around.push((at, None)),
                NodeKind::Scalar(..) => {
                    if self.is_member(at, true) {
                        self.member(at, of)?;
                    }
                }
                // The scalar itself is looked at where it stands; only as a part of an image it is more than that.
                NodeKind::Alias(Some(target)) => {
                    let Some(of) = of.filter(|(_, key)| self.part_key(*key).is_some()) else { continue };
                    let is_member = match self.aliased.get(&target) {
                        Some(is_member) => *is_member,
                        None => self.is_member(target, false),
                    };
                    self.aliased.insert(target, is_member);
                    if is_member {
                        self.member(target, Some(of))?;
                    }
                }
                NodeKind::Alias(None) | NodeKind::Opaque => {}
            }
        }
        Ok(())
    }

    /// Whether a scalar is `pack://` and one word. `mention` notes a longer text with that in it.
    fn is_member(&mut self, at: NodeId, mention: bool) -> bool {
        let Some(text) = self.tree.text_of(at).filter(|text| text.contains(SCHEME)) else { return false };
        let is_member = is_written_name(&text);
        if !is_member && mention {
            self.found.mentions.push(self.tree.range(at).start);
        }
        is_member
    }

    /// The key, if it is one for the name of an image without its tag.
    fn part_key(&self, key: NodeId) -> Option<&'static str> {
        let key = self.tree.text_of(key)?;
        ["repository", "newName"].iter().chain(&NAME_KEYS).find(|known| **known == key).copied()
    }

    /// A scalar that is `pack://NAME`, with the map and the key that it is the value of.
    fn member(&mut self, at: NodeId, of: Option<(NodeId, NodeId)>) -> Result<(), DescriptorError> {
        let Some((map, key)) = of else { return self.whole(at).map(drop) };
        let offset = self.tree.range(at).start;
        if let Some(part) = self.part_key(key) {
            // One name cannot have two values, and looking for the parts of each would take long.
            if !self.named.insert((map, part)) {
                let start = self.tree.range(key).start;
                let line = positions(self.tree.text, &[start]).first().map_or(1, |(line, _)| *line);
                return Err(DescriptorError::TwoKeys { line, key: part });
            }
            let split = match part {
                "newName" => return self.kustomized(map),
                "repository" => self.split_values(map, true),
                _ if self.found.places.contains_key(&offset) => return Ok(()),
                _ => self.split_values(map, false),
            };
            if let Some(split) = split.filter(|split| split.repository.range.start == offset) {
                return self.add(ImageParts::Split(split));
            }
        }
        // A format may have found it already, with a tag beside it.
        let is_image = self.tree.text_of(key).is_some_and(|key| is_image_key(&key));
        if is_image && self.found.places.contains_key(&offset) {
            return Ok(());
        }
        if self.has_tag(map) {
            self.found.beside_tags.push(offset);
        }
        self.whole(at).map(drop)
    }

    /// Whether a map has a tag or a digest of its own.
    fn has_tag(&mut self, map: NodeId) -> bool {
        let tree = self.tree;
        *self.tagged.entry(map).or_insert_with(|| {
            ["tag", "digest", "newTag"].iter().any(|key| {
                let value = tree.get(map, key).and_then(|value| tree.text_of(value));
                value.is_some_and(|value| !value.trim().is_empty())
            })
        })
    }

    fn has_aliases(&self) -> bool {
        self.tree.nodes.iter().any(|node| matches!(node.kind, NodeKind::Alias(_)))
    }

    /// Notes at each image the aliases that take its scalar. Offsets stand for lines until all are known.
    fn name_aliases(&mut self) {
        for node in &self.tree.nodes {
            let NodeKind::Alias(Some(target)) = node.kind else { continue };
            if let Some(place) = self.found.places.get_mut(&self.tree.range(target).start)
                && matches!(self.tree.node(target).map(|node| &node.kind), Some(NodeKind::Scalar(..)))
            {
                place.shared.push(node.start as usize);
            }
        }
    }
}

/// The most steps of all selectors.
pub(super) const MAX_STEPS: usize = 64 - FIXED as usize;

/// Whether a name is one without a tag and a digest.
fn is_bare(name: &ScalarSlot) -> bool {
    match written(name.value.trim()) {
        WrittenImage::Foreign { reference, .. } => reference.tag().is_none() && reference.digest().is_none(),
        WrittenImage::Member(_) => true,
        WrittenImage::Unknown(text) => text.starts_with(SCHEME),
    }
}
