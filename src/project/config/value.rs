//! The values of a build file whose types carry their invariants.
//!
//! Each parses from the text that the user writes and says what is wrong with any other.

mod attest;
mod base;
mod capabilities;
mod check;
mod compression;
mod environment;
#[cfg(test)]
mod fixture;
mod names;
mod numbers;
mod paths;
mod pattern;
mod permissions;
mod policy;
mod ports;
mod process;
mod times;
mod webhook;
mod words;

pub use attest::SbomSetting;
pub use base::BaseSetting;
pub use capabilities::CapabilityText;
pub use check::Justification;
pub use compression::{Buckets, CompressionSetting};
pub use names::MirrorAddress;
pub use numbers::{ByteSize, Count, Percent};
pub use paths::{DiskPath, ImagePath, LinkTarget, ShellPath, url_as_source, without_dots};
pub use pattern::{ImagePattern, MemberPattern, Pattern};
pub use permissions::{AccountName, AccountNumber, Mode, Owner, OwnerPart};
pub use policy::Age;
pub use ports::{Ports, exposed_ports};
pub use process::{Arguments, EnvName, EnvTable, EnvValue, Signal, User};
pub use times::{Mtime, Period};
pub use words::{AttestPlaceSetting, Format, KindName, Layout, SiblingSetting, StartSetting};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode::FromText as _;
    use super::*;

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,20}|[0-9a-z:/.+-]{0,12}") {
            let _ = Mode::from_text(&text);
            let _ = Owner::from_text(&text);
            let _ = Period::from_text(&text);
            let _ = Ports::from_text(&text);
            let _ = CompressionSetting::from_text(&text);
            let _ = ImagePath::from_text(&text);
            let _ = Pattern::from_text(&text);
            let _ = User::from_text(&text);
            let _ = Signal::from_text(&text);
            let _ = SbomSetting::from_text(&text);
        }
    }
}
