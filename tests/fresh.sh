#!/usr/bin/env bash
# Makes crates outside of the workspace, one for each runtime and each feature alone, whose code is that of README.md,
# and runs them against memcached. MEMCACHED=/path/to/memcached names another build of it.
#
#   tests/fresh.sh              all of them
#   tests/fresh.sh sync tokio   these alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repository=$PWD
readme=${README:-README.md}
only=("$@")
memcached=${MEMCACHED:-memcached}
export CARGO_TARGET_DIR="$repository/target/fresh" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
# A mistake of the README is told by rustc, its warnings are not.
export RUSTFLAGS="${RUSTFLAGS:-} -A warnings"

scratch=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
fail() { printf 'README.md: %s\n' "$*" >&2; exit 1; }

# serve ARGUMENTS...: starts memcached on a free port, and sets `port`.
serve() {
    local attempt
    for attempt in {1..50}; do
        port=$((20000 + RANDOM % 20000))
        local user=()
        [ "$(id -u)" != 0 ] || user=(-u root)
        "$memcached" "${user[@]}" -l 127.0.0.1 -U 0 -p "$port" "$@" 2>>"$scratch/memcached.log" &
        local pid=$! waited
        for waited in {1..50}; do
            kill -0 "$pid" 2>/dev/null || continue 2
            if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                servers+=("$pid")
                return 0
            fi
            sleep 0.1
        done
        kill "$pid" 2>/dev/null || true
    done
    return 1
}
serve || fail "memcached does not start: $(tail -n 3 "$scratch/memcached.log")"
first=127.0.0.1:$port
serve
second=127.0.0.1:$port

# block TEXT: the Rust code of the README that has a line with this text, with addresses that are there. The code of a
# crate is in one block, so two that have the text are a mistake of this script.
block() {
    local code
    code=$(awk -v text="$1" '
        /^```rust$/ { inside = 1; code = ""; hit = 0; next }
        /^```$/ { if (inside && hit) { count++; found = found code }; inside = 0 }
        inside { code = code $0 "\n"; if (index($0, text)) hit = 1 }
        END { if (count != 1) exit 1; printf "%s", found }' "$readme") ||
        fail "not one block of Rust has the line: $1"
    code=${code//10.0.0.2:11212/$second}
    code=${code//10.0.0.1/$first}
    printf '%s\n' "$code"
}

# crate NAME DEPENDENCIES: a crate whose main.rs is stdin, built and run. `cargo tree` must not show what matches `without`.
crate() {
    if [ ${#only[@]} != 0 ] && [[ " ${only[*]} " != *" $1 "* ]]; then
        cat >/dev/null
        return
    fi
    local directory=$scratch/$1
    mkdir -p "$directory/src"
    # The versions are those of the workspace, which have been fetched.
    cp Cargo.lock "$directory"
    printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n[dependencies]\n%s\n' \
        "$1" "$2" >"$directory/Cargo.toml"
    cat >"$directory/src/main.rs"
    local began=$SECONDS
    (cd "$directory" && MEMCACHED_URL="memcached://$first" timeout 300 cargo run -q) ||
        fail "its code does not hold in the crate $1: $2"
    if [ -n "${without:-}" ] && (cd "$directory" && cargo tree -e normal) | grep -E "$without"; then
        fail "the crate $1 builds what it did not ask for: $2"
    fi
    printf '%s: %s s\n' "$1" $((SECONDS - began))
}
# main: the program that does what stdin says.
main() {
    printf 'fn main() -> Result<(), Box<dyn std::error::Error>> {\n'
    cat
    printf 'Ok(())\n}\n'
}
# within BLOCK_ON: the future that does what stdin says, in the call of this.
within() {
    printf '%s\n' "$1(async {"
    cat
    printf 'Ok::<(), Box<dyn std::error::Error>>(())\n})?;\n'
}
use_sync='use std::time::Duration; use memcache_sync::{Client, Expiry};'
sync="memcache-sync = { path = \"$repository/memcache-sync\""
async="memcache-async = { path = \"$repository/memcache-async\""
alone='default-features = false, features'

{
    block 'weighted_server("10.0.0.2:11212", 2)'
    printf 'fn render() -> Result<String, memcache_sync::Error> { Ok("the page".into()) }\n'
    block 'client.invalidate("front page", None)'
    block 'users.invalidate_all()'
    printf '{\n'
    block 'Client::from_env()'
    printf 'client.set("answer", 42, Expiry::Never)?;\n}\n'
} | main | crate sync "$sync }"

block 'feature json' | main | crate sync-json "$sync, $alone = [\"json\"] }"

{
    printf '%s\n' "$use_sync"
    block 'feature log'
    printf 'client.set("answer", 42, Expiry::Never)?;\n'
} | main | crate sync-log "$sync, $alone = [\"log\"] }"

{
    printf '%s\n' "$use_sync"
    block 'feature tracing'
    printf 'client.set("answer", 42, Expiry::Never)?;\n'
} | main | crate sync-tracing "$sync, $alone = [\"tracing\"] }"

block 'crate metrics' | main | crate sync-metrics "$sync, $alone = [\"metrics\", \"tracing\"] }"

{
    printf '%s\n' "$use_sync"
    block 'let server = Server::start()?'
    printf 'client.set("answer", 42, Expiry::Never)?;\n'
} | main | crate sync-server "$sync, $alone = [\"server\"] }"

# Whoever uses the classic commands alone needs nothing.
without='^.*(rustls|ring|serde|tracing|smol|tokio) v'
{
    block 'weighted_server("10.0.0.2:11212", 2)'
} | main | crate sync-bare "$sync, default-features = false }"
without=

tls_of() {
    block 'Tls::new().ca_file('
}
tls() {
    local code
    code=$(tls_of)
    code=${code//\/etc\/memcached\/ca.pem/$scratch/ca.pem}
    code=${code//cache.example.org/$1}
    printf '%s\n' "$code"
}
if command -v openssl >/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=ca -keyout "$scratch/ca.key" -out "$scratch/ca.pem" 2>/dev/null &&
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$scratch/server.key" \
        -out "$scratch/server.csr" 2>/dev/null &&
    openssl x509 -req -in "$scratch/server.csr" -CA "$scratch/ca.pem" -CAkey "$scratch/ca.key" -CAcreateserial \
        -days 2 -extfile <(printf 'subjectAltName=DNS:localhost') -out "$scratch/server.pem" 2>/dev/null &&
    serve -Z -o "ssl_chain_cert=$scratch/server.pem" -o "ssl_key=$scratch/server.key"; then
    {
        tls "localhost:$port"
        printf 'client.set("answer", 42, memcache_sync::Expiry::Never)?;\n'
        printf 'assert_eq!(client.get::<u64>("answer")?, Some(42));\n'
    } | main | crate sync-tls "$sync, $alone = [\"tls\"] }"
else
    printf 'no openssl, or a memcached without TLS: the lines for TLS are compiled and not run\n'
    { printf 'if false {\n'; tls cache.example.org; printf '}\n'; } |
        main | crate sync-tls "$sync, $alone = [\"tls\"] }"
fi

block 'let client = Client::new(["10.0.0.1", "10.0.0.2:11212"])?' | within smol::block_on |
    main | crate smol "$async }
smol = \"2\""

without='smol|async-std|async-io'
block 'Client::tokio([' | within 'tokio::runtime::Runtime::new()?.block_on' |
    main | crate tokio "$async, $alone = [\"tokio\"] }
tokio = { version = \"1\", default-features = false, features = [\"rt-multi-thread\"] }"

without='(smol|tokio) v'
block 'Builder::new(AsyncStd)' | within async_std::task::block_on |
    main | crate async-std "$async, $alone = [\"async-std\"] }
async-std = \"1\""
without=

{
    code=$(block 'let server = Server::start()?')
    printf '%s\n' "use memcache_async::Client; ${code//memcache_sync/memcache_async}"
    printf 'client.set("answer", 42, memcache_async::Expiry::Never).await?;\n'
} | within smol::block_on | main | crate async-server "$async, $alone = [\"server\", \"smol\"] }
smol = \"2\""

without='(memcache-sync|rustix|smol|tokio) v'
block 'use memcache_proto::codec::Command' | main |
    crate proto "memcache-proto = { path = \"$repository/memcache-proto\", default-features = false }"
for name in "${only[@]}"; do
    [ -e "$scratch/$name/src/main.rs" ] || { echo "there is no crate $name here" >&2; exit 2; }
done
printf 'README.md holds in fresh crates, in %s s\n' "$SECONDS"
