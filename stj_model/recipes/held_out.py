"""What heads say of pictures whose shop, or relatives, they have not seen; and when to believe a model, chosen on that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stj_core.cli import counted
from stj_model.calibration import (
    ANSWERED_WANTED,
    RIGHT_WANTED,
    Bools,
    Calibration,
    choose_thresholds,
    fit_scope,
    fit_temperature,
    held_out_distances,
)
from stj_model.config import TrainConfig
from stj_model.folds import NEVER, holdable
from stj_model.head import Doubles, Ints, Normaliser, none_margin, softmax
from stj_model.recipes import HeldOutPredictions
from stj_model.recipes.frozen import FeatureTable, HeadFitter, group_folds, held_out_logits, source_folds


@dataclass(frozen=True)
class HeldOut:
    """What heads that saw nothing of a picture say of it: logits (n, k or k + 1), log-odds of `none` and distances (n,)."""

    logits: Doubles
    margins: Doubles | None
    distances: Doubles

    def among(self, which: Bools) -> HeldOut:
        """The same of some pictures, by a mask (n,)."""
        margins = None if self.margins is None else self.margins[which]
        return HeldOut(self.logits[which], margins, self.distances[which])


class HeldOutHeads:
    """Heads that saw nothing of what they judge, fitted once for the same pictures and folds.

    Without a test split the temperature and `leave_sources_out` are asked of the very same heads.
    """

    def __init__(self, fit_one: HeadFitter, *, standardise: bool) -> None:
        self.fit_one, self.standardise = fit_one, standardise
        self._known: dict[tuple[object, ...], HeldOut] = {}

    def scores(self, table: FeatureTable, folds: Ints) -> HeldOut:
        """What is said of a table's pictures, each by a head fitted on the other folds."""
        key = (*(picture.sha256 for picture in table.pictures), folds.tobytes())
        if key not in self._known:
            outputs = table.count + int(table.has_none)
            logits = held_out_logits(table, folds, self.fit_one, outputs)
            margins = none_margin(logits, table.count) if table.has_none else None
            points = Normaliser.fit(table.flat(), standardise=self.standardise)(table.averaged)
            compared = table.is_class & np.array([picture.split != "test" for picture in table.pictures])
            self._known[key] = HeldOut(logits, margins, held_out_distances(points, folds, compared))
        return self._known[key]

    def predictions(self, table: FeatureTable, folds: Ints, calibration: Calibration) -> HeldOutPredictions:
        """What is said of every picture that can be held out, calibrated."""
        found, others = self.scores(table, folds), ~table.is_class
        held = table.is_class & (folds != NEVER)
        chances = softmax(found.logits[:, : table.count], calibration.temperature)
        scope = calibration.out_of_scope(found.distances, found.margins)
        return HeldOutPredictions(
            pictures=tuple(picture for picture, one in zip(table.pictures, held, strict=True) if one),
            folds=folds[held],
            probabilities=chances[held],
            out_of_scope=scope[held],
            others=scope[others],
            others_sure=chances[others].max(axis=1) if others.any() else np.empty(0),
        )


def calibrate(learned: FeatureTable, held_out: HeldOutHeads, config: TrainConfig) -> Calibration:
    """Temperature and thresholds from pictures of shops that were held out; of groups, where a class has one shop only.

    The test split has no part in it.
    """
    by_source = holdable(*learned.of_classes().keys())
    folds = (source_folds if by_source else group_folds)(learned, config.folds, config.seed)
    found, judged = held_out.scores(learned, folds).among(folds != NEVER), learned.part(folds != NEVER)
    inside = judged.is_class
    classes, logits = judged.classes[inside], found.logits[inside][:, : learned.count]
    temperature = fit_temperature(logits, classes)
    calibration = Calibration(temperature=temperature)
    if found.margins is not None:
        margin, distance, offset = fit_scope(found.margins, found.distances, ~inside)
        calibration = replace(
            calibration, none_learned=True, margin_weight=margin, distance_weight=distance, offset=offset
        )
    scores = calibration.out_of_scope(found.distances, found.margins)
    chances = softmax(logits, temperature)
    shops = judged.of_classes().sources() if by_source else []
    below, above = choose_thresholds(chances, classes, scores[inside], scores[~inside], config.abstain, shops)
    others = f" and {counted(int((~inside).sum()), 'other')}" if learned.has_none else ""
    return replace(
        calibration,
        abstain_below=below,
        out_of_scope_above=above,
        fitted_on=f"{inside.sum()} training and validation pictures{others}, held out by {'shop' if by_source else 'group'}",
        promise=_promise(chances, classes, scores, inside, (below, above), config.abstain, shops),
    )


def _promise(
    chances: Doubles,
    classes: Ints,
    scores: Doubles,
    inside: Bools,
    limits: tuple[float, float],
    abstain: float | None,
    shops: list[str],
) -> dict[str, float]:
    """What the thresholds do to the pictures that they were chosen on."""
    below, above = limits
    answered = (scores[inside] <= above) & (chances.max(axis=1) >= below)
    right = (chances.argmax(axis=1) == classes)[answered]
    found = {
        "n": len(classes),
        "answered": round(float(answered.mean()), 4),
        "right": round(float(right.mean()), 4) if len(right) else 0.0,
        "right_wanted": RIGHT_WANTED if abstain is None else abstain,
        "answered_wanted": ANSWERED_WANTED if abstain is None else 0.0,
    }
    if shops:
        of_shop = [float(answered[np.array(shops) == shop].mean()) for shop in sorted(set(shops))]
        found["answered_by_shop"] = round(float(np.mean(of_shop)), 4)
    if not inside.all():
        found |= {"others": int((~inside).sum()), "refused": round(float((scores[~inside] > above).mean()), 4)}
    return found
