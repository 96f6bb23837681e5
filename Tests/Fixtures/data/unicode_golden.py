"""Makes unicode_golden.json: the code points that str.isspace and str.isdigit accept, as closed ranges.

    python3 unicode_golden.py > unicode_golden.json        (standard library only; made with Python 3.11)
"""
import json
import re
import unicodedata


def ranges(predicate):
    found = []
    for point in range(0x110000):
        if not predicate(chr(point)):
            continue
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


assert ranges(str.isspace) == ranges(re.compile(r"\s").match)
print(json.dumps({"unicode": unicodedata.unidata_version, "space": ranges(str.isspace), "digit": ranges(str.isdigit)}))
