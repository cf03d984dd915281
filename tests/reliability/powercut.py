"""Simulated power cuts: what a process wrote and synced is recorded, and the disk is rebuilt as it may have been.

strace records every write, truncation, creation, deletion and sync of the database's files, and every answer that
said yes. `Disk` replays that. What was written but not synced when the power goes may be on the disk or not, as a
whole or in sectors; a file's name may be missing until its directory was synced. The kernel's cache outlives a process,
so a kill changes nothing here. The -shm file is memory shared between processes and means nothing after a cut.
"""

import random
import re
from dataclasses import dataclass, field

SYSCALLS = ("openat,pwrite64,write,writev,sendto,sendmsg,pwritev,ftruncate,fallocate,fdatasync,fsync,"
            "rename,renameat,renameat2,unlink,unlinkat")
#: Sectors are written whole or not at all; that much a disk promises.
SECTOR = 512
#: Longest string that strace writes out; more than any write of a database page.
STRING = 1 << 20

LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$", re.DOTALL)
RESULT = re.compile(r"\) += (-?\d+)")
DESCRIPTOR = re.compile(r"^\d+<(\w+:\[[^\]]*\]|[^>]*)>")
QUOTED = re.compile(r'"((?:[^"\\]|\\x[0-9a-f]{2})*)"')


def recorder(trace):
    """The command that records a process into the file `trace`."""
    return ("strace", "-D", "-f", "-qq", "-yy", "-xx", "-s", str(STRING), "-e", "signal=none",
            "-e", f"trace={SYSCALLS}", "-o", str(trace))


def decode(text):
    """What strace wrote as \\x41\\x42."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode("latin-1")


@dataclass(frozen=True)
class Event:
    """Something that matters: `write`, `truncate`, `create`, `unlink`, `sync_begin`, `sync_end`, `acknowledge`."""

    what: str
    thread: str
    name: str = ""
    offset: int = 0
    data: bytes = b""


def parse(traces, database, acknowledged):
    """Events of the trace files, in order. `acknowledged(descriptor, data)` says what an answer promises, or None."""
    names = {database, f"{database}-wal", f"{database}-journal"}
    directory = str(traces[0].parent)
    for trace in traces:
        begun = {}
        with open(trace, encoding="latin-1", newline="\n") as lines:
            for line in lines:
                match = LINE.match(line.rstrip("\n"))
                if match is None:
                    continue
                thread, resumed, call, rest = match.groups()
                unfinished = rest.endswith("<unfinished ...>")
                if call:
                    begun[thread] = rest.removesuffix("<unfinished ...>")
                    yield from at_entry(call, thread, rest, names, directory, acknowledged)
                if not unfinished:
                    arguments = begun.pop(thread, "") if resumed else rest
                    result = RESULT.search(rest)
                    if result and int(result[1]) >= 0:
                        yield from at_exit(resumed or call, thread, arguments, names, directory)


def descriptor_of(arguments):
    match = DESCRIPTOR.match(arguments)
    return decode(match[1]).decode("latin-1") if match else ""


def file_of(arguments, names, directory):
    """The database's file that the first argument is, or its directory as `.`, or nothing."""
    return known(descriptor_of(arguments), names, directory)


def known(path, names, directory):
    if path == directory:
        return "."
    name = path.removeprefix(directory + "/")
    return name if name in names else ""


def at_entry(call, thread, arguments, names, directory, acknowledged):
    """A sync covers what was written before it began; an answer may arrive as soon as it is begun."""
    if call in ("fdatasync", "fsync") and (name := file_of(arguments, names, directory)):
        yield Event("sync_begin", thread, name)
    elif call in ("sendto", "sendmsg", "write", "writev") and (descriptor := descriptor_of(arguments)):
        data = b"".join(decode(text) for text in QUOTED.findall(arguments))
        if promise := acknowledged(descriptor, data):
            yield Event("acknowledge", thread, data=promise)


def at_exit(call, thread, arguments, names, directory):
    quoted = [decode(text) for text in QUOTED.findall(arguments)]
    name = file_of(arguments, names, directory)
    if call in ("fdatasync", "fsync") and name:
        yield Event("sync_end", thread, name)
    elif call == "pwrite64" and name:
        yield Event("write", thread, name, int(arguments.rsplit(",", 1)[1].split(")")[0]), quoted[0])
    elif call == "ftruncate" and name:
        yield Event("truncate", thread, name, int(arguments.rsplit(",", 1)[1].split(")")[0]))
    elif call in ("openat", "unlink", "unlinkat") and quoted:
        path = quoted[0].decode("latin-1")
        name = known(path if path.startswith("/") else f"{directory}/{path}", names, directory)
        if name and name != "." and (call != "openat" or "O_CREAT" in arguments):
            yield Event("create" if call == "openat" else "unlink", thread, name)
    elif name and name != "." and call in ("write", "writev", "pwritev", "fallocate"):
        raise ValueError(f"{call} on {name}: the replayer does not know that way to write")
    elif call.startswith("rename") and any(known(q.decode("latin-1"), names, directory) for q in quoted):
        raise ValueError("rename of a database file: the replayer does not know it")


@dataclass
class File:
    """One file: what is on the disk, and what was written since it was last synced."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)


class Disk:
    """The database's files on a disk, cut off from its power at any moment."""

    def __init__(self, ignore_sync_of=()):
        self._ignored = set(ignore_sync_of)
        self._names, self._durable_names, self._pending_names = {}, {}, []
        self._clock = 0
        self._syncs = {}
        #: what was promised so far
        self.promises = []

    def replay(self, event):
        self._clock += 1
        getattr(self, "_" + event.what)(event)

    def _acknowledge(self, event):
        self.promises.append(event.data)

    def _create(self, event):
        if event.name not in self._names:
            self._names[event.name] = File()
            self._pending_names.append((self._clock, event.name, self._names[event.name]))

    def _unlink(self, event):
        if self._names.pop(event.name, None) is not None:
            self._pending_names.append((self._clock, event.name, None))

    def _write(self, event):
        self._names[event.name].pending.append((self._clock, event.offset, event.data))

    def _truncate(self, event):
        self._names[event.name].pending.append((self._clock, event.offset, None))

    def _sync_begin(self, event):
        self._syncs[event.thread] = (self._clock, self._names.get(event.name))

    def _sync_end(self, event):
        begun, file = self._syncs.pop(event.thread, (0, None))
        if event.name in self._ignored:
            return
        if event.name == ".":
            for moment, name, target in self._pending_names:
                if moment < begun:
                    rename(self._durable_names, name, target)
            self._pending_names = [change for change in self._pending_names if change[0] >= begun]
        elif file is not None:
            for change in file.pending:
                if change[0] < begun:
                    apply(file.durable, change[1], change[2])
            file.pending = [change for change in file.pending if change[0] >= begun]

    def unsynced(self):
        """How many changes a cut could lose now."""
        return len(self._pending_names) + sum(len(file.pending) for file in self._names.values())

    def image(self, manner, dice):
        """The files after a cut: `drop` loses all that was not synced, `subset` some writes, `torn` some sectors."""
        names = dict(self._durable_names)
        kept = 0 if manner == "drop" else dice.randint(0, len(self._pending_names))
        for _, name, target in self._pending_names[:kept]:
            rename(names, name, target)
        return {name: contents(file, manner, dice) for name, file in names.items()}


def rename(names, name, target):
    if target is None:
        names.pop(name, None)
    else:
        names[name] = target


def contents(file, manner, dice):
    """One file after a cut."""
    if manner == "drop" or not file.pending:
        return file.durable
    content = bytearray(file.durable)
    for _, offset, data in file.pending:
        if data is None or manner == "subset":
            if dice.random() < 0.5:
                apply(content, offset, data)
            continue
        for start, end in sectors(offset, len(data)):
            if dice.random() < 0.5:
                apply(content, offset + start, data[start:end])
    return content


def sectors(offset, length):
    """The parts of a write that lie in one sector each, relative to its beginning."""
    start = 0
    while start < length:
        end = min(length, start + SECTOR - (offset + start) % SECTOR)
        yield start, end
        start = end


def apply(content, offset, data):
    """Writes into a file's content; None truncates it there."""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:offset + len(data)] = data


def cut_points(events, images, seed):
    """Where to cut: at every promise and wherever the log is written back, in each manner, then at random moments,
    until there are `images` of them. Returns event index -> list of (manner, dice's seed)."""
    manners = ("drop", "subset", "torn")
    dice = random.Random(seed)
    promised = [index for index, event in enumerate(events) if event.what == "acknowledge"]
    first = promised[0] if promised else 0
    written_back = [index for index, event in enumerate(events) if index > first and event.name.endswith(".db")]
    wanted = [(index, manner) for index in promised + written_back for manner in manners]
    if len(wanted) > images:
        wanted = dice.sample(wanted, images * 3 // 4)
    while len(wanted) < images:
        wanted.append((dice.randrange(first, len(events)), dice.choice(manners)))
    points = {}
    for number, (index, manner) in enumerate(wanted):
        points.setdefault(index, []).append((manner, f"{seed} {number}"))
    return points
