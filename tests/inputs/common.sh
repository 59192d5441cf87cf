# Shared by tests/run, tests/inputs/* and benches/compare. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PACK_TEST_CACHE=$(mkdir -p "${PACK_TEST_CACHE:-$root/target/test-inputs}" && cd "${PACK_TEST_CACHE:-$root/target/test-inputs}" && pwd)
export PACK_TEST_CACHE LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# step WORDS -- COMMAND: one line with the time it took; the command's own words only when it fails.
step() {
    local what=() log start took code=0
    while [ "$1" != -- ]; do what+=("$1"); shift; done
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/pack-step.XXXXXX")
    start=$(date +%s.%N)
    # No `step … ||` by callers: it would switch `set -e` off inside the command.
    (set -euo pipefail; "$@") </dev/null >"$log" 2>&1 & wait $! || code=$?
    took=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
    if [ "$code" != 0 ]; then
        say "FAILED  ${what[*]} (${took} s)"
        cat "$log" >&2
        rm -f "$log"
        exit "$code"
    fi
    rm -f "$log"
    printf '%7s s  %s\n' "$took" "${what[*]}" >&2
}

# fresh_lists: Debian's package lists, not older than half a day. Without root, those that are there must do.
fresh_lists() {
    [ "$(id -u)" = 0 ] || return 0
    if [ -z "$(find "$PACK_TEST_CACHE/.lists" -mmin -720 2> /dev/null)" ] || ! compgen -G '/var/lib/apt/lists/*Packages*' > /dev/null; then
        apt-get update -qq
        touch "$PACK_TEST_CACHE/.lists"
    fi
}

# missing PACKAGE...: those that are not installed.
missing() {
    local p
    for p; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s\n' "$p"
    done
}

# install PACKAGE...: installs what is missing, and lets no package start a service.
install_packages() {
    local policy=/usr/sbin/policy-rc.d wanted
    wanted=$(missing "$@" | tr '\n' ' ')
    [ -n "${wanted// /}" ] || return 0
    [ "$(id -u)" = 0 ] || die "as root, run: apt-get install --no-install-recommends $wanted"
    fresh_lists
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' > $policy
        chmod 755 $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $wanted
}

# unpack DIRECTORY PACKAGE...: the files of Debian packages, without installing them or what they depend on.
unpack() {
    local to=$1 debs
    shift
    fresh_lists
    debs=$(mktemp -d "$to.debs.XXXXXX")
    mkdir -p "$to"
    (cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root "$@")
    for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$to"; done
    rm -rf "$debs"
}

# input NAME COMMAND [ARGUMENT...]: makes $PACK_TEST_CACHE/NAME by `COMMAND DIRECTORY ARGUMENT...`, unless this same COMMAND (a script or
# a function) has made it from these same ARGUMENTs, files by their content. It appears whole or not at all, and one process at a time makes inputs.
input() {
    local name=$1 by=$2
    shift 2
    (
        flock 9
        stamp=$({ if [ -f "$by" ]; then cat "$by"; else declare -f "$by"; fi; echo "$@"; for file; do [ ! -f "$file" ] || cat "$file"; done; } | cksum)
        [ ! -e "$PACK_TEST_CACHE/$name" ] || [ "$stamp" != "$(cat "$PACK_TEST_CACHE/.made-$name" 2> /dev/null)" ] || exit 0
        rm -rf "$PACK_TEST_CACHE/.making" "${PACK_TEST_CACHE:?}/$name"
        mkdir "$PACK_TEST_CACHE/.making"
        step "input $name" -- "$by" "$PACK_TEST_CACHE/.making" "$@"
        mv -T "$PACK_TEST_CACHE/.making" "$PACK_TEST_CACHE/$name"
        echo "$stamp" > "$PACK_TEST_CACHE/.made-$name"
    ) 9> "$PACK_TEST_CACHE/.lock"
}

# war DIRECTORY FILE: what `jar cf` makes, without a JDK.
war() {
    local manifest
    rm -f "$2"
    manifest=$(mktemp -d "$2.XXXXXX")
    mkdir "$manifest/META-INF"
    printf 'Manifest-Version: 1.0\r\nCreated-By: tests\r\n\r\n' > "$manifest/META-INF/MANIFEST.MF"
    (cd "$manifest" && zip -q -X -r "$2" META-INF/MANIFEST.MF)
    rm -rf "$manifest"
    (cd "$1" && zip -q -X -r "$2" . -x META-INF/MANIFEST.MF)
}

# peer_input NAME COMMAND [SOURCE...]: an input of tests/inputs/peer, left out with a word where its client is missing or gets no answer.
peer_input() {
    if ! command -v "$2" > /dev/null; then
        say "skipped  $1: no $2 here"
    elif ! (input "$1" "$root/tests/inputs/peer" "$1" "${@:3}"); then
        say "skipped  $1: $2 could not fetch it"
    fi
}
