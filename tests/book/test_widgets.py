"""The live figures: their arithmetic equals NumPy's, and a reader can use them."""

from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import lstm_course as lc
from conftest import ROOT, SITE
from lstm_course import example
from lstm_course.cell import LSTMParams
from lstm_course.experiments import next_character, next_character_models

EXPLORER = "book/explorer.html"


@pytest.fixture
def explorer(reader, site):
    reader.wrong.clear()
    reader.set_viewport_size({"width": 1280, "height": 800})
    reader.goto("about:blank")  # or a link that differs in its state alone loads nothing
    reader.goto(site + EXPLORER)
    yield reader
    assert reader.wrong == []


def drawn(rng, D, H, T=1):
    """Return parameters, inputs and states, some so large that gates saturate."""
    scale = 10 ** rng.uniform(-1, 1.3)
    shapes = [(4 * H, D), (4 * H, H), (4 * H,), (T, 1, D), (1, H), (1, H)]
    W, U, b, *rest = (rng.normal(scale=scale, size=shape) for shape in shapes)
    return LSTMParams(W, U, b), *rest


def as_lists(params):
    return dict(zip("WUb", (array.tolist() for array in params.arrays()), strict=True))


def test_a_step_and_its_gradients_are_those_of_numpy(explorer):
    rng = np.random.default_rng(18)
    cases, wanted = [], []
    for k in range(1000):
        D, H = (3, 2) if k < 500 else rng.integers(1, 6, size=2)
        params, xs, h, c = drawn(rng, D, H)
        dh, dc = rng.normal(size=(2, 1, H))
        h_new, c_new, cache = lc.lstm_step(xs[0], h, c, params)
        dx, dh_prev, dc_prev, grads = lc.lstm_step_backward(dh, dc, cache)
        cases.append(
            [xs[0, 0].tolist(), *(v[0].tolist() for v in (h, c, dh, dc)), as_lists(params)]
        )
        step = [h_new[0], c_new[0], *(getattr(cache, name)[0] for name in "ifgo")]
        wanted.append([*step, dx[0], dh_prev[0], dc_prev[0], *grads.arrays()])
    found = explorer.evaluate(
        """cases => cases.map(([x, h, c, dh, dc, params]) => {
            const s = LSTM.step(x, h, c, params);
            const g = LSTM.stepBackward(dh, dc, s, params);
            return [s.h, s.c, s.i, s.f, s.g, s.o, g.dx, g.dh_prev, g.dc_prev, g.dW, g.dU, g.db];
        })""",
        cases,
    )
    for one, other in zip(found, wanted, strict=True):
        for value, expected in zip(one, other, strict=True):
            np.testing.assert_allclose(np.array(value), expected, rtol=1e-12, atol=1e-12)


def test_a_sequence_and_its_gradients_are_those_of_numpy(explorer):
    rng = np.random.default_rng(19)
    for _ in range(20):
        T, D, H = rng.integers(1, 8, size=3)
        params, xs, h, c = drawn(rng, D, H, T)
        hs, _, cache = lc.lstm_forward(xs, params, h, c)
        dhs, dc = rng.normal(size=(T, 1, H)), rng.normal(size=(1, H))
        dxs, dh0, dc0, _ = lc.lstm_backward(dhs, cache, dc_T=dc)
        inputs = [xs[:, 0], h[0], c[0], dhs[:, 0], dc[0]]
        found = explorer.evaluate(
            """([xs, h, c, dhs, dc, params]) => {
                const caches = LSTM.forward(xs, params, h, c);
                const grads = LSTM.backward(dhs, caches, params, dc);
                return [caches.map(s => s.h), grads.map(g => g.dx), grads[0].dh_prev, grads[0].dc_prev];
            }""",
            [*(value.tolist() for value in inputs), as_lists(params)],
        )
        for value, expected in zip(found, (hs[:, 0], dxs[:, 0], dh0[0], dc0[0]), strict=True):
            np.testing.assert_allclose(np.array(value), expected, rtol=1e-11, atol=1e-12)


def shown(page):
    """Return what the diagram says of each block."""
    labels = page.locator(".lc-wide .lc-block").evaluate_all(
        "es => es.map(e => e.getAttribute('aria-label').split(': '))"
    )
    return dict(labels)


def test_the_explorer_starts_with_the_running_example(explorer):
    h, c, cache = lc.lstm_step(example.xs[0], example.h0, example.c0, example.params)
    text = explorer.locator("[data-lc=explorer]").inner_text().replace("−", "-")
    for value in (*h[0], *c[0], *cache.f[0]):
        assert f"{value:.4f}".rstrip("0") in text
    assert shown(explorer)["forget gate"].replace("−", "-") == "0.14, 0.67"


def test_a_block_explains_itself_to_the_pointer_and_to_the_keyboard(explorer):
    formula = explorer.locator(".lc-formula")
    explorer.locator('.lc-wide .lc-block[aria-label^="tanh(c)"]').hover()
    assert "tanh(0.2122) = 0.2091" in formula.inner_text()
    explorer.locator(".lc-wide .lc-block").first.focus()
    explorer.keyboard.press("Tab")
    explorer.keyboard.press("Tab")
    assert "unit 0: 0.8" in formula.inner_text()
    for _ in range(20):  # all blocks explain themselves
        explorer.keyboard.press("Tab")
    assert all(
        "NaN" not in value and "undefined" not in value for value in shown(explorer).values()
    )
    for block in explorer.locator(".lc-wide .lc-block").all():
        block.hover()
        assert "NaN" not in formula.inner_text()
        assert "undefined" not in formula.inner_text()


def test_presets_do_what_their_names_say(explorer):
    def states(preset, steps=1):
        explorer.get_by_role("button", name=preset, exact=True).click()
        for _ in range(steps - 1):
            explorer.get_by_role("button", name="next step").click()
        blocks = shown(explorer)
        pairs = (blocks["c_prev"], blocks["c"], blocks["h"])
        return [np.array(list(map(float, pair.replace("−", "-").split(", ")))) for pair in pairs]

    before, after, _ = states("keep")
    np.testing.assert_allclose(after, before, atol=0.011)
    assert np.abs(states("erase")[1]).max() < 0.01
    _, after, _ = states("write")
    written = shown(explorer)["candidate"].replace("−", "-").split(", ")
    np.testing.assert_allclose(after, np.array(list(map(float, written))), atol=0.011)
    assert states("add up", steps=6)[1][0] > 3
    states("saturated")
    assert shown(explorer)["forget gate"] == "1.00, 1.00"
    _, c_1, _ = states("the")
    _, c, _ = lc.lstm_step(example.xs[0], example.h0, example.c0, example.params)
    np.testing.assert_allclose(c_1, c[0], atol=0.006)


def test_without_tanh_the_hidden_state_leaves_its_bounds(explorer):
    explorer.get_by_role("button", name="add up").click()
    for broken in (False, True):
        explorer.get_by_label("no tanh on c").set_checked(broken)
        for _ in range(5):
            explorer.get_by_role("button", name="next step").click()
        assert (float(shown(explorer)["h"].split(", ")[0]) > 1) == broken


def test_a_field_that_holds_no_number_changes_nothing_and_says_so(explorer):
    box = explorer.get_by_label("c before, unit 0", exact=True)
    box.fill("2")
    changed = shown(explorer)
    assert changed["c_prev"].startswith("2.00, ")
    box.fill("")
    assert box.get_attribute("aria-invalid") == "true"
    assert "not a number" in box.get_attribute("title")
    assert shown(explorer) == changed
    slider = explorer.get_by_label("c before, unit 0, slider")
    slider.focus()
    explorer.keyboard.press("ArrowLeft")
    assert box.input_value() == "1.9"
    assert box.get_attribute("aria-invalid") == "false"


def test_a_link_restores_a_state_and_a_damaged_one_says_so(explorer, site):
    explorer.get_by_label("c before, unit 1", exact=True).fill("-1.25")
    explorer.get_by_label("the forget bias with its sign flipped").check()
    explorer.get_by_role("button", name="link to this state").click()
    wanted, address = shown(explorer), explorer.url
    explorer.goto("about:blank")
    explorer.goto(address)
    assert shown(explorer) == wanted
    assert explorer.get_by_label("the forget bias with its sign flipped").is_checked()
    for damaged in (address[:-7], address + ",1", address.replace("1.25", "1.2x5"), "#cell="):
        explorer.goto("about:blank")
        explorer.goto(damaged if "//" in damaged else site + EXPLORER + damaged)
        assert "holds no state" in explorer.locator("[role=status]").inner_text()
        assert shown(explorer)["forget gate"].startswith("0.14")


def test_the_diagram_is_saved_with_its_numbers_as_svg_and_png(explorer):
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with explorer.expect_download() as saving:
            explorer.get_by_role("button", name=f"{kind}: save figure 1").click()
        data = Path(saving.value.path()).read_bytes()
        assert data.startswith(start)
        assert kind == "PNG" or b"0.14 0.67" in data


def test_the_explorer_works_from_a_file(browser):
    page = browser.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((SITE / EXPLORER).as_uri())
    page.get_by_role("button", name="cat", exact=True).click()
    assert page.locator(".lc-formula li").count() == 2
    assert wrong == []
    page.close()


def test_the_explorer_is_light():
    files = ["lstm.js", "widget.js", "explorer.js", "widgets.css"]
    assert sum((ROOT / "book/_static" / name).stat().st_size for name in files) < 60_000


@pytest.fixture
def viewer(reader, site):
    reader.wrong.clear()
    reader.set_viewport_size({"width": 1280, "height": 800})
    reader.goto(site + "book/viewer.html")
    yield reader
    assert reader.wrong == []


def test_the_viewer_loads_a_model_on_a_click_and_predicts_what_numpy_does(viewer):
    loaded = "[...document.scripts].filter(s => s.src.includes('model-')).length"
    assert viewer.evaluate(loaded) == 0
    viewer.get_by_role("button", name="Load the model").click()
    viewer.get_by_label("model of").select_option("stories")
    viewer.wait_for_function("MODELS.stories && MODELS.reference")
    for name, size in (("reference", 40), ("stories", 40)):
        model, alphabet = next_character.load(name)
        text = next_character_models.corpus(name).test[: 10 * size]
        scores, *_ = model.forward(alphabet.encode(text)[:, None])
        for temperature in (1.0, 0.5):
            wanted = lc.losses.softmax(scores[:, 0].astype(float) / temperature)
            found = viewer.evaluate(
                """([name, text, temperature]) => {
                    const model = textModel(MODELS[name]);
                    let state = model.start;
                    return [...text].map(one => model.next(state = model.read(one, state), temperature));
                }""",
                [name, text, temperature],
            )
            np.testing.assert_allclose(np.array(found), wanted, atol=1e-5)


def test_the_viewer_writes_on_and_a_unit_can_be_switched_off(viewer):
    viewer.get_by_role("button", name="Load the model").click()
    text = viewer.locator(".lc-text")
    started = text.inner_text()
    temperature = viewer.get_by_role("slider", name="temperature")
    temperature.focus()
    viewer.keyboard.press("Home")  # the likeliest character each time
    viewer.get_by_role("button", name="write on").click()
    viewer.get_by_role("button", name="write on").wait_for()  # it stops by itself
    first = text.inner_text()
    assert first.startswith(started)
    assert len(first) == len(started) + 200

    viewer.get_by_label("the text that the model reads first").fill('He said "so')
    value = viewer.locator(".lc-bars strong")
    assert value.inner_text().startswith("−0.")
    viewer.get_by_role("button", name="switch unit 100 off").click()
    assert value.inner_text() == "0"
    viewer.get_by_role("button", name="all units on").click()
    assert value.inner_text().startswith("−0.")
    square = viewer.get_by_role("button", name="unit 100", exact=True)
    square.focus()
    viewer.keyboard.press("ArrowRight")
    assert "unit 101" in viewer.locator(".lc-bars").inner_text()
    viewer.get_by_label("the text that the model reads first").fill("snow ☃ and ice")
    assert "never seen “☃”" in viewer.locator("[role=status]").inner_text()
    assert "☃" not in text.inner_text()


def test_weights_of_the_viewer_are_light():
    assert sum(path.stat().st_size for path in (SITE / "_static").glob("model-*.js")) < 1_500_000


def test_the_walk_shows_every_product_of_the_chapter(reader, site):
    reader.wrong.clear()
    reader.set_viewport_size({"width": 1280, "height": 800})
    reader.goto(site + "book/3-learning/10-through-time.html")
    walk = reader.locator("[data-lc=walk]")
    walk.scroll_into_view_if_needed()
    title, lines = walk.locator(".lc-title"), walk.locator(".lc-formula ul")
    said = {}
    slider = walk.get_by_role("slider", name="where the walk stands")
    frames = int(slider.get_attribute("max")) + 1
    assert frames == 3 * 5 + 3 * 7
    for frame in range(frames):
        slider.fill(str(frame))
        said[title.inner_text()] = lines.inner_text().replace("−", "-")
    assert len(said) == frames
    assert all("NaN" not in text and "undefined" not in text for text in said.values())

    def at(step, name):
        (text,) = (
            text for where, text in said.items() if f"Step {step} " in where and name in where
        )
        return text

    hs, _, cache = lc.lstm_forward(example.xs, example.params, example.h0, example.c0)
    dhs = np.zeros_like(hs)
    dhs[2, 0, 0] = 1  # the loss is the last hidden state of unit 0
    _, dh0, dc0, _ = lc.lstm_backward(dhs, cache)
    for t in range(3):
        assert f"{hs[t, 0, 0]:.4f}" in at(t + 1, "forward: show")
        assert f"{cache[t].c[0, 0]:.4f}" in at(t + 1, "forward: add")
    assert "0.4091" in at(2, "two flows")  # as computed by hand
    assert "0.0586" in at(3, "through the maps")
    assert f"{dc0[0, 0]:.4f}".rstrip("0") in at(1, "along the cell state")
    assert f"{dh0[0, 0]:.4f}".rstrip("0") in at(1, "through the maps")
    assert reader.wrong == []


def test_the_walk_follows_what_the_reader_changes(reader, site):
    reader.goto(site + "book/2-pieces/08-sequence.html")
    walk = reader.locator("[data-lc=walk]")
    walk.scroll_into_view_if_needed()
    slider = walk.get_by_role("slider", name="where the walk stands")
    assert slider.get_attribute("max") == "14"  # forward only
    walk.locator("summary").click()
    walk.get_by_label("step 1 reads").select_option("nothing")
    for _ in range(4):
        walk.get_by_role("button", name="next").click()
    c = lc.lstm_step(np.zeros((1, 3)), example.h0, example.c0, example.params)[2]
    assert f"{c.h[0, 0]:.4f}".rstrip("0") in walk.locator(".lc-formula").inner_text()
    walk.get_by_role("button", name="play").click()
    reader.wait_for_function(
        "document.querySelector('.lc-wide-slider').value > 4"
    )  # it plays on by itself
    block = reader.locator('.lc-walking [data-part="2 f * c_prev"]').first
    block.evaluate("e => e.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert walk.get_by_role("button", name="play").count() == 1  # and stops at what is clicked
    assert "Step 3" in walk.locator(".lc-title").inner_text()


@pytest.mark.parametrize("name", ["explorer", "viewer", "3-learning/10-through-time"])
def test_a_live_figure_is_accessible_and_fits_a_phone(name, reader, site):
    reader.goto(site + f"book/{name}.html")
    reader.locator("[data-lc]").first.scroll_into_view_if_needed()
    reader.wait_for_selector(".lc-live")
    for closed in reader.locator("[data-lc] summary, [data-lc] > button").all():
        closed.click()
    reader.wait_for_timeout(500)
    for width in (1280, 360):
        reader.set_viewport_size({"width": width, "height": 800})
        assert reader.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(reader, context="[data-lc]").response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []
