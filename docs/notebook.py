"""`notebooks/stj.ipynb`, made from the cells below: from a folder of pictures to a judged model."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

# Text and code in turns.
CELLS = (
    """# From a folder of pictures to a judged model

Give `FOLDER` a folder with a folder for each class (`0_saree`, `1_trousers`, `2_jeans`), or leave it: then the practice
shop's own drawings are used, which show that the road works, not how well. Needs `pip install 'stj[notebook]'`.""",
    """from pathlib import Path

import stj

FOLDER = None
WEIGHTS = None  # ImageNet's; "random" for a try without them, or a .weights.h5 file

if FOLDER is None:
    from stj_demo.drawing import draw

    FOLDER = Path("drawn")
    for label, kind in enumerate(("saree", "trousers", "jeans")):
        place = FOLDER / f"{label}_{kind}"
        place.mkdir(parents=True, exist_ok=True)
        for number in range(24):
            draw(kind, 42, number).save(place / f"{number}.jpg", quality=90)
stj.__version__""",
    """## Bring them in

Every picture gets one status and one reason: copies are folded together, what is no picture is named. Importing again
adds only what is new.""",
    """catalogue = stj.open_catalogue()
report = catalogue.import_folder(FOLDER)
catalogue""",
    """## A dataset whose splits do not leak

Relatives stay together: no picture of the test set has a near copy among what is learned.""",
    """dataset = catalogue.export("dataset", split=0.2, test=0.1, seed=42)
dataset""",
    "",
    "dataset.show_samples(each=5)",
    """## Train

`recipe="paper"` is the student's notebook: ResNet50 without its top, all but the last ten layers frozen. `default` is ours.""",
    """run = stj.train(dataset, weights=WEIGHTS)
run""",
    "",
    "run.plot_history()",
    """## Judge

A test split of a few pictures says little: mind the interval. *Out of fold*, every picture is judged by a model that had
not seen it.""",
    'run.plot_confusion("out_of_fold")',
    "",
    'run.show_results("out_of_fold", wrong=True)',
    """## Decide

A person's decision counts in every later export; who, when and why is kept.""",
    """first = dataset.rows()[0]
catalogue.label(first.file, keep=True, reason="looked at in the notebook")""",
    "## Use it",
    """answers = run.predict(*[dataset.folder / row.file for row in dataset.rows() if row.split == "test"])
answers""",
    "",
    "answers.show()",
    "The report is one page, with everything that was measured:",
    """from IPython.display import FileLink

catalogue.close()
FileLink(run.report)""",
)


def notebook() -> nbformat.NotebookNode:
    """The notebook, without outputs."""
    cells = []
    for number, text in enumerate(CELLS):
        if text:
            cell = new_code_cell(text) if number % 2 else new_markdown_cell(text)
            cell["id"] = f"cell-{number}"
            cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def notebook_text() -> str:
    """The notebook's file."""
    return nbformat.writes(notebook()) + "\n"
