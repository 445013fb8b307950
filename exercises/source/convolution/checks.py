"""The specs of the assignment convolution: convolution, pooling and batch norm by hand.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

# The functions of one, two and three axes do each other's work.
CONVOLUTIONS = (
    *(f"torch.nn.Conv{n}d" for n in (1, 2, 3)),
    *(f"torch.nn.functional.conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)),
    "torch.convolution",
    "torch.conv_tbc",
)
UNFOLD = ("torch.nn.functional.unfold", "torch.unfold_copy")
MAX_POOLS = (
    *(f"{kind}_pool{n}d" for kind in ("max", "adaptive_max") for n in (1, 2, 3)),
    *(f"fractional_max_pool{n}d" for n in (2, 3)),
)
POOLS = (
    *(f"torch.nn.{kind}Pool2d" for kind in ("Max", "Avg", "AdaptiveAvg")),
    *(f"torch.nn.functional.{name}" for name in MAX_POOLS),
    *(f"torch.nn.functional.{name}_with_indices" for name in MAX_POOLS),
    *(
        f"torch.nn.functional.{kind}_pool{n}d"
        for kind in ("avg", "adaptive_avg", "lp")
        for n in (1, 2, 3)
    ),
    "torch.max_pool1d_with_indices",
    "torch.nn.functional.interpolate",
)
NORMS = (
    *(f"torch.nn.BatchNorm{n}d" for n in (1, 2, 3)),
    *(
        f"torch.nn.functional.{kind}_norm"
        for kind in ("batch", "instance", "layer", "group", "rms")
    ),
    *(f"torch.native_{kind}_norm" for kind in ("batch", "layer", "group")),
)
PARTIAL = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}


def shuffled(draw: Draw, *sizes: int) -> list[int]:
    """Put a few sizes, all different, in an order that is drawn."""
    return [sizes[i] for i in draw.permutation(len(sizes)).tolist()]


def with_margins(
    case: Case, left: int, right: int, top: int, bottom: int, value: float = 0.0
) -> Case:
    """Put other margins around the image, of a number that stands for the padding."""
    x = functional.pad(case.x, (left, right, top, bottom), value=value)
    return case.with_(x=x, padding=0)


class ConvOneChannel(Spec):
    """A convolution of one channel, against F.conv2d.

    Shape:
        - x: (H_in, W_in), weight: (kH, kW)
        - Output: (H_in - kH + 1, W_in - kW + 1)
    """

    name = "conv_one_channel"
    points = 4
    gradients = ("x", "weight")
    forbids = CONVOLUTIONS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a small kernel", 2, 3)
        yield self.case(draw, "a tall kernel", 4, 2)
        yield self.case(draw, "a kernel of one row", 1, 3)
        yield self.case(draw, "float32", 3, 2, dtype=torch.float32)
        case = self.case(draw, "not contiguous", 3, 3)
        yield case.with_(x=relayout(case.x), weight=relayout(case.weight))

    def case(self, draw: Draw, label: str, kH: int, kW: int, **kind: object) -> Case:
        H_in, W_in = shuffled(draw, 5, 7)
        return Case(label, x=draw.normal(H_in, W_in, **kind), weight=draw.normal(kH, kW, **kind))

    def reference(self, case: Case) -> torch.Tensor:
        return functional.conv2d(case.x[None, None], case.weight[None, None])[0, 0]

    @misconception(
        "Your kernel is turned by 180 degrees before it multiplies, as in the convolution of "
        "mathematics; PyTorch does not turn it."
    )
    def kernel_turned(self, case):
        return self.reference(case.with_(weight=case.weight.flip(0, 1)))

    @misconception(
        "Your kernel is mirrored from left to right; its columns should meet the window's columns "
        "in the order in which they stand."
    )
    def kernel_mirrored(self, case):
        return self.reference(case.with_(weight=case.weight.flip(1)))

    @misconception(
        "The last place of the window is missing in both directions; count again in how many "
        "places it fits."
    )
    def last_place_missing(self, case):
        return self.reference(case)[:-1, :-1]

    @misconception("Your output holds the mean of the products in a window; it should be the sum.")
    def mean_of_the_products(self, case):
        return self.reference(case) / case.weight.numel()

    @misconception(
        "The rows and columns of your output are exchanged: row i of the output belongs to windows "
        "that begin in row i of the image."
    )
    def output_transposed(self, case):
        return self.reference(case).T

    @misconception(
        "Your windows lie side by side, as in pooling; here the window moves by one pixel at a "
        "time."
    )
    def windows_side_by_side(self, case):
        kH, kW = case.weight.shape
        return self.reference(case)[::kH, ::kW]


class ConvChannels(Spec):
    """A convolution of several channels with a bias, against F.conv2d.

    Shape:
        - x: (N, C_in, H_in, W_in)
        - weight: (C_out, C_in, kH, kW), bias: (C_out,)
        - Output: (N, C_out, H_in - kH + 1, W_in - kW + 1)
    """

    name = "conv_channels"
    points = 5
    gradients = ("x", "weight", "bias")
    forbids = CONVOLUTIONS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "an image", 1, *shuffled(draw, 2, 3), 2, 3)
        yield self.case(draw, "a batch", *shuffled(draw, 2, 3, 4), 3, 2)
        yield self.case(draw, "windows of one pixel", *shuffled(draw, 2, 3, 5), 1, 1)
        yield self.case(draw, "float32", *shuffled(draw, 2, 3, 5), 2, 3, dtype=torch.float32)
        case = self.case(draw, "not contiguous", *shuffled(draw, 2, 3, 4), 2, 3)
        yield case.with_(x=relayout(case.x), weight=relayout(case.weight))

    def case(
        self, draw: Draw, label: str, N: int, C_in: int, C_out: int, kH: int, kW: int, **kind
    ) -> Case:
        H_in, W_in = shuffled(draw, 4, 6)
        return Case(
            label,
            x=draw.normal(N, C_in, H_in, W_in, **kind),
            weight=draw.normal(C_out, C_in, kH, kW, **kind),
            bias=draw.uniform(C_out, low=0.5, high=2.0, **kind),
        )

    def reference(self, case: Case) -> torch.Tensor:
        return functional.conv2d(case.x, case.weight, case.bias)

    @misconception("The bias is left out.")
    def no_bias_added(self, case):
        return self.reference(case.with_(bias=torch.zeros_like(case.bias)))

    @misconception(
        "The bias is added once for each channel of the input; each number of the output gets it "
        "once."
    )
    def bias_for_each_input_channel(self, case):
        return self.reference(case.with_(bias=case.bias * case.x.shape[1]))

    @misconception(
        "You take the mean over the channels of the input; the products of all channels are added."
    )
    def channels_averaged(self, case):
        return self.reference(case.with_(weight=case.weight / case.x.shape[1]))

    @misconception(
        "Only the first channel of the input has an influence on your output; a kernel sees all of "
        "them."
    )
    def first_input_channel_only(self, case):
        return self.reference(case.with_(x=case.x[:, :1], weight=case.weight[:, :1]))

    @misconception(
        "All channels of your output come from the first kernel; each has a kernel of its own."
    )
    def first_kernel_for_all(self, case):
        return self.reference(case.with_(weight=case.weight[:1].expand_as(case.weight)))

    @misconception(
        "The kernels are reshaped where they should be transposed: the shape fits, but the numbers "
        "of different kernels are mixed."
    )
    def kernels_reshaped(self, case):
        mixed = case.weight.reshape(-1, len(case.bias)).T
        return self.reference(case.with_(weight=mixed.reshape(case.weight.shape)))

    @misconception(
        "The channels come last in your output; the shape should be (N, C_out, H_out, W_out)."
    )
    def channels_come_last(self, case):
        return self.reference(case).permute(0, 2, 3, 1)

    @misconception(
        "The products of the channels are not added up: your output keeps an axis for the channels "
        "of the input."
    )
    def input_channels_kept(self, case):
        C_in, C_out = case.x.shape[1], len(case.bias)
        alone = case.weight.transpose(0, 1).reshape(-1, 1, *case.weight.shape[2:])
        apart = functional.conv2d(case.x, alone, case.bias.repeat(C_in), groups=C_in)
        return apart.unflatten(1, (C_in, C_out)).transpose(1, 2)


class ConvStridePaddingDilation(Spec):
    """A convolution of one channel with stride, padding and dilation, against F.conv2d.

    Shape:
        - x: (H_in, W_in), weight: (kH, kW)
        - Output: (H_out, W_out)
    """

    name = "conv_stride_padding_dilation"
    points = 6
    gradients = ("x", "weight")
    forbids = CONVOLUTIONS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        # Even and odd spans, so that the floor of the formula counts in some and not in others.
        yield self.case(draw, "stride 2", 2, 0, 1)
        yield self.case(draw, "padding 2", 1, 2, 1, size=(5, 6))
        yield self.case(draw, "dilation 2", 1, 0, 2)
        yield self.case(draw, "all three", 2, 1, 3)
        yield self.case(draw, "a large stride", 3, 2, 1)
        yield self.case(draw, "float32", 3, 1, 2, dtype=torch.float32)
        case = self.case(draw, "not contiguous", 2, 2, 1)
        yield case.with_(x=relayout(case.x), weight=relayout(case.weight))

    def case(
        self,
        draw: Draw,
        label: str,
        s: int,
        p: int,
        d: int,
        size: tuple[int, int] = (9, 10),  # Large enough for windows of 3 that lie 4 apart.
        **kind: object,
    ) -> Case:
        kH, kW = shuffled(draw, 2, 3)
        H_in, W_in = shuffled(draw, *size)
        return Case(
            label,
            x=draw.normal(H_in, W_in, **kind),
            weight=draw.normal(kH, kW, **kind),
            stride=s,
            padding=p,
            dilation=d,
        )

    def reference(self, case: Case) -> torch.Tensor:
        hyper = (case.stride, case.padding, case.dilation)
        return functional.conv2d(case.x[None, None], case.weight[None, None], None, *hyper)[0, 0]

    @misconception(
        "Your output is as large as if the padding stood above and to the left of the image only; "
        "it stands on all four sides."
    )
    def padding_on_two_sides(self, case):
        p = case.padding
        return self.reference(with_margins(case, p, 0, p, 0))

    @misconception("padding has no influence on your output.")
    def padding_left_out(self, case):
        return self.reference(case.with_(padding=0))

    @misconception(
        "Your image is padded with copies of its edge; the padding of a convolution holds zeros."
    )
    def edge_repeated(self, case):
        edge = functional.pad(case.x[None, None], (case.padding,) * 4, mode="replicate")[0, 0]
        return self.reference(case.with_(x=edge, padding=0))

    @misconception(
        "The zeros are put around the output; it is the image that is padded, before any window is "
        "cut out."
    )
    def output_padded(self, case):
        return functional.pad(self.reference(case.with_(padding=0)), (case.padding,) * 4)

    @misconception(
        "You leave as many rows empty between the kernel's rows as dilation says; it is the "
        "distance from one row to the next, and 1 means that they are neighbours."
    )
    def dilation_one_too_large(self, case):
        return self.reference(case.with_(dilation=case.dilation + 1))

    @misconception(
        "Stride and dilation are exchanged: one says how far the window moves, the other how far "
        "apart the numbers inside a window lie."
    )
    def stride_and_dilation_exchanged(self, case):
        return self.reference(case.with_(stride=case.dilation, dilation=case.stride))

    @misconception(
        "The last place of the window is missing in both directions: there is one place more than "
        "there are moves."
    )
    def one_place_too_few(self, case):
        return self.reference(case)[:-1, :-1]

    @misconception(
        "Your output has the right size, but its windows lie one pixel apart; the stride is how "
        "far the window moves from one place to the next."
    )
    def stride_in_the_size_only(self, case):
        H_out, W_out = self.reference(case).shape
        return self.reference(case.with_(stride=1))[:H_out, :W_out]

    @misconception("stride has no influence on your output.")
    def stride_left_out(self, case):
        return self.reference(case.with_(stride=1))

    @misconception("dilation has no influence on your output.")
    def dilation_left_out(self, case):
        return self.reference(case.with_(dilation=1))

    @misconception(
        "The stride is used for the rows only; the window moves by it in both directions."
    )
    def stride_in_rows_only(self, case):
        # conv2d takes a pair as well.
        return self.reference(case.with_(stride=(case.stride, 1)))


class ConvGroups(Spec):
    """A convolution with groups, made of convolutions without, against F.conv2d.

    Shape:
        - x: (N, C_in, H_in, W_in)
        - weight: (C_out, C_in / groups, kH, kW), bias: (C_out,)
        - Output: (N, C_out, H_in - kH + 1, W_in - kW + 1)
    """

    name = "conv_groups"
    points = 4
    gradients = ("x", "weight", "bias")
    forbids = CONVOLUTIONS
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "an image", 1, 4, 6, 2)
        yield self.case(draw, "a batch", 3, 6, 4, 2)
        yield self.case(draw, "a single group", 2, 3, 5, 1)
        yield self.case(draw, "each channel on its own", 2, 3, 6, 3)
        yield self.case(draw, "float32", 2, 6, 9, 3, dtype=torch.float32)
        case = self.case(draw, "not contiguous", 2, 4, 8, 2)
        yield case.with_(x=relayout(case.x), weight=relayout(case.weight))

    def case(
        self, draw: Draw, label: str, N: int, C_in: int, C_out: int, groups: int, **kind
    ) -> Case:
        kH, kW = shuffled(draw, 2, 3)
        H_in, W_in = shuffled(draw, 4, 5)
        return Case(
            label,
            x=draw.normal(N, C_in, H_in, W_in, **kind),
            weight=draw.normal(C_out, C_in // groups, kH, kW, **kind),
            bias=draw.normal(C_out, **kind),
            groups=groups,
        )

    def call(self, student, case: Case):
        # The convolution of one group is given, so that mistakes in it are not punished again.
        return student(plain_conv, case.x, case.weight, case.bias, case.groups)

    def reference(self, case: Case) -> torch.Tensor:
        return functional.conv2d(case.x, case.weight, case.bias, groups=case.groups)

    def blocks(self, case: Case) -> int:
        """Count the channels of the output that belong to one group."""
        return len(case.bias) // case.groups

    def interleaved(self, channels: torch.Tensor, groups: int) -> torch.Tensor:
        """Deal the entries of an axis of indices out to the groups, one after another."""
        return channels.view(-1, groups).T.flatten()

    @misconception(
        "Your groups take the channels of the input in turn, one channel at a time; each group "
        "should take channels that are neighbours."
    )
    def input_dealt_out(self, case):
        order = self.interleaved(torch.arange(case.x.shape[1]), case.groups)
        return self.reference(case.with_(x=case.x[:, order]))

    @misconception(
        "Your groups take the kernels and biases in turn, one at a time; each group should take "
        "kernels that are neighbours."
    )
    def kernels_dealt_out(self, case):
        order = self.interleaved(torch.arange(len(case.bias)), case.groups)
        return self.reference(case.with_(weight=case.weight[order], bias=case.bias[order]))

    @misconception(
        "The groups' outputs lie one after another along the first axis, which is that of the "
        "batch; they are channels of the same images."
    )
    def joined_along_the_batch(self, case):
        return torch.cat(self.reference(case).chunk(case.groups, dim=1))

    @misconception(
        "The groups' outputs are added together; each group has channels of the output to itself."
    )
    def groups_added(self, case):
        return sum(self.reference(case).chunk(case.groups, dim=1))

    @misconception(
        "Every group gets the biases of the first group; each channel of the output has its own."
    )
    def biases_of_the_first_group(self, case):
        bias = case.bias[: self.blocks(case)].repeat(case.groups)
        return self.reference(case.with_(bias=bias))

    @misconception(
        "Every group sees the first group's channels of the input; each should see its own."
    )
    def input_of_the_first_group(self, case):
        x = case.x[:, : case.weight.shape[1]].repeat(1, case.groups, 1, 1)
        return self.reference(case.with_(x=x))

    @misconception("Every group uses the kernels of the first group; each should use its own.")
    def kernels_of_the_first_group(self, case):
        weight = case.weight[: self.blocks(case)].repeat(case.groups, 1, 1, 1)
        return self.reference(case.with_(weight=weight))


def plain_conv(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Do a convolution with stride 1, no padding and a single group, as F.conv2d does.

    Shape:
        - x: (N, C_in, H_in, W_in)
        - weight: (C_out, C_in, kH, kW), bias: (C_out,)
        - Output: (N, C_out, H_in - kH + 1, W_in - kW + 1)
    """
    if x.shape[1] != weight.shape[1]:
        sizes = f"{x.shape[1]} channels and a weight for {weight.shape[1]}"
        raise ValueError(f"conv got x with {sizes}.")
    if len(weight) != len(bias):
        raise ValueError(f"conv got {len(weight)} kernels and {len(bias)} biases.")
    kernel = weight.shape[2:]
    y = weight.flatten(1) @ functional.unfold(x, kernel) + bias[:, None]
    places = [size - k + 1 for size, k in zip(x.shape[2:], kernel, strict=True)]
    return y.unflatten(2, places)


def pool_case(
    draw: Draw,
    label: str,
    size: Sequence[int],
    k: int,
    s: int | None,
    p: int,
    dtype: torch.dtype = torch.float64,
    **flag: bool,
) -> Case:
    """Draw what maximum and average pooling get, each with a flag of its own."""
    N, C = shuffled(draw, 1, 2)
    x = draw.normal(N, C, *size, dtype=dtype)
    return Case(label, x=x, kernel_size=k, stride=s, padding=p, **flag)


class MaxPool(Spec):
    """Maximum pooling with padding and ceil_mode, against F.max_pool2d.

    Shape:
        - x: (N, C, H_in, W_in)
        - Output: (N, C, H_out, W_out)
    """

    name = "max_pool"
    points = 6
    gradients = ("x",)
    forbids = POOLS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        down, up = {"ceil_mode": False}, {"ceil_mode": True}
        yield pool_case(draw, "windows side by side", shuffled(draw, 5, 7), 2, None, 0, **down)
        # So far below zero that a padding of -100 would win as well.
        case = pool_case(draw, "padding around negative numbers", (6, 7), 3, 2, 1, **down)
        yield case.with_(x=-1e4 * case.x.abs() - 1e3)
        yield pool_case(draw, "a window that sticks out", shuffled(draw, 6, 8), 3, 2, 0, **up)
        yield pool_case(draw, "a window right behind the image", (3, 6), 2, 2, 1, **up)
        yield pool_case(draw, "a window behind the image", (5, 3), 4, None, 2, **up)
        yield pool_case(draw, "float32", (5, 4), 3, 1, 1, torch.float32, **down)
        case = pool_case(draw, "not contiguous", (6, 5), 2, 3, 1, **down)
        yield case.with_(x=relayout(case.x))

    def reference(self, case: Case) -> torch.Tensor:
        hyper = (case.kernel_size, case.stride, case.padding)
        return functional.max_pool2d(case.x, *hyper, ceil_mode=case.ceil_mode)

    @misconception(
        "Zeros stand in your padding, and where all numbers of the image are negative they win; "
        "what stands in the padding of the maximum must never win."
    )
    def padded_with_zeros(self, case):
        _, _, H_out, W_out = self.reference(case).shape
        y = self.reference(with_margins(case, *[case.padding] * 4))
        return y[:, :, :H_out, :W_out]

    @misconception(
        "Your windows move by 1 when stride is None; that is the default of a convolution and not "
        "of pooling."
    )
    def stride_one_by_default(self, case):
        return self.reference(case.with_(stride=case.stride or 1))

    @misconception(
        "Your output has the same size with ceil_mode as without; with it, a last window may stick "
        "out over the end."
    )
    def ceil_mode_ignored(self, case):
        return self.reference(case.with_(ceil_mode=False))

    @misconception(
        "You round up with ceil_mode and without; without it, a window that does not fit is not "
        "made."
    )
    def always_rounded_up(self, case):
        return self.reference(case.with_(ceil_mode=True))

    @misconception(
        "With ceil_mode you keep a last window that begins behind the image and sees nothing of "
        "it; rounding up is only the first step of the rule."
    )
    def window_in_the_padding_kept(self, case):
        return self.reference(with_margins(case, *[case.padding] * 4, value=-torch.inf))

    @misconception(
        "Your output is as large as if the padding stood above and to the left of the image only; "
        "it stands on all four sides."
    )
    def padded_on_two_sides(self, case):
        p = case.padding
        return self.reference(with_margins(case, p, 0, p, 0, value=-torch.inf))

    @misconception(
        "The last place of the window is missing in both directions: there is one place more than "
        "there are moves."
    )
    def last_maximum_missing(self, case):
        return self.reference(case)[:, :, :-1, :-1]

    @misconception("Your output holds the smallest number of each window, not the largest.")
    def smallest_number(self, case):
        return -self.reference(case.with_(x=-case.x))


class AvgPool(Spec):
    """Average pooling with and without count_include_pad, against F.avg_pool2d.

    Shape:
        - x: (N, C, H_in, W_in)
        - Output: (N, C, H_out, W_out)
    """

    name = "avg_pool"
    points = 5
    gradients = ("x",)
    forbids = POOLS + CONVOLUTIONS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        all_of_it, image_only = {"count_include_pad": True}, {"count_include_pad": False}
        yield pool_case(draw, "windows side by side", shuffled(draw, 5, 7), 2, None, 0, **all_of_it)
        yield pool_case(draw, "padding that counts", shuffled(draw, 5, 6), 3, 2, 1, **all_of_it)
        size = shuffled(draw, 4, 6)
        case = pool_case(draw, "padding that does not count", size, 3, 1, 1, **image_only)
        case.x[:, :, 0, 0] = 0  # A pixel of the image counts whatever it holds.
        yield case
        yield pool_case(draw, "float32", shuffled(draw, 5, 8), 4, 3, 2, torch.float32, **image_only)
        case = pool_case(draw, "not contiguous", shuffled(draw, 4, 5), 2, 1, 1, **all_of_it)
        yield case.with_(x=relayout(case.x))

    def reference(self, case: Case, divisor: int | None = None) -> torch.Tensor:
        return functional.avg_pool2d(
            case.x,
            case.kernel_size,
            case.stride,
            case.padding,
            count_include_pad=case.count_include_pad,
            divisor_override=divisor,
        )

    @misconception(
        "You count the padding even where count_include_pad is False; then only pixels of the "
        "image count."
    )
    def padding_always_counted(self, case):
        return self.reference(case.with_(count_include_pad=True))

    @misconception(
        "You leave the padding out of the count even where count_include_pad is True; then its "
        "zeros count as pixels."
    )
    def padding_never_counted(self, case):
        return self.reference(case.with_(count_include_pad=False))

    @misconception("count_include_pad works the wrong way round: you count where you should not.")
    def count_the_wrong_way_round(self, case):
        return self.reference(case.with_(count_include_pad=not case.count_include_pad))

    @misconception(
        "Your windows move by 1 when stride is None; that is the default of a convolution and not "
        "of pooling."
    )
    def step_of_one_by_default(self, case):
        return self.reference(case.with_(stride=case.stride or 1))

    @misconception("Your output holds the sum of each window; it is not divided by any number.")
    def sum_not_divided(self, case):
        return self.reference(case, divisor=1)

    @misconception(
        "Your image is not padded: the first window begins in the first row of the image."
    )
    def padding_ignored(self, case):
        return self.reference(case.with_(padding=0))

    @misconception(
        "Your count leaves out pixels of the image that are 0; only the zeros of the padding are "
        "not counted when count_include_pad is False."
    )
    def zero_pixels_not_counted(self, case):
        y = self.reference(case)
        if case.count_include_pad:
            return y
        # The mean of a window that has ones for the pixels that are not 0.
        return y / self.reference(case.with_(x=(case.x != 0).to(y.dtype)))

    @misconception(
        "The windows that begin in the padding are empty: a slice with a negative start counts "
        "from the end of the axis."
    )
    def negative_start(self, case):
        y = self.reference(case).clone()
        begin = math.ceil(case.padding / (case.stride or case.kernel_size))
        y[:, :, :begin] = y[:, :, :, :begin] = 0 if case.count_include_pad else torch.nan
        return y

    @misconception(
        "The last place of the window is missing in both directions: there is one place more than "
        "there are moves."
    )
    def last_mean_missing(self, case):
        return self.reference(case)[:, :, :-1, :-1]


class AdaptiveAvgPool(Spec):
    """Adaptive average pooling, against F.adaptive_avg_pool2d.

    Shape:
        - x: (N, C, H_in, W_in), output_size: (H_out, W_out)
        - Output: (N, C, H_out, W_out)
    """

    name = "adaptive_avg_pool"
    points = 5
    gradients = ("x",)
    forbids = POOLS + CONVOLUTIONS + UNFOLD
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "uneven windows", (5, 7), (3, 4))
        yield self.case(draw, "one number for each channel", shuffled(draw, 4, 5), (1, 1))
        yield self.case(draw, "windows side by side", (4, 6), (2, 3))
        yield self.case(draw, "more rows out than in", (5, 9), (7, 4))
        yield self.case(draw, "float32", (8, 5), (3, 4), dtype=torch.float32)
        case = self.case(draw, "not contiguous", (5, 8), (2, 3))
        yield case.with_(x=relayout(case.x))

    def case(
        self, draw: Draw, label: str, size: tuple[int, int], output_size: tuple[int, int], **kind
    ) -> Case:
        N, C = shuffled(draw, 1, 2)
        return Case(label, x=draw.normal(N, C, *size, **kind), output_size=tuple(output_size))

    def reference(self, case: Case) -> torch.Tensor:
        return functional.adaptive_avg_pool2d(case.x, case.output_size)

    def seen(self, case: Case, bounds: Callable, *, divided: bool = True) -> torch.Tensor:
        """Pool with other windows: ``bounds(i, size, out)`` says which part of an axis i sees."""
        y = case.x
        for axis, out in zip((2, 3), case.output_size, strict=True):
            size = y.shape[axis]
            place = torch.arange(size)
            sees = torch.zeros(out, size, dtype=y.dtype)
            for i in range(out):
                first, end = bounds(i, size, out)
                sees[i] = (first <= place) & (place < end)
            if divided:
                sees = sees / sees.sum(dim=1, keepdim=True)
            y = torch.tensordot(y, sees, dims=([axis], [1])).movedim(-1, axis)
        return y

    @misconception(
        "The end of each window is rounded down like its start, so that your windows never share a "
        "pixel; the two are rounded in different directions."
    )
    def end_rounded_down(self, case):
        def bounds(i: int, size: int, out: int) -> tuple[int, int]:
            first, end = self.right(i, size, out)
            return first, end if i == out - 1 else self.right(i + 1, size, out)[0]

        return self.seen(case, bounds)

    @misconception(
        "The start of each window is rounded up like its end, so that your windows never share a "
        "pixel; the two are rounded in different directions."
    )
    def start_rounded_up(self, case):
        def bounds(i: int, size: int, out: int) -> tuple[int, int]:
            first, end = self.right(i, size, out)
            return first if i == 0 else self.right(i - 1, size, out)[1], end

        return self.seen(case, bounds)

    @misconception(
        "Each of your windows has one row and one column too many: the window ends before row e_i."
    )
    def end_included(self, case):
        def bounds(i: int, size: int, out: int) -> tuple[int, int]:
            first, end = self.right(i, size, out)
            return first, end + 1

        return self.seen(case, bounds)

    @misconception(
        "All your windows have the same size and lie the same distance apart; those of adaptive "
        "pooling differ when the sizes do not divide."
    )
    def one_kernel_and_stride(self, case):
        def bounds(i: int, size: int, out: int) -> tuple[int, int]:
            stride = size // out
            return i * stride, i * stride + size - (out - 1) * stride

        return self.seen(case, bounds)

    @misconception(
        "H_out and W_out are exchanged: output_size names the rows first, and then the columns."
    )
    def sizes_exchanged(self, case):
        return self.reference(case.with_(output_size=case.output_size[::-1]))

    @misconception("Your output holds the sum of each window, not its mean.")
    def sum_of_the_window(self, case):
        return self.seen(case, self.right, divided=False)

    def right(self, i: int, size: int, out: int) -> tuple[int, int]:
        """Ask torch itself which part of an axis place i sees."""
        pixels = torch.eye(size)[:, None]  # each lights up one place
        rows = functional.adaptive_avg_pool1d(pixels, out)[:, 0, i].nonzero().flatten()
        return int(rows[0]), int(rows[-1]) + 1


BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
AXES = (0, 2, 3)  # All that one statistic of a channel is taken over.
torch_forward = nn.BatchNorm2d.forward


def normalised(norm, x, mean, var) -> torch.Tensor:
    """Let torch normalise x with a given mean and variance for each channel."""
    return functional.batch_norm(
        x, mean.detach(), var.detach(), norm.weight, norm.bias, eps=norm.eps
    )


def measured(norm, x, mean=None, var=None, momentum=0.0) -> torch.Tensor:
    """Let torch normalise x with its own mean and variance, and update those given."""
    return functional.batch_norm(x, mean, var, norm.weight, norm.bias, True, momentum, norm.eps)


class Training(nn.Module):
    """Runs a norm on some batches in training mode, and on the last one in evaluation mode.

    Args:
        norm: has the parameters and buffers of torch.nn.BatchNorm2d.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, *batches: torch.Tensor) -> list[dict]:
        steps = []
        for x in batches:
            self.train(x is not batches[-1])
            output = self.norm(x)
            steps.append({"output": output, **self.remembered()})
        return steps

    def remembered(self) -> dict[str, torch.Tensor]:
        """Copy the buffers as they are now."""
        state = self.norm.state_dict(keep_vars=True)
        for name in BUFFERS:
            if name not in state:
                raise LookupError(f"the state_dict of your module has no {name}")
        return {name: state[name].clone() for name in BUFFERS}


class BatchNorm2dByHand(ModuleSpec):
    """Batch normalisation in training and evaluation mode, against torch.nn.BatchNorm2d.

    Shape:
        - x: (N, C, H, W)
        - Output: (N, C, H, W)
    """

    name = "batch_norm_2d"
    points = 10
    returns = ("new", "first_step", "second_step", "evaluation")
    gradients = ("inputs", "state")
    forbids = NORMS
    partial_credit = PARTIAL

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "two steps, then evaluation", (3, 2, 2))
        yield self.case(draw, "a batch of one", (1, 3, 2), momentum=0.25, eps=0.1)
        yield self.case(draw, "a small batch", (2, 2, 3), eps=0.5)
        yield self.case(draw, "float32", (4, 2, 3), torch.float32, momentum=0.7, eps=0.01)
        case = self.case(draw, "not contiguous", (2, 3, 4), momentum=0.4)
        yield case.with_(inputs=tuple(relayout(x) for x in case.inputs))

    def case(
        self,
        draw: Draw,
        label: str,
        size: tuple[int, int, int],
        dtype: torch.dtype = torch.float64,
        **arguments: float,
    ) -> Case:
        (N, H, W), (C,) = size, draw.primes(1, below=6)
        # Each channel has a mean and a spread of its own, far from 0 and 1.
        means = draw.uniform(C, 1, 1, low=2.0, high=4.0, dtype=dtype)
        spreads = draw.uniform(C, 1, 1, low=1.5, high=3.0, dtype=dtype)
        inputs = tuple(draw.normal(N, C, H, W, dtype=dtype) * spreads + means for _ in range(3))
        state = {
            "weight": draw.uniform(C, low=1.5, high=3.0, dtype=dtype),
            "bias": draw.uniform(C, low=0.5, high=2.0, dtype=dtype),
        }
        # A card does not show a dict, and without these numbers the case cannot be repeated.
        label = ", ".join([label, *(f"{name}={value}" for name, value in arguments.items())])
        return Case(label, arguments={"num_features": C, **arguments}, inputs=inputs, state=state)

    def call(self, built, case: Case):
        if not isinstance(built, nn.Module):
            return None
        training = Training(built.to(case.inputs[0].dtype))
        # A new module first, as its constructor has made it.
        new = {name: value.clone() for name, value in built.named_parameters()}
        new = {name: value.detach() for name, value in new.items()}
        new.update(training.remembered())
        state = {f"norm.{name}": value for name, value in case.state.items()}
        return new, *functional_call(training, state, tuple(case.inputs))

    def reference(self, case: Case):
        return self.call(nn.BatchNorm2d(**case.arguments), case)

    def altered(self, case: Case, forward: Callable):
        """Run torch's module with another forward, which is given the module and x."""

        class Altered(nn.BatchNorm2d):
            def forward(self, x):
                return forward(self, x)

        return self.call(Altered(**case.arguments), case)

    def corrected(self, case: Case, measured: int, remembered: int):
        """Divide by n minus these numbers: in the batch's variance, and in the remembered one."""

        def forward(norm, x):
            if not norm.training:
                return torch_forward(norm, x)
            before = norm.running_var.clone()
            torch_forward(norm, x)
            var = x.detach().var(AXES, correction=remembered)
            norm.running_var.copy_(before.lerp(var, norm.momentum))
            return normalised(norm, x, x.mean(AXES), x.var(AXES, correction=measured))

        return self.altered(case, forward)

    @misconception(
        "Your batches are normalised with the variance over n - 1; they should be normalised with "
        "the one over n."
    )
    def normalised_with_unbiased_variance(self, case):
        return self.corrected(case, measured=1, remembered=1)

    @misconception(
        "Your running_var is updated with the variance over n; it should be updated with the "
        "unbiased one, over n - 1."
    )
    def running_variance_biased(self, case):
        return self.corrected(case, measured=0, remembered=0)

    @misconception(
        "Your two variances are exchanged; the batch should be normalised with the one over n, and "
        "the one over n - 1 should be remembered."
    )
    def variances_exchanged(self, case):
        return self.corrected(case, measured=1, remembered=0)

    @misconception(
        "momentum works the wrong way round: it is the share of the new batch, not of what was "
        "there before."
    )
    def momentum_of_the_old(self, case):
        momentum = 1 - case.arguments.get("momentum", 0.1)
        return self.reference(case.with_(arguments={**case.arguments, "momentum": momentum}))

    @misconception(
        "Your module measures the batch in evaluation mode too; there it should use what it has "
        "remembered."
    )
    def evaluation_measures_the_batch(self, case):
        def forward(norm, x):
            return torch_forward(norm, x) if norm.training else measured(norm, x)

        return self.altered(case, forward)

    @misconception(
        "In training mode your batches are normalised with the running statistics; there each "
        "batch is measured by its own."
    )
    def training_uses_running_statistics(self, case):
        def forward(norm, x):
            torch_forward(norm, x)
            return normalised(norm, x, norm.running_mean, norm.running_var)

        return self.altered(case, forward)

    @misconception(
        "The buffers change in evaluation mode too; there they should only be read, and not "
        "written."
    )
    def evaluation_updates_the_buffers(self, case):
        def forward(norm, x):
            y = measured(norm, x, norm.running_mean, norm.running_var, norm.momentum)
            norm.num_batches_tracked += 1
            return y if norm.training else normalised(norm, x, norm.running_mean, norm.running_var)

        return self.altered(case, forward)

    @misconception("eps is added to the standard deviation; it belongs under the root.")
    def eps_beside_the_root(self, case):
        def forward(norm, x):
            torch_forward(norm, x)
            mean, var = norm.running_mean, norm.running_var
            if norm.training:
                mean, var = x.mean(AXES), x.var(AXES, correction=0)
            # A variance that makes the same denominator, with eps under the root.
            return normalised(norm, x, mean, (var.sqrt() + norm.eps) ** 2 - norm.eps)

        return self.altered(case, forward)

    @misconception("eps has no influence on your output; it is added to the variance.")
    def eps_left_out(self, case):
        return self.reference(case.with_(arguments={**case.arguments, "eps": 1e-30}))

    @misconception(
        "One mean and one variance are taken over all channels together; each channel has its own."
    )
    def one_mean_for_all_channels(self, case):
        def forward(norm, x):
            if not norm.training:
                return torch_forward(norm, x)
            # With its channels as further places, the batch has a single channel.
            mean, var = norm.running_mean, norm.running_var
            for old, new in ((mean, x.mean()), (var, x.var())):
                old.lerp_(new.detach().expand_as(old), norm.momentum)
            norm.num_batches_tracked += 1
            ones = torch.ones_like(mean)
            return normalised(norm, x, x.mean() * ones, x.var(correction=0) * ones)

        return self.altered(case, forward)

    @misconception(
        "weight and bias are registered, but they have no influence on your output: each channel "
        "is scaled and shifted by them."
    )
    def weight_and_bias_unused(self, case):
        ones = {"weight": torch.ones_like(case.state["weight"])}
        state = {**ones, "bias": torch.zeros_like(case.state["bias"])}
        return self.reference(case.with_(state=state))

    @misconception(
        "Your running statistics are plain attributes, so they are neither saved nor moved with "
        "the model; a tensor that belongs to a module and is no parameter is a buffer."
    )
    def buffers_not_registered(self, case):
        return Training(nn.Linear(1, 1)).remembered()

    @misconception(
        "num_batches_tracked is not one of your module's buffers; it is kept in the same way as "
        "running_mean and running_var."
    )
    def counter_not_registered(self, case):
        norm = nn.BatchNorm2d(**case.arguments)
        del norm.num_batches_tracked
        return Training(norm).remembered()

    @misconception(
        "num_batches_tracked does not change; it counts the batches seen in training mode."
    )
    def batches_not_counted(self, case):
        def forward(norm, x):
            y = torch_forward(norm, x)
            norm.num_batches_tracked.zero_()
            return y

        return self.altered(case, forward)

    @misconception(
        "Your running_var starts at 0; a new module has to be usable in evaluation mode, and "
        "starts with variances of 1."
    )
    def variance_starts_at_zero(self, case):
        norm = nn.BatchNorm2d(**case.arguments)
        norm.running_var.zero_()
        return self.call(norm, case)

    @misconception(
        "The running statistics stay connected with the batches they were measured on, so autograd "
        "follows them back through all earlier steps; they are to be remembered as plain numbers."
    )
    def statistics_keep_the_graph(self, case):
        def forward(norm, x):
            if not norm.training:
                # Its arithmetic, because F.batch_norm takes the statistics for constants.
                over = (norm.running_var + norm.eps).rsqrt() * norm.weight
                return (x - norm.running_mean[:, None, None]) * over[:, None, None] + norm.bias[
                    :, None, None
                ]
            y = measured(norm, x)
            norm.running_mean = norm.running_mean.lerp(x.mean(AXES), norm.momentum)
            norm.running_var = norm.running_var.lerp(x.var(AXES), norm.momentum)
            norm.num_batches_tracked += 1
            return y

        return self.altered(case, forward)
