//! The requirements of a program: its loader, its C library, its libraries.

use super::requirement::{Libraries, Requirement};
use crate::bases::{Libc, loaders};
use crate::formats::elf::Dynamic;
use crate::layer::EntryPath;
use crate::types::platform::Platform;

/// The requirements of a program at `path` of an image for `platform`, in the order in which they are checked. A static
/// program has none.
#[must_use]
pub fn requirements_of_program(path: &EntryPath, dynamic: &Dynamic, platform: &Platform) -> Vec<Requirement> {
    let mut all = Vec::new();
    all.extend(dynamic.interpreter.iter().map(|path| Requirement::Loader { path: path.clone() }));
    all.extend(usual_libc(dynamic, platform).map(Requirement::Libc));
    let names: Vec<String> =
        dynamic.needed.iter().filter(|name| !is_loader(dynamic, name)).cloned().collect();
    if !names.is_empty() {
        all.push(Requirement::Libraries(Libraries {
            names,
            run_path: dynamic.run_path.clone(),
            is_inherited: dynamic.is_inherited,
            loader: dynamic.interpreter.clone(),
            program: path.clone(),
            platform: platform.clone(),
            libc: libc(dynamic),
            versions: dynamic.versions.as_ref().map(|versions| versions.needed.clone()),
        }));
    }
    all
}

/// The C library, where the loader lies in its usual place: one in a place of its own, such as Nix has, comes with its
/// library.
fn usual_libc(dynamic: &Dynamic, platform: &Platform) -> Option<Libc> {
    let architecture = platform.architecture();
    let is_usual = |libc: &Libc, path: &String| loaders(*libc, architecture).any(|usual| usual == path);
    libc(dynamic).filter(|libc| dynamic.interpreter.as_ref().is_none_or(|path| is_usual(libc, path)))
}

/// The C library that a program is linked with, as far as the names of its loader and libraries tell.
fn libc(dynamic: &Dynamic) -> Option<Libc> {
    let loader = dynamic.interpreter.as_deref().unwrap_or_default();
    let file = loader.rsplit('/').next().unwrap_or_default();
    let needs = |start: &str| dynamic.needed.iter().any(|name| name.starts_with(start));
    if file.starts_with("ld-musl-") || needs("libc.musl-") {
        Some(Libc::Musl)
    } else if file.starts_with("ld-linux") || file.starts_with("ld64.so") || needs("libc.so.6") {
        Some(Libc::Glibc)
    } else {
        None
    }
}

/// Whether a library is the loader itself, as musl's C library is.
fn is_loader(dynamic: &Dynamic, library: &str) -> bool {
    dynamic.interpreter.as_deref().is_some_and(|loader| {
        loader.rsplit('/').next() == Some(library)
            || (loader.contains("/ld-musl-") && library.starts_with("libc.musl-"))
    })
}
