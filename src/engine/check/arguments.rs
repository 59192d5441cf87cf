//! The files and modules that the settings tell an interpreter to run.

use super::classes::{SearchedClassPath, remedy_of_jar};
use super::image::{CandidateImage, absolute};
use crate::artifact::{Interpreted, JavaRun, interpreted};
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow};
use crate::formats::json_cost;
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// Endings that `node` adds to the file that it is told.
const SCRIPT: [&str; 4] = ["", ".js", ".json", ".node"];

/// The files that `node` runs in a directory that no `package.json` has another one of.
const INDEX: [&str; 3] = ["/index.js", "/index.json", "/index.node"];

/// The places of a module of Python.
const MODULE: [&str; 3] = [".py", "", ".pyc"];

/// The files that Python runs in a directory.
const MAIN: [&str; 3] = ["", "/__main__.py", "/__main__.pyc"];

/// The most memory that reading a `package.json` may take.
const MOST_MEMORY: u64 = 96 << 20;

/// A longer class path is not shown.
const MAX_LIST: usize = 200;

/// A command of the settings.
pub(super) struct InterpretedCommand<'a> {
    pub(super) words: &'a [String],
    /// Directories in which Python looks for modules besides.
    pub(super) python_path: Option<String>,
    /// The class path of Java where the words have none: `CLASSPATH`.
    pub(super) class_path: Option<String>,
    /// Whether variables give Java options with which classes may come from elsewhere.
    pub(super) changes_classes: bool,
}

/// Something that an interpreter is to run, and whether the image has it.
struct InterpreterRun {
    /// Its name in messages.
    role: String,
    hint: String,
    answer: BaseAnswer<()>,
    /// Where it was looked for.
    paths: Vec<String>,
}

impl InterpretedCommand<'_> {
    /// The findings about what is run, where it is not there or not known.
    pub(super) fn findings<T: FileTree>(
        &self,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<Vec<Finding>, BoxedError> {
        let rule = Rule::EntrypointMissing;
        let mut findings = Vec::new();
        for (program, run) in interpreted(self.words) {
            let found = match run {
                Interpreted::Script(file) => script(file, image)?,
                Interpreted::Python(file) => python(file, image)?,
                Interpreted::Module(module) => {
                    let Some(paths) = self.modules(module, image)? else { continue };
                    let answer = image.has_any(paths.clone())?;
                    let role = format!("the module `{}`", shown(module.as_bytes()));
                    InterpreterRun { role, hint: MODULE_HINT.to_owned(), answer, paths }
                }
                Interpreted::Java(JavaRun::Jar(file)) => jar(file, image)?,
                Interpreted::Java(JavaRun::Class { name, class_path }) => {
                    if self.changes_classes {
                        continue;
                    }
                    class(name, class_path.or(self.class_path.as_deref()), image)?
                }
            };
            let InterpreterRun { role, hint, answer, paths } = found;
            match answer {
                BaseAnswer::Here(()) => {}
                BaseAnswer::Nothing => {
                    let message = format!("{} lacks {role}, which `{program}` is to run", image.name);
                    findings.push(Finding::not_met(rule, message).hint(hint));
                }
                BaseAnswer::Unknown => {
                    let what = format!("whether {} has {role}, which `{program}` is to run,", image.name);
                    let finding = image.unknown_at(rule, &what, paths.iter());
                    // Jars that are not looked into are no reason to worry.
                    let is_class = matches!(run, Interpreted::Java(JavaRun::Class { .. }));
                    findings.push(if is_class { finding.at(Severity::Note) } else { finding });
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

const SCRIPT_HINT: &str = "build the application first if its build makes the file (`npm run build`), or correct the path: it is \
     looked for in `config.workdir`";

const FILE_HINT: &str = "correct the path: it is looked for in `config.workdir`";

const NODE_DIRECTORY_HINT: &str = "name a file of the directory, or set `main` in its `package.json`: it has neither that nor an `index.js`";

const PYTHON_DIRECTORY_HINT: &str = "name a file of the directory, or give it a `__main__.py`";

const MODULE_HINT: &str = "name a module of the application or of its packages, which are looked for in `config.workdir`, in \
     `PYTHONPATH` and in the environment";

/// A file or directory that `node` is to run.
fn script<T: FileTree>(file: &str, image: &mut CandidateImage<'_, T>) -> Result<InterpreterRun, BoxedError> {
    let path = absolute(file, image);
    let in_place = path.trim_end_matches("/.").trim_end_matches('/').to_owned();
    let mut paths: Vec<String> = SCRIPT.iter().map(|ending| format!("{in_place}{ending}")).collect();
    let mut answer = image.has_file(paths.clone())?.without_value();
    let (mut role, mut hint) = ("", SCRIPT_HINT);
    if answer == BaseAnswer::Nothing && image.has(&in_place)? == BaseAnswer::Here(()) {
        // A directory.
        if let Some(main) = main_of(&in_place, image)? {
            let main = format!("{in_place}/{main}");
            paths.extend(SCRIPT.iter().chain(&INDEX).map(|ending| format!("{main}{ending}")));
        }
        paths.extend(INDEX.map(|index| format!("{in_place}{index}")));
        let package = format!("{in_place}/package.json");
        answer = image.has_file(paths.clone())?.without_value();
        // The package of a base may name any file.
        if answer == BaseAnswer::Nothing
            && let BaseAnswer::Here(package) = image.has_file([package])?
            && !image.tree.is_ours(&package)
        {
            answer = BaseAnswer::Unknown;
        }
        (role, hint) = ("a file to start with in the directory ", NODE_DIRECTORY_HINT);
    }
    let role = format!("{role}`{}`", shown(path.as_bytes()));
    Ok(InterpreterRun { role, hint: hint.to_owned(), answer, paths })
}

/// The file that the `package.json` of a directory in a planned layer names.
fn main_of<T: FileTree>(
    directory: &str,
    image: &mut CandidateImage<'_, T>,
) -> Result<Option<String>, BoxedError> {
    let BaseAnswer::Here(package) = image.has_file([format!("{directory}/package.json")])? else {
        return Ok(None);
    };
    let Some(text) = image.tree.own_text(&package)? else { return Ok(None) };
    let package: serde_json::Value = match json_cost::check(&text, MOST_MEMORY) {
        Ok(_) => serde_json::from_slice(&text).unwrap_or_default(),
        Err(_) => serde_json::Value::Null,
    };
    Ok(package["main"].as_str().map(str::to_owned))
}

/// A file, directory or archive that Python is to run.
fn python<T: FileTree>(file: &str, image: &mut CandidateImage<'_, T>) -> Result<InterpreterRun, BoxedError> {
    let path = absolute(file, image);
    let paths: Vec<String> = MAIN.iter().map(|ending| format!("{path}{ending}")).collect();
    let answer = image.has_file(paths.clone())?.without_value();
    let shown_path = shown(path.as_bytes());
    let is_directory = answer == BaseAnswer::Nothing && image.has(&path)? == BaseAnswer::Here(());
    let (role, hint) = if is_directory {
        (format!("`{}/__main__.py`", shown_path.trim_end_matches('/')), PYTHON_DIRECTORY_HINT)
    } else {
        (format!("`{shown_path}`"), FILE_HINT)
    };
    Ok(InterpreterRun { role, hint: hint.to_owned(), answer, paths })
}

/// A jar that Java is to run.
fn jar<T: FileTree>(file: &str, image: &mut CandidateImage<'_, T>) -> Result<InterpreterRun, BoxedError> {
    let path = absolute(file, image);
    let answer = image.has_file([path.clone()])?.without_value();
    let role = format!("`{}`", shown(path.as_bytes()));
    Ok(InterpreterRun { role, hint: remedy_of_jar(&path, image), answer, paths: vec![path] })
}

/// A class that Java is to run.
fn class<T: FileTree>(
    name: &str,
    class_path: Option<&str>,
    image: &mut CandidateImage<'_, T>,
) -> Result<InterpreterRun, BoxedError> {
    // Without any, classes come from the directory in which Java starts.
    let list = class_path.unwrap_or_default();
    let class_path = SearchedClassPath(list);
    let answer = class_path.has(name, image)?;
    let hint = match answer {
        BaseAnswer::Nothing => class_path.remedy(name, image)?,
        BaseAnswer::Here(()) | BaseAnswer::Unknown => String::new(),
    };
    let of = match list {
        "" => String::new(),
        list if list.len() > MAX_LIST => " in the class path".to_owned(),
        list => format!(" in the class path `{}`", shown(list.as_bytes())),
    };
    let role = format!("the class `{}`{of}", shown(name.as_bytes()));
    let paths = list.split(':').map(|entry| absolute(entry, image)).map(|path| format!("{path}/x")).collect();
    Ok(InterpreterRun { role, hint, answer, paths })
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
