//! The program that starts an image. Of one in a planned layer, more is known than that it is there: an ELF file needs its
//! loader and libraries, a script its interpreter.

use super::executable::{StartProgram, executable, may_read, said_user};
use super::image::CandidateImage;
use super::requirement::check_all;
use super::script::{first_line, line_ends};
use crate::artifact::{Requirement, Requirements, requirements_of_program};
use crate::bases::{BaseAnswer, BaseNode, FileTree};
use crate::formats::elf::{LibraryFlaw, Machine};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::{Answer, Finding};
use crate::types::platform::Platform;
use crate::types::rule::Rule;

/// All that is known of the program that starts the image. `is_own` says whether an artifact states the requirements of the
/// program at a path itself.
pub(super) fn check<T: FileTree>(
    program: &StartProgram<'_>,
    is_own: impl Fn(&EntryPath) -> bool,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let (finding, path) = executable(program, image)?;
    let mut findings = vec![of_shell(finding, program)];
    let Some(path) = path.filter(|path| !is_own(path)) else { return Ok(findings) };
    let Some(head) = image.tree.head(&path)? else { return Ok(findings) };
    if let Some(machine) = Machine::of(&head) {
        findings.extend(elf(&path, machine, image)?);
    } else if head.starts_with(b"#!") {
        findings.extend(script(&path, &head, image)?);
    } else {
        findings.push(no_program(&path, &head, image));
    }
    Ok(findings)
}

/// The shells that commands are written for.
const SHELLS: [&str; 4] = ["sh", "bash", "ash", "dash"];

/// Programs that start what their arguments name.
const LAUNCHERS: [&str; 10] =
    ["env", "tini", "dumb-init", "catatonit", "gosu", "su-exec", "setpriv", "chroot", "nice", "exec"];

/// A script in a planned layer that is started by a shell or a launcher, or by its artifact, whose interpreter is not
/// asked for here.
pub(super) fn script_only<T: FileTree>(
    path: &EntryPath,
    image: &mut CandidateImage<'_, T>,
) -> Result<Option<Finding>, BoxedError> {
    Ok(image.tree.head(path)?.and_then(|head| line_ends(path, &head)))
}

/// The absolute paths in the arguments of a shell or launcher, which it starts.
pub(super) fn started_by<'w>(program: &str, arguments: impl Iterator<Item = &'w String>) -> Vec<EntryPath> {
    let base = program.rsplit('/').next().unwrap_or_default();
    if !SHELLS.contains(&base) && !LAUNCHERS.contains(&base) {
        return Vec::new();
    }
    let words = arguments.flat_map(|argument| argument.split([' ', '\t', '\n', ';', '&', '|', '"', '\'']));
    words
        .filter(|word| word.starts_with('/'))
        .filter_map(|word| EntryPath::new(word.as_bytes()).ok())
        .collect()
}

/// A missing shell and a missing program have different remedies.
fn of_shell(mut finding: Finding, program: &StartProgram<'_>) -> Finding {
    let is_shell = program.name.rsplit('/').next().is_some_and(|name| SHELLS.contains(&name));
    if is_shell && finding.rule == Rule::EntrypointMissing {
        finding.rule = Rule::EntrypointNoShell;
    }
    finding
}

/// A file that the kernel does not start: it is neither a program nor a script.
fn no_program<T>(path: &EntryPath, head: &[u8], image: &CandidateImage<'_, T>) -> Finding {
    let name = image.name;
    let (what, hint) = if head.is_empty() {
        ("it is empty", "copy or build the program again")
    } else {
        (
            "it is neither an ELF program nor a script whose first line begins with `#!`",
            "begin the script with a line such as `#!/bin/sh`, or start it with its interpreter in `config.entrypoint`",
        )
    };
    let message = format!("`{path}`, which starts {name}, cannot be executed (exec format error): {what}");
    Finding::not_met(Rule::EntrypointNotExecutable, message).hint(hint)
}

/// The requirements of a program in a planned layer.
fn elf<T: FileTree>(
    path: &EntryPath,
    machine: Machine,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let dynamic = match image.tree.dynamic(path)? {
        BaseAnswer::Here(dynamic) => dynamic,
        BaseAnswer::Nothing => return Ok(Vec::new()),
        BaseAnswer::Unknown => {
            let message = format!(
                "whether `{path}`, which starts {}, can run cannot be known here: its ELF headers are not understood",
                image.name
            );
            let hint = "start the program once: if it runs, `--allow entrypoint-not-executable=WHY` says so; else copy or build it again";
            return Ok(vec![Finding::unknown(Rule::EntrypointNotExecutable, message).hint(hint)]);
        }
    };
    if let Some(flaw) = dynamic.flaw.and_then(LibraryFlaw::of_program) {
        let message = format!("`{path}`, which starts {}, {flaw}", image.name);
        let hint = "copy or build the program again";
        return Ok(vec![Finding::not_met(Rule::EntrypointMissing, message).hint(hint)]);
    }
    let named = machine.name().and_then(|name| format!("linux/{name}").parse::<Platform>().ok());
    let mut all: Vec<Requirement> = named.map(Requirement::Platform).into_iter().collect();
    all.extend(requirements_of_program(path, &dynamic, image.platform));
    let requirements = Requirements { artifact: path.to_string().into(), all };
    check_all(&requirements, |_| true, image)
}

/// The interpreter of a script in a planned layer, and the program that `env` starts.
fn script<T: FileTree>(
    path: &EntryPath,
    head: &[u8],
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let Some(line) = first_line(head) else { return Ok(Vec::new()) };
    if let Some(finding) = line_ends(path, head) {
        return Ok(vec![finding]);
    }
    if let BaseAnswer::Here(BaseNode::File(facts)) = image.tree.peek(path)?
        && !may_read(&facts, &image.user)
    {
        let (mode, user) = (facts.mode.unwrap_or_default(), said_user(&image.user));
        let message =
            format!("the interpreter of `{path}` cannot read it as {user}: it has the mode {mode:04o}");
        let hint =
            "give it a mode such as \"0755\" (`app.mode`, or `mode` of a layer), or another `config.user`";
        return Ok(vec![Finding::not_met(Rule::EntrypointNotExecutable, message).hint(hint)]);
    }
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else { return Ok(Vec::new()) };
    let mut names = vec![interpreter];
    let program = words.next().filter(|word| !word.starts_with('-') && !word.contains('='));
    names.extend(program.filter(|_| interpreter.ends_with("/env")));
    let mut findings = Vec::new();
    for name in names {
        let program = StartProgram {
            name,
            role: format!("the interpreter of `{path}`"),
            remedy: "use a base that has it, or correct the first line of the script".to_owned(),
        };
        let (mut finding, _) = executable(&program, image)?;
        if finding.rule == Rule::EntrypointMissing {
            finding.rule = Rule::EntrypointNoShell;
        }
        let is_met = finding.answer == Answer::Met;
        findings.push(finding);
        if !is_met {
            break;
        }
    }
    Ok(findings)
}
