"""Calls of a client library, and what came of each, as JSON on standard output."""

import json
import sys


class Transcript:
    def __init__(self):
        self.lines = []

    def call(self, name, function, *args, **kwargs):
        """Makes a call and writes down its result, or its error."""
        try:
            result = function(*args, **kwargs)
        except Exception as error:  # Whatever it raises is part of how it behaves.
            result = {"raised": type(error).__name__, "text": str(error)}
        shown = [show(arg) for arg in args]
        if kwargs:
            shown.append(show(kwargs))
        self.lines.append([name, shown, show(result)])
        return result

    def note(self, name, value):
        self.lines.append([name, [], show(value)])

    def print(self):
        json.dump(self.lines, sys.stdout)


def show(value):
    """Something that JSON can hold and that tells types apart. Long values are cut."""
    if isinstance(value, bytes):
        return "bytes %d %s" % (len(value), cut(value.decode("latin-1")))
    if isinstance(value, str):
        return "str %d %s" % (len(value), cut(value))
    if isinstance(value, dict):
        return sorted([show(key), show(item)] for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [show(item) for item in value]
    if callable(value):
        return "callable"
    return repr(value)


def cut(text):
    return text if len(text) <= 100 else text[:80] + "..." + text[-20:]
