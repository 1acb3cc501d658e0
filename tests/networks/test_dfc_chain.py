"""What surrounds DFC-Net's published networks equals its statement in reference_dfc.py, and keeps the laws."""

from functools import cache

import cv2
import numpy as np
import pytest
import reference_dfc as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import LAPLACE_TOLERANCES, assert_same_bits
from torch import nn

from vsdfvi.errors import SettingError
from vsdfvi.networks import dfc_chain
from vsdfvi.networks.dfc_chain import MeasuredFlow, OfficialCompletion
from vsdfvi.networks.dfc_net import DFCSubNet, SingleHead

SIZES = [(1, 1), (1, 9), (2, 3), (7, 12), (12, 7), (13, 17)]  # (height, width)
REFINED = (9, 14), (16, 11)  # sizes of stages 2 and 3 that loops can bear; the clip is between them

# Pixels. Positions and weights in float32 against doubles, or against OpenCV's, between vectors up to 60 long that
# have nothing to do with each other. Measured: 0.0002. (Nov 2026)
RESIZED = 8e-4

# Pixels. The same after three stages, and the initial filling, which is near the solution of its equation, not it.
# Measured: 0.0004. (Nov 2026)
COMPLETED = 0.002


class Mixer(nn.Module):
    """A network that mixes all channels at each pixel and remembers how often it was asked."""

    def __init__(self, inputs, outputs, seed):
        super().__init__()
        self.inputs, self.outputs, self.asked = inputs, outputs, []
        torch.manual_seed(seed)
        self.mix = nn.Conv2d(inputs, outputs, 1)
        nn.init.normal_(self.mix.weight, 0, inputs**-0.5)

    def forward(self, windows):
        self.asked.append(windows.shape[0])
        return self.mix(windows)

    def stated(self, window):
        weight, bias = (tensor.detach().double().numpy() for tensor in (self.mix.weight, self.mix.bias))
        return np.einsum("oi,ihw->ohw", weight[:, :, 0, 0], window) + bias[:, None, None]


def mixers(stages):
    return [Mixer(33, 2, 1), Mixer(66, 4, 2), Mixer(66, 4, 3)][:stages]


def clip(frames, size=(11, 13), seed=0, share=0.15):
    """Return random flows, smooth enough to survive resizing, and a hole of a box and specks."""
    random = np.random.default_rng((seed, frames))
    flows = []
    for _ in range(2):
        coarse = random.normal(0, 4, (frames - 1, 2, 3, 3))
        flow = [[cv2.resize(plane, size[::-1], interpolation=cv2.INTER_CUBIC) for plane in pair] for pair in coarse]
        flows.append(torch.tensor(np.array(flow, np.float32)))
    hole = random.random((frames, *size)) < share / 3
    for t in range(frames):
        y, x = random.integers(0, size[0]), random.integers(0, size[1])
        hole[t, y : y + size[0] // 3, x : x + size[1] // 3] = True
    return flows[0], flows[1], torch.tensor(hole)


@cache
def three_sub_networks():
    """Return real ones, as shallow as they go."""
    torch.manual_seed(11)
    return [
        DFCSubNet((1, 1, 1, 1), inputs, SingleHead, outputs).eval() for inputs, outputs in ((33, 2), (66, 4), (66, 4))
    ]


def sub_networks(stages):
    return three_sub_networks()[:stages]


def mixed(size, new_size):
    """Return the weights with which old rows and columns enter new ones."""
    sides = zip(size, new_size, strict=True)
    return [abs(weight) for old, new in sides for out in range(new) for _, weight in reference.shares(out, old, new)]


def source(flow_fw, flow_bw, hole):
    """Return what ``centre`` asks for measured flow."""

    def measured(way, frame):
        return MeasuredFlow(flow_fw[frame] if way == "forward" else flow_bw[frame - 1], hole[frame])

    return measured


def forget(key, make):
    return make()


# Windows, sizes and the initial filling.


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(0, 20))
def test_a_window_is_clipped_at_its_ends(centre, first, more):
    assert dfc_chain.window(centre, first, first + more) == reference.clipped_window(centre, first, first + more)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("new_size", [(1, 1), (5, 4), (6, 8), (14, 24), (31, 9)], ids=str)
@pytest.mark.parametrize("bounded", [True, False])
def test_flow_is_resized_then_bounded_then_scaled(size, new_size, bounded):
    flow = np.random.default_rng(1).normal(0, 20, (2, *size)).astype(np.float32)  # longer than the picture, often
    found = dfc_chain.resize_flow(torch.tensor(flow), new_size, bounded=bounded).numpy()
    np.testing.assert_allclose(found, reference.resize_flow(flow, new_size, bounded), rtol=0, atol=RESIZED)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("new_size", [(1, 1), (5, 4), (6, 8), (14, 24), (31, 9)], ids=str)
def test_holes_are_resized_as_stated(size, new_size):
    hole = np.random.default_rng(2).random(size) < 0.2
    given_hole = torch.tensor(hole)
    assert_same_bits(dfc_chain.nearest_hole(given_hole, new_size).numpy(), reference.nearest_hole(hole, new_size))
    found, expected = dfc_chain.covering_hole(given_hole, new_size).numpy(), reference.covering_hole(hole, new_size)
    assert found[expected].all()
    extra = found & ~expected  # where a weight is 0 but for rounding, which reads the pixel then
    assert not extra.any() or min(mixed(size, new_size)) < 1e-6


@pytest.mark.parametrize(("size", "new_size"), [((240, 432), (120, 216)), ((97, 131), (48, 65)), ((24, 42), (32, 60))])
def test_resizing_is_that_of_opencv(size, new_size):
    random = np.random.default_rng(3)
    plane, hole = random.uniform(-9, 9, size).astype(np.float32), random.random(size) < 0.5
    found = dfc_chain.resize_flow(torch.tensor(np.stack([plane, plane])), new_size, bounded=False)[0].numpy()
    expected = cv2.resize(plane, new_size[::-1], interpolation=cv2.INTER_LINEAR) * np.float32(new_size[1] / size[1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=RESIZED)
    nearest = cv2.resize(hole.astype(np.uint8), new_size[::-1], interpolation=cv2.INTER_NEAREST)
    assert_same_bits(dfc_chain.nearest_hole(torch.tensor(hole), new_size).numpy(), nearest != 0)


@pytest.mark.parametrize("size", [(2, 2), (1, 9), (12, 14), (13, 17), (23, 18)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_initial_filling_solves_its_equation_at_half_the_size(size, seed):
    random = np.random.default_rng(seed)
    flow = random.normal(0, 5, (2, *size)).astype(np.float32)
    hole = random.random(size) < 0.1
    hole[size[0] // 3 : 2 * size[0] // 3 + 1, size[1] // 4 : size[1] // 2 + 1] = True
    found = dfc_chain.initial_filling(torch.tensor(flow), torch.tensor(hole)).numpy()
    expected = reference.initial_filling(flow, hole)
    np.testing.assert_allclose(found, expected, rtol=0, atol=LAPLACE_TOLERANCES / 1024)
    assert_same_bits(found[:, ~hole], flow[:, ~hole])


def test_the_initial_filling_of_a_large_hole_is_settled():
    flow = np.random.default_rng(4).normal(0, 5, (2, 54, 70)).astype(np.float32)
    hole = np.zeros((54, 70), bool)
    hole[4:50, 4:66] = True
    found = dfc_chain.initial_filling(torch.tensor(flow), torch.tensor(hole)).numpy()
    np.testing.assert_allclose(found, reference.initial_filling(flow, hole), rtol=0, atol=LAPLACE_TOLERANCES / 1024)


def test_the_initial_filling_of_everything_is_nothing():
    flow = torch.full((2, 6, 8), 3.0)
    assert not dfc_chain.initial_filling(flow, torch.ones(6, 8, dtype=torch.bool)).any()


# The chain.


@pytest.mark.parametrize("frames", [2, 3, 6, 7, 12, 13, 15])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_equals_its_statement(frames, stages):
    check_against_statement(frames, stages, (8, 9), "zero", "covering")


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2), (7, 12), (11, 13)], ids=str)
@pytest.mark.parametrize("first_backward", ["zero", "replicate"])
@pytest.mark.parametrize("working_hole", ["covering", "nearest"])
def test_equals_its_statement_with_any_choice(size, first_backward, working_hole):
    check_against_statement(4, 2, size, first_backward, working_hole)


def check_against_statement(frames, stages, size, first_backward, working_hole):
    networks, given_clip = mixers(stages), clip(frames, size)
    choices = {"first_backward": first_backward, "working_hole": working_hole}
    found = OfficialCompletion(*networks, **choices, refine_sizes=REFINED).complete(*given_clip)
    arrays = [tensor.numpy() for tensor in given_clip]
    expected = reference.complete(*arrays, [network.stated for network in networks], REFINED, **choices)
    for completed, stated in zip(found, expected, strict=True):
        assert completed.dtype == torch.float32
        np.testing.assert_allclose(completed.numpy(), stated, rtol=0, atol=COMPLETED)


@pytest.mark.parametrize(("frames", "size"), [(2, (61, 95)), (3, (33, 2)), (4, (1, 1))], ids=str)
def test_what_is_known_comes_back_as_it_was(frames, size):
    flow_fw, flow_bw, hole = clip(frames, size)
    found = OfficialCompletion(*sub_networks(3), refine_sizes=((24, 40), (32, 40))).complete(flow_fw, flow_bw, hole)
    for completed, measured, unknown in ((found[0], flow_fw, hole[:-1]), (found[1], flow_bw, hole[1:])):
        assert completed.shape == measured.shape
        assert torch.isfinite(completed).all()
        known = ~unknown[:, None].expand(-1, 2, -1, -1).numpy()
        assert_same_bits(completed.numpy()[known], measured.numpy()[known])
        assert (completed.numpy()[~known] != measured.numpy()[~known]).all()


def test_without_a_hole_nothing_is_asked():
    networks = mixers(3)
    flow_fw, flow_bw, hole = clip(4)
    found = OfficialCompletion(*networks, refine_sizes=REFINED).complete(flow_fw, flow_bw, torch.zeros_like(hole))
    assert_same_bits(found[0].numpy(), flow_fw.numpy())
    assert_same_bits(found[1].numpy(), flow_bw.numpy())
    assert not any(network.asked for network in networks)


def test_only_frames_with_a_hole_are_asked_about():
    networks = mixers(2)
    flow_fw, flow_bw, hole = clip(6)
    hole[:] = False
    hole[2, 3:7, 4:8] = True
    OfficialCompletion(*networks, refine_sizes=REFINED).complete(flow_fw, flow_bw, hole)
    assert [sum(network.asked) for network in networks] == [2, 1]


@pytest.mark.parametrize("stages", [1, 3])
def test_a_hole_that_is_everywhere_is_filled_with_finite_flow(stages):
    flow_fw, flow_bw, hole = clip(3, (20, 31))
    everywhere = torch.ones_like(hole)
    completion = OfficialCompletion(*sub_networks(stages), refine_sizes=((24, 40), (32, 40)))
    found = completion.complete(flow_fw, flow_bw, everywhere)
    other = completion.complete(flow_fw * float("nan"), flow_bw * 2, everywhere)
    for completed, same in zip(found, other, strict=True):
        assert torch.isfinite(completed).all()
        assert_same_bits(completed.numpy(), same.numpy())


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, "random"])
def test_what_lies_in_the_hole_has_no_influence(value, stages):
    flow_fw, flow_bw, hole = clip(4, (13, 17))
    completion = OfficialCompletion(*mixers(stages), refine_sizes=REFINED)
    others = []
    for flow, unknown in ((flow_fw, hole[:-1]), (flow_bw, hole[1:])):
        rubbish = 30 * torch.randn_like(flow) if value == "random" else torch.full_like(flow, value)
        others.append(torch.where(unknown[:, None], rubbish, flow))
    for completed, same in zip(
        completion.complete(flow_fw, flow_bw, hole), completion.complete(*others, hole), strict=True
    ):
        assert_same_bits(same.numpy(), completed.numpy())


@pytest.mark.parametrize("working_hole", ["covering", "nearest"])
def test_a_vector_that_is_not_finite_is_unknown_and_spreads_nowhere(working_hole):
    flow_fw, flow_bw, hole = clip(3, (12, 16))
    flow_fw[1, 0, 5, 7] = np.nan
    flow_bw[0, 1, 2, 3] = np.inf
    hole[1, 5, 7] = hole[1, 2, 3] = False
    completion = OfficialCompletion(*mixers(2), refine_sizes=REFINED, working_hole=working_hole)
    for completed, measured, unknown in zip(
        completion.complete(flow_fw, flow_bw, hole), (flow_fw, flow_bw), (hole[:-1], hole[1:]), strict=True
    ):
        assert torch.isfinite(completed).all()
        known = (~unknown[:, None] & measured.isfinite().all(1, keepdim=True)).expand(-1, 2, -1, -1)
        assert_same_bits(completed[known].numpy(), measured[known].numpy())


def test_a_hole_of_one_column_is_completed():
    """Taking every second pixel of a mask loses a scratch, and what spoils it passes for known."""
    flow_fw, flow_bw = torch.full((2, 2, 2, 12, 16), 2.0)
    hole = torch.zeros(3, 12, 16, dtype=torch.bool)
    hole[:, :, 7] = True
    flow_fw[..., 7] = flow_bw[..., 7] = 9
    network = Mixer(33, 2, 1)
    nn.init.zeros_(network.mix.weight)
    nn.init.constant_(network.mix.bias, 1)  # of the pixels of half the size
    covering, nearest = (
        OfficialCompletion(network, working_hole=rule).complete(flow_fw, flow_bw, hole)[0][..., 7]
        for rule in ("covering", "nearest")
    )
    assert (covering == 2).all()
    assert (nearest > 3).all()


def test_the_last_forward_flow_is_that_of_its_own_window():
    """A window around the last frame, which has no forward flow, must not make the one before it again."""
    network = Mixer(66, 4, 1)
    nn.init.zeros_(network.mix.weight)
    nn.init.zeros_(network.mix.bias)
    with torch.no_grad():
        network.mix.weight[0, 3 * 4] = 1  # x of the map before the centre
    still = Mixer(33, 2, 1)
    flow_fw, flow_bw = torch.zeros(2, 3, 2, 8, 8)
    flow_fw[:, 0] = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    hole = torch.zeros(4, 8, 8, dtype=torch.bool)
    hole[2:, 3:5, 3:5] = True
    found, _ = OfficialCompletion(still, network, refine_sizes=((8, 8), (8, 8))).complete(flow_fw, flow_bw, hole)
    np.testing.assert_allclose(found[2, 0, 3:5, 3:5].numpy(), 2, rtol=0, atol=RESIZED)


def test_the_zeros_before_the_first_frame_are_a_choice():
    flow_fw, flow_bw, hole = clip(8)
    found = [
        OfficialCompletion(*mixers(2), first_backward=choice, refine_sizes=REFINED).complete(flow_fw, flow_bw, hole)
        for choice in ("zero", "replicate")
    ]
    assert not torch.equal(found[0][1][0], found[1][1][0])
    alone = [OfficialCompletion(*mixers(1), first_backward=choice) for choice in ("zero", "replicate")]
    forward = [completion.complete(flow_fw, flow_bw, hole)[0].numpy() for completion in alone]
    assert_same_bits(forward[0], forward[1])  # in stage 1 the directions do not meet


# One pair at a time.


@pytest.mark.parametrize(("networks", "stages"), [(mixers, 1), (mixers, 2), (mixers, 3), (sub_networks, 2)])
def test_a_pair_is_the_same_in_any_order_whatever_is_remembered(networks, stages):
    given_clip = clip(6)
    completion = OfficialCompletion(*networks(stages), refine_sizes=REFINED)
    flow_fw, flow_bw = completion.complete(*given_clip)
    remembered = {}

    def recall(key, make):
        if key not in remembered or len(remembered) > 20:
            remembered.pop(next(iter(remembered), None), None)
            remembered[key] = make()
        return remembered[key]

    for keep in (recall, forget):
        for pair in (3, 0, 4, 3, 1, 2):
            ahead, back = completion.centre(pair, range(6), source(*given_clip), keep)
            assert_same_bits(ahead.numpy(), flow_fw[pair].numpy())
            assert_same_bits(back.numpy(), flow_bw[pair].numpy())


def test_the_keys_of_what_is_remembered():
    keys = []

    def recall(key, make):
        keys.append(key)
        return make()

    completion = OfficialCompletion(*mixers(2), refine_sizes=REFINED)
    completion.centre(1, range(4), source(*clip(4, share=0.5)), recall)
    assert len(keys) == len(set(keys))
    assert {key for key in keys if key[0] == 2} == {(2, "both", 1), (2, "both", 2)}
    stage1 = {(1, "forward", frame) for frame in range(3)} | {(1, "backward", frame) for frame in range(4)}
    assert {key for key in keys if key[0] == 1} == stage1


@pytest.mark.parametrize("stages", [1, 2])
def test_frames_beyond_the_radius_are_of_no_matter_and_those_within_are(stages):
    completion = OfficialCompletion(*mixers(stages), refine_sizes=REFINED)
    radius = {1: 5, 2: 11}[stages]
    assert completion.radius == radius
    frames = 2 * radius + 6
    pair, measured = radius + 2, source(*clip(frames))
    whole = completion.centre(pair, range(frames), measured, forget)
    near = completion.centre(pair, range(pair - radius, pair + radius + 2), measured, forget)
    for found, expected in zip(near, whole, strict=True):
        assert_same_bits(found.numpy(), expected.numpy())
    for cut in (range(pair - radius + 1, frames), range(pair + radius + 1)):
        nearer = completion.centre(pair, cut, measured, forget)
        assert not all(torch.equal(found, expected) for found, expected in zip(nearer, whole, strict=True))


@pytest.mark.parametrize("batch", [3, 100])
def test_many_windows_at_once_give_the_same_flow(batch):
    given_clip = clip(4, (30, 41))
    completion = OfficialCompletion(*sub_networks(2), refine_sizes=((24, 40), (32, 40)))
    for found, expected in zip(
        completion.complete(*given_clip, batch=batch), completion.complete(*given_clip), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=RESIZED)


def test_windows_pass_in_batches():
    networks = mixers(2)
    OfficialCompletion(*networks, refine_sizes=REFINED).complete(*clip(7, share=0.6), batch=4)
    assert [network.asked for network in networks] == [[4, 4, 4, 1], [4, 3]]


def test_results_can_be_learnt_from():
    """They are stored as the next stage's training data, and must not be marked as fit for inference only."""
    given_clip = clip(2)
    completion = OfficialCompletion(*mixers(1))
    for flow, _ in (completion.complete(*given_clip), completion.centre(0, range(2), source(*given_clip), forget)):
        assert not flow.requires_grad
        weight = torch.ones(1, requires_grad=True)
        (weight * flow).sum().backward()
        assert weight.grad is not None


def test_a_network_of_half_precision_works_in_it():
    given_clip = clip(3, (24, 32))
    full = OfficialCompletion(mixers(1)[0]).complete(*given_clip)
    half = OfficialCompletion(mixers(1)[0].to(torch.bfloat16)).complete(*given_clip)
    for found, expected in zip(half, full, strict=True):
        assert found.dtype == torch.float32
        assert not torch.equal(found, expected)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.5)  # bfloat16 has 8 bits, vectors are up to 20 long


@given(frames=st.integers(2, 15), height=st.integers(1, 24), width=st.integers(1, 24), share=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_any_clip(frames, height, width, share):
    flow_fw, flow_bw, hole = clip(frames, (height, width), share=3 * share)
    found = OfficialCompletion(*mixers(3), refine_sizes=REFINED).complete(flow_fw, flow_bw, hole)
    for completed, measured, unknown in zip(found, (flow_fw, flow_bw), (hole[:-1], hole[1:]), strict=True):
        assert torch.isfinite(completed).all()
        known = ~unknown[:, None].expand(-1, 2, -1, -1)
        assert_same_bits(completed[known].numpy(), measured[known].numpy())


# Refusals.


def test_networks_are_checked_for_their_stage():
    first, second = mixers(2)
    with pytest.raises(SettingError, match="stage2 must be given where stage3 is, got None"):
        OfficialCompletion(first, None, second)
    with pytest.raises(SettingError, match="stage1 must be a network of 33 inputs and 2 outputs, got '66 and 4'"):
        OfficialCompletion(second)
    with pytest.raises(SettingError, match="stage2 must be a network of 66 inputs and 4 outputs, got '33 and 2'"):
        OfficialCompletion(first, first)
    with pytest.raises(SettingError, match="stage3 must be a network of 66 inputs"):
        OfficialCompletion(first, second, first)


def test_choices_are_checked():
    with pytest.raises(SettingError, match="first_backward must be one of zero, replicate, got 'one'"):
        OfficialCompletion(*mixers(1), first_backward="one")
    with pytest.raises(SettingError, match="working_hole must be one of covering, nearest, got 'area'"):
        OfficialCompletion(*mixers(1), working_hole="area")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hole": torch.zeros(1, 4, 6)}, r"hole must be \(N, H, W\) of 2 frames or more, got \(1, 4, 6\)"),
        ({"hole": torch.zeros(3, 4)}, r"hole must be \(N, H, W\) .* got \(3, 4\)"),
        ({"hole": torch.zeros(3, 0, 6)}, r"hole must be \(N, H, W\) .* got \(3, 0, 6\)"),
        ({"flow_fw": torch.zeros(3, 2, 4, 6)}, r"flow_fw must be \(2, 2, 4, 6\) to match hole, got \(3, 2, 4, 6\)"),
        ({"flow_bw": torch.zeros(2, 2, 4, 5)}, r"flow_bw must be \(2, 2, 4, 6\) to match hole, got \(2, 2, 4, 5\)"),
    ],
    ids=["one frame", "no frames", "no pixels", "too many", "too narrow"],
)
def test_shapes_are_checked(change, sentence):
    shapes = {"flow_fw": torch.zeros(2, 2, 4, 6), "flow_bw": torch.zeros(2, 2, 4, 6), "hole": torch.zeros(3, 4, 6)}
    with pytest.raises(ValueError, match=sentence):
        OfficialCompletion(*mixers(1)).complete(**(shapes | change))


@pytest.mark.parametrize("pair", [1, 6, 7])
def test_a_pair_lies_in_its_run(pair):
    with pytest.raises(ValueError, match=f"pair must be from 2 to 5, got {pair}"):
        OfficialCompletion(*mixers(1)).centre(pair, range(2, 7), source(*clip(9)), forget)
