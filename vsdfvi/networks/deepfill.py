"""DeepFill v1: a picture whose hole is filled by a network that copies what lies elsewhere in it."""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vsdfvi.errors import SettingError

SCORES_BUDGET_BYTES = 512 << 20

_SMALLEST = 32  # pixels: a picture of four by four positions; the paper trains on 256
_REACH = 4  # positions: how far the convolutions after the attention carry what it pastes at one of them
_SOFTMAX_SCALE = 10.0
_SMALLEST_NORM = 1e-4
_TILE = 64  # foreground positions: with fewer, multiplying matrices is slower; with more, part of a hole wastes more
_TILE_SCORES = 1 << 21  # beyond which a tile has fewer positions: those of 1920x1080 just have 64


class DeepFill(nn.Module):
    """Fill holes coarsely, then refine, with a branch of convolutions beside one of contextual attention.

    Shapes:
        image: ``(B, 3, H, W)`` float, channels in the order blue, green, red, -1 to 1. H and W are multiples of 8.
            What it holds in the hole has no influence.
        hole: ``(B, 1, H, W)`` bool, true where the picture is missing.
        returns: coarse and refined picture, both like ``image``, with the network's colours at known pixels too.

    Args:
        only_hole: The refined picture is wanted in the hole alone. Attention that cannot reach it is left out.
        budget_bytes: For scores of attention held at a time. Where gradients are recorded, they hold more.

    Raises:
        ValueError: The shapes are not as above.
        SettingError: ``budget_bytes`` is less than a few scores need.

    Source:
        Yu, Lin, Yang, Shen, Lu and Huang, "Generative image inpainting with contextual attention", CVPR 2018, in the
        form, and with the parameter names, that came with Xu et al., "Deep flow-guided video inpainting", CVPR 2019.
        There, what the first picture of a batch has lost is held against the others as well; here, each has its own
        flags. The map of where attention looked, which nothing reads, is not made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage_1 = _Coarse()
        self.stage_2 = _Refinement()

    def forward(
        self, image: Tensor, hole: Tensor, *, only_hole: bool = False, budget_bytes: int = SCORES_BUDGET_BYTES
    ) -> tuple[Tensor, Tensor]:
        batch, channels, height, width = image.shape
        if channels != 3 or height % 8 or width % 8 or not height or not width:
            raise ValueError(f"image must be (B, 3, H, W), H and W multiples of 8, got {tuple(image.shape)}")
        if hole.shape != (batch, 1, height, width) or hole.dtype != torch.bool:
            raise ValueError(f"hole must be {(batch, 1, height, width)} bool, got {tuple(hole.shape)} {hole.dtype}")

        flags = torch.cat([torch.ones_like(hole), hole], 1).to(image.dtype)
        known = torch.where(hole, 0.0, image)  # mid grey
        coarse = self.stage_1(torch.cat([known, flags], 1))
        merged = torch.where(hole, coarse, known)
        wanted = None
        if only_hole:
            covered = F.max_pool2d(hole.float(), 8)  # a position is wanted for any pixel of its eight by eight
            wanted = F.max_pool2d(covered, 2 * _REACH + 1, 1, _REACH)[:, 0] > 0
        refined = self.stage_2(torch.cat([merged, flags], 1), hole[:, 0, ::8, ::8], wanted, budget_bytes)
        return coarse, refined


class ContextualAttention(nn.Module):
    """Features rebuilt from patches of known features elsewhere that look like them, then convolved twice.

    Shapes:
        features: ``(B, C, h, w)``, h and w even. They are foreground and background: what is rebuilt, and from what.
        hole: ``(B, h / 2, w / 2)`` bool, true where a position is missing.
        wanted: ``(B, h / 2, w / 2)`` bool, or None for all; elsewhere, what comes back need not be right.
        returns: ``(B, C, h, w)``.
    """

    def __init__(self, channels: int = 128) -> None:
        super().__init__()
        self.out = nn.Sequential(_Layer(channels, channels), _Layer(channels, channels))

    def forward(
        self, features: Tensor, hole: Tensor, wanted: Tensor | None = None, budget_bytes: int = SCORES_BUDGET_BYTES
    ) -> Tensor:
        # In float32 whatever the network's precision, and whatever is cast around it: the softmax has ten times the
        # scores in its exponent, and they are sums of a thousand products.
        with torch.autocast(features.device.type, enabled=False):
            attended = [
                attend(item.float(), hole[n], None if wanted is None else wanted[n], budget_bytes)
                for n, item in enumerate(features)
            ]
        convolved: Tensor = self.out(torch.stack(attended).to(features.dtype))
        return convolved


def attend(
    features: Tensor, hole: Tensor, wanted: Tensor | None = None, budget_bytes: int = SCORES_BUDGET_BYTES
) -> Tensor:
    """The features of one picture with each patch replaced by a mean of known ones, weighted by likeness.

    The bits do not depend on ``budget_bytes``, nor, where they are wanted, on ``wanted``: foreground positions are
    taken in tiles, and a tile is always computed by the same operations on matrices of the same shapes.

    Shapes:
        features: ``(C, h, w)`` float32, h and w even; returned likewise.
        hole, wanted: ``(h / 2, w / 2)`` bool, as in ``ContextualAttention``.

    Convention:
        A position is two by two features. Likeness is that of three by three positions, each the upper left of its
        features; what is pasted is four by four features. Beyond the picture features are 0, and count as known.
        Scores of positions that are not wholly known become 0, not less: they still weigh in the softmax's sum.

    Raises:
        SettingError: ``budget_bytes`` is less than two tiles and the working space need.

    Source:
        Yu et al., section 4. The scale of the softmax, the smallest norm and the sums along diagonals are the
        authors' program's.
    """
    channels = features.shape[0]
    height, width = hole.shape
    scores = _FusedScores(features[:, ::2, ::2], budget_bytes)
    valid = (F.max_pool2d(hole[None].float(), 3, 1, 1) == 0).flatten().to(features.dtype)
    patches = F.unfold(features[None], 4, stride=2, padding=1)[0].T  # (backgrounds, C * 16)
    # Patches overlap by half, so they are summed in quarters.
    quarters = features.new_zeros(height + 1, width + 1, channels, 2, 2)
    for tile in scores.tiles(wanted):
        pasted = (_shares(scores.tile(tile), valid) @ patches).view(-1, channels, 4, 4)
        at = torch.arange(*scores.span(tile), device=features.device)
        for down, right in product((0, 1), (0, 1)):
            quarter = pasted[:, :, 2 * down : 2 * down + 2, 2 * right : 2 * right + 2]
            quarters[at // width + down, at % width + right] += quarter
    canvas = quarters.permute(2, 0, 3, 1, 4).reshape(channels, 2 * height + 2, 2 * width + 2)
    return canvas[:, 1:-1, 1:-1] / 4


def inpaint(
    network: DeepFill,
    image: NDArray[np.float32],
    hole: NDArray[np.uint8] | NDArray[np.bool_],
    budget_bytes: int = SCORES_BUDGET_BYTES,
) -> NDArray[np.float32]:
    """The image with its hole filled by the network, bit for bit the same outside the hole.

    Sizes that the network cannot take are padded to the right and below by repeating the last pixel, hole or not: were
    the padding known where the picture is not, its grey would be taken for picture.

    Shapes:
        image: ``(3, height, width)`` float32, red, green, blue, 0 to 1. What is outside this range is clipped before
            the network sees it. Values in the hole have no influence.
        hole: ``(height, width)`` uint8 or bool, not 0 = to fill.

    Raises:
        ValueError: The shapes or types are not as above.
        SettingError: ``budget_bytes`` is less than a few scores need.
    """
    if image.ndim != 3 or image.shape[0] != 3 or image.dtype != np.float32 or not image.size:
        raise ValueError(f"image must be (3, height, width) float32, got {image.shape} {image.dtype}")
    if hole.shape != image.shape[1:] or hole.dtype not in (np.uint8, np.bool_):
        raise ValueError(f"hole must be {image.shape[1:]} uint8 or bool, got {hole.shape} {hole.dtype}")
    filled = image.copy()
    missing = hole != 0
    if not missing.any():
        return filled

    height, width = missing.shape
    padding = [(0, max(_SMALLEST, -(-size // 8) * 8) - size) for size in (height, width)]
    known = np.clip(np.nan_to_num(image[::-1], nan=0.5), 0, 1) * np.float32(2) - np.float32(1)
    parameter = next(network.parameters())
    with torch.inference_mode():
        picture = torch.from_numpy(np.pad(known, [(0, 0), *padding], mode="edge"))
        where = torch.from_numpy(np.pad(missing, padding, mode="edge"))
        _, refined = network(
            picture[None].to(parameter), where[None, None].to(parameter.device),
            only_hole=True, budget_bytes=budget_bytes,
        )  # fmt: skip
        invented = (refined[0, :, :height, :width].float().cpu().numpy()[::-1] + np.float32(1)) / np.float32(2)
    filled[:, missing] = invented[:, missing]
    return filled


def _shares(scores: Tensor, valid: Tensor) -> Tensor:
    """How much of each background is pasted at each foreground position."""
    return torch.softmax(_SOFTMAX_SCALE * (scores * valid), dim=1) * valid


class _FusedScores:
    """How like each foreground position is to each background, summed along the diagonals of two orders.

    Scores are a matrix M with a row for each foreground and a column for each background position. Neighbours should
    be copied from neighbours, so each score takes in those one step away in the same direction on both sides:

        M'[i, j] = M[i - 1, j - 1] + M[i, j] + M[i + 1, j + 1],   0 beyond the ends,

    once with positions counted row by row, which is a step to the right, and then column by column, a step down. A
    step beyond the end of a row leads to the start of the next one, as in the authors' program.

    A row of the first sum needs its two neighbours alone, so a tile of rows is a product of matrices two rows taller.
    A tile of the second needs rows that are a whole row of the picture away: tiles of the first are kept, the latest
    used, as many as the budget allows; the others are computed again.
    """

    _WORKING = 7  # tiles, beside those kept, that are alive at a time: 6.1 measured (Nov 2026)

    def __init__(self, features: Tensor, budget_bytes: int) -> None:
        _, self.height, self.width = features.shape
        self.count = self.height * self.width
        self.rows = min(_TILE, self.count, max(8, _TILE_SCORES // self.count))
        tile_bytes = self.rows * self.count * features.element_size()
        self.capacity = budget_bytes // tile_bytes - self._WORKING
        if self.capacity < 2:
            least = (self._WORKING + 2) * tile_bytes
            raise SettingError("budget_bytes", f"{least} or more for {8 * self.width}x{8 * self.height}", budget_bytes)
        self.patches = F.unfold(features[None], 3, padding=1)[0]  # (C * 9, positions)
        self.scale = 1 / self.patches.norm(dim=0).clamp_min(_SMALLEST_NORM)  # of the background alone
        self.kept: dict[int, Tensor] = {}

    def tiles(self, wanted: Tensor | None) -> list[int]:
        """Numbers of the tiles that hold wanted positions."""
        if wanted is None:
            return list(range(-(-self.count // self.rows)))
        numbers: list[int] = torch.unique(wanted.flatten().nonzero()[:, 0] // self.rows).tolist()
        return numbers

    def span(self, tile: int) -> tuple[int, int]:
        """First foreground position of a tile, and the one after its last."""
        return tile * self.rows, min((tile + 1) * self.rows, self.count)

    def tile(self, tile: int) -> Tensor:
        """Fused scores of a tile: foreground positions by backgrounds, both row by row."""
        position = torch.arange(*self.span(tile))
        in_columns = position % self.width * self.height + position // self.width
        here, before, after = (self._rows(in_columns + step) for step in (0, -1, 1))
        return _reordered(_along_diagonals(here, before, after), self.width, self.height)

    def _rows(self, in_columns: Tensor) -> Tensor:
        """Rows of the first sum, backgrounds column by column; foregrounds are counted so too. 0 beyond the ends."""
        inside = (in_columns >= 0) & (in_columns < self.count)
        position = torch.where(inside, in_columns % self.height * self.width + in_columns // self.height, -1)
        rows = self.patches.new_zeros(len(position), self.count)
        tile_of = position.div(self.rows, rounding_mode="floor")
        for number in torch.unique(tile_of[inside]).tolist():
            mine = (tile_of == number).nonzero()[:, 0]
            chosen = position[mine] - self.span(number)[0]
            rows[mine.to(rows.device)] = self._first_sum(number)[chosen.to(rows.device)]
        return rows

    def _first_sum(self, tile: int) -> Tensor:
        """A tile of the first sum, backgrounds column by column."""
        kept = self.kept.pop(tile, None)
        if kept is None:
            start, stop = self.span(tile)
            first, last = max(start - 1, 0), min(stop + 1, self.count)
            foreground = F.pad(self.patches[:, first:last], (first - (start - 1), stop + 1 - last))
            scores = (foreground.T @ self.patches) * self.scale
            kept = _reordered(_along_diagonals(scores[1:-1], scores[:-2], scores[2:]), self.height, self.width)
            if len(self.kept) >= self.capacity:
                del self.kept[next(iter(self.kept))]
        self.kept[tile] = kept  # last in the dictionary: the latest used
        return kept


def _along_diagonals(here: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Rows of scores plus the rows before them one column on, plus the rows after them one column back."""
    total = here.clone()
    total[:, 1:] += before[:, :-1]
    total[:, :-1] += after[:, 1:]
    return total


def _reordered(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Scores whose backgrounds, counted row by row in a grid, are counted column by column."""
    return scores.view(-1, rows, columns).transpose(1, 2).reshape(len(scores), -1)


class _Layer(nn.Module):
    """A convolution that keeps the size, or halves it, and what follows it."""

    def __init__(
        self, inputs: int, outputs: int, *, size: int = 3, dilation: int = 1, halve: bool = False,
        activation: type[nn.ELU | nn.ReLU] | None = nn.ELU,
    ) -> None:  # fmt: skip
        super().__init__()
        if halve:  # padded as TensorFlow does for an even size
            self.conv = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(inputs, outputs, size, stride=2))
        else:
            padding = size // 2 * dilation
            self.conv = nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=padding, dilation=dilation))
        self.activation = activation(inplace=True) if activation else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.conv(features))
        return activated


class _Chain(nn.Module):
    """Layers one after another, under the name they have in published weights."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.out = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        last: Tensor = self.out(features)
        return last


def _dilated() -> _Chain:
    return _Chain(*(_Layer(128, 128, dilation=dilation) for dilation in (2, 4, 8, 16)))


def _up(inputs: int) -> _Chain:
    """From features at a quarter of the size to a picture."""
    return _Chain(
        _Layer(inputs, 128), _Layer(128, 128), nn.Upsample(scale_factor=2),
        _Layer(128, 64), _Layer(64, 64), nn.Upsample(scale_factor=2),
        _Layer(64, 32), _Layer(32, 16), _Layer(16, 3, activation=None),
    )  # fmt: skip


class _Coarse(nn.Module):
    """The coarse network."""

    def __init__(self) -> None:
        super().__init__()
        self.down = _Chain(
            _Layer(5, 32, size=5), _Layer(32, 64, halve=True), _Layer(64, 64),
            _Layer(64, 128, halve=True), _Layer(128, 128), _Layer(128, 128),
        )  # fmt: skip
        self.atrous = _dilated()
        self.up = _up(128)

    def forward(self, picture: Tensor) -> Tensor:
        coarse: Tensor = self.up(self.atrous(self.down(picture)))
        return coarse.clamp(-1, 1)


class _Refinement(nn.Module):
    """The refinement network."""

    def __init__(self) -> None:
        super().__init__()
        self.down_conv_branch = _Chain(
            _Layer(5, 32, size=5), _Layer(32, 32, halve=True), _Layer(32, 64),
            _Layer(64, 64, halve=True), _Layer(64, 128), _Layer(128, 128),
        )  # fmt: skip
        self.down_attn_branch = _Chain(
            _Layer(5, 32, size=5), _Layer(32, 32, halve=True), _Layer(32, 64),
            _Layer(64, 128, halve=True), _Layer(128, 128), _Layer(128, 128, activation=nn.ReLU),
        )  # fmt: skip
        self.atrous = _dilated()
        self.CAttn = ContextualAttention()
        self.up = _up(256)

    def forward(self, picture: Tensor, hole: Tensor, wanted: Tensor | None, budget_bytes: int) -> Tensor:
        convolved = self.atrous(self.down_conv_branch(picture))
        attended = self.CAttn(self.down_attn_branch(picture), hole, wanted, budget_bytes)
        refined: Tensor = self.up(torch.cat([convolved, attended], 1))
        return refined.clamp(-1, 1)
