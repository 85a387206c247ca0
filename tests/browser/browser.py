# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser: headless Chromium, driven over its debugging pipe by the standard library alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium listens on descriptor 3 and answers on 4; a process of its own puts them there.
START = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(given), fcntl.F_DUPFD, 20) for given in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
PATIENCE = 60.0
KEYS = {
    "Enter": 13,
    "Escape": 27,
    "Home": 36,
    "End": 35,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


def installed() -> str | None:
    return next((found for found in map(shutil.which, NAMES) if found), None)


class BrowserError(Exception):
    """The browser refused a command, or went away."""


class Browser:
    def __init__(self, program: str, profile: pathlib.Path, reaches: tuple[str, ...] = ()) -> None:
        """A new one, with a profile of its own; of the network it reaches nothing but the hosts named."""
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        options = [
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--disable-gpu",
        ]
        # A page must not find anything of the machine's network that it does not need.
        options += [
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            f"--host-resolver-rules={', '.join(['MAP * ~NOTFOUND', *(f'EXCLUDE {host}' for host in reaches)])}",
        ]
        self._log = (profile.parent / "browser.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(commands), str(answers), program, *options, "about:blank"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(commands)
        os.close(answers)
        self._received = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        with contextlib.suppress(BrowserError, OSError):
            self.command("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for descriptor in (self._commands, self._answers):
            os.close(descriptor)
        self._log.close()

    def command(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error'].get('message')}")
                return dict(answer["result"])
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """The next event of that name that nobody waited for yet."""
        until = time.monotonic() + PATIENCE
        while True:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    self.events.remove(event)
                    return dict(event["params"])
            self.events.append(self._receive(until))

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _writable, _failed = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise BrowserError("the browser does not answer")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise BrowserError("the browser ended")
            self._received += data
        message, self._received = self._received.split(b"\0", 1)
        return dict(json.loads(message))

    def open(self, url: str, **screen: Any) -> Page:
        return Page(self, url, **screen)


class Page:
    """One tab, on a screen of the given size."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        phone: bool = False,
        dark: bool = False,
        script: bool = True,
    ) -> None:
        self.browser = browser
        self._target = browser.command("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.command("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._command(f"{domain}.enable")
        scale = 2 if phone else 1
        self._command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        if phone:
            self._command("Emulation.setTouchEmulationEnabled", enabled=True)
        if not script:
            self._command("Emulation.setScriptExecutionDisabled", value=True)
        self._scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._command("Emulation.setEmulatedMedia", features=self._scheme)
        self._command("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired", self.session)

    def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.command(method, self.session, **parameters)

    def __call__(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self._command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["exception"].get("description", str(answer)))
        return answer["result"].get("value")

    def until(self, expression: str, seconds: int = 30) -> None:
        """Wait for a change of the page that makes an expression true."""
        self(
            f"""new Promise((resolve, reject) => {{
                const end = (settle, answer) => {{ watcher.disconnect(); clearTimeout(patience); settle(answer); }};
                const look = () => {{ if ({expression}) end(resolve); }};
                const watcher = new MutationObserver(look);
                const patience = setTimeout(
                    () => end(reject, new Error("not within {seconds} s; the page shows: " + document.body.innerText)), {seconds * 1000});
                watcher.observe(document, {{attributes: true, characterData: true, childList: true, subtree: true}});
                look();
            }})"""
        )

    def complaints(self) -> list[str]:
        """Errors and warnings of the page: its own, and what the browser refused it."""
        self("0")  # what was said before this answer has arrived by then
        told = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            parameters = event["params"]
            if event["method"] == "Log.entryAdded":
                told.append(parameters["entry"]["text"])
            elif event["method"] == "Runtime.exceptionThrown":
                told.append(parameters["exceptionDetails"]["exception"].get("description", "exception"))
            elif event["method"] == "Runtime.consoleAPICalled":
                told.append(str(parameters["args"]))
        return told

    def requests(self) -> list[str]:
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == "Network.requestWillBeSent"
        ]

    def texts(self, selector: str) -> list[str]:
        """Of the elements that can be seen."""
        found = self(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter((one) => one.checkVisibility() && one.getClientRects().length).map((one) => one.innerText)"
        )
        return [str(text).strip() for text in found]

    def click(self, selector: str) -> None:
        """As a pointer does: in the middle of (the first line of) what is there, whatever lies on top."""
        place = self(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const box = one.getClientRects()[0]; return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        self._command("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
        self._command("Input.dispatchMouseEvent", type="mousePressed", **at)
        self._command("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def press(self, key: str) -> None:
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._command("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self._command("Input.dispatchKeyEvent", type="keyUp", **code)

    def write(self, text: str) -> None:
        self._command("Input.insertText", text=text)

    def media(self, kind: str) -> None:
        self._command("Emulation.setEmulatedMedia", media=kind, features=self._scheme)

    def close(self) -> None:
        self.browser.command("Target.closeTarget", targetId=self._target)

    def screenshot(self, *, whole: bool = False) -> bytes:
        answer = self._command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        answer = self._command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])
