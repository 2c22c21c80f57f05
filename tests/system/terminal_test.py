#!/usr/bin/env python3
"""An agent at a terminal: its jobs are its own, the person's terminal shows what it draws and obeys nothing else."""
import contextlib
import fcntl
import json
import os
import re
import select
import signal
import struct
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, TOKEN, main
from landlock_test import shared_place
from user_test import user_place

DEGRADED = 'containment: degraded\n'
BASH = ('/bin/bash', '--norc', '--noprofile', '-i')
PROMPT = r'bash-[0-9.]+\$ '

BEFORE_WORDS = b'\x18\033[0m\033]8;;\007\033[K'  # of custody's own


class Person:
    """Somebody at a terminal of 80 columns who starts `argv` in it, in the foreground of a session of its own."""

    def __init__(self, place, *argv, out=True, shell=()):
        self.seen = b''
        self.ours, theirs = os.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(theirs)
        self.keep = theirs  # so that its modes outlive custody
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
                for fd in (0, *((1, 2) if out else ())):
                    os.dup2(theirs, fd)
                os.chdir(place.repo)
                words = [str(word) for word in (*shell, *place.prefix, place.program, *argv)]
                os.execvpe(words[0], words, {**place.env, 'TERM': 'xterm-256color'})
            finally:
                os._exit(127)

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def type(self, text):
        os.write(self.ours, text.encode() if isinstance(text, str) else text)

    def wait(self, pattern, seconds=30):
        """Waits until `pattern` has come, and forgets what stands before its end; gives the match."""
        deadline = time.monotonic() + seconds
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        while True:
            found = re.search(pattern, self.seen, re.S)
            if found:
                self.seen = self.seen[found.end():]
                return found
            assert time.monotonic() < deadline, f'{pattern} never came: {self.seen[-2000:]}'
            self.read(0.1)

    def read(self, seconds):
        if select.select([self.ours], [], [], seconds)[0]:
            self.seen += os.read(self.ours, 65536)

    def say(self, line, pattern, **more):
        """Types a line and Enter. The pattern must not be in the line: it is echoed."""
        self.type(line + '\r')
        return self.wait(pattern, **more)

    def end(self, seconds=30):
        """Waits for the end of what was started; gives its exit code."""
        deadline = time.monotonic() + seconds
        while True:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                while select.select([self.ours], [], [], 0.1)[0]:
                    self.read(0)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f'it did not end: {self.seen[-2000:]}'

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.ours)
        os.close(self.keep)

    def modes_are_as_before(self):
        assert termios.tcgetattr(self.keep) == self.before, (termios.tcgetattr(self.keep), self.before)


@contextlib.contextmanager
def at(place, *argv, **more):
    person = Person(place, *argv, **more)
    try:
        yield person
    finally:
        person.close()


def started(place, *program, options=()):
    return at(place, 'run', '--repo', place.repo, '--requester', 'tom', *options, '-it', '--', *program)


def shell(place, options=()):
    return started(place, *BASH, options=options)


def jobs_are_the_shells(place, options=()):
    """Ctrl-Z, fg, bg, Ctrl-C and Ctrl-\\ in a shell in a cell, as in any terminal."""
    with shell(place, options) as person:
        person.wait(PROMPT)
        assert b'no job control' not in person.seen, person.seen
        person.type('sleep 500\r')
        time.sleep(0.5)
        person.type('\x1a')
        person.wait(r'Stopped.*?sleep 500')
        person.say('jobs', r'Stopped  ')
        person.say('bg', r'sleep 500 &')
        person.say('jobs', r'Running  ')
        person.type('fg\r')
        time.sleep(0.5)
        person.type('\x03')
        person.wait(PROMPT)
        person.say('echo "code=$?"', r'code=130')
        person.say('jobs; echo "left=$(jobs | wc -l)"', r'left=0')
        person.type('cat\r')
        time.sleep(0.3)
        person.type('\x1c')
        person.wait(r'Quit.*?' + PROMPT)
        person.say('echo "code=$?"', r'code=131')
        person.type('cat >/dev/null\r')  # what the shell's child reads from the foreground is what is typed
        time.sleep(0.3)
        person.type('some\r\x04')
        person.say('echo "code=$?"', r'code=0')
        person.type('sleep 500 | sleep 500\r')  # a job of two
        time.sleep(0.5)
        person.type('\x1a')
        person.wait(r'Stopped')
        person.say('kill %1; sleep 0.5; jobs >/dev/null; echo "left=$(jobs | wc -l)"', r'left=0')
        person.type('exit 7\r')
        assert person.end() == 2, person.seen
        assert b'exit code 7' in person.seen, person.seen
        person.modes_are_as_before()


def the_shells_jobs_are_its_own():
    place = Place()
    try:
        jobs_are_the_shells(place)
    finally:
        place.close()


def they_are_where_opens_are_handed_over_too():
    place = Place(policy_extra=DEGRADED)
    try:
        jobs_are_the_shells(place, ('--cell', 'namespaces/injected'))
        with shell(place, ('--cell', 'namespaces/injected')) as person:
            person.wait(PROMPT)
            person.say('echo via-tty | sed s/via/by/ > /dev/tty', r'by-tty')
            person.say('tty; echo by-name | sed s/by/of/ > /dev/pts/0', r'/dev/pts/0.*of-name')
            # A terminal within has a session of its own: /dev/tty is that one there.
            person.say("""script -qc 'tty; echo "in""ner" > /dev/tty' /dev/null | sed s/^/got=/""", r'got=/dev/pts/1.*got=inner')
            person.wait(PROMPT)
            person.type('exit\r')
            person.end()
    finally:
        place.close()


def they_are_for_an_ordinary_user_too():
    with user_place() as place:
        jobs_are_the_shells(place)


def they_are_without_namespaces_too():
    with shared_place() as place:
        done = place.run('/bin/true')
        assert done['cell'] == 'landlock/fuse', done
        jobs_are_the_shells(place)


def a_terminal_is_the_agents_own():
    """It has a size, and may be opened by its name; the person's is nowhere in the cell."""
    place = Place()
    try:
        with shell(place) as person:
            person.wait(PROMPT)
            person.say('stty size | sed s/^/size=/', r'size=24 80')
            person.resize(50, 132)
            person.say('stty size | sed s/^/size=/', r'size=50 132')
            person.say("""sh -c 'trap "echo to""ld; stty size" WINCH; echo be""gun; while :; do sleep 0.1; done'""", 'begun')
            person.resize(41, 99)
            person.wait(r'told\r\n41 99')
            person.type('\x03')
            person.wait(PROMPT)
            person.say('tty; ls -l $(tty)', r'/dev/pts/0\r\n[^\n]* agent ')
            person.say('echo by-name | sed s/by/of/ > /dev/pts/0', r'of-name')
            person.say('echo via-tty | sed s/via/by/ > /dev/tty', r'by-tty')
            person.say('echo "term=$TERM"', r'term=xterm-256color')
            mine = os.fstat(person.keep)
            held = person.say("stat -Lc 'fd=%d:%i' /proc/[0-9]*/fd/[012] 2>/dev/null; echo al''l", r'(.*)all\r').group(1)
            assert b'fd=' in held and f'fd={mine.st_dev}:{mine.st_ino}\r'.encode() not in held, held
            person.type('exit\r')
            person.end()
    finally:
        place.close()


DRAWN = r'''
printf '\033[1;31mred\033[0m \033[38;2;1;2;3mfine\033[m\n'
printf 'a\033]52;c;aGk=\007b\033]52;c;?\033\\c\n'
printf 'd\033[21te\033P$q"p\033\\f\033_Gt=f;L2V0Yy9wYXNzd2Q=\033\\g\005h\n'
printf '\033[?1049h\033[?25l\033[?1000;1006h\033[?2004h\033[>1u\033]0;a title\007'
printf 'end'
'''


def what_it_draws_is_shown_and_nothing_else_obeyed():
    place = Place(policy_extra='retention: { payloads: 90d }\n')
    try:
        place.write('draw.sh', DRAWN)
        place.commit('drawing')
        with started(place, '/bin/sh', 'draw.sh') as person:
            person.end()
            seen = person.seen
            person.modes_are_as_before()
        assert b'\033[1;31mred\033[0m \033[38;2;1;2;3mfine\033[m' in seen, seen
        assert b'abc' in seen and b'defgh' in seen, seen
        assert b'\033]52' not in seen and b'\033P' not in seen and b'\033_' not in seen and b'\033[21t' not in seen, seen
        drawn, after = seen.split(b'end', 1)
        assert b'\033[?1049h\033[?25l\033[?1000h\033[?1006h\033[?2004h\033[>1u\033]0;a title\007' in drawn, drawn
        for undone in (b'\033[?25h', b'\033[?1000l', b'\033[?1006l', b'\033[?2004l', b'\033[<1u', b'\033[?1049l'):
            assert after.index(undone) < after.index(b'custody: '), (undone, after)
        said = re.findall(rb'custody: kept from your terminal: ([^(]*) \(', seen)
        assert said == [b'clipboard 2, device 1, program 1, window 1, control 1'], said

        # On a terminal that stays the person's: colours, no screen, no title.
        with at(place, 'run', '--repo', place.repo, '--requester', 'tom', '--json', '--', '/bin/sh', 'draw.sh') as person:
            person.end()
            seen = person.seen.replace(BEFORE_WORDS, b'')
        assert b'\033[1;31mred\033[0m' in seen and b'abc' in seen, seen
        assert b'\033]' not in seen and b'\033[?' not in seen and b'\033[>' not in seen, seen
        result = json.loads(re.findall(rb'\{.*"run".*\}', seen)[-1])
        assert result['terminal_dropped'] == {'clipboard': 2, 'command': 1, 'device': 1, 'program': 1, 'window': 1,
                                              'mode': 4, 'sequence': 1, 'control': 1}, result

        # What is kept is what was printed; shown again it passes the same filter.
        rows = json.loads(place.custody('payload', 'list', '--run', result['run'], '--json', check=0).stdout)
        index, = [str(row['index']) for row in rows if row['kind'] == 'output']
        raw = place.custody('payload', 'show', result['run'], index, '--raw', check=0).stdout
        assert '\033]52;c;aGk=\007' in raw and '\033[?1049h' in raw, raw
        for more in ((), ('--raw',)):
            with at(place, 'payload', 'show', result['run'], index, *more) as person:
                assert person.end() == 0, person.seen
                seen = person.seen
            assert b'\033[1;31mred\033[0m' in seen and b'abc' in seen, seen
            assert b'\033]' not in seen and b'\033[?' not in seen, seen
        piped = place.run('/bin/sh', 'draw.sh')  # to a pipe it goes as it is
        assert '\033]52;c;aGk=\007' in piped['stderr'] and piped['terminal_dropped'] == {}, piped
    finally:
        place.close()


def a_value_in_colours_is_redacted_too():
    """Cut in pieces by colours, links and titles, or printed over to be bold: who reads it sees the value."""
    place = Place(policy_extra='retention: { payloads: 90d }\n')
    try:
        half = len(CARD) // 2
        printed = {'plain': CARD, 'coloured': f'\033[31m{CARD[:half]}\033[0;1m{CARD[half:]}\033[0m',
                   'each': ''.join(f'\033[3{i % 8}m{digit}' for i, digit in enumerate(CARD)) + '\033[m',
                   'titled': f'{CARD[:3]}\033]0;x\007{CARD[3:]}', 'bold': ''.join(f'{digit}\b{digit}' for digit in CARD),
                   'token': f'{TOKEN[:9]}\033[4m{TOKEN[9:]}\033[m', 'last': '\033[32mgreen\033[m'}
        # Not in base64: the view would look into that.
        hidden = bytes(byte ^ 0x55 for byte in ''.join(f'{name}=[{text}]\n' for name, text in printed.items()).encode())
        place.write('print.py', f'import sys\nsys.stdout.buffer.write(bytes(byte ^ 0x55 for byte in bytes.fromhex("{hidden.hex()}")))\n')
        place.commit('what is printed')
        done = place.run('/usr/bin/python3', 'print.py')
        rows = json.loads(place.custody('payload', 'list', '--run', done['run'], '--json', check=0).stdout)
        index, = [str(row['index']) for row in rows if row['kind'] == 'output']
        raw = place.custody('payload', 'show', done['run'], index, '--raw', check=0).stdout
        assert printed['each'] in raw, raw
        shown = place.custody('payload', 'show', done['run'], index, check=0).stdout
        with at(place, 'payload', 'show', done['run'], index) as person:
            assert person.end() == 0, person.seen
            seen = person.seen.decode()
        for text in (shown, seen):
            bare = re.sub(r'\033\[[0-9;]*m|.\b|<U\+001B>\[[0-9;]*m', '', text)
            assert CARD not in bare and TOKEN not in bare and CARD[:half] not in bare and TOKEN[9:] not in bare, text
            for name, kind in (*((name, 'pan') for name in ('plain', 'coloured', 'each', 'titled', 'bold')), ('token', 'secret')):
                assert re.search(name + r'=\[[^\n]*\[' + kind + r'\][^\n]*\]', text), (name, text)
        assert '\033[32mgreen\033[' in seen, seen
    finally:
        place.close()


SHOWN_BY = re.compile(rb'\033\[([0-9;]*)m|\033\]8;[^;]*;([^\007]*)\007|(custody: )')


def own_words_show(seen):
    """Of each of custody's own lines: neither hidden by a style nor within a link, when it comes to that."""
    hidden, link, count = False, False, 0
    for found in SHOWN_BY.finditer(seen):
        if found[3]:
            assert not hidden and not link, (hidden, link, seen[max(0, found.start() - 300):found.end() + 80])
            count += 1
        elif found[1] is not None:
            hidden = found[1] in (b'8', b'30;40') or (hidden and found[1] not in (b'', b'0'))
        else:
            link = bool(found[2])
    return count


def what_an_agent_leaves_hides_no_words_of_custodys():
    place = Place()
    try:
        # It ends, and the terminal takes all of it.
        with at(place, 'run', '--repo', place.repo, '--requester', 'tom', '--', '/bin/sh', '-c',
                r"printf 'all of it was taken back by the agent\r\033]8;;https://example.org/\007\033[8m'") as person:
            person.end()
            assert own_words_show(person.seen) >= 2, person.seen
            line, = re.findall(rb'the agent\r[^\n]*?custody: ', person.seen)
            assert line.endswith(b'\033[Kcustody: '), line  # nothing of the agent's is behind it
        # It ends, and nobody reads the terminal: what would have undone it is lost with the rest.
        hide = r"printf '\033[8m\033]8;;https://example.org/\007'; head -c 60000 /dev/zero | tr '\0' x"
        for options, left in (((), ()), (('-it',), (b'\033[?1049l', b'\033[r', b'\033(B'))):
            draw = r"printf '\033[?1049h\033[2;3r\033(0'; " if left else ''
            with at(place, 'run', '--repo', place.repo, '--requester', 'tom', *options, '--', '/bin/sh', '-c', draw + hide) as person:
                time.sleep(14)
                person.end()
                assert own_words_show(person.seen) >= 2, person.seen
                after = person.seen[person.seen.rindex(b'xxxx'):]
                words = after.index(b'custody: ')
                for undone in left:
                    assert after.find(undone) in range(words), (undone, after[:400])
                    assert after.count(undone) == 1, (undone, after)
    finally:
        place.close()


PUSH = r'''
import fcntl, os, termios
CODES = {"sti": termios.TIOCSTI, "linux": 0x541c, "setd": 0x5423, "cons": 0x541d}
own = os.openpty()
for where, fd in (("given", 0), ("tty", os.open("/dev/tty", os.O_RDWR)), ("own", own[1])):
    for name, code in CODES.items():
        for high in (0, 1 << 32):
            try:
                fcntl.ioctl(fd, (code | high) if not high else code, b"x\0\0\0\0\0\0\0")
                print("got through:", where, name)
            except OSError as e:
                print("refused:", where, name, e.errno)
print("tried all")
'''


def nothing_is_typed_for_the_person():
    place = Place()
    try:
        place.write('push.py', PUSH)
        place.commit('pushing')
        with started(place, '/usr/bin/python3', 'push.py') as person:
            person.end()
            seen = person.seen
        assert b'tried all' in seen and b'got through' not in seen, seen
        assert seen.count(b'refused: ') == 24 and len(re.findall(rb'refused: \w+ \w+ 1\r', seen)) == 24, seen
    finally:
        place.close()


def the_terminal_is_given_back_however_it_ends():
    place = Place()
    try:
        for end in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with started(place, '/bin/sh', '-c', r"stty -echo; printf '\033[?1049h'; echo on; exec sleep 600") as person:
                person.wait(r'on\r')
                assert termios.tcgetattr(person.keep) != person.before
                os.kill(person.pid, end)
                assert person.end() in (128 + end, -end), person.seen
                assert b'\033[?1049l' in person.seen, person.seen
                person.modes_are_as_before()
        # What was typed and not read, and a late answer of the terminal's, is nobody's input.
        with started(place, '/bin/sh', '-c', r"stty raw -echo; echo on; exec sleep 2") as person:
            person.wait(r'on')
            person.type('rm -rf nothing\r')
            person.end()
            assert not select.select([person.keep], [], [], 0)[0], os.read(person.keep, 100)
        # A terminal far away: its answers come late, and in the order of the questions.
        with started(place, '/bin/sh', '-c', r"stty raw -echo; printf 'on\033[6n\033[c'") as person:
            person.wait(r'on\x1b\[6n\x1b\[c.*\x1b\[5n')
            time.sleep(0.1)
            person.type('\033[1;1R\033[?62;22c\033[0n')
            person.end()
            assert not select.select([person.keep], [], [], 0)[0], os.read(person.keep, 100)
            person.modes_are_as_before()
        with started(place, '/bin/sh', '-c', r"printf 'on\033[6n'") as person:  # one that never answers
            person.end()
            person.modes_are_as_before()
    finally:
        place.close()


DRAWS = r"stty -echo; printf '\033[?1049h\033[?1000h\033[8m'; echo on; exec sleep 600"
UNDONE = (b'\033[?1000l', b'\033[0m', b'\033[?1049l')


def child_of(pid, name, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for child in open(f'/proc/{pid}/task/{pid}/children').read().split():
            if open(f'/proc/{child}/comm').read().strip() == name:
                return int(child)
        time.sleep(0.02)
    raise AssertionError(f'{pid} has no child {name}')


def keepers():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if open(f'/proc/{pid}/comm').read().strip() == 'custody-keeper':
                found.append(pid)
        except OSError:
            pass
    return found


def await_modes(person, wanted, seconds=10):
    deadline = time.monotonic() + seconds
    while not wanted(termios.tcgetattr(person.keep)):
        assert time.monotonic() < deadline, termios.tcgetattr(person.keep)
        time.sleep(0.02)


def killed_it_gives_the_terminal_back_too():
    place = Place()
    run = ('run', '--repo', place.repo, '--requester', 'tom', '-it', '--', '/bin/sh', '-c', DRAWS)
    others = set(keepers())
    try:
        # Below a shell that does nothing about it.
        with at(place, *run, shell=('/bin/sh', '-c', '"$@"; echo "said $?"; read line; echo "line [$line]"', 'sh')) as person:
            person.wait(r'on\r')
            assert termios.tcgetattr(person.keep) != person.before
            os.kill(child_of(person.pid, os.path.basename(place.program)), signal.SIGKILL)
            await_modes(person, lambda modes: modes == person.before)
            deadline = time.monotonic() + 10
            while not all(wanted in person.seen for wanted in (*UNDONE, b'said 137')):
                assert time.monotonic() < deadline, person.seen
                person.read(0.1)
            person.type('hello\r')
            person.wait(r'line \[hello\]')
            person.end()
        # Below a shell that has modes of its own at its prompt: those stay.
        with at(place, *run, shell=(*BASH[:3], '-c', 'set -m; "$@"; read -e -p "more> " line; echo "line [$line]"', 'bash')) as person:
            person.wait(r'on\r')
            os.kill(child_of(person.pid, os.path.basename(place.program)), signal.SIGKILL)
            person.wait('more> ')
            time.sleep(0.5)
            modes = termios.tcgetattr(person.keep)
            assert modes != person.before and not modes[3] & termios.ICANON, modes  # readline's
            person.type('ab\x08c\r')
            person.wait(r'line \[ac\]')
            person.end()
        # In the background, and stopped: the terminal is somebody else's.
        with at(place, *run, shell=('/bin/bash', '--norc', '--noprofile', '-c', 'set -m; "$@"; stty intr ^U; echo "has it"; read line', 'bash')) as person:
            person.wait(r'on\r')
            core = child_of(person.pid, os.path.basename(place.program))
            os.kill(core, signal.SIGSTOP)
            person.wait('has it')
            modes = termios.tcgetattr(person.keep)
            person.seen = b''
            os.kill(core, signal.SIGKILL)
            deadline = time.monotonic() + 10
            while set(keepers()) - others and time.monotonic() < deadline:
                time.sleep(0.05)
            person.read(0.2)
            assert termios.tcgetattr(person.keep) == modes and b'\033' not in person.seen, person.seen
            person.type('\n')
            person.end()
        assert not set(keepers()) - others, keepers()
    finally:
        place.close()


def who_stops_itself_goes_on():
    """A full-screen program on Ctrl-Z: above it is no shell that could continue it."""
    place = Place()
    try:
        script = ('import os, signal, sys\n'
                  'signal.signal(signal.SIGTSTP, lambda *_: os.kill(0, signal.SIGSTOP))\n'
                  'print("beg" + "un", flush=True)\n'
                  'for line in sys.stdin: print("it said", line.strip().upper(), flush=True)\n')
        with started(place, '/usr/bin/python3', '-c', script) as person:
            person.wait('begun')
            for word in ('one', 'two', 'three'):
                person.type('\x1a')
                time.sleep(0.2)
                person.say(word, 'it said ' + word.upper())
            person.type('\x04')
            assert person.end() == 2 and b'no-change' in person.seen, person.seen
        with started(place, '/bin/cat') as person:  # who does nothing about it is not stopped at all
            person.read(1)
            person.type('\x1a')
            person.say('four', r'four\r\nfour')
            person.type('\x04')
            person.end()
    finally:
        place.close()


def who_types_more_than_is_read_holds_nobody_up():
    place = Place()
    try:
        with started(place, '/bin/sh', '-c', r"stty raw -echo; echo on; exec sleep 600") as person:
            person.wait(r'on')
            os.set_blocking(person.ours, False)
            put, deadline = 0, time.monotonic() + 4
            while time.monotonic() < deadline and put < 4 << 20:
                with contextlib.suppress(BlockingIOError):
                    put += os.write(person.ours, b'x' * 4096)
            assert put > 4096, put
            os.kill(person.pid, signal.SIGTERM)
            begun = time.monotonic()
            person.end()
            assert time.monotonic() - begun < 10
            person.modes_are_as_before()
    finally:
        place.close()


def a_run_that_was_stopped_goes_on():
    """custody itself stopped and continued by a shell, which has used the terminal meanwhile."""
    place = Place()
    try:
        with shell(place) as person:
            person.wait(PROMPT)
            raw = termios.tcgetattr(person.keep)
            os.kill(person.pid, signal.SIGSTOP)
            termios.tcsetattr(person.keep, termios.TCSANOW, person.before)
            person.resize(33, 77)
            os.kill(person.pid, signal.SIGCONT)
            deadline = time.monotonic() + 5
            while termios.tcgetattr(person.keep) != raw:
                assert time.monotonic() < deadline, 'it is not raw again'
                time.sleep(0.02)
            person.say('stty size | sed s/^/size=/', r'size=33 77')
            person.type('exit\r')
            person.end()
            person.modes_are_as_before()
    finally:
        place.close()


if __name__ == '__main__':
    main([the_shells_jobs_are_its_own, they_are_where_opens_are_handed_over_too, they_are_for_an_ordinary_user_too,
          they_are_without_namespaces_too, a_terminal_is_the_agents_own, what_it_draws_is_shown_and_nothing_else_obeyed, a_value_in_colours_is_redacted_too,
          what_an_agent_leaves_hides_no_words_of_custodys,
          nothing_is_typed_for_the_person, the_terminal_is_given_back_however_it_ends, killed_it_gives_the_terminal_back_too,
          who_stops_itself_goes_on,
          who_types_more_than_is_read_holds_nobody_up, a_run_that_was_stopped_goes_on])
