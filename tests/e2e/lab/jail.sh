#!/bin/sh
# jail.sh FOLDER COMMAND... - runs in the mount namespace that "ip netns exec"
# makes for each command, so nothing of this is seen outside: accounts that the
# daemon needs, and the build at a path that every user may walk.
set -e
folder=$1
shift
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
mount --bind "$folder/shadow" /etc/shadow
[ ! -e "$folder/origin" ] || mount --bind "$(readlink -f "$folder/origin")" "$folder/build"
exec "$@"
