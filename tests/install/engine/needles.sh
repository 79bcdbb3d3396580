# shellcheck shell=bash
# What is looked for where no secret may be. Sourced by tests/{images,compose}/run.

# needles: what to look for, for the secrets on standard input, one a line: each as it is, and in base64.
needles() {
    local secret offset
    while IFS= read -r secret; do
        printf '%s\n' "$secret"
        for offset in 0 1 2; do in_base64 "$secret" "$offset"; done
    done
}

# in_base64 SECRET OFFSET: the characters that are the secret's alone. Base64 makes four of three bytes, so they depend
# on where in three the secret begins (OFFSET). In pieces, of which one at least is whole where an encoder breaks lines.
in_base64() {
    local length=${#1} first=$((($2 * 8 + 5) / 6 + 1)) last=$((($2 + ${#1}) * 8 / 6)) piece=24
    [ "$length" -ge 20 ] || piece=$((last - first + 1))
    {
        head --bytes="$2" /dev/zero
        printf '%s' "$1"
    } | base64 --wrap=0 | cut --characters="$first-$last" | fold --width="$piece" | grep -E "^.{$piece}\$"
}

# finds NEEDLES FOLDER…: whether any of them is there; names the files.
finds() {
    local needles=$1
    shift
    grep --recursive --text --fixed-strings --files-with-matches --file="$needles" -- "$@"
}

# lacks NEEDLES FOLDER…: that none of them is there. A search that went wrong is no answer.
lacks() {
    local status=0
    [ -s "$1" ] || { echo 'there is nothing to look for'; return 1; }
    finds "$@" || status=$?
    [ "$status" = 1 ]
}
