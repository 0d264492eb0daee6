"""The step that makes README.md."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from readme import cell_text, relink  # noqa: E402


def test_links_are_relative_to_the_root():
    assert relink("![a](images/a.jpg) [b](../data/b.csv)") == "![a](nbs/images/a.jpg) [b](data/b.csv)"
    assert relink('<img src="images/a.jpg">') == '<img src="nbs/images/a.jpg">'
    same = "[a](https://arxiv.org/abs/2505.21032) [b](#use) `x`\n```\n[c](images/c.jpg)\n```\n"
    assert relink(same) == same


def test_cells():
    def code(source, *outputs):
        return cell_text({"cell_type": "code", "source": [source], "outputs": list(outputs)})
    assert code("#| hide\nimport nbdev") == ""
    assert code("#| eval: false\n1 + 1") == "```python\n1 + 1\n```"
    said = code("2 * 3", {"output_type": "execute_result", "data": {"text/html": "<b>6</b>", "text/plain": ["6"]}})
    assert said == "```python\n2 * 3\n```\n\n```text\n6\n```"
    assert cell_text({"cell_type": "raw", "source": ["---\ntitle: x\n---"]}) == ""
    with pytest.raises(ValueError, match="nbs/images"):
        code("show()", {"output_type": "display_data", "data": {"image/png": "iVBO", "text/plain": "<Figure>"}})
