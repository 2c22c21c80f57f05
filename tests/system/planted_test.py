#!/usr/bin/env python3
"""Two hundred originals are planted; an agent does what it can with them; none is anywhere but where it was."""
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, main, processes_below
from held import Search
from planted_originals import plant
import planted_agent

SEED = 20261126
# In the tree, and meant to be seen: what does not find it finds nothing.
MARK = 'quillfeather-' + 'planted'
TAKEN = {'version': 1, 'turns': [{'text': 'I have seen it.', 'usage': {'input': 10, 'output': 5}}]}
LOOK = {'version': 1, 'turns': [
    {'text': 'I look.', 'calls': [{'read': {'path': 'README'}}, {'read': {'path': 'src/pay.py'}}, {'read': {'path': 'data/people.csv'}}]},
    {'text': 'I look further.', 'calls': [{'read': {'path': '.env'}}, {'read': {'path': 'health/adt0.hl7'}}, {'read': {'path': 'health/summary.xml'}}]},
    {'text': 'I list.', 'calls': [{'shell': {'command': 'cat config/* keys/*; git show --stat'}}]},
    {'text': 'I search.', 'calls': [{'shell': {'command': 'grep -rn . data health | head -c 20000'}}]},
    {'text': 'I edit.', 'calls': [{'shell': {'command': 'cp src/pay.js src/more.js; echo >> src/pay.c; cat src/more.js'}}]},
    {'text': 'I have seen it.', 'usage': {'input': 10, 'output': 5}}]}
# Roles that do not need what is in the repository, and so must not have it.
WITHOUT = ('custody-ledger', 'gateway', 'door', 'guard')
FILE_BYTES_MAX = 64 << 20


class Wire:
    """A provider's line: all bytes that come are kept; a request that says so is held until `go`."""

    def __init__(self, to_port):
        self.to_port, self.bytes, self.held, self.go = to_port, bytearray(), threading.Event(), threading.Event()
        self.server = socket.create_server(('127.0.0.1', 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        try:
            self.carry_on(client)
        except OSError:
            pass  # either has gone

    def carry_on(self, client):
        with client, socket.create_connection(('127.0.0.1', self.to_port)) as model:
            while True:
                for ready in select.select([client, model], [], [])[0]:
                    piece = ready.recv(1 << 16)
                    if not piece:
                        return
                    if ready is client:
                        self.bytes += piece
                        if b'hold this line' in piece:
                            self.held.set()
                            self.go.wait(300)
                    (model if ready is client else client).sendall(piece)

    def close(self):
        self.go.set()
        self.server.close()


class Planted(Place):
    """A repository with the originals, a model behind a line that is listened to, and the agent's program."""

    def __init__(self, data='', script=None):
        self.before = temporary()
        self.originals, files = plant(SEED)
        assert len(self.originals) >= 200, len(self.originals)
        with open(planted_agent.__file__) as file:
            files |= {'README': f'{MARK}\n', 'agent.py': file.read()}
        super().__init__(files=files, repository_policy='version: 1\nrepository: billing\nowner: tom\n')
        port, _ = self.scripted_model(script or TAKEN)
        self.wire = Wire(port)
        self.policy('retention: { payloads: 90d }\n' + data, model_url=f'http://127.0.0.1:{self.wire.port}/v1', models=('openai',))
        self.said = self.root / 'said'

    def begin(self, *program, options=(), **more):
        """custody run, with all that it prints in one file."""
        with self.said.open('wb') as said:
            return self.start([CUSTODY, 'run', '--repo', self.repo, '--requester', 'tom', '--json', '--ignore-dirty', *options,
                               *(('--', *program) if program else ())], stdout=said, stderr=subprocess.STDOUT, cwd=self.repo, **more)

    def tell(self):
        """What custody says afterwards to whoever asks, but for what it shows as the agent saw it."""
        run_id = json.loads(self.custody('runs', '--json', check=0).stdout)[0]['run']
        texts = [self.custody(*words).stdout + self.custody(*words).stderr for words in (
            ('log', '--json'), ('log',), ('show', run_id), ('show', run_id, '--json'), ('runs',), ('verify', '--json'), ('payload', 'list', '--run', run_id),
            ('doctor',), ('scan',), ('scan', '--format', 'json'), ('scan', '--format', 'sarif'))]
        return '\n'.join(texts).encode()

    def close(self):
        self.wire.close()
        super().close()



def memory_of(pid):
    """What a process has in memory that it could have written to."""
    out = []
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if 'w' not in rights or '[v' in line:
                continue
            start, end = (int(part, 16) for part in place.split('-'))
            try:
                out.append(os.pread(memory.fileno(), end - start, start))
            except OSError:
                pass
    return b'\n'.join(out)


def roles_of(place, run):
    """{pid: name} of a run's processes, and of its ledger."""
    found = {run.pid: 'custody', **processes_below(run.pid)}
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        try:
            if open(f'/proc/{pid}/comm').read() == 'custody-ledger\n' and str(place.home).encode() in open(f'/proc/{pid}/environ', 'rb').read():
                found[pid] = 'custody-ledger'
        except OSError:
            continue
    return found


def below(folder):
    """(path, bytes) of files; what goes while we look is gone."""
    for here, _, names in os.walk(folder) if os.path.isdir(folder) else [(os.path.dirname(folder), [], [os.path.basename(folder)])]:
        for path in (os.path.join(here, name) for name in names):
            try:
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, 'rb') as file:
                        yield path, file.read(FILE_BYTES_MAX)
            except OSError:
                continue


def temporary():
    """What custody, its agent or a crash may have put into temporary folders; other tests' and builds' folders are theirs."""
    return {os.path.join(folder, name) for folder in ('/tmp', '/var/tmp', '/dev/shm', '/run') if os.path.isdir(folder) for name in os.listdir(folder)
            if name.startswith(('custody', 'cell', 'core', 'copy-', 'piece', '.custody'))
            and not name.startswith(('custody-test-', 'custody-held-', 'custody-bench', 'custody-fuzz', 'custody-scan-', 'custody-gateway-'))}


class Findings:
    """What was found where it may not be."""

    def __init__(self, place):
        self.place, self.wrong = place, []

    def expect_none(self, where, held, but=()):
        held = held - {MARK, *but}
        if held:
            kinds = sorted({self.place.originals[value] for value in held})
            self.wrong.append(f'{where}: {len(held)} originals: {kinds}, such as {sorted(held)[:3]}')

    def end(self):
        for each in self.wrong:
            print(f'# {each}', flush=True)
        assert not self.wrong, f'{len(self.wrong)} places have originals'


def look_through_files(place, search, findings, when, but=()):
    """The state folder, and what is new in temporary folders."""
    cached = f'{place.home}/cache/billing-'
    found, seen = search.files(place.home)
    assert seen > 20, seen
    for path, held in found.items():
        # The repository's blobs as they are, for its owner only (docs/view.md).
        if path.startswith(cached) and path.endswith('/content'):
            assert len(held) > 150 and stat.S_IMODE(os.stat(path).st_mode) == 0o600, (path, len(held))
        else:
            findings.expect_none(f'{when}: {path}', held, but)
    assert any(path.startswith(cached) for path in found), 'the search finds nothing, not even what must be there'
    for new in sorted(temporary() - place.before):
        for path, content in below(new):
            findings.expect_none(f'{when}: {path}', search.within(content), but)


def wait_for_hold(place, run):
    while not place.wire.held.wait(0.2):
        assert run.poll() is None, place.said.read_text(errors='replace')[-3000:]


def none_is_anywhere():
    place = Planted()
    findings = Findings(place)
    try:
        with Search([*place.originals, MARK]) as search:
            found, _ = search.files(place.repo, leave_out=[str(place.repo / '.git')])
            missing = {*place.originals, MARK} - set().union(*found.values())
            assert not missing, f'the search does not find {missing}'
            run = place.begin('/usr/bin/python3', '-B', 'agent.py')
            wait_for_hold(place, run)  # all that a run has besides is there now
            look_through_files(place, search, findings, 'during the run')
            roles = roles_of(place, run)
            assert set(WITHOUT) <= set(roles.values()), roles
            for pid, name in roles.items() if os.geteuid() == 0 else ():
                if name in WITHOUT:
                    findings.expect_none(f'memory of {name}', search.raw(memory_of(pid)))
            place.wire.go.set()
            run.wait(120)
            look_through_files(place, search, findings, 'after the run')
            said, wire = place.said.read_bytes(), bytes(place.wire.bytes)
            held = search.within(said)
            assert MARK in held and b'== sent' in said and b'== crash' in said, said[-3000:]
            findings.expect_none('the cell, and what custody prints', held)
            assert MARK in search.raw(wire) and len(wire) > 100_000, f'{len(wire)} bytes on the wire'
            findings.expect_none('the wire', search.within(wire))
            findings.expect_none('what custody tells', search.within(place.tell()))
            taken, asked = map(int, re.search(rb'== sent\n(\d+) of (\d+) were taken', said).groups())
            assert taken * 3 > asked * 2, f'the door took {taken} of {asked}: the wire proves little'
            print(f'# {len(place.originals)} originals; {len(said) >> 10} KiB seen; {taken} of {asked} questions taken, {len(wire) >> 10} KiB', flush=True)
        findings.end()
    finally:
        place.close()


def what_policy_allows_is_in_the_cell_and_still_not_on_the_wire():
    """The negative control: the same agent, the same search."""
    place = Planted('data: { pan: { view: allow, model: deny } }\n')
    findings = Findings(place)
    try:
        cards = {value for value, what in place.originals.items() if what == 'card'}
        with Search([*place.originals, MARK]) as search:
            run = place.begin('/usr/bin/python3', '-B', 'agent.py', 'look')
            run.wait(120)
            said, wire = place.said.read_bytes(), bytes(place.wire.bytes)
            held = search.within(said)
            # Three are in an archive and one in a run of base64, with secrets beside them.
            assert len(held & cards) >= len(cards) - 4, f'{len(held & cards)} of {len(cards)} cards are seen'
            # What is encoded is shown or replaced as a whole: see docs/redaction.md.
            coded = set().union(*search.files(place.repo / 'notes')[0].values())
            findings.expect_none('the cell', held, but=cards | coded)
            assert MARK in search.raw(wire)
            findings.expect_none('the wire', search.within(wire))
            findings.expect_none('what custody tells', search.within(place.tell()))
            look_through_files(place, search, findings, 'after the run', but=cards | coded)
        findings.end()
    finally:
        place.close()


def none_goes_to_the_model_of_an_agent_that_works():
    """custody-agent and its tools, turn after turn in one conversation."""
    place = Planted(script=LOOK)
    findings = Findings(place)
    try:
        ticket = place.root / 'ticket.md'
        ticket.write_text('# Look at everything\n\nAnd tell me.\n')
        run = place.begin(options=('--engine', 'custody-agent', '--ticket', ticket))
        run.wait(120)
        with Search([*place.originals, MARK]) as search:
            wire = bytes(place.wire.bytes)
            assert MARK in search.raw(wire), place.said.read_text(errors='replace')[-3000:]
            calls = wire.count(b'POST ')
            assert calls >= 3, place.said.read_text(errors='replace')[-3000:]
            print(f'# {calls} calls of {len(LOOK["turns"])}, {len(wire) >> 10} KiB', flush=True)
            findings.expect_none('the wire', search.within(wire))
            findings.expect_none('what custody prints', search.within(place.said.read_bytes()))
            look_through_files(place, search, findings, 'after the run')
        findings.end()
    finally:
        place.close()


def a_role_that_crashes_leaves_none():
    """No core of a process that holds originals, though the limit lets one be written."""
    pattern = open('/proc/sys/kernel/core_pattern').read().strip()
    if pattern.startswith(('|', '/')):
        raise Skip(f'kernel.core_pattern is {pattern[:40]}: cores go elsewhere')
    place = Planted()
    findings = Findings(place)

    def may_dump():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        control = place.root / 'control'
        control.mkdir()
        with Search([*place.originals, MARK]) as search:
            dying = subprocess.Popen([sys.executable, '-c', 'import os, sys; held = sys.stdin.read(); os.abort()'], stdin=subprocess.PIPE, cwd=control,
                                     preexec_fn=may_dump)
            dying.communicate(next(iter(place.originals)).encode())
            found, seen = search.files(control)
            assert seen == 1 and found, f'an ordinary program leaves no core here: {seen} files, kernel.core_pattern {pattern}'
            shutil.rmtree(control)
            for role in ('view', 'custody-collect', 'gateway', 'custody'):
                place.wire.held.clear()
                place.wire.go.clear()
                run = place.begin('/usr/bin/python3', '-B', 'agent.py', preexec_fn=may_dump)
                wait_for_hold(place, run)
                of_role = [pid for pid, name in roles_of(place, run).items() if name == role]
                assert of_role, (role, roles_of(place, run))
                for pid in of_role:
                    os.kill(pid, signal.SIGSEGV)
                place.wire.go.set()
                run.wait(60)
                place.left_behind(ledger=False)
                for path, content in below(place.root):
                    if os.path.basename(path).startswith('core'):
                        findings.expect_none(f'{path}, as {role} crashed', search.within(content))
            look_through_files(place, search, findings, 'after the crashes')
        findings.end()
    finally:
        place.close()


if __name__ == '__main__':
    main([none_is_anywhere, what_policy_allows_is_in_the_cell_and_still_not_on_the_wire, none_goes_to_the_model_of_an_agent_that_works,
          a_role_that_crashes_leaves_none])
