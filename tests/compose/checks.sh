# shellcheck shell=bash disable=SC2154
# What is checked of containers. Sourced by `run`.

container() { docker-compose ps --all --quiet "$1"; }
inspected() { docker inspect --format "$2" "$(container "$1")"; }
is_healthy() { [ "$(inspected "$1" '{{.State.Health.Status}}')" = healthy ]; }
ended_well() { says 'exited 0' inspected "$1" '{{.State.Status}} {{.State.ExitCode}}'; }

# all_healthy SERVICE…
all_healthy() {
    local service
    for service; do
        within 60 is_healthy "$service" || { echo "$service"; docker logs "$(container "$service")" 2>&1 | tail -n 8; return 1; }
    done
}

# volume NAME: where the engine keeps it.
volume() { docker volume inspect --format '{{.Mountpoint}}' "${COMPOSE_PROJECT_NAME}_$1"; }

# Each process of each container, as the kernel sees it; root-ca has ended.
nobody_is_root_or_may_do_anything() {
    local service pid
    for service; do
        for pid in $(docker top "$(container "$service")" -eo pid | tail -n +2); do
            is_harmless "$pid" || { echo "of $service"; return 1; }
        done
        says 'true' inspected "$service" '{{.HostConfig.ReadonlyRootfs}}' || { echo "$service can be written"; return 1; }
        says 'limited' inspected "$service" '{{if .HostConfig.Memory}}limited{{end}}' || { echo "$service"; return 1; }
    done
}

is_harmless() {
    local status line
    # A health check may have ended by now.
    status=$(cat "/proc/$1/status" 2> /dev/null) || return 0
    for line in '^Uid:\t[1-9]' '^CapEff:\t0+$' '^CapBnd:\t0+$' '^NoNewPrivs:\t1$'; do
        grep --quiet -P "$line" <<< "$status" || { echo "$status"; return 1; }
    done
}

# reaches SERVICE ADDRESS PORT: from inside the network of a container.
reaches() {
    nsenter --target "$(inspected "$1" '{{.State.Pid}}')" --net \
        timeout 2 bash -c "< /dev/tcp/$2/$3" 2> /dev/null
}

# address_of SERVICE NETWORK
address_of() {
    inspected "$1" "{{(index .NetworkSettings.Networks \"${COMPOSE_PROJECT_NAME}_$2\").IPAddress}}"
}

only_the_server_reaches_the_signer() {
    local service signing database
    signing=$(address_of signer signing) database=$(address_of signer signer-database)
    reaches server "$signing" 7899 || { echo 'the server does not'; return 1; }
    for service; do
        not reaches "$service" "$signing" 7899 || { echo "$service does"; return 1; }
        not reaches "$service" "$database" 7899 || { echo "$service does by the database's network"; return 1; }
    done
}

# Everything that was drawn at random, and what people would rather not see in a log.
secrets() {
    local folder
    for folder in database-secrets signer-secrets; do
        cat "$(volume $folder)"/*-password "$(volume $folder)"/passphrase 2> /dev/null | grep --only-matching -E '[0-9a-f]{64}'
    done
    cat "$(volume authority)/ca.key" "$(volume server-secrets)"/*.key "$(volume signer-secrets)"/*.key \
        "$(volume gateway-secrets)"/*.key | grep -v -- -----
}

# Of containers, images and logs; $@: services.
no_secret_can_be_seen() {
    local seen=$work/seen id
    for id in $(docker ps --all --quiet); do
        docker inspect "$id"
        docker logs "$id" 2>&1
    done > "$seen"
    docker images --quiet | sort --unique | while read -r id; do
        docker history --no-trunc "$id"
        docker image inspect "$id"
    done >> "$seen"
    secrets > "$work/secrets"
    [ "$(wc --lines < "$work/secrets")" -gt 10 ] || { echo 'there are no secrets to look for'; return 1; }
    not grep --fixed-strings --file="$work/secrets" --max-count=3 "$seen"
}

# The programs are built quickly, and run slowly: that they are built as for a release is for tests/images/run.
build_images() { (cd "$work/clone" && docker-compose build --build-arg PROFILE=dev); }
