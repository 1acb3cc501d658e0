"""DeepFill equals its statement in reference_deepfill.py, in any memory, and touches nothing but the hole."""

import json
import weakref
from pathlib import Path

import numpy as np
import programs
import pytest
import reference_deepfill as reference
import torch
from tolerance import assert_same_bits
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from vsdfvi.errors import SettingError
from vsdfvi.networks import deepfill
from vsdfvi.networks.deepfill import ContextualAttention, DeepFill, attend, inpaint

KEYS = json.loads((Path(__file__).parent / "keys.json").read_text(encoding="utf-8"))["deepfill_v1"]

# Parts of the features' unit: the reference is in double precision, and likeness stands in an exponent. Measured over
# the cases here: 4.1e-7 for attention, 5.6e-7 for the whole generator. (Nov 2026)
ROUNDED = 5e-6

POSITIONS = [(1, 1), (1, 5), (6, 1), (2, 3), (4, 4), (3, 7), (9, 8)]  # (height, width); the last: more than a tile
HOLES = ["nothing", "inside", "at the border", "everything"]


def holed(size, kind):
    """A hole of a kind, bool."""
    height, width = size
    hole = np.zeros(size, bool)
    if kind == "inside":
        hole[height // 2, width // 2] = True
    elif kind == "at the border":
        hole[: (height + 1) // 2, : (width + 2) // 3] = True
    elif kind == "everything":
        hole[:] = True
    return hole


def random_features(size, channels, scale=0.3, seed=1):
    """Features of a grid of positions, so weak that the softmax has more than one winner."""
    values = np.random.default_rng(seed).standard_normal((channels, 2 * size[0], 2 * size[1]))
    return (scale * values).astype(np.float32)


def picture(size, seed=1):
    return np.random.default_rng(seed).random((3, *size), np.float32)


def box(size, rows, columns):
    hole = np.zeros(size, np.uint8)
    hole[rows, columns] = 1
    return hole


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Tensors here are so small that a second thread would wait more than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network():
    return programs.random_deepfill()


def test_parameters_are_the_published_ones():
    tensors = DeepFill().state_dict()
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == KEYS["tensors"]
    assert sum(tensor.numel() for tensor in tensors.values()) == KEYS["parameters"]


@pytest.mark.parametrize("kind", HOLES)
@pytest.mark.parametrize("size", POSITIONS, ids=str)
def test_attention_equals_its_statement(size, kind):
    features, hole = random_features(size, channels=4), holed(size, kind)
    expected = reference.attend(features.astype(np.float64), hole)
    found = attend(torch.from_numpy(features), torch.from_numpy(hole)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("rows", [1, 3, 8, 64])
def test_attention_equals_its_statement_in_tiles_of_any_size(rows, monkeypatch):
    monkeypatch.setattr(deepfill, "_TILE", rows)
    size = (5, 7)
    features, hole = random_features(size, channels=3, scale=0.1), holed(size, "inside")
    expected = reference.attend(features.astype(np.float64), hole)
    found = attend(torch.from_numpy(features), torch.from_numpy(hole)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDED)


def test_attention_of_flat_features_is_finite():
    size = (4, 5)  # patches of norm 0
    assert torch.equal(attend(torch.zeros(2, 8, 10), torch.from_numpy(holed(size, "inside"))), torch.zeros(2, 8, 10))


def test_the_module_convolves_what_was_attended_each_item_with_flags_of_its_own():
    size, kinds = (3, 4), ["inside", "at the border"]
    torch.manual_seed(1)
    module = ContextualAttention(channels=3)
    first, second = (layer.conv[0] for layer in module.out)
    features = [random_features(size, channels=3, seed=seed) for seed in (1, 2)]
    holes = [holed(size, kind) for kind in kinds]
    with torch.no_grad():
        found = module(torch.from_numpy(np.stack(features)), torch.from_numpy(np.stack(holes))).numpy()
    for item, values, hole in zip(found, features, holes, strict=True):
        expected = reference.attend(values.astype(np.float64), hole)
        for conv in (first, second):
            expected = reference.convolve(expected, conv.weight.detach().numpy(), conv.bias.detach().numpy())
        np.testing.assert_allclose(item, expected, rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("kind", ["inside", "at the border", "everything"])
def test_the_generator_equals_its_statement(kind, network):
    size = (32, 48)
    image = torch.from_numpy(picture(size) * 2 - 1)[None]
    hole = torch.from_numpy(holed((4, 6), kind)).repeat_interleave(8, 0).repeat_interleave(8, 1)[None, None]
    hole = hole.roll((3, 5), (2, 3))  # a position is missing for its first pixel alone
    weights = {name: tensor.double() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        expected = reference.generator(weights, image.double(), hole.double())
        found = network(image, hole)
    for one, other in zip(found, expected, strict=True):
        assert 0.05 < one.std() < 0.7  # neither dead nor saturated
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("tiles", [9, 10, 11, 12, 13, 15, 17, 30, 1000])
def test_any_budget_gives_the_same_bits(tiles):
    size = (13, 37)  # eight tiles, the last of them short
    features, hole = torch.from_numpy(random_features(size, channels=8)), torch.from_numpy(holed(size, "inside"))
    tile_bytes = 64 * 13 * 37 * 4
    whole = attend(features, hole, budget_bytes=1 << 40)
    assert_same_bits(attend(features, hole, budget_bytes=tiles * tile_bytes).numpy(), whole.numpy())


class Alive(TorchDispatchMode):
    """Counts the bytes of tensors alive at a time, of those that are not tiny."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = weakref.WeakValueDictionary()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.numel() > 10000:
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.known[storage._cdata] = storage
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self.gone, storage.nbytes())
        return result

    def gone(self, count):
        self.now -= count


@pytest.mark.parametrize("tiles", [9, 20])
def test_scores_stay_within_the_budget(tiles):
    size = (30, 64)  # thirty tiles
    features, hole = torch.from_numpy(random_features(size, channels=1)), torch.from_numpy(holed(size, "inside"))
    budget_bytes = tiles * 64 * 1920 * 4
    with torch.inference_mode(), Alive() as alive:
        attend(features, hole, budget_bytes=budget_bytes)
    assert 0.9 * budget_bytes < alive.peak <= budget_bytes  # it is used, too


def test_a_budget_too_small_is_refused():
    features, hole = torch.zeros(1, 100, 16), torch.zeros(50, 8, dtype=torch.bool)
    attend(features, hole, budget_bytes=921600)
    with pytest.raises(SettingError, match="budget_bytes must be 921600 or more for 64x400, got 921599"):
        attend(features, hole, budget_bytes=921599)


def test_what_is_wanted_has_the_same_bits_as_the_whole():
    size = (13, 37)
    features, hole = torch.from_numpy(random_features(size, channels=8)), torch.from_numpy(holed(size, "inside"))
    wanted = torch.zeros(size, dtype=torch.bool)
    wanted[3:9, 10:20] = True
    whole, part = (attend(features, hole, chosen).numpy() for chosen in (None, wanted))
    assert not np.array_equal(whole, part)
    # The features of a position take in patches of the positions around it.
    assert_same_bits(part[:, 8:16, 22:38].copy(), whole[:, 8:16, 22:38].copy())


@pytest.mark.parametrize("corner", [(0, 0), (7, 7)])
def test_the_hole_alone_is_filled_as_in_the_whole_picture(corner, network, monkeypatch):
    monkeypatch.setattr(deepfill, "_TILE", 1)  # so that nothing is right by sharing a tile
    size = (96, 104)
    hole = torch.zeros(1, 1, *size, dtype=torch.bool)
    hole[..., 40 + corner[0], 48 + corner[1]] = True
    image = torch.from_numpy(picture(size) * 2 - 1)[None]
    with torch.no_grad():
        whole, part = (network(image, hole, only_hole=chosen)[1] for chosen in (False, True))
    assert not torch.equal(whole, part)
    # Not bit for bit: convolutions may be computed in blocks, into which values from farther away are rounded.
    np.testing.assert_allclose(part[..., hole[0, 0]].numpy(), whole[..., hole[0, 0]].numpy(), rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("corner", [(0, 0), (7, 7)])
def test_the_attention_reaches_just_as_far_as_is_wanted(corner, monkeypatch):
    pasted = torch.zeros(128, 24, 26, requires_grad=True)
    monkeypatch.setattr(deepfill, "attend", lambda *_: pasted)
    network = DeepFill()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1e-3)  # all of one sign: no path cancels another
    hole = torch.zeros(1, 1, 96, 104, dtype=torch.bool)
    network(torch.zeros(1, 3, 96, 104), hole)[1][0, 0, 40 + corner[0], 48 + corner[1]].backward()
    # The pixel lies at position (5, 6). Features 2 y - 1 to 2 y + 2 are pasted at position y.
    for axis, position in zip((pasted.grad.sum(dim=0) > 0).nonzero().T, (5, 6), strict=True):
        first, last = (int(axis.min()) - 1) // 2, (int(axis.max()) + 1) // 2
        far = position - first if corner == (0, 0) else last - position
        assert far == deepfill._REACH


def test_gradients_reach_every_parameter():
    image = torch.from_numpy(picture((32, 40)) * 2 - 1).repeat(2, 1, 1, 1)
    hole = torch.from_numpy(box((32, 40), slice(8, 20), slice(16, 30)) != 0).expand(2, 1, 32, 40)
    trained = programs.random_deepfill()
    coarse, refined = trained(image, hole)
    (coarse.square().mean() + refined.square().mean()).backward()
    for name, parameter in trained.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


SIZES = [(1, 1), (7, 50), (32, 32), (33, 47), (50, 64)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", HOLES)
def test_inpaint_changes_the_hole_and_nothing_else(size, kind, network):
    image, hole = picture(size), holed(size, kind)
    image[0, ~hole] *= 2  # known samples outside the range are not touched either
    before = image.copy()
    filled = inpaint(network, image, hole)
    assert (filled.dtype, filled.shape) == (np.float32, image.shape)
    assert_same_bits(image, before)
    assert_same_bits(filled[:, ~hole], image[:, ~hole])
    assert (filled[:, hole] >= 0).all()
    assert (filled[:, hole] <= 1).all()


def test_both_pictures_end_at_the_range_of_the_network():
    network = programs.random_deepfill()
    for stage, level in ((network.stage_1, 1.5), (network.stage_2, -1.5)):
        last = stage.up.out[8].conv[0]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, level)
    with torch.no_grad():
        coarse, refined = network(torch.zeros(1, 3, 32, 32), torch.ones(1, 1, 32, 32, dtype=torch.bool))
    assert (coarse == 1).all()
    assert (refined == -1).all()


def test_without_a_hole_no_network_runs():
    image = picture((9, 9))
    assert_same_bits(inpaint(None, image, np.zeros((9, 9), np.uint8)), image)


def test_what_the_hole_holds_has_no_influence(network):
    image, hole = picture((40, 40)), box((40, 40), slice(10, 25), slice(12, 30))
    other = image.copy()
    other[:, hole == 1] = np.nan
    assert_same_bits(inpaint(network, other, hole)[:, hole == 1], inpaint(network, image, hole)[:, hole == 1])


def test_known_samples_that_are_not_numbers_stay_where_they_are(network):
    image, hole = picture((40, 40)), box((40, 40), slice(10, 25), slice(12, 30))
    image[0, 9, 14], image[1, 3, 3], image[2, 30, 30] = np.nan, np.inf, -np.inf
    filled = inpaint(network, image, hole)
    assert np.isfinite(filled[:, hole == 1]).all()
    assert_same_bits(filled[:, hole == 0], image[:, hole == 0])


def test_any_size_is_that_of_the_picture_with_its_last_pixels_repeated(network):
    image, hole = picture((35, 45)), box((35, 45), slice(20, 35), slice(30, 45))
    padding = ((0, 5), (0, 3))
    padded = inpaint(network, np.pad(image, ((0, 0), *padding), "edge"), np.pad(hole, padding, "edge"))
    assert_same_bits(inpaint(network, image, hole), padded[:, :35, :45].copy())


def test_the_same_bytes_come_back(network):
    image, hole = picture((48, 56)), box((48, 56), slice(0, 25), slice(12, 30))
    assert_same_bits(inpaint(network, image, hole), inpaint(network, image, hole))


def test_the_network_sees_blue_first():
    network = programs.random_deepfill()  # of this test's own, to be changed
    for branch in (network.stage_1.down, network.stage_2.down_conv_branch, network.stage_2.down_attn_branch):
        with torch.no_grad():
            branch.out[0].conv[0].weight[:, 1:3] = 0
    image, hole = picture((32, 32)), box((32, 32), slice(8, 20), slice(12, 30))
    filled = inpaint(network, image, hole)
    without = image.copy()
    without[:2] = 0  # red and green
    assert_same_bits(inpaint(network, without, hole)[:, hole == 1], filled[:, hole == 1])
    without[2] = 0
    assert not np.array_equal(inpaint(network, without, hole)[:, hole == 1], filled[:, hole == 1])


def test_the_network_answers_blue_first_from_minus_one_to_one():
    network = programs.random_deepfill()
    with torch.no_grad():
        last = network.stage_2.up.out[8].conv[0]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.5, -1.0, 0.0]))
    hole = box((32, 32), slice(8, 20), slice(12, 30))
    filled = inpaint(network, picture((32, 32)), hole)
    np.testing.assert_array_equal(filled[:, hole == 1].T, np.broadcast_to([0.5, 0, 0.75], (12 * 18, 3)))


def test_the_network_gets_known_picture_in_its_range_and_size():
    seen = []

    class Watching(DeepFill):
        def forward(self, image, hole, *, only_hole, budget_bytes):
            assert only_hole
            seen.append((image, hole, budget_bytes))
            return image, image

    image = np.full((3, 30, 9), 0.25, np.float32)
    image[0], image[1, 0, 0] = 1, 3
    inpaint(Watching(), image, box((30, 9), slice(8, 20), slice(2, 6)), 1 << 30)
    ((found, hole, budget_bytes),) = seen
    assert found.shape == (1, 3, 32, 32)
    assert found[0, :, 1, 1].tolist() == [-0.5, -0.5, 1]
    assert found[0, 1, 0, 0] == 1
    assert (int(hole.sum()), budget_bytes) == (12 * 4, 1 << 30)


@pytest.mark.parametrize(
    ("image", "hole", "sentence"),
    [
        (
            np.zeros((32, 32, 3), np.float32),
            np.zeros((32, 32), np.uint8),
            r"image must be \(3, height, width\) float32",
        ),
        (np.zeros((3, 32, 32)), np.zeros((32, 32), np.uint8), "image must be .* float64"),
        (np.zeros((3, 0, 32), np.float32), np.zeros((0, 32), np.uint8), "image must be"),
        (np.zeros((3, 32, 32), np.float32), np.zeros((32, 31), np.uint8), r"hole must be \(32, 32\) uint8 or bool"),
        (np.zeros((3, 32, 32), np.float32), np.zeros((32, 32)), "hole must be"),
    ],
)
def test_inpaint_refuses_other_arrays(image, hole, sentence, network):
    with pytest.raises(ValueError, match=sentence):
        inpaint(network, image, hole)


@pytest.mark.parametrize(
    ("image", "hole", "sentence"),
    [
        (torch.zeros(1, 3, 36, 32), torch.zeros(1, 1, 36, 32, dtype=torch.bool), "multiples of 8"),
        (torch.zeros(1, 4, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool), "image must be"),
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), r"hole must be \(1, 1, 32, 32\) bool"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(1, 1, 32, 32, dtype=torch.bool), "hole must be"),
    ],
)
def test_the_network_refuses_other_tensors(image, hole, sentence, network):
    with pytest.raises(ValueError, match=sentence):
        network(image, hole)
