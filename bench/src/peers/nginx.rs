//! nginx as a Kubernetes access proxy could be made of it: client certificates verified, identity in static headers.

use std::{fmt::Write as _, fs};

use anyhow::Result;

use super::{Child, Place, Upstream, free_port};
use crate::target::Target;

/// Starts it on a free port.
pub(super) fn start(place: &Place, upstream: &Upstream) -> Result<(Child, Target)> {
    let dir = place.dir.join("nginx");
    fs::create_dir_all(&dir)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let config = dir.join("nginx.conf");
    fs::write(&config, configuration(place, upstream, &address)?)?;
    let mut command = place.pinned(&place.nginx);
    command.arg("-p").arg(&dir).arg("-c").arg(&config).args(["-e", "stderr"]);
    let child = Child::start(&mut command, &place.dir.join("nginx.log"))?;
    child.wait_for_line("start worker process ")?;
    let kubeconfig = place.certificates.kubeconfig("nginx", &address)?;
    Ok((child, Target::from_kubeconfig(&kubeconfig)?))
}

/// Unbuffered, since a watch must come as it comes; no access log, which spares nginx what audit costs us.
fn configuration(place: &Place, upstream: &Upstream, address: &str) -> Result<String> {
    let file = |name: &str| place.certificates.file(name).display().to_string();
    let mut text = String::from(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr notice; worker_rlimit_nofile 20000;\n",
    );
    if crate::system::is_root() {
        text.push_str("user root;\n");
    }
    write!(
        text,
        "events {{ worker_connections 9000; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 1000000000; keepalive_timeout 1h; http2_max_concurrent_streams 1000;
  map $http_upgrade $connection_upgrade {{ default Upgrade; '' ''; }}
  upstream api {{ server {upstream}; keepalive 4096; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen {address} ssl http2 backlog=4096;
    ssl_certificate {server_pem}; ssl_certificate_key {server_key};
    ssl_client_certificate {ca}; ssl_verify_client on; ssl_protocols TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    location / {{
      proxy_pass https://api;
      proxy_http_version 1.1;
      proxy_set_header Host kubernetes;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Impersonate-User alice;
      proxy_set_header Impersonate-Group devs;
      proxy_ssl_certificate {client_pem}; proxy_ssl_certificate_key {client_key};
      proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.3;
      proxy_buffering off; proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_read_timeout 1h;
    }}
  }}
}}
",
        upstream = upstream.address,
        server_pem = file("server.pem"),
        server_key = file("server.key"),
        client_pem = file("client.pem"),
        client_key = file("client.key"),
        ca = file("ca.pem"),
    )?;
    Ok(text)
}
