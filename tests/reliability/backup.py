#!/usr/bin/env python3
"""OP-2: live backups, each restored and audited. A restored copy may send nothing by itself.

usage: backup.py PATH-OF-UMISHOP [--cycles N] [--rate REGISTRATIONS-PER-SECOND]

One server runs live against an HTTP sink and takes registrations and questions all the while. In every cycle the running
server is backed up, and the backup is restored into a fresh directory without a journal, beside it into one with the
journal as it is by then. Both are audited:

  - the database is whole, and everybody who was answered before the backup began is in it;
  - nothing is pending, and what the journal knows to be delivered is delivered;
  - started live against the sink, and given time, it sends nothing;
  - used raw, without a restore, the backup refuses to serve.

Prints one line, and exits with 1 when a promise was broken. Needs nothing but Python 3 and the loopback.
"""

import argparse
import http.client
import http.server
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

TOKEN = "the-admin-token"
# How long a restored server is watched. It looks for due messages at its start, and again within a second.
WATCHED_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


class Sink:
    """Accepts every message and remembers its key, by the path it came to."""

    def __init__(self):
        sink = self
        self.lock = threading.Lock()
        self.accepted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with sink.lock:
                    sink.accepted.append((self.path, self.headers.get("Idempotency-Key")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]

    def came_to(self, path):
        with self.lock:
            return [key for found, key in self.accepted if found == path]


class Server:
    """A running `umishop serve`."""

    def __init__(self, program, directory):
        self.process = subprocess.Popen(
            [program, "serve"], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=open(os.path.join(directory, "log"), "ab"), text=True, env=environment(),
        )
        banner = ""
        while "umishop landbot" not in banner:
            line = self.process.stdout.readline()
            if not line:
                raise Broken(f"the server in {directory} did not start: {banner}")
            banner += line
        self.port = int(banner.split("http://")[1].split("/")[0].rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Broken(Exception):
    """A promise was broken."""


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("UMISHOP_")}


def run(program, directory, *arguments):
    done = subprocess.run(
        [program, *arguments], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=300, env=environment(),
    )
    return done.returncode, done.stdout, done.stderr


def expect(program, directory, *arguments):
    code, out, error = run(program, directory, *arguments)
    if code != 0:
        raise Broken(f"umishop {' '.join(arguments)} failed: {error.strip()}")
    return json.loads(out)


def configure(directory, sink_url):
    # Questions go out at once; the welcomes of one half of the customers are always still pending.
    config = f"""
sandbox = false
[server]
listen = "127.0.0.1:0"
[intake]
auth = "none"
[admin]
token = "{TOKEN}"
[welcome]
channel = "http.welcome"
delay = "3s"
[channels.http.welcome]
url = "{sink_url}"
customers = "email"
private_networks = ["127.0.0.1"]
[channels.http.desk]
url = "{sink_url}"
private_networks = ["127.0.0.1"]
[[routes]]
channels = ["http.desk"]
"""
    with open(os.path.join(directory, "config.toml"), "w", encoding="utf-8") as file:
        file.write(config)


class Load:
    """Registers customers and asks questions, and remembers who was answered."""

    SENDERS = 4

    def __init__(self, port, rate):
        self.port, self.rate = port, rate
        self.lock = threading.Lock()
        self.answered = []
        self.stop = threading.Event()
        self.failed = []
        self.threads = [threading.Thread(target=self.send, args=(number,)) for number in range(self.SENDERS)]
        for thread in self.threads:
            thread.start()

    def send(self, sender):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        number = 0
        try:
            while not self.stop.wait(self.SENDERS / self.rate):
                email = f"s{sender}n{number}@example.com"
                self.post(connection, "/umishop_api/user", {"name": "Ana", "email": email})
                if number % 2 == 0:
                    self.post(connection, "/umishop_api/topic", {"topic": "Sales", "question": email, "email": email})
                with self.lock:
                    self.answered.append(email)
                number += 1
        except Exception as error:  # noqa: BLE001: whatever it is, the run is void
            self.failed.append(repr(error))

    @staticmethod
    def post(connection, path, body):
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise Broken(f"{path} was answered {response.status}")

    def so_far(self):
        with self.lock:
            return set(self.answered)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise Broken(f"the load failed: {self.failed[0]}")


def audit(directory, before):
    """Of a restored database: whole, complete, nothing that would be sent. Says how many messages are in which state."""
    connection = sqlite3.connect(f"file:{directory}/umishop.db?mode=ro", uri=True)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise Broken(f"the restored database is damaged: {found}")
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            raise Broken("the restored database has rows without their parents")
        kept = {email for (email,) in connection.execute("SELECT email FROM users")}
        if before - kept:
            raise Broken(f"{len(before - kept)} customers were answered before the backup began and are not in it")
        asked = {question for (question,) in connection.execute("SELECT question FROM requests")}
        lost = {email for email in before if int(email.split("n")[1].split("@")[0]) % 2 == 0} - asked
        if lost:
            raise Broken(f"{len(lost)} questions were answered before the backup began and are not in it")
        states = dict(connection.execute("SELECT state, count(*) FROM messages GROUP BY state"))
        if states.get("pending") or states.get("sending"):
            raise Broken(f"the restored database would send: {states}")
        delivered = {bytes(row[0]) for row in connection.execute("SELECT id FROM messages WHERE state = 'delivered'")}
        every = {bytes(row[0]) for row in connection.execute("SELECT id FROM messages")}
        return states, delivered, every
    finally:
        connection.close()


def journal(path):
    noted = set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n") and " " in line:
                noted.add(bytes.fromhex(line.split(" ")[1].strip().replace("-", "")))
    return noted


def cycle(program, source, sink, load, number, figures):
    directory, before = source
    began = time.monotonic()
    backup = os.path.join(directory, f"backup-{number}.db")
    made = expect(program, directory, "backup", backup, "--json")
    figures["seconds"].append(time.monotonic() - began)
    figures["bytes"] = max(figures["bytes"], made["bytes"])
    # Something is delivered after the backup was taken.
    time.sleep(0.3)
    for with_journal in (False, True):
        elsewhere = os.path.join(directory, "..", f"restored-{number}-{int(with_journal)}")
        os.mkdir(elsewhere)
        path = f"/restored/{number}/{int(with_journal)}"
        configure(elsewhere, f"http://127.0.0.1:{sink.port}{path}")
        if with_journal:
            shutil.copy(os.path.join(directory, "umishop.db.delivered"), os.path.join(elsewhere, "umishop.db.delivered"))
        restored = expect(program, elsewhere, "restore", backup, "--json")
        states, delivered, every = audit(elsewhere, before)
        if states.get("held", 0) != restored["held"]:
            raise Broken(f"{restored['held']} were said to be held, and {states} is there")
        if with_journal:
            unknown = (journal(os.path.join(elsewhere, "umishop.db.delivered")) & every) - delivered
            if unknown:
                raise Broken(f"{len(unknown)} messages are in the journal and not delivered in the restored database")
            figures["delivered"] += restored["delivered"]
        figures["held"] += restored["held"]
        server = Server(program, elsewhere)
        time.sleep(WATCHED_SECONDS)
        server.kill()
        sent = sink.came_to(path)
        figures["resent"] += len(sent)
        if sent:
            raise Broken(f"a restored server sent {len(sent)} messages by itself")
        shutil.rmtree(elsewhere)
    raw = os.path.join(directory, "..", "raw")
    os.mkdir(raw)
    configure(raw, f"http://127.0.0.1:{sink.port}/raw")
    shutil.copy(backup, os.path.join(raw, "umishop.db"))
    code, _, error = run(program, raw, "serve")
    if code != 1 or "this is a backup" not in error:
        raise Broken(f"a raw backup was served: {error.strip()}")
    shutil.rmtree(raw)
    os.remove(backup)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    figures = {"seconds": [], "bytes": 0, "held": 0, "delivered": 0, "resent": 0}
    done, verdict = 0, "pass"
    with tempfile.TemporaryDirectory(prefix="umishop-op2-") as home:
        directory = os.path.join(home, "live")
        os.mkdir(directory)
        sink = Sink()
        configure(directory, f"http://127.0.0.1:{sink.port}/live")
        server = Server(program, directory)
        load = Load(server.port, arguments.rate)
        try:
            while len(load.so_far()) < arguments.rate and not load.failed:
                time.sleep(0.05)
            for number in range(arguments.cycles):
                cycle(program, (directory, load.so_far()), sink, load, number, figures)
                done += 1
                if load.failed:
                    raise Broken(f"the load failed: {load.failed[0]}")
            load.end()
        except (Broken, subprocess.TimeoutExpired, OSError, sqlite3.Error) as error:
            verdict = f"FAIL: {error}"
        finally:
            load.stop.set()
            server.kill()
        customers = len(load.so_far())
        sent = sink.came_to("/live")
    longest = max(figures["seconds"], default=0)
    print(
        f"OP-2 | {verdict} | {done}/{arguments.cycles} backups of a serving database ({customers} customers answered, "
        f"{len(set(sent))} messages sent meanwhile), each restored twice and whole | {figures['resent']} sent by a "
        f"restored server | {figures['delivered']} known from the journal, {figures['held']} held | longest backup "
        f"{longest:.2f} s for {figures['bytes'] / 1e6:.1f} MB at most"
    )
    sys.exit(0 if verdict == "pass" else 1)


if __name__ == "__main__":
    main()
