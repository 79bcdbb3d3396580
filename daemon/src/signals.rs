//! Signals: stop gracefully, move the log level, take up renewed certificates.

use std::{
    io::{self, Write as _},
    process,
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::{logging::LogControl, tls::ServerTls};

/// How often certificate files are looked at, so that a renewal needs no signal.
const POLL: Duration = Duration::from_secs(10);

/// Listens for signals from now on; the answered token is cancelled when the program shall end.
///
/// * TERM and INT end it gracefully, the second one at once.
/// * USR1 and USR2 make the log more and less verbose and print Notary's sentence.
/// * HUP, which ended Notary, takes up certificates that changed.
///
/// # Panics
///
/// Outside of a tokio runtime with signals enabled.
#[must_use]
pub fn install(log: LogControl, tls: Vec<Arc<ServerTls>>) -> CancellationToken {
    let shutdown = CancellationToken::new();
    tokio::spawn(stop(
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
        shutdown.clone(),
    ));
    tokio::spawn(step(
        listen(SignalKind::user_defined1()),
        listen(SignalKind::user_defined2()),
        log,
    ));
    tokio::spawn(renew(listen(SignalKind::hangup()), tls));
    shutdown
}

fn listen(kind: SignalKind) -> Signal {
    signal(kind).expect("a runtime with signals lets a program listen to those of its own")
}

async fn stop(mut term: Signal, mut int: Signal, shutdown: CancellationToken) {
    let first = next_of(&mut term, &mut int).await;
    tracing::info!(
        signal = first,
        "finishing what is running; a second signal ends it at once"
    );
    shutdown.cancel();
    let second = next_of(&mut term, &mut int).await;
    tracing::warn!(signal = second, "ending at once");
    process::exit(1);
}

async fn next_of(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

async fn step(mut more: Signal, mut less: Signal, log: LogControl) {
    loop {
        let sentence = tokio::select! {
            _ = more.recv() => log.more(),
            _ = less.recv() => log.less(),
        };
        // The sender of the signal may not want the answer, and standard output may be closed.
        let _ = writeln!(io::stdout(), "{sentence}");
    }
}

async fn renew(mut hangup: Signal, tls: Vec<Arc<ServerTls>>) {
    // They were read a moment ago.
    let mut poll = interval_at(Instant::now() + POLL, POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = hangup.recv() => tracing::info!("SIGHUP: looking for renewed certificates"),
            _ = poll.tick() => {}
        }
        let tls = tls.clone();
        // Reads files, and may wait for a slow disk.
        let looked = tokio::task::spawn_blocking(move || {
            for tls in &tls {
                tls.reload_if_changed();
            }
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "looking for renewed certificates failed");
        }
    }
}
