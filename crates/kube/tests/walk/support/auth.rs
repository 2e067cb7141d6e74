//! A stand-in for auth: grants every announcement and signs every server certificate.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use teleport_api::messages::service::KubeCertRequest;
use teleport_net::{Dialer, MemoryDialer, memory};
use teleport_pki::{
    PublicKey, Template, pem,
    testing::{TestCas, issue},
};
use teleport_runtime::TaskGroup;
use teleport_types::sni::InternalName;

pub struct Auth {
    dialer: MemoryDialer,
    _tasks: TaskGroup,
}

impl Auth {
    pub fn start(cas: &Arc<TestCas>) -> Self {
        let (dialer, mut listener) = memory::pair("auth");
        let tasks = TaskGroup::new("fake auth");
        let cas = Arc::clone(cas);
        let connections = tasks.clone();
        tasks.spawn("accept", async move {
            while let Some(conn) = listener.accept().await {
                let cas = Arc::clone(&cas);
                let service = service_fn(move |request| answer(Arc::clone(&cas), request));
                connections.spawn("connection", async move {
                    let server = http2::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(conn), service).await;
                });
            }
        });
        Self { dialer, _tasks: tasks }
    }

    pub fn dialer(&self) -> Arc<dyn Dialer> {
        Arc::new(self.dialer.clone())
    }
}

async fn answer(cas: Arc<TestCas>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let answer = match path.as_str() {
        "/v1/kube/servers" => json!({"refused": {}}),
        "/v1/certs/kube" => {
            let wanted: KubeCertRequest = serde_json::from_slice(&body).expect("a request");
            let name = InternalName::kube(&wanted.kube_cluster, &cas.cluster);
            let template = Template::internal_server(&name).expect("a template");
            let key = PublicKey::from_pem(&wanted.public_key).expect("a key");
            let certificate = issue(&template, &cas.host, &key, cas.validity());
            let certificate = pem::encode_certificates(&[certificate]);
            json!({"certificate": certificate, "expires": cas.validity().not_after})
        }
        other => panic!("auth was asked for {other}"),
    };
    Ok(Response::new(Full::from(answer.to_string())))
}
