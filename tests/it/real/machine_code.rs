//! Programs that a compiler made here, on a base of Debian: what does not start is refused, and what starts is not.

use std::path::Path;

use super::runtimes::{base, ready, started};
use super::scratch;
use super::tools::{Pack, line, run};

/// Compiles `source` with these options, in `directory`.
fn compiled(directory: &Path, source: &str, options: &str) {
    std::fs::write(directory.join("source.c"), source).expect("written");
    run(line(&format!("gcc -O1 source.c {options}")).current_dir(directory));
}

#[test]
fn a_program_that_needs_a_newer_c_library_is_refused() {
    let Some(inputs) = ready("runtimes/python") else { return };
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let base = base(&pack, &inputs, directory, "python");
    let program = directory.join("server");
    compiled(directory, "#include <stdio.h>\nint main() { puts(\"hello\"); }\n", "-o server");
    assert_eq!(started(&pack, directory, &base, &program), "hello\n");
    // A C library of the future, which the program is linked with.
    std::fs::write(directory.join("map"), "GLIBC_2.99 { global: future; };\n").expect("written");
    let options = "-shared -fPIC -nostdlib -Wl,--version-script=map -Wl,-soname,libc.so.6 -o libfuture.so";
    compiled(directory, "int future() { return 0; }\n", options);
    let future = "int future();\nint main() { return future(); }\n";
    let alone = "-nostdlib -Wl,-e,main -o server libfuture.so";
    compiled(directory, future, alone);
    let said =
        pack.run(&["build", program.to_str().expect("text"), "--base", &base, "--name", "localhost/app"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let message = "needs GLIBC_2.99 of `libc.so.6`, and the base's `/lib/x86_64-linux-gnu/libc.so.6` defines up to GLIBC_2.36";
    assert!(cfg!(not(target_arch = "x86_64")) || said.stderr.contains(message), "{said:?}");
    assert!(said.stderr.contains("use a base with glibc 2.99 or a later one"), "{said:?}");
}

#[test]
fn a_program_for_newer_processors_is_told() {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let directory = scratch();
    let directory = directory.path();
    let pack = Pack::new(&directory.join("home"));
    let program = directory.join("server");
    for (level, is_told) in [("x86-64-baseline", false), ("x86-64-v3", true)] {
        let options = format!("-static -nostdlib -Wl,-e,main -Wl,-z,{level} -o server");
        compiled(directory, "int main() { return 0; }\n", &options);
        let program = program.to_str().expect("text");
        let said = pack.run(&["plan", program, "--base", "scratch", "--name", "localhost/app"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let message = "starts only on processors of the level x86-64-v3, and the image is for linux/amd64";
        assert_eq!(said.stderr.contains(message), is_told, "{level}: {said:?}");
    }
}
