//! Thresholds: whether enough of a role's keys signed a file.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{self, Effort};
use crate::metadata::{Envelope, RoleKeys};
use crate::{KeyId, PublicKey, Role, Root, Signature};

/// How many signatures of one key are tried. Honest files hold one. What all of them together may
/// cost is bounded by [`Effort`]; Notary 0.7 tries all.
const MAX_TRIES: u32 = 8;

/// The keys that speak for a role, by the ids they are listed under, and how many of them must
/// sign.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(crate) role: String,
    pub(crate) keys: BTreeMap<KeyId, PublicKey>,
    /// Below 1, nothing verifies.
    pub(crate) threshold: i64,
    pub(crate) count: Count,
}

impl Verifier {
    /// Checks that enough of the keys signed `envelope`; the texts are Notary 0.7's.
    ///
    /// A key counts once however many signatures it left (TUF 1.0.34, 5.3.4): counting signatures
    /// instead would let one stolen key meet any threshold. A signature that does not verify is no
    /// reason to refuse the others, but a key under a false id is.
    pub(crate) fn verify(&self, envelope: &Envelope, effort: &Effort) -> Result<(), String> {
        if self.meet_threshold(envelope, effort)? {
            return Ok(());
        }
        if self.threshold < 1 {
            return Err("valid signatures did not meet threshold".to_owned());
        }
        Err(format!(
            "valid signatures did not meet threshold for {}",
            self.role
        ))
    }

    /// Whether enough of the keys signed `envelope`: as [`verify`](Self::verify), for who goes on
    /// without the file if they did not.
    pub(crate) fn meet_threshold(
        &self,
        envelope: &Envelope,
        effort: &Effort,
    ) -> Result<bool, String> {
        if envelope.signatures.is_empty() {
            return Err("tuf: data has no signatures".to_owned());
        }
        if self.threshold < 1 {
            return Ok(false);
        }
        let message = envelope.message.as_ref().map_err(Clone::clone)?;
        let mut good: BTreeSet<Vec<u8>> = BTreeSet::new();
        for attempt in self.attempts(envelope, message.len())? {
            let voice = self.voice(attempt.key);
            if good.contains(&voice) {
                continue;
            }
            effort.spend(attempt.cost)?;
            let Signature { method, bytes, .. } = attempt.signature;
            if attempt.key.verifies(method, message, bytes) {
                good.insert(voice);
                if i64::try_from(good.len()).is_ok_and(|good| good >= self.threshold) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The signatures to try, the cheapest first: whatever else a file holds, signatures that meet
    /// the threshold by cheap algorithms are found before dear ones are looked at.
    fn attempts<'s>(
        &'s self,
        envelope: &'s Envelope,
        length: usize,
    ) -> Result<Vec<Attempt<'s>>, String> {
        let mut attempts = Vec::new();
        let mut tries: BTreeMap<&KeyId, u32> = BTreeMap::new();
        for signature in &envelope.signatures {
            let Some(key) = self.keys.get(&signature.key_id) else {
                continue;
            };
            if key.id() != &signature.key_id {
                return Err("key ID is not valid for key content".to_owned());
            }
            let tries = tries.entry(key.id()).or_default();
            let Some(material) = key.material().filter(|_| *tries < MAX_TRIES) else {
                continue;
            };
            *tries += 1;
            attempts.push(Attempt {
                cost: limits::cost(material, length),
                key,
                signature,
            });
        }
        attempts.sort_by_key(|attempt| attempt.cost);
        Ok(attempts)
    }

    /// What counts once towards the threshold: a key id or a public key.
    fn voice(&self, key: &PublicKey) -> Vec<u8> {
        match self.count {
            Count::KeyIds => key.id().as_str().into(),
            Count::PublicKeys => key.identity(),
        }
    }
}

/// One signature to verify.
struct Attempt<'s> {
    cost: u32,
    key: &'s PublicKey,
    signature: &'s Signature,
}

/// What counts once towards a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// A key id, as Notary 0.7 counts: two certificates over one public key count twice.
    KeyIds,
    /// A public key, whatever it is wrapped in.
    PublicKeys,
}

impl Root {
    /// The keys and threshold against which a top role's files are verified.
    pub(crate) fn verifier(&self, role: &Role) -> Verifier {
        let none = RoleKeys {
            key_ids: Vec::new(),
            threshold: 0,
        };
        self.roles
            .get(role.as_str())
            .unwrap_or(&none)
            .verifier(role.as_str(), &self.keys)
    }
}

impl RoleKeys {
    pub(crate) fn verifier(&self, role: &str, keys: &BTreeMap<KeyId, PublicKey>) -> Verifier {
        let named = self
            .key_ids
            .iter()
            .filter_map(|id| Some((id.clone(), keys.get(id)?.clone())));
        Verifier {
            role: role.to_owned(),
            keys: named.collect(),
            threshold: self.threshold,
            count: Count::KeyIds,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Deserialize;

    use super::*;
    use crate::{File, KeyType};

    #[derive(Deserialize)]
    struct Case {
        name: String,
        metadata_b64: String,
        role: String,
        role_keys: BTreeMap<String, Key>,
        threshold: i64,
        ok: bool,
        error: Option<String>,
    }

    #[derive(Deserialize)]
    struct Key {
        keytype: String,
        public_b64: String,
    }

    /// Where our text is not Notary's: it refuses these two while reading (`signed-is-array`), or
    /// crashed.
    const OTHER_TEXTS: [&str; 2] = ["signed-is-array", "signed-is-null"];

    #[test]
    fn whole_files_meet_their_threshold_as_notary_found() {
        let text = include_str!("../../../fixtures/vectors/signed_metadata.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("recorded vectors");
        assert_eq!(cases.len(), 22);
        for case in cases {
            let verdict = verdict(&case);
            assert_eq!(verdict.is_ok(), case.ok, "{}: {verdict:?}", case.name);
            if !OTHER_TEXTS.contains(&case.name.as_str()) {
                assert_eq!(verdict.err(), case.error, "{}", case.name);
            }
        }
    }

    fn verdict(case: &Case) -> Result<(), String> {
        let bytes = STANDARD
            .decode(&case.metadata_b64)
            .expect("recorded base64");
        let role = Role::parse(&case.role).expect("a recorded role");
        let file = File::parse(role, bytes.into()).map_err(|fault| fault.to_string())?;
        let keys = case.role_keys.iter().map(|(id, key)| {
            let public = STANDARD.decode(&key.public_b64).expect("recorded base64");
            let key_type = KeyType::from(key.keytype.as_str());
            (KeyId::from(id.as_str()), PublicKey::new(key_type, public))
        });
        let (role, keys) = (case.role.clone(), keys.collect());
        Verifier {
            role,
            keys,
            threshold: case.threshold,
            count: Count::KeyIds,
        }
        .verify(file.envelope(), &Effort::unlimited())
    }
}
