"""The page of docs/web in headless Chromium: what it predicts, whom it asks, who can use it."""

import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest

import lmvp_tf
from lmvp_tf.export import tflite_measure

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'lmvp-tf[web]'"
)
interpreter = pytest.importorskip("ai_edge_litert.interpreter")

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "web"
MODELS = json.loads((ROOT / "web" / "models.json").read_text())
TOLERANCE = 1e-4
PATIENCE = 120  # seconds; on a machine that does nothing else it takes two
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    """Where the committed page is served, as any plain server would."""
    handler = functools.partial(Quiet, directory=str(PAGE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(name="opened", scope="module")
def _opened(address):
    """The page, open on a wide screen. In the end it has asked nobody else and complained of
    nothing.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium, or set CHROMIUM=PATH")
    asked, complaints = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox"],  # it refuses to run as root in one; the page is our own
            env={**os.environ, "TMPDIR": "/tmp"},  # Bazel's is too long for the name of a socket
        )
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.goto(address)
        wait(page, "lmvp.subjects.digits.settled")
        yield page
        assert page.is_hidden("#trouble"), page.inner_text("#trouble")
        browser.close()
    assert complaints == []
    assert len(asked) > 8
    assert [url for url in asked if not url.startswith((address, "blob:" + address))] == []


@pytest.fixture
def page(opened):
    """The open page at its digits, whatever a test before has left: they run in any order."""
    opened.click("#digits-tab")
    return opened


def wait(page, condition):
    """Waits until an expression is true. The page forbids the eval that Playwright's own is."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < end, f"{condition}: {page.inner_text('main')}"
        time.sleep(0.05)


def by_file(name, frames, horizon):
    """What ai-edge-litert predicts with the page's own file: [S, H, W, C]."""
    opened = interpreter.Interpreter(str(PAGE / "models" / name / "model.tflite"))
    step = opened.get_signature_runner("serve_step")
    shapes = {part: one["shape"][1:] for part, one in step.get_input_details().items()}
    shapes.pop("frame")
    return tflite_measure.stream(step, frames[None], shapes, horizon)[0]


def test_what_it_predicts_is_what_python_predicts(page):
    """Of the scene that a visitor finds: the page, the file in Python, and the published model."""
    prediction = page.evaluate(
        """() => {
          const {inputs, frames} = lmvp.subjects.digits.prediction;
          return {inputs: inputs.map((x) => [...x]), frames: frames.map((x) => [...x])};
        }"""
    )
    inputs, frames = (
        np.float32(prediction[part]).reshape(10, 64, 64, 1) for part in ("inputs", "frames")
    )
    assert inputs.std() > 0.1
    assert np.abs(frames[-1] - inputs[-1]).max() > 0.3  # it is no copy of what it was given
    np.testing.assert_allclose(frames, by_file("moving_mnist", inputs, 10), atol=TOLERANCE)
    model = lmvp_tf.load(ROOT / MODELS["moving_mnist"]["workdir"])
    np.testing.assert_allclose(frames, model.predict(inputs), atol=TOLERANCE)


def test_the_driving_model_predicts_the_same_too(page):
    frames = np.random.default_rng(0).integers(0, 256, (3, 72, 128, 3)).astype(np.float32) / 255
    received = page.evaluate(
        """async (frames) => {
          const model = await lmvp.open('driving');
          const given = frames.map((x) => Float32Array.from(x));
          const {frames: predicted, flows} = await model.predict(given);
          return {predicted: predicted.map((x) => [...x]), flow: flows.map((x) => x.length)};
        }""",
        frames.reshape(3, -1).tolist(),
    )
    predicted = np.float32(received["predicted"]).reshape(3, 72, 128, 3)
    assert received["flow"] == [72 * 128 * 2] * 3
    np.testing.assert_allclose(predicted, by_file("driving", frames, 3), atol=TOLERANCE)


def test_the_keyboard_moves_a_digit_and_turns_it(page):
    page.focus("#digits-tab")
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert re.fullmatch(r"The first digit, .+\. The arrow keys move it\.", names[0])
    assert names[1] == "Direction of the first digit"
    assert names[-1] in ("Play", "Pause")
    before = page.evaluate("({...lmvp.subjects.digits.digits[0]})")
    page.focus(".handle.first")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.focus(".tip.first")
    page.keyboard.press("ArrowRight")
    wait(page, "lmvp.subjects.digits.settled")
    after = page.evaluate("({...lmvp.subjects.digits.digits[0]})")
    moved = [after[part] - before[part] for part in ("x", "y", "angle")]
    np.testing.assert_allclose(moved, [1 / 36, 1 / 36, np.pi / 12], atol=1e-6)
    assert page.get_attribute(".tip.first", "aria-valuenow") == str(
        round(np.rad2deg(after["angle"]))
    )


def test_a_digit_is_dragged_by_the_pointer(page):
    handle = page.locator(".handle.second").bounding_box()
    x, y = handle["x"] + handle["width"] / 4, handle["y"] + handle["height"] * 3 / 4
    before = page.evaluate("lmvp.subjects.digits.digits[1].y")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=4)
    page.mouse.up()
    stage = page.locator("#stage").bounding_box()["width"]
    moved = page.evaluate("lmvp.subjects.digits.digits[1].y") - before
    assert moved == pytest.approx(-40 / stage * 64 / 36, abs=0.01)


def test_the_keyboard_draws_a_digit_of_ones_own(page):
    page.click("summary")
    page.focus("#pad")
    page.keyboard.press(" ")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    drawing = np.array(page.evaluate("[...lmvp.subjects.digits.shapes.own]")).reshape(28, 28)
    assert page.input_value("#shape-0") == "own"
    assert np.all(drawing[14:20, 13:15] > 200)  # a line downwards from the middle
    assert np.count_nonzero(drawing[:, :10]) == 0


def test_pictures_become_frames_as_in_python(page):
    """Cut, averaged by area, made grey: a picture of noise, by the page and by the Predictor."""
    from lmvp_tf.films.options import FrameOptions
    from lmvp_tf.films.picture import fit

    picture = np.random.default_rng(1).integers(0, 256, (90, 150, 3), np.uint8)
    expected = fit(picture, FrameOptions(64, 64), "noise")[..., 0] / 255
    rgba = np.concatenate([picture, np.full((90, 150, 1), 255)], axis=-1)
    received = page.evaluate(
        """async ({rgba, film}) => {
          const [x, y, w, h] = lmvp.box(film, 150, 90);
          const context = new OffscreenCanvas(150, 90).getContext('2d');
          context.putImageData(new ImageData(Uint8ClampedArray.from(rgba), 150, 90), 0, 0);
          return [...lmvp.toFrame(context.getImageData(x, y, w, h), film)];
        }""",
        {
            "rgba": rgba.ravel().tolist(),
            "film": {"crop": "centre", "height": 64, "width": 64, "channels": 1},
        },
    )
    np.testing.assert_allclose(np.reshape(received, (64, 64)), expected, atol=1.01 / 255)
    assert np.mean(np.abs(np.reshape(received, (64, 64)) - expected)) < 1e-4


def test_a_film_is_predicted(page, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    film = tmp_path / "film.webm"
    source = "testsrc=size=160x120:rate=30:duration=2"
    subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, film], check=True)
    page.click("#films-tab")
    page.set_input_files("#film", film)
    wait(page, "Number(document.getElementById('predict-rate').textContent) > 0")
    wait(page, "Number(document.getElementById('error').textContent) > 0")
    assert page.inner_text("#films-status") == "Predicting film.webm."
    page.click("#stop")


@pytest.mark.parametrize("subject", ["digits", "films"])
def test_a_phone_has_nothing_to_scroll_sideways(page, subject):
    page.click(f"#{subject}-tab")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1280, "height": 900})


def test_everything_that_can_be_used_has_a_name(page):
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, select, canvas[tabindex], [role=img]')]
          .filter((x) => !(x.ariaLabel || x.textContent.trim() || x.closest('label')))
          .map((x) => x.outerHTML)"""
    )
    assert nameless == []


def test_the_committed_page_is_made_of_its_sources(tmp_path):
    if not (ROOT / "web" / "node_modules").is_dir():
        pytest.skip("web/node_modules is missing: make web")
    subprocess.run(["node", "build.mjs", tmp_path], cwd=ROOT / "web", check=True)
    for path in tmp_path.iterdir():
        if not path.name.endswith(".gz"):  # zlibs differ
            assert path.read_bytes() == (PAGE / path.name).read_bytes(), f"{path.name}: make web"
