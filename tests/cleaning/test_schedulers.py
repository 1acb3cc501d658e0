"""Chunks are handed out in stretches: each once, neighbours to one worker, and none waits while somebody is free."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsdfvi.cleaning.chunk_files import chunks_of
from vsdfvi.cleaning.schedulers import Stretches, scheduler
from vsdfvi.errors import SettingError


def chunks(count: int):
    return chunks_of(Path("work"), 0, 10 * count - 1, 10)


def test_workers_of_one_speed_get_neighbours():
    stretches = Stretches(chunks(8), ["a", "b"])
    given_out = {"a": [], "b": []}
    for _ in range(4):
        for worker, got in given_out.items():
            got.append(stretches.next(worker).number)
    assert given_out == {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7]}
    assert stretches.next("a") is None


def test_who_is_done_takes_the_far_half_of_the_longest_stretch():
    stretches = Stretches(chunks(8), ["a", "b"])
    assert [stretches.next("a").number for _ in range(7)] == [0, 1, 2, 3, 6, 7, 5]
    assert stretches.next("b").number == 4


def test_a_worker_that_comes_later_gets_a_share():
    stretches = Stretches(chunks(4), ["a"])
    assert stretches.next("new").number == 2
    assert [stretches.next("a").number for _ in range(2)] == [0, 1]


@given(st.integers(0, 40), st.integers(1, 6), st.lists(st.integers(0, 7), max_size=80))
def test_each_chunk_is_handed_out_once(count, workers, order):
    names = [f"worker {k}" for k in range(workers)]
    stretches = Stretches(chunks(count), names)
    got = [stretches.next(f"worker {who}") for who in order]
    while (chunk := stretches.next(names[0])) is not None:
        got.append(chunk)
    numbers = [chunk.number for chunk in got if chunk is not None]
    assert sorted(numbers) == list(range(count))
    assert None not in got[: min(count, len(order))]


def test_no_such_scheduler_is_a_sentence():
    with pytest.raises(SettingError, match="scheduler must be here, local, or the address of a Dask scheduler"):
        scheduler("nowhere").__enter__()
