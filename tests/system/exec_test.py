#!/usr/bin/env python3
"""Each program that a cell starts is a record, before it starts; without the process that records nothing starts."""
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import Place, Skip, main

MEMFD = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
    int program = memfd_create("hidden", MFD_CLOEXEC), file = open("/usr/bin/true", O_RDONLY);
    char *const argv[] = {"looks-like-make", NULL}, *const none[] = {NULL};
    while (sendfile(program, file, NULL, 1 << 20) > 0)
        continue;
    syscall(SYS_execveat, program, "", argv, none, AT_EMPTY_PATH);
    perror("execveat");
    return 1;
}
'''
UNREADABLE = r'''
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    char *const argv[] = {(char *)8, NULL}, *const none[] = {NULL};
    execve("/usr/bin/true", argv, none);
    printf("errno %d\n", errno == EFAULT);
    execve((const char *)8, none, none);
    printf("errno %d\n", errno == EFAULT);
    execve("/usr/bin/not-there", none, none);
    printf("errno %d\n", errno == ENOENT);
    execve("/usr", none, none);
    printf("errno %d\n", errno == EACCES);
    return 0;
}
'''
WAYS = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char *const none[] = {NULL};
static void *in_thread(void *path)
{
    char *const argv[] = {"thread", NULL};
    execve(path, argv, none);
    return NULL;
}
static int way(const char *name)
{
    char *const argv[] = {(char *)name, NULL};
    int fd = open("/usr/bin/true", O_PATH);
    char path[64];
    pthread_t thread;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!strcmp(name, "self")) { char *const again[] = {"self", "end", NULL}; execve("/proc/self/exe", again, none); }
    if (!strcmp(name, "fd")) execve(path, argv, none);
    if (!strcmp(name, "devfd")) { snprintf(path, sizeof path, "/dev/fd/%d", fd); execve(path, argv, none); }
    if (!strcmp(name, "empty")) syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
    if (!strcmp(name, "relative")) { chdir("/usr/lib"); execve("../bin/./true", argv, none); }
    if (!strcmp(name, "dirfd")) { int dir = open("/usr/bin", O_PATH); syscall(SYS_execveat, dir, "true", argv, none, 0); }
    if (!strcmp(name, "thread")) { pthread_create(&thread, NULL, in_thread, "/usr/bin/true"); pthread_join(thread, NULL); }
    return 1;
}
int main(int argc, char **argv)
{
    static const char *const names[] = {"self", "fd", "devfd", "empty", "relative", "dirfd", "thread", "vfork"};
    if (argc > 1) return 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int status = -1;
        if (!strcmp(names[i], "vfork")) {
            pid_t pid = vfork();
            if (pid == 0) { execve("/usr/bin/true", (char *const[]){"vfork", NULL}, none); _exit(1); }
            waitpid(pid, &status, 0);
        } else {
            pid_t pid = fork();
            if (pid == 0) _exit(way(names[i]));
            waitpid(pid, &status, 0);
        }
        printf("%s %s\n", names[i], status == 0 ? "ran" : "did not run");
    }
    return 0;
}
'''
RACE = r'''
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char path[] = "/tmp/race-a"; /* 64 bits at once, so that it is one or the other */
static void *flip(void *unused)
{
    for (;;)
        for (char letter = 'a'; letter <= 'b'; letter++)
            *(volatile char *)&path[10] = letter;
    return unused;
}
int main(int argc, char **argv)
{
    char *const then[] = {"race", "then", NULL}, *const none[] = {NULL};
    if (argc > 1)
        execve("/usr/bin/true", none, none);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        if (fork() == 0) {
            pthread_create(&thread, NULL, flip, NULL);
            execve(path, then, none);
            _exit(1);
        }
        while (wait(NULL) > 0)
            continue;
    }
    return 0;
}
'''
FILES = {'Makefile': 'all: a.o b.o\n\tcc -o /tmp/a a.o b.o\n%.o: %.c\n\tcc -c -o $@ $<\n', 'a.c': 'int main(void) { return 0; }\n',
         'b.c': 'int b;\n', 'memfd.c': MEMFD, 'unreadable.c': UNREADABLE, 'ways.c': WAYS, 'race.c': RACE, 'say.sh': '#!/bin/sh\necho said\n',
         'storm.sh': 'i=0\nwhile [ $i -lt 1000 ]; do /usr/bin/true & /usr/bin/true; i=$((i+1)); done\nwait\n'}


def programs(place, done):
    return [r for r in place.log('--run', done['run']) if r['type'] == 'exec']


def in_a_cell(*words, timeout=120):
    place = Place(files=FILES)
    try:
        done = place.run(*words, timeout=timeout)
        return place, done, programs(place, done)
    except BaseException:
        place.close()
        raise


def a_build_is_recorded_program_by_program():
    place, done, seen = in_a_cell('make')
    try:
        names = [r['process']['executable'].rsplit('/', 1)[-1] for r in seen]
        for program, times in (('make', 1), ('cc1', 2), ('collect2', 1)):
            assert names.count(program) == times, names
        first = seen[0]
        with open('/usr/bin/make', 'rb') as file:
            assert first['process']['digest'] == hashlib.sha256(file.read()).hexdigest(), first
        assert first['object']['path'] == '/usr/bin/make' and first['count'] == 1 and first['process']['parent'] == 1
        compiler = [r for r in seen if r['process']['executable'].endswith('/cc1')]
        assert compiler[0]['process']['command'] != compiler[1]['process']['command']
        reads = [r for r in place.log('--run', done['run']) if r['type'] == 'file.read' and r['object']['path'] == 'b.c']
        assert len(reads) == 1, reads
        by = [r for r in compiler if r['process']['pid'] == reads[0]['process']['pid']]
        assert len(by) == 1 and by[0]['process'] == reads[0]['process'], (by, reads)
        assert place.verify()['result'] == 'holds'
    finally:
        place.close()


def who_knows_a_command_can_prove_it():
    """The arguments themselves are nowhere; who has them can show that they are what was recorded, until the run's key is gone."""
    place, done, seen = in_a_cell('/bin/sh', '-c', '/bin/echo one two')
    try:
        told = place.root / 'told'
        index = next(r['index'] for r in seen if r['object']['path'] == '/bin/echo')
        told.write_bytes(b'/bin/echo\0one\0two\0')
        place.custody('prove', index, '--value', told, '--out', place.root / 'proof', '--record', place.root / 'record', check=0)
        check = ('verify', '--proof', place.root / 'proof', '--record', place.root / 'record', '--value', told)
        assert 'is what the record commits to' in place.custody(*check, check=0).stdout
        told.write_bytes(b'/bin/echo\0one\0two\0three\0')
        place.custody(*check, check=1)
        assert 'another command' in place.custody('prove', index, '--value', told, check=1).stderr
        place.custody('erase', done['run'], '--as', 'maria', '--reason', 'subject-request', check=0)
        told.write_bytes(b'/bin/echo\0one\0two\0')
        assert 'was erased' in place.custody('prove', index, '--value', told, check=1).stderr
    finally:
        place.close()


def a_storm_loses_none():
    place, done, seen = in_a_cell('/bin/sh', 'storm.sh', timeout=300)
    try:
        assert done['agent_exit'] == 0, done
        assert sum(r['process']['executable'].endswith('/true') for r in seen) == 2000, len(seen)
    finally:
        place.close()


def a_program_of_memory_and_a_script_are_named_as_what_they_are():
    place, _, seen = in_a_cell('/bin/sh', '-c', 'cc -o /tmp/m memfd.c && /tmp/m && cp say.sh /tmp/say.sh && chmod +x /tmp/say.sh && /tmp/say.sh')
    try:
        hidden = [r for r in seen if 'memfd:hidden' in r['process'].get('executable', '')]
        with open('/usr/bin/true', 'rb') as file:
            assert [r['process']['digest'] for r in hidden] == [hashlib.sha256(file.read()).hexdigest()], hidden
        script = [r for r in seen if r.get('object', {}).get('path') == '/tmp/say.sh']
        assert script[0]['object']['digest'] == hashlib.sha256(FILES['say.sh'].encode()).hexdigest(), script
        assert script[0]['process']['executable'] == os.path.realpath('/bin/sh'), script
    finally:
        place.close()


def every_way_of_starting_a_program_works_and_is_recorded():
    """By the caller's own names in /proc, by descriptor, by a relative path, from a thread, by vfork."""
    place, done, seen = in_a_cell('/bin/sh', '-c', 'cc -pthread -o /tmp/ways ways.c && /tmp/ways > out.txt')
    try:
        change = place.custody('change', 'diff', done['change'], check=0).stdout
        assert change.count(' ran\n') == 8 and 'did not run' not in change, change
        ran = [r for r in seen if r['process']['pid'] > next(r['process']['pid'] for r in seen if r.get('object', {}).get('path') == '/tmp/ways')]
        assert [r.get('object', {}).get('path') for r in ran] == [
            '/proc/self/exe', '/proc/self/fd/3', '/dev/fd/3', None, '/usr/bin/true', '/usr/bin/true', '/usr/bin/true', '/usr/bin/true'], ran
        assert [r['process']['executable'] for r in ran] == ['/tmp/ways'] + ['/usr/bin/true'] * 7, ran
    finally:
        place.close()


def a_path_that_changes_under_way_is_found_out():
    """What is told is read from the caller's memory: another thread changes it. What ran shows at the next start."""
    place, _, seen = in_a_cell('/bin/sh', '-c', 'cc -pthread -o /tmp/race-a race.c && cp /tmp/race-a /tmp/race-b && /tmp/race-a')
    try:
        others = [r for r in seen if r.get('reason') == 'not-as-asked']
        asked = {r['process']['pid']: r for r in seen if r.get('object', {}).get('path', '').startswith('/tmp/race-')}
        assert 0 < len(others) < 100, len(others)
        for other in others:
            claim = asked[other['process']['pid']]['process']
            assert {claim['executable'], other['process']['executable']} == {'/tmp/race-a', '/tmp/race-b'}, (claim, other)
            assert claim['digest'] == other['process']['digest'], (claim, other)
    finally:
        place.close()


def what_runs_is_no_other_when_its_file_is_gone_or_the_start_failed():
    script = 'cp /bin/sh /tmp/s; /tmp/s -c "rm /tmp/s; /usr/bin/true"; cp /bin/sh /tmp/s; /tmp/s -c "mv /tmp/s /tmp/t; exec /usr/bin/true"; ' \
             'printf "\\177ELF\\0\\0\\0" > /tmp/x; chmod +x /tmp/x; /bin/bash -c "shopt -s execfail; exec /tmp/x; exec /nowhere; /usr/bin/true"'
    place, _, seen = in_a_cell('/bin/sh', '-c', script)
    try:
        assert [r for r in seen if r.get('reason') == 'not-as-asked'] == [], seen
        assert sum(r['process']['executable'] == '/usr/bin/true' for r in seen) == 3, seen
    finally:
        place.close()


def what_cannot_be_read_does_not_start():
    place, done, seen = in_a_cell('/bin/sh', '-c', 'cc -o /tmp/u unreadable.c && /tmp/u > out.txt')
    try:
        change = place.custody('change', 'diff', done['change'], check=0).stdout
        assert change.count('+errno 1') == 4 and 'errno 0' not in change, change
    finally:
        place.close()


def what_may_not_start_is_recorded_and_a_search_is_not():
    place = Place(files={'README': 'x\n', 'bin/plain': 'no program\n'})
    try:
        done = place.run('/bin/sh', '-c', 'cp README $HOME/plain; for i in 1 2 3 4 5; do $HOME/plain; done; '
                         'PATH=/nowhere:/bin:/usr/bin not-there; PATH=/nowhere:/usr/bin:/bin true; echo z > z')
        refused = [(r['reason'], r['object']['path'], r.get('count', 1)) for r in place.log('--run', done['run']) if r['type'] == 'refused']
        home = [path for _, path, _ in refused][:1]
        assert refused == [('exec', home[0], count) for count in (1, 2, 4)] and home[0].endswith('/plain'), refused
    finally:
        place.close()


def a_start_that_cannot_be_read_is_refused_and_recorded():
    """No path, no arguments, a path without an end: nobody could say what would start."""
    start = ('import ctypes, errno, mmap, os\n'
             'libc = ctypes.CDLL(None, use_errno=True)\n'
             'words = (ctypes.c_char_p * 2)(b"true", None)\n'
             'path = ctypes.c_char_p(b"/usr/bin/true")\n'
             'def error(path, words):\n'
             '    libc.syscall(59 if os.uname().machine == "x86_64" else 221, path, words, None)\n'
             '    return errno.errorcode[ctypes.get_errno()]\n'
             'nowhere = ctypes.c_void_p(8)\n'
             'print("ERRORS", error(nowhere, words), error(path, nowhere), error(nowhere, nowhere), flush=True)\n')
    place = Place()
    try:
        done = place.run('/usr/bin/python3', '-c', start)
        assert 'ERRORS EFAULT EFAULT EFAULT' in done['stderr'], done['stderr']
        refused = [(r['reason'], r.get('count', 1), 'path' in r.get('object', {})) for r in place.log('--run', done['run']) if r['type'] == 'refused']
        assert refused == [('exec-unreadable', 1, False), ('exec-unreadable', 2, False)], refused
        execs = [r['process']['executable'] for r in place.log('--run', done['run']) if r['type'] == 'exec']
        assert not any(name.endswith('/true') for name in execs), execs
    finally:
        place.close()


def without_the_guard_nothing_starts():
    """It is killed in the middle: the cell ends, the run says why, and nothing is collected after it."""
    place = Place(files=FILES)
    killed = []

    def kill():
        for _ in range(400):
            for pid in filter(str.isdigit, os.listdir('/proc')):
                try:
                    with open(f'/proc/{pid}/comm') as name, open(f'/proc/{pid}/environ', 'rb') as environ:
                        if name.read() == 'guard\n' and str(place.home).encode() in environ.read():
                            time.sleep(0.5)
                            os.kill(int(pid), signal.SIGKILL)
                            killed.append(pid)
                            return
                except OSError:
                    continue
            time.sleep(0.02)

    if os.geteuid() != 0:
        place.close()
        raise Skip('only root sees the environment of the guard')
    try:
        thread = threading.Thread(target=kill)
        thread.start()
        done = place.run('/bin/sh', '-c', 'while :; do /usr/bin/true || echo > late.txt; done', timeout=60)
        thread.join()
        assert killed and done['exit'] == 2 and done['reasons'][0] == 'guard', (killed, done)
        assert done['change'] is None, done
    finally:
        place.close()


def what_the_kernel_saw_agrees_with_what_was_recorded():
    """Read in many ways, overwritten, removed and read again: two accounts, one truth."""
    place = Place(files=FILES)
    try:
        done = place.run('/bin/sh', '-c', """
            cat a.c; python3 -c 'import mmap, os; f = os.open("b.c", 0); mmap.mmap(f, 0, prot=mmap.PROT_READ)[:1]'
            ./say.sh; sh say.sh; echo own > memfd.c; cat memfd.c; rm memfd.c
            exec 3< unreadable.c; rm unreadable.c; cat <&3; mv storm.sh tempest.sh; cat tempest.sh""")
        compared = [r for r in place.log('--run', done['run']) if r['type'] == 'reads.compared']
        if os.geteuid() != 0:
            assert compared == [], compared
            return
        if not compared:
            raise Skip('this kernel lets nobody watch a file system')
        assert [r['outcome'] for r in compared] == ['ok'] and compared[0]['count'] >= 5, compared
        assert done['state'] == 'ready', done
    finally:
        place.close()


if __name__ == '__main__':
    main([a_build_is_recorded_program_by_program, who_knows_a_command_can_prove_it, a_storm_loses_none,
          a_program_of_memory_and_a_script_are_named_as_what_they_are,
          every_way_of_starting_a_program_works_and_is_recorded, a_path_that_changes_under_way_is_found_out,
          what_runs_is_no_other_when_its_file_is_gone_or_the_start_failed, what_cannot_be_read_does_not_start,
          what_may_not_start_is_recorded_and_a_search_is_not, a_start_that_cannot_be_read_is_refused_and_recorded, without_the_guard_nothing_starts, what_the_kernel_saw_agrees_with_what_was_recorded])
