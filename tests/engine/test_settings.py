"""Every rule of the settings, alone and in full."""

import dataclasses
import os

import pytest

from vsdfvi.errors import SettingError, VsdfviError
from vsdfvi.settings import CHOICES, PROGRAM_ENDINGS, PROGRAMS, Settings

NAN, INFINITY = float("nan"), float("inf")
RANGES = {
    "radius": (1, 128, "between 1 and 128 frames"),
    "window": (2, 512, "between 2 and 512 frames"),
    "dilate": (0, 256, "between 0 and 256 pixels"),
    "keyframe_interval": (1, 512, "between 1 and 512 frames"),
    "threads": (0, 256, "between 0 and 256 threads"),
    "memory": (16, 1 << 20, "between 16 and 1048576 MiB"),
    "scene_threshold": (0, 1, "between 0 and 1"),
    "fp16": (0, 1, "0 or 1"),
}


def refusal(**settings):
    """Return the text of the error that settings cause."""
    with pytest.raises(SettingError) as caught:
        Settings(**settings)
    assert caught.value.name in settings
    return str(caught.value)


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_inside_it(name):
    low, high, _ = RANGES[name]
    assert getattr(Settings(**{name: low}), name) == low
    assert getattr(Settings(**{name: high}), name) == high


@pytest.mark.parametrize("name", RANGES)
def test_what_lies_outside_a_range_is_refused(name):
    low, high, rule = RANGES[name]
    step = 1 / 1024 if name == "scene_threshold" else 1
    for value in (low - step, high + step, -(2**40), 2**40, NAN, INFINITY):
        assert refusal(**{name: value}) == f"{name} must be {rule}, got {value!r}"


@pytest.mark.parametrize("value", [0, -1.5, NAN, INFINITY, -INFINITY])
def test_consistency_is_above_0_and_finite(value):
    assert refusal(consistency=value) == f"consistency must be finite and above 0 pixels, got {value!r}"


def test_consistency_may_be_as_small_or_as_large_as_any_number():
    for value in (1e-30, 1e30):
        assert Settings(consistency=value).consistency == value


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_one_of_those_there_are(name):
    for value in CHOICES[name]:
        assert getattr(Settings(**{name: value}), name) == value
    program = ", or a TorchScript file (.pt, .ts, .torchscript)" if name in PROGRAMS else ""
    for value in ("", "Auto", CHOICES[name][0] + " ", "net.pth", 3, None):
        assert refusal(**{name: value}) == f"{name} must be one of {', '.join(CHOICES[name])}{program}, got {value!r}"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("ending", PROGRAM_ENDINGS)
def test_a_program_may_be_named_in_its_place(name, ending):
    assert getattr(Settings(**{name: f"folder/net{ending}"}), name) == f"folder/net{ending}"


def test_weights_are_a_folder_s_path():
    assert Settings(weights="folder").weights == "folder"
    assert refusal(weights=3) == "weights must be the path of a folder, got 3"


@pytest.mark.parametrize("value", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_a_device_is_named_as_torch_names_it(value):
    assert Settings(device=value).device == value


@pytest.mark.parametrize("value", ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:0 ", "cuda0", "cuda:1000", 0, None])
def test_another_device_is_refused(value):
    assert refusal(device=value) == f"device must be auto, cpu, cuda or cuda:N, got {value!r}"


def test_device_memory_is_0_or_enough():
    for value in (0, 64, 1 << 20):
        assert Settings(device_memory=value).device_memory == value
    for value in (1, 63, -1, (1 << 20) + 1, NAN):
        rule = "device_memory must be 0, or between 64 and 1048576 MiB"
        assert refusal(device_memory=value) == f"{rule}, got {value!r}"


def test_every_setting_has_a_rule_here():
    others = {"consistency", "weights", "device", "device_memory"}
    assert {field.name for field in dataclasses.fields(Settings)} == {*RANGES, *CHOICES, *others}


def test_defaults_satisfy_the_rules():
    assert Settings() == Settings(**{f.name: f.default for f in dataclasses.fields(Settings)})


def test_arguments_become_settings():
    assert Settings.from_arguments({}) == Settings()
    assert Settings.from_arguments({"radius": 7, "view": "mask"}) == Settings(radius=7, view="mask")


def test_an_unknown_argument_is_named():
    with pytest.raises(SettingError) as caught:
        Settings.from_arguments({"radios": 7})
    names = ", ".join(field.name for field in dataclasses.fields(Settings))
    assert str(caught.value) == f"setting must be one of {names}, got 'radios'"


def test_an_argument_out_of_its_range_is_refused_as_in_the_constructor():
    with pytest.raises(SettingError, match=r"^dilate must be between 0 and 256 pixels, got -1$"):
        Settings.from_arguments({"dilate": -1})


def test_settings_are_fixed_and_comparable():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.radius = 3
    assert hash(settings) == hash(Settings())
    assert settings != Settings(radius=3)


def test_an_error_is_a_value_error_too():
    with pytest.raises(ValueError, match=r"^radius must be"):
        Settings(radius=0)
    assert issubclass(SettingError, VsdfviError)


def test_threads_asked_for_are_taken():
    assert [Settings(threads=count).worker_count for count in (1, 3, 256)] == [1, 3, 256]


def test_no_number_of_threads_means_one_for_each_core(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert Settings().worker_count == 3


@pytest.mark.parametrize(("cores", "count"), [(6, 6), (None, 1)])
def test_where_a_system_names_no_cores_of_ours(monkeypatch, cores, count):
    """Windows and macOS have no ``sched_getaffinity``: the number asked for counts there too."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert Settings().worker_count == count
    assert Settings(threads=3).worker_count == 3
