# shellcheck shell=bash disable=SC2154
# The images, started as a careful operator would. Sourced by `run`; needs `check` and `not`.

# Without root, capabilities, a writable root file system or a network but its own loopback.
readonly careful=(--read-only --cap-drop=ALL --security-opt=no-new-privileges --health-interval=1s)

check_running() {
    local data=/var/lib/countersign
    docker volume create data > /dev/null
    local volume=(--volume "data:$data")
    # Nothing is published here: the container has no network but its own loopback.
    local alone=("${careful[@]}" --network=none --env NOTARY_SERVER_SERVER_PUBLISHED_ADDRESSES=127.0.0.1)

    check 'countersign asks for authentication where others may reach it' asks_for_authentication
    docker run --detach --name first "${alone[@]}" "${volume[@]}" countersign > /dev/null
    check 'countersign sets itself up and answers' answers_within 20000 first serves
    check 'countersign is healthy by its own health command' becomes first healthy
    check 'countersign runs as 65532 alone' runs_as_nobody_special first
    check 'countersign ends when it is told to' ends_well first

    docker run --detach --name again "${alone[@]}" "${volume[@]}" countersign > /dev/null
    check 'countersign, set up, answers in under a second' answers_within 1000 again serves
    two_programs
}

# Server and signer with what countersign has set up, at the places where Notary's images look.
two_programs() {
    docker cp "again:$data" "$work/etc" > /dev/null
    chown --recursive 65532:65532 "$work/etc"
    docker rm --force again > /dev/null
    local mounts=("${volume[@]}" --volume "$work/etc:/etc/notary:ro") program
    for program in server signer; do
        check "notary-$program says what it misses at the place where Notary looks" \
            misses_its_configuration "notary-$program" "/etc/notary/$program-config.json"
        # The configuration lies apart from the data: it has to say where they are.
        cp --preserve "$work/etc/$program.json" "$work/etc/$program-config.json"
        jq --arg file "$data/$program.db" '.storage.db_url = $file' "$work/etc/$program.json" \
            > "$work/etc/$program-config.json"
    done

    docker run --detach --name signer "${careful[@]}" --network=none "${mounts[@]}" notary-signer > /dev/null
    check 'notary-signer answers in under a second' answers_within 1000 signer listens
    docker run --detach --name server "${careful[@]}" --network=container:signer "${mounts[@]}" notary-server \
        > /dev/null || true
    check 'notary-server answers in under a second' answers_within 1000 server serves
    for program in server signer; do
        check "notary-$program runs as 65532 alone" runs_as_nobody_special "$program"
        check "notary-$program is healthy by its own health command" becomes "$program" healthy
    done
    check 'notary-signer ends when it is told to' ends_well signer
    check 'notary-server is unhealthy without its signer' becomes server unhealthy
    check 'notary-server ends when it is told to' ends_well server
}

asks_for_authentication() {
    local said
    if said=$(docker run --rm "${careful[@]}" --network=none --volume /var/lib/countersign countersign 2>&1); then
        echo 'it ran, and ended well'
        return 1
    fi
    [[ $said == *'the configuration has no authentication'* ]] || { echo "$said"; return 1; }
}

pid_of() { docker inspect --format '{{.State.Pid}}' "$1"; }

serves() {
    [ -s "$work/ca.crt" ] || docker cp "$1:/var/lib/countersign/ca.crt" "$work/ca.crt" > /dev/null 2>&1 || return 1
    nsenter --target "$(pid_of "$1")" --net curl --silent --fail --max-time 1 --cacert "$work/ca.crt" \
        --output /dev/null https://127.0.0.1:4443/_notary_server/health
}

listens() { nsenter --target "$(pid_of "$1")" --net bash -c '< /dev/tcp/127.0.0.1/7899' 2> /dev/null; }

# answers_within MILLISECONDS CONTAINER HOW: from the start of its process to its first answer.
answers_within() {
    local started passed
    started=$(date --date="$(docker inspect --format '{{.State.StartedAt}}' "$2")" +%s%3N)
    until "$3" "$2"; do
        passed=$(($(date +%s%3N) - started))
        [ "$passed" -lt 30000 ] || { echo 'never'; docker logs "$2" 2>&1 | tail -n 5; return 1; }
    done
    passed=$(($(date +%s%3N) - started))
    printf '        %s: %d ms\n' "$2" "$passed" >> "$work/times"
    [ "$passed" -le "$1" ] || { echo "after $passed ms"; return 1; }
}

runs_as_nobody_special() {
    local status
    status=$(cat "/proc/$(pid_of "$1")/status")
    echo "$status" | grep -E '^(Uid|Gid|CapEff)'
    grep --quiet -P '^Uid:\t65532\t65532\t65532\t65532$' <<< "$status" \
        && grep --quiet -P '^Gid:\t65532\t65532\t65532\t65532$' <<< "$status" \
        && grep --quiet -P '^CapEff:\t0+$' <<< "$status"
}

# becomes CONTAINER STATE: by the health command of its image.
becomes() {
    local deadline=$((SECONDS + 30)) state
    until state=$(docker inspect --format '{{.State.Health.Status}}' "$1"); [ "$state" = "$2" ]; do
        sleep 0.2
        [ $SECONDS -lt $deadline ] || {
            docker inspect --format '{{(index .State.Health.Log 0).Output}}' "$1"; return 1
        }
    done
}

ends_well() {
    docker stop --time 10 "$1" > /dev/null \
        && says_of_container "$1" '{{.State.ExitCode}} {{.State.OOMKilled}}' '0 false' \
        && docker rm "$1" > /dev/null
}

says_of_container() {
    local found
    found=$(docker inspect --format "$2" "$1")
    [ "$found" = "$3" ] || { echo "$found"; return 1; }
}

misses_its_configuration() {
    local said
    said=$(docker run --rm --network=none "$1" 2>&1) && { echo 'it started'; return 1; }
    grep --quiet --fixed-strings "$2" <<< "$said" || { echo "$said"; return 1; }
}
