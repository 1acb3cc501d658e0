"""What ``bench_gpu.py`` found, as tables in Markdown."""

from typing import Any

AIMS = {
    "432x240, whole frame": 200,
    "1920x1080, logo 2 %": 100,
    "1920x1080, scratch": 24,
}
"""Frames a second that are aimed at."""

AIM_OF_COPY = 0.6
"""Share of a copy's bandwidth that kernels bound by memory should reach."""


def markdown(where: dict[str, Any], results: dict[str, Any]) -> str:
    """Return the tables of what there is."""
    device, versions = where["device"], where["versions"]
    parts = [
        f"{device['name']} ({device['memory_GiB']} GiB, {device['processors']} processors), driver {device['driver']}, "
        f"{where['machine']['cores']} cores; torch {versions['torch']}, CuPy {versions['cupy']}; "
        f"commit {where['commit'] or 'unknown'}, package {where['package_sha256']}"
    ]
    if where["stand_in"]:
        parts.append("**A stand-in for a GPU, at tiny sizes: these figures show that it runs, and nothing of speed.**")
    if "kernels" in results:
        parts.append(_kernels(results, plain=where["stand_in"]))
    if "films" in results:
        parts += [_films(results["films"], plain=where["stand_in"]), _stages(results["films"])]
    if "first" in results:
        parts.append(_first(results["first"]))
    return "\n\n".join(parts)


def _rows(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _spread(each: dict[str, float]) -> str:
    return f"{each['median']} ± {each['iqr'] / 2:.2g}"


def _kernels(results: dict[str, Any], *, plain: bool) -> str:
    copy = results["copy"]
    rows: list[tuple[Any, ...]] = [
        ("copy", f"{copy['buffer_MiB']:.0f} MiB", _spread(copy["us"]), "", 2 * copy["buffer_MiB"],
         "" if plain else copy["GB_per_s"]["median"], "" if plain else 1)
    ]  # fmt: skip
    for name, row in results["kernels"].items():
        if name != "how":
            rate = row["GB_per_s"]["median"] if "GB_per_s" in row else ""
            rows.append((
                name, row["what"], _spread(row["us"]), row["host_us"]["median"], row["moved_MiB"], rate,
                row.get("of_copy", ""),
            ))  # fmt: skip
    return _rows(("kernel", "of", "µs", "host µs", "MiB moved", "GB/s", "of a copy"), rows) + (
        "" if plain else f"\n\nAim: {AIM_OF_COPY} of a copy for what memory bounds."
    )


def _films(films: dict[str, Any], *, plain: bool) -> str:
    rows = []
    for name, row in films.items():
        memory = row["memory_MiB"]
        rows.append((
            name, _spread(row["frames_per_s"]), "" if plain else AIMS.get(name, ""), row.get("frames_per_s_cpu", ""),
            row["ms_per_frame"]["median"], row["on_the_gpu"].get("ms_per_frame", ""), row["host_cpu_ms_per_frame"],
            f"{row['hole_%']} %", f"{row['invented_%']} %", memory["of_the_device"], row["first_frame_s"],
        ))  # fmt: skip
    return _rows(
        ("film", "frames/s", "aim", "on the CPU", "ms/frame", "GPU busy, ms", "CPU, ms", "hole", "invented",
         "device MiB", "first frame, s"),
        rows,
    )  # fmt: skip


def _stages(films: dict[str, Any]) -> str:
    names = dict.fromkeys(name for row in films.values() for name in row["ms_per_frame_by_stage"])
    rows = [(film, *(row["ms_per_frame_by_stage"].get(name, 0) for name in names)) for film, row in films.items()]
    return _rows(("ms/frame, device waited for", *names), rows)


def _first(first: dict[str, Any]) -> str:
    rows = []
    for name, row in first.items():
        starts = [row.get(f"process_{state}", {}) for state in ("nothing_compiled", "compiled")]
        rows.append((
            name, row["open_s"]["median"], row["after_a_seek_s"]["median"],
            *(each.get("all_s", "failed") for each in starts),
            *(" + ".join(f"{each.get(part, '')}" for part in ("import_s", "open_s", "frame_s")) for each in starts),
        ))  # fmt: skip
    return _rows(
        ("first frame, s", "open", "after a seek", "new process", "kernels compiled before", "import + open + frame",
         "the same, compiled before"),
        rows,
    )  # fmt: skip
