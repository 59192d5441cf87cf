//! Keys, signatures and attached documents as users see them: files, words, exit codes, and nothing that tells a secret.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::shop::{PASSWORD, Shop};
use crate::support::{files_below, outcome, text};

/// An image in its registry, and a key.
fn shop() -> Shop {
    let shop = Shop::new("").with_key();
    shop.ok("build --push");
    shop
}

#[test]
fn an_image_is_signed_and_verified_by_its_key_alone() {
    let shop = shop();
    shop.fails(4, "verify IMAGE --key pack.pub").says(&["has no signature by the key"]);
    let signed = shop.ok("sign IMAGE --key pack.key").says(&["signed "]);
    assert!(signed.stdout.contains("@sha256:"), "{signed:?}");
    let verified = shop.ok("verify IMAGE --key pack.pub").stdout;
    assert!(verified.contains(": signed by `") && verified.contains(": ok, 1 image"), "{verified}");
    let json = shop.ok("verify IMAGE --key pack.pub --json").json();
    assert_eq!(text(&json["signatures"][0]["form"]), "bundle");
    shop.ok("sign IMAGE --key pack.key").says(&["already"]);
    let json = shop.ok("sign IMAGE --key pack.key --signature-format both --recursive --json").json();
    assert_eq!((&json[0]["manifests"][0]["written"]), true);
    let digest = text(&json[0]["digest"]);
    let tag = format!("{}.sig", digest.replace(':', "-"));
    assert!(shop.fake.tag("shop/app", &tag).is_some());

    shop.project.write("empty.txt", "\n");
    shop.project.pack("key generate --output other --password-file empty.txt").ok().says(&["is empty"]);
    shop.fails(4, "verify IMAGE --key other.pub").says(&["it is signed by another key"]);
    shop.fails(4, "verify IMAGE --key pack.pub --key other.pub").says(&["has no signature by the key"]);
    // A copy takes the signature along, and an image of another content has none.
    let copy = format!("{}/mirror/app:1", shop.fake.address());
    shop.ok(&format!("copy --referrers IMAGE {copy}"));
    shop.ok(&format!("verify {copy} --key pack.pub"));
    shop.project.write("files/a.txt", "b\n");
    shop.ok("build --push --allow-retag");
    shop.fails(4, "verify IMAGE --key pack.pub");
    shop.project.check_store();
}

#[test]
fn a_signature_in_a_layout_is_found_there() {
    let shop = shop();
    shop.ok("build -o oci:layout");
    let image = "oci:layout:1";
    shop.fails(4, &format!("verify {image} --key pack.pub"));
    shop.ok(&format!("sign {image} --key pack.key"));
    shop.ok(&format!("verify {image} --key pack.pub"));
    shop.fails(1, &format!("sign {image} --key pack.key --signature-format legacy"))
        .says(&["is in no registry"]);
}

#[test]
fn a_key_is_private_and_is_not_replaced() {
    let shop = shop();
    let mode = std::fs::metadata(shop.project.path("pack.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    shop.fails(1, "key generate").says(&["is there already", "--output PREFIX"]);
    let public = std::fs::read_to_string(shop.project.path("pack.pub")).unwrap();
    assert_eq!(shop.ok("key public pack.key").stdout, public);
    assert_eq!(shop.ok("key public pack.pub").stdout, public);
    let path = shop.project.path("pack.pub").display().to_string();
    let openssl = Command::new("openssl").args(["pkey", "-pubin", "-noout", "-text", "-in", &path]).output();
    if let Ok(openssl) = openssl {
        let said = String::from_utf8_lossy(&openssl.stdout).into_owned();
        assert!(said.contains("P-256"), "{said}");
    }
}

#[test]
fn what_is_no_key_or_password_is_refused_with_a_word() {
    let shop = shop();
    shop.project.write("wrong.txt", "no-such-word\n");
    let wrong = shop.project.pack(&format!("sign {} --key pack.key --password-file wrong.txt", shop.image));
    let said = wrong.fails(1);
    assert!(
        said.stderr.contains("the password is wrong") && !said.stderr.contains("no-such-word"),
        "{said:?}"
    );
    // Without a terminal, a file or a variable.
    let asked = shop.project.pack(&format!("sign {} --key pack.key", shop.image)).fails(2);
    assert!(asked.stderr.contains("--password-file FILE"), "{asked:?}");
    shop.fails(1, "sign IMAGE --key pack.pub").says(&["it is a public key", "hint: "]);
    shop.fails(1, "verify IMAGE --key pack.key").says(&["it is a private key", "`pack key public FILE`"]);
    shop.fails(1, "sign IMAGE --key build.toml").says(&["no key in PEM"]);
    shop.fails(1, "sign IMAGE --key nothing.key").says(&["cannot be read"]);
    shop.fails(1, "verify IMAGE --key nothing.pub").says(&["cannot be read"]);
    shop.fails(2, "sign IMAGE");
    let file = shop.project.pack(&format!("sign {} --key pack.key --password-file p", shop.image));
    shop.project.write("p", format!("{PASSWORD}\n"));
    file.ok();
    // As a shell names the output of a command.
    assert!(std::process::Command::new("mkfifo").arg(shop.project.path("pipe")).status().unwrap().success());
    shop.fails(1, "sign IMAGE --key pack.key --password-file pipe")
        .says(&["named pipe", "`--password-stdin` reads"]);
}

#[test]
fn several_keys_sign_each_with_its_own_password() {
    let shop = shop();
    shop.project.write("own.txt", format!("{PASSWORD}\n")).write("two.txt", "another-word\n");
    shop.ok("key generate --output two --password-file two.txt");
    let sign = |arguments: &str| shop.project.pack(&format!("sign {} {arguments}", shop.image));
    let keys = "--key pack.key --key two.key";
    // In the order of the keys, and in no other.
    let files = "--password-file own.txt --password-file two.txt";
    sign(&format!("--key two.key --key pack.key {files}")).fails(1).says(&["`two.key` cannot be used"]);
    let signed = sign(&format!("{keys} {files} --json")).ok().json();
    assert_eq!(signed.as_array().map(Vec::len), Some(2), "{signed:#}");
    shop.ok("verify IMAGE --key pack.pub --key two.pub");
    let said = sign(&format!("{keys} {files}")).ok();
    assert_eq!((said.stdout.lines().count(), said.stderr.matches("already").count()), (1, 2), "{said:?}");
    // The variable is one password: the other key needs its own.
    let one = sign(keys).env("COSIGN_PASSWORD", PASSWORD).fails(1);
    one.says(&[
        "`two.key` cannot be used",
        "the password is wrong",
        "hint: ",
        "`--password-file FILE` for each",
    ]);
    // One password of both.
    shop.project.pack("key generate --output three --password-file own.txt").ok();
    sign("--key pack.key --key three.key --password-file own.txt").ok();
    shop.ok("sign IMAGE --key pack.key --key three.key").says(&["already"]);
    let third = sign(&format!("{keys} --key three.key {files}")).fails(2);
    third.says(&["there are 2 `--password-file`, and 3 keys", "one for all keys, or one for each"]);
    sign(&format!("{keys} --sign-with true")).fails(2).says(&["a program that has one key"]);
    // A line each.
    let lines = |text: &str| {
        let mut command = sign(&format!("{keys} --password-stdin")).command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        outcome("sign", &child.wait_with_output().unwrap())
    };
    lines(&format!("{PASSWORD}\nanother-word\n")).has_code(0);
    lines("a\nb\nc\n").has_code(2).says(&["standard input has 3 passwords, and there are 2 keys"]);
}

/// No file but the key itself has the password or the key, and no argument of a process has it.
#[test]
fn no_output_or_file_tells_the_key_or_its_password() {
    let shop = shop();
    for command in
        ["sign -vv IMAGE --key pack.key --json", "sign -vv IMAGE --key pack.key --signature-format both"]
    {
        shop.ok(command);
    }
    for path in files_below(&shop.project.beside("")) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!has(PASSWORD), "{}", path.display());
        let is_key = path.ends_with("pack.key");
        assert!(is_key || !has("PRIVATE KEY"), "{}", path.display());
    }
    for logged in shop.fake.take_log() {
        assert!(!format!("{logged:?}").contains(PASSWORD), "{logged:?}");
    }
}

#[test]
fn a_program_signs_where_the_key_is_elsewhere() {
    let shop = shop();
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(shop.project.root()).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "hsm.key"]) {
        return;
    }
    assert!(openssl(&["ec", "-in", "hsm.key", "-pubout", "-out", "hsm.pub"]));
    let sign = |command: &str| {
        shop.project.pack(&format!("sign {} --key hsm.pub", shop.image)).arg("--sign-with").arg(command).run()
    };
    sign("openssl dgst -sha256 -sign hsm.key").has_code(0).says(&["signed "]);
    shop.ok("verify IMAGE --key hsm.pub");
    // A key of SEC 1 signs without the program, too; the signature is there.
    shop.ok("sign IMAGE --key hsm.key").says(&["already"]);
    shop.fails(1, "sign IMAGE --key pack.pub --sign-with true").says(&["printed no signature"]);
    let other = shop.project.pack(&format!("sign {} --key pack.pub", shop.image)).arg("--sign-with");
    let other = other.arg("openssl dgst -sha256 -sign hsm.key").fails(1);
    assert!(other.stderr.contains("does not fit the key"), "{other:?}");
}

#[test]
fn a_document_is_attached_and_listed() {
    let shop = shop();
    shop.project.write("vex.json", "{}");
    let attach = "attach IMAGE vex.json --type application/vnd.openvex+json --annotation by=ci";
    let first = shop.ok(attach).says(&["attached"]).stdout;
    assert_eq!(shop.ok(attach).says(&["it was there"]).stdout, first);
    shop.ok("sign IMAGE --key pack.key");
    let listed = shop.ok("referrers IMAGE").stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    for word in ["application/vnd.openvex+json", "https://sigstore.dev/cosign/sign/v1", "└─ sha256:"] {
        assert!(listed.contains(word), "{listed}");
    }
    let json = shop.ok("referrers IMAGE --type application/vnd.openvex+json --json").json();
    assert_eq!(json["referrers"].as_array().map(Vec::len), Some(1), "{json:#}");
    assert_eq!(text(&json["referrers"][0]["annotations"]["by"]), "ci");
    shop.fails(2, "attach IMAGE vex.json --type vex").says(&["not a type of artifact"]);
    shop.fails(1, "attach IMAGE nothing.json --type a/b").says(&["cannot be read"]);
    shop.fails(3, "attach IMAGE-9 vex.json --type a/b").says(&["not found"]);
}
