"""What a run leaves on disk: whole or not at all, cut back, and refused where it is none."""

import pytest
import torch

from vsdfvi.errors import SettingError, WeightsError
from vsdfvi.training.checkpoints import Checkpoint, Log, load_checkpoint, save_checkpoint

CHECKPOINT = Checkpoint(
    kind="flow", step=3, options={"steps": 5, "seeds": [[0, 3]]}, data={"clips": 2}, model={"w": torch.ones(2)},
    networks={}, optimisers={}, running=(1.5, 2),
)  # fmt: skip


def test_a_checkpoint_comes_back(tmp_path):
    save_checkpoint(tmp_path / "a.pt", CHECKPOINT)
    found = load_checkpoint(tmp_path / "a.pt", "flow")
    assert (found.step, found.options, found.data, found.running) == (3, CHECKPOINT.options, {"clips": 2}, (1.5, 2))
    assert torch.equal(found.model["w"], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_checkpoint(path, CHECKPOINT)
    before = path.read_bytes()

    def full(content, file):
        file.write(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, CHECKPOINT)
    assert path.read_bytes() == before


class Hostile:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("case", ["text", "tensors", "pickle", "cut", "other"])
def test_another_file_is_refused_in_words(tmp_path, case, capsys):
    path = tmp_path / "a.pt"
    if case == "text":
        path.write_text("no checkpoint")
    elif case == "tensors":
        torch.save({"w": torch.ones(1)}, path)
    elif case == "pickle":
        torch.save({"format": 1, "kind": Hostile()}, path)
    else:
        save_checkpoint(path, CHECKPOINT)
    if case == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WeightsError, match=r"a\.pt must be a checkpoint of `vsdfvi train (flow|deepfill)`, got"):
        load_checkpoint(path, "deepfill" if case == "other" else "flow")
    assert "run" not in capsys.readouterr().out


def test_a_log_is_cut_back_to_where_a_run_goes_on(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path, ("loss", "epe"), 0)
    for step in (2, 4, 6):
        log.write(step, {"loss": step / 8})
    with path.open("a") as file:
        file.write("8,0.")  # the machine went down
    again = Log(path, ("loss", "epe"), 4)
    again.write(6, {"loss": 0.5, "epe": 0.25})
    assert path.read_text().splitlines() == ["step,loss,epe", "2,0.25,", "4,0.5,", "6,0.5,0.25"]
    with pytest.raises(SettingError, match="log must be a table of step, loss"):
        Log(path, ("loss",), 4)
    Log(path, ("loss",), 0)
    assert path.read_text().splitlines() == ["step,loss"]
