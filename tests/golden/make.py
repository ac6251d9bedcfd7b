"""Writes the golden vectors: where the real libraries send keys.

    make.py DIRECTORY [CLIENT...]

writes CLIENT.txt for each client named, or for all: python_memcached, pylibmc, pymemcache. No server
is needed, and none is connected to.

The files are read by tests/golden.rs. Lines in brackets are headings, the others cases: `key` and the
key, with %XX for each byte that is no printable ASCII and for the percent sign, or `hash` and a number
that the caller gives in place of the key's hash; then what the library answers, column by column. A
server is the digit (above 9 the letter) that tells its place in the list.
"""

import ctypes
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
HASHES = [0, 1, 5, 32767, 4294967295, -1, -5, 2**63 - 1, -(2**63)]


def keys():
    """Every length to 40, each byte from 0x80, several scripts, what Python quotes, the longest."""
    yield from (b"a", b"ob", b"foo", b"bar", b"baz", b"key1", b"key2", b"some_key", b"0" * 250)
    yield from (b"it's", b'say"hi"', b"it's\"both\"", b"back\\slash", b"100%", b"%41", b"\\", b"'", b'"')
    yield from ("\u4f1a".encode(), "caf\u00e9".encode())
    yield from ("\u043a\u043b\u044e\u0447:1".encode(), "\U0001f511".encode())
    yield from ("\u00ff".encode(), "\u0100\u0101\u0102\u0103\u0104".encode(), "\u00e9".encode() * 125)
    for length in range(2, 41):
        yield bytes(0x21 + (7 * place + 13 * length) % 94 for place in range(length))
    yield from (bytes(range(first, first + 8)) for first in range(0x80, 0x100, 8))
    yield from (bytes([byte]) for byte in (0x7E, 0x80, 0xFF))
    yield bytes(0x80 + place % 128 for place in range(250))
    yield from (b"user:%d" % number for number in range(40))


def shown(key):
    plain = [0x21 <= byte <= 0x7E and byte != 0x25 for byte in key]
    return "".join(chr(byte) if is_plain else "%%%02X" % byte for byte, is_plain in zip(key, plain))


def case(kind, what, answers):
    """A line: "key" or "hash", which one, and what the library answers."""
    return " ".join([kind, what, *map(str, answers)])


def text(key):
    """The key as text, None where it is none."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def made_with(*what):
    return "# made with " + ", ".join(what) + ", Python " + platform.python_version()


def python_memcached():
    import memcache

    yield made_with("python-memcached " + version("python-memcached"))
    plain = memcache.cmemcache_hash

    def with_old_hash(call):
        memcache.useOldServerHashFunction()
        answer = call()
        memcache.serverHashFunction = plain
        return answer

    def with_hash_of_1_59(call):
        # `cmemcache_hash` ended in `or 1`.
        memcache.serverHashFunction = lambda key: plain(key) or 1
        answer = call()
        memcache.serverHashFunction = plain
        return answer

    hashes = [lambda call: call(), with_hash_of_1_59, with_old_hash]

    yield "[hashes Crc32 Crc32NonZero Crc32Whole]"
    for key in [b"", *keys()]:
        yield case("key", shown(key), [under(lambda: memcache.serverHashFunction(key)) for under in hashes])

    for weights in [[1], [1, 1, 1], [3, 1, 0], [-1, 2, 1], [1, 2, 3, 4, 0, 7], [0, 5], [1] * 12]:
        servers = [("10.0.0.%d" % (place + 1), weight) for place, weight in enumerate(weights)]
        client = memcache.Client(servers)
        tried = []
        for place, server in enumerate(client.servers):
            server.connect = lambda place=place: tried.append(DIGITS[place])

        def tries(key):
            tried.clear()
            assert client._get_server(key) == (None, None)
            return "".join(tried)

        yield "[servers " + " ".join(map(str, weights)) + "]"
        for key in keys():
            yield case("key", shown(key), [under(lambda: tries(key)) for under in hashes])
        for number in HASHES:
            yield case("hash", str(number), [under(lambda: tries((number, b"k"))) for under in hashes])


def pylibmc_client(servers, behaviors, name):
    """A client with these behaviors and this hash; "late" are those set once it has its servers."""
    from pylibmc import Client

    if "late" not in behaviors:
        return Client(servers, behaviors={**behaviors, "hash": name})
    client = Client(servers)
    client.set_behaviors({**behaviors["late"], "hash": name})
    return client


def pylibmc():
    import pylibmc

    # The library that pylibmc itself has loaded.
    with open("/proc/self/maps") as maps:
        [path] = {line.split()[-1] for line in maps if "/libmemcached" in line}
    library = ctypes.CDLL(path)
    library.memcached_generate_hash.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.memcached_generate_hash.restype = ctypes.c_uint32
    library.memcached_generate_hash_value.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    library.memcached_generate_hash_value.restype = ctypes.c_uint32

    def server_of(client, key):
        # A client's first field is its memcached_st.
        handle = ctypes.c_void_p.from_address(id(client) + object.__basicsize__)
        return library.memcached_generate_hash(handle, key, len(key))

    yield made_with("pylibmc " + version("pylibmc"), "libmemcached " + pylibmc.libmemcached_version)
    names = ["default", "md5", "crc", "fnv1_64", "fnv1a_64", "fnv1_32", "fnv1a_32", "murmur", "jenkins"]
    numbers = [pylibmc.hashers[name] for name in names]

    yield "[hashes " + " ".join([*names, "murmur3"]) + "]"
    for key in [b"", *keys()]:
        # pylibmc has no name for murmur3, libmemcached's number 10.
        hash_of = library.memcached_generate_hash_value
        yield case("key", shown(key), [hash_of(key, len(key), number) for number in [*numbers, 10]])

    # Each with each hash.
    settings = [
        {},
        {"distribution": "modula"},
        {"ketama": False},
        {"ketama": True, "distribution": "modula"},
        {"ketama": True},
        {"ketama": True, "ketama_hash": "md5"},
        {"ketama_weighted": False},
        {"distribution": "consistent"},
        {"distribution": "consistent ketama"},
        {"late": {"ketama": True}},
        {"late": {"distribution": "consistent"}},
        {"distribution": "consistent weighted"},
        {"late": {"distribution": "consistent weighted"}},
        {"ketama_weighted": True},
        {"ketama": True, "ketama_weighted": True},
        {"late": {"ketama_weighted": True}},
        {"ketama_weighted": True, "distribution": "consistent"},
        {"ketama_weighted": True, "distribution": "modula"},
    ]

    for servers in [
        "10.0.0.1:11211",
        "10.0.0.1:11211 10.0.0.2:11211",
        "10.0.0.1 10.0.0.1:11212 cache-3.example.com:11211 10.0.0.4:5",
        "10.0.0.1:11211:0 10.0.0.2:11211:0 10.0.0.3:11211:0",
        "10.0.0.1:11211:3 10.0.0.2:11212:1 10.0.0.3:11213:2",
        # The first has no point.
        "10.0.0.1:11211:1 10.0.0.2:11211:1000 10.0.0.3:11212:50 10.0.0.4:11211:333",
        "[::1]:11211 [::1]:11212 [fe80::1]:11211",
        "/run/memcached.sock /tmp/a.sock /tmp/b.sock",
        # In single precision a server of these has a label less than in double.
        " ".join("10.1.0.%d:11211" % number for number in range(1, 26)),
    ]:
        columns = {}
        for behaviors in settings:
            clients = [pylibmc_client(servers.split(), behaviors, name) for name in names]
            column = ("".join(DIGITS[server_of(client, key)] for client in clients) for key in keys())
            columns.setdefault(tuple(column), []).append(behaviors)
        yield "[servers " + servers + "]"
        # Settings that come to the same share a column.
        for equal in columns.values():
            yield "[column " + " | ".join(map(json.dumps, equal)) + "]"
        for key, answers in zip(keys(), zip(*columns)):
            yield case("key", shown(key), answers)


def pymemcache():
    from pymemcache.client.hash import HashClient

    def ranking(servers, key):
        hasher = HashClient(servers).hasher
        # A server given twice is one node.
        places = {node_of(server): servers.index(server) for server in servers}
        ranked = ""
        while hasher.nodes and len(ranked) < 10:
            node = hasher.get_node(key)
            hasher.remove_node(node)
            ranked += DIGITS[places[node]]
        return ranked

    def node_of(server):
        [node] = HashClient([server]).hasher.nodes
        return node

    yield made_with("pymemcache " + version("pymemcache"))
    for servers in [
        "127.0.0.1:1",
        "127.0.0.1:1 127.0.0.1:2 127.0.0.1:3",
        "cache-1.example.com cache-2.example.com:11212 [::1]:11211 unix:/run/memcached.sock",
        "10.0.0.1:11211 10.0.0.1:11211 10.0.0.2:11211",
        # These two have the same score for "foo".
        "10.0.0.1:11596 10.0.0.7:22324",
        "10.0.0.7:22324 10.0.0.1:11596",
        " ".join("10.1.0.%d:11211" % number for number in range(1, 13)),
    ]:
        servers = servers.split()
        yield "[servers " + " ".join(servers) + "]"
        yield "[column text]"
        yield "[column bytes]"
        for key in keys():
            as_text = "-" if text(key) is None else ranking(servers, text(key))
            yield case("key", shown(key), [as_text, ranking(servers, key)])
        for number in HASHES:
            yield case("hash", str(number), [ranking(servers, number)] * 2)


def main(directory, *clients):
    makers = {"python_memcached": python_memcached, "pylibmc": pylibmc, "pymemcache": pymemcache}
    for name in clients or makers:
        lines = "".join(line + "\n" for line in makers[name]())
        Path(directory, name + ".txt").write_bytes(lines.encode("ascii"))


if __name__ == "__main__":
    main(*sys.argv[1:])
