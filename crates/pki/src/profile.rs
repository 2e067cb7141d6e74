//! The kinds of certificates there are and what each one says.

use std::{fmt, net::IpAddr};

use der::{
    Any, Decode as _, Encode as _,
    asn1::{Ia5String, ObjectIdentifier, Utf8StringRef},
};
use rustls_pki_types::{CertificateDer, DnsName, ServerName};
use serde::{Deserialize, Serialize};
use teleport_types::{ClusterName, Identity, ServiceIdentity, UserIdentity, sni::InternalName};
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    ext::{Extension, pkix::name::GeneralName},
    name::{Name, RelativeDistinguishedName},
};

use crate::{
    PkiError, PublicKey, extension,
    extension::Usage,
    tbs::{CaSigner, Content, SigningFailed, Validity},
};

/// The two authorities of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaKind {
    /// Signs users.
    User,
    /// Signs services and servers.
    Host,
}

impl CaKind {
    /// Returns the name used in files, events and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for CaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that a server's certificate holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    /// A host name, lowercase.
    Dns(DnsName<'static>),
    /// An address.
    Ip(IpAddr),
}

impl AltName {
    /// Parses a host name or an address; brackets around an IPv6 address are taken off.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, PkiError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match ServerName::try_from(bare.to_ascii_lowercase()) {
            Ok(ServerName::DnsName(name)) => Ok(Self::Dns(name)),
            Ok(ServerName::IpAddress(address)) => Ok(Self::Ip(address.into())),
            _ => Err(PkiError::AltName(text.chars().take(253).collect())),
        }
    }

    fn internal(name: &InternalName) -> Result<Self, PkiError> {
        Self::parse(&name.host())
    }

    fn to_general_name(&self) -> Result<GeneralName, PkiError> {
        Ok(match self {
            Self::Dns(name) => GeneralName::DnsName(Ia5String::new(name.as_ref())?),
            Self::Ip(address) => GeneralName::from(*address),
        })
    }
}

/// What a certificate will say, before it has a key, a span of validity and a signature.
#[derive(Clone, Debug)]
pub struct Template {
    subject: Name,
    extensions: Vec<Extension>,
    /// For a key that certifies itself: no authority key identifier.
    authority: bool,
}

impl Template {
    /// Returns the template of an authority: `O=<cluster>, CN=<kind> certificate authority`, leaves only.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn ca(kind: CaKind, cluster: &ClusterName) -> Result<Self, PkiError> {
        let subject = ca_subject(kind, cluster)?;
        Ok(Self { subject, extensions: extension::authority()?, authority: true })
    }

    /// Returns the template of a user: client only, `CN=<user>`, one `O` for each role, the identity in an extension.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn user(identity: &UserIdentity) -> Result<Self, PkiError> {
        let roles = identity.roles.iter().map(|role| (ORGANIZATION, role.as_str()));
        let subject = name(roles.chain([(COMMON_NAME, identity.user.as_str())]))?;
        let mut extensions = extension::leaf(Usage::Client)?;
        extensions.push(extension::identity(&Identity::User(identity.clone()))?);
        Ok(Self { subject, extensions, authority: false })
    }

    /// Returns the template of a service: client and server, `O=<cluster>, CN=<id>`, the identity in an extension.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn service(identity: &ServiceIdentity, names: &[AltName]) -> Result<Self, PkiError> {
        let subject = name([(ORGANIZATION, identity.cluster.as_str()), (COMMON_NAME, identity.id.as_str())])?;
        let mut extensions = extension::leaf(Usage::ClientAndServer)?;
        if !names.is_empty() {
            extensions.push(alt_names(names)?);
        }
        extensions.push(extension::identity(&Identity::Service(identity.clone()))?);
        Ok(Self { subject, extensions, authority: false })
    }

    /// Returns the template of a server with one internal name: a Kubernetes cluster's, or auth's.
    ///
    /// One name, so that a connection for one Kubernetes cluster is never reused for another.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn internal_server(host: &InternalName) -> Result<Self, PkiError> {
        let cluster = match host {
            InternalName::Kube { cluster, .. } | InternalName::Auth(cluster) | InternalName::Proxy(cluster) => cluster,
        };
        let names = [AltName::internal(host)?];
        Self::server(name([(ORGANIZATION, cluster.as_str())])?, &names)
    }

    /// Returns the template of a web certificate for the proxy's public names and addresses.
    ///
    /// # Errors
    /// When no name is given or one is an internal name.
    pub fn web(cluster: &ClusterName, names: &[AltName]) -> Result<Self, PkiError> {
        if names.is_empty() {
            return Err(PkiError::AltName(String::new()));
        }
        for name in names {
            if let AltName::Dns(host) = name
                && InternalName::is_internal(host.as_ref())
            {
                return Err(PkiError::InternalName(host.as_ref().to_owned()));
            }
        }
        Self::server(name([(ORGANIZATION, cluster.as_str())])?, names)
    }

    /// Issues a certificate for `key`.
    ///
    /// # Errors
    /// When the validity is empty or outlives the authority, or the authority does not sign.
    pub fn issue(
        &self,
        ca: &dyn CaSigner,
        key: &PublicKey,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, PkiError> {
        let authority = Certificate::from_der(ca.certificate()).map_err(|_| PkiError::Certificate)?;
        // Certificates count in whole seconds.
        if validity.not_after.as_second() > Validity::of(&authority)?.not_after.as_second() {
            return Err(PkiError::Validity("reaches beyond that of the certificate authority"));
        }
        let mut extensions = self.extensions.clone();
        extensions.extend(extension::authority_key_identifier(&authority)?);
        let issuer = authority.tbs_certificate().subject().clone();
        self.content(issuer, key, validity, extensions)?.sign(|tbs| ca.sign(tbs))
    }

    /// Makes an authority's own certificate, signed by its own key through `sign`.
    ///
    /// # Errors
    /// When the validity is empty or `sign` fails.
    pub fn issue_self(
        &self,
        key: &PublicKey,
        validity: Validity,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SigningFailed>,
    ) -> Result<CertificateDer<'static>, PkiError> {
        self.content(self.subject.clone(), key, validity, self.extensions.clone())?.sign(sign)
    }

    fn server(subject: Name, names: &[AltName]) -> Result<Self, PkiError> {
        let mut extensions = extension::leaf(Usage::Server)?;
        extensions.push(alt_names(names)?);
        Ok(Self { subject, extensions, authority: false })
    }

    fn content<'a>(
        &self,
        issuer: Name,
        key: &'a PublicKey,
        validity: Validity,
        mut extensions: Vec<Extension>,
    ) -> Result<Content<'a>, PkiError> {
        if self.authority {
            extensions.push(extension::subject_key_identifier(key)?);
        }
        Ok(Content { issuer, subject: self.subject.clone(), key, validity, extensions })
    }
}

/// Returns the subject of a cluster's authority, which clients are told to look for.
pub(crate) fn ca_subject(kind: CaKind, cluster: &ClusterName) -> Result<Name, PkiError> {
    let title = match kind {
        CaKind::User => "user certificate authority",
        CaKind::Host => "host certificate authority",
    };
    name([(ORGANIZATION, cluster.as_str()), (COMMON_NAME, title)])
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// Builds a name attribute by attribute. Never from a formatted text: user names contain commas and equals signs.
fn name<'a>(attributes: impl IntoIterator<Item = (ObjectIdentifier, &'a str)>) -> Result<Name, PkiError> {
    let mut sequence = Vec::new();
    for (oid, text) in attributes {
        let value = Any::from(Utf8StringRef::new(text)?);
        sequence.push(RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }])?);
    }
    Ok(Name::from_der(&sequence.to_der()?)?)
}

fn alt_names(names: &[AltName]) -> Result<Extension, PkiError> {
    let names: Result<Vec<_>, _> = names.iter().map(AltName::to_general_name).collect();
    extension::alt_names(names?)
}
