"""The files that artefacts are built from; `make release` builds the artefacts themselves and runs them."""

import fnmatch
import json
import re
import socketserver
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler
from zipfile import ZipFile

import pytest
import yaml

import heliograph
from support.paths import ROOT

PACKAGING = ROOT / "packaging"


@pytest.fixture
def modules(monkeypatch):
    """Import the programs of packaging/."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    import hacs
    import image
    import sbom

    import release

    yield image, release, sbom, hacs
    for name in ("image", "release", "sbom", "deb", "hacs"):
        sys.modules.pop(name, None)


def locked(name):
    """Return the packages of a lock file, and check that each has a hash."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    return dict(block.split(" ")[0].split("==") for block in blocks)


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_lock_of_artefacts_has_the_versions_that_are_tested(name):
    tested = locked("dev")
    assert {package: tested.get(package) for package in locked(name)} | {"pip": None} == locked(name) | {"pip": None}


def instructions():
    """Return the instructions of the Dockerfile by stage."""
    text = re.sub(r"^#.*\n", "", (PACKAGING / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).strip().splitlines()
    stages = []
    for line in filter(None, lines):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def test_dockerfile_has_a_user_a_volume_and_a_health_check():
    *_, final = instructions()
    found = dict(final)
    assert found["USER"] == "heliograph"
    assert found["VOLUME"] == "/data"
    assert found["ENTRYPOINT"] == '["heliograph"]'
    assert "/healthz" in found["HEALTHCHECK"]
    names = [name for name, _ in final]
    assert names.index("RUN") < names.index("USER")  # nothing is installed by the user
    assert "--uid 10001" in found["RUN"]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (503, 1), (None, 1)])
def test_health_check_fails_without_an_answer_and_for_a_server_error(status, code):
    *_, final = instructions()
    words = json.loads(dict(final)["HEALTHCHECK"].partition("CMD ")[2])
    with socketserver.TCPServer(("127.0.0.1", 0), partial(OneAnswer, status)) as server:
        server.timeout = 20
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        program = words[2].replace("8765", str(server.server_address[1]))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
        thread.join()
    assert done.returncode == code


class OneAnswer(BaseHTTPRequestHandler):
    """Answers with a status, or closes the connection."""

    def __init__(self, status, *connection):
        self.status = status
        super().__init__(*connection)

    def do_GET(self):
        assert self.path == "/healthz"
        if self.status is not None:
            self.send_response(self.status)
            self.end_headers()

    def log_message(self, *_):
        pass


class OneBody(BaseHTTPRequestHandler):
    """Answers with a body."""

    def __init__(self, body, *connection):
        self.body = body
        super().__init__(*connection)

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


def test_dockerfile_installs_locked_packages_from_pinned_images():
    for stage in instructions():
        for name, rest in stage:
            if name == "FROM":
                assert re.fullmatch(r"python:3\.\d+-slim( AS \w+)?", rest)
            for command in re.findall(r"pip (?:install|wheel)[^&]*", rest):
                assert "--require-hashes" in command or "--no-deps" in command
                assert "--no-cache-dir" in command
            assert name not in ("ADD", "MAINTAINER")


def test_dockerfile_copies_only_files_that_the_context_contains():
    patterns = (ROOT / ".dockerignore").read_text("utf-8").split()
    included = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for stage in instructions():
        for name, rest in stage:
            if name == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert (ROOT / source).exists()
                    assert any(fnmatch.fnmatch(source, one) for one in included), source


def test_image_of_make_release_is_configured_like_the_dockerfile(modules):
    *_, final = instructions()
    declared = dict(pair.split("=", 1) for pair in dict(final)["ENV"].split())
    assert {name: value for name, value in modules[0].ENVIRONMENT.items() if name != "PATH"} == {
        name: value for name, value in declared.items() if name != "PATH"
    }
    assert declared["PATH"].startswith("/opt/heliograph/bin:")
    assert modules[0].ENVIRONMENT["PATH"].startswith("/opt/heliograph/bin:")


def test_compose_file_has_a_read_only_root_and_one_volume():
    (service,) = yaml.safe_load((PACKAGING / "compose.yaml").read_text("utf-8"))["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["volumes"] == ["heliograph:/data"]
    assert service["ports"] == ["127.0.0.1:8765:8765"]
    assert (PACKAGING / service["build"]["context"] / service["build"]["dockerfile"]).resolve().exists()


def test_release_workflow_publishes_without_a_stored_password():
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert jobs["index"]["permissions"] == {"id-token": "write"}
    assert not any("password" in step.get("with", {}) for step in jobs["index"]["steps"])
    assert "ubuntu-24.04-arm" in jobs["artefacts"]["strategy"]["matrix"]["runner"]
    text = str(workflow)
    for script in re.findall(r"packaging/\w+\.py|requirements/\w+\.txt|packaging/Dockerfile", text):
        assert (ROOT / script).exists()
    built = {f"{debian}-{runner}" for debian in ("bookworm", "trixie") for runner in ("ubuntu-24.04",)}
    assert jobs["index"]["steps"][0]["with"]["name"] in built


def test_changelog_section_is_the_version_or_what_is_unreleased(modules):
    text = "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.2.0 (2026-01-01)\n\n### Added\n\n- a\n\n## 1.1.0\n\n- b\n"
    section = modules[1].changelog_section
    assert section(text, "1.2.0") == "### Added\n\n- a\n"
    assert section(text, "1.1.0") == "- b\n"
    assert section(text, "2.0.0") == "- new\n"


def test_sbom_names_every_locked_package_with_its_checksums(modules):
    lock = (ROOT / "requirements/runtime.txt").read_text("utf-8")
    document = modules[2].sbom("1.0", "2026-01-01T00:00:00Z", lock)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    components = {one["name"]: one for one in document["components"]}
    assert {name: one["version"] for name, one in components.items()} == locked("runtime")
    assert sum(len(one["hashes"]) for one in components.values()) == lock.count("--hash=")
    assert components["tzdata"]["properties"] == [{"name": "python:marker", "value": "sys_platform == 'win32'"}]
    assert document == modules[2].sbom("1.0", "2026-01-01T00:00:00Z", lock)


def component(root, **changes):
    """Write a minimal integration for Home Assistant."""
    folder = root / "custom_components/heliograph"
    for name in ("translations", "__pycache__"):
        (folder / name).mkdir(parents=True)
    manifest = {
        "domain": "heliograph", "name": "Heliograph", "codeowners": ["@a"], "documentation": "https://a.example",
        "issue_tracker": "https://a.example/i", "version": "1.2.3",
    }  # fmt: skip
    texts = {
        "manifest.json": json.dumps(manifest | changes), "__init__.py": "x = 1\n", "config_flow.py": "",
        "translations/en.json": "{}", "__pycache__/a.pyc": "", "notes.md": "", "py.typed": "",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    (root / "hacs.json").write_text('{"name": "Heliograph", "zip_release": true, "filename": "heliograph.zip"}')
    (root / "dist").mkdir()
    return folder


def test_archive_for_hacs_has_the_files_of_the_integration_at_its_top(modules, tmp_path):
    component(tmp_path)
    assert modules[3].build(tmp_path, "1.2.3", 1_700_000_000) == "heliograph.zip built of 5 files, version 1.2.3"
    path = tmp_path / "dist/heliograph.zip"
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        names = ["__init__.py", "config_flow.py", "manifest.json", "py.typed", "translations/en.json"]
        assert archive.namelist() == names
    before = path.read_bytes()
    modules[3].build(tmp_path, "1.2.3", 1_700_000_000)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "1.2.2"}, "is '1.2.2', not '1.2.3'"),
        ({"domain": "solar"}, "is 'solar', not 'heliograph'"),
        ({"codeowners": []}, "has no codeowners"),
    ],
)
def test_release_stops_at_an_integration_that_hacs_would_reject(modules, tmp_path, changes, why):
    component(tmp_path, **changes)
    with pytest.raises(SystemExit, match=why):
        modules[3].build(tmp_path, "1.2.3", 1_700_000_000)


def test_release_stops_without_the_integration(modules, tmp_path):
    with pytest.raises(SystemExit, match="there is no folder custom_components/heliograph"):
        modules[3].build(tmp_path, "1.2.3", 1_700_000_000)


def test_integration_of_this_repository_fits_the_release(modules):
    folder = ROOT / modules[3].COMPONENT
    if not folder.is_dir():
        pytest.skip(f"{modules[3].COMPONENT} does not exist yet")
    modules[3].check(folder, heliograph.__version__)


def test_wheel_package_and_image_end_with_a_page_that_answers(modules, monkeypatch, tmp_path):
    """Each build calls `check_page`, and its result is part of what `make release` prints."""
    for name in ("deb", "image"):
        text = (PACKAGING / f"{name}.py").read_text("utf-8")
        assert re.search(r"(unpacked|read-only root), \{seen\}", text), name
    assert 'print(f"wheel: {check_page(' in (PACKAGING / "release.py").read_text("utf-8")
    demo = tmp_path / "heliograph"
    demo.write_text('#!/bin/sh\n[ "$1" = --version ] && echo heliograph 1 || echo "Web page: $PAGE"\n')
    demo.chmod(0o755)
    for body, right in ((b"<title>Home</title>", True), (b"not a page", False)):
        with socketserver.TCPServer(("127.0.0.1", 0), partial(OneBody, body)) as server:
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            demo.write_text(
                re.sub(r"\$PAGE|http://\S+/", f"http://127.0.0.1:{server.server_address[1]}/", demo.read_text())
            )
            if right:
                assert "its page answers with 19 characters" in modules[1].check_page([demo], tmp_path / "home")
            else:
                with pytest.raises(SystemExit, match="does not answer with a page"):
                    modules[1].check_page([demo], tmp_path / "home")
            thread.join()


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_package_scripts_are_executable_and_stop_at_the_first_error(name):
    path = PACKAGING / "deb" / name
    assert path.read_text("utf-8").startswith("#!/bin/sh\nset -e\n")
    assert path.stat().st_mode & 0o111 or sys.platform == "win32"
