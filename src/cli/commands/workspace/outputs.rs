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
    if let Some(other) = other_variable(output) {
        let message = format!("`{other}` is no variable in the place of an output: `-o {output}`");
        let hint = match output.contains(NAME) {
            true => format!("`{NAME}`, the name of the member, is the only one"),
            false => format!("did you mean `{NAME}`, the name of the member?"),
        };
        return Err(CommandError::usage(message).hint(hint));
    }
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

/// The first part of an output that is written like a variable and is none.
fn other_variable(output: &str) -> Option<&str> {
    let is_word = |word: &str| {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        !word.is_empty() && word.chars().all(is_part)
    };
    output.match_indices('{').find_map(|(start, _)| {
        let end = start + output[start..].find('}')?;
        let variable = &output[start..=end];
        (variable != NAME && is_word(&output[start + 1..end])).then_some(variable)
    })
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
}
