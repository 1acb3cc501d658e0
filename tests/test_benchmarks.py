"""The arithmetic of benchmarks, where it is more than a mean."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from vsdfvi.evaluation.results import Row
from vsdfvi.settings import Settings

FOLDER = Path(__file__).parent / "benchmarks"
SHAPE = 12, 120, 160
HOLE = np.zeros(SHAPE, bool)
HOLE[:, 20:100, 20:140] = True


@pytest.fixture(scope="module")
def bench():
    """Benchmarks by name, as modules."""
    sys.path.insert(0, str(FOLDER))  # what they share lies beside them
    loaded = {}
    for name in ("bench_flicker", "bench_restoration"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        loaded[name] = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look it up
        spec.loader.exec_module(loaded[name])
    yield loaded
    sys.path.remove(str(FOLDER))
    for name in loaded:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("shared_error", "fill_grain", "expected"),
    [(0, 8, 0), (3, 8, 9), (3, 0, 9), (0, 12, 144 - 64), (2, 12, 4 + 144 - 64)],
    ids=["grain of its own", "and too bright", "smooth and too bright", "too much grain", "and too bright "],
)
def test_excess_is_what_independent_grain_does_not_have_to_cost(bench, shared_error, fill_grain, expected):
    random = np.random.default_rng(1)
    alone = random.uniform(60, 190, SHAPE)
    truths = [alone + 8 * random.standard_normal(SHAPE) for _ in range(2)]
    found = [np.where(HOLE, alone + shared_error + fill_grain * random.standard_normal(SHAPE), t) for t in truths]
    sums = bench["bench_flicker"].sums_of("scene", found, truths, alone, HOLE)
    excess, error = sums.excess()
    # Known to about a code squared from so many pixels: five standard errors, and what the spread is off. (Nov 2026)
    assert excess == pytest.approx(expected, abs=5 * error + 0.02 * fill_grain**2 + 1e-6)
    square = 64 + fill_grain**2 + shared_error**2
    assert sums.square / sums.pixels == pytest.approx(square, rel=0.02)


def test_without_grain_excess_is_the_whole_error(bench):
    alone = np.full(SHAPE, 100.0)
    sums = bench["bench_flicker"].sums_of("scene", [alone + 3.0 * HOLE], [alone], alone, HOLE)
    assert sums.excess() == (9.0, 0.0)
    assert sums.ring / sums.pairs == 3


def test_scenes_add_up(bench):
    alone, flicker = np.full(SHAPE, 100.0), bench["bench_flicker"]
    pooled = flicker.Sums()
    for error in (1.0, 3.0):
        pooled.add(flicker.sums_of(f"{error}", [alone + error * HOLE], [alone], alone, HOLE))
    assert pooled.excess() == (5.0, 0.0)
    assert pooled.pixels == 2 * HOLE.sum()
    assert set(pooled.of_scenes) == {"1.0", "3.0"}


def test_the_ladder_ends_with_the_defaults(bench):
    restoration = bench["bench_restoration"]
    variants = restoration.variants_of(restoration.LADDER, {"radius": 12})
    settings = [Settings.from_arguments(variant.settings) for variant in variants]
    assert settings[-1] == Settings(radius=12)
    assert settings[0] == Settings(radius=12, sources=1, refine=0, light=0, seam=0, grain=0)
    assert len({str(each) for each in settings}) == len(settings)


def test_means_are_over_clips_then_over_kinds(bench):
    restoration = bench["bench_restoration"]
    (variant,) = restoration.variants_of(["a:"], {})
    names = [name for names, _ in restoration.COLUMNS.values() for name in names]
    rows = [
        Row(clip=clip, kind=kind, method="a", settings="", limit=0, seed=1,
            figures={**dict.fromkeys(names, 0.0), "hole_psnr": psnr, "changed_outside": outside})
        for clip, kind, psnr, outside in (("x", "dirt", 20.0, 0.0), ("y", "dirt", 30.0, 2.0), ("x", "box", 10.0, 0.0))
    ]  # fmt: skip
    lines = restoration.means(rows, [variant])
    assert lines[2].startswith("| dirt | a | 2 | 25.00 |")
    assert lines[3].startswith("| box | a | 1 | 10.00 |")
    assert lines[4].startswith("| mean of the kinds | a |  | 17.50 |")
    assert [line.rstrip(" |").rpartition(" ")[2] for line in lines[2:]] == ["2", "0", "2"]
