//! From one context to an upstream's configuration: follow its names, take data before files, refuse what we cannot do.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use teleport_types::KubeClusterName;
use zeroize::Zeroizing;

use super::{
    KubeconfigError,
    document::{Cluster, Exec, Kubeconfig, NamedContext, User},
};
use crate::upstream::{
    Authority, CredentialConfig, Endpoint, ExecPlugin, ServerTrust, UpstreamConfig, credential::Source, secret::Secret,
};

/// Versions of the plugin protocol that we speak.
const EXEC_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// The cluster's extension that plugins get as their own configuration.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// Reads the contexts of one file.
pub(super) struct Resolver<'a> {
    pub(super) path: &'a Path,
    pub(super) document: &'a Kubeconfig,
}

impl Resolver<'_> {
    /// Reads one context as a cluster named `name`.
    pub(super) fn context(
        &self,
        context: &NamedContext,
        name: KubeClusterName,
    ) -> Result<UpstreamConfig, KubeconfigError> {
        self.resolve(context, name).map_err(|what| KubeconfigError::new(self.path, Some(&context.name), what))
    }

    fn resolve(&self, context: &NamedContext, name: KubeClusterName) -> Result<UpstreamConfig, String> {
        let entry = context.context.as_ref().ok_or("it is empty")?;
        let cluster_name = filled(entry.cluster.as_deref()).ok_or("it names no cluster")?;
        let cluster =
            self.document.cluster(cluster_name).ok_or_else(|| format!("there is no cluster {cluster_name:?}"))?;
        let of_cluster = |what: String| format!("cluster {cluster_name:?}: {what}");
        let server = filled(cluster.server.as_deref()).ok_or_else(|| of_cluster("server is missing".to_owned()))?;
        let endpoint = Endpoint::parse(server).map_err(of_cluster)?;
        let trust = self.trust(cluster).map_err(of_cluster)?;
        if !endpoint.is_encrypted() {
            tracing::warn!(cluster = %name, %endpoint, "the Kubernetes API is spoken to without TLS");
        } else if matches!(trust.authority, Authority::Anyone) {
            tracing::warn!(
                cluster = %name,
                %endpoint,
                "the Kubernetes API's certificate is not verified (insecure-skip-tls-verify)"
            );
        }
        let user_name = filled(entry.user.as_deref()).ok_or("it names no user")?;
        let user = self.document.user(user_name).ok_or_else(|| format!("there is no user {user_name:?}"))?;
        let credential =
            self.credential(user, cluster, &endpoint).map_err(|what| format!("user {user_name:?}: {what}"))?;
        if !endpoint.is_encrypted() && matches!(&credential, CredentialConfig::Given { certificate: Some(_), .. }) {
            return Err(format!("user {user_name:?}: a client certificate needs an https server"));
        }
        Ok(UpstreamConfig { name, endpoint, trust, credential })
    }

    fn trust(&self, cluster: &Cluster) -> Result<ServerTrust, String> {
        if filled(cluster.proxy_url.as_deref()).is_some() {
            return Err("proxy-url is not supported; remove it and make the server reachable directly".to_owned());
        }
        let data = decoded("certificate-authority-data", cluster.certificate_authority_data.as_deref())?;
        let pem = self.source(data, cluster.certificate_authority.as_deref());
        let authority = match (cluster.insecure_skip_tls_verify.unwrap_or_default(), pem) {
            (true, Some(_)) => {
                return Err("insecure-skip-tls-verify and certificate-authority exclude one another".to_owned());
            }
            (true, None) => Authority::Anyone,
            (false, Some(pem)) => Authority::Pem(pem),
            (false, None) => Authority::System,
        };
        let server_name = filled(cluster.tls_server_name.as_deref())
            .map(|name| {
                ServerName::try_from(name.to_owned()).map_err(|_| format!("tls-server-name {name:?} is no name"))
            })
            .transpose()?;
        Ok(ServerTrust { authority, server_name })
    }

    fn credential(&self, user: &User, cluster: &Cluster, endpoint: &Endpoint) -> Result<CredentialConfig, String> {
        refuse_unsupported(user)?;
        let chain = decoded("client-certificate-data", user.client_certificate_data.as_deref())?;
        let chain = self.source(chain, user.client_certificate.as_deref());
        let key = decoded("client-key-data", user.client_key_data.as_ref().map(Secret::as_str))?;
        let key = self.source(key, user.client_key.as_deref());
        let certificate = match (chain, key) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) => return Err("client-certificate is there, but client-key is missing".to_owned()),
            (None, Some(_)) => return Err("client-key is there, but client-certificate is missing".to_owned()),
        };
        let inline = user.token.as_ref().filter(|token| !token.is_empty());
        // As in kubectl, the file is newer than the text beside it.
        let token = match (filled(user.token_file.as_deref()), inline) {
            (Some(file), _) => Some(Source::File(self.relative(file))),
            (None, Some(token)) => Some(Source::Inline(token.to_bytes())),
            (None, None) => None,
        };
        match &user.exec {
            None if certificate.is_none() && token.is_none() => {
                Err("it has no credential: neither a client certificate, nor a token, nor exec".to_owned())
            }
            None => Ok(CredentialConfig::Given { certificate, token }),
            Some(_) if certificate.is_some() || token.is_some() => {
                Err("exec and other credentials exclude one another".to_owned())
            }
            Some(exec) => self.plugin(exec, cluster, endpoint).map(Box::new).map(CredentialConfig::Exec),
        }
    }

    fn plugin(&self, exec: &Exec, cluster: &Cluster, endpoint: &Endpoint) -> Result<ExecPlugin, String> {
        let api_version = filled(exec.api_version.as_deref()).ok_or("exec: apiVersion is missing")?;
        if !EXEC_VERSIONS.contains(&api_version) {
            return Err(format!(
                "exec: apiVersion {api_version:?} is not supported; use {}",
                EXEC_VERSIONS.join(" or ")
            ));
        }
        if exec.command.is_empty() {
            return Err("exec: command is missing".to_owned());
        }
        let command = match exec.command.contains('/') {
            true => self.relative(&exec.command),
            false => PathBuf::from(&exec.command),
        };
        if command.is_absolute() && !command.is_file() {
            let hint = filled(exec.install_hint.as_deref()).map(|hint| format!("; {hint:?}")).unwrap_or_default();
            return Err(format!("exec: there is no program {}{hint}", command.display()));
        }
        let cluster = match exec.provide_cluster_info.unwrap_or_default() {
            true => Some(self.cluster_info(cluster, endpoint)?),
            false => None,
        };
        Ok(ExecPlugin {
            command,
            args: exec.args.clone().unwrap_or_default(),
            env: exec.env.iter().flatten().map(|set| (set.name.clone(), set.value.clone())).collect(),
            api_version: api_version.to_owned(),
            cluster,
        })
    }

    /// `spec.cluster` of the `ExecCredential` that a plugin is given.
    fn cluster_info(&self, cluster: &Cluster, endpoint: &Endpoint) -> Result<Value, String> {
        let mut info = json!({ "server": endpoint.to_string() });
        let fields = info.as_object_mut().ok_or("exec: the cluster cannot be described")?;
        if let Some(name) = filled(cluster.tls_server_name.as_deref()) {
            fields.insert("tls-server-name".to_owned(), json!(name));
        }
        if cluster.insecure_skip_tls_verify.unwrap_or_default() {
            fields.insert("insecure-skip-tls-verify".to_owned(), json!(true));
        }
        let file = filled(cluster.certificate_authority.as_deref());
        if let Some(data) = filled(cluster.certificate_authority_data.as_deref()) {
            fields.insert("certificate-authority-data".to_owned(), json!(data));
        } else if let Some(file) = file {
            let path = self.relative(file);
            let text = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            fields.insert("certificate-authority-data".to_owned(), json!(BASE64.encode(&text)));
        }
        let config = cluster.extensions.iter().flatten().find(|extension| extension.name == EXEC_EXTENSION);
        if let Some(config) = config.and_then(|extension| extension.extension.clone()) {
            fields.insert("config".to_owned(), config);
        }
        Ok(info)
    }

    /// As in kubectl, what is in the kubeconfig itself comes before a file.
    fn source(&self, data: Option<Zeroizing<Vec<u8>>>, file: Option<&str>) -> Option<Source> {
        match (data, filled(file)) {
            (Some(data), _) => Some(Source::Inline(data)),
            (None, Some(file)) => Some(Source::File(self.relative(file))),
            (None, None) => None,
        }
    }

    /// Paths in a kubeconfig are relative to the folder it is in.
    fn relative(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let joined = folder.join(path);
        std::path::absolute(&joined).unwrap_or(joined)
    }
}

fn refuse_unsupported(user: &User) -> Result<(), String> {
    if user.auth_provider.is_some() {
        return Err("auth-provider is not supported (Kubernetes removed it); use exec".to_owned());
    }
    let basic = filled(user.username.as_deref()).is_some() || user.password.as_ref().is_some_and(|p| !p.is_empty());
    if basic {
        return Err("username and password are not supported (Kubernetes removed them); use a token".to_owned());
    }
    let impersonates = filled(user.impersonate.as_deref()).is_some()
        || filled(user.as_uid.as_deref()).is_some()
        || user.as_groups.as_ref().is_some_and(|groups| !groups.is_empty())
        || user.as_user_extra.is_some();
    if impersonates {
        return Err("as, as-groups, as-uid and as-user-extra are not supported: whom to act as is decided per request"
            .to_owned());
    }
    Ok(())
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Decodes one of the `-data` fields; line breaks inside are fine.
fn decoded(field: &str, text: Option<&str>) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let Some(text) = filled(text) else { return Ok(None) };
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
    let bytes = BASE64.decode(&text).map_err(|_| format!("{field} is not base64"))?;
    Ok(Some(Zeroizing::new(bytes)))
}
