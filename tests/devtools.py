"""A page in headless Chromium that real keys are pressed in, over Chromium's own debugging pipe."""

import base64
import json
import os
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

KEYS = {"Tab": ("Tab", 9, ""), " ": ("Space", 32, " "), "Enter": ("Enter", 13, "\r")}
"""Key -> its code, its number, and the character that it types."""


class Page:
    """A page at a width that a window cannot have, such as 400 pixels.

    Args:
        command: Chromium and its flags.
        page: The file to open, or an address.
        width: Of the viewport, in pixels.
        scheme: The reader's choice, "light" or "dark".

    Attributes:
        requests: The addresses that the page asked for so far, in whatever way, as the browser's network log has them.
    """

    def __init__(self, command: list[str], page: Path | str, *, width: int, scheme: str = "light") -> None:
        theirs, ours = os.pipe()
        self._answers, their_answers = os.pipe()
        self._orders, self._rest, self._number, self._session = ours, b"", 0, ""
        self.requests: list[str] = []
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{their_answers}', "bash"]
        self._process = subprocess.Popen(
            [*shell, *command, "--remote-debugging-pipe", "about:blank"],
            pass_fds=(theirs, their_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(their_answers)
        targets = self.send("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Page.enable")
        self.send("Network.enable")
        self.send("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._orders)
        self._process.terminate()
        self._process.wait()
        os.close(self._answers)

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have the browser do something; returns its answer."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._orders, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, script: str, *, seconds: int = 60) -> None:
        """Wait until an expression of JavaScript is true.

        Raises:
            AssertionError: It did not become so; the page's text is told.
        """
        look = f"() => ({script}) ? done(true) : Date.now() > end ? done(false) : setTimeout(look, 50)"
        promise = f"new Promise(done => {{ const end = Date.now() + {1000 * seconds}, look = {look}; look(); }})"
        came = self.send("Runtime.evaluate", expression=promise, returnByValue=True, awaitPromise=True)["result"]
        assert came.get("value") is True, (script, came, self.run("document.body.innerText"))

    def upload(self, selector: str, *files: Path) -> None:
        """Choose files in the `input` that a CSS selector finds, as a dialog would."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve()) for file in files])

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        code, number, text = KEYS[key]
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, *, of: str) -> bytes:
        """What is seen of an element, by its selector, as a PNG."""
        box = f"(({{x, y, width, height}}) => ({{x, y: y + scrollY, width, height}}))({_place(of)})"
        clip = {**self.run(box), "scale": 1}
        shot = self.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            *whole, self._rest = self._rest.split(b"\0")
            for i, text in enumerate(whole):
                message = json.loads(text)
                if message.get("method") in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                    self.requests.append(message["params"].get("url") or message["params"]["request"]["url"])
                if wanted(message):
                    self._rest = b"\0".join([*whole[i + 1 :], self._rest])
                    return message
            assert select.select([self._answers], [], [], 60)[0], "the browser does not answer"
            piece = os.read(self._answers, 2**16)
            assert piece, "the browser has gone"
            self._rest += piece


def _place(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
