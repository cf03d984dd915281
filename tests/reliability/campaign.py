#!/usr/bin/env python3
"""Tries to make umishop lose something, and prints what came of it. See README.md beside this file.

    python3 tests/reliability/campaign.py --binary target/debug/umishop [--seed 7] [--full] [--row NL-1 …]
"""

import argparse
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import selftest
from records import percentile
from rows import ROWS
from stage import Result, Run


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.self_test:
        return selftest.run()
    crash_binary = arguments.crash_binary and arguments.crash_binary.resolve()
    run = Run(arguments.binary.resolve(), arguments.seed, arguments.full, arguments.cycles, crash_binary)
    evidence = Path(tempfile.mkdtemp(prefix="reliability-", dir=arguments.evidence))
    fsync = measure_fsync(evidence)
    print(f"seed {run.seed}, {'full' if run.full else 'short'} form, evidence in {evidence}", flush=True)
    results = [carry_out(run, name, evidence) for name in arguments.row or ROWS]
    table(run, results, evidence, fsync)
    failed = [result.row for result in results if result.problems]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}. The evidence is kept in {evidence}. Again: --seed {run.seed} --row "
              + " ".join(failed))
        return 1
    shutil.rmtree(evidence)
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, help="the umishop to try")
    parser.add_argument("--crash-binary", type=Path, help="the same with the feature crash-points, for NL-3 and FA-3")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--cycles", type=int, help="kills of NL-1 (60; full: 1000)")
    parser.add_argument("--full", action="store_true", help="the long form of every row")
    parser.add_argument("--row", nargs="+", choices=list(ROWS), metavar="ROW", help="only these: " + ", ".join(ROWS))
    parser.add_argument("--evidence", type=Path, help="where to keep evidence; default: the system's scratch directory")
    parser.add_argument("--self-test", action="store_true", help="show that the auditor objects to what is wrong")
    arguments = parser.parse_args()
    if not arguments.self_test and not (arguments.binary and arguments.binary.is_file()):
        parser.error("--binary must name an umishop")
    if arguments.crash_binary and not arguments.crash_binary.is_file():
        parser.error("--crash-binary must name an umishop that was built with --features crash-points")
    return arguments


def carry_out(run, name, evidence):
    """Runs one row. Whatever goes wrong is the row's failure, and does not keep the others from running."""
    directory = evidence / name
    directory.mkdir()
    begun = time.monotonic()
    try:
        result = ROWS[name](run, directory)
    except Exception as error:  # noqa: BLE001: a row that breaks down has failed
        (directory / "traceback.txt").write_text(traceback.format_exc())
        result = Result(name, problems=[f"{type(error).__name__}: {error}"])
    result.figures["took"] = f"{time.monotonic() - begun:.0f} s"
    print(line(result), flush=True)
    for problem in result.problems:
        print(f"    {problem}", flush=True)
    if not result.problems:
        shutil.rmtree(directory, ignore_errors=True)
    return result


def line(result):
    verdict = "FAIL" if result.problems else "skipped" if result.skipped else "pass"
    figures = ", ".join(f"{name} {value}" for name, value in result.figures.items())
    if result.skipped:
        figures = f"{result.skipped}; {figures}"
    return f"{result.row:6} | {verdict:7} | {result.accepted} accepted | {result.duplicates} duplicates | {figures}"


def table(run, results, evidence, fsync):
    """Everything once more, with what it was measured on."""
    print("\nROW    | verdict | accepted | duplicates | figures")
    print("\n".join(line(result) for result in results))
    accepted = sum(result.accepted for result in results)
    duplicates = sum(result.duplicates for result in results)
    print(f"\n{accepted:,} accepted requests in all, {duplicates:,} duplicates")
    print(sentence({result.row: result for result in results if not result.problems}), end="")
    sqlite = next((result.sqlite for result in results if result.sqlite), "not asked")
    print(f"seed {run.seed}; {umishop_version(run)}; SQLite {sqlite}; {os.cpu_count()} cores, "
          f"Linux {platform.release()}; {file_system(evidence)}, fdatasync p50 {1000 * fsync:.2f} ms")


def sentence(passed):
    """What may be published, when the rows that it rests on have passed."""
    if not {"NL-1", "NL-4"} <= set(passed):
        return ""
    kills, cuts = passed["NL-1"], passed["NL-4"]
    return (f"{kills.figures['kills']:,} random kill -9 and {cuts.figures['images']:,} simulated power cuts: 0 of "
            f"{kills.accepted + cuts.accepted:,} accepted requests lost; {kills.duplicates:,} duplicates in "
            f"{kills.figures['deliveries']:,} deliveries under the kills, each between a receiver's yes and our "
            "commit, under the same Message-ID and with the same bytes.\n")


def umishop_version(run):
    return subprocess.run([run.binary, "--version"], capture_output=True, text=True, timeout=10).stdout.strip()


def file_system(directory):
    """The type of the file system that holds `directory`."""
    best = ("", "unknown")
    for mount in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = mount.split()
        if str(directory).startswith(point) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]


def measure_fsync(directory):
    """The median time of an fdatasync of 4 KiB, in seconds."""
    took = []
    with open(directory / "fsync", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    os.unlink(directory / "fsync")
    return percentile(took, 0.5)


if __name__ == "__main__":
    sys.exit(main())
