"""What the filter reaches on real clips with known truth, beside the baselines of the evaluation set.

    python tests/benchmarks/bench_quality.py --set FOLDER/dev --scorer FOLDER/score.py --outputs build/quality

The folder holds ``manifest.json`` (clips), ``masks/manifest.json`` (mask files by clip and kind), ``baselines.json``
and, where there is one, ``oracle.json``. Every hole is overwritten with grey before the filter sees the clip. Outputs
are written losslessly in the clip's own format and scored by the set's own scorer, which is run as a program.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import vapoursynth as vs
from measured import use_checkout

use_checkout()
core = vs.core


def damaged(clip: vs.VideoNode, mask: vs.VideoNode) -> vs.VideoNode:
    """The clip with grey where the mask is white: a chroma sample is overwritten if any pixel that it covers is."""
    shift = clip.format.bits_per_sample - 8
    right, down = clip.format.subsampling_w, clip.format.subsampling_h

    def blank(n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
        frame, hole = f[0].copy(), np.asarray(f[1][0]) > 0
        for plane in range(clip.format.num_planes):
            if plane == 1:
                hole = hole.reshape(hole.shape[0] >> down, 1 << down, hole.shape[1] >> right, 1 << right).any(
                    axis=(1, 3)
                )
            np.asarray(frame[plane])[hole] = (128 if plane else 126) << shift
        return frame

    return clip.std.ModifyFrame([clip, mask], blank)


def write(clip: vs.VideoNode, path: Path, fps: str) -> float:
    """Write a clip losslessly; returns the seconds it took."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "yuv4mpegpipe", "-i", "pipe:0", "-c:v", "ffv1", "-level", "3"]
    begin = time.perf_counter()
    with subprocess.Popen([*command, "-g", "30", str(path)], stdin=subprocess.PIPE) as ffmpeg:
        clip.std.AssumeFPS(fpsnum=int(fps.split("/")[0]), fpsden=int((fps + "/1").split("/")[1])).output(
            ffmpeg.stdin, y4m=True
        )
        ffmpeg.stdin.close()
        if ffmpeg.wait():
            raise RuntimeError(f"ffmpeg must write {path}, got exit status {ffmpeg.returncode}")
    return time.perf_counter() - begin


def run(folder: Path, outputs: Path, kinds: list[str], clips: list[str], settings: dict[str, object]) -> None:
    """Inpaint every clip of the set under every mask asked for."""
    of_name = {entry["name"]: entry for entry in json.loads((folder / "manifest.json").read_text())["clips"]}
    for entry in json.loads((folder / "masks" / "manifest.json").read_text()):
        if (kinds and entry["kind"] not in kinds) or (clips and entry["clip"] not in clips):
            continue
        source = core.bs.VideoSource(str(folder / of_name[entry["clip"]]["file"]), cachemode=0)
        mask = core.bs.VideoSource(str(folder / entry["file"]), cachemode=0)
        mask = mask.resize.Point(format=vs.GRAY8, range_in_s="full", range_s="full").std.Binarize(128)
        repaired = damaged(source, mask).dfvi.Inpaint(mask, **settings)
        seconds = write(repaired, outputs / entry["clip"] / f"{entry['kind']}.mkv", str(of_name[entry["clip"]]["fps"]))
        print(f"{entry['clip']:11} {entry['kind']:9} {len(source) / seconds:6.1f} frames/s", flush=True)


def table(folder: Path, scores: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Ours beside the baselines, by kind of mask: means over the clips that were scored."""
    rows = json.loads((folder / "baselines.json").read_text())
    if (folder / "oracle.json").exists():
        rows += json.loads((folder / "oracle.json").read_text())
    methods = ("telea", "median", "flow", "oracle")
    lines = [
        "| mask | clips | " + " | ".join(methods) + " | ours | ours - flow | flicker flow | flicker ours | outside |"
    ]
    lines.append("|" + "---|" * (len(methods) + 7))
    gains = []
    for kind, of_clip in scores.items():
        means = [
            statistics.mean(
                r["hole_psnr"] for r in rows if r["kind"] == kind and r["method"] == m and r["clip"] in of_clip
            )
            for m in methods
        ]
        flicker = statistics.mean(
            r["flicker"] for r in rows if r["kind"] == kind and r["method"] == "flow" and r["clip"] in of_clip
        )
        ours = statistics.mean(result["hole_psnr"] for result in of_clip.values())
        our_flicker = statistics.mean(result["flicker"] for result in of_clip.values())
        gains.append(ours - means[2])
        cells = [kind, str(len(of_clip)), *(f"{mean:.2f}" for mean in means), f"{ours:.2f}", f"{gains[-1]:+.2f}"]
        worst = max(result["outside"] for result in of_clip.values())
        lines.append("| " + " | ".join([*cells, f"{flicker:.2f}", f"{our_flicker:.2f}", str(worst)]) + " |")
    lines.append(f"mean of the kinds: {statistics.mean(gains):+.2f} dB over the flow baseline")
    return lines


def main() -> None:
    """Run, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, help="folder with manifest.json, masks/ and baselines.json")
    parser.add_argument("--scorer", type=Path, help="the set's score.py")
    parser.add_argument("--outputs", type=Path, default=Path("build/quality"))
    parser.add_argument("--kind", nargs="*", default=[])
    parser.add_argument("--clip", nargs="*", default=[])
    parser.add_argument("--settings", type=json.loads, default={}, help='of the filter, such as {"radius": 12}')
    arguments = parser.parse_args()
    if arguments.set is None or arguments.scorer is None:
        print("bench_quality: skipped, needs --set and --scorer of an evaluation set")
        return
    run(arguments.set, arguments.outputs, arguments.kind, arguments.clip, arguments.settings)
    report = arguments.outputs / "scores.json"
    command = [sys.executable, str(arguments.scorer), "--set", str(arguments.set), "--outputs", str(arguments.outputs)]
    subprocess.run([*command, "--json", str(report)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = table(arguments.set, json.loads(report.read_text()))
    print("\n".join(lines))
    (arguments.outputs / "table.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
