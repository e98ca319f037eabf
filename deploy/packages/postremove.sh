#!/bin/sh
# Removes the virtual environment. /var/lib/jobqueue (keys, the journal of an agent, objects) and the user remain.
set -e
case "$1" in upgrade | failed-upgrade | abort-* | disappear | 1) exit 0 ;; esac
rm -rf /opt/jobqueue /opt/jobqueue.new /opt/jobqueue.old
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
