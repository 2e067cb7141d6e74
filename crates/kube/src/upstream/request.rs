//! One exchange from its request to the head of its answer: credential, connection, at most one more attempt.

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode, Uri, Version,
    header::{AUTHORIZATION, HOST},
    request::Parts,
};
use http_body_util::{Empty, combinators::UnsyncBoxBody};

use tokio::time::Instant;

use super::{
    BoxError, Fault, Inner, UpstreamBody, UpstreamError,
    credential::Material,
    pool::{Broken, Freshness, Lane},
};

/// A body we send, of any kind.
pub(super) type SentBody = UnsyncBoxBody<Bytes, BoxError>;

impl Inner {
    pub(super) fn error(&self, fault: Fault) -> UpstreamError {
        UpstreamError::new(&self.name, &self.endpoint.to_string(), fault)
    }

    /// Sends a request without a body; may send it again when it was not processed.
    pub(super) async fn send_empty(&self, mut parts: Parts) -> Result<Response<UpstreamBody>, UpstreamError> {
        parts.extensions.clear();
        let material = self.material().await?;
        let answer = self.send_empty_with(&parts, &material).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.credential.renewed(&material).await {
            Some(renewed) => self.send_empty_with(&parts, &renewed).await,
            None => Ok(answer),
        }
    }

    /// Sends a request with a body. What has been read of the body cannot be read again, so only a request that never
    /// left goes out a second time.
    pub(super) async fn send_body(
        &self,
        mut parts: Parts,
        body: SentBody,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        parts.extensions.clear();
        let material = self.material().await?;
        self.prepare(&mut parts, &material, Wire::Http1)?;
        let mut request = Request::from_parts(parts, body);
        let (mut freshness, began) = (Freshness::Any, Instant::now());
        loop {
            let lane = self.pool.http1(&material, freshness).await.map_err(|fault| self.error(fault))?;
            match lane.send(request, self.limits.head_with_body).await {
                Ok(answer) => {
                    if answer.status() == StatusCode::UNAUTHORIZED {
                        self.credential.doubt(&material);
                    }
                    return Ok(answer);
                }
                Err(Broken { unsent: Some(again), .. }) if freshness == Freshness::Any => {
                    request = *again;
                    freshness = Freshness::After(began);
                }
                Err(broken) => return Err(self.error(broken.fault)),
            }
        }
    }

    /// Sends an upgrade request over a connection of its own.
    pub(super) async fn upgrade(&self, mut parts: Parts) -> Result<Response<UpstreamBody>, UpstreamError> {
        parts.extensions.clear();
        let material = self.material().await?;
        let answer = self.upgrade_with(&parts, &material).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.credential.renewed(&material).await {
            Some(renewed) => self.upgrade_with(&parts, &renewed).await,
            None => Ok(answer),
        }
    }

    async fn upgrade_with(&self, parts: &Parts, material: &Material) -> Result<Response<UpstreamBody>, UpstreamError> {
        let mut parts = parts.clone();
        self.prepare(&mut parts, material, Wire::Http1)?;
        let request = Request::from_parts(parts, empty());
        let lane = self.pool.separate(material).await.map_err(|fault| self.error(fault))?;
        lane.send(request, self.limits.head).await.map_err(|broken| self.error(broken.fault))
    }

    async fn send_empty_with(
        &self,
        parts: &Parts,
        material: &Material,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let (mut freshness, began) = (Freshness::Any, Instant::now());
        loop {
            let mut parts = parts.clone();
            let lane = self.pool.any(material, freshness).await.map_err(|fault| self.error(fault))?;
            let sent = match lane {
                Lane::Http2(lane) => {
                    self.prepare(&mut parts, material, Wire::Http2)?;
                    lane.send(Request::from_parts(parts, Empty::new()), self.limits.head).await.map_err(Broken::forget)
                }
                Lane::Http1(lane) => {
                    self.prepare(&mut parts, material, Wire::Http1)?;
                    lane.send(Request::from_parts(parts, empty()), self.limits.head).await.map_err(Broken::forget)
                }
            };
            match sent {
                Ok(answer) => return Ok(answer),
                Err((_, true)) if freshness == Freshness::Any => freshness = Freshness::After(began),
                Err((fault, _)) => return Err(self.error(fault)),
            }
        }
    }

    async fn material(&self) -> Result<std::sync::Arc<Material>, UpstreamError> {
        self.credential.current().await.map_err(|error| self.error(Fault::Credential(error)))
    }

    /// Turns the head of a request into the one that goes out.
    fn prepare(&self, parts: &mut Parts, material: &Material, wire: Wire) -> Result<(), UpstreamError> {
        let target = self
            .endpoint
            .target(&parts.uri)
            .map_err(|_| self.error(Fault::Request("its path is too long or not well-formed")))?;
        match wire {
            Wire::Http2 => {
                parts.uri = self.endpoint.absolute(target);
                parts.version = Version::HTTP_2;
                parts.headers.remove(HOST);
            }
            Wire::Http1 => {
                parts.uri = Uri::from(target);
                parts.version = Version::HTTP_11;
                parts.headers.insert(HOST, self.endpoint.host_header());
            }
        }
        authorize(&mut parts.headers, material);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Wire {
    Http1,
    Http2,
}

/// Whatever stood there before goes: the API must see our credential or none.
fn authorize(headers: &mut HeaderMap, material: &Material) {
    headers.remove(AUTHORIZATION);
    if let Some(value) = &material.authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
}

fn empty() -> SentBody {
    SentBody::new(http_body_util::BodyExt::map_err(Empty::new(), |never| match never {}))
}
