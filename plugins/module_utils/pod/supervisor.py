# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: the program in the worker container that owns a job's run inside the pod.

It takes the payload from its standard input, starts `ansible-runner worker`, spools what the worker writes,
and sends it over its standard output to whichever controller attached last. The record format is defined
here and nowhere else; the controller's side imports it from here.

The container is started with this file's source in an argument, so it is one file, needs the standard library
of Python 3.8 or newer only, and imports little:

    python3 -I -S -c "import base64,zlib;exec(zlib.decompress(base64.b64decode('...')))" CONFIG

`-I -S` is optional: it keeps the environment and the working folder out of the supervisor's imports and makes
the start quicker. CONFIG is the base64 of a JSON mapping, with nothing secret in it:

- `controller_lost_timeout`: seconds without a word from the controller after which all ends; null: never.
  What a controller says when it attaches counts from then on.
- `warm_pod_ttl`: seconds after which all ends where no controller has ever attached; null: never.
- `spool_limit`: bytes of output that may wait for the controller (default 1 GiB).
- `private_data_dir`: where ansible-runner works (default `/runner`); one of our own if it isn't writable.
- `beat_interval`: seconds between two beats (default 5).
- `ends_with_input`: the end of standard input is the end of the controller (default false: limits decide);
  for a supervisor on the controller node, whose standard input is a pipe that nobody can open again.
- `removes`: folders to remove at the end.

The environment says which pod this is (`JOBPODS_POD_UID`, where there is one): who attaches and means
another pod is not heard.

Exit codes: see the `EXIT_` constants.
"""

from __future__ import annotations

import binascii
import errno
import json
import os
import re
import select
import signal
import sys
import threading
import time
import zlib

TYPE_CHECKING = False  # as in typing, whose import would cost more than all the others
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

PROTOCOL = 1
POD_UID = "JOBPODS_POD_UID"

EXIT_DONE = 0
"""The controller said `bye` after the run's end, or `keep` and the time of that is over; or none came."""
EXIT_USAGE = 64
"""CONFIG is missing or wrong."""
EXIT_CONTROLLER_LOST = 75
"""Nothing was heard from the controller for `controller_lost_timeout`; the run was stopped."""
EXIT_TERMINATED = 143
"""SIGTERM: the run was stopped as by a cancel."""

MAX_BODY = 1 << 20
MAX_HEADER = 128
OUTPUT_CHUNK = 32 << 10
RECEIVED_EVERY = 256 << 10
WINDOW = 256 << 10

SPOOL_LIMIT = 1 << 30
SPOOL_SEGMENT = 8 << 20
SPOOL_STOP_MARGIN = 16 << 20
"""What a full spool still takes while the run is stopping, so that Ansible's last words aren't lost."""
STDERR_TAIL = 8 << 10
SESSION_ALIVE = 30.0
"""Seconds after its last record for which a session gets beats."""
STOP_INTERVAL = 0.02
KILL_LIMIT = 10.0
"""Seconds of SIGKILL after which processes that still live are reported instead of waited for."""
SAMPLE_INTERVAL = 1.0
"""Seconds between two looks at what the container uses."""
SAMPLE_MIN = 0.2
"""Seconds that are enough to tell from them how much CPU is in use."""
MEMORY_GROWTH = 1.25
"""How much more memory must be in use before the controller hears of it, while the run goes on."""
LINGER = 5.0
"""Seconds that the end after a SIGTERM waits for the controller's `bye`."""
DEFAULT_GRACE = 5.0

_MARK = b"\x1e"
_ESCAPE = b"\x1d"
_ESCAPED_ESCAPE = b"\x1d\x01"
_ESCAPED_MARK = b"\x1d\x02"
_HEADER = re.compile(rb"\x1eJP1 ([a-z]{1,16}) ([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,20}) ([0-9a-f]{8})\n")
_SECRETS = ("passwords", "ssh_key", "extravars")
"""Files of ansible-runner's folder `env` that a pod which is kept does not keep."""
_PR_SET_CHILD_SUBREAPER = 36
_F_SETPIPE_SZ = 1031


# --- record format -----


class Record:
    """One record of the wire protocol.

    Attributes:
        kind: lower-case word, for example `output`.
        session: the controller's fencing number of the attach it belongs to.
        position: offset or count; what of is the kind's matter.
        body: the bytes, not escaped.
    """

    __slots__ = ("body", "kind", "position", "session")

    def __init__(self, kind: str, session: int, position: int = 0, body: bytes = b"") -> None:
        self.kind = kind
        self.session = session
        self.position = position
        self.body = body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Record({self.kind} {self.session} {self.position}, {len(self.body)} bytes)"

    def _key(self) -> tuple[str, int, int, bytes]:
        return (self.kind, self.session, self.position, self.body)

    def mapping(self) -> dict[str, Any]:
        """The body as a JSON mapping; an empty body is an empty mapping.

        Raises:
            ValueError: the body is no JSON mapping.
        """
        try:
            value = json.loads(self.body.decode("utf-8")) if self.body else {}
        except RecursionError as exc:
            raise ValueError("nested too deeply") from exc
        if not isinstance(value, dict):
            raise ValueError("not a mapping")
        return value


def encode(kind: str, session: int, position: int = 0, body: bytes = b"") -> bytes:
    """A record as it goes over the wire.

    Raises:
        ValueError: the escaped body is longer than `MAX_BODY` (which half of it, unescaped, never is).
    """
    if _ESCAPE in body:
        body = body.replace(_ESCAPE, _ESCAPED_ESCAPE)
    if _MARK in body:
        body = body.replace(_MARK, _ESCAPED_MARK)
    if len(body) > MAX_BODY:
        raise ValueError("record is too long")
    head = b"%s %d %d %d" % (kind.encode("ascii"), session, position, len(body))
    crc = zlib.crc32(body, zlib.crc32(head + b"\n"))
    return b"\x1eJP1 %s %08x\n%s" % (head, crc, body)


class Decoder:
    """Finds the records in a stream that may start, break or be damaged anywhere.

    Whatever is no record is skipped up to the next start mark. At most one record's length is kept.

    Attributes:
        skipped: bytes that belonged to no record.
        bad: starts of records that turned out to be none: damaged or cut ones.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.bad = 0
        self._kept = bytearray()
        self._searched = 0  # so many bytes of the unfinished record have no second mark

    def feed(self, received: bytes) -> list[Record]:
        """The records that are whole with these bytes, in their order."""
        kept = self._kept
        kept += received
        records: list[Record] = []
        start = 0
        while start < len(kept):
            header = _HEADER.search(kept, start)
            if header is None:
                # A header has no mark in it, so only the last mark can start one that is still to come.
                start = self._skip(start, kept.rfind(_MARK, max(start, len(kept) - MAX_HEADER)))
                break
            start = self._skip(start, header.start())
            end = self._take(header, records)
            if end == 0:
                break
            self._searched = 0
            start = end if end > 0 else self._skip(start, kept.find(_MARK, start + 1))
        del kept[:start]
        return records

    def _take(self, header: re.Match[bytes], records: list[Record]) -> int:
        """Takes the record of this header: its end, 0 if more bytes are needed, -1 if it is none."""
        kept = self._kept
        start, body_start = header.span()
        length = int(header[4])
        if length > MAX_BODY:
            return -1
        end = body_start + length
        if kept.find(_MARK, max(body_start, start + self._searched), end) >= 0:
            return -1
        if len(kept) < end:
            self._searched = len(kept) - start
            return 0
        body = bytes(kept[body_start:end])
        if zlib.crc32(body, zlib.crc32(b"%s %s %s %s\n" % header.group(1, 2, 3, 4))) != int(header[5], 16):
            return -1
        if _ESCAPE in body:
            plain = body.replace(_ESCAPED_MARK, _MARK).replace(_ESCAPED_ESCAPE, _ESCAPE)
            if len(body) - len(plain) != body.count(_ESCAPE):  # each right pair becomes one byte
                return -1
            body = plain
        records.append(Record(header[1].decode("ascii"), int(header[2]), int(header[3]), body))
        return end

    def _skip(self, start: int, end: int) -> int:
        """Counts what lies before `end` (-1: before the end of what is there) as skipped; returns its end."""
        if end < 0:
            end = len(self._kept)
        self.bad += self._kept.count(_MARK, start, end)
        self.skipped += end - start
        return end


# --- spool -----


def anonymous_file(folder: str) -> int:
    """A file without a name, readable by nobody else: it is gone with its last descriptor."""
    path = os.path.join(folder, f"file-{os.urandom(8).hex()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return descriptor


def write_all(descriptor: int, content: bytes) -> None:
    """Writes everything, also to a descriptor that somebody has made non-blocking."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)


class Spool:
    """What the worker wrote and the controller has not stored yet, in files without names.

    One thread fills it, one reads it, the main thread releases. It takes up to one segment more on the disk
    than its limit says, since whole segments only are removed.

    Attributes:
        start: offset below which everything was released.
        end: offset after the last byte.
        complete: nothing more will come.
        error: why writing failed, else "".
        limit: bytes between start and end at which `fill` waits.
    """

    def __init__(self, folder: str, limit: int, changed: threading.Condition) -> None:
        self.start = 0
        self.end = 0
        self.complete = False
        self.error = ""
        self.limit = limit
        self._folder = folder
        self._changed = changed
        self._segments: list[tuple[int, int]] = []  # (offset of the first byte, descriptor)

    def fill(self, source: int) -> None:
        """Takes everything from `source` until it ends, waiting while the spool is full."""
        try:
            while True:
                with self._changed:
                    while self.end - self.start >= self.limit and not self.complete:
                        self._changed.wait()
                    room = self.limit - (self.end - self.start)
                    if self.complete:
                        return
                piece = os.read(source, min(room, 1 << 18))
                if not piece:
                    return
                self._append(piece)
        except OSError as exc:
            self.error = f"the output could not be spooled: {exc.strerror}"
        finally:
            with self._changed:
                self.complete = True
                self._changed.notify_all()
            os.close(source)

    def _append(self, piece: bytes) -> None:
        if not self._segments or self.end - self._segments[-1][0] >= SPOOL_SEGMENT:
            descriptor = anonymous_file(self._folder)
            with self._changed:
                self._segments.append((self.end, descriptor))
        # Outside of the lock, so that a slow disk doesn't keep the main thread from hearing the controller:
        # nobody else touches the last segment beyond `end`, and `release` never removes it.
        write_all(self._segments[-1][1], piece)
        with self._changed:
            if not self.complete:
                self.end += len(piece)
                self._changed.notify_all()

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on, of one segment. Call it with the lock held."""
        for index in range(len(self._segments) - 1, -1, -1):
            first, descriptor = self._segments[index]
            if first <= offset:
                segment_end = self.end if index + 1 == len(self._segments) else self._segments[index + 1][0]
                return os.pread(descriptor, min(size, segment_end - offset), offset - first)
        return b""

    def release(self, offset: int) -> None:
        """Forgets everything below `offset`."""
        with self._changed:
            self.start = max(self.start, min(offset, self.end))
            while len(self._segments) > 1 and self._segments[1][0] <= self.start:
                os.close(self._segments.pop(0)[1])
            self._changed.notify_all()

    def set_limit(self, limit: int) -> None:
        """Changes how much may wait here."""
        with self._changed:
            self.limit = limit
            self._changed.notify_all()

    def freeze(self) -> None:
        """Takes nothing more."""
        with self._changed:
            self.complete = True
            self._changed.notify_all()


# --- the controller's session -----


class Session:
    """What the current controller has got, and what it is to get next.

    Answers are not queued but marked as wanted and made from the state at the moment of sending, so that a
    controller that doesn't read costs no memory. Repeated answers may fold into one.

    Attributes:
        number: the highest session ever attached; 0 before the first.
        heard: monotonic time of the last record of the current session.
        state: `waiting`, `receiving`, `running` or `ended`.
        payload: bytes of the payload that arrived without a gap.
        whole: the payload was complete and checked.
        pid: the worker's.
        memory_peak: bytes that the run has used at most; 0 where that is not known.
    """

    ANSWERS = ("hello", "received", "started", "canceling", "kept", "usage", "beat")

    def __init__(self, spool: Spool, changed: threading.Condition) -> None:
        self.number = 0
        self.heard = time.monotonic()
        self.state = "waiting"
        self.payload = 0
        self.whole = False
        self.pid = 0
        self.memory_peak = 0
        self._spool = spool
        self._changed = changed
        self._wanted: set[str] = set()
        self._sent = 0
        self._acked = 0
        self._ended: dict[str, Any] | None = None
        self._ended_sent = False

    def attach(self, number: int, resume: int) -> None:
        """Opens session `number`, or opens it again, and sends the output from `resume` on."""
        with self._changed:
            if number != self.number:
                self._wanted.clear()
            self.number = number
            self._sent = self._acked = max(self._spool.start, min(resume, self._spool.end))
            self._ended_sent = False
            self._wanted.update(("hello", "usage") if self.memory_peak else ("hello",))
            self._changed.notify_all()

    def answer(self, *kinds: str) -> None:
        """Asks for records of these kinds to be sent."""
        with self._changed:
            self._wanted.update(kinds)
            self._changed.notify_all()

    def acknowledge(self, offset: int) -> None:
        """Everything below `offset` has arrived."""
        with self._changed:
            self._acked = max(self._acked, min(offset, self._spool.end))
            self._sent = max(self._sent, self._acked)
            self._changed.notify_all()

    def finish(self, facts: dict[str, Any]) -> None:
        """The run is over: `ended` with these facts is sent after all output."""
        with self._changed:
            self.state = "ended"
            self._ended = facts
            self._changed.notify_all()

    def repeat_ended(self) -> None:
        """Sends `ended` once more."""
        with self._changed:
            self._ended_sent = False
            self._changed.notify_all()

    def send(self, descriptor: int) -> None:
        """Writes records to `descriptor` for ever, or until nobody can read them any more."""
        while True:
            with self._changed:
                record = self._next()
                while record is None:
                    self._changed.wait()
                    record = self._next()
            try:
                write_all(descriptor, encode(record.kind, record.session, record.position, record.body))
            except OSError:
                return  # the main thread goes on: the controller may not come back, then a limit ends all

    def _next(self) -> Record | None:
        if not self.number:
            return None
        for kind in self.ANSWERS:
            if kind in self._wanted:
                self._wanted.discard(kind)
                return self._answer(kind)
        spool = self._spool
        self._sent = max(self._sent, spool.start)
        size = min(OUTPUT_CHUNK, spool.end - self._sent, self._acked + WINDOW - self._sent)
        if size > 0:
            piece = spool.read(self._sent, size)
            if piece:
                record = Record("output", self.number, self._sent, piece)
                self._sent += len(piece)
                return record
        if self._ended is not None and self._sent == spool.end and not self._ended_sent:
            self._ended_sent = True
            return self._record("ended", spool.end, self._ended)
        return None

    def _answer(self, kind: str) -> Record:
        spool = self._spool
        if kind == "hello":
            facts = {
                "protocol": PROTOCOL,
                "state": self.state,
                "payload": self.payload,
                "spool_start": spool.start,
                "spool_end": spool.end,
            }
            return self._record(kind, 0, facts)
        if kind == "received":
            return self._record(kind, self.payload, {"whole": self.whole})
        if kind == "started":
            return self._record(kind, 0, {"pid": self.pid})
        if kind == "usage":
            return self._record(kind, 0, {"memory_peak": self.memory_peak})
        if kind == "beat":
            return self._record(kind, 0, {"state": self.state, "spool_end": spool.end})
        return self._record(kind, 0, {})

    def _record(self, kind: str, position: int, facts: dict[str, Any]) -> Record:
        return Record(kind, self.number, position, json.dumps(facts).encode("ascii") if facts else b"")


# --- processes of the run -----


def processes() -> dict[int, int]:
    """Parent of each living process that can be seen; zombies are left out."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if len(fields) > 1 and fields[0] not in (b"Z", b"X"):
            parents[int(name)] = int(fields[1])
    return parents


def descendants(pid: int, parents: dict[int, int]) -> list[int]:
    """Children of `pid`, and theirs, whatever group or session they moved to."""
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            found.append(child)
            todo.append(child)
    return found


def send_signal(pids: Iterable[int], number: int) -> None:
    """Signals processes, of which some may have ended or belong to another user."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def remove_secrets(private_data_dir: str) -> None:
    """Removes what ansible-runner has written down of the payload's secrets."""
    paths = [os.path.join(private_data_dir, "env", name) for name in _SECRETS]
    artifacts = os.path.join(private_data_dir, "artifacts")
    if os.path.isdir(artifacts):
        paths += [os.path.join(artifacts, run, "ssh_key_data") for run in os.listdir(artifacts)]
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            continue  # it was never there


def adopt_orphans() -> None:
    """Makes this process the parent of the run's orphans, as PID 1 is anyway, so that they can be found."""
    if os.getpid() == 1:
        return
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # without it, daemons of the run are left to the end of the container


def _read_number(path: str, key: str = "") -> int | None:
    """The number in a cgroup file, or the one behind `key` in a file of many."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                name, value = line.strip().rpartition(" ")[::2]
                if name == key:
                    return int(value)
    except (OSError, ValueError):
        return None
    return None


class Usage:
    """What this container uses, by cgroup v2 or v1; of no other than its own is anything told.

    Attributes:
        memory_peak: bytes that were in use at most, without files that the kernel could drop from its cache;
            None where it is not told.
        cpu_seconds: of all of the container's time; None where it is not told.
    """

    def __init__(self, root: str = "/sys/fs/cgroup") -> None:
        self.memory_peak: int | None = None
        self.cpu_seconds: float | None = None
        self._memory = root + "/memory."
        self._names = ("current", "peak", "inactive_file")
        self._cpu, self._cpu_key, self._cpu_unit = root + "/cpu.stat", "usage_usec", 1e6
        if _read_number(self._memory + "current") is None:  # as in the root of all, which is no container
            self._memory = root + "/memory/memory."
            self._names = ("usage_in_bytes", "max_usage_in_bytes", "total_inactive_file")
            self._cpu, self._cpu_key, self._cpu_unit = root + "/cpuacct/cpuacct.usage", "", 1e9
        self._kernel_peak = 0
        self._shares: dict[int, int] = {}  # how many samples found so many hundredths of a CPU in use
        self._last: tuple[float, float] | None = None

    def sample(self, now: float) -> None:
        """Looks at it, at this monotonic time; a peak since the last look counts, too."""
        current, peak, cache = self._names
        used = _read_number(self._memory + current)
        if used is not None:
            kernel_peak = _read_number(self._memory + peak) or 0
            if kernel_peak > self._kernel_peak:
                self._kernel_peak, used = kernel_peak, max(used, kernel_peak)
            used -= _read_number(self._memory + "stat", cache) or 0
            self.memory_peak = max(used, self.memory_peak or 0)
        time_used = _read_number(self._cpu, self._cpu_key)
        if time_used is None:
            return
        self.cpu_seconds = time_used / self._cpu_unit
        if self._last is not None:
            elapsed = now - self._last[0]
            if elapsed < SAMPLE_MIN:
                return
            share = round((self.cpu_seconds - self._last[1]) / elapsed * 100)
            self._shares[share] = self._shares.get(share, 0) + 1
        self._last = (now, self.cpu_seconds)

    def cpu_p95(self) -> float | None:
        """CPUs that were in use, which 95 % of the samples did not exceed; None where there is none."""
        left = sum(self._shares.values()) * 95
        for share in sorted(self._shares):
            left -= self._shares[share] * 100
            if left <= 0:
                return share / 100
        return None


def children_usage() -> tuple[int, float]:
    """(peak memory in bytes of the largest, CPU seconds of all) of the processes that have ended here."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_maxrss * 1024, used.ru_utime + used.ru_stime


def memory_kills(root: str = "/sys/fs/cgroup") -> int | None:
    """How many processes of this container the kernel has killed for want of memory; None where not told."""
    kills = _read_number(root + "/memory.events", "oom_kill")
    return kills if kills is not None else _read_number(root + "/memory/memory.oom_control", "oom_kill")


def find_program(name: str) -> str | None:
    """Path of an executable on PATH."""
    for folder in os.get_exec_path():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def writable_folder(path: str) -> bool:
    """Whether files can be made in `path`, which is made if it is missing."""
    try:
        os.makedirs(path, exist_ok=True)
        os.close(anonymous_file(path))
    except OSError:
        return False
    return True


def make_run_folder(private_data_dir: str) -> str:
    """A new folder of our own in the first place that can be written to.

    Raises:
        OSError: there is none.
    """
    for base in (private_data_dir, os.environ.get("TMPDIR", ""), "/tmp"):  # noqa: S108 - the folder in it is 0700
        if base and writable_folder(base):
            folder = os.path.join(base, f".jobpods-{os.urandom(8).hex()}")
            os.mkdir(folder, 0o700)
            return folder
    raise OSError(errno.EROFS, "no writable folder for the output; give the pod an emptyDir at /tmp")


def worker_environment(run_folder: str) -> dict[str, str]:
    """Our environment, with what a user without passwd entry or home lacks.

    Kubernetes may run the container with any user id. Ansible and ssh then need a home that can be written,
    and a name; ssh takes the name from passwd only, which many images make writable to group 0 for that.
    """
    import pwd

    environment = dict(os.environ)
    environment.pop(POD_UID, None)
    home = environment.get("HOME", "")
    if not home or not os.path.isdir(home) or not os.access(home, os.W_OK | os.X_OK):
        home = os.path.join(run_folder, "home")
        os.makedirs(home, 0o700, exist_ok=True)
        environment["HOME"] = home
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "runner"
        try:
            with open("/etc/passwd", "a", encoding="ascii") as passwd:
                passwd.write(f"{name}:x:{os.getuid()}:{os.getgid()}:{name}:{home}:/bin/sh\n")
        except OSError:
            pass  # only ssh, and what else insists on passwd, won't work
    environment.setdefault("USER", name)
    environment.setdefault("LOGNAME", environment["USER"])
    return environment


class Worker:
    """The `ansible-runner worker` process and everything it has started.

    Attributes:
        pid: of the worker.
        started: monotonic time of its start.
        status: as `os.waitpid` gave it; None while it lives.
        output: descriptor to read its standard output from.
        errors: descriptor to read its standard error from, without blocking.
        tail: the last of its standard error.
    """

    def __init__(
        self, program: str, private_data_dir: str, payload: int, environment: dict[str, str]
    ) -> None:
        self.output, output = os.pipe()
        self.errors, errors = os.pipe()
        os.set_blocking(self.errors, False)
        try:
            import fcntl

            fcntl.fcntl(self.output, _F_SETPIPE_SZ, MAX_BODY)
        except (ImportError, OSError):
            pass  # only slower
        actions = [(os.POSIX_SPAWN_DUP2, payload, 0), (os.POSIX_SPAWN_DUP2, output, 1)]
        actions.append((os.POSIX_SPAWN_DUP2, errors, 2))
        # Python ignores these two, and a child would inherit that.
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        arguments = [program, "worker", "--private-data-dir", private_data_dir]
        try:
            os.lseek(payload, 0, os.SEEK_SET)
            try:
                self.pid = os.posix_spawn(
                    program, arguments, environment, file_actions=actions, setsigdef=defaults, setsid=True
                )
            except NotImplementedError:
                self.pid = os.posix_spawn(
                    program, arguments, environment, file_actions=actions, setsigdef=defaults, setpgroup=0
                )
        except OSError:
            os.close(self.output)
            os.close(self.errors)
            raise
        finally:
            os.close(output)
            os.close(errors)
        self.started = time.monotonic()
        self.status: int | None = None
        self.tail = b""
        self._asked: set[int] = set()

    def read_errors(self) -> bool:
        """Takes what is there of standard error; False at its end."""
        try:
            while True:
                piece = os.read(self.errors, 1 << 16)
                if not piece:
                    return False
                self.tail = (self.tail + piece)[-STDERR_TAIL:]
        except BlockingIOError:
            return True

    def ask_to_stop(self) -> None:
        """SIGTERM to what the worker has started, each once, else to the worker.

        Told to stop itself, ansible-runner 2.4 kills Ansible within 5 s by SIGKILL, which leaves the tasks'
        processes behind. Told directly, Ansible stops its tasks within a second, and the runner sends what is
        left of the output, its status and artifacts.
        """
        parents = processes()
        children = {pid for pid, parent in parents.items() if parent == self.pid}
        if not children and not self._asked:
            children = {self.pid}
        send_signal(children - self._asked, signal.SIGTERM)
        self._asked |= children

    def result(self) -> tuple[int | None, int | None]:
        """(return code, signal) with which it ended."""
        if self.status is None:
            return None, None
        if os.WIFSIGNALED(self.status):
            return None, os.WTERMSIG(self.status)
        return os.WEXITSTATUS(self.status), None


# --- the supervisor -----


class Supervisor:
    """Main thread: hears the controller, watches the limits, owns the run."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.lost_timeout: float | None = config.get("controller_lost_timeout")
        self.beat_interval = float(config.get("beat_interval", 5))
        self.private_data_dir = str(config.get("private_data_dir", "/runner"))
        self.ends_with_input = bool(config.get("ends_with_input", False))
        self.removes = [str(folder) for folder in config.get("removes", ())]
        self.exit_code: int | None = None
        self.pod_uid = os.environ.get(POD_UID, "")
        self.worker: Worker | None = None
        self.run_folder = ""
        trouble = ""
        try:
            self.run_folder = make_run_folder(self.private_data_dir)
        except OSError as exc:
            trouble = str(exc.strerror)
        changed = threading.Condition()
        self.spool = Spool(self.run_folder, int(config.get("spool_limit", SPOOL_LIMIT)), changed)
        self.session = Session(self.spool, changed)
        self._decoder = Decoder()
        self._payload: int | None = None
        self._digest: Any = None
        self._told_received = 0
        self._grace = DEFAULT_GRACE
        self._run_deadline: float | None = None
        # Beside other programs, it is not the run that its cgroup tells of.
        self._usage = None if self.ends_with_input else Usage()
        self._next_sample = 0.0
        self._stop_cause = ""
        self._kill_at: float | None = None  # when patience with the run ends
        self._give_up_at: float | None = None  # when waiting for killed processes ends
        self._exit_after_end: int | None = None
        self._exit_by = 0.0
        self._kept_until: float | None = None  # after the run's end
        self._idle_until: float | None = None  # as long as no controller has come
        if config.get("warm_pod_ttl") is not None:
            self._idle_until = time.monotonic() + float(config["warm_pod_ttl"])
        self._next_beat = time.monotonic() + self.beat_interval
        self._terminated = False
        self._wake_read, self._wake_write = os.pipe()
        self._poll = select.poll()
        if trouble:
            self._end("spool", trouble)

    def run(self) -> int:
        """Works until there is nothing left to do; returns the exit code."""
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=self.session.send, args=(1,), daemon=True).start()
        self._poll.register(0, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)
        while self.exit_code is None:
            for descriptor, _event in self._poll.poll(self._pause() * 1000):
                self._read(descriptor)
            self._reap()
            self._tick(time.monotonic())
        if self.run_folder:
            self.removes.insert(0, self.run_folder)
        if self.removes:
            import shutil

            for folder in self.removes:
                shutil.rmtree(folder, ignore_errors=True)
        return self.exit_code

    # -- input --

    def _on_terminate(self, _number: int, _frame: object) -> None:
        self._terminated = True

    def _read(self, descriptor: int) -> None:
        if descriptor == self._wake_read:
            os.read(descriptor, 4096)
        elif descriptor == 0:
            try:
                received = os.read(0, 1 << 18)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            if not received:
                self._poll.unregister(0)
                if self.ends_with_input:  # else limits do that: another controller may attach
                    self._exit("controller_lost", EXIT_CONTROLLER_LOST)
            for record in self._decoder.feed(received):
                self._take(record)
        elif self.worker is not None and not self.worker.read_errors():
            self._poll.unregister(descriptor)

    def _take(self, record: Record) -> None:
        session = self.session
        try:
            if record.kind == "attach":
                self._take_attach(record)
                return
            if record.session != session.number or not session.number:
                return
            session.heard = time.monotonic()
            if record.kind == "payload":
                self._take_payload(record)
            elif record.kind == "start":
                self._take_start(record)
            elif record.kind == "ack":
                session.acknowledge(record.position)
                self.spool.release(min(record.position, int(record.mapping().get("stored", 0))))
            elif record.kind == "cancel":
                session.answer("canceling")
                self._stop("cancel", float(record.mapping().get("grace", self._grace)))
            elif record.kind == "keep" and session.state == "ended" and self._exit_after_end is None:
                self._keep(float(record.mapping()["seconds"]))
            elif record.kind == "bye" and session.state == "ended":
                self.exit_code = EXIT_DONE
        except (ValueError, TypeError, OverflowError):
            return  # passed its checksum but says nothing: what is not understood is ignored

    def _take_attach(self, record: Record) -> None:
        session = self.session
        facts = record.mapping()
        resume = int(facts.get("resume", 0))
        lost_timeout = float(facts.get("controller_lost_timeout", 0))
        meant = facts.get("pod", self.pod_uid)
        if record.session < max(1, session.number) or (self.pod_uid and meant != self.pod_uid):
            return  # outdated, or for a former pod of our name
        session.heard = time.monotonic()
        self._idle_until = None
        if lost_timeout > 0 and self._kept_until is None:
            self.lost_timeout = lost_timeout
        if facts.get("anew") is True and session.state == "receiving":
            self._forget_payload()
        session.attach(record.session, resume)

    def _take_payload(self, record: Record) -> None:
        session = self.session
        if session.state not in ("waiting", "receiving"):
            session.answer("received")
            return
        skip = session.payload - record.position
        if skip < 0 or skip >= len(record.body):
            session.answer("received")
            return
        fresh = record.body[skip:]
        try:
            write_all(self._payload_file(), fresh)
        except OSError as exc:
            self._end("payload", f"the payload could not be written in the pod: {exc.strerror}")
            return
        self._digest.update(fresh)
        session.payload += len(fresh)
        session.state = "receiving"
        if session.payload - self._told_received >= RECEIVED_EVERY:
            self._told_received = session.payload
            session.answer("received")

    def _payload_file(self) -> int:
        if self._payload is None:
            import hashlib

            self._digest = hashlib.sha256()
            self._payload = anonymous_file(self.run_folder)
        return self._payload

    def _forget_payload(self) -> None:
        """Drops what another controller has sent of its payload: this one sends its own."""
        if self._payload is not None:
            os.close(self._payload)
            self._payload = None
        self.session.payload = self._told_received = 0
        self.session.state = "waiting"

    def _take_start(self, record: Record) -> None:
        session = self.session
        if session.state == "running":
            session.answer("received", "started")
            return
        if session.state == "ended":
            session.repeat_ended()
            return
        facts = record.mapping()
        length, timeout = int(facts["length"]) if "length" in facts else -1, facts.get("timeout")
        self._grace = max(0.0, float(facts.get("cancel_grace", DEFAULT_GRACE)))
        deadline = None if timeout is None else float(timeout)
        if session.payload < length:
            session.answer("received")
            return
        payload = self._payload_file()
        if session.payload != length or self._digest.hexdigest() != facts.get("sha256"):
            self._end("payload", "the payload that arrived is not the one that was announced")
            return
        session.whole = True
        session.answer("received")
        self._start_worker(payload, deadline)

    # -- the run --

    def _start_worker(self, payload: int, timeout: float | None) -> None:
        program = find_program("ansible-runner")
        if program is None:
            self._end("runner_missing", "ansible-runner is not on the worker container's PATH")
            return
        folder = self.private_data_dir
        if not writable_folder(folder):
            folder = self.private_data_dir = os.path.join(self.run_folder, "private")
            os.makedirs(folder, 0o700, exist_ok=True)
        adopt_orphans()
        try:
            self.worker = Worker(program, folder, payload, worker_environment(self.run_folder))
        except OSError as exc:
            self._end("runner_missing", f"{program} can't be started: {exc.strerror}")
            return
        self.session.state = "running"
        self.session.pid = self.worker.pid
        self.session.answer("started")
        self._sample(time.monotonic())
        if timeout is not None:
            self._run_deadline = self.worker.started + timeout
        self._poll.register(self.worker.errors, select.POLLIN)
        threading.Thread(target=self._fill, args=(self.worker.output,), daemon=True).start()

    def _fill(self, source: int) -> None:
        self.spool.fill(source)
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return  # it is awake

    def _drop_payload(self) -> None:
        """Forgets the payload, which has secrets, once the worker has read it to its end."""
        if self._payload is None or self.worker is None:
            return
        read_all = os.lseek(self._payload, 0, os.SEEK_CUR) >= self.session.payload
        if read_all or self.worker.status is not None:
            os.ftruncate(self._payload, 0)
            os.close(self._payload)
            self._payload = None

    def _stop(self, cause: str, grace: float) -> None:
        if self.session.state == "ended":
            self.session.repeat_ended()
            return
        if self.worker is None:
            self._end(cause, "stopped before the runner was started")
            return
        until = time.monotonic() + max(0.0, grace)
        if self._kill_at is None:
            self.spool.set_limit(self.spool.limit + SPOOL_STOP_MARGIN)
        self._stop_cause = self._stop_cause or cause
        self._kill_at = until if self._kill_at is None else min(self._kill_at, until)

    def _reap(self) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self.worker is not None and pid == self.worker.pid:
                    self.worker.status = status
        except ChildProcessError:
            return

    def _advance_run(self, worker: Worker, now: float) -> None:
        """Looks at a run, and brings one that stops, or whose worker has ended, nearer to its end."""
        if now >= self._next_sample:
            self._sample(now)
        if self.spool.error and not self._stop_cause:
            self._stop_cause, self._kill_at = "spool", now
        if worker.status is None and self._kill_at is None:
            return
        if worker.status is None and self._kill_at is not None and now < self._kill_at:
            worker.ask_to_stop()
            return
        # The worker is the run: what outlives it (daemons, async tasks) goes too, as with the pod.
        left = descendants(os.getpid(), processes())
        send_signal(left, signal.SIGKILL)
        if self._give_up_at is None:
            self._give_up_at = now + KILL_LIMIT
            self.spool.set_limit(sys.maxsize)  # little is left in the pipe, and the end must not wait for it
        over = worker.status is not None and not left and self.spool.complete
        if over or now >= self._give_up_at:
            self.spool.freeze()
            worker.read_errors()
            message = self.spool.error if self._stop_cause == "spool" else ""
            if left:
                message = f"{len(left)} processes of the run could not be killed"
            self._end(self._stop_cause or "exit", message, len(left))

    def _end(self, cause: str, message: str, left: int = 0) -> None:
        worker = self.worker
        returncode, number = worker.result() if worker is not None else (None, None)
        memory, cpu, busy = self._used()
        self.session.finish(
            {
                "cause": cause,
                "returncode": returncode,
                "signal": number,
                "stderr": worker.tail.decode("utf-8", "replace") if worker is not None else "",
                "message": message,
                "memory_peak": memory,
                "cpu_seconds": cpu,
                "cpu_p95": busy,
                "memory_kills": memory_kills(),
                "elapsed": None if worker is None else round(time.monotonic() - worker.started, 3),
                "left": left,
            }
        )
        if self._payload is not None:
            os.close(self._payload)
            self._payload = None

    def _sample(self, now: float) -> None:
        """Looks at what the run uses; the controller hears of much memory while it may still be told."""
        self._next_sample = now + SAMPLE_INTERVAL
        if self._usage is None:
            return
        self._usage.sample(now)
        session, peak = self.session, self._usage.memory_peak or 0
        if peak > session.memory_peak * MEMORY_GROWTH:
            session.memory_peak = peak
            session.answer("usage")

    def _used(self) -> tuple[int | None, float | None, float | None]:
        """(bytes of memory at most, CPU seconds, CPUs that 95 % of the time needed no more than)."""
        if self.worker is None:
            return None, None, None
        if self._usage is None:
            return (*children_usage(), None)
        self._usage.sample(time.monotonic())
        return self._usage.memory_peak, self._usage.cpu_seconds, self._usage.cpu_p95()

    def _keep(self, seconds: float) -> None:
        """Stays for somebody who wants to look into the container, and then ends."""
        if self._kept_until is None:
            remove_secrets(self.private_data_dir)
        self._kept_until = time.monotonic() + max(0.0, seconds)
        self.lost_timeout = None
        self.session.answer("kept")

    # -- limits --

    def _pause(self) -> float:
        """Seconds until the next limit has to be looked at."""
        if self.session.state == "running" and (self._kill_at is not None or self._give_up_at is not None):
            return STOP_INTERVAL
        now = time.monotonic()
        limits = [self._next_beat]
        if self.session.state == "running" and self._usage is not None:
            limits.append(self._next_sample)
        if self._payload is not None and self.worker is not None:
            limits.append(now + 0.5)  # see whether the worker has read it
        if self.lost_timeout is not None:
            limits.append(self.session.heard + self.lost_timeout)
        if self._run_deadline is not None:
            limits.append(self._run_deadline)
        if self._kept_until is not None:
            limits.append(self._kept_until)
        if self._idle_until is not None:
            limits.append(self._idle_until)
        if self._exit_after_end is not None:
            limits.append(now + STOP_INTERVAL)
        return max(0.0, min(limits) - now) + 0.001

    def _tick(self, now: float) -> None:
        session = self.session
        if now >= self._next_beat:
            self._next_beat = now + self.beat_interval
            if now - session.heard < SESSION_ALIVE:
                session.answer("beat")
        if self._run_deadline is not None and now >= self._run_deadline:
            self._run_deadline = None
            if session.state == "running":
                self._stop("timeout", self._grace)
        if self._terminated and self._exit_after_end is None:
            self._exit("cancel", EXIT_TERMINATED)
        if self.lost_timeout is not None and now - session.heard >= self.lost_timeout:
            self._exit("controller_lost", EXIT_CONTROLLER_LOST)
        if self._idle_until is not None and now >= self._idle_until:
            self.exit_code = EXIT_DONE
        self._drop_payload()
        if session.state == "running" and self.worker is not None:
            self._advance_run(self.worker, now)
        if session.state == "ended" and self.exit_code is None:
            self._advance_exit(now)

    def _advance_exit(self, now: float) -> None:
        """Ends this program after the run, where its time has come."""
        session = self.session
        if self._kept_until is not None:
            if self._terminated or now >= self._kept_until:
                self.exit_code = EXIT_DONE
        elif self._exit_after_end is not None:
            self._exit_by = self._exit_by or now + LINGER
            heard = session.number and now - session.heard < SESSION_ALIVE
            if self._exit_after_end == EXIT_CONTROLLER_LOST or not heard or now >= self._exit_by:
                self.exit_code = self._exit_after_end

    def _exit(self, cause: str, code: int) -> None:
        """Ends the run, if there is one, and then this program."""
        if self._exit_after_end == EXIT_CONTROLLER_LOST:
            return
        self._exit_after_end = code
        if self.session.state != "ended":
            self._stop(cause, self._grace)


def main(arguments: list[str]) -> int:
    """Runs the supervisor with the configuration in `arguments[1]`."""
    try:
        config = json.loads(binascii.a2b_base64(arguments[1]))
        supervisor = Supervisor(config)
    except (IndexError, ValueError, TypeError, AttributeError) as exc:
        sys.stderr.write(f"supervisor: the configuration is wrong: {exc}\n")
        return EXIT_USAGE
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv))  # pylint: disable=ansible-bad-function  # no module: the pod's own program
