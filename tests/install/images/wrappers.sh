# shellcheck shell=bash disable=SC2154
# Keeper's `ksm` in our images, by the recipes of docs/secrets.md, and stand-ins for other wrappers. Sourced by `run`;
# needs `check`, $work/etc and the volume `data` of running.sh, and $KSM, the frozen command.

readonly vault_port=8444
administrator=$(printf 'admin:correct horse' | base64)
readonly administrator

check_wrappers() {
    local recipe
    start_vault
    make_keeper_tool
    configure_server
    for recipe in wrapper fetch; do
        check "compose, $recipe: docker-compose up -d" compose_recipe "$recipe" up -d
        check "compose, $recipe: the vault's administrator is let in, and strangers are not" \
            asks_for_a_password "$(of_compose server)"
        check "compose, $recipe: ${outcome[$recipe]}" "stops_$recipe" "$(of_compose server)"
        check "compose, $recipe: docker-compose down" compose_recipe "$recipe" down --volumes
        check "kubernetes, $recipe: the pod starts" pod_recipe "$recipe"
        check "kubernetes, $recipe: the vault's administrator is let in, and strangers are not" \
            asks_for_a_password "pod-$recipe"
        docker rm --force "pod-$recipe" > /dev/null
    done
    check 'a command of ksm prints a secret for the server' command_of_ksm exec asks_for_a_password
    check 'where no program runs in /tmp, the start fails and names the command' \
        command_of_ksm noexec says_that_its_command_failed
    check 'without the vault up -d fails, and what was fetched stays' keeps_what_was_fetched
    check_other_wrappers
}

declare -A outcome=(
    [wrapper]='docker stop cuts requests off, and the exit status is not 0'
    [fetch]='docker stop lets requests end, and the exit status is 0'
)

# freeze_ksm FOLDER: the command from PyPI, made once; $1/ksm is one file.
freeze_ksm() {
    local made=$1
    if ! cmp --quiet <(cat "$here/requirements.txt" "$here/ksm.py") "$made/complete"; then
        rm --recursive --force "$made"
        mkdir --parents "$made"
        /usr/bin/python3 -m venv "$made/venv"
        "$made/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
        "$made/venv/bin/pyinstaller" --onefile --name ksm --log-level ERROR \
            --distpath "$made" --workpath "$made/build" \
            --specpath "$made/build" --collect-data keeper_secrets_manager_helper "$here/ksm.py"
        rm --recursive --force "$made/build"
        cat "$here/requirements.txt" "$here/ksm.py" > "$made/complete"
    fi
}

start_vault() {
    mkdir --parents "$work/vault"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/vault/vault.key" \
        -out "$work/vault/vault.crt" -subj /CN=vault -addext "subjectAltName=IP:$documentation_address" \
        -days 2 2> /dev/null
    printf '{"DATABASE": "/var/lib/countersign/server.db", "ADMINISTRATOR": "%s"}\n' "$administrator" \
        > "$work/vault/records.json"
    "$KSM/venv/bin/python" "$here/vault.py" "$documentation_address" "$vault_port" "$work/vault" 2> "$work/vault.log" &
    vault=$!
    within 10 test -s "$work/vault/ksm.env" || { cat "$work/vault.log"; fail 'the vault does not start'; }
    # KSM_CONFIG as the guide has it, and STAND_IN_VAULT.
    set -o allexport
    # shellcheck source=/dev/null
    source "$work/vault/ksm.env"
    set +o allexport
}

# An image with a shell and `ksm`, as the guide asks for.
make_keeper_tool() {
    mkdir "$work/tool"
    cp "$KSM/ksm" "$work/tool"
    printf 'FROM rust:1.95-bookworm\nCOPY ksm /usr/local/bin/\n' > "$work/tool/Dockerfile"
    docker build --quiet --tag keeper-tool "$work/tool" > /dev/null
}

# The configuration that countersign has made, with its files at another place, and without what comes from the vault.
configure_server() {
    mkdir "$work/recipes"
    python3 - "$work/etc/server.json" > "$work/recipes/server-config.json" <<'END'
import json, sys
configuration = json.load(open(sys.argv[1]))
for section in configuration.values():
    for key in section:
        if key.startswith("tls_"):
            section[key] = "/run/countersign/" + section[key]
configuration["server"]["http_addr"] = ":4443"
configuration["server"]["authentication_note"] = "/var/lib/countersign/authentication"
del configuration["storage"]["db_url"]
print(json.dumps(configuration))
END
    here_too=(
        --volume "$work/vault/vault.crt:/vault.crt:ro" --volume "$work/etc:/run/countersign:ro"
        --volume data:/var/lib/countersign --volume "$work/recipes/server-config.json:/etc/notary/server-config.json:ro"
        --env REQUESTS_CA_BUNDLE=/vault.crt --env "STAND_IN_VAULT=$STAND_IN_VAULT"
    )
}

# block PAGE NAME: what stands between the fences after `<!-- tested: NAME -->` in docs/PAGE.
block() {
    awk -v mark="<!-- tested: $2 -->" '
        index($0, mark) { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "docs/$1" | grep .
}

# compose_recipe NAME ARGUMENTS…: docker-compose with the guide's file, and with what the guide cannot know.
compose_recipe() {
    local name=$1 service
    shift
    block secrets.md "$name-compose" > "$work/recipes/docker-compose.yml" || return 1
    {
        echo 'services:'
        sed -n 's/^  \(server\|fetch\|tool\):$/\1/p' "$work/recipes/docker-compose.yml" | while read -r service; do
            printf '  %s:\n    volumes: ["%s:/vault.crt:ro", "%s:/run/countersign:ro", "data:/var/lib/countersign"]\n' \
                "$service" "$work/vault/vault.crt" "$work/etc"
            printf '    environment: {STAND_IN_VAULT: "%s", REQUESTS_CA_BUNDLE: /vault.crt%s}\n' "$STAND_IN_VAULT" \
                "$(database_of "$name" ', NOTARY_SERVER_STORAGE_DB_URL: ')"
        done
        printf 'volumes: {data: {external: true}}\n'
    } > "$work/recipes/here.yml"
    (cd "$work/recipes" && docker-compose --project-name recipe -f docker-compose.yml -f here.yml "$@")
}

# database_of RECIPE PREFIX: what that recipe does not take from the vault.
database_of() { [ "$1" = wrapper ] || printf '%s/var/lib/countersign/server.db' "$2"; }

of_compose() {
    docker ps --all --quiet --filter label=com.docker.compose.project=recipe \
        --filter "label=com.docker.compose.service=$1"
}

pod_recipe() {
    block secrets.md "$1-kubernetes" > "$work/recipes/pod.yaml" || return 1
    local more=("${here_too[@]}")
    [ "$1" = wrapper ] || more+=(--env "$(database_of "$1" NOTARY_SERVER_STORAGE_DB_URL=)")
    python3 "$here/pod.py" "$work/recipes/pod.yaml" "pod-$1" "$work/pods/$1" "${more[@]}"
}

# answers CONTAINER STATUS ARGUMENTS…
answers() {
    local container=$1 status=$2
    shift 2
    says "$status" nsenter --target "$(pid_of "$container")" --net curl --silent --cacert "$work/ca.crt" \
        --output /dev/null \
        --write-out '%{http_code}' "$@" https://127.0.0.1:4443/v2/
}

asks_for_a_password() {
    within 40 answers "$1" 401 || { docker logs "$1" 2>&1 | tail -n 5; return 1; }
    answers "$1" 200 --user 'admin:correct horse'
}

# stop_during_a_publish CONTAINER: prints the status of the publish and the exit status of the container.
stop_during_a_publish() {
    local publish
    head --bytes=120K /dev/zero > "$work/nothing"
    nsenter --target "$(pid_of "$1")" --net curl --silent --cacert "$work/ca.crt" --user 'admin:correct horse' \
        --limit-rate 30K \
        --form "files=@$work/nothing;filename=root" --output /dev/null --write-out '%{http_code} ' \
        https://127.0.0.1:4443/v2/example.com/app/_trust/tuf/ > "$work/publish" &
    publish=$!
    sleep 1
    docker stop --time 20 "$1" > /dev/null
    wait "$publish" || true
    echo "$(cat "$work/publish")$(docker inspect --format '{{.State.ExitCode}}' "$1")"
}

# The publish makes no sense, and is told so when it has arrived.
stops_fetch() { says '400 0' stop_during_a_publish "$1"; }
stops_wrapper() {
    local said
    said=$(stop_during_a_publish "$1")
    echo "$said"
    [[ $said =~ ^000\ [1-9] ]]
}

# command_of_ksm OPTION CHECK: the server with such a /tmp, and what is checked of it.
command_of_ksm() {
    local result=0
    docker run --detach --name commanded "${careful[@]}" --tmpfs "/tmp:$1,mode=1777" --volume "$work/tool:/tools:ro" \
        "${here_too[@]}" --env KSM_CONFIG --env "$(database_of command NOTARY_SERVER_STORAGE_DB_URL=)" \
        --env NOTARY_AUTH_COMMAND='/tools/ksm secret notation keeper://ADMINISTRATOR/field/password' \
        notary-server > /dev/null
    "$2" commanded || result=$?
    docker rm --force commanded > /dev/null
    return "$result"
}

says_that_its_command_failed() {
    says 1 docker wait "$1" || return 1
    says NOTARY_AUTH_COMMAND docker logs "$1" && says 'failed to map segment' docker logs "$1"
}

keeps_what_was_fetched() {
    local before file
    compose_recipe fetch up -d || return 1
    file=$(docker volume inspect --format '{{.Mountpoint}}' recipe_secrets)/administrator
    before=$(cat "$file")
    [ "$before" = "$administrator" ] || { echo "not what the vault has: $before"; return 1; }
    says '65532 600' stat --format '%u %a' "$file" || return 1
    kill "$vault"
    fails_with fetch compose_recipe fetch up -d || return 1
    [ "$(cat "$file")" = "$before" ] || { echo 'the file has changed'; return 1; }
    compose_recipe fetch down --volumes
}

# Small programs that are linked as those wrappers are.
check_other_wrappers() {
    cc -static -o "$work/tool/static" "$here/wrapper.c"
    musl-gcc -o "$work/tool/musl" "$here/wrapper.c"
    docker run --detach --name wrapped "${careful[@]}" --volume "$work/tool:/tools:ro" "${here_too[@]}" \
        --env "$(database_of static NOTARY_SERVER_STORAGE_DB_URL=)" --env NOTARY_AUTH=op://ADMINISTRATOR \
        --env "SECRET_ADMINISTRATOR=$administrator" --entrypoint /tools/static notary-server \
        /usr/local/bin/notary-server -config=/etc/notary/server-config.json > /dev/null
    check 'a static wrapper (a stand-in for op run) needs no /tmp' asks_for_a_password wrapped
    check 'where it passes signals on, the server ends as it should' ends_well wrapped
    check 'a program for musl runs where its loader is' says 'a wrapper' "$work/tool/musl"
    check "the same (a stand-in for Keeper's build for Alpine) does not start in our images" \
        fails_with 'no such file or directory' \
        docker run --rm --volume "$work/tool:/tools:ro" --entrypoint /tools/musl notary-server
}
