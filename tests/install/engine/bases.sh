# shellcheck shell=bash disable=SC2154
# Images with the very names of the base images, for machines that reach Debian's packages but no
# registry. Sourced by tests/{images,compose}/run; needs `docker`, $work and $mirror_of_debian.

# make_bases: both. They are close enough to build and to run; what they are not is a proof that the
# real ones have no shell, which is why tests/install/images/run looks at the layers that the Dockerfile adds.
make_bases() {
    echo 'STAND-INS: rust and distroless cannot be pulled here, so images with their names are made of'
    echo "           Debian packages and of this machine's Rust toolchain: $(rustc --version)"
    make_build_image &
    make_run_image
    wait $!
}

# For rust:1.95-bookworm: Debian with gcc, git, curl and ssh, and the toolchain where rustup's image has it.
make_build_image() {
    local root=$work/bookworm toolchain
    toolchain=$(rustc --print sysroot)
    debootstrap --variant=minbase --include=gcc,libc6-dev,git,openssh-client,ca-certificates,curl \
        bookworm "$root" "$mirror_of_debian" > "$work/debootstrap.log" 2>&1 \
        || { tail -n 20 "$work/debootstrap.log"; return 1; }
    mkdir --parents "$root/usr/local/rustup/toolchain" "$root/usr/local/cargo/bin"
    cp --archive "$toolchain"/{bin,lib,libexec} "$root/usr/local/rustup/toolchain"
    ln --symbolic ../../rustup/toolchain/bin/{cargo,rustc} "$root/usr/local/cargo/bin"
    # Machines behind an inspecting proxy have its CA among their own.
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs"
    rm --recursive --force "$root"/var/cache/apt "$root"/var/lib/apt/lists
    tar --directory "$root" --create . | docker import \
        --change 'ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup' \
        - rust:1.95-bookworm > /dev/null
    rm --recursive --force "$root"
}

# For gcr.io/distroless/cc-debian12:nonroot: the files of a few packages, and who users are.
make_run_image() {
    local root=$work/distroless packages=$work/packages
    mkdir --parents "$packages" "$root"/{etc/ssl/certs,home/nonroot}
    local package wanted=(base-files libc6 libgcc-s1 netbase tzdata)
    (
        cd "$packages"
        apt-get download "${wanted[@]}" || { apt-get update && apt-get download "${wanted[@]}"; }
    ) > "$work/download.log" 2>&1 || { tail -n 20 "$work/download.log"; return 1; }
    for package in "$packages"/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs"
    printf '%s:x:%s:%s::/nonexistent:/sbin/nologin\n' root 0 0 nonroot 65532 65532 > "$root/etc/passwd"
    printf '%s:x:%s:\n' root 0 nonroot 65532 > "$root/etc/group"
    tar --directory "$root" --create . | docker import \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
        --change 'USER 65532' --change 'WORKDIR /home/nonroot' \
        - gcr.io/distroless/cc-debian12:nonroot > /dev/null
}
