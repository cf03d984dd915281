"""Shows that the auditor can fail: evidence that is right passes, and each way to spoil it is objected to."""

import json
import sqlite3
import tempfile
import uuid
from pathlib import Path

import auditor
from driver import address, question

SCHEMA = """
CREATE TABLE users (id BLOB PRIMARY KEY, email TEXT);
CREATE TABLE requests (id BLOB PRIMARY KEY, question TEXT, idempotency_key TEXT);
CREATE TABLE messages (id BLOB PRIMARY KEY, user_id BLOB, request_id BLOB, channel TEXT, purpose TEXT, state TEXT,
                       lease_epoch INTEGER, last_error TEXT, CHECK (state <> 'nonsense'));
CREATE TABLE attempts (message_id BLOB, outcome TEXT);
"""


def run():
    """Returns the process's exit code."""
    failures = 0
    for name, spoil, law in CASES:
        with tempfile.TemporaryDirectory() as directory:
            evidence = Evidence(Path(directory))
            spoil(evidence)
            verdict = evidence.audit()
        found = sorted(verdict.objections)
        right = law in found if law else not found
        failures += not right
        print(f"{'ok  ' if right else 'FAIL'} | {name} | {'objects by ' + law if law else 'no objection'} | "
              f"found {found or 'none'}")
    return 1 if failures else 0


class Evidence:
    """Four requests by the book: 1 registers, 2 asks by mail, 3 by http, 4 got no answer and is stored whole.
    Request 3's message came twice, around a kill."""

    def __init__(self, directory):
        self.directory = directory
        self.ids = {n: uuid.UUID(int=n) for n in (1, 2, 3, 4, 12, 13, 14, 21, 22, 23, 24)}
        self.ledger, self.events = [], [{"event": "kill", "at": 10.0}]
        self.sends = []
        self.statements = []
        for n, kind in ((1, "register"), (2, "mail"), (3, "http"), (4, "http")):
            self.ledger.append({"intent": n, "at": 1.0, "kind": kind, "key": None, "text": question(n)})
            outcome = "unknown" if n == 4 else "accepted"
            answered = "" if n == 4 else str(self.ids[1] if n == 1 else self.ids[10 + n])
            self.ledger.append({"answer": n, "at": 2.0, "outcome": outcome, "status": 200, "id": answered})
            self._store(n, kind)
            self.send(n, kind, 5.0)
        self.send(3, "http", 9.9)
        self.sends[2]["begun"], self.sends[2]["at"] = 9.9, 9.95
        self.sends[-1]["begun"], self.sends[-1]["at"] = 10.5, 10.6
        self.sql("UPDATE messages SET lease_epoch = 2 WHERE id = ?", self.ids[23].bytes)

    def _store(self, n, kind):
        user, message = self.ids[n].bytes, self.ids[20 + n].bytes
        request = None if kind == "register" else self.ids[10 + n].bytes
        channel = {"register": "email.welcome", "mail": "email.sales", "http": "http.crm"}[kind]
        self.sql("INSERT INTO users VALUES (?, ?)", user, address(n))
        if request:
            self.sql("INSERT INTO requests VALUES (?, ?, NULL)", request, question(n))
        self.sql("INSERT INTO messages VALUES (?, ?, ?, ?, ?, 'delivered', 1, '')", message, user, request, channel,
                 "request" if request else "welcome")
        self.sql("INSERT INTO attempts VALUES (?, 'delivered')", message)

    def send(self, n, kind, at, **changes):
        content = f"From {address(n)}: {question(n)}"
        message_id = str(self.ids.get(20 + n))
        self.sends.append({"sink": "http" if kind == "http" else "mail", "id": message_id, "to": ["x"],
                           "begun": at, "at": at + 0.01, "wall": at, "kind": "accept", "code": 0, "bytes": content}
                          | changes)

    def sql(self, statement, *values):
        self.statements.append((statement, values))

    def audit(self):
        with sqlite3.connect(self.directory / "umishop.db") as database:
            database.executescript("PRAGMA ignore_check_constraints = ON;" + SCHEMA)
            for statement, values in self.statements:
                database.execute(statement, values)
        database.close()
        write(self.directory / "ledger.jsonl", self.ledger)
        write(self.directory / "events.jsonl", self.events)
        for name in ("mail", "http"):
            write(self.directory / f"{name}.jsonl", [send for send in self.sends if send["sink"] == name])
        return auditor.audit(self.directory)


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def lose_a_row(evidence):
    evidence.sql("DELETE FROM messages WHERE id = ?", evidence.ids[22].bytes)
    evidence.sql("DELETE FROM requests WHERE id = ?", evidence.ids[12].bytes)
    evidence.sends = [send for send in evidence.sends if send["id"] != str(evidence.ids[22])]


def lose_a_delivery(evidence):
    evidence.sends = [send for send in evidence.sends if send["id"] != str(evidence.ids[22])]


def tear_an_unanswered(evidence):
    evidence.sql("DELETE FROM messages WHERE id = ?", evidence.ids[24].bytes)
    evidence.sends = [send for send in evidence.sends if send["id"] != str(evidence.ids[24])]


def deliver_unasked(evidence):
    evidence.send(9, "mail", 6.0, id=str(uuid.UUID(int=99)))


def alter_a_copy(evidence):
    evidence.sends[-1]["bytes"] += " "


def rename_a_copy(evidence):
    evidence.send(3, "http", 11.0, id=str(evidence.ids[24]))


def forget_the_kill(evidence):
    evidence.events = []


def kill_too_late(evidence):
    evidence.sends[2]["begun"], evidence.sends[2]["at"] = 3.0, 3.1


def break_a_constraint(evidence):
    evidence.sql("UPDATE messages SET state = 'nonsense' WHERE id = ?", evidence.ids[24].bytes)
    evidence.sql("DELETE FROM attempts WHERE message_id = ?", evidence.ids[24].bytes)


def send_without_claim(evidence):
    evidence.sql("UPDATE messages SET lease_epoch = 1 WHERE id = ?", evidence.ids[23].bytes)


def leave_sending(evidence):
    evidence.sql("UPDATE messages SET state = 'sending' WHERE id = ?", evidence.ids[22].bytes)


def die_without_reason(evidence):
    evidence.sql("UPDATE messages SET state = 'dead' WHERE id = ?", evidence.ids[22].bytes)


def store_the_unreached(evidence):
    evidence.ledger[-1]["outcome"] = "unreached"


CASES = [
    ("evidence by the book, with a duplicate around a kill", lambda evidence: None, None),
    ("an accepted request that is not stored", lose_a_row, "L1"),
    ("a delivered message that no sink has", lose_a_delivery, "L1"),
    ("a message that is still `sending`", leave_sending, "L1"),
    ("a dead letter without a reason", die_without_reason, "L1"),
    ("an unanswered request that is stored in part", tear_an_unanswered, "L2"),
    ("a delivery that nobody asked for", deliver_unasked, "L3"),
    ("a request that never reached the server and is stored", store_the_unreached, "L3"),
    ("a duplicate with other bytes", alter_a_copy, "L4"),
    ("a duplicate under another id", rename_a_copy, "L4"),
    ("a duplicate without a kill", forget_the_kill, "L5"),
    ("a duplicate whose kill came long after the receiver's yes", kill_too_late, "L5"),
    ("a row that breaks its constraint", break_a_constraint, "L6"),
    ("more sends than claims", send_without_claim, "L7"),
]
