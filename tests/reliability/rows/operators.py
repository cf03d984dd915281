"""What operators do: stop it, and retry what was given up."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from records import percentile, read
from server import clean_environment
from sinks import ACCEPT, Reply
from stage import Result, Stage

#: The longest stop: 25 s for messages on their way, and one to spare.
STOP_GOAL = 26.0


def drain(run, directory):
    """OP-1: SIGTERM under load, while sends take up to two seconds: it ends soon, and nothing is lost or sent twice."""
    result = Result("OP-1")
    rounds = run.choose(20, 200)
    dice = random.Random(run.seed)
    stops = []
    with Stage(run, "OP-1", directory) as stage:
        stage.configure(welcome_delay="200ms")
        stage.mail.script = stage.http.script = lambda received: Reply(delay=dice.uniform(0, 2))
        stage.server.start()
        with stage.driver.load({"register": 3, "mail": 3, "http": 10}):
            for _ in range(rounds):
                time.sleep(dice.uniform(0.3, 1.2))
                code, took = stage.server.terminate()
                stops.append(took)
                result.require(code == 0, f"SIGTERM ended it with {code}")
                stage.server.start()
        verdict = stage.finish(result)
    result.require(max(stops) <= STOP_GOAL, f"a stop took {max(stops):.1f} s")
    result.require(verdict.duplicates == 0, f"{verdict.duplicates} duplicates although every send had time to finish")
    result.figures |= {"stops": rounds, "deliveries": verdict.delivered,
                       "stop p50/max": f"{percentile(stops, 0.5):.2f}/{max(stops):.2f} s"}
    return result


def backups(run, directory):
    """OP-2: live backups, each restored and audited; see backup.py, which is a program of its own."""
    result = Result("OP-2")
    cycles = run.choose(4, 100)
    program = Path(__file__).parents[1] / "backup.py"
    command = [sys.executable, program, run.binary, "--cycles", str(cycles)]
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=120 + 20 * cycles, env=clean_environment() | {"TMPDIR": str(directory)})
    said = done.stdout.strip() or done.stderr.strip()
    result.require(done.returncode == 0, said)
    result.figures["said"] = said.splitlines()[-1] if said else "nothing"
    return result


def replay(run, directory):
    """OP-4: dead letters are retried on the command line once the receiver is well: each is sent once, under its id."""
    result = Result("OP-4")
    number = run.choose(100, 500)
    refusals = {"mail": Reply("refuse", code=554, text="5.6.0 not today"), "http": Reply("refuse", code=400)}
    with Stage(run, "OP-4", directory) as stage:
        stage.configure(welcome_delay="10ms")
        stage.mail.script = lambda received: refusals["mail"]
        stage.http.script = lambda received: refusals["http"]
        stage.server.start()
        for _ in range(number):
            stage.driver.send("register")
            stage.driver.send("http")
        stage.server.await_drained(60.0)
        listed = stage.server.command("--json", "messages", "--state", "dead", "--limit", "100000").stdout
        dead = {message["id"] for message in json.loads(listed)}
        result.require(len(dead) == 2 * number, f"{len(dead)} dead letters instead of {2 * number}")
        stage.mail.script = stage.http.script = lambda received: ACCEPT
        failed = [key for key in sorted(dead) if stage.server.command("messages", "retry", key).returncode != 0]
        result.require(not failed, f"{len(failed)} could not be retried, such as {failed[:1]}")
        stage.finish(result, drain_limit=60.0)
    taken = Counter(send["id"] for name in ("mail", "http") for send in read(directory / f"{name}.jsonl")
                    if send["kind"] == "accept")
    result.require(set(taken) == dead, f"{len(set(taken) ^ dead)} ids differ between dead letters and deliveries")
    result.require(set(taken.values()) <= {1}, f"{sum(count > 1 for count in taken.values())} were sent more than once")
    result.figures |= {"dead letters": len(dead), "sent after retry": sum(taken.values())}
    return result
