"""A list of addresses, fetched by a tool that people use for it: `python fetchers.py WAY LIST FOLDER [AUTHORITY]`.

AUTHORITY is a certificate to trust; what reads it from the environment needs no telling. Run by the Python of the tool's own
environment; nothing of STJ's is imported. The list is given: none of these reads a listing, keeps a row, or asks robots.txt.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AT_ONCE = 8


def icrawler(addresses: Path, folder: Path, authority: str | None) -> None:
    """What icrawler downloads with, eight threads; its requests read REQUESTS_CA_BUNDLE."""
    del authority
    import logging

    from icrawler.builtin import UrlListCrawler

    crawler = UrlListCrawler(downloader_threads=AT_ONCE, storage={"root_dir": str(folder)}, log_level=logging.WARNING)
    crawler.crawl(url_list=str(addresses))


def img2dataset(addresses: Path, folder: Path, authority: str | None) -> None:
    """img2dataset, one process of eight threads, pictures as they come; Python's own urllib reads SSL_CERT_FILE."""
    del authority
    from img2dataset import download

    download(
        url_list=str(addresses),
        output_folder=str(folder),
        processes_count=1,
        thread_count=AT_ONCE,
        resize_mode="no",
        skip_reencode=True,
        enable_wandb=False,
    )


def curl(addresses: Path, folder: Path, authority: str | None) -> None:
    """curl, eight transfers at once over kept connections."""
    lines = []
    for number, address in enumerate(addresses.read_text(encoding="utf-8").split()):
        lines += [f'url = "{address}"', f'output = "{folder / f"{number:05d}.jpg"}"']
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(AT_ONCE), "--config", "-"]
    command += ["--cacert", authority] if authority else []
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


WAYS = {"icrawler": icrawler, "img2dataset": img2dataset, "curl": curl}

if __name__ == "__main__":
    Path(sys.argv[3]).mkdir()
    WAYS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
