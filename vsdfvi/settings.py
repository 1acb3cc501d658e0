"""What a caller may choose, checked once. The layers above trust it."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from vsdfvi.errors import SettingError
from vsdfvi.presets import PRESETS

MAX_RADIUS = 128
MAX_WINDOW = 512
MAX_SOURCES = 4
MAX_DILATE = 256
MAX_SOFTEN = 64
MAX_KEYFRAME_INTERVAL = 512
MAX_THREADS = 256
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")

CHOICES = {
    "flow": ("auto", "dis", "search"),
    "completion": ("dfc", "laplace"),
    "propagation": ("trace", "paper"),
    "synthesis": ("exemplar", "diffusion", "deepfill"),
    "view": ("result", "mask", "difference", "source", "confidence", "invented", "flow"),
}


PROGRAMS = ("flow", "synthesis")
"""What may also be the path of a TorchScript program, which ends like this:"""

PROGRAM_ENDINGS = (".pt", ".ts", ".torchscript")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to inpaint one clip.

    Attributes:
        radius: Frames that a trajectory may walk, each way, 1 to ``MAX_RADIUS``.
        min_distance: Frames that a source must be away at least, 1 to ``radius``. 2 keeps the grain of a neighbour from
            standing still.
        sources: Frames on each side that a pixel is blended from, 1 to ``MAX_SOURCES``: the nearest that show it.
        refine: 1 sets composed trajectories right against what is known around the hole.
        window: Frames of a block under ``propagation="paper"``, 2 to ``MAX_WINDOW``.
        dilate: Pixels by which the hole grows beyond the mask, a disc, 0 to ``MAX_DILATE``.
        soften: Pixels inside the hole over which the fill fades into what the clip has there, 0 to ``MAX_SOFTEN``.
        consistency: Forward/backward disagreement of flow that a step may show, in pixels of the frame, above 0.
        flow: Estimator of optical flow between neighbours: ``dis`` is OpenCV's dense inverse search, on the host's
            cores, ``search`` our own, on the device, ``auto`` the first on the CPU and the second on a GPU; or the path
            of a TorchScript program.
        completion: How flow inside the hole is made: ``dfc`` is DFC-Net, ``laplace`` smooth from the hole's border.
        propagation: ``trace`` composes trajectories and samples once; ``paper`` is the rule of DFVI.
        synthesis: What fills pixels that no frame shows: ``exemplar`` continues edges and copies patches as far as
            they fit, ``diffusion`` smooths, ``deepfill`` is DeepFill v1, whose file ``weights`` must hold; or the path
            of a TorchScript program.
        unmix: 1 recovers the picture under a half-transparent mark that stands still, instead of replacing it.
        light: 1 matches brightness and contrast of each source to the ring around the hole.
        seam: 1 spreads what is left of the difference at the hole's border smoothly into the hole.
        grain: Share of the grain that the fill lacks that is given back, 0 to 1.
        weights: Folder of the published checkpoints. With it, ``dfc`` is the published network; without, our own.
        keyframe_interval: Frames between key frames, on which such pixels are filled, 1 to ``MAX_KEYFRAME_INTERVAL``.
        preset: Name of a set of other settings, for one kind of defect; what is given beside it counts more.
        reject: Frames that come back as they are, such as ``"12, 40-52"``; or the path of a text file of such lines.
        record: Path of the JSON Lines file that says what was done to each frame; empty writes none.
        device: Where to compute: ``auto`` takes the first GPU where torch and CuPy both see it, else the CPU; ``cpu``,
            ``cuda`` (the first) and ``cuda:N`` are taken or refused.
        fp16: 1 lets networks compute in half precision on a GPU; on the CPU it changes nothing.
        scene_threshold: Change of the picture between neighbours, 0 to 1, from which it is a cut; 0 switches our own
            detector off. Properties set by the script (``_SceneChangePrev``, ``_SceneChangeNext``) always count.
        view: What is returned: the repaired clip or a picture of how it was made.
        memory: MiB that results of single frames may occupy between requests, 16 or more.
        device_memory: The same in a GPU's memory, for all filters of a process together; 0 takes half of what is
            free, at most 4096.
        threads: Threads that compute; 0 takes one for each core.

    Raises:
        SettingError: A value is outside its range, or not a number.
    """

    radius: int = 24
    min_distance: int = 1
    sources: int = 2
    refine: int = 1
    window: int = 60
    dilate: int = 0
    soften: int = 0
    consistency: float = 1.5
    flow: str = "auto"
    completion: str = "dfc"
    propagation: str = "trace"
    synthesis: str = "exemplar"
    unmix: int = 0
    light: int = 1
    seam: int = 1
    grain: float = 1.0
    weights: str = ""
    keyframe_interval: int = 12
    preset: str = ""
    reject: str = ""
    record: str = ""
    device: str = "auto"
    fp16: int = 0
    scene_threshold: float = 0.075
    view: str = "result"
    memory: int = 1024
    device_memory: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        # Each rule states what is allowed, so that NaN, which compares false to everything, is refused.
        for name, low, high, unit in (
            ("radius", 1, MAX_RADIUS, "frames"),
            ("min_distance", 1, MAX_RADIUS, "frames"),
            ("sources", 1, MAX_SOURCES, "frames"),
            ("window", 2, MAX_WINDOW, "frames"),
            ("dilate", 0, MAX_DILATE, "pixels"),
            ("soften", 0, MAX_SOFTEN, "pixels"),
            ("keyframe_interval", 1, MAX_KEYFRAME_INTERVAL, "frames"),
            ("threads", 0, MAX_THREADS, "threads"),
        ):
            if not low <= (value := getattr(self, name)) <= high:
                raise SettingError(name, f"between {low} and {high} {unit}", value)
        if not 16 <= self.memory <= 1 << 20:
            raise SettingError("memory", "between 16 and 1048576 MiB", self.memory)
        if self.device_memory != 0 and not 64 <= self.device_memory <= 1 << 20:
            raise SettingError("device_memory", "0, or between 64 and 1048576 MiB", self.device_memory)
        if self.min_distance > self.radius:
            raise SettingError("min_distance", f"at most radius, {self.radius} frames", self.min_distance)
        for name in ("refine", "unmix", "light", "seam", "fp16"):
            if getattr(self, name) not in (0, 1):
                raise SettingError(name, "0 or 1", getattr(self, name))
        if not 0 <= self.grain <= 1:
            raise SettingError("grain", "between 0 and 1", self.grain)
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise SettingError("device", "auto, cpu, cuda or cuda:N", self.device)
        if not 0 < self.consistency < float("inf"):
            raise SettingError("consistency", "finite and above 0 pixels", self.consistency)
        if not 0 <= self.scene_threshold <= 1:
            raise SettingError("scene_threshold", "between 0 and 1", self.scene_threshold)
        if self.preset not in ("", *PRESETS):
            raise SettingError("preset", "one of " + ", ".join(PRESETS), self.preset)
        if not isinstance(self.reject, str):
            raise SettingError("reject", "frames, or the path of a text file", self.reject)
        if not isinstance(self.weights, str):
            raise SettingError("weights", "the path of a folder", self.weights)
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if name in PROGRAMS and isinstance(value, str) and value.endswith(PROGRAM_ENDINGS):
                continue  # whether it can be read is found when it is opened
            if value not in allowed:
                program = f", or a TorchScript file ({', '.join(PROGRAM_ENDINGS)})" if name in PROGRAMS else ""
                raise SettingError(name, "one of " + ", ".join(allowed) + program, value)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, object]) -> "Settings":
        """Return the settings that a call's arguments ask for: for what it leaves out, the preset's, else defaults.

        Raises:
            SettingError: A name is unknown, or a value is refused.
        """
        names = [field.name for field in fields(cls)]
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
