"""Text from outside: kept clean, shown inert."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markupsafe import Markup

from stj_core.cli import emit, emit_json, say
from stj_core.console import make_table, show
from stj_core.text import _DROPPED, clean, inert, json_inert, markdown_inert, one_line, shown_in_html, visible

ANY = st.text(
    alphabet=st.characters() | st.sampled_from("\x1b\x9b\x7f\u202e\u2028\ud800\ufeff\U000e0041\n\t\r"), max_size=80
)
NASTY = "\x1b]0;pwned\x07\x1b[31mred\x9b2J\x00\x7f\u202egnp.exe\u2066\ud800\ufeff[bold]x[/nope]"
ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


@given(ANY, st.integers(1, 40))
def test_what_is_kept_is_one_bounded_line_that_any_file_can_hold(text: str, most: int) -> None:
    """And cleaning it again changes nothing."""
    kept = clean(text, most)
    assert len(kept) <= most
    assert not ACTS.search(kept)
    assert not re.search(r"[\n\t]", kept)
    assert kept.encode("utf-8").decode("utf-8") == kept == clean(kept, most)


@pytest.mark.parametrize(
    "text", ["कांजीवरम सिल्क साड़ी", "क्\u200dष", "می\u200cخواهم", "👩\u200d👧", "Saree – ₹1,299", "naïve café"]
)
def test_writing_of_any_language_stays(text: str) -> None:
    """Joiners make letters and emoji."""
    assert clean(text, 100) == text == visible(text) == inert(text)


@given(ANY)
def test_what_is_shown_never_acts(text: str) -> None:
    """Only line feeds and tabs are left of all that does, and on one line not even they."""
    assert not ACTS.search(inert(text))
    assert not re.search(r"[\n\t\r]", one_line(text))


@given(
    st.recursive(
        ANY | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    )
)
def test_a_json_document_is_inert_and_means_the_same(document: object) -> None:
    """Escapes are JSON's own."""
    written = json_inert(json.dumps(document, ensure_ascii=False))
    assert not ACTS.search(written)
    assert json.loads(written) == document


def test_characters_beyond_the_first_plane_are_escaped_by_the_rules_of_each() -> None:
    """A tag that nobody sees, as Python writes it and as JSON does."""
    tag = "\U000e0041"
    assert inert(tag) == r"\U000e0041"
    assert json.loads(json_inert(json.dumps({"title": f"{tag}\x7f"}, ensure_ascii=False))) == {"title": f"{tag}\x7f"}
    assert clean(f"a{tag}b", 10) == "ab"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("![x](http://evil/x.png)|a|\n# h", r"\!\[x\]\(http://evil/x\.png\)\|a\| \# h"),
        ("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;"),
        ("*b* _i_ `c` $m$ ~s~", r"\*b\* \_i\_ \`c\` \$m\$ \~s\~"),
        ("plain", "plain"),
    ],
)
def test_markdown_shows_as_it_is(text: str, written: str) -> None:
    """No link, picture, heading, table or HTML comes of it."""
    assert markdown_inert(text) == written


def test_a_page_shows_text_without_what_acts_and_markup_as_it_is() -> None:
    """Escaping is the templates' own business."""
    template = Environment(autoescape=True, finalize=shown_in_html).from_string("{{ a }}|{{ b }}|{{ c }}|{{ a ~ '!' }}")
    assert template.render(a="\x1b[31m<i>\u202ex", b=Markup("<b>\u202e</b>"), c=3) == (
        "[31m&lt;i&gt;x|<b>\u202e</b>|3|[31m&lt;i&gt;x!"
    )


def test_the_command_lines_voice_never_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, JSON and tables; square brackets are no markup."""
    say(NASTY)
    emit(f"{NASTY}\nnext")
    emit_json({"title": NASTY})
    show(make_table(NASTY, ("a", "b"), [(NASTY, 1)]), NASTY)
    said = capsys.readouterr()
    assert not ACTS.search(said.out + said.err)
    assert "[bold]x[/nope]" in said.err
    assert said.out.count("[/nope]") >= 4  # the table breaks one of them
    assert "\nnext" in said.out


def test_printable_text_needs_no_second_look() -> None:
    """`visible` and `single_spaced` leave printable text to `str.isprintable`: nothing that is dropped may be printable."""
    printable = [chr(code) for code in range(0x110000) if chr(code).isprintable()]
    assert not [char for char in printable if _DROPPED.search(char)]
    assert [char for char in printable if char.isspace()] == [" "]
