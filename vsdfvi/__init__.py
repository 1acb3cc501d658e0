"""Flow-guided video inpainting for VapourSynth."""

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    import vapoursynth

    from vsdfvi.call import Options

__version__ = "0.1.0"
__all__ = ["__version__", "inpaint"]


def inpaint(
    clip: "vapoursynth.VideoNode", mask: "vapoursynth.VideoNode", **settings: "Unpack[Options]"
) -> "vapoursynth.VideoNode":
    """Return the clip with its hole filled: ``core.dfvi.Inpaint(clip, mask, ...)``, nothing more.

    Args:
        settings: The fields of :class:`vsdfvi.settings.Settings`; what is left out has its default. And the clips
            ``exclude``, ``reference``, ``flow_fw`` and ``flow_bw``.

    Raises:
        vapoursynth.Error: A clip or a setting is refused.
    """
    plugin = getattr(clip, "dfvi")  # noqa: B009  a namespace made at run time: type checkers do not know it
    repaired: vapoursynth.VideoNode = plugin.Inpaint(mask, **settings)
    return repaired
