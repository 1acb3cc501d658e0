"""Files of weights: what kind one is, and its tensors, read without running anything that it holds."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor

from vsdfvi.errors import WeightsError

FileKind = Literal["zip", "legacy", "safetensors", "torchscript"]
"""A checkpoint of torch as it is written now, or was before 1.6; tensors alone; a program."""

AGAIN = "Fetch it again, from where it comes."
OTHER_FILE = "Name another file."

# A file's first pickle, a number that torch calls MAGIC_NUMBER.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")
_LARGEST_HEADER = 100_000_000  # bytes; safetensors' own limit

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_SIGNATURES = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"version https://git-lfs", "a pointer of Git LFS, which stands for the file"),
    (b"\x80", "a pickle that is not torch's, or is cut off"),
)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, in float32 and in memory of their own; nothing in the file is run.

    Files of torch in both of its formats and safetensors are read, and told apart by content. Tensors may lie in the
    file's dictionary itself, or in its ``model`` or ``state_dict``. The prefix ``module.`` of DataParallel is
    taken off, and counters of batches (``num_batches_tracked``), which old files lack, are left out.

    Raises:
        WeightsError: It is no such file, is damaged, or holds anything else than finite floating-point tensors.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "torchscript":
        raise refusal(path, "weights", "a TorchScript program", "Programs are run only where one is asked for.")
    tensors = _unwrapped(path, _read_safetensors(path) if kind == "safetensors" else _read_torch(path, kind))
    for name, tensor in tensors.items():
        if tensor.dtype not in _FLOATS or tensor.layout != torch.strided or tensor.device.type != "cpu":
            held = f"{tensor.dtype} on {tensor.device}, {tensor.layout}".replace("torch.", "")
            raise refusal(path, "made of dense floating-point tensors", f"{held} under {name!r}", OTHER_FILE)
    # A view can claim any size while it holds a single number, so sizes are believed only within the file's.
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > path.stat().st_size:
        raise refusal(path, "as large as its tensors", f"{path.stat().st_size} bytes for {claimed}", OTHER_FILE)
    # A copy: safetensors are mapped, and would change or vanish with the file.
    copies = {name: tensor.detach().to(torch.float32, copy=True).contiguous() for name, tensor in tensors.items()}
    for name, tensor in copies.items():
        if not bool(torch.isfinite(tensor).all()):
            raise refusal(path, "made of finite numbers", f"NaN or infinity in {name!r}", "Its training diverged.")
    return copies


def kind_of(path: str | Path) -> FileKind:
    """The kind of a weights file, by a look at its first bytes and at a zip's list of contents.

    Raises:
        WeightsError: It does not exist, cannot be opened, or is no kind of weights file.
    """
    path = Path(path)
    rule = "a checkpoint of torch or a safetensors file"
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing of that name"
            raise refusal(path, "a weights file", found, "Check the path.")
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(b"PK\x03\x04"):
            return _kind_of_zip(path)
    except OSError as error:
        raise refusal(path, "a file that can be read", f"the answer: {error.strerror}", "Check the path.") from error
    if head.startswith(b"\x80") and _LEGACY_MAGIC in head:
        return "legacy"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER:
        return "safetensors"
    raise refusal(path, rule, _described(head), AGAIN)


def refusal(name: str | Path, rule: str, found: str, advice: str) -> WeightsError:
    """The error of a file that breaks a rule, in the form that all errors have."""
    # Names in a file may be made to play tricks on a terminal.
    found = "".join(character if character.isprintable() else "?" for character in found)
    return WeightsError(f"{name} must be {rule}, got {found}. {advice}")


def is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def some(names: list[str]) -> str:
    """Return the first few names as text."""
    return ", ".join(f"{name:.60}" for name in names[:3]) + (", ..." if len(names) > 3 else "")


def _kind_of_zip(path: Path) -> FileKind:
    """Return the kind of a zip archive: torch writes one folder, with ``data.pkl``, and code where it is a program."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # BadZipFile as a rule, and others where names or versions are damaged
        found = f"a zip archive that is cut off or damaged ({_first_line(error)})"
        raise refusal(path, "a checkpoint of torch", found, AGAIN) from error
    names = {entry.filename.partition("/")[2] for entry in entries}  # within torch's one folder
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "torchscript"
    if "data.pkl" not in names:
        raise refusal(
            path,
            "a checkpoint",
            f"a zip archive of {some([entry.filename for entry in entries]) or 'nothing'}",
            OTHER_FILE,
        )
    # torch compresses nothing. A small file that unpacks to a large one, or whose entries share bytes, is a trap.
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise refusal(path, "a checkpoint as torch writes it", "a compressed archive", OTHER_FILE)
    return "zip"


def _read_torch(path: Path, kind: FileKind) -> object:
    """Return what a checkpoint of torch holds: tensors, numbers, text, lists and dictionaries, and nothing else."""
    rule = "a checkpoint that can be read"
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:  # torch itself does not look at the sums of a zip's entries
                damaged = archive.testzip()
            if damaged is not None:
                raise refusal(path, rule, f"one whose {damaged} is damaged", AGAIN)
        # Not mapped: then torch would not ask whether a tensor ends where its entry does, and read on into the next.
        return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # bytes that lie can make a reader stumble over anything
        named = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if named:
            found = f"Python objects ({named[1]}), which could run code and were not made"
            raise refusal(path, "made of tensors alone", found, "Have its state_dict saved alone.") from error
        raise refusal(path, rule, f"one that is cut off or damaged ({_first_line(error)})", AGAIN) from error


def _read_safetensors(path: Path) -> object:
    """Return the tensors of a safetensors file."""
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # SafetensorError, and whatever torch says of a shape or type
        found = f"one that is cut off or damaged ({_first_line(error)})"
        raise refusal(path, "a safetensors file that can be read", found, AGAIN) from error


def _unwrapped(path: Path, loaded: object) -> dict[str, Tensor]:
    """Return the tensors of what was loaded, under their plain names."""
    for wrapper in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    rule = "a dictionary of named tensors"
    if not isinstance(loaded, dict):
        raise refusal(path, rule, f"a {type(loaded).__name__}", OTHER_FILE)
    tensors = dict(loaded)
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise refusal(path, rule, f"a name that is no text, {name!r:.40}", OTHER_FILE)
        if not isinstance(tensor, Tensor):
            raise refusal(path, rule, f"a {type(tensor).__name__} under {name!r}", OTHER_FILE)
    while tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not is_counter(name)}
    if not tensors:
        raise refusal(path, rule, "an empty one", OTHER_FILE)
    return tensors


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _described(head: bytes) -> str:
    """Say what a file is by its first bytes."""
    if not head:
        return "an empty file"
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            return description
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, as a site of downloads gives in place of a file"
    if head.isascii() and head.decode("ascii").replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
        return "text"
    return f"a file that begins with {head[:8].hex(' ')}"
