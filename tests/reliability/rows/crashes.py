"""Ends at named places in the program, and a question over which it dies every time."""

import dataclasses
import resource
import signal
import sqlite3
import time

import auditor
from driver import question
from server import Gone
from sinks import Reply
from stage import Result, Stage

LEFT_OUT = ("LEFT OUT: it needs --crash-binary target/crash-points/debug/umishop, which "
            "`cargo build --locked --features crash-points --target-dir target/crash-points` builds")
#: Every place, as the program names it; a test of the program holds this list to its source.
PLACES = (
    "intake.received", "intake.stored",
    "store.written", "store.committed", "store.noted",
    "relay.claiming", "relay.claimed", "relay.delivering",
    "smtp.connected", "smtp.recipient", "smtp.text", "smtp.sent", "smtp.accepted",
    "http.calling", "http.answered",
    "relay.settling", "relay.settled",
    "start.migrated", "start.rescuing", "start.rescued",
)
#: Those between a receiver's yes and our commit of it: only there a message may come twice.
BETWEEN = {"smtp.sent", "smtp.accepted", "http.answered", "relay.settling", "store.written"}
#: One after the other, so that at most one message is on its way at the end.
SCENARIO = ("register", "register", "mail", "mail", "http", "http")
#: How long a message may take to be settled, and a process to end, in seconds.
STEP_LIMIT = 10.0
#: Lives at each place, short and full.
LIVES = (2, 25)


def matrix(run, directory):
    """NL-3: the program ends at a place when it is passed for the n-th time, for n = 1, 2, 3 … until a small scenario
    gets through without that; the next life must find everything."""
    result = Result("NL-3")
    if run.crash_binary is None:
        result.skipped = LEFT_OUT
        return result
    result.require(b"UMISHOP_CRASH" not in run.binary.read_bytes(), "--binary can be ended on purpose: it must not ship")
    run = armed(run)
    lives, ended, doubled = 0, 0, {}
    for place in PLACES:
        life, n = 0, 1
        while life < run.choose(*LIVES) or (run.full and n > 1 and not at_start(place)):
            died, duplicates = end_at(run, directory / f"{place}-{life}", place, n, result)
            result.require(died or n > 1, f"{place} is never passed, or this is no build with crash-points")
            if duplicates:
                doubled[place] = doubled.get(place, 0) + duplicates
            life, lives, ended = life + 1, lives + 1, ended + died
            n = n + 1 if died and not (at_start(place) and n == 2) else 1
    result.figures |= {"places": len(PLACES), "lives": lives, "ended there": ended,
                       "duplicates at": ", ".join(f"{place} {count}" for place, count in doubled.items()) or "none"}
    return result


def armed(run):
    """The same with the binary that can be ended; nothing is dumped when it is."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return dataclasses.replace(run, binary=run.crash_binary)


def at_start(place):
    """Whether it is passed once in a life. Then n counts lives: in the second there is something to rescue."""
    return place.startswith("start.")


def end_at(run, directory, place, n, result):
    """Lives that end at a place, and one after them. Returns whether they did, and how many messages came twice."""
    orders = (["relay.claimed:1"] * (n - 1) + [f"{place}:1"]) if at_start(place) else [f"{place}:{n}"]
    before = len(result.problems)
    directory.mkdir()
    with Stage(run, "NL-3", directory) as stage:
        stage.configure(welcome_delay="1ms")
        scenario = Scenario(stage)
        died = all(dies(scenario, order) for order in orders)
        if died:
            stage.server.start()
            result.require(scenario.go_on(), "the life after it got nowhere")
        verdict = stage.finish(result, drain_limit=30.0)
        result.require(verdict.accepted == len(SCENARIO), f"only {verdict.accepted} requests were accepted")
    allowed = 1 if place in BETWEEN else 0
    result.require(verdict.duplicates <= allowed, f"{verdict.duplicates} messages came twice, {allowed} may")
    result.problems[before:] = [f"{place}:{n}: {problem}" for problem in result.problems[before:]]
    if len(result.problems) == before:
        stage.forget()
    return died, verdict.duplicates


def dies(scenario, order):
    """A life under an order. Returns whether it ended by it."""
    server = scenario.stage.server
    server.start(environment={"UMISHOP_CRASH": order}, wait=False)
    try:
        server.await_ready()
        if scenario.go_on():
            return False
    except Gone:
        pass  # ended while it started
    return await_abort(server)


def await_abort(server):
    code = server.await_end(STEP_LIMIT)
    if code != -signal.SIGABRT:
        raise Gone(f"umishop should have ended at a named place, and ended with {code}: see {server.log_path}, "
                   "or it was built without crash-points")
    return True


class Scenario:
    """Requests, one after the other, each settled before the next; over as many lives as it takes."""

    def __init__(self, stage):
        self.stage = stage
        self.waiting = [(stage.driver.reserve(), kind) for kind in SCENARIO]
        self.settled = 0

    def go_on(self):
        """Posts what was not answered yet, as a bot would. Returns whether everything is settled; else it died."""
        while self.waiting:
            n, kind = self.waiting[0]
            if self.stage.driver.send(kind, n=n)[1] != "accepted":
                return False
            self.waiting.pop(0)
            self.settled += 1
            if not self._await_settled():
                return False
        return self._await_settled()

    def _await_settled(self):
        server = self.stage.server
        deadline = time.monotonic() + STEP_LIMIT
        while time.monotonic() < deadline and server.process.poll() is None:
            if len(server.messages("delivered") or []) >= self.settled:
                return True
            time.sleep(0.003)
        return False


#: The program dies whenever a question with this word is to be sent.
POISON = "poison"
#: As the program has it: after so many crashes a message is sent alone, after so many it is given up.
SUSPECT_AFTER, POISON_AFTER = 3, 8
#: The waits of a suspect in the full form, 10 + 20 + 40 + 80 + 160 s, and what the rest may take.
POISON_LIMITS = (60.0, 480.0)


def poison(run, directory):
    """FA-3: the program dies over one question of many: all others arrive, none of them is given up. The one is sent
    alone after its third crash, and given up after its eighth."""
    result = Result("FA-3")
    if run.crash_binary is None:
        result.skipped = LEFT_OUT
        return result
    run = armed(run)
    questions = run.choose(200, 1000)
    with Stage(run, "FA-3", directory) as stage:
        stage.configure()
        # A little slow, so that others are on their way when it dies.
        stage.mail.script = stage.http.script = lambda received: Reply(delay=0.02)
        keeper = Keeper(stage)
        keeper.start()
        for number in range(questions):
            n = stage.driver.reserve()
            text = f"{question(n)} It is {POISON}." if number == questions // 3 else question(n)
            while stage.driver.send(("mail", "http")[number % 2], n=n, text=text)[1] != "accepted":
                keeper.restart()
        took = keeper.await_state(run.choose("pending", "dead"), run.choose(*POISON_LIMITS))
        verdict = stage.finish(result, drained=False)
    unfinished = rows(directory, "SELECT r.question, m.state, m.crashes, m.last_error FROM messages m "
                                 "JOIN requests r ON r.id = m.request_id WHERE m.state <> 'delivered'")
    result.require([POISON in row[0] for row in unfinished] == [True], f"not delivered: {unfinished}")
    for _, state, crashes, error in unfinished:
        result.require(crashes >= SUSPECT_AFTER, f"it is no suspect after {crashes} crashes")
        result.require(not run.full or (state, crashes) == ("dead", POISON_AFTER) and f"died {POISON_AFTER}" in error,
                       f"it is {state} after {crashes} crashes: {error}")
    judge_deaths(result, keeper.deaths)
    result.figures |= {"questions": questions, "deaths": len(keeper.deaths), "others delivered": verdict.delivered,
                       "most on their way at a death": max(map(len, keeper.deaths), default=0),
                       "the others were delivered" if not run.full else "it was given up": f"after {took:.0f} s"}
    return result


def judge_deaths(result, deaths):
    """Whether the suspects were sent one at a time, and only one died over."""
    result.require(SUSPECT_AFTER <= len(deaths) <= POISON_AFTER, f"it died {len(deaths)} times")
    for number, on_their_way in enumerate(deaths, start=1):
        result.require(any(POISON in text for text, _ in on_their_way), f"death {number} was over another question")
        suspects = [text for text, crashes in on_their_way if crashes >= SUSPECT_AFTER]
        if number > SUSPECT_AFTER:
            result.require(len(suspects) == 1 and POISON in suspects[0], f"death {number}: sent at once: {suspects}")


class Keeper:
    """Starts the server again whenever it dies, and looks at what it was sending."""

    def __init__(self, stage):
        self.stage = stage
        #: for each death, what was on its way: question, crashes before
        self.deaths = []

    def start(self):
        try:
            self.stage.server.start(environment={"UMISHOP_CRASH": f"relay.delivering:{POISON}"})
        except Gone:
            self.restart()

    def restart(self):
        """Call it when the server is dead, or about to be."""
        await_abort(self.stage.server)
        self.deaths.append(rows(self.stage.directory, "SELECT r.question, m.crashes FROM messages m "
                                "JOIN requests r ON r.id = m.request_id WHERE m.state = 'sending'", fresh=True))
        if len(self.deaths) > 2 * POISON_AFTER:
            raise Gone(f"umishop died {len(self.deaths)} times")
        self.start()

    def await_state(self, state, limit):
        """Waits until one message is in this state and all others are delivered, after it was suspected. Returns the
        seconds it took."""
        begun = time.monotonic()
        while time.monotonic() < begun + limit:
            if self.stage.server.process.poll() is not None:
                self.restart()
            found = {name: self.stage.server.messages(name) for name in ("pending", "sending", "dead")}
            if (len(self.deaths) >= SUSPECT_AFTER and len(found[state] or []) == 1
                    and all(found[name] == [] for name in found if name != state)):
                break
            time.sleep(0.05)
        return time.monotonic() - begun


def rows(directory, query, fresh=False):
    """What the last audit's copy of the database says; of a `fresh` one, taken while nobody serves it."""
    path = auditor.copy_database(directory) if fresh else directory / "audited" / "umishop.db"
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
