//! The walk over a document that finds its images.
//!
//! A collection is walked once in each context, wherever aliases lead, so that the time is bounded by the number of
//! values.

use std::collections::{BTreeMap, BTreeSet};

use super::error::DescriptorError;
use super::format::DescriptorFormat;
use super::lines::positions;
use super::place::{ImageParts, ImagePlace, SCHEME, SplitImage, WrittenImage, is_name, written};
use super::selector::{ImageSelector, SelectorStep};
use super::shape::{FIXED, Lead, ShapeContext, is_image_key, names_images, next};
use super::slot::ScalarSlot;
use super::tree::{NodeId, NodeKind, ValueTree};

/// The most images of one file.
pub(super) const MAX_IMAGES: usize = 100_000;

/// The images of a file, by their place.
pub(super) type Found = BTreeMap<usize, ImagePlace>;

/// A longer text that has `pack://NAME` in it: its place in bytes.
pub(super) type Mention = usize;

/// Adds the images of a document.
///
/// # Errors
/// When there are too many, or one is a part of another.
pub(super) fn document(
    tree: &ValueTree<'_>,
    root: Option<(DescriptorFormat, ShapeContext)>,
    selectors: &[ImageSelector],
    found: &mut Found,
    mentions: &mut Vec<Mention>,
) -> Result<(), DescriptorError> {
    let mut walk = DescriptorWalk {
        tree,
        steps: selectors.iter().flat_map(Selected::steps).collect(),
        seen: vec![0; tree.nodes.len()],
        waiting: Vec::new(),
        asked: BTreeSet::new(),
        found,
    };
    if let (Some((_, context)), Some(root)) = (root, tree.root()) {
        walk.waiting.push((root, context, false));
        while let Some((at, context, is_image)) = walk.waiting.pop() {
            walk.collection(at, context, is_image)?;
        }
    }
    walk.members(mentions)?;
    if walk.has_aliases() {
        walk.name_aliases();
    }
    Ok(())
}

/// A step of a selector.
struct Selected<'s> {
    /// The kind, at the first step.
    kind: Option<&'s str>,
    step: &'s SelectorStep,
    is_last: bool,
}

impl<'s> Selected<'s> {
    fn steps(selector: &'s ImageSelector) -> impl Iterator<Item = Self> {
        let last = selector.steps.len().saturating_sub(1);
        selector.steps.iter().enumerate().map(move |(number, step)| Self {
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
    /// The maps that were asked for the parts of an image because of a key, by the name of the key.
    asked: BTreeSet<(NodeId, bool)>,
    found: &'t mut Found,
}

impl<'t> DescriptorWalk<'t> {
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
            ShapeContext::KustomizedImage => return self.kustomized(at),
            ShapeContext::Values | ShapeContext::ImageValues => {
                if let Some(split) = self.split_values(at, context == ShapeContext::ImageValues) {
                    self.add(ImageParts::Split(split))?;
                    return Ok(());
                }
            }
            _ => {}
        }
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
                Lead::Image => self.whole(target)?,
                Lead::PerhapsImage if self.looks_like_image(target, context) => self.whole(target)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The parts of an object of Kubernetes that its kind decides.
    fn object(&mut self, at: NodeId) {
        let tree = self.tree;
        let Some(kind) = tree.get_text(at, "kind") else { return };
        if kind == "HelmRelease"
            && let Some(spec) = tree.get(at, "spec")
        {
            self.waiting.push((spec, ShapeContext::Release, false));
        }
        for (number, step) in self.steps.iter().enumerate() {
            if step.kind == Some(&*kind)
                && let Ok(number) = u8::try_from(number)
            {
                self.waiting.push((at, ShapeContext::Selected(number), false));
            }
        }
    }

    /// One step of a selector.
    fn select(&mut self, at: NodeId, number: u8) -> Result<(), DescriptorError> {
        let tree = self.tree;
        let Some(Selected { step, is_last, .. }) = self.steps.get(usize::from(number)) else { return Ok(()) };
        let is_last = *is_last;
        let targets: Vec<NodeId> = match step {
            SelectorStep::Key(key) => tree.get(at, key).into_iter().collect(),
            SelectorStep::Each if tree.is_map(at) => {
                tree.entries(at).filter_map(|(_, value)| tree.resolved(value)).collect()
            }
            SelectorStep::Each => tree.children(at).filter_map(|item| tree.resolved(item)).collect(),
        };
        for target in targets {
            match self.split_values(target, true) {
                _ if !is_last => self.waiting.push((target, ShapeContext::Selected(number + 1), false)),
                Some(split) => self.add(ImageParts::Split(split))?,
                None => self.whole(target)?,
            }
        }
        Ok(())
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
        // Older charts: `image: nginx` and `tag: "1"`, or `imageTag: "1"`.
        let tag = tag.or_else(|| slot("imageTag"));
        let image = slot("image").filter(|_| tag.is_some())?;
        let is_bare = match written(image.value.trim()) {
            WrittenImage::Foreign { reference, .. } => {
                reference.tag().is_none() && reference.digest().is_none()
            }
            WrittenImage::Member(_) => true,
            WrittenImage::Unknown(_) => false,
        };
        is_bare.then(|| SplitImage {
            registry: slot("registry").or_else(|| slot("imageRegistry")),
            repository: image,
            tag,
            digest,
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
        let Some(text) = self.tree.text_of(at) else { return false };
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
        Some(ScalarSlot { range: self.tree.range(at), value: value.into_owned(), spelling })
    }

    /// A scalar that is an image, unless it is empty.
    fn whole(&mut self, at: NodeId) -> Result<(), DescriptorError> {
        match self.slot(at) {
            Some(slot) if !slot.value.trim().is_empty() && slot.range.start < slot.range.end => {
                self.add(ImageParts::Whole(slot))
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, parts: ImageParts) -> Result<(), DescriptorError> {
        let place = ImagePlace::new(parts);
        let offset = place.offset();
        if let Some(before) = self.found.get(&offset)
            && before.parts != place.parts
        {
            let line = positions(self.tree.text, &[offset]).first().map_or(1, |(line, _)| *line);
            return Err(DescriptorError::TwoUses { line });
        }
        if self.found.len() >= MAX_IMAGES {
            return Err(DescriptorError::TooMuch { most: MAX_IMAGES, what: "images" });
        }
        self.found.insert(offset, place);
        Ok(())
    }

    /// All values that are `pack://NAME`, wherever they stand.
    fn members(&mut self, mentions: &mut Vec<Mention>) -> Result<(), DescriptorError> {
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
            match node.kind {
                NodeKind::Map | NodeKind::List => around.push((at, None)),
                NodeKind::Scalar(..) => {
                    let map = around.last().map(|(outer, _)| *outer);
                    self.member(at, key.and_then(|key| Some((map?, key))), mentions)?;
                }
                // The scalar itself is looked at where it stands; only as a part of an image it is more than that.
                NodeKind::Alias(Some(target)) => {
                    let Some(map) = key.and_then(|key| Some((around.last()?.0, key))) else { continue };
                    if self.has_parts(map.1) {
                        self.member(target, Some(map), mentions)?;
                    }
                }
                NodeKind::Alias(None) | NodeKind::Opaque => {}
            }
        }
        Ok(())
    }

    /// Whether a key has the name of an image without its tag.
    fn has_parts(&self, key: NodeId) -> bool {
        self.tree.text_of(key).is_some_and(|key| matches!(&*key, "repository" | "newName"))
    }

    /// A scalar that may be `pack://NAME`, with the map and the key that it is the value of.
    fn member(
        &mut self,
        at: NodeId,
        of: Option<(NodeId, NodeId)>,
        mentions: &mut Vec<Mention>,
    ) -> Result<(), DescriptorError> {
        let Some(text) = self.tree.text_of(at) else { return Ok(()) };
        if !text.contains(SCHEME) {
            return Ok(());
        }
        let offset = self.tree.range(at).start;
        let is_whole = text.trim().strip_prefix(SCHEME).is_some_and(is_name);
        if !is_whole {
            mentions.push(offset);
            return Ok(());
        }
        let key = of.and_then(|(map, key)| Some((map, self.tree.text_of(key)?)));
        // A map that has the key several times is asked once, so that the time stays bounded.
        if let Some((map, name)) = &key
            && matches!(&**name, "repository" | "newName")
            && !self.asked.insert((*map, name == "newName"))
        {
            mentions.push(offset);
            return Ok(());
        }
        let parts = match &key {
            Some((map, key)) if key == "repository" => self.split_values(*map, true),
            Some((map, key)) if key == "newName" => return self.kustomized(*map),
            _ => None,
        };
        match parts {
            Some(split) => self.add(ImageParts::Split(split)),
            // A format has found it already, with a tag beside it.
            None if key.is_some_and(|(_, key)| is_image_key(&key)) && self.found.contains_key(&offset) => {
                Ok(())
            }
            None => self.whole(at),
        }
    }

    fn has_aliases(&self) -> bool {
        self.tree.nodes.iter().any(|node| matches!(node.kind, NodeKind::Alias(_)))
    }

    /// Notes at each image the aliases that take its scalar. Offsets stand for lines until all are known.
    fn name_aliases(&mut self) {
        for node in &self.tree.nodes {
            let NodeKind::Alias(Some(target)) = node.kind else { continue };
            if let Some(place) = self.found.get_mut(&self.tree.range(target).start)
                && matches!(self.tree.node(target).map(|node| &node.kind), Some(NodeKind::Scalar(..)))
            {
                place.shared.push(node.start as usize);
            }
        }
    }
}

/// The most steps of all selectors.
pub(super) const MAX_STEPS: usize = 64 - FIXED as usize;
