#!/bin/sh
# First process of the virtual machine of vm_test.py. Prints "@ok   what" or "@FAIL what" for each check, then ends the machine.
export PATH=/usr/bin:/usr/sbin CUSTODY_LEDGER_LINGER_MS=200 HOME=/root

if [ "$1" != second ]; then
    # pivot_root, which a cell needs, is not to be had on the initramfs itself.
    mount -t tmpfs -o mode=755 none /mnt
    cp -a /dev /etc /usr /bin /sbin /lib /lib64 /modules /init /root /tmp /run /srv /mnt/ 2>/dev/null
    mkdir /mnt/proc /mnt/sys /mnt/mnt
    exec switch_root /mnt /init second
fi

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
chmod 1777 /tmp /dev/shm
for module in /modules/*.ko; do insmod "$module" || echo "insmod $module failed"; done
chmod 666 /dev/fuse
mount -t cgroup2 none /sys/fs/cgroup
mount -t ext4 -o usrquota /dev/vda /srv || echo "no disk"
chmod 755 /srv

checks=0
check() { # check WHAT COMMAND...: the command says whether it holds
    what=$1; shift
    checks=$((checks + 1))
    if "$@" >/tmp/said 2>&1; then echo "@ok   $what"; else echo "@FAIL $what"; sed 's/^/    /' /tmp/said | tail -20; sed 's/^/    /' "$place/run.err" | tail -5; fi
}

# A repository and a state folder of a user's; $as runs programs as that user.
new_place() { # new_place NAME RESOURCES
    place=/srv/$1
    mkdir -p "$place/repo"
    export CUSTODY_HOME=$place/home
    printf 'x\n' > "$place/repo/README"
    chown -R "$user:$user" "$place"
    $as git -C "$place/repo" init -q -b main
    $as custody init --repo "$place/repo" > "$place/init.log" 2>&1 || cat "$place/init.log"
    cat > "$CUSTODY_HOME/policy.yaml" <<POLICY
version: 1
people:
  - { id: tom, email: tom@example.org }
models:
  - { name: onprem, url: "http://127.0.0.1:9/v1", dialect: openai, residency: on-premises, allow: [code] }
phase: regulated
resources: { $2 }
POLICY
    printf 'version: 1\nrepository: billing\nowner: tom\npaths:\n  scratch: [build]\n' > "$place/repo/custody.yaml"
    chown -R "$user:$user" "$place"
    $as git -C "$place/repo" add -A
    $as git -C "$place/repo" -c user.name=Tom -c user.email=tom@example.org commit -q -m first
}

agent() { # agent SCRIPT: one run; what it says is in run.out, run.err
    status=0
    $as timeout 120 custody run --repo "$place/repo" --requester tom --json -- sh -c "$1" >"$place/run.out" 2>"$place/run.err" </dev/null || status=$?
    run=$(sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' "$place/run.out")
    enforced=$($as custody log --json --run "$run" 2>/dev/null | grep '"cell.enforced"')
}
reason_is() { grep -q "\"reasons\": *\\[\"$1\"" "$place/run.out" || { cat "$place/run.out"; false; }; }
state_is() { grep -q "\"state\": *\"$1\"" "$place/run.out" || { cat "$place/run.out"; false; }; }
enforces() { for limit in "$@"; do echo "$enforced" | grep -q "cgroup-$limit" || { echo "$enforced" | tail -1; return 1; }; done; }
enforces_word() { echo "$enforced" | grep -q " $1"; }
says() { grep -q "$1" "$place/run.err"; }
no_group_is_left() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -z "$(find /sys/fs/cgroup -type d -name 'custody-*')" ] && return 0
        sleep 0.5
    done
    find /sys/fs/cgroup -type d -name 'custody-*'
    return 1
}
took_at_least() { [ "$1" -ge "$2" ] || { echo "took $1 s"; false; }; }

HOG_ALONE='exec sort /dev/zero'
FORKS='n=0; while [ $n -lt 300 ]; do sleep 20 & n=$((n+1)); done; ls -d /proc/[0-9]* | wc -l > count.txt; kill $(jobs -p)'

limits_hold() { # limits_hold WHO
    agent 'echo fine > fine.txt'
    check "$1: memory, pids, cpu and io have a group" enforces memory pids cpu io
    check "$1: and the run is ready" state_is ready
    agent "$HOG_ALONE"
    check "$1: who takes all memory is killed for it" reason_is memory-limit
    check "$1: and nothing of its group is left" no_group_is_left
    agent "$FORKS"
    check "$1: forks end at resources.pids" says 'fork'
    check "$1: nor of that one" no_group_is_left
    began=$(date +%s)
    agent 'dd if=/dev/zero of=build/x bs=1M count=12 oflag=direct; echo x > x.txt'
    check "$1: 12 MiB at 2 MiB a second take time" took_at_least $(($(date +%s) - began)) 5
}

killed_leaves_nothing() { # by SIGKILL to custody, in the middle
    $as custody run --repo "$place/repo" --requester tom -- sleep 4711 >/dev/null 2>&1 </dev/null &
    custody=$! # setpriv, where it is there, becomes custody
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do pidof sleep >/dev/null && break; sleep 0.5; done
    sleep 2
    pidof sleep >/dev/null || { echo 'the agent did not start'; return 1; }
    group=$(find /sys/fs/cgroup -type d -name 'custody-*' | head -1)
    [ -n "$group" ] || { echo 'it has no group'; return 1; }
    [ "$1" = frozen ] && echo 1 > "$group/cgroup.freeze"
    kill -9 "$custody"
    wait "$custody" 2>/dev/null
    no_group_is_left && ! pidof sleep
}

# --- as root: the root of the hierarchy is ours
user=0; as=
new_place root 'memory: 96M, pids: 40, cpu: 100%, io: 2M'
limits_hold root
check 'root: custody killed, its group is gone' killed_leaves_nothing
check 'root: and so when the group was frozen' killed_leaves_nothing frozen

new_place quota 'disk: 32M'
agent 'for n in 1 2 3 4; do fallocate -l 30M build/$n || echo refused; done; echo fine > fine.txt; sleep 1'
check 'root: a quota of the run'"'"'s user answers in scratch folders' says 'quota exceeded'
check 'root: which the record names' enforces_word quota-disk
agent 'dd if=/dev/zero of=build/x bs=1M count=20 && echo fine > fine.txt'
check 'root: and it is not the next run'"'"'s' state_is ready

# --- as an ordinary user in a scope below a delegated group, as systemd's user manager has it
user=1234
echo '+memory +pids +cpu +io' > /sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/user/scope
chown 1234:1234 /sys/fs/cgroup/user /sys/fs/cgroup/user/cgroup.procs /sys/fs/cgroup/user/cgroup.subtree_control \
    /sys/fs/cgroup/user/cgroup.threads /sys/fs/cgroup/user/scope /sys/fs/cgroup/user/scope/cgroup.procs
as='/usr/bin/setpriv --reuid=1234 --regid=1234 --clear-groups --'
echo $$ > /sys/fs/cgroup/user/scope/cgroup.procs
new_place user 'memory: 96M, pids: 40, cpu: 100%, io: 2M'
limits_hold 'a user with a delegated group'
check 'a user: custody killed, its group is gone' killed_leaves_nothing

# --- and in one that is not his
mkdir /sys/fs/cgroup/session
echo $$ > /sys/fs/cgroup/session/cgroup.procs
new_place alone 'memory: 96M, pids: 40, cpu: 100%, io: 2M'
agent 'echo fine > fine.txt'
check 'a user without one: the run says what is not bounded' says 'resources.io is not kept'
agent "$HOG_ALONE"
check 'a user without one: memory is watched' reason_is memory-limit
agent "$FORKS"
check 'a user without one: forks end at the rlimit' says 'fork'

echo "@plan $checks"
echo "@time $(cut -d' ' -f1 /proc/uptime) s up"
sync
poweroff -f
