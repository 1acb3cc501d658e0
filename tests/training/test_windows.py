"""Windows: turned like the film they show, functions of a seed, and never of a held-out sequence."""

import numpy as np
import pytest

from vsdfvi.errors import SettingError
from vsdfvi.networks.dfc_compact import CENTRE
from vsdfvi.training.options import FlowOptions
from vsdfvi.training.sequences import Sequence
from vsdfvi.training.windows import (
    HeldOutWindows,
    SequenceStore,
    TrainingWindows,
    Window,
    cut,
    is_held_out,
    middle_pair,
    mirrored,
    reversed_in_time,
    seeds_held_out,
    seeds_to_learn,
    transposed,
    upended,
    window_of,
)

PAIRS, SIZE = 13, (10, 12)
FAR_END = 4  # a pair near the sequence's end, so that its window is cut off there

# Matrices of a few pixels, in float32. Measured: 4e-6. (2026-11)
ROUNDING = 2e-5


def motions(seed):
    """For each pair the affine map that takes places of a frame to the next one's."""
    random = np.random.default_rng(seed)
    maps = np.tile(np.eye(3), (PAIRS, 1, 1))
    maps[:, :2] += random.normal(0, 0.05, (PAIRS, 2, 3))
    maps[:, :2, 2] += random.normal(0, 3, (PAIRS, 2))
    return maps


def flow_of(maps, size):
    """Flow there and back of each pair, ``(pairs, 4, height, width)``."""
    y, x = np.mgrid[: size[0], : size[1]]
    places = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    both = [np.concatenate([((one @ places) - places)[:2] for one in (there, np.linalg.inv(there))]) for there in maps]
    return np.stack(both).reshape(-1, 4, *size).astype(np.float32)


def sequence_of(motion, truth, unknown, sure):
    size = unknown.shape[1:]
    return Sequence(flow_of(motion, size), unknown, flow_of(truth, size), sure, "made box")


def masks(seed):
    random = np.random.default_rng(seed)
    return random.random((PAIRS, *SIZE)) < 0.5, random.random((PAIRS, *SIZE)) < 0.8


FLIP_X = np.array([[-1, 0, SIZE[1] - 1], [0, 1, 0], [0, 0, 1]])
FLIP_Y = np.array([[1, 0, 0], [0, -1, SIZE[0] - 1], [0, 0, 1]])
SWAP = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def in_place(change):
    """The motion of a film whose pictures are changed by a map of places that is its own inverse."""
    return lambda maps: change @ maps @ change


CASES = {
    "mirrored": (mirrored, in_place(FLIP_X), lambda mask: mask[..., ::-1]),
    "upended": (upended, in_place(FLIP_Y), lambda mask: mask[..., ::-1, :]),
    "transposed": (transposed, in_place(SWAP), lambda mask: mask.swapaxes(1, 2)),
    "reversed": (reversed_in_time, lambda maps: np.linalg.inv(maps)[::-1], lambda mask: mask[::-1]),
}


@pytest.mark.parametrize("centre", [PAIRS // 2, FAR_END])
@pytest.mark.parametrize("name", CASES)
def test_a_turned_window_is_the_window_of_the_turned_film(name, centre):
    turn, of_motion, of_mask = CASES[name]
    unknown, sure = masks(3)
    found = turn(window_of(sequence_of(motions(1), motions(2), unknown, sure), centre))
    film = sequence_of(of_motion(motions(1)), of_motion(motions(2)), of_mask(unknown), of_mask(sure))
    expected = window_of(film, PAIRS - 1 - centre if name == "reversed" else centre)
    np.testing.assert_allclose(found.flow, expected.flow, atol=ROUNDING)
    np.testing.assert_allclose(found.target, expected.target, atol=ROUNDING)
    np.testing.assert_array_equal(found.unknown, expected.unknown)
    np.testing.assert_array_equal(found.hole, expected.hole)


def test_beyond_a_sequences_end_the_end_is_repeated():
    unknown, sure = masks(3)
    sequence = sequence_of(motions(1), motions(2), unknown, sure)
    window = window_of(sequence, 0)
    for offset in range(CENTRE + 1):
        np.testing.assert_array_equal(window.flow[offset], sequence.flow[0])
    np.testing.assert_array_equal(window.flow[CENTRE + 1], sequence.flow[1])
    np.testing.assert_array_equal(window.hole, unknown[0] & sure[0])


def test_a_cut_is_the_same_in_all_planes():
    unknown, sure = masks(3)
    window = window_of(sequence_of(motions(1), motions(2), unknown, sure), 6)
    part = cut(window, 2, 5, 6, 6)
    assert [plane.shape[-2:] for plane in part.arrays()] == [(6, 6)] * 4
    np.testing.assert_array_equal(part.flow, window.flow[..., 2:8, 5:11])
    np.testing.assert_array_equal(part.hole, window.hole[2:8, 5:11])


class Recorder:
    """A store that gives one sequence for every seed, and remembers which were asked for."""

    def __init__(self, sequence):
        self.sequence, self.seeds = sequence, []

    def get(self, seed):
        self.seeds.append(seed)
        return self.sequence


def recorder():
    unknown, sure = masks(3)
    return Recorder(sequence_of(motions(1), motions(2), unknown, sure))


def test_held_out_sequences_are_never_learned_from():
    options = FlowOptions(seeds=((0, 100), (900, 1000)), opening=20, growth=1, crop=0)
    store = recorder()
    windows = TrainingWindows(store, options)
    for step in range(0, 400, 2):
        windows[step, 0]
    learned = set(store.seeds)
    assert learned
    assert not any(is_held_out(seed) for seed in learned)
    held_out = HeldOutWindows(recorder(), options).seeds
    assert held_out == [7, 27, 47, 67, 87, 907, 927, 947, 967, 987]
    assert not learned & set(held_out)
    both = sorted(seeds_to_learn(options.seeds) + seeds_held_out(options.seeds))
    assert both == [*range(100), *range(900, 1000)]


def test_sequences_join_as_steps_go_by():
    options = FlowOptions(seeds=((0, 100),), opening=3, growth=10, crop=0)
    for step, allowed in ((0, {0, 1, 2}), (10, {0, 1, 2, 3}), (40, {0, 1, 2, 3, 4, 5, 6})):
        store = recorder()
        windows = TrainingWindows(store, options)
        for index in range(60):
            windows[step, index]
        assert set(store.seeds) == allowed
    store = recorder()
    windows = TrainingWindows(store, FlowOptions(seeds=((0, 10),), growth=0, crop=0))
    for index in range(100):
        windows[0, index]
    assert set(store.seeds) == {0, 1, 2, 3, 4, 5, 6, 8, 9}


def test_a_sample_is_a_function_of_seed_step_and_index():
    options = FlowOptions(seeds=((0, 20),), crop=8)
    first, second = TrainingWindows(recorder(), options), TrainingWindows(recorder(), options)
    second[3, 1]  # what was asked before has no say
    same = zip(first[5, 2], second[5, 2], strict=True)
    assert all(np.array_equal(one, other) for one, other in same)
    others = [(5, 3), (6, 2)]
    for at in others:
        assert not all(np.array_equal(one, other) for one, other in zip(first[5, 2], first[at], strict=True))
    moved = TrainingWindows(recorder(), FlowOptions(seeds=((0, 20),), crop=8, seed=1))
    assert not all(np.array_equal(one, other) for one, other in zip(first[5, 2], moved[5, 2], strict=True))


def test_windows_hold_a_hole_and_have_one_shape():
    windows = TrainingWindows(recorder(), FlowOptions(seeds=((0, 20),), crop=8))
    for index in range(30):
        flow, unknown, target, hole = windows[0, index]
        assert (flow.shape, unknown.shape, target.shape, hole.shape) == (
            (11, 4, 8, 8), (11, 8, 8), (4, 8, 8), (8, 8),
        )  # fmt: skip
        assert hole.sum() >= 20
        assert not (hole & (unknown[CENTRE] == 0)).any()
    whole = TrainingWindows(recorder(), FlowOptions(seeds=((0, 20),), crop=0))
    assert {whole[0, index][3].shape for index in range(30)} == {SIZE}


def test_the_middle_pair_has_a_hole():
    unknown, sure = np.zeros((PAIRS, 4, 4), bool), np.ones((PAIRS, 4, 4), bool)
    sequence = Sequence(np.zeros((PAIRS, 4, 4, 4)), unknown, np.zeros((PAIRS, 4, 4, 4)), sure, "made dirt")
    assert middle_pair(sequence) == PAIRS // 2
    unknown[[1, 8], 2, 2] = True
    assert middle_pair(sequence) == 8
    sure[8] = False
    assert middle_pair(sequence) == 1


def test_sequences_without_a_usable_hole_are_named():
    unknown, sure = np.zeros((PAIRS, *SIZE), bool), np.ones((PAIRS, *SIZE), bool)
    store = Recorder(sequence_of(motions(1), motions(2), unknown, sure))
    with pytest.raises(SettingError, match="clips must be such that flow can be measured"):
        TrainingWindows(store, FlowOptions(seeds=((0, 20),)))[0, 0]


def test_a_sequence_is_made_once_and_kept(clips, cache, tmp_path):
    store = SequenceStore(clips, cache, 13, (64, 64))
    made = store.get(5)
    assert store.path(5).is_file()
    assert [path.name for path in store.folder.iterdir() if path.name.startswith(".")] == []
    again = SequenceStore(clips, cache, 13, (64, 64))
    again._library = None  # nothing is made any more
    kept = again.get(5)
    for name in ("flow", "unknown", "target", "sure"):
        np.testing.assert_array_equal(getattr(made, name), getattr(kept, name))
    assert made.kind == kept.kind
    assert made.flow.shape == (12, 4, 32, 32)
    anew = SequenceStore(clips, tmp_path, 13, (64, 64)).get(5)
    np.testing.assert_array_equal(made.flow, anew.flow)


def test_other_options_and_clips_have_other_names(clips, cache, tmp_path):
    digests = [SequenceStore(clips, cache, *how).digest for how in ((13, (64, 64)), (14, (64, 64)), (13, (64, 66)))]
    (tmp_path / "0.avi").write_bytes((clips / "0.avi").read_bytes())
    digests.append(SequenceStore(tmp_path, cache, 13, (64, 64)).digest)
    (tmp_path / "1.avi").write_bytes(b"x")
    digests.append(SequenceStore(tmp_path, cache, 13, (64, 64)).digest)
    assert len(set(digests)) == 5


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(SettingError, match="clips must be a folder with video files"):
        SequenceStore(tmp_path, tmp_path, 13, (64, 64))


def test_a_window_is_plain_arrays_of_its_own():
    unknown, sure = masks(3)
    window = mirrored(window_of(sequence_of(motions(1), motions(2), unknown, sure), 6))
    assert isinstance(window, Window)
    assert all(plane.flags.c_contiguous for plane in window.arrays())
