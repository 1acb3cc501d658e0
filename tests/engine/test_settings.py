"""Every rule of the settings, alone and in full."""

import dataclasses
import os

import pytest

from vsdfvi.errors import SettingError, VsdfviError
from vsdfvi.presets import PRESETS
from vsdfvi.settings import CHOICES, PROGRAM_ENDINGS, PROGRAMS, Settings

NAN, INFINITY = float("nan"), float("inf")
RANGES = {
    "radius": (1, 128, "between 1 and 128 frames"),
    "sources": (1, 4, "between 1 and 4 frames"),
    "window": (2, 512, "between 2 and 512 frames"),
    "dilate": (0, 256, "between 0 and 256 pixels"),
    "soften": (0, 64, "between 0 and 64 pixels"),
    "keyframe_interval": (1, 512, "between 1 and 512 frames"),
    "threads": (0, 256, "between 0 and 256 threads"),
    "memory": (16, 1 << 20, "between 16 and 1048576 MiB"),
    "scene_threshold": (0, 1, "between 0 and 1"),
    "grain": (0, 1, "between 0 and 1"),
    "fp16": (0, 1, "0 or 1"),
    "refine": (0, 1, "0 or 1"),
    "unmix": (0, 1, "0 or 1"),
    "light": (0, 1, "0 or 1"),
    "seam": (0, 1, "0 or 1"),
}
OF_PARTS = ("scene_threshold", "grain")  # numbers with parts; the others are whole


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
    step = 1 / 1024 if name in OF_PARTS else 1
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


def test_a_source_is_no_farther_away_than_a_walk_goes():
    for distance in (1, 24):
        assert Settings(min_distance=distance).min_distance == distance
    assert Settings(radius=128, min_distance=128).min_distance == 128
    for distance in (0, 129, -1, 2**40, NAN, INFINITY):
        rule = "min_distance must be between 1 and 128 frames"
        assert refusal(min_distance=distance) == f"{rule}, got {distance!r}"
    assert refusal(min_distance=25) == "min_distance must be at most radius, 24 frames, got 25"


def test_a_preset_is_one_of_those_there_are():
    for name in ("", *PRESETS):
        assert Settings(preset=name).preset == name
    for name in ("Dirt", "hair", 3, None):
        rule = "preset must be one of dirt, scratch, logo, subtitle, dropout, object, preview"
        assert refusal(preset=name) == f"{rule}, got {name!r}"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stands_for_settings_that_keep_the_rules_and_are_not_the_defaults(name):
    settings, defaults = Settings.from_arguments({"preset": name}), Settings()
    for field in dataclasses.fields(Settings):
        expected = PRESETS[name].get(field.name, name if field.name == "preset" else field.default)
        assert getattr(settings, field.name) == expected
    assert all(getattr(defaults, setting) != value for setting, value in PRESETS[name].items())
    assert not {"preset", "reject", "record", "device", "view", "memory", "threads"} & set(PRESETS[name])


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_given_beside_a_preset_counts_more(name):
    settings = Settings.from_arguments({"radius": 9, "preset": name, "dilate": 0})
    assert settings == Settings(**{**PRESETS[name], "preset": name, "radius": 9, "dilate": 0})


def test_an_unknown_preset_is_refused_among_arguments_too():
    for name in ("hair", ["dirt"]):
        with pytest.raises(SettingError, match=r"^preset must be one of dirt, "):
            Settings.from_arguments({"preset": name})


def test_reject_is_a_text():
    assert Settings(reject="1-4").reject == "1-4"
    assert refusal(reject=3) == "reject must be frames, or the path of a text file, got 3"


def test_every_setting_has_a_rule_here():
    others = {"consistency", "weights", "device", "device_memory", "min_distance", "preset", "reject", "record"}
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
