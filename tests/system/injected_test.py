#!/usr/bin/env python3
"""A run where there is no FUSE: ordinary files, opened by the guard. Degraded, said so, and still redacted and recorded."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, CUSTODY, Place, Skip, TOKEN, main, run
from user_test import UserPlace, skip_unless_possible

SHELL = ('/bin/sh', '-c')
CELL = ('--cell', 'namespaces/injected')
DEGRADED = 'containment: degraded\n'
FILES = {'README': 'x\n', 'src/cards.csv': f'name,card\nann,{CARD}\n', '.env': f'GITHUB_TOKEN={TOKEN}\n',
         'server.pem': 'private\n', 'src/app.txt': 'one\n'}
# Runs a program where /dev has no fuse.
NO_FUSE = r'''
t=$(mktemp -d /tmp/custody-test-dev-XXXX) && mount -t tmpfs -o mode=755 none $t || exit 99
for n in null zero full random urandom tty ptmx; do [ -e /dev/$n ] || continue; touch $t/$n; mount --bind /dev/$n $t/$n; done
mkdir $t/pts $t/shm; mount --rbind /dev/pts $t/pts; mount --bind /dev/shm $t/shm
ln -s /proc/self/fd $t/fd; mount --move $t /dev; rmdir $t; exec "$@"'''


def places():
    """As root, and as an ordinary user where that can be."""
    yield Place(policy_extra=DEGRADED, files=FILES)
    try:
        skip_unless_possible()
    except Skip:
        return
    yield UserPlace(policy_extra=DEGRADED, files=FILES)


def each_place(story):
    for place in places():
        try:
            story(place)
        finally:
            place.close()


def it_is_chosen_where_there_is_no_fuse_and_only_if_policy_says_so():
    if os.geteuid() != 0:
        raise Skip('a /dev without fuse needs root')
    for extra, code in (('', 4), (DEGRADED, 0)):
        place = Place(policy_extra=extra)
        try:
            done = run(['unshare', '-m', '--propagation', 'private', 'sh', '-c', NO_FUSE, 'x', CUSTODY, 'run', '--repo', place.repo,
                        '--requester', 'tom', '--json', '--', *SHELL, 'echo two >> src/app.txt'], env=place.env, cwd=place.repo)
            if done.returncode == 99:
                raise Skip('mounts are not possible here: ' + done.stderr)
            assert done.returncode == code, (done.returncode, done.stderr)
            if code == 0:
                result = json.loads(done.stdout.strip().splitlines()[-1])
                assert result['cell'] == 'namespaces/injected' and result['degraded'] and result['state'] == 'ready', result
                assert 'warning: this cell is degraded' in done.stderr, done.stderr
                enforced = [r for r in place.log('--run', result['run']) if r['type'] == 'cell.enforced']
                assert any('namespaces/injected' in r['mechanism'] for r in enforced), enforced
                assert any('rename' in (r.get('rule') or '') and r['mechanism'] == 'injected' for r in enforced), enforced
            else:
                assert 'containment: degraded' in done.stderr, done.stderr
        finally:
            place.close()


def what_is_refused_past_the_repository_is_recorded():
    def story(place):
        done = place.run(*SHELL, 'for i in 1 2 3 4 5 6 7; do echo 1 > /proc/self/oom_adj; done; echo x > $HOME/shut; chmod 0 $HOME/shut; cat $HOME/shut; '
                         'cat /nowhere; cat server.pem; echo z > z', options=CELL)
        refused = [(r['reason'], r['object'].get('path', '').split('/')[-1], r.get('count', 1))
                   for r in place.log('--run', done['run']) if r['type'] == 'refused']
        assert ('open', 'shut', 1) in refused, refused
        assert [count for reason, name, count in refused if (reason, name) == ('open', 'oom_adj')] == [1, 2, 4], refused
        assert not any(name in ('nowhere', 'server.pem') for _, name, _ in refused), refused
    each_place(story)


def a_run_ends_in_a_change_that_lands_and_files_are_recorded():
    def story(place):
        done = place.run(*SHELL, 'cat src/cards.csv README; printf "two\\n" >> src/app.txt; echo new > src/new.txt; '
                         "sed -i 's/ann/bob/' src/cards.csv; cat server.pem; echo x > custody.yaml; git status --porcelain",
                         options=CELL, check=0)
        assert done['state'] == 'ready', done
        assert CARD not in done['stderr'] and 'Permission denied' in done['stderr'], done['stderr']
        records = place.log('--run', done['run'])
        paths = {kind: [r['object']['path'] for r in records if r['type'] == kind]
                 for kind in ('file.read', 'file.written', 'file.refused', 'file.redacted')}
        assert {'src/cards.csv', 'README'} <= set(paths['file.read']), paths
        assert 'src/cards.csv' in paths['file.redacted'], paths
        assert {'src/app.txt', 'src/new.txt'} <= set(paths['file.written']), paths
        assert {'server.pem', 'custody.yaml'} <= set(paths['file.refused']), paths
        read = [r for r in records if r['type'] == 'file.read' and r['object']['path'] == 'README'][0]
        assert read['process']['executable'].endswith('/cat') and read['mechanism'] == 'guard', read
        assert place.git('show', f'custody/{done["run"]}:src/cards.csv') == f'name,card\nbob,{CARD}\n'
        assert place.verify()['result'] == 'holds'
        if place.prefix:  # ssh-keygen signs only for users that the host knows
            return
        place.custody('change', 'approve', done['change'], '--as', 'maria', '--key', place.keys['maria'], check=0)
        place.custody('change', 'land', done['change'], check=0)
        assert (place.repo / 'src/app.txt').read_text() == 'one\ntwo\n'
    each_place(story)


def no_original_is_anywhere_in_the_cell():
    def story(place):
        done = place.run('/usr/bin/python3', '-c', 'import os\n'
                         'found = []\n'
                         'for top, folders, files in os.walk("/"):\n'
                         '    folders[:] = [f for f in folders if not (top == "/" and f in ("usr", "sys", "proc", "dev"))]\n'
                         '    for name in files:\n'
                         '        try: data = open(os.path.join(top, name), "rb").read()\n'
                         '        except OSError: continue\n'
                         f'        if "{CARD[:8]}".encode() + "{CARD[8:]}".encode() in data or "{TOKEN[:9]}".encode() + "{TOKEN[9:]}".encode() in data: found.append(os.path.join(top, name))\n'
                         'print("FOUND", found, os.path.exists("server.pem"))\n', options=CELL, check=2)
        assert "FOUND [] False" in done['stderr'], done['stderr']
    each_place(story)


def names_that_lead_to_the_caller_do_and_pid_1_is_nobodys():
    def story(place):
        done = place.run('/usr/bin/python3', '-c',
                         'import os\n'
                         'say = lambda *words: print(*words, flush=True)\n'
                         'def error(path, flags=os.O_RDONLY):\n'
                         '    try: os.close(os.open(path, flags))\n'
                         '    except OSError as e: return e.errno\n'
                         '    return 0\n'
                         'say("A", open("/proc/self/status").readline().split()[1], open("/proc/thread-self/comm").read().strip())\n'
                         'say("B", [error(p) in (2, 13) for p in ("/proc/1/mem", "/proc/1/environ", "/proc/1/root/etc", "/proc/1/fd/0")])\n'
                         'fd = os.open("README", os.O_PATH)\n'
                         'say("C", open("/proc/self/fd/%d" % fd).read().strip(), open("/proc/self/cwd/README").read().strip())\n'
                         'say("D", error("/proc/self/mem", os.O_RDWR), error("/dev/tty", os.O_RDWR))\n'
                         'os.symlink("/proc/self/comm", "/tmp/l"); say("E", open("/tmp/l").read().strip())\n'
                         'os.umask(0o027); open("/tmp/um", "w").close(); say("F", oct(os.stat("/tmp/um").st_mode))\n'
                         'import ctypes; c = ctypes.CDLL(None, use_errno=True); say("G", c.syscall(437, -100, b"README", 0, 0), ctypes.get_errno())\n',
                         options=CELL, check=2)
        for line in ('A python3 python3', 'B [True, True, True, True]', 'C x x', 'D 13 6', 'E python3', 'F 0o100640', 'G -1 38'):
            assert line in done['stderr'].splitlines(), (line, done['stderr'])
        reads = [r['object']['path'] for r in place.log('--run', done['run']) if r['type'] == 'file.read']
        assert 'README' in reads, reads
    each_place(story)


def named_pipes_wait_for_the_other_side():
    def story(place):
        done = place.run(*SHELL, 'mkfifo /tmp/f; (sleep 0.2; echo late > /tmp/f) & cat /tmp/f; '
                         '(cat /tmp/f > /tmp/got; echo read >> /tmp/got) & sleep 0.2; echo soon > /tmp/f; wait; cat /tmp/got', options=CELL, check=2)
        assert done['stderr'].count('late') == 1 and 'soon\nread' in done['stderr'], done['stderr']
    each_place(story)


def more_pipes_than_may_wait_are_refused_and_that_is_recorded():
    def story(place):
        done = place.run('/usr/bin/python3', '-c',
                         'import errno, os, threading, time\n'
                         'os.mkfifo("/tmp/pipe"); refused = []\n'
                         'def read():\n'
                         '    try: os.open("/tmp/pipe", os.O_RDONLY)\n'
                         '    except OSError as why: refused.append(errno.errorcode[why.errno])\n'
                         'for _ in range(131): threading.Thread(target=read, daemon=True).start()\n'
                         'end = time.monotonic() + 30\n'
                         'while len(refused) < 3 and time.monotonic() < end: time.sleep(0.05)\n'
                         'print("REFUSED", refused, flush=True); os._exit(0)\n', options=CELL, check=2)
        assert "REFUSED ['EMFILE', 'EMFILE', 'EMFILE']" in done['stderr'], done['stderr']
        refused = [(r['object']['path'], r.get('count', 1)) for r in place.log('--run', done['run'])
                   if r['type'] == 'refused' and r['reason'] == 'open-limit']
        assert refused == [('/tmp/pipe', 1), ('/tmp/pipe', 2)], refused
    each_place(story)


def a_guard_that_is_killed_closes_the_cell():
    place = Place(policy_extra=DEGRADED, files=FILES)
    try:
        process = place.start([CUSTODY, 'run', '--repo', place.repo, '--requester', 'tom', '--json', *CELL, '--', *SHELL,
                               'while :; do cat README > /dev/null; echo y >> src/app.txt; done'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        place.wait_for_run()
        time.sleep(0.3)
        children = open(f'/proc/{process.pid}/task/{process.pid}/children').read().split()
        guard = [int(pid) for pid in children if 'guard' in open(f'/proc/{pid}/comm').read()]
        assert len(guard) == 1, children
        os.kill(guard[0], signal.SIGKILL)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 2 and 'guard' in json.loads(out)['reasons'], out
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def nothing_is_lost_in_a_storm():
    count = 3000
    files = {f'd{i % 50}/f{i}.c': f'int value_{i};\n' for i in range(count)}
    place = Place(policy_extra=DEGRADED, files=files)
    try:
        done = place.run(*SHELL, 'for i in $(seq 8); do (for j in $(seq 40); do /bin/true < d1/f1.c; done) & done; '
                         'grep -rl absent d0 d1 d2 & grep -rc value . | wc -l; wait', options=CELL, check=2, timeout=300)
        reads = {r['object']['path'] for r in place.log('--run', done['run']) if r['type'] == 'file.read'}
        assert set(files) <= reads, len(set(files) - reads)
        execs = [r for r in place.log('--run', done['run']) if r['type'] == 'exec' and r['process']['executable'].endswith('/true')]
        assert len(execs) == 320, len(execs)
    finally:
        place.close()


if __name__ == '__main__':
    sys.exit(main([
        it_is_chosen_where_there_is_no_fuse_and_only_if_policy_says_so,
        what_is_refused_past_the_repository_is_recorded,
          a_run_ends_in_a_change_that_lands_and_files_are_recorded,
        no_original_is_anywhere_in_the_cell,
        names_that_lead_to_the_caller_do_and_pid_1_is_nobodys,
        named_pipes_wait_for_the_other_side,
        more_pipes_than_may_wait_are_refused_and_that_is_recorded,
        a_guard_that_is_killed_closes_the_cell,
        nothing_is_lost_in_a_storm,
    ]))
