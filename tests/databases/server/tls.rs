//! TLS to the database: on where the URL asks for it, believed only where it can be checked, and
//! never replaced by plaintext.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use database::{Backend, Connected, PoolLimits};
use harness::{Fresh, MariaDb, Postgres, database::PASSWORD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority, a certificate of its own for one name, and the file of another authority.
struct Certificates {
    ca: String,
    certificate: String,
    key: String,
}

fn certificates(name: &str) -> Result<Certificates> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate()?;
    let ca = params.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &issuer)?;
    Ok(Certificates {
        ca,
        certificate: leaf.pem(),
        key: key.serialize_pem(),
    })
}

fn file(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, content)?;
    Ok(path)
}

/// Whether the connection that `url` leads to is encrypted.
async fn is_encrypted(backend: Backend, url: &str) -> Result<bool> {
    match database::connect(
        backend,
        url,
        PoolLimits::default(),
        database::OpenMode::MayCreate,
    )
    .await?
    {
        Connected::Postgres(pool) => Ok(sqlx::query_scalar(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        )
        .fetch_one(&pool)
        .await?),
        Connected::MySql(pool) => {
            let (_, cipher): (String, String) =
                sqlx::query_as("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
                    .fetch_one(&pool)
                    .await?;
            Ok(!cipher.is_empty())
        }
        Connected::Sqlite(_) => Ok(false),
    }
}

/// What is said of an authority that the URL does not name.
const UNTRUSTED: &str = "has a certificate from an authority that is not trusted";

/// Every URL is refused, without its password being told.
async fn refused(backend: Backend, url: &str, words: &str) -> Result<()> {
    let Err(error) = is_encrypted(backend, url).await else {
        anyhow::bail!("should have been refused: {url}")
    };
    let sentence = error.to_string();
    ensure!(sentence.contains(words), "{url}: {sentence}");
    ensure!(
        !sentence.contains("ss@w") && !sentence.contains("ss%40w"),
        "{sentence}"
    );
    Ok(())
}

#[tokio::test]
async fn postgres_is_spoken_to_as_its_sslmode_says() -> Result<()> {
    let here = tempfile::tempdir()?;
    let mut server = Postgres::start()?;
    let Fresh { url, .. } = server.create()?;
    let (base, _) = url.split_once('?').unwrap_or((&url, ""));
    // Without TLS on the other side, the default refuses rather than going on in plaintext.
    refused(Backend::Postgres, base, "cannot be reached by TLS").await?;
    assert!(!is_encrypted(Backend::Postgres, &url).await?);

    let right = certificates("127.0.0.1")?;
    let certificate = server.secret("server.crt", &right.certificate)?;
    let key = server.secret("server.key", &right.key)?;
    server.restart_with(vec![
        "-c".into(),
        "ssl=on".into(),
        "-c".into(),
        format!("ssl_cert_file={}", certificate.display()),
        "-c".into(),
        format!("ssl_key_file={}", key.display()),
    ])?;
    let ca = file(here.path(), "ca.pem", &right.ca)?
        .display()
        .to_string();
    let other = file(here.path(), "other.pem", &certificates("127.0.0.1")?.ca)?;
    let other = other.display();
    for mode in ["", "?sslmode=require"] {
        assert!(is_encrypted(Backend::Postgres, &format!("{base}{mode}")).await?);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{base}?sslmode={mode}&sslrootcert=");
        assert!(is_encrypted(Backend::Postgres, &format!("{url}{ca}")).await?);
        refused(Backend::Postgres, &format!("{url}{other}"), UNTRUSTED).await?;
        let missing = format!("{url}/nowhere/ca.pem");
        refused(
            Backend::Postgres,
            &missing,
            "/nowhere/ca.pem, which sslrootcert",
        )
        .await?;
    }
    let without = format!("{base}?sslmode=verify-full");
    refused(Backend::Postgres, &without, UNTRUSTED).await?;
    // What the database does not know is told at once, in its words.
    let strange = format!("{base}?sslmode=require&frobnicate=1");
    refused(Backend::Postgres, &strange, "refuses a parameter of").await?;
    // The certificate is for the address, not for this name.
    let named = base.replace("127.0.0.1", "localhost");
    let url = format!("{named}?sslmode=verify-ca&sslrootcert={ca}");
    refused(Backend::Postgres, &url, "cannot be reached by TLS").await?;
    let words = format!(
        "host=127.0.0.1 port={} user=notary password='{PASSWORD}' dbname=notary0 \
         sslmode=verify-full sslrootcert={ca}",
        server.address().port()
    );
    assert!(is_encrypted(Backend::Postgres, &words).await?);
    Ok(())
}

#[tokio::test]
async fn mariadb_is_spoken_to_as_its_tls_parameter_says() -> Result<()> {
    let here = tempfile::tempdir()?;
    let mut server = MariaDb::start()?;
    let Fresh { url, .. } = server.create()?;
    assert!(!is_encrypted(Backend::MySql, &url).await?);
    let encrypted = format!("{url}&tls=skip-verify");
    refused(Backend::MySql, &encrypted, "cannot be reached by TLS").await?;
    let strange = format!("{url}&frobnicate=1");
    refused(Backend::MySql, &strange, "refuses a parameter of").await?;

    let right = certificates("127.0.0.1")?;
    let certificate = server.secret("server.crt", &right.certificate)?;
    let key = server.secret("server.key", &right.key)?;
    server.restart_with(vec![
        format!("--ssl-cert={}", certificate.display()),
        format!("--ssl-key={}", key.display()),
    ])?;
    let ca = file(here.path(), "ca.pem", &right.ca)?;
    let other = file(here.path(), "other.pem", &certificates("127.0.0.1")?.ca)?;
    assert!(!is_encrypted(Backend::MySql, &url).await?);
    assert!(is_encrypted(Backend::MySql, &format!("{url}&tls=skip-verify")).await?);
    refused(Backend::MySql, &format!("{url}&tls=true"), UNTRUSTED).await?;
    let checked = format!("{url}&tls=true&ssl-ca=");
    assert!(is_encrypted(Backend::MySql, &format!("{checked}{}", ca.display())).await?);
    let wrong = format!("{checked}{}", other.display());
    refused(Backend::MySql, &wrong, UNTRUSTED).await?;
    let missing = format!("{checked}/nowhere/ca.pem");
    refused(Backend::MySql, &missing, "/nowhere/ca.pem, which ssl-ca").await?;
    // And through the socket, where no network is in between.
    let socket = server.socket();
    let through = format!("root@unix({})/mysql", socket.display());
    assert!(!is_encrypted(Backend::MySql, &through).await?);
    Ok(())
}
