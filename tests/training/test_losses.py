"""Losses, held to their definitions in tests/reference_training.py."""

import numpy as np
import pytest
import reference_training
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsdfvi.networks.dfc_compact import NEVER, Weighing
from vsdfvi.training.losses import (
    SMALLEST_VARIATION,
    TEMPERATURE,
    choice_loss,
    endpoint_error,
    flow_loss,
    hard_examples,
    relative_loss,
)
from vsdfvi.training.schedules import rate

# Sums of a few hundred float32 numbers against float64. Measured: 3e-7. (2026-11)
ROUNDING = 2e-6


def scene(seed, batch=2, ways=1, size=(7, 9), levels=None):
    """Output, target and hole at random; few levels make ties."""
    random = np.random.default_rng(seed)
    shape = batch, 2 * ways, *size
    output, target = random.normal(0, 3, shape), random.normal(0, 3, shape)
    if levels:
        output, target = np.round(output / 3 * levels), np.round(target / 3 * levels)
    return output.astype(np.float32), target.astype(np.float32), random.random((batch, ways, *size)) < 0.4


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000), st.sampled_from([1, 2]), st.sampled_from([None, 1, 2]),
    st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.99]), st.sampled_from([0.0, 1.0, 2.0]),
)  # fmt: skip
def test_the_papers_loss_is_what_it_says(seed, ways, levels, share, weight):
    output, target, hole = scene(seed, ways=ways, levels=levels)
    found = flow_loss(*map(torch.from_numpy, (output, target, hole)), hard_weight=weight, easy_share=share)
    expected = reference_training.flow_loss(output.astype(float), target.astype(float), hole, weight, share)
    assert found.item() == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([None, 1]), st.sampled_from([0.1, 0.5, 0.7]))
def test_the_relative_loss_is_what_it_says(seed, levels, share):
    flow, target, hole = scene(seed, batch=3, ways=2, levels=levels)
    hole = hole[:, 0]
    hole[1] = False
    found = relative_loss(*map(torch.from_numpy, (flow, target, hole)), hard_weight=1.0, easy_share=share)
    values = flow.astype(float), target.astype(float), hole
    expected = reference_training.relative_loss(*values, 1.0, share, SMALLEST_VARIATION)
    assert found.item() == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)


def test_hard_are_about_the_upper_half_of_a_hole():
    error = torch.arange(144.0).reshape(1, 12, 12)
    hard = hard_examples(error, torch.ones(1, 12, 12, dtype=torch.bool))
    assert hard.sum() == 71  # strictly above the one at place 72 of 0 to 143
    assert hard[0].flatten()[73:].all()


def test_a_hole_of_one_pixel_and_an_even_error_have_no_hard_pixels():
    one = torch.zeros(1, 4, 4, dtype=torch.bool)
    one[0, 1, 2] = True
    assert not hard_examples(torch.rand(1, 4, 4), one).any()
    assert not hard_examples(torch.ones(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)).any()


def test_errors_outside_the_hole_have_no_say():
    error = torch.zeros(1, 4, 4)
    error[0, 0] = 1000.0
    error[0, 3] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    hole = torch.zeros(1, 4, 4, dtype=torch.bool)
    hole[0, 3] = True
    assert hard_examples(error, hole).nonzero().tolist() == [[0, 3, 3]]


@pytest.mark.parametrize("loss", ["flow", "relative"])
def test_an_empty_hole_gives_a_loss_of_zero_and_no_gradient(loss):
    output = torch.ones(2, 4, 5, 5, requires_grad=True)
    target, hole = torch.zeros(2, 4, 5, 5), torch.zeros(2, 2, 5, 5, dtype=torch.bool)
    made = (
        flow_loss(output, target, hole, hard_weight=2.0)
        if loss == "flow"
        else relative_loss(output, target, hole[:, 0], hard_weight=2.0)
    )
    made.backward()
    assert made.item() == 0
    assert output.grad.abs().sum() == 0


def test_a_stage_of_the_paper_counts_hard_pixels_on_twice_the_scale():
    # Off by 1 in both components everywhere but in one pixel, which is off by 3 in both.
    output = torch.ones(1, 2, 2, 2)
    output[0, :, 1, 1] = 3.0
    hole = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    assert flow_loss(output, torch.zeros(1, 2, 2, 2), hole, hard_weight=0.0).item() == 1.5
    # The threshold is the third smallest of 2, 2, 2, 6.
    assert flow_loss(output, torch.zeros(1, 2, 2, 2), hole, hard_weight=2.0).item() == 1.5 + 2 * 6


def test_endpoint_error_is_a_length_in_the_hole():
    flow, hole = torch.zeros(4, 2, 2), torch.zeros(2, 2, dtype=torch.bool)
    flow[:, 0, 0] = torch.tensor([3.0, 4.0, 0.0, 1.0])
    hole[0, 0] = True
    assert endpoint_error(flow, torch.zeros(4, 2, 2), hole).item() == 3.0  # of 5 and 1
    assert endpoint_error(flow, torch.zeros(4, 2, 2), ~hole).item() == 0.0


def test_rates_rise_and_fall_with_the_step_alone():
    one_cycle = [rate("one-cycle", step, 1000, "joint") for step in range(1000)]
    assert one_cycle[0] == pytest.approx(1 / 25)
    assert max(one_cycle) == one_cycle[50] == 1.0
    assert one_cycle[-1] == pytest.approx(1e-4)
    assert [rate("milestones", step, 100_000, "stage1") for step in (0, 29_999, 30_000, 49_999, 50_000)] == [
        1, 1, 0.1, 0.1, 0.01,
    ]  # fmt: skip
    stage3 = [rate("milestones", step, 500_000, "stage3") for step in (49_999, 50_000, 100_000, 300_000)]
    assert stage3 == [1.0, 0.1, 0.01, 0.001]
    assert rate("cosine", 50, 100, "joint") == pytest.approx(0.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_choice_is_what_it_says(seed):
    random = np.random.default_rng(seed)
    flow, target, hole = scene(seed, batch=3, ways=1)
    hole = hole[:, 0]
    hole[1] = False
    height, width = hole.shape[1:]
    size = -(-height // 4) * 4, -(-width // 4) * 4  # the network's, which are multiples of 4
    candidates = random.normal(0, 0.3, (3, 4, 2, *size)).astype(np.float32)
    there = (random.random((3, 4, *size)) < 0.7).astype(np.float32)
    there[:, 0] = 1
    logits = [np.where(there > 0, random.normal(size=there.shape), NEVER).astype(np.float32) for _ in range(3)]
    weighing = Weighing([torch.from_numpy(part) for part in logits], *map(torch.from_numpy, (candidates, there)))
    weights = 0.5, 0.0, 1.0
    found = choice_loss(weighing, *map(torch.from_numpy, (flow, target, hole)), weights)
    doubles = (part.astype(float) for part in (candidates, there, flow, target))
    expected = reference_training.choice_loss(
        [part.astype(float) for part in logits], *doubles, hole, weights, SMALLEST_VARIATION, TEMPERATURE
    )
    assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)  # float32 against float64
