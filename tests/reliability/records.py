"""Lines that survive: what driver and sinks saw, one JSON object a line, on the disk before anybody goes on.

The auditor reads nothing but these files and the final database. Times are seconds of the monotonic clock, which all
processes of one machine share; `wall` is the system's time where it is compared with umishop's own.
"""

import json
import os
import threading
import time


class Records:
    """A file of JSON lines. `write` returns when the line is on the disk."""

    def __init__(self, path):
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def write(self, **fields):
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)
        os.fdatasync(self._file)

    def close(self):
        os.close(self._file)


class Events:
    """What the campaign did to the server: `start`, `ready`, `kill`, `terminate`, `ended`, …"""

    def __init__(self, path):
        self._records = Records(path)
        self.path = path

    def note(self, event, **fields):
        now = time.monotonic()
        self._records.write(event=event, at=now, **fields)
        return now

    def close(self):
        self._records.close()


def read(path):
    """Every record of a file, in order. A missing file has none."""
    try:
        file = open(path, encoding="utf-8")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            yield json.loads(line)


def percentile(values, share):
    """The value that `share` (0 to 1) of `values` do not exceed; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
