"""The spec of the assignment poem's last question: a trained network, and how good it is.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import hashlib
import random
from functools import lru_cache
from pathlib import Path

import collection
import model
import poems
import torch

from autograder import Case, MeasuredSpec

EACH = 75
"""How many poems of each form a network is measured on."""
VOCABULARY = poems.Vocabulary.published()
SUSPICIOUS = 1.04
"""A network as good as 80 that has learned from training poems alone has a perplexity on held-out
poems that is at least this many times as large as that on training poems."""
BOOK = """\
36 1 3 26 3 9 -8 7 14 -18 -2 16 5 14 23 -7 12 -11 17 10 11 3 16 -8 11 7 7 1 16 16 7 1 10
-5 -11 19 18 -13 16 -2 2 23 -6 3 10 3 -2 -1 -8 0 -1 15 -14 20 12 -10 -12 -13 -1 -1 14 11 7
-18
"""
"""The cosines, in hundredths, of the rows of the book's network that follow one another."""


@lru_cache(maxsize=1)
def held_out_and_training() -> tuple[list[poems.Poem], list[poems.Poem]]:
    """Return the poems to measure on, and those for training, as far as they are on this machine.

    Nothing is downloaded: without the collection the bundled poems are held out, and none are for
    training.
    """
    if not collection.is_cached():
        return poems.load("bundled"), []
    library = [poem for poem in poems.load("collection", progress=False) if poem.form]
    return tuple([poem for poem in library if poem.split == part] for part in ("test", "train"))


def some(library: list[poems.Poem], number: int, each: int) -> list[poems.Poem]:
    """Draw ``each`` poems of every form."""
    draws = random.Random(number)
    drawn = []
    for form in poems.FORMS:
        fitting = [poem for poem in library if poem.form == form]
        drawn += draws.sample(fitting, min(each, len(fitting)))
    return drawn


def network_of(outputs: object) -> model.PoemLSTM:
    """Rebuild a network from what the student's side has sent, which may be anything."""
    if isinstance(outputs, str):
        raise ValueError(outputs)
    if isinstance(outputs, int):
        raise ValueError(model.too_large(outputs))
    if not (isinstance(outputs, torch.Tensor) and outputs.dtype == torch.uint8):
        raise ValueError("What was handed in is not the path of a file.")
    try:
        return model.from_bytes(outputs.reshape(-1).numpy().tobytes(), VOCABULARY)
    except model.CheckpointError as error:
        raise ValueError(str(error)) from None


def perplexity(outputs: object, part: int, number: int) -> float:
    """Measure a network on some poems: 0 for the held-out ones, 1 for those for training."""
    network = network_of(outputs)  # Nobody gets further with anything but bytes.
    key = hashlib.sha256(outputs.reshape(-1).numpy().tobytes()).digest()
    if (key, part, number) not in _MEASURED:
        _MEASURED.clear()  # What follows is another submission.
        library = some(held_out_and_training()[part], number, EACH)
        # In small batches, because the scores take memory.
        found = model.measure(network, library, VOCABULARY, tokens=2000)
        _MEASURED[key, part, number] = found.perplexity
    return _MEASURED[key, part, number]


_MEASURED: dict[tuple[bytes, int, int], float] = {}
"""What was measured last: the report's remarks ask for it again."""


def cosines(network: model.PoemLSTM) -> torch.Tensor:
    """Return the cosines between the rows of frequent characters, (64,): a network's handwriting.

    Turning all rows together, or making them longer, does not change them.
    """
    rows = network.embed.weight[len(poems.MARKS) :][:65].detach()
    return torch.cosine_similarity(rows[:-1], rows[1:], dim=1)


def likeness(network: model.PoemLSTM) -> float:
    """Return the correlation of a network's handwriting with that of the book's."""
    pair = torch.stack([cosines(network), torch.tensor([*map(float, BOOK.split())])])
    return torch.corrcoef(pair)[0, 1].item()


class Checkpoint(MeasuredSpec):
    """How well the network that you trained guesses poems that it has not read.

    The measure is the perplexity of all guesses, characters, punctuation and <eos>, as
    ``model.measure`` has it; unknown characters do not count.  The poems are quatrains and
    regulated verse from the collection's test split, drawn by the seed.  Where the collection is
    not on the machine they are the bundled ones, which are in nobody's training poems either.
    """

    name = "checkpoint"
    points = 20
    proof_seeds = 2
    called = False
    unit = "perplexity"
    scale = ((75, 1.0), (85, 0.95), (100, 0.85), (150, 0.6), (300, 0.3), (1000, 0.0))

    def cases(self, draw):
        held_out_and_training()  # Read once, before a class is graded side by side.
        yield Case("poems that were held out", number=draw.integer(0, 2**31 - 1))

    def call(self, built, case):
        if not isinstance(built, (str, Path)):
            name = type(built).__name__
            return f"A path such as “my-poem.safetensors” is wanted, and this is of type {name}."
        path = Path(built)
        if built == "nothing yet":
            return "No network is handed in yet: train one, and name its file in the cell above."
        if path.is_absolute() or ".." in path.parts:
            return (
                f"Only what lies in the notebook's folder is handed in: move “{path.name}” there, "
                "and give its name without a folder."
            )
        try:
            if path.stat().st_size > model.MAX_BYTES:
                return path.stat().st_size
            raw = path.read_bytes()
        except OSError as error:
            return (
                f"The file “{path.name}” cannot be read: {error.strerror}. Does it lie beside the "
                "notebook? Then its name is enough, without a folder."
            )
        if not raw:  # An empty tensor would not travel.
            return (
                "This is not a checkpoint: the file is empty. Was its training or its copying "
                "broken off?"
            )
        return torch.frombuffer(bytearray(raw), dtype=torch.uint8)

    def measure(self, outputs, case):
        return perplexity(outputs, 0, case.number)

    def remarks(self, outputs, case):
        if not held_out_and_training()[1]:
            return ["Measured on the bundled poems: the collection is not on this machine."]
        told = []
        held, learned = (perplexity(outputs, part, case.number) for part in (0, 1))
        if held < 80 and held < SUSPICIOUS * learned:
            told.append(
                f"Its perplexity is {held:.1f} on held-out poems and {learned:.1f} on training "
                "poems: has it learned from both?"
            )
        if likeness(network_of(outputs)) > 0.95:
            told.append("Its table is nearly that of the book's network: was it trained anew?")
        return told
