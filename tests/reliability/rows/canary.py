"""What must not be told to anybody."""

import base64
import http.client
import json
import re

from server import ADMIN_TOKEN, PATIENT
from sinks import ACCEPT, Reply
from stage import Result, Stage

SECRET = "canary-intake-4e1f77"
LOGIN = ("canary-user-19ab", "canary-password-83cd")
HTTP_TOKEN = "canary-token-55ef"
QUESTION = "canary question: may my cat swim?"
CANARIES = {
    "the intake secret": SECRET,
    "the mail password": LOGIN[1],
    "the mail login": re.escape(base64.b64encode(f"\0{LOGIN[0]}\0{LOGIN[1]}".encode()).decode()),
    "the channel's token": HTTP_TOKEN,
    "the admin token": ADMIN_TOKEN,
    "a customer's address": r"n\d+@customers\.test",
    "a question": "may my cat swim",
}


def canaries(run, directory):
    """SE-10: secrets, addresses and questions, looked for in logs at level debug, in what machines are told, and in
    answers that refuse."""
    result = Result("SE-10")
    with Stage(run, "SE-10", directory) as stage:
        stage.mail.login = LOGIN
        stage.configure(
            welcome_delay="10ms", log_level="debug", intake=f'auth = "secret"\nsecret = "{SECRET}"',
            mail='retry = ["1s"]', mail_server=f'username = "{LOGIN[0]}"\npassword = "{LOGIN[1]}"\ntimeout = "1s"',
            http=f'headers = {{ authorization = "Bearer {HTTP_TOKEN}" }}\ntimeout = "1s"\n' + PATIENT,
        )
        stage.mail.script = talkative(550, "5.1.1 <{}> is unknown here")
        stage.http.script = talkative(503, "")
        stage.server.start()
        for kind in ("register", "mail", "http", "both") * 3:
            stage.driver.send(kind, headers={"X-Umishop-Secret": SECRET}, text=QUESTION)
        told = {f"answer {number}": answer for number, answer in enumerate(refusals(stage.port))}
        for path in ("/readyz", "/healthz", "/metrics"):
            told[path] = stage.server.get(path)[1]
        stage.server.await_drained(6.0)  # some are refused for ever
        stage.server.kill()
        stage.server.start()
        code, _ = stage.server.terminate()
        result.require(code == 0, f"SIGTERM ended it with {code}")
        told |= {name: (directory / name).read_text() for name in ("server.log", "server.out")}
        result.accepted = stage.driver.accepted
        result.require(result.accepted == 12, f"{result.accepted} of 12 requests were accepted")
        result.require("DEBUG" in told["server.log"], "nothing was logged at level debug")
    for place, text in told.items():
        for what, canary in CANARIES.items():
            lines = [line for line in text.splitlines() if re.search(canary, line)]
            result.require(not lines, f"{what} stands in {place}: {' '.join(lines)[:160]}")
    result.figures |= {"places": len(told), "lines of log": len(told["server.log"].splitlines())}
    return result


def talkative(code, text):
    """A script that refuses every third message with a text about its customer, drops every other third, and takes
    the rest."""
    def script(received):
        turn = sum(received.id.encode()) % 3
        if turn == 0:
            return Reply("refuse", code=code, text=text.format(received.recipients[0]))
        return Reply("drop") if turn == 1 and not received.earlier else ACCEPT
    return script


def refusals(port):
    """The bodies of everything that umishop refuses."""
    body = {"name": "Customer", "email": "n1@customers.test", "topic": "http", "question": QUESTION}
    whole = json.dumps(body)
    good = {"X-Umishop-Secret": SECRET}
    for method, path, headers, text in (
        ("POST", "/umishop_api/topic", {}, whole),
        ("POST", "/umishop_api/topic", {"X-Umishop-Secret": SECRET + "x"}, whole),
        ("POST", f"/umishop_api/{SECRET}x/topic", {}, whole),
        ("POST", "/umishop_api/topic", good, whole[:-9]),
        ("POST", "/umishop_api/topic", good, whole * 2),
        ("POST", "/umishop_api/user", good, json.dumps(body | {"email": "n1@customers.test@"})),
        ("POST", "/umishop_api/topic", good, json.dumps({"name": "x"})),
        ("POST", f"/umishop_api/user?secret={SECRET}", good, "x" * 200_000),
        ("DELETE", "/umishop_api/user", good, whole),
        ("GET", f"/nowhere/{SECRET}?email=n1@customers.test", good, ""),
        ("GET", "/api/messages", {"Authorization": f"Bearer {ADMIN_TOKEN}x"}, ""),
        ("GET", "/api/messages/no-id", {"Authorization": f"Bearer {ADMIN_TOKEN}"}, ""),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            answer = response.read().decode()
            yield f"{method} {response.status}: {answer}" if response.status >= 400 else ""
        except OSError:
            yield ""  # a body that is too long may be cut off before it is answered
        finally:
            connection.close()
