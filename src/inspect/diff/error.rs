//! Why images cannot be compared, once their layers are read.

use crate::runtime::budget::OverBudget;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// The images are too much to compare.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TooMuchToCompare(#[from] OverBudget);

impl Explain for TooMuchToCompare {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::LimitReached)
    }

    fn hint(&self) -> Option<String> {
        Some("`--platform` compares the images of one platform alone".to_owned())
    }
}
