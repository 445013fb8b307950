"""The specs of the assignment poem, part B: from logits to a poem.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from autograder import Case, Draw, Rung, Spec, misconception

PAD, BOS, EOS, UNK = range(4)
MARKS = ("<pad>", "<bos>", "<eos>", "<unk>", "<5x4>", "<7x4>", "<5x8>", "<7x8>")
STOPS = "，。"
CHARACTERS = (
    "白日依山盡黃河入海流欲窮千里目更上一層樓空不見人但聞語響返景"
    "深林復照青苔春眠覺曉處啼鳥夜來風雨聲花落知多少"
)
RARE = "螘壚猨逕檝麤"  # in no vocabulary of this file
REFUSED = "ValueError"


# ------------------------------------------------------------------ what several questions use
class RefusingSpec(Spec):
    """A question in which some cases are impossible, and should lead to a ValueError."""

    def refuses(self, case: Case) -> bool:
        """Tell whether a case is impossible."""
        raise NotImplementedError

    def answer(self, case: Case) -> Any:
        """Answer a case that is possible."""
        raise NotImplementedError

    def ask(self, built: Any, case: Case) -> Any:
        """Ask for the answer to a case."""
        return built(**case)

    def call(self, built: Any, case: Case) -> Any:
        try:
            return self.ask(built, case)
        except ValueError:
            return REFUSED

    def reference(self, case: Case) -> Any:
        return REFUSED if self.refuses(case) else self.answer(case)


def some_forbidden(logits: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
    """Forbid the characters at some places."""
    return logits.index_fill(0, torch.tensor(places), -torch.inf)


def only(logits: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Keep the logits of some indexes only."""
    allowed = torch.zeros(len(logits), dtype=torch.bool).index_fill(0, kept, True)
    return logits.masked_fill(~allowed, -torch.inf)


def vocabulary(draw: Draw, n_marks: int = 4) -> dict[str, list[str]]:
    """Draw a vocabulary: marks, and characters with the two stops somewhere among them."""
    order = [CHARACTERS[i] for i in draw.permutation(len(CHARACTERS)).tolist()]
    first, second = sorted(draw.permutation(23)[:2].tolist())
    one, other = STOPS if draw.integer(0, 2) else STOPS[::-1]
    order = [*order[:first], one, *order[first:second], other, *order[second:]]
    return {"entries": [*MARKS[:n_marks], *order]}


class Form:
    """The form of a poem, which says what may stand at each place of it."""

    def __init__(self, n_characters: int, n_lines: int, entries: Sequence[str]) -> None:
        self.text = ""
        for line in range(n_lines):
            self.text += "字" * n_characters + STOPS[line % 2]
        self.entries = entries

    def mask(self, place: int) -> torch.Tensor:
        """Tell which entries may stand at a place. Shape: (V,)."""
        wanted = self.text[place : place + 1] or "<eos>"
        if wanted != "字":
            return torch.tensor([entry == wanted for entry in self.entries])
        return torch.tensor([e not in STOPS and not e.startswith("<") for e in self.entries])


def best(logits: torch.Tensor) -> int:
    """Return the index of the largest logit, the first if several are equal. Shape: (V,)."""
    if logits.dim() != 1:
        raise RuntimeError(f"draw takes logits of the shape (V,), not {tuple(logits.shape)}")
    if bool((logits >= 0).all()) and abs(logits.sum().item() - 1) < 1e-3:
        raise RuntimeError("draw takes logits, and these are probabilities")
    return int((logits == logits.max()).nonzero()[0])


class Recital(nn.Module):
    """A model that knows one poem by heart, and notes what it is given to read.

    Its state is a pair of tensors (1, N, 1), as that of an LSTM, and holds how much it has read.

    Args:
        script: the index that it thinks of at each place.
        tempting: the index that it likes even better, by place.
        V: the number of entries.
    """

    def __init__(self, script: Sequence[int], tempting: dict[int, int], V: int) -> None:
        super().__init__()
        self._script, self._tempting, self._V = script, tempting, V
        self._read: list[int] = []
        self._recorded = False

    def forward(self, x, state=None):
        if x.dim() != 2:
            raise RuntimeError(f"the model reads indexes of the shape (N, L), not {(*x.shape,)}")
        given = F.one_hot(x, self._V)  # refuses what are no indexes
        self._read += x.flatten().tolist()
        if len(self._read) > 2000:
            raise RuntimeError("the model has read 2000 indexes, and the poem has no end yet")
        self._recorded |= torch.is_grad_enabled()
        count = torch.zeros(1, len(x), 1) if state is None else state[0]
        # All are negative: to make a logit 0 does not forbid anything.
        logits = torch.full(given.shape, -9.0)  # (N, L, V)
        for t in range(x.shape[1]):
            place = int(count[0, 0, 0]) + t
            if place < len(self._script):
                logits[:, t, self._script[place]] = -3.0
            else:
                logits[:, t, EOS] = 6.0
            if place in self._tempting:
                logits[:, t, self._tempting[place]] = -1.0
        count = count + x.shape[1]
        return logits, (count, torch.zeros_like(count))


class WritingSpec(RefusingSpec):
    """A question in which a model writes; its poem, and what it has read, are compared.

    Each case has the inputs ``script`` (what the model knows by heart), ``start``, ``form`` and
    ``words`` (dicts: the two sizes; the entries, and what the model likes better at which place).
    """

    def make(
        self,
        draw: Draw,
        label: str,
        n_characters: int,
        n_lines: int,
        start: int = BOS,
        n_marks: int = 4,
        tempting: dict[int, str] | None = None,
        size: int | None = None,
        **others: Any,
    ) -> Case:
        words = vocabulary(draw, n_marks)
        if size:
            kept = [e for e in words["entries"] if len(e) == 1 and e not in STOPS][:size]
            words = {"entries": [*MARKS[:n_marks], *kept, *STOPS]}
        known = [e for e in words["entries"] if len(e) == 1 and e not in STOPS]
        script, lines = "", draw.permutation(len(known)).tolist()
        for place, wanted in enumerate(Form(n_characters, n_lines, ()).text):
            script += known[lines[place % len(known)]] if wanted == "字" else wanted
        return Case(
            label,
            script=script,
            start=start,
            form={"n_characters": n_characters, "n_lines": n_lines},
            words={**words, "tempting": {str(k): v for k, v in (tempting or {}).items()}},
            **others,
        )

    def refuses(self, case: Case) -> bool:
        return False

    def given(self, case: Case) -> dict[int, str]:
        """Return the characters that are given, by place."""
        return {}

    def answer(self, case: Case) -> dict[str, Any]:
        return self.told(case, self.given(case), case.script)

    def model(self, case: Case) -> Recital:
        index = {entry: i for i, entry in enumerate(case.words["entries"])}
        script = [index[character] for character in case.script]
        tempting = {int(k): index[entry] for k, entry in case.words["tempting"].items()}
        return Recital(script, tempting, len(index))

    def arguments(self, case: Case) -> dict[str, Any]:
        """Return what is handed over besides the model."""
        entries = list(case.words["entries"])
        return {
            "start": case.start,
            "mask": Form(**case.form, entries=entries).mask,
            "draw": best,
            "entries": entries,
        }

    def ask(self, built: Any, case: Case) -> Any:
        model = self.model(case)
        poem = built(model, **self.arguments(case))
        if poem is None:
            return None
        return {"poem": poem, "read": model._read, "autograd": model._recorded}

    def interpret(self, outputs: Any, case: Case) -> Any:
        if not isinstance(outputs, dict):
            return outputs
        length = len(Form(**case.form, entries=()).text)
        entries = case.words["entries"]
        read = [entries[i] for i in outputs["read"]]
        return {
            **outputs,
            # The last stop may be read, so that the model says itself that this is the end.
            "read": "".join(read[:length]).removesuffix(STOPS[1]),
            "more read than needed": len(read) > length + 1,
        }

    def told(
        self, case: Case, given: dict[int, str], wanted: str, read: str | None = None
    ) -> dict[str, Any]:
        """Answer with what is given, and elsewhere with what is wanted, if the form allows it.

        Where it does not, the first of the entries that may stand there is taken.
        """
        form = Form(**case.form, entries=case.words["entries"])
        poem = []
        for place in range(len(form.text)):
            if place in given:
                poem.append(given[place])
                continue
            may = [e for e, ok in zip(form.entries, form.mask(place).tolist(), strict=True) if ok]
            entry = wanted[place : place + 1]
            poem.append(entry if entry in may else may[0])
        if read is None:
            read = self.heard(case, poem[:-1])
        return {
            "poem": "".join(poem),
            "read": read,
            "autograd": False,
            "more read than needed": False,
        }

    def heard(self, case: Case, poem: Sequence[str], start: int | None = None) -> str:
        """Return what a model has read that was given the start and then these characters."""
        entries = case.words["entries"]
        known = [entry if entry in entries else "<unk>" for entry in poem]
        return "".join([entries[case.start if start is None else start], *known])


# ------------------------------------------------------------------ the questions
class WithTemperature(RefusingSpec):
    """Logits at a temperature.

    Shape:
        - logits: (V,)
        - Output: (V,)
    """

    name = "with_temperature"
    points = 2
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        V = draw.primes(1)[0] + 4
        yield Case("careful", logits=draw.normal(V), T=0.5)
        yield Case("daring", logits=draw.normal(V), T=2.5)
        yield Case("float32", logits=draw.normal(V, dtype=torch.float32), T=0.75)
        yield Case("enormous logits", logits=draw.normal(V) * 1e4, T=0.125)
        yield Case("forbidden characters", logits=some_forbidden(draw.normal(V), [0, 2]), T=3)
        yield Case("a temperature of 0", logits=draw.normal(V), T=0.0)
        logits = some_forbidden(draw.uniform(V, low=-9.0, high=-1.0), [1, 2])
        yield Case("0, and forbidden characters", logits=logits, T=0)
        yield Case("a negative temperature", logits=draw.normal(V), T=-0.5)
        yield Case("a small negative temperature", logits=draw.normal(V), T=-1e-3)

    def refuses(self, case: Case) -> bool:
        return case.T < 0

    def answer(self, case: Case) -> torch.Tensor:
        if case.T == 0:
            return only(case.logits, case.logits.argmax())
        return case.logits / case.T

    @misconception(
        "You multiply by the temperature; a low one should make the differences between the logits "
        "larger."
    )
    def multiplied(self, case):
        right = self.reference(case)
        return case.logits * case.T if case.T > 0 else right

    @misconception(
        "At the temperature 0 you divide by zero. The text says what is meant there, and no "
        "division will give it."
    )
    def divided_by_zero(self, case):
        return case.logits / case.T if case.T == 0 else self.reference(case)

    @misconception(
        "At the temperature 0 the logits are as they were; only the largest should be left."
    )
    def zero_ignored(self, case):
        return case.logits if case.T == 0 else self.reference(case)

    @misconception(
        "You refuse the temperature 0; it has a meaning, and only negative ones have none."
    )
    def zero_refused(self, case):
        return REFUSED if case.T == 0 else self.reference(case)

    @misconception(
        "At the temperature 0 the other characters get the logit 0. That is a logit like any "
        "other, and after the softmax it is no probability of zero."
    )
    def zero_logits(self, case):
        right = self.reference(case)
        return right.nan_to_num(neginf=0.0) if case.T == 0 else right

    @misconception(
        "A negative temperature is accepted; it would make the worst character the best, so it "
        "should lead to a ValueError."
    )
    def negative_accepted(self, case):
        return case.logits / case.T if case.T < 0 else self.reference(case)

    @misconception(
        "You return probabilities; logits are asked for, and the softmax comes later, when a "
        "character is drawn."
    )
    def probabilities(self, case):
        right = self.reference(case)
        return right if self.refuses(case) else F.softmax(right, dim=0)


class TopK(RefusingSpec):
    """The k largest logits.

    Shape:
        - logits: (V,)
        - Output: (V,)
    """

    name = "top_k"
    points = 3
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        V = draw.primes(1)[0] + 7
        yield Case("some of them", logits=draw.normal(V), k=draw.integer(3, 6))
        yield Case("only the best", logits=draw.normal(V), k=1)
        yield Case("float32", logits=draw.normal(V, dtype=torch.float32), k=4)
        yield Case("all of them", logits=draw.normal(V), k=V)
        yield Case("k is larger than V", logits=draw.normal(V), k=V + draw.integer(1, 9))
        yield Case("negative logits", logits=draw.uniform(V, low=-9.0, high=-1.0), k=2)
        yield Case("forbidden characters", logits=some_forbidden(draw.normal(V), [1, 3]), k=3)
        few = some_forbidden(draw.normal(V), range(3, V))
        yield Case("fewer than k are allowed", logits=few, k=5)
        tied = torch.tensor([3.0, 1.0, 1.0, 1.0, 0.5], dtype=torch.float64)
        yield Case("equal logits", logits=tied[draw.permutation(5)], k=2)
        yield Case("k is 0", logits=draw.normal(V), k=0)
        yield Case("k is negative", logits=draw.normal(V), k=-2)

    def refuses(self, case: Case) -> bool:
        return case.k < 1

    def answer(self, case: Case) -> torch.Tensor:
        kept = case.logits.topk(min(case.k, len(case.logits))).indices
        return self.interpret(only(case.logits, kept), case)

    def interpret(self, outputs: Any, case: Case) -> Any:
        """Put equal logits into one order: any of them may be kept."""
        if case.label != "equal logits" or not isinstance(outputs, torch.Tensor):
            return outputs
        if outputs.shape != case.logits.shape:
            return outputs
        best = (case.logits == case.logits.max()).nonzero()[0]
        rest = (case.logits != case.logits.max()).nonzero()[:, 0]
        return torch.cat([outputs[best], outputs[rest].sort(descending=True).values])

    @misconception("You keep the k smallest logits; it is the k largest that should stay.")
    def smallest_kept(self, case):
        if self.refuses(case):
            return REFUSED
        count = min(case.k, len(case.logits))
        kept = case.logits.topk(count, largest=False).indices
        return self.interpret(only(case.logits, kept), case)

    @misconception(
        "If several logits are as large as the last one that is kept, you keep them all; exactly k "
        "should stay, and any of the equal ones may go."
    )
    def ties_kept(self, case):
        right = self.reference(case)
        if case.label != "equal logits":
            return right
        ordered = case.logits.sort(descending=True).values
        return ordered.masked_fill(ordered < right[case.k - 1], -torch.inf)

    @misconception("One too few is kept: the smallest of the k largest logits should stay as well.")
    def last_one_cut(self, case):
        if self.refuses(case) or case.k >= len(case.logits):
            last = case.logits.min()
        else:
            last = case.logits.sort(descending=True).values[case.k - 1]
        if self.refuses(case):
            return REFUSED
        return self.interpret(case.logits.masked_fill(case.logits <= last, -torch.inf), case)

    @misconception(
        "What is cut off gets the logit 0. That is a logit like any other, and after the softmax "
        "it is no probability of zero."
    )
    def zero_logits(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        cut = (right == -torch.inf) & (self.interpret(case.logits, case) != -torch.inf)
        return right.masked_fill(cut, 0.0)

    @misconception(
        "If k is larger than the number of characters, torch.topk cannot find so many; then all "
        "should stay."
    )
    def too_many_asked_for(self, case):
        if not self.refuses(case):
            case.logits.topk(case.k)
        return self.reference(case)

    @misconception("A k larger than the number of characters is refused; then all should stay.")
    def large_k_refused(self, case):
        return REFUSED if case.k > len(case.logits) else self.reference(case)

    @misconception(
        "You return the k logits alone. Their places are lost; the answer should have a place for "
        "each character, as the logits have."
    )
    def others_left_out(self, case):
        if self.refuses(case):
            return REFUSED
        return case.logits.topk(min(case.k, len(case.logits))).values

    @misconception(
        "A k of 0 or less is accepted; no character would be left to draw, so it should lead to a "
        "ValueError."
    )
    def nothing_kept(self, case):
        right = self.reference(case)
        return torch.full_like(case.logits, -torch.inf) if self.refuses(case) else right

    @misconception(
        "You return probabilities; logits are asked for, and the softmax comes later, when a "
        "character is drawn."
    )
    def probabilities(self, case):
        right = self.reference(case)
        return right if self.refuses(case) else F.softmax(right, dim=0)


class TopP(RefusingSpec):
    """The fewest characters that together reach a probability of p.

    Shape:
        - logits: (V,)
        - Output: (V,)
    """

    name = "top_p"
    points = 5
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        V = draw.primes(1)[0] + 7
        yield self.reaching(draw, "three are needed", draw.normal(V), 3)
        yield self.reaching(draw, "four are needed", draw.normal(V), 4)
        yield self.reaching(draw, "float32", draw.normal(V, dtype=torch.float32), 3)
        yield self.reaching(draw, "the best one is enough", draw.normal(V), 1)
        forbidden = some_forbidden(draw.normal(V), [1, 3])
        yield self.reaching(draw, "forbidden characters", forbidden, 2)
        # The differences count: exp of these logits is too large for a float.
        yield self.reaching(draw, "enormous logits", draw.normal(V) + 1e4, 3)
        yield Case("p is 1", logits=draw.normal(V), p=1.0)
        level = torch.full((4,), draw.uniform().item(), dtype=torch.float64)
        # Each has exactly 0.25, and so two of them reach exactly 0.5.
        yield Case("equal logits", logits=level, p=0.5)
        yield Case("p is 0", logits=draw.normal(V), p=0.0)
        yield Case("p is negative", logits=draw.normal(V), p=-0.25)
        yield Case("p is more than 1", logits=draw.normal(V), p=1.25)

    def reaching(self, draw: Draw, label: str, logits: torch.Tensor, count: int) -> Case:
        """Choose p so that so many characters are needed, and rounding has no say in it."""
        logits = self.mixed(logits, draw)
        total = F.softmax(logits.double(), dim=0).sort(descending=True).values.cumsum(0)
        low = total[count - 2].item() if count > 1 else 0.0
        return Case(label, logits=logits, p=round((low + 2 * total[count - 1].item()) / 3, 4))

    def mixed(self, logits: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Reorder the logits so that neither the best nor the worst comes first."""
        ordered = logits.sort(descending=True).values
        finite = int(ordered.isfinite().sum())
        worst, best, second = ordered[finite - 1], ordered[0], ordered[1]
        rest = torch.cat([ordered[2 : finite - 1], ordered[finite:]])
        rest = rest[draw.permutation(len(rest))]
        # Gaps, so that no two probabilities are nearly the same.
        return torch.cat([rest[:2], best[None] + 0.3, worst[None], rest[2:], second[None] + 0.1])

    def refuses(self, case: Case) -> bool:
        return not 0 < case.p <= 1

    def ordered(self, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the indexes of the characters, the best first, and the sums of probabilities."""
        probs, order = F.softmax(case.logits.double(), dim=0).sort(descending=True)
        return order, probs.cumsum(0)

    def needed(self, case: Case) -> int:
        """Return how many characters are needed to reach p."""
        if case.p == 1:
            return len(case.logits)
        _, total = self.ordered(case)
        return int((total < case.p).sum()) + 1

    def best(self, case: Case, count: int) -> torch.Tensor:
        """Keep so many of the best characters."""
        order, _ = self.ordered(case)
        return self.interpret(only(case.logits, order[:count]), case)

    def answer(self, case: Case) -> torch.Tensor:
        return self.best(case, self.needed(case))

    def interpret(self, outputs: Any, case: Case) -> Any:
        """Put equal logits into one order: any of them may be kept."""
        if case.label != "equal logits" or not isinstance(outputs, torch.Tensor):
            return outputs
        return outputs.sort(descending=True).values if outputs.dim() == 1 else outputs

    @misconception(
        "The character with which the sum reaches p is cut off as well; without it the sum stays "
        "below p. If the best one is enough, nothing is left at all."
    )
    def last_one_cut(self, case):
        if self.refuses(case) or case.p == 1:
            return self.reference(case)
        return self.best(case, self.needed(case) - 1)

    @misconception(
        "The character with which the sum reaches p is cut off, except where it is the best one; "
        "without it the sum stays below p."
    )
    def last_one_cut_best_kept(self, case):
        if self.refuses(case) or case.p == 1:
            return self.reference(case)
        return self.best(case, max(self.needed(case) - 1, 1))

    @misconception(
        "One too many is kept: once the sum has reached p, no other character is needed."
    )
    def one_too_many(self, case):
        return REFUSED if self.refuses(case) else self.best(case, self.needed(case) + 1)

    @misconception(
        "Where the sum is exactly p you keep one more; reaching p is enough, it need not be "
        "exceeded."
    )
    def exactly_p_not_enough(self, case):
        if self.refuses(case) or case.p == 1:
            return self.reference(case)
        _, total = self.ordered(case)
        return self.best(case, int((total <= case.p).sum()) + 1)

    @misconception(
        "You add up the probabilities in the order of the vocabulary; the most probable characters "
        "should come first."
    )
    def not_sorted(self, case):
        if self.refuses(case):
            return REFUSED
        probs = F.softmax(case.logits, dim=0)
        kept = (probs.cumsum(0) - probs < case.p).nonzero()[:, 0]
        return self.interpret(only(case.logits, kept), case)

    @misconception(
        "You begin with the least probable characters, and so it is the best ones that are cut off."
    )
    def worst_first(self, case):
        if self.refuses(case):
            return REFUSED
        probs, order = F.softmax(case.logits, dim=0).sort()
        kept = order[probs.cumsum(0) - probs < case.p]
        return self.interpret(only(case.logits, kept), case)

    @misconception(
        "What you found out for the sorted characters is applied to the unsorted ones; each has to "
        "go back to where its character stands."
    )
    def not_put_back(self, case):
        if self.refuses(case):
            return REFUSED
        return self.interpret(only(case.logits, torch.arange(self.needed(case))), case)

    @misconception(
        "The logits come back sorted; each should stand where its character stands in the "
        "vocabulary."
    )
    def returned_sorted(self, case):
        right = self.reference(case)
        return right if self.refuses(case) else right.sort(descending=True).values

    @misconception(
        "The exponential overflows for large logits; torch.softmax takes care of that, and so can "
        "you."
    )
    def overflow(self, case):
        if self.refuses(case) or not case.logits.exp().isinf().any():
            return self.reference(case)
        return torch.full_like(case.logits, -torch.inf)

    @misconception(
        "What is cut off gets the logit 0. That is a logit like any other, and after the softmax "
        "it is no probability of zero."
    )
    def zero_logits(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        cut = (right == -torch.inf) & (self.interpret(case.logits, case) != -torch.inf)
        return self.interpret(right.masked_fill(cut, 0.0), case)

    @misconception(
        "A p outside of 0 to 1 is accepted; it is no probability that can be reached, so it should "
        "lead to a ValueError. For p = 0 as well: nobody needs to be kept to reach nothing."
    )
    def any_p_accepted(self, case):
        if case.p > 1:
            return case.logits
        right = self.reference(case)
        return torch.full_like(case.logits, -torch.inf) if self.refuses(case) else right

    @misconception("You refuse p = 1; it keeps every character, and is allowed.")
    def one_refused(self, case):
        return REFUSED if case.p == 1 else self.reference(case)


class SampleNext(Spec):
    """A draw of the next character.

    Shape:
        - logits: (V,)
        - Output: an int
    """

    name = "sample_next"
    points = 4
    proof_seeds = 6

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "four characters", [0.8, 0.12, 0.05, 0.03])
        yield self.case(draw, "forbidden characters", [0.55, 0.0, 0.3, 0.0, 0.15])
        yield self.case(draw, "enormous logits", [0.85, 0.1, 0.05], plus=1e4)
        yield self.case(draw, "enormous negative logits", [0.8, 0.2], plus=-1e4)
        yield self.case(draw, "float32", [0.15, 0.8, 0.05], dtype=torch.float32)
        yield self.case(draw, "only one is left", [0.0, 1.0, 0.0])

    def case(
        self,
        draw: Draw,
        label: str,
        probs: list[float],
        plus: float = 0.0,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        logits = torch.tensor(probs, dtype=torch.float64).log() + plus
        logits = logits[draw.permutation(len(probs))].to(dtype)
        times = 40 if 1.0 in probs else 1000 if len(probs) == 3 else 1500
        return Case(label, logits=logits, seed=draw.integer(1, 10**6), times=times)

    def call(self, built: Any, case: Case) -> dict[str, Any]:
        before = torch.get_rng_state()
        generator = torch.Generator().manual_seed(case.seed)
        first = generator.get_state()
        draws = [built(case.logits, generator) for _ in range(40)]
        # To seed the global generator takes long, and it is wrong however often it is done.
        alone = torch.equal(torch.get_rng_state(), before)
        times = case.times if alone else min(case.times, 300)
        draws += [built(case.logits, generator) for _ in range(40, times)]
        kinds = sorted({type(drawn).__name__ for drawn in draws})
        if kinds not in (["int"], ["Tensor"]):
            torch.set_rng_state(before)
            return None if kinds == ["NoneType"] else {"type": ", ".join(kinds)}
        used = not torch.equal(generator.get_state(), first)
        generator.manual_seed(case.seed)
        again = [built(case.logits, generator) for _ in range(40)]
        untouched = torch.equal(torch.get_rng_state(), before)
        torch.set_rng_state(before)
        return {
            "draws": torch.tensor([int(drawn) for drawn in draws]),
            "same seed, same draws": [int(drawn) for drawn in again]
            == [int(drawn) for drawn in draws[:40]],
            "the generator is used": used,
            "the global generator is left alone": untouched,
            "type": ", ".join(kinds),
        }

    def reference(self, case: Case) -> dict[str, Any]:
        return self.said(case)

    def said(self, case: Case, **changes: Any) -> dict[str, Any]:
        """Answer with a few things changed."""
        right = {
            "draws": "as the softmax says",
            "same seed, same draws": True,
            "the generator is used": True,
            "the global generator is left alone": True,
            "type": "int",
        }
        right |= {name.replace("_", " "): value for name, value in changes.items()}
        # If there is nothing to choose from, nobody has to draw.
        return right if self.choices(case) > 1 else {**right, "the generator is used": True}

    def choices(self, case: Case) -> int:
        return int(case.logits.isfinite().sum())

    def interpret(self, outputs: Any, case: Case) -> Any:
        if not isinstance(outputs, dict):
            return outputs
        if "draws" not in outputs:
            raise ValueError(
                f"What you return is of the type {outputs.get('type')}; an int is asked for, one "
                "index of the vocabulary."
            )
        counts = torch.zeros(len(case.logits))
        for drawn in outputs["draws"].tolist():
            if not 0 <= drawn < len(counts):
                raise ValueError(f"{drawn} is not the index of any of the {len(counts)} logits.")
            counts[drawn] += 1
        return self.said(case, **{**outputs, "draws": self.law(case, counts)})

    def law(self, case: Case, counts: torch.Tensor) -> str:
        """Name the law that the draws follow."""
        probs = F.softmax(case.logits.double(), dim=0)
        allowed = probs > 0
        if bool(counts[~allowed].any()):
            return "a forbidden character was drawn"
        level = allowed / allowed.sum()
        if self.near(counts, probs):
            return "as the softmax says"
        if int((counts > 0).sum()) == 1:
            return "always the same"
        return "all alike" if self.near(counts, level) else "by another law"

    def near(self, counts: torch.Tensor, probs: torch.Tensor) -> bool:
        """Tell whether counts are near a law; by chance they are not once in a billion times."""
        times = counts.sum()
        bound = 6.5 * (times * probs * (1 - probs)).sqrt() + 4 * (probs > 0)
        return bool(((counts - times * probs).abs() <= bound).all())

    def if_several(self, case: Case, law: str) -> str:
        return law if self.choices(case) > 1 else "as the softmax says"

    @misconception(
        "You always take the most probable character; nothing is drawn, and the poem would be the "
        "same each time."
    )
    def always_the_best(self, case):
        law = self.if_several(case, "always the same")
        return self.said(case, draws=law, the_generator_is_used=False)

    @misconception(
        "All characters that are allowed are drawn equally often; each should come with its "
        "probability."
    )
    def all_alike(self, case):
        return self.said(case, draws=self.if_several(case, "all alike"))

    @misconception(
        "The given generator is not used: you draw from torch's global one, so that a poem cannot "
        "be written a second time."
    )
    def global_generator(self, case):
        changes = {
            "same_seed,_same_draws": self.choices(case) == 1,
            "the_generator_is_used": False,
            "the_global_generator_is_left_alone": False,
        }
        return self.said(case, **changes)

    @misconception(
        "You seed the generator before each draw, and so it draws the same again and again; "
        "whoever hands it over has seeded it."
    )
    def seeded_each_time(self, case):
        return self.said(case, draws=self.if_several(case, "always the same"))

    @misconception(
        "You seed torch's global generator before each draw, and so it draws the same again and "
        "again; draw from the generator that is given, and leave the other alone."
    )
    def global_generator_seeded(self, case):
        law = self.if_several(case, "always the same")
        changes = {"the_generator_is_used": False, "the_global_generator_is_left_alone": False}
        return self.said(case, draws=law, **changes)

    @misconception("You return a tensor; an int is asked for, one index of the vocabulary.")
    def returned_tensor(self, case):
        return self.said(case, type="Tensor")

    @misconception(
        "The exponential overflows for large logits, and all of it vanishes for very negative "
        "ones; torch.softmax takes care of both."
    )
    def overflow(self, case):
        weights = case.logits.exp()
        torch.multinomial(weights / weights.sum(), 1)  # raises an error for NaN
        return self.reference(case)

    @misconception(
        "You draw with the logits as weights; they may be negative, and it is their softmax that "
        "says how probable each character is."
    )
    def logits_as_weights(self, case):
        torch.multinomial(case.logits, 1)  # raises an error if one is negative
        return self.said(case, draws="all alike")

    @misconception(
        "The probabilities go through a softmax a second time, which makes them nearly equal, and "
        "gives those that are forbidden a probability again."
    )
    def softmax_twice(self, case):
        law = (
            "by another law" if case.logits.isfinite().all() else "a forbidden character was drawn"
        )
        return self.said(case, draws=law)


class FormMask(RefusingSpec):
    """What may stand at a place.

    Shape:
        - Output: (V,), truth values
    """

    name = "form_mask"
    points = 4

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, n_characters, n_lines, n_marks in [
            ("a couplet of single characters", 1, 2, 4),
            ("a quatrain", 5, 4, 4),
            ("marks for the forms", 7, 4, 8),
            ("eight lines", draw.integer(3, 7), 8, 6),
            ("three lines", 5, 3, 4),
            ("a single line", 7, 1, 4),
            ("no line", 5, 0, 4),
            ("lines without characters", 0, 4, 4),
        ]:
            end = n_lines * (n_characters + 1)
            n = n_characters
            places = {0, n - 1, n, n + 1, n + 2, 2 * n + 1, 2 * n + 2, end - 2, end - 1, end}
            yield Case(
                label,
                n_characters=n_characters,
                n_lines=n_lines,
                places=sorted(p for p in places if 0 <= p <= end),
                words=vocabulary(draw, n_marks),
            )

    def refuses(self, case: Case) -> bool:
        return case.n_characters < 1 or case.n_lines < 2 or case.n_lines % 2 == 1

    def ask(self, built: Any, case: Case) -> dict[str, Any] | None:
        masks = {
            f"place {place}": built(
                place, case.n_characters, case.n_lines, list(case.words["entries"])
            )
            for place in case.places
        }
        return None if any(mask is None for mask in masks.values()) else masks

    def interpret(self, outputs: Any, case: Case) -> Any:
        """Name the type of what is no tensor: a list as long as a vocabulary says no more."""
        if not isinstance(outputs, dict):
            return outputs
        return {
            place: mask if isinstance(mask, torch.Tensor) else type(mask).__name__
            for place, mask in outputs.items()
        }

    def answer(self, case: Case) -> dict[str, torch.Tensor]:
        form = Form(case.n_characters, case.n_lines, case.words["entries"])
        return {f"place {place}": form.mask(place) for place in case.places}

    def shifted(self, case: Case, steps: int) -> dict[str, torch.Tensor] | str:
        """Answer each place with what belongs to another one."""
        if self.refuses(case):
            return REFUSED
        form = Form(case.n_characters, case.n_lines, case.words["entries"])
        return {f"place {place}": form.mask(max(place + steps, 0)) for place in case.places}

    def changed(self, case: Case, wrong: Callable[[int, torch.Tensor], torch.Tensor]) -> Any:
        """Change the answer to each place."""
        right = self.reference(case)
        if self.refuses(case):
            return right
        return {f"place {p}": wrong(p, right[f"place {p}"].clone()) for p in case.places}

    def where(self, case: Case, *entries: str) -> torch.Tensor:
        return torch.tensor([entry in entries for entry in case.words["entries"]])

    def inside(self, case: Case, place: int) -> bool:
        return place < self.end(case) and place % (case.n_characters + 1) < case.n_characters

    def end(self, case: Case) -> int:
        return case.n_lines * (case.n_characters + 1)

    @misconception(
        "The comma and the full stop are exchanged: a comma ends the first line of a couplet, and "
        "a full stop the second."
    )
    def stops_exchanged(self, case):
        comma, stop = self.where(case, "，"), self.where(case, "。")

        def wrong(place, mask):
            if torch.equal(mask, comma):
                return stop
            return comma if torch.equal(mask, stop) else mask

        return self.changed(case, wrong)

    @misconception("Every line ends with a comma; the second line of a couplet has a full stop.")
    def commas_only(self, case):
        comma, stop = self.where(case, "，"), self.where(case, "。")
        return self.changed(case, lambda place, mask: comma if torch.equal(mask, stop) else mask)

    @misconception(
        "Either stop may end any line; the form leaves no choice there: a comma after the odd "
        "lines and a full stop after the even ones."
    )
    def either_stop(self, case):
        both = self.where(case, "，", "。")
        return self.changed(case, lambda place, mask: both if (mask & both).any() else mask)

    @misconception("The comma and the full stop may stand inside a line; only characters may.")
    def stops_inside(self, case):
        stops = self.where(case, "，", "。")
        return self.changed(case, lambda p, mask: mask | stops if self.inside(case, p) else mask)

    @misconception(
        "The unknown may stand inside a line; nobody could read it there, so <unk> must not come."
    )
    def unknown_inside(self, case):
        unknown = self.where(case, "<unk>")
        return self.changed(case, lambda p, mask: mask | unknown if self.inside(case, p) else mask)

    @misconception("<eos> may stand inside a line, so that the poem could end too early.")
    def end_inside(self, case):
        end = self.where(case, "<eos>")
        return self.changed(case, lambda p, mask: mask | end if self.inside(case, p) else mask)

    @misconception(
        "You know four marks only; there may be more entries in angle brackets, and none of them "
        "is a character."
    )
    def four_marks_only(self, case):
        others = self.where(case, *MARKS[4:])
        return self.changed(case, lambda p, mask: mask | others if self.inside(case, p) else mask)

    @misconception(
        "After the last line characters may follow again; nothing but <eos> can stand there."
    )
    def no_end(self, case):
        again = self.reference(case)
        return self.changed(case, lambda p, mask: again["place 0"] if p == self.end(case) else mask)

    @misconception("The places are counted from 0; you take place 1 for the first.")
    def counted_from_one(self, case):
        return self.shifted(case, -1)

    @misconception(
        "You forget that the stops have places, too: each line takes one place more than it has "
        "characters."
    )
    def stops_not_counted(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        n, lines = case.n_characters, case.n_lines
        characters = right["place 0"]
        stops = [self.where(case, stop) for stop in STOPS]
        answer = {}
        for place in case.places:
            line, rest = divmod(place, n)
            mask = characters if rest < n - 1 else stops[line % 2]
            answer[f"place {place}"] = mask if line < lines else self.where(case, "<eos>")
        return answer

    @misconception(
        "An odd number of lines is accepted; the last couplet would have one line only, so it "
        "should lead to a ValueError."
    )
    def odd_accepted(self, case):
        odd = case.n_lines % 2 == 1 and case.n_characters >= 1
        return self.answer(case) if odd else self.reference(case)

    @misconception(
        "A form without lines or without characters is accepted; there is no such poem, so it "
        "should lead to a ValueError."
    )
    def empty_accepted(self, case):
        odd = case.n_lines % 2 == 1
        return self.reference(case) if odd else self.answer(case)

    @misconception(
        "You return whole numbers; truth values are asked for, and with whole numbers indexing and "
        "masked_fill do something else."
    )
    def whole_numbers(self, case):
        return self.changed(case, lambda place, mask: mask.long())

    @misconception("You return a list; a tensor of truth values is asked for.")
    def list_returned(self, case):
        right = self.reference(case)
        return right if self.refuses(case) else dict.fromkeys(right, "list")

    @misconception("You return True where an entry is forbidden, and False where it may stand.")
    def turned_over(self, case):
        return self.changed(case, lambda place, mask: ~mask)


class Write(WritingSpec):
    """A poem, written character by character."""

    name = "write"
    points = 6

    def cases(self, draw: Draw) -> Iterator[Case]:
        n = draw.integer(3, 7)
        yield self.make(draw, "two characters", 1, 2)
        yield self.make(draw, "a quatrain", n, 4)
        yield self.make(draw, "begins with another mark", n + 1, 2, start=5, n_marks=8)
        likes = {0: "<unk>", 1: "，", 2: "<pad>", n: "<unk>", n + 2: "<bos>", 2 * n + 3: "。"}
        yield self.make(draw, "likes what is forbidden", n, 4, tempting=likes)
        yield self.make(draw, "wants to stop", n, 2, tempting={n - 1: "<eos>", 2 * n: "<eos>"})

    @misconception(
        "The state is lost between two steps, so that the model has forgotten all but the last "
        "character."
    )
    def state_forgotten(self, case):
        right = self.reference(case)
        return self.told(case, {}, case.script[0] * len(right["poem"]))

    @misconception(
        "All that was written is read again for each character; the state holds it already, so one "
        "index at a time is enough."
    )
    def read_from_the_start(self, case):
        right = self.reference(case)
        poem, start = right["poem"], case.words["entries"][case.start]
        read = [e for place in range(len(poem)) for e in (start, *poem[:place])][: len(poem)]
        return {**right, "read": "".join(read), "more read than needed": True}

    @misconception("The mask is not used, and so the model may choose what the form forbids.")
    def mask_forgotten(self, case):
        poem, given = "", case.words["tempting"]
        read = []
        for place, character in enumerate(case.script):
            entry = given.get(str(place), character)
            if entry == "<eos>":
                break
            read.append(entry)
            poem += entry if len(entry) == 1 else ""
        else:
            read.pop()
        return {**self.reference(case), "poem": poem, "read": self.heard(case, read)}

    @misconception("The poem ends with the mark <eos>; marks are not part of the text.")
    def end_kept(self, case):
        right = self.reference(case)
        return {**right, "poem": right["poem"] + "<eos>"}

    @misconception("The poem begins with the mark at its start; marks are not part of the text.")
    def start_kept(self, case):
        right = self.reference(case)
        return {**right, "poem": case.words["entries"][case.start] + right["poem"]}

    @misconception(
        "The model reads the start at each step; it should read what was chosen at the step before."
    )
    def start_read_again(self, case):
        right = self.reference(case)
        return {**right, "read": case.words["entries"][case.start] * len(right["poem"])}

    @misconception(
        "The model begins with <bos>, whatever start is; it may be the mark of a form as well."
    )
    def start_ignored(self, case):
        right = self.reference(case)
        return {**right, "read": self.heard(case, right["poem"][:-1], start=BOS)}

    @misconception(
        "Autograd records each step of the writing, and keeps all of it in memory; nobody will ask "
        "for a gradient here."
    )
    def autograd_left_on(self, case):
        return {**self.reference(case), "autograd": True}

    @misconception(
        "What the mask forbids gets the logit 0. That is a logit like any other, and here it is "
        "the largest of all."
    )
    def zero_logits(self, case):
        right = self.reference(case)
        marks = [case.words["entries"][PAD]] * len(right["poem"])
        return {**right, "poem": "".join(marks), "read": self.heard(case, marks[:-1])}

    @misconception("Your answer is a list; it should be one string.")
    def list_returned(self, case):
        right = self.reference(case)
        return {**right, "poem": list(right["poem"])}

    @misconception("The comma and the full stop are left out of the text; they are part of it.")
    def stops_left_out(self, case):
        right = self.reference(case)
        poem = "".join(character for character in right["poem"] if character not in STOPS)
        return {**right, "poem": poem}


class ContinuePoem(WritingSpec):
    """A poem with a given beginning."""

    name = "continue_poem"
    points = 5

    def cases(self, draw: Draw) -> Iterator[Case]:
        n = draw.integer(4, 7)
        yield self.begun(draw, "two characters", n, 4, "字字")
        yield self.begun(draw, "an empty beginning", n, 2, "")
        yield self.begun(draw, "a line with its comma", n, 2, "字" * n + "，")
        yield self.begun(draw, "into the second line", n, 4, "字" * n + "，字", start=4, n_marks=8)
        yield self.begun(draw, "unknown characters", n, 2, "字罕字")
        yield self.begun(draw, "all but the end", 2, 2, "字字，字罕。")
        yield self.begun(draw, "a vocabulary of two characters", 2, 2, "罕", size=2)
        likes = {1: "，", 2: "<unk>", n + 2: "<pad>"}
        yield self.begun(draw, "likes what is forbidden", n, 2, "字", tempting=likes)
        yield self.begun(draw, "too long", 1, 2, "字，字。字")
        yield self.begun(draw, "a full stop too many", 1, 2, "字，字。。")
        yield self.begun(draw, "a comma inside a line", n, 4, "字，字")
        yield self.begun(draw, "a full stop after the first line", n, 2, "字" * n + "。")
        yield self.begun(draw, "a line too long", n, 2, "字" * (n + 1))
        yield self.begun(draw, "an unknown character too many", n, 2, "字" * n + "罕")

    def begun(
        self, draw: Draw, label: str, n_characters: int, n_lines: int, pattern: str, **how: Any
    ) -> Case:
        case = self.make(draw, label, n_characters, n_lines, beginning="", **how)
        known = [e for e in case.words["entries"] if len(e) == 1 and e not in STOPS]
        # Other characters than the model would write at these places.
        order = [e for e in known if e not in case.script]
        order += [e for e in known if e in case.script[len(pattern) :]]
        beginning = ""
        for place, sign in enumerate(pattern):
            if sign == "字":
                beginning += order[place % len(order)]
            else:
                beginning += RARE[draw.integer(0, len(RARE))] if sign == "罕" else sign
        return case.with_(beginning=beginning)

    def arguments(self, case: Case) -> dict[str, Any]:
        return {**super().arguments(case), "beginning": case.beginning}

    def refuses(self, case: Case) -> bool:
        form = Form(**case.form, entries=()).text
        signs = "".join(c if c in STOPS else "字" for c in case.beginning)
        return not form.startswith(signs)

    def given(self, case: Case) -> dict[int, str]:
        return dict(enumerate(case.beginning))

    def changed(self, case: Case, **changes: Any) -> Any:
        right = self.reference(case)
        return right if self.refuses(case) else {**right, **changes}

    @misconception(
        "The model has not read the beginning, and so it goes on as if nothing had been written."
    )
    def beginning_not_read(self, case):
        if self.refuses(case):
            return REFUSED
        given = self.given(case)
        answer = self.told(case, given, " " * len(given) + case.script)
        rest = answer["poem"][len(given) : -1]
        # Where nothing is left to write, the model reads the start and is not asked for more.
        read = self.heard(case, rest)
        return {**answer, "read": read}

    @misconception(
        "The state after the beginning is lost, and so the model goes on as if it had read one "
        "character only."
    )
    def state_dropped(self, case):
        if self.refuses(case):
            return REFUSED
        given = self.given(case)
        return self.told(case, given, " " * len(given) + case.script)

    @misconception(
        "The last character of the beginning is read twice: with the beginning, and once more "
        "before the first draw. The logits of the first reading say already what comes next."
    )
    def last_read_twice(self, case):
        if self.refuses(case):
            return REFUSED
        given = self.given(case)
        answer = self.told(case, given, case.script[1:])
        entries = case.words["entries"]
        first = [entries[case.start], *(c if c in entries else "<unk>" for c in given.values())]
        read = [*first, first[-1], *answer["poem"][len(given) :]][: len(answer["poem"])]
        return {
            **answer,
            "read": "".join(read).removesuffix(STOPS[1]),
            "more read than needed": True,
        }

    @misconception("The beginning is missing from the text that you return.")
    def beginning_left_out(self, case):
        if self.refuses(case):
            return REFUSED
        return self.changed(case, poem=self.reference(case)["poem"][len(case.beginning) :])

    @misconception(
        "The characters of the beginning are replaced by what the model chose; they should stay as "
        "they are."
    )
    def beginning_replaced(self, case):
        return REFUSED if self.refuses(case) else self.told(case, {}, case.script)

    @misconception(
        "Characters that the vocabulary lacks appear as <unk> in the poem; the model reads <unk>, "
        "but in the poem they stand as they were written."
    )
    def unknown_written(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        return self.changed(case, poem="".join("<unk>" if c in RARE else c for c in right["poem"]))

    @misconception(
        "Characters that the vocabulary lacks are not read at all; the model should read <unk> "
        "where they stand."
    )
    def unknown_skipped(self, case):
        if self.refuses(case):
            return REFUSED
        given = self.given(case)
        known = "".join(c for c in case.beginning if c not in RARE)
        lost = len(given) - len(known)
        answer = self.told(case, given, " " * lost + case.script)
        rest = answer["poem"][len(given) : -1] if len(given) < len(answer["poem"]) else ""
        return {**answer, "read": self.heard(case, known + rest).removesuffix(STOPS[1])}

    @misconception(
        "You refuse characters that the vocabulary lacks; the model can read <unk> in their place."
    )
    def unknown_refused(self, case):
        rare = any(character in RARE for character in case.beginning)
        return REFUSED if rare else self.reference(case)

    @misconception(
        "A beginning that does not fit the form is accepted; it should lead to a ValueError."
    )
    def misfit_accepted(self, case):
        answer = self.told(case, self.given(case), case.script)
        length = len(answer["poem"])
        if len(case.beginning) <= length:
            return answer
        read = self.heard(case, case.beginning[: length - 1])
        return {**answer, "poem": case.beginning, "read": read, "more read than needed": True}

    @misconception(
        "A beginning that is longer than the whole poem is accepted; it should lead to a "
        "ValueError."
    )
    def too_long_accepted(self, case):
        length = len(Form(**case.form, entries=()).text)
        return self.misfit_accepted(case) if len(case.beginning) > length else self.reference(case)

    @misconception(
        "Autograd records each step of the writing, and keeps all of it in memory; nobody will ask "
        "for a gradient here."
    )
    def autograd_left_on(self, case):
        return self.changed(case, autograd=True)


class Acrostic(WritingSpec):
    """An acrostic, whose lines begin with given characters."""

    name = "acrostic"
    points = 4

    def cases(self, draw: Draw) -> Iterator[Case]:
        n = draw.integer(3, 7)
        yield self.headed(draw, "four heads", n, "字字字字")
        yield self.headed(draw, "two heads", n + 1, "字字", start=5, n_marks=8)
        yield self.headed(draw, "nothing but the heads", 1, "字字")
        yield self.headed(draw, "an unknown head", n, "字罕字字")
        likes = {1: "，", 2: "<unk>", n + 1: "<unk>", n + 2: "<eos>"}
        yield self.headed(draw, "likes what is forbidden", n, "字字", tempting=likes)
        yield self.headed(draw, "three heads", n, "字字字")
        yield self.headed(draw, "one head", n, "字")
        yield self.headed(draw, "no head", n, "")

    def headed(self, draw: Draw, label: str, n_characters: int, pattern: str, **how: Any) -> Case:
        n_lines = max(len(pattern) + len(pattern) % 2, 2)
        case = self.make(draw, label, n_characters, n_lines, heads="", **how)
        known = [e for e in case.words["entries"] if len(e) == 1 and e not in STOPS]
        order = [e for e in known if e not in case.script]
        heads = ""
        for place, sign in enumerate(pattern):
            heads += order[place] if sign == "字" else RARE[draw.integer(0, len(RARE))]
        return case.with_(heads=heads)

    def arguments(self, case: Case) -> dict[str, Any]:
        n = case.form["n_characters"]
        return {**super().arguments(case), "heads": case.heads, "n_characters": n}

    def refuses(self, case: Case) -> bool:
        return len(case.heads) < 2 or len(case.heads) % 2 == 1

    def at(self, case: Case, step: int, first: int = 0) -> dict[int, str]:
        """Give each head its place, at so many places from one to the next."""
        return {first + line * step: head for line, head in enumerate(case.heads)}

    def given(self, case: Case) -> dict[int, str]:
        return self.at(case, case.form["n_characters"] + 1)

    def headed_by(self, case: Case, given: dict[int, str]) -> Any:
        return REFUSED if self.refuses(case) else self.told(case, given, case.script)

    @misconception(
        "The model does not read the heads but what it would have written itself, and so the lines "
        "do not go with them."
    )
    def heads_not_read(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        return {**right, "read": self.headed_by(case, {})["read"]}

    @misconception(
        "The heads stand one after the other at the beginning of the poem; each line has one."
    )
    def heads_as_beginning(self, case):
        return self.headed_by(case, self.at(case, 1))

    @misconception("The heads stand at the ends of the lines; they should be at the beginnings.")
    def heads_at_ends(self, case):
        n = case.form["n_characters"]
        return self.headed_by(case, self.at(case, n + 1, first=n - 1))

    @misconception(
        "You forget that the stops have places, too: each line takes one place more than it has "
        "characters."
    )
    def stops_not_counted(self, case):
        return self.headed_by(case, self.at(case, case.form["n_characters"]))

    @misconception("The heads come in the wrong order: the last one stands in the first line.")
    def heads_reversed(self, case):
        return self.headed_by(case, self.given(case.with_(heads=case.heads[::-1])))

    @misconception("Only the first line has its head; each of the others should have one as well.")
    def first_head_only(self, case):
        return self.headed_by(case, self.given(case.with_(heads=case.heads[:1])))

    @misconception(
        "Heads that the vocabulary lacks appear as <unk> in the poem; the model reads <unk>, but "
        "in the poem they stand as they were written."
    )
    def unknown_written(self, case):
        right = self.reference(case)
        if self.refuses(case):
            return right
        return {**right, "poem": "".join("<unk>" if c in RARE else c for c in right["poem"])}

    @misconception(
        "You refuse heads that the vocabulary lacks; the model can read <unk> in their place."
    )
    def unknown_refused(self, case):
        rare = any(character in RARE for character in case.heads)
        return REFUSED if rare else self.reference(case)

    @misconception(
        "An odd number of heads is accepted; the last couplet would have one line only, so it "
        "should lead to a ValueError."
    )
    def odd_accepted(self, case):
        return self.told(case, self.given(case), case.script) if case.heads else REFUSED

    @misconception("No heads at all are accepted; there would be no line, so it is a ValueError.")
    def none_accepted(self, case):
        return self.reference(case) if case.heads else self.told(case, {}, case.script)

    @misconception(
        "Autograd records each step of the writing, and keeps all of it in memory; nobody will ask "
        "for a gradient here."
    )
    def autograd_left_on(self, case):
        right = self.reference(case)
        return right if self.refuses(case) else {**right, "autograd": True}


class Nearest(Spec):
    """The entries of an embedding that are most similar to one of them, by cosine similarity.

    Shape:
        - weight: (V, H)
        - Output: (k,)
    """

    name = "nearest"
    points = 3
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one neighbour", k=1)
        yield self.case(draw, "three neighbours", k=3)
        yield self.case(draw, "float32", k=3, dtype=torch.float32)
        yield self.case(draw, "more marks", k=2, n_marks=8)
        yield self.case(draw, "no marks", k=3, n_marks=0)
        yield self.case(draw, "rows of zeros", k=12, zero=(0, 9))
        yield self.case(draw, "all of them", k=6, n_marks=10)

    def case(
        self,
        draw: Draw,
        label: str,
        k: int,
        n_marks: int = 4,
        zero: tuple[int, ...] = (),
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        V, H, i = 17, draw.primes(1)[0] + 5, 13
        row, other = draw.normal(2, H)
        # The angles to row i are well apart: no rounding can exchange two neighbours.
        other = other - other @ row / (row @ row) * row
        row, other = row / row.norm(), other / other.norm()
        angle = 0.15 + 2.5 * draw.permutation(V).double() / V
        angle[:n_marks] = angle[:n_marks] * 0.1  # the marks are very near
        angle[i] = 0.0
        length = draw.uniform(V, low=0.2, high=5.0)
        length[i] = 0.3
        weight = (angle.cos()[:, None] * row + angle.sin()[:, None] * other) * length[:, None]
        weight[list(zero)] = 0.0
        return Case(label, weight=weight.to(dtype), i=i, k=k, n_marks=n_marks)

    def ranked(self, case: Case, score: torch.Tensor, marks: bool = False, itself: bool = False):
        """Rank the entries by a score. Shape: (V,) to (k,)."""
        score = score.clone()
        if not itself:
            score[case.i] = -torch.inf
        if not marks:
            score[: case.n_marks] = -torch.inf
        return score.topk(case.k).indices

    def similarity(self, case: Case) -> torch.Tensor:
        return F.cosine_similarity(case.weight, case.weight[case.i], dim=1)

    def reference(self, case: Case) -> torch.Tensor:
        return self.ranked(case, self.similarity(case))

    @misconception(
        "You compare by the product of the rows, which prefers long rows; the cosine asks for "
        "their direction alone."
    )
    def product(self, case):
        return self.ranked(case, case.weight @ case.weight[case.i])

    @misconception(
        "You compare by the distance of the rows; two rows of the same direction can be far apart, "
        "and the cosine asks for their direction alone."
    )
    def distance(self, case):
        return self.ranked(case, -(case.weight - case.weight[case.i]).norm(dim=1))

    @misconception("Entry i is among its own neighbours; it should be left out.")
    def itself_included(self, case):
        return self.ranked(case, self.similarity(case), itself=True)

    @misconception("The marks are among the neighbours; they are no characters.")
    def marks_included(self, case):
        return self.ranked(case, self.similarity(case), marks=True)

    @misconception(
        "You found the entries that are least similar; the most similar ones are asked for."
    )
    def least_similar(self, case):
        return self.ranked(case, -self.similarity(case))

    @misconception(
        "The indexes are counted from the first character; they should be counted from the first "
        "entry, so that entries[index] is the neighbour."
    )
    def counted_without_marks(self, case):
        return self.reference(case) - case.n_marks

    @misconception("You return the similarities; the indexes of the entries are asked for.")
    def similarities(self, case):
        return self.similarity(case)[self.reference(case)]

    @misconception(
        "A row of zeros has the length 0, and dividing by it gives NaN, which torch takes for the "
        "largest number of all."
    )
    def divided_by_zero(self, case):
        rows = case.weight / case.weight.norm(dim=1, keepdim=True)
        return self.ranked(case, rows @ rows[case.i])

    @misconception("The neighbours come in the wrong order: the most similar should be the first.")
    def most_similar_last(self, case):
        return self.reference(case).flip(0)
