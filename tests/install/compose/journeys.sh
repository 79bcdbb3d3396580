# shellcheck shell=bash disable=SC2154
# What people do, by the commands of docs/compose.md and docs/gateway.md as they stand there. Sourced by `run`, in
# a clean clone.

unset DOCKER_CONTENT_TRUST DOCKER_CONTENT_TRUST_SERVER NOTARY_AUTH
export DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE='root passphrase of a test'
export DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE='repository passphrase of a test'

# As the gateway's registry and docker say it together.
readonly denied='denied: requested access to the resource is denied'

# begin TITLE NAME [PROFILE]: a new person with nothing but an image, in a clone of their own.
begin() {
    step "$1"
    export COMPOSE_PROJECT_NAME=$2 HOME=$work/people/$2 PATH=$usual_path
    unset DOCKER_CONTENT_TRUST DOCKER_CONTENT_TRUST_SERVER DOCKER_CONFIG
    mkdir --parents "$HOME"
    # Without a name of its own, a project has that of its folder.
    cp --archive "$work/clone" "$work/$2"
    cd "$work/$2"
    [ -z "${3:-}" ] || echo "COMPOSE_PROFILES=$3" > .env
    mkdir --parents "$work/image"
    date > "$work/image/file-$2"
    tar --directory "$work/image" --create . | docker import - app > /dev/null
}

# block PAGE NAME: what stands between the fences after `<!-- tested: NAME -->` in docs/PAGE.
block() {
    local text
    text=$(awk -v mark="<!-- tested: $2 -->" '
        index($0, mark) { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "docs/$1")
    [ -n "$text" ] || { echo "docs/$1 has nothing that is called $2"; return 1; }
    echo "$1 $2" >> "$work/blocks"
    # The registry of the journey is at a port.
    echo "${text//registry.example.com/registry.example.com:5000}"
}

# guide PAGE NAME: runs it, as people would who stop where something fails.
guide() {
    local text
    text=$(block "$1" "$2") || return 1
    bash -euo pipefail -c "$text"
}

# settle PAGE NAME: runs it in this terminal, which remembers what is exported.
settle() {
    local text
    text=$(block "$1" "$2") || fail "$text"
    eval "$text"
}

every_block_was_run() {
    local page
    for page in compose.md gateway.md; do
        sed -n "s/.*<!-- tested: \(.*\) -->.*/$page \1/p" "docs/$page"
    done | sort > "$work/blocks.all"
    diff <(sort --unique "$work/blocks") "$work/blocks.all"
}

quietly() { "$@" > "$work/quiet.log" 2>&1 || { cat "$work/quiet.log"; return 1; }; }
up() { quietly docker-compose up -d; }
down() { quietly docker-compose down; }
remove_for_good() { quietly docker-compose down --volumes --remove-orphans; }

# What there is to sign: an image, and one that stays unsigned.
tag_images() {
    docker tag app "$1:1.0"
    docker tag app "$1:unsigned"
}

# sign_and_verify PAGE IMAGE: what everybody begins with.
sign_and_verify() {
    local page=$1 image=$2
    tag_images "$image"
    check 'docker push signs, and docker pull verifies' says 'Successfully signed' guide "$page" sign
    DOCKER_CONTENT_TRUST=0 docker push "$image:unsigned" > /dev/null
    docker rmi "$image:1.0" "$image:unsigned" > /dev/null
    check 'docker pull fetches what was signed' says 'Status: Downloaded newer image' docker pull "$image:1.0"
    check 'docker pull refuses what is not signed' fails_with 'No valid trust data for unsigned' \
        docker pull "$image:unsigned"
}

# delegate IMAGE: signer add, sign as that signer, revoke.
delegate() {
    local image=$1
    docker trust key generate alice --dir "$HOME" > /dev/null 2>&1
    check 'docker trust signer add delegates' \
        says 'Successfully added signer: alice' docker trust signer add --key "$HOME/alice.pub" alice "$image"
    docker tag app "$image:2.0"
    check 'a signer signs' says 'Successfully signed' docker trust sign "$image:2.0"
    check 'docker trust inspect knows who signed' says alice docker trust inspect --pretty "$image"
    check 'docker trust revoke takes a signature back' \
        says 'Successfully deleted signature' docker trust revoke --yes "$image:2.0"
    check 'what was revoked is refused' fails_with 'No valid trust data for 2.0' docker pull "$image:2.0"
}

journey_of_the_guide() {
    begin 'docker-compose up -d on a clean clone, beside a registry' guide registry
    interrupted_first_start mysql-data mysql
    check 'docker-compose up -d, after a first start that was interrupted' quietly guide compose.md up
    check 'all services are healthy' all_healthy prepare mysql signer server registry
    check 'the tables were brought up to date' ended_well server-migrate
    check 'the CA is where the guide says' test -s fixtures/root-ca.crt
    check 'the CA vouches for the server' curl --silent --show-error --fail --cacert fixtures/root-ca.crt \
        https://localhost:4443/v2/
    check 'metrics are not for everybody' says 404 curl --silent --cacert fixtures/root-ca.crt --output /dev/null \
        --write-out '%{http_code}' https://localhost:4443/metrics
    check 'but for whoever is in a network with the server' says notary_server_ \
        nsenter --target "$(inspected registry '{{.State.Pid}}')" --net curl --silent \
        "http://$(address_of server public):4480/metrics"
    check 'nobody is root, and nobody has capabilities' \
        nobody_is_root_or_may_do_anything prepare mysql signer server registry
    check 'only the server reaches the signer' only_the_server_reaches_the_signer mysql registry
    check 'the registry does not reach the database' cannot_reach registry "$(address_of mysql server-database)" 3306
    check 'only server and registry are published' is_published_only_by server registry

    settle compose.md trust
    local image=registry.example.com:5000/team/app
    sign_and_verify compose.md "$image"
    delegate "$image"

    check 'down' down
    check 'up' up
    check 'trust data is still there' says '1.0' docker trust inspect --pretty "$image"
    docker rmi "$image:1.0" > /dev/null
    check 'docker pull still verifies' says 'Tagging' docker pull "$image:1.0"
    rm fixtures/root-ca.crt
    check 'the CA can be had again' quietly guide compose.md copy-ca
    check 'it is the same' diff fixtures/root-ca.crt ~/.docker/tls/localhost:4443/ca.crt
    renewal
    upgrade
    loss_of_everything
    check 'no secret can be seen in containers, images or logs' no_secret_can_be_seen
    check 'one that can be seen would be found' a_secret_that_can_be_seen_is_found
    authentication
    remove_for_good
}

# interrupted_first_start VOLUME PATH: a database that looks like a whole one, and is none.
interrupted_first_start() {
    docker volume create --label com.docker.compose.project="$COMPOSE_PROJECT_NAME" \
        --label com.docker.compose.volume="$1" "${COMPOSE_PROJECT_NAME}_$1" > /dev/null
    mkdir --parents "$(volume "$1")/$2"
    touch "$(volume "$1")/.first-start"
    echo 15 > "$(volume "$1")/$2/PG_VERSION"
    chown --recursive 999:999 "$(volume "$1")"
}

is_published_only_by() {
    local found
    found=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --format '{{.Label "com.docker.compose.service"}} {{.Ports}}' | sed -n 's/ .*->.*//p' | sort)
    [ "$found" = "$(printf '%s\n' "$@" | sort)" ] || { echo "$found"; return 1; }
}

# Certificates that end in five days are put in the place of those that are there, and only time passes.
renewal() {
    local started
    started=$(docker inspect --format '{{.State.StartedAt}}' "$(container server)" "$(container signer)")
    end_soon server-secrets server DNS:localhost serverAuth
    end_soon server-secrets client DNS:server clientAuth
    end_soon signer-secrets signer DNS:notarysigner serverAuth
    check 'a certificate that ends soon is taken up without a restart' within 30 shows_one_that_ends_soon localhost:4443
    docker-compose kill -s HUP prepare > /dev/null 2>&1
    check 'certificates are renewed in time' within 30 lasts "$(volume server-secrets)/server.crt"
    check 'the server shows the renewed one' within 30 shows_one_that_lasts localhost:4443
    check 'what it shows to the signer was renewed too' within 30 lasts "$(volume server-secrets)/client.crt"
    check 'and so was what the signer shows' within 30 lasts "$(volume signer-secrets)/signer.crt"
    check 'signing goes on' says 'Successfully signed' docker trust sign "$image:1.0"
    check 'nothing was restarted' test "$started" = \
        "$(docker inspect --format '{{.State.StartedAt}}' "$(container server)" "$(container signer)")"
}

# New images take the place of the old ones, and nothing else changes.
upgrade() {
    local program
    for program in notary-server notary-signer countersign; do
        printf 'FROM %s:0.1.0\nLABEL rebuilt=yes\n' "$program" \
            | docker build --quiet --tag "$program:0.1.0" - > /dev/null
    done
    check 'images are rebuilt, and up -d takes them' up
    check 'the new ones run, and are healthy' eval 'all_healthy prepare signer server \
        && says yes inspected server "{{.Config.Labels.rebuilt}}"'
    check 'trust data survives an upgrade' says '1.0' docker trust inspect --pretty "$image"
}

# end_soon VOLUME NAME SAN PURPOSE
end_soon() {
    local folder authority
    folder=$(volume "$1") authority=$(volume authority)
    openssl req -new -key "$folder/$2.key" -subj "/CN=Countersign $2" 2> /dev/null | openssl x509 -req -days 5 \
        -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 8)" \
        -out "$work/soon.crt" \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$3" "$4") 2> /dev/null
    chown 65532:65532 "$work/soon.crt"
    cp --preserve "$work/soon.crt" "$folder/$2.crt.soon" && mv "$folder/$2.crt.soon" "$folder/$2.crt"
}

in_six_days() { openssl x509 -in "$1" -noout -checkend $((6 * 86400)); }
ends_soon() { fails_with 'Certificate will expire' in_six_days "$1"; }
lasts() { says 'Certificate will not expire' in_six_days "$1"; }

# shown_by ADDRESS: its certificate, as text.
shown_by() {
    openssl s_client -connect "$1" -servername "${1%:*}" < /dev/null 2> /dev/null > "$work/shown.crt"
    openssl x509 -in "$work/shown.crt" -noout -text
}

shows_one_that_ends_soon() { shown_by "$1" && ends_soon "$work/shown.crt"; }
shows_one_that_lasts() { shown_by "$1" && lasts "$work/shown.crt"; }

# Copies as the guide has them made, and nothing else, bring everything back.
loss_of_everything() {
    check 'copies are made while everything runs' guide compose.md copies
    check 'all copies are there' ls backup/{configuration,authority,server,signer,database,gateway,public}.tar \
        backup/{server,signer}.backup
    check 'nobody else may read them' prints_nothing find backup -perm /077
    check 'everything is lost' remove_volumes_of_trust
    check 'and comes back from the copies' quietly guide compose.md restore
    check 'all services are healthy again' all_healthy prepare signer server registry
    check 'clients believe the same CA, and somebody new sees the same trust data' says '1.0' as_somebody_new \
        docker trust inspect --pretty "$image"
    check 'the keys sign as before' says 'Successfully signed' docker trust sign "$image:1.0"
}

# as_somebody_new COMMAND…: nothing is remembered, and the CA is that of before.
as_somebody_new() {
    (
        mkdir --parents ~/new/.docker
        cp --recursive ~/.docker/tls ~/new/.docker
        HOME=~/new "$@"
    )
}

# All but the registry's, which has a backup of its own.
remove_volumes_of_trust() {
    # In the place of another clone.
    down && mv .env ../forgotten && rm --recursive compose/secrets \
        && mkdir --parents compose/secrets/server compose/secrets/signer \
        && tar --extract --preserve-permissions --file backup/configuration.tar && rm ../forgotten \
        && docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        | grep --invert-match registry-data | xargs docker volume rm
}

# By the environment and by a file: both as the guide says.
authentication() {
    check 'without authentication the server does not start where others reach it' is_not_open_by_accident
    check 'NOTARY_AUTH=… docker-compose up -d switches authentication on' quietly guide compose.md authentication
    check 'strangers are let in no more' is_closed_to_strangers
    check 'a shell without the variable does not switch it off' is_not_switched_off_by_accident
    check 'strangers are kept out as before' is_closed_to_strangers
    check 'NOTARY_SERVER_AUTH_TYPE=none switches it off on purpose' quietly guide compose.md authentication-off
    check 'strangers are let in' is_open_to_strangers
    check 'a file takes the place of the variable' quietly guide compose.md secret
    check 'strangers are kept out by the file too' is_closed_to_strangers
    check 'whoever knows the password is let in' says 200 ask_server --user 'admin:correct horse'
    echo NAMES=localhost,trust.example.com >> .env
    check 'docker-compose up -d with another name' up
    check 'the certificate has it' within 30 says DNS:trust.example.com shown_by localhost:4443
    check 'the password is not in docker inspect' \
        keeps_quiet_about "$(cat compose/secrets/server/administrator)" docker inspect "$(container server)"
}

is_not_open_by_accident() {
    SERVER_ADDRESS=0.0.0.0 docker-compose up -d && { echo 'it starts'; return 1; }
    says NOTARY_AUTH_FILE docker logs "$(container server-migrate)" || return 1
    keeps_quiet_about 0.0.0.0 docker ps --format '{{.Ports}}'
}

# Nothing of the server's container changes.
is_not_switched_off_by_accident() {
    local before
    before=$(container server)
    fails_with '' docker-compose up -d || return 1
    says 'authentication was on at an earlier start' docker logs "$(container server-migrate)" || return 1
    [ "$(container server)" = "$before" ] || { echo 'the server was made anew'; return 1; }
}

# ask_server ARGUMENTS…: the status of its answer.
ask_server() {
    curl --silent --cacert fixtures/root-ca.crt --output /dev/null --write-out '%{http_code}\n' "$@" \
        https://localhost:4443/v2/
}

is_open_to_strangers() { all_healthy server && says 200 ask_server; }

is_closed_to_strangers() {
    all_healthy server || return 1
    says 401 ask_server || return 1
    says 401 curl --silent --cacert fixtures/root-ca.crt --request DELETE --output /dev/null \
        --write-out '%{http_code}' \
        "https://localhost:4443/v2/registry.example.com:5000/team/app/_trust/tuf/"
}

# typed INPUT COMMAND…: at a terminal.
typed() {
    local input=$1 text
    shift
    text=$("$@") || return 1
    script --quiet --return --command "$text" /dev/null <<< "$input"
}

# Where the CA's certificate was copied to, on a machine that pushes and pulls.
trust_by_the_gateways_guide() {
    (cd fixtures && text=$(cd .. && block gateway.md trust) && eval "$text")
}

journey_behind_the_gateway() {
    begin 'Registry and trust data on one name, behind passwords' gateway gateway
    check 'docker-compose up -d with the gateway' quietly guide gateway.md up
    check 'all services are healthy' all_healthy prepare mysql signer server gateway-registry gateway
    check 'nobody is root, and nobody has capabilities' \
        nobody_is_root_or_may_do_anything prepare mysql signer server gateway-registry gateway
    check 'only the server reaches the signer' only_the_server_reaches_the_signer mysql gateway gateway-registry
    settle gateway.md settings
    local image=trust.example.com/team/app
    tag_images "$image"
    check 'docker refuses an authority that nobody told it of' fails_with 'certificate signed by unknown authority' \
        docker pull "$image:1.0"
    trust_by_the_gateways_guide
    check 'nobody pushes without a password' fails_with "$denied" docker push "$image:1.0"
    check 'a wrong password does not log in' fails_with 'unauthorized: wrong user or password' \
        typed $'admin\nwrong' block gateway.md login
    check 'docker login' says 'Login Succeeded' typed $'admin\ncorrect horse' block gateway.md login
    sign_and_verify gateway.md "$image"
    delegate "$image"
    check 'a large layer goes through' pushes_a_large_layer "$image"
    check 'the registry is told no password' the_registry_is_told_no_password
    check 'clients are known by their own addresses, and not by what they claim' nobody_hides_behind_the_gateway
    check 'docker logout' docker logout trust.example.com
    check 'nobody learns of trust data without a password' fails_with 'server returned 401' \
        as_a_stranger docker pull "$image:1.0"
    check 'nobody pulls without a password' fails_with "$denied" as_a_stranger without_content_trust \
        docker pull "$image:1.0"
    check 'no secret can be seen in containers, images or logs' no_secret_can_be_seen
    check 'guessing is slowed down, and docker is told so' within 30 gateway_answers 429 --user admin:guess
    end_soon gateway-secrets gateway DNS:trust.example.com serverAuth
    check 'the gateway takes up a certificate' within 30 shows_one_that_ends_soon trust.example.com:443
    docker-compose kill -s HUP prepare > /dev/null 2>&1
    check 'and the renewed one' within 30 shows_one_that_lasts trust.example.com:443
    check 'without the trust server nobody is let in, and docker is told why' nobody_is_let_in_without_the_server
    with_tokens "$image"
    remove_for_good
}

# gateway_answers STATUS ARGUMENTS…: to a request for an image.
gateway_answers() {
    local status=$1
    shift
    says "$status" curl --silent --insecure --output /dev/null --write-out '%{http_code}' "$@" \
        https://trust.example.com/v2/team/app/manifests/1.0
}

nobody_is_let_in_without_the_server() {
    quietly docker-compose stop server || return 1
    gateway_answers 503 --user 'admin:correct horse' || return 1
    quietly docker-compose start server && all_healthy server
}

# What comes to the registry, in its own network, while a client sends a password to the gateway.
the_registry_is_told_no_password() {
    nsenter --target "$(inspected gateway-registry '{{.State.Pid}}')" --net \
        timeout 10 python3 "$here/overhear.py" '_catalog' > "$work/overheard" &
    within 5 test -s "$work/overheard" || return 1
    curl --silent --insecure --user 'admin:correct horse' https://trust.example.com/v2/_catalog
    wait $! || { echo 'nothing came to the registry'; return 1; }
    grep --quiet 'GET /v2/_catalog' "$work/overheard" || { cat "$work/overheard"; return 1; }
    absent --ignore-case authorization "$work/overheard"
}

nobody_hides_behind_the_gateway() {
    local port log
    for port in 443 4443; do
        curl --silent --insecure --header 'X-Forwarded-For: 203.0.113.9' --header 'X-Forwarded-Host: evil.example.com' \
            --header 'Forwarded: for=203.0.113.9' "https://localhost:$port/v2/" || true
        curl --silent --insecure --include --header 'X-Forwarded-For: 203.0.113.9' \
            --header 'X-Forwarded-Host: evil.example.com' --resolve "trust.example.com:$port:192.0.2.10" \
            "https://trust.example.com:$port/v2/" || true
    done > "$work/answers"
    grep --quiet 'realm="https://trust.example.com/auth/token"' "$work/answers" || { cat "$work/answers"; return 1; }
    absent evil.example.com "$work/answers" || return 1
    log=$(docker logs "$(container server)" 2>&1)
    grep --quiet '"http.request.uri":"/v2/trust.example.com/team/app/_trust' <<< "$log" \
        || { echo 'no request was seen'; return 1; }
    absent --max-count=2 -E '"http.request.remoteaddr":"(10\.231\.117\.2|203\.0\.113\.9)"' <<< "$log"
}

# as_a_stranger COMMAND…: a new user who trusts the CA.
as_a_stranger() {
    (
        export HOME=$work/people/stranger
        rm --recursive --force "$HOME"
        trust_by_the_gateways_guide
        "$@"
    )
}

without_content_trust() { DOCKER_CONTENT_TRUST=0 "$@"; }

pushes_a_large_layer() {
    mkdir --parents "$work/large"
    head --bytes=80M /dev/urandom > "$work/large/file"
    tar --directory "$work/large" --create . | docker import - "$1:large" > /dev/null
    docker push "$1:large"
}

# with_tokens IMAGE: the same, from then on with tokens.
with_tokens() {
    local image=$1
    check 'tokens are switched on' quietly guide gateway.md tokens
    check 'all services are healthy' all_healthy prepare mysql signer server gateway-registry gateway
    check 'nobody pushes without a password' fails_with "$denied" docker push "$image:1.0"
    check 'docker login' says 'Login Succeeded' typed $'admin\ncorrect horse' block gateway.md login
    docker tag app "$image:3.0"
    check 'docker push signs' says 'Successfully signed' docker push "$image:3.0"
    check 'docker logout' docker logout trust.example.com
    docker rmi "$image:3.0" > /dev/null
    check 'everybody pulls what is signed' says 'Tagging' as_a_stranger docker pull "$image:3.0"
    check 'and is refused what is not' fails_with 'No valid trust data for unsigned' \
        as_a_stranger docker pull "$image:unsigned"
    check 'nobody changes trust data without a password' says 401 curl --silent --cacert fixtures/root-ca.crt \
        --request DELETE --output /dev/null --write-out '%{http_code}' "https://trust.example.com/v2/$image/_trust/tuf/"
    docker tag app "$image:4.0"
    check 'nobody pushes without a password' fails_with "$denied" docker push "$image:4.0"
    check 'the registry has no key of the server' test ca.crt = "$(ls --almost-all "$(volume token-ca)")"
}

# journey_on DATABASE ['the plugin']: an override file by itself.
journey_on() {
    begin "On $1, by ${2:-docker-compose}" "$1" registry
    [ "${2:-}" != 'the plugin' ] || use_the_plugin
    [ "$1" != postgres ] || interrupted_first_start postgres-data pgdata
    check 'docker-compose up -d' quietly guide compose.md "$1"
    check 'all services are healthy' all_healthy prepare signer server registry
    check 'there is no MariaDB' has_no_container mysql
    settle compose.md trust
    local image=registry.example.com:5000/team/app
    sign_and_verify compose.md "$image"
    check 'without .env, nothing is started on another database' is_not_moved_by_accident
    check 'down' down
    check 'up' up
    check 'trust data is still there' says '1.0' docker trust inspect --pretty "$image"
    loss_of_everything
    [ "$1" != postgres ] || move_to sqlite
    remove_for_good
}

# move_to DATABASE: on purpose.
move_to() {
    echo "COMPOSE_FILE=docker-compose.yml:compose/$1.yml" >> .env
    check "everything moves to $1" quietly guide compose.md move
    check 'all services are healthy' all_healthy prepare signer server registry
    check 'there is no PostgreSQL' has_no_container postgres
    check 'somebody new sees the same trust data' says '1.0' as_somebody_new docker trust inspect --pretty "$image"
    check 'the keys sign as before' says 'Successfully signed' docker trust sign "$image:1.0"
}

is_not_moved_by_accident() {
    local said result=0
    mv .env forgotten
    said=$(docker-compose up -d 2>&1) && result=1
    mv forgotten .env
    echo "$said"
    [ "$result" = 0 ] && says 'this set-up uses' docker logs "$(container prepare)" && up
}

# A MariaDB that has nothing to do with docker-compose, at the name of the guide.
start_a_database() {
    docker network create database > /dev/null
    docker run --detach --name database --network database --network-alias db.example.com --tmpfs /var/lib/mysql \
        --tmpfs /run/mysqld services bash -c "
            mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --skip-test-db > /dev/null
            for user in server signer; do
                echo \"CREATE DATABASE notary\$user;\"
                echo \"GRANT ALL ON notary\$user.* TO \$user@'%' IDENTIFIED BY 'a-password';\"
            done > /run/users.sql
            exec mariadbd --no-defaults --user=mysql --datadir=/var/lib/mysql --init-file=/run/users.sql" > /dev/null
    within 60 says signer docker exec database mariadb --user=root --execute='SELECT User FROM mysql.user'
}

holds_trust_data() {
    says "$1" docker exec database mariadb --user=root --batch \
        --execute='SELECT DISTINCT gun FROM notaryserver.tuf_files'
}

journey_on_a_database_of_ones_own() {
    begin 'On a database that was there before' own registry
    start_a_database || fail 'there is no database to begin with'
    check 'docker-compose up -d' quietly guide compose.md own-database
    check 'all services are healthy' all_healthy prepare signer server registry
    check 'there is no other database' has_no_container mysql
    settle compose.md trust
    sign_and_verify compose.md registry.example.com:5000/team/app
    check 'trust data is where it was said to be' holds_trust_data registry.example.com:5000/team/app
    check "a passphrase of Notary's is taken up" quietly guide compose.md notarys-passphrase
    check 'all services are healthy' all_healthy prepare signer server registry
    check 'keys are encrypted with it' quietly of_the_signer key rotate-passphrase --to timestamp_1 --all
    check 'and open with it' says timestamp_1 of_the_signer key list
    docker tag app registry.example.com:5000/team/app:2.0
    check 'and sign' says 'Successfully signed' docker push registry.example.com:5000/team/app:2.0
    check 'no secret can be seen in containers, images or logs' no_secret_can_be_seen
    remove_for_good
    docker rm --force database > /dev/null
}

of_the_signer() { docker-compose exec -T signer notary-signer -config=/etc/notary/signer-config.json "$@"; }
