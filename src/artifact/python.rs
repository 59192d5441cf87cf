//! Python applications: a virtual environment, or a directory filled by `pip install --target`.

/// Why a directory with the sorted `names` at its top is one.
pub(super) fn detect(names: &[Vec<u8>]) -> Option<Vec<String>> {
    if names.iter().any(|name| name == b"pyvenv.cfg") {
        return Some(vec!["It is a directory with `pyvenv.cfg`, a Python virtual environment.".to_owned()]);
    }
    let distributions = names.iter().filter(|name| name.ends_with(b".dist-info")).count();
    (distributions > 0).then(|| {
        let installed = super::count(distributions, "installed distribution", "installed distributions");
        vec![format!("It is a directory with {installed} (`*.dist-info`).")]
    })
}
