//! One method for each route, so that callers cannot mix up paths and bodies.

use http::Method;
use serde_json::Value;
use teleport_types::UserName;

use super::{Client, ClientError, Lines};
use crate::{
    messages::{
        CaBundle, Ping,
        admin::{ClusterStatus, CreateUser, SignRequest, UpdateUser},
        audit::{EventQuery, IntakeReply, RecordBatch, VerifyReport},
        service::{
            HeartbeatReply, IssuedServer, IssuedService, JoinRequest, KubeCertRequest, KubeHeartbeat, RenewRequest,
            WebCertRequest,
        },
        user::{ClusterRow, IssuedUser, Items, KubeClusterRow, LoginRequest, Me, ReissueRequest},
        web::WebPing,
    },
    routes,
};

type Answer<T> = Result<T, ClientError>;

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident: $method:ident $route:ident $(, $body:ty)? => $answer:ty;)*) => {
        impl Client {
            $(calls!(@one $(#[$doc])* $name: $method $route $(, $body)? => $answer);)*
        }
    };
    (@one $(#[$doc:meta])* $name:ident: $method:ident $route:ident => $answer:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// See [`ClientError`].
        pub async fn $name(&self) -> Answer<$answer> {
            self.call::<(), $answer>(Method::$method, routes::$route, None).await
        }
    };
    (@one $(#[$doc:meta])* $name:ident: $method:ident $route:ident, $body:ty => $answer:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// See [`ClientError`].
        pub async fn $name(&self, body: &$body) -> Answer<$answer> {
            self.call(Method::$method, routes::$route, Some(body)).await
        }
    };
}

calls! {
    /// Asks who answers.
    ping: GET PING => Ping;
    /// Asks a proxy, over its web certificate, who it is and where it is reached.
    web_ping: GET WEB_PING => WebPing;
    /// Reads the cluster's CAs.
    cas: GET CAS => CaBundle;
    /// Logs a local user in.
    login: POST LOGIN, LoginRequest => IssuedUser;
    /// Joins a service.
    join: POST JOIN, JoinRequest => IssuedService;
    /// Ends the login session.
    logout: POST LOGOUT => ();
    /// Asks for a further certificate of the session.
    reissue: POST CERTS_USER, ReissueRequest => IssuedUser;
    /// Asks what the user may be.
    me: GET ME => Me;
    /// Lists the Teleport clusters.
    clusters: GET CLUSTERS => Items<ClusterRow>;
    /// Lists the Kubernetes clusters the user may see.
    kube_clusters: GET KUBE_CLUSTERS => Items<KubeClusterRow>;
    /// Renews a service's certificate.
    renew_service: POST CERTS_SERVICE, RenewRequest => IssuedService;
    /// Asks for the server certificate of a Kubernetes cluster.
    kube_certificate: POST CERTS_KUBE, KubeCertRequest => IssuedServer;
    /// Asks for the web certificate.
    web_certificate: POST CERTS_WEB, WebCertRequest => IssuedServer;
    /// Announces the Kubernetes clusters a service serves.
    announce_kube: PUT KUBE_SERVERS, KubeHeartbeat => HeartbeatReply;
    /// Delivers audit records.
    deliver_records: POST AUDIT_RECORDS, RecordBatch => IntakeReply;
    /// Creates a local user.
    create_user: POST USERS, CreateUser => ();
    /// Signs a certificate for automation.
    sign: POST CERTS_SIGN, SignRequest => IssuedUser;
    /// Reads the cluster's status.
    status: GET STATUS => ClusterStatus;
    /// Verifies the audit log.
    verify_audit: GET AUDIT_VERIFY => VerifyReport;
}

impl Client {
    /// Changes a user.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_user(&self, name: &UserName, change: &UpdateUser) -> Answer<()> {
        self.call(Method::PATCH, &format!("{}/{}", routes::USERS, segment(name.as_str())), Some(change)).await
    }

    /// Lists the documents of a kind.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list_resources(&self, kind: &str) -> Answer<Items<Value>> {
        self.call::<(), _>(Method::GET, &resource_path(kind, None), None).await
    }

    /// Reads one document.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resource(&self, kind: &str, name: &str) -> Answer<Value> {
        self.call::<(), _>(Method::GET, &resource_path(kind, Some(name)), None).await
    }

    /// Creates a document; fails when it exists.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_resource(&self, kind: &str, document: &Value) -> Answer<()> {
        self.call(Method::POST, &resource_path(kind, None), Some(document)).await
    }

    /// Creates or replaces a document; one with a revision must carry the current one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put_resource(&self, kind: &str, name: &str, document: &Value) -> Answer<()> {
        self.call(Method::PUT, &resource_path(kind, Some(name)), Some(document)).await
    }

    /// Deletes a document.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_resource(&self, kind: &str, name: &str) -> Answer<()> {
        self.call::<(), _>(Method::DELETE, &resource_path(kind, Some(name)), None).await
    }

    /// Reads audit events, the newest last.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit_events(&self, query: &EventQuery) -> Answer<Items<Value>> {
        let time = |time: &Option<jiff::Timestamp>| time.map(|time| time.to_string());
        let fields = [
            ("from", time(&query.from)),
            ("to", time(&query.to)),
            ("types", query.types.clone()),
            ("user", query.user.clone()),
            ("limit", query.limit.map(|limit| limit.to_string())),
        ];
        let pairs: Vec<_> =
            fields.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?)))).collect();
        self.call::<(), _>(Method::GET, &format!("{}?{}", routes::AUDIT_EVENTS, pairs.join("&")), None).await
    }

    /// Streams every audit event, the oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn export_audit(&self) -> Answer<Lines> {
        self.lines(routes::AUDIT_EXPORT).await
    }

    /// Opens the watch over roles, locks, CAs and announced Kubernetes clusters.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn watch(&self) -> Answer<Lines> {
        self.lines(routes::WATCH).await
    }
}

fn resource_path(kind: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{}/{}/{}", routes::RESOURCES, segment(kind), segment(name)),
        None => format!("{}/{}", routes::RESOURCES, segment(kind)),
    }
}

/// Percent-encodes everything but RFC 3986 unreserved characters.
fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(resource_path("user", Some("a/b c?")), "/v1/resources/user/a%2Fb%20c%3F");
    }
}
