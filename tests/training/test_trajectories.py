"""What the compact network sees of motion that it can follow: along a trajectory nothing changes."""

import numpy as np
import pytest
import torch

from vsdfvi.networks.dfc_compact import CENTRE, WINDOW, CompactDFCNet, _describe

HEIGHT, WIDTH = 40, 48
ALIGNED = CompactDFCNet.INPUTS - 2 * (WINDOW - 1) * 3  # first channel of what is followed
OFFSETS = [sign * step for sign in (1, -1) for step in range(1, CENTRE + 1)]

# Places and differences in float32, in the network's scale. Measured: 2e-5. (2026-11)
ROUNDING = 2e-4


def film(across, down, shear):
    """Flow of a window whose pixels each keep their velocity, and whose velocities move down with them.

    A pixel that begins at height u goes ``across + shear * u`` to the right and ``down`` downwards, every frame.
    """
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    flows = []
    for t in range(-CENTRE, CENTRE + 1):
        now, then = across + shear * (y - down * t), across + shear * (y - down * (t + 1))
        flows.append(np.stack([now, np.full_like(x, down), -then, np.full_like(x, -down)]))
    return torch.from_numpy(np.stack(flows).astype(np.float32))[None]


def followed(flow, known):
    """Differences ``(2, 10, 2, H, W)`` and weights ``(2, 10, H, W)``: by direction and offset."""
    window, _ = _describe(flow, known)
    parts = window[0, ALIGNED:].reshape(2, WINDOW - 1, 3, HEIGHT, WIDTH)
    return parts[:, :, :2], parts[:, :, 2]


MOTIONS = {"constant": (3.0, -2.0, 0.0), "fraction": (1.25, 0.5, 0.0), "shear": (0.5, 1.5, 0.05), "still": (0, 0, 0)}


@pytest.mark.parametrize("name", MOTIONS)
def test_along_a_trajectory_consistent_motion_shows_no_difference(name):
    differences, weights = followed(film(*MOTIONS[name]), torch.ones(1, WINDOW, HEIGHT, WIDTH))
    assert float((differences * weights[:, :, None]).abs().max()) < ROUNDING
    middle = weights[:, :, HEIGHT // 2, WIDTH // 2]
    assert bool((middle == 1).all())  # in the middle nothing is left out, so that the test sees something


def test_at_the_same_place_the_same_motion_would_differ():
    flow = film(*MOTIONS["shear"])
    assert float((flow[:, 0] - flow[:, CENTRE]).abs().max()) > 0.3


@pytest.mark.parametrize("direction", [0, 1], ids=["forward", "backward"])
def test_what_is_known_is_looked_up_where_the_pixel_is(direction):
    across, down = 3, -2
    known = torch.ones(1, WINDOW, HEIGHT, WIDTH)
    known[0, :, 20, 30] = 0  # a hole that stands still
    _, weights = followed(film(across, down, 0.0), known)
    for number, offset in enumerate(OFFSETS):
        expected = torch.ones(HEIGHT, WIDTH)
        y, x = 20 - down * offset, 30 - across * offset  # of the pixel that comes to lie there
        if 0 <= y < HEIGHT and 0 <= x < WIDTH:
            expected[y, x] = 0
        rows, columns = torch.arange(HEIGHT)[:, None] + down * offset, torch.arange(WIDTH) + across * offset
        inside = (rows >= 0) & (rows < HEIGHT) & (columns >= 0) & (columns < WIDTH)
        assert torch.allclose(weights[direction, number], expected * inside, atol=ROUNDING), offset


def test_what_leaves_the_picture_weighs_nothing():
    differences, weights = followed(film(5.0, 0.0, 0.0), torch.ones(1, WINDOW, HEIGHT, WIDTH))
    last = OFFSETS.index(CENTRE)
    assert float(weights[0, last, :, -5 * CENTRE :].max()) == 0
    assert float(differences[0, last, :, :, -5 * CENTRE :].abs().max()) == 0
    assert float(weights[0, last, :, : -5 * CENTRE].min()) == 1
