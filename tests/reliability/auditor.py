"""The judge: reads the ledger, the sinks' records, the events and the final database, and knows nothing else.

L1  every accepted request is delivered on each of its channels, or waits (pending, held, dead) with a reason
L2  a request that was refused, or whose answer got lost, is stored whole or not at all
L3  nothing is delivered that nobody asked for
L4  copies of one message have the same id and the same bytes
L5  each duplicate straddles a recorded kill or a lost reply
L6  the database is sound and keeps its own constraints
L7  the attempts that are kept explain every send
"""

import email
import email.policy
import json
import re
import shutil
import sqlite3
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

from driver import CHANNELS, address
from records import read

#: A message that a sink took just before a kill may have left the server a little earlier, or be read a little later.
SLACK = 0.5
#: The longest time between a receiver's yes and our commit of it. Beyond that a duplicate has no excuse.
SETTLE_WINDOW = 3.0
TOKEN = re.compile(rb"n(\d+)@customers\.test")
#: How many objections of one law are told in full.
TOLD = 5


@dataclass
class Verdict:
    """What an audit found."""

    objections: dict = field(default_factory=lambda: defaultdict(list))
    accepted: int = 0
    #: accepted, and neither delivered nor waiting
    lost: int = 0
    #: accepted, and waiting
    waiting: int = 0
    delivered: int = 0
    duplicates: int = 0
    #: seconds from a receiver's yes to the kill that made the server forget it
    windows: list = field(default_factory=list)
    #: refused or unanswered, and stored nevertheless: whole
    stored_unanswered: int = 0
    states: dict = field(default_factory=dict)

    def object(self, law, text):
        self.objections[law].append(text)

    @property
    def ok(self):
        return not self.objections

    def lines(self):
        for law, texts in sorted(self.objections.items()):
            for text in texts[:TOLD]:
                yield f"{law}: {text}"
            if len(texts) > TOLD:
                yield f"{law}: … and {len(texts) - TOLD} more"


def audit(directory, database=None):
    """Judges the evidence in `directory`: ledger.jsonl, mail.jsonl, http.jsonl, events.jsonl, umishop.db (stopped)."""
    verdict = Verdict()
    asked, answers = read_ledger(directory / "ledger.jsonl")
    sends = [record for name in ("mail", "http") for record in read(directory / f"{name}.jsonl") if record["id"]]
    ends = [record["at"] for record in read(directory / "events.jsonl") if record["event"] in ("kill", "died")]
    stored = Stored(database or copy_database(directory), verdict)
    judge_requests(verdict, asked, answers, stored, sends)
    judge_sends(verdict, asked, stored, sends)
    judge_copies(verdict, sends, sorted(ends))
    judge_attempts(verdict, stored, sends)
    return verdict


def copy_database(directory):
    """A copy to look at: opening even a stopped database would write its log back."""
    copy = directory / "audited"
    copy.mkdir(exist_ok=True)
    for name in ("umishop.db", "umishop.db-wal"):
        (copy / name).unlink(missing_ok=True)
        if (directory / name).exists():
            shutil.copyfile(directory / name, copy / name)
    (copy / "umishop.db-shm").unlink(missing_ok=True)
    return copy / "umishop.db"


def read_ledger(path):
    """What was asked (n -> intent) and how each try of it was answered (n -> list of answers)."""
    asked, answers = {}, defaultdict(list)
    for record in read(path):
        if "intent" in record:
            asked.setdefault(record["intent"], record)
        else:
            answers[record["answer"]].append(record)
    return asked, answers


class Stored:
    """The final database, as far as the laws need it."""

    def __init__(self, path, verdict):
        connection = sqlite3.connect(path)
        try:
            for check in ("integrity_check", "foreign_key_check"):
                for row in connection.execute(f"PRAGMA {check}"):
                    if row[0] != "ok":
                        verdict.object("L6", f"{check}: {row}")
            self.users = {mail: text_id(key) for key, mail in connection.execute("SELECT id, email FROM users")}
            self.requests = {}
            self.requests_by_question = defaultdict(list)
            for key, asked, used in connection.execute("SELECT id, question, idempotency_key FROM requests"):
                self.requests[text_id(key)] = (asked, used)
                self.requests_by_question[asked].append(text_id(key))
            self.messages = {}
            self.of_request, self.welcomes = defaultdict(list), defaultdict(list)
            columns = "id, user_id, request_id, channel, purpose, state, lease_epoch, last_error"
            for row in connection.execute(f"SELECT {columns} FROM messages"):
                self._add(Message(text_id(row[0]), text_id(row[1]), text_id(row[2]), *row[3:]))
            self.attempts = defaultdict(list)
            for key, outcome in connection.execute("SELECT message_id, outcome FROM attempts"):
                self.attempts[text_id(key)].append(outcome)
        except sqlite3.Error as error:
            verdict.object("L6", f"the database cannot be read: {error}")
            raise
        finally:
            connection.close()
        for message in self.messages.values():
            verdict.states[message.state] = verdict.states.get(message.state, 0) + 1

    def _add(self, message):
        self.messages[message.id] = message
        if message.purpose == "welcome":
            self.welcomes[message.user].append(message)
        else:
            self.of_request[message.request].append(message)

    def found(self, intent):
        """What the database holds of a request: its id or None, and its messages."""
        if intent["kind"] == "register":
            user = self.users.get(address(intent["intent"]))
            return user, self.welcomes.get(user, [])
        requests = self.requests_by_question.get(intent["text"], [])
        return (requests[0], self.of_request.get(requests[0], [])) if requests else (None, [])


@dataclass(frozen=True)
class Message:
    """A row of the outbox."""

    id: str
    user: str
    request: str
    channel: str
    purpose: str
    state: str
    epoch: int
    error: str


def text_id(key):
    return str(uuid.UUID(bytes=key)) if key else ""


def judge_requests(verdict, asked, answers, stored, sends):
    """L1 and L2."""
    taken = {send["id"] for send in sends if send["kind"] in ("accept", "drop", "silent")}
    for n, intent in asked.items():
        found, messages = stored.found(intent)
        yes = [answer for answer in answers.get(n, []) if answer["outcome"] == "accepted"]
        channels = sorted(message.channel for message in messages)
        whole = found and channels == sorted(CHANNELS[intent["kind"]])
        if yes:
            verdict.accepted += 1
            judge_accepted(verdict, n, yes, found, whole, messages, taken)
        elif found and not whole:
            verdict.object("L2", f"request {n} was not answered with yes and is stored in part: {channels}")
        elif found and answers.get(n) and all(answer["outcome"] == "unreached" for answer in answers[n]):
            verdict.object("L3", f"request {n} never reached the server and is stored")
        elif found:
            verdict.stored_unanswered += 1
    for question, requests in stored.requests_by_question.items():
        if len(requests) > 1:
            verdict.object("L4", f"{len(requests)} requests are stored for one: {question!r}")


def judge_accepted(verdict, n, yes, found, whole, messages, taken):
    if not whole or any(answer["id"] != found for answer in yes):
        verdict.lost += 1
        verdict.object("L1", f"request {n} was accepted as {yes[0]['id']}; found {found} with {len(messages)} messages")
        return
    states = [message.state for message in messages]
    for message in messages:
        if message.state == "delivered" and message.id not in taken:
            verdict.lost += 1
            verdict.object("L1", f"message {message.id} of request {n} is called delivered, and no sink has it")
        if message.state in ("dead", "held") and not message.error:
            verdict.object("L1", f"message {message.id} of request {n} is {message.state} without a reason")
    if any(state in ("sending", "cancelled") for state in states):
        verdict.object("L1", f"request {n} has messages in {states} after the end")
    verdict.waiting += any(state in ("pending", "held", "dead") for state in states)


def judge_sends(verdict, asked, stored, sends):
    """L3, and that a delivery says what was asked."""
    for send in sends:
        found = TOKEN.search(send["bytes"].encode("latin-1"))
        intent = asked.get(int(found[1])) if found else None
        message = stored.messages.get(send["id"])
        if intent is None or message is None:
            verdict.object("L3", f"{send['sink']} got {send['id']}, which nobody asked for")
        elif message.channel not in CHANNELS[intent["kind"]]:
            verdict.object("L3", f"{send['sink']} got {send['id']} over {message.channel}: {intent['kind']} was asked")
        elif intent["kind"] != "register" and not says(send, intent["text"]):
            verdict.object("L4", f"{send['sink']} got {send['id']} without its question {intent['text']!r}")


def says(send, text):
    """Whether a delivery carries the text whole."""
    content = send["bytes"].encode("latin-1")
    if text.encode() in content:
        return True
    if send["sink"] == "http":
        return json.loads(content).get("question") == text
    mail = email.message_from_bytes(content, policy=email.policy.default)
    body = mail.get_body(("plain",))
    return body is not None and text in " ".join(body.get_content().replace("\n> ", " ").split())


def judge_copies(verdict, sends, ends):
    """L4 and L5: copies are equal, and each has its excuse."""
    copies, ids = defaultdict(list), defaultdict(set)
    for send in sends:
        if send["kind"] in ("accept", "drop", "silent"):
            copies[send["id"]].append(send)
            token = TOKEN.search(send["bytes"].encode("latin-1"))
            ids[(send["sink"], send["to"][0], token[1] if token else b"")].add(send["id"])
    for (sink, _, token), found in ids.items():
        if len(found) > 1:
            verdict.object("L4", f"{sink} got request {token.decode()} under {len(found)} ids: {sorted(found)}")
    for message_id, group in copies.items():
        verdict.delivered += 1
        verdict.duplicates += len(group) - 1
        group.sort(key=lambda send: send["begun"])
        if any((copy["bytes"], copy["to"]) != (group[0]["bytes"], group[0]["to"]) for copy in group):
            verdict.object("L4", f"the copies of {message_id} differ")
        for first, second in zip(group, group[1:]):
            window = excuse(first, second, ends)
            if window is None:
                verdict.object("L5", f"{message_id} came twice, {second['begun'] - first['at']:.3f} s apart, without "
                                     "a kill or a lost reply in between")
            elif window >= 0:
                verdict.windows.append(window)


def excuse(first, second, ends):
    """Seconds from the receiver's yes to the kill; -1 for a lost reply; None when there is no excuse."""
    if first["kind"] in ("drop", "silent"):
        return -1
    for end in ends:
        if first["begun"] - SLACK <= end <= second["begun"] and end - first["at"] <= SETTLE_WINDOW:
            return max(0.0, end - first["at"])
    return None


def judge_attempts(verdict, stored, sends):
    """L7: each send is a claim, and a delivery that is recorded has its attempt."""
    seen = defaultdict(int)
    for send in sends:
        seen[send["id"]] += 1
    for message in stored.messages.values():
        outcomes = stored.attempts.get(message.id, [])
        if seen[message.id] > message.epoch:
            verdict.object("L7", f"{message.id} was sent {seen[message.id]} times under {message.epoch} claims")
        if len(outcomes) > message.epoch:
            verdict.object("L7", f"{message.id} has {len(outcomes)} attempts under {message.epoch} claims")
        if (message.state == "delivered") != (outcomes.count("delivered") == 1):
            verdict.object("L7", f"{message.id} is {message.state} with the attempts {outcomes}")
