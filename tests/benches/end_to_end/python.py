"""Makes the calls of a row with pylibmc or python-memcached: python.py MODULE ADDRESS.

A line "COUNT ROW" on the standard input is answered by the seconds that the calls took and those of the
processor among them.
"""

import importlib
import sys
import time

KEYS = ["session:%07d" % number for number in range(1000)]
VALUES = [key.ljust(100, ".").encode() for key in KEYS]
MANY = 100


def positions(room):
    state = 1
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        yield state % room


def connect(module, address):
    memcache = importlib.import_module(module)
    if module == "pylibmc":
        return memcache.Client([address.removeprefix("unix:")], behaviors={"tcp_nodelay": True})
    # It would refuse to read what is longer than the default limit of a server's items.
    return memcache.Client([address], server_max_value_length=2 << 20)


class Watch:
    def __init__(self):
        self.wall = self.cpu = 0

    def start(self):
        self.began = time.perf_counter(), time.process_time()

    def stop(self):
        self.wall += time.perf_counter() - self.began[0]
        self.cpu += time.process_time() - self.began[1]


def run(client, row, count, watch):
    one, many = positions(len(KEYS)), positions(len(KEYS) - MANY + 1)
    batches = (slice(at, at + MANY) for at in many)
    watch.start()
    if row in ("get", "set", "mixed"):
        for number in range(count):
            at = next(one)
            if row == "set" or row == "mixed" and number % 10 == 9:
                assert client.set(KEYS[at], VALUES[at])
            else:
                assert client.get(KEYS[at]) == VALUES[at]
    elif row == "get x 100, map":
        for _ in range(count):
            assert len(client.get_multi(KEYS[next(batches)])) == MANY
    elif row in ("set x 100", "delete x 100"):
        for _ in range(count):
            watch.stop()
            part = next(batches)
            keys, items = KEYS[part], dict(zip(KEYS[part], VALUES[part]))
            if row == "delete x 100":
                client.set_multi(items)
            watch.start()
            if row == "set x 100":
                assert not client.set_multi(items)
            else:
                assert client.delete_multi(keys)
    elif row == "get 1 MiB":
        for _ in range(count):
            assert len(client.get("large")) == 1 << 20
    else:
        raise ValueError(row)
    watch.stop()


def main():
    client = connect(*sys.argv[1:])
    for line in sys.stdin:
        count, row = line.rstrip("\n").split(" ", 1)
        watch = Watch()
        run(client, row, int(count), watch)
        print(watch.wall, watch.cpu, flush=True)


main()
