"""The specs of the assignment autograd: gradients by hand, and an engine that finds them.

You may read all of this: it says how your answers are checked, not how to write them.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F

from autograder import Case, Draw, Rung, Spec, misconception, relayout

# Whoever asks autograd for the gradient ends up in one of these, those in torch.func as well.
AUTOGRAD = ("torch.autograd.grad", "torch.autograd.backward", "torch._VF._make_dual")


class CrossEntropyGradient(Spec):
    """The gradient of the cross entropy with respect to the logits, against autograd.

    Shape:
        - logits: (N, C), target: (N,)
        - Output: (N, C)
    """

    name = "cross_entropy_gradient"
    points = 4
    forbids = AUTOGRAD
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a batch")
        yield self.case(draw, "float32", dtype=torch.float32)
        case = self.case(draw, "large values", scale=30.0)
        yield case.with_(logits=case.logits + 1000)
        case = self.case(draw, "not contiguous")
        yield case.with_(logits=relayout(case.logits))

    def case(self, draw: Draw, label: str, N: int | None = None, **kind: object) -> Case:
        batch, C = draw.primes(2)
        N = N or batch
        # In a batch of one the last class is never the right one: C must come from the logits.
        target = draw.integers(N, low=0, high=C if N > 1 else C - 1)
        return Case(label, logits=draw.normal(N, C, **kind), target=target)

    def reference(self, case: Case) -> torch.Tensor:
        logits = case.logits.detach().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(logits, case.target), logits)[0]

    def with_no_target(self, case: Case) -> torch.Tensor:
        """Find the gradient of what is left of the loss without the logit of the right class."""
        logits = case.logits.detach().requires_grad_()
        return torch.autograd.grad(logits.logsumexp(dim=1).mean(), logits)[0]

    @misconception("The sign is wrong: your gradient points to where the loss falls.")
    def wrong_sign(self, case):
        return -self.reference(case)

    @misconception(
        "Your gradient is that of the sum over the samples; the loss is their mean, so each sample "
        "counts for less."
    )
    def summed(self, case):
        return self.reference(case) * len(case.target)

    @misconception(
        "You divide by the number of all logits; the loss is a mean over the samples only."
    )
    def averaged_over_classes(self, case):
        return self.reference(case) / case.logits.shape[1]

    @misconception(
        "Your softmax runs along the batch; the probabilities of one sample add up to 1."
    )
    def wrong_axis(self, case):
        wrong = torch.softmax(case.logits, dim=0) - torch.softmax(case.logits, dim=1)
        return self.reference(case) + wrong / len(case.target)

    @misconception(
        "The right class is treated as all others: your answer does not depend on target."
    )
    def target_left_out(self, case):
        return self.with_no_target(case)

    @misconception(
        "Only the right class gets a gradient. The other logits are in the loss too: they are in "
        "the sum in the softmax."
    )
    def right_class_only(self, case):
        right = F.one_hot(case.target, case.logits.shape[1]).bool()
        return self.reference(case).masked_fill(~right, 0)

    @misconception(
        "What the softmax contributes is missing: your gradient depends on target alone."
    )
    def softmax_left_out(self, case):
        return self.reference(case) - self.with_no_target(case)

    @misconception(
        "The exponential overflows for large logits; subtracting the same number from a whole row "
        "changes nothing but that."
    )
    def overflow(self, case):
        exponentials = case.logits.exp()
        naive = exponentials / exponentials.sum(dim=1, keepdim=True)
        return self.softmax_left_out(case) + naive / len(case.target)


class TanhLayerVJP(Spec):
    """A gradient passed back through a tanh layer, against autograd.

    Shape:
        - x: (N, H_in), weight: (H_out, H_in), bias: (H_out,), grad_output: (N, H_out)
        - Output: the gradients for x, weight and bias, each of its shape
    """

    name = "tanh_layer_vjp"
    points = 6
    returns = ("grad_x", "grad_weight", "grad_bias")
    forbids = AUTOGRAD
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "a batch of one", N=1)
        yield self.case(draw, "a small batch")
        yield self.case(draw, "float32", dtype=torch.float32)
        scattered = self.case(draw, "not contiguous")
        yield Case("not contiguous", **{name: relayout(value) for name, value in scattered.items()})

    def case(self, draw: Draw, label: str, N: int | None = None, **kind: object) -> Case:
        batch, H_in, H_out = draw.primes(3)
        N = N or batch
        return Case(
            label,
            x=draw.normal(N, H_in, **kind),
            weight=draw.normal(H_out, H_in, scale=0.5, **kind),
            bias=draw.normal(H_out, **kind),
            grad_output=draw.normal(N, H_out, **kind),
        )

    def back(self, case: Case, layer: Callable) -> tuple[torch.Tensor, ...]:
        """Ask autograd for the gradients that go back through ``layer(x, weight, bias)``."""
        inputs = [case[name].detach().requires_grad_() for name in ("x", "weight", "bias")]
        return torch.autograd.grad((layer(*inputs) * case.grad_output).sum(), inputs)

    def reference(self, case: Case) -> tuple[torch.Tensor, ...]:
        return self.back(case, lambda x, weight, bias: torch.tanh(F.linear(x, weight, bias)))

    @misconception(
        "The slope of the tanh is missing: the gradient passes as if the layer were linear."
    )
    def tanh_left_out(self, case):
        return self.back(case, F.linear)

    @misconception(
        "grad_output is ignored: you return the gradients of the sum of all outputs, whatever the "
        "loss is."
    )
    def grad_output_ignored(self, case):
        return self.reference(case.with_(grad_output=torch.ones_like(case.grad_output)))

    @misconception("The slope of the tanh is not right: the square is missing in it.")
    def square_missing(self, case):
        # A function with the slope 1 - tanh.
        return self.back(case, lambda x, w, b: (z := F.linear(x, w, b)) - torch.log(torch.cosh(z)))

    @misconception(
        "The slope of the tanh is made from what goes into it; the formula has what comes out."
    )
    def slope_from_the_input(self, case):
        # A function with the slope 1 - z**2.
        return self.back(case, lambda x, w, b: (z := F.linear(x, w, b)) - z**3 / 3)

    @misconception(
        "The tanh is applied twice: its slope is taken at the layer's output, and not at what went "
        "into the tanh."
    )
    def tanh_twice(self, case):
        z = F.linear(case.x, case.weight, case.bias)
        wrong = (1 - torch.tanh(torch.tanh(z)) ** 2) * case.grad_output
        return self.back(case.with_(grad_output=wrong), F.linear)

    @misconception("The bias is left out where you compute the layer's output again.")
    def bias_left_out(self, case):
        return self.reference(case.with_(bias=torch.zeros_like(case.bias)))

    @misconception(
        "The gradient of the bias is averaged over the batch; what a value used N times receives "
        "is added up."
    )
    def bias_averaged(self, case):
        grad_x, grad_weight, grad_bias = self.reference(case)
        return grad_x, grad_weight, grad_bias / len(case.x)

    @misconception(
        "The gradient of the bias still has one row for each sample; the bias was broadcast, and "
        "its gradient must have its own shape again."
    )
    def bias_not_reduced(self, case):
        return self.reference(case.with_(bias=case.bias.expand(len(case.x), -1)))

    @misconception(
        "The gradient of the weight is transposed: it has the shape of what it belongs to."
    )
    def weight_gradient_transposed(self, case):
        grad_x, grad_weight, grad_bias = self.reference(case)
        return grad_x, grad_weight.T, grad_bias

    @misconception(
        "On the way back weight is transposed once more than it should be; compare the shapes of "
        "what you multiply, and of what should come out."
    )
    def weight_transposed(self, case):
        return case.grad_output @ case.weight.T

    @misconception(
        "The gradient of the weight is averaged over the batch. grad_output already knows whether "
        "the loss is a mean."
    )
    def weight_averaged(self, case):
        grad_x, grad_weight, grad_bias = self.reference(case)
        return grad_x, grad_weight / len(case.x), grad_bias


class NumericalGradient(Spec):
    """A gradient measured by central differences, against autograd.

    Shape:
        - x: (*)
        - Output: (*)
    """

    name = "numerical_gradient"
    points = 4
    forbids = AUTOGRAD
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        n, m, k = draw.primes(3, below=6)
        yield self.case(draw, "a single number", h=0.25)
        yield self.case(draw, "a vector", n, h=0.5)
        yield self.case(draw, "a matrix", m, k, h=0.125)
        yield self.case(draw, "three axes", 2, 3, 2, h=0.2)
        yield self.case(draw, "float32", n, h=0.5, dtype=torch.float32)
        case = self.case(draw, "not contiguous", k, m, h=0.3)
        yield case.with_(x=relayout(case.x))

    def case(self, draw: Draw, label: str, *shape: int, h: float, **kind: object) -> Case:
        numel = math.prod(shape)
        return Case(
            label,
            x=draw.normal(*shape, **kind),
            h=h,
            # Entries far from zero: no two mistakes may look alike.
            squares=draw.uniform(numel, numel, low=0.5, high=1.5, **kind),
            slopes=draw.uniform(numel, low=0.5, high=1.5, **kind),
        )

    def f(self, case: Case) -> Callable[[torch.Tensor], torch.Tensor]:
        """Make the function of a case: quadratic, and with terms that mix its inputs."""

        def function(x: torch.Tensor) -> torch.Tensor:
            flat = x.reshape(-1)
            return flat @ case.squares @ flat + case.slopes @ flat

        return function

    def call(self, student, case: Case):
        return student(self.f(case), case.x, case.h)

    def reference(self, case: Case) -> torch.Tensor:
        x = case.x.detach().requires_grad_()
        return torch.autograd.grad(self.f(case)(x), x)[0]

    def displaced(self, case: Case, moves: torch.Tensor) -> torch.Tensor:
        """Take entry i of the gradient at the place that is row i of moves away, in steps of h."""
        places = case.x.reshape(1, -1) + case.h * moves.to(case.x.dtype)
        entries = [
            self.reference(case.with_(x=place.reshape(case.x.shape))).reshape(-1)[i]
            for i, place in enumerate(places)
        ]
        return torch.stack(entries).reshape(case.x.shape)

    @misconception(
        "You measure to the right only, from x to x + h; on a curve that gives the slope in the "
        "middle between them."
    )
    def forward_difference(self, case):
        return self.displaced(case, torch.eye(case.x.numel()) / 2)

    @misconception(
        "You measure to the left only, from x - h to x; on a curve that gives the slope in the "
        "middle between them."
    )
    def backward_difference(self, case):
        return self.displaced(case, -torch.eye(case.x.numel()) / 2)

    @misconception(
        "Your numbers are twice as large as they should be: how far apart are the two places where "
        "f is evaluated?"
    )
    def divided_by_h(self, case):
        return self.reference(case) * 2

    @misconception(
        "You return how far f moves, and not its slope: a distance has to be divided by another."
    )
    def not_divided(self, case):
        return self.reference(case) * 2 * case.h

    @misconception(
        "The sign is wrong: a slope is positive where f is larger on the right than on the left."
    )
    def wrong_sign(self, case):
        return -self.reference(case)

    @misconception(
        "All entries are moved at the same time, so that every entry gets the sum of all slopes."
    )
    def all_at_once(self, case):
        gradient = self.reference(case)
        return gradient.sum().expand(gradient.shape)

    @misconception(
        "An entry is not put back after its slope was measured: the next ones are measured at "
        "another place."
    )
    def not_put_back(self, case):
        numel = case.x.numel()
        return self.displaced(case, -torch.ones(numel, numel).tril(-1))

    @misconception(
        "You return the slopes in one row; the gradient has the shape of x, whatever that is."
    )
    def flattened(self, case):
        return self.reference(case).reshape(-1)

    @misconception(
        "For an x that is not contiguous, reshape makes a copy; what you write into that copy does "
        "not reach the tensor it was made from."
    )
    def lost_in_a_copy(self, case):
        gradient = self.reference(case)
        return gradient if case.x.is_contiguous() else torch.zeros_like(gradient)


class StepInParts(Spec):
    """One step of gradient descent on a batch in parts, against the whole batch.

    Shape:
        - w: (H_in,), each x: (n, H_in), each y: (n,)
        - Compared: w after the step (H_in,), w.grad (H_in,), whether w still requires a gradient,
          and whether several parts went back in one backward pass
    """

    name = "step_in_parts"
    points = 5
    returns = ("w", "w.grad", "w.requires_grad", "all parts in one backward pass")
    partial_credit = {Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield self.case(draw, "one part", [3], lr=0.1)
        yield self.case(draw, "an old gradient", [2, 5], lr=0.25)
        yield self.case(draw, "three parts", [5, 1, 3], lr=0.5)
        yield self.case(draw, "no gradient before", [1, 2, 4], lr=0.2, old=False)
        yield self.case(draw, "float32", [4, 2], lr=0.1, dtype=torch.float32)

    def case(
        self,
        draw: Draw,
        label: str,
        sizes: list[int],
        lr: float,
        old: bool = True,
        **kind: object,
    ) -> Case:
        (H_in,) = draw.primes(1)
        # The errors are large and all of one sign, so that no gradient is close to zero.
        parts = [
            (
                draw.uniform(n, H_in, low=0.5, high=1.5, **kind),
                draw.uniform(n, low=9.0, high=20.0, **kind),
            )
            for n in sizes
        ]
        grad = draw.uniform(H_in, low=1.0, high=2.0, **kind) if old else None
        w = draw.uniform(H_in, low=-0.2, high=0.2, **kind)
        return Case(label, w=w, grad=grad, parts=parts, lr=lr)

    def call(self, student, case: Case):
        w = case.w.clone().requires_grad_()
        w.grad = None if case.grad is None else case.grad.clone()
        passes: list[torch.Tensor] = []
        w.register_hook(passes.append)  # Is called once in each backward pass.
        student(w, case.parts, case.lr)
        return w.detach(), w.grad, w.requires_grad, len(passes) == 1 < len(case.parts)

    def stepped(self, case: Case, gradient: torch.Tensor, lr: float | None = None) -> torch.Tensor:
        """Let torch do the step."""
        return torch.add(case.w, gradient, alpha=-(case.lr if lr is None else lr))

    def gradient(self, case: Case, parts: list, w: torch.Tensor | None = None) -> torch.Tensor:
        """Find the gradient of the mean over some parts together."""
        w = (case.w if w is None else w).detach().requires_grad_()
        x, y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return torch.autograd.grad(F.mse_loss(x @ w, y), w)[0]

    def after(self, case: Case, gradient: torch.Tensor):
        """Say how things stand after one step with a gradient."""
        return self.stepped(case, gradient), gradient, True, False

    def each(self, case: Case) -> list[torch.Tensor]:
        """Find the gradient of the mean over each part."""
        return [self.gradient(case, [part]) for part in case.parts]

    def reference(self, case: Case):
        return self.after(case, self.gradient(case, case.parts))

    @misconception(
        "The gradient that was there before is still in your sum: backward adds to what it finds."
    )
    def old_gradient_kept(self, case):
        old = torch.zeros_like(case.w) if case.grad is None else case.grad
        return self.after(case, self.gradient(case, case.parts) + old)

    @misconception(
        "Only the last part is left: the gradient is emptied before every part, and not once."
    )
    def emptied_too_often(self, case):
        share = len(case.parts[-1][1]) / sum(len(y) for _, y in case.parts)
        return self.after(case, self.each(case)[-1] * share)

    @misconception(
        "You add the gradients of the parts' means: with more parts the gradient grows, though the "
        "loss is a mean over all samples."
    )
    def means_added(self, case):
        return self.after(case, sum(self.each(case)))

    @misconception(
        "Each part counts the same in your gradient; the parts differ in size, and each sample "
        "should count the same."
    )
    def mean_of_means(self, case):
        return self.after(case, sum(self.each(case)) / len(case.parts))

    @misconception("The squared errors are added over all samples; the loss is their mean.")
    def summed(self, case):
        samples = sum(len(y) for _, y in case.parts)
        return self.after(case, self.gradient(case, case.parts) * samples)

    @misconception("Your step goes uphill: the gradient points to where the loss grows.")
    def uphill(self, case):
        gradient = self.gradient(case, case.parts)
        return self.stepped(case, gradient, -case.lr), gradient, True, False

    @misconception("The learning rate is left out of the step.")
    def learning_rate_left_out(self, case):
        gradient = self.gradient(case, case.parts)
        return self.stepped(case, gradient, 1.0), gradient, True, False

    @misconception(
        "w itself has not changed: your step makes a new tensor, which the name w then stands for "
        "inside your function only."
    )
    def not_in_place(self, case):
        return case.w, self.gradient(case, case.parts), True, False

    @misconception("The gradient is emptied after the step; here it should stay to be looked at.")
    def emptied_after(self, case):
        return self.stepped(case, self.gradient(case, case.parts)), None, True, False

    @misconception(
        "You step after every part, so that the later parts are differentiated at another w; the "
        "batch is to make one step together."
    )
    def step_for_each_part(self, case):
        samples = sum(len(y) for _, y in case.parts)
        w, total = case.w, torch.zeros_like(case.w)
        for part in case.parts:
            share = len(part[1]) / samples
            total = total + share * self.gradient(case, [part], w)
            w = self.stepped(case.with_(w=w), total)
        return w, total, True, False

    @misconception(
        "The step is right, but all parts go through one backward pass, so that all of them are in "
        "memory at the same time."
    )
    def all_at_once(self, case):
        return *self.reference(case)[:3], len(case.parts) > 1


class SwishFunction(Spec):
    """A torch.autograd.Function for Swish, against torch.nn.functional.silu.

    Shape:
        - x, grad_output: (*), beta: a number
        - Output: y and the gradient for x, each (*)
    """

    name = "swish_function"
    points = 6
    returns = ("y", "grad_x")
    gradients = ("x", "grad_output")
    partial_credit = {Rung.GRADIENTS: 0.5, Rung.UNMODIFIED: 0.5}

    def cases(self, draw: Draw) -> Iterator[Case]:
        N, H_in = draw.primes(2)
        yield self.case(draw, "beta is 1", N, beta=1.0)
        yield self.case(draw, "beta is 2", N, H_in, beta=2.0)
        yield self.case(draw, "a negative beta", H_in, beta=-0.7)
        yield self.case(draw, "a single number", beta=0.5)
        yield self.case(draw, "float32", N, H_in, beta=1.5, dtype=torch.float32)
        yield self.case(draw, "large values", N, beta=3.0, scale=50.0)

    def case(
        self, draw: Draw, label: str, *shape: int, beta: float, scale: float = 1.0, **kind: object
    ) -> Case:
        return Case(
            label,
            x=draw.normal(*shape, scale=scale, **kind),
            beta=beta,
            grad_output=draw.normal(*shape, **kind),
        )

    def call(self, student, case: Case):
        if not (isinstance(student, type) and issubclass(student, torch.autograd.Function)):
            raise TypeError("Swish should be a class derived from torch.autograd.Function")
        # Torch's own apply, even if the class has another.
        y = torch.autograd.Function.apply.__func__(student, case.x, case.beta)
        arrived = (y * case.grad_output).sum()
        return y, torch.autograd.grad(arrived, case.x, create_graph=True)[0]

    def swish(self, case: Case, x: torch.Tensor) -> torch.Tensor:
        return F.silu(case.beta * x) / case.beta

    def back(self, case: Case, y: Callable) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer with the right y and the gradient that goes back through another function."""
        x = case.x if case.x.requires_grad else case.x.detach().requires_grad_()
        arrived = (y(x) * case.grad_output).sum()
        return self.swish(case, x), torch.autograd.grad(arrived, x, create_graph=True)[0]

    def reference(self, case: Case):
        return self.back(case, lambda x: self.swish(case, x))

    @misconception(
        "grad_output is ignored: your backward returns the local slope, as if this function were "
        "the last one."
    )
    def grad_output_ignored(self, case):
        return self.reference(case.with_(grad_output=torch.ones_like(case.grad_output)))

    @misconception(
        "Half of the product rule is missing: x is also inside the sigmoid, and its slope there "
        "counts too."
    )
    def inner_part_missing(self, case):
        return self.back(case, lambda x: x * torch.sigmoid(case.beta * case.x.detach()))

    @misconception(
        "Half of the product rule is missing: the x in front of the sigmoid has a slope as well."
    )
    def outer_part_missing(self, case):
        return self.back(case, lambda x: case.x.detach() * torch.sigmoid(case.beta * x))

    @misconception("The chain rule is not complete: beta * x changes beta times as fast as x does.")
    def beta_missing(self, case):
        def y(x: torch.Tensor) -> torch.Tensor:
            inner = case.beta * x.detach()
            return self.swish(case, x.detach()) + self.parts(x, inner, 1.0)

        return self.first_only(case, y)

    def parts(self, x: torch.Tensor, inner: torch.Tensor, factor: float) -> torch.Tensor:
        """Add the two halves of the product rule, the second one times a factor."""
        outer = x * torch.sigmoid(inner)
        return outer + x.detach() * torch.sigmoid(inner + factor * (x - x.detach()))

    def first_only(self, case: Case, y: Callable) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer with a gradient of which only the values matter."""
        right, wrong = self.back(case, y)
        return right, wrong.detach()

    @misconception("The sign of the sigmoid's slope is wrong, or that of the term it is in.")
    def inner_sign(self, case):
        def y(x: torch.Tensor) -> torch.Tensor:
            return self.parts(x, case.beta * x.detach(), -case.beta)

        return self.first_only(case, y)

    @misconception("The slope of the sigmoid is not right: it is a product of two factors.")
    def sigmoid_slope_incomplete(self, case):
        def y(x: torch.Tensor) -> torch.Tensor:
            outer = x * torch.sigmoid(case.beta * x.detach())
            return outer + x.detach() * F.logsigmoid(case.beta * x)

        return self.first_only(case, y)

    @misconception("Your backward takes the sigmoid of x; in forward it was that of beta * x.")
    def sigmoid_without_beta(self, case):
        return self.first_only(case, lambda x: self.parts(x, x.detach(), case.beta))

    @misconception(
        "Your backward returns too few values: it needs one for each argument of forward after ctx."
    )
    def too_few_returned(self, case):
        raise RuntimeError(
            "function SwishBackward returned an incorrect number of gradients (expected 2, got 1)"
        )

    @misconception(
        "The sigmoid was computed in forward and saved. Its numbers are right, but how it depends "
        "on x was not recorded, so the second derivative is wrong."
    )
    def sigmoid_saved(self, case):
        x = case.x
        whole = self.reference(case)[1]
        v = case.grad_output
        outer = self.inner_part_missing(case)[1]  # v times the sigmoid, which is a constant here
        rest = ((whole - outer) / x / v).detach()
        y = self.swish(case, x)
        return y, outer + v * x * rest

    @misconception(
        "The slope was computed in forward and saved. Its numbers are right, but how it depends on "
        "x was not recorded, so the second derivative is missing."
    )
    def slope_saved(self, case):
        y, gradient = self.reference(case)
        return y, case.grad_output * (gradient / case.grad_output).detach()


class Node:
    """One number in a computation, which does not answer questions without end."""

    def __init__(self, data: float, parents: tuple = (), slopes: tuple = ()) -> None:
        self.data = data
        self.slopes = slopes
        self.grad = 0.0
        self._parents = parents
        self._asked = 0

    @property
    def parents(self) -> tuple:
        self._asked += 1
        if self._asked > 1000:
            raise RuntimeError(TOO_OFTEN)
        return self._parents


TOO_OFTEN = "the same node was asked for its parents more than 1000 times"

# For each node its parents. What is computed later comes later.
GRAPHS = {
    "a single node": ((),),
    "a chain": ((), (0,), (1,), (2,)),
    "a product": ((), (), (0, 1)),
    "a value used twice": ((), (0, 0), (1,)),
    "a long and a short path": ((), (0,), (1,), (1, 2), (3, 0)),
    "a tangle": ((), (), (0, 1), (2, 0), (2, 3), (4, 1), (5, 2)),
    "three parents": ((), (), (), (0, 1, 2), (3, 1), (0, 3, 4)),
    "another result": ((), (), (0, 1), (2, 0), (3, 1, 2)),
    "doublings": ((), *((k, k) for k in range(20))),
}


class Backpropagate(Spec):
    """The walk back through a graph of nodes, against autograd.

    Shape:
        - Compared: the grad of each node
    """

    name = "backpropagate"
    points = 6
    forbids = AUTOGRAD

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label, parents in GRAPHS.items():
            edges = sum(map(len, parents))
            yield Case(
                label,
                parents=parents,
                # The last node of this graph is not what is differentiated.
                root=len(parents) - (2 if label == "another result" else 1),
                data=draw.uniform(len(parents), low=2.0, high=3.0),
                slopes=draw.uniform(edges, low=0.4, high=0.9),
            )

    def call(self, student, case: Case):
        left = iter(case.slopes.tolist())
        nodes: list[Node] = []
        for number, parents in zip(case.data.tolist(), case.parents, strict=True):
            slopes = tuple(next(left) for _ in parents)
            nodes.append(Node(number, tuple(nodes[k] for k in parents), slopes))
        student(nodes[case.root])
        return self.named(torch.tensor([float(node.grad) for node in nodes], dtype=torch.float64))

    def named(self, grads: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Give each gradient the name that it has on the card."""
        return {f"nodes[{k}].grad": grad for k, grad in enumerate(grads)}

    def edges(self, case: Case) -> list[tuple[int, int]]:
        """List all edges, as pairs of a node and a parent, in the order of the slopes."""
        return [(node, parent) for node, parents in enumerate(case.parents) for parent in parents]

    def reference(self, case: Case):
        values: list[torch.Tensor] = []
        slopes = iter(case.slopes)
        for parents in case.parents:
            terms = [next(slopes) * values[parent] for parent in parents]
            values.append(
                torch.stack(terms).sum() if terms else torch.zeros((), dtype=torch.float64)
            )
            if not terms:
                values[-1].requires_grad_()
        found = torch.autograd.grad(values[case.root], values, materialize_grads=True)
        return self.named(found)

    def with_edges(self, case: Case, keep: Callable[[int], bool]) -> Case:
        """Leave only some of the edges in the graph."""
        kept = torch.tensor([keep(k) for k in range(len(case.slopes))], dtype=torch.bool)
        return case.with_(slopes=case.slopes.where(kept, torch.zeros_like(case.slopes)))

    def taken(self, case: Case, order: list[int]):
        """Answer as if the nodes had their turns in this order, once each.

        What arrives at a node after its turn is counted there, but goes no further.
        """
        everything = torch.zeros(len(case.parents), len(case.parents), dtype=torch.float64)
        in_time = everything.clone()
        for (node, parent), slope in zip(self.edges(case), case.slopes, strict=True):
            if node in order:
                everything[node, parent] += slope
                in_time[node, parent] += slope * (order.index(node) < order.index(parent))
        start = F.one_hot(torch.tensor(case.root), len(case.parents)).double()
        passed_on = torch.linalg.solve(torch.eye(len(start)).double() - in_time.T, start)
        return self.named(start + passed_on @ everything)

    @misconception(
        "A node's gradient is overwritten: where several arrive, only the last one is left."
    )
    def overwritten(self, case):
        edges = self.edges(case)
        below = [k for k, (node, _) in enumerate(edges) if node <= case.root]

        def is_last(k: int) -> bool:
            node, parent = edges[k]
            rivals = [j for j in below if edges[j][1] == parent]
            first = min(edges[j][0] for j in rivals) if rivals else None
            return node == first and k == max(j for j in rivals if edges[j][0] == first)

        return self.reference(self.with_edges(case, is_last))

    @misconception(
        "The local slopes are left out: the gradient is passed on as it is, and not multiplied."
    )
    def slopes_left_out(self, case):
        return self.reference(case.with_(slopes=torch.ones_like(case.slopes)))

    @misconception("You multiply by the parent's number; what counts is the slope.")
    def data_for_slopes(self, case):
        parents = torch.tensor([parent for _, parent in self.edges(case)], dtype=torch.int64)
        return self.reference(case.with_(slopes=case.data[parents]))

    @misconception(
        "All gradients stay 0: the derivative of the result with respect to itself is not 0."
    )
    def never_set_out(self, case):
        return self.named(torch.zeros(len(case.parents), dtype=torch.float64))

    @misconception(
        "A parent that is there twice is counted once; in a * a there are two slopes for a."
    )
    def pairs_merged(self, case):
        edges = self.edges(case)
        return self.reference(self.with_edges(case, lambda k: edges[k] not in edges[k + 1 :]))

    @misconception(
        "The order is the wrong way round: the result has its turn last, and the nodes before it "
        "had nothing to pass on when it was theirs."
    )
    def leaves_first(self, case):
        return self.taken(case, list(range(case.root + 1)))

    @misconception(
        "A node has its turn as soon as it is found, by the first path that leads to it; what "
        "arrives later on another path goes no further."
    )
    def as_found(self, case):
        order: list[int] = []
        left = [case.root]
        while left:
            node = left.pop()
            if node not in order:
                order.append(node)
                left.extend(reversed(case.parents[node]))
        return self.taken(case, order)

    @misconception(
        "The nodes have their turns layer by layer, by their distance from the result; what "
        "arrives at a near node on a longer path comes too late."
    )
    def layer_by_layer(self, case):
        order = [case.root]
        for node in order:
            order.extend(k for k in dict.fromkeys(case.parents[node]) if k not in order)
        return self.taken(case, order)

    @misconception(
        "You walk every path through the graph. The sums come out right, but the number of paths "
        "doubles with every value that is used twice."
    )
    def every_path(self, case):
        if case.label == "doublings":
            raise RuntimeError(TOO_OFTEN)
        return self.reference(case)

    @misconception(
        "A node that is reached on several paths passes its whole gradient on each time, also what "
        "it has passed on before."
    )
    def passed_on_again(self, case):
        if case.label == "doublings":
            raise RuntimeError(TOO_OFTEN)
        grads = [0.0] * len(case.parents)
        slopes = dict(enumerate(case.slopes.tolist()))
        edges = self.edges(case)
        grads[case.root] = 1.0
        left = [case.root]
        while left:
            turn = left.pop()
            if turn >= 0:
                left.extend(~k for k in reversed(range(len(edges))) if edges[k][0] == turn)
            else:
                node, parent = edges[~turn]
                grads[parent] += slopes[~turn] * grads[node]
                left.append(parent)
        return self.named(torch.tensor(grads, dtype=torch.float64))


STEPS = (
    lambda x, y: x + y,
    lambda x, y: (x * y).tanh(),
    lambda x, y: (x + 1.3).relu() - y,
    lambda x, y: x.tanh().exp() * 0.5,
    lambda x, y: y.tanh() ** 2 / 3,
)


def random_expression(a, b, c, program: torch.Tensor):
    """Compute something from a, b and c by a drawn program, and keep it within bounds."""
    pool = [a, b, c]
    for step, i, j in program.tolist():
        pool.append(STEPS[step](pool[i % len(pool)], pool[j % len(pool)]))
    return sum(pool)


FORMULAS: dict[str, Callable] = {
    "a + b": lambda a, b, c: a + b,
    "a * b": lambda a, b, c: a * b,
    "b ** 3": lambda a, b, c: b**3,
    "a ** 0.5": lambda a, b, c: a**0.5,
    "a.tanh()": lambda a, b, c: a.tanh(),
    "a.exp()": lambda a, b, c: a.exp(),
    "b.relu(), where b is negative": lambda a, b, c: b.relu(),
    "c.relu(), where c is zero": lambda a, b, c: c.relu(),
    "(a + 2) * 3": lambda a, b, c: (a + 2) * 3,
    "2 + 3 * a": lambda a, b, c: 2 + 3 * a,
    "(1 - a / b) / 4 - 2 / b": lambda a, b, c: (1 - a / b) / 4 - 2 / b,
    "a * a + (b + b) * a + a": lambda a, b, c: a * a + (b + b) * a + a,
    "a small network": lambda a, b, c: ((a * b + c).tanh() * b + a.relu() * 2 + 1).tanh().exp(),
    "a random expression": random_expression,
}


class StandIn:
    """Computes as the notebook's Value should, with torch; for each mistake there is another rule.

    Args:
        value: the number, a tensor of shape ().
        rules: for each operation what answers it.
    """

    def __init__(self, value: torch.Tensor, rules: dict[str, Callable]) -> None:
        self.value = value
        self.rules = rules

    def apply(self, operation: str, *others: object) -> "StandIn":
        values = [
            each.value if isinstance(each, StandIn) else torch.tensor(each, dtype=torch.float64)
            for each in others
        ]
        return StandIn(self.rules[operation](self.value, *values), self.rules)

    def __add__(self, other):
        return self.apply("add", other)

    def __mul__(self, other):
        return self.apply("mul", other)

    def __pow__(self, other):
        return self.apply("pow", other)

    def tanh(self):
        return self.apply("tanh")

    def exp(self):
        return self.apply("exp")

    def relu(self):
        return self.apply("relu")

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return self**-1 * other


RULES = {
    "add": torch.add,
    "mul": torch.mul,
    "pow": torch.pow,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "relu": torch.relu,
}


def swapped(value: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
    """Keep a number, and give it the gradient of another."""
    return value.detach() + instead - instead.detach()


def sloped(value: torch.Tensor, x: torch.Tensor, slope: torch.Tensor | float) -> torch.Tensor:
    """Keep a number, and give it this slope with respect to x."""
    return value.detach() + torch.as_tensor(slope).detach() * (x - x.detach())


class ValueEngine(Spec):
    """Numbers that remember how they were computed, against autograd.

    Shape:
        - numbers: (3,): a, b and c
        - Compared: the result's data (), and its gradient with respect to a, b and c, each ()
    """

    name = "value_engine"
    points = 7
    returns = ("data", ("a.grad", "b.grad", "c.grad"))

    def cases(self, draw: Draw) -> Iterator[Case]:
        for label in FORMULAS:
            values = torch.cat(
                [
                    draw.uniform(1, low=0.6, high=0.9),
                    draw.uniform(1, low=-1.7, high=-1.2),
                    torch.zeros(1, dtype=torch.float64),
                ]
            )
            program = {}
            if label == "a random expression":
                numbers = draw.integers(7, 2, low=0, high=1000)
                program["program"] = torch.cat(
                    [draw.integers(7, 1, low=0, high=len(STEPS)), numbers], dim=1
                )
            yield Case(label, numbers=values, **program)

    def formula(self, case: Case, a, b, c):
        return FORMULAS[case.label](a, b, c, *([case.program] if "program" in case else []))

    def call(self, student, case: Case):
        if not isinstance(student, type):
            raise TypeError("Value should be a class")
        values = [student(number) for number in case.numbers.tolist()]
        result = self.formula(case, *values)
        done: dict[int, torch.Tensor] = {}

        def as_torch(node) -> torch.Tensor:
            if not isinstance(node, student):
                raise TypeError(f"a {type(node).__name__} was found where a Value should be")
            if not all(isinstance(each, (tuple, list)) for each in (node.parents, node.slopes)):
                raise TypeError("a tuple of one parent or one slope is written with a comma: (a,)")
            if len(node.parents) != len(node.slopes):
                raise ValueError("a Value should have one slope for each of its parents")
            if id(node) not in done:
                # torch does the walk back, along the slopes that the student's nodes tell.
                pairs = zip(node.parents, node.slopes, strict=True)
                terms = [as_torch(parent) * float(slope) for parent, slope in pairs]
                leaf = torch.zeros((), dtype=torch.float64, requires_grad=True)
                done[id(node)] = sum(terms) if terms else leaf
            return done[id(node)]

        inputs = [as_torch(value) for value in values]
        gradients = torch.autograd.grad(as_torch(result), inputs, materialize_grads=True)
        data = torch.tensor(float(result.data), dtype=torch.float64)
        return data, gradients

    def with_rules(self, case: Case, **rules: Callable):
        """Answer with torch, under other rules for some operations."""
        values = [value.detach().requires_grad_() for value in case.numbers]
        stand_ins = [StandIn(value, {**RULES, **rules}) for value in values]
        result = self.formula(case, *stand_ins).value
        found = torch.autograd.grad(result, values, materialize_grads=True)
        return result.detach(), found

    def reference(self, case: Case):
        values = [value.detach().requires_grad_() for value in case.numbers]
        result = self.formula(case, *values)
        found = torch.autograd.grad(result, values, materialize_grads=True)
        return result.detach(), found

    @misconception(
        "The slopes of a product are exchanged: each factor is given its own number as its slope."
    )
    def product_slopes_exchanged(self, case):
        def mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return swapped(a * b, (a * a + b * b) / 2)

        return self.with_rules(case, mul=mul)

    @misconception("The exponent is missing in the slope of a power: it comes to stand in front.")
    def factor_missing(self, case):
        return self.with_rules(case, pow=lambda a, n: swapped(a**n, a**n / n))

    @misconception("The exponent in the slope of a power is not right: it goes down by one.")
    def exponent_kept(self, case):
        return self.with_rules(case, pow=lambda a, n: sloped(a**n, a, n * a**n))

    @misconception("The slope of the tanh is not right: the square is missing in it.")
    def tanh_not_squared(self, case):
        return self.with_rules(case, tanh=lambda a: sloped(a.tanh(), a, 1 - a.tanh()))

    @misconception(
        "The slope of the tanh is computed from the number that went in; the formula has the tanh "
        "of it."
    )
    def tanh_of_the_input(self, case):
        return self.with_rules(case, tanh=lambda a: sloped(a.tanh(), a, 1 - a**2))

    @misconception(
        "The slope of exp is taken for that of a power; in a power x is below, and here it is the "
        "exponent."
    )
    def exp_as_power(self, case):
        return self.with_rules(case, exp=lambda a: sloped(a.exp(), a, a * (a - 1).exp()))

    @misconception("The slope of exp is not right: you give the number that went in.")
    def exp_of_the_input(self, case):
        return self.with_rules(case, exp=lambda a: sloped(a.exp(), a, a))

    @misconception("The relu lets every gradient pass; where its result is 0 it should stop it.")
    def relu_open(self, case):
        return self.with_rules(case, relu=lambda a: sloped(a.relu(), a, 1.0))

    @misconception("At exactly zero your relu has the slope 1; PyTorch takes 0 there.")
    def relu_at_zero(self, case):
        slope = lambda a: (a >= 0).double()  # noqa: E731
        return self.with_rules(case, relu=lambda a: sloped(a.relu(), a, slope(a)))

    @misconception(
        "The second operand of a sum or a product is not among the parents, so that no gradient "
        "reaches it."
    )
    def second_parent_lost(self, case):
        def without(operation: Callable) -> Callable:
            return lambda a, b: operation(a, b.detach())

        return self.with_rules(case, add=without(torch.add), mul=without(torch.mul))

    @misconception(
        "The slopes of a sum are those of a product; each term of a sum counts just as it is."
    )
    def sum_as_product(self, case):
        def add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return swapped(a + b, a * b)

        return self.with_rules(case, add=add)
