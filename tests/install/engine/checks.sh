# shellcheck shell=bash
# How the journeys with a docker engine check and count. Sourced by tests/{images,compose}/run.

passed=0 failed=0

# check SENTENCE COMMAND…: one test.
check() {
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1)); printf 'ok      %s\n' "$sentence"
    else
        failed=$((failed + 1)); printf 'FAILED  %s\n%s\n' "$sentence" "$(tail -n 15 <<< "$output")"
    fi
}

# fails_with WORDS COMMAND…
fails_with() {
    local words=$1 output
    shift
    output=$("$@" 2>&1) && { echo "it succeeded: $output"; return 1; }
    grep --quiet --fixed-strings -- "$words" <<< "$output" || { echo "$output"; return 1; }
}

# says WORDS COMMAND…
says() {
    local words=$1 output
    shift
    output=$("$@" 2>&1) || { echo "$output"; return 1; }
    grep --quiet --fixed-strings -- "$words" <<< "$output" || { echo "$output"; return 1; }
}

# keeps_quiet_about WORDS COMMAND…: it succeeds, and does not print them.
keeps_quiet_about() {
    local words=$1 output
    shift
    [ -n "$words" ] || { echo 'there are no words to look for'; return 1; }
    output=$("$@" 2>&1) || { echo "$output"; return 1; }
    absent --fixed-strings -- "$words" <<< "$output"
}

# prints_nothing COMMAND…: and succeeds.
prints_nothing() {
    local output
    output=$("$@" 2>&1) || { echo "$output"; return 1; }
    [ -z "$output" ] || { echo "$output"; return 1; }
}

# within SECONDS COMMAND…: until it succeeds.
within() {
    local deadline=$((SECONDS + $1)) output
    shift
    until output=$("$@" 2>&1); do
        [ $SECONDS -lt $deadline ] || { echo "$output"; return 1; }
        sleep 0.2
    done
}

# The last words of a program: how many there were, and whether all is well.
sum_up() {
    step 'Done'
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ]
}
