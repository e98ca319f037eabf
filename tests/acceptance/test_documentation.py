"""/docs as a browser gets it: the page, and the files that it loads."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import urllib3

from api.documentation import _STATIC, _swagger_ui
from tests.acceptance.support.stack import Stack


def test_the_page_gets_its_files(stack: Stack) -> None:
    page = f"{stack.api.url}/docs"
    headers = {"Authorization": f"Bearer {stack.api.token}"}
    html = urllib3.request("GET", page, headers=headers, timeout=30).data.decode()
    files = re.findall(r'(?:src|href)="([^"#:]+)"', html)
    assert len(files) >= 3
    for file in files:
        answer = urllib3.request("GET", urljoin(page, file), headers=headers, timeout=30)
        assert answer.status == 200, file
        if "/assets/" in file:
            name = file.rpartition("/")[2]
            known = [folder / name for folder in (_STATIC, _swagger_ui()) if (folder / name).is_file()]
            assert answer.data == known[0].read_bytes(), name
