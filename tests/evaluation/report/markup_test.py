"""Documents: the same cells in Markdown and HTML, nothing from outside, nothing unescaped."""

import base64
import html.parser
import re

from lmvp_tf.evaluation.report import markup

_PAGE = markup.Page(
    title="a < b",
    lead="The lead & more.",
    sections=[
        markup.Section(
            "Figures",
            [
                markup.Table(
                    ["system", "BCE", "SSIM\ntf"],
                    [[["x|y", "0.1\n[0.0, 0.2]", "-"]], [["<z>", "0.3", "1"]]],
                    ["A note."],
                ),
                ["one", "two"],
            ],
        ),
        markup.Section("Pictures", [markup.Picture("p.png", 'a "p"', "What p shows.")]),
    ],
)


class _Reader(html.parser.HTMLParser):
    """Collects the elements of a page, and the text of the cells of its table."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.rows, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def _read_html(tmp_path):
    (tmp_path / "p.png").write_bytes(b"pixels")
    return _Reader(markup.to_html(_PAGE, tmp_path))


def test_markdown_escapes_what_would_break_a_table():
    text = markup.to_markdown(_PAGE)
    assert (
        "| system | BCE | SSIM<br>tf |\n| --- | ---: | ---: |\n| x\\|y | 0.1<br>[0.0, 0.2]" in text
    )
    assert "| <z> | 0.3 | 1 |\n\nA note.\n\n- one\n- two\n" in text
    assert '## Pictures\n\n![a "p"](p.png)\n\nWhat p shows.\n' in text


def test_html_holds_the_cells_and_is_well_formed(tmp_path):
    page = _read_html(tmp_path)
    assert page.rows == [
        ["system", "BCE", "SSIMtf"],
        ["x|y", "0.1[0.0, 0.2]", "-"],
        ["<z>", "0.3", "1"],
    ]
    tags = [tag for tag, _ in page.elements]
    assert tags.count("tbody") == 2
    assert tags.count("small") == 2


def test_html_holds_its_pictures_and_loads_nothing(tmp_path):
    page = _read_html(tmp_path)
    (image,) = (attributes for tag, attributes in page.elements if tag == "img")
    assert image["alt"] == 'a "p"'
    kind, _, data = image["src"].partition(",")
    assert (kind, base64.b64decode(data)) == ("data:image/png;base64", b"pixels")
    text = markup.to_html(_PAGE, tmp_path)
    assert not re.search(r"https?:|//\w|<script|<link|url\(|@import", text)
    assert "default-src 'none'" in text


def test_html_suits_a_phone_and_says_its_language(tmp_path):
    elements = _read_html(tmp_path).elements
    assert ("html", {"lang": "en"}) in elements
    assert any(attributes.get("name") == "viewport" for _, attributes in elements)
