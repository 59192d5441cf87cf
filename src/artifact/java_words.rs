//! The words behind `java`: what it runs, and whether its classes may come from elsewhere.

/// Something that Java runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JavaRun<'a> {
    /// A jar.
    Jar(&'a str),
    /// A class.
    Class {
        /// Its name with its package.
        name: &'a str,
        /// The class path in the words; `None` where they have none.
        class_path: Option<&'a str>,
    },
}

/// Options whose value may be the next word.
const WITH_VALUE: [&str; 13] = [
    "-cp",
    "-classpath",
    "-p",
    "--add-exports",
    "--add-modules",
    "--add-opens",
    "--add-reads",
    "--class-path",
    "--enable-native-access",
    "--limit-modules",
    "--module-path",
    "--patch-module",
    "--upgrade-module-path",
];

/// Those of them that name the class path.
const CLASS_PATH: [&str; 3] = ["-cp", "-classpath", "--class-path"];

/// Options with which it runs no class of the class path.
const WITHOUT_CLASS: [&str; 19] = [
    "-?",
    "-X",
    "-d",
    "-fullversion",
    "-h",
    "-help",
    "-m",
    "-version",
    "--describe-module",
    "--dry-run",
    "--full-version",
    "--help",
    "--help-extra",
    "--list-modules",
    "--module",
    "--source",
    "--validate-modules",
    "--version",
    "--disable-@files",
];

/// Options that stand alone and have a doubled dash.
const ALONE: [&str; 2] = ["--enable-preview", "--show-version"];

/// The beginnings of options with which classes may come from elsewhere, or more options from a file.
const ELSEWHERE: [&str; 13] = [
    "-agentpath:",
    "-javaagent:",
    "-Xbootclasspath",
    "-Djava.class.path",
    "-Djava.system.class.loader",
    "-XX:Flags=",
    "-XX:VMOptionsFile",
    "-XX:+ReadVMOptionsFile",
    "-p",
    "--class-path=",
    "--module-path",
    "--patch-module",
    "--upgrade-module-path",
];

/// Packages of Java itself.
const OF_JAVA: [&str; 5] = ["java.", "javax.", "jdk.", "sun.", "com.sun."];

/// The jar or class that the words behind `java` have it run; `None` where they do not tell.
#[must_use]
pub(super) fn run_by_java<'a>(words: &[&'a str]) -> Option<JavaRun<'a>> {
    let (mut class_path, mut is_jar, mut is_elsewhere) = (None, false, false);
    let mut at = 0;
    while let Some(word) = words.get(at).copied() {
        if word.starts_with('@') {
            return None;
        }
        if !word.starts_with('-') {
            return program(word, class_path, is_jar, is_elsewhere);
        }
        let name = word.split('=').next().unwrap_or(word);
        if WITHOUT_CLASS.contains(&name) {
            return None;
        }
        if let Some(list) = word.strip_prefix("--class-path=") {
            class_path = Some(list);
        } else {
            is_elsewhere |= is_from_elsewhere(word);
        }
        let has_value = WITH_VALUE.contains(&word);
        if has_value && CLASS_PATH.contains(&word) {
            class_path = words.get(at + 1).copied();
        }
        is_jar |= word == "-jar";
        // An option of a later Java may have a value behind it.
        if word.starts_with("--") && !has_value && !word.contains('=') && !ALONE.contains(&word) {
            return None;
        }
        at += if has_value { 2 } else { 1 };
    }
    None
}

fn program<'a>(
    word: &'a str,
    class_path: Option<&'a str>,
    is_jar: bool,
    is_elsewhere: bool,
) -> Option<JavaRun<'a>> {
    if is_jar {
        return Some(JavaRun::Jar(word));
    }
    // A file with the source of a program is compiled and run; modules of Java have classes that no class path has.
    let is_certain =
        !is_elsewhere && !word.ends_with(".java") && !OF_JAVA.iter().any(|of| word.starts_with(of));
    is_certain.then_some(JavaRun::Class { name: word, class_path })
}

fn is_from_elsewhere(option: &str) -> bool {
    ELSEWHERE.iter().any(|start| option.starts_with(start))
}

/// Whether the options in a variable, such as `JAVA_TOOL_OPTIONS`, may change where classes come from.
#[must_use]
pub fn java_options_change_classes(options: &str) -> bool {
    let mut words =
        options.split(|character: char| character.is_whitespace() || matches!(character, '"' | '\''));
    words.any(|word| word.starts_with('@') || CLASS_PATH.contains(&word) || is_from_elsewhere(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_or_jar_is_behind_the_options() {
        let class = |name, class_path| Some(JavaRun::Class { name, class_path });
        for (words, expected) in [
            ("-jar app.jar -cp x", Some(JavaRun::Jar("app.jar"))),
            ("-Xmx1g -jar -Dx=y /app/app.jar", Some(JavaRun::Jar("/app/app.jar"))),
            ("-javaagent:a.jar -jar app.jar", Some(JavaRun::Jar("app.jar"))),
            ("-cp /app shop.Main x", class("shop.Main", Some("/app"))),
            ("-classpath a -cp b shop.Main", class("shop.Main", Some("b"))),
            ("--class-path=a:b shop/Main", class("shop/Main", Some("a:b"))),
            ("--add-opens java.base/java.lang=ALL-UNNAMED -ea Main", class("Main", None)),
            ("--add-modules=a --enable-preview -cp a Main", class("Main", Some("a"))),
            ("-agentlib:jdwp=server=y -cp a Main", class("Main", Some("a"))),
            // Nothing is certain of these.
            ("--new-option a Main", None),
            ("@options -jar app.jar", None),
            ("-javaagent:a.jar -cp a Main", None),
            ("-Xbootclasspath/a:x -cp a Main", None),
            ("-p mods -m shop/shop.Main", None),
            ("-p mods --add-modules shop shop.Main", None),
            ("--module=shop/shop.Main", None),
            ("-cp a com.sun.tools.javac.Main", None),
            ("Shop.java", None),
            ("--source 17 shop", None),
            ("-version", None),
            ("-cp", None),
            ("-jar", None),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(run_by_java(&words), expected, "{words:?}");
        }
    }

    #[test]
    fn options_of_variables_may_change_classes() {
        for changing in ["-Xmx1g -javaagent:/a.jar", "@/etc/options", "-cp /x", "'-Xbootclasspath/a:x'"] {
            assert!(java_options_change_classes(changing), "{changing}");
        }
        for keeping in ["", "-XX:MaxRAMPercentage=75 -Dfile.encoding=UTF-8", "-XX:+ExitOnOutOfMemoryError"] {
            assert!(!java_options_change_classes(keeping), "{keeping}");
        }
    }
}
