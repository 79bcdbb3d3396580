//! Signals, sent for real.

use std::time::Duration;

use daemon::{Level, LogFormat, ServerTls, logging, signals};
use rustix::process::{Signal, getpid, kill_process};
use rustls::version::TLS13;
use tokio::time::{sleep, timeout};

use crate::{
    certificates::{Certificate, Folder, SERVER, leaf},
    client::{Daemon, connect, short, trusting},
    logging::LEVEL,
};

/// Waits until `holds`, which a signal brings about.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(8), wait)
        .await
        .expect("the signal has its effect");
}

// One test: signals are the whole process's.
#[tokio::test]
async fn signals_move_the_log_level_take_up_certificates_and_end_the_program() {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    let tls = ServerTls::load(&cert, &key, None).unwrap();
    let daemon = Daemon::start(Some(tls.clone()), short()).await;
    let _held = LEVEL.lock().await;
    let log = logging::init(&[], LogFormat::Json, Level::Error);
    let shutdown = signals::install(log.clone(), vec![tls]);
    let send = |signal| kill_process(getpid(), signal).unwrap();

    log.set(Level::Error);
    send(Signal::USR1);
    until(async || log.level() == Level::Warn).await;
    send(Signal::USR2);
    until(async || log.level() == Level::Error).await;

    // Past the first look at the files, which is made at once.
    sleep(Duration::from_millis(200)).await;
    let new = Certificate::self_signed(leaf(&[SERVER]));
    folder.pair("server", &new);
    send(Signal::HUP);
    until(async || {
        let stream = connect(daemon.addr, trusting(None, &TLS13, true))
            .await
            .unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0] == new.identity(&[]).cert[0]
    })
    .await;

    assert!(!shutdown.is_cancelled());
    send(Signal::TERM);
    timeout(Duration::from_secs(8), shutdown.cancelled())
        .await
        .expect("TERM ends the program");
}
