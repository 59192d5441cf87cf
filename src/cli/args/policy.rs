//! The arguments about findings of checks.

use std::str::FromStr as _;

use clap::Args;

use crate::project::config::AllowFlag;
use crate::types::check_policy::{AllowedRule, CheckPolicy};
use crate::types::finding::SettingPlace;

/// The arguments about findings of checks.
#[derive(Clone, Debug, Default, Args)]
pub struct PolicyArgs {
    /// Allow what a rule of the checks finds, for a reason that reports show; may be repeated
    #[arg(long = "allow", value_name = "RULE=WHY", value_parser = AllowFlag::from_str, help_heading = "Checks")]
    pub allow: Vec<AllowFlag>,

    /// Take warnings of the checks for errors, also those about what cannot be known
    #[arg(long, help_heading = "Checks")]
    pub strict: bool,
}

impl PolicyArgs {
    /// The policy, where no build file says more.
    #[must_use]
    pub fn policy(&self) -> CheckPolicy {
        let allowed = self.allow.iter().map(|flag| {
            let name = format!("--allow {}", flag.text());
            let place = Some(SettingPlace { name, line: None, column: None, bytes: 0..0 });
            (flag.rule, AllowedRule { why: flag.why.as_str().to_owned(), place })
        });
        CheckPolicy { allowed: allowed.collect(), is_strict: self.strict, ..CheckPolicy::default() }
    }
}
