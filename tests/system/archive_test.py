"""Old records move to an archive and expire there; every proof goes on to work. The clock is a preloaded one."""
import calendar
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

from harness import Place, Skip, free_port, main, run, wait_for_port, wait_until_free

VERIFY = os.path.abspath(os.environ.get('CUSTODY_VERIFY', 'build/custody-verify'))
DAY = 86400
BEGIN = calendar.timegm((2030, 1, 10, 12, 0, 0))


class Later(Place):
    """A place whose programs believe that it is `now`."""

    now = BEGIN

    def clock(self):
        late = os.environ.get('CUSTODY_LATE')
        if late is None:
            raise Skip('a sanitized program takes no preloaded clock')
        return {'LD_PRELOAD': late, 'LATE': str(int(self.now - time.time()))}

    def custody(self, *words, env=None, **more):
        return super().custody(*words, env={**self.clock(), **(env or {})}, **more)

    def append(self, count, run_id='r1'):
        """Records, written as core would: over the daemon's socket."""
        hold = self.hold('--run', 'r0', linger=5000)
        record = json.dumps({'object': {'path': f'src/{"x" * 60}.c'}, 'run': run_id, 'type': 'file.read'},
                            sort_keys=True, separators=(',', ':')).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as core:
            core.connect(str(self.home / 'ledger.sock'))
            core.settimeout(30)
            assert core.recv(1000)[:1] == b'h'
            for _ in range(count):
                core.send(b'r' + record)
            core.send(b'c' + struct.pack('>Q', 7))
            assert core.recv(1000) == b'o' + struct.pack('>Q', 7)
        self.release(hold)
        self.wait_for_end()
        return self.size()

    def hold(self, *about, linger=300):
        done = self.custody('hold', 'place', '--as', 'maria', '--reason', 'litigation', *about, '--json',
                            env={'CUSTODY_LEDGER_LINGER_MS': str(linger)}, check=0)
        return json.loads(done.stdout)['hold']

    def release(self, hold, check=0):
        return self.custody('hold', 'release', hold, '--as', 'tom', '--key', self.keys['tom'], '--reason', 'settled',
                            check=check)

    def wait_for_end(self):
        wait_until_free(self.home / 'ledger/lock')

    def size(self):
        return int((self.home / 'ledger/checkpoint').read_text().splitlines()[1])

    def archive(self, *words, check=0, to=True):
        self.wait_for_end()  # a daemon of an earlier day would write that day into its records
        self.now += 60  # and each program's clock begins anew
        target = ('--to', self.cold) if to else ()
        return self.custody('archive', *target, *words, check=check)

    def bundles(self):
        folder = self.home / 'ledger/tile/entries'
        return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())

    def files(self):
        return sorted(path for path in self.cold.glob('*/*') if path.suffix == '.zst')

    def auditor(self, *words, check=None):
        """custody-verify, on the files alone."""
        return json.loads(run([VERIFY, self.home / 'ledger', '--key', self.home / 'keys/ledger.vkey', '--json', *words],
                              check=check).stdout)


@contextlib.contextmanager
def later(records=3100, **more):
    place = Later(**more)
    place.cold = place.root / 'cold'
    place.cold.mkdir()
    try:
        if records:
            place.append(records)
        yield place
    finally:
        place.close()


def old_records_move_and_everything_goes_on_to_work():
    with later() as place:
        size = place.size()
        before = {name: (place.home / 'ledger/tile/entries' / name).read_bytes() for name in place.bundles()}
        used = int(run(['du', '-s', '-B1', place.home / 'ledger']).stdout.split()[0])
        place.now += 80 * DAY
        assert 'nothing is old enough' in place.archive().stdout
        assert place.bundles()[:2] == ['000', '001'] and not place.files()
        place.now += 20 * DAY
        dry = json.loads(place.archive('--dry-run', '--json').stdout)
        assert dry[-1]['records'] > 2500 and not place.files(), dry
        row = json.loads(place.archive('--json').stdout)[-1]
        assert row['records'] == dry[-1]['records'] == 256 * (size // 256 - 1), (row, size)
        place.wait_for_end()
        # The first and the unfinished last bundle stay; the disk has got free what the record says.
        assert place.bundles()[0] == '000' and '001' not in place.bundles(), place.bundles()
        freed = used - int(run(['du', '-s', '-B1', place.home / 'ledger']).stdout.split()[0])
        assert freed > row['freed_bytes'] * 0.8 > 500_000, (freed, row)
        assert row['archive_bytes'] < row['freed_bytes'] / 2, row
        # What the archive holds is the bundles, for anybody's zstd; sums for anybody's sha256sum.
        folder = place.files()[0].parent
        run(['sha256sum', '-c', '--strict', *folder.glob('*.sum')], cwd=folder, check=0)
        if shutil.which('zstd'):
            plain = subprocess.run(['zstd', '-dc', *place.files()], check=True, stdout=subprocess.PIPE).stdout
            assert plain == b''.join(before[f'{bundle:03}'] for bundle in range(1, size // 256))
        # Verified from the records' bytes with the archive; without it, it says what it could not.
        own = place.verify()
        assert own['archived'] == row['records'] and own['result'] == 'holds', own
        assert place.auditor('--archive', place.cold, check=0)['archived'] == row['records']
        alone = place.auditor(check=2)
        assert any(f'records 256 to {255 + row["records"]} are archived' in text for text in alone['problems']), alone
        assert len(alone['problems']) == 1, alone
        # Proofs and the log.
        proof, record = place.root / 'proof', place.root / 'record'
        place.custody('prove', '1000', '--out', proof, '--record', record, check=0)
        place.custody('prove', '--from', '300', check=0)
        run([VERIFY, '--proof', proof, '--record', record, '--key', place.home / 'keys/ledger.vkey'], check=0)
        assert len(place.log('--type', 'file.read')) == 3100
        moved = place.log('--type', 'archive.moved')
        assert [(row['outcome'], row['object']['first'], row['object']['end']) for row in moved] == \
            [('intended', 256, 256 + row['records']), ('ok', 256, 256 + row['records'])], moved
        manifest = next(folder.glob('*.sum')).read_bytes()
        assert moved[0]['object']['digest'] == hashlib.sha256(manifest).hexdigest()
        # Again: it goes on where it was.
        assert 'nothing is old enough' in place.archive().stdout
        place.append(1000)
        place.now += 100 * DAY
        place.archive()
        assert len(place.files()) == 2 and place.verify()['archived'] > 3500


def what_makes_no_sense_is_refused():
    with later(600) as place:
        place.now += 100 * DAY
        for words, why in ((('--keep', '30'), '90 to'), (('--keep', 'x'), '90 to'), (('--expire', '--keep', '90'), '--keep')):
            assert why in place.archive(*words, check=3).stderr
        assert 'lies in the state folder' in place.custody('archive', '--to', place.home / 'ledger', check=3).stderr
        place.custody('archive', check=3)
        assert place.custody('archive', '--to', place.root / 'nowhere').returncode in (2, 3)
        assert 'never expire' in place.archive('--expire', check=3).stderr
        assert 'same file system' in place.archive().stderr
        other = place.root / 'other'
        other.mkdir()
        place.append(600)
        place.now += 100 * DAY
        assert 'go on there' in place.custody('archive', '--to', other).stderr


def a_ledger_that_does_not_hold_is_not_archived():
    with later(900) as place:
        path = place.home / 'ledger/tile/entries/001'
        data = bytearray(path.read_bytes())
        at = data.find(b'"path":"src/') + 14
        data[at] ^= 1
        path.write_bytes(data)
        place.now += 100 * DAY
        refused = place.archive(check=3)
        assert 'does not hold' in refused.stderr and not place.files(), refused
        assert '001' in place.bundles()


def a_damaged_archive_is_named_exactly():
    with later() as place:
        place.now += 100 * DAY
        place.archive()
        place.wait_for_end()
        cold = place.files()[0]
        cold.chmod(0o644)
        whole = cold.read_bytes()

        def said(data, result):
            if data is None:
                cold.unlink()
            else:
                cold.write_bytes(data)
            report = place.auditor('--archive', place.cold)
            assert report['result'] == result, report
            return ' '.join(report['problems'])

        assert said(whole, 'holds') == ''
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 4
        assert f'{cold.name}: bundle' in said(flipped, 'tampering')
        assert cold.name in said(whole[:-1], 'tampering')
        assert cold.name in said(whole[:5], 'tampering')
        assert cold.name in said(whole + b'x', 'tampering')
        assert cold.name in said(b'', 'tampering')
        # A bomb: a frame that says 16 MiB and has 4 GiB of zeros behind a lying table.
        if shutil.which('zstd'):
            bomb = subprocess.run(['zstd', '-c', '--ultra', '-22', '--size-hint=4294967295'], input=bytes(64 << 20),
                                  check=True, stdout=subprocess.PIPE).stdout
            count = struct.unpack('<I', whole[-9:-5])[0]
            table = struct.pack('<II', 0x184D2A5E, count * 8 + 9) + struct.pack('<II', len(bomb), 16 << 20) + \
                bytes(8 * (count - 1)) + struct.pack('<IBI', count, 0, 0x8F92EAB1)
            assert cold.name in said(bomb + table, 'tampering')
        assert 'the archive has them not' in said(None, 'incomplete')
        # Another ledger's bundles under these names: frames are whole, records are not these.
        frames, at = [], 0
        count = struct.unpack('<I', whole[-9:-5])[0]
        sizes = [struct.unpack('<II', whole[len(whole) - 9 - 8 * (count - i):][:8]) for i in range(count)]
        for packed, _ in sizes:
            frames.append(whole[at:at + packed])
            at += packed
        frames[2], frames[3], sizes[2], sizes[3] = frames[3], frames[2], sizes[3], sizes[2]
        swapped = b''.join(frames) + whole[at:at + 8] + b''.join(struct.pack('<II', *pair) for pair in sizes) + whole[-9:]
        assert 'is not what its records give' in said(swapped, 'tampering')
        done = place.custody('prove', '1000')
        assert done.returncode != 0 and 'does not hold' in done.stderr, done
        cold.write_bytes(whole)
        copy = cold.with_name('bundles-000000000002-000000000002.zst')
        copy.write_bytes(whole)
        assert copy.name in ' '.join(place.auditor('--archive', place.cold, check=1)['problems'])
        copy.unlink()
        # A bundle that no record speaks of is a missing file, archive or not.
        (place.home / 'ledger/tile/entries/000').unlink()
        report = place.auditor('--archive', place.cold, check=2)
        assert report['problems'] == ['tile/entries/000 is missing'], report


def a_damaged_copy_deletes_nothing():
    """Between copy and deletion each record is read back: here the archive's files are bad already."""
    with later(900) as place:
        place.now += 100 * DAY
        names = place.bundles()
        place.archive()
        place.wait_for_end()
        cold = place.files()[0]
        cold.chmod(0o644)
        data = bytearray(cold.read_bytes())
        saved = place.root / 'saved'
        shutil.copytree(place.home, saved, ignore=shutil.ignore_patterns('*.sock*'))
        # Back to before the deletion, with the archive's copy damaged.
        place.append(300)
        data[100] ^= 1
        cold.write_bytes(data)
        place.now += 100 * DAY
        refused = place.archive(check=3)
        assert cold.name in refused.stderr and names[0] in place.bundles(), refused
        assert '003' in place.bundles() or '004' in place.bundles()


def killed_at_any_step_it_goes_on():
    if run(['strace', '-o', '/dev/null', 'true']).returncode != 0:
        raise Skip('strace is missing, or may not trace here')
    with later(1500) as place:
        place.now += 100 * DAY
        pristine = place.root / 'pristine'
        shutil.copytree(place.home, pristine, ignore=shutil.ignore_patterns('*.sock*'))
        killed = 0
        for call in ('renameat', 'fsync', 'unlinkat', 'sendmsg,sendto', 'write', 'mkdirat'):
            for when in range(1, 40):
                shutil.rmtree(place.home)
                shutil.copytree(pristine, place.home)
                shutil.rmtree(place.cold)
                place.cold.mkdir()
                env = {**place.env, **place.clock()}
                done = run(['strace', '-qq', '-o', '/dev/null', '-E', f'LD_PRELOAD={env["LD_PRELOAD"]}', '-e', f'trace={call}', '-e',
                            f'inject={call}:signal=KILL:when={when}', place.program, 'archive', '--to', place.cold],
                           env={key: value for key, value in env.items() if key != 'LD_PRELOAD'})
                place.wait_for_end()
                # Nothing is lost: with what is there now, all records are.
                report = place.auditor('--archive', place.cold)
                assert report['result'] == 'holds', (call, when, report)
                if done.returncode == 0:
                    break
                killed += 1
                assert done.returncode in (-9, 137), done
                place.archive()
                place.wait_for_end()
                report = place.auditor('--archive', place.cold)
                assert report['result'] == 'holds' and report['archived'] >= 1024, (call, when, report)
                assert not list(place.cold.glob('*/*.new')), (call, when)
        print(f'# killed {killed} times', flush=True)
        assert killed > 15, killed


@contextlib.contextmanager
def volume(place, size):
    target = place.root / 'volume'
    target.mkdir()
    if os.geteuid() != 0 or run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', target]).returncode != 0:
        raise Skip('mounting a small file system needs root')
    try:
        yield target
    finally:
        run(['umount', target])


def a_full_and_a_read_only_volume_delete_nothing():
    with later() as place:
        place.now += 100 * DAY
        names = place.bundles()
        with volume(place, '64k') as target:
            place.cold = target
            full = place.archive(check=None)
            assert full.returncode == 1 and 'No space left' in full.stderr, full
            assert set(names) <= set(place.bundles()) and not place.files()
            run(['mount', '-o', 'remount,ro', target], check=0)
            refused = place.archive(check=None)
            assert refused.returncode not in (0, 1) and 'Read-only' in refused.stderr, refused
            assert set(names) <= set(place.bundles())
            run(['mount', '-o', 'remount,rw,size=64m', target], check=0)
            done = place.archive()
            assert 'same file system' not in done.stderr, done
            assert place.verify()['archived'] > 2500
            # Not mounted: newer records are there, older ones are said to be missing.
            place.wait_for_end()
            run(['umount', target], check=0)
            assert place.verify(check=2)['archived'] == 0
            old = place.custody('prove', '1000')
            assert old.returncode != 0 and 'archived' in old.stderr, old
            place.custody('prove', str(place.size() - 1), check=0)
            partly = place.custody('log', '--json')
            assert partly.returncode == 2 and 'records 256 to' in partly.stderr, partly.stderr
            held = place.custody('hold', 'list')
            assert held.returncode != 0 and 'cannot be read' in held.stderr, held


def expired_records_go_and_the_ledger_still_holds():
    with later(900, policy_extra='retention: { profile: hipaa }\n') as place:
        place.now += 100 * DAY
        place.archive()
        moved = place.verify()['archived']
        place.now = BEGIN + 6 * 365 * DAY
        assert 'nothing is old enough' in place.archive('--expire', to=False).stdout
        place.now = BEGIN + 2195 * DAY
        dry = json.loads(place.archive('--expire', '--dry-run', '--json', to=False).stdout)
        assert sum(row['records'] for row in dry) == moved and len(place.files()) == 1, dry
        place.archive('--expire', to=False)
        assert not place.files()
        report = place.verify()
        assert report['result'] == 'holds' and report['expired'] == moved and report['archived'] == 0, report
        assert any('have expired' in text and '256 to' in text for text in report['not_checked']), report
        outcomes = [row['outcome'] for row in place.log('--type', 'archive.expired')]
        assert outcomes == ['intended', 'ok'], outcomes
        assert 'nothing is old enough' in place.archive('--expire', to=False).stdout
        place.custody('hold', 'list', check=0)
        # The clock may not be behind the log.
        place.now = BEGIN
        assert 'clock is behind' in place.archive('--expire', to=False, check=3).stderr


def a_hold_stops_expiry_and_erasure_until_it_is_released():
    with later(900, policy_extra='retention: { profile: pci }\n') as place:
        place.now += 100 * DAY
        place.archive()
        place.now = BEGIN + 400 * DAY
        for about in (('--all',), ('--run', 'r1'), ('--scope', 'r1'), ('--from', '2030-01-01', '--to', '2030-02-01')):
            hold = place.hold(*about)
            said = place.archive('--expire', to=False).stdout
            assert f'legal hold {hold}' in said and len(place.files()) == 1, said
            place.release(hold)
        other = place.hold('--from', '2029-01-01', '--to', '2029-02-01')
        refused = place.custody('hold', 'release', other, '--as', 'maria', '--key', place.keys['tom'], '--reason', 'x')
        assert refused.returncode != 0 and other in place.custody('hold', 'list', check=0).stdout, refused
        rows = json.loads(place.custody('hold', 'list', '--json', check=0).stdout)
        assert [row['hold'] for row in rows if row['released'] is None] == [other], rows
        place.release('h-20300101-000000-0000', check=None)
        place.archive('--expire', to=False)
        assert not place.files()
        assert place.verify()['result'] == 'holds'


def held_records_of_a_hold_itself_stay():
    with later(600, policy_extra='retention: { profile: pci }\n') as place:
        hold = place.hold('--run', 'nobody')
        place.append(900)
        place.now += 100 * DAY
        place.archive()
        place.now = BEGIN + 400 * DAY
        said = place.archive('--expire', to=False).stdout
        assert hold in said and len(place.files()) == 1, said
        rows = json.loads(place.custody('hold', 'list', '--json', check=0).stdout)
        assert hold in [row['hold'] for row in rows if row['released'] is None]


def a_hold_names_a_person_and_one_thing():
    with later(0) as place:
        place_words = ('hold', 'place', '--as', 'maria', '--reason', 'litigation')
        for words in (place_words, (*place_words, '--run', 'r', '--all'), (*place_words, '--to', '2030-01-01'),
                      (*place_words, '--from', '2030-02-01', '--to', '2030-01-01'), (*place_words[:-1], 'two words', '--all'),
                      ('hold', 'release', 'h-1', '--as', 'maria', '--reason', 'x')):
            assert place.custody(*words).returncode == 3, words
        assert 'not in the policy' in place.custody('hold', 'place', '--as', 'eve', '--reason', 'x', '--all').stderr
        assert 'no record is about' in place.custody(*place_words, '--run', 'typo', check=0).stderr


def closed_shards_are_archived_and_expire_too():
    with later(900, policy_extra='retention: { profile: pci }\n') as place:
        place.now = BEGIN + 365 * DAY
        place.append(900)
        assert (place.home / 'shards/0001').is_dir()
        place.now += 10 * DAY
        place.archive()
        assert place.verify()['archived'] > 0
        place.now = BEGIN + 380 * DAY
        place.archive('--expire', to=False)
        report = place.verify()
        assert report['result'] == 'holds' and report['expired'] > 0, report
        assert any('shards/0001' in text and 'a later shard says so' in text for text in report['not_checked']), report
        assert len(place.log('--type', 'archive.expired')) == 2


def witnesses_must_have_seen_it_before_anything_is_deleted():
    with later(0) as place:
        port, key = free_port(), place.root / 'witness.key'
        public = place.custody('witness', 'init', '--key', key, '--name', 'w.example/a', check=0).stdout.strip()
        rule = f'ledger: {{ witnesses: [{{ url: "http://127.0.0.1:{port}/", key: "{public}" }}], require: 1 }}\n'
        place.policy(rule)
        place.append(900)
        names = place.bundles()
        place.now += 100 * DAY
        refused = place.archive(check=None)
        assert refused.returncode == 1 and 'have not cosigned' in refused.stderr, refused
        assert set(names) <= set(place.bundles())
        assert [row['outcome'] for row in place.log('--type', 'archive.moved')] == ['intended', 'failed']
        place.start([place.program, 'witness', '--listen', f'127.0.0.1:{port}', '--key', key, '--state', place.root / 'w',
                     '--log', (place.home / 'keys/ledger.vkey').read_text().strip()])
        wait_for_port(port)
        place.wait_for_end()
        place.archive()
        assert place.verify()['archived'] > 0
        cosigned = int((place.home / 'ledger/checkpoint.cosigned').read_text().splitlines()[1])
        assert cosigned > place.log('--type', 'archive.moved')[2]['index']


if __name__ == '__main__':
    main([old_records_move_and_everything_goes_on_to_work, what_makes_no_sense_is_refused,
          a_ledger_that_does_not_hold_is_not_archived, a_damaged_archive_is_named_exactly,
          a_damaged_copy_deletes_nothing, killed_at_any_step_it_goes_on, a_full_and_a_read_only_volume_delete_nothing,
          expired_records_go_and_the_ledger_still_holds, a_hold_stops_expiry_and_erasure_until_it_is_released,
          held_records_of_a_hold_itself_stay, a_hold_names_a_person_and_one_thing,
          closed_shards_are_archived_and_expire_too, witnesses_must_have_seen_it_before_anything_is_deleted])
