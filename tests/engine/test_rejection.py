"""``reject``: how it is read, what is refused, and that such frames are the source's."""

import re

import lender
import pytest
import scenes
from tolerance import assert_same_bits

from vsdfvi.engine.rejection import rejected_frames
from vsdfvi.errors import SettingError

RULE = 'reject must be frames such as "12, 40-52", or the path of a text file of such lines'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("7", (7,)),
        ("0", (0,)),
        ("12, 40-43", (12, 40, 41, 42, 43)),
        ("3-3,2", (2, 3)),
        ("5 - 7 ,1", (1, 5, 6, 7)),
        ("99", (99,)),
    ],
)
def test_lists(text, expected):
    assert sorted(rejected_frames(text, 100)) == list(expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("100", "reject must be frames of the clip, 0 to 99, got 100"),
        ("1, 90-100", "reject must be frames of the clip, 0 to 99, got 100"),
        ("9-4", "reject must be spans whose first frame is not after their last, got '9-4'"),
        ("twelve", f"{RULE} (No such file or directory), got 'twelve'"),
        ("-4", f"{RULE} (No such file or directory), got '-4'"),
        ("1,,2", f"{RULE} (No such file or directory), got '1,,2'"),
        ("a\x00b", RULE),
    ],
)
def test_what_is_no_list_and_no_file_is_refused(text, sentence):
    with pytest.raises(SettingError, match="^" + re.escape(sentence)):
        rejected_frames(text, 100)


def test_files(tmp_path):
    file = tmp_path / "rejected.txt"
    file.write_text(
        "\ufeff# frames that look better as they were\n"
        "\n"
        "12, 40-42   # a flash\n"
        '{"frame": 7, "hole": 30, "rejected": true}\n'
        '  {"frame": 8, "hole": 30, "rejected": false}\n'
        '{"frame": 9, "hole": 30}\r\n'
        '{"version": 1}\n',
        encoding="utf-8",
    )
    assert sorted(rejected_frames(str(file), 100)) == [7, 12, 40, 41, 42]
    empty = tmp_path / "none.txt"
    empty.write_text("")
    assert rejected_frames(str(empty), 100) == frozenset()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("4 to 7", "line 2 of reject bad.txt must be frames such as \"12, 40-52\", got '4 to 7'"),
        ("4,", "line 2 of reject bad.txt must be frames such as \"12, 40-52\", got '4,'"),
        ("9-4", "line 2 of reject bad.txt must be spans whose first frame is not after their last, got '9-4'"),
        ("4, 100", "line 2 of reject bad.txt must be frames of the clip, 0 to 99, got 100"),
        ("{frame: 4}", "line 2 of reject bad.txt must be an object in JSON, as it begins with {, got '{frame: 4}'"),
        (
            '{"rejected": true}',
            'line 2 of reject bad.txt must be an object whose "frame" is a frame\'s number, got \'{"rejected": true}\'',
        ),
        (
            '{"frame": -1, "rejected": true}',
            'line 2 of reject bad.txt must be an object whose "frame" is a frame\'s number, '
            'got \'{"frame": -1, "rejected": true}\'',
        ),
        ('{"frame": 100, "rejected": true}', "line 2 of reject bad.txt must be frames of the clip, 0 to 99, got 100"),
    ],
)
def test_lines_of_files_that_are_refused(tmp_path, line, sentence):
    file = tmp_path / "bad.txt"
    file.write_text(f"1\n{line}\n", encoding="utf-8")
    with pytest.raises(SettingError) as refusal:
        rejected_frames(str(file), 100)
    assert str(refusal.value) == sentence


def test_what_cannot_be_read_as_text_is_refused(tmp_path):
    file = tmp_path / "film.mkv"
    file.write_bytes(b"\x1a\x45\xdf\xa3\xff\xfe")
    with pytest.raises(SettingError, match="^" + re.escape(RULE) + r" \('utf-8' codec"):
        rejected_frames(str(file), 100)
    with pytest.raises(SettingError, match="^" + re.escape(RULE) + r" \(Is a directory\)"):
        rejected_frames(str(tmp_path), 100)


def film(**settings):
    form = scenes.video_format(size=(48, 64), frames=5)
    return lender.of_scene(scenes.translation(form, (1, 0)), completion="laplace", scene_threshold=0, **settings)


def test_rejected_frames_are_the_source_s_and_the_others_what_they_were():
    host, plain = film(reject="1, 3-4"), film()
    for n in range(5):
        found, expected = host.render(n), plain.render(n)
        if n in (1, 3, 4):
            assert all(a is b for a, b in zip(found, host.clip[n].planes, strict=True))
            assert (found[0] != expected[0]).any()
        else:
            for a, b in zip(found, expected, strict=True):
                assert_same_bits(a, b)
    assert set(host.properties) == {0, 2}


def test_they_are_known_at_creation():
    with pytest.raises(SettingError, match=r"^reject must be frames of the clip, 0 to 4, got 5$"):
        film(reject="5")


def test_a_view_of_a_rejected_frame_shows_that_nothing_changed():
    assert (film(reject="1", view="difference").render(1)[0] == film(view="difference").render(1)[0]).sum() < 48 * 64
    host = film(reject="1", view="difference")
    luma = host.render(1)[0]
    assert (luma == luma[0, 0]).all()
    for view in ("mask", "flow"):
        assert_same_bits(film(reject="1", view=view).render(1)[0], film(view=view).render(1)[0])
