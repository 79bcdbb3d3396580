//! The listener of `-debug`.

use std::collections::BTreeMap;

use daemon::{
    debug::{self, Health},
    metrics::install_recorder,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::client::get_over;

#[tokio::test]
async fn health_and_metrics_are_served_and_a_busy_port_is_an_error() {
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let start = |failing: BTreeMap<String, String>| {
        let health = Health::new(move || failing.clone());
        debug::start(
            &address,
            health,
            install_recorder(&[]),
            CancellationToken::new(),
        )
    };
    let error = start(BTreeMap::new()).await.unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
    drop(holder);

    let down = BTreeMap::from([("DB operational".to_owned(), "gone".to_owned())]);
    let _server = start(down).await.unwrap();
    let ask = async |path: &str| {
        let stream = TcpStream::connect(&address).await.unwrap();
        get_over(stream, false, path).await.unwrap()
    };
    let health = ask("/debug/health").await;
    assert_eq!(
        (health.status.as_u16(), &*health.body),
        (503, r#"{"DB operational":"gone"}"#)
    );
    let metrics = ask("/metrics").await;
    assert!(
        metrics.body.contains("process_open_fds"),
        "{}",
        metrics.body
    );
    assert_eq!(ask("/debug/pprof/").await.status, 404);
}
