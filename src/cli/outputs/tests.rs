//! The texts of the forms, and values that try to break out of their places.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::OutputSubject::{Image, Members};
use super::ci::CiForm;
use super::*;
use crate::oci::MediaType;
use crate::types::digest::Digest;

fn image(name: &str, tags: &[&str]) -> OutputImage {
    OutputImage {
        name: name.to_owned(),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        digest: Digest::of(b"manifest"),
        media_type: MediaType::ImageManifest,
        size: Some(400),
        config: Some(Digest::of(b"config")),
        platforms: vec!["linux/amd64".parse().expect("a platform")],
        is_pushed: true,
        report: serde_json::json!({ "tags": tags }),
    }
}

/// Reads a file of outputs as the runner does (`FileCommandManager.cs`): lines end at CR, LF or both; the first of `=` and
/// `<<` decides the form.
fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').peekable();
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        match (equals, heredoc) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                found.insert(line[..equals].to_owned(), line[equals + 1..].to_owned());
            }
            (_, Some(heredoc)) => {
                let (name, word) = (&line[..heredoc], &line[heredoc + 2..]);
                if name.is_empty() || word.is_empty() {
                    return Err(format!("invalid line {line:?}"));
                }
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        None => return Err(format!("{word} is missing")),
                        Some(line) if line == word => break,
                        Some(line) => value.push(line),
                    }
                }
                found.insert(name.to_owned(), value.join("\n"));
            }
            _ => return Err(format!("invalid line {line:?}")),
        }
    }
    Ok(found)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_metadata_has_what_buildkit_says() {
    let value = buildkit::metadata(&[image("localhost:5000/shop/app", &["1.0", "dev"])], Image);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("JSON"), @r#"
    {
      "containerimage.config.digest": "sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910",
      "containerimage.descriptor": {
        "digest": "sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f",
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "size": 400
      },
      "containerimage.digest": "sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f",
      "image.name": "localhost:5000/shop/app:1.0,localhost:5000/shop/app:dev",
      "tags": [
        "1.0",
        "dev"
      ]
    }
    "#);
    let several = buildkit::metadata(&[image("a/b", &["1"]), image("a/c", &["1"])], Members);
    let names: Vec<&String> = several.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["a/b", "a/c"]);
}

#[test]
fn skaffold_gets_the_name_in_manifests_and_what_replaces_it() {
    let (one, mut other) = (image("localhost:5000/shop/app", &["1.0", "dev"]), image("a/c", &[]));
    other.tags.clear();
    let digest = one.digest;
    let expected = serde_json::json!({ "builds": [
        { "imageName": "localhost:5000/shop/app", "tag": format!("localhost:5000/shop/app:1.0@{digest}") },
        { "imageName": "a/c", "tag": format!("a/c@{digest}") },
    ] });
    assert_eq!(skaffold::builds(&[one, other]), expected);
    assert_eq!(skaffold::builds(&[]), serde_json::json!({ "builds": [] }));
}

#[test]
fn jib_and_docker_name_the_configuration_and_an_index_names_itself() {
    let mut one = image("localhost:5000/shop/app", &["1.0"]);
    let [json, digest, id] = jib::files(&one).map(text);
    assert_eq!((digest, id.clone()), (one.digest.to_string(), Digest::of(b"config").to_string()));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["image"], "localhost:5000/shop/app:1.0");
    assert_eq!((&json["imageId"], &json["imagePushed"]), (&id.into(), &true.into()));
    assert_eq!(json["tags"], serde_json::json!(["1.0"]));
    assert_eq!(text(iidfile::id(&one)), Digest::of(b"config").to_string());
    one.config = None;
    assert_eq!(text(iidfile::id(&one)), one.digest.to_string());
    assert_eq!(text(image_refs::references(&[one.clone()])), format!("{}\n", one.reference()));
}

#[test]
fn a_dotenv_file_has_three_variables_for_each_image() {
    let one = image("localhost:5000/shop/app", &["1.0"]);
    let digest = one.digest;
    let expected =
        format!("PACK_IMAGE=localhost:5000/shop/app@{digest}\nPACK_DIGEST={digest}\nPACK_TAG=1.0\n");
    assert_eq!(dotenv::variables(std::slice::from_ref(&one), Image).map(text), Ok(expected));
    let two = [one.clone(), image("localhost:5000/shop/web-ui", &["2"])];
    let both = dotenv::variables(&two, Members).map(text).expect("fits");
    assert!(both.contains("PACK_TAG_SHOP_APP=1.0\n") && both.contains("PACK_TAG_SHOP_WEB_UI=2\n"), "{both}");
    let same = [one.clone(), image("localhost:5000/shop/app", &["2"])];
    let twice = OutputError::SameName("PACK_IMAGE_SHOP_APP".to_owned());
    assert_eq!(dotenv::variables(&same, Members), Err(twice.clone()));
    let many: Vec<OutputImage> = (0..40).map(|number| image(&format!("a/shop/{number}"), &["1"])).collect();
    assert!(matches!(dotenv::variables(&many, Members), Err(OutputError::TooLong(_))));
    // The same is known before there is an image.
    let expected = |images: &[OutputImage]| images.iter().map(OutputImage::expected).collect::<Vec<_>>();
    assert_eq!(dotenv::check(&expected(&two), Members), Ok(()));
    assert_eq!(dotenv::check(&expected(&same), Members), Err(twice));
    let known = dotenv::check(&expected(&many), Members);
    assert_eq!(known, dotenv::variables(&many, Members).map(drop));
}

#[test]
fn outputs_of_a_step_are_read_back() {
    let one = image("localhost:5000/shop/app", &["1.0", "dev"]);
    let found = read(&text(github_output::outputs(std::slice::from_ref(&one), Image))).expect("read");
    assert_eq!(found["image"], one.reference());
    assert_eq!((found["tags"].as_str(), found["id"].clone()), ("1.0\ndev", one.id().to_string()));
    let several = read(&text(github_output::outputs(&[one.clone(), one.clone()], Members))).expect("read");
    assert_eq!(several.keys().collect::<Vec<_>>(), ["images"]);
    let images: serde_json::Value = serde_json::from_str(&several["images"]).expect("JSON");
    assert_eq!(images[1]["image"], one.reference());
}

/// A job that reads a file must find the same names in it, however many images a run finished.
#[test]
fn the_names_follow_the_command_and_not_the_number_of_images() {
    let all = [image("r/shop/api", &["1"]), image("r/shop/web", &["1"])];
    for finished in [&all[..], &all[..1], &[]] {
        let keys = |names: Vec<&str>| finished.iter().flat_map(move |_| names.clone()).count();
        let metadata = buildkit::metadata(finished, Members);
        let names: Vec<&String> = metadata.as_object().expect("an object").keys().collect();
        assert_eq!(names, finished.iter().map(|image| &image.name).collect::<Vec<_>>());
        let dotenv = dotenv::variables(finished, Members).map(text).expect("fits");
        assert_eq!(dotenv.matches("_SHOP_").count(), keys(vec!["IMAGE", "DIGEST", "TAG"]), "{dotenv}");
        assert!(!dotenv.contains("PACK_IMAGE="), "{dotenv}");
        let outputs = read(&text(github_output::outputs(finished, Members))).expect("read");
        assert_eq!(outputs.keys().collect::<Vec<_>>(), ["images"]);
    }
}

#[test]
fn what_is_added_begins_on_a_line_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("outputs");
    for (before, after) in [("", "x=1\n"), ("a=b\n", "a=b\nx=1\n"), ("a=b", "a=b\nx=1\n")] {
        std::fs::write(&path, before).expect("written");
        appended::AppendedFile::open(&path).expect("opened").write(b"x=1\n").expect("added");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), after);
    }
    assert!(appended::AppendedFile::open(directory.path()).is_err());
}

#[test]
fn forms_of_ci_are_named() {
    assert_eq!("github".parse(), Ok(CiForm::GitHub));
    assert_eq!("gitlab=a=b.env".parse(), Ok(CiForm::GitLab("a=b.env".into())));
    assert_eq!("jib=build".parse(), Ok(CiForm::Jib("build".into())));
    for wrong in ["", "gitlab", "gitlab=", "github=x", "travis", "jib=out/{name}"] {
        assert!(wrong.parse::<CiForm>().is_err(), "{wrong}");
    }
}

/// Text that tries to break out.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("%0A".to_owned()),
        Just("<<EOF".to_owned()),
        Just("EOF".to_owned()),
        Just("pack_".to_owned()),
        Just("digest=evil".to_owned()),
        Just("`".to_owned()),
        Just("|".to_owned()),
        Just("::set-output name=x::".to_owned()),
        Just("<script>".to_owned()),
        Just("](x)".to_owned()),
        "\\PC{0,8}",
    ];
    proptest::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_value_ends_its_output(first in hostile(), second in hostile()) {
        let written = format!("{}{}", github_output::output("a", &first), github_output::output("b", &second));
        let found = read(&written).map_err(TestCaseError::fail)?;
        let plain = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
        prop_assert_eq!(&found["a"], &plain(&first));
        prop_assert_eq!(&found["b"], &plain(&second));
    }

    #[test]
    fn no_value_ends_its_cell(name in hostile(), tag in hostile()) {
        let table = text(github_summary::table(&[image(&name, &[&tag])]));
        prop_assert_eq!(table.lines().count(), 6, "{}", table);
        let row = table.lines().nth(4).unwrap_or_default();
        prop_assert_eq!(row.matches('|').count(), 6, "{}", row);
        prop_assert!(!row.contains(['<', '>', '`', '[', '*', '_', '!', '\\']), "{}", row);
    }

    #[test]
    fn no_value_ends_its_variable(value in hostile()) {
        match dotenv::line("A", &value) {
            Ok(line) => prop_assert_eq!(line, format!("A={value}\n")),
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }

    #[test]
    fn json_forms_stay_json(name in hostile(), tag in hostile()) {
        let image = image(&name, &[&tag]);
        let [json, ..] = jib::files(&image);
        let json: serde_json::Value = serde_json::from_slice(&json).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(json["tags"][0].as_str(), Some(&*tag));
        let found = read(&text(github_output::outputs(&[image], Image))).map_err(TestCaseError::fail)?;
        let images: serde_json::Value = serde_json::from_str(&found["images"]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(images[0]["name"].as_str(), Some(&*name));
    }
}
