"""umishop as a process: its configuration, its start, its end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

#: How long a start may take.
READY_LIMIT = 20.0
#: How long a stop in good order may take: ten seconds for requests, 25 for messages on their way, one to spare.
STOP_LIMIT = 36.0
ADMIN_TOKEN = "campaign-admin-token-3f9c2a71"

CONFIGURATION = """sandbox = false
[server]
listen = "127.0.0.1:{port}"
public_url = "https://shop.test"
[intake]
{intake}
[admin]
token = "{token}"
[store]
url = "sqlite:umishop.db"
{store}
[welcome]
delay = "{welcome_delay}"
[retention]
delivered = "20years"
dead = "20years"
[log]
level = "{log_level}"
[channels.email.welcome]
server = "smtp://127.0.0.1:{mail_port}"
from = "UmiShop <hello@shop.test>"
{mail}
[channels.email.sales]
to = ["sales@shop.test"]
{mail_common}
[channels.http.crm]
url = "http://127.0.0.1:{http_port}/crm"
private_networks = ["127.0.0.1"]
{http}
[[routes]]
topic = "mail"
channels = ["email.sales"]
[[routes]]
topic = "http"
channels = ["http.crm"]
[[routes]]
topic = "both"
channels = ["email.sales", "http.crm"]
[[routes]]
channels = ["http.crm"]
"""

#: Short waits, and so many of them that no message is given up while something is broken on purpose.
PATIENT = "retry = [" + ", ".join(['"1s"'] * 90) + "]"


def configuration(port, mail_port, http_port, *, welcome_delay="1s", mail=PATIENT, mail_server="", http=PATIENT,
                  store="", intake='auth = "none"', log_level="info"):
    """The text of a config.toml. `mail` are keys of both mail channels, `mail_server` of the shared server."""
    return CONFIGURATION.format(
        port=port, mail_port=mail_port, http_port=http_port, welcome_delay=welcome_delay,
        mail=mail + "\n" + mail_server, mail_common=mail, http=http, store=store, intake=intake, log_level=log_level,
        token=ADMIN_TOKEN,
    )


def free_port():
    """A port nobody listens on; above 20000, where no well-known service lives."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port >= 20000:
            return port


class Gone(Exception):
    """The server ended where it should have been ready."""


class Server:
    """One umishop in one directory, started and ended many times."""

    def __init__(self, binary, directory, port, events):
        self.binary = binary
        self.directory = directory
        self.port = port
        self.events = events
        self.process = None
        self.log_path = directory / "server.log"

    def start(self, prefix=(), environment=None, wait=True):
        """Starts it, under the command `prefix` if given, and waits until it is ready. Returns how long that took."""
        begun = self.events.note("start")
        with open(self.log_path, "ab") as log, open(self.directory / "server.out", "ab") as out:
            self.process = subprocess.Popen(
                [*prefix, self.binary, "serve"], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                env=clean_environment() | (environment or {}),
            )
        if not wait:
            return 0.0
        self.await_ready()
        return self.events.note("ready") - begun

    def await_ready(self, limit=READY_LIMIT):
        deadline = time.monotonic() + limit
        while self.get("/readyz")[0] != 200:
            if self.process.poll() is not None:
                self.events.note("died", code=self.process.returncode)
                raise Gone(f"umishop ended with {self.process.returncode} at its start; see {self.log_path}")
            if time.monotonic() > deadline:
                raise Gone(f"umishop was not ready within {limit} s; see {self.log_path}")
            time.sleep(0.003)

    def kill(self):
        """kill -9."""
        at = self.events.note("kill")
        self.process.kill()
        self.process.wait(10)
        self.process = None
        return at

    def terminate(self, limit=STOP_LIMIT):
        """SIGTERM; waits for the end. Returns the exit code and the seconds it took."""
        begun = self.events.note("terminate")
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(limit)
        took = self.events.note("ended", code=code) - begun
        self.process = None
        return code, took

    def await_end(self, limit):
        """Waits until it has ended by itself. Returns its exit code, or None when it did not end."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        self.events.note("died", code=code)
        self.process = None
        return code

    def close(self):
        if self.process and self.process.poll() is None:
            self.events.note("kill")
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def get(self, path, token=None, limit=3.0):
        """Status and body of a GET; status 0 when there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def messages(self, state):
        """One page of the messages in a state, as the API tells them."""
        status, body = self.get(f"/api/messages?state={state}&limit=500", ADMIN_TOKEN, limit=10.0)
        return json.loads(body)["items"] if status == 200 else None

    def await_drained(self, limit):
        """Waits until no message is on its way, in two looks in a row: one may pass from state to state meanwhile.
        Returns whether that came to be, and the seconds it took."""
        begun = time.monotonic()
        clean = 0
        while clean < 2:
            clean = clean + 1 if all(self.messages(state) == [] for state in ("pending", "sending")) else 0
            if time.monotonic() > begun + limit:
                return False, limit
            time.sleep(0.1)
        return True, time.monotonic() - begun

    def knows(self, key):
        """Whether its configuration has a key of this name; the shipped file names them all."""
        return f"{key} " in self.command("config").stdout

    def command(self, *arguments, limit=20.0):
        """Runs another umishop command in the same directory, beside the server."""
        return subprocess.run([self.binary, *arguments], cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=limit, env=clean_environment())


def clean_environment():
    """This environment without anything that umishop would take for configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("UMISHOP_")}
