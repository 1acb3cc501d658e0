"""Weights and programs that cannot be taken: said when the script is loaded, in a sentence, and nothing is lost."""

import numpy as np
import pytest
import torch
import vapoursynth as vs

REFUSED = {
    "no folder": (
        {"completion": "dfc", "weights": "{folder}/nowhere"},
        "Inpaint: weights must be a folder that holds resnet50_stage1.pth",
    ),
    "no folder for deepfill": (
        {"synthesis": "deepfill"},
        "Inpaint: weights must be a folder that holds imagenet_deepfill.pth (DeepFill v1), got no folder",
    ),
    "an empty folder": (
        {"synthesis": "deepfill", "completion": "laplace", "weights": "{folder}"},
        "Inpaint: weights must be a folder that holds imagenet_deepfill.pth (DeepFill v1), got",
    ),
    "a program that is not there": (
        {"synthesis": "{folder}/lama.pt"},
        "Inpaint: {folder}/lama.pt must be",
    ),
    "a flow program that is a picture": (
        {"flow": "{folder}/picture.pt"},
        "Inpaint: {folder}/picture.pt must be",
    ),
    "a checkpoint of something else": (
        {"completion": "dfc", "weights": "{folder}/other"},
        "Inpaint: {folder}/other/resnet50_stage1.pth must be",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("weights")
    (made / "picture.pt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (made / "other").mkdir()
    torch.save({"layer.weight": torch.zeros(3, 3)}, made / "other" / "resnet50_stage1.pth")
    return made


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_said_at_once(folder, case, clip, mask):
    settings, sentence = REFUSED[case]
    with pytest.raises(vs.Error) as refusal:
        clip.dfvi.Inpaint(mask, **{name: value.format(folder=folder) for name, value in settings.items()})
    assert str(refusal.value).startswith(sentence.format(folder=folder))
    # The core goes on as before.
    with clip.dfvi.Inpaint(mask, synthesis="diffusion").get_frame(3) as frame:
        assert np.asarray(frame[0]).shape == (48, 64)
