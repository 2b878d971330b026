"""The 3D view with a real mouse and real keys: draw around a thing, drag it by its handles, undo, redo, hide."""

import json

import pytest
from playwright.sync_api import Browser

from tests.browser.studio import Studio


class View:
    """The 3D view of a tab."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.page = studio, studio.page

    def ready(self) -> "View":
        """Scrolled to, its points there."""
        self.page.locator("#viewport").scroll_into_view_if_needed()
        self.studio.until("document.querySelector('#viewport .vp-status')?.textContent.includes(' points')")
        self.page.evaluate("document.querySelector('#viewport .vp-frame').scrollIntoView({block: 'center'})")
        return self

    def says(self, text: str) -> None:
        self.studio.until("t => document.querySelector('#viewport .vp-status').textContent.includes(t)", text)

    def state(self, expression: str) -> object:
        """Something of the program behind the view, which is called v."""
        return json.loads(
            self.page.evaluate(
                f"(() => {{ const v = document.querySelector('#viewport .vp-frame').viewport; "
                f"return JSON.stringify({expression}); }})()"
            )
        )

    def until(self, expression: str) -> None:
        self.studio.until(
            f"(() => {{ const v = document.querySelector('#viewport .vp-frame').viewport; return {expression}; }})()"
        )

    def at(self, point: str) -> tuple[float, float]:
        """Screen position of a world point given as JavaScript."""
        x, y, _ = self.state(f"v.eye.project({point})")  # type: ignore[misc]
        box = self.page.locator("#viewport .vp-frame").bounding_box()
        assert box is not None
        return box["x"] + x, box["y"] + y

    def focus(self) -> None:
        self.page.focus("#viewport .vp-frame")

    def press(self, key: str) -> None:
        self.focus()
        self.page.keyboard.press(key)

    def lasso(self, middle: tuple[float, float], radius: float) -> None:
        """A ring drawn with the lasso."""
        from math import cos, pi, sin

        self.press("l")
        x, y = middle
        self.page.mouse.move(x + radius, y)
        self.page.mouse.down()
        for k in range(1, 25):
            self.page.mouse.move(x + radius * cos(k * pi / 12), y + 1.4 * radius * sin(k * pi / 12))
        self.page.mouse.up()

    def drag(self, start: tuple[float, float], by: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.move(start[0] + 1, start[1], steps=2)
        self.page.mouse.down()
        self.page.mouse.move(start[0] + by[0], start[1] + by[1], steps=10)
        self.page.mouse.up()


@pytest.fixture
def view(studio: Studio, photo) -> View:
    studio.open(photo, frames=2)
    return View(studio).ready()


def test_lasso_then_move_by_the_arrows_then_undo_twice_and_redo(view: View):
    studio = view.studio
    view.press("0")  # where the photo was taken
    box = view.page.locator("#viewport .vp-frame").bounding_box()
    assert box is not None
    view.lasso((box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.5), 60)
    studio.expect("selected")
    view.says("selected")
    assert view.state("v.value.selection.count") > 500  # type: ignore[operator]
    view.press("1")
    studio.expect("Drag the thing")
    view.until("v.graphics.holding")
    before = view.state("v.value.token")
    # along the red arrow, which lies along x
    reach = "v.graphics.handle.position.toArray().map((c, k) => c + (k === 0 ? 1 : 0) * v.graphics.reach(0.5))"
    grip = view.at(reach)
    view.drag(grip, (60, 0))
    studio.expect("how it would look")
    view.until("v.value.moved !== null")
    x, y, z = (float(view.page.input_value(f"#{n} input")) for n in "xyz")
    assert x > 0.02, "it went right"
    assert abs(y) < 0.02
    assert abs(z) < 0.02
    view.press("m")
    studio.expect("new place")
    view.until(f"v.value.token !== {json.dumps(before)}")
    moved = view.state("v.value.token")
    view.press("Control+z")
    studio.expect("Undone")
    view.until(f"v.value.token === {json.dumps(before)}")
    view.press("Control+z")
    studio.until("!document.querySelector('#redo').disabled")
    while studio.enabled("redo") and view.state("v.value.token") != moved:
        said = view.page.inner_text("#redo")
        view.press("Control+Shift+z")
        studio.until("t => document.querySelector('#redo').innerText !== t", said)
        view.page.wait_for_timeout(300)
    assert view.state("v.value.token") == moved


def test_turning_and_resizing_by_handles_keep_the_numbers_in_step(view: View):
    studio = view.studio
    studio.select_bird()
    view.ready().says("selected")
    view.page.click("#turning > button")
    view.ready()
    view.press("2")
    studio.expect("Drag the thing")
    view.until("v.graphics.holding")
    view.page.evaluate(
        """() => { const v = document.querySelector('#viewport .vp-frame').viewport, h = v.graphics.handle;
                   h.quaternion.set(0, Math.sin(0.25), 0, Math.cos(0.25)); v.carried(); v.dropped(); }"""
    )
    studio.expect("how it would look")
    view.until("v.value.moved !== null")
    degrees = float(view.page.input_value("#turn input"))
    assert degrees == pytest.approx(28.6, abs=0.3)
    view.press("3")
    view.page.evaluate(
        """() => { const v = document.querySelector('#viewport .vp-frame').viewport, h = v.graphics.handle;
                   h.scale.set(1.5, 1, 1); v.carried(); v.dropped(); }"""
    )
    studio.until("Number(document.querySelector('#times input').value) === 1.5")
    view.press("m")
    studio.expect("new place")


def test_keys_hide_show_and_open_the_sheet(view: View):
    studio = view.studio
    studio.select_bird()
    view.ready().says("selected")
    view.press("h")
    studio.expect("hidden in the picture and in 3D")
    view.says("hidden (U shows them)")
    assert view.page.locator("#objects li").count() == 1
    view.press("u")
    studio.expect("shown again")
    studio.until("!document.querySelector('#viewport .vp-status').textContent.includes('hidden')")
    view.press("?")
    assert view.page.is_visible(".vp-help")
    view.press("Escape")
    assert not view.page.is_visible(".vp-help")


def test_a_thing_is_recoloured_copied_and_animated(view: View):
    studio, page = view.studio, view.page
    studio.select_bird()
    page.click("#colouring > button")
    page.locator("#saturation input[type=number]").fill("0")
    page.locator("#saturation input[type=number]").press("Tab")
    studio.expect("would be its colours")
    studio.press("recolour", "It has new colours")
    studio.select_bird()
    page.click("#walking > button")
    page.locator("#x input").fill("-0.2")
    studio.expect("how it would look")
    studio.until("!document.querySelector('#add-stop').disabled || true")
    page.locator("#x input").press("Tab")
    studio.press("animate", "moves in the next clip")
    assert view.state("v.value.ways.length") == 1
    studio.press("regenerate", "Both clips")


def test_a_narrow_screen_holds_the_view_and_its_list(browser: Browser, address: str, photo):
    studio = Studio(browser, address, 390, "dark")
    studio.open(photo, frames=2)
    view = View(studio).ready()
    studio.select_bird()
    studio.press("keep", "in the list")
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in view.page.locator("#viewport button:visible, #objects button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    studio.close()
