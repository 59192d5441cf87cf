//! Whether the interpreters of the base have the versions that an application needs: Node.js and Python.

use std::collections::BTreeSet;

use super::image::CandidateImage;
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow, node_interface, node_with_interface};
use crate::formats::node_range::{InRange, NodeRange};
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::shown::Foreign;

/// Where distributions and official images have the interpreters of Python that the facts of a base tell.
const PYTHONS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];
/// So many directories of a `PATH` are looked at.
const MAX_PATH: usize = 32;

/// The packages that need a Python.
pub(super) struct PythonPackages<'a> {
    pub(super) version: &'a str,
    pub(super) shown_by: &'a str,
    pub(super) is_compiled: bool,
}

/// Whether the image has the Python that packages are for.
pub(super) fn python<T: FileTree>(
    packages: &PythonPackages<'_>,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let PythonPackages { version, shown_by, is_compiled } = packages;
    let rule = if *is_compiled { Rule::PythonAbi } else { Rule::PythonVersion };
    let needs = format!("the packages of {artifact} are for Python {version} ({shown_by})");
    let is_it = format!("{}, and {} has it", needs, image.name);
    let InstalledPython { is_own, is_there, is_elsewhere, is_known } = installed(version, image)?;
    if is_own {
        return Ok(Finding::met(rule, is_it));
    }
    let named = image.base.and_then(|base| base.env("PYTHON_VERSION"));
    let system = image.system()?.map(|system| system.python).unwrap_or_default();
    let has = match named {
        Some(named) if minor(named) == *version => return Ok(Finding::met(rule, is_it)),
        Some(named) => format!("Python {} (`PYTHON_VERSION`)", Foreign::new(minor(named))),
        None if is_there || system.contains(*version) => return Ok(Finding::met(rule, is_it)),
        None if is_elsewhere || (system.is_empty() && is_known) => {
            let message = format!(
                "whether {} has the Python {version} that {artifact} needs cannot be known here: none of its usual programs tells",
                image.name
            );
            return Ok(Finding::unknown(rule, message).at(Severity::Note));
        }
        None if system.is_empty() => {
            let what = format!("whether {} has the Python {version} that {artifact} needs", image.name);
            return Ok(Finding::unknown(rule, image.unknown(&what)).hint(image.cure));
        }
        None => {
            let all: Vec<String> =
                system.iter().map(|found| format!("Python {}", Foreign::new(found))).collect();
            all.join(" and ")
        }
    };
    let hint =
        format!("use a base with Python {version}, or install the packages with the Python of the base");
    Ok(Finding::not_met(rule, format!("{needs}, and {} has {has}", image.base_name)).hint(hint))
}

/// The places of an image in which a Python was looked for.
struct InstalledPython {
    /// A planned layer has it.
    is_own: bool,
    /// The image has it.
    is_there: bool,
    /// A directory of the `PATH` has another interpreter, whose version its name does not tell, as conda's.
    is_elsewhere: bool,
    /// All files that were looked for are known.
    is_known: bool,
}

/// Looks for the Python of this version in the usual places and on the `PATH`.
fn installed<T: FileTree>(
    version: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<InstalledPython, BoxedError> {
    let mut all = InstalledPython { is_own: false, is_there: false, is_elsewhere: false, is_known: true };
    let path = image.path.clone().unwrap_or_default();
    let is_other = |directory: &&str| directory.starts_with('/') && !PYTHONS.contains(directory);
    // A link such as Debian's `/bin` leads to a usual place.
    let others: Vec<&str> = path.split(':').filter(is_other).take(MAX_PATH).collect();
    for directory in PYTHONS.iter().chain(&others) {
        match follow(image.tree, format!("{directory}/python{version}").as_bytes())? {
            BaseAnswer::Here((path, BaseNode::File(_))) => {
                all.is_own |= image.tree.is_ours(&path);
                all.is_there = true;
            }
            BaseAnswer::Unknown => all.is_known = false,
            BaseAnswer::Here(_) | BaseAnswer::Nothing => {}
        }
    }
    for directory in others {
        let found = follow(image.tree, format!("{directory}/python3").as_bytes())?;
        if let BaseAnswer::Here((path, BaseNode::File(_))) = found {
            all.is_elsewhere |=
                !PYTHONS.iter().any(|usual| path.as_bytes().starts_with(&usual.as_bytes()[1..]));
        }
    }
    Ok(all)
}

/// `3.12` of `3.12.1`.
fn minor(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

/// The version of Node.js that the base tells: the whole, or the first number alone.
fn node_of<T: FileTree>(image: &mut CandidateImage<'_, T>) -> Result<Option<String>, BoxedError> {
    if let Some(named) = image.base.and_then(|base| base.env("NODE_VERSION")) {
        return Ok(Some(named.trim_start_matches('v').to_owned()));
    }
    Ok(image.system()?.and_then(|system| system.node))
}

/// The finding where nothing tells the version of Node.js.
fn unknown_node<T: FileTree>(
    rule: Rule,
    what: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    Ok(match image.system()? {
        Some(_) => {
            let message =
                format!("{what} cannot be known here: no file of {} tells its version", image.base_name);
            Finding::unknown(rule, message).at(Severity::Note)
        }
        None => Finding::unknown(rule, image.unknown(what)).hint(image.cure),
    })
}

/// Whether the base's Node.js is one that an application says that it runs on.
pub(super) fn node<T: FileTree>(
    range: &str,
    artifact: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::NodeVersion;
    let shown_range = Foreign::short(range, 100).to_string();
    let needs = format!("{artifact} runs on Node.js `{shown_range}` (`engines.node` in `package.json`)");
    let found = node_of(image)?;
    let judged = found.as_ref().zip(NodeRange::parse(range));
    let judged = judged.and_then(|(version, range)| Some((version, range.judge(version)?)));
    Ok(match judged {
        Some((version, InRange::Yes)) => {
            Finding::met(rule, format!("{needs}, and {} has {}", image.base_name, Foreign::new(version)))
        }
        Some((version, InRange::No)) => {
            let message = format!("{needs}, and {} has {}", image.base_name, Foreign::new(version));
            let hint = "use a base with such a Node.js, or correct `engines.node` if the application runs on this one as well";
            Finding::not_met(rule, message).hint(hint)
        }
        Some((_, InRange::Maybe)) | None => {
            let what = format!(
                "whether {} has a Node.js `{shown_range}`, which {artifact} runs on,",
                image.base_name
            );
            unknown_node(rule, &what, image)?
        }
    })
}

/// The versions that take `import` and `export` in a file whose name does not say that it is a module.
const WITH_SYNTAX: &str = "^20.19.0 || >=22.7.0";

/// Whether the base's Node.js takes a `.js` file with `import` or `export`.
pub(super) fn node_syntax<T: FileTree>(
    file: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::NodeVersion;
    let needs = format!(
        "`{file}` has `import` or `export`, which Node.js takes in a `.js` file from 20.19 and 22.7 on"
    );
    let found = node_of(image)?;
    let judged = found.as_ref().zip(NodeRange::parse(WITH_SYNTAX));
    let judged = judged.and_then(|(version, range)| Some((version, range.judge(version)?)));
    let hint = "name the file `.mjs`, put `\"type\": \"module\"` into the `package.json` beside it, or use a base with a newer Node.js";
    Ok(match judged {
        Some((version, InRange::Yes)) => {
            Finding::met(rule, format!("{needs}, and {} has {}", image.base_name, Foreign::new(version)))
        }
        Some((version, InRange::No)) => {
            let message = format!("{needs}, and {} has {}", image.base_name, Foreign::new(version));
            Finding::not_met(rule, message).hint(hint)
        }
        Some((_, InRange::Maybe)) | None => {
            let what = format!("whether the Node.js of {} takes `import` in `{file}`", image.base_name);
            unknown_node(rule, &what, image)?
        }
    })
}

/// Whether the base's Node.js has an interface that compiled addons are for.
pub(super) fn node_abi<T: FileTree>(
    versions: &BTreeSet<u32>,
    shown_by: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Finding, BoxedError> {
    let rule = Rule::NodeAbi;
    let wanted: Vec<String> = versions
        .iter()
        .map(|version| match node_with_interface(*version) {
            Some(major) => format!("Node.js {major}"),
            None => format!("the interface {version} of Node.js"),
        })
        .collect();
    let needs = format!("the addon `{shown_by}` is for {}", wanted.join(" and "));
    let found = node_of(image)?;
    let major = found.as_deref().and_then(|version| version.split('.').next()?.parse().ok());
    Ok(match major.and_then(node_interface) {
        Some(interface) if versions.contains(&interface) => {
            Finding::met(rule, format!("{needs}, as {} has", image.base_name))
        }
        Some(_) => {
            let has = found.unwrap_or_default();
            let message = format!("{needs}, and {} has Node.js {}", image.base_name, Foreign::new(&has));
            let hint = "install the packages again with the Node.js of the base (`npm rebuild`), or use a base with that Node.js";
            Finding::not_met(rule, message).hint(hint)
        }
        None => {
            let what =
                format!("whether {} has the Node.js that the addon `{shown_by}` is for", image.base_name);
            unknown_node(rule, &what, image)?
        }
    })
}
