"""What a run of training may be told, checked once. No torch here: a wrong option is answered in milliseconds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path

from vsdfvi.errors import SettingError

LARGEST = 1 << 30
PHASES = ("joint", "stage1", "stage2", "stage3")

# Beyond these, a run can be resumed with other values and give the same weights.
FREE = ("workers", "device", "checkpoint_every", "evaluate_every", "log_every", "held_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every run has.

    Attributes:
        steps: Updates of the weights in all.
        batch: Samples in a step.
        learning_rate: The largest; the schedule divides it.
        seed: Of the first weights and of all samples.
        workers: Processes that make samples; -1 takes a quarter of the cores, or all but one beside a GPU.
        threads: Threads that compute; 0 takes the cores that the workers leave. A resumed run keeps its number: sums
            are split over threads, and another number rounds otherwise.
        device: ``auto`` takes a GPU where there is one.
        precision: ``auto`` multiplies in bfloat16 on a GPU, and computes in float32 on a CPU, where it does not pay.
        checkpoint_every, evaluate_every, log_every: Steps between checkpoints, looks at held-out data, and rows of the
            log; 0 for the end alone.

    Raises:
        SettingError: A value is outside its range, or not a number.
    """

    steps: int = 20_000
    batch: int = 6
    learning_rate: float = 1e-3
    seed: int = 0
    workers: int = -1
    threads: int = 0
    device: str = "auto"
    precision: str = "auto"
    checkpoint_every: int = 500
    evaluate_every: int = 500
    log_every: int = 50

    def __post_init__(self) -> None:
        # Each rule states what is allowed, so that NaN, which compares false to everything, is refused.
        self._check_integers(
            ("steps", 1, LARGEST, "steps"),
            ("batch", 1, 4096, "samples"),
            ("seed", 0, LARGEST, ""),
            ("workers", -1, 256, "processes"),
            ("threads", 0, 256, "threads"),
            ("checkpoint_every", 0, LARGEST, "steps"),
            ("evaluate_every", 0, LARGEST, "steps"),
            ("log_every", 0, LARGEST, "steps"),
        )
        if not 0 < self.learning_rate <= 1:
            raise SettingError("learning_rate", "above 0 and at most 1", self.learning_rate)
        self._check_choices(device=("auto", "cpu", "cuda"), precision=("auto", "float32", "bfloat16"))

    def _check_integers(self, *rules: tuple[str, int, int, str]) -> None:
        for name, low, high, unit in rules:
            if not low <= (value := getattr(self, name)) <= high:
                raise SettingError(name, f"between {low} and {high} {unit}".rstrip(), value)

    def _check_choices(self, **choices: tuple[str, ...]) -> None:
        for name, allowed in choices.items():
            if (value := getattr(self, name)) not in allowed:
                raise SettingError(name, "one of " + ", ".join(allowed), value)

    def _check_amounts(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not (value >= 0 and isfinite(value)):
                raise SettingError(name, "finite and 0 or more", value)

    def require_same(self, other: Mapping[str, object]) -> None:
        """Refuse to go on with other options than a run was begun with, ``FREE`` ones apart.

        Raises:
            SettingError: An option differs.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in FREE and field.name in other and plain(value) != plain(other[field.name]):
                raise SettingError(field.name, f"{other[field.name]!r} as in the checkpoint", value)

    def as_plain(self) -> dict[str, object]:
        """The options as numbers, texts and lists, for a checkpoint."""
        return {name: plain(value) for name, value in asdict(self).items()}

    def command(self, kind: str, source: Path) -> str:
        """The command that makes this run, for people to read: of the source the last name alone, and no defaults."""
        defaults = type(self)().as_plain()
        words = ["vsdfvi train", kind, source.name]
        for name, value in self.as_plain().items():
            if value != defaults[name]:
                for one in value if isinstance(value, list) else [value]:
                    text = ":".join(map(str, one)) if isinstance(one, list) else str(one)
                    flag = name.replace("_", "-")
                    words.append(f"--{'no-' * (one is False)}{flag}" if isinstance(one, bool) else f"--{flag} {text}")
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowOptions(RunOptions):
    """How to train flow completion.

    Attributes:
        preset: ``compact`` trains the network that comes with vsdfvi; ``paper`` the published ones, as published.
        phase: The stage that learns, those before it frozen; ``joint`` has all of the compact network's learn.
        trunk: ResNet of the published networks.
        crop: Side of the windows that are learned from, in pixels of flow (half the picture's); 0 for whole ones.
        made_share: Share of samples whose motion is made, exact and never the same (``training/fields.py``); the others
            are measured on films.
        schedule: ``one-cycle`` rises for a twentieth of the steps and falls as a cosine; ``cosine`` only falls;
            ``milestones`` divides by ten where the paper does; ``constant`` stays.
        weight_decay: Of AdamW (compact) or SGD (paper).
        hard_weight: Of hard examples in the loss; 0 leaves mining out.
        easy_share: Share of a hole's pixels that mining leaves out.
        choice_weight: Of the cross-entropy that teaches the compact network which candidate to choose.
        clip_norm: Longest gradient; 0 for any.
        listings: For ``paper``: update each weight as often as the authors' program does (``sgd.py``).
        masks: ``footage``: flow around holes as the filter measures it. For ``paper`` also the authors' rectangles,
            cut out of flow of the whole picture: ``box``, one for all maps of a window; ``mid-box``, in the middle;
            ``boxes``, another for each map.
        working_height, working_width: Pixels that stages 2 and 3 of ``paper`` work on; 0 for the paper's.
        frames, height, width: Of the pictures that sequences are made with.
        seeds: Sequences to learn from and to hold out, as ranges (first, one after the last).
        opening, growth: Learning starts with as many sequences as ``opening``, and one more joins every ``growth``
            steps, so that the first step need not wait for all of them to be made. A growth of 0: all at once.
        held_out: Sequences that measure and are never learned from.
    """

    preset: str = "compact"
    phase: str = "joint"
    trunk: str = "resnet50"
    crop: int = 64
    made_share: float = 0.0
    schedule: str = "one-cycle"
    weight_decay: float = 1e-4
    hard_weight: float = 1.0
    easy_share: float = 0.5
    choice_weight: float = 0.15
    clip_norm: float = 1.0
    listings: bool = True
    masks: str = "footage"
    working_height: int = 0
    working_width: int = 0
    frames: int = 20
    height: int = 192
    width: int = 256
    seeds: tuple[tuple[int, int], ...] = ((0, 2000),)
    opening: int = 64
    growth: int = 4
    held_out: int = 60

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        self._check_choices(
            preset=("compact", "paper"),
            phase=PHASES if self.preset == "compact" else PHASES[1:],
            trunk=("resnet50", "resnet101"),
            schedule=("one-cycle", "cosine", "milestones", "constant"),
            masks=("footage",) if self.preset == "compact" else ("footage", "box", "mid-box", "boxes"),
        )
        self._check_amounts("weight_decay", "hard_weight", "choice_weight", "clip_norm")
        self._check_integers(
            ("crop", 0, 4096, "pixels"),
            ("frames", 3, 400, "frames"),
            ("height", 32, 4096, "pixels"),
            ("width", 32, 4096, "pixels"),
            ("working_height", 0, 4096, "pixels"),
            ("working_width", 0, 4096, "pixels"),
            ("opening", 1, LARGEST, "sequences"),
            ("growth", 0, LARGEST, "steps"),
            ("held_out", 1, LARGEST, "sequences"),
        )
        for name in ("height", "width"):
            if getattr(self, name) % 2:
                raise SettingError(name, "even", getattr(self, name))
        if not 0 <= self.made_share <= 1:
            raise SettingError("made_share", "between 0 and 1", self.made_share)
        if self.made_share and self.crop < 48:
            raise SettingError("crop", "48 pixels or more where motion is made", self.crop)
        if not 0 <= self.easy_share < 1:
            raise SettingError("easy_share", "0 or more and below 1", self.easy_share)
        for first, stop in self.seeds:
            if not 0 <= first < stop <= LARGEST:
                raise SettingError("seeds", "FIRST:STOP with 0 <= FIRST < STOP", f"{first}:{stop}")
        if not self.seeds:
            raise SettingError("seeds", "one range or more", self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepFillOptions(RunOptions):
    """How to train DeepFill. Defaults are the paper's, and its program's where the paper gives none.

    Attributes:
        size: Side of the pictures that are learned from, pixels, a multiple of 8.
        holes: ``box``: one rectangle; ``footage``: the kinds of ``training/holes.py``; ``both``: either, by chance.
        adversarial: Weight of the critics' opinion; 0 trains by reconstruction alone, without critics.
        critic_steps: Updates of the critics for each of the generator.
        penalty: Weight of the critics' gradient penalty.
        discount: What a pixel of the hole weighs less for each pixel that it is away from known ones.
    """

    steps: int = 100_000
    batch: int = 16
    learning_rate: float = 1e-4
    size: int = 256
    holes: str = "both"
    adversarial: float = 0.001
    critic_steps: int = 5
    penalty: float = 10.0
    discount: float = 0.99

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        self._check_choices(holes=("box", "footage", "both"))
        self._check_amounts("adversarial", "penalty")
        self._check_integers(("size", 32, 2048, "pixels"), ("critic_steps", 1, 100, "updates"))
        if self.size % 8:
            raise SettingError("size", "a multiple of 8", self.size)
        if not 0 < self.discount <= 1:
            raise SettingError("discount", "above 0 and at most 1", self.discount)


# Xu et al., CVPR 2019, and the authors' program. Pictures twice the size that flow is learned at: 240 by 424.
_PAPER: dict[str, object] = {
    "batch": 32, "schedule": "milestones", "weight_decay": 4e-5, "crop": 0, "clip_norm": 0.0, "masks": "box",
    "height": 480, "width": 848, "seed": 7_777_777, "precision": "float32",
}  # fmt: skip
_PAPER_STAGE1: dict[str, object] = {
    "steps": 100_000, "learning_rate": 1e-4, "hard_weight": 2.0, "checkpoint_every": 5_000, "evaluate_every": 5_000,
}  # fmt: skip
_PAPER_REFINE: dict[str, object] = {
    "steps": 500_000, "learning_rate": 5e-5, "hard_weight": 1.0, "checkpoint_every": 10_000, "evaluate_every": 10_000,
}  # fmt: skip


def flow_options(given: Mapping[str, object]) -> FlowOptions:
    """Options of a flow run: what is given, and for the rest what the preset and its phase say.

    Raises:
        SettingError: A value is refused.
    """
    preset: dict[str, object] = {}
    if given.get("preset") == "paper":
        phase = given.get("phase", "stage1")
        preset = {"phase": phase} | _PAPER | (_PAPER_STAGE1 if phase == "stage1" else _PAPER_REFINE)
    return FlowOptions(**(preset | dict(given)))  # type: ignore[arg-type]


def plain(value: object) -> object:
    """A value with its tuples as lists, as files have it."""
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
