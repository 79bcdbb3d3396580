//! `signing-in-ci.md`: a job signs what it built, on a verified base image, and leaves no secret
//! behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Cli, Engine, Pair, Said, Sandbox, Trust, process::client};

use super::{Guide, Names, PASSPHRASES, Reader};

/// What must not be found anywhere but in the job's folder of secrets.
const PLANTED: &str = "planted-password-of-the-mirror";

/// The image that the job builds on, which stands in for one with a compiler: its `git` and `make`
/// look at what the build gives them, and do the rest as if.
const BASE: &str = r#"mkdir -p base/bin base/root base/etc/ssh
cp /bin/busybox base/bin
for program in sh cat mkdir test grep; do ln -s busybox "base/bin/$program"; done
cat >base/bin/git <<'GIT'
#!/bin/sh -eu
test -S "$SSH_AUTH_SOCK"
grep -q git.example.com /etc/ssh/ssh_known_hosts
for last; do :; done
mkdir -p "$last"
GIT
cat >base/bin/make <<'MAKE'
#!/bin/sh -eu
test -d /src/library
grep -q planted-password /root/.netrc
cat /src/app/main.c >/src/app/app
MAKE
chmod 755 base/bin/*
tar --create --directory base . | docker import - registry.example.com/base/debian:12
DOCKER_CONTENT_TRUST=0 docker push registry.example.com/base/debian:12
"#;

/// What lies in the job's checkout.
const CHECKOUT: &str = "echo 'git.example.com ssh-ed25519 AAAA' >known_hosts
echo 'int main(void) { return 0; }' >main.c
echo 'app: main.c' >Makefile";

/// An SSH agent with a key, for as long as the job runs.
const AGENT: &str = "eval \"$(ssh-agent)\" >/dev/null
trap 'ssh-agent -k >/dev/null' EXIT
[ -e id ] || ssh-keygen -q -t ed25519 -N '' -f id
ssh-add -q id
";

#[test]
fn a_job_signs_on_a_verified_base_and_leaves_no_secret_behind() -> Result<()> {
    harness::play(journey)
}

fn journey(sandbox: &Sandbox) -> Result<()> {
    let (trust, engine) = (
        Trust::start(sandbox, Pair::COUNTERSIGN)?,
        Engine::start(sandbox)?,
    );
    // The engine of the tests has no network for containers, and the build needs none.
    let names = Names::of(&trust, &engine).and("docker build ", "docker build --network=none ");
    let person = |name| Reader::new(sandbox, name, Cli::Debian, &names, trust.authority());
    let (owner, job, reader) = (person("owner")?, person("job")?, person("reader")?);
    for somebody in [&owner, &reader] {
        somebody
            .types(
                "export DOCKER_CONTENT_TRUST=1
                export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443",
            )?
            .succeeds()?;
    }
    let guide = Guide::open("signing-in-ci.md")?;

    owner.types(BASE)?.succeeds()?;
    owner.does(&guide, "key")?;
    prepare(&job, &owner, &guide)?;
    run(&job, "1.0")?.fails_saying("base/debian:12 is not signed")?;

    owner
        .types("docker push registry.example.com/base/debian:12")?
        .succeeds()?;
    let said = run(&job, "1.0")?.succeeds()?;
    ensure!(said.contains("Successfully signed"), "{said}");

    let inspected = "docker trust inspect --pretty registry.example.com/team/app";
    let inspected = reader.types(inspected)?.succeeds()?;
    ensure!(
        inspected.contains("1.0") && inspected.contains("ci"),
        "{inspected}"
    );
    let pull = "docker image rm registry.example.com/team/app:1.0
        docker pull registry.example.com/team/app:1.0";
    reader.types(pull)?.succeeds()?;
    nothing_is_left(sandbox, &job, &reader)?;
    a_key_made_elsewhere_signs(&owner, &job, &guide)?;
    guide.is_done()
}

/// The job's checkout, and its secrets as a CI system hands them out: files that everybody may
/// read.
fn prepare(job: &Reader, owner: &Reader, guide: &Guide) -> Result<()> {
    job.types(CHECKOUT)?.succeeds()?;
    fs::write(job.file("Dockerfile"), guide.take("Dockerfile")?)?;
    let script = job.file("sign.sh");
    fs::write(&script, job.names.apply(&guide.take("job")?))?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    let secrets = job.file("secrets");
    fs::create_dir_all(&secrets)?;
    fs::create_dir_all(job.file("scratch"))?;
    let key = signing_key(owner)?;
    fs::copy(&key, secrets.join(key.file_name().context("no name")?))?;
    fs::copy(
        job.file("fixtures/root-ca.crt"),
        secrets.join("root-ca.crt"),
    )?;
    for (name, content) in [
        ("signing-passphrase", PASSPHRASES[1].1),
        ("registry-password", PLANTED),
        (
            "netrc",
            &format!("machine mirror login ci password {PLANTED}"),
        ),
    ] {
        fs::write(secrets.join(name), content)?;
    }
    for entry in fs::read_dir(&secrets)? {
        fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o444))?;
    }
    Ok(())
}

/// The one key among the secrets.
fn signing_key(person: &Reader) -> Result<PathBuf> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(person.file("secrets"))? {
        keys.push(entry?.path());
    }
    keys.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    ensure!(keys.len() == 1, "{keys:?}");
    keys.pop().context("there is one")
}

/// Runs the job, with nothing in its environment that the guide does not put there.
fn run(job: &Reader, version: &str) -> Result<Said> {
    let forget: String = PASSPHRASES
        .iter()
        .flat_map(|(name, _)| ["unset ", name, "\n"])
        .collect();
    let script = format!("TMPDIR=~/scratch SECRETS=~/secrets ./sign.sh {version}");
    job.types(&[AGENT, &forget, &script].concat())
}

fn nothing_is_left(sandbox: &Sandbox, job: &Reader, reader: &Reader) -> Result<()> {
    let scratch = fs::read_dir(job.file("scratch"))?.count();
    ensure!(scratch == 0, "the job left {scratch} files");
    let image = "docker history --no-trunc registry.example.com/team/app:1.0
        docker image inspect registry.example.com/team/app:1.0
        docker save registry.example.com/team/app:1.0 | tar --extract --to-stdout";
    let image = reader.types(image)?.succeeds()?;
    ensure!(image.contains("int main"), "that is not the image");
    let key = fs::read_to_string(signing_key(job)?)?;
    let key = key.lines().rfind(|line| line.len() > 40).unwrap_or(PLANTED);
    let engine = sandbox.path().join("dockerd");
    ensure!(
        is_not_below(&engine, "int main").is_err(),
        "what is in the image is not found in the engine"
    );
    for secret in [PLANTED, PASSPHRASES[1].1, key] {
        ensure!(!image.contains(secret), "the image holds {secret}");
        is_not_below(&engine, secret)?;
    }
    Ok(())
}

fn a_key_made_elsewhere_signs(owner: &Reader, job: &Reader, guide: &Guide) -> Result<()> {
    owner.does(guide, "elsewhere")?;
    fs::copy(owner.file("ci-2.pem"), job.file("secrets/ci-2.pem"))?;
    fs::set_permissions(
        job.file("secrets/ci-2.pem"),
        fs::Permissions::from_mode(0o444),
    )?;
    let load = guide.take("load")?;
    let said = job
        .types(&format!(
            "export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443
            export DOCKER_CONFIG=~/.docker
            mkdir -p \"$DOCKER_CONFIG\"
            secrets=~/secrets
            {load}
            docker trust sign registry.example.com/team/app:1.0"
        ))?
        .succeeds()?;
    ensure!(said.contains("Successfully signed"), "{said}");
    Ok(())
}

/// Checks that no file of the engine, its build cache among them, holds `secret`.
fn is_not_below(folder: &Path, secret: &str) -> Result<()> {
    let mut search = client("grep");
    search
        .args([
            "--recursive",
            "--files-with-matches",
            "--fixed-strings",
            "--devices=skip",
        ])
        .args(["--", secret])
        .arg(folder);
    let said = Said::by(search, "")?;
    ensure!(said.output.is_empty(), "{secret} is in {}", said.output);
    Ok(())
}
