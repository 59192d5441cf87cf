//! Whether the modules that an application loads are in the image: packages and files of JavaScript, and distributions of
//! Python.

use super::image::CandidateImage;
use super::interpreters;
use crate::artifact::{NodeModules, PythonNeeds};
use crate::bases::{BaseAnswer, FileTree};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// Where Node.js of Debian and of others looks for packages that no `node_modules` has.
const NODE_LIBRARIES: [&str; 4] =
    ["usr/share/nodejs", "usr/lib/nodejs", "usr/lib/node", "usr/local/lib/node"];

/// Endings that Node.js adds to a path in `require`.
const ENDINGS: [&str; 8] =
    ["", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node", "/package.json"];

/// So many names stand in a message.
const NAMED: usize = 5;

/// The directories above a file, from the nearest on; the root is empty.
fn above(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(file), |path| parent(path))
}

fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some((directory, _)) => Some(directory),
        None => (!path.is_empty()).then_some(""),
    }
}

/// The places of a module that is named in a file, where a container starts in the directory `start`.
fn places(
    file: &str,
    name: &str,
    is_required: bool,
    node_path: Option<&str>,
    start: Option<&str>,
) -> Vec<String> {
    let endings = if is_required { &ENDINGS[..] } else { &ENDINGS[..1] };
    let with_endings =
        |path: String| -> Vec<String> { endings.iter().map(|ending| format!("{path}{ending}")).collect() };
    if name.starts_with('/') {
        return with_endings(name.to_owned());
    }
    if name.starts_with('.') {
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = name.split(['?', '#']).next().filter(|_| !is_required).unwrap_or(name);
        return with_endings(format!("{directory}/{path}"));
    }
    let directories = above(file).filter(|directory| directory.rsplit('/').next() != Some("node_modules"));
    let mut all: Vec<String> =
        directories.map(|directory| format!("{directory}/node_modules/{name}")).collect();
    if is_required {
        all.extend(NODE_LIBRARIES.iter().map(|library| format!("{library}/{name}")));
        let more = node_path.unwrap_or_default().split(':').filter(|directory| !directory.is_empty());
        let start = start.unwrap_or_default();
        all.extend(more.map(|directory| match directory.starts_with('/') {
            true => format!("{directory}/{name}"),
            false => format!("{start}/{directory}/{name}"),
        }));
        let files: Vec<String> = all.iter().map(|path| format!("{path}.js")).collect();
        all.extend(files);
    }
    all
}

/// Whether the image has the modules that a file of JavaScript loads.
pub(super) fn node<T: FileTree>(
    needed: &NodeModules,
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    let rule = Rule::ModuleMissing;
    let file = needed.file.to_string();
    let (node_path, start) = (image.node_path.clone(), image.directory.clone());
    let (mut missing, mut unknown, mut unknown_places) = (Vec::new(), Vec::new(), Vec::new());
    for (names, is_required) in [(&needed.required, true), (&needed.imported, false)] {
        for name in names {
            let places = places(&file, name, is_required, node_path.as_deref(), start.as_deref());
            match image.has_any(places.clone())? {
                BaseAnswer::Here(()) => {}
                BaseAnswer::Nothing => missing.push(format!("`{}`", shown(name.as_bytes()))),
                BaseAnswer::Unknown => {
                    unknown.push(format!("`{}`", shown(name.as_bytes())));
                    unknown_places = places;
                }
            }
        }
    }
    let hint = if needed.is_alone {
        "bundle it with all that it loads into one file, or give the directory with its `package.json` and `node_modules`"
    } else {
        "install the package as a dependency of the application, or leave it out of the code"
    };
    let mut findings = Vec::new();
    if !missing.is_empty() {
        let message =
            format!("`{}` loads {}, which {} lacks", shown(file.as_bytes()), listed(missing), image.name);
        findings.push(Finding::not_met(rule, message).hint(hint));
    }
    if !unknown.is_empty() {
        let what = format!(
            "whether {} has {}, which `{}` loads,",
            image.name,
            listed(unknown),
            shown(file.as_bytes())
        );
        findings.push(image.unknown_at(rule, &what, unknown_places.iter()).hint(hint));
    }
    if findings.is_empty() {
        let message = format!("{} has the modules that `{}` loads", image.name, shown(file.as_bytes()));
        findings.push(Finding::met(rule, message));
    }
    Ok(findings)
}

/// Some of these, and how many more there are.
fn listed(mut names: Vec<String>) -> String {
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", names.join(", "))
}

/// Whether the base's Node.js takes a file with `import` or `export` whose name does not say that it is a module. A
/// `package.json` above it may say that.
pub(super) fn node_syntax<T: FileTree>(
    file: &EntryPath,
    is_alone: bool,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::NodeVersion;
    let path = file.to_string();
    if is_alone {
        let packages: Vec<String> =
            above(&path).map(|directory| format!("{directory}/package.json")).collect();
        if matches!(image.has_any(packages)?, BaseAnswer::Here(())) {
            let message = format!("a `package.json` above `{}` says what it is", shown(path.as_bytes()));
            return Ok(Finding::met(rule, message));
        }
    }
    interpreters::node_syntax(&shown(path.as_bytes()), image)
}

/// Whether the base has the distributions that installed ones need, where those of the base are seen. The name of a module
/// is mostly that of its distribution, but not always.
pub(super) fn python<T: FileTree>(
    needs: &PythonNeeds,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::ModuleMissing;
    let (mut missing, mut is_known) = (Vec::new(), true);
    let versions = image.system()?.map(|system| system.python).unwrap_or_default();
    let named = image.base.and_then(|base| base.env("PYTHON_VERSION")).map(|named| {
        let end = named.match_indices('.').nth(1).map_or(named.len(), |(at, _)| at);
        named[..end].to_owned()
    });
    let mut directories = vec!["usr/lib/python3/dist-packages".to_owned()];
    for version in versions.into_iter().chain(named) {
        for (at, of) in [("usr/lib", "site"), ("usr/local/lib", "site"), ("usr/local/lib", "dist")] {
            directories.push(format!("{at}/python{version}/{of}-packages"));
        }
    }
    for (name, by) in &needs.missing {
        let is_there = if needs.is_isolated {
            BaseAnswer::Nothing
        } else {
            let module = name.replace('-', "_");
            let paths = directories
                .iter()
                .flat_map(|directory| [format!("{directory}/{module}"), format!("{directory}/{module}.py")]);
            let paths: Vec<String> = paths.collect();
            image.has_any(paths)?
        };
        match is_there {
            BaseAnswer::Here(()) => {}
            answer => {
                is_known &= answer == BaseAnswer::Nothing;
                missing.push(format!("`{}` (of `{}`)", shown(name.as_bytes()), shown(by.as_bytes())));
            }
        }
    }
    if missing.is_empty() {
        let message = format!("the base has what the packages of {artifact} need beside them");
        return Ok(Finding::met(rule, message));
    }
    let hint = "install the packages again with all that they need: `pip install` without `--no-deps`; `pip check` tells what is missing";
    let are = if missing.len() == 1 { "is" } else { "are" };
    let message = format!("packages of {artifact} need {}, which {are} not installed", listed(missing));
    Ok(match (needs.is_isolated, is_known) {
        (true, _) => Finding::not_met(rule, message),
        // A module of another name may be there.
        (false, true) => Finding::not_met(rule, message).at(Severity::Warning),
        (false, false) => {
            let message = format!("{message} beside them; whether the base has it cannot be known here");
            Finding::unknown(rule, message)
        }
    }
    .hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_looked_for_where_node_does() {
        assert_eq!(above("/app/lib/x.js").collect::<Vec<_>>(), ["/app/lib", "/app", ""]);
        assert_eq!(above("/x.js").collect::<Vec<_>>(), [""]);
        let of = |name: &str, is_required| {
            places("/app/lib/x.js", name, is_required, Some("/opt/n:own"), Some("/app"))
        };
        assert_eq!(
            of("a/b", false),
            ["/app/lib/node_modules/a/b", "/app/node_modules/a/b", "/node_modules/a/b"]
        );
        assert_eq!(of("../y.js?z", false), ["/app/lib/../y.js"]);
        let required = of("a", true);
        for expected in
            ["/app/lib/node_modules/a", "/node_modules/a.js", "usr/share/nodejs/a", "/opt/n/a", "/app/own/a"]
        {
            assert!(required.iter().any(|path| path == expected), "{expected}");
        }
        assert_eq!(of("./y", true).len(), ENDINGS.len());
        assert!(of("/y", true).contains(&"/y/index.js".to_owned()));
        let inside = places("/app/node_modules/a/x.js", "b", false, None, None);
        assert_eq!(inside, ["/app/node_modules/a/node_modules/b", "/app/node_modules/b", "/node_modules/b"]);
    }
}
