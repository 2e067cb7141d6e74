//! Certificates of services: their own, those for Kubernetes clusters they serve, and the proxy's for the web.

use std::time::Duration;

use teleport_api::{
    ApiError,
    messages::service::{IssuedServer, IssuedService, KubeCertRequest, RenewRequest, WebCertRequest},
};
use teleport_audit::{
    Event, Patch,
    event::{Body, CertCreate, CertIdentity, CertType},
};
use teleport_backend::Write;
use teleport_pki::{AltName, CaKind, PublicKey, Template, Validity, pem};
use teleport_types::{KubeClusterName, ServiceIdentity, sni::InternalName};

use crate::{
    AuthError,
    auth::Core,
    error, kube,
    rights::{self, Actor},
    store::{ServiceRecord, Store},
};

/// How long the certificates of services last; they renew at half of it.
const LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);
/// Most names in a web certificate.
const WEB_NAMES: usize = 32;

/// Issues a service's own certificate and keeps its record as long.
pub(crate) async fn issue(
    core: &Core,
    identity: &ServiceIdentity,
    record: &ServiceRecord,
    key: &PublicKey,
    actor: &Actor,
) -> Result<IssuedService, ApiError> {
    let template = Template::service(identity, &[]).map_err(error::pki)?;
    let validity = core.authorities.validity(&core.clock, LIFETIME);
    let event = event(core, identity, None, validity);
    let certificate = signed(core, event, actor, async {
        rights::refuse_locked_service(core, &identity.id).await?;
        let place = ServiceRecord::key(&identity.id).map_err(AuthError::from)?;
        core.store.put_json(Write::new(place, Store::encode(record)).expires(validity.not_after)).await?;
        let certificate = core.authorities.issue(CaKind::Host, &template, key, validity)?;
        rights::refuse_locked_service(core, &identity.id).await?;
        Ok(certificate)
    })
    .await?;
    Ok(IssuedService {
        certificate,
        id: identity.id.clone(),
        kinds: identity.kinds.clone(),
        expires: validity.not_after,
        cas: core.authorities.bundle.clone(),
    })
}

/// Issues a service's certificate again. Who it is comes from the certificate it holds, never from the request.
pub(crate) async fn renew(
    core: &Core,
    request: RenewRequest,
    identity: &ServiceIdentity,
    actor: &Actor,
) -> Result<IssuedService, ApiError> {
    let key = PublicKey::from_pem(&request.public_key).map_err(error::pki)?;
    let record = record(core, identity).await?;
    issue(core, identity, &record, &key, actor).await
}

/// Issues the server certificate of one Kubernetes cluster that the service announces now.
pub(crate) async fn kube_certificate(
    core: &Core,
    request: KubeCertRequest,
    identity: &ServiceIdentity,
    actor: &Actor,
) -> Result<IssuedServer, ApiError> {
    let KubeCertRequest { kube_cluster, public_key } = request;
    let key = PublicKey::from_pem(&public_key).map_err(error::pki)?;
    if !kube::announces(core, &identity.id, &kube_cluster).await? {
        return Err(ApiError::denied(format!("this service does not serve Kubernetes cluster {kube_cluster}"))
            .hint("it must announce the cluster first, and not be refused"));
    }
    let host = InternalName::kube(&kube_cluster, &core.authorities.cluster);
    let template = Template::internal_server(&host).map_err(error::pki)?;
    server(core, Server { template, kube_cluster: Some(kube_cluster), key }, identity, actor).await
}

/// Issues the certificate of the public port, for names that are not internal ones.
pub(crate) async fn web_certificate(
    core: &Core,
    request: WebCertRequest,
    identity: &ServiceIdentity,
    actor: &Actor,
) -> Result<IssuedServer, ApiError> {
    let key = PublicKey::from_pem(&request.public_key).map_err(error::pki)?;
    if request.hosts.is_empty() || request.hosts.len() > WEB_NAMES {
        return Err(ApiError::bad_request(format!("a web certificate has 1 to {WEB_NAMES} names")));
    }
    let names: Result<Vec<_>, _> = request.hosts.iter().map(|host| AltName::parse(host)).collect();
    let template = Template::web(&core.authorities.cluster, &names.map_err(error::pki)?).map_err(error::pki)?;
    server(core, Server { template, kube_cluster: None, key }, identity, actor).await
}

/// Reads the record of a service; one that was removed must join again.
pub(crate) async fn record(core: &Core, identity: &ServiceIdentity) -> Result<ServiceRecord, ApiError> {
    let place = ServiceRecord::key(&identity.id).map_err(AuthError::from)?;
    match core.store.json::<ServiceRecord>(&place).await? {
        // A certificate from before it joined as something else must not act under what it was granted since.
        Some(stored) if !identity.kinds.iter().all(|kind| stored.value.kinds.contains(kind)) => {
            Err(ApiError::denied("this service has joined as something else since this certificate was issued")
                .hint("join it again with a token for everything it does"))
        }
        Some(stored) => Ok(stored.value),
        None => {
            Err(ApiError::denied("this service is not known to the cluster any more")
                .hint("join it again with a token"))
        }
    }
}

struct Server {
    template: Template,
    kube_cluster: Option<KubeClusterName>,
    key: PublicKey,
}

async fn server(
    core: &Core,
    server: Server,
    identity: &ServiceIdentity,
    actor: &Actor,
) -> Result<IssuedServer, ApiError> {
    let validity = core.authorities.validity(&core.clock, LIFETIME);
    let event = event(core, identity, server.kube_cluster, validity);
    let certificate = signed(core, event, actor, async {
        record(core, identity).await?;
        Ok(core.authorities.issue(CaKind::Host, &server.template, &server.key, validity)?)
    })
    .await?;
    Ok(IssuedServer { certificate, expires: validity.not_after })
}

/// Records the certificate before it is signed, and how that ended.
async fn signed(
    core: &Core,
    event: Event,
    actor: &Actor,
    work: impl Future<Output = Result<teleport_pki::CertificateDer<'static>, ApiError>>,
) -> Result<String, ApiError> {
    let record = core.emitter.begin(actor.sign(event)).map_err(error::audit)?;
    match work.await {
        Ok(certificate) => {
            record.complete(Patch::success());
            Ok(pem::encode_certificates(&[certificate]))
        }
        Err(refused) => {
            record.complete(Patch::failure(refused.to_string()));
            Err(refused)
        }
    }
}

fn event(core: &Core, identity: &ServiceIdentity, kube_cluster: Option<KubeClusterName>, validity: Validity) -> Event {
    Event::new(Body::CertCreate(CertCreate {
        cert_type: CertType::Host,
        identity: CertIdentity {
            user: identity.id.to_string(),
            roles: Vec::new(),
            system_roles: identity.kinds.clone(),
            kubernetes_cluster: kube_cluster,
            route_to_cluster: None,
            teleport_cluster: core.authorities.cluster.clone(),
            expires: validity.not_after,
            client_ip: None,
        },
    }))
}
