//! Documents that a build attaches to its images: lists of packages and signatures.

use std::io::Write as _;
use std::process::Stdio;

use pack_test_registry::{Action, Fake, Fault, Kind, Reply};
use serde_json::Value;

use crate::shop::{PASSWORD, Shop};
use crate::support::{Project, files_below, outcome, settle, sha256, text};

const SIGNED: &str = "build --push --sbom --sign --key pack.key";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// A project with packages, and a key.
fn shop() -> Shop {
    with("")
}

fn with(settings: &str) -> Shop {
    let shop = Shop::new(settings);
    shop.project
        .write("files/node_modules/left/package.json", r#"{"name":"left","version":"1.0.0"}"#)
        .write("files/site/six-1.0.dist-info/METADATA", "Name: six\nVersion: 1.0\n\n");
    settle(&shop.project.path("files"));
    shop.with_key()
}

/// The same without the referrers API.
fn without_api() -> Shop {
    let shop = shop();
    shop.fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(Reply::new(404))));
    shop
}

fn types(referrers: &[(String, String)]) -> Vec<&str> {
    referrers.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn documents_are_attached_between_the_manifest_and_the_tag() {
    let shop = shop();
    let plain = shop.ok("build -o oci:plain --json").json();
    let built = shop.ok(&format!("{SIGNED} --json")).json();
    assert_eq!(built["digest"], plain["digest"], "no digest moves");
    let digest = text(&built["digest"]);

    let attached = built["attached"].as_array().unwrap();
    let named: Vec<_> = attached.iter().map(|it| (text(&it["artifactType"]), text(&it["subject"]))).collect();
    // The list is attached as it is, and as a signed statement; then the signature of the image.
    let expected = [CYCLONEDX, BUNDLE, BUNDLE].map(|kind| (kind.to_owned(), digest.clone()));
    assert_eq!(named, expected);
    assert!(attached[0].get("key").is_none() && attached[1]["key"].is_string(), "{built:#}");

    let puts: Vec<String> = shop
        .fake
        .take_log()
        .iter()
        .filter(|logged| logged.method == "PUT" && logged.kind == Kind::Manifest)
        .map(|logged| logged.target.rsplit('/').next().unwrap().to_owned())
        .collect();
    let documents: Vec<String> = attached.iter().map(|it| text(&it["digest"])).collect();
    let bill = documents[0].clone();
    assert_eq!(puts, [vec![digest.clone()], documents, vec!["1".to_owned()]].concat());

    shop.ok("verify IMAGE --key pack.pub").says(&[]);
    assert_eq!(types(&shop.referrers("IMAGE")), [CYCLONEDX, BUNDLE, BUNDLE]);
    // The list is that of `pack sbom`, byte by byte, and what `pack attach` would attach.
    // A store that knows nothing reads the layers as they are in the registry.
    let elsewhere = shop.project.beside("elsewhere");
    let document = shop.project.pack(&format!("sbom {}", shop.image)).cache(&elsewhere).ok().stdout;
    let blob = sha256(document.as_bytes()).parse().unwrap();
    assert_eq!(shop.fake.blob("shop/app", &blob).as_deref(), Some(document.as_bytes()));
    assert!(document.contains("pkg:npm/left@1.0.0") && document.contains("pkg:pypi/six@1.0"), "{document}");
    shop.project.write("bom.json", &document);
    let again = shop.ok(&format!("attach IMAGE bom.json --type {CYCLONEDX}"));
    assert_eq!(again.says(&["it was there"]).stdout.trim().rsplit('@').next(), Some(bill.as_str()));
    shop.project.check_store();
}

#[test]
fn an_unchanged_image_costs_two_requests_and_gets_nothing_twice() {
    for has_api in [true, false] {
        let shop = if has_api { shop() } else { without_api() };
        let digest = text(&shop.ok(&format!("{SIGNED} --json")).json()["digest"]);
        let first = shop.referrers("IMAGE");
        shop.asked();
        let again = shop.ok(&format!("{SIGNED} --json")).json();
        assert_eq!(again["attached"].as_array().map(Vec::len), Some(3), "{again:#}");
        let list = match has_api {
            true => format!("GET /v2/shop/app/referrers/{digest}"),
            false => format!("HEAD /v2/shop/app/manifests/{}", digest.replace(':', "-")),
        };
        assert_eq!(shop.asked(), ["HEAD /v2/shop/app/manifests/1".to_owned(), list]);
        // Without documents it is one, as ever.
        shop.ok("build --push");
        shop.asked();
        shop.ok("build --push");
        assert_eq!(shop.asked(), ["HEAD /v2/shop/app/manifests/1"]);
        // Another machine, and this one after its cache is lost, finds the signature in the registry.
        for cache in ["elsewhere", "cache"] {
            let cold = shop.project.pack(SIGNED).cache(&shop.project.beside(cache));
            std::fs::remove_dir_all(shop.project.beside("cache")).ok();
            cold.env("COSIGN_PASSWORD", PASSWORD).ok();
            assert_eq!(shop.referrers("IMAGE"), first, "has_api: {has_api}");
        }
        // A new tag of the same image is no reason for a second signature.
        shop.ok(&format!("{SIGNED} --tag 2"));
        assert_eq!(shop.referrers("IMAGE"), first);
    }
}

#[test]
fn an_image_that_is_there_gets_what_it_lacks() {
    let shop = shop();
    let digest = text(&shop.ok("build --push --json").json()["digest"]);
    assert_eq!(types(&shop.referrers("IMAGE")), [""; 0]);
    shop.ok("build --push --sbom=spdx");
    assert_eq!(types(&shop.referrers("IMAGE")), ["application/spdx+json"]);
    shop.asked();
    shop.ok("build --push --sign --key pack.key");
    assert_eq!(types(&shop.referrers("IMAGE")), ["application/spdx+json", BUNDLE]);
    let asked = shop.asked();
    let tag = "PUT /v2/shop/app/manifests/1".to_owned();
    assert!(
        !asked.contains(&tag) && !asked.iter().any(|it| it.contains(&format!("PUT {digest}"))),
        "{asked:?}"
    );
    shop.ok("verify IMAGE --key pack.pub");
    // Where the image came without its documents, they come with the next build.
    let copy = format!("{}/mirror/app", shop.fake.address());
    shop.ok(&format!("copy IMAGE {copy}:1"));
    shop.ok(&format!("build --push --name {copy} --sbom --sign --key pack.key"));
    assert_eq!(types(&shop.referrers(&format!("{copy}:1"))), [CYCLONEDX, BUNDLE, BUNDLE]);
}

#[test]
fn each_image_of_an_index_is_signed_and_listed() {
    let shop = shop();
    let command = format!("{SIGNED} --platform linux/amd64,linux/arm64");
    let built = shop.ok(&format!("{command} --json")).json();
    let name = shop.image.trim_end_matches(":1");
    let root = text(&built["digest"]);
    assert_eq!(types(&shop.referrers(&format!("{name}@{root}"))), [BUNDLE]);
    for image in built["images"].as_array().unwrap() {
        let one = format!("{name}@{}", text(&image["digest"]));
        assert_eq!(types(&shop.referrers(&one)), [CYCLONEDX, BUNDLE, BUNDLE]);
        shop.ok(&format!("verify {one} --key pack.pub"));
        let platform = text(&image["platform"]);
        let document = shop.ok(&format!("sbom IMAGE --platform {platform}")).stdout;
        let blob = sha256(document.as_bytes()).parse().unwrap();
        assert!(shop.fake.blob("shop/app", &blob).is_some(), "{platform}");
    }
    assert_eq!(built["attached"].as_array().map(Vec::len), Some(7), "{built:#}");
    shop.asked();
    shop.ok(&command);
    let list = format!("GET /v2/shop/app/referrers/{root}");
    assert_eq!(shop.asked(), ["HEAD /v2/shop/app/manifests/1".to_owned(), list]);
}

#[test]
fn a_layout_and_the_store_have_them_too() {
    let shop = shop();
    for (output, image) in
        [("-o oci:out", "oci:out:1"), ("-o oci-archive:out.tar", "oci-archive:out.tar"), ("", "store:IMAGE")]
    {
        let command = format!("build {output} --sbom --sign --key pack.key");
        let built = shop.ok(&format!("{command} --json")).json();
        assert_eq!(built["attached"].as_array().map(Vec::len), Some(3), "{image}");
        let first = shop.referrers(image);
        assert_eq!(types(&first), [CYCLONEDX, BUNDLE, BUNDLE], "{image}");
        shop.ok(&format!("verify {image} --key pack.pub"));
        shop.ok(&command);
        assert_eq!(shop.referrers(image), first, "{image}");
    }
    // It is the document that `pack attach` puts there.
    let index = std::fs::read_to_string(shop.project.path("out/index.json")).unwrap();
    shop.ok("sbom oci:out:1 -o bom.json");
    shop.ok(&format!("attach oci:out:1 bom.json --type {CYCLONEDX}"));
    let entries =
        |text: &str| serde_json::from_str::<Value>(text).unwrap()["manifests"].as_array().map(Vec::len);
    assert_eq!(entries(&index), Some(4));
    shop.project.check_store();
}

#[test]
fn the_older_form_lies_under_its_tag_before_the_image_has_its_own() {
    let shop = shop();
    let command = "build --push --sign --key pack.key --signature-format both";
    let digest = text(&shop.ok(&format!("{command} --json")).json()["digest"]);
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let place = shop.asked();
    let at = |name: &str| place.iter().position(|it| *it == format!("PUT /v2/shop/app/manifests/{name}"));
    assert!(at(&tag).is_some() && at(&tag) < at("1"), "{place:?}");
    let signed = shop.fake.tag("shop/app", &tag).unwrap();
    shop.asked();
    shop.ok(command);
    assert_eq!(shop.asked().len(), 3, "the tag, the list, the tag of the older form");
    shop.ok("build --push --sign --key pack.key --signature-format legacy --tag 2");
    assert_eq!(shop.fake.tag("shop/app", &tag), Some(signed));
    let both = "build --push -o oci:out --sign --key pack.key --signature-format both";
    shop.pack(both).has_code(2).hints().says(&["under a tag of a registry"]);
}

#[test]
fn what_cannot_sign_is_refused_before_anything_is_sent() {
    let shop = shop();
    shop.project.write("wrong.txt", "no-such-word\n");
    let refused = |code: i32, flags: &str, says: &str| {
        let said = shop.project.pack(&format!("build --push {flags}")).run().has_code(code);
        assert!(said.stderr.contains(says) && !said.stderr.contains("no-such-word"), "{flags}: {said:?}");
        assert_eq!(shop.asked(), [""; 0], "{flags}");
    };
    refused(1, "--sign --key pack.key --password-file wrong.txt", "the password is wrong");
    refused(2, "--sign --key pack.key", "--password-file FILE");
    refused(2, "--sign", "the build needs a key");
    refused(1, "--sign --key nothing.key", "cannot be read");
    refused(1, "--sign --key pack.pub", "it is a public key");
    refused(2, "--key pack.key", "`--key` is about a signature");
    refused(2, "--password-file wrong.txt", "`--password-file` is about a signature");
    refused(2, "--sign --key pack.pub --sign-with=", "names no program");
    refused(2, "--sbom=xml", "is not one of");
    // A key or a password in the artifact would be in the image.
    std::fs::copy(shop.project.path("pack.key"), shop.project.path("files/own.key")).unwrap();
    refused(1, "--sign --key files/own.key --password-file wrong.txt", "goes into the image");
    std::fs::remove_file(shop.project.path("files/own.key")).unwrap();
    // A program that fails: no tag moves.
    let failing = shop.project.pack("build --push --sign --key pack.pub --sign-with false").fails(1);
    assert!(failing.stderr.contains("`false` did not sign"), "{failing:?}");
    assert!(shop.fake.tag("shop/app", "1").is_none());
}

#[test]
fn the_build_file_says_what_is_attached() {
    let shop = with("[attest]\nsbom = true\nsign = true\nkey = \"pack.key\"\n");
    shop.ok("build --push");
    assert_eq!(types(&shop.referrers("IMAGE")), [CYCLONEDX, BUNDLE, BUNDLE]);
    shop.ok("build --push --tag 2 --sbom=spdx --set attest.sign=false");
    assert_eq!(types(&shop.referrers("IMAGE")), ["application/spdx+json", CYCLONEDX, BUNDLE, BUNDLE]);
    let why = shop.ok("build --push --tag 3 --sbom=spdx --explain").stderr;
    assert!(why.contains("attest"), "{why}");
    // A rebuild compares images, and asks for no password.
    shop.project.pack("verify --rebuild --without copy,user").ok();
    // A signature is the word of who has the key, and not of who wrote the file.
    let untrusted = "build --untrusted --sbom";
    shop.pack(untrusted).has_code(4).hints().says(&["`sign` signs the image", "`pack.key` is a private key"]);
    let wrong = |settings: &str, says: &str| {
        let shop = with(&format!("[attest]\n{settings}\n"));
        shop.pack("build").has_code(1).says(&[says]);
    };
    wrong("sing = true", "unknown key");
    wrong("sbom = \"cyclone\"", "did you mean `cyclonedx`?");
    wrong("sbom = 1", "must be a form or a boolean");
    wrong("key = 1", "must be");
}

#[test]
fn the_members_of_a_workspace_are_signed_with_one_password() {
    let fake = Fake::start().unwrap();
    let project = Project::new();
    let host = fake.address();
    project.write(
        "build.toml",
        format!(
            "[workspace]\nmembers = [\"s/*\"]\n[workspace.image]\nname = \"{host}/shop\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
             [attest]\nsbom = true\nsign = true\nkey = \"pack.key\"\n"
        ),
    );
    for member in ["a", "b"] {
        project
            .write(
                &format!("s/{member}/build.toml"),
                "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n",
            )
            .write(&format!("s/{member}/files/name.txt"), member);
    }
    project.pack("key generate").env("COSIGN_PASSWORD", PASSWORD).ok();
    let mut command = project.pack("build --workspace --push --password-stdin --json").command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let json = outcome("build", &child.wait_with_output().unwrap()).has_code(0).json();
    for (number, member) in ["a", "b"].into_iter().enumerate() {
        project.pack(&format!("verify {host}/shop/{member}:1 --key pack.pub")).ok();
        let attached = &json["members"][number]["image"]["attached"];
        assert_eq!(attached.as_array().map(Vec::len), Some(3), "{json:#}");
    }
    // One key that cannot be opened: no member begins.
    let _ = fake.take_log();
    project.write("s/a/files/name.txt", "c");
    project.pack("build --workspace --push").env("COSIGN_PASSWORD", "wrong").fails(1);
    assert!(fake.take_log().is_empty());
}

/// No file but the key itself has the password or the key, and no request, result or record.
#[test]
fn a_build_that_signs_tells_no_secret() {
    let shop = shop();
    shop.project.write("password.txt", format!("{PASSWORD}\n"));
    let everything = "build -vv --push --sbom --sign --key pack.key --password-file password.txt --json --explain \
                      --metadata-file meta.json --image-refs refs.txt --timings=timings.json";
    shop.ok(everything);
    shop.project.append("files/site/six-1.0.dist-info/METADATA", "changed\n");
    shop.pack(&format!("{everything} --allow-retag --tag 3 -o oci:out")).has_code(0);
    std::fs::remove_file(shop.project.path("password.txt")).unwrap();
    for path in files_below(&shop.project.beside("")) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!has(PASSWORD), "{}", path.display());
        assert!(path.ends_with("pack.key") || !has("PRIVATE KEY"), "{}", path.display());
    }
    let metadata = std::fs::read_to_string(shop.project.path("meta.json")).unwrap();
    assert!(metadata.contains(BUNDLE) && metadata.contains(CYCLONEDX), "{metadata}");
    for logged in shop.fake.take_log() {
        assert!(!format!("{logged:?}").contains(PASSWORD), "{logged:?}");
    }
}

/// The memos of a store can be damaged or lie: a signature that the key did not make is never attached.
#[test]
fn a_poisoned_memory_of_signatures_is_not_believed() {
    let shop = shop();
    shop.ok(SIGNED);
    let first = shop.referrers("IMAGE");
    for path in shop.project.memos("signature") {
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    shop.project.forget("outcome");
    shop.ok(SIGNED);
    assert_eq!(shop.referrers("IMAGE"), first);
    shop.ok("verify IMAGE --key pack.pub");
}

#[test]
fn a_signature_costs_three_requests_and_one_that_is_there_two() {
    let shop = shop();
    shop.ok("build --push");
    shop.ok("sign IMAGE --key pack.key");
    shop.project.append("files/site/six-1.0.dist-info/METADATA", "changed\n");
    let digest = text(&shop.ok("build --push --tag 2 --json").json()["digest"]);
    let two = shop.image.replace(":1", ":2");
    shop.asked();
    shop.ok(&format!("sign {two} --key pack.key"));
    let asked = shop.asked();
    let kinds: Vec<&str> = asked.iter().map(|it| it.split(['?', ':']).next().unwrap()).collect();
    let expected = [
        "GET /v2/shop/app/manifests/2".to_owned(),
        "GET /v2/shop/app/referrers/sha256".to_owned(),
        "POST /v2/shop/app/blobs/uploads/".to_owned(),
        "PUT /v2/shop/app/manifests/sha256".to_owned(),
    ];
    assert_eq!(kinds, expected, "{asked:?}");
    shop.ok(&format!("verify {two} --key pack.pub"));
    shop.asked();
    shop.ok(&format!("sign {two} --key pack.key")).says(&["already"]);
    assert_eq!(shop.asked(), [expected[0].clone(), format!("GET /v2/shop/app/referrers/{digest}")]);
    // A store that forgot the empty configuration, or a registry that lost it, costs more and fails nothing.
    shop.ok(&format!("verify {two} --key pack.pub"));
}

#[test]
fn an_image_is_shown_with_its_documents() {
    let shop = shop();
    shop.ok(SIGNED);
    let shown = shop.ok("inspect IMAGE").stdout;
    let lines: Vec<&str> = shown.lines().skip_while(|line| *line != "attached").collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[1..3].iter().all(|line| line.starts_with("├─ sha256:")), "{shown}");
    assert!(lines[3].starts_with("└─ sha256:"), "{shown}");
    for word in [CYCLONEDX, "https://cyclonedx.org/bom", "https://sigstore.dev/cosign/sign/v1"] {
        assert_eq!(lines[1..].iter().filter(|line| line.contains(word)).count(), 1, "{shown}");
    }
    let json = shop.ok("inspect IMAGE --json").json();
    assert_eq!(json["attached"].as_array().map(Vec::len), Some(3), "{json:#}");
    // A document about a document is asked for by a flag.
    let attached = json["attached"].as_array().unwrap();
    let bill = attached.iter().find(|it| it["artifactType"] == CYCLONEDX).unwrap();
    let bill = text(&bill["digest"]);
    let name = shop.image.trim_end_matches(":1");
    shop.project.write("note.txt", "seen");
    shop.ok(&format!("attach {name}@{bill} note.txt --type text/plain"));
    assert!(!shop.ok("inspect IMAGE").stdout.contains("text/plain"));
    let whole = shop.ok("inspect IMAGE --referrers").stdout;
    assert!(whole.contains("text/plain"), "{whole}");
    // A registry that fails at the list does not hide the image.
    shop.fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(Reply::new(403))));
    shop.ok("inspect IMAGE").says(&["note: cannot tell what is attached"]);
    shop.pack("inspect IMAGE --referrers").has_code(3);
}

#[test]
fn a_copy_takes_signatures_along_and_a_rebase_says_which_it_leaves() {
    let shop = shop();
    shop.project.build("-o oci:base:1 --name localhost/base");
    shop.project.write("other/b.txt", "b");
    let settings = std::fs::read_to_string(shop.project.path("build.toml")).unwrap();
    let settings = settings.replace("\"scratch\"", "\"oci:base:1\"").replace("\"files\"", "\"other\"");
    shop.project.write("build.toml", settings.replace("/srv", "/opt"));
    let digest = text(&shop.ok(&format!("{SIGNED} --signature-format both --json")).json()["digest"]);

    let copy = format!("{}/mirror/app", shop.fake.address());
    let copied = shop.ok(&format!("copy IMAGE {copy}:1 --referrers"));
    copied.says(&["3 referrers (2 signatures), 1 tag of older signatures"]);
    let tag = format!("{}.sig", digest.replace(':', "-"));
    assert_eq!(shop.fake.tag("mirror/app", &tag), shop.fake.tag("shop/app", &tag));
    assert!(shop.fake.tag("mirror/app", &tag).is_some());
    // Signatures of others that are there stay.
    shop.project.write("empty.txt", "\n");
    shop.project.pack("key generate --output other --password-file empty.txt").ok();
    let second = format!("{}/second/app:1", shop.fake.address());
    shop.ok(&format!("copy IMAGE {second}"));
    shop.project
        .pack(&format!("sign {second} --key other.key --signature-format legacy --password-file empty.txt"))
        .ok();
    shop.ok(&format!("copy IMAGE {second} --referrers"));
    for key in ["pack.pub", "other.pub"] {
        shop.ok(&format!("verify {second} --key {key}"));
    }
    shop.ok(&format!("copy {second} oci:layout:1 --referrers"));
    let named = std::fs::read_to_string(shop.project.path("layout/index.json")).unwrap();
    assert!(named.contains(&tag), "{named}");

    // Another base is another image.
    shop.project.append("files/site/six-1.0.dist-info/METADATA", "changed\n");
    let newer = settings.replace("\"oci:base:1\"", "\"scratch\"").replace("\"other\"", "\"files\"");
    shop.project.write("newer.toml", newer);
    shop.project.pack("build -f newer.toml -o oci:newer:1 --name localhost/base").ok();
    let rebased = shop.ok("rebase IMAGE --old-base oci:base:1 --base oci:newer:1 -t 2");
    rebased.says(&["the signatures ", "hold for that one alone", "1 document that", "pack sign"]);
}

/// Documents refer to a digest: those of an image that stays are still its own, and those of all others are named.
#[test]
fn a_rebase_names_the_documents_of_each_image_that_changes() {
    let shop = shop();
    let platforms = "--platform linux/amd64,linux/arm64";
    shop.ok(&format!("build -o oci:base:1 --name localhost/base {platforms}"));
    shop.project.write("other/b.txt", "b");
    let settings = std::fs::read_to_string(shop.project.path("build.toml")).unwrap();
    let own = settings.replace("\"scratch\"", "\"oci:base:1\"").replace("\"files\"", "\"other\"");
    shop.project.write("build.toml", own.replace("/srv", "/opt"));
    shop.ok(&format!("{SIGNED} {platforms}"));
    let same = shop.ok("rebase IMAGE --old-base oci:base:1 --base oci:base:1 -t same");
    assert!(!same.stderr.contains("alone"), "{same:?}");
    assert_eq!(shop.fake.tag("shop/app", "same"), shop.fake.tag("shop/app", "1"));
    shop.project.append("files/site/six-1.0.dist-info/METADATA", "changed\n");
    shop.project.write("newer.toml", &settings);
    shop.ok(&format!("build -f newer.toml -o oci:newer:1 --name localhost/base {platforms}"));
    let rebased = shop.ok("rebase IMAGE --old-base oci:base:1 --base oci:newer:1 -t 2");
    // At the index a signature; at each image a list, the same signed, and a signature.
    rebased.says(&["the signatures ", "hold for that one alone", "2 documents that"]);
    let two = shop.image.replace(":1", ":2");
    assert_eq!(types(&shop.referrers(&two)), [""; 0], "nothing is carried to the new image");
}

/// Anyone who can write to the repository can list anything beside an image that is not signed yet.
#[test]
fn bundles_that_lie_neither_stop_a_build_nor_count_as_its_signature() {
    let shop = shop();
    shop.ok("build --push");
    // A bundle of another key, one of ours about another image, and text that is none.
    shop.project.write("empty.txt", "\n");
    shop.project.pack("key generate --output other --password-file empty.txt").ok();
    shop.project.pack(&format!("sign {} --key other.key --password-file empty.txt", shop.image)).ok();
    shop.project.write("files/site/six-1.0.dist-info/METADATA", "Name: six\nVersion: 2.0\n\n");
    let other =
        text(&shop.ok("build --push --tag 2 --sign --key pack.key --json").json()["attached"][0]["digest"]);
    let manifest = shop.fake.manifest("shop/app", &other.parse().unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let bundle = text(&manifest["layers"][0]["digest"]);
    let bundle = shop.fake.blob("shop/app", &bundle.parse().unwrap()).unwrap();
    shop.project.write("theirs.json", bundle).write("none.json", "{}");
    for file in ["theirs.json", "none.json"] {
        shop.ok(&format!("attach IMAGE {file} --type {BUNDLE}"));
    }
    shop.ok(&format!("attach IMAGE none.json --type {CYCLONEDX}"));
    shop.project.write("files/site/six-1.0.dist-info/METADATA", "Name: six\nVersion: 1.0\n\n");
    let before = shop.referrers("IMAGE");
    shop.project.pack(&format!("verify {} --key pack.pub", shop.image)).fails(4);
    shop.project.forget("signature");
    shop.ok(SIGNED);
    shop.ok("verify IMAGE --key pack.pub");
    let after = shop.referrers("IMAGE");
    assert_eq!(after.len(), before.len() + 3, "{after:?}");
    assert!(before.iter().all(|known| after.contains(known)), "{after:?}");
    // Now that all of it is there, nothing is added, whatever this machine remembers.
    shop.project.forget("signature");
    shop.project.forget("outcome");
    shop.ok(SIGNED);
    assert_eq!(shop.referrers("IMAGE"), after);
}
