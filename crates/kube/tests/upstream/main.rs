//! Upstreams against a small API server in this process: connections, credentials, upgrades, TLS, the self check.

mod check;
mod config;
mod credentials;
mod goaway;
mod plugins;
mod pooling;
mod rotation;
mod secure;
mod server;
mod support;
mod upgrades;
