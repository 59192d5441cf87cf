//! The project around installed packages: its programs beside them, and what `pyproject.toml` says.

use super::super::super::error::ArtifactError;
use super::super::super::material::Material;
use super::environment::normalised;
use crate::formats::toml_cost;
use crate::runtime::input::MAX_TEXT;

/// Files at the top that are programs of the project, by their usual names; those that are started, first.
const PROGRAMS: [&str; 7] = ["app.py", "main.py", "manage.py", "wsgi.py", "asgi.py", "server.py", "run.py"];

/// So many of them are started where there is one of them alone.
const STARTED: usize = 2;

const PROJECT: &str = "pyproject.toml";

/// The most memory that reading it may take.
const MOST_MEMORY: u64 = 48 << 20;

/// Files that show a project whose packages have to be installed, and the commands for that.
const PROJECTS: [(&str, &str); 4] = [
    ("requirements.txt", "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
    ("uv.lock", "uv sync --no-editable --no-dev"),
    (PROJECT, "python3 -m venv .venv && .venv/bin/pip install ."),
    ("setup.py", "python3 -m venv .venv && .venv/bin/pip install ."),
];

/// The file that shows that packages have to be installed, and the command for that. Many directories have a
/// `pyproject.toml` for the settings of tools alone.
pub(super) fn uninstalled(material: &Material) -> Option<(&'static str, &'static str)> {
    let read = |name: &str| material.read(name, MAX_TEXT).ok().flatten();
    PROJECTS.into_iter().find(|(file, _)| match *file {
        "requirements.txt" => read(file).is_some_and(|bytes| has_requirement(&bytes)),
        PROJECT => read(file).is_some_and(|bytes| has_packages(&bytes)),
        _ => material.size_of(file).is_some(),
    })
}

/// Whether a `requirements.txt` names anything.
fn has_requirement(bytes: &[u8]) -> bool {
    let lines = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).split(|byte| *byte == b'\n');
    lines.map(<[u8]>::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// Whether a `pyproject.toml` names packages or programs. One that cannot be read may.
fn has_packages(bytes: &[u8]) -> bool {
    let table: Option<toml::Table> =
        std::str::from_utf8(bytes).ok().and_then(|text| toml_cost::read(text, MOST_MEMORY).ok());
    let Some(table) = table else { return true };
    let is_list = |list: &toml::Value| list.as_array().is_some_and(|items| !items.is_empty());
    let is_table = |table: &toml::Value| table.as_table().is_some_and(|table| !table.is_empty());
    let of_project = table.get("project").is_some_and(|project| {
        let dynamic = project.get("dynamic").and_then(toml::Value::as_array);
        let is_dynamic = |name: &toml::Value| name.as_str() == Some("dependencies");
        project.get("dependencies").is_some_and(is_list)
            || project.get("scripts").is_some_and(is_table)
            || dynamic.is_some_and(|names| names.iter().any(is_dynamic))
    });
    let of_poetry = table.get("tool").and_then(|tool| tool.get("poetry")).is_some_and(|poetry| {
        let needs = poetry.get("dependencies").and_then(toml::Value::as_table);
        needs.is_some_and(|needs| needs.keys().any(|name| name != "python"))
            || poetry.get("scripts").is_some_and(is_table)
    });
    of_project || of_poetry
}

/// A project, as its files tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PythonProject {
    /// Its name, normalised.
    pub(super) name: Option<String>,
    /// Its version.
    pub(super) version: Option<String>,
    /// Its programs at the top.
    pub(super) programs: Vec<&'static str>,
}

impl PythonProject {
    /// The project in a directory; none of the files that a distribution brought counts.
    pub(super) fn of(material: &Material) -> Result<Self, ArtifactError> {
        let programs = PROGRAMS.into_iter().filter(|name| material.size_of(name).is_some()).collect();
        let mut project = Self { programs, ..Self::default() };
        if !project.programs.is_empty() {
            let about = material.names_in("")?.into_iter().filter_map(|name| String::from_utf8(name).ok());
            for name in about.filter(|name| name.ends_with(".dist-info")) {
                let Some(record) = material.read(&format!("{name}/RECORD"), MAX_TEXT).ok().flatten() else {
                    continue;
                };
                project.programs.retain(|program| {
                    let line = [program.as_bytes(), b","].concat();
                    !record.split(|byte| *byte == b'\n').any(|of| of.starts_with(&line))
                });
            }
        }
        let Some(bytes) = material.read(PROJECT, MAX_TEXT)? else { return Ok(project) };
        let table: Option<toml::Table> =
            std::str::from_utf8(&bytes).ok().and_then(|text| toml_cost::read(text, MOST_MEMORY).ok());
        let Some(table) = table else { return Ok(project) };
        let poetry = table.get("tool").and_then(|tool| tool.get("poetry"));
        let text = |key: &str| {
            let of_project = table.get("project").and_then(|of| of.get(key));
            of_project.or_else(|| poetry?.get(key)).and_then(toml::Value::as_str)
        };
        project.name = text("name").map(normalised);
        project.version = text("version").map(str::to_owned);
        Ok(project)
    }

    /// The one program that is started as it lies there.
    pub(super) fn program(&self) -> Option<&'static str> {
        let started = self.programs.iter().filter(|program| PROGRAMS[..STARTED].contains(program));
        let mut started = started.copied();
        started.next().filter(|_| started.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_name_packages_show_a_project_to_be_installed() {
        for (text, is_one) in [
            ("flask\n", true),
            ("# none\n\n  \r\n", false),
            ("\u{feff}# none\n", false),
            ("--pre\n-r other.txt\n", true),
        ] {
            assert_eq!(has_requirement(text.as_bytes()), is_one, "{text:?}");
        }
        for (text, is_one) in [
            ("[tool.ruff]\nline-length = 100\n", false),
            ("[project]\nname = 'shop'\ndependencies = []\n", false),
            ("[project]\nname = 'shop'\ndependencies = ['flask']\n", true),
            ("[project]\nname = 'shop'\ndynamic = ['version', 'dependencies']\n", true),
            ("[project]\nname = 'shop'\ndynamic = ['version']\n", false),
            ("[project.scripts]\nshop = 'shop:main'\n", true),
            ("[tool.poetry.dependencies]\npython = '^3.11'\n", false),
            ("[tool.poetry.dependencies]\npython = '^3.11'\nflask = '3'\n", true),
            ("[project\n", true),
        ] {
            assert_eq!(has_packages(text.as_bytes()), is_one, "{text:?}");
        }
    }
}
