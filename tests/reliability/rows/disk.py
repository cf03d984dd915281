"""Disks that fail and disks that are full."""

import contextlib
import os
import random
import subprocess
import time

import auditor
from rows.kills import strace
from server import Gone
from stage import Result, Stage

#: How long a server may go on living after its disk said that a sync failed.
END_LIMIT = 15.0
#: How soon a server accepts again once there is room.
ROOM_LIMIT = 5.0
RATES = {"register": 20, "both": 20}


def failures(run, directory):
    """NL-5: a sync that fails, a disk without room (pretended, and a real one of 16 MiB): nothing accepted is lost."""
    result = Result("NL-5")
    failing_syncs(run, directory, result)
    no_room_from_the_nth_write(run, directory, result)
    real_full_disk(run, directory / "tmpfs", result)
    return result


def failing_syncs(run, directory, result):
    """EIO from the n-th fdatasync of a thread: the process must end, for the next sync may succeed and mean nothing."""
    dice = random.Random(run.seed)
    points = sorted(dice.sample(range(8, 60), run.choose(4, 40)))
    codes = set()
    for n in points:
        place = directory / f"eio{n}"
        place.mkdir()
        with Stage(run, "NL-5", place) as stage:
            stage.configure(welcome_delay="50ms")
            inject = strace("fdatasync", "-e", f"inject=fdatasync:error=EIO:when={n}")
            with contextlib.suppress(Gone):  # it may end while it starts
                stage.server.start(inject)
            code = 0
            if stage.server.process:
                with stage.driver.load(RATES, threads=2):
                    code = stage.server.await_end(END_LIMIT)
                codes.add(code)
                result.require(code != 0 and code is not None, f"EIO at fdatasync {n}: the process "
                               + ("went on as if nothing were" if code is None else "ended with 0"))
                if code is None:
                    stage.server.kill()
            judge_next_life(stage, result, f"EIO at fdatasync {n}")
    result.figures["EIO at fdatasync"] = f"{len(points)} points, exit codes {sorted(map(str, codes))}"


def judge_next_life(stage, result, what):
    """Starts it on a sound disk and audits."""
    before = len(result.problems)
    stage.server.start()
    stage.finish(result, drain_limit=60.0)
    result.problems[before:] = [f"{what}: {problem}" for problem in result.problems[before:]]


def no_room_from_the_nth_write(run, directory, result):
    """ENOSPC from the k-th write on, and never any room again: refusals only, and the next life finds everything."""
    dice = random.Random(run.seed + 1)
    points = sorted(dice.sample(range(250, 1500), run.choose(3, 30)))
    refused = 0
    for k in points:
        place = directory / f"enospc{k}"
        place.mkdir()
        with Stage(run, "NL-5", place) as stage:
            stage.configure(welcome_delay="50ms", store=last_byte(stage))
            inject = strace("pwrite64", "-e", f"inject=pwrite64:error=ENOSPC:when={k}+")
            stage.server.start(inject)
            with stage.driver.load(RATES, threads=2):
                deadline = time.monotonic() + 30
                while stage.driver.outcomes.get(("refused", 503), 0) < 5 and time.monotonic() < deadline:
                    time.sleep(0.02)
            only_503(stage, result, f"ENOSPC from write {k}")
            refusals = stage.driver.outcomes.get(("refused", 503), 0)
            result.require(refusals >= 5, f"ENOSPC from write {k}: {refusals} refusals")
            refused += refusals
            if stage.server.process.poll() is None:
                stage.server.kill()
            else:
                stage.server.await_end(1)
            judge_next_life(stage, result, f"ENOSPC from write {k}")
    result.figures["ENOSPC from write"] = f"{len(points)} points, {refused} refusals"


def last_byte(stage):
    """The key that lets a small disk be filled to its end, where there is one."""
    return 'keep_free = "0"' if stage.server.knows("keep_free") else ""


def only_503(stage, result, what):
    """Whoever is refused must be told to come again, and nothing else."""
    others = {key: count for key, count in stage.driver.outcomes.items() if key[0] == "refused" and key[1] != 503}
    result.require(not others, f"{what}: refused with {others}")


def real_full_disk(run, directory, result):
    """A file system of 16 MiB is filled, under load, and freed again."""
    directory.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", directory]).returncode:
        result.figures["a real full disk"] = "SKIPPED: mounting needs root"
        return
    try:
        with stage_beside(run, directory) as stage:
            fill_and_free(stage, directory, result)
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextlib.contextmanager
def stage_beside(run, mount):
    """A stage whose database lies on the small file system and whose evidence does not."""
    place = mount.parent / "evidence"
    place.mkdir()
    with Stage(run, "NL-5", place) as stage:
        database = mount / "umishop.db"
        stage.configure(welcome_delay="50ms", store=last_byte(stage))
        text = (place / "config.toml").read_text().replace("sqlite:umishop.db", f"sqlite:{database}")
        (place / "config.toml").write_text(text)
        yield stage


def fill_and_free(stage, mount, result):
    filler = mount / "filler"
    stage.server.start()
    with stage.driver.load(RATES, threads=2):
        time.sleep(1)
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        await_outcomes(stage, ("refused", 503), 20, 40.0)
        refused = stage.driver.outcomes.get(("refused", 503), 0)
        result.require(refused >= 20, "the disk was full and nothing was refused")
        accepted = stage.driver.accepted
        filler.unlink()
        freed = time.monotonic()
        await_outcomes(stage, ("accepted", 200), accepted + 20, 30.0)
        took = time.monotonic() - freed
        result.require(stage.driver.accepted >= accepted + 20 and took <= ROOM_LIMIT,
                       f"accepted again only {took:.1f} s after there was room")
    only_503(stage, result, "a real full disk")
    done, _ = stage.server.await_drained(60.0)
    result.require(done, "a real full disk: messages are still on their way a minute after there was room")
    stage.server.terminate()
    for name in ("umishop.db", "umishop.db-wal"):
        if (mount / name).exists():
            (stage.directory / name).write_bytes((mount / name).read_bytes())
    result.absorb(auditor.audit(stage.directory))
    result.figures["a real full disk"] = f"{refused} refusals, accepted again after {took:.1f} s"


def await_outcomes(stage, outcome, count, limit):
    deadline = time.monotonic() + limit
    while stage.driver.outcomes.get(outcome, 0) < count and time.monotonic() < deadline:
        time.sleep(0.02)
