"""How far a job is, on the terminal: frames, speed, what remains, and how much had to be invented."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vsdfvi.cleaning.jobs import Job

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A bar of progress on standard error; where that is no terminal, a line for each stage.

    Args:
        go_on: Called with each stage and frame; what it raises ends the job.
    """

    def __init__(self, progress: "Progress", quiet: bool, go_on: Callable[[], None]) -> None:
        self._progress, self._quiet, self._go_on = progress, quiet, go_on
        self._task: TaskID | None = None
        self._name = ""
        self._hole = self._invented = self._pixels = 0

    def open(self, job: Job) -> None:
        """A job is looked at."""
        self.end()
        self._name = Path(job.output).name

    def begin(self, job: Job, frames: int, done: int, size: tuple[int, int]) -> None:
        """A job begins, of whose frames some are done."""
        self._hole = self._invented = 0
        self._pixels = 0
        self._size = size[0] * size[1]
        self._task = self._progress.add_task(self._name, total=frames, completed=0, stage="", share="")
        # What was done before is no speed of this run's.
        self._progress.update(self._task, total=frames - done or 1, completed=int(frames == done))
        if done and not self._quiet:
            self._progress.console.print(f"{self._name}: {done} of {frames} frames are done already", markup=False)

    def stage(self, text: str) -> None:
        """What is done now."""
        self._go_on()
        if self._task is not None:
            self._progress.update(self._task, stage=text)
        if not self._quiet and not self._progress.console.is_terminal:
            self._progress.console.print(f"{self._name}: {text}" if self._name else text, markup=False)

    def frame(self, n: int, hole: int, invented: int) -> None:
        """A frame is done."""
        self._go_on()
        self._hole += hole
        self._invented += invented
        self._pixels += self._size
        if self._task is not None:
            share = f"hole {self._hole / self._pixels:.1%}, of it {self._invented / max(self._hole, 1):.0%} invented"
            self._progress.update(self._task, advance=1, share=share)

    def end(self) -> None:
        """The job is over, however it went."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


@contextmanager
def bar(quiet: bool = False, go_on: Callable[[], None] = lambda: None) -> Iterator[Bar]:
    """A bar while the block lasts.

    Args:
        go_on: As ``Bar`` takes it.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        """Frames a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.2f} frames/s" if speed else "")

    console = Console(stderr=True, soft_wrap=True)
    # Frames take seconds: a speed of the last half minute would leap.
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[stage]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[share]}", markup=False),
        console=console,
        speed_estimate_period=600,
        disable=quiet or not console.is_terminal,
    )
    with progress:
        made = Bar(progress, quiet, go_on)
        try:
            yield made
        finally:
            made.end()
