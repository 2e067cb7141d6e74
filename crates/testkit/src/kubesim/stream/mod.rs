//! Upgraded requests: exec, attach and port-forward over WebSocket and SPDY.
//!
//! `server` calls [`answer`] for the three sub-resources; the rest of the connection belongs to a task here.

mod forward;
mod process;
mod remote;
pub(super) mod spdy;
mod websocket;

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;
use teleport_runtime::TaskGroup;

use super::{
    body::{self, Reply},
    logs::Logs,
    query::Query,
    route::Target,
    status::Status,
};
use process::Work;
use remote::Wanted;

/// Bytes between a session and its connection.
const WIRE: usize = 64 * 1024;
/// How long a client may take to go once the session has ended.
const GOODBYE: Duration = Duration::from_secs(5);
const PORT_FORWARD: &str = "portforward.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// What an upgraded request needs from the simulator.
pub(super) struct Context<'a> {
    pub(super) logs: &'a Arc<Logs>,
    /// Folder in which each pod has one of its own.
    pub(super) root: PathBuf,
    pub(super) tasks: &'a TaskGroup,
    /// The pod, as stored.
    pub(super) pod: &'a Value,
}

/// How the client wants to speak.
enum Transport {
    WebSocket { accept: String, protocol: String },
    Spdy { protocol: String },
}

/// Checks the request, answers 101 and serves the streams in a task of its own.
///
/// # Errors
/// 400 without an upgrade that is understood, or for a container that the pod has not.
pub(super) fn answer(
    context: &Context<'_>,
    target: &Target,
    query: &Query,
    mut request: Request<Incoming>,
) -> Result<Reply, Status> {
    let forward = target.subresource == "portforward";
    let transport = Transport::of(request.headers(), forward)?;
    let namespace = target.namespace.clone().unwrap_or_default();
    let name = target.name.clone();
    let work = if forward { None } else { Some(work(context, target, query)?) };
    let wanted = Wanted::of(query);
    let upgrade = hyper::upgrade::on(&mut request);
    let reply = transport.switching();
    let stop = context.tasks.stop_signal();
    context.tasks.spawn("upgraded stream", async move {
        let serve = async {
            let Ok(upgraded) = upgrade.await else { return };
            let (io, mut wire) = tokio::io::duplex(WIRE);
            let session = async {
                match (transport, work) {
                    (Transport::WebSocket { protocol, .. }, Some(work)) => {
                        websocket::remote(io, protocol == "v5.channel.k8s.io", wanted, work).await;
                    }
                    (Transport::Spdy { protocol }, Some(work)) => spdy::remote(io, &protocol, wanted, work).await,
                    (Transport::WebSocket { .. }, None) => {
                        let (tunnel, pump) = websocket::tunnel(io).await;
                        tokio::join!(forward::serve(tunnel, &namespace, &name), pump);
                    }
                    (Transport::Spdy { .. }, None) => forward::serve(io, &namespace, &name).await,
                }
            };
            // The end of a session is said in TLS too, as the API server does: the copy shuts the connection down.
            let mut upgraded = hyper_util::rt::TokioIo::new(upgraded);
            let carry = tokio::io::copy_bidirectional(&mut upgraded, &mut wire);
            tokio::pin!(carry);
            tokio::select! {
                () = session => {
                    let _ = tokio::time::timeout(GOODBYE, carry).await;
                }
                // The client is gone.
                _ = &mut carry => {}
            }
        };
        tokio::select! {
            () = serve => {}
            () = stop.requested() => {}
        }
    });
    Ok(reply)
}

fn work(context: &Context<'_>, target: &Target, query: &Query) -> Result<Work, Status> {
    let (namespace, pod) = (target.namespace.clone().unwrap_or_default(), target.name.clone());
    if let Some(container) = query.first("container") {
        let known = context.pod["spec"]["containers"].as_array().into_iter().flatten();
        if !known.into_iter().any(|entry| entry["name"] == container) {
            return Err(Status::bad_request(format!("container {container} is not valid for pod {pod}")));
        }
    }
    if target.subresource == "attach" {
        return Ok(Work::Attach { logs: Arc::clone(context.logs), namespace, pod });
    }
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Status::bad_request("you must specify at least 1 command for the container"));
    }
    let folder = context.root.join(&namespace).join(&pod);
    Ok(Work::Exec(process::Command { argv: command, tty: query.flag("tty"), hostname: pod, folder }))
}

impl Transport {
    fn of(headers: &HeaderMap, forward: bool) -> Result<Self, Status> {
        let offered = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
        };
        let choose = |offered: &[String], served: &[&str]| {
            served.iter().find(|name| offered.iter().any(|item| item == **name)).map(|name| (*name).to_owned())
        };
        let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if upgrade.eq_ignore_ascii_case("websocket") {
            let served: &[&str] = if forward { &[TUNNEL] } else { &["v5.channel.k8s.io", "v4.channel.k8s.io"] };
            let protocol = choose(&offered("sec-websocket-protocol"), served)
                .ok_or_else(|| Status::bad_request("unable to upgrade: no subprotocol that is served"))?;
            let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
            return Ok(Self::WebSocket { accept: websocket::accept_key(key), protocol });
        }
        if upgrade.eq_ignore_ascii_case("SPDY/3.1") {
            let served: &[&str] = if forward {
                &[PORT_FORWARD]
            } else {
                &["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io"]
            };
            let protocol = choose(&offered("x-stream-protocol-version"), served)
                .ok_or_else(|| Status::bad_request("unable to upgrade: unable to negotiate protocol"))?;
            return Ok(Self::Spdy { protocol });
        }
        Err(Status::bad_request("Upgrade request required"))
    }

    fn switching(&self) -> Reply {
        let mut reply = body::empty(StatusCode::SWITCHING_PROTOCOLS);
        let (upgrade, pairs) = match self {
            Self::WebSocket { accept, protocol } => {
                ("websocket", vec![("sec-websocket-accept", accept), ("sec-websocket-protocol", protocol)])
            }
            Self::Spdy { protocol } => ("SPDY/3.1", vec![("x-stream-protocol-version", protocol)]),
        };
        let headers = reply.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        reply
    }
}
