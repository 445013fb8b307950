"""Train a network that writes Tang poems, measure it, and let it write.

python train.py train my-poem.safetensors --minutes 5
python train.py evaluate my-poem.safetensors
python train.py write my-poem.safetensors --form 7x4
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from collection import CollectionError
from model import (
    CheckpointError,
    Measure,
    PoemLSTM,
    batches,
    load,
    measure,
    save,
    scores,
)
from model import write as write_poems
from poems import FORMS, UNK, Poem, Vocabulary
from poems import load as load_poems
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import nn

app = typer.Typer(
    help="Train, measure and use a network that writes Tang poems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
CUT = 130
"""Longer poems are cut here for training: the mark, 128 characters and one more."""
WAYS: dict[str, dict[str, float]] = {
    "T=1": {},
    "T=0.8, p=0.95": {"temperature": 0.8, "top_p": 0.95},
}
"""How the poems are drawn that :func:`evaluate` judges."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what a training gives; it is kept in the checkpoint."""

    H_in: int = 256
    H_out: int = 256
    num_layers: int = 1
    proj_size: int = 0
    tied: bool = True
    dropout: float = 0.1
    lr: float = 4e-3
    weight_decay: float = 0.01
    tokens: int = 3000
    """The indexes in a batch."""
    seed: int = 0
    epochs: float | None = None
    minutes: float | None = None


@dataclass
class Progressed:
    """How far a training has come."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """The batches of this epoch that are done."""
    tokens: int = 0
    seconds: float = 0.0
    best: float = math.inf
    """The lowest validation perplexity so far."""
    worse: int = 0
    """How many validations since then."""


class Training:
    """One training: network, optimizer, batches and how far it is.

    With a number of epochs, the same recipe gives the same network on the same machine and number
    of threads; with minutes it depends on the machine's speed how much is learned in them.

    Args:
        recipe: sizes, rates and length.
        library: the poems to learn from.
        device: where to compute.
        bf16: whether to multiply matrices in bfloat16.
        vocabulary: the network's vocabulary.
    """

    def __init__(
        self,
        recipe: Recipe,
        library: list[Poem],
        device: torch.device,
        bf16: bool,
        vocabulary: Vocabulary,
    ) -> None:
        self.recipe = recipe
        self.at = Progressed()
        self._encoded = [vocabulary.encode(poem)[:CUT] for poem in library]
        self._per_epoch = sum(i != UNK for ids in self._encoded for i in ids[1:])
        self._device, self._bf16 = device, bf16
        torch.manual_seed(recipe.seed)
        self.model = PoemLSTM(
            len(vocabulary),
            recipe.H_in,
            recipe.H_out,
            recipe.num_layers,
            proj_size=recipe.proj_size,
            tied=recipe.tied,
            dropout=recipe.dropout,
        ).to(device)
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.lr,
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    @property
    def told(self) -> dict[str, float]:
        """How long the training was, for the checkpoint's notes."""
        return {
            "steps": self.at.step,
            "epochs": round(self.epochs_done, 2),
            "minutes": round(self.at.seconds / 60, 1),
        }

    @property
    def epochs_done(self) -> float:
        """How often every poem was read."""
        return self.at.tokens / self._per_epoch

    @property
    def done(self) -> float:
        """How much of the training is done, from 0 to 1."""
        if self.recipe.minutes is not None:
            return min(1.0, self.at.seconds / (60 * self.recipe.minutes))
        return min(1.0, self.epochs_done / (self.recipe.epochs or 1))

    def epoch(self) -> Iterator[float]:
        """Train for the rest of an epoch, yielding the loss of each step."""
        self.model.train()
        shuffle = torch.Generator().manual_seed(1000 * self.recipe.seed + self.at.epoch)
        for number, ids in enumerate(batches(self._encoded, self.recipe.tokens, shuffle)):
            if number < self.at.batch:
                continue  # Done before the training was broken off.
            if self.done >= 1:
                return
            began = time.perf_counter()
            loss, count = self._step(ids.to(self._device, non_blocking=True))
            self.at.seconds += time.perf_counter() - began
            self.at.step, self.at.batch = self.at.step + 1, number + 1
            self.at.tokens += count
            yield loss
        self.at.epoch, self.at.batch = self.at.epoch + 1, 0

    def _step(self, ids: torch.Tensor) -> tuple[float, int]:
        # Up within a hundred steps, then down along a cosine as the training comes to its end.
        rate = min(1.0, (self.at.step + 1) / 100) * (0.51 + 0.49 * math.cos(math.pi * self.done))
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.lr * rate
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            logits, targets = scores(self.model, ids)
        # Outside, it is computed in the type of the logits: most of the time goes into moving them.
        loss = F.cross_entropy(logits, targets).float()
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)
        self._optimizer.step()
        return loss.item(), len(targets)

    def store(self, path: Path) -> None:
        """Write down all that is needed to go on later; the file is replaced in one move."""
        state = {
            "recipe": asdict(self.recipe),
            "at": asdict(self.at),
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        temporary = path.with_name(f"{path.name}.part")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`store` wrote."""
        self.at = Progressed(**state["at"])
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])


def state_path(checkpoint: Path) -> Path:
    """Return where a training keeps what it needs to be resumed."""
    return checkpoint.with_name(f"{checkpoint.name}.state")


def read_state(path: Path) -> dict[str, Any]:
    """Read what :meth:`Training.store` wrote; no code in it can run.

    Raises:
        typer.BadParameter: if there is nothing to resume.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        return {**state, "recipe": Recipe(**state["recipe"])}
    except FileNotFoundError:
        raise typer.BadParameter(
            f"there is no training to resume: {path} does not exist."
        ) from None
    except Exception as error:
        raise typer.BadParameter(
            f"{path} cannot be read as a training's state ({type(error).__name__}). "
            "Delete it and train without --resume."
        ) from None


def run(
    training: Training,
    checkpoint: Path,
    held: list[Poem],
    vocabulary: Vocabulary,
    *,
    patience: int,
    every: float,
    say: Callable[[str], None],
) -> Measure:
    """Train to the end, validating on the way and keeping the best network.

    Args:
        training: what to train.
        checkpoint: the file for the best network.
        held: the poems to validate on.
        vocabulary: the network's vocabulary.
        patience: stop after so many validations without a new best; 0 never stops early.
        every: seconds of training between two validations.
        say: takes a sentence on each validation.

    Returns:
        The measure of the best network.

    Raises:
        typer.Exit: if the loss is NaN.
    """
    best: Measure | None = None
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(), console=console, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("training", total=1.0, completed=training.done)
        last, smooth = training.at.seconds, None
        while training.done < 1 and not (patience and training.at.worse >= patience):
            for loss in training.epoch():
                if not loss < 100:  # Nor is it when it is NaN.
                    console.print("The loss has grown beyond all bounds: try a lower --lr.")
                    raise typer.Exit(1)
                smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
                speed = training.at.tokens / max(training.at.seconds, 1e-9)
                bar.update(
                    task,
                    completed=training.done,
                    description=f"epoch {training.at.epoch + 1} · perplexity "
                    f"{math.exp(smooth):.0f} · {speed:,.0f} tokens/s",
                )
                if training.at.seconds - last >= every:
                    break
            if training.at.seconds - last < every and training.done < 1 and training.at.batch == 0:
                continue  # An epoch is over before it is time to validate.
            last = training.at.seconds
            found = measure(training.model, held, vocabulary)
            say(
                f"{training.at.seconds / 60:6.1f} min  epoch {training.epochs_done:5.2f}"
                f"  validation perplexity {found.perplexity:7.2f}"
            )
            if found.perplexity < training.at.best:
                best, training.at.best, training.at.worse = found, found.perplexity, 0
                save(
                    training.model, checkpoint, vocabulary,
                    recipe=asdict(training.recipe), length=training.told,
                    validation=asdict(found),
                )  # fmt: skip
            else:
                training.at.worse += 1
            training.store(state_path(checkpoint))
    return best or measure(load(checkpoint, vocabulary), held, vocabulary)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Let what a person can mend end the program with a sentence."""
    try:
        yield
    except (CollectionError, CheckpointError, OSError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


def parts(source: str) -> dict[str, list[Poem]]:
    """Load the poems by split; without the collection the bundled ones are for all three."""
    library = load_poems(source)
    found: dict[str, list[Poem]] = {"train": [], "validation": [], "test": []}
    for poem in library:
        found[poem.split].append(poem)
    if not found["train"]:
        # The bundled poems are all held out from the collection: here every eighth is.
        held = library[::8]
        found = {"train": [p for p in library if p not in held], "validation": held, "test": held}
    for split in ("validation", "test"):
        found[split] = [poem for poem in found[split] if poem.form]
    return found


Checkpoint = Annotated[Path, typer.Argument(help="The checkpoint, a safetensors file.")]
Source = Annotated[str, typer.Option(help="collection, bundled, or auto: what can be had.")]
Threads = Annotated[int, typer.Option(help="How many threads compute; 0 leaves it to torch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda if there is one.")]
default = Recipe()


@app.command()
def train(
    checkpoint: Checkpoint,
    epochs: Annotated[float | None, typer.Option(help="Passes over all poems; else 3.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train, instead.")] = None,
    h_in: Annotated[int, typer.Option(help="The size of a character's row.")] = default.H_in,
    h_out: Annotated[int, typer.Option(help="The size of the LSTM's memory.")] = default.H_out,
    num_layers: Annotated[int, typer.Option(help="How many LSTMs.")] = default.num_layers,
    proj_size: Annotated[int, typer.Option(help="Project the output; 0: no.")] = default.proj_size,
    tied: Annotated[bool, typer.Option(help="Share table and scores.")] = default.tied,
    dropout: Annotated[float, typer.Option(help="The share that is dropped.")] = default.dropout,
    lr: Annotated[float, typer.Option(help="The highest learning rate.")] = default.lr,
    weight_decay: Annotated[float, typer.Option(help="AdamW's decay.")] = default.weight_decay,
    tokens: Annotated[int, typer.Option(help="Indexes in a batch.")] = default.tokens,
    seed: Annotated[int, typer.Option(help="Seeds everything.")] = default.seed,
    patience: Annotated[int, typer.Option(help="Validations without a best; 0: never stop.")] = 5,
    every: Annotated[float, typer.Option(help="Seconds between two validations.")] = 60.0,
    resume: Annotated[bool, typer.Option(help="Go on where a training was broken off.")] = False,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: what is faster.")] = "auto",
    device: Device = "auto",
    threads: Threads = 0,
    source: Source = "auto",
) -> None:
    """Train a network and keep the best one."""
    if threads:
        torch.set_num_threads(threads)
    place = pick_device(device)
    recipe = Recipe(
        h_in, h_out, num_layers, proj_size, tied, dropout, lr, weight_decay, tokens, seed,
        epochs if epochs or minutes else 3.0, minutes,
    )  # fmt: skip
    with plain_errors():
        state = read_state(state_path(checkpoint)) if resume else None
        if state is not None:
            recipe = replace(state["recipe"], epochs=recipe.epochs, minutes=recipe.minutes)
        vocabulary = Vocabulary.published()
        found = parts(source)
        bf16 = pick_bf16(precision, place)
        try:
            training = Training(recipe, found["train"], place, bf16, vocabulary)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if state is not None:
            training.restore(state)
        size = sum(p.numel() for p in training.model.parameters())
        kind = "bfloat16" if bf16 else "float32"
        console.print(
            f"{len(found['train']):,} poems to learn from, {len(found['validation']):,} to "
            f"validate on, {size:,} parameters, {place.type} in {kind}."
        )
        best = run(
            training, checkpoint, found["validation"], vocabulary,
            patience=patience, every=every, say=lambda line: console.print(line, highlight=False),
        )  # fmt: skip
    at = training.at
    console.print(
        f"Best validation perplexity {best.perplexity:.2f} ({best.bits:.3f} bits a guess), "
        f"after {at.tokens:,} guesses in {at.seconds:.0f} s: "
        f"{at.tokens / max(at.seconds, 1e-9):,.0f} tokens/s. Written: {checkpoint}"
    )


def pick_device(name: str) -> torch.device:
    """Return the device to compute on.

    Raises:
        typer.BadParameter: if there is no such device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"--device is auto, cpu or cuda, not {name}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("there is no CUDA device here; leave --device out.")
    cuda = name != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def pick_bf16(precision: str, device: torch.device) -> bool:
    """Say whether to multiply matrices in bfloat16.

    Raises:
        typer.BadParameter: if there is no such precision.
    """
    if precision not in ("auto", "bf16", "fp32"):
        raise typer.BadParameter(f"--precision is auto, bf16 or fp32, not {precision}.")
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    split: Annotated[str, typer.Option(help="validation or test.")] = "validation",
    samples: Annotated[
        int, typer.Option(min=2, help="How many quatrains to write and judge.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seeds the samples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: Threads = 0,
    source: Source = "auto",
) -> None:
    """Measure a network: how well it guesses, and what it writes when no rule helps it."""
    if threads:
        torch.set_num_threads(threads)
    with plain_errors():
        vocabulary = Vocabulary.published()
        network = load(checkpoint, vocabulary)
        found = parts(source)
        if split not in found:
            raise typer.BadParameter(f"--split is validation or test, not {split}.")
        measured = measure(network, found[split], vocabulary)
    figures: dict[str, float] = {**asdict(measured)}
    generator = torch.Generator().manual_seed(seed)
    known = {line for poem in found["train"] for line in poem.lines}
    for name, settings in WAYS.items():
        written = [
            (form, text)
            for form in ("5x4", "7x4")
            for text in write_poems(
                network, vocabulary, form, n=samples // 2, ruled=False, generator=generator,
                **settings,
            )
        ]  # fmt: skip
        figures |= {f"{what}, {name}": share for what, share in judge(written, known).items()}
    real = [line for poem in found[split] for line in poem.lines]
    figures[f"lines of the {split} poems that are in the training poems"] = sum(
        line in known for line in real
    ) / len(real)
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    table = Table("figure", "value", title=f"{checkpoint}, {split}")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else f"{value:,}")
    console.print(table)


def judge(written: list[tuple[str, str]], known: set[str]) -> dict[str, float]:
    """Say which share of quatrains has its form, and which share of their lines is copied.

    Args:
        written: forms, and texts that were written without rules.
        known: the lines of the training poems.
    """
    poems = [_lines(text) for _form, text in written]
    lines = [line for poem in poems for line in poem if len(line) >= 5]
    equal = [len(poem) == 4 and len({len(line) for line in poem}) == 1 for poem in poems]
    return {
        "right form": sum(_is(text, form) for form, text in written) / len(written),
        "four equal lines": sum(equal) / len(written),
        "lines from the training poems": sum(line in known for line in lines) / max(len(lines), 1),
    }


def _lines(text: str) -> list[str]:
    return [line for line in text.replace("，", "。").split("。") if line]


def _is(text: str, form: str) -> bool:
    """Tell whether a text has just this form, punctuation included."""
    size, lines = FORMS[form]
    cut = _lines(text)
    shape = len(cut) == lines and all(len(line) == size for line in cut)
    return shape and text == Poem("", "", tuple(cut)).text


@app.command("write")
def write_command(
    checkpoint: Checkpoint,
    form: Annotated[str, typer.Option(help=f"One of {', '.join(FORMS)}.")] = "5x4",
    n: Annotated[int, typer.Option("-n", help="How many poems.")] = 5,
    heads: Annotated[str, typer.Option(help="The first characters of the lines.")] = "",
    temperature: Annotated[float, typer.Option(help="Below 1: more careful.")] = 0.8,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many of the best.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the fewest best.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seeds the draws.")] = 0,
) -> None:
    """Let a network write."""
    with plain_errors():
        vocabulary = Vocabulary.published()
        network = load(checkpoint, vocabulary)
    try:
        poems = write_poems(
            network, vocabulary, form, n=n, heads=heads, temperature=temperature, top_k=top_k,
            top_p=top_p, generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for poem in poems:
        console.print(poem, markup=False, highlight=False)


if __name__ == "__main__":
    app()
