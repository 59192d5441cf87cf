use crate::store::Damage;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::oci::{ConfigFile, Image, MediaType};
use crate::runtime::events::Progress;
use crate::store::EntryName;
use crate::types::digest::{Key, KeyBuilder};

const NOW: PruneOptions =
    PruneOptions { max_bytes: None, max_age: None, keep_named: true, grace: Duration::ZERO };

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(dir.path(), &Progress::default());
    (dir, store)
}

fn key(text: &str) -> Key {
    KeyBuilder::new("test").part(text.as_bytes()).finish()
}

/// Stores an image of one layer under a name.
fn image(store: &Store, name: &str) -> Image {
    let layer = format!("layer of {name}").into_bytes();
    let digest = store.blobs().put(&layer).expect("stored");
    let mut config = ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..Default::default() };
    config.rootfs.diff_ids = vec![digest];
    let layers = vec![Descriptor::of(MediaType::ImageLayer, &layer)];
    let image = Image::new(&config, layers, BTreeMap::new()).expect("an image");
    store.blobs().put(image.raw_config()).expect("stored");
    store.blobs().put(&image.raw().bytes).expect("stored");
    store.layout().set(&EntryName::tag(name), &image.descriptor()).expect("set");
    image
}

fn age(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).expect("opened");
    let written = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    let past = written - Duration::from_secs(seconds);
    let times = std::fs::FileTimes::new().set_accessed(past).set_modified(past);
    file.set_times(times).expect("aged");
}

#[test]
fn prune_keeps_what_names_reach() {
    let (_dir, store) = store();
    image(&store, "kept");
    let loose = store.blobs().put(b"loose").expect("stored");
    store.memo_put("step", &key("a"), b"v");
    std::fs::write(store.blobs().dir().join(".tmp-stale"), "x").expect("written");
    let usage = store.usage().expect("counted");
    assert_eq!((usage.blobs, usage.memos["step"].count, usage.leftover_bytes), (4, 1, 1));
    assert_eq!(usage.images, ["kept"]);

    let graceful = store.prune(&PruneOptions::default()).expect("pruned");
    assert_eq!(graceful.bytes, 0, "all of it is young");
    let pruned = store.prune(&NOW).expect("pruned");
    assert_eq!((pruned.blobs, pruned.memos, pruned.leftovers), (1, 1, 1));
    assert_eq!(store.blobs().contains(&loose), None);
    assert!(store.verify().expect("verified").is_empty());
    let all = store.prune(&PruneOptions { keep_named: false, ..NOW }).expect("pruned");
    assert_eq!((all.blobs, all.kept_bytes), (3, 0));
    assert!(store.usage().expect("counted").images.is_empty());
}

#[test]
fn limits_take_the_oldest_first() {
    let (_dir, store) = store();
    let digests: Vec<Digest> =
        (0..4).map(|number| store.blobs().put(&[number; 100]).expect("stored")).collect();
    for (digest, days) in digests.iter().zip([40, 3, 2, 1]) {
        age(&store.blobs().path(digest), days * 86_400);
    }
    let left = || store.blobs().list().expect("listed").len();
    store.prune(&PruneOptions { max_age: Some(Duration::from_secs(30 * 86_400)), ..NOW }).expect("pruned");
    assert_eq!(left(), 3);
    store.blobs().touch(&digests[1]);
    store.prune(&PruneOptions { max_bytes: Some(200), ..NOW }).expect("pruned");
    assert_eq!(left(), 2);
    assert_eq!(store.blobs().contains(&digests[2]), None, "the touched one was older");
}

#[test]
fn images_go_with_their_names_and_only_as_far_as_the_limits_want_it() {
    let (_dir, store) = store();
    let images: Vec<Image> = ["old", "middle", "new"].map(|name| image(&store, name)).into();
    let loose = store.blobs().put(&[7; 50]).expect("stored");
    for (image, days) in images.iter().zip([30, 20, 10]) {
        age(&store.blobs().path(&image.digest()), days * 86_400);
    }
    let sizes = |image: &Image| {
        let blobs = [image.digest(), image.manifest().config.digest, image.layers()[0].digest];
        blobs.iter().filter_map(|digest| store.blobs().contains(digest)).sum::<u64>()
    };
    let (two, all) = (sizes(&images[1]) + sizes(&images[2]), images.iter().map(sizes).sum::<u64>());
    // All of them fit, so that only what no name reaches goes.
    let limits = |max_bytes, max_age| PruneOptions { max_bytes, max_age, keep_named: false, ..NOW };
    let pruned = store.prune(&limits(Some(all), None)).expect("pruned");
    assert_eq!((pruned.names, pruned.blobs, pruned.kept_bytes), (0, 1, all));
    assert_eq!(store.blobs().contains(&loose), None);
    // Two of them fit: the oldest goes, name and blobs.
    let pruned = store.prune(&limits(Some(two), None)).expect("pruned");
    assert_eq!((pruned.names, pruned.blobs, pruned.kept_bytes), (1, 3, two));
    assert_eq!(sizes(&images[0]), 0);
    assert_eq!(store.usage().expect("counted").images, ["middle", "new"]);
    assert_eq!((pruned.kept_named_bytes, pruned.kept_young_bytes, pruned.kept_within_bytes), (two, 0, 0));
    // By age, too, although its layer was just used.
    let pruned = store.prune(&limits(None, Some(Duration::from_secs(15 * 86_400)))).expect("pruned");
    assert_eq!((pruned.names, pruned.blobs), (1, 3));
    assert_eq!(store.usage().expect("counted").images, ["new"]);
    assert!(store.verify().expect("verified").is_empty());
}

#[test]
fn a_lease_keeps_prune_away() {
    let (_dir, store) = store();
    let lease = store.lease();
    let _second = store.lease();
    assert!(matches!(store.prune(&NOW), Err(StoreError::InUse(_))));
    drop(lease);
    assert!(store.prune(&NOW).is_err());
    drop(_second);
    store.prune(&NOW).expect("it is free");
}

#[test]
fn what_others_take_away_is_gone_and_not_damaged() {
    let (_dir, store) = store();
    image(&store, "app");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for number in 0..40_u8 {
                    let digest = store.blobs().put(&[number; 10_000]).expect("stored");
                    store.memo_put("step", &key(&number.to_string()), &[number; 10_000]);
                    let _ = std::fs::remove_file(store.blobs().path(&digest));
                    store.memo_remove("step", &key(&number.to_string()));
                }
            }
        });
        for _ in 0..30 {
            let damages = store.verify();
            if damages.as_ref().map_or(true, |damages| !damages.is_empty()) {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(damages.expect("verified"), []);
        }
        done.store(true, Ordering::Relaxed);
    });
    // While it looks, a prune waits.
    let lease = store.lease();
    assert!(store.verify().expect("verified").is_empty());
    drop(lease);
}

#[test]
fn a_damaged_index_prunes_nothing() {
    let (_dir, store) = store();
    image(&store, "kept");
    std::fs::write(store.layout().index_path(), "{").expect("damaged");
    assert!(matches!(store.prune(&NOW), Err(StoreError::Layout(_))));
    assert_eq!(store.blobs().list().expect("listed").len(), 3);
}

#[test]
fn verify_lists_and_clears_every_damage() {
    let (_dir, store) = store();
    let image = image(&store, "app");
    let layer = image.layers()[0].digest;
    store.memo_put("step", &key("a"), b"v");
    store.memo_put("step", &key("b"), b"v");
    assert!(store.verify().expect("verified").is_empty());
    std::fs::write(store.blobs().path(&layer), "other").expect("damaged");
    std::fs::write(memo::path(&store.0.memos, "step", &key("a")), "x").expect("damaged");
    let damages = store.verify().expect("verified");
    assert_eq!(damages.len(), 3, "{damages:?}");
    assert!(matches!(&damages[0], Damage::Blob { digest, .. } if *digest == layer));
    assert!(matches!(&damages[1], Damage::Memo { .. }));
    assert!(matches!(&damages[2], Damage::Missing { digest, .. } if *digest == layer));
    assert_eq!(store.blobs().contains(&layer), None, "quarantined");
    assert_eq!(store.memo_get("step", &key("a")), None);
    assert!(store.memo_get("step", &key("b")).is_some());
    let again = store.verify().expect("verified");
    assert_eq!(again.len(), 1, "only the missing layer is left: {again:?}");
}
