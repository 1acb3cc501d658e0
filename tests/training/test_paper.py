"""Training of the published networks: their optimiser, their windows, results of the stage before."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import reference_training
import torch
from torch import nn

from vsdfvi.errors import SettingError
from vsdfvi.networks import dfc_net
from vsdfvi.networks.dfc_chain import OfficialCompletion, window
from vsdfvi.networks.dfc_net import DFCSubNet, MultiHead, SingleHead
from vsdfvi.training import paper_loop
from vsdfvi.training.options import FlowOptions, flow_options
from vsdfvi.training.paper_loop import PaperTask
from vsdfvi.training.paper_windows import Maps, PaperHeldOut, PaperWindows, StageStore, complete, maps_of, sample_of
from vsdfvi.training.run import Machine
from vsdfvi.training.sequences import Sequence
from vsdfvi.training.sgd import listed_steps, parameter_groups
from vsdfvi.training.windows import SequenceStore

PAIRS, SIZE = 12, (32, 40)

# Float32 sums of some hundred terms. Measured: 2e-7 of the value. (2026-11)
ROUNDING = 1e-5

TINY = {
    "preset": "paper", "batch": 2, "frames": 13, "height": 64, "width": 64, "seeds": ((5, 8),), "steps": 3,
    "workers": 0, "threads": 1, "device": "cpu",
}  # fmt: skip


def sequence(seed=0):
    random = np.random.default_rng(seed)
    flow, target = random.normal(0, 2, (2, PAIRS, 4, *SIZE)).astype(np.float32)
    unknown, sure = random.random((2, PAIRS, *SIZE)) < 0.3
    return Sequence(flow, unknown, target, ~sure, "made box")


def small(inputs, outputs):
    """A network of the published form with a block in each layer."""
    torch.manual_seed(0)
    return DFCSubNet((1, 1, 1, 1), inputs, SingleHead, outputs).eval()


@pytest.mark.parametrize("listings", [1, 2, 3, 4])
def test_a_weight_is_updated_as_often_as_it_is_listed(listings):
    weight, other = nn.Parameter(torch.tensor([0.7])), nn.Parameter(torch.tensor([0.7]))
    groups = [{"params": [weight], "listings": listings}, {"params": [other], "listings": 1}]
    optimiser = torch.optim.SGD(groups, 0.01, momentum=0.9, weight_decay=0.04)
    gradients = [1.0, -0.5, 0.25, 2.0, 0.0, -1.0]
    for gradient in gradients:
        weight.grad = other.grad = torch.tensor([gradient])
        listed_steps(optimiser)
        assert weight.grad is None
    for parameter, number in ((weight, listings), (other, 1)):
        expected = reference_training.listed_sgd(0.7, gradients, 0.01, 0.9, 0.04, number)
        assert parameter.item() == pytest.approx(expected, rel=ROUNDING)


def test_weights_are_in_the_groups_that_the_authors_program_lists():
    network = DFCSubNet((2, 1, 1, 1), 33, MultiHead, 2)
    groups = parameter_groups(network, listings=True)
    # The authors' walk: each module that lies in a layer lists all the weights below it.
    names = {parameter: name for name, parameter in network.named_parameters() if parameter.requires_grad}
    listed = dict.fromkeys(names, 0)
    listed[network.conv1.weight] = listed[network.conv1.bias] = 1
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4, network.layer5):
        for module in layer.modules():
            for parameter in module.parameters():
                if parameter in listed:
                    listed[parameter] += 1
    found = {parameter: group["listings"] for group in groups for parameter in group["params"]}
    assert {names[p]: number for p, number in found.items()} == {names[p]: number for p, number in listed.items()}
    assert [group["factor"] for group in groups] == [1, 1, 1, 10]
    assert [group["listings"] for group in parameter_groups(network, listings=False)] == [1, 1, 1, 1]


def test_the_paper_preset_has_the_papers_numbers():
    options = flow_options({"preset": "paper", "phase": "stage1"})
    assert (options.batch, options.learning_rate, options.weight_decay) == (32, 1e-4, 4e-5)
    assert (options.steps, options.hard_weight, options.schedule, options.masks) == (100_000, 2, "milestones", "box")
    refine = flow_options({"preset": "paper", "phase": "stage3", "batch": 8})
    assert (refine.steps, refine.learning_rate, refine.hard_weight, refine.batch) == (500_000, 5e-5, 1, 8)
    assert flow_options({"preset": "paper"}).phase == "stage1"
    with pytest.raises(SettingError, match="phase must be one of stage1, stage2, stage3, got 'joint'"):
        flow_options({"preset": "paper", "phase": "joint"})


def test_maps_are_those_of_frames():
    made = sequence()
    maps = maps_of(made, "footage", "stage1", np.random.default_rng(0))
    assert (len(maps.flow[0]), len(maps.flow[1])) == (PAIRS, PAIRS + 1)
    np.testing.assert_array_equal(maps.flow[0][4], made.flow[4, :2])
    np.testing.assert_array_equal(maps.flow[1][5], made.flow[4, 2:])  # of the frame that the pair ends
    np.testing.assert_array_equal(maps.hole[1][5], made.unknown[4])
    assert not maps.flow[1][0].any()


@pytest.mark.parametrize("way", [0, 1])
def test_a_sample_shows_eleven_maps_and_asks_for_the_sixth(way):
    made = sequence()
    maps = maps_of(made, "footage", "stage1", np.random.default_rng(0))
    frame = 10
    windows, target, hole = sample_of(made, maps, (way,), frame)
    frames = window(frame, 0, PAIRS - 1 + way)
    for place, number in enumerate(frames):
        np.testing.assert_array_equal(windows[3 * place : 3 * place + 2], maps.flow[way][number])
        np.testing.assert_array_equal(windows[3 * place + 2], maps.hole[way][number])
    pair = frame - way
    np.testing.assert_array_equal(target, made.target[pair, 2 * way : 2 * way + 2])
    np.testing.assert_array_equal(hole[0], made.unknown[pair] & made.sure[pair])


def test_both_directions_are_one_after_another():
    made = sequence()
    maps = maps_of(made, "footage", "stage2", np.random.default_rng(0))
    both, forward, backward = (sample_of(made, maps, ways, 6) for ways in ((0, 1), (0,), (1,)))
    for found, *parts in zip(both, forward, backward, strict=True):
        np.testing.assert_array_equal(found, np.concatenate(parts))


@pytest.mark.parametrize("masks", ["box", "mid-box", "boxes"])
def test_rectangles_are_cut_out_of_whole_flow_and_filled(masks):
    made = sequence()
    maps = maps_of(made, masks, "stage1", np.random.default_rng(3))
    height, width = SIZE
    different = set()
    for way in (0, 1):
        for flow, hole in zip(maps.flow[way], maps.hole[way], strict=True):
            ys, xs = np.nonzero(hole.numpy())
            assert hole.sum() == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)  # a full rectangle
            sides = np.ptp(ys) + 1, np.ptp(xs) + 1
            if masks == "mid-box":
                assert (ys.min(), xs.min(), *sides) == (12, 15, 8, 10)
            else:
                assert height / 4 <= sides[0] <= height / 2
                assert width / 4 <= sides[1] <= width / 2
            different.add((ys.min(), xs.min(), *sides))
            assert bool(torch.isfinite(flow).all())
    assert len(different) == 1 or masks == "boxes"
    assert masks != "boxes" or len(different) > PAIRS
    known = ~maps.hole[0][4].numpy()
    np.testing.assert_array_equal(maps.flow[0][4].numpy()[:, known], made.target[4, :2][:, known])
    assert not np.array_equal(maps.flow[0][4].numpy()[:, ~known], made.target[4, :2][:, ~known])


def test_a_stage_fills_what_the_engine_would():
    """Held to OfficialCompletion, which gets flow at twice the size, so that its halving gives these maps."""
    made = sequence(1)
    stage1, stage2 = small(33, 2), small(66, 4)
    flow = torch.from_numpy(made.flow)
    holes = torch.zeros(PAIRS + 1, *SIZE, dtype=torch.bool)
    holes[:, 10:20, 12:25] = True
    maps = Maps(
        (flow[:, :2], torch.cat([torch.zeros_like(flow[:1, 2:]), flow[:, 2:]])), (holes[:-1], holes)
    )  # fmt: skip
    working = 24, 30
    found = complete(stage2, complete(stage1, maps).resized(working))
    from vsdfvi.networks import dfc_chain

    def recall(key, make):
        number, way, frame = key
        if number:
            return make()
        at = 0 if way == "forward" else 1
        return torch.cat([maps.flow[at][frame], maps.hole[at][frame][None].float()])

    completion = OfficialCompletion(stage1, stage2, working_hole="nearest", refine_sizes=(working, working))
    double = holes.repeat_interleave(2, 1).repeat_interleave(2, 2)
    zeros = torch.zeros(2, 2 * SIZE[0], 2 * SIZE[1])

    def measured(way, frame):
        return dfc_chain.MeasuredFlow(zeros, double[frame])

    for pair in (0, 5, PAIRS - 1):
        forward, backward = completion.centre(pair, range(PAIRS + 1), measured, recall)
        for result, way, frame in ((forward, 0, pair), (backward, 1, pair + 1)):
            resized = dfc_chain.resize_flow(found.flow[way][frame], (2 * SIZE[0], 2 * SIZE[1]), bounded=False)
            expected = torch.where(double[frame], resized, 0.0)
            assert torch.allclose(result, expected, atol=1e-4)


def tiny_task(monkeypatch, clips, cache, previous=(), **changes):
    monkeypatch.setitem(paper_loop._BUILD, ("stage1", "resnet50"), lambda: small(33, 2))
    monkeypatch.setitem(paper_loop._BUILD, ("refine", "resnet50"), lambda: small(66, 4))
    options = flow_options(TINY | changes)
    store = SequenceStore(clips, cache, options.frames, (options.height, options.width))
    return PaperTask(options, Machine.of(options), store, None, previous)


def batch_of(task, step=0):
    parts = zip(*(task.samples[step, index] for index in range(task.samples_a_step)), strict=True)
    return [torch.from_numpy(np.stack(part)) for part in parts]


def test_stage_1_learns_one_direction(monkeypatch, clips, cache):
    task = tiny_task(monkeypatch, clips, cache, phase="stage1", schedule="constant", learning_rate=1e-3)
    batch = batch_of(task)
    assert [tuple(part.shape) for part in batch] == [(2, 33, 32, 32), (2, 2, 32, 32), (2, 1, 32, 32)]
    frozen = task.network.bn1.weight.clone()
    losses = [task.learn(0, batch) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert torch.equal(task.network.bn1.weight, frozen)
    assert not task.network.bn1.training


def test_stage_2_learns_both_directions_from_results_of_stage_1(monkeypatch, clips, cache, tmp_path):
    path = tmp_path / "stage1.pt"
    torch.save(small(33, 2).state_dict(), path)
    monkeypatch.setattr(paper_loop, "load", lambda path, expected: small(33, 2))
    changes = {"phase": "stage2", "working_height": 40, "working_width": 48}
    task = tiny_task(monkeypatch, clips, cache, (path,), **changes)
    batch = batch_of(task)
    assert [tuple(part.shape) for part in batch] == [(2, 66, 40, 48), (2, 4, 40, 48), (2, 2, 40, 48)]
    assert np.isfinite(task.learn(0, batch))
    figures = task.measure(lambda samples: torch.utils.data.DataLoader(samples))
    assert set(figures) == {"epe", "epe_laplace", "box", "box_laplace"}
    assert not any(
        parameter.requires_grad for network in task.samples._store._networks for parameter in network.parameters()
    )
    with pytest.raises(SettingError, match="previous must be 1 files for stage2, got 0"):
        tiny_task(monkeypatch, clips, cache, **changes)


def test_results_of_a_stage_are_made_once(clips, cache, tmp_path):
    options = flow_options(TINY | {"phase": "stage2", "working_height": 40, "working_width": 48})
    sequences = SequenceStore(clips, cache, options.frames, (options.height, options.width))
    path = tmp_path / "stage1.pt"
    path.write_bytes(b"its name")
    store = StageStore(sequences, options, [(path, small(33, 2))], [(40, 48), (40, 48)])
    _, made = store.get(5, np.random.default_rng(0))
    store._networks = [None]  # nothing is made any more
    _, kept = store.get(5, np.random.default_rng(1))
    assert all(map(torch.equal, made.flow + made.hole, kept.flow + kept.hole))
    path.write_bytes(b"other weights")
    assert StageStore(sequences, options, [(path, small(33, 2))], [(40, 48)]).digest != store.digest


def test_the_trunk_can_be_an_image_networks(monkeypatch, clips, cache, tmp_path):
    """Told by its classifier, in torchvision's names."""
    network = small(33, 2)
    random = torch.Generator().manual_seed(0)
    given = {
        name: torch.rand((tensor.shape[0], 3, *tensor.shape[2:]) if name == "conv1.weight" else tensor.shape,
                         generator=random)
        for name, tensor in network.state_dict().items()
        if not name.startswith("layer5.") and name != "conv1.bias" and "num_batches" not in name
    }  # fmt: skip
    path = tmp_path / "resnet.pth"
    torch.save(given | {"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}, path)
    monkeypatch.setitem(paper_loop._BUILD, ("stage1", "resnet50"), lambda: small(33, 2))
    found = paper_loop._network(flow_options(TINY), path)
    assert torch.equal(found.layer1[0].conv2.weight, given["layer1.0.conv2.weight"])
    expected = given["conv1.weight"].mean(1) / 33
    assert torch.allclose(found.conv1.weight[:, 20], expected)


def test_samples_go_to_other_processes(clips, cache):
    options = flow_options(TINY)
    sequences = SequenceStore(clips, cache, options.frames, (options.height, options.width))
    store = StageStore(sequences, options, [], [])
    for samples, at in ((PaperWindows(store, options), (1, 1)), (PaperHeldOut(store, sequences, options), 0)):
        sent = pickle.loads(pickle.dumps(samples))
        assert all(np.array_equal(one, other) for one, other in zip(samples[at], sent[at], strict=True))


def test_the_four_networks_are_built(monkeypatch):
    built = []
    for stage, trunk in paper_loop._BUILD:
        monkeypatch.setitem(paper_loop._BUILD, (stage, trunk), lambda key=(stage, trunk): built.append(key))
        phase = "stage1" if stage == "stage1" else "stage3"
        paper_loop._network(replace(FlowOptions(preset="paper", phase=phase), trunk=trunk), None)
    assert built == [("stage1", "resnet50"), ("stage1", "resnet101"), ("refine", "resnet50"), ("refine", "resnet101")]
    assert dfc_net.stage1_resnet50 is not dfc_net.stage1_resnet101
