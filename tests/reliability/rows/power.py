"""Power cuts, simulated on what the real program wrote."""

import functools
import json
import multiprocessing
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import powercut
from server import clean_environment
from stage import Result, Stage, sqlite_version

DATABASE = "umishop.db"
#: Requests of each life of the recorded server, and how it ends. The last life is long enough for a checkpoint.
LIVES = ((40, "kill"), (40, "terminate"), (40, "kill"), (900, "kill"))
#: At most so many losses are told one by one.
TOLD = 5


def power_cuts(run, directory):
    """NL-4: the disk, rebuilt at every answer and at random moments with what was not synced dropped, kept in part or
    torn: each image must be sound and hold everything that was promised."""
    result = Result("NL-4")
    images = run.choose(400, 20_000)
    traces, port = record(run, directory, result)
    events = list(powercut.parse(traces, DATABASE, functools.partial(promised_by_server, port)))
    for trace in traces:
        trace.unlink()
    promises = sum(event.what == "acknowledge" for event in events)
    result.accepted = promises
    result.require(promises >= 0.9 * sum(number for number, _ in LIVES), f"only {promises} answers were recorded")
    lost, damaged, cut = judge(events, images, run.seed, Promises)
    for found in (lost + damaged)[:TOLD]:
        result.problems.append(found)
    result.figures |= {"images": cut, "lost": len(lost), "damaged": len(damaged),
                       "syncs": sum(event.what == "sync_end" for event in events),
                       "pages written back": sum(event.what == "write" and event.name == DATABASE for event in events)}
    start_on_images(run, directory, events, result)
    lying_disk(events, run, result)
    careless_writer(run, directory, result)
    return result


def record(run, directory, result):
    """Lets a server live several lives under the recorder. Returns the traces and the server's port."""
    traces = []
    with Stage(run, "NL-4", directory) as stage:
        stage.configure(welcome_delay="50ms")
        for number, (requests, end) in enumerate(LIVES):
            traces.append(directory / f"trace{number}")
            stage.server.start(powercut.recorder(traces[-1]))
            with stage.driver.load({"register": 60, "both": 60}):
                goal = stage.driver.accepted + requests
                deadline = time.monotonic() + 60
                while stage.driver.accepted < goal and time.monotonic() < deadline:
                    time.sleep(0.01)
                if end == "kill":
                    stage.server.kill()
                else:
                    stage.server.terminate()
            await_quiet(traces[-1])
        result.sqlite = sqlite_version(directory / DATABASE)
        return traces, stage.port


def await_quiet(trace):
    """Waits until strace has written its last line; it outlives the process that it watched."""
    size, deadline = -1, time.monotonic() + 10
    while (now := trace.stat().st_size) != size and time.monotonic() < deadline:
        size = now
        time.sleep(0.2)


def promised_by_server(port, descriptor, data):
    """The status and id that an HTTP answer promises, as b"created …"."""
    if not descriptor.startswith(f"TCP:[127.0.0.1:{port}->") or not data.startswith(b"HTTP/1.1 200"):
        return None
    try:
        answer = json.loads(data.split(b"\r\n\r\n", 1)[1])
    except (IndexError, ValueError):
        return None
    return f"{answer['status']} {answer['id']}".encode() if isinstance(answer, dict) and answer.get("ok") else None


class Promises:
    """Judges whether a database holds what umishop's answers promised."""

    database = DATABASE

    def __init__(self, connection):
        self._users = {row[0] for row in connection.execute("SELECT user_id FROM messages WHERE purpose = 'welcome'")}
        self._users &= {row[0] for row in connection.execute("SELECT id FROM users")}
        counts = connection.execute("SELECT request_id, count(*) FROM messages WHERE purpose = 'request' GROUP BY 1")
        requests = {row[0] for row in connection.execute("SELECT id FROM requests")}
        self._requests = {request for request, count in counts if count == 2} & requests

    def hold(self, promise):
        word, key = promise.decode().split(" ")
        return uuid.UUID(key).bytes in (self._users if word == "created" else self._requests)


class Numbers:
    """The same for the careless writer's table."""

    database = "control.db"

    def __init__(self, connection):
        self._numbers = {str(row[0]).encode() for row in connection.execute("SELECT number FROM numbers")}

    def hold(self, promise):
        return promise in self._numbers


def judge(events, images, seed, expected, ignore_sync_of=()):
    """Cuts the power `images` times, on every core. Returns losses and damages as sentences, and how often it cut."""
    points = powercut.cut_points(events, images, seed)
    workers = multiprocessing.cpu_count()
    context = multiprocessing.get_context("fork")
    share = functools.partial(judge_share, events, points, expected, ignore_sync_of)
    pipes = []
    for worker in range(workers):
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=lambda w=worker, s=sending: s.send(share(workers, w)), daemon=True)
        process.start()
        sending.close()
        pipes.append((process, receiving))
    lost, damaged, cut = [], [], 0
    for process, receiving in pipes:
        found = receiving.recv()
        process.join(10)
        lost, damaged, cut = lost + found[0], damaged + found[1], cut + found[2]
    return lost, damaged, cut


def judge_share(events, points, expected, ignore_sync_of, workers, worker):
    """One worker's images: replays everything, looks at its own cut points."""
    lost, damaged, cut = [], [], 0
    disk = powercut.Disk(ignore_sync_of)
    with tempfile.TemporaryDirectory(dir=memory()) as directory:
        for index, event in enumerate(events):
            disk.replay(event)
            if index not in points or index % workers != worker:
                continue
            for manner, seed in points[index]:
                cut += 1
                files = disk.image(manner, random.Random(seed))
                found = look(Path(directory), files, disk.promises, expected)
                where = f"cut at event {index} ({manner}, dice {seed!r})"
                if found is None:
                    continue
                (damaged if found.startswith("damaged") else lost).append(f"{where}: {found}")
    return lost, damaged, cut


def memory():
    """A file system in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def lay_out(directory, files):
    for path in directory.iterdir():
        path.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)


def look(directory, files, promises, expected):
    """Opens one image. Returns what is wrong with it, or None."""
    lay_out(directory, files)
    try:
        connection = sqlite3.connect(directory / expected.database, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            check = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if check != "ok":
                return f"damaged: {check}"
            found = expected(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        if not promises:
            return None  # cut while it was being made
        young = "no such table" in str(error)
        return f"all {len(promises)} promises are lost: {error}" if young else f"damaged: {error}"
    missing = [promise.decode() for promise in promises if not found.hold(promise)]
    return f"{len(missing)} of {len(promises)} promises are lost, such as {missing[0]}" if missing else None


def start_on_images(run, directory, events, result):
    """Some images are given to umishop itself: it must start, keep every promise, and stop in good order."""
    number = run.choose(4, 40)
    points = powercut.cut_points(events, 3 * number, run.seed + 1)
    dice = random.Random(run.seed)
    chosen = dict(dice.sample(sorted(points.items()), number))
    disk = powercut.Disk()
    for index, event in enumerate(events):
        disk.replay(event)
        if index in chosen:
            manner, seed = chosen[index][0]
            place = directory / f"image{index}"
            with Stage(run, "image", make(place)) as stage:
                for name, content in disk.image(manner, random.Random(seed)).items():
                    (place / name).write_bytes(content)
                stage.configure(welcome_delay="50ms")
                stage.server.start()
                code, _ = stage.server.terminate()
                result.require(code == 0, f"started on the image of event {index}, umishop ended with {code}")
                files = {DATABASE: (place / DATABASE).read_bytes()}
                with tempfile.TemporaryDirectory(dir=memory()) as scratch:
                    if found := look(Path(scratch), files, disk.promises, Promises):
                        result.problems.append(f"umishop on the image of event {index} ({manner}): {found}")
            shutil.rmtree(place)
    result.figures["started on"] = f"{number} images"


def make(directory):
    directory.mkdir()
    return directory


def lying_disk(events, run, result):
    """A control: on a disk that says it synced the log and did not, promises must get lost."""
    lost, _, cut = judge(events, 60, run.seed, Promises, ignore_sync_of=[f"{DATABASE}-wal"])
    result.require(lost, "the control with a disk that lies lost nothing: this row could not see a loss")
    result.figures["control, log never synced"] = f"{len(lost)} of {cut} images lose"


WRITER = """
import os, sqlite3, sys
connection = sqlite3.connect("control.db", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = " + sys.argv[1])
connection.execute("CREATE TABLE numbers (number INTEGER)")
for number in range(60):
    connection.execute("INSERT INTO numbers VALUES (?)", [number])
    os.write(1, b"stored %d" % number)
os._exit(0)
"""


def careless_writer(run, directory, result):
    """Two more controls, since umishop cannot be told to sync less: a tiny writer with synchronous NORMAL must lose
    promises, the same writer with FULL must not."""
    for synchronous in ("NORMAL", "FULL"):
        place = make(directory / synchronous)
        trace = place / "trace"
        subprocess.run([*powercut.recorder(trace), sys.executable, "-c", WRITER, synchronous], cwd=place, check=True,
                       timeout=60, stdout=subprocess.PIPE, env=clean_environment())
        await_quiet(trace)
        events = list(powercut.parse([trace], Numbers.database, promised_by_writer))
        lost, damaged, cut = judge(events, 90, run.seed, Numbers)
        result.figures[f"control, {synchronous}"] = f"{len(lost)} of {cut} images lose"
        result.require(not damaged, f"the control with {synchronous} is damaged: {damaged[:1]}")
        result.require(bool(lost) == (synchronous == "NORMAL"), f"the control with {synchronous} lost {len(lost)}")


def promised_by_writer(_descriptor, data):
    match = re.fullmatch(rb"stored (\d+)", data)
    return match[1] if match else None
