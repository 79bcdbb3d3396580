//! Thresholds: whether enough of a role's keys signed a file.

use std::collections::BTreeMap;

use super::effort::{self, Effort};
use crate::{
    fault::{Fault, SignatureFault},
    files::Checked,
    key::{KeyId, PublicKey, Signature},
    metadata::{RoleKeys, Root},
    role::Role,
};

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
    /// The keys that `keys` defines of those that `role_keys` lists.
    pub(crate) fn of(role_keys: &RoleKeys, role: &str, keys: &BTreeMap<KeyId, PublicKey>) -> Self {
        let listed = role_keys
            .key_ids
            .iter()
            .filter_map(|id| Some((id.clone(), keys.get(id)?.clone())));
        Self {
            role: role.to_owned(),
            keys: listed.collect(),
            threshold: role_keys.threshold,
            count: Count::KeyIds,
        }
    }

    /// Checks that enough of the keys signed `file`, and answers which: as many as it takes.
    pub(crate) fn verify(&self, file: Checked<'_>, effort: &Effort) -> Result<Vec<KeyId>, Fault> {
        self.verify_while(file, effort, |_| false)
    }

    /// The same, but answers all keys that signed `file`, as far as there is spare effort to find
    /// those that the threshold does not need.
    pub(crate) fn verify_all(
        &self,
        file: Checked<'_>,
        effort: &Effort,
    ) -> Result<Vec<KeyId>, Fault> {
        self.verify_while(file, effort, |cost| effort.spend_spare(cost))
    }

    /// The keys that signed `file`, even if they are too few; several, as far as there is spare
    /// effort to find them.
    pub(crate) fn find_signers(&self, file: Checked<'_>, effort: &Effort) -> Vec<KeyId> {
        let any = Self {
            threshold: 1,
            ..self.clone()
        };
        any.verify_all(file, effort).unwrap_or_default()
    }

    /// Verifies signatures until the threshold is met, and then as long as `may_go_on`, which is
    /// asked with the cost of the next one.
    ///
    /// A key counts once however many signatures it left (TUF 1.0.34, 5.3.4): counting signatures
    /// instead would let one stolen key meet any threshold. A signature that does not verify is no
    /// reason to refuse the others, but a key under a false id is.
    fn verify_while(
        &self,
        file: Checked<'_>,
        effort: &Effort,
        may_go_on: impl Fn(u32) -> bool,
    ) -> Result<Vec<KeyId>, Fault> {
        if file.signatures().is_empty() {
            return Err(SignatureFault::Unsigned.into());
        }
        let shortfall = |valid: usize| SignatureFault::Threshold {
            role: self.role.clone(),
            valid,
            threshold: self.threshold,
        };
        if self.threshold < 1 {
            return Err(shortfall(0).into());
        }
        let message = file.message()?;
        let mut good: BTreeMap<Vec<u8>, KeyId> = BTreeMap::new();
        for attempt in self.attempts(file, message.len())? {
            let voice = self.voice(attempt.key);
            if good.contains_key(&voice) {
                continue;
            }
            if self.is_met_by(good.len()) {
                if !may_go_on(attempt.cost) {
                    break;
                }
            } else {
                effort.spend(attempt.cost)?;
            }
            let Signature { method, bytes, .. } = attempt.signature;
            if attempt.key.verifies(method, message, bytes) {
                good.insert(voice, attempt.key.id().clone());
            }
        }
        if !self.is_met_by(good.len()) {
            return Err(shortfall(good.len()).into());
        }
        Ok(good.into_values().collect())
    }

    fn is_met_by(&self, keys: usize) -> bool {
        i64::try_from(keys).is_ok_and(|keys| keys >= self.threshold)
    }

    /// The signatures to try, the cheapest first: whatever else a file holds, signatures that meet
    /// the threshold by cheap algorithms are found before dear ones are looked at.
    fn attempts<'s>(
        &'s self,
        file: Checked<'s>,
        length: usize,
    ) -> Result<Vec<Attempt<'s>>, SignatureFault> {
        let mut attempts = Vec::new();
        let mut tries: BTreeMap<&KeyId, u32> = BTreeMap::new();
        for signature in file.signatures() {
            let Some(key) = self.keys.get(&signature.key_id) else {
                continue;
            };
            if key.id() != &signature.key_id {
                return Err(SignatureFault::FalseKeyId(signature.key_id.clone()));
            }
            let tries = tries.entry(key.id()).or_default();
            let Some(material) = key.material().filter(|_| *tries < MAX_TRIES) else {
                continue;
            };
            *tries += 1;
            attempts.push(Attempt {
                cost: effort::cost(material, length),
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
        let role_keys = self.roles.get(role.as_str()).unwrap_or(&none);
        Verifier::of(role_keys, role.as_str(), &self.keys)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::Deserialize;

    use super::*;
    use crate::{
        fault::EnvelopeFault,
        files::{File, Strictness},
        key::KeyType,
        wire::MetadataFormat,
    };

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
                assert_eq!(
                    verdict
                        .err()
                        .map(|fault| MetadataFormat::NOTARY.words(&fault)),
                    case.error,
                    "{}",
                    case.name
                );
            }
        }
    }

    fn verdict(case: &Case) -> Result<Vec<KeyId>, Fault> {
        let bytes = STANDARD
            .decode(&case.metadata_b64)
            .expect("recorded base64");
        let role = Role::parse(&case.role).expect("a recorded role");
        let file =
            File::parse(MetadataFormat::NOTARY, role, bytes.into()).map_err(EnvelopeFault::from)?;
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
        .verify(file.check(Strictness::Lenient)?, &Effort::unlimited())
    }
}
