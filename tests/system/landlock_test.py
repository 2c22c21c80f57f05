#!/usr/bin/env python3
"""A run on a host that gives an ordinary user no namespaces: the view by fusermount3, the rest by Landlock. Degraded, and said so."""
import contextlib
import json
import os
import pathlib
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, Skip, TOKEN, fuse_for_everybody, main, processes_below, run

UID = 9  # news of Debian: fusermount3 takes only users that have a name, and nobody is other tests'
SHELL = ('/bin/sh', '-c')
DEGRADED = 'containment: degraded\n'
FILES = {'README': 'x\n', 'src/cards.csv': f'name,card\nann,{CARD}\n', '.env': f'GITHUB_TOKEN={TOKEN}\n',
         'server.pem': 'private\n', 'src/app.txt': 'one\n', 'run.sh': '#!/bin/sh\necho ran\n'}
WRAPPER = pathlib.Path(__file__).with_name('no_namespaces.py')
PYTHON = '/usr/bin/python3'
ABI_MIN = 6


def landlock_abi():
    done = run([PYTHON, '-c', 'import ctypes; print(ctypes.CDLL(None).syscall(444, 0, 0, 1))'])
    return int(done.stdout or -1)


def skip_unless_possible():
    if os.geteuid() != 0:
        raise Skip('needs root to become an ordinary user without namespaces')
    if shutil.which('fusermount3') is None:
        raise Skip('fusermount3 (fuse3) is not installed')
    if not os.path.exists('/dev/fuse'):
        raise Skip('there is no /dev/fuse')
    if landlock_abi() < ABI_MIN:
        raise Skip(f'Landlock ABI {landlock_abi()}: signals and sockets are kept inside from {ABI_MIN} on')
    scope = pathlib.Path('/proc/sys/kernel/yama/ptrace_scope')
    if scope.exists() and scope.read_text().strip() not in ('0', '1'):
        raise Skip('kernel.yama.ptrace_scope is above 1')
    try:
        pwd.getpwuid(UID)
    except KeyError:
        raise Skip(f'user {UID} has no name here')
    if not os.access(PYTHON, os.X_OK):
        raise Skip(f'there is no {PYTHON}')


class SharedPlace(Place):
    """A Place whose user gets no user namespaces."""

    prefix = (PYTHON, str(WRAPPER), str(UID))

    def own(self):
        for folder, folders, files in os.walk(self.root):
            for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
                os.chown(path, UID, UID, follow_symlinks=False)


@contextlib.contextmanager
def shared_place(**more):
    skip_unless_possible()
    with fuse_for_everybody():
        place = SharedPlace(**{'policy_extra': DEGRADED, 'files': FILES, **more})
        try:
            yield place
        finally:
            place.close()


def a_build_cache_is_kept_and_a_toolchain_of_its_own_is_refused():
    with shared_place(policy_extra=DEGRADED + 'resources: { build_cache: 16M }\n') as place:
        place.run(*SHELL, 'echo kept > ~/.cache/file')
        done = place.run(*SHELL, 'cat ~/.cache/file')
        assert 'kept' in done['stderr'] and done['cell'] == 'landlock/fuse', done
        place.policy(DEGRADED + 'toolchain: { root: /usr }\n')
        done = place.run(*SHELL, 'echo started', check=4)
        assert 'toolchain' in done['reasons'] and 'mounted' in done['stderr'] and done['agent_exit'] is None, done


def policy_must_say_so():
    with shared_place(policy_extra='') as place:
        done = place.custody('run', '--repo', place.repo, '--requester', 'tom', '--json', '--', 'true')
        assert done.returncode == 4 and 'landlock/fuse' in done.stderr and 'containment: degraded' in done.stderr, done


def doctor_says_where_a_cell_can_be_and_what_it_lacks():
    page = {}
    for line in open(pathlib.Path(__file__).parents[2] / 'docs' / 'modes.md'):
        cells = [cell.strip() for cell in line.split('|')[1:-1]]
        if len(cells) == 6 and cells[0].startswith('`'):
            page[cells[0].strip('`')] = (cells[3] == 'yes', cells[4], cells[5])
    with shared_place() as place:
        report = json.loads(place.custody('doctor', '--json', check=0).stdout)
        rows = {row['name']: row for row in report['places']}
        assert {name: (row['degraded'], row['loses'], row['costs']) for name, row in rows.items()} == page, (rows, page)
        assert [name for name, row in rows.items() if row['works']] == ['landlock/fuse'], rows
        assert all(row['works'] == (row['why'] == '') for row in rows.values()), rows
        assert 'docs/modes.md' in rows['landlock/injected']['why'], rows
        assert (report['enforceable'], report['place'], report['degraded']) == (True, 'landlock/fuse', True), report
        assert {p['id'] for p in report['promises'] if 'landlock/fuse' in p['mechanism'] and p['status'] == 'degraded'} == {2, 3, 4, 6, 12}
        mode = os.stat('/dev/fuse').st_mode & 0o7777
        assert report['host']['fuse']['mode'] == f'{mode:04o}' and report['host']['fuse']['fusermount'] == 'ok', report['host']['fuse']
        text = place.custody('doctor', check=0).stdout
        for words in ('landlock/fuse        works, degraded', 'no namespaces for this user', 'kernel.yama.ptrace_scope',
                      'kernel.apparmor_restrict_unprivileged_userns', f'{mode:04o}', 'fanotify permission', 'control groups        memory ',
                      'io_uring', 'Only a degraded cell can be had here, and policy takes it: landlock/fuse.'):
            assert words in text, (words, text)
        place.policy('')
        place.own()
        refused = place.custody('doctor', check=4).stdout
        assert 'where policy.yaml says `containment: degraded`' in refused, refused
        assert [p for p in os.listdir('/tmp') if p.startswith('custody-doctor-') and os.stat(f'/tmp/{p}').st_uid == UID] == []
        none = run([PYTHON, str(WRAPPER), str(UID), 'setpriv', '--no-new-privs', place.program, 'doctor', '--json'], env=place.env, check=4)
        report = json.loads(none.stdout)
        assert not any(row['works'] for row in report['places']) and report['place'] is None, report['places']
        assert 'no_new_privs' in [row['why'] for row in report['places'] if row['name'] == 'landlock/fuse'][0], report['places']


def a_run_ends_in_a_change_and_files_are_recorded():
    with shared_place() as place:
        done = place.run(*SHELL, 'pwd; cat src/cards.csv README; printf "two\\n" >> src/app.txt; echo new > src/new.txt; '
                         "sed -i 's/ann/bob/' src/cards.csv; ls -a; cat server.pem; echo x > custody.yaml; chmod +x run.sh; ./run.sh; chmod +x src/new.txt; "
                         'git status --porcelain; git add -A; git commit -qm more; git log --oneline | wc -l', check=0)
        assert done['state'] == 'ready' and done['cell'] == 'landlock/fuse' and done['degraded'], done
        assert CARD not in done['stderr'] and 'warning: this cell is degraded' in done['stderr'], done['stderr']
        lines = done['stderr'].splitlines()
        assert f'{place.home}/runs/{done["run"]}/view' in lines and 'ran' in lines and '2' in lines, lines
        assert 'server.pem' not in [line.strip() for line in lines], lines
        records = place.log('--run', done['run'])
        paths = {kind: [r['object']['path'] for r in records if r['type'] == kind]
                 for kind in ('file.read', 'file.written', 'file.refused', 'file.redacted')}
        assert {'src/cards.csv', 'README'} <= set(paths['file.read']), paths
        assert 'src/cards.csv' in paths['file.redacted'], paths
        assert {'src/app.txt', 'src/new.txt'} <= set(paths['file.written']), paths
        assert {'server.pem', 'custody.yaml'} <= set(paths['file.refused']), paths
        read = [r for r in records if r['type'] == 'file.read' and r['object']['path'] == 'README'][0]
        assert read['process']['executable'].endswith('/cat') and len(read['process']['digest']) == 64, read
        assert any(r['type'] == 'exec' and r['process']['executable'].endswith('/git') for r in records), 'no exec'
        assert all(r['outcome'] in ('held', 'not-tried') for r in records if r['type'] == 'canary'), records
        missing = {r['rule'] for r in records if r['type'] == 'canary' and r['outcome'] == 'not-tried'}
        assert missing == set(), missing
        enforced = [r for r in records if r['type'] == 'cell.enforced']
        assert enforced[-1]['mechanism'].startswith('landlock/fuse ') and enforced[-1]['reason'] == 'degraded', enforced[-1]
        assert any(r['mechanism'] == 'shared-host' and 'names' in r['rule'] for r in enforced), enforced
        assert place.git('show', f'custody/{done["run"]}:src/cards.csv') == f'name,card\nbob,{CARD}\n'
        assert place.git('ls-tree', f'custody/{done["run"]}', 'src/new.txt').startswith('100755'), 'the mode is lost'
        assert place.verify()['result'] == 'holds'
        assert not (place.home / 'runs' / done['run']).exists()


def nothing_of_the_host_is_read_written_or_reached():
    with shared_place() as place:
        secret = place.root / 'secret.txt'
        secret.write_text('the user\'s own\n')
        secret.chmod(0o644)
        os.chown(secret, UID, UID)
        listens = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listens.bind(str(place.root / 'listens'))
        (place.root / 'listens').chmod(0o777)
        listens.setblocking(False)
        program = f'''
import ctypes, os, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def error(act):
    try: act()
    except OSError as e: return e.errno
    return 0
def call(*words):
    return ctypes.get_errno() if libc.syscall(*words) < 0 else 0
def say(*words): print(*words, flush=True)
S = {str(secret)!r}
say('open', error(lambda: open(S)), error(lambda: open(S, 'a')), error(lambda: os.listdir({str(place.root)!r})))
say('change', error(lambda: os.chmod(S, 0)), error(lambda: os.utime(S)), error(lambda: os.unlink(S)), error(lambda: os.truncate(S, 0)),
    error(lambda: os.link(S, 'hard')), error(lambda: os.setxattr(S, 'user.a', b'x')), error(lambda: os.chown(S, -1, {UID})))
path = os.open(S, os.O_PATH)
say('path', error(lambda: os.chmod(f'/proc/self/fd/{{path}}', 0)), call(452, path, b'', 0, 0x1000), error(lambda: open(f'/proc/self/fd/{{path}}')))
os.symlink(S, 'soft'); say('soft', error(lambda: os.chmod('soft', 0)), error(lambda: open('soft'))); os.unlink('soft')
say('state', [error(lambda: open({str(place.home)!r} + name)) for name in ('/policy.yaml', '/keys', '/ledger/checkpoint')])
say('proc', error(lambda: os.listdir('/proc')), error(lambda: open(f'/proc/{{os.getppid()}}/cmdline')), error(lambda: open('/proc/self/mem', 'rb')))
say('names', [error(lambda: os.listdir(p)) for p in ('/root', '/sys', '/proc/1/fd', '/sys/fs/fuse/connections', '/sys/fs/cgroup', '/tmp')],
    error(lambda: open('/sys/fs/fuse/connections/1/abort', 'w')) in (2, 13))
say('move', error(lambda: os.rename('README', 'src/moved')), error(lambda: os.rename('src/moved', 'README')), error(lambda: os.link('README', 'l')),
    error(lambda: os.rename('README', os.environ['HOME'] + '/moved')))
say('kill', [error(lambda: os.kill(pid, 0)) for pid in ({os.getpid()}, os.getppid())])
say('unix', error(lambda: socket.socket(socket.AF_UNIX)), error(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    error(lambda: socket.socket(socket.AF_INET6)), error(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)))
pairs = []
def pair(kind):
    pairs.append(socket.socketpair(socket.AF_UNIX, kind))
    return pairs[-1][0]
L = {str(place.root / 'listens')!r}
say('pair', [error(lambda: pair(kind).sendto(b'x', L)) for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_STREAM)],
    [error(lambda: pair(kind).send(b'x')) for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)])
tcp = socket.socket()
import fcntl
say('interfaces', error(lambda: fcntl.ioctl(tcp, 0x8912, bytes(16))), error(lambda: fcntl.ioctl(tcp, 0x8915, b'lo' + bytes(38))))
say('tcp', error(lambda: tcp.connect(('192.0.2.1', 9187))), error(lambda: tcp.connect(('127.0.0.1', 22))), error(lambda: tcp.bind(('127.0.0.1', 0))),
    error(lambda: tcp.listen()), error(lambda: tcp.sendto(b'x', 0x20000000, ('127.0.0.1', 22))))
say('ipc', call(29, 0, 4096, 0o1600), call(64, 0, 1, 0o1600), call(68, 0, 0o1600), call(240, b'a', 0o102, 0o600, 0), call(250, 0, -3, 0, 0, 0))
say('other', error(lambda: os.setpriority(os.PRIO_USER, 0, 19)), error(lambda: os.sched_setaffinity({os.getpid()}, [0])), call(310, {os.getpid()}, 0, 0, 0, 0, 0))
say('own', error(lambda: os.chmod('README', 0o600)), error(lambda: os.utime('README', (1, 2))), int(os.stat('README').st_mtime),
    error(lambda: open(os.environ['TMPDIR'] + '/t', 'w')), error(lambda: os.chmod(os.environ['TMPDIR'] + '/t', 0o700)),
    error(lambda: open(os.environ['HOME'] + '/h', 'w')), error(lambda: open('/tmp/t', 'w')), error(lambda: open('/dev/shm/t', 'w')))
'''
        done = place.run(PYTHON, '-c', program)
        said = {line.split()[0]: line.split(' ', 1)[1] for line in done['stderr'].splitlines() if ' ' in line}
        wanted = {'open': '13 13 13', 'change': '13 13 13 13 18 95 1', 'path': '13 13 13', 'soft': '13 13', 'state': '[13, 13, 13]',
                  'proc': '13 13 13', 'kill': '[1, 1]', 'names': '[13, 13, 13, 13, 13, 13] True', 'move': '0 0 0 18', 'unix': '38 38 38 38', 'pair': '[1, 1, 106] [0, 0]', 'tcp': '101 111 13 13 1', 'interfaces': '1 1', 'ipc': '38 38 38 38 1',
                  'other': '1 1 1', 'own': '0 0 2 0 0 0 13 13'}
        for name, row in wanted.items():
            assert said.get(name) == row, (name, said.get(name), row, done['stderr'][-3000:])
        try:
            assert not listens.recv(64), 'the agent reached a socket of the host'
        except BlockingIOError:
            listens.close()
        assert secret.read_text() == 'the user\'s own\n' and secret.stat().st_mode & 0o777 == 0o644
        refused = [r for r in place.log('--run', done['run']) if r['type'] == 'refused']
        assert {'connect', 'chmod', 'utimensat'} <= {r['reason'] for r in refused}, refused
        assert {('192.0.2.1', 9187), ('127.0.0.1', 22)} <= {(r['object'].get('host'), r['object'].get('port')) for r in refused if 'object' in r}, refused
        # Whoever is refused without end neither floods the ledger nor goes unseen.
        done = place.run(PYTHON, '-c', 'import socket\nfor _ in range(1000):\n'
                         '    try: socket.socket().connect(("192.0.2.1", 80))\n'
                         '    except OSError: pass\nopen("z", "w").write("z")', check=0)
        counts = [r.get('count', 1) for r in place.log('--run', done['run']) if r['type'] == 'refused' and r.get('object', {}).get('port') == 80]
        assert counts == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512], counts


def no_original_is_anywhere_in_reach():
    with shared_place() as place:
        done = place.run(PYTHON, '-c', 'import os\n'
                         'found, seen = [], 0\n'
                         'for top, folders, files in os.walk("/"):\n'
                         '    folders[:] = [f for f in folders if not (top == "/" and f in ("usr", "sys", "proc", "dev"))]\n'
                         '    for top2 in (top,):\n'
                         '        for name in files:\n'
                         '            try: data = open(os.path.join(top2, name), "rb").read()\n'
                         '            except OSError: continue\n'
                         f'            if "{CARD[:8]}".encode() + "{CARD[8:]}".encode() in data or "{TOKEN[:9]}".encode() + "{TOKEN[9:]}".encode() in data: found.append(name)\n'
                         'for top in (".", os.environ["HOME"], ".git/"):\n'
                         '    for folder, folders, files in os.walk(top):\n'
                         '        for name in files:\n'
                         '            seen += 1\n'
                         '            data = open(os.path.join(folder, name), "rb").read()\n'
                         f'            if "{CARD[:8]}".encode() + "{CARD[8:]}".encode() in data: found.append(name)\n'
                         'print("FOUND", found, seen > 5, os.path.exists("server.pem"))\n', check=2)
        assert 'FOUND [] True False' in done['stderr'], done['stderr']


def what_it_makes_is_nobody_elses_on_the_host():
    """No mount is nosuid here: a set-user-id program of the agent's is the user's, for whoever can reach it."""
    with shared_place() as place:
        process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', *SHELL,
                               'cp /usr/bin/id $TMPDIR/id; chmod 6755 $TMPDIR/id; chmod 777 $TMPDIR $HOME .git/; sleep 900'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        folder = place.home / 'runs' / place.wait_for_run()
        deadline = time.monotonic() + 20
        while not ((folder / 'tmp').stat().st_mode & 0o002) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (folder / 'tmp/id').stat().st_mode & 0o4000, 'the test made no such program'
        for words in (('env', folder / 'tmp/id'), ('ls', folder / 'home'), ('ls', folder / 'view')):
            other = run(['setpriv', f'--reuid={UID + 1}', f'--regid={UID + 1}', '--clear-groups', '--', *words])  # it keeps root's rights until its exec
            assert other.returncode != 0 and 'Permission denied' in other.stderr, (words, other)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def the_agent_reaches_its_model_through_the_door():
    with shared_place() as place:
        port, _ = place.scripted_model({'version': 1, 'turns': [{'text': 'hello'}] * 8})
        place.policy(DEGRADED, model_url=f'http://127.0.0.1:{port}/v1')
        place.own()
        ask = ('import http.client, json, sys\n'
               'def ask(number):\n'
               '    c = http.client.HTTPConnection("127.0.0.1", 9187, timeout=20)\n'
               '    c.request("POST", "/v1/chat/completions", json.dumps({"model": "onprem", "messages": [{"role": "user", "content": "hi"}]}), {"Content-Type": "application/json", "Authorization": "Bearer custody"})\n'
               '    r = c.getresponse(); r.read(); return r.status\n'
               'import concurrent.futures as f\n'
               'print("ASKED", sorted(f.ThreadPoolExecutor(4).map(ask, range(8))), flush=True)\n'
               'import asyncio\n'
               'async def stream():\n'
               '    r, w = await asyncio.open_connection("127.0.0.1", 9187); w.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"); return (await r.read()).split()[0]\n'
               'print("STREAM", asyncio.run(stream()), flush=True)\n')
        done = place.run(PYTHON, '-c', ask)
        assert 'ASKED [200, 200, 200, 200, 200, 200, 200, 200]' in done['stderr'], done['stderr'][-2000:]
        assert "STREAM b'HTTP/1.1'" in done['stderr'], done['stderr'][-2000:]
        calls = [r for r in place.log('--run', done['run']) if r['type'] == 'model.outcome']
        assert len(calls) == 8, calls


def a_door_with_a_full_queue_refuses_and_that_is_recorded():
    """A door that is stopped takes no connection from its queue: what comes then is refused, and told of."""
    connect = ('import socket, time\n'
               'end = time.monotonic() + 30\n'
               'refused = 0\n'
               'while time.monotonic() < end and refused < 5:\n'
               '    with socket.socket() as line:\n'
               '        try: line.connect(("127.0.0.1", 9187))\n'
               '        except ConnectionRefusedError: refused += 1\n'
               'print("REFUSED", refused, flush=True)\n')
    with shared_place() as place:
        with (place.root / 'said').open('w') as said:
            process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', PYTHON, '-c', connect],
                                  stdout=said, stderr=subprocess.STDOUT)
        run_id = place.wait_for_run()
        door = named(process.pid, 'door')
        os.kill(door, signal.SIGSTOP)
        try:
            for _ in range(400):
                if 'REFUSED' in (place.root / 'said').read_text():
                    break
                time.sleep(0.1)
        finally:
            os.kill(door, signal.SIGCONT)
        process.wait(timeout=30)
        assert 'REFUSED 5' in (place.root / 'said').read_text(), (place.root / 'said').read_text()[-2000:]
        refused = [r for r in place.log('--run', run_id) if r['type'] == 'refused' and r['reason'] == 'door-full']
        assert [r.get('count', 1) for r in refused] == [1, 2, 4], refused
        assert len({r['process']['pid'] for r in refused}) == 1, refused
        assert place.verify()['result'] == 'holds'


def scratch_folders_are_native_and_not_collected():
    with shared_place(files={**FILES, 'build/tracked.txt': 't\n'}, repository_policy='version: 1\nrepository: billing\nowner: tom\n'
                      'paths: { scratch: [build, web/node_modules] }\n') as place:
        done = place.run(*SHELL, 'ls build; mkdir build/o; echo x > build/o/x; echo y > web/node_modules/y; rm -rf build; ls -d build; echo z > z', check=0)
        changed = place.git('diff', '--name-only', 'main', 'custody/' + done['run']).split()
        assert changed == ['z'], (changed, done['stderr'])


def what_it_fills_is_watched():
    """HOME and TMPDIR are the host's here: more than the policy's disk in them ends the run."""
    with shared_place(policy_extra=DEGRADED + 'resources: { disk: 32M }\n') as place:
        for folder in ('$HOME', '$TMPDIR'):
            done = place.run(*SHELL, f'for n in 1 2 3 4 5 6 7 8 9; do head -c 16000000 /dev/urandom > {folder}/$n; done; sleep 20', timeout=60)
            assert done['exit'] == 2 and done['reasons'][0] in ('disk-limit', 'disk-full'), (folder, done)


# What nobody has a descriptor of, but a socket: 400 MiB.
SENT = '''
import array, os, socket, time
ours, theirs = socket.socketpair()
for _ in range(8):
    fd = os.memfd_create("x")
    for _ in range(50): os.write(fd, b"x" * (1 << 20))
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
time.sleep(20)
'''


def memory_is_watched_and_others_are_not_counted():
    with shared_place(policy_extra=DEGRADED + 'resources: { memory: 128M }\n') as place:
        done = place.run(PYTHON, '-c', 'x = b"x" * (400 << 20); import time; time.sleep(20)', timeout=60)
        assert done['exit'] == 2 and 'memory-limit' in done['reasons'], done
        assert place.run(*SHELL, 'sleep 2; echo z > z', check=0)['state'] == 'ready'
        hidden = ('import ctypes, os, time; ctypes.CDLL(None).prctl(4, 0); made = [os.memfd_create("x") for _ in range(8)]\n'
                  'for fd in made: [os.write(fd, b"x" * (1 << 20)) for _ in range(50)]\n'
                  'time.sleep(20)')
        done = place.run(PYTHON, '-c', hidden, timeout=60)
        assert done['exit'] == 2 and 'memory-limit' in done['reasons'], done
        done = place.run(PYTHON, '-c', SENT, timeout=60)
        assert done['exit'] == 2 and 'memory-limit' in done['reasons'], done
        few = SENT.replace('range(8)', 'range(1)').replace('range(50)', 'range(1)').replace('sleep(20)', 'sleep(3)')
        assert 'memory-limit' not in place.run(PYTHON, '-c', few)['reasons']


def descriptors_on_their_way_are_nobody_elses():
    """The kernel counts them for the user: an agent that sends as many as it may keeps neither its own run nor another from sending."""
    fill = ('import array, os, socket, sys, time\n'
            'kept, fd, sent = [], os.open("README", os.O_RDONLY), 0\n'
            'while True:\n'
            '    pair = socket.socketpair(); pair[0].setblocking(False); kept.append(pair)\n'
            '    try:\n'
            '        while True: pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 250))]); sent += 250\n'
            '    except BlockingIOError: continue\n'
            '    except OSError as e: print("FULL", e.errno, sent > 1000, flush=True); break\n')
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limits[1]), limits[1]))
    try:
        with shared_place() as place:
            door = 'door = socket.socket(); door.connect(("127.0.0.1", 9187)); print("DOOR", os.system("true"), flush=True)\n'
            done = place.run(PYTHON, '-c', fill + door + 'open("z", "w").write("z")', check=0)
            assert 'FULL 109 True' in done['stderr'] and 'DOOR 0' in done['stderr'] and done['state'] == 'ready', done
            process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', PYTHON, '-c',
                                   fill + 'time.sleep(60)'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert b'FULL' in process.stdout.readline()
            assert place.run(*SHELL, 'echo y > y', check=0)['state'] == 'ready'
            process.terminate()
            process.wait(timeout=30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def what_even_the_warden_could_not_take_away_is_taken_by_gc():
    """Core and warden killed in one moment: the sweeper ends the cell, and nobody unmounts before the next who comes."""
    with shared_place() as place:
        process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', 'sleep', '900'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run_id = place.wait_for_run()
        warden = named(process.pid, 'cell-warden')
        for pid in (process.pid, warden):
            os.kill(pid, signal.SIGSTOP)
        for pid in (warden, process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=30)
        left = place.left_behind(ledger=False)
        assert [line for line in left if line.startswith('process')] == [], left
        assert len(left) == 1 and f'/runs/{run_id}/view' in left[0], left
        place.custody('runs', 'gc', check=0)
        assert place.left_behind(ledger=False) == [] and not (place.home / 'runs' / run_id).exists()
        ended = [r['reason'] for r in place.log('--run', run_id) if r['type'] == 'run.ended']
        assert ended == ['killed'], ended


def nothing_is_left_however_it_ends():
    with shared_place() as place:
        storm = 'setsid sleep 900 & for i in $(seq 30); do (setsid sh -c "sleep 901; :" &) ; done; (trap "" TERM HUP; while :; do sleep 1 & done) & '
        done = place.run(*SHELL, storm + 'echo z > z', options=(), check=0)
        assert place.left_behind(ledger=False) == [], place.left_behind(ledger=False)
        # Builtins alone behind it: where the storm has taken every process that the user may have, a shell that cannot fork would end.
        for who in ('core', 'cell-warden', 'cell-sweep', 'cell', 'view', 'guard'):
            process = place.start([*place.prefix, place.program, 'run', '--repo', place.repo, '--requester', 'tom', '--', *SHELL,
                                   storm + 'while :; do read line < README; done'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            run_id = place.wait_for_run(not_this=done['run'])
            os.kill(process.pid if who == 'core' else named(process.pid, who), signal.SIGKILL)
            process.wait(timeout=30)
            assert place.left_behind(ledger=False) == [], (who, place.left_behind(ledger=False))
            place.custody('runs', 'gc', check=0)
            assert not (place.home / 'runs' / run_id).exists(), who
            done = {'run': run_id}
        assert place.verify()['result'] == 'holds'


def named(core, name, seconds=10):
    """The process of that run whose name that is; it may be about to take it."""
    deadline = time.monotonic() + seconds
    while len(found := all_named(core, name)) != 1:
        assert time.monotonic() < deadline, (name, found)
        time.sleep(0.05)
    return found[0]


def all_named(core, name):
    return [pid for pid, comm in processes_below(core).items() if comm == name]


if __name__ == '__main__':
    main([a_build_cache_is_kept_and_a_toolchain_of_its_own_is_refused, policy_must_say_so,
          doctor_says_where_a_cell_can_be_and_what_it_lacks,
          a_run_ends_in_a_change_and_files_are_recorded,
          nothing_of_the_host_is_read_written_or_reached,
          no_original_is_anywhere_in_reach,
          what_it_makes_is_nobody_elses_on_the_host,
          the_agent_reaches_its_model_through_the_door,
          a_door_with_a_full_queue_refuses_and_that_is_recorded,
          scratch_folders_are_native_and_not_collected,
          what_it_fills_is_watched,
          memory_is_watched_and_others_are_not_counted,
          descriptors_on_their_way_are_nobody_elses,
          nothing_is_left_however_it_ends,
          what_even_the_warden_could_not_take_away_is_taken_by_gc])
