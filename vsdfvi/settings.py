"""What a caller may choose, checked once. The layers above trust it."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from vsdfvi.errors import SettingError
from vsdfvi.presets import PRESETS, PURPOSES
from vsdfvi.rules import AboveZero, Between, Matching, OneOf, Rule, Switch, Text

PROGRAM_ENDINGS = (".pt", ".ts", ".torchscript")
"""What the path of a TorchScript program ends like, which some settings take in a name's place."""

_PROGRAM = "a TorchScript file"
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def _setting[Value](default: Value, rule: Rule, meaning: str) -> Value:
    """A setting: what it is if nothing is said, what it may be, and one line on what it does."""
    return field(default=default, metadata={"rule": rule, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to inpaint one clip.

    Each setting states its default, its rule and its meaning, here and nowhere else: errors, ``vsdfvi settings`` and
    docs/reference.md are made from them. The call's order is the order here.

    Raises:
        SettingError: A value is outside its range, or not a number.
    """

    radius: int = _setting(
        24,
        Between(1, 128, "frames"),
        "Frames that a trajectory may walk, each way, until it meets picture that is known.",
    )
    min_distance: int = _setting(
        1,
        Between(1, 128, "frames"),
        "Frames that a source must be away at least, at most `radius`. 2 keeps the grain of a neighbour from standing "
        "still.",
    )
    sources: int = _setting(
        2,
        Between(1, 4, "frames"),
        "Frames on each side that a pixel is blended from: the nearest that show it.",
    )
    refine: int = _setting(1, Switch(), "1 sets composed trajectories right against what is known around the hole.")
    window: int = _setting(
        60, Between(2, 512, "frames"), 'Frames of a block under `propagation="paper"`; nothing else uses it.'
    )
    dilate: int = _setting(0, Between(0, 256, "pixels"), "Pixels by which the hole grows beyond the mask, a disc.")
    soften: int = _setting(
        0, Between(0, 64, "pixels"), "Pixels inside the hole over which the fill fades into what the clip has there."
    )
    consistency: float = _setting(
        1.5,
        AboveZero("pixels"),
        "Disagreement of forward and backward flow that a step of a walk may show, in pixels of the frame.",
    )
    flow: str = _setting(
        "auto",
        OneOf(
            {
                "auto": "`dis` on the CPU, `search` on a GPU",
                "dis": "OpenCV's dense inverse search, on the host's cores",
                "search": "our own, on the device",
            },
            PROGRAM_ENDINGS,
            _PROGRAM,
        ),
        "Estimator of optical flow between neighbours.",
    )
    completion: str = _setting(
        "dfc",
        OneOf({"dfc": "by DFC-Net", "laplace": "smooth from the hole's border, which is quicker"}),
        "How flow inside the hole is made.",
    )
    propagation: str = _setting(
        "trace",
        OneOf({"trace": "composes trajectories and samples once", "paper": "the rule of DFVI, frame by frame"}),
        "How known pixels are carried into the hole.",
    )
    synthesis: str = _setting(
        "exemplar",
        OneOf(
            {
                "exemplar": "continues edges, and copies patches as far as they fit",
                "diffusion": "smooth, and quicker",
                "deepfill": "DeepFill v1, whose file `weights` must hold",
            },
            PROGRAM_ENDINGS,
            _PROGRAM,
        ),
        "What fills pixels that no frame shows.",
    )
    unmix: int = _setting(
        0,
        Switch(),
        "1 recovers the picture under a half-transparent mark that stands still, instead of replacing it.",
    )
    light: int = _setting(1, Switch(), "1 matches brightness and contrast of each source to the ring around the hole.")
    seam: int = _setting(
        1, Switch(), "1 spreads what is left of the difference at the hole's border smoothly into the hole."
    )
    grain: float = _setting(
        1.0, Between(0, 1), "Share of the grain that the fill lacks that is given back, new in every frame."
    )
    weights: str = _setting(
        "",
        Text("the path of a folder", "a folder"),
        "Folder of the published checkpoints. With it, `dfc` is the published network; without, our own.",
    )
    keyframe_interval: int = _setting(
        12,
        Between(1, 512, "frames"),
        "Frames between key frames, on which what no frame shows is invented.",
    )
    preset: str = _setting(
        "",
        OneOf(PURPOSES, or_none=True),
        "A set of other settings, for one kind of defect; what is given beside it counts more.",
    )
    reject: str = _setting(
        "",
        Text("frames, or the path of a text file", "frames, or a file"),
        'Frames that come back as they are, such as `"12, 40-52"`; or the path of a text file of such lines.',
    )
    record: str = _setting(
        "",
        Text("the path of a file", "a path"),
        "File in JSON Lines that says what was done to each frame; it is added to.",
    )
    device: str = _setting(
        "auto",
        Matching(_DEVICE, ("auto", "cpu", "cuda", "cuda:N")),
        "Where to compute. `auto` takes the first GPU where torch and CuPy both see it, else the CPU; the others are "
        "taken or refused.",
    )
    fp16: int = _setting(
        0, Switch(), "1 lets networks compute in half precision on a GPU; on the CPU it changes nothing."
    )
    scene_threshold: float = _setting(
        0.075,
        Between(0, 1),
        "Change of the picture between neighbours from which it is a cut; 0 switches the detector off. Properties set "
        "by the script (`_SceneChangePrev`, `_SceneChangeNext`) always count.",
    )
    view: str = _setting(
        "result",
        OneOf(
            {
                "result": "the repaired clip",
                "mask": "the hole after dilation",
                "difference": "what was changed",
                "source": "the frame that each pixel came from",
                "confidence": "how sure each pixel is",
                "invented": "what no frame showed",
                "flow": "the completed motion",
            }
        ),
        "What is returned: the repaired clip, or a picture of how it was made.",
    )
    memory: int = _setting(
        1024,
        Between(16, 1 << 20, "MiB"),
        "Memory that results of single frames may occupy between requests. Less costs time, never a byte of the "
        "result.",
    )
    device_memory: int = _setting(
        0,
        Between(64, 1 << 20, "MiB", or_zero=True),
        "The same in a GPU's memory, for all filters of a process together; 0 takes half of what is free, at most "
        "4096.",
    )
    threads: int = _setting(0, Between(0, 256, "threads"), "Threads that compute; 0 takes one for each core.")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not rule_of(each).allows(value):
                raise SettingError(each.name, rule_of(each).sentence, value)
        if self.min_distance > self.radius:
            raise SettingError("min_distance", f"at most radius, {self.radius} frames", self.min_distance)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, object]) -> "Settings":
        """Return the settings that a call's arguments ask for: for what it leaves out, the preset's, else defaults.

        Raises:
            SettingError: A name is unknown, or a value is refused.
        """
        names = [each.name for each in fields(cls)]
        for name in arguments:
            if name not in names:
                raise SettingError("setting", "one of " + ", ".join(names), name)
        preset = arguments.get("preset", "")
        chosen = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
        return cls(**{**chosen, **arguments})  # type: ignore[arg-type]

    @property
    def worker_count(self) -> int:
        """Threads to compute with."""
        if self.threads:
            return self.threads
        # Not every system says which cores this process may use.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settings_from(words: Sequence[str]) -> dict[str, str | int | float]:
    """Settings from words such as ``radius=12``, each of its own type.

    Raises:
        SettingError: A word is of another form, or its value of another type.
    """
    defaults = Settings()
    settings: dict[str, str | int | float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not hasattr(defaults, name):
            raise SettingError("settings", "name=value with the name of a setting", word)
        kind = type(getattr(defaults, name))
        try:
            settings[name] = kind(text)
        except ValueError:
            raise SettingError(name, f"{kind.__name__}", text) from None
    Settings.from_arguments(settings)
    return settings


def rule_of(setting: Field[Any]) -> Rule:
    """What a field of ``Settings`` may be."""
    rule: Rule = setting.metadata["rule"]
    return rule


def meaning_of(setting: Field[Any]) -> str:
    """What a field of ``Settings`` does, in Markdown."""
    meaning: str = setting.metadata["meaning"]
    return meaning


_NAMED = {each.name: rule for each in fields(Settings) if isinstance(rule := rule_of(each), OneOf)}

CHOICES = {name: tuple(rule.names) for name, rule in _NAMED.items() if not rule.or_none}
"""Settings that are one of some names, and these."""

PROGRAMS = tuple(name for name, rule in _NAMED.items() if rule.endings)
"""Those of them that may also be the path of a TorchScript program."""
