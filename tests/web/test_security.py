"""Who may ask: names, tokens, forged requests; and that nothing is told that should not be."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from stj_core.errors import UsageError
from stj_web.settings import WebConfig, read_web_config
from tests.dataset.filling import Shelf

from .conftest import MakeApp, form_token

TOKEN = "open sesame, said he"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DECISION = {"image_id": 1, "action": "reject", "seen": 0}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "[::1", "a b", "10.0.0.1"]
)
def test_a_name_that_is_not_the_studios_is_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "localhost."])
def test_its_own_names_are_taken(client: FlaskClient, host: str) -> None:
    assert client.get("/login", headers={"Host": host}).status_code == 200


def test_further_names_can_be_given(make_app: MakeApp) -> None:
    app = make_app(hosts="studio.example, other.example")
    assert app.test_client().get("/login", headers={"Host": "Studio.example:443"}).status_code == 200


def test_on_loopback_a_program_may_write_and_a_foreign_page_may_not(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app().test_client(use_cookies=False)
    for foreign in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Cookie": "stj=x"},
        {"Referer": "http://evil/"},
    ):
        answer = client.post("/api/v1/reviews", json=DECISION, headers=foreign)
        assert answer.status_code == 403, foreign
        assert answer.json["error"]["kind"] == "forged"
        assert (
            client.post(
                "/api/v1/classify", data={"files": []}, content_type="multipart/form-data", headers=foreign
            ).status_code
            == 403
        )
    assert client.get("/api/v1/reviews").json["reviews"] == []
    assert client.post("/api/v1/reviews", data="image_id=1&action=reject").status_code == 415
    assert client.post("/api/v1/reviews", json=DECISION).status_code == 201


def test_the_studios_own_page_may_write(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app().test_client()
    token = form_token(client)
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", "X-CSRFToken": token}
    assert client.post("/api/v1/reviews", json=DECISION, headers=headers).status_code == 201


def test_forms_without_their_token_are_refused(client: FlaskClient, shelf: Shelf) -> None:
    for path in (
        "/review/decide",
        "/review/undo",
        "/review/name",
        "/crawls/start",
        "/crawls/cancel",
        "/login",
        "/logout",
        "/classify",
    ):
        answer = client.post(path, data={"image_id": "1", "decision": "reject", "seen": "0"})
        assert answer.status_code == 400, path
        assert "load the page again" in answer.get_data(as_text=True)


def test_open_to_others_without_a_token_it_is_read_only(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app(host="0.0.0.0").test_client()
    assert client.get("/catalogue").status_code == 200
    answer = client.post("/api/v1/reviews", json=DECISION)
    assert answer.status_code == 403
    assert "STJ_WEB_TOKEN" in answer.json["error"]["message"]


def test_open_to_others_writes_need_the_token(make_app: MakeApp, shelf: Shelf) -> None:
    app = make_app(host="0.0.0.0", token=TOKEN)
    client = app.test_client()
    assert client.post("/api/v1/reviews", json=DECISION).status_code == 401
    assert client.post("/api/v1/reviews", json=DECISION, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post("/api/v1/reviews", json=DECISION, headers=BEARER).status_code == 201
    browser = app.test_client()
    token = form_token(browser)
    fields = {"csrf_token": token, "image_id": "2", "seen": "0", "decision": "reject"}
    assert browser.post("/review/decide", data=fields).status_code == 401
    assert browser.post("/login", data={"csrf_token": token, "token": "wrong"}).status_code == 403
    assert browser.post("/login", data={"csrf_token": token, "token": TOKEN}).status_code == 302
    assert browser.post("/review/decide", data=fields).status_code == 302
    browser.post("/logout", data={"csrf_token": token})
    assert browser.post("/review/decide", data=fields | {"image_id": "3"}).status_code == 401


def test_classifying_is_limited_for_others_and_free_on_loopback(make_app: MakeApp, shelf: Shelf) -> None:
    assert WebConfig().rate == ""
    assert WebConfig(host="0.0.0.0").rate == "60 per minute"
    client = make_app(host="0.0.0.0", classify_rate="3 per minute").test_client()
    codes = [client.post("/api/v1/classify", data={}, content_type="multipart/form-data").status_code for _ in range(5)]
    assert codes == [400, 400, 400, 429, 429]
    answer = client.post("/api/v1/classify", data={}, content_type="multipart/form-data")
    assert answer.json["error"]["kind"] == "too_many_requests"
    assert answer.headers["Retry-After"]


def test_a_bug_shows_no_stack_trace(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail /etc/passwd")

    monkeypatch.setattr("stj_web.views.home.count_all", broken)
    monkeypatch.setattr("stj_web.views.api.crawls_page", broken)
    monkeypatch.setattr(type(app.extensions["stj"]), "catalog_or_none", property(lambda _: object()))
    for path in ("/", "/api/v1/crawls"):
        answer = app.test_client().get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.get_data(as_text=True)
        assert "Traceback" not in answer.get_data(as_text=True)


def test_errors_have_one_shape(client: FlaskClient, shelf: Shelf) -> None:
    for method, path, code in [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/images", 405),
        ("GET", "/api/v1/images/9999", 404),
        ("GET", "/api/v1/images/99999999999999999999", 404),
        ("GET", "/api/v1/runs/nothing", 404),
        ("GET", "/api/v1/crawls/77", 404),
        ("GET", "/api/v1/trace", 400),
    ]:
        answer = client.open(path, method=method)
        assert code == answer.status_code, path
        assert code == answer.json["error"]["status"]
        assert {"status", "kind", "message"} == set(answer.json["error"])
        assert answer.json["error"]["message"].endswith((".", "nothing."))


def test_log_in_is_limited_wherever_there_is_a_token(make_app: MakeApp, shelf: Shelf) -> None:
    client = make_app(token=TOKEN).test_client()
    fields = {"csrf_token": form_token(client), "token": "wrong"}
    assert [client.post("/login", data=fields).status_code for _ in range(11)] == [403] * 10 + [429]
    classified = client.post("/api/v1/classify", data={}, content_type="multipart/form-data", headers=BEARER)
    assert classified.status_code == 400, "on loopback classifying stays free"


def test_a_session_cookie_tells_nothing_of_the_token(make_app: MakeApp) -> None:
    secrets = [make_app(token=TOKEN).config["SECRET_KEY"] for _ in range(2)]
    assert secrets[0] != secrets[1]
    assert len({make_app(token=TOKEN, secret="s").config["SECRET_KEY"] for _ in range(2)}) == 1


def test_settings_are_refused_in_a_sentence() -> None:
    with pytest.raises(
        UsageError, match=r"^STJ_WEB_TOKEN cannot be what it is: it needs 16 characters or more; openssl"
    ):
        read_web_config(token="open sesame")
    with pytest.raises(
        UsageError, match=r"^STJ_WEB_CLASSIFY_RATE cannot be 'often': a rate looks like '60 per minute'\.$"
    ):
        read_web_config(classify_rate="often")
    with pytest.raises(UsageError, match=r"^STJ_WEB_PORT cannot be 70000: "):
        read_web_config(port=70000)
    with pytest.raises(UsageError, match=r"scrapyd's address looks like http://127\.0\.0\.1:6800\.$"):
        read_web_config(scrapyd="nowhere")


def test_metrics_are_prometheus_text(client: FlaskClient, shelf: Shelf) -> None:
    client.get("/catalogue")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'stj_requests_total{endpoint="catalogue.gallery",method="GET",status="200"} 1.0' in text
    client.get("/nothing/at/all/<script>")
    assert "<script>" not in client.get("/metrics").get_data(as_text=True)
