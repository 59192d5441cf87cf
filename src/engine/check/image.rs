//! The image that requirements are checked against.

use super::lookups::{FileAt, MeteredTree, PathLookups};
use crate::bases::BaseNode;
use crate::bases::{BaseAnswer, FileTree, Libc, follow, follow_directory, loaders};
use crate::formats::elf::LibraryFlaw;
use crate::layer::EntryPath;
use crate::oci::ConfigFile;
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::platform::Platform;
use crate::types::rule::Rule;

/// An image to be: its files, its configuration, and how to know more of it.
pub(crate) struct CandidateImage<'a, T> {
    /// The files of the base and the planned layers.
    pub(crate) tree: &'a mut T,
    /// Its platform.
    pub(crate) platform: &'a Platform,
    /// The configuration of the base; `None` on an empty one.
    pub(crate) base: Option<&'a ConfigFile>,
    /// The search path of the loader, from the settings or the base: `LD_LIBRARY_PATH`.
    pub(crate) library_path: Option<String>,
    /// The `PATH` of its processes.
    pub(crate) path: Option<String>,
    /// Where Node.js looks for packages besides: `NODE_PATH`.
    pub(crate) node_path: Option<String>,
    /// Flags of Node.js besides those of its command: `NODE_OPTIONS`.
    pub(crate) node_options: Option<String>,
    /// The user of its processes, as its configuration has it: `USER[:GROUP]`; empty is root.
    pub(crate) user: String,
    /// Where its processes start.
    pub(crate) directory: Option<String>,
    /// How to learn what cannot be known here.
    pub(crate) cure: &'a str,
    /// Its name in messages.
    pub(crate) name: &'a str,
    /// The name of its base in messages.
    pub(crate) base_name: &'a str,
    /// Why something cannot be known.
    pub(crate) why_unknown: &'a str,
    /// The work of looking for files in it.
    pub(crate) lookups: PathLookups,
}

impl<T: FileTree> CandidateImage<'_, T> {
    /// The facts that follow from all layers of the base.
    pub(super) fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        self.tree.system()
    }

    /// Whether something is at one of these paths.
    pub(super) fn has_any(
        &mut self,
        paths: impl IntoIterator<Item = String>,
    ) -> Result<BaseAnswer<()>, BoxedError> {
        let mut answer = BaseAnswer::Nothing;
        for path in paths {
            match self.has(&path)? {
                BaseAnswer::Here(()) => return Ok(BaseAnswer::Here(())),
                BaseAnswer::Unknown => answer = BaseAnswer::Unknown,
                BaseAnswer::Nothing => {}
            }
        }
        Ok(answer)
    }

    /// Whether a file or directory is at the end of the links of `path`.
    pub(super) fn has(&mut self, path: &str) -> Result<BaseAnswer<()>, BoxedError> {
        let mut tree = MeteredTree { tree: &mut *self.tree, lookups: &mut self.lookups };
        Ok(match follow(&mut tree, path.as_bytes())? {
            BaseAnswer::Here(_) => BaseAnswer::Here(()),
            BaseAnswer::Nothing => BaseAnswer::Nothing,
            BaseAnswer::Unknown => BaseAnswer::Unknown,
        })
    }

    /// The file at the end of the links of `path`, which is to be a library or loader for the platform.
    pub(super) fn file(&mut self, path: &str) -> Result<FileAt, BoxedError> {
        let mut tree = MeteredTree { tree: &mut *self.tree, lookups: &mut self.lookups };
        Ok(match follow(&mut tree, path.as_bytes())? {
            BaseAnswer::Here((path, BaseNode::File(facts))) => match facts.machine {
                Some(machine) if machine.name() != Some(self.platform.architecture()) => {
                    FileAt::OtherMachine(machine.to_string())
                }
                // A lock of an older version tells no more than that there is a file.
                None if facts.mode.is_none() => FileAt::Unknown,
                _ => match self.flaw(&path)? {
                    Some(reason) => FileAt::Unfit(path.to_string(), reason),
                    None => FileAt::Fits(path, facts),
                },
            },
            BaseAnswer::Here((path, BaseNode::Directory { .. })) => {
                FileAt::Unfit(path.to_string(), "is a directory")
            }
            BaseAnswer::Here(_) | BaseAnswer::Nothing => FileAt::Nothing,
            BaseAnswer::Unknown => FileAt::Unknown,
        })
    }

    /// Whether the place `number` is a directory.
    fn has_place(&mut self, number: usize) -> Result<BaseAnswer<()>, BoxedError> {
        if let Some(known) = self.lookups.known(number) {
            return Ok(known.clone());
        }
        let path = self.lookups.place(number).path.clone();
        let mut tree = MeteredTree { tree: &mut *self.tree, lookups: &mut self.lookups };
        let answer = follow_directory(&mut tree, path.as_bytes())?;
        self.lookups.keep(number, answer.clone());
        Ok(answer)
    }

    /// The file `name` in the place `number`.
    pub(super) fn file_in(&mut self, number: usize, name: &str) -> Result<FileAt, BoxedError> {
        if !self.lookups.pass(1)? {
            return Ok(FileAt::Unknown);
        }
        match self.has_place(number)? {
            BaseAnswer::Here(()) => {}
            BaseAnswer::Nothing => return Ok(FileAt::Nothing),
            BaseAnswer::Unknown => return Ok(FileAt::Unknown),
        }
        let key = self.lookups.name(name);
        if let Some(known) = self.lookups.file(number, key) {
            return Ok(known.clone());
        }
        let path = format!("{}/{name}", self.lookups.place(number).path);
        let file = self.file(&path)?;
        self.lookups.keep_file(number, key, &file);
        Ok(file)
    }

    /// Why no loader loads the file at `path`, as far as its bytes are known.
    fn flaw(&mut self, path: &EntryPath) -> Result<Option<&'static str>, BoxedError> {
        Ok(match self.tree.dynamic(path)? {
            BaseAnswer::Nothing => Some("is no ELF file"),
            BaseAnswer::Here(dynamic) => dynamic.flaw.map(|flaw| match flaw {
                LibraryFlaw::Truncated => "is truncated",
                LibraryFlaw::NoSegments => "has no program headers",
                LibraryFlaw::Unloadable => "has no segments that a loader can map",
                LibraryFlaw::Program => "is a program, not a library",
            }),
            BaseAnswer::Unknown => None,
        })
    }

    /// The C libraries that the image has a loader of, and whether there may be others.
    pub(super) fn libcs(&mut self) -> Result<(Vec<Libc>, bool), BoxedError> {
        let (mut found, mut is_sure) = (Vec::new(), true);
        for libc in Libc::ALL {
            for loader in loaders(libc, self.platform.architecture()) {
                match self.file(loader)? {
                    FileAt::Fits(..) => {
                        found.push(libc);
                        break;
                    }
                    FileAt::Unknown => match self.tree.system()? {
                        Some(system) if system.libc.contains(libc.name()) => {
                            found.push(libc);
                            break;
                        }
                        Some(_) => {}
                        None => is_sure = false,
                    },
                    _ => {}
                }
            }
        }
        Ok((found, is_sure))
    }

    /// Whether a file, which is no directory, is at the end of the links of one of these paths.
    pub(super) fn has_file(
        &mut self,
        paths: impl IntoIterator<Item = String>,
    ) -> Result<BaseAnswer<EntryPath>, BoxedError> {
        let mut answer = BaseAnswer::Nothing;
        for path in paths {
            let mut tree = MeteredTree { tree: &mut *self.tree, lookups: &mut self.lookups };
            match follow(&mut tree, path.as_bytes())? {
                BaseAnswer::Here((path, BaseNode::File(_))) => return Ok(BaseAnswer::Here(path)),
                BaseAnswer::Unknown => answer = BaseAnswer::Unknown,
                BaseAnswer::Here(_) | BaseAnswer::Nothing => {}
            }
        }
        Ok(answer)
    }

    /// The finding about something at one of these paths that cannot be known: a volume hides it, or the base is not known.
    pub(super) fn unknown_at<'p>(
        &self,
        rule: Rule,
        what: &str,
        mut paths: impl Iterator<Item = &'p String>,
    ) -> Finding {
        match paths.find_map(|path| self.tree.volume(path)) {
            Some(volume) => {
                let message = format!(
                    "{what} cannot be known here: a container has in the volume `{volume}` what is mounted there"
                );
                let hint = "add the file to the image, or mount it when the container starts";
                Finding::unknown(rule, message).at(Severity::Note).hint(hint)
            }
            None => Finding::unknown(rule, self.unknown(what)).hint(self.cure),
        }
    }

    /// The sentence about something that cannot be known.
    pub(crate) fn unknown(&self, what: &str) -> String {
        format!("{what} cannot be known here: {}", self.why_unknown)
    }
}

/// A path of a command, from where the image starts.
pub(super) fn absolute<T>(file: &str, image: &CandidateImage<'_, T>) -> String {
    if file.starts_with('/') {
        return file.to_owned();
    }
    format!("{}/{file}", image.directory.as_deref().unwrap_or_default().trim_end_matches('/'))
}
