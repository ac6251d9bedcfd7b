"""pymemcache's calls: pymemcache_base.py ADDRESS"""

import re
import sys
import time

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient

from transcript import Transcript


def main(address):
    host, port = address.split(":")
    out = Transcript()
    call = out.call
    mc = Client((host, int(port)), default_noreply=False, connect_timeout=5, timeout=5)

    # A cas id is masked: two servers count differently.
    def gets(key):
        value, cas = mc.gets(key)
        return value, re.sub(rb"\d+", b"N", cas or b"")

    def gets_many(keys):
        return {key: value for key, (value, _) in mc.gets_many(keys).items()}

    call("flush_all", mc.flush_all)
    call("version is text", lambda: isinstance(mc.version(), bytes))
    for key, value in (("text", "hello"), ("bytes", b"\x00\r\nEND\r\n"), ("empty", b""), ("int", 42)):
        call("set", mc.set, key, value)
        call("get", mc.get, key)
        call("gets", gets, key)
    call("set non-ascii", mc.set, "bad", "caf\u00e9")
    call("get", mc.get, "missing")
    call("get", mc.get, "missing", "a default")
    call("gets", mc.gets, "missing")
    call("get_many", mc.get_many, ["text", "bytes", "missing"])
    call("get_many", mc.get_many, [])
    call("gets_many", gets_many, ["text", "bytes", "missing"])

    for verb in ("add", "replace", "append", "prepend"):
        function = getattr(mc, verb)
        for noreply in (False, True):
            call("delete", mc.delete, "verb")
            call(verb, function, "verb", "one", noreply=noreply)
            call("get", mc.get, "verb")
            call("set", mc.set, "verb", "two")
            call(verb, function, "verb", "three", noreply=noreply)
            call("get", mc.get, "verb")

    call("set_many", mc.set_many, {"m1": "1", "m2": b"2", "m3": "three"})
    call("get_many", mc.get_many, ["m1", "m2", "m3", "m4"])
    call("delete_many", mc.delete_many, ["m1", "m2", "m4"])
    call("get_many", mc.get_many, ["m1", "m2", "m3"])
    call("set_many quiet", mc.set_many, {"m1": "x", "m2": "y"}, noreply=True)
    call("get_many", mc.get_many, ["m1", "m2", "m3"])
    call("delete_many quiet", mc.delete_many, ["m1", "m2"], noreply=True)
    call("get_many", mc.get_many, ["m1", "m2", "m3"])
    many = {"many:%d" % n: b"value %d" % n for n in range(3000)}
    call("set_many", lambda: mc.set_many(many))
    call("same get_many", lambda: mc.get_many(list(many)) == many)
    call("set_many quiet", lambda: mc.set_many(many, noreply=True))
    call("same get_many", lambda: mc.get_many(list(many)) == many)
    call("delete_many", lambda: mc.delete_many(list(many)))

    call("set", mc.set, "counter", "10")
    for name, delta in (("incr", 1), ("incr", 5), ("decr", 7), ("decr", 100), ("incr", 0),
                        ("incr", 2 ** 64 - 1), ("incr", 2), ("incr", 2 ** 64), ("incr", -1)):
        call(name, getattr(mc, name), "counter", delta)
        call("get", mc.get, "counter")
    call("incr", mc.incr, "missing", 1)
    call("decr", mc.decr, "missing", 1)
    call("incr of text", mc.incr, "text", 1)
    call("decr of text", mc.decr, "text", 1)
    call("incr quiet", mc.incr, "counter", 10, noreply=True)
    call("decr quiet", mc.decr, "counter", 1, noreply=True)
    call("get", mc.get, "counter")

    call("set", mc.set, "cas", "1")
    unique = mc.gets("cas")[1]
    call("cas", lambda: mc.cas("cas", "2", unique))
    call("cas again", lambda: mc.cas("cas", "3", unique))
    call("get", mc.get, "cas")
    call("cas of nothing", lambda: mc.cas("missing", "3", unique))
    call("cas of a word", mc.cas, "cas", "3", "word")
    unique = mc.gets("cas")[1]
    call("cas quiet", lambda: mc.cas("cas", "4", unique, noreply=True))
    call("get", mc.get, "cas")

    call("delete", mc.delete, "text")
    call("delete", mc.delete, "text")
    call("delete quiet", mc.delete, "cas", noreply=True)
    call("get", mc.get, "cas")
    call("touch", mc.touch, "int", 100)
    call("touch", mc.touch, "missing", 100)
    call("touch quiet", mc.touch, "int", 100, noreply=True)
    call("touch of a word", mc.touch, "int", "word")
    call("get", mc.get, "int")
    call("set quiet", mc.set, "int", "43", noreply=True)
    call("get", mc.get, "int")

    for size in (1000, 100_000, 1_000_000, 1024 * 1024 - 512):
        call("set large", mc.set, "large", b"x" * size)
        call("get large", mc.get, "large")
    call("set too large", mc.set, "large", b"x" * (1024 * 1024))
    call("get", mc.get, "large")
    call("add too large", mc.add, "larger", b"x" * (2 * 1024 * 1024))
    call("get", mc.get, "larger")

    for key in ("a b", "k" * 251, "k" * 250, "caf\u00e9", b"raw", "tab\tx", "new\nline", "nul\0"):
        call("set key", mc.set, key, "v")
        call("get key", mc.get, key)
    for flags in (0, 1, 16, 65535, 2 ** 32 - 1):
        call("set flags", mc.set, "flags", "v", flags=flags)
        call("raw get", mc.raw_command, "get flags", "END\r\n")

    for command in ("bogus", "get", "verbosity 1", "version 1", "incr counter x", "touch", "set a b c d",
                    "delete a 0", "verbosity", "flush_all x y z", "incr", "cas a 0 0 1"):
        fresh = Client((host, int(port)), timeout=0.5)
        call("raw " + command, fresh.raw_command, command)
        fresh.close()

    for name, expiry in (("e-past", -1), ("e-one", 1), ("e-day", 86400), ("e-30", 2592000),
                         ("e-old", 2592001), ("e-abs", int(time.time()) + 1),
                         ("e-far", int(time.time()) + 100)):
        mc.set(name, "v", expire=expiry)
    call("gat away", mc.touch, "int", -1)
    call("get", mc.get, "int")
    time.sleep(2.2)
    for name in ("e-past", "e-one", "e-day", "e-30", "e-old", "e-abs", "e-far"):
        call("get expiring", mc.get, name)

    # Names that any server has; values are masked.
    wanted = {b"pid", b"uptime", b"version", b"curr_items", b"cmd_get", b"cmd_set", b"get_hits"}
    out.note("stats names", sorted(wanted & set(mc.stats())))
    call("stats reset", mc.stats, "reset")
    out.note("stats settings", b"maxbytes" in mc.stats("settings"))
    call("cache_memlimit", mc.cache_memlimit, 64)

    pickling = Client((host, int(port)), serde=serde.pickle_serde, default_noreply=False)
    for value in ("text", b"bytes", 7, 2 ** 100, 1.5, None, ["a", {"b": 1}], True):
        call("set serde", pickling.set, "serde", value)
        call("get serde", pickling.get, "serde")
    packed = Client((host, int(port)), serde=serde.compressed_serde, default_noreply=False)
    call("set compressed", packed.set, "packed", "a" * 100_000)
    call("get compressed", packed.get, "packed")
    prefixed = Client((host, int(port)), key_prefix=b"pre:", default_noreply=False)
    call("set prefixed", prefixed.set, "p", "1")
    call("get_many prefixed", prefixed.get_many, ["p", "q"])
    call("get", mc.get, "pre:p")

    pooled = PooledClient((host, int(port)), max_pool_size=4)
    call("pooled set", pooled.set, "pool", "1", noreply=False)
    call("pooled get", pooled.get, "pool")
    hashed = HashClient([(host, int(port))], default_noreply=False)
    call("hashed set", hashed.set, "hash", "1")
    call("hashed get_many", hashed.get_many, ["hash", "none"])

    call("flush_all quiet", mc.flush_all, noreply=True)
    call("get", mc.get, "m3")
    call("set after flush", mc.set, "after", "1")
    # Of three seconds, as one may pass at any time: memcached counts whole ones, from before the command.
    call("flush_all later", mc.flush_all, 3)
    call("get", mc.get, "after")
    time.sleep(4.2)
    call("get", mc.get, "after")
    call("quit", mc.quit)
    call("get after quit", mc.get, "after")
    out.print()


main(sys.argv[1])
