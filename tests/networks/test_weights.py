"""Weights files: every official layout gives back what was saved, every bad one a sentence, and none runs code."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from vsdfvi.errors import WeightsError
from vsdfvi.networks import weights
from vsdfvi.networks.checkpoint_files import read_tensors
from vsdfvi.networks.torchscript import load_torchscript
from vsdfvi.networks.weights import ARCHITECTURES, CHECKPOINTS, Architecture, architecture_of, find, load


class Small(nn.Module):
    """A stand-in with what makes the real ones differ: channels in, number of blocks, batch norm, a head."""

    def __init__(self, inputs: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer3 = nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(blocks)))
        self.layer5 = nn.ModuleDict({"conv1": nn.Conv2d(4, 2, 1)})

    def forward(self, x: Tensor) -> Tensor:
        return self.layer5["conv1"](self.layer3(self.bn1(self.conv1(x))))


def small_33():
    return Small(33, 2)


def small_66():
    return Small(66, 2)


def small_deep():
    return Small(33, 3)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    """Besides the real networks, small ones whose files are quickly written."""
    for build in (small_33, small_66, small_deep):
        monkeypatch.setitem(ARCHITECTURES, build.__name__, Architecture(f"the {build.__name__}", build))


def randomised(network: nn.Module) -> nn.Module:
    """Return the network with numbers of its own everywhere, in eval mode."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            with torch.no_grad():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.05 + ("var" in name))
    return network.eval()


def state(counters=True):
    tensors = randomised(small_33()).state_dict()
    return {name: tensor for name, tensor in tensors.items() if counters or "num_batches" not in name}


def prefixed(tensors):
    return {f"module.{name}": tensor for name, tensor in tensors.items()}


def momentum(tensors):
    buffers = {number: {"momentum_buffer": tensor.clone()} for number, tensor in enumerate(tensors.values())}
    return {"state": buffers, "param_groups": [{"lr": 1e-4, "params": list(buffers)}]}


LAYOUTS = {
    "bare": lambda tensors: tensors,
    "bare, prefixed": prefixed,
    "model and n_iter": lambda tensors: {"model": prefixed(tensors), "n_iter": 5000},
    "with an optimiser": lambda tensors: {
        "model": prefixed(tensors), "n_iter": 5000, "optimizer": momentum(tensors),
    },
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3, "best_EPE": 1.5, "arch": "x"},
    "prefixed twice": lambda tensors: {"state_dict": prefixed(prefixed(tensors))},
}  # fmt: skip


def assert_equal(found, expected):
    """Fail unless these are the same tensors, counters of batches apart."""
    expected = {name: tensor for name, tensor in expected.items() if "num_batches" not in name}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert tensor.data_ptr() != expected[name].data_ptr()
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("counters", [True, False], ids=["counters", "no counters"])
@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_every_layout_gives_back_what_was_saved(tmp_path, layout, counters, as_zip):
    path = tmp_path / "weights.pth.tar"
    tensors = state(counters)
    torch.save(LAYOUTS[layout](tensors), path, _use_new_zipfile_serialization=as_zip)
    assert_equal(read_tensors(path), tensors)
    network = load(path)
    assert isinstance(network, Small)
    assert not network.training
    assert network.conv1.weight.requires_grad
    assert_equal({k: v for k, v in network.state_dict().items() if "num_batches" not in k}, tensors)


def test_safetensors_give_back_what_was_saved(tmp_path):
    save_file(state(), tmp_path / "weights.safetensors")
    assert_equal(read_tensors(tmp_path / "weights.safetensors"), state())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_floats_become_float32(tmp_path, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in state(counters=False).items()}
    torch.save(tensors, tmp_path / "half.pth")
    assert_equal(read_tensors(tmp_path / "half.pth"), {name: tensor.float() for name, tensor in tensors.items()})


@pytest.mark.parametrize("save", [torch.save, save_file], ids=["torch", "safetensors"])
def test_what_was_read_does_not_hang_on_the_file(tmp_path, save):
    path = tmp_path / "weights"
    save(state(), path)
    tensors = read_tensors(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_equal(tensors, state())


@pytest.mark.parametrize("build", [small_33, small_66, small_deep])
def test_the_architecture_is_told_from_the_tensors(build):
    assert architecture_of(build().state_dict()) == build.__name__


def test_any_architecture_but_the_expected_is_refused(tmp_path):
    torch.save(state(), tmp_path / "weights.pth")
    load(tmp_path / "weights.pth", "small_33")
    load(tmp_path / "weights.pth", ("small_66", "small_33"))
    with pytest.raises(
        WeightsError, match=r"weights\.pth must be weights of the small_66 or the small_deep, got those"
    ):
        load(tmp_path / "weights.pth", ("small_66", "small_deep"))


# The table


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_table_says_what_the_networks_say(name):
    checkpoint = CHECKPOINTS[name]
    shapes = weights._shapes(ARCHITECTURES[checkpoint.architecture].build)
    assert checkpoint.tensor_bytes == 4 * sum(np.prod(shape, dtype=int) for shape in shapes.values())
    assert checkpoint.file.startswith(name + ".")


@pytest.mark.parametrize("name", [name for name, checkpoint in CHECKPOINTS.items() if checkpoint.packaged])
def test_what_is_packaged_is_what_the_table_says(name):
    checkpoint = CHECKPOINTS[name]
    path = Path(weights.__file__).parent / checkpoint.file
    assert find(None, name) == path
    assert not load(path, checkpoint.architecture).training
    assert hashlib.sha256(path.read_bytes()).hexdigest() == checkpoint.sha256


def test_a_file_is_found_in_the_folder_or_in_one_of_its_folders(tmp_path):
    (tmp_path / "DAVIS_model").mkdir()
    for path in (tmp_path / "resnet101_movie.pth", tmp_path / "DAVIS_model" / "davis_stage2.pth"):
        path.touch()
        assert find(tmp_path, path.stem) == path


def test_what_is_packaged_is_found_without_a_folder_and_yields_to_the_users(tmp_path, monkeypatch):
    package, folder = tmp_path / "package", tmp_path / "folder"
    for each in (package, folder):
        each.mkdir()
    monkeypatch.setattr(weights, "__file__", str(package / "weights.py"))
    with pytest.raises(WeightsError, match=r"installed with dfc_compact.safetensors, got a package without it"):
        find(None, "dfc_compact")
    (package / "dfc_compact.safetensors").touch()
    assert find(None, "dfc_compact") == find(folder, "dfc_compact") == package / "dfc_compact.safetensors"
    (folder / "dfc_compact.safetensors").touch()
    assert find(folder, "dfc_compact") == folder / "dfc_compact.safetensors"


@pytest.mark.parametrize("folder", ["empty", "missing", None])
def test_a_missing_file_is_named_with_its_origin(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError) as caught:
        find(folder and tmp_path / folder, "davis_stage3")
    text = str(caught.value)
    assert "weights must be a folder that holds davis_stage3.pth (DFC-Net stage 2 or 3 with ResNet-50), got" in text
    assert {"empty": "empty, which does not", "missing": "missing, which is no folder", None: "no folder"}[
        folder
    ] in text
    assert ("https://github.com/nbei/" in text) == (folder != "missing")


# Bad files


class Hostile:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def saved(content, **options):
    """Return the bytes of a checkpoint."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def legacy(content):
    return saved(content, _use_new_zipfile_serialization=False)


def with_tensor(name, tensor):
    return saved(state() | {name: tensor})


def scripted(program: nn.Module) -> bytes:
    """Return the bytes of a TorchScript program."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.15 would have it written otherwise
        torch.jit.save(torch.jit.script(program.eval()), buffer)
    return buffer.getvalue()


def zipped(entries, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def entries(content):
    """Return the entries of a zip, to be changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def flipped(content, where):
    content = bytearray(content)
    content[where] ^= 0x40
    return bytes(content)


def safetensors_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one_tensor(shape, offsets):
    return {"a": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}


def conv1(inputs):
    return state() | {"conv1.weight": torch.zeros(4, inputs, 3, 3)}


def torchvision_like():
    return {f"features.{number}.weight": torch.zeros(3) for number in range(9)}


TENSORS = state()
ZIP, LEGACY = saved(TENSORS), legacy(TENSORS)
NAN = TENSORS["conv1.weight"].clone().index_fill_(0, torch.tensor(3), torch.nan)
EXPANDED = torch.zeros(1).expand(1 << 40)
ARRAY = np.array([{"a": 1}], dtype=object)

BAD = {
    "zip, nearly whole": (ZIP[:-1], "cut off or damaged"),
    "zip, half": (ZIP[: len(ZIP) // 2], "cut off or damaged"),
    "zip, first bytes": (ZIP[:20], "cut off or damaged"),
    "zip, a bit flipped in a tensor": (flipped(ZIP, ZIP.index(TENSORS["bn1.weight"].numpy().tobytes())), "is damaged"),
    "zip, a name damaged": (zipped({"ä/data.pkl": b""}).replace("ä".encode(), b"\xff\xff"), "cut off or damaged"),
    "legacy, nearly whole": (LEGACY[:-1], "cut off or damaged"),
    "legacy, half": (LEGACY[: len(LEGACY) // 2], "cut off or damaged"),
    "legacy, in the pickle": (LEGACY[:300], "cut off or damaged"),
    "legacy, first bytes": (LEGACY[:8], "a pickle that is not torch's, or is cut off"),
    "empty": (b"", "got an empty file"),
    "PNG": (cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "got a PNG picture"),
    "text": (b"weights are here: https://example.org\n", "got text"),
    "web page": (b"\n<!DOCTYPE html><html><title>Quota exceeded</title>", "got a web page"),
    "LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
    "anything": (bytes(range(100, 256)), "got a file that begins with 64 65 66 67 68 69 6a 6b"),
    "wrong keys": (saved(torchvision_like()), r"such as features\.0\.weight, features\.1\.weight, features\.2"),
    "missing keys": (
        saved({name: tensor for name, tensor in TENSORS.items() if "layer5" not in name}),
        r"the small_33, which they resemble most, got 2 missing \(layer5\.conv1\.weight, layer5\.conv1\.bias\)",
    ),
    "extra keys": (saved(TENSORS | {"fc.weight": torch.zeros(2)}), r"got 1 unknown \(fc\.weight\)"),
    "a key that writes on the terminal": (saved(TENSORS | {"\x1b[2J\n": torch.zeros(2)}), r"1 unknown \(\?\[2J\?\)"),
    "wrong shapes": (
        with_tensor("layer5.conv1.bias", torch.zeros(3)),
        r"1 of another shape \(layer5\.conv1\.bias is 3, not 2\)",
    ),
    "a picture's 3 inputs": (saved(conv1(3)), r"\(conv1\.weight is 4x3x3x3, not 4x33x3x3\)"),
    "NaN": (with_tensor("conv1.weight", NAN), r"finite numbers, got NaN or infinity in 'conv1\.weight'"),
    "infinity": (with_tensor("bn1.bias", torch.full((4,), -torch.inf)), "NaN or infinity in 'bn1.bias'"),
    "too large for float32": (with_tensor("bn1.bias", torch.full((4,), 1e300, dtype=torch.float64)), "finite numbers"),
    "integers": (with_tensor("bn1.bias", torch.zeros(4, dtype=torch.int32)), "got int32 on cpu, strided under 'bn1.b"),
    "complex": (with_tensor("bn1.bias", torch.zeros(4, dtype=torch.cfloat)), "got complex64"),
    "sparse": (with_tensor("bn1.bias", torch.zeros(4).to_sparse()), "sparse_coo under 'bn1.bias'"),
    "no memory": (with_tensor("bn1.bias", torch.zeros(4, device="meta")), "float32 on meta"),
    "a size that lies": (with_tensor("bn1.bias", EXPANDED), "as large as its tensors"),
    "a tensor": (saved(torch.zeros(3)), "a dictionary of named tensors, got a Tensor"),
    "a list": (saved([torch.zeros(3)]), "a dictionary of named tensors, got a list"),
    "nothing in it": (saved({}), "a dictionary of named tensors, got an empty one"),
    "a wrapper of another name": (saved({"net": TENSORS}), "got a dict under 'net'"),
    "names that are numbers": (saved({1: torch.zeros(3)}), "a name that is no text, 1"),
    "NumPy arrays": (saved({"model": {"a": np.zeros(3)}}), "made of tensors alone, got Python objects"),
    "NumPy objects": (saved({"model": {"a": ARRAY}}), "made of tensors alone, got Python objects"),
    "NumPy objects, legacy": (legacy({"model": {"a": ARRAY}}), "made of tensors alone, got Python objects"),
    "a whole network": (saved(small_33()), r"Python objects \(.*Small\), which could run code and were not made"),
    "a bare pickle": (pickle.dumps({"a": 1}), "a pickle that is not torch's"),
    "a zip of something else": (zipped({"readme.txt": "hello"}), r"got a zip archive of readme\.txt"),
    "an archive of NumPy": (zipped({"a.npy": b"x"}), r"got a zip archive of a\.npy"),
    "an empty zip": (zipped({"x/": ""}), "got a zip archive of x/"),
    "a compressed zip": (zipped(entries(ZIP), compression=zipfile.ZIP_DEFLATED), "got a compressed archive"),
    "a zip whose tensor is short": (
        zipped({name: data[: 8 if name.endswith("data/3") else None] for name, data in entries(ZIP).items()}),
        "cut off or damaged",
    ),
    "a zip without its tensors": (
        zipped({name: data for name, data in entries(ZIP).items() if "data/0" not in name}),
        "cut off or damaged",
    ),
    "a TorchScript program": (scripted(small_33()), "must be weights, got a TorchScript program"),
    "safetensors, cut in the header": (safetensors_bytes(one_tensor([3], [0, 12]))[:30], "cut off or damaged"),
    "safetensors, cut in the data": (safetensors_bytes(one_tensor([3], [0, 12]), bytes(11)), "cut off or damaged"),
    "safetensors, a header length that lies": (
        struct.pack("<Q", 90_000_000) + safetensors_bytes(one_tensor([3], [0, 12]), bytes(12))[8:],
        "cut off or damaged",
    ),
    "safetensors, a header too long to be one": (struct.pack("<Q", 1 << 60) + b'{"a":1}', "begins with 00 00 00"),
    "safetensors, a shape that lies": (safetensors_bytes(one_tensor([1 << 40], [0, 12]), bytes(12)), "cut off or dam"),
    "safetensors, offsets that lie": (safetensors_bytes(one_tensor([3], [0, 1 << 50]), bytes(12)), "cut off or dam"),
    "safetensors, no JSON": (safetensors_bytes(b"{not json}"), "cut off or damaged"),
    "safetensors, no tensors": (safetensors_bytes({}), "an empty one"),
    "safetensors, integers": (
        safetensors_bytes({"a": {"dtype": "I32", "shape": [3], "data_offsets": [0, 12]}}, bytes(12)),
        "got int32",
    ),
}


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_answered_with_a_sentence(tmp_path, name):
    content, sentence = BAD[name]
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=sentence) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path} must be ")
    assert len(text) < 700
    assert "\n" not in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("folder", "must be a weights file, got a folder"),
        ("missing.pth", "must be a weights file, got nothing of that name"),
        ("pipe", "must be a weights file, got no regular file"),
        ("x" * 300, "must be a file that can be read, got the answer"),
    ],
)
def test_what_is_no_file_is_answered_with_a_sentence(tmp_path, name, sentence):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match=sentence):
        load(tmp_path / name)


@pytest.mark.parametrize("place", ["top", "model", "optimizer", "name"])
@pytest.mark.parametrize("save", [saved, legacy])
def test_code_in_a_checkpoint_is_not_run(tmp_path, place, save):
    marker = tmp_path / "was run"
    hostile = Hostile(marker)
    content = {
        "top": hostile,
        "model": {"model": TENSORS | {"bn1.bias": hostile}},
        "optimizer": {"model": TENSORS, "optimizer": hostile},
        "name": {"model": {**TENSORS, hostile: torch.zeros(1)}},
    }[place]
    path = tmp_path / "hostile.pth"
    path.write_bytes(save(content))
    with pytest.raises(WeightsError, match=r"Python objects \(\w+\.mkdir\), which could run code and were not made"):
        load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)  # it would have
    assert marker.exists()


def test_code_in_a_bare_pickle_is_not_run(tmp_path):
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps(Hostile(tmp_path / "was run")))
    with pytest.raises(WeightsError, match="a pickle that is not torch's"):
        load(tmp_path / "hostile.pth")
    assert not (tmp_path / "was run").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [ZIP, LEGACY], ids=["zip", "legacy"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_an_error_or_other_numbers(tmp_path_factory, content, data):
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "weights.pth"
    path.write_bytes(content[: data.draw(st.integers(0, 2 * len(content)))])
    with contextlib.suppress(WeightsError):  # an error of any other kind fails
        assert all(bool(tensor.isfinite().all()) for tensor in read_tensors(path).values())


# The door for programs


class Synthesis(nn.Module):
    """Answers a hole with 0.25 where the image is dark and the mask is 1, and adds what it should not outside."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        assert image.shape[2:] == mask.shape[2:]
        return torch.where(mask > 0.5, image + 0.25, image + 1.0)


class Flow(nn.Module):
    """Answers with the red of the first image less that of the second, and the width."""

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        assert earlier.shape[2] % 8 == 0
        assert earlier.shape[3] % 8 == 0
        difference = earlier[:, :1] - later[:, :1]
        return torch.cat([difference, torch.full_like(difference, float(earlier.shape[3]))], 1)


class Answering(nn.Module):
    """Answers two tensors with something of the wrong kind."""

    def __init__(self, answer: str) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        if self.answer == "channels":
            return first[:, :1]
        if self.answer == "size":
            return first[:, :, ::2, ::2]
        if self.answer == "batch":
            return first[0]
        if self.answer == "integers":
            return first.to(torch.int32)
        if self.answer == "NaN":
            return first * float("nan")
        if self.answer == "codes":
            return first * 255
        raise ValueError("no such answer")


class Several(nn.Module):
    """Answers with a list, as flow networks in training do."""

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        return [first[:, :2]]


class One(nn.Module):
    """Takes one tensor where two are given."""

    def forward(self, image: Tensor) -> Tensor:
        return image


def written(path, program):
    path.write_bytes(scripted(program))
    return path


SIZES = [(1, 1), (13, 200), (128, 128), (150, 129)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_synthesis_program_fills_the_hole_and_nothing_else(tmp_path, size):
    synthesis = load_torchscript(written(tmp_path / "program.pt", Synthesis()), "synthesis")
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    hole = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(2)) < 0.4
    image.masked_fill_(hole & (image > 0.9), torch.nan)  # what lies in the hole is not shown
    filled = synthesis(image, hole)
    torch.testing.assert_close(filled, torch.where(hole, 0.25, image), rtol=0, atol=0)
    assert torch.equal(filled, synthesis(image, hole))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_flow_program_gives_flow_of_the_size_it_was_asked_for(tmp_path, size):
    flow = load_torchscript(written(tmp_path / "program.pt", Flow()), "flow")
    earlier, later = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(1))
    answer = flow(earlier, later)
    assert answer.shape == (1, 2, *size)
    torch.testing.assert_close(answer[:, 0], earlier[:, 0] - later[:, 0], rtol=0, atol=0)
    assert float(answer[0, 1, 0, 0]) == max(128, -(-size[1] // 8) * 8)


WRONG_ANSWERS = {
    "too few channels": (
        Answering("channels"),
        "synthesis",
        r"floats \(1, 3, 128, 136\), got float32 \(1, 1, 128, 136\)",
    ),
    "half the size": (Answering("size"), "synthesis", r"got float32 \(1, 3, 64, 68\)"),
    "no batch": (Answering("batch"), "synthesis", r"got float32 \(3, 128, 136\)"),
    "integers": (Answering("integers"), "synthesis", r"got int32 \(1, 3, 128, 136\)"),
    "NaN": (Answering("NaN"), "synthesis", "finite numbers, got NaN or infinity"),
    "codes to 255": (Answering("codes"), "synthesis", "values from 0 to 1, got 0 to 127.5"),
    "an error": (Answering("none"), "synthesis", "an answer to 136x128 pixels, got an error, .*no such answer"),
    "channels of a picture": (Answering("codes"), "flow", r"floats \(1, 2, 128, 136\), got float32 \(1, 3, 128, 136\)"),
    "a list": (Several(), "flow", r"one tensor \(1, 2, 128, 136\), got a list"),
    "one input": (One(), "flow", "an answer to 136x128 pixels, got an error"),
}


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_a_program_that_answers_wrongly_is_refused_when_it_is_loaded(tmp_path, name):
    program, kind, sentence = WRONG_ANSWERS[name]
    path = written(tmp_path / "program.pt", program)
    with pytest.raises(WeightsError, match=sentence) as caught:
        load_torchscript(path, kind)
    assert str(caught.value).startswith(f"{path} must be a program that returns ")


@pytest.mark.parametrize("name", ["zip", "legacy", "safetensors", "cut", "damaged", "empty"])
@pytest.mark.parametrize("kind", ["synthesis", "flow"])
def test_weights_and_damaged_programs_are_refused_at_the_door(tmp_path, name, kind):
    program = scripted(Flow())
    content, sentence = {
        "zip": (ZIP, "must be a TorchScript program, got weights without a program"),
        "legacy": (LEGACY, "must be a TorchScript program, got weights without a program"),
        "safetensors": (safetensors_bytes({}), "must be a TorchScript program, got weights without a program"),
        "cut": (program[:-30], "a zip archive that is cut off or damaged"),
        "damaged": (
            zipped({key: b"no code" if key.endswith(".py") else each for key, each in entries(program).items()}),
            "must be a TorchScript program that loads, got one that does not",
        ),
        "empty": (b"", "got an empty file"),
    }[name]
    (tmp_path / "program.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=sentence):
        load_torchscript(tmp_path / "program.pt", kind)


# The real networks, in the official layouts

OFFICIAL = [name for name, checkpoint in CHECKPOINTS.items() if name != "davis_stage3" or checkpoint.packaged]


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_file_of_the_official_layout_gives_the_network_it_came_from(tmp_path, name):
    checkpoint = CHECKPOINTS[name]
    path = tmp_path / checkpoint.file
    network = randomised(ARCHITECTURES[checkpoint.architecture].build())
    tensors = {key: tensor for key, tensor in network.state_dict().items() if "num_batches" not in key}
    if checkpoint.packaged:
        save_file(tensors, path)
    else:
        content = tensors if name == "imagenet_deepfill" else {"model": prefixed(tensors), "n_iter": 5000}
        torch.save(content, path, _use_new_zipfile_serialization=False)
        # Pickles of names, beside the numbers.
        assert checkpoint.tensor_bytes < path.stat().st_size < checkpoint.tensor_bytes * 1.01
    found = load(find(tmp_path, name), checkpoint.architecture)
    assert type(found) is type(network)
    assert found.state_dict().keys() == network.state_dict().keys()
    with torch.inference_mode():
        torch.testing.assert_close(outputs(found), outputs(network), rtol=0, atol=0)


def outputs(network):
    """Return what a real network answers to something small."""
    generator = torch.Generator().manual_seed(1)
    if type(network).__name__ == "DeepFill":
        hole = torch.zeros(1, 1, 32, 40, dtype=torch.bool)
        hole[..., 8:20, 8:30] = True
        return network(torch.rand(1, 3, 32, 40, generator=generator), hole)
    if type(network).__name__ == "CompactDFCNet":
        return network(torch.randn(1, 11, 4, 16, 24, generator=generator), torch.ones(1, 11, 16, 24))
    return network(torch.randn(1, network.inputs, 24, 40, generator=generator))
