//! `pack schema`.

use super::super::args::SchemaArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::schemas::SCHEMAS;
use crate::types::error::nearest;
use crate::types::shown::Foreign;

/// Prints a schema, or the names of all.
///
/// # Errors
/// When there is none of this name.
pub(super) fn run(invocation: &Invocation, args: &SchemaArgs) -> Result<(), CommandError> {
    let names: Vec<&str> = SCHEMAS.iter().map(|schema| schema.name).collect();
    if args.name.is_empty() {
        invocation.printer.result(names.join("\n"));
        return Ok(());
    }
    let name = args.name.join(" ");
    let Some(schema) = SCHEMAS.iter().find(|schema| schema.name == name) else {
        let message = format!("there is no schema `{}`", Foreign::new(&name));
        let hint = match nearest(&name, names) {
            Some(near) => format!("did you mean `pack schema {near}`?"),
            None => "`pack schema` lists the names".to_owned(),
        };
        return Err(CommandError::new(ExitStatus::Usage, message).hint(hint));
    };
    invocation.printer.raw(schema.text.as_bytes());
    Ok(())
}
