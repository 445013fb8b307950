"""The specs of the assignment lstm-cell: one LSTM step, a layer, and a stack of two layers.

You may read all of this: it says how your answers are checked, not how to write them.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.func import functional_call

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
I, F, G, O = range(4)  # The blocks of torch's weights, from the first rows to the last.


def draw_parameters(draw: Draw, H_in: int, H_out: int, **kind: object) -> dict[str, torch.Tensor]:
    """Draw what torch.nn.LSTMCell(H_in, H_out) holds."""
    shapes = [(4 * H_out, H_in), (4 * H_out, H_out), (4 * H_out,), (4 * H_out,)]
    return {
        name: draw.normal(*shape, **kind) for name, shape in zip(PARAMETERS, shapes, strict=True)
    }


def torch_cell(case: Case, x: torch.Tensor, state: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    """Do one step with the parameters of a case, by the function that torch.nn.LSTMCell calls."""
    return torch.lstm_cell(x, state, *(case[name] for name in PARAMETERS))


class LSTMCell(Spec):
    """One LSTM step from equations (6) to (8), against torch.nn.LSTMCell.

    Shape:
        - x: (N, H_in), h and c: (N, H_out)
        - weight_ih: (4*H_out, H_in), weight_hh: (4*H_out, H_out), biases: (4*H_out,)
        - Output: h and c, each (N, H_out)
    """

    name = "lstm_cell"
    points = 10
    returns = ("h", "c")
    gradients = ("x", "h", "c", *PARAMETERS)
    forbids = ("torch.nn.LSTM", "torch.nn.LSTMCell", "torch.lstm", "torch.lstm_cell")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a small batch")
        yield self.case(draw, "another batch")
        yield self.case(draw, "float32", dtype=torch.float32)
        yield self.case(draw, "large values", scale=20.0)
        scattered = self.case(draw, "not contiguous")
        yield Case("not contiguous", **{name: relayout(value) for name, value in scattered.items()})

    def case(self, draw: Draw, label: str, N: int | None = None, **kind: object) -> Case:
        H_in, H_out, batch = draw.primes(3)
        N = N or batch
        return Case(
            label,
            x=draw.normal(N, H_in, **kind),
            h=draw.normal(N, H_out, **kind),
            c=draw.normal(N, H_out, **kind),
            **draw_parameters(draw, H_in, H_out, **kind),
        )

    def reference(self, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
        # On the device "meta" no memory is filled with parameters that are replaced anyway.
        cell = nn.LSTMCell(case.weight_ih.shape[1], case.weight_hh.shape[1], device="meta")
        parameters = {name: case[name] for name in PARAMETERS}
        return functional_call(cell, parameters, (case.x, (case.h, case.c)))

    def with_blocks(self, case: Case, *order: int) -> Case:
        """Take the four blocks of all parameters in another order."""

        def reordered(value: torch.Tensor) -> torch.Tensor:
            blocks = value.chunk(4)
            return torch.cat([blocks[i] for i in order])

        return case.with_(**{name: reordered(case[name]) for name in PARAMETERS})

    def with_bias(self, case: Case, block: int, value: float) -> Case:
        """Add a number to the bias of one block."""
        bias = case.bias_ih.clone()
        bias.view(4, -1)[block] += value
        return case.with_(bias_ih=bias)

    @misconception(
        "Your gates are read in the order i, f, o, g, as equation (6) lists them; PyTorch stacks "
        "its weights in the order i, f, g, o."
    )
    def gate_order(self, case):
        return self.reference(self.with_blocks(case, I, F, O, G))

    @misconception("Your input gate and your forget gate are exchanged.")
    def input_forget_exchanged(self, case):
        return self.reference(self.with_blocks(case, F, I, G, O))

    @misconception("bias_ih is left out: PyTorch adds two biases.")
    def bias_ih_left_out(self, case):
        return self.reference(case.with_(bias_ih=torch.zeros_like(case.bias_ih)))

    @misconception("bias_hh is left out: PyTorch adds two biases.")
    def bias_hh_left_out(self, case):
        return self.reference(case.with_(bias_hh=torch.zeros_like(case.bias_hh)))

    @misconception("Both biases are left out: equation (6) has none, but PyTorch adds two.")
    def both_biases_left_out(self, case):
        zeros = torch.zeros_like(case.bias_ih)
        return self.reference(case.with_(bias_ih=zeros, bias_hh=zeros))

    def output_gate(self, case: Case) -> torch.Tensor:
        """Find o: with a cell state so large that its tanh is 1, h is the output gate itself."""
        opened = self.with_bias(self.with_bias(case, I, 1e6), F, 1e6)
        return self.reference(opened.with_(c=torch.full_like(case.c, 50.0)))[0]

    @misconception(
        "The new h leaves out the tanh of equation (8): the cell state passes through tanh before "
        "the output gate."
    )
    def tanh_forgotten(self, case):
        _, c = self.reference(case)
        return self.output_gate(case) * c, c

    @misconception(
        "The new h is made from the old cell state; equation (8) wants the new one, of the same "
        "step."
    )
    def old_cell_state(self, case):
        _, c = self.reference(case)
        return self.output_gate(case) * torch.tanh(case.c), c

    @misconception("The candidate g goes through a sigmoid; equation (6) gives it a tanh.")
    def sigmoid_candidate(self, case):
        # sigmoid(z) = (1 + tanh(z / 2)) / 2, and c is linear in the candidate.
        def halved(value: torch.Tensor) -> torch.Tensor:
            i, f, g, o = value.chunk(4)
            return torch.cat([i, f, g / 2, o])

        _, half = self.reference(case.with_(**{name: halved(case[name]) for name in PARAMETERS}))
        _, one = self.reference(self.with_bias(case, G, 1e6))
        c = (half + one) / 2
        return self.output_gate(case) * torch.tanh(c), c

    @misconception("The input gate is missing: the candidate enters the cell state unscaled.")
    def input_gate_missing(self, case):
        return self.reference(self.with_bias(case, I, 1e6))

    @misconception("The forget gate is missing: the old cell state is kept whole.")
    def forget_gate_missing(self, case):
        return self.reference(self.with_bias(case, F, 1e6))

    @misconception("The output gate is missing: the new h is the tanh of the cell state alone.")
    def output_gate_missing(self, case):
        return self.reference(self.with_bias(case, O, 1e6))

    @misconception(
        "weight_ih is multiplied without being transposed: it has the shape (4*H_out, H_in), and "
        "x has the shape (N, H_in)."
    )
    def weights_not_transposed(self, case):
        return case.x @ case.weight_ih

    @misconception(
        "weight_ih is reshaped where it should be transposed: the shape fits, but the numbers "
        "land in other places."
    )
    def weights_reshaped(self, case):
        reshaped = case.weight_ih.reshape(case.weight_ih.shape[::-1]).T
        return self.reference(case.with_(weight_ih=reshaped))

    @misconception("You return (c, h); LSTMCell returns the hidden state first: (h, c).")
    def states_exchanged(self, case):
        return tuple(reversed(self.reference(case)))


class LSTMLayer(Spec):
    """A cell run over a whole sequence, against torch.nn.LSTM.

    Shape:
        - x: (L, N, H_in), h and c: (N, H_out)
        - Output: output (L, N, H_out), and (h_n, c_n), each (N, H_out)
    """

    name = "lstm_layer"
    points = 6
    returns = ("output", ("h_n", "c_n"))
    gradients = ("x", "h", "c", *PARAMETERS)
    forbids = ("torch.nn.LSTM", "torch.lstm")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a sequence of one step", L=1)
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a batch of sequences")
        yield self.case(draw, "float32", dtype=torch.float32)
        yield self.case(draw, "a long sequence", L=23)
        case = self.case(draw, "not contiguous")
        yield case.with_(x=relayout(case.x))

    def case(
        self, draw: Draw, label: str, L: int | None = None, N: int | None = None, **kind: object
    ) -> Case:
        H_in, H_out, batch, steps = draw.primes(4)
        L, N = L or steps, N or batch
        return Case(
            label,
            x=draw.normal(L, N, H_in, **kind),
            h=draw.normal(N, H_out, **kind),
            c=draw.normal(N, H_out, **kind),
            **draw_parameters(draw, H_in, H_out, **kind),
        )

    def call(self, student, case: Case):
        # The cell is torch's, so that a mistake in lstm_cell is not punished a second time.
        def cell(x_t, state):
            return torch_cell(case, x_t, state)

        return student(cell, case.x, case.h, case.c)

    def reference(self, case: Case):
        layer = nn.LSTM(case.weight_ih.shape[1], case.weight_hh.shape[1], dtype=case.x.dtype)
        parameters = {f"{name}_l0": case[name] for name in PARAMETERS}
        output, (h, c) = functional_call(
            layer, parameters, (case.x, (case.h.unsqueeze(0), case.c.unsqueeze(0)))
        )
        return output, (h.squeeze(0), c.squeeze(0))

    def steps(self, case: Case, before):
        """Run the torch cell, with the state that ``before(h, c)`` makes for each step.

        Returns:
            The states h and the states c after each step, each (L, N, H_out).
        """
        h, c = case.h, case.c
        hs, cs = [], []
        for x in case.x:
            h, c = torch_cell(case, x, before(h, c))
            hs.append(h)
            cs.append(c)
        return torch.stack(hs), torch.stack(cs)

    @misconception("Every step starts from the initial state: the state is not carried on.")
    def state_not_carried(self, case):
        hs, cs = self.steps(case, lambda h, c: (case.h, case.c))
        return hs, (hs[-1], cs[-1])

    @misconception("The hidden state is carried on, but every step starts from the initial c.")
    def cell_state_not_carried(self, case):
        hs, cs = self.steps(case, lambda h, c: (h, case.c))
        return hs, (hs[-1], cs[-1])

    @misconception("The cell state is carried on, but every step starts from the initial h.")
    def hidden_state_not_carried(self, case):
        hs, cs = self.steps(case, lambda h, c: (case.h, c))
        return hs, (hs[-1], cs[-1])

    @misconception("Your layer starts from zeros and ignores the initial state that it is given.")
    def initial_state_ignored(self, case):
        return self.reference(case.with_(h=torch.zeros_like(case.h), c=torch.zeros_like(case.c)))

    @misconception("The sequence is read from its last step to its first.")
    def read_backwards(self, case):
        return self.reference(case.with_(x=case.x.flip(0)))

    @misconception(
        "The outputs are stacked along the second axis, which gives (N, L, H_out); the time axis "
        "comes first: (L, N, H_out)."
    )
    def stacked_batch_first(self, case):
        output, state = self.reference(case)
        return output.transpose(0, 1), state

    @misconception(
        "The outputs are joined one behind the other along the batch; each step should have a "
        "place of its own on a new axis: (L, N, H_out)."
    )
    def steps_concatenated(self, case):
        output, state = self.reference(case)
        return output.flatten(0, 1), state

    @misconception("You take what the cell returns for (c, h); it returns the hidden state first.")
    def states_exchanged_in_the_layer(self, case):
        h, c = case.h, case.c
        output = []
        for x in case.x:
            c, h = torch_cell(case, x, (h, c))
            output.append(h)
        return torch.stack(output), (h, c)

    @misconception("Only the last hidden state is returned as output; every step has one.")
    def last_step_only(self, case):
        output, state = self.reference(case)
        return output[-1], state

    @misconception("The output collects the cell states; it should collect the hidden states.")
    def cell_states_collected(self, case):
        hs, cs = self.steps(case, lambda h, c: (h, c))
        return cs, (hs[-1], cs[-1])

    @misconception(
        "The output collects the state before each step; it should collect the one after it."
    )
    def collected_too_early(self, case):
        output, state = self.reference(case)
        return torch.cat([case.h.unsqueeze(0), output[:-1]]), state

    @misconception(
        "The state is detached between the steps: the values stay right, but the gradient ends "
        "after one step."
    )
    def detached(self, case):
        hs, cs = self.steps(case, lambda h, c: (h.detach(), c.detach()))
        return hs, (hs[-1], cs[-1])


class TwoLayerLSTM(ModuleSpec):
    """A module that stacks two cells of different sizes, against two torch.nn.LSTM layers.

    Shape:
        - x: (L, N, H_in)
        - Output: output (L, N, H_2), and ((h_1, c_1), (h_2, c_2)), (N, H_1) and (N, H_2)
    """

    name = "two_layer_lstm"
    points = 6
    returns = ("output", (("h_1", "c_1"), ("h_2", "c_2")))
    gradients = ("inputs", "state")
    forbids = ("torch.nn.LSTM", "torch.lstm")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        L, N, *sizes = draw.primes(5)
        yield self.case(draw, "a batch of one", L, 1, *sizes)
        L, N, *sizes = draw.primes(5)
        yield self.case(draw, "a small batch", L, N, *sizes)
        L, N, *sizes = draw.primes(5)
        yield self.case(draw, "float32", L, N, *sizes, dtype=torch.float32)
        yield self.case(draw, "the sizes of the chapter", 10, 3, 100, 30, 20, scale=0.3)

    def case(
        self, draw: Draw, label: str, L: int, N: int, H_in: int, H_1: int, H_2: int, **kind: object
    ) -> Case:
        state = {}
        for name, sizes in {"cell1": (H_in, H_1), "cell2": (H_1, H_2)}.items():
            for parameter, value in draw_parameters(draw, *sizes, **kind).items():
                state[f"{name}.{parameter}"] = value
        return Case(
            label,
            sizes=(H_in, H_1, H_2),
            inputs=(draw.normal(L, N, H_in, **kind),),
            state=state,
        )

    def build(self, student, case: Case):
        H_in, H_1, H_2 = case.sizes
        # As in lstm_layer, the cells are torch's: here it is the stacking that counts.
        return student(nn.LSTMCell(H_in, H_1), nn.LSTMCell(H_1, H_2))

    def layer(self, case: Case, name: str, x: torch.Tensor):
        """Run one layer with torch.nn.LSTM over a sequence, from zeros."""
        weights = {key: case.state[f"{name}.{key}"] for key in PARAMETERS}
        layer = nn.LSTM(weights["weight_ih"].shape[1], weights["weight_hh"].shape[1], dtype=x.dtype)
        output, (h, c) = functional_call(
            layer, {f"{key}_l0": value for key, value in weights.items()}, (x,)
        )
        return output, (h.squeeze(0), c.squeeze(0))

    def cell_states(self, case: Case, name: str, x: torch.Tensor) -> torch.Tensor:
        """Run one layer step by step, and collect its cell states: (L, N, H_out)."""
        prefixes = range(1, len(x) + 1)
        return torch.stack([self.layer(case, name, x[:steps])[1][1] for steps in prefixes])

    def reference(self, case: Case):
        (x,) = case.inputs
        first, state_1 = self.layer(case, "cell1", x)
        output, state_2 = self.layer(case, "cell2", first)
        return output, (state_1, state_2)

    @misconception("The second layer is fed x; it should be fed the hidden state of the first.")
    def second_layer_fed_x(self, case):
        (x,) = case.inputs
        _, H_1, H_2 = case.sizes
        return nn.LSTMCell(H_1, H_2, dtype=x.dtype)(x[0])

    @misconception(
        "The second layer is fed the cell state of the first; it should be fed its hidden state."
    )
    def second_layer_fed_c(self, case):
        (x,) = case.inputs
        _, state_1 = self.layer(case, "cell1", x)
        output, state_2 = self.layer(case, "cell2", self.cell_states(case, "cell1", x))
        return output, (state_1, state_2)

    @misconception(
        "The second layer lags one step behind: it is fed the hidden state that the first had "
        "before this step."
    )
    def second_layer_lags(self, case):
        (x,) = case.inputs
        first, state_1 = self.layer(case, "cell1", x)
        late = torch.cat([torch.zeros_like(first[:1]), first[:-1]])
        output, state_2 = self.layer(case, "cell2", late)
        return output, (state_1, state_2)

    @misconception("The first layer's state is not carried on: every step starts it from zeros.")
    def first_state_not_carried(self, case):
        (x,) = case.inputs
        steps = [self.layer(case, "cell1", x_t.unsqueeze(0)) for x_t in x]
        output, state_2 = self.layer(case, "cell2", torch.cat([output for output, _ in steps]))
        return output, (steps[-1][1], state_2)

    @misconception("The second layer's state is not carried on: every step starts it from zeros.")
    def second_state_not_carried(self, case):
        (x,) = case.inputs
        first, state_1 = self.layer(case, "cell1", x)
        steps = [self.layer(case, "cell2", step.unsqueeze(0)) for step in first]
        return torch.cat([output for output, _ in steps]), (state_1, steps[-1][1])

    @misconception(
        "The second layer runs only once, after the last step; it should run at every step."
    )
    def second_layer_runs_once(self, case):
        (x,) = case.inputs
        first, state_1 = self.layer(case, "cell1", x)
        output, state_2 = self.layer(case, "cell2", first[-1:])
        return output, (state_1, state_2)

    @misconception("The output collects the first layer's hidden states, not the second's.")
    def first_layer_collected(self, case):
        (x,) = case.inputs
        first, state_1 = self.layer(case, "cell1", x)
        return first, (state_1, self.layer(case, "cell2", first)[1])

    @misconception("The two layers' states are returned in the wrong order: the first comes first.")
    def layers_exchanged(self, case):
        output, (state_1, state_2) = self.reference(case)
        return output, (state_2, state_1)

    @misconception(
        "The states are grouped as (h_1, h_2), (c_1, c_2); here each layer's (h, c) stay together."
    )
    def grouped_by_kind(self, case):
        output, ((h_1, c_1), (h_2, c_2)) = self.reference(case)
        return output, ((h_1, h_2), (c_1, c_2))
