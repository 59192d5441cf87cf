//! Paths of outputs with the variable `{name}`, the name of a member of a workspace.
//!
//! Each image has a name of its own in the store, in a registry and in an engine. A layout or an archive gets one for each
//! member: its path says where with `{name}`. Nothing else in braces is filled in, so it is refused instead of becoming a
//! directory of that name.

use std::path::Path;

use super::super::error::CommandError;
use crate::types::location::Location;
use crate::types::variable::{NAME, brace_word};

/// The outputs of the member `name`, one of several.
///
/// # Errors
/// When two members would be written to one place, or a variable is none.
pub(super) fn outputs_of(outputs: &[&str], name: &str) -> Result<Vec<String>, CommandError> {
    outputs.iter().map(|output| output_of(output, name)).collect()
}

/// The outputs of one image, which may be that of a member.
///
/// # Errors
/// When a variable is none, or the image is that of no member.
pub(super) fn outputs_of_one(outputs: &[&str], member: Option<&str>) -> Result<Vec<String>, CommandError> {
    let filled = |output: &&str| {
        if path_of(output)?.is_none() {
            return Ok((*output).to_owned());
        }
        match member {
            Some(name) => {
                check_variables(output)?;
                Ok(output.replace(NAME, name))
            }
            None => check_literal("-o", output).map(|()| (*output).to_owned()),
        }
    };
    outputs.iter().map(filled).collect()
}

/// Refuses variables in a place that knows none. `flag` says where it was written; it is empty for an argument.
///
/// # Errors
/// When there is one.
pub(super) fn check_literal(flag: &str, place: &str) -> Result<(), CommandError> {
    let Some(variable) = brace_word(place) else { return Ok(()) };
    let written = if flag.is_empty() { place.to_owned() } else { format!("{flag} {place}") };
    let (message, hint) = match variable == NAME {
        true => (
            format!("`{NAME}` in `{written}` is the name of a member of a workspace, and this is no member"),
            format!("write the name itself in the place of `{NAME}`"),
        ),
        false => (
            format!("`{variable}` is no variable in the place of an output: `{written}`"),
            format!("write a path without `{variable}`"),
        ),
    };
    Err(CommandError::usage(message).hint(hint))
}

fn output_of(output: &str, name: &str) -> Result<String, CommandError> {
    let Some(path) = path_of(output)? else { return Ok(output.to_owned()) };
    check_variables(output)?;
    if !path.contains(NAME) {
        let message = format!("`-o {output}` is one place for all members");
        let (word, rest) = output.split_once(':').unwrap_or((output, ""));
        let file = Path::new(rest);
        let each = match (file.parent(), file.file_name()) {
            (Some(parent), Some(last)) if word != "oci" => {
                parent.join(format!("{NAME}-{}", last.to_string_lossy()))
            }
            _ => Path::new(rest.split(':').next().unwrap_or_default()).join(NAME),
        };
        return Err(CommandError::usage(message)
            .hint(format!("give each a place of its own: write `-o {word}:{}`", each.display())));
    }
    Ok(output.replace(NAME, name))
}

/// The path of an output that is a file or a directory.
fn path_of(output: &str) -> Result<Option<String>, CommandError> {
    Ok(match Location::output(output)? {
        Location::OciLayout { dir: path, .. }
        | Location::OciArchive { file: path, .. }
        | Location::DockerArchive { file: path, .. } => Some(path.to_string_lossy().into_owned()),
        _ => None,
    })
}

/// Refuses variables other than `{name}`.
fn check_variables(output: &str) -> Result<(), CommandError> {
    let rest = output.replace(NAME, "");
    let Some(other) = brace_word(&rest) else { return Ok(()) };
    let message = format!("`{other}` is no variable in the place of an output: `-o {output}`");
    let hint = match output.contains(NAME) {
        true => format!("`{NAME}`, the name of the member, is the only one"),
        false => format!("did you mean `{NAME}`, the name of the member?"),
    };
    Err(CommandError::usage(message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_a_place_of_its_own() {
        let of = |output| output_of(output, "cart").map_err(|error| error.hints.join(" "));
        assert_eq!(of("registry").as_deref(), Ok("registry"));
        assert_eq!(of("oci:out/{name}:1").as_deref(), Ok("oci:out/cart:1"));
        assert_eq!(of("oci-archive:{name}.tar").as_deref(), Ok("oci-archive:cart.tar"));
        assert!(of("oci:out").is_err_and(|hint| hint.ends_with("write `-o oci:out/{name}`")));
        for output in
            ["oci:out/{nam}", "oci:out/{member}:1", "oci-archive:{Name}.tar", "docker-archive:{git.branch}"]
        {
            assert!(of(output).is_err_and(|hint| hint.starts_with("did you mean `{name}`")), "{output}");
        }
        assert!(of("oci:out/{nam}/{name}").is_err_and(|hint| hint.ends_with("is the only one")));
        assert_eq!(of("oci:out/{}/{a b}/{name}").as_deref(), Ok("oci:out/{}/{a b}/cart"));
        assert!(
            of("oci-archive:a/x.tar").is_err_and(|hint| hint.ends_with("`-o oci-archive:a/{name}-x.tar`"))
        );
    }

    #[test]
    fn one_image_has_no_variable_and_a_member_has_its_name() {
        let of = |output: &str, member| {
            let filled = outputs_of_one(&[output], member).map(|mut outputs| outputs.remove(0));
            filled.map_err(|error| format!("{} | {}", error.chain.join(": "), error.hints.join(" ")))
        };
        for output in ["registry", "docker", "oci:out:1", "oci-archive:a/{}/{b c}.tar"] {
            assert_eq!(of(output, None).as_deref(), Ok(output));
            assert_eq!(of(output, Some("cart")).as_deref(), Ok(output));
        }
        assert_eq!(of("oci:out/{name}:1", Some("cart")).as_deref(), Ok("oci:out/cart:1"));
        assert!(of("oci:out/{nam}", Some("cart")).is_err_and(|text| text.contains("did you mean `{name}`")));
        for output in ["oci:out/{name}", "oci-archive:{name}.tar", "docker-archive:{name}/x.tar"] {
            assert!(of(output, None).is_err_and(|text| text.contains("this is no member | write the name")));
        }
        assert!(of("oci:out/{nam}", None).is_err_and(|text| text.ends_with("write a path without `{nam}`")));
    }
}
