//! Copies from other stages, as copies of what those stages were given: a directory that they filled by copies of their own, one
//! that they made, and the users that they added.

use super::super::remark::Remark;
use super::copy::{Copy, CopySource, in_project, is_below};
use super::stage::ImageStage;

/// The most copies that take the place of others in a stage.
const MOST: usize = 256;

/// The copies and directories of a stage, with the parts of other stages in them.
pub(super) struct StageTransfer {
    pub(super) copies: Vec<Copy>,
    /// Directories, each with its owner and mode.
    pub(super) directories: Vec<(String, Option<String>, Option<String>)>,
    /// The stages whose users are taken over.
    pub(super) users_of: Vec<usize>,
}

/// Follows the copies of a stage into the stages that they are from.
pub(super) fn transfer(
    stages: &[ImageStage],
    stage: &ImageStage,
    remarks: &mut Vec<Remark>,
) -> StageTransfer {
    let mut all =
        StageTransfer { copies: Vec::new(), directories: stage.directories.clone(), users_of: Vec::new() };
    for copy in &stage.copies {
        let CopySource::Stage(number) = copy.source else {
            all.copies.push(copy.clone());
            continue;
        };
        let Some(from) = stages.get(number) else { continue };
        let mut own = copy.clone();
        own.sources.retain(|source| {
            let wanted = in_image(source);
            let is_taken = all.take_users(number, from, &wanted, copy.line, remarks)
                || all.copies.len() < MOST && all.take_parts(from, copy, &wanted);
            !is_taken
        });
        if !own.sources.is_empty() {
            all.copies.push(own);
        }
    }
    all
}

/// A path of another stage as an absolute one.
fn in_image(path: &str) -> String {
    match in_project(path).as_str() {
        "." => "/".to_owned(),
        path => format!("/{path}"),
    }
}

impl StageTransfer {
    /// Takes the users of a stage over, where its list of users is copied.
    fn take_users(
        &mut self,
        number: usize,
        from: &ImageStage,
        wanted: &str,
        line: usize,
        remarks: &mut Vec<Remark>,
    ) -> bool {
        if from.users.is_empty() || !["/etc/passwd", "/etc/group"].contains(&wanted) {
            return false;
        }
        if wanted == "/etc/passwd" && !self.users_of.contains(&number) {
            self.users_of.push(number);
            let text = "of the list of users those are taken that commands of the stage added; others belong into the base";
            remarks.push(Remark::check(line, text));
        }
        true
    }

    /// Takes what a stage copied or made at a directory and below it, unless commands had a part in it.
    fn take_parts(&mut self, from: &ImageStage, copy: &Copy, wanted: &str) -> bool {
        let directory = wanted.strip_suffix("/*").unwrap_or(wanted);
        let by_commands = from.runs.iter().any(|run| run.contains(directory))
            || !from.runs.is_empty() && is_below(&from.workdir, directory);
        if directory == "/" || by_commands || from.copies.iter().any(|own| own.is_file_at(directory)) {
            return false;
        }
        let place = |path: &str| {
            let rest = path.get(directory.len()..).unwrap_or_default();
            format!("{}{rest}", copy.to.trim_end_matches('/'))
        };
        let is_part = |own: &&Copy| is_below(&own.to, directory) && (own.to != directory || own.into);
        let parts: Vec<Copy> = from
            .copies
            .iter()
            .filter(is_part)
            .map(|own| Copy {
                line: copy.line,
                to: place(&own.to),
                owner: copy.owner.clone().or_else(|| own.owner.clone()),
                mode: copy.mode.clone().or_else(|| own.mode.clone()),
                ..own.clone()
            })
            .collect();
        let made = from.directories.iter().filter(|(path, ..)| is_below(path, directory));
        let made: Vec<_> = made
            .map(|(path, owner, mode)| {
                (place(path), copy.owner.clone().or_else(|| owner.clone()), mode.clone())
            })
            .filter(|(path, ..)| !path.is_empty())
            .collect();
        if parts.iter().any(|part| part.is_adrift) {
            return false;
        }
        if parts.is_empty() && made.is_empty() || parts.len() + made.len() + self.copies.len() > MOST {
            return false;
        }
        self.copies.extend(parts);
        self.directories.extend(made);
        true
    }
}
