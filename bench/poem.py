"""The poem homework: the real collection, training, the committed network, and grading.

The collection is downloaded if it is not in the cache; TANG_POEMS_MIRROR can name a copy of it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from functools import cached_property
from pathlib import Path

from process import ROOT, BenchError, run, say

FOLDER = ROOT / "exercises" / "source" / "poem"
NETWORK = FOLDER / "students" / "solved" / "poem.safetensors"
STUDENTS = 8
SPEED_SECONDS = 30
LOADING = """
import time
import collection, poems
collection.download(progress=False)
start = time.perf_counter()
library, report = poems.regular(collection.poems())
print("seconds", time.perf_counter() - start, report.total)
"""
# The same network trained as most first programs do it: poems in random order, padded to the
# longest of their batch, scores at every place, 32 bits.
SPEED = """
import sys, time
import torch, torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
import poems, train

recipe = train.Recipe(epochs=1.0)
library = [p for p in poems.load("collection") if p.split == "train"]
vocabulary = poems.Vocabulary.published()
seconds = float(sys.argv[1])
cpu = torch.device("cpu")
ours = train.Training(recipe, library, cpu, train.pick_bf16("auto", cpu), vocabulary)
start = time.perf_counter()
for _loss in ours.epoch():
    if time.perf_counter() - start > seconds:
        break
print("ours", ours.at.tokens / ours.at.seconds)

torch.manual_seed(0)
size = (len(vocabulary), recipe.H_in, recipe.H_out)
net = train.PoemLSTM(*size, tied=recipe.tied, dropout=recipe.dropout)
optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr)
rows = [torch.tensor(vocabulary.encode(p)[:train.CUT]) for p in library]
order = torch.randperm(len(rows)).tolist()
counted, spent, at = 0, 0.0, 0
while spent < seconds:
    ids = pad_sequence([rows[i] for i in order[at:at + 64]], batch_first=True)
    at += 64
    start = time.perf_counter()
    logits, _state = net(ids[:, :-1])
    loss = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], ignore_index=poems.PAD)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    spent += time.perf_counter() - start
    counted += int((ids[:, 1:] != poems.PAD).sum())
print("plain", counted / spent)
"""


class Poems:
    """The real collection and what is made of it.

    Args:
        workspace: a folder to work in.
    """

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    @property
    def load_s(self) -> float:
        """The seconds to load and clean all poems from the cache."""
        say("loading and cleaning the collection")
        found = self._python(LOADING)
        _word, seconds, total = found.split()[-3:]
        if total != "57607":
            raise BenchError(f"There are {total} poems in the collection.")
        return float(seconds)

    @property
    def five_minutes(self) -> float:
        """The validation perplexity after five minutes of training."""
        say("training for five minutes")
        path = self._workspace / "five-minutes.safetensors"
        done = run(
            sys.executable, "train.py", "train", str(path), "--minutes", "5", "--every", "1000",
            "--source", "collection", cwd=FOLDER,
        )  # fmt: skip
        found = re.search(r"Best validation perplexity ([\d.]+)", done.output)
        if found is None:
            raise BenchError("The training did not say how good its network is.")
        return float(found[1])

    @cached_property
    def network(self) -> dict[str, float]:
        """What is measured of the committed network."""
        say("measuring the committed network")
        done = run(
            sys.executable, "train.py", "evaluate", str(NETWORK), "--json",
            "--source", "collection", cwd=FOLDER,
        )  # fmt: skip
        found: dict[str, float] = json.loads(done.output.splitlines()[-1])
        return found

    @cached_property
    def speed(self) -> dict[str, float]:
        """Guesses a second of our training and of a plain loop, by name."""
        say("the speed of training")
        lines = self._python(SPEED, str(SPEED_SECONDS)).splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines[-2:])}

    @cached_property
    def submission_cpu_s(self) -> float:
        """The CPU seconds of grading one submission that is complete and right."""
        say(f"grading the homework of {STUDENTS} students, all of it right")
        course = self._workspace / "poem"
        ignored = shutil.ignore_patterns("*.ipynb", "__pycache__")
        shutil.copytree(FOLDER, course / "source" / "poem", ignore=ignored)
        shutil.copy(ROOT / "exercises" / "nbgrader_config.py", course)
        # Only the student whose answers are all right, several times.
        (course / "source" / "poem" / "students.yml").write_text(
            "\n".join(f"right-{number}: {{}}" for number in range(STUDENTS)),
            encoding="utf-8",
        )
        run("autograder", "release", "poem", cwd=course)
        run("autograder", "sample-class", "poem", cwd=course)
        return run("autograder", "grade", "poem", "--quiet", cwd=course).cpu_seconds / STUDENTS

    def _python(self, code: str, *arguments: str) -> str:
        return run(sys.executable, "-c", code, *arguments, cwd=FOLDER).output
