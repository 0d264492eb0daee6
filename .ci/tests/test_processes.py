"""Training and evaluation in two processes, as `accelerate launch` starts them, against one process; and a training that is stopped."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("accelerate")
STEPS, PICTURES = 20, 4
RECIPE = f"""name: small
prior: prior
backbone: tf_efficientnet_lite0
layer: blocks.4
hidden: 32
data: photos
steps: {STEPS}
batch: {PICTURES}      # over all processes
lr: 1e-3
crop: 64
workers: 0
min_snr: 5.0
ema: 0.9
log_steps: 1
preview_steps: 0
seed: 1
sampling: {{steps: 2, scheduler: ddim}}
"""


def environment() -> dict:
    """One thread a process, on CPUs, and the package of this tree."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONWARNINGS": "ignore"}


def featinv(folder: Path, *argv, processes: int = 1) -> str:
    """Run the command in one process, or in several as accelerate does."""
    start = [sys.executable, "-m"]
    if processes > 1:
        port = str(20000 + os.getpid() % 20000)
        start += ["accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no",
                  "--dynamo_backend", "no", "--main_process_port", port, "-m"]
    done = subprocess.run([*start, "featinv_nb.cli", *map(str, argv)], cwd=folder, env=environment(), timeout=600, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny prior, a dozen photos and a recipe."""
    from featinv_nb.images import samples
    from featinv_nb.priors import tiny_prior
    folder = tmp_path_factory.mktemp("processes")
    tiny_prior(folder / "prior")
    (folder / "photos").mkdir()
    for path in samples():
        (folder / "photos" / path.name).write_bytes(path.read_bytes())
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def losses(run: Path) -> list:
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns_at_twice_the_batch(folder):
    featinv(folder, "train", "recipe.yaml", "--run", "one", "--device", "cpu")
    featinv(folder, "train", "recipe.yaml", "--run", "two", "--device", "cpu", processes=2)
    one, two = losses(folder / "one"), losses(folder / "two")
    assert len(one) == len(two) == STEPS and len(set(one)) == STEPS
    assert max(abs(a - b) for a, b in zip(one, two)) < 1e-5
    cards = [json.loads((folder / run / "inverter" / "inverter.json").read_text())["card"] for run in ("one", "two")]
    assert [c["machine"].split()[0] for c in cards] == ["1", "2"] and [c["images"] for c in cards] == [STEPS * PICTURES] * 2
    assert (folder / "two" / f"checkpoint-{STEPS:08d}" / "random_states_1.pkl").exists(), "there was no second process"


def test_evaluation_in_two_processes_is_that_of_one(folder):
    asked = ["evaluate", *sorted(map(str, (folder / "photos").glob("*.jpg")))[:5], "--model", "lite", "--steps", 1, "--device", "cpu", "--out"]
    featinv(folder, *asked, "alone")
    text = featinv(folder, *asked, "shared", processes=2)
    alone, shared = (pd.read_csv(folder / out / "evaluation.csv").drop(columns="seconds") for out in ("alone", "shared"))
    pd.testing.assert_frame_equal(alone, shared, check_exact=True)
    assert text.count("wrote evaluation.csv") == 1 and len(list((folder / "shared").glob("shard-*-of-2"))) == 2
    for name in ("features-photos.f32", "features-0.f32"):
        assert (folder / "alone" / name).read_bytes() == (folder / "shared" / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_learnt_is_kept_on_a_signal(folder, number):
    run = folder / f"stopped-{number}"
    process = subprocess.Popen([sys.executable, "-m", "featinv_nb.cli", "train", "recipe.yaml", "--run", run, "--device", "cpu", "--set", "steps=100000", "--workers", "1"],
                               cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.time() + 500
    while not (run / "log.jsonl").exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.2)
    process.send_signal(number)
    text, errors = process.communicate(timeout=300)
    line = errors.strip().splitlines()[-1]
    assert process.returncode == 1 and not text and line.startswith("featinv: interrupted: stopped at step") and "goes on" in line, errors
    saved = [p for p in run.glob("checkpoint-*")]
    assert len(saved) == 1 and saved[0].suffix != ".tmp"
    step = json.loads((saved[0] / "training.json").read_text())["step"]
    assert step == len(losses(run)) and f"saved is step {step};" in line


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['tensorboard'] = None; from featinv_nb.cli import main; sys.exit(main(['train', 'resnet50', '--data', '.']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=200, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and 'pip install "featinv_nb[train]"' in done.stderr, done.stderr
