//! Paths of the `/v1/` API, in one place for the server, the client and the table of rights.

/// `GET`, anonymous → [`crate::messages::Ping`].
pub const PING: &str = "/v1/ping";
/// `GET`, anonymous → [`crate::messages::CaBundle`].
pub const CAS: &str = "/v1/cas";
/// `GET` at the proxy, anonymous → [`crate::messages::web::WebPing`].
pub const WEB_PING: &str = "/webapi/ping";
/// `POST` [`crate::messages::user::LoginRequest`], anonymous → [`crate::messages::user::IssuedUser`].
pub const LOGIN: &str = "/v1/login";
/// `POST` [`crate::messages::service::JoinRequest`], anonymous → [`crate::messages::service::IssuedService`].
pub const JOIN: &str = "/v1/join";

/// `POST`, user: ends the login session of the certificate.
pub const LOGOUT: &str = "/v1/logout";
/// `POST` [`crate::messages::user::ReissueRequest`], user → [`crate::messages::user::IssuedUser`].
pub const CERTS_USER: &str = "/v1/certs/user";
/// `GET`, user → [`crate::messages::user::Me`].
pub const ME: &str = "/v1/me";
/// `GET`, user → items of [`crate::messages::user::ClusterRow`].
pub const CLUSTERS: &str = "/v1/clusters";
/// `GET`, user → items of [`crate::messages::user::KubeClusterRow`].
pub const KUBE_CLUSTERS: &str = "/v1/kube/clusters";

/// `POST` [`crate::messages::service::RenewRequest`], service → [`crate::messages::service::IssuedService`].
pub const CERTS_SERVICE: &str = "/v1/certs/service";
/// `POST` [`crate::messages::service::KubeCertRequest`], kube → [`crate::messages::service::IssuedServer`].
pub const CERTS_KUBE: &str = "/v1/certs/kube";
/// `POST` [`crate::messages::service::WebCertRequest`], proxy → [`crate::messages::service::IssuedServer`].
pub const CERTS_WEB: &str = "/v1/certs/web";
/// `PUT` [`crate::messages::service::KubeHeartbeat`], kube → [`crate::messages::service::HeartbeatReply`].
pub const KUBE_SERVERS: &str = "/v1/kube/servers";
/// `GET`, service → lines of [`crate::messages::service::WatchEvent`].
pub const WATCH: &str = "/v1/watch";
/// `POST` [`crate::messages::audit::RecordBatch`], service → [`crate::messages::audit::IntakeReply`].
pub const AUDIT_RECORDS: &str = "/v1/audit/records";

/// `GET` (list) and `POST` (create), admin; add `/{kind}`.
pub const RESOURCES: &str = "/v1/resources";
/// `POST` [`crate::messages::admin::CreateUser`], admin; `PATCH` `/{name}` [`crate::messages::admin::UpdateUser`].
pub const USERS: &str = "/v1/users";
/// `POST` [`crate::messages::admin::SignRequest`], admin → [`crate::messages::user::IssuedUser`].
pub const CERTS_SIGN: &str = "/v1/certs/sign";
/// `GET`, admin → [`crate::messages::admin::ClusterStatus`].
pub const STATUS: &str = "/v1/status";
/// `GET` with [`crate::messages::audit::EventQuery`], admin → items of events.
pub const AUDIT_EVENTS: &str = "/v1/audit/events";
/// `GET`, admin → NDJSON events, oldest first.
pub const AUDIT_EXPORT: &str = "/v1/audit/export";
/// `GET`, admin → [`crate::messages::audit::VerifyReport`].
pub const AUDIT_VERIFY: &str = "/v1/audit/verify";
