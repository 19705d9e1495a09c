"""The practice shop's pages and pictures, served by nginx from files: over plain HTTP, and over TLS.

The listing is walked once and written down, so that what is measured beside it is what a crawler costs, and no shop's own work.
The certificate is signed by an authority that is made here; each crawler is told to trust it as its user would tell it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.peers import walk

PLAIN, NGINX, TLS = "HTTP, the practice shop", "HTTP, nginx", "TLS, nginx"
NGINX_BINARY = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
_START_SECONDS = 10


@dataclass(frozen=True)
class Front:
    """Where the shop is.

    Attributes:
        name: as the page has it.
        origin: scheme, host and port.
        authority: the certificate of who signed the shop's, where it speaks TLS.
    """

    name: str
    origin: str
    authority: Path | None = None

    def trust(self) -> dict[str, str]:
        """The variables by which OpenSSL (so Scrapy and Python's own ssl) and requests are told whom to trust."""
        return {name: str(self.authority) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if self.authority}


@contextmanager
def nginx(folder: Path, shop: str) -> Iterator[list[Front]]:
    """An nginx on loopback, over HTTP and TLS, with what another shop shows now.

    Args:
        folder: where it keeps its files.
        shop: the origin of the shop that is written down.

    Raises:
        RuntimeError: nginx does not start.
    """
    assert NGINX_BINARY is not None
    ports = _free_ports(2)
    fronts = [
        Front(NGINX, f"http://127.0.0.1:{ports[0]}"),
        Front(TLS, f"https://127.0.0.1:{ports[1]}", certify(folder)),
    ]
    write_down(shop, folder, fronts)
    (folder / "nginx.conf").write_text(configuration(folder, fronts), encoding="utf-8")
    errors = folder / "error.log"
    command = [NGINX_BINARY, "-p", str(folder), "-e", str(errors), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        for port in ports:
            _wait_for(port, process, errors)
        yield fronts
    finally:
        process.terminate()
        process.wait()


def nginx_version() -> str:
    """What nginx says that it is."""
    assert NGINX_BINARY is not None
    said = subprocess.run([NGINX_BINARY, "-v"], check=True, capture_output=True, text=True).stderr
    return said.strip().rpartition(": ")[2].replace("/", " ")


def write_down(shop: str, folder: Path, fronts: list[Front]) -> None:
    """Write a shop's listing for each front, with that front's own addresses, and its pictures once for both."""
    pictures: list[str] = []
    for number, (page, found) in enumerate(walk(shop), 1):
        pictures += found
        for front in fronts:
            place = folder / front.name / "pages"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.html").write_text(page.replace(shop, front.origin), encoding="utf-8")
    with urllib.request.urlopen(shop + "/robots.txt") as answer:
        rules = answer.read()
    for front in fronts:
        (folder / front.name / "robots.txt").write_bytes(rules)
    for address in pictures:
        file = folder / "pictures" / urlsplit(address).path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(address) as answer:
            file.write_bytes(answer.read())


def certify(folder: Path) -> Path:
    """Write an authority, and a key and a certificate for 127.0.0.1 that it signed; returns the authority's certificate."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for one measurement")])
    shop = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for name, subject, key, is_authority in (("authority", authority, ours, True), ("shop", shop, theirs, False)):
        moment = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder(authority, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(moment - dt.timedelta(hours=1))
            .not_valid_after(moment + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours.public_key()), critical=False)
        )
        made = made if is_authority else made.add_extension(loopback, critical=False)
        certificate = made.sign(ours, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "shop.key").write_bytes(
        theirs.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "authority.pem"


def configuration(folder: Path, fronts: list[Front]) -> str:
    """Its own defaults, but for where it writes."""
    temporary = "".join(
        f"  {kind}_temp_path {folder}/temporary;\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "".join(
        f"  server {{\n    listen {urlsplit(front.origin).netloc}{' ssl' if front.authority else ''};\n"
        + (
            f"    ssl_certificate {folder}/shop.pem;\n    ssl_certificate_key {folder}/shop.key;\n"
            * bool(front.authority)
        )
        + f'    root "{folder}/{front.name}";\n'
        "    location = /s { try_files /pages/$listing.html =404; }\n"
        f'    location /images/ {{ root "{folder}/pictures"; }}\n'
        "  }\n"
        for front in fronts
    )
    return (
        ("user root;\n" if os.geteuid() == 0 else "")
        + f"daemon off;\npid {folder}/nginx.pid;\nworker_processes 1;\nevents {{ }}\nhttp {{\n{temporary}"
        "  access_log off;\n  types { text/html html; text/plain txt; image/jpeg jpg; }\n  charset utf-8;\n"
        f'  map $arg_page $listing {{ "" 1; default $arg_page; }}\n{servers}}}\n'
    )


def _free_ports(number: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports


def _wait_for(port: int, process: subprocess.Popen[bytes], errors: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nginx does not answer on port {port}: {errors.read_text(encoding='utf-8')[-500:]}")
