"""`stj-web`: serve the studio with waitress."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from stj_core import cli

app = cli.make_app("The studio in the browser: look, review, classify.")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [STJ_WEB_HOST, 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any.  [STJ_WEB_PORT, 8000]")] = None,
    hosts: Annotated[str | None, typer.Option(help="Further names it is reached by, a,b.  [STJ_WEB_HOSTS]")] = None,
    threads: Annotated[int | None, typer.Option(help="Requests answered at once.  [STJ_WEB_THREADS, 12]")] = None,
    catalog: Annotated[
        str | None, typer.Option(help="SQLite file or SQLAlchemy URL.  [STJ_CATALOG, catalog.sqlite]")
    ] = None,
    images: Annotated[str | None, typer.Option(help="Folder or URL of the image store.  [STJ_IMAGES, images]")] = None,
    runs: Annotated[str | None, typer.Option(help="Folder of training runs.  [STJ_RUNS, runs]")] = None,
) -> None:
    """Serve the studio until Ctrl-C; prints its address. On more than this machine, writes need STJ_WEB_TOKEN."""
    from stj_core.config import read_config
    from stj_web.serve import serve as start
    from stj_web.settings import read_web_config

    config = read_config(catalog=catalog, images=images, runs=runs)
    start(config, read_web_config(host=host, port=port, hosts=hosts, threads=threads))


def main() -> NoReturn:
    """Run the command line."""
    cli.run(app)
