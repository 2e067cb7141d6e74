//! Requests and answers of the `/v1/` API, by who uses them.
//!
//! Certificates and keys travel as PEM text; public keys as PEM `PUBLIC KEY` (SPKI); times as RFC 3339; spans in seconds.

pub mod admin;
pub mod audit;
pub mod service;
pub mod user;
pub mod web;

use serde::{Deserialize, Serialize};
use teleport_types::ClusterName;

/// What the API offers beyond its first form; a client asks for nothing that is not listed.
pub const CAPABILITIES: &[&str] = &["login.local", "join.token", "watch", "audit.chain", "kube.answer"];

/// Answer of `GET /v1/ping`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ping {
    /// The cluster's name.
    pub cluster_name: ClusterName,
    /// Version of the auth service.
    pub server_version: String,
    /// See [`CAPABILITIES`].
    pub capabilities: Vec<String>,
    /// Ways to log in.
    pub auth: AuthOffer,
}

/// Ways to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthOffer {
    /// The default way; `local` for a password.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether local users may log in.
    pub local: bool,
}

/// Answer of `GET /v1/cas`: public, the same to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaBundle {
    /// The cluster's name.
    pub cluster_name: ClusterName,
    /// Host CA certificates, each as PEM: they vouch for services.
    pub host: Vec<String>,
    /// User CA certificates, each as PEM: they vouch for users.
    pub user: Vec<String>,
}
