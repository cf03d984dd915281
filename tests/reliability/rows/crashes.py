"""Ends at named places in the program, and a question over which it dies every time."""

import dataclasses
import resource
import signal
import sqlite3
import time

import auditor
from server import Gone
from stage import Result, Stage

LEFT_OUT = ("no --crash-binary; `cargo build --features crash-points --target-dir target/crash-points` builds one, "
            "target/crash-points/debug/umishop")
#: Every place of the program, as `crash::point` names it; a test of the program holds this list to its source.
PLACES = (
    "intake.received", "intake.stored",
    "store.written", "store.committed", "store.noted",
    "relay.claiming", "relay.claimed", "relay.delivering",
    "smtp.connected", "smtp.recipient", "smtp.text", "smtp.sent", "smtp.accepted",
    "http.calling", "http.answered",
    "relay.settling", "relay.settled",
    "start.rescuing", "start.rescued", "start.migrated",
)
#: Those between a receiver's yes and our commit of it, where a message may come twice.
BETWEEN = {"smtp.sent", "smtp.accepted", "http.answered", "relay.settling", "store.written"}
#: One after the other, so that one message at most is on its way.
SCENARIO = ("register", "register", "mail", "mail", "http", "http")
#: How long one message may take to be settled, and a process to end, in seconds.
STEP_LIMIT = 10.0
#: Lives at each place, in the full form.
LIVES = 25


def matrix(run, directory):
    """NL-3: ends at each place, when it is passed for the n-th time, until a small scenario gets through; a life after
    it must find everything."""
    result = Result("NL-3")
    if run.crash_binary is None:
        result.skipped = LEFT_OUT
        return result
    run = armed(run)
    ended, lives, doubled = 0, 0, {}
    for place in PLACES:
        for life, n in enumerate(passings(run, place, result)):
            lives += 1
            deaths, duplicates = end_at(run, directory / f"{place}-{life}", place, n, result)
            ended += deaths
            result.require(deaths or n > 1, f"{place}: it is never passed, or this is no build with crash-points")
            if duplicates:
                doubled[place] = doubled.get(place, 0) + duplicates
    result.figures |= {"places": len(PLACES), "lives": lives, "ended there": ended,
                       "duplicates at": "; ".join(f"{place} {count}" for place, count in doubled.items()) or "none"}
    return result
