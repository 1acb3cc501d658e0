"""Weights: which files there are, how one is read without trusting it, and which network it is of."""

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vsdfvi.errors import WeightsError
from vsdfvi.networks.deepfill import DeepFill
from vsdfvi.networks.dfc_compact import CompactDFCNet
from vsdfvi.networks.dfc_net import refine_resnet50, refine_resnet101, stage1_resnet50, stage1_resnet101

FileKind = Literal["zip", "legacy", "safetensors", "torchscript"]
"""A checkpoint of torch as it is written now, or was before 1.6; tensors alone; a program."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that weights may be of: its name for people, and how it is built."""

    title: str
    build: Callable[[], nn.Module]


# The default's first: it is then told apart without building another.
ARCHITECTURES = {
    "dfc_compact": Architecture("DFC-Net in its compact form", CompactDFCNet),
    "dfc_stage1_resnet101": Architecture("DFC-Net stage 1 with ResNet-101", stage1_resnet101),
    "dfc_stage1_resnet50": Architecture("DFC-Net stage 1 with ResNet-50", stage1_resnet50),
    "dfc_refine_resnet101": Architecture("DFC-Net stage 2 or 3 with ResNet-101", refine_resnet101),
    "dfc_refine_resnet50": Architecture("DFC-Net stage 2 or 3 with ResNet-50", refine_resnet50),
    "deepfill_v1": Architecture("DeepFill v1", DeepFill),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Facts of one weights file.

    Attributes:
        file: Its name, as it is distributed.
        architecture: Key of ``ARCHITECTURES``.
        sha256: Of the file; None where it is not known.
        tensor_bytes: Bytes of its tensors in float32, computed from the architecture; None for our own. The file adds
            names to that, and about as much again where the optimiser was saved too.
        licence: What its authors allow.
        source: Where it comes from.
        note: What one should know before using it.
        packaged: Whether it comes with vsdfvi.
    """

    file: str
    architecture: str
    sha256: str | None = None
    tensor_bytes: int | None
    licence: str
    source: str
    note: str
    packaged: bool = False


_DFVI = "https://github.com/nbei/Deep-Flow-Guided-Video-Inpainting (its README links the files)"
_DFVI_LICENCE = "none named for the file; the code beside it is MIT"
_DFVI_PAPER = 'Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019'

CHECKPOINTS = {
    "resnet101_movie": Checkpoint(
        file="resnet101_movie.pth",
        architecture="dfc_stage1_resnet101",
        tensor_bytes=170_814_984,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. Of the authors' film of object removal, which uses no other stage.",
    ),
    "resnet50_stage1": Checkpoint(
        file="resnet50_stage1.pth",
        architecture="dfc_stage1_resnet50",
        tensor_bytes=148_232_200,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. Trained at 240x424; stages 2 and 3 follow it.",
    ),
    "davis_stage2": Checkpoint(
        file="davis_stage2.pth",
        architecture="dfc_refine_resnet50",
        tensor_bytes=148_647_184,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. For 320x600.",
    ),
    "davis_stage3": Checkpoint(
        file="davis_stage3.pth",
        architecture="dfc_refine_resnet50",
        tensor_bytes=148_647_184,
        licence=_DFVI_LICENCE,
        source=_DFVI,
        note=f"{_DFVI_PAPER}. For 480x840.",
    ),
    "imagenet_deepfill": Checkpoint(
        file="imagenet_deepfill.pth",
        architecture="deepfill_v1",
        tensor_bytes=14_406_168,
        licence=f"{_DFVI_LICENCE}. Code and models of DeepFill's authors are CC BY-NC 4.0; whether this was made from "
        "their models is not said",
        source=_DFVI,
        note='Yu, Lin, Yang, Shen, Lu and Huang, "Generative image inpainting with contextual attention", CVPR 2018, '
        "written anew for PyTorch by the authors of DFVI.",
    ),
    "dfc_compact": Checkpoint(
        file="dfc_compact.safetensors",
        architecture="dfc_compact",
        tensor_bytes=None,
        licence="MIT",
        source="vsdfvi itself",
        note="The default. Trained from scratch by `vsdfvi train`.",
        packaged=True,
    ),
}

_AGAIN = "Fetch it again, from where it comes."
_OTHER_FILE = "Name another file."

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


def find(folder: str | Path | None, name: str) -> Path:
    """Where a checkpoint of the table lies: in the folder that the user names, or in a folder of that one.

    What comes with vsdfvi is taken from the package, unless the folder holds a file of its name.

    Args:
        name: Key of ``CHECKPOINTS``.

    Raises:
        WeightsError: The file is not there. The text says how it is called and where it comes from.
    """
    checkpoint = CHECKPOINTS[name]
    rule = f"a folder that holds {checkpoint.file} ({ARCHITECTURES[checkpoint.architecture].title})"
    if folder is not None:
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise refusal("weights", rule, f"{folder}, which is no folder", "Check the path.")
        # The official files come in folders of their own, such as DAVIS_model.
        for found in (folder / checkpoint.file, *sorted(folder.glob(f"*/{checkpoint.file}"))):
            if found.is_file():
                return found
    if checkpoint.packaged:
        packaged = Path(__file__).parent / checkpoint.file
        if packaged.is_file():
            return packaged
        raise refusal("vsdfvi", f"installed with {checkpoint.file}", "a package without it", "Install it again.")
    got = "no folder" if folder is None else f"{folder}, which does not"
    raise refusal("weights", rule, got, f"The file comes from {checkpoint.source}.")


def load(path: str | Path, expected: str | tuple[str, ...] | None = None) -> nn.Module:
    """The network that a weights file is of, with those weights, on the CPU and in eval mode.

    Args:
        expected: The architecture that it must be of, or those that it may be of; any, where None.

    Raises:
        WeightsError: The file cannot be read, or is of no network, or of another than expected.
    """
    tensors = read_tensors(path)
    name = architecture_of(tensors, str(path))
    allowed = tuple(ARCHITECTURES) if expected is None else (expected,) if isinstance(expected, str) else expected
    if name not in allowed:
        titles = " or ".join(ARCHITECTURES[one].title for one in allowed)
        raise refusal(path, f"weights of {titles}", f"those of {ARCHITECTURES[name].title}", _OTHER_FILE)
    network = _without_values(ARCHITECTURES[name].build)
    network.load_state_dict(tensors, strict=True, assign=True)  # which starts absent counters of batches at 0
    assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
    return network.eval()


def architecture_of(tensors: Mapping[str, Tensor], source: str = "weights") -> str:
    """The key of ``ARCHITECTURES`` whose tensors these are, by name and shape, all of them and no others.

    Args:
        source: What an error calls the tensors.

    Raises:
        WeightsError: They are of none. The text says which one they come nearest to, and what differs.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not _is_counter(name)}
    for name, architecture in ARCHITECTURES.items():
        if shapes == _shapes(architecture.build):
            return name

    def shared(name: str) -> float:
        own = _shapes(ARCHITECTURES[name].build)
        return (len(own.keys() & shapes.keys()) + len(own.items() & shapes.items())) / len(own.keys() | shapes.keys())

    nearest = max(ARCHITECTURES, key=shared)
    title = ARCHITECTURES[nearest].title
    advice = "It is another network's, or is not whole."
    if shared(nearest) < 0.5:  # of 2: not even a quarter of names and shapes
        titles = ", ".join(architecture.title for architecture in ARCHITECTURES.values())
        raise refusal(source, f"weights of one of: {titles}", f"tensors such as {_some(list(shapes))}", advice)
    raise refusal(source, f"weights of {title}, which they resemble most", _differences(shapes, nearest), advice)


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
            raise refusal(path, "made of dense floating-point tensors", f"{held} under {name!r}", _OTHER_FILE)
    # A view can claim any size while it holds a single number, so sizes are believed only within the file's.
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > path.stat().st_size:
        raise refusal(path, "as large as its tensors", f"{path.stat().st_size} bytes for {claimed}", _OTHER_FILE)
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
    raise refusal(path, rule, _described(head), _AGAIN)


def refusal(name: str | Path, rule: str, found: str, advice: str) -> WeightsError:
    """The error of a file that breaks a rule, in the form that all errors have."""
    # Names in a file may be made to play tricks on a terminal.
    found = "".join(character if character.isprintable() else "?" for character in found)
    return WeightsError(f"{name} must be {rule}, got {found}. {advice}")


def _kind_of_zip(path: Path) -> FileKind:
    """Return the kind of a zip archive: torch writes one folder, with ``data.pkl``, and code where it is a program."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # BadZipFile as a rule, and others where names or versions are damaged
        found = f"a zip archive that is cut off or damaged ({_first_line(error)})"
        raise refusal(path, "a checkpoint of torch", found, _AGAIN) from error
    names = {entry.filename.partition("/")[2] for entry in entries}  # within torch's one folder
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "torchscript"
    if "data.pkl" not in names:
        raise refusal(
            path,
            "a checkpoint",
            f"a zip archive of {_some([entry.filename for entry in entries]) or 'nothing'}",
            _OTHER_FILE,
        )
    # torch compresses nothing. A small file that unpacks to a large one, or whose entries share bytes, is a trap.
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise refusal(path, "a checkpoint as torch writes it", "a compressed archive", _OTHER_FILE)
    return "zip"


def _read_torch(path: Path, kind: FileKind) -> object:
    """Return what a checkpoint of torch holds: tensors, numbers, text, lists and dictionaries, and nothing else."""
    rule = "a checkpoint that can be read"
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:  # torch itself does not look at the sums of a zip's entries
                damaged = archive.testzip()
            if damaged is not None:
                raise refusal(path, rule, f"one whose {damaged} is damaged", _AGAIN)
        # Not mapped: then torch would not ask whether a tensor ends where its entry does, and read on into the next.
        return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # bytes that lie can make a reader stumble over anything
        named = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if named:
            found = f"Python objects ({named[1]}), which could run code and were not made"
            raise refusal(path, "made of tensors alone", found, "Have its state_dict saved alone.") from error
        raise refusal(path, rule, f"one that is cut off or damaged ({_first_line(error)})", _AGAIN) from error


def _read_safetensors(path: Path) -> object:
    """Return the tensors of a safetensors file."""
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # SafetensorError, and whatever torch says of a shape or type
        found = f"one that is cut off or damaged ({_first_line(error)})"
        raise refusal(path, "a safetensors file that can be read", found, _AGAIN) from error


def _unwrapped(path: Path, loaded: object) -> dict[str, Tensor]:
    """Return the tensors of what was loaded, under their plain names."""
    for wrapper in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    rule = "a dictionary of named tensors"
    if not isinstance(loaded, dict):
        raise refusal(path, rule, f"a {type(loaded).__name__}", _OTHER_FILE)
    tensors = dict(loaded)
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise refusal(path, rule, f"a name that is no text, {name!r:.40}", _OTHER_FILE)
        if not isinstance(tensor, Tensor):
            raise refusal(path, rule, f"a {type(tensor).__name__} under {name!r}", _OTHER_FILE)
    while tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not _is_counter(name)}
    if not tensors:
        raise refusal(path, rule, "an empty one", _OTHER_FILE)
    return tensors


@lru_cache
def _shapes(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a network saves, counters of batches apart."""
    state = _without_values(build).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not _is_counter(name)}


class _Uninitialised(TorchFunctionMode):
    """Leaves out ``nn.init``: without values it has no effect, and its normal numbers load a compiler first (2 s)."""

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Any = None
    ) -> object:
        if getattr(func, "__module__", None) == "torch.nn.init" and "tensor" in (kwargs or {}):
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _without_values(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a network whose tensors have shapes, and neither memory nor values."""
    with torch.device("meta"), _Uninitialised():
        return build()


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _differences(shapes: dict[str, tuple[int, ...]], architecture: str) -> str:
    """Say in what shapes differ from those of an architecture."""
    own = _shapes(ARCHITECTURES[architecture].build)
    missing = [name for name in own if name not in shapes]
    unknown = [name for name in shapes if name not in own]
    other = [name for name in own if name in shapes and shapes[name] != own[name]]
    sentences = []
    if other:
        first = other[0]
        sentences.append(f"{len(other)} of another shape ({first} is {_size(shapes[first])}, not {_size(own[first])})")
    if missing:
        sentences.append(f"{len(missing)} missing ({_some(missing)})")
    if unknown:
        sentences.append(f"{len(unknown)} unknown ({_some(unknown)})")
    return ", ".join(sentences)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _some(names: list[str]) -> str:
    """Return the first few names as text."""
    return ", ".join(f"{name:.60}" for name in names[:3]) + (", ..." if len(names) > 3 else "")


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
