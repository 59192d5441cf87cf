//! Values of a draft that are left out of it, because `pack` refuses them.

use super::lines::{SourceLine, line_name};
use super::{BuildFileDraft, DraftCheck, DraftConfig, DraftLayer};
use crate::project::config::SettingStep;

/// A part of a draft that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct RefusedPart {
    /// The words for it.
    pub(in crate::import) what: String,
    /// Its line in the description, where that is known.
    pub(in crate::import) line: Option<SourceLine>,
    /// The steps of its way that are gone with all below them.
    pub(in crate::import) steps: usize,
}

impl BuildFileDraft {
    /// Leaves out the part of the draft that a refused value is in: the value alone where the rest has a meaning without
    /// it, and nothing more than before comes into the image. `None` where there is no such part.
    pub(in crate::import) fn leave_out(&mut self, path: &[SettingStep]) -> Option<RefusedPart> {
        let mut keys: Vec<&str> = Vec::new();
        let mut items: Vec<usize> = Vec::new();
        for step in path {
            match step {
                SettingStep::Key(key) => keys.push(key),
                SettingStep::Item(number) => items.push(*number),
            }
        }
        let item = items.first().copied();
        match (&keys[..], item) {
            (["image", "base"], None) => {
                self.base.take()?;
                Some(self.told("`base`", "base", "", 2))
            }
            (["image", "platforms"], Some(number)) => {
                let own = removed(&mut self.platforms, number)?;
                Some(self.told(&format!("`{own}` of `platforms`"), "platforms", &own, 3))
            }
            (["image", "tags"], Some(number)) => {
                let own = removed(&mut self.tags, number)?;
                Some(self.told(&format!("`{own}` of `tags`"), "tags", &own, 3))
            }
            (["config", key, rest @ ..], _) => {
                let (what, key, name, steps) = self.config.leave_out(key, rest, item)?;
                Some(self.told(&what, key, &name, steps))
            }
            (["app", rest @ ..], _) => {
                // Its path may be a list, too.
                let number = item.filter(|_| matches!(path.get(1), Some(SettingStep::Item(_))));
                self.leave_out_of_app(number, rest)
            }
            (["layer", rest @ ..], Some(number)) => {
                self.leave_out_of_layer(number, rest, items.get(1).copied())
            }
            (["user", ..], Some(number)) => {
                let own = removed(&mut self.users, number)?;
                Some(self.told(&format!("the user `{}`", own.name), "accounts", &own.name, 2))
            }
            _ => None,
        }
    }

    fn told(&self, what: &str, key: &'static str, name: &str, steps: usize) -> RefusedPart {
        RefusedPart { what: what.to_owned(), line: self.lines.of(key, name).cloned(), steps }
    }

    /// Without its owner, mode, root or kind an artifact is still one; without one of its patterns it would have other files.
    fn leave_out_of_app(&mut self, number: Option<usize>, keys: &[&str]) -> Option<RefusedPart> {
        let (place, steps) = (number.unwrap_or(0), 1 + usize::from(number.is_some()));
        let app = self.apps.get_mut(place)?;
        let key = keys.first().copied().unwrap_or_default();
        let path = app.path.clone();
        match key {
            "owner" => drop(app.owner.take()?),
            "mode" => drop(app.mode.take()?),
            "root" => drop(app.root.take()?),
            "kind" => drop(app.kind.take()?),
            _ => {
                drop(removed(&mut self.apps, place)?);
                return Some(self.told(&format!("the artifact `{path}`"), "apps", &path, steps));
            }
        }
        Some(self.told(&format!("`{key}` of the artifact `{path}`"), "apps", &path, steps + 1))
    }

    fn leave_out_of_layer(
        &mut self,
        number: usize,
        keys: &[&str],
        row: Option<usize>,
    ) -> Option<RefusedPart> {
        let layer = self.layers.get_mut(number)?;
        let Some((what, key, name, steps)) = row.and_then(|row| layer.leave_out(keys, row)) else {
            // Its name, or nothing that is known: none of it, and of too many layers none of those after it.
            let name = layer.name.clone();
            let row = layer.files.first().map(|files| line_name(&files.from, &files.to));
            let after = self.layers.len() - number - 1;
            if keys == ["name"] && number >= MOST_LAYERS {
                self.layers.truncate(number);
                let what = format!("the layer `{name}`, with {after} after it,");
                return Some(self.told(&what, "files", &row.unwrap_or_default(), 2));
            }
            drop(removed(&mut self.layers, number)?);
            let what = format!("the layer `{name}`");
            return Some(self.told(&what, "files", &row.unwrap_or_default(), 2));
        };
        let is_empty = layer.files.is_empty() && layer.directories.is_empty() && layer.links.is_empty();
        if is_empty {
            drop(removed(&mut self.layers, number));
        }
        Some(self.told(&what, key, &name, if is_empty { 2 } else { steps }))
    }
}

/// The most layers of an image.
const MOST_LAYERS: usize = crate::project::config::MAX_LAYERS;

/// A setting that is left out, the key and the name of its line, and the steps of its way that are gone.
type LeftPart = (String, &'static str, String, usize);

fn removed<T>(all: &mut Vec<T>, number: usize) -> Option<T> {
    (number < all.len()).then(|| all.remove(number))
}

impl DraftLayer {
    fn leave_out(&mut self, keys: &[&str], row: usize) -> Option<LeftPart> {
        match keys {
            ["files", key @ ("owner" | "mode"), ..] => {
                let files = self.files.get_mut(row)?;
                if *key == "owner" {
                    files.owner.take()?
                } else {
                    files.mode.take()?
                };
                let name = line_name(&files.from, &files.to);
                Some((format!("`{key}` of the files from `{}`", files.from), "files", name, 5))
            }
            ["files", ..] => {
                let files = removed(&mut self.files, row)?;
                let name = line_name(&files.from, &files.to);
                Some((format!("the copy of `{}` to `{}`", files.from, files.to), "files", name, 4))
            }
            ["directories", key @ ("owner" | "mode"), ..] => {
                let (path, owner, mode) = self.directories.get_mut(row)?;
                if *key == "owner" {
                    owner.take()?
                } else {
                    mode.take()?
                };
                Some((format!("`{key}` of the directory `{path}`"), "directories", path.clone(), 5))
            }
            ["directories", ..] => {
                let (path, ..) = removed(&mut self.directories, row)?;
                Some((format!("the directory `{path}`"), "directories", path, 4))
            }
            ["links", ..] => {
                let link = removed(&mut self.links, row)?;
                Some((format!("the link `{}`", link.path), "links", link.path, 4))
            }
            ["permissions", ..] => {
                let (path, mode) = removed(&mut self.modes, row)?;
                Some((format!("the mode `{mode}` of `{path}`"), "permissions", path, 4))
            }
            _ => None,
        }
    }
}

impl DraftConfig {
    fn leave_out(&mut self, key: &str, rest: &[&str], item: Option<usize>) -> Option<LeftPart> {
        let whole = |key: &'static str| (format!("`{key}`"), key, String::new(), 2);
        Some(match (key, rest, item) {
            ("env", [name], _) => {
                self.env.remove(*name)?;
                (format!("the variable `{name}`"), "env", (*name).to_owned(), 3)
            }
            ("labels", [name], _) => {
                self.labels.remove(*name)?;
                (format!("the label `{name}`"), "labels", (*name).to_owned(), 3)
            }
            ("ports", [], Some(number)) => {
                let own = removed(&mut self.ports, number)?;
                (format!("the port `{own}`"), "ports", own, 3)
            }
            ("volumes", [], Some(number)) => {
                let own = self.volumes.iter().nth(number)?.clone();
                self.volumes.remove(&own);
                (format!("the volume `{own}`"), "volumes", own, 3)
            }
            ("user", ..) => {
                self.user.take()?;
                whole("user")
            }
            ("workdir", ..) => {
                self.workdir.take()?;
                whole("workdir")
            }
            ("entrypoint", ..) => {
                self.entrypoint.take()?;
                whole("entrypoint")
            }
            ("cmd", ..) => {
                self.cmd.take()?;
                whole("cmd")
            }
            ("stop-signal", ..) => {
                self.stop_signal.take()?;
                whole("stop-signal")
            }
            ("healthcheck", setting, _) => match (&mut self.healthcheck, setting.first()) {
                (Some(DraftCheck::Command { settings, .. }), Some(name)) if settings.contains_key(*name) => {
                    settings.remove(*name);
                    (format!("`{name}` of `healthcheck`"), "healthcheck", String::new(), 3)
                }
                (check, _) => {
                    check.take()?;
                    whole("healthcheck")
                }
            },
            _ => return None,
        })
    }
}
