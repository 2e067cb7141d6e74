//! The table of routes: what there is, who may come, how large a body may be. The router is made of it and of nothing else.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts as _, Path, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, delete, get, patch, post, put},
};
use http::Method;
use teleport_api::{ApiError, routes as paths};
use teleport_types::{
    Kind, ServiceKind,
    role::{RuleResource, RuleVerb},
};
use tokio::sync::oneshot;

use super::{
    handlers::{admin, audit, public, resources, service, user},
    peer::{self, Connection},
};
use crate::{auth::Core, rights::Right};

/// How long a client waits for an answer; what was begun goes on after it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Anyone,
    /// A user whose login holds.
    User,
    /// A service of the cluster.
    Service,
    /// A service that joined as this kind.
    ServiceOf(ServiceKind),
    /// The local admin tool, or a user with a role that allows this.
    Admin(RuleResource, RuleVerb),
    /// The same; the kind of object stands in the path.
    AdminOfKind(RuleVerb),
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for what varies.
    pub path: String,
    /// Who may call it.
    pub access: Access,
}

/// Returns every route of the API.
pub fn routes() -> Vec<Route> {
    table().into_iter().map(|(route, _)| route).collect()
}

type Handler = MethodRouter<Arc<Core>>;

fn table() -> Vec<(Route, Handler)> {
    use {Access as A, RuleResource as R, RuleVerb as V};
    let (kube, proxy) = (A::ServiceOf(ServiceKind::Kube), A::ServiceOf(ServiceKind::Proxy));
    let kind = format!("{}/{{kind}}", paths::RESOURCES);
    let named = format!("{kind}/{{name}}");
    let user = format!("{}/{{name}}", paths::USERS);
    let route = |method, path: &str, access, handler| (Route { method, path: path.to_owned(), access }, handler);
    vec![
        route(Method::GET, paths::PING, A::Anyone, get(public::ping)),
        route(Method::GET, paths::CAS, A::Anyone, get(public::cas)),
        route(Method::POST, paths::LOGIN, A::Anyone, post(public::login)),
        route(Method::POST, paths::JOIN, A::Anyone, post(public::join)),
        route(Method::POST, paths::LOGOUT, A::User, post(user::logout)),
        route(Method::POST, paths::CERTS_USER, A::User, post(user::reissue)),
        route(Method::GET, paths::ME, A::User, get(user::me)),
        route(Method::GET, paths::CLUSTERS, A::User, get(user::clusters)),
        route(Method::GET, paths::KUBE_CLUSTERS, A::User, get(user::kube_clusters)),
        route(Method::POST, paths::CERTS_SERVICE, A::Service, post(service::renew)),
        route(Method::POST, paths::CERTS_KUBE, kube, post(service::kube_certificate)),
        route(Method::POST, paths::CERTS_WEB, proxy, post(service::web_certificate)),
        route(Method::PUT, paths::KUBE_SERVERS, kube, put(service::heartbeat)),
        route(Method::GET, paths::WATCH, A::Service, get(service::watch)),
        route(Method::POST, paths::AUDIT_RECORDS, A::Service, post(audit::deliver)),
        route(Method::GET, &kind, A::AdminOfKind(V::List), get(resources::list)),
        route(Method::POST, &kind, A::AdminOfKind(V::Create), post(resources::create)),
        route(Method::GET, &named, A::AdminOfKind(V::Read), get(resources::read)),
        route(Method::PUT, &named, A::AdminOfKind(V::Update), put(resources::write)),
        route(Method::DELETE, &named, A::AdminOfKind(V::Delete), delete(resources::remove)),
        route(Method::POST, paths::USERS, A::Admin(R::User, V::Create), post(admin::create_user)),
        route(Method::PATCH, &user, A::Admin(R::User, V::Update), patch(admin::update_user)),
        route(Method::POST, paths::CERTS_SIGN, A::Admin(R::CertAuthority, V::Create), post(admin::sign)),
        route(Method::GET, paths::STATUS, A::Admin(R::CertAuthority, V::Read), get(admin::status)),
        route(Method::GET, paths::AUDIT_EVENTS, A::Admin(R::Event, V::List), get(audit::events)),
        route(Method::GET, paths::AUDIT_EXPORT, A::Admin(R::Event, V::Read), get(audit::export)),
        route(Method::GET, paths::AUDIT_VERIFY, A::Admin(R::Event, V::Read), get(audit::verify)),
    ]
}

/// Most bytes of a body. What a stranger may send is small; a batch of audit records is the largest of all.
fn body_limit(route: &Route) -> usize {
    match route.access {
        Access::Anyone => 64 * 1024,
        Access::User => 256 * 1024,
        _ if route.path == paths::AUDIT_RECORDS => 32 * 1024 * 1024,
        _ => 4 * 1024 * 1024,
    }
}

/// Makes the router: each route behind the check of its class, which runs before a byte of the body is read.
pub(super) fn router(core: Arc<Core>) -> Router {
    let mut router = Router::new();
    for (route, handler) in table() {
        let gate = Gate { core: Arc::clone(&core), access: route.access };
        let handler = handler.layer(DefaultBodyLimit::max(body_limit(&route))).layer(from_fn_with_state(gate, admit));
        router = router.route(&route.path, handler);
    }
    router
        .fallback(|| async {
            ApiError::not_found("there is no such route").hint("is this client newer than the service?")
        })
        .method_not_allowed_fallback(|| async { ApiError::not_found("the route does not take this method") })
        .with_state(core)
}

#[derive(Clone)]
struct Gate {
    core: Arc<Core>,
    access: Access,
}

/// Checks the caller and hands the proof on, or refuses.
///
/// The work is a task of its own that runs to its end even when the client goes away: a change of a user is several
/// writes, and must not stop between them.
async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (to, answer) = oneshot::channel();
    let core = Arc::clone(&gate.core);
    core.streams.spawn("request", async move {
        let answered = match check(&gate, request).await {
            Ok(request) => next.run(request).await,
            Err(refused) => refused.into_response(),
        };
        // A client that has gone does not want to know.
        let _ = to.send(answered);
    });
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => ApiError::unavailable("the auth service is stopping").hint("try again soon").into_response(),
        Err(_) => ApiError::unavailable("the auth service took too long").hint("try again").into_response(),
    }
}

async fn check(gate: &Gate, request: Request) -> Result<Request, ApiError> {
    let (mut parts, body) = request.into_parts();
    let unknown = || ApiError::unauthenticated("the connection is not known");
    let connection = parts.extensions.get::<Arc<Connection>>().cloned().ok_or_else(unknown)?;
    match gate.access {
        Access::Anyone => drop(parts.extensions.insert(peer::guest(&connection))),
        Access::User => drop(parts.extensions.insert(peer::user(&gate.core, &connection).await?)),
        Access::Service => drop(parts.extensions.insert(peer::service(&gate.core, &connection, None).await?)),
        Access::ServiceOf(kind) => {
            drop(parts.extensions.insert(peer::service(&gate.core, &connection, Some(kind)).await?));
        }
        Access::Admin(resource, verb) => {
            let right = Right { resource, verb };
            drop(parts.extensions.insert(peer::admin(&gate.core, &connection, right).await?));
        }
        Access::AdminOfKind(verb) => {
            let named = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
            let named = named.map_err(|error| ApiError::bad_request(error.body_text()))?;
            let kind = named.iter().find(|(name, _)| name == "kind").map_or("", |(_, kind)| kind);
            let kind = Kind::parse(kind).ok_or_else(|| unknown_kind(kind))?;
            let right = Right { resource: resource_of(kind), verb };
            drop(parts.extensions.insert(peer::admin(&gate.core, &connection, right).await?));
            parts.extensions.insert(kind);
        }
    }
    Ok(Request::from_parts(parts, body))
}

fn unknown_kind(kind: &str) -> ApiError {
    let known: Vec<_> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    let kind: String = kind.chars().take(64).collect();
    ApiError::not_found(format!("there is no kind {kind:?}")).hint(format!("the kinds are {}", known.join(", ")))
}

fn resource_of(kind: Kind) -> RuleResource {
    match kind {
        Kind::Role => RuleResource::Role,
        Kind::User => RuleResource::User,
        Kind::Lock => RuleResource::Lock,
        Kind::Token => RuleResource::Token,
        Kind::KubeCluster => RuleResource::KubeCluster,
        Kind::AuthPreference => RuleResource::ClusterAuthPreference,
    }
}
