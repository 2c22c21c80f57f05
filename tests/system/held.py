"""Which of many values some bytes hold, however they are written or packed."""
import base64
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import zipfile
import zlib

UNPACKED_BYTES_MAX = 1 << 24
JOINED_BYTES_MAX = 1 << 22
BATCH_FILES = 50
FEW_DIGITS = 8


def unpacked(content):
    """The content, and what it holds compressed."""
    yield content
    for magic, wbits in ((b'\x1f\x8b\x08', 31), (b'\x78\x9c', 15), (b'\x78\x01', 15), (b'\x78\xda', 15)):
        at = content.find(magic)
        while at >= 0:
            try:
                yield zlib.decompressobj(wbits).decompress(content[at:], UNPACKED_BYTES_MAX)
            except zlib.error:
                pass
            at = content.find(magic, at + 1)
    at = content.find(b'\x28\xb5\x2f\xfd')
    while at >= 0 and shutil.which('zstd'):
        done = subprocess.run(['zstd', '-dcq'], input=content[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        yield done.stdout
        at = content.find(b'\x28\xb5\x2f\xfd', at + 1)
    yield from members(content)


def members(content):
    """Of zip archives: their data has no mark of its own."""
    at = content.find(b'PK\3\4')
    if at < 0:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content[at:])) as archive:
            for each in archive.infolist():
                with archive.open(each) as member:
                    yield member.read(UNPACKED_BYTES_MAX)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError):
        pass


def written(value):
    """The ways in which a value may stand somewhere; without UTF-16, for which NULs are taken out of what is searched."""
    raw = value.encode()
    yield raw
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    for form in ('%{:02x}', '%{:02X}', '\\u{:04x}', '\\u{:04X}', '\\x{:02x}'):
        yield ''.join(form.format(byte) for byte in raw).encode()
    yield urllib.parse.quote(value, safe='').encode()
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value)[1:-1].replace('/', '\\/').encode()
    for shift in range(3):  # what of a base64 text is the same, whatever stands around it
        inner = base64.b64encode(b'\0' * shift + raw)[-(shift * -8 // 6):(shift + len(raw)) * 8 // 6]
        yield from {inner, inner.translate(bytes.maketrans(b'+/', b'-_'))}


def stands_alone(form, text):
    """Eight digits are somewhere in a few hundred digests by chance: they count where no digit of a digest is beside them."""
    if len(form) > FEW_DIGITS or not form.isdigit():
        return True
    return re.search(rb'(?<![0-9a-fA-F])' + form + rb'(?![0-9a-fA-F])', text) is not None


class Search:
    """Looks for values in bytes and in files; ends with its `with` block."""

    def __init__(self, values):
        self.of = {form: value for value in values for form in written(value)}
        assert min(map(len, self.of)) >= 6, 'too short to be looked for'
        self.file = tempfile.NamedTemporaryFile(prefix='custody-held-')
        self.file.write(b''.join(form + b'\n' for form in self.of))
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def raw(self, content):
        """{value} in these bytes as they stand."""
        found = set()
        texts = {content, content.replace(b'\0', b'')}  # UTF-16
        if len(content) <= JOINED_BYTES_MAX:
            texts.add(b''.join(content.split()))  # base64 in lines
        for text in texts:
            done = subprocess.run(['grep', '-aoF', '-f', self.file.name], input=text, stdout=subprocess.PIPE, env={'LC_ALL': 'C', 'PATH': '/usr/bin:/bin'})
            assert done.returncode in (0, 1), done
            found |= {self.of[line] for line in done.stdout.splitlines() if stands_alone(line, text)}
        return found

    def within(self, content):
        """{value} in these bytes and in what they hold compressed."""
        return self.raw(b'\n'.join(unpacked(content)))

    def files(self, folder, leave_out=()):
        """({path: {value}}, number of files looked at) below a folder."""
        found, batch, seen = {}, [], 0
        for path in paths_below(folder, leave_out):
            try:
                batch.append((str(path), path.read_bytes()))
            except FileNotFoundError:
                continue  # gone meanwhile
            seen += 1
            if len(batch) == BATCH_FILES:
                self.look(batch, found)
                batch = []
        self.look(batch, found)
        return found, seen

    def look(self, batch, found):
        """Most hold nothing: all at once, and one by one only where some do."""
        if len(batch) > 1 and not self.raw(b'\n'.join(text for _, content in batch for text in unpacked(content))):
            return
        for path, content in batch:
            held = self.within(content)
            if held:
                found[path] = held


def paths_below(folder, leave_out):
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(here, name) not in leave_out]
        for path in (pathlib.Path(here) / name for name in names):
            if path.is_file() and not path.is_symlink() and str(path) not in leave_out:
                yield path
