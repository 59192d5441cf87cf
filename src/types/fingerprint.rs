//! Values written into the keys of caches, field by field.
//!
//! A key must change with everything that decides what is kept under it. So each field is written with its name, what
//! has several forms says which, and lists say their length: two values that differ never write the same. A struct
//! names all its fields (`fingerprint_fields!` and the tables of the build file do not compile
//! otherwise), so that a new one cannot be forgotten.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::digest::{Digest, Key, KeyBuilder};
use super::location;
use super::platform::Platform;
use super::reference::{Reference, Registry, Repository};

/// Writes a value into a key.
pub trait Fingerprint {
    /// Adds all of it that decides anything.
    fn add_to(&self, key: &mut KeyBuilder);
}

impl KeyBuilder {
    /// Adds a value with the name of its field.
    pub fn field<T: Fingerprint + ?Sized>(&mut self, name: &str, value: &T) {
        self.add(name.as_bytes());
        value.add_to(self);
    }

    /// Adds a value by the text that it is written as, which no other value has.
    pub fn text(&mut self, value: &(impl Display + ?Sized)) {
        self.add(value.to_string().as_bytes());
    }
}

/// The key of one value.
#[must_use]
pub fn fingerprint<T: Fingerprint + ?Sized>(domain: &str, value: &T) -> Key {
    let mut key = KeyBuilder::new(domain);
    value.add_to(&mut key);
    key.finish()
}

/// Writes a struct field by field. All fields must be named: those after `without` decide nothing.
macro_rules! fingerprint_fields {
    ($type:ty { $($field:ident),* $(,)? } $(without { $($left_out:ident),* $(,)? })?) => {
        impl $crate::types::fingerprint::Fingerprint for $type {
            fn add_to(&self, key: &mut $crate::types::digest::KeyBuilder) {
                let Self { $($field,)* $($($left_out: _,)*)? } = self;
                $(key.field(stringify!($field), $field);)*
            }
        }
    };
}

/// Writes values as the text that they print as, which tells any two of them apart.
macro_rules! fingerprint_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::types::fingerprint::Fingerprint for $type {
            fn add_to(&self, key: &mut $crate::types::digest::KeyBuilder) {
                key.text(self);
            }
        }
    )*};
}

pub(crate) use {fingerprint_as_text, fingerprint_fields};

fingerprint_as_text!(
    bool,
    u8,
    u16,
    u32,
    u64,
    usize,
    NonZeroUsize,
    str,
    String,
    Digest,
    Platform,
    Reference,
    Registry,
    Repository,
    location::Name,
);

impl Fingerprint for Key {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.add(&self.0);
    }
}

impl Fingerprint for Path {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.add(self.as_os_str().as_bytes());
    }
}

impl Fingerprint for std::path::PathBuf {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.as_path().add_to(key);
    }
}

impl<T: Fingerprint + ?Sized> Fingerprint for &T {
    fn add_to(&self, key: &mut KeyBuilder) {
        (**self).add_to(key);
    }
}

impl<T: Fingerprint> Fingerprint for Option<T> {
    fn add_to(&self, key: &mut KeyBuilder) {
        match self {
            None => key.add(b"none"),
            Some(value) => key.field("some", value),
        }
    }
}

impl<T: Fingerprint> Fingerprint for [T] {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.len().add_to(key);
        self.iter().for_each(|value| value.add_to(key));
    }
}

impl<T: Fingerprint> Fingerprint for Vec<T> {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.as_slice().add_to(key);
    }
}

impl<K: Fingerprint, V: Fingerprint> Fingerprint for BTreeMap<K, V> {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.len().add_to(key);
        for (name, value) in self {
            name.add_to(key);
            value.add_to(key);
        }
    }
}

impl<T: Fingerprint> Fingerprint for std::collections::BTreeSet<T> {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.len().add_to(key);
        self.iter().for_each(|value| value.add_to(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample {
        name: Option<String>,
        list: Vec<u32>,
        remark: &'static str,
    }

    fingerprint_fields!(Sample { name, list } without { remark });

    fn key(name: Option<&str>, list: &[u32], remark: &'static str) -> Key {
        let sample = Sample { name: name.map(str::to_owned), list: list.to_vec(), remark };
        assert_eq!(sample.remark, remark);
        fingerprint("test", &sample)
    }

    #[test]
    fn every_field_counts_and_nothing_runs_into_the_next() {
        let all = [
            key(None, &[], ""),
            key(Some(""), &[], ""),
            key(Some("none"), &[], ""),
            key(None, &[0], ""),
            key(None, &[1, 2], ""),
            key(None, &[12], ""),
            key(Some("list"), &[1, 2], ""),
        ];
        for (number, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{number}");
        }
        assert_eq!(key(None, &[], "a"), key(None, &[], "b"), "what decides nothing is left out");
    }
}
