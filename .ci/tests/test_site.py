"""The docs site: built by the command that `make docs` runs, its links followed, and read in a real browser."""
import ast
import functools
import http.server
import re
import resource
import subprocess
import sys
import threading
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browsers import CHROMIUM, LIMIT, NAMES, SHOTS, launch

ROOT = Path(__file__).resolve().parents[2]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)} is installed")
SHOWN = ("index.html", "tutorials/first_inversion.html", "inverter.html", "method.html", "results.html", "viewers.html")


class Page(HTMLParser):
    """What a page has and where it leads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.pictures, self.text = Counter(), [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if a.get("id"): self.ids[a["id"]] += 1
        if tag == "a" and a.get("href"): self.links.append(a["href"])
        if tag == "link" and not {"canonical", "index", "search", "next", "prev"} & set((a.get("rel") or "").split()): self.loads.append(a.get("href"))
        if tag in ("script", "img", "iframe", "source", "video") and a.get("src"): self.loads.append(a["src"])
        if tag == "img": self.pictures.append((a.get("alt"), (a.get("src") or "")[:60]))

    def handle_data(self, data): self.text.append(data)


@pytest.fixture(scope="session")
def site():
    """The site, built once."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "docs/build.py"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    print(f"{seconds:.0f} s of processor time\n{done.stdout}")
    assert seconds < 180
    return ROOT / "_docs"


@pytest.fixture(scope="session")
def pages(site):
    return {f.relative_to(site).as_posix(): Page(f) for f in sorted(site.rglob("*.html"))}


def test_all_kinds_of_pages_are_there(pages):
    asked = {"index", "method", "results", "reference", "credits", "changelog", "contributing", "citation", "search", "inverter", "cli",
             "models/lite", "models/lite-last", "tutorials/first_inversion", "tutorials/your_backbone",
             *(f"howto/{n}" for n in ("own_backbone", "own_layer", "own_prior", "own_data", "gpu_cluster", "converting", "reading_the_metrics"))}
    assert not asked - {p.removesuffix(".html") for p in pages}
    notebooks = [n for d in (".", "tutorials", "benchmarks") for n in (ROOT / "nbs" / d).glob("*.ipynb")]
    assert len(pages) > len(notebooks)


def test_links_anchors_and_pictures_resolve(site, pages):
    wrong = []
    for name, page in pages.items():
        for to in page.links + page.loads:
            url = urlsplit(to)
            if url.scheme in ("data", "mailto") or (url.scheme in ("http", "https") and to in page.links): continue
            if url.scheme or url.netloc:
                wrong.append(f"{name} loads {to} from elsewhere")
                continue
            path = (site / name).parent / unquote(url.path) if url.path else site / name
            target = path.resolve().relative_to(site.resolve()).as_posix() if path.exists() else None
            if target is None: wrong.append(f"{name}: {to}: no such file")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids: wrong.append(f"{name}: {to}: no such anchor")
    assert not wrong, "\n".join(wrong)


def test_pictures_have_words(pages):
    pictures = [(name, *p) for name, page in pages.items() for p in page.pictures]
    assert len(pictures) > 50
    without = [p for p in pictures if not p[1] or len(p[1]) < 4]
    assert not without, "\n".join(map(str, without))


def test_every_public_name_is_where_nbdev_links_to(site, pages):
    """`nbdev.doc` and hover texts lead to these addresses."""
    sys.path.insert(0, str(ROOT))
    names = ast.literal_eval((ROOT / "featinv_nb/_modidx.py").read_text(encoding="utf-8").split("d = ", 1)[1])["syms"]
    wrong, seen = [], 0
    for module, symbols in names.items():
        source = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        public = next((ast.literal_eval(n.value) for n in source.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"), [])
        for symbol, (address, _) in symbols.items():
            name = symbol.removeprefix(module + ".")
            if name.split(".")[0] not in public or any(p.startswith("_") for p in name.split(".")): continue
            seen += 1
            page, _, anchor = address.partition("#")
            if page not in pages or anchor not in pages[page].ids: wrong.append(f"{symbol}: {address}")
    assert seen > 400 and not wrong, "\n".join(wrong)


def test_results_come_from_saved_outputs(site, pages):
    text = (site / "results.html").read_text(encoding="utf-8")
    assert "No outputs are saved there yet" not in text, "run the notebooks that the page names"
    assert text.count("<table") >= 5 and len(pages["results.html"].pictures) >= 2


def test_backticked_names_are_links(pages):
    to = [link for link in pages["tutorials/compose_features.html"].links if "#api-" in link]
    assert any("composition-function-compose" in link for link in to), to


def test_ids_are_not_given_twice(pages):
    twice = [(n, i) for n, p in pages.items() for i, k in p.ids.items() if k > 1]
    assert not twice, twice[:20]


def test_stills_are_labelled(site):
    text = (site / "viewers.html").read_text(encoding="utf-8")
    stills = text.count('class="featinv-still')
    assert stills >= 3 and text.count("admonition-a-still") + text.count("still admonition") >= stills
    assert "make lab" in re.sub(r"<[^>]+>", "", text) and "widget-view+json" not in text and "unpkg" not in text


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


@pytest.fixture(scope="session")
def address(site):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def tab(address):
    """A tab that writes down what goes wrong in it, and whom it asks."""
    from playwright.sync_api import sync_playwright
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        browser = launch(p)
        page = browser.new_page(viewport={"width": 1300, "height": 1000}, color_scheme="light")
        page.set_default_timeout(LIMIT)
        page.wrong = []
        page.on("console", lambda m: page.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.wrong.append(str(e)))
        page.on("requestfailed", lambda r: page.wrong.append(f"failed: {r.url}"))
        page.on("response", lambda r: page.wrong.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: page.wrong.append(f"asks elsewhere: {r.url}") if not r.url.startswith((address, "data:", "file:")) else None)
        yield page
        browser.close()


def overflow(tab) -> str:
    """What sticks out of the window to the right; empty if nothing does."""
    return tab.evaluate("""() => {
        if (document.documentElement.scrollWidth <= innerWidth && document.body.scrollWidth <= innerWidth) return "";
        const out = [...document.querySelectorAll("article *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
        return `${document.documentElement.scrollWidth} px: ` + out.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(" | ");
    }""")


@needs_browser
def test_every_page_in_a_browser(tab, address, pages):
    """No error, no failed request, none to another place, no sideways scrolling on a phone."""
    wrong = []
    for name in pages:
        tab.wrong.clear()
        tab.set_viewport_size({"width": 1300, "height": 1000})
        tab.goto(address + name)
        wrong += [f"{name}: {w}" for w in tab.wrong]
        if not tab.title(): wrong.append(f"{name}: no title")
        if name in SHOWN: tab.screenshot(path=SHOTS / f"site_{Path(name).stem}_light.png")
        tab.set_viewport_size({"width": 390, "height": 844})
        if out := overflow(tab): wrong.append(f"{name} at 390 px: {out}")
        if name in SHOWN: tab.screenshot(path=SHOTS / f"site_{Path(name).stem}_phone.png")
    tab.set_viewport_size({"width": 1300, "height": 1000})
    assert not wrong, "\n".join(wrong)


def brightness(tab) -> float:
    """Of the page's background, 0 to 255."""
    return sum(map(int, re.findall(r"\d+", tab.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])) / 3


@needs_browser
def test_dark_mode_switches(tab, address):
    tab.goto(address)
    seen = {}
    for _ in range(3):
        seen[tab.evaluate("document.body.dataset.theme")] = brightness(tab)
        tab.locator(".content-icon-container .theme-toggle:visible, .theme-toggle-header:visible").first.click()
        tab.wait_for_timeout(100)
    assert seen["light"] > 230 and seen["dark"] < 40, seen
    for name in SHOWN:
        tab.goto(address + name)
        tab.evaluate("document.body.dataset.theme = 'dark'")
        tab.screenshot(path=SHOTS / f"site_{Path(name).stem}_dark.png")
    tab.evaluate("localStorage.clear()")


@needs_browser
def test_search_finds_a_name_without_a_server(tab, address, site):
    """Over HTTP, and from the files alone: the index is part of the site."""
    for start in (address, site.resolve().as_uri() + "/"):
        tab.wrong.clear()
        tab.goto(start + "index.html")
        box = tab.locator("input.sidebar-search")
        box.fill("Inverter")
        box.press("Enter")
        tab.locator("#search-results li a").first.wait_for()
        found = tab.locator("#search-results li a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
        assert any("inverter.html" in f for f in found), found
        if start == address:  # from files a browser lets no page read another, so there the results come without excerpts
            tab.wait_for_load_state("networkidle")
            assert not tab.wrong, tab.wrong
            tab.screenshot(path=SHOTS / "site_search.png")


@needs_browser
def test_hidden_answers_open(tab, address, pages):
    tutorials = [n for n, p in pages.items() if n.startswith("tutorials/") and "Answer" in "".join(p.text)]
    assert len(tutorials) >= 7
    for name in tutorials:
        tab.goto(address + name)
        answer = tab.locator("details:has(summary:text-matches('^Answers?$'))").first
        inside = answer.locator(":scope > :not(summary)").first
        assert not inside.is_visible(), name
        answer.locator("summary").click()
        assert inside.is_visible() and len(answer.inner_text()) > 100, name
        if "first" in name: tab.screenshot(path=SHOTS / "site_answer.png")
