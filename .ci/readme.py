"""Make README.md from nbs/index.ipynb: `python .ci/readme.py` from the project's root.

Markdown cells are copied, code cells become Python blocks, their text outputs blocks of text. Cells with `#| hide` and
raw cells (front matter) are left out. Links and pictures are relative to nbs/ in the notebook, to the root in README.md.
"""
import json
import posixpath
import re
from pathlib import Path

NOTEBOOK, README = Path("nbs/index.ipynb"), Path("README.md")
NOTE = "<!-- Made from nbs/index.ipynb by .ci/readme.py: edit the notebook. -->"
LINK = re.compile(r"""(?P<head>\]\(|(?:src|href)=["'])(?P<to>[^)\s"']+)""")
OUTSIDE = re.compile(r"[a-z][a-z+.-]*:|#|/")  # addresses with a scheme, anchors, absolute paths
FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def relink(markdown: str) -> str:
    """Links that are relative to nbs/, made relative to the root; text in code blocks stays as it is."""
    def to_root(m):
        to = m["to"]
        return m["head"] + (to if OUTSIDE.match(to) else posixpath.normpath(posixpath.join(NOTEBOOK.parent, to)))
    parts = FENCED.split(markdown)  # every second part is a code block
    return "".join(part if i % 2 else LINK.sub(to_root, part) for i, part in enumerate(parts))


def output_text(output: dict) -> str:
    """One output of a code cell as markdown."""
    if output["output_type"] == "error":
        raise ValueError(f"{NOTEBOOK} holds an error output ({output['ename']}): run it again")
    data = output.get("data", {"text/plain": output.get("text", "")})
    if any(kind.startswith("image/") for kind in data):  # GitHub shows no picture that is written into the page
        raise ValueError(f"{NOTEBOOK} holds an output picture: save it under nbs/images and show that file instead")
    if "text/markdown" in data:
        return relink("".join(data["text/markdown"]))
    return "```text\n" + "".join(data.get("text/plain", "")).rstrip() + "\n```"


def cell_text(cell: dict) -> str:
    """A cell as markdown; empty for cells that are not shown."""
    source = "".join(cell["source"]).strip()
    if cell["cell_type"] == "markdown":
        return relink(source)
    if cell["cell_type"] == "raw" or re.search(r"^#\|\s*hide\s*$", source, re.MULTILINE):
        return ""
    code = "\n".join(line for line in source.splitlines() if not line.startswith("#|")).strip()
    blocks = [f"```python\n{code}\n```"] if code else []
    return "\n\n".join(blocks + [output_text(o) for o in cell["outputs"]])


def readme(notebook: Path = NOTEBOOK) -> str:
    """The text of README.md."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join([NOTE] + [text for text in map(cell_text, cells) if text]) + "\n"


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
