# shellcheck shell=bash disable=SC2154
# Images with the very names that docker-compose.yml pulls, for machines that reach Debian's packages but
# no registry. Sourced by `run`; needs `docker`, $work and $mirror_of_debian.

make_services() {
    echo 'STAND-INS: no registry can be reached, so images with the names mariadb, postgres, registry and'
    echo '           nginx are made of Debian packages, with entry points that do what those of the real'
    echo '           images are documented to do. The compose files are used as they are.'
    make_rootfs
    make_base
    make_mariadb
    make_postgres
    make_registry
    make_nginx
}

# One Debian with all services: only their entry points will tell images apart. COMPOSE_ROOTFS=FOLDER keeps it
# for the next time.
make_rootfs() {
    rootfs=${COMPOSE_ROOTFS:-$work/rootfs}
    [ -e "$rootfs/etc/debian_version" ] || debootstrap --variant=minbase \
        --include=mariadb-server,postgresql,nginx-light,docker-registry,ca-certificates,wget,curl \
        bookworm "$rootfs" "$mirror_of_debian" > "$work/debootstrap.log" 2>&1 \
        || { tail -n 20 "$work/debootstrap.log"; return 1; }
}

make_base() {
    tar --directory "$rootfs" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists \
        --exclude=./usr/share/{doc,locale} --exclude=./var/lib/{mysql,postgresql}/* \
        --create . | docker import - services > /dev/null
}

# stand_in NAME: from the Dockerfile on standard input and the files in $work/context.
stand_in() {
    docker build --quiet --tag "$1" --file - "$work/context" > /dev/null
    rm --recursive --force "$work/context"
}

# executable FILE: from standard input.
executable() {
    mkdir --parents "$work/context"
    cat > "$work/context/$1"
    chmod 0755 "$work/context/$1"
}

make_mariadb() {
    executable docker-entrypoint.sh <<'EOF'
#!/bin/bash
set -euo pipefail
shift
run=(mariadbd --no-defaults --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock)
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --no-defaults --datadir=/var/lib/mysql --auth-root-authentication-method=normal \
        --skip-test-db > /dev/null
    "${run[@]}" --skip-networking &
    until mariadb-admin --no-defaults --user=root ping > /dev/null 2>&1; do sleep 0.2; done
    password=$(cat "$MARIADB_ROOT_PASSWORD_FILE")
    mariadb --no-defaults --user=root <<< "ALTER USER root@localhost IDENTIFIED BY '$password';
        CREATE USER healthcheck@127.0.0.1 IDENTIFIED BY 'connects';"
    for file in /docker-entrypoint-initdb.d/*.sh; do
        if [ -x "$file" ]; then "$file"; else . "$file"; fi
    done
    MYSQL_PWD=$(cat "$MARIADB_ROOT_PASSWORD_FILE") mariadb-admin --no-defaults --user=root shutdown
    wait
fi
exec "${run[@]}" "$@"
EOF
    executable healthcheck.sh <<'EOF'
#!/bin/bash
MYSQL_PWD=connects exec mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --user=healthcheck --execute='SELECT 1'
EOF
    stand_in mariadb:10.11 <<'EOF'
FROM services
COPY docker-entrypoint.sh healthcheck.sh /usr/local/bin/
RUN groupmod --gid 999 mysql && usermod --uid 999 mysql \
 && mkdir -p /docker-entrypoint-initdb.d /var/lib/mysql /run/mysqld \
 && chown -R mysql:mysql /var/lib/mysql /run/mysqld && chmod 1777 /run/mysqld
VOLUME /var/lib/mysql
ENTRYPOINT ["docker-entrypoint.sh"]
EOF
}

make_postgres() {
    executable docker-entrypoint.sh <<'EOF'
#!/bin/bash
set -euo pipefail
shift
export PATH=/usr/lib/postgresql/15/bin:$PATH
data=$PGDATA
if [ ! -s $data/PG_VERSION ]; then
    initdb --pgdata=$data --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS \
        > /dev/null
    echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
    pg_ctl --pgdata=$data --options="-c listen_addresses=''" --wait start > /dev/null
    for file in /docker-entrypoint-initdb.d/*.sh; do
        if [ -x "$file" ]; then "$file"; else . "$file"; fi
    done
    pg_ctl --pgdata=$data --mode=fast --wait stop > /dev/null
fi
exec postgres -D $data -c listen_addresses='*' "$@"
EOF
    stand_in postgres:15 <<'EOF'
FROM services
COPY docker-entrypoint.sh /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data
RUN groupmod --gid 999 postgres && usermod --uid 999 postgres \
 && mkdir -p /docker-entrypoint-initdb.d /var/lib/postgresql/data \
 && chown -R postgres:postgres /var/lib/postgresql && chmod 1777 /var/lib/postgresql/data && chmod 3777 /run/postgresql
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
EOF
}

make_registry() {
    executable entrypoint <<'EOF'
#!/bin/sh
exec docker-registry "$@"
EOF
    stand_in registry:2 <<'EOF'
FROM services
COPY entrypoint /
VOLUME /var/lib/registry
ENTRYPOINT ["/entrypoint"]
EOF
}

make_nginx() {
    executable entrypoint <<'EOF'
#!/bin/sh
exec "$@"
EOF
    stand_in nginx:1.28 <<'EOF'
FROM services
COPY entrypoint /
ENTRYPOINT ["/entrypoint"]
CMD ["nginx", "-g", "daemon off;"]
EOF
}
