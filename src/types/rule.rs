//! The rules of the checks: stable names, how much each matters, its reason and its remedy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::severity::Severity;

/// Makes [`Rule`] and the table of its facts, so that no rule lacks any.
macro_rules! rules {
    ($($variant:ident $name:literal $level:ident $reason:literal $remedy:literal;)+) => {
        /// A rule, by its stable name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $(#[doc = $reason] $variant,)+
        }

        impl Rule {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, as `build.toml`, JSON and SARIF have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// How much a requirement that is not met matters, where a finding does not say otherwise.
            #[must_use]
            pub const fn level(self) -> Severity {
                match self { $(Self::$variant => Severity::$level),+ }
            }

            /// Why the rule is there, in one sentence.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason),+ }
            }

            /// The remedy in general, in one sentence; a finding has its own.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),+ }
            }
        }
    };
}

rules! {
    ElfArchitecture "elf-architecture" Error
        "A program for another processor or system does not start."
        "Build the program for the image's platform, or take a base for the program's.";
    ElfInterpreter "elf-interpreter" Error
        "The kernel starts a dynamic program by its loader, and fails with \"no such file\" where that is missing."
        "Take a base with the C library that the program is linked with, or link it statically.";
    ElfLibc "elf-libc" Error
        "A program that is linked with glibc does not run with musl, nor the other way round."
        "Take a base with that C library, or build the program on such a base.";
    ElfLibrary "elf-library" Error
        "A program does not start without all libraries that it is linked with."
        "Take a base that has the library, add it in a layer, or link it statically.";
    ElfSymbolVersion "elf-symbol-version" Error
        "A program does not start if a library is older than the symbols that it was linked with."
        "Take a newer base, or build the program on the older one.";
    ServletApi "servlet-api" Error
        "A container that runs `jakarta.servlet` does not see the servlets of `javax.servlet`, nor the other way round."
        "Take a base with a container of the application's generation, or migrate the application.";
    ServletContainer "servlet-container" Error
        "Another container has another place for applications, or another generation of the API."
        "Build the image anew on the new base.";
    JavaMissing "java-missing" Error
        "A jar does not start without Java."
        "Take a base that has a Java runtime.";
    JavaVersion "java-version" Error
        "Java refuses classes that were compiled for a later version."
        "Take a base with a newer Java, or compile with `--release`.";
    PythonVersion "python-version" Error
        "Libraries in `lib/python3.11` are not on the path of another version of Python."
        "Take a base with the same minor version of Python, or make the environment anew with the base's.";
    PythonAbi "python-abi" Error
        "A compiled module loads only in the version of Python, and on the C library, that its tags name."
        "Install the dependencies for the base's Python and system, as `pip install --target` in the base does.";
    NodeVersion "node-version" Error
        "A package says in `engines.node` which versions of Node.js it runs on."
        "Take a base with such a Node.js.";
    NodeAbi "node-abi" Error
        "A compiled addon loads only in the version of Node.js and on the system that it was built for."
        "Install the dependencies with the base's Node.js, on its system.";
    ModuleMissing "module-missing" Error
        "An application does not start without the packages and files that it loads."
        "Install what is missing, or bundle the application into one file.";
    EntrypointMissing "entrypoint-missing" Error
        "A container does not start without the program that it is told to start."
        "Correct `config.entrypoint`, take a base that has the program, or add it in a layer.";
    NoEntrypoint "no-entrypoint" Warning
        "A container of an image without a command does not start."
        "Set `config.entrypoint`, take a base that has a command, or allow the rule for a base or for data.";
    EntrypointNotExecutable "entrypoint-not-executable" Error
        "A container cannot start a file that its user may not execute."
        "Give the file a mode such as \"0755\".";
    EntrypointNoShell "entrypoint-no-shell" Error
        "A script needs the interpreter in its first line, to the letter."
        "Take a base that has the interpreter, or correct the first line of the script.";
    UserUnknown "user-unknown" Error
        "A container does not start as a user or group that its image does not list."
        "Name a user that the image lists, give a number, or add the user with `[[user]]`.";
    UserCannotRead "user-cannot-read" Error
        "The application cannot read files that its user has no right to read."
        "Give the files a mode such as \"0644\", or the user as their owner.";
    UserCannotWrite "user-cannot-write" Warning
        "The application cannot write to a directory that its user has no right to write to."
        "Give the directory the user as its owner.";
    CaCertificates "ca-certificates" Warning
        "A program that speaks TLS trusts no server without certificates."
        "Add `/etc/ssl/certs/ca-certificates.crt` in a layer, or take a base that has it.";
    BelowVolume "below-volume" Warning
        "A container shows what its volume holds, and hides what the image has there."
        "Put the files elsewhere.";
    ClobbersBase "clobbers-base" Note
        "A file of the base is replaced, which other programs of the base may need."
        "Put the file elsewhere, or allow the rule if it is meant.";
    BuildPath "build-path" Warning
        "A path of the build machine leads nowhere in the image."
        "Build with paths that the image has, or with relative ones.";
    Secret "secret" Error
        "All who can pull an image can read what is in it, for ever."
        "Leave the file out with `exclude` or `.packignore`, and give the secret to the container when it starts.";
    DuplicateLibrary "duplicate-library" Warning
        "Of two versions of one library, the order of a class path decides which one runs."
        "Remove one of them from the build.";
    MutableData "mutable-data" Warning
        "Data that a container writes to its image is lost with the container."
        "Leave the file out, and mount a volume where it belongs.";
    BakedAddress "baked-address" Note
        "An address of the build's own network is another one where the image runs."
        "Read the address from a variable of the environment.";
    JarSignature "jar-signature" Error
        "Java refuses a signed jar whose content does not fit its signature."
        "Sign the jar anew after the last change, or remove the signature.";
    JarDuplicate "jar-duplicate" Warning
        "Of two entries with one name, each reader takes another one."
        "Make the jar anew, with each entry once.";
    CaseClash "case-clash" Note
        "Names that differ only by case are one file on some systems."
        "Rename one of them.";
    PrivilegedPort "privileged-port" Note
        "Some container runtimes let only root listen on ports below 1024."
        "Listen on a port from 1024 on, and map it.";
    RunsAsRoot "runs-as-root" Note
        "A fault in a program that runs as root is a fault with all rights of the container."
        "Set `config.user`.";
    NoHealthcheck "no-healthcheck" Note
        "Docker cannot tell whether the application answers. Kubernetes has probes of its own."
        "Set `[config.healthcheck]`.";
    BaseLatest "base-latest" Note
        "A base without a version changes without a change here, if no `build.lock` holds it."
        "Name the version of the base, or keep `build.lock`.";
}

impl Rule {
    /// Whether files of a base may decide it. Of a servlet container, only the configuration tells.
    #[must_use]
    pub const fn is_about_files(self) -> bool {
        matches!(
            self,
            Self::ElfInterpreter
                | Self::ElfLibc
                | Self::ElfLibrary
                | Self::ElfSymbolVersion
                | Self::JavaMissing
                | Self::JavaVersion
                | Self::PythonVersion
                | Self::PythonAbi
                | Self::NodeVersion
                | Self::NodeAbi
                | Self::EntrypointMissing
                | Self::EntrypointNotExecutable
                | Self::EntrypointNoShell
                | Self::UserUnknown
                | Self::UserCannotRead
                | Self::UserCannotWrite
                | Self::ClobbersBase
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule of this name")]
pub struct UnknownRule;

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name).ok_or(UnknownRule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_the_names_that_json_has() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_string(rule).expect("JSON"), format!("\"{}\"", rule.name()));
            assert_eq!(rule.name().parse(), Ok(*rule));
        }
        assert_eq!("nothing".parse::<Rule>(), Err(UnknownRule));
    }

    #[test]
    fn each_rule_has_a_sentence_of_reason_and_one_of_remedy() {
        for rule in Rule::ALL {
            for text in [rule.reason(), rule.remedy()] {
                assert!(text.ends_with('.') && text.len() < 160, "{rule}: {text}");
            }
        }
    }
}
