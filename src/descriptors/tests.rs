//! Texts of every format, with what is found in them and what becomes of them.

use proptest::prelude::*;

use super::fuzz::digest;
use super::*;
use crate::types::reference::Tag;

fn read(name: &str, text: &str) -> DescriptorText {
    DescriptorText::read(name, text.as_bytes(), None, &[]).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn images(name: &str, text: &str) -> Vec<(usize, String)> {
    read(name, text).images.iter().map(|place| (place.line, place.image().to_string())).collect()
}

/// With `pack://NAME` and tags replaced, digests short.
fn resolved_as(name: &str, text: &str, form: ReferenceForm) -> Result<String, ImagePlaceError> {
    let mut edits = Vec::new();
    for place in read(name, text).images {
        let replacement = match place.image() {
            WrittenImage::Member(name) => Replacement::Image {
                repository: format!("localhost:5000/shop/{name}").parse().expect("a name"),
                tag: Some("1.20".parse().expect("a tag")),
                digest: digest(),
            },
            WrittenImage::Foreign { reference, digest: None, .. } => Replacement::Pin {
                tag: reference.tag().cloned().unwrap_or_else(Tag::latest),
                digest: digest(),
            },
            WrittenImage::Foreign { .. } | WrittenImage::Unknown(_) => continue,
        };
        edits.extend(place.edits(&replacement, form, text)?);
    }
    let bytes = splice(text.as_bytes(), edits).expect("no conflict");
    Ok(String::from_utf8(bytes).expect("text").replace(&digest().to_string(), "sha256:D"))
}

fn resolved(name: &str, text: &str) -> String {
    resolved_as(name, text, ReferenceForm::Both).expect("resolved")
}

#[test]
fn kubernetes_objects_keep_every_other_byte() {
    let text = "\u{feff}# é: a comment with image: nginx\r\napiVersion: apps/v1\r\nkind: Deployment\r\nspec:\r\n  \
        template:\r\n    spec:\r\n      initContainers:\r\n      - {name: i, image: busybox:1.36}   # flow\r\n      \
        containers:\r\n        - name: app\r\n          image:   'pack://app'  # quoted\r\n        - image: \
        \"nginx:1.20\"\r\n          args: [--image, nginx:1.20]\r\n      volumes:\r\n      - image:\r\n          \
        reference: quay.io/a/model:1\r\n---\r\nkind: ConfigMap\r\napiVersion: v1\r\ndata:\r\n  a: |\r\n    image: \
        nginx\r\n...\r\n";
    assert_eq!(
        images("a.yaml", text),
        [
            (8, "busybox:1.36".to_owned()),
            (11, "pack://app".to_owned()),
            (12, "nginx:1.20".to_owned()),
            (16, "quay.io/a/model:1".to_owned()),
        ]
    );
    let expected = text
        .replace("busybox:1.36", "busybox:1.36@sha256:D")
        .replace("'pack://app'", "'localhost:5000/shop/app:1.20@sha256:D'")
        .replace("\"nginx:1.20\"", "\"nginx:1.20@sha256:D\"")
        .replace("a/model:1", "a/model:1@sha256:D");
    assert_eq!(resolved("a.yaml", text), expected);
}

/// The parts of an image without a tag mean the version of the chart, or the tag that a kustomization finds.
#[test]
fn a_tag_that_only_the_chart_knows_stays_unknown() {
    for tag in ["", "  tag: \"\"\n", "  tag:\n", "  tag: null\n"] {
        let text = format!("image:\n  repository: ghcr.io/shop/app\n  pullPolicy: Always\n{tag}");
        assert_eq!(resolved("values.yaml", &text), text);
        let pinned = "image:\n  repository: ghcr.io/shop/app\n  tag: \"1.2\"\n";
        assert_ne!(resolved("values.yaml", pinned), pinned);
    }
}

#[test]
fn forms_and_missing_tags() {
    let text = "kind: Pod\napiVersion: v1\nspec: {containers: [{image: nginx}, {image: pack://a}]}\n";
    let with = |form| resolved_as("a.yaml", text, form).expect("resolved");
    let both = "[{image: nginx:latest@sha256:D}, {image: localhost:5000/shop/a:1.20@sha256:D}]";
    assert!(with(ReferenceForm::Both).contains(both), "{}", with(ReferenceForm::Both));
    let digest = "[{image: nginx@sha256:D}, {image: localhost:5000/shop/a@sha256:D}]";
    assert!(with(ReferenceForm::Digest).contains(digest));
    assert!(
        with(ReferenceForm::Tag).contains("[{image: nginx:latest}, {image: localhost:5000/shop/a:1.20}]")
    );
}

#[test]
fn values_that_are_no_scalars_are_skipped() {
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec:\n  containers:\n    type: \
        array\n    items: {properties: {image: {type: string}}}\n---\napiVersion: k8s.mariadb.com/v1\nkind: \
        MariaDB\nspec:\n  image: {repository: mariadb, tag: '11'}\n  containers:\n  - image: {a: b}\n  - image: [a]\n  - \
        image:\n  - image: !!binary aGk=\n  - nginx\n";
    assert_eq!(images("a.yaml", text), []);
}

#[test]
fn own_kinds_have_their_places() {
    let selectors = ["MariaDB=spec.image", "Flow=.spec.steps[].run.image", "Any=spec.*.image"]
        .map(|text| text.parse().expect(text));
    let text = "apiVersion: v1\nkind: List\nitems:\n- kind: MariaDB\n  apiVersion: a/v1\n  spec:\n    image: {repository: \
        mariadb, tag: '11'}\n- kind: Flow\n  spec: {steps: [{run: {image: a:1}}, {image: b:1}]}\n- kind: Any\n  spec: {x: \
        {image: c}, y: {image: d}}\n- kind: Other\n  spec: {image: e}\n";
    let read = DescriptorText::read("-", text.as_bytes(), None, &selectors).expect("read");
    let found: Vec<String> = read.images.iter().map(|place| place.image().to_string()).collect();
    assert_eq!(found, ["mariadb:11", "a:1", "c", "d"]);
    for (selector, shown) in selectors.iter().zip(["MariaDB=spec.image", "Flow=spec.steps[].run.image"]) {
        assert_eq!(selector.to_string(), shown);
    }
    for wrong in ["", "a", "=a", "A=", "A=a..b", &format!("A={}", "a.".repeat(40))] {
        assert!(wrong.parse::<ImageSelector>().is_err(), "{wrong}");
    }
}

#[test]
fn kustomizations_have_their_images_in_parts() {
    let text = "resources: [a.yaml]\nimages:\n- name: nginx\n  newTag: 1.20\n- name: app\n  newName: pack://app\n  \
        newTag: dev\n  digest: \"\"\n- {name: busybox, newName: quay.io/b, newTag: '1', digest: }\n- {name: c, \
        newName: quay.io/c, digest: }\n- name: only\n  newName: other\n";
    assert_eq!(
        images("x/kustomization.yaml", text),
        [
            (3, "nginx:1.20".to_owned()),
            (6, "pack://app".to_owned()),
            (9, "quay.io/b:1".to_owned()),
            (10, "quay.io/c".to_owned())
        ]
    );
    let expected = text
        .replace("newTag: 1.20", "newTag: 1.20@sha256:D")
        .replace("pack://app", "localhost:5000/shop/app")
        .replace("newTag: dev\n  digest: \"\"", "newTag: \"1.20\"\n  digest: \"sha256:D\"")
        .replace("newTag: '1', digest: }", "newTag: '1', digest: \"sha256:D\" }");
    assert_eq!(resolved("x/kustomization.yaml", text), expected);
    let same = format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Component\n{text}");
    assert_eq!(images("a.yaml", &same).len(), 4);
    let nowhere = "images:\n- name: app\n  newName: pack://app\n";
    let error = resolved_as("kustomization.yaml", nowhere, ReferenceForm::Both).expect_err("no key");
    assert_eq!(error, ImagePlaceError::NoDigestKey { digest_key: "digest" });
}

#[test]
fn values_of_charts_keep_their_parts() {
    let text = "image:\n  registry: docker.io\n  repository: pack://app\n  tag: 0362525\n  digest:\nsidecar:\n  image:\n    \
        repository: bitnami/nginx\n    tag: 1.20 # Renovate\n  initImage: busybox:1\nold: {image: redis, imageTag: 7}\n\
        chart: {repository: https://example.org, tag: x}\nempty: {repository: '', tag: ''}\nimages:\n  web: {repository: \
        caddy}\n  db: postgres:16\nimage-pull: no image\n";
    assert_eq!(
        images("values.yaml", text),
        [
            (3, "pack://app".to_owned()),
            (8, "bitnami/nginx:1.20".to_owned()),
            (10, "busybox:1".to_owned()),
            (11, "redis:7".to_owned()),
            (15, "caddy".to_owned()),
        ]
    );
    let nowhere = resolved_as("values.yaml", "image: {repository: pack://app}\n", ReferenceForm::Both);
    let error = nowhere.expect_err("no key");
    assert_eq!(error.to_string(), "there is no key for the digest: neither `digest` nor one for the tag");
    let text = text.replace("{repository: caddy}", "{repository: caddy, tag: '2'}");
    let expected = text
        .replace("pack://app\n  tag: 0362525\n  digest:", "shop/app\n  tag: \"1.20\"\n  digest: \"sha256:D\"")
        .replace("registry: docker.io", "registry: localhost:5000")
        .replace("tag: 1.20 #", "tag: 1.20@sha256:D #")
        .replace("busybox:1", "busybox:1@sha256:D")
        .replace("imageTag: 7}", "imageTag: 7@sha256:D}")
        .replace("tag: '2'", "tag: '2@sha256:D'");
    assert_eq!(resolved("values.yaml", &text), expected);
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    image: {repository: a, tag: \
        b}\n";
    assert_eq!(images("r.yaml", release), [(5, "a:b".to_owned())]);
}

#[test]
fn objects_of_flux_have_images_as_kustomizations_do() {
    let entry = "images: [{name: a, newTag: '1'}, {name: b, newName: pack://app, newTag: x, digest: ''}]";
    let kustomization =
        format!("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec:\n  {entry}\n");
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  postRenderers:\n  - kustomize:\n      {entry}\n"
    );
    for text in [&kustomization, &release] {
        let found: Vec<String> = images("a.yaml", text).into_iter().map(|(_, image)| image).collect();
        assert_eq!(found, ["a:1", "pack://app"]);
        let resolved = resolved("a.yaml", text);
        assert!(
            resolved.contains("newName: localhost:5000/shop/app, newTag: \"1.20\", digest: 'sha256:D'"),
            "{resolved}"
        );
    }
    // Another kind has such a list for itself, and only `pack://` counts there.
    let other = images("a.yaml", &kustomization.replace("kustomize.toolkit.fluxcd.io", "example.com"));
    assert_eq!(other, [(4, "pack://app".to_owned())]);
}

#[test]
fn a_digest_of_another_image_does_not_stay() {
    let text = "image: {repository: pack://a, tag: '', digest: 'sha256:old'}\n";
    let tag = resolved_as("values.yaml", text, ReferenceForm::Tag).expect("resolved");
    assert_eq!(tag, "image: {repository: localhost:5000/shop/a, tag: '1.20', digest: ''}\n");
    let digest = resolved_as("values.yaml", text, ReferenceForm::Digest).expect("resolved");
    assert_eq!(digest, "image: {repository: localhost:5000/shop/a, tag: '', digest: 'sha256:D'}\n");
}

#[test]
fn compose_merges_and_aliases_lead_to_the_anchor() {
    let text = "x-base: &base\n  image: nginx:1\nx-name: &name pack://app\nservices:\n  a:\n    <<: *base\n  b: {image: \
        *name}\n  c: {build: ., image: *name}\n  d: {image: \"${TAG:-x}\"}\nvolumes: {image: {driver: nginx}}\n";
    let read = read("stack.yml", text);
    assert_eq!(read.formats, [DescriptorFormat::Compose]);
    let found: Vec<_> = read.images.iter().map(|place| (place.line, place.shared.clone())).collect();
    assert_eq!(found, [(2, vec![]), (3, vec![7, 8]), (9, vec![])]);
    let expected = text
        .replace("nginx:1\n", "nginx:1@sha256:D\n")
        .replace("pack://app", "localhost:5000/shop/app:1.20@sha256:D");
    assert_eq!(resolved("stack.yml", text), expected);
}

#[test]
fn one_value_with_two_meanings_is_refused() {
    let text = "x: &n pack://app\nimage: {repository: *n, tag: x}\n";
    let error = DescriptorText::read("values.yaml", text.as_bytes(), None, &[]).expect_err("two uses");
    assert_eq!(error, DescriptorError::TwoUses { line: 1 });
}

#[test]
fn aliases_that_multiply_take_no_time() {
    let mut text = "a0: &a0 {containers: [{image: x}]}\n".to_owned();
    for level in 1..200 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 20].join(","));
    }
    text += "apiVersion: v1\nkind: Pod\nself: &self {a: *self, b: [*self]}\n";
    assert_eq!(images("a.yaml", &text), [(1, "x".to_owned())]);
}

#[test]
fn marathon_and_nomad_and_variables_in_json() {
    let app = r#"{"id": "/a", "container": {"type": "DOCKER", "docker": {"image": "pack://app"}}}"#;
    let group = format!("{{\"id\": \"/\",\r\n\t\"groups\": [{{\"id\": \"g\", \"apps\": [{app}]}}]}}\r\n");
    for text in [app.to_owned(), format!("[{app}]"), group] {
        let expected = text.replace("pack://app", "localhost:5000/shop/app:1.20@sha256:D");
        assert_eq!(resolved("app.json", &text), expected);
        assert_eq!(read("-", &text).formats, [DescriptorFormat::Marathon]);
    }
    let pod = r#"{"id": "/p", "containers": [{"image": {"kind": "DOCKER", "id": "a:1"}}]}"#;
    assert_eq!(images("pod.json", pod), [(1, "a:1".to_owned())]);
    let job = r#"{"Job": {"TaskGroups": [{"Tasks": [{"Config": {"image": "redis:7"}}]}]}}"#;
    assert_eq!(images("job.json", job), [(1, "redis:7".to_owned())]);
    let variables = "{\"app_image\": \"pack://app\", \"ami_image\": \"debian-12\", \"images\": {\"a\": \"pack://b\"}, \
        \"sidecar_image\": \"n\\u0067inx:1\"}";
    let expected = "{\"app_image\": \"localhost:5000/shop/app:1.20@sha256:D\", \"ami_image\": \"debian-12\", \"images\": {\"a\": \
        \"localhost:5000/shop/b:1.20@sha256:D\"}, \"sidecar_image\": \"nginx:1@sha256:D\"}";
    assert_eq!(resolved("a.auto.tfvars.json", variables), expected);
}

#[test]
fn nomad_jobs_in_hcl() {
    let text = "# image = \"no\"\r\nvariable \"v\" {\r\n  default = \"pack://var\"\r\n}\r\njob \"é\" {\r\n  /* config { image = \
        \"no\" } */\r\n  group \"g\" {\r\n    task \"t\" {\r\n      config {\r\n        image   = \"pack://app\" // x\r\n        \
        args = [\"--image=nginx:1\", \"${a[\"b}\"]}\"]\r\n      }\r\n      config { image = \"redis:7\" }\r\n      template {\r\n        \
        image = \"no:1\"\r\n        data = <<-EOF\r\n config { image = \"no\"\r\n        EOF\r\n      }\r\n      config {\r\n        \
        image = var.image\r\n      }\r\n      config {\r\n        image = \"a:${v}\"\r\n      }\r\n    }\r\n  }\r\n}\r\n";
    assert_eq!(
        images("a.nomad.hcl", text),
        [
            (3, "pack://var".to_owned()),
            (10, "pack://app".to_owned()),
            (13, "redis:7".to_owned()),
            (21, "var.image".to_owned()),
            (24, "a:${v}".to_owned()),
        ]
    );
    let expected = text
        .replace("pack://app", "localhost:5000/shop/app:1.20@sha256:D")
        .replace("pack://var", "localhost:5000/shop/var:1.20@sha256:D")
        .replace("redis:7", "redis:7@sha256:D");
    assert_eq!(resolved("a.nomad", text), expected);
}

#[test]
fn terraform_in_hcl() {
    let text = "locals {\n  images = { web = \"pack://web\", \"db\" : \"postgres:16\" }\n  app_image = \"quay.io/a/b:1\"\n  image = \
        \"debian-cloud/debian-11\"\n  c_image = format(\"%s:1\", \"a:1\")\n  d_image = x ? \"a:1\" : \"b:1\"\n  e = [for k, v in m \
        : k => \"pack://each\" if v != \"\"]\n  note = \"see pack://doc.\"\n}\n";
    assert_eq!(
        images("main.tf", text),
        [(2, "pack://web".to_owned()), (3, "quay.io/a/b:1".to_owned()), (7, "pack://each".to_owned())]
    );
    assert_eq!(read("main.tf", text).mentions, [8]);
}

#[test]
fn broken_texts_are_refused_with_their_place() {
    let cases = [
        ("a.yaml", "a: [\n", "line 1, column 4: not valid YAML: unclosed bracket"),
        ("a.yaml", "a: b\n\tc: d\n", "found a tab"),
        ("a.yaml", "a: *b\n", "line 1, column 4: not valid YAML"),
        ("a.yaml", "a: \"b\n", "not valid YAML"),
        ("a.json", "{\"a\": 1,}", "line 1, column 9: not valid JSON"),
        ("a.json", "{\"a\": 1, \"a\": 2}", "occurs twice"),
        ("a.nomad", "job \"a\" {\n", "line 2, column 1: not valid HCL: the block `job` does not end"),
        ("a.nomad", "a = \"b\n", "line 1, column 5: not valid HCL: the string does not end on its line"),
        ("a.nomad", "a = [1\n\n", "`]` is missing in the value of `a`"),
        ("a.nomad", "a = <<E\nx\n", "the text to `E` does not end"),
        ("a.nomad", "a =\nb = 1\n", "`a` has no value"),
        ("a.nomad", "a b: c\n", "behind `a` should be `=` or `{`"),
        ("a.nomad", "}\n", "line 1, column 1: not valid HCL"),
        ("a.nomad", "/* a", "the comment does not end"),
    ];
    for (name, text, message) in cases {
        let error = DescriptorText::read(name, text.as_bytes(), None, &[]).expect_err(text).to_string();
        assert!(error.contains(message), "{text:?}: {error}");
    }
    let latin = DescriptorText::read("a.yaml", b"a: \xe9", None, &[]).expect_err("not UTF-8");
    assert_eq!(latin, DescriptorError::Encoding { line: 1, column: 4 });
}

#[test]
fn large_and_deep_texts_are_bounded() {
    let most = MAX_DESCRIPTOR;
    let cases: [(&str, String); 14] = [
        ("a.yaml", "[".repeat(100_000)),
        ("a.yaml", "{a: ".repeat(100_000)),
        ("a.yaml", "- ".repeat(100_000)),
        ("a.yaml", "- a\n".repeat(most / 4)),
        ("a.yaml", format!("apiVersion: v1\nkind: List\ncontainers:\n{}", "- image: x\n".repeat(200_000))),
        ("a.yaml", format!("a: \"{}", "a\n".repeat(most / 2 - 10))),
        ("a.json", "[".repeat(100_000)),
        ("a.json", format!("[{}1]", "1,".repeat(most / 2 - 10))),
        ("a.nomad", "a {\n".repeat(100_000)),
        ("a.nomad", format!("a = {}", "[".repeat(100_000))),
        ("a.nomad", format!("a = \"{}", "${\"".repeat(100_000))),
        ("a.nomad", "a=1\n".repeat(most / 4)),
        ("a.nomad", "config {\nimage = \"pack://a\"\n}\n".repeat(200_000)),
        ("a.txt", "pack://a ".repeat(200_000)),
    ];
    for (name, text) in cases {
        let start = text[..40.min(text.len())].to_owned();
        let read = DescriptorText::read(name, text.as_bytes(), None, &[]);
        assert_eq!(read.is_ok(), text.starts_with("a=1"), "{start}: {read:?}");
    }
    let too_large = "#".repeat(most + 1);
    let error = DescriptorText::read("a.yaml", too_large.as_bytes(), None, &[]).expect_err("too large");
    assert_eq!(error, DescriptorError::TooMuch { most, what: "bytes" });
}

/// `image.name` and `image.tag` are the keys of Argo CD Image Updater; other charts write `repo`.
#[test]
fn a_name_beside_a_tag_is_a_part_of_an_image() {
    for key in ["name", "repo"] {
        let text = format!("image:\n  {key}: pack://api\n  tag: a\n");
        let expected = format!("image:\n  {key}: localhost:5000/shop/api\n  tag: 1.20@sha256:D\n");
        assert_eq!(resolved("values.yaml", &text), expected);
        // Also where no key says that it is about an image, since nothing else is `pack://NAME`.
        assert_eq!(
            resolved("values.yaml", &text.replace("image:", "api:")),
            expected.replace("image:", "api:")
        );
        let other =
            format!("image: {{{key}: quay.io/a/b, tag: '1'}}\nsource: {{{key}: quay.io/a/b, tag: '1'}}\n");
        assert_eq!(images("values.yaml", &other), [(1, "quay.io/a/b:1".to_owned())]);
        let named = format!("images:\n- {{{key}: web, image: caddy, tag: '2'}}\n");
        assert_eq!(images("values.yaml", &named), [(2, "caddy:2".to_owned())]);
    }
    let whole = read("values.yaml", "web: pack://api\ntag: a\n");
    assert_eq!((whole.images.len(), whole.beside_tags), (1, vec![1]));
}

#[test]
fn a_name_that_is_empty_is_no_longer_text() {
    for (name, text) in
        [("a.yaml", "image: pack://\n"), ("a.tf", "image = \"pack://\"\n"), ("a.json", "[\"pack://${A}\"]")]
    {
        let read = read(name, text);
        assert_eq!((read.images.len(), read.mentions.len()), (1, 0), "{name}");
        assert!(matches!(read.images[0].image(), WrittenImage::Unknown(text) if text.starts_with("pack://")));
    }
    assert_eq!(read("a.txt", "image=pack://\n").mentions, [1]);
}

#[test]
fn patches_without_a_kind_are_read_as_objects() {
    let merge = "spec:\n  template:\n    spec:\n      containers:\n      - image: nginx:1\n";
    let operations = "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: nginx:1\n- op: add\n  path: \
        /spec/containers/-\n  value: {name: a, image: redis:7}\n- {op: remove, path: /a}\n";
    assert_eq!(images("patch.yaml", merge), [(5, "nginx:1".to_owned())]);
    assert_eq!(images("patch.yaml", operations), [(3, "nginx:1".to_owned()), (6, "redis:7".to_owned())]);
    for text in [merge, operations] {
        let read = read("patch.yaml", text);
        assert_eq!((read.formats, read.unknown), (vec![DescriptorFormat::Kubernetes], vec![]));
    }
}

#[test]
fn what_looks_like_an_image_elsewhere_is_told() {
    let overlooked = |name: &str, text: &str| {
        let found = read(name, text).overlooked.into_iter();
        found.map(|image| (image.place.line, image.place.image().to_string(), image.why)).collect::<Vec<_>>()
    };
    let object = "apiVersion: x/v1\nkind: Database\nspec: {image: 'jre:1'}\n";
    assert_eq!(overlooked("a.yaml", object), [(3, "jre:1".to_owned(), OverlookedReason::OtherPlace)]);
    let unknown = "step: {image: 'node:18'}\nlogo: {image: logo.png}\n";
    assert_eq!(overlooked("a.yaml", unknown), [(1, "node:18".to_owned(), OverlookedReason::UnknownForm)]);
    assert_eq!(read("a.yaml", unknown).unknown, [1]);
    assert!(read("a.yaml", "---\n# nothing\n---\n").unknown.is_empty());
    let compose = "services:\n  a: {image: 'own:1', build: .}\n  b: &b {build: .}\n  c: {<<: *b, image: 'own:2'}\n  d: {image: \
        'redis:7', build: }\n";
    assert_eq!(images("compose.yaml", compose), [(5, "redis:7".to_owned())]);
    let built =
        [(2, "own:1"), (4, "own:2")].map(|(line, image)| (line, image.to_owned(), OverlookedReason::Built));
    assert_eq!(overlooked("compose.yaml", compose), built);
    let chart = "helmCharts:\n- name: a\n  valuesInline: {image: {repository: a, tag: '1'}}\n";
    assert_eq!(images("kustomization.yaml", chart), [(3, "a:1".to_owned())]);
}

#[test]
fn selectors_say_whether_they_found_something() {
    let selectors = ["Database=spec.image", "Database=spec.nope", "Databse=spec.image"]
        .map(|text| text.parse().expect(text));
    let text = b"apiVersion: x/v1\nkind: Database\nspec: {image: 'jre:1'}\n";
    let read = DescriptorText::read("a.yaml", text, None, &selectors).expect("read");
    let used = read.selectors.iter().map(|used| (used.has_kind, used.has_image)).collect::<Vec<_>>();
    assert_eq!(used, [(true, true), (true, false), (false, false)]);
    assert_eq!(read.overlooked, []);
}

/// Keys that occur many times in one map, aliases that lead to one large value, and long lines are looked at once.
#[test]
fn what_is_named_many_times_takes_time_once() {
    let large: String = (0..60_000).map(|number| format!("  k{number}: v\n")).collect();
    let long = "x".repeat(4 << 20);
    let aliases = |of: &str| format!("- {of}\n").repeat(60_000);
    let services: String = (0..60_000).map(|number| format!("  s{number}: *a\n")).collect();
    let cases = [
        ("a.yaml", format!("a:\n{}", "  repository: pack://p\n".repeat(60_000)), false),
        (
            "kustomization.yaml",
            format!("images:\n- name: x\n{}", "  newName: pack://p\n".repeat(60_000)),
            false,
        ),
        ("a.yaml", format!("kind: Any\napiVersion: v1\na: &a\n{large}list:\n{}", aliases("*a")), true),
        ("stack.yaml", format!("a: &a\n{large}services:\n{services}"), true),
        ("values.yaml", format!("a: &a {long}\nlist:\n{}", aliases("image: *a")), true),
        ("values.yaml", format!("a: &a {long}\nlist:\n{}", aliases("{repository: b, tag: *a}")), false),
        ("values.yaml", format!("a: &a {long} pack://a\nlist:\n{}", aliases("repository: *a")), true),
        (
            "a.yaml",
            format!("a:\n{}", (0..60_000).map(|n| format!("  k{n}: pack://p\n")).collect::<String>()),
            true,
        ),
        ("a.hcl", "x{a=1}".repeat(1 << 20), true),
        ("a.tf", format!("{}{}", "x{a=1}".repeat(1 << 19), " ".repeat(4 << 20)), true),
        ("a.hcl", format!("a = [{}]", "\"x\" /**/ , ".repeat(1 << 19)), true),
    ];
    let selectors = ["Any=list[].image".parse().expect("a path"), "Any=list[]".parse().expect("a path")];
    for (number, (name, text, is_read)) in cases.iter().enumerate() {
        let start = std::time::Instant::now();
        let read = DescriptorText::read(name, text.as_bytes(), None, &selectors);
        assert_eq!(read.is_ok(), *is_read, "{number}: {:?}", read.err());
        assert!(start.elapsed().as_secs() < 20, "{number}: {:?}", start.elapsed());
    }
}

/// A value of YAML with its text, in block or flow style.
fn yaml_text() -> impl Strategy<Value = String> {
    let name = "[a-zé]{1,5}";
    let scalar = prop_oneof![
        name.prop_map(|name| name),
        "\"[a-z€ ]{0,6}\"",
        "'[a-z€ ]{0,6}( '')?'",
        Just("pack://app".to_owned()),
        Just("\"pack://app\"".to_owned()),
        Just("'pack://app'".to_owned()),
        Just("~".to_owned()),
        Just("1.20".to_owned()),
    ];
    let image = prop_oneof![
        Just("nginx:1.20".to_owned()),
        Just("'quay.io/é'".to_owned()),
        Just("\"localhost:5000/a:0362525\"".to_owned()),
        Just("pack://app".to_owned()),
        Just("|-\n          pack://app".to_owned()),
        Just(">\n          nginx:1".to_owned()),
        Just("&x pack://app".to_owned()),
        Just("!!str nginx".to_owned()),
    ];
    let container = (image, scalar.clone(), any::<bool>(), "( # [a-zé]{0,4})?").prop_map(
        |(image, other, is_flow, comment)| {
            if is_flow && !image.contains('\n') {
                format!("      - {{ name: {other}, image: {image} }}{comment}\n")
            } else {
                format!("      - name: {other}{comment}\n        image: {image}\n")
            }
        },
    );
    let document = (proptest::collection::vec(container, 0..4), scalar, any::<bool>()).prop_map(
        |(containers, other, is_last)| {
            let list = if containers.is_empty() { "      []\n".to_owned() } else { containers.concat() };
            let tail = if is_last { String::new() } else { format!("  after: {other}\n") };
            format!(
                "apiVersion: v1\nkind: Pod\nspec:\n  note: {other}\n  inner:\n    containers:\n{list}{tail}"
            )
        },
    );
    (proptest::collection::vec(document, 1..4), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(documents, has_mark, has_returns, ends)| {
            let mut text = documents.join("---\n");
            if !ends {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if has_returns {
                text = text.replace('\n', "\r\n");
            }
            if has_mark { format!("\u{feff}{text}") } else { text }
        },
    )
}

proptest! {
    #[test]
    fn images_of_generated_yaml_are_replaced_and_read_again(text in yaml_text()) {
        let read = read("a.yaml", &text);
        for place in &read.images {
            prop_assert!(text.is_char_boundary(place.offset()));
            let line = text.split('\n').nth(place.line - 1).expect("a line");
            let rest = &text[place.offset()..];
            let column: usize = line.chars().take(place.column - 1).map(char::len_utf8).sum();
            prop_assert!(rest.starts_with(&line[column..]), "{} {}", place.line, place.column);
        }
        super::fuzz::check("a.yaml", text.as_bytes());
        let members = text.matches("pack://app").count();
        let changed = resolved("a.yaml", &text);
        prop_assert_eq!(changed.matches("localhost:5000/shop/app:1.20@sha256:D").count(), members);
        // Without the replacements, it is the text that it was.
        let back = changed.replace("localhost:5000/shop/app:1.20@sha256:D", "pack://app");
        let back = ["nginx:1.20", "nginx:1", "localhost:5000/a:0362525"]
            .iter()
            .fold(back, |text, image| text.replace(&format!("{image}@sha256:D"), image));
        prop_assert_eq!(back.replace("nginx:latest@sha256:D", "nginx"), text);
    }

    #[test]
    fn any_text_is_read_or_refused(name in 0_u8..8, text in "([a-z:#\\-\\[\\]{}'\"|>&*!?,= \t\r\n$<é]|image: |pack://a|\n  ){0,60}") {
        super::fuzz::descriptor(&[&[name], text.as_bytes()].concat());
    }
}
