//! Which images are built: for which platforms, and of which artifact each.
//!
//! A program is for the platform that its headers name; anything else runs on every one. Nothing that was named goes
//! unsaid: an artifact without a platform to build for is an error or a note.

use std::path::PathBuf;

use super::error::BuildError;
use crate::artifact::Artifact;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;
use crate::types::shown::{listed, shown_path};

/// One image to build.
#[derive(Clone, Debug)]
pub(super) struct SelectedImage<'a> {
    /// `None`: whatever the one image of the base is.
    pub(super) platform: Option<Platform>,
    /// Its artifacts: one of each list, in their order.
    pub(super) artifacts: Vec<&'a Artifact>,
}

/// The images to build.
#[derive(Clone, Debug)]
pub(super) struct Selection<'a> {
    /// At least one, no platform twice.
    pub(super) images: Vec<SelectedImage<'a>>,
    /// Which artifacts are in none of them, and why.
    pub(super) notes: Vec<String>,
    /// Whether the user named the platforms or an artifact is for them; otherwise they are what the base offers.
    pub(super) are_asked_for: bool,
}

/// Why artifacts, platforms and base do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Several artifacts for one image.
    #[error("{} are for {platform}: one `[app]` is one artifact for each platform", joined(.paths))]
    Several {
        /// The artifacts.
        paths: Vec<PathBuf>,
        /// The platform that they share.
        platform: String,
    },
    /// A platform that was asked for, without a program for it.
    #[error("no artifact is for {wanted}: {}", programs(.artifacts))]
    NoProgram {
        /// The platform.
        wanted: Platform,
        /// The programs with their platforms.
        artifacts: Vec<(PathBuf, Platform)>,
    },
    /// Several `[app]`, whose programs are for different platforms.
    #[error("the artifacts have no platform in common: {}", programs(.artifacts))]
    NothingCommon {
        /// The programs with their platforms.
        artifacts: Vec<(PathBuf, Platform)>,
    },
    /// A program that was named, for a platform that the base has no image for.
    #[error("`{}` is for {platform}, and the base `{base}` is for {}", shown_path(path), list(.offered))]
    NotInBase {
        /// The program.
        path: PathBuf,
        /// Its platform.
        platform: Box<Platform>,
        /// The base.
        base: String,
        /// Its platforms.
        offered: Vec<Platform>,
        /// Those that both are for.
        shared: Vec<Platform>,
    },
    /// Programs that the base cannot run, none of them.
    #[error("the artifacts and the base have no platform in common: {}, and `{base}` is for {}", programs(.artifacts), list(.offered))]
    NothingShared {
        /// The programs with their platforms.
        artifacts: Vec<(PathBuf, Platform)>,
        /// The base.
        base: String,
        /// Its platforms.
        offered: Vec<Platform>,
    },
}

fn joined(paths: &[PathBuf]) -> String {
    let named: Vec<String> = paths.iter().map(|path| format!("`{}`", shown_path(path))).collect();
    match &named[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn programs(artifacts: &[(PathBuf, Platform)]) -> String {
    listed(
        artifacts.iter().map(|(path, platform)| format!("`{}` is for {platform}", shown_path(path))),
        "",
        ", ",
    )
}

fn list(platforms: &[Platform]) -> String {
    listed(platforms, "", ", ")
}

impl Explain for SelectionError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Several { .. } => Some(ErrorCode::ArtifactAmbiguous),
            _ => Some(ErrorCode::PlatformMissing),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Several { .. } => {
                "several in `app.path` are for programs of different platforms; give each artifact of an image an `[[app]]` \
                 of its own"
                    .to_owned()
            }
            Self::NoProgram { wanted, artifacts } => {
                let others: Vec<String> =
                    artifacts.iter().map(|(_, platform)| platform.to_string()).collect();
                format!(
                    "build the program for {wanted} and name it in `path` beside the other, or build for {} with `--platform`",
                    others.join(" and ")
                )
            }
            Self::NothingCommon { .. } => {
                "build all of them for one platform, or name programs for several in the `path` of each `[[app]]`"
                    .to_owned()
            }
            Self::NotInBase { platform, shared, .. } => {
                let shared: Vec<String> = shared.iter().map(ToString::to_string).collect();
                format!(
                    "use a base that has {platform} too, or leave that program out with `--platform {}`",
                    shared.join(",")
                )
            }
            Self::NothingShared { offered, .. } => {
                format!("use a base for the program's platform, or build the program for {}", list(offered))
            }
        })
    }
}

/// The artifacts of one `[app]`.
struct AppChoice<'a> {
    artifacts: &'a [Artifact],
    /// Those that are for one platform each, with it; empty where the one artifact is for any.
    programs: Vec<(&'a Artifact, Platform)>,
}

impl<'a> AppChoice<'a> {
    fn of(artifacts: &'a [Artifact]) -> Result<Self, SelectionError> {
        let programs =
            artifacts.iter().filter_map(|artifact| Some((artifact, artifact.platform()?.clone()))).collect();
        let choice = Self { artifacts, programs };
        choice.check_distinct()?;
        Ok(choice)
    }

    /// The artifact for a platform; `None` where there is none for it.
    fn artifact_for(&self, wanted: &Platform) -> Option<&'a Artifact> {
        if self.programs.is_empty() {
            return self.artifacts.first();
        }
        let fitting = self.programs.iter().find(|(_, platform)| is_same_machine(platform, wanted));
        fitting.map(|(artifact, _)| *artifact)
    }

    /// No two artifacts for one image.
    fn check_distinct(&self) -> Result<(), SelectionError> {
        let is_for_any = |artifact: &Artifact| artifact.platform().is_none();
        if self.artifacts.len() > 1 && self.artifacts.iter().any(is_for_any) {
            let paths = self.artifacts.iter().map(|artifact| artifact.path().to_owned()).collect();
            return Err(SelectionError::Several { paths, platform: "the same platforms".to_owned() });
        }
        for (artifact, platform) in &self.programs {
            let same: Vec<PathBuf> = self
                .programs
                .iter()
                .filter(|(_, other)| is_same_machine(platform, other))
                .map(|(artifact, _)| artifact.path().to_owned())
                .collect();
            if same.len() > 1 && same.first().is_some_and(|first| first == artifact.path()) {
                return Err(SelectionError::Several { paths: same, platform: platform.to_string() });
            }
        }
        Ok(())
    }

    /// The platforms that both the programs and the base are for.
    fn shared(&self, base: Option<&str>, offered: &[Platform]) -> Result<Vec<Platform>, SelectionError> {
        let mut platforms = Vec::new();
        let mut lacking = None;
        for (artifact, platform) in &self.programs {
            let mut fitting: Vec<&Platform> =
                offered.iter().filter(|it| is_same_machine(platform, it)).collect();
            if let Some(exact) = fitting.iter().find(|it| **it == platform) {
                fitting = vec![exact];
            }
            // An empty base, or one that does not say what it is for.
            if offered.is_empty() {
                fitting = vec![platform];
            }
            if fitting.is_empty() {
                lacking = lacking.or(Some((artifact, platform)));
            }
            platforms.extend(fitting.into_iter().cloned());
        }
        let (base, offered) = (base.unwrap_or_default().to_owned(), offered.to_vec());
        match lacking {
            None => Ok(platforms),
            Some(_) if platforms.is_empty() => {
                Err(SelectionError::NothingShared { artifacts: owned(&self.programs), base, offered })
            }
            Some((artifact, platform)) => Err(SelectionError::NotInBase {
                path: artifact.path().to_owned(),
                platform: Box::new(platform.clone()),
                base,
                offered,
                shared: platforms,
            }),
        }
    }

    /// Notes on the programs for platforms that the base offers, `found`, and that are not `common`: which program of
    /// another list is for others.
    fn not_common(&self, found: &[Platform], common: &[Platform], all: &[&AppChoice<'_>]) -> Vec<String> {
        let is_for_any = |program: &Platform, platforms: &[Platform]| {
            platforms.iter().any(|platform| is_same_machine(program, platform))
        };
        let left = self
            .programs
            .iter()
            .filter(|(_, platform)| is_for_any(platform, found) && !is_for_any(platform, common));
        let notes = left.filter_map(|(artifact, platform)| {
            let other = all.iter().find(|other| other.artifact_for(platform).is_none())?;
            Some(format!(
                "`{}` is left out: it is for {platform}, and {}",
                shown_path(artifact.path()),
                programs(&owned(&other.programs))
            ))
        });
        notes.collect()
    }
}

/// Decides what is built. `lists` has the artifacts of each `[app]`; `asked` are the platforms that the settings name,
/// without duplicates; `offered` asks the base, by its name, for its own.
pub(super) fn select<'a>(
    lists: &[&'a [Artifact]],
    asked: &[Platform],
    base: Option<&str>,
    offered: impl FnOnce() -> Result<Vec<Platform>, BoxedError>,
) -> Result<Selection<'a>, BoxedError> {
    let choices = lists.iter().map(|list| AppChoice::of(list)).collect::<Result<Vec<_>, _>>()?;
    if choices.iter().all(|choice| choice.programs.is_empty()) {
        return everywhere(&choices, asked, base, offered);
    }
    let (platforms, mut notes) = if asked.is_empty() {
        shared(&choices, base, offered)?
    } else {
        (asked.to_vec(), left_out(&choices, asked))
    };
    let mut images = Vec::new();
    for wanted in platforms {
        let mut artifacts = Vec::new();
        for choice in &choices {
            let Some(artifact) = choice.artifact_for(&wanted) else {
                return Err(SelectionError::NoProgram { wanted, artifacts: owned(&choice.programs) }.into());
            };
            artifacts.push(artifact);
        }
        images.push(SelectedImage { platform: Some(wanted), artifacts });
    }
    let mut seen = std::collections::BTreeSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    Ok(Selection { images, notes, are_asked_for: true })
}

/// The notes about programs for platforms that were not asked for.
fn left_out(choices: &[AppChoice<'_>], asked: &[Platform]) -> Vec<String> {
    let programs = choices.iter().flat_map(|choice| &choice.programs);
    let left = programs.filter(|(_, platform)| !asked.iter().any(|it| is_same_machine(platform, it)));
    let notes = left.map(|(artifact, platform)| {
        let path = shown_path(artifact.path());
        format!("`{path}` is left out: it is for {platform}, which is not among the platforms to build for")
    });
    notes.collect()
}

/// An artifact without a platform: it is built for the requested platforms, else for all of the base's.
fn everywhere<'a>(
    choices: &[AppChoice<'a>],
    asked: &[Platform],
    base: Option<&str>,
    offered: impl FnOnce() -> Result<Vec<Platform>, BoxedError>,
) -> Result<Selection<'a>, BoxedError> {
    let mut platforms: Vec<Option<Platform>> = asked.iter().cloned().map(Some).collect();
    let are_asked_for = !platforms.is_empty();
    if let (false, Some(base)) = (are_asked_for, base) {
        let offered = offered()?;
        if offered.len() > 1 {
            let linux = offered.iter().filter(|platform| platform.os() == "linux");
            platforms = linux.cloned().map(Some).collect();
            if platforms.is_empty() {
                return Err(BuildError::NoLinux { base: base.to_owned(), offered }.into());
            }
        }
    }
    let are_asked_for = are_asked_for || platforms.is_empty();
    if platforms.is_empty() {
        platforms.push(None);
    }
    let artifacts: Vec<&Artifact> = choices.iter().filter_map(|choice| choice.artifacts.first()).collect();
    let images = platforms
        .into_iter()
        .map(|platform| SelectedImage { platform, artifacts: artifacts.clone() })
        .collect();
    Ok(Selection { images, notes: Vec::new(), are_asked_for })
}

/// The platforms that the base and all lists with programs have in common, and what is said of the programs for others.
fn shared(
    choices: &[AppChoice<'_>],
    base: Option<&str>,
    offered: impl FnOnce() -> Result<Vec<Platform>, BoxedError>,
) -> Result<(Vec<Platform>, Vec<String>), BoxedError> {
    let offered = if base.is_some() { offered()? } else { Vec::new() };
    let choices: Vec<&AppChoice<'_>> = choices.iter().filter(|choice| !choice.programs.is_empty()).collect();
    let mut notes = Vec::new();
    let of_each: Vec<Vec<Platform>> =
        choices.iter().map(|choice| choice.shared(base, &offered)).collect::<Result<_, _>>()?;
    let in_all = |platform: &&Platform| of_each.iter().all(|found| found.contains(platform));
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in of_each.iter().flatten().filter(in_all) {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    if platforms.is_empty() {
        let artifacts = choices.iter().flat_map(|choice| owned(&choice.programs)).collect();
        return Err(SelectionError::NothingCommon { artifacts }.into());
    }
    for (choice, found) in choices.iter().zip(&of_each) {
        notes.extend(choice.not_common(found, &platforms, &choices));
    }
    Ok((platforms, notes))
}

/// Whether a program for `program` is for `platform`. The headers of a program do not tell variants.
fn is_same_machine(program: &Platform, platform: &Platform) -> bool {
    (program.os(), program.architecture()) == (platform.os(), platform.architecture())
}

fn owned(programs: &[(&Artifact, Platform)]) -> Vec<(PathBuf, Platform)> {
    programs.iter().map(|(artifact, platform)| (artifact.path().to_owned(), platform.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifact::fixture::detect;

    /// The headers of a static program and nothing else.
    fn program(machine: u16) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        bytes.extend(machine.to_le_bytes());
        bytes.extend([1, 0, 0, 0]);
        bytes.resize(64 + 56, 0);
        // One program header, which loads what can be executed.
        for (at, value) in [(32, 64), (52, 64), (54, 56), (56, 1), (64, 1), (68, 5)] {
            bytes[at] = value;
        }
        bytes
    }

    fn artifacts(directory: &Path, files: &[(&str, Option<u16>)]) -> Vec<Artifact> {
        let made = files.iter().map(|(name, machine)| {
            let path = directory.join(name);
            match machine {
                Some(machine) => std::fs::write(&path, program(*machine)).expect("written"),
                None => {
                    std::fs::create_dir_all(&path).expect("made");
                    std::fs::write(path.join("x"), "x").expect("written");
                }
            }
            detect(&path).expect("detected")
        });
        made.collect()
    }

    fn names(image: &SelectedImage<'_>) -> String {
        let names = image
            .artifacts
            .iter()
            .map(|artifact| artifact.path().file_name().expect("a name").to_string_lossy());
        names.collect::<Vec<_>>().join("+")
    }

    /// `platform=name+name …`, where each list is an `[app]`.
    fn of_several(lists: &[&[(&str, Option<u16>)]], asked: &[&str]) -> Result<(String, usize), String> {
        let directory = tempfile::tempdir().expect("a directory");
        let made: Vec<Vec<Artifact>> = lists.iter().map(|list| artifacts(directory.path(), list)).collect();
        let lists: Vec<&[Artifact]> = made.iter().map(|list| &list[..]).collect();
        let selection = select(&lists, &platforms(asked), None, || Ok(Vec::new())).map_err(|error| {
            assert!(error.hint().is_some(), "{error}");
            error.to_string().replace(&format!("{}/", directory.path().display()), "")
        })?;
        let images = selection.images.iter().map(|image| {
            let platform = image.platform.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
            format!("{platform}={}", names(image))
        });
        Ok((images.collect::<Vec<_>>().join(" "), selection.notes.len()))
    }

    #[test]
    fn every_image_has_an_artifact_of_each_list() {
        let ok = |lists: &[&[_]], asked: &[&str]| of_several(lists, asked).expect("selected");
        assert_eq!(ok(&[&[TREE], &[("site", None)]], &[]), ("any=tree+site".to_owned(), 0));
        assert_eq!(ok(&[&[TREE], &[AMD, ARM]], &[]).0, "linux/amd64=tree+amd linux/arm64=tree+arm");
        assert_eq!(ok(&[&[AMD, ARM], &[TREE]], &["linux/arm64"]), ("linux/arm64=arm+tree".to_owned(), 1));
        let both: &[&[_]] = &[&[AMD, ARM], &[("second", Some(62))]];
        assert_eq!(ok(both, &["linux/amd64"]), ("linux/amd64=amd+second".to_owned(), 1));
        // Nothing asks for a platform: those that all lists have are built, and the other programs are named.
        assert_eq!(ok(both, &[]), ("linux/amd64=amd+second".to_owned(), 1));
        let refused = of_several(both, &["linux/arm64"]).expect_err("nothing of the second for arm64");
        assert_eq!(refused, "no artifact is for linux/arm64: `second` is for linux/amd64");
        let refused = of_several(&[&[AMD], &[ARM]], &[]).expect_err("nothing in common");
        assert_eq!(
            refused,
            "the artifacts have no platform in common: `amd` is for linux/amd64, `arm` is for linux/arm64"
        );
    }

    fn platforms(texts: &[&str]) -> Vec<Platform> {
        texts.iter().map(|text| text.parse().expect("a platform")).collect()
    }

    /// `platform=name …`, and the notes.
    fn outline(
        files: &[(&str, Option<u16>)],
        asked: &[&str],
        offered: Option<&[&str]>,
    ) -> Result<(String, Vec<String>), String> {
        let directory = tempfile::tempdir().expect("a directory");
        let artifacts = artifacts(directory.path(), files);
        let lists: Vec<&[Artifact]> = if artifacts.is_empty() { Vec::new() } else { vec![&artifacts] };
        let base = offered.map(|_| "base:1");
        let of_base = || Ok(platforms(offered.unwrap_or_default()));
        let selection = select(&lists, &platforms(asked), base, of_base).map_err(|error| {
            assert!(error.hint().is_some(), "{error}");
            error.to_string().replace(&format!("{}/", directory.path().display()), "")
        })?;
        let images = selection.images.iter().map(|image| {
            let platform = image.platform.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string);
            format!("{platform}={}", names(image))
        });
        Ok((images.collect::<Vec<_>>().join(" "), selection.notes))
    }

    const AMD: (&str, Option<u16>) = ("amd", Some(62));
    const ARM: (&str, Option<u16>) = ("arm", Some(183));
    const TREE: (&str, Option<u16>) = ("tree", None);

    #[test]
    fn what_both_offer_is_built() {
        let built = |files: &[_], asked: &[&str], offered| outline(files, asked, offered).expect("selected");
        let none: Vec<String> = Vec::new();
        assert_eq!(built(&[AMD], &[], None), ("linux/amd64=amd".into(), none.clone()));
        assert_eq!(built(&[AMD, ARM], &[], None).0, "linux/amd64=amd linux/arm64=arm");
        assert_eq!(
            built(&[AMD, ARM], &[], Some(&["linux/amd64", "linux/arm64", "linux/386"])).0,
            "linux/amd64=amd linux/arm64=arm"
        );
        let (images, notes) = built(&[AMD, ARM], &["linux/amd64"], Some(&["linux/amd64"]));
        assert_eq!((images.as_str(), notes.len()), ("linux/amd64=amd", 1));
        // Variants are not in a program's headers.
        assert_eq!(built(&[AMD], &["linux/amd64/v3"], None).0, "linux/amd64/v3=amd");
        assert_eq!(built(&[AMD], &[], Some(&["linux/amd64/v2"])).0, "linux/amd64/v2=amd");
        assert_eq!(built(&[AMD], &[], Some(&["linux/amd64", "linux/amd64/v2"])).0, "linux/amd64=amd");
        assert_eq!(built(&[TREE], &[], Some(&["linux/amd64"])).0, "any=tree");
        assert_eq!(
            built(&[TREE], &[], Some(&["linux/amd64", "linux/386"])).0,
            "linux/amd64=tree linux/386=tree"
        );
        assert_eq!(built(&[TREE], &["linux/arm64"], None).0, "linux/arm64=tree");
        assert_eq!(built(&[], &[], None).0, "any=");
    }

    #[test]
    fn what_does_not_fit_names_all_of_it() {
        let refused =
            |files: &[_], asked: &[&str], offered| outline(files, asked, offered).expect_err("refused");
        assert_eq!(
            refused(&[AMD], &["linux/arm64"], None),
            "no artifact is for linux/arm64: `amd` is for linux/amd64"
        );
        assert_eq!(
            refused(&[AMD, ARM], &[], Some(&["linux/arm64"])),
            "`amd` is for linux/amd64, and the base `base:1` is for linux/arm64"
        );
        assert_eq!(
            refused(&[AMD, ARM], &[], Some(&["linux/s390x", "linux/386"])),
            "the artifacts and the base have no platform in common: `amd` is for linux/amd64, `arm` is for linux/arm64, \
             and `base:1` is for linux/s390x, linux/386"
        );
        assert_eq!(
            refused(&[AMD, ("again", Some(62)), ARM], &[], None),
            "`amd` and `again` are for linux/amd64: one `[app]` is one artifact for each platform"
        );
        assert_eq!(
            refused(&[AMD, AMD], &[], None),
            "`amd` and `amd` are for linux/amd64: one `[app]` is one artifact for each platform"
        );
        for files in [[TREE, ("other", None)], [TREE, AMD]] {
            let said = refused(&files, &[], None);
            assert!(
                said.starts_with("`tree` and `")
                    && said.ends_with(
                        "are for the same platforms: one `[app]` is one artifact for each platform"
                    ),
                "{said}"
            );
        }
    }
}
