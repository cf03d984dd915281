"""Others who have the database open."""

import contextlib
import shutil
import subprocess
import sys
import time

import auditor
from records import percentile
from server import Server, free_port
from stage import Result, Stage

LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect("umishop.db", isolation_level=None, timeout=10)
connection.execute(sys.argv[1])
connection.execute("SELECT count(*) FROM users").fetchone()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""
#: What the log may hold when nobody keeps it from being written back.
LONGEST_LOG = 64 << 20


@contextlib.contextmanager
def held(directory, statement, seconds):
    """Another program that holds a transaction open for a while."""
    command = [sys.executable, "-c", LOCK, statement, str(seconds)]
    holder = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        yield holder
        holder.wait(seconds + 15)
    finally:
        holder.kill()
        holder.wait(5)
        holder.stdout.close()


def write_lock(run, directory):
    """SQ-1: another program holds the write lock: for 3 s nobody notices more than a delay, for 30 s customers are told
    to come again."""
    result = Result("SQ-1")
    for seconds in (3, 30):
        place = directory / str(seconds)
        place.mkdir()
        with Stage(run, "SQ-1", place) as stage:
            stage.configure()
            stage.server.start()
            with stage.driver.load({"register": 10, "both": 10}):
                time.sleep(1)
                with held(place, "BEGIN IMMEDIATE", seconds):
                    pass
                time.sleep(2)
            stage.finish(result)
        others = {key: count for key, count in stage.driver.outcomes.items() if key[0] != "accepted"}
        refused = others.pop(("refused", 503), 0)
        result.require(not others, f"held for {seconds} s: {others}")
        result.require(refused == 0 or seconds > 3, f"held for {seconds} s: {refused} refusals")
        result.require(refused > 0 or seconds <= 3, f"held for {seconds} s: nobody was refused; was it held at all?")
        slowest = percentile(stage.driver.took["accepted"], 1)
        result.figures[f"held for {seconds} s"] = f"{refused} refusals, slowest yes {slowest:.1f} s"
    return result


def long_reader(run, directory):
    """SQ-2: another program keeps an old state open while customers come: the log grows, and shrinks again after."""
    result = Result("SQ-2")
    seconds = run.choose(20, 300)
    with Stage(run, "SQ-2", directory) as stage:
        stage.configure()
        stage.server.start()
        log = directory / "umishop.db-wal"
        longest = 0
        with stage.driver.load({"register": 100, "both": 100}, threads=8):
            time.sleep(1)
            with held(directory, "BEGIN", seconds) as holder:
                while holder.poll() is None:
                    longest = max(longest, log.stat().st_size)
                    time.sleep(0.1)
            time.sleep(10)
            after = log.stat().st_size
        verdict = stage.finish(result, drain_limit=300.0)
    refused = sum(count for (outcome, _), count in stage.driver.outcomes.items() if outcome != "accepted")
    result.require(after <= LONGEST_LOG, f"10 s after the reader left the log still holds {after >> 20} MiB")
    result.figures |= {"reader": f"{seconds} s", "longest log": f"{longest / (1 << 20):.0f} MiB",
                       "10 s later": f"{after / (1 << 20):.0f} MiB", "refusals": refused,
                       "deliveries": verdict.delivered}
    return result


def second_process(run, directory):
    """SQ-5: a second server on the same database is refused, and the first does not notice; a copy of the files that a
    kill left behind is whole."""
    result = Result("SQ-5")
    place, copy = directory / "first", directory / "copy"
    place.mkdir()
    with Stage(run, "SQ-5", place) as stage:
        stage.configure()
        stage.server.start()
        with stage.driver.load({"register": 20, "both": 20}):
            second = Server(run.binary, place, free_port(), stage.events)
            second.log_path = place / "second.log"
            second.start(environment={"UMISHOP_SERVER__LISTEN": f"127.0.0.1:{second.port}"}, wait=False)
            try:
                code = second.process.wait(15)
            except subprocess.TimeoutExpired:
                code = None
                second.process.kill()
                second.process.wait(5)
            time.sleep(1)
        result.require(code, f"a second server on the same database was not refused: {code}")
        unheard = {key: count for key, count in stage.driver.outcomes.items() if key[0] != "accepted"}
        result.require(not unheard, f"the first server noticed: {unheard}")
        stage.server.kill()
        shutil.copytree(place, copy)
        moved = Server(run.binary, copy, stage.port, stage.events)
        try:
            moved.start()
            done, _ = moved.await_drained(30.0)
            result.require(done, "the copy did not deliver what was left")
            code_of_copy, _ = moved.terminate()
            result.require(code_of_copy == 0, f"on the copy umishop ended with {code_of_copy}")
        finally:
            moved.close()
        for name in ("ledger.jsonl", "mail.jsonl", "http.jsonl", "events.jsonl"):
            shutil.copyfile(place / name, copy / name)
        result.absorb(auditor.audit(copy))
    result.figures["the second ended with"] = code
    return result
