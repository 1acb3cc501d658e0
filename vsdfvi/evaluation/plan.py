"""What is to be evaluated: which clips under which masks, by which methods. No pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsdfvi.errors import SettingError
from vsdfvi.evaluation.layouts import find_clips
from vsdfvi.evaluation.masks import KINDS
from vsdfvi.evaluation.sources import Case
from vsdfvi.settings import Settings

BASELINES = ("telea", "median", "prefill", "laplace", "oracle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to evaluate.

    Attributes:
        folder: Clips, in one of the layouts of ``layouts``.
        out: Where results go.
        clips, kinds: Names; empty takes all that are there. Kinds that are not there are made, and where a clip has no
            mask at all, every kind is.
        settings: Of the filter, where they are not the defaults.
        baselines: Of ``BASELINES``.
        frames: First frames of each clip that count; 0 for all.
        seed: Of made masks.
        again: Whether to compute rows that are already there.
    """

    folder: Path
    out: Path
    clips: Sequence[str] = ()
    kinds: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    baselines: Sequence[str] = BASELINES
    frames: int = 0
    seed: int = 1
    again: bool = False

    def __post_init__(self) -> None:
        for name in self.baselines:
            if name not in BASELINES:
                raise SettingError("baselines", "of " + ", ".join(BASELINES), name)
        if Settings.from_arguments(self.settings).view != "result":
            raise SettingError("view", "result", self.settings["view"])

    def settings_of(self, method: str) -> dict[str, Any]:
        """The filter's settings under a method; empty for those that have none."""
        if method in ("telea", "median"):
            return {}
        return {**self.settings, "completion": "laplace"} if method == "laplace" else dict(self.settings)

    @property
    def methods(self) -> list[str]:
        """Ours, then the baselines, laplace only where it is not ours."""
        ours = Settings.from_arguments(self.settings)
        return ["ours", *(m for m in BASELINES if m in self.baselines and (m, ours.completion) != ("laplace",) * 2)]


def cases_of(plan: Plan) -> list[Case]:
    """Every clip under every mask that a plan asks for.

    Raises:
        SettingError: A clip is not in the folder.
        FormatError: The folder holds no clips.
    """
    clips = find_clips(plan.folder)
    names = [clip.name for clip in clips]
    for name in plan.clips:
        if name not in names:
            raise SettingError("clips", "of " + ", ".join(names), name)
    return [
        Case(clip=clip.name, kind=kind, footage=clip.path, mask=mask, seed=plan.seed, frames=plan.frames)
        for clip in clips
        if not plan.clips or clip.name in plan.clips
        for kind in (plan.kinds or list(clip.masks) or KINDS)
        for mask in [clip.masks.get(kind)]
    ]
