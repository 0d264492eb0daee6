"""The viewers in a real browser: JupyterLab runs a notebook, a slider is dragged, a mask is painted, the still remains.

And tutorial 01, from its first cell to its last. Screenshots are kept in $FEATINV_ARTEFACTS, or in out/screenshots of the tree under test.
"""
import json
import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from browsers import CHROMIUM, LIMIT, NAMES, SHOTS, jupyter_lab, launch, run_all

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "nbs/tutorials/02_compose_features.ipynb"
FIRST = ROOT / "nbs/tutorials/01_first_inversion.ipynb"
VIEWER = 'viewer = CompositionViewer(photos=["chelsea", "espresso"], steps=3)\nviewer'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)} is installed")


def notebook() -> nbformat.NotebookNode:
    """The tutorial if it shows the viewer, else a notebook that does."""
    if TUTORIAL.exists() and "CompositionViewer(" in TUTORIAL.read_text(encoding="utf-8"):
        return nbformat.read(TUTORIAL, as_version=4)
    code = ["from featinv_nb.viewers import CompositionViewer", VIEWER]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in code], metadata=kernel)


def cleared(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook as one that nobody has run."""
    for cell in nb.cells:
        if cell.cell_type == "code": cell.outputs, cell.execution_count = [], None
    return nb


def first() -> nbformat.NotebookNode:
    """Tutorial 01 with fewer pictures: another value in the cell that is tagged for it."""
    nb = nbformat.read(FIRST, as_version=4)
    cell = next(c for c in nb.cells if "parameters" in c.metadata.get("tags", []))
    cell.source, changed = re.subn(r"^draws = \d+", "draws = 2", cell.source, flags=re.MULTILINE)
    assert changed == 1
    return nb


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own: (folder, address of a page in it)."""
    folder = tmp_path_factory.mktemp("lab")
    for name, nb in (("mix", notebook()), ("first", first())): nbformat.write(cleared(nb), folder / f"{name}.ipynb")
    with jupyter_lab(folder, tmp_path_factory.mktemp("home")) as address: yield folder, address("mix.ipynb")


@pytest.fixture(scope="module")
def page(lab):
    """The notebook in a browser, run to its end."""
    from playwright.sync_api import sync_playwright
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        browser = launch(p)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(LIMIT)
        page.on("console", lambda message: print(message.text) if message.type == "error" else None)  # shown if a test fails
        page.on("pageerror", lambda error: print(error))
        page.goto(lab[1])
        try:
            run_all(page, code_cells(notebook()))
            live(page, "canvas.featinv-paint").last.wait_for()
            done(page)
        finally: page.screenshot(path=SHOTS / "0_opened.png")
        yield page
        browser.close()


def code_cells(nb) -> int: return sum(cell.cell_type == "code" for cell in nb.cells)


def live(page, inner):
    """Something in the live viewer, not in its still."""
    return page.locator(".jupyter-widgets").locator(inner)


def done(page, has=""):
    """Wait until the picture is whole and its words hold a text; returns the words."""
    page.wait_for_function("""(has) => {
        const at = (s) => [...document.querySelectorAll(".jupyter-widgets " + s)].at(-1)?.textContent ?? "";
        if (at("[role=alert]")) throw new Error(at("[role=alert]"));
        return at("[role=status]").startsWith("done") && at("figcaption").includes("cosine") && at("figcaption").includes(has);
    }""", arg=has)
    return live(page, "figcaption").last.inner_text()


def source(page): return live(page, "figure img").last.get_attribute("src")


def slider(page, name):
    return page.locator(".widget-slider").filter(has=page.get_by_text(name, exact=True)).last


def test_picture_and_words(page):
    words = done(page, "0.50 chelsea + 0.50 espresso")
    assert live(page, "figure img").last.get_attribute("alt") == words
    page.screenshot(path=SHOTS / "1_first.png")


def test_dragging_the_slider(page):
    before = source(page)
    page.evaluate("""() => {
        window.said = [];
        new MutationObserver(() => {
            const words = [...document.querySelectorAll(".jupyter-widgets figcaption")].at(-1)?.textContent;
            if (words && words !== window.said.at(-1)) window.said.push(words);
        }).observe(document.body, {subtree: true, childList: true, characterData: true});
    }""")
    slider(page, "Weight 1").scroll_into_view_if_needed()  # the viewer is far down in the tutorial
    track, handle = (slider(page, "Weight 1").locator(s).bounding_box() for s in (".noUi-base", ".noUi-handle"))
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, 13):
        page.mouse.move(x - i / 12 * 0.75 * track["width"], y)
        page.wait_for_timeout(50)
    page.mouse.up()
    weight = float(slider(page, "Weight 1").locator(".widget-readout").inner_text())
    assert 0.1 < weight < 0.4
    words = done(page, f"{weight / (1 + weight):.2f} chelsea + {1 / (1 + weight):.2f} espresso")
    assert source(page) != before and live(page, "figure img").last.get_attribute("alt") == words
    said = page.evaluate("window.said")
    assert any("preview" in s or "step" in s for s in said), said
    page.screenshot(path=SHOTS / "2_dragged.png")


def test_painting_a_mask(page):
    before, canvas = source(page), live(page, "canvas.featinv-paint").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = lambda fx, fy: (box["x"] + fx * box["width"], box["y"] + fy * box["height"])  # noqa: E731
    page.mouse.move(*at(0.1, 0.3))
    page.mouse.down()
    for fy in (0.3, 0.5, 0.7):
        page.mouse.move(*at(0.9, fy), steps=8)
        page.mouse.move(*at(0.1, fy + 0.1), steps=8)
    page.mouse.up()
    painted = live(page, ".featinv-paint-says").last.inner_text()
    part = int(re.match(r"(\d+) % painted \(brush\)", painted)[1])
    assert 25 < part < 90
    words = done(page, f"in {part} % of chelsea")
    assert source(page) != before and words == live(page, "figure img").last.get_attribute("alt")
    page.screenshot(path=SHOTS / "3_painted.png")


def test_keyboard(page):
    canvas = live(page, "canvas.featinv-paint").last
    canvas.focus()
    page.keyboard.press("Delete")
    assert "in " not in done(page, "espresso: cosine").split(":")[0]
    for key in ("ArrowLeft", "ArrowUp", " "): page.keyboard.press(key)
    part = re.match(r"(\d+) %", live(page, ".featinv-paint-says").last.inner_text())[1]
    done(page, f"in {part} % of chelsea")
    handle = slider(page, "Weight 2").locator(".noUi-handle")
    handle.focus()
    for _ in range(20): page.keyboard.press("ArrowLeft")
    first, second = (float(slider(page, f"Weight {i}").locator(".widget-readout").inner_text()) for i in (1, 2))
    assert second < 0.9
    done(page, f"+ {second / (first + second):.2f} espresso, in {part} %")
    for name in ("Weight 1", "Photo 1", "Steps", "Seed", "Layer", "Brush"):  # every control says its name
        assert page.locator(".widget-label").get_by_text(name, exact=True).count(), name


def test_narrow_and_wide(page):
    page.keyboard.press("Control+b")  # the side bar would leave nothing of a narrow window
    for width in (480, 1900):
        page.set_viewport_size({"width": width, "height": 1400})
        page.wait_for_timeout(500)
        picture, panel = live(page, "figure img").last.bounding_box(), page.locator(".jp-Notebook").bounding_box()
        assert picture["x"] + picture["width"] <= panel["x"] + panel["width"] + 1, "the picture is wider than the notebook"
        page.screenshot(path=SHOTS / f"4_{width}px.png")
    page.set_viewport_size({"width": 1400, "height": 1200})
    page.keyboard.press("Control+b")


def test_saving(page, lab):
    live(page, "input[placeholder='name of a file']").last.fill("mine")
    page.keyboard.press("Tab")
    live(page, "button:has-text('Save')").last.click()
    live(page, "text=saved mine.png and mine.json").last.wait_for()
    facts = json.loads((lab[0] / "mine.json").read_text())
    assert facts["label"] == live(page, "figcaption").last.inner_text() and (lab[0] / "mine.png").stat().st_size > 10_000


def test_the_still_remains_without_a_kernel(page, lab):
    """The saved notebook holds the last picture, and shows it when it is opened and nothing has run."""
    from playwright.sync_api import expect
    words = live(page, "figcaption").last.inner_text()
    still = page.locator("[class^=featinv-still]").last
    assert not still.is_visible()  # the live viewer is there
    page.locator(".jp-NotebookPanel").press("Control+s")
    end = time.time() + 60
    while words not in (lab[0] / "mix.ipynb").read_text(encoding="utf-8"):
        assert time.time() < end, "the saved notebook lacks the last picture"
        time.sleep(0.5)
    shutil.copy(lab[0] / "mix.ipynb", lab[0] / "again.ipynb")
    page.goto(lab[1].replace("mix.ipynb", "again.ipynb"))
    still.wait_for()
    still.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)  # JupyterLab lays out what comes into view
    page.screenshot(path=SHOTS / "5_no_kernel.png")
    expect(still.locator("figcaption")).to_have_text(words)
    expect(still.locator("img")).to_be_in_viewport()
    assert still.locator("img").bounding_box()["width"] > 100


def test_tutorial_01_runs_to_its_last_cell(page, lab):
    page.goto(lab[1].replace("mix.ipynb", "first.ipynb"))
    count = code_cells(first())
    try: run_all(page, count)
    finally: page.screenshot(path=SHOTS / "6_tutorial_01.png")
    page.wait_for_function("""() => !document.querySelector(".jp-Notebook .jp-mod-running")""")
    panel = page.locator(".jp-NotebookPanel:visible")
    panel.press("Control+s")
    end = time.time() + 60
    while sum("execution_count" in c and bool(c["execution_count"]) for c in json.loads((lab[0] / "first.ipynb").read_text())["cells"]) < count:
        assert time.time() < end, "the saved notebook doesn't hold the run"
        time.sleep(0.5)
    saved = nbformat.read(lab[0] / "first.ipynb", as_version=4)
    ran = [c for c in saved.cells if c.cell_type == "code"]
    assert not [o for c in ran for o in c.outputs if o.output_type == "error"]
    pictures = [k for c in ran for o in c.outputs for k in o.get("data", {}) if k == "image/jpeg" or "<img" in o["data"].get("text/html", "")]
    assert len(pictures) >= 4 and ran[-1].outputs, "the last cell shows a picture"
