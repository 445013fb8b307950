"""The specs of the assignment embedding: from words to rows of a table, and back to its gradient.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pad_sequence

from autograder import Case, Draw, Rung, Spec, misconception, relayout

WORDS = ("bike", "boat", "car", "dog", "full", "late", "lost", "queue", "rain", "ticket", "van")
UNKNOWN = ("hovercraft", "llama", "zeppelin")

EMBEDDING = (
    "torch.nn.Embedding",
    "torch.nn.functional.embedding",
    "torch.embedding",
    "torch.ops.aten.embedding",
)
BAG = (
    "torch.nn.EmbeddingBag",
    "torch.nn.functional.embedding_bag",
    "torch.embedding_bag",
)
# Whoever asks autograd for the gradient ends up in one of these, those in torch.func as well.
AUTOGRAD = ("torch.autograd.grad", "torch.autograd.backward", "torch._VF._make_dual")


def slope(output: object, weight: torch.Tensor, grad_output: torch.Tensor) -> torch.Tensor:
    """Find the gradient of a table from that of what was looked up in it; zeros if none."""
    if not isinstance(output, torch.Tensor) or not output.requires_grad:
        return torch.zeros_like(weight)
    if output.shape != grad_output.shape:
        return torch.zeros_like(weight)
    (found,) = torch.autograd.grad(output, [weight], grad_output, allow_unused=True)
    return torch.zeros_like(weight) if found is None else found


class EncodeMessages(Spec):
    """A batch of messages as indices, against pad_sequence.

    Shape:
        - texts: N strings
        - Output: (N, L), L words in the longest message
    """

    name = "encode_messages"
    points = 4

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "messages of different length", (3, 5, 2))
        yield self.case(draw, "a batch of one", (4,))
        yield self.case(draw, "an empty message", (0, 3, 1))
        yield self.case(draw, "padding is not index 0", (2, 4), special_first=False)
        yield self.case(draw, "capitals", (4, 2, 3), capitals=True)
        yield self.case(draw, "spaces in odd places", (2, 3), space="  ")

    def case(
        self,
        draw: Draw,
        label: str,
        lengths: tuple[int, ...],
        special_first: bool = True,
        capitals: bool = False,
        space: str = " ",
    ) -> Case:
        order = [WORDS[i] for i in draw.permutation(len(WORDS)).tolist()]
        names = ["<pad>", "<unk>", *order]
        if not special_first:
            names = [*order[:4], "<unk>", *order[4:], "<pad>"]
        texts = []
        for length in lengths:
            words = [order[i] for i in draw.permutation(len(order))[:length].tolist()]
            if words:  # the first word of each message is one that the vocabulary lacks
                words[0] = UNKNOWN[draw.integer(0, len(UNKNOWN))]
            if capitals and words:
                words[-1] = words[-1].capitalize()
            texts.append(space.join(words if space == " " else ["", *words, "\n"]))
        return Case(label, texts=texts, vocab={word: i for i, word in enumerate(names)})

    def rows(self, case: Case) -> list[torch.Tensor]:
        """Look up the indices of each message."""
        unknown = case.vocab["<unk>"]
        return [
            torch.tensor(
                [case.vocab.get(word, unknown) for word in text.lower().split()], dtype=torch.long
            )
            for text in case.texts
        ]

    def padded(self, case: Case, **how: object) -> torch.Tensor:
        how = {"padding_value": case.vocab["<pad>"], **how}
        return pad_sequence(self.rows(case), batch_first=True, **how)

    def reference(self, case: Case) -> torch.Tensor:
        return self.padded(case)

    def with_words(self, case: Case, change) -> Case:
        """Change the list of words of each message."""
        return case.with_(texts=[" ".join(change(text.split())) for text in case.texts])

    @misconception(
        "Words that the vocabulary lacks are left out; each of them should become <unk>."
    )
    def unknown_left_out(self, case):
        known = self.with_words(case, lambda words: [w for w in words if w.lower() in case.vocab])
        return self.reference(known)

    @misconception(
        "Words that the vocabulary lacks become <pad>; but they are words, if unknown ones, and "
        "have an index of their own."
    )
    def unknown_as_padding(self, case):
        found = self.reference(case)
        return found.masked_fill(found == case.vocab["<unk>"], case.vocab["<pad>"])

    @misconception(
        "Short messages are filled up with <unk>; there is an index that stands for no word at all."
    )
    def padded_with_unknown(self, case):
        return self.padded(case, padding_value=case.vocab["<unk>"])

    @misconception(
        "Short messages are filled up with 0, whatever the index of <pad> is in this vocabulary."
    )
    def padding_taken_for_zero(self, case):
        return self.padded(case, padding_value=0)

    @misconception(
        "Words that the vocabulary lacks become 1, whatever the index of <unk> is in this "
        "vocabulary."
    )
    def unknown_taken_for_one(self, case):
        return self.padded(case.with_(vocab={**case.vocab, "<unk>": 1}))

    @misconception(
        "You take it for granted that <pad> has the index 0 and <unk> the index 1; another "
        "vocabulary may have them elsewhere."
    )
    def special_indices_fixed(self, case):
        return self.padded(case.with_(vocab={**case.vocab, "<unk>": 1}), padding_value=0)

    @misconception("The padding comes before the words; it should come after them.")
    def padded_in_front(self, case):
        return self.padded(case, padding_side="left")

    @misconception(
        "Words with capital letters are not found; the vocabulary is in small letters, and so the "
        "message should be before it is looked up."
    )
    def capitals_kept(self, case):
        return self.reference(
            self.with_words(case, lambda words: [w if w.islower() else "<unk>" for w in words])
        )

    @misconception(
        "You cut at every single space, so that there is an empty word between two spaces, and one "
        "in an empty message; any amount of white space should count as one gap."
    )
    def empty_words(self, case):
        texts = [" ".join(w.strip() or "<unk>" for w in text.split(" ")) for text in case.texts]
        return self.reference(case.with_(texts=texts))

    @misconception(
        "A word that the vocabulary lacks is given a new index; the table that is read with these "
        "indices has no row for it."
    )
    def new_indices(self, case):
        vocab = dict(case.vocab)
        for text in case.texts:
            for word in text.lower().split():
                vocab.setdefault(word, len(vocab))
        return self.reference(case.with_(vocab=vocab))

    @misconception("Your answer has the words along the first axis; the messages come first.")
    def words_first(self, case):
        return self.reference(case).T

    @misconception(
        "All messages are cut to the length of the shortest one; they should be filled up to the "
        "length of the longest."
    )
    def cut_to_shortest(self, case):
        return self.reference(case)[:, : min(map(len, self.rows(case)))]

    @misconception(
        "Your indices are floating-point numbers; rows of a table are counted in whole ones."
    )
    def floating(self, case):
        return self.reference(case).float()

    @misconception(
        "An empty message turns your indices into floating-point numbers: torch.tensor cannot see "
        "in an empty list that it is one of whole numbers."
    )
    def floating_if_empty(self, case):
        found = self.reference(case)
        return found if case.texts[0].split() else found.float()

    @misconception("Your answer is a list of lists; it should be one tensor.")
    def lists(self, case):
        return self.reference(case).tolist()


class OneHotLookup(Spec):
    """The lookup as one-hot vectors times the table, against torch.nn.functional.embedding.

    Shape:
        - weight: (V, H), idx: (*)
        - Output: one_hot (*, V) and output (*, H)
    """

    name = "one_hot_lookup"
    points = 3
    returns = ("one_hot", "output")
    gradients = ("weight",)
    forbids = EMBEDDING
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a single index")
        yield self.case(draw, "a message", 6)
        yield self.case(draw, "a batch of messages", 3, 4)
        yield self.case(draw, "three axes", 2, 3, 2)
        yield self.case(draw, "float32", 4, dtype=torch.float32)
        case = self.case(draw, "not contiguous", 4, 3)
        yield case.with_(weight=relayout(case.weight), idx=relayout(case.idx))

    def case(self, draw: Draw, label: str, *shape: int, **kind: object) -> Case:
        V, H = sorted(draw.primes(2, below=14))
        # Index 0 and the last one are looked up nowhere, if there are enough of them.
        idx = draw.integers(*shape, low=min(1, V - 2), high=V - 1)
        return Case(label, weight=draw.normal(V, H, **kind), idx=idx)

    def reference(self, case: Case):
        one_hot = F.one_hot(case.idx, len(case.weight)).to(case.weight.dtype)
        return one_hot, F.embedding(case.idx, case.weight)

    @misconception(
        "Your one-hot vectors are as long as the largest index in idx asks for; each should have a "
        "place for every row of the table."
    )
    def guessed_length(self, case):
        one_hot, output = self.reference(case)
        return one_hot[..., : case.idx.max() + 1], output

    @misconception(
        "Your one-hot vectors hold whole numbers; to be multiplied by the table they need its "
        "dtype."
    )
    def whole_numbers(self, case):
        one_hot, output = self.reference(case)
        return one_hot.long(), output

    @misconception(
        "Your one-hot vectors hold truth values; to be multiplied by the table they need its dtype."
    )
    def truth_values(self, case):
        one_hot, output = self.reference(case)
        return one_hot.bool(), output

    @misconception(
        "The axes of idx are run together; they should stay as they are, with one axis more at the "
        "end."
    )
    def flattened(self, case):
        return self.reference(case.with_(idx=case.idx.flatten()))

    @misconception("The indices are taken to begin with 1; row 0 is the first row.")
    def counted_from_one(self, case):
        return self.reference(case.with_(idx=(case.idx - 1) % len(case.weight)))

    @misconception("It is the columns of the table that you look up; each word has a row.")
    def columns_looked_up(self, case):
        one_hot, _ = self.reference(case)
        return one_hot, F.embedding(case.idx, case.weight.T).movedim(-1, 0)

    @misconception("The one-hot vectors lie along the first axis; they should be along the last.")
    def classes_first(self, case):
        one_hot, output = self.reference(case)
        return one_hot.movedim(-1, 0), output

    @misconception(
        "The two parts of your answer are exchanged: the one-hot vectors come first, and then what "
        "is looked up."
    )
    def parts_exchanged(self, case):
        return self.reference(case)[::-1]


class TableGradient(Spec):
    """The gradient of the table by hand, against autograd.

    Shape:
        - grad_output: (*, H), idx: (*)
        - Output: (V, H)
    """

    name = "table_gradient"
    points = 5
    forbids = (*EMBEDDING, *BAG, *AUTOGRAD, "torch.ops.aten.embedding_dense_backward")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one word", [], [4])
        yield self.case(draw, "every word once, no padding", [5], [3, 0, 4, 1, 6])
        yield self.case(draw, "the same word twice", [5], [2, 4, 2, 1, 4])
        yield self.case(draw, "row 0 for padding", [2, 3], [2, 1, 0, 2, 0, 0], padding_idx=0)
        yield self.case(draw, "another row for padding", [3, 2], [1, 3, 0, 3, 1, 0], padding_idx=3)
        yield self.case(
            draw, "a negative padding_idx", [2, 2, 2], [1, 6, 0, 6, 5, 5, 1, 6], padding_idx=-2
        )
        yield self.case(draw, "float32", [4], [1, 1, 0, 3], padding_idx=None, dtype=torch.float32)
        case = self.case(draw, "not contiguous", [2, 3], [5, 1, 1, 2, 5, 5], padding_idx=2)
        yield case.with_(grad_output=relayout(case.grad_output), idx=relayout(case.idx))

    def case(
        self,
        draw: Draw,
        label: str,
        shape: list[int],
        idx: list[int],
        dtype: torch.dtype = torch.float64,
        **padding: int | None,
    ) -> Case:
        (H,) = draw.primes(1, below=8)
        # The last row is looked up nowhere.
        return Case(
            label,
            grad_output=draw.normal(*shape, H, dtype=dtype),
            idx=torch.tensor(idx).reshape(shape),
            num_embeddings=8,
            **padding,
        )

    def reference(self, case: Case, **options: object) -> torch.Tensor:
        weight = case.grad_output.new_zeros(case.num_embeddings, case.grad_output.shape[-1])
        weight.requires_grad_()
        padding_idx = case.get("padding_idx")
        output = F.embedding(case.idx, weight, padding_idx=padding_idx, **options)
        return torch.autograd.grad(output, [weight], case.grad_output)[0]

    def with_padding(self, case: Case, padding_idx: int | None) -> Case:
        return Case(case.label, **{**case, "padding_idx": padding_idx})

    @misconception(
        "Where a word occurs more than once, only its last gradient is kept; all of them should be "
        "added up."
    )
    def last_one_kept(self, case):
        idx = case.idx.flatten().tolist()
        later = torch.tensor([i in idx[k + 1 :] for k, i in enumerate(idx)])
        later = later.reshape(*case.idx.shape, 1)
        return self.reference(case.with_(grad_output=case.grad_output.masked_fill(later, 0)))

    @misconception(
        "The gradients of a word that occurs more than once are averaged; they should be added up."
    )
    def averaged(self, case):
        return self.reference(case, scale_grad_by_freq=True)

    @misconception(
        "You count how often each word occurs; what should be added up for it is the gradient that "
        "arrives at its places."
    )
    def counted(self, case):
        return self.reference(case.with_(grad_output=torch.ones_like(case.grad_output)))

    @misconception("The row of padding_idx gets a gradient; training should leave it alone.")
    def padding_learns(self, case):
        return self.reference(self.with_padding(case, None))

    @misconception(
        "A negative padding_idx has no effect: no index is negative, while padding_idx may count "
        "from the end."
    )
    def negative_padding_ignored(self, case):
        padding_idx = case.get("padding_idx")
        if padding_idx is not None and padding_idx < 0:
            padding_idx = None
        return self.reference(self.with_padding(case, padding_idx))

    @misconception(
        "A padding_idx of 0 has no effect: Python takes 0 for false, as it does None, but here it "
        "is the number of a row."
    )
    def zero_taken_for_none(self, case):
        return self.reference(self.with_padding(case, case.get("padding_idx") or None))

    @misconception(
        "Row 0 is taken for padding even where no padding_idx is given, or another one is."
    )
    def row_zero_for_padding(self, case):
        return self.reference(self.with_padding(case, 0))

    @misconception(
        "Your gradient ends with the largest index that occurs; it should have a row for every row "
        "of the table."
    )
    def too_few_rows(self, case):
        return self.reference(case.with_(num_embeddings=int(case.idx.max()) + 1))

    @misconception(
        "Your gradient has rows only for the words that occur; it should have the shape of the "
        "table."
    )
    def used_rows_only(self, case):
        return self.reference(case)[case.idx.unique()]

    @misconception("Your gradient is transposed; it should have the shape of the table.")
    def transposed(self, case):
        return self.reference(case).T


class GradientByFrequency(Spec):
    """The gradient divided by how often a word occurs, against scale_grad_by_freq.

    Shape:
        - grad: (V, H), idx: (*)
        - Output: (V, H)
    """

    name = "gradient_by_frequency"
    points = 3
    forbids = (*EMBEDDING, *BAG, "torch.ops.aten.embedding_dense_backward")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a message", [6], [2, 0, 2, 4, 2, 0])
        yield self.case(draw, "a single word", [], [3])
        yield self.case(draw, "a batch of messages", [3, 3], [1, 5, 1, 5, 5, 4, 5, 0, 5])
        yield self.case(draw, "float32", [2, 4], [2, 3, 3, 0, 3, 3, 1, 2], dtype=torch.float32)
        case = self.case(draw, "not contiguous", [2, 2, 2], [4, 4, 0, 2, 4, 2, 4, 4])
        yield case.with_(grad=relayout(case.grad), idx=relayout(case.idx))

    def case(
        self,
        draw: Draw,
        label: str,
        shape: list[int],
        values: list[int],
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        V, H = len(WORDS), draw.primes(1, below=8)[0]
        idx = torch.tensor(values).reshape(shape)
        given = draw.normal(*shape, H, dtype=dtype)
        return Case(label, idx=idx, grad=self.torchs(V, idx, given, False), grad_output=given)

    def torchs(self, V: int, idx: torch.Tensor, given: torch.Tensor, scale: bool) -> torch.Tensor:
        """Let autograd find the gradient of a table of V rows."""
        weight = given.new_zeros(V, given.shape[-1]).requires_grad_()
        output = F.embedding(idx, weight, scale_grad_by_freq=scale)
        return torch.autograd.grad(output, [weight], given)[0]

    def call(self, student, case: Case):
        return student(case.grad, case.idx)

    def reference(self, case: Case) -> torch.Tensor:
        return self.torchs(len(case.grad), case.idx, case.grad_output, True)

    def times(self, case: Case) -> torch.Tensor:
        """Count how often each row is looked up, as (V, 1) in the dtype of the gradient."""
        ones = torch.ones_like(case.grad_output)
        return self.torchs(len(case.grad), case.idx, ones, False)[:, :1]

    @misconception(
        "Rows that are looked up nowhere become NaN: their gradient is zero, and it should stay so."
    )
    def nan_rows(self, case):
        return self.reference(case).masked_fill(self.times(case) == 0, torch.nan)

    @misconception(
        "Frequent words get a larger gradient with yours; scale_grad_by_freq makes it smaller."
    )
    def multiplied(self, case):
        return case.grad * self.times(case)

    @misconception(
        "Every row is divided by the number of all words in idx; each should be divided by how "
        "often its own word occurs."
    )
    def divided_by_all(self, case):
        return case.grad / case.idx.numel()

    @misconception(
        "You divide by the share that a word has in idx; it is the number of its places that the "
        "gradient should be divided by."
    )
    def divided_by_share(self, case):
        return self.reference(case) * case.idx.numel()

    @misconception(
        "You divide by one more than a word's number of places. That prevents a division by zero, "
        "but it changes all the other rows."
    )
    def one_too_many(self, case):
        times = self.times(case)
        return self.reference(case) * times / (times + 1)

    @misconception(
        "A word is counted once for each message in which it occurs; every place should count."
    )
    def messages_counted(self, case):
        messages = case.idx.reshape(-1, case.idx.shape[-1] if case.idx.dim() else 1)
        found = torch.stack([(messages == v).any(1).sum() for v in range(len(case.grad))])
        return case.grad / found.clamp(min=1).unsqueeze(1).to(case.grad.dtype)

    @misconception(
        "You divide a row anew at each place where its word occurs; it should be divided once."
    )
    def divided_at_each_place(self, case):
        times = self.times(case)
        return self.reference(case) * times / times**times

    @misconception(
        "Every row is divided by how often the most frequent word occurs; each should be divided "
        "by the number of its own."
    )
    def divided_by_most(self, case):
        return case.grad / self.times(case).max()


class MaxNormLookup(Spec):
    """A lookup that shortens long rows in the table itself, against max_norm.

    Shape:
        - weight: (V, H), idx: (*)
        - Output: (*, H)
    """

    name = "max_norm_lookup"
    points = 5
    returns = ("output", "weight", "autograd recorded the change")
    gradients = ("weight",)
    modifies = ("weight",)
    forbids = (
        *EMBEDDING,
        *BAG,
        "torch.embedding_renorm_",
        "torch.ops.aten.embedding_renorm_",
        "torch.renorm",
    )
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a message", [7], max_norm=1.5)
        yield self.case(draw, "a batch of messages", [2, 5], max_norm=0.75, norm_type=2.0)
        yield self.case(draw, "the sum of absolute values", [7], max_norm=1.25, norm_type=1.0)
        yield self.case(draw, "norm_type 3", [2, 4], max_norm=2.0, norm_type=3.0)
        yield self.case(
            draw, "the largest absolute value", [3, 3], max_norm=1.5, norm_type=float("inf")
        )
        yield self.case(draw, "float32", [7], max_norm=1.5, dtype=torch.float32)
        case = self.case(draw, "not contiguous", [3, 3], max_norm=1.25)
        yield case.with_(weight=relayout(case.weight), idx=relayout(case.idx))

    def case(
        self,
        draw: Draw,
        label: str,
        shape: list[int],
        dtype: torch.dtype = torch.float64,
        **options: float,
    ) -> Case:
        (H,) = draw.primes(1, below=12)
        H = max(H, 3)
        # Two long rows, two short ones and a zero one are looked up; a long and a short one not.
        lengths = torch.tensor([2.5, 4.0, 0.3, 0.6, 0.0, 3.0, 0.4]) * options["max_norm"]
        directions = draw.uniform(len(lengths), H, low=0.2, high=1.0)
        directions = directions * (draw.integers(len(lengths), H, high=2) * 2 - 1)
        norms = directions.norm(options.get("norm_type", 2.0), dim=1, keepdim=True)
        weight = directions / norms * lengths.double().unsqueeze(1)
        # Row 0 is looked up again and again.
        order = draw.permutation(len(lengths))
        count = torch.Size(shape).numel()
        idx = torch.tensor([0, 1, 2, 3, 4, 0, *[0] * count])[:count]
        idx = order.argsort()[idx[draw.permutation(count)]].reshape(shape)
        return Case(label, weight=weight[order].to(dtype), idx=idx, **options)

    def call(self, student, case: Case):
        before = case.weight.grad_fn
        output = student(**case)
        return output, case.weight, case.weight.grad_fn is not before

    def reference(self, case: Case):
        output = F.embedding(
            case.idx,
            case.weight,
            max_norm=case.max_norm,
            norm_type=case.get("norm_type", 2.0),
        )
        return output, case.weight, False

    def table(self, case: Case, **changes: object) -> torch.Tensor:
        """Make the table that torch leaves behind, maybe for other inputs; the case's stays."""
        given = Case(case.label, **{**case, **changes})
        return self.reference(given.with_(weight=given.weight.clone()))[1]

    def looked_up(self, case: Case, table: torch.Tensor):
        """Look up in a table which replaces the case's in the rows of idx."""
        used = torch.zeros(len(table), 1, dtype=torch.bool)
        used[case.idx] = True
        table = torch.where(used, table, case.weight)
        return F.embedding(case.idx, table), table, False

    @misconception(
        "The table is as it was: you shorten the rows that you return, but nn.Embedding shortens "
        "them in the table itself."
    )
    def table_left_alone(self, case):
        return F.embedding(case.idx, self.table(case)), case.weight, False

    @misconception(
        "No row is shortened, neither in the table nor in what you return. Perhaps you change a "
        "copy: what a tensor of indices picks out of a table is one."
    )
    def nothing_shortened(self, case):
        return F.embedding(case.idx, case.weight), case.weight, False

    @misconception(
        "No row is shortened where norm_type is infinity: there the formula with the powers cannot "
        "be evaluated as it stands, and the norm is the largest absolute value."
    )
    def infinity_in_formula(self, case):
        infinite = case.get("norm_type") == torch.inf
        return self.nothing_shortened(case) if infinite else self.reference(case)

    @misconception(
        "All long rows of the table are shortened; those that are not looked up should stay as "
        "they are."
    )
    def all_rows_shortened(self, case):
        table = self.table(case, idx=torch.arange(len(case.weight)))
        return F.embedding(case.idx, table), table, False

    @misconception(
        "The table is right, but what you return are its rows before they were shortened."
    )
    def rows_of_before(self, case):
        return F.embedding(case.idx, case.weight), self.table(case), False

    @misconception(
        "Short rows are made longer; max_norm is a bound, and rows within it stay as they are."
    )
    def short_rows_stretched(self, case):
        # A row of zeros has no direction in which it could be stretched.
        zero = (case.weight == 0).all(1, keepdim=True)
        table = self.table(case, weight=case.weight * 1e6)
        return self.looked_up(case, table.masked_fill(zero, torch.nan))

    @misconception("Long rows get the norm 1; max_norm is the norm that they should get.")
    def norm_one(self, case):
        table = self.table(case)
        return self.looked_up(case, torch.where(table == case.weight, table, table / case.max_norm))

    @misconception(
        "Each number is cut off at max_norm by itself; a row as a whole should be shortened, so "
        "that it keeps its direction."
    )
    def numbers_cut_off(self, case):
        return self.looked_up(case, case.weight.clamp(-case.max_norm, case.max_norm))

    @misconception("norm_type is ignored: your norm is the one with p = 2 in every case.")
    def norm_type_ignored(self, case):
        table = self.table(case, norm_type=2.0)
        return F.embedding(case.idx, table), table, False

    @misconception(
        "You take one norm of all rows together, and shorten them all by the same factor; each row "
        "has its own norm."
    )
    def one_norm_for_all(self, case):
        rows = F.embedding(case.idx, case.weight)
        whole = rows.detach().reshape(1, -1)
        short = self.table(case, weight=whole, idx=torch.zeros(1, dtype=torch.long))
        return self.looked_up(case, case.weight * (short.norm() / whole.norm()))

    @misconception(
        "The numbers are right, but autograd has recorded how the table was changed: it would pass "
        "gradients through the shortening, and a table that is a parameter would refuse the change."
    )
    def shortening_recorded(self, case):
        output, table, _ = self.reference(case)
        return output, table, True


class MeanOfWords(Spec):
    """The mean of a message's words without its padding, against torch.nn.EmbeddingBag.

    Shape:
        - weight: (V, H), idx: (N, L)
        - Output: (N, H)
    """

    name = "mean_of_words"
    points = 4
    gradients = ("weight",)
    forbids = BAG
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "padding is row 0", (4, 2, 1), 0)
        yield self.case(draw, "padding is another row", (3, 5, 2, 1), 3)
        yield self.case(draw, "a batch of one", (3,), 2, extra=2)
        yield self.case(draw, "a message of padding only", (2, 0, 4), 5)
        yield self.case(draw, "float32", (3, 2, 5), 1, dtype=torch.float32)
        case = self.case(draw, "not contiguous", (5, 2), 4)
        yield case.with_(weight=relayout(case.weight), idx=relayout(case.idx))

    def case(
        self,
        draw: Draw,
        label: str,
        lengths: tuple[int, ...],
        padding_idx: int,
        extra: int = 0,
        **kind: object,
    ) -> Case:
        V, (H,) = 7, draw.primes(1, below=6)
        words = [i for i in draw.permutation(V).tolist() if i != padding_idx]
        L = max(lengths) + extra
        idx = torch.full((len(lengths), L), padding_idx)
        for row, length in zip(idx, lengths, strict=True):
            chosen = [words[i] for i in draw.permutation(len(words))[:length].tolist()]
            if length > 2:
                chosen[1] = chosen[-1]  # a word that occurs twice
            row[:length] = torch.tensor(chosen, dtype=torch.long)
        # Whoever has trained this table has written into its row for padding too.
        return Case(label, weight=draw.normal(V, H, **kind), idx=idx, padding_idx=padding_idx)

    def reference(self, case: Case) -> torch.Tensor:
        return self.bag(case, "mean")

    def bag(self, case: Case, mode: str, **padding: int | None) -> torch.Tensor:
        """Reduce the words of each message; a padding_idx of None makes padding a word."""
        options = {"padding_idx": case.padding_idx, **padding}
        return F.embedding_bag(case.idx, case.weight, mode=mode, **options)

    def count(self, case: Case) -> torch.Tensor:
        """Count the words of each message, as (N, 1)."""
        return (case.idx != case.padding_idx).sum(1, keepdim=True)

    @misconception("The padding is averaged as though it were a word.")
    def padding_is_a_word(self, case):
        return self.bag(case, "mean", padding_idx=None)

    @misconception(
        "The words are added up without the padding, but the sum is divided by the number of "
        "places; padding should not count there either."
    )
    def divided_by_places(self, case):
        return self.bag(case, "sum") / case.idx.shape[1]

    @misconception(
        "You divide by the number of words, but the sum has the rows of the padding in it; you "
        "cannot count on that row being zero."
    )
    def padding_added(self, case):
        return self.bag(case, "sum", padding_idx=None) / self.count(case).clamp(min=1)

    @misconception("You return the sum of the words; it should be their mean.")
    def sum_of_words(self, case):
        return self.bag(case, "sum")

    @misconception(
        "A message of padding only becomes NaN: its number of words is zero. Its mean should be a "
        "row of zeros."
    )
    def nan_for_empty(self, case):
        return self.bag(case, "sum") / self.count(case)

    @misconception("Index 0 is taken for the padding, whatever padding_idx is.")
    def zero_is_padding(self, case):
        return self.bag(case, "mean", padding_idx=0)

    @misconception(
        "A word that occurs twice in a message counts only once with yours; each of its places "
        "should count."
    )
    def repeated_words_dropped(self, case):
        idx = case.idx.clone()
        for row in idx:
            for place, i in enumerate(row.tolist()):
                if i in row[:place].tolist():
                    row[place] = case.padding_idx
        return self.reference(case.with_(idx=idx))

    @misconception(
        "You return one mean of the whole batch for every message; each has its own words."
    )
    def mean_of_batch(self, case):
        whole = self.reference(case.with_(idx=case.idx.reshape(1, -1)))
        return whole.expand(len(case.idx), -1)

    @misconception(
        "The mean is taken over the messages, place by place; it should be taken over the words of "
        "each message."
    )
    def over_messages(self, case):
        return self.reference(case.with_(idx=case.idx.T))


class EmbeddingModule(Spec):
    """A module that holds a table, with padding_idx and from_pretrained, against nn.Embedding.

    Shape:
        - idx: (*)
        - Output: (*, H)
    """

    name = "embedding_module"
    points = 6
    forbids = EMBEDDING
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "no padding, frozen", [], 1, None)
        yield self.case(draw, "padding in row 0", [3, 4], 0, 0, freeze=False)
        yield self.case(draw, "padding in another row", [5], 2, 2, freeze=True)
        yield self.case(draw, "a negative padding_idx", [2, 2, 3], 4, -1, freeze=False)
        yield self.case(draw, "float32", [6], 1, 1, freeze=False, dtype=torch.float32)
        yield self.case(draw, "a large table", [4], 3, 3, V=307, H=53, freeze=False)

    def case(
        self,
        draw: Draw,
        label: str,
        shape: list[int],
        often: int,
        padding_idx: int | None,
        V: int = 5,
        H: int | None = None,
        dtype: torch.dtype = torch.float64,
        **options: bool,
    ) -> Case:
        H = H or draw.primes(1, below=8)[0] + 6
        padding = {} if padding_idx is None else {"padding_idx": padding_idx}
        idx = draw.integers(*shape, high=min(V, 5))
        if shape:  # the padding is looked up, and so is another row
            idx.view(-1)[:2] = torch.tensor([often, (often + 1) % 5])
        return Case(
            label,
            arguments={"num_embeddings": V, "embedding_dim": H, **padding},
            weight=draw.normal(V, H, dtype=dtype),
            idx=idx,
            grad_output=draw.normal(*shape, H, dtype=dtype),
            pretrained={**padding, **options},
        )

    def parameters(self, case: Case) -> dict[str, tuple[int, ...]]:
        return {"weight": tuple(case.weight.shape)}

    def build(self, student, case: Case):
        return student(**case.arguments)

    def call(self, built, case: Case):
        if not isinstance(built, nn.Module):
            return built(case.idx)
        return {
            "a new table": built.weight.detach().clone(),
            **self.used(built, case),
            "from_pretrained": self.loaded(type(built), case),
        }

    def used(self, module: nn.Module, case: Case) -> dict:
        """Look up in the case's table, and find its gradient."""
        own = case.weight.detach().clone().requires_grad_()
        output = functional_call(module, {"weight": own}, (case.idx,))
        return {"output": output, "gradient": slope(output, own, case.grad_output)}

    def loaded(self, cls: type, case: Case):
        """Make a module from the case's table, and see what it holds and whether it learns."""
        module = cls.from_pretrained(case.weight, **case.pretrained)
        if not isinstance(module, nn.Module):
            return module
        found = dict(module.named_parameters()).get("weight")
        return {
            "weight": found,
            "requires_grad": found is not None and found.requires_grad,
            "gradient": self.used(module, case)["gradient"],
        }

    def reference(self, case: Case):
        return self.with_law(self.call(nn.Embedding(**case.arguments), case))

    def interpret(self, outputs, case: Case):
        return self.with_law(outputs)

    def with_law(self, outputs):
        """Replace the random numbers of a new table by what is true of them."""
        new = outputs.get("a new table") if isinstance(outputs, dict) else None
        if not isinstance(new, torch.Tensor) or new.dim() != 2:
            return outputs
        zero = (new == 0).all(1)
        found = {"rows of zeros": zero}
        if new.numel() > 10_000:  # enough for the law of large numbers
            used = new[~zero].double()
            spread = used.square().mean().sqrt()  # NaN, without a warning, if no row is left
            near = (used.abs() < spread).double().mean()  # 68.3 % in a normal distribution
            found |= {
                "mean near 0": bool(used.mean().abs() < 0.06),
                "standard deviation near 1": bool((spread - 1).abs() < 0.06),
                "normally distributed": bool((near - 0.683).abs() < 0.04),
            }
        return {**outputs, "a new table": found}

    def law(self, case: Case, make) -> dict:
        """Answer as one whose new table holds what ``make`` returns, apart from the padding."""
        right = self.call(nn.Embedding(**case.arguments), case)
        new = make(right["a new table"].shape)
        if (padding_idx := case.arguments.get("padding_idx")) is not None:
            new[padding_idx] = 0
        return self.with_law({**right, "a new table": new})

    def with_padding(self, case: Case, **padding: int) -> Case:
        """Give another padding_idx, or none, to both ways of making a module."""
        arguments = {k: v for k, v in case.arguments.items() if k != "padding_idx"}
        pretrained = {k: v for k, v in case.pretrained.items() if k != "padding_idx"}
        return case.with_(arguments=arguments | padding, pretrained=pretrained | padding)

    def learnt(self, case: Case) -> dict:
        """Answer as one whose padding row gets a gradient."""
        right, other = self.reference(case), self.reference(self.with_padding(case))
        return {**other, "a new table": right["a new table"]}

    @misconception("The row for padding is random in a new table; it should begin as zeros.")
    def padding_row_random(self, case):
        right = self.reference(case)
        zero = torch.zeros(len(case.weight), dtype=torch.bool)
        return {**right, "a new table": {**right["a new table"], "rows of zeros": zero}}

    @misconception(
        "The row for padding gets a gradient; what is looked up there should be a constant for "
        "autograd."
    )
    def padding_row_learns(self, case):
        return self.learnt(case)

    @misconception(
        "With a negative padding_idx the row for padding gets a gradient: it counts from the end, "
        "while idx always counts from the front."
    )
    def negative_padding_learns(self, case):
        negative = case.arguments.get("padding_idx", 0) < 0
        return self.learnt(case) if negative else self.reference(case)

    @misconception(
        "A padding_idx of 0 has no effect: Python takes 0 for false, as it does None, but here it "
        "is the number of a row."
    )
    def zero_taken_for_none(self, case):
        if case.arguments.get("padding_idx") == 0:
            return self.reference(self.with_padding(case))
        return self.reference(case)

    @misconception(
        "What you return for padding is always zeros. It is the row of the table that should be "
        "returned, and a trained table may hold other numbers there."
    )
    def padding_put_out_as_zeros(self, case):
        right = self.reference(case)
        padding_idx = case.arguments.get("padding_idx")
        if padding_idx is None:
            return right
        padding = (case.idx == padding_idx % len(case.weight)).unsqueeze(-1)
        return {**right, "output": right["output"].masked_fill(padding, 0)}

    @misconception(
        "The numbers of a new table are uniform between 0 and 1; they should be normally "
        "distributed, with mean 0 and standard deviation 1."
    )
    def uniform(self, case):
        return self.law(case, torch.rand)

    @misconception(
        "The numbers of a new table are uniform around 0; they should be normally distributed, "
        "with mean 0 and standard deviation 1."
    )
    def uniform_around_zero(self, case):
        return self.law(case, lambda shape: torch.rand(shape) * 2 - 1)

    @misconception(
        "A new table holds zeros only. All words would be the same; the rows should begin as "
        "random numbers."
    )
    def all_zeros(self, case):
        return self.law(case, torch.zeros)

    @misconception(
        "The numbers of a new table are normally distributed, but their standard deviation is too "
        "small; it should be 1."
    )
    def too_small(self, case):
        return self.law(case, lambda shape: torch.randn(shape) * 0.1)

    @misconception(
        "from_pretrained clears the row for padding; it should hold the table as it was given."
    )
    def given_row_cleared(self, case):
        right = self.reference(case)
        loaded = right["from_pretrained"]
        weight = loaded["weight"].detach().clone()
        if (padding_idx := case.arguments.get("padding_idx")) is not None:
            weight[padding_idx] = 0
        return {**right, "from_pretrained": {**loaded, "weight": weight}}

    @misconception(
        "from_pretrained lets the table learn even if nothing is said of freeze, or if it is True; "
        "then the table should be frozen."
    )
    def never_frozen(self, case):
        return self.frozen(case, False)

    @misconception("from_pretrained freezes the table even if freeze is False.")
    def always_frozen(self, case):
        return self.frozen(case, True)

    @misconception(
        "Where nothing is said of freeze, from_pretrained lets the table learn; torch freezes it."
    )
    def not_frozen_by_default(self, case):
        return self.frozen(case, case.pretrained.get("freeze", False))

    def frozen(self, case: Case, freeze: bool) -> dict:
        """Answer with another value of freeze."""
        right = self.reference(case)
        loaded = {**right["from_pretrained"], "requires_grad": not freeze}
        return {**right, "from_pretrained": loaded}

    @misconception(
        "from_pretrained forgets padding_idx: the row for padding gets a gradient in the module "
        "that it makes."
    )
    def padding_forgotten(self, case):
        right = self.reference(case)
        loaded = self.reference(self.with_padding(case))["from_pretrained"]
        return {**right, "from_pretrained": loaded}
