//! A token server that is not ours: it makes tokens in the form of the registry's token protocol,
//! with a key of its own.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::SystemTime,
};

use anyhow::{Context as _, Result, anyhow};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{KeyPair, PublicKeyData as _};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

use crate::{
    accounts::Account,
    certificates::{Chain, chain},
    sandbox::Sandbox,
};

/// What tokens are made out for.
pub const SERVICE: &str = "trust.example.com";
/// Who says to have made them.
pub const ISSUER: &str = "tokens.example.com";

/// A key that signs tokens, with its certificate.
pub struct SigningKey {
    key: EcdsaKeyPair,
    public: Vec<u8>,
    spki: Vec<u8>,
    chain: Chain,
}

/// How a token says which key signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By the certificate of the key.
    X5c,
    /// By the key's id, as libtrust makes it.
    Kid,
}

/// When a token is valid, in seconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From when on.
    pub from: i64,
    /// Until when.
    pub until: i64,
}

impl Span {
    /// From now on for five minutes.
    pub const USUAL: Self = Self {
        from: 0,
        until: 300,
    };
    /// It ended so long ago that, with a minute for clocks that differ, three seconds are left.
    pub const NEARLY_OVER: Self = Self {
        from: -300,
        until: -57,
    };
    /// It ended so long ago that no clock can be to blame.
    pub const OVER: Self = Self {
        from: -400,
        until: -100,
    };
}

impl SigningKey {
    /// A new key, its certificate, and the authority that issued that.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub fn new() -> Result<Self> {
        let pair = KeyPair::generate()?;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &pair.serialize_der(),
            &SystemRandom::new(),
        )
        .map_err(|error| anyhow!("ring refused a key of rcgen: {error}"))?;
        Ok(Self {
            key,
            public: pair.public_key_raw().to_vec(),
            spki: pair.subject_public_key_info(),
            chain: chain(&pair)?,
        })
    }

    /// The `rootcertbundle` with which tokens of this key are believed, however they name it.
    #[must_use]
    pub fn bundle(&self) -> String {
        format!("{}{}", self.chain.leaf_pem, self.chain.root_pem)
    }

    /// The key as an entry of a JWK set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (x, y) = self.public[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid(), "x": x, "y": y})
    }

    /// libtrust's id of the key: 240 bits of a digest, in base32, in groups of four.
    #[must_use]
    pub fn kid(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.spki);
        let letters = base32(&digest.as_ref()[..30]);
        let groups: Vec<&str> = letters
            .as_bytes()
            .chunks(4)
            .map(|group| std::str::from_utf8(group).unwrap_or_default())
            .collect();
        groups.join(":")
    }

    /// A token for `subject` that grants `access` while `span` lasts.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    pub fn token(&self, named: Named, subject: &str, access: &Value, span: Span) -> Result<String> {
        let mut header = json!({"typ": "JWT", "alg": "ES256"});
        match named {
            Named::X5c => header["x5c"] = json!([STANDARD.encode(&self.chain.leaf_der)]),
            Named::Kid => header["kid"] = json!(self.kid()),
        }
        let now = now();
        let claims = json!({
            "iss": ISSUER, "aud": SERVICE, "sub": subject, "access": access,
            "iat": now, "nbf": now + span.from, "exp": now + span.until,
        });
        let signed = [header, claims]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".");
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| anyhow!("ring did not sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// What entries of a token's `access` look like.
#[must_use]
pub fn access(gun: &str, actions: &[&str]) -> Value {
    json!([{"type": "repository", "name": gun, "actions": actions}])
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token server reads the clock; programs under test read theirs"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    (0..bytes.len() * 8 / 5)
        .map(|letter| {
            let index = (letter * 5..letter * 5 + 5).fold(0, |index, at| index << 1 | bit(at));
            char::from(LETTERS[index])
        })
        .collect()
}

/// A running token server: `/token` for clients, `/jwks` for who wants to check tokens.
///
/// A caller with a password that it knows is granted what they ask for, any other `pull`.
pub struct TokenServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    accounts: Vec<Account>,
    key: SigningKey,
    named: Named,
    span: Span,
}

impl TokenServer {
    /// Starts it with a new key.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn start(sandbox: &Sandbox, accounts: &[Account], named: Named) -> Result<Self> {
        let listener = TcpListener::bind(sandbox.address()?)?;
        let server = Self {
            address: listener.local_addr()?,
            state: Arc::new(Mutex::new(State {
                accounts: accounts.to_vec(),
                key: SigningKey::new()?,
                named,
                span: Span::USUAL,
            })),
        };
        let shared = Arc::clone(&server.state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client whose connection breaks says so itself.
                drop(answer(&client, &lock(&shared)));
            }
        });
        Ok(server)
    }

    /// Where clients get tokens.
    #[must_use]
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Where its keys are published.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// Its keys, as it publishes them.
    #[must_use]
    pub fn jwks(&self) -> String {
        jwks(&self.state())
    }

    /// Certificates of its keys.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.state().key.bundle()
    }

    /// Makes tokens valid for `span` from now on.
    pub fn give_tokens_for(&self, span: Span) {
        self.state().span = span;
    }

    /// Signs with a new key from now on.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub fn rotate(&self) -> Result<()> {
        self.state().key = SigningKey::new()?;
        Ok(())
    }

    /// A token made by hand.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    pub fn token(&self, subject: &str, access: &Value, span: Span) -> Result<String> {
        let state = self.state();
        state.key.token(state.named, subject, access, span)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn jwks(state: &State) -> String {
    json!({"keys": [state.key.jwk()]}).to_string()
}

/// Reads one request, answers it, and hangs up.
fn answer(mut client: &TcpStream, state: &State) -> Result<()> {
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().context("nothing was asked")??;
    let mut credentials = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        credentials = credentials.or(basic(&line));
    }
    let target = request.split(' ').nth(1).context("no target")?;
    let (status, body) = match target.split_once('?') {
        None if target == "/jwks" => ("200 OK", jwks(state)),
        Some(("/token", query)) => match grant(state, query, credentials.as_deref())? {
            Some(token) => ("200 OK", json!({"token": token}).to_string()),
            None => ("401 Unauthorized", String::new()),
        },
        _ => ("404 Not Found", String::new()),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// `user:password` out of a header.
fn basic(header: &str) -> Option<String> {
    let (name, value) = header.split_once(": ")?;
    let encoded = value.strip_prefix("Basic ")?;
    if !name.eq_ignore_ascii_case("authorization") {
        return None;
    }
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// A token for what is asked; nothing for who shows a wrong password.
fn grant(state: &State, query: &str, credentials: Option<&str>) -> Result<Option<String>> {
    let asked: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let known = state
        .accounts
        .iter()
        .find(|account| credentials == Some(&account.plain()));
    if credentials.is_some() && known.is_none() {
        return Ok(None);
    }
    let scope = asked.get("scope").map_or("", |scope| scope);
    let entries = scope
        .strip_prefix("repository:")
        .and_then(|scope| scope.rsplit_once(':'));
    let granted = entries.map_or(json!([]), |(gun, actions)| {
        let actions = actions
            .split(',')
            .filter(|&action| known.is_some() || action == "pull");
        access(gun, &actions.collect::<Vec<_>>())
    });
    let subject = known.map_or("", |account| account.user);
    state
        .key
        .token(state.named, subject, &granted, state.span)
        .map(Some)
}
