//! The name of the image in a new build file.

use super::super::super::args::InitArgs;

/// The name of the image: an example, unless it is given.
pub(super) fn name_of(args: &InitArgs) -> String {
    args.name.as_ref().map_or_else(|| "localhost:5000/example/app".to_owned(), ToString::to_string)
}
