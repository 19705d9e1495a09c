"""The extras of STJ, what each brings, and the sentence for one that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

# Per extra: the import names of what it brings, the one that its commands begin with first.
EXTRAS: dict[str, tuple[str, ...]] = {
    "spiders": ("scrapy", "lxml", "price_parser", "twisted", "w3lib", "warcio"),
    "browser": ("scrapy_playwright", "playwright"),
    "service": ("scrapyd",),
    "model": ("tensorflow", "keras", "h5py", "matplotlib", "threadpoolctl", "onnx", "onnxruntime"),
    "notebook": ("pandas", "IPython", "ipykernel"),
    "export": ("ai_edge_litert", "openvino"),
    "web": (
        "flask", "flask_limiter", "flask_wtf", "limits", "prometheus_client", "requests", "waitress", "werkzeug", "wtforms",
    ),
    "audit": ("cleanlab",),
    "crops": ("cv2",),
    "heic": ("pillow_heif",),
    "map": ("sklearn",),
    "parquet": ("pyarrow",),
    "postgres": ("psycopg",),
    "s3": ("s3fs",),
    "cluster": ("distributed", "dask"),
}  # fmt: skip


def extra_of(module: str) -> str | None:
    """The extra that brings a module, such as `model` for `keras.layers`; None for what no extra brings."""
    top = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def is_installed(extra: str) -> bool:
    """Whether everything that an extra brings can be found; nothing is imported."""
    return all(find_spec(module) is not None for module in EXTRAS[extra])


def missing_extra(error: ImportError) -> str | None:
    """The sentence for an import that failed because an extra is not installed; None for any other failure."""
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    extra = extra_of(module)
    if extra is None:
        return None
    return f"This needs {module}, which is not installed: pip install 'stj[{extra}]', then run the same command again."
