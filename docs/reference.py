"""The API reference: every public name of every module as markdown, with its parameters and where it is used."""
import ast
import importlib
import inspect
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from fastcore.docments import docments
from traitlets import HasTraits

SHORT = 60  # characters of a default value or a constant that are shown


@dataclass
class Entry:
    """A public name: a function, a class, a method, a property or a constant."""
    module: str  # "inverter"
    name: str  # "Inverter" or "Inverter.from_pretrained"
    obj: object = field(repr=False)
    kind: str = "function"
    examples: list = field(default_factory=list)  # (label, title) of the cells that use it
    used_by: list = field(default_factory=list)  # names of the public names whose code uses it

    @property
    def label(self) -> str:  # of the place it is documented at; kinds apart, since labels know no upper case
        return f"api-{self.module}-{self.kind}-{self.name}".replace(".", "-").lower()

    @property
    def anchor(self) -> str:  # where nbdev's own links lead
        return self.name.lower()

    @cached_property
    def signature(self):
        """Parameters by name, without self; none where the class takes those of a foreign class."""
        if isinstance(self.obj, type) and not made_here(self.obj): return {}
        try: found = inspect.signature(self.obj)
        except ValueError: return {}  # a class built in C says nothing
        return {k: p for k, p in found.parameters.items() if k not in ("self", "cls")}

    @cached_property
    def summary(self) -> str:
        """The first paragraph of the docstring that is its own."""
        if self.kind == "constant": return ""
        doc = getattr(self.obj, "fget", getattr(self.obj, "func", self.obj)).__doc__ if self.kind == "property" else self.obj.__doc__
        if self.kind == "class" and str(doc).startswith(f"{self.name}("): return ""  # made by dataclass
        return inspect.cleandoc(doc or "")

    def parameters(self, words: dict) -> dict:
        """What each parameter is: the comment beside it, or the project's word for it; empty where neither is there."""
        if self.kind in ("constant", "property") or isinstance(self.obj, type) and issubclass(self.obj, BaseException): return {}
        beside = docments(self.obj, full=True)
        if isinstance(self.obj, type) and "__new__" in vars(self.obj): beside = docments(self.obj.__new__, full=True)
        traits = self.obj.class_traits() if isinstance(self.obj, type) and issubclass(self.obj, HasTraits) else {}
        return {k: (beside.get(k, {}).get("docment") or word(words, self.module, self.name, k)
                    or getattr(traits.get(k), "help", "") or "").replace("\n", " ") for k in self.signature}


def word(words: dict, module: str, name: str, parameter: str) -> str:
    """The word for a parameter: of a name, of a module, or of the whole project."""
    keys = (f"{module}.{name}.{parameter}", f"{module}.{name.split('.')[0]}.{parameter}", f"{module}.{parameter}", parameter)
    return next((words[k] for k in keys if k in words), "")


def modules(root: Path) -> list:
    return sorted(f.stem for f in (root / "featinv_nb").glob("[!_]*.py"))


def kind_of(obj) -> str:
    if isinstance(obj, type): return "class"
    return "function" if inspect.isroutine(obj) else "constant"


def made_here(cls: type) -> bool:
    """Whether a class says itself what it takes."""
    maker = next((c for c in cls.__mro__ if "__init__" in vars(c) or "__new__" in vars(c)), object)
    return maker.__module__.startswith("featinv_nb.")


def members(module: str, name: str, cls: type):
    """Public methods and properties that a class defines itself."""
    for k, v in vars(cls).items():
        inner = getattr(v, "__func__", v)
        if k.startswith("_") and k != "__call__": continue
        if isinstance(v, (property, cached_property)): yield Entry(module, f"{name}.{k}", v, "property")
        elif inspect.isfunction(inner) and "<" not in inner.__qualname__.split(".")[-2]:
            yield Entry(module, f"{name}.{k}", getattr(cls, k), "method")


class Reference:
    """All public names, and what a backticked name in a text means."""

    def __init__(self, root: Path):
        self.words = yaml.safe_load((root / "docs/words.yml").read_text(encoding="utf-8"))
        self.entries, self.alias, self.sources = {}, {}, {}
        for module in modules(root):
            loaded = importlib.import_module(f"featinv_nb.{module}")
            self.sources[module] = Path(loaded.__file__).read_text(encoding="utf-8")
            for name in loaded.__all__:
                obj = getattr(loaded, name)
                home = getattr(obj, "__module__", "") or ""
                if kind_of(obj) != "constant" and home.startswith("featinv_nb.") and home != f"featinv_nb.{module}":
                    self.alias[module, name] = (home.split(".")[1], name)  # exported here, made elsewhere
                    continue
                self.add(Entry(module, name, obj, kind_of(obj)))
                if isinstance(obj, type):
                    for entry in members(module, name, obj): self.add(entry)
        self.alias = {k: v for k, v in self.alias.items() if v in self.entries}
        self.by_short = {}
        for (module, name), entry in self.entries.items(): self.by_short.setdefault(name, []).append(entry)
        self.calls()

    def add(self, entry): self.entries[entry.module, entry.name] = entry

    def find(self, text: str, module: str | None = None, imported: dict = {}) -> Entry | None:
        """The public name that a backticked text means on a page; plain words only where the page knows them."""
        name = text.removeprefix("featinv_nb.")
        first, _, rest = name.partition(".")
        if (first, rest) in self.entries: return self.entries[first, rest]
        for m in filter(None, (module, imported.get(first))):
            entry = self.entries.get(self.alias.get((m, name), (m, name)))
            if entry: return entry
        found = self.by_short.get(name, [])
        plain = re.fullmatch(r"[a-z]+\d*", name) and module is not None
        return found[0] if len(found) == 1 and not plain else None

    def calls(self):
        """Which public name's code uses which."""
        for module, source in self.sources.items():
            imports = imports_of(ast.parse(source), relative=True)
            for node in ast.parse(source).body:
                name = getattr(node, "name", None)
                if any("register" in used_names(d) for d in getattr(node, "decorator_list", ())) and (module, name) in self.entries:
                    self.entries[module, name].used_by.append((module, "import"))  # called at the end, whatever was shown
                if name is None:
                    targets = getattr(node, "targets", [])
                    name = next((t.id for t in targets if isinstance(t, ast.Name)), None)
                for used in used_names(node):
                    entry = self.entries.get(self.alias.get((module, used), (module, used)))
                    if entry is None and used in imports:
                        home = imports[used]
                        entry = self.entries.get(self.alias.get((home, used), (home, used)))
                    if entry and entry.name != name: entry.used_by.append((module, name or "import"))
        for (module, name), entry in self.entries.items():  # a method is used by what uses its class
            entry.used_by = list(dict.fromkeys(entry.used_by))

    def shown(self, entry: Entry, seen: frozenset = frozenset()) -> bool:
        """Whether an executed cell uses a name, or a name that uses it, or, for a method, its class's maker does."""
        key = (entry.module, entry.name)
        if entry.examples or (entry.module, "import") in entry.used_by: return True  # what a module runs when it is imported is run by all
        if key in seen: return False
        seen |= {key}
        users = [self.entries[k] for k in entry.used_by if k in self.entries]
        if "." in entry.name: users.append(self.entries[entry.module, entry.name.split(".")[0]])
        private = [k for k in entry.used_by if k not in self.entries]
        return any(self.shown(u, seen) for u in users) or any(self.reached(k, seen) for k in private)

    def reached(self, key: tuple, seen: frozenset) -> bool:
        """Whether a private name is used by something that is shown."""
        if key in seen: return False
        module, name = key
        users = [n.name for n in ast.parse(self.sources[module]).body if hasattr(n, "name") and n.name != name and name in used_names(n)]
        return any(self.shown(self.entries[module, u], seen | {key}) if (module, u) in self.entries
                   else self.reached((module, u), seen | {key}) for u in users)


def used_names(node) -> set:
    """Names and attributes in a piece of code."""
    return {n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}


def imports_of(tree, relative=False) -> dict:
    """name -> module, of what code takes from this package."""
    out = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (relative and node.level == 1 or (node.module or "").startswith("featinv_nb.")):
            for alias in node.names: out[alias.asname or alias.name] = node.module.split(".")[-1]
    return out


def shorter(text: str) -> str:
    return text if len(text) <= SHORT else text[:SHORT - 1] + "…"


def default_text(value) -> str:
    if inspect.isroutine(value) or isinstance(value, type): return value.__name__
    return shorter(re.sub(r" at 0x[0-9a-f]+", "", repr(value)))


def constant_text(value) -> str:
    """What a constant holds: the names in a collection, or the value."""
    if isinstance(value, (dict, list, tuple, set, frozenset)) and value:
        keys = sorted(value, key=str) if isinstance(value, (set, frozenset)) else list(value)
        if all(isinstance(k, str) for k in keys):
            return f"A `{type(value).__name__}` of " + ", ".join(f"``{k}``" for k in keys[:40]) + (", …" if len(keys) > 40 else "")
    return f"A `{type(value).__name__}`: ``{default_text(value)}``" if "\n" not in default_text(value) else f"A `{type(value).__name__}`"


def annotation_text(annotation) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b[a-z_]\w*(?:\.\w+)*\.(?=[A-Za-z_])", "", text)


def call_text(entry: Entry) -> str:
    """The call with its defaults; a parameter a line where it is long."""
    parts, star = [], False
    for name, p in entry.signature.items():
        if p.kind is p.KEYWORD_ONLY and not star: parts.append("*")
        star |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        sign = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        parts.append(sign + name + ("" if p.default is p.empty else f"={default_text(p.default)}"))
    name = entry.name.removesuffix(".__call__")
    owner, _, last = name.rpartition(".")
    if entry.name.endswith(".__call__"): name = name[0].lower() + name[1:]
    elif owner and not inspect.ismethod(entry.obj): name = f"{owner[0].lower() + owner[1:]}.{last}"
    text = f"{name}({', '.join(parts)})"
    return text if len(text) <= 80 else f"{name}(\n    " + ",\n    ".join(parts) + ",\n)"


def heading(level: int, entry: Entry) -> str:
    # nbdev leads to the name in lower case: for names without a dot that is the heading's own anchor
    place = "" if "." not in entry.name else f'<span class="nbdev-anchor" id="{entry.anchor}"></span>\n'
    return f"({entry.label})=\n{'#' * level} `{entry.name}`\n\n" + place


def raises(entry: Entry) -> str:
    return "" if not isinstance(entry.obj, type) or not issubclass(entry.obj, BaseException) else \
        f"*An error: a `{entry.obj.__mro__[1].__name__}`.*"


def markdown(reference: Reference, entry: Entry, level: int = 3) -> str:
    """An entry, and for a class those of its methods."""
    blocks = [heading(level, entry)]
    if entry.kind == "constant":
        comment = comment_beside(reference.sources[entry.module], entry.name)
        return "\n\n".join(filter(None, (blocks[0], constant_text(entry.obj), comment, uses(reference, entry)))) + "\n"
    if entry.kind == "property": blocks.append("*A property.*")
    else: blocks.append(f"```python\n{'class ' if entry.kind == 'class' else ''}{call_text(entry)}\n```" if not raises(entry) else raises(entry))
    if entry.summary: blocks.append(entry.summary)
    told = entry.parameters(reference.words)
    if told: blocks.append("\n".join(parameter(k, entry.signature[k], v) for k, v in told.items()))
    back = docments(entry.obj, full=True).get("return", {}) if entry.kind in ("function", "method") else {}
    if back.get("docment") or back.get("anno") not in (None, inspect.Parameter.empty):
        kind = "" if back.get("anno") in (None, inspect.Parameter.empty) else f"`{annotation_text(back['anno'])}`"
        blocks.append("**Returns** " + ", ".join(filter(None, (kind, (back.get("docment") or "").replace("\n", " ")))))
    blocks.append(uses(reference, entry))
    if entry.kind == "class":
        for other in reference.entries.values():
            if other.module == entry.module and other.name.startswith(entry.name + "."):
                blocks.append(markdown(reference, other, level + 1))
    return "\n\n".join(filter(None, blocks)) + "\n"


def parameter(name: str, p, told: str) -> str:
    """A line of the list of parameters."""
    kind = "" if p.annotation is p.empty else f" `{annotation_text(p.annotation)}`"
    given = "" if p.default is p.empty else f", default `{default_text(p.default)}`"
    return f"- **`{name}`**{kind}{given}" + (f": {told}" if told else "")


def uses(reference: Reference, entry: Entry) -> str:
    """Where the name is used: cells of notebooks, or the names that use it."""
    if entry.examples:
        links = list({title: f"[{title}](#{label})" for label, title in entry.examples[::-1]}.values())[::-1]
        return "{.uses}\nUsed in " + ", ".join(links[:5]) + "."
    users = [n for m, n in entry.used_by if m == entry.module and (m, n) in reference.entries]
    return "{.uses}\nUsed by " + ", ".join(f"`{n}`" for n in users[:5]) + "." if users else ""


def comment_beside(source: str, name: str) -> str:
    """The comment on the line where a constant is made."""
    found = re.search(rf"^{re.escape(name)}\b[^\n]*?  # (.+)$", source, re.MULTILINE)
    return found[1] if found else ""
