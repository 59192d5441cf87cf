//! Names of releases: environments, numbers, the tags that both give, what a user writes, times and gates.

mod environment;
mod gate;
mod key;
mod name;
mod number;
mod time;

pub use environment::{EnvironmentName, EnvironmentNameError};
pub use gate::Gate;
pub use key::{ReleaseChoice, ReleaseId, ReleaseKey};
pub use name::{EnvironmentChoice, ReleaseName};
pub use number::ReleaseNumber;
pub use time::ReleaseTime;
