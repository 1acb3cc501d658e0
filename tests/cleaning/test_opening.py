"""What a path names: a file, a sequence of pictures, or neither."""

import films
import pytest
import vapoursynth as vs

from vsdfvi.cleaning.cleaning import sequence_name
from vsdfvi.cleaning.opening import is_named, open_film, pictures_named, sequence_of
from vsdfvi.errors import FormatError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(("spelled", "names"), [
    ("a_%04d.png", ["a_0007.png", "a_0008.png"]), ("a_####.png", ["a_0007.png", "a_0008.png"]),
    ("a_%d.png", ["a_9.png", "a_10.png"]), ("a_##.png", ["a_99.png", "a_100.png"]), ("50%_%03d.png", ["50%_001.png"]),
    ("", ["a_0007.png", "a_0008.png"]),
])  # fmt: skip
def test_sequences(spelled, names, tmp_path):
    folder = tmp_path / "100% #"
    touch(folder, *names, "notes.txt")
    found = sequence_of(str(folder / spelled))
    assert [file.name for file in found.files] == names
    assert all(file.is_file() for file in found.files)


def test_what_is_no_sequence(tmp_path):
    touch(tmp_path, "a_%04d.png", "film.mkv")
    assert sequence_of(str(tmp_path / "a_%04d.png")) is None  # a file of that name
    assert sequence_of(str(tmp_path / "film.mkv")) is None


def test_sequences_that_are_not_whole_are_refused(tmp_path):
    touch(tmp_path, *(f"a_{n:02d}.png" for n in (1, 2, 5, 7)))
    with pytest.raises(FormatError) as error:
        sequence_of(str(tmp_path / "a_%02d.png"))
    assert str(error.value) == (
        f"a sequence must have every picture from 1 to 7, got {tmp_path}/a_%02d.png without 3, 4, 6"
    )
    touch(tmp_path, "b_01.png")
    with pytest.raises(
        FormatError, match=r"a folder must hold one sequence of numbered pictures, got a_#\.png, b_#\.png"
    ):
        sequence_of(str(tmp_path))
    with pytest.raises(FormatError, match="pictures must be there, got none that is named"):
        sequence_of(str(tmp_path / "c_%02d.png"))


def test_names_of_an_output(tmp_path):
    assert sequence_name("x/f_%05d.png") == "x/f_%05d.png"
    assert sequence_name("x/f_###.png") == "x/f_%03d.png"
    assert sequence_name("x/10%_##.png") == "x/10%%_%02d.png"
    assert sequence_name("x/f.png") is None
    assert sequence_name("x/100%.png") is None
    assert is_named("f_007.png", "f_###.png")
    assert not is_named("f_7.png", "f_###.png")
    touch(tmp_path, "f_001.png", "f_005.png", "g_001.png")
    assert sorted(path.name for path in pictures_named(str(tmp_path / "f_%03d.png"))) == ["f_001.png", "f_005.png"]


def test_an_empty_picture_is_refused(tmp_path):
    films.film(tmp_path / "a_%02d.png", 3, samples="rgb24", arguments=())
    (tmp_path / "a_02.png").write_bytes(b"")
    with pytest.raises(FormatError, match=r"source must be of whole pictures, got a_02\.png, which is empty"):
        open_film(str(tmp_path / "a_%02d.png"))


def test_a_film_has_the_times_of_its_file(tmp_path):
    opened = open_film(str(films.film(tmp_path / "film.mkv", 5, rate="25")))
    assert [time * opened.time_base * 25 for time in opened.times] == [0, 1, 2, 3, 4]
    still = tmp_path / "still.png"
    films.run_ffmpeg("-f", "lavfi", "-i", "color=white:s=64x48", "-frames:v", "1", "-update", "1", str(still))
    opened = open_film(str(still))
    assert len(opened.clip) == len(opened.times) == 1
    assert opened.clip.format.color_family == vs.RGB
