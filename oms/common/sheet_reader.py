"""A program of its own that reads the first sheet of a workbook and prints it as JSON lines.

It runs under limits of memory and time, because a workbook of a few kilobytes can unfold to gigabytes: by its
compression, by one cell in the last row of the last column, by cells that repeat a million times.

    python -I sheet_reader.py FILE MAX_ROWS MEMORY_BYTES SECONDS
"""

import datetime
import json
import resource
import sys

NUMBER_IS_EXACT_BELOW = 1e15


def text_of(value: object) -> str:
    """A cell as text. A long number comes out with its exponent: Excel has cut off its digits."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if abs(value) >= NUMBER_IS_EXACT_BELOW:
            return f"{value:.5E}"
        return str(int(value)) if value.is_integer() else str(round(value, 6))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    return str(value).strip()


def main(path: str, max_rows: int, memory: int, seconds: int) -> None:
    """Print a row with its number a line; rows without any text are left out."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    from python_calamine import load_workbook

    sheet = load_workbook(path).get_sheet_by_index(0)
    printed = 0
    for number, row in enumerate(sheet.iter_rows(), 1):  # begins with the sheet's first row, however empty
        cells = [text_of(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            print(json.dumps([number, cells], ensure_ascii=False))
            printed += 1
            if printed > max_rows:
                return


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
