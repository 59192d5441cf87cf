//! Whether an image meets one requirement: yes, no, or nothing at hand tells.

use super::executable::{ClosedDirectory, StartProgram, executable, may_execute, said_user};
use super::image::CandidateImage;
use super::interpreters::{self, PythonPackages};
use super::lookups::FileAt;
use super::script::line_ends;
use super::versions::VersionReport;
use super::{kept, libraries, modules, servlet};
use crate::artifact::{Libraries, Requirement, Requirements, node_options_change_modules};
use crate::bases::{BaseAnswer, FileTree, Libc, container, java_major, loaders, program};
use crate::layer::{Account, EntryPath};
use crate::types::error::BoxedError;
use crate::types::finding::{Answer, Finding, Severity};
use crate::types::platform::Platform;
use crate::types::rule::Rule;
use crate::types::shown::shown_path;

/// The variable of a base with the directory of its Java.
const JAVA_HOME: &str = "JAVA_HOME";

/// Checks one requirement of `artifact`, which is its name in messages.
///
/// # Errors
/// When a layer that is needed in any case cannot be read.
pub(crate) fn check<T: FileTree>(
    requirement: &Requirement,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let mut versions = VersionReport::default();
    let mut findings = check_one(requirement, artifact, image, &mut versions)?;
    findings.extend(versions.findings(image));
    Ok(findings)
}

/// The same; the versions of symbols go into `versions`.
fn check_one<T: FileTree>(
    requirement: &Requirement,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
    versions: &mut VersionReport,
) -> Result<Vec<Finding>, BoxedError> {
    Ok(match requirement {
        Requirement::Platform(platform) => {
            let fits = platform.os() == image.platform.os()
                && platform.architecture() == image.platform.architecture();
            vec![if fits {
                level(platform, artifact, image.platform, image.name)
            } else {
                let message = format!("{artifact} is for {platform}, {} for {}", image.name, image.platform);
                let hint = format!("build the program for {}, or use a base for {platform}", image.platform);
                Finding::not_met(Rule::ElfArchitecture, message).hint(hint)
            }]
        }
        Requirement::Loader { path } => vec![loader(path, artifact, image)?],
        Requirement::Libc(wanted) => vec![libc(*wanted, artifact, image)?],
        Requirement::Libraries(all) => libraries::check(all, artifact, image, versions)?,
        Requirement::Servlet(usage) => vec![servlet::check(usage, artifact, image.base)],
        Requirement::Java { major, shown_by } => vec![java(*major, shown_by, artifact, image)?],
        Requirement::Python { version, shown_by, is_compiled } => {
            let packages = PythonPackages { version, shown_by, is_compiled: *is_compiled };
            vec![interpreters::python(&packages, artifact, image)?]
        }
        Requirement::NodeModules(_) | Requirement::NodeSyntax { .. }
            if node_options_change_modules(image.node_options.as_deref().unwrap_or_default()) =>
        {
            Vec::new()
        }
        Requirement::NodeModules(needed) => modules::node(needed, image)?,
        Requirement::NodeSyntax { file, is_alone } => vec![modules::node_syntax(file, *is_alone, image)?],
        Requirement::PythonPackages(needs) => vec![modules::python(needs, artifact, image)?],
        Requirement::Node { range } => vec![interpreters::node(range, artifact, image)?],
        Requirement::NodeAbi { versions, shown_by } => {
            vec![interpreters::node_abi(versions, shown_by, image)?]
        }
        Requirement::Executable { name, home } => {
            let is_java = home.as_deref() == Some(JAVA_HOME);
            let name = match home {
                Some(home) => program(image.base, name, home),
                None => name.clone(),
            };
            let role = format!("which starts {artifact}");
            let python = python_version(&name);
            // Where a base has its Python decides where the links of an environment lead, so no path is asked for.
            let remedy = match python {
                Some(version) => {
                    format!(
                        "use a base with Python {version}, such as `docker.io/library/python:{version}-slim`"
                    )
                }
                None => format!("use a base that has `{name}`, or set `config.entrypoint`"),
            };
            let program = StartProgram { name: &name, role: role.clone(), remedy };
            let (mut finding, _) = executable(&program, image)?;
            let is_missing = finding.rule == Rule::EntrypointMissing;
            if let Some(version) = python
                && is_missing
                && finding.answer == Answer::NotMet
            {
                finding.message = format!("{} lacks Python {version} at `{name}`, {role}", image.name);
            }
            let rule = if is_java && is_missing { Rule::JavaMissing } else { finding.rule };
            vec![Finding { rule, ..finding }]
        }
        Requirement::ScriptProgram { script, name, is_optional } => {
            script_program((script, name, *is_optional), image)?
        }
        Requirement::Account(wanted) => vec![account(wanted, image)?],
        Requirement::Kept(kept) => vec![kept::check(kept, image)?],
    })
}

/// The version of Python that a program is by its name: `3.11` of `/usr/bin/python3.11`.
fn python_version(program: &str) -> Option<&str> {
    let version = program.rsplit('/').next()?.strip_prefix("python")?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    version.split_once('.').filter(|(major, minor)| is_number(major) && is_number(minor)).map(|_| version)
}

/// Whether the image has a program that a start script calls. One of the application's own may be a script again.
fn script_program<T: FileTree>(
    (script, name, is_optional): (&str, &str, bool),
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let mut remedy = format!("use a base that has `{name}`");
    if is_optional {
        remedy.push_str(", or start the application without the script: `app.start = \"java\"`");
    }
    let is_interpreter = name.starts_with('/');
    let role = match name.rsplit_once('/') {
        Some((directory, _)) if script.starts_with(&format!("{directory}/")) => {
            format!("which the start script `{script}` starts")
        }
        Some(_) => format!("the interpreter of the start script `{script}`"),
        None => format!("which the start script `{script}` calls"),
    };
    let (mut finding, path) = executable(&StartProgram { name, role, remedy }, image)?;
    if is_interpreter && finding.rule == Rule::EntrypointMissing {
        finding.rule = Rule::EntrypointNoShell;
    }
    let mut findings = vec![finding];
    if let Some(path) = path
        && let Some(head) = image.tree.head(&path)?
    {
        findings.extend(line_ends(&path, &head));
    }
    Ok(findings)
}

/// Checks all requirements of an artifact that are meant.
///
/// Where the loader of a program is missing, that says all: the C library and the libraries follow from it.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_all<T: FileTree>(
    requirements: &Requirements,
    is_meant: impl Fn(&Requirement) -> bool,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let artifact = format!("`{}`", shown_path(&requirements.artifact));
    let mut findings: Vec<Finding> = Vec::new();
    let mut loader = Answer::Met;
    let mut versions = VersionReport::default();
    for requirement in requirements.all.iter().filter(|requirement| is_meant(requirement)) {
        let follows = matches!(requirement, Requirement::Libc(_) | Requirement::Libraries(_));
        if follows && loader == Answer::NotMet {
            continue;
        }
        // That Java is missing says all: its version follows from it.
        let is_java_missing =
            |finding: &Finding| finding.rule == Rule::JavaMissing && finding.answer == Answer::NotMet;
        if matches!(requirement, Requirement::Java { .. }) && findings.iter().any(is_java_missing) {
            continue;
        }
        // So does a Python that the base lacks.
        let is_python_missing = |finding: &Finding| {
            matches!(finding.rule, Rule::PythonVersion | Rule::PythonAbi) && finding.answer == Answer::NotMet
        };
        let is_python =
            matches!(requirement, Requirement::Executable { name, .. } if name.contains("python3."));
        if is_python && findings.iter().any(is_python_missing) {
            continue;
        }
        let module = match requirement {
            Requirement::Libc(wanted) => module_of(*wanted, requirements).map(|module| (*wanted, module)),
            _ => None,
        };
        let found = match module {
            Some((wanted, module)) => check_one(requirement, &format!("`{module}`"), image, &mut versions)?
                .into_iter()
                .map(|finding| of_module(finding, wanted, module, image.platform))
                .collect(),
            None => check_one(requirement, &artifact, image, &mut versions)?,
        };
        if matches!(requirement, Requirement::Loader { .. }) {
            loader = found.first().map_or(Answer::Met, |finding| finding.answer);
        }
        let says_no_more = follows && loader == Answer::Unknown;
        findings
            .extend(found.into_iter().filter(|finding| !(says_no_more && finding.answer == Answer::Unknown)));
    }
    findings.extend(versions.findings(image));
    // Of a program that may not be there, the version is no other question.
    let is_unknown = |finding: &Finding| finding.answer == Answer::Unknown;
    if findings.iter().any(|finding| finding.rule == Rule::EntrypointMissing && is_unknown(finding)) {
        let is_about_it = |rule: Rule| {
            matches!(rule, Rule::PythonVersion | Rule::PythonAbi | Rule::NodeVersion | Rule::NodeAbi)
        };
        findings.retain(|finding| !(is_about_it(finding.rule) && is_unknown(finding)));
    }
    for finding in &mut findings {
        if finding.rule == Rule::JavaMissing && finding.answer == Answer::NotMet {
            finding.hint = Some(base_with_java(requirements));
        }
    }
    Ok(findings)
}

/// The first module of an application that is linked with this C library; `None` for a program, which has a loader.
fn module_of(wanted: Libc, requirements: &Requirements) -> Option<&EntryPath> {
    let mut all = requirements.all.iter();
    all.find_map(|requirement| match requirement {
        Requirement::Libraries(Libraries { libc, loader: None, program, .. }) if *libc == Some(wanted) => {
            Some(program)
        }
        _ => None,
    })
}

/// The finding about the C library of a module, with a remedy for modules: no package can be linked statically.
fn of_module(finding: Finding, wanted: Libc, module: &EntryPath, platform: &Platform) -> Finding {
    if finding.answer != Answer::NotMet {
        return finding;
    }
    let in_container = "install the packages in a container of the base's system";
    if !module.as_bytes().ends_with(b".node") {
        return finding.hint(in_container);
    }
    let cpu = match platform.architecture() {
        "amd64" => "x64",
        "386" => "ia32",
        "ppc64le" => "ppc64",
        other => other,
    };
    let other = match wanted {
        Libc::Musl => Libc::Glibc,
        Libc::Glibc => Libc::Musl,
    };
    finding.hint(format!("{in_container}, or with `npm install --libc={other} --os=linux --cpu={cpu}`"))
}

/// The remedy where a base has no Java: one that has, of the version that the artifact needs.
fn base_with_java(requirements: &Requirements) -> String {
    /// The version that most bases of today have.
    const USUAL: u32 = 21;
    let needed = requirements.all.iter().filter_map(|requirement| match requirement {
        Requirement::Java { major, .. } => Some(*major),
        _ => None,
    });
    let major = needed.max().unwrap_or_default().max(USUAL);
    format!("use a base with Java, such as `docker.io/library/eclipse-temurin:{major}-jre`")
}

/// Whether the processors of an image's platform have the instructions that a program needs: its platform has the level of
/// them as its variant. An image for no level in particular may run anywhere, and a program that needs more fails there.
fn level(wanted: &Platform, artifact: &str, platform: &Platform, image_name: &str) -> Finding {
    let rule = Rule::ElfArchitecture;
    let number = |platform: &Platform| -> Option<u32> { platform.variant()?.strip_prefix('v')?.parse().ok() };
    let level = number(wanted).filter(|_| wanted.architecture() == "amd64");
    let Some(level) = level.filter(|level| *level > number(platform).unwrap_or(1)) else {
        return Finding::met(rule, format!("{artifact} is for {wanted}, as {image_name} is"));
    };
    let message = format!(
        "{artifact} starts only on processors of the level x86-64-v{level}, and {image_name} is for {platform}"
    );
    let severity = if platform.variant().is_some() { Severity::Warning } else { Severity::Note };
    Finding::not_met(rule, message)
        .at(severity)
        .hint("build it without `-march=x86-64-v3` and the like, or run the image on such processors alone")
}

fn loader<T: FileTree>(
    path: &str,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::ElfInterpreter;
    let met = |image: &CandidateImage<'_, T>| {
        Finding::met(rule, format!("{} has `{path}`, the loader of {artifact}", image.name))
    };
    Ok(match image.file(path)? {
        FileAt::Fits(real, facts) => match facts.mode {
            // The kernel opens it as it opens a program.
            Some(mode) if !may_execute(mode, &facts, &image.user) => {
                let why = format!(
                    "`{real}` has the mode {mode:04o}, not executable for {}",
                    said_user(&image.user)
                );
                no_loader(path, artifact, Some(why), image)?
            }
            _ if facts.machine.is_none() && image.tree.dynamic(&real)? == BaseAnswer::Unknown => {
                let message = format!(
                    "whether `{path}` of {}, the loader of {artifact}, is one cannot be known here: it has not the name of a \
                     library, and no other files of a base are looked into",
                    image.base_name
                );
                Finding::unknown(rule, message).hint("link the program with the usual loader of a C library")
            }
            _ => match ClosedDirectory::on_the_way(path, image)? {
                Some(directory) => {
                    let why = format!("{directory}, closed to {}", said_user(&image.user));
                    no_loader(path, artifact, Some(why), image)?
                }
                None => met(image),
            },
        },
        FileAt::OtherMachine(machine) => {
            no_loader(path, artifact, Some(format!("the file that is there is for {machine}")), image)?
        }
        FileAt::Unfit(real, reason) => no_loader(path, artifact, Some(format!("`{real}` {reason}")), image)?,
        FileAt::Nothing => no_loader(path, artifact, None, image)?,
        FileAt::Unknown => match of_usual_loader(path, image)? {
            Some(true) => met(image),
            Some(false) => no_loader(path, artifact, None, image)?,
            None => {
                let what = format!(
                    "whether {} has `{path}`, the loader of {artifact}, and its libraries",
                    image.name
                );
                Finding::unknown(rule, image.unknown(&what)).hint(image.cure)
            }
        },
    })
}

/// One plain sentence about a program without its loader: another C library, none at all, or only no loader.
fn no_loader<T: FileTree>(
    path: &str,
    artifact: &str,
    near: Option<String>,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let wanted = usual_libc(path, image);
    let (found, is_sure) = image.libcs()?;
    let name = image.name;
    let hint = match wanted {
        Some(libc) => format!(
            "use a base with {libc}, such as `{}`, link the program statically (Go: `CGO_ENABLED=0`; Rust: a `musl` target), \
             or add the loader and all libraries in a `[[layer]]`",
            usual_base(libc)
        ),
        None => "use a base that has the loader, or add its directory in a `[[layer]]`".to_owned(),
    };
    let (rule, message) = match (wanted, &found[..], near) {
        (_, _, Some(near)) => {
            (Rule::ElfInterpreter, format!("{name} lacks `{path}`, the loader of {artifact}: {near}"))
        }
        (Some(wanted), [other, ..], None) if *other != wanted => {
            let message = format!(
                "{artifact} is linked with {wanted}, and {name} has {other}: it lacks `{path}`, the loader of the program"
            );
            (Rule::ElfLibc, message)
        }
        (Some(_), [], None) if is_sure => {
            let message =
                format!("{name} lacks `{path}`, the loader of {artifact}, and has no C library at all");
            (Rule::ElfInterpreter, message)
        }
        _ => (Rule::ElfInterpreter, format!("{name} lacks `{path}`, the loader of {artifact}")),
    };
    Ok(Finding::not_met(rule, message).hint(hint))
}

/// A small base that has a C library.
const fn usual_base(libc: Libc) -> &'static str {
    match libc {
        Libc::Glibc => "docker.io/library/debian:stable-slim",
        Libc::Musl => "docker.io/library/alpine",
    }
}

/// The C library whose loader usually lies at this path.
fn usual_libc<T>(path: &str, image: &CandidateImage<'_, T>) -> Option<Libc> {
    let architecture = image.platform.architecture();
    Libc::ALL.into_iter().find(|libc| loaders(*libc, architecture).any(|usual| usual == path))
}

/// Whether the base has a loader in its usual place, where the facts of the base tell: those of the lock do, though
/// it does not speak of the path.
fn of_usual_loader<T: FileTree>(
    path: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Option<bool>, BoxedError> {
    let (Some(libc), Some(system)) = (usual_libc(path, image), image.system()?) else { return Ok(None) };
    Ok(Some(system.libc.contains(libc.name())))
}

fn libc<T: FileTree>(
    wanted: Libc,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::ElfLibc;
    let (found, is_sure) = image.libcs()?;
    if found.contains(&wanted) {
        return Ok(Finding::met(
            rule,
            format!("{artifact} is linked with {wanted}, which {} has", image.name),
        ));
    }
    if !is_sure {
        let what = format!("whether {} has {wanted}, which {artifact} is linked with,", image.name);
        return Ok(Finding::unknown(rule, image.unknown(&what)).hint(image.cure));
    }
    let has = match &found[..] {
        [] => "none".to_owned(),
        [other, ..] => other.to_string(),
    };
    let message = format!("{artifact} is linked with {wanted}, and {} has {has}", image.name);
    Ok(Finding::not_met(rule, message)
        .hint(format!("use a base with {wanted}, or link the program statically")))
}

fn java<T: FileTree>(
    major: u32,
    shown_by: &str,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::JavaVersion;
    let named = image.base.and_then(|base| base.env("JAVA_VERSION")).and_then(java_major);
    let found = match named {
        Some(found) => Some(Some(found)),
        None => image.system()?.map(|system| system.java),
    };
    let needs = format!("{artifact} needs Java {major} ({shown_by})");
    Ok(match found {
        Some(Some(found)) if found >= major => {
            Finding::met(rule, format!("{needs}, and {} has Java {found}", image.base_name))
        }
        // A container has one, even where no file tells.
        Some(None) if image.base.and_then(container).is_some() => {
            let message = format!("{needs}, and {} does not tell which Java its server has", image.base_name);
            Finding::unknown(rule, message).at(Severity::Info)
        }
        Some(found) => {
            let has = found.map_or_else(|| "no Java".to_owned(), |found| format!("Java {found}"));
            Finding::not_met(rule, format!("{needs}, and {} has {has}", image.base_name))
                .hint(format!("use a base with Java {major} or a later one"))
        }
        None => {
            let what =
                format!("whether {} has Java {major}, which {artifact} needs ({shown_by}),", image.base_name);
            Finding::unknown(rule, image.unknown(&what)).hint(image.cure)
        }
    })
}

fn account<T: FileTree>(wanted: &Account, image: &mut CandidateImage<'_, T>) -> Result<Finding, BoxedError> {
    let rule = Rule::UserUnknown;
    let file = wanted.kind.file();
    Ok(match image.tree.has_account(wanted)? {
        BaseAnswer::Here(()) => Finding::met(rule, format!("the {wanted} is in `/{file}` of the image")),
        BaseAnswer::Nothing => {
            let message = format!(
                "the {wanted} in `config.user` is not in `/{file}` of the image, so no container of it would start"
            );
            // A user without a group of its own gets one of its name.
            let hint = format!(
                "add a `[[user]]` with `name = \"{}\"` and `uid = 10001`, or give a number, such as \"1000:1000\"",
                wanted.name
            );
            Finding::not_met(rule, message).hint(hint)
        }
        BaseAnswer::Unknown => {
            let what = format!("whether the image has the {wanted} of `config.user`");
            Finding::unknown(rule, image.unknown(&what)).hint(image.cure)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bases::{BaseNode, FileFacts};
    use crate::engine::check::PathLookups;
    use crate::project::lock::SystemFacts;
    use crate::runtime::interrupt::Interrupt;

    /// Files with their modes, or nothing that is known.
    struct Files(Option<Vec<(&'static str, u32)>>, Option<SystemFacts>);

    impl FileTree for Files {
        fn lookup(&mut self, _: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
            Ok(None)
        }

        fn peek(&mut self, wanted: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
            let Some(files) = &self.0 else { return Ok(BaseAnswer::Unknown) };
            let wanted = wanted.to_string();
            let below = format!("{wanted}/");
            Ok(match files.iter().find(|(path, _)| *path == wanted) {
                Some((_, mode)) => {
                    BaseAnswer::Here(BaseNode::File(FileFacts { mode: Some(*mode), ..FileFacts::default() }))
                }
                None if files.iter().any(|(path, _)| path.starts_with(&below)) => {
                    BaseAnswer::Here(BaseNode::Directory { mode: 0o755, uid: 0, gid: 0 })
                }
                None => BaseAnswer::Nothing,
            })
        }

        fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
            Ok(self.1.clone())
        }
    }

    fn answer(requirement: &Requirement, mut files: Files) -> Answer {
        let platform = Platform::linux_amd64();
        let mut image = CandidateImage {
            tree: &mut files,
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
            lookups: PathLookups::new(&Interrupt::default()),
        };
        check(requirement, "app.jar", &mut image).expect("answered")[0].answer
    }

    #[test]
    fn an_executable_is_on_the_path_and_may_be_run() {
        let java = Requirement::Executable { name: "java".to_owned(), home: None };
        let of = |files: &[(&'static str, u32)]| answer(&java, Files(Some(files.to_vec()), None));
        assert_eq!(of(&[("/usr/bin/java", 0o755)]), Answer::Met);
        assert_eq!(of(&[("/usr/bin/java", 0o644)]), Answer::NotMet);
        assert_eq!(of(&[("/opt/java", 0o755)]), Answer::NotMet);
        assert_eq!(answer(&java, Files(None, None)), Answer::Unknown);
    }

    #[test]
    fn a_program_may_need_more_than_the_processors_of_a_platform_have() {
        let of = |wanted: &str, platform: &str| {
            let (wanted, platform) = (wanted.parse().expect("one"), platform.parse().expect("one"));
            let finding = level(&wanted, "server", &platform, "the image");
            (finding.answer, finding.level)
        };
        assert_eq!(of("linux/amd64", "linux/amd64"), (Answer::Met, Severity::Info));
        assert_eq!(of("linux/amd64/v3", "linux/amd64"), (Answer::NotMet, Severity::Note));
        assert_eq!(of("linux/amd64/v3", "linux/amd64/v2"), (Answer::NotMet, Severity::Warning));
        assert_eq!(of("linux/amd64/v2", "linux/amd64/v3"), (Answer::Met, Severity::Info));
        assert_eq!(of("linux/arm/v7", "linux/arm/v6"), (Answer::Met, Severity::Info));
    }

    #[test]
    fn a_java_may_be_too_old_missing_or_not_known() {
        let needed = Requirement::Java { major: 17, shown_by: "`A.class`".to_owned() };
        let of = |java| Some(SystemFacts { java, ..SystemFacts::default() });
        assert_eq!(answer(&needed, Files(None, of(Some(21)))), Answer::Met);
        assert_eq!(answer(&needed, Files(None, of(Some(11)))), Answer::NotMet);
        assert_eq!(answer(&needed, Files(None, of(None))), Answer::NotMet);
        assert_eq!(answer(&needed, Files(None, None)), Answer::Unknown);
    }
}
