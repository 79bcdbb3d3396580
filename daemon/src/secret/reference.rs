//! References to secrets, such as `keeper://…`, which a wrapper of a vault should have replaced.
//!
//! Where the wrapper is missing, a program sees the reference itself. It stands in a manifest for
//! all to read, so that it must never serve as the secret.

use std::fmt;

/// A secret that is a reference, which nothing has resolved. It holds no part of the reference but
/// how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    beginning: &'static str,
    resolver: &'static str,
}

/// How references begin, in lower case, and what resolves them.
const REFERENCES: &[(&str, &str)] = &[
    ("keeper://", "`ksm exec --`"),
    ("op://", "`op run --`"),
    ("vault:", "`vault-env`"),
    (">>vault:", "`vault-env`"),
    ("hcvault:", "a wrapper for HashiCorp Vault"),
    ("bao:", "`bao-env`"),
    ("awssm:", "a wrapper for AWS Secrets Manager"),
    ("aws-sm:", "a wrapper for AWS Secrets Manager"),
    ("awsssm:", "a wrapper for AWS Systems Manager"),
    ("awsps:", "a wrapper for AWS Systems Manager"),
    ("aws-ssm:", "a wrapper for AWS Systems Manager"),
    ("secretsmanager://", "a wrapper for AWS Secrets Manager"),
    ("ssm://", "a wrapper for AWS Systems Manager"),
    ("arn:aws:", "`secrets-init`"),
    ("gcpsm:", "a wrapper for Google Secret Manager"),
    ("gcp-sm:", "a wrapper for Google Secret Manager"),
    ("gcp:secretmanager:", "`secrets-init`"),
    ("gsm://", "a wrapper for Google Secret Manager"),
    ("sm://", "`berglas exec --`"),
    ("berglas://", "`berglas exec --`"),
    ("azure-kv:", "a wrapper for Azure Key Vault"),
    ("azurekv:", "a wrapper for Azure Key Vault"),
    ("azurekeyvault:", "a wrapper for Azure Key Vault"),
    ("azkv:", "a wrapper for Azure Key Vault"),
    ("akv://", "a wrapper for Azure Key Vault"),
    ("bws://", "`bws run --`"),
    ("bw://", "a wrapper for Bitwarden"),
    ("bitwarden://", "a wrapper for Bitwarden"),
    ("doppler://", "`doppler run --`"),
    ("infisical://", "`infisical run --`"),
    ("sops:", "`sops exec-env`"),
    ("enc[aes256_gcm,", "`sops exec-env`"),
    ("secret://", "a wrapper for the vault"),
    ("secretref:", "`vals exec`"),
    ("secretref+", "`vals exec`"),
    ("ref+", "`vals exec`"),
    ("pass://", "`pass-cli run --`"),
    ("conjur:", "`summon`"),
    ("akeyless:", "a wrapper for Akeyless"),
    ("lpass://", "a wrapper for LastPass"),
    ("dl://", "`dcli exec --`"),
    ("passbolt://", "`passbolt exec --`"),
    ("teller://", "`teller run --`"),
    ("chamber://", "`chamber exec`"),
    ("k8s:secret:", "a wrapper for Kubernetes secrets"),
];

impl Reference {
    /// What `secret` refers to, if it is a reference and no secret.
    #[must_use]
    pub fn find(secret: &[u8]) -> Option<Self> {
        let secret = secret.trim_ascii_start();
        let begins = |beginning: &str| {
            secret
                .get(..beginning.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
        };
        let known = REFERENCES.iter().find(|(beginning, _)| begins(beginning));
        known.map(|&(beginning, resolver)| Self {
            beginning,
            resolver,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            beginning,
            resolver,
        } = self;
        write!(
            f,
            "it is a reference ({beginning}…) and not the secret: start the program under {resolver}, \
             which puts the secret in its place, or have a command print the secret (…_COMMAND)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_vaults_are_told_from_secrets() {
        for reference in [
            "keeper://UID/field/password",
            "KEEPER://UID/field/password",
            " op://vault/item/field\n",
            "vault:secret/data/notary#passphrase",
            "vault://secret/notary",
            "awssm://notary",
            "aws-sm://notary",
            "arn:aws:secretsmanager:eu-west-1:1:secret:notary",
            "gcpsm://notary",
            "azure-kv://notary/passphrase",
            "bws://id",
            "doppler://notary",
            "infisical://notary",
            "sops://file#key",
            "ENC[AES256_GCM,data:x]",
            "secret://notary",
            "ref+vault://secret/notary#passphrase",
        ] {
            let found = Reference::find(reference.as_bytes());
            assert!(found.is_some(), "{reference}");
            let text = found.map(|found| found.to_string()).unwrap_or_default();
            assert!(!text.contains("notary") && !text.contains("UID"), "{text}");
        }
        for secret in [
            "",
            "a passphrase",
            "vault",
            "keeper",
            "op:/x",
            "postgres://signer:password@db/notary",
            "mysql://signer@tcp(db:3306)/notary",
            "file:/var/lib/notary/signer.db",
            "signer:vault:@tcp(db:3306)/notary",
            "YWRtaW46cGFzc3dvcmQ=",
        ] {
            assert_eq!(Reference::find(secret.as_bytes()), None, "{secret}");
        }
    }
}
