"""Sets of settings for kinds of defect, and one for looking at masks. What a call gives beside a preset counts more."""

PRESETS: dict[str, dict[str, int | float | str]] = {
    "dirt": {"radius": 4, "keyframe_interval": 4},
    "scratch": {"radius": 6, "dilate": 1},
    "logo": {"radius": 48, "dilate": 2, "keyframe_interval": 24},
    "subtitle": {"radius": 48, "dilate": 2},
    "dropout": {"radius": 3, "keyframe_interval": 4},
    "object": {"radius": 48, "dilate": 4},
    # Of no defect: for judging a mask, whatever it covers. What it leaves out is what makes one wait after a seek.
    "preview": {
        "radius": 8,
        "sources": 1,
        "refine": 0,
        "completion": "laplace",
        "synthesis": "diffusion",
        "keyframe_interval": 1,
    },
}
"""For each, what differs from the defaults. docs/settings.md says why."""

PURPOSES: dict[str, str] = {
    "dirt": "specks that are on one frame",
    "scratch": "lines that stay where they are or wander",
    "logo": "what stands still for long",
    "subtitle": "letters that stay for two seconds",
    "dropout": "lines or blocks lost on one frame",
    "object": "people and things",
}
"""What each is for."""
