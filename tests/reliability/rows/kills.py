"""kill -9 at any moment, and at every system call that matters."""

import random
import time

import auditor
from records import percentile, read
from server import Gone
from stage import Result, Stage

#: What may be on its way at once: two mail channels of 8 and an http channel of 32, as shipped.
CONCURRENCY = 8 + 8 + 32
#: Share of deliveries that may come twice when there is a kill every half second. It holds where the processors had a
#: quarter of their time left: a machine that is busy otherwise widens the window between a receiver's yes and our
#: commit, and then the share says more about the machine than about the program.
MOST_DUPLICATES, QUIET = 0.01, 0.25
#: Of the welcome mail, in seconds, as the row configures it.
WELCOME_DELAY = 1.0
RATES = {"register": 50, "mail": 50, "http": 50}


def random_kills(run, directory):
    """NL-1: kill -9 at a random moment between 50 and 700 ms after ready, again and again, under load."""
    result = Result("NL-1")
    cycles = run.cycles or run.choose(60, 1000)
    dice = random.Random(run.seed)
    processors = processor_times()
    with Stage(run, "NL-1", directory) as stage:
        stage.configure()
        starts = [stage.server.start()]
        with stage.driver.load(RATES):
            for _ in range(cycles):
                time.sleep(dice.uniform(0.05, 0.7))
                stage.server.kill()
                starts.append(stage.server.start())
        idle = idle_share(processors, processor_times())
        verdict = stage.finish(result, drain_limit=300.0)
        recovery = recoveries(stage.directory)
    result.require(verdict.lost == 0, f"{verdict.lost} accepted requests are lost")
    share = verdict.duplicates / max(1, verdict.delivered)
    result.require(share <= MOST_DUPLICATES or idle < QUIET, f"{100 * share:.1f} % of the deliveries were duplicates")
    worst = most_per_kill(stage.directory)
    result.require(worst <= CONCURRENCY, f"{worst} duplicates after one kill: more than may be on their way")
    slowest = percentile(recovery, 0.99)
    result.require(slowest <= 2.0, f"the first rescued send came {slowest:.2f} s after a restart (p99)")
    result.figures |= {
        "kills": cycles,
        "deliveries": verdict.delivered,
        "share of duplicates": f"{100 * share:.2f} % (processors idle for {100 * idle:.0f} %)",
        "unanswered but stored whole": verdict.stored_unanswered,
        "most duplicates after one kill": worst,
        "widest window": f"{1000 * max(verdict.windows, default=0):.0f} ms",
        "restart to ready p99": f"{1000 * percentile(starts, 0.99):.0f} ms",
        "restart to first rescued send p50/p99": f"{percentile(recovery, 0.5):.3f}/{slowest:.3f} s",
    }
    return result


def processor_times():
    """What the processors did since they started: (idle, all), in ticks."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def idle_share(before, after):
    return (after[0] - before[0]) / max(1, after[1] - before[1])


def recoveries(directory):
    """For each restart: seconds from the start until a sink got something that was due before the kill."""
    due = {}
    kinds = {}
    for record in read(directory / "ledger.jsonl"):
        if "intent" in record:
            kinds[record["intent"]] = record["kind"]
        elif record["outcome"] == "accepted":
            delay = WELCOME_DELAY if kinds[record["answer"]] == "register" else 0.0
            due.setdefault(str(record["answer"]).encode(), record["at"] + delay)
    sends = []
    for name in ("mail", "http"):
        for send in read(directory / f"{name}.jsonl"):
            token = auditor.TOKEN.search(send["bytes"].encode("latin-1"))
            if token and token[1] in due:
                sends.append((send["begun"], due[token[1]]))
    sends.sort()
    found, at, kill = [], 0, None
    for event in read(directory / "events.jsonl"):
        if event["event"] == "kill":
            kill = event["at"]
        elif event["event"] == "start" and kill is not None:
            while at < len(sends) and sends[at][0] < event["at"]:
                at += 1
            first = next((begun for begun, moment in sends[at:at + 1000] if moment < kill), None)
            if first is not None:
                found.append(first - event["at"])
    return found


def most_per_kill(directory):
    """The most duplicates that any one kill caused."""
    kills = [event["at"] for event in read(directory / "events.jsonl") if event["event"] == "kill"]
    counts, seen = {}, set()
    sends = sorted((send["begun"], send["id"]) for name in ("mail", "http")
                   for send in read(directory / f"{name}.jsonl") if send["kind"] == "accept")
    for begun, message_id in sends:
        if message_id in seen:
            kill = max((kill for kill in kills if kill <= begun), default=0)
            counts[kill] = counts.get(kill, 0) + 1
        seen.add(message_id)
    return max(counts.values(), default=0)


#: How many points of each kind the short form tries.
SAMPLE = 25
SYSCALLS = ("fdatasync", "pwrite64", "write", "sendto")
#: What the scenario of NL-2 posts.
SCENARIO = ("register", "register", "both", "http")
#: A life under strace that has not been killed by then will not be.
SCENARIO_LIMIT = 8.0


def kills_at_syscalls(run, directory):
    """NL-2: kill -9 at the n-th system call of a kind, for n = 1, 2, 3 … until a small scenario gets through."""
    result = Result("NL-2")
    dice = random.Random(run.seed)
    for syscall in SYSCALLS:
        (directory / syscall).mkdir()
        calls = count_calls(run, directory / syscall / "count", syscall)
        points = list(range(1, calls + 1))
        if not run.full and len(points) > SAMPLE:
            points = sorted(dice.sample(points, SAMPLE))
        killed = sum(kill_at(run, directory / syscall / str(n), syscall, n, result) for n in points)
        result.figures[syscall] = f"killed at {killed} of {len(points)} points (n ≤ {calls})"
    return result


def strace(syscall, *options, output="/dev/null"):
    """The command that puts a process under strace, as a child of ours and not of strace's."""
    return ("strace", "-D", "-f", "-qq", "-o", output, "-e", f"trace={syscall}", *options)


def count_calls(run, directory, syscall):
    """How many calls of a kind the scenario makes in the thread that makes most; strace counts by thread."""
    directory.mkdir()
    trace = directory / "trace"
    with Stage(run, "NL-2", directory) as stage:
        stage.configure(welcome_delay="1ms")
        stage.server.start(strace(syscall, output=str(trace)))
        play_scenario(stage)
        stage.server.kill()
    counts = {}
    for line in trace.read_text(errors="replace").splitlines():
        if f" {syscall}(" in line:
            thread = line.split(" ", 1)[0]
            counts[thread] = counts.get(thread, 0) + 1
    return max(counts.values(), default=0)


def play_scenario(stage):
    """Two registrations, two questions; waits until what they led to is delivered, or the server is dead."""
    deadline = time.monotonic() + SCENARIO_LIMIT
    try:
        stage.server.await_ready()
        for kind in SCENARIO:
            stage.driver.send(kind)
        while time.monotonic() < deadline and stage.server.process.poll() is None:
            if stage.mail.taken + stage.http.taken >= 5 and stage.server.messages("sending") == []:
                return
            time.sleep(0.02)
    except Gone:
        pass  # killed while it started


def kill_at(run, directory, syscall, n, result):
    """A life that ends at the n-th call, and one after it that must find everything. Returns whether it was killed."""
    directory.mkdir()
    with Stage(run, "NL-2", directory) as stage:
        stage.configure(welcome_delay="1ms")
        stage.server.start(strace(syscall, "-e", f"inject={syscall}:signal=KILL:when={n}"), wait=False)
        play_scenario(stage)
        killed = stage.server.process.poll() is not None
        if killed:
            stage.server.await_end(1)
        else:
            stage.server.kill()
        stage.server.start()
        before = len(result.problems)
        stage.finish(result, drain_limit=30.0)
    result.problems[before:] = [f"{syscall} {n}: {problem}" for problem in result.problems[before:]]
    if len(result.problems) == before:
        stage.forget()
    return killed
