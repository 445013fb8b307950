"""The specs of the assignment modules: layers, networks, training, and measuring what came of it.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from unittest.mock import patch

import torch
from torch import nn
from torch.func import functional_call
from torch.optim.sgd import sgd

from autograder import Case, Draw, Rung, Spec, misconception, relayout

Shapes = Mapping[str, tuple[int, ...]]


def shapes(parameters: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """List the shapes of parameters by name."""
    return {name: tuple(p.shape) for name, p in parameters.items()}


def registered(module: object) -> dict[str, tuple[int, ...]]:
    """List the shapes of what a module has registered."""
    if not isinstance(module, nn.Module):
        raise TypeError("your class is not derived from torch.nn.Module")
    # Where one parameter has two names, the later counts: that in the part it was made for.
    names = {p: name for name, p in module.named_parameters(remove_duplicate=False)}
    return shapes({name: p for p, name in names.items()})


def compared(own: Shapes, wanted: Shapes) -> dict[str, str | torch.Tensor]:
    """Hold the parameters that a module has against those that it should have."""
    return {
        "missing parameters": ", ".join(name for name in wanted if name not in own) or "none",
        "surplus parameters": ", ".join(name for name in own if name not in wanted) or "none",
        # Tensors, so that a wrong shape is told as one.
        **{name: torch.zeros(own.get(name, shape)) for name, shape in wanted.items()},
    }


class Masked(nn.Module):
    """Stands in for a dropout without chance: in training mode it always drops the same numbers."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask if self.training else x


# ------------------------------------------------------------------------------------ the modules


class LinearModule(Spec):
    """A linear layer as a module, against torch.nn.Linear.

    Shape:
        - x: (*, H_in)
        - Output: (*, H_out)
    """

    name = "linear_module"
    points = 6
    forbids = ("torch.nn.Linear", "torch.nn.LazyLinear", "torch.nn.functional.linear")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, L = draw.primes(2)
        yield self.case(draw, "a batch", N)
        yield self.case(draw, "a batch of one", 1, bias=True)
        yield self.case(draw, "without a bias", N, bias=False)
        yield self.case(draw, "a batch of sequences", N, L)
        yield self.case(draw, "a single sample")
        yield self.case(draw, "float32", N, dtype=torch.float32)
        scattered = self.case(draw, "not contiguous", N)
        yield scattered.with_(x=relayout(scattered.x))
        yield self.fresh(draw, "fresh from the constructor", H_in=draw.integer(5, 12))
        yield self.fresh(draw, "fresh, without a bias", H_in=draw.integer(13, 20), bias=False)

    def case(
        self, draw: Draw, label: str, *N: int, dtype: torch.dtype = torch.float64, **options: bool
    ) -> Case:
        H_in, H_out = draw.primes(2)
        arguments, state = self.layer(draw, H_in, H_out, dtype, **options)
        return Case(label, arguments=arguments, state=state, x=draw.normal(*N, H_in, dtype=dtype))

    def fresh(self, draw: Draw, label: str, H_in: int, **options: bool) -> Case:
        """Make a case that has no input, and looks at what a new layer begins with."""
        H_out = 499
        arguments, state = self.layer(draw, H_in, H_out, torch.float64, **options)
        return Case(label, arguments=arguments, state=state, H_in=H_in, H_out=H_out)

    def layer(self, draw: Draw, H_in: int, H_out: int, dtype: torch.dtype, **options: bool):
        """Draw the arguments of a constructor, and what the layer should hold."""
        state = {"weight": draw.normal(H_out, H_in, dtype=dtype)}
        if options.get("bias", True):
            state["bias"] = draw.normal(H_out, dtype=dtype)
        return {"in_features": H_in, "out_features": H_out, **options}, state

    def build(self, student, case: Case):
        # Two of them, to see whether they begin with different numbers.
        return [student(**case.arguments) for _ in range(2)]

    def call(self, built, case: Case):
        own, wanted = registered(built[0]), shapes(case.state)
        answer = compared(own, wanted)
        if "x" not in case:
            for name in ("weight", "bias"):
                values = [getattr(module, name, None) for module in built]
                if all(isinstance(value, torch.Tensor) for value in values):
                    drawn = [value.detach().flatten() for value in values]
                    answer[f"first {name}"] = torch.cat(drawn)
            return answer
        inputs = {"x": case.x, **case.state}
        leaves = {name: value.detach().clone().requires_grad_() for name, value in inputs.items()}
        answer["output"] = case.x.new_zeros(*case.x.shape[:-1], case.arguments["out_features"])
        found = dict.fromkeys(leaves)
        if own == wanted:
            x = leaves["x"].clone()
            state = {name: leaves[name] for name in case.state}
            output = answer["output"] = functional_call(built[0], state, (x,))
            case.x.copy_(x.detach())  # Has it been changed in place?
            if isinstance(output, torch.Tensor) and output.requires_grad:
                total = (output * output).sum()
                gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
                found = dict(zip(leaves, gradients, strict=True))
        for name, gradient in found.items():
            missing = torch.zeros_like(leaves[name])
            answer[f"the gradient of {name}"] = missing if gradient is None else gradient
        return answer

    def interpret(self, outputs, case: Case):
        if "x" in case:
            return outputs
        first = {
            f"the first {k}": self.law(outputs.get(f"first {k}"), case) for k in ("weight", "bias")
        }
        return {k: v for k, v in outputs.items() if not k.startswith("first ")} | first

    def law(self, values: object, case: Case) -> str:
        """Say how numbers are spread, by the distance between two distribution functions."""
        if not isinstance(values, torch.Tensor) or values.numel() < 900:
            return "none"
        drawn = values.double().flatten().sort().values
        n = len(drawn)
        if not bool(drawn.any()):
            return "0 everywhere"
        if len(drawn.unique()) < 0.9 * n:
            return "the same numbers again and again"
        places = torch.arange(1, n + 1, dtype=torch.float64) / n
        bounds = {
            "1/sqrt(H_in)": 1 / math.sqrt(case.H_in),
            "1/H_in": 1 / case.H_in,
            "1/sqrt(H_out)": 1 / math.sqrt(case.H_out),
            "1": 1.0,
        }
        laws = {}
        for name, bound in bounds.items():
            laws[f"uniform between -{name} and {name}"] = (drawn / bound + 1) / 2
            laws[f"uniform between 0 and {name}"] = drawn / bound
            laws[f"normal, with the standard deviation {name}"] = torch.special.ndtr(drawn / bound)
        for name, expected in laws.items():
            inside = bool(((expected > -1e-6) & (expected < 1 + 1e-6)).all())
            # A right answer is further away once in 10**13 times.
            if inside and (expected - places).abs().max().item() < 4 / math.sqrt(n):
                return name
        return "something else"

    def told(self, case: Case, *built: nn.Module):
        """Look at modules as at a student's."""
        return self.interpret(self.call(built, case), case)

    def reference(self, case: Case):
        return self.told(case, *self.build(nn.Linear, case))

    def begun(self, case: Case, begin: Callable, *names: str):
        """Give some parameters other first numbers."""
        built = self.build(nn.Linear, case)
        for module in built:
            for name, parameter in module.named_parameters():
                if name in names:
                    begin(parameter)
        return self.told(case, *built)

    @misconception(
        "Your weight has the shape (H_in, H_out), as it is written in y = xW + b; PyTorch stores "
        "the transpose of that."
    )
    def weight_stored_transposed(self, case):
        def turned(module: nn.Module) -> nn.Module:
            return nn.ParameterDict(
                {name: p.detach().movedim(0, -1) for name, p in module.named_parameters()}
            )

        return self.told(case, *map(turned, self.build(nn.Linear, case)))

    @misconception(
        "Your weight and bias are plain tensors, so the module has not noticed them: no optimiser "
        "would ever be given them."
    )
    def plain_tensors(self, case):
        told = self.reference(case)
        return {
            **self.told(case, *[nn.Identity()] * 2),
            **{name: value for name, value in told.items() if name.startswith("the first")},
        }

    @misconception("Your layer always has a bias; with bias=False it must have none.")
    def bias_always_there(self, case):
        arguments = {**case.arguments, "bias": True}
        return self.told(case, *self.build(nn.Linear, case.with_(arguments=arguments)))

    @misconception("The bias is registered, but your forward never adds it.")
    def bias_not_added(self, case):
        state = {k: v * 0 if k == "bias" else v for k, v in case.state.items()}
        answer = self.reference(case.with_(state=state))
        nothing = {k: v * 0 for k, v in answer.items() if k == "the gradient of bias"}
        return {**answer, **nothing}

    @misconception(
        "The weight is multiplied as it is stored: its shape is (H_out, H_in), and that of x is "
        "(*, H_in)."
    )
    def weight_not_transposed(self, case):
        return case.x @ case.state["weight"] if "x" in case else self.reference(case)

    @misconception(
        "The output is right, but no gradient reaches weight and bias: your forward takes them out "
        "of autograd, as .data and detach do."
    )
    def parameters_detached(self, case):
        answer = self.reference(case)
        names = ("the gradient of weight", "the gradient of bias")
        return {k: v * 0 if k in names else v for k, v in answer.items()}

    @misconception("The first numbers are too small: a square root is missing in their bound.")
    def bound_without_root(self, case):
        bound = 1 / case.arguments["in_features"]
        return self.begun(case, lambda p: nn.init.uniform_(p, -bound, bound), "weight", "bias")

    @misconception(
        "The bound of the first numbers is made from the number of outputs; it should depend on "
        "how many inputs each output adds up."
    )
    def bound_from_outputs(self, case):
        bound = 1 / math.sqrt(case.arguments["out_features"])
        return self.begun(case, lambda p: nn.init.uniform_(p, -bound, bound), "weight", "bias")

    @misconception("The first numbers are never negative; the interval lies on both sides of 0.")
    def one_sided(self, case):
        bound = 1 / math.sqrt(case.arguments["in_features"])
        return self.begun(case, lambda p: nn.init.uniform_(p, 0, bound), "weight", "bias")

    @misconception(
        "The first numbers come from a normal distribution, some beyond the bound; all numbers of "
        "the interval should be equally likely, and no others."
    )
    def normal_instead_of_uniform(self, case):
        std = 1 / math.sqrt(case.arguments["in_features"])
        return self.begun(case, lambda p: nn.init.normal_(p, 0, std), "weight", "bias")

    @misconception("Your bias starts at 0; in torch.nn.Linear it is drawn just as the weight is.")
    def bias_starts_at_zero(self, case):
        return self.begun(case, nn.init.zeros_, "bias")


class MLPModule(Spec):
    """A network of any number of linear layers, against torch.nn.Sequential.

    Shape:
        - x: (N, sizes[0])
        - Output: (N, sizes[-1])
    """

    name = "mlp_module"
    points = 6
    gradients = ("x", "state")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "three layers", 4)
        yield self.case(draw, "a single layer", 2, bias=True)
        yield self.case(draw, "two layers, a batch of one", 3, N=1)
        yield self.case(draw, "four layers without bias", 5, bias=False)
        yield self.case(draw, "float32", 4, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        count: int,
        N: int | None = None,
        dtype: torch.dtype = torch.float64,
        **options: bool,
    ) -> Case:
        batch, *sizes = draw.primes(count + 1, below=18)
        arguments = {"sizes": sizes, **options}
        wanted = registered(self.torch_stack(arguments))
        state = {name: draw.normal(*shape, dtype=dtype) for name, shape in wanted.items()}
        x = draw.normal(N or batch, sizes[0], dtype=dtype)
        return Case(label, arguments=arguments, x=x, state=state)

    def torch_stack(self, arguments: Mapping) -> nn.ModuleDict:
        """Make torch's layers, without any numbers, under the names that are asked for."""
        sizes, bias = arguments["sizes"], arguments.get("bias", True)
        pairs = itertools.pairwise(sizes)
        layers = [nn.Linear(*pair, bias=bias, device="meta") for pair in pairs]
        return nn.ModuleDict({"layers": nn.Sequential(*layers)})

    def build(self, student, case: Case):
        return student(**case.arguments)

    def call(self, built, case: Case):
        own, wanted = registered(built), shapes(case.state)
        if own != wanted:
            return self.with_parameters(case, own)
        return {
            **compared(own, wanted),
            "output": functional_call(built, dict(case.state), (case.x,)),
        }

    def with_parameters(self, case: Case, own: Shapes):
        """Answer for a module with other parameters, which does not run then."""
        output = case.x.new_zeros(len(case.x), case.arguments["sizes"][-1])
        return {**compared(own, shapes(case.state)), "output": output}

    def computed(self, case: Case, between: Callable, before=None, after=None):
        """Run torch's layers.

        Args:
            case: the case.
            between: gets the number of a gap, and returns the module that stands there.
            before: the module before the first layer.
            after: the module after the last.
        """
        layers = list(self.torch_stack(case.arguments)["layers"])
        stack = [before or nn.Identity()]
        for i, layer in enumerate(layers):
            stack += [layer, between(i) if i < len(layers) - 1 else after or nn.Identity()]
        network = nn.Sequential(*stack)
        names = [name for name, _ in network.named_parameters()]
        state = dict(zip(names, case.state.values(), strict=True))
        wanted = shapes(case.state)
        output = functional_call(network, state, (case.x,))
        return {**compared(wanted, wanted), "output": output}

    def reference(self, case: Case):
        return self.computed(case, lambda gap: nn.ReLU())

    def otherwise(self, case: Case, own: Shapes):
        """Answer for a right module, except that it may have other parameters."""
        return (
            self.reference(case) if own == shapes(case.state) else self.with_parameters(case, own)
        )

    @misconception(
        "The layers are in a plain Python list: the module does not look into it, so their "
        "parameters are not registered."
    )
    def plain_list(self, case):
        return self.with_parameters(case, {})

    @misconception(
        "The ReLUs are in the list as well, so the numbers in the names of the parameters skip: "
        "only the linear layers belong in it."
    )
    def relus_in_the_list(self, case):
        def doubled(name: str) -> str:
            layers, number, parameter = name.split(".")
            return f"{layers}.{2 * int(number)}.{parameter}"

        return self.otherwise(case, {doubled(k): v for k, v in shapes(case.state).items()})

    @misconception("The last linear layer is missing: n sizes make n - 1 layers.")
    def last_layer_missing(self, case):
        last = f"layers.{len(case.arguments['sizes']) - 2}."
        kept = {k: v for k, v in shapes(case.state).items() if not k.startswith(last)}
        return self.otherwise(case, kept)

    @misconception("Your layers always have a bias; with bias=False none of them has one.")
    def bias_not_passed_on(self, case):
        arguments = {**case.arguments, "bias": True}
        return self.otherwise(case, registered(self.torch_stack(arguments)))

    @misconception(
        "There is a ReLU after the last layer as well, so your network can never answer with a "
        "negative number."
    )
    def relu_after_last(self, case):
        return self.computed(case, lambda gap: nn.ReLU(), after=nn.ReLU())

    @misconception(
        "There is no ReLU between your layers, and linear layers in a row can do no more than a "
        "single one."
    )
    def no_relu(self, case):
        return self.computed(case, lambda gap: nn.Identity())

    @misconception(
        "The ReLU stands before each layer, before the first one too: the negative numbers of x "
        "are lost."
    )
    def relu_on_input(self, case):
        return self.computed(case, lambda gap: nn.ReLU(), before=nn.ReLU())

    @misconception("There is a ReLU after the first layer only; one belongs into every gap.")
    def relu_once(self, case):
        return self.computed(case, lambda gap: nn.Identity() if gap else nn.ReLU())


class TiedAutoencoder(Spec):
    """An autoencoder whose two layers share a weight, against two layers of torch.nn.

    Shape:
        - x: (N, H_in)
        - Output: (N, H_in)
    """

    name = "tied_autoencoder"
    points = 5
    gradients = ("x", "state")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch")
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "another batch")
        yield self.case(draw, "float32", dtype=torch.float32)

    def case(
        self, draw: Draw, label: str, N: int | None = None, dtype: torch.dtype = torch.float64
    ) -> Case:
        H_in, H_code, batch = draw.primes(3)

        def numbers() -> dict[str, torch.Tensor]:
            return {
                "encoder.weight": draw.normal(H_code, H_in, dtype=dtype),
                "encoder.bias": draw.uniform(H_code, low=0.1, dtype=dtype),
                "bias": draw.normal(H_in, dtype=dtype),
            }

        x = draw.normal(N or batch, H_in, dtype=dtype)
        return Case(label, x=x, first=numbers(), state=numbers())

    def build(self, student, case: Case):
        H_code, H_in = case.first["encoder.weight"].shape
        encoder = nn.Linear(H_in, H_code, dtype=case.x.dtype)
        with torch.no_grad():
            encoder.weight.copy_(case.first["encoder.weight"])
            encoder.bias.copy_(case.first["encoder.bias"])
        return student(encoder), encoder

    def call(self, built, case: Case):
        module, encoder = built
        own, wanted = registered(module), shapes(case.state)
        if own != wanted:
            return self.with_parameters(case, own)
        begins_as_zeros = not bool(module.bias.any())
        # The numbers that it was made with are replaced, as training would replace them.
        output = functional_call(module, dict(case.state), (case.x,))
        return self.told(case, output, begins_as_zeros, module.encoder is encoder)

    def told(self, case: Case, output, begins_as_zeros: bool = True, given_encoder: bool = True):
        """Put together what is compared."""
        wanted = shapes(case.state)
        return {
            **compared(wanted, wanted),
            "the first bias": "zeros" if begins_as_zeros else "not zeros",
            "the encoder": "the given one" if given_encoder else "another one",
            "output": output,
        }

    def with_parameters(self, case: Case, own: Shapes):
        """Answer for a module with other parameters, which does not run then."""
        told = self.told(case, torch.zeros_like(case.x))
        return {**told, **compared(own, shapes(case.state))}

    def computed(self, case: Case, back: torch.Tensor, between=None, after=None):
        """Encode, and decode with a weight of its own, (H_in, H_code)."""
        weight = case.state["encoder.weight"]
        H_code, H_in = weight.shape
        network = nn.Sequential(
            nn.Linear(H_in, H_code, device="meta"),
            between or nn.ReLU(),
            nn.Linear(H_code, H_in, device="meta"),
            after or nn.Identity(),
        )
        state = {"0.weight": weight, "0.bias": case.state["encoder.bias"]}
        state |= {"2.weight": back, "2.bias": case.state["bias"]}
        return self.told(case, functional_call(network, state, (case.x,)))

    def reference(self, case: Case):
        return self.computed(case, case.state["encoder.weight"].T)

    @misconception(
        "The way back is a layer with a weight of its own; here both directions share a single one."
    )
    def decoder_of_its_own(self, case):
        own = shapes(case.state)
        own["decoder.weight"], own["decoder.bias"] = own["encoder.weight"][::-1], own.pop("bias")
        return self.with_parameters(case, own)

    @misconception(
        "You made a second parameter out of the encoder's weight. They begin with the same "
        "numbers, but a copy is not shared: training will take them apart."
    )
    def copied_weight(self, case):
        own = shapes(case.state)
        return self.with_parameters(case, {**own, "weight": own["encoder.weight"]})

    @misconception("The bias of the way back is a plain tensor, which no optimiser will find.")
    def bias_not_registered(self, case):
        own = shapes(case.state)
        return self.with_parameters(case, {k: v for k, v in own.items() if k != "bias"})

    @misconception("Your bias has the size of the code; it is added at the end, to H_in numbers.")
    def bias_of_the_code(self, case):
        own = shapes(case.state)
        return self.with_parameters(case, {**own, "bias": own["encoder.bias"]})

    @misconception("The bias of the way back begins with other numbers than zeros.")
    def bias_begins_otherwise(self, case):
        return {**self.reference(case), "the first bias": "not zeros"}

    @misconception("Your module makes another encoder; the one it is given may be trained already.")
    def encoder_made_anew(self, case):
        return {**self.reference(case), "the encoder": "another one"}

    @misconception(
        "The way back works with the weight as it was when the module was made. Training changes "
        "the encoder's weight later, and the way back has to follow."
    )
    def weight_of_yesterday(self, case):
        return self.computed(case, case.first["encoder.weight"].T.detach())

    @misconception(
        "The output is right, but on the way back the weight is taken out of autograd: a weight "
        "that is used twice gets a gradient from both places."
    )
    def decoder_detached(self, case):
        return self.computed(case, case.state["encoder.weight"].T.detach())

    @misconception("The code is used without a ReLU.")
    def no_relu(self, case):
        return self.computed(case, case.state["encoder.weight"].T, between=nn.Identity())

    @misconception(
        "The output goes through a ReLU as well, though what is to be restored may be negative."
    )
    def relu_on_output(self, case):
        return self.computed(case, case.state["encoder.weight"].T, after=nn.ReLU())

    @misconception("The bias of the way back is registered, but it is never added.")
    def bias_not_added(self, case):
        state = {**case.state, "bias": torch.zeros_like(case.state["bias"])}
        return self.reference(case.with_(state=state))


# ----------------------------------------------------------------------------------- the training


class TorchSGD:
    """torch.optim.SGD, by the function that does its step.

    The class itself imports torch's compiler when it is first made, and that takes seconds.
    """

    def __init__(self, params, lr: float, **settings: float) -> None:
        self.params = list(params)
        self.lr = lr
        self.settings = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, **settings}
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
                sgd([p], [p.grad], buffer, lr=self.lr, **self.settings, **also)
                self.buffers[k] = buffer[0]


class TrainOneEpoch(Spec):
    """One epoch of training, against the same steps with torch.

    Shape:
        - batches: pairs of x (N, H_in) and y (N,)
        - Output: the losses, one for each batch
    """

    name = "train_one_epoch"
    points = 6

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a single batch", 1, training=True)
        yield self.case(draw, "a few batches", 4, training=True)
        yield self.case(draw, "a model in evaluation mode", 3, training=False)
        yield self.case(draw, "batches of one", 3, training=False, N=1)
        yield self.case(draw, "float32", 3, training=True, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        count: int,
        training: bool,
        N: int | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        H_in, H_1, C = 7, 5, 3
        shapes = {"0.weight": (H_1, H_in), "0.bias": (H_1,), "3.weight": (C, H_1), "3.bias": (C,)}
        batches = []
        for k in range(count):
            size = N or 4 + k
            y = draw.integers(size, low=0, high=C)
            batches.append((draw.normal(size, H_in, dtype=dtype), y))
        return Case(
            label,
            batches=batches,
            training=training,
            state={name: draw.normal(*shape, dtype=dtype) for name, shape in shapes.items()},
            mask=torch.tensor([0.0, 2.0, 2.0, 0.0, 2.0], dtype=dtype)[draw.permutation(5)],
        )

    def made(self, case: Case) -> tuple:
        """Make the model, the loss and the optimiser."""
        H_1, H_in = case.state["0.weight"].shape
        C = len(case.state["3.bias"])
        model = nn.Sequential(
            nn.Linear(H_in, H_1), nn.Tanh(), Masked(case.mask), nn.Linear(H_1, C)
        ).to(case.mask.dtype)
        model.load_state_dict(dict(case.state))
        model.train(case.training)
        optimizer = TorchSGD(model.parameters(), lr=0.3, momentum=0.5)
        return model, nn.CrossEntropyLoss(), optimizer

    def call(self, student, case: Case):
        model, loss_function, optimizer = self.made(case)
        losses = student(model, loss_function, optimizer, [tuple(pair) for pair in case.batches])
        if losses is None:
            return None
        return self.seen(model, losses)

    def seen(self, model: nn.Module, losses):
        """Put together what is compared."""
        recorded = False
        if isinstance(losses, (list, tuple)):
            losses = [torch.as_tensor(loss).detach().float() for loss in losses]
        elif isinstance(losses, float):
            losses = torch.tensor(losses)
        elif isinstance(losses, torch.Tensor):
            # Whether they went through .item() and became float32 makes no difference.
            recorded, losses = losses.requires_grad, losses.float()
        return {
            "losses": losses,
            "losses with a history": recorded,
            "parameters": {name: p.detach() for name, p in model.named_parameters()},
        }

    def walk(
        self,
        case: Case,
        gradient: Callable = lambda old, new: new,
        steps: Callable = lambda batch: True,
        training: bool = True,
        after: bool = False,
    ):
        """Take torch's steps along gradients that are put in place by hand.

        Args:
            case: the case.
            gradient: makes the gradient of a step from that of the step before and the new one.
            steps: whether there is a step after this batch, counted from 0.
            training: the mode of the model.
            after: whether the losses are those after the step.
        """
        model, loss_function, optimizer = self.made(case)
        model.train(training)
        parameters = list(model.parameters())
        losses = []
        for k, (x, y) in enumerate(case.batches):
            loss = loss_function(model(x), y)
            for p, new in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.grad = new if p.grad is None else gradient(p.grad, new)
            if steps(k):
                optimizer.step()
            losses.append((loss_function(model(x), y) if after else loss).detach())
        return self.seen(model, torch.stack(losses))

    def reference(self, case: Case):
        return self.walk(case)

    @misconception(
        "The gradients of earlier batches are still there when new ones come, and backward adds to "
        "them."
    )
    def gradients_pile_up(self, case):
        return self.walk(case, gradient=lambda old, new: old + new)

    @misconception(
        "The parameters never move: whenever step is called there are no gradients, because they "
        "have just been cleared, or have not been computed yet."
    )
    def no_gradients_at_the_step(self, case):
        return self.walk(case, steps=lambda batch: False)

    @misconception(
        "Your step comes before backward: it changes parameters that backward still needs as they "
        "were in the forward pass."
    )
    def step_before_backward(self, case):
        if len(case.batches) == 1:
            return self.walk(case, steps=lambda batch: False)  # There is nothing to step along yet.
        model, loss_function, optimizer = self.made(case)
        model.train()
        for x, y in case.batches:
            loss = loss_function(model(x), y)
            optimizer.step()
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            for p, gradient in zip(model.parameters(), gradients, strict=True):
                p.grad = gradient
        return self.seen(model, loss)

    @misconception(
        "There is only one step, after the last batch; there should be one for every batch."
    )
    def one_step_in_all(self, case):
        last = len(case.batches) - 1
        return self.walk(case, lambda old, new: old + new, steps=lambda batch: batch == last)

    @misconception(
        "The model is trained in the mode in which it came. If that is evaluation mode, layers "
        "such as dropout do nothing."
    )
    def mode_not_set(self, case):
        return self.walk(case, training=case.training)

    @misconception(
        "The losses are measured again after each step; wanted are those from before the steps."
    )
    def losses_after_the_step(self, case):
        return self.walk(case, after=True)

    @misconception(
        "Your losses remember how they were made, which keeps the graph of every batch in memory."
    )
    def losses_keep_history(self, case):
        return {**self.reference(case), "losses with a history": True}

    @misconception("The losses come in a list; wanted is a single tensor with all of them.")
    def list_of_losses(self, case):
        answer = self.reference(case)
        return {**answer, "losses": list(answer["losses"])}

    @misconception("Only the loss of the last batch is returned; there is one for every batch.")
    def last_loss_only(self, case):
        answer = self.reference(case)
        return {**answer, "losses": answer["losses"][-1]}

    @misconception("The mean of the losses is returned; wanted are the losses, one for each batch.")
    def mean_of_the_losses(self, case):
        answer = self.reference(case)
        return {**answer, "losses": answer["losses"].mean()}


def refuse(*_arguments: object, **_named: object) -> None:
    """Stand in for what makes torch's optimisers work while a student's is at work."""
    raise RuntimeError("an optimiser is what this exercise asks you to write yourself")


# What torch.optim.sgd.sgd calls, under whatever name it was imported itself.
SGD_FUNCTIONS = ("_single_tensor_sgd", "_multi_tensor_sgd", "_fused_sgd")


class SGDOptimizer(Spec):
    """An optimiser with momentum, dampening and weight decay, against torch.optim.SGD.

    Shape:
        - each parameter, its gradient and its buffer: the same, any shape
    """

    name = "sgd_optimizer"
    points = 8

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "plain steps")
        yield self.case(draw, "momentum", momentum=0.9)
        yield self.case(draw, "momentum and dampening", momentum=0.8, dampening=0.3)
        yield self.case(draw, "dampening without momentum", dampening=0.4)
        yield self.case(draw, "weight decay", weight_decay=0.25)
        yield self.case(draw, "everything", momentum=0.7, dampening=0.2, weight_decay=0.3)
        yield self.case(draw, "float32", dtype=torch.float32, momentum=0.9, weight_decay=0.1)
        changing = self.case(draw, "another lr for each step", momentum=0.9)
        yield changing.with_(lrs=(0.5, 0.25, 0.05, 0.2))
        late = self.case(
            draw, "a late first gradient", momentum=0.6, dampening=0.5, weight_decay=0.2
        )
        (_, b), *later = late.steps
        (w, _), *last = later
        yield late.with_(steps=((None, b), (w, None), *last))

    def case(
        self, draw: Draw, label: str, dtype: torch.dtype = torch.float64, **settings: float
    ) -> Case:
        H_in, H_out = draw.primes(2)
        shapes = [(H_out, H_in), (H_out,)]

        def numbers() -> tuple[torch.Tensor, ...]:
            # Of either sign, and none near zero.
            signs = [1 - 2 * draw.integers(*shape, high=2, dtype=dtype) for shape in shapes]
            return tuple(
                sign * draw.uniform(*sign.shape, low=0.5, high=2.0, dtype=dtype) for sign in signs
            )

        steps = tuple(numbers() for _ in range(4))
        return Case(label, params=numbers(), steps=steps, lrs=(0.1,) * 4, settings=settings)

    def call(self, student, case: Case):
        parameters = [nn.Parameter(value.clone()) for value in case.params]
        with (
            patch.object(torch.optim.Optimizer, "__init__", refuse),
            patch.multiple("torch.optim.sgd", **dict.fromkeys(SGD_FUNCTIONS, refuse)),
        ):
            # An iterator, as net.parameters() is one.
            optimizer = student(iter(parameters), lr=case.lrs[0], **case.settings)
            return self.steps(case, parameters, optimizer)

    def steps(self, case: Case, parameters: list, optimizer, tweak: Callable | None = None):
        """Take all steps, and keep the parameters after each."""
        answer, kept = {}, True
        for t, (gradients, lr) in enumerate(zip(case.steps, case.lrs, strict=True)):
            optimizer.lr = lr
            for p, gradient in zip(parameters, gradients, strict=True):
                if gradient is None or p.grad is None:
                    p.grad = None if gradient is None else gradient.clone()
                else:
                    p.grad.copy_(gradient)  # In place, as backward changes what is there already.
            if tweak:
                tweak(optimizer, t)
            optimizer.step()
            for p, gradient in zip(parameters, gradients, strict=True):
                kept &= gradient is None or (p.grad is not None and torch.equal(p.grad, gradient))
            weight, bias = (p.detach().clone() for p in parameters)
            answer[f"after step {t + 1}"] = {"weight": weight, "bias": bias}
        return {**answer, "gradients left as they were": bool(kept)}

    def walk(self, case: Case, tweak: Callable | None = None, **settings: float):
        """Let torch take the steps.

        Args:
            case: the case.
            tweak: is called before each step, with the optimiser and the number of the step,
                counted from 0.
            settings: replace those of the case.
        """
        parameters = [nn.Parameter(value.clone()) for value in case.params]
        optimizer = TorchSGD(parameters, lr=1.0, **{**case.settings, **settings})
        answer = self.steps(case, parameters, optimizer, tweak)
        return {**answer, "gradients left as they were": True}

    def reference(self, case: Case):
        return self.walk(case)

    @misconception(
        "The parameters go up along the gradient; the loss becomes smaller in the other direction."
    )
    def uphill(self, case):
        return self.walk(case.with_(lrs=tuple(-lr for lr in case.lrs)))

    @misconception(
        "Nothing moves: your step gives a name to a new tensor, and the parameter stays what it "
        "was."
    )
    def never_moves(self, case):
        return self.walk(case.with_(lrs=(0.0,) * len(case.lrs)))

    @misconception(
        "Your step becomes part of what autograd records, which it refuses for a parameter that is "
        "changed in place."
    )
    def recorded_by_autograd(self, case):
        nn.Parameter(case.params[0].clone()).sub_(1.0)

    @misconception("There is no momentum: every step follows its own gradient alone.")
    def momentum_left_out(self, case):
        return self.walk(case, momentum=0.0)

    @misconception(
        "The first gradient is dampened too: the buffer of a parameter begins as its first "
        "gradient, whole."
    )
    def first_step_dampened(self, case):
        return self.walk(case, self.begin_with_zeros)

    def begin_with_zeros(self, optimizer, t: int) -> None:
        """Let the buffers begin as zeros."""
        if t == 0:
            optimizer.buffers = [torch.zeros_like(p) for p in optimizer.params]

    @misconception(
        "Each parameter has a first step of its own: where the gradient comes late, the buffer "
        "begins late, and as the whole gradient too."
    )
    def one_first_step_for_all(self, case):
        def begin(optimizer, t):
            if t > 0:
                for k, p in enumerate(optimizer.params):
                    if optimizer.buffers[k] is None:
                        optimizer.buffers[k] = torch.zeros_like(p)

        return self.walk(case, begin)

    @misconception("The dampening is left out: new gradients enter the buffer whole.")
    def dampening_left_out(self, case):
        return self.walk(case, dampening=0.0)

    @misconception(
        "Without momentum there is no buffer, and so nothing to dampen: torch ignores the "
        "dampening then."
    )
    def dampened_without_momentum(self, case):
        if case.settings.get("momentum"):
            return self.walk(case)
        return self.walk(case, momentum=1e-300)

    @misconception(
        "Your buffer is a mean, with the factor 1 - momentum at the new gradient; torch's is a "
        "sum, and the factor is another."
    )
    def buffer_is_a_mean(self, case):
        momentum = case.settings.get("momentum", 0.0)
        return self.walk(case, self.begin_with_zeros, dampening=momentum)

    @misconception(
        "The learning rate is inside the buffer, so a new learning rate changes nothing about the "
        "steps that are already in it."
    )
    def lr_inside_the_buffer(self, case):
        decay = case.settings.get("weight_decay", 0.0)

        def scale(optimizer, t):
            optimizer.lr = 1.0
            for p in optimizer.params:
                if p.grad is not None:
                    p.grad = case.lrs[t] * (p.grad + decay * p.detach())

        return self.walk(case, scale, weight_decay=0.0)

    @misconception("The weight decay is left out.")
    def decay_left_out(self, case):
        return self.walk(case, weight_decay=0.0)

    @misconception(
        "The sign of the weight decay is wrong: your weights are made larger, and not smaller."
    )
    def decay_with_wrong_sign(self, case):
        return self.walk(case, weight_decay=-case.settings.get("weight_decay", 0.0))

    @misconception(
        "The weight decay goes past the buffer, as in AdamW; in SGD it is a part of the gradient "
        "from the beginning."
    )
    def decay_past_the_buffer(self, case):
        decay = case.settings.get("weight_decay", 0.0)

        def shrink(optimizer, t):
            for p in optimizer.params:
                if p.grad is not None:
                    with torch.no_grad():
                        p.mul_(1 - case.lrs[t] * decay)

        return self.walk(case, shrink, weight_decay=0.0)

    @misconception(
        "Your buffer and .grad are the same tensor after the first step, so the next backward "
        "writes into your buffer."
    )
    def buffer_is_the_gradient(self, case):
        def overwrite(optimizer, t):
            if t == 1 and not case.settings.get("weight_decay"):
                for k, p in enumerate(optimizer.params):
                    if optimizer.buffers[k] is not None:
                        optimizer.buffers[k] = p.grad.clone()

        return self.walk(case, overwrite)

    @misconception(
        "Your buffer stays what it was after the first step: each step has to leave the new one "
        "for the next."
    )
    def buffer_not_kept(self, case):
        first: dict[int, torch.Tensor] = {}

        def restore(optimizer, t):
            for k, buffer in enumerate(optimizer.buffers):
                if buffer is not None:
                    optimizer.buffers[k] = first.setdefault(k, buffer).clone()

        return self.walk(case, restore)

    @misconception(
        "The steps are right, but your step writes into .grad, which is not yours: whoever called "
        "backward may want to read it."
    )
    def gradient_overwritten(self, case):
        kept = not case.settings.get("weight_decay")
        return {**self.walk(case), "gradients left as they were": kept}


class DropoutModule(Spec):
    """Dropout as a module, against the law of torch.nn.Dropout.

    Shape:
        - x: (*)
        - Output: (*)
    """

    name = "dropout_module"
    points = 5
    forbids = (
        "torch.nn.Dropout",
        "torch.nn.Dropout1d",
        "torch.nn.Dropout2d",
        "torch.nn.Dropout3d",
        "torch.nn.AlphaDropout",
        "torch.nn.FeatureAlphaDropout",
        "torch.nn.functional.dropout",
        "torch.dropout",
        "torch.feature_dropout",
        "torch.alpha_dropout",
        "torch.feature_alpha_dropout",
        "torch.native_dropout",
    )
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "few are dropped", 120, 80, p=0.2)
        yield self.case(draw, "many are dropped", 110, 90, p=0.7)
        yield self.case(draw, "the default share", 100, 100)
        yield self.case(draw, "float32, a batch of sequences", 90, 3, 40, p=0.3, dtype="float32")

    def case(
        self, draw: Draw, label: str, *shape: int, dtype: str = "float64", **arguments: float
    ) -> Case:
        # Never zero: a zero in the output is one that was dropped.
        signs = 1 - 2 * draw.integers(*shape, high=2)
        x = signs * draw.uniform(*shape, low=0.5, high=1.5)
        return Case(label, arguments=arguments, x=x.to(getattr(torch, dtype)))

    def build(self, student, case: Case):
        return student(**case.arguments)

    def call(self, built, case: Case):
        if not isinstance(built, nn.Module):
            return "no torch.nn.Module"
        built.train()
        leaf = case.x.detach().clone().requires_grad_()
        x = leaf.clone()
        first, second = built(x), built(leaf.clone())
        gradient = None
        if isinstance(first, torch.Tensor) and first.requires_grad:
            gradient = torch.autograd.grad(first.sum(), leaf, allow_unused=True)[0]
        case.x.copy_(x.detach())  # Has it been changed in place?
        built.eval()
        return {
            "training": first,
            "again": second,
            "gradient": gradient,
            "evaluation": built(leaf.detach().clone()),
        }

    def interpret(self, outputs, case: Case):
        if not isinstance(outputs, Mapping):
            raise TypeError("your class does not make a torch.nn.Module.")
        first, again, evaluated = (outputs[key] for key in ("training", "again", "evaluation"))
        for output in (first, again, evaluated):
            if not isinstance(output, torch.Tensor):
                raise TypeError("your module does not return a tensor.")
        told = {
            "the shape in training": str(tuple(first.shape)),
            "the shape in evaluation": str(tuple(evaluated.shape)),
            "the dtype in training": str(first.dtype),
            "the dtype in evaluation": str(evaluated.dtype),
        }
        if not first.shape == again.shape == evaluated.shape == case.x.shape:
            return told | dict.fromkeys(self.questions, "not to be told")
        p = case.arguments.get("p", 0.5)
        gradient = outputs["gradient"]
        follows = gradient is not None and torch.allclose(gradient * case.x, first)
        pattern = self.pattern(first, again)
        # With fewer draws the share is a matter of luck.
        each = pattern == "one for each number"
        values = (
            pattern,
            self.share(first, p) if each else "not to be told",
            self.factor(first, case.x, p),
            "only where something was kept" if follows else "not that of the output",
            self.share(evaluated, p),
            self.factor(evaluated, case.x, p),
        )
        return told | dict(zip(self.questions, values, strict=True))

    questions = (
        "the draw",
        "the share dropped in training",
        "the factor of what is kept in training",
        "the gradient",
        "the share dropped in evaluation",
        "the factor of what is kept in evaluation",
    )

    def share(self, output: torch.Tensor, p: float) -> str:
        """Say which share of the numbers was dropped."""
        dropped = (output == 0).double().mean().item()
        for name, value in {"none": 0.0, "all": 1.0}.items():
            if dropped == value:
                return name
        for name, value in {"p": p, "1 - p": 1 - p}.items():
            # Seven standard deviations or more.
            if abs(dropped - value) < 0.04:
                return name
        return f"about {dropped:.1f}"

    def factor(self, output: torch.Tensor, x: torch.Tensor, p: float) -> str:
        """Say by what the kept numbers were multiplied."""
        kept = output != 0
        ratios = (output[kept] / x[kept]).double()
        if ratios.numel() == 0:
            return "nothing is kept"
        factors = {"1": 1.0, "1 / (1 - p)": 1 / (1 - p), "1 / p": 1 / p, "1 - p": 1 - p, "p": p}
        for name, value in factors.items():
            if torch.allclose(ratios, torch.full_like(ratios, value), rtol=1e-5):
                return name
        return "another"

    def pattern(self, first: torch.Tensor, again: torch.Tensor) -> str:
        """Say for what there was a draw of its own."""
        dropped = (first == 0).flatten(1).double()  # (N, *)
        if not bool(dropped.any()):
            return "none"
        if torch.equal(first == 0, again == 0):
            return "the same in each call"
        if bool((dropped == dropped[:1]).all()):
            return "one for the whole batch"
        if bool((dropped == dropped[:, :1]).all()):
            return "one for each sample"
        return "one for each number"

    def told(self, case: Case, function: Callable):
        """Look at a function of x, p and the mode as at a student's module."""
        p = case.arguments.get("p", 0.5)

        class Module(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return function(x, p, self.training)

        return self.interpret(self.call(Module(), case), case)

    def reference(self, case: Case):
        return self.interpret(self.call(self.build(nn.Dropout, case), case), case)

    @misconception(
        "What is kept is not scaled up, so in training the numbers are smaller on average than "
        "they are in evaluation."
    )
    def not_scaled(self, case):
        return self.told(
            case, lambda x, p, on: nn.functional.dropout(x, p, on) * (1 - p if on else 1)
        )

    @misconception(
        "In evaluation mode numbers are dropped as well; there the module should do nothing."
    )
    def dropped_in_evaluation(self, case):
        return self.told(case, lambda x, p, on: nn.functional.dropout(x, p))

    @misconception(
        "The modes are exchanged: your module does nothing in training, and drops numbers in "
        "evaluation."
    )
    def modes_exchanged(self, case):
        return self.told(case, lambda x, p, on: nn.functional.dropout(x, p, not on))

    @misconception(
        "Nothing is scaled in training, and evaluation makes up for it with 1 - p; torch does it "
        "the other way round, so that evaluation has nothing to do."
    )
    def scaled_in_evaluation(self, case):
        return self.told(case, lambda x, p, on: nn.functional.dropout(x, p, on) * (1 - p))

    @misconception(
        "You keep a share p of the numbers and drop the others; p is the share that is dropped."
    )
    def kept_instead_of_dropped(self, case):
        return self.told(
            case,
            lambda x, p, on: nn.functional.dropout(x, 1 - p, on) * (p / (1 - p) if on else 1),
        )

    @misconception(
        "The right share is dropped, but what is kept is divided by p: ask yourself which share is "
        "left over."
    )
    def divided_by_p(self, case):
        return self.told(
            case, lambda x, p, on: nn.functional.dropout(x, p, on) * ((1 - p) / p if on else 1)
        )

    @misconception(
        "p is taken for the share that is kept, in the draw and in the scaling; it is the share "
        "that is dropped."
    )
    def keep_probability(self, case):
        return self.told(case, lambda x, p, on: nn.functional.dropout(x, 1 - p, on))

    @misconception("All samples of a batch lose the same numbers; each number has its own draw.")
    def one_draw_for_the_batch(self, case):
        return self.told(
            case, lambda x, p, on: x * nn.functional.dropout(torch.ones_like(x[:1]), p, on)
        )

    @misconception("Whole samples are dropped; each number has its own draw.")
    def whole_samples(self, case):
        def samples(x: torch.Tensor, p: float, on: bool) -> torch.Tensor:
            ones = torch.ones_like(x.flatten(1)[:, 0])
            return (x.movedim(0, -1) * nn.functional.dropout(ones, p, on)).movedim(-1, 0)

        return self.told(case, samples)

    @misconception("The same numbers are dropped in every call; each call should draw anew.")
    def same_in_every_call(self, case):
        def seeded(x: torch.Tensor, p: float, on: bool) -> torch.Tensor:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                return nn.functional.dropout(x, p, on)

        return self.told(case, seeded)


class EvaluateAccuracy(Spec):
    """The share of right answers over batches of unequal size.

    Shape:
        - batches: pairs of x (N, H_in) and y (N,)
        - Output: a number from 0 to 1
    """

    name = "evaluate_accuracy"
    points = 4

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a model in training mode", (7, 5, 2), (3, 4, 2), training=True)
        yield self.case(draw, "a model in evaluation mode", (6, 8, 3), (5, 2, 1), training=False)
        yield self.case(draw, "a single batch", (9,), (5,), training=True)
        yield self.case(draw, "a last batch of one", (8, 8, 1), (4, 3, 1), training=True)
        yield self.case(draw, "float32", (4, 7), (3, 2), training=True, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        sizes: tuple[int, ...],
        right: tuple[int, ...],
        training: bool,
        dtype: torch.dtype = torch.float64,
    ) -> Case:
        C = 5
        batches = []
        for size, count in zip(sizes, right, strict=True):
            y = draw.integers(size, low=1, high=C)
            y[0] = 0
            # The logits say y for the first ones; for the others another class, but never 0.
            said = torch.where(torch.arange(size) < count, y, y % (C - 1) + 1)
            x = draw.uniform(size, C, low=0.1, high=1.0, dtype=dtype)
            x[torch.arange(size), said] += 1.0
            order = draw.permutation(size)
            batches.append((x[order], y[order]))
        # In training mode class 0 gets no points.
        mask = torch.ones(C, dtype=dtype)
        mask[0] = 0
        return Case(label, batches=batches, training=training, mask=mask)

    def made(self, case: Case) -> nn.Module:
        """Make the model, whose logits are the numbers it is given."""
        layer = nn.Linear(len(case.mask), len(case.mask), dtype=case.mask.dtype)
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
        return nn.Sequential(layer, Masked(case.mask)).train(case.training)

    def call(self, student, case: Case):
        model = self.made(case)
        graphs: list[bool] = []
        model.register_forward_hook(lambda *call: graphs.append(call[-1].requires_grad))
        accuracy = student(model, [tuple(pair) for pair in case.batches])
        if accuracy is None:
            return None
        if isinstance(accuracy, (int, float, torch.Tensor)):
            accuracy = torch.as_tensor(accuracy).float()
        return {
            "accuracy": accuracy,
            "autograd recorded it": any(graphs),
            "the mode afterwards": self.mode(model),
        }

    def mode(self, model: nn.Module) -> str:
        """Name the mode of a model and of all that is in it."""
        found = {module.training for module in model.modules()}
        return "mixed" if len(found) > 1 else "training" if found.pop() else "evaluation"

    def reference(self, case: Case):
        answers = torch.cat([self.answers(case, x, y) for x, y in case.batches])
        return self.told(case, answers.mean())

    def answers(self, case: Case, x: torch.Tensor, y: torch.Tensor, training: bool = False):
        """Say for each sample whether its answer is right, as 0.0 or 1.0."""
        said = self.made(case).train(training)(x.detach()).topk(1).indices.squeeze(1)
        return said.eq(y).double()

    def told(self, case: Case, accuracy: torch.Tensor):
        """Put together what is compared."""
        mode = "training" if case.training else "evaluation"
        return {
            "accuracy": accuracy.float(),
            "autograd recorded it": False,
            "the mode afterwards": mode,
        }

    def means(self, case: Case) -> torch.Tensor:
        """Compute the accuracy of each batch."""
        return torch.stack([self.answers(case, x, y).mean() for x, y in case.batches])

    @misconception(
        "You take the mean of the batches' accuracies, in which a sample of a small batch counts "
        "for more than one of a large batch."
    )
    def mean_of_means(self, case):
        return self.told(case, self.means(case).mean())

    @misconception("Only the last batch is counted.")
    def last_batch_only(self, case):
        return self.told(case, self.means(case)[-1])

    @misconception("You return how many answers are right; wanted is their share.")
    def number_of_right_answers(self, case):
        answers = [self.answers(case, x, y) for x, y in case.batches]
        return self.told(case, torch.cat(answers).sum())

    @misconception(
        "The number of right answers is divided by the number of batches, and not by that of the "
        "samples."
    )
    def divided_by_batches(self, case):
        answers = [self.answers(case, x, y) for x, y in case.batches]
        return self.told(case, torch.cat(answers).sum() / len(answers))

    @misconception("You return per cent; wanted is a share from 0 to 1.")
    def in_per_cent(self, case):
        answer = self.reference(case)
        return self.told(case, 100 * answer["accuracy"])

    @misconception(
        "The model is measured in the mode in which it came: in training mode layers such as "
        "dropout disturb its answers."
    )
    def measured_in_training_mode(self, case):
        answers = [self.answers(case, x, y, case.training) for x, y in case.batches]
        return self.told(case, torch.cat(answers).mean())

    @misconception(
        "The accuracy is right, but autograd records every forward pass, though nobody will call "
        "backward: evaluation mode does not prevent that."
    )
    def autograd_left_on(self, case):
        return {**self.reference(case), "autograd recorded it": True}

    @misconception(
        "Your function leaves the model in evaluation mode, and whoever goes on training it will "
        "not notice."
    )
    def left_in_evaluation_mode(self, case):
        return {**self.reference(case), "the mode afterwards": "evaluation"}

    @misconception(
        "Your function always leaves the model in training mode, even if it came in evaluation "
        "mode."
    )
    def left_in_training_mode(self, case):
        return {**self.reference(case), "the mode afterwards": "training"}
