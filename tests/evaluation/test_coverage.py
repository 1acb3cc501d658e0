"""Risk over coverage, worked out by hand; provenance written and read back."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import scenes
from clips import clip_of, mask_of
from lender import of_scene

from vsdfvi.engine.account import Repair
from vsdfvi.evaluation.coverage import COVERAGES, Coverage, Curve, read_curves, write_curves, write_plot
from vsdfvi.evaluation.provenance import read_provenance, write_provenance
from vsdfvi.evaluation.render import provenance_of, render
from vsdfvi.evaluation.sources import Case

FORM = scenes.video_format(size=(48, 64), frames=4)


def coverage(errors, confidence, distance=None) -> Coverage:
    made = Coverage()
    distance = np.ones(len(errors)) if distance is None else distance
    made.add(
        *(np.array(of, kind) for of, kind in ((errors, np.float32), (distance, np.int32), (confidence, np.float32)))
    )
    return made


def test_the_curve_by_hand():
    # Twenty pixels, the most confident last: each point of the curve takes one more.
    errors = [20.0] * 5 + [9.999] * 5 + [1.0] * 10
    curve = coverage(errors, np.linspace(0.05, 1, 20)).curve()
    assert curve.wrong[:15] == (0,) * 15
    assert curve.wrong[15:] == pytest.approx([k / (15 + k) for k in range(1, 6)])
    assert curve.square[9] == pytest.approx(1)
    assert curve.square[-1] == pytest.approx((5 * 400 + 5 * 9.999**2 + 10) / 20, rel=1e-5)


def test_shares_by_hand():
    #         wrong  right  wrong, invented  right, invented  at the limit: wrong
    errors = [-50.0, 9.9, 60.0, 0.0, 10.0]
    figures = coverage(errors, [0.4, 1, 0, 0, 0.9], [-3, 1, 0, 0, 2]).figures()
    assert figures["traced"] == pytest.approx(3 / 5)
    assert figures["traced_right"] == pytest.approx(1 / 3)
    assert figures["wrong"] == pytest.approx(3 / 5)


def test_risk_is_small_for_a_confidence_that_tells_and_the_share_of_all_for_one_that_does_not():
    random = np.random.default_rng(1)
    wrong = random.random(20_000) < 0.2
    errors = np.where(wrong, 40, 2)
    claimed = 1 - 0.5 * wrong, np.full(20_000, 0.7), 0.4 + 0.5 * wrong
    tells, silent, lies = (coverage(errors, confidence).figures()["risk"] for confidence in claimed)
    share = wrong.mean()
    assert silent == pytest.approx(share)
    # No mistake below coverage 1 - share, then 1 - (1 - share) / coverage; the other way round: share / coverage.
    at = np.array(COVERAGES) / 100
    assert tells == pytest.approx(np.maximum(0, 1 - (1 - share) / at).mean(), abs=1e-6)
    assert lies == pytest.approx(np.minimum(1, share / at).mean(), abs=1e-6)


def test_what_is_invented_comes_last_whatever_its_confidence():
    curve = coverage([0.0, 30.0], [0.5, 0.9], [1, 0]).curve()
    assert curve.wrong[9] == 0
    assert curve.wrong[-1] == 0.5


def test_pixels_in_pieces_are_pixels_at_once():
    random = np.random.default_rng(2)
    errors, confidence = random.normal(0, 10, 999).astype(np.float32), random.random(999).astype(np.float32)
    whole, pieces = coverage(errors, confidence), Coverage()
    for part in np.array_split(np.arange(999), 7):
        pieces.add(errors[part], np.ones(part.size, np.int32), confidence[part])
    assert pieces.curve().wrong == pytest.approx(whole.curve().wrong, abs=1e-12)
    assert pieces.figures() == pytest.approx(whole.figures(), abs=1e-12)


def test_nothing_has_no_curve():
    assert Coverage().curve() is None
    assert np.isnan(list(Coverage().figures().values())).all()


def test_curves_survive_a_file_and_can_be_looked_at(tmp_path):
    curves = {
        ('a,"b', "box", "ours", "radius=3", "0", ""): Curve(tuple(range(20)), tuple(k / 100 for k in range(20))),
        ("c", "dirt", "ours", "", "5", "7"): Curve((0.25,) * 20, (0.5,) * 20),
    }
    write_curves(tmp_path / "coverage.csv", curves)
    back = read_curves(tmp_path / "coverage.csv")
    assert back == curves
    assert read_curves(tmp_path / "none.csv") == {}
    write_plot(tmp_path / "one.png", {"box": [curves[key] for key in curves]})
    write_plot(tmp_path / "none.png", {})
    one, none = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "none.png"))
    coloured = (one.max(axis=2).astype(int) - one.min(axis=2)) > 60
    assert coloured.sum() > 300  # a line
    assert not ((none.max(axis=2).astype(int) - none.min(axis=2)) > 60).any()


def test_provenance_survives_a_file(tmp_path):
    pixels = SimpleNamespace(count=2, x=np.array([3, 1], np.int32), y=np.array([0, 2], np.int32))
    repair = Repair(pixels, (), np.array([-128, 5], np.int32), np.array([0.25, 1], np.float32), np.ones(2, np.uint8))
    with (tmp_path / "p").open("wb") as file:
        for frame in (None, repair, None):
            write_provenance(file, frame)
    with (tmp_path / "p").open("rb") as file:
        frames = [read_provenance(file, 3, 5) for _ in range(3)]
    for n in (0, 2):
        assert not frames[n][0].any()
        assert not frames[n][1].any()
    assert (frames[1][0][0, 3], frames[1][0][2, 1], frames[1][1][0, 3], frames[1][1][2, 1]) == (-128, 5, 0.25, 1)
    assert np.count_nonzero(frames[1][0]) == np.count_nonzero(frames[1][1]) == 2


def test_provenance_beside_a_rendered_clip_is_that_of_its_views(tmp_path):
    scene = scenes.translation(FORM, (1.5, 0.5), scenes.box(FORM, (16, 21), (10, 16), (4, 0)))
    for name, clip in (("clip", clip_of(scene.truth, FORM)), ("mask", mask_of(scene.mask))):
        with (tmp_path / f"{name}.y4m").open("wb") as file:
            clip.output(file, y4m=True)
    case = Case(clip="pan", kind="box", footage=tmp_path / "clip.y4m", mask=tmp_path / "mask.y4m")
    render(case, "ours", {"threads": 1, "completion": "laplace"}, tmp_path / "out.raw")
    lender = of_scene(scene, completion="laplace")
    with provenance_of(tmp_path / "out.raw").open("rb") as file:
        for n in range(FORM.frames):
            distance, confidence = read_provenance(file, FORM.height, FORM.width)
            lender.render(n)
            assert np.count_nonzero(distance) == lender.properties[n]["DfviTraced"] > 0
            assert not distance[~scene.mask[n]].any()
            assert ((confidence > 0) == (distance != 0)).all()
        assert not file.read()
