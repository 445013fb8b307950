"""The specs of the assignment shape-puzzles-2: shapes from layers, layers from shapes, and repairs.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception

LIMIT = 10_000  # No number in an answer may be larger: what is built of it has to stay small.
LSTM_LIMIT = 64  # An LSTM is built in memory, so that it has to be smaller still.
MOST_LAYERS = 30
SHAPE = ("N", "C", "H", "W")

Shape = tuple[int, ...]


def shape_of(layer: nn.Module, *shape: int) -> Shape:
    """Let a layer on the device "meta", which holds no numbers, say what shape it makes."""
    return tuple(layer(torch.empty(shape, device="meta")).shape)


def both(value: Any) -> Any:
    """Write one number for rows and columns as the pair that torch makes of it."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def until(make: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
    """Draw until what is drawn fits."""
    while not fits(made := make()):
        pass
    return made


# ------------------------------------------------------------------ reading answers

PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")
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
        raise TypeError(f"{answer!r} is a float; sizes are whole numbers, so divide with // here.")
    return answer


def number(name: str, value: Any) -> int:
    """Refuse a hyper-parameter that is no whole number, or out of bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, and yours is {shown(value)}.")
    low = 0 if name in MAY_BE_ZERO else 1
    if not low <= value <= LIMIT:
        raise ValueError(f"{name} must be from {low} to {LIMIT}, and yours is {shown(value)}.")
    return value


def argument(name: str, value: Any) -> Any:
    """Refuse a value that a keyword argument cannot have."""
    if name in FLAGS:
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, and yours is {shown(value)}.")
        return value
    if name in PAIRS and isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be one number, or two, and yours are {len(value)}.")
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
        raise TypeError(f"A dict of keyword arguments is asked for, and what came is {kind}.")
    for name in answer:
        if name not in (*needed, *optional):
            names = ", ".join((*needed, *optional))
            raise ValueError(f"{shown(name)} may not be set here; the keys are {names}.")
    for name in needed:
        if name not in answer:
            raise ValueError(f"The dict has no {name}.")
    return {name: argument(name, value) for name, value in answer.items()}


def hold(arguments: Mapping[str, Any], **fixed: Any) -> None:
    """Refuse keyword arguments other than those that a question fixes."""
    for name, value in fixed.items():
        if both(arguments[name]) != both(value):
            raise ValueError(f"{name} must be {value} here, and yours is {arguments[name]}.")


KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Conv2d": (("in_channels", "out_channels", "kernel_size"), ("stride", "padding")),
    "ConvTranspose2d": (
        ("in_channels", "out_channels", "kernel_size"),
        ("stride", "padding", "output_padding"),
    ),
    "MaxPool2d": (("kernel_size",), ()),
    "ReLU": ((), ()),
    "Flatten": ((), ()),
    "Linear": (("in_features", "out_features"), ()),
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
        raise TypeError(f"A list of layers is asked for, and what came is {shown(answer)}.")
    if len(answer) > MOST_LAYERS:
        raise ValueError(f"A list has at most {MOST_LAYERS} layers here, and yours {len(answer)}.")
    found = []
    for place, item in enumerate(answer):
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
            raise TypeError(f"layer {place} is no pair of the name of a class and a dict.")
        name, arguments = item
        if name not in names:
            raise ValueError(f"layer {place}: the layers are {', '.join(names)}, not {name[:40]}.")
        try:
            found.append((name, keywords(arguments, *KEYS[name])))
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {place}, {name}: {error}") from None
    return found


def run(layers: Description, shape: Shape) -> Shape:
    """Find the shape that layers make of a shape, on the device "meta"."""
    for place, (name, arguments) in enumerate(layers):
        where = {"device": "meta"} if name in ("Conv2d", "ConvTranspose2d", "Linear") else {}
        try:
            shape = shape_of(getattr(nn, name)(**arguments, **where), *shape)
        except Exception as error:
            raise RuntimeError(f"layer {place}, {name}: {error}") from None
    return shape


# ------------------------------------------------------------------ A. from layers to shapes


class Predict(Spec):
    """A shape or a count, found by integer arithmetic in one expression."""

    allows = ("min", "max")

    def interpret(self, outputs, case: Case):
        return whole(outputs)


class LinearOutput(Predict):
    """The shape that nn.Linear makes of a tensor with any number of axes."""

    name = "linear_output"
    points = 1

    def cases(self, draw: Draw) -> Iterator[Case]:
        sizes = draw.primes(5)
        for label, axes in {"a single vector": 1, "a batch": 2, "a batch of sequences": 3}.items():
            yield Case(label, shape=sizes[:axes], out_features=sizes[4])
        yield Case("four axes", shape=sizes[:4], out_features=sizes[4])

    def reference(self, case: Case) -> Shape:
        linear = nn.Linear(case.shape[-1], case.out_features)
        return tuple(linear(torch.zeros(case.shape)).shape)

    @misconception(
        "You gather all axes but the last one into one; Linear leaves them as many as they are."
    )
    def axes_gathered(self, case):
        return tuple(torch.zeros(self.reference(case)).reshape(-1, case.out_features).shape)

    @misconception("You replace the first axis; Linear works on another one.")
    def first_axis_replaced(self, case):
        return (case.out_features, *case.shape[1:])

    @misconception("You append the new size, but the old number of features is used up by Linear.")
    def features_appended(self, case):
        return (*case.shape, case.out_features)

    @misconception("Only the first axis and the features are left; Linear drops no axis.")
    def axes_dropped(self, case):
        return (*case.shape[:-1][:1], case.out_features)


class EmbeddingOutput(Predict):
    """The shape that nn.Embedding makes of a tensor of word numbers."""

    name = "embedding_output"
    points = 1

    def cases(self, draw: Draw) -> Iterator[Case]:
        *sizes, V, features = draw.primes(5)
        for label, axes in {"one sentence": 1, "a batch of sentences": 2, "three axes": 3}.items():
            yield Case(
                label, shape=tuple(sizes[:axes]), num_embeddings=V * 10, embedding_dim=features
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
        "Your last axis has an entry for each word of the vocabulary. Such a vector of zeros and a "
        "single one is what Embedding saves you from."
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
    returns = ("Flatten()", "Flatten(2)", "Flatten(0, 2)")

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label in ("a batch", "another batch"):
            yield Case(label, **dict(zip(SHAPE, draw.primes(4), strict=True)))
        yield Case("a batch of one", **dict(zip(SHAPE, (1, *draw.primes(3)), strict=True)))

    def flattened(self, case: Case, *axes: tuple[int, ...]) -> tuple[Shape, ...]:
        shape = case.N, case.C, case.H, case.W
        return tuple(shape_of(nn.Flatten(*pair), *shape) for pair in axes)

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
    returns = SHAPE

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

        def sizes() -> tuple[int, int]:
            return draw.integer(25, 50), draw.integer(25, 50)

        def fits(drawn: tuple[int, int]) -> bool:
            window = options["dilation"] * (kernel_size - 1) + 1
            left = [(size + 2 * options["padding"] - window) % options["stride"] for size in drawn]
            return abs(drawn[0] - drawn[1]) > 8 and all(left) is remainder

        H, W = until(sizes, fits)
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

    @misconception("The dilation is left out: it makes the window wider.")
    def dilation_ignored(self, case):
        return self.reference(case.with_(dilation=1))

    @misconception(
        "You multiply the whole kernel by the dilation; count the gaps between its numbers instead."
    )
    def kernel_times_dilation(self, case):
        return self.larger(case, 1 - case.dilation)

    @misconception("You count the moves of the window; the place where it starts counts as well.")
    def start_not_counted(self, case):
        N, C, H, W = self.reference(case)
        return N, C, H - 1, W - 1

    @misconception("The stride is left out: the window moves by more than one pixel.")
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

    @misconception("output_padding is left out.")
    def output_padding_ignored(self, case):
        return self.reference(case.with_(output_padding=0))

    @misconception("You add output_padding on both sides; it is added on one.")
    def output_padding_twice(self, case):
        return self.reference(case) + case.output_padding

    @misconception("The dilation is left out: it makes the window wider.")
    def dilation_left_out(self, case):
        return self.reference(case.with_(dilation=1))

    @misconception("You count as for Conv2d; the transposed convolution makes maps larger.")
    def as_conv2d(self, case):
        options = {name: case[name] for name in ("kernel_size", "stride", "padding", "dilation")}
        return shape_of(nn.Conv2d(1, 1, **options, device="meta"), 1, 1, case.H + 60, 99)[2] - (
            60 // case.stride  # all strides here divide 60
        )


class CeilModeRows(Predict):
    """The rows that nn.MaxPool2d makes with ceil_mode=True."""

    name = "ceil_mode_rows"
    points = 3

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(
            draw,
            "nothing left over",
            lambda c: self.floor(c) == self.naive(c) < self.starts(c) and c.padding > 0,
        )
        yield self.case(
            draw,
            "a window that sticks out",
            lambda c: (
                self.floor(c) < self.reference(c) == self.upper_padding_missing(c)
                and self.padding_below_missing(c) != self.reference(c)
            ),
        )
        yield self.case(draw, "no padding", lambda c: c.padding == 0 and self.sticks_out(c))
        yield self.case(
            draw,
            "a window that would start right behind the last row",
            lambda c: self.dropped(c) and (c.H + c.padding) % c.stride == 0 and c.padding > 0,
        )
        yield self.case(
            draw,
            "a window that starts on the last row",
            lambda c: (
                self.sticks_out(c)
                and (self.reference(c) - 1) * c.stride == c.H + c.padding - 1
                and c.padding > 0
            ),
        )
        yield self.case(
            draw, "a stride larger than the window", lambda c: c.stride > c.kernel_size + 1
        )

    def case(self, draw: Draw, label: str, fits: Callable[[Case], bool]) -> Case:
        def make() -> Case:
            kernel_size = draw.integer(2, 7)
            return Case(
                label,
                H=draw.integer(10, 30),
                kernel_size=kernel_size,
                stride=draw.integer(2, 7),
                padding=draw.integer(0, kernel_size // 2 + 1),
            )

        return until(make, fits)

    def pooled(self, case: Case, rows: int, ceil_mode: bool) -> int:
        pool = nn.MaxPool2d(case.kernel_size, case.stride, case.padding, ceil_mode=ceil_mode)
        return shape_of(pool, 1, 1, rows, 50)[2]

    def floor(self, case: Case) -> int:
        return self.pooled(case, case.H, False)

    def naive(self, case: Case) -> int:
        return self.pooled(case, case.H + case.stride - 1, False)

    def starts(self, case: Case) -> int:
        """Count the windows that start before the end of the image."""
        return self.floor(case.with_(H=case.H + case.padding, kernel_size=1, padding=0))

    def sticks_out(self, case: Case) -> bool:
        return self.floor(case) < self.reference(case)

    def dropped(self, case: Case) -> bool:
        return self.reference(case) < self.naive(case)

    def reference(self, case: Case) -> int:
        return self.pooled(case, case.H, True)

    @misconception("You round down, as without ceil_mode.")
    def rounded_down(self, case):
        return self.floor(case)

    @misconception(
        "You count a last window that starts behind the image, in the padding below. Torch leaves "
        "it out, because it would see no pixel."
    )
    def last_window_kept(self, case):
        return self.naive(case)

    @misconception(
        "The padding above is missing where you decide whether the last window still starts inside."
    )
    def upper_padding_missing(self, case):
        return min(self.naive(case), self.starts(case.with_(H=case.H - case.padding)))

    @misconception("You count the padding on one side only.")
    def padding_below_missing(self, case):
        rows = case.H + case.stride - 1 - case.padding
        return min(self.pooled(case, rows, False), self.reference(case))


class LSTMOutputs(Predict):
    """The shapes that nn.LSTM returns: output and h_n."""

    name = "lstm_outputs"
    points = 3
    returns = ("output", "h_n")

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

    @misconception("Your output has one direction; torch puts both beside each other.")
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

    @misconception("The biases are left out.")
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
        "The groups are left out: with them a kernel sees only some of the channels that go in."
    )
    def groups_ignored(self, case):
        return self.reference(case.with_(groups=1))

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

    @misconception("The biases are left out.")
    def no_biases(self, case):
        return sum(count for name, count in self.counts(case).items() if "bias" not in name)

    @misconception("You count as for nn.RNN; an LSTM has three gates and a candidate.")
    def as_for_rnn(self, case):
        return sum(value.numel() for value in nn.RNN(**case, device="meta").parameters())

    @misconception("You count as for three gates; the candidate has weights of its own as well.")
    def as_for_gru(self, case):
        return sum(value.numel() for value in nn.GRU(**case, device="meta").parameters())

    @misconception("All your layers are fed the input; the upper ones are fed what the lower make.")
    def all_layers_fed_the_input(self, case):
        return case.num_layers * self.reference(case.with_(num_layers=1))

    @misconception("Your upper layers see one direction; they are fed both.")
    def upper_layers_see_one_direction(self, case):
        return (1 + case.bidirectional) * self.reference(case.with_(bidirectional=False))

    @misconception("The second direction is left out: it has parameters of its own.")
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
        self, case: Case, *, first: int = 1, second: int = 0, channels: int = 16, **pooling: bool
    ) -> int:
        layers = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=5, padding=first, device="meta"),
            nn.MaxPool2d(2, **pooling),
            nn.Conv2d(8, channels, kernel_size=3, padding=second, device="meta"),
            nn.MaxPool2d(2, **pooling),
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

    @misconception("The padding of the first convolution is left out.")
    def padding_left_out(self, case):
        return self.made(case, first=0)


# ------------------------------------------------------------------ B. from shapes to layers


class ConvBetween(Spec):
    """A Conv2d between two given shapes, with a given kernel and no padding."""

    name = "conv_between"
    points = 3
    returns = SHAPE
    keys = ("in_channels", "out_channels", "kernel_size", "stride")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case(
            "the slides' layer", shape_in=(10, 3, 64, 64), shape_out=(10, 64, 21, 21), kernel_size=3
        )
        yield self.case(draw, "a large kernel", kernel_size=7, rows=(2, 4, 0), columns=(3, 5, 0))
        yield self.case(draw, "long strides", kernel_size=3, rows=(5, 4, 0), columns=(4, 3, 0))
        yield self.case(draw, "pixels left over", kernel_size=4, rows=(3, 6, 2), columns=(2, 5, 1))

    def case(self, draw: Draw, label: str, kernel_size: int, **axes: tuple[int, int, int]) -> Case:
        N, before, after = draw.primes(3)
        sizes_in = [kernel_size + stride * moves + left for stride, moves, left in axes.values()]
        sizes_out = [moves + 1 for _, moves, _ in axes.values()]
        return Case(
            label,
            shape_in=(N, before, *sizes_in),
            shape_out=(N, after, *sizes_out),
            kernel_size=kernel_size,
        )

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, self.keys[:3], self.keys[3:])
        hold(chosen, kernel_size=case.kernel_size)
        return shape_of(nn.Conv2d(**chosen, device="meta"), *case.shape_in)

    def reference(self, case: Case) -> Shape:
        return case.shape_out

    def strided(self, case: Case, *stride: int, before: int | None = None) -> Shape:
        """Find what a convolution with such a stride makes."""
        sizes = {"in_channels": before or case.shape_in[1], "out_channels": case.shape_out[1]}
        conv = nn.Conv2d(**sizes, kernel_size=case.kernel_size, stride=stride, device="meta")
        return shape_of(conv, *case.shape_in)

    def strides(self, case: Case, used: int, count: int) -> list[int]:
        pairs = zip(case.shape_in[2:], case.shape_out[2:], strict=True)
        return [(size - used) // (windows - count) for size, windows in pairs]

    @misconception(
        "Your stride is the ratio of the two sizes; but the first window takes kernel_size pixels "
        "without a stride."
    )
    def ratio_of_sizes(self, case):
        return self.strided(case, *self.strides(case, 0, 0))

    @misconception("You take one stride for each window; the first window needs none.")
    def stride_for_each_window(self, case):
        return self.strided(case, *self.strides(case, case.kernel_size, 0))

    @misconception("Your stride follows from the whole size; take the first window off before.")
    def first_window_not_taken_off(self, case):
        return self.strided(case, *self.strides(case, 0, 1))

    @misconception("Your in_channels and out_channels are exchanged.")
    def channels_exchanged(self, case):
        exchanged = {"in_channels": case.shape_out[1], "out_channels": case.shape_in[1]}
        return self.interpret({**exchanged, "kernel_size": case.kernel_size}, case)

    @misconception("The stride is missing, so that the window moves by one pixel.")
    def stride_missing(self, case):
        return self.strided(case, 1)


class OneConv(Spec):
    """A convolution with some of its settings fixed, on images whose size is not told."""

    returns = ("H", "W")

    def made(self, case: Case, **settings: Any) -> Shape:
        return shape_of(nn.Conv2d(1, 1, **settings, device="meta"), 1, 1, *case.image)[2:]

    def settings(self, case: Case) -> dict[str, int]:
        """Name the settings that the question fixes."""
        return {name: case[name] for name in case if name != "image"}

    def call(self, student, case: Case):
        return student(**self.settings(case))


class HalvingConv(OneConv):
    """A Conv2d with stride 2 that halves even sizes exactly, for any kernel."""

    name = "halving_conv"
    points = 2

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

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, ("kernel_size", "stride"), ("padding",))
        hold(chosen, kernel_size=case.kernel_size, stride=2)
        return self.made(case, **chosen)

    def reference(self, case: Case) -> Shape:
        return case.image[0] // 2, case.image[1] // 2

    def padded(self, case: Case, padding: int) -> Shape:
        return self.made(case, kernel_size=case.kernel_size, stride=2, padding=padding)

    @misconception("The padding is missing: every kernel larger than 2 loses pixels at the border.")
    def not_padded(self, case):
        return self.padded(case, 0)

    @misconception(
        "This padding suits kernels with an odd size; with an even one there is a pixel too many."
    )
    def half_the_kernel(self, case):
        return self.padded(case, case.kernel_size // 2)

    @misconception("You put on one side what should be shared by two.")
    def all_on_one_side(self, case):
        return self.padded(case, case.kernel_size - 1)

    @misconception("Your padding is the same for all kernels; a larger kernel needs more of it.")
    def always_one(self, case):
        return self.padded(case, 1)


class KeepingConv(OneConv):
    """A Conv2d that keeps the size, for any kernel and dilation."""

    name = "keeping_conv"
    points = 2

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, kernel_size, dilation in (
            ("a kernel of 3", 3, 1),
            ("a kernel of 7", 7, 1),
            ("a dilation of 3", 3, 3),
            ("a kernel of 5, a dilation of 2", 5, 2),
            ("an even kernel, an even dilation", 4, 2),
        ):
            image = (draw.integer(20, 30), draw.integer(31, 40))
            yield Case(label, image=image, kernel_size=kernel_size, dilation=dilation)

    def interpret(self, outputs, case: Case) -> Shape:
        chosen = keywords(outputs, ("kernel_size", "dilation"), ("padding",))
        hold(chosen, **self.settings(case))
        return self.made(case, **chosen)

    def reference(self, case: Case) -> Shape:
        return case.image

    def padded(self, case: Case, padding: int) -> Shape:
        return self.made(case, padding=padding, **self.settings(case))

    @misconception("The padding is missing, so that the image gets smaller.")
    def padding_missing(self, case):
        return self.padded(case, 0)

    @misconception("Your padding does not depend on the dilation, which makes the window wider.")
    def dilation_without_effect(self, case):
        return self.padded(case, (case.kernel_size - 1) // 2)

    @misconception(
        "You take the window for kernel_size times dilation pixels wide; that is too wide."
    )
    def window_too_wide(self, case):
        return self.padded(case, case.kernel_size * case.dilation // 2)

    @misconception("You put on each side what should be shared by two.")
    def both_sides_full(self, case):
        return self.padded(case, case.dilation * (case.kernel_size - 1))


class FixedHead(Spec):
    """An adaptive pooling that fits any image to a trained Linear."""

    name = "fixed_head"
    points = 2
    returns = ("N", "features")

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, side in {"small maps": 2, "large maps": 7, "maps of one row": 4}.items():
            N, channels = draw.primes(2)
            rows = 1 if "one" in label else draw.integer(9, 20)
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

    @misconception("You leave one number for each map; this Linear wants more of them.")
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

    @misconception("You share the features between rows and columns by halving, not by a root.")
    def halved_not_rooted(self, case):
        return self.pooled(case, case.in_features // case.channels // 2)


class Upsampling(Spec):
    """A ConvTranspose2d that makes an image exactly as many times larger as its stride."""

    name = "upsampling"
    points = 3
    returns = ("H", "W")

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
        # The device "meta" lets this pass, other devices do not.
        if max(both(chosen.get("output_padding", 0))) >= case.stride:
            raise ValueError("output_padding must be smaller than the stride.")
        return self.made(case, **chosen)

    def made(self, case: Case, **settings: Any) -> Shape:
        layer = nn.ConvTranspose2d(1, 1, **settings, device="meta")
        return shape_of(layer, 1, 1, *case.image)[2:]

    def reference(self, case: Case) -> Shape:
        return case.image[0] * case.stride, case.image[1] * case.stride

    def padded(self, case: Case, padding: int) -> Shape:
        settings = {"kernel_size": case.kernel_size, "stride": case.stride}
        return self.made(case, **settings, padding=padding)

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

    @misconception("You cut off on each side what both sides together have too much.")
    def cut_off_twice(self, case):
        return self.padded(case, case.kernel_size - case.stride)


class LSTMBetween(Spec):
    """An LSTM, found from the shapes of its input, its output and its last state."""

    name = "lstm_between"
    points = 3
    returns = ("output", "h_n")
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
                raise ValueError(f"{name} is {chosen[name]}, and here it is at most {LSTM_LIMIT}.")
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
    returns = SHAPE
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
                raise ValueError(f"layer {place}, {name}: {error}") from None
        return run(layers, case.shape_in)

    def rules(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Refuse a layer that does more than a layer may here."""
        if name == "MaxPool2d":
            hold(arguments, kernel_size=2)
        if name == "Conv2d":
            hold(arguments, kernel_size=3)
            if max(both(arguments.get("stride", 1))) > 2:
                raise ValueError("the stride must be 1 or 2.")
            if max(both(arguments.get("padding", 0))) > 1:
                raise ValueError("the padding must be 0 or 1.")
            if arguments["out_channels"] > 2 * arguments["in_channels"]:
                raise ValueError("the channels may at most be doubled.")

    def reference(self, case: Case) -> Shape:
        return case.shape_out

    def steps(self, case: Case) -> tuple[int, int]:
        """Count the halvings, and the layers that the channels need."""
        (_, before, rows_in, _), (_, after, rows_out, _) = case.shape_in, case.shape_out
        return (rows_in // rows_out).bit_length() - 1, (-(-after // before) - 1).bit_length()

    def sized(self, case: Case, halvings: int, channels: int) -> Shape:
        N, _, H, W = case.shape_in
        return N, channels, -(-H // 2**halvings), -(-W // 2**halvings)

    @misconception("Your stack ends when the maps are small enough, before the channels are many.")
    def ends_with_the_halvings(self, case):
        halvings, _ = self.steps(case)
        channels = min(case.shape_in[1] * 2**halvings, case.shape_out[1])
        return self.sized(case, halvings, channels)

    @misconception("Your stack ends when the channels are many, before the maps are small enough.")
    def ends_with_the_channels(self, case):
        return self.sized(case, min(self.steps(case)), case.shape_out[1])

    @misconception("All your layers halve the maps, also those that are there for the channels.")
    def halves_too_often(self, case):
        return self.sized(case, max(self.steps(case)), case.shape_out[1])

    @misconception("All your layers double the channels, also where fewer are wanted.")
    def doubles_always(self, case):
        layers = max(self.steps(case))
        return self.sized(case, self.steps(case)[0], case.shape_in[1] * 2**layers)


# ------------------------------------------------------------------ C. repairs


class Repair(Spec):
    """A description of a network in which one number is wrong."""

    returns = SHAPE
    broken: Description

    def call(self, student, case: Case):
        return student()

    def interpret(self, outputs, case: Case) -> Shape:
        layers = description(outputs, tuple(dict(self.broken)))
        if [name for name, _ in layers] != [name for name, _ in self.broken]:
            raise ValueError("The layers must stay those of the broken network, in their order.")
        changed = 0
        for place, ((name, new), (_, old)) in enumerate(zip(layers, self.broken, strict=True)):
            if set(new) != set(old):
                names = ", ".join(old) or "none"
                raise ValueError(
                    f"layer {place}, {name}: the keys must stay those that were: {names}."
                )
            changed += sum(both(new[key]) != both(old[key]) for key in old)
        if changed > 1:
            raise ValueError(f"One number may be changed, and you changed {changed}.")
        return run(layers, case.images)

    def changed(self, case: Case, place: int, **numbers: int) -> Shape:
        """Find what the broken network makes after some other change."""
        layers = [(name, dict(arguments)) for name, arguments in self.broken]
        layers[place][1].update(numbers)
        return run(layers, case.images)


class RepairClassifier(Repair):
    """A classifier that does not run: one number is wrong."""

    name = "repair_classifier"
    points = 2
    returns = ("N", "classes")
    broken = [
        ("Conv2d", {"in_channels": 1, "out_channels": 8, "kernel_size": 5}),
        ("ReLU", {}),
        ("MaxPool2d", {"kernel_size": 2}),
        ("Conv2d", {"in_channels": 8, "out_channels": 16, "kernel_size": 3}),
        ("ReLU", {}),
        ("MaxPool2d", {"kernel_size": 2}),
        ("Flatten", {}),
        ("Linear", {"in_features": 256, "out_features": 10}),
    ]

    def cases(self, draw: Draw) -> Iterator[Case]:
        (N,) = draw.primes(1)
        yield Case("digits", images=(N, 1, 28, 28))
        yield Case("a batch of one", images=(1, 1, 28, 28))
        yield Case("one row and one column more", images=(N, 1, 29, 29))

    def reference(self, case: Case) -> Shape:
        return case.images[0], 10

    @misconception(
        "You count as if both convolutions kept the size; without padding each of them loses rows."
    )
    def convolutions_keep_the_size(self, case):
        return self.changed(case, 7, in_features=16 * 7 * 7)

    @misconception("You counted up to the second convolution; a pooling comes after it.")
    def last_pooling_forgotten(self, case):
        return self.changed(case, 7, in_features=16 * 10 * 10)

    @misconception("You counted the channels only; each of them is still a map.")
    def channels_only(self, case):
        return self.changed(case, 7, in_features=16)

    @misconception("It is still the broken network.")
    def still_broken(self, case):
        return self.changed(case, 7)


class RepairAutoencoder(Repair):
    """An autoencoder whose images come back too small: one number is wrong."""

    name = "repair_autoencoder"
    points = 3
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

    def interpret(self, outputs, case: Case) -> Shape:
        made = super().interpret(outputs, case)
        for name, arguments in outputs:
            # The device "meta" lets this pass, other devices do not.
            if max(both(arguments.get("output_padding", 0))) >= max(
                both(arguments.get("stride", 1))
            ):
                raise ValueError(f"{name}: output_padding must be smaller than the stride.")
        return made

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

    @misconception("It is still the broken network.")
    def nothing_repaired(self, case):
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
