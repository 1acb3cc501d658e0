"""What ``vsdfvi.inpaint`` takes besides clip and mask, for editors and type checkers. Nothing is checked here.

Names, types and choices are those of ``vsdfvi.settings``; tests/test_types.py holds the two equal.
"""

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from vapoursynth import VideoNode


class Options(TypedDict, total=False):
    """Keyword arguments of a call: settings (docs/reference.md) and clips (docs/references.md)."""

    radius: int
    min_distance: int
    sources: int
    refine: int
    window: int
    dilate: int
    soften: int
    consistency: float
    flow: str
    completion: Literal["dfc", "laplace"]
    propagation: Literal["trace", "paper"]
    synthesis: str
    unmix: int
    light: int
    seam: int
    grain: float
    weights: str
    keyframe_interval: int
    preset: Literal["", "dirt", "scratch", "logo", "subtitle", "dropout", "object"]
    reject: str
    record: str
    device: str
    fp16: int
    scene_threshold: float
    view: Literal["result", "mask", "difference", "source", "confidence", "invented", "flow"]
    memory: int
    device_memory: int
    threads: int
    exclude: "VideoNode"
    reference: "VideoNode"
    flow_fw: "VideoNode"
    flow_bw: "VideoNode"
