"""The specs of the assignment poem, first part: from characters to a network that has learnt.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pad_sequence
from torch.optim.sgd import sgd

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

PAD, BOS, EOS, UNK = range(4)
MARKS = ["<pad>", "<bos>", "<eos>", "<unk>"]
CHARACTERS = "白日依山盡黃河入海流欲窮千里目更上一層樓"
UNKNOWN = "電車機網螢幕"
REFUSED = "a ValueError"


def some_characters(draw: Draw, count: int) -> list[str]:
    """Draw different characters, in the order of their code points."""
    order = draw.permutation(len(CHARACTERS))[:count].tolist()
    return sorted(CHARACTERS[i] for i in order)


def some_entries(draw: Draw, count: int = 11) -> list[str]:
    """Draw the entries of a vocabulary: the marks, and characters in any order."""
    characters = some_characters(draw, count)
    return [*MARKS, *(characters[i] for i in draw.permutation(count).tolist())]


class TorchPoemLSTM(nn.Module):
    """The model of the chapter, made of torch's own parts."""

    def __init__(self, V, H_in, H_out, num_layers=1, padding_idx=PAD, batch_first=True):
        super().__init__()
        self.embed = nn.Embedding(V, H_in, padding_idx=padding_idx)
        self.lstm = nn.LSTM(H_in, H_out, num_layers, batch_first=batch_first)
        self.out = nn.Linear(H_out, V)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embed(x), state)
        return self.out(h), state


def draw_model(
    draw: Draw,
    V: int,
    H_in: int,
    H_out: int,
    num_layers: int = 1,
    dtype: torch.dtype = torch.float64,
    scale: float = 0.5,
) -> dict[str, torch.Tensor]:
    """Draw the parameters of a TorchPoemLSTM, by name."""
    with torch.device("meta"):
        shapes = TorchPoemLSTM(V, H_in, H_out, num_layers).state_dict()
    return {
        name: draw.normal(*value.shape, scale=scale, dtype=dtype) for name, value in shapes.items()
    }


def model_with(state: dict[str, torch.Tensor]) -> TorchPoemLSTM:
    """Make the model of one layer that has the given parameters."""
    V, H_in = state["embed.weight"].shape
    model = TorchPoemLSTM(V, H_in, state["out.weight"].shape[1])
    model.to(state["out.bias"].dtype).load_state_dict(dict(state))
    return model


# ------------------------------------------------------------------------------------- the text


class MakeVocabulary(Spec):
    """The entries of a vocabulary, the marks first and then the frequent characters.

    Shape:
        - texts: a list of strings
        - Output: a list of V strings
    """

    name = "make_vocabulary"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "every character counts", 1, "gcacgd", "caebc", "dafca")
        yield self.case(draw, "rare characters are left out", 2, "fbbae", "bfac", "cad")
        yield self.case(draw, "one poem repeats a character", 3, "aaab", "cb", "cdb", "c")
        yield self.case(draw, "punctuation", 2, "db，ca。", "db，ae。")
        yield self.case(draw, "an empty text", 1, "", "ba", "")
        yield self.case(draw, "no text at all", 1)
        yield self.case(draw, "all characters are rare", 5, "ab，ba，ab。")

    def case(self, draw: Draw, label: str, least: int, *patterns: str) -> Case:
        letters = str.maketrans(dict(zip("abcdefg", some_characters(draw, 7), strict=True)))
        return Case(label, texts=[pattern.translate(letters) for pattern in patterns], least=least)

    def made(
        self, case: Case, order: Callable | None = None, least: int | None = None, counts=None
    ) -> list[str]:
        """Make the vocabulary with another order, another bound or other counts."""
        counts = counts or Counter("".join(case.texts))
        kept = [c for c, n in counts.items() if n >= (case.least if least is None else least)]
        return [*MARKS, *sorted(kept, key=order or (lambda c: (-counts[c], c)))]

    def interpret(self, outputs, case: Case):
        return self.told(outputs) if isinstance(outputs, (list, tuple)) else outputs

    def told(self, entries: list[str]) -> dict[str, str]:
        """Show all entries in one line, so that one sees at a glance where lists differ."""
        return {"the list": str(list(entries))}

    def reference(self, case: Case):
        return self.told(self.made(case))

    @misconception(
        "The characters are in the order of their code points; the most frequent one should come "
        "first."
    )
    def by_code_point(self, case):
        return self.told(self.made(case, order=ord))

    @misconception(
        "Characters that are equally frequent stand in the order in which they first occur; the "
        "code point should decide between them, so that the order of the poems does not matter."
    )
    def ties_as_they_come(self, case):
        counts = Counter("".join(case.texts))
        return self.told(self.made(case, order=lambda c: -counts[c]))

    @misconception(
        "Characters that are equally frequent stand in the wrong order: the smaller code point "
        "should come first. Sorting backwards turns ties around as well."
    )
    def ties_turned_around(self, case):
        counts = Counter("".join(case.texts))
        return self.told(self.made(case, order=lambda c: (-counts[c], -ord(c))))

    @misconception("Your vocabulary begins with the rarest character, not with the most frequent.")
    def rarest_first(self, case):
        counts = Counter("".join(case.texts))
        return self.told(self.made(case, order=lambda c: (counts[c], c)))

    @misconception(
        "Characters that occur exactly `least` times are left out; “at least” includes them."
    )
    def more_than_least(self, case):
        return self.told(self.made(case, least=case.least + 1))

    @misconception("Rare characters are in your vocabulary too: `least` has no effect.")
    def least_ignored(self, case):
        return self.told(self.made(case, least=0))

    @misconception(
        "You count in how many poems a character occurs; if it occurs three times in one poem, "
        "that counts as three."
    )
    def poems_counted(self, case):
        return self.told(
            self.made(case, counts=Counter(c for text in case.texts for c in set(text)))
        )

    @misconception("The marks stand behind the characters; they should be the first four entries.")
    def marks_last(self, case):
        return self.told([*self.made(case)[4:], *MARKS])

    @misconception("The four marks are missing; they are the first entries of the vocabulary.")
    def marks_missing(self, case):
        return self.told(self.made(case)[4:])

    @misconception(
        "Punctuation is left out; the network has to write it, and so it needs entries as well."
    )
    def punctuation_left_out(self, case):
        return self.told([entry for entry in self.made(case) if entry not in "，。"])

    @misconception(
        "You return a dictionary; wanted is the list of entries, in which the place is the index."
    )
    def dictionary(self, case):
        return {entry: i for i, entry in enumerate(self.made(case))}


class Encode(Spec):
    """A text as indexes between two marks.

    Shape:
        - text: a string of L characters
        - Output: (L+2,)
    """

    name = "encode"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "known characters", 7, ())
        yield self.case(draw, "unknown characters", 6, (0, 3))
        yield self.case(draw, "the same unknown character twice", 5, (1, 1))
        yield self.case(draw, "a single character", 1, ())
        yield self.case(draw, "nothing but an unknown character", 0, (0,))
        yield self.case(draw, "an empty text", 0, ())

    def case(self, draw: Draw, label: str, known: int, unknown: tuple[int, ...]) -> Case:
        entries = some_entries(draw)
        text = [entries[i] for i in draw.integers(known, low=4, high=len(entries)).tolist()]
        strange = UNKNOWN[draw.integer(0, len(UNKNOWN))]
        for place in unknown:
            text.insert(place, strange)
        return Case(label, text="".join(text), index={e: i for i, e in enumerate(entries)})

    def inner(self, case: Case, unknown: int = UNK) -> list[int]:
        """Look up the characters, without the marks around them."""
        return [case.index.get(character, unknown) for character in case.text]

    def reference(self, case: Case):
        return torch.tensor([BOS, *self.inner(case), EOS])

    @misconception("The mark <bos> is missing at the beginning.")
    def beginning_missing(self, case):
        return self.reference(case)[1:]

    @misconception(
        "The mark <eos> is missing at the end; without it the network never learns to end a poem."
    )
    def end_missing(self, case):
        return self.reference(case)[:-1]

    @misconception("Both marks are missing: <bos> at the beginning and <eos> at the end.")
    def marks_missing(self, case):
        return torch.tensor(self.inner(case), dtype=torch.int64)

    @misconception("The two marks are exchanged: <bos> is the beginning, and <eos> is the end.")
    def marks_exchanged(self, case):
        return torch.tensor([EOS, *self.inner(case), BOS])

    @misconception("Unknown characters are left out; each of them should become <unk>.")
    def unknown_left_out(self, case):
        return torch.tensor([BOS, *(i for i in self.inner(case) if i != UNK), EOS])

    @misconception("Unknown characters become <pad>; padding is what stands behind a poem's end.")
    def unknown_as_padding(self, case):
        return torch.tensor([BOS, *self.inner(case, PAD), EOS])

    @misconception(
        "An unknown character ends your function with an error; what the dictionary lacks has an "
        "index of its own."
    )
    def unknown_raises(self, case):
        return torch.tensor([BOS, *(case.index[character] for character in case.text), EOS])

    @misconception(
        "An unknown character gets a new index behind all others; the network has no row for it."
    )
    def new_index(self, case):
        return torch.tensor([BOS, *self.inner(case, len(case.index)), EOS])

    @misconception("Your answer is a list; it should be a tensor.")
    def list_returned(self, case):
        return self.reference(case).tolist()

    @misconception(
        "Your answer has an axis more than it should: it is one poem, and not yet a batch."
    )
    def batch_of_one(self, case):
        return self.reference(case).unsqueeze(0)


class Decode(Spec):
    """Indexes back to a text.

    Shape:
        - ids: (L,)
        - Output: a string
    """

    name = "decode"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a whole poem", BOS, 4, 5, 6, 7, 5, EOS)
        yield self.case(draw, "padding behind the end", BOS, 6, 4, EOS, PAD, PAD, PAD)
        yield self.case(draw, "something behind the end", BOS, 5, 4, EOS, 7, 6, EOS, 8)
        yield self.case(draw, "unknown characters", BOS, UNK, 8, UNK, UNK, 9, EOS)
        yield self.case(draw, "no end", BOS, 9, 4, 7)
        yield self.case(draw, "no beginning", 8, 5, 8)
        yield self.case(draw, "padding in front", PAD, PAD, BOS, 7, 9, EOS)
        yield self.case(draw, "an empty poem", BOS, EOS)
        yield self.case(draw, "no index at all")

    def case(self, draw: Draw, label: str, *ids: int) -> Case:
        return Case(
            label, ids=torch.tensor(ids, dtype=torch.int64), entries=some_entries(draw, count=6)
        )

    def written(self, case: Case, ids: list[int] | None = None, **shown: str) -> str:
        """Write down indexes up to the first end; ``shown`` says how marks are written."""
        ids = case.ids.tolist() if ids is None else ids
        ids = ids[: ids.index(EOS)] if EOS in ids else ids
        return self.all_of(case, ids, **shown)

    def all_of(self, case: Case, ids: list[int], **shown: str) -> str:
        texts = {PAD: "", BOS: "", EOS: "", UNK: "□"}
        texts |= {MARKS.index(f"<{mark}>"): text for mark, text in shown.items()}
        return "".join(texts.get(i, case.entries[i]) for i in ids)

    def reference(self, case: Case):
        return self.written(case)

    @misconception(
        "You go on behind the first <eos>; the poem is over there, whatever stands behind it."
    )
    def goes_on_behind_the_end(self, case):
        return self.all_of(case, case.ids.tolist())

    @misconception("Unknown characters are left out; a reader should see that one is missing.")
    def unknown_left_out(self, case):
        return self.written(case, unk="")

    @misconception("Unknown characters are shown as <unk>; wanted is the single sign □ for each.")
    def unknown_written_out(self, case):
        return self.written(case, unk="<unk>")

    @misconception("The mark <bos> is in your text; it stands for no character.")
    def beginning_shown(self, case):
        return self.written(case, bos="<bos>")

    @misconception("The mark <pad> is in your text; it stands for no character.")
    def padding_shown(self, case):
        return self.written(case, pad="<pad>")

    @misconception("Your text ends with the mark <eos>; it stands for no character.")
    def end_shown(self, case):
        return self.written(case) + ("<eos>" if EOS in case.ids else "")

    @misconception(
        "You take it for granted that the first index is <bos>, and so the first character is lost "
        "where it is not."
    )
    def first_left_out(self, case):
        return self.written(case, case.ids.tolist()[1:])

    @misconception(
        "You take it for granted that the last index is <eos>, and so the last character is lost "
        "where it is not."
    )
    def last_left_out(self, case):
        return self.written(case, case.ids.tolist()[:-1])

    @misconception("Your text ends at the first <pad>; padding in front of it ends it too early.")
    def ends_at_padding(self, case):
        ids = case.ids.tolist()
        return self.written(case, ids[: ids.index(PAD)] if PAD in ids else ids)

    @misconception("Where there is no <eos> your function ends with an error; a poem may be cut.")
    def end_wanted(self, case):
        ids = case.ids.tolist()
        return self.written(case, ids[: ids.index(EOS)])

    @misconception("There are spaces between your characters.")
    def spaces_between(self, case):
        return " ".join(self.written(case))

    @misconception("Your answer is a list of characters; it should be one string.")
    def list_returned(self, case):
        return list(self.written(case))


class MakeBatch(Spec):
    """Poems of different lengths as a batch of inputs and targets, against pad_sequence.

    Shape:
        - poems: N tensors (L_n+1,)
        - Output: x and y (N, L), lengths (N,)
    """

    name = "make_batch"
    points = 4
    returns = ("x", "y", "lengths")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "different lengths", 3, 7, 2)
        yield self.case(draw, "the longest one first", 6, 1, 4, 1)
        yield self.case(draw, "equal lengths", 5, 5)
        yield self.case(draw, "a batch of one", 4)
        yield self.case(draw, "a poem of one character", 1)
        yield self.case(draw, "an empty poem", 0, 3)
        yield self.case(draw, "no poem at all")

    def case(self, draw: Draw, label: str, *lengths: int) -> Case:
        poems = []
        for length in lengths:
            inner = draw.integers(length, low=UNK, high=17)
            poems.append(torch.cat([torch.tensor([BOS]), inner, torch.tensor([EOS])]))
        return Case(label, poems=poems)

    def call(self, student, case: Case):
        if case.poems:
            return student(list(case.poems))
        try:
            return student([])
        except ValueError:
            return REFUSED

    def interpret(self, outputs, case: Case):
        """Take <eos> in x for padding where the target is padding: both are right there."""
        if not isinstance(outputs, (tuple, list)) or len(outputs) != 3:
            return outputs
        x, y, lengths = outputs
        tensors = isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)
        if tensors and x.shape == y.shape:
            x = x.masked_fill((x == EOS) & (y == PAD), PAD)
        return x, y, lengths

    def changed(self, case: Case, change: Callable = lambda x, y, lengths: (x, y, lengths), **how):
        """Change the three parts of the answer, or the way of padding."""
        if not case.poems:
            return REFUSED
        ids = pad_sequence(case.poems, batch_first=True, **{"padding_value": PAD, **how})
        lengths = torch.tensor([len(poem) - 1 for poem in case.poems])
        return self.interpret(change(ids[:, :-1], ids[:, 1:], lengths), case)

    def reference(self, case: Case):
        return self.changed(case)

    @misconception(
        "The targets are the inputs themselves: nothing is shifted, and the network would learn to "
        "copy."
    )
    def not_shifted(self, case):
        return self.changed(case, lambda x, y, lengths: (x, x, lengths))

    @misconception(
        "Inputs and targets are exchanged: yours asks for the character before the one that is "
        "read, not for the one after it."
    )
    def shifted_backwards(self, case):
        return self.changed(case, lambda x, y, lengths: (y, x, lengths))

    @misconception("Your x still has its last column; no target is left for it.")
    def last_column_kept(self, case):
        def change(x, y, lengths):
            return torch.cat([x, y[:, -1:]], 1), y, lengths

        return self.changed(case, change)

    @misconception(
        "Your lengths count <bos> as well; they should be the numbers of targets, and <bos> is "
        "never one."
    )
    def beginning_counted(self, case):
        return self.changed(case, lambda x, y, lengths: (x, y, lengths + 1))

    @misconception("Your lengths leave out <eos>; it is a target as well.")
    def end_not_counted(self, case):
        return self.changed(case, lambda x, y, lengths: (x, y, lengths - 1))

    @misconception("All your lengths are L; padding is no target, and should not count.")
    def padding_counted(self, case):
        return self.changed(
            case, lambda x, y, lengths: (x, y, torch.full_like(lengths, y.shape[1]))
        )

    @misconception("Your lengths are a list; they should be a tensor.")
    def list_of_lengths(self, case):
        return self.changed(case, lambda x, y, lengths: (x, y, lengths.tolist()))

    @misconception("The padding comes before the poems; it should come after them.")
    def padded_in_front(self, case):
        def change(x, y, lengths):
            return x, y, (y != PAD).sum(1)

        return self.changed(case, change, padding_side="left")

    @misconception("Short poems are filled up with <eos>; there is a mark for padding.")
    def padded_with_the_end(self, case):
        return self.changed(case, padding_value=EOS)

    @misconception(
        "The targets are filled up with -100. That is what torch ignores by default, but in this "
        "homework padding is PAD everywhere."
    )
    def padded_with_minus_100(self, case):
        return self.changed(case, lambda x, y, lengths: (x, y.masked_fill(y == PAD, -100), lengths))

    @misconception("Your batch has the steps along the first axis; the poems come first.")
    def steps_first(self, case):
        return self.changed(case, lambda x, y, lengths: (x.T, y.T, lengths))

    @misconception("All poems are cut to the length of the shortest one.")
    def cut_to_shortest(self, case):
        def change(x, y, lengths):
            short = min(map(len, case.poems)) - 1
            return x[:, :short], y[:, :short], lengths.clamp(max=short)

        return self.changed(case, change)

    @misconception(
        "An empty list ends with an error of torch's that does not say what is wrong; it should be "
        "a ValueError of your own."
    )
    def not_refused(self, case):
        return self.reference(case) if case.poems else pad_sequence([])


# ------------------------------------------------------------------------------------- the model


class PoemLSTM(ModuleSpec):
    """The model: a table, an LSTM and a linear layer, against the same of torch's parts.

    Shape:
        - x: (N, L), state: None, or (h_0, c_0), each (num_layers, N, H_out)
        - Output: logits (N, L, V), and (h_n, c_n), each (num_layers, N, H_out)
    """

    name = "poem_lstm"
    points = 5
    returns = ("logits", ("h_n", "c_n"))
    gradients = ("inputs", "state")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one character", L=1, N=1)
        yield self.case(draw, "a batch with padding")
        yield self.case(draw, "a batch of one, with a state", N=1, with_state=True)
        yield self.case(draw, "a batch with a state", with_state=True)
        yield self.case(draw, "two layers, with a state", with_state=True, num_layers=2)
        yield self.case(draw, "float32", with_state=True, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        N: int | None = None,
        L: int | None = None,
        with_state: bool = False,
        dtype: torch.dtype = torch.float64,
        **layers: int,
    ) -> Case:
        H_in, H_out, batch, steps = draw.primes(4)
        V, N, L = 13, N or batch, L or steps
        x = draw.integers(N, L, low=BOS, high=V)
        if L > 1:
            x[-1, -1] = PAD
        sizes = {"V": V, "H_in": H_in, "H_out": H_out, **layers}
        shape = (layers.get("num_layers", 1), N, H_out)
        begin = (draw.normal(*shape, dtype=dtype), draw.normal(*shape, dtype=dtype))
        return Case(
            label,
            arguments=sizes,
            inputs=(x, begin) if with_state else (x,),
            state=draw_model(draw, **sizes, dtype=dtype, scale=1.0),
        )

    def asked(self, case: Case, **options: object):
        """Ask torch's model, made with other options."""
        model = TorchPoemLSTM(**case.arguments, **options)
        return functional_call(model, dict(case.state), tuple(case.inputs))

    def reference(self, case: Case):
        return self.asked(case)

    def scored(self, case: Case, change: Callable):
        """Change what the LSTM puts out before it is scored."""
        model = TorchPoemLSTM(**case.arguments)
        model.out = nn.Sequential()
        parts = {k: v for k, v in case.state.items() if not k.startswith("out")}
        h, state = functional_call(model, parts, tuple(case.inputs))
        return F.linear(change(h), case.state["out.weight"], case.state["out.bias"]), state

    @misconception("The state is not used: your LSTM always begins with zeros.")
    def state_ignored(self, case):
        return self.reference(case.with_(inputs=case.inputs[:1]))

    @misconception(
        "Only the scores are returned; whoever writes a poem step by step needs the state as well."
    )
    def state_not_returned(self, case):
        return self.reference(case)[0]

    @misconception(
        "You return the state that you were given, and not the one in which the LSTM is afterwards."
    )
    def old_state_returned(self, case):
        logits, _ = self.reference(case)
        return logits, case.inputs[1] if len(case.inputs) > 1 else None

    @misconception("The two parts of the state are exchanged: h_n comes first, and then c_n.")
    def state_exchanged(self, case):
        logits, state = self.reference(case)
        return logits, state[::-1]

    @misconception(
        "The LSTM takes the first axis for the steps, as it does by default; here the poems come "
        "first."
    )
    def batch_not_first(self, case):
        return self.asked(case, batch_first=False)

    @misconception("Only the scores of the last step are returned; a guess is made at every step.")
    def last_step_only(self, case):
        logits, state = self.reference(case)
        return logits[:, -1], state

    @misconception(
        "You return probabilities; the model should return plain scores, from which the loss makes "
        "probabilities itself."
    )
    def probabilities(self, case):
        logits, state = self.reference(case)
        return logits.softmax(-1), state

    @misconception("You return logarithms of probabilities; the model should return plain scores.")
    def log_probabilities(self, case):
        logits, state = self.reference(case)
        return logits.log_softmax(-1), state

    @misconception("There is a ReLU between the LSTM and the scores; nothing belongs there.")
    def relu_in_between(self, case):
        return self.scored(case, torch.relu)

    @misconception(
        "The scores of each place lie along the second axis; the model returns (N, L, V), and the "
        "loss will transpose."
    )
    def classes_second(self, case):
        logits, state = self.reference(case)
        return logits.transpose(1, 2), state

    @misconception(
        "The row for padding gets a gradient; nn.Embedding has an argument that prevents it."
    )
    def padding_row_learns(self, case):
        return self.asked(case, padding_idx=None)

    @misconception(
        "The state that you return is cut off from autograd; whether to cut there is for the "
        "caller to decide."
    )
    def state_detached(self, case):
        logits, (h, c) = self.reference(case)
        return logits, (h.detach(), c.detach())


class PoemLoss(Spec):
    """The mean loss of all guesses that count, against torch's cross_entropy.

    Shape:
        - logits: (N, L, V), y: (N, L)
        - Output: ()
    """

    name = "poem_loss"
    points = 5
    gradients = ("logits",)
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch with padding")
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "large scores", scale=300.0)
        yield self.case(draw, "float32", dtype=torch.float32)
        case = self.case(draw, "not contiguous")
        yield case.with_(logits=relayout(case.logits), y=relayout(case.y))
        V = draw.primes(1)[0] + 4
        yield Case("a single guess", logits=draw.normal(1, 1, V), y=torch.tensor([[EOS]]))
        y = torch.tensor([[UNK, PAD, PAD], [PAD, PAD, PAD]])
        yield Case("nothing that counts", logits=draw.normal(2, 3, V), y=y)

    def case(self, draw: Draw, label: str, N: int | None = None, **kind: object) -> Case:
        L, V = (5, 7)[draw.integer(0, 2)], (11, 13)[draw.integer(0, 2)]
        N = N or draw.integer(2, 4)
        y = draw.integers(N, L, low=4, high=V)
        for n, row in enumerate(y):  # the second poem is shorter by two, the third by four
            row[L - 2 * n :] = PAD
            row[L - 2 * n - 1] = EOS
        y[0, 1] = UNK
        if N > 1:
            y[1, 0] = UNK
        return Case(label, logits=draw.normal(N, L, V, **kind), y=y)

    def each(self, case: Case, logits: torch.Tensor | None = None) -> torch.Tensor:
        """Find the loss of every place, whether it counts or not: (N, L)."""
        logits = case.logits if logits is None else logits
        return F.cross_entropy(logits.transpose(1, 2), case.y, reduction="none")

    def counted(self, case: Case) -> torch.Tensor:
        return (case.y != PAD) & (case.y != UNK)

    def mean(self, losses: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        return losses[counts].sum() / counts.sum().clamp(min=1)

    def reference(self, case: Case):
        y = case.y.masked_fill(case.y == UNK, PAD)
        total = F.cross_entropy(
            case.logits.flatten(0, 1), y.flatten(), ignore_index=PAD, reduction="sum"
        )
        return total / self.counted(case).sum().clamp(min=1)

    @misconception("Padding counts as a target; nobody has to guess it.")
    def padding_counted(self, case):
        return self.mean(self.each(case), case.y != UNK)

    @misconception(
        "Unknown characters count as targets; then a model looks better the fewer characters it "
        "knows."
    )
    def unknown_counted(self, case):
        return self.mean(self.each(case), case.y != PAD)

    @misconception("All places count; padding and unknown characters should be left out.")
    def everything_counted(self, case):
        return self.each(case).mean()

    @misconception("The end of the poem does not count with yours; it has to be guessed as well.")
    def end_not_counted(self, case):
        return self.mean(self.each(case), case.y > UNK)

    @misconception(
        "You take the mean of the poems' means, in which a guess in a short poem counts for more."
    )
    def mean_of_means(self, case):
        counts = self.counted(case)
        return ((self.each(case) * counts).sum(1) / counts.sum(1).clamp(min=1)).mean()

    @misconception("You return the sum of the losses; wanted is their mean.")
    def summed(self, case):
        return self.each(case)[self.counted(case)].sum()

    @misconception(
        "The sum is right, but it is divided by the number of poems, and not by that of the "
        "guesses that count."
    )
    def divided_by_poems(self, case):
        return self.each(case)[self.counted(case)].sum() / len(case.y)

    @misconception(
        "The sum is right, but it is divided by the number of all places, padding and unknown "
        "characters included."
    )
    def divided_by_places(self, case):
        return self.each(case)[self.counted(case)].sum() / case.y.numel()

    @misconception(
        "The scores are reshaped where they should be transposed: the shape fits, but the numbers "
        "land in other places."
    )
    def reshaped(self, case):
        N, L, V = case.logits.shape
        mixed = case.logits.reshape(N, V, L).transpose(1, 2)
        return self.mean(self.each(case, mixed), self.counted(case))

    @misconception(
        "The softmax runs over the steps; at each place the probabilities of all characters should "
        "add up to 1."
    )
    def softmax_over_steps(self, case):
        log_p = case.logits.log_softmax(1)
        losses = -log_p.gather(2, case.y.unsqueeze(2)).squeeze(2)
        return self.mean(losses, self.counted(case))

    @misconception(
        "There are two softmaxes in a row: cross_entropy wants scores, and makes probabilities of "
        "them itself."
    )
    def softmax_twice(self, case):
        return self.mean(self.each(case, case.logits.softmax(2)), self.counted(case))

    @misconception("Your loss has the wrong sign: it falls when the model gets worse.")
    def negative(self, case):
        return -self.reference(case)

    @misconception("Where nothing counts you divide zero by zero; the loss should be 0 there.")
    def nan_for_nothing(self, case):
        return self.each(case)[self.counted(case)].mean()


class Perplexity(Spec):
    """Perplexity and bits per character of several batches together.

    Shape:
        - sums, counts: a number for each batch
        - Output: two numbers
    """

    name = "perplexity"
    points = 3
    returns = ("perplexity", "bits")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "batches of different size", 29, 3, 11)
        yield self.case(draw, "a single batch", 17)
        yield self.case(draw, "a batch without a guess", 5, 0, 23)
        yield self.case(draw, "a last batch of one guess", 31, 31, 1)
        yield Case("always right", sums=[0.0, 0.0], counts=[7, 2])
        yield Case("no guess at all", sums=[0.0, 0.0], counts=[0, 0])
        yield Case("no batch at all", sums=[], counts=[])

    def case(self, draw: Draw, label: str, *counts: int) -> Case:
        means = [0.5 + 1.5 * k + draw.uniform().item() for k in range(len(counts))]
        sums = [round(mean * count, 3) for mean, count in zip(means, counts, strict=True)]
        return Case(label, sums=sums, counts=list(counts))

    def call(self, student, case: Case):
        sums, counts = list(case.sums), list(case.counts)
        if sum(counts):
            return self.numbers(student(sums, counts))
        try:
            return self.numbers(student(sums, counts))
        except ValueError:
            return REFUSED

    def numbers(self, answer):
        """Make tensors of numbers: whether they are floats or tensors makes no difference."""
        if not isinstance(answer, (tuple, list)):
            return answer
        return tuple(
            torch.as_tensor(part).detach().float()
            if isinstance(part, (int, float, torch.Tensor))
            else part
            for part in answer
        )

    def told(self, case: Case, mean: Callable):
        """Answer with another mean loss."""
        if not sum(case.counts):
            return REFUSED
        loss = mean(case)
        return self.numbers((math.exp(loss), loss / math.log(2)))

    def mean(self, case: Case) -> float:
        return sum(case.sums) / sum(case.counts)

    def changed(self, case: Case, change: Callable):
        """Change the two parts of the answer; ``change`` gets the mean loss."""
        if not sum(case.counts):
            return REFUSED
        return self.numbers(change(self.mean(case)))

    def means(self, case: Case) -> list[float]:
        pairs = zip(case.sums, case.counts, strict=True)
        return [total / max(count, 1) for total, count in pairs]

    def reference(self, case: Case):
        return self.told(case, self.mean)

    @misconception(
        "You take the mean of the batches' perplexities; the exponential should come last."
    )
    def mean_of_perplexities(self, case):
        def change(loss):
            each = [math.exp(mean) for mean in self.means(case)]
            return sum(each) / len(each), loss / math.log(2)

        return self.changed(case, change)

    @misconception(
        "You take the mean of the batches' means, in which a guess of a small batch counts for "
        "more than one of a large batch."
    )
    def mean_of_means(self, case):
        return self.told(case, lambda case: sum(self.means(case)) / len(case.sums))

    @misconception(
        "You leave out the batches without a guess and take the mean of the others' means; a guess "
        "of a small batch then counts for more than one of a large batch."
    )
    def mean_of_other_means(self, case):
        def mean(case):
            each = [s / n for s, n in zip(case.sums, case.counts, strict=True) if n]
            return sum(each) / len(each)

        return self.told(case, mean)

    @misconception(
        "The sum of the losses is divided by the number of batches, and not by that of the guesses."
    )
    def divided_by_batches(self, case):
        return self.told(case, lambda case: sum(case.sums) / len(case.sums))

    @misconception("Only the last batch is counted.")
    def last_batch_only(self, case):
        return self.told(case, lambda case: self.means(case)[-1])

    @misconception(
        "Your perplexity is a power of 2, but the losses are natural logarithms: its base is e."
    )
    def power_of_two(self, case):
        return self.changed(case, lambda loss: (2**loss, loss / math.log(2)))

    @misconception(
        "Your bits are the mean loss itself; that is measured with the natural logarithm, and a "
        "bit with the logarithm of base 2."
    )
    def natural_logarithm(self, case):
        return self.changed(case, lambda loss: (math.exp(loss), loss))

    @misconception(
        "You multiply by the logarithm of 2 to get bits; then a coin with two equal sides would "
        "need less than one bit."
    )
    def multiplied_by_log(self, case):
        return self.changed(case, lambda loss: (math.exp(loss), loss * math.log(2)))

    @misconception("The exponential is missing: your perplexity is the mean loss.")
    def exponential_missing(self, case):
        return self.changed(case, lambda loss: (loss, loss / math.log(2)))

    @misconception("The two parts of your answer are exchanged: the perplexity comes first.")
    def exchanged(self, case):
        return self.changed(case, lambda loss: (loss / math.log(2), math.exp(loss)))

    @misconception(
        "Where there is no guess your function divides by zero; it should refuse with a ValueError "
        "that says so."
    )
    def divides_by_zero(self, case):
        total = sum(case.sums) / sum(case.counts)
        return self.told(case, lambda case: total)


# ---------------------------------------------------------------------------------- the training


class PlainSGD:
    """torch.optim.SGD with momentum, by the function that does its step.

    The class itself imports torch's compiler when it is first made, and that takes seconds.
    """

    def __init__(self, params, lr: float, momentum: float) -> None:
        self.params = list(params)
        self.param_groups = [{"params": self.params, "lr": lr}]
        self.settings = {"lr": lr, "momentum": momentum, "dampening": 0.0, "weight_decay": 0.0}
        self.buffers: list[torch.Tensor | None] = [None] * len(self.params)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.params:
            p.grad = None if set_to_none or p.grad is None else torch.zeros_like(p)

    @torch.no_grad()
    def step(self) -> None:
        for k, p in enumerate(self.params):
            if p.grad is not None:
                buffer = [self.buffers[k]]
                also = {"foreach": False, "nesterov": False, "maximize": False}
                sgd([p], [p.grad], buffer, **self.settings, **also)
                self.buffers[k] = buffer[0]


def mean_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of all targets that are no padding."""
    return F.cross_entropy(logits.transpose(1, 2), y, ignore_index=PAD)


def total_norm(gradients: list[torch.Tensor], p: float = 2.0) -> torch.Tensor:
    """Find the norm of all gradients together."""
    return torch.cat([gradient.flatten() for gradient in gradients]).norm(p)


def clipped(gradients: list[torch.Tensor], max_norm: float, p: float = 2.0) -> list[torch.Tensor]:
    """Shorten all gradients together, if they are longer than the bound."""
    factor = (max_norm / total_norm(gradients, p)).clamp(max=1)
    return [gradient * factor for gradient in gradients]


class TrainingStep(Spec):
    """Two steps of training with clipped gradients, against the same with torch.

    Shape:
        - x, y: (N, L)
        - Output: the loss, a number
    """

    name = "training_step"
    points = 5
    tolerances = {torch.float64: (1e-4, 1e-5), torch.float32: (1e-3, 1e-4)}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "gradients that are too long", 0.1)
        yield self.case(draw, "gradients that are short enough", 100.0)
        yield self.case(draw, "gradients left over from before", 0.2, left_over=True)
        yield self.case(draw, "a batch of one", 0.15, N=1)

    def case(
        self, draw: Draw, label: str, max_norm: float, left_over: bool = False, N: int = 3
    ) -> Case:
        V, L = 11, 7
        batches = []
        for _step in range(2):
            ids = draw.integers(N, L + 1, low=UNK, high=V)
            ids[:, 0] = BOS
            ids[-1, L - 2 :] = torch.tensor([EOS, PAD, PAD])
            batches.append((ids[:, :-1].clone(), ids[:, 1:].clone()))
        return Case(
            label,
            batches=batches,
            max_norm=max_norm,
            left_over=left_over,
            state=draw_model(draw, V, 3, 5),
        )

    def made(self, case: Case):
        """Make the model and the optimiser."""
        model = model_with(case.state)
        if case.left_over:
            for p in model.parameters():
                p.grad = torch.full_like(p, 0.1)
        return model, PlainSGD(model.parameters(), lr=0.8, momentum=0.5)

    def call(self, student, case: Case):
        model, optimizer = self.made(case)
        losses = []
        for x, y in case.batches:
            losses.append(student(model, mean_loss, optimizer, x, y, case.max_norm))
        return None if None in losses else self.seen(model, losses)

    def seen(self, model: nn.Module, losses: list):
        """Put together what is compared."""
        history = [isinstance(loss, torch.Tensor) and loss.requires_grad for loss in losses]
        numbers = [
            torch.as_tensor(loss).detach().float()
            if isinstance(loss, (float, torch.Tensor))
            else loss
            for loss in losses
        ]
        return {
            "the loss of step 1": numbers[0],
            "the loss of step 2": numbers[1],
            "losses with a history": any(history),
            "parameters": {name: p.detach() for name, p in model.named_parameters()},
        }

    def walk(
        self,
        case: Case,
        gather: Callable = lambda step, old, new: new,
        clip: Callable = clipped,
        steps: bool = True,
        after: bool = False,
        target: Callable = lambda x, y: y,
        keep: bool = False,
    ):
        """Take torch's steps along gradients that are put in place by hand.

        Args:
            case: the case.
            gather: makes the gradient of a step from what was there and the new one.
            clip: shortens the gradients.
            steps: whether the optimiser steps at all.
            after: whether the losses are those after the step.
            target: chooses the targets.
            keep: whether the losses remember how they were made.
        """
        model, optimizer = self.made(case)
        parameters = list(model.parameters())
        losses = []
        for step, (x, y) in enumerate(case.batches):
            loss = mean_loss(model(x)[0], target(x, y))
            new = torch.autograd.grad(loss, parameters)
            old = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            both = [gather(step, *pair) for pair in zip(old, new, strict=True)]
            for p, gradient in zip(parameters, clip(both, case.max_norm), strict=True):
                p.grad = gradient
            if steps:
                optimizer.step()
            losses.append(mean_loss(model(x)[0], target(x, y)) if after else loss)
        return self.seen(model, losses if keep else [loss.detach() for loss in losses])

    def reference(self, case: Case):
        return self.walk(case)

    @misconception(
        "The gradients of the step before are still there when new ones come, and backward adds to "
        "them."
    )
    def gradients_pile_up(self, case):
        return self.walk(case, gather=lambda step, old, new: old + new)

    @misconception(
        "You clear the gradients only behind your own step; what somebody else has left in them "
        "before your first step is added to it."
    )
    def cleared_too_late(self, case):
        return self.walk(case, gather=lambda step, old, new: new if step else old + new)

    @misconception(
        "The parameters never move: whenever the optimiser steps there are no gradients, because "
        "they have just been cleared, or have not been computed yet."
    )
    def never_moves(self, case):
        return self.walk(case, steps=False)

    @misconception(
        "The gradients are not clipped at the moment of the step: clipping is missing, it comes "
        "too early or too late, or its bound is not `max_norm`."
    )
    def not_clipped(self, case):
        return self.walk(case, clip=lambda gradients, max_norm: gradients)

    @misconception(
        "Every single number of the gradients is clipped; it is the norm of all of them together "
        "that has a bound, so that the direction stays."
    )
    def numbers_clipped(self, case):
        return self.walk(
            case, clip=lambda gradients, bound: [g.clamp(-bound, bound) for g in gradients]
        )

    @misconception(
        "Each parameter's gradient is clipped by itself; it is the norm of all gradients together "
        "that has a bound."
    )
    def each_clipped(self, case):
        return self.walk(
            case, clip=lambda gradients, bound: [clipped([g], bound)[0] for g in gradients]
        )

    @misconception(
        "Short gradients are stretched to the bound; those that are short enough should stay as "
        "they are."
    )
    def stretched(self, case):
        return self.walk(
            case,
            clip=lambda gradients, bound: [g * bound / total_norm(gradients) for g in gradients],
        )

    @misconception(
        "You clip by the largest number of all gradients; the bound is for their Euclidean norm."
    )
    def largest_number(self, case):
        return self.walk(case, clip=lambda gradients, bound: clipped(gradients, bound, math.inf))

    @misconception(
        "The loss is measured again after the step; wanted is the one from before, which costs "
        "nothing more."
    )
    def loss_after_the_step(self, case):
        return self.walk(case, after=True)

    @misconception(
        "Your loss remembers how it was made; who collects such losses keeps all their graphs in "
        "memory."
    )
    def loss_keeps_history(self, case):
        return self.walk(case, keep=True)

    @misconception("The model is taught to say what it has just read: the loss is given x, not y.")
    def x_as_target(self, case):
        return self.walk(case, target=lambda x, y: x)


# ---------------------------------------------------------------------------------- the learning

SECONDS = 4.0


class BudgetError(Exception):
    """Ends a training that has used up its steps or its time."""


class Watch:
    """Counts the forward passes of a model that autograd records, and ends too long a training.

    Args:
        model: the model.
        steps: so many passes are allowed.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.steps, self.passes, self.begun = steps, 0, time.process_time()
        # A copy of the model has the same hook: unlike a method, a lambda is never copied.
        model.register_forward_hook(lambda *call: self.look(call[-1]))

    def look(self, outputs: tuple) -> None:
        self.passes += outputs[0].requires_grad
        if self.passes > self.steps or self.too_slow():
            raise BudgetError("the training has used up its steps or its time")

    def too_slow(self) -> bool:
        return time.process_time() - self.begun > SECONDS


def trained(train: Callable, case: Case) -> dict:
    """Let a student's function train the model of a case, and return what became of it."""
    model = model_with(case.state)
    # The first optimiser of a process imports torch's compiler: that is nobody's training time.
    torch.optim.SGD(model.parameters())
    # With more threads than the small tensors need, most of the computing would be waiting.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    watch = Watch(model, case.steps)
    try:
        with suppress(BudgetError):
            train(model)
    finally:
        torch.set_num_threads(threads)
    return {
        "passes": watch.passes,
        "too slow": watch.too_slow(),
        "parameters": {name: p.detach() for name, p in model.named_parameters()},
    }


def check_budget(outputs: object, case: Case) -> dict[str, torch.Tensor]:
    """Return the parameters after a training that has kept its time."""
    if not isinstance(outputs, dict) or not isinstance(outputs.get("parameters"), dict):
        raise ValueError("Your training has left no parameters behind.")
    if outputs["too slow"] is not False:
        raise ValueError(f"Your training takes more than {SECONDS:g} seconds of computing.")
    found = outputs["parameters"]
    for name, value in case.state.items():
        got = found.get(name)
        if not isinstance(got, torch.Tensor) or got.shape != value.shape:
            raise ValueError(f"Your training gives the parameter {name} another shape or name.")
        if got.dtype != value.dtype:
            raise ValueError(f"Your training gives the parameter {name} another dtype.")
    return {name: found[name] for name in case.state}


def loss_on(state: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> float:
    """Measure the mean loss of the model with given parameters on x and y, each (N, L)."""
    with torch.no_grad():
        return mean_loss(model_with(state)(x)[0], y).item()


def is_same(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Tell whether no parameter has changed."""
    return all(torch.equal(value, other[name]) for name, value in state.items())


class LearningSpec(Spec):
    """A question whose answer trains a model; what it has become is compared, said in a sentence.

    Each case has ``steps`` (so many are allowed) and ``state`` (the parameters at first).
    """

    wanted = ""

    def arguments(self, case: Case) -> tuple:
        """Return what the student's function gets between the model and the steps."""
        raise NotImplementedError

    def loss(self, state: dict[str, torch.Tensor], case: Case) -> float:
        """Measure how badly a model with given parameters guesses."""
        raise NotImplementedError

    def habit(self, state: dict[str, torch.Tensor], case: Case, loss: float) -> str | None:
        """Say what a model does that has these parameters, if it is something known."""
        raise NotImplementedError

    def call(self, student, case: Case):
        return trained(lambda model: student(model, *self.arguments(case), case.steps), case)

    def interpret(self, outputs, case: Case):
        state = check_budget(outputs, case)
        loss = self.loss(state, case)
        if outputs["passes"] > case.steps:
            return self.told("took more steps than it was allowed")
        if math.isnan(loss):
            return self.told("consists of numbers that are NaN")
        if is_same(state, case.state):
            return self.told("is what it was before")
        habit = self.habit(state, case, loss)
        if habit is None and loss > self.loss(case.state, case):
            habit = "is worse than before"
        if habit is None:
            raise ValueError(self.complaint(case, loss))
        return self.told(habit)

    def complaint(self, case: Case, loss: float) -> str:
        """Say how far a model that does nothing known is from what is wanted."""
        raise NotImplementedError

    def told(self, what: str) -> dict[str, str]:
        """Put together what is compared."""
        return {"the trained model": what}

    def reference(self, case: Case):
        return self.told(self.wanted)

    @misconception(
        "The parameters of the model are what they were before: no step reaches them. Perhaps you "
        "train a copy, or step while there are no gradients."
    )
    def never_moved(self, case):
        return self.told("is what it was before")

    @misconception(
        "The model has learnt to say what it has just read: your targets are not shifted."
    )
    def not_shifted(self, case):
        return self.told("says what it has just read")

    @misconception(
        "The model is worse than before: it steps uphill, or its steps are much too long."
    )
    def uphill(self, case):
        return self.told("is worse than before")

    @misconception("The parameters have become NaN: the steps are much too long, or go uphill.")
    def not_a_number(self, case):
        return self.told("consists of numbers that are NaN")

    @misconception(
        "Your training takes more steps than it is allowed: autograd has recorded more than "
        "`steps` forward passes."
    )
    def too_many_steps(self, case):
        return self.told("took more steps than it was allowed")


class FitOne(LearningSpec):
    """A network that learns one poem by heart.

    Shape:
        - ids: (L+1,)
        - What is compared: how the model with the trained parameters guesses this poem
    """

    name = "fit_one"
    points = 4
    proof_seeds = 4
    wanted = "knows the poem by heart"
    bar = 0.5

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a poem with repeated characters", 19)
        yield self.case(draw, "a poem of one character", 1)

    def case(self, draw: Draw, label: str, L: int) -> Case:
        V = 11
        inner = draw.integers(L, low=5, high=V)
        inner[0] = 4  # occurs nowhere else: who has never guessed it cannot do so by accident
        ids = torch.cat([torch.tensor([BOS]), inner, torch.tensor([EOS])])
        state = draw_model(draw, V, 13, 31, dtype=torch.float32, scale=0.15)
        return Case(label, ids=ids, steps=100, state=state)

    def arguments(self, case: Case) -> tuple:
        return (case.ids,)

    def loss(self, state: dict[str, torch.Tensor], case: Case) -> float:
        return self.largest_loss(state, case.ids[None, :-1], case.ids[None, 1:])

    def habit(self, state: dict[str, torch.Tensor], case: Case, loss: float) -> str | None:
        if loss <= self.bar:
            return self.wanted
        x, y = case.ids[None, :-1], case.ids[None, 1:]
        habits = {
            "says what it has just read": (x, x),
            "says what comes before, not what comes after": (y, x),
            "knows all but the end": (x[:, :-1], y[:, :-1]),
            "knows all but the beginning": (x[:, 1:], y[:, 1:]),
        }
        for habit, (read, said) in habits.items():
            if self.largest_loss(state, read, said) <= self.bar:
                return habit
        return None

    def complaint(self, case: Case, loss: float) -> str:
        return (
            f"After your training the largest loss of a guess is {loss:.2f}; it should be at most "
            f"{self.bar:g}."
        )

    def largest_loss(
        self, state: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor
    ) -> float:
        """Find the loss of the worst guess of the model with given parameters."""
        with torch.no_grad():
            logits, _ = model_with(state)(x)
        return F.cross_entropy(logits[0], y[0], reduction="none").max().item()

    @misconception(
        "The model has learnt to guess the character before, not the one after: inputs and targets "
        "are exchanged."
    )
    def shifted_backwards(self, case):
        return self.told("says what comes before, not what comes after")

    @misconception("The model knows the poem but not its end: <eos> has never been a target.")
    def end_left_out(self, case):
        return self.told("knows all but the end")

    @misconception("The model cannot begin: it has never read <bos> in your training.")
    def beginning_left_out(self, case):
        return self.told("knows all but the beginning")


class LearnPoems(LearningSpec):
    """A network that learns from some poems what is true of others.

    Shape:
        - train_ids, valid_ids: (N, L+1)
        - What is compared: how the model with the trained parameters guesses other poems
    """

    name = "learn_poems"
    points = 6
    proof_seeds = 2
    wanted = "knows what poems have in common"
    margin = 0.55

    def cases(self, draw: Draw) -> Iterator[Case]:
        C = 8
        chain = torch.zeros(C + 1, C)  # each character has three that may follow; the last row
        for row in chain:  # says how a poem begins
            row[draw.permutation(C)[:3]] = torch.tensor([0.7, 0.2, 0.1])
        train_ids, valid_ids = self.poems(draw, chain, 48), self.poems(draw, chain, 48)
        test_ids = self.poems(draw, chain, 300)
        yield Case(
            "poems of a simple law",
            train_ids=train_ids,
            valid_ids=valid_ids,
            steps=200,
            hidden={"test_ids": test_ids, "best": self.best(chain, test_ids)},
            state=draw_model(draw, C + 4, 13, 31, dtype=torch.float32, scale=0.15),
        )

    def poems(self, draw: Draw, chain: torch.Tensor, N: int) -> torch.Tensor:
        """Draw N poems of a chain, of three lengths that are equally frequent."""
        last, characters = torch.full((N,), len(chain) - 1), []
        for _ in range(11):
            reached = draw.uniform(N, 1) < chain[last].double().cumsum(1)  # (N, C)
            last = reached.int().argmax(1)
            characters.append(last + 4)
        lengths = torch.tensor([5, 7, 11]).repeat(N // 3)
        rows = torch.stack(characters, 1)
        ends = [
            torch.tensor([BOS, *row[:n].tolist(), EOS])
            for row, n in zip(rows, lengths, strict=True)
        ]
        return pad_sequence(ends, batch_first=True, padding_value=PAD)

    def best(self, chain: torch.Tensor, ids: torch.Tensor) -> float:
        """Find the loss of somebody who knows the law itself."""
        total = len(ids) * math.log(3)  # which of the three lengths it is
        for row in ids.tolist():
            last = len(chain) - 1
            for i in row[1 : row.index(EOS)]:
                total -= math.log(chain[last, i - 4])
                last = i - 4
        return total / (ids[:, 1:] != PAD).sum().item()

    def arguments(self, case: Case) -> tuple:
        return (case.train_ids, case.valid_ids)

    def loss(self, state: dict[str, torch.Tensor], case: Case) -> float:
        return self.loss_of(state, case.hidden["test_ids"])

    def loss_of(self, state: dict[str, torch.Tensor], ids: torch.Tensor) -> float:
        """Measure the loss of a model with given parameters on poems (N, L+1)."""
        return loss_on(state, ids[:, :-1], ids[:, 1:])

    def habit(self, state: dict[str, torch.Tensor], case: Case, loss: float) -> str | None:
        best = case.hidden["best"]
        # Nobody gets there who has only measured them.
        if self.loss_of(state, case.valid_ids) < min(best, loss - 0.4):
            return "knows the poems for validation by heart"
        if loss <= best + self.margin:
            return self.wanted
        if loss_on(state, case.train_ids[:, 1:], case.train_ids[:, 1:]) < 0.3:
            return "says what it has just read"
        if self.loss_of(state, case.train_ids) < best:
            return "knows the poems for training by heart"
        return None

    def complaint(self, case: Case, loss: float) -> str:
        return (
            f"After your training the loss of a guess in other poems is {loss:.2f} on average; it "
            f"should be at most {case.hidden['best'] + self.margin:.2f}."
        )

    @misconception(
        "The parameters of the model are what they were before: no step reaches them, or you put "
        "the first ones back at the end."
    )
    def never_moved(self, case):
        return super().never_moved(case)

    @misconception(
        "The model knows the training poems by heart and fails on others: it holds the last "
        "parameters, not those that were best on the validation poems. Remember that what "
        "state_dict() returns changes along with the model."
    )
    def last_kept(self, case):
        return self.told("knows the poems for training by heart")

    @misconception(
        "The model knows the validation poems by heart: you train on them. They may only be "
        "measured, or they can no longer say which parameters are good."
    )
    def trained_on_validation(self, case):
        return self.told("knows the poems for validation by heart")

    @misconception(
        "The model is worse than before: it steps uphill, or you keep the worst parameters."
    )
    def uphill(self, case):
        return super().uphill(case)

    @misconception(
        "Autograd has recorded more than `steps` forward passes: you take too many steps, or "
        "autograd also records how you measure the validation poems."
    )
    def too_many_steps(self, case):
        return super().too_many_steps(case)
