"""`stj-model train`."""

from __future__ import annotations

from typing import Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, emit, emit_json
from stj_core.locations import Location
from stj_model.cli.options import DATASET, BackboneOption, DatasetArgument, RunsOption, runs_of


def train(
    dataset: DatasetArgument = DATASET,
    *,
    recipe: Annotated[
        str, typer.Option(help="default (ours), thorough (more views) or paper (the student's notebook).")
    ] = "default",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training pictures, at most; the recipe's own if not given.")
    ] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without a better val_loss before paper stops.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet, random, or a .weights.h5 file [STJ_WEIGHTS, imagenet].")
    ] = None,
    architecture: BackboneOption = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help="What weighs the same: none, class, source (classes, and shops more evenly) or shop (every shop)."
        ),
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(
            help="Share of right answers to keep at whatever price; if not given, 0.98 is aimed at and 95 % are answered."
        ),
    ] = None,
    none: Annotated[
        list[Location] | None,
        typer.Option(
            parser=Location.of,
            help="Folder, or address, of pictures of something else, to learn “none” from; may be given several times.",
        ),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of paper's RMSprop [1e-4].")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Pictures per step of paper, or that the frozen network is asked at once [4; 8]: more suit a GPU."
        ),
    ] = None,
    l2: Annotated[float | None, typer.Option(help="Penalty on default's head.")] = None,
    save_h5: Annotated[
        bool,
        typer.Option(
            "--save-h5", help="Write the network's weights as stjweights.hdf5 into the run too, for model.load_weights."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 42,
    runs: RunsOption = None,
    cluster: ClusterOption = None,
    json_: JsonOption = False,
) -> None:
    """Train a run on a dataset folder, and write its report."""
    from stj_core.config import read_config
    from stj_core.console import Talk
    from stj_core.fetched_pictures import pictures_here
    from stj_model.config import resolve
    from stj_model.evaluation import sentence
    from stj_model.exporting import save_weights
    from stj_model.places import RunsAt, dataset_here, keep_beside, shown
    from stj_model.training import honest_lines, summary
    from stj_model.training import train as train_run

    settings, talk = read_config(weights=weights, cluster=cluster), Talk()
    config = resolve(
        recipe,
        epochs=epochs,
        patience=patience,
        weights=settings.weights,
        architecture=architecture,
        balance=balance,
        abstain=abstain,
        batch_size=batch_size,
        learning_rate=learning_rate,
        l2=l2,
        seed=seed,
    )
    place = runs_of(runs, settings)
    at = RunsAt(place.address, settings.cache, talk) if place.address else None
    run = train_run(
        dataset_here(dataset, settings.cache, talk),
        config,
        runs=at.home if at else place.path,
        cache=settings.cache,
        none=[pictures_here(one, settings.cache, talk.say) for one in none or ()],
        fast=True,
        cluster=settings.cluster,
        talk=talk,
        at=at,
        shared=settings.features,
    )
    if save_h5:
        keep_beside(run, save_weights(run), talk)
    document = summary(run)
    if json_:
        emit_json(document)
        return
    for part in document.values():
        if isinstance(part, dict):
            emit(sentence(part))
    for line in honest_lines(run):
        emit(line)
    emit(f"run: {shown(run)}")
    emit(f"report: {shown(run, 'report.html')}")
