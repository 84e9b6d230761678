"""Reads what tests/shim/powercut.c wrote down and rebuilds the folder as a power cut at any moment would leave it.

Three kinds of ruin, since file systems promise little beyond what was synced:
  strict   only what a sync that had ended covered: bytes by fsync of the file or syncfs, names by fsync of their folder or
           syncfs; all else is as if it had never been
  names    names as they were at the cut, bytes as strict: files that are short or empty
  zeros    names and lengths as they were at the cut, bytes that no sync covered read as zeros"""
import json
import pathlib
import posixpath


class File:
    def __init__(self):
        self.data = bytearray()   # as programs see it
        self.safe = b""           # as on the disk


class World:
    def __init__(self):
        self.names = {".": None}  # path -> File, None for a folder
        self.safe_names = {".": None}
        self.fds = {}             # (pid, fd) -> (path, File)
        self.begun = {}           # (pid, id) -> what a sync will have made safe

    def apply(self, r, data):
        op, pid = r["op"], r["pid"]
        if op == "open":
            path = r["path"]
            if path not in self.names and r["create"]:
                self.names[path] = File()
            file = self.names.get(path)
            if r["truncate"] and file:
                file.data = bytearray()
            self.fds[pid, r["fd"]] = (path, file)
        elif op == "mkdir":
            self.names[r["path"]] = None
        elif op == "unlink":
            self.names.pop(r["path"], None)
        elif op == "rename":
            self.names[r["to"]] = self.names.pop(r["path"])
        elif op == "write":
            file = self.fds[pid, r["fd"]][1]
            file.data.extend(bytes(max(0, r["at"] - len(file.data))))
            file.data[r["at"]:r["at"] + len(data)] = data
        elif op == "truncate":
            file = self.fds[pid, r["fd"]][1]
            del file.data[r["at"]:]
            file.data.extend(bytes(r["at"] - len(file.data)))
        elif op == "syncfs-begin":
            self.begun[pid, r["id"]] = (dict(self.names), {f: bytes(f.data) for f in self.names.values() if f})
        elif op == "fsync-begin":
            path, file = self.fds[pid, r["fd"]]
            if file:
                self.begun[pid, r["id"]] = (None, {file: bytes(file.data)})
            else:
                inside = {p: f for p, f in self.names.items() if p != "." and (posixpath.dirname(p) or ".") == path}
                self.begun[pid, r["id"]] = (path, inside)
        elif op == "syncfs-end":
            names, data = self.begun.pop((pid, r["id"]))
            self.safe_names = names
            for file, safe in data.items():
                file.safe = safe
        elif op == "fsync-end":
            folder, what = self.begun.pop((pid, r["id"]))
            if folder is None:
                for file, safe in what.items():
                    file.safe = safe
            else:
                for path in [p for p in self.safe_names if p != "." and (posixpath.dirname(p) or ".") == folder]:
                    del self.safe_names[path]
                self.safe_names.update(what)

    def rebuild(self, folder, kind):
        """Writes the ruin into an empty folder."""
        folder = pathlib.Path(folder)
        names = self.safe_names if kind == "strict" else self.names
        for path, file in sorted(names.items()):
            # A name whose folder's own name is not on the disk cannot be reached.
            if kind == "strict" and any(str(p) not in names for p in pathlib.PurePosixPath(path).parents):
                continue
            target = folder / path
            if file is None:
                target.mkdir(exist_ok=True)
            elif kind == "zeros":
                target.write_bytes(file.safe[:len(file.data)] + bytes(max(0, len(file.data) - len(file.safe))))
            else:
                target.write_bytes(file.safe)


def read(trace):
    """[(record, bytes)] in order."""
    records, text, at = [], pathlib.Path(trace).read_bytes(), 0
    while at < len(text):
        end = text.index(b"\n", at)
        r = json.loads(text[at:end])
        at = end + 1 + r["len"]
        records.append((r, text[end + 1:at]))
    return records
