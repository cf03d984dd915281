"""Receivers that are down, and receivers that want patience."""

import sqlite3
import threading
import time

import auditor
from records import percentile, read
from server import PATIENT
from sinks import ACCEPT, Reply
from stage import Result, Stage

#: Of the channel that FA-2 looks at.
RATE, BURST, PATIENCE = 1.0, 3, 3
#: The receiver's clock and ours, and the way between them.
TOLERANCE = 0.1


def isolation(run, directory):
    """FA-1: the mail server takes connections and says nothing, hundreds of mails wait: the other channel stays fast,
    and the mails lose neither attempts nor lives."""
    result = Result("FA-1")
    mails, seconds = run.choose((300, 15), (5_000, 600))
    with Stage(run, "FA-1", directory) as stage:
        stage.configure(welcome_delay="1s", mail_server='timeout = "2s"')
        stage.mail.black_hole.set()
        stage.server.start()
        with stage.driver.load({"mail": mails / seconds, "http": 20}):
            time.sleep(seconds)
        waiting = stage.server.messages("pending") + stage.server.messages("sending")
        burnt = sum(message["attempts"] > 0 for message in waiting if message["channel"].startswith("email."))
        dead = stage.server.messages("dead")
        result.require(waiting and burnt == 0, f"{burnt} of {len(waiting)} waiting mails lost an attempt to silence")
        result.require(not dead, f"{len(dead)} messages were given up while the mail server was down")
        stage.mail.heal()
        healed = time.monotonic()
        verdict = stage.finish(result, drain_limit=run.choose(120.0, 600.0))
        drained = time.monotonic() - healed
    took = waits(directory, "http")
    result.require(percentile(took, 0.99) <= 1.0, f"http messages came after {percentile(took, 0.99):.2f} s (p99)")
    with sqlite3.connect(directory / "audited" / "umishop.db") as database:
        most = database.execute("SELECT max(attempts) FROM messages WHERE channel LIKE 'email.%'").fetchone()[0]
    result.require(most == 1, f"a mail needed {most} counted attempts")
    result.figures |= {"mails held up": verdict.delivered - len(took),
                       "http p99": f"{1000 * percentile(took, 0.99):.0f} ms",
                       "drained after healing": f"{drained:.0f} s"}
    return result


def waits(directory, kind):
    """Seconds from the answer to the arrival, for each request of a kind."""
    kinds, accepted, found = {}, {}, []
    for record in read(directory / "ledger.jsonl"):
        if "intent" in record:
            kinds[record["intent"]] = record["kind"]
        elif record["outcome"] == "accepted":
            accepted[record["answer"]] = record["at"]
    for name in ("mail", "http"):
        for send in read(directory / f"{name}.jsonl"):
            token = auditor.TOKEN.search(send["bytes"].encode("latin-1"))
            if token and kinds.get(int(token[1])) == kind and int(token[1]) in accepted:
                found.append(send["begun"] - accepted[int(token[1])])
    return found


class ImpatientReceiver:
    """A script: takes `RATE` a second and `BURST` at once, says 429 to more, and to a few others whom it chooses."""

    def __init__(self, chosen):
        self.chosen = chosen
        #: set when one of those was told to wait
        self.told = threading.Event()
        self._tokens, self._filled, self._seen = float(BURST), time.monotonic(), 0
        self._lock = threading.Lock()

    def __call__(self, received):
        with self._lock:
            now = time.monotonic()
            # A little more than was agreed on: the way here takes a while, now longer and now shorter.
            self._tokens = min(BURST + 0.3, self._tokens + (now - self._filled) * RATE)
            self._filled = now
            self._seen += 1
            if self._seen in self.chosen:
                self.told.set()
            elif self._tokens >= 1:
                self._tokens -= 1
                return ACCEPT
            return Reply("refuse", code=429, retry_after=PATIENCE)


def rate(run, directory):
    """FA-2: a channel with a rate, and a receiver that says 429: never faster, never sooner than it asked, also across
    a kill."""
    result = Result("FA-2")
    messages = run.choose(24, 600)
    chosen = set(range(7, messages, 9))
    with Stage(run, "FA-2", directory) as stage:
        keys = f'rate = "{RATE:.0f}/s"\nburst = {BURST}\n'
        stage.configure(http=keys + PATIENT)
        if stage.server.command("check").returncode != 0:
            result.problems.append("this umishop knows no rate or burst of a channel; only Retry-After is looked at")
            stage.configure()
        receiver = ImpatientReceiver(chosen)
        stage.http.script = receiver
        stage.server.start()
        for _ in range(messages):
            stage.driver.send("http")
        kills = 0
        deadline = time.monotonic() + 60 + 3 * messages
        while stage.http.taken < messages and time.monotonic() < deadline:
            if receiver.told.wait(0.1) and kills < run.choose(2, 20):
                time.sleep(0.2)
                stage.server.kill()
                stage.server.start()
                kills += 1
            receiver.told.clear()
        verdict = stage.finish(result, drain_limit=60.0)
    calls = sorted((record["begun"], record["at"], record["retry_after"]) for record in read(directory / "http.jsonl"))
    begun = [call[0] for call in calls]
    most = max(sum(start <= other < start + 10 for other in begun) for start in begun)
    allowed = int(10 * RATE * 1.05) + BURST
    result.require(most <= allowed, f"{most} calls within 10 s, {allowed} are allowed")
    for _, at, patience in calls:
        forbidden = (at + TOLERANCE, at + (patience or 0) - TOLERANCE)
        early = [at + patience - other for other in begun if forbidden[0] < other < forbidden[1]]
        if early:
            result.problems.append(f"asked for {patience} s of patience, called again {max(early):.2f} s too early")
    result.figures |= {"calls": len(calls), "most within 10 s": most, "429": sum(bool(call[2]) for call in calls),
                       "kills": kills, "deliveries": verdict.delivered}
    return result
