"""DFC-Net's published stages in a row: windows of frames, sizes, the initial filling, and what is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsdfvi.errors import SettingError
from vsdfvi.kernels.laplace import laplace_fill
from vsdfvi.networks.dfc_net import DFCSubNet

REACH = 5
"""Frames on each side of the centre of a stage's window (Xu et al., CVPR 2019, section 3.1)."""

REFINE_SIZES = (320, 600), (480, 840)
"""Height and width at which stages 2 and 3 work, whatever the clip's (the authors' program)."""

_SETTLED = 1 / 1024  # pixels: movement of a sweep at which the initial filling ends; the authors solve it directly

Size = tuple[int, int]
Way = Literal["forward", "backward"]
Key = tuple[int, Way | Literal["both"], int]
"""Stage, direction, frame. Stage 0 is measured flow made ready: ``(3, h, w)``, u, v and mask. Stage 1 is ``(2, h, w)``.
Stages 2 and 3 are ``(4, h, w)``: forward, then backward, in one."""

Recall = Callable[[Key, Callable[[], Tensor]], Tensor]
"""The tensor of a key, made by the given function if it is not remembered."""

FirstBackward = Literal["zero", "replicate"]
WorkingHole = Literal["covering", "nearest"]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredFlow:
    """One flow at the pixels of a frame, as it was measured.

    Shapes:
        flow: ``(2, H, W)`` float32, channel 0 = x, pixels, into the next or into the previous frame.
        hole: ``(H, W)`` bool, true = unknown.
    """

    flow: Tensor
    hole: Tensor


class OfficialCompletion:
    """Completes flow as the published networks do it, for any number of frames and any size.

    Where the authors' program is at fault, this is not: clips of fewer than 13 frames pass; all stages see the same
    hole; the last forward flow is that of its own window; vectors that are not finite count as unknown and spread
    nowhere; results come back at the size given, and what is known comes back as it was.

    Args:
        stage1: A network of 33 inputs and 2 outputs; each direction passes it by itself.
        stage2, stage3: Networks of 66 inputs and 4 outputs. Stage 3 follows stage 2.
        first_backward: The first frame of a run has no flow into a frame before it. ``zero``: windows that reach it
            find zeros there, as in the authors' program, which the published weights have seen. ``replicate``: they
            find the second frame's, as at every other end.
        working_hole: ``covering``: at stage 1 a pixel is unknown when any pixel it is made of is, so that nothing of
            the hole gets into what is known and no thin hole is lost. ``nearest``: when the one pixel that
            OpenCV's nearest takes for it is, as in the authors' program.
        refine_sizes: Height and width of stages 2 and 3.

    Attributes:
        radius: Frames before the first and after the second of a pair that its completed flow may depend on.

    Raises:
        SettingError: A network is not of its stage, or a choice is none of those.

    Source:
        Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1, and the authors' program.
    """

    def __init__(
        self,
        stage1: DFCSubNet,
        stage2: DFCSubNet | None = None,
        stage3: DFCSubNet | None = None,
        *,
        first_backward: FirstBackward = "zero",
        working_hole: WorkingHole = "covering",
        refine_sizes: tuple[Size, Size] = REFINE_SIZES,
    ) -> None:
        if stage3 is not None and stage2 is None:
            raise SettingError("stage2", "given where stage3 is", stage2)
        self.networks: tuple[nn.Module, ...] = tuple(
            _of_stage(number, network)
            for number, network in enumerate((stage1, stage2, stage3), 1)
            if network is not None
        )
        self.first_backward: FirstBackward = _choice("first_backward", first_backward, get_args(FirstBackward))
        self.working_hole: WorkingHole = _choice("working_hole", working_hole, get_args(WorkingHole))
        self.refine_sizes = refine_sizes
        # Where directions meet, a frame's window needs the flow backward of its first, which comes from one frame more.
        self.radius = REACH * len(self.networks) + (len(self.networks) > 1)

    def complete(self, flow_fw: Tensor, flow_bw: Tensor, hole: Tensor, *, batch: int = 1) -> tuple[Tensor, Tensor]:
        """Both flows of a run of frames without a cut, completed.

        All results of two stages are held at once, in float32.

        Shapes:
            flow_fw: ``(N-1, 2, H, W)`` float32, at pixels of frame t into frame t+1; N is 2 or more.
            flow_bw: ``(N-1, 2, H, W)`` float32, at pixels of frame t+1 into frame t.
            hole: ``(N, H, W)``, not 0 = unknown.
            returns: both, completed, where the flow given is.

        Args:
            batch: Windows that pass a network at once. Results of different batches may differ in rounding.

        Raises:
            ValueError: A shape does not fit.
        """
        frames = _checked(flow_fw, flow_bw, hole)
        unknown = hole != 0

        def measured(way: Way, frame: int) -> MeasuredFlow:
            flow = flow_fw[frame] if way == "forward" else flow_bw[frame - 1]
            return MeasuredFlow(flow, unknown[frame])

        chain = _Chain(self, range(frames), measured, lambda _, make: make())
        with torch.no_grad():
            chain.make_all(batch)
            pairs = [chain.pair(number) for number in range(frames - 1)]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])

    def centre(
        self, pair: int, run: range, measured: Callable[[Way, int], MeasuredFlow], recall: Recall
    ) -> tuple[Tensor, Tensor]:
        """Flow from frame ``pair`` into the next and back again, completed, each ``(2, H, W)``.

        The same bytes as ``complete`` gives for the whole run, one window at a time: a function of the pair's number
        alone, whatever is remembered.

        Args:
            run: The frames of the scene. Those beyond ``radius`` may be left out.
            measured: Flow of a direction at the pixels of a frame; it is asked for those that are needed only.
            recall: Keeps results of stages by their ``Key``, as many as it likes; for one run and one set of weights.

        Raises:
            ValueError: The pair is not in the run.
        """
        if not run.start <= pair < run.stop - 1:
            raise ValueError(f"pair must be from {run.start} to {run.stop - 2}, got {pair}")
        with torch.no_grad():
            return _Chain(self, run, measured, recall).pair(pair)


def window(frame: int, first: int, last: int) -> list[int]:
    """Numbers of the eleven maps around a frame; beyond either end, the end again."""
    return [min(max(number, first), last) for number in range(frame - REACH, frame + REACH + 1)]


def resize_flow(flow: Tensor, size: Size, *, bounded: bool = True) -> Tensor:
    """Flow on another grid: bilinear first, then bounded by the picture's sides, then in the new grid's pixels.

    Shapes:
        flow: ``(2, H, W)``, pixels. Returned ``(2, h, w)``, pixels of that size.

    Args:
        bounded: Whether no vector may be longer than the picture, as between stages but not at the end.

    Source:
        The authors' program. The order matters: bounding first would change what is mixed.
    """
    height, width = flow.shape[1:]
    sides = flow.new_tensor((width, height)).reshape(2, 1, 1)
    resized = _bilinear(flow, size)
    if bounded:
        resized = torch.maximum(torch.minimum(resized, sides), -sides)
    return resized * (flow.new_tensor((size[1], size[0])).reshape(2, 1, 1) / sides)


def covering_hole(hole: Tensor, size: Size) -> Tensor:
    """Hole ``(H, W)`` on another grid, bool: true where bilinear resizing reads any unknown pixel."""
    return _bilinear(hole.float()[None], size)[0] > 0


def nearest_hole(hole: Tensor, size: Size) -> Tensor:
    """Hole ``(H, W)`` on another grid: the pixel that a new one's corner lies in, as OpenCV's nearest has it."""
    rows, columns = (
        # In integers: the product of a rounded ratio may fall short of the very pixel it means.
        torch.arange(count, device=hole.device) * of // count
        for count, of in zip(size, hole.shape, strict=True)
    )
    return hole[rows[:, None], columns]


def initial_filling(flow: Tensor, hole: Tensor) -> Tensor:
    """Flow with the hole filled by Laplace's equation at half the size; what is known is returned as it is.

    Shapes:
        flow: ``(2, h, w)`` float32. hole: ``(h, w)`` bool.

    Convention:
        A pixel of half the size is unknown when any pixel it is made of is. The authors' program does so by an
        oversight (its mask is resized bilinearly), and it is right: no border value has a share of the hole in it.
        A hole without any known pixel around it is filled with 0, where the authors' program fails.
    """
    if not bool(hole.any()):
        return flow
    height, width = hole.shape
    half = max(1, height // 2), max(1, width // 2)
    unknown = covering_hole(hole, half).to("cpu", torch.uint8).numpy()
    filled = laplace_fill(_bilinear(flow, half).cpu().numpy(), unknown, _SETTLED)
    return torch.where(hole, _bilinear(torch.from_numpy(filled).to(flow.device), (height, width)), flow)


class _Chain:
    """One run of frames on its way through the stages."""

    def __init__(
        self,
        completion: OfficialCompletion,
        run: range,
        measured: Callable[[Way, int], MeasuredFlow],
        recall: Recall,
    ) -> None:
        self._networks = completion.networks
        self._sizes = completion.refine_sizes
        self._covering = completion.working_hole == "covering"
        self._first, self._last = run.start, run.stop - 1
        # First frame with a flow backward, be it the artificial one.
        self._oldest = run.start + (completion.first_backward == "replicate")
        self._measured, self._recall = measured, recall
        # While a call lasts nothing is made twice, even if the caller remembers nothing.
        self._made: dict[Key, Tensor] = {}
        self._holes: dict[tuple[Way, int], Tensor] = {}
        self._device = next(self._networks[0].parameters()).device

    def pair(self, number: int) -> tuple[Tensor, Tensor]:
        """Both completed flows of a pair, at the size and on the device they came from."""
        return self._returned("forward", number), self._returned("backward", number + 1)

    def make_all(self, batch: int) -> None:
        """Make every stage's results in turn, many at once."""
        for stage in range(1, len(self._networks) + 1):
            for keys in batched(self._keys(stage), batch):
                self._made.update(zip(keys, self._make(keys), strict=True))
            self._made = {key: value for key, value in self._made.items() if key[0] == stage}

    def _keys(self, stage: int) -> list[Key]:
        """Every result of a stage that the next one, or the caller, will ask for."""
        if stage > 1:
            return [(stage, "both", frame) for frame in range(self._first, self._last + 1)]
        # Zeros before the first frame are completed like any flow, but only stage 2 ever looks at them.
        oldest = self._oldest if len(self._networks) > 1 else self._first + 1
        forward: list[Key] = [(1, "forward", frame) for frame in range(self._first, self._last)]
        return forward + [(1, "backward", frame) for frame in range(oldest, self._last + 1)]

    def _get(self, key: Key) -> Tensor:
        if key not in self._made:
            self._made[key] = self._recall(key, lambda: self._make([key])[0])
        return self._made[key]

    def _make(self, keys: Sequence[Key]) -> list[Tensor]:
        """Results of one stage: the network's in the hole, and what entered the stage elsewhere."""
        stage = keys[0][0]
        if stage == 0:
            return [self._prepared(way, frame) for _, way, frame in keys if way != "both"]
        results, holes = [], []
        for key in keys:
            centre = self._maps(key, slice(REACH, REACH + 1))
            centre = centre.reshape(-1, 3, *centre.shape[1:])  # a direction each
            results.append(centre[:, :2].flatten(0, 1))
            holes.append(centre[:, 2:].expand(-1, 2, -1, -1).flatten(0, 1) > 0)
        # Without a hole nothing of the network's would be kept: it is not asked.
        asked = [number for number, hole in enumerate(holes) if bool(hole.any())]
        if asked:
            outputs = self._through(stage, torch.stack([self._maps(keys[number], slice(None)) for number in asked]))
            for number, output in zip(asked, outputs, strict=True):
                results[number] = torch.where(holes[number], output, results[number])
        return results

    def _through(self, stage: int, windows: Tensor) -> Tensor:
        """What the network of a stage says, on its device and in its precision."""
        weight = next(self._networks[stage - 1].parameters())
        flow: Tensor = self._networks[stage - 1](windows.to(weight.device, weight.dtype))
        return flow.to(self._device, torch.float32)

    def _maps(self, key: Key, part: slice) -> Tensor:
        """The maps of a key's window, or a part of each direction's, one after another: ``(3 * maps, h, w)``."""
        stage, ways, frame = key
        maps = []
        for way in get_args(Way) if ways == "both" else (ways,):
            # Any number of frames from 2 up: clipped windows need no more. The authors' program insists on 13.
            first, last = (self._first, self._last - 1) if way == "forward" else (self._oldest, self._last)
            maps += [self._map(stage, way, number) for number in window(frame, first, last)[part]]
        return torch.cat(maps)

    def _map(self, stage: int, way: Way, frame: int) -> Tensor:
        """Flow and mask as they enter a stage, ``(3, h, w)``."""
        if stage == 1:
            return self._get((0, way, frame))
        size = self._sizes[stage - 2]
        # The same hole as for stage 1, with all it was grown by. The authors' program takes the bare mask here: what
        # stage 1 filled around it then passes for known.
        hole = nearest_hole(self._hole(way, frame), size)
        return torch.cat((resize_flow(self._result(stage - 1, way, frame), size), hole[None].float()))

    def _result(self, stage: int, way: Way, frame: int) -> Tensor:
        """A stage's flow ``(2, h, w)``.

        Forward flow is that of the window around its own frame. In the authors' program the window around the last
        frame, which has no flow forward, makes that of the frame before it again, off centre, and this one is kept.
        """
        if stage == 1:
            return self._get((1, way, frame))
        both = self._get((stage, "both", frame))
        return both[:2] if way == "forward" else both[2:]

    def _prepared(self, way: Way, frame: int) -> Tensor:
        """Measured flow at half its size, filled, and its mask: ``(3, h, w)``."""
        flow, hole = self._known(way, frame), self._hole(way, frame)
        size = max(1, hole.shape[0] // 2), max(1, hole.shape[1] // 2)
        hole = covering_hole(hole, size) if self._covering else nearest_hole(hole, size)
        return torch.cat((initial_filling(resize_flow(flow, size), hole), hole[None].float()))

    def _known(self, way: Way, frame: int) -> Tensor:
        """Measured flow, 0 where it is not finite; the first frame's backward flow is 0 everywhere."""
        if way == "backward" and frame == self._first:
            return torch.zeros_like(self._known("forward", frame))
        flow = self._measured(way, frame).flow.to(self._device, torch.float32)
        return torch.where(flow.isfinite(), flow, 0.0)

    def _hole(self, way: Way, frame: int) -> Tensor:
        """Where flow is unknown or not finite.

        The authors' program does not ask whether flow is finite: one NaN, resized, solved and convolved, would be a
        picture of NaN.
        """
        if (way, frame) not in self._holes:
            if way == "backward" and frame == self._first:
                self._holes[way, frame] = self._hole("forward", frame)
            else:
                given = self._measured(way, frame)
                self._holes[way, frame] = (given.hole | ~given.flow.isfinite().all(0)).to(self._device)
        return self._holes[way, frame]

    def _returned(self, way: Way, frame: int) -> Tensor:
        given = self._measured(way, frame).flow
        hole = self._hole(way, frame)
        if not bool(hole.any()):
            return given.clone()
        result = self._result(len(self._networks), way, frame)
        filled = resize_flow(result, (hole.shape[0], hole.shape[1]), bounded=False)
        return torch.where(hole.to(given.device), filled.to(given.device, given.dtype), given)


def _bilinear(planes: Tensor, size: Size) -> Tensor:
    """Planes ``(C, H, W)`` at another size, pixel centres at halves, without a low-pass, as OpenCV's."""
    return F.interpolate(planes[None], size, mode="bilinear", align_corners=False)[0]


def _of_stage(number: int, network: DFCSubNet) -> DFCSubNet:
    """The network, if its channels are those of its stage."""
    inputs, outputs = (33, 2) if number == 1 else (66, 4)
    if (network.inputs, network.outputs) != (inputs, outputs):
        rule = f"a network of {inputs} inputs and {outputs} outputs"
        raise SettingError(f"stage{number}", rule, f"{network.inputs} and {network.outputs}")
    return network


def _choice[Value: str](name: str, value: Value, choices: tuple[str, ...]) -> Value:
    if value not in choices:
        raise SettingError(name, f"one of {', '.join(choices)}", value)
    return value


def _checked(flow_fw: Tensor, flow_bw: Tensor, hole: Tensor) -> int:
    """How many frames there are."""
    if hole.ndim != 3 or hole.shape[0] < 2 or hole.numel() == 0:
        raise ValueError(f"hole must be (N, H, W) of 2 frames or more, got {tuple(hole.shape)}")
    frames, height, width = hole.shape
    for name, flow in (("flow_fw", flow_fw), ("flow_bw", flow_bw)):
        if flow.shape != (frames - 1, 2, height, width):
            raise ValueError(f"{name} must be {(frames - 1, 2, height, width)} to match hole, got {tuple(flow.shape)}")
    return frames
