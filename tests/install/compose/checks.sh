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
        within 60 is_healthy "$service" \
            || { echo "$service"; docker logs "$(container "$service")" 2>&1 | tail -n 8; return 1; }
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
        says 'true' inspected "$service" '{{.HostConfig.ReadonlyRootfs}}' \
            || { echo "$service can be written"; return 1; }
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

# has_no_container SERVICE: of this project, running or not, though others have one.
has_no_container() {
    [ -n "$(containers_of server)" ] || { echo 'not even the server is found'; return 1; }
    prints_nothing containers_of "$1"
}

containers_of() {
    docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$1"
}

# in_network_of SERVICE COMMAND…
in_network_of() {
    local pid
    pid=$(inspected "$1" '{{.State.Pid}}') || return 2
    [ "$pid" -gt 0 ] || { echo "$1 does not run"; return 2; }
    shift
    nsenter --target "$pid" --net "$@"
}

# reaches SERVICE ADDRESS PORT: from inside the network of a container. Ends with 1 if it is refused or not answered,
# and with more if that was not even tried.
reaches() {
    local status=0
    in_network_of "$1" ip address > /dev/null || return 2
    [ -n "$2" ] || { echo "$1 should reach an address, but there is none"; return 2; }
    in_network_of "$1" timeout 2 bash -c "< /dev/tcp/$2/$3" 2> /dev/null || status=1
    return "$status"
}

# cannot_reach SERVICE ADDRESS PORT
cannot_reach() {
    local status=0
    reaches "$@" || status=$?
    [ "$status" = 1 ] || { echo "$1 reaches $2:$3, or could not try ($status)"; return 1; }
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
        cannot_reach "$service" "$signing" 7899 || return 1
        cannot_reach "$service" "$database" 7899 || return 1
    done
}

# Everything that was drawn at random, and what people would rather not see in a log; fails if any file is missing.
secrets() {
    local database signer
    database=$(volume database-secrets) && signer=$(volume signer-secrets) || return 1
    cat "$database"/{root,server,signer}-password "$signer/passphrase" > "$work/random" || return 1
    grep --only-matching -E '[0-9a-f]{64}' "$work/random"
    cat "$(volume authority)/ca.key" "$(volume server-secrets)"/{server,client}.key "$signer/signer.key" \
        "$(volume gateway-secrets)/gateway.key" > "$work/keys" || return 1
    # Without what all keys of their kind begin with.
    sed 's/^MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg//; /^.\{20\}/!d; /-----/d' "$work/keys"
}

# Of containers, images and logs, into $work/seen.
collect_what_can_be_seen() {
    local id
    rm --recursive --force "$work/seen"
    mkdir "$work/seen"
    for id in $(docker ps --all --quiet); do
        docker inspect "$id" > "$work/seen/$id.inspect" || return 1
        docker logs "$id" > "$work/seen/$id.log" 2>&1 || { echo "$id has no log"; return 1; }
    done
    for id in $(docker images --quiet | sort --unique); do
        docker history --no-trunc "$id" > "$work/seen/$id.history" || return 1
        docker image inspect "$id" > "$work/seen/$id.image" || return 1
    done
}

no_secret_can_be_seen() {
    secrets > "$work/secrets" || { echo 'not all secrets are there'; return 1; }
    [ "$(wc --lines < "$work/secrets")" -ge 14 ] || { echo 'there are too few secrets to look for'; return 1; }
    needles < "$work/secrets" > "$work/needles"
    collect_what_can_be_seen && lacks "$work/needles" "$work/seen"
}

# A secret as people let it slip, in each of the places where it is looked for.
a_secret_that_can_be_seen_is_found() {
    local secret id found wanted
    secret=$(head --lines=1 "$work/secrets")
    printf 'FROM app\nLABEL leak=%s\n' "$secret" | without_content_trust docker build --quiet --tag leak - > /dev/null \
        || return 1
    id=$(without_content_trust docker run --detach --network none \
        --env "LEAK=$(printf 'a:%s' "$secret" | base64 --wrap=0)" \
        services echo "the passphrase is $secret") || return 1
    docker wait "$id" > /dev/null
    collect_what_can_be_seen || return 1
    found=$(finds "$work/needles" "$work/seen")
    docker rm "$id" > /dev/null
    docker rmi leak > /dev/null
    echo "$found"
    for wanted in "${id:0:12}.inspect" "${id:0:12}.log" .history .image; do
        grep --quiet --fixed-strings "$wanted" <<< "$found" || { echo "not in $wanted"; return 1; }
    done
}
