"""``vsdfvi doctor``: every finding as a line, every problem with what to do, and the report survives what is broken."""

import io
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from programs import random_deepfill

import vsdfvi
from vsdfvi.cli import doctor as module
from vsdfvi.cli.doctor import Row
from vsdfvi.cli.main import main
from vsdfvi.engine.devices import Device, Found, Library

CARD = Device(0, "NVIDIA H200", (9, 0), 150_109_880_320)
TORCH = Library(version="2.15.0", cuda="13.2", devices=(CARD,))
CUPY = Library(version="14.2.0", cuda="13.2", devices=(CARD,))
FINE = Row("plugin", True, "0.1", "never printed")
LESS = Row("CuPy", False, "CuPy is not installed", "pip install cupy", needed=False)
WRONG = Row("kernels", False, "they are\ngone", "pip install vsdfvi")


@pytest.fixture
def answered(monkeypatch):
    """Run the command with other rows than this machine's."""

    def run(rows, *words, charset="utf-8"):
        monkeypatch.setattr(module, "examine", lambda weights: iter(rows))
        return CliRunner(charset=charset).invoke(main, ["doctor", *words])

    return run


def rows_of(found):
    return {row.name: row for row in module.gpu_rows(found)}


def test_rows_are_lines_and_problems_have_advice(answered):
    answer = answered([FINE, LESS])
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        f"vsdfvi {vsdfvi.__version__}",
        "✓ plugin       0.1",
        "· CuPy         CuPy is not installed",
        "               → pip install cupy",
        "The plugin can run here.",
    ]


def test_what_the_plugin_needs_decides_the_exit_status(answered):
    answer = answered([FINE, WRONG, LESS])
    assert answer.exit_code == 1
    assert "✗ kernels      they are?gone" in answer.output
    assert answer.output.splitlines()[-1] == "The plugin cannot run as it should: kernels."


def test_a_terminal_of_ascii_gets_ascii(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert not module.report([FINE, LESS, Row("weights", False, "/films/Überblendung.pth", "fetch it")])
    sys.stdout.flush()
    text = written.getvalue().decode("ascii")
    assert "+ plugin       0.1" in text
    assert ". CuPy " in text
    assert "- weights      /films/?berblendung.pth" in text
    assert "               > fetch it" in text


def test_what_is_too_old_or_of_another_version_is_said():
    assert module.python_row((3, 12), "3.12.1", "Linux x86_64") == Row(
        "Python", True, "3.12.1, Linux x86_64", "install Python 3.12 or later, and vsdfvi into it"
    )
    assert not module.python_row((3, 11), "3.11.9", "").ok
    assert module.vapoursynth_row(75, "/there").ok
    old = module.vapoursynth_row(74, "/there")
    assert (old.ok, old.text) == (False, "R74, /there; R75 or later is needed")
    own = tuple(int(number) for number in vsdfvi.__version__.split(".")[:2])
    assert module.plugin_row("/libdfvi.so", own).ok
    other = module.plugin_row("/libdfvi.so", (own[0], own[1] + 1))
    assert not other.ok
    assert f"beside a package of version {vsdfvi.__version__}" in other.text
    assert "remove that file" in other.advice


def test_a_plugin_that_is_not_there_and_one_that_does_not_load():
    assert "does not find it" in module.no_plugin_row([], "").text
    row = module.no_plugin_row([Path("/there/libdfvi.so")], "file too short")
    assert row.text == "/there/libdfvi.so is there, and was not loaded: file too short"
    assert row.advice.startswith("pip install --force-reinstall")


def test_a_library_of_another_build_is_told_by_its_kernels():
    assert module.kernels_row("/libdfvi.so", 20, []).text == "all 20, /libdfvi.so"
    row = module.kernels_row("/libdfvi.so", 20, ["trace_step", "sample_flow"])
    assert not row.ok
    assert row.text == "/libdfvi.so lacks 2 of 20, such as trace_step: it was built from other sources"


def test_a_gpu_is_shown_with_everything_that_sees_it(monkeypatch):
    monkeypatch.setattr(module, "_nvrtc", lambda has_device: iter([Row("NVRTC", has_device, "13.2")]))
    rows = rows_of(Found(driver="13.2", torch=TORCH, cupy=CUPY))
    assert all(row.ok for row in rows.values())
    assert list(rows) == ["PyTorch", "driver", "CuPy", "NVRTC", "auto"]
    assert rows["PyTorch"].text == "2.15.0, made for CUDA 13.2, sees cuda:0 (NVIDIA H200, 139.8 GiB)"
    assert rows["driver"].text == "serves CUDA up to 13.2"
    assert rows["auto"].text == "takes cuda:0 (NVIDIA H200, 139.8 GiB)"


def test_without_a_driver_the_processor_is_no_problem():
    without = Library(version="2.15.0", cuda="13.2", problem="Found no NVIDIA driver")
    rows = rows_of(Found(torch=without, cupy=Library()))
    assert rows["PyTorch"] == Row("PyTorch", True, "2.15.0, made for CUDA 13.2, sees no GPU", needed=False)
    assert rows["auto"].ok
    assert rows["auto"].text == "takes cpu (no NVIDIA driver was found)"
    assert (rows["CuPy"].ok, rows["CuPy"].advice) == (False, "to compute on a GPU, pip install cupy-cuda13x")
    assert rows["driver"].advice.startswith("only if there is a card of NVIDIA's: install")
    assert not any(row.needed and not row.ok for row in rows.values())


def test_a_gpu_that_is_not_used_is_a_problem_and_torch_that_is_missing_a_worse_one():
    rows = rows_of(Found(driver="13.2", torch=TORCH, cupy=Library()))
    assert (rows["auto"].ok, rows["auto"].needed, rows["auto"].advice) == (False, False, "pip install cupy-cuda13x")
    slow = rows_of(Found(driver="13.2", torch=Library(version="2.15.0+cpu"), cupy=Library()))["PyTorch"]
    assert (slow.ok, slow.needed) == (False, False)
    assert slow.advice.startswith("to compute on a GPU, pip uninstall torch")
    for torch_found in (Library(), Library(problem="libcudart.so.13: cannot open")):
        row = rows_of(Found(torch=torch_found, cupy=Library()))["PyTorch"]
        assert (row.ok, row.needed) == (False, True)
        assert row.advice.startswith("pip install")


def test_the_compiler_of_kernels_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    row = rows_of(Found(driver="13.2", torch=TORCH, cupy=CUPY))["NVRTC"]
    assert (row.ok, row.needed, row.advice) == (False, False, "pip install cupy")


def test_optional_things_say_what_they_are_for():
    assert module.memory_row(8000, 1).text == "8000 MiB free, 1 core"
    assert module.memory_row(None, 2).ok
    tight = module.memory_row(900, 2)
    assert (tight.ok, tight.needed) == (False, False)
    assert "memory=256" in tight.advice
    assert module.sources_row(["bs"]).text == "bs (not lsmas, ffms2)"
    assert module.sources_row([]).advice == "pip install vapoursynth-bestsource"
    for name in module.PROGRAMS:
        assert module.program_row(name, "/usr/bin/it").ok
        assert module.program_row(name, None).advice.startswith("it ")


def test_a_repair_must_be_right():
    assert module.repair_row("cpu", 0, 0, 256).ok
    assert module.repair_row("cuda:0", 0, 0, 256).name == "repair, cuda"
    assert "3 samples outside the hole changed" in module.repair_row("cpu", 3, 0, 256).text
    assert "9 of 256 inside are wrong" in module.repair_row("cpu", 0, 9, 256).text
    assert not module.repair_row("cpu", 1, 0, 256).ok
    assert not module.repair_row("cpu", 0, 1, 256).ok


def test_our_own_weights_are_whole():
    [row] = module._own_weights()
    assert row.ok
    assert "as it should be" in row.text
    changed = module.weights_row("dfc_compact.safetensors", "a" * 64, "b" * 64, "DFC-Net")
    assert not changed.ok
    assert changed.text == "dfc_compact.safetensors has SHA-256 bbbbbbbb..., not aaaaaaaa..."


def test_published_files_are_tried(tmp_path):
    (tmp_path / "imagenet").mkdir()
    torch.save(random_deepfill().state_dict(), tmp_path / "imagenet" / "imagenet_deepfill.pth")
    (tmp_path / "resnet101_movie.pth").write_text("<html>")
    torch.save(random_deepfill().state_dict(), tmp_path / "davis_stage2.pth")
    shutil.copy(Path(vsdfvi.__file__).parent / "networks" / "dfc_compact.safetensors", tmp_path / "davis_stage3.pth")
    rows = list(module._published_weights(tmp_path))
    by_file = {next(word for word in row.text.split("/") if ".pth" in word).split(".pth")[0]: row for row in rows}
    assert by_file["imagenet_deepfill"].ok
    assert by_file["imagenet_deepfill"].text.endswith("imagenet_deepfill.pth: DeepFill v1")
    reasons = {
        "resnet101_movie": "a web page",
        "davis_stage2": "those of DeepFill v1",
        "davis_stage3": "those of DFC-Net in its compact form",
    }
    for name, reason in reasons.items():
        assert (by_file[name].ok, by_file[name].needed) == (False, True)
        assert reason in by_file[name].text
        assert by_file[name].advice.startswith("fetch it again from https://")
    assert (rows[-1].ok, rows[-1].needed) == (False, False)
    assert rows[-1].text == f"not in {tmp_path}: resnet50_stage1.pth"


@pytest.mark.parametrize(
    ("text", "said", "advice"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "looking at it ended with SIGKILL", "mend it"),
        ("import os\nprint('[1]')\nos._exit(3)", "looking at it ended with status 3", "mend it"),
        ("raise SystemExit('bye')", "looking at it ended with status 1: bye", "mend it"),
        ("raise OSError('no such library\\nand more')", "OSError: no such library", "mend it"),
        ("import a_module_that_is_not_there", "a_module_that_is_not_there is not installed",
         "pip install a_module_that_is_not_there"),
        ("import time\ntime.sleep(60)", "no answer in 1 seconds", "mend it"),
        ("__version__ = '7'\nprint('hello')", "7", "mend it"),
    ],
)  # fmt: skip
def test_what_breaks_when_it_is_looked_at_is_a_line(monkeypatch, tmp_path, text, said, advice):
    (tmp_path / "breaks.py").write_text(text)
    root = str(Path(vsdfvi.__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
    if "sleep" in text:
        monkeypatch.setattr(module, "_PATIENCE", 1)
    [row] = module._apart("Thing", "mend it", module._version_of, "Thing", "breaks", needed=False)
    assert row == (Row("Thing", True, "7") if said == "7" else Row("Thing", False, said, advice, needed=False))


def test_a_kernel_library_that_is_cut_is_a_line(monkeypatch, tmp_path):
    (tmp_path / "libdfvi.so").write_bytes(b"\x7fELF")
    monkeypatch.setenv("VAPOURSYNTH_EXTRA_PLUGIN_PATH", str(tmp_path))
    [row] = module._apart("kernels", "install it", module._kernels)
    assert (row.ok, row.needed, row.advice) == (False, True, "install it")
    assert "cannot be opened" in row.text or "SIGBUS" in row.text


def test_this_machine():
    answer = CliRunner().invoke(main, ["doctor"])
    assert answer.exit_code == 0, answer.output
    lines = answer.output.splitlines()
    assert lines[-1] == "The plugin can run here."
    for name in ("Python", "VapourSynth", "plugin", "kernels", "NumPy", "OpenCV", "PyTorch", "weights", "repair, cpu"):
        assert any(line.startswith(f"✓ {name}") for line in lines), answer.output
    assert any(line.startswith("✓ repair, cpu  three frames of 64x64 on cpu, 256 of 256 pixels") for line in lines)
    for line, following in pairwise(lines):
        assert not line.startswith("·") or following.startswith(" " * 15 + "→ ")


def test_a_folder_that_is_none_is_an_error_of_usage(tmp_path):
    assert CliRunner().invoke(main, ["doctor", "--weights", str(tmp_path / "nowhere")]).exit_code == 2


def test_what_cleaning_lacks_is_named():
    assert module.cleaning_row(["av", "rich"], False).text == "av, rich is not installed"
    assert not module.cleaning_row(["av"], False).ok
    assert module.cleaning_row([], True).advice == "for several processes or machines: pip install 'vsdfvi[cluster]'"
    assert module.cleaning_row([], False).text == "films are cleaned without a script"
