"""Makes calls of a client library for a test in another language: driver.py

A line of standard input is a list, a line of standard output the answer to it, both in JSON. The first
line is ["make", SETTINGS], all others are [METHOD, [ARGUMENTS...]...], which calls the method once with
each list of arguments. Each answer is a list with the outcome of each call: [RESULT], or the name and
the text of the exception.

Text, small numbers, booleans and None are JSON's own, and lists are lists. What JSON has no word for is
an object: {"b": HEX} bytes, {"i": DIGITS} an integer of any size, {"t": [ITEM...]} a tuple,
{"d": [[KEY, VALUE]...]} a dict, {"o": REPR} any other object, which is only ever an answer.
"""

import json
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

# How many seconds a line may take. A client that hangs is to be a failure and no wait.
PATIENCE = 60
# Up to here JSON's numbers are exact in any language.
SMALL = 1 << 53


class PythonMemcached:
    """python-memcached. Settings: servers as [ADDRESS, WEIGHT], client (arguments of memcache.Client),
    old_hash, min_compress_len."""

    def __init__(self, servers, client={}, old_hash=False, min_compress_len=0):
        import memcache

        if old_hash:
            memcache.useOldServerHashFunction()
        servers = [tuple(server) for server in servers]
        self.client = memcache.Client(servers, **{"cache_cas": True, **client})
        self.packing = {"min_compress_len": min_compress_len}

    def server(self, key):
        """The address that the client itself names, which may make it connect."""
        server, _ = self.client._get_server(self.client._encode_key(key))
        return server and "%s:%d" % server.address

    def set(self, key, value, seconds=0):
        return bool(self.client.set(key, value, seconds, **self.packing))

    def add(self, key, value):
        return bool(self.client.add(key, value, **self.packing))

    def replace(self, key, value):
        return bool(self.client.replace(key, value, **self.packing))

    def append(self, key, value):
        return bool(self.client.append(key, value))

    def prepend(self, key, value):
        return bool(self.client.prepend(key, value))

    def get(self, key):
        return self.client.get(key)

    def gets(self, key):
        value = self.client.gets(key)
        return [value, self.client.cas_ids.get(wire(key))]

    def cas(self, key, value, unique):
        self.client.cas_ids[wire(key)] = unique
        return bool(self.client.cas(key, value, **self.packing))

    def set_multi(self, items, prefix=""):
        return self.client.set_multi(items, key_prefix=prefix, **self.packing)

    def get_multi(self, keys, prefix=""):
        return self.client.get_multi(keys, key_prefix=prefix)

    def delete(self, key):
        return bool(self.client.delete(key))

    def delete_multi(self, keys, prefix=""):
        return bool(self.client.delete_multi(keys, key_prefix=prefix))

    def touch(self, key, seconds):
        return bool(self.client.touch(key, seconds))

    def incr(self, key, delta):
        return self.client.incr(key, delta)

    def decr(self, key, delta):
        return self.client.decr(key, delta)

    def quiet(self, name, *arguments):
        """Calls a method of the client, which is to ask for no reply."""
        getattr(self.client, name)(*arguments, noreply=True)

    def raw(self, name, arguments, options={}):
        """Calls a method of the client with just these arguments."""
        return getattr(self.client, name)(*arguments, **options)

    def elsewhere(self, name, arguments):
        """The same, in another thread."""
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(self.raw, name, arguments).result()

    def pickled(self):
        return pickle.dumps(self.client)


class Pylibmc:
    """pylibmc. Settings: servers as [ADDRESS, WEIGHT], client (arguments of pylibmc.Client),
    min_compress_len, namespace."""

    def __init__(self, servers, client={}, min_compress_len=0, namespace=""):
        import pylibmc

        self.module = pylibmc
        servers = ["%s:%d" % tuple(server) for server in servers]
        self.client = pylibmc.Client(servers, **client)
        self.client.behaviors["cas"] = True
        if namespace:
            # Text raises a ValueError.
            self.client.behaviors["namespace"] = namespace.encode()
        self.packing = {"min_compress_len": min_compress_len}

    def server(self, key):
        """The client does not say."""
        return None

    def set(self, key, value, seconds=0):
        return self.client.set(key, value, seconds, **self.packing)

    def add(self, key, value):
        return self.client.add(key, value, **self.packing)

    def replace(self, key, value):
        return self.client.replace(key, value, **self.packing)

    def append(self, key, value):
        return self.client.append(key, value)

    def prepend(self, key, value):
        return self.client.prepend(key, value)

    def get(self, key):
        return self.client.get(key)

    def gets(self, key):
        return list(self.client.gets(key))

    def cas(self, key, value, unique):
        return self.client.cas(key, value, unique)

    def set_multi(self, items, prefix=""):
        return self.client.set_multi(items, key_prefix=prefix, **self.packing)

    def get_multi(self, keys, prefix=""):
        return self.client.get_multi(keys, key_prefix=prefix)

    def delete(self, key):
        return self.client.delete(key)

    def delete_multi(self, keys, prefix=""):
        return self.client.delete_multi(keys, key_prefix=prefix)

    def touch(self, key, seconds):
        return self.client.touch(key, seconds)

    def incr(self, key, delta):
        try:
            return self.client.incr(key, delta)
        except self.module.NotFound:
            return None

    def decr(self, key, delta):
        try:
            return self.client.decr(key, delta)
        except self.module.NotFound:
            return None


class Pymemcache:
    """pymemcache. Settings: servers as [ADDRESS, WEIGHT], of which the weight says nothing; client
    (arguments of its Client, or of its HashClient where `hashed` is true), serde ("pickle",
    "compressed" or null), min_compress_len, namespace, bytes_keys: whether it is given all keys as
    bytes."""

    def __init__(
        self, servers, client={}, hashed=False, serde=None, min_compress_len=0, namespace="", bytes_keys=False
    ):
        from pymemcache import serde as serdes
        from pymemcache.client.base import Client
        from pymemcache.client.hash import HashClient

        self.hashed = hashed
        self.key = wire if bytes_keys else lambda key: key
        # HashClient raises a TypeError where the prefix is text.
        client = dict(client, default_noreply=False, key_prefix=namespace.encode())
        if serde == "pickle":
            client["serde"] = serdes.pickle_serde
        elif serde == "compressed":
            client["serde"] = serdes.CompressedSerde(min_compress_len=min_compress_len)
        addresses = [address for address, _ in servers]
        self.client = HashClient(addresses, **client) if hashed else Client(addresses[0], **client)

    def server(self, key):
        """The address that the client itself names."""
        if self.hashed:
            return self.client.hasher.get_node(self.key(key))
        return "%s:%d" % self.client.server

    def set(self, key, value, seconds=0):
        return self.client.set(self.key(key), value, seconds)

    def add(self, key, value):
        return self.client.add(self.key(key), value)

    def replace(self, key, value):
        return self.client.replace(self.key(key), value)

    def append(self, key, value):
        return self.client.append(self.key(key), value)

    def prepend(self, key, value):
        return self.client.prepend(self.key(key), value)

    def get(self, key):
        return self.client.get(self.key(key))

    def gets(self, key):
        value, unique = self.client.gets(self.key(key))
        return [value, unique and int(unique)]

    def cas(self, key, value, unique):
        return self.client.cas(self.key(key), value, str(unique))

    def set_multi(self, items, prefix=""):
        return self.client.set_many({self.key(join(prefix, key)): value for key, value in items.items()})

    def get_multi(self, keys, prefix=""):
        whole = {self.key(join(prefix, key)): key for key in keys}
        found = self.client.get_many(list(whole))
        return {whole[key]: value for key, value in found.items()}

    def delete(self, key):
        return self.client.delete(self.key(key))

    def delete_multi(self, keys, prefix=""):
        return self.client.delete_many([self.key(join(prefix, key)) for key in keys])

    def touch(self, key, seconds):
        return self.client.touch(self.key(key), seconds)

    def incr(self, key, delta):
        return self.client.incr(self.key(key), delta)

    def decr(self, key, delta):
        return self.client.decr(self.key(key), delta)

    def quiet(self, name, key, *others):
        """Calls a method of the client, which is to ask for no reply."""
        if isinstance(key, dict):
            key = {self.key(key): value for key, value in key.items()}
        elif isinstance(key, list):
            key = [self.key(key) for key in key]
        else:
            key = self.key(key)
        getattr(self.client, name)(key, *others, noreply=True)


KINDS = {"memcache": PythonMemcached, "pylibmc": Pylibmc, "pymemcache": Pymemcache}


def wire(key):
    return key if isinstance(key, bytes) else str(key).encode()


def join(prefix, key):
    """A key with its prefix; text where both are."""
    if isinstance(key, bytes) or isinstance(prefix, bytes):
        return wire(prefix) + wire(key)
    return "%s%s" % (prefix, key)


def read(value):
    """What an argument stands for."""
    if isinstance(value, list):
        return [read(item) for item in value]
    if not isinstance(value, dict):
        return value
    (kind, inner), = value.items()
    if kind == "b":
        return bytes.fromhex(inner)
    if kind == "i":
        return int(inner)
    if kind == "t":
        return tuple(read(item) for item in inner)
    if kind == "d":
        return {read(key): read(item) for key, item in inner}
    raise ValueError("no such kind: %r" % kind)


def show(value):
    """What stands for a result."""
    # The exact types, as they are what is tested.
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if abs(value) < SMALL else {"i": "%d" % value}
    if type(value) is bytes:
        return {"b": value.hex()}
    if type(value) is list:
        return [show(item) for item in value]
    if type(value) is tuple:
        return {"t": [show(item) for item in value]}
    if type(value) is dict:
        return {"d": [[show(key), show(item)] for key, item in value.items()]}
    return {"o": repr(value)}


def outcome(method, arguments):
    try:
        return [show(method(*[read(argument) for argument in arguments]))]
    except Exception as error:  # Whatever it raises is for the test to judge.
        return [type(error).__name__, str(error)]


def main():
    # Integers of any size are digits on both sides, however many.
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    client = None
    for line in sys.stdin:
        signal.alarm(PATIENCE)
        name, *calls = json.loads(line)
        if name == "make":
            settings, = calls
            client = KINDS[settings.pop("kind")](**settings)
            outcomes = [[None]]
        else:
            method = getattr(client, name)
            outcomes = [outcome(method, arguments) for arguments in calls]
        print(json.dumps(outcomes), flush=True)
        signal.alarm(0)


main()
