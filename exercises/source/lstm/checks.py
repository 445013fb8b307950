"""The specs of the assignment lstm: what torch.nn.LSTM does around one step, option by option.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
LSTM_OF_TORCH = ("torch.nn.LSTM", "torch.lstm")

Weights = dict[str, torch.Tensor]
State = tuple[torch.Tensor, torch.Tensor]


@cache
def lstm(*sizes: int, **options: object) -> nn.LSTM:
    """Make a layer whose parameters have names and shapes, and no memory: others are put in."""
    return nn.LSTM(*sizes, **options, device="meta")


def draw_weights(draw: Draw, *sizes: int, dtype: torch.dtype, **options: object) -> Weights:
    """Draw what torch.nn.LSTM(*sizes, **options) holds, by its own names and shapes."""
    shapes = {name: value.shape for name, value in lstm(*sizes, **options).named_parameters()}
    return {name: draw.normal(*shape, scale=0.5, dtype=dtype) for name, shape in shapes.items()}


def torch_lstm(weights: Weights, x: torch.Tensor, state: State | None, **options: object):
    """Run torch.nn.LSTM with these parameters, whose names say which options it needs."""
    rows, H_in = weights["weight_ih_l0"].shape
    layer = lstm(
        H_in,
        rows // 4,
        num_layers=sum(name.startswith("weight_hh") and name[-1] != "e" for name in weights),
        bidirectional="weight_ih_l0_reverse" in weights,
        bias="bias_ih_l0" in weights,
        proj_size=len(weights.get("weight_hr_l0", ())),
        **options,
    )
    return functional_call(layer, weights, (x, state))


def part(weights: Weights, end: str, both: bool = False) -> Weights:
    """Take one reader out of a stack, or both readers of a layer, as a stack of their own."""
    ends = {end: "_l0", f"{end}_reverse": "_l0_reverse"} if both else {end: "_l0"}
    return {
        f"{name}{new}": weights[f"{name}{old}"]
        for old, new in ends.items()
        for name in NAMES
        if f"{name}{old}" in weights
    }


def read(weights: Weights, end: str, x: torch.Tensor, state: State):
    """Do what lstm_layer of the assignment lstm-cell does: this is the layer that is given."""
    h, c = state
    output = []
    for x_t in x:
        h, c = torch.lstm_cell(x_t, (h, c), *(weights[f"{name}{end}"] for name in NAMES))
        output.append(h)
    return torch.stack(output), (h, c)


def by_layer(weights: Weights, x: torch.Tensor, start: State, change: Callable[..., tuple]):
    """Run the layers of two readers one after the other, and change what each of them makes.

    Args:
        change: gets the layer's number, its input, what each of its readers puts out, and its
            final states; returns the two halves of its output, and the final states.
    """
    ends = []
    for k in range(len(start[0]) // 2):
        h, c = (rows[2 * k : 2 * k + 2] for rows in start)
        output, state = torch_lstm(part(weights, f"_l{k}", both=True), x, (h, c))
        *halves, state = change(k, x, *output.chunk(2, dim=2), state)
        x = torch.cat(halves, dim=2)
        ends.append(state)
    h_n, c_n = (torch.cat(states) for states in zip(*ends, strict=True))
    return x, (h_n, c_n)


def misread(
    weights: Weights,
    x: torch.Tensor,
    start: State,
    turn: Callable[[torch.Tensor], torch.Tensor],
    handed_over: bool = False,
):
    """Let the second reader of each layer read its input turned in another way, and back.

    Args:
        handed_over: whether it starts from where the first reader has ended.
    """

    def change(k, x, first, second, state):
        h, c = (rows[:1] for rows in state)
        own = tuple(rows[2 * k + 1 : 2 * k + 2] for rows in start)
        reverse = part(weights, f"_l{k}_reverse")
        again, (h_2, c_2) = torch_lstm(reverse, turn(x), (h, c) if handed_over else own)
        return first, turn(again), (torch.cat([h, h_2]), torch.cat([c, c_2]))

    return by_layer(weights, x, start, change)


def leave_turned(k, x, first, second, state):
    """Leave what the second reader puts out in the order in which it was read."""
    return first, second.flip(0), state


def exchange_halves(k, x, first, second, state):
    """Put what the second reader puts out before what the first one does."""
    return second, first, state


def without_start(case: Case) -> Case:
    """Let all states start from zeros."""
    return case.with_(h_0=torch.zeros_like(case.h_0), c_0=torch.zeros_like(case.c_0))


class StackedLSTM(Spec):
    """Several layers, batch first, against torch.nn.LSTM.

    Shape:
        - x: (N, L, H_in), h_0 and c_0: (num_layers, N, H_out)
        - Output: output (N, L, H_out), and (h_n, c_n), each (num_layers, N, H_out)
    """

    name = "stacked_lstm"
    points = 3
    returns = ("output", ("h_n", "c_n"))
    gradients = ("x", "h_0", "c_0", "weights")
    forbids = LSTM_OF_TORCH
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "two layers", 2)
        yield self.case(draw, "three layers", 3)
        yield self.case(draw, "a batch of one", 2, N=1)
        case = self.case(draw, "float32, not contiguous", 2, dtype=torch.float32)
        yield case.with_(x=relayout(case.x), h_0=relayout(case.h_0), c_0=relayout(case.c_0))

    def case(
        self,
        draw: Draw,
        label: str,
        num_layers: int,
        N: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        L, H_in, H_out, batch = draw.primes(4)
        N = N or batch
        return Case(
            label,
            x=draw.normal(N, L, H_in, dtype=dtype),
            h_0=draw.normal(num_layers, N, H_out, dtype=dtype),
            c_0=draw.normal(num_layers, N, H_out, dtype=dtype),
            weights=draw_weights(draw, H_in, H_out, num_layers, dtype=dtype),
        )

    def call(self, student, case: Case):
        # The layers are given, so that a mistake in lstm-cell is not punished a second time.
        layers = [partial(read, case.weights, f"_l{k}") for k in range(len(case.h_0))]
        return student(layers, case.x, case.h_0, case.c_0)

    def reference(self, case: Case):
        return torch_lstm(case.weights, case.x, (case.h_0, case.c_0), batch_first=True)

    @misconception(
        "Your layers get x as it is. They read along the first dimension, and in this x that is "
        "the batch and not the time."
    )
    def batch_read_as_time(self, case):
        return read(case.weights, "_l0", case.x, (case.h_0[0], case.c_0[0]))

    @misconception(
        "You reshape x where two of its dimensions should change places: the shape fits, but the "
        "numbers of different sequences are mixed up."
    )
    def x_reshaped(self, case):
        N, L, H_in = case.x.shape
        return self.reference(case.with_(x=case.x.reshape(L, N, H_in).transpose(0, 1)))

    @misconception(
        "You reshape the output where two of its dimensions should change places: the shape fits, "
        "but the numbers of different sequences are mixed up."
    )
    def output_reshaped(self, case):
        output, state = self.reference(case)
        return output.transpose(0, 1).reshape(output.shape), state

    @misconception("Your output has the time first; with batch_first it is (N, L, H_out).")
    def output_time_first(self, case):
        output, state = self.reference(case)
        return output.transpose(0, 1), state

    @misconception(
        "Your h_n and c_n have the batch first. batch_first is about the input and the output "
        "only; the states keep the shape (num_layers, N, H_out)."
    )
    def states_batch_first(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output, (h_n.transpose(0, 1), c_n.transpose(0, 1))

    @misconception("Every layer of yours reads x; only the lowest one does.")
    def all_layers_read_x(self, case):
        x = case.x.transpose(0, 1)
        return read(case.weights, "_l1", x, (case.h_0[1], case.c_0[1]))

    @misconception(
        "Each layer starts where the layer below has ended. Only the outputs go up; every layer "
        "has an initial state of its own."
    )
    def state_goes_up(self, case):
        below = case.x
        state = case.h_0[:1], case.c_0[:1]
        ends = []
        for k in range(len(case.h_0)):
            one = part(case.weights, f"_l{k}")
            below, state = torch_lstm(one, below, state, batch_first=True)
            ends.append(state)
        h_n, c_n = (torch.cat(states) for states in zip(*ends, strict=True))
        return below, (h_n, c_n)

    @misconception("Every layer starts from the state that is meant for the lowest one.")
    def one_start_for_all(self, case):
        return self.reference(
            case.with_(h_0=case.h_0[:1].expand_as(case.h_0), c_0=case.c_0[:1].expand_as(case.c_0))
        )

    @misconception("Your layers start from zeros and ignore the initial state that they are given.")
    def start_ignored(self, case):
        return self.reference(without_start(case))

    @misconception(
        "You return the final state of the top layer alone; h_n and c_n have a row for each layer."
    )
    def top_state_only(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output, (h_n[-1], c_n[-1])

    @misconception(
        "The final states of your layers are joined along the batch; in h_n and c_n the layers are "
        "a dimension of their own: (num_layers, N, H_out)."
    )
    def states_joined(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output, (h_n.flatten(0, 1), c_n.flatten(0, 1))

    @misconception("Your output is that of the lowest layer; it should be that of the top layer.")
    def lowest_output(self, case):
        lowest = part(case.weights, "_l0")
        start = case.h_0[:1], case.c_0[:1]
        output, _ = torch_lstm(lowest, case.x, start, batch_first=True)
        return output, self.reference(case)[1]

    @misconception("You return c_n before h_n; torch returns h_n first.")
    def states_exchanged(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output, (c_n, h_n)


class BidirectionalLSTM(Spec):
    """Two readers in each layer, against torch.nn.LSTM with bidirectional=True.

    Shape:
        - x: (L, N, H_in), h_0 and c_0: (2*num_layers, N, H_out)
        - Output: output (L, N, 2*H_out), and (h_n, c_n), each (2*num_layers, N, H_out)
    """

    name = "bidirectional_lstm"
    points = 4
    returns = ("output", ("h_n", "c_n"))
    gradients = ("x", "h_0", "c_0", "weights")
    forbids = LSTM_OF_TORCH
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "two layers", 2)
        yield self.case(draw, "three layers", 3)
        yield self.case(draw, "a batch of one", 2, N=1)
        case = self.case(draw, "float32, not contiguous", 2, dtype=torch.float32)
        yield case.with_(x=relayout(case.x), h_0=relayout(case.h_0), c_0=relayout(case.c_0))

    def case(
        self,
        draw: Draw,
        label: str,
        num_layers: int,
        N: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        L, H_in, H_out, batch = draw.primes(4, below=8)
        N = N or batch
        return Case(
            label,
            x=draw.normal(L, N, H_in, dtype=dtype),
            h_0=draw.normal(2 * num_layers, N, H_out, dtype=dtype),
            c_0=draw.normal(2 * num_layers, N, H_out, dtype=dtype),
            weights=draw_weights(draw, H_in, H_out, num_layers, bidirectional=True, dtype=dtype),
        )

    def call(self, student, case: Case):
        layers = [
            tuple(partial(read, case.weights, f"_l{k}{end}") for end in ("", "_reverse"))
            for k in range(len(case.h_0) // 2)
        ]
        return student(layers, case.x, case.h_0, case.c_0)

    def reference(self, case: Case):
        return torch_lstm(case.weights, case.x, (case.h_0, case.c_0))

    def changed(self, case: Case, change: Callable[..., tuple]):
        return by_layer(case.weights, case.x, (case.h_0, case.c_0), change)

    def misread(self, case: Case, turn: Callable, **options: bool):
        return misread(case.weights, case.x, (case.h_0, case.c_0), turn, **options)

    @misconception("Both of your readers begin at the first step; the second begins at the last.")
    def both_forwards(self, case):
        return self.misread(case, lambda x: x)

    @misconception(
        "You turn the batch round, and not the time: the first dimension is the time here."
    )
    def batch_turned(self, case):
        return self.misread(case, lambda x: x.flip(1))

    @misconception(
        "The second reader's output stays in the order in which it was read: what lies side by "
        "side in your output does not belong to the same step."
    )
    def not_turned_back(self, case):
        return self.changed(case, leave_turned)

    @misconception(
        "The backward half lies before the forward half in your output; it comes after it."
    )
    def halves_exchanged(self, case):
        return self.changed(case, exchange_halves)

    @misconception(
        "What your lowest layer passes on has H_out numbers a step. The next layer reads what both "
        "readers say, side by side."
    )
    def too_narrow(self, case):
        narrow = case.x[:, :, :1].expand(-1, -1, case.h_0.shape[2])
        return read(case.weights, "_l1", narrow, (case.h_0[2], case.c_0[2]))

    def with_starts(self, case: Case, rows: torch.Tensor):
        """Let the readers start from other rows of h_0 and c_0."""
        return self.reference(case.with_(h_0=case.h_0[rows], c_0=case.c_0[rows]))

    def rows(self, case: Case, *sizes: int) -> torch.Tensor:
        """Number the rows of h_n along the other one of two dimensions."""
        return torch.arange(len(case.h_0)).view(sizes).T.flatten()

    @misconception(
        "Your h_n and c_n have all forward states first and then all backward ones. Torch goes "
        "layer by layer, and through the directions within a layer."
    )
    def direction_by_direction(self, case):
        order = self.rows(case, -1, 2)
        output, (h_n, c_n) = self.reference(case)
        return output, (h_n[order], c_n[order])

    @misconception(
        "You take the rows of all states direction by direction, those you are given and those "
        "you return. Torch goes layer by layer, and through the directions within a layer."
    )
    def direction_by_direction_throughout(self, case):
        order = self.rows(case, 2, -1)
        return self.direction_by_direction(case.with_(h_0=case.h_0[order], c_0=case.c_0[order]))

    @misconception(
        "Within each layer your states have the backward reader first; the forward one comes first."
    )
    def rows_exchanged(self, case):
        order = self.rows(case, -1, 2).view(2, -1).flip(0).T.flatten()
        output, (h_n, c_n) = self.reference(case)
        return output, (h_n[order], c_n[order])

    @misconception(
        "For the backward reader your h_n holds its state at the last step of the sequence. That "
        "is where it begins; its final state is the one after its own last step."
    )
    def backward_h_from_its_first_step(self, case):
        def change(k, x, first, second, state):
            return first, second, (torch.stack([first[-1], second[-1]]), state[1])

        return self.changed(case, change)

    @misconception(
        "Both readers of a layer start from the row that is meant for the forward one; each reader "
        "has a row of its own."
    )
    def forward_start_for_both(self, case):
        return self.with_starts(case, torch.arange(len(case.h_0)) // 2 * 2)

    @misconception(
        "Both readers of layer k start from row k; there are two rows for each layer, one for each "
        "of its readers."
    )
    def row_of_the_layer(self, case):
        return self.with_starts(case, torch.arange(len(case.h_0)) // 2)

    @misconception(
        "The backward reader of each layer starts where the forward one has ended; it has an "
        "initial state of its own."
    )
    def state_handed_over(self, case):
        return self.misread(case, lambda x: x.flip(0), handed_over=True)

    @misconception("Your readers start from zeros and ignore the initial state that is given.")
    def start_ignored(self, case):
        return self.reference(without_start(case))


class LSTMDropout(Spec):
    """Dropout between the layers, against torch.nn.functional.dropout where torch.nn.LSTM has it.

    What is compared is not the numbers, which are random, but what has happened to them on the
    way from one layer to the next.

    Shape:
        - x: (L, N, H_in)
        - Output: (L, N, H_out)
    """

    name = "lstm_dropout"
    points = 4
    returns = (
        "the number of layer calls",
        *(
            (f"the dropping {place}", f"the scaling {place}")
            for place in ("after the top layer", *(f"before layers[{k}]" for k in range(3)))
        ),
    )
    forbids = (
        *LSTM_OF_TORCH,
        *(f"torch.nn.functional.dropout{kind}" for kind in ("", "1d", "2d", "3d")),
        "torch.nn.Dropout",
        "torch.dropout",
        "torch.native_dropout",
        "torch.feature_dropout",
    )
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "three layers in training", 3, 0.2)
        yield self.case(draw, "two layers in training, float32", 2, 0.6, dtype=torch.float32)
        yield self.case(draw, "three layers in evaluation", 3, 0.6, training=False)
        yield self.case(draw, "one layer in training", 1, 0.6)
        yield self.case(draw, "p = 0", 2, 0.0)

    def case(
        self,
        draw: Draw,
        label: str,
        num_layers: int,
        p: float,
        training: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        L, N, H_in, H_out = 11, 7, 5, 13  # A thousand numbers: the share of zeros is near p.
        return Case(
            label,
            x=draw.normal(L, N, H_in, dtype=dtype),
            p=p,
            training=training,
            weights=draw_weights(draw, H_in, H_out, num_layers, dtype=dtype),
        )

    def layers(self, case: Case) -> list[Callable[[torch.Tensor], torch.Tensor]]:
        """Make layers that start from zeros and put out nothing but their output."""
        zeros = case.x.new_zeros(case.x.shape[1], case.weights["weight_hh_l0"].shape[1])
        count = len(case.weights) // len(NAMES)
        return [
            lambda x, k=k: read(case.weights, f"_l{k}", x, (zeros, zeros))[0] for k in range(count)
        ]

    def call(self, student, case: Case):
        seen: dict[str, list] = {"read": [], "made": []}

        def watched(layer):
            def run(x):
                seen["read"].append(x.clone())
                output = layer(x)
                seen["made"].append(output.clone())
                return output

            return run

        layers = [watched(layer) for layer in self.layers(case)]
        output = student(layers, case.x, case.p, case.training)
        return None if output is None else {**seen, "output": output}

    def interpret(self, outputs, case: Case):
        count, calls = len(self.layers(case)), len(outputs["made"])
        if calls != count:
            return calls, *[("not looked at", "not looked at")] * (count + 1)
        before = [case.x, *outputs["made"]]
        after = [*outputs["read"], outputs["output"]]
        return self.told(before, after, case.p)

    def told(self, before: list, after: list, p: float):
        """Say how often layers were called, and what happens after and before them."""
        earlier = [None, *after[:-1]]
        *reads, output = (
            self.change(*three, p) for three in zip(before, after, earlier, strict=True)
        )
        return len(reads), output, *reads

    def change(self, before: torch.Tensor, after: object, earlier: object, p: float):
        """Say in words which numbers are dropped and how the others are scaled.

        Args:
            before: what a layer puts out.
            after: what the next one reads.
            earlier: what the layer itself reads.
        """
        if not isinstance(after, torch.Tensor):
            return "no tensor", "no tensor"
        if after.shape != before.shape or after.dtype != before.dtype:
            return "another shape or dtype", "another shape or dtype"
        kept = after != 0
        factors = (after / before)[kept]
        scales = {"none": 1, "by 1 / (1 - p)": 1 / (1 - p), "by 1 - p": 1 - p}
        if p:
            scales["by 1 / p"] = 1 / p
        near = [text for text, factor in scales.items() if self.all_near(factors, factor)]
        return self.dropping(kept, earlier, p), near[0] if near else "other numbers"

    def all_near(self, factors: torch.Tensor, factor: float) -> bool:
        return torch.allclose(factors, torch.full_like(factors, factor), rtol=1e-4)

    def dropping(self, kept: torch.Tensor, earlier: object, p: float) -> str:
        """Say which numbers are dropped."""
        if kept.all():
            return "none"
        if (kept == kept[:1]).all():
            return "the same at every step"
        if (kept == kept[:, :1]).all():
            return "the same in every sequence"
        if (kept == kept[:, :, :1]).all():
            return "all of a step or none"
        if isinstance(earlier, torch.Tensor) and torch.equal(kept, earlier != 0):
            return "the same as one layer below"
        share = 1 - kept.double().mean().item()
        # Six standard deviations are 0.1 here.
        shares = {"with probability p": p, "with probability 1 - p": 1 - p}
        near = [text for text, wanted in shares.items() if abs(share - wanted) < 0.1]
        return near[0] if near else "too many or too few"

    def happens(self, case: Case, drop=None, on_input=False, between=True, on_output=False):
        """Say what is to be seen where ``drop`` is at work in these places."""
        drop = drop or partial(F.dropout, p=case.p, training=case.training)
        layers = self.layers(case)
        places = [on_input, *[between] * (len(layers) - 1), on_output]
        before, after = [case.x], []
        for place, layer in zip(places, [*layers, None], strict=True):
            after.append(drop(before[-1]) if place else before[-1])
            if layer:
                before.append(layer(after[-1]))
        return self.told(before, after, case.p)

    def reference(self, case: Case):
        return self.happens(case)

    @misconception("The output of the top layer is dropped as well; nothing comes after it.")
    def after_the_last(self, case):
        return self.happens(case, on_output=True)

    @misconception("The input x is dropped as well; it does not come from a layer.")
    def before_the_first(self, case):
        return self.happens(case, on_input=True)

    @misconception("You drop before the lowest layer and after the top one, too.")
    def everywhere(self, case):
        return self.happens(case, on_input=True, on_output=True)

    @misconception("You drop numbers in evaluation, too.")
    def in_evaluation(self, case):
        return self.happens(case, partial(F.dropout, p=case.p))

    @misconception(
        "You drop numbers in evaluation and none in training; it should be the other way round."
    )
    def modes_exchanged(self, case):
        return self.happens(case, partial(F.dropout, p=case.p, training=not case.training))

    @misconception("What is kept is not scaled, so its mean gets smaller in training.")
    def not_scaled(self, case):
        keep = 1 - case.p * case.training
        return self.happens(case, lambda x: F.dropout(x, case.p, case.training) * keep)

    @misconception(
        "Your numbers are not scaled in training but in evaluation. That evens out, too, but torch "
        "does it in training, so that there is nothing to do in evaluation."
    )
    def scaled_in_evaluation(self, case):
        return self.happens(case, lambda x: F.dropout(x, case.p, case.training) * (1 - case.p))

    @misconception("p is the probability that a number is dropped, and yours is kept with it.")
    def kept_with_p(self, case):
        def drop(x):
            kept = F.dropout(torch.ones_like(x), 1 - case.p) != 0
            return x * kept / (1 - case.p) if case.training else x

        return self.happens(case, drop)

    @misconception("What is kept is divided by p, the share that is dropped.")
    def divided_by_p(self, case):
        def drop(x):
            kept = F.dropout(x, case.p, case.training)
            return kept * (1 - case.p) / torch.tensor(case.p) if case.training else x

        return self.happens(case, drop)

    @misconception("You drop the same numbers at every step; each step has a draw of its own.")
    def one_draw_for_all_steps(self, case):
        return self.happens(
            case, lambda x: x * F.dropout(torch.ones_like(x[:1]), case.p, case.training)
        )

    @misconception(
        "You drop the same numbers above every layer; what each layer puts out has draws of its "
        "own."
    )
    def one_draw_for_all_layers(self, case):
        *sizes, _ = case.x.shape
        ones = case.x.new_ones(*sizes, case.weights["weight_hh_l0"].shape[1])
        factors = F.dropout(ones, case.p, case.training)
        return self.happens(case, lambda x: x * factors)

    @misconception("Nothing is dropped between your layers.")
    def nothing_dropped(self, case):
        return self.happens(case, between=False)


class ProjectedLSTM(Spec):
    """A hidden state smaller than the memory, against torch.nn.LSTM with proj_size.

    Shape:
        - weight_hr: (H_out, H_cell), x: (L, N, H_in), h: (N, H_out), c: (N, H_cell)
        - Output: output (L, N, H_out), and (h_n, c_n), (N, H_out) and (N, H_cell)
    """

    name = "projected_lstm"
    points = 3
    returns = ("output", ("h_n", "c_n"))
    gradients = ("weight_hr", "x", "h", "c", "weights")
    forbids = LSTM_OF_TORCH
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a small batch")
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "float32", dtype=torch.float32)
        case = self.case(draw, "not contiguous")
        yield case.with_(x=relayout(case.x), weight_hr=relayout(case.weight_hr))

    def case(
        self,
        draw: Draw,
        label: str,
        N: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        L, H_in, batch, *sizes = draw.primes(5)
        H_out, H_cell = sorted(sizes)
        N = N or batch
        weights = draw_weights(draw, H_in, H_cell, proj_size=H_out, dtype=dtype)
        return Case(
            label,
            weight_hr=weights.pop("weight_hr_l0"),
            x=draw.normal(L, N, H_in, dtype=dtype),
            h=draw.normal(N, H_out, dtype=dtype),
            c=draw.normal(N, H_cell, dtype=dtype),
            weights=weights,
        )

    def cell(self, case: Case, x: torch.Tensor, state: State) -> State:
        """Do a step before the projection.

        Torch has no cell for an h that is smaller than c.  So x and h go in side by side, and
        where the cell expects h it gets zeros.
        """
        h, c = state
        wide = torch.cat([case.weights["weight_ih_l0"], case.weights["weight_hh_l0"]], dim=1)
        zeros = wide.new_zeros(len(wide), len(wide) // 4)
        biases = case.weights["bias_ih_l0"], case.weights["bias_hh_l0"]
        both = torch.cat([x, h], dim=1)
        return torch.lstm_cell(both, (torch.zeros_like(c), c), wide, zeros, *biases)

    def call(self, student, case: Case):
        cell = partial(self.cell, case)
        return student(cell, case.weight_hr, case.x, case.h, case.c)

    def reference(self, case: Case):
        weights = {**case.weights, "weight_hr_l0": case.weight_hr}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It is said to be slower than without a projection.
            output, (h, c) = torch_lstm(weights, case.x, (case.h.unsqueeze(0), case.c.unsqueeze(0)))
        return output, (h.squeeze(0), c.squeeze(0))

    def steps(self, case: Case, make: Callable[..., torch.Tensor]):
        """Run the cell, with the h that ``make(shown, c)`` makes of each step.

        Returns:
            The answer, and what the cell showed at every step, (L, N, H_cell).
        """
        h, c = case.h, case.c
        hs, all_shown = [], []
        for x in case.x:
            shown, c = self.cell(case, x, (h, c))
            h = make(shown, c)
            hs.append(h)
            all_shown.append(shown)
        return (torch.stack(hs), (h, c)), torch.stack(all_shown)

    def shown(self, case: Case) -> torch.Tensor:
        return self.steps(case, lambda shown, c: F.linear(shown, case.weight_hr))[1]

    @misconception(
        "The next step of yours reads what the cell shows, with its H_cell numbers; it should read "
        "the projected h."
    )
    def projected_at_the_end(self, case):
        return self.cell(case, case.x[0], (case.c, case.c))

    @misconception("You project the memory c as well; it keeps its H_cell numbers.")
    def memory_projected(self, case):
        return self.cell(case, case.x[0], (case.h, case.h))

    @misconception("Your output collects what the cell shows before the projection.")
    def output_not_projected(self, case):
        _, state = self.reference(case)
        return self.shown(case), state

    @misconception("Your output is right, but the h_n that you return is not projected.")
    def last_h_not_projected(self, case):
        output, (_, c_n) = self.reference(case)
        return output, (self.shown(case)[-1], c_n)

    @misconception(
        "weight_hr is multiplied without being transposed: it has the shape (H_out, H_cell), and "
        "what the cell shows has the shape (N, H_cell)."
    )
    def not_transposed(self, case):
        return case.c @ case.weight_hr

    @misconception(
        "weight_hr stands to the left of what the cell shows, as in the equation, which is about "
        "one column; here the sequences are rows."
    )
    def weight_hr_first(self, case):
        return case.weight_hr @ case.c

    @misconception(
        "weight_hr is reshaped where it should be transposed: the shape fits, but the numbers "
        "land in other places."
    )
    def reshaped(self, case):
        turned = case.weight_hr.reshape(case.weight_hr.shape[::-1]).T
        return self.reference(case.with_(weight_hr=turned))

    @misconception("You project the memory c. It is what the cell shows of it that is projected.")
    def memory_shown(self, case):
        return self.steps(case, lambda shown, c: F.linear(c, case.weight_hr))[0]

    @misconception(
        "You apply a tanh to the projected h. The projection is the last thing that happens to it."
    )
    def tanh_after_projection(self, case):
        return self.steps(case, lambda shown, c: torch.tanh(F.linear(shown, case.weight_hr)))[0]

    @misconception("Your output and your h_n are right, but you return the first c for c_n.")
    def first_memory_returned(self, case):
        output, (h_n, _) = self.reference(case)
        return output, (h_n, case.c)

    @misconception("Every step of yours starts from the initial h; it is not carried on.")
    def h_not_carried(self, case):
        c, hs = case.c, []
        for x in case.x:
            shown, c = self.cell(case, x, (case.h, c))
            hs.append(F.linear(shown, case.weight_hr))
        return torch.stack(hs), (hs[-1], c)


class LSTMLengths(Spec):
    """Sequences of different length, against torch.nn.LSTM on a packed sequence.

    Shape:
        - x: (L, N, H_in), lengths: (N,), h and c: (N, H_out)
        - Output: output (L, N, H_out), and (h_n, c_n), each (N, H_out)
    """

    name = "lstm_lengths"
    points = 5
    returns = ("output", ("h_n", "c_n"))
    gradients = ("x", "h", "c", "weights")
    forbids = LSTM_OF_TORCH
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch of three")
        yield self.case(draw, "a larger batch", N=11)
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "float32", dtype=torch.float32)
        case = self.case(draw, "large numbers in the padding")
        for n, length in enumerate(case.lengths.tolist()):
            case.x[length:, n] *= 100
        yield case.with_(x=relayout(case.x))
        case = self.case(draw, "all shorter than L")
        yield case.with_(lengths=case.lengths - 1)

    def case(self, draw: Draw, label: str, N: int = 3, dtype: torch.dtype = torch.float64) -> Case:
        H_in, H_out = draw.primes(2)
        L = 7
        # No sequence is shorter than 3.  The second is the longest, so they are not in order.
        lengths = draw.integers(N, low=3, high=L - 1)
        lengths[1:2] = L
        return Case(
            label,
            x=draw.normal(L, N, H_in, dtype=dtype),
            lengths=lengths,
            h=draw.normal(N, H_out, dtype=dtype),
            c=draw.normal(N, H_out, dtype=dtype),
            weights=draw_weights(draw, H_in, H_out, dtype=dtype),
        )

    def call(self, student, case: Case):
        names = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
        given = {short: case.weights[f"{name}_l0"] for short, name in names.items()}
        cell = partial(torch.lstm_cell, **given)
        return student(cell, case.x, case.lengths, case.h, case.c)

    def reference(self, case: Case):
        packed = pack_padded_sequence(case.x, case.lengths, enforce_sorted=False)
        start = case.h.unsqueeze(0), case.c.unsqueeze(0)
        packed, (h, c) = torch_lstm(case.weights, packed, start)
        output, _ = pad_packed_sequence(packed, total_length=len(case.x))
        return output, (h.squeeze(0), c.squeeze(0))

    def all_read(self, case: Case):
        """Answer as if every sequence had L steps."""
        return self.reference(case.with_(lengths=torch.full_like(case.lengths, len(case.x))))

    @misconception("Your layer reads the padding as if it were part of the sequences.")
    def padding_read(self, case):
        return self.all_read(case)

    @misconception(
        "You put zeros in the place of the padding, and the cell reads those. A step that reads "
        "zeros changes the state as well."
    )
    def padding_zeroed(self, case):
        runs = torch.arange(len(case.x)).unsqueeze(1) < case.lengths
        return self.all_read(case.with_(x=case.x * runs.unsqueeze(2)))

    @misconception(
        "Your output ends with the longest sequence; it has all L steps, even if no sequence has."
    )
    def cut_to_the_longest(self, case):
        output, state = self.reference(case)
        return output[: int(case.lengths.max())], state

    @misconception(
        "Your output is zero where a sequence has ended, but its state goes on through the padding."
    )
    def state_goes_on(self, case):
        output, _ = self.reference(case)
        return output, self.all_read(case)[1]

    @misconception(
        "Your states stop where they should, but the output goes on after the end of a sequence; "
        "there it should be zero."
    )
    def output_goes_on(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output + (output == 0) * h_n, (h_n, c_n)

    @misconception(
        "h stops at the end of its sequence, but c goes on. Both of them are the state of the "
        "layer."
    )
    def memory_goes_on(self, case):
        output, (h_n, c_n) = self.reference(case)
        cell = partial(read, case.weights, "_l0")
        rows = []
        for n, length in enumerate(case.lengths.tolist()):
            h, c = h_n[n : n + 1], c_n[n : n + 1]
            for x in case.x[length:, n : n + 1]:
                _, (_, c) = cell(x.unsqueeze(0), (h, c))
            rows.append(c)
        return output, (h_n, torch.cat(rows))

    def ended(self, case: Case) -> torch.Tensor:
        return (case.lengths < len(case.x)).unsqueeze(1)

    @misconception(
        "The state becomes zero where a sequence has ended; it should stay what it was at the end."
    )
    def state_zeroed(self, case):
        output, (h_n, c_n) = self.reference(case)
        ended = self.ended(case)
        return output, (h_n.masked_fill(ended, 0), c_n.masked_fill(ended, 0))

    @misconception(
        "Your h_n is the last step of the output, and there it is zero for a sequence that has "
        "ended before."
    )
    def h_n_from_output(self, case):
        output, (_, c_n) = self.reference(case)
        return output, (output[-1], c_n)

    @misconception("Your sequences end one step too early.")
    def one_step_short(self, case):
        return self.reference(case.with_(lengths=case.lengths - 1))

    @misconception("Your sequences end one step too late.")
    def one_step_long(self, case):
        return self.reference(case.with_(lengths=(case.lengths + 1).clamp(max=len(case.x))))

    @misconception(
        "Your answer has the sequences sorted by length; they should come back in the order in "
        "which they were given."
    )
    def left_sorted(self, case):
        output, (h_n, c_n) = self.reference(case)
        order = case.lengths.argsort(descending=True, stable=True)
        return output[:, order], (h_n[order], c_n[order])


class LSTMModule(ModuleSpec):
    """A module with the parameters and the options of torch.nn.LSTM.

    Shape:
        - x: (L, N, H_in), or (N, L, H_in) with batch_first, h_0 and c_0: (D*num_layers, N, H_out)
        - Output: output (L, N, D*H_out), or (N, L, D*H_out) with batch_first, and (h_n, c_n),
          each (D*num_layers, N, H_out)
    """

    name = "lstm_module"
    points = 6
    returns = ("output", ("h_n", "c_n"))
    gradients = ("inputs", "state")
    forbids = LSTM_OF_TORCH
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "nothing but the sizes", start=False)
        yield self.case(draw, "two layers", num_layers=2)
        yield self.case(draw, "no bias", bias=False)
        yield self.case(draw, "both directions", num_layers=2, bidirectional=True)
        yield self.case(draw, "batch first", start=False, num_layers=2, batch_first=True)
        yield self.case(
            draw,
            "everything at once, float32",
            dtype=torch.float32,
            num_layers=3,
            bias=False,
            batch_first=True,
            bidirectional=True,
        )

    def case(
        self,
        draw: Draw,
        label: str,
        start: bool = True,
        dtype: torch.dtype = torch.float64,
        **options: int,
    ) -> Case:
        L, N, H_in, H_out = draw.primes(4, below=8)
        state = draw_weights(draw, H_in, H_out, dtype=dtype, **options)
        rows = sum(name.startswith("weight_hh") for name in state)
        x = draw.normal(*((N, L) if options.get("batch_first") else (L, N)), H_in, dtype=dtype)
        h_0, c_0 = (draw.normal(rows, N, H_out, dtype=dtype) for _ in range(2))
        return Case(
            label,
            arguments={"input_size": H_in, "hidden_size": H_out, **options},
            inputs=(x, (h_0, c_0)) if start else (x,),
            state=state,
        )

    def reference(self, case: Case):
        layer = nn.LSTM(**case.arguments, device="meta")
        return functional_call(layer, dict(case.state), tuple(case.inputs))

    def is_batch_first(self, case: Case) -> bool:
        return case.arguments.get("batch_first", False)

    def first_step(self, case: Case, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
        """Do the first step of the lowest layer, which raises what a mistake in it leads to."""
        return torch.lstm_cell(x, (h, c), *part(case.state, "_l0").values())

    @misconception("batch_first makes no difference in your module.")
    def batch_first_ignored(self, case):
        if self.is_batch_first(case) and len(case.inputs) == 2:
            x, (h_0, c_0) = case.inputs
            return self.first_step(case, x[0], h_0[0], c_0[0])
        return self.reference(case.with_(arguments={**case.arguments, "batch_first": False}))

    @misconception("With batch_first your output still has the time first.")
    def output_time_first(self, case):
        output, state = self.reference(case)
        return output.transpose(0, 1) if self.is_batch_first(case) else output, state

    @misconception(
        "With batch_first your h_n and c_n have the batch first, too. It is about x and the output "
        "only."
    )
    def states_batch_first(self, case):
        output, (h_n, c_n) = self.reference(case)
        if not self.is_batch_first(case):
            return output, (h_n, c_n)
        return output, (h_n.transpose(0, 1), c_n.transpose(0, 1))

    @misconception(
        "With batch_first you turn h_0 and c_0 round, too. It is about x and the output only."
    )
    def initial_states_turned(self, case):
        if not self.is_batch_first(case) or len(case.inputs) == 1:
            return self.reference(case)
        x, (h_0, c_0) = case.inputs
        return self.first_step(case, x[:, 0], h_0[:, 0], c_0[:, 0])

    @misconception(
        "With batch_first and no initial state, your zeros are made for L sequences; there are N."
    )
    def zeros_for_steps(self, case):
        if not self.is_batch_first(case) or len(case.inputs) == 2:
            return self.reference(case)
        x = case.inputs[0]
        zeros = x.new_zeros(x.shape[1], case.arguments["hidden_size"])
        return self.first_step(case, x[:, 0], zeros, zeros)

    @misconception(
        "The zeros that you start from are always float32; they should have the dtype of x."
    )
    def zeros_of_float32(self, case):
        if len(case.inputs) == 2:
            return self.reference(case)
        x = case.inputs[0].transpose(0, 1) if self.is_batch_first(case) else case.inputs[0]
        zeros = torch.zeros(x.shape[1], case.arguments["hidden_size"])
        return self.first_step(case, x[0], zeros, zeros)

    @misconception("Your module always starts from zeros and ignores the state that it is given.")
    def start_ignored(self, case):
        return self.reference(case.with_(inputs=case.inputs[:1]))

    @misconception("Your biases are registered as parameters but never used.")
    def biases_unused(self, case):
        state = {
            name: torch.zeros_like(value) if name.startswith("bias") else value
            for name, value in case.state.items()
        }
        return self.reference(case.with_(state=state))

    @misconception(
        "Your backward readers use the parameters of the forward ones; those that end in _reverse "
        "are registered but never used."
    )
    def reverse_unused(self, case):
        state = {name: case.state[name.removesuffix("_reverse")] for name in case.state}
        return self.reference(case.with_(state=state))

    def run_layers(self, case: Case, run: Callable[..., tuple], change: Callable):
        """Answer with by_layer or misread where there are two directions."""
        if not case.arguments.get("bidirectional"):
            return self.reference(case)
        x, start = case.inputs
        if self.is_batch_first(case):
            x = x.transpose(0, 1)
        output, state = run(case.state, x, start, change)
        return output.transpose(0, 1) if self.is_batch_first(case) else output, state

    @misconception(
        "Both directions of a layer begin at the first step; the backward one begins at the last."
    )
    def both_forwards(self, case):
        return self.run_layers(case, misread, lambda x: x)

    @misconception(
        "What the backward direction puts out stays in the order in which it was read: what lies "
        "side by side in your output does not belong to the same step."
    )
    def not_turned_back(self, case):
        return self.run_layers(case, by_layer, leave_turned)

    @misconception(
        "The backward half lies before the forward half in your output; it comes after it."
    )
    def halves_exchanged(self, case):
        return self.run_layers(case, by_layer, exchange_halves)

    @misconception(
        "Your h_n and c_n have all forward states first and then all backward ones. Torch goes "
        "layer by layer, and through the directions within a layer."
    )
    def direction_by_direction(self, case):
        output, (h_n, c_n) = self.reference(case)
        D = 2 if case.arguments.get("bidirectional") else 1
        order = torch.arange(len(h_n)).view(-1, D).T.flatten()
        return output, (h_n[order], c_n[order])

    @misconception(
        "Every reader of yours starts from the first row of the initial state; each has a row of "
        "its own."
    )
    def one_start_for_all(self, case):
        if len(case.inputs) == 1:
            return self.reference(case)
        x, state = case.inputs
        return self.reference(
            case.with_(inputs=(x, tuple(value[:1].expand_as(value) for value in state)))
        )

    @misconception("You return c_n before h_n; torch returns h_n first.")
    def states_exchanged(self, case):
        output, (h_n, c_n) = self.reference(case)
        return output, (c_n, h_n)
