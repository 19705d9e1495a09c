"""The regularised head: multinomial logistic regression on normalised features, and its place in the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stj_model.backend import KerasModel, Tensor, keras

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Epoch = dict[str, float]

POWERS = {"source": 0.5, "shop": 1.0}
"""A picture of a shop of m weighs m to the minus this."""
TOLERANCE = 1e-6
EPSILON = 1e-6
LOGITS = "logits"
NONE_MARGIN = "none_margin"
"""The layer with the log-odds of `none` against all classes together."""


@dataclass(frozen=True)
class Normaliser:
    """Centre features, scale them, and put each on the unit sphere: (x - mean) / scale / ‖·‖.

    `mean` and `scale` have the features' width d.
    """

    mean: Doubles
    scale: Doubles

    @classmethod
    def fit(cls, features: npt.NDArray[np.floating], *, standardise: bool) -> Normaliser:
        """Learn the mean, and each column's deviation where `standardise` (else 1), from (n, d) features."""
        wide = features.astype(np.float64)
        mean = wide.mean(axis=0)
        scale = np.maximum(wide.std(axis=0), EPSILON) if standardise else np.ones_like(mean)
        return cls(mean, scale)

    def __call__(self, features: npt.NDArray[np.floating]) -> Doubles:
        """Normalise (n, d) features: float64 of the same shape, each row of length 1."""
        result: Doubles = features.astype(
            np.float64
        )  # a copy, and changed in place: more of them cost more than the sums
        result -= self.mean
        result /= self.scale
        result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), EPSILON)
        return result


@dataclass(frozen=True)
class Head:
    """A softmax head on normalised features: kernel (d, k) and bias (k,), or (d, k + 1) where `none` is learned too."""

    normaliser: Normaliser
    kernel: Doubles
    bias: Doubles

    def logits(self, features: npt.NDArray[np.floating]) -> Doubles:
        """Scores before the softmax, (n, k), of raw features (n, d)."""
        return self.logits_at(self.normaliser(features))

    def logits_at(self, points: Doubles) -> Doubles:
        """The same of features (n, d) that are normalised already."""
        result: Doubles = points @ self.kernel + self.bias
        return result


def fit_head(
    features: npt.NDArray[np.floating],
    classes: Ints,
    count: int,
    *,
    weight: Doubles,
    l2: float,
    epochs: int,
    standardise: bool,
    watch: Callable[[int, Head], None] | None = None,
) -> Head:
    """Fit the head by L-BFGS; every iteration looks at all pictures once, so it is an epoch.

    Minimises Σ w·CE / Σ w + l2/2·‖kernel‖²: convex, so the same data gives the same head whatever the seed.

    Args:
        features: (n, d), raw.
        classes: (n,), 0 to count - 1.
        count: number of classes k.
        weight: (n,), how much each picture counts.
        l2: strength of the penalty; the bias is free.
        epochs: iterations at most.
        standardise: divide each feature by its deviation.
        watch: called after each epoch with its number from 1 and the head so far.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    normaliser = Normaliser.fit(features, standardise=standardise)
    x = normaliser(features).astype(np.float32)  # the products below are all the cost, and single precision halves it
    wide = x.shape[1]
    truth = np.eye(count)[classes]
    share = weight / weight.sum()

    def unpack(flat: Doubles) -> tuple[Doubles, Doubles]:
        return flat[: wide * count].reshape(count, wide), flat[wide * count :]

    def objective(flat: Doubles) -> tuple[float, Doubles]:
        kernel, bias = unpack(flat)
        log_p = log_softmax(np.stack([x @ row for row in kernel.astype(np.float32)], axis=1) + bias)
        loss = -float(share @ (truth * log_p).sum(axis=1)) + 0.5 * l2 * float((kernel**2).sum())
        slope = share[:, None] * (np.exp(log_p) - truth)
        back = np.stack([x.T @ column for column in slope.T.astype(np.float32)]).astype(np.float64)
        return loss, np.concatenate([(back + l2 * kernel).ravel(), slope.sum(axis=0)])

    done = 0

    def after(flat: Doubles) -> None:
        nonlocal done
        done += 1
        if watch is not None:
            kernel, bias = unpack(flat)
            watch(done, Head(normaliser, kernel.T, bias.copy()))

    options = {"maxiter": epochs, "maxfun": 4 * epochs, "ftol": TOLERANCE, "gtol": TOLERANCE}
    start = np.zeros(wide * count + count)
    with threadpool_limits(1):  # a product of a matrix and a vector waits for memory: more threads only spin
        best = minimize(objective, start, jac=True, method="L-BFGS-B", callback=after, options=options)
    kernel, bias = unpack(best.x)
    return Head(normaliser, np.ascontiguousarray(kernel.T), bias)


def balance_weights(classes: Ints, sources: Sequence[str], balance: str) -> Doubles:
    """How much each picture counts, 1 on average.

    Args:
        classes: (n,) class of each picture.
        sources: its shop.
        balance: `none`; `class`: all classes weigh the same; `source`: within a class a shop of m pictures weighs √m, so
            that one studio cannot drown thirty others, nor a single odd picture shout; `shop`: within a class every shop
            weighs the same, however many pictures it has.
    """
    weight = np.ones(len(classes))
    if balance in POWERS:
        keys = [f"{label}|{source}" for label, source in zip(classes, sources, strict=True)]
        _, place, number = np.unique(keys, return_inverse=True, return_counts=True)
        weight = number[place].astype(np.float64) ** -POWERS[balance]
    if balance != "none":
        total = np.zeros(int(classes.max()) + 1)
        np.add.at(total, classes, weight)
        weight = weight / total[classes]
    result: Doubles = weight * len(weight) / weight.sum()
    return result


def log_softmax(logits: Doubles) -> Doubles:
    """Log-probabilities of (n, k) logits, without overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Doubles = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def softmax(logits: Doubles, temperature: float = 1.0) -> Doubles:
    """Probabilities of (n, k) logits at a temperature: above 1 less sure, below 1 surer."""
    result: Doubles = np.exp(log_softmax(logits / temperature))
    return result


def accuracy_and_loss(logits: Doubles, classes: Ints) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of (n, k) logits."""
    log_p = log_softmax(logits)
    return float((logits.argmax(axis=1) == classes).mean()), -float(log_p[np.arange(len(classes)), classes].mean())


def none_margin(logits: Doubles, count: int) -> Doubles:
    """The log-odds of `none` against all classes together, (n,), of (n, count + 1) logits whose last column is `none`'s."""
    result: Doubles = logits[:, count] - logsumexp(logits[:, :count])
    return result


def logsumexp(logits: Doubles) -> Doubles:
    """Log Σ exp over the columns of (n, k) logits, without overflow: (n,)."""
    top = logits.max(axis=1)
    result: Doubles = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return result


def attach(backbone: KerasModel, features: Tensor, head: Head, temperature: float, count: int) -> KerasModel:
    """Put the fitted head on the backbone: one network from pixels to calibrated probabilities, built-in layers only.

    Args:
        backbone: from pixels.
        features: its tensor of shape (n, d) that the head was fitted on.
        head: kernel, bias and normaliser.
        temperature: divides the logits of the classes.
        count: number of classes k. Where the head has a column more, the network has a second output: the probability of
            `none`, (n, 1), as the head has it.
    """
    layers = keras().layers
    normaliser = head.normaliser
    x = layers.Normalization(mean=normaliser.mean, variance=normaliser.scale**2, name="centred")(features)
    x = layers.UnitNormalization(name="embedding")(x)
    kernel, bias = head.kernel.astype(np.float32), head.bias.astype(np.float32)
    dense = layers.Dense(count, name=LOGITS)
    logits = dense(x)
    dense.set_weights([kernel[:, :count], bias[:count]])
    scaled = layers.Rescaling(1 / temperature, name="temperature")(logits)
    outputs = [layers.Softmax(name="probabilities")(scaled)]
    if len(bias) > count:
        one_more = layers.Dense(1, name="none_logit")
        logit = one_more(x)
        one_more.set_weights([kernel[:, count:], bias[count:]])
        together = keras().ops.logsumexp(logits, axis=1, keepdims=True)
        margin = layers.Subtract(name=NONE_MARGIN)([logit, together])
        outputs.append(layers.Activation("sigmoid", name="none")(margin))
    return keras().Model(backbone.inputs[0], outputs if len(outputs) > 1 else outputs[0], name="stj")


def row(epoch: int, train: tuple[float, float], val: tuple[float, float]) -> Mapping[str, float]:
    """One line of `history.csv`, in Keras' words."""
    return {"epoch": epoch, "accuracy": train[0], "loss": train[1], "val_accuracy": val[0], "val_loss": val[1]}
