"""The pages: what is served, as what, and what is not."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from served_web import serving_web
from web_client import Http, fetch

from catenary_server.transport.web.server import WebSettings

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.transport.front_end import FrontEnd

OUTSIDE = [
    "/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/..%2fsecret.txt", "/..%5csecret.txt",
    "//etc/passwd.txt", "/assets/%00.js", "/....//secret.txt", "/static/../secret.txt", "/assets/none-1234.js",
    "/.hidden", "/link.txt", "/note.md",
]  # fmt: skip
FILES = {
    "/assets/index-B1c2.js": ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    "/assets/style-9f.css": ("text/css; charset=utf-8", "public, max-age=31536000, immutable"),
    "/favicon.svg": ("image/svg+xml", "no-cache"),
}
HTML = "text/html; charset=utf-8"


async def test_every_page_is_the_index_and_is_asked_for_again(url: str, build: Path) -> None:
    for path in ("/", "/index.html", "/runs/42", "/compare?runs=a,b", "/sessions", "/deep/er/page"):
        answer = await fetch(url, path=path)
        assert (answer.status, answer.headers["content-type"]) == (200, HTML)
        assert answer.body == (build / "index.html").read_bytes()
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_page_may_be_named_by_something_with_a_dot(url: str, build: Path) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await fetch(url, path="/runs/model.v1", headers=accept)
    assert (answer.status, answer.body) == (200, (build / "index.html").read_bytes())
    assert (await fetch(url, path="/runs/model.v1", headers={"accept": "*/*"})).status == 404


async def test_a_file_has_its_type_and_one_that_is_named_by_its_content_is_kept_for_ever(url: str) -> None:
    for path, (content_type, caching) in FILES.items():
        answer = await fetch(url, path=path)
        assert answer.status == 200
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (content_type, caching)


async def test_every_answer_keeps_pages_to_themselves(url: str) -> None:
    for path in ("/", "/assets/index-B1c2.js", "/assets/none.js", "/nothing.here"):
        headers = (await fetch(url, path=path)).headers
        policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == policy["form-action"]
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers


async def test_what_is_not_of_the_build_is_not_there(url: str, build: Path) -> None:
    (build / "link.txt").symlink_to(build.parent / "secret.txt")
    (build / ".hidden").write_text("not of the build")
    (build / "note.md").write_text("of no type that a build has")
    for path in OUTSIDE:
        answer = await fetch(url, path=path)
        assert answer.status == 404, path
        assert b"not for everyone" not in answer.body


async def test_text_is_compressed_for_who_takes_it(url: str, build: Path) -> None:
    path, plain = "/assets/index-B1c2.js", (build / "assets/index-B1c2.js").read_bytes()
    zipped = await fetch(url, path=path, headers={"accept-encoding": "br, gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert (gzip.decompress(zipped.body), len(zipped.body) < len(plain)) == (plain, True)
    for refusing in ("identity", "gzip;q=0"):
        answer = await fetch(url, path=path, headers={"accept-encoding": refusing})
        assert answer.body == plain
        assert "content-encoding" not in answer.headers
        assert answer.headers["vary"] == "accept-encoding"


async def test_what_a_browser_has_is_not_sent_again(url: str) -> None:
    async with Http.open(url) as http:
        http.send("GET", "/", {})
        tag = (await http.answer()).headers["etag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}"):
            http.send("GET", "/", {"if-none-match": known})
            answer = await http.answer()
            assert (answer.status, answer.body) == (304, b"")
        http.send("GET", "/", {"if-none-match": '"other"'})
        assert (await http.answer()).status == 200


async def test_head_answers_the_same_without_the_body(url: str) -> None:
    got, asked = await fetch(url), await fetch(url, "HEAD")
    assert (asked.status, asked.body) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"] == str(len(got.body))


async def test_other_methods_are_refused(url: str) -> None:
    for verb in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        answer = await fetch(url, verb)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_checkout_without_a_build_says_how_to_make_one_and_shows_it_once_it_is_made(
    front: FrontEnd, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    async with serving_web(front, WebSettings(assets=folder)) as url:
        for path in ("/", "/runs/42"):
            answer = await fetch(url, path=path)
            assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert b"nox -s web" in answer.body
        assert (await fetch(url, path="/assets/index.js")).status == 404
        folder.mkdir()
        (folder / "index.html").write_text("made")
        assert (await fetch(url)).body == b"made"
        (folder / "index.html").unlink()
        (folder / "index.html").write_text("made anew")
        assert (await fetch(url)).body == b"made anew"
