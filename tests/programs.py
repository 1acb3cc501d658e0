"""TorchScript programs of a few lines, whose answers are known, and files of them; and networks with made weights."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from vsdfvi.networks.deepfill import DeepFill
from vsdfvi.networks.dfc_compact import CompactDFCNet


class Paint(nn.Module):
    """Paints the hole in one colour."""

    def __init__(self, red: float, green: float, blue: float) -> None:
        super().__init__()
        self.register_buffer("colour", torch.tensor([red, green, blue]).view(1, 3, 1, 1))

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return image * (1 - hole) + self.colour * hole


class PaintFromCorner(nn.Module):
    """Paints everything in the colour that the picture has in its upper left corner."""

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return image[..., :1, :1].expand_as(image)


class Failing(nn.Module):
    """Answers as long as the picture is no wider than 136 pixels, which is what a program is tried with."""

    def __init__(self, channels: int, how: str) -> None:
        super().__init__()
        self.channels = channels
        self.how = how

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        if first.shape[3] > 136:
            if self.how == "memory":
                return torch.zeros([1 << 30, 1 << 30])
            return torch.full([1, self.channels, first.shape[2], first.shape[3]], torch.nan)
        return torch.zeros([1, self.channels, first.shape[2], first.shape[3]])


class Shift(nn.Module):
    """Says that the picture moves as a whole by a given step, or by its opposite, whichever fits it better."""

    def __init__(self, across: int, down: int) -> None:
        super().__init__()
        self.across = across
        self.down = down

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        there = (earlier - torch.roll(later, [-self.down, -self.across], [2, 3])).abs().mean()
        back = (earlier - torch.roll(later, [self.down, self.across], [2, 3])).abs().mean()
        sign = 1.0 if bool(there <= back) else -1.0
        flow = torch.zeros([1, 2, earlier.shape[2], earlier.shape[3]])
        flow[:, 0] = sign * self.across
        flow[:, 1] = sign * self.down
        return flow


class Always(nn.Module):
    """Says that everything moves by a given step, whatever it sees."""

    def __init__(self, across: float, down: float) -> None:
        super().__init__()
        self.across = across
        self.down = down

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        flow = torch.zeros([1, 2, earlier.shape[2], earlier.shape[3]])
        flow[:, 0] = self.across
        flow[:, 1] = self.down
        return flow


class GreyOnly(nn.Module):
    """Fails unless it is shown grey from 0 to 1, and says that nothing moves."""

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        for picture in (earlier, later):
            assert bool((picture[:, :1] == picture).all()), "the channels differ"
            assert bool(((picture >= 0) & (picture <= 1)).all()), "beyond the range"
        return torch.zeros([1, 2, earlier.shape[2], earlier.shape[3]])


def written(path: Path, program: nn.Module) -> str:
    """Return the path of a file that holds the program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.15 would have it written otherwise
        torch.jit.save(torch.jit.script(program.eval()), path)
    return str(path)


def random_dfc_compact(seed: int = 1, spread: float = 0.02) -> CompactDFCNet:
    """Return a network whose stages have something to say: untrained ones hand on what they are given."""
    torch.manual_seed(seed)
    network = CompactDFCNet()
    for stage in (network.stage1, network.stage2, network.stage3):
        nn.init.normal_(stage.head.weight, 0, spread)
    return network.eval()


def random_deepfill(seed: int = 1) -> DeepFill:
    """Return a network with weights that neither die away nor saturate."""
    torch.manual_seed(seed)
    network = DeepFill()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
        else:
            nn.init.normal_(parameter, std=0.05)
    return network.eval()
