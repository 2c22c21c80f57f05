#!/usr/bin/env python3
"""A cell's programs from elsewhere than the host: a root file system in a folder, an OCI image layout. Hostile ones, too."""
import hashlib
import json
import os
import pathlib
import sys
import tarfile

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, main
from images import INDEX, Layout, archive, base_layer, busybox, entry, make_root

DEVICE = tarfile.CHRTYPE


def records(place, done, mechanism):
    return [r for r in place.log('--run', done['run'], '--type', 'cell.enforced') if r.get('mechanism') == mechanism]


def said(done):
    return [line for line in done['stderr'].splitlines() if not line.startswith('custody')]


def cache(place):
    folder = place.home / 'cache/toolchains'
    return sorted(path.name for path in folder.iterdir() if path.name != 'lock') if folder.exists() else []


def a_root_in_a_folder_is_all_there_is():
    place = Place()
    try:
        root = make_root(place.root / 'tiny')
        outside = place.root / 'outside'
        outside.mkdir()
        (outside / 'secret').write_text('host secret\n')
        # Links that would lead to the host, if they were followed there.
        (root / 'etc/ssl').mkdir()
        (root / 'etc/ssl/certs').symlink_to(outside)
        (root / 'etc/alternatives').symlink_to('../../outside')
        (root / 'opt').mkdir()
        (root / 'opt/tool').symlink_to(outside)
        (root / 'opt/own').mkdir()
        (root / 'opt/own/file').write_text('of the root\n')
        (root / 'lib').symlink_to(outside)
        place.policy(f'toolchain: {{ root: {root} }}\n')
        script = ('cat /etc/os-release; ls /usr/bin; cat /opt/own/file; ls /opt; find / -name secret 2>/dev/null; '
                  'touch /bin/x 2>/dev/null && echo WRITTEN; echo new > made; id -u')
        done = place.run('/bin/sh', '-c', script)
        assert done['agent_exit'] == 0 and done['state'] == 'ready', done
        assert said(done)[:2] == ['NAME=tiny', 'of the root'] and 'own' in said(done) and said(done)[-1] == '1000', said(done)
        assert 'secret' not in done['stderr'] and 'WRITTEN' not in done['stderr'] and 'tool' not in said(done), done
        first = records(place, done, 'toolchain-root')
        assert len(first) == 1 and len(first[0]['object']['digest']) == 64, first
        again = records(place, place.run('/bin/sh', '-c', 'true'), 'toolchain-root')
        assert again[0]['object']['digest'] == first[0]['object']['digest']
        (root / 'usr/bin/more').write_text('x')
        other = records(place, place.run('/bin/sh', '-c', 'true'), 'toolchain-root')
        assert other[0]['object']['digest'] != first[0]['object']['digest']
        place.policy(f'toolchain: {{ root: {outside} }}\n')
        done = place.run('/bin/sh', '-c', 'true')
        assert done['agent_exit'] is None and 'toolchain' in done['reasons'] and 'no root file system' in done['stderr'], done
    finally:
        place.close()


def an_image_is_unpacked_once_and_used():
    place = Place()
    try:
        layout = Layout(place.root / 'image')
        upper = [entry('etc/.wh.gone', mode=0o644), entry('data/.wh..wh..opq', mode=0o644), entry('data/new', b'new\n', mode=0o644),
                 entry('lib', kind=tarfile.SYMTYPE, link='usr/lib'), entry('usr/lib', kind=tarfile.DIRTYPE),
                 entry('lib/through', b'through\n', mode=0o644), entry('usr/bin/basename', kind=tarfile.LNKTYPE, link='bin/busybox'),
                 entry('usr/bin/root-only', b'x', mode=0o600), entry('usr/bin/setuid', b'x', mode=0o6755),
                 entry('usr/' + 'ü' * 60 + '/' + 'long' * 40, b'named\n', mode=0o644),
                 entry('usr/null', kind=DEVICE), entry('usr/share/replaced', b'file\n', mode=0o644)]
        lower = base_layer() + [entry('etc/gone', b'x'), entry('data/old', b'old'), entry('data/deep/er', b'old'),
                                entry('usr/share/replaced/folder/x', b'x')]
        made = layout.image([(lower, 'gzip'), (upper, 'zstd'), ([entry('usr/bin/last', b'last\n')], '')],
                            env=['PATH=/bin:/usr/bin:/opt/x/bin', 'TOOL_HOME=/opt/x', 'HOME=/elsewhere', 'HTTP_PROXY=http://x'])
        # The index of an image that was built for several machines, as builders write it.
        other = layout.image([([entry('bin/other', b'x')], '')], architecture='other', named=False)
        odd = {**made, 'platform': {'os': 'unknown', 'architecture': 'unknown'}}
        nested = layout.blob(json.dumps({'schemaVersion': 2, 'manifests': [other, made, odd]}).encode(), INDEX)
        layout.write([nested])
        place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
        look = ('cat /etc/os-release; ls /etc/gone 2>/dev/null; find /usr -name "long*" | busybox wc -l; cat /usr/share/replaced; '
                'cat /lib/through; stat -c %a /usr/bin/setuid; cat /usr/bin/root-only 2>/dev/null; ls /usr/null 2>/dev/null; '
                '/usr/bin/basename /x/hard; cat /usr/bin/last; echo $PATH $TOOL_HOME $HOME "[$HTTP_PROXY]"; touch /usr/x 2>/dev/null && echo WRITTEN')
        done = place.run('/bin/sh', '-c', look + '; true')
        assert done['agent_exit'] == 0, done
        wanted = ['NAME=image', '1', 'file', 'through', '755', 'hard', 'last',
                  '/bin:/usr/bin:/opt/x/bin /opt/x /home/agent []']
        own = ['x'] if os.geteuid() != 0 else []
        assert [line for line in said(done) if line not in own] == wanted, said(done)
        assert 'unpacking' in done['stderr'], done
        digest = made['digest'].split(':')[1]
        assert cache(place) == [digest] and records(place, done, 'toolchain-image')[0]['object']['digest'] == digest
        data = place.home / 'cache/toolchains' / digest / 'root/data'
        assert sorted(os.listdir(data)) == ['new'], os.listdir(data)
        again = place.run('/bin/sh', '-c', 'cat /usr/bin/last')
        assert again['agent_exit'] == 0 and 'unpacking' not in again['stderr'] and 'last' in said(again), again
        # An image that a run uses stays, whatever is asked; later it goes, and is unpacked again.
        under_way = place.start([place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/busybox', 'sleep', '20'])
        place.wait_for_run()
        gone = json.loads(place.custody('runs', 'gc', '--json', '--caches', check=0).stdout)
        assert gone['images'] == 0 and cache(place) == [digest], gone
        under_way.terminate()
        under_way.wait(30)
        assert json.loads(place.custody('runs', 'gc', '--json', check=0).stdout)['images'] == 0
        assert json.loads(place.custody('runs', 'gc', '--json', '--caches', check=0).stdout)['images'] == 1
        assert cache(place) == []
        assert 'unpacking' in place.run('/bin/sh', '-c', 'true')['stderr'] and cache(place) == [digest]
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def which_image_is_for_the_policy_to_say():
    place = Place()
    try:
        layout = Layout(place.root / 'image')
        one = layout.image([(base_layer() + [entry('etc/which', b'one\n')], '')], tag='one')
        two = layout.image([(base_layer() + [entry('usr/bin/which', b'two\n')], '')], tag='two')
        def tried(keys):
            place.policy(f'toolchain: {{ image: {layout.folder}{keys} }}\n')
            return place.run('/bin/sh', '-c', 'cat /usr/bin/which; true')
        done = tried('')
        assert done['agent_exit'] is None and 'more than one image' in done['stderr'], done
        assert 'two' in said(tried(', tag: two'))
        done = tried(', tag: three')
        assert done['agent_exit'] is None and 'no image' in done['stderr'] and 'three' in done['stderr'], done
        assert tried(f', tag: two, digest: "{two["digest"]}"')['agent_exit'] == 0
        done = tried(f', tag: two, digest: "{one["digest"]}"')
        assert done['agent_exit'] is None and 'policy says' in done['stderr'], done
        for keys, why in ((', digest: abc', '64 digits'), (', root: /srv', 'not both')):
            done = tried(keys)
            assert done['exit'] == 3 and why in done['stderr'], done
    finally:
        place.close()


def what_is_damaged_or_tampered_with_is_not_used():
    place = Place()
    try:
        def refused(why, change, layers=None, **more):
            layout = Layout(place.root / f'image-{why.replace(" ", "-")}')
            found = layout.image(layers or [(base_layer(), 'gzip')], **more)
            change(layout, found)
            place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
            done = place.run('/bin/sh', '-c', 'true')
            assert done['agent_exit'] is None and 'toolchain' in done['reasons'] and why in done['stderr'], (why, done)
            assert cache(place) == [], cache(place)

        def blobs(layout, found):
            manifest = json.loads((layout.folder / 'blobs/sha256' / found['digest'][7:]).read_bytes())
            return {'manifest': layout.folder / 'blobs/sha256' / found['digest'][7:],
                    'config': layout.folder / 'blobs/sha256' / manifest['config']['digest'][7:],
                    'layer': layout.folder / 'blobs/sha256' / manifest['layers'][0]['digest'][7:]}

        def flip(which):
            def change(layout, found):
                path = blobs(layout, found)[which]
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
            return change

        nothing = lambda layout, found: None
        refused('holds something else', flip('manifest'))
        for which in ('config', 'layer'):
            layout = Layout(place.root / f'flipped-{which}')
            found = layout.image([(base_layer(), '')])
            flip(which)(layout, found)
            place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
            done = place.run('/bin/sh', '-c', 'true')
            assert done['agent_exit'] is None and cache(place) == [], (which, done)
        refused('not of the size', lambda l, f: blobs(l, f)['layer'].write_bytes(b'short'))
        refused('not version 1.0.0', lambda l, f: (l.folder / 'oci-layout').write_text('{"imageLayoutVersion": "2.0.0"}'))
        refused('duplicate', lambda l, f: (l.folder / 'index.json').write_text('{"schemaVersion": 2, "schemaVersion": 2}'))
        refused('No such file', lambda l, f: blobs(l, f)['layer'].unlink())
        refused('made for', nothing, os='plan9')
        refused('no image for', nothing, architecture='z80')
        refused('no root file system', nothing, layers=[([entry('data/x', b'x')], '')])
        refused('the archive', nothing, layers=[(b'no archive at all' * 100, '')])

        def linked(layout, found):
            layer = blobs(layout, found)['layer']
            (place.root / 'moved').write_bytes(layer.read_bytes())
            layer.unlink()
            layer.symlink_to(place.root / 'moved')
        refused('Too many levels', linked)
    finally:
        place.close()


def a_hostile_archive_stays_below_its_root():
    place = Place()
    try:
        outside = place.root / 'outside'
        outside.mkdir(mode=0o777)
        (outside / 'victim').write_text('untouched\n')
        def tried(name, entries, why=None):
            layout = Layout(place.root / name)
            layout.image([(base_layer(), ''), (entries, '')])
            place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
            done = place.run('/bin/sh', '-c', 'find / -name planted 2>/dev/null; true')
            if why:
                assert done['agent_exit'] is None and why in done['stderr'], (name, done)
            else:
                assert done['agent_exit'] == 0, (name, done)
            assert sorted(os.listdir(outside)) == ['victim'] and (outside / 'victim').read_text() == 'untouched\n', name
            assert not pathlib.Path('/planted').exists()
            return done
        tried('climbs', [entry('usr/../../../../planted', b'x')], 'climbs out')
        tried('absolute', [entry('/planted', b'x')])
        tried('link', [entry('usr/esc', kind=tarfile.SYMTYPE, link=str(outside)), entry('usr/esc/planted', b'x')], 'No such file')
        inside = [entry(str(outside)[1:], kind=tarfile.DIRTYPE)]  # a folder of the same path in the root
        tried('link inside', inside + [entry('usr/esc', kind=tarfile.SYMTYPE, link=str(outside)), entry('usr/esc/planted', b'x')])
        tried('climbing link', inside + [entry('usr/up', kind=tarfile.SYMTYPE, link='../' * 20 + str(outside)[1:]),
                                         entry('usr/up/planted', b'x'), entry('usr/up/victim', b'x')])
        tried('over link', [entry('usr/x', kind=tarfile.SYMTYPE, link=str(outside / 'victim')), entry('usr/x', b'changed')])
        tried('hard link', [entry('usr/h', kind=tarfile.LNKTYPE, link=str(outside / 'victim'))], 'No such file')
        tried('climbing hard link', [entry('usr/h', kind=tarfile.LNKTYPE, link='../' * 30 + 'etc/passwd')], 'climbs out')
        tried('hard link through link', [entry('usr/o', kind=tarfile.SYMTYPE, link=str(outside)),
                                         entry('usr/h', kind=tarfile.LNKTYPE, link='usr/o/victim')], 'No such file')
        tried('gone through link', inside + [entry('usr/o', kind=tarfile.SYMTYPE, link=str(outside)), entry('usr/o/.wh.victim')])
        tried('gone above', [entry('usr/.wh...')], 'no name')
        tried('deep', [entry('/'.join(['d'] * 200), b'x')], 'too long or too deep')
        tried('loop', [entry('usr/l', kind=tarfile.SYMTYPE, link='l'), entry('usr/l/x', b'x')], 'Too many levels')
        tried('device', [entry('usr/disk', kind=tarfile.BLKTYPE), entry('usr/pipe', kind=tarfile.FIFOTYPE)])
        info, content = entry('usr/lies', b'x' * 600)
        data = bytearray(archive([(info, content)]))
        tried_data = bytes(data[:512] + data[512:700])
        layout = Layout(place.root / 'cut')
        layout.image([(base_layer(), ''), (tried_data, '')])
        place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
        assert place.run('/bin/sh', '-c', 'true')['agent_exit'] is None
        # 40 GB that are not there: told by their headers alone.
        huge, _ = entry('usr/huge')
        huge.size = 40 << 30
        layout = Layout(place.root / 'huge')
        layout.image([(base_layer(), ''), (huge.tobuf(tarfile.GNU_FORMAT) + b'\0' * 1024, 'gzip')])
        place.policy(f'toolchain: {{ image: {layout.folder} }}\n')
        done = place.run('/bin/sh', '-c', 'true')
        assert done['agent_exit'] is None and 'more than' in done['stderr'], done
    finally:
        place.close()


if __name__ == '__main__':
    main([a_root_in_a_folder_is_all_there_is, an_image_is_unpacked_once_and_used, which_image_is_for_the_policy_to_say,
          what_is_damaged_or_tampered_with_is_not_used, a_hostile_archive_stays_below_its_root])
