"""Segment Anything behind the segmenter contract, with a tiny model of random weights."""

import hashlib
import http.server
import sys
import threading
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spatia_core.backends import downloads
from spatia_core.backends.downloads import WeightFile
from spatia_core.backends.protocols import Prompt
from spatia_core.backends.sam_compat import batched_nms, box_area, import_segment_anything
from spatia_core.backends.segment_sam import MODELS, SamModel, SamSegmenter
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from spatia_core.everything import find_things

NO_POINTS = np.empty((0, 2))
NO_SIGNS = np.empty(0, bool)


def tiny_sam():
    sam = import_segment_anything().modeling
    encoder = sam.ImageEncoderViT(
        depth=2,
        embed_dim=32,
        img_size=256,
        mlp_ratio=2,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        num_heads=2,
        patch_size=16,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=(1,),
        window_size=7,
        out_chans=32,
    )
    prompts = sam.PromptEncoder(
        embed_dim=32, image_embedding_size=(16, 16), input_image_size=(256, 256), mask_in_chans=16
    )
    decoder = sam.MaskDecoder(
        num_multimask_outputs=3,
        transformer=sam.TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=2),
        transformer_dim=32,
        iou_head_depth=3,
        iou_head_hidden_dim=32,
    )
    return sam.Sam(encoder, prompts, decoder)


NOWHERE = WeightFile("http://127.0.0.1:9/none.pth", "0" * 64)


def tiny(source=NOWHERE):
    """The table of models, holding the tiny one."""
    return {"vit_b": SamModel(tiny_sam, source)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("sam") / "sam_vit_b_tiny.pth"
    torch.save(tiny_sam().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def photo():
    image = np.full((90, 140, 3), 60, np.uint8)
    image[30:70, 40:90] = (220, 40, 30)
    return image


@pytest.fixture(scope="module")
def sam(weights):
    return SamSegmenter(weights, device="cpu", models=tiny())


@pytest.fixture(scope="module")
def embedding(sam, photo):
    return sam.embed(photo)


def click(*points, **rest):
    return Prompt(np.array([p[:2] for p in points], float), np.array([p[2] > 0 for p in points]), **rest)


@pytest.mark.parametrize(
    "prompt",
    [
        click((60.5, 50.5, 1)),
        click((60.5, 50.5, 1), (5, 5, 0)),
        Prompt(NO_POINTS, NO_SIGNS, (40, 30, 90, 70)),
        click((60.5, 50.5, 1), box=(40, 30, 90, 70)),
        click((60.5, 50.5, 1), previous=np.ones((90, 140), bool)),
    ],
)
def test_every_prompt_gives_three_masks_at_the_pictures_size_best_first(sam, embedding, prompt):
    found = sam.segment(embedding, prompt)
    assert found.masks.shape == (3, 90, 140)
    assert found.masks.dtype == bool
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores >= 0).all()
    assert (found.scores <= 1).all()


def test_masks_equal_those_of_the_packages_own_predictor(sam, embedding, photo, weights):
    model = tiny_sam()
    model.load_state_dict(torch.load(weights, weights_only=True))
    predictor = import_segment_anything().SamPredictor(model.eval())
    predictor.set_image(photo)
    masks, scores, _ = predictor.predict(np.array([[60.5, 50.5]]), np.array([1]))
    order = np.argsort(-scores, kind="stable")
    found = sam.segment(embedding, click((60.5, 50.5, 1)))
    np.testing.assert_array_equal(found.masks, masks[order])
    np.testing.assert_allclose(found.scores, scores[order].clip(0, 1))


def test_an_earlier_mask_changes_what_is_found(sam, embedding):
    without = sam.segment(embedding, click((60.5, 50.5, 1)))
    given = sam.segment(embedding, click((60.5, 50.5, 1), previous=np.zeros((90, 140), bool)))
    assert not np.array_equal(without.scores, given.scores)


def test_two_pictures_do_not_disturb_each_other(sam, embedding, photo):
    before = sam.segment(embedding, click((60.5, 50.5, 1)))
    other = sam.embed(np.ascontiguousarray(photo.transpose(1, 0, 2)))
    assert sam.segment(other, click((20, 20, 1))).masks.shape == (3, 140, 90)
    np.testing.assert_array_equal(sam.segment(embedding, click((60.5, 50.5, 1))).masks, before.masks)


def test_a_safetensors_checkpoint_gives_the_same_masks(sam, embedding, photo, weights, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_file(torch.load(weights, weights_only=True), path)
    other = SamSegmenter(path, device="cpu", models=tiny())
    prompt = click((60.5, 50.5, 1))
    found = other.segment(other.embed(photo), prompt)
    np.testing.assert_array_equal(found.masks, sam.segment(embedding, prompt).masks)


def test_bad_prompts_and_pictures_are_refused(sam, embedding):
    with pytest.raises(InvalidInput, match="outside"):
        sam.segment(embedding, click((140, 20, 1)))
    with pytest.raises(InvalidInput, match="earlier mask"):
        sam.segment(embedding, click((60, 20, 1), previous=np.ones((5, 5), bool)))
    with pytest.raises(InvalidInput, match="no area"):
        sam.segment(embedding, Prompt(NO_POINTS, NO_SIGNS, (10, 10, 10.5, 40)))


def test_a_missing_checkpoint_names_the_file_and_what_works(tmp_path):
    with pytest.raises(BackendUnavailable, match=r"absent\.pth.*'hybrid'"):
        SamSegmenter(tmp_path / "absent.pth")


def test_an_unknown_model_type_names_the_types():
    with pytest.raises(InvalidInput, match="vit_b"):
        SamSegmenter(model_type="vit_x")


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("content", ["pickle", "garbage", "other model"])
def test_a_file_that_is_no_checkpoint_is_refused_and_runs_no_code(content, tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    if content == "garbage":
        path.write_bytes(b"\x00\x01 not a checkpoint")
    else:
        torch.save(Bomb() if content == "pickle" else {"weight": torch.zeros(3)}, path)
    with pytest.raises(BackendUnavailable, match=r"bad\.pth cannot be used"):
        SamSegmenter(path, device="cpu", models=tiny()).embed(photo)
    assert not (tmp_path / "exploded").exists()


def test_everything_can_be_listed_from_one_embedding(sam, embedding):
    things = find_things(sam, embedding, (90, 140), 3, least_score=0.0)
    assert things.masks.shape[1:] == (90, 140)
    assert (np.diff(things.scores) <= 0).all()


def test_stand_ins_for_torchvision_are_withdrawn():
    import_segment_anything()
    assert not any(name.startswith("torchvision") and sys.modules[name].__spec__ is None for name in list(sys.modules))


def test_overlapping_boxes_are_suppressed_within_their_group_only():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30], [0, 0, 10, 10]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert batched_nms(boxes, scores, torch.tensor([0, 0, 0, 1]), 0.5).tolist() == [0, 2, 3]
    assert batched_nms(boxes[:0], scores[:0], torch.tensor([]), 0.5).numel() == 0
    assert box_area(boxes).tolist() == [100, 81, 100, 100]


def test_the_published_files_are_named_with_whole_checksums():
    assert set(MODELS) == {"vit_b", "vit_l", "vit_h", "vit_t"}
    for name, model in MODELS.items():
        assert ("mobile" if name == "vit_t" else name) in model.weights.name
        assert len(bytes.fromhex(model.weights.sha256)) == 32


class FileServer:
    """Serves bytes at every path, with ranges; `cut` ends the first answers after that many bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.cut, self.ranges, self.status = content, None, [], None
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                owner.ranges.append(asked)
                start = int(asked[6:-1]) if asked else 0
                status = owner.status or (206 if asked else 200)
                if start >= len(owner.content) or status >= 400:
                    self.send_error(416 if status < 400 else status)
                    return
                if status == 200:
                    start = 0
                rest = owner.content[start:]
                self.send_response(status)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[: owner.cut])

            def log_message(self, format, *args):
                pass

        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/weights.pth"
        self.thread = threading.Thread(target=partial(self.http.serve_forever, 0.01))
        self.thread.start()

    def file(self, content: bytes | None = None) -> WeightFile:
        return WeightFile(self.url, hashlib.sha256(self.content if content is None else content).hexdigest())

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(weights):
    server = FileServer(weights.read_bytes())
    yield server
    server.stop()


def test_weights_are_downloaded_once_with_progress_and_then_used(server, tmp_path, photo):
    def make():
        return SamSegmenter(device="cpu", models=tiny(server.file()), cache_dir=tmp_path / "c")

    told = []
    first = make()
    first.prepare(lambda share, doing: told.append((share, doing)))
    assert told[-1][0] == 1.0
    assert "weights.pth" in told[-1][1]
    second = make()
    assert second.segment(second.embed(photo), click((60, 50, 1))).masks.shape == (3, 90, 140)
    assert len(server.ranges) == 1
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["weights.pth"]


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    server.cut = 1000
    with pytest.raises(BackendUnavailable, match="what has arrived is kept"):
        downloads.fetch(server.file(), tmp_path)
    assert (tmp_path / "weights.pth.part").stat().st_size == 1000
    assert not (tmp_path / "weights.pth").exists()
    server.cut = None
    assert downloads.fetch(server.file(), tmp_path).read_bytes() == server.content
    assert server.ranges == [None, "bytes=1000-"]


def test_a_server_without_ranges_is_read_from_the_start(server, tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(b"old")
    server.status = 200
    assert downloads.fetch(server.file(), tmp_path).read_bytes() == server.content


def test_a_part_that_is_already_whole_is_checked_and_used(server, tmp_path):
    (tmp_path / "weights.pth.part").write_bytes(server.content)
    assert downloads.fetch(server.file(), tmp_path).read_bytes() == server.content


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(BackendUnavailable, match="SHA-256"):
        downloads.fetch(server.file(b"something else"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_download_keeps_what_arrived(server, tmp_path):
    def stop(share: float, doing: str) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        downloads.fetch(server.file(), tmp_path, stop)
    assert (tmp_path / "weights.pth.part").exists()


@pytest.mark.parametrize("trouble", ["gone", "not found"])
def test_without_the_server_the_message_says_where_to_put_the_file_and_what_works(trouble, server, tmp_path, photo):
    if trouble == "gone":
        source = WeightFile("http://127.0.0.1:9/weights.pth", "0" * 64)
    else:
        server.status, source = 404, server.file()
    sam = SamSegmenter(device="cpu", models=tiny(source), cache_dir=tmp_path)
    with pytest.raises(BackendUnavailable, match=r"put the file at .*weights\.pth.*'hybrid'"):
        sam.embed(photo)


def test_with_downloading_off_nothing_is_asked_for(server, tmp_path, photo):
    sam = SamSegmenter(device="cpu", models=tiny(server.file()), cache_dir=tmp_path, download=False)
    with pytest.raises(BackendUnavailable, match="downloading is off"):
        sam.embed(photo)
    assert server.ranges == []


def test_the_cache_follows_the_desktop_standard(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert downloads.cache_folder() == tmp_path / "spatia-studio"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert downloads.cache_folder().parts[-2:] == (".cache", "spatia-studio")
