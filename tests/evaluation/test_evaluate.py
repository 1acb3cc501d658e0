"""An evaluation from folder to table: two tiny clips and a broken one."""

import csv

import cv2
import numpy as np
import pytest
import scenes
from click.testing import CliRunner
from clips import clip_of, mask_of

from vsdfvi.cli.main import main
from vsdfvi.errors import SettingError
from vsdfvi.evaluation import evaluate as driver
from vsdfvi.evaluation import render as renderer
from vsdfvi.evaluation.borders import Border, RandomCuts
from vsdfvi.evaluation.contact_sheet import TILE, cut_out
from vsdfvi.evaluation.coverage import read_curves
from vsdfvi.evaluation.motion import luma_of
from vsdfvi.evaluation.plan import Plan
from vsdfvi.evaluation.report import markdown
from vsdfvi.evaluation.results import FIGURES, OK, Row, read_rows, write_rows
from vsdfvi.evaluation.scoring import Rendered, Repaired, score
from vsdfvi.evaluation.sources import Case, each_frame, open_case
from vsdfvi.films.clips import rgb_of, to_rgb
from vsdfvi.settings import settings_from

FORM = scenes.video_format(size=(48, 64), frames=6)
HOLE = scenes.box(FORM, (16, 21), (10, 16), (4, 0))
SCENES = {
    # What moves behind the hole, which Laplace cannot know; and a plain pan.
    "behind": scenes.occluder(FORM, (1, 0), (-2, 1), 8, HOLE),
    "pan": scenes.translation(FORM, (1.5, 0.5), HOLE, picture="brick"),
}
OPTIONS = ("--settings", "completion=laplace,threads=1", "--baselines", "telea,oracle", "--masks", "object")


def write_y4m(path, clip):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        clip.output(file, y4m=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips and masks, and results of a first run in ``out``."""
    folder = tmp_path_factory.mktemp("evaluation")
    for name, scene in SCENES.items():
        write_y4m(folder / "clips" / f"{name}.y4m", clip_of(scene.truth, FORM))
        write_y4m(folder / "clips/masks" / name / "object.y4m", mask_of(scene.mask))
    (folder / "clips" / "torn.mkv").write_bytes(b"not a video")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return CliRunner().invoke(main, ["evaluate", str(folder / "clips"), "--out", str(folder / "out"), *OPTIONS])


@pytest.fixture(scope="module")
def table(folder, run):
    with (folder / "out/results.csv").open(newline="") as file:
        return {(row["clip"], row["kind"], row["method"]): row for row in csv.DictReader(file)}


def test_every_clip_and_method_has_a_row(table):
    methods = ("ours", "telea", "oracle")
    assert set(table) == {(clip, "object", method) for clip in ("behind", "pan", "torn") for method in methods}
    for (clip, _, method), row in table.items():
        if clip != "torn":
            measured = {name for name in FIGURES if row[name]}
            of_the_engine = {"epe", "epe_visible"}
            of_an_account = {"traced", "traced_right", "wrong", "risk"}  # which the plugin's clip is examined for
            missing = {"telea": of_the_engine | of_an_account, "oracle": of_an_account, "ours": set()}
            assert measured == set(FIGURES) - missing[method]
            assert (row["status"], row["frames"]) == (OK, "6")
            assert float(row["peak_mib"]) > 10
            assert float(row["fps"]) > 0


def test_nothing_changes_outside_the_hole(table):
    assert {row["changed_outside"] for (clip, _, _), row in table.items() if clip != "torn"} == {"0"}


def test_the_methods_rank_as_they_must(table):
    def figure(clip, method, name="hole_psnr"):
        return float(table[clip, "object", method][name])

    # Measured in RGB: 47 dB against 11, and 11. (Nov 2026)
    assert figure("behind", "oracle") > figure("behind", "ours") + 10
    assert figure("pan", "ours") > figure("pan", "telea") + 10
    assert figure("behind", "ours", "epe") > 0.5 > figure("pan", "ours", "epe")
    assert figure("behind", "oracle", "epe") == 0
    assert figure("behind", "oracle", "grain") == pytest.approx(1, abs=0.1)
    assert figure("pan", "telea", "grain") < 0.5


def test_a_broken_clip_is_reported_and_the_others_go_on(run, table):
    assert run.exit_code == 1
    assert "clip must be a video file" in table["torn", "object", "ours"]["status"]
    assert "torn object telea: clip must be a video file" in run.output
    assert "6 of 9 rows" in run.output


def test_the_report_has_means_clips_and_failures(folder, run):
    text = (folder / "out/results.md").read_text()
    assert "Settings of ours: completion=laplace threads=1." in text
    assert "| object | ours | 2 |" in text
    assert "## behind, 6 frames" in text
    assert "| torn | object | telea | clip must be a video file" in text


def test_the_curves_are_those_of_rows_that_give_an_account(folder, run, table):
    curves = read_curves(folder / "out/coverage.csv")
    assert {(key[0], key[2]) for key in curves} == {("behind", "ours"), ("pan", "ours")}
    for key, curve in curves.items():
        assert curve.wrong[-1] == pytest.approx(float(table[key[:3]]["wrong"]), abs=1e-6)
        assert np.mean(curve.wrong) == pytest.approx(float(table[key[:3]]["risk"]), abs=1e-6)
    assert float(table["pan", "object", "ours"]["wrong"]) < 0.1 < float(table["behind", "object", "ours"]["wrong"])
    assert cv2.imread(str(folder / "out/coverage.png")) is not None


def test_the_contact_sheet_shows_damage_methods_and_truth(folder, run):
    sheet = cv2.imread(str(folder / "out/contact.png"))
    columns = sheet.shape[1] // 5
    first = [sheet[36 : 36 + TILE[0], k * columns : k * columns + TILE[1]].astype(float) for k in range(5)]
    damaged, _, telea, oracle, truth = first
    assert truth.std() > 10
    assert np.abs(damaged - truth).max() > 30
    assert np.abs(oracle - truth).mean() < 0.2 * np.abs(telea - truth).mean()


def test_rows_that_are_there_are_not_computed_again(folder, run, table, monkeypatch):
    asked = []

    def measure(plan, case, rows, announce, advance):
        asked.extend((row.clip, row.method) for row in rows)
        return [(row, None) for row in rows]

    monkeypatch.setattr(driver, "_measure", measure)
    before = read_rows(folder / "out/results.csv")

    def resumed(**changes):
        asked.clear()
        # Into a copy, so that other tests find the table as it was.
        write_rows(folder / "again/results.csv", before.values())
        settings = {"completion": "laplace", "threads": 1}
        plan = {"settings": settings, "baselines": ("telea", "oracle"), "kinds": ("object",), **changes}
        driver.evaluate(Plan(folder=folder / "clips", out=folder / "again", **plan), str, lambda: None)
        return set(asked)

    failed = {("torn", method) for method in ("ours", "telea", "oracle")}
    assert resumed() == failed
    assert resumed(settings={"completion": "laplace", "threads": 2}) == failed | {
        (clip, method) for clip in ("behind", "pan") for method in ("ours", "oracle")
    }
    everything = {(clip, method) for clip in ("behind", "pan", "torn") for method in ("ours", "telea", "oracle")}
    assert resumed(frames=4) == everything
    assert resumed(again=True) == everything
    assert resumed(seed=5) == failed  # these masks are not made


def test_a_method_sees_grey_and_its_frames_come_back_as_they_were_written(folder, tmp_path, monkeypatch):
    pan = SCENES["pan"]
    case = Case(clip="pan", kind="object", footage=folder / "clips/pan.y4m", mask=folder / "clips/masks/pan/object.y4m")
    monkeypatch.setitem(renderer._METHODS, "telea", lambda truth, broken, mask, settings: each_frame(broken))
    figures = renderer.render(case, "telea", {}, tmp_path / "out.raw")
    assert figures["frames"] == FORM.frames
    written = Rendered(tmp_path / "out.raw", FORM)
    for n in (4, 0, 5):
        for plane, samples in enumerate(written.planes(n)):
            grey = 128 if plane else 126
            expected = np.where(pan.plane_hole(n, plane), grey, pan.truth[n][plane])
            np.testing.assert_array_equal(samples, expected)


def test_a_step_stands_beside_the_truths_and_a_cut_at_random(folder, tmp_path):
    pan = SCENES["pan"]
    case = Case(clip="pan", kind="object", footage=folder / "clips/pan.y4m", mask=folder / "clips/masks/pan/object.y4m")
    clip, cuts, border = to_rgb(open_case(case)[0]), RandomCuts(), Border()
    for n in range(FORM.frames):
        luma = luma_of(rgb_of(clip, n))
        cuts.add(luma, pan.mask[n])
        border.add(luma, luma, pan.mask[n])
    repairs = []
    for brighter in (0, 40):
        repairs.append(Repaired(tmp_path / f"{brighter}.raw", 0))
        with repairs[-1].path.open("wb") as file:
            for n, planes in enumerate(pan.truth):
                for plane, samples in enumerate(planes):
                    added = samples + (np.uint8(brighter) * pan.plane_hole(n, plane) if plane == 0 else 0)
                    file.write(np.ascontiguousarray(added.astype(np.uint8)).data)
    same, bright = score(case, repairs, whole=False).figures
    assert (same["step"], same["ring"], same["changed_outside"]) == (1, 0, 0)
    assert same["step_random"] == pytest.approx(border.step / cuts.step)
    assert bright["step"] > 1.2
    assert bright["step_random"] == pytest.approx(bright["step"] * same["step_random"])
    assert 30 < bright["ring"] < 40 * 255 / 219 + 1  # limited range; white runs into its end


def test_without_the_plugin_nothing_is_begun(folder, monkeypatch):
    monkeypatch.setattr(renderer.vs, "core", object())
    answer = CliRunner().invoke(main, ["evaluate", str(folder / "clips"), "--out", str(folder / "none")])
    assert answer.exit_code == 1
    assert "Error: the plugin must be where VapourSynth finds it" in answer.output
    assert not (folder / "none").exists()


def test_a_process_that_dies_is_a_row_that_says_so(folder, monkeypatch):
    monkeypatch.setattr(driver.sys, "executable", "false")
    plan = Plan(folder=folder / "clips", out=folder / "dies", clips=("pan",), kinds=("object",), baselines=())
    (row,) = driver.evaluate(plan, str, lambda: None)
    assert row.status == "the process ended with status 1:"


def test_made_masks_are_used_where_there_are_none(folder):
    plan = Plan(folder=folder / "clips", out=folder / "x", clips=("pan", "torn"), seed=3)
    cases = [(case.clip, case.kind, case.mask is None) for case in driver.cases_of(plan)]
    assert cases[0] == ("pan", "object", False)
    assert [kind for clip, kind, made in cases if clip == "torn" and made] == [
        "box", "object", "logo", "subtitle", "scratch", "dirt",
    ]  # fmt: skip


def test_rows_survive_a_file(tmp_path):
    rows = [
        Row(clip='a,"b', kind="box", method="ours", settings="radius=3", limit=0, seed=None, frames=4,
            figures={"psnr": 31.25, "epe": float("nan"), "fps": 1e-3}),
        Row(clip="c", kind="dirt", method="telea", settings="", limit=5, seed=7, status="torn | apart"),
    ]  # fmt: skip
    write_rows(tmp_path / "new/results.csv", rows)
    back = list(read_rows(tmp_path / "new/results.csv").values())
    assert back[1] == rows[1]
    assert (back[0].key, back[0].frames, back[0].figures) == (rows[0].key, 4, {"psnr": 31.25, "fps": 0.001})


def test_the_share_of_the_gap_that_is_closed():
    figures = {("a", "laplace"): 20.0, ("a", "ours"): 23.0, ("a", "oracle"): 26.0, ("b", "laplace"): 10.0}
    rows = [
        Row(clip=clip, kind="box", method=method, settings="", limit=0, seed=1, figures={"hole_psnr": value})
        for (clip, method), value in figures.items()
    ]
    assert "| box | 1 | 20.00 | 23.00 | 26.00 | 50 % |" in markdown(rows, ["ours", "laplace", "oracle"], "")


def test_a_cut_out_has_the_hole_in_it_and_the_shape_of_a_tile():
    for height, width in ((48, 64), (720, 1280), (300, 200)):
        for x, y, side in ((0, 0, 5), (width - 7, height - 3, 3), (width // 3, 0, height)):
            hole = np.zeros((height, width), bool)
            hole[y : y + side, x : x + side] = True
            picture = np.repeat(hole[..., None], 3, axis=2).astype(np.uint8) * 255
            tile = cut_out(picture, hole)
            assert tile.shape == (*TILE, 3)
            assert tile.max() == 255


def test_settings_have_the_types_of_the_filter():
    assert settings_from(["radius=12", "consistency=2", "synthesis=diffusion"]) == {
        "radius": 12,
        "consistency": 2.0,
        "synthesis": "diffusion",
    }
    for word, problem in (
        ("radius", "settings must be name=value"),
        ("hat=3", "settings must be name=value"),
        ("radius=near", "radius must be int, got 'near'"),
        ("radius=0", "radius must be between 1 and"),
    ):
        with pytest.raises(SettingError, match=problem):
            settings_from([word])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"baselines": ("wizard",)}, "baselines must be of telea, median, prefill, laplace, oracle, got 'wizard'"),
        ({"settings": {"view": "mask"}}, "view must be result, got 'mask'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path, changes, problem):
    with pytest.raises(SettingError, match=problem):
        Plan(folder=tmp_path, out=tmp_path, **changes)
