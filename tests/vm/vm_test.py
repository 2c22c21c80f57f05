#!/usr/bin/env python3
"""
The cell's limits on a host that has control groups of version 2 alone: a virtual machine of Debian's kernel, made of this build.

No image is needed: an initramfs holds busybox, custody, git and their libraries, and a small disk the state folder. Without KVM
QEMU translates, which takes a minute and a half. `in_vm.sh` runs inside and prints a line for each check.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'system'))
from harness import CUSTODY, Skip, main, run

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get('CUSTODY_BUILD', 'build')).absolute()
WORK = BUILD / 'vm'
BOUND_S = int(os.environ.get('CUSTODY_VM_SECONDS', '600'))
PROGRAMS = ('git', 'setpriv')
MODULES = ('drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_pci_modern_dev',
           'drivers/virtio/virtio_pci_legacy_dev', 'drivers/virtio/virtio_pci', 'drivers/block/virtio_blk', 'fs/fuse/fuse',
           'fs/quota/quota_tree', 'fs/quota/quota_v2')
DISK_MIB = 1024


def need(program, package):
    found = shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if found is None:
        raise Skip(f'{program} ({package}) is not installed; tools/install-deps vm')
    return found


def kernel():
    """Debian's kernel for virtual machines, unpacked below the build folder; nothing of the host is changed."""
    place = WORK / 'kernel'
    if not (place / 'boot').exists():
        need('apt-get', 'apt')
        name = run(['apt-cache', 'depends', 'linux-image-cloud-amd64']).stdout
        package = re.search(r'Depends: (linux-image-\S+)', name)
        if package is None:
            raise Skip('apt knows no linux-image-cloud-amd64: its lists are not there, or not those of Debian on x86_64')
        WORK.mkdir(exist_ok=True)
        done = run(['apt-get', 'download', '-q', package[1]], cwd=WORK, timeout=300)
        debs = sorted(WORK.glob('linux-image-*.deb'))
        if done.returncode != 0 or not debs:
            raise Skip(f'{package[1]} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}')
        shutil.rmtree(place, ignore_errors=True)
        run(['dpkg-deb', '-x', debs[-1], place], check=0)
    return next((place / 'boot').glob('vmlinuz-*')), next((place / 'lib' / 'modules').iterdir())


def libraries(program):
    """Paths of what the loader loads for it, the loader among them."""
    return re.findall(r'(/\S+) \(0x', run(['ldd', program]).stdout)


def fill(root, modules):
    """The whole root of the machine: busybox for all that is small, the programs under test, what git runs."""
    for folder in ('dev', 'proc', 'sys', 'tmp', 'run', 'root', 'mnt', 'srv', 'etc', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'modules'):
        (root / folder).mkdir(parents=True)
    for name in ('bin', 'sbin', 'lib', 'lib64'):
        (root / name).symlink_to(f'usr/{name}')
    shutil.copy(need('busybox', 'busybox-static'), root / 'usr/bin/busybox')
    for applet in run(['busybox', '--list'], check=0).stdout.split():
        if applet not in (*PROGRAMS, 'busybox'):
            (root / 'usr/bin' / applet).symlink_to('busybox')
    wanted = {CUSTODY: root / 'usr/bin/custody'}
    wanted.update({need(name, name): root / 'usr/bin' / name for name in PROGRAMS})
    for library in {path for program in wanted for path in libraries(program)}:
        target = root / ('usr' + library.removeprefix('/usr'))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    for program, target in wanted.items():
        shutil.copy(program, target)
    core = root / 'usr/lib/git-core'
    core.mkdir()
    (core / 'git').symlink_to('/usr/bin/git')
    for index, module in enumerate(MODULES):
        shutil.copy(modules / f'kernel/{module}.ko', root / f'modules/{index}-{os.path.basename(module)}.ko')
    (root / 'etc/passwd').write_text('root:x:0:0:root:/root:/bin/sh\nann:x:1234:1234:ann:/srv:/bin/sh\n')
    (root / 'etc/group').write_text('root:x:0:\nann:x:1234:\n')
    (root / 'usr/share/git-core/templates').mkdir(parents=True)
    shutil.copy(HERE / 'in_vm.sh', root / 'init')
    (root / 'init').chmod(0o755)


def pack(root, archive):
    names = subprocess.run(['find', '.'], cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open(archive, 'wb') as out:
        subprocess.run(['busybox', 'cpio', '-o', '-H', 'newc'], cwd=root, input=names, stdout=out, stderr=subprocess.DEVNULL, check=True)


def boot(image, archive, disk, log):
    """Runs the machine to its end; its console is `log`. Seconds that it took."""
    began = time.monotonic()
    # A KVM that is itself in a virtual machine may stop at the first odd instruction: only who asks for it gets it.
    how = 'kvm' if os.environ.get('CUSTODY_VM_KVM') else 'tcg'
    with open(log, 'wb') as out:
        machine = subprocess.Popen(
            [need('qemu-system-x86_64', 'qemu-system-x86'), '-accel', how, '-cpu', 'max', '-m', '1536', '-smp', '2',
             '-kernel', image, '-initrd', archive, '-append', 'console=ttyS0 quiet panic=-1 cgroup_no_v1=all',
             '-drive', f'file={disk},format=raw,if=virtio', '-nic', 'none', '-display', 'none', '-serial', 'stdio',
             '-no-reboot'], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            machine.wait(timeout=BOUND_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'the machine did not end in {BOUND_S} s\n' + tail(log))
        finally:
            machine.kill()
            machine.wait()
    return time.monotonic() - began


def tail(log):
    return pathlib.Path(log).read_text(errors='replace')[-6000:]


def limits_hold_on_a_host_of_version_2():
    if os.uname().machine != 'x86_64':
        raise Skip('only x86_64 is tried')
    need('qemu-system-x86_64', 'qemu-system-x86')
    mkfs = need('mke2fs', 'e2fsprogs')
    image, modules = kernel()
    root, archive, disk, log = WORK / 'root', WORK / 'initramfs', WORK / 'disk', WORK / 'console.log'
    shutil.rmtree(root, ignore_errors=True)
    fill(root, modules)
    pack(root, archive)
    disk.unlink(missing_ok=True)
    with open(disk, 'wb') as whole:
        whole.truncate(DISK_MIB << 20)
    run([mkfs, '-q', '-t', 'ext4', '-O', 'quota', disk], check=0)
    took = boot(image, archive, disk, log)
    lines = pathlib.Path(log).read_text(errors='replace').replace('\r', '').splitlines()
    checks = [line[6:] for line in lines if line.startswith(('@ok   ', '@FAIL '))]
    failed = [line[6:] for line in lines if line.startswith('@FAIL ')]
    planned = [int(line.split()[1]) for line in lines if line.startswith('@plan ')]
    for line in lines:
        if line.startswith('@'):
            print(f'# {line[1:]}')
    print(f'# {len(checks)} checks, {took:.0f} s', flush=True)
    assert planned == [len(checks)] and not failed, (failed, tail(log))


if __name__ == '__main__':
    main([limits_hold_on_a_host_of_version_2])
