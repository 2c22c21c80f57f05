"""Root file systems and OCI image layouts, made by hand: no registry, no tool of anybody's."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile

from harness import Skip

ARCHITECTURE = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine())
INDEX = 'application/vnd.oci.image.index.v1+json'
MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
LAYER = 'application/vnd.oci.image.layer.v1.tar'


def busybox():
    """A static one: the smallest toolchain there is."""
    found = shutil.which('busybox')
    if not found or ARCHITECTURE is None:
        raise Skip('no busybox-static to make a root file system of')
    return pathlib.Path(os.path.realpath(found)).read_bytes()


def make_root(folder):
    """A root file system in a folder, of busybox."""
    for name in ('bin', 'usr/bin', 'etc', 'tmp'):
        (folder / name).mkdir(parents=True)
    (folder / 'bin/busybox').write_bytes(busybox())
    (folder / 'bin/busybox').chmod(0o755)
    for name in ('sh', 'ls', 'cat', 'echo', 'id', 'stat', 'readlink', 'test', 'env', 'touch', 'find'):
        (folder / 'bin' / name).symlink_to('busybox')
    (folder / 'etc/os-release').write_text('NAME=tiny\n')
    return folder


def entry(name, content=b'', kind=tarfile.REGTYPE, mode=0o755, link='', uid=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.uid = kind, mode, link, uid
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    info.mtime = 1700000000
    return info, content


def archive(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def base_layer():
    """What a root file system of busybox begins with."""
    links = [entry(f'bin/{name}', kind=tarfile.SYMTYPE, link='busybox')
             for name in ('sh', 'ls', 'cat', 'echo', 'id', 'stat', 'readlink', 'test', 'env', 'touch', 'find')]
    return [entry('./bin/', kind=tarfile.DIRTYPE), entry('./bin/busybox', busybox()), *links,
            entry('usr/bin', kind=tarfile.DIRTYPE), entry('etc/os-release', b'NAME=image\n', mode=0o644)]


def packed(data, packing):
    if packing == 'gzip':
        return gzip.compress(data)
    if packing == 'zstd':
        if not shutil.which('zstd'):
            raise Skip('no zstd to pack a layer with')
        return subprocess.run(['zstd', '-q', '-c'], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class Layout:
    """An OCI image layout in a folder."""

    def __init__(self, folder):
        self.folder = folder
        (folder / 'blobs/sha256').mkdir(parents=True)
        (folder / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')
        self.entries = []

    def blob(self, data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / 'blobs/sha256' / digest).write_bytes(data)
        return {'mediaType': media_type, 'digest': 'sha256:' + digest, 'size': len(data), **more}

    def image(self, layers, architecture=ARCHITECTURE, env=(), tag=None, named=True, **config):
        """`layers`: (entries or bytes, packing). Adds it to the index, and gives the manifest's descriptor."""
        blobs = []
        for entries, packing in layers:
            data = entries if isinstance(entries, bytes) else archive(entries)
            blobs.append(self.blob(packed(data, packing), LAYER + (f'+{packing}' if packing else '')))
        about = {'os': 'linux', 'architecture': architecture, 'config': {'Env': list(env)},
                 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + '0' * 64] * len(blobs)}, **config}
        manifest = {'schemaVersion': 2, 'mediaType': MANIFEST,
                    'config': self.blob(json.dumps(about).encode(), 'application/vnd.oci.image.config.v1+json'), 'layers': blobs}
        found = self.blob(json.dumps(manifest).encode(), MANIFEST,
                          platform={'os': 'linux', 'architecture': architecture},
                          annotations={'org.opencontainers.image.ref.name': tag} if tag else {})
        if named:
            self.entries.append(found)
        self.write()
        return found

    def write(self, entries=None):
        (self.folder / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': entries or self.entries}))
