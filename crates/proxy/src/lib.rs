//! The front door: one public port, a way chosen by the ClientHello, and the few pages that anyone may read.
//!
//! The proxy carries bytes. Sessions of kubectl end in the Kubernetes service, sessions of `tsh` in auth; all that ends
//! here is the web certificate's TLS. `teleport` makes a [`Proxy`], gives it the services of its process and runs it.

pub mod alert;
pub mod certificate;
pub mod front;
pub mod half_open;
pub mod kube_routes;
pub mod metrics;
pub mod proxy;
pub mod route;
pub mod web;

pub use certificate::{KeyPairFiles, WebCertificate};
pub use front::{AuthPath, Limits};
pub use kube_routes::KubeRoutes;
pub use metrics::Metrics;
pub use proxy::{Proxy, Setup};
pub use route::{Refusal, Route, route};
