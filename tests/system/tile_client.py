"""
A reader of C2SP tile logs that shares no line with custody: written from c2sp.org/signed-note, tlog-checkpoint,
tlog-tiles and RFC 6962, with Python's standard library, and the openssl command for Ed25519.
"""
import base64
import hashlib
import pathlib
import struct
import subprocess
import tempfile
import urllib.request

WIDTH = 256
ED25519_SPKI = bytes.fromhex('302a300506032b6570032100')


class Wrong(Exception):
    """What is served is not a log of that key."""


def leaf(entry):
    return hashlib.sha256(b'\0' + entry).digest()


def node(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def tree_hash(hashes):
    if not hashes:
        return hashlib.sha256(b'').digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(tree_hash(hashes[:split]), tree_hash(hashes[split:]))


def number_path(number):
    groups = [f'{number % 1000:03}']
    while number >= 1000:
        number //= 1000
        groups.insert(0, f'x{number % 1000:03}')
    return '/'.join(groups)


def ed25519_holds(public, signature, message):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / 'key').write_bytes(ED25519_SPKI + public)
        (place / 'signature').write_bytes(signature)
        (place / 'message').write_bytes(message)
        return subprocess.run(['openssl', 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', place / 'key', '-rawin',
                               '-in', place / 'message', '-sigfile', place / 'signature'], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0


class Log:
    """`fetch` gives the bytes of a path below the log's prefix."""

    def __init__(self, vkey, prefix):
        self.name, key_id, key = vkey.split('+', 2)
        self.id, key = bytes.fromhex(key_id), base64.b64decode(key, validate=True)
        self.public = key[1:]
        self.prefix = prefix
        if key[0] != 1 or self.id != hashlib.sha256(self.name.encode() + b'\n' + key).digest()[:4]:
            raise Wrong('not an Ed25519 key')

    def fetch(self, path):
        with urllib.request.urlopen(self.prefix + path, timeout=10) as answer:
            return answer.read()

    def checkpoint(self):
        text, _, lines = self.fetch('checkpoint').decode().rpartition('\n\n')
        text += '\n'
        for line in lines.splitlines():
            dash, name, signature = line.split(' ')
            blob = base64.b64decode(signature, validate=True)
            if dash == '\u2014' and name == self.name and blob[:4] == self.id:
                if not ed25519_holds(self.public, blob[4:], text.encode()):
                    raise Wrong('the signature does not hold')
                origin, size, root = text.splitlines()
                if origin != self.name:
                    raise Wrong(f'a checkpoint of {origin}')
                return int(size), base64.b64decode(root, validate=True)
        raise Wrong('no signature by this key')

    def tile(self, level, number, width):
        partial = '' if width == WIDTH else f'.p/{width}'
        data = self.fetch(f'tile/{level}/{number_path(number)}{partial}')
        if level == 'entries':
            entries = []
            while data:
                length, = struct.unpack('>H', data[:2])
                entries.append(data[2:2 + length])
                data = data[2 + length:]
        else:
            entries = [data[at:at + 32] for at in range(0, len(data), 32)]
        if len(entries) != width:
            raise Wrong(f'tile {level}/{number}: {len(entries)} of {width}')
        return entries

    def tiles(self, level, count):
        """All `count` hashes (or entries) of a level, tile by tile."""
        return [one for first in range(0, count, WIDTH)
                for one in self.tile(level, first // WIDTH, min(WIDTH, count - first))]

    def read(self):
        """Every entry, after every tile was computed from those below it and the root from them all."""
        size, root = self.checkpoint()
        entries = self.tiles('entries', size)
        hashes, level = [leaf(entry) for entry in entries], 0
        if tree_hash(hashes) != root:
            raise Wrong('the entries do not give the root')
        while hashes:
            if self.tiles(level, len(hashes)) != hashes:
                raise Wrong(f'level {level} is not what its entries give')
            full = len(hashes) - len(hashes) % WIDTH
            hashes, level = [tree_hash(hashes[at:at + WIDTH]) for at in range(0, full, WIDTH)], level + 1
        return entries
