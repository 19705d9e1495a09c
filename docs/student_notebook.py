"""`notebooks/student.ipynb`, made from the cells below: the student's flow in plain Keras, to be laid beside `--recipe paper`.

    python -m docs.student_notebook DATASET --weights FILE --out FOLDER

runs it from top to bottom and keeps what it showed: `student.ipynb` with its outputs, each figure as a PNG, and `figures.json`.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

# Text and code in turns.
CELLS = (
    """# The student's notebook

ResNet50 on three classes of garments as it is usually written down: pictures squashed to 256×256 and divided by 255, a fifth of
them for validation, all but the last ten layers frozen, a head of 256, 128 and 3, RMSprop, batches of 4, 25 epochs, early
stopping, and the best epoch kept. Plain Keras throughout.

It reads what `stj-dataset export Drawn --layout student` writes: `Dataset/0 1 2` to learn from, and `Test/0 1 2`.""",
    """DATA = "Drawn"
WEIGHTS = "imagenet"  # None for random ones, or a .weights.h5 file
SIZE, BATCH, EPOCHS, PATIENCE = 256, 4, 25, 20
LEARNING_RATE = 1e-4
SEED = 42""",
    "",
    """import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot as plt
import numpy as np

from stj_model.backend import hushed

with hushed():  # what TensorFlow says of the machine when it is loaded
    import keras

keras.utils.set_random_seed(SEED)
f"Keras {keras.__version__} on {keras.config.backend()}\"""",
    """## Pictures

`validation_split` cuts the list of files, shuffled by the seed: it knows neither classes nor near-copies, which STJ's own split
does. A class is a folder, and a folder's name its label.""",
    """folder = Path(DATA)
names = [name for _, name in sorted(json.loads((folder / "labels.json").read_text(encoding="utf-8")).items())]
settings = {"image_size": (SIZE, SIZE), "batch_size": BATCH, "label_mode": "int"}
train, val = keras.utils.image_dataset_from_directory(
    folder / "Dataset", validation_split=0.2, subset="both", seed=SEED, **settings
)
test = keras.utils.image_dataset_from_directory(folder / "Test", shuffle=False, **settings)
test_files = test.file_paths
counts = {
    split: np.bincount([int(label) for _, labels in part for label in labels], minlength=len(names)).tolist()
    for split, part in (("train", train), ("val", val), ("test", test))
}
train, val, test = (part.map(lambda pixels, label: (pixels / 255, label)) for part in (train, val, test))
counts""",
    "",
    """def grid(pictures, titles, colours=None, columns=6):
    lines = -(-len(pictures) // columns)
    size = (1.7 * columns, 2.05 * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for place, (picture, title) in enumerate(zip(pictures, titles)):
        axes.flat[place].imshow(picture)
        axes.flat[place].set_title(title, fontsize=9, color=colours[place] if colours else "black")
    plt.show()


some = [(picture, int(label)) for pixels, labels in train.take(5) for picture, label in zip(pixels.numpy(), labels)]
grid([picture for picture, _ in some[:18]], [names[label] for _, label in some[:18]])""",
    """## Network

ResNet50 without its top; the last ten layers and the head are trained.""",
    """if WEIGHTS and str(WEIGHTS).endswith(".h5"):
    # A file as `stj-model train --weights` takes it: the network that its .json says it is of, from pixels of 0 to 1.
    from stj_model.network import load_backbone
    from stj_model.weights import find_weights

    loaded = load_backbone(find_weights(str(WEIGHTS), None), SIZE, "unit")
    base = keras.Model(loaded.get_layer("scaling").output, loaded.output, name="resnet50")
else:
    base = keras.applications.ResNet50(include_top=False, weights=WEIGHTS, input_shape=(SIZE, SIZE, 3), name="resnet50")

for layer in base.layers:
    layer.trainable = False
for layer in base.layers[-10:]:
    layer.trainable = True

model = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 3)),
        base,
        keras.layers.AveragePooling2D((4, 4)),
        keras.layers.Flatten(),
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(len(names), activation="softmax"),
    ]
)
model.compile(keras.optimizers.RMSprop(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()""",
    "## Train",
    """history = model.fit(
    train,
    validation_data=val,
    epochs=EPOCHS,
    shuffle=False,  # the dataset does that by itself
    verbose=2,
    callbacks=[
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True, verbose=1),
    ],
).history""",
    "",
    """epochs = range(1, len(history["loss"]) + 1)
best = 1 + int(np.argmin(history["val_loss"]))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, name in zip(axes, ("accuracy", "loss")):
    axis.plot(epochs, history[name], "o-", ms=3, label="training")
    axis.plot(epochs, history[f"val_{name}"], "s--", ms=3, label="validation")
    axis.axvline(best, color="grey", lw=1, ls=":", label=f"kept: epoch {best}")
    top = 1.02 if name == "accuracy" else 1.05 * max(history[name] + history[f"val_{name}"])
    axis.set(title=name, xlabel="epoch", ylabel=name, ylim=(0, top))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend()
plt.show()""",
    """## Judge

The best epoch, asked about pictures that it has not learned from.""",
    """from sklearn.metrics import classification_report

model = keras.models.load_model("best.keras")
truth = np.concatenate([labels for _, labels in test])
chances = model.predict(test, verbose=0)
guess = chances.argmax(axis=1)
print(classification_report(truth, guess, labels=range(len(names)), target_names=names, digits=3, zero_division=0))""",
    "",
    """from sklearn.metrics import ConfusionMatrixDisplay

figure, axis = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    truth, guess, labels=range(len(names)), display_labels=names, cmap="Blues", ax=axis, colorbar=False
)
plt.show()""",
    "Actual and predicted:",
    """pictures = np.concatenate([pixels for pixels, _ in test])
right = guess == truth
grid(
    pictures[:30],
    [
        f"{names[a]}\\n{'✓' if ok else '✗'} {names[p]} {100 * sure:.0f} %"
        for a, p, ok, sure in zip(truth[:30], guess[:30], right[:30], chances[:30].max(axis=1))
    ],
    ["#0b5cad" if ok else "#b3261e" for ok in right[:30]],
)""",
    """A share of a few pictures says little: Wilson's 95 % interval says how little. And these pictures are from the
shops that it learned from.""",
    """from stj_core.intervals import wilson

epoch = {name: values[best - 1] for name, values in history.items()}
found = {
    "weights": str(WEIGHTS),
    "best_epoch": best,
    "epochs": len(history["loss"]),
    "counts": counts,
    **{
        split: {"n": n, "correct": correct, "accuracy": correct / n, "interval": wilson(correct, n)}
        for split, n, correct in (
            ("val", sum(counts["val"]), round(epoch["val_accuracy"] * sum(counts["val"]))),
            ("test", len(truth), int(right.sum())),
        )
    },
    "history": history,
}
Path("figures.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
for split in ("val", "test"):
    share = found[split]
    low, high = share["interval"]
    print(f"{split}: {share['correct']} of {share['n']} right, {share['accuracy']:.3f} [{low:.3f}, {high:.3f}]")""",
)
FIGURES = ("samples", "curves", "confusion", "actual")
"""What the notebook's pictures are called, in order."""


def notebook() -> nbformat.NotebookNode:
    """The notebook, without outputs."""
    cells = []
    for number, text in enumerate(CELLS):
        if text:
            cell = new_code_cell(text) if number % 2 else new_markdown_cell(text)
            cell["id"] = f"cell-{number}"
            cells.append(cell)
    cells[1]["metadata"]["tags"] = ["parameters"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def notebook_text() -> str:
    """The notebook's file."""
    return nbformat.writes(notebook()) + "\n"


def run_notebook(folder: Path, timeout: int = 7200, **parameters: object) -> nbformat.NotebookNode:
    """Run it in a folder, with other parameters than its own.

    Args:
        folder: where it runs, and leaves `best.keras` and `figures.json`.
        timeout: seconds for a cell.
        parameters: names of its first code cell, and their values.

    Returns:
        The notebook with its outputs.
    """
    from nbclient import NotebookClient

    ready = notebook()
    given = new_code_cell("\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
    given["id"], given["metadata"]["tags"] = "given-parameters", ["injected-parameters"]
    ready.cells.insert(2, given)
    NotebookClient(
        ready, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return ready


def pictures_of(executed: nbformat.NotebookNode) -> list[bytes]:
    """The figures that a notebook showed, as PNG, in order."""
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def main() -> int:
    """Run the notebook, and keep what it showed."""
    parser = argparse.ArgumentParser(description="Run the student's notebook, and keep what it showed.")
    parser.add_argument("dataset", type=Path, help="what stj-dataset export --layout student wrote")
    parser.add_argument("--weights", default="imagenet", help="imagenet, random, or a .weights.h5 file")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--out", type=Path, default=Path("student"), help="folder to write to")
    given = parser.parse_args()
    weights = {"random": None, "imagenet": "imagenet"}.get(given.weights, str(Path(given.weights).resolve()))
    given.out.mkdir(parents=True, exist_ok=True)
    executed = run_notebook(given.out, DATA=str(given.dataset.resolve()), WEIGHTS=weights, EPOCHS=given.epochs)
    nbformat.write(executed, given.out / "student.ipynb")
    for name, picture in zip(FIGURES, pictures_of(executed), strict=True):
        (given.out / f"{name}.png").write_bytes(picture)
    found: dict[str, Any] = json.loads((given.out / "figures.json").read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps({split: found[split] for split in ("val", "test")}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
