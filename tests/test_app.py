"""The app over its API: same JSON as Python, every bad film explained, nothing kept."""

from __future__ import annotations

import io
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from served import ROOT, load_app, serve

from fracture import FractureClassifier
from fracture.training.phantom import draw_phantom


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def served(weights, uploads):
    with serve(weights, uploads) as app_and_url:
        yield app_and_url


@pytest.fixture(scope="module")
def url(served) -> str:
    return served[1]


@pytest.fixture(scope="module")
def client(url) -> Client:
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def classifier(weights) -> FractureClassifier:
    return FractureClassifier.from_pretrained(weights)


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _dicom(pixels: np.ndarray) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID = meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation, file.Modality = 0, "DX"
    file.PixelData = (pixels.astype("<u2") << 4).tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file)
    return stream.getvalue()


def _wide_png() -> bytes:
    """A few kilobytes that unpack to 100 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + check

    side = (10_000).to_bytes(4, "big")
    rows = zlib.compress(bytes((1 + 10_000 // 8) * 10_000), 9)
    header = side + side + b"\1\0\0\0\0"
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


FILM = draw_phantom("displaced", 19).pixels
GOOD = {
    "film.png": lambda: _encode(FILM, "png"),
    "film.jpg": lambda: _encode(FILM, "jpeg"),
    "sixteen.png": lambda: _encode(FILM.astype(np.uint16) * 257 + 3, "png"),
    "film.dcm": lambda: _dicom(FILM),
    "IM000001": lambda: _dicom(FILM),  # as on a patient's CD
    "film.txt": lambda: _encode(FILM, "png"),
}
BAD = {
    "empty.png": ("empty_file", lambda: b""),
    "cut.jpg": ("truncated_file", lambda: _encode(FILM, "jpeg")[:9000]),
    "letter.png": ("unsupported_format", lambda: b"Dear doctor"),
    "drawing.svg": ("unsupported_format", lambda: b"<svg xmlns='...'></svg>"),
    "wide.png": ("too_many_pixels", _wide_png),
    "none.tiff": ("no_pixels", lambda: b"II*\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", GOOD)
def test_predict_answers_what_python_answers(name, client, classifier, tmp_path):
    path = tmp_path / name
    path.write_bytes(GOOD[name]())
    answer = client.predict(film=handle_file(path), api_name="/predict")
    assert answer == classifier.predict(path).to_dict()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_film_is_explained_at_once(name, client, tmp_path):
    code, make = BAD[name]
    path = tmp_path / name
    path.write_bytes(make())
    assert path.stat().st_size < 20_000
    start = time.perf_counter()
    with pytest.raises(AppError, match=rf"^[A-Z0-9].*\. \[{code}\]$"):
        client.predict(film=handle_file(path), api_name="/predict")
    assert time.perf_counter() - start < 2


def test_no_film_is_explained(client):
    with pytest.raises(AppError, match=r"choose a file. \[no_film\]"):
        client.predict(film=None, api_name="/predict")


def test_clients_at_the_same_time_get_their_own_answers(client, classifier, tmp_path):
    paths = []
    for seed in range(6):
        paths.append(tmp_path / f"{seed}.png")
        pixels = draw_phantom("hairline", seed, (227, 187)).pixels
        paths[-1].write_bytes(_encode(pixels, "png"))
    jobs = [client.submit(film=handle_file(p), api_name="/predict") for p in paths]
    expected = [p.to_dict() for p in classifier.predict(paths)]
    # A batch of another size may round differently in the last digit.
    for job, want in zip(jobs, expected, strict=True):
        answer = job.result(timeout=30)
        assert answer["probabilities"] == pytest.approx(want["probabilities"], abs=1e-4)
        assert answer["finding"] == want["finding"]


def test_predict_is_the_only_public_endpoint_and_documented(client, url):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == [
        "/predict"
    ]
    paths = httpx.get(f"{url}gradio_api/openapi.json").json()["paths"]
    (documented,) = [
        p["post"] for path, p in paths.items() if path.endswith("/predict")
    ]
    for word in (
        "probabilities",
        "severity",
        "not a medical device",
        "code in brackets",
    ):
        assert word in documented["description"]
    body = documented["requestBody"]["content"]["application/json"]["schema"]
    assert list(body["properties"]) == ["film"]


def test_answers_nothing_about_other_visitors_or_the_server(url, uploads):
    config = httpx.get(f"{url}config").json()
    assert config["analytics_enabled"] is config["run_history"] is False
    assert config["footer_links"] == ["api", "settings"]
    assert config["max_file_size"] == 64 * 2**20
    assert httpx.get(f"{url}monitoring").status_code == 403
    assert httpx.get(f"{url}gradio_api/runs").status_code == 404
    for path in (uploads, ROOT / "app.py", "/etc/passwd"):
        assert httpx.get(f"{url}gradio_api/file={path}").status_code == 403


def test_reads_only_what_was_uploaded(url, weights):
    film = {"path": f"{weights}/config.json", "meta": {"_type": "gradio.FileData"}}
    call = f"{url}gradio_api/call/predict"
    event = httpx.post(call, json={"data": [film]}).json()["event_id"]
    assert httpx.get(f"{call}/{event}").text.startswith(
        'event: error\ndata: {"error": null'
    )


def test_refuses_a_file_over_the_limit(url):
    files = {"files": ("large.png", bytes(64 * 2**20 + 1))}
    assert httpx.post(f"{url}gradio_api/upload", files=files).status_code == 413


def test_the_sweep_leaves_no_file_behind(served, client, uploads, tmp_path):
    app, _ = served
    path = tmp_path / "film.png"
    path.write_bytes(GOOD["film.png"]())
    client.predict(film=handle_file(path), api_name="/predict")
    assert any(file.name == "film.png" for file in uploads.rglob("*"))
    assert app.demo.delete_cache == (3600, 3600)
    delete_files_created_by_app(app.demo, age=None)
    kept = {file.name for file in uploads.rglob("*") if file.is_file()}
    assert kept <= {f"{name}.png" for name in app.TARGETS}  # the examples' thumbnails


def test_the_page_holds_what_python_answers(served, classifier):
    app, _ = served
    film = {"path": ROOT / "examples/displaced.png", "orig_name": "<b>a.png"}
    _, shown, report, *_, where, answer = app.show(film, "displaced", 60)
    assert answer == classifier.predict(film["path"]).to_dict()
    assert answer["summary"] in report
    assert answer["location"] in where
    assert "&lt;b&gt;a.png · PNG, 8 bits, 560 x 681 pixels" in report
    assert "_maps" not in vars(shown)  # or each visitor would cost dozens of MB


def test_a_large_film_is_shown_reduced(served):
    app, _ = served
    pixels = draw_phantom("normal", 3, (1000, 2000)).pixels
    shown = app._fit(app.classifier().predict(pixels))
    assert shown.film.pixels.shape == (800, 1600)


def test_warnings_and_errors_are_escaped(served):
    app, _ = served
    answer = app.classifier().predict(FILM[:200, :200]).to_dict()
    assert "pixels are few" in app.report(answer, "")
    answer["warnings"] = [{"code": "x", "message": "<script>"}]
    assert "&lt;script&gt;" in app.report(answer, "")
    alert = app.show({"path": __file__, "orig_name": "<script>"}, "fracture", 60)[2]
    assert 'role="alert"' in alert
    assert "&lt;script&gt; could not be read" in alert


@pytest.mark.parametrize(
    ("p", "text"),
    [(0, "under 1%"), (0.012, "1%"), (0.5, "50%"), (0.986, "99%"), (1, "over 99%")],
)
def test_no_percentage_claims_certainty(served, p, text):
    assert served[0].percent(p) == text


def test_missing_weights_end_in_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FRACTURE_WEIGHTS", str(tmp_path))
    assert load_app().main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("[weights_missing]\n")
