"""Stores every key of the golden vectors through one of the clients.

    store.py CLIENT SETTINGS VALUE SERVER...

SETTINGS is JSON: for pylibmc its behaviors, with "late" as in make.py, and "hash"; for pymemcache
whether "keys" are "text" or "bytes"; for python_memcached the "weights".
"""

import json
import sys

import make


def python_memcached(settings, servers):
    import memcache

    client = memcache.Client([*zip(servers, settings["weights"])])
    return make.keys(), client.set


def pylibmc(settings, servers):
    client = make.pylibmc_client(servers, settings, settings.pop("hash", "default"))
    return make.keys(), client.set


def pymemcache(settings, servers):
    from pymemcache.client.hash import HashClient

    client = HashClient(servers, allow_unicode_keys=True, default_noreply=False)
    if settings["keys"] == "bytes":
        return make.keys(), client.set
    return filter(None, map(make.text, make.keys())), client.set


def main(name, settings, value, *servers):
    clients = {"python_memcached": python_memcached, "pylibmc": pylibmc, "pymemcache": pymemcache}
    keys, store = clients[name](json.loads(settings), servers)
    for key in keys:
        if not store(key, value):
            sys.exit(f"{key!r} was not stored")


if __name__ == "__main__":
    main(*sys.argv[1:])
