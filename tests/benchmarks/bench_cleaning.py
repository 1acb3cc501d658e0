"""Prints, as JSON, what `vsdfvi clean` costs beyond the repair, and what workers bring.

    python tests/benchmarks/bench_cleaning.py [--frames 240] [--repeats 3] [--long 0]

A pan over noise of 320x180 with a box of 1/16, default settings but one thread each, chunks of 40 frames: by one
process, and by two workers of this machine, by turns; on the clock, from the stage that repairs to its end: what a
cluster takes to begin is apart. On a machine of two cores that are busy otherwise, two workers bring less.

Beside it: bytes of a chunk for each pixel of hole, the same with a hole of 1/400, where names and headers count; and
what chunks cost in time: the same frames in chunks of 8 and in one. With --long: a film of so many frames of 96x64, of
which one of 500 has a hole, and the most memory that the command and its ffmpeg had.
"""

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import measured

measured.use_checkout()

import films  # noqa: E402  which needs the path
import numpy as np  # noqa: E402
import psutil  # noqa: E402

SIZE = (180, 320)
LARGE, SMALL = "rectangle:120,68,80,45", "rectangle:120,68,16,9"
WHERE = {"one process": (), "two workers": ("--scheduler", "local", "--workers", 2)}


def run(source: Path, output: Path, mask: str, chunk: int, *words: object) -> dict[str, float]:
    """Clean a film: seconds until it repairs, seconds of repairing, seconds of the rest, and most MiB at once."""
    options = ("-m", mask, "-o", output, "--overwrite", "--no-report", "--keep", "--chunk", chunk)
    marks, peak = [time.perf_counter()], 0.0
    with films.begun("clean", source, *options, "--set", "threads=1", *words) as process:
        for line in process.stderr:
            if line.rstrip().endswith(("repairing", "encoding")):
                marks.append(time.perf_counter())
                peak = max(peak, memory(process.pid))
        process.wait()
    marks.append(time.perf_counter())
    assert process.returncode == 0
    return dict(zip(("begin", "repair", "finish"), np.diff(marks), strict=True)) | {"MiB": peak}


def memory(pid: int) -> float:
    """MiB of a process and its children."""
    sizes = []
    with contextlib.suppress(psutil.Error):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            sizes.append(process.memory_info().rss / 2**20)
    return sum(sizes)


def by_turns(source: Path, folder: Path, repeats: int) -> dict[str, object]:
    """One process and two workers."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in WHERE}
    for turn in range(repeats):
        for name, words in WHERE.items():
            taken[name].append(run(source, folder / f"{name}-{turn}.mkv", LARGE, 40, *words))
    ratios = [one["repair"] / two["repair"] for one, two in zip(*taken.values(), strict=True)]
    same = {films.digest(folder / f"{name}-{turn}.mkv") for name in WHERE for turn in range(repeats)}
    return {
        "seconds": {
            name: {part: measured.spread([each[part] for each in runs], 2) for part in ("begin", "repair", "finish")}
            for name, runs in taken.items()
        },
        "speed_up_of_repair": measured.spread(ratios, 2),
        "outputs_are_the_same": len(same) == 1,
    }


def chunks(source: Path, folder: Path, frames: int) -> dict[str, object]:
    """What chunks cost: on the disk, and in time."""
    found: dict[str, object] = {}
    for name, mask, pixels in (("hole of 1/16", LARGE, 80 * 45), ("hole of 1/400", SMALL, 16 * 9)):
        run(source, folder / "disk.mkv", mask, 40)
        size = sum(path.stat().st_size for path in (folder / "disk.mkv.vsdfvi").glob("chunk-*"))
        found[name] = {"bytes_a_frame": round(size / frames), "bytes_a_pixel_of_hole": round(size / frames / pixels, 2)}
    short, whole = (run(source, folder / "time.mkv", SMALL, chunk)["repair"] for chunk in (8, frames))
    found["repair_in_chunks_of_8_by_in_one"] = round(short / whole, 3)
    return found


def long(folder: Path, frames: int) -> dict[str, object]:
    """Most memory over a long film."""
    source, mask, output = (folder / f"long-{name}.mkv" for name in ("film", "mask", "out"))
    hole = "drawbox=30:20:16:16:white:fill:enable='lt(mod(n,500),1)'"
    films.run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=24", "-frames:v", str(frames), "-pix_fmt", "yuv420p",
                     "-c:v", "libx264", "-preset", "ultrafast", str(source))  # fmt: skip
    films.run_ffmpeg("-f", "lavfi", "-i", f"color=black:s=96x64:r=24,{hole}", "-frames:v", str(frames),
                     "-pix_fmt", "gray", *films.FFV1, str(mask))  # fmt: skip
    peaks: dict[str, float] = {}
    begun = time.perf_counter()
    with films.begun("clean", source, "-m", mask, "-o", output, "--no-report", "-q", *films.SET) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for each in (watched, *watched.children()):
                    name = "command" if each is watched else each.name()
                    peaks[name] = max(peaks.get(name, 0), each.memory_info().rss / 2**20)
            time.sleep(0.1)
    return {
        "frames": frames, "seconds": round(time.perf_counter() - begun),
        "peak_mib": {name: round(value) for name, value in peaks.items()},
        "record_bytes_a_frame": round((folder / "long-out.record.jsonl").stat().st_size / frames),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--long", type=int, default=0)
    given = parser.parse_args()
    load = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = films.film(folder / "film.mkv", given.frames, SIZE)
        results: dict[str, object] = {"workers": by_turns(source, folder, given.repeats)}
        results["chunks"] = chunks(source, folder, given.frames)
        if given.long:
            results["long"] = long(folder, given.long)
    measured.show("cleaning", results, frames=given.frames, load_before=round(load, 1))


if __name__ == "__main__":
    main()
