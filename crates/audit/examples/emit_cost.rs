//! Prints what one request costs in audit: begin and complete together. Build with `--release` for a number that counts.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

use std::time::Instant;

use teleport_audit::{
    Body, Emitter, Event, Limits, Patch, WriterInfo,
    event::{KubeRequest, KubeTarget},
};
use teleport_runtime::Clock;
use teleport_types::{ClusterName, KubeClusterName, ServiceId};

const ROUNDS: u32 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let info = WriterInfo { cluster: ClusterName::parse("main.example")?, server: ServiceId::random() };
    let limits = Limits { spool_bytes: 1 << 30, ..Limits::default() };
    let emitter = Emitter::open_with(dir.path(), Clock::system(), info, limits)?;
    let target = KubeTarget::named(KubeClusterName::parse("prod")?);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let request = Event::new(Body::KubeRequest(KubeRequest {
            target: target.clone(),
            request_path: "/api/v1/namespaces/default/pods".to_owned(),
            verb: "GET".to_owned(),
            response_code: None,
            resource_api_group: Some(String::new()),
            resource_namespace: Some("default".to_owned()),
            resource_kind: Some("pods".to_owned()),
            resource_name: None,
        }));
        let entry = emitter.begin(request)?;
        let (users, groups) = (vec!["alice".to_owned()], vec!["dev".to_owned(), "system:authenticated".to_owned()]);
        entry.complete(Patch::success().response_code(200).impersonated(users, groups));
    }
    let each = start.elapsed() / ROUNDS;
    println!("begin and complete: {:.2} µs", each.as_secs_f64() * 1e6);
    Ok(())
}
