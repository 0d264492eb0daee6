"""nbdev's processed notebooks and the pages of docs/pages, turned into sources for Sphinx with MyST-NB."""
import csv
import html
import json
import posixpath
import re
import shutil
from ast import parse
from configparser import ConfigParser
from pathlib import Path

from reference import Reference, imports_of, markdown, used_names

ALT = 160  # characters of a picture's words
EXPORTED = re.compile(r"^#\|\s*(export|exporti|exports|hide|default_exp|eval:\s*false)\b", re.MULTILINE)
# What a text holds besides words: blocks of code, links and pictures, tags, headings, and what is to be linked, code in a line.
PARTS = re.compile(r"(?P<skip>^(?P<fence>`{3,}|~{3,}|:{3,}).*?^(?P=fence)[ \t]*$|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|<[^>]+>|^#{1,6} .*?$|``.+?``)"
                   r"|`(?P<code>[^`\n]+)`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"""(?P<head>\]\(|(?:src|href)=["'])(?P<to>[^)\s"']+)""")
OUTSIDE = re.compile(r"[a-z][a-z+.-]*:|#|/")
NBDEV = re.compile(r"\[(`[^`]+`)\]\((?P<to>[^)]*)\)")
FORMULA = re.compile(r"(?<![`$\w])\$\$[^$]+\$\$(?![`$])")  # MyST wants a formula of its own to stand alone
GUIDES = ("own_backbone", "own_layer", "own_prior", "own_data", "reading_the_metrics", "gpu_cluster", "converting")  # these first, in this order
STILL = ("This is a still, the last picture of a live viewer. To move its sliders yourself, run `make lab` in the project's folder, open "
         "`{notebook}` and run its cells; `pip install .` and any Jupyter do as well.")


class Stage:
    """Where every file of the project stands in the site, and what its links become."""

    def __init__(self, root: Path, proc: Path, out: Path):
        self.root, self.proc, self.out = root, proc, out
        parser = ConfigParser(delimiters=["="], interpolation=None)
        parser.read(root / "settings.ini", encoding="utf-8")
        self.cfg = parser["DEFAULT"]
        self.host = self.cfg["doc_host"] + self.cfg["doc_baseurl"] + "/"
        self.reference = Reference(root)
        self.notebooks = sorted(f.relative_to(root).as_posix() for f in (root / "nbs").rglob("*.ipynb") if not f.name.startswith((".", "_")))
        self.cards = sorted(f.relative_to(root).as_posix() for f in (root / "data").glob("*/*/README.md"))
        self.places = {n: page_of(n) for n in self.notebooks} | {c: f"models/{Path(c).parent.name}.md" for c in self.cards}
        self.places |= {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.ipynb",
                        "data/samples/credits.csv": "credits.md", "data/photos/credits.csv": "credits.md", "data/photos/README.md": "credits.md"}
        self.names, self.problems = {}, []
        for n in self.notebooks: self.names |= {Path(n).name: n, Path(n).stem: n}
        self.module_of = {n: m[1] for n in self.notebooks
                          if (m := re.search(r"#\|\s*default_exp\s+(\w+)", self.text(n).replace("\\n", "\n")))}

    def text(self, name: str) -> str: return (self.root / name).read_text(encoding="utf-8")

    def original(self, name: str) -> dict: return json.loads(self.text(name))

    def write(self, place: str, text: str):
        path = self.out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def link(self, to: str, source: str, place: str) -> str:
        """An address as it stands in a source file, as it must stand in the site."""
        if to.startswith(self.host): to, source = "docs/pages/" + to.removeprefix(self.host), "x"
        if OUTSIDE.match(to): return to
        path, hash_, anchor = to.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if path in self.places: target = self.places[path]
        elif path.startswith("docs/pages/"): target = path.removeprefix("docs/pages/")
        elif path.startswith("nbs/images/"): target = path.removeprefix("nbs/")
        elif (self.root / path).exists():
            return f"{self.cfg['git_url']}/{'tree' if (self.root / path).is_dir() else 'blob'}/{self.cfg['branch']}/{path}"
        else:
            self.problems.append(f"{source} links to {to}: there is no {path}")
            return to
        return posixpath.relpath(target, posixpath.dirname(place) or ".") + hash_ + anchor

    def prepared(self, text: str, source: str, place: str, module=None, imported={}) -> str:
        """Markdown with its links led to the site's pages, and backticked names led to what documents them."""
        text = NBDEV.sub(lambda m: m[1] if m["to"].startswith(self.host) else m[0], text)
        text = FORMULA.sub(r"\n\n\g<0>\n\n", text)

        def linked(m):
            if m["skip"]:
                fenced = m["fence"] and m["fence"][0] in "`~"
                if m["fence"] and not fenced: return m["fence"] + self.inner(m["skip"][len(m["fence"]):-len(m["fence"])], linked) + m["fence"]
                return m[0] if fenced else LINK.sub(lambda k: k["head"] + self.link(k["to"], source, place), m[0])
            code = m["code"]
            if code.removeprefix("nbs/").split("/")[-1] in self.names and re.match(r"(nbs/)?(\w+/)?\d\w+(\.ipynb)?$", code):
                target = self.places[self.names[code.split("/")[-1]]]
                return f"[`{code}`]({posixpath.relpath(target, posixpath.dirname(place) or '.')})" if target != place else m[0]
            entry = self.reference.find(code.removesuffix("()"), module, imported) if re.fullmatch(r"[\w.]+(\(\))?", code) else None
            return f"[`{code}`](#{entry.label})" if entry else m[0]
        return PARTS.sub(linked, text)

    def inner(self, text, linked): return PARTS.sub(linked, text)

    def entry_text(self, entry, source: str, place: str, level: int) -> str:
        return self.prepared(markdown(self.reference, entry, level), "docs/pages/x.md", place, entry.module)


def page_of(notebook: str) -> str:
    """nbs/tutorials/01_first_inversion.ipynb -> tutorials/first_inversion.ipynb: the address that nbdev gives it."""
    path = Path(notebook).relative_to("nbs")
    return path.with_name(re.sub(r"^\d+[a-zA-Z0-9]*_", "", path.name.lower())).as_posix()


def source_of(cell: dict) -> str: return "".join(cell.get("source") or "")


def title_of(nb: dict) -> str:
    found = re.search(r"^#\s+(.+?)\s*$", source_of(nb["cells"][0]), re.MULTILINE)
    if not found: raise ValueError(f"a notebook begins with {source_of(nb['cells'][0])[:60]!r}: it has to begin with its title")
    return found[1]


def collect_examples(stage: Stage):
    """Give every public name the executed cells that use it: a mark in the notebook, and the page's title."""
    order = sorted(stage.notebooks, key=lambda n: ("tutorials" not in n, "benchmarks" in n, n))
    stage.marks = {}
    for name in order:
        nb, module = stage.original(name), stage.module_of.get(name)
        code = [(i, c, source_of(c)) for i, c in enumerate(nb["cells"]) if c["cell_type"] == "code"]
        trees = {i: parse(re.sub(r"^\s*[%!].*$", "", s, flags=re.MULTILINE)) for i, _, s in code}
        imported = {}
        for i, _, s in code: imported |= imports_of(trees[i])
        for i, cell, source in code:
            if EXPORTED.search(source) or "nbdev_export" in source: continue
            names = used_names(trees[i])
            for entry in stage.reference.entries.values():
                short = entry.name.split(".")[-1]
                known = entry.module == module or imported.get(entry.name.split(".")[0]) is not None and \
                    stage.reference.alias.get((imported[entry.name.split(".")[0]], entry.name), (imported[entry.name.split(".")[0]], 0))[0] == entry.module
                if "." in entry.name: known = short in names and (known or entry.kind == "method" and short not in ("to", "get", "wait", "close", "save", "load"))
                if known and short in names or entry.name.endswith(".__call__") and entry.name.split(".")[0] in names and known:
                    label = f"use-{Path(page_of(name)).with_suffix('').as_posix().replace('/', '-')}-{i}"
                    if entry.examples and entry.examples[-1][1] == title_of(nb): continue
                    entry.examples.append((label, title_of(nb)))
                    stage.marks.setdefault(name, {})[i] = label
    for entry in stage.reference.entries.values():  # a name's own page comes last: the reader stands on it
        entry.examples.sort(key=lambda e: 0)


def plain(text: str) -> str:
    """Markdown as words."""
    text = re.sub(r"<[^>]+>|^#+ |[`*_$|\\]|^> ", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text), flags=re.MULTILINE)
    return re.sub(r"\s+", " ", re.sub(r"```.*?```", "", text, flags=re.DOTALL)).strip()


def words_for(title: str, before: str, source: str) -> str:
    """What an output picture shows, from the heading and the text before its cell, and the captions in its code."""
    captions = re.findall(r"""captions=\[([^\]]*)\]""", source)
    said = [c for c in re.findall(r'"([^"{}]+)"', captions[0])] if captions else []
    text = plain(before)
    told = (text[:ALT].rsplit(" ", 1)[0] + " …") if len(text) > ALT else text
    return f"{title}: {told}" + (f" Captions: {', '.join(said)}." if said else "")


def staged_outputs(cell: dict, alt: str, source: str) -> tuple:
    """Outputs without live widgets, every picture with its words; whether a viewer's still is among them."""
    still, kept = False, []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "application/vnd.jupyter.widget-view+json" in data:
            still = True
            continue
        if "text/html" in data:
            page = "".join(data["text/html"])
            page = re.sub(r"<style scoped>.*?</style>", "", page, flags=re.DOTALL)
            page = re.sub(r"""(<img\b[^>]*?)\salt=(?:'[^']{0,14}'|"[^"]{0,14}")""", r"\1", page)
            page = re.sub(r"<img\b(?![^>]*\salt=)", lambda m: f'<img alt="{html.escape(alt, quote=True)}"', page)
            data["text/html"] = page
            still |= "featinv-still" in page
        if "text/markdown" in data:
            data["text/markdown"] = re.sub(r"^#+ (.*)$", r"**\1**", "".join(data["text/markdown"]), flags=re.MULTILINE)
        kept.append(output)
    return kept, still


def mark(label: str) -> dict: return markdown_cell(f"({label})=")


def markdown_cell(text: str) -> dict: return {"cell_type": "markdown", "metadata": {}, "source": text}


def notebook_json(cells: list) -> str:
    meta = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return json.dumps({"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 4})


def code_cell(stage: Stage, cell: dict, title: str, before: str) -> dict:
    """A code cell as it is shown."""
    source = "\n".join(line for line in source_of(cell).splitlines() if not line.startswith(("#|", "%"))).strip()
    alt = words_for(title, before, source)
    outputs, still = staged_outputs(cell, alt, source)
    return {"cell_type": "code", "metadata": {"mystnb": {"image": {"alt": alt}}}, "source": source, "outputs": outputs,
            "execution_count": None, "still": still}


def first_text(stage: Stage, name: str) -> str:
    """Title and subtitle of a notebook: nbdev takes them into its front matter, and its introduction from the cell below."""
    text = source_of(stage.original(name)["cells"][0])
    return re.sub(r"^> (.+)$", r"{.subtitle}\n> \1", text, count=1, flags=re.MULTILINE)


def stage_notebook(stage: Stage, name: str, extra: str = ""):
    """One of nbdev's processed notebooks as a page."""
    place, module = stage.places[name], stage.module_of.get(name)
    original = stage.original(name)
    imported = {}
    for c in original["cells"]:
        if c["cell_type"] == "code":
            imported |= imports_of(parse(re.sub(r"^\s*[%!].*$", "", source_of(c), flags=re.MULTILINE)))
    text = lambda s: stage.prepared(s, name, place, module, imported)  # noqa: E731
    labels = {source_of(original["cells"][i]): label for i, label in stage.marks.get(name, {}).items()}
    cells, shown, level, title, before = [markdown_cell(text(first_text(stage, name)))], set(), 1, title_of(original), ""
    for cell in json.loads((stage.proc / name.removeprefix("nbs/")).read_text(encoding="utf-8"))["cells"]:
        source = source_of(cell)
        if cell["cell_type"] == "raw" or source.startswith("<!-- WARNING"): continue
        if cell["cell_type"] == "markdown":
            for hashes, words in re.findall(r"^(#+) (.+)$", re.sub(r"```.*?```", "", source, flags=re.DOTALL), re.MULTILINE):
                level, title = len(hashes), plain(words)
            before = re.sub(r"^#+ .*$", "", source, flags=re.MULTILINE).strip() or before
            cells.append(markdown_cell(text(source)))
        elif found := re.search(r"^show_doc\(([\w.]+)", source, re.MULTILINE):
            entry = stage.reference.entries.get((module, found[1]))
            if entry is None: continue  # made elsewhere, and documented there
            cells.append(markdown_cell(stage.entry_text(entry, name, place, min(3, max(level, 1) + 1))))
            shown.add(entry.name)
        elif source.strip() or cell.get("outputs"):
            label = next((v for k, v in labels.items() if source.strip() and source.strip() in k), None)
            if label: cells.append(mark(label)), labels.pop(next(k for k, v in labels.items() if v == label))
            staged = code_cell(stage, cell, title, before)
            still = staged.pop("still")
            cells.append(staged)
            if still: cells.append(markdown_cell(text(":::{admonition} A still\n:class: still\n" + STILL.format(notebook=name) + "\n:::")))
    for label in labels.values(): cells.insert(1, mark(label))  # cells that are not shown: the page itself
    rest = [e for e in stage.reference.entries.values() if e.module == module and "." not in e.name and e.name not in shown]
    if rest:
        cells.append(markdown_cell("## Other names\n\n"))
        cells += [markdown_cell(stage.entry_text(e, name, place, 3)) for e in rest]
    if extra: cells.append(markdown_cell(extra))
    stage.write(place, notebook_json(cells))


def stage_page(stage: Stage, path: Path):
    """A hand-written page; `{outputs} notebook.ipynb # Heading` on a line brings the saved outputs below that heading."""
    source, place = path.relative_to(stage.root).as_posix(), path.relative_to(stage.root / "docs/pages").as_posix()
    parts = re.split(r"^\{outputs\} (\S+) # (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = lambda s: stage.prepared(s, source, place)  # noqa: E731
    if len(parts) == 1: return stage.write(place, text(filled(stage, parts[0])))
    cells = [markdown_cell(text(parts[0]))]
    for notebook, title, after in zip(parts[1::3], parts[2::3], parts[3::3]):
        cells += [{k: v for k, v in c.items() if k != "still"} for c in outputs_of(stage, notebook, title.strip())]
        cells.append(markdown_cell(text(after)))
    stage.write(str(Path(place).with_suffix(".ipynb")), notebook_json(cells))


def outputs_of(stage: Stage, notebook: str, title: str) -> list:
    """The cells with outputs below a heading of a notebook, up to the next heading."""
    cells, inside, before = [], False, ""
    for cell in stage.original(notebook)["cells"]:
        source = source_of(cell)
        if cell["cell_type"] == "markdown" and (heads := re.findall(r"^#+ (.+)$", source, re.MULTILINE)): inside = heads[-1].strip() == title
        if cell["cell_type"] == "markdown": before = source
        elif inside and cell.get("outputs"):
            staged = code_cell(stage, cell, title, before)
            staged["metadata"]["tags"] = ["remove-input"]
            cells.append(staged)
    if not cells: cells = table_below(stage, notebook, title)
    if cells: return cells
    print(f"note: {notebook} has no saved outputs below '{title}'")
    return [markdown_cell(f"*No outputs are saved there yet: run* `{notebook}` *from top to bottom.*")]


def table_below(stage: Stage, notebook: str, title: str) -> list:
    """The text below a heading of a notebook, where it holds a table: figures that were measured outside of it."""
    for cell in stage.original(notebook)["cells"]:
        head, _, text = source_of(cell).partition("\n")
        if cell["cell_type"] == "markdown" and head.lstrip("# ") == title and "|---" in text: return [markdown_cell(text)]
    return []


def filled(stage: Stage, text: str) -> str:
    """A page with its tables that are made from files."""
    if "{credits}" in text: text = text.replace("{credits}", credits(stage))
    if "{house}" in text: text = text.replace("{house}", (stage.root / "docs/static/house.svg").read_text(encoding="utf-8"))
    text = text.replace("{{version}}", "{" + stage.cfg["version"] + "}")
    if "{names}" in text: text = text.replace("{names}", all_names(stage))
    return text


def cell_text(text: str) -> str: return text.replace("|", "\\|").replace("<", "&lt;")


def credits(stage: Stage) -> str:
    """Every bundled photograph with its author and licence."""
    out = []
    for name, title in (("samples", "The sample photos"), ("photos", "The photos that the bundled models are trained on")):
        with open(stage.root / f"data/{name}/credits.csv", newline="", encoding="utf-8") as f: rows = list(csv.DictReader(f))
        out.append(f"## {title}\n\n{len(rows)} files of `data/{name}`.\n\n"
                   + "| file | title | author | licence | from |\n|---|---|---|---|---|")
        for r in rows:
            origin = r.get("source") or f"{r['package']} {r['version']}"
            if r.get("url"): origin = f"[{cell_text(origin)}]({r['url']})"
            out[-1] += f"\n| {cell_text(r['file'])} | {cell_text(r['title'])} | {cell_text(r['author'])} | {r['licence']} | {origin} |"
    return "\n\n".join(out)


def all_names(stage: Stage) -> str:
    """Every module with its public names."""
    out = []
    for name, module in stage.module_of.items():
        entries = [e for e in stage.reference.entries.values() if e.module == module and "." not in e.name]
        if not entries: continue
        nb = stage.original(name)
        subtitle = re.search(r"^> (.+)$", source_of(nb["cells"][0]), re.MULTILINE)
        lines = [f"- [`{e.name}`](#{e.label})" + (f": {first_sentence(e.summary)}" if e.summary else "") for e in entries]
        out.append(f"## [{module}](../../{name})\n\n{subtitle[1] if subtitle else ''}\n\n" + "\n".join(lines))
    return "\n\n".join(out)


def first_sentence(text: str) -> str: return re.split(r"(?<=[.!?])\s", text.replace("\n", " "), maxsplit=1)[0]


def toctree(caption: str, pages: list) -> str:
    """A part of the site's contents; a page is a place, or a title and a place."""
    lines = "\n".join(p.rsplit(".", 1)[0] if isinstance(p, str) else f"{p[0]} <{p[1].rsplit('.', 1)[0]}>" for p in pages)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```"


def stage_all(root: Path, proc: Path, out: Path) -> Stage:
    """Write all sources of the site; returns what was found."""
    shutil.rmtree(out, ignore_errors=True)
    stage = Stage(root, proc, out)
    collect_examples(stage)
    shutil.copytree(root / "nbs/images", out / "images")
    pages = sorted((root / "docs/pages").rglob("*.md"))
    for path in pages: stage_page(stage, path)
    for card in stage.cards: stage.write(stage.places[card], stage.prepared(stage.text(card), card, stage.places[card]))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        stage.write(stage.places[name], stage.prepared(stage.text(name), name, stage.places[name]))
    under = lambda folder: [stage.places[n] for n in stage.notebooks if n.startswith(f"nbs/{folder}/")]  # noqa: E731
    modules = [stage.places[n] for n in stage.notebooks if n.count("/") == 1 and n in stage.module_of]
    guides = [f"howto/{p.name}" for p in sorted((p for p in pages if p.parent.name == "howto"),
                                                key=lambda p: (GUIDES.index(p.stem) if p.stem in GUIDES else len(GUIDES), p.stem))]
    tutorials = [(f"{int(Path(n).name[:2])} · {title_of(stage.original(n))}", stage.places[n]) for n in stage.notebooks if n.startswith("nbs/tutorials/")]
    cards = [(f"Card: {Path(stage.places[c]).stem}", stage.places[c]) for c in stage.cards]
    trees = {"Tutorials": tutorials, "How-to guides": guides, "Understand": ["method.md", "results.ipynb", *cards, *under("benchmarks")],
             "API by module": ["reference.md", *modules], "The project": ["contributing.md", "changelog.md", "credits.md", "citation.md"]}
    toc = "\n\n".join(toctree(k, v) for k, v in trees.items())
    for name in stage.notebooks:
        stage_notebook(stage, name, toc if name == "nbs/index.ipynb" else "")
    return stage
