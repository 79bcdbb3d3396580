# shellcheck shell=bash disable=SC2154
# The compose plugin, which Debian 12 does not have: that of Debian 13, fetched and verified by apt without a word
# to the machine's own package lists. Sourced by `run`; needs $work and $mirror_of_debian.

# use_the_plugin: from now on, `docker-compose` in this shell is `docker compose`.
use_the_plugin() {
    local apt=$work/apt
    if [ ! -x "$apt/docker-compose" ]; then
        mkdir --parents "$apt/lists/partial" "$apt/archives/partial" "$apt/unpacked"
        fetch_plugin > "$apt/log" 2>&1 || { cat "$apt/log"; fail 'the compose plugin cannot be had'; }
        dpkg-deb --extract "$apt"/docker-compose_*.deb "$apt/unpacked"
        printf '#!/bin/sh\nexec docker compose "$@"\n' > "$apt/docker-compose"
        chmod 0755 "$apt/docker-compose"
    fi
    mkdir --parents ~/.docker/cli-plugins
    cp "$apt/unpacked/usr/libexec/docker/cli-plugins/docker-compose" ~/.docker/cli-plugins
    PATH=$apt:$PATH
    docker-compose version
}

fetch_plugin() {
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror_of_debian trixie main" \
        > "$apt/sources.list"
    local options=(
        -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists"
        -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt" -o APT::Sandbox::User=root -o Acquire::Languages=none
    )
    : > "$apt/status"
    (cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download docker-compose)
}
