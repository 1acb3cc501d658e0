"""The loop of every training run: samples in, steps, a log, checkpoints; it can stop anywhere and go on."""

import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm  # type: ignore[import-untyped]

from vsdfvi.errors import EngineError, SettingError
from vsdfvi.settings import Settings
from vsdfvi.training.checkpoints import Checkpoint, Log, load_checkpoint, save_checkpoint
from vsdfvi.training.options import RunOptions

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"

_SMOOTHING = 0.02  # of the loss on the progress bar, for each step


class Task(ABC):
    """What is trained: samples, networks, a step.

    A step must be a function of the weights, the optimisers' state, its number and its samples, or a resumed run would
    not be the same run.

    Attributes:
        kind: Of run, as on the command line.
        data: What is learned from, in words and digests; a resumed run must have the same.
        network: What is trained.
        networks: What learns beside it and is kept in checkpoints, by name.
        optimisers: Theirs, by name.
        samples: By (step, index).
        samples_a_step: How many indices a step has.
        figures: Names of what ``measure`` gives.
    """

    kind: str
    data: dict[str, Any]
    network: nn.Module
    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    samples: Dataset[Any]
    samples_a_step: int
    figures: tuple[str, ...]

    @abstractmethod
    def learn(self, step: int, batch: list[Tensor]) -> float:
        """Make a step, and return its loss."""

    @abstractmethod
    def measure(self, loader: Callable[[Dataset[Any]], DataLoader[Any]]) -> dict[str, float]:
        """Figures on held-out data."""

    @abstractmethod
    def summary(self, figures: Mapping[str, float]) -> str:
        """The figures that one watches, in a few words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        step: Updates made: fewer than asked for where it was interrupted.
        figures: Of the last look at held-out data; empty where there was none.
    """

    step: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run computes with."""

    device: torch.device
    workers: int
    threads: int
    autocast: bool

    @classmethod
    def of(cls, options: RunOptions, checkpoint: Checkpoint | None = None) -> "Machine":
        """The machine that options ask for.

        Raises:
            EngineError: There is no GPU where one is asked for.
        """
        if options.device == "cuda" and not torch.cuda.is_available():
            raise EngineError("device must be one that is there, got 'cuda': torch finds no GPU. Try device=cpu")
        gpu = options.device == "cuda" or (options.device == "auto" and torch.cuda.is_available())
        cores = Settings().worker_count
        workers = options.workers if options.workers >= 0 else max(1, cores - 1 if gpu else cores // 4)
        threads = options.threads or max(1, cores - workers)
        if checkpoint is not None and not options.threads:
            threads = int(checkpoint.options["threads"])
        # bfloat16 has float32's range: there is nothing to scale. On a CPU it is emulated, or hardly faster.
        autocast = gpu and options.precision in ("auto", "bfloat16")
        if options.precision == "bfloat16" and not gpu:
            raise SettingError("precision", "auto or float32 on a CPU", options.precision)
        return cls(torch.device("cuda" if gpu else "cpu"), workers, threads, autocast)


def run(
    make_task: Callable[[Machine], Task],
    options: RunOptions,
    kind: str,
    out: Path,
    resume: Path | None = None,
    stop_after: int | None = None,
) -> tuple[Task, Outcome]:
    """Train until the last step or an interrupt (Ctrl-C: once ends after the step and keeps it, twice at once).

    Writes ``checkpoint.pt`` and ``log.csv`` in a folder. On a CPU, an interrupted and resumed run gives the same bits
    as one that was not, with any number of workers.

    Args:
        make_task: Given the device and threads, makes what is trained.
        resume: A checkpoint to go on from.
        stop_after: Stop at this step as if interrupted.

    Raises:
        SettingError: The folder holds another run, or the checkpoint's options or data differ.
        WeightsError: The checkpoint cannot be read.
        EngineError: The loss is not a number any more.
    """
    checkpoint = None if resume is None else load_checkpoint(resume, kind)
    if checkpoint is None and (out / CHECKPOINT).exists():
        raise SettingError("out", f"a folder without {CHECKPOINT}, or that file be resumed", str(out))
    machine = Machine.of(options, checkpoint)
    with _settled(machine, options.seed):
        task = make_task(machine)
        if checkpoint is not None:
            _take_up(task, options, checkpoint)
        out.mkdir(parents=True, exist_ok=True)
        loop = _Loop(task, options, machine, out, checkpoint)
        return task, loop.go(min(options.steps, stop_after or options.steps))


def facts(task: Task, options: RunOptions, outcome: Outcome, architecture: str, source: Path) -> dict[str, object]:
    """What the header of exported weights says of how they came about."""
    return {
        "architecture": architecture,
        "command": options.command(task.kind, source),
        "data": task.data,
        "step": outcome.step,
        "options": options.as_plain(),
        "held_out": {name: round(value, 4) for name, value in outcome.figures.items()},
    }


def _take_up(task: Task, options: RunOptions, checkpoint: Checkpoint) -> None:
    """Bring a task to where a checkpoint was."""
    kept = {name: value for name, value in checkpoint.options.items() if name != "threads" or options.threads}
    options.require_same(kept)
    for name, value in task.data.items():
        if checkpoint.data.get(name) != value:
            raise SettingError(name, f"{checkpoint.data.get(name)!r} as in the checkpoint", value)
    task.network.load_state_dict(checkpoint.model)
    for name, network in task.networks.items():
        network.load_state_dict(checkpoint.networks[name])
    for name, optimiser in task.optimisers.items():
        optimiser.load_state_dict(dict(checkpoint.optimisers[name]))


class _Loop:
    """One run."""

    def __init__(
        self, task: Task, options: RunOptions, machine: Machine, out: Path, checkpoint: Checkpoint | None
    ) -> None:
        self.task, self.options, self.machine, self.out = task, options, machine, out
        self.step = checkpoint.step if checkpoint else 0
        self.total, self.count = checkpoint.running if checkpoint else (0.0, 0)
        self.log = Log(out / LOG, ("seconds", "loss", *task.figures), self.step)
        self.began = time.monotonic()
        self.figures: dict[str, float] = {}

    def go(self, last: int) -> Outcome:
        smooth: float | None = None
        with _interruptible() as interrupted, self._bar() as bar:
            for batch in self._batches(last) if self.step < last else ():
                loss = self.task.learn(self.step, [part.to(self.machine.device, non_blocking=True) for part in batch])
                if not isfinite(loss):
                    rule = f"finite, got {loss} at step {self.step}: lower learning_rate"
                    raise EngineError(f"the loss must be {rule}, and resume from the last checkpoint")
                self.step += 1
                self.total, self.count = self.total + loss, self.count + 1
                smooth = loss if smooth is None else (1 - _SMOOTHING) * smooth + _SMOOTHING * loss
                bar.update()
                bar.set_postfix_str(f"loss {smooth:.3f}{self._seen()}")
                self._note(bar, always=self.step == self.options.steps)
                if interrupted.is_set():
                    break
                if _due(self.step, self.options.checkpoint_every):
                    self._save()
            self._save()
        if self.step == self.options.steps and not self.figures:  # nothing was left to learn
            self.figures = self.task.measure(self._loader)
        return Outcome(self.step, self.figures)

    def _note(self, bar: Any, *, always: bool) -> None:
        """Look at held-out data and write a row of the log, if it is time or the end."""
        row: dict[str, float] = {}
        if always or _due(self.step, self.options.evaluate_every):
            self.figures = row = self.task.measure(self._loader)
            bar.write(f"step {self.step}: {self.task.summary(row)}", file=sys.stderr)
        if row or _due(self.step, self.options.log_every):
            if self.count:
                row = {"loss": self.total / self.count} | row
            self.total, self.count = 0.0, 0
            self.log.write(self.step, {"seconds": time.monotonic() - self.began} | row)

    def _seen(self) -> str:
        return f", {self.task.summary(self.figures)}" if self.figures else ""

    def _save(self) -> None:
        task = self.task
        save_checkpoint(
            self.out / CHECKPOINT,
            Checkpoint(
                kind=task.kind,
                step=self.step,
                options=self.options.as_plain() | {"threads": self.machine.threads},
                data=task.data,
                model=task.network.state_dict(),
                networks={name: network.state_dict() for name, network in task.networks.items()},
                optimisers={name: optimiser.state_dict() for name, optimiser in task.optimisers.items()},
                running=(self.total, self.count),
            ),
        )

    def _bar(self) -> Any:
        # On stderr, and not at all where nobody watches.
        return tqdm(total=self.options.steps, initial=self.step, unit="step", disable=None, dynamic_ncols=True)

    def _batches(self, last: int) -> DataLoader[Any]:
        steps = _Steps(range(self.step, last), self.task.samples_a_step)
        return self._loader(self.task.samples, batch_sampler=steps)

    def _loader(self, samples: Dataset[Any], **how: Any) -> DataLoader[Any]:
        workers = self.machine.workers
        return DataLoader(
            samples, num_workers=workers, worker_init_fn=_begin_worker, pin_memory=self.machine.device.type == "cuda",
            prefetch_factor=4 if workers else None, **how,
        )  # fmt: skip


class _Steps(Sampler[list[tuple[int, int]]]):
    """For each step the (step, index) of its samples."""

    def __init__(self, steps: range, count: int) -> None:
        self._steps, self._count = steps, count

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return ([(step, index) for index in range(self._count)] for step in self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _begin_worker(_: int) -> None:
    """Prepare a process that makes samples: one thread, and deaf to Ctrl-C, which the loop answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@contextmanager
def _settled(machine: Machine, seed: int) -> Iterator[None]:
    """Threads, random numbers and algorithms as a run wants them, and as they were when it is over."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    # Read by cuBLAS when it begins; without it its products are not deterministic (NVIDIA, cuBLAS: reproducibility).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second is as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield event
        return

    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
