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
