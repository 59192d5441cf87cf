//! Keys under a password, as cosign writes them: JSON with scrypt and NaCl's secretbox around PKCS#8.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde_json::json;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::key::PrivateKey;
use super::pem;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, decode};

/// The labels of PEM of such keys; the first one is written.
pub(super) const SEALED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

/// Written: 64 MiB and about a fifth of a second.
const COST: ScryptCost = ScryptCost { n: 1 << 16, r: 8, p: 1 };
/// The most memory of scrypt, in its blocks of 128 bytes: 128 MiB, what cosign's largest cost takes.
const MOST_BLOCKS: u64 = 1 << 20;
/// The most work of scrypt, in the same unit: four times that of cosign's largest cost.
const MOST_WORK: u64 = 1 << 22;

const SALT: usize = 32;
const NONCE: usize = 24;
/// The longest salt or encrypted key.
const MOST_BYTES: usize = 8 << 10;

#[derive(Clone, Copy, Debug)]
struct ScryptCost {
    n: u64,
    r: u64,
    p: u64,
}

impl ScryptCost {
    /// Refuses what would take more memory or time than any honest key.
    fn check(self) -> Result<scrypt::Params, KeyError> {
        let Self { n, r, p } = self;
        let wrong = || KeyError::Scrypt { n, r, p };
        let blocks = n.checked_mul(r).ok_or_else(wrong)?;
        let work = blocks.checked_mul(p).ok_or_else(wrong)?;
        if !n.is_power_of_two() || n < 2 || work == 0 || blocks > MOST_BLOCKS || work > MOST_WORK {
            return Err(wrong());
        }
        let log = u8::try_from(n.ilog2()).map_err(|_| wrong())?;
        let (r, p) = (u32::try_from(r).map_err(|_| wrong())?, u32::try_from(p).map_err(|_| wrong())?);
        scrypt::Params::new(log, r, p).map_err(|_| wrong())
    }
}

/// A private key that a password opens.
pub struct SealedKey {
    params: scrypt::Params,
    salt: Vec<u8>,
    nonce: [u8; NONCE],
    ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedKey(…)")
    }
}

impl SealedKey {
    pub(super) fn read(json: &[u8]) -> Result<Self, KeyError> {
        let SealedJson { kdf, cipher, ciphertext } = decode(json)?;
        if kdf.name != KDF {
            return Err(KeyError::Field { field: "kdf.name", why: "is not `scrypt`" });
        }
        if cipher.name != CIPHER {
            return Err(KeyError::Field { field: "cipher.name", why: "is not `nacl/secretbox`" });
        }
        let nonce = bytes("cipher.nonce", &cipher.nonce)?;
        let nonce = <[u8; NONCE]>::try_from(&nonce[..])
            .map_err(|_| KeyError::Field { field: "cipher.nonce", why: "is not 24 bytes" })?;
        Ok(Self {
            params: kdf.cost.check()?,
            salt: bytes("kdf.salt", &kdf.salt)?,
            nonce,
            ciphertext: bytes("ciphertext", &ciphertext)?,
        })
    }

    /// The key, if this is its password. It takes about as long as it took to write it.
    ///
    /// # Errors
    /// When it is not, or what is in it is no key for P-256.
    pub fn open(&self, password: &[u8]) -> Result<PrivateKey, KeyError> {
        let cipher = cipher(password, &self.salt, self.params)?;
        let opened = cipher.decrypt(Nonce::from_slice(&self.nonce), &self.ciphertext[..]);
        let der = Zeroizing::new(opened.map_err(|_| KeyError::Password)?);
        PrivateKey::from_pkcs8(&der)
    }
}

impl PrivateKey {
    /// The key in PEM under a password.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn seal(&self, password: &[u8]) -> Result<Zeroizing<String>, KeyError> {
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        let random = SystemRandom::new();
        random.fill(&mut salt).map_err(|_| KeyError::Random)?;
        random.fill(&mut nonce).map_err(|_| KeyError::Random)?;
        let cipher = cipher(password, &salt, COST.check()?)?;
        let sealed = cipher.encrypt(Nonce::from_slice(&nonce), &self.to_pkcs8()?[..]);
        let ciphertext = STANDARD.encode(sealed.map_err(|_| KeyError::Invalid)?);
        let json = json!({
            "kdf": { "name": KDF, "params": { "N": COST.n, "r": COST.r, "p": COST.p }, "salt": STANDARD.encode(salt) },
            "cipher": { "name": CIPHER, "nonce": STANDARD.encode(nonce) },
            "ciphertext": ciphertext,
        });
        Ok(pem::write(SEALED[0], json.to_string().as_bytes()))
    }
}

fn cipher(password: &[u8], salt: &[u8], params: scrypt::Params) -> Result<XSalsa20Poly1305, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, &mut key[..]).map_err(|_| KeyError::Invalid)?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(&key[..])))
}

fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, KeyError> {
    let bytes = STANDARD.decode(text).map_err(|_| KeyError::Field { field, why: "is not base64" })?;
    match bytes.len() {
        0 => Err(KeyError::Field { field, why: "is empty" }),
        MOST_BYTES.. => Err(KeyError::Field { field, why: "is too long" }),
        _ => Ok(bytes),
    }
}

struct SealedJson {
    kdf: KdfJson,
    cipher: CipherJson,
    ciphertext: String,
}

struct KdfJson {
    name: String,
    cost: ScryptCost,
    salt: String,
}

struct CipherJson {
    name: String,
    nonce: String,
}

impl FromJson for SealedJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["kdf", "cipher", "ciphertext"])?;
        let (kdf, cipher) = (object.require("kdf")?, object.require("cipher")?);
        let ciphertext = object.require("ciphertext")?;
        object.finish()?;
        Ok(Self { kdf, cipher, ciphertext })
    }
}

impl FromJson for KdfJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["name", "params", "salt"])?;
        let (name, cost, salt) =
            (object.require("name")?, object.require("params")?, object.require("salt")?);
        object.finish()?;
        Ok(Self { name, cost, salt })
    }
}

impl FromJson for ScryptCost {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["N", "r", "p"])?;
        let (n, r, p) = (object.require("N")?, object.require("r")?, object.require("p")?);
        object.finish()?;
        Ok(Self { n, r, p })
    }
}

impl FromJson for CipherJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["name", "nonce"])?;
        let (name, nonce) = (object.require("name")?, object.require("nonce")?);
        object.finish()?;
        Ok(Self { name, nonce })
    }
}
