"""Folders as people have them: what is found in them, and what is read from them."""

import cv2
import numpy as np
import pytest
import vapoursynth as vs

from vsdfvi.errors import FormatError
from vsdfvi.evaluation.layouts import ANNOTATION, find_clips, pictures_of
from vsdfvi.evaluation.sources import Case, damaged, open_case
from vsdfvi.films.clips import planes_of, rgb_of, to_rgb

WIDTH, HEIGHT, FRAMES = 48, 32, 6


def write_picture(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def write_y4m(path, clip):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        clip.output(file, y4m=True)


def colour(n):
    """A flat picture, blue first as OpenCV has it."""
    return np.full((HEIGHT, WIDTH, 3), (10, 20, 30 + n), np.uint8)


def marked(n, value=255):
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[8:16, 4 + n : 12 + n] = value
    return hole


@pytest.fixture
def davis(tmp_path):
    """DAVIS as it is distributed, in PNG so that colours stay what they are."""
    for n in range(FRAMES):
        write_picture(tmp_path / "JPEGImages/480p/goat" / f"{n:05d}.png", colour(n))
        write_picture(tmp_path / "Annotations/480p/goat" / f"{n:05d}.png", marked(n))
        write_picture(tmp_path / "JPEGImages/480p/plain" / f"{n:05d}.png", colour(n))
    (tmp_path / "ImageSets").mkdir()
    return tmp_path


def holes_of(mask):
    return [planes_of(mask.get_frame(n))[0] > 0 for n in range(len(mask))]


def test_davis(davis):
    goat, plain = find_clips(davis)
    assert (goat.name, list(goat.masks)) == ("goat", [ANNOTATION])
    assert (plain.name, dict(plain.masks)) == ("plain", {})
    clip, mask = open_case(Case(clip="goat", kind=ANNOTATION, footage=goat.path, mask=goat.masks[ANNOTATION]))
    assert (clip.format.id, len(clip), clip.width, clip.height) == (vs.RGB24, FRAMES, WIDTH, HEIGHT)
    assert rgb_of(clip, 3)[0, 0].tolist() == [33, 20, 10]
    assert all(np.array_equal(hole, marked(n) > 0) for n, hole in enumerate(holes_of(mask)))


def test_youtube_vos_marks_some_frames_and_several_objects(tmp_path):
    for n in range(FRAMES):
        write_picture(tmp_path / "JPEGImages/0a1b" / f"{5 * n:05d}.png", colour(n))
    for n in (0, 4):
        objects = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        objects[marked(n) > 0] = (0, 0, 128)  # colours of the palette, as OpenCV reads them
        objects[20:24, 2:5] = (0, 128, 0)
        write_picture(tmp_path / "Annotations/0a1b" / f"{5 * n:05d}.png", objects)
    (found,) = find_clips(tmp_path)
    _, mask = open_case(Case(clip="0a1b", kind=ANNOTATION, footage=found.path, mask=found.masks[ANNOTATION]))
    nearest = [0, 0, 0, 4, 4, 4]  # frame 2 lies in the middle, and takes the earlier one's
    for n, hole in enumerate(holes_of(mask)):
        expected = marked(nearest[n]) > 0
        expected[20:24, 2:5] = True
        np.testing.assert_array_equal(hole, expected)


def test_palette_pictures_mark_what_is_not_black(tmp_path):
    from PIL import Image

    picture = Image.fromarray(marked(0, 2), mode="P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks" / "00000.png")
    write_picture(tmp_path / "clip" / "00000.png", colour(0))
    _, mask = open_case(Case(clip="a", kind="x", footage=tmp_path / "clip", mask=tmp_path / "masks"))
    np.testing.assert_array_equal(holes_of(mask)[0], marked(0) > 0)


def test_video_files_with_masks_as_videos_and_as_pictures(tmp_path):
    clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=WIDTH, height=HEIGHT, length=FRAMES, color=[90, 100, 150])
    write_y4m(tmp_path / "film.y4m", clip)
    # Limited range, as a mask that went through a codec has it.
    grey = vs.core.std.BlankClip(format=vs.YUV420P8, width=8, height=8, length=FRAMES, color=[235, 128, 128])
    write_y4m(
        tmp_path / "masks/film/logo.y4m", grey.std.AddBorders(4, WIDTH - 12, 8, HEIGHT - 16, color=[16, 128, 128])
    )
    write_picture(tmp_path / "masks/film/still/mask.png", marked(0))
    (tmp_path / "masks/film/notes.txt").write_text("no mask")
    (found,) = find_clips(tmp_path)
    assert (found.name, set(found.masks)) == ("film", {"logo", "still"})
    for kind, frames in (("logo", FRAMES), ("still", 1)):
        opened, mask = open_case(Case(clip="film", kind=kind, footage=found.path, mask=found.masks[kind]))
        assert (opened.format.id, len(opened), len(mask)) == (vs.YUV420P8, FRAMES, frames)
        assert all(np.array_equal(hole, marked(0) > 0) for hole in holes_of(mask))


def test_only_the_first_frames_count_when_so_asked(davis):
    path = davis / "JPEGImages/480p/goat"
    clip, mask = open_case(Case(clip="goat", kind="dirt", footage=path, frames=2))
    assert (len(clip), len(mask)) == (2, 2)
    _, whole = open_case(Case(clip="goat", kind="dirt", footage=path))
    assert np.array_equal(holes_of(mask)[1], holes_of(whole)[1])


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    for name in ("10.png", "9.png", "a.txt", "100.png"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_of(tmp_path)] == ["9.png", "10.png", "100.png"]


def test_damage_is_grey_in_every_plane_and_nothing_else(tmp_path):
    write_picture(tmp_path / "mask/0.png", marked(1))  # columns 5 to 12: chroma is damaged to 4 and 13
    clip = vs.core.std.BlankClip(format=vs.YUV420P10, width=WIDTH, height=HEIGHT, length=2, color=[300, 400, 600])
    mask = vs.core.std.BlankClip(format=vs.GRAY8, width=8, height=8, length=1, color=255)
    mask = mask.std.AddBorders(5, WIDTH - 13, 8, HEIGHT - 16)
    luma, u, v = planes_of(damaged(clip, mask).get_frame(1))
    hole = marked(1) > 0
    np.testing.assert_array_equal(luma, np.where(hole, 126 * 4, 300))
    chroma_hole = np.zeros((HEIGHT // 2, WIDTH // 2), bool)
    chroma_hole[4:8, 2:7] = True
    np.testing.assert_array_equal(u, np.where(chroma_hole, 512, 400))
    np.testing.assert_array_equal(v, np.where(chroma_hole, 512, 600))


def test_rgb_is_made_by_the_clips_own_matrix_and_by_the_usual_one_where_it_has_none():
    clip = vs.core.std.BlankClip(format=vs.YUV444P8, width=16, height=16, length=1, color=[81, 90, 240])  # red, BT.601
    small, large = clip, clip.resize.Point(width=16, height=720)
    assert rgb_of(to_rgb(small), 0)[0, 0].tolist() == pytest.approx([255, 0, 0], abs=2)
    assert rgb_of(to_rgb(large), 0)[0, 0].tolist() != pytest.approx([255, 0, 0], abs=2)
    marked_601 = large.std.SetFrameProps(_Matrix=6)
    assert rgb_of(to_rgb(marked_601), 0)[0, 0].tolist() == pytest.approx([255, 0, 0], abs=2)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"clip/0.png": colour(0), "mask/0.png": marked(0)[:16]}, "mask m must be 48x32 as its clip, got 48x16"),
        ({"clip/0.png": None, "mask/0.png": marked(0)}, "0.png must be a picture, got one that cannot be read"),
        ({"clip/a.txt": None, "mask/0.png": marked(0)}, "clip must be a folder of pictures"),
        ({"clip/0.png": colour(0), "mask/a.txt": None}, "mask must be a folder of pictures"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, files, problem):
    for name, picture in files.items():
        if picture is None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("not a picture")
        else:
            write_picture(tmp_path / name, picture)
    with pytest.raises(FormatError, match=problem):
        open_case(Case(clip="a", kind="m", footage=tmp_path / "clip", mask=tmp_path / "mask"))


def test_a_file_that_is_no_video_is_said(tmp_path):
    (tmp_path / "a.mkv").write_text("nothing")
    with pytest.raises(FormatError, match=r"clip must be a video file, got .*a\.mkv"):
        open_case(Case(clip="a", kind="box", footage=tmp_path / "a.mkv"))


def test_a_mask_of_another_length_is_refused(tmp_path):
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=WIDTH, height=HEIGHT, length=FRAMES)
    write_y4m(tmp_path / "a.y4m", clip)
    write_y4m(tmp_path / "m.y4m", clip[:4])
    with pytest.raises(FormatError, match="mask m must be 1 or 6 frames as its clip, got 4"):
        open_case(Case(clip="a", kind="m", footage=tmp_path / "a.y4m", mask=tmp_path / "m.y4m"))


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"^folder must hold video files, or JPEGImages/"):
        find_clips(tmp_path)
