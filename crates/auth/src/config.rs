//! What the configuration file says about the auth service.

use std::{fmt, path::PathBuf};

use teleport_types::{ClusterName, InvalidName, ServiceKind, auth_preference::AuthPreferenceSpec};

/// How the auth service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's name; it cannot change after the first start.
    pub cluster_name: ClusterName,
    /// The file with the key that encloses secrets at rest, 0600; made at the first start.
    pub secrets_key_file: PathBuf,
    /// The folder of the audit log.
    pub audit_dir: PathBuf,
    /// Join tokens of the file.
    pub tokens: Vec<StaticToken>,
    /// Login settings of the file; when present they win over the stored ones, which cannot be changed then.
    pub preference: Option<AuthPreferenceSpec>,
    /// How many connections are taken.
    pub limits: crate::Limits,
}

/// A join token of the configuration file: `kind,kind:secret`.
#[derive(Clone)]
pub struct StaticToken {
    pub(crate) kinds: Vec<ServiceKind>,
    pub(crate) secret: String,
}

impl StaticToken {
    /// Parses `proxy,kube:secret`.
    ///
    /// # Errors
    /// When the secret or the kinds are missing, or a kind is not known.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        // The text holds a secret, so it is not repeated in the error.
        let invalid = |reason| InvalidName { kind: "join token", text: String::new(), reason };
        let (kinds, secret) = text.split_once(':').ok_or(invalid("write it as KIND,KIND:SECRET"))?;
        if secret.is_empty() {
            return Err(invalid("the secret after the colon is empty"));
        }
        let kinds: Result<Vec<_>, _> = kinds.split(',').map(|kind| ServiceKind::parse(kind.trim())).collect();
        Ok(Self { kinds: kinds?, secret: secret.to_owned() })
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticToken").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_kinds_and_a_secret_and_its_error_never_repeats_it() {
        let token = StaticToken::parse("proxy,kube:s3:cret").expect("a token");
        assert_eq!((token.kinds, token.secret.as_str()), (vec![ServiceKind::Proxy, ServiceKind::Kube], "s3:cret"));
        for bad in ["s3cret", "proxy:", "prxy:s3cret", ":s3cret"] {
            let error = StaticToken::parse(bad).expect_err(bad).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let token = StaticToken::parse("proxy:s3cret").expect("a token");
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
