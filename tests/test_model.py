"""The network that writes: what it guesses, which files it takes, and what it puts on paper."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import model as poem_model
import poems
import pytest
import torch
import torch.nn.functional as F
from model import CheckpointError, PoemLSTM, batches, guesses, load, measure, save, write
from poems import EOS, FORMS, PAD, UNK, Poem, Vocabulary
from safetensors.torch import load_file, save_file

VOCABULARY = Vocabulary.of(poems.load("bundled"), least=3)
V = len(VOCABULARY)


def network(seed: int = 0, **settings: object) -> PoemLSTM:
    torch.manual_seed(seed)
    return PoemLSTM(V, 16, 16, **{"tied": True, **settings})


@pytest.mark.parametrize(
    "settings",
    [{}, {"tied": False}, {"num_layers": 2, "dropout": 0.1}],
    ids=["tied", "untied", "layers"],
)
def test_step_by_step_is_the_same_as_at_once(settings: dict[str, object]) -> None:
    net = network(**settings).eval()
    x = torch.randint(len(poems.MARKS), V, (3, 7))
    whole, (h, c) = net(x)
    assert whole.shape == (3, 7, V)
    state, steps = None, []
    for t in range(7):
        one, state = net(x[:, t : t + 1], state)
        steps.append(one)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole)
    torch.testing.assert_close(state, (h, c))


def test_tied_weights_are_one_weight() -> None:
    net = network()
    assert net.out.weight is net.embed.weight
    assert sum(p.numel() for p in net.parameters()) < sum(
        p.numel() for p in network(tied=False).parameters()
    )
    with pytest.raises(ValueError, match="puts out 8 numbers, not 16"):
        PoemLSTM(V, 8, 16, tied=True)


def test_an_untrained_network_wavers_between_all_characters() -> None:
    found = measure(network(), poems.load("bundled"), VOCABULARY)
    assert abs(found.perplexity / V - 1) < 0.1
    assert found.bits == pytest.approx(math.log2(found.perplexity))


def test_padding_and_unknown_characters_are_no_guesses() -> None:
    net = network().eval()
    ids = torch.tensor([[4, 20, UNK, 21, EOS, PAD, PAD], [5, 22, 23, 24, 25, 26, EOS]])
    losses, targets = guesses(net, ids)
    assert targets.tolist() == [20, 21, EOS, 22, 23, 24, 25, 26, EOS]
    x, y = ids[:, :-1], ids[:, 1:].clone()
    y[y == UNK] = PAD
    logits, _state = net(x)
    mean = F.cross_entropy(logits.transpose(1, 2), y, ignore_index=PAD)
    torch.testing.assert_close(losses.mean(), mean)


def test_a_measure_counts_every_guess_once() -> None:
    net, library = network(), poems.load("bundled")[:20]
    found = measure(net, library, VOCABULARY, tokens=100)
    encoded = [torch.tensor([VOCABULARY.encode(poem)]) for poem in library]
    with torch.no_grad():
        pairs = [guesses(net.eval(), ids) for ids in encoded]
    losses = torch.cat([loss for loss, _target in pairs])
    targets = torch.cat([target for _loss, target in pairs])
    assert found.guesses == len(losses)
    assert found.perplexity == pytest.approx(losses.mean().exp().item(), rel=1e-4)
    assert found.unknown == sum(int((ids == UNK).sum()) for ids in encoded)
    marks = {EOS, VOCABULARY.index["，"], VOCABULARY.index["。"]}
    words = torch.tensor([target not in marks for target in targets.tolist()])
    assert found.characters == pytest.approx(losses[words].mean().exp().item(), rel=1e-4)


def test_batches_hold_every_poem_once_and_hardly_any_padding() -> None:
    encoded = [VOCABULARY.encode(poem) for poem in poems.load("bundled")]
    made = list(batches(encoded, 400, torch.Generator().manual_seed(0)))
    rows = [tuple(i for i in row if i != PAD) for ids in made for row in ids.tolist()]
    assert sorted(rows) == sorted(map(tuple, encoded))
    assert all(ids.numel() <= 400 for ids in made)
    padding = sum(int((ids == PAD).sum()) for ids in made) / sum(ids.numel() for ids in made)
    assert padding < 0.1
    again = list(batches(encoded, 400, torch.Generator().manual_seed(0)))
    assert all(map(torch.equal, made, again))
    other = list(batches(encoded, 400, torch.Generator().manual_seed(1)))
    assert any(not torch.equal(a, b) for a, b in zip(made, other, strict=False))


@pytest.mark.parametrize(
    "settings", [{}, {"tied": False}, {"num_layers": 3}, {"proj_size": 16, "H_out": 24}]
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_what_is_saved_is_loaded(tmp_path: Path, settings: dict[str, int]) -> None:
    torch.manual_seed(0)
    sizes = {"tied": True, "H_out": 16, **settings}
    net = PoemLSTM(V, 16, **sizes).eval()
    path = tmp_path / "net.safetensors"
    save(net, path, VOCABULARY, half=False, recipe={"lr": 0.1})
    x = torch.randint(4, V, (2, 5))
    torch.testing.assert_close(load(path, VOCABULARY)(x)[0], net(x)[0], rtol=0, atol=0)
    save(net, path, VOCABULARY)
    halved = load(path, VOCABULARY)
    assert halved.tied is sizes["tied"]
    torch.testing.assert_close(halved(x)[0], net(x)[0], rtol=1e-2, atol=1e-3)
    assert [each.name for each in tmp_path.iterdir()] == ["net.safetensors"]


Tensors = dict[str, torch.Tensor]


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def put(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name]).contiguous()}


def spoil(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[3] = value
        return tensor

    return change


def many_layers(tensors: Tensors) -> Tensors:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return tensors | {
        f"lstm.{name}_l{k}": tensors[f"lstm.{name}_l0"].clone() for name in names for k in range(9)
    }


WRONG: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "other V": (put("embed.weight", lambda t: t[:-1]), f"has {V - 1} rows"),
    "one axis": (put("embed.weight", lambda t: t[0]), "2 axes are wanted"),
    "no rows": (put("embed.weight", lambda t: t[:0]), "none of them empty"),
    "other shape": (put("lstm.weight_ih_l0", lambda t: t[:, :-1]), "must be (64, 16)"),
    "not square": (put("lstm.weight_hh_l0", lambda t: t[:-4]), "make no network"),
    "bias": (put("out.bias", lambda t: t[1:]), "out.bias has the shape"),
    "whole numbers": (put("out.bias", lambda t: t.long()), "has the type torch.int64"),
    "eight bits": (put("out.bias", lambda t: t.to(torch.float8_e4m3fn)), "float8_e4m3fn"),
    "NaN": (put("lstm.bias_hh_l0", spoil(math.nan)), "lstm.bias_hh_l0 holds a number that is NaN"),
    "infinity": (put("embed.weight", spoil(math.inf)), "NaN or infinite"),
    "no table": (without("embed.weight"), "embed.weight is missing"),
    "no LSTM": (without("lstm.weight_hh_l0"), "lstm.weight_hh_l0 is missing"),
    "no bias": (without("lstm.bias_ih_l0"), "lstm.bias_ih_l0 is missing"),
    "foreign": (lambda t: {**t, "optimizer.exp_avg": torch.zeros(2)}, "optimizer.exp_avg"),
    "both ways": (lambda t: {**t, "lstm.weight_hh_l0_reverse": torch.zeros(2)}, "_reverse"),
    "many layers": (many_layers, "at most 8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_tensors_that_make_no_network_are_told(tmp_path: Path, name: str) -> None:
    change, told = WRONG[name]
    path = tmp_path / "net.safetensors"
    save(network(), path, VOCABULARY)
    save_file(change(load_file(path)), path)
    with pytest.raises(CheckpointError) as caught:
        load(path, VOCABULARY)
    assert told in str(caught.value)


def test_another_vocabulary_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save(network(), path, VOCABULARY)
    other = Vocabulary([*VOCABULARY.characters[1:], VOCABULARY.characters[0]])
    with pytest.raises(CheckpointError, match="trained with another vocabulary"):
        load(path, other)


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"\xff" * 100, "白日依山盡".encode(), b"\x10" + bytes(7) + b'{"a": [1, 2, 3]}'],
    ids=["empty", "text", "bytes", "poem", "header"],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="This is not a checkpoint"):
        load(path, VOCABULARY)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "net.safetensors"
    torch.save({"embed.weight": Trap()}, path)
    with pytest.raises(CheckpointError, match="This is not a checkpoint"):
        load(path, VOCABULARY)
    assert not (tmp_path / "sprung").exists()


def test_half_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save(network(), path, VOCABULARY)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="This is not a checkpoint"):
        load(path, VOCABULARY)


def test_ten_gigabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with path.open("wb") as file:
        file.truncate(10 << 30)  # A file with a hole takes no room.
    with pytest.raises(CheckpointError, match="10,737,418,240 bytes, and 10,000,000 are allowed"):
        load(path, VOCABULARY)
    with pytest.raises(CheckpointError, match="are allowed"):
        poem_model.from_bytes(bytes(poem_model.MAX_BYTES + 1), VOCABULARY)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        load(tmp_path / "net.safetensors", VOCABULARY)


@pytest.mark.parametrize("form", FORMS)
def test_the_rules_give_the_form(form: str) -> None:
    size, lines = FORMS[form]
    for text in write(network(), VOCABULARY, form, n=5, generator=torch.Generator().manual_seed(0)):
        parts = text.replace("，", "。").split("。")
        assert [len(part) for part in parts] == [size] * lines + [0]
        assert text == Poem("", "", tuple(parts[:-1])).text
        assert "□" not in text


def test_a_seed_makes_poems_again() -> None:
    def some(seed: int) -> list[str]:
        return write(network(), VOCABULARY, n=3, generator=torch.Generator().manual_seed(seed))

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_without_rules_the_network_ends_a_poem_itself() -> None:
    net = network()
    with torch.no_grad():
        net.out.bias[EOS] = 1e4
    assert write(net, VOCABULARY, "5x4", ruled=False, n=2) == ["", ""]
    with torch.no_grad():
        net.out.bias[EOS] = -1e4
        net.out.bias[UNK] = 1e4  # It may love what is forbidden.
    (text,) = write(net, VOCABULARY, None, longest=9)
    assert len(text) == 9
    assert "□" not in text


def test_one_best_character_leaves_nothing_to_chance() -> None:
    once = write(network(), VOCABULARY, n=4, top_k=1)
    assert len(set(once)) == 1
    assert set(write(network(), VOCABULARY, n=4, top_p=1e-9)) == set(once)
    assert len(set(write(network(), VOCABULARY, n=4))) == 4


def test_an_acrostic_has_its_heads() -> None:
    for text in write(network(), VOCABULARY, "7x4", heads="春江月明", n=3):
        assert text[::8] == "春江月明"
        assert len(text) == 32


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"form": "6x4"}, "no form '6x4'"),
        ({"heads": "春江月"}, "has 4 lines, and 3 heads"),
        ({"heads": "春江月A"}, "character A is not in the vocabulary"),
        ({"heads": "春江月明", "ruled": False}, "needs a form and its rules"),
        ({"temperature": 0.0}, "must be above 0"),
        ({"top_p": 0.0}, "must be above 0"),
        ({"top_p": 1.5}, "at most 1"),
        ({"top_k": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_written_is_told(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        write(network(), VOCABULARY, **settings)
