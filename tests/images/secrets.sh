# shellcheck shell=bash disable=SC2154
# What must not be found in an image: how it is planted, where it is really needed, and how it is looked
# for. Sourced by `run`; needs `docker`, $work, $here and what engine.sh sets.

# plant_secrets: a token for a mirror of crates.io, a password in a netrc, a key in an SSH agent.
plant_secrets() {
    mkdir --parents "$work/secrets"
    local token password
    token=$(random) password=$(random)
    start_mirror "$token"
    printf '[registries.mirror]\ntoken = "Bearer %s"\n' "$token" > "$work/secrets/credentials.toml"
    printf 'machine git.example.com login ci password %s\n' "$password" > "$work/secrets/netrc"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/secrets/key"
    start_sshd
    eval "$(ssh-agent)" > /dev/null
    ssh-add -q "$work/secrets/key"
    # As they are, in base64, and each line of the key but the first, which all such keys have in common.
    {
        printf '%s\n' "$token" "$password"
        printf '%s' "$token" | base64 --wrap=0 | cut -c1-60; echo
        printf '%s' "$password" | base64 --wrap=0 | cut -c1-60; echo
        grep --invert-match -e '-----' "$work/secrets/key" | sed 1d
    } | sed '/^$/d' > "$work/needles"
}

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# The mirror serves what this machine's cargo has fetched.
start_mirror() {
    mirror_port=8000
    MIRROR_TOKEN="Bearer $1" python3 "$here/mirror.py" "${CARGO_HOME:-$HOME/.cargo}" \
        "$documentation_address" "$mirror_port" 2> "$work/mirror.log" &
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
    ssh_port=2222
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/host_key"
    printf '[%s]:%s %s\n' "$documentation_address" "$ssh_port" "$(cat "$work/host_key.pub")" > "$work/secrets/known_hosts"
    printf 'restrict,command="git-upload-pack %s" %s\n' "$work/hex.git" "$(cat "$work/secrets/key.pub")" \
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

# private_dependency FOLDER: makes the sources there need a crate from the git server.
private_dependency() {
    local source version
    version=$(awk -F'"' '/^name = "hex"/ { getline; print $2 }' "$1/Cargo.lock")
    source=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name "hex-$version" | head -n 1)
    cp --recursive "$source" "$work/hex"
    git -C "$work/hex" init --quiet
    git -C "$work/hex" add --force --all
    git -C "$work/hex" -c user.name=test -c user.email=test@example.com commit --quiet --message hex
    git clone --quiet --bare "$work/hex" "$work/hex.git"
    local url="ssh://root@$documentation_address:$ssh_port/hex.git" commit
    commit=$(git -C "$work/hex" rev-parse HEAD)
    printf '\n[patch.crates-io]\nhex = { git = "%s" }\n' "$url" >> "$1/Cargo.toml"
    awk -v source="git+$url#$commit" '
        /^name = / { ours = /"hex"/ }
        ours && /^source = / { $0 = "source = \"" source "\"" }
        ours && /^checksum = / { next }
        { print }' "$1/Cargo.lock" > "$work/lock" && mv "$work/lock" "$1/Cargo.lock"
}

# finds FOLDER…: whether anything planted is there; names the files.
finds() {
    grep --recursive --text --fixed-strings --files-with-matches --file="$work/needles" -- "$@"
}

# lacks FOLDER…: that nothing planted is there. A search that went wrong is no answer.
lacks() {
    local status=0
    finds "$@" || status=$?
    [ "$status" = 1 ]
}

# unpack_images FOLDER: every layer, configuration and history of every image, tagged or not.
unpack_images() {
    rm --recursive --force "$1"; mkdir --parents "$1"
    local image
    for image in $(docker image ls --all --quiet --no-trunc | sort --unique); do
        docker history --no-trunc "$image" > "$1/${image#*:}.history"
        docker inspect "$image" > "$1/${image#*:}.inspect"
    done
    docker save "${programs[@]}" | tar --extract --directory "$1"
}
