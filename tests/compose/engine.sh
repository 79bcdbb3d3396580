# A docker engine, and what surrounds it. Sourced by `run`, inside its own network, processes and mounts.

start_engine() {
    export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 DOCKER_CONFIG=$work/client
    # The names of the guides lead to this machine, and the engine's files are not those of the machine.
    # docker verifies no certificate on 127.0.0.1, so trust.example.com is elsewhere.
    printf '127.0.0.1 localhost registry.example.com\n::1 localhost\n192.0.2.10 trust.example.com\n' > "$work/hosts"
    mount --bind "$work/hosts" /etc/hosts
    mkdir --parents /etc/docker "$DOCKER_CONFIG"
    mount -t tmpfs none /etc/docker
    mount -t tmpfs none /run
    ip link set lo up
    ip address add 192.0.2.10/32 dev lo
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/docker.pid" > "$work/dockerd.log" 2>&1 &
    engine=$!
    until docker version > /dev/null 2>&1; do
        kill -0 $engine 2> /dev/null || { tail "$work/dockerd.log"; fail 'dockerd does not start'; }
        sleep 0.2
    done
}

stop_engine() {
    [ -n "${engine:-}" ] || return 0
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force > /dev/null || true
    kill "$engine" 2> /dev/null || true
    wait "$engine" || true
}

# copy_sources FOLDER: what is, or might be, in a commit.
copy_sources() {
    mkdir "$1"
    git ls-files --cached --others --exclude-standard -z \
        | xargs --null cp --parents --target-directory "$1" 2> /dev/null || true
}

# volume NAME: where the engine keeps it.
volume() { docker volume inspect --format '{{.Mountpoint}}' "${COMPOSE_PROJECT_NAME}_$1"; }
