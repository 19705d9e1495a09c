"""`stj-model`: train, judge and use a model. Each command is a thin skin; nothing heavy is imported before it runs."""

from __future__ import annotations

from typing import NoReturn

from stj_core.cli import make_app, run
from stj_model.backend import spare_keras
from stj_model.cli.compare import compare
from stj_model.cli.evaluate import evaluate
from stj_model.cli.export import export
from stj_model.cli.leakage import leakage
from stj_model.cli.predict import predict
from stj_model.cli.runs import runs
from stj_model.cli.summary import summary
from stj_model.cli.train import train

app = make_app("Train a ResNet50 on an exported dataset, judge it honestly, and use it.")
app.command()(train)
app.command()(evaluate)
app.command()(compare)
app.command()(leakage)
app.command()(runs)
app.command()(summary)
app.command()(predict)
app.command()(export)


def main() -> NoReturn:
    """Run `stj-model`."""
    spare_keras()
    run(app)
