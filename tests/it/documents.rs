//! Manifests, indexes and configurations that others wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pack::testing::{ConfigFile, Descriptor, Index, Manifest, Raw, fold, parse_strict};
use serde_json::{Value, json};

use crate::support::{PACK, Project, REPOSITORY, noise, sha256, skipped, tree_on};

const OCI: &str = "application/vnd.oci.image";

/// A layer of one file.
fn tar(name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A descriptor, without the brace that closes it.
fn open_descriptor(kind: &str, bytes: &[u8]) -> String {
    format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}"#, sha256(bytes), bytes.len())
}

fn descriptor(kind: &str, bytes: &[u8]) -> String {
    open_descriptor(kind, bytes) + "}"
}

/// An image layout of the project, written as text.
struct Layout<'a> {
    project: &'a Project,
    name: &'a str,
}

impl<'a> Layout<'a> {
    fn new(project: &'a Project, name: &'a str) -> Self {
        let layout = Self { project, name };
        layout.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        self.project.write(&format!("{}/{name}", self.name), content);
    }

    fn blob(&self, bytes: &[u8]) {
        self.file(&format!("blobs/sha256/{}", &sha256(bytes)[7..]), bytes);
    }

    /// The index with these entries.
    fn index(&self, entries: &[String]) {
        let entries = entries.join(",");
        self.file("index.json", format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#));
    }

    /// An image of one gzip layer, in which `DIFF` is its diff ID; its entry, without the brace that closes it.
    fn image(&self, config: &str) -> String {
        self.image_of(config, &format!("{OCI}.layer.v1.tar+gzip"), &gzip(&tar("base")))
    }

    fn image_of(&self, config: &str, layer_type: &str, layer: &[u8]) -> String {
        let config = config.replace("DIFF", &sha256(&tar("base")));
        self.blob(config.as_bytes());
        self.blob(layer);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI}.manifest.v1+json","config":{},"layers":[{}]}}"#,
            descriptor(&format!("{OCI}.config.v1+json"), config.as_bytes()),
            descriptor(layer_type, layer)
        );
        self.manifest(&manifest)
    }

    fn manifest(&self, manifest: &str) -> String {
        self.blob(manifest.as_bytes());
        open_descriptor(&format!("{OCI}.manifest.v1+json"), manifest.as_bytes())
    }

    /// With one image of this configuration.
    fn with(project: &'a Project, name: &'a str, config: &str) -> Self {
        let layout = Self::new(project, name);
        let entry = layout.image(config) + "}";
        layout.index(&[entry]);
        layout
    }
}

const ROOT: &str = r#""rootfs":{"type":"layers","diff_ids":["DIFF"]}"#;
const LINUX: &str = r#""os":"linux","architecture":"amd64""#;

/// A project of one file on `oci:base`.
fn on_base() -> Project {
    let project = Project::with(&tree_on("oci:base"));
    project.write("files/a.txt", "a\n");
    project
}

/// Whether a judge can be asked.
#[allow(clippy::disallowed_methods, reason = "whether judges are required is no content")]
fn has(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("PACK_TEST_REQUIRE").is_none(), "{program} is missing");
    if !found {
        skipped("what others say of it", &format!("{program} is not installed"));
    }
    found
}

/// The answer of skopeo about an image in a layout, if it can read it.
fn skopeo(project: &Project, image: &str, config: bool) -> Option<Value> {
    let mut command = Command::new("skopeo");
    command.args(["inspect"]).args(config.then_some("--config")).arg(image).current_dir(project.root());
    let output = command.output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Both read the whole image: skopeo copies it with all digests checked, umoci unpacks it.
fn others_agree(project: &Project, layout: &str) {
    if !has("skopeo", "--version") || !has("umoci", "--version") {
        return;
    }
    let run = |command: &mut Command| {
        let output = command.current_dir(project.root()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (copied, bundle) = (project.beside("copied"), project.beside("bundle"));
    for directory in [&copied, &bundle] {
        let _ = fs::remove_dir_all(directory);
    }
    let to = format!("oci:{}:1", copied.display());
    run(Command::new("skopeo").args(["copy", "-q", "--insecure-policy", &format!("oci:{layout}:1"), &to]));
    let image = format!("{}:1", copied.display());
    run(Command::new("umoci").args(["unpack", "--rootless", "--image", &image]).arg(&bundle));
}

#[test]
fn an_image_that_go_reads_as_another_is_none() {
    let project = on_base();
    let layout = Layout::new(&project, "base");
    let (ours, theirs) = (gzip(&tar("base")), gzip(&tar("other")));
    let config = format!("{{{LINUX},{ROOT}}}").replace("DIFF", &sha256(&tar("base")));
    let other_config = config.replace("amd64", "arm64");
    for blob in [&ours, &theirs, config.as_bytes(), other_config.as_bytes()] {
        layout.blob(blob);
    }
    let of = |bytes: &[u8]| descriptor(&format!("{OCI}.layer.v1.tar+gzip"), bytes);
    let config_of = |text: &str| descriptor(&format!("{OCI}.config.v1+json"), text.as_bytes());
    let (config, other_config) = (config_of(&config), config_of(&other_config));
    let (layers, other_layers) = (of(&ours), of(&theirs));
    let fields = [
        format!(r#""config":{config},"layers":[{layers}],"Layers":[{other_layers}]"#),
        format!(r#""config":{config},"layers":[{layers}],"layerſ":[{other_layers}]"#),
        format!(r#""config":{config},"layers":[{layers}],"\u004cAYERS":[{other_layers}]"#),
        format!(r#""config":{config},"Config":{other_config},"layers":[{layers}]"#),
        format!(r#""config":{config},"Layers":[{layers}]"#),
    ];
    for fields in fields {
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI}.manifest.v1+json",{fields}}}"#);
        layout.index(&[layout.manifest(&manifest) + "}"]);
        if has("skopeo", "--version") {
            let read = skopeo(&project, "oci:base", false).expect("others read it");
            let same = read["Layers"][0] == sha256(&ours) && read["Architecture"] == "amd64";
            assert!(!same || !fields.contains(r#""layers""#), "they read another one: {read:#}");
        }
        let refused = ["to tools that ignore case", "sha256:"];
        project.pack("verify oci:base").fails(1).says(&refused);
        project.pack("build").fails(1).says(&refused);
        project.pack("copy oci:base oci:copied").fails(1);
        project.pack("inspect oci:base").fails(1).says(&refused);
    }
    let hostile = format!(r#"{{{LINUX},{ROOT},"Config":{{"Env":["LD_PRELOAD=/evil"]}}}}"#);
    Layout::with(&project, "base", &hostile);
    project.pack("build").fails(1).says(&["`Config` is `config` to tools that ignore case", "/base: "]);
    project.pack("verify oci:base").fails(1).says(&["`Config`"]);
    let labels = format!(r#"{{{LINUX},{ROOT},"config":{{"Labels":{{"a":"1","A":"2"}}}}}}"#);
    Layout::with(&project, "base", &labels);
    project.pack("build -o oci:out:1").ok();
    let built = project.pack("inspect --json oci:out:1").ok().json();
    let text = built.to_string();
    assert!(text.contains(r#""A":"2""#) && text.contains(r#""a":"1""#), "{built:#}");
    others_agree(&project, "out");
}

/// Runs the reader in Go with `input`.
fn go(argument: &[&str], input: String) -> Option<String> {
    if !has("go", "version") {
        return None;
    }
    let program = Path::new(REPOSITORY).join("tests/inputs/json.go");
    let mut child = Command::new("go")
        .arg("run")
        .arg(program)
        .args(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn keys_are_folded_as_go_folds_them() {
    let Some(pairs) = go(&["fold"], String::new()) else { return };
    let mut count = 0;
    for line in pairs.lines() {
        let numbers: Vec<u32> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [character, least] = [numbers[0], numbers[1]].map(|number| char::from_u32(number).unwrap());
        assert_eq!(fold(&character.to_string()), fold(&least.to_string()), "{character:?} {least:?}");
        count += 1;
    }
    assert!(count > 1400, "{count}");
    for (one, other) in [("ß", "ss"), ("ﬁ", "fi"), ("ı", "i"), ("İ", "i"), ("é", "e"), ("_", "-")] {
        assert_ne!(fold(one), fold(other), "Go keeps them apart");
    }
}

fn of_descriptor(it: &Descriptor) -> Value {
    let platform = it.platform.as_ref().map(|on| {
        let (version, variant) = (on.os_version.as_deref(), on.variant.as_deref());
        json!([on.architecture, on.os, version.unwrap_or(""), on.os_features, variant.unwrap_or("")])
    });
    let kind = it.artifact_type.as_deref().unwrap_or("");
    json!([
        it.media_type.to_string(),
        it.digest.to_string(),
        it.size,
        it.urls,
        it.annotations,
        platform,
        kind
    ])
}

/// The facts of a document in the form that the reader in Go prints; `None` if it is refused.
fn facts(kind: &str, text: &str) -> Option<Value> {
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    let bytes = text.as_bytes();
    if kind == "config" {
        let it: ConfigFile = parse_strict("configuration", bytes).ok()?;
        let run = it.config.unwrap_or_default();
        let history: Vec<Value> = it
            .history
            .iter()
            .map(|step| {
                json!([
                    or(&step.created),
                    or(&step.created_by),
                    or(&step.author),
                    or(&step.comment),
                    step.empty_layer
                ])
            })
            .collect();
        let health = run.healthcheck.map(|it| {
            json!([it.test, it.interval, it.timeout, it.start_period, it.start_interval, it.retries])
        });
        let keys = |map: &BTreeMap<String, Raw>| map.keys().cloned().collect::<Vec<_>>();
        let diff_ids: Vec<String> = it.rootfs.diff_ids.iter().map(ToString::to_string).collect();
        return Some(json!([
            or(&it.created),
            or(&it.author),
            it.architecture,
            it.os,
            or(&it.os_version),
            it.os_features,
            or(&it.variant),
            run.user,
            keys(&run.exposed_ports),
            run.env,
            run.entrypoint.unwrap_or_default(),
            run.cmd.unwrap_or_default(),
            keys(&run.volumes),
            run.working_dir,
            run.labels,
            or(&run.stop_signal),
            health,
            it.rootfs.kind,
            diff_ids,
            history
        ]));
    }
    let all = |list: &[Descriptor]| list.iter().map(of_descriptor).collect::<Vec<_>>();
    if kind == "index" {
        let it: Index = parse_strict("index", bytes).ok()?;
        let media_type = it.media_type.map(|it| it.to_string()).unwrap_or_default();
        let subject = it.subject.as_ref().map(of_descriptor);
        let (version, kind) = (it.schema_version, or(&it.artifact_type));
        return Some(json!([version, media_type, kind, all(&it.manifests), subject, it.annotations]));
    }
    let it: Manifest = parse_strict("manifest", bytes).ok()?;
    let media_type = it.media_type.map(|it| it.to_string()).unwrap_or_default();
    let subject = it.subject.as_ref().map(of_descriptor);
    let (version, kind, config) = (it.schema_version, or(&it.artifact_type), of_descriptor(&it.config));
    Some(json!([version, media_type, kind, config, all(&it.layers), subject, it.annotations]))
}

/// One change of a text: a letter of a key in another case, a member twice, a value that is null or of another kind.
fn changed(text: &str, random: &[u8]) -> String {
    let number = |at: usize| usize::from(random[at]) | usize::from(random[at + 1]) << 8;
    let colons: Vec<usize> = text.match_indices("\":").map(|(at, _)| at).collect();
    let key_end = colons[number(0) % colons.len()];
    let key_start = text[..key_end].rfind('"').unwrap() + 1;
    let key = &text[key_start..key_end];
    let at = number(2) % key.len().max(1);
    let twisted: String = key
        .chars()
        .enumerate()
        .map(|(position, letter)| match (letter, random[4] % 2) {
            ('s' | 'S', 0) if position >= at => 'ſ',
            ('k' | 'K', 0) if position >= at => '\u{212a}',
            (letter, _) if position != at => letter,
            (letter, _) if letter.is_uppercase() => letter.to_ascii_lowercase(),
            (letter, _) => letter.to_ascii_uppercase(),
        })
        .collect();
    let others = [
        "null",
        "[]",
        "{}",
        "\"x\"",
        "7",
        "[null]",
        "[\"x\"]",
        "{\"a\":null,\"A\":\"1\"}",
        "-0",
        "1.0",
        "true",
    ];
    let other = others[number(5) % others.len()];
    // Where the member begins, and where its value ends if that is no list or object.
    let value_start = key_end + 2;
    let length = text[value_start..].find([',', '}', ']']).unwrap();
    match random[7] % 5 {
        0 => format!("{}{twisted}{}", &text[..key_start], &text[key_end..]),
        1 => format!("{}{twisted}\":{other},\"{}", &text[..key_start], &text[key_start..]),
        2 => format!("{}{key}\":{other},\"{}", &text[..key_start], &text[key_start..]),
        3 if !text[value_start..].starts_with(['[', '{']) => {
            format!("{}{other}{}", &text[..value_start], &text[value_start + length..])
        }
        _ => format!("{}y{twisted}\":{other},\"{}", &text[..key_start], &text[key_start..]),
    }
}

#[test]
fn whatever_is_read_is_read_as_go_reads_it() {
    let digest = sha256(b"x");
    let link = format!(
        r#"{{"mediaType":"a/b","digest":"{digest}","size":7,"urls":["u"],"annotations":{{"k":"v","K":"w"}},"artifactType":"c/d","data":"eA==","platform":{{"os":"linux","architecture":"arm","variant":"v7","os.version":"1","os.features":["f"]}}}}"#
    );
    let head = r#""schemaVersion":2,"mediaType":"e/f","artifactType":"g/h","annotations":{"a":"b"}"#;
    let seeds = [
        ("manifest", format!(r#"{{{head},"config":{link},"layers":[{link}],"subject":{link}}}"#)),
        ("index", format!(r#"{{{head},"manifests":[{link}],"subject":{link}}}"#)),
        (
            "config",
            format!(
                r#"{{"created":"1970-01-01T00:00:01Z","author":"me","os":"linux","architecture":"arm","os.version":"1","os.features":["f"],"variant":"v7","config":{{"User":"u","ExposedPorts":{{"80/tcp":{{}}}},"Env":["A=1"],"Entrypoint":["e"],"Cmd":["c"],"Volumes":{{"/v":{{}}}},"WorkingDir":"/","Labels":{{"l":"m","L":"n"}},"StopSignal":"KILL","Healthcheck":{{"Test":["NONE"],"Interval":1,"Timeout":2,"StartPeriod":3,"StartInterval":4,"Retries":5}}}},"rootfs":{{"type":"layers","diff_ids":["{digest}"]}},"history":[{{"created":"x","created_by":"y","author":"z","comment":"c","empty_layer":true}}]}}"#
            ),
        ),
    ];
    let mut documents: Vec<(&str, String)> = seeds.to_vec();
    for round in 0..3000_u64 {
        let random = noise(round, 32);
        let (kind, text) = &seeds[usize::from(random[31]) % seeds.len()];
        let mut text = changed(text, &random);
        if random[30].is_multiple_of(3) {
            text = changed(&text, &random[8..]);
        }
        documents.push((kind, text));
    }
    let input: String = documents.iter().map(|(kind, text)| format!("{kind} {text}\n")).collect();
    let Some(answers) = go(&[], input) else { return };
    let (mut read, mut refused) = (0, 0);
    for ((kind, text), answer) in documents.iter().zip(answers.lines()) {
        let Some(ours) = facts(kind, text) else {
            refused += 1;
            continue;
        };
        read += 1;
        let theirs: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
        assert_eq!(ours, theirs, "{kind} {text}");
    }
    assert_eq!(answers.lines().count(), documents.len());
    assert!(read > 300 && refused > 300, "{read} read, {refused} refused");
}

#[test]
fn null_is_what_an_absent_field_is() {
    let project = on_base();
    let names = ["created", "author", "os.version", "os.features", "variant", "history", "moby.unknown"];
    let run = [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Healthcheck",
        "OnBuild",
        "Shell",
        "Hostname",
    ];
    let nulls =
        |names: &[&str]| names.iter().map(|name| format!("\"{name}\":null")).collect::<Vec<_>>().join(",");
    let run = format!(r#""config":{{{}}}"#, nulls(&run));
    for config in [
        format!("{{{LINUX},{},{run},{ROOT}}}", nulls(&names)),
        format!(r#"{{{LINUX},"config":null,{ROOT}}}"#),
        format!(
            r#"{{"os":null,"architecture":null,"config":{{"Healthcheck":{{{}}}}},{ROOT}}}"#,
            nulls(&["Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"])
        ),
        format!(
            r#"{{{LINUX},"history":[{{{}}}],{ROOT}}}"#,
            nulls(&["created", "created_by", "author", "comment", "empty_layer"])
        ),
    ] {
        let layout = Layout::new(&project, "base");
        let manifest_nulls = nulls(&["artifactType", "subject", "annotations"]);
        let link_nulls = nulls(&["urls", "annotations", "data", "platform", "artifactType"]);
        let (config, layer) = (config.replace("DIFF", &sha256(&tar("base"))), gzip(&tar("base")));
        layout.blob(config.as_bytes());
        layout.blob(&layer);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":null,{manifest_nulls},"config":{},{link_nulls}}},"layers":[{},{link_nulls}}}]}}"#,
            open_descriptor(&format!("{OCI}.config.v1+json"), config.as_bytes()),
            open_descriptor(&format!("{OCI}.layer.v1.tar+gzip"), &layer)
        );
        let entry = layout.manifest(&manifest);
        let platform = format!(
            r#""platform":{{"os":"linux","architecture":"amd64",{}}}"#,
            nulls(&["os.version", "os.features", "variant"])
        );
        for entry in [format!("{entry},{link_nulls}}}"), format!("{entry},{platform}}}")] {
            layout.file(
                "index.json",
                format!(r#"{{"schemaVersion":2,"mediaType":null,{manifest_nulls},"manifests":[{entry}]}}"#),
            );
            project.pack("verify oci:base").ok();
            fs::remove_file(project.path("build.lock")).ok();
            let _ = fs::remove_dir_all(project.path("out"));
            project.pack("build -o oci:out:1").ok();
            project.pack("verify oci:out:1").ok();
            others_agree(&project, "out");
            // The index of such a layout can be written to, and what is copied keeps its bytes.
            project.pack("copy oci:base oci:base:again").ok();
            let index = fs::read_to_string(project.path("base/index.json")).unwrap();
            assert!(index.contains(&sha256(manifest.as_bytes())) && index.contains("again"), "{index}");
        }
    }
    // An image without layers, and an index without manifests, as Go writes them.
    let layout = Layout::new(&project, "base");
    let config = format!(r#"{{{LINUX},"rootfs":{{"type":"layers","diff_ids":null}}}}"#);
    layout.blob(config.as_bytes());
    let config = descriptor(&format!("{OCI}.config.v1+json"), config.as_bytes());
    let entry = layout.manifest(&format!(r#"{{"schemaVersion":2,"config":{config},"layers":null}}"#));
    layout.index(&[entry + "}"]);
    project.pack("verify oci:base").ok();
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI}.index.v1+json","manifests":null}}"#);
    layout.blob(index.as_bytes());
    layout.index(&[descriptor(&format!("{OCI}.index.v1+json"), index.as_bytes())]);
    project.pack("verify oci:base").ok();
    layout.file("index.json", r#"{"schemaVersion":2,"manifests":null}"#);
    project.build("-o oci:base:1 --set image.base=scratch");
}

#[test]
fn what_a_base_says_is_neither_lost_nor_doubled() {
    let mut project = on_base();
    project.append("build.toml", "\n[config]\nenv = { A = \"ours\" }\n");
    let config = r#"{"config":{"Env":["A=1","B=1","A=2"],"Healthcheck":{"Test":["NONE"],"OnFailure":"stop"}},
        "x":{"$serde_json::private::RawValue":"[1,","n":123456789012345678901234567890,"e":1E400,"z":-0,"f":1.0},
        "rootfs":{"type":"layers","diff_ids":["DIFF"],"other":[1.50]},
        "history":[{"created_by":"one","tool":"t"},{"created_by":"two"},{"created_by":"three"}]}"#;
    Layout::with(&project, "base", config);
    project.build("-o oci:out:1");
    let manifest: Value = raw(&project, "out", &project.pack("inspect --json oci:out:1").ok().json());
    let config = blob(&project, "out", manifest["config"]["digest"].as_str().unwrap());
    for kept in [
        r#""x":{"$serde_json::private::RawValue":"[1,","e":1E400,"f":1.0,"n":123456789012345678901234567890,"z":-0}"#,
        r#""other":[1.50]"#,
        r#""tool":"t""#,
        r#""OnFailure":"stop""#,
        r#""Env":["A=ours","B=1"]"#,
        r#""architecture":"amd64","os":"linux""#,
    ] {
        assert!(config.contains(kept), "{kept} is not in {config}");
    }
    assert_eq!(config.matches("empty_layer").count(), 2, "{config}");
    others_agree(&project, "out");
    project = on_base();
    Layout::with(&project, "base", &format!("{{{ROOT}}}"));
    project.build("-o oci:out:1 --platform linux/arm64");
    if has("skopeo", "--version") {
        let read = skopeo(&project, "oci:out:1", false).expect("read");
        assert_eq!((&read["Os"], &read["Architecture"]), (&json!("linux"), &json!("arm64")));
    }
}

/// The manifest of what `inspect --json` says.
fn raw(project: &Project, layout: &str, inspected: &Value) -> Value {
    serde_json::from_str(&blob(project, layout, inspected["digest"].as_str().unwrap())).unwrap()
}

fn blob(project: &Project, layout: &str, digest: &str) -> String {
    fs::read_to_string(project.path(&format!("{layout}/blobs/sha256/{}", &digest[7..]))).unwrap()
}

#[test]
fn a_time_that_go_cannot_read_is_found() {
    let project = Project::new();
    for (time, right) in [
        ("\"2024-02-29T01:02:03.5+01:00\"", true),
        ("\"0000-01-01T00:00:00Z\"", true),
        ("null", true),
        ("\"55840-11-18T03:33:20Z\"", false),
        ("\"2023-02-29T00:00:00Z\"", false),
        ("\"\"", false),
        ("\"yesterday\"", false),
    ] {
        for (field, place) in [
            (format!(r#""created":{time}"#), "`created`"),
            (format!(r#""history":[{{"created":{time}}}]"#), "`history[0].created`"),
        ] {
            Layout::with(&project, "base", &format!("{{{LINUX},{field},{ROOT}}}"));
            if has("skopeo", "--version") {
                assert_eq!(skopeo(&project, "oci:base", true).is_some(), right, "{field}");
            }
            if right {
                project.pack("verify oci:base").ok();
            } else {
                project.pack("verify oci:base").fails(1).says(&[place, "RFC 3339"]);
            }
        }
    }
}

/// An index of the project's layout `base`, with these platforms and configurations.
fn index_of(project: &Project, images: &[(&str, &str)]) {
    let layout = Layout::new(project, "base");
    let entries: Vec<String> = images
        .iter()
        .map(|(platform, config)| {
            format!("{},\"platform\":{platform}}}", layout.image(&format!("{{{config},{ROOT}}}")))
        })
        .collect();
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}.index.v1+json","manifests":[{}]}}"#,
        entries.join(",")
    );
    layout.blob(index.as_bytes());
    layout.index(&[descriptor(&format!("{OCI}.index.v1+json"), index.as_bytes())]);
    fs::remove_file(project.path("build.lock")).ok();
    let _ = fs::remove_dir_all(project.path("out"));
}

const AMD64: (&str, &str) = (r#"{"os":"linux","architecture":"amd64"}"#, LINUX);
const WINDOWS: (&str, &str) = (
    r#"{"os":"windows","architecture":"amd64","os.version":"10.0.17763.1"}"#,
    r#""os":"windows","architecture":"amd64","os.version":"10.0.17763.1""#,
);
const ARM: &str = r#""os":"linux","architecture":"arm""#;

fn platforms(project: &Project) -> Vec<String> {
    let index = raw(project, "out", &project.pack("inspect --json oci:out:1").ok().json());
    let of = |entry: &Value| {
        let part = |name: &str| entry["platform"][name].as_str().map(str::to_owned);
        [part("os"), part("architecture"), part("variant")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("/")
    };
    index["manifests"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn nothing_is_built_for_windows() {
    let project = on_base();
    let arm64 = (r#"{"os":"linux","architecture":"arm64"}"#, r#""os":"linux","architecture":"arm64""#);
    index_of(&project, &[AMD64, WINDOWS, arm64]);
    project.build("-o oci:out:1");
    assert_eq!(platforms(&project), ["linux/amd64", "linux/arm64"]);
    let why = ["windows/amd64", "the layers of Windows have a form of their own"];
    project.pack("build --platform windows/amd64").fails(1).says(&why).hints();
    let rebased = project.pack("rebase oci:out:1 --base oci:base --platform windows/amd64 -t x").fails(1);
    rebased.says(&["windows/amd64"]);
    project
        .pack("rebase oci:base --old-base oci:base --base oci:base --platform windows/amd64 -t x")
        .fails(1)
        .says(&why);
    // One alone, and one beside Windows.
    index_of(&project, &[WINDOWS]);
    project.pack("build").fails(1).says(&why).hints();
    index_of(&project, &[WINDOWS, AMD64]);
    project.build("-o oci:out:1");
    Layout::with(&project, "base", &format!("{{{},{ROOT}}}", WINDOWS.1));
    fs::remove_file(project.path("build.lock")).unwrap();
    project.pack("build").fails(1).says(&why);
    project.append("build.toml", "\n");
    project.pack("build --set image.base=scratch --platform windows/arm64").fails(1).says(&["windows/arm64"]);
}

#[test]
fn an_index_may_know_the_variant_that_a_configuration_lacks() {
    let project = on_base();
    let v6 = r#"{"os":"linux","architecture":"arm","variant":"v6"}"#;
    let v3 = r#"{"os":"linux","architecture":"amd64","variant":"v3"}"#;
    index_of(&project, &[AMD64, (v6, ARM), (v3, LINUX)]);
    project.pack("verify oci:base").ok();
    project.build("-o oci:out:1");
    assert_eq!(platforms(&project), ["linux/amd64", "linux/amd64/v3", "linux/arm/v6"]);
    project.build("-o oci:one:1 --platform linux/arm/v6");
    // On another base of such an index.
    let back = "rebase oci:out:1 --old-base oci:base --base oci:base -t again";
    let digest = project.pack("inspect --json oci:out:1").ok().json()["digest"].clone();
    project.pack(back).ok();
    project.pack("verify oci:out:again").ok();
    assert!(
        project.pack("inspect --json oci:out:again").ok().json()["manifests"]
            .as_array()
            .is_none_or(|it| it.len() == 3),
        "{digest}"
    );
}

#[test]
fn one_broken_platform_is_named_and_can_be_left_out() {
    let project = on_base();
    let arm64 = r#"{"os":"linux","architecture":"arm64"}"#;
    let s390x = (r#"{"os":"linux","architecture":"s390x"}"#, r#""os":"linux","architecture":"s390x""#);
    let v7 = format!(r#"{ARM},"variant":"v7""#);
    for (broken, name, why) in [
        ((arm64, LINUX), "linux/arm64", "its configuration is for linux/amd64"),
        (
            (r#"{"os":"linux","architecture":"arm","variant":"v6"}"#, v7.as_str()),
            "linux/arm/v6",
            "is for linux/arm/v7",
        ),
        (
            (arm64, r#""os":"linux","architecture":"arm64","config":{"Cmd":"sh"}"#),
            "linux/arm64",
            "`config.Cmd` is a string; it must be a list of strings",
        ),
    ] {
        index_of(&project, &[AMD64, broken, s390x]);
        project.pack("verify oci:base").fails(1);
        let said = project.pack("build -o oci:out:1").fails(1);
        let said = said.says(&[name, why, "/base: ", "sha256:", "`[image]`"]);
        let hint = r#"platforms = ["linux/amd64", "linux/s390x"]"#;
        let said = said.says(&[hint]);
        drop(said);
        // Followed, it works.
        let text = fs::read_to_string(project.path("build.toml")).unwrap();
        project.write("build.toml", text.replace("[image]\n", &format!("[image]\n{hint}\n")));
        project.build("-o oci:out:1");
        assert_eq!(platforms(&project), ["linux/amd64", "linux/s390x"]);
        project.write("build.toml", text);
    }
}

#[test]
fn a_layer_is_read_by_its_bytes_and_verify_says_so() {
    let project = on_base();
    let plain = tar("base");
    let zstd = zstd::bulk::compress(&plain, 3).unwrap();
    for (kind, layer, found) in [
        ("tar", gzip(&plain), "expected none, found gzip"),
        ("tar+gzip", plain.clone(), "expected gzip, found none"),
        ("tar+gzip", zstd, "expected gzip, found zstd"),
    ] {
        let layout = Layout::new(&project, "base");
        let config = format!("{{{LINUX},{ROOT}}}");
        let entry = layout.image_of(&config, &format!("{OCI}.layer.v1.{kind}"), &layer);
        layout.index(&[entry + "}"]);
        fs::remove_file(project.path("build.lock")).ok();
        let _ = fs::remove_dir_all(project.path("out"));
        project.pack("verify oci:base").ok().says(&["warning", found, "compression of the layer"]);
        project.build("-o oci:out:1");
        project.pack("verify oci:out:1").ok().says(&["warning", found]);
        project.pack("rebase oci:out:1 --old-base oci:base --base oci:base -t again").ok();
        if has("skopeo", "--version") && found != "expected gzip, found none" {
            let copied =
                format!("docker-archive:{}", project.beside(&format!("{}.tar", layer.len())).display());
            let copy = ["copy", "-q", "--insecure-policy", "oci:out:1", &copied];
            let output = Command::new("skopeo").args(copy).current_dir(project.root()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn messages_name_field_document_and_place() {
    let project = on_base();
    for (field, message) in [
        (r#""config":{"Cmd":"sh -c x"}"#, "`config.Cmd` is a string; it must be a list of strings"),
        (r#""config":{"Env":["A=1",7]}"#, "`config.Env[1]` is a number; it must be a string"),
        (r#""config":{"Labels":{"a":1}}"#, "`config.Labels.a` is a number; it must be a string"),
        (
            r#""config":{"Healthcheck":{"Interval":-1}}"#,
            "`config.Healthcheck.Interval` is a number that is negative",
        ),
        (r#""config":[]"#, "`config` is a list; it must be an object"),
        (r#""history":{}"#, "`history` is an object; it must be a list of objects"),
        (
            r#""history":[{"empty_layer":"yes"}]"#,
            "`history[0].empty_layer` is a string; it must be `true` or `false`",
        ),
    ] {
        let config = format!("{{{LINUX},{field},{ROOT}}}");
        Layout::with(&project, "base", &config);
        let digest = sha256(config.replace("DIFF", &sha256(&tar("base"))).as_bytes());
        for command in ["build", "inspect oci:base", "verify oci:base"] {
            let said = project.pack(command).fails(1).says(&[message, &digest]);
            assert!(!said.stderr.contains("invalid type"), "{said:?}");
            assert!(said.stderr.contains("oci:base") || said.stderr.contains("/base: "), "{said:?}");
        }
    }
}

/// Runs the program with at most 2 GB of addresses; seconds and peak kilobytes that it took, and its exit code.
fn measured(project: &Project, arguments: &str) -> (Duration, u64, Option<i32>) {
    let figures = project.beside("figures");
    let start = Instant::now();
    let status = Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M", "-o"])
        .arg(&figures)
        .arg(PACK)
        .args(arguments.split(' '))
        .current_dir(project.root())
        .env("PACK_CACHE_DIR", project.cache())
        .env("HOME", project.beside("home"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let peak = fs::read_to_string(&figures).unwrap().trim().parse().unwrap();
    (start.elapsed(), peak, status.code())
}

/// `item(0), item(1), …` in about `length` bytes.
fn many(length: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let next = item(number);
        if text.len() + next.len() + 1 > length {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&next);
    }
    text
}

#[test]
fn hostile_documents_cost_little() {
    if !Path::new("/usr/bin/time").exists() {
        return skipped("what documents cost", "/usr/bin/time is not installed");
    }
    const MOST: usize = (4 << 20) - 4096;
    let project = on_base();
    let check = |arguments: &str, what: &str| {
        let (time, peak, code) = measured(&project, arguments);
        eprintln!(
            "{what}: pack {arguments}: {} MB, {:.1} s, exit code {code:?}",
            peak >> 10,
            time.as_secs_f64()
        );
        assert!(peak < 256 << 10, "{what}: pack {arguments}: {peak} kB");
        assert!(time < Duration::from_secs(20), "{what}: pack {arguments}: {time:?}");
        assert!(matches!(code, Some(0 | 1)), "{what}: pack {arguments}: {code:?}");
    };
    let lists = format!(r#""x":[{}]"#, many(MOST, |_| "[]".to_owned()));
    let deep = format!(r#""x":[{}]"#, many(MOST, |_| format!("{}{}", "[".repeat(100), "]".repeat(100))));
    let env = format!(r#""config":{{"Env":[{}]}}"#, many(MOST, |at| format!("\"{at}=\"")));
    let few = format!(r#""config":{{"Env":[{}]}}"#, many(1_500_000, |at| format!("\"{at}=\"")));
    let labels = format!(r#""config":{{"Labels":{{{}}}}}"#, many(MOST / 2, |at| format!("\"{at}\":\"\"")));
    let history = format!(r#""history":[{}]"#, many(MOST, |_| "{}".to_owned()));
    let long = format!(r#""x":"{}""#, "\\u0041".repeat(MOST / 6));
    let configs = [
        ("lists", lists),
        ("depth", deep),
        ("variables", env),
        ("fewer variables", few),
        ("labels", labels),
        ("steps", history),
        ("escapes", long),
    ];
    for (what, field) in &configs {
        Layout::with(&project, "base", &format!("{{{LINUX},{field},{ROOT}}}"));
        fs::remove_file(project.path("build.lock")).ok();
        let _ = fs::remove_dir_all(project.path("out"));
        for command in [
            "verify oci:base",
            "build -o oci:out:1",
            "rebase oci:out:1 --old-base oci:base --base oci:base -t x",
        ] {
            if !command.starts_with("rebase") || project.path("out").exists() {
                check(command, what);
            }
        }
    }
    // A thousand images of eight megabytes each, of which an index in a layout can be had for little.
    let images: Vec<(String, String)> = (0..60)
        .map(|at| {
            (
                format!(r#"{{"os":"linux","architecture":"a{at}"}}"#),
                format!(r#""os":"linux","architecture":"a{at}",{}"#, configs[3].1),
            )
        })
        .collect();
    let images: Vec<(&str, &str)> =
        images.iter().map(|(platform, config)| (&**platform, &**config)).collect();
    index_of(&project, &images);
    for command in
        ["verify oci:base", "build -o oci:out:1", "rebase oci:base --old-base oci:base --base oci:base -t x"]
    {
        check(command, "many images");
    }
    project.pack("verify oci:base").fails(1).says(&["the most that is spent on input of unknown origin"]);
}
