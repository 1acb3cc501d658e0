"""Runs of DeepFill's training, its losses and its critics."""

import csv
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vsdfvi.errors import SettingError
from vsdfvi.networks.deepfill import DeepFill
from vsdfvi.networks.weights import load
from vsdfvi.training.checkpoints import load_checkpoint
from vsdfvi.training.critics import (
    Critics,
    corner_of,
    critics_loss,
    discounts,
    hole_error,
    reconstruction_loss,
    squares,
)
from vsdfvi.training.deepfill_loop import (
    DeepFillTask,
    HeldOutPictures,
    Pictures,
    PictureSamples,
    draw_sample,
    train_deepfill,
)
from vsdfvi.training.options import DeepFillOptions
from vsdfvi.training.run import Machine

OPTIONS = DeepFillOptions(
    steps=4, batch=2, size=32, critic_steps=2, workers=0, threads=1, device="cpu",
    checkpoint_every=0, evaluate_every=2, log_every=1,
)  # fmt: skip


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{name: text for name, text in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def tensors(state):
    """All tensors of a nested state, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [tensor for part in parts for tensor in tensors(part)]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_not(pictures, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_deepfill(pictures, whole, OPTIONS)
    assert train_deepfill(pictures, parts, OPTIONS, stop_after=2).step == 2
    export = tmp_path / "mine.safetensors"
    resumed = replace(OPTIONS, workers=2)
    train_deepfill(pictures, parts, resumed, resume=parts / "checkpoint.pt", export=export)
    one, other = (load_checkpoint(folder / "checkpoint.pt", "deepfill") for folder in (whole, parts))
    for name in ("model", "networks", "optimisers"):
        found, expected = tensors(getattr(other, name)), tensors(getattr(one, name))
        assert len(found) == len(expected) > 0
        assert all(map(torch.equal, found, expected)), name
    assert rows(whole) == rows(parts)
    assert [row["step"] for row in rows(whole)] == ["1", "2", "3", "4"]
    assert [bool(row["psnr"]) for row in rows(whole)] == [False, True, False, True]
    exported = load(export)
    assert isinstance(exported, DeepFill)
    assert all(map(torch.equal, tensors(dict(exported.state_dict())), tensors(dict(one.model))))


def test_reconstruction_alone_has_no_critics_and_learns(pictures):
    options = replace(OPTIONS, adversarial=0.0, learning_rate=3e-4)
    torch.manual_seed(0)
    task = DeepFillTask(options, Machine.of(options), Pictures(pictures))
    assert task.networks == {}
    assert task.samples_a_step == 2
    batch = [torch.from_numpy(np.stack(part)) for part in zip(task.samples[0, 0], task.samples[0, 1], strict=True)]
    losses = [task.learn(0, batch) for _ in range(40)]
    assert losses[-1] < 0.75 * losses[0]


def test_each_update_of_the_critics_has_pictures_of_its_own(pictures, monkeypatch):
    task = DeepFillTask(OPTIONS, Machine.of(OPTIONS), Pictures(pictures))
    assert task.samples_a_step == 6
    batch = [torch.stack([torch.as_tensor(part) for part in parts])
             for parts in zip(*(task.samples[0, index] for index in range(6)), strict=True)]  # fmt: skip
    seen = []
    monkeypatch.setattr(task, "_judge", lambda image, *rest: seen.append(image))
    task.learn(0, batch)
    assert torch.equal(torch.cat(seen), batch[0][:4])
    # A step of the generator leaves no gradient with the critics.
    assert all(parameter.grad is None for parameter in task.critics.parameters())


def test_critics_learn_to_tell_made_from_real():
    torch.manual_seed(0)
    critics = Critics(32)
    optimiser = torch.optim.Adam(critics.parameters(), 1e-3, (0.5, 0.9))
    real, made = torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32) * 0.3
    hole = torch.ones(4, 1, 32, 32, dtype=torch.bool)
    corner = torch.tensor([[0, 0], [4, 4], [8, 2], [16, 16]])
    for _ in range(15):
        optimiser.zero_grad()
        critics_loss(critics, real, made, hole, corner, torch.rand(4), 10.0).backward()
        optimiser.step()
    for of_real, of_made in zip(critics(real, corner), critics(made, corner), strict=True):
        assert of_real.mean() > of_made.mean()


def test_steepness_counts_in_the_hole_alone():
    torch.manual_seed(0)
    critics = Critics(32)
    picture, corner = torch.rand(1, 3, 32, 32), torch.zeros(1, 2, dtype=torch.int64)
    hole = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    # Real and made are the same: what is left is the penalty. With no hole the slope is 0, and 1 away from 1.
    found = critics_loss(critics, picture, picture, hole, corner, torch.rand(1), 10.0)
    assert found.item() == pytest.approx(2 * 10.0, rel=1e-4)


def test_critics_have_the_papers_sizes():
    critics = Critics(256)
    convolutions = [
        [tuple(layer.weight.shape) for layer in critic.layers if isinstance(layer, torch.nn.Conv2d)]
        for critic in (critics.whole, critics.local)
    ]
    assert convolutions[0] == [(64, 3, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (256, 256, 5, 5)]
    assert convolutions[1] == [(64, 3, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5)]
    assert (critics.whole.opinion.in_features, critics.local.opinion.in_features) == (256 * 16 * 16, 512 * 8 * 8)


def test_pixels_weigh_less_the_farther_they_are_from_known_ones():
    hole = np.zeros((9, 11), bool)
    hole[2:7, 3:8] = True
    weights = discounts(hole, 0.9)
    for y, x in np.ndindex(*hole.shape):
        known = [np.hypot(y - v, x - u) for v, u in np.ndindex(*hole.shape) if not hole[v, u]]
        assert weights[y, x] == pytest.approx(0.9 ** min(known), rel=1e-5)


def test_the_local_critic_looks_at_the_hole():
    hole = np.zeros((32, 32), bool)
    hole[20:24, 10:14] = True
    y, x = corner_of(hole)
    assert (y, x) == (14, 4)  # the hole's middle, (22, 12), is that of the square
    hole[:, :] = False
    hole[31, 0] = True
    assert tuple(corner_of(hole)) == (16, 0)
    picture = torch.arange(32.0).expand(1, 3, 32, 32)
    assert squares(picture, torch.tensor([[14, 4]]))[0, 0, 0].tolist() == list(range(4, 20))


def test_reconstruction_weighs_hole_and_rest_by_themselves():
    image, hole = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., 0, 0] = hole[..., 0, 1] = True
    weights = torch.ones(1, 1, 4, 4)
    weights[..., 0, 1] = 0.5
    coarse = torch.where(hole, 0.6, 0.2) + image
    coarse[..., 0, 1] = 0.3
    # In the hole (0.6 + 0.5 * 0.3) / 1.5, outside 0.2; nothing from the refined picture.
    assert reconstruction_loss(coarse, image, image, hole, weights).item() == pytest.approx(0.5 + 0.2)


def test_error_and_psnr_are_parts_of_full_scale():
    image, hole = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., 1, 1] = True
    error, psnr = hole_error(image + 0.2, image, hole)  # of -1 to 1
    assert (error, psnr) == (pytest.approx(0.1), pytest.approx(20.0))


@pytest.mark.parametrize("holes", ["box", "footage", "both"])
def test_samples_are_squares_with_a_hole(pictures, holes):
    options = replace(OPTIONS, holes=holes)
    path = pictures / "3.png"
    for seed in range(10):
        image, hole, weights, corner, share = draw_sample(np.random.default_rng(seed), path, options)
        assert image.shape == (3, 32, 32)
        assert (hole.shape, hole.dtype, weights.shape) == ((1, 32, 32), bool, (1, 32, 32))
        assert -1 <= image.min() < image.max() <= 1
        assert 0 < hole.mean() < 0.5
        assert (weights[~hole] == 1).all()
        assert all(0 <= at <= 16 for at in corner)
        assert 0 <= share < 1


def test_colours_are_in_the_networks_order(tmp_path):
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[..., 0] = 255  # blue, as OpenCV has it
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    image = draw_sample(np.random.default_rng(0), tmp_path / "a.png", OPTIONS)[0]
    assert [float(plane.mean()) for plane in image] == [1, -1, -1]


def test_each_twentieth_picture_is_held_out(tmp_path):
    for number in range(45):
        (tmp_path / f"{number:02}.png").write_bytes(b"x")
    found = Pictures(tmp_path)
    assert [path.stem for path in found.held_out] == ["00", "20", "40"]
    assert len(found.learned) == 42
    assert not set(found.learned) & set(found.held_out)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(SettingError, match="images must be a folder with two pictures or more"):
        Pictures(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(SettingError, match="images must be pictures that can be read"):
        PictureSamples(Pictures(tmp_path), OPTIONS)[0, 0]


def test_samples_go_to_other_processes(pictures):
    found = Pictures(pictures)
    for samples, at in ((PictureSamples(found, OPTIONS), (0, 1)), (HeldOutPictures(found, OPTIONS), 0)):
        sent = pickle.loads(pickle.dumps(samples))
        assert all(np.array_equal(one, other) for one, other in zip(samples[at], sent[at], strict=True))
