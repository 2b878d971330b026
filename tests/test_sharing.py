"""The share pack and the shared page: whole, small, marked, and asking nobody for anything."""

import errno
import io
import json
import re
import tomllib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editing.filming import Shot
from editing.panels.downloads import DOWNLOADS, saved
from editing.sharing import AI_EDITED, BUDGET, caption, pack, page, pictures, provenance, write_pack, write_page
from editing.sharing.marks import jpeg, webp
from editing.sharing.provenance import SOURCE_TYPE, VERSION
from editing.trust import Series, Trust
from spatia_core import metrics
from spatia_core.errors import Cancelled, InvalidInput, SpatiaError
from spatia_core.io.files import replacing
from spatia_core.io.video import read_metadata, read_mp4, write_mp4, write_with_metadata
from tests.studio import centre_of_thing, make_session

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SHOT = Shot("truck-right", frames=6, seed=3)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = make_session(tmp_path_factory.mktemp("session"))
    made.click(*centre_of_thing())
    made.delete()
    made.generate(SHOT)
    return made


@pytest.fixture(scope="module")
def packed(session):
    with zipfile.ZipFile(write_pack(session, session.folder / "room-share.zip", NOW)) as z:
        return {i.filename: z.read(i) for i in z.infolist()}


def test_the_pack_holds_everything_to_show(packed):
    assert set(packed) == {
        "edited.mp4",
        "original.mp4",
        "before-after-wipe.mp4",
        "side-by-side.mp4",
        "poster.jpg",
        "preview.webp",
        "caption.txt",
        "provenance.json",
        "index.html",
    }


def test_every_file_of_the_pack_is_marked_as_edited(packed):
    for name, data in packed.items():
        if name.endswith(".mp4"):
            assert AI_EDITED in read_metadata(data)["comment"], name
        elif name.endswith((".jpg", ".webp")):
            with Image.open(io.BytesIO(data)) as picture:
                assert picture.getexif()[0x010E].startswith(AI_EDITED), name
                assert SOURCE_TYPE.encode() in picture.info["xmp"], name
        else:
            assert AI_EDITED in data.decode(), name


def test_the_edited_film_keeps_its_very_pictures(packed, session):
    shown, _ = read_mp4(packed["edited.mp4"])
    filmed, _ = read_mp4(session.state.after.file)
    assert np.array_equal(shown, filmed)


def test_equal_sessions_give_equal_packs(packed, session):
    with zipfile.ZipFile(write_pack(session, session.folder / "again.zip", NOW)) as z:
        assert all(z.read(name) == data for name, data in packed.items())


def test_the_wipe_begins_with_the_original_and_reaches_the_edit(packed, session):
    film, fps = read_mp4(packed["before-after-wipe.mp4"])
    before, after = session.state.before.clip.images, session.state.after.clip.images
    assert len(film) / fps >= pictures.SECONDS
    numbers = pictures.order(len(before), fps)
    middle = len(film) // 2
    for at, wanted, other in ((0, before, after), (middle, after, before), (-1, before, after)):
        seen = film[at][30:]
        likeness = [metrics.psnr(seen, clip[numbers[at]][30:]) for clip in (wanted, other)]
        assert likeness[0] > likeness[1] + 3


def test_a_wipe_shows_the_original_left_of_its_line():
    white, black = np.full((40, 60, 3), 255, np.uint8), np.zeros((40, 60, 3), np.uint8)
    out = pictures.wiped(black, white, 0.25, labels=None)
    assert not out[:, :14].any()
    assert (out[:, 16:] == 255).all()
    assert np.array_equal(pictures.wiped(black, white, 1, labels=None), black)
    assert np.array_equal(pictures.wiped(black, white, 0, labels=None), white)


@pytest.mark.parametrize(("frames", "expected"), [(1, [0] * 8), (3, [0, 1, 2, 1, 0, 1, 2, 1]), (9, list(range(9)))])
def test_short_clips_run_forth_and_back(frames, expected):
    assert pictures.order(frames, fps=4, seconds=2).tolist() == expected


def test_the_poster_shows_the_frame_that_tells_most():
    before = np.zeros((5, 40, 60, 3), np.uint8)
    after = before.copy()
    after[3, 10:30] = 200
    assert pictures.telling_frame(before, after) == 3
    shown = pictures.poster(before, after)
    assert shown.shape[1] == 60
    assert (shown[-18:-10] == 200).all()
    tall = np.zeros((2, 60, 40, 3), np.uint8)
    assert pictures.poster(tall, tall).shape[0] == 60


def test_the_preview_is_small_and_plays_for_ever(packed):
    with Image.open(io.BytesIO(packed["preview.webp"])) as picture:
        assert getattr(picture, "n_frames", 1) > 8
        assert picture.info["loop"] == 0
        assert max(picture.size) <= pictures.PREVIEW_SIDE
    assert len(packed["preview.webp"]) < 500_000


def test_provenance_tells_what_who_and_how(packed):
    told = json.loads(packed["provenance.json"])
    assert told["statement"].startswith(AI_EDITED)
    assert [e["kind"] for e in told["edits"]] == ["delete"]
    assert told["seed"] == 3
    assert told["camera"]["path"] == "truck-right"
    assert told["camera"]["frames"] == 6
    assert told["clips"]["original"]["sha256_of_pixels"] != told["clips"]["edited"]["sha256_of_pixels"]
    assert told["backends"]["generator"]["name"] == "reproject"
    assert "Apache-2.0" in told["backends"]["generator"]["licence"]
    assert told["backends"]["depth"]["licence"]
    assert told["made_at"] == "2026-11-24T09:30:00+00:00"
    assert told["versions"]["numpy"] == np.__version__


def test_provenance_names_no_place_on_this_machine(packed, session):
    for name, data in packed.items():
        assert str(session.folder).encode() not in data, name


def test_foreign_models_tell_their_licences(session):
    class Foreign:
        name = "foreign"
        models = ({"name": "someone/model", "licence": "CC-BY-NC-4.0"},)

    tools = session.tools
    session.tools = replace(tools, turn=replace(tools.turn, generator=Foreign()))
    try:
        told = provenance(session, NOW)
    finally:
        session.tools = tools
    assert told["backends"]["generator"]["models"][0]["licence"] == "CC-BY-NC-4.0"
    assert "own" not in told["backends"]["generator"]["licence"].split()[0]


def test_the_version_is_the_package_s():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_the_caption_says_what_was_done_in_words(packed):
    text = packed["caption.txt"].decode()
    assert "1 thing deleted in room.png" in text
    assert "truck right, 6 frames" in text
    assert "Seed 3" in text


def test_several_edits_are_counted_by_kind(session):
    told = provenance(session, NOW)
    told["edits"] = [told["edits"][0], {"kind": "move"}, told["edits"][0]]
    assert "2 things deleted, 1 thing moved in" in caption(told)


def test_the_page_asks_nobody_for_anything(packed):
    text = packed["index.html"].decode()
    told = re.sub(r"<(pre|script)[ >].*?</\1>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)[^\"']*", told)
    assert "url(" not in told
    assert "@import" not in told
    assert "default-src 'none'" in text


def test_what_a_person_wrote_cannot_become_part_of_the_page(session):
    told = provenance(session, NOW)
    told["photo"]["name"] = "</script><script>alert(1)</script>.png"
    told["prompts"] = ["<img src=x onerror=alert(1)>"]
    odd = Trust((Series("x", "<b>", "<i>", (1.0, 2.0), "<script>alert(2)</script>"),))
    text = page(told, [("Original", "</script>.mp4", b"x")], b"x", odd)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("</script>") == 3


def test_a_page_of_its_own_can_be_written(session):
    file = write_page(session, session.folder / "page.html", NOW)
    text = file.read_text()
    assert text.startswith("<!doctype html>")
    assert 'id="clip-1"' in text


@pytest.fixture(scope="module")
def branched(tmp_path_factory):
    """Clips: 1 original, 2 without the thing, 3 original seen on another path, 4 longer."""
    made = make_session(tmp_path_factory.mktemp("branched"))
    made.generate(SHOT)
    made.click(*centre_of_thing())
    made.delete()
    made.generate(SHOT)
    made.fork(1)
    made.generate(replace(SHOT, path="pan-left"))
    made.generate(replace(SHOT, frames=8))
    return made


def test_any_two_clips_are_packed_as_chosen(branched):
    assert branched.state.after is None  # there is no present pair at all
    with zipfile.ZipFile(write_pack(branched, branched.folder / "two.zip", NOW, chosen=(3, 2))) as z:
        files = {i.filename: z.read(i) for i in z.infolist()}
    for number in (2, 3):
        take = branched.versions[number].take
        (branched.folder / "x.mp4").write_bytes(files[f"clip-{number}.mp4"])
        assert np.array_equal(read_mp4(branched.folder / "x.mp4")[0], read_mp4(take.file)[0])
    told = json.loads(files["provenance.json"])
    assert told["pair"]["says"] == "clip 3 (Original) beside clip 2 (Delete)"
    assert [e["kind"] for e in told["edits"]] == ["delete"]  # of B
    assert set(told["clips"]) == {"clip-2", "clip-3"}
    assert "different camera paths (pan-left and truck-right)" in files["caption.txt"].decode()
    text = files["index.html"].decode()
    assert "Clip 3: Original" in text
    assert "Both clips follow different camera paths" in text
    assert AI_EDITED in text


def test_two_clips_of_one_camera_say_so_and_a_measure_of_another_pair_is_left_out(branched):
    told = provenance(branched, NOW, (1, 2))
    assert told["pair"]["same_camera"]
    assert told["checks"]["outside_psnr_db"] is None
    assert "on the same camera path" in caption(told)


@pytest.mark.parametrize(("a", "b", "says"), [(1, 1, "beside itself"), (1, 9, "no clip 9"), (1, 4, "same length")])
@pytest.mark.parametrize("what", ["pair", "pack", "page"])
def test_clips_that_cannot_be_shown_together_are_refused(branched, what, a, b, says):
    before = set(branched.folder.iterdir())
    with pytest.raises(InvalidInput, match=says):
        saved(branched, what, chosen=(a, b))
    assert set(branched.folder.iterdir()) == before


def test_a_page_and_a_film_of_chosen_clips_are_named_after_them(branched):
    page_ = saved(branched, "page", chosen=(1, 3))
    film = saved(branched, "pair", chosen=(1, 3))
    assert page_.name.endswith("clips-1-and-3.html")
    assert film.name.endswith("clips-1-and-3.mp4")
    assert "Clip 1: Original" in page_.read_text(encoding="utf-8")


def test_without_an_edited_clip_there_is_nothing_to_share(tmp_path):
    plain = make_session(tmp_path / "plain")
    for write in (write_pack, write_page):
        with pytest.raises(InvalidInput, match="no edited clip"):
            write(plain, tmp_path / "x", NOW)
    assert not (tmp_path / "x").exists()


def test_cancelling_leaves_no_file_behind(session):
    def stop(share, doing):
        if share > 0.4:
            raise Cancelled("Stopped.")

    before = set(session.folder.iterdir())
    with pytest.raises(Cancelled):
        write_pack(session, session.folder / "stopped.zip", NOW, stop)
    assert set(session.folder.iterdir()) == before


def test_a_full_disc_is_said_and_nothing_is_lost(session, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    state, before = session.state, set(session.folder.iterdir())
    monkeypatch.setattr(pack, "write_mp4", full)
    with pytest.raises(SpatiaError, match="disc is full"):
        write_pack(session, session.folder / "full.zip", NOW)
    assert session.state is state
    assert set(session.folder.iterdir()) == before


def test_a_full_disc_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write():
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SpatiaError, match=r"a\.txt was not written"):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_films_that_would_be_too_large_are_coded_harder(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 96, 160, 3), dtype=np.uint8)
    sizes = []

    def write(file: Path, crf: int) -> None:
        write_mp4(file, noise, 24, crf=crf)
        sizes.append(file.stat().st_size)

    pack._within(tmp_path / "a.mp4", 40_000, write)
    assert sizes[0] > 40_000 >= sizes[-1]


def test_the_shares_of_the_budget_leave_room_for_the_page():
    # the page holds both clips again; base64 shrinks back to about its bytes in a zip
    whole = sum(pack._SHARES.values()) + pack._SHARES["edited"] + pack._SHARES["original"]
    assert whole * BUDGET + 1_500_000 < BUDGET


def test_notes_of_a_film_can_be_replaced_without_touching_its_pictures(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)
    write_mp4(tmp_path / "a.mp4", frames, 24, {"comment": "old"})
    write_with_metadata(tmp_path / "b.mp4", tmp_path / "a.mp4", {"comment": "new", "provenance": "{}"})
    a, b = read_mp4(tmp_path / "a.mp4"), read_mp4(tmp_path / "b.mp4")
    assert np.array_equal(a[0], b[0])
    assert a[1] == b[1] == 24
    assert read_metadata(tmp_path / "b.mp4")["comment"] == "new"
    with pytest.raises(InvalidInput, match="cannot be read"):
        write_with_metadata(tmp_path / "c.mp4", b"not a film", {})


def test_pictures_say_what_they_are_in_any_language():
    picture = np.zeros((8, 8, 3), np.uint8)
    with Image.open(io.BytesIO(jpeg(picture, "Möwe & <Ei>"))) as shown:
        assert "Möwe &amp; &lt;Ei&gt;" in shown.info["xmp"].decode()
    with Image.open(io.BytesIO(webp([Image.fromarray(picture)] * 2, 8, "x"))) as shown:
        assert shown.getexif()[0x0131].startswith("Spatia Studio")


@pytest.mark.parametrize("name", DOWNLOADS)
def test_every_download_of_the_page_is_written_into_the_session_s_folder(session, name):
    file = saved(session, name)
    assert file.parent == session.folder
    assert file.stat().st_size > 100


def test_a_data_set_never_shows_what_was_taken_away_since(tmp_path):
    made = make_session(tmp_path / "made")
    made.generate(Shot("pan-left", frames=2))
    saved(made, "dataset")
    made.click(*centre_of_thing())
    made.delete()
    with pytest.raises(InvalidInput, match="Press Regenerate"):
        saved(made, "dataset")
