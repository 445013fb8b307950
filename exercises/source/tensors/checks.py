"""The specs of the assignment tensors: making, converting, reading and sharing numbers.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Iterator
from unittest.mock import patch

import torch
from torch import nn

from autograder import Case, Draw, Rung, Spec, misconception, relayout


def odd_sizes(draw: Draw, count: int) -> list[int]:
    """Draw distinct odd primes: an axis of two hides more mistakes than others."""
    return [prime for prime in draw.primes(5) if prime > 2][:count]


class PixelGrid(Spec):
    """The coordinates of all pixel centres, against torch.nn.functional.affine_grid.

    Shape:
        - Output: (H, W, 2)
    """

    name = "pixel_grid"
    points = 4
    forbids = ("torch.nn.functional.affine_grid", "torch.affine_grid_generator")
    # Numbers that went through float32 on their way to float64 are not good enough.
    tolerances = {torch.float64: (1e-12, 1e-12), torch.float32: (1e-4, 1e-5)}

    def cases(self, draw: Draw) -> Iterator[Case]:
        short, long = sorted(odd_sizes(draw, 2))
        yield Case("a wide picture", H=short, W=long, bits=64)
        yield Case("a tall picture", H=long, W=short, bits=64)
        yield Case("float32", H=long, W=short, bits=32)
        yield Case("even sizes", H=4, W=6, bits=64)

    def dtype(self, case: Case) -> torch.dtype:
        return {32: torch.float32, 64: torch.float64}[case.bits]

    def call(self, student, case: Case):
        return student(case.H, case.W, self.dtype(case))

    def grid(self, case: Case, *, align_corners: bool = False) -> torch.Tensor:
        """Let torch look straight at a picture, neither turned nor shifted nor enlarged."""
        straight = torch.eye(2, 3, dtype=self.dtype(case)).unsqueeze(0)
        return nn.functional.affine_grid(straight, (1, 1, case.H, case.W), align_corners).squeeze(0)

    def reference(self, case: Case):
        return self.grid(case)

    @misconception("Your pairs hold y first; x, which counts along a row, comes first.")
    def coordinates_exchanged(self, case):
        return self.reference(case).flip(-1)

    @misconception(
        "Your first two axes are (W, H); a picture has its rows first, so they should be (H, W)."
    )
    def columns_first(self, case):
        return self.reference(case).transpose(0, 1)

    @misconception(
        "Your coordinates are stacked in front, which gives (2, H, W); the pair x, y stands last."
    )
    def pairs_in_front(self, case):
        return self.reference(case).movedim(-1, 0)

    @misconception(
        "The centres of your outermost pixels lie at -1 and 1; it is the borders of the picture "
        "that lie there, half a pixel further out."
    )
    def centres_at_the_border(self, case):
        return self.grid(case, align_corners=True)

    @misconception(
        "Your coordinates are those of the upper left corner of each pixel; its centre is half a "
        "pixel further on."
    )
    def corners_of_pixels(self, case):
        right = self.reference(case)
        return right - 1 / torch.tensor([case.W, case.H], dtype=right.dtype)

    @misconception("Your coordinates go from 0 to 1; they should go from -1 to 1.")
    def from_zero_to_one(self, case):
        return (self.reference(case) + 1) / 2

    @misconception("Your y grows upwards; row 0 of a picture is its top, and has the smallest y.")
    def upside_down(self, case):
        return self.reference(case).flip(0)

    @misconception("You make float32, whatever dtype was asked for.")
    def dtype_ignored(self, case):
        return self.reference(case.with_(bits=32))


class BrightestPixel(Spec):
    """Row and column of the largest number of each image, against torch.argmax.

    Shape:
        - images: (N, H, W)
        - Output: (N, 2), int64
    """

    name = "brightest_pixel"
    points = 4
    forbids = ("torch.unravel_index", "torch.cartesian_prod")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H, W = odd_sizes(draw, 3)
        yield Case("a batch of one", images=self.images(draw, 1, H, W))
        yield Case("a batch", images=self.images(draw, N, H, W))
        yield Case("more columns than rows", images=self.images(draw, N, *sorted((H, W))))
        yield Case("all numbers negative", images=self.images(draw, N, W, H) - 100)
        ranks = self.images(draw, N, H, W).flatten(1).argsort().argsort()
        yield Case("uint8", images=ranks.reshape(N, H, W).to(torch.uint8))
        yield Case("not contiguous", images=relayout(self.images(draw, N, H, W)))

    def images(self, draw: Draw, N: int, H: int, W: int) -> torch.Tensor:
        """Draw images with a bright first row, in which the brightest pixel does not lie."""
        images = draw.uniform(N, H, W)
        images[:2, 0] += 5
        images[0, -1, -1] = 7
        images[1:2, 1, 0] = 7
        return images

    def positions(self, case: Case) -> torch.Tensor:
        return case.images.flatten(1).argmax(1)

    def places(self, H: int, W: int) -> torch.Tensor:
        """List all places in an image; torch.unravel_index would import for a second and a half."""
        return torch.cartesian_prod(torch.arange(H), torch.arange(W))

    def reference(self, case: Case):
        return self.places(*case.images.shape[1:])[self.positions(case)]

    @misconception("You return (column, row); the row comes first, as in an index.")
    def column_first(self, case):
        return self.reference(case).flip(1)

    @misconception(
        "You divide by the number of rows. Count how many pixels lie between a pixel and the one "
        "below it."
    )
    def divided_by_height(self, case):
        H, W = case.images.shape[1:]
        return self.places(W, H)[self.positions(case)]

    @misconception(
        "Your rows are fractions, and so the dtype is a float: the operator / does not round."
    )
    def true_division(self, case):
        row, column = self.reference(case).unbind(1)
        return torch.stack([row + column / case.images.shape[2], column], 1)

    @misconception(
        "You return positions in the row of all pixels of an image; taking these apart into row "
        "and column is the second half of the task."
    )
    def positions_only(self, case):
        return self.positions(case)

    @misconception(
        "Your answer has the shape (2, N): all rows, then all columns. Each image should have a "
        "pair of its own."
    )
    def stacked_below(self, case):
        return self.reference(case).T

    @misconception(
        "You look for one pixel in the whole batch; each image has a brightest pixel of its own."
    )
    def one_for_all(self, case):
        N, H, W = case.images.shape
        return self.places(N * H, W)[case.images.argmax()]

    @misconception(
        "You look for the row with the largest sum and for the column with the largest sum; the "
        "brightest pixel need not lie where these two cross."
    )
    def brightest_lines(self, case):
        sums = case.images.sum(2), case.images.sum(1)
        return torch.stack([each.argmax(1) for each in sums], 1)


class AdjustExposure(Spec):
    """A uint8 image made brighter or darker, against torch's own rounding to 8 bits.

    Shape:
        - image: (*), uint8
        - Output: (*), uint8
    """

    name = "adjust_exposure"
    points = 5
    forbids = ("torch.fake_quantize_per_tensor_affine", "torch.quantize_per_tensor")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        # Each image has all 256 shades: there are ties to round, and numbers below 0 and over 255.
        yield Case("halved", image=self.shades(draw, 256), gain=0.5, offset=0.0)
        yield Case("brighter", image=self.shades(draw, 16, 16), gain=1.5, offset=20.25)
        yield Case("more contrast", image=self.shades(draw, 2, 8, 16), gain=2.25, offset=-160.5)
        yield Case("whole numbers", image=self.shades(draw, 8, 32), gain=2, offset=-100)
        image = relayout(self.shades(draw, 4, 64))
        yield Case("not contiguous", image=image, gain=0.75, offset=-50.5)

    def shades(self, draw: Draw, *shape: int) -> torch.Tensor:
        return draw.permutation(256).to(torch.uint8).reshape(shape)

    def exact(self, case: Case) -> torch.Tensor:
        return case.image.float() * case.gain + case.offset

    def reference(self, case: Case):
        # What a network computes with while it is trained for numbers of 8 bits.
        quantized = torch.fake_quantize_per_tensor_affine(self.exact(case), 1.0, 0, 0, 255)
        return quantized.to(torch.uint8)

    def with_exact(self, case: Case, value: torch.Tensor) -> torch.Tensor:
        """Answer as if that were what gain and offset have made of the image."""
        return self.reference(case.with_(image=value, gain=1, offset=0))

    @misconception(
        "Numbers outside of 0 to 255 wrap around in your result: what is brighter than white turns "
        "dark."
    )
    def wraps_at_the_end(self, case):
        return self.exact(case).round().long().to(torch.uint8)

    @misconception(
        "With a whole gain you compute in uint8, and the product wraps around before you can do "
        "anything about it."
    )
    def wraps_in_the_product(self, case):
        return self.with_exact(case, case.image * case.gain + case.offset)

    @misconception("The decimals are cut off; you should round to the nearest whole number.")
    def cut_off(self, case):
        return self.with_exact(case, self.exact(case).floor())

    @misconception(
        "You leave it to the conversion to make a uint8 of y. It does not round, and it does not "
        "stop at 0 and 255 either: what lies outside wraps around."
    )
    def converted_at_once(self, case):
        return self.exact(case).trunc().long().to(torch.uint8)

    @misconception("You round halves up; torch.round takes them to the nearest even number.")
    def halves_rounded_up(self, case):
        return self.with_exact(case, (self.exact(case) + 0.5).floor())

    @misconception("The numbers are right, but they are float32; an image of uint8 is wanted.")
    def left_as_floats(self, case):
        return self.reference(case).float()

    @misconception("You add the offset before you multiply; it should be added to the product.")
    def offset_first(self, case):
        return self.reference(case.with_(offset=case.gain * case.offset))

    @misconception(
        "Only the upper limit is kept: numbers below 0 wrap around, and the darkest pixels turn "
        "bright."
    )
    def no_lower_limit(self, case):
        wrapped = self.wraps_at_the_end(case)
        return torch.where(self.exact(case) < 0, wrapped, self.reference(case))


class ContiguousStrides(Spec):
    """The strides of a contiguous tensor, against those that torch gives to an empty one."""

    name = "contiguous_strides"
    points = 4
    returns = tuple(f"strides[{i}]" for i in range(4))
    forbids = ("torch.Tensor.stride",)

    def cases(self, draw: Draw) -> Iterator[Case]:
        sizes = draw.primes(4)
        yield Case("one dimension", shape=sizes[:1])
        yield Case("a table", shape=sizes[:2])
        yield Case("three dimensions", shape=sizes[:3])
        yield Case("four dimensions", shape=sizes)
        yield Case("a single number", shape=())
        yield Case("sizes of 1", shape=(1, sizes[0], 1, sizes[1]))
        yield Case("larger than any memory", shape=(10**6, 10**6, 10**6))

    def reference(self, case: Case):
        return torch.empty(case.shape, device="meta").stride()

    @misconception(
        "Your first stride is 1, as if the first index ran fastest; in PyTorch the last one does."
    )
    def first_index_fastest(self, case):
        return self.reference(case.with_(shape=case.shape[::-1]))[::-1]

    @misconception("The strides are right, but in the wrong order: the last dimension's is 1.")
    def reversed_order(self, case):
        return self.reference(case)[::-1]

    @misconception(
        "Each of your strides has its own dimension's size as a factor; one step along a dimension "
        "skips only what lies in the dimensions after it."
    )
    def own_size_included(self, case):
        return tuple(a * b for a, b in zip(self.reference(case), case.shape, strict=True))

    @misconception(
        "Each of your strides is the size of the next dimension alone; with more than two "
        "dimensions there is more to skip."
    )
    def next_size_only(self, case):
        return (*case.shape[1:], 1)[: len(case.shape)]

    @misconception("You count bytes, as NumPy does; PyTorch counts numbers.")
    def counted_in_bytes(self, case):
        return tuple(4 * stride for stride in self.reference(case))

    @misconception(
        "The last dimension has a stride as well, though it is always 1; you leave it out."
    )
    def last_one_left_out(self, case):
        return self.reference(case)[:-1]


class SwapColumns(Spec):
    """Two columns exchanged in place, against torch.index_select.

    Shape:
        - x: (H, W)
        - Output: x itself
    """

    name = "swap_columns_"
    points = 4
    returns = ("x", "is_x_itself")
    modifies = ("x",)

    def cases(self, draw: Draw) -> Iterator[Case]:
        H, W = odd_sizes(draw, 4)[-2:]
        i, j = sorted(draw.permutation(min(H, W))[:2].tolist())
        yield Case("left before right", x=draw.normal(H, W), i=i, j=j)
        yield Case("right before left", x=draw.normal(W, H), i=j, j=i)
        yield Case("a column and itself", x=draw.normal(H, W), i=i, j=i)
        yield Case("integers", x=draw.permutation(H * W).reshape(H, W), i=i, j=j)
        yield Case("not contiguous", x=relayout(draw.normal(W, H)), i=i, j=j)

    def call(self, student, case: Case):
        held = case.x[:]  # Another name for the same memory.
        answer = student(case.x, case.i, case.j)
        return held, answer is case.x

    def with_columns(self, case: Case, left: int, right: int) -> torch.Tensor:
        """Make x with copies of its columns ``left`` and ``right`` at the places i and j."""
        order = torch.arange(case.x.shape[1])
        order[[case.i, case.j]] = torch.tensor([left, right])
        return case.x.index_select(1, order)

    def reference(self, case: Case):
        return self.with_columns(case, case.j, case.i), True

    @misconception(
        "Both columns end up with what was in column j. What you kept of column i is a view: it "
        "changed when you wrote into x."
    )
    def both_from_j(self, case):
        return self.with_columns(case, case.j, case.j), True

    @misconception(
        "Both columns end up with what was in column i. What you kept of column j is a view: it "
        "changed when you wrote into x."
    )
    def both_from_i(self, case):
        return self.with_columns(case, case.i, case.i), True

    @misconception("You exchange rows; the columns are along the second dimension.")
    def rows_swapped(self, case):
        return self.with_columns(case.with_(x=case.x.T), case.j, case.i).T, True

    @misconception(
        "The caller's x is as it was before, and what you return is not x. Whoever holds x does "
        "not see a new tensor; write into x itself."
    )
    def new_tensor(self, case):
        return case.x.clone(), False

    @misconception(
        "The caller's x has its columns exchanged, but what you return is not x: it is nothing, or "
        "a copy, or a view of it."
    )
    def something_else_returned(self, case):
        return self.with_columns(case, case.j, case.i), False

    @misconception(
        "You return x, but in the memory that it was given the columns are where they were: only a "
        "copy was changed."
    )
    def copy_changed(self, case):
        return case.x.clone(), True


class TensorFrom(Spec):
    """A tensor from a NumPy array, on the same memory or on memory of its own.

    Shape:
        - array: (H, W)
        - Output: (H, W)
    """

    name = "tensor_from"
    points = 5
    returns = ("tensor", "shares_memory")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        H, W = odd_sizes(draw, 2)
        whole = draw.permutation(H * W).reshape(H, W)
        single = draw.normal(H, W, dtype=torch.float32)
        yield self.case("shared, float32", single, share=True)
        yield self.case("shared, int32, transposed", whole.int(), transposed=True, share=True)
        columns = draw.normal(H, W)
        yield self.case("shared, every second column", columns, steps=(1, 2), share=True)
        yield self.case("of its own, float32", single.clone())
        yield self.case("of its own, uint8, transposed", whole.to(torch.uint8), transposed=True)
        yield self.case("of its own, upside down", draw.normal(H, W), steps=(-1, 1))

    def case(
        self,
        label: str,
        array: torch.Tensor,
        *,
        transposed: bool = False,
        steps: tuple[int, int] = (1, 1),
        share: bool = False,
    ) -> Case:
        return Case(label, array=array, transposed=transposed, steps=steps, share=share)

    def array(self, case: Case):
        """Read the memory of a tensor as an array of NumPy, whose rows need not lie one by one."""
        array = case.array.numpy()
        down, across = case.steps
        return (array.T if case.transposed else array)[::down, ::across]

    def call(self, student, case: Case):
        answer = student(self.array(case), case.share)
        if not isinstance(answer, torch.Tensor):
            return answer
        memory = case.array.untyped_storage()
        return answer, 0 <= answer.data_ptr() - memory.data_ptr() < memory.nbytes()

    def numbers(self, case: Case) -> torch.Tensor:
        return torch.tensor(self.array(case).tolist(), dtype=case.array.dtype)

    def reference(self, case: Case):
        return self.numbers(case), case.share

    @misconception(
        "Your tensor always shares the array's memory. Besides, no tensor can read an array "
        "backwards, so one that is upside down cannot be shared."
    )
    def always_shared(self, case):
        return torch.from_numpy(self.array(case)), True

    @misconception("Your tensor never shares the array's memory; with share=True it should.")
    def never_shared(self, case):
        return self.numbers(case), False

    @misconception(
        "Your tensor is a copy whatever share says, and of an array that NumPy reads backwards you "
        "do not even get a copy, because no tensor has negative strides."
    )
    def copied_by_torch(self, case):
        return torch.tensor(self.array(case)), False

    @misconception(
        "Your copies are right for most arrays, but torch cannot read one whose strides are "
        "negative. NumPy can, so let NumPy do what torch cannot."
    )
    def cannot_read_backwards(self, case):
        return (self.numbers(case) if case.share else torch.tensor(self.array(case))), case.share

    @misconception("It is the other way round: you share where share is False.")
    def exchanged(self, case):
        return self.never_shared(case) if case.share else self.always_shared(case)

    @misconception(
        "With share=True you copy arrays that are not contiguous; a tensor has strides of its own "
        "and can share these as well."
    )
    def shared_if_contiguous(self, case):
        return self.numbers(case), case.share and self.array(case).flags.c_contiguous

    @misconception(
        "With share=False you share arrays that are contiguous already: a function that makes "
        "things contiguous copies only if it must."
    )
    def copied_if_not_contiguous(self, case):
        return self.numbers(case), case.share or self.array(case).flags.c_contiguous

    @misconception(
        "You convert to float32, which copies every array of another dtype; the array's own dtype "
        "is wanted."
    )
    def made_float32(self, case):
        return self.numbers(case).float(), case.share and case.array.dtype == torch.float32


class BroadcastShape(Spec):
    """The shape to which two shapes are broadcast, against torch.broadcast_tensors."""

    name = "broadcast_shape"
    points = 5
    forbids = ("torch.broadcast_tensors",)
    huge = 10**12
    refused = {"raises": True, "shape": ()}

    def cases(self, draw: Draw) -> Iterator[Case]:
        a, b, c = odd_sizes(draw, 3)
        yield Case("equal shapes", p=(a, b), q=(a, b))
        yield Case("a table and a column", p=(a, b), q=(a, 1))
        yield Case("a table and a row", p=(a, b), q=(b,))
        yield Case("a row and a table", p=(b,), q=(a, b))
        yield Case("a column and a row", p=(a, 1), q=(b,))
        yield Case("a stack and a column", p=(a, 1, b), q=(c, 1))
        yield Case("a number and a table", p=(), q=(a, b))
        yield Case("shapes that do not fit", p=(a, b), q=(a,))
        yield Case("no rows, and one to stretch", p=(0, a), q=(1, a))
        yield Case("no rows, and several", p=(b, a), q=(0, a))
        yield Case("larger than any memory", p=(self.huge, 1, 1), q=(self.huge, 1))

    def call(self, student, case: Case):
        # No tensor goes into torch.broadcast_shapes, so forbidding it takes more than its name.
        with (
            patch.object(torch, "broadcast_shapes", self.refuse),
            patch.object(torch.functional, "broadcast_shapes", self.refuse),
        ):
            try:
                return self.fits(student(case.p, case.q))
            except ValueError:
                return self.refused

    def fits(self, shape: tuple[int, ...]) -> dict:
        return {"raises": False, "shape": shape}

    def refuse(self, *shapes: tuple[int, ...]) -> None:
        raise RuntimeError("torch.broadcast_shapes is what this exercise asks you to write.")

    def reference(self, case: Case):
        # torch.broadcast_shapes would import for a second and a half, and tensors cannot be huge.
        small = [self.exchanged(shape, self.huge, 1000) for shape in (case.p, case.q)]
        try:
            first, _ = torch.broadcast_tensors(*(torch.empty(s, device="meta") for s in small))
            return self.fits(self.exchanged(first.shape, 1000, self.huge))
        except RuntimeError:
            return self.refused

    def exchanged(self, shape: tuple[int, ...], old: int, new: int) -> tuple[int, ...]:
        return tuple(new if size == old else size for size in shape)

    def changed(self, case: Case, change) -> dict:
        """Change the shape that torch answers, if it answers with one."""
        right = self.reference(case)
        return right if right == self.refused else self.fits(change(right["shape"]))

    @misconception(
        "You write the two shapes one below the other aligned at the left; they are aligned at the "
        "right."
    )
    def aligned_at_the_left(self, case):
        p, q = case.p, case.q
        ones = (1,) * abs(len(p) - len(q))
        short, long = sorted((p, q), key=len)
        return self.reference(case.with_(p=short + ones, q=long))

    @misconception("You refuse shapes of different lengths; the shorter one gets ones in front.")
    def lengths_must_agree(self, case):
        if len(case.p) != len(case.q):
            return self.refused
        return self.reference(case)

    @misconception(
        "Your answer ends where the shorter shape does; the sizes that are left of the longer one "
        "belong to it too."
    )
    def shorter_shape_decides(self, case):
        length = min(len(case.p), len(case.q))
        return self.changed(case, lambda shape: shape[len(shape) - length :])

    @misconception(
        "You compare the first sizes with each other, and stop where the shorter shape does. It is "
        "the last sizes that stand one below the other, and no size may be left out."
    )
    def compared_from_the_left(self, case):
        length = min(len(case.p), len(case.q))
        return self.reference(case.with_(p=case.p[:length], q=case.q[:length]))

    @misconception("The sizes are right, but in the wrong order: you found the last one first.")
    def order_reversed(self, case):
        return self.changed(case, lambda shape: shape[::-1])

    @misconception(
        "You take the larger of the two sizes. That is the same except where one is 0: it is the "
        "size 1 that is stretched, even to 0."
    )
    def larger_wins(self, case):
        return self.changed(case, lambda shape: tuple(size or 1 for size in shape))

    @misconception(
        "You find a shape where there is none: two different sizes of which neither is 1 are a "
        "ValueError."
    )
    def never_raises(self, case):
        if self.reference(case) != self.refused:
            return self.reference(case)
        # Let nothing of q be stretched or compared where it does not fit.
        q = (1,) * (len(case.p) - len(case.q)) + case.q
        q = tuple(1 if b != a else b for a, b in zip(case.p, q, strict=True))
        return self.reference(case.with_(q=q))

    @misconception(
        "You take the larger of two sizes wherever they differ. That finds a shape where there is "
        "none, and makes 1 of a 0."
    )
    def largest_everywhere(self, case):
        p = (1,) * (len(case.q) - len(case.p)) + case.p
        q = (1,) * (len(case.p) - len(case.q)) + case.q
        return self.fits(tuple(map(max, p, q)))

    @misconception("You stretch the ones of q only; those of p are stretched just as well.")
    def only_q_stretched(self, case):
        right = self.reference(case)
        length = len(right["shape"])
        if right["shape"] != (1,) * (length - len(case.p)) + case.p:
            return self.refused
        return right


class ImagePatches(Spec):
    """All k by k patches of an image as a view, against torch.Tensor.unfold.

    Shape:
        - x: (H, W)
        - Output: (H - k + 1, W - k + 1, k, k)
    """

    name = "image_patches"
    points = 6
    returns = ("patches", "shares_memory")
    gradients = ("base",)
    forbids = ("torch.Tensor.unfold", "torch.nn.functional.unfold", "torch.nn.Unfold")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        # x is base[start::step, start::step].
        H, W = odd_sizes(draw, 4)[-2:]
        H, W = H + 2, W + 2
        yield Case("a whole image", base=draw.normal(H, W), start=0, step=1, k=2)
        yield Case("a part of an image", base=draw.normal(W, H), start=1, step=1, k=3)
        base = draw.normal(2 * H, 2 * W)
        yield Case("every second pixel", base=base, start=1, step=2, k=3)
        yield Case("not contiguous", base=relayout(draw.normal(H, W)), start=0, step=1, k=2)
        yield Case("patches of one", base=draw.normal(H, W), start=0, step=1, k=1)
        short, long = sorted((H, W))
        single = draw.normal(short, long, dtype=torch.float32)
        yield Case("float32, one row of patches", base=single, start=0, step=1, k=short)

    def x(self, case: Case) -> torch.Tensor:
        return case.base[case.start :: case.step, case.start :: case.step]

    def call(self, student, case: Case):
        answer = student(self.x(case), case.k)
        if not isinstance(answer, torch.Tensor):
            return answer
        memories = answer.untyped_storage(), case.base.untyped_storage()
        return answer, memories[0].data_ptr() == memories[1].data_ptr()

    def patches(self, case: Case, *, step: int = 1) -> torch.Tensor:
        return self.x(case).unfold(0, case.k, step).unfold(1, case.k, step)

    def reference(self, case: Case):
        return self.patches(case), True

    @misconception("The numbers are right, but they are copies; the patches should be a view of x.")
    def copied(self, case):
        return self.patches(case), False

    @misconception(
        "You make x contiguous first, which copies it if it is not; a view can be had of any x."
    )
    def made_contiguous(self, case):
        return self.patches(case), self.x(case).is_contiguous()

    @misconception(
        "You compute the strides from the shape, as if x were contiguous; x has strides of its own."
    )
    def strides_from_the_shape(self, case):
        # The same patches of an x that does lie in memory like that.
        x = self.x(case)
        read = x.as_strided(x.shape, torch.empty(x.shape, device="meta").stride())
        return self.patches(case.with_(base=read, start=0, step=1)), True

    @misconception(
        "You read from the beginning of the storage; x begins where its storage offset says."
    )
    def offset_forgotten(self, case):
        x = self.x(case)
        read = x.as_strided(x.shape, x.stride(), 0)
        return self.patches(case.with_(base=read, start=0, step=1)), True

    @misconception("Each of your patches is transposed: its rows run down the image.")
    def patches_transposed(self, case):
        return self.patches(case).transpose(-1, -2), True

    @misconception(
        "The last row and the last column of patches are missing: the last patch ends where the "
        "image ends."
    )
    def one_too_few(self, case):
        return self.patches(case)[:-1, :-1], True

    @misconception(
        "Your patches lie side by side like tiles; they should overlap, each one pixel further "
        "than the one before."
    )
    def tiles(self, case):
        return self.patches(case, step=case.k), True

    @misconception(
        "Your axes are (rows of patches, rows in a patch, columns of patches, columns in a patch); "
        "the two that number the patches come first."
    )
    def axes_interleaved(self, case):
        return self.patches(case).transpose(1, 2), True
