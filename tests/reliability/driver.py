"""The customers: posts registrations and questions, and keeps a ledger of what was asked and what was answered.

Each request has a number `n`. Its address `n12@customers.test` and its question `Question n12` lead from whatever a
sink took back to the request that caused it.
"""

import http.client
import itertools
import json
import random
import threading
import time

#: The channels that each kind of request leads to, as `server.configuration` routes them.
CHANNELS = {
    "register": ("email.welcome",),
    "mail": ("email.sales",),
    "http": ("http.crm",),
    "both": ("email.sales", "http.crm"),
}

#: The longest wait for an answer. The server's own limits are shorter.
ANSWER_LIMIT = 20.0


def address(n):
    return f"n{n}@customers.test"


def question(n):
    return f"Question n{n}: do you ship to the islands?"


class Driver:
    """Posts to a server that may die at any moment."""

    def __init__(self, port, ledger, seed):
        self.port = port
        self.ledger = ledger
        self.accepted = 0
        self.outcomes = {}
        #: how long each answer took, in seconds, by outcome
        self.took = {}
        self._numbers = itertools.count(1)
        self._attempts = itertools.count(1)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def reserve(self):
        """A number for a request that is going to be sent more than once."""
        return next(self._numbers)

    def send(self, kind, key=None, headers=None, text=None, n=None):
        """Posts one request; `kind` is a key of CHANNELS. Returns its number, outcome and answer."""
        n = self.reserve() if n is None else n
        text = text or question(n)
        body = {"name": f"Customer {n}", "email": address(n)}
        if kind != "register":
            body |= {"topic": kind, "question": text}
        path = "/umishop_api/user" if kind == "register" else "/umishop_api/topic"
        headers = dict(headers or {})
        if key:
            headers["Idempotency-Key"] = key
        with self._lock:
            attempt = next(self._attempts)
        self.ledger.write(intent=n, attempt=attempt, at=time.monotonic(), kind=kind, key=key, text=text)
        begun = time.monotonic()
        outcome, status, answer = self._post(path, json.dumps(body), headers)
        now = time.monotonic()
        self.ledger.write(answer=n, attempt=attempt, at=now, outcome=outcome, status=status, id=answer.get("id", ""),
                          word=answer.get("status", ""))
        with self._lock:
            self.outcomes[(outcome, status)] = self.outcomes.get((outcome, status), 0) + 1
            self.took.setdefault(outcome, []).append(now - begun)
            self.accepted += outcome == "accepted"
        return n, outcome, answer

    def _post(self, path, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_LIMIT)
        try:
            try:
                connection.connect()
            except OSError:
                return "unreached", 0, {}
            try:
                connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError):
                return "unknown", 0, {}
            done = response.status == 200 and answer.get("ok") is True
            return "accepted" if done else "refused", response.status, answer
        finally:
            connection.close()

    def load(self, rates, threads=4):
        """Posts in the background, `rates[kind]` requests a second of each kind, until the block ends."""
        return Load(self, rates, threads, self._random.random())


class Load:
    """Requests at random moments, each kind at its own rate."""

    def __init__(self, driver, rates, threads, seed):
        self._driver = driver
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._post_at, args=(kind, rate / threads, f"{seed} {kind} {number}"), daemon=True)
            for kind, rate in rates.items()
            for number in range(threads)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_LIMIT + 5)

    def _post_at(self, kind, rate, seed):
        dice = random.Random(seed)
        moment = time.monotonic()
        while True:
            moment = max(moment + dice.expovariate(rate), time.monotonic() - 1.0)
            if self._stop.wait(max(0.0, moment - time.monotonic())):
                return
            self._driver.send(kind)
