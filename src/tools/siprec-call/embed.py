#!/usr/bin/env python3
"""Writes a C file that holds text files: embed.py OUT.c NAME FILE... -> const struct call_embedded NAME[]."""
import os
import sys


def literal(text):
    for line in text.splitlines(keepends=True):
        quoted = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n")
        yield f'        "{quoted}"'


def main():
    out, name, files = sys.argv[1], sys.argv[2], sorted(sys.argv[3:], key=lambda path: os.path.splitext(path)[0])
    with open(out, "w", encoding="utf-8") as c:
        c.write('#include "tools/siprec-call/embedded.h"\n\n')
        c.write(f"const struct call_embedded {name}[] = {{\n")
        for path in files:
            with open(path, encoding="utf-8") as f:
                text = f.read()
            stem = os.path.splitext(os.path.basename(path))[0]
            c.write(f'    {{"{stem}",\n' + "\n".join(literal(text)) + "},\n")
        c.write("    {0, 0},\n};\n")


main()
