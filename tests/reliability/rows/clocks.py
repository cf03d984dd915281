"""Time: how precisely it is kept, and what happens when the clock jumps or lies in another zone."""

import datetime
import glob
import re
import sqlite3
import time
import uuid

import auditor
from records import percentile, read
from stage import Result, Stage

#: Of the welcome mail, in seconds, where the clock jumps.
WELCOME_DELAY = 1.0
#: No message may be held up longer than this by a jump.
LONGEST_STALL = 5.0
#: Where the clock is set to, one after another, and back to the truth after each.
JUMPS = ("+3600", "-3600", "+86400", "-86400", "+315576000")
ZONES = ("UTC", "Europe/Madrid", "America/St_Johns", "Pacific/Apia")
#: In Madrid the hour of the first does not exist, and that of the second comes twice.
MOMENTS = (datetime.datetime(2026, 3, 29, 1, 30, 10, tzinfo=datetime.UTC),
           datetime.datetime(2026, 10, 25, 0, 30, 10, tzinfo=datetime.UTC))


def precision(run, directory):
    """TI-1: messages that fall due over a while, at idle and under load: none early, none much later."""
    result = Result("TI-1")
    rows, seconds = run.choose((2_000, 20), (10_000, 60))
    for name, rate, pause, limit in (("idle", rows / seconds, seconds + 2, 0.25), ("busy", 200, 2, 1.0)):
        place = directory / name
        place.mkdir()
        with Stage(run, "TI-1", place) as stage:
            stage.configure(welcome_delay=f"{pause}s")
            stage.server.start()
            with stage.driver.load({"register": rate}, threads=8):
                time.sleep(seconds if name == "idle" else run.choose(10, 60))
            stage.finish(result, drain_limit=pause + 60.0)
            late = lateness(place)
        early = sum(seconds < 0 for seconds in late)
        result.require(early == 0, f"{name}: {early} messages came early, by up to {-min(late):.3f} s")
        result.require(percentile(late, 0.99) <= limit, f"{name}: late by {percentile(late, 0.99):.3f} s (p99)")
        result.figures[f"{name}: {len(late)} due, late p50/p99/max"] = "/".join(
            f"{1000 * value:.0f}" for value in (percentile(late, 0.5), percentile(late, 0.99), max(late))) + " ms"
    return result


def lateness(directory):
    """For each welcome: seconds between its due time and its arrival."""
    connection = sqlite3.connect(directory / "audited" / "umishop.db")
    query = "SELECT id, due_at FROM messages WHERE purpose = 'welcome' AND attempts = 1"
    due = {str(uuid.UUID(bytes=key)): at / 1000 for key, at in connection.execute(query)}
    connection.close()
    return [send["wall"] - due[send["id"]] for send in read(directory / "mail.jsonl") if send["id"] in due]


def library():
    """libfaketime, where it is installed."""
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


def jumps(run, directory):
    """TI-2: the system's clock is set by hours, days and years while messages wait: nothing lost, doubled or stuck."""
    result = Result("TI-2")
    if library() is None:
        result.skipped = "needs libfaketime (Debian's package faketime)"
        return result
    pause = run.choose(3, 20)
    with Stage(run, "TI-2", directory) as stage:
        clock = directory / "clock"
        clock.write_text("+0")
        stage.configure(welcome_delay=f"{WELCOME_DELAY:.0f}s")
        stage.server.start(environment={
            "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        })
        moments = []
        with stage.driver.load({"register": 10, "mail": 10, "http": 10}, threads=2):
            time.sleep(pause)
            for jump in JUMPS:
                for offset in (jump, "+0"):
                    set_clock(clock, offset)
                    moments.append((time.monotonic(), offset))
                    time.sleep(pause)
        verdict = stage.finish(result)
    result.require(verdict.duplicates == 0, f"{verdict.duplicates} duplicates")
    waits = waiting_times(directory)
    for at, wait, kind in sorted(waits):
        if wait > LONGEST_STALL:
            jump = [offset for moment, offset in moments if moment <= at + wait][-1:]
            result.problems.append(f"a message ({kind}) was held up for {wait:.1f} s around the jump to {jump}")
    stuck = len(result.problems)
    result.problems[6:] = [f"… and {stuck - 6} more"] if stuck > 6 else []
    result.figures |= {"jumps": 2 * len(JUMPS), "deliveries": verdict.delivered,
                       "longest wait": f"{max((wait for _, wait, _ in waits), default=0):.2f} s"}
    return result


def set_clock(path, offset):
    """In one step: the program reads the file at every look at the clock."""
    fresh = path.with_suffix(".new")
    fresh.write_text(offset)
    fresh.rename(path)


def waiting_times(directory):
    """For each accepted request: when it was accepted, how long after it was due it came, and what it was."""
    kinds, accepted, arrived = {}, {}, {}
    for record in read(directory / "ledger.jsonl"):
        if "intent" in record:
            kinds[record["intent"]] = record["kind"]
        elif record["outcome"] == "accepted":
            accepted[record["answer"]] = record["at"]
    for name in ("mail", "http"):
        for send in read(directory / f"{name}.jsonl"):
            if token := auditor.TOKEN.search(send["bytes"].encode("latin-1")):
                arrived.setdefault(int(token[1]), send["begun"])
    return [(at, arrived[n] - at - (WELCOME_DELAY if kinds[n] == "register" else 0), kinds[n])
            for n, at in accepted.items() if n in arrived]


def zones(run, directory):
    """TI-3: the same scenario in four time zones, at moments that some of them skip or repeat: the same results."""
    result = Result("TI-3")
    moments = MOMENTS if library() else (None,)
    for moment in moments:
        outcomes = {}
        for zone in ZONES:
            place = directory / (zone.replace("/", "-") + (f"-{moment:%m%d}" if moment else ""))
            place.mkdir()
            outcomes[zone] = scenario(run, place, zone, moment, result)
        for zone in ZONES[1:]:
            for mine, others in zip(outcomes["UTC"], outcomes[zone]):
                result.require(mine == others, f"{zone} differs from UTC at {moment}: {difference(mine, others)}")
            same = len(outcomes["UTC"]) == len(outcomes[zone])
            result.require(same, f"{zone}: another number of results at {moment}")
    named = ", ".join(f"{moment:%Y-%m-%d %H:%M}" for moment in moments if moment)
    result.figures |= {"zones": len(ZONES), "moments": named or "now (no libfaketime)"}
    return result


def scenario(run, directory, zone, moment, result):
    """Registers and asks, in one zone, at one moment. Returns everything that was answered and sent, without its ids
    and seconds."""
    environment = {"TZ": zone}
    if moment:
        offset = round(moment.timestamp() - time.time())
        environment |= {"LD_PRELOAD": library(), "FAKETIME": f"{offset:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        "DONT_FAKE_MONOTONIC": "1"}
    with Stage(run, "TI-3", directory) as stage:
        stage.configure(welcome_delay="10ms")
        stage.server.start(environment=environment)
        seen = []
        for kind in ("register", "mail", "http", "both"):
            _, outcome, answer = stage.driver.send(kind)
            seen.append(plain(f"{outcome} {answer}"))
        stage.finish(result, drain_limit=20.0)
    sends = [send for name in ("mail", "http") for send in read(directory / f"{name}.jsonl")]
    return seen + sorted(plain(" ".join((send["sink"], *send["to"], send["bytes"]))) for send in sends)


def plain(text):
    """Without ids, tokens, boundaries, and anything shorter than a minute."""
    text = re.sub(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", "ID", text)
    text = re.sub(r"=\r?\n", "", text)  # where a mail breaks its lines depends on what stands in them
    text = re.sub(r"(unsubscribe(?:/|&#x2f;)|\bwelcome=3D)[-\w]{64}", r"\1TOKEN", text)
    return re.sub(r"(\d\d:\d\d):\d\d(\.\d+)?", r"\1", text)


def difference(mine, others):
    """The first line that differs."""
    for left, right in zip(mine.splitlines(), others.splitlines()):
        if left != right:
            return f"{left[:100]!r} and {right[:100]!r}"
    return "the number of lines"
