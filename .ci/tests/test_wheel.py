"""The wheel, installed into an empty environment, works from any folder and without a network."""
import csv
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def without_checkout() -> dict:
    """Environment variables that do not lead Python to the checkout."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def pip(*args, cwd):
    """Run pip; not in the checkout unless it builds, or it takes the package there for an installed one."""
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, args)], check=True,
                   cwd=cwd, env=without_checkout())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", folder, cwd=ROOT)
    return next(folder.glob("featinv_nb-*.whl"))


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory):
    """An environment that holds the wheel alone, and sees the packages it depends on, but not the checkout."""
    home = tmp_path_factory.mktemp("home") / "venv"
    venv.create(home, with_pip=False)
    pip("--python", home / "bin/python", "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=home)
    # Python reads no .pth files in a folder that is named in a .pth file: the editable install stays unseen.
    site = next(home.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home


def run(home, tmp_path, *command):
    """Run a command of that environment in an empty folder, with every way to a network shut."""
    env = {k: v for k, v in without_checkout().items() if not k.lower().endswith("_proxy")}
    nowhere = "http://127.0.0.1:9"
    env.update(http_proxy=nowhere, https_proxy=nowhere, HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere,
               HF_HOME=str(tmp_path / "hub"), OMP_NUM_THREADS="1")
    program = home / "bin" / command[0]
    done = subprocess.run([program, *map(str, command[1:])], cwd=tmp_path, env=env, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_carries_the_model_and_the_samples_only(wheel):
    with zipfile.ZipFile(wheel) as z:
        names = z.namelist()
    data = [n for n in names if n.startswith("featinv_nb/data/")]
    source = [f for d in ("lite", "presets", "rivals", "samples") for f in (ROOT / "data" / d).rglob("*") if f.is_file()]
    assert sorted(data) == sorted("featinv_nb/" + f.relative_to(ROOT).as_posix() for f in source)
    assert any(n.startswith("featinv_nb/data/lite/") and n.endswith(".safetensors") for n in data), "no model in data/lite"
    assert not [n for n in names if "photos" in n or n.endswith(".ipynb")]
    assert 1e6 < wheel.stat().st_size < 100e6  # PyPI takes 100 MB


def test_wheel_asks_for_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as z:
        meta = z.read(next(n for n in z.namelist() if n.endswith("/METADATA"))).decode()
    assert "Requires-Python: >=3.10" in meta and "Requires-Dist: torch>=2.4" in meta
    assert 'extra == "dev"' in meta and "Requires-Dist: nbdev==2.4.14;" in meta


def test_every_module_is_imported_from_the_wheel(home, tmp_path):
    modules = sorted(f.stem for f in (ROOT / "featinv_nb").glob("[!_]*.py"))
    code = "import importlib, featinv_nb; print(featinv_nb.__file__)\n" + "".join(
        f"importlib.import_module('featinv_nb.{m}')\n" for m in modules)
    assert Path(run(home, tmp_path, "python", "-c", code).strip()).is_relative_to(home)


def test_samples_are_found(home, tmp_path):
    code = "from featinv_nb.images import load, samples; s = samples(); load(s[0]); print(*s, sep='\\n')"
    photos = run(home, tmp_path, "python", "-c", code).split("\n")[:-1]
    assert len(photos) >= 12 and all(Path(p).is_relative_to(home) for p in photos)


def test_invert_works_from_any_folder(home, tmp_path):
    photo = next(p for p in sorted((ROOT / "data/samples").iterdir()) if p.suffix == ".jpg")
    run(home, tmp_path, "featinv", "invert", photo, "--samples", 2, "--steps", 2, "--out", "out")
    with open(tmp_path / "out/report.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 2 and (tmp_path / "out/inversions.png").stat().st_size > 1000
    assert list(rows[0]) == ["image", "sample", "seed", "cosine", "floor", "ceiling", "match", "judge_match", "seconds"]
