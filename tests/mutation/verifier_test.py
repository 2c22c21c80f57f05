#!/usr/bin/env python3
"""Removes each check of the verifier in turn (verifier.list) and runs the verifier's tests: one must fail.

usage: verifier_test.py BUILD [WORD...]   only the checks whose name or file has one of the words
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
LIBRARY = "src/libcustody-all.a"
# Fast ones first: the first that fails ends a check's turn.
TESTS = ["ledger-tree", "ledger-vectors", "ledger-tile", "ledger-note", "ledger-proof", "ledger-payload",
         "ledger-archive", "ledger-verify", "roles-shard"]
LEAST = 25
SECONDS_MAX = 300


def mutations():
    text = open(os.path.join(HERE, "verifier.list"), encoding="utf-8").read()
    lines, name, body = text.splitlines(), None, []
    for line in lines + ["end.c: end"]:
        head, _, rest = line.partition(": ")
        if rest and head.endswith(".c") and " " not in head:
            if name:
                old, _, new = ("\n".join(body) + "\n").partition("\n==\n")
                # Only the line ends around a paragraph are not part of it.
                yield (*name, old.rstrip("\n"), new.strip("\n"))
            name, body = (head, rest), []
        elif name:
            body.append(line)


class Builder:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.compile = {}
        for row in json.load(open(os.path.join(build, "compile_commands.json"), encoding="utf-8")):
            path = os.path.normpath(os.path.join(row["directory"], row["file"]))
            if "libcustody-all" in row.get("output", ""):
                self.compile[os.path.relpath(path, SOURCE)] = row["command"]
        self.link = {test: self.link_of(test) for test in TESTS}

    def link_of(self, test):
        target = "tests/unit/unit-" + test
        commands = subprocess.run(["ninja", "-C", self.build, "-t", "commands", "-s", target], check=True,
                                  capture_output=True, text=True).stdout.splitlines()
        return shlex.split([line for line in commands if not line.startswith("ninja:")][-1])

    def object_of(self, source, text):
        """Compiles `text` in the place of `source`, with the build's own flags but for its warnings."""
        path = os.path.join(self.folder, os.path.basename(source))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        words = shlex.split(self.compile[source])
        words = [word for word in words if word != "-Werror"] + ["-w"]
        words[words.index("-o") + 1] = path + ".o"
        words[words.index("-c") + 1] = path
        done = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        return path + ".o", done.stderr if done.returncode else None

    def program_of(self, test, object_file):
        """Links a test with an object that takes the place of the library's own."""
        words, out = list(self.link[test]), os.path.join(self.folder, "unit-" + test)
        words[words.index("-o") + 1] = out
        words.insert(words.index("-o"), object_file)
        subprocess.run(words, cwd=self.build, check=True, capture_output=True)
        return out

    def failing(self, object_file):
        """Name of the first test program that fails, or None."""
        environment = dict(os.environ, CUSTODY_TEST_DATA=os.path.join(SOURCE, "tests/data"))
        for test in TESTS:
            program = self.program_of(test, object_file)
            try:
                done = subprocess.run([program], env=environment, capture_output=True, timeout=SECONDS_MAX)
            except subprocess.TimeoutExpired:
                return test
            if done.returncode != 0:
                return test
        return None


def main():
    build = os.path.abspath(sys.argv[1])
    words = sys.argv[2:]
    chosen = [row for row in mutations()
              if not words or any(word in row[0] + ": " + row[1] for word in words)]
    if not words and len(chosen) < LEAST:
        sys.exit(f"only {len(chosen)} checks in the list")
    subprocess.run(["ninja", "-C", build] + ["tests/unit/unit-" + test for test in TESTS], check=True,
                   stdout=subprocess.DEVNULL)
    failed = 0
    print(f"1..{len(chosen) + 1}", flush=True)
    with tempfile.TemporaryDirectory(prefix="custody-mutation-") as folder:
        builder = Builder(build, folder)
        untouched = open(os.path.join(SOURCE, "src/ledger/tree.c"), encoding="utf-8").read()
        object_file, _ = builder.object_of("src/ledger/tree.c", untouched)
        whole = builder.failing(object_file) is None
        print(f"{'ok' if whole else 'not ok'} 1 - without a change all tests pass", flush=True)
        failed += not whole
        for number, (source, name, old, new) in enumerate(chosen, 2):
            path = "src/ledger/" + source
            text = open(os.path.join(SOURCE, path), encoding="utf-8").read()
            why = None
            if text.count(old) != 1:
                why = f"its text is there {text.count(old)} times"
            else:
                object_file, error = builder.object_of(path, text.replace(old, new))
                found = None if error else builder.failing(object_file)
                if error:
                    why = "it does not compile: " + error.splitlines()[0]
                elif found is None:
                    why = "no test fails without it"
            failed += why is not None
            print(f"{'not ok' if why else 'ok'} {number} - {source}: {name}"
                  + (f" # {why}" if why else f" # {found}"), flush=True)
    sys.exit(1 if failed else 0)


main()
