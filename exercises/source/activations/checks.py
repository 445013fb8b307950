"""The specs of the assignment activations: slopes by hand, and functions that stay finite.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from autograder import Case, Draw, ModuleSpec, Rung, Spec, misconception, relayout

# Whoever asks autograd for the gradient ends up in one of these, those in torch.func as well.
AUTOGRAD = ("torch.autograd.grad", "torch.autograd.backward", "torch._VF._make_dual")

# Each of these adds up exponentials and takes the logarithm, so that nothing is left to write.
LOG_SUM_EXP = (
    "torch.logsumexp",
    "torch.logaddexp",
    "torch.logaddexp2",
    "torch.logcumsumexp",
    "torch.log_softmax",
    "torch.nn.functional.logsigmoid",
    "torch.nn.functional.softplus",
    "torch.nn.functional.soft_margin_loss",
    "torch.nn.functional.cross_entropy",
    "torch.nn.functional.binary_cross_entropy_with_logits",
)

Function = Callable[[torch.Tensor], torch.Tensor]


def both_signs(draw: Draw, *shape: int, scale: float = 1.0, **kind: object) -> torch.Tensor:
    """Draw at least three numbers: the first positive, the second negative, the third 0."""
    x = draw.normal(*shape, scale=scale, **kind)
    flat = x.view(-1)
    flat[0] = flat[0].abs() + 0.5
    flat[1] = -flat[1].abs() - 0.5
    flat[2] = 0
    return x


def extremes(draw: Draw, size: float, *shape: int, **kind: object) -> torch.Tensor:
    """Draw numbers near size, the first 0 and every second one of the others negative."""
    x = draw.uniform(*shape, low=size, high=1.2 * size, **kind)
    flat = x.view(-1)
    flat[::2] *= -1
    flat[0] = 0
    return x


def slope(function: Function, x: torch.Tensor) -> torch.Tensor:
    """Ask autograd for the slope of a function at each number."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


def at_zero(x: torch.Tensor, y: torch.Tensor, straight: float) -> torch.Tensor:
    """Give y, which is made of x, another slope at 0, and only there."""
    return torch.where(x == 0, y.detach() + straight * (x - x.detach()), y)


# ---------------------------------------------------------------------------------------- slopes


class FourSlopes(Spec):
    """The slopes of the sigmoid, tanh, LeakyReLU and ELU, against autograd.

    Shape:
        - x: (*)
        - Output: four slopes, each (*)
    """

    name = "four_slopes"
    points = 4
    returns = ("sigmoid", "tanh", "leaky_relu", "elu")
    forbids = AUTOGRAD
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H_in = draw.primes(2)
        yield Case("the default arguments", x=both_signs(draw, N, H_in))
        x = both_signs(draw, N, H_in)
        yield Case("other arguments", x=x, negative_slope=0.2, alpha=1.7)
        x = extremes(draw, 1000.0, N, H_in)
        yield Case("large values", x=x, negative_slope=1.5, alpha=0.4)
        x = both_signs(draw, N, H_in, dtype=torch.float32)
        yield Case("float32", x=x, negative_slope=0.3, alpha=0.6)
        x = relayout(both_signs(draw, N, H_in))
        yield Case("not contiguous", x=x, negative_slope=-0.4, alpha=2.0)
        yield Case("a single number", x=draw.normal(), negative_slope=0.0, alpha=0.5)

    def options(self, case: Case) -> tuple[float, float]:
        return case.get("negative_slope", 0.01), case.get("alpha", 1.0)

    def functions(self, case: Case) -> list[Function]:
        negative_slope, alpha = self.options(case)
        return [
            torch.sigmoid,
            torch.tanh,
            lambda x: F.leaky_relu(x, negative_slope),
            lambda x: F.elu(x, alpha),
        ]

    def reference(self, case: Case):
        return tuple(slope(function, case.x) for function in self.functions(case))

    @misconception(
        "Your answers are the values of the four functions; it is their slopes that are wanted."
    )
    def values_returned(self, case):
        return tuple(function(case.x) for function in self.functions(case))

    @misconception(
        "In your slope of the sigmoid x itself is multiplied; the formula multiplies values of the "
        "sigmoid."
    )
    def input_taken_for_output(self, case):
        _, tanh, leaky_relu, elu = self.reference(case)
        return case.x * (1 - case.x), tanh, leaky_relu, elu

    @misconception("The slope of tanh is not 1 - tanh(x): something there has to be squared.")
    def tanh_not_squared(self, case):
        sigmoid, _, leaky_relu, elu = self.reference(case)
        return sigmoid, 1 - torch.tanh(case.x), leaky_relu, elu

    @misconception(
        "The sides of LeakyReLU are exchanged: negative_slope is the slope where x is negative."
    )
    def leaky_sides_exchanged(self, case):
        sigmoid, tanh, _, elu = self.reference(case)
        return sigmoid, tanh, self.reference(case.with_(x=-case.x))[2], elu

    def cornered(self, case: Case, leaky: bool, elu: bool):
        """Take the slope of the right side at 0."""
        slopes = self.reference(case)
        corner = case.x == 0
        return *slopes[:2], *(
            each.masked_fill(corner, 1.0) if wrong else each
            for each, wrong in zip(slopes[2:], (leaky, elu), strict=True)
        )

    @misconception(
        "Exactly at 0 LeakyReLU gets the slope of its right side; torch takes that of the left."
    )
    def leaky_corner(self, case):
        return self.cornered(case, leaky=True, elu=False)

    @misconception(
        "Exactly at 0 ELU gets the slope of its right side; torch takes that of the left side, and "
        "the two differ unless alpha is 1."
    )
    def elu_corner(self, case):
        return self.cornered(case, leaky=False, elu=True)

    @misconception(
        "Exactly at 0 both LeakyReLU and ELU get the slope of their right side; torch takes that "
        "of the left."
    )
    def both_corners(self, case):
        return self.cornered(case, leaky=True, elu=True)

    @misconception(
        "The left side of ELU answers with its value; its slope is wanted, and a constant has none."
    )
    def elu_value(self, case):
        *slopes, elu = self.reference(case)
        values = F.elu(case.x, self.options(case)[1])
        return *slopes, torch.where(case.x > 0, elu, values)

    @misconception("alpha is missing from the slope of ELU: it stays when you take the derivative.")
    def alpha_missing(self, case):
        return *self.reference(case)[:3], slope(F.elu, case.x)

    @misconception(
        "Your ELU multiplies the side that does not count by 0. Its exponential overflows for "
        "large x, and 0 times infinity is NaN: choose between the sides instead."
    )
    def zero_times_infinity(self, case):
        *slopes, elu = self.reference(case)
        return *slopes, elu.masked_fill(case.x.exp().isinf(), torch.nan)


class PReLU(ModuleSpec):
    """A LeakyReLU that learns one slope per channel, against torch.nn.PReLU.

    Shape:
        - x: (N, C, *)
        - Output: (N, C, *)
    """

    name = "prelu_module"
    points = 4
    returns = ("output", "the weight of a new module")
    gradients = ("inputs", "state")
    forbids = ("torch.nn.PReLU", "torch.prelu", "torch._prelu_kernel")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        # All axes have the same size, so that a slope on a wrong axis still fits.
        C, K = draw.primes(2, below=6)
        yield self.case(draw, "one slope for all channels", {}, K, K, C)
        yield self.case(draw, "one slope per channel", {"num_parameters": C, "init": 0.1}, C, C)
        yield self.case(draw, "images", {"num_parameters": C, "init": -0.3}, C, C, C, C)
        yield self.case(draw, "sequences", {"num_parameters": K}, K, K, K)
        yield self.case(draw, "a batch of one", {"num_parameters": C, "init": 0.0}, 1, C, C)
        arguments = {"num_parameters": K, "init": 1.5}
        yield self.case(draw, "float32", arguments, K, K, K, dtype=torch.float32)

    def case(self, draw: Draw, label: str, arguments: dict, *shape: int, **kind: object) -> Case:
        weight = draw.normal(arguments.get("num_parameters", 1), **kind)
        weight[0] = weight[0].abs() + 1.5  # steeper than the right side
        x = both_signs(draw, *shape, **kind)
        # In the first channel, the negative numbers and a 0 must meet that slope.
        x[0, 0] = -x[0, 0].abs() - 0.2
        x[-1, -1] = x[-1, -1].abs() + 0.2
        x[0, 1] = 0
        return Case(label, arguments=arguments, state={"weight": weight}, inputs=(relayout(x),))

    def call(self, built, case: Case):
        output = super().call(built, case)
        weight = getattr(built, "weight", None)
        return output, weight.detach() if isinstance(weight, torch.Tensor) else weight

    def reference(self, case: Case):
        (x,) = case.inputs
        module = nn.PReLU(**case.arguments)
        return functional_call(module, case.state, (x,)), module.weight.detach()

    def with_x(self, case: Case, x: torch.Tensor):
        return self.reference(case.with_(inputs=(x,)))

    def along(self, case: Case, axis: int) -> torch.Tensor:
        """Lay the slopes along an axis of x."""
        dims = case.inputs[0].dim()
        return case.state["weight"].reshape([-1 if i == axis % dims else 1 for i in range(dims)])

    def with_slopes(self, case: Case, slopes: torch.Tensor):
        """Multiply what is negative by slopes of any shape."""
        (x,) = case.inputs
        return torch.where(x > 0, x, slopes * x), self.reference(case)[1]

    @misconception(
        "Your slopes lie along the last axis; the channels are the second axis, however many axes "
        "there are."
    )
    def along_last_axis(self, case):
        return self.with_slopes(case, self.along(case, -1))

    @misconception("Your slopes lie along the first axis; that is the batch.")
    def along_batch(self, case):
        return self.with_slopes(case, self.along(case, 0))

    @misconception(
        "Your slopes are laid out for images, which have two axes after the channels; there may be "
        "any number of them, none included."
    )
    def images_only(self, case):
        return self.with_slopes(case, case.state["weight"].reshape(1, -1, 1, 1))

    @misconception("The slope is on the wrong side: what is positive passes as it is.")
    def wrong_side(self, case):
        output, weight = self.with_x(case, -case.inputs[0])
        return -output, weight

    @misconception(
        "The negative numbers lose their sign: with a positive slope they stay negative."
    )
    def sign_lost(self, case):
        (x,) = case.inputs
        output, weight = self.reference(case)
        return torch.where(x > 0, output, -output), weight

    @misconception(
        "You take the larger of x and its multiple, which works only for slopes up to 1. The "
        "learned slope may be any number."
    )
    def larger_of_two(self, case):
        (x,) = case.inputs
        return torch.maximum(x, self.along(case, 1) * x), self.reference(case)[1]

    @misconception(
        "Your module computes with init, and never with its weight: what it learns has no effect."
    )
    def weight_unused(self, case):
        init = torch.full_like(case.state["weight"], case.arguments.get("init", 0.25))
        return self.reference(case.with_(state={"weight": init}))

    @misconception("Your weight starts at 0.25 whatever init says.")
    def init_ignored(self, case):
        output, weight = self.reference(case)
        return output, torch.full_like(weight, 0.25)

    @misconception(
        "The weight is cut off from autograd: it is used as a plain number, and would never learn."
    )
    def weight_detached(self, case):
        return self.reference(case.with_(state={"weight": case.state["weight"].detach()}))

    def at_zero(self, case: Case, right: float, left: float):
        """Let shares of the slopes of both sides count at 0, and only there."""
        (x,) = case.inputs
        change = right + (left - 1) * self.along(case, 1).detach()
        output, weight = self.reference(case)
        return output + torch.where(x == 0, x * change, torch.zeros_like(x)), weight

    @misconception(
        "Exactly at 0 your function has the slope of its right side; torch takes that of the left."
    )
    def right_side_at_zero(self, case):
        return self.at_zero(case, right=1, left=0)

    @misconception(
        "Exactly at 0 both sides of your function have a slope, and they add up; torch takes the "
        "left one alone."
    )
    def both_sides_at_zero(self, case):
        return self.at_zero(case, right=1, left=1)

    @misconception(
        "Exactly at 0 your function has half the slope of each side, since torch.maximum and "
        "torch.minimum share the gradient between two equal numbers; torch takes the left slope."
    )
    def half_of_each_at_zero(self, case):
        return self.at_zero(case, right=0.5, left=0.5)

    @misconception(
        "Exactly at 0 your function has no slope, since neither of its sides has one there; torch "
        "takes the left one."
    )
    def no_slope_at_zero(self, case):
        return self.at_zero(case, right=0, left=0)


class GatedSlopes(Spec):
    """SiLU and both forms of GELU, with their slopes, against torch and autograd.

    Shape:
        - x: (*)
        - Output: y and its slope, each (*)
    """

    name = "gated_slopes"
    points = 6
    returns = ("y", "slope")
    forbids = (
        *AUTOGRAD,
        "torch.nn.SiLU",
        "torch.nn.GELU",
        "torch.nn.functional.silu",
        "torch.nn.functional.gelu",
    )
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H_in = draw.primes(2)
        for gate in ("sigmoid", "normal", "tanh"):
            yield Case(f"the {gate} gate", x=self.x(draw, N, H_in), gate=gate)
            # Quotients of differences get lost among numbers as large as these.
            x = extremes(draw, 1e12, N + 1, H_in)[1:]
            yield Case(f"the {gate} gate, very large values", x=x, gate=gate)
        x = relayout(self.x(draw, H_in, N, dtype=torch.float32))
        yield Case("the normal gate in float32, not contiguous", x=x, gate="normal")
        x = self.x(draw, 1, H_in + 2, dtype=torch.float32)
        yield Case("the tanh gate in float32, a batch of one", x=x, gate="tanh")

    def x(self, draw: Draw, *shape: int, **kind: object) -> torch.Tensor:
        x = both_signs(draw, *shape, **kind)
        x.view(-1)[2] = 1.3  # a place where all three gates and their slopes differ
        return x

    def y(self, case: Case) -> Function:
        return {
            "sigmoid": F.silu,
            "normal": F.gelu,
            "tanh": lambda x: F.gelu(x, approximate="tanh"),
        }[case.gate]

    def reference(self, case: Case):
        return self.y(case)(case.x), slope(self.y(case), case.x)

    def parts(self, case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Split what the reference answers: y, the gate, and what is left of the slope."""
        y, whole = self.reference(case)
        gate = y / case.x
        return y, gate, whole - gate

    @misconception(
        "Half of the product rule is missing: your slope is the gate alone, as if it did not "
        "depend on x."
    )
    def gate_only(self, case):
        y, gate, _ = self.parts(case)
        return y, gate

    @misconception(
        "Half of the product rule is missing: the x in front of the gate has a slope as well."
    )
    def gate_slope_only(self, case):
        y, _, rest = self.parts(case)
        return y, rest

    @misconception(
        "Your slope is that of the gate alone; x times the gate is a product, and its slope has "
        "two terms."
    )
    def slope_of_gate(self, case):
        y, _, rest = self.parts(case)
        return y, rest / case.x

    @misconception("In the product rule the slope of the gate is multiplied by x; here it is not.")
    def factor_missing(self, case):
        y, gate, rest = self.parts(case)
        return y, gate + rest / case.x

    @misconception(
        "The error function gets x itself; the normal distribution function wants x divided by "
        "the square root of 2 there."
    )
    def erf_not_scaled(self, case):
        if case.gate != "normal":
            return self.reference(case)
        wide = F.gelu(case.x * math.sqrt(2)) / math.sqrt(2)
        return wide, wide / case.x + self.parts(case)[2]

    @misconception(
        "The density of the normal distribution lacks its factor in front, and its area is not 1."
    )
    def density_not_normalised(self, case):
        y, gate, rest = self.parts(case)
        return y, gate + rest * (math.sqrt(2 * math.pi) if case.gate == "normal" else 1)

    @misconception("The tanh gate is answered with the exact GELU; the two differ a little.")
    def always_exact(self, case):
        return self.reference(case.with_(gate="normal") if case.gate == "tanh" else case)

    @misconception(
        "Under the tanh gate your y is the approximation, but your slope is that of the exact GELU."
    )
    def slope_of_exact(self, case):
        return self.reference(case)[0], self.always_exact(case)[1]

    def approximated(self, case: Case, inner: Function):
        """Answer the tanh gate with what another inner function leads to."""
        if case.gate != "tanh":
            return self.reference(case)

        def y(x: torch.Tensor) -> torch.Tensor:
            return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * inner(x))) / 2

        return y(case.x), slope(y, case.x)

    @misconception(
        "The root in the tanh gate covers the whole fraction 2/pi; yours covers only the 2."
    )
    def root_too_short(self, case):
        wrong = math.sqrt(2) / math.pi / math.sqrt(2 / math.pi)
        return self.approximated(case, lambda x: wrong * (x + 0.044715 * x**3))

    @misconception("The last x in the tanh gate is squared; it should be cubed.")
    def squared_not_cubed(self, case):
        return self.approximated(case, lambda x: x + 0.044715 * x**2)

    @misconception(
        "In the tanh gate the constant is ten times too large: there is a 0 after its point."
    )
    def constant_misread(self, case):
        return self.approximated(case, lambda x: x + 0.44715 * x**3)

    @misconception(
        "The cube in the tanh gate has lost a factor on the way to its derivative: the y is right, "
        "the slope is not."
    )
    def cube_without_factor(self, case):
        return self.approximated(case, lambda x: x + 0.044715 * x.detach() ** 2 * x)

    @misconception(
        "The chain rule is not complete: under the tanh gate the cube inside the bracket changes "
        "with x too."
    )
    def cube_held_fixed(self, case):
        return self.approximated(case, lambda x: x + 0.044715 * x.detach() ** 3)

    @misconception(
        "Under the tanh gate the factor 1/2 in front of the bracket has got lost on the way to the "
        "slope."
    )
    def half_lost(self, case):
        y, gate, rest = self.parts(case)
        return y, gate + rest * (2 if case.gate == "tanh" else 1)

    @misconception(
        "The chain rule is not complete: under the tanh gate, what stands inside the tanh has a "
        "slope of its own."
    )
    def inner_slope_missing(self, case):
        def inner(x: torch.Tensor) -> torch.Tensor:
            total = x + 0.044715 * x**3
            return total.detach() + (x - x.detach()) / math.sqrt(2 / math.pi)

        return self.approximated(case, inner)


# --------------------------------------------------------------------------------- staying finite


class SoftplusThreshold(Spec):
    """Softplus with a threshold, against torch.nn.functional.softplus.

    Shape:
        - x: (*)
        - Output: (*)
    """

    name = "softplus_threshold"
    points = 4
    gradients = ("x",)
    forbids = LOG_SUM_EXP
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}
    # Far on the left the right answer is tiny, and 0 is not close enough to it.
    tolerances = {torch.float64: (1e-7, 1e-30), torch.float32: (1e-4, 1e-30)}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H_in = draw.primes(2)
        yield Case("the default arguments", x=both_signs(draw, N, H_in, scale=8.0))
        x = both_signs(draw, N, H_in, scale=2.0)
        x.view(-1)[3:6] = torch.tensor([0.5, 0.75, 1.5])  # beta x is 1, 1.5 and 3
        yield Case("a low threshold", x=x, beta=2.0, threshold=1.0)
        x = extremes(draw, 1000.0, N, H_in)
        x.view(-1)[3:6] = torch.tensor([4.5, 3.0, -50.0])  # beta x is 2.25, 1.5 and -25
        yield Case("large values", x=x, beta=0.5, threshold=2.0)
        x = extremes(draw, 100.0, N, H_in, dtype=torch.float32)
        yield Case("large values in float32", x=x)
        x = relayout(both_signs(draw, N, H_in, scale=3.0))
        x[0, 0] = 6.0
        yield Case("not contiguous", x=x, beta=4.0, threshold=30.0)
        yield Case("a single number", x=-30 - draw.uniform(), beta=1.0)

    def options(self, case: Case) -> tuple[float, float]:
        return case.get("beta", 1.0), case.get("threshold", 20.0)

    def straight(self, case: Case) -> torch.Tensor:
        beta, threshold = self.options(case)
        return beta * case.x > threshold

    def reference(self, case: Case):
        return F.softplus(case.x, *self.options(case))

    def unsafe(self, case: Case) -> torch.Tensor:
        """Compute the formula as it stands, whatever overflows."""
        beta, _ = self.options(case)
        return torch.log1p(torch.exp(beta * case.x)) / beta

    @misconception(
        "Your values are right, but the gradient is NaN: torch.where computes both sides, and the "
        "backward pass goes through both. The exponential that was not chosen has overflowed, and "
        "0 times infinity is NaN."
    )
    def nan_from_other_side(self, case):
        return torch.where(self.straight(case), self.reference(case), self.unsafe(case))

    @misconception("The threshold is never used, and the exponential overflows for large x.")
    def no_threshold(self, case):
        return self.unsafe(case)

    @misconception("You compare x with the threshold; it is beta x that is compared.")
    def threshold_for_x(self, case):
        beta, threshold = self.options(case)
        return F.softplus(case.x, beta, beta * threshold)

    @misconception("The threshold is always 20 in your code; it is an argument.")
    def threshold_fixed(self, case):
        return F.softplus(case.x, self.options(case)[0], 20.0)

    @misconception("Your function ignores beta.")
    def beta_ignored(self, case):
        return F.softplus(case.x, 1.0, self.options(case)[1])

    @misconception("The logarithm is not divided by beta.")
    def not_divided(self, case):
        right = self.reference(case)
        return torch.where(self.straight(case), right, self.options(case)[0] * right)

    @misconception("Beyond the threshold your answer is beta x; it should be x.")
    def scaled_line(self, case):
        right = self.reference(case)
        return torch.where(self.straight(case), self.options(case)[0] * right, right)

    @misconception(
        "Beyond the threshold your function stays level, since what goes into the exponential is "
        "cut off there; it should go on as x."
    )
    def level_beyond(self, case):
        beta, threshold = self.options(case)
        return self.reference(case.with_(x=case.x.clamp(max=threshold / beta)))

    @misconception(
        "Where beta x is equal to the threshold you answer x already; that begins beyond it."
    )
    def straight_too_early(self, case):
        beta, threshold = self.options(case)
        return torch.where(beta * case.x == threshold, case.x, self.reference(case))

    @misconception(
        "Where beta x is equal to the threshold, your gradient is only half of the right one: "
        "torch.minimum and torch.maximum share it between two equal numbers."
    )
    def half_at_threshold(self, case):
        beta, threshold = self.options(case)
        right = self.reference(case)
        return torch.where(beta * case.x == threshold, (right + right.detach()) / 2, right)

    @misconception(
        "Exactly at 0 the gradient is 0, because none of the pieces that you add has a slope there "
        "in torch. Softplus has no corner, and its slope at 0 is 1/2."
    )
    def level_at_zero(self, case):
        return at_zero(case.x, self.reference(case), 0.0)

    @misconception(
        "Exactly at 0 the gradient is 1, because one of the pieces that you add has its whole "
        "slope there in torch, and the other has none. The slope of softplus at 0 is 1/2."
    )
    def too_steep_at_zero(self, case):
        return at_zero(case.x, self.reference(case), 1.0)

    @misconception(
        "Far on the left a tiny number is added to 1, and is lost: there your answer is 0 or "
        "has only a few right digits."
    )
    def tiny_numbers_lost(self, case):
        beta, _ = self.options(case)
        tiny = torch.exp(beta * case.x.clamp(max=0))
        return torch.where(case.x > 0, self.reference(case), torch.log(1 + tiny) / beta)


class StableSigmoids(Spec):
    """The sigmoid and its logarithm from exponentials, against torch's.

    Shape:
        - x: (*)
        - Output: the sigmoid and its logarithm, each (*)
    """

    name = "stable_sigmoids"
    points = 5
    returns = ("sigmoid", "log_sigmoid")
    gradients = ("x",)
    forbids = (
        *LOG_SUM_EXP,
        "torch.sigmoid",
        "torch.special.expit",
        "torch.tanh",
        "torch.softmax",
        "torch.nn.functional.silu",
        "torch.nn.functional.glu",
    )
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H_in = draw.primes(2)
        yield Case("around 0", x=both_signs(draw, N, H_in))
        yield Case("a batch of one", x=both_signs(draw, 1, H_in + 2, scale=5.0))
        yield Case("very large values", x=extremes(draw, 1000.0, N, H_in))
        yield Case("float32", x=extremes(draw, 150.0, N, H_in, dtype=torch.float32))
        yield Case("not contiguous", x=relayout(both_signs(draw, N, H_in)))

    def reference(self, case: Case):
        return torch.sigmoid(case.x), F.logsigmoid(case.x)

    @misconception(
        "For very negative x your log-sigmoid is minus infinity, since the number whose logarithm "
        "you take has become 0 or infinite there. The true logarithm is about x."
    )
    def logarithm_too_late(self, case):
        sigmoid, _ = self.reference(case)
        return sigmoid, sigmoid.log()

    @misconception(
        "For large x your log-sigmoid is minus infinity, since the exponential whose logarithm you "
        "take is infinite there. The true logarithm is almost 0."
    )
    def logarithm_of_infinity(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return sigmoid, log_sigmoid.masked_fill(case.x.exp().isinf(), -torch.inf)

    @misconception(
        "For large x the exponential is infinite, and so are both sides of your fraction: infinity "
        "divided by infinity is NaN."
    )
    def infinity_by_infinity(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return sigmoid.masked_fill(case.x.exp().isinf(), torch.nan), log_sigmoid

    @misconception(
        "Your values are right, but the gradient of the sigmoid is NaN for very negative x: 1 "
        "divided by infinity is 0, and the backward pass multiplies that by infinity."
    )
    def nan_on_the_left(self, case):
        return 1 / (1 + torch.exp(-case.x)), self.reference(case)[1]

    @misconception(
        "Your values are right, but gradients are NaN: torch.where computes both sides, and the "
        "backward pass goes through both. In the side that was not chosen an exponential has "
        "overflowed."
    )
    def nan_from_other_side(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        # Each number is added, times 0, to one that has overflowed with it.
        lost = torch.exp(case.x) + torch.exp(-case.x)
        return torch.where(lost.isinf(), sigmoid + 0 * lost.clamp(max=1), sigmoid), log_sigmoid

    @misconception(
        "Exactly at 0 your sigmoid is level, because in torch the absolute value has the slope 0 "
        "there. The sigmoid is at its steepest."
    )
    def sigmoid_level_at_zero(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return at_zero(case.x, sigmoid, 0.0), log_sigmoid

    @misconception(
        "Exactly at 0 your log-sigmoid has the slope 1: of its two parts, the one with the "
        "absolute value has no slope there in torch, and the other has all of it."
    )
    def log_too_steep_at_zero(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return sigmoid, at_zero(case.x, log_sigmoid, 1.0)

    @misconception(
        "Exactly at 0 your log-sigmoid is level, because in torch neither of its two parts has a "
        "slope there. Its slope at 0 is 1/2."
    )
    def log_level_at_zero(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return sigmoid, at_zero(case.x, log_sigmoid, 0.0)

    @misconception(
        "Exactly at 0 both slopes are wrong, because in torch the absolute value has the slope 0 "
        "there."
    )
    def both_wrong_at_zero(self, case):
        return self.sigmoid_level_at_zero(case)[0], self.log_too_steep_at_zero(case)[1]

    @misconception(
        "Your values are right, but both gradients have a fault. That of the sigmoid is NaN for "
        "very negative x, where you divide 1 by infinity. That of the log-sigmoid is wrong exactly "
        "at 0, where the absolute value has the slope 0 in torch."
    )
    def nan_on_the_left_and_corner(self, case):
        return self.nan_on_the_left(case)[0], self.log_too_steep_at_zero(case)[1]

    @misconception(
        "Your values are right, but both gradients have a fault. That of the sigmoid is NaN, "
        "because the backward pass goes through both sides of torch.where. That of the log-sigmoid "
        "is wrong exactly at 0, where the absolute value has the slope 0 in torch."
    )
    def nan_from_other_side_and_corner(self, case):
        return self.nan_from_other_side(case)[0], self.log_too_steep_at_zero(case)[1]

    @misconception(
        "The sign of the log-sigmoid is wrong: a logarithm of a probability is not positive."
    )
    def sign_of_logarithm(self, case):
        sigmoid, log_sigmoid = self.reference(case)
        return sigmoid, -log_sigmoid

    @misconception("Your sigmoid falls from 1 to 0; it should rise.")
    def falling(self, case):
        return self.reference(case.with_(x=-case.x))[0], self.reference(case)[1]


class StableSoftmax(Spec):
    """Softmax and log-softmax along any axis, against torch's.

    Shape:
        - x: (*)
        - Output: the softmax and its logarithm, each (*)
    """

    name = "stable_softmax"
    points = 4
    returns = ("softmax", "log_softmax")
    gradients = ("x",)
    forbids = (*LOG_SUM_EXP, "torch.softmax", "torch.nn.functional.softmin")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, C, L = draw.primes(3, below=8)
        yield Case("along the rows", x=draw.normal(N, C), dim=1)
        yield Case("down the columns", x=draw.normal(N, C), dim=0)
        yield Case("a middle axis, not contiguous", x=relayout(draw.normal(N, C, L)), dim=-2)
        yield Case("a batch of one in float32", x=draw.normal(1, C, dtype=torch.float32), dim=1)
        level = torch.linspace(-1000, 1000, C, dtype=torch.float64)
        yield Case("rows at different heights", x=draw.normal(C, N) + level.unsqueeze(1), dim=-1)
        yield Case("one axis, far apart", x=draw.normal(C) + level, dim=0)

    def reference(self, case: Case):
        return torch.softmax(case.x, case.dim), torch.log_softmax(case.x, case.dim)

    @misconception("Your numbers add up to 1 along the last axis, whatever dim says.")
    def always_last_axis(self, case):
        return self.reference(case.with_(dim=-1))

    @misconception("Your numbers add up to 1 along the first axis, whatever dim says.")
    def always_first_axis(self, case):
        return self.reference(case.with_(dim=0))

    @misconception("All of your numbers together add up to 1; they should do so along dim.")
    def over_everything(self, case):
        softmax, log_softmax = self.reference(case.with_(x=case.x.flatten(), dim=0))
        return softmax.reshape(case.x.shape), log_softmax.reshape(case.x.shape)

    def overflowing(self, case: Case, x: torch.Tensor):
        """Answer as somebody does whose exponentials have become too large or too small."""
        total = x.exp().sum(case.dim, keepdim=True).expand_as(x)
        lost = total.isinf() | (total == 0)
        softmax, log_softmax = self.reference(case)
        softmax = torch.where(lost & ~(total.isinf() & x.exp().isfinite()), torch.nan, softmax)
        return softmax, torch.where(lost, x - total.log(), log_softmax)

    @misconception(
        "The exponentials overflow or vanish: subtracting the same number from all numbers along "
        "dim changes no result, and the right number keeps them finite."
    )
    def nothing_subtracted(self, case):
        return self.overflowing(case, case.x)

    @misconception(
        "You subtract the largest number of the whole tensor. Rows that lie far below it vanish: "
        "their exponentials are all 0."
    )
    def one_largest_for_all(self, case):
        return self.overflowing(case, case.x - case.x.max())

    @misconception(
        "You take the logarithm of the finished softmax. Where that has become 0, the result is "
        "minus infinity, and it should be finite."
    )
    def logarithm_too_late(self, case):
        softmax, _ = self.reference(case)
        return softmax, softmax.log()

    @misconception(
        "Your logarithm is too large: you subtract the largest number under the exponentials, but "
        "not in front of the logarithm."
    )
    def subtracted_once(self, case):
        softmax, log_softmax = self.reference(case)
        return softmax, log_softmax + case.x.amax(case.dim, keepdim=True)

    @misconception(
        "A maximum or a sum along dim has lost that axis, so that it no longer fits x. It "
        "should keep it, with the size 1."
    )
    def axis_lost(self, case):
        case.x - case.x.sum(case.dim)  # This raises what the student's code does.
        return self.reference(case)

    @misconception(
        "The sum is cut off from autograd: every number also changes the sum that all are divided "
        "by, and the gradient has to know it."
    )
    def sum_detached(self, case):
        moved = case.x - case.x.amax(case.dim, keepdim=True)
        moved = moved - moved.detach()
        softmax, log_softmax = self.reference(case)
        return softmax.detach() * (1 + moved), log_softmax.detach() + moved


class SoftmaxVJP(Spec):
    """The way back through a softmax, against autograd.

    Shape:
        - y, grad_output: (*)
        - Output: the gradient for x, (*)
    """

    name = "softmax_vjp"
    points = 4
    forbids = (
        *AUTOGRAD,
        "torch.softmax",
        "torch.log_softmax",
        "torch._softmax_backward_data",
        "torch._log_softmax_backward_data",
    )
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, C, L = draw.primes(3, below=8)
        yield self.case(draw, "along the rows", 1, N, C)
        yield self.case(draw, "down the columns", 0, N, C)
        yield self.case(draw, "a batch of one", -1, 1, C)
        yield self.case(draw, "a middle axis in float32", 1, N, C, L, dtype=torch.float32)
        case = self.case(draw, "not contiguous", -2, N, C, L)
        yield case.with_(y=relayout(case.y), grad_output=relayout(case.grad_output))
        yield self.case(draw, "a softmax that is sure of itself", 1, N, C, scale=10.0)

    def case(
        self, draw: Draw, label: str, dim: int, *shape: int, scale: float = 1.0, **kind: object
    ) -> Case:
        y = torch.softmax(draw.normal(*shape, scale=scale, **kind), dim)
        return Case(label, y=y, grad_output=draw.normal(*shape, **kind), dim=dim)

    def back(self, case: Case, function: Callable) -> torch.Tensor:
        """Send grad_output back through a function of x; the softmax of log(y) is y."""
        x = case.y.log().requires_grad_()
        return torch.autograd.grad(function(x), x, case.grad_output)[0]

    def reference(self, case: Case):
        return self.back(case, lambda x: torch.softmax(x, case.dim))

    def linear(self, case: Case, shared: Callable) -> torch.Tensor:
        """Go back through y as it changes in a first step, with another shared part."""

        def function(x: torch.Tensor) -> torch.Tensor:
            step = x - x.detach()
            return case.y * step - shared(step)

        return self.back(case, function)

    @misconception(
        "You treat each number on its own, as for a sigmoid; but every input of the slice also "
        "changes all other outputs."
    )
    def each_on_its_own(self, case):
        own = case.y - case.y**2
        return case.grad_output * own

    @misconception(
        "The effect of a number on the output in its own place is counted twice: you add it to a "
        "sum that contains it already."
    )
    def own_place_twice(self, case):
        return self.reference(case) - case.grad_output * case.y**2

    @misconception("grad_output is ignored: your answer is what comes back when it is all ones.")
    def grad_output_ignored(self, case):
        return self.reference(case.with_(grad_output=torch.ones_like(case.y)))

    @misconception("Your sum runs along the last axis, whatever dim says.")
    def always_last_axis(self, case):
        return self.linear(case, lambda step: case.y * (case.y * step).sum(-1, keepdim=True))

    @misconception("Your sum runs over the whole tensor; only the numbers along dim share a sum.")
    def sum_over_everything(self, case):
        return self.linear(case, lambda step: case.y * (case.y * step).sum())

    @misconception("You take a mean where the formula has a sum.")
    def mean_not_sum(self, case):
        return self.linear(
            case, lambda step: case.y * (case.y * step).sum(case.dim, True) / case.y.shape[case.dim]
        )

    @misconception("The y in front is missing: you return what stands in the bracket.")
    def outer_factor_missing(self, case):
        return self.reference(case) / case.y

    @misconception("Under the sum the y is missing: it adds up the numbers of grad_output alone.")
    def inner_factor_missing(self, case):
        return self.linear(case, lambda step: (case.y * step).sum(case.dim, keepdim=True))

    @misconception(
        "The sum is subtracted as it is; like the part before it, it has to be multiplied by y."
    )
    def sum_without_factor(self, case):
        return self.linear(case, lambda step: case.y * step.sum(case.dim, keepdim=True))

    @misconception("This is the way back through log_softmax; here it is the softmax.")
    def log_softmax_instead(self, case):
        return self.back(case, lambda x: torch.log_softmax(x, case.dim))

    @misconception(
        "The sum along dim has lost that axis, so that it no longer fits. It should keep it, with "
        "the size 1."
    )
    def axis_lost(self, case):
        case.y - case.y.sum(case.dim)  # This raises what the student's code does.
        return self.reference(case)

    @misconception("Your answer has the wrong sign; its size is right.")
    def wrong_sign(self, case):
        return -self.reference(case)
