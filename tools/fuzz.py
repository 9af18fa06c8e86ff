"""Damages files of every format that a program reads, and sees what comes of reading them.

    python tools/fuzz.py                       all formats, 200 mutations each (make fuzz)
    python tools/fuzz.py --only idx,mnist.npz --mutations 20
    python tools/fuzz.py --write               the table of docs/reliability.md too

What is allowed: one clear line (UserError or RunError); the same as from the good file; something
else only where the format has no redundancy to notice it by. Anything else is a fault: another
exception, an end of the process, more than 20 seconds of work, more than 2 GB. The mutations are
the same at every call. Reading goes on in a process of its own, made anew when it has died.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

from fuzz_format import ROOT, Format, digest
from fuzz_formats import FORMATS
from fuzz_mutations import mutant

SECONDS = 20.0  # of a processor, for reading one file
WAITING = 120.0  # by the clock: other programs may keep the processors busy
MAKING_SECONDS = 1800.0
MOST_BYTES = 2 * 10**9  # of memory
_WORN_OUT = 12 * 10**8  # of a process that has loaded many graphs: TensorFlow keeps some
OUTCOMES = ("clear", "same", "different", "traceback", "abort", "hang", "memory")
ALLOWED = ("clear", "same")
_COMMAND = (sys.executable, __file__, "--reader")
DOCUMENT = ROOT / "docs" / "reliability.md"
MARKERS = ("<!-- fuzz: begin -->", "<!-- fuzz: end -->")


class Reader:
    """A process that reads files, and is made anew when it has died.

    Args:
      folder: where each format has a folder.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, name: str, seconds: float = SECONDS, waiting: float = WAITING) -> dict[str, str]:
        """{"outcome": ..., "text": ...} of reading the file of a format as it lies there."""
        if self._process and _resident_bytes(self._process.pid) > _WORN_OUT:
            self.close()
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n".encode())
        process.stdin.flush()
        end, most = time.monotonic() + waiting, 0
        busy = _processor_seconds(process.pid) + seconds
        while time.monotonic() < end and _processor_seconds(process.pid) < busy:
            ready = select.select([process.stdout], [], [], 0.02)[0]
            most = max(most, _resident_bytes(process.pid))
            if most > MOST_BYTES:
                self.close()
                return {"outcome": "memory", "text": f"{most} bytes"}
            if ready:
                line = process.stdout.readline()
                if line:
                    return json.loads(line)
                code = process.wait()
                self.close()
                return {"outcome": "abort", "text": f"exit code {code}"}
        self.close()
        return {"outcome": "hang", "text": f"more than {seconds:g} s of work, or {waiting:g} s"}

    def close(self) -> None:
        """Ends the process, and those that it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*_COMMAND, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self._folder,
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is ready: TensorFlow takes seconds
        return process


def _resident_bytes(pid: int) -> int:
    try:
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _processor_seconds(pid: int) -> float:
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def read_forever(folder: pathlib.Path) -> None:
    """The reading process: a name of a format a line in, what came of it a line out."""
    answers = os.fdopen(os.dup(1), "w")
    sys.path.insert(0, str(ROOT))
    os.dup2(2, 1)  # what the programs print is none of it
    from lmvp_tf import runtime

    runtime.prepare()
    runtime.import_tensorflow()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(_read(FORMATS[name], folder / name)), file=answers, flush=True)


def _read(entry: Format, folder: pathlib.Path) -> dict[str, str]:
    from lmvp_tf.errors import RunError, UserError

    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            entry.make(folder)
            _fill(entry, next(folder.glob(entry.file)))
        return {"outcome": "read", "text": digest(entry.read(folder))}
    except (UserError, RunError) as error:
        text = str(error)
        good = "\n" not in text and 0 < len(text) < 2000
        return {"outcome": "clear" if good else "traceback", "text": text[:500]}
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in place if "lmvp_tf" in frame.filename] or place
        where = f"{pathlib.Path(ours[-1].filename).name}:{ours[-1].lineno}"
        reason = " ".join(str(error).split())[:300]
        return {"outcome": "traceback", "text": f"{where} {type(error).__name__}: {reason}"}


def _fill(entry: Format, path: pathlib.Path) -> None:
    if entry.size:
        os.truncate(path, entry.size)


def fuzz(
    entry: Format, mutations: int, reader: Reader, folder: pathlib.Path
) -> collections.Counter[tuple[str, str]]:
    """Reads so many damaged files of a format.

    Returns:
      How often each (outcome, text) was; the text is empty where the outcome is an allowed one.
    """
    good = reader.ask(entry.name, MAKING_SECONDS, MAKING_SECONDS)
    if good["outcome"] != "read":
        return collections.Counter({("traceback", f"the good file: {good['text']}"): mutations})
    path = next((folder / entry.name).glob(entry.file))
    with path.open("rb") as file:
        content = file.read(128 if entry.size else -1)  # a huge one's header
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for i in range(mutations):
        damaged = mutant(content, entry.kind, (zlib.crc32(entry.name.encode()), i))
        path.write_bytes(damaged)
        if len(damaged) >= len(content):
            _fill(entry, path)
        answer = reader.ask(entry.name)
        outcome, text = answer["outcome"], answer["text"]
        if outcome == "read":
            outcome = "same" if text == good["text"] else "different"
        shown = "" if allowed(entry, outcome) else f"{text} (mutation {i})"
        found[outcome, shown] += 1
    path.write_bytes(content)
    _fill(entry, path)
    return found


def allowed(entry: Format, outcome: str) -> bool:
    """Whether an outcome may be, for a format."""
    return outcome in ALLOWED or (outcome == "different" and entry.plain)


def faults(found: collections.Counter[tuple[str, str]]) -> list[str]:
    """A line for each kind of fault, with the first of it."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for outcome, text in found:
        if text:
            kinds.setdefault((outcome, text.partition(": ")[0]), []).append(text)
    return [f"{len(texts)} {outcome}: {texts[0]}" for (outcome, _), texts in kinds.items()]


def table(counts: dict[str, collections.Counter[tuple[str, str]]]) -> str:
    """Markdown: a row a format, a column an outcome."""
    rows = [["format", *OUTCOMES], ["---", *["--:"] * len(OUTCOMES)]]
    for name, found in counts.items():
        sums = collections.Counter[str]()
        for (outcome, _), count in found.items():
            sums[outcome] += count
        rows.append([name, *(str(sums[outcome] or "") for outcome in OUTCOMES)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_table(text: str, mutations: int) -> None:
    """Puts a table between the markers of docs/reliability.md."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    middle = f"{MARKERS[0]}\n{mutations} mutations of each format:\n\n{text}\n{MARKERS[1]}"
    DOCUMENT.write_text(before + middle + after, encoding="utf-8")


def run(
    names: list[str], mutations: int, folder: pathlib.Path
) -> dict[str, collections.Counter[tuple[str, str]]]:
    """`fuzz` of several formats, with the faults printed as they come."""
    reader, counts = Reader(folder), {}
    try:
        for name in names:
            start = time.monotonic()
            counts[name] = fuzz(FORMATS[name], mutations, reader, folder)
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
            for line in faults(counts[name]):
                print(f"  {line}", flush=True)
    finally:
        reader.close()
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--mutations", type=int, default=200)
    parser.add_argument("--only", default=",".join(FORMATS), help="names of formats, a,b,...")
    parser.add_argument("--write", action="store_true", help="the table of docs/reliability.md")
    parser.add_argument("--reader", type=pathlib.Path, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.reader:
        read_forever(flags.reader)
        return 0
    names = flags.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        counts = run(names, flags.mutations, pathlib.Path(folder))
    print(table(counts))
    if flags.write:
        write_table(table(counts), flags.mutations)
    return int(any(text for found in counts.values() for _, text in found))


if __name__ == "__main__":
    sys.exit(main())
