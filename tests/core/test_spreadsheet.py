"""Tables that people write: read as they are meant, or refused with the line that is wrong."""

from __future__ import annotations

import pytest

from stj_core.errors import UsageError
from stj_core.spreadsheet import read_table, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_however_a_spreadsheet_saved_it(tmp_path, encoding, between, end):
    lines = [["File ", "Source", ""], ["0/साड़ी.jpg", '"a, b; c"', ""], [], ["0/b.jpg"]]
    file = tmp_path / "t.csv"
    file.write_bytes(end.join(between.join(line) for line in lines).encode(encoding))
    table = read_table(read_text(str(file)), "t.csv")
    assert table.columns == ("file", "source")
    assert table.rows == (
        (2, {"file": "0/साड़ी.jpg", "source": "a, b; c"}),
        (4, {"file": "0/b.jpg", "source": ""}),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,title\na.jpg,Saree, red\n", "Line 2 of t.csv has 3 cells, and there are 2 columns"),
        ('file,title\na.jpg,"5 inch border\nb.jpg,x\n', "Line 3 of t.csv is no CSV"),
        ('file,title\na.jpg,"5" border\n', "Line 2 of t.csv is no CSV"),
        ("file,title,File\na.jpg,x,b.jpg\n", "t.csv has two columns called file"),
    ],
)
def test_a_line_that_could_be_meant_in_two_ways_is_refused(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_table(text, "t.csv")


def test_a_file_that_is_no_utf_8_text_says_what_to_do(tmp_path):
    (tmp_path / "t.csv").write_bytes("file,title\na,Größe\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"it is no UTF-8 text \(byte 16\)\. Save it as CSV UTF-8"):
        read_text(str(tmp_path / "t.csv"))
