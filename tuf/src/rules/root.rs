//! Whether a root may be trusted: by its certificates, by itself and by the root before it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::threshold::{Count, Verifier};
use crate::certificate::Bundle;
use crate::limits::Effort;
use crate::metadata::Envelope;
use crate::wire::notary;
use crate::{File, Gun, Role, Root};

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

impl File {
    /// The root that this file holds, if it is whole.
    pub(crate) fn trusted(&self) -> Result<&Root, String> {
        notary::check_root(self.envelope())
    }
}

/// Checks a root by itself and against the previous one; its version and expiry are for the caller.
pub(crate) fn check_trust(
    gun: &Gun,
    file: &File,
    previous: Option<&Root>,
    terms: Terms<'_>,
) -> Result<(), String> {
    file.check_text()?;
    let root = file.trusted()?;
    let untrusted = |text: &str| {
        Err(format!(
            "could not validate the path to a trusted root: {text}"
        ))
    };
    let bundles = trusted_bundles(gun, root, terms.dates);
    if bundles.is_empty() {
        return untrusted("unable to retrieve valid leaf certificates");
    }
    if let Some(previous) = previous {
        let bundles = trusted_bundles(gun, previous, Dates::Ignored);
        if bundles.is_empty() {
            return untrusted("could not retrieve trusted certs from previous root role data");
        }
        // A root that is stored already was taken when every certificate counted, and must stay
        // replaceable.
        let terms = Terms::stored_root(Dates::Ignored, terms.effort);
        if !is_signed(file.envelope(), &bundles, previous, terms) {
            let text = "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates";
            return Err(text.to_owned());
        }
    }
    if !is_signed(file.envelope(), &bundles, root, terms) {
        return untrusted("failed to validate integrity of roots");
    }
    Ok(())
}

/// The certificates among the root role's keys that may speak for `gun`.
pub(crate) fn trusted_bundles(gun: &Gun, root: &Root, dates: Dates) -> Vec<Bundle> {
    let keys = root.verifier(&Role::Root).keys;
    let bundles = keys
        .values()
        .filter_map(|key| Bundle::parse(key.public_bytes()));
    let is_current = |bundle: &Bundle| match dates {
        Dates::Checked(now) => bundle.leaf.is_current(now),
        Dates::Ignored => true,
    };
    bundles
        .filter(|bundle| bundle.leaf.fits(gun) && bundle.leaf.check().is_ok() && is_current(bundle))
        .collect()
}

/// Whether as many of the certificates' keys as `root` asks for signed `envelope`.
///
/// The keys are those that the certificates make when written again (Notary 0.7); an intermediate
/// that is not current is left out of a new root's, and so changes the key's id.
fn is_signed(envelope: &Envelope, bundles: &[Bundle], root: &Root, terms: Terms<'_>) -> bool {
    let keys = bundles.iter().filter_map(|bundle| match terms.dates {
        Dates::Checked(now) => bundle.key(|above| above.check().is_ok() && above.is_current(now)),
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
    .verify(envelope, terms.effort)
    .is_ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Deserialize;
    use time::macros::datetime;

    use super::*;

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
                .map(|file| file.trusted().expect("a whole root"));
            let verdict = check_trust(
                &gun,
                &root(&case.root_b64),
                previous,
                Terms::new_root(NOW, &Effort::unlimited()),
            );
            assert_eq!(verdict.err(), case.error, "{}", case.name);
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
                ),
                Ok(()),
                "{name}"
            );
        }
    }

    fn root(base64: &str) -> File {
        let bytes = STANDARD.decode(base64).expect("recorded base64");
        File::parse(Role::Root, bytes.into()).expect("recorded JSON")
    }
}
