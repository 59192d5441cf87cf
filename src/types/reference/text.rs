//! Names in documents: the text that a user writes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::image::Reference;
use super::registry::Registry;
use super::repository::Repository;
use super::tag::Tag;

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Registry, Repository, Tag, Reference);
