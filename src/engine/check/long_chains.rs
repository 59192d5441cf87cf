//! Tests with chains of libraries that are longer than any real one.

use std::cell::Cell;

use super::libraries::check;
use super::versions::VersionReport;
use super::{CandidateImage, PathLookups};
use crate::artifact::Libraries;
use crate::bases::{BaseAnswer, BaseNode, FileFacts, FileTree, Libc};
use crate::formats::elf::Dynamic;
use crate::layer::EntryPath;
use crate::project::lock::SystemFacts;
use crate::runtime::interrupt::Interrupt;
use crate::types::error::{BoxedError, Kind};
use crate::types::finding::{Answer, Finding};
use crate::types::platform::Platform;

/// Libraries in `/lib`, each of which needs the next one, and directories without a file.
struct Chain {
    length: usize,
    /// The directories that the library of a number wants searched.
    run_path: fn(usize) -> Vec<String>,
    /// Whether these directories are there.
    has_directories: bool,
    /// Whether the last library is there.
    is_whole: bool,
    peeks: Cell<usize>,
    /// Triggered at this many peeks.
    interrupt: (Interrupt, usize),
}

impl Chain {
    fn new(length: usize, run_path: fn(usize) -> Vec<String>) -> Self {
        let peeks = Cell::new(0);
        let interrupt = (Interrupt::default(), usize::MAX);
        Self { length, run_path, has_directories: false, is_whole: true, peeks, interrupt }
    }

    fn number(&self, path: &EntryPath) -> Option<usize> {
        let text = path.to_string();
        let number = text.strip_prefix("/lib/lib")?.strip_suffix(".so")?.parse().ok()?;
        (number < self.length && (self.is_whole || number + 1 < self.length)).then_some(number)
    }

    fn findings(&mut self) -> Result<Vec<Finding>, BoxedError> {
        let platform = Platform::linux_amd64();
        let libraries = Libraries {
            names: vec!["lib0.so".to_owned()],
            run_path: Vec::new(),
            is_inherited: false,
            loader: Some("/lib64/ld-linux-x86-64.so.2".to_owned()),
            program: EntryPath::new(b"app/server").expect("a path"),
            platform: platform.clone(),
            libc: Some(Libc::Glibc),
            versions: Some(Vec::new()),
        };
        let lookups = PathLookups::new(&self.interrupt.0);
        let mut image = CandidateImage {
            tree: self,
            platform: &platform,
            base: None,
            library_path: None,
            path: None,
            node_path: None,
            node_options: None,
            user: String::new(),
            directory: None,
            cure: "look",
            name: "the image",
            base_name: "the base",
            why_unknown: "nothing tells",
            lookups,
        };
        check(&libraries, "`server`", &mut image, &mut VersionReport::default())
    }

    fn finding(&mut self) -> (Answer, String) {
        let found = self.findings().expect("answered").pop().expect("a finding");
        (found.answer, found.message)
    }
}

impl FileTree for Chain {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        self.peeks.set(self.peeks.get() + 1);
        if self.peeks.get() == self.interrupt.1 {
            self.interrupt.0.trigger();
        }
        let directory = BaseNode::Directory { mode: 0o755, uid: 0, gid: 0 };
        Ok(match self.number(path) {
            Some(_) => Some(BaseNode::File(FileFacts { mode: Some(0o755), ..FileFacts::default() })),
            None if path.as_bytes() == b"lib" => Some(directory),
            None if self.has_directories && path.as_bytes().starts_with(b"d") && path.parent().is_none() => {
                Some(directory)
            }
            None => None,
        })
    }

    fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        let Some(number) = self.number(path) else { return Ok(BaseAnswer::Nothing) };
        let next = (number + 1 < self.length).then(|| format!("lib{}.so", number + 1));
        Ok(BaseAnswer::Here(Dynamic {
            needed: next.into_iter().collect(),
            run_path: (self.run_path)(number),
            is_inherited: true,
            ..Dynamic::default()
        }))
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        Ok(Some(SystemFacts::default()))
    }
}

fn the_same(_: usize) -> Vec<String> {
    (0..200).map(|number| format!("/d{number}")).collect()
}

fn its_own(library: usize) -> Vec<String> {
    (0..200).map(|number| format!("/d{library}-{number}")).collect()
}

const TOO_MUCH: &str = "whether the image has all libraries that `server` loads cannot be known here: it takes more than \
                        400,000 lookups of paths";

#[test]
fn directories_that_all_libraries_name_are_looked_for_once() {
    let mut chain = Chain::new(3_000, the_same);
    assert_eq!(chain.finding().0, Answer::Met);
    assert!(chain.peeks.get() < 30_000, "{} peeks", chain.peeks.get());
    let mut cut = Chain { is_whole: false, ..Chain::new(30, the_same) };
    let (answer, message) = cut.finding();
    assert_eq!(answer, Answer::NotMet);
    assert!(message.contains("`lib29.so`, which `/lib/lib28.so` needs"), "{message}");
}

#[test]
fn a_search_that_costs_too_much_has_no_answer() {
    let mut own = Chain::new(5_000, its_own);
    assert_eq!(own.finding(), (Answer::Unknown, TOO_MUCH.to_owned()));
    assert!(own.peeks.get() <= 400_000, "{} peeks", own.peeks.get());
    let mut there = Chain { has_directories: true, ..Chain::new(3_000, its_own) };
    assert_eq!(there.finding(), (Answer::Unknown, TOO_MUCH.to_owned()));
    assert!(there.peeks.get() <= 400_000, "{} peeks", there.peeks.get());
    let mut long = Chain::new(5_000, |_| Vec::new());
    let (answer, message) = long.finding();
    assert_eq!(answer, Answer::Unknown);
    assert!(message.ends_with("it loads more than 4,096 files"), "{message}");
    let mut short = Chain { has_directories: true, is_whole: false, ..Chain::new(10, its_own) };
    assert_eq!(short.finding().0, Answer::NotMet);
}

#[test]
fn a_search_ends_when_the_user_interrupts() {
    let ended = |at: usize| {
        let interrupt = Interrupt::default();
        if at == 0 {
            interrupt.trigger();
        }
        let mut chain = Chain { interrupt: (interrupt, at), ..Chain::new(3_000, the_same) };
        let error = chain.findings().expect_err("interrupted");
        assert_eq!(error.kind(), Kind::Interrupted);
        chain.peeks.get()
    };
    assert_eq!(ended(0), 0);
    assert_eq!(ended(1000), 1000);
}
