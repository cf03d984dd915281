"""Checks, with the official library, what the program signs: check.py BINARY DIRECTORY

A receiver refuses the first attempt, so that there are two. Both were signed with two secrets, as while one is changed:
a receiver that knows either must take them, and nobody may change a byte of them.
"""

import base64
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

QUESTION = "How much, señor?\n\"Quoted\" & <b>bold</b> 🙂"
LONGEST_WAIT = 30  # seconds
NEW, OLD, FOREIGN = ("whsec_" + base64.b64encode(os.urandom(size)).decode() for size in (32, 24, 64))

CONFIG = """
sandbox = false
[server]
listen = "127.0.0.1:0"
[intake]
auth = "none"
[welcome]
channel = ""
[channels.http.crm]
url = "http://127.0.0.1:{port}/hooks/{{{{ topic }}}}"
private_networks = ["127.0.0.1"]
signing_secrets = ["{new}", "{old}"]
retry = ["1s"]
[[routes]]
channels = ["http.crm"]
"""


class Receiver(BaseHTTPRequestHandler):
    requests = queue.Queue()
    first = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.requests.put((self.path, dict(self.headers), body))
        self.send_response(503 if self.first else 200)
        Receiver.first = False
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def start(binary, directory, port):
    (directory / "config.toml").write_text(CONFIG.format(port=port, new=NEW, old=OLD))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UMISHOP_")}
    log = directory / "umishop.log"
    with open(log, "wb") as output:
        server = subprocess.Popen([binary, "serve"], cwd=directory, env=environment, stdout=output, stderr=output)
    for _ in range(LONGEST_WAIT * 20):
        found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text(errors="replace"))
        if found:
            return server, found[0]
        if server.poll() is not None:
            sys.exit(f"the program ended with {server.returncode}:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)
    server.kill()
    sys.exit("the program does not say where it listens")


def ask(address):
    customer = {"name": "Ana Ruíz", "email": "ana@example.com", "topic": "Pricing", "question": QUESTION}
    body = json.dumps(customer).encode()
    with urllib.request.urlopen(f"{address}/umishop_api/topic", body, timeout=LONGEST_WAIT) as answer:
        if json.load(answer)["status"] != "queued":
            sys.exit("the question was not queued")


def refused(secret, body, headers):
    """Why the library refuses the request; None: it takes it."""
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError as error:
        return str(error)
    return None


def check(path, headers, body):
    changed = {name: {**headers, name: value} for name, value in {
        "webhook-id": headers["webhook-id"][::-1],
        "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1),
        "webhook-signature": headers["webhook-signature"].split(" ")[-1],
    }.items()}  # fmt: skip
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}
    unmatched = "No matching signature found"
    for what, found, wanted in [
        ("the new secret", refused(NEW, body, headers), None),
        ("the old secret", refused(OLD, body, headers), None),
        ("the old secret, its signature alone", refused(OLD, body, changed["webhook-signature"]), None),
        ("the new secret, the other's signature", refused(NEW, body, changed["webhook-signature"]), unmatched),
        ("another secret", refused(FOREIGN, body, headers), unmatched),
        ("another body", refused(NEW, body.replace(b"Ana", b"Eva"), headers), unmatched),
        ("another id", refused(NEW, body, changed["webhook-id"]), unmatched),
        ("another second", refused(NEW, body, changed["webhook-timestamp"]), unmatched),
        ("an old time", refused(NEW, body, old), "Message timestamp too old"),
        ("the question", json.loads(body)["question"], QUESTION),
        ("the path", path, "/hooks/Pricing"),
        ("the id", headers["webhook-id"], headers["idempotency-key"]),
    ]:
        if found != wanted:
            sys.exit(f"{what}: expected {wanted!r}, found {found!r}")


def main(binary, directory):
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    server, address = start(binary, directory, receiver.server_port)
    try:
        ask(address)
        (first, second) = (Receiver.requests.get(timeout=LONGEST_WAIT) for _ in range(2))
    finally:
        server.terminate()
        server.wait(timeout=60)
    times, rest = [], []
    for path, headers, body in (first, second):
        headers = {name.lower(): value for name, value in headers.items()}
        check(path, headers, body)
        times.append(int(headers.pop("webhook-timestamp")))
        headers.pop("webhook-signature")
        rest.append((path, headers, body))
    if rest[0] != rest[1]:
        sys.exit(f"the attempts differ: {rest}")
    if times[1] <= times[0]:
        sys.exit(f"the second attempt was signed at {times[1]}, the first at {times[0]}")
    print("two attempts, two secrets: the library takes them, and nothing else")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
