#!/usr/bin/env bash
# Other people's tools, unchanged, against a virtual board on a pseudo-terminal: mpremote and belay from PyPI connect, run
# code, copy a file there and back, and are timed. Where there is no Python for it that is a failure in CI, and elsewhere a
# printed line.
set -euo pipefail
cd "$(dirname "$0")/../.."
spec=${1:-pico}

work=$(mktemp -d)
board=
trap 'exec 3>&- || true; [ -z "$board" ] || wait "$board" || true; rm -rf "$work"' EXIT

without() {
    echo "left out: $1: $(tail -n 1 "$work/log")"
    [ -z "${CI:-}" ]
    exit
}
python3 -m venv "$work/venv" >"$work/log" 2>&1 || without "python3 cannot make a virtual environment"
"$work/venv/bin/pip" install --quiet mpremote==1.29.0 belay==0.30.1 >"$work/log" 2>&1 || without "pip cannot install the peers"

cargo build --quiet --locked -p belay-sim --example pty
mkfifo "$work/hold" "$work/path"
"${CARGO_TARGET_DIR:-target}/debug/examples/pty" "$spec" <"$work/hold" >"$work/path" &
board=$!
# The board serves until this end is closed.
exec 3>"$work/hold"
read -r port <"$work/path"
echo "== a virtual $spec at $port"

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
expect() {
    local wanted=$1 start got
    shift
    start=$(milliseconds)
    got=$(timeout 30 "$work/venv/bin/mpremote" connect "$port" "$@" | tr -d '\r')
    if ! grep -qF -- "$wanted" <<<"$got"; then
        echo "mpremote $*: expected $wanted, got: $got"
        exit 1
    fi
    echo "mpremote ${*:1:2}: $(($(milliseconds) - start)) ms with the start of Python"
}

expect 42 eval "6 * 7"
expect "MicroPython" exec "import sys; print(sys.version)"
head -c 5000 /dev/urandom >"$work/there"
expect "cp" fs cp "$work/there" :there
expect "5000 there" fs ls
expect "$(sha256sum "$work/there" | cut -d ' ' -f 1)" sha256sum there
expect "cp" fs cp :there "$work/back"
cmp "$work/there" "$work/back"
expect 2 soft-reset eval "1 + 1"
expect "there" fs ls

# A file, because belay looks up the source of its tasks.
cat >"$work/peer.py" <<'PYTHON'
import pathlib, sys, tempfile, time
from belay import Device, PyboardException

def timed(what, run, times=1):
    start = time.perf_counter()
    result = run()
    print(f"belay {what}: {(time.perf_counter() - start) * 1000 / times:.2f} ms")
    return result

device = timed("connect", lambda: Device(sys.argv[1]))
assert device("6 * 7") == 42

@device.task
def read_temp(pin):
    return pin * 2 + 0.5

@device.task
def count(n):
    for i in range(n):
        yield i

assert read_temp(26) == 52.5
timed("task call", lambda: [read_temp(26) for _ in range(100)], 100)
assert list(count(5)) == [0, 1, 2, 3, 4]
try:
    device("1 / 0")
    raise SystemExit("belay: an exception on the board did not arrive")
except PyboardException as error:
    assert "ZeroDivisionError" in str(error)
with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "copied.py").write_text("answer = 42\n" * 100)
    timed("sync of a file", lambda: device.sync(folder))
device("import copied")
assert device("copied.answer") == 42
device.close()
PYTHON
timeout 60 "$work/venv/bin/python" "$work/peer.py" "$port"
echo "== mpremote and belay take it for a board"
