"""From voice to voice in a browser, with everything on this machine: models that listen, think and speak, and Chromium.

Run ``python bench/voice/browser.py SOUND``; ``scripts/bench voice`` does. A recorded person asks again and again on the page;
measured there is what lies between their last sound and the agent's first. Prints JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import wave
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from tests.browser.chromium import Page, chromium  # noqa: E402
from tests.e2e.server import API_KEY, Server  # noqa: E402
from turns import HZ, speech  # noqa: E402

from dragoman.kit import pcm  # noqa: E402

_PAGE_HZ = 48_000
_LEAD_SECONDS, _PAUSE_SECONDS = 20.0, 6.0
_SECONDS = 60.0
STAGES = ("vad", "stt", "eou_delay", "llm_ttft", "tts_ttfb", "e2e")
SETTINGS = {"vad.min_silence_duration": "0.25", "min_endpointing_delay": "0.3"}
# Notes when the microphone and the agent begin and end to sound, by one clock; half a second of silence is an end.
METER = """
window.sounds = [];
const watch = (stream, who) => {
  const context = window.clock ??= new AudioContext();
  const node = context.createScriptProcessor(256, 1, 1);
  let last = -1, loud = false;
  node.onaudioprocess = ({ inputBuffer }) => {
    const values = inputBuffer.getChannelData(0), now = context.currentTime;
    const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    if (rms > 0.01) {
      if (!loud) sounds.push({ who, what: "begins", at: now });
      loud = true; last = now;
    } else if (loud && now - last > 0.5) {
      loud = false; sounds.push({ who, what: "ends", at: last });
    }
  };
  context.createMediaStreamSource(stream).connect(node);
  node.connect(context.destination);
};
const listen = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await listen(wanted);
  watch(stream, "person");
  return stream;
};
const Peer = RTCPeerConnection;
window.RTCPeerConnection = class extends Peer {
  constructor(...all) {
    super(...all);
    this.addEventListener("track", ({ track }) => watch(new MediaStream([track]), "agent"));
  }
};
"""


def recorded(sound: Path, target: Path, turns: int) -> float:
    """Writes what the microphone hears; gives its seconds."""
    said = pcm.samples(pcm.resampled(speech(sound).tobytes(), HZ, _PAGE_HZ))
    pause = np.zeros(int(_PAGE_HZ * _PAUSE_SECONDS), dtype=np.int16)
    lead = np.zeros(int(_PAGE_HZ * _LEAD_SECONDS), dtype=np.int16)
    whole = np.concatenate([lead, *[part for _ in range(turns) for part in (said, pause)]])
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_PAGE_HZ)
        file.writeframes(whole.astype("<i2").tobytes())
    return len(whole) / _PAGE_HZ


def between(sounds: list[dict[str, object]]) -> tuple[list[float], int]:
    """Milliseconds from each end of the person's speech to the agent's next sound, and how often none came."""
    found, missed = [], 0
    ends = [float(str(each["at"])) for each in sounds if (each["who"], each["what"]) == ("person", "ends")]
    begins = [float(str(each["at"])) for each in sounds if (each["who"], each["what"]) == ("agent", "begins")]
    for ended in ends:
        after = [begun - ended for begun in begins if 0 < begun - ended < _PAUSE_SECONDS]
        missed += not after
        found += [1000 * after[0]] if after else []
    return found, missed


async def measured(sound: Path, turns: int) -> dict[str, object]:
    """All the figures; the first turn warms up and is left out."""
    named = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", "DRAGOMAN_MODELS__LOCAL__ENABLED": "false"}
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data", named) as server:
        microphone = Path(folder) / "microphone.wav"
        seconds = recorded(sound, microphone, turns + 1)
        async with Page(Path(folder) / "browser", microphone) as page:
            await page.ask("Page.addScriptToEvaluateOnNewDocument", source=METER)
            await page.open(f"{server.base}/playground/")
            for name, value in SETTINGS.items():
                await page.run(f"document.getElementById('fields').elements['{name}'].value = '{value}'; 0")
            await page.run(f"document.getElementById('key').value = '{API_KEY}'; 0")
            await page.run("document.getElementById('transport').value = 'webrtc'; 0")
            await page.run("document.getElementById('call').click(); 0")
            await page.until("!document.getElementById('text').disabled", seconds=_SECONDS)
            ended = "sounds.filter((each) => each.who === 'person' && each.what === 'ends').length"
            await page.until(f"{ended} >= {turns + 1}", seconds=seconds + _SECONDS)
            await asyncio.sleep(_PAUSE_SECONDS)
            sounds = await page.run("sounds")
            heard = await page.run(
                "playground.events.filter((e) => e.type === 'transcript' && e.final).length"
            )
            stages = await page.run("playground.events.filter((e) => e.type === 'metrics')")
    found, missed = between(sounds)
    timed = sorted(found[1:])
    return {
        "browser_turns": len(timed),
        "browser_missed": missed,
        "browser_transcripts": heard,
        "browser_p50_ms": round(statistics.median(timed), 1) if timed else float("inf"),
        "browser_p95_ms": round(timed[min(len(timed) - 1, int(0.95 * len(timed)))], 1)
        if timed
        else float("inf"),
        "browser_stages_ms": {
            name: round(1000 * statistics.median(float(each[name]) for each in stages[1:]), 1)
            for name in STAGES
            if stages[1:]
        },
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--turns", type=int, default=8)
    options = parser.parse_args()
    if chromium() is None:
        raise SystemExit("bench: Chromium is not installed")
    print(json.dumps(asyncio.run(measured(options.sound, options.turns))), flush=True)


if __name__ == "__main__":
    sys.exit(main())
