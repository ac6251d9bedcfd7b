"""python-memcached's calls: python_memcached.py ADDRESS"""

import sys
import time

import memcache

from transcript import Transcript


class Thing:
    def __init__(self, n):
        self.n = n

    def __eq__(self, other):
        return self.n == other.n

    def __repr__(self):
        return "Thing(%d)" % self.n


def main(address):
    out = Transcript()
    mc = memcache.Client([address], cache_cas=True)
    call = out.call

    call("flush_all", mc.flush_all)
    values = {
        "text": "hello", "empty": "", "unicode": "caf\u00e9 \u4f1a", "bytes": b"\x00\xff\r\nEND\r\n",
        "int": 42, "negative": -7, "long": 2 ** 200, "float": 1.5, "none": None, "list": [1, "a", None],
        "thing": Thing(3), "true": True, "crlf": "a\r\nb", "space": " x ",
    }
    for key, value in values.items():
        call("set", mc.set, key, value)
        call("get", mc.get, key)
    call("get", mc.get, "missing")
    call("get", mc.get, "missing", "a default")
    call("get_multi", mc.get_multi, list(values) + ["missing"])

    for verb in ("add", "replace", "append", "prepend"):
        function = getattr(mc, verb)
        call(verb, function, "absent-" + verb, "one")
        call("get", mc.get, "absent-" + verb)
        call("set", mc.set, "present", "two")
        call(verb, function, "present", "three")
        call("get", mc.get, "present")

    call("set_multi", mc.set_multi, {"m1": 1, "m2": "two", "m3": b"three"})
    call("get_multi", mc.get_multi, ["m1", "m2", "m3", "m4"])
    call("set_multi", mc.set_multi, {"a": 1, "b": "2", 3: "three"}, key_prefix="pre:")
    call("get_multi", mc.get_multi, ["a", "b", 3, "none"], key_prefix="pre:")
    call("get", mc.get, "pre:a")
    call("delete_multi", mc.delete_multi, ["m1", "m2", "m4"])
    call("get_multi", mc.get_multi, ["m1", "m2", "m3", "m4"])
    call("delete_multi", mc.delete_multi, ["a", "b"], key_prefix="pre:")
    many = {"many:%d" % n: "value %d" % n for n in range(5000)}
    call("len set_multi", lambda: len(mc.set_multi(many)))
    call("same get_multi", lambda: mc.get_multi(list(many)) == many)
    call("delete_multi", lambda: mc.delete_multi(list(many)))
    call("len get_multi", lambda: len(mc.get_multi(list(many))))

    call("set", mc.set, "counter", "10")
    for name, args in (("incr", ()), ("incr", (5,)), ("decr", ()), ("decr", (10,)), ("decr", (100,)),
                       ("incr", (0,)), ("incr", (2 ** 64 - 1,)), ("incr", (2,)), ("incr", (-1,)),
                       ("incr", ("x",))):
        call(name, getattr(mc, name), "counter", *args)
        call("get", mc.get, "counter")
    call("set", mc.set, "counter", 99)
    call("incr", mc.incr, "counter")
    call("get", mc.get, "counter")
    call("decr", mc.decr, "counter", 95)
    call("get", mc.get, "counter")
    call("incr", mc.incr, "no-counter")
    call("decr", mc.decr, "no-counter")
    call("incr of text", mc.incr, "text")
    call("after it", mc.get, "text")

    call("set", mc.set, "cas", "1")
    call("gets", mc.gets, "cas")
    call("cas", mc.cas, "cas", "2")
    call("get", mc.get, "cas")
    call("gets", mc.gets, "cas")
    other = memcache.Client([address])
    call("set by another", other.set, "cas", "3")
    call("cas", mc.cas, "cas", "4")
    call("get", mc.get, "cas")
    call("reset_cas", mc.reset_cas)
    call("cas without an id", mc.cas, "cas", "5")
    call("get", mc.get, "cas")
    call("gets", mc.gets, "gone")
    call("gets", mc.gets, "cas")
    call("delete", mc.delete, "cas")
    call("cas", mc.cas, "cas", "6")

    call("delete", mc.delete, "text")
    call("delete", mc.delete, "text")
    call("get", mc.get, "text")
    call("touch", mc.touch, "int", 100)
    call("touch", mc.touch, "missing", 100)
    call("touch", mc.touch, "int")
    call("get", mc.get, "int")

    call("noreply set", mc.set, "quiet", "1", noreply=True)
    call("get", mc.get, "quiet")
    call("noreply incr", mc.incr, "quiet", 1, noreply=True)
    call("get", mc.get, "quiet")
    call("noreply append", mc.append, "quiet", "5", noreply=True)
    call("get", mc.get, "quiet")
    call("noreply add", mc.add, "quiet", "x", noreply=True)
    call("noreply touch", mc.touch, "quiet", 100, noreply=True)
    call("noreply set_multi", mc.set_multi, {"q1": "1", "q2": "2"}, noreply=True)
    call("get_multi", mc.get_multi, ["quiet", "q1", "q2"])
    call("noreply delete", mc.delete, "quiet", noreply=True)
    call("noreply delete_multi", mc.delete_multi, ["q1", "q2"], noreply=True)
    call("get_multi", mc.get_multi, ["quiet", "q1", "q2"])

    for size in (1000, 100_000, 1_000_000, 1024 * 1024 - 512):
        call("set large", mc.set, "large", b"x" * size)
        call("get large", mc.get, "large")
    call("set 1 MiB", mc.set, "large", b"x" * (1024 * 1024))
    call("get", mc.get, "large")
    call("set more", mc.set, "large", b"x" * (1024 * 1024 + 1))
    call("set compressed", mc.set, "packed", "y" * 3_000_000, min_compress_len=100)
    call("get", mc.get, "packed")
    call("set_multi compressed", mc.set_multi, {"p1": "z" * 1000, "p2": "short"}, min_compress_len=100)
    call("get_multi", mc.get_multi, ["p1", "p2"])

    for key in ("a b", "", "k" * 251, "k" * 250, "tab\t", "\u4f1a", b"raw", "caf\u00e9", 17, "del\x7f"):
        call("set key", mc.set, key, "v")
        call("get key", mc.get, key)

    for name, expiry in (("e-past", -1), ("e-one", 1), ("e-day", 86400), ("e-30", 2592000),
                         ("e-old", 2592001), ("e-abs", int(time.time()) + 1),
                         ("e-far", int(time.time()) + 100)):
        mc.set(name, "v", time=expiry)
    call("touch away", mc.touch, "int", -1)
    call("get", mc.get, "int")
    time.sleep(2.2)
    for name in ("e-past", "e-one", "e-day", "e-30", "e-old", "e-abs", "e-far"):
        call("get expiring", mc.get, name)

    # The names of those that any server has; values are masked.
    stats = mc.get_stats()
    out.note("stats servers", len(stats))
    wanted = {"pid", "uptime", "time", "version", "curr_items", "total_items", "bytes", "cmd_get",
              "cmd_set", "get_hits", "get_misses", "delete_hits", "incr_hits", "decr_misses",
              "cas_hits", "cas_badval", "touch_hits", "curr_connections", "limit_maxbytes"}
    out.note("stats names", sorted(wanted & set(stats[0][1])))
    out.note("settings", bool(mc.get_stats("settings")))
    call("slab stats", lambda: len(mc.get_slab_stats()))

    call("flush_all", mc.flush_all)
    call("get", mc.get, "unicode")
    call("set after flush", mc.set, "after", "1")
    call("get", mc.get, "after")
    call("disconnect_all", mc.disconnect_all)
    call("get", mc.get, "after")
    call("quit_all", mc.quit_all)
    out.print()


main(sys.argv[1])
