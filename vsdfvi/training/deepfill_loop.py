"""Training of DeepFill from a folder of pictures: reconstruction, and two critics that tell made pictures from real."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vsdfvi.errors import SettingError
from vsdfvi.networks.deepfill import DeepFill
from vsdfvi.networks.weights import load
from vsdfvi.training.checkpoints import export_weights
from vsdfvi.training.critics import (
    Critics,
    completed,
    corner_of,
    critics_loss,
    discounts,
    hole_error,
    opinion_loss,
    reconstruction_loss,
)
from vsdfvi.training.holes import make_holes
from vsdfvi.training.options import DeepFillOptions
from vsdfvi.training.run import Machine, Outcome, Task, facts, run

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
HELD_OUT_EVERY = 20
"""Each twentieth picture by name, the first one among them, measures and is never learned from."""

_BETAS = 0.5, 0.9  # Adam's, as in the authors' program
_LARGEST_BOX, _SHRINK = 0.5, 0.125  # of the side: rectangles of 128, up to 32 less, of 256 in the authors' program
_HELD_OUT_MOST = 64


class Pictures:
    """Pictures of a folder and of those in it, to learn from and to hold out.

    Attributes:
        digest: Of names and sizes.

    Raises:
        SettingError: There are fewer than two.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        if len(files) < 2:
            raise SettingError("images", f"a folder with two pictures or more ({', '.join(PICTURES)})", str(folder))
        described = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
        self.digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
        self.held_out = files[::HELD_OUT_EVERY]
        self.learned = [path for number, path in enumerate(files) if number % HELD_OUT_EVERY]


def draw_sample(
    random: np.random.Generator, path: Path, options: DeepFillOptions
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], NDArray[np.int64], np.float32]:
    """A square of a picture, a hole in it, what its pixels weigh, where the local critic looks, and a number 0 to 1.

    Shapes:
        returns: ``(3, size, size)`` blue, green, red, -1 to 1; ``(1, size, size)`` bool; likewise float; ``(2,)``.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SettingError("images", "pictures that can be read", str(path))
    size = options.size
    height, width = picture.shape[:2]
    # Pictures larger than the square are made smaller, by chance, so that it shows whole things too.
    smallest = size / min(height, width)
    scale = max(smallest, float(np.exp(random.uniform(min(0.0, float(np.log(smallest))), 0))))
    shape = max(size, round(width * scale)), max(size, round(height * scale))
    picture = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    y, x = random.integers(shape[1] - size + 1), random.integers(shape[0] - size + 1)
    square = picture[y : y + size, x : x + size]
    if random.random() < 0.5:
        square = square[:, ::-1]
    hole = _hole(random, options)
    return (
        np.ascontiguousarray(square.transpose(2, 0, 1), np.float32) / np.float32(127.5) - 1,
        hole[None],
        discounts(hole, options.discount)[None],
        corner_of(hole),
        np.float32(random.random()),
    )


def _hole(random: np.random.Generator, options: DeepFillOptions) -> NDArray[np.bool_]:
    size = options.size
    if options.holes == "footage" or (options.holes == "both" and random.random() < 0.5):
        _, holes = make_holes(random, 1, (size, size))
        return np.ascontiguousarray(holes[0])
    hole = np.zeros((size, size), bool)
    spans = []
    for _ in range(2):
        first = int(random.integers(size - round(_LARGEST_BOX * size) + 1))
        shrink = int(random.integers(round(_SHRINK * size) // 2 + 1))
        spans.append(slice(first + shrink, first + round(_LARGEST_BOX * size) - shrink))
    hole[spans[0], spans[1]] = True
    return hole


class PictureSamples(Dataset[tuple[Any, ...]]):
    """Samples by (step, index): the same, whichever process makes them and in whichever order."""

    def __init__(self, pictures: Pictures, options: DeepFillOptions) -> None:
        self._pictures, self._options = pictures, options

    def __getitem__(self, at: tuple[int, int]) -> tuple[Any, ...]:
        random = np.random.default_rng([self._options.seed, *at])
        files = self._pictures.learned
        return draw_sample(random, files[random.integers(len(files))], self._options)


class HeldOutPictures(Dataset[tuple[Any, ...]]):
    """One sample of each held-out picture, the same in every run."""

    def __init__(self, pictures: Pictures, options: DeepFillOptions) -> None:
        self._files, self._options = pictures.held_out[:_HELD_OUT_MOST], options

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        return draw_sample(np.random.default_rng(number), self._files[number], self._options)


class DeepFillTask(Task):
    """The generator, and the critics if it has any."""

    kind = "deepfill"
    figures = ("error", "psnr")

    def __init__(
        self, options: DeepFillOptions, machine: Machine, pictures: Pictures, initial: Path | None = None
    ) -> None:
        self.options, self.machine = options, machine
        self.data = {"pictures": len(pictures.learned) + len(pictures.held_out), "digest": pictures.digest}
        network = DeepFill() if initial is None else load(initial, "deepfill_v1")
        self.network = network.to(machine.device).train()
        self.critics = Critics(options.size).to(machine.device)
        self.generating, self.judging = (
            torch.optim.Adam(module.parameters(), options.learning_rate, _BETAS)
            for module in (self.network, self.critics)
        )
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, torch.optim.Optimizer] = {"network": self.generating}
        self.updates = options.critic_steps if options.adversarial else 0
        if self.updates:
            self.networks["critics"], self.optimisers["critics"] = self.critics, self.judging
        self.samples_a_step = options.batch * (1 + self.updates)
        self.samples: Dataset[Any] = PictureSamples(pictures, options)
        self.held_out = HeldOutPictures(pictures, options)

    def learn(self, step: int, batch: list[Tensor]) -> float:
        """Make a step, the critics first, each with pictures of its own; return the loss of reconstruction."""
        parts = list(zip(*(torch.split(part, self.options.batch) for part in batch), strict=True))
        self.critics.requires_grad_(True)
        for part in parts[:-1]:
            self._judge(*part)
        self.critics.requires_grad_(False)
        image, hole, weights, corner, _ = parts[-1]
        with self._autocast():
            coarse, refined = self.network(image, hole)
        reconstruction = reconstruction_loss(coarse.float(), refined.float(), image, hole, weights)
        loss = reconstruction
        if self.updates:
            opinion = opinion_loss(self.critics, completed(refined.float(), image, hole), corner)
            loss = reconstruction + self.options.adversarial * opinion
        self.generating.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.generating.step()
        return reconstruction.item()

    def _judge(self, image: Tensor, hole: Tensor, weights: Tensor, corner: Tensor, share: Tensor) -> None:
        """Update the critics once."""
        with torch.no_grad(), self._autocast():
            refined = self.network(image, hole)[1].float()
        made = completed(refined, image, hole)
        loss = critics_loss(self.critics, image, made, hole, corner, share, self.options.penalty)
        self.judging.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.judging.step()

    def measure(self, loader: Callable[[Dataset[Any]], DataLoader[Any]]) -> dict[str, float]:
        """Mean absolute error and PSNR in the hole, means over held-out pictures."""
        found = []
        self.network.eval()
        with torch.inference_mode():
            for image, hole, *_ in loader(self.held_out):
                image, hole = image.to(self.machine.device), hole.to(self.machine.device)
                with self._autocast():
                    refined = self.network(image, hole)[1]
                found.append(hole_error(refined.float(), image, hole))
        self.network.train()
        error, psnr = (sum(column) / len(found) for column in zip(*found, strict=True))
        return {"error": error, "psnr": psnr}

    def summary(self, figures: Mapping[str, float]) -> str:
        """PSNR in the hole."""
        return f"held out {figures['psnr']:.2f} dB in the hole"

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.machine.device.type, torch.bfloat16, enabled=self.machine.autocast)


def train_deepfill(
    images: Path,
    out: Path,
    options: DeepFillOptions,
    *,
    initial: Path | None = None,
    resume: Path | None = None,
    export: Path | None = None,
    stop_after: int | None = None,
) -> Outcome:
    """Train DeepFill on pictures of a folder.

    Args:
        out: Folder for ``checkpoint.pt`` and ``log.csv``.
        initial: Weights to begin with.
        export: Where to write the weights when all steps are made, as safetensors.
        stop_after: Stop at this step as if interrupted.

    Raises:
        SettingError: An option does not fit the pictures or the checkpoint.
        WeightsError: A file is not what it should be.
        EngineError: The device or the loss fails.
    """
    pictures = Pictures(images)

    def make_task(machine: Machine) -> Task:
        return DeepFillTask(options, machine, pictures, initial)

    task, outcome = run(make_task, options, "deepfill", out, resume, stop_after)
    if export is not None and outcome.step == options.steps:
        export_weights(export, task.network.state_dict(), facts(task, options, outcome, "deepfill_v1", images))
    return outcome
