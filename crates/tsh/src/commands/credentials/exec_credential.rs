//! The answer to kubectl: `ExecCredential` with a client certificate
//! (<https://kubernetes.io/docs/reference/config-api/client-authentication.v1beta1/>).

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use super::SPARE;
use crate::store::Credentials;

const OLDEST: &str = "client.authentication.k8s.io/v1beta1";
const NEWEST: &str = "client.authentication.k8s.io/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'c> {
    kind: &'static str,
    api_version: &'static str,
    spec: Spec,
    status: Status<'c>,
}

#[derive(Serialize)]
struct Spec {
    interactive: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'c> {
    expiration_timestamp: Timestamp,
    client_certificate_data: &'c str,
    client_key_data: &'c str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    api_version: String,
}

/// Renders one line of JSON, in the version that kubectl asks for.
pub(super) fn render(credentials: &Credentials) -> String {
    render_for(credentials, std::env::var("KUBERNETES_EXEC_INFO").ok().as_deref())
}

fn render_for(credentials: &Credentials, exec_info: Option<&str>) -> String {
    let end = credentials.expires - SPARE;
    let answer = ExecCredential {
        kind: "ExecCredential",
        api_version: version(exec_info),
        spec: Spec { interactive: false },
        status: Status {
            expiration_timestamp: end.round(Unit::Second).unwrap_or(end),
            client_certificate_data: &credentials.certificate,
            client_key_data: &credentials.key,
        },
    };
    serde_json::to_string(&answer).expect("texts are JSON") + "\n"
}

/// The entry we write says `v1beta1`; somebody may have changed it to `v1`, and kubectl insists on what it asked for.
fn version(exec_info: Option<&str>) -> &'static str {
    let asked = exec_info.and_then(|text| serde_json::from_str::<Asked>(text).ok());
    if asked.is_some_and(|asked| asked.api_version == NEWEST) { NEWEST } else { OLDEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_in_the_version_asked_for() {
        for (info, want) in [
            (None, OLDEST),
            (Some(""), OLDEST),
            (Some("{\"apiVersion\":\"client.authentication.k8s.io/v1alpha1\"}"), OLDEST),
            (Some("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\"}"), NEWEST),
        ] {
            assert_eq!(version(info), want, "{info:?}");
        }
    }

    #[test]
    fn kubectl_asks_again_a_minute_before_the_end() {
        let credentials = Credentials {
            certificate: "CERT".into(),
            key: "KEY".into(),
            expires: "2025-11-24T10:00:00Z".parse().expect("time"),
        };
        let want = "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\
                    \"spec\":{\"interactive\":false},\"status\":{\"expirationTimestamp\":\"2025-11-24T09:59:00Z\",\
                    \"clientCertificateData\":\"CERT\",\"clientKeyData\":\"KEY\"}}\n";
        assert_eq!(render_for(&credentials, None), want);
    }
}
