#!/usr/bin/env bash
# The same cached call by three tools, and what the other two make of some harder ones, in one run on one virtual board on a
# pseudo-terminal with 1 ms each way: belay bench, and belay and mpremote from PyPI. Fails if either of them is less than
# 1.5 times as slow, or if the README says of them what is not so. Where there is no Python for it that is a failure in CI,
# and elsewhere a printed line.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
board=
trap '[ -z "$board" ] || { kill "$board" && wait "$board"; } || true; rm -rf "$work"' EXIT

without() {
    echo "left out: $1"
    [ -z "${CI:-}" ]
    exit
}
python3 -m venv "$work/venv" >"$work/log" 2>&1 || without "python3 cannot make a virtual environment: $(tail -n 1 "$work/log")"
"$work/venv/bin/pip" install --quiet belay==0.30.1 mpremote==1.29.0 >"$work/log" 2>&1 ||
    without "pip cannot install the peers: $(tail -n 1 "$work/log")"

cargo build --quiet --locked -p belay-cli
belay=${CARGO_TARGET_DIR:-target}/debug/belay
mkfifo "$work/said"
"$belay" sim "pico?latency=1ms" --pty "$work/board" >"$work/said" &
board=$!
read -r said <"$work/said"
echo "$said"

# The peers' calls carry no checks, so the like of them is a bare call; on a line that may lose bytes ours carry some.
"$belay" bench --quiet --json --port "$work/board?trust=trusted" call >"$work/bare"
"$belay" bench --quiet --json --port "$work/board?trust=verified" call >"$work/checked"
"$work/venv/bin/python" belay-cli/tests/comparison.py "$work/board" "$work/theirs" >"$work/printed"
python3 - "$work" <<'PYTHON'
import json, pathlib, sys

work = pathlib.Path(sys.argv[1])
read = lambda name: [json.loads(line) for line in (work / name).read_text().splitlines()]
theirs = read("theirs")
bare = {"tool": "belay bench, bare call", **read("bare")[0]["call"]}
checked = {"tool": "belay bench, with checks", **read("checked")[0]["call"]}
print(f"{'':26}{'median ms':>10}{'p99 ms':>10}{'bytes out':>10}{'bytes in':>10}{'turns':>7}{'ratio':>7}")
for row in [bare, checked, *(row for row in theirs if "ms_median" in row)]:
    row["ratio"] = row["ms_median"] / bare["ms_median"]
    print(
        f"{row['tool']:26}{row['ms_median']:10.2f}{row['ms_p99']:10.2f}"
        f"{row['bytes_out']:10}{row['bytes_in']:10}{row['turns']:7}{row['ratio']:7.1f}"
    )
    assert "bench" in row["tool"] or row["ratio"] > 1.5, f"{row['tool']} is only {row['ratio']:.1f} times as slow"

# The README's table says no of all of these.
questions = {
    "print": "a task that prints without a line end returns its value",
    "control": "a task that prints \\x04 returns its value",
    "nan": "NaN arrives as NaN",
    "deadline": "an endless loop ends at a deadline, and the next call works",
}
answers = [row for row in theirs if "question" in row]
assert len(answers) == 2 * len(questions), answers
for row in answers:
    print(f"{row['tool']:26}{questions[row['question']]}: {'yes' if row['yes'] else 'no'}")
    assert not row["yes"], "the README's table must be changed"
PYTHON
