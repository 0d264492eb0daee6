"""The viewers in a real browser: JupyterLab runs a notebook, a slider is dragged, a mask is painted, the still remains.

Screenshots are kept in $FEATINV_ARTEFACTS, or in out/screenshots of the tree under test.
"""
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
SHOTS = Path(os.environ.get("FEATINV_ARTEFACTS", ROOT / "out/screenshots"))
LIMIT = 400_000  # ms for anything to appear: machines that run this may be busy
TUTORIAL = ROOT / "nbs/tutorials/02_compose_features.ipynb"
VIEWER = 'viewer = CompositionViewer(photos=["chelsea", "espresso"], steps=3)\nviewer'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)} is installed")


def notebook() -> nbformat.NotebookNode:
    """The tutorial if it shows the viewer, else a notebook that does."""
    if TUTORIAL.exists() and "CompositionViewer(" in TUTORIAL.read_text(encoding="utf-8"):
        return nbformat.read(TUTORIAL, as_version=4)
    code = ["from featinv_nb.viewers import CompositionViewer", VIEWER]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in code], metadata=kernel)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own: (folder, address of a page in it)."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    nb = notebook()
    for cell in nb.cells:
        if cell.cell_type == "code": cell.outputs, cell.execution_count = [], None
    nbformat.write(nb, folder / "mix.ipynb")
    page_config = home / "config/labconfig/page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    env = dict(os.environ, JUPYTER_CONFIG_DIR=str(home / "config"), JUPYTER_DATA_DIR=str(home / "data"),
               JUPYTER_RUNTIME_DIR=str(home / "runtime"), JUPYTERLAB_SETTINGS_DIR=str(home / "settings"),
               JUPYTERLAB_WORKSPACES_DIR=str(home / "workspaces"), IPYTHONDIR=str(home / "ipython"),
               OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"],
            cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for_server(f"http://127.0.0.1:{port}/api?token={token}", process, home / "log")
        yield folder, f"http://127.0.0.1:{port}/lab/tree/mix.ipynb?reset&token={token}"
    finally:
        process.terminate()  # the server ends its kernels
        process.wait(60)


def wait_for_server(url, process, log):
    """Until it answers."""
    end = time.time() + LIMIT / 1000
    while True:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10): return
        except (urllib.error.URLError, OSError) as e:
            assert process.poll() is None and time.time() < end, f"{e}\n{log.read_text()}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def page(lab):
    """The notebook in a browser, run to its end."""
    from playwright.sync_api import sync_playwright
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"], timeout=LIMIT)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(LIMIT)
        page.on("console", lambda message: print(message.text) if message.type == "error" else None)  # shown if a test fails
        page.on("pageerror", lambda error: print(error))
        page.goto(lab[1])
        try:
            run_all(page)
            live(page, "canvas.featinv-paint").last.wait_for()
            done(page)
        finally: page.screenshot(path=SHOTS / "0_opened.png")
        yield page
        browser.close()


def run_all(page):
    """Run the cells one after another, as a person would; a cell whose prompt stays empty is asked again."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for()
    page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    count = sum(cell.cell_type == "code" for cell in notebook().cells)  # the page fills one by one
    cells.nth(count - 1).wait_for()
    for i in range(count):
        prompt, asked, end = cells.nth(i).locator(".jp-InputPrompt"), 0.0, time.time() + LIMIT / 1000
        while not re.search(r"\[\d+\]", prompt.inner_text()):
            assert time.time() < end, f"cell {i} has not run: {prompt.inner_text()}"
            if "*" not in prompt.inner_text() and time.time() - asked > 20:
                prompt.click()
                page.keyboard.press("Control+Enter")
                asked = time.time()
            page.wait_for_timeout(300)


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
    assert still.locator("figcaption").inner_text() == words and still.locator("img").bounding_box()["width"] > 100
    page.screenshot(path=SHOTS / "5_no_kernel.png")
