#!/usr/bin/env bash
# Runs the tests, and installs first what they need and is not there (with apt, as root or by sudo).
#
#   ./tests/run.sh                              the tests, against the memcached on the path
#   MEMCACHED=/path/to/memcached ./tests/run.sh the same against another build of the server
#   MEMCACHE_TESTS_OPERATIONS=1000 EQUIVALENCE_SEQUENCES=1000 ./tests/run.sh
#                                               with the long tests cut short
#   ./tests/run.sh ARGUMENTS...                 arguments go to cargo test
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
has_clients() {
    "$1" - 2>/dev/null <<'PYTHON'
from importlib.metadata import version
import memcache, pymemcache
assert version("python-memcached") == "1.62" and version("pymemcache") == "4.0.0"
PYTHON
}
if ! has_clients python3; then
    python=target/python
    if ! has_clients "$python/bin/python3"; then
        say "installing the Python clients to $python"
        rm -rf "$python"
        { python3 -m venv "$python" >/dev/null 2>&1 || { install python3-venv && python3 -m venv "$python"; }; } &&
            "$python/bin/pip" install -q python-memcached==1.62 pymemcache==4.0.0 || true
    fi
    if has_clients "$python/bin/python3"; then
        PATH="$PWD/$python/bin:$PATH"
        export PATH
    else
        say "no Python clients: nothing is compared with them"
    fi
fi

say "cargo test"
cargo test --workspace --all-features "$@"
