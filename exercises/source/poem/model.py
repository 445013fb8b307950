"""The network that writes: embedding, LSTM and a score for each character; its files and its poems.

>>> model = load("my-poem.safetensors")
>>> write(model, vocabulary, "5x4", generator=torch.Generator().manual_seed(0))
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from poems import EOS, FORMS, MARKS, PAD, UNK, Poem, Vocabulary
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn
from torch.nn.utils.rnn import pad_sequence

MAX_BYTES = 10_000_000
"""The largest checkpoint that is accepted."""
MAX_LAYERS = 8
"""The most layers of a checkpoint that is accepted."""


class CheckpointError(ValueError):
    """A file that is no checkpoint of this network; the message says why."""


class PoemLSTM(nn.Module):
    """Guess the next character at every place.

    Args:
        V: the size of the vocabulary.
        H_in: the size of a character's row in the table.
        H_out: the size of the LSTM's memory.
        num_layers: how many LSTMs are stacked.
        proj_size: if not 0, the LSTM's output is projected to this size, as in :class:`nn.LSTM`.
        tied: whether table and scores share one weight; then the LSTM puts out ``H_in`` numbers.
        dropout: the share of numbers dropped between the layers while training.

    Shape:
        - Input: ``x`` (N, L), indexes; ``state`` as :class:`nn.LSTM` has it, or ``None``.
        - Output: logits (N, L, V), and the state.

    Raises:
        ValueError: if ``tied`` is wanted and the sizes do not allow it.
    """

    def __init__(
        self,
        V: int,
        H_in: int,
        H_out: int,
        num_layers: int = 1,
        *,
        proj_size: int = 0,
        tied: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        size = proj_size or H_out
        if tied and size != H_in:
            raise ValueError(f"tied weights need an LSTM that puts out {H_in} numbers, not {size}.")
        self.embed = nn.Embedding(V, H_in, padding_idx=PAD)
        self.lstm = nn.LSTM(
            H_in,
            H_out,
            num_layers,
            batch_first=True,
            proj_size=proj_size,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.out = nn.Linear(size, V)
        self.dropout = nn.Dropout(dropout)
        self.tied = tied
        # The scores of an untrained network should be near zero, its inputs should not.
        nn.init.normal_(self.embed.weight, std=0.1)
        nn.init.zeros_(self.out.bias)
        if tied:
            self.out.weight = self.embed.weight

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        h, state = self.read(x, state)
        return self.out(h), state

    def read(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """Return what the LSTM puts out, (N, L, size), before it becomes scores."""
        h, state = self.lstm(self.dropout(self.embed(x)), state)
        return self.dropout(h), state


State = tuple[torch.Tensor, torch.Tensor]


# ---------------------------------------------------------------------------------- guessing


def batches(
    encoded: Sequence[Sequence[int]], tokens: int, generator: torch.Generator | None = None
) -> Iterator[torch.Tensor]:
    """Put poems of like length together, so that there is hardly any padding.

    Args:
        encoded: the indexes of each poem, from its start to ``<eos>``.
        tokens: how many indexes a batch may have, padding included.
        generator: shuffles the poems of one length, and the batches; ``None`` leaves their order.

    Yields:
        Batches of indexes, (N, L+1).
    """
    order = list(range(len(encoded)))
    if generator is not None:
        order = torch.randperm(len(encoded), generator=generator).tolist()
    order.sort(key=lambda i: len(encoded[i]))  # Stable: poems of one length stay shuffled.
    groups: list[list[int]] = [[]]
    for i in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(encoded[i]) > tokens:
            groups.append([])
        groups[-1].append(i)
    if generator is not None:
        groups = [groups[i] for i in torch.randperm(len(groups), generator=generator).tolist()]
    for group in groups:
        rows = [torch.tensor(encoded[i]) for i in group]
        yield pad_sequence(rows, batch_first=True, padding_value=PAD)


def scores(model: PoemLSTM, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scores of every guess that counts, and its target.

    Targets that are padding or ``<unk>`` do not count, and nothing is computed for them: the scores
    are the most expensive part of the network.

    Args:
        model: the network.
        ids: (N, L+1), a batch.

    Returns:
        The logits, (guesses, V), and the targets, (guesses,).
    """
    x, y = ids[:, :-1], ids[:, 1:]
    counts = (y != PAD) & (y != UNK)
    h, _state = model.read(x)
    return model.out(h[counts]), y[counts]


def guesses(model: PoemLSTM, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of every guess that counts, and its target, both (guesses,)."""
    logits, targets = scores(model, ids)
    return F.cross_entropy(logits, targets, reduction="none"), targets


@dataclass(frozen=True)
class Measure:
    """How well a network guesses poems it has not read."""

    perplexity: float
    """Per guess: characters, punctuation and ``<eos>``."""
    bits: float
    """Bits per guess: the binary logarithm of the perplexity."""
    characters: float
    """The perplexity of the guesses that are characters, without punctuation and ``<eos>``."""
    guesses: int
    """How many guesses counted."""
    unknown: int
    """How many did not, because the character is not in the vocabulary."""


def measure(
    model: PoemLSTM, library: Sequence[Poem], vocabulary: Vocabulary, tokens: int = 8000
) -> Measure:
    """Measure a network on poems.

    Args:
        model: the network.
        library: the poems.
        vocabulary: the vocabulary that the network was trained with.
        tokens: how many indexes a batch may have.
    """
    marks = torch.tensor([EOS, vocabulary.index["，"], vocabulary.index["。"]])
    device = next(model.parameters()).device
    losses, targets, unknown = [], [], 0
    model.eval()
    with torch.no_grad():
        for ids in batches([vocabulary.encode(poem) for poem in library], tokens):
            unknown += int((ids == UNK).sum())
            loss, target = guesses(model, ids.to(device))
            losses.append(loss.double().cpu())
            targets.append(target.cpu())
    loss, target = torch.cat(losses), torch.cat(targets)
    mean = loss.mean().item()
    characters = loss[~torch.isin(target, marks)].mean().item()
    return Measure(_exp(mean), mean / math.log(2), _exp(characters), len(loss), unknown)


def _exp(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf


# ---------------------------------------------------------------------------------- files


def fingerprint(vocabulary: Vocabulary) -> str:
    """Return a short text that tells one vocabulary from another."""
    return hashlib.sha256("\n".join(vocabulary.entries).encode()).hexdigest()[:16]


def save(
    model: PoemLSTM, path: str | Path, vocabulary: Vocabulary, *, half: bool = True, **notes: object
) -> None:
    """Write a checkpoint: a safetensors file, which holds numbers and names and nothing that runs.

    Args:
        model: the network.
        path: the file; it is replaced only when the new one is complete.
        vocabulary: the network's vocabulary, whose fingerprint is kept beside the numbers.
        half: whether to keep the numbers in 16 bits, which halves the file.
        notes: what else to keep, such as the recipe.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {name: t.detach().cpu().to(dtype) for name, t in model.state_dict().items()}
    if model.tied:
        del tensors["out.weight"]  # It is embed.weight, once.
    metadata = {"vocabulary": fingerprint(vocabulary), "notes": json.dumps(notes)}
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(
        save_tensors({name: t.contiguous() for name, t in tensors.items()}, metadata)
    )
    os.replace(temporary, path)


def load(path: str | Path, vocabulary: Vocabulary | None = None) -> PoemLSTM:
    """Read a checkpoint from a file; see :func:`from_bytes`.

    Raises:
        CheckpointError: if it is none.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CheckpointError(too_large(size))
        return from_bytes(path.read_bytes(), vocabulary)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None


def from_bytes(raw: bytes, vocabulary: Vocabulary | None = None) -> PoemLSTM:
    """Rebuild a network from the bytes of a checkpoint; its sizes are those of the tensors.

    Args:
        raw: the content of a safetensors file.
        vocabulary: the vocabulary that it must have been trained with; the published one if
            ``None``.

    Raises:
        CheckpointError: if the file is too large or no safetensors file, if a tensor is missing or
            has another shape or type, if it holds a number that is none, or if the vocabulary is
            another one.
    """
    if len(raw) > MAX_BYTES:
        raise CheckpointError(too_large(len(raw)))
    vocabulary = vocabulary or Vocabulary.published()
    try:
        tensors = load_tensors(raw)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            "This is not a checkpoint: it cannot be read as a safetensors file "
            f"({type(error).__name__}: {str(error)[:100]}). Was it written with save() of "
            "model.py? What torch.save writes is another format."
        ) from None
    _same_vocabulary(raw, vocabulary)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.element_size() < 2:
            raise CheckpointError(
                f"The tensor {name} has the type {tensor.dtype}; float32, float16 or bfloat16 "
                "is wanted."
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"The tensor {name} holds a number that is NaN or infinite: did the training "
                "diverge?"
            )
    model = _empty(tensors, vocabulary)
    wanted = model.state_dict()
    if model.tied:
        tensors = {**tensors, "out.weight": tensors["embed.weight"]}
    for name, tensor in wanted.items():
        if name not in tensors:
            raise CheckpointError(f"The tensor {name} is missing.")
        if tensors[name].shape != tensor.shape:
            raise CheckpointError(
                f"The tensor {name} has the shape {tuple(tensors[name].shape)}, and beside the "
                f"others it must be {tuple(tensor.shape)}."
            )
    foreign = sorted(set(tensors) - set(wanted))
    if foreign:
        raise CheckpointError(
            f"There is a tensor {foreign[0]}, which embed, lstm and out do not have."
        )
    model.load_state_dict({name: tensors[name].float() for name in wanted})
    return model.eval()


def too_large(size: int) -> str:
    """Say that a file is too large."""
    return (
        f"The file has {size:,} bytes, and {MAX_BYTES:,} are allowed. A smaller network, tied "
        "weights or numbers in 16 bits make it smaller."
    )


def _same_vocabulary(raw: bytes, vocabulary: Vocabulary) -> None:
    """Compare the vocabulary's fingerprint, if the file has one."""
    length = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + length]).get("__metadata__") or {}
    if metadata.get("vocabulary", fingerprint(vocabulary)) != fingerprint(vocabulary):
        raise CheckpointError(
            "The network was trained with another vocabulary than the published one, so its "
            "perplexity cannot be compared. Train it with Vocabulary.published()."
        )


def _empty(tensors: dict[str, torch.Tensor], vocabulary: Vocabulary) -> PoemLSTM:
    """Make a network of the sizes that the tensors tell."""
    needed = ("embed.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "out.bias")
    for name in needed:
        axes = 1 if name.endswith("bias") else 2
        if name not in tensors:
            raise CheckpointError(
                f"The tensor {name} is missing. The network has the parts embed, lstm and out."
            )
        if tensors[name].dim() != axes or 0 in tensors[name].shape:
            raise CheckpointError(
                f"The tensor {name} has the shape {tuple(tensors[name].shape)}, and {axes} axes "
                "are wanted, none of them empty."
            )
    V, H_in = tensors["embed.weight"].shape
    if len(vocabulary) != V:
        raise CheckpointError(
            f"The table embed.weight has {V} rows, and the published vocabulary has "
            f"{len(vocabulary)} entries. Train the network with Vocabulary.published()."
        )
    layers = [
        name for name in tensors if re.fullmatch(r"lstm\.weight_hh_l\d+", name, flags=re.ASCII)
    ]
    if len(layers) > MAX_LAYERS:
        raise CheckpointError(
            f"The network has {len(layers)} layers, and at most {MAX_LAYERS} are allowed."
        )
    projected = tensors.get("lstm.weight_hr_l0")
    with torch.device("meta"):
        try:
            model = PoemLSTM(
                V,
                H_in,
                tensors["lstm.weight_hh_l0"].shape[0] // 4,
                len(layers),
                proj_size=0 if projected is None else projected.shape[0],
                tied="out.weight" not in tensors,
            )
        except ValueError as error:
            raise CheckpointError(f"These tensors make no network: {error}") from None
    return model.to_empty(device="cpu")


# ---------------------------------------------------------------------------------- writing


@torch.no_grad()
def write(
    model: PoemLSTM,
    vocabulary: Vocabulary,
    form: str | None = "5x4",
    *,
    n: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    heads: str = "",
    ruled: bool = True,
    generator: torch.Generator | None = None,
    longest: int = 128,
) -> list[str]:
    """Write poems, all of them side by side.

    Args:
        model: the network.
        vocabulary: its vocabulary.
        form: one of ``FORMS``, whose mark the network reads first; ``None`` for ``<bos>``.
        n: how many.
        temperature: divides the scores; below 1 the network is more careful.
        top_k: only so many of the best characters may be drawn.
        top_p: only the fewest best characters that together reach this probability may be drawn.
        heads: the first characters of the lines, for an acrostic.
        ruled: whether punctuation and the end may stand only where the form has them.
        generator: makes the draws repeatable.
        longest: where a poem is cut off that does not end.

    Raises:
        ValueError: if there is no such form, or a setting that leaves nothing to draw.
    """
    rules = _rules(vocabulary, form, heads, ruled, longest)
    if (
        temperature <= 0
        or (top_k is not None and top_k < 1)
        or not (top_p is None or 0 < top_p <= 1)
    ):
        raise ValueError(
            "temperature and top_p must be above 0, top_p at most 1, top_k at least 1."
        )
    device = next(model.parameters()).device
    token = torch.full((n, 1), vocabulary.start(form), device=device)
    state, written = None, torch.zeros(n, 0, dtype=torch.long)
    model.eval()
    for allowed in rules:
        logits, state = model(token, state)
        scores = logits[:, -1].float().cpu() / temperature  # (n, V)
        scores = scores.masked_fill(~allowed, -math.inf)
        token = _draw(scores, top_k, top_p, generator)  # (n, 1)
        written = torch.cat([written, token], dim=1)
        if bool((written == EOS).any(dim=1).all()):
            break
        token = token.to(device)
    poems = []
    for row in written.tolist():
        poems.append(vocabulary.decode(row[: row.index(EOS)] if EOS in row else row))
    return poems


def _draw(
    scores: torch.Tensor, top_k: int | None, top_p: float | None, generator: torch.Generator | None
) -> torch.Tensor:
    if top_k is not None and top_k < scores.shape[1]:
        least = scores.topk(top_k, dim=1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -math.inf)
    p = scores.softmax(dim=1)
    if top_p is not None:
        ordered, order = p.sort(dim=1, descending=True)
        cut = ordered.cumsum(dim=1) - ordered >= top_p
        p = p.masked_fill(cut.scatter(1, order, cut), 0.0)
    return torch.multinomial(p, 1, generator=generator)


def _rules(
    vocabulary: Vocabulary, form: str | None, heads: str, ruled: bool, longest: int
) -> Iterator[torch.Tensor]:
    """Yield what may come at each place, (V,): never a mark but ``<eos>``."""
    if form is not None and form not in FORMS:
        raise ValueError(f"There is no form {form!r}; there are {', '.join(FORMS)}.")
    comma, stop = vocabulary.index["，"], vocabulary.index["。"]
    anything = torch.ones(len(vocabulary), dtype=torch.bool)
    anything[: len(MARKS)] = False
    anything[EOS] = True
    if form is None or not ruled:
        if heads:
            raise ValueError("An acrostic needs a form and its rules.")
        return iter([anything] * longest)
    character = anything.clone()
    character[[EOS, comma, stop]] = False
    size, lines = FORMS[form]
    if heads and len(heads) != lines:
        raise ValueError(f"The form {form} has {lines} lines, and {len(heads)} heads are given.")
    unknown = [head for head in heads if head not in vocabulary.index]
    if unknown:
        raise ValueError(f"The character {unknown[0]} is not in the vocabulary.")

    def only(i: int) -> torch.Tensor:
        rule = torch.zeros(len(vocabulary), dtype=torch.bool)
        rule[i] = True
        return rule

    rules: list[torch.Tensor] = []
    for line in range(lines):
        rules += [character] * size + [only((comma, stop)[line % 2])]
        if heads:
            rules[-size - 1] = only(vocabulary.index[heads[line]])
    return iter([*rules, only(EOS)])
