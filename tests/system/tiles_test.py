"""Anyone's tile client reads a custody ledger that is served as static files."""
import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import threading

from harness import Place, Skip, main, run
from tile_client import Log, Wrong

GO_MODULES = pathlib.Path('/usr/share/gocode')  # where Debian's golang-golang-x-mod-dev is


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@contextlib.contextmanager
def served(folder):
    """The folder by HTTP on loopback, as any static web server would."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}/'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def ledger():
    """A ledger of more than two full bundles, by a run that writes many files."""
    place = Place()
    try:
        place.run('sh', '-c', 'for i in $(seq 600); do echo $i >src/$i.txt; done')
        place.verify()
        yield place, (place.home / 'keys/ledger.vkey').read_text().strip()
    finally:
        place.close()


def a_reader_written_from_the_specifications_reads_every_record():
    with ledger() as (place, vkey), served(place.home / 'ledger') as prefix:
        entries = Log(vkey, prefix).read()
        assert len(entries) > 600, len(entries)
        records = [json.loads(entry) for entry in entries]
        assert {record['v'] for record in records} == {'rec/v1'}
        assert sum(record['type'] == 'file.written' for record in records) >= 600
        assert [record['type'] for record in records] == [record['type'] for record in place.log()]


def that_reader_is_not_satisfied_with_anything_else():
    with ledger() as (place, vkey):
        copy = place.root / 'copy'
        partial = max((place.home / 'ledger/tile/1/000.p').iterdir(), key=lambda path: int(path.name))
        for name in ('checkpoint', 'tile/entries/000', 'tile/0/001', f'tile/1/000.p/{partial.name}'):
            shutil.copytree(place.home / 'ledger', copy, ignore=shutil.ignore_patterns('wal', 'state', 'lock'))
            changed = bytearray((copy / name).read_bytes())
            changed[len(changed) // 2] ^= 1
            (copy / name).write_bytes(changed)
            with served(copy) as prefix:
                try:
                    Log(vkey, prefix).read()
                except (Wrong, ValueError):
                    pass
                else:
                    raise AssertionError(f'{name} was changed, and was read')
            shutil.rmtree(copy)


def gos_own_log_packages_read_it():
    if shutil.which('go') is None or not (GO_MODULES / 'src/golang.org/x/mod/sumdb/tlog').is_dir():
        raise Skip('golang-go and golang-golang-x-mod-dev are not installed')
    with ledger() as (place, vkey), served(place.home / 'ledger') as prefix:
        env = {'PATH': os.environ['PATH'], 'HOME': str(place.root), 'GO111MODULE': 'off', 'GOPATH': str(GO_MODULES),
               'GOCACHE': str(place.root / 'cache'), 'GOFLAGS': '', 'CGO_ENABLED': '0'}
        program = place.root / 'tlog_client'
        run(['go', 'build', '-o', program, pathlib.Path(__file__).parent / 'tlog_client/main.go'], env=env, check=0)
        size = int((place.home / 'ledger/checkpoint').read_text().splitlines()[1])
        assert int(run([program, prefix, vkey], check=0).stdout) == size > 600
        other = vkey[:-4] + ('AAA=' if not vkey.endswith('AAA=') else 'BBB=')
        assert run([program, prefix, other]).returncode != 0


if __name__ == '__main__':
    main([a_reader_written_from_the_specifications_reads_every_record, that_reader_is_not_satisfied_with_anything_else,
          gos_own_log_packages_read_it])
