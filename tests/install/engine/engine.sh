# shellcheck shell=bash disable=SC2154,SC2034
# A docker engine from Debian with a network, processes and mounts of its own: nothing of the machine's network,
# files under /etc or other engines is touched. Sourced by tests/{images,compose}/run.
#
# Such a program runs twice: outside, where it installs what it needs and calls `apart` with itself and the word
# `inside`, and then inside, where $work is its folder and it calls `start_engine`.

readonly documentation_address=192.0.2.10
readonly mirror_of_debian=http://deb.debian.org/debian

# What `apart` and `start_engine` need, for `install_packages`.
declare -A package=(
    [/usr/bin/docker]=docker.io [/usr/sbin/dockerd]=docker.io [/usr/sbin/iptables]=iptables [/usr/sbin/ip]=iproute2
    [/usr/bin/slirp4netns]=slirp4netns [/usr/bin/git]=git
)

# apart COMMAND…: runs it with a network that leads out through this machine's own, but is not seen by it.
# Ends with its result.
apart() {
    local result=0
    work=$(mktemp --directory "${TMPDIR:-/var/tmp}/engine.XXXXXX")
    export work
    trap leave EXIT
    unshare --net --mount --pid --fork --kill-child --mount-proc "$@" &
    inside=$!
    # Until it has its own, what is configured would be the machine's.
    until [ "$(readlink "/proc/$inside/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
    slirp4netns --configure --mtu=65520 --disable-host-loopback "$inside" tap0 > "$work/slirp4netns.log" 2>&1 &
    way_out=$!
    wait "$inside" || result=$?
    exit "$result"
}

leave() {
    # unshare does not listen to anything less; all that runs inside ends with it.
    kill -KILL "$inside" 2> /dev/null || true
    kill "${way_out:-$inside}" 2> /dev/null || true
    wait || true
    rm --recursive --force "$work"
}

# The names of the guides lead to this machine, and the engine's files are not those of the machine. docker
# verifies no certificate on 127.0.0.1, so trust.example.com is elsewhere.
furnish() {
    printf '127.0.0.1 localhost registry.example.com\n::1 localhost\n%s trust.example.com\n' \
        "$documentation_address" > "$work/hosts"
    mount --bind "$work/hosts" /etc/hosts
    mkdir --parents /etc/docker
    mount -t tmpfs none /etc/docker
    mount -t tmpfs none /run
    # Where slirp4netns answers for whatever the machine asks.
    local resolver
    resolver=$(readlink --canonicalize-missing /etc/resolv.conf)
    [ -e "$resolver" ] || install -D /dev/null "$resolver"
    echo 'nameserver 10.0.2.3' > "$work/resolv.conf"
    mount --bind "$work/resolv.conf" "$resolver"
    ip link set lo up
    ip address add "$documentation_address/32" dev lo
    for _ in {1..100}; do
        ip route | grep --quiet '^default .* tap0' && return
        sleep 0.1
    done
    cat "$work/slirp4netns.log"
    fail 'slirp4netns makes no network'
}

start_engine() {
    furnish
    export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 DOCKER_CONFIG=$work/client
    mkdir --parents "$DOCKER_CONFIG"
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/docker.pid" > "$work/dockerd.log" 2>&1 &
    engine=$!
    trap stop_engine EXIT
    until docker version > /dev/null 2>&1; do
        kill -0 $engine 2> /dev/null || { tail "$work/dockerd.log"; fail 'dockerd does not start'; }
        sleep 0.2
    done
}

stop_engine() {
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force > /dev/null || true
    kill "$engine" 2> /dev/null || true
    wait "$engine" || true
}

# copy_sources FOLDER: what is, or might be, in a commit; all but what was built where this is no checkout.
copy_sources() {
    mkdir "$1"
    # Any owner.
    local git=(git -c safe.directory=*)
    if "${git[@]}" rev-parse --git-dir > /dev/null 2>&1; then
        "${git[@]}" ls-files --cached --others --exclude-standard -z \
            | xargs --null cp --parents --target-directory "$1"
    else
        tar --exclude=./target --exclude=./fuzz/target --create . | tar --extract --directory "$1"
    fi
}
