//! The compatibility matrix: what people type, run twice, past Teleport and through it, and compared byte for byte.
//!
//! `cases` is the data: scripts of kubectl, helm and client libraries. `run` takes each version of a client through its
//! cases; `target` is the cluster, `side` one of the two ways to it, `normal` takes out what differs between any two
//! runs, `verdict` compares, `page` writes `docs/compatibility.md`. The `matrix` program and a test of the short form
//! (against `kubesim`) call [`run()`].

mod case;
mod cases;
mod client;
mod normal;
mod page;
mod run;
mod scene;
mod side;
mod target;
mod verdict;

pub use case::{Case, ClientKind};
pub use client::Client;
pub use page::page;
pub use run::{Options, Report, Row, run};
pub use target::Target;
pub use verdict::Verdict;
