"""Crawlers on hosts of their own, one of them killed at random, again and again: nothing lost, nothing doubled, one pace.

    python -m bench.hosts [--rounds 20] [--hosts 3] [--seed 42] [--restart]        # as root, on Linux

Each host is a network namespace behind one bridge. PostgreSQL and an S3 server (moto, which keeps objects in memory) are
reached over it, and the practice shop through a relay. The first two hosts have one host name; where a C compiler is there, the
last one's clock is an hour ahead. In each round all crawl one listing into an empty catalogue and an empty bucket, and one is
killed (SIGKILL) at a random moment; with `--restart` PostgreSQL is restarted meanwhile. Then catalogue, bucket and the shop's own
log are held against what an undisturbed crawl would leave.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from bench.noise import make_pictures
from stj_demo.shop import PracticeShop

BRIDGE, NET = "stjbr0", "10.77.0"
GATE = f"{NET}.1"
PAGE_SECONDS, PICTURE_SECONDS = 0.4, 0.06
CARDS = 48
_SHIFT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
#define AHEAD 3600
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int found = real(id, t);
  if (id == CLOCK_REALTIME) t->tv_sec += AHEAD;
  return found;
}
int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000; return 0;
}
time_t time(time_t *t) {
  struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
"""


def sh(*command: object, **options: Any) -> None:  # noqa: ANN401 - subprocess' own
    """Run a command that has to work."""
    subprocess.run([str(one) for one in command], check=True, stdout=subprocess.DEVNULL, **options)


@contextmanager
def network(hosts: int) -> Iterator[list[str]]:
    """Namespaces behind a bridge; their names."""
    names = [f"stjhost{number}" for number in range(1, hosts + 1)]
    try:
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        sh("ip", "address", "add", f"{GATE}/24", "dev", BRIDGE)
        sh("ip", "link", "set", BRIDGE, "up")
        for number, name in enumerate(names, 1):
            sh("ip", "netns", "add", name)
            sh("ip", "link", "add", f"stjv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            sh("ip", "link", "set", f"stjv{number}", "master", BRIDGE, "up")
            sh("ip", "-n", name, "address", "add", f"{NET}.{10 + number}/24", "dev", "eth0")
            sh("ip", "-n", name, "link", "set", "eth0", "up")
            sh("ip", "-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, stderr=subprocess.DEVNULL)


class Postgres:
    """A throwaway server on the bridge."""

    def __init__(self, folder: Path) -> None:
        """Make it, and start it."""
        bins = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self.folder = folder
        user = "postgres" if getpass.getuser() == "root" else getpass.getuser()
        shutil.chown(folder, user)
        folder.chmod(0o755)
        self.account: dict[str, Any] = {"user": user, "extra_groups": [], "cwd": folder}
        data = folder / "data"
        sh(
            bins / "initdb",
            "-D",
            data,
            "-U",
            "stj",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
            **self.account,
        )
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(f"host all all {NET}.0/24 trust\n")
        options = (f"listen_addresses={GATE}", "port=5477", f"unix_socket_directories={folder}", "fsync=off")
        self.command = [bins / "postgres", "-D", data, *(part for one in options for part in ("-c", one))]
        self.url = f"postgresql+psycopg://stj@{GATE}:5477/%s"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.server = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.account
        )
        for _ in range(300):
            with suppress(Exception):
                self.execute("SELECT 1")
                return
            time.sleep(0.1)
        raise SystemExit("PostgreSQL did not start")

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self.server.send_signal(signal.SIGINT)
        self.server.wait(30)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement; its rows."""
        engine = create_engine(self.url % database, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                found = connection.execute(text(statement))
                return list(found.all()) if found.returns_rows else []
        finally:
            engine.dispose()


def relay(target: int) -> int:
    """Listen on the bridge, and pass every connection on to a port of this machine; returns the port.

    The shop's own address in its pages becomes the relay's, which has as many characters.
    """
    server = socket.create_server((GATE, 0), backlog=128)
    theirs = f"127.0.0.1:{target}".encode()
    ours = f"{GATE}:{server.getsockname()[1]}".encode()
    assert len(ours) == len(theirs)

    def pump(one: socket.socket, other: socket.socket) -> None:
        held = b""
        with suppress(OSError):
            while data := one.recv(65536):
                data = (held + data).replace(theirs, ours)
                # What may be the beginning of an address that goes on in the next piece waits for it.
                held = next((data[-n:] for n in range(len(theirs) - 1, 0, -1) if theirs.startswith(data[-n:])), b"")
                other.sendall(data[: len(data) - len(held)])
            other.sendall(held)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def shifted_clock(folder: Path) -> str | None:
    """A library that sets a process's clock an hour ahead; None without a compiler."""
    if shutil.which("gcc") is None:
        return None
    (folder / "ahead.c").write_text(_SHIFT, encoding="utf-8")
    sh("gcc", "-shared", "-fPIC", "-O1", "-w", "-o", folder / "ahead.so", folder / "ahead.c", "-ldl")
    return str(folder / "ahead.so")


def one_round(
    number: int,
    folder: Path,
    hosts: list[str],
    database: Postgres,
    shop: PracticeShop,
    port: int,
    s3: str,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Crawl one listing from all hosts, kill one, and look at what is left."""
    dice = random.Random(options.seed + number)
    name = f"round{number}"
    database.execute(f"CREATE DATABASE {name}")
    shop.forget_requests()
    environment = {
        **os.environ,
        "STJ_CATALOG": database.url % name,
        "STJ_IMAGES": f"s3://pictures/{name}",
        "AWS_ENDPOINT_URL": s3,
    }
    origin = f"http://{GATE}:{port}"
    pace = (
        f"STJ_PAGE_SECONDS={PAGE_SECONDS}",
        f"STJ_PICTURE_SECONDS={PICTURE_SECONDS}",
        "STJ_JITTER=0",
        "STJ_LEASE_SECONDS=6",
    )
    command = [sys.executable, "-m", "scrapy", "crawl", "amazon_sarees", "-a", f"origin={origin}", "-a", "limit=9999"]
    command += [part for one in (*pace, "STJ_SUMMARY=json", "AUTOTHROTTLE_ENABLED=False") for part in ("-s", one)]
    running = []
    for place, host in enumerate(hosts):
        home = folder / name / host
        home.mkdir(parents=True)
        (home / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
        # Each host has a temporary folder of its own: nobody sees another's signs of life.
        own = {**environment, "TMPDIR": str(home)}
        if place == len(hosts) - 1 and options.preload:
            own["LD_PRELOAD"] = options.preload
        called = "one-name" if place < 2 else host
        inside = [
            "ip",
            "netns",
            "exec",
            host,
            "unshare",
            "--uts",
            "sh",
            "-c",
            f'hostname {called}; exec "$@"',
            "sh",
            *command,
        ]
        log = (home / "log").open("wb")
        running.append(
            subprocess.Popen(inside, cwd=home, env=own, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        )
    victim = dice.randrange(len(hosts))
    while not any(one.path.startswith("/images/") for one in shop.requests):
        time.sleep(0.05)
        if all(one.poll() is not None for one in running):
            break
    time.sleep(dice.uniform(0.0, 0.7 * options.pages * CARDS * PICTURE_SECONDS))
    killed = running[victim].poll() is None
    if killed:
        os.killpg(running[victim].pid, signal.SIGKILL)
    if options.restart:
        database.stop()
        time.sleep(dice.uniform(0.5, 3))
        database.start()
    outs = [one.communicate(timeout=300)[0] for one in running]
    codes = [one.returncode for place, one in enumerate(running) if place != victim or not killed]
    found = look(name, database, shop, options)
    found |= {"round": number, "killed": hosts[victim] if killed else None, "codes": codes}
    found["taken_over"] = sum(
        json.loads(out)["taken_over"] for out, one in zip(outs, running, strict=True) if one.returncode == 0
    )
    found["ok"] = codes == [0] * len(codes) and not found["wrong"]
    return found


def look(name: str, database: Postgres, shop: PracticeShop, options: argparse.Namespace) -> dict[str, Any]:
    """What is in the catalogue, the bucket and the shop's log."""
    import fsspec

    pictures = options.pages * CARDS
    pages = database.execute("SELECT number, state FROM pages ORDER BY number", name)
    count = {
        what: database.execute(query, name)[0][0]
        for what, query in {
            "sightings": "SELECT count(*) FROM sightings",
            "cards": "SELECT count(DISTINCT product_id) FROM sightings",
            "kept": "SELECT count(*) FROM images WHERE status = 'kept'",
            "crawls": "SELECT count(*) FROM crawls WHERE state = 'finished'",
        }.items()
    }
    objects = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False).find(f"pictures/{name}")
    wanted = {"sightings": pictures, "cards": pictures, "kept": pictures, "crawls": 1}
    wrong = [what for what, n in wanted.items() if count[what] != n]
    wrong += ["pages"] if [tuple(row) for row in pages] != [(n, "done") for n in range(1, options.pages + 1)] else []
    wrong += ["objects"] if len(objects) != pictures else []
    moments = sorted(one.time for one in shop.requests if one.path.startswith("/images/"))
    gaps = [later - sooner for sooner, later in pairwise(moments)] or [0.0]
    asked = Counter(one.path for one in shop.requests if one.path.startswith("/images/"))
    # Over any stretch of ten: two requests may come closer than they were let go, ten of them hardly.
    ten = (
        min((moments[place + 10] - moments[place]) / 10 for place in range(len(moments) - 10))
        if len(moments) > 10
        else 0.0
    )
    if ten < 0.95 * PICTURE_SECONDS:
        wrong.append("pace")
    return {
        "wrong": wrong,
        "asked": len(moments),
        "asked_again": sum(asked.values()) - len(asked),
        "gap_median": round(statistics.median(gaps), 4),
        "gap_least": round(min(gaps), 4),
        "gap_of_ten_least": round(ten, 4),
    }


def main() -> None:
    """Measure, and print one JSON line for each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--restart", action="store_true", help="restart PostgreSQL in every round")
    options = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    good = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stj-hosts-")))
        folder.chmod(0o755)
        options.preload = shifted_clock(folder)
        hosts = stack.enter_context(network(options.hosts))
        (folder / "pg").mkdir()
        database = Postgres(folder / "pg")
        stack.callback(database.stop)
        s3 = objects(stack)
        make_pictures(folder / "goods" / "0_saree", options.pages * CARDS, seed=1)
        shop = stack.enter_context(PracticeShop(folder / "goods", planting=False))
        port = relay(int(shop.origin.rsplit(":", 1)[1]))
        for number in range(options.first, options.first + options.rounds):
            found = one_round(number, folder, hosts, database, shop, port, s3, options)
            good = good and found["ok"]
            print(json.dumps(found), flush=True)
            if not found["ok"]:
                for log in sorted((folder / f"round{number}").glob("*/log")):
                    print(log.parent.name, log.read_text(errors="replace")[-1500:], file=sys.stderr, flush=True)
    print(
        json.dumps({"ok": good, "rounds": options.rounds, "hosts": options.hosts, "clock_ahead": bool(options.preload)})
    )
    sys.exit(0 if good else 1)


def objects(stack: ExitStack) -> str:
    """An S3 server on the bridge with a bucket called `pictures`; its address."""
    import logging

    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=GATE, port=0, verbose=False)
    server.start()
    stack.callback(server.stop)
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    os.environ["AWS_ENDPOINT_URL"] = address
    fsspec.filesystem("s3").mkdir("pictures")
    return address


if __name__ == "__main__":
    main()
