"""A stage for one row: a directory of evidence with a server, its sinks, its customers and its ledger on it."""

import contextlib
import dataclasses
import shutil
import tempfile
from pathlib import Path

import auditor
from driver import Driver
from records import Events, Records
from server import Server, configuration, free_port
from sinks import HttpSink, MailSink


@dataclasses.dataclass(frozen=True)
class Run:
    """What the command line asked for."""

    binary: Path
    seed: int
    full: bool
    cycles: int | None
    #: the same program with the feature `crash-points`, or None
    crash_binary: Path | None = None

    def choose(self, short, full):
        """How often, in the form that was asked for."""
        return full if self.full else short


@dataclasses.dataclass
class Result:
    """What a row found: one line of the table."""

    row: str
    accepted: int = 0
    duplicates: int = 0
    figures: dict = dataclasses.field(default_factory=dict)
    problems: list = dataclasses.field(default_factory=list)
    skipped: str = ""
    #: the SQLite that wrote the database
    sqlite: str = ""

    def require(self, condition, problem):
        if not condition:
            self.problems.append(problem)

    def absorb(self, verdict, drained=True):
        """Takes an audit's findings. `drained`: nothing may be waiting any more."""
        self.accepted += verdict.accepted
        self.duplicates += verdict.duplicates
        self.problems.extend(verdict.lines())
        if drained:
            self.require(verdict.waiting == 0, f"{verdict.waiting} accepted requests still wait: {verdict.states}")
        return verdict


class Stage:
    """Opens everything, and closes it again whatever happens."""

    def __init__(self, run, name, directory=None, seed=None):
        self.run = run
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{name}-"))
        self.events = Events(self.directory / "events.jsonl")
        self.ledger = Records(self.directory / "ledger.jsonl")
        self.mail = MailSink(self.directory / "mail.jsonl")
        self.http = HttpSink(self.directory / "http.jsonl")
        self.port = free_port()
        self.driver = Driver(self.port, self.ledger, seed if seed is not None else run.seed)
        self.server = Server(run.binary, self.directory, self.port, self.events)

    def configure(self, **keys):
        """Writes config.toml; see `server.configuration` for the keys."""
        text = configuration(self.port, self.mail.port, self.http.port, **keys)
        (self.directory / "config.toml").write_text(text)

    def finish(self, result, drain_limit=120.0, drained=True):
        """Drains, stops in good order, and audits."""
        if drained:
            done, took = self.server.await_drained(drain_limit)
            result.require(done, f"messages were still on their way after {took:.0f} s")
        code, _ = self.server.terminate()
        result.require(code == 0, f"SIGTERM ended it with {code}")
        result.sqlite = sqlite_version(self.directory / "umishop.db")
        return result.absorb(auditor.audit(self.directory), drained)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.ExitStack() as closing:
            for part in (self.events, self.ledger, self.http, self.mail, self.server):
                closing.callback(part.close)

    def forget(self):
        """Deletes the evidence."""
        shutil.rmtree(self.directory, ignore_errors=True)


def sqlite_version(database):
    """The SQLite that wrote this file last, as its header says."""
    with open(database, "rb") as file:
        number = int.from_bytes(file.read(100)[96:100], "big")
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
