//! Whether a root may be trusted: by its certificates, by itself and by the root before it.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::{
    certificate::{check, describe_dates, fits, is_current},
    effort::Effort,
    threshold::{Count, Verifier},
};
use crate::{
    fault::{CertificateDates, Fault, RootFault},
    files::{Checked, File, Strictness},
    gun::Gun,
    key::{Bundle, KeyId},
    metadata::Root,
    role::Role,
};

/// Which dates of certificates matter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dates {
    /// Those of a new root: they must be current.
    Checked(OffsetDateTime),
    /// None: the root was current when it was accepted.
    Ignored,
}

/// On what terms a root is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'e> {
    pub(crate) dates: Dates,
    /// What counts once when a root signs itself.
    pub(crate) count: Count,
    pub(crate) effort: &'e Effort,
}

impl<'e> Terms<'e> {
    /// A new root: certificates over one public key count once.
    pub(crate) fn new_root(now: OffsetDateTime, effort: &'e Effort) -> Self {
        Self {
            dates: Dates::Checked(now),
            count: Count::PublicKeys,
            effort,
        }
    }

    /// A stored root: it is judged as clients judge it, and as Notary 0.7 did when it was taken.
    pub(crate) fn stored_root(dates: Dates, effort: &'e Effort) -> Self {
        Self {
            dates,
            count: Count::KeyIds,
            effort,
        }
    }
}

/// Checks a root by itself and against the previous one, and answers whose signatures were
/// verified; its version and expiry are for the caller.
pub(crate) fn check_trust(
    gun: &Gun,
    file: &File,
    previous: Option<&Root>,
    terms: Terms<'_>,
) -> Result<Vec<KeyId>, Fault> {
    let checked = file.check(Strictness::Stored)?;
    let root = checked.root()?;
    if !file.format().conventions().certifies_roots() {
        return check_chain(checked, root, previous, terms);
    }
    let bundles = trusted_bundles(gun, root, terms.dates);
    if bundles.is_empty() {
        let dates = find_outdated(gun, root, terms.dates);
        return Err(RootFault::NoCertificate { dates }.into());
    }
    let mut signers = BTreeSet::new();
    if let Some(previous) = previous {
        let bundles = trusted_bundles(gun, previous, Dates::Ignored);
        if bundles.is_empty() {
            return Err(RootFault::NoPreviousCertificate.into());
        }
        // A root that is stored already was taken when every certificate counted, and must stay
        // replaceable.
        let terms = Terms::stored_root(Dates::Ignored, terms.effort);
        let keys = find_signers(checked, &bundles, previous, terms);
        signers.extend(keys.ok_or(RootFault::NotSignedByPrevious)?);
    }
    let keys = find_signers(checked, &bundles, root, terms);
    signers.extend(keys.ok_or(RootFault::NotSignedByItself)?);
    Ok(signers.into_iter().collect())
}

/// Checks that the root before signed a root, and that it signed itself, where keys stand alone and
/// not in certificates.
fn check_chain(
    file: Checked<'_>,
    root: &Root,
    previous: Option<&Root>,
    terms: Terms<'_>,
) -> Result<Vec<KeyId>, Fault> {
    let verify = |root: &Root, count: Count| {
        let verifier = Verifier {
            count,
            ..root.verifier(&Role::Root)
        };
        verifier.verify_all(file, terms.effort).ok()
    };
    let mut signers = BTreeSet::new();
    if let Some(previous) = previous {
        let keys = verify(previous, Count::KeyIds);
        signers.extend(keys.ok_or(RootFault::NotSignedByPrevious)?);
    }
    let keys = verify(root, terms.count);
    signers.extend(keys.ok_or(RootFault::NotSignedByItself)?);
    Ok(signers.into_iter().collect())
}

/// The dates of a certificate that would do if it were current.
fn find_outdated(gun: &Gun, root: &Root, dates: Dates) -> Option<Box<CertificateDates>> {
    let Dates::Checked(now) = dates else {
        return None;
    };
    let bundles = trusted_bundles(gun, root, Dates::Ignored);
    let bundle = bundles.first()?;
    Some(Box::new(describe_dates(&bundle.leaf, now)))
}

/// The certificates among the root role's keys that may speak for `gun`.
pub(crate) fn trusted_bundles(gun: &Gun, root: &Root, dates: Dates) -> Vec<Bundle> {
    let keys = root.verifier(&Role::Root).keys;
    let bundles = keys
        .values()
        .filter_map(|key| Bundle::parse(key.public_bytes()));
    let has_dates = |bundle: &Bundle| match dates {
        Dates::Checked(now) => is_current(&bundle.leaf, now),
        Dates::Ignored => true,
    };
    bundles
        .filter(|bundle| {
            fits(&bundle.leaf, gun) && check(&bundle.leaf).is_ok() && has_dates(bundle)
        })
        .collect()
}

/// The certificates' keys that signed `file`; `None` if they are fewer than `root` asks for.
///
/// The keys are those that the certificates make when written again (Notary 0.7); an intermediate
/// that is not current is left out of a new root's, and so changes the key's id.
fn find_signers(
    file: Checked<'_>,
    bundles: &[Bundle],
    root: &Root,
    terms: Terms<'_>,
) -> Option<Vec<KeyId>> {
    let keys = bundles.iter().filter_map(|bundle| match terms.dates {
        Dates::Checked(now) => bundle.key(|above| check(above).is_ok() && is_current(above, now)),
        Dates::Ignored => bundle.key(|_| true),
    });
    let keys: BTreeMap<_, _> = keys.map(|key| (key.id().clone(), key)).collect();
    let threshold = root.verifier(&Role::Root).threshold;
    Verifier {
        role: Role::Root.to_string(),
        keys,
        threshold,
        count: terms.count,
    }
    .verify_all(file, terms.effort)
    .ok()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::Deserialize;
    use time::macros::datetime;

    use super::*;
    use crate::wire::MetadataFormat;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        gun: String,
        previous_root_b64: Option<String>,
        root_b64: String,
        ok: bool,
        error: Option<String>,
    }

    /// Within the dates of the recorded certificates, which end about 2060.
    const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

    #[test]
    fn roots_are_trusted_as_notary_trusted_them() {
        let text = include_str!("../../../fixtures/vectors/root_validation.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("recorded vectors");
        assert_eq!(cases.len(), 45);
        for case in cases {
            let gun = Gun::parse(&case.gun).expect("a recorded GUN");
            let previous = case.previous_root_b64.as_deref().map(root);
            let previous = previous
                .as_ref()
                .map(|file| file.root().expect("a whole root"));
            let verdict = check_trust(
                &gun,
                &root(&case.root_b64),
                previous,
                Terms::new_root(NOW, &Effort::unlimited()),
            );
            let words = verdict.err().map(|fault| words_without_dates(&fault));
            assert_eq!(words, case.error, "{}", case.name);
            assert_eq!(case.ok, case.error.is_none(), "{}", case.name);
        }
    }

    #[test]
    fn a_stored_root_outlives_its_certificate() {
        let text = include_str!("../../../fixtures/vectors/root_validation.json");
        let cases: Vec<Case> = serde_json::from_str(text).expect("recorded vectors");
        for name in ["expired-certificate", "leaf-then-expired-intermediate"] {
            let case = cases
                .iter()
                .find(|case| case.name == name)
                .expect("a recorded case");
            let gun = Gun::parse(&case.gun).expect("a recorded GUN");
            assert_eq!(
                check_trust(
                    &gun,
                    &root(&case.root_b64),
                    None,
                    Terms::stored_root(Dates::Ignored, &Effort::unlimited())
                )
                .map(drop),
                Ok(()),
                "{name}"
            );
        }
    }

    /// Notary did not say which certificate is not current.
    fn words_without_dates(fault: &Fault) -> String {
        let fault = match fault {
            Fault::Root(RootFault::NoCertificate { .. }) => {
                RootFault::NoCertificate { dates: None }.into()
            }
            other => other.clone(),
        };
        MetadataFormat::NOTARY.words(&fault)
    }

    fn root(base64: &str) -> File {
        let bytes = STANDARD.decode(base64).expect("recorded base64");
        File::parse(MetadataFormat::NOTARY, Role::Root, bytes.into()).expect("recorded JSON")
    }
}
