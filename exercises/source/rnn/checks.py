"""The specs of the assignment rnn: torch.nn.RNN, part by part, and its training in chunks.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Iterator
from functools import cache
from itertools import accumulate, pairwise

import torch
from torch import nn
from torch.func import functional_call

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def draw_parameters(
    draw: Draw, H_in: int, H_out: int, end: str = "", **kind: object
) -> dict[str, torch.Tensor]:
    """Draw what torch.nn.RNNCell(H_in, H_out) holds; the names get an end, such as "_l0"."""
    shapes = [(H_out, H_in), (H_out, H_out), (H_out,), (H_out,)]
    return {
        name + end: draw.normal(*shape, **kind)
        for name, shape in zip(PARAMETERS, shapes, strict=True)
    }


def draw_layers(
    draw: Draw, H_in: int, H_out: int, num_layers: int = 1, D: int = 1, **kind: object
) -> dict[str, torch.Tensor]:
    """Draw what torch.nn.RNN(H_in, H_out, num_layers) holds, with D directions."""
    state = {}
    for layer in range(num_layers):
        for end in (f"_l{layer}", f"_l{layer}_reverse")[:D]:
            state |= draw_parameters(draw, D * H_out if layer else H_in, H_out, end, **kind)
    return state


@cache
def torch_rnn(*sizes: int, **options: object) -> nn.RNN:
    """Make a layer whose parameters have names and shapes, and no memory: others are put in."""
    return nn.RNN(*sizes, **options, device="meta")


def run_rnn(state: dict, x: torch.Tensor, h_0: torch.Tensor, **options: object):
    """Run torch.nn.RNN with these parameters: x (L, N, H_in), h_0 (D*num_layers, N, H_out)."""
    H_out, H_in = state["weight_ih_l0"].shape
    D = 2 if "weight_ih_l0_reverse" in state else 1
    rnn = torch_rnn(H_in, H_out, len(state) // (4 * D), bidirectional=D == 2, **options)
    return functional_call(rnn, state, (x, h_0))


def run_layer(state: dict, end: str, x: torch.Tensor, h: torch.Tensor):
    """Run one layer in one direction: x (L, N, H_in), h and h_n (N, H_out)."""
    weights = {f"{name}_l0": state[f"{name}_{end}"] for name in PARAMETERS}
    output, h_n = run_rnn(weights, x, h.unsqueeze(0))
    return output, h_n.squeeze(0)


class RNNCell(Spec):
    """One step of an RNN from its equation, against torch.nn.RNNCell.

    Shape:
        - x: (N, H_in), h: (N, H_out)
        - weight_ih: (H_out, H_in), weight_hh: (H_out, H_out), biases: (H_out,)
        - Output: (N, H_out)
    """

    name = "rnn_cell"
    points = 5
    gradients = ("x", "h", *PARAMETERS)
    forbids = (
        "torch.nn.RNN",
        "torch.nn.RNNCell",
        "torch.rnn_tanh",
        "torch.rnn_relu",
        "torch.rnn_tanh_cell",
        "torch.rnn_relu_cell",
    )
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case("a batch of one", **self.inputs(draw, N=1), nonlinearity="tanh")
        yield Case("no nonlinearity given", **self.inputs(draw))
        yield Case("relu", **self.inputs(draw), nonlinearity="relu")
        yield Case("float32", **self.inputs(draw, dtype=torch.float32), nonlinearity="relu")
        yield Case("large values", **self.inputs(draw, scale=300.0), nonlinearity="tanh")
        scattered = {name: relayout(value) for name, value in self.inputs(draw).items()}
        yield Case("not contiguous", **scattered)

    def inputs(self, draw: Draw, N: int | None = None, **kind: object) -> dict[str, torch.Tensor]:
        H_in, H_out, batch = draw.primes(3)
        N = N or batch
        return {
            "x": draw.normal(N, H_in, **kind),
            "h": draw.normal(N, H_out, **kind),
            **draw_parameters(draw, H_in, H_out, **kind),
        }

    def reference(self, case: Case) -> torch.Tensor:
        H_out, H_in = case.weight_ih.shape
        cell = nn.RNNCell(H_in, H_out, nonlinearity=case.get("nonlinearity", "tanh"), device="meta")
        return functional_call(cell, {name: case[name] for name in PARAMETERS}, (case.x, case.h))

    def with_nonlinearity(self, case: Case, nonlinearity: str) -> Case:
        return Case(case.label, **{**case, "nonlinearity": nonlinearity})

    def scaled(self, case: Case, factor: float) -> Case:
        return case.with_(**{name: case[name] * factor for name in PARAMETERS})

    def is_relu(self, case: Case) -> bool:
        return case.get("nonlinearity") == "relu"

    @misconception("bias_ih is left out: PyTorch adds two biases.")
    def bias_ih_left_out(self, case):
        return self.reference(case.with_(bias_ih=torch.zeros_like(case.bias_ih)))

    @misconception("bias_hh is left out: PyTorch adds two biases.")
    def bias_hh_left_out(self, case):
        return self.reference(case.with_(bias_hh=torch.zeros_like(case.bias_hh)))

    @misconception("Both biases are left out: the equation adds two vectors to the two products.")
    def both_biases_left_out(self, case):
        zeros = torch.zeros_like(case.bias_ih)
        return self.reference(case.with_(bias_ih=zeros, bias_hh=zeros))

    @misconception("bias_ih is added twice, and bias_hh is left out.")
    def bias_ih_twice(self, case):
        return self.reference(case.with_(bias_hh=case.bias_ih))

    @misconception(
        "weight_ih is multiplied without being transposed: it has the shape (H_out, H_in), and x "
        "has the shape (N, H_in)."
    )
    def weight_ih_not_transposed(self, case):
        return case.x @ case.weight_ih

    @misconception(
        "weight_ih stands to the left of x, as in the equation, which is about one column; here "
        "the samples are the rows of x."
    )
    def weight_ih_first(self, case):
        return case.weight_ih @ case.x

    @misconception(
        "weight_hh is multiplied with x; it belongs to h, and the matrix for x is weight_ih."
    )
    def weights_exchanged(self, case):
        return case.x @ case.weight_hh.T

    @misconception(
        "weight_hh is multiplied without being transposed: it is square, so that no error gives "
        "this away."
    )
    def weight_hh_not_transposed(self, case):
        return self.reference(case.with_(weight_hh=case.weight_hh.T))

    @misconception(
        "weight_ih is reshaped where it should be transposed: the shape fits, but the numbers "
        "land in other places."
    )
    def weight_ih_reshaped(self, case):
        reshaped = case.weight_ih.reshape(case.weight_ih.shape[::-1]).T
        return self.reference(case.with_(weight_ih=reshaped))

    @misconception(
        "The state before is left out: your new state depends on the input and on nothing else."
    )
    def state_left_out(self, case):
        return self.reference(case.with_(h=torch.zeros_like(case.h)))

    @misconception(
        "The nonlinearity is applied to each product by itself and the results are added; the "
        "equation adds first."
    )
    def added_too_late(self, case):
        from_x = case.with_(h=torch.zeros_like(case.h), bias_hh=torch.zeros_like(case.bias_hh))
        from_h = case.with_(x=torch.zeros_like(case.x), bias_ih=torch.zeros_like(case.bias_ih))
        return self.reference(from_x) + self.reference(from_h)

    @misconception("The nonlinearity is missing: you return the sum as it is.")
    def no_nonlinearity(self, case):
        case = self.with_nonlinearity(case, "relu")
        return self.reference(case) - self.reference(self.scaled(case, -1.0))

    @misconception("The argument nonlinearity is ignored: your answer is tanh for relu as well.")
    def always_tanh(self, case):
        return self.reference(self.with_nonlinearity(case, "tanh"))

    @misconception("Where no nonlinearity is given you take relu; torch takes tanh.")
    def relu_by_default(self, case):
        return self.reference(Case(case.label, **{"nonlinearity": "relu", **case}))

    @misconception("Where the nonlinearity is tanh you use a sigmoid.")
    def sigmoid_for_tanh(self, case):
        if self.is_relu(case):
            return self.reference(case)
        return (1 + self.reference(self.scaled(case, 0.5))) / 2

    @misconception(
        "Your tanh is made of exponentials that overflow: for large values there is a NaN where 1 "
        "or −1 should be."
    )
    def overflow(self, case):
        right = self.reference(case)
        if self.is_relu(case):
            return right
        return right.masked_fill(self.no_nonlinearity(case).abs().exp().isinf(), torch.nan)


class RNNSequence(Spec):
    """A cell run over a whole sequence, against torch.nn.RNN.

    Shape:
        - x: (L, N, H_in), h_0: (N, H_out)
        - Output: output (L, N, H_out) and h_n (N, H_out)
    """

    name = "rnn_sequence"
    points = 3
    returns = ("output", "h_n")
    gradients = ("x", "h_0", "state")
    forbids = ("torch.nn.RNN", "torch.rnn_tanh", "torch.rnn_relu")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a sequence of one step", L=1)
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a batch of sequences")
        yield self.case(draw, "float32", dtype=torch.float32)
        case = self.case(draw, "not contiguous")
        yield case.with_(x=relayout(case.x), h_0=relayout(case.h_0))

    def case(
        self, draw: Draw, label: str, L: int | None = None, N: int | None = None, **kind: object
    ) -> Case:
        H_in, H_out, batch, steps = draw.primes(4)
        L, N = L or steps, N or batch
        return Case(
            label,
            x=draw.normal(L, N, H_in, **kind),
            h_0=draw.normal(N, H_out, **kind),
            state=draw_parameters(draw, H_in, H_out, "_l0", scale=0.5, **kind),
        )

    def cell(self, case: Case):
        """Make the function that does one step: h = cell(x_t, h)."""
        parameters = [case.state[f"{name}_l0"] for name in PARAMETERS]
        return lambda x, h: torch.rnn_tanh_cell(x, h, *parameters)

    def call(self, student, case: Case):
        # The cell is torch's, so that a mistake in rnn_cell is not punished a second time.
        return student(self.cell(case), case.x, case.h_0)

    def reference(self, case: Case):
        return run_layer(case.state, "l0", case.x, case.h_0)

    @misconception("Every step starts from h_0: the state is not carried on.")
    def state_not_carried(self, case):
        steps = [self.reference(case.with_(x=x_t.unsqueeze(0))) for x_t in case.x]
        return torch.cat([output for output, _ in steps]), steps[-1][1]

    @misconception("You start from zeros, and ignore the initial state that you are given.")
    def initial_state_ignored(self, case):
        return self.reference(case.with_(h_0=torch.zeros_like(case.h_0)))

    @misconception("The sequence is read from its last step to its first.")
    def read_backwards(self, case):
        return self.reference(case.with_(x=case.x.flip(0)))

    @misconception(
        "Your steps go along the second axis of x, which is the batch; the time is the first axis."
    )
    def batch_read_as_time(self, case):
        return self.cell(case)(case.x[:, 0], case.h_0)

    @misconception(
        "The states are stacked along the second axis, which gives (N, L, H_out); the time axis "
        "comes first: (L, N, H_out)."
    )
    def stacked_batch_first(self, case):
        output, h_n = self.reference(case)
        return output.transpose(0, 1), h_n

    @misconception(
        "The states are joined along the batch, which gives (L*N, H_out); the time axis is an axis "
        "of its own: (L, N, H_out)."
    )
    def joined_along_batch(self, case):
        output, h_n = self.reference(case)
        return output.flatten(0, 1), h_n

    @misconception("Your output is a list of states; it should be one tensor.")
    def list_of_states(self, case):
        output, h_n = self.reference(case)
        return list(output), h_n

    @misconception("Only the last state is returned as output; every step has one.")
    def last_step_only(self, case):
        output, h_n = self.reference(case)
        return output[-1], h_n

    @misconception(
        "The output collects the state before each step; it should collect the one after it."
    )
    def collected_too_early(self, case):
        output, h_n = self.reference(case)
        return torch.cat([case.h_0.unsqueeze(0), output[:-1]]), h_n

    @misconception(
        "The output begins with h_0, so it is one step too long; it should begin with the state "
        "after the first step."
    )
    def initial_state_collected(self, case):
        output, h_n = self.reference(case)
        return torch.cat([case.h_0.unsqueeze(0), output]), h_n

    @misconception(
        "Your h_n has an axis for the layers in front; here there is one layer, and h_n is "
        "(N, H_out)."
    )
    def axis_for_layers(self, case):
        output, h_n = self.reference(case)
        return output, h_n.unsqueeze(0)

    @misconception("What you return as h_n is the initial state; it should be the last one.")
    def initial_state_returned(self, case):
        return self.reference(case)[0], case.h_0

    @misconception(
        "The state is cut off from autograd between the steps: the values stay right, but the "
        "gradient ends after one step."
    )
    def cut_at_every_step(self, case):
        states = [case.h_0, *self.reference(case)[0]]
        steps = [
            self.reference(case.with_(x=x_t.unsqueeze(0), h_0=h.detach()))
            for x_t, h in zip(case.x, states[:-1], strict=True)
        ]
        return torch.cat([output for output, _ in steps]), steps[-1][1]


class RNNLayers(Spec):
    """Several layers on top of each other, against torch.nn.RNN with num_layers.

    Shape:
        - x: (L, N, H_in), h_0: (num_layers, N, H_out)
        - Output: output (L, N, H_out) and h_n (num_layers, N, H_out)
    """

    name = "rnn_layers"
    points = 4
    returns = ("output", "h_n")
    gradients = ("x", "h_0", "state")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one layer", 1)
        yield self.case(draw, "two layers and a batch of one", 2, N=1)
        yield self.case(draw, "three layers", 3)
        yield self.case(draw, "float32", 2, dtype=torch.float32)
        yield self.case(draw, "four layers, and as many inputs as hidden numbers", 4, square=True)

    def case(
        self,
        draw: Draw,
        label: str,
        num_layers: int,
        N: int | None = None,
        square: bool = False,
        **kind: object,
    ) -> Case:
        H_in, H_out, batch, L = draw.primes(4)
        N, H_in = N or batch, H_out if square else H_in
        return Case(
            label,
            x=relayout(draw.normal(L, N, H_in, **kind)),
            h_0=draw.normal(num_layers, N, H_out, **kind),
            state=draw_layers(draw, H_in, H_out, num_layers, scale=0.4, **kind),
        )

    def layers(self, case: Case) -> list:
        """Make one function of each layer: output, h_n = layer(x, h)."""

        def layer(l: int):
            return lambda x, h: run_layer(case.state, f"l{l}", x, h)

        return [layer(l) for l in range(len(case.h_0))]

    def call(self, student, case: Case):
        # The layers are torch's, so that a mistake in rnn_sequence is not punished a second time.
        return student(self.layers(case), case.x, case.h_0)

    def reference(self, case: Case):
        return run_rnn(case.state, case.x, case.h_0)

    def outputs(self, case: Case) -> list[torch.Tensor]:
        """List what each layer puts out, from the lowest to the top."""
        parameters = list(case.state.items())  # four for each layer
        return [
            run_rnn(dict(parameters[: 4 * l]), case.x, case.h_0[:l])[0]
            for l in range(1, len(case.h_0) + 1)
        ]

    @misconception(
        "Every layer reads x; from the second layer on, a layer should read what the layer below "
        "puts out."
    )
    def all_layers_read_x(self, case):
        parts = [layer(case.x, h) for layer, h in zip(self.layers(case), case.h_0, strict=True)]
        return parts[-1][0], torch.stack([h_n for _, h_n in parts])

    @misconception("The outputs of all layers are returned; only that of the top layer should be.")
    def all_outputs_returned(self, case):
        return torch.stack(self.outputs(case)), self.reference(case)[1]

    @misconception("The output of the lowest layer is returned; it should be that of the top one.")
    def lowest_output_returned(self, case):
        return self.outputs(case)[0], self.reference(case)[1]

    @misconception("h_n holds the top layer only; it should hold the last state of every layer.")
    def top_state_only(self, case):
        output, h_n = self.reference(case)
        return output, h_n[-1]

    @misconception("The layers of h_n are in the wrong order: the lowest layer comes first.")
    def states_reversed(self, case):
        output, h_n = self.reference(case)
        return output, h_n.flip(0)

    @misconception(
        "The layers of h_n stand along the second axis, which gives (N, num_layers, H_out); they "
        "come first: (num_layers, N, H_out)."
    )
    def states_batch_first(self, case):
        output, h_n = self.reference(case)
        return output, h_n.transpose(0, 1)

    @misconception(
        "The last states are joined along the batch, which gives (num_layers*N, H_out); the layers "
        "are an axis of their own: (num_layers, N, H_out)."
    )
    def states_joined(self, case):
        output, h_n = self.reference(case)
        return output, h_n.flatten(0, 1)

    @misconception(
        "All layers start from the initial state of the lowest one; h_0 holds one for each layer."
    )
    def one_initial_state(self, case):
        return self.reference(case.with_(h_0=case.h_0[:1].expand_as(case.h_0)))

    @misconception(
        "A layer starts from the last state of the layer below; h_0 holds an initial state for "
        "each layer."
    )
    def state_handed_up(self, case):
        starts = [case.h_0[0]]
        while len(starts) < len(case.h_0):
            h_0 = torch.stack([*starts, *case.h_0[len(starts) :]])
            starts.append(self.reference(case.with_(h_0=h_0))[1][len(starts) - 1])
        return self.reference(case.with_(h_0=torch.stack(starts)))

    @misconception("All layers start from zeros: h_0 is ignored.")
    def initial_states_ignored(self, case):
        return self.reference(case.with_(h_0=torch.zeros_like(case.h_0)))

    @misconception(
        "What a layer puts out is cut off from autograd before the next layer reads it: the values "
        "stay right, but no gradient reaches the lower layers through it."
    )
    def cut_between_layers(self, case):
        sources = [case.x, *(output.detach() for output in self.outputs(case)[:-1])]
        parts = [
            layer(source, h)
            for layer, source, h in zip(self.layers(case), sources, case.h_0, strict=True)
        ]
        return parts[-1][0], torch.stack([h_n for _, h_n in parts])


class RNNBatchFirst(Spec):
    """The axes of batch_first, against torch.nn.RNN with batch_first=True.

    Shape:
        - x: (N, L, H_in), h_0: (D*num_layers, N, H_out)
        - Output: output (N, L, D*H_out) and h_n (D*num_layers, N, H_out)
    """

    name = "rnn_batch_first"
    points = 2
    returns = ("output", "h_n")
    gradients = ("x", "h_0", "state")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one layer and a batch of one", 3, 1)
        yield self.case(draw, "two layers", 5, 3, num_layers=2)
        yield self.case(draw, "as many sequences as steps", 5, 5)
        yield self.case(draw, "as many sequences as layers", 5, 3, num_layers=3)
        yield self.case(draw, "two directions in float32", 7, 5, D=2, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        L: int,
        N: int,
        num_layers: int = 1,
        D: int = 1,
        **kind: object,
    ) -> Case:
        H_in, H_out = draw.primes(2, below=6)
        return Case(
            label,
            x=draw.normal(N, L, H_in, **kind),
            h_0=draw.normal(D * num_layers, N, H_out, **kind),
            state=draw_layers(draw, H_in, H_out, num_layers, D, scale=0.4, **kind),
        )

    def call(self, student, case: Case):
        # This is torch.nn.RNN without batch_first; it checks the shapes that it is given.
        return student(lambda x, h_0: run_rnn(case.state, x, h_0), case.x, case.h_0)

    def reference(self, case: Case):
        return run_rnn(case.state, case.x, case.h_0, batch_first=True)

    @misconception(
        "The initial states are turned as well: batch_first is about x and the output, and h_0 "
        "stays as it is."
    )
    def initial_states_turned(self, case):
        return self.reference(case.with_(h_0=case.h_0.transpose(0, 1)))

    @misconception(
        "The last states are turned as well: batch_first is about x and the output, and h_n stays "
        "as it is."
    )
    def last_states_turned(self, case):
        output, h_n = self.reference(case)
        return output, h_n.transpose(0, 1)

    @misconception(
        "All states are turned, the initial ones and the last ones: batch_first is about x and the "
        "output, and leaves h_0 and h_n as they are."
    )
    def all_states_turned(self, case):
        output, h_n = self.initial_states_turned(case)
        return output, h_n.transpose(0, 1)

    @misconception("Your output still has the time axis first; it should be (N, L, D*H_out).")
    def output_not_turned(self, case):
        output, h_n = self.reference(case)
        return output.transpose(0, 1), h_n

    @misconception(
        "x goes into rnn with the batch axis first; rnn takes the first axis for the time."
    )
    def x_not_turned(self, case):
        output, h_n = run_rnn(case.state, case.x, case.h_0)
        return output.transpose(0, 1), h_n

    @misconception(
        "Nothing is turned: rnn takes the first axis of x for the time, and here it is the batch."
    )
    def nothing_turned(self, case):
        return run_rnn(case.state, case.x, case.h_0)

    @misconception(
        "x is reshaped where two of its axes should change places: the shape fits, but the "
        "readings of different sequences are mixed up."
    )
    def x_reshaped(self, case):
        N, L, H_in = case.x.shape
        return self.reference(case.with_(x=case.x.reshape(L, N, H_in).transpose(0, 1)))

    @misconception(
        "The output is reshaped where two of its axes should change places: the shape fits, but "
        "the states of different sequences are mixed up."
    )
    def output_reshaped(self, case):
        output, h_n = self.reference(case)
        return output.transpose(0, 1).reshape(output.shape), h_n


class BidirectionalRNN(ModuleSpec):
    """A layer that reads in both directions, against torch.nn.RNN with bidirectional=True.

    Shape:
        - x: (L, N, H_in), h_0: (2, N, H_out)
        - Output: output (L, N, 2*H_out) and h_n (2, N, H_out)
    """

    name = "bidirectional_rnn"
    points = 6
    returns = ("output", "h_n")
    gradients = ("inputs", "state")
    forbids = ("torch.nn.RNN", "torch.rnn_tanh", "torch.rnn_relu")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a sequence of one step", L=1)
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a batch of sequences")
        yield self.case(draw, "float32", dtype=torch.float32)

    def case(
        self, draw: Draw, label: str, L: int | None = None, N: int | None = None, **kind: object
    ) -> Case:
        H_in, H_out, batch, steps = draw.primes(4)
        L, N = L or steps, N or batch
        return Case(
            label,
            sizes=(H_in, H_out),
            inputs=(relayout(draw.normal(L, N, H_in, **kind)), draw.normal(2, N, H_out, **kind)),
            state=draw_layers(draw, H_in, H_out, D=2, scale=0.4, **kind),
        )

    def build(self, student, case: Case):
        def run(x, h, *parameters):
            # Torch's cell step by step, as what does a whole sequence is forbidden here.
            def step(h, x_t):
                return torch.rnn_tanh_cell(x_t, h, *parameters)

            states = list(accumulate(x, step, initial=h))
            return torch.stack(states[1:]), states[-1]

        return student(*case.sizes, run)

    def reference(self, case: Case):
        return run_rnn(case.state, *case.inputs)

    def halves(self, case: Case):
        """Split the reference's output: forward and backward, each (L, N, H_out), and h_n."""
        output, h_n = self.reference(case)
        return *output.chunk(2, dim=2), h_n

    def with_reverse(self, case: Case, source: str) -> Case:
        """Give the backward direction the parameters of another one."""
        reverse = {f"{name}_l0_reverse": case.state[f"{name}_{source}"] for name in PARAMETERS}
        return case.with_(state={**case.state, **reverse})

    def joined(self, case: Case, backward, h_backward):
        """Put the reference's forward direction and another backward one together."""
        forward, _, h_n = self.halves(case)
        return torch.cat([forward, backward], dim=2), torch.stack([h_n[0], h_backward])

    @misconception(
        "The backward states are left in the order in which they were made: step t of the output "
        "should hold both readers' states at step t of x."
    )
    def not_put_back(self, case):
        forward, backward, h_n = self.halves(case)
        return torch.cat([forward, backward.flip(0)], dim=2), h_n

    @misconception("Both directions read from the first step to the last.")
    def both_read_forward(self, case):
        x, h_0 = case.inputs
        return self.joined(case, *run_layer(case.state, "l0_reverse", x, h_0[1]))

    @misconception(
        "x is turned over along the batch axis for the backward direction; it is the time that it "
        "reads from the end."
    )
    def batch_turned_over(self, case):
        x, h_0 = case.inputs
        output, h = run_layer(case.state, "l0_reverse", x.flip(1), h_0[1])
        return self.joined(case, output.flip(1), h)

    @misconception(
        "The backward part of h_n is its state at the last step of x, where it has read one step "
        "only; it should be the state in which it ends."
    )
    def backward_state_at_last_step(self, case):
        output, h_n = self.reference(case)
        return output, torch.stack([h_n[0], output[-1].chunk(2, dim=1)[1]])

    @misconception("The two directions are added; they should stand side by side, 2*H_out wide.")
    def directions_added(self, case):
        forward, backward, h_n = self.halves(case)
        return forward + backward, h_n

    @misconception(
        "The two directions are joined along the time axis; they should stand side by side, "
        "2*H_out wide."
    )
    def joined_along_time(self, case):
        forward, backward, h_n = self.halves(case)
        return torch.cat([forward, backward]), h_n

    @misconception(
        "The numbers of the two directions alternate; all of the forward ones should come before "
        "all of the backward ones."
    )
    def directions_alternate(self, case):
        forward, backward, h_n = self.halves(case)
        return torch.stack([forward, backward], dim=3).flatten(2), h_n

    @misconception("The halves of the output are exchanged: the forward direction comes first.")
    def halves_exchanged(self, case):
        forward, backward, h_n = self.halves(case)
        return torch.cat([backward, forward], dim=2), h_n

    @misconception("The parts of h_n are exchanged: the forward direction comes first.")
    def states_exchanged(self, case):
        output, h_n = self.reference(case)
        return output, h_n.flip(0)

    @misconception(
        "The last states are joined to one tensor (N, 2*H_out); the directions are an axis of "
        "their own: (2, N, H_out)."
    )
    def states_side_by_side(self, case):
        output, h_n = self.reference(case)
        return output, torch.cat([*h_n], dim=1)

    @misconception(
        "The last states are joined along the batch, which gives (2*N, H_out); the directions are "
        "an axis of their own: (2, N, H_out)."
    )
    def states_joined(self, case):
        output, h_n = self.reference(case)
        return output, h_n.flatten(0, 1)

    @misconception(
        "Both directions use the forward parameters: the backward ones are registered and never "
        "used."
    )
    def parameters_shared(self, case):
        return self.reference(self.with_reverse(case, "l0"))

    @misconception("Both directions start from h_0[0]; each has an initial state of its own.")
    def initial_state_shared(self, case):
        x, h_0 = case.inputs
        return self.reference(case.with_(inputs=(x, h_0[:1].expand_as(h_0))))

    @misconception(
        "The backward direction starts from the state in which the forward one has ended; it has "
        "an initial state of its own."
    )
    def state_handed_over(self, case):
        x, h_0 = case.inputs
        h = torch.stack([h_0[0], self.reference(case)[1][0]])
        return self.reference(case.with_(inputs=(x, h)))


class TruncatedBPTT(Spec):
    """Truncated backpropagation through time, against torch.nn.RNN on each chunk.

    Shape:
        - x: (L, N, H_in), h_0: (1, N, H_out)
        - Output: output (L, N, H_out) and h_n (1, N, H_out)
    """

    name = "truncated_bptt"
    points = 5
    returns = ("output", "h_n")
    gradients = ("x", "h_0", "state")
    # The values are those of any RNN: what counts here are the gradients.
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "two chunks that fit", 6, 3)
        yield self.case(draw, "a shorter last chunk", 11, 4)
        yield self.case(draw, "a batch of one", 7, 2, N=1)
        yield self.case(draw, "one chunk, as long as the sequence", 5, 5)
        yield self.case(draw, "float32", 8, 3, dtype=torch.float32)

    def case(
        self, draw: Draw, label: str, L: int, k: int, N: int | None = None, **kind: object
    ) -> Case:
        H_in, H_out, batch = draw.primes(3, below=8)
        N = N or batch
        return Case(
            label,
            x=relayout(draw.normal(L, N, H_in, **kind)),
            h_0=draw.normal(1, N, H_out, **kind),
            k=k,
            state=draw_layers(draw, H_in, H_out, scale=0.4, **kind),
        )

    def call(self, student, case: Case):
        return student(lambda x, h_0: run_rnn(case.state, x, h_0), case.x, case.h_0, case.k)

    def cut(self, case: Case, before: range):
        """Run torch.nn.RNN with no gradient from these steps to any earlier one."""
        whole, _ = run_rnn(case.state, case.x, case.h_0)
        known = whole.detach()
        bounds = [0, *(t for t in before if 0 < t < len(case.x)), len(case.x)]
        parts = [
            run_rnn(case.state, case.x[start:end], known[start - 1 : start] if start else case.h_0)
            for start, end in pairwise(bounds)
        ]
        return torch.cat([output for output, _ in parts]), parts[-1][1]

    def reference(self, case: Case):
        return self.cut(case, range(0, len(case.x), case.k))

    @misconception(
        "No gradient is cut: it runs through all chunks back to the first step, as without chunks."
    )
    def never_cut(self, case):
        return self.cut(case, range(0))

    @misconception(
        "The gradient is cut at every step; within a chunk it should run from step to step."
    )
    def cut_at_every_step(self, case):
        return self.cut(case, range(len(case.x)))

    @misconception("x is cut into k chunks; it should be cut into chunks of k steps.")
    def k_chunks(self, case):
        return self.cut(case, range(0, len(case.x), -(-len(case.x) // case.k)))

    @misconception(
        "Your cuts are one step late: the first chunk has k + 1 steps, and so the others begin too "
        "late as well."
    )
    def cut_too_late(self, case):
        return self.cut(case, range(case.k + 1, len(case.x), case.k))

    @misconception(
        "Your cuts are one step early: the first chunk has k - 1 steps, and so the others begin "
        "too early as well."
    )
    def cut_too_early(self, case):
        return self.cut(case, range(case.k - 1, len(case.x), case.k))

    @misconception(
        "The first cut comes after the first step; before it there should be a whole chunk."
    )
    def cut_after_first_step(self, case):
        return self.cut(case, range(1, len(case.x), case.k))

    @misconception("h_0 is cut off as well: from the first chunk a gradient should reach it.")
    def initial_state_cut(self, case):
        return self.reference(case.with_(h_0=case.h_0.detach()))

    @misconception("h_n is cut off: it should be the state as rnn has returned it.")
    def last_state_cut(self, case):
        output, h_n = self.reference(case)
        return output, h_n.detach()

    @misconception(
        "Both h_0 and h_n are cut off: it is only between two chunks that no gradient should pass."
    )
    def both_ends_cut(self, case):
        output, h_n = self.initial_state_cut(case)
        return output, h_n.detach()

    @misconception(
        "The output is cut off from autograd: it is only between two chunks that no gradient "
        "should pass."
    )
    def output_cut(self, case):
        output, h_n = self.reference(case)
        return output.detach(), h_n

    @misconception(
        "Every chunk starts from zeros: it is the gradient that ends between two chunks, while "
        "the state goes on."
    )
    def starts_from_zeros(self, case):
        return self.restarted(case, torch.zeros_like(case.h_0))

    @misconception(
        "Every chunk starts from h_0: it is the gradient that ends between two chunks, while the "
        "state goes on."
    )
    def starts_from_initial_state(self, case):
        return self.restarted(case, case.h_0)

    def restarted(self, case: Case, h: torch.Tensor):
        """Run each chunk after the first from the same state."""
        chunks = case.x.split(case.k)
        parts = [run_rnn(case.state, chunk, h if i else case.h_0) for i, chunk in enumerate(chunks)]
        return torch.cat([output for output, _ in parts]), parts[-1][1]

    @misconception(
        "The steps that do not fill a whole chunk are dropped; the last chunk may be shorter."
    )
    def remainder_dropped(self, case):
        whole = len(case.x) // case.k * case.k
        return self.reference(case.with_(x=case.x[:whole]))

    @misconception("Only the output of the last chunk is returned; that of every chunk should be.")
    def last_chunk_only(self, case):
        output, h_n = self.reference(case)
        return output[(len(output) - 1) // case.k * case.k :], h_n
