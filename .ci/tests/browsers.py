"""A browser and a JupyterLab for tests."""
import contextlib
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

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
SHOTS = Path(os.environ.get("FEATINV_ARTEFACTS", ROOT / "out/screenshots"))
LIMIT = 400_000  # ms for anything to appear: machines that run this may be busy


def launch(playwright):
    """Chromium, headless, without a proxy."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"], timeout=LIMIT)


@contextlib.contextmanager
def jupyter_lab(folder: Path, home: Path):
    """A JupyterLab of its own on a folder, on loopback with a token: a function from a file's name to its address."""
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
        yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}?reset&token={token}"
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


def run_all(page, count: int):
    """Run the cells one after another, as a person would; a cell whose prompt stays empty is asked again."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for()
    page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    cells.nth(count - 1).wait_for()  # the page fills one by one
    for i in range(count):
        prompt, asked, end = cells.nth(i).locator(".jp-InputPrompt"), 0.0, time.time() + LIMIT / 1000
        while not re.search(r"\[\d+\]", prompt.inner_text()):
            assert time.time() < end, f"cell {i} has not run: {prompt.inner_text()}"
            if "*" not in prompt.inner_text() and time.time() - asked > 20:
                prompt.click()
                page.keyboard.press("Control+Enter")
                asked = time.time()
            page.wait_for_timeout(300)
