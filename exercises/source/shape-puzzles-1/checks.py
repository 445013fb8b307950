"""The specs of the assignment shape-puzzles-1: seventeen functions of one line each.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from autograder import Case, Draw, Rung, Spec, misconception, relayout


class Puzzle(Spec):
    """What the puzzles share: which sizes and dtypes their cases have.

    A puzzle names its sizes and makes the inputs for given ones. All of them differ in most cases,
    and each is one in some case.
    """

    sizes: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32, torch.int64)
    partial_credit = {Rung.UNMODIFIED: 0.5}

    @abstractmethod
    def inputs(self, draw: Draw, dtype: torch.dtype, *sizes: int) -> dict[str, object]:
        """Draw the inputs of a case, by name."""

    def cases(self, draw: Draw) -> Iterator[Case]:
        usual, *others = self.dtypes
        yield Case("sizes that differ", **self.inputs(draw, usual, *self.different(draw)))
        even = [size + 1 for size in self.different(draw)]
        yield Case("even sizes", **self.inputs(draw, usual, *even))
        for i, size in enumerate(self.sizes):
            sizes = self.different(draw)
            sizes[i] = 1
            yield Case(f"{size} is one", **self.inputs(draw, usual, *sizes))
        for dtype in others:
            label = str(dtype).removeprefix("torch.")
            yield Case(label, **self.inputs(draw, dtype, *self.different(draw)))
        inputs = self.inputs(draw, usual, *self.different(draw))
        if any(isinstance(value, Tensor) and value.dim() > 1 for value in inputs.values()):
            scattered = {
                name: relayout(value) if isinstance(value, Tensor) else value
                for name, value in inputs.items()
            }
            yield Case("not contiguous", **scattered)

    def different(self, draw: Draw) -> list[int]:
        """Draw as many sizes as the puzzle has: distinct primes, 3 at least."""
        count = len(self.sizes)
        return [prime for prime in draw.primes(count + 1) if prime > 2][:count]


def numbers(draw: Draw, dtype: torch.dtype, *shape: int) -> Tensor:
    """Draw numbers of both signs: whole ones if the dtype wants it."""
    if dtype.is_floating_point:
        return draw.normal(*shape, dtype=dtype)
    return draw.integers(*shape, low=-9, high=10, dtype=dtype)


def whole(draw: Draw, count: int, high: int, *certain: int) -> Tensor:
    """Draw whole numbers below ``high``, among them the certain ones, as far as there is room."""
    drawn = draw.integers(count, high=high)
    drawn[: len(certain)] = torch.tensor(certain)[:count]
    return drawn[draw.permutation(count)]


class ProductTable(Puzzle):
    """Every number of a times every number of b, against torch.outer.

    Shape:
        - a: (N,), b: (M,)
        - Output: (N, M)
    """

    name = "product_table"
    points = 1
    allows = ("unsqueeze",)
    sizes = ("N", "M")

    def inputs(self, draw, dtype, N, M):
        return {"a": numbers(draw, dtype, N), "b": numbers(draw, dtype, M)}

    def reference(self, case):
        return torch.outer(case.a, case.b)

    @misconception(
        "Your table is transposed: a row should belong to a number of a, a column to one of b."
    )
    def turned(self, case):
        return self.reference(case).T

    @misconception("You add where the table wants products.")
    def added(self, case):
        ones = [torch.ones_like(case.a), torch.ones_like(case.b)]
        return torch.outer(case.a, ones[1]) + torch.outer(ones[0], case.b)

    @misconception(
        "You multiply place by place, for which a and b would have to be equally long. Every "
        "number of a should meet every number of b, so they need dimensions of their own."
    )
    def place_by_place(self, case):
        return case.a.mul(case.b)


class LengthMask(Puzzle):
    """Where a padded batch has words, against torch.nn.utils.rnn.pad_sequence.

    Shape:
        - lengths: (N,)
        - Output: (N, L), bool
    """

    name = "length_mask"
    points = 1
    allows = ("arange",)
    sizes = ("N", "L")
    dtypes = (torch.int64,)

    def inputs(self, draw, dtype, N, L):
        return {"lengths": whole(draw, N, L + 1, 1, 0, L), "L": L}

    def reference(self, case):
        lengths = [*case.lengths.tolist(), case.L]  # The last one makes the batch L words wide.
        words = [torch.ones(length, dtype=torch.bool) for length in lengths]
        return pad_sequence(words, batch_first=True)[:-1]

    @misconception(
        "Your sentences are one word too long. The words of a sentence of three are at the places "
        "0, 1 and 2."
    )
    def one_too_many(self, case):
        return self.reference(case.with_(lengths=(case.lengths + 1).clamp(max=case.L)))

    @misconception("Your mask is True at the padding; it should be True at the words.")
    def padding_marked(self, case):
        return ~self.reference(case)

    @misconception("Your padding stands in front of the words; it should stand behind them.")
    def padded_in_front(self, case):
        return self.reference(case).flip(1)

    @misconception("Your mask has a row for each place; it should have one for each sentence.")
    def turned(self, case):
        return self.reference(case).T


class OneHotRows(Puzzle):
    """A row with a single 1 for each label, against torch.nn.functional.one_hot.

    Shape:
        - labels: (N,)
        - Output: (N, V), int64
    """

    name = "one_hot_rows"
    points = 1
    allows = ("arange", "where", "long")
    sizes = ("N", "V")
    dtypes = (torch.int64,)

    def inputs(self, draw, dtype, N, V):
        return {"labels": whole(draw, N, V, V - 1, 0), "V": V}

    def reference(self, case):
        return nn.functional.one_hot(case.labels, case.V)

    @misconception("Your table has a row for each class; it should have one for each label.")
    def turned(self, case):
        return self.reference(case).T

    @misconception("The places are right, but they are booleans; a row should hold 0 and 1.")
    def booleans(self, case):
        return self.reference(case).bool()

    @misconception("You count the classes from 1; the label 0 belongs to the first column.")
    def counted_from_one(self, case):
        return self.reference(case.with_(V=case.V + 1))[:, 1:]

    @misconception("Your rows are 1 up to the label; they should be 1 at the label alone.")
    def filled_up(self, case):
        return self.reference(case).flip(1).cumsum(1).flip(1)


class RowsBackwards(Puzzle):
    """Each row from its end to its beginning, against torch.flip.

    Shape:
        - x: (N, L)
        - Output: (N, L)
    """

    name = "rows_backwards"
    points = 1
    allows = ("arange", "len", "shape")
    sizes = ("N", "L")

    def inputs(self, draw, dtype, N, L):
        return {"x": numbers(draw, dtype, N, L)}

    def reference(self, case):
        return case.x.flip(1)

    @misconception(
        "The first number of each row has stayed in front: the index -0 is the index 0. Counting "
        "from the end begins with -1."
    )
    def minus_zero(self, case):
        return self.reference(case).roll(1, dims=1)

    @misconception(
        "You have reversed the order of the rows; the order within each row should be reversed."
    )
    def rows_exchanged(self, case):
        return case.x.flip(0)

    @misconception("You have reversed both dimensions; the rows should stay where they are.")
    def both_reversed(self, case):
        return case.x.flip(0, 1)


class PickFromEachRow(Puzzle):
    """One number of each row, against torch.gather.

    Shape:
        - x: (N, C), index: (N,)
        - Output: (N,)
    """

    name = "pick_from_each_row"
    points = 1
    allows = ("arange", "len", "shape", "reshape")
    sizes = ("N", "C")

    def inputs(self, draw, dtype, N, C):
        return {"x": numbers(draw, dtype, N, C), "index": whole(draw, N, C, C - 1, 0)}

    def reference(self, case):
        return case.x.gather(1, case.index[:, None]).squeeze(1)

    @misconception(
        "You take the columns in index from every row, which makes a table. Only one number of "
        "each row is wanted: two lists of indices, side by side, pick pairs."
    )
    def every_column(self, case):
        return case.x.index_select(1, case.index)

    @misconception("All your numbers come from the first row.")
    def first_row_only(self, case):
        return self.reference(case.with_(x=case.x[:1].expand_as(case.x)))

    @misconception("You count the columns from 1; the index 0 is the first column.")
    def counted_from_one(self, case):
        return self.reference(case.with_(index=(case.index - 1) % case.x.shape[1]))

    @misconception("You use the index of the first row for all rows.")
    def first_index_only(self, case):
        return self.reference(case.with_(index=case.index[:1].expand_as(case.index)))


class RowAndColumn(Puzzle):
    """From a place in memory to a row and a column, against torch.unravel_index.

    Shape:
        - k: (N,)
        - Output: (N, 2), int64
    """

    name = "row_and_column"
    points = 1
    allows = ("stack",)
    sizes = ("N", "H", "W")
    dtypes = (torch.int64,)

    def inputs(self, draw, dtype, N, H, W):
        return {"k": whole(draw, N, H * W, W % (H * W), H * W - 1, 0), "H": H, "W": W}

    def reference(self, case):
        return torch.stack(torch.unravel_index(case.k, (case.H, case.W))).T

    @misconception(
        "You divide by the height. A row ends after as many places as the picture has columns."
    )
    def divided_by_height(self, case):
        return self.reference(case.with_(H=case.W, W=case.H))

    @misconception("Your pairs hold the column first; the row comes first.")
    def column_first(self, case):
        return self.reference(case).flip(1)

    @misconception(
        "You read the picture column by column; in memory its rows lie one behind the other, not "
        "its columns."
    )
    def column_by_column(self, case):
        return self.divided_by_height(case).flip(1)

    @misconception(
        "Your answer has the shape (2, N): all rows, then all columns. Each place should have a "
        "pair of its own."
    )
    def stacked_below(self, case):
        return self.reference(case).T

    @misconception(
        "Your rows are right, but for the columns you take the remainder of another division."
    )
    def column_by_height(self, case):
        row, _ = self.reference(case).unbind(1)
        _, column = self.divided_by_height(case).unbind(1)
        return torch.stack([row, column]).T


class BucketNumbers(Puzzle):
    """The interval in which each number lies, against torch.bucketize.

    Shape:
        - x: (N,), boundaries: (M,)
        - Output: (N,), int64
    """

    name = "bucket_numbers"
    points = 2
    allows = ("sum",)
    sizes = ("N", "M")

    def inputs(self, draw, dtype, N, M):
        boundaries = numbers(draw, dtype, M).sort().values
        x = numbers(draw, dtype, N)
        x[0] = boundaries[0]  # A number that lies on a boundary.
        return {"x": x[draw.permutation(N)], "boundaries": boundaries}

    def reference(self, case):
        return torch.bucketize(case.x, case.boundaries, right=True)

    @misconception(
        "A number that lies on a boundary belongs to the interval above it; yours goes to the one "
        "below."
    )
    def boundary_below(self, case):
        return torch.bucketize(case.x, case.boundaries)

    @misconception("You number the intervals from above; the lowest should have the number 0.")
    def numbered_from_above(self, case):
        return len(case.boundaries) - self.reference(case)

    @misconception("You number the intervals from 1; the lowest should have the number 0.")
    def numbered_from_one(self, case):
        return self.reference(case) + 1

    @misconception(
        "You count numbers for each boundary; you should count boundaries for each number."
    )
    def counts_the_numbers(self, case):
        below = (-case.x).sort().values
        return self.reference(case.with_(x=-case.boundaries, boundaries=below))


class RunningTotals(Puzzle):
    """The sum of each number and all before it, against torch.cumsum.

    Shape:
        - x: (L,)
        - Output: (L,)
    """

    name = "running_totals"
    points = 2
    allows = ("arange", "len", "shape", "sum")
    sizes = ("L",)

    def inputs(self, draw, dtype, L):
        return {"x": numbers(draw, dtype, L)}

    def reference(self, case):
        return case.x.cumsum(0)

    @misconception(
        "Your totals run from the end: each holds the numbers behind it. Either the triangle of "
        "your table lies on the wrong side, or you sum over the wrong dimension."
    )
    def from_the_end(self, case):
        return case.x.flip(0).cumsum(0).flip(0)

    @misconception("The number itself is missing in each total: the diagonal belongs to it.")
    def itself_left_out(self, case):
        return self.reference(case) - case.x

    @misconception(
        "Each of your totals is a multiple of one number: you sum over the dimension in which the "
        "numbers of x are repeated, and not over the one in which they differ."
    )
    def multiples(self, case):
        return case.x * torch.arange(len(case.x), 0, -1)

    @misconception("Each of your totals holds all numbers; none should know what comes later.")
    def total_everywhere(self, case):
        return case.x.sum().expand_as(case.x)


class DistanceTable(Puzzle):
    """The distance from every point of a to every point of b, against torch.cdist.

    Shape:
        - a: (N, K), b: (M, K)
        - Output: (N, M)
    """

    name = "distance_table"
    points = 2
    allows = ("sum", "sqrt", "abs", "unsqueeze")
    sizes = ("N", "M", "K")
    dtypes = (torch.float64, torch.float32)

    def inputs(self, draw, dtype, N, M, K):
        return {"a": numbers(draw, dtype, N, K), "b": numbers(draw, dtype, M, K)}

    def reference(self, case, p=2.0):
        return torch.cdist(case.a, case.b, p, "donot_use_mm_for_euclid_dist")

    @misconception("These are the squares of the distances: the root is missing.")
    def squared(self, case):
        return self.reference(case) ** 2

    @misconception(
        "You add up how far apart the points are in each dimension, as somebody who walks along "
        "streets; the distance is that of a straight line."
    )
    def along_streets(self, case):
        return self.reference(case, p=1.0)

    @misconception(
        "Your table is transposed: a row should belong to a point of a, a column to one of b."
    )
    def turned(self, case):
        return self.reference(case).T


class SumsByLabel(Puzzle):
    """The sum of all numbers with the same label, against torch.index_add.

    Shape:
        - x: (N,), labels: (N,)
        - Output: (V,)
    """

    name = "sums_by_label"
    points = 2
    allows = ("arange", "sum", "where")
    sizes = ("N", "V")

    def inputs(self, draw, dtype, N, V):
        return {"x": numbers(draw, dtype, N), "labels": whole(draw, N, V, 0, 0), "V": V}

    def reference(self, case):
        return case.x.new_zeros(case.V).index_add(0, case.labels, case.x)

    @misconception("You count how often each label occurs; the numbers should be added.")
    def counted(self, case):
        return case.labels.bincount(minlength=case.V)

    @misconception("You take the mean of the numbers of each label; their sum is wanted.")
    def averaged(self, case):
        return self.reference(case) / self.counted(case)

    @misconception(
        "You sum over the labels, so each number is left alone; you should sum over the numbers."
    )
    def summed_over_labels(self, case):
        return case.x

    @misconception("You count the labels from 1; the first sum belongs to the label 0.")
    def counted_from_one(self, case):
        return self.reference(case.with_(V=case.V + 1))[1:]


class EnlargedPicture(Puzzle):
    """A picture of which each pixel has become a square, against torch.repeat_interleave.

    Shape:
        - x: (H, W)
        - Output: (H*r, W*r)
    """

    name = "enlarged_picture"
    points = 2
    allows = ("arange", "len", "shape")
    sizes = ("H", "W", "r")

    def inputs(self, draw, dtype, H, W, r):
        return {"x": numbers(draw, dtype, H, W), "r": r}

    def reference(self, case):
        return case.x.repeat_interleave(case.r, dim=0).repeat_interleave(case.r, dim=1)

    @misconception(
        "You lay the whole picture side by side with itself; each pixel should become a square."
    )
    def tiled(self, case):
        return case.x.repeat(case.r, case.r)

    @misconception("Your picture has become taller, but not wider.")
    def taller_only(self, case):
        return case.x.repeat_interleave(case.r, dim=0)

    @misconception("Your picture has become wider, but not taller.")
    def wider_only(self, case):
        return case.x.repeat_interleave(case.r, dim=1)


class RowWindows(Puzzle):
    """All windows of k neighbours in each row, against Tensor.unfold.

    Shape:
        - x: (N, L)
        - Output: (N, L - k + 1, k)
    """

    name = "row_windows"
    points = 2
    allows = ("arange", "len", "shape")
    sizes = ("N", "L - k + 1", "k")

    def inputs(self, draw, dtype, N, windows, k):
        return {"x": numbers(draw, dtype, N, windows + k - 1), "k": k}

    def reference(self, case):
        return case.x.unfold(1, case.k, 1)

    @misconception("The last window of each row is missing.")
    def last_missing(self, case):
        return self.reference(case)[:, :-1]

    @misconception(
        "The last two dimensions are exchanged: the dimension of the windows comes before the one "
        "of the k numbers in a window."
    )
    def turned(self, case):
        return self.reference(case).transpose(1, 2)

    @misconception(
        "Your windows stand side by side; each should begin one place after the one before."
    )
    def side_by_side(self, case):
        return case.x.unfold(1, case.k, case.k)

    @misconception("The numbers within each of your windows run backwards.")
    def backwards(self, case):
        return self.reference(case).flip(2)

    @misconception(
        "Your last windows go on at the beginning of the row; a window should end where the row "
        "ends."
    )
    def wrapped_around(self, case):
        x = torch.cat([case.x, case.x[:, : case.k - 1]], dim=1)
        return self.reference(case.with_(x=x))


class RelativeBias(Puzzle):
    """A table whose entries depend on the distance from the diagonal, against Tensor.unfold.

    Shape:
        - w: (2*L - 1,)
        - Output: (L, L)
    """

    name = "relative_bias"
    points = 2
    allows = ("arange",)
    sizes = ("L",)

    def inputs(self, draw, dtype, L):
        return {"w": numbers(draw, dtype, 2 * L - 1), "L": L}

    def reference(self, case):
        return case.w.unfold(0, case.L, 1).flip(1)

    @misconception("You take j - i where the equation has i - j, so your table is transposed.")
    def turned(self, case):
        return self.reference(case).T

    @misconception(
        "The L - 1 is missing. The index i - j can be negative, and then torch counts from the "
        "end of w without a word."
    )
    def unshifted(self, case):
        return self.reference(case.with_(w=case.w.roll(case.L - 1)))

    @misconception("Your entries depend on i + j, the equation's on i - j.")
    def sum_of_places(self, case):
        return self.reference(case).flip(1)


class PackedCausalMask(Puzzle):
    """Which words a word may look at when sentences are packed, against torch.block_diag.

    Shape:
        - s: (L,)
        - Output: (L, L), bool
    """

    name = "packed_causal_mask"
    points = 2
    allows = ("arange", "len", "shape")
    sizes = ("the number of sentences", "the longest length")
    dtypes = (torch.int64,)

    def inputs(self, draw, dtype, sentences, longest):
        lengths = whole(draw, sentences, longest, longest - 1) + 1
        return {"s": draw.permutation(sentences).repeat_interleave(lengths)}

    def reference(self, case):
        lengths = case.s.unique_consecutive(return_counts=True)[1].tolist()
        blocks = [torch.ones(length, length).tril() for length in lengths]
        return torch.block_diag(*blocks).bool()

    @misconception("Your words look ahead; they should look back.")
    def looks_ahead(self, case):
        return self.reference(case).T

    @misconception("Your words see their whole sentence, also what comes later in it.")
    def any_order(self, case):
        return self.reference(case) | self.looks_ahead(case)

    @misconception("Your words look back into the sentences before their own.")
    def any_sentence(self, case):
        return self.reference(case.with_(s=torch.zeros_like(case.s)))

    @misconception("Your words do not see themselves; each should.")
    def itself_left_out(self, case):
        return self.reference(case).tril(-1)

    @misconception("Your mask is True where looking is forbidden; it should be the other way.")
    def forbidden_marked(self, case):
        return ~self.reference(case)


class SentenceNumbers(Puzzle):
    """The number of the sentence to which each word belongs, against torch.repeat_interleave.

    Shape:
        - lengths: (N,)
        - Output: (L,) with L the sum of lengths, int64
    """

    name = "sentence_numbers"
    points = 3
    allows = ("arange", "cumsum", "sum")
    sizes = ("N", "the longest length")
    dtypes = (torch.int64,)

    def inputs(self, draw, dtype, N, longest):
        return {"lengths": whole(draw, N, longest, longest - 1) + 1}

    def cases(self, draw):
        yield from super().cases(draw)
        lengths = torch.zeros(7, dtype=torch.int64)
        lengths[[1, 4, 5]] = draw.integers(3, low=1, high=5)
        yield Case("sentences without a word", lengths=lengths)

    def reference(self, case):
        return torch.repeat_interleave(case.lengths)

    @misconception(
        "The first word of each sentence is counted with the sentence before it. Where one "
        "sentence ends, the next has already begun."
    )
    def one_late(self, case):
        return self.reference(case).roll(1).index_fill(0, torch.tensor([0]), 0)

    @misconception("You number the sentences from 1; the first should have the number 0.")
    def numbered_from_one(self, case):
        return self.reference(case) + 1

    @misconception(
        "Your numbers fall from the first word to the last; those of the first sentence should be "
        "0, and then they should rise."
    )
    def numbered_from_the_end(self, case):
        return len(case.lengths) - self.reference(case)

    @misconception(
        "You compare each place with the lengths themselves. What counts is where a sentence ends, "
        "and that depends on all lengths before it."
    )
    def lengths_not_added(self, case):
        places = torch.arange(int(case.lengths.sum()))
        return torch.bucketize(places, case.lengths.sort().values, right=True)


class ReadBetween(Puzzle):
    """A row of numbers read between its places, against torch.nn.functional.grid_sample.

    Shape:
        - y: (L,), t: (M,) with numbers from 0 to L - 1
        - Output: (M,)
    """

    name = "read_between"
    points = 3
    allows = ("floor", "ceil", "long", "arange", "len", "abs", "clamp", "sum")
    sizes = ("L", "M")
    dtypes = (torch.float64, torch.float32)

    def inputs(self, draw, dtype, L, M):
        t = draw.uniform(M, high=L - 1, dtype=dtype)
        t[:3] = torch.tensor([L - 1, 0.75, 0.25])[:M].clamp(max=L - 1)
        return {"y": numbers(draw, dtype, L), "t": t[draw.permutation(M)]}

    def reference(self, case):
        # For grid_sample y is a picture of one row, whose middle is at 0 and whose ends at -1, 1.
        across = 2 * case.t / max(len(case.y) - 1, 1) - 1
        grid = torch.stack([across, torch.zeros_like(across)], dim=1)
        picture = case.y[None, None, None]
        return nn.functional.grid_sample(
            picture, grid[None, None], padding_mode="border", align_corners=True
        ).reshape(-1)

    @misconception("You read the place before t, wherever t lies between two places.")
    def steps(self, case):
        return self.reference(case.with_(t=case.t.floor()))

    @misconception("You read the place nearest to t; in between the two neighbours are mixed.")
    def nearest(self, case):
        return self.reference(case.with_(t=(case.t + 0.5).floor()))

    @misconception(
        "The two weights are exchanged: the nearer of the two neighbours should count more."
    )
    def weights_exchanged(self, case):
        return self.reference(case.with_(t=case.t.floor() + case.t.ceil() - case.t))

    @misconception(
        "Where t is a whole number both of your weights are 0, and the number that lies there is "
        "lost. The two weights should always add up to 1."
    )
    def lost_at_whole_places(self, case):
        return self.reference(case) * (case.t != case.t.floor())

    @misconception(
        "Both neighbours count the same; the weights should depend on how near they are to t."
    )
    def halfway(self, case):
        return self.reference(case.with_(t=(case.t.floor() + case.t.ceil()) / 2))


class MoveToFront(Puzzle):
    """The kept numbers moved to the front, against torch.masked_select.

    Shape:
        - x: (L,), keep: (L,), bool
        - Output: (L,)
    """

    name = "move_to_front"
    points = 4
    allows = ("arange", "cumsum", "len", "shape", "sum")
    sizes = ("L",)

    def inputs(self, draw, dtype, L):
        return {"x": numbers(draw, dtype, L), "keep": whole(draw, L, 2, 1, 0).bool()}

    def cases(self, draw):
        yield from super().cases(draw)
        yield Case("every second is kept", x=draw.normal(7), keep=torch.arange(7) % 2 == 1)
        yield Case("all are kept", x=draw.normal(5), keep=torch.ones(5, dtype=torch.bool))
        yield Case("none is kept", x=draw.normal(5), keep=torch.zeros(5, dtype=torch.bool))

    def reference(self, case):
        kept = case.x.masked_select(case.keep)
        return nn.functional.pad(kept, (0, len(case.x) - len(kept)))

    @misconception("The kept numbers have stayed in their places; they should move to the front.")
    def not_moved(self, case):
        return case.x.masked_fill(~case.keep, 0)

    @misconception("The zeros are missing: the answer should be as long as x, whatever is kept.")
    def zeros_missing(self, case):
        return case.x.masked_select(case.keep)

    @misconception("The other numbers follow behind the kept ones; zeros should.")
    def others_behind(self, case):
        return torch.cat([case.x.masked_select(case.keep), case.x.masked_select(~case.keep)])

    @misconception("The kept numbers stand at the back; they should stand in front.")
    def moved_to_back(self, case):
        return self.reference(case).roll(int((~case.keep).sum()))

    @misconception(
        "Some of your numbers are sums: a number that is not kept goes to the same place as the "
        "kept one before it."
    )
    def others_added(self, case):
        return nn.functional.pad(case.x.new_zeros(len(case.x)), (1, 0)).index_add(
            0, case.keep.cumsum(0), case.x
        )[1:]

    @misconception(
        "Your numbers stand one place too far back: the first that is kept goes to the place 0."
    )
    def one_place_late(self, case):
        return nn.functional.pad(self.reference(case), (1, 0))[:-1]
