"""Crawlers on hosts of their own, one of them killed at random, again and again: nothing lost, nothing doubled, one pace.

    python -m bench.hosts [--rounds 20] [--hosts 2 3] [--seed 42] [--restart] [--to docs/performance]      # as root, on Linux

Each host is a network namespace behind one bridge. PostgreSQL and an S3 server (moto, which keeps objects in memory) are
reached over it, and the practice shop through a relay. The first two hosts have one host name; where a C compiler is there, the
last one's clock is an hour ahead. In each round all crawl one listing into an empty catalogue and an empty bucket; one is killed
(SIGKILL) after a random number of pictures, and after another the shop turns one request away (429). With `--restart` PostgreSQL
is restarted meanwhile. Then catalogue, bucket and the shop's own log are held against what an undisturbed crawl would leave, and
against the pace that was asked for.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from bench.noise import make_pictures
from bench.tables import machine, versions, write_page
from stj_demo.shop import PracticeShop

BRIDGE, NET = "stjbr0", "10.77.0"
GATE = f"{NET}.1"
PAGE_SECONDS, PICTURE_SECONDS = 0.5, 0.25
COOL_SECONDS, LEASE_SECONDS = 5.0, 6.0
CARDS = 48
# A request that was let go before the shop's refusal was written down may still arrive so much later.
_ON_ITS_WAY = 0.3
# Rates are told over so many requests: what the network and busy processors add to one of them is taken from the next.
_STRETCH = 10
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
        self.command = [str(bins / "postgres"), "-D", str(data), *(part for one in options for part in ("-c", one))]
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


@dataclass(frozen=True)
class Setting:
    """What all rounds share.

    Attributes:
        folder: for the hosts' files.
        hosts: namespaces.
        database: PostgreSQL.
        shop: whom the crawlers visit.
        origin: where they find it.
        s3: where they find the object store.
        preload: a library that sets a process's clock ahead; None without a compiler.
        options: of the command.
    """

    folder: Path
    hosts: Sequence[str]
    database: Postgres
    shop: PracticeShop
    origin: str
    s3: str
    preload: str | None
    options: argparse.Namespace

    @property
    def pictures(self) -> int:
        """How many a round has."""
        return int(self.options.pages) * CARDS


def one_round(number: int, among: int, setting: Setting) -> dict[str, Any]:
    """Crawl one listing from so many hosts, kill one, turn one away, and look at what is left."""
    dice = random.Random(setting.options.seed + number)
    name, shop = f"round{number}", setting.shop
    setting.database.execute(f"CREATE DATABASE {name}")
    shop.forget_requests()
    hosts = setting.hosts[:among]
    running = [start(name, place, hosts, setting) for place in range(among)]
    victim = dice.randrange(among)
    # In the first three quarters, so that there is something left to do; at least one request of everybody comes between.
    kill, block = (dice.randrange(1, setting.pictures * 3 // 4) for _ in range(2))
    killed = blocked = False
    for after, event in sorted([(kill, "kill"), (block, "block")]):
        if not until(partial(has_asked, shop, after), running):
            break
        if event == "block":
            blocked = turn_one_away(shop, running)
            continue
        killed = running[victim].poll() is None
        if killed:
            os.killpg(running[victim].pid, signal.SIGKILL)
        if setting.options.restart:
            setting.database.stop()
            time.sleep(dice.uniform(0.5, 3))
            setting.database.start()
    outs = [one.communicate(timeout=600)[0] for one in running]
    codes = [one.returncode for place, one in enumerate(running) if place != victim or not killed]
    found: dict[str, Any] = {
        "round": number,
        "hosts": among,
        "killed": f"{victim + 1} after {kill}" if killed else None,
    }
    found |= {"blocked": block if blocked else None, "codes": codes}
    summaries = [json.loads(out) for out, one in zip(outs, running, strict=True) if one.returncode == 0]
    found["taken_over"] = sum(one["taken_over"] for one in summaries)
    wrong = left_wrong(name, setting)
    wrong += [] if codes == [0] * len(codes) else ["exit codes"]
    wrong += [] if killed and blocked else ["nobody was killed"] if blocked else ["nobody was turned away"]
    pace, broken = look_at_pace(shop)
    return found | pace | {"wrong": wrong + broken, "ok": not wrong + broken}


def start(name: str, place: int, hosts: Sequence[str], setting: Setting) -> subprocess.Popen[bytes]:
    """Start the crawl on one host."""
    environment = {
        **os.environ,
        "STJ_CATALOG": setting.database.url % name,
        "STJ_IMAGES": f"s3://pictures/{name}",
        "AWS_ENDPOINT_URL": setting.s3,
    }
    settings = (
        f"STJ_PAGE_SECONDS={PAGE_SECONDS}",
        f"STJ_PICTURE_SECONDS={PICTURE_SECONDS}",
        f"STJ_LEASE_SECONDS={LEASE_SECONDS}",
        f"STJ_COOL_SECONDS={COOL_SECONDS}",
        "STJ_JITTER=0",
        "STJ_SUMMARY=json",
        "AUTOTHROTTLE_ENABLED=False",
    )
    command = [sys.executable, "-m", "scrapy", "crawl", "amazon_sarees", "-a", f"origin={setting.origin}"]
    command += ["-a", "limit=9999", *(part for one in settings for part in ("-s", one))]
    home = setting.folder / name / hosts[place]
    home.mkdir(parents=True)
    (home / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
    # Each host has a temporary folder of its own: nobody sees another's signs of life.
    environment["TMPDIR"] = str(home)
    if place == len(hosts) - 1 and setting.preload:
        environment["LD_PRELOAD"] = setting.preload
    called = "one-name" if place < 2 else hosts[place]
    inside = [
        "ip",
        "netns",
        "exec",
        hosts[place],
        "unshare",
        "--uts",
        "sh",
        "-c",
        f'hostname {called}; exec "$@"',
        "sh",
    ]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [*inside, *command], cwd=home, env=environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )


def until(happened: Callable[[], bool], running: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Wait until something happened; False where all processes ended first."""
    while not happened():
        if all(one.poll() is not None for one in running):
            return happened()
        time.sleep(0.02)
    return True


def has_asked(shop: PracticeShop, pictures: int) -> bool:
    """Whether so many pictures were asked for by now."""
    return sum(one.path.startswith("/images/") for one in shop.requests) >= pictures


def turn_one_away(shop: PracticeShop, running: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Answer the next picture with a refusal; False where none was asked for any more."""
    shop.behave(picture_status=429)
    try:
        return until(lambda: any(one.status == 429 for one in shop.requests), running)
    finally:
        shop.behave(picture_status=200)


def left_wrong(name: str, setting: Setting) -> list[str]:
    """What in the catalogue and the bucket is not as an undisturbed crawl leaves it."""
    import fsspec

    database, pages = setting.database, setting.options.pages
    count = {
        what: database.execute(query, name)[0][0]
        for what, query in {
            "sightings": "SELECT count(*) FROM sightings",
            "cards": "SELECT count(DISTINCT product_id) FROM sightings",
            "kept": "SELECT count(*) FROM images WHERE status = 'kept'",
            "crawls": "SELECT count(*) FROM crawls WHERE state = 'finished'",
            "images": "SELECT count(*) FROM images",
            "all crawls": "SELECT count(*) FROM crawls",
        }.items()
    }
    wanted = {**dict.fromkeys(("sightings", "cards", "kept", "images"), setting.pictures), "crawls": 1, "all crawls": 1}
    wrong = [what for what, n in wanted.items() if count[what] != n]
    read = database.execute("SELECT number, state FROM pages ORDER BY number", name)
    wrong += ["pages"] if [tuple(row) for row in read] != [(n, "done") for n in range(1, pages + 1)] else []
    paths = {f"pictures/{name}/{row[0]}" for row in database.execute("SELECT path FROM images", name)}
    there = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False).find(f"pictures/{name}")
    return wrong + ([] if sorted(there) == sorted(paths) else ["objects"])


def look_at_pace(shop: PracticeShop) -> tuple[dict[str, Any], list[str]]:
    """How the shop was asked by all crawlers together, by its own log, and what of it was against the rules."""
    asked = [one for one in shop.requests if one.path != "/robots.txt"]
    pictures = sorted((one for one in asked if one.path.startswith("/images/")), key=lambda one: one.time)
    refused = min((one.time for one in pictures if one.status == 429), default=None)
    paths = Counter(one.path for one in pictures if one.status == 200)
    times = [one.time for one in pictures]
    gaps = [later - sooner for sooner, later in pairwise(times)] or [0.0]
    silence, heard = 0.0, []
    if refused is not None:
        heard = [one.time - refused for one in asked if _ON_ITS_WAY < one.time - refused < COOL_SECONDS]
        silence = min((one.time for one in asked if one.time > refused + _ON_ITS_WAY), default=refused) - refused
    # Stretches in which somebody had something to ask for, and nobody was told to be silent.
    stretches = [
        (last - first) / _STRETCH
        for first, last in zip(times, times[_STRETCH:], strict=False)
        if refused is None or last <= refused or first >= refused + COOL_SECONDS
    ]
    rate = PICTURE_SECONDS / statistics.median(stretches) if stretches else 0.0
    fastest = PICTURE_SECONDS / min(stretches) if stretches else 0.0
    pages = sorted(one.time for one in asked if one.path.startswith("/s?"))
    page_gap = min((later - sooner for sooner, later in pairwise(pages)), default=PAGE_SECONDS)
    wrong = ["the rate"] if not 0.95 <= rate <= 1.05 or fastest > 1.05 else []
    wrong += ["a gap"] if min(gaps) < PICTURE_SECONDS - _ON_ITS_WAY / 2 else []
    wrong += ["asked while it was to be silent"] if heard else []
    return {
        "asked": len(pictures),
        "asked_again": sum(paths.values()) - len(paths),
        "gap_least": round(min(gaps), 3),
        "gap_median": round(statistics.median(gaps), 3),
        "short_gaps": sum(one < 0.95 * PICTURE_SECONDS for one in gaps),
        "page_gap_least": round(page_gap, 3),
        "rate": round(rate, 3),
        "rate_most": round(fastest, 3),
        "silence": round(silence, 2),
    }, wrong


def page_of(rounds: Sequence[dict[str, Any]], setting: Setting) -> str:
    """All rounds as Markdown."""
    options = setting.options
    good = sum(one["ok"] for one in rounds)
    clock = "the last one's clock an hour ahead" if setting.preload else "no C compiler here, so no clock was shifted"
    restarted = "; PostgreSQL restarted in each" if options.restart else ""
    (server,) = setting.database.execute("SHOW server_version")[0]
    said = (
        f"`python -m bench.hosts`: {len(rounds)} rounds, {good} of them without a fault{restarted}. Crawlers in network "
        f"namespaces, two of one host name, {clock}; one killed in each round, and one picture answered with a 429, at random "
        f"moments. {options.pages} pages of {CARDS} pictures; pages {PAGE_SECONDS} s apart, pictures {PICTURE_SECONDS} s, after "
        f"a refusal {COOL_SECONDS:g} s of silence, leases of {LEASE_SECONDS:g} s. {machine()}; PostgreSQL {server}, "
        f"{versions(['moto', 'scrapy', 'psycopg'])}."
    )
    titles = "round | crawlers | killed | refused after | left wrong | asked again | least gap | median gap"
    titles += " | rate | highest rate | silence"
    lines = [
        said,
        "",
        f"| {titles} |",
        "| ---: | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one['round']} | {one['hosts']} | {one['killed'] or 'nobody'} | {one['blocked'] or 'nobody'} | "
        f"{', '.join(one['wrong']) or 'nothing'} | {one['asked_again']} | {one['gap_least']:.3f} s | {one['gap_median']:.3f} s | "
        f"{one['rate']:.3f} | {one['rate_most']:.3f} | {one['silence']:.2f} s |"
        for one in rounds
    ]
    gaps = sum(one["asked"] - 1 for one in rounds)
    short = sum(one["short_gaps"] for one in rounds)
    told = (
        "*Left wrong* compares rows, pages, pictures and objects with what an undisturbed crawl leaves, each exactly once, and "
        "the exit codes. *Asked again* are pictures that the refusal or the kill cost. The gaps and rates are from the shop's "
        f"own log, of all crawlers together; a rate of 1 is the pace that was asked for, over {_STRETCH} requests at a time "
        "(median, and the highest of all), without the silence. A request that has its turn may be late by what a busy "
        f"processor adds, and the next then follows sooner: {short} of {gaps:,} gaps were more than 5 % under the pace."
    )
    return "\n".join([*lines, "", told])


def main() -> None:
    """Measure, print one JSON line for each round, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--hosts", type=int, nargs="+", default=[2, 3], help="crawlers of a round, in turns")
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--restart", action="store_true", help="restart PostgreSQL in every round")
    parser.add_argument("--to", type=Path, help="folder of the page; none is written without it")
    options = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    rounds: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stj-hosts-")))
        folder.chmod(0o755)
        hosts = stack.enter_context(network(max(options.hosts)))
        (folder / "pg").mkdir()
        database = Postgres(folder / "pg")
        stack.callback(database.stop)
        s3 = objects(stack)
        make_pictures(folder / "goods" / "0_saree", options.pages * CARDS, seed=1)
        shop = stack.enter_context(PracticeShop(folder / "goods", planting=False))
        origin = f"http://{GATE}:{relay(int(shop.origin.rsplit(':', 1)[1]))}"
        setting = Setting(folder, hosts, database, shop, origin, s3, shifted_clock(folder), options)
        for number in range(options.first, options.first + options.rounds):
            among = options.hosts[(number - 1) % len(options.hosts)]
            rounds.append(one_round(number, among, setting))
            print(json.dumps(rounds[-1]), flush=True)
            if not rounds[-1]["ok"]:
                for log in sorted((folder / f"round{number}").glob("*/log")):
                    print(log.parent.name, log.read_text(errors="replace")[-1500:], file=sys.stderr, flush=True)
        if options.to:
            write_page("hosts", "Crawlers on several hosts, one killed", page_of(rounds, setting), options.to)
    sys.exit(0 if all(one["ok"] for one in rounds) else 1)


def objects(stack: ExitStack) -> str:
    """An S3 server on the bridge with a bucket called `pictures`, in a process of its own; its address."""
    import fsspec

    with socket.create_server((GATE, 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", GATE, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(server.wait)
    stack.callback(server.kill)
    for _ in range(300):
        with suppress(OSError), socket.create_connection((GATE, port)):
            break
        time.sleep(0.1)
    os.environ["AWS_ENDPOINT_URL"] = address = f"http://{GATE}:{port}"
    fsspec.filesystem("s3").mkdir("pictures")
    return address


if __name__ == "__main__":
    main()
