//! Signature algorithms by their names (RFC 7518 §3.1, RFC 8037 §3.1).

/// How a token is signed. `none` and HMAC have no place here: no key can be asked to verify them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    Es384,
    Es512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl Algorithm {
    /// The algorithm of this name, spelled exactly so.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    /// Whether Notary knows it; the others are for OpenID providers.
    pub(crate) const fn is_notarys(self) -> bool {
        !matches!(self, Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::EdDsa)
    }
}
