//! Who may log in and what they are issued: certificate authorities, users, tokens, locks, and the `/v1/` API.
//!
//! The only crate that signs with authorities' keys and the only user of the backend. The daemon starts it with
//! [`Auth::start`] and hands it connections; everyone else speaks to it through `api`.

mod answer;
mod auth;
mod ca;
mod config;
mod error;
mod implicit_lock;
mod intake;
mod issue;
mod join;
mod kube;
mod login;
mod password;
mod resources;
mod rights;
mod secrets;
mod server;
mod services;
mod store;
mod throttle;
mod users;
mod watch;

pub use auth::{Auth, Parts};
pub use config::{Config, StaticToken};
pub use error::AuthError;
pub use server::{Access, Limits, Route, routes};
