//! The requirements of an artifact on the image that it is put into, as data.
//!
//! A kind of artifact states its [`Requirements`] from the artifact's content and the options alone. Whether an image
//! meets them is decided in one place, by `engine::check`, which knows the base and all planned layers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bases::{Container, Libc, Servlet, container};
use crate::formats::elf::NeededVersions;
use crate::layer::{Account, EntryPath};
use crate::oci::ConfigFile;
use crate::types::platform::Platform;

/// All requirements of one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// The artifact, for messages.
    pub artifact: PathBuf,
    /// In the order in which they are checked.
    pub all: Vec<Requirement>,
}

impl Requirements {
    /// Of an artifact that runs anywhere.
    #[must_use]
    pub const fn none(artifact: PathBuf) -> Self {
        Self { artifact, all: Vec::new() }
    }
}

/// The part of a base that decides how far an artifact is searched, and no more: what is found follows from the
/// artifact's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Which generation of the servlet API a web application is searched for.
    pub servlet: ServletSearch,
    /// Whether the base is empty, so that a program is searched for what it expects of one.
    pub is_base_empty: bool,
    /// Where the base has its interpreters.
    pub interpreter: InterpreterPlace,
}

/// Where an image has the interpreters of Node.js and Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterpreterPlace {
    /// In `/usr/bin`, as distributions have them.
    Usual,
    /// In `/usr/local/bin`, as the official images of Python have it.
    Local,
    /// In `/nodejs/bin`, not on the `PATH`, as distroless images of Node.js have it.
    Distroless,
}

impl InterpreterPlace {
    /// The program of distroless images, which is their entrypoint.
    const NODE: &str = "/nodejs/bin/node";

    fn on(base: Option<&ConfigFile>) -> Self {
        let run = base.and_then(|base| base.config.as_ref());
        let entrypoint = run.and_then(|run| run.entrypoint.as_deref()).unwrap_or_default();
        if entrypoint.first().is_some_and(|program| program == Self::NODE) {
            Self::Distroless
        } else if base.is_some_and(|base| base.env("PYTHON_VERSION").is_some()) {
            Self::Local
        } else {
            Self::Usual
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Local => "local",
            Self::Distroless => "distroless",
        }
    }
}

/// Which generation of the servlet API a web application is searched for. An application with both runs on either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServletSearch {
    /// None: no container would run it.
    None,
    /// The one that is found first.
    Any,
    /// This one; another is taken only where nothing uses this one.
    First(Servlet),
}

impl Search {
    /// The search on a base with this configuration; `None` is an empty base.
    #[must_use]
    pub fn on(base: Option<&ConfigFile>) -> Self {
        let servlet = match base.and_then(container) {
            None => ServletSearch::None,
            Some(container) => container.servlet().map_or(ServletSearch::Any, ServletSearch::First),
        };
        Self { servlet, is_base_empty: base.is_none(), interpreter: InterpreterPlace::on(base) }
    }

    /// A word that no other search has.
    #[must_use]
    pub fn key(self) -> String {
        let servlet = match self.servlet {
            ServletSearch::None => "none",
            ServletSearch::Any => "any",
            ServletSearch::First(servlet) => servlet.package(),
        };
        format!("{servlet} {} {}", self.is_base_empty, self.interpreter.word())
    }
}

/// One thing that an image must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requirement {
    /// The platform that a program was compiled for. The variant of `amd64` is the level of instructions that its loader
    /// asks the processor for; others are a minimum that headers do not tell reliably, and do not count.
    Platform(Platform),
    /// The dynamic loader of a program (`PT_INTERP`).
    Loader {
        /// Its path, as the program has it.
        path: String,
    },
    /// The C library that a program is linked with.
    Libc(Libc),
    /// The libraries that a program's loader looks for.
    Libraries(Libraries),
    /// The servlet API that the base's container runs.
    Servlet(ServletUse),
    /// A Java of this major version or a later one.
    Java {
        /// The major version, such as 17.
        major: u32,
        /// The evidence, such as "`app/Main.class`".
        shown_by: String,
    },
    /// The Python that packages are for.
    Python {
        /// The minor version, such as `3.11`.
        version: String,
        /// The evidence.
        shown_by: String,
        /// Whether compiled modules show it, not the place of the packages.
        is_compiled: bool,
    },
    /// The versions of Node.js that an application says that it runs on.
    Node {
        /// The range, as `engines.node` has it.
        range: String,
    },
    /// The modules that a file of JavaScript loads as soon as it starts.
    NodeModules(NodeModules),
    /// A file with statements of ES modules whose name does not say so.
    NodeSyntax {
        /// Its path in the image.
        file: EntryPath,
        /// Whether it is the artifact alone, so that only other files of the image can say what it is.
        is_alone: bool,
    },
    /// The distributions that installed ones need.
    PythonPackages(PythonNeeds),
    /// The interfaces for addons (`NODE_MODULE_VERSION`) that a package has compiled addons for, of which one is enough.
    NodeAbi {
        /// The versions of the interface.
        versions: BTreeSet<u32>,
        /// One of the addons.
        shown_by: String,
    },
    /// A program of this name on the image's `PATH`, or at this absolute path.
    Executable {
        /// The name or path.
        name: String,
        /// The variable of the base with the directory whose `bin` has the program, where that is not on the `PATH`.
        home: Option<String>,
    },
    /// A program that a start script of the artifact calls, where that script starts the image.
    ScriptProgram {
        /// The path of the script in the image.
        script: String,
        /// The name or path of the program.
        name: String,
        /// Whether Java could start the application without the script.
        is_optional: bool,
    },
    /// A user or group that is named, and must be listed in the image.
    Account(Account),
    /// A fact of another base, which the image was on.
    Kept(KeptFact),
}

/// A fact of the base that an image is on, which its layers may rely on: a new base must have it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptFact {
    /// One of these C libraries; `None` where nothing at hand tells which the old base has.
    Libc(Option<BTreeSet<String>>),
    /// A Java of this major version or a later one.
    Java(u32),
    /// This servlet container: kind, generation of the API and place for applications.
    Container(Container),
}

/// The modules that a file of JavaScript loads as soon as it starts, without those of Node.js itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeModules {
    /// Its path in the image.
    pub file: EntryPath,
    /// Packages and files in `require`.
    pub required: Vec<String>,
    /// Packages and files in `import`.
    pub imported: Vec<String>,
    /// Whether the file is the whole artifact.
    pub is_alone: bool,
}

/// Distributions of Python that others need, and that are not installed beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonNeeds {
    /// The name of each, and of one that needs it.
    pub missing: Vec<(String, String)>,
    /// Whether the packages of the base are not seen.
    pub is_isolated: bool,
}

/// The libraries of a program, and where its loader looks for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libraries {
    /// Their names (`DT_NEEDED`), in the program's order, without the loader itself.
    pub names: Vec<String>,
    /// The directories that the program wants searched (`DT_RUNPATH`, else `DT_RPATH`), as they are written: with
    /// `$ORIGIN`.
    pub run_path: Vec<String>,
    /// Whether they are searched for the libraries of its libraries, too, as those of `DT_RPATH` are.
    pub is_inherited: bool,
    /// Its loader, which is there before all libraries.
    pub loader: Option<String>,
    /// Where the program lies in the image: what `$ORIGIN` is the directory of.
    pub program: EntryPath,
    /// The platform of the program: libraries of another machine are passed over.
    pub platform: Platform,
    /// Whose loader it is, where its name tells: it decides the default directories.
    pub libc: Option<Libc>,
    /// The versions of symbols that the program needs of them; `None` where nothing tells.
    pub versions: Option<Vec<NeededVersions>>,
}

/// How a web application uses the servlet API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServletUse {
    /// It uses this generation.
    Uses {
        /// The generation.
        servlet: Servlet,
        /// The file that shows it.
        shown_by: String,
        /// The version of the descriptor, which decides modules of some containers.
        descriptor: Option<String>,
    },
    /// Only its descriptor names a generation; no class uses one.
    Declares(Servlet),
    /// Nothing shows a generation, although there is code.
    Unseen,
    /// Nothing shows a generation in the part that is read: there is too much of it.
    TooMuch,
    /// It was not looked for, since the base has no container that would run it.
    NotSearched,
    /// There is no code that could use one.
    None,
}
