"""How fast to learn at each step: functions of the step's number alone, so that a run can begin at any."""

from math import cos, pi

_WARM_UP = 0.05  # share of the steps in which one-cycle rises
_BEGINNING, _END = 1 / 25, 1e-4  # of the largest rate, in one-cycle

# Iterations after which the paper's rate is divided by ten, as shares of all of them (the authors' program: of 100,000
# for stage 1, and of 500,000).
_MILESTONES = {"stage1": (0.3, 0.5), "stage2": (0.1, 0.2, 0.6), "stage3": (0.1, 0.2, 0.6)}


def rate(schedule: str, step: int, steps: int, phase: str) -> float:
    """Share of the largest rate that a step learns with.

    Args:
        schedule: A name of ``FlowOptions.schedule``.
        step: 0 to ``steps`` - 1.
        phase: Which the milestones are those of; ``joint`` has stage 1's.

    Source:
        one-cycle: Smith and Topin, "Super-convergence", 2017, with a cosine for both slopes, and moments left alone.
    """
    if schedule == "one-cycle":
        rise = max(1.0, _WARM_UP * steps)
        if step < rise:
            return _between(_BEGINNING, 1.0, step / rise)
        return _between(1.0, _END, (step - rise) / max(1.0, steps - 1 - rise))
    if schedule == "cosine":
        return _between(1.0, 0.0, step / steps)
    if schedule == "milestones":
        passed = sum(step >= share * steps for share in _MILESTONES.get(phase, _MILESTONES["stage1"]))
        return 10.0**-passed
    assert schedule == "constant"
    return 1.0


def _between(first: float, last: float, progress: float) -> float:
    """Half a wave of a cosine from one value to another."""
    return last + (first - last) * (1 + cos(pi * min(1.0, progress))) / 2
