//! Files that a build reads and writes besides its input, if they lie in a directory that is copied whole.
//!
//! Files that describe how an image is made (build file, lock, base, certificates) are left out of every tree that
//! they lie in. Outputs and secrets must not lie in one: such a file would be in the next image, or would be read
//! while it is written. It may where the tree's own globs leave it out, so that it never counts.
//!
//! Paths are compared as they really are, through links and `..`; whether something exists already makes no
//! difference. An input that is named by itself, and not found in a tree, is what the user wants.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::options;
use crate::layer::ScanOptions;
use crate::layer::scan::{self, IGNORE_FILE, LeftOut, ScanError};
use crate::project::config::{self, Settings};
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{listed, shown, shown_path};

/// Links that lead from one to the next.
const MAX_LINKS: usize = 40;

/// The parts of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputShape {
    /// One file.
    File,
    /// One file that somebody else opened: a standard stream.
    Stream,
    /// A directory with an image layout.
    Layout,
    /// The local store: a layout and more.
    Store,
}

impl OutputShape {
    /// The paths that are written below a directory of this shape: names, and whether they are directories.
    const fn parts(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::File | Self::Stream => &[],
            Self::Layout => &LAYOUT,
            Self::Store => &STORE,
        }
    }
}

/// A name in `blobs/sha256`.
const A_BLOB: &str = "blobs/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const LAYOUT: [(&str, bool); 5] =
    [("oci-layout", false), ("index.json", false), ("blobs", true), ("blobs/sha256", true), (A_BLOB, false)];
const STORE: [(&str, bool); 11] = [
    LAYOUT[0],
    LAYOUT[1],
    LAYOUT[2],
    LAYOUT[3],
    LAYOUT[4],
    ("memo", true),
    ("memo/files-0", false),
    ("locks", true),
    ("locks/lease", false),
    ("CACHEDIR.TAG", false),
    (".gitignore", false),
];

/// The image layout or store that has the file with this real path for a part.
#[must_use]
pub fn layout_of(file: &Path) -> Option<PathBuf> {
    let is_part = |directory: &Path| {
        let first = |path: &Path| path.iter().next().map(ToOwned::to_owned);
        let below = file.strip_prefix(directory).ok().and_then(first);
        below.is_some() && STORE.iter().any(|(part, _)| first(Path::new(part)) == below)
    };
    let is_layout = |directory: &Path| directory.join(LAYOUT[0].0).is_file();
    file.ancestors().skip(1).find(|&directory| is_part(directory) && is_layout(directory)).map(Path::to_owned)
}

/// Something that may not go into an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Where it is or will be, absolute.
    pub path: PathBuf,
    /// The user's name for it.
    pub name: String,
    /// Its parts.
    pub shape: OutputShape,
}

/// The files that a build reads and writes besides its input.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles {
    left_out: LeftOut,
    notes: Vec<String>,
}

/// Why an image would have something in it that belongs to its making.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// An output or a secret in an input.
    #[error("{name} lies in `{}`, which goes into the image", shown_path(input))]
    Inside {
        /// The thing that lies there.
        name: String,
        /// The input.
        input: PathBuf,
        /// The line of an ignore file that leaves it out, where one can.
        line: Option<String>,
    },
    /// An output that an input is part of.
    #[error("`{}` goes into the image, and {name} is written over it", shown_path(input))]
    Over {
        /// The output.
        name: String,
        /// The input.
        input: PathBuf,
    },
    /// An output in the place of something that is read.
    #[error("{name} is written over `{}`, which the build reads", shown_path(path))]
    Replaces {
        /// The output.
        name: String,
        /// The input.
        path: PathBuf,
    },
    /// A file among those of a layout.
    #[error("{name} lies in {other}, whose files are not to be replaced")]
    Within {
        /// The output.
        name: String,
        /// The layout.
        other: String,
    },
    /// Two outputs in one file.
    #[error("{first} and {second} are the same file")]
    Twice {
        /// The output.
        first: String,
        /// The other output.
        second: String,
    },
    /// An input that cannot be looked at.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

impl Explain for OwnError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Scan(error) => error.code(),
            _ => Some(ErrorCode::OutputConflict),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Inside { input, line: Some(line), .. } => Some(format!(
                "choose a place outside of it, or write the line `{line}` into `{}`",
                shown_path(&input.join(IGNORE_FILE))
            )),
            Self::Inside { line: None, .. }
            | Self::Over { .. }
            | Self::Replaces { .. }
            | Self::Within { .. } => Some("choose another place".to_owned()),
            Self::Twice { .. } => Some("give each a file of its own".to_owned()),
            Self::Scan(error) => error.hint(),
        }
    }
}

/// Something that goes into the image.
struct Input {
    written: PathBuf,
    real: PathBuf,
    /// How a directory is looked at; `None` for a file.
    tree: Option<ScanOptions>,
}

impl OwnFiles {
    /// Of a build of `settings`. The files that it `read`s, its `lock`, other files that the settings name, and locks of other
    /// commands `beside` them are left out of trees. Neither what is `written` nor what is `secret` may lie in one.
    ///
    /// # Errors
    /// When something that is written or secret would be in the image, would replace an input or a file that is
    /// read, or would be written by two outputs.
    pub fn new(
        settings: &Settings,
        read: &[PathBuf],
        lock: Option<&Path>,
        beside: &BTreeSet<PathBuf>,
        written: &[Apart],
        secret: &[Apart],
    ) -> Result<Self, OwnError> {
        let inputs = inputs(settings);
        let read: Vec<PathBuf> =
            read.iter().cloned().chain(lock.map(Path::to_owned)).chain(read_by(settings)).collect();
        check_outputs(written, &read, &inputs)?;
        if let Some(lock) = lock
            && let Some(input) =
                inputs.iter().find(|input| input.tree.is_none() && input.real == real_path(lock))
        {
            return Err(OwnError::Over {
                name: format!("`{}`", crate::project::lock::FILE_NAME),
                input: input.written.clone(),
            });
        }
        for input in &inputs {
            for apart in written {
                check(input, apart)?;
            }
            for secret in secret.iter().filter(|secret| secret.path.exists()) {
                if input.tree.is_some() {
                    check(input, secret)?;
                }
            }
        }
        let mut own = Self { left_out: left_out_of(&read, lock, beside), notes: Vec::new() };
        own.notes =
            notes(&inputs, &read, &[": it says how the image is made", ": they say how the image is made"])?;
        let beside: Vec<PathBuf> = beside.iter().cloned().collect();
        own.notes.extend(notes(
            &inputs,
            &beside,
            &["; `pack resolve --pin` keeps it", "; `pack resolve --pin` keeps them"],
        )?);
        Ok(own)
    }

    /// The paths that scans skip.
    pub(super) const fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// The notes about it for the user.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// The paths that trees do not have: the files that are `read`, the `lock` while it is written, and locks `beside` them.
pub(super) fn left_out_of(read: &[PathBuf], lock: Option<&Path>, beside: &BTreeSet<PathBuf>) -> LeftOut {
    let mut left_out = LeftOut::default();
    for path in read.iter().chain(beside) {
        left_out.add(real_path(path));
        // Where the file is a link, neither it nor what it leads to counts.
        left_out.add(real_parent(path));
    }
    for unfinished in lock.map(crate::project::lock::unfinished).unwrap_or_default() {
        left_out.add(real_parent(&unfinished));
    }
    left_out
}

fn inputs(settings: &Settings) -> Vec<Input> {
    let input = |written: &Path, options: ScanOptions| Input {
        written: written.to_owned(),
        real: real_path(written),
        tree: written.is_dir().then_some(options),
    };
    let app = settings.apps.iter().flat_map(|app| {
        let options = options::scan_options_of_app(app);
        app.paths.as_slice().iter().map(move |path| input(path.value.path(), options.clone()))
    });
    let files = settings.layers.iter().flat_map(|layer| &layer.files);
    let files = files.map(|files| input(files.from.value.path(), options::scan_options_of(files)));
    app.chain(files).collect()
}

/// The files that the settings name, that are read, and that are no input.
fn read_by(settings: &Settings) -> Vec<PathBuf> {
    let base = match settings.base.as_ref().map(|base| &base.value) {
        Some(config::BaseSetting::Layout { path, .. }) => Some(path),
        Some(
            config::BaseSetting::OciArchive { path, .. } | config::BaseSetting::DockerArchive { path, .. },
        ) => Some(path),
        None
        | Some(
            config::BaseSetting::Scratch | config::BaseSetting::Registry(_) | config::BaseSetting::Store(_),
        ) => None,
    };
    let registries = settings.registries.values();
    let certificates = registries
        .flat_map(|options| [&options.ca_file, &options.client_cert, &options.client_key])
        .flatten()
        .map(|file| file.value.path().to_owned());
    let of_policy = settings.policy.files().map(|file| file.value.path().to_owned());
    base.map(|path| path.path().to_owned()).into_iter().chain(certificates).chain(of_policy).collect()
}

/// Outputs may replace neither each other nor what is read. A layout takes several images, also beside the base.
fn check_outputs(written: &[Apart], read: &[PathBuf], inputs: &[Input]) -> Result<(), OwnError> {
    let of_shape = |shape| written.iter().filter(move |apart: &&Apart| apart.shape == shape);
    let streams: Vec<PathBuf> = of_shape(OutputShape::Stream).map(|stream| real_path(&stream.path)).collect();
    // Writing into a pipe, a device or a stream replaces nothing.
    let files: Vec<(&Apart, PathBuf)> = of_shape(OutputShape::File)
        .map(|apart| (apart, real_path(&apart.path)))
        .filter(|(_, path)| (!path.exists() || path.is_file()) && !streams.contains(path))
        .collect();
    for (number, (apart, path)) in files.iter().enumerate() {
        let name = || apart.name.clone();
        if let Some(path) = read.iter().find(|read| path.starts_with(real_path(read))) {
            return Err(OwnError::Replaces { name: name(), path: path.clone() });
        }
        if let Some(input) = inputs.iter().find(|input| input.tree.is_none() && input.real == *path) {
            return Err(OwnError::Over { name: name(), input: input.written.clone() });
        }
        let whole = |apart: &&Apart| matches!(apart.shape, OutputShape::Layout | OutputShape::Store);
        if let Some(other) =
            written.iter().filter(whole).find(|other| path.starts_with(real_path(&other.path)))
        {
            return Err(OwnError::Within { name: name(), other: other.name.clone() });
        }
        if let Some((other, _)) = files[..number].iter().find(|(_, other)| other == path) {
            return Err(OwnError::Twice { first: other.name.clone(), second: name() });
        }
    }
    Ok(())
}

/// Whether `apart` and `input` are apart.
fn check(input: &Input, apart: &Apart) -> Result<(), OwnError> {
    let path = real_path(&apart.path);
    let parts = apart.shape.parts().iter().map(|(part, is_dir)| (path.join(part), *is_dir));
    if parts.clone().any(|(part, _)| input.real.starts_with(&part)) {
        return Err(OwnError::Over { name: apart.name.clone(), input: input.written.clone() });
    }
    let Some(options) = &input.tree else { return Ok(()) };
    if !path.starts_with(&input.real) {
        return Ok(());
    }
    let missing = path.ancestors().take_while(|ancestor| !ancestor.exists()).last();
    let made = missing.filter(|made| *made != path).map(|made| (made.to_owned(), true));
    let itself = (path != input.real).then(|| (path.clone(), !apart.shape.parts().is_empty()));
    for (place, is_dir) in made.into_iter().chain(itself).chain(parts) {
        let Ok(relative) = place.strip_prefix(&input.real) else { continue };
        if scan::takes(&input.written, options, relative, is_dir)? {
            let below = path.strip_prefix(&input.real).unwrap_or(Path::new(""));
            let line = (path != input.real).then(|| line_for(below));
            return Err(OwnError::Inside { name: apart.name.clone(), input: input.written.clone(), line });
        }
    }
    Ok(())
}

/// The line of an ignore file that means this path alone.
fn line_for(relative: &Path) -> String {
    let mut line = String::from("/");
    for character in shown_path(relative).chars() {
        if "\\*?[]{}!#".contains(character) {
            line.push('\\');
        }
        line.push(character);
    }
    line
}

/// Says which files are left out of which tree, and why: in words for one of them, and for several.
fn notes(inputs: &[Input], read: &[PathBuf], why: &[&str; 2]) -> Result<Vec<String>, ScanError> {
    let mut notes = Vec::new();
    for input in inputs {
        let Some(options) = &input.tree else { continue };
        let mut names = BTreeSet::new();
        for path in read.iter().flat_map(|path| [real_parent(path), real_path(path)]) {
            let Ok(relative) = path.strip_prefix(&input.real) else { continue };
            let is_dir = path.is_dir();
            if relative != Path::new("")
                && path.exists()
                && scan::takes(&input.written, options, relative, is_dir)?
            {
                names.insert(format!("`{}`", shown_path(relative)));
            }
        }
        if !names.is_empty() {
            let names: Vec<String> = names.into_iter().collect();
            let verb = if names.len() == 1 { "is" } else { "are" };
            let why = if names.len() == 1 { why[0] } else { why[1] };
            notes.push(format!(
                "{} {verb} left out of `{}`{why}",
                listed(names, "", ", "),
                shown(input.written.as_os_str().as_encoded_bytes())
            ));
        }
    }
    Ok(notes)
}

/// Where `path` really is: links are followed, also one that leads to nothing yet.
#[must_use]
pub fn real_path(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(real) = std::fs::canonicalize(&path) {
            return real;
        }
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => break,
        }
    }
    real_parent(&path)
}

/// `path` in the directory that it really is in.
fn real_parent(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real_path(parent).join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_where_its_links_lead() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = std::fs::canonicalize(dir.path()).expect("there");
        std::fs::create_dir(root.join("a")).expect("made");
        std::os::unix::fs::symlink("a", root.join("link")).expect("linked");
        std::os::unix::fs::symlink("link/none", root.join("dangling")).expect("linked");
        std::os::unix::fs::symlink("loop", root.join("loop")).expect("linked");
        assert_eq!(real_path(&root.join("link/../link/x/y")), root.join("a/x/y"));
        assert_eq!(real_path(&root.join("dangling")), root.join("a/none"));
        assert_eq!(real_parent(&root.join("link/dangling")), root.join("a/dangling"));
        assert_eq!(real_path(&root.join("loop")), root.join("loop"));
    }

    #[test]
    fn a_line_means_its_path_alone() {
        assert_eq!(line_for(Path::new("dist/a.tar")), "/dist/a.tar");
        assert_eq!(line_for(Path::new("a[1]*{x}")), "/a\\[1\\]\\*\\{x\\}");
    }
}
