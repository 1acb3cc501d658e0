"""Clips whose truth is known: the picture under the hole, the hole, and the motion. The one place that makes them.

A picture is resampled once for each frame, at high order, from where the camera points; nothing is warped step by step,
so a translation by a third of a pixel is a third of a pixel on frame 100 too. Photographs are those of the scikit-image
wheel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import skimage.data
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.transform import AffineTransform, warp

from vsdfvi.frames.pixels import Frame, VideoFormat

Planes = tuple[NDArray, ...]
Mask = NDArray[np.bool_]  # (T, H, W), true = repair
Matrices = NDArray[np.float64]  # (T, 3, 3), pixels (x, y, 1) of frame t to pixels of the picture

SPLINE_ORDER = 5
SMOOTHNESS = 0.7  # pixels, standard deviation

# The photographs and where the camera stands: a place with edges and texture, (x, y).
CENTRES = {"coffee": (300, 255), "astronaut": (222, 125), "gravel": (256, 256), "brick": (256, 256)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A clip and all that there is to know about it.

    Attributes:
        format: The clip's format.
        truth: Frames without damage; planes of the format's dtype.
        damaged: The same frames with noise in the hole: nothing of the truth is left there.
        mask: ``(T, H, W)``, true = repair.
        flow_fw: ``(T-1, 2, H, W)`` float32: at pixels of frame t, pointing into frame t+1, pixels, channel 0 = x. NaN
            where nothing in the next frame answers (a cut). None where there is no motion to speak of (noise).
        flow_bw: The same at pixels of frame t+1, pointing into frame t.
        cuts: First frames of new scenes, frame 0 left out.
    """

    format: VideoFormat
    truth: tuple[Planes, ...]
    damaged: tuple[Planes, ...]
    mask: Mask
    flow_fw: NDArray[np.float32] | None = None
    flow_bw: NDArray[np.float32] | None = None
    cuts: tuple[int, ...] = ()

    def frames(self, *, mark_cuts: bool = False) -> list[Frame]:
        """Return the damaged frames as a host lends them; with the properties of a scene detector, if asked."""
        lent = []
        for t, planes in enumerate(self.damaged):
            marks = {"_SceneChangePrev": int(t in self.cuts), "_SceneChangeNext": int(t + 1 in self.cuts)}
            lent.append(Frame(planes, marks if mark_cuts else {}))
        return lent

    def plane_hole(self, t: int, plane: int) -> Mask:
        """Return the mask on a plane of frame ``t``: a chroma sample is in it when any pixel of its block is."""
        return on_plane(self.mask[t], *self.format.subsampling(plane))


def video_format(
    family: str = "YUV",
    *,
    bits: int = 8,
    is_float: bool = False,
    subsampling: tuple[int, int] = (1, 1),
    size: tuple[int, int] = (96, 128),
    frames: int = 12,
) -> VideoFormat:
    """Return a format; ``size`` is (height, width), ``subsampling`` (horizontal, vertical) as log2, for YUV only."""
    right, down = subsampling if family == "YUV" else (0, 0)
    return VideoFormat(
        family=family,
        is_float=is_float,
        bits=bits,
        subsampling_w=right,
        subsampling_h=down,
        width=size[1],
        height=size[0],
        frames=frames,
    )


def on_plane(mask: Mask, right: int, down: int) -> Mask:
    """Return a mask at a plane's resolution: any pixel of the block."""
    height, width = mask.shape
    return mask.reshape(height >> down, 1 << down, width >> right, 1 << right).any((1, 3))


# Scenes. Every one takes a format, and a mask that fits it where the hole is not the point.


def still(form: VideoFormat, mask: Mask | None = None, *, picture: str = "coffee", seed: int = 0) -> Scene:
    """Return a picture that stands still behind a moving hole: known exactly, from any other frame."""
    return translation(form, (0.0, 0.0), mask, picture=picture, seed=seed)


def translation(
    form: VideoFormat, step: tuple[float, float], mask: Mask | None = None, *, picture: str = "coffee", seed: int = 0
) -> Scene:
    """Return a picture that moves by ``step`` (x, y) pixels a frame."""
    cameras = np.stack([_moved((-step[0] * t, -step[1] * t)) for t in range(form.frames)])
    return seen(form, cameras, mask, picture=picture, seed=seed)


def zoom(form: VideoFormat, rate: float, mask: Mask | None = None, *, picture: str = "coffee", seed: int = 0) -> Scene:
    """Return a picture that grows around the frame's centre by the factor ``rate`` a frame."""
    cameras = np.stack([_turned(form, rate**-t, 0.0) for t in range(form.frames)])
    return seen(form, cameras, mask, picture=picture, seed=seed)


def rotation(
    form: VideoFormat, degrees: float, mask: Mask | None = None, *, picture: str = "coffee", seed: int = 0
) -> Scene:
    """Return a picture that turns around the frame's centre by ``degrees`` a frame, from x towards y."""
    cameras = np.stack([_turned(form, 1.0, -degrees * t) for t in range(form.frames)])
    return seen(form, cameras, mask, picture=picture, seed=seed)


def occluder(
    form: VideoFormat,
    background_step: tuple[float, float],
    step: tuple[float, float],
    radius: float,
    mask: Mask | None = None,
    *,
    seed: int = 0,
) -> Scene:
    """Return a disc with a picture of its own that passes before a moving background.

    Its path is centred: half-way through the clip it stands in the middle of the frame. Its edge is one pixel soft.
    Flow is the disc's inside its edge and the background's outside, also where the disc covers or uncovers it.
    """
    behind = translation(form, background_step, mask, seed=seed)
    before = translation(form, step, mask, picture="astronaut", seed=seed)
    truth, flows = [], {"flow_fw": [], "flow_bw": []}
    opacity = [_disc(form, step, radius, t) for t in range(form.frames)]
    for t, (far, near) in enumerate(zip(behind.truth, before.truth, strict=True)):
        planes = []
        for plane, (back, front) in enumerate(zip(far, near, strict=True)):
            share = _block_mean(opacity[t], *form.subsampling(plane))
            mixed = (1 - share) * back.astype(np.float64) + share * front.astype(np.float64)
            planes.append(_rounded(form, mixed))
        truth.append(tuple(planes))
    for t in range(form.frames - 1):
        flows["flow_fw"].append(np.where(opacity[t] > 0.5, before.flow_fw[t], behind.flow_fw[t]))
        flows["flow_bw"].append(np.where(opacity[t + 1] > 0.5, before.flow_bw[t], behind.flow_bw[t]))
    stacked = {
        name: np.array(found, np.float32).reshape(-1, 2, form.height, form.width) for name, found in flows.items()
    }
    return _damaged(form, tuple(truth), behind.mask, seed, **stacked)


def cut(first: Scene, second: Scene) -> Scene:
    """Return one scene after another, of the same format. No flow crosses the cut: NaN there."""
    assert replace(first.format, frames=0) == replace(second.format, frames=0), "both must have one format"
    frames = first.format.frames + second.format.frames
    nowhere = np.full((1, 2, first.format.height, first.format.width), np.nan, np.float32)
    return Scene(
        format=replace(first.format, frames=frames),
        truth=first.truth + second.truth,
        damaged=first.damaged + second.damaged,
        mask=np.concatenate((first.mask, second.mask)),
        flow_fw=np.concatenate((first.flow_fw, nowhere, second.flow_fw)),
        flow_bw=np.concatenate((first.flow_bw, nowhere, second.flow_bw)),
        cuts=(*first.cuts, first.format.frames, *(first.format.frames + at for at in second.cuts)),
    )


def noise(form: VideoFormat, mask: Mask | None = None, *, seed: int = 0) -> Scene:
    """Return frames of noise over the whole range of codes, each by itself: for laws, which hold for any content."""
    random = np.random.default_rng((seed, 1))
    truth = tuple(_noise_frame(form, random) for _ in range(form.frames))
    return _damaged(form, truth, mask, seed)


def seen(
    form: VideoFormat, cameras: Matrices, mask: Mask | None = None, *, picture: str = "coffee", seed: int = 0
) -> Scene:
    """Return what a camera sees that looks at a picture through one matrix for each frame, counted from its centre."""
    cameras = _centred(form, picture) @ cameras
    truth = tuple(_render(form, camera, picture) for camera in cameras)
    pairs = list(pairwise(cameras))
    return _damaged(
        form,
        truth,
        mask,
        seed,
        flow_fw=_flows(form, [(here, there) for here, there in pairs]),
        flow_bw=_flows(form, [(there, here) for here, there in pairs]),
    )


def aged(
    scene: Scene, gains: Sequence[float] = (), grain: float = 0, *, offset: float = 0, soft: float = 0, seed: int = 0
) -> Scene:
    """Return a scene with another light on each frame, and with grain of its own on each: truth has both.

    Light is a gain on every plane's codes (on chroma, on what they differ from grey by), around which nothing is cut
    off, and an offset on luma. Grain is normal.

    Args:
        gains: One a frame, repeated as often as needed; none leaves the light.
        grain: Deviation in codes of 8 bits.
        offset: Codes of 8 bits that odd frames are brighter by.
        soft: Deviation in pixels of the Gaussian that grain is correlated by; its own deviation stays.
    """
    form, random = scene.format, np.random.default_rng((seed, 5))
    unit = 1 / 255 if form.is_float else form.peak / 255
    truth = []
    for t, planes in enumerate(scene.truth):
        old = []
        for plane, samples in enumerate(planes):
            is_chroma = form.family == "YUV" and plane > 0
            middle = (0.0 if form.is_float else 1 << (form.bits - 1)) if is_chroma else 0.0
            noise = random.normal(0, 1, samples.shape)
            noise = gaussian(noise, soft) if soft else noise
            values = (samples.astype(np.float64) - middle) * (gains[t % len(gains)] if gains else 1) + middle
            values += unit * (grain * noise / noise.std() + (0 if is_chroma else offset * (t % 2)))
            old.append(_rounded(form, values))
        truth.append(tuple(old))
    damaged = []
    for t, (planes, rubbish) in enumerate(zip(truth, scene.damaged, strict=True)):
        holes = (on_plane(scene.mask[t], *form.subsampling(plane)) for plane in range(form.planes))
        damaged.append(tuple(np.where(h, r, p) for h, r, p in zip(holes, rubbish, planes, strict=True)))
    return replace(scene, truth=tuple(truth), damaged=tuple(damaged))


# Holes.


def empty(form: VideoFormat) -> Mask:
    """Return a mask without a hole."""
    return np.zeros((form.frames, form.height, form.width), bool)


def box(form: VideoFormat, size: tuple[int, int], start: tuple[int, int], step: tuple[float, float] = (0, 0)) -> Mask:
    """Return a box of (height, width) whose corner is at ``start`` (x, y) and moves by ``step`` (x, y) a frame."""
    mask = empty(form)
    for t in range(form.frames):
        x, y = (round(at + t * by) for at, by in zip(start, step, strict=True))
        mask[t, max(0, y) : max(0, y + size[0]), max(0, x) : max(0, x + size[1])] = True
    return mask


def default_hole(form: VideoFormat) -> Mask:
    """Return a box of a quarter of each side that moves to the right by a 43rd of the frame's width a frame."""
    size = max(1, form.height // 4), max(1, form.width // 4)
    return box(form, size, (form.width // 8, form.height // 3), (form.width / 43, 0.0))


def scratch(form: VideoFormat, width: int = 2, *, seed: int = 0) -> Mask:
    """Return an upright line over the whole height that wanders to the sides."""
    mask, random = empty(form), np.random.default_rng((seed, 2))
    x = np.clip(form.width / 2 + np.cumsum(random.normal(0, 1.2, form.frames)), 0, max(0, form.width - width))
    for t in range(form.frames):
        mask[t, :, int(x[t]) : int(x[t]) + width] = True
    return mask


def dirt(form: VideoFormat, specks: int = 4, *, seed: int = 0) -> Mask:
    """Return discs of 1 to 5 pixels, somewhere else on each frame."""
    mask, random = empty(form), np.random.default_rng((seed, 3))
    rows, columns = np.mgrid[: form.height, : form.width]
    for t in range(form.frames):
        for _ in range(specks):
            x, y, radius = random.uniform(0, form.width), random.uniform(0, form.height), random.uniform(1, 5)
            mask[t] |= (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    return mask


# Pictures and cameras.


@cache
def photograph(name: str) -> NDArray[np.float64]:
    """Return a photograph of the scikit-image wheel, RGB ``(H, W, 3)``, 0 to 1."""
    load: Callable[[], NDArray] = getattr(skimage.data, name)
    picture = load().astype(np.float64) / 255
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    # Sharpened edges of a photograph lie beyond what samples can carry: moved by half a pixel they would not be the
    # same picture, and no method could bring them back.
    return gaussian(picture, SMOOTHNESS, channel_axis=2)


def _centred(form: VideoFormat, picture: str) -> NDArray[np.float64]:
    return _moved((CENTRES[picture][0] - form.width // 2, CENTRES[picture][1] - form.height // 2))


def _moved(by: tuple[float, float]) -> NDArray[np.float64]:
    camera = np.eye(3)
    camera[:2, 2] = by
    return camera


def _turned(form: VideoFormat, scale: float, degrees: float) -> NDArray[np.float64]:
    middle = np.array([(form.width - 1) / 2, (form.height - 1) / 2])
    camera = AffineTransform(scale=scale, rotation=np.deg2rad(degrees)).params.copy()
    camera[:2, 2] = middle - camera[:2, :2] @ middle
    return camera


def _flows(form: VideoFormat, pairs: Sequence[tuple[NDArray, NDArray]]) -> NDArray[np.float32]:
    """Return, for each pair of cameras (here, there), the way from a pixel here to the same place there."""
    rows, columns = np.mgrid[: form.height, : form.width].astype(np.float64)
    here_pixels = np.stack((columns, rows, np.ones_like(rows))).reshape(3, -1)
    flows = np.zeros((len(pairs), 2, form.height, form.width), np.float32)
    for t, (here, there) in enumerate(pairs):
        there_pixels = np.linalg.inv(there) @ here @ here_pixels
        flows[t] = (there_pixels - here_pixels)[:2].reshape(2, form.height, form.width)
    return flows


def _render(form: VideoFormat, camera: NDArray[np.float64], picture: str) -> Planes:
    planes = []
    for plane, source in enumerate(_components(form.family, picture)):
        right, down = form.subsampling(plane)
        # Chroma sits on the left column of its block, halfway between the block's rows.
        to_luma = np.array([[1 << right, 0, 0], [0, 1 << down, ((1 << down) - 1) / 2], [0, 0, 1]], np.float64)
        view = AffineTransform(matrix=camera @ to_luma)
        sampled = warp(
            source, view, output_shape=form.plane_shape(plane), order=SPLINE_ORDER, mode="reflect", clip=False
        )
        planes.append(_coded(form, sampled, chroma=form.family == "YUV" and plane > 0))
    return tuple(planes)


@cache
def _components(family: str, picture: str) -> tuple[NDArray[np.float64], ...]:
    red, green, blue = np.moveaxis(photograph(picture), 2, 0)
    if family == "RGB":
        return red, green, blue
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (luma,) if family == "GRAY" else (luma, (blue - luma) / 1.8556, (red - luma) / 1.5748)


def _coded(form: VideoFormat, values: NDArray[np.float64], *, chroma: bool) -> NDArray:
    """Return samples: limited range for YUV and GRAY of integers, full range for RGB, as they are for floats."""
    if form.is_float:
        return values.astype(form.dtype)
    unit = 1 << (form.bits - 8)
    if form.family == "RGB":
        return _rounded(form, values * form.peak)
    return _rounded(form, unit * (128 + 224 * values if chroma else 16 + 219 * values))


def _rounded(form: VideoFormat, codes: NDArray[np.float64]) -> NDArray:
    return codes.astype(form.dtype) if form.is_float else np.clip(np.rint(codes), 0, form.peak).astype(form.dtype)


def _disc(form: VideoFormat, step: tuple[float, float], radius: float, t: int) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: form.height, : form.width]
    away = t - (form.frames - 1) / 2
    x, y = (form.width - 1) / 2 + away * step[0], (form.height - 1) / 2 + away * step[1]
    return np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0, 1)


def _block_mean(opacity: NDArray[np.float64], right: int, down: int) -> NDArray[np.float64]:
    height, width = opacity.shape
    return opacity.reshape(height >> down, 1 << down, width >> right, 1 << right).mean((1, 3))


# Damage.


def _damaged(form: VideoFormat, truth: tuple[Planes, ...], mask: Mask | None, seed: int, **flows: NDArray) -> Scene:
    mask = default_hole(form) if mask is None else mask
    assert mask.shape == (form.frames, form.height, form.width), "the mask must fit the format"
    random = np.random.default_rng((seed, 4))
    damaged = []
    for t, planes in enumerate(truth):
        rubbish = _noise_frame(form, random)
        holes = (on_plane(mask[t], *form.subsampling(plane)) for plane in range(form.planes))
        damaged.append(tuple(np.where(h, r, p) for h, r, p in zip(holes, rubbish, planes, strict=True)))
    return Scene(format=form, truth=truth, damaged=tuple(damaged), mask=mask, **flows)


def _noise_frame(form: VideoFormat, random: np.random.Generator) -> Planes:
    planes = []
    for plane in range(form.planes):
        values = random.random(form.plane_shape(plane))
        if form.is_float:
            planes.append((values - 0.5 * (form.family == "YUV" and plane > 0)).astype(form.dtype))
        else:
            planes.append(_rounded(form, values * form.peak))
    return tuple(planes)
