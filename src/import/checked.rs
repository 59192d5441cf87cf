//! The text of a new build file, as `pack` takes it: a value that `pack` would refuse is left out, and a remark tells it.

use super::draft::{BuildFileDraft, Imported};
use super::error::ImportError;
use super::remark::Remark;
use crate::project::config::{BUILD_FILE, RefusedSetting, SettingStep, refused_settings};
use crate::types::shown::Foreign;

/// The most values that are left out. More are none that a person wrote.
const MOST: usize = 100;
/// The most characters of a reason.
const LONGEST: usize = 300;
/// The most times that the text is read: a rule about several values may be broken once others are gone.
const MOST_ROUNDS: usize = 32;

/// A build file that is written, and what to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBuildFile {
    /// The text.
    pub text: String,
    /// In the order of their lines.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// The file for the image `name`.
    ///
    /// # Errors
    /// When more of it is refused than a person writes.
    pub fn into_file(self, name: &str) -> Result<NewBuildFile, ImportError> {
        let Self { mut draft, mut remarks } = self;
        let before = remarks.len();
        let mut name = Some(name);
        for _ in 0..MOST_ROUNDS {
            let refused = refused_settings(&draft.render(name, &[]), MOST + 1);
            if remarks.len() - before + refused.len() > MOST {
                let what = "values that a build file does not take";
                return Err(ImportError::TooMuch { line: 1, what, most: "100" });
            }
            let parts = remarks.len();
            leave_out(&mut draft, &mut name, &refused, &mut remarks);
            if parts == remarks.len() {
                break;
            }
        }
        remarks.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        remarks.dedup();
        Ok(with_rest(&draft, name, remarks))
    }
}

/// Leaves refused values out of the draft, from the last to the first so that the numbers of the others stay.
fn leave_out(
    draft: &mut BuildFileDraft,
    name: &mut Option<&str>,
    refused: &[RefusedSetting],
    remarks: &mut Vec<Remark>,
) {
    let mut gone: Option<&[SettingStep]> = None;
    for RefusedSetting { path, why, .. } in refused.iter().rev() {
        if gone.is_some_and(|gone| path.starts_with(gone)) {
            continue;
        }
        if is_name(path) && name.is_some() {
            *name = None;
            remarks.push(Remark::left(1, format!("`name` is left out: {}", beginning(why))));
            continue;
        }
        let Some(left) = draft.leave_out(path) else { continue };
        let text = format!("{} is left out: {}", beginning(&left.what), beginning(why));
        let line = left.line.unwrap_or_else(|| 1.into());
        remarks
            .push(Remark { file: line.file.as_deref().map(str::to_owned), ..Remark::left(line.line, text) });
        gone = path.get(..left.steps);
    }
}

fn is_name(path: &[SettingStep]) -> bool {
    let step =
        |number: usize, key: &str| matches!(path.get(number), Some(SettingStep::Key(own)) if own == key);
    step(0, "image") && step(1, "name")
}

/// The beginning of a long text that has words of the description in it.
fn beginning(text: &str) -> String {
    Foreign::short(text, LONGEST).to_string()
}

/// The text with all remarks. A fault that is no value of the draft is told by its line in the new file, which has one line more
/// for each line of a remark.
fn with_rest(draft: &BuildFileDraft, name: Option<&str>, mut remarks: Vec<Remark>) -> NewBuildFile {
    let rest = refused_settings(&draft.render(name, &[]), MOST);
    let own = remarks.len();
    let told = |refused: &RefusedSetting| Remark {
        file: Some(BUILD_FILE.to_owned()),
        ..Remark::left(refused.line, format!("`pack` refuses this: {}", beginning(&refused.why)))
    };
    remarks.extend(rest.iter().map(told));
    let without = draft.render(name, &[]).lines().count();
    // The width of a number may change the lines of a remark.
    for _ in 0..3 {
        let added = draft.render(name, &remarks).lines().count() - without;
        for (remark, refused) in remarks[own..].iter_mut().zip(&rest) {
            remark.line = refused.line + added;
        }
    }
    NewBuildFile { text: draft.render(name, &remarks), remarks }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::remark::Weight;
    use super::super::{ImportSurroundings, dockerfile};
    use super::*;
    use crate::types::shown::is_active;

    fn import(text: &str) -> Result<Imported, ImportError> {
        let none = ImportSurroundings::NONE;
        dockerfile::read(text, None, &none)
    }

    fn left(remarks: &[Remark]) -> Vec<(usize, &str)> {
        let left = remarks.iter().filter(|remark| remark.weight == Weight::Left);
        left.map(|remark| (remark.line, remark.text.as_str())).collect()
    }

    #[test]
    fn a_value_that_pack_refuses_is_left_out_and_told_with_its_line() {
        let text = "FROM a\nUSER a b\nLABEL \"\"=x\nVOLUME / /data\nCOPY --chown=:5 a /x\nHEALTHCHECK --timeout=1us --interval=0s CMD a\nSTOPSIGNAL FOO\n\
                    RUN useradd -u 4294967295 big\nENV =x A=b\n";
        let file = import(text).expect("a Dockerfile").into_file("localhost/app").expect("written");
        let lines: Vec<usize> = left(&file.remarks).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9], "{:#?}", file.remarks);
        insta::assert_snapshot!(file.text.split_once("[image]").expect("a table").1, @r##"

        name = "localhost/app"
        base = "a"

        [[layer]]
        name = "x"
        files = [{ from = "a", to = "/x" }]

        [config]
        env = { A = "b" }
        volumes = ["/data"]
        healthcheck = { cmd = "a" }
        "##);
        assert_eq!(refused_settings(&file.text, 9), []);
    }

    #[test]
    fn values_of_docker_are_written_as_a_build_file_has_them() {
        let text = "FROM a\nHEALTHCHECK --interval=0s --start-period=0 --timeout=1.5h --retries=0 CMD a\nSTOPSIGNAL int\nUSER 1000:\n";
        let file = import(text).expect("a Dockerfile").into_file("localhost/app").expect("written");
        assert_eq!(left(&file.remarks), []);
        for line in ["{ cmd = \"a\", timeout = \"1h30m\" }", "stop-signal = \"SIGINT\"", "user = \"1000\""] {
            assert!(file.text.contains(line), "{line}: {}", file.text);
        }
    }

    #[test]
    fn a_name_and_too_many_layers_and_values_are_told() {
        let name = import("FROM a\n").expect("one").into_file("A B").expect("written");
        assert!(name.text.contains("# name = ") && left(&name.remarks).len() == 1, "{name:?}");
        let many: String = (0..200).map(|number| format!("COPY a{number} /x{number}/y\n")).collect();
        let many = import(&format!("FROM a\n{many}")).expect("one").into_file("a").expect("written");
        assert_eq!(many.text.matches("\n[[layer]]").count(), 127);
        assert!(left(&many.remarks)[0].1.contains("with 72 after it"), "{:?}", many.remarks);
        assert_eq!(left(&many.remarks)[0].0, 129);
        let wrong: String = (0..200).map(|number| format!("VOLUME a{number}\\0b\n")).collect();
        let wrong = format!("FROM a\n{}", wrong.replace("\\0", "\0"));
        let error = import(&wrong).expect("one").into_file("a");
        assert!(matches!(error, Err(ImportError::TooMuch { .. })), "{error:?}");
    }

    #[test]
    fn active_characters_are_written_as_escapes() {
        let text =
            "FROM a\nLABEL a=\"x\u{202e}y\u{9b}z\u{85}\" b=\u{e0041}\nRUN echo \u{202e}\nUSER \u{9b} x\n";
        let file = import(text).expect("a Dockerfile").into_file("localhost/app").expect("written");
        let is_line = |letter: char| letter == '\n';
        assert!(!file.text.chars().any(|letter| is_active(letter) && !is_line(letter)), "{}", file.text);
        assert!(
            file.text.contains("a = \"x\\u202Ey\\u009Bz\\u0085\"") && file.text.contains("\\U000E0041"),
            "{}",
            file.text
        );
    }

    /// Values that are odd in one place or another.
    fn odd() -> impl Strategy<Value = String> {
        let words = [
            "",
            "\"\"",
            "0",
            "0s",
            "-1s",
            "1.5h",
            "1us",
            "99999999999h",
            "1000:",
            ":5",
            ":",
            "a:b:c",
            "/",
            ".",
            "..",
            "a",
            "b",
            "a b",
            "{x}",
            "{git.x}",
            "\u{202e}",
            "\u{0}",
            "\u{9b}",
            "\u{7f}",
            "$HOME",
            "%",
            "'",
            "\"",
            "é",
            "SIGX",
            "INT",
            "rtmin+3",
            "a=b",
            "=x",
            "=",
            "[\"\"]",
            "[]",
            "[\"CMD\", \"a\"]",
            "4294967295",
            "https://a/b",
            "a/../../b",
            "0999",
            "7777777",
            "*",
            "[a",
            "/a//b/",
        ];
        prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,12}"]
    }

    fn instruction() -> impl Strategy<Value = String> {
        let forms = [
            "USER X",
            "LABEL X=Y",
            "LABEL X Y",
            "ENV X=Y",
            "ENV X Y",
            "VOLUME X Y",
            "VOLUME [\"X\", \"Y\"]",
            "STOPSIGNAL X",
            "EXPOSE X",
            "HEALTHCHECK --interval=X --timeout=Y CMD Z",
            "HEALTHCHECK --start-period=X --retries=3 CMD [\"Y\", \"Z\"]",
            "WORKDIR X",
            "COPY X Y",
            "COPY X Y Z/",
            "COPY --chown=X Y Z",
            "COPY --chmod=X Y Z",
            "COPY --exclude=X Y Z",
            "COPY --from=b X Y",
            "ENTRYPOINT X",
            "ENTRYPOINT [\"X\", \"Y\"]",
            "CMD X",
            "RUN mkdir X Y",
            "RUN useradd -u X -d Y Z",
            "RUN groupadd -g X Y",
            "RUN ln -sf X Y",
            "RUN mkdir -p /d && chown -R X /d && chmod Y /d",
            "FROM X",
            "FROM --platform=X a",
            "FROM a AS b",
            "ARG X=Y",
            "MAINTAINER X",
            "SHELL [\"X\"]",
        ];
        (proptest::sample::select(forms.to_vec()), odd(), odd(), odd())
            .prop_map(|(form, x, y, z)| form.replace('X', &x).replace('Y', &y).replace('Z', &z))
    }

    proptest! {
        #[test]
        fn no_value_is_refused_without_a_word(lines in proptest::collection::vec(instruction(), 0..10)) {
            let text = format!("FROM base\n{}\n", lines.join("\n"));
            let Ok(imported) = import(&text) else { return Ok(()) };
            let before = refused_settings(&imported.draft.render("localhost/app", &[]), 100);
            let told = left(&imported.remarks).len();
            let Ok(file) = imported.into_file("localhost/app") else { return Ok(()) };
            prop_assert_eq!(refused_settings(&file.text, 100), vec![], "{}\n{}", text, file.text);
            let more = left(&file.remarks).len() > told;
            prop_assert!(before.is_empty() || more, "{}\n{}", text, file.text);
            prop_assert!(!file.text.chars().any(|letter| letter != '\n' && is_active(letter)));
        }
    }
}
