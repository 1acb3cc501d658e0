"""The report of a run: which frames are shown, what the timeline adds up to, and what becomes of the file."""

import base64
import colorsys
import hashlib
import os
import re
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from itertools import pairwise

import cv2
import numpy as np
import pytest
import reports
from hypothesis import given
from hypothesis import strategies as st
from reports import line, pictures, run_of

from vsdfvi.cleaning import report_numbers as numbers
from vsdfvi.cleaning.report import KINDS, Pictures, write_report
from vsdfvi.cleaning.report_pictures import LARGEST_BYTES, LARGEST_SIDE, image_of
from vsdfvi.cleaning.report_tally import (
    COLUMNS,
    FAULTS,
    SHEET,
    WORST,
    EvenlySpaced,
    Tally,
    distance_apart,
    tally_of,
)
from vsdfvi.cleaning.report_timeline import timeline
from vsdfvi.engine import views
from vsdfvi.engine.record import ORIGINS
from vsdfvi.settings import Settings

LARGEST_REPORT_BYTES = 15_000_000


# ---- Which frames are shown ----


def numbers_of(frames):
    return [frame.number for frame in frames]


@pytest.mark.parametrize(
    ("given", "doubt"),
    [
        ({"invented": 10}, 10),
        ({"traced": 100, "mean": 0.75}, 25),
        ({"traced": 100, "mean": 0.75, "invented": 10, "reference": 1000, "recovered": 500}, 35),
        ({"traced": 100, "mean": 1.0}, 0),
        ({"reference": 1000}, 0),
    ],
)
def test_doubt_is_what_is_to_be_expected_wrong(given, doubt):
    [worst] = tally_of([line(0, **given)], 1).worst()
    assert worst.doubt == doubt


@pytest.mark.parametrize(
    ("frames", "apart"),
    [(1, 1), (24, 1), (47, 1), (48, 2), (480, 20), (5760, 240), (200_000, 240), (240_000, 240), (480_000, 480)],
)
def test_worst_frames_lie_apart(frames, apart):
    assert distance_apart(frames) == apart


def test_the_worst_come_first_and_a_bad_stretch_takes_two_places_not_all():
    # Parts of 20 frames. 205 to 244 are worse than all others, and 212 and 233 are the worst of them.
    doubt = dict.fromkeys(range(480), 1) | dict.fromkeys(range(205, 245), 500)
    doubt |= {212: 900, 233: 901, 100: 50, 300: 60, 139: 40}
    worst = tally_of([line(number, invented=count) for number, count in doubt.items()], 480).worst()
    assert numbers_of(worst)[:5] == [233, 212, 300, 100, 139]
    assert len(worst) == WORST
    # The others are equal, so the earliest of each part stand for it, unless a worse one is near: 220 and 240 fall out.
    assert numbers_of(worst)[5:] == [0, 20, 40, 60, 80, 160, 180]


def test_of_equal_frames_the_larger_hole_counts_and_then_the_earlier():
    lines = [
        line(0, invented=5),
        line(1, invented=5, reference=1),
        line(2, invented=5, reference=1),
        line(3, reference=9),
    ]
    assert numbers_of(tally_of(lines, 4).worst()) == [1, 2, 0, 3]


def test_frames_without_a_hole_are_never_shown():
    tally = tally_of([line(0), line(1, state="rejected"), line(2, recovered=1)], 3)
    assert numbers_of(tally.worst()) == tally.sheet() == [2]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=300))
def test_the_worst_of_all_is_among_them_and_no_two_are_near(doubts):
    tally = tally_of((line(number, invented=count) for number, count in enumerate(doubts)), len(doubts))
    worst = numbers_of(tally.worst())
    assert len(worst) <= WORST
    if any(doubts):
        assert worst[0] == int(np.argmax(doubts))
    ordered = sorted(worst)
    assert all(after - before >= distance_apart(len(doubts)) for before, after in pairwise(ordered))


@pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 48, 49, 50, 97, 1000, 12_345])
def test_the_contact_sheet_is_evenly_spaced(count):
    spaced = EvenlySpaced(SHEET)
    for item in range(count):
        spaced.add(item)
    chosen = spaced.chosen()
    if count <= SHEET:
        assert chosen == list(range(count))
        return
    gaps = np.diff([*chosen, count + chosen[0]])
    assert len(chosen) == SHEET
    assert gaps.min() >= 1
    # Never twice as far as it should be, rounded up to what is kept.
    assert gaps.max() <= 2 * -(-count // SHEET)
    assert chosen[0] <= count / SHEET
    assert chosen[-1] >= count - 2 * count / SHEET


def test_a_sheet_of_few_and_of_many():
    assert tally_of((line(number, invented=number % 2) for number in range(20)), 20).sheet() == list(range(1, 20, 2))
    assert tally_of((line(number, invented=1) for number in range(48)), 48).sheet() == list(range(1, 48, 2))


# ---- What the timeline adds up to ----


@pytest.mark.parametrize("frames", [1, 7, COLUMNS - 1, COLUMNS, COLUMNS + 1, 2 * COLUMNS, 10_007])
def test_every_frame_is_in_one_column(frames):
    tally = Tally(frames)
    assert len(tally.columns) == min(frames, COLUMNS)
    edges = [tally.first_frame_of(column) for column in range(len(tally.columns) + 1)]
    assert (edges[0], edges[-1]) == (0, frames)
    for column, (first, after) in enumerate(pairwise(edges)):
        assert after - first in (frames // len(tally.columns), -(-frames // len(tally.columns)))
        assert [tally.column_of(number) for number in (first, after - 1)] == [column, column]


def test_a_column_adds_up_its_frames_and_shows_the_worst():
    lines = [line(number) for number in range(2 * COLUMNS)]
    lines[6] = line(6, traced=100, invented=4, mean=0.5, lowest=0.25)
    lines[7] = line(7, traced=300, reference=700, mean=1.0, lowest=0.5)
    tally = tally_of(lines, len(lines))
    column = tally.columns[3]
    assert column.frames == 2
    assert dict(zip(ORIGINS, column.sums, strict=True)) == {
        "invented": 4,
        "traced": 400,
        "reference": 700,
        "recovered": 0,
    }
    assert (column.mean, column.lowest, column.largest) == ((100 * 0.5 + 300) / 400, 0.25, 1000)
    assert column.worst.number == 6
    empty = tally.columns[4]
    assert (empty.frames, empty.hole, empty.mean, empty.lowest, empty.worst) == (2, 0, None, None, None)


def test_all_columns_together_are_all_lines():
    told = list(reports.lines(4000))
    tally = tally_of(told, 4000)
    total = tally.total()
    assert total.sums == [sum(each[name] for each in told) for name in ORIGINS]
    assert total.hole == sum(each["hole"] for each in told)
    assert total.largest == max(each["hole"] for each in told)
    assert total.lowest == min(each["lowest_confidence"] for each in told if each["traced"])
    assert total.mean == pytest.approx(
        sum(each["traced"] * (each["mean_confidence"] or 0) for each in told) / sum(each["traced"] for each in told),
        rel=1e-12,  # sums in another order
    )
    assert tally.on_record == sum(tally.states.values()) == 4000
    assert tally.states["empty"] == sum(each["hole"] == 0 for each in told)


def test_paths_are_what_the_lines_say():
    lines = [
        line(0, traced=300, invented=100, mean=0.75, lowest=0.5),
        line(1),
        line(2, reference=200),
        line(3, traced=1),
    ]
    tally = tally_of(lines, 4)
    drawn = timeline(tally, tally.worst(), 1000, Fraction(25))
    assert (drawn.columns, drawn.frames_each, drawn.top, drawn.middle) == (4, "a frame", "50 %", "25 %")
    # Half of the frame is 1000 units, so that 100 pixels are 200. What covers the least is drawn last.
    assert list(drawn.areas) == [
        ("reference", "M0 1000V200H1V1000H2V600H3V998H4V1000Z"),
        ("traced", "M0 1000V200H1V1000H3V998H4V1000Z"),
        ("invented", "M0 1000V800H1V1000H4V1000Z"),
    ]
    assert drawn.mean == "M0 200H1V1000H2V600H3V998H4"
    assert drawn.confidence == "M0 250H1M3 100H4"
    assert drawn.band == "M0 250H1V500H0ZM3 100H4V500H3Z"
    assert [(tick.frame, tick.time) for tick in drawn.ticks] == [
        ("0", "0:00:00.000"), ("1", "0:00:00.040"), ("2", "0:00:00.080"), ("3", "0:00:00.120"),
    ]  # fmt: skip
    assert [(mark.place, mark.number, mark.left) for mark in drawn.marks] == [(1, 0, 12.5), (3, 2, 62.5), (2, 3, 87.5)]
    assert drawn.readings.split("\n")[:2] == [
        "frame 0, 0:00:00.000: hole 40.0\xa0% of the frame, 25.0\xa0% of it invented, mean confidence 0.75",
        "nothing to repair",
    ]
    assert list(drawn.table[0]) == [
        "0", "0:00:00.000", "40.0\xa0%", "40.0\xa0%", "25.0\xa0%", "75.0\xa0%", "0\xa0%", "0\xa0%", "0.75", "0.50",
    ]  # fmt: skip
    assert list(drawn.table[1][-2:]) == ["\N{EN DASH}"] * 2


def test_lines_of_means_have_few_steps():
    # 3000 frames in columns of two; ten columns are a step. In every second step one frame of 20 has a hole.
    lines = [line(number, traced=200 * (number % 40 == 0), mean=0.5, lowest=0.5) for number in range(3000)]
    tally = tally_of([{**each, "mean_confidence": 0.5 if each["traced"] else None} for each in lines], 3000)
    drawn = timeline(tally, [], 1000, None)
    assert drawn.frames_each == "up to 2 frames"
    assert (
        drawn.mean
        == "M0 950" + "".join(f"H{10 * step}V{1000 if step % 2 else 950}" for step in range(1, 150)) + "H1500"
    )
    assert drawn.confidence == "".join(f"M{20 * step} 500H{20 * step + 10}" for step in range(75))


def test_a_band_goes_along_its_neighbours_and_back():
    lines = [line(0, traced=1, mean=0.9, lowest=0.8), line(1, traced=1, mean=0.7, lowest=0.1)]
    tally = tally_of(lines, 2)
    assert timeline(tally, [], 100, None).band == "M0 100H1V300H2V900H1V200H0Z"


def test_marks_that_would_cover_each_other_stand_in_rows():
    tally = tally_of((line(number, invented=100 if number < 480 else 1) for number in range(20_000)), 20_000)
    marks = timeline(tally, tally.worst(), 1000, None).marks
    assert {mark.level for mark in marks} == {0, 1, 2}
    for mark in marks:
        assert all(
            abs(mark.left - other.left) >= 3 for other in marks if other is not mark and other.level == mark.level
        )


def test_a_film_without_holes_has_a_report(tmp_path):
    write_report(
        tmp_path / "r.html", run_of(3), [line(number) for number in range(3)], lambda n: pytest.fail(f"asked for {n}")
    )
    assert "No frame has a hole" in (tmp_path / "r.html").read_text(encoding="utf-8")


# ---- Numbers as they are read ----


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"), (0, 0, "0 %"), (10, 10, "100 %"), (1, 10_000_000, "< 0.001 %"), (9_999, 10_000, "> 99.9 %"),
        (1, 2000, "0.050 %"), (1, 80, "1.25 %"), (1, 3, "33.3 %"), (999, 1000, "99.9 %"),
    ],
)  # fmt: skip
def test_shares(part, whole, text):
    assert numbers.percent(part, whole).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "\N{EN DASH}"), (0, "0"), (1, "1"), (0.004, "< 0.01"), (0.996, "> 0.99"), (0.5, "0.50")]
)
def test_confidences(value, text):
    assert numbers.confidence(value).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("frame", "rate", "text"),
    [
        (0, Fraction(24), "0:00:00.000"), (36, Fraction(24), "0:00:01.500"),
        (24_000, Fraction(24000, 1001), "0:16:41.000"), (5, None, ""), (90_000 * 25, Fraction(25), "25:00:00.000"),
    ],
)  # fmt: skip
def test_times(frame, rate, text):
    assert numbers.time_of(frame, rate) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7380, "2 h 03 min")],
)
def test_durations(value, text):
    assert numbers.duration(value) == text


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.0123, "0.012")])
def test_speeds(value, text):
    assert numbers.rounded(value) == text


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 0.001), (0.001, 0.001), (0.0011, 0.002), (3, 5), (5, 5), (5.01, 10), (21, 50), (51, 100), (100, 100)],
)
def test_upper_edges(value, top):
    assert numbers.nice_ceiling(value) == top


# ---- The page ----


class Page(HTMLParser):
    """What a page is made of: its elements with their attributes, and the texts of some."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.texts = {}
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, text):
        if self._open and text.strip():
            self.texts.setdefault(self._open[-1], []).append(text)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(path, run=None, lines=None, drawn=pictures):
    write_report(path, run or run_of(), reports.lines() if lines is None else lines, drawn)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report") / "film.report.html")


NASTY = "</title></style><script>alert(1)</script>\"' onload='x' {{ 7*7 }} ünï \N{RIGHT-TO-LEFT OVERRIDE}\U0001f39e.mkv"


def test_names_and_settings_are_text_and_nothing_else(tmp_path, page):
    settings = {**reports.HEADER["settings"], "weights": NASTY, "record": NASTY}
    header = {
        **reports.HEADER,
        "settings": settings,
        "program": NASTY,
        "machine": {NASTY: NASTY},
        "weights": [{"file": NASTY}],
    }
    run = run_of(title=NASTY, source=NASTY, output=NASTY, header=header, files=[(NASTY, "e" * 64)])
    nasty = page_of(tmp_path / "r.html", run)
    assert nasty.texts["title"][0] == NASTY
    # Title, source, output, and the name of a file; two settings; program, a fact of the machine, a file of weights.
    assert nasty.texts["bdi"].count(NASTY) == 4 + 2 + 3
    assert nasty.all("script") == page.all("script") == [{}]
    assert nasty.texts["script"] == page.texts["script"]
    assert not [name for _, attributes in nasty.elements for name in attributes if name.startswith("on")]


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path):
    assert page_of(tmp_path / "r.html", run_of(title="caf\udce9.mkv")).texts["title"][0] == "caf?.mkv"


def test_nothing_is_loaded_and_no_other_script_can_run(tmp_path, page):
    [policy] = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    [script] = page.texts["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    for _, attributes in page.elements:
        assert re.match(r"data:", attributes.get("src", "data:"))
        assert re.match(r"#|data:", attributes.get("href", "#"))
    [style] = page.texts["style"]
    assert "url(" not in style
    assert "@import" not in style


def test_every_picture_can_be_read_and_is_of_the_size_it_says(page):
    images = page.all("img")
    # Four and a thumbnail of each worst frame, before and after of each on the sheet.
    assert len(images) == 5 * WORST + 2 * SHEET
    for attributes in images:
        kind, data = attributes["src"].split(",")
        assert kind == "data:image/jpeg;base64"
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == (int(attributes["height"]), int(attributes["width"]), 3)
        assert "alt" in attributes


def test_frames_are_asked_for_once_and_in_order(tmp_path):
    asked = []

    def drawn(number):
        asked.append(number)
        return pictures(number)

    page = page_of(tmp_path / "r.html", drawn=drawn)
    tally = tally_of(reports.lines(), reports.FRAMES)
    assert asked == sorted({*numbers_of(tally.worst()), *tally.sheet()})
    shown = [each["id"] for each in page.all("article")]
    assert shown == [f"frame-{number}" for number in numbers_of(tally.worst())]


def test_pictures_are_in_their_places(tmp_path):
    flat = {"before": (255, 0, 0), "after": (0, 255, 0), "confidence": (0, 0, 255), "invented": (255, 255, 0)}
    drawn = Pictures(**{kind: np.full((18, 32, 3), colour, np.uint8) for kind, colour in flat.items()})
    page = page_of(tmp_path / "r.html", run_of(1), [line(0, invented=1)], lambda _: drawn)

    def colour(attributes):
        data = base64.b64decode(attributes["src"].partition(",")[2])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[9, 16, ::-1].astype(int)

    *large, thumbnail, after, before = page.all("img")
    expected = [*KINDS, "after", "after", "before"]
    for attributes, kind in zip([*large, thumbnail, after, before], expected, strict=True):
        assert np.abs(colour(attributes) - flat[kind]).max() <= 4  # JPEG
    assert [each["alt"] for each in large] == [f"Frame 0, {kind}" for kind in KINDS]


def test_settings_that_differ_come_first(tmp_path, page):
    tables = list(dict.fromkeys(each for each in page.texts["th"] if each in reports.HEADER["settings"]))
    assert tables[:3] == ["radius", "dilate", "record"]
    assert sorted(tables) == sorted(reports.HEADER["settings"])
    header = {**reports.HEADER, "settings": {"radius": Settings().radius, "of_tomorrow": 7}}
    other = page_of(tmp_path / "r.html", run_of(header=header))
    assert [each for each in other.texts["th"] if each in header["settings"]] == ["of_tomorrow", "radius"]


def test_what_is_wrong_is_said_first(tmp_path, page):
    assert "strong" not in page.texts or "Attention." not in page.texts["strong"]
    wrong = {"outside_after": "2" * 64}
    lines = [line(number, invented=1, **(wrong if 5 <= number < 30 else {})) for number in range(99)]
    text = " ".join(page_of(tmp_path / "r.html", run_of(100), lines).texts["p"])
    named = ", ".join(map(str, range(5, 5 + FAULTS)))
    assert f"Outside the hole something was changed, on 25 frames: {named}, ...." in text
    assert "1 frame of the film is not on record." in text


def test_a_run_that_computed_nothing_has_no_speed(tmp_path):
    page = page_of(tmp_path / "r.html", run_of(computed=0, seconds=0.0))
    assert "Nothing was computed: all frames were there from an earlier run." in page.texts["span"]
    resumed = page_of(tmp_path / "r.html", run_of(computed=20, seconds=10.0))
    assert "2.00 frames/s" in resumed.texts["strong"]
    assert "20 frames computed in 10.0 s on cpu; 100 were there from an earlier run." in resumed.texts["span"]


def test_a_header_of_nothing_is_enough(tmp_path):
    assert page_of(tmp_path / "r.html", run_of(header={}, files=(), rate=None)).all("article")


def test_the_colours_are_those_of_the_views(page):
    [style] = page.texts["style"]
    for name, ink in {
        "invented": views._INVENTED, "traced": views._TRACED,
        "reference": views._REFERENCE[0], "recovered": views._RECOVERED[0],
    }.items():  # fmt: skip
        expected = "".join(f"{round(255 * channel):02x}" for channel in ink[:3])
        assert re.search(rf"--{name}: #([0-9a-f]{{6}})", style)[1] == expected
    thirds = np.linspace(0, 1, 4, dtype=np.float32)
    ramp = [f"#{''.join(f'{round(15 * channel):x}' for channel in ink)}" for ink in views.confidence_ink(thirds)[:3].T]
    assert f"linear-gradient(90deg, {', '.join(ramp)})" in style


def test_nothing_beside_the_pictures_has_a_tint(page):
    [style] = page.texts["style"]
    bare = re.sub(r"--(invented|traced|reference|recovered): #\w+", "", style)
    bare = re.sub(r"linear-gradient\(90deg.*?\)", "", bare)
    bare = re.sub(r"\.warning \{.*?\}", "", bare)
    for colour in re.findall(r"#([0-9a-f]{3,8})\b(?=[^{}]*[;}])", bare):
        digits = colour if len(colour) < 6 else [colour[place : place + 2] for place in (0, 2, 4)]
        red, green, blue = (int(each, 16) for each in digits[:3])
        assert colorsys.rgb_to_hsv(red, green, blue)[1] == 0, colour


# ---- The file ----


@pytest.mark.parametrize("fails", ["pictures", "lines"])
def test_what_was_there_stays_when_something_fails(tmp_path, fails):
    path = tmp_path / "film.report.html"
    path.write_text("of yesterday")
    told = list(reports.lines())

    def broken_lines():
        yield from told[:50]
        raise OSError("the record cannot be read")

    def broken_pictures(number):
        if number > 60:
            raise OSError("the film cannot be read")
        return pictures(number)

    given = (broken_lines(), pictures) if fails == "lines" else (told, broken_pictures)
    with pytest.raises(OSError, match="cannot be read"):
        write_report(path, run_of(), *given)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "of yesterday"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "film.report.html"
    path.write_text("of yesterday")
    write = type(path).write_bytes

    def half(self, data):
        write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        write_report(path, run_of(), reports.lines(), pictures)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "of yesterday"


def test_a_report_replaces_the_one_before_and_others_may_read_it(tmp_path):
    path = tmp_path / "film.report.html"
    path.write_text("of yesterday")
    page_of(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes().startswith(b"<!doctype html>")
    (tmp_path / "other").touch()
    assert os.stat(path).st_mode == os.stat(tmp_path / "other").st_mode  # noqa: PTH116  both the same way


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_report(tmp_path / name, run_of(), reports.lines(), pictures)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_pictures_that_do_not_compress_are_made_to_fit(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (540, 960, 3), np.uint8)
    path = tmp_path / "noise.html"
    write_report(path, run_of(), reports.lines(), lambda _: Pictures(noise, noise, noise, noise))
    assert 0.5 * LARGEST_REPORT_BYTES < path.stat().st_size < LARGEST_REPORT_BYTES


@pytest.mark.parametrize(
    ("size", "shown", "scale"),
    [
        ((90, 160), (90, 160), 1),
        ((1080, 1920), (540, 960), 0.5),
        ((1920, 1080), (960, 540), 0.5),
        ((1, 5000), (1, 960), 0.192),
    ],
)
def test_a_picture_has_a_largest_side_and_says_its_scale(size, shown, scale):
    image = image_of(np.full((*size, 3), 100, np.uint8))
    assert ((image.height, image.width), image.scale) == (shown, scale)
    assert max(shown) <= LARGEST_SIDE


def test_a_picture_of_noise_becomes_smaller_and_says_so():
    image = image_of(np.random.default_rng(1).integers(0, 256, (900, 900, 3), np.uint8))
    assert len(image.address) <= 4 * LARGEST_BYTES / 3 + 30
    assert image.scale < 1
    assert image.width == round(900 * image.scale)


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((4, 4), np.uint8, "picture must be (height, width, 3) of uint8, got (4, 4) of uint8"),
        ((4, 4, 3), np.float32, "picture must be (height, width, 3) of uint8, got (4, 4, 3) of float32"),
        ((0, 4, 3), np.uint8, "picture must be (height, width, 3) of uint8, got (0, 4, 3) of uint8"),
    ],
)
def test_what_is_no_picture_is_refused(shape, kind, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        image_of(np.zeros(shape, kind))


def test_pictures_of_several_sizes_are_refused(tmp_path):
    odd = replace(pictures(0), before=np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=re.escape("pictures must be of one size, got (2, 2, 3), (90, 160, 3)")):
        write_report(tmp_path / "r.html", run_of(), reports.lines(), lambda _: odd)


@pytest.mark.parametrize("number", [-1, 3])
def test_a_frame_of_another_film_is_refused(number):
    with pytest.raises(ValueError, match=f"frame must be between 0 and 2, got {number}"):
        tally_of([line(number)], 3)


def test_memory_does_not_grow_with_the_film():
    told = list(reports.lines())

    def peak(frames):
        tracemalloc.start()
        tally = tally_of(({**told[number % len(told)], "frame": number} for number in range(frames)), frames)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert tally.on_record == frames
        return peak_bytes

    # A dict of each frame would take some 300 bytes of it: 60 MB.
    assert peak(200_000) < 3 << 20
