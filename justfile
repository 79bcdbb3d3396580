# What people do here every day; `just` lists it. CI runs tests/run, which is all of it at once.

_list:
    @just --list

# Formatting and lints.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings

# Every test that needs nothing installed.
test:
    cargo nextest run

# Rewrites the pages of settings, metrics and routes in docs, manual pages and completions from the code.
docs:
    COUNTERSIGN_BLESS=1 cargo nextest run --workspace -E 'test(is_current) or test(are_current)'

# Real clients and daemons against both programs, or those whose names hold WHAT.
e2e WHAT='':
    cargo nextest run --workspace -E 'package(e2e)' {{ WHAT }}

# The most memory that callers can make a server take, as a table.
memory:
    cargo test --release -p server --test memory -- --nocapture

# Rates, latencies, CPU and growth beside Notary 0.7; writes docs/performance.md. `just compare --quick` is a short try.
compare *OPTIONS:
    benches/compare {{ OPTIONS }}

# Instructions and allocations by valgrind, noted as those of BUILD; FOLDER has the programs of another build.
instructions BUILD FOLDER='':
    benches/instructions {{ BUILD }} {{ FOLDER }}

# Everything, as CI does.
all:
    tests/run

# Images as they are released (profile dist), by the guides' `docker build` and `docker-compose up -d`.
dist:
    tests/install/images/run
    tests/install/compose/run

# Faults between servers, signers and databases, and files that Go might read otherwise, for about so many seconds.
soak SECONDS='3600':
    COUNTERSIGN_SOAK_SECONDS={{ SECONDS }} cargo nextest run --profile soak --workspace \
        -E 'package(e2e) and (test(faults) or test(full_disk) or binary(readings))'

# How long the pages of 10,000 repositories take, on three databases.
pages:
    cargo nextest run --release -p e2e --test databases pages_of_ten_thousand --run-ignored all --no-capture

# The whole service on this machine, with the lines to paste.
up:
    cargo run --release

# Needs cargo-fuzz (`cargo install cargo-fuzz --locked`); the variable lets the stable compiler build what that asks
# for. What it finds worth keeping goes into target/corpus, and what fails into fuzz/libfuzzer/artifacts.
#
# Feeds a target of the crate fuzz (see fuzz/seeds) with strange bytes for so many seconds.
fuzz TARGET SECONDS='60':
    mkdir -p target/corpus/{{ TARGET }}
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz/libfuzzer {{ TARGET }} \
        "$PWD/target/corpus/{{ TARGET }}" "$PWD/fuzz/seeds/{{ TARGET }}" -- -max_total_time={{ SECONDS }}
