# What people do, by the commands of the guides. Sourced by `run`, in a clean clone.

unset DOCKER_CONTENT_TRUST DOCKER_CONTENT_TRUST_SERVER NOTARY_AUTH
export DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE='root passphrase of a test'
export DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE='repository passphrase of a test'
profile=()

# begin NAME: a new person, with nothing but an image, and a new project.
begin() {
    step "$1"
    export COMPOSE_PROJECT_NAME=$2 DOCKER_CONFIG=$work/client-$2
    unset DOCKER_CONTENT_TRUST DOCKER_CONTENT_TRUST_SERVER
    mkdir --parents "$DOCKER_CONFIG"
    rm --force .env fixtures/root-ca.crt
    mkdir --parents "$work/image"
    date > "$work/image/file-$2"
    tar --directory "$work/image" --create . | docker import - app > /dev/null
}

up() { docker-compose "${profile[@]}" up -d > "$work/up.log" 2>&1 || { cat "$work/up.log"; return 1; }; }
down() { docker-compose "${profile[@]}" down > "$work/up.log" 2>&1 || { cat "$work/up.log"; return 1; }; }
remove_for_good() { docker-compose "${profile[@]}" down --volumes --remove-orphans > /dev/null 2>&1; }

# trust_the_ca HOST:PORT: as docs/trust-the-ca.md says.
trust_the_ca() {
    mkdir --parents "$DOCKER_CONFIG/tls/$1"
    cp fixtures/root-ca.crt "$DOCKER_CONFIG/tls/$1/ca.crt"
}

# sign_and_verify IMAGE: what everybody begins with.
sign_and_verify() {
    local image=$1
    docker tag app "$image:1.0"
    docker tag app "$image:unsigned"
    check 'docker push signs' says 'Successfully signed' docker push "$image:1.0"
    DOCKER_CONTENT_TRUST=0 docker push "$image:unsigned" > /dev/null
    docker rmi "$image:1.0" "$image:unsigned" > /dev/null
    check 'docker pull verifies' says 'Status: Downloaded newer image' docker pull "$image:1.0"
    check 'docker pull refuses what is not signed' fails_with 'No valid trust data for unsigned' docker pull "$image:unsigned"
}

# delegate IMAGE: signer add, sign as that signer, revoke.
delegate() {
    local image=$1
    docker trust key generate alice --dir "$DOCKER_CONFIG" > /dev/null 2>&1
    check 'docker trust signer add delegates' \
        says 'Successfully added signer: alice' docker trust signer add --key "$DOCKER_CONFIG/alice.pub" alice "$image"
    docker tag app "$image:2.0"
    check 'a signer signs' says 'Successfully signed' docker trust sign "$image:2.0"
    check 'docker trust inspect knows who signed' says alice docker trust inspect --pretty "$image"
    check 'docker trust revoke takes a signature back' \
        says 'Successfully deleted signature' docker trust revoke --yes "$image:2.0"
    check 'what was revoked is refused' fails_with 'No valid trust data for 2.0' docker pull "$image:2.0"
}

journey_of_the_guide() {
    begin 'docker-compose up -d on a clean clone, beside a registry' guide
    profile=(--profile registry)
    check 'the Dockerfile makes the folders that give volumes their owner' grep --quiet --fixed-strings \
        'var/lib/prepared/{authority,server,signer,database,gateway,public,registry}' Dockerfile
    check 'docker-compose up -d' up
    check 'all services are healthy' all_healthy prepare mysql signer server registry
    check 'the tables were brought up to date' ended_well server-migrate
    check 'the CA is where the guide says' test -s fixtures/root-ca.crt
    check 'the CA vouches for the server' curl --silent --show-error --fail --cacert fixtures/root-ca.crt \
        https://localhost:4443/_notary_server/health
    check 'nobody is root, and nobody has capabilities' \
        nobody_is_root_or_may_do_anything prepare mysql signer server registry
    check 'only the server reaches the signer' only_the_server_reaches_the_signer mysql registry
    check 'the registry does not reach the database' not reaches registry "$(address_of mysql server-database)" 3306
    check 'only server and registry are published' is_published_only_by server registry

    export DOCKER_CONTENT_TRUST=1 DOCKER_CONTENT_TRUST_SERVER=https://localhost:4443
    local image=registry.example.com:5000/app
    trust_the_ca localhost:4443
    sign_and_verify "$image"
    delegate "$image"

    check 'down' down
    check 'up' up
    check 'trust data is still there' says '1.0' docker trust inspect --pretty "$image"
    docker rmi "$image:1.0" > /dev/null
    check 'docker pull still verifies' says 'Tagging' docker pull "$image:1.0"
    renewal
    upgrade
    check 'no secret can be seen in containers, images or logs' no_secret_can_be_seen
    check 'NOTARY_AUTH=… docker-compose up -d switches authentication on' authentication_on
    remove_for_good
}

is_published_only_by() {
    local found
    found=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --format '{{.Label "com.docker.compose.service"}} {{.Ports}}' | sed -n 's/ .*->.*//p' | sort)
    [ "$found" = "$(printf '%s\n' "$@" | sort)" ] || { echo "$found"; return 1; }
}

# Certificates that end in five days are put in the place of those that are there, and only time passes.
renewal() {
    local old started
    started=$(docker inspect --format '{{.State.StartedAt}}' "$(container server)" "$(container signer)")
    end_soon server-secrets server DNS:localhost serverAuth
    end_soon signer-secrets signer DNS:notarysigner serverAuth
    check 'a certificate that ends soon is taken up without a restart' within 10 server_shows_one_that_ends_soon
    docker-compose kill -s HUP prepare > /dev/null 2>&1
    check 'certificates are renewed in time' within 10 not ends_soon "$(volume server-secrets)/server.crt"
    check 'the server shows the renewed one' within 10 not server_shows_one_that_ends_soon
    check 'the signer was renewed too' within 10 not ends_soon "$(volume signer-secrets)/signer.crt"
    check 'signing goes on' says 'Successfully signed' docker trust sign "$image:1.0"
    check 'nothing was restarted' test "$started" = \
        "$(docker inspect --format '{{.State.StartedAt}}' "$(container server)" "$(container signer)")"
}

# New images take the place of the old ones, and nothing else changes.
upgrade() {
    local program
    for program in notary-server notary-signer countersign; do
        printf 'FROM %s:0.1.0\nLABEL rebuilt=yes\n' "$program" | docker build --quiet --tag "$program:0.1.0" - > /dev/null
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
        -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 8)" -out "$work/soon.crt" \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$3" "$4") 2> /dev/null
    chown 65532:65532 "$work/soon.crt"
    cp --preserve "$work/soon.crt" "$folder/$2.crt.soon" && mv "$folder/$2.crt.soon" "$folder/$2.crt"
}

ends_soon() { not openssl x509 -in "$1" -noout -checkend $((6 * 86400)); }

server_shows_one_that_ends_soon() {
    openssl s_client -connect localhost:4443 -servername localhost < /dev/null 2> /dev/null \
        | openssl x509 -out "$work/shown.crt" && ends_soon "$work/shown.crt"
}

authentication_on() {
    NOTARY_AUTH=$(printf 'admin:correct horse' | base64 -w0) up || return 1
    all_healthy server || return 1
    local status
    status=$(curl --silent --cacert fixtures/root-ca.crt --output /dev/null --write-out '%{http_code}' \
        https://localhost:4443/v2/)
    [ "$status" = 401 ] || { echo "$status"; return 1; }
    status=$(curl --silent --cacert fixtures/root-ca.crt --request DELETE --output /dev/null --write-out '%{http_code}' \
        "https://localhost:4443/v2/registry.example.com:5000/app/_trust/tuf/")
    [ "$status" = 401 ] || { echo "$status"; return 1; }
}

# The engine's own trust in a registry: as docs/gateway.md says.
engine_trusts() {
    mkdir --parents "/etc/docker/certs.d/$1"
    cp fixtures/root-ca.crt "/etc/docker/certs.d/$1/ca.crt"
}

journey_behind_the_gateway() {
    begin 'Registry and trust data on one name, behind passwords' gateway
    profile=(--profile gateway)
    printf 'GATEWAY_ADDRESS=192.0.2.10\nNAMES=trust.example.com\nNOTARY_AUTH=%s\n' "$(printf 'admin:correct horse' | base64 -w0)" > .env
    check 'docker-compose --profile gateway up -d' up
    check 'all services are healthy' all_healthy prepare mysql signer server gateway-registry gateway
    check 'nobody is root, and nobody has capabilities' \
        nobody_is_root_or_may_do_anything prepare mysql signer server gateway-registry gateway
    check 'only the server reaches the signer' only_the_server_reaches_the_signer mysql gateway gateway-registry
    export DOCKER_CONTENT_TRUST=1
    local image=trust.example.com/team/app
    docker tag app "$image:1.0"
    check 'docker refuses an authority that nobody told it of' fails_with 'certificate signed by unknown authority' \
        docker pull "$image:1.0"
    trust_the_ca trust.example.com
    engine_trusts trust.example.com
    check 'nobody pushes without a password' not docker push "$image:1.0"
    check 'a wrong password does not log in' not docker login --username admin --password wrong trust.example.com
    check 'docker login' says 'Login Succeeded' docker login --username admin --password 'correct horse' trust.example.com
    sign_and_verify "$image"
    delegate "$image"
    check 'a large layer goes through' pushes_a_large_layer "$image"
    check 'clients are known by their own addresses, and not by what they claim' nobody_hides_behind_the_gateway
    check 'docker logout' docker logout trust.example.com
    check 'nobody learns of trust data without a password' fails_with 401 as_a_stranger docker pull "$image:1.0"
    check 'nobody pulls without a password' fails_with denied as_a_stranger without_content_trust \
        docker pull "$image:1.0"
    check 'no secret can be seen in containers, images or logs' no_secret_can_be_seen
    remove_for_good
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
    not grep evil.example.com "$work/answers" || return 1
    log=$(docker logs "$(container server)" 2>&1)
    grep --quiet '"http.request.uri":"/v2/trust.example.com/team/app/_trust' <<< "$log" || { echo 'no request was seen'; return 1; }
    not grep --max-count=2 -E '"http.request.remoteaddr":"(10\.231\.117\.2|203\.0\.113\.9)"' <<< "$log"
}

# as_a_stranger COMMAND…: somebody who trusts the CA, and has never been here.
as_a_stranger() {
    (
        export DOCKER_CONFIG=$work/stranger
        rm --recursive --force "$DOCKER_CONFIG"
        trust_the_ca trust.example.com
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

journey_with_tokens() {
    begin 'Registry and trust data on one name, with tokens: everybody may pull' tokens
    profile=(--profile gateway)
    printf 'COMPOSE_FILE=%s\nGATEWAY_ADDRESS=192.0.2.10\nNAMES=trust.example.com\nNOTARY_SERVER_SERVER_PUBLIC_URL=%s\nNOTARY_AUTH=%s\n' \
        docker-compose.yml:docker-compose.tokens.yml https://trust.example.com \
        "$(printf 'admin:correct horse' | base64 -w0)" > .env
    check 'docker-compose --profile gateway up -d' up
    check 'all services are healthy' all_healthy prepare mysql signer server gateway-registry gateway
    trust_the_ca trust.example.com
    engine_trusts trust.example.com
    export DOCKER_CONTENT_TRUST=1
    local image=trust.example.com/team/app
    docker tag app "$image:1.0"
    check 'nobody pushes without a password' not docker push "$image:1.0"
    check 'docker login' says 'Login Succeeded' docker login --username admin --password 'correct horse' trust.example.com
    sign_and_verify "$image"
    delegate "$image"
    check 'docker logout' docker logout trust.example.com
    docker rmi "$image:1.0" > /dev/null
    check 'everybody pulls what is signed' says 'Tagging' as_a_stranger docker pull "$image:1.0"
    check 'nobody changes trust data without a password' says 401 curl --silent --cacert fixtures/root-ca.crt \
        --request DELETE --output /dev/null --write-out '%{http_code}' "https://trust.example.com/v2/$image/_trust/tuf/"
    docker tag app "$image:3.0"
    check 'nobody pushes without a password' not docker push "$image:3.0"
    check 'the registry has no key of the server' not ls "$(volume token-ca)/ca.key"
    remove_for_good
}

# journey_on DATABASE: an override file by itself.
journey_on() {
    begin "On $1" "$1"
    profile=(--profile registry)
    printf 'COMPOSE_FILE=docker-compose.yml:docker-compose.%s.yml\n' "$1" > .env
    check 'docker-compose up -d' up
    check 'all services are healthy' all_healthy prepare signer server registry
    check 'there is no MariaDB' test -z "$(container mysql)"
    trust_the_ca localhost:4443
    export DOCKER_CONTENT_TRUST=1 DOCKER_CONTENT_TRUST_SERVER=https://localhost:4443
    sign_and_verify registry.example.com:5000/app
    check 'down and up' eval 'down && up'
    check 'trust data is still there' says '1.0' docker trust inspect --pretty registry.example.com:5000/app
    remove_for_good
}
