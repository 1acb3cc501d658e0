"""Who computes the chunks of a job: this process, or workers that Dask looks after, here or on other machines."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from vsdfvi import __version__
from vsdfvi.cleaning.chunk_files import ChunkName
from vsdfvi.cleaning.computing import Cleaner, Told
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.masks import is_made
from vsdfvi.errors import EngineError, SettingError, VsdfviError

HERE, LOCAL = "here", "local"

ATTEMPTS = 10
"""Workers that may die over one chunk before it is given up: machines are taken away, and that is no fault of its."""

_RETRIES = 2  # of a chunk whose worker lives and failed, as where a network drive was away
_PATIENCE = 20  # seconds for an answer that Dask has announced
_AHEAD = 2  # chunks that wait at each worker

Made = Callable[[ChunkName], object]
"""Told of each chunk that is there."""


class Scheduler(Protocol):
    """Computes chunks.

    Attributes:
        workers: How many compute at once.
    """

    workers: int

    def compute(self, job: Job, device: str, chunks: Sequence[ChunkName], told: Told, made: Made) -> None:
        """Make the files of these chunks.

        Args:
            device: ``cpu`` or ``cuda``.
            told: Told of frames as they are done, where that is known.
            made: Told of chunks.

        Raises:
            VsdfviError, OSError: A chunk cannot be made.
        """


class InProcess:
    """One process, whose engine uses all cores, or one GPU. Chunks in order, so that none begins anew."""

    workers = 1

    def compute(self, job: Job, device: str, chunks: Sequence[ChunkName], told: Told, made: Made) -> None:
        """Make the files of these chunks, one after the other."""
        cleaner = Cleaner(job, device)
        try:
            for chunk in chunks:
                cleaner.compute(chunk, told)
                made(chunk)
        finally:
            cleaner.close()


class Dask:
    """Workers of ``dask.distributed``.

    Args:
        client: Of a running cluster.
        threads: That each worker computes with; 0 leaves it to the job.
    """

    def __init__(self, client: Any, threads: int) -> None:
        self._client, self._threads = client, threads
        self._addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
        self.workers = len(self._addresses)

    def compute(self, job: Job, device: str, chunks: Sequence[ChunkName], told: Told, made: Made) -> None:
        """Make the files of these chunks, as workers come free. What a worker that dies was at goes to another.

        Each worker is meant to get a stretch of film, since the next chunk finds what lies around it made; where its
        own is done, half of the longest that is left. Nothing binds Dask to that: who has just become free is who gets
        the next chunk. (Bound to a worker that then died, a chunk was waited for without end.)
        """
        from distributed import as_completed

        stretches = Stretches(chunks, self._addresses)
        work = job.work.absolute()
        job = _from_anywhere(job)
        key = job.key(device)

        def submit(worker: str) -> Any:
            chunk = stretches.next(worker)
            if chunk is None:
                return None
            # Not pure: a chunk that was lost is to be made again, whatever Dask remembers of it. The key is of the job
            # as it is now: who was killed and asks again may find what he asked for in work, and nothing else.
            future = self._client.submit(
                compute_chunk,
                job,
                device,
                replace(chunk, folder=work),
                self._threads,
                pure=False,
                retries=_RETRIES,
                key=f"{work}-{key}-{chunk.number}",
            )
            asked.add(future)
            names[future.key] = chunk
            return future

        asked: set[Any] = set()
        names: dict[str, ChunkName] = {}
        first = [submit(worker) for _ in range(_AHEAD) for worker in self._addresses]
        running = as_completed([future for future in first if future is not None])
        try:
            for future in running:
                chunk, counts, worker = _answer(future, names[future.key])
                asked.discard(future)
                for n, hole, invented in counts:
                    told(n, hole, invented)
                made(chunk)
                following = submit(worker)
                if following is not None:
                    running.add(following)
        except Exception as error:
            if type(error).__name__ == "KilledWorker":
                raise EngineError(
                    f"workers must live through a chunk: {ATTEMPTS} died over the same one, which is mostly a lack of "
                    "memory. Lower the settings memory and threads, or take fewer workers"
                ) from error
            raise
        finally:
            self._client.cancel(list(asked))


def _answer(future: Any, chunk: ChunkName) -> tuple[ChunkName, list[tuple[int, int, int]], str]:
    """What a worker said of a chunk that it made; where it died with its answer, what the disk says."""
    while True:
        try:
            answer: tuple[ChunkName, list[tuple[int, int, int]], str] = future.result(timeout=_PATIENCE)
            return answer
        except TimeoutError:
            if chunk.is_done():
                return chunk, [], ""


class Stretches:
    """Chunks that wait, in a stretch for each worker."""

    def __init__(self, chunks: Sequence[ChunkName], workers: Sequence[str]) -> None:
        ends = [len(chunks) * k // len(workers) for k in range(len(workers) + 1)]
        parts = zip(workers, pairwise(ends), strict=True)
        self._waiting = {worker: deque(chunks[first:last]) for worker, (first, last) in parts}

    def next(self, worker: str) -> ChunkName | None:
        """The chunk that a worker should do next; None where none waits. It may be one that has only just come."""
        own = self._waiting.setdefault(worker, deque())
        if not own:
            longest = max(self._waiting.values(), key=len)
            for _ in range(-(-len(longest) // 2)):
                own.appendleft(longest.pop())
        return own.popleft() if own else None


def _from_anywhere(job: Job) -> Job:
    """A job whose paths do not count from this process's folder."""

    def whole(path: str) -> str:
        return path if not path or is_made(path) else str(Path(path).absolute())

    return replace(
        job, source=whole(job.source), masks=tuple(map(whole, job.masks)), output=whole(job.output),
        reference=whole(job.reference), exclude=tuple(map(whole, job.exclude)),
    )  # fmt: skip


_cleaner: tuple[tuple[Job, str, int], Cleaner] | None = None


def compute_chunk(
    job: Job, device: str, chunk: ChunkName, threads: int
) -> tuple[ChunkName, list[tuple[int, int, int]], str]:
    """Make a chunk's file on a worker. The job's engine stays open for the next chunk.

    Returns:
        The chunk; of each frame its number, the pixels of its hole, and how many are invented; the worker's address.
    """
    global _cleaner
    from distributed import get_worker

    address = str(get_worker().address)
    counts: list[tuple[int, int, int]] = []
    if chunk.is_done():  # by a worker whose answer was lost
        return chunk, counts, address
    wanted = job, device, threads
    if _cleaner is None or repr(_cleaner[0]) != repr(wanted):
        if _cleaner is not None:
            _cleaner[1].close()
            _cleaner = None
        _cleaner = wanted, Cleaner(job, device, threads)
    _cleaner[1].compute(chunk, lambda *counted: counts.append(counted))
    return chunk, counts, address


@contextmanager
def scheduler(where: str, workers: int = 0, device: str = "cpu", threads: int = 0) -> Iterator[Scheduler]:
    """Who computes, while the block lasts.

    Args:
        where: ``here``: this process. ``local``: a cluster of this machine's processes. Else the address of a scheduler
            of Dask's that runs already, such as ``tcp://10.0.0.5:8786``.
        workers: Of a local cluster; 0 takes one for each GPU, or one for each two cores.
        device: ``cpu`` or ``cuda``.
        threads: That each worker of a local cluster computes with; 0 divides the cores.

    Raises:
        SettingError: There is no such scheduler.
        EngineError: Dask is not installed, or a worker is of another version.
    """
    if where == HERE:
        yield InProcess()
        return
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise EngineError("a scheduler needs Dask: pip install 'vsdfvi[cluster]'") from error
    with dask.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS}):
        if where == LOCAL:
            with _local(workers, device, threads) as (client, each):
                yield Dask(client, each)
            return
        try:
            client = distributed.Client(where, timeout="15s")
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingError(
                "scheduler", f"here, local, or the address of a Dask scheduler ({error})", where
            ) from error
        with client:
            _require_version(client)
            yield Dask(client, 0)


@contextmanager
def _local(workers: int, device: str, threads: int) -> Iterator[tuple[Any, int]]:
    """A cluster of processes on this machine, and the threads of each: one for each GPU, or the cores divided."""
    from distributed import Client, Nanny, Scheduler, SpecCluster

    from vsdfvi.settings import Settings

    cores = Settings().worker_count
    if device == "cpu":
        workers = workers or max(1, cores // 2)
        environments: list[dict[str, str]] = [{} for _ in range(workers)]
    else:
        gpus = _gpus()
        workers = workers or len(gpus)
        environments = [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} for number in range(workers)]
    # Memory is bounded by the engine itself; Dask would kill workers for what other programs take.
    options = {"nthreads": 1, "memory_limit": 0, "silence_logs": "ERROR", "dashboard": False}
    specs = {
        number: {"cls": Nanny, "options": {**options, "env": environment}}
        for number, environment in enumerate(environments)
    }
    cluster = SpecCluster(
        workers=specs, scheduler={"cls": Scheduler, "options": {"dashboard": False, "port": 0, "host": "127.0.0.1"}},
        silence_logs="CRITICAL",
    )  # fmt: skip
    with cluster, Client(cluster) as client:
        client.wait_for_workers(workers)
        yield client, threads or max(1, cores // workers)


def _gpus() -> list[str]:
    """Numbers of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import os

    import torch

    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named or [str(number) for number in range(torch.cuda.device_count())]


def _require_version(client: Any) -> None:
    """Refuse workers of another version: chunks of a film are to be of one."""
    found = client.run(version)
    if not found:
        raise EngineError("the scheduler must have workers, got none: start some with 'dask worker ADDRESS'")
    others = sorted({str(each) for each in found.values()} - {__version__})
    if others:
        raise EngineError(f"workers must have vsdfvi {__version__} as this machine, got {', '.join(others)}")


def version() -> str:
    """Of the package, where it is called."""
    return __version__


def is_of_ours(error: BaseException) -> bool:
    """Whether an error is one whose text a user can act on."""
    return isinstance(error, VsdfviError | OSError)
