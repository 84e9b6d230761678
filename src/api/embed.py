"""Writes a file's bytes as a C array. Use: embed.py NAME INPUT OUTPUT."""
import sys

name, source, target = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
with open(target, "w", encoding="ascii") as out:
    out.write("#include <stddef.h>\n")
    out.write(f"extern const char {name}_text[];\nextern const size_t {name}_size;\n")
    out.write(f"const size_t {name}_size = {len(data)};\nconst char {name}_text[] = {{\n")
    for at in range(0, len(data), 20):
        out.write(",".join(str(b if b < 128 else b - 256) for b in data[at:at + 20]) + ",\n")
    out.write("0};\n")
