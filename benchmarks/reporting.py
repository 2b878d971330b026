"""What all benchmarks share: honest timing, the machine's name, one JSON line at the end."""

import datetime
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def median_ms(work: Callable[[], object], repeats: int = 15) -> float:
    """Median wall time of `work` in milliseconds, after one call that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def machine() -> dict[str, str]:
    """Processor, core count, Python and date."""
    cpu = platform.processor() or "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        cpu = f"{models[0]}, {len(models)} cores" if models else cpu
    return {"cpu": cpu, "python": platform.python_version(), "date": datetime.date.today().isoformat()}


def finish(figures: dict[str, Any], passed: bool = True) -> None:
    """Prints the figures with the machine as the last line and leaves with 1 when something failed."""
    print(json.dumps(figures | {"machine": machine()}))
    sys.exit(0 if passed else 1)
