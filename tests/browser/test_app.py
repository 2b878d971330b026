"""The app driven as a person drives it, in a real browser."""

import io
import urllib.error
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from spatia_core.camera import Camera
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.io.clouds import read_ply
from spatia_core.io.trajectories import write_realestate
from tests.browser.studio import Studio

pytestmark = pytest.mark.browser


def frames_of(file: Path) -> int:
    with av.open(str(file)) as film:
        return sum(1 for _ in film.decode(video=0))


def test_from_upload_to_the_edited_clip_and_back(studio: Studio, photo: Path):
    assert not studio.enabled("delete")
    assert not studio.enabled("regenerate")
    studio.open(photo)
    studio.until("document.querySelectorAll('#first video').length === 1")
    studio.shows_clips("Original")
    assert not studio.enabled("undo")
    studio.select_bird()
    assert studio.enabled("delete")
    before = studio.value()["image"]
    studio.page.click("#delete")
    studio.until("!document.querySelector('#stage .stage-preview').hidden")  # a glimpse at once
    studio.expect("gone")
    studio.until("document.querySelector('#stage .stage-preview').hidden")
    assert studio.value()["image"] != before
    assert "not in the clip yet" in studio.page.inner_text("#trust")
    studio.press("regenerate", "Done")
    studio.shows_clips("Original", "Edited")
    assert "Outside the edit" in studio.page.inner_text("#trust")
    studio.press("undo", "Undone: Film orbit-left")
    studio.shows_clips("Original")
    studio.press("undo", "Undone: Delete")
    studio.until("u => document.querySelector('#stage .stage-image').src === u", before)
    studio.press("undo", "Undone: Selection")
    assert not studio.enabled("undo")
    studio.press("redo", "Done again: Selection")
    studio.press("redo", "Done again: Delete")
    studio.press("redo", "Done again: Film orbit-left")
    studio.shows_clips("Original", "Edited")


def test_both_clips_stay_in_step_behind_one_scrubber(studio: Studio, photo: Path):
    studio.open(photo, frames=24)
    studio.select_bird()
    studio.press("delete", "gone")
    studio.press("regenerate", "Done")
    studio.shows_clips("Original", "Edited")
    studio.page.wait_for_timeout(700)
    a, b = studio.times()
    assert abs(a - b) < 0.05
    studio.page.locator("#result .player-scrub").fill("12")
    studio.page.wait_for_timeout(200)
    assert studio.times() == pytest.approx([12.5 / 24] * 2)
    assert studio.page.inner_text("#result .player-time") == "13 / 24"
    studio.page.click("#result button[data-view=wipe]")
    boxes = [studio.page.locator("#result video").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0] == boxes[1]
    studio.page.click("#result .player-play")
    studio.page.wait_for_timeout(200)
    assert studio.times() != pytest.approx([12.5 / 24] * 2)


def test_clicks_are_taken_back_one_by_one(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    one = studio.said()
    studio.page.wait_for_timeout(150)
    assert studio.drawn() > 500
    studio.page.click(".tool-not")
    studio.click(0.41, 0.4)
    studio.until("t => document.querySelector('#message .note').textContent !== t", one)
    studio.page.click("#take-back")
    studio.expect(one)
    studio.page.click("#take-back")
    studio.expect("Nothing is selected")
    studio.page.wait_for_timeout(150)
    assert studio.drawn() == 0
    assert not studio.enabled("take-back")
    assert not studio.enabled("delete")


def test_a_box_selects_and_the_selection_is_grown_joined_and_cut(studio: Studio, photo: Path):
    studio.open(photo)
    studio.page.click(".tool-box")
    studio.drag((0.285, 0.18), (0.46, 0.86))
    studio.page.mouse.up()
    studio.expect("is selected")
    share = float(studio.said().split("%")[0])
    field = studio.page.locator("#grow input[type=number]")
    field.fill("6")
    field.press("Tab")
    studio.until("s => parseFloat(document.querySelector('#message .note').textContent) > s", share)
    studio.press("join", "Click on the next thing")
    studio.page.click(".tool-add")
    studio.click(0.85, 0.3)
    studio.expect("is selected")
    studio.press("start-over", "Nothing is selected")


def test_candidate_masks_can_be_chosen(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    buttons = studio.page.locator("#candidates button")
    assert buttons.count() >= 2
    buttons.nth(1).click()
    studio.until("document.querySelectorAll('#candidates button')[1].ariaPressed === 'true'")


def test_a_thing_is_dragged_with_a_live_preview(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    studio.page.click(".tool-move")
    studio.expect("Drag the thing")
    studio.drag((0.44, 0.5), (0.6, 0.52))
    studio.until("!document.querySelector('#stage .stage-preview').hidden")  # while the button is still down
    studio.page.mouse.up()
    studio.expect("This is how it would look")
    assert float(studio.page.input_value("#x input")) > 0.02
    shown = studio.value()["preview"]
    studio.page.locator("#x input").fill("-0.1")
    studio.until("u => document.querySelector('#stage .stage-preview').src !== u", shown)
    studio.press("move", "new place")
    studio.press("regenerate", "Done")
    studio.shows_clips("Original", "Edited")
    assert "Move by -0.10" in studio.page.inner_text("#undo") or "Film" in studio.page.inner_text("#undo")


def test_escape_gives_a_drag_up(studio: Studio, photo: Path):
    studio.open(photo)
    studio.page.click(".tool-box")
    studio.drag((0.3, 0.3), (0.6, 0.6))
    studio.page.locator("#stage .stage-frame").press("Escape")
    studio.page.mouse.up()
    studio.page.wait_for_timeout(400)
    assert not studio.enabled("delete")
    assert studio.drawn() == 0


def test_the_keyboard_alone_selects(studio: Studio, photo: Path):
    studio.open(photo)
    frame = studio.page.locator("#stage .stage-frame")
    frame.focus()
    for _ in range(2):
        frame.press("ArrowLeft")
    frame.press("Enter")
    studio.expect("is selected")


def test_another_camera_and_a_trajectory_file(studio: Studio, photo: Path, tmp_path: Path):
    studio.open(photo)
    studio.page.click("#path input")
    studio.page.get_by_role("option", name="Pan right").click()
    studio.until("document.querySelector('#path-says').textContent.includes('turns to look right')")
    studio.press("regenerate", "Done")
    assert "pan-right" in studio.page.inner_text("#undo")
    camera = Camera.from_fov(320, 176, 1.0)
    path = make_path("truck-left", camera, 12, SceneScale.before(camera, 3.0))
    write_realestate(tmp_path / "slide.txt", path)
    studio.page.set_input_files("#trajectory input, input[type=file][accept*='.json']", tmp_path / "slide.txt")
    studio.expect("The camera follows")
    studio.press("regenerate", "Done")
    (tmp_path / "wrong.txt").write_text("this is no trajectory\n")
    studio.page.set_input_files("#trajectory input, input[type=file][accept*='.json']", tmp_path / "wrong.txt")
    studio.until("document.querySelector('#message .note').classList.contains('wrong')")


def test_cancel_stops_the_work_and_changes_nothing(studio: Studio, photo: Path):
    studio.open(photo)
    studio.frames(400)
    studio.page.click("#regenerate")
    studio.until("!document.querySelector('#cancel').disabled")
    assert not studio.enabled("regenerate")
    studio.click(0.35, 0.5)  # not taken while something is under way
    studio.page.click("#cancel")
    studio.expect("Cancelled. Nothing was changed.")
    studio.shows_clips("Original")
    assert not studio.enabled("undo")
    studio.frames(9)
    studio.press("regenerate", "Done")


def test_cancel_while_opening_keeps_the_earlier_photo(studio: Studio, photo: Path):
    studio.open(photo)
    before = studio.value()["image"]
    studio.frames(400)
    studio.upload(photo)
    studio.until("!document.querySelector('#cancel').disabled")
    studio.page.click("#cancel")
    studio.expect("Cancelled")
    assert studio.value()["image"] == before
    studio.select_bird()


def test_a_wrong_file_gets_a_message_and_the_session_goes_on(studio: Studio, photo: Path, tmp_path: Path):
    studio.open(photo)
    wrong = tmp_path / "holiday.jpg"
    wrong.write_bytes(b"this is not a picture")
    studio.upload(wrong)
    studio.until("document.querySelector('#message .note').classList.contains('wrong')")
    assert "not a picture" in studio.said()
    torn = tmp_path / "torn.spatia"
    torn.write_bytes(b"PK\x03\x04 nothing")
    studio.upload(torn)
    studio.expect("not a Spatia session")
    assert "Traceback" not in studio.page.inner_text("body")
    studio.select_bird()


def test_two_tabs_do_not_cross(studio: Studio, browser, address: str, photo: Path):
    other = Studio(browser, address)
    studio.open(photo)
    other.open(photo)
    studio.select_bird()
    assert studio.enabled("delete")
    assert not other.enabled("delete")
    studio.press("delete", "gone")
    assert not other.enabled("undo")
    assert studio.value()["image"].split("/")[-2] != other.value()["image"].split("/")[-2]
    other.close()
    assert not other.outside
    assert not other.broken


def test_files_outside_the_session_folder_are_not_served(studio: Studio, address: str, photo: Path):
    studio.open(photo)
    with urllib.request.urlopen(studio.value()["image"]) as answer:
        assert answer.status == 200
    here = Path(__file__).resolve()
    for file in (here, here.parents[2] / "app.py", Path("/etc/passwd")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}gradio_api/file={file}")
        assert refused.value.code in (403, 404)
        refused.value.close()


def test_double_clicks_and_clicks_while_working_do_no_harm(studio: Studio, photo: Path):
    studio.open(photo)
    x, y = studio.at(0.35, 0.5)
    studio.page.mouse.dblclick(x, y)
    studio.expect("is selected")
    studio.settled()
    studio.page.dblclick("#delete")
    studio.expect("gone")
    studio.page.dblclick("#regenerate")
    studio.expect("Done")
    assert "Film" in studio.page.inner_text("#undo")
    studio.press("undo", "Undone: Film")
    studio.press("undo", "Undone: Delete")
    studio.press("undo", "Undone: Selection")


def test_the_downloads_are_what_they_say(studio: Studio, address: str, photo: Path, tmp_path: Path):
    studio.open(photo)
    studio.select_bird()
    studio.press("delete", "gone")
    studio.press("regenerate", "Done")
    files = {}
    for name in ("clip", "pair", "memory", "session"):
        got = studio.download(f"save-{name}")
        files[name] = tmp_path / got.suggested_filename
        got.save_as(files[name])
    assert frames_of(files["clip"]) == 9
    assert frames_of(files["pair"]) == 9
    assert len(read_ply(files["memory"])[0]) > 10_000
    assert files["session"].name == "bird.spatia"
    studio.page.goto("about:blank")
    studio.page.goto(address)
    studio.expect("Open a photo")
    studio.frames(9)
    studio.upload(files["session"])
    studio.expect("The memory is built")
    studio.shows_clips("Original", "Edited")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_narrow_screen_never_scrolls_sideways(browser, address: str, photo: Path, theme: str):
    tab = Studio(browser, address, width=390, theme=theme)

    def wide() -> int:
        return tab.page.evaluate("document.documentElement.scrollWidth")

    assert wide() <= 390
    tab.open(photo)
    tab.select_bird()
    assert wide() <= 390
    tab.press("delete", "gone")
    tab.press("regenerate", "Done")
    tab.page.wait_for_timeout(300)
    assert wide() <= 390
    shot = np.asarray(Image.open(io.BytesIO(tab.page.screenshot())).convert("L"))
    assert (np.median(shot) < 90) == (theme == "dark")
    tab.close()
    assert not tab.outside


def test_the_server_said_nothing_that_looks_like_a_fault(studio: Studio, log: Path):
    said = log.read_text()
    assert "Traceback" not in said
    assert "unexpected error" not in said
