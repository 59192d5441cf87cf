//! The end of `pack merge`: what is missing, and all members in figures.

use super::super::error::{CommandError, ExitStatus};
use super::super::format::{duration, number};
use crate::project::results::{MemberEnd, MergedRun};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{listed, shell_word};

/// How many shards without results a report names.
const MOST_SHARDS: usize = 20;

/// Says which shards have no results, and how to run them again.
#[must_use]
pub fn missing_shards(merged: &MergedRun) -> Vec<CommandError> {
    let missing = &merged.missing_shards;
    let mut errors: Vec<CommandError> =
        missing.iter().take(MOST_SHARDS).map(|shard| missing_shard(merged, *shard)).collect();
    let more = missing.len().saturating_sub(MOST_SHARDS);
    errors.extend((more > 0).then(|| {
        CommandError::new(ExitStatus::Input, format!("{} more shards have no results", number(more as u64)))
            .coded(ErrorCode::ShardsDisagree)
            .hint("run each of them again, and then `pack merge`")
    }));
    errors
}

fn missing_shard(merged: &MergedRun, shard: u32) -> CommandError {
    let results = &merged.results;
    let count = results.shards.count;
    let missing = &merged.missing_members;
    let names = listed(missing, "`", ", ");
    let message = match (missing.is_empty(), merged.missing_shards.len()) {
        (true, _) => format!("shard {shard} of {count} has no results"),
        (false, 1) => {
            format!("shard {shard} of {count} has no results: it has the members {names}")
        }
        (false, _) => {
            format!("shard {shard} of {count} has no results: the missing shards have the members {names}")
        }
    };
    let command: Vec<String> = results.command.iter().map(|word| shell_word(word)).collect();
    CommandError::new(ExitStatus::Input, message).coded(ErrorCode::ShardsDisagree).hint(format!(
        "run it again, and then `pack merge`: `{} --shard {shard}/{count} --results {shard}.json`",
        command.join(" ")
    ))
}

/// All members in figures, for stderr.
#[must_use]
pub fn total(merged: &MergedRun) -> String {
    let results = &merged.results;
    let mut parts = vec![format!("{} of {} shards", results.shards.done.len(), results.shards.count)];
    for end in MemberEnd::ALL {
        let count = results.members.iter().filter(|member| member.end == end).count();
        if count > 0 {
            parts.push(format!("{} {}", number(count as u64), end.as_str()));
        }
    }
    if !results.left_out.is_empty() {
        parts.push(format!("{} left out", number(results.left_out.len() as u64)));
    }
    if !merged.missing_members.is_empty() {
        parts.push(format!("{} missing", number(merged.missing_members.len() as u64)));
    }
    parts.push(format!("the longest shard {}", duration(results.elapsed)));
    parts.join(", ") + "\n"
}
