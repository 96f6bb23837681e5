"""Goldens for strftime's directives and flags, by C's library through Python in the locale C.

Run in this folder:  python dates_golden.py
Writes dates.json: rows of seconds since 1970, format and text.
"""
import datetime
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
MOMENTS = [0, 951782399, 951782400, 1709164800, 1735689599, 1735689600, 1230768000, 1261958400, 1293753600, 1325376000,
           1451606400, 1483228799, 1609459199, 1640995200, 4107542400, -1, -2208988800, 1740787200, 1711963445]
NUMBERS, WORDS, COMPOUNDS = "YCymdejuwUWGgVHkIlMS", "BbhAapP", "FTXRDxrc"


def main():
    formats = ["%" + flag + name for name in NUMBERS for flag in ("", "-", "_", "0")]
    formats += ["%" + flag + name for name in WORDS for flag in ("", "^", "#")]
    formats += ["%" + name for name in COMPOUNDS] + ["%n%t%%", "%-d. %B %Y, %-I:%M %p", "%d%", "%Q"]
    rows = []
    for seconds in MOMENTS:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        rows += [[seconds, form, moment.strftime(form)] for form in formats]
    with open(os.path.join(HERE, "dates.json"), "w") as file:
        json.dump(rows, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
