"""The specs of the assignment shape-puzzles-2: shapes from layers, layers from shapes, and repairs.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception

LIMIT = 10_000  # No number in an answer may be larger: what is built of it has to stay small.
LSTM_LIMIT = 24  # An LSTM is built in memory, so it has to be smaller still.
MOST_LAYERS = 30
SHAPE = ("N", "C", "H", "W")
OUT = ("N", "C_out", "H_out", "W_out")

Shape = tuple[int, ...]


def shape_of(layer: nn.Module, *shape: int) -> Shape:
    """Let a layer on the device "meta", which holds no numbers, say what shape it makes."""
    return tuple(layer(torch.empty(shape, device="meta")).shape)


def axes(name: str, count: int) -> tuple[str, ...]:
    """Name the sizes of a shape, for messages."""
    return tuple(f"{name}.shape[{axis}]" for axis in range(count))


def both(value: Any) -> Any:
    """Write one number for rows and columns as the pair that torch makes of it."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


# ------------------------------------------------------------------ reading answers

PAIRS = ("kernel_size", "stride", "padding", "output_padding", "output_size")
FLAGS = ("bidirectional", "batch_first")
MAY_BE_ZERO = ("padding", "output_padding")


def shown(value: Any) -> str:
    """Write a value of an answer into a message, however large or strange it is."""
    if isinstance(value, int) and abs(value) > 10**9:
        return "a huge number"
    if value is None or isinstance(value, (int, float, str)):
        return repr(value)[:60]
    return f"a {getattr(value, 'type_name', type(value).__name__)}"


def whole(answer: Any) -> Any:
    """Refuse numbers that are no whole numbers, and leave the rest of an answer as it is."""
    if isinstance(answer, Mapping):
        return {key: whole(item) for key, item in answer.items()}
    if isinstance(answer, (tuple, list)):
        return tuple(whole(item) for item in answer)
    if isinstance(answer, float):
        raise ValueError(
            f"Your answer contains {answer!r}, a float; sizes and counts are whole numbers, so "
            "divide with // here."
        )
    return answer


def number(name: str, value: Any) -> int:
    """Refuse a hyper-parameter that is no whole number, or out of bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"Your {name} must be a whole number, an int, and it is {shown(value)}.")
    low = 0 if name in MAY_BE_ZERO else 1
    if not low <= value <= LIMIT:
        raise ValueError(f"Your {name} must be from {low} to {LIMIT}, and it is {shown(value)}.")
    return value


def argument(name: str, value: Any) -> Any:
    """Refuse a value that a keyword argument cannot have."""
    if name in FLAGS:
        if not isinstance(value, bool):
            raise ValueError(f"Your {name} must be True or False, and it is {shown(value)}.")
        return value
    if name in PAIRS and isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"Your {name} must be one number or a pair, and it has {len(value)}.")
        return tuple(number(name, item) for item in value)
    return number(name, value)


def keywords(answer: Any, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """Read a dict of keyword arguments.

    Args:
        answer: what the student's function returned.
        needed: the keys that it must have.
        optional: the keys that it may have.
    """
    if not isinstance(answer, Mapping):
        kind = shown(answer)
        raise ValueError(f"A dict of keyword arguments is wanted here, and yours is {kind}.")
    for name in answer:
        if name not in (*needed, *optional):
            names = ", ".join((*needed, *optional)) or "none"
            raise ValueError(
                f"Your dict has the key {shown(name)}; the keys that it may have are: {names}."
            )
    for name in needed:
        if name not in answer:
            raise ValueError(f"Your dict has no key {name!r}.")
    return {name: argument(name, value) for name, value in answer.items()}


def hold(arguments: Mapping[str, Any], **fixed: Any) -> None:
    """Refuse keyword arguments other than those that a question fixes."""
    for name, value in fixed.items():
        if both(arguments[name]) != both(value):
            raise ValueError(f"Your {name} must be {value} here, and it is {arguments[name]}.")


KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Conv2d": (("in_channels", "out_channels", "kernel_size"), ("stride", "padding")),
    "ConvTranspose2d": (
        ("in_channels", "out_channels", "kernel_size"),
        ("stride", "padding", "output_padding"),
    ),
    "MaxPool2d": (("kernel_size",), ()),
    "ReLU": ((), ()),
}
"""The layers of a description, with the keyword arguments that each must and may have."""

Description = list[tuple[str, dict[str, Any]]]


def description(answer: Any, names: Sequence[str]) -> Description:
    """Read a list of layers, each a pair of the name of a class and a dict.

    Args:
        answer: what the student's function returned.
        names: the classes that it may use.
    """
    if not isinstance(answer, (tuple, list)):
        raise ValueError(f"A list of layers is wanted here, and yours is {shown(answer)}.")
    if len(answer) > MOST_LAYERS:
        raise ValueError(f"Your list has {len(answer)} layers, and at most {MOST_LAYERS} may be.")
    found = []
    for place, item in enumerate(answer):
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
            raise ValueError(f"Layer {place} is not a pair of the name of a class and a dict.")
        name, arguments = item
        if name not in names:
            raise ValueError(
                f"Layer {place} is called {name[:40]}; allowed are {', '.join(names)}."
            )
        try:
            found.append((name, keywords(arguments, *KEYS[name])))
        except ValueError as error:
            raise ValueError(f"Layer {place}, {name}: {error}") from None
    return found


def made_by(name: str, arguments: Mapping[str, Any], shape: Shape) -> Shape:
    """Find the shape that a layer makes of a shape, on the device "meta".

    That device lets some layers pass that others refuse, and refuses wrong channels in words that
    do not name them, so both are looked at here.
    """
    channels = arguments.get("in_channels", shape[1])
    if channels != shape[1]:
        raise RuntimeError(f"in_channels is {channels}, and the input has {shape[1]} channels.")
    added, strides = arguments.get("output_padding", 0), arguments.get("stride", 1)
    if any(more >= stride for more, stride in zip(both(added), both(strides), strict=True)):
        raise RuntimeError("output_padding must be smaller than the stride.")
    where = {"device": "meta"} if "in_channels" in arguments else {}
    return shape_of(getattr(nn, name)(**arguments, **where), *shape)


def run(layers: Description, shape: Shape) -> Shape:
    """Find the shape that layers make of a shape, one after the other."""
    for place, (name, arguments) in enumerate(layers):
        try:
            shape = made_by(name, arguments, shape)
        except Exception as error:
            raise RuntimeError(f"layer {place}, {name}: {error}") from None
    return shape


# ------------------------------------------------------------------ A. from layers to shapes


class Predict(Spec):
    """A shape or a count, found by integer arithmetic in one expression."""

    allows = ("int", "len", "tuple")

    def interpret(self, outputs, case: Case):
        return whole(outputs)


class LinearOutput(Predict):
    """The shape that nn.Linear makes of a tensor with any number of axes."""

    name = "linear_output"
    points = 1
    returns = axes("output", 4)

    def cases(self, draw: Draw) -> Iterator[Case]:
        sizes = draw.primes(5)
        for label, count in {"a single vector": 1, "a batch": 2, "a batch of sequences": 3}.items():
            yield Case(label, shape=sizes[:count], out_features=sizes[4])
        yield Case("four axes", shape=sizes[:4], out_features=sizes[4])

    def reference(self, case: Case) -> Shape:
        linear = nn.Linear(case.shape[-1], case.out_features)
        return tuple(linear(torch.zeros(case.shape)).shape)

    @misconception("You merge all axes but the last one into one; Linear keeps every one of them.")
    def axes_gathered(self, case):
        return tuple(torch.zeros(self.reference(case)).reshape(-1, case.out_features).shape)

    @misconception("You replace the first axis; Linear works on another one.")
    def first_axis_replaced(self, case):
        return (case.out_features, *case.shape[1:])

    @misconception("You append the new size, but the old number of features is used up by Linear.")
    def features_appended(self, case):
        return (*case.shape, case.out_features)

    @misconception("You keep the first axis and the features only; Linear drops no axis.")
    def axes_dropped(self, case):
        return (*case.shape[:-1][:1], case.out_features)


class EmbeddingOutput(Predict):
    """The shape that nn.Embedding makes of a tensor of word numbers."""

    name = "embedding_output"
    points = 1
    returns = axes("output", 4)

    def cases(self, draw: Draw) -> Iterator[Case]:
        *sizes, V, features = draw.primes(5)
        for label, count in {"one sentence": 1, "a batch of sentences": 2, "three axes": 3}.items():
            yield Case(
                label, shape=tuple(sizes[:count]), num_embeddings=V * 10, embedding_dim=features
            )

    def reference(self, case: Case) -> Shape:
        embedding = nn.Embedding(case.num_embeddings, case.embedding_dim)
        return tuple(embedding(torch.zeros(case.shape, dtype=torch.int64)).shape)

    @misconception(
        "You replace the last axis, as for Linear. That axis counts words here, and none of them "
        "gets lost."
    )
    def last_axis_replaced(self, case):
        return (*case.shape[:-1], case.embedding_dim)

    @misconception(
        "Your last axis has an entry for each word of the vocabulary, as one-hot vectors have. The "
        "vectors of Embedding have another length."
    )
    def one_hot(self, case):
        return (*case.shape, case.num_embeddings)

    @misconception("You put the new axis in front; the features come elsewhere.")
    def features_first(self, case):
        return (case.embedding_dim, *case.shape)


class FlattenOutputs(Predict):
    """The shapes that three Flatten layers make of a batch of images."""

    name = "flatten_outputs"
    points = 2
    returns = (axes("Flatten()", 2), axes("Flatten(2)", 3), axes("Flatten(0, 2)", 2))

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label in ("a batch", "another batch"):
            yield Case(label, **dict(zip(SHAPE, draw.primes(4), strict=True)))
        yield Case("a batch of one", **dict(zip(SHAPE, (1, *draw.primes(3)), strict=True)))

    def flattened(self, case: Case, *ranges: tuple[int, ...]) -> tuple[Shape, ...]:
        shape = case.N, case.C, case.H, case.W
        return tuple(shape_of(nn.Flatten(*pair), *shape) for pair in ranges)

    def reference(self, case: Case):
        return self.flattened(case, (), (2,), (0, 2))

    @misconception("Your Flatten() puts the batch into the vector as well; by default N stays.")
    def batch_flattened(self, case):
        return self.flattened(case, (0,), (2,), (0, 2))

    @misconception(
        "You leave out the last axis of the range, as Python's slices do; end_dim is included."
    )
    def end_left_out(self, case):
        return self.flattened(case, (1, 2), (2, 2), (0, 1))

    @misconception("You keep the axis start_dim as it is; it is the first one to be merged.")
    def start_kept(self, case):
        return self.flattened(case, (2,), (3,), (1, 2))

    @misconception("You count axes from 1, but start_dim and end_dim count from 0.")
    def counted_from_one(self, case):
        return self.flattened(case, (0,), (1,), (0, 1))


class Conv2dOutput(Predict):
    """The shape that nn.Conv2d makes, with stride, padding and dilation."""

    name = "conv2d_output"
    points = 3
    returns = OUT

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "only a kernel")
        yield self.case(draw, "with a stride", stride=draw.integer(2, 5), remainder=True)
        yield self.case(draw, "with padding", padding=draw.integer(2, 4))
        yield self.case(draw, "with dilation", dilation=draw.integer(2, 4))
        yield self.case(
            draw, "with all of it", stride=3, padding=draw.integer(1, 4), dilation=2, remainder=True
        )

    def case(self, draw: Draw, label: str, remainder: bool = False, **settings: int) -> Case:
        N, C, out_channels, kernel_size = draw.primes(4, below=8)
        options = {"stride": 1, "padding": 0, "dilation": 1, **settings}

        def size(moves: int) -> int:
            """Make room for so many moves of the window, and for a few pixels left over."""
            window = options["dilation"] * (kernel_size - 1) + 1
            left = draw.integer(1, options["stride"]) if remainder else 0
            return window - 2 * options["padding"] + moves * options["stride"] + left

        H, W = size(draw.integer(12, 18)), size(draw.integer(22, 30))
        return Case(
            label,
            **dict(zip(SHAPE, (N, C, H, W), strict=True)),
            out_channels=out_channels,
            kernel_size=kernel_size,
            **options,
        )

    def reference(self, case: Case) -> Shape:
        options = {name: case[name] for name in ("kernel_size", "stride", "padding", "dilation")}
        conv = nn.Conv2d(case.C, case.out_channels, **options, device="meta")
        return shape_of(conv, case.N, case.C, case.H, case.W)

    def larger(self, case: Case, more: int) -> Shape:
        """Answer as if the image had more rows and columns."""
        return self.reference(case.with_(H=case.H + more, W=case.W + more))

    @misconception("Your channels are those of the input; a convolution makes out_channels maps.")
    def channels_kept(self, case):
        return (case.N, case.C, *self.reference(case)[2:])

    @misconception("You round up; a window that does not fit any more is left out.")
    def rounded_up(self, case):
        return self.larger(case, case.stride - 1)

    @misconception("You count the padding on one side only.")
    def padded_on_one_side(self, case):
        return self.larger(case, -case.padding)

    @misconception("You leave out the dilation, which makes the window wider.")
    def dilation_ignored(self, case):
        return self.reference(case.with_(dilation=1))

    @misconception(
        "You multiply the whole kernel by the dilation; only the steps between its numbers grow."
    )
    def kernel_times_dilation(self, case):
        return self.larger(case, 1 - case.dilation)

    @misconception("Your window is one pixel too small: you count the steps from pixel to pixel.")
    def one_pixel_too_small(self, case):
        return self.larger(case, 1)

    @misconception("Your rows are right, but you count the columns from H as well.")
    def columns_from_rows(self, case):
        return self.reference(case.with_(W=case.H))

    @misconception("You count the moves of the window; the place where it starts counts as well.")
    def start_not_counted(self, case):
        N, C, H, W = self.reference(case)
        return N, C, H - 1, W - 1

    @misconception("You leave out the stride: the window moves by more than one pixel.")
    def stride_ignored(self, case):
        return self.reference(case.with_(stride=1))


class ConvTranspose2dRows(Predict):
    """The rows that nn.ConvTranspose2d makes."""

    name = "conv_transpose2d_rows"
    points = 2

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, options in {
            "only a kernel": {},
            "with a stride": {"stride": draw.integer(3, 6)},
            "with padding": {"stride": 2, "padding": draw.integer(1, 3)},
            "with output_padding": {"stride": 4, "output_padding": draw.integer(1, 4)},
            "with dilation": {"dilation": draw.integer(2, 4)},
            "with all of it": {"stride": 4, "padding": 2, "output_padding": 1, "dilation": 3},
        }.items():
            every = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, **options}
            H, kernel_size = draw.integer(7, 15), draw.integer(3, 7)
            yield Case(label, H=H, kernel_size=kernel_size, **every)

    def reference(self, case: Case) -> int:
        options = {name: value for name, value in case.items() if name != "H"}
        return shape_of(nn.ConvTranspose2d(1, 1, **options, device="meta"), 1, 1, case.H, 50)[2]

    @misconception(
        "You multiply all rows by the stride, but there is a stride only from one row to the next."
    )
    def as_many_strides_as_rows(self, case):
        return self.reference(case.with_(H=case.H + 1))

    @misconception(
        "Your padding makes the output larger; in a transposed convolution it is cut off."
    )
    def padding_added(self, case):
        return self.reference(case) + 4 * case.padding

    @misconception("You cut off the padding on one side only.")
    def padding_on_one_side(self, case):
        return self.reference(case) + case.padding

    @misconception("You leave out output_padding.")
    def output_padding_ignored(self, case):
        return self.reference(case.with_(output_padding=0))

    @misconception("You add output_padding on both sides; it is added on one.")
    def output_padding_twice(self, case):
        return self.reference(case) + case.output_padding

    @misconception("You leave out the dilation, which makes the window wider.")
    def dilation_left_out(self, case):
        return self.reference(case.with_(dilation=1))

    @misconception(
        "You multiply the whole kernel by the dilation; only the steps between its numbers grow."
    )
    def whole_kernel_dilated(self, case):
        return self.reference(case) + case.dilation - 1

    @misconception("Your window is one row too small: you count the steps from row to row.")
    def one_row_too_small(self, case):
        return self.reference(case) - 1

    @misconception("You count as for Conv2d; the transposed convolution makes maps larger.")
    def as_conv2d(self, case):
        options = {name: case[name] for name in ("kernel_size", "stride", "padding", "dilation")}
        return shape_of(nn.Conv2d(1, 1, **options, device="meta"), 1, 1, case.H + 60, 99)[2] - (
            60 // case.stride  # all strides here divide 60
        )


class LSTMOutputs(Predict):
    """The shapes that nn.LSTM returns: output and h_n."""

    name = "lstm_outputs"
    points = 3
    returns = (axes("output", 3), axes("h_n", 3))

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, options in {
            "one layer": (1, False, False),
            "three layers": (3, False, False),
            "two directions": (1, True, False),
            "batch first": (1, False, True),
            "all of it": (2, True, True),
        }.items():
            L, N, hidden_size = draw.primes(3)
            names = ("num_layers", "bidirectional", "batch_first")
            chosen = dict(zip(names, options, strict=True))
            yield Case(label, L=L, N=N, hidden_size=hidden_size, **chosen)

    def reference(self, case: Case):
        names = ("hidden_size", "num_layers", "bidirectional", "batch_first")
        lstm = nn.LSTM(1, **{name: case[name] for name in names})
        sizes = (case.N, case.L) if case.batch_first else (case.L, case.N)
        output, (h_n, _) = lstm(torch.zeros(*sizes, 1))
        return tuple(output.shape), tuple(h_n.shape)

    @misconception("Your h_n has the batch first; batch_first turns the input and the output only.")
    def state_turned(self, case):
        output, (layers, N, features) = self.reference(case)
        return output, ((N, layers, features) if case.batch_first else (layers, N, features))

    @misconception("You leave the output as it is with time first; batch_first turns it.")
    def batch_first_ignored(self, case):
        return self.reference(case.with_(batch_first=False))

    @misconception("Your output always has the batch first; that depends on batch_first.")
    def batch_always_in_front(self, case):
        return self.reference(case.with_(batch_first=True))

    @misconception("Your output has the features of one direction; torch puts both side by side.")
    def one_direction_in_output(self, case):
        return self.reference(case.with_(bidirectional=False))[0], self.reference(case)[1]

    @misconception("Your h_n has one direction; each direction of each layer has a last state.")
    def one_direction_in_state(self, case):
        return self.reference(case)[0], self.reference(case.with_(bidirectional=False))[1]

    @misconception("Your h_n has the features of both directions in one row; they lie in two.")
    def directions_beside_each_other(self, case):
        output, (_, N, _) = self.reference(case)
        return output, (case.num_layers, N, output[2])

    @misconception("Your h_n holds the last layer only; it has the last state of every layer.")
    def last_layer_only(self, case):
        return self.reference(case)[0], self.reference(case.with_(num_layers=1))[1]

    @misconception("Your output has the features of all layers; it shows the last layer only.")
    def all_layers_in_output(self, case):
        (first, second, features), h_n = self.reference(case)
        return (first, second, features * case.num_layers), h_n


class Conv2dParameterCount(Predict):
    """The number of parameters of nn.Conv2d."""

    name = "conv2d_parameter_count"
    points = 2

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, groups, bias in (
            ("one group", 1, True),
            ("no bias", 1, False),
            ("three groups", 3, True),
            ("two groups and no bias", 2, False),
        ):
            kH, kW, before, after = draw.primes(4)
            yield Case(
                label,
                in_channels=before * groups,
                out_channels=after * groups,
                kernel_size=(kH, kW),
                groups=groups,
                bias=bias,
            )

    def reference(self, case: Case) -> int:
        return sum(each.numel() for each in nn.Conv2d(**case, device="meta").parameters())

    @misconception("You leave out the biases.")
    def biases_left_out(self, case):
        return self.reference(case.with_(bias=False))

    @misconception("You count a bias although there is none.")
    def biases_always(self, case):
        return self.reference(case.with_(bias=True))

    @misconception("You count one bias for the whole layer; each channel that comes out has one.")
    def one_bias(self, case):
        return self.reference(case.with_(bias=False)) + case.bias

    @misconception("You count a bias for each channel that goes in; those that come out have one.")
    def bias_for_each_input(self, case):
        return self.reference(case.with_(bias=False)) + case.in_channels * case.bias

    @misconception(
        "You leave out the groups: with them a kernel sees only some of the channels that go in."
    )
    def groups_ignored(self, case):
        return self.reference(case.with_(groups=1))

    @misconception("You count the kernels of one group only; each group has its own.")
    def one_group(self, case):
        return self.reference(case) // case.groups

    @misconception("You take the kernel for square; it has columns, too.")
    def square_kernel(self, case):
        return self.reference(case.with_(kernel_size=(case.kernel_size[0],) * 2))

    @misconception("Your kernels are flat; each is as deep as the channels that it sees.")
    def flat_kernels(self, case):
        return self.reference(case.with_(in_channels=case.groups))


class LSTMParameterCount(Predict):
    """The number of parameters of nn.LSTM."""

    name = "lstm_parameter_count"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, num_layers, bidirectional in (
            ("one layer", 1, False),
            ("two layers", 2, False),
            ("two directions", 1, True),
            ("three layers, two directions", 3, True),
        ):
            input_size, hidden_size = draw.primes(2)
            yield Case(
                label,
                input_size=input_size,
                hidden_size=hidden_size,
                num_layers=num_layers,
                bidirectional=bidirectional,
            )

    def counts(self, case: Case) -> dict[str, int]:
        """Count the numbers of each parameter."""
        return {
            name: value.numel() for name, value in nn.LSTM(**case, device="meta").named_parameters()
        }

    def reference(self, case: Case) -> int:
        return sum(self.counts(case).values())

    @misconception("You count one bias for each gate; PyTorch keeps two.")
    def one_bias_for_a_gate(self, case):
        return sum(count for name, count in self.counts(case).items() if "bias_hh" not in name)

    @misconception("You leave out the biases.")
    def no_biases(self, case):
        return sum(count for name, count in self.counts(case).items() if "bias" not in name)

    @misconception("You count as for nn.RNN; an LSTM has three gates and a candidate.")
    def as_for_rnn(self, case):
        return sum(value.numel() for value in nn.RNN(**case, device="meta").parameters())

    @misconception("You count as for three gates; the candidate has weights of its own as well.")
    def as_for_gru(self, case):
        return sum(value.numel() for value in nn.GRU(**case, device="meta").parameters())

    @misconception(
        "You feed the input to all layers; the upper ones are fed the output of the layer below."
    )
    def all_layers_fed_the_input(self, case):
        return case.num_layers * self.reference(case.with_(num_layers=1))

    @misconception("You feed one direction to the upper layers; they are fed both.")
    def upper_layers_see_one_direction(self, case):
        return (1 + case.bidirectional) * self.reference(case.with_(bidirectional=False))

    @misconception("You leave out the second direction, which has parameters of its own.")
    def one_direction(self, case):
        return self.reference(case.with_(bidirectional=False))


class CNNFeatures(Predict):
    """The numbers that a small CNN makes of one image."""

    name = "cnn_features"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, rows, columns in (
            ("even sizes", 0, 2),
            ("odd rows", 1, 0),
            ("odd columns", 2, 3),
            ("odd rows and columns", 3, 1),
        ):
            yield Case(label, H=4 * draw.integer(5, 8) + rows, W=4 * draw.integer(9, 12) + columns)

    def made(
        self,
        case: Case,
        *,
        first: int = 1,
        second: int = 0,
        channels: int = 16,
        last: int = 2,
        **pooling: bool,
    ) -> int:
        layers = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=5, padding=first, device="meta"),
            nn.MaxPool2d(2, **pooling),
            nn.Conv2d(8, channels, kernel_size=3, padding=second, device="meta"),
            nn.MaxPool2d(last, **pooling),
            nn.Flatten(),
        )
        return shape_of(layers, 1, 3, case.H, case.W)[1]

    def reference(self, case: Case) -> int:
        return self.made(case)

    @misconception("You count one map; the second convolution makes several.")
    def one_map(self, case):
        return self.made(case, channels=1)

    @misconception("You count the channels of the first convolution, not those of the second.")
    def first_channels(self, case):
        return self.made(case, channels=8)

    @misconception("You round up where a pooling meets an odd number of rows or columns.")
    def poolings_rounded_up(self, case):
        return self.made(case, ceil_mode=True)

    @misconception(
        "Your first convolution keeps the size; a kernel of 5 needs more padding for that."
    )
    def first_keeps_the_size(self, case):
        return self.made(case, first=2)

    @misconception("Your second convolution keeps the size, but it has no padding.")
    def second_keeps_the_size(self, case):
        return self.made(case, second=1)

    @misconception("You leave out the second pooling.")
    def one_pooling(self, case):
        return self.made(case, last=1)

    @misconception("You take the images for square; W counts as well.")
    def square_images(self, case):
        return self.made(case.with_(W=case.H))

    @misconception("You leave out the padding of the first convolution.")
    def padding_left_out(self, case):
        return self.made(case, first=0)


# ------------------------------------------------------------------ B. from shapes to layers


class ConvBetween(Spec):
    """A Conv2d between two given shapes, with a given kernel and no padding."""

    name = "conv_between"
    points = 3
    returns = OUT
    keys = ("in_channels", "out_channels", "kernel_size", "stride")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case(
            "the slides' layer", shape_in=(10, 3, 64, 64), shape_out=(10, 64, 21, 21), kernel_size=3
        )
        yield self.case(draw, "a large kernel", 7, (2, 4, 0), (3, 5, 0))
        long, short = draw.integer(5, 8), draw.integer(2, 5)
        rows, columns = draw.integer(3, 7), draw.integer(3, 7)
        yield self.case(draw, "a long and a short stride", 3, (long, rows, 0), (short, columns, 0))
        yield self.case(draw, "pixels left over", 4, (short, columns, 1), (long, rows, long - 1))

    def case(self, draw: Draw, label: str, kernel_size: int, *plan: tuple[int, int, int]) -> Case:
        """Make a case of the stride, the moves and the pixels left over of rows and columns."""
        N, before, after = draw.primes(3)
        sizes_in = [kernel_size + stride * moves + left for stride, moves, left in plan]
        sizes_out = [moves + 1 for _, moves, _ in plan]
        return Case(
            label,
            shape_in=(N, before, *sizes_in),
            shape_out=(N, after, *sizes_out),
            kernel_size=kernel_size,
        )

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, self.keys[:3], self.keys[3:])
        hold(chosen, kernel_size=case.kernel_size)
        return made_by("Conv2d", chosen, case.shape_in)

    def reference(self, case: Case) -> Shape:
        return case.shape_out

    def strided(self, case: Case, *stride: int) -> Shape:
        """Find what a convolution with such a stride makes."""
        sizes = {"in_channels": case.shape_in[1], "out_channels": case.shape_out[1]}
        settings = {"kernel_size": case.kernel_size, "stride": stride}
        return made_by("Conv2d", sizes | settings, case.shape_in)

    def strides(self, case: Case, used: int, count: int) -> list[int]:
        pairs = zip(case.shape_in[2:], case.shape_out[2:], strict=True)
        return [(size - used) // (windows - count) for size, windows in pairs]

    @misconception(
        "Your stride is the ratio of the two sizes. But the first window takes kernel_size pixels, "
        "and no stride."
    )
    def ratio_of_sizes(self, case):
        return self.strided(case, *self.strides(case, 0, 0))

    @misconception("You take one stride for each window; the first window needs none.")
    def stride_for_each_window(self, case):
        return self.strided(case, *self.strides(case, case.kernel_size, 0))

    @misconception(
        "You divide the whole size among the strides; the first window takes a part of it."
    )
    def first_window_not_taken_off(self, case):
        return self.strided(case, *self.strides(case, 0, 1))

    @misconception("Your in_channels and out_channels are exchanged.")
    def channels_exchanged(self, case):
        exchanged = {"in_channels": case.shape_out[1], "out_channels": case.shape_in[1]}
        return self.interpret({**exchanged, "kernel_size": case.kernel_size}, case)

    @misconception("The stride is missing, so that the window moves by one pixel.")
    def stride_missing(self, case):
        return self.strided(case, 1, 1)

    @misconception("You use the stride of the rows for the columns as well.")
    def rows_stride_for_columns(self, case):
        stride, _ = self.strides(case, case.kernel_size, 1)
        return self.strided(case, stride, stride)


class HalvingConv(Spec):
    """A Conv2d with stride 2 that halves even sizes exactly, for any kernel."""

    name = "halving_conv"
    points = 2
    returns = OUT[2:]

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, kernel_size in {
            "a kernel of 3": 3,
            "a kernel of 4": 4,
            "a kernel of 7": 7,
            "a kernel of 2": 2,
            "a kernel of 10": 10,
        }.items():
            image = (2 * draw.integer(8, 15), 2 * draw.integer(16, 25))
            yield Case(label, image=image, kernel_size=kernel_size)

    def call(self, student, case: Case):
        return student(case.kernel_size)

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, ("kernel_size", "stride"), ("padding",))
        hold(chosen, kernel_size=case.kernel_size, stride=2)
        return self.made(case, chosen)

    def made(self, case: Case, settings: Mapping[str, Any]) -> Shape:
        one = {"in_channels": 1, "out_channels": 1}
        return made_by("Conv2d", {**one, **settings}, (1, 1, *case.image))[2:]

    def reference(self, case: Case) -> Shape:
        return case.image[0] // 2, case.image[1] // 2

    def padded(self, case: Case, padding: int) -> Shape:
        settings = {"kernel_size": case.kernel_size, "stride": 2, "padding": padding}
        return self.made(case, settings)

    @misconception("The padding is missing: every kernel larger than 2 loses pixels at the border.")
    def not_padded(self, case):
        return self.padded(case, 0)

    @misconception(
        "This padding suits kernels with an odd size; with an even one there is a pixel too many."
    )
    def half_the_kernel(self, case):
        return self.padded(case, case.kernel_size // 2)

    @misconception("You pad each side with what both sides need together.")
    def all_on_one_side(self, case):
        return self.padded(case, case.kernel_size - 1)

    @misconception("Your padding is the same for all kernels; a larger kernel needs more of it.")
    def always_one(self, case):
        return self.padded(case, 1)


class FixedHead(Spec):
    """An adaptive pooling that fits any image to a trained Linear."""

    name = "fixed_head"
    points = 2
    returns = ("N", "features")

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, side, rows in (
            ("two rows and two columns", 2, draw.integer(9, 20)),
            ("more rows and columns", draw.integer(5, 9), draw.integer(9, 20)),
            ("from maps with one row", 4, 1),
        ):
            N, channels = draw.primes(2)
            yield Case(
                label,
                maps=(N, channels, rows, draw.integer(20, 30)),
                channels=channels,
                in_features=channels * side**2,
            )
        yield Case("the slides' channels", maps=(10, 64, 9, 15), channels=64, in_features=64 * 9)

    def call(self, student, case: Case):
        return student(case.channels, case.in_features)

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, ("output_size",))
        rows, columns = both(chosen["output_size"])
        if rows != columns:
            raise ValueError(f"The maps must be square, and yours are {rows} by {columns}.")
        return self.pooled(case, rows)

    def reference(self, case: Case) -> Shape:
        return case.maps[0], case.in_features

    def pooled(self, case: Case, side: int) -> Shape:
        return shape_of(nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten()), *case.maps)

    @misconception("You keep one number of each map; this Linear wants more of them.")
    def one_number_each(self, case):
        return self.pooled(case, 1)

    @misconception(
        "Your output_size is the number of pixels of a map; it should be the length of its side."
    )
    def area_for_side(self, case):
        return self.pooled(case, case.in_features // case.channels)

    @misconception("You leave out the channels: each of them has pixels of its own.")
    def channels_left_out(self, case):
        return self.pooled(case, int(case.in_features**0.5))

    @misconception("You take half the number of pixels for the side of the square.")
    def halved_not_rooted(self, case):
        return self.pooled(case, case.in_features // case.channels // 2)


class Upsampling(Spec):
    """A ConvTranspose2d that makes an image exactly as many times larger as its stride."""

    name = "upsampling"
    points = 3
    returns = OUT[2:]

    def cases(self, draw: Draw) -> Iterator[Case]:
        for kernel_size, stride in ((2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4), (9, 3)):
            image = (draw.integer(5, 10), draw.integer(11, 16))
            label = f"a kernel of {kernel_size}, a stride of {stride}"
            yield Case(label, image=image, kernel_size=kernel_size, stride=stride)

    def call(self, student, case: Case):
        return student(case.kernel_size, case.stride)

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, ("kernel_size", "stride"), ("padding", "output_padding"))
        hold(chosen, kernel_size=case.kernel_size, stride=case.stride)
        return self.made(case, chosen)

    def made(self, case: Case, settings: Mapping[str, Any]) -> Shape:
        one = {"in_channels": 1, "out_channels": 1}
        return made_by("ConvTranspose2d", {**one, **settings}, (1, 1, *case.image))[2:]

    def reference(self, case: Case) -> Shape:
        return case.image[0] * case.stride, case.image[1] * case.stride

    def padded(self, case: Case, padding: int) -> Shape:
        settings = {"kernel_size": case.kernel_size, "stride": case.stride, "padding": padding}
        return self.made(case, settings)

    def off(self, case: Case, pixels: int) -> Shape:
        H, W = self.reference(case)
        return H + pixels, W + pixels

    @misconception("Nothing is cut off: a kernel larger than the stride sticks out at the border.")
    def nothing_cut_off(self, case):
        return self.padded(case, 0)

    @misconception(
        "This padding keeps the size of a convolution with stride 1; here the stride counts, too."
    )
    def padding_as_for_keeping(self, case):
        return self.padded(case, (case.kernel_size - 1) // 2)

    @misconception(
        "When an odd number of pixels has to go, you cut off one too many and do not give it back."
    )
    def one_too_few(self, case):
        return self.off(case, -((case.kernel_size - case.stride) % 2))

    @misconception(
        "When an odd number of pixels has to go, one is left over: padding cuts off pairs only."
    )
    def one_too_many(self, case):
        return self.off(case, (case.kernel_size - case.stride) % 2)

    @misconception(
        "When an odd number of pixels has to go, one is left over, and output_padding adds another."
    )
    def two_too_many(self, case):
        return self.off(case, 2 * ((case.kernel_size - case.stride) % 2))

    @misconception("You cut off on each side what should be cut off on both sides together.")
    def cut_off_twice(self, case):
        return self.padded(case, case.kernel_size - case.stride)


class LSTMBetween(Spec):
    """An LSTM, found from the shapes of its input, its output and its last state."""

    name = "lstm_between"
    points = 3
    returns = (axes("output", 3), axes("h_n", 3))
    keys = ("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first")

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, num_layers, bidirectional, batch_first in (
            ("one layer", 1, False, False),
            ("batch first", 3, False, True),
            ("two directions", 1, True, False),
            ("two layers", 2, False, False),
            ("all of it", 3, True, True),
        ):
            L, N, input_size, hidden_size = draw.primes(4)
            directions = 2 if bidirectional else 1
            first, second = (N, L) if batch_first else (L, N)
            yield Case(
                label,
                x=(first, second, input_size),
                output=(first, second, directions * hidden_size),
                h_n=(directions * num_layers, N, hidden_size),
            )

    def interpret(self, outputs, case: Case):
        chosen = keywords(outputs, self.keys[:2], self.keys[2:])
        for name in self.keys[:3]:
            if chosen.get(name, 1) > LSTM_LIMIT:
                raise ValueError(
                    f"Your {name} must be at most {LSTM_LIMIT} here, and it is {chosen[name]}."
                )
        # Small enough to be built: on the device "meta" an LSTM is slow.
        output, (h_n, _) = nn.LSTM(**chosen)(torch.zeros(case.x))
        return tuple(output.shape), tuple(h_n.shape)

    def reference(self, case: Case):
        return case.output, case.h_n

    @misconception("Your LSTM does not know that the batch comes first in some of the shapes.")
    def time_always_first(self, case):
        layers, _, features = case.h_n
        return case.output, (layers, case.x[1], features)

    @misconception("Your LSTM always takes the batch for the first axis; h_n says where it is.")
    def batch_always_first(self, case):
        layers, _, features = case.h_n
        return case.output, (layers, case.x[0], features)

    @misconception("Your batch_first is True where it should be False, and the other way round.")
    def batch_first_reversed(self, case):
        layers, N, features = case.h_n
        return case.output, (layers, case.x[0] + case.x[1] - N, features)

    @misconception("Your LSTM always has one layer; h_n has rows for each layer.")
    def always_one_layer(self, case):
        _, N, features = case.h_n
        return case.output, (case.output[2] // features, N, features)

    @misconception(
        "You take all rows of h_n for layers; with two directions each layer has two of them."
    )
    def rows_for_layers(self, case):
        layers, N, features = case.h_n
        return case.output, (layers * (case.output[2] // features), N, features)

    @misconception(
        "You take the features of the output for the hidden size; with two directions they are "
        "twice as many."
    )
    def output_features_for_hidden_size(self, case):
        features = case.output[2] * case.output[2] // case.h_n[2]
        return (*case.output[:2], features), (*case.h_n[:2], case.output[2])

    @misconception(
        "You never use two directions, not even where the output has twice the features."
    )
    def never_bidirectional(self, case):
        layers, N, features = case.h_n
        directions = case.output[2] // features
        return (*case.output[:2], features), (layers // directions, N, features)

    @misconception("Your input_size is not the last axis of x; L and N are no hyper-parameters.")
    def input_size_from_another_axis(self, case):
        return self.interpret({"input_size": case.x[0], "hidden_size": 1}, case)


class StackBetween(Spec):
    """A stack of layers between two given shapes, none of which may do too much."""

    name = "stack_between"
    points = 4
    returns = OUT
    names = ("Conv2d", "MaxPool2d", "ReLU")

    def cases(self, draw: Draw) -> Iterator[Case]:
        # As many halvings, then the channels that go in and that come out.
        yield self.case(draw, "only wider", 0, 3, 20)
        yield self.case(draw, "only smaller", 3, 5, 5)
        yield self.case(draw, "more to widen than to halve", 2, 3, 64)
        yield self.case(draw, "more to halve than to widen", 4, 7, 14)
        yield self.case(draw, "as much of both", 3, 2, 11)
        yield self.case(draw, "a single step", 1, 4, 7)

    def case(self, draw: Draw, label: str, halvings: int, before: int, after: int) -> Case:
        N, H, W = draw.primes(3)
        shape_in = N, before, H * 2**halvings, W * 2**halvings
        return Case(label, shape_in=shape_in, shape_out=(N, after, H, W))

    def interpret(self, outputs, case: Case) -> Shape:
        layers = description(outputs, self.names)
        for place, (name, arguments) in enumerate(layers):
            try:
                self.rules(name, arguments)
            except ValueError as error:
                raise ValueError(f"Layer {place}, {name}: {error}") from None
        return run(layers, case.shape_in)

    def rules(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Refuse a layer that does more than a layer may here."""
        if name == "MaxPool2d":
            hold(arguments, kernel_size=2)
        if name == "Conv2d":
            hold(arguments, kernel_size=3)
            if max(both(arguments.get("stride", 1))) > 2:
                raise ValueError("Its stride must be 1 or 2.")
            if max(both(arguments.get("padding", 0))) > 1:
                raise ValueError("Its padding must be 0 or 1.")
            if arguments["out_channels"] > 2 * arguments["in_channels"]:
                raise ValueError("Its out_channels may be at most twice its in_channels.")

    def reference(self, case: Case) -> Shape:
        return case.shape_out

    def steps(self, case: Case) -> tuple[int, int]:
        """Count the halvings, and the layers that the channels need."""
        (_, before, rows_in, _), (_, after, rows_out, _) = case.shape_in, case.shape_out
        return (rows_in // rows_out).bit_length() - 1, (-(-after // before) - 1).bit_length()

    def sized(self, case: Case, halvings: int, channels: int) -> Shape:
        N, _, H, W = case.shape_in
        return N, channels, -(-H // 2**halvings), -(-W // 2**halvings)

    @misconception(
        "Your stack ends when the maps are small enough, even if channels are still missing."
    )
    def ends_with_the_halvings(self, case):
        halvings, _ = self.steps(case)
        channels = min(case.shape_in[1] * 2**halvings, case.shape_out[1])
        return self.sized(case, halvings, channels)

    @misconception(
        "Your stack ends when it has enough channels, even if the maps are still too large."
    )
    def ends_with_the_channels(self, case):
        return self.sized(case, min(self.steps(case)), case.shape_out[1])

    @misconception("All your layers halve the maps, also when the maps are small enough already.")
    def halves_too_often(self, case):
        return self.sized(case, max(self.steps(case)), case.shape_out[1])

    @misconception("All your layers double the channels, also where fewer are wanted.")
    def doubles_always(self, case):
        layers = max(self.steps(case))
        return self.sized(case, self.steps(case)[0], case.shape_in[1] * 2**layers)


# ------------------------------------------------------------------ C. repairs


class RepairAutoencoder(Spec):
    """An autoencoder whose images come back too small: one number is wrong."""

    name = "repair_autoencoder"
    points = 3
    returns = OUT
    broken = [
        (
            "Conv2d",
            {"in_channels": 1, "out_channels": 8, "kernel_size": 3, "stride": 2, "padding": 1},
        ),
        ("ReLU", {}),
        (
            "Conv2d",
            {"in_channels": 8, "out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1},
        ),
        ("ReLU", {}),
        (
            "ConvTranspose2d",
            {
                "in_channels": 16,
                "out_channels": 8,
                "kernel_size": 3,
                "stride": 2,
                "padding": 1,
                "output_padding": 1,
            },
        ),
        ("ReLU", {}),
        (
            "ConvTranspose2d",
            {
                "in_channels": 8,
                "out_channels": 1,
                "kernel_size": 3,
                "stride": 2,
                "padding": 1,
                "output_padding": 0,
            },
        ),
    ]

    def cases(self, draw: Draw) -> Iterator[Case]:
        (N,) = draw.primes(1)
        yield Case("digits", images=(N, 1, 28, 28))
        yield Case("a batch of one", images=(1, 1, 32, 32))
        H, W = draw.integer(3, 7), draw.integer(8, 12)
        yield Case("wide images", images=(N, 1, 4 * H, 4 * W))

    def call(self, student, case: Case):
        return student()

    def interpret(self, outputs, case: Case) -> Shape:
        layers = description(outputs, ("Conv2d", "ReLU", "ConvTranspose2d"))
        if [name for name, _ in layers] != [name for name, _ in self.broken]:
            raise ValueError("Your layers must be those of the broken network, in their order.")
        changed = 0
        for place, ((name, new), (_, old)) in enumerate(zip(layers, self.broken, strict=True)):
            if set(new) != set(old):
                raise ValueError(f"Layer {place}, {name}, must keep its keys: {', '.join(old)}.")
            changed += sum(both(new[key]) != both(old[key]) for key in old)
        if changed > 1:
            raise ValueError(f"You changed {changed} numbers, and only one may be changed.")
        return run(layers, case.images)

    def changed(self, case: Case, place: int, **numbers: int) -> Shape:
        """Find what the broken network makes after some other change."""
        layers = [(name, dict(arguments)) for name, arguments in self.broken]
        layers[place][1].update(numbers)
        return run(layers, case.images)

    def reference(self, case: Case) -> Shape:
        return case.images

    @misconception("Your images come back one row and one column too large, not too small.")
    def one_row_too_many(self, case):
        return self.changed(case, 6, padding=0)

    @misconception(
        "You made the maps in the middle larger by a row. Every row there becomes two or more "
        "later, so that the output is too large now."
    )
    def middle_enlarged(self, case):
        return self.changed(case, 2, padding=2)

    @misconception("You changed nothing: the images still come back too small.")
    def nothing_changed(self, case):
        return self.changed(case, 6)


class RepairReader(ModuleSpec):
    """A module that reads sentences in both directions: two things are wrong.

    Shape:
        - words: (N, L)
        - Output: (N, classes)
    """

    name = "repair_reader"
    points = 4
    gradients = ("state",)
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, L = draw.primes(2, below=4)
        yield self.case(draw, "a batch", N, L)
        yield self.case(draw, "a batch of one", 1, L)
        yield self.case(draw, "float32", L, N, dtype=torch.float32)

    def case(self, draw: Draw, label: str, N: int, L: int, **kind: Any) -> Case:
        classes, embedding_dim, hidden_size = draw.primes(3, below=8)
        V = draw.integer(20, 30)
        shapes = {"embedding.weight": (V, embedding_dim)}
        for name, value in self.lstm(embedding_dim, hidden_size).named_parameters():
            shapes[f"lstm.{name}"] = tuple(value.shape)
        shapes |= {"linear.weight": (classes, 2 * hidden_size), "linear.bias": (classes,)}
        return Case(
            label,
            arguments={
                "num_embeddings": V,
                "embedding_dim": embedding_dim,
                "hidden_size": hidden_size,
                "classes": classes,
            },
            state={name: draw.normal(*shape, **kind) for name, shape in shapes.items()},
            inputs=(draw.integers(N, L, high=V),),
        )

    def lstm(self, embedding_dim: int, hidden_size: int) -> nn.LSTM:
        return nn.LSTM(embedding_dim, hidden_size, bidirectional=True, device="meta")

    def read(self, case: Case, sentences: torch.Tensor) -> torch.Tensor:
        """Read one sentence after the other: (rows, words in a row, 2*hidden_size)."""
        sizes = case.arguments
        lstm = self.lstm(sizes["embedding_dim"], sizes["hidden_size"])
        weights = {
            name.removeprefix("lstm."): value
            for name, value in case.state.items()
            if name.startswith("lstm.")
        }
        x = nn.functional.embedding(sentences, case.state["embedding.weight"])
        return torch.stack([functional_call(lstm, weights, (each,))[0] for each in x])

    def scores(self, case: Case, features: torch.Tensor) -> torch.Tensor:
        weight, bias = case.state["linear.weight"], case.state["linear.bias"]
        return nn.functional.linear(features, weight, bias)

    def reference(self, case: Case) -> torch.Tensor:
        (words,) = case.inputs
        return self.scores(case, self.read(case, words).mean(dim=1))

    @misconception(
        "The LSTM still takes the sentences for time steps: it reads across the batch, from one "
        "sentence into the next."
    )
    def reads_across_the_batch(self, case):
        (words,) = case.inputs
        return self.scores(case, self.read(case, words.T).mean(dim=0))

    @misconception(
        "Your mean goes over the sentences of the batch; it should go over the words of a sentence."
    )
    def mean_over_the_batch(self, case):
        (words,) = case.inputs
        return self.scores(case, self.read(case, words).mean(dim=0))

    @misconception(
        "A view or a reshape does not turn axes: it deals the words of one sentence out to others."
    )
    def reshaped_not_turned(self, case):
        (words,) = case.inputs
        N, L = words.shape
        dealt = self.read(case, words.reshape(L, N).T)  # (N, L, 2*hidden_size)
        return self.scores(case, dealt.mean(dim=1))

    @misconception("You use the last word only; the mean over all words was not among the faults.")
    def last_word(self, case):
        (words,) = case.inputs
        return self.scores(case, self.read(case, words)[:, -1])
