//! Keys, bundles and payloads as they are, and as they lie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::types::digest::Digest;
use crate::types::error::{Explain as _, Kind};

fn key() -> PrivateKey {
    PrivateKey::generate().expect("random bytes")
}

fn image() -> Digest {
    Digest::of(b"image")
}

fn bundle(key: &PrivateKey) -> Value {
    let bytes = SignatureBundle::sign(&ImageStatement::signature(&image()), key).expect("signed");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn read(bundle: &Value) -> Result<SignatureBundle, ProofError> {
    SignatureBundle::read(bundle.to_string().as_bytes())
}

#[test]
fn a_key_under_a_password_is_opened_by_it_alone() {
    let key = key();
    let sealed = key.seal(b"hunter2").expect("sealed");
    assert!(sealed.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), "{}", *sealed);
    let Ok(KeyFile::Sealed(file)) = KeyFile::read(sealed.as_bytes()) else { panic!("a sealed key") };
    let opened = file.open(b"hunter2").expect("opened");
    assert_eq!(opened.public(), key.public());
    let wrong = file.open(b"hunter3").expect_err("another password");
    assert_eq!((&wrong, wrong.kind()), (&KeyError::Password, Kind::Input));
    let older = sealed.replace("SIGSTORE", "COSIGN");
    assert!(matches!(KeyFile::read(older.as_bytes()), Ok(KeyFile::Sealed(_))));
    for shown in [format!("{key:?}"), format!("{file:?}"), format!("{opened:?}")] {
        assert!(!shown.contains("hunter2") && shown.len() < 80, "{shown}");
    }
}

#[test]
fn plain_keys_are_read_in_both_forms() {
    let key = key();
    let der = key.to_pkcs8().expect("DER");
    let pem = pem::write("PRIVATE KEY", &der);
    let Ok(KeyFile::Open(read)) = KeyFile::read(pem.as_bytes()) else { panic!("a key") };
    assert_eq!(read.public(), key.public());
    // The inner sequence of PKCS#8 is the form of SEC 1, without the name of the curve.
    let at = der.windows(5).position(|window| window == [0x02, 0x01, 0x01, 0x04, 0x20]).expect("the number");
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let body = [&der[at..at + 37], &curve[..]].concat();
    let sec1 = [&[0x30, u8::try_from(body.len()).expect("short")][..], &body].concat();
    let text =
        format!("{}{}", &*pem::write("EC PARAMETERS", &curve[2..]), &*pem::write("EC PRIVATE KEY", &sec1));
    let Ok(KeyFile::Open(read)) = KeyFile::read(text.as_bytes()) else { panic!("a key") };
    assert_eq!(read.public(), key.public());
    let public = key.public().to_pem();
    assert_eq!(PublicKey::from_pem(public.as_bytes()).as_ref(), Ok(key.public()));
}

#[test]
fn what_is_no_key_is_refused_and_named() {
    let key = key();
    let public = key.public().to_pem();
    let private = pem::write("PRIVATE KEY", &key.to_pkcs8().expect("DER"));
    let private_cases: [(&str, KeyError); 8] = [
        (&public, KeyError::Public),
        ("", KeyError::NoPem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", KeyError::Pem("a block has no end")),
        (
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
            KeyError::Pem("a block is not base64"),
        ),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            KeyError::OpenSsl("ENCRYPTED PRIVATE KEY"),
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
            KeyError::OpenSsl("Proc-Type: 4,ENCRYPTED"),
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KeyError::Certificate),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeyError::Invalid),
    ];
    for (text, error) in private_cases {
        assert_eq!(KeyFile::read(text.as_bytes()).map(|_| ()), Err(error), "{text}");
    }
    assert_eq!(PublicKey::from_pem(private.as_bytes()), Err(KeyError::Private));
    // `openssl genpkey -algorithm ed25519`, and the beginning of a key of RSA.
    let ed25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n\
        -----END PRIVATE KEY-----\n";
    assert_eq!(KeyFile::read(ed25519.as_bytes()).map(|_| ()), Err(KeyError::Algorithm("Ed25519")));
    let rsa =
        [&[0x30, 0x0d, 0x06, 0x09][..], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]].concat();
    assert_eq!(PublicKey::from_der(&rsa), Err(KeyError::Algorithm("RSA")));
    // A point that is not on the curve.
    let mut der = STANDARD
        .decode(public.lines().filter(|line| !line.starts_with('-')).collect::<String>())
        .expect("base64");
    *der.last_mut().expect("bytes") ^= 1;
    assert_eq!(PublicKey::from_der(&der), Err(KeyError::Invalid));
}

#[test]
fn numbers_of_scrypt_are_bounded() {
    let sealed = |n: u64, r: u64, p: u64| {
        let json = json!({
            "kdf": { "name": "scrypt", "params": { "N": n, "r": r, "p": p }, "salt": "AAAA" },
            "cipher": { "name": "nacl/secretbox", "nonce": STANDARD.encode([0; 24]) },
            "ciphertext": "AAAA",
        });
        KeyFile::read(pem::write("ENCRYPTED SIGSTORE PRIVATE KEY", json.to_string().as_bytes()).as_bytes())
    };
    for (n, r, p) in [(1 << 15, 8, 1), (1 << 16, 8, 1), (1 << 17, 8, 1)] {
        assert!(sealed(n, r, p).is_ok(), "{n}");
    }
    for (n, r, p) in [
        (1 << 18, 8, 1),
        (1 << 17, 8, 8),
        (2, 1, u64::from(u32::MAX)),
        (1 << 62, 1 << 62, 1),
        (3, 8, 1),
        (0, 8, 1),
        (1, 8, 1),
        (1 << 15, 0, 1),
        (1 << 15, 8, 0),
    ] {
        let found = sealed(n, r, p).map(|_| ());
        assert!(matches!(found, Err(KeyError::Scrypt { .. } | KeyError::Json(_))), "{n} {r} {p}: {found:?}");
    }
}

#[test]
fn a_bundle_proves_what_it_says() {
    let key = key();
    let bundle = read(&bundle(&key)).expect("a bundle");
    let statement = bundle.proves(key.public()).expect("signed");
    assert_eq!(statement.predicate_type, COSIGN_SIGN);
    assert_eq!(statement.is_about(&image()), Ok(()));
    let other = Digest::of(b"other");
    let said = statement.is_about(&other).expect_err("another image").to_string();
    assert_eq!(said, format!("it is about {}, not about {other}", image()));
    let stranger = self::key();
    let wrong = bundle.proves(stranger.public()).expect_err("another key");
    assert_eq!((wrong.kind(), wrong), (Kind::Policy, ProofError::OtherKey(key.public().id().to_string())));
}

#[test]
fn a_bundle_that_lies_is_refused_and_it_is_said_why() {
    let key = key();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bundle = bundle(&key);
        change(&mut bundle);
        read(&bundle)
            .and_then(|bundle| bundle.proves(key.public()))
            .map(|_| ())
            .expect_err("a lie")
            .to_string()
    };
    let envelope = |name: &'static str, value: Value| {
        changed(&move |bundle: &mut Value| bundle["dsseEnvelope"][name] = value.clone())
    };
    let other = STANDARD.encode(ImageStatement::signature(&Digest::of(b"other")).to_bytes());
    let is_wrong = format!("the signature is not one by the key `{}` over this content", key.public().id());
    // Another payload under the same signature.
    assert_eq!(envelope("payload", other.into()), is_wrong);
    // A signature over the payload alone, and one over another type.
    let payload = ImageStatement::signature(&image()).to_bytes();
    for message in [payload.clone(), pae("text/plain", &payload)] {
        let signature = key.sign(&message).expect("signed").to_base64();
        assert_eq!(envelope("signatures", json!([{ "sig": signature }])), is_wrong);
    }
    assert!(envelope("payloadType", "text/plain".into()).starts_with("it is of the type `text/plain`"));
    assert_eq!(envelope("signatures", json!([])), "it has 0 signatures; a bundle has exactly one");
    let two = bundle(&key)["dsseEnvelope"]["signatures"][0].clone();
    assert_eq!(envelope("signatures", json!([two, two])), "it has 2 signatures; a bundle has exactly one");
    assert_eq!(
        envelope("signatures", json!([{ "sig": "AAAA" }])),
        "`sig` is not a signature of ECDSA on P-256"
    );
    assert_eq!(envelope("payload", "!".into()), "`payload` is not base64");
    let top =
        |name: &'static str, value: Value| changed(&move |bundle: &mut Value| bundle[name] = value.clone());
    assert!(top("mediaType", "x".into()).starts_with("it is of the type `x`"));
    assert!(top("dsseEnvelope", Value::Null).starts_with("`dsseEnvelope` is missing"));
    let certificate = json!({ "certificate": { "rawBytes": "AAAA" } });
    assert!(top("verificationMaterial", certificate).starts_with("it is signed by a certificate"));
    assert!(top("MediaType", "x".into()).contains("must be written so"));
    assert_eq!(SignatureBundle::read(&vec![b' '; (16 << 20) + 1]), Err(ProofError::TooLarge(16 << 20)));
}

/// The example of the protocol's own description.
#[test]
fn the_signed_bytes_are_those_of_the_protocol() {
    let bytes = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn a_payload_of_the_older_form_proves_what_it_says() {
    let key = key();
    let repository = "localhost:5000/shop/app".parse().expect("a name");
    let payload = SimplePayload::bytes(&repository, &image());
    let signature = key.sign(&payload).expect("signed").to_base64();
    let proved = SimplePayload::prove(&payload, &signature, key.public(), &image()).expect("signed");
    assert_eq!(proved.reference, "localhost:5000/shop/app");
    let fails = |payload: &[u8], signature: &str, image: &Digest| {
        SimplePayload::prove(payload, signature, key.public(), image).expect_err("a lie")
    };
    let other = Digest::of(b"other");
    assert_eq!(
        fails(&payload, &signature, &other),
        ProofError::Subject { found: image().to_string(), wanted: other }
    );
    let lie = SimplePayload::bytes(&repository, &other);
    assert_eq!(fails(&lie, &signature, &other), ProofError::Wrong(key.public().id()));
    assert!(matches!(fails(&payload, "AAAA", &image()), ProofError::Field { .. }));
    let text = String::from_utf8(payload).expect("text").replace("cosign container", "other container");
    let signature = key.sign(text.as_bytes()).expect("signed").to_base64();
    assert!(matches!(fails(text.as_bytes(), &signature, &image()), ProofError::Type { .. }));
}

#[test]
fn a_statement_without_a_digest_is_about_nothing() {
    let text = |subject: &str| {
        format!(r#"{{"_type":"https://in-toto.io/Statement/v1","subject":{subject},"predicateType":"x"}}"#)
    };
    for subject in ["[]", r#"[{"name":"a","digest":{"sha1":"b"}}]"#] {
        let statement = ImageStatement::read(text(subject).as_bytes()).expect("a statement");
        let error = statement.is_about(&image()).expect_err("about nothing");
        assert!(matches!(error, ProofError::Subject { .. }), "{error}");
    }
    let two = format!(r#"[{{"digest":{{"sha256":"{}"}},"Digest":{{}}}}]"#, image().hex());
    assert!(matches!(ImageStatement::read(text(&two).as_bytes()), Err(ProofError::Json(_))));
    let kind = text("[]").replace("Statement/v1", "Statement/v9");
    assert!(matches!(ImageStatement::read(kind.as_bytes()), Err(ProofError::Type { .. })));
}
