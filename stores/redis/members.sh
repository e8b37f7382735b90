# What the scripts of a member share; sourced by them.
#
#   REDIS_MEMBERS     all members' addresses, separated by spaces; left out: this Redis is alone
#   REDIS_MEMBER      which of them this is
#   REDIS_HOST        where its own Redis and Sentinel listen; default 127.0.0.1
#   REDIS_PORT        default 6379
#   SENTINEL_PORT     default 26379
#   REDIS_DATA        the volume; default /var/lib/chatcluster
#   CHAT_SECRETS_DIR  default /run/secrets/chatcluster, in which are
#     users.acl         the users of Redis
#     sentinel.acl      the users of Sentinel
#     admin_password    a password of the user `admin` that Redis and Sentinel know
#     member_password   passwords by which members sign in to each other, a line each, the newest last. The first is good
#                       everywhere; the others are as soon as every member has heard of them.
secrets=${CHAT_SECRETS_DIR:-/run/secrets/chatcluster}
data=${REDIS_DATA:-/var/lib/chatcluster}
own=${REDIS_HOST:-127.0.0.1}
port=${REDIS_PORT:-6379}
sentinel_port=${SENTINEL_PORT:-26379}
member=${REDIS_MEMBER:-}
read -ra members <<<"${REDIS_MEMBERS:-}"
# The name by which Sentinels know the master and its replicas.
group=chatcluster
remembered=$data/sentinel/sentinel.conf

# ask HOST PORT USER PASSWORD COMMAND...: the answer, within two seconds; fails where there is none, or an error.
ask() {
    local host=$1 at=$2 user=$3
    REDISCLI_AUTH=$4 timeout 2 redis-cli -e --no-auth-warning -h "$host" -p "$at" --user "$user" "${@:5}" 2>/dev/null
}

# tell PORT: commands from the standard input, one a line, to this member as admin; fails unless each is answered by OK.
tell() {
    local answers
    answers=$(REDISCLI_AUTH=$(<"$secrets/admin_password") timeout 10 \
        redis-cli --user admin --no-auth-warning -h "$own" -p "$1" 2>&1) || return 1
    [[ -n $answers && -z $(grep -v '^OK$' <<<"$answers") ]]
}

# field NAME: its value in an answer of INFO.
field() {
    tr -d '\r' | awk -F: -v name="$1" '$1 == name { print $2 }'
}

# The master, as the latest decision is that any Sentinel knows of; nothing where none answers.
known_master() {
    local each password
    read -r password <"$secrets/member_password"
    for each in "${members[@]}"; do
        ask "$each" "$sentinel_port" sentinel "$password" SENTINEL MASTER "$group" | awk '
            NR % 2 { name = $0; next }
            { value[name] = $0 }
            END { if ("ip" in value) print value["config-epoch"], value["ip"] }' &
    done | sort -n | awk 'END { print $2 }'
}

# The master that this member's Sentinel knew last; nothing where it never knew one, or it is none of us any more.
remembered_master() {
    [[ -e $remembered ]] || return 0
    local found
    found=$(awk '$1 == "sentinel" && $2 == "monitor" { print $4 }' "$remembered")
    [[ " ${members[*]} " == *" $found "* ]] && echo "$found"
    return 0
}

# take_up_users PORT FILE: each user of an ACL file, set as a whole by one command.
#
# Not by ACL LOAD, by which older releases cut everybody's connection. A user keeps their connections, whatever passwords
# come or go; nobody is removed.
take_up_users() {
    local word name rules
    while read -r word name rules; do
        [[ $word == user ]] && printf 'ACL SETUSER %s reset %s\n' "$name" "$rules"
    done <"$2" | tell "$1"
}

# The newest of the members' passwords that nobody who answers refuses.
accepted_password() {
    local -a passwords
    local each at answer newest
    mapfile -t passwords <"$secrets/member_password"
    newest=${passwords[-1]}
    if ((${#passwords[@]} > 1)); then
        for each in "${members[@]}"; do
            for at in "$port" "$sentinel_port"; do
                answer=$(REDISCLI_AUTH=$newest timeout 2 redis-cli --no-auth-warning -h "$each" -p "$at" \
                    --user sentinel ping 2>&1)
                [[ $answer != *"AUTH failed"* && $answer != *NOAUTH* ]] || newest=${passwords[0]}
            done
        done
    fi
    echo "$newest"
}

# follow PORT FILE PASSWORD USE: as long as this runs, another ACL file and another password of the members are taken up.
# `USE PASSWORD` gives the commands that make this server use it. What is not taken is tried again: the server is away,
# or the kubelet has not brought both files yet.
follow() {
    local at=$1 file=$2 using=$3 use=$4 seen now password told=0
    seen=$(<"$file")
    while sleep 2; do
        now=$(<"$file") || continue
        if [[ $now != "$seen" ]]; then
            if take_up_users "$at" "$file"; then
                seen=$now told=0
                echo "users: taken up from $file"
            elif ((told++ == 0)); then
                echo "users: $file is not taken; tried again every 2 s" >&2
            fi
        fi
        ((${#members[@]})) || continue
        # Nobody is asked while the newest is the one that is used.
        [[ $(tail -n 1 "$secrets/member_password") != "$using" ]] || continue
        password=$(accepted_password)
        if [[ $password != "$using" ]] && "$use" "$password" | tell "$at"; then
            using=$password
            echo "members: signing in by the newer password"
        fi
    done
}

# end_when_busy PID: ends a process that goes round in circles: one that, in each of three looks REDIS_BUSY_SECONDS (default
# 5) apart, has used more hundredths of a second than it has waited times. One that serves waits after each millisecond.
# How much of a core it takes says nothing: on a machine that is short of them, it is as little as any other gets.
#
# A connection may begin by a packet that is rejected, since its Service has no pod for a moment, and go on by the second
# one. Linux then leaves the rejection in the socket's queue of errors, which Redis' event loop is told of without end and
# never reads.
end_when_busy() {
    local every=${REDIS_BUSY_SECONDS:-5} before used waited_before waited busy=0
    used_and_waited "$1" || return 0
    while before=$used waited_before=$waited && sleep "$every"; do
        used_and_waited "$1" || return 0
        # A hundredth of each second is too little to say.
        if ((used - before > every && used - before > waited - waited_before)); then ((++busy)); else busy=0; fi
        ((busy < 3)) && continue
        echo "it is busy with nothing; begun anew" >&2
        kill "$1"
    done
}

# used_and_waited PID: sets the caller's `used` to the hundredths of a second that it has had, `waited` to how often it waited.
used_and_waited() {
    local name value
    local -a stat
    read -ra stat <"/proc/$1/stat" || return 1
    used=$((stat[13] + stat[14]))
    while read -r name value; do
        [[ $name != voluntary_ctxt_switches: ]] || waited=$value
    done <"/proc/$1/status"
} 2>/dev/null
