//! Settings of Jib as people write them.

use std::collections::BTreeMap;

use super::super::remark::Weight;
use super::*;

/// A description in a project of these files; a path that ends in a slash is a directory.
fn import(form: JibForm, path: &str, files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let is_directory = |path: &str| {
        files.keys().find_map(|name| (name.trim_end_matches('/') == path).then(|| name.ends_with('/')))
    };
    let read_file = |path: &str| files.get(path).map(|text| (*text).to_owned());
    let around = ImportSurroundings {
        is_directory: &is_directory,
        directories: &|_| None,
        read: &read_file,
        ignored: None,
    };
    read(form, files[path], path, &around)
}

fn shown(imported: &Imported) -> String {
    imported.draft.render("localhost/app", &imported.remarks)
}

fn lines_left(imported: &Imported) -> Vec<usize> {
    imported.remarks.iter().filter(|it| it.weight == Weight::Left).map(|it| it.line).collect()
}

/// A `pom.xml` with these settings of Jib and other parts.
fn pom(settings: &str, more: &str) -> String {
    format!(
        "<project>\n<artifactId>shop</artifactId><version>1.2</version>\n{more}\n<build><plugins><plugin><artifactId>jib-maven-plugin</artifactId>\n\
         <configuration>\n{settings}\n</configuration></plugin></plugins></build></project>\n"
    )
}

#[test]
fn settings_of_maven() {
    let text = pom(
        "<from><image>${base}</image><platforms><platform><architecture>arm64</architecture><os>linux</os></platform></platforms></from>
<to><image>registry.example.com/shop:${project.version}</image><tags><tag>latest</tag><tag>${revision}</tag></tags></to>
<container><mainClass>a.Main</mainClass><jvmFlags><jvmFlag>-Xmx1g</jvmFlag><jvmFlag>-Da=b c</jvmFlag></jvmFlags><args>one,two</args>
<environment><A>1</A><B>${other}</B></environment><ports><port>8080</port><port>53/udp</port></ports>
<labels><key>x {y}</key></labels><user>1000:1000</user><workingDirectory>/work</workingDirectory><volumes><volume>/data</volume></volumes>
<appRoot>/srv</appRoot><creationTime>USE_CURRENT_TIMESTAMP</creationTime><format>OCI</format><other>1</other></container>
<extraDirectories><paths>src/extra</paths><permissions><permission><file>/run.sh</file><mode>755</mode></permission></permissions></extraDirectories>
<pluginExtensions><pluginExtension/></pluginExtensions>",
        "<properties><base>example.com/java:17</base></properties>",
    );
    let imported =
        import(JibForm::Maven, "pom.xml", &[("pom.xml", &text), ("src/extra/", "")]).expect("settings");
    let written = shown(&imported);
    for line in [
        "base = \"example.com/java:17\"",
        "tags = [\"1.2\", \"latest\"]",
        "platforms = [\"linux/arm64\"]",
        "# `mvn package` makes the artifact.\npath = \"target/shop-1.2.jar\"\nroot = \"/srv\"",
        "env = { A = \"1\", JDK_JAVA_OPTIONS = \"-Xmx1g\" }",
        "ports = [8080, \"53/udp\"]",
        "volumes = [\"/data\"]",
        "user = \"1000:1000\"",
        "workdir = \"/work\"",
        "cmd = [\"one\", \"two\"]",
        "labels = { key = \"x {{y}}\" }",
        "files = [{ from = \"src/extra\", to = \"/\" }]\npermissions = [{ path = \"/run.sh\", mode = \"0755\" }]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    assert_eq!(imported.draft.name.as_deref(), Some("registry.example.com/shop"));
    // A property from elsewhere, a blank, another one, a setting that is not known, an extension.
    assert_eq!(lines_left(&imported), [7, 8, 9, 11, 13]);
}

#[test]
fn settings_of_parents_and_profiles() {
    let parent = "<project><artifactId>all</artifactId><version>3</version><properties><java.version>17</java.version><reg>r.example</reg></properties>
<build><pluginManagement><plugins><plugin><artifactId>jib-maven-plugin</artifactId><configuration>
<to><image>${reg}/${project.artifactId}</image></to>
<container><ports><port>1</port></ports><user>${unknown}</user></container></configuration></plugin></plugins></pluginManagement></build></project>";
    let own = "<project><parent><artifactId>all</artifactId><version>3</version></parent><artifactId>web</artifactId>
<profiles><profile><id>a</id><activation><activeByDefault>true</activeByDefault></activation><properties><reg>q.example</reg></properties></profile>
<profile><id>b</id><build><plugins><plugin><artifactId>jib-maven-plugin</artifactId><configuration/></plugin></plugins></build></profile></profiles>
<build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin><plugin><artifactId>jib-maven-plugin</artifactId><configuration><container><ports><port>2</port></ports></container></configuration></plugin></plugins></build></project>";
    let imported = import(JibForm::Maven, "web/pom.xml", &[("pom.xml", parent), ("web/pom.xml", own)])
        .expect("settings");
    assert_eq!(imported.draft.name.as_deref(), Some("q.example/web"));
    assert_eq!(imported.draft.config.ports, ["2"]);
    assert_eq!(imported.draft.apps[0].path, "web/target/web-3.jar");
    assert_eq!(imported.draft.base.as_deref(), Some("eclipse-temurin:17-jre"));
    let left: Vec<String> =
        imported.remarks.iter().filter(|it| it.weight == Weight::Left).map(ToString::to_string).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].starts_with("line 3: the profile `b`"), "{left:?}");
    assert!(left[1].starts_with("`pom.xml`, line 4: the value of `container.user`"), "{left:?}");
    assert!(!imported.remarks.iter().any(|it| it.text.contains("Class-Path")));
}

#[test]
fn settings_of_gradle() {
    let groovy = "// jib { from.image = 'no' }
plugins { id 'application'; id \"com.google.cloud.tools.jib\" version '3' }
def tag = '1.0'
version = \"2.0\"
jib {
  from { image = 'example.com/java:21'
    platforms { platform { architecture = 'arm64'; os = 'linux' }
                platform { architecture = 'amd64'; os = 'linux' } } }
  to { image = \"example.com/shop:$tag\"
       tags = [version, \"${project.version}-x\", System.getenv('TAG')]
       auth { username = 'a' } }
  container {
    jvmFlags = ['-Xms1g', '-Dv=' + version]
    ports = ['8080']
    environment = [A: 'b', 'C': \"d\"]
    labels.set(['x': 'y'])
    if (project.hasProperty('z')) { user = 'root' }
    mainClass 'a.Main'
    creationTime = project.provider { 'x' }
  }
  extraDirectories {
    paths { path { from = file('src/one'); into = '/one'; includes = ['*.txt'] } }
    permissions = ['/one/a.txt': '600']
  }
}
jib.container.user = '7'
";
    let files =
        [("build.gradle", groovy), ("settings.gradle", "rootProject.name = 'shop'\n"), ("src/one/", "")];
    let imported = import(JibForm::Gradle, "build.gradle", &files).expect("settings");
    let written = shown(&imported);
    for line in [
        "base = \"example.com/java:21\"",
        "platforms = [\"linux/arm64\", \"linux/amd64\"]",
        "tags = [\"1.0\", \"2.0\", \"2.0-x\"]",
        "# `gradle installDist` makes the artifact.\npath = \"build/install/shop\"",
        "env = { A = \"b\", C = \"d\", JDK_JAVA_OPTIONS = \"-Xms1g\" }",
        "labels = { x = \"y\" }",
        "user = \"7\"",
        "files = [{ from = \"src/one\", to = \"/one\", include = [\"*.txt\"] }]\npermissions = [{ path = \"/one/a.txt\", mode = \"0600\" }]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    assert_eq!(lines_left(&imported), [10, 13, 17]);
    let kotlin = "plugins { id(\"org.springframework.boot\") }
kotlin { jvmToolchain(21) }
val name by extra(\"x\")
configure<Other> { }
jib {
    to.image = \"example.com/${name}\"
    container {
        args = listOf(\"a\", \"b\")
        environment = mapOf(\"A\" to \"b\", \"C\" to other())
        volumes.set(setOf(\"/v\"))
        setEntrypoint(listOf(\"run\"))
        ports.add(\"1\")
    }
}
tasks.named(\"jib\") { dependsOn(\"x\") }
";
    let imported = import(JibForm::Gradle, "app/build.gradle.kts", &[("app/build.gradle.kts", kotlin)])
        .expect("settings");
    let written = shown(&imported);
    for line in [
        "base = \"eclipse-temurin:21-jre\"",
        "path = \"app/build/libs/app-*.jar\"",
        "cmd = [\"a\", \"b\"]",
        "entrypoint = [\"run\"]",
        "volumes = [\"/v\"]",
        "env = { A = \"b\" }",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    assert_eq!(lines_left(&imported), [6, 9, 12]);
}

#[test]
fn build_files_of_the_command_line() {
    let text = "apiVersion: jib/v1alpha1
kind: BuildFile
from:
  image: example.com/nginx
  platforms: [{architecture: arm64, os: linux}]
environment: {A: \"1\", B: \"${b}\"}
exposedPorts: [80, \"53/udp\"]
entrypoint: [\"/run\"]
cmd: [a]
creationTime: 2000
layers:
  properties: {filePermissions: \"640\", directoryPermissions: \"750\"}
  entries:
  - name: my files
    files:
    - {src: dist/, dest: /srv/www/, excludes: [\"**/*.map\"]}
    - {src: run.sh, dest: /run, properties: {filePermissions: 755, user: 7}}
    - {src: \"${x}\", dest: /x}
more: 1
";
    let imported =
        import(JibForm::BuildFile, "jib.yaml", &[("jib.yaml", text), ("dist/", "")]).expect("settings");
    let written = shown(&imported);
    for line in [
        "base = \"example.com/nginx\"\nplatforms = [\"linux/arm64\"]",
        "name = \"my-files\"",
        "{ from = \"dist\", to = \"/srv/www\", exclude = [\"**/*.map\"], mode = \"0640\" }",
        "{ from = \"run.sh\", to = \"/run\", mode = \"0755\", owner = \"7:0\" }",
        "env = { A = \"1\" }",
        "entrypoint = [\"/run\"]\ncmd = [\"a\"]",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    assert_eq!(lines_left(&imported), [6, 18, 19]);
}

#[test]
fn files_without_settings_are_refused() {
    for (form, text) in [
        (JibForm::Maven, "<project/>"),
        (JibForm::Maven, "project"),
        (JibForm::Gradle, "plugins { }\ntasks.jib.dependsOn x\n"),
    ] {
        assert!(import(form, "x", &[("x", text)]).is_err(), "{text}");
    }
}

/// Small files that would fill memory or take for ever.
#[test]
fn hostile_files_cost_little() {
    let laughs = (1..60).map(|n| format!("<a{n}>${{a{p}}}${{a{p}}}</a{n}>", p = n - 1)).collect::<String>();
    let text = pom(
        "<to><image>${a59}</image></to><from><image>${loop}</image></from>",
        &format!("<properties><a0>xxxxxxxx</a0><loop>${{loop}}x</loop>{laughs}</properties>"),
    );
    let imported = import(JibForm::Maven, "pom.xml", &[("pom.xml", &text)]).expect("settings");
    assert!(shown(&imported).len() < 1 << 20);
    let parent = "<project><parent><artifactId>a</artifactId><relativePath>pom.xml</relativePath></parent><artifactId>a</artifactId></project>";
    assert!(import(JibForm::Maven, "pom.xml", &[("pom.xml", parent)]).is_err());
    for text in [
        format!("jib {{ {}", "a { ".repeat(100_000)),
        format!("jib {{ a = {}", "[".repeat(100_000)),
        format!("jib {{ {} }}", "a = 1\n".repeat(100_000)),
    ] {
        assert!(import(JibForm::Gradle, "build.gradle", &[("build.gradle", &text)]).is_err());
    }
    for text in [format!("jib {}", "{".repeat(100_000)), format!("jib{}", ".a".repeat(100_000))] {
        let imported = import(JibForm::Gradle, "build.gradle", &[("build.gradle", &text)]).expect("settings");
        assert_eq!(lines_left(&imported).len(), 2);
    }
    for text in
        ["jib { \"", "jib {", "jib.", "jib { ) ] }", "jib { a = b c d } }", "jib { a('x' }", "jib { $ }"]
    {
        let _ = import(JibForm::Gradle, "build.gradle", &[("build.gradle", text)]);
    }
}

#[test]
fn files_of_the_project_that_are_applied_count_where_they_are_applied() {
    let main = "plugins { id 'org.springframework.boot' }\nversion = '2'\njib.container.user = '1'\napply from: 'gradle/docker.gradle'\njib.container.workingDirectory = '/w'\n";
    let docker = "apply plugin: 'x'\njib {\n container { user = '7'; args = ['a', who()]; workingDirectory = '/z' }\n to.image = \"localhost/shop:$version\"\n}\napply(from = \"$rootDir/gradle/more.gradle\")\napply from: 'build.gradle'\n";
    let more = "jib { from { image = 'example.com/base' } }\n";
    let files = [("build.gradle", main), ("gradle/docker.gradle", docker), ("gradle/more.gradle", more)];
    let imported = import(JibForm::Gradle, "build.gradle", &files).expect("settings");
    let written = shown(&imported);
    for line in ["user = \"7\"", "workdir = \"/w\"", "base = \"example.com/base\"", "tags = [\"2\"]"] {
        assert!(written.contains(line), "{line}: {written}");
    }
    let left: Vec<_> = imported.remarks.iter().filter(|it| it.weight == Weight::Left).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].file.as_deref(), left[0].line), (Some("gradle/docker.gradle"), 3));
}

#[test]
fn an_applied_file_that_is_not_read_is_told_with_its_line() {
    let lines = [
        "apply from: 'missing.gradle'",
        "apply from: 'https://example.com/docker.gradle'",
        "apply from: '../../out.gradle'",
        "apply from: '/etc/out.gradle'",
        "apply from: dir + '/docker.gradle'",
        "apply from: \"$dir/docker.gradle\"",
        "apply { from 'missing.gradle' }",
        "apply(from = \"missing.gradle\")",
        "apply from: rootProject.file('missing.gradle')",
        "apply from: file('missing.gradle')",
        "apply { plugin 'y'; from uri('x') }",
    ];
    for line in lines {
        let text = format!("{line}\njib {{ from.image = 'a' }}\n");
        let imported =
            import(JibForm::Gradle, "app/build.gradle", &[("app/build.gradle", &text)]).expect(line);
        let left: Vec<_> = imported.remarks.iter().filter(|it| it.weight == Weight::Left).collect();
        assert_eq!(left.iter().map(|it| it.line).collect::<Vec<_>>(), [1], "{line}: {left:?}");
        assert!(left[0].text.contains("is not read, because"), "{left:?}");
    }
    for plugin in
        ["apply plugin: 'java'", "apply(plugin = \"java\")", "x.apply(from)", "apply { plugin 'x' }"]
    {
        let text = format!("{plugin}\njib {{ from.image = 'a' }}\n");
        let imported = import(JibForm::Gradle, "build.gradle", &[("build.gradle", &text)]).expect(plugin);
        assert_eq!(lines_left(&imported), [] as [usize; 0], "{plugin}");
    }
    // Files that apply each other, and many of them.
    let names: Vec<String> = (0..40).map(|number| format!("{number}.gradle")).collect();
    let texts: Vec<String> =
        (0..40).map(|number| format!("apply from: '{}.gradle'\n", (number + 1) % 40)).collect();
    let all: String = names.iter().map(|name| format!("apply from: '{name}'\n")).collect();
    let main = format!("{all}jib {{ from.image = 'a' }}\n");
    let mut files: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    files.push(("build.gradle", &main));
    let imported = import(JibForm::Gradle, "build.gradle", &files).expect("settings");
    assert!(imported.remarks.iter().any(|it| it.text.contains("16 files are the most")));
}

#[test]
fn values_of_the_wrong_type_in_a_build_file_of_jib_are_told() {
    let left = |settings: &str| {
        let text = format!("kind: BuildFile\n{settings}\n");
        let files = [("jib.yaml", text.as_str()), ("dist/", "")];
        let imported = import(JibForm::BuildFile, "jib.yaml", &files).expect(settings);
        lines_left(&imported)
    };
    for wrong in [
        "from: [a]",
        "from: {image: a, <<: {image: b}}",
        "from: {image: a, platforms: {os: linux}}",
        "from: {image: a, platforms: [{os: linux, variant: v7}]}",
        "environment: [A=b]",
        "environment: {A: [b]}",
        "environment: {<<: {A: b}}",
        "labels: a",
        "volumes: /a",
        "volumes: {a: /b}",
        "exposedPorts: 8080",
        "entrypoint: java",
        "entrypoint: true",
        "cmd: [a, null]",
        "cmd: [a, [b]]",
        "cmd: !x [a]",
        "user: [a]",
        "layers: [a]",
        "layers: {entries: {name: a}}",
        "layers: {entries: [a]}",
        "layers: {entries: [{name: a, archive: b}]}",
        "layers: {entries: [{name: [a]}]}",
        "layers: {properties: [a]}",
        "layers: {properties: {other: a}}",
        "layers: {properties: {user: [a]}, entries: [{files: [{src: a, dest: /b}]}]}",
        "layers: {entries: [{files: [{src: a, dest: /b, other: c}]}]}",
        "layers: {entries: [{files: [{src: dist, dest: /b, includes: a}]}]}",
        "layers: {entries: [{files: [{src: dist, dest: /b, properties: {filePermissions: 999}}]}]}",
        "x: &x {a: b}",
    ] {
        assert_eq!(left(wrong), [2], "{wrong}");
    }
    for right in [
        "user: null",
        "cmd: []",
        "labels: {}",
        "layers: {entries: [{files: [{src: dist, dest: /}]}]}",
        "environment: {A: 5, B: true, C: }",
    ] {
        assert_eq!(left(right), [] as [usize; 0], "{right}");
    }
    let text = "kind: BuildFile\nlabels: &l {a: b}\nenvironment: *l\n---\nkind: BuildFile\n";
    let imported = import(JibForm::BuildFile, "jib.yaml", &[("jib.yaml", text)]).expect("YAML");
    assert_eq!(lines_left(&imported), [3, 5]);
    let root = "kind: BuildFile\nuser: a b\nlayers: {entries: [{files: [{src: dist, dest: /, properties: {user: x y}}]}]}\n";
    let imported =
        import(JibForm::BuildFile, "jib.yaml", &[("jib.yaml", root), ("dist/", "")]).expect("YAML");
    assert_eq!(lines_left(&imported), [] as [usize; 0]);
    let file = imported.into_file("localhost/app").expect("written");
    assert!(file.text.contains("files = [{ from = \"dist\", to = \"/\" }]"), "{}", file.text);
    let lines: Vec<usize> =
        file.remarks.iter().filter(|it| it.weight == Weight::Left).map(|it| it.line).collect();
    assert_eq!(lines, [2, 3], "{:?}", file.remarks);
}
