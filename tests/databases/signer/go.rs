//! One database under Notary's signer and ours: what either wrote, the other works with.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use daemon::{
    ServerTls, listener,
    tls::{ClientTls, connector},
};
use fixtures::{Publisher, clock};
use harness::{
    Daemon, Fresh,
    certificates::{Files, Setup},
    process::program,
};
use proto::{
    CreateKeyRequest, SignatureRequest, key_management_client::KeyManagementClient,
    signer_client::SignerClient,
};
use serde_json::json;
use signer::{
    grpc::clients::Clients,
    health::Health,
    keys::Keys,
    keystore::{KeyId, Purpose, algorithm_name},
    open,
    rotation::rotate_all,
    serve,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use trust::signer::{
    DEADLINE, Origin, RemoteSigner, RemoteSignerConfig, Signer, SignerError, seal_both,
};
use tuf::{
    File, Gun, KeyAlgorithm, KeyType, Limits, Pair, PublicKey, Role, Stored, Update, Uploaded,
};

use crate::support::{ALIAS, PASSPHRASE, Server, keys, on_both, storage};

on_both![
    keys_of_either_signer_are_used_by_the_other,
    rows_that_share_a_salt_are_opened_by_notarys_signer,
    an_update_is_one_call_of_our_signer_and_two_of_notarys,
    keys_moved_to_another_passphrase_are_used_by_notarys_signer,
];

/// Notary's signer on a database, and how to reach it.
struct Notary {
    _daemon: Daemon,
    files: Files,
    address: SocketAddr,
}

impl Notary {
    fn start(sandbox: &Path, fresh: &Fresh, passphrases: &[(&str, &str)]) -> Result<Self> {
        let files = Files::make(sandbox, Setup::Issued)?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = sandbox.join("signer.json");
        let settings = json!({
            "server": {
                "grpc_addr": address.to_string(),
                "tls_cert_file": files.signer.certificate,
                "tls_key_file": files.signer.key,
                "client_ca_file": files.client_ca,
            },
            "storage": {"backend": fresh.backend, "db_url": fresh.url, "default_alias": ALIAS},
            "logging": {"level": "info"},
        });
        std::fs::write(&config, settings.to_string())?;
        let mut command = program("/usr/bin/notary-signer");
        command.arg("-config").arg(&config);
        command.envs(passphrases.iter().copied());
        let daemon = Daemon::start("notary-signer", &command, &sandbox.join("signer.log"))?;
        Ok(Self {
            _daemon: daemon.until_listening(address)?,
            files,
            address,
        })
    }

    /// A connection with the certificate that the signer expects.
    fn channel(&self) -> Result<Channel> {
        let tls = client_tls(&self.files)?;
        let port = self.address.port();
        let endpoint = Endpoint::from_shared(format!("http://localhost:{port}"))?;
        Ok(endpoint.connect_with_connector_lazy(connector(tls, "localhost".to_owned(), port)))
    }

    async fn create_key(&self, purpose: &Purpose) -> Result<PublicKey> {
        let algorithm = algorithm_name(purpose.algorithm);
        let request = CreateKeyRequest {
            algorithm: algorithm.to_owned(),
            gun: purpose.gun.clone(),
            role: purpose.role.clone(),
        };
        let mut client = KeyManagementClient::new(self.channel()?);
        let made = client.create_key(request).await?.into_inner();
        let key = PublicKey::new(KeyType::from(algorithm), made.public_key.to_vec());
        let id = made
            .key_info
            .and_then(|info| info.key_id)
            .context("an id")?
            .id;
        ensure!(key.id().as_str() == id);
        Ok(key)
    }

    async fn sign(&self, key: &PublicKey, content: &'static [u8]) -> Result<Vec<u8>> {
        let request = SignatureRequest {
            key_id: Some(proto::KeyId {
                id: key.id().to_string(),
            }),
            content: content.into(),
        };
        let mut client = SignerClient::new(self.channel()?);
        Ok(client.sign(request).await?.into_inner().content.into())
    }
}

/// The certificate that a signer with `files` expects.
fn client_tls(files: &Files) -> Result<ClientTls> {
    let client = &files.client;
    let pair = Some((client.certificate.as_path(), client.key.as_path()));
    Ok(ClientTls::load(Some(&files.signer_ca), pair)?)
}

fn purpose(algorithm: KeyAlgorithm, gun: &str) -> Purpose {
    Purpose {
        algorithm,
        gun: gun.to_owned(),
        role: "timestamp".to_owned(),
    }
}

async fn keys_of_either_signer_are_used_by_the_other(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let folder = tempfile::tempdir()?;
    let notary = Notary::start(folder.path(), &fresh, &[PASSPHRASE])?;
    let ours = keys(&fresh, &[PASSPHRASE]).await?;
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        // Made by Notary: pending for us, signed with by us, pending for neither afterwards.
        let go = purpose(algorithm, "example.com/go");
        let made = notary.create_key(&go).await?;
        ensure!(ours.create(go.clone()).await? == made);
        let signed = ours.sign(&KeyId::from(made.id()), "x".into()).await?;
        ensure!(made.verifies(&made.signature_method(), b"x", &signed.signature));
        ensure!(notary.create_key(&go).await? != made);
        // Made by us: the same the other way round.
        let rust = purpose(algorithm, "example.com/rust");
        let made = ours.create(rust.clone()).await?;
        ensure!(notary.create_key(&rust).await? == made);
        let signature = notary.sign(&made, b"x").await?;
        ensure!(made.verifies(&made.signature_method(), b"x", &signature));
        ensure!(ours.create(rust).await? != made);
    }
    Ok(())
}

/// What a row says of how its key was derived: algorithm, rounds and salt.
async fn header(keys: &Keys, key: &PublicKey) -> Result<String> {
    let found = keys.store().find(&KeyId::from(key.id())).await?;
    let private = String::from_utf8(found.context("the key is stored")?.private)?;
    let (header, _) = private.split_once('.').context("an envelope")?;
    Ok(header.to_owned())
}

async fn rows_that_share_a_salt_are_opened_by_notarys_signer(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let ours = keys(&fresh, &[PASSPHRASE]).await?;
    let mut made = Vec::new();
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        for gun in ["example.com/one", "example.com/two"] {
            made.push(ours.create(purpose(algorithm, gun)).await?);
        }
    }
    let shared = header(&ours, &made[0]).await?;
    for key in &made {
        ensure!(header(&ours, key).await? == shared);
    }
    let derivations = ours.custodies().encrypted().derivations();
    ensure!(derivations == 1, "{derivations} derivations");
    let folder = tempfile::tempdir()?;
    let notary = Notary::start(folder.path(), &fresh, &[PASSPHRASE])?;
    for key in &made {
        let signature = notary.sign(key, b"x").await?;
        ensure!(key.verifies(&key.signature_method(), b"x", &signature));
    }
    Ok(())
}

async fn keys_moved_to_another_passphrase_are_used_by_notarys_signer(server: Server) -> Result<()> {
    const NEXT: (&str, &str) = ("NOTARY_SIGNER_NEXT_ONE", "pässwörd ☃ with spaces");
    // In a database of our own making.
    let fresh = server.empty()?;
    open::migrate_store(&storage(&fresh), false).await?;
    let ours = keys(&fresh, &[PASSPHRASE, NEXT]).await?;
    let moved = purpose(KeyAlgorithm::Ecdsa, "example.com/moved");
    let made = ours.create(moved.clone()).await?;
    rotate_all(&ours, "Next.One", |_, _| ()).await?;
    let folder = tempfile::tempdir()?;
    let notary = Notary::start(folder.path(), &fresh, &[PASSPHRASE, NEXT])?;
    let signature = notary.sign(&made, b"x").await?;
    ensure!(made.verifies(&made.signature_method(), b"x", &signature));
    let described = ours.describe(&KeyId::from(made.id())).await?;
    ensure!(described.key == made && described.role == "timestamp");
    let next = notary.create_key(&moved).await?;
    ours.sign(&KeyId::from(next.id()), "x".into()).await?;
    Ok(())
}

/// A signer across the network that counts what it is asked for.
struct Counted {
    signer: RemoteSigner,
    one: AtomicUsize,
    both: AtomicUsize,
}

impl Counted {
    fn at(port: u16, files: &Files) -> Result<Arc<Self>> {
        let config = RemoteSignerConfig {
            hostname: "localhost".to_owned(),
            port,
            key_algorithm: "ecdsa".to_owned(),
            tls: client_tls(files)?,
            deadline: DEADLINE,
        };
        Ok(Arc::new(Self {
            signer: RemoteSigner::new(config)?,
            one: AtomicUsize::new(0),
            both: AtomicUsize::new(0),
        }))
    }

    /// Publishes a repository whose keys this signer makes, and says how many calls made one
    /// signature, and how many both.
    async fn publish(self: &Arc<Self>, name: &str) -> Result<(usize, usize)> {
        let gun = Gun::parse(name)?;
        let signer = Arc::clone(self) as Arc<dyn Signer>;
        let mut owner = Publisher::new(name);
        for role in [Role::Snapshot, Role::Timestamp] {
            let key = signer.create_key(&gun, &role).await?;
            owner = owner.with_server_key(role.as_str(), key.public_bytes(), "ecdsa");
        }
        let mut update = Update::default();
        for (role, bytes) in owner.first_publish() {
            let role = Role::parse(&role)?;
            let uploaded = Uploaded::read(role, bytes.into(), &Limits::default());
            update.insert(uploaded.expect("the publisher makes good files"));
        }
        let accepted = tuf::check(&gun, &Stored::default(), update, clock())?;
        let draft = accepted.snapshot_to_make(clock()).context("a snapshot")?;
        let timestamp = |snapshot: &File| accepted.timestamp_to_make(snapshot, clock());
        let [snapshot, timestamp] = seal_both(&signer, draft, timestamp).await?;
        ensure!(owner.trusts("snapshot", snapshot.bytes()));
        ensure!(owner.trusts("timestamp", timestamp.bytes()));
        let count = |calls: &AtomicUsize| calls.swap(0, Ordering::Relaxed);
        Ok((count(&self.one), count(&self.both)))
    }
}

#[async_trait::async_trait]
impl Signer for Counted {
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError> {
        self.signer.create_key(gun, role).await
    }

    async fn public_key(&self, id: &tuf::KeyId) -> Result<PublicKey, SignerError> {
        self.signer.public_key(id).await
    }

    async fn origins(&self, ids: &[tuf::KeyId]) -> Result<Vec<Origin>, SignerError> {
        self.signer.origins(ids).await
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.one.fetch_add(1, Ordering::Relaxed);
        self.signer.sign(key, message).await
    }

    async fn sign_both(&self, pair: &Pair) -> Result<Option<[Vec<u8>; 2]>, SignerError> {
        let signed = self.signer.sign_both(pair).await?;
        self.both
            .fetch_add(usize::from(signed.is_some()), Ordering::Relaxed);
        Ok(signed)
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.signer.check().await
    }
}

async fn an_update_is_one_call_of_our_signer_and_two_of_notarys(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let folder = tempfile::tempdir()?;
    let notary = Notary::start(folder.path(), &fresh, &[PASSPHRASE])?;
    let gos = Counted::at(notary.address.port(), &notary.files)?;
    ensure!(gos.publish("example.com/go").await? == (2, 0));
    ensure!(gos.publish("example.com/go-again").await? == (2, 0));

    let (files, shutdown) = (&notary.files, CancellationToken::new());
    let (certificate, key) = (&files.signer.certificate, &files.signer.key);
    let tls = ServerTls::load(certificate, key, Some(&files.client_ca))?;
    let socket = listener::bind("localhost:0").await?;
    let port = socket.local_addr()?.port();
    let keys = Arc::new(keys(&fresh, &[PASSPHRASE]).await?);
    let clients = Clients::default();
    let serving = serve::run(
        socket,
        tls,
        clients,
        keys,
        Health::default(),
        shutdown.clone(),
    );
    let serving = tokio::spawn(serving);
    let ours = Counted::at(port, files)?;
    ensure!(ours.publish("example.com/ours").await? == (0, 1));
    ensure!(ours.publish("example.com/ours-again").await? == (0, 1));
    shutdown.cancel();
    serving.await?;
    Ok(())
}
