//! The name of the image in a new build file.

use super::super::super::args::InitArgs;

/// The name of the image: the given one, else that of the description, else an example.
pub(super) fn name_of(args: &InitArgs, own: Option<String>) -> String {
    let given = args.name.as_ref().map(ToString::to_string);
    given.or(own).unwrap_or_else(|| "localhost:5000/example/app".to_owned())
}
