#!/usr/bin/env python3
"""custody in containers and other sandboxes: docs/containers.md is what these rows say, each tried for real."""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from harness import CUSTODY, Place, Skip, fuse_for_everybody, main, run

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'containers.md'
USER = 'news'  # of Debian; rootless containers want one with a name
FUSE, UNCONFINED, UNMASKED = ('--device', '/dev/fuse'), ('--security-opt', 'seccomp=unconfined'), ('--security-opt', 'unmask=ALL')
CAPS = ('--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN', '--cap-add', 'SYS_PTRACE')
# Name on the page; the container's flags; the exit code; the cell that it gets, or what is said.
ROWS = [
    ('root-plain', FUSE, 4, 'no namespaces for this user'),
    ('root-sys-admin', (*FUSE, *CAPS[:2]), 4, 'bring the loopback up'),
    ('root-net-admin', (*FUSE, *CAPS[:4]), 4, 'keep capabilities'),
    ('root-three', (*FUSE, *CAPS), 0, 'namespaces/fuse'),
    ('root-privileged', ('--privileged',), 0, 'namespaces/fuse'),
    ('user-plain', ('--user', '1000', *FUSE), 4, 'name the cell'),
    ('user-unconfined', ('--user', '1000', *FUSE, *UNCONFINED), 4, 'mount /proc'),
    ('user-unmasked', ('--user', '1000', *FUSE, *UNCONFINED, *UNMASKED), 0, 'namespaces/fuse'),
    ('user-hardened', ('--user', '1000', *FUSE, *UNCONFINED, *UNMASKED, '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'),
     0, 'namespaces/fuse'),
    ('user-no-fuse', ('--user', '1000', *UNCONFINED, *UNMASKED), 4, 'containment: degraded'),
]
ROOTLESS = [
    ('rootless-plain', FUSE, 4, 'no namespaces for this user'),
    ('rootless-three', (*FUSE, *CAPS), 0, 'namespaces/fuse'),
    ('rootless-user', ('--user', '1000', *FUSE, *UNCONFINED, *UNMASKED), 0, 'namespaces/fuse'),
]
SANDBOXES = [
    ('bwrap-dev', ('--unshare-all', '--dev', '/dev'), 4, 'containment: degraded'),
    ('bwrap-fuse', ('--unshare-all', '--dev-bind', '/dev', '/dev'), 0, 'namespaces/fuse'),
    ('bwrap-no-userns', ('--unshare-all', '--unshare-user', '--disable-userns', '--dev-bind', '/dev', '/dev'), 4,
     'no namespaces for this user'),
]
STORY = r'''
export CUSTODY_HOME=/srv/home HOME=/srv CUSTODY_LEDGER_LINGER_MS=100
mkdir /srv/repo && cd /srv/repo && git init -q -b main . && echo x > README && /opt/custody init --repo /srv/repo >/dev/null || exit 99
cat > /srv/home/policy.yaml <<P
version: 1
people:
  - { id: tom, email: tom@example.org }
models:
  - { name: onprem, url: "http://127.0.0.1:9/v1", dialect: openai, residency: on-premises, allow: [code] }
P
printf 'version: 1\nrepository: billing\nowner: tom\n' > custody.yaml
git add -A; git -c user.name=T -c user.email=t@example.org commit -q -m first
/opt/custody run --repo /srv/repo --requester tom --json -- sh -c 'echo y > y.txt' </dev/null
'''


@contextlib.contextmanager
def ground(owner=0):
    """A root file system of the host's /usr, and the story in it, in a folder of its own."""
    if os.geteuid() != 0:
        raise Skip('container engines are started as root here')
    top = pathlib.Path(tempfile.mkdtemp(prefix='custody-', dir='/var/tmp'))
    try:
        top.chmod(0o755)
        root = top / 'root'
        for name in ('usr', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run', 'root', 'srv', 'var', 'home', 'opt'):
            (root / name).mkdir(parents=True)
        for name in ('bin', 'sbin', 'lib', 'lib64'):
            (root / name).symlink_to(f'usr/{name}')
        (root / 'story').write_text(STORY)
        shutil.copy(CUSTODY, root / 'opt/custody')
        for name in ('tmp', 'srv'):
            (root / name).chmod(0o1777)
        if owner:
            for folder, folders, files in os.walk(top):
                for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
                    os.chown(path, owner, owner, follow_symlinks=False)
        yield top
    finally:
        run(['umount', '-R', '-l', top / 'engine'])
        shutil.rmtree(top, ignore_errors=True)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f'{program} is not installed; tools/install-deps check')


def podman(top, flags):
    """Without a registry, a network or the host's store of images. runc: crun takes no host with both versions of groups."""
    return ['podman', '--root', top / 'engine', '--runroot', top / 'er', '--cgroup-manager=cgroupfs', '--log-level=error',
            '--runtime', 'runc', 'run', '--rm', '--network', 'none', '--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=4096:4096',
            '-v', '/usr:/usr:ro', *flags, '--rootfs', top / 'root', 'sh', '/story']


def clean(top):
    for left in (top / 'root' / 'srv').iterdir():
        shutil.rmtree(left)


def judge(row, done):
    name, _, code, wanted = row
    if 'custody' not in done.stderr:
        raise Skip(f'{name}: the engine does not start here: {(done.stderr or done.stdout).strip()[-200:]}')
    assert done.returncode == code, (name, done.returncode, done.stdout, done.stderr)
    if code == 0:
        result = json.loads(done.stdout.strip().splitlines()[-1])
        assert result['state'] == 'ready' and result['cell'] == wanted and not result['degraded'], (name, result)
    else:
        assert wanted in done.stderr, (name, wanted, done.stderr)


@fuse_for_everybody()
def in_a_container_of_root():
    need('podman', 'runc')
    with ground() as top:
        for row in ROWS:
            judge(row, run(podman(top, row[1])))
            clean(top)


def in_a_rootless_container():
    """As a user with ids of his own in /etc/subuid, which this test's mount namespace alone sees."""
    need('podman', 'runc', 'newuidmap', 'setpriv', 'unshare')
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        raise Skip(f'there is no user {USER}')
    with ground(user.pw_uid) as top:
        (top / 'ids').write_text(f'{USER}:300000:65536\n')
        (top / 'run').mkdir(mode=0o700)
        os.chown(top / 'run', user.pw_uid, user.pw_gid)
        as_user = ['unshare', '-m', '--propagation', 'private', 'sh', '-c',
                   'for f in uid gid; do mount --bind "$0/ids" /etc/sub$f || exit 99; done; u=$1 g=$2; shift 2; '
                   'exec setpriv --reuid=$u --regid=$g --clear-groups env HOME="$0" XDG_RUNTIME_DIR="$0/run" "$@"',
                   top, user.pw_uid, user.pw_gid]
        for row in ROOTLESS:
            with fuse_for_everybody():
                judge(row, run([*as_user, *podman(top, row[1])], cwd=top))
            run([*as_user, 'podman', 'unshare', 'sh', '-c', f'rm -rf {top}/root/srv/*'], cwd=top)
            clean(top)
        run([*as_user, *podman(top, [])[:5], 'unshare', 'rm', '-rf', top / 'engine', top / 'er'], cwd=top)


def in_bubblewrap():
    need('bwrap', 'setpriv')
    user = pwd.getpwnam(USER)
    with ground(user.pw_uid) as top:
        for row in SANDBOXES:
            with fuse_for_everybody():
                judge(row, run(['setpriv', f'--reuid={user.pw_uid}', f'--regid={user.pw_gid}', '--clear-groups', 'bwrap', '--bind', top / 'root',
                                '/', '--ro-bind', '/usr', '/usr', '--proc', '/proc', '--tmpfs', '/tmp', *row[1], 'sh', '/story'], cwd='/'))
            clean(top)


def in_a_cell_of_its_own_it_refuses():
    place = Place()
    try:
        shutil.copy(CUSTODY, place.repo / 'custody')
        place.commit('the program')
        done = place.run('sh', '-c', './custody init; echo "exit $?"; ./custody run --requester tom -- true; echo "exit $?"', timeout=60)
        lines = [line for line in done['stderr'].splitlines() if line.startswith(('exit', 'custody init', 'custody run'))]
        assert [line for line in lines if line.startswith('exit')] == ['exit 4', 'exit 4'], done['stderr']
        assert sum('this is the cell of run' in line for line in lines) == 2, done['stderr']
    finally:
        place.close()


def the_page_has_these_rows():
    page = PAGE.read_text()
    for name, flags, code, wanted in ROWS + ROOTLESS + SANDBOXES:
        line = [line for line in page.splitlines() if line.startswith(f'| {name} |')]
        assert len(line) == 1, name
        cells = [cell.strip() for cell in line[0].split('|')]
        assert cells[2] == f'`{" ".join(flags)}`', (cells[2], flags)
        assert wanted in cells[3] and (cells[3].startswith('refused') == (code == 4)), line


if __name__ == '__main__':
    main([in_a_container_of_root, in_a_rootless_container, in_bubblewrap, in_a_cell_of_its_own_it_refuses, the_page_has_these_rows])
