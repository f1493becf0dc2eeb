# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's talk with its supervisor: one conversation, over as many attaches as it takes.

Every record that goes up may be sent again, and every piece of output has its offset, so that a connection
may break at any byte: nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    NotAttachable,
    Unreachable,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import REFUSAL_GRACE
from ansible_collections.jobpods.controller.plugins.module_utils.job.parties import (
    Listener,
    PayloadSource,
    Stream,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod import wire

ATTACHES_PER_LEASE = 1 << 20
"""Session numbers of one lease: those of a later lease are all higher, whatever the earlier one did."""
HELLO_LIMIT = 3.0
"""Seconds to wait for the supervisor's answer to an attach, which it gives in milliseconds once it runs.

After each wait in vain it is twice as long, up to `SILENCE_LIMIT`: the way there and back may take that long.
"""
SLOW_LIMIT = 120.0
"""Seconds to wait for an answer or a record where bytes keep coming: a slow line takes long for either."""
SILENCE_LIMIT = 16.0
"""Seconds without a record (it beats every 5) or a byte after which a connection counts as dead."""
BEAT_INTERVAL = 5.0
ACK_EVERY = 64 << 10
UNSTORED_LIMIT = 8 << 20
"""Bytes of whole events that may wait for the store; beyond it the supervisor is not asked for more."""
KEEP_LIMIT = 15.0
"""Seconds for which the supervisor is asked to stay after the run's end, whatever breaks meanwhile."""
BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds between attaches after a connection broke; the last repeats."""


class Refused(Unreachable):
    """The API server refuses the attach; having started a moment ago, it may not know our rights yet."""


@dataclass(frozen=True)
class Terms:
    """What is agreed for one conversation.

    Attributes:
        lease: the store's fencing number; sessions are numbered from `lease * ATTACHES_PER_LEASE` on.
        timeout: seconds the run may take; None for no limit.
        cancel_grace: seconds between asking Ansible to stop and killing it.
        outage_limit: seconds without any answer after which the cluster counts as unreachable.
        lost_timeout: seconds without a word after which the supervisor ends the run; None leaves it what it
            was started with.
    """

    lease: int
    timeout: int | None
    cancel_grace: float
    outage_limit: float
    lost_timeout: int | None = None


class Conversation:
    """Owns the attach; `run` talks until the run has ended.

    Attributes:
        ended: the supervisor's report, once it came.
        heard: a supervisor has answered at least once.
        stored: output below this offset is safe in the store; set it by `store_reached`.
        memory_peak: bytes of memory that the run has used at most, as far as it was told while it runs.
    """

    def __init__(
        self,
        attach: Callable[[], Awaitable[Stream]],
        payload: asyncio.Future[PayloadSource],
        listener: Listener,
        terms: Terms,
        resume: int | None = None,
        *,
        unused: bool = False,
        pod: str = "",
        begun: bool = False,
    ) -> None:
        """Gets ready.

        Args:
            attach: opens a stream to the supervisor.
            payload: what the supervisor is to run; waited for when it asks for it.
            listener: hears what the supervisor says.
            terms: what is agreed.
            resume: where another controller has begun this talk, the position in the worker's output up to
                which it has stored all.
            unused: the supervisor must not have heard of any controller; one that has does not count as
                answering.
            pod: UID of the pod; a supervisor in another one does not answer. Empty where there is none.
            begun: another controller has heard that the run has begun.
        """
        self.ended: wire.Ended | None = None
        self.heard = False
        self.stored = resume or 0
        self.memory_peak: int | None = None
        self._attach = attach
        self._taken_over = resume is not None
        self._unused = unused
        self._pod = pod
        self._begun = begun
        self._payload = payload
        self._source: PayloadSource | None = None
        self._listener = listener
        self._terms = terms
        self._session = terms.lease * ATTACHES_PER_LEASE
        self._arrived = self.stored
        self._passed_on = self.stored  # output below it is stored, or waits for the store
        self._acknowledged = self.stored
        self._whole = False
        self._started = False
        self._cancel_grace: float | None = None
        self._stream: Stream | None = None
        self._sender: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[bytes] | None = None
        self._decoder = wire.Decoder()
        self._waiting: list[wire.Record] = []  # records that came in one piece with the hello
        self._asked_again = -1
        self._arrived_at_beat = -1
        self._unwritable: Unreachable | None = None
        self._offset = 0  # of the payload: what is sent next
        self._received = 0  # so much of it the supervisor has, and had at the last beat
        self._received_before = -1
        self._heard_at = time.monotonic()
        self._refused_since: float | None = None
        self._hello_limit = HELLO_LIMIT

    # -- what others may ask --

    async def cancel(self, grace: float) -> None:
        """Stops the run, now and at later attaches: asks Ansible, and kills after `grace` seconds."""
        self._cancel_grace = grace
        if self._stream is not None and self.heard:
            await self._send(wire.cancel(self._session, grace))

    async def store_reached(self, offset: int) -> None:
        """Tells that all output below `offset` is stored, so that the supervisor may forget it."""
        self.stored = offset
        await self._acknowledge()

    async def bye(self) -> None:
        """Tells that everything is stored: the supervisor ends."""
        if self._stream is not None:
            with suppress(Unreachable):
                await self._stream.write(wire.bye(self._session))

    async def keep(self, seconds: float) -> bool:
        """Has the supervisor stay after the run's end, in the place of `bye`; returns whether it will."""
        deadline = time.monotonic() + KEEP_LIMIT
        tries = 0
        while True:
            try:
                if self._stream is None:
                    await self._open()
                if self._stream is not None:
                    await self._stream.write(wire.keep(self._session, seconds))
                    await within(HELLO_LIMIT, self._await_kept())
                    return True
            except Failure:
                return False
            except (NotAttachable, Unreachable, asyncio.TimeoutError):
                await self.close()
            pause = BACKOFF[min(tries, len(BACKOFF) - 1)]
            tries += 1
            if time.monotonic() + pause >= deadline:
                return False
            await asyncio.sleep(pause)

    async def _await_kept(self) -> None:
        waiting, self._waiting = self._waiting, []
        while True:
            for record in waiting:
                if record.session == self._session and isinstance(wire.message(record), wire.Kept):
                    return
            waiting = await self._next_records(BEAT_INTERVAL)

    async def close(self) -> None:
        """Leaves; the run goes on."""
        left: list[asyncio.Task[None] | asyncio.Task[bytes]] = []
        if self._sender is not None:
            left.append(self._sender)
        if self._reading is not None:
            left.append(self._reading)
        self._sender, self._reading = None, None
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    # -- attaching --

    async def try_once(self) -> bool:
        """One early attach: the container may not be there yet.

        Returns:
            Whether the supervisor answered; then `run` goes on with this connection.
        """
        try:
            await self._open()
        except (NotAttachable, Unreachable):
            await self.close()
            return False
        return True

    async def run(self) -> wire.Ended:
        """Talks until the run has ended, attaching again whenever the connection breaks.

        Returns:
            The supervisor's report. The connection stays open for `bye`.

        Raises:
            Failure: `ClusterUnreachable` after `outage_limit` seconds without an answer, or with what the API
                server refused the attach; `ProtocolViolation`, and whatever else is final.
        """
        tries = 0
        self._heard_at = opened = time.monotonic()
        while True:
            try:
                if self._stream is None:
                    await self._open()
                opened = time.monotonic()
                return await self._listen()
            except NotAttachable as exc:
                trouble = Unreachable(Failure("ClusterUnreachable", f"The pod can't be attached to: {exc}"))
            except Unreachable as exc:
                trouble = exc
            await self.close()
            self._listener.disconnected(trouble)
            self._check_outage(trouble)
            if time.monotonic() - opened > SILENCE_LIMIT:
                tries = 0
            await asyncio.sleep(BACKOFF[min(tries, len(BACKOFF) - 1)])
            tries += 1

    def _check_outage(self, trouble: Unreachable) -> None:
        away = time.monotonic() - self._heard_at
        if away >= self._terms.outage_limit:
            raise Failure(
                trouble.failure.reason if isinstance(trouble, Refused) else "ClusterUnreachable",
                f"Nothing was heard from the pod for {away:.0f} s, longer than cluster_outage_timeout"
                f" ({self._terms.outage_limit:.0f} s): {trouble.failure.message}",
                trouble.failure.http_status,
                details=trouble.failure.details,
                traceback=trouble.failure.traceback,
            ) from trouble

    async def _open(self) -> None:
        """Attaches and opens a session; the connection counts only when the supervisor has said hello."""
        self._session += 1
        self._unwritable = None
        self._stream = stream = await self._attached()
        decoder = wire.Decoder()
        anew = self._taken_over and not self.heard
        lost = self._terms.lost_timeout
        await stream.write(
            wire.attach(self._session, self._arrived, anew=anew, lost_timeout=lost, pod=self._pod)
        )
        until = time.monotonic() + self._hello_limit
        latest = time.monotonic() + SLOW_LIMIT
        while True:
            received = await self._read(stream, until - time.monotonic())
            if received is None:
                now, quiet = time.monotonic(), stream.quiet
                if quiet < self._hello_limit and now < latest:
                    until = now + self._hello_limit - quiet
                    continue
                self._hello_limit = min(2 * self._hello_limit, SILENCE_LIMIT)
                raise NotAttachable("the supervisor did not answer")
            if not received:
                raise NotAttachable(_ending(stream))
            records = decoder.feed(received)
            for index, record in enumerate(records):
                if record.session != self._session:
                    continue
                said = wire.message(record)
                if isinstance(said, wire.Hello):
                    if self._unused and not self.heard and (said.state != "waiting" or said.payload):
                        raise NotAttachable("the pod was used by somebody else")
                    self._decoder, self._waiting = decoder, records[index + 1 :]
                    await self._begin(said)
                    return

    async def _attached(self) -> Stream:
        """A new attach.

        Raises:
            Refused: by an API server that may not be ready yet; it was, once the supervisor has answered.
            Failure: it goes on refusing.
        """
        try:
            stream = await self._attach()
        except Failure as failure:
            if (
                failure.reason == "RunnerFailed"
            ):  # a supervisor on the controller node: nobody starts it again
                raise
            self._refused_since = self._refused_since or time.monotonic()
            if not self.heard and time.monotonic() - self._refused_since >= REFUSAL_GRACE:
                raise
            raise Refused(failure) from failure
        self._refused_since = None
        return stream

    async def _read(self, stream: Stream, seconds: float) -> bytes | None:
        """What comes within `seconds`, b"" at the stream's end; None if nothing did: a later call gets it."""
        if self._reading is None:
            self._reading = asyncio.create_task(stream.read())
        awaited: list[asyncio.Task[None] | asyncio.Task[bytes]] = [self._reading]
        if self._sender is not None:
            awaited.append(self._sender)  # its failure is news, too
        await asyncio.wait(awaited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if not self._reading.done():
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    async def _begin(self, hello: wire.Hello) -> None:
        if hello.protocol != wire.PROTOCOL:
            raise Failure(
                "ProtocolViolation", f"The supervisor speaks protocol {hello.protocol}, not {wire.PROTOCOL}."
            )
        wants_payload = hello.state in ("waiting", "receiving")
        if wants_payload and (self._begun or self._whole):
            # Whatever it is, the playbook must not begin a second time.
            raise NotAttachable("what answers there knows nothing of the run, which had begun")
        if hello.spool_start > self._arrived:
            raise Failure(
                "ControllerLost",
                f"The pod no longer has the output from byte {self._arrived} on;"
                f" it starts at {hello.spool_start}.",
            )
        self._heard_at = time.monotonic()
        self.heard = True
        self._listener.connected()
        self._acknowledged = self._arrived
        if wants_payload:
            self._received, self._received_before = hello.payload, -1
            self._listener.wanted()
            self._send_payload(hello.payload)
        else:
            self._note_whole()
        if hello.state == "running":
            self._note_started()
        if self._cancel_grace is not None:
            await self._send(wire.cancel(self._session, self._cancel_grace))

    def _note_whole(self) -> None:
        if not self._whole:
            self._whole = True
            self._listener.received()

    def _note_started(self) -> None:
        """The runner runs, or ran: `started` may be lost, but all that comes after it says so, too."""
        self._note_whole()
        if not self._started:
            self._started = True
            self._listener.started()

    # -- sending --

    async def _send(self, record: bytes) -> None:
        """Sends on the open connection; `_listen` leaves one that can't be written to."""
        if self._stream is not None:
            try:
                await self._stream.write(record)
            except Unreachable as exc:
                self._unwritable = exc

    @property
    def arrived(self) -> int:
        """Position in the worker's output up to which it has arrived."""
        return self._arrived

    @property
    def _store_behind(self) -> bool:
        return self._passed_on - self.stored >= UNSTORED_LIMIT

    async def _acknowledge(self) -> None:
        # What has arrived of an event that is not whole waits for its rest, not for the store.
        if not self._store_behind:
            self._acknowledged = self._arrived
            await self._send(wire.ack(self._session, self._arrived, min(self.stored, self._arrived)))

    def _send_payload(self, offset: int) -> None:
        """Sends the payload from `offset` on in a task of its own, so that answers are heard meanwhile."""
        self._offset = offset
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._payload_sender())

    async def _payload_sender(self) -> None:
        if self._source is None:
            self._source = await asyncio.shield(self._payload)  # a cancelled sender leaves it
        source = self._source
        while self._stream is not None:
            if self._offset < source.length:
                piece = source.read(self._offset, wire.PAYLOAD_CHUNK)
                record = wire.payload(self._session, self._offset, piece)
                self._offset += len(piece)
                await self._stream.write(record)
                continue
            terms = self._terms
            self._listener.starting()
            await self._stream.write(
                wire.start(
                    self._session,
                    length=source.length,
                    sha256=source.sha256,
                    timeout=terms.timeout,
                    cancel_grace=terms.cancel_grace,
                )
            )
            if self._offset >= source.length:  # it was not set back meanwhile
                return

    # -- listening --

    async def _listen(self) -> wire.Ended:
        waiting, self._waiting = self._waiting, []
        next_beat = time.monotonic() + BEAT_INTERVAL
        while True:
            for record in waiting:
                if record.session == self._session:
                    self._heard_at = time.monotonic()
                    await self._take(wire.message(record))
                    if self.ended is not None:
                        return self.ended
            self._check_sending()
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + BEAT_INTERVAL
                await self._beat()
            silent = now - self._heard_at
            if silent > SILENCE_LIMIT and (self._quiet > SILENCE_LIMIT or silent > SLOW_LIMIT):
                raise _broken(f"nothing was heard for {silent:.0f} s")
            waiting = await self._next_records(min(1.0, next_beat - now))

    @property
    def _quiet(self) -> float:
        return self._stream.quiet if self._stream is not None else 0.0

    async def _next_records(self, seconds: float) -> list[wire.Record]:
        stream = self._stream
        if stream is None:
            raise _broken("it was closed")
        received = await self._read(stream, seconds)
        if received is None:
            return []
        if not received:
            raise _broken(_ending(stream))
        return self._decoder.feed(received)

    def _check_sending(self) -> None:
        """Raises what went wrong with sending: a payload that can't be built is final, a write is not."""
        if self._sender is not None and self._sender.done():
            sender, self._sender = self._sender, None
            sender.result()
        if self._unwritable is not None:
            raise self._unwritable

    async def _beat(self) -> None:
        await self._send(wire.beat(self._session))
        await self._acknowledge()
        if not self._whole and self._sender is None and self._received == self._received_before:
            self._send_payload(self._received)  # a piece was lost: nothing is on its way, and it is not whole
        self._received_before = self._received

    async def _take(self, said: wire.Message | None) -> None:
        if isinstance(said, wire.Output):
            await self._take_output(said)
        elif isinstance(said, wire.Ended):
            if said.offset > self._arrived:
                await self._ask_again()
            else:
                if said.elapsed is not None:
                    self._note_started()
                self.ended = said
        elif isinstance(said, wire.Received):
            self._received = said.offset
            if said.whole:
                self._note_whole()
        elif isinstance(said, wire.Started):
            self._note_started()
        elif isinstance(said, wire.Beat):
            await self._mind_lost(said)
        elif isinstance(said, wire.Usage):
            self.memory_peak = said.memory_peak

    async def _mind_lost(self, beat: wire.Beat) -> None:
        """Asks again for a last record that was lost: nothing comes after it that would tell."""
        due = beat.spool_end > self._arrived or beat.state == "ended"
        if due and self._arrived == self._arrived_at_beat == self._acknowledged:
            await self._send(wire.attach(self._session, self._arrived))
        self._arrived_at_beat = self._arrived

    async def _ask_again(self) -> None:
        """A record was lost: has the supervisor send from there again, once for each place.

        That lets it send more than before, too. So where the store is behind, it takes a new connection, of
        which there are few at any time.
        """
        if self._asked_again != self._arrived:
            if self._store_behind:
                raise _broken("output was lost")
            self._asked_again = self._acknowledged = self._arrived
            await self._send(wire.attach(self._session, self._arrived))

    async def _take_output(self, said: wire.Output) -> None:
        if said.offset > self._arrived:
            await self._ask_again()
            return
        if said.offset + len(said.piece) > self._acknowledged + wire.WINDOW:
            raise Failure("ProtocolViolation", "The supervisor sent more output than it was asked for.")
        self._note_started()
        fresh = said.piece[self._arrived - said.offset :]
        if fresh:
            self._arrived += len(fresh)
            self._passed_on = await self._listener.output(fresh)
        if self._arrived - self._acknowledged >= ACK_EVERY:
            await self._acknowledge()


def _ending(stream: Stream) -> str:
    if stream.error is not None:
        return str(stream.error.get("message") or stream.error)
    return "the connection was closed"


def _broken(words: str) -> Unreachable:
    return Unreachable(Failure("ClusterUnreachable", f"The connection to the pod broke: {words}."))
