"""DFC-Net's sub-networks: they complete the flow of one frame from those of five frames on each side."""

from collections.abc import Mapping, Sequence
from typing import Self

from torch import Tensor, nn
from torch.nn import functional as F

from vsdfvi.errors import WeightsError

EXPANSION = 4  # channels that a bottleneck gives for each that it works on (He et al., CVPR 2016, table 1)

_INITIAL_DEVIATION = 0.01  # of every convolution's weights, as in the authors' program


class Bottleneck(nn.Module):
    """Features and what three convolutions add to them.

    The stride lies on the first convolution, as in the Caffe form of ResNet; torchvision has it on the second.

    Source:
        He et al., "Deep residual learning for image recognition", CVPR 2016, figure 5. Names are those of the
        published weights.
    """

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, *, project: bool) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if project
            else None
        )

    def forward(self, features: Tensor) -> Tensor:
        kept = features if self.downsample is None else self.downsample(features)
        added = F.relu(self.bn1(self.conv1(features)))
        added = F.relu(self.bn2(self.conv2(added)))
        return F.relu(self.bn3(self.conv3(added)) + kept)


class SingleHead(nn.Module):
    """Flow from features by one convolution, resized to the input's size."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2048, outputs, 1)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        # To the very size: ceil mode makes the features odd sizes, so that 8 is not quite the ratio.
        return _resized(self.conv1(features), size)


class MultiHead(nn.Module):
    """Flow from features in three steps, at a quarter, a half and the whole of the input's size."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2048, 256, 5, padding=2)
        self.conv2 = nn.Conv2d(256, 128, 3, padding=1)
        self.conv3 = nn.Conv2d(128, outputs, 1)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = size
        features = _resized(features, (max(1, height // 4), max(1, width // 4)))
        features = _resized(F.relu(self.conv1(features)), (max(1, height // 2), max(1, width // 2)))
        features = _resized(F.relu(self.conv2(features)), size)
        result: Tensor = self.conv3(features)
        return result


class DFCSubNet(nn.Module):
    """One of DFC-Net's three sub-networks (DFC-S): a dilated ResNet and a head that gives flow.

    Batch normalisation stays in evaluation mode and its scale and shift are frozen, in training too, as in the
    authors' program: ``train()`` leaves it so, and returns the network like any other module's.

    Shapes:
        windows: ``(B, inputs, H, W)``. Eleven maps of one direction, each as u, v and mask: 33 channels; then the other
            direction's eleven, where the network takes both. Pixels of this resolution; mask 1 = unknown.
        returns: ``(B, outputs, H, W)``: u and v of the sixth map, of each direction.

    Args:
        blocks: Bottlenecks in each of the four layers.
        inputs: Channels of a window.
        head: What makes flow of 2048 channels of features; ``head.conv1`` and on are ``layer5`` in published weights.
        outputs: Channels of the result.

    Source:
        Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.1; numbers, names and
        initialisation from the authors' program.
    """

    def __init__(self, blocks: Sequence[int], inputs: int, head: type[SingleHead | MultiHead], outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.conv1 = nn.Conv2d(inputs, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.layer1 = _layer(64, 64, blocks[0], stride=1, dilation=1)
        self.layer2 = _layer(256, 128, blocks[1], stride=2, dilation=1)
        self.layer3 = _layer(512, 256, blocks[2], stride=1, dilation=2)
        self.layer4 = _layer(1024, 512, blocks[3], stride=1, dilation=4)
        self.layer5 = head(outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, _INITIAL_DEVIATION)
            elif isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """The network itself, in the given mode but for batch normalisation, which never learns."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def features(self, windows: Tensor) -> Tensor:
        """What the trunk sees, ``(B, 2048, about H/8, about W/8)``."""
        features: Tensor = self.pool(F.relu(self.bn1(self.conv1(windows))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
        return features

    def forward(self, windows: Tensor) -> Tensor:
        height, width = windows.shape[2:]
        flow: Tensor = self.layer5(self.features(windows), (height, width))
        return flow


def stage1_resnet101() -> DFCSubNet:
    """Stage 1 as in ``resnet101_movie.pth``: eleven maps of one direction to one."""
    return DFCSubNet(blocks=(3, 4, 23, 3), inputs=33, head=SingleHead, outputs=2)


def stage1_resnet50() -> DFCSubNet:
    """Stage 1 as in ``resnet50_stage1.pth``: eleven maps of one direction to one."""
    return DFCSubNet(blocks=(3, 4, 6, 3), inputs=33, head=MultiHead, outputs=2)


def refine_resnet50() -> DFCSubNet:
    """Stages 2 and 3 as in ``davis_stage2.pth`` and ``davis_stage3.pth``: both directions, eleven maps each."""
    return DFCSubNet(blocks=(3, 4, 6, 3), inputs=66, head=MultiHead, outputs=4)


def refine_resnet101() -> DFCSubNet:
    """Stages 2 and 3 on the deeper trunk. The authors' program can make it; no weights of it were published."""
    return DFCSubNet(blocks=(3, 4, 23, 3), inputs=66, head=SingleHead, outputs=4)


def fill_trunk(network: DFCSubNet, tensors: Mapping[str, Tensor]) -> None:
    """Take the trunk's weights from an ImageNet ResNet in torchvision's layout; the head keeps its own.

    The first convolution sees no colours: each of its inputs gets the mean of the three, divided by the number of
    inputs. Its bias, which torchvision's has not, stays.

    Raises:
        WeightsError: A tensor of the trunk is missing, or has another shape (a ResNet of another depth).

    Source:
        The authors' training program; a reading of Wang et al., "Temporal segment networks", ECCV 2016, section 3.2.
    """
    filled = {}
    for name, own in network.state_dict().items():
        if name.startswith("layer5.") or name == "conv1.bias" or name.endswith(".num_batches_tracked"):
            continue
        colours = name == "conv1.weight"
        shape = (own.shape[0], 3, *own.shape[2:]) if colours else tuple(own.shape)
        if name not in tensors or tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape) if name in tensors else "none"
            raise WeightsError(f"{name} of the trunk must be a tensor of {shape}, got {found}")
        given = tensors[name]
        filled[name] = (given.mean(1, keepdim=True) / network.inputs).expand_as(own) if colours else given
    network.load_state_dict(filled, strict=False)


def _layer(inputs: int, width: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    """Bottlenecks in a row; the first changes size and channels, and all are dilated."""
    row = [Bottleneck(inputs, width, stride, dilation, project=True)]
    for _ in range(blocks - 1):
        row.append(Bottleneck(EXPANSION * width, width, 1, dilation, project=False))
    return nn.Sequential(*row)


def _resized(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Features at another size, bilinear, pixel centres at halves."""
    return F.interpolate(features, size, mode="bilinear", align_corners=False)
