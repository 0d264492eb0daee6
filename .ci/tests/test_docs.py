"""The tutorials' shape, and what the site needs of every public name."""
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted((ROOT / "nbs/tutorials").glob("[0-9]*.ipynb"))


def cells(path, kind=None):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [c | {"source": "".join(c["source"])} for c in found if kind in (None, c["cell_type"])]


def text_of(path): return "\n\n".join(c["source"] for c in cells(path, "markdown"))


@pytest.mark.parametrize("path", [p for p in TUTORIALS if int(p.name[:2]) <= 7], ids=lambda p: p.stem)
def test_tutorials_have_one_shape(path):
    text, first = text_of(path), cells(path)[0]["source"]
    assert re.match(r"# \S.*\n\n> \S", first), "a title, and one line of what it is for"
    intro = "\n\n".join(c["source"] for c in cells(path)[:2] if c["cell_type"] == "markdown")
    assert "**You will learn**" in intro and re.search(r"\*\*Running time\*\*: .*minutes?.* on 2 cores", intro, re.DOTALL)
    for heading in ("Exercise", "What this does not show", "Where to go next"):
        assert len(re.findall(rf"^## {heading}$", text, re.MULTILINE)) == 1, f"needs one '## {heading}'"
    assert len(re.findall(r"<details>\s*<summary>Answer</summary>\n\n\S.*?\n\n</details>", text, re.DOTALL)) == 1, "one hidden answer"
    assert text.index("## Exercise") < text.index("<details>") < text.index("## What this does not show") < text.index("## Where to go next")
    assert re.search(r"\]\([\w./]+\.ipynb\)", text[text.index("## Where to go next"):]), "a link to go on with"
    tagged = [c for c in cells(path, "code") if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1 and cells(path, "code").index(tagged[0]) <= 2, "one cell tagged parameters, near the top"


def test_first_cells_hold_title_and_subtitle_only():
    found = {p.name: cells(p)[0]["source"] for folder in ("nbs", "nbs/tutorials", "nbs/benchmarks") for p in sorted((ROOT / folder).glob("*.ipynb"))}
    longer = [name for name, first in found.items() if not re.fullmatch(r"# [^\n]+\n\n> [^\n]+", first)]
    assert len(found) > 50 and not longer, f"nbdev drops what else stands in the first cell: move it to the next one in {longer}"


def test_tutorials_are_in_order():
    numbers = [int(p.name[:2]) for p in TUTORIALS]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 7


def test_links_between_notebooks_lead_somewhere():
    wrong = []
    for path in [*ROOT.glob("nbs/*.ipynb"), *ROOT.glob("nbs/*/*.ipynb"), *ROOT.glob("docs/pages/**/*.md"), ROOT / "CONTRIBUTING.md"]:
        text = text_of(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
        for to in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", to) and not (path.parent / to).exists(): wrong.append(f"{path.relative_to(ROOT)}: {to}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def stage():
    """What the site knows of the public names."""
    sys.path.insert(0, str(ROOT / "docs"))
    from stage import Stage, collect_examples
    stage = Stage(ROOT, ROOT / "_proc", ROOT / "build/docs")
    collect_examples(stage)
    return stage


def test_every_parameter_is_documented(stage):
    reference = stage.reference
    assert len(reference.entries) > 500
    without = [f"{e.module}.{e.name}: {', '.join(k for k, v in told.items() if not v)}" for e in reference.entries.values()
               if not all((told := e.parameters(reference.words)).values())]
    assert not without, f"no comment beside the parameter, nor a word in docs/words.yml, in {len(without)}:\n" + "\n".join(without)


def test_words_are_used(stage):
    """A word for a parameter that is gone is taken out."""
    used = set()
    for e in stage.reference.entries.values():
        for k in e.signature if e.kind not in ("constant", "property") else ():
            used |= {k, f"{e.module}.{k}", f"{e.module}.{e.name.split('.')[0]}.{k}", f"{e.module}.{e.name}.{k}"}
    gone = sorted(stage.reference.words.keys() - used)
    assert not gone, f"docs/words.yml has words for parameters that are gone: {', '.join(gone)}"


def test_every_name_has_an_example(stage):
    reference = stage.reference
    without = [f"{e.module}.{e.name}" for e in reference.entries.values() if e.kind in ("class", "function", "method") and not reference.shown(e)]
    assert not without, f"no executed cell uses, or reaches, {len(without)}:\n" + "\n".join(without)


def test_a_name_without_an_example_would_be_found(stage):
    from reference import Entry
    lonely = Entry("images", "lonely", lambda unexplained: None)
    assert not stage.reference.shown(lonely) and lonely.parameters(stage.reference.words) == {"unexplained": ""}


def test_pages_use_names_that_exist(stage):
    """Code in the hand-written pages imports what there is, and calls it with parameters that it has."""
    import ast
    import importlib
    import inspect
    wrong = []
    for path in [*ROOT.glob("docs/pages/**/*.md"), ROOT / "CONTRIBUTING.md"]:
        names = {}
        for code in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("featinv_nb"):
                    module = importlib.import_module(node.module)
                    for alias in node.names:
                        names[alias.name] = getattr(module, alias.name, None)
                        if names[alias.name] is None: wrong.append(f"{path.name}: {node.module} has no {alias.name}")
                if isinstance(node, ast.Call) and names.get(ast.unparse(node.func)) is not None:
                    known = inspect.signature(names[ast.unparse(node.func)]).parameters
                    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
                    wrong += [f"{path.name}: {ast.unparse(node.func)} has no {k.arg}" for k in node.keywords
                              if k.arg and k.arg not in known and not open_ended]
    assert not wrong, "\n".join(wrong)


def test_commands_in_pages_exist():
    """Every `featinv` command in a page is understood as far as its options."""
    from featinv_nb.cli import main
    wrong = set()
    for path in [*ROOT.glob("docs/pages/**/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]:
        for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for command, rest in re.findall(r"^(?:.*/)?featinv (\w+)(.*)$", block.replace("\\\n", " "), re.MULTILINE):
                for option in re.findall(r"(--[\w-]+)", rest.split("#")[0]):
                    if option not in help_of(main, command): wrong.add(f"{path.name}: featinv {command} has no {option}")
    assert not wrong, "\n".join(sorted(wrong))


def help_of(main, command, known={}):
    import contextlib
    import io
    if command not in known:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit): main([command, "--help"])
        known[command] = said.getvalue()
    return known[command]
