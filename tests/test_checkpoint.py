"""The poem homework's last question: whatever is handed in gets a verdict that tells what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import checks_checkpoint as checks
import model
import poems
import pytest
import torch
from conftest import SOURCE
from safetensors.torch import load_file, save_file

from autograder.answer import play
from autograder.case import Case, Draw
from autograder.referee import interpreted, judge
from autograder.verdict import Rung, Verdict

NETWORK = SOURCE / "poem" / "students" / "solved" / "poem.safetensors"
VOCABULARY = poems.Vocabulary.published()


@pytest.fixture(autouse=True)
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure on the bundled poems, wherever the tests run, and what lies in this folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks.collection, "is_cached", lambda: False)
    checks.held_out_and_training.cache_clear()


@pytest.fixture
def small() -> Path:
    """Write an untrained network."""
    torch.manual_seed(0)
    path = Path("small.safetensors")
    model.save(model.PoemLSTM(len(VOCABULARY), 8, 8, tied=True), path, VOCABULARY)
    return path


def verdict_on(handed_in: object) -> Verdict:
    spec = checks.Checkpoint()
    return judge(spec, 1, interpreted(spec, partial(play, spec, handed_in)), public=True)


def test_the_committed_network_earns_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NETWORK.parent)
    verdict = verdict_on(NETWORK.name)
    assert verdict.passed, verdict.reason
    assert verdict.points == 20
    assert verdict_on(Path(NETWORK.name)) == verdict
    assert NETWORK.stat().st_size < model.MAX_BYTES


def test_an_untrained_network_earns_nothing(small: Path) -> None:
    verdict = verdict_on(small)
    assert verdict.points == 0
    assert verdict.measure == pytest.approx(len(VOCABULARY), rel=0.1)
    assert "points begin below 1000" in verdict.reason


def spoil(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.update({"out.bias": t["out.bias"] * math.nan}), "NaN or infinite"),
        (lambda t: t.update({"out.bias": t["out.bias"].int()}), "has the type torch.int32"),
        (lambda t: t.update({"out.bias": t["out.bias"][1:].clone()}), "must be"),
        (lambda t: t.update({"embed.weight": t["embed.weight"][1:].clone()}), "has 4878 rows"),
        (lambda t: t.pop("embed.weight"), "embed.weight is missing"),
    ],
    ids=["NaN", "type", "shape", "vocabulary", "missing"],
)
def test_a_network_that_is_none_is_told(small: Path, change: object, told: str) -> None:
    verdict = verdict_on(spoil(small, change))
    assert verdict.points == 0
    assert verdict.rung is Rung.RUNS
    assert told.replace("4878", str(len(VOCABULARY) - 1)) in verdict.reason


@pytest.mark.parametrize(
    ("handed_in", "told"),
    [
        (7, "a path such as “my-poem.safetensors” is wanted, and this is of type int"),
        (None, "this is of type NoneType"),
        (torch.zeros(3), "this is of type Tensor"),
        ("nowhere.safetensors", "“nowhere.safetensors” cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
        ("a\0b", "embedded null byte"),
        (NETWORK, "move “poem.safetensors” there"),
        ("../small.safetensors", "move “small.safetensors” there"),
    ],
)
def test_what_is_no_file_is_told(handed_in: object, told: str) -> None:
    verdict = verdict_on(handed_in)
    assert verdict.points == 0
    assert told.lower() in verdict.reason.lower()


@pytest.mark.parametrize("content", [b"", b"{}", bytes(100), json.dumps([1]).encode()])
def test_a_file_that_is_no_checkpoint_is_told(content: bytes) -> None:
    path = Path("file")
    path.write_bytes(content)
    assert "This is not a checkpoint" in verdict_on(path).reason


def test_ten_gigabytes_are_told_and_not_read() -> None:
    path = Path("file")
    with path.open("wb") as file:
        file.truncate(10 << 30)
    assert "10,737,418,240 bytes, and 10,000,000 are allowed" in verdict_on(path).reason


@pytest.mark.parametrize(
    "outputs", [None, 3.5, [1, 2], {"a": 1}, torch.zeros(5), torch.zeros(2, 2, dtype=torch.uint8)]
)
def test_whatever_a_hostile_side_sends_is_a_sentence(outputs: object) -> None:
    (case,) = checks.Checkpoint().cases(Draw(1))
    with pytest.raises(ValueError, match=r"not the path of a file|not a checkpoint"):
        checks.Checkpoint().measure(outputs, case)


def test_a_seed_draws_its_own_poems() -> None:
    library = poems.load("bundled")
    once, again, other = (checks.some(library, number, 5) for number in (1, 1, 2))
    assert once == again != other
    assert [poem.form for poem in once] == [form for form in poems.FORMS for _ in range(5)]


def raw(path: Path) -> torch.Tensor:
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)


def remarks(path: Path) -> str:
    return " ".join(checks.Checkpoint().remarks(raw(path), Case("", number=1)))


def test_the_report_says_when_the_collection_was_missing() -> None:
    assert "the collection is not on this machine" in remarks(NETWORK)


def test_the_report_names_a_copy_of_the_books_network(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = poems.load("bundled")
    monkeypatch.setattr(checks, "held_out_and_training", lambda: (library, library))
    assert "nearly that of the book's network" in remarks(NETWORK)
    noisy = model.load(NETWORK)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in noisy.parameters():
            parameter += 0.1 * parameter.std() * torch.randn_like(parameter)
    path = Path("noisy.safetensors")
    model.save(noisy, path, VOCABULARY)
    assert "nearly that of the book's network" in remarks(path)
    assert remarks(small) == ""


def test_the_report_names_a_network_that_knows_all_poems_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = poems.load("bundled")
    monkeypatch.setattr(checks, "held_out_and_training", lambda: (library, library))
    assert "has it learned from both?" in remarks(NETWORK)
    # Poems that it guesses worse are training poems to nobody.
    shuffled = [poems.Poem("", "", tuple(line[::-1] for line in p.lines)) for p in library]
    monkeypatch.setattr(checks, "held_out_and_training", lambda: (shuffled, library))
    assert "has it learned from both?" not in remarks(NETWORK)
