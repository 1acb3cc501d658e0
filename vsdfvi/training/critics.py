"""The two critics that DeepFill is trained against, and what they and the generator make small."""

from math import log10

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_SLOPE = 0.2  # of the leaky ReLU (Yu et al., appendix)
_GLOBAL = 64, 128, 256, 256
_LOCAL = 64, 128, 256, 512
"""Channels of the convolutions, 5 by 5 with stride 2 each (Yu et al., appendix)."""

LOCAL_SHARE = 0.5
"""Side of what the local critic sees, of the picture's: 128 of 256 in the paper."""


class Critic(nn.Module):
    """How real a picture looks: larger is more real, without bounds.

    Shapes:
        picture: ``(B, 3, side, side)``, -1 to 1. Returned: ``(B,)``.

    Source:
        Yu et al., "Generative image inpainting with contextual attention", CVPR 2018, section 3.2 and appendix.
    """

    def __init__(self, channels: tuple[int, ...], side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in channels:
            layers += [nn.Conv2d(inputs, outputs, 5, stride=2, padding=2), nn.LeakyReLU(_SLOPE)]
            inputs, side = outputs, (side + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.opinion = nn.Linear(inputs * side * side, 1)

    def forward(self, picture: Tensor) -> Tensor:
        opinion: Tensor = self.opinion(self.layers(picture).flatten(1))
        return opinion[:, 0]


class Critics(nn.Module):
    """Both critics: of the whole picture, and of a square around the hole.

    Args:
        side: Of the pictures, pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.whole = Critic(_GLOBAL, side)
        self.local = Critic(_LOCAL, round(LOCAL_SHARE * side))

    def forward(self, picture: Tensor, corner: Tensor) -> tuple[Tensor, Tensor]:
        """Opinions of the picture, and of the square whose upper left corner is ``(B, 2)``, y and x."""
        return self.whole(picture), self.local(squares(picture, corner))


def squares(picture: Tensor, corner: Tensor) -> Tensor:
    """What the local critic sees of each picture ``(B, C, side, side)``."""
    side = round(LOCAL_SHARE * picture.shape[-1])
    places = zip(picture, corner.tolist(), strict=True)
    return torch.stack([one[:, y : y + side, x : x + side] for one, (y, x) in places])


def corner_of(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the local critic looks: a square around the middle of the hole, within the picture. y and x."""
    side = round(LOCAL_SHARE * len(hole))
    ys, xs = np.nonzero(hole)
    return np.array(
        [np.clip((at.min() + at.max() + 1) // 2 - side // 2, 0, len(hole) - side) if len(at) else 0 for at in (ys, xs)]
    )


def discounts(hole: NDArray[np.bool_], discount: float) -> NDArray[np.float32]:
    """What each pixel weighs in the reconstruction: ``discount`` to the power of its distance to a known pixel.

    Deep in a hole many pictures are right, and to ask for one of them blurs them all.

    Source:
        Yu et al., section 3.2, spatially discounted reconstruction loss; 0.99 there.
    """
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weights: NDArray[np.float32] = np.power(np.float32(discount), distance, dtype=np.float32)
    return weights


def critics_loss(
    critics: Critics, real: Tensor, made: Tensor, hole: Tensor, corner: Tensor, share: Tensor, penalty: float
) -> Tensor:
    """What the critics make small: made pictures' opinion less real ones', and steepness other than 1 between them.

    Shapes:
        real, made: ``(B, 3, side, side)``, the same outside the hole. hole: ``(B, 1, side, side)`` bool.
        corner: ``(B, 2)``. share: ``(B,)``, 0 to 1, where between the two steepness is looked at.

    Source:
        Gulrajani et al., "Improved training of Wasserstein GANs", 2017, with the gradient of the hole's pixels alone:
        Yu et al., section 3.2.
    """
    between = (made + share[:, None, None, None] * (real - made)).requires_grad_(True)
    loss = real.new_zeros(())
    opinions = zip(critics(real, corner), critics(made, corner), critics(between, corner), strict=True)
    for of_real, of_made, of_between in opinions:
        (slope,) = torch.autograd.grad(of_between.sum(), between, create_graph=True)
        # The root has no gradient at 0, where a critic does not look at the hole at all.
        steepness = ((slope * hole).square().flatten(1).sum(1) + 1e-12).sqrt()
        loss = loss + (of_made - of_real).mean() + penalty * (steepness - 1).square().mean()
    return loss


def reconstruction_loss(coarse: Tensor, refined: Tensor, image: Tensor, hole: Tensor, weights: Tensor) -> Tensor:
    """Mean absolute difference of both answers in the hole, weighted, and of both outside.

    The answer's known pixels are not used, but a network that draws them right has understood what it sees.

    Shapes:
        coarse, refined, image: ``(B, 3, H, W)``. hole: ``(B, 1, H, W)`` bool. weights: ``(B, 1, H, W)``.

    Source:
        Yu et al., section 3.2. Each of the four means has the same weight there, in the authors' program.
    """
    loss = image.new_zeros(())
    for answer in (coarse, refined):
        difference = (answer - image).abs()
        for where in (hole * weights, (~hole).to(image.dtype)):
            loss = loss + (difference * where).sum() / (3 * where.sum()).clamp_min(1)
    return loss


def opinion_loss(critics: Critics, made: Tensor, corner: Tensor) -> Tensor:
    """What the generator makes small: how unreal both critics find what it made."""
    whole, local = critics(made, corner)
    loss: Tensor = -whole.mean() - local.mean()
    return loss


def completed(refined: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """The picture with its hole filled."""
    return torch.where(hole, refined, image)


def hole_error(refined: Tensor, image: Tensor, hole: Tensor) -> tuple[float, float]:
    """Mean absolute error in the hole, as a part of full scale, and PSNR there in dB."""
    difference = ((refined - image) / 2)[hole.expand_as(image)]
    return difference.abs().mean().item(), -10 * log10(max(difference.square().mean().item(), 1e-12))
