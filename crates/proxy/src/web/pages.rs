//! The pages themselves.

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse as _, Response},
};
use teleport_api::{
    ApiError,
    messages::{CaBundle, Ping, web::WebPing},
};

use super::facts::{Facts, Told};

/// `GET /`: what this is and how to log in.
pub(super) async fn front(State(facts): State<Facts>) -> Html<String> {
    let (cluster, addr) = (escaped(facts.cluster().as_str()), escaped(facts.public_addr()));
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{cluster}</title>\n\
         <h1>{cluster}</h1>\n\
         <p>This is an access proxy. It has no web pages to log in on; use the command line:</p>\n\
         <pre>tsh login --proxy={addr}\nkubectl get pods</pre>\n</html>\n"
    ))
}

/// `GET /webapi/ping`, `GET /webapi/find`: who answers, and where what is reached.
pub(super) async fn web_ping(State(facts): State<Facts>) -> Result<Json<WebPing>, ApiError> {
    Ok(Json(told(&facts)?.web_ping(facts.public_addr())))
}

/// `GET /v1/ping`: as auth answers it.
pub(super) async fn ping(State(facts): State<Facts>) -> Result<Json<Ping>, ApiError> {
    Ok(Json(told(&facts)?.ping.clone()))
}

/// `GET /v1/cas`: as auth answers it, so that a client can learn the host authority over the web certificate.
pub(super) async fn cas(State(facts): State<Facts>) -> Result<Json<CaBundle>, ApiError> {
    Ok(Json(told(&facts)?.cas.clone()))
}

/// Everything else.
pub(super) async fn nothing_here() -> Response {
    ApiError::not_found("there is nothing at this address").hint("see / for how to log in").into_response()
}

fn told(facts: &Facts) -> Result<std::sync::Arc<Told>, ApiError> {
    facts.told().ok_or_else(|| {
        ApiError::unavailable("the proxy has not reached the auth service yet").hint("try again in a moment")
    })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_address_stays_text() {
        assert_eq!(escaped("a<script>\"'&"), "a&lt;script&gt;&quot;&#39;&amp;");
    }
}
