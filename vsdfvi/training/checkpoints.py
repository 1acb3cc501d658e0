"""What a run leaves on disk: checkpoints to go on from, a log to look at, weights to use."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vsdfvi import __version__
from vsdfvi.errors import SettingError, WeightsError

_FORMAT = 1
_FIELDS = {"format", "kind", "step", "options", "data", "model", "networks", "optimisers", "running"}

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    There is no state of a generator of random numbers: whatever is drawn is drawn anew from the seed and the step.

    Attributes:
        kind: ``flow`` or ``deepfill``.
        step: Updates made.
        options: Of the run, as numbers, texts and lists.
        data: What was learned from, in words and digests.
        model: State dictionary of what is trained, where `networks/weights.py` looks for it: the file can be named
            wherever weights can.
        networks: State dictionaries of what learns beside it, by name.
        optimisers: State dictionaries by name.
        running: Sum of losses since the log's last row, and their number.
    """

    kind: str
    step: int
    options: dict[str, Any]
    data: dict[str, Any]
    model: State
    networks: dict[str, State]
    optimisers: dict[str, State]
    running: tuple[float, int]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that is there whole or not at all: the one before stays until this one is complete."""
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    partial = _partial(path)
    with partial.open("wb") as file:
        torch.save({"format": _FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, kind: str) -> Checkpoint:
    """A checkpoint of a run of some kind, its tensors on the CPU. Nothing in the file is run.

    Raises:
        WeightsError: The file is none, or of another kind of run.
    """
    rule = f"a checkpoint of `vsdfvi train {kind}`"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that lie can make a reader stumble over anything
        raise WeightsError(f"{path} must be {rule}, got {type(error).__name__}: {str(error)[:200]}") from error
    if not isinstance(content, dict) or not content.keys() >= _FIELDS:
        raise WeightsError(f"{path} must be {rule}, got a file of another kind")
    if (content["format"], content["kind"]) != (_FORMAT, kind):
        raise WeightsError(f"{path} must be {rule}, got one of {content['kind']!r}, format {content['format']!r}")
    return Checkpoint(**{name: content[name] for name in Checkpoint.__slots__})


def export_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write a network's weights as safetensors, with facts about them in the file's header.

    Args:
        metadata: Texts are written as they are, everything else as JSON.
    """
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")  # counts nothing where batch normalisation is frozen
    }
    facts = {"vsdfvi": __version__} | dict(metadata)
    texts = {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    partial.write_bytes(safetensors.torch.save(tensors, texts))
    partial.replace(path)


class Log:
    """A table of figures by step, as CSV: appended to, and cut back to where a resumed run begins.

    Args:
        columns: After ``step``. A column without a figure is left empty.
        step: Rows of later steps are dropped: they will be written again.

    Raises:
        SettingError: The file is a log of other columns.
    """

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        self._path, self._columns = path, ["step", *columns]
        rows: list[dict[str, str]] = []
        if path.exists() and step:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if list(reader.fieldnames or ()) != self._columns:
                    raise SettingError("log", f"a table of {', '.join(self._columns)}", str(path))
                rows = [row for row in reader if (row["step"] or "x").isdigit() and int(row["step"]) <= step]
        partial = _partial(path)
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(path)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a row."""
        row: dict[str, object] = {name: f"{value:.6g}" for name, value in figures.items()}
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow({"step": step} | row)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
