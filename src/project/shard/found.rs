//! The shard that the variables of a CI system say.

use super::error::ShardError;
use super::share::Shard;
use super::system::CiSystem;

/// A shard, and the system that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundShard {
    /// The shard.
    pub shard: Shard,
    /// The system.
    pub system: CiSystem,
}

/// The shard that variables say; `None` if none of them is set. `count` is how many shards there are, where the user says
/// so.
///
/// # Errors
/// When variables contradict each other or `count`, are no numbers, or do not say enough.
pub fn found_shard(
    variable: impl Fn(&str) -> Option<String>,
    count: Option<u32>,
) -> Result<Option<FoundShard>, ShardError> {
    let mut found: Option<FoundShard> = None;
    for system in CiSystem::ALL {
        if system == CiSystem::Kubernetes && found.is_some() {
            break;
        }
        let Some(shard) = shard_of(system, &variable, count)? else { continue };
        if let Some(other) = found.replace(FoundShard { shard, system }) {
            return Err(ShardError::TwoSystems(other.system, system));
        }
    }
    Ok(found)
}

fn shard_of(
    system: CiSystem,
    variable: &impl Fn(&str) -> Option<String>,
    given: Option<u32>,
) -> Result<Option<Shard>, ShardError> {
    let number = |name: &'static str| match variable(name) {
        None => Ok(None),
        Some(text) => match text.parse::<u32>() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(number)),
            _ => Err(ShardError::Number { variable: name, text }),
        },
    };
    let index_name = system.index_variable();
    let index = number(index_name)?;
    let said = system.count_variable().map(number).transpose()?.flatten();
    let count_name = system.count_variable().unwrap_or("--shard");
    let count = match (said, given) {
        (Some(said), Some(given)) if said != given => {
            return Err(ShardError::OtherCount { variable: count_name, said, given });
        }
        (said, given) => said.or(given),
    };
    let (index, count) = match (index, count) {
        (None, _) if said.is_none() => return Ok(None),
        // GitLab says so of a job without `parallel`.
        (None, Some(1)) => return Ok(Some(Shard::new(1, 1)?)),
        (None, _) => return Err(ShardError::NoIndex { index: index_name, count: count_name }),
        (Some(_), None) => return Err(ShardError::NoCount(system)),
        (Some(index), Some(count)) => (index, count),
    };
    let wrong = || ShardError::Variables { system, index, count };
    let from_one = index.checked_add(1 - system.first()).ok_or_else(wrong)?;
    Shard::new(from_one, count).map(Some).map_err(|_| wrong())
}
