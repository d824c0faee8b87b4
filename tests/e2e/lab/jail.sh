#!/bin/sh
# jail.sh FOLDER COMMAND... - runs in the mount namespace that "ip netns exec"
# makes for each command, so nothing of this is seen outside: accounts that the
# daemon needs, names of the hosts, and the build at a path that every user may walk.
set -e
folder=$1
shift
for file in passwd group shadow hosts; do
	mount --bind "$folder/$file" "/etc/$file"
done
[ ! -e "$folder/origin" ] || mount --bind "$(readlink -f "$folder/origin")" "$folder/build"
exec "$@"
