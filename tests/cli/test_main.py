"""The command line as such: its commands, its help, its errors."""

import subprocess
import sys

from click.testing import CliRunner

import vsdfvi
from vsdfvi.cli.main import COMMANDS, main


def test_every_command_is_listed_and_has_help():
    overview = CliRunner().invoke(main, ["--help"])
    assert overview.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in overview.output
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_help_costs_no_heavy_import():
    script = (
        "import sys\nfrom vsdfvi.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'vapoursynth', 'cv2', 'numpy', 'skimage', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "Usage:" in process.stdout


def test_the_package_runs_as_a_program():
    process = subprocess.run([sys.executable, "-m", "vsdfvi", "--version"], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, f"vsdfvi, version {vsdfvi.__version__}\n")


def test_an_unknown_command_is_an_error_of_usage():
    assert CliRunner().invoke(main, ["dance"]).exit_code == 2


def test_what_is_wrong_is_said_in_a_sentence(tmp_path):
    for options, problem in (
        ([], "folder must hold video files"),
        (["--settings", "radius=0"], "radius must be between 1 and"),
        (["--baselines", "wizard"], "baselines must be of telea"),
    ):
        answer = CliRunner().invoke(main, ["evaluate", str(tmp_path), "--out", str(tmp_path / "out"), *options])
        assert answer.exit_code == 1
        assert f"Error: {problem}" in answer.output
        assert "Traceback" not in answer.output
    assert CliRunner().invoke(main, ["evaluate", str(tmp_path / "nowhere")]).exit_code == 2
