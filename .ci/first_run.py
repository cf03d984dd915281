"""The README's first command, as a stranger runs it: no configuration, an empty directory, Ctrl-C at the end."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

program = pathlib.Path(sys.argv[1])
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % free.getsockname()[1]


def answer(path, body=None):
    with urllib.request.urlopen(f"http://{address}{path}", body, timeout=5) as response:
        return response.read()


with tempfile.TemporaryDirectory() as directory:
    environment = {"PATH": os.environ["PATH"], "UMISHOP_SERVER__LISTEN": address}
    started = time.monotonic()
    server = subprocess.Popen([program, "serve"], cwd=directory, env=environment, stdin=subprocess.DEVNULL)
    try:
        while True:
            try:
                answer("/healthz")
                break
            except OSError:
                if server.poll() is not None:
                    sys.exit(f"umishop serve ended with {server.returncode}")
                if time.monotonic() > started + 30:
                    sys.exit("umishop serve does not answer /healthz")
                time.sleep(0.005)
        print(f"answers after {(time.monotonic() - started) * 1000:.0f} ms")

        body = json.dumps({"name": "Ana", "email": "ana@example.com"}).encode()
        registered = json.loads(answer("/umishop_api/user", body))
        assert registered["status"] == "created", registered
        repeated = json.loads(answer("/umishop_api/user", body))
        assert repeated["status"] == "already_registered", repeated
        assert b"<html" in answer("/").lower()

        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0, f"Ctrl-C ended it with {server.returncode}"
    finally:
        server.kill()
        server.wait()
print(f"the program has {program.stat().st_size:,} bytes")
