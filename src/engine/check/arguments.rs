//! The files and modules that the settings tell an interpreter to run.

use super::image::CandidateImage;
use crate::artifact::{Interpreted, interpreted};
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// Endings of a file that `node` is told without its own.
const SCRIPT: [&str; 7] = ["", ".js", ".json", ".node", "/index.js", "/index.json", "/package.json"];

/// The places of a module of Python.
const MODULE: [&str; 3] = [".py", "", ".pyc"];

/// A command of the settings.
pub(super) struct InterpretedCommand<'a> {
    pub(super) words: &'a [String],
    /// Directories in which Python looks for modules besides.
    pub(super) python_path: Option<String>,
}

impl InterpretedCommand<'_> {
    /// The findings about what is run, where it is not there or not known.
    pub(super) fn findings<T: FileTree>(
        &self,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<Vec<Finding>, BoxedError> {
        let mut findings = Vec::new();
        for (program, run) in interpreted(self.words) {
            let (what, hint, answer) = match run {
                Interpreted::Script(file) => {
                    let path = absolute(file, image);
                    let paths: Vec<String> = SCRIPT.iter().map(|ending| format!("{path}{ending}")).collect();
                    (path, FILE, image.has_any(paths)?)
                }
                Interpreted::Python(file) => {
                    let path = absolute(file, image);
                    (path.clone(), FILE, image.has_any(vec![path])?)
                }
                Interpreted::Module(module) => {
                    let Some(paths) = self.modules(module, image)? else { continue };
                    (module.to_owned(), MODULE_HINT, image.has_any(paths)?)
                }
            };
            let role = match run {
                Interpreted::Module(_) => format!("the module `{}`", shown(what.as_bytes())),
                _ => format!("`{}`", shown(what.as_bytes())),
            };
            match answer {
                BaseAnswer::Here(()) => {}
                BaseAnswer::Nothing => {
                    let message = format!("{} lacks {role}, which `{program}` is to run", image.name);
                    findings.push(Finding::not_met(Rule::EntrypointMissing, message).hint(hint));
                }
                BaseAnswer::Unknown => {
                    let what = format!("whether {} has {role}, which `{program}` is to run,", image.name);
                    findings.push(
                        Finding::unknown(Rule::EntrypointMissing, image.unknown(&what)).hint(image.cure),
                    );
                }
            }
        }
        Ok(findings)
    }

    /// Where Python looks for a module; `None` where the version of Python, which decides that, is not known.
    fn modules<T: FileTree>(
        &self,
        module: &str,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<Option<Vec<String>>, BoxedError> {
        let Some(program) = self.words.iter().find(|word| word.starts_with('/')) else { return Ok(None) };
        let Some((programs, _)) = program.rsplit_once('/') else { return Ok(None) };
        let Some(version) = version_of(&format!("{programs}/python"), image)? else { return Ok(None) };
        let environment = programs.rsplit_once('/').map_or("", |(above, _)| above);
        let mut directories = vec![absolute("", image)];
        directories.extend(self.python_path.iter().flat_map(|path| path.split(':')).map(str::to_owned));
        directories.extend([
            format!("{environment}/lib/python{version}/site-packages"),
            "/usr/lib/python3/dist-packages".to_owned(),
        ]);
        for at in ["/usr/lib", "/usr/local/lib"] {
            for of in ["", "/site-packages", "/dist-packages"] {
                directories.push(format!("{at}/python{version}{of}"));
            }
        }
        let path = module.replace('.', "/");
        let places = directories.iter().flat_map(|directory| {
            MODULE.iter().map(|ending| format!("{directory}/{path}{ending}")).collect::<Vec<_>>()
        });
        Ok(Some(places.collect()))
    }
}

const FILE: &str = "build the application first if its build makes the file (`npm run build`), or correct the path: it is \
     looked for in `config.workdir`";

const MODULE_HINT: &str = "name a module of the application or of its packages, which are looked for in `config.workdir`, in \
     `PYTHONPATH` and in the environment";

/// A path of a command, from where the image starts.
fn absolute<T>(file: &str, image: &CandidateImage<'_, T>) -> String {
    if file.starts_with('/') {
        return file.to_owned();
    }
    format!("{}/{file}", image.directory.as_deref().unwrap_or_default().trim_end_matches('/'))
}

/// `3.11` of the program that a Python leads to.
fn version_of<T: FileTree>(
    python: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Option<String>, BoxedError> {
    let version = |path: &[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        let version = std::str::from_utf8(name.strip_prefix(b"python")?).ok()?;
        version.contains('.').then(|| version.to_owned())
    };
    // The environment's link names it, whether the base has it or not.
    if let Ok(path) = EntryPath::new(python.trim_start_matches('/').as_bytes())
        && let BaseAnswer::Here(BaseNode::Symlink(target)) = image.tree.peek(&path)?
        && let Some(found) = version(&target)
    {
        return Ok(Some(found));
    }
    Ok(match follow(image.tree, python.as_bytes())? {
        BaseAnswer::Here((path, _)) => version(path.as_bytes()),
        _ => None,
    })
}
