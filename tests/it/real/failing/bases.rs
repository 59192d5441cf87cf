//! The bases of the cases, each made once for a session.

use std::path::Path;

use super::super::project;
use super::super::tools::Pack;

/// A base of Debian's packages, or what takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    Scratch,
    /// A minimal Debian: glibc, a shell, no interpreter.
    Debian,
    /// The library of musl and a static shell.
    Musl,
    Java,
    /// Java without a shell.
    JavaAlone,
    Tomcat,
    Node,
    Python,
}

const SHELLS: &str = "[\"usr/bin/sh\", \"usr/bin/dash\", \"usr/bin/bash\", \"usr/bin/rbash\"]";

impl Base {
    /// The trees of its layers, and its configuration.
    fn parts(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Scratch => (&[], ""),
            Self::Debian => (&["base/debian"], ""),
            Self::Musl => (&["artifacts/busybox", "failing/musl/root"], ""),
            Self::Java | Self::JavaAlone => (&["base/debian", "base/jre"], ""),
            Self::Tomcat => (
                &["base/debian", "base/jre", "base/tomcat"],
                "workdir = \"/var/lib/tomcat10\"\ncmd = [\"/usr/share/tomcat10/bin/catalina.sh\", \"run\"]\nports = [8080]\n",
            ),
            Self::Node => (&["base/debian", "runtimes/node"], ""),
            Self::Python => (&["base/debian", "runtimes/python"], ""),
        }
    }

    /// Its name in a build file, when it was made in `directory`.
    pub(super) fn reference(self, directory: &Path) -> String {
        match self {
            Self::Scratch => "scratch".to_owned(),
            _ => format!("oci:{}/{self:?}/layout", directory.display()),
        }
    }

    /// Makes it in a layout below `directory`.
    pub(super) fn make(self, pack: &Pack, inputs: &Path, directory: &Path) {
        let (trees, config) = self.parts();
        if trees.is_empty() {
            return;
        }
        let without = if self == Self::JavaAlone { format!(", exclude = {SHELLS}") } else { String::new() };
        let layers = trees.iter().map(|tree| {
            format!(
                "[[layer]]\nname = \"{tree}\"\nfiles = [{{ from = \"{}\", to = \"/\", keep-modes = true, keep-owners = true{} }}]\n",
                inputs.join(tree).display(),
                if tree.ends_with("debian") { &without } else { "" }
            )
        });
        let variables = std::fs::read_to_string(inputs.join("base/base.env")).expect("can be read");
        let names: &[&str] = match self {
            Self::Java | Self::JavaAlone => &["PATH", "JAVA_HOME"],
            Self::Tomcat => &["PATH", "JAVA_HOME", "CATALINA_HOME", "CATALINA_BASE"],
            _ => &["PATH"],
        };
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        let env = variables.filter(|(name, _)| names.contains(name));
        // As the official images say it, since the packages of the tree are unpacked and not installed.
        let node = (self == Self::Node).then_some(("NODE_VERSION", "18.20.4"));
        let env: Vec<String> = env.chain(node).map(|(name, value)| format!("{name} = \"{value}\"")).collect();
        let text = format!(
            "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/{}\"]\n\
             compression = \"none\"\n{}[config]\nenv = {{ {} }}\n{config}",
            std::env::consts::ARCH,
            layers.collect::<String>(),
            env.join(", ")
        );
        let at = directory.join(format!("{self:?}"));
        pack.ok(&["build", &project(&at, &text), "-o", &self.reference(directory)]);
    }
}
