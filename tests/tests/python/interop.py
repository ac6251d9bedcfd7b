"""python-memcached as the other end: interop.py ADDRESS write|read

`write` stores what the test reads; `read` prints what the test has stored, and its types."""

import json
import sys

import memcache

from transcript import show

VALUES = {
    "py:text": "caf\u00e9 \u4f1a", "py:empty": "", "py:bytes": b"\x00\xff\r\n", "py:int": 42,
    "py:negative": -7, "py:long": 2 ** 200, "py:compressed": "a" * 100_000,
    "py:compressed-bytes": b"b" * 100_000, "py:list": [1, 2],
}


def main(address, mode):
    mc = memcache.Client(address.split(","))
    if mode == "write":
        for key, value in VALUES.items():
            assert mc.set(key, value, min_compress_len=1000 if "compressed" in key else 0), key
        assert not mc.set_multi({"py:many:%d" % n: n for n in range(1000)})
        print("{}")
    else:
        keys = [line.strip() for line in sys.stdin]
        json.dump({key: show(value) for key, value in mc.get_multi(keys).items()}, sys.stdout)


main(*sys.argv[1:])
