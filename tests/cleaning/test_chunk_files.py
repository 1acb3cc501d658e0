"""Chunks: the same bytes each time, whole or not there, and made again where they are not what they were."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import films
import numpy as np
import pytest

import vsdfvi.cleaning.jobs
from vsdfvi.cleaning import cleaning, files
from vsdfvi.cleaning.chunk_files import ChunkName, ChunkReader, ChunkWriter, Patch, chunks_of
from vsdfvi.cleaning.jobs import Job
from vsdfvi.cleaning.schedulers import InProcess


def patch(seed: int, pixels: int = 40) -> Patch:
    random = np.random.default_rng(seed)
    index = tuple(np.sort(random.choice(1000, pixels, replace=False)) for _ in range(3))
    samples = tuple(random.integers(0, 1023, pixels, dtype=np.uint16) for _ in range(3))
    confidence = (random.integers(0, 256, pixels) / np.float32(255)).astype(np.float32)
    return Patch(index, samples, index[0].copy(), random.integers(0, 4, pixels, dtype=np.uint8), confidence)


def write(name: ChunkName) -> None:
    with ChunkWriter(name) as writer:
        for n in range(name.first, name.last + 1):
            writer.add({"frame": n}, patch(n) if n % 3 else None)
        writer.finish(seconds=1.5)


def test_what_is_written_is_read(tmp_path):
    name = ChunkName(tmp_path, 3, 30, 38)
    write(name)
    assert name.is_done()
    assert name.facts()["seconds"] == 1.5
    with ChunkReader(name, 3) as reader:
        assert list(reader.lines()) == [{"frame": n} for n in range(30, 39)]
        for n in range(30, 39):
            found = reader.patch(n)
            if n % 3 == 0:
                assert found is None
                continue
            wanted = patch(n)
            for a, b in zip(found.index + found.samples, wanted.index + wanted.samples, strict=True):
                assert np.array_equal(a, b)
            for field in ("pixels", "origin", "confidence"):
                assert np.array_equal(getattr(found, field), getattr(wanted, field))


def test_two_writers_give_the_same_bytes(tmp_path):
    names = [ChunkName(tmp_path / folder, 0, 0, 9) for folder in ("one", "two")]
    for name in names:
        name.folder.mkdir()
        write(name)
    assert names[0].file.read_bytes() == names[1].file.read_bytes()
    assert names[0].note.read_bytes() == names[1].note.read_bytes()


def test_an_error_leaves_nothing(tmp_path):
    name = ChunkName(tmp_path, 0, 0, 9)
    writer = ChunkWriter(name)
    writer.__enter__()
    writer.add({"frame": 0}, patch(0))
    writer.__exit__(RuntimeError, RuntimeError("midway"), None)
    assert list(tmp_path.iterdir()) == []
    assert not name.is_done()


def test_a_disk_that_is_full_when_a_chunk_is_closed_leaves_nothing(tmp_path, monkeypatch):
    name = ChunkName(tmp_path, 0, 0, 9)

    close = zipfile.ZipFile.close

    def full(self):
        close(self)
        raise OSError(28, "No space left on device")

    writer = ChunkWriter(name)
    writer.__enter__()
    writer.add({"frame": 0}, patch(0))
    writer.finish()
    monkeypatch.setattr(zipfile.ZipFile, "close", full)
    with pytest.raises(OSError, match="No space"):
        writer.__exit__(None, None, None)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["a byte", "the end", "the note", "the span", "no file", "no note"])
def test_a_chunk_that_is_not_what_it_was_is_not_done(harm, tmp_path):
    name = ChunkName(tmp_path, 0, 0, 9)
    write(name)
    content = bytearray(name.file.read_bytes())
    if harm == "a byte":
        content[len(content) // 2] ^= 1
        name.file.write_bytes(content)
    elif harm == "the end":
        name.file.write_bytes(content[:-1])
    elif harm == "the note":
        name.note.write_text(name.note.read_text()[:-5])
    elif harm == "the span":
        name = replace(name, last=10)
    elif harm == "no file":
        name.file.unlink()
    else:
        name.note.unlink()
    assert not name.is_done()


@pytest.mark.parametrize(("first", "last", "size", "spans"), [
    (0, 23, 8, [(0, 7), (8, 15), (16, 23)]), (5, 22, 8, [(5, 12), (13, 20), (21, 22)]), (7, 7, 8, [(7, 7)]),
])  # fmt: skip
def test_chunks_cover_a_range(first, last, size, spans, tmp_path):
    assert [(chunk.first, chunk.last) for chunk in chunks_of(tmp_path, first, last, size)] == spans


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file.mkv"
    path.write_bytes(b"old")

    def fail() -> None:
        with files.made_whole(path) as part:
            part.write_bytes(b"half")
            assert path.read_bytes() == b"old"
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert [each.name for each in tmp_path.iterdir()] == ["file.mkv"]
    assert path.read_bytes() == b"old"
    with files.made_whole(path) as part:
        part.write_bytes(b"new")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"new"]


def test_only_what_was_in_the_making_for_a_file_is_removed(tmp_path):
    path = tmp_path / "file.mkv"
    own, others = files.part_of(path), [files.part_of(tmp_path / name) for name in ("file.mp4", "other.mkv")]
    for each in (path, own, *others):
        each.touch()
    files.remove_parts(path)
    assert not own.exists()
    assert all(each.exists() for each in (path, *others))


# Of whole jobs -------------------------------------------------------------------------------------------------------


class Watch:
    """What is told of a job."""

    def __init__(self):
        self.frames = []

    def open(self, job):
        pass

    def begin(self, job, frames, done, size):
        self.done = done

    def stage(self, text):
        pass

    def frame(self, n, hole, invented):
        self.frames.append(n)


@pytest.fixture
def job(tmp_path):
    source = films.film(tmp_path / "film.mkv")
    job = Job(source=str(source), masks=(films.HOLE,), output=str(tmp_path / "out.mkv"), settings=films.QUICK, chunk=8,
              report=False, keep=True)  # fmt: skip
    assert made(job) == list(range(24))
    return job


def made(job, **options) -> list[int]:
    """The frames that a job computes."""
    watch = Watch()
    cleaning.clean(job, InProcess(), "cpu", watch, overwrite=True, **options)
    return watch.frames


def test_what_is_done_is_not_done_again(job):
    assert made(job) == []
    before = films.digest(job.work.parent / "out.mkv")
    Path(job.output).unlink()
    assert made(job) == []  # the chunks are there
    assert films.digest(job.work.parent / "out.mkv") == before


def test_a_chunk_that_was_harmed_is_made_again(job):
    Path(job.output).unlink()
    chunk = job.work / "chunk-000001.zip"
    good = chunk.read_bytes()
    chunk.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    assert made(job) == list(range(8, 16))
    assert chunk.read_bytes() == good


def test_an_output_that_was_harmed_is_made_again(job):
    output = job.work.parent / "out.mkv"
    good = output.read_bytes()
    output.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert made(job) == []
    assert output.read_bytes() == good


@pytest.mark.parametrize("change", ["settings", "mask", "frames", "chunk", "source", "version", "mask file", "list"])
def test_another_job_begins_anew(change, job, tmp_path, monkeypatch):
    mask = tmp_path / "mask.png"
    if change == "settings":
        other = replace(job, settings={**job.settings, "dilate": 1})
    elif change == "mask":
        other = replace(job, masks=("rectangle:20,12,12,10",))
    elif change == "frames":
        other = replace(job, frames=(0, 23))
    elif change == "chunk":
        other = replace(job, chunk=12)
    elif change == "source":
        films.film(tmp_path / "film.mkv", seed=7)
        other = job
    elif change == "version":
        monkeypatch.setattr(vsdfvi.cleaning.jobs, "__version__", "another")
        other = job
    elif change == "mask file":
        films.run_ffmpeg("-f", "lavfi", "-i", "color=white:s=64x48", "-frames:v", "1", "-update", "1", str(mask))
        other = replace(job, masks=(str(mask),))
        assert len(made(other)) == 24
        films.run_ffmpeg("-f", "lavfi", "-i", "color=black:s=64x48", "-frames:v", "1", "-update", "1", str(mask))
    else:
        rejected = tmp_path / "rejected.txt"
        rejected.write_text("3\n")
        other = replace(job, settings={**job.settings, "reject": str(rejected)})
        assert len(made(other)) == 24
        rejected.write_text("4\n")
    assert len(made(other)) == 24
    assert made(other) == []


@pytest.mark.parametrize("change", [{"memory": 512}, {"threads": 2}])
def test_what_no_sample_depends_on_begins_nothing_anew(change, job):
    assert made(replace(job, settings={**job.settings, **change})) == []


def test_an_index_that_was_harmed_changes_nothing(job):
    before = films.digest(job.work.parent / "out.mkv")
    Path(job.output).unlink()
    for index in job.work.glob("index-*"):
        index.write_bytes(index.read_bytes()[:40])
    (job.work / "chunk-000002.json").unlink()
    assert made(job) == list(range(16, 24))
    assert films.digest(job.work.parent / "out.mkv") == before


def test_chunks_hold_nothing_but_the_hole(job):
    with zipfile.ZipFile(job.work / "chunk-000000.zip") as chunk:
        counts = {name: np.lib.format.read_array(chunk.open(name)).size for name in chunk.namelist() if name != "lines"}
    assert {counts[f"{n}/0/samples"] for n in range(8)} == {144}
    assert {counts[f"{n}/1/samples"] for n in range(8)} == {36}
    note = json.loads((job.work / "chunk-000000.json").read_text())
    assert (note["first"], note["last"]) == (0, 7)
