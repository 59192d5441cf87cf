//! Where the images of several members go.
//!
//! Each image has a name of its own in the store, in a registry and in an engine. A layout or an archive gets one for each
//! member: its path says where with `{name}`.

use super::super::super::error::CommandError;
use crate::types::location::Location;

/// The text that stands for the name of the member in the path of an output.
const NAME: &str = "{name}";

/// The outputs of the member `name`.
///
/// # Errors
/// When two members would be written to one place.
pub(super) fn outputs_of(outputs: &[&str], name: &str) -> Result<Vec<String>, CommandError> {
    outputs.iter().map(|output| output_of(output, name)).collect()
}

fn output_of(output: &str, name: &str) -> Result<String, CommandError> {
    let path = match Location::output(output)? {
        Location::OciLayout { dir, .. } => dir,
        Location::OciArchive { file, .. } | Location::DockerArchive { file, .. } => file,
        _ => return Ok(output.to_owned()),
    };
    if !path.to_string_lossy().contains(NAME) {
        let message = format!("`-o {output}` is one place for all members");
        let (word, rest) = output.split_once(':').unwrap_or((output, ""));
        let file = std::path::Path::new(rest);
        let each = match (file.parent(), file.file_name()) {
            (Some(parent), Some(last)) if word != "oci" => {
                parent.join(format!("{NAME}-{}", last.to_string_lossy()))
            }
            _ => std::path::Path::new(rest.split(':').next().unwrap_or_default()).join(NAME),
        };
        return Err(CommandError::usage(message)
            .hint(format!("give each a place of its own: write `-o {word}:{}`", each.display())));
    }
    Ok(output.replace(NAME, name))
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
        assert!(
            of("oci-archive:a/x.tar").is_err_and(|hint| hint.ends_with("`-o oci-archive:a/{name}-x.tar`"))
        );
    }
}
