# One image for each program: targets notary-server, notary-signer and countersign (the last one, and so
# the default). Needs BuildKit, that of docker 20.10 or any later one. docs/images.md has the commands.
#
# Secrets are mounted in the one step that fetches crates, which runs nothing that it fetches. What runs
# code of other people, the build, has neither secrets nor a reason to use the network.

# What builds. For a build that can be repeated, name it by digest: rust:1.95-bookworm@sha256:…
ARG BUILD_IMAGE=rust:1.95-bookworm
# What runs the programs: glibc, libgcc, CA certificates and a user 65532; no shell, no package manager.
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# The sources twice, so that a change builds no more than it must: `manifests` names the crates that are
# needed, `sources` is what the programs are made of. Tests are emptied: they are members of the
# workspace, but part of no program.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS sources
COPY . /sources
WORKDIR /sources
RUN find tests fixtures fuzz */tests */benches -name '*.rs' -exec truncate --size=0 {} + \
 && cp --recursive /sources /manifests \
 && find /manifests -name '*.rs' -exec truncate --size=0 {} + \
 && find /manifests -type f ! -name '*.rs' ! -name Cargo.toml ! -name Cargo.lock -delete

# All crates, from crates.io or wherever a mounted cargo configuration says. They land in a layer and not
# only in the cache, which may be pruned at any time.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS vendor
COPY --from=sources /manifests /src
WORKDIR /src
# git asks the forwarded SSH agent, and `known-hosts` whom it may talk to.
ENV CARGO_NET_GIT_FETCH_WITH_CLI=true
# Where BuildKit is missing and nothing can be mounted: an address that serves the files (docs/images.md). They stay in
# memory, and what leads to them is removed in the same step.
ARG SECRETS_URL=
RUN --mount=type=cache,id=countersign-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=countersign-git,target=/usr/local/cargo/git,sharing=locked \
    --mount=type=secret,id=cargo-config,target=/usr/local/cargo/config.toml \
    --mount=type=secret,id=cargo-credentials,target=/usr/local/cargo/credentials.toml \
    --mount=type=secret,id=netrc,target=/root/.netrc \
    --mount=type=secret,id=known-hosts,target=/root/.ssh/known_hosts \
    --mount=type=ssh \
    set -e; \
    fetch() { \
        [ -n "$SECRETS_URL" ] || return 0; \
        status=0; \
        curl --silent --show-error --fail --create-dirs --output "/dev/shm/secrets/$1" "$SECRETS_URL/$1" || status=$?; \
        # 22: there is no such file.
        case $status in 0) ln --symbolic "/dev/shm/secrets/$1" "$2" ;; 22) ;; *) exit "$status" ;; esac; \
    }; \
    fetch config.toml /usr/local/cargo/config.toml; \
    fetch credentials.toml /usr/local/cargo/credentials.toml; \
    fetch netrc /root/.netrc; \
    mkdir /vendor; \
    cargo vendor --locked --versioned-dirs --respect-source-config /vendor/crates > /vendor/config.toml; \
    for link in /usr/local/cargo/config.toml /usr/local/cargo/credentials.toml /root/.netrc; do \
        [ ! -L "$link" ] || rm "$link"; \
    done

FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# For another machine than the builder's: its linker, C library and Rust's standard library.
ARG BUILDARCH
ARG TARGETARCH
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) echo "no image is made for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    echo "$machine-unknown-linux-gnu" > /target; \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        apt-get update; \
        apt-get install --yes --no-install-recommends \
            "gcc-${machine/_/-}-linux-gnu" "libc6-dev-$TARGETARCH-cross"; \
        rustup target add "$machine-unknown-linux-gnu"; \
    fi
# One library that the programs do not need, and the tools of vaults do that are started beside them: what PyInstaller
# makes (Keeper's `ksm`) loads zlib, which not every base has. With what the bill of materials says of it.
RUN machine=$(cut --delimiter=- --fields=1 /target); \
    root=/; \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
        root=/zlib; \
        dpkg --add-architecture "$TARGETARCH"; \
        apt-get update; \
        cd /tmp; \
        apt-get download "zlib1g:$TARGETARCH"; \
        dpkg-deb --extract zlib1g_*.deb "$root"; \
    fi; \
    for library in "$root"/{,usr/}lib/"$machine-linux-gnu/libz.so.1"; do \
        [ ! -e "$library" ] || break; \
    done; \
    install -D --mode=0644 "$library" "/shared/usr/lib/$machine-linux-gnu/libz.so.1"; \
    case "$root" in \
        /) version=$(dpkg-query --show --showformat='${Version}' zlib1g) ;; \
        *) version=$(dpkg-deb --field zlib1g_*.deb Version) ;; \
    esac; \
    echo "zlib1g|$version|Zlib|pkg:deb/debian/zlib1g@${version/:/%3A}?arch=$TARGETARCH|$(sha256sum < "$library" | cut --delimiter=' ' --fields=1)" \
        > /libraries
# Debian's gcc has these names on both sides. Paths of this container mean nothing elsewhere.
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CFLAGS=-ffile-prefix-map=/vendor/crates=crates \
    RUSTFLAGS="--remap-path-prefix=/vendor/crates=crates --remap-path-prefix=/src=countersign" \
    CARGO_NET_OFFLINE=true \
    CARGO_TARGET_DIR=/build
COPY --from=vendor /vendor /vendor
COPY --from=sources /sources /src
WORKDIR /src
RUN cat /vendor/config.toml >> "$CARGO_HOME/config.toml"
# The commit, for the programs' version lines and a label.
ARG REVISION=
# `dist` is for releases; `dev` is for trying out this file.
ARG PROFILE=dist
# Cargo compares times alone: older sources than those built last would pass for built, so all are
# made new. What is kept is the work of the crates of others.
RUN --mount=type=cache,id=countersign-build,target=/build,sharing=locked \
    target=$(cat /target); \
    find . -type f -exec touch {} +; \
    COUNTERSIGN_COMMIT="$REVISION" cargo build --locked --profile "$PROFILE" --target "$target" \
        --package server --package signer --package countersign --bins; \
    install -D --target-directory=/programs \
        "/build/$target/${PROFILE/#dev/debug}"/{notary-server,notary-signer,countersign}
# A root file system for each image: program, bill of materials, and a data folder of the user's own.
# All files have one time, for the same content is to give the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml); \
    image() { \
        install -D --target-directory="/images/$2/usr/local/bin" "/programs/$2"; \
        cp --recursive /shared/. "/images/$2"; \
        cargo tree --locked --package "$1" --target "$(cat /target)" --edges normal,no-proc-macro \
            --prefix none --format '{p}|{l}' > /tmp/tree; \
        mkdir --parents "/images/$2/usr/share/sbom"; \
        awk -v program="$2" -v version="$version" -f packaging/images/sbom.awk Cargo.lock /tmp/tree /libraries \
            > "/images/$2/usr/share/sbom/$2.cdx.json"; \
        mkdir --parents "/images/$2/etc/notary" "/images/$2/var/lib"; \
        install --directory --mode=0700 --owner=65532 --group=65532 "/images/$2/var/lib/$3"; \
    }; \
    image server notary-server notary; \
    image signer notary-signer notary; \
    image countersign countersign countersign; \
    # A new volume takes its owner from the folder that it is mounted on: those of docker-compose.yml.
    install --directory --mode=0700 --owner=65532 --group=65532 \
        /images/countersign/var/lib/prepared/{authority,server,signer,database,gateway,public,registry}; \
    find /images -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# What all images share. A number for the user, so that Kubernetes can tell that it is not root.
FROM ${RUN_IMAGE} AS run
ARG RUN_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.base.name=$RUN_IMAGE
USER 65532:65532
WORKDIR /

FROM run AS notary-server
LABEL org.opencontainers.image.title=notary-server \
      org.opencontainers.image.description="Stores and serves signed trust data for repositories"
COPY --from=build /images/notary-server /
# Memory of a large upload goes back to the system when it is done with: without these, the allocator raises its
# own thresholds to the size of the largest one.
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072
EXPOSE 4443
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/notary-server", "health", "-config=/etc/notary/server-config.json"]
ENTRYPOINT ["/usr/local/bin/notary-server"]
CMD ["-config=/etc/notary/server-config.json"]

FROM run AS notary-signer
LABEL org.opencontainers.image.title=notary-signer \
      org.opencontainers.image.description="Holds the timestamp and snapshot keys of notary-server and signs with them"
COPY --from=build /images/notary-signer /
EXPOSE 7899
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/notary-signer", "health", "-config=/etc/notary/signer-config.json"]
ENTRYPOINT ["/usr/local/bin/notary-signer"]
CMD ["-config=/etc/notary/signer-config.json"]

FROM run AS countersign
LABEL org.opencontainers.image.title=countersign \
      org.opencontainers.image.description="A whole content-trust service in one container, to try it out"
COPY --from=build /images/countersign /
ENV COUNTERSIGN_DATA=/var/lib/countersign
EXPOSE 4443
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/countersign", "health"]
ENTRYPOINT ["/usr/local/bin/countersign"]
CMD ["up", "--listen=0.0.0.0:4443"]
