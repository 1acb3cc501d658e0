"""``vsdfvi train``: what it answers."""

import subprocess
import sys
from dataclasses import fields

import pytest
from click.testing import CliRunner

from vsdfvi.cli.train import HELP, train
from vsdfvi.errors import SettingError
from vsdfvi.training.options import DeepFillOptions, FlowOptions, flow_options

TINY = {
    "steps": 4, "batch": 1, "crop": 16, "seeds": "5:8", "frames": 13, "height": 64, "width": 64, "workers": 0,
    "threads": 1, "device": "cpu", "evaluate-every": 0,
}  # fmt: skip
TINY_PICTURES = {"steps": 1, "batch": 1, "size": 32, "critic-steps": 1, "workers": 0, "threads": 1, "device": "cpu"}


def flags(options):
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def call(*words):
    return CliRunner().invoke(train, [str(word) for word in words])


def test_a_run_ends_with_weights_and_figures_and_goes_on(clips, cache, tmp_path):
    export = tmp_path / "mine.safetensors"
    done = call("flow", clips, "--out", tmp_path / "run", "--cache", cache, *flags(TINY), "--export", export)
    assert done.exit_code == 0, done.output
    assert "4 steps:" in done.output
    assert "held out: epe " in done.output
    assert export.is_file()
    resume = tmp_path / "run" / "checkpoint.pt"
    # All options are the checkpoint's, but those that are given.
    again = call("flow", clips, "--cache", cache, "--resume", resume)
    assert again.exit_code == 0, again.output
    refused = call("flow", clips, "--cache", cache, "--resume", resume, "--steps", 9)
    assert refused.exit_code == 1
    assert "steps must be 4 as in the checkpoint, got 9" in refused.output
    other = call("deepfill", clips, "--resume", resume)
    assert other.exit_code == 1
    assert "must be a checkpoint of `vsdfvi train deepfill`, got one of 'flow'" in other.output


def test_a_run_for_pictures(pictures, tmp_path):
    done = call("deepfill", pictures, "--out", tmp_path, *flags(TINY_PICTURES))
    assert done.exit_code == 0, done.output
    assert "psnr" in done.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--steps", "0"], "steps must be between 1 and 1073741824 steps, got 0"),
        (["--learning-rate", "nan"], "learning_rate must be above 0 and at most 1, got nan"),
        (["--easy-share", "1"], "easy_share must be 0 or more and below 1, got 1.0"),
        (["--hard-weight", "-1"], "hard_weight must be finite and 0 or more, got -1.0"),
        (["--phase", "stage4"], "phase must be one of joint, stage1, stage2, stage3, got 'stage4'"),
        (["--height", "65"], "height must be even, got 65"),
        (["--seeds", "9:3"], "seeds must be FIRST:STOP with 0 <= FIRST < STOP, got '9:3'"),
        (["--seeds", "many"], "seeds must be FIRST:STOP, such as 0:2000, got 'many'"),
        (["--masks", "box"], "masks must be one of footage, got 'box'"),
        (["--seeds", "0:5"], "seeds must be ranges with one of 7 + n * 20, to measure on, got ((0, 5),)"),
        (["--precision", "bfloat16", "--device", "cpu"], "precision must be auto or float32 on a CPU"),
    ],
)
def test_a_bad_option_is_answered_in_words(clips, tmp_path, words, sentence):
    found = call("flow", clips, "--out", tmp_path / "run", *words)
    assert found.exit_code == 1
    assert sentence in found.output
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_what_is_missing_is_named(clips, tmp_path):
    assert "out must be a folder, or resume a checkpoint, got None" in call("flow", clips).output
    empty = call("flow", tmp_path, "--out", tmp_path / "run")
    assert empty.exit_code == 1
    assert "clips must be a folder with video files" in empty.output
    assert "does not exist" in call("flow", tmp_path / "nowhere", "--out", tmp_path).output
    assert "size must be a multiple of 8, got 33" in call("deepfill", clips, "--out", tmp_path, "--size", 33).output


@pytest.mark.parametrize("kind", [FlowOptions, DeepFillOptions])
def test_every_option_is_explained_on_the_command_line(kind):
    command = train.commands["flow" if kind is FlowOptions else "deepfill"]
    offered = {parameter.name for parameter in command.params}
    assert {field.name for field in fields(kind)} <= offered
    assert {field.name for field in fields(kind)} <= HELP.keys()


def test_a_command_says_what_is_not_default(tmp_path):
    options = FlowOptions(steps=7, seeds=((0, 9), (20, 30)), listings=False)
    expected = "vsdfvi train flow clips --steps 7 --no-listings --seeds 0:9 --seeds 20:30"
    assert options.command("flow", tmp_path / "clips") == expected


def test_options_are_refused_without_a_command_too():
    with pytest.raises(SettingError, match="discount must be above 0 and at most 1, got 0"):
        DeepFillOptions(discount=0)
    with pytest.raises(SettingError, match="adversarial must be finite and 0 or more, got inf"):
        DeepFillOptions(adversarial=float("inf"))
    assert flow_options({"steps": 3}) == FlowOptions(steps=3)


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom vsdfvi.cli.main import main\n"
        "try:\n    main(['train', 'flow', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'cv2', 'numpy', 'vapoursynth') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "--hard-weight" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
