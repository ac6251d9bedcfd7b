#!/usr/bin/env bash
# Runs the tests, and installs first what they need and is not there (with apt, as root or by sudo).
#
#   ./tests/run.sh                              the tests, against the memcached on the path
#   MEMCACHED=/path/to/memcached ./tests/run.sh the same against another build of the server
#   MEMCACHE_TESTS_OPERATIONS=1000 EQUIVALENCE_SEQUENCES=1000 ./tests/run.sh
#                                               with the long tests cut short
#   ./tests/run.sh ARGUMENTS...                 arguments go to cargo test, which runs one program at a time
set -euo pipefail

say() { printf '== %s\n' "$*"; }

install() {
    command -v apt-get >/dev/null || return 1
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        sudo=(sudo -n)
    fi
    [ -n "${updated:-}" ] || "${sudo[@]}" apt-get update -q >/dev/null || return 1
    updated=yes
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null
}

# The tests run in other directories than this.
if [ -n "${MEMCACHED:-}" ]; then
    found=$(command -v "$MEMCACHED") || { say "MEMCACHED=$MEMCACHED is no program" >&2; exit 1; }
    MEMCACHED=$(realpath "$found")
    export MEMCACHED
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"${version:-0 0}"
if [ "$major" -lt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -lt 85 ]; }; then
    say "Rust 1.85 or later is needed (https://rustup.rs); here: $(cargo --version 2>/dev/null || echo none)" >&2
    exit 1
fi
if [ -z "${MEMCACHED:-}" ] && ! command -v memcached >/dev/null; then
    say "installing memcached"
    install memcached || {
        say "memcached is not there and could not be installed: install it, or build it and set" \
            "MEMCACHED=/path/to/memcached" >&2
        exit 1
    }
fi
say "memcached: $("${MEMCACHED:-memcached}" -V)"

# Not all tests need these; those that do say so when they cannot run.
command -v strace >/dev/null || install strace || say "no strace: system calls are not counted"
# has_clients PYTHON CLIENT==VERSION...
has_clients() {
    "$1" - "${@:2}" 2>/dev/null <<'PYTHON'
import importlib, sys
from importlib.metadata import version
for client in sys.argv[1:]:
    name, wanted = client.split("==")
    importlib.import_module({"python-memcached": "memcache"}.get(name, name))
    if version(name) != wanted:
        sys.exit(1)
PYTHON
}
# install_clients DIRECTORY CLIENT==VERSION...: to a virtual environment, those that can be had.
install_clients() {
    local directory=$1 client
    shift
    say "installing $* to $directory"
    rm -rf "$directory"
    python3 -m venv "$directory" >/dev/null 2>&1 ||
        { install python3-venv && python3 -m venv "$directory"; } || return 0
    for client in "$@"; do
        "$directory/bin/pip" install -q "$client" 2>"$directory/pip.log" && continue
        # Where there is no wheel of it, pylibmc is built.
        case $client in pylibmc*)
            install libmemcached-dev zlib1g-dev gcc python3-dev &&
                "$directory/bin/pip" install -q "$client" 2>"$directory/pip.log" && continue ;;
        esac
        tail -n 5 "$directory/pip.log" >&2
    done
}
clients=(python-memcached==1.62 pymemcache==4.0.0 pylibmc==1.6.3)
# The tests use the Python that PYTHON names, else python3.
if ! has_clients "${PYTHON:-python3}" "${clients[@]}"; then
    installed="$PWD/target/python/bin/python3"
    has_clients "$installed" "${clients[@]}" || install_clients target/python "${clients[@]}"
    [ ! -x "$installed" ] || export PYTHON="$installed"
fi
# Clients that are there must not be passed over.
if has_clients "${PYTHON:-python3}" "${clients[@]}"; then
    export MEMCACHE_TESTS_PYTHON=required
else
    say "not all Python clients: nothing is compared with those that are missing"
fi
old=target/python-old
has_clients "$old/bin/python3" python-memcached==1.58 || install_clients "$old" python-memcached==1.58
if has_clients "$old/bin/python3" python-memcached==1.58; then
    export MEMCACHE_TESTS_PYTHON_OLD="$PWD/$old/bin/python3"
else
    say "no python-memcached 1.58: nothing is compared with it"
fi

say "cargo test"
tests=(cargo test --workspace --all-features)
# `wait -n -p` came with bash 5.1.
if [ $# -gt 0 ] || ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501)); then
    exec "${tests[@]}" "$@"
fi

# The programs run side by side, one more than there are processors, as most of them wait for servers and
# clocks. What a program says is shown when it has ended. No test needs the examples.
mkdir -p target/tests
"${tests[@]}" --tests --no-run --message-format json-render-diagnostics >target/tests/built.json
programs=$(sed -n 's|.*"manifest_path":"\([^"]*\)/Cargo.toml".*"profile":{[^}]*"test":true}.*"executable":"\([^"]*\)".*|\1\t\2|p' \
    target/tests/built.json)
# Those that take longest come first, so that none of them is left alone at the end.
long='threads|memory|interop|dropping|scenarios|client|server_equivalence'
queue=$(grep -E "/($long)-[0-9a-f]+\$" <<<"$programs"
    printf '%s\tdoc\n' "$PWD"
    grep -vE "/($long)-[0-9a-f]+\$" <<<"$programs")

declare -A running=()
failed=()
trap 'kill "${!running[@]}" 2>/dev/null || true' EXIT
# Waits for one of the programs and shows what it said.
reap() {
    local ended status=0
    wait -n -p ended "${!running[@]}" || status=$?
    local name=${running[$ended]}
    unset "running[$ended]"
    printf '\n== %s, after %s s\n' "$name" "$SECONDS"
    cat "target/tests/$name.log"
    [ "$status" = 0 ] || failed+=("$name (exit status $status)")
}
SECONDS=0
while IFS=$'\t' read -r directory program; do
    [ "${#running[@]}" -le "$(nproc)" ] || reap
    name=$(basename "$program")
    case $program in
        doc) "${tests[@]}" --doc >"target/tests/$name.log" 2>&1 & ;;
        *) (cd "$directory" && exec "$program") >"target/tests/$name.log" 2>&1 & ;;
    esac
    running[$!]=$name
done <<<"$queue"
while [ "${#running[@]}" -gt 0 ]; do reap; done
if [ "${#failed[@]}" -gt 0 ]; then
    printf '\n== failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
say "all tests passed, in $SECONDS s"
