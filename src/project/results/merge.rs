//! Putting the results of shards together.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{MemberRecord, RunResults, ShardSet};
use super::end::MemberEnd;
use super::error::ResultsError;
use crate::project::lock::Lock;
use crate::types::shown::{Foreign, shell_word};

/// The settings, in the words of an error.
const SETTINGS: &str = "the settings";

/// The most characters of a command in an error.
const LONGEST_COMMAND: usize = 500;

/// The results of shards, put together.
#[derive(Clone, Debug)]
pub struct MergedRun {
    /// As of one run.
    pub results: RunResults,
    /// The facts that were learned for `build.lock`.
    pub learned: Lock,
    /// Whether all shards took their bases as the lock has them, so that nothing of it is new.
    pub is_locked: bool,
    /// The shards without results.
    pub missing_shards: Vec<u32>,
    /// The members without results.
    pub missing_members: Vec<String>,
}

/// The result of a member, and the document that has it.
struct FoundResult<'a> {
    part: usize,
    /// Absent for a member that was left out.
    record: Option<&'a MemberRecord>,
}

/// Puts documents together; each has the name that errors call it by. A shard may be there twice when it made the same
/// images.
///
/// # Errors
/// When they are not of one run, or contradict each other.
pub fn merge(parts: &[(String, RunResults)]) -> Result<MergedRun, ResultsError> {
    let Some((_, first)) = parts.first() else { return Err(ResultsError::None) };
    check_of_one_run(parts)?;
    let found = found(parts)?;
    let learned = learned(parts)?;
    let done: BTreeSet<u32> = parts.iter().flat_map(|(_, part)| &part.shards.done).copied().collect();
    let count = first.shards.count;
    let missing_shards: Vec<u32> = (1..=count).filter(|shard| !done.contains(shard)).collect();
    let missing = first.selection.iter().filter(|name| !found.contains_key(name.as_str()));
    let missing_members: Vec<String> = missing.cloned().collect();
    if let (true, Some(member)) = (missing_shards.is_empty(), missing_members.first()) {
        return Err(ResultsError::Lost { member: member.clone(), count });
    }
    let (mut members, mut left_out) = (Vec::new(), Vec::new());
    let mut cost_milliseconds = BTreeMap::new();
    for name in &first.selection {
        let Some(FoundResult { part, record }) = found.get(name.as_str()) else { continue };
        match record {
            Some(record) => members.push((*record).clone()),
            None => left_out.push(name.clone()),
        }
        if let Some(cost) = parts[*part].1.cost_milliseconds.get(name) {
            cost_milliseconds.insert(name.clone(), *cost);
        }
    }
    let failed = members.iter().find_map(|member| member.exit_code);
    let is_unfinished = members.iter().any(|member| !member.end.has_image());
    let code_of_parts = parts.iter().map(|(_, part)| part.exit_code).max().unwrap_or(0).max(1);
    let exit_code = match failed {
        Some(code) => code,
        None if is_unfinished => code_of_parts,
        None => u8::from(!missing_shards.is_empty()),
    };
    let results = RunResults {
        shards: ShardSet { count, done },
        members,
        left_out,
        cost_milliseconds,
        lock: if learned == Lock::default() { String::new() } else { learned.render() },
        exit_code,
        elapsed: parts.iter().map(|(_, part)| part.elapsed).max().unwrap_or_default(),
        ..first.clone()
    };
    let is_locked = parts.iter().all(|(_, part)| part.is_locked());
    Ok(MergedRun { results, learned, is_locked, missing_shards, missing_members })
}

/// Asks whether the documents are of one commit with one set of settings.
fn check_of_one_run(parts: &[(String, RunResults)]) -> Result<(), ResultsError> {
    type Field = (&'static str, fn(&RunResults) -> String);
    let [(first_name, first), others @ ..] = parts else { return Ok(()) };
    let fields: [Field; 6] = [
        ("the version of `pack`", |part| part.pack_version.clone()),
        ("the commit", |part| part.commit.clone().unwrap_or_else(|| "none".to_owned())),
        (SETTINGS, |part| part.settings.to_string()),
        ("the number of shards", |part| part.shards.count.to_string()),
        ("the measures", |part| part.balanced_by.map_or_else(|| "none".to_owned(), |by| by.to_string())),
        ("the members", |part| format!("{} members", part.selection.len())),
    ];
    for (name, part) in others {
        for (what, value) in &fields {
            let (a, b) = (value(first), value(part));
            let is_other_selection = *what == "the members" && first.selection != part.selection;
            if a != b || is_other_selection {
                let values = match *what {
                    SETTINGS => told_settings(first, part),
                    _ => format!("{a} and {b}"),
                };
                return Err(ResultsError::Different { a: first_name.clone(), b: name.clone(), what, values });
            }
        }
    }
    Ok(())
}

/// How two parts differ in their settings, of which each has a digest alone: by their commands, if these tell it.
fn told_settings(first: &RunResults, other: &RunResults) -> String {
    match first.command == other.command {
        true => "the commands are the same, so a build file or a variable such as PACK_TAGS was another"
            .to_owned(),
        false => format!("`{}` and `{}`", told_command(first), told_command(other)),
    }
}

/// A command for people, as far as a message has room for it.
fn told_command(part: &RunResults) -> Foreign<'static> {
    let words: Vec<_> = part.command.iter().map(|word| shell_word(word)).collect();
    Foreign::short(&words.join(" "), LONGEST_COMMAND)
}

/// The result of each member.
fn found(parts: &[(String, RunResults)]) -> Result<BTreeMap<&str, FoundResult<'_>>, ResultsError> {
    let mut found: BTreeMap<&str, FoundResult<'_>> = BTreeMap::new();
    for (number, (name, part)) in parts.iter().enumerate() {
        let records = part.members.iter().map(|record| (record.member.as_str(), Some(record)));
        let left_out = part.left_out.iter().map(|name| (name.as_str(), None));
        for (member, record) in records.chain(left_out) {
            let new = FoundResult { part: number, record };
            let Some(known) = found.get(member) else {
                found.insert(member, new);
                continue;
            };
            let (known_name, known_part) = &parts[known.part];
            if known_part.shards.done.is_disjoint(&part.shards.done) {
                let (member, a, b) = (member.to_owned(), known_name.clone(), name.clone());
                return Err(ResultsError::TwoShards { member, a, b });
            }
            if let (Some(first), Some(second)) = (digest_of(known.record), digest_of(record))
                && first != second
            {
                let (member, a, b) = (member.into(), known_name.as_str().into(), name.as_str().into());
                return Err(ResultsError::TwoImages { member, a, first, b, second });
            }
            if rank(record) < rank(known.record) {
                found.insert(member, new);
            }
        }
    }
    Ok(found)
}

fn digest_of(record: Option<&MemberRecord>) -> Option<crate::types::digest::Digest> {
    record.and_then(MemberRecord::image).map(|image| image.digest)
}

/// The better of two results of one member has the lower rank. To be left out says less than an image.
fn rank(record: Option<&MemberRecord>) -> (u8, MemberEnd) {
    match record {
        Some(record) if record.end.has_image() => (0, record.end),
        None => (1, MemberEnd::Unchanged),
        Some(record) => (2, record.end),
    }
}

/// All that was learned for the lock.
fn learned(parts: &[(String, RunResults)]) -> Result<Lock, ResultsError> {
    let mut all = Lock::default();
    let mut of: BTreeMap<String, &str> = BTreeMap::new();
    for (name, part) in parts {
        let lock = part.learned()?;
        for base in lock.bases() {
            if let Some(known) = all.get(&base.reference)
                && known.digest != base.digest
            {
                return Err(ResultsError::TwoBases {
                    base: base.reference.as_str().into(),
                    a: of.get(&base.reference).map(|name| (*name).into()).unwrap_or_default(),
                    first: known.digest,
                    b: name.as_str().into(),
                    second: base.digest,
                });
            }
            of.entry(base.reference.clone()).or_insert(name);
            all.update(base.clone());
        }
    }
    Ok(all)
}
