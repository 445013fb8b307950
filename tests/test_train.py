"""The training script: the same seed gives the same network, and what is broken off goes on."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import model
import poems
import pytest
import torch
import train
from poems import Vocabulary
from safetensors import safe_open
from train import Recipe, Training
from typer.testing import CliRunner

VOCABULARY = Vocabulary.of(poems.load("bundled"), least=3)
TINY = Recipe(H_in=8, H_out=8, tokens=500, epochs=2.0)
SMALL = ["--h-in", "8", "--h-out", "8", "--source", "bundled", "--precision", "fp32"]


def training(recipe: Recipe = TINY) -> Training:
    return Training(
        recipe, poems.load("bundled")[::4], torch.device("cpu"), bf16=False, vocabulary=VOCABULARY
    )


def finish(started: Training) -> dict[str, torch.Tensor]:
    while started.done < 1:
        for _loss in started.epoch():
            pass
    return started.model.state_dict()


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(train.app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


def test_a_seed_gives_the_same_network_again() -> None:
    torch.testing.assert_close(finish(training()), finish(training()), rtol=0, atol=0)
    other = finish(training(Recipe(**{**vars(TINY), "seed": 1})))
    assert not torch.equal(other["out.bias"], finish(training())["out.bias"])


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_what_was_broken_off_goes_on_as_if_nothing_had_happened(tmp_path: Path, steps: int) -> None:
    broken_off = training()
    for _loss in islice(iter(lambda: list(islice(broken_off.epoch(), 1)), []), steps):
        pass
    path = tmp_path / "net.state"
    broken_off.store(path)
    state = train.read_state(path)
    again = training(state["recipe"])
    again.restore(state)
    assert 0 < again.at.step < 12
    torch.testing.assert_close(finish(again), finish(training()), rtol=0, atol=0)


def test_every_epoch_reads_every_poem_in_an_order_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[list[torch.Tensor]] = []
    started = training()
    step = started._step
    monkeypatch.setattr(started, "_step", lambda ids: read[-1].append(ids) or step(ids))
    for _epoch in range(2):
        read.append([])
        list(started.epoch())
    rows = [sorted(row for ids in batch for row in ids.tolist()) for batch in read]
    assert [len(each) for each in rows] == [41, 41]
    assert read[0][0].shape != read[1][0].shape or not torch.equal(read[0][0], read[1][0])


def test_the_rate_rises_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    started = training(Recipe(**{**vars(TINY), "epochs": 60.0}))
    rates = []
    for _epoch in range(60):
        for _loss in started.epoch():
            rates.append(started._optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(TINY.lr / 100)
    top = rates.index(max(rates))
    assert 80 < top < 110
    assert 0.6 * TINY.lr < rates[top] < TINY.lr
    assert rates[-1] < 0.05 * TINY.lr


def test_a_network_is_trained_measured_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    code, told = invoke("train", path, "--epochs", 3, "--every", 0, *SMALL)
    assert code == 0, told
    assert "141 poems to learn from, 21 to validate on" in told
    assert "Best validation perplexity" in told
    assert "tokens/s" in told
    with safe_open(path, "pt") as file:
        notes = json.loads(file.metadata()["notes"])
    assert notes["recipe"]["H_out"] == 8
    assert 0 < notes["length"]["epochs"] <= 3
    assert f"{notes['validation']['perplexity']:.2f}" in told

    code, told = invoke("evaluate", path, "--source", "bundled", "--samples", 20, "--json")
    assert code == 0, told
    figures = json.loads(told)
    # What is kept has 16 bits, and is a little different.
    assert figures["perplexity"] == pytest.approx(notes["validation"]["perplexity"], rel=1e-2)
    assert 0 <= figures["right form, T=1"] <= figures["four equal lines, T=1"] <= 1

    code, told = invoke("write", path, "--form", "7x4", "--heads", "春江月明", "-n", 2)
    assert code == 0, told
    assert [text[0::8] for text in told.split()] == ["春江月明"] * 2


def test_training_goes_on_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    assert invoke("train", path, "--epochs", 1, *SMALL)[0] == 0
    first = train.read_state(train.state_path(path))["at"]
    code, told = invoke("train", path, "--epochs", 2, "--resume", *SMALL)
    assert code == 0, told
    second = train.read_state(train.state_path(path))["at"]
    assert first["epoch"] == 1
    assert second["step"] == 2 * first["step"]


def test_patience_ends_a_training_that_gets_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = iter(range(100, 200))
    found = model.Measure(0.0, 0.0, 0.0, 1, 0)
    monkeypatch.setattr(
        train,
        "measure",
        lambda *_args: type(found)(float(next(worse)), 6.6, 100.0, 1, 0),
    )
    path = tmp_path / "net.safetensors"
    code, told = invoke("train", path, "--epochs", 50, "--every", 0, "--patience", 3, *SMALL)
    assert code == 0, told
    assert told.count("validation perplexity") == 5  # The best, three worse ones, the last line.
    assert "Best validation perplexity 100.00" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "NET", "--resume"), "there is no training to resume"),
        (("evaluate", "NET", "--samples", "1"), "greater than or equal to 2"),
        (("train", "NET", "--precision", "fp64"), "--precision is auto, bf16 or fp32, not fp64"),
        (("train", "NET", "--device", "tpu"), "--device is auto, cpu or cuda, not tpu"),
        (("train", "NET", "--h-in", "8"), "puts out 8 numbers, not 256"),
        (("train", "NOWHERE", *SMALL), "No such file or directory"),
        (("evaluate", "NET"), "cannot be read: No such file"),
        (("evaluate", "BAD"), "This is not a checkpoint"),
        (("write", "BAD"), "This is not a checkpoint"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no checkpoint")
    paths = {
        "NET": str(tmp_path / "net.safetensors"),
        "BAD": str(bad),
        "NOWHERE": str(tmp_path / "nowhere" / "net.safetensors"),
    }
    given = [paths.get(each, each) for each in arguments]
    if given[0] != "write" and "--source" not in given:
        given += ["--source", "bundled"]
    code, output = invoke(*given)
    assert code != 0
    assert told in output
    assert "Traceback" not in output


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    code, told = invoke("train", tmp_path / "net.safetensors", "--lr", "1e30", *SMALL)
    assert code == 1
    assert "try a lower --lr" in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, told = invoke("train", tmp_path / "net.safetensors", "--device", "cuda", *SMALL)
    assert code != 0
    assert "there is no CUDA device here" in told
