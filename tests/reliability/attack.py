#!/usr/bin/env python3
"""Attacks a running umishop on this machine, and watches how its honest callers fare meanwhile.

    tests/reliability/attack.py target/release/umishop            about four minutes, the deadlines that ship
    tests/reliability/attack.py target/release/umishop --short    less than one minute, short deadlines

One line per row; the exit code is 1 when a row fails. Needs nothing but Python's standard library, binds to the loopback
interface only, and leaves nothing behind.

    SE-1   Does the time of a refusal tell how much of a guessed secret is right?
    SE-2   10,000 wrong secrets: are they held back, is the log quiet, is the right secret served?
    SE-3   500 connections that are slow or idle: does each end at its deadline, are others served?
"""

import argparse
import asyncio
import http.client
import json
import math
import multiprocessing
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SECRET = "5f0c6b8d2a9e4713" * 3
USER = "/umishop_api/user"

CONNECTIONS = 500
GUESSES = 10_000
SLOWEST_ALLOWED = 0.5  # seconds, the honest callers' 99th percentile
LATEST_ALLOWED = 1.0  # seconds after its deadline that a connection may end
SIGNAL = 4.5  # Welch's t beyond which two timings count as different

CONFIG = """
sandbox = false
[server]
listen = "127.0.0.1:0"
header_timeout = "{header}s"
request_timeout = "{request}s"
idle_timeout = "{idle}s"
[intake]
secret = "{secret}"
[welcome]
channel = ""
[channels.http.sink]
url = "http://127.0.0.1:9/"
private_networks = ["127.0.0.1"]
[[routes]]
channels = ["http.sink"]
"""


class Server:
    """A umishop in a directory of its own."""

    def __init__(self, binary, directory, deadlines):
        self.log, self.began = os.path.join(directory, "log"), time.monotonic()
        with open(os.path.join(directory, "config.toml"), "w", encoding="utf-8") as config:
            config.write(CONFIG.format(secret=SECRET, **deadlines))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UMISHOP_")}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.abspath(binary), "serve"], cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=log
            )
        self.port = None
        for line in self.process.stdout:
            page = re.search(rb"http://127\.0\.0\.1:(\d+)/", line)
            if page:
                self.port = int(page.group(1))
                break
        if self.port is None:
            raise SystemExit("umishop did not start:\n" + self.logged())

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def post(connection, secret, number):
    body = json.dumps({"name": "Ana", "email": f"ana{number}@example.com"})
    connection.request("POST", USER, body, {"X-Umishop-Secret": secret, "Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def honest_caller(port, stop, report):
    """Registers a customer fifty times a second, over a new connection now and then, until told to stop."""
    connection, took, wrong, number = None, [], [], 0
    due = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        try:
            if connection is None or number % 20 == 0:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            status = post(connection, SECRET, f"{os.getpid()}-{number}")
            if status != 200:
                wrong.append(str(status))
        except (OSError, http.client.HTTPException) as error:
            wrong.append(repr(error))
            connection = None
        took.append(time.monotonic() - began)
        number += 1
        due = max(due + 0.02, time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))
    report.send((took, wrong))


class Honest:
    """An honest caller in a process of its own, so that the attackers' work here does not count as the server's."""

    def __init__(self, port):
        self.stop = multiprocessing.Event()
        self.reports, sender = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=honest_caller, args=(port, self.stop, sender), daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        if not self.reports.poll(60):
            raise SystemExit("the honest caller does not end")
        self.took, self.wrong = self.reports.recv()
        self.process.join(60)
        self.slowest = percentile(self.took, 99)

    def fares_well(self):
        return not self.wrong and self.slowest < SLOWEST_ALLOWED

    def figures(self):
        text = f"{len(self.took)} honest calls, p99 {self.slowest * 1000:.1f} ms"
        return text + (f", {len(self.wrong)} not answered 200: {self.wrong[:3]}" if self.wrong else "")


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.inf


def welch(one, other):
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


# SE-1


class Stopwatch:
    """Times refusals over one kept connection, without a library's own noise."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def refusal(self, secret):
        head = f"POST {USER} HTTP/1.1\r\nHost: shop\r\nX-Umishop-Secret: {secret}\r\nContent-Length: 2\r\n\r\n{{}}"
        request = head.encode()
        began = time.perf_counter_ns()
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        took = time.perf_counter_ns() - began
        while not answer.endswith(b"}"):
            answer += self.socket.recv(65536)
        return int(answer.split(b" ", 2)[1]), took


def compared(port, samples, one, other):
    """Welch's t between the times of two kinds of guess, taken in random order; what the machine delayed is left out."""
    watch, times, dice = Stopwatch(port), {one: [], other: []}, random.Random(1)
    for _ in range(50):  # beyond the tenth the answer is always the same: 429
        watch.refusal(one)
    while min(map(len, times.values())) < samples:
        secret = dice.choice((one, other))
        status, took = watch.refusal(secret)
        if status == 429:
            times[secret].append(took)
    limit = percentile(times[one] + times[other], 90)
    kept = [[took for took in times[secret] if took <= limit] for secret in (one, other)]
    return welch(*kept), statistics.fmean(kept[0]) / 1000


def secret_timing(server, samples):
    nothing_right = "".join("0" if letter != "0" else "1" for letter in SECRET)
    nearly_right = SECRET[:-1] + "x"
    t, mean = compared(server.port, samples, nothing_right, nearly_right)
    # So that "no signal" says something: a difference that is there must be seen.
    control, _ = compared(server.port, max(500, samples // 10), nothing_right, "0" * 32_000)
    passed = abs(t) < SIGNAL < abs(control)
    figures = f"t = {t:+.2f} over {2 * samples} refusals (mean {mean:.0f} µs), |t| < {SIGNAL} wanted"
    return passed, f"{figures}; a guess that is longer to read shows: t = {control:+.1f}"


# SE-2


async def guess(port, guesses, statuses):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(guesses):
        writer.write(
            f"POST {USER} HTTP/1.1\r\nHost: shop\r\nX-Umishop-Secret: guess{number}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1)))
        status = int(head.split(b" ", 2)[1])
        if status == 429 and b"retry-after" not in head.lower():
            status = "429 without Retry-After"
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()


async def guess_at_once(port, callers, statuses):
    await asyncio.gather(*(guess(port, GUESSES // callers, statuses) for _ in range(callers)))


def wrong_secrets(server):
    statuses = {}
    began = time.monotonic()
    with Honest(server.port) as honest:
        asyncio.run(guess_at_once(server.port, 8, statuses))
    took = time.monotonic() - began
    lines, minutes = server.logged().count("wrong secret"), (time.monotonic() - server.began) / 60
    quiet = 1 <= lines <= minutes + 1
    told_apart = statuses.get(401, 0) <= 11 + took / 6
    passed = set(statuses) <= {401, 429} and told_apart and sum(statuses.values()) == GUESSES and quiet
    figures = f"{statuses.get(401, 0)} × 401, {statuses.get(429, 0)} × 429 in {took:.1f} s, {lines} lines in the log of {minutes:.1f} minutes"
    if not set(statuses) <= {401, 429}:
        figures += f", also {statuses}"
    return passed and honest.fares_well(), f"{figures}; {honest.figures()}"


# SE-3


class Attacker:
    """One connection. `ended`: seconds from its deadline's start to its end; None while the server keeps it."""

    HEAD = f"POST {USER} HTTP/1.1\r\nHost: shop\r\n".encode()

    def __init__(self, port, deadline):
        self.port, self.deadline, self.ended = port, deadline, None

    async def open(self):
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port))
        # A small limit: what is not read stays with the server.
        self.reader, self.writer = await asyncio.open_connection(sock=plain, limit=1024)
        self.began = time.monotonic()

    async def run(self):
        try:
            await self.open()
            await asyncio.wait_for(self.attack(), self.deadline + 10)
            self.ended = time.monotonic() - self.began
        except (ConnectionError, asyncio.IncompleteReadError):
            self.ended = time.monotonic() - self.began
        except TimeoutError:
            pass
        self.writer.close()

    async def drip(self, byte):
        async def send():
            while True:
                self.writer.write(byte)
                await asyncio.sleep(self.deadline / 20)

        sending = asyncio.ensure_future(send())
        try:
            await self.reader.read()
        finally:
            sending.cancel()


class SlowHead(Attacker):
    async def attack(self):
        self.writer.write(self.HEAD + b"X-Slow: ")
        await self.drip(b"x")


class SlowBody(Attacker):
    async def attack(self):
        self.writer.write(self.HEAD + b"Content-Length: 10000\r\n\r\n")
        await self.drip(b" ")


class SlowReader(Attacker):
    async def attack(self):
        self.writer.write(b"GET /docs HTTP/1.1\r\nHost: shop\r\n\r\n")
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1))
        # The kernel shows the end only behind what it still holds. So: wait until the connection should have ended, then
        # read on. It has ended when the rest does not come.
        await asyncio.sleep(self.began + self.deadline + LATEST_ALLOWED / 2 - time.monotonic())
        waited = time.monotonic()
        rest = await self.reader.read()
        self.began += time.monotonic() - waited
        if len(rest) >= length:
            raise TimeoutError


class Idle(Attacker):
    async def attack(self):
        self.writer.write(f"GET {USER} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        await self.reader.readuntil(b"}")
        self.began = time.monotonic()
        await self.reader.read()


class Silent(Attacker):
    async def attack(self):
        await self.reader.read()


async def attack_at_once(attackers):
    await asyncio.gather(*(attacker.run() for attacker in attackers))


def slow_connections(server, kind, deadline):
    attackers = [kind(server.port, deadline) for _ in range(CONNECTIONS)]
    with Honest(server.port) as honest:
        asyncio.run(attack_at_once(attackers))
    ends = [attacker.ended for attacker in attackers if attacker.ended is not None]
    latest = max(ends, default=math.inf)
    passed = len(ends) == CONNECTIONS and deadline - 0.2 <= min(ends) and latest <= deadline + LATEST_ALLOWED
    figures = f"{len(ends)} of {CONNECTIONS} ended, {min(ends, default=math.inf):.2f} to {latest:.2f} s after their start"
    return passed and honest.fares_well(), f"{figures} (deadline {deadline} s); {honest.figures()}"


def rows(server, deadlines, samples):
    yield "SE-1", "timing of refusals", lambda: secret_timing(server, samples)
    yield "SE-2", "10,000 wrong secrets", lambda: wrong_secrets(server)
    for name, kind, deadline in [
        ("silent connections", Silent, "header"),
        ("slow headers", SlowHead, "header"),
        ("slow bodies", SlowBody, "request"),
        ("slow readers", SlowReader, "request"),
        ("idle connections", Idle, "idle"),
    ]:
        yield "SE-3", name, lambda kind=kind, deadline=deadline: slow_connections(server, kind, deadlines[deadline])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments.add_argument("binary", help="the umishop to attack")
    arguments.add_argument("--short", action="store_true", help="short deadlines, less than a minute")
    given = arguments.parse_args()
    deadlines = {"header": 2, "request": 4, "idle": 4} if given.short else {"header": 10, "request": 30, "idle": 60}
    failed = False
    with tempfile.TemporaryDirectory(prefix="umishop-attack-") as directory:
        server = Server(given.binary, directory, deadlines)
        try:
            for row, name, attack in rows(server, deadlines, 3_000 if given.short else 100_000):
                passed, figures = attack()
                failed |= not passed
                print(f"{row} | {'pass' if passed else 'FAIL'} | {name}: {figures}", flush=True)
        finally:
            code = server.stop()
        if code != 0:
            failed = True
            print(f"umishop ended with {code}:\n{server.logged()[-2000:]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
