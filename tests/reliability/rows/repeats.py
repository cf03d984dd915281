"""What is sent or asked twice."""

import random
import threading
import time
from collections import Counter

from records import read
from server import PATIENT
from sinks import ACCEPT, Reply
from stage import Result, Stage

#: Time-outs that make silence short: a mail's last word may take four times as long.
BRISK_MAIL = 'timeout = "1s"'
BRISK_HTTP = 'timeout = "2s"\n' + PATIENT


def no_faults(run, directory):
    """DU-1: nobody misbehaves, everybody is slow: each message is delivered exactly once."""
    result = Result("DU-1")
    wanted = run.choose(2_000, 100_000)
    with Stage(run, "DU-1", directory) as stage:
        stage.configure()
        dice = random.Random(run.seed)
        slow = lambda received: Reply(delay=dice.uniform(0, 0.03))  # noqa: E731: a script is a function
        stage.mail.script = stage.http.script = slow
        stage.server.start()
        deadline = time.monotonic() + 60 + wanted / 50
        with stage.driver.load({"register": 100, "both": 100}, threads=8):
            while stage.mail.taken + stage.http.taken < wanted and time.monotonic() < deadline:
                time.sleep(0.05)
        verdict = stage.finish(result)
    result.require(verdict.delivered >= wanted, f"only {verdict.delivered} deliveries in the time given")
    result.require(verdict.duplicates == 0, f"{verdict.duplicates} duplicates without any fault")
    result.figures["deliveries"] = verdict.delivered
    return result


def lost_replies(run, directory):
    """DU-2: the receiver takes a message and its answer gets lost: one repeat with the same bytes, or none and held."""
    result = Result("DU-2")
    number = run.choose(16, 200)
    for policy in ("retry", "hold"):
        place = directory / policy
        place.mkdir()
        with Stage(run, "DU-2", place) as stage:
            key = f'on_unknown = "{policy}"\n'
            stage.configure(welcome_delay="10ms", mail=key + PATIENT, mail_server=BRISK_MAIL, http=key + BRISK_HTTP)
            stage.mail.script = stage.http.script = lose_first_reply(random.Random(run.seed))
            stage.server.start()
            for _ in range(number):
                stage.driver.send("register")
                stage.driver.send("http")
            done, _ = stage.server.await_drained(60.0 + 3 * number)
            result.require(done, f"{policy}: messages are still on their way")
            verdict = stage.finish(result, drained=policy == "retry")
        copies = Counter(send["id"] for name in ("mail", "http") for send in read(place / f"{name}.jsonl"))
        times = Counter(copies.values())
        result.figures[policy] = ", ".join(f"{count} sent {often}×" for often, count in sorted(times.items()))
        expected = {2: 2 * number} if policy == "retry" else {1: 2 * number}
        result.require(dict(times) == expected, f"{policy}: {dict(times)} messages by copies, expected {expected}")
        state = "delivered" if policy == "retry" else "held"
        result.require(verdict.states == {state: 2 * number}, f"{policy}: the states are {verdict.states}")
    return result


def lose_first_reply(dice):
    """A script: the first copy of each message is taken and then not answered, in one way or the other."""
    return lambda received: ACCEPT if received.earlier else Reply(dice.choice(("drop", "silent")))


def same_key(run, directory):
    """DU-4: the same question under the same key, 50 times at once, across kills: one request for each key."""
    result = Result("DU-4")
    keys = run.choose(40, 200)
    dice = random.Random(run.seed)
    with Stage(run, "DU-4", directory) as stage:
        stage.configure()
        stage.server.start()
        answers = {}
        for number in range(keys):
            key = f"key-{run.seed}-{number}"
            killer = threading.Timer(dice.uniform(0, 0.1), stage.server.process.kill) if number % 2 else None
            answers[key] = post_at_once(stage, key, killer)
        reused = [stage.driver.send("both", key=key, text=f"Another question under {key}?") for key in answers]
        stage.finish(result)
    for key, ids in answers.items():
        result.require(len(ids) == 1, f"{key} was answered with {len(ids)} ids: {sorted(ids)}")
    wrong = [answer for _, outcome, answer in reused if outcome != "refused" or answer.get("field") != "request_id"]
    result.require(not wrong, f"{len(wrong)} other questions under a used key were not refused, such as {wrong[:1]}")
    stored = len({found for ids in answers.values() for found in ids})
    result.figures |= {"posts": sum(stage.driver.outcomes.values()), "keys": keys, "requests": stored,
                       "kills": keys // 2, "refused with 422": stage.driver.outcomes.get(("refused", 422), 0)}
    result.require(stored == keys, f"{stored} requests for {keys} keys")
    return result


def post_at_once(stage, key, killer):
    """Fifty posts of one question under one key; the server may die meanwhile, and is asked once more after that.
    Returns the ids that were answered."""
    n = stage.driver.reserve()
    answered = []

    def post():
        _, outcome, answer = stage.driver.send("both", key=key, n=n)
        if outcome == "accepted":
            answered.append(answer["id"])

    threads = [threading.Thread(target=post, daemon=True) for _ in range(50)]
    if killer:
        killer.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if killer:
        killer.join(5)
        stage.server.await_end(5)
        stage.server.start()
        post()
    return set(answered)
