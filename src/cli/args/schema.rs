//! `pack schema`.

use clap::Args;

const HELP: &str = "\
Examples:
  pack schema                    The names of all schemas
  pack schema cache info         Of what `pack cache info --json` prints
  pack schema build.toml > build.schema.json
      For editors: write `#:schema ./build.schema.json` into the first line of
      build.toml";

/// Print the JSON Schema of build.toml, or of what a command prints with --json
///
/// Editors complete and check the keys of build.toml with its schema. Without a name, the names of all schemas are
/// printed.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct SchemaArgs {
    /// `build.toml`, or the words of a command
    #[arg(value_name = "NAME")]
    pub name: Vec<String>,
}
