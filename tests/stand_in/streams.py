"""Devices, streams and events.

All work is done at once, but an array that is used on a stream which has not waited for the stream it was written on is
refused, since a GPU might not have written it yet. What torch does nobody sees, nor that an array is written which
another stream still reads.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from stand_in.machine import Block, CUDARuntimeError, counters, lock, machine, pool

_HANDLES = count(0x5EED0000, 16)

_thread = threading.local()


class UnorderedUse(RuntimeError):
    """An array is used on a stream that has not waited for the stream it was written on."""


class Queue:
    """What is known of the order of one stream's work. All stream objects of one handle share one.

    Attributes:
        submitted: Pieces of work put on the stream so far.
        finished: Of those, how many the host knows to be done.
        knows: For other streams, how many of their pieces precede what is put on this stream now.
    """

    def __init__(self, ptr: int, blocking: bool) -> None:
        self.ptr, self.blocking = ptr, blocking
        self.submitted = self.finished = 0
        self.knows: dict[Queue, int] = {}
        self._for_host: deque[tuple[int, Callable[[], object]]] = deque()

    def submit(self, for_host: Callable[[], object] | None = None) -> int:
        """Count a piece of work. ``for_host`` is done when the host gets to know that the work is done."""
        with lock:
            self.submitted += 1
            if for_host is not None:
                self._for_host.append((self.submitted, for_host))
            return self.submitted

    def learn(self, marks: "dict[Queue, int]") -> None:
        """Put what follows after these pieces of other streams."""
        for queue, number in marks.items():
            if queue is not self:
                self.knows[queue] = max(number, self.knows.get(queue, 0))

    def finish(self, number: int) -> None:
        """Let the host know that the first so many pieces are done."""
        with lock:
            self.finished = max(self.finished, number)
            while self._for_host and self._for_host[0][0] <= number:
                self._for_host.popleft()[1]()

    def is_finished(self) -> bool:
        return self.finished >= self.submitted


_queues: dict[int, Queue] = {0: Queue(0, True)}


def forget() -> None:
    """Drop what waits, and this thread's current stream and device."""
    with lock:
        for queue in _queues.values():
            queue.finished = queue.submitted  # arrays that outlive them are nobody's concern
        _queues.clear()
        _queues[0] = Queue(0, True)
    vars(_thread).clear()


def order(queue: Queue) -> None:
    """Put what follows on a queue after what precedes it unasked: the null stream and blocking ones wait mutually."""
    with lock:
        if queue.ptr == 0:
            others = [each for each in _queues.values() if each.blocking]
        else:
            others = [_queues[0]] if queue.blocking else []
        for each in others:
            queue.learn({each: each.submitted, **each.knows})


def check(block: Block, part: np.ndarray, queue: Queue | None = None) -> None:
    """Refuse a part of memory that another stream may still be writing.

    Raises:
        UnorderedUse: Neither has the stream waited for that, nor the host.
    """
    if not block.writes or not part.size:
        return
    begin, end = byte_bounds(part)
    queue = queue or get_current_stream().queue
    order(queue)
    for first, last, writer, number in block.writes:
        late = writer is not queue and number > max(writer.finished, queue.knows.get(writer, 0))
        if late and first < end and begin < last:
            raise UnorderedUse(
                f"an array written on stream {writer.ptr} is used on stream {queue.ptr}, which has not waited for it"
            )


def mark(block: Block, part: np.ndarray, queue: Queue | None = None) -> None:
    """Note that a part of memory is written on a stream."""
    queue = queue or get_current_stream().queue
    order(queue)
    begin, end = byte_bounds(part)
    with lock:
        block.writes = [
            each for each in block.writes if each[3] > each[2].finished and not (begin <= each[0] and each[1] <= end)
        ]
        block.writes.append((begin, end, queue, queue.submit()))


def wait_for(queue: Queue) -> None:
    """Let the host wait for all that is on a queue."""
    counters.synchronise()
    order(queue)
    for each, number in list(queue.knows.items()):
        each.finish(number)
    queue.finish(queue.submitted)


def current_device() -> int:
    """Number of this thread's device."""
    return getattr(_thread, "device", 0)


def _entered() -> list[Any]:
    """What was current before each context that this thread is in."""
    if not hasattr(_thread, "entered"):
        _thread.entered = []
    return _thread.entered


class Device:
    """A device, and a context in which it is the current one."""

    def __init__(self, device: "int | Device | None" = None) -> None:
        self.id = current_device() if device is None else int(getattr(device, "id", device))  # type: ignore[arg-type]

    def use(self) -> None:
        if not 0 <= self.id < machine.devices:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        _thread.device = self.id

    def __enter__(self) -> "Device":
        before = current_device()
        self.use()
        _entered().append(before)
        return self

    def __exit__(self, *_: object) -> None:
        _thread.device = _entered().pop()

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def synchronize(self) -> None:
        counters.synchronise()
        for queue in list(_queues.values()):
            queue.finish(queue.submitted)

    @property
    def compute_capability(self) -> str:
        return machine.compute_capability

    @property
    def mem_info(self) -> tuple[int, int]:
        return machine.memory_bytes - machine.taken_bytes - pool.total_bytes(), machine.memory_bytes

    @property
    def attributes(self) -> dict[str, int]:
        return {
            "MultiProcessorCount": machine.multiprocessors,
            "MaxThreadsPerBlock": 1024,
            "MaxThreadsPerMultiProcessor": 2048,
            "MaxSharedMemoryPerBlock": 48 << 10,
            "WarpSize": 32,
        }


class Event:
    """A place in the order of a stream's work."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.ptr = next(_HANDLES)
        self.timed = not disable_timing
        self.seconds: float | None = None
        self._marks: dict[Queue, int] = {}

    def record(self, stream: "Stream | None" = None) -> None:
        with lock:
            queue = (stream or get_current_stream()).queue
            order(queue)
            self._marks = {**queue.knows, queue: queue.submitted}
            self.seconds = time.perf_counter()

    @property
    def done(self) -> bool:
        """Whether its work is done. Where nobody has waited, the first look finds it unfinished, the next one done."""
        done = all(queue.finished >= number for queue, number in self._marks.items())
        self.finish()
        return done

    def precede(self, queue: Queue) -> None:
        """Put what follows on a queue after the event."""
        queue.learn(self._marks)

    def finish(self) -> None:
        for queue, number in self._marks.items():
            queue.finish(number)

    def synchronize(self) -> None:
        counters.synchronise()
        self.finish()


class Stream:
    """A stream, and a context in which it is the current one of this thread's device."""

    null: "Stream"

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self._attach(0 if null else next(_HANDLES), not non_blocking)

    def _attach(self, ptr: int, blocking: bool) -> None:
        self.ptr, self._blocking = ptr, blocking
        self.device_id = current_device() if ptr else -1

    @classmethod
    def from_external(cls, stream: Any) -> "Stream":
        """Return the stream of another library, by the protocol that torch.cuda.Stream has too."""
        made = cls.__new__(cls)
        made._attach(int(stream.__cuda_stream__()[1]), True)
        return made

    @property
    def queue(self) -> Queue:
        with lock:
            return _queues.setdefault(self.ptr, Queue(self.ptr, self._blocking))

    @property
    def done(self) -> bool:
        """Whether its work is done; as for an event, the first look finds it unfinished."""
        done = self.queue.is_finished()
        self.queue.finish(self.queue.submitted)
        return done

    def use(self) -> "Stream":
        _streams()[current_device()] = self
        return self

    def __enter__(self) -> "Stream":
        _entered().append(get_current_stream())
        return self.use()

    def __exit__(self, *_: object) -> None:
        _entered().pop().use()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)

    def __repr__(self) -> str:
        return f"<Stream {self.ptr} (device {self.device_id})>"

    def synchronize(self) -> None:
        wait_for(self.queue)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        event.precede(self.queue)

    def launch_host_func(self, callback: Callable[[Any], object], argument: Any) -> None:
        self.queue.submit(lambda: callback(argument))


class ExternalStream(Stream):
    """A stream of another library, by its handle."""

    def __init__(self, ptr: int, device_id: int = -1) -> None:
        self._attach(int(ptr), True)


Stream.null = Stream(null=True)


def _streams() -> dict[int, Stream]:
    if not hasattr(_thread, "streams"):
        _thread.streams = {}
    return _thread.streams


def get_current_stream(device_id: int = -1) -> Stream:
    """Return the stream that this thread's work goes to."""
    return _streams().get(current_device() if device_id < 0 else device_id, Stream.null)


def get_elapsed_time(start: Event, end: Event) -> float:
    """Return milliseconds between two events; nothing that a test could rely on."""
    if not (start.timed and end.timed) or start.seconds is None or end.seconds is None:
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1000 * (end.seconds - start.seconds)
