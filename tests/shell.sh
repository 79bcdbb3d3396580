# shellcheck shell=bash disable=SC2154
# What every test program in bash needs. Sourced by tests/run and tests/install/*/run.

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }
# not COMMAND…: for commands that can fail in one way alone. Else ask for the words of the failure, or `absent`.
not() { ! "$@"; }

# absent ARGUMENTS…: of grep, which finds nothing. One that cannot search is no answer.
absent() {
    local status=0
    grep "$@" || status=$?
    [ "$status" = 1 ]
}

# install_packages: from Debian, those of `package` whose file is not there. `package` names by the file that
# each brings what to install for it.
install_packages() {
    local file missing=()
    for file in "${!package[@]}"; do
        # shellcheck disable=SC2206
        [ -e "$file" ] || missing+=(${package[$file]})
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get > /dev/null \
        || fail "there is no apt-get here: install what Debian calls ${missing[*]}"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" \
        || fail "apt-get could not install ${missing[*]}"
}
