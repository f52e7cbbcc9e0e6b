"""The same work by causetrace, by the Python tool of that name, and by a plain json.loads loop, in turns, as a table.

    python3 -m venv /tmp/compare && /tmp/compare/bin/pip install causetrace==0.3.1
    cargo build --release
    cargo bench -- write /tmp/sessions
    /tmp/compare/bin/python benches/compare/compare.py target/release/causetrace /tmp/sessions

Whole processes, in turns, medians. `BENCH_MB` at `write` sets the size of the large transcript. The Python tool cuts texts at
2,000 characters, keeps no ids and links each event to the one before: it does less for each row than is done here.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
LOOP = """
import json, sys
kinds = {}
for line in open(sys.argv[1], "rb"):
    record = json.loads(line)
    kinds[record["type"]] = kinds.get(record["type"], 0) + 1
print(kinds)
"""


def payload(name):
    """A hook's payload."""
    return json.dumps({
        "session_id": "bench", "transcript_path": "/t.jsonl", "cwd": "/p", "hook_event_name": name,
        "tool_name": "Read", "tool_input": {"file_path": "/x"}, "tool_use_id": "toolu_1",
        "tool_response": {"type": "text", "file": {"content": "y" * 1500}},
    }).encode()


class Tool:
    """A program with a home folder of its own."""

    def __init__(self, command, sessions):
        self.command = command
        self.home = pathlib.Path(tempfile.mkdtemp())
        shutil.copytree(sessions / ".claude", self.home / ".claude")

    def run(self, *args, stdin=b"", command=None):
        """Wall seconds, peak MB and exit code of one run."""
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "COLUMNS": "100"}
        begun = time.perf_counter()
        process = subprocess.Popen([*(command or self.command), *args], env=env, cwd=self.home, stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.stdin.write(stdin)
        process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return time.perf_counter() - begun, used.ru_maxrss / 1000, process.returncode

    def forget(self):
        """Empties the store."""
        shutil.rmtree(self.home / ".causetrace", ignore_errors=True)


def main():
    sessions = pathlib.Path(sys.argv[2])
    ours = Tool([os.path.abspath(sys.argv[1])], sessions)
    peer = Tool([sys.executable, "-m", "causetrace"], sessions)
    loop = Tool([sys.executable, "-c", LOOP], sessions)
    files = sorted((ours.home / ".claude/projects").glob("*/*.jsonl"), key=lambda f: f.stat().st_size)
    small, large = files[0], files[-1]

    def hook(tool):
        if tool is ours:
            return tool.run("hook", stdin=payload("PostToolUse"))
        return tool.run(stdin=payload("PostToolUse"), command=[sys.executable, "-m", "causetrace.hooks.claude_code"])

    def stored(file):
        def run(tool):
            tool.forget()
            return tool.run("import", str(file)) if tool is ours else tool.run("enrich", file.stem, "--save")
        return run

    def read(tool):
        return stored(large)(tool) if tool is ours else tool.run(str(large))

    def shows(name, file):
        return lambda tool: tool.run(name, file.stem)

    sizes = {f: f"{f.stat().st_size / 1e6:.1f} MB" for f in (small, large)}
    head("Python causetrace")
    tell("hook, one payload", in_turns(hook, ours, peer))
    for file in (large, small):
        tell(f"{sizes[file]} into the store", in_turns(stored(file), ours, peer))
        for name in ("stats", "tree"):
            tell(f"  {name} of it", in_turns(shows(name, file), ours, peer))
    head("json.loads loop")
    tell(f"{sizes[large]} read (ours: and stored)", in_turns(read, ours, loop))
    for tool in (ours, peer, loop):
        shutil.rmtree(tool.home)


def in_turns(work, *tools):
    """The median cost of each tool; the exit code of its last run."""
    runs = [[] for _ in tools]
    for _ in range(ROUNDS):
        for tool, costs in zip(tools, runs):
            costs.append(work(tool))
    return [(statistics.median(c[0] for c in costs), statistics.median(c[1] for c in costs), costs[-1][2]) for costs in runs]


def head(other):
    print(f"\n{'':38} {'causetrace':>24} {other:>24}    wall")


def tell(title, costs):
    cells = [f"{wall * 1e3:.1f} ms {peak:6.0f} MB{' failed' if code else ''}" for wall, peak, code in costs]
    print(f"{title:38} {cells[0]:>24} {cells[1]:>24} {costs[1][0] / costs[0][0]:6.0f}×", flush=True)


if __name__ == "__main__":
    main()
