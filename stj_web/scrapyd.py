"""Crawls started and cancelled over scrapyd's HTTP interface; without scrapyd the studio says how to crawl by hand."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from stj_core.addresses import is_loopback
from stj_core.service import read_credentials
from stj_web.errors import RefusalError

_ALIVE_SECONDS = 5.0
_TIMEOUT = (1.0, 10.0)


def _with_password(address: str) -> str:
    """The address with the user and password of the service beside us, where it is on this machine and names none itself."""
    try:
        parts = urlsplit(address)
        found = read_credentials() if "@" not in parts.netloc and is_loopback(address) else None
    except ValueError:
        return address
    if found is None:
        return address
    login = f"{quote(found.user, safe='')}:{quote(found.password, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


class Scrapyd:
    """One scrapyd and STJ's project in it."""

    def __init__(self, address: str, project: str) -> None:
        self._address = _with_password(address)
        self._project = project
        self._session = requests.Session()
        # A proxy from the environment must not see, or answer, what is meant for the service beside us.
        self._session.trust_env = False
        self._looked = (0.0, False)

    @property
    def address(self) -> str:
        """Where it is, without a user's name and password; empty for none."""
        parts = urlsplit(self._address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def alive(self) -> bool:
        """Whether it answers; asked at most every few seconds."""
        if not self._address:
            return False
        then, answer = self._looked
        if time.monotonic() - then > _ALIVE_SECONDS:
            try:
                answer = self._session.get(f"{self._address}/daemonstatus.json", timeout=(0.5, 2.0)).status_code == 200
            except requests.RequestException:
                answer = False
            self._looked = (time.monotonic(), answer)
        return answer

    def start(self, spider: str, arguments: dict[str, str]) -> str:
        """Queue a crawl; returns the job's name.

        Raises:
            RefusalError: scrapyd is not there or refuses.
        """
        answer = self._ask("POST", "schedule.json", {"project": self._project, "spider": spider, **arguments})
        return str(answer.get("jobid", ""))

    def cancel(self, job: str) -> None:
        """Stop a job politely.

        Raises:
            RefusalError: scrapyd is not there or refuses.
        """
        self._ask("POST", "cancel.json", {"project": self._project, "job": job})

    def jobs(self) -> dict[str, list[dict[str, Any]]]:
        """Pending, running and the newest finished jobs; empty where scrapyd is not there."""
        if not self.alive():
            return {"pending": [], "running": [], "finished": []}
        answer = self._ask("GET", "listjobs.json", {"project": self._project})
        jobs = {
            state: [job for job in answer.get(state, []) if isinstance(job, dict)] for state in ("pending", "running")
        }
        return jobs | {"finished": list(reversed(answer.get("finished", [])))[:10]}

    def _ask(self, method: str, path: str, fields: dict[str, str]) -> dict[str, Any]:
        if not self._address:
            raise RefusalError(
                503, "no_scrapyd", "No crawl service is set: start scrapyd and set STJ_WEB_SCRAPYD to its address."
            )
        given = {"params": fields} if method == "GET" else {"data": fields}
        try:
            response = self._session.request(method, f"{self._address}/{path}", timeout=_TIMEOUT, **given)  # type: ignore[arg-type]  # one of the two
            answer = response.json()
        except (requests.RequestException, ValueError) as error:
            raise RefusalError(
                503,
                "no_scrapyd",
                f"scrapyd does not answer at {self.address} ({type(error).__name__}): start it, then try again.",
            ) from error
        if not isinstance(answer, dict) or answer.get("status") != "ok":
            said = str(answer.get("message", "")) if isinstance(answer, dict) else ""
            raise RefusalError(
                502, "scrapyd_refused", f"scrapyd refused: {said.strip().splitlines()[-1] if said.strip() else '?'}"
            )
        return answer
