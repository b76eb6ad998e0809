"""Downloads: from the next mirror when one is dead, never with a wrong checksum, never half a file."""

import gzip
import hashlib
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minigen.data import DownloadError, download, load
from minigen.data.download import Remote, fetch

CONTENT = b"what the file should hold" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A mirror on this machine: serves `server.files`, notes what was asked, and under /cut/ breaks off half-way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802  # the name that http.server wants
            folder, _, name = self.path.rpartition("/")
            httpd.asked.append(self.path)
            body = httpd.files.get(name)
            if body is None or folder == "/dead":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if folder == "/cut" else body)

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.files, httpd.asked = {"f": CONTENT}, []
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True, kwargs={"poll_interval": 0.01})
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join(10)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT", 5)


def test_second_mirror_and_no_second_download(server, tmp_path):
    mirrors = ["http://127.0.0.1:9/", server.url + "/dead/", server.url + "/good/"]
    path = fetch("f", SHA256, mirrors, tmp_path / "new")
    assert path == tmp_path / "new" / "f" and path.read_bytes() == CONTENT
    assert server.asked == ["/dead/f", "/good/f"]
    fetch("f", SHA256, mirrors, tmp_path / "new")
    assert len(server.asked) == 2


@pytest.mark.parametrize("case", ["wrong", "cut", "dead"])
def test_nothing_stays_of_a_failed_download(server, tmp_path, case):
    if case == "wrong":
        server.files["f"] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=f"could not download f .*/{case}/") as caught:
        fetch("f", SHA256, [f"{server.url}/{case}/"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in str(caught.value)


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    (tmp_path / "f").write_bytes(CONTENT[:100])
    assert fetch("f", SHA256, [server.url + "/good/"], tmp_path).read_bytes() == CONTENT


def test_load_downloads_into_the_cache_and_stays_there(server, tmp_path, monkeypatch):
    images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 2, 2) + bytes(range(16))
    labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 4) + bytes(range(4))
    server.files = {
        "train-images-idx3-ubyte.gz": gzip.compress(images),
        "train-labels-idx1-ubyte.gz": gzip.compress(labels),
    }
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in server.files.items()}
    monkeypatch.setitem(download.REMOTES, "mnist", Remote((server.url + "/m/",), sums))
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    for _ in range(2):
        data = load("mnist")
        assert np.array_equal(data.images.ravel(), np.arange(16)) and data.labels.tolist() == [0, 1, 2, 3]
    assert sorted(server.asked) == ["/m/train-images-idx3-ubyte.gz", "/m/train-labels-idx1-ubyte.gz"]
    assert len(list((tmp_path / "mnist").iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_no_mirrors_fault(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"could not make the folder .*file/f for downloads .*MINIGEN_CACHE"):
        fetch("f", SHA256, [server.url + "/good/"], tmp_path / "file" / "f")
    assert not server.asked


def test_every_file_has_mirrors_and_a_checksum():
    for name, remote in download.REMOTES.items():
        assert len(remote.mirrors) >= (1 if name == "binarized-mnist" else 2)
        assert all(mirror.endswith("/") for mirror in remote.mirrors)
        assert all(len(bytes.fromhex(sha)) == 32 for sha in remote.files.values())
