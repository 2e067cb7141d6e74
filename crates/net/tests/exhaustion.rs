//! Running out of descriptors. Alone in its file, because the limit holds for the whole process.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use teleport_net::Listener;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn the_listener_waits_for_descriptors_and_goes_on() {
    let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
    // The client is in the queue before the descriptors are gone.
    let client = std::net::TcpStream::connect(listener.addr()).expect("connects");
    let before = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(64), maximum: before.maximum };
    setrlimit(Resource::Nofile, few).expect("lowers the limit");
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    let none = tokio::time::timeout(Duration::from_millis(250), listener.accept()).await;
    assert!(none.is_err(), "there is no descriptor for it");

    drop(hoard);
    let mut conn = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await.expect("accepted now");
    setrlimit(Resource::Nofile, before).expect("restores the limit");
    drop(client);
    assert_eq!(conn.read(&mut [0]).await.expect("reads"), 0);
}
