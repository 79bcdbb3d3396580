# shellcheck shell=bash disable=SC2154
# What must not be found in an image: how it is planted, where it is really needed, and how it is looked
# for. Sourced by `run`; needs `docker`, $work, $here and what engine.sh and needles.sh set.

readonly mirror_port=8000 ssh_port=2222

# plant_secrets: a token for a mirror of crates.io, a password in a netrc, a key in an SSH agent.
plant_secrets() {
    mkdir --parents "$work/secrets"
    local token password
    token=$(random) password=$(random)
    make_private_crates
    start_mirror "$token" "$password"
    printf '[registries.mirror]\ntoken = "Bearer %s"\n' "$token" > "$work/secrets/credentials.toml"
    printf 'machine %s login ci password %s\n' "$documentation_address" "$password" > "$work/secrets/netrc"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/secrets/key"
    start_sshd
    eval "$(ssh-agent)" > /dev/null
    ssh-add -q "$work/secrets/key"
    # Of the key each line but the first, which all such keys have in common.
    {
        printf '%s\n' "$token" "$password"
        grep --invert-match -e '-----' "$work/secrets/key" | sed 1d
    } | sed '/^$/d' | needles > "$work/needles"
}

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# start_mirror TOKEN PASSWORD: the mirror serves what this machine's cargo has fetched, and private crates by git.
start_mirror() {
    MIRROR_TOKEN="Bearer $1" GIT_LOGIN="ci:$2" python3 "$here/mirror.py" "${CARGO_HOME:-$HOME/.cargo}" \
        "$work/git" "$documentation_address" "$mirror_port" 2> "$work/mirror.log" &
    cat > "$work/secrets/config.toml" <<END
[source.crates-io]
replace-with = "mirror"
[registries.mirror]
index = "sparse+http://$documentation_address:$mirror_port/index/"
[registry]
global-credential-providers = ["cargo:token"]
END
}

# A git server with one repository, and the one key that may read it.
start_sshd() {
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/host_key"
    printf '[%s]:%s %s\n' "$documentation_address" "$ssh_port" "$(cat "$work/host_key.pub")" \
        > "$work/secrets/known_hosts"
    printf 'restrict,command="git-upload-pack %s" %s\n' "$work/git/by-ssh.git" "$(cat "$work/secrets/key.pub")" \
        > "$work/authorized_keys"
    mkdir --parents /run/sshd
    /usr/sbin/sshd -D -e -f /dev/null -h "$work/host_key" -o ListenAddress="$documentation_address:$ssh_port" \
        -o AuthorizedKeysFile="$work/authorized_keys" -o PermitRootLogin=prohibit-password \
        -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no \
        -o StrictModes=no -o UsePAM=no -o PidFile=none 2> "$work/sshd.log" &
}

# All of them, as the arguments of `docker build` that docs/images.md names.
with_secrets() {
    "$@" --ssh "default=$SSH_AUTH_SOCK" \
        --secret "id=cargo-config,src=$work/secrets/config.toml" \
        --secret "id=cargo-credentials,src=$work/secrets/credentials.toml" \
        --secret "id=netrc,src=$work/secrets/netrc" \
        --secret "id=known-hosts,src=$work/secrets/known_hosts"
}

# Two crates that no registry has, each with a word of its own: one is fetched by SSH, one over HTTP with a password.
make_private_crates() {
    local name folder git=(git -c user.name=test -c user.email=test@example.com -c init.defaultBranch=main)
    mkdir --parents "$work/git"
    for name in by-ssh by-netrc; do
        folder=$work/crates/$name
        make_crate "$folder" "$name" 'pub const WORD: &str = "it came '"$name"'";' lib
        "${git[@]}" -C "$folder" init --quiet
        "${git[@]}" -C "$folder" add --all
        "${git[@]}" -C "$folder" commit --quiet --message "$name"
        git clone --quiet --bare "$folder" "$work/git/$name.git"
        git -C "$work/git/$name.git" update-server-info
    done
}

# make_crate FOLDER NAME SOURCE KIND [LINE…]: KIND is lib or main, and each LINE belongs to Cargo.toml.
make_crate() {
    mkdir --parents "$1/src"
    printf '%s\n' "$3" > "$1/src/$4.rs"
    printf '%s\n' '[package]' "name = \"$2\"" 'version = "0.1.0"' 'edition = "2024"' 'license = "Apache-2.0"' \
        "${@:5}" > "$1/Cargo.toml"
}

# url_of NAME: of a private crate. With $without_ssh, both are fetched over HTTP.
url_of() {
    case $1${without_ssh:+ over HTTP} in
        by-ssh) echo "ssh://root@$documentation_address:$ssh_port/by-ssh.git" ;;
        *) echo "http://$documentation_address:$mirror_port/git/$1.git" ;;
    esac
}

# private_sources FOLDER: small programs in the place of ours, which need both crates and one of crates.io. The
# Dockerfile and the profiles are those of the sources that this is run in.
private_sources() {
    local name commit
    mkdir --parents "$1"/{tests,fixtures,fuzz,packaging/images}
    touch "$1"/{tests,fixtures,fuzz}/empty
    cp Dockerfile .dockerignore "$1"
    cp packaging/images/sbom.awk "$1/packaging/images"
    {
        printf '[workspace]\nresolver = "3"\nmembers = ["server", "signer", "countersign"]\n'
        printf '[workspace.package]\nversion = "0.1.0"\n[workspace.dependencies]\n'
        printf 'cfg-if = "1"\nby-ssh.git = "%s"\nby-netrc.git = "%s"\n' "$(url_of by-ssh)" "$(url_of by-netrc)"
        awk '/^\[/ { copied = /^\[profile/ } copied' Cargo.toml
    } > "$1/Cargo.toml"
    {
        printf '%s\n' '# This file is automatically @generated by Cargo.' \
            '# It is not intended for manual editing.' 'version = 4'
        for name in by-netrc by-ssh; do
            commit=$(git -C "$work/crates/$name" rev-parse HEAD)
            printf '\n[[package]]\nname = "%s"\nversion = "0.1.0"\nsource = "git+%s#%s"\n' \
                "$name" "$(url_of "$name")" "$commit"
        done
        printf '\n'
        awk -v RS= '/^\[\[package\]\]\nname = "cfg-if"/' Cargo.lock
        for name in countersign server signer; do
            printf '\n[[package]]\nname = "%s"\nversion = "0.1.0"\n' "$name"
            printf 'dependencies = [\n "by-netrc",\n "by-ssh",\n "cfg-if",\n]\n'
        done
    } > "$1/Cargo.lock"
    for name in server signer countersign; do
        # shellcheck disable=SC2016
        make_crate "$1/$name" "$name" 'fn main() { println!("{}, {}", by_ssh::WORD, by_netrc::WORD); }' main \
            '[dependencies]' 'cfg-if.workspace = true' 'by-ssh.workspace = true' 'by-netrc.workspace = true' \
            '[[bin]]' "name = \"${name/#s/notary-s}\"" 'path = "src/main.rs"'
        mkdir "$1/$name"/{tests,benches}
        touch "$1/$name"/{tests,benches}/empty
    done
}

# unpack_images FOLDER: every layer, configuration and history of every image, tagged or not.
unpack_images() {
    rm --recursive --force "$1"; mkdir --parents "$1"
    local image
    for image in $(docker image ls --all --quiet --no-trunc | sort --unique); do
        docker history --no-trunc "$image" > "$1/${image#*:}.history"
        docker inspect "$image" > "$1/${image#*:}.inspect"
    done
    docker save "${programs[@]}" private classic | tar --extract --directory "$1"
}
