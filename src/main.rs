//! The command line of `pack`; everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pack::main()
}
