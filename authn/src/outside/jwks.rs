//! A JWK set at an address: fetched at the start, from time to time, and when a token names a key
//! that is not in it.

use std::{path::Path, sync::Arc, time::Duration};

use access::token::TrustedKeys;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

use super::fetch::Address;

/// How long a set is used before it is fetched again.
const LIFETIME: Duration = Duration::from_mins(15);

/// The time between two requests because of unknown keys: made-up tokens must not cause a request
/// each.
const REST: Duration = Duration::from_secs(30);

/// The attempts of the start, by the pause before each.
const TRIES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// A JWK set at an address.
pub(super) struct RemoteKeys {
    address: Address,
    current: ArcSwap<TrustedKeys>,
    /// Held during a request, so that concurrent callers share one.
    last: Mutex<LastRequest>,
}

/// The last request.
struct LastRequest {
    at: Instant,
    /// The answer's body; the same set again is no change.
    body: Bytes,
}

impl RemoteKeys {
    pub(super) async fn load(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let address = Address::new(url, ca)?;
        Self::of(address, &TRIES).await
    }

    async fn of(address: Address, pauses: &[Duration]) -> anyhow::Result<Self> {
        let (body, keys) = first(&address, pauses).await?;
        Ok(Self {
            address,
            current: ArcSwap::from_pointee(keys),
            last: Mutex::new(LastRequest {
                at: Instant::now(),
                body,
            }),
        })
    }

    /// The last set that could be parsed.
    pub(super) fn current(&self) -> Arc<TrustedKeys> {
        self.current.load_full()
    }

    /// Waits until the set is old, and fetches it again; returns whether it changed.
    pub(super) async fn wait_and_refresh(&self) -> bool {
        let at = self.last.lock().await.at;
        sleep_until(at + LIFETIME).await;
        self.refresh_if_older_than(LIFETIME, Instant::now()).await
    }

    /// Fetches the set again unless that was done just before `now`; returns whether it changed.
    pub(super) async fn refresh_if_due(&self, now: Instant) -> bool {
        let before = self.current();
        // A caller who waited for another's request has its answer.
        self.refresh_if_older_than(REST, now).await || !Arc::ptr_eq(&before, &self.current())
    }

    async fn refresh_if_older_than(&self, age: Duration, now: Instant) -> bool {
        let mut last = self.last.lock().await;
        if now.saturating_duration_since(last.at) < age {
            return false;
        }
        // Before the answer: a silent address is not asked more often.
        last.at = now;
        match ask(&self.address).await {
            Ok((body, _)) if body == last.body => false,
            Ok((body, keys)) => {
                last.body = body;
                self.current.store(Arc::new(keys));
                tracing::info!(url = %self.address, "loaded new keys");
                true
            }
            Err(error) => {
                tracing::error!(
                    url = %self.address,
                    "cannot fetch new keys; keeping the current ones: {error:#}"
                );
                false
            }
        }
    }
}

/// Fetches the set for the start, in several attempts, since the provider may be starting as well.
async fn first(address: &Address, pauses: &[Duration]) -> anyhow::Result<(Bytes, TrustedKeys)> {
    let mut outcome = None;
    for pause in pauses {
        sleep(*pause).await;
        match ask(address).await {
            Ok(found) => return Ok(found),
            Err(error) => outcome = Some(error),
        }
    }
    Err(outcome.expect("there is at least one try"))
}

async fn ask(address: &Address) -> anyhow::Result<(Bytes, TrustedKeys)> {
    let body = address.fetch().await?;
    let keys = TrustedKeys::from_jwks(&body).context("the answer is not a usable JWK set")?;
    Ok((body, keys))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::Mutex as StdMutex,
        thread,
    };

    use access::token::jwks_document;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A provider of keys that counts the requests.
    #[derive(Clone, Default)]
    struct Provider(Arc<StdMutex<(String, usize)>>);

    impl Provider {
        fn start() -> (Self, Address) {
            let provider = Self::default();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/keys?v=1", listener.local_addr().unwrap());
            let answering = provider.clone();
            thread::spawn(move || {
                for stream in listener.incoming() {
                    answering.answer(stream.unwrap());
                }
            });
            (provider, Address::new(&url, None).unwrap())
        }

        fn answer(&self, mut stream: std::net::TcpStream) {
            let mut request = [0; 2048];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /keys?v=1 HTTP/1.1\r\n"));
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            // The asker may have hung up on an answer that is too long.
            let _ = stream.write_all(state.0.as_bytes());
        }

        fn says(&self, status: &str, body: &str) {
            self.0.lock().unwrap().0 = format!(
                "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncache-control: max-age=86400\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }

        fn requests(&self) -> usize {
            self.0.lock().unwrap().1
        }
    }

    fn set() -> String {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        jwks_document(&[vec![certificate.der().to_vec()]])
            .unwrap()
            .to_string()
    }

    fn ids(remote: &RemoteKeys) -> Vec<String> {
        let current = remote.current();
        current.ids().into_iter().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_new_key_is_asked_for_though_not_more_often_than_each_half_minute() {
        let (provider, address) = Provider::start();
        provider.says("200 OK", &set());
        let remote = RemoteKeys::of(address, &[Duration::ZERO]).await.unwrap();
        let start = Instant::now();
        let before = ids(&remote);

        provider.says("200 OK", &set());
        assert!(!remote.refresh_if_due(start).await);
        assert_eq!(provider.requests(), 1);

        assert!(remote.refresh_if_due(start + REST).await);
        assert_ne!(ids(&remote), before);
        assert!(!remote.refresh_if_due(start + REST).await);
        assert_eq!(provider.requests(), 2);

        assert!(!remote.refresh_if_due(start + 2 * REST).await, "no news");
    }

    #[tokio::test]
    async fn keys_stay_in_force_while_the_provider_talks_nonsense_or_is_away() {
        let (provider, address) = Provider::start();
        provider.says("200 OK", &set());
        let remote = RemoteKeys::of(address, &[Duration::ZERO]).await.unwrap();
        let before = ids(&remote);
        let mut now = Instant::now();
        let too_long = format!("{{\"keys\":[]}}{}", " ".repeat(2 << 20));
        for (status, body) in [
            ("500 Internal Server Error", ""),
            ("200 OK", "{}"),
            ("200 OK", "nonsense"),
            ("200 OK", &too_long),
            ("302 Found", &set()),
            ("204 No Content", ""),
        ] {
            provider.says(status, body);
            now += REST;
            assert!(!remote.refresh_if_due(now).await, "{status}");
            assert_eq!(ids(&remote), before, "{status}");
        }
        let whole = set();
        provider.0.lock().unwrap().0 = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{{",
            whole.len()
        );
        assert!(!remote.refresh_if_due(now + REST).await, "cut off");
        provider.says("200 OK", &whole);
        assert!(
            remote.refresh_if_due(now + 2 * REST).await,
            "and it recovers"
        );
    }

    #[tokio::test]
    async fn a_start_tries_again_and_then_says_why_it_fails() {
        let (provider, address) = Provider::start();
        provider.says("503 Service Unavailable", "");
        let error = RemoteKeys::of(address, &[Duration::ZERO; 3])
            .await
            .err()
            .unwrap();
        assert_eq!(provider.requests(), 3);
        assert!(error.to_string().contains("503"), "{error:#}");
        let nobody = Address::new("http://127.0.0.1:1/keys", None).unwrap();
        let error = RemoteKeys::of(nobody, &[Duration::ZERO])
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("connecting failed"), "{error:#}");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_have_the_answer_of_one_request() {
        let (provider, address) = Provider::start();
        provider.says("200 OK", &set());
        let remote = RemoteKeys::of(address, &[Duration::ZERO]).await.unwrap();
        provider.says("200 OK", &set());
        let later = Instant::now() + REST;
        let outcomes =
            futures_util::future::join_all((0..50).map(|_| remote.refresh_if_due(later)));
        assert!(outcomes.await.into_iter().all(|is_changed| is_changed));
        assert_eq!(provider.requests(), 2);
    }
}
