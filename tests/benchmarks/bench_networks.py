"""Prints, as JSON, what each network takes for one answer, by size, beside an estimate of flow at that size.

    python tests/benchmarks/bench_networks.py [--repeats 5] [--large]

One thread, as the engine calls them. Weights are random: they do not change the time. ``ratio`` is the time of a
network over that of optical flow (DIS, both ways, down to the full size) of a picture of that size, in the same run.
"""

import argparse
from collections.abc import Callable

import measured
import numpy as np

measured.use_checkout()

import torch  # noqa: E402  which needs the path

from vsdfvi.engine.flow import DenseInverseSearch, refine_flow  # noqa: E402
from vsdfvi.kernels import Workers  # noqa: E402
from vsdfvi.networks.deepfill import DeepFill, inpaint  # noqa: E402
from vsdfvi.networks.dfc_compact import CompactDFCNet, run_backwards  # noqa: E402
from vsdfvi.networks.dfc_net import DFCSubNet, refine_resnet50, stage1_resnet50, stage1_resnet101  # noqa: E402

SIZES = ((240, 432), (480, 848))  # height, width
LARGE = ((720, 1280),)
SEED = 1


def calls(size: tuple[int, int], random: np.random.Generator) -> dict[str, Callable[[], object]]:
    """Return one call of each network at a size, and of the estimator that it is compared with."""
    height, width = size
    noise = random.integers(0, 255, (2, height // 8, width // 8)).repeat(8, axis=1).repeat(8, axis=2)
    pictures = noise.astype(np.float32)
    hole = np.zeros(pictures.shape[1:], np.uint8)
    hole[height // 3 : height // 3 + height // 4, width // 3 : width // 3 + width // 4] = 1
    hole = hole[: pictures.shape[1], : pictures.shape[2]]
    flow = np.zeros((4, *hole.shape), np.float32)

    def sub_network(network: DFCSubNet, inputs: int) -> Callable[[], object]:
        given = torch.randn(1, inputs, height // 2, width // 2)
        return lambda: network(given)

    compact, deepfill = CompactDFCNet().eval(), DeepFill().eval()
    window, everywhere = torch.randn(1, 11, 4, height // 2, width // 2), torch.zeros(1, 11, height // 2, width // 2)
    box = everywhere.clone()
    box[..., height // 8 * 2 : height // 8 * 3, width // 8 * 2 : width // 8 * 3] = 1
    everywhere[..., :: height // 2 - 1, :: width // 2 - 1] = 1  # the corners: the network looks around what is unknown

    def both_ways(unknown: torch.Tensor) -> Callable[[], object]:
        return lambda: (compact(window, unknown), compact(*run_backwards(window, unknown)))

    image = np.repeat(pictures[:1] / 255, 3, axis=0).astype(np.float32)
    return {
        "optical flow": lambda: refine_flow(pictures, hole, flow, DenseInverseSearch(), Workers(1), full=True),
        "DFC-Net, compact, holes everywhere, both ways": both_ways(everywhere),
        "DFC-Net, compact, a box of 1/16, both ways": both_ways(box),
        "DFC-Net, stage 1, ResNet-50, half size": sub_network(stage1_resnet50().eval(), 33),
        "DFC-Net, stage 1, ResNet-101, half size": sub_network(stage1_resnet101().eval(), 33),
        "DFC-Net, refinement, ResNet-50, half size": sub_network(refine_resnet50().eval(), 66),
        "DeepFill v1, whole frame": lambda: inpaint(deepfill, image, hole),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="720p, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    results: dict[str, object] = {}
    for size in SIZES + (LARGE if options.large else ()):
        rows: dict[str, object] = {}
        base = 0.0
        for name, call in calls(size, random).items():
            with torch.inference_mode():
                spread = measured.spread([1e3 * taken for taken in measured.seconds(call, options.repeats)], 2)
            base = base or spread["median"]
            rows[name] = {"ms": spread, "ratio": round(spread["median"] / base, 2)}
        results[f"{size[1]}x{size[0]}"] = rows
    measured.show("time of a network for one answer", results, threads=1, seed=SEED)


if __name__ == "__main__":
    main()
